// TIFF for display, which browsers do not decode: 8 and 16 bits, strips and tiles, without exotic compressions.

import { expand } from "./tiff_compression.js";

const SIZES = { 1: 1, 3: 2, 4: 4, 16: 8 }; // bytes of a number of a type
const MOST_PIXELS = 2 ** 27; // more would take more memory than a page may have
const [PLAIN_GREY, COLORS, PALETTE] = [1, 2, 3];

export async function isTiff(blob) {
  const start = new Uint8Array(await blob.slice(0, 4).arrayBuffer());
  const order = String.fromCharCode(start[0], start[1]);
  return (order === "II" && [42, 43].includes(start[2])) || (order === "MM" && [42, 43].includes(start[3]));
}

/** Decode the first picture of a TIFF as ImageData; raises where the page cannot show it. */
export const decodeTiff = async (blob) => painted(await readTiff(blob));

/** Read the numbers of the first picture of a TIFF or BigTIFF: width, height, samples, and values row by row. */
export async function readTiff(blob) {
  const file = new DataView(await blob.arrayBuffer());
  const little = file.getUint8(0) === 73;
  const tags = tagsOf(file, little);
  const one = (tag, fallback) => tags.get(tag)?.[0] ?? fallback;
  const picture = {
    width: one(256), height: one(257), bits: one(258, 1), compression: one(259, 1), photometric: one(262, PLAIN_GREY),
    samples: one(277, 1), planar: one(284, 1), predictor: one(317, 1), format: one(339, 1), palette: tags.get(320), little,
  };
  const tiled = tags.has(322);
  Object.assign(picture, {
    pieceWidth: tiled ? one(322) : picture.width,
    pieceHeight: tiled ? one(323) : Math.min(one(278, picture.height), picture.height),
    offsets: tags.get(tiled ? 324 : 273), lengths: tags.get(tiled ? 325 : 279),
  });
  checkShown(picture);
  return { ...picture, values: await samplesOf(file, picture) };
}

function checkShown({ width, height, bits, format, photometric, palette, offsets, lengths, predictor }) {
  const shown = [8, 16].includes(bits) && format === 1 && photometric <= PALETTE && predictor <= 2;
  if (width * height > MOST_PIXELS) throw new Error("the TIFF is too large for the page");
  if (!shown || !offsets || !lengths || (photometric === PALETTE && !palette)) {
    throw new Error("the page cannot show this kind of TIFF");
  }
}

function tagsOf(file, little) {
  const tags = new Map();
  const big = file.getUint16(2, little) === 43;
  const long = (at) => (big ? Number(file.getBigUint64(at, little)) : file.getUint32(at, little));
  const [offset, counts] = big ? [8, 8] : [4, 2]; // where the first list is stated, and the bytes of its length
  const start = long(offset);
  const entries = big ? long(start) : file.getUint16(start, little);
  for (let entry = 0; entry < entries; entry++) {
    const at = start + counts + entry * (big ? 20 : 12);
    const [tag, type] = [file.getUint16(at, little), file.getUint16(at + 2, little)];
    const count = long(at + 4);
    const size = SIZES[type];
    if (!size) continue; // fractions and texts say nothing that is needed here
    const inside = at + (big ? 12 : 8);
    const from = size * count <= offset ? inside : long(inside);
    const read = {
      1: (place) => file.getUint8(place), 2: (place) => file.getUint16(place, little),
      4: (place) => file.getUint32(place, little), 8: (place) => Number(file.getBigUint64(place, little)),
    }[size];
    tags.set(tag, Array.from({ length: count }, (_, place) => read(from + place * size)));
  }
  return tags;
}

/** All samples as numbers, (height, width, samples). */
async function samplesOf(file, picture) {
  const { width, height, samples, planar, pieceWidth, pieceHeight, bits } = picture;
  const whole = new (bits === 16 ? Uint16Array : Uint8Array)(width * height * samples);
  const [across, down] = [Math.ceil(width / pieceWidth), Math.ceil(height / pieceHeight)];
  const inPiece = planar === 2 ? 1 : samples;
  for (let place = 0; place < picture.offsets.length; place++) {
    const packed = new Uint8Array(file.buffer, picture.offsets[place], picture.lengths[place]);
    const piece = numbers(await expand(packed, picture.compression), picture);
    if (picture.predictor === 2) undoDifferences(piece, pieceWidth * inPiece, inPiece);
    const plane = Math.floor(place / (across * down));
    const left = (place % across) * pieceWidth;
    const top = Math.floor((place % (across * down)) / across) * pieceHeight;
    for (let y = 0; y < pieceHeight && top + y < height; y++) {
      for (let x = 0; x < pieceWidth && left + x < width; x++) {
        const to = ((top + y) * width + left + x) * samples + (planar === 2 ? plane : 0);
        for (let s = 0; s < inPiece; s++) whole[to + s] = piece[(y * pieceWidth + x) * inPiece + s];
      }
    }
  }
  return whole;
}

function numbers(raw, { bits, little }) {
  if (bits === 8) return raw;
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  return Uint16Array.from({ length: raw.byteLength >> 1 }, (_, place) => view.getUint16(place * 2, little));
}

function undoDifferences(piece, row, step) {
  for (let start = 0; start < piece.length; start += row) {
    for (let at = start + step; at < start + row && at < piece.length; at++) piece[at] += piece[at - step];
  }
}

function painted({ width, height, samples, photometric, palette, bits, values }) {
  const image = new ImageData(width, height);
  const most = bits === 8 || photometric === PALETTE ? 255 : values.reduce((top, value) => Math.max(top, value), 1);
  const shown = (value) => (value * 255) / most;
  const entries = palette ? palette.length / 3 : 0;
  for (let pixel = 0; pixel < width * height; pixel++) {
    const value = values[pixel * samples];
    for (let channel = 0; channel < 3; channel++) {
      let light;
      if (photometric === PALETTE) light = palette[channel * entries + value] >> 8;
      else if (photometric === COLORS && samples >= 3) light = shown(values[pixel * samples + channel]);
      else light = photometric === 0 ? 255 - shown(value) : shown(value);
      image.data[pixel * 4 + channel] = light;
    }
    image.data[pixel * 4 + 3] = 255;
  }
  return image;
}
