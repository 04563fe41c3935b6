// The address of the page holds the view, so that a copied link or a reload shows it again.

import { say } from "./dom.js";
import { recall } from "./keeping.js";
import { modelNamed, on, resultOf, state, tell } from "./state.js";
import { addFiles } from "./opening.js";
import { lookTo, view } from "./viewer.js";

let pending = null; // what an address asked for that can only be done when the picture is there
let writing;

const numbers = (text) => (text ? text.split(".").map(Number) : []); // dots, because commas are escaped in addresses

function written() {
  const words = new URLSearchParams({ model: state.model });
  if (state.compare) words.set("compare", state.compare);
  if (state.divider !== 0.5) words.set("divider", state.divider.toFixed(3));
  const hidden = state.hidden.get(state.model);
  if (hidden) words.set("hide", Array.from(hidden).sort((a, b) => a - b).join("."));
  if (state.draw !== "fill") words.set("draw", state.draw);
  if (state.palette !== "model") words.set("colours", state.palette);
  words.set("opacity", state.opacity);
  for (const [name, value] of Object.entries({ ...state.options, ...state.least })) if (value !== null) words.set(name, value);
  const picture = state.current;
  if (picture && !picture.live) {
    words.set("picture", picture.id);
    const off = resultOf(picture, state.model).hiddenObjects;
    if (off.size && off.size <= 400) words.set("off", Array.from(off).join("."));
    if (picture.width) words.set("at", [view.x.toFixed(1), view.y.toFixed(1), view.scale.toPrecision(5)].join("_"));
  }
  return `#${words}`;
}

function write() {
  if (pending) return;
  clearTimeout(writing);
  writing = setTimeout(() => history.replaceState(null, "", written()), 250);
}

export async function copyLink() {
  history.replaceState(null, "", written());
  try {
    await navigator.clipboard.writeText(location.href);
    say("Link copied. It opens this view in this browser, which keeps the picture.");
  } catch {
    say("The link is in the address bar.");
  }
}

/** Set the state from the address; called once, when the models are known. */
export async function readLink() {
  const words = new URLSearchParams(location.hash.slice(1));
  if (modelNamed(words.get("model"))) state.model = words.get("model");
  const compare = words.get("compare");
  if (compare === "picture" || (modelNamed(compare) && compare !== state.model)) state.compare = compare;
  state.divider = Math.min(0.98, Math.max(0.02, Number(words.get("divider") ?? 0.5) || 0.5));
  if (words.has("hide")) state.hidden.set(state.model, new Set(numbers(words.get("hide"))));
  if (words.get("draw") === "outline") state.draw = "outline";
  if (["safe", "objects"].includes(words.get("colours"))) state.palette = words.get("colours");
  const opacity = Number(words.get("opacity") ?? NaN);
  if (opacity >= 0 && opacity <= 100) state.opacity = opacity;
  for (const name of ["tta", "mode"]) if (words.get(name)) state.options[name] = words.get(name);
  for (const name of ["score", "min_area"]) if (words.has(name)) state.least[name] = Number(words.get(name)) || 0;
  tell("models", "model", "compare", "divider", "look", "options");
  if (words.get("picture")) await reopen(words);
}

async function reopen(words) {
  const kept = await recall(words.get("picture"));
  if (!kept) return say("The picture of this link is not kept in this browser; open its file again.", { wrong: true });
  const at = words.get("at")?.split("_").map(Number) ?? [];
  pending = { id: kept.id, at: at.length === 3 && at.every(Number.isFinite) ? at : null };
  const [picture] = await addFiles([new File([kept.blob], kept.name, { type: kept.blob.type })]);
  if (picture) resultOf(picture, state.model).hiddenObjects = new Set(numbers(words.get("off")));
  tell("look");
}

/** Show a picture where the address says, once; gives whether it did. */
export function takePending(picture) {
  if (pending?.id !== picture.id) return false;
  const { at } = pending;
  pending = null;
  if (at) lookTo(...at);
  return Boolean(at);
}

on("view look opacity current compare divider model options opened", write);
