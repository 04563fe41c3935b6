// Actions on their way to the server. They stay in the browser's storage until the server has them on its disk, so that
// neither a server nor a page that ends loses any; one that arrives twice counts once.

import { say } from "../dom.js";
import { tell } from "../state.js";
import { desk } from "./desk.js";
import { sendActions } from "./service.js";

const RETRY = 1000; // milliseconds
const MOST = 200; // actions of a request
const MOST_NUMBERS = 200000; // of their points together

let waiting = []; // {picture: id, action}
let sending = null;
let careful = false; // after a refusal, actions go one by one, so that only what is wrong is refused
let heard = () => {};

/** Choose who is told {picture, actions, answer} when the server has taken actions. */
export const listen = (act) => (heard = act);

const prefix = () => `pixelwise-label:${desk.id}:`;

const own = () => {
  let tab = sessionStorage.getItem("pixelwise-label-tab");
  if (!tab) sessionStorage.setItem("pixelwise-label-tab", (tab = newId()));
  return prefix() + tab;
};

// crypto.randomUUID is missing where a page comes from another machine without HTTPS.
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function keep() {
  try {
    if (waiting.length) localStorage.setItem(own(), JSON.stringify(waiting));
    else localStorage.removeItem(own());
  } catch {
    if (desk.lost) say("The browser cannot keep more strokes. Wait until the server is back.", { wrong: true });
  }
}

/** Take up what an earlier page of this folder left behind. */
export function takeUp() {
  const known = new Set(waiting.map(({ action }) => action.id));
  for (const key of Object.keys(localStorage).filter((one) => one.startsWith(prefix()))) {
    let left = [];
    try {
      left = JSON.parse(localStorage.getItem(key));
    } catch {
      continue;
    }
    waiting.push(...left.filter(({ action }) => !known.has(action.id)));
    if (key === own()) continue;
    keep(); // under the name of this page, before the other name goes
    localStorage.removeItem(key);
  }
  if (waiting.length) flush();
}

export function post(picture, action) {
  waiting.push({ picture: picture.id, action });
  keep();
  tell("outbox");
  flush();
}

export const waitingFor = (picture) => waiting.filter((one) => one.picture === picture.id).map(({ action }) => action);
export const waitingCount = () => waiting.length;

/** Wait until nothing is on its way for a picture. */
export async function settled(picture) {
  while (waitingFor(picture).length) await (flush() ?? new Promise((go) => setTimeout(go, 50)));
}

function flush() {
  sending ??= sendAll().finally(() => (sending = null));
  return sending;
}

async function sendAll() {
  while (waiting.length) {
    const { picture } = waiting[0];
    const batch = firstOf(picture);
    try {
      const answer = await sendActions({ id: picture }, batch);
      drop(batch);
      desk.lost = false;
      heard({ picture, actions: batch, answer });
    } catch (error) {
      if (error.status === 404 || error.status === 422) {
        if (batch.length === 1) refuse(batch, error);
        careful = batch.length > 1;
      } else {
        desk.lost = true;
        desk.why = error.status ? error.message : "";
        tell("outbox");
        await new Promise((go) => setTimeout(go, RETRY));
      }
    }
    tell("outbox");
  }
}

/** The first actions for a picture, as many as make one request. */
function firstOf(picture) {
  const batch = [];
  let numbers = 0;
  for (const one of waiting) {
    numbers += one.action.points?.length ?? 0;
    if (one.picture !== picture || batch.length === (careful ? 1 : MOST) || (batch.length && numbers > MOST_NUMBERS)) break;
    batch.push(one.action);
  }
  return batch;
}

function drop(batch) {
  const gone = new Set(batch.map(({ id }) => id));
  waiting = waiting.filter(({ action }) => !gone.has(action.id));
  keep();
}

/** What the server will never take is set aside, so that the rest can go on. */
function refuse(batch, error) {
  try {
    localStorage.setItem(`pixelwise-label-refused:${desk.id}:${newId()}`, JSON.stringify(batch));
  } catch {
    // There is no room to keep it.
  }
  drop(batch);
  say(`The server refuses: ${error.message}`, { wrong: true });
  heard({ picture: "", actions: batch, answer: null });
}
