// Class indices from a PNG. A canvas would give the colours of its palette, and 8 of 16 bits, so the page decodes it.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

/** Read a grey or palette PNG into {width, height, values}: a Uint8Array, or a Uint16Array where it has 16 bits. */
export async function decodePng(blob) {
  const { header, data } = chunksOf(new Uint8Array(await blob.arrayBuffer()));
  const view = new DataView(header.buffer, header.byteOffset);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, kind, , , interlaced] = header.subarray(8);
  if ((kind !== 0 && kind !== 3) || interlaced) throw new Error("the label map is no PNG of indices");
  const stream = new Blob(data).stream().pipeThrough(new DecompressionStream("deflate"));
  const raw = new Uint8Array(await new Response(stream).arrayBuffer());
  const stride = Math.ceil((width * depth) / 8);
  if (raw.length < (stride + 1) * height) throw new Error("the label map is cut short");
  const rows = unfiltered(raw, stride, height, depth === 16 ? 2 : 1);
  return { width, height, values: depth === 8 ? rows : widened(rows, width, height, stride, depth) };
}

function chunksOf(file) {
  if (SIGNATURE.some((byte, place) => file[place] !== byte)) throw new Error("the label map is no PNG");
  const view = new DataView(file.buffer);
  const data = [];
  let header = null;
  for (let at = 8; at + 8 <= file.length; ) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...file.subarray(at + 4, at + 8));
    const content = file.subarray(at + 8, at + 8 + length);
    if (type === "IHDR") header = content;
    if (type === "IDAT") data.push(content);
    at += length + 12;
  }
  if (!header || !data.length) throw new Error("the label map is cut short");
  return { header, data };
}

/** Undo the filter of every row; `step` is the number of bytes of a pixel. */
function unfiltered(raw, stride, height, step) {
  const rows = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const from = y * (stride + 1) + 1;
    const to = y * stride;
    const filter = raw[from - 1];
    if (filter === 0) {
      rows.set(raw.subarray(from, from + stride), to);
      continue;
    }
    for (let x = 0; x < stride; x++) {
      const left = x < step ? 0 : rows[to + x - step];
      const up = y ? rows[to + x - stride] : 0;
      const corner = y && x >= step ? rows[to + x - stride - step] : 0;
      rows[to + x] = raw[from + x] + guess(filter, left, up, corner);
    }
  }
  return rows;
}

function guess(filter, left, up, corner) {
  if (filter === 1) return left;
  if (filter === 2) return up;
  if (filter === 3) return (left + up) >> 1;
  const [fromLeft, fromUp, fromCorner] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (fromLeft <= fromUp && fromLeft <= fromCorner) return left;
  return fromUp <= fromCorner ? up : corner;
}

function widened(rows, width, height, stride, depth) {
  const values = new (depth === 16 ? Uint16Array : Uint8Array)(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (depth === 16) {
        const at = y * stride + 2 * x;
        values[y * width + x] = (rows[at] << 8) | rows[at + 1];
      } else {
        const byte = rows[y * stride + ((x * depth) >> 3)];
        values[y * width + x] = (byte >> (8 - depth - ((x * depth) & 7))) & ((1 << depth) - 1);
      }
    }
  }
  return values;
}
