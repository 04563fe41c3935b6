// Whose classes and objects the panel lists, where two models are shown.

import { find, make } from "./dom.js";
import { on, resultOf, shownModels, state, tell } from "./state.js";

let layer = "a";
const choice = find("#inspected");

/** The layer that the panel is about: its model, what is known of its result, and the result. */
export function inspected() {
  const name = shownModels()[layer];
  return { layer, name, facts: state.facts[layer], result: state.current && name ? resultOf(state.current, name) : null };
}

function show() {
  const shown = Object.entries(shownModels()).filter(([, name]) => name);
  if (!shown.some(([one]) => one === layer)) layer = "a";
  choice.hidden = shown.length < 2;
  choice.replaceChildren(...shown.map(([one, name]) => {
    const button = make("button", { type: "button", "aria-pressed": String(one === layer) }, name);
    button.addEventListener("click", () => {
      layer = one;
      show();
      tell("inspected");
    });
    return button;
  }));
}

on("model compare models", show);
