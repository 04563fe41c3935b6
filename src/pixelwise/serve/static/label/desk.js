// What is labelled and with what, in one place. Who is told of changes: ../state.js.

export const VOID = 255; // the label of pixels that are not labelled

export const desk = {
  id: "", // of the folder that is labelled
  folder: "", // where the data set is written
  classes: [], // {name, color: [r, g, b]}
  pictures: [], // {id, name, width, height, changes, done, masked, trouble}
  current: null, // the picture in view, with labels: Uint8Array and levels: ImageBitmaps, each half of the one before
  tool: "brush",
  value: 0, // the class that is painted
  brush: 12, // pixels of the picture
  opacity: 60,
  undoable: 0,
  redoable: 0,
  proposes: false, // whether the server can propose labels
  proposing: true, // whether it is asked to
  remark: "", // what proposals lack
  model: false, // whether a model can propose
  by: "strokes", // what proposes, or "model"
  looking: 0, // pictures that the model still looks at
  lost: false, // whether the server stopped answering
};
