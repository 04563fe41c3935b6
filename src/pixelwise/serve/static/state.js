// What the page shows, in one place, and who is told when a part of it changes.

export const state = {
  models: [], // {name, kind, classes: [{name, color}], background: index or -1, rule: {score, min_area}}
  model: "",
  compare: "", // "", "picture" or the name of a second model
  options: {}, // how pictures are labelled, as query: tta, mode
  least: { score: null, min_area: null }, // objects below are not shown; null leaves it to the model
  pictures: [], // {id, name, blob, thumb, width, height, results}
  current: null,
  opacity: 55,
  draw: "fill", // or "outline"
  palette: "model", // or "safe" for the colour-blind, or "objects"
  hidden: new Map(), // name of a model -> indices of the classes that are not drawn
  facts: { a: null, b: null }, // what the painter read from the results that are shown
  divider: 0.5,
  lost: false, // whether the server stopped answering
};

const listeners = new Map();

export function on(topics, act) {
  for (const topic of topics.split(" ")) {
    if (!listeners.has(topic)) listeners.set(topic, []);
    listeners.get(topic).push(act);
  }
}

export function tell(...topics) {
  const acts = new Set(topics.flatMap((topic) => listeners.get(topic) ?? []));
  for (const act of acts) {
    try {
      act();
    } catch (error) {
      reportError(error); // a fault in one part leaves the others working
    }
  }
}

export const modelNamed = (name) => state.models.find((model) => model.name === name) ?? null;

/** The name of the second model, or "" if the overlay is compared with the picture or with nothing. */
export const secondModel = () => (state.compare && state.compare !== "picture" ? state.compare : "");

/** The models that are shown, by layer: a is left of the divider where two are compared. */
export const shownModels = () => ({ a: state.model, b: secondModel() });

/** The least score and area of objects that count, as the person or else the model says. */
export function ruleOf(name) {
  const rule = modelNamed(name)?.rule ?? {};
  return { score: state.least.score ?? rule.score ?? 0, min_area: state.least.min_area ?? rule.min_area ?? 0 };
}

/** The objects of a result that count; parts of classes count whatever their score, as in the label map. */
export function countedObjects(name, facts) {
  const { score, min_area } = ruleOf(name);
  const scored = modelNamed(name)?.kind === "objects";
  return facts?.objects?.filter((one) => one.area >= min_area && (!scored || one.score === null || one.score >= score)) ?? null;
}

/** What one model gave for a picture with the options that are set; it is made when it is first asked for. */
export function resultOf(picture, model) {
  const key = `${model}?${new URLSearchParams(state.options)}`;
  if (!picture.results.has(key)) {
    picture.results.set(key, { key, state: "waiting", labels: null, objects: null, hiddenObjects: new Set() });
  }
  return picture.results.get(key);
}

export function hiddenClasses(name) {
  if (!state.hidden.has(name)) {
    const background = modelNamed(name)?.background ?? -1;
    state.hidden.set(name, new Set(background < 0 ? [] : [background]));
  }
  return state.hidden.get(name);
}
