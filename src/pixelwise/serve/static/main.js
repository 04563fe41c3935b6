// The page of `pixelwise serve`: starts the parts, and shows how the picture in view fares.

import { listModels, listPaths } from "./api.js";
import "./areas.js";
import "./camera.js";
import "./controls.js";
import "./divider.js";
import { find } from "./dom.js";
import "./gestures.js";
import { allowJobs } from "./jobs.js";
import "./keys.js";
import { readLink, takePending } from "./link.js";
import "./objects.js";
import { retry } from "./queue.js";
import "./readout.js";
import { on, resultOf, secondModel, state, tell } from "./state.js";
import "./strip.js";
import { fit, view } from "./viewer.js";
import { bytes, number, percent, seconds } from "./words.js";

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
  document.body.classList.toggle("bare", !picture?.width);
  find("#name").textContent = picture?.name ?? "";
  document.title = picture ? `${picture.name} – pixelwise` : "pixelwise";
  const results = picture ? [state.model, secondModel()].filter(Boolean).map((name) => resultOf(picture, name)) : [];
  const running = results.some((result) => ["waiting", "running"].includes(result.state)) && !picture.live;
  const failed = results.find((result) => result.state === "failed");
  find("#working").hidden = !running || state.lost;
  const share = results.find((result) => result.share)?.share;
  find("#working").classList.toggle("known", Boolean(share));
  find("#working").style.setProperty("--done", `${100 * (share ?? 0)}%`);
  find("#lost").hidden = !state.lost;
  find("#failure").hidden = !failed;
  find("#failure-text").textContent = failed?.error ?? "";
  find("#unseen").hidden = !picture?.unseen || Boolean(failed);
  find("#unseen").textContent = picture?.unseen ?? "";
  find("#facts").textContent = picture ? factsOf(picture, results[0], running) : "";
}

function factsOf(picture, result, running) {
  const size = picture.width ? [`${number(picture.width)} × ${number(picture.height)}`] : [];
  return [...size, bytes(picture.blob.size), ...paceOf(result, running)].join(" · ");
}

function paceOf(result, running) {
  if (result?.seconds) return [`labelled in ${seconds(result.seconds)}`];
  if (!running) return [];
  if (!result?.share) return ["being labelled …"];
  return [`${percent(result.share)} labelled`, ...(result.left ? [`${seconds(result.left)} left`] : [])];
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
  allowJobs(await listPaths());
  await readLink();
  document.body.classList.add("ready");
}

start();
