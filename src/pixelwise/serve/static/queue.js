// Predictions, one after the other: first what is looked at, then the other pictures.

import { Problem, alive } from "./api.js";
import { obtain } from "./jobs.js";
import { on, resultOf, ruleOf, secondModel, state, tell } from "./state.js";

const PATIENCE = 2000; // milliseconds between two attempts while the server is away

let running = null; // {picture, result, output, abort}
let pausedUntil = 0;

/** Start the next prediction, if none is running. */
export function pump() {
  if (running && !isWanted(running)) running.abort.abort();
  if (running || state.lost || Date.now() < pausedUntil) return;
  const step = nextStep();
  if (!step) return;
  running = { ...step, abort: new AbortController() };
  run(running).finally(() => {
    running = null;
    pump();
  });
}

function* steps() {
  const models = [state.model, secondModel()].filter(Boolean);
  if (state.current && !state.current.live) {
    for (const output of ["labels", "objects"]) for (const model of models) yield { picture: state.current, model, output };
  }
  for (const picture of state.pictures) yield { picture, model: state.model, output: "labels" };
}

function nextStep() {
  for (const step of steps()) {
    const result = resultOf(step.picture, step.model);
    if (step.output === "objects") forgetLarger(step.model, result);
    const missing = step.output === "labels" ? !result.labels : result.labels && !result.objects && listed(step.picture, result);
    if (result.state !== "failed" && missing) return { ...step, result, options: { ...state.options } };
  }
  return null;
}

/** Objects of large pictures are listed when they are asked for, because that takes a job of its own. */
const listed = (picture, result) => !picture.large || result.objectsAsked;

/** Drop a list of objects that leaves out some that are wanted now. */
function forgetLarger(model, result) {
  if (result.objects && result.leastArea > ruleOf(model).min_area) result.objects = null;
}

function isWanted({ picture, model, result }) {
  const named = [state.model, secondModel()].includes(model);
  return named && state.pictures.includes(picture) && resultOf(picture, model) === result;
}

async function run({ picture, model, output, options, result, abort }) {
  const began = performance.now();
  const asLabels = output === "labels";
  const { min_area } = ruleOf(model);
  if (asLabels) result.state = "running";
  tell("pictures");
  try {
    const given = asLabels ? options : { ...options, min_area };
    const progress = (share, left) => {
      Object.assign(result, { share, left });
      tell("pictures");
    };
    result[output] = await obtain(model, picture, asLabels ? "labels" : "coco", given, { signal: abort.signal, progress });
    Object.assign(result, { share: null, left: null });
    if (!asLabels) result.leastArea = min_area;
    else Object.assign(result, { state: "done", seconds: (performance.now() - began) / 1000 });
  } catch (error) {
    fail(result, error);
  }
  tell("pictures");
}

function fail(result, error) {
  const again = result.labels ? "done" : "waiting";
  if (error.name === "AbortError") result.state = again;
  else if (error instanceof Problem && error.status === 0) {
    result.state = again;
    state.lost = true;
    setTimeout(lookForServer, PATIENCE);
  } else if (error instanceof Problem && error.status === 503 && error.retryAfter) {
    result.state = again;
    pausedUntil = Date.now() + 1000 * error.retryAfter;
    setTimeout(pump, pausedUntil - Date.now() + 20);
  } else Object.assign(result, { state: "failed", error: error.message });
}

async function lookForServer() {
  if (!(await alive())) return setTimeout(lookForServer, PATIENCE);
  state.lost = false;
  tell("pictures");
  pump();
}

/** Try a picture again that failed. */
export function retry(picture) {
  for (const model of [state.model, secondModel()].filter(Boolean)) {
    const result = resultOf(picture, model);
    if (result.state === "failed") Object.assign(result, { state: "waiting", error: "" });
  }
  tell("pictures");
  pump();
}

on("current pictures model", pump);
