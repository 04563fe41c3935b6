// A worker that holds the picture and its label maps and makes tiles of them, so that the page itself never waits.

import { decodeLabels } from "./labels.js";
import { paintIds, readObjects } from "./objects_map.js";
import { TILE, countClasses, paintTile } from "./overlay.js";
import { decodeTiff, isTiff } from "./tiff.js";

let pyramid = []; // the picture, and its halves
let pictureKey = "";
const layers = { a: null, b: null };
let wanted = [];
let busy = false;

const probe = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });

async function openPicture({ key, blob }) {
  pictureKey = key;
  pyramid = [];
  const image = (await isTiff(blob)) ? await createImageBitmap(await decodeTiff(blob)) : await createImageBitmap(blob);
  if (key !== pictureKey) return image.close();
  const halves = [image];
  while (Math.max(halves.at(-1).width, halves.at(-1).height) > TILE) halves.push(halved(halves.at(-1)));
  pyramid = halves;
  postMessage({ done: "picture", key, width: image.width, height: image.height });
}

function halved(larger) {
  const half = new OffscreenCanvas(Math.ceil(larger.width / 2), Math.ceil(larger.height / 2));
  const context = half.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(larger, 0, 0, larger.width / 2, larger.height / 2);
  return half;
}

async function openLayer({ layer, key, labels, objects, names }) {
  layers[layer] = null;
  wanting.set(layer, key);
  if (!labels) return;
  const map = await decodeLabels(labels);
  const found = objects ? readObjects(JSON.parse(await objects.text()), names) : null;
  const painted = found ? paintIds(found, map.width, map.height) : { ids: null, overlap: false };
  if (wanting.get(layer) !== key) return;
  layers[layer] = { ...map, ...painted, found, style: null };
  const plain = found?.map(({ counts, ...numbers }) => ({ ...numbers, hasMask: counts !== null })) ?? null;
  const { width, height } = map;
  postMessage({ done: "layer", layer, key, width, height, counts: countClasses(map.values, names.length), objects: plain });
}

const wanting = new Map(); // layer -> key of the result that it is to show

function setStyle({ layer, style }) {
  const held = layers[layer];
  if (!held) return;
  if (held.overlap) {
    // What lies below an object that was switched off comes into view.
    const { ids } = paintIds(held.found, held.width, held.height, (id) => style.objects[id] !== 0);
    held.ids = ids;
  }
  held.style = style;
}

async function makeTiles() {
  if (busy) return;
  busy = true;
  while (wanted.length) {
    const tile = wanted.shift();
    const bitmap = await makeTile(tile);
    if (bitmap) postMessage({ done: "tile", ...tile, bitmap }, [bitmap]);
    await new Promise((next) => setTimeout(next)); // lets newer wishes in
  }
  busy = false;
}

async function makeTile({ layer, key, version, level, x, y }) {
  if (layer === "picture") {
    const from = pyramid[level];
    if (!from || key !== pictureKey) return null;
    const [width, height] = [Math.min(TILE, from.width - x * TILE), Math.min(TILE, from.height - y * TILE)];
    return createImageBitmap(from, x * TILE, y * TILE, width, height);
  }
  const held = layers[layer];
  if (!held?.style || held.style.version !== version) return null;
  return createImageBitmap(paintTile(held, held.style, level, x, y));
}

function lookUp({ number, x, y }) {
  const answer = { done: "look", number, x, y, rgb: null, a: null, b: null };
  if (pyramid[0]) {
    probe.drawImage(pyramid[0], x, y, 1, 1, 0, 0, 1, 1);
    answer.rgb = Array.from(probe.getImageData(0, 0, 1, 1).data.subarray(0, 3));
  }
  for (const layer of ["a", "b"]) {
    const held = layers[layer];
    const inside = held && x < held.width && y < held.height;
    if (inside) answer[layer] = { kind: held.values[y * held.width + x], object: held.ids?.[y * held.width + x] ?? 0 };
  }
  postMessage(answer);
}

const TASKS = {
  picture: openPicture,
  layer: openLayer,
  style: setStyle,
  look: lookUp,
  want: ({ tiles }) => {
    wanted = tiles;
    makeTiles();
  },
};

onmessage = async ({ data }) => {
  try {
    await TASKS[data.task](data);
  } catch (error) {
    postMessage({ done: "failed", task: data.task, layer: data.layer, key: data.key, why: String(error.message ?? error) });
  }
};
