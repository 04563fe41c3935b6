// Saving results as files, in every format of the server, and the view as it is.

import { find, make, say } from "./dom.js";
import { inspected } from "./inspected.js";
import { obtain } from "./jobs.js";
import { on, ruleOf, state } from "./state.js";
import { canvas } from "./viewer.js";

const menu = find("#downloads");

const FORMATS = [
  ["labels", "_labels.png", "Label map", "PNG, class indices"],
  ["overlay", "_overlay.jpg", "Overlay", "JPEG, full size"],
  ["probabilities", "_probabilities.npy", "Probabilities", "NumPy, classes × height × width"],
  ["coco", "_coco.json", "Objects", "COCO JSON with masks"],
  ["geojson", ".geojson", "Polygons", "GeoJSON"],
  ["table", "_objects.csv", "Table of objects", "CSV"],
  ["summary", "_summary.json", "Summary", "JSON, areas and objects"],
];

export function save(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

const stem = (name) => name.replace(/\.[^.]+$/, "") || "picture";

async function download(output, ending) {
  const { name } = inspected();
  const picture = state.current;
  menu.hidePopover?.();
  say("The file is being made …");
  try {
    const { score, min_area } = ruleOf(name);
    save(await obtain(name, picture, output, { ...state.options, score, min_area }), `${stem(picture.name)}${ending}`);
    say(`${stem(picture.name)}${ending} saved`);
  } catch (error) {
    say(error.message, { wrong: true });
  }
}

export function saveView() {
  if (!state.current) return;
  menu.hidePopover?.();
  canvas.toBlob((blob) => save(blob, `${stem(state.current.name)}_view.png`));
}

function entry(title, note, act) {
  const button = make("button", { type: "button" }, make("span", {}, title), make("small", {}, note));
  button.addEventListener("click", act);
  return make("li", {}, button);
}

find("ul", menu).append(
  ...FORMATS.map(([output, ending, title, note]) => entry(title, note, () => download(output, ending))),
  entry("This view", "PNG, as on the screen", saveView),
);

on("current opened", () => (find("#download").disabled = !state.current || Boolean(state.current.live)));
