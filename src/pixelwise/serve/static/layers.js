// Keeps the painter told of what is to be shown, and holds the tiles that it makes.

import { colorsOf } from "./palette.js";
import { modelNamed, on, resultOf, shownModels, state, tell } from "./state.js";

const MOST_TILES = 220;

const painter = new Worker(new URL("./painter.js", import.meta.url), { type: "module" });
const told = { picture: "", a: "", b: "" }; // keys of what the painter holds or is opening
const versions = { a: 0, b: 0 };
const tiles = new Map(); // "layer/level/x/y" -> {bitmap, key, version}
const looks = new Map(); // number of a question -> where its answer goes
let asked = 0;
let lastWish = "";

/** Tell the painter of the picture and the results to show, where they changed. */
function follow() {
  const picture = state.current;
  if ((picture?.id ?? "") !== told.picture) {
    told.picture = picture?.id ?? "";
    if (!picture?.live) dropTiles("picture"); // the frame before stays until the new one can be drawn
    if (picture) painter.postMessage({ task: "picture", key: picture.id, blob: picture.blob });
  }
  for (const [layer, name] of Object.entries(shownModels())) {
    const result = picture && name ? resultOf(picture, name) : null;
    const base = result?.labels ? `${picture.id} ${result.key}` : "";
    const key = base && result.objects ? `${base} with objects` : base;
    if (key === told[layer]) continue;
    const live = picture?.live && told[layer].startsWith("camera ");
    if (!live && (!told[layer].startsWith(base) || !base)) {
      state.facts[layer] = null;
      dropTiles(layer);
    }
    told[layer] = key;
    const names = modelNamed(name)?.classes.map((one) => one.name) ?? [];
    painter.postMessage({ task: "layer", layer, key, labels: result?.labels, objects: result?.objects, names });
    tell("facts");
  }
}

/** Send the colours of everything that is drawn; tiles in other colours stay until new ones are there. */
function restyle() {
  for (const [layer, name] of Object.entries(shownModels())) {
    const facts = state.facts[layer];
    if (!facts) continue;
    const result = resultOf(state.current, name);
    const style = { version: ++versions[layer], outline: state.draw === "outline", ...colorsOf(name, facts, result) };
    painter.postMessage({ task: "style", layer, style });
  }
  lastWish = "";
  tell("tiles");
}

painter.onmessage = ({ data }) => ANSWERS[data.done](data);

const ANSWERS = {
  picture({ key, width, height }) {
    const picture = state.current;
    if (picture?.id !== key) return;
    Object.assign(picture, { width, height, unseen: "" });
    lastWish = "";
    tell("opened");
  },
  layer({ layer, key, width, height, counts, objects }) {
    if (told[layer] !== key) return;
    const picture = state.current;
    if (picture.unseen && !picture.width) Object.assign(picture, { width, height });
    if (picture.width && (picture.width !== width || picture.height !== height)) {
      const [labels, shown] = [`${width}×${height}`, `${picture.width}×${picture.height}`];
      picture.unseen = `The labels (${labels}) do not lie on this picture (${shown}), so they are not drawn.`;
      tell("opened");
      return;
    }
    state.facts[layer] = { key, width, height, counts, objects };
    tell("facts");
    restyle();
    if (picture.unseen) tell("opened");
  },
  tile({ layer, key, version, level, x, y, bitmap }) {
    const fresh = layer === "picture" ? key === told.picture : version === versions[layer] && told[layer];
    if (!fresh) return bitmap.close();
    hold(`${layer}/${level}/${x}/${y}`, { bitmap, version: layer === "picture" ? key : version });
    tell("tiles");
  },
  look(answer) {
    looks.get(answer.number)?.(answer);
    looks.delete(answer.number);
  },
  failed({ task, layer, key, why }) {
    if (task === "picture" && state.current?.id === key) {
      state.current.unseen = "This browser cannot show the picture; its labels are shown alone.";
      tell("opened");
    } else if (task === "layer" && told[layer] === key) {
      const result = resultOf(state.current, shownModels()[layer]);
      Object.assign(result, { state: "failed", error: why, labels: null, objects: null });
      tell("pictures");
    } else console.warn(task, why);
  },
};

function hold(name, tile) {
  tiles.get(name)?.bitmap.close();
  tiles.delete(name);
  tiles.set(name, tile);
  for (const [oldest, { bitmap }] of tiles) {
    if (tiles.size <= MOST_TILES) break;
    bitmap.close();
    tiles.delete(oldest);
  }
}

function dropTiles(layer) {
  for (const [name, { bitmap }] of tiles) {
    if (!name.startsWith(`${layer}/`)) continue;
    bitmap.close();
    tiles.delete(name);
  }
  lastWish = "";
}

export const tileAt = (layer, level, x, y) => tiles.get(`${layer}/${level}/${x}/${y}`)?.bitmap ?? null;

/** Ask for the tiles that are in view and are missing or have old colours, the first ones first. */
export function wish(inView) {
  const missing = [];
  for (const { layer, level, x, y } of inView) {
    const held = tiles.get(`${layer}/${level}/${x}/${y}`);
    const key = layer === "picture" ? told.picture : "";
    const version = layer === "picture" ? key : versions[layer];
    if (held?.version !== version) missing.push({ layer, key, version, level, x, y });
    else touch(`${layer}/${level}/${x}/${y}`, held);
  }
  const wished = JSON.stringify(missing);
  if (wished === lastWish) return;
  lastWish = wished;
  painter.postMessage({ task: "want", tiles: missing });
}

/** Count a tile as used just now. */
function touch(name, tile) {
  tiles.delete(name);
  tiles.set(name, tile);
}

/** What lies at a pixel: its colour, and the class and object of each layer. */
export function lookAt(x, y) {
  return new Promise((settle) => {
    looks.set(++asked, settle);
    painter.postMessage({ task: "look", number: asked, x, y });
  });
}

on("current pictures model", follow);
on("look", restyle);
