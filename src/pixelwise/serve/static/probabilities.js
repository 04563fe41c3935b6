// The probabilities of a picture, fetched when the cursor first rests on it, because they are large.

import { predict } from "./api.js";
import { modelNamed, resultOf, state, tell } from "./state.js";

const MOST_BYTES = 48e6;

/** Whether the page fetches the probabilities of a picture by itself. */
export function affordable(picture, name) {
  return 2 * picture.width * picture.height * modelNamed(name).classes.length <= MOST_BYTES;
}

/** Fetch probabilities once; only while no labels are waiting, which people look at first. */
export async function fetchProbabilities(picture, name) {
  const result = resultOf(picture, name);
  const waiting = state.pictures.some((one) => ["waiting", "running"].includes(resultOf(one, state.model).state));
  if (result.probabilities !== undefined || !result.labels || waiting || !affordable(picture, name)) return;
  result.probabilities = null; // being fetched
  try {
    const blob = await predict(name, picture, "probabilities", state.options);
    result.probabilities = readNpy(await blob.arrayBuffer());
    tell("cursor");
  } catch {
    result.probabilities = null; // models that find objects have none
  }
}

/** Read a .npy file of float16 or float32 numbers (K, H, W). */
export function readNpy(buffer) {
  const view = new DataView(buffer);
  const wide = view.getUint8(6) > 1;
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = (wide ? 12 : 10) + length;
  const header = new TextDecoder("latin1").decode(new Uint8Array(buffer, wide ? 12 : 10, length));
  const kind = /'descr': *'([<|=]f[24])'/.exec(header)?.[1];
  const shape = /'shape': *\(([^)]*)\)/.exec(header)?.[1].split(",").filter((part) => part.trim()).map(Number);
  if (!kind || shape?.length !== 3 || header.includes("True")) throw new Error("no probabilities (K, H, W)");
  return { view, start, shape, half: kind.endsWith("2") };
}

/** The probability of each class at a pixel. */
export function probabilitiesAt({ view, start, shape: [classes, height, width], half }, x, y) {
  return Array.from({ length: classes }, (_, place) => {
    const at = (place * height + y) * width + x;
    return half ? float16(view.getUint16(start + 2 * at, true)) : view.getFloat32(start + 4 * at, true);
  });
}

function float16(bits) {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}
