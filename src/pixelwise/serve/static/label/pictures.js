// Opening pictures, and the list of them.

import { all, find, make, say } from "../dom.js";
import { on, tell } from "../state.js";
import { counted, number } from "../words.js";
import { desk } from "./desk.js";
import { waitingCount } from "./outbox.js";
import { act, end, reload } from "./painting.js";
import { readImage } from "./service.js";
import { fit, redraw } from "./view.js";

const SMALLEST = 1024; // pixels of the longer side below which no smaller copy is kept

/** Open a picture; the one before keeps nothing in memory. */
export async function open(picture) {
  end();
  const before = desk.current;
  if (before && before !== picture) Object.assign(before, { labels: null, levels: null, proposal: null });
  desk.current = picture;
  location.hash = picture.name;
  tell("current", "history");
  redraw();
  try {
    await Promise.all([reload(picture), readLevels(picture)]);
  } catch (error) {
    if (desk.current === picture) tell("current");
    return say(error.message, { wrong: true });
  }
  if (desk.current !== picture) return Object.assign(picture, { labels: null, levels: null });
  if (before?.width !== picture.width || before?.height !== picture.height || before === picture) fit();
  redraw();
  tell("current", "opened");
}

async function readLevels(picture) {
  const levels = [await createImageBitmap(await readImage(picture))];
  while (Math.max(levels.at(-1).width, levels.at(-1).height) > SMALLEST) {
    const { width, height } = levels.at(-1);
    const half = { resizeWidth: Math.ceil(width / 2), resizeHeight: Math.ceil(height / 2), resizeQuality: "medium" };
    levels.push(await createImageBitmap(levels.at(-1), half));
  }
  picture.levels = levels;
}

export function step(by) {
  const place = desk.pictures.indexOf(desk.current) + by;
  if (place >= 0 && place < desk.pictures.length) open(desk.pictures[place]);
}

/** Say that the picture is done, or is not, and go to the next that is not. */
export function finish() {
  const picture = desk.current;
  if (!picture?.labels) return;
  const done = !picture.done;
  act("done", { done });
  picture.done = done;
  tell("pictures", "current");
  if (!done) return;
  const after = desk.pictures.indexOf(picture) + 1;
  const next = [...desk.pictures.slice(after), ...desk.pictures.slice(0, after)].find((one) => !one.done && !one.trouble);
  if (next && next !== picture) open(next);
  else say("All pictures are done");
}

const stateOf = (picture) => {
  if (picture.trouble) return "trouble";
  if (picture.done) return "done";
  if (picture.changes) return "begun";
  return picture.masked ? "masked" : "new";
};
const WORDS = { trouble: "cannot be labelled", done: "done", begun: "begun", masked: "has a mask", new: "" };

function list() {
  const rows = desk.pictures.map((picture) => {
    const state = stateOf(picture);
    const button = make("button", { type: "button", className: "picture", title: picture.trouble || picture.name, onclick: () => open(picture) },
      make("span", { className: `dot ${state}` }), make("span", { className: "name", textContent: picture.name }),
      make("small", { textContent: WORDS[state] }));
    if (picture === desk.current) button.setAttribute("aria-current", "true");
    return make("li", {}, button);
  });
  find("#pictures").replaceChildren(...rows);
  const done = desk.pictures.filter((picture) => picture.done).length;
  find("#pictures-count").textContent = `${number(done)} of ${number(desk.pictures.length)} done`;
}

/** Scroll a list alone, not the panel around it, until a row of it is seen. */
function bringIntoView(list, row) {
  const [above, below] = [row.offsetTop - list.offsetTop, row.offsetTop - list.offsetTop + row.offsetHeight];
  if (above < list.scrollTop) list.scrollTop = above;
  else if (below > list.scrollTop + list.clientHeight) list.scrollTop = below - list.clientHeight;
}

function describe() {
  const picture = desk.current;
  find("#name").textContent = picture?.name ?? "";
  document.title = picture ? `${picture.name} – pixelwise label` : "pixelwise label";
  find("#facts").textContent = picture ? `${number(picture.width)} × ${number(picture.height)}` : "";
  find("#working").hidden = !picture || Boolean(picture.labels && picture.levels) || Boolean(picture.trouble);
  find("#finish").setAttribute("aria-pressed", String(Boolean(picture?.done)));
  for (const row of all("#pictures .picture")) row.removeAttribute("aria-current");
  const place = desk.pictures.indexOf(picture);
  const row = all("#pictures .picture")[place];
  row?.setAttribute("aria-current", "true");
  if (row) bringIntoView(find("#pictures"), row);
}

function tellWaiting() {
  const count = waitingCount();
  find("#lost").hidden = !desk.lost;
  find("#lost").textContent = `${desk.why || "The server does not answer."} ${counted(count, "change")} kept in this browser until it does.`;
  find("#saved").textContent = count ? "saving …" : "all saved";
}

on("pictures", list);
on("pictures current history", describe);
on("outbox", tellWaiting);
