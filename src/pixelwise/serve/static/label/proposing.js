// Proposals: labels for the whole picture, learnt from the strokes of all pictures, asked for after each change.

import { find, say } from "../dom.js";
import { on, tell } from "../state.js";
import { seconds } from "../words.js";
import { desk } from "./desk.js";
import { settled } from "./outbox.js";
import { act } from "./painting.js";
import { readProposal } from "./service.js";
import { redraw } from "./view.js";

const PAUSE = 150; // milliseconds after a change, so that quick strokes are learnt from together

const possible = () => (desk.by === "model" ? desk.model : desk.proposes);

let running = false;
let again = false;
let timer = 0;

function ask() {
  clearTimeout(timer);
  if (desk.by === "model" && desk.current?.proposal?.by === "model") return; // strokes do not change it
  if (possible() && desk.proposing) timer = setTimeout(run, PAUSE);
}

async function run() {
  const picture = desk.current;
  if (!picture?.labels) return;
  if (running) {
    again = true;
    return;
  }
  running = true;
  tell("proposal");
  try {
    await settled(picture);
    const proposal = await readProposal(picture);
    if (picture === desk.current && desk.proposing) picture.proposal = proposal;
  } catch (error) {
    if (error.status) say(error.message, { wrong: true }); // without an answer, the next change asks anew
  }
  running = false;
  redraw();
  tell("proposal");
  if (again || picture !== desk.current) {
    again = false;
    ask();
  }
}

export function toggleProposals() {
  if (!possible()) return say(desk.remark, { wrong: true });
  desk.proposing = !desk.proposing;
  if (desk.current) desk.current.proposal = null;
  redraw();
  tell("proposal");
  ask();
}

export function accept() {
  const proposal = desk.current?.proposal;
  if (!proposal?.labels) return say("There is no proposal yet");
  if (running || again) return say("The proposal is about to change; wait for it");
  act("accept", { map: proposal.id });
}

function show() {
  const proposal = desk.current?.proposal;
  const pace = proposal?.labels ? `, ${seconds(proposal.seconds)}` : "";
  find("#proposed").textContent = running ? "computing …" : proposal ? `${proposal.remark}${pace}` : "";
  find("#propose").setAttribute("aria-pressed", String(possible() && desk.proposing));
  find("#accept").disabled = !proposal?.labels || running;
  find("#proposal-remark").textContent = desk.remark;
  find("#proposal-remark").hidden = !desk.remark;
}

/** Choose what proposes: the strokes, or the model that the server was started with. */
function proposeBy(by) {
  desk.by = by;
  if (desk.current) desk.current.proposal = null;
  redraw();
  tell("proposal");
  ask();
}

find("#by").addEventListener("change", (event) => proposeBy(event.target.value));
on("project", () => {
  find("#by").hidden = !desk.model;
  if (desk.model) desk.by = find("#by").value = "model";
});
find("#propose").addEventListener("click", toggleProposals);
find("#accept").addEventListener("click", accept);
on("painted opened", ask);
on("project current proposal", show);
