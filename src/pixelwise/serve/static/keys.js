// The keyboard. The sheet that `?` shows is part of the page.

import { find } from "./dom.js";
import { cycle, setOpacity, toggleCompare, toggleDraw } from "./controls.js";
import { saveView } from "./downloads.js";
import { showAll, toggleRow } from "./legend.js";
import { copyLink } from "./link.js";
import { choose, remove, step } from "./opening.js";
import { state } from "./state.js";
import { nextTheme } from "./theme.js";
import { fit, lookTo, panBy, peek, redraw, view, zoomBy } from "./viewer.js";

const PAN = 80; // screen pixels

const sheet = find("#sheet");

const KEYS = {
  "?": () => (sheet.open ? sheet.close() : sheet.showModal()),
  o: choose,
  j: () => step(1),
  k: () => step(-1),
  Delete: () => state.current && remove(state.current),
  "+": () => zoomBy(1.5),
  "=": () => zoomBy(1.5),
  "-": () => zoomBy(1 / 1.5),
  0: fit,
  z: () => lookTo(view.x, view.y, 1 / devicePixelRatio),
  ArrowLeft: () => panBy(PAN, 0),
  ArrowRight: () => panBy(-PAN, 0),
  ArrowUp: () => panBy(0, PAN),
  ArrowDown: () => panBy(0, -PAN),
  "[": () => setOpacity(state.opacity - 10),
  "]": () => setOpacity(state.opacity + 10),
  f: toggleDraw,
  c: () => cycle("#palette"),
  d: toggleCompare,
  m: () => cycle("#model"),
  a: () => showAll(true),
  n: () => showAll(false),
  l: copyLink,
  s: saveView,
  t: nextTheme,
};
for (let row = 1; row <= 9; row++) KEYS[row] = () => toggleRow(row - 1);

const OWN_KEYS = "input:not([type=checkbox], [type=range]), select, dialog *, [popover] *";

/** Whether a key means something to the control that has the focus. */
function isTaken({ key, target }) {
  if (key === "?" && sheet.open) return false;
  return target.matches?.(OWN_KEYS) || (key.startsWith("Arrow") && target.matches?.("[type=range]"));
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTaken(event)) return;
  if (event.key === " " && !event.target.closest("button, input, summary, a")) {
    event.preventDefault();
    if (!peek.on) redraw((peek.on = true));
    return;
  }
  const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

document.addEventListener("keyup", (event) => {
  if (event.key === " " && peek.on) redraw((peek.on = false));
});
window.addEventListener("blur", () => peek.on && redraw((peek.on = false)));

find("#help").addEventListener("click", () => sheet.showModal());
find("#close-sheet").addEventListener("click", () => sheet.close());
sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());
