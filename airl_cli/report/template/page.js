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
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const NARROW = 520;

// An exponential moving average without the pull of its start; of a band, each of its two edges.
function smoothed(y, weight) {
  let sum = 0, norm = 0;
  return y.map((value) => {
    sum = weight * sum + (1 - weight) * value;
    norm = weight * norm + (1 - weight);
    return sum / norm;
  });
}

function smoothTrace(trace, weight) {
  if (trace.fill !== "toself") return { ...trace, y: smoothed(trace.y, weight) };
  const half = trace.y.length / 2;
  const upper = smoothed(trace.y.slice(0, half), weight);
  const lower = smoothed(trace.y.slice(half).reverse(), weight).reverse();
  return { ...trace, y: [...upper, ...lower] };
}

// The figure as it suits the reader: colours of the page, room for the titles, smoothing, axis.
function adapted(element) {
  const figure = structuredClone(figureOf(element));
  const { layout } = figure;
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  layout.paper_bgcolor = layout.plot_bgcolor = colour("--page");
  layout.font.color = colour("--ink");
  layout.hoverlabel.bgcolor = colour("--head");
  layout.hoverlabel.font = { color: colour("--ink") };
  for (const axis of [layout.xaxis, layout.yaxis]) axis.gridcolor = colour("--line");
  for (const trace of figure.data) {
    if (dark.matches && trace.line?.color === "#000000") trace.line.color = "#ffffff";
    if (dark.matches && trace.fillcolor?.startsWith("rgba(0,0,0,")) trace.fillcolor = "rgba(255,255,255,0.16)";
    if (trace.marker?.color === "white") trace.marker.color = colour("--page");
    if (dark.matches && trace.marker?.line?.color === "#000000") trace.marker.line.color = "#ffffff";
    if (trace.marker?.color === "#1f2933") trace.marker.color = colour("--ink");
    if (trace.error_x) trace.error_x.color = colour("--ink");
  }
  if (element.clientWidth < NARROW) {
    layout.font.size = 11;
    layout.xaxis.title.text = layout.xaxis.title.text.replace(" (", "<br>(");
    layout.margin = { ...layout.margin, l: 54, r: 10 };
    if (element.dataset.figure === "scores") {  // the numbers of the groups are enough
      for (const trace of figure.data) trace.y = trace.y.map((name) => `${parseInt(name, 10)} `);
      layout.yaxis.type = "category";
    }
  }
  if (["curves", "further"].includes(element.dataset.figure)) {
    const weight = Number(document.getElementById("smoothing").value);
    if (weight > 0) figure.data = figure.data.map((trace) => smoothTrace(trace, weight));
    if (document.getElementById("log-steps").checked) {
      layout.xaxis.type = "log";
      delete layout.xaxis.range;
      delete layout.xaxis.rangemode;
    }
  }
  return figure;
}

function draw(element) {
  const figure = adapted(element);
  Plotly.react(element, figure.data, figure.layout, options);
}

function redraw(selector) {
  for (const element of document.querySelectorAll(`${selector}.js-plotly-plot`)) draw(element);
}
dark.addEventListener("change", () => redraw(".plot"));
for (const id of ["smoothing", "log-steps"]) {
  const redrawCurves = () => redraw('.plot:is([data-figure="curves"], [data-figure="further"])');
  document.getElementById(id)?.addEventListener("input", redrawCurves);
}
// A page of many environments draws each figure when it comes into sight.
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
