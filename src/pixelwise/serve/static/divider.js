// The line between picture and overlay, or between two models.

import { find } from "./dom.js";
import { on, state, tell } from "./state.js";

const stage = find("#stage");
const line = find("#divider");
const names = { left: find("#left-name"), right: find("#right-name") };

export function moveDivider(to) {
  state.divider = Math.min(0.98, Math.max(0.02, to));
  tell("divider");
}

function show() {
  const compared = Boolean(state.compare && state.current?.width);
  line.hidden = names.left.hidden = names.right.hidden = !compared;
  if (!compared) return;
  const share = Math.round(state.divider * 1000) / 10;
  for (const element of [line, names.left, names.right]) element.style.setProperty("--divider", `${share}%`);
  names.left.textContent = state.compare === "picture" ? "picture" : state.model;
  names.right.textContent = state.compare === "picture" ? state.model : state.compare;
  line.setAttribute("aria-valuenow", Math.round(share));
  line.setAttribute("aria-valuetext", `${Math.round(share)}% ${names.left.textContent}`);
}

line.addEventListener("pointerdown", (event) => {
  line.setPointerCapture(event.pointerId);
  line.classList.add("dragged");
});
line.addEventListener("pointermove", (event) => {
  if (!line.classList.contains("dragged")) return;
  const { left, width } = stage.getBoundingClientRect();
  moveDivider((event.clientX - left) / width);
});
for (const end of ["pointerup", "pointercancel"]) line.addEventListener(end, () => line.classList.remove("dragged"));

line.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -0.02, ArrowRight: 0.02, PageDown: -0.1, PageUp: 0.1 }[event.key];
  if (!step) return;
  event.preventDefault();
  event.stopPropagation();
  moveDivider(state.divider + step);
});

on("divider compare current model models opened facts", show);
