// The strip of thumbnails, each with the state of its prediction.

import { find, icon, make } from "./dom.js";
import { remove, select } from "./opening.js";
import { on, resultOf, state } from "./state.js";

const STATES = { waiting: "waiting", running: "being labelled", done: "labelled", failed: "failed" };

const strip = find("#strip");
const list = find("#thumbs");
const rows = new Map(); // picture -> its element

function makeRow(picture) {
  const canvas = make("canvas", { width: 1, height: 1 });
  const show = make("button", { type: "button", className: "thumb", title: picture.name }, canvas, make("span", { className: "state" }));
  show.addEventListener("click", () => select(picture));
  const away = make("button", { type: "button", className: "away", "aria-label": `Remove ${picture.name}` }, icon("close"));
  away.addEventListener("click", () => remove(picture));
  return make("li", {}, show, away);
}

function update() {
  strip.hidden = state.pictures.length < 2;
  for (const [picture, row] of rows) {
    if (state.pictures.includes(picture)) continue;
    row.remove();
    rows.delete(picture);
  }
  let done = 0;
  for (const picture of state.pictures) {
    if (!rows.has(picture)) {
      rows.set(picture, makeRow(picture));
      list.append(rows.get(picture));
    }
    const row = rows.get(picture);
    const { state: at, error } = resultOf(picture, state.model);
    done += at === "done";
    row.dataset.state = at;
    const button = find(".thumb", row);
    button.setAttribute("aria-label", `${picture.name}, ${STATES[at]}`);
    button.setAttribute("aria-current", String(picture === state.current));
    button.title = at === "failed" ? `${picture.name}: ${error}` : `${picture.name}, ${STATES[at]}`;
    drawThumb(find("canvas", row), picture);
  }
  find("#done").textContent = `${done} of ${state.pictures.length}`;
}

function drawThumb(canvas, { thumb, name }) {
  if (!thumb || !canvas || canvas.dataset.drawn) return;
  canvas.dataset.drawn = "yes";
  if (thumb === "none") return canvas.replaceWith(make("span", { className: "no-thumb" }, name.split(".").at(-1)));
  Object.assign(canvas, { width: thumb.width, height: thumb.height });
  canvas.getContext("2d").drawImage(thumb, 0, 0);
}

on("pictures model", update);
on("current", () => {
  update();
  rows.get(state.current)?.scrollIntoView({ block: "nearest", inline: "nearest" });
});
