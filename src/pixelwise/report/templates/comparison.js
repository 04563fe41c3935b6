// Turns each sheet of pictures into one stage with a slider between two of them; without scripts, the sheet remains.
for (const pair of document.querySelectorAll(".pair")) {
  const stage = pair.querySelector(".stage");
  const images = [...stage.querySelectorAll("img")];
  const sides = document.createElement("div");
  sides.className = "sides";
  sides.style.maxWidth = stage.style.maxWidth;
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: 0, max: 100, step: 0.1, value: 50 });
  slider.setAttribute("aria-label", "How much of the left picture is shown");
  const cut = document.createElement("div");
  cut.className = "cut";
  const move = () => stage.style.setProperty("--cut", slider.value + "%");
  for (const side of ["left", "right"]) {
    const select = document.createElement("select");
    select.setAttribute("aria-label", "Picture on the " + side);
    images.forEach((image, place) => select.add(new Option(image.dataset.name, place)));
    select.value = pair.dataset[side];
    const show = () => images.forEach((image, place) => image.classList.toggle(side, place === Number(select.value)));
    select.addEventListener("change", show);
    show();
    sides.append(select);
  }
  slider.addEventListener("input", move);
  move();
  pair.classList.add("live");
  pair.prepend(sides);
  stage.append(slider, cut);
}
