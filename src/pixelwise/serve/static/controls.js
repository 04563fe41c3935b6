// The controls of the page: models, how the overlay looks, what counts as an object, and the zoom buttons.

import { find, make } from "./dom.js";
import { copyLink } from "./link.js";
import { modelNamed, on, ruleOf, state, tell } from "./state.js";
import { fit, lookTo, view, zoomBy } from "./viewer.js";

const model = find("#model");
const compare = find("#compare");
const opacity = find("#opacity");
const palette = find("#palette");
let lastCompare = "picture";

export function setOpacity(value) {
  state.opacity = Math.min(100, Math.max(0, Number(value)));
  tell("opacity");
}

export function toggleDraw() {
  state.draw = state.draw === "fill" ? "outline" : "fill";
  tell("look");
}

/** Compare with what was compared last, or with nothing. */
export function toggleCompare() {
  setCompare(state.compare ? "" : lastCompare);
}

function setCompare(value) {
  const known = value === "picture" || (modelNamed(value) && value !== state.model);
  if (state.compare) lastCompare = state.compare;
  state.compare = known ? value : "";
  tell("compare", "model");
}

/** Choose the next entry of a list, such as the next model. */
export function cycle(selector) {
  const list = find(selector);
  list.selectedIndex = (list.selectedIndex + 1) % list.options.length;
  list.dispatchEvent(new Event("change"));
}

function listModels() {
  model.replaceChildren(...state.models.map(({ name }) => make("option", { value: name }, name)));
  listOthers();
}

function listOthers() {
  const others = state.models.filter(({ name }) => name !== state.model);
  compare.replaceChildren(
    make("option", { value: "" }, "nothing"),
    make("option", { value: "picture" }, "the picture"),
    ...others.map(({ name }) => make("option", { value: name }, name)),
  );
  model.value = state.model;
  compare.value = state.compare;
}

function showLook() {
  opacity.value = state.opacity;
  find("#opacity-value").textContent = `${state.opacity}%`;
  palette.value = state.palette;
  for (const draw of ["fill", "outline"]) find(`#draw-${draw}`).setAttribute("aria-pressed", String(state.draw === draw));
}

function showRule() {
  const rule = ruleOf(state.model);
  const finds = modelNamed(state.model)?.kind === "objects";
  find("#least-score").closest("label").hidden = !finds;
  find("#least-score").value = rule.score;
  find("#least-score-value").textContent = Number(rule.score).toFixed(2);
  find("#least-area").value = rule.min_area;
  find("#mode").value = state.options.mode ?? "auto";
  find("#tta").value = state.options.tta ?? "";
}

function setLeast(name, value) {
  state.least[name] = value;
  tell("options", "look", "pictures");
}

function setOption(name, value, plain) {
  const { [name]: _, ...others } = state.options;
  state.options = value === plain ? others : { ...others, [name]: value };
  state.facts = { a: null, b: null };
  tell("options", "model");
}

model.addEventListener("change", () => {
  state.model = model.value;
  if (state.compare === state.model) state.compare = "";
  tell("model", "compare");
});
compare.addEventListener("change", () => setCompare(compare.value));
opacity.addEventListener("input", () => setOpacity(opacity.value));
palette.addEventListener("change", () => {
  state.palette = palette.value;
  tell("look");
});
for (const draw of ["fill", "outline"]) {
  find(`#draw-${draw}`).addEventListener("click", () => {
    state.draw = draw;
    tell("look");
  });
}
find("#least-score").addEventListener("input", (event) => setLeast("score", Number(event.target.value)));
find("#least-area").addEventListener("change", (event) => setLeast("min_area", Math.max(0, Math.round(Number(event.target.value) || 0))));
find("#mode").addEventListener("change", (event) => setOption("mode", event.target.value, "auto"));
find("#tta").addEventListener("change", (event) => setOption("tta", event.target.value, ""));
find("#zoom-in").addEventListener("click", () => zoomBy(1.5));
find("#zoom-out").addEventListener("click", () => zoomBy(1 / 1.5));
find("#fit").addEventListener("click", fit);
find("#zoom").addEventListener("click", () => lookTo(view.x, view.y, 1 / devicePixelRatio));
find("#link").addEventListener("click", copyLink);

on("models", listModels);
on("model compare", listOthers);
on("look opacity", showLook);
on("options model models", showRule);
on("view", () => (find("#zoom").textContent = `${Math.round(view.scale * devicePixelRatio * 100)}%`));
