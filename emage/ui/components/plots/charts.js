// The charts, drawn by uPlot. Shades of hints lie under them, and what moves with the time over them.

const ONSETS_HEIGHT = 22;
const RULER_HEIGHT = 24;
const CHART_HEIGHT = 132;
const PHONE_CHART_HEIGHT = 112;
const PHONE_WIDTH = 520;
const BAND_FRAMES = 3; // in a pixel; from then on a line alone would be a blot
const LEAST_HIGH = { hands: 0.1, jaw: 1, loudness: 0.01 }; // of an axis, or noise would look like much

const drawSoon = soon(draw);
/** @type {uPlot[]} */
let charts = [];

function draw() {
  const width = part("surface").clientWidth;
  const isMissing = typeof uPlot === "undefined";
  part("missing").hidden = !isMissing;
  if (isMissing || !takes.length || !loudness || width <= 0) return;
  for (const chart of charts) chart.destroy();
  const [left, right] = [color("--left"), color("--right")].map(Number.parseFloat);
  const framesPerPixel = numFrames / Math.max(1, width - left - right);
  const curves = [loudness, ...takes.map((take) => take.hands)];
  const step = Math.max(...curves.map((curve) => curve.step), framesPerPixel > BAND_FRAMES ? Math.ceil(framesPerPixel) : 1);
  const count = Math.ceil(numFrames / step);
  const middles = Array.from({ length: count }, (_, i) => Math.min((i + 0.5) * step, numFrames - 0.5) / SETTINGS.fps);
  const view = { width, left, right, step, middles, height: width < PHONE_WIDTH ? PHONE_CHART_HEIGHT : CHART_HEIGHT };
  const duration = numFrames / SETTINGS.fps;
  const font = `11px ${getComputedStyle(root).fontFamily}`;
  /** @type {uPlot.Axis} */
  const axis = { font, stroke: color("--muted"), grid: { show: false }, ticks: { show: false } };
  const onsetsAxis = { ...axis, size: ONSETS_HEIGHT, values: () => [], border: { show: true, stroke: color("--axis"), width: 1 } };
  const ruler = {
    ...onsetsAxis,
    size: RULER_HEIGHT,
    gap: 4,
    incrs: TICK_STEPS_S,
    space: LEAST_LABEL_PITCH,
    ticks: { show: true, stroke: color("--axis"), size: 5, width: 1 },
    values: (/** @type {unknown} */ _, /** @type {number[]} */ splits) =>
      splits.map((second) => clockLabel(second, tickStep((width - left - right) / duration))),
  };
  const grid = { show: true, stroke: color("--grid"), width: 1 };
  const values = (/** @type {unknown} */ _, /** @type {number[]} */ splits) =>
    splits.map((value) => String(Number(value.toFixed(6))));
  const yAxis = { ...axis, size: left, gap: 6, grid, values };

  /** @param {Curve[]} each @param {number} least @returns {uPlot.Scale} */
  const scale = (each, least) => {
    const [low, high] = extremes(each);
    return { range: [1.05 * Math.min(0, low), Math.max(least, 1.05 * high)] };
  };
  const x = { time: false, range: /** @type {[number, number]} */ ([0, duration]) };
  const hands = layOutTakes(view, (take) => take.hands);
  const jaw = layOutTakes(view, (take) => take.jawOpen);
  const loud = widenColumns(loudness, step, count).high;
  const shared = { width, legend: { show: false }, cursor: { show: false } };
  charts = [
    new uPlot(
      {
        ...shared,
        height: view.height + ONSETS_HEIGHT,
        padding: [1, right, 0, 0],
        scales: { x, y: scale(takes.map((take) => take.hands), LEAST_HIGH.hands) },
        axes: [onsetsAxis, yAxis],
        series: [{}, ...hands.series],
        bands: hands.bands,
        hooks: { draw: [drawOnsets] },
      },
      [middles, ...hands.data],
      part("hands")
    ),
    new uPlot(
      {
        ...shared,
        height: view.height + RULER_HEIGHT,
        padding: [1, 0, 0, 0],
        scales: { x, y: scale(takes.map((take) => take.jawOpen), LEAST_HIGH.jaw), loud: scale([loudness], LEAST_HIGH.loudness) },
        axes: [ruler, yAxis, { ...axis, scale: "loud", side: 1, size: right, gap: 5, values, space: view.height / 3 }],
        series: [{}, ...jaw.series, { scale: "loud", fill: color("--loud"), width: 0, points: { show: false } }],
        bands: jaw.bands,
      },
      [middles, ...jaw.data, loud],
      part("jaw")
    ),
  ];
  showShades();
}

/**
 * Three series a take, its mean, its greatest and its least values, with a band between the latter.
 * @param {{ step: number, middles: number[] }} view
 * @param {(take: Take) => Curve} curveOf
 */
function layOutTakes({ step, middles }, curveOf) {
  const order = [...takes.keys()].filter((index) => !hidden.has(index));
  if (highlit !== null && order.includes(highlit)) order.push(...order.splice(order.indexOf(highlit), 1)); // on top
  const isDimmed = (/** @type {number} */ index) => highlit !== null && !hidden.has(highlit) && index !== highlit;
  /** @type {uPlot.Series[]} */
  const series = [];
  /** @type {uPlot.Band[]} */
  const bands = [];
  const data = order.flatMap((index) => {
    const { low, mean, high } = widenColumns(curveOf(takes[index]), step, middles.length);
    const [stroke, alpha] = [shownColor(takes[index].color), isDimmed(index) ? 0.2 : 0.95];
    const quiet = { width: 0, alpha, points: { show: false } };
    if (step > 1) bands.push({ series: [series.length + 2, series.length + 3], fill: `${stroke}48` });
    series.push({ stroke, alpha, width: index === highlit ? 2.25 : 1.5, points: { show: false } }, quiet, quiet);
    return [mean, high, low];
  });
  return { series, bands, data };
}

/** Where they are dense, darker where there are more. @param {uPlot} chart */
function drawOnsets({ ctx, bbox, valToPos }) {
  /** @type {Map<number, number>} */
  const counts = new Map();
  const density = window.devicePixelRatio;
  for (const onset_s of onsets_s) {
    const at = Math.round(valToPos(onset_s, "x", true) / density);
    if (at * density <= bbox.left + bbox.width) counts.set(at, (counts.get(at) ?? 0) + 1);
  }
  const most = Math.max(1, ...counts.values());
  ctx.fillStyle = color("--onset");
  for (const [at, count] of counts) {
    ctx.globalAlpha = count / most;
    ctx.fillRect((at - 0.75) * density, bbox.top + bbox.height + 7 * density, 1.5 * density, (ONSETS_HEIGHT - 9) * density);
  }
  ctx.globalAlpha = 1;
}

/** Lighter on the dark page, by as much as the keys are in the style sheet. @param {string} hex */
function shownColor(hex) {
  if (!element.closest(".dark")) return hex;
  const channels = [1, 3, 5].map((at) => Math.round(0.75 * Number.parseInt(hex.slice(at, at + 2), 16) + 0.25 * 255));
  return `#${channels.map((channel) => channel.toString(16).padStart(2, "0")).join("")}`;
}

/** Of the part that moves what the chart shows, in any take that is shown. */
function showShades() {
  for (const name of ["upper", "face"]) {
    const shades = [false, true].flatMap((isLocked) => {
      const spans = shownTakes().flatMap((take) =>
        take.spans.filter((span) => span.part === name && (span.mode === SETTINGS.lock) === isLocked)
      );
      const kind = isLocked ? "shade locked" : "shade";
      return union(spans.map((span) => [span.start_frame, span.end_frame])).map(([start, end]) =>
        place(make("div", { class: kind }), start, end)
      );
    });
    part(`shades-${name}`).replaceChildren(...shades);
  }
}

/** From one frame to another along the charts. @param {HTMLElement} node @param {number} start @param {number} end */
function place(node, start, end) {
  node.style.setProperty("--from", String(start / numFrames));
  node.style.setProperty("--to", String(end / numFrames));
  return node;
}
