// Label maps as the server sends them: PNG, or TIFF for large pictures.

import { decodePng } from "./png.js";
import { isTiff, readTiff } from "./tiff.js";

/** Read class indices into {width, height, values}: a Uint8Array, or a Uint16Array where they have 16 bits. */
export async function decodeLabels(blob) {
  if (!(await isTiff(blob))) return decodePng(blob);
  const { width, height, samples, values } = await readTiff(blob);
  if (samples !== 1) throw new Error("the label map is no TIFF of indices");
  return { width, height, values };
}
