// Colours: those of the model, a set for the colour-blind, and one tone per object.

import { countedObjects, hiddenClasses, modelNamed, state } from "./state.js";

// Okabe and Ito's colours without black, "Color Universal Design" (2008); then colours each of which is as far as
// possible from those before it, for people without red or green cones as well.
const SAFE = [
  "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442",
  "#222244", "#aaffcc", "#2211ff", "#112299", "#553300", "#bbcc88", "#555566",
  "#9977ff", "#00eeff", "#ee5544", "#5555bb", "#ffee88", "#88ccbb", "#aa2233",
];

export function channels(hex) {
  const packed = parseInt(hex.slice(1), 16);
  return [packed >> 16, (packed >> 8) & 255, packed & 255];
}

/** The colour [r, g, b] of a class as it is drawn now. */
export function classColor(name, place) {
  const model = modelNamed(name);
  return state.palette === "safe" ? channels(SAFE[place % SAFE.length]) : channels(model.classes[place].color);
}

/** The colour of an object: a hue of its own where objects are told apart, or that of its class. */
export function objectColor(name, { id, kind }) {
  if (state.palette !== "objects") return classColor(name, kind);
  return fromHue((id * 0.618034) % 1, 0.62 - 0.12 * (id % 3), 0.92 - 0.14 * (Math.floor(id / 3) % 3));
}

function fromHue(hue, saturation, value) {
  const channel = (shift) => {
    const k = (shift + hue * 6) % 6;
    return Math.round(255 * value * (1 - saturation * Math.max(0, Math.min(k, 4 - k, 1))));
  };
  return [channel(5), channel(3), channel(1)];
}

export const css = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;

const packed = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

/** Colours as the painter takes them: 0 for what is hidden. */
export function colorsOf(name, facts, result) {
  const hidden = hiddenClasses(name);
  const countedIds = new Set(countedObjects(name, facts)?.map((one) => one.id));
  const classes = new Uint32Array(65536);
  const model = modelNamed(name);
  if (model.kind !== "objects" || !facts.objects) {
    model.classes.forEach((_, place) => {
      if (!hidden.has(place)) classes[place] = packed(classColor(name, place));
    });
  } // else objects alone are drawn, so that those that are off leave nothing
  const objects = new Uint32Array((facts.objects?.length ?? 0) + 1);
  for (const one of facts.objects ?? []) {
    const small = !countedIds.has(one.id);
    if (small && model.kind !== "objects") objects[one.id] = classes[one.kind];
    else if (!small && !hidden.has(one.kind) && !result.hiddenObjects.has(one.id)) objects[one.id] = packed(objectColor(name, one));
  }
  return { classes, objects };
}
