// The watch: charts drawn from what stands in data-chart, dialogs, and parts that fail where they stand.
import { language, words } from "./app.js";

const SPARK = { width: 150, height: 34 };
const HEIGHT = 190;
const drawn = new Map();

function colour(tone) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${tone}`).trim();
}

function days(values) {
  const written = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" });
  return values.map((value) => written.format(value * 1000));
}

function seriesOf(one) {
  const stroke = colour(one.tone);
  const made = { label: one.label, stroke, width: one.dashed ? 1.5 : 2, points: { show: false }, spanGaps: false };
  if (one.dashed) made.dash = [6, 5];
  if (one.bars) Object.assign(made, { paths: uPlot.paths.bars({ size: [0.7, 24] }), fill: `${stroke}55`, width: 1 });
  if (one.fill) made.fill = `${stroke}22`;
  return made;
}

function optionsOf(chart, width) {
  const figures = new Intl.NumberFormat(language, { notation: "compact" });
  const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  if (chart.spark) {
    return { ...SPARK, padding: [3, 3, 3, 3], cursor: { show: false }, legend: { show: false }, axes: [{ show: false }, { show: false }],
      scales: { y: { range: (_plot, _low, high) => [0, high || 1] } }, series: [{}, ...chart.series.map(seriesOf)] };
  }
  return {
    width, height: HEIGHT, tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    scales: { y: { range: (_plot, low, high) => [Math.min(0, low ?? 0), Math.max(1, (high ?? 1) * 1.08)] } },
    axes: [{ ...axis, grid: { show: false }, values: (_plot, values) => days(values) },
      { ...axis, size: 46, values: (_plot, values) => values.map((value) => (Number.isInteger(value) ? figures.format(value) : "")) }],
    series: [{ label: words("js.ops.day"), value: (_plot, value) => (value === null ? "–" : days([value])[0]) }, ...chart.series.map(seriesOf)],
  };
}

function draw(place) {
  const chart = JSON.parse(place.dataset.chart);
  drawn.get(place)?.destroy();
  const plot = new uPlot(optionsOf(chart, Math.max(place.clientWidth, 200)), [chart.x, ...chart.series.map((one) => one.values)], place);
  drawn.set(place, plot);
  if (!chart.spark) sizes.observe(place);
}

const sizes = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    const plot = drawn.get(target);
    if (plot && contentRect.width > 0 && Math.abs(plot.width - contentRect.width) > 1) plot.setSize({ width: contentRect.width, height: HEIGHT });
  }
});

function drawAll() {
  for (const place of [...drawn.keys()]) {
    if (place.isConnected) continue;
    drawn.get(place).destroy();
    drawn.delete(place);
    sizes.unobserve(place);
  }
  for (const place of document.querySelectorAll("[data-chart]")) if (!drawn.has(place)) draw(place);
}

document.addEventListener("htmx:afterSettle", drawAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => [...drawn.keys()].forEach(draw));
drawAll();

// A part that cannot be had says so in its own place, and tries again with its next turn.
const main = document.getElementById("main");
const isOwnRead = (detail) => detail.elt.hasAttribute("data-part") && detail.requestConfig.verb === "get";
main.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.isError && isOwnRead(event.detail) && event.detail.xhr.status !== 401) event.detail.shouldSwap = true;
});
main.addEventListener("htmx:responseError", (event) => {
  if (isOwnRead(event.detail) && event.detail.xhr.status !== 401) event.stopPropagation();
});
main.addEventListener("htmx:sendError", (event) => { if (event.detail.elt.hasAttribute("data-part")) event.stopPropagation(); });
// Nothing is exchanged under somebody's hands: a part with the focus in a field waits for its next turn.
main.addEventListener("htmx:beforeRequest", (event) => {
  const { elt } = event.detail;
  if (elt.hasAttribute("data-part") && (document.hidden || elt.querySelector("input:focus, details[open]"))) event.preventDefault();
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.dialog);
    dialog.querySelector("select").value = opener.dataset.rule ?? "";
    dialog.showModal();
  }
  event.target.closest("[data-close]")?.closest("dialog").close();
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) event.detail.elt.closest("dialog")?.close();
});
