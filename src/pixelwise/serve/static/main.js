// The page of `pixelwise serve`: starts the parts, and shows how the picture in view fares.

import { listModels, listPaths } from "./api.js";
import "./areas.js";
import "./camera.js";
import "./controls.js";
import "./divider.js";
import { find } from "./dom.js";
import "./gestures.js";
import "./keys.js";
import { readLink, takePending } from "./link.js";
import "./objects.js";
import { retry } from "./queue.js";
import "./readout.js";
import { on, resultOf, secondModel, state, tell } from "./state.js";
import "./strip.js";
import { fit, view } from "./viewer.js";
import { bytes, number, seconds } from "./words.js";

let before = null; // size of the picture that was in view

/** A picture is there: keep the place if the one before has the same size, so that frames can be compared. */
function opened() {
  const picture = state.current;
  if (!picture?.width) return describe();
  const same = before?.width === picture.width && before?.height === picture.height && view.scale;
  const first = before?.id !== picture.id;
  before = { id: picture.id, width: picture.width, height: picture.height };
  if (!takePending(picture) && first && !same) fit();
  describe();
  tell("view");
}

function describe() {
  const picture = state.current;
  document.body.classList.toggle("empty", !picture);
  find("#name").textContent = picture?.name ?? "";
  document.title = picture ? `${picture.name} – pixelwise` : "pixelwise";
  const results = picture ? [state.model, secondModel()].filter(Boolean).map((name) => resultOf(picture, name)) : [];
  const running = results.some((result) => ["waiting", "running"].includes(result.state)) && !picture.live;
  const failed = results.find((result) => result.state === "failed");
  find("#working").hidden = !running || state.lost;
  find("#lost").hidden = !state.lost;
  find("#failure").hidden = !failed;
  find("#failure-text").textContent = failed?.error ?? "";
  find("#unseen").hidden = !picture?.unseen || Boolean(failed);
  find("#unseen").textContent = picture?.unseen ?? "";
  find("#facts").textContent = picture ? factsOf(picture, results[0], running) : "";
}

function factsOf(picture, result, running) {
  const size = picture.width ? [`${number(picture.width)} × ${number(picture.height)}`] : [];
  const pace = result?.seconds ? [`labelled in ${seconds(result.seconds)}`] : running ? ["being labelled …"] : [];
  return [...size, bytes(picture.blob.size), ...pace].join(" · ");
}

on("opened", opened);
on("current pictures model compare", describe);
find("#retry").addEventListener("click", () => state.current && retry(state.current));

async function start() {
  try {
    state.models = await listModels();
  } catch (error) {
    find("#failure").hidden = false;
    find("#failure-text").textContent = error.message;
    find("#retry").addEventListener("click", () => location.reload());
    return;
  }
  state.model = state.models[0]?.name ?? "";
  await readLink();
  document.body.classList.add("ready");
  document.body.dataset.jobs = (await listPaths()).includes("/v1/jobs");
}

start();
