// The HTTP service, as seen from the page.

import { make } from "./dom.js";

/** An error that the service states (RFC 9457), or that it does not answer, whose status is 0. */
export class Problem extends Error {
  constructor(status, title, detail, { retryAfter = 0, argument = "" } = {}) {
    super(detail || title);
    Object.assign(this, { status, title, retryAfter, argument });
  }
}

const LOST = "The server does not answer. Work continues when it is back.";
const TOKEN = "pixelwise-token"; // kept for this tab only

/** Ask the service; raises a Problem where it refuses. */
export async function call(path, init = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = { ...init.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  let answer;
  try {
    answer = await fetch(path, { ...init, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "No answer", LOST);
  }
  if (answer.ok) return answer;
  if (answer.status === 401 && (await askForToken())) return call(path, init);
  throw await problemOf(answer);
}

async function problemOf(answer) {
  const stated = await answer.json().catch(() => ({}));
  const more = { retryAfter: Number(answer.headers.get("Retry-After")) || 0, argument: stated.argument };
  const detail = typeof stated.detail === "string" ? stated.detail : "";
  return new Problem(answer.status, stated.title || answer.statusText || `Error ${answer.status}`, detail, more);
}

let asking = null;

/** Ask the person for the token of the server; false if it is not given. Requests that ask at once share the question. */
function askForToken() {
  asking ??= new Promise((settle) => {
    const field = make("input", { type: "password", name: "token", required: true, autocomplete: "off" });
    const dialog = make("dialog", { className: "ask" },
      make("form", { method: "dialog" },
        make("label", {}, "This server needs its token ", field),
        make("button", { value: "given", className: "primary" }, "Continue")));
    dialog.addEventListener("close", () => {
      const given = dialog.returnValue === "given" && field.value;
      if (given) sessionStorage.setItem(TOKEN, field.value);
      dialog.remove();
      asking = null;
      settle(Boolean(given));
    });
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}

export async function listModels() {
  const { models } = await (await call("v1/models")).json();
  return models.map(({ name, card }) => ({ name, ...readCard(card) }));
}

function readCard(card) {
  const classes = card.classes.map(({ name, color }) => ({ name, color }));
  const background = card.classes.findIndex((one) => one.background);
  return { kind: card.kind, classes, background, ignored: card.ignore_index, rule: card.object_rule };
}

/** Which paths the service has: parts of the page whose path is missing stay hidden. */
export async function listPaths() {
  try {
    return Object.keys((await (await call("openapi.json")).json()).paths);
  } catch {
    return [];
  }
}

/** Predict a picture and give one output as a blob. */
export async function predict(model, picture, output, options = {}, signal = undefined) {
  const query = new URLSearchParams({ output, ...options });
  const body = new FormData();
  body.append("file", picture.blob, picture.name);
  const answer = await call(`v1/models/${encodeURIComponent(model)}/predict?${query}`, { method: "POST", body, signal });
  return answer.blob().catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "No answer", LOST);
  });
}

/** Whether the server answers at all. */
export const alive = () => fetch("healthz", { cache: "no-store" }).then(() => true, () => false);
