// Mouse, pen and fingers on the picture. A pen and a mouse draw, one finger draws until a pen was seen, two fingers
// move and zoom; the middle and the right button move, and so does everything while the space bar is held.

import { find } from "../dom.js";
import { desk, VOID } from "./desk.js";
import { act, begin, cancel, drawing, end, goOn } from "./painting.js";
import { addCorner, hoverCorner } from "./polygon.js";
import { canvas, panBy, placeAt, view, zoomBy } from "./view.js";

const ERASER = 32; // the button of a pen's other end
const ring = find("#ring");

export const hand = { on: false }; // while true, everything moves the picture

let pen = false; // whether a pen was seen: fingers then rest on the screen
const pressed = new Map(); // id of a pointer -> where it was last
let draws = null; // id of the pointer that draws

const middle = ([one, other]) => [(one.x + other.x) / 2, (one.y + other.y) / 2];
const apart = ([one, other]) => Math.hypot(one.x - other.x, one.y - other.y);

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  pen ||= event.pointerType === "pen";
  pressed.set(event.pointerId, { x: event.clientX, y: event.clientY });
  const finger = event.pointerType === "touch";
  const mayDraw = !hand.on && !(finger && pen) && (event.button === 0 || event.buttons === ERASER);
  if (pressed.size === 1 && mayDraw) {
    draws = event.pointerId;
    press(placeAt(event.clientX, event.clientY), { erases: event.buttons === ERASER });
  } else if (draws !== null && finger) {
    draws = null;
    cancel();
  }
  canvas.classList.toggle("dragged", draws === null);
  showRing(event);
});

function press(place, { erases }) {
  if (erases || desk.tool === "brush" || desk.tool === "eraser") return begin(place, { erases });
  if (desk.tool === "polygon") return addCorner(place);
  const [x, y] = place.map(Math.floor);
  const { width, height, labels } = desk.current ?? {};
  if (!labels || x < 0 || y < 0 || x >= width || y >= height) return;
  const proposal = desk.current.proposal;
  const free = labels[y * width + x] === VOID && proposal?.labels; // a region of the proposal is meant
  act("fill", { value: desk.value, x, y, ...(free ? { map: proposal.id } : {}) });
}

canvas.addEventListener("pointermove", (event) => {
  showRing(event);
  if (desk.tool === "polygon") hoverCorner(placeAt(event.clientX, event.clientY));
  const before = pressed.get(event.pointerId);
  if (!before) return;
  const now = { x: event.clientX, y: event.clientY };
  if (draws === event.pointerId) {
    const passed = event.getCoalescedEvents?.() ?? [];
    goOn((passed.length ? passed : [event]).map((one) => placeAt(one.clientX, one.clientY)));
  } else if (draws !== null) {
    return; // a hand that rests beside the pen
  } else if (pressed.size === 1) panBy(now.x - before.x, now.y - before.y);
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

for (const name of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(name, (event) => {
    pressed.delete(event.pointerId);
    if (draws === event.pointerId) {
      draws = null;
      end();
    }
    if (!pressed.size) canvas.classList.remove("dragged");
  });
}

canvas.addEventListener("pointerleave", () => (ring.hidden = true));
canvas.addEventListener("contextmenu", (event) => event.preventDefault());

canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  if (drawing()) return;
  const lines = event.deltaMode === 1 ? 16 : 1;
  const step = event.ctrlKey ? 0.01 : 0.0016; // browsers report a pinch on a touchpad as small steps with Ctrl
  zoomBy(Math.exp(-event.deltaY * lines * step), event.clientX, event.clientY);
  showRing(event);
}, { passive: false });

/** Show how wide the brush is. */
function showRing({ clientX, clientY, pointerType }) {
  ring.hidden = !["brush", "eraser"].includes(desk.tool) || pointerType === "touch" || hand.on || !desk.current?.labels;
  if (ring.hidden) return;
  const { left, top } = canvas.getBoundingClientRect();
  const side = Math.max(3, desk.brush * view.scale);
  Object.assign(ring.style, { width: `${side}px`, height: `${side}px`, transform: `translate(${clientX - left - side / 2}px, ${clientY - top - side / 2}px)` });
}
