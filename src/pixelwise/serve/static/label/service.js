// The labelling service, as seen from the page.

import { call } from "../api.js";
import { channels } from "../palette.js";
import { desk } from "./desk.js";

const at = (picture, what) => `v1/label/pictures/${picture.id}/${what}`;

/** Read the folder's classes and pictures into the desk. */
export async function readProject() {
  const { classes, pictures, ...rest } = await (await call("v1/label")).json();
  Object.assign(desk, rest); // id, folder, trouble, proposes, remark, model, looking
  desk.classes = classes.map(({ name, color }) => ({ name, color: channels(color) }));
  for (const found of pictures) {
    const known = desk.pictures.find((picture) => picture.id === found.id);
    if (known) Object.assign(known, found);
    else desk.pictures.push(found);
  }
  const order = (one, other) => one.masked - other.masked || (other.doubt ?? -1) - (one.doubt ?? -1);
  desk.pictures.sort(order); // those without a mask first, of these what the model doubts most
}

export async function readImage(picture) {
  return (await call(at(picture, "image"))).blob();
}

/** The labels of a picture: {labels, changes, undoable, redoable, done}. */
export async function readLabels(picture) {
  const answer = await call(at(picture, "labels"), { cache: "no-store" });
  const state = JSON.parse(answer.headers.get("Pixelwise-State"));
  return { ...state, labels: new Uint8Array(await answer.arrayBuffer()) };
}

/** Send actions; the answer says what they changed, and comes when they are on the server's disk. */
export async function sendActions(picture, actions) {
  const headers = { "Content-Type": "application/json" };
  const answer = await call(at(picture, "actions"), { method: "POST", headers, body: JSON.stringify({ actions }) });
  const { patches, ...state } = await answer.json();
  return { ...state, patches: await Promise.all(patches.map(opened)) };
}

async function opened(patch) {
  const bytes = Uint8Array.from(atob(patch.labels), (one) => one.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return { ...patch, labels: new Uint8Array(await new Response(stream).arrayBuffer()) };
}

/** Ask for labels of the whole picture: {id, remark, seconds, labels}; labels is null where too little was painted. */
export async function readProposal(picture) {
  const by = desk.by;
  const answer = await call(`${at(picture, "proposal")}?by=${by}`, { method: "POST" });
  const about = JSON.parse(answer.headers.get("Pixelwise-Proposal"));
  return { ...about, by, labels: about.id ? new Uint8Array(await answer.arrayBuffer()) : null };
}
