// Training on what was labelled: a button, how far it is, and then the new model proposes.

import { call } from "../api.js";
import { find, say } from "../dom.js";
import { on, tell } from "../state.js";
import { desk } from "./desk.js";
import { readProject } from "./service.js";

const LOOK = 2000; // milliseconds between two looks at a training that runs

let training = { state: "none" };
let timer = 0;

async function ask(init = {}) {
  try {
    hear(await (await call("v1/label/training", init)).json());
  } catch (error) {
    if (error.status) say(error.message, { wrong: true });
    else later(); // the server is away; it may come back
  }
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(ask, LOOK);
}

async function hear(found) {
  const ran = training.state === "running";
  training = found;
  show();
  if (found.state === "running") return later();
  if (!ran) return;
  if (found.state !== "finished") return say(found.state === "failed" ? reason() : "The training was stopped", { wrong: true });
  await readProject();
  tell("project", "pictures");
  say("The new model proposes now");
}

const reason = () => training.lines?.findLast((line) => line.startsWith("error")) ?? training.lines?.at(-1) ?? "The training failed";

function words() {
  const { state, doing, done, total, note, lines } = training;
  if (state === "running") return total ? [`${doing} ${done}/${total}`, note].filter(Boolean).join(", ") : (lines?.at(-1) ?? "beginning …");
  if (state === "finished") return `done; the model is in ${training.run}`;
  if (state === "failed") return reason();
  return state === "stopped" ? "stopped" : "on all masks so far";
}

function show() {
  const runs = training.state === "running";
  find("#train").textContent = runs ? "Stop" : "Train";
  find("#minutes").disabled = runs;
  find("#training-text").textContent = words();
  find("#training-bar").hidden = !runs || !training.total;
  find("#training-bar").value = training.total ? training.done / training.total : 0;
}

find("#train").addEventListener("click", () => {
  if (training.state === "running") return ask({ method: "DELETE" });
  const minutes = Number(find("#minutes").value);
  if (!desk.pictures.some((picture) => picture.changes)) return say("Nothing is labelled yet");
  ask({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ minutes }) });
});

on("project", () => training.state === "none" && ask());
show();
