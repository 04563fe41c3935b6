// What the page does beyond reading: sort tables and the confusion matrix, find pictures, and look at them in full size.
"use strict";
(() => {
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
  document.documentElement.classList.add("scripted");

  // Tables: a press on a heading sorts by its column. Cells without a value come last in either direction.
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.key === undefined ? cell.textContent.trim() : cell.dataset.key;
  };
  const compare = (one, other) => {
    const [a, b] = [Number(one), Number(other)];
    return Number.isNaN(a) || Number.isNaN(b) ? one.localeCompare(other, "en", { numeric: true }) : a - b;
  };
  const sortBy = (table, heading, column) => {
    // Figures start with the smallest or the largest, names with A.
    const rising = heading.getAttribute("aria-sort") !== "ascending";
    all("th[aria-sort]", table.tHead).forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const rows = Array.from(table.tBodies[0].rows, (row) => [key(row, column), row]);
    rows.sort(([a], [b]) => {
      if (a === "" || b === "") return (a === "") - (b === "");
      return rising ? compare(a, b) : compare(b, a);
    });
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };
  all("table.sortable").forEach((table) => {
    Array.from(table.tHead.rows[0].cells).forEach((heading, column) => {
      if (!heading.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sortBy(table, heading, column));
      heading.append(button);
    });
  });

  // The confusion matrix: rows and columns are put into the same order.
  all(".confusion").forEach((confusion) => {
    const table = confusion.querySelector(".matrix");
    const given = Array.from(table.tBodies[0].rows);
    const lines = [table.tHead.rows[0], ...given].map((row) => [row, Array.from(row.cells)]);
    const reorder = (by) => {
      const order = given.map((_, place) => place);
      if (by !== "given") order.sort((a, b) => given[b].dataset[by] - given[a].dataset[by] || a - b);
      table.tBodies[0].append(...order.map((place) => given[place]));
      lines.forEach(([row, cells]) => row.append(cells[0], ...order.map((place) => cells[place + 1])));
    };
    all("[name=matrix-order]", confusion).forEach((input) => {
      input.addEventListener("change", () => reorder(input.value));
      if (input.checked) reorder(input.value);
    });
  });

  // Searching: what is not found is hidden, and so are headings with nothing below them. All fields search alike.
  const fields = all("[data-searches]");
  const search = (text) => {
    const wanted = text.trim().toLowerCase();
    fields.forEach((field) => {
      const set = all(`[data-set="${field.dataset.searches}"]`);
      set.forEach((one) => {
        one.hidden = !one.dataset.name.toLowerCase().includes(wanted);
      });
      const found = set.filter((one) => !one.hidden).length;
      const output = document.querySelector(`[data-counts="${field.dataset.searches}"]`);
      output.textContent = wanted ? `${found} of ${set.length} ${field.dataset.searches}` : "";
      field.value = text;
    });
    all("[data-group]").forEach((group) => {
      group.hidden = all("[data-set]", group).every((one) => one.hidden);
      if ("open" in group) group.open = wanted !== "" && !group.hidden;
    });
  };
  fields.forEach((field) => field.addEventListener("input", () => search(field.value)));
  const before = fields.find((field) => field.value); // the browser keeps what was typed when the page is opened again
  if (before) search(before.value);

  // A link to a picture or a group opens what it is folded into.
  const unfold = () => {
    const wanted = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const folded = wanted && wanted.closest("details");
    if (!folded || folded.open) return;
    folded.open = true;
    wanted.scrollIntoView();
  };
  window.addEventListener("hashchange", unfold);
  unfold();

  // The viewer: the views of one picture in full size, at the same place and zoom, so that they can be compared.
  const viewer = document.querySelector(".viewer");
  const [stage, image] = [viewer.querySelector(".stage"), viewer.querySelector("img")];
  let [links, at] = [[], 0];
  const show = (place) => {
    at = (place + links.length) % links.length;
    const link = links[at];
    const small = link.querySelector("img");
    const [left, top] = [stage.scrollLeft, stage.scrollTop];
    image.onerror = () => {
      image.onerror = null;
      image.src = small.src; // the folder of full sizes is not there
    };
    image.onload = () => stage.scrollTo(left, top);
    image.src = link.href;
    image.alt = small.alt;
    viewer.querySelector(".where").textContent = link.closest("figure").dataset.name;
    viewer.querySelector(".what").textContent = `${link.dataset.title} (${at + 1} of ${links.length})`;
    viewer.querySelector(".file").href = link.href;
  };
  const zoom = (on, across = 0.5, down = 0.5) => {
    // Every pixel of the file is seen, and small pictures are at least twice as large as they were.
    const fit = Math.min(stage.clientWidth / image.naturalWidth, stage.clientHeight / image.naturalHeight);
    stage.classList.toggle("zoomed", on);
    image.style.width = on ? `${image.naturalWidth * Math.max(1, 2 * fit)}px` : "";
    viewer.querySelector("[data-do=zoom]").textContent = on ? "Fit" : "Zoom";
    stage.scrollTo(across * stage.scrollWidth - stage.clientWidth / 2, down * stage.scrollHeight - stage.clientHeight / 2);
  };
  const act = {
    back: () => show(at - 1),
    on: () => show(at + 1),
    zoom: () => zoom(!stage.classList.contains("zoomed")),
    close: () => viewer.close(),
  };
  all("a.view").forEach((link) => {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // as any link
      event.preventDefault();
      links = all("a.view", link.closest("figure"));
      viewer.showModal();
      zoom(false);
      show(links.indexOf(link));
    });
  });
  all("[data-do]", viewer).forEach((button) => button.addEventListener("click", act[button.dataset.do]));
  image.addEventListener("click", (event) => {
    const box = image.getBoundingClientRect();
    const [across, down] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    zoom(!stage.classList.contains("zoomed"), across, down);
  });
  stage.addEventListener("click", (event) => event.target === stage && viewer.close());
  viewer.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") act.back();
    else if (event.key === "ArrowRight") act.on();
    else if (event.key === "z") act.zoom();
    else return;
    event.preventDefault();
  });
})();
