// The classes of the picture: colour, share of the area, number of objects; each can be switched off.

import { find, make } from "./dom.js";
import { classColor, css } from "./palette.js";
import { countedObjects, hiddenClasses, modelNamed, on, state, tell } from "./state.js";
import { inspected } from "./inspected.js";
import { canvas } from "./viewer.js";
import { counted, number, percent } from "./words.js";

const list = find("#classes");
const absent = find("#absent");
let built = "";

export function toggleClass(name, place, shown) {
  const hidden = hiddenClasses(name);
  if (shown) hidden.delete(place);
  else hidden.add(place);
  tell("look");
}

/** Switch the class in a row of the legend, counted from 0. */
export function toggleRow(row) {
  find("input", list.children[row] ?? document.createElement("li"))?.click();
}

function showOnly(name, place) {
  const every = modelNamed(name).classes.map((_, index) => index);
  state.hidden.set(name, new Set(every.filter((index) => index !== place)));
  tell("look");
}

export function showAll(shown) {
  const name = inspected().name;
  if (name) state.hidden.set(name, new Set(shown ? [] : modelNamed(name).classes.map((_, index) => index)));
  tell("look");
}

function show() {
  const { name, facts } = inspected();
  const model = modelNamed(name);
  find("#classes-count").textContent = model ? number(model.classes.length) : "";
  if (!model) return list.replaceChildren();
  const total = facts ? facts.width * facts.height : 0;
  const rows = model.classes.map((one, place) => ({ ...one, place, pixels: facts?.counts[place] ?? 0, total }));
  if (facts) rows.sort((one, other) => other.pixels - one.pixels || one.place - other.place);
  const found = countedObjects(name, facts);
  const objects = found ? countByClass(found) : null;
  const key = JSON.stringify([name, facts?.key, found?.length, rows.map((row) => row.place)]);
  if (key !== built) {
    built = key;
    list.replaceChildren(...rows.map((row) => makeRow(name, row, facts, objects)));
  }
  update(name);
  canvas.setAttribute("aria-label", spoken(rows.filter((row) => row.pixels)));
  const missing = facts ? rows.filter((row) => !row.pixels && !objects?.get(row.place)).length : 0;
  absent.hidden = !missing;
  absent.textContent = list.classList.contains("full") ? "Hide what is absent" : `${counted(missing, "class")} not in this picture`;
}

/** The picture in words, for those who do not see it. */
function spoken(rows) {
  const parts = rows.map(({ name, pixels, total }) => `${name} ${percent(pixels / total)}`);
  return parts.length ? `The picture: ${parts.join(", ")}` : "The picture";
}

function countByClass(objects) {
  const counts = new Map();
  for (const { kind } of objects) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

function makeRow(name, { place, pixels, total, ...one }, facts, objects) {
  const share = total ? pixels / total : 0;
  const count = objects?.get(place) ?? 0;
  const box = make("input", { type: "checkbox", className: "color" });
  box.addEventListener("change", () => toggleClass(name, place, box.checked));
  const only = make("button", { type: "button", className: "only", "aria-label": `Show ${one.name} only` }, "only");
  only.addEventListener("click", () => showOnly(name, place));
  const figures = facts ? [percent(share), counted(pixels, "pixel")] : ["", ""];
  const bar = make("span", { className: "bar", "aria-hidden": "true" });
  bar.style.width = `${share * 100}%`;
  const row = make("li", {},
    make("label", {}, box, make("span", { className: "name", title: one.name }, one.name)),
    only,
    make("span", { className: "count", title: objects ? counted(count, "object") : "" }, objects && count ? number(count) : ""),
    make("span", { className: "share", title: figures[1] }, figures[0]),
    bar);
  row.dataset.class = place;
  row.classList.toggle("absent", Boolean(facts) && !pixels && !count);
  return row;
}

function update(name) {
  const hidden = hiddenClasses(name);
  for (const row of list.children) {
    const place = Number(row.dataset.class);
    find("input", row).checked = !hidden.has(place);
    row.style.setProperty("--color", css(classColor(name, place)));
    row.classList.toggle("off", hidden.has(place));
  }
}

absent.addEventListener("click", () => {
  list.classList.toggle("full");
  show();
});
find("#all-classes").addEventListener("click", () => showAll(true));
find("#no-classes").addEventListener("click", () => showAll(false));

on("facts look models model current inspected", show);
