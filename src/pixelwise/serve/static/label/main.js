// The page of `pixelwise label`: starts the parts.

import { find } from "../dom.js";
import { tell } from "../state.js";
import { desk } from "./desk.js";
import "./keys.js";
import { takeUp, waitingCount } from "./outbox.js";
import { end } from "./painting.js";
import "./panel.js";
import { open } from "./pictures.js";
import "./pointers.js";
import "./proposing.js";
import "./training.js";
import { readProject } from "./service.js";

const LOOK = 3000; // milliseconds

async function start() {
  try {
    await readProject();
  } catch (error) {
    find("#lost").hidden = false;
    find("#lost").textContent = error.message;
    return setTimeout(start, 2000);
  }
  find("#lost").hidden = true;
  takeUp();
  find("#folder").textContent = desk.folder;
  tell("project", "pictures", "outbox");
  const wanted = decodeURIComponent(location.hash.slice(1));
  const usable = desk.pictures.filter((picture) => !picture.trouble);
  const first = usable.find((picture) => picture.name === wanted) ?? usable.find((picture) => !picture.done) ?? usable[0];
  if (first) await open(first);
  document.body.classList.add("ready");
  followDoubts();
}

/** Sort the pictures anew while the model looks at them. */
async function followDoubts() {
  while (desk.looking) {
    await new Promise((go) => setTimeout(go, LOOK));
    await readProject().catch(() => {});
    tell("pictures");
  }
}

window.addEventListener("beforeunload", (event) => {
  end();
  if (waitingCount() && desk.lost) event.preventDefault();
});
window.addEventListener("pagehide", end);

start();
