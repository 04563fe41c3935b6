// Objects from COCO JSON: their numbers, and a map that holds at every pixel the object on top.

/** The objects of a COCO file: id (from 1), class as an index of `names`, score or null, area, box, run lengths. */
export function readObjects(coco, names) {
  const classOf = new Map(coco.categories.map(({ id, name }) => [id, names.indexOf(name)]));
  return coco.annotations.map((one, place) => {
    const [left, top, width, height] = one.bbox;
    const kind = classOf.get(one.category_id);
    if (kind === undefined || kind < 0) throw new Error("an object has a class that the model does not know");
    return {
      id: place + 1, kind, score: one.score ?? null, area: one.area,
      box: [left, top, left + width, top + height], counts: one.segmentation?.counts ?? null,
    };
  });
}

/** Run lengths of COCO's text, background first: five bits a character, as differences to the number two before. */
export function runLengths(text) {
  if (Array.isArray(text)) return text;
  const runs = [];
  for (let at = 0; at < text.length; ) {
    let value = 0;
    let shift = 0;
    let more = true;
    while (more) {
      const bits = text.charCodeAt(at++) - 48;
      value |= (bits & 31) << shift;
      more = (bits & 32) !== 0;
      shift += 5;
      if (!more && bits & 16) value |= -1 << shift;
    }
    runs.push(runs.length > 2 ? value + runs[runs.length - 2] : value);
  }
  return runs;
}

/**
 * Paint objects into a map of ids (H x W, 0 for none), those of low scores first, so that the surest is on top.
 * Returns {ids, overlap}: whether a pixel belongs to several objects.
 */
export function paintIds(objects, width, height, left = () => true) {
  const ids = new (objects.length < 65535 ? Uint16Array : Uint32Array)(width * height);
  let overlap = false;
  const order = objects.filter((one) => one.counts && left(one.id));
  order.sort((one, other) => (one.score ?? 1) - (other.score ?? 1) || other.area - one.area);
  for (const { id, counts } of order) {
    let at = 0; // counts pixels down the columns
    runLengths(counts).forEach((run, place) => {
      if (place % 2) {
        let [x, y] = [Math.floor(at / height), at % height];
        for (let left = run; left > 0; left--) {
          const to = y * width + x;
          if (ids[to]) overlap = true;
          ids[to] = id;
          if (++y === height) [x, y] = [x + 1, 0];
        }
      }
      at += run;
    });
    if (at !== width * height) throw new Error("an object lies on a picture of another size");
  }
  return { ids, overlap };
}
