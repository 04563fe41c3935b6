// Painting strokes into maps of labels, pixel by pixel as the server does (labelling/raster.py).

const clipped = (top, left, bottom, right, width, height) => {
  const box = {
    top: Math.max(0, Math.floor(top)), left: Math.max(0, Math.floor(left)),
    bottom: Math.min(height, Math.ceil(bottom)), right: Math.min(width, Math.ceil(right)),
  };
  return box.top < box.bottom && box.left < box.right ? box : null;
};

/** The box {top, left, bottom, right} of the pixels that points x, y, x, y, … may touch; null outside of the map. */
export function strokeBox(points, brush, width, height) {
  const reach = brush / 2 + 1;
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at < points.length; at += 2) {
    left = Math.min(left, points[at]);
    right = Math.max(right, points[at]);
    top = Math.min(top, points[at + 1]);
    bottom = Math.max(bottom, points[at + 1]);
  }
  return clipped(top - reach, left - reach, bottom + reach, right + reach, width, height);
}

/** Paint a stroke `brush` pixels wide into a map {labels, width, height}. */
export function paintStroke(map, points, brush, value) {
  for (let at = 0; at < points.length; at += 2) {
    const [column, row] = [Math.floor(points[at]), Math.floor(points[at + 1])];
    if (column >= 0 && column < map.width && row >= 0 && row < map.height) map.labels[row * map.width + column] = value;
  }
  if (points.length === 2) paintSegment(map, [...points, ...points], 0, brush / 2, value);
  for (let at = 0; at + 3 < points.length; at += 2) paintSegment(map, points, at, brush / 2, value);
}

function paintSegment({ labels, width, height }, points, at, radius, value) {
  const [x1, y1, x2, y2] = [points[at], points[at + 1], points[at + 2], points[at + 3]];
  const reach = radius + 1;
  const box = clipped(
    Math.min(y1, y2) - reach, Math.min(x1, x2) - reach, Math.max(y1, y2) + reach, Math.max(x1, x2) + reach, width, height,
  );
  if (!box) return;
  const [dx, dy] = [x2 - x1, y2 - y1];
  const length = dx * dx + dy * dy;
  for (let row = box.top; row < box.bottom; row++) {
    const y = row + 0.5;
    for (let column = box.left; column < box.right; column++) {
      const x = column + 0.5;
      const along = length > 0 ? Math.min(1, Math.max(0, ((x - x1) * dx + (y - y1) * dy) / length)) : 0;
      const awayX = x - (x1 + along * dx);
      const awayY = y - (y1 + along * dy);
      if (awayX * awayX + awayY * awayY <= radius * radius) labels[row * width + column] = value;
    }
  }
}
