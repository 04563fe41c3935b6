// Pictures that are too large for one request are labelled by jobs of the server.

import { Problem, call, predict } from "./api.js";

const LOOK_EVERY = 700; // milliseconds
const TOO_LARGE = ["max_pixels", "max_bytes", "timeout"]; // limits of requests that jobs do not have

let possible = false;

export const allowJobs = (paths) => (possible = paths.includes("/v1/jobs"));

/**
 * Get an output of a picture, by a job where a request is refused because the picture is large.
 *
 * progress is called with a share 0 .. 1 and the seconds that are left, null while that is not known.
 */
export async function obtain(model, picture, output, options, { signal, progress = () => {} } = {}) {
  if (!picture.large) {
    try {
      return await predict(model, picture, output, options, signal);
    } catch (error) {
      const large = error instanceof Problem && TOO_LARGE.includes(error.argument) && !error.retryAfter;
      if (!large || !possible) throw error;
      picture.large = true;
    }
  }
  return byJob(model, picture, output, options, signal, progress);
}

async function byJob(model, picture, output, options, signal, progress) {
  const query = new URLSearchParams({ model, output, ...options });
  const body = new FormData();
  body.append("file", picture.blob, picture.name);
  let job = await (await call(`v1/jobs?${query}`, { method: "POST", body, signal })).json();
  const address = `v1/jobs/${job.id}`;
  try {
    while (["waiting", "running"].includes(job.state)) {
      progress(job.progress ?? 0, job.seconds_left ?? null);
      await new Promise((next) => setTimeout(next, LOOK_EVERY));
      job = await (await call(address, { signal })).json();
    }
    return await (await call(`${address}/result`, { signal })).blob(); // says why it failed, where it did
  } finally {
    if (signal?.aborted || job.state === "done") call(address, { method: "DELETE" }).catch(() => {});
  }
}
