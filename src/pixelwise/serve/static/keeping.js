// Pictures that were opened, kept in this browser so that a link can show them again. They are sent nowhere.

const MOST_PICTURES = 60;
const MOST_BYTES = 400e6;

let opening = null;

function database() {
  opening ??= new Promise((settle, fail) => {
    const request = indexedDB.open("pixelwise", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("pictures", { keyPath: "id" });
    request.onsuccess = () => settle(request.result);
    request.onerror = () => fail(request.error);
  });
  return opening;
}

const done = (request) =>
  new Promise((settle, fail) => {
    request.onsuccess = () => settle(request.result);
    request.onerror = () => fail(request.error);
  });

async function store(mode) {
  return (await database()).transaction("pictures", mode).objectStore("pictures");
}

/** Keep a picture, and forget the oldest ones beyond the limits; private windows may refuse, and then nothing is kept. */
export async function keep({ id, name, blob }) {
  try {
    await done((await store("readwrite")).put({ id, name, blob, size: blob.size, when: Date.now() }));
    await forgetOldest();
  } catch (error) {
    console.info("the picture is not kept:", error?.message);
  }
}

async function forgetOldest() {
  const held = [];
  const pictures = await store("readwrite");
  await new Promise((settle, fail) => {
    const request = pictures.openCursor();
    request.onerror = () => fail(request.error);
    request.onsuccess = () => {
      const cursor = request.result;
      if (!cursor) return settle();
      held.push({ id: cursor.value.id, size: cursor.value.size, when: cursor.value.when });
      cursor.continue();
    };
  });
  held.sort((one, other) => other.when - one.when);
  let total = 0;
  for (const [place, { id, size }] of held.entries()) {
    total += size;
    if (place && (place >= MOST_PICTURES || total > MOST_BYTES)) pictures.delete(id);
  }
}

/** The kept picture with an id, or null. */
export async function recall(id) {
  try {
    return (await done((await store("readonly")).get(id))) ?? null;
  } catch {
    return null;
  }
}

/** A name for the bytes of a picture: equal bytes have equal names. */
export async function fingerprint(blob) {
  const content = await blob.arrayBuffer();
  if (crypto.subtle) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
    return Array.from(digest.subarray(0, 10), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
  // Pages that come over plain HTTP from another machine have no digests.
  let [one, other] = [0xdeadbeef, 0x41c6ce57];
  for (const byte of new Uint8Array(content)) {
    one = Math.imul(one ^ byte, 2654435761);
    other = Math.imul(other ^ byte, 1597334677);
  }
  return `${content.byteLength.toString(16)}-${(one >>> 0).toString(16)}${(other >>> 0).toString(16)}`;
}
