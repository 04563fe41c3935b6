// Tools, classes, and how the labels look.

import { all, find, make } from "../dom.js";
import { css } from "../palette.js";
import { on, tell } from "../state.js";
import { number } from "../words.js";
import { desk } from "./desk.js";
import { redo, undo } from "./painting.js";
import { finish, step } from "./pictures.js";
import { fit, lookTo, view, zoomBy } from "./view.js";

const WIDEST = 400; // pixels of the brush

export function choose(tool) {
  desk.tool = tool;
  tell("tools");
}

export function paintWith(value) {
  if (value >= desk.classes.length) return;
  desk.value = value;
  if (desk.tool === "eraser") desk.tool = "brush";
  tell("tools");
}

export function setBrush(width) {
  desk.brush = Math.min(WIDEST, Math.max(1, Math.round(width)));
  tell("tools");
}

/** The next wider or thinner brush; steps grow with it. */
export const widen = (by) => setBrush(desk.brush + by * Math.max(1, Math.round(desk.brush / 6)));

export function setOpacity(percent) {
  desk.opacity = Math.min(100, Math.max(0, percent));
  tell("tools", "look");
}

function listClasses() {
  const rows = desk.classes.map(({ name, color }, value) => {
    const swatch = make("span", { className: "swatch" });
    swatch.style.setProperty("--color", css(color));
    const button = make("button", { type: "button", className: "class", onclick: () => paintWith(value) },
      swatch, make("span", { className: "name", textContent: name }), make("kbd", { textContent: value < 9 ? value + 1 : "", hidden: value > 8 }));
    return make("li", {}, button);
  });
  find("#classes").replaceChildren(...rows);
}

function show() {
  for (const button of all("[data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === desk.tool));
  all("#classes .class").forEach((button, value) => {
    button.setAttribute("aria-pressed", String(value === desk.value && desk.tool !== "eraser"));
  });
  find("#brush").value = String(Math.round(100 * Math.sqrt(desk.brush / WIDEST)));
  find("#brush-value").textContent = `${number(desk.brush)} px`;
  find("#opacity").value = String(desk.opacity);
  find("#opacity-value").textContent = `${desk.opacity}%`;
}

function showHistory() {
  find("#undo").disabled = !desk.undoable;
  find("#redo").disabled = !desk.redoable;
}

for (const button of all("[data-tool]")) button.addEventListener("click", () => choose(button.dataset.tool));
find("#brush").addEventListener("input", (event) => setBrush(WIDEST * (event.target.value / 100) ** 2));
find("#opacity").addEventListener("input", (event) => setOpacity(Number(event.target.value)));
find("#undo").addEventListener("click", undo);
find("#redo").addEventListener("click", redo);
find("#before").addEventListener("click", () => step(-1));
find("#next").addEventListener("click", () => step(1));
find("#finish").addEventListener("click", finish);
find("#zoom-in").addEventListener("click", () => zoomBy(1.5));
find("#zoom-out").addEventListener("click", () => zoomBy(1 / 1.5));
find("#zoom").addEventListener("click", () => lookTo(view.x, view.y, 1 / devicePixelRatio));
find("#fit").addEventListener("click", fit);

on("project", listClasses);
on("project tools", show);
on("project history", showHistory);
on("view", () => (find("#zoom").textContent = `${Math.round(100 * view.scale * devicePixelRatio)}%`));
