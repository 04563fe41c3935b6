// The picture and its labels at any zoom. The labels are drawn for the pixels of the screen alone, so that a stroke costs
// the same however large the picture is.

import { find } from "../dom.js";
import { on, tell } from "../state.js";
import { desk, VOID } from "./desk.js";

const LARGEST = 64; // screen pixels per pixel of the picture
const ROOM = 12; // screen pixels around a picture that fits
const FAINT = 0.55; // how strong proposals are beside labels
const CRISP = 2; // from this enlargement on, pixels are shown as squares

export const canvas = find("#view");
const overlay = find("#overlay");
const context = canvas.getContext("2d", { alpha: true });
const painted = overlay.getContext("2d", { alpha: true });

/** Which place of the picture lies in the middle, and how many pixels of the page one of its pixels is wide. */
export const view = { x: 0, y: 0, scale: 1 };
export const peek = { on: false }; // while true, the labels are hidden

let fitted = true;
let due = null; // "all", or the box of the picture whose labels changed
const ratio = () => window.devicePixelRatio || 1;

export function redraw() {
  plan("all");
}

/** Draw the labels of a box {top, left, bottom, right} of the picture anew. */
export function redrawLabels(box) {
  if (box) plan(box);
}

function plan(what) {
  if (due === null) requestAnimationFrame(draw);
  due = due === null ? what : due === "all" || what === "all" ? "all" : joined(due, what);
}

const joined = (one, other) => ({
  top: Math.min(one.top, other.top), left: Math.min(one.left, other.left),
  bottom: Math.max(one.bottom, other.bottom), right: Math.max(one.right, other.right),
});

function draw() {
  const what = due;
  due = null;
  if (what === "all") drawPicture();
  drawLabels(what === "all" ? null : what);
}

function drawPicture() {
  context.clearRect(0, 0, canvas.width, canvas.height);
  const picture = desk.current;
  if (!picture?.levels) return;
  const zoom = view.scale * ratio();
  const level = Math.max(0, Math.min(picture.levels.length - 1, Math.floor(Math.log2(1 / zoom))));
  const bitmap = picture.levels[level];
  const [shrunkX, shrunkY] = [bitmap.width / picture.width, bitmap.height / picture.height];
  const left = Math.max(0, Math.floor(view.x - canvas.width / 2 / zoom));
  const top = Math.max(0, Math.floor(view.y - canvas.height / 2 / zoom));
  const right = Math.min(picture.width, Math.ceil(view.x + canvas.width / 2 / zoom));
  const bottom = Math.min(picture.height, Math.ceil(view.y + canvas.height / 2 / zoom));
  context.imageSmoothingEnabled = zoom < CRISP;
  context.drawImage(
    bitmap, left * shrunkX, top * shrunkY, (right - left) * shrunkX, (bottom - top) * shrunkY,
    (left - view.x) * zoom + canvas.width / 2, (top - view.y) * zoom + canvas.height / 2, (right - left) * zoom, (bottom - top) * zoom,
  );
}

/** Colours of the labels as 32 bits, alpha included. */
function palette(opacity) {
  const colors = new Uint32Array(256);
  const alpha = Math.round(255 * opacity);
  desk.classes.forEach(({ color: [red, green, blue] }, place) => {
    colors[place] = ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
  return colors;
}

function drawLabels(box) {
  const picture = desk.current;
  const part = { left: 0, top: 0, right: overlay.width, bottom: overlay.height };
  if (box && picture) {
    part.left = Math.max(0, Math.floor((box.left - view.x) * view.scale + overlay.width / 2) - 1);
    part.top = Math.max(0, Math.floor((box.top - view.y) * view.scale + overlay.height / 2) - 1);
    part.right = Math.min(overlay.width, Math.ceil((box.right - view.x) * view.scale + overlay.width / 2) + 1);
    part.bottom = Math.min(overlay.height, Math.ceil((box.bottom - view.y) * view.scale + overlay.height / 2) + 1);
  }
  const [wide, high] = [part.right - part.left, part.bottom - part.top];
  if (wide <= 0 || high <= 0) return;
  if (!picture?.labels || peek.on) return painted.clearRect(part.left, part.top, wide, high);
  const image = painted.createImageData(wide, high);
  const pixels = new Uint32Array(image.data.buffer);
  const colors = palette(desk.opacity / 100);
  const faint = palette((desk.opacity / 100) * FAINT);
  const { labels, width, height } = picture;
  const proposed = picture.proposal?.labels;
  const columns = Int32Array.from({ length: wide }, (_, x) => {
    const column = Math.floor((part.left + x + 0.5 - overlay.width / 2) / view.scale + view.x);
    return column >= 0 && column < width ? column : -1;
  });
  for (let y = 0; y < high; y++) {
    const row = Math.floor((part.top + y + 0.5 - overlay.height / 2) / view.scale + view.y);
    if (row < 0 || row >= height) continue;
    const from = row * width;
    for (let x = 0; x < wide; x++) {
      if (columns[x] < 0) continue;
      const label = labels[from + columns[x]];
      if (label !== VOID) pixels[y * wide + x] = colors[label];
      else if (proposed) pixels[y * wide + x] = faint[proposed[from + columns[x]]];
    }
  }
  painted.putImageData(image, part.left, part.top);
}

/** The place of the picture under a point of the page, in pixels with their fractions; it may lie outside. */
export function placeAt(clientX, clientY) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  return [(clientX - left - width / 2) / view.scale + view.x, (clientY - top - height / 2) / view.scale + view.y];
}

function fittingScale({ width, height }) {
  return Math.min(LARGEST, (canvas.clientWidth - 2 * ROOM) / width, (canvas.clientHeight - 2 * ROOM) / height);
}

function moved(stillFitted = false) {
  const picture = desk.current;
  const least = Math.min(1, fittingScale(picture) / 2);
  view.scale = Math.min(LARGEST, Math.max(least, view.scale));
  view.x = Math.min(picture.width, Math.max(0, view.x));
  view.y = Math.min(picture.height, Math.max(0, view.y));
  fitted = stillFitted;
  tell("view");
  redraw();
}

export function fit() {
  const picture = desk.current;
  if (!picture) return;
  Object.assign(view, { x: picture.width / 2, y: picture.height / 2, scale: fittingScale(picture) });
  moved(true);
}

export function lookTo(x, y, scale) {
  if (!desk.current) return;
  Object.assign(view, { x, y, scale });
  moved();
}

export const panBy = (x, y) => lookTo(view.x - x / view.scale, view.y - y / view.scale, view.scale);

/** Zoom by a factor; the point of the page that is given stays where it is. */
export function zoomBy(factor, clientX = null, clientY = null) {
  if (!desk.current) return;
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const [x, y] = clientX === null ? [0, 0] : [clientX - left - width / 2, clientY - top - height / 2];
  const before = view.scale;
  const scale = Math.min(LARGEST, Math.max(Math.min(1, fittingScale(desk.current) / 2), before * factor));
  lookTo(view.x + x / before - x / scale, view.y + y / before - y / scale, scale);
}

new ResizeObserver(() => {
  canvas.width = Math.round(canvas.clientWidth * ratio());
  canvas.height = Math.round(canvas.clientHeight * ratio());
  overlay.width = canvas.clientWidth;
  overlay.height = canvas.clientHeight;
  if (fitted && desk.current) fit();
  redraw();
}).observe(canvas);

on("look", redraw);
