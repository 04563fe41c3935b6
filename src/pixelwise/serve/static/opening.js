// Pictures come in by dropping, pasting or choosing files.

import { find, say } from "./dom.js";
import { fingerprint, keep } from "./keeping.js";
import { state, tell } from "./state.js";

const THUMB = 112; // pixels of a thumbnail's longer side

const field = find("#files");

/** Open files as pictures; the first one is shown if nothing is shown yet, or if it is alone. */
export async function addFiles(files) {
  const added = [];
  for (const file of files) {
    const id = await fingerprint(file).catch(() => null);
    if (id === null) {
      say(`${file.name} cannot be read`, { wrong: true });
      continue;
    }
    const held = state.pictures.find((one) => one.id === id);
    const picture = held ?? { id, name: file.name || "pasted.png", blob: file, thumb: null, results: new Map() };
    if (!held) state.pictures.push(picture);
    added.push(picture);
    if (added.length === 1 && (files.length === 1 || !state.current || state.current.live)) select(picture);
    tell("pictures");
  }
  for (const picture of added) {
    if (!picture.thumb) await makeThumb(picture);
    await keep(picture);
  }
  return added;
}

export function select(picture) {
  if (picture === state.current) return;
  state.current = picture;
  state.facts = { a: null, b: null };
  tell("current");
}

export function step(by) {
  const at = state.pictures.indexOf(state.current);
  const next = state.pictures[Math.min(state.pictures.length - 1, Math.max(0, at + by))];
  if (next) select(next);
}

export function remove(picture) {
  const at = state.pictures.indexOf(picture);
  if (at < 0) return;
  state.pictures.splice(at, 1);
  if (picture === state.current) {
    state.current = null;
    state.facts = { a: null, b: null };
    const next = state.pictures[Math.min(at, state.pictures.length - 1)];
    if (next) return select(next), tell("pictures");
    tell("current");
  }
  tell("pictures");
}

async function makeThumb(picture) {
  try {
    const image = await createImageBitmap(picture.blob, { resizeHeight: THUMB, resizeQuality: "medium" });
    picture.thumb = image;
  } catch {
    picture.thumb = "none"; // a TIFF, or no picture at all; the server says which
  }
  tell("pictures");
}

/** All files of a drop, with those of folders. */
async function droppedFiles(transfer) {
  const entries = Array.from(transfer.items, (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return Array.from(transfer.files);
  const found = [];
  for (const entry of entries) await collect(entry, found);
  return found;
}

async function collect(entry, found) {
  if (entry.isFile) {
    if (!entry.name.startsWith(".")) found.push(await new Promise((settle, fail) => entry.file(settle, fail)));
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const part = await new Promise((settle, fail) => reader.readEntries(settle, fail)); // gives some at a time
    if (!part.length) return;
    for (const one of part) await collect(one, found);
  }
}

export const choose = () => field.click();

field.addEventListener("change", () => {
  const chosen = Array.from(field.files);
  field.value = ""; // so that the same file can be chosen again
  addFiles(chosen);
});

let inside = 0; // entering a child comes before leaving its parent
document.addEventListener("dragenter", () => document.body.classList.toggle("dropping", ++inside > 0));
document.addEventListener("dragleave", () => document.body.classList.toggle("dropping", --inside > 0));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  inside = 0;
  document.body.classList.remove("dropping");
  const files = await droppedFiles(event.dataTransfer);
  if (files.length) addFiles(files);
});
document.addEventListener("paste", (event) => {
  const files = Array.from(event.clipboardData?.files ?? []);
  if (files.length) addFiles(files);
});

for (const button of document.querySelectorAll("[data-opens]")) button.addEventListener("click", choose);
