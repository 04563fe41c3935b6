// Frames of a camera: each is labelled as soon as the one before is done.

import { predict } from "./api.js";
import { find, make, say } from "./dom.js";
import { addFiles } from "./opening.js";
import { resultOf, state, tell } from "./state.js";

const SIDE = 640; // pixels of a frame at most, so that several a second are labelled

const button = find("#camera");
const bar = find("#live");
const video = make("video", { muted: true, playsInline: true });
let stream = null;
let frames = 0;

button.hidden = !navigator.mediaDevices?.getUserMedia;

async function start() {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 960 } } });
  } catch (error) {
    return say(`The camera cannot be used: ${error.message}`, { wrong: true });
  }
  video.srcObject = stream;
  await video.play();
  bar.hidden = false;
  button.setAttribute("aria-pressed", "true");
  follow();
}

export function stop() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  bar.hidden = true;
  button.setAttribute("aria-pressed", "false");
  if (state.current?.live) {
    state.current = state.pictures.at(-1) ?? null;
    state.facts = { a: null, b: null };
    tell("current");
  }
}

async function frame() {
  const scale = Math.min(1, SIDE / Math.max(video.videoWidth, video.videoHeight));
  const canvas = new OffscreenCanvas(Math.round(video.videoWidth * scale), Math.round(video.videoHeight * scale));
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
}

async function follow() {
  let before = performance.now();
  while (stream) {
    try {
      const picture = { id: `camera ${++frames}`, name: "camera.jpg", blob: await frame(), live: true, results: new Map() };
      const result = resultOf(picture, state.model);
      result.labels = await predict(state.model, picture, "labels", state.options);
      result.state = "done";
      if (!stream) return;
      if (state.current?.live) Object.assign(picture, { width: state.current.width, height: state.current.height });
      state.current = picture;
      tell("current");
    } catch (error) {
      say(error.message, { wrong: true });
      return stop();
    }
    const now = performance.now();
    find("#live-pace").textContent = `${(1000 / (now - before)).toFixed(1)} frames a second`;
    before = now;
    await new Promise((next) => requestAnimationFrame(next));
  }
}

button.addEventListener("click", () => (stream ? stop() : start()));
find("#stop-camera").addEventListener("click", stop);
find("#keep-frame").addEventListener("click", async () => {
  const { blob } = state.current ?? {};
  if (!state.current?.live) return;
  stop();
  const time = new Date().toTimeString().slice(0, 8).replaceAll(":", "-");
  addFiles([new File([blob], `camera ${time}.jpg`, { type: "image/jpeg" })]);
});
