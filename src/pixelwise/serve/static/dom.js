// Small helpers to find and make elements. Styles are set by properties, because the page's policy forbids style texts.

export const find = (selector, within = document) => within.querySelector(selector);
export const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));

/** Make an element; `given` holds properties, and attributes where a name has a dash or is `role` or `for`. */
export function make(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function drawn(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const icon = (name) => drawn("svg", { "aria-hidden": "true" }, drawn("use", { href: `static/icons.svg#${name}` }));

let quiet;

/** Say something that passes, below the picture; screen readers hear it. */
export function say(text, { wrong = false } = {}) {
  const box = find("#notice");
  box.textContent = text;
  box.classList.toggle("wrong", wrong);
  box.hidden = false;
  clearTimeout(quiet);
  quiet = setTimeout(() => (box.hidden = true), wrong ? 9000 : 3500);
}
