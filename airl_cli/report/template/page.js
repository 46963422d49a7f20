"use strict";

// Sorting: by number where every known value is one, else by text; what is unknown stays last.
function key(row, column) {
  return row.cells[column].dataset.value ?? row.cells[column].textContent;
}

function sortBy(table, column) {
  const body = table.tBodies[0];
  const heading = table.tHead.rows[0].cells[column];
  const ascending = heading.getAttribute("aria-sort") !== "ascending";
  const rows = [...body.rows];
  const known = rows.filter((row) => key(row, column) !== "" && key(row, column) !== "–");
  const unknown = rows.filter((row) => !known.includes(row));
  const numbers = known.every((row) => !Number.isNaN(Number(key(row, column))));
  const text = new Intl.Collator(undefined, { numeric: true }).compare;
  const compare = numbers
    ? (a, b) => (Number(a) === Number(b) ? 0 : Number(a) < Number(b) ? -1 : 1)
    : text;
  known.sort((a, b) => (ascending ? 1 : -1) * compare(key(a, column), key(b, column)));
  body.append(...known, ...unknown);
  for (const cell of table.tHead.rows[0].cells) {
    if (cell.hasAttribute("aria-sort")) cell.setAttribute("aria-sort", "none");
  }
  heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const button of table.tHead.querySelectorAll("button")) {
    button.addEventListener("click", () => sortBy(table, button.parentElement.cellIndex));
  }
}

const runs = document.getElementById("run-table").tBodies[0];
const shown = document.getElementById("shown");
document.getElementById("filter").addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  let n = 0;
  for (const row of runs.rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    n += row.hidden ? 0 : 1;
  }
  shown.textContent = words.length ? `${n} of ${runs.rows.length}` : "";
});

const figures = JSON.parse(document.getElementById("figures").textContent);
const options = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d"] };
const figureOf = (element) => figures[element.dataset.figure][element.dataset.index];
function draw(element) {
  const figure = figureOf(element);
  Plotly.newPlot(element, figure.data, figure.layout, options);
}
// A page of many environments draws each picture when it comes into sight.
const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    observer.unobserve(entry.target);
    draw(entry.target);
  }
}, { rootMargin: "600px" });
for (const element of document.querySelectorAll(".plot")) {
  // Its place is kept from the start, or the page would move under the reader's mouse.
  element.style.minHeight = `${figureOf(element).layout.height}px`;
  observer.observe(element);
}
window.addEventListener("beforeprint", () => {
  for (const element of document.querySelectorAll(".plot:not(.js-plotly-plot)")) draw(element);
});
