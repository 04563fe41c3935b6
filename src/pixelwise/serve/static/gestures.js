// Mouse, touch and wheel on the picture: drag to pan, pinch or turn the wheel to zoom.

import { canvas, panBy, zoomBy } from "./viewer.js";

const pressed = new Map(); // id of a pointer -> where it was last

const middle = ([one, other]) => [(one.x + other.x) / 2, (one.y + other.y) / 2];
const apart = ([one, other]) => Math.hypot(one.x - other.x, one.y - other.y);

canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  canvas.setPointerCapture(event.pointerId);
  pressed.set(event.pointerId, { x: event.clientX, y: event.clientY });
  canvas.classList.add("dragged");
});

canvas.addEventListener("pointermove", (event) => {
  const before = pressed.get(event.pointerId);
  if (!before) return;
  const now = { x: event.clientX, y: event.clientY };
  if (pressed.size === 1) panBy(now.x - before.x, now.y - before.y);
  else if (pressed.size === 2) {
    const fingers = () => Array.from(pressed.values());
    const [x, y, wide] = [...middle(fingers()), apart(fingers())];
    pressed.set(event.pointerId, now);
    const [toX, toY] = middle(fingers());
    panBy(toX - x, toY - y);
    zoomBy(apart(fingers()) / Math.max(1, wide), toX, toY);
  }
  pressed.set(event.pointerId, now);
});

for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, (event) => {
    pressed.delete(event.pointerId);
    if (!pressed.size) canvas.classList.remove("dragged");
  });
}

canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 16 : 1;
  const step = event.ctrlKey ? 0.01 : 0.0016; // browsers report a pinch on a touchpad as small steps with Ctrl
  zoomBy(Math.exp(-event.deltaY * lines * step), event.clientX, event.clientY);
}, { passive: false });

canvas.addEventListener("dblclick", (event) => zoomBy(event.shiftKey ? 0.5 : 2, event.clientX, event.clientY));
