// Tiles of the overlay, computed from label maps. Runs in the painter, never on the page's own thread.

export const TILE = 512;

const OBJECT = 1 << 17; // keys above are objects, below classes
const DARKER = 0.55; // the outline of a filled region, as in overlays that files hold

/**
 * Paint one tile of RGBA pixels.
 *
 * A tile of level n shows 512 * 2^n pixels of the picture a side. Negative levels draw outlines finer than pixels, so
 * that they stay thin when pixels are large.
 *
 * layer: {width, height, values, ids or null}; style: {classes, objects: Uint32Array of colours, 0 where hidden,
 * outline: whether only outlines are drawn}.
 */
export function paintTile(layer, style, level, tileX, tileY) {
  const scale = 2 ** level;
  const width = Math.min(TILE, Math.ceil(layer.width / scale) - tileX * TILE);
  const height = Math.min(TILE, Math.ceil(layer.height / scale) - tileY * TILE);
  const keys = sampledKeys(layer, scale, tileX * TILE, tileY * TILE, width, height);
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const across = width + 2;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y + 1) * across + x + 1;
      const key = keys[at];
      const color = key >= OBJECT ? style.objects[key - OBJECT] : style.classes[key];
      if (!color) continue;
      const edge = keys[at - 1] !== key || keys[at + 1] !== key || keys[at - across] !== key || keys[at + across] !== key;
      if (edge) pixels[y * width + x] = style.outline ? color : darkened(color);
      else if (!style.outline) pixels[y * width + x] = color;
    }
  }
  return image;
}

/** What lies at the pixels of a tile and of one pixel around it. */
function sampledKeys(layer, scale, left, top, width, height) {
  const across = width + 2;
  const keys = new Int32Array(across * (height + 2));
  const columns = Int32Array.from({ length: across }, (_, x) => sampled(left + x - 1, scale, layer.width));
  for (let y = 0; y < height + 2; y++) {
    const row = sampled(top + y - 1, scale, layer.height) * layer.width;
    for (let x = 0; x < across; x++) {
      const at = row + columns[x];
      const id = layer.ids ? layer.ids[at] : 0;
      keys[y * across + x] = id ? OBJECT + id : layer.values[at];
    }
  }
  return keys;
}

const sampled = (place, scale, size) => Math.min(size - 1, Math.max(0, Math.floor((place + 0.5) * scale)));

function darkened(color) {
  const [red, green, blue] = [color & 255, (color >> 8) & 255, (color >> 16) & 255];
  return ((255 << 24) | ((blue * DARKER) << 16) | ((green * DARKER) << 8) | (red * DARKER)) >>> 0;
}

/** Count the pixels of each class; what is no class (the ignore value) is left out. */
export function countClasses(values, classes) {
  const counts = new Array(65536).fill(0);
  for (let at = 0; at < values.length; at++) counts[values[at]]++;
  return counts.slice(0, classes);
}
