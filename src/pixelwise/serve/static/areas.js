// A histogram of the areas of objects, on a scale of powers of ten.

import { drawn, find } from "./dom.js";
import { inspected } from "./inspected.js";
import { countedObjects, hiddenClasses, on } from "./state.js";
import { counted, number, short } from "./words.js";

const [WIDTH, HEIGHT, FOOT] = [264, 92, 16];
const MOST_BINS = 18;

const chart = find("#areas");
const words = find("#areas-text");

/** Count sorted areas in bins of equal width on a logarithmic scale: {edges, counts}; one bin where all are equal. */
export function histogram(areas, bins = MOST_BINS) {
  const [low, high] = [Math.log10(Math.max(1, areas[0])), Math.log10(Math.max(1, areas.at(-1)))];
  const count = high > low ? bins : 1;
  const width = high > low ? (high - low) / count : 1;
  const counts = new Array(count).fill(0);
  for (const area of areas) counts[Math.min(count - 1, Math.floor((Math.log10(Math.max(1, area)) - low) / width))]++;
  return { edges: Array.from({ length: count + 1 }, (_, place) => 10 ** (low + place * width)), counts };
}

function median(sorted) {
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

function show() {
  const { name, facts } = inspected();
  const areas = (countedObjects(name, facts) ?? []).filter((one) => !hiddenClasses(name).has(one.kind)).map((one) => one.area);
  find("#areas-room").hidden = areas.length < 2;
  if (areas.length < 2) return;
  areas.sort((one, other) => one - other);
  const { edges, counts } = histogram(areas);
  const most = Math.max(...counts);
  const step = WIDTH / counts.length;
  const bars = counts.map((count, place) => {
    const high = count ? Math.max(1.5, (count / most) * (HEIGHT - FOOT - 4)) : 0;
    const bar = drawn("rect", { x: place * step + 0.5, y: HEIGHT - FOOT - high, width: step - 1, height: high, rx: 1 });
    bar.append(drawn("title", {}));
    bar.firstChild.textContent = `${counted(count, "object")} of ${short(edges[place])} to ${short(edges[place + 1])} pixels`;
    return bar;
  });
  const ends = [["start", 0, areas[0]], ["end", WIDTH, areas.at(-1)]].map(([anchor, x, area]) => {
    const text = drawn("text", { x, y: HEIGHT - 3, "text-anchor": anchor });
    text.textContent = short(area);
    return text;
  });
  const middle = `median ${short(median(areas))} px`;
  const text = drawn("text", { x: WIDTH / 2, y: HEIGHT - 3, "text-anchor": "middle" });
  text.textContent = middle;
  chart.replaceChildren(...bars, ...ends, text);
  words.textContent = `${counted(areas.length, "object")}, ${number(areas[0])} to ${number(areas.at(-1))} pixels, ${middle}`;
}

on("facts look inspected model current", show);
