// The keyboard. The sheet that `?` shows is part of the page.

import { find } from "../dom.js";
import { nextTheme } from "../theme.js";
import { desk } from "./desk.js";
import { redo, undo } from "./painting.js";
import { choose, paintWith, setOpacity, widen } from "./panel.js";
import { finish, step } from "./pictures.js";
import { hand } from "./pointers.js";
import { closePolygon, dropCorner, dropPolygon, polygonBegun } from "./polygon.js";
import { accept, toggleProposals } from "./proposing.js";
import { fit, lookTo, panBy, peek, redraw, view, zoomBy } from "./view.js";

const PAN = 80; // screen pixels
const sheet = find("#sheet");

const KEYS = {
  "?": () => (sheet.open ? sheet.close() : sheet.showModal()),
  b: () => choose("brush"),
  e: () => choose("eraser"),
  p: () => choose("polygon"),
  g: () => choose("fill"),
  Escape: dropPolygon,
  Backspace: dropCorner,
  a: accept,
  y: toggleProposals,
  u: undo,
  r: redo,
  j: () => step(1),
  k: () => step(-1),
  Enter: () => (polygonBegun() ? closePolygon() : finish()),
  ",": () => widen(-1),
  ".": () => widen(1),
  "[": () => setOpacity(desk.opacity - 10),
  "]": () => setOpacity(desk.opacity + 10),
  "+": () => zoomBy(1.5),
  "=": () => zoomBy(1.5),
  "-": () => zoomBy(1 / 1.5),
  0: fit,
  z: () => lookTo(view.x, view.y, 1 / devicePixelRatio),
  ArrowLeft: () => panBy(PAN, 0),
  ArrowRight: () => panBy(-PAN, 0),
  ArrowUp: () => panBy(0, PAN),
  ArrowDown: () => panBy(0, -PAN),
  t: nextTheme,
};
for (let row = 1; row <= 9; row++) KEYS[row] = () => paintWith(row - 1);

const HELD = {
  " ": (on) => (hand.on = on),
  h: (on) => redraw((peek.on = on)),
};

const isTaken = ({ key, target }) =>
  target.matches?.("input:not([type=range]), select, dialog *") || (key.startsWith("Arrow") && target.matches?.("[type=range]")) ||
  ((key === "Enter" || key === " ") && target.matches?.("button"));

const named = (key) => (key.length === 1 ? key.toLowerCase() : key);

document.addEventListener("keydown", (event) => {
  const key = named(event.key);
  if ((event.ctrlKey || event.metaKey) && !event.altKey && (key === "z" || key === "y")) {
    event.preventDefault();
    return key === "y" || event.shiftKey ? redo() : undo();
  }
  if (event.ctrlKey || event.metaKey || event.altKey || (key !== "?" && isTaken(event))) return;
  const act = HELD[key] ? () => HELD[key](true) : KEYS[key];
  if (!act) return;
  event.preventDefault();
  if (!(HELD[key] && event.repeat)) act();
});

document.addEventListener("keyup", (event) => HELD[named(event.key)]?.(false));
window.addEventListener("blur", () => Object.values(HELD).forEach((release) => release(false)));

find("#help").addEventListener("click", () => sheet.showModal());
find("#close-sheet").addEventListener("click", () => sheet.close());
sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());
