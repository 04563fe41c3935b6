// Light and dark: as the system has it, until the switch says otherwise.

import { find, say } from "./dom.js";

const ORDER = ["auto", "light", "dark"];
const WORDS = { auto: "Colours of the page follow the system", light: "Light", dark: "Dark" };

const root = document.documentElement;
const button = find("#theme");

function apply(theme) {
  root.dataset.theme = theme;
  button.setAttribute("aria-label", `Light or dark: ${theme}`);
  button.title = `Light or dark: ${theme} (T)`;
}

export function nextTheme() {
  const theme = ORDER[(ORDER.indexOf(root.dataset.theme) + 1) % ORDER.length];
  apply(theme);
  try {
    localStorage.setItem("pixelwise-theme", theme);
  } catch {
    // Browsers that keep nothing still change it for now.
  }
  say(WORDS[theme]);
}

function stored() {
  try {
    const theme = localStorage.getItem("pixelwise-theme");
    return ORDER.includes(theme) ? theme : "auto";
  } catch {
    return "auto";
  }
}

apply(stored());
button.addEventListener("click", nextTheme);
