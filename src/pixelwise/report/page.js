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

  // Searching: what is not found is hidden, and so are headings with nothing below them.
  all("[data-searches]").forEach((input) => {
    const set = all(`[data-set="${input.dataset.searches}"]`);
    const output = document.querySelector(`[data-counts="${input.dataset.searches}"]`);
    const search = () => {
      const wanted = input.value.trim().toLowerCase();
      let found = 0;
      set.forEach((one) => {
        one.hidden = !one.dataset.name.toLowerCase().includes(wanted);
        found += !one.hidden;
      });
      all("[data-group]").forEach((group) => {
        group.hidden = wanted !== "" && all("[data-set]", group).every((one) => one.hidden);
      });
      output.textContent = wanted ? `${found} of ${set.length}` : "";
    };
    input.addEventListener("input", search);
    if (input.value) search();
  });
})();
