// What lies under the cursor: place, colour, class, object and probability.

import { find, make } from "./dom.js";
import { lookAt } from "./layers.js";
import { classColor, css } from "./palette.js";
import { fetchProbabilities, probabilitiesAt } from "./probabilities.js";
import { modelNamed, on, resultOf, shownModels, state } from "./state.js";
import { canvas, pixelAt } from "./viewer.js";
import { number, percent } from "./words.js";

const box = find("#readout");
let cursor = null; // {x, y} in pixels of the picture
let asking = false;

async function update() {
  box.hidden = !cursor;
  if (!cursor || asking) return;
  asking = true;
  const { x, y } = cursor;
  const picture = state.current;
  const answer = await lookAt(x, y);
  asking = false;
  if (picture !== state.current) return;
  show(picture, answer);
  if (cursor && (cursor.x !== x || cursor.y !== y)) update();
}

function show(picture, { x, y, rgb, ...layers }) {
  const place = make("span", { className: "place" }, `${number(x)}, ${number(y)}`);
  const first = make("div", {}, place);
  if (rgb) first.append(make("span", { className: "rgb" }, swatch(rgb), rgb.join(" ")));
  const two = Boolean(shownModels().b);
  box.classList.toggle("two", two);
  box.replaceChildren(first);
  for (const [layer, name] of Object.entries(shownModels())) {
    if (layers[layer]) box.append(describe(picture, name, state.facts[layer], layers[layer], x, y));
  }
}

function describe(picture, name, facts, { kind, object }, x, y) {
  const model = modelNamed(name);
  const line = make("div", { className: "what" });
  if (shownModels().b) line.append(make("span", { className: "model" }, name));
  const found = object ? facts?.objects?.find((one) => one.id === object) : null;
  const place = found ? found.kind : kind;
  if (place >= model.classes.length) line.append("no class");
  else line.append(swatch(classColor(name, place)), model.classes[place].name);
  const probabilities = resultOf(picture, name).probabilities;
  if (probabilities) line.append(" ", make("span", { className: "sure" }, ranked(model, probabilitiesAt(probabilities, x, y), place)));
  if (found) {
    const score = found.score === null ? "" : `, score ${found.score.toFixed(2)}`;
    line.append(" ", make("span", { className: "object" }, `object ${found.id}${score}, ${number(found.area)} px`));
  }
  return line;
}

/** The probability of the class, and the strongest other class where it is not negligible. */
function ranked(model, all, place) {
  const other = all.reduce((best, value, at) => (at !== place && (best < 0 || value > all[best]) ? at : best), -1);
  const own = place < all.length ? percent(all[place]) : "";
  return other >= 0 && all[other] >= 0.05 ? `${own} (${model.classes[other].name} ${percent(all[other])})` : own;
}

function swatch(color) {
  const square = make("i", { className: "swatch" });
  square.style.background = css(color);
  return square;
}

let resting;

function point(event) {
  cursor = pixelAt(event.clientX, event.clientY);
  update();
  clearTimeout(resting);
  if (!cursor || !state.facts.a) return;
  resting = setTimeout(() => {
    for (const name of Object.values(shownModels())) if (name && state.current) fetchProbabilities(state.current, name);
  }, 250);
}

canvas.addEventListener("pointermove", point);
canvas.addEventListener("pointerdown", point);
canvas.addEventListener("pointerleave", (event) => {
  if (event.pointerType === "touch") return; // what a finger touched stays readable when it is lifted
  cursor = null;
  clearTimeout(resting);
  update();
});

on("cursor facts look", () => cursor && update());
on("current", () => {
  cursor = null;
  box.hidden = true;
});
