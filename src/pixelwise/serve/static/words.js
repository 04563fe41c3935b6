// Numbers and texts as people read them.

const whole = new Intl.NumberFormat("en");

export const number = (value) => whole.format(value);

const IRREGULAR = { class: "classes" };

export function counted(count, noun) {
  return `${number(count)} ${count === 1 ? noun : (IRREGULAR[noun] ?? `${noun}s`)}`;
}

/** A share 0 .. 1 in percent; shares that are not zero never read as zero. */
export function percent(share) {
  if (share === 0) return "0%";
  if (share < 0.001) return "<0.1%";
  return `${(share * 100).toFixed(share < 0.1 || share > 0.999 ? 1 : 0)}%`;
}

/** An area in few characters: 812, 12.4k, 3.1M. */
export function short(value) {
  if (value < 10000) return number(Math.round(value));
  return value < 1e6 ? `${(value / 1e3).toFixed(value < 1e5 ? 1 : 0)}k` : `${(value / 1e6).toFixed(1)}M`;
}

export function bytes(count) {
  return count < 1e6 ? `${Math.max(1, Math.round(count / 1e3))} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

export function seconds(count) {
  if (count < 60) return `${count < 10 ? count.toFixed(1) : Math.round(count)} s`;
  return count < 5400 ? `${Math.round(count / 60)} min` : `${(count / 3600).toFixed(1)} h`;
}
