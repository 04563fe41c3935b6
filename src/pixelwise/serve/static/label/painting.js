// Strokes: painted here at once, and sent to the server in parts while they grow, so that little is lost at any moment.

import { say } from "../dom.js";
import { tell } from "../state.js";
import { desk, VOID } from "./desk.js";
import { listen, newId, post, settled, waitingFor } from "./outbox.js";
import { paintStroke, strokeBox } from "./raster.js";
import { readLabels } from "./service.js";
import { redraw, redrawLabels } from "./view.js";

const PART = 250; // milliseconds after which a stroke that still grows is sent as far as it is
const FINE = 8; // places are kept in eighths of a pixel
const STEP = 0.5; // pixels of the picture that the pen moves at least between two points

let stroke = null; // that is being drawn

const rounded = (place) => place.map((one) => Math.round(one * FINE) / FINE);

/** Begin a stroke at a place of the picture. `erases` is for the other end of a pen. */
export function begin(place, { erases = false } = {}) {
  const picture = desk.current;
  end(); // one whose end was not heard
  if (!picture?.labels) return;
  const value = erases || desk.tool === "eraser" ? null : desk.value;
  stroke = { picture, id: newId(), value, width: desk.brush, points: rounded(place), sent: 0, part: performance.now(), undo: [] };
  paint(stroke.points);
}

/** Go on with the stroke to further places. */
export function goOn(places) {
  if (!stroke) return;
  const fresh = stroke.points.slice(-2);
  for (const place of places.map(rounded)) {
    const [x, y] = fresh.slice(-2);
    if (Math.hypot(place[0] - x, place[1] - y) < STEP) continue;
    fresh.push(...place);
  }
  if (fresh.length === 2) return;
  stroke.points.push(...fresh.slice(2));
  paint(fresh);
  if (performance.now() - stroke.part > PART) sendPart();
}

export function end() {
  if (!stroke) return;
  sendPart();
  stroke = null;
}

export const drawing = () => stroke !== null;

/** Take the stroke back if none of it was sent yet: a second finger came, and the picture is moved instead. */
export function cancel() {
  if (!stroke) return;
  if (stroke.sent) return end();
  for (const { box, held } of stroke.undo.reverse()) put(stroke.picture, box, held);
  redraw();
  stroke = null;
}

function paint(points) {
  const { picture, value, width, undo } = stroke;
  const box = strokeBox(points, width, picture.width, picture.height);
  if (!box) return;
  if (!stroke.sent) undo.push({ box, held: part(picture, box) });
  paintStroke(picture, points, width, value ?? VOID);
  redrawLabels(box);
}

/** Send what was not sent yet; it begins with the last point that was, so that no gap is left. */
function sendPart() {
  const { picture, id, value, width, points, sent } = stroke;
  const fresh = points.slice(Math.max(0, sent - 2));
  if (sent && fresh.length === 2) return;
  post(picture, { kind: "stroke", id: newId(), stroke: id, value, width, points: fresh });
  Object.assign(stroke, { sent: points.length, part: performance.now(), undo: [] });
  Object.assign(desk, { undoable: desk.undoable + (sent ? 0 : 1), redoable: 0 });
  picture.changes += 1;
  tell("history");
}

function part({ labels, width }, { top, left, bottom, right }) {
  const held = new Uint8Array((bottom - top) * (right - left));
  for (let row = top; row < bottom; row++) {
    held.set(labels.subarray(row * width + left, row * width + right), (row - top) * (right - left));
  }
  return held;
}

function put({ labels, width }, { top, left, bottom, right }, held) {
  for (let row = top; row < bottom; row++) {
    labels.set(held.subarray((row - top) * (right - left), (row - top + 1) * (right - left)), row * width + left);
  }
}

/** Change the history; the server computes the labels and answers with what changed. */
export function act(kind, more = {}) {
  const picture = desk.current;
  if (!picture?.labels) return;
  end();
  post(picture, { kind, id: newId(), ...more });
  picture.changes += 1;
  if ("value" in more || "map" in more) Object.assign(desk, { undoable: desk.undoable + 1, redoable: 0 });
  tell("history");
}

export const undo = () => (desk.undoable ? act("undo") : say("There is nothing to undo"));
export const redo = () => (desk.redoable ? act("redo") : say("There is nothing to do again"));

listen(({ picture: id, actions, answer }) => {
  const picture = desk.pictures.find((one) => one.id === id);
  if (!answer) return desk.current && reload(desk.current);
  if (!picture) return;
  const pending = waitingFor(picture);
  if (!pending.some(({ kind }) => kind === "done")) picture.done = answer.done;
  const known = answer.changes + pending.length;
  const foreign = picture.labels && (answer.reload || (picture.counted !== undefined && answer.changes !== picture.counted + actions.length));
  picture.counted = answer.changes;
  picture.changes = known;
  if (picture === desk.current && picture.labels) {
    if (foreign) return reload(picture);
    for (const patch of answer.patches) put(picture, patch, patch.labels);
    for (const { kind, points, width, value } of pending) {
      if (kind === "stroke") paintStroke(picture, points, width, value ?? VOID);
    }
    if (stroke?.picture === picture) paintStroke(picture, stroke.points, stroke.width, stroke.value ?? VOID);
    answer.patches.forEach(redrawLabels);
    if (!pending.length) Object.assign(desk, { undoable: answer.undoable, redoable: answer.redoable });
    if (!pending.length && actions.some(({ kind }) => kind !== "done")) tell("painted");
  }
  tell("history", "pictures");
});

/** Fetch the labels of a picture: at first, and when another page has changed them. */
export async function reload(picture) {
  let read;
  do {
    await settled(picture);
    read = await readLabels(picture);
  } while (read.changes < (picture.counted ?? 0)); // more was painted meanwhile
  const { labels, changes, undoable, redoable, done } = read;
  if (labels.length !== picture.width * picture.height) throw new Error("the labels have another size than the picture");
  Object.assign(picture, { labels, changes, counted: changes, done });
  for (const { kind, points, width, value } of waitingFor(picture)) {
    if (kind === "stroke") paintStroke(picture, points, width, value ?? VOID);
  }
  if (stroke?.picture === picture) paintStroke(picture, stroke.points, stroke.width, stroke.value ?? VOID);
  if (picture === desk.current) {
    Object.assign(desk, { undoable, redoable });
    redraw();
    tell("history", "pictures");
  }
}
