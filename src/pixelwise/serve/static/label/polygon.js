// A polygon is drawn corner by corner and becomes a change when it is closed.

import { drawn, find } from "../dom.js";
import { on } from "../state.js";
import { desk } from "./desk.js";
import { act } from "./painting.js";
import { view } from "./view.js";

const NEAR = 10; // screen pixels from the first corner that close the polygon
const FINE = 8; // places are kept in eighths of a pixel

const sketch = find("#sketch");
let corners = []; // [x, y] in pixels of the picture
let hovered = null;

const onPage = ([x, y]) => [(x - view.x) * view.scale + sketch.clientWidth / 2, (y - view.y) * view.scale + sketch.clientHeight / 2];

/** Add a corner; one near the first closes the polygon. */
export function addCorner(place) {
  if (!desk.current?.labels) return;
  const near = corners.length > 2 && Math.hypot(...onPage(place).map((one, axis) => one - onPage(corners[0])[axis])) < NEAR;
  if (near) return closePolygon();
  corners.push(place.map((one) => Math.round(one * FINE) / FINE));
  show();
}

export function hoverCorner(place) {
  hovered = place;
  if (corners.length) show();
}

export const polygonBegun = () => corners.length > 0;

export function closePolygon() {
  const points = corners.flat();
  dropPolygon();
  if (points.length >= 6) act("polygon", { value: desk.value, points });
}

export function dropPolygon() {
  corners = [];
  show();
}

/** Take the last corner back. */
export function dropCorner() {
  corners.pop();
  show();
}

function show() {
  const line = hovered && corners.length ? [...corners, hovered] : corners;
  const points = line.map((place) => onPage(place).join(",")).join(" ");
  const dots = corners.map((place, number) => {
    const [cx, cy] = onPage(place);
    return drawn("circle", { cx, cy, r: number ? 3 : 5 });
  });
  sketch.replaceChildren(drawn("polygon", { points, class: "under" }), drawn("polygon", { points }), ...dots);
}

on("view", () => corners.length && show());
on("tools current", () => (desk.tool !== "polygon" ? dropPolygon() : show()));
