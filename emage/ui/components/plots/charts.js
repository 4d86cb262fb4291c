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
/** @typedef {ReturnType<typeof makeView>} View */

function draw() {
  const width = part("surface").clientWidth;
  const isMissing = typeof uPlot === "undefined";
  part("missing").hidden = !isMissing;
  if (isMissing || !takes.length || !loudness || width <= 0) return;
  for (const chart of charts) chart.destroy();
  const view = makeView(width);
  const axes = makeAxes(view);
  const hands = layOutTakes(view, (take) => take.hands, 1);
  const jaw = layOutTakes(view, (take) => take.jawOpen, 2); // behind the loudness
  const loud = { scale: "loud", fill: color("--loud"), width: 0, points: { show: false } };
  charts = [
    makeChart("hands", view, {
      height: view.height + ONSETS_HEIGHT,
      padding: [1, view.right, 0, 0],
      scales: { y: rangeOver(takes.map((take) => take.hands), LEAST_HIGH.hands) },
      axes: [axes.onsets, axes.values],
      series: [{}, ...hands.series],
      bands: hands.bands,
      hooks: { draw: [drawOnsets] },
    }, hands.data),
    makeChart("jaw", view, {
      height: view.height + RULER_HEIGHT,
      padding: [1, 0, 0, 0],
      scales: {
        y: rangeOver(takes.map((take) => take.jawOpen), LEAST_HIGH.jaw),
        loud: rangeOver([loudness], LEAST_HIGH.loudness),
      },
      axes: [axes.ruler, axes.values, axes.loudness],
      series: [{}, loud, ...jaw.series],
      bands: jaw.bands,
    }, [widenColumns(loudness, view.step, view.middles.length).high, ...jaw.data]),
  ];
  showShades();
}

/** Sizes in pixels, and the columns of frames that the curves are drawn in. @param {number} width */
function makeView(width) {
  const [left, right] = [color("--left"), color("--right")].map(Number.parseFloat);
  const framesPerPixel = numFrames / Math.max(1, width - left - right);
  const isDense = framesPerPixel > BAND_FRAMES;
  const step = Math.max(...takes.map((take) => take.hands.step), isDense ? Math.ceil(framesPerPixel) : 1);
  const middleOf = (/** @type {number} */ column) => Math.min((column + 0.5) * step, numFrames - 0.5) / SETTINGS.fps;
  const middles = Array.from({ length: Math.ceil(numFrames / step) }, (_, column) => middleOf(column));
  const height = width < PHONE_WIDTH ? PHONE_CHART_HEIGHT : CHART_HEIGHT;
  return { width, height, left, right, step, middles, duration: numFrames / SETTINGS.fps };
}

/** @param {View} view */
function makeAxes({ width, height, left, right, duration }) {
  const font = `11px ${getComputedStyle(root).fontFamily}`;
  const line = { show: true, stroke: color("--axis"), width: 1 };
  const plain = { font, stroke: color("--muted"), grid: { show: false }, ticks: { show: false } };
  const labelStep = tickStep((width - left - right) / duration);
  const ruler = {
    ...plain,
    size: RULER_HEIGHT,
    gap: 4,
    incrs: [labelStep],
    border: line,
    ticks: { ...line, size: 5 },
    values: writeTicks((tick) => clockLabel(tick, labelStep)),
  };
  const onsets = { ...plain, size: ONSETS_HEIGHT, border: line, values: () => [] };
  const write = writeTicks((tick) => String(Number(tick.toFixed(6))));
  const values = { ...plain, size: left, gap: 6, grid: { ...line, stroke: color("--grid") }, values: write };
  const loudest = { ...plain, scale: "loud", side: 1, size: right, gap: 5, space: height / 3, values: write };
  return { ruler, onsets, values, loudness: loudest };
}

/** @param {(tick: number) => string} write */
function writeTicks(write) {
  return (/** @type {uPlot} */ _, /** @type {number[]} */ ticks) => ticks.map(write);
}

/** 0 and all values, with some air. @param {Curve[]} curves @param {number} least @returns {uPlot.Scale} */
function rangeOver(curves, least) {
  const [low, high] = extremes(curves);
  return { range: [1.05 * Math.min(0, low), Math.max(least, 1.05 * high)] };
}

/**
 * @param {string} name
 * @param {View} view
 * @param {Omit<uPlot.Options, "width">} options
 * @param {uPlot.AlignedData[1][]} data
 */
function makeChart(name, { width, middles, duration }, options, data) {
  const x = { time: false, range: /** @type {[number, number]} */ ([0, duration]) };
  const fixed = { width, legend: { show: false }, cursor: { show: false } };
  return new uPlot({ ...fixed, ...options, scales: { x, ...options.scales } }, [middles, ...data], part(name));
}

/**
 * Three series a take, its mean, its greatest and its least values, with a band between the latter.
 * @param {View} view
 * @param {(take: Take) => Curve} curveOf
 * @param {number} first index of the first of these series
 */
function layOutTakes({ step, middles }, curveOf, first) {
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
    const next = first + series.length;
    if (step > 1) bands.push({ series: [next + 1, next + 2], fill: `${stroke}48` });
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
  const top = bbox.top + bbox.height + 7 * density;
  ctx.fillStyle = color("--onset");
  for (const [at, count] of counts) {
    ctx.globalAlpha = count / most;
    ctx.fillRect((at - 0.75) * density, top, 1.5 * density, (ONSETS_HEIGHT - 9) * density);
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
