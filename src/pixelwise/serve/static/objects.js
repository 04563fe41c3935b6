// The objects of the picture, as a list: each can be switched off, found and looked at.

import { find, make } from "./dom.js";
import { inspected } from "./inspected.js";
import { css, objectColor } from "./palette.js";
import { countedObjects, hiddenClasses, modelNamed, on, state, tell } from "./state.js";
import { lookAtBox, mark, redraw } from "./viewer.js";
import { counted, number, short } from "./words.js";

const STEP = 100; // rows that are added at a time

const list = find("#objects");
const more = find("#more-objects");
const order = find("#order");
let rows = STEP;
let built = "";

const ORDERS = {
  largest: (one, other) => other.area - one.area,
  smallest: (one, other) => one.area - other.area,
  surest: (one, other) => (other.score ?? 0) - (one.score ?? 0),
  unsure: (one, other) => (one.score ?? 0) - (other.score ?? 0),
};

function show() {
  const { name, facts, result } = inspected();
  const every = countedObjects(name, facts);
  find("#objects-count").textContent = every ? number(every.length) : "";
  const scored = Boolean(every?.some((one) => one.score !== null));
  for (const value of ["surest", "unsure"]) find(`option[value=${value}]`, order).hidden = !scored;
  const listed = every?.filter((one) => !hiddenClasses(name).has(one.kind)).sort(ORDERS[order.value]) ?? [];
  find("#no-objects").hidden = listed.length > 0;
  find("#no-objects").textContent = emptyText(every, result);
  find("#ask-objects").hidden = !asksFirst(result);
  const key = JSON.stringify([facts?.key, name, rows, listed.slice(0, rows).map((one) => one.id)]);
  if (key !== built) {
    built = key;
    list.replaceChildren(...listed.slice(0, rows).map((one) => makeRow(name, one, result)));
  }
  more.hidden = listed.length <= rows;
  more.textContent = `${counted(listed.length - rows, "more object")}`;
  const byId = new Map(listed.map((one) => [one.id, one]));
  for (const row of list.children) {
    const one = byId.get(Number(row.dataset.object));
    find("input", row).checked = !result.hiddenObjects.has(one.id);
    row.classList.toggle("off", result.hiddenObjects.has(one.id));
    row.style.setProperty("--color", css(objectColor(name, one)));
  }
}

function emptyText(every, result) {
  if (every) return every.length ? "The objects belong to classes that are off." : "No objects were found.";
  if (result?.state === "failed") return "";
  if (asksFirst(result)) return "Listing the objects of a picture as large as this one takes as long as labelling it.";
  return result?.state === "done" ? "The objects are being listed …" : "Objects are listed when the picture is labelled.";
}

/** Whether objects are listed only when the person asks for them. */
const asksFirst = (result) => Boolean(state.current?.large && result?.labels && !result.objectsAsked);

function makeRow(name, one, result) {
  const kind = modelNamed(name).classes[one.kind].name;
  const title = `Object ${one.id}: ${kind}, ${counted(one.area, "pixel")}`;
  const box = make("input", { type: "checkbox", className: "color", "aria-label": `Show object ${one.id}, ${kind}` });
  box.addEventListener("change", () => {
    if (box.checked) result.hiddenObjects.delete(one.id);
    else result.hiddenObjects.add(one.id);
    tell("look");
  });
  const go = make("button", { type: "button", className: "name", title }, `${one.id}`, make("span", {}, kind));
  go.addEventListener("click", () => lookAtBox(one.box));
  const point = (object) => () => {
    mark.object = object;
    redraw();
  };
  const row = make("li", {}, box, go,
    make("span", { className: "count" }, one.score === null ? "" : one.score.toFixed(2)),
    make("span", { className: "share", title: counted(one.area, "pixel") }, short(one.area)));
  row.dataset.object = one.id;
  for (const start of ["pointerenter", "focusin"]) row.addEventListener(start, point(one));
  for (const end of ["pointerleave", "focusout"]) row.addEventListener(end, point(null));
  return row;
}

function switchAll(shown) {
  const { facts, result } = inspected();
  if (!facts?.objects) return;
  result.hiddenObjects = new Set(shown ? [] : facts.objects.map((one) => one.id));
  tell("look");
}

find("#all-objects").addEventListener("click", () => switchAll(true));
find("#no-object").addEventListener("click", () => switchAll(false));
find("#ask-objects").addEventListener("click", () => {
  inspected().result.objectsAsked = true;
  tell("pictures");
});
order.addEventListener("change", show);
more.addEventListener("click", () => {
  rows += STEP;
  show();
});

on("facts look models model pictures inspected", show);
on("current", () => {
  rows = STEP;
  mark.object = null;
  show();
});
