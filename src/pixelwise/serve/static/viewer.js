// The picture and the overlay on a canvas, at any zoom, drawn from tiles.

import { find } from "./dom.js";
import { tileAt, wish } from "./layers.js";
import { css, objectColor } from "./palette.js";
import { countedObjects, hiddenClasses, on, resultOf, shownModels, state, tell } from "./state.js";

const TILE = 512; // as the painter makes them
const LARGEST = 64; // screen pixels per pixel of the picture
const FINEST = -4; // level of outlines where pixels are large
const ROOM = 12; // screen pixels around a picture that fits
const STRONGER = 1.6; // outlines alone, which are thin
const CRISP = 2; // from this enlargement on, pixels are shown as squares

export const canvas = find("#view");
const context = canvas.getContext("2d");

/** Which pixel of the picture lies in the middle, and how many screen pixels one is wide. */
export const view = { x: 0, y: 0, scale: 1 };
export const peek = { on: false }; // while true, the overlay is hidden
export const mark = { object: null }; // the object that a row of the list points at

let due = false;
let fitted = true; // whether the picture still fills the stage, and should do so when the stage changes

export function redraw() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    draw();
  });
}

const ratio = () => window.devicePixelRatio || 1;
const levels = ({ width, height }) => Math.max(0, Math.ceil(Math.log2(Math.max(width, height) / TILE)));

function fittingScale({ width, height }) {
  return Math.min(LARGEST, (canvas.clientWidth - 2 * ROOM) / width, (canvas.clientHeight - 2 * ROOM) / height);
}

/** Where overlays begin and end on the canvas, in device pixels. */
function parts() {
  const divider = Math.round(canvas.width * state.divider);
  if (peek.on) return [];
  if (!state.compare) return [["a", 0, canvas.width]];
  if (state.compare === "picture") return [["a", divider, canvas.width]];
  return [["a", 0, divider], ["b", divider, canvas.width]];
}

function draw() {
  context.clearRect(0, 0, canvas.width, canvas.height);
  const picture = state.current;
  if (!picture?.width) return wish([]);
  const inView = [];
  const zoom = view.scale * ratio();
  const shrunk = Math.log2(1 / zoom);
  const thin = shrunk < 0 || state.draw === "outline"; // lines stay as thin as the screen allows
  const overlay = thin ? Math.max(FINEST, Math.ceil(shrunk)) : Math.floor(shrunk);
  drawTiles(picture, "picture", Math.max(0, Math.floor(shrunk)), 0, canvas.width, inView);
  context.globalAlpha = Math.min(1, (state.opacity / 100) * (state.draw === "outline" ? STRONGER : 1));
  for (const [layer, from, to] of parts()) {
    if (!state.facts[layer]) continue;
    drawTiles(picture, layer, overlay, from, to, inView);
    drawBoxes(layer, from, to);
  }
  context.globalAlpha = 1;
  if (mark.object) drawMark(mark.object.box);
  wish(inView);
}

const across = (x) => Math.round((x - view.x) * view.scale * ratio() + canvas.width / 2);
const down = (y) => Math.round((y - view.y) * view.scale * ratio() + canvas.height / 2);

function drawTiles(picture, layer, level, from, to, inView) {
  const top = levels(picture);
  level = Math.min(level, top);
  const side = TILE * 2 ** level;
  const zoom = view.scale * ratio();
  const first = (middle, reach) => Math.max(0, Math.floor((middle - reach / 2 / zoom) / side));
  const last = (middle, reach, size) => Math.min(Math.ceil(size / side) - 1, Math.floor((middle + reach / 2 / zoom) / side));
  const found = [];
  context.save();
  context.beginPath();
  context.rect(from, 0, to - from, canvas.height);
  context.clip();
  for (let y = first(view.y, canvas.height); y <= last(view.y, canvas.height, picture.height); y++) {
    for (let x = first(view.x, canvas.width); x <= last(view.x, canvas.width, picture.width); x++) {
      found.push({ layer, level, x, y, far: Math.hypot((x + 0.5) * side - view.x, (y + 0.5) * side - view.y) });
      drawTile(picture, layer, level, x, y, top);
    }
  }
  context.restore();
  found.sort((one, other) => one.far - other.far);
  inView.push({ layer, level: top, x: 0, y: 0 }, ...found.filter((tile) => tile.level !== top));
}

/** Draw a tile, or the part of a coarser one that shows the same place while it is being made. */
function drawTile(picture, layer, level, x, y, top) {
  for (let coarser = level; coarser <= top; coarser++) {
    const times = 2 ** (coarser - level);
    const [column, row] = [Math.floor(x / times), Math.floor(y / times)];
    const bitmap = tileAt(layer, coarser, column, row);
    if (!bitmap) continue;
    const [side, pixel] = [TILE * 2 ** level, 2 ** coarser];
    const right = Math.min(picture.width, (x + 1) * side);
    const bottom = Math.min(picture.height, (y + 1) * side);
    const [left, up] = [across(x * side), down(y * side)];
    const [sourceX, sourceY] = [(x * side) / pixel - column * TILE, (y * side) / pixel - row * TILE];
    const [wide, high] = [(right - x * side) / pixel, (bottom - y * side) / pixel];
    context.imageSmoothingEnabled = coarser !== level || view.scale * ratio() * pixel < CRISP;
    context.drawImage(bitmap, sourceX, sourceY, wide, high, left, up, across(right) - left, down(bottom) - up);
    return;
  }
}

/** Objects of which only the box is known. */
function drawBoxes(layer, from, to) {
  const name = shownModels()[layer];
  const hidden = resultOf(state.current, name).hiddenObjects;
  const boxes = countedObjects(name, state.facts[layer])?.filter(
    ({ id, kind, hasMask }) => !hasMask && !hidden.has(id) && !hiddenClasses(name).has(kind),
  );
  if (!boxes?.length) return;
  context.save();
  context.beginPath();
  context.rect(from, 0, to - from, canvas.height);
  context.clip();
  context.lineWidth = 2 * ratio();
  for (const one of boxes) {
    context.strokeStyle = css(objectColor(name, one));
    strokeBox(one.box);
  }
  context.restore();
}

function strokeBox([left, top, right, bottom]) {
  context.strokeRect(across(left), down(top), across(right) - across(left), down(bottom) - down(top));
}

function drawMark(box) {
  for (const [color, width] of [["#000", 4], ["#fff", 2]]) {
    context.strokeStyle = color;
    context.lineWidth = width * ratio();
    strokeBox(box);
  }
}

/** Which pixel of the picture lies under a point of the page; null outside of it. */
export function pixelAt(clientX, clientY) {
  const picture = state.current;
  if (!picture?.width) return null;
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const x = Math.floor((clientX - left - width / 2) / view.scale + view.x);
  const y = Math.floor((clientY - top - height / 2) / view.scale + view.y);
  return x >= 0 && y >= 0 && x < picture.width && y < picture.height ? { x, y } : null;
}

function moved(stillFitted = false) {
  const picture = state.current;
  const least = Math.min(1, fittingScale(picture) / 2);
  view.scale = Math.min(LARGEST, Math.max(least, view.scale));
  view.x = Math.min(picture.width, Math.max(0, view.x));
  view.y = Math.min(picture.height, Math.max(0, view.y));
  fitted = stillFitted;
  tell("view");
  redraw();
}

export function fit() {
  const picture = state.current;
  if (!picture?.width) return;
  Object.assign(view, { x: picture.width / 2, y: picture.height / 2, scale: fittingScale(picture) });
  moved(true);
}

export function lookTo(x, y, scale) {
  if (!state.current?.width) return;
  Object.assign(view, { x, y, scale });
  moved();
}

/** Bring a box [left, top, right, bottom] into view with some room around it. */
export function lookAtBox([left, top, right, bottom]) {
  const room = { width: Math.max(8, right - left) * 2.5, height: Math.max(8, bottom - top) * 2.5 };
  lookTo((left + right) / 2, (top + bottom) / 2, Math.min(16, fittingScale(room)));
}

export const panBy = (x, y) => lookTo(view.x - x / view.scale, view.y - y / view.scale, view.scale);

/** Zoom by a factor; the point of the page that is given stays where it is. */
export function zoomBy(factor, clientX = null, clientY = null) {
  if (!state.current?.width) return;
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const [x, y] = clientX === null ? [0, 0] : [clientX - left - width / 2, clientY - top - height / 2];
  const before = view.scale;
  const scale = Math.min(LARGEST, Math.max(Math.min(1, fittingScale(state.current) / 2), before * factor));
  lookTo(view.x + x / before - x / scale, view.y + y / before - y / scale, scale);
}

new ResizeObserver(() => {
  canvas.width = Math.round(canvas.clientWidth * ratio());
  canvas.height = Math.round(canvas.clientHeight * ratio());
  if (fitted) fit();
  redraw();
}).observe(canvas);

on("tiles facts compare divider current opacity", redraw);
