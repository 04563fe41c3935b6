// The compressions of TIFF that the page can undo.

/** Undo the compression of a strip or tile. */
export async function expand(packed, compression) {
  if (compression === 1) return packed.slice();
  if (compression === 5) return expandLzw(packed);
  if (compression === 8 || compression === 32946) {
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }
  if (compression === 32773) return expandPacked(packed);
  throw new Error("the page cannot show this kind of TIFF");
}

/** PackBits: a count of bytes to copy, or of times that one byte repeats. */
function expandPacked(packed) {
  const bytes = [];
  for (let at = 0; at < packed.length; ) {
    const head = (packed[at++] << 24) >> 24;
    if (head >= 0) for (let left = head; left >= 0; left--) bytes.push(packed[at++]);
    else if (head !== -128) {
      for (let left = -head; left >= 0; left--) bytes.push(packed[at]);
      at++;
    }
  }
  return Uint8Array.from(bytes);
}

const [CLEAR, END] = [256, 257];

/** LZW with codes of 9 to 12 bits, the highest bit first; codes grow one entry early, as TIFF has it. */
function expandLzw(packed) {
  let out = new Uint8Array(packed.length * 4);
  let filled = 0;
  const prefix = new Int32Array(4097);
  const last = new Uint8Array(4097);
  const length = new Int32Array(4097).fill(1);
  for (let code = 0; code < 256; code++) last[code] = code;
  let [next, width, before, held, bits] = [258, 9, -1, 0, 0];
  for (let at = 0; ; ) {
    while (bits < width && at < packed.length) {
      held = ((held << 8) | packed[at++]) & 0xffffff;
      bits += 8;
    }
    if (bits < width) break;
    const code = (held >> (bits - width)) & ((1 << width) - 1);
    bits -= width;
    if (code === END) break;
    if (code === CLEAR) {
      [next, width, before] = [258, 9, -1];
      continue;
    }
    const known = code < next;
    if (before >= 0 && next < 4097) {
      prefix[next] = before;
      length[next] = length[before] + 1;
      last[next] = firstOf(known ? code : before);
      next++;
    }
    const size = length[code];
    if (filled + size > out.length) out = grown(out, filled + size);
    for (let entry = code, to = filled + size - 1; to >= filled; to--, entry = prefix[entry]) out[to] = last[entry];
    filled += size;
    before = code;
    if (next >= (1 << width) - 1 && width < 12) width++;
  }
  return out.slice(0, filled);

  function firstOf(code) {
    let entry = code;
    while (length[entry] > 1) entry = prefix[entry];
    return last[entry];
  }
}

function grown(bytes, least) {
  const larger = new Uint8Array(Math.max(least, bytes.length * 2));
  larger.set(bytes);
  return larger;
}
