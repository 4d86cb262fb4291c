// The charts, drawn on one canvas; what moves with the time lies over it.

const TITLE_HEIGHT = 26;
const ONSETS_HEIGHT = 22;
const BAND_FRAMES = 3; // in a pixel; from then on a line alone would be a blot
const RULER_HEIGHT = 24;
const CHART_HEIGHT = 132;
const PHONE_CHART_HEIGHT = 112;
const PHONE_WIDTH = 520;

let drawing = 0;
function drawSoon() {
  drawing ||= requestAnimationFrame(() => {
    drawing = 0;
    draw();
  });
}

function draw() {
  const style = getComputedStyle(root);
  const color = (name) => style.getPropertyValue(name).trim();
  const width = part("surface").clientWidth;
  if (!takes.length || width <= 0) return;
  const left = Number.parseFloat(color("--left"));
  const right = Number.parseFloat(color("--right"));
  const chartHeight = width < PHONE_WIDTH ? PHONE_CHART_HEIGHT : CHART_HEIGHT;
  const handsTop = TITLE_HEIGHT;
  const jawTop = handsTop + chartHeight + ONSETS_HEIGHT + TITLE_HEIGHT;
  const height = jawTop + chartHeight + RULER_HEIGHT;
  part("title-hands").style.top = "0px";
  part("title-jaw").style.top = `${jawTop - TITLE_HEIGHT}px`;

  const view = {
    context: sizedContext(part("canvas"), width, height),
    left,
    width: Math.max(1, width - left - right),
    xOf: (frame) => left + ((frame + 0.5) / numFrames) * Math.max(1, width - left - right),
    xOfEdge: (frame) => left + (frame / numFrames) * Math.max(1, width - left - right),
    font: style.fontFamily,
    colors: {
      text: color("--muted"),
      line: color("--grid"),
      axis: color("--axis"),
      onset: color("--onset"),
      loud: color("--loud"),
      shade: color("--shade"),
      hatch: color("--hatch"),
    },
  };
  const hands = { top: handsTop, height: chartHeight, axis: axisOf(extremes(takes.map((take) => take.hands)), 0.025) };
  const jaw = { top: jawTop, height: chartHeight, axis: axisOf(extremes(takes.map((take) => take.jaw)), 0.25) };
  drawShades(view, hands, "upper");
  drawShades(view, jaw, "face");
  drawLoudness(view, jaw);
  drawAxis(view, hands);
  drawAxis(view, jaw);
  drawOnsets(view, handsTop + chartHeight);
  drawRuler(view, jawTop + chartHeight);
  drawCurves(view, hands, (take) => take.hands);
  drawCurves(view, jaw, (take) => take.jaw);
}

function sizedContext(canvas, width, height) {
  const density = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * density);
  canvas.height = Math.round(height * density);
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(density, 0, 0, density, 0, 0);
  return context;
}

function yOf({ top, height, axis }, value) {
  return top + height * (1 - (value - axis.low) / (axis.high - axis.low));
}

// Of the part that moves what the chart shows, in any take that is shown.
function drawShades({ context, xOfEdge, colors }, { top, height }, name) {
  for (const isLocked of [false, true]) {
    const spans = shownTakes().flatMap((take) =>
      take.spans.filter((span) => span.part === name && (span.mode === SETTINGS.lock) === isLocked)
    );
    for (const [start, end] of union(spans.map((span) => [span.start_frame, span.end_frame]))) {
      const [from, to] = [xOfEdge(start), xOfEdge(end)];
      context.fillStyle = colors.shade;
      context.fillRect(from, top, Math.max(1, to - from), height);
      if (isLocked) drawHatch(context, from, top, to - from, height, colors.hatch);
    }
  }
}

function drawHatch(context, x, y, width, height, color) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.beginPath();
  // Lines stand still on the page, so that neighbours join.
  for (let at = Math.floor((x - height) / 8) * 8; at < x + width; at += 8) {
    context.moveTo(at, y + height);
    context.lineTo(at + height, y);
  }
  context.strokeStyle = color;
  context.lineWidth = 1.5;
  context.stroke();
  context.restore();
}

function drawAxis({ context, left, width, colors, font }, chart) {
  const { axis } = chart;
  context.font = `11px ${font}`;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const tick of axis.ticks) {
    const y = Math.round(yOf(chart, tick)) + 0.5;
    context.strokeStyle = tick === 0 ? colors.axis : colors.line;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(left, y);
    context.lineTo(left + width, y);
    context.stroke();
    context.fillStyle = colors.text;
    context.fillText(tick.toFixed(axis.digits), left - 6, y);
  }
  context.textAlign = "start";
}

// An area from the chart's bottom; its axis is on the right.
function drawLoudness({ context, left, width, xOf, colors, font }, { top, height }) {
  const chart = { top, height, axis: axisOf(extremes([loudness]), 0.0025) };
  const pixels = toPixels(loudness, xOf);
  context.beginPath();
  context.moveTo(pixels[0].x, top + height);
  for (const { x, high } of pixels) context.lineTo(x, yOf(chart, high));
  context.lineTo(pixels.at(-1).x, top + height);
  context.fillStyle = colors.loud;
  context.fill();
  context.font = `11px ${font}`;
  context.textBaseline = "middle";
  context.fillStyle = colors.text;
  for (const tick of [chart.axis.low, chart.axis.high]) {
    context.fillText(String(Number(tick.toFixed(4))), left + width + 5, yOf(chart, tick));
  }
}

// Where they are dense, darker where there are more.
function drawOnsets({ context, xOfEdge, left, colors, font }, top) {
  const counts = new Map();
  for (const onset of onsets) {
    const x = Math.round(xOfEdge(onset));
    if (onset < numFrames) counts.set(x, (counts.get(x) ?? 0) + 1);
  }
  const most = Math.max(1, ...counts.values());
  context.fillStyle = colors.onset;
  for (const [x, count] of counts) {
    context.globalAlpha = count / most;
    context.fillRect(x - 0.75, top + 7, 1.5, ONSETS_HEIGHT - 9);
  }
  context.globalAlpha = 1;
  context.fillStyle = colors.text;
  context.font = `11px ${font}`;
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.fillText("onsets", left - 6, top + 14);
  context.textAlign = "start";
}

function drawRuler({ context, left, width, colors, font }, top) {
  const pixelsPerSecond = (width / numFrames) * SETTINGS.fps;
  const step = tickStep(pixelsPerSecond);
  context.font = `11px ${font}`;
  context.textBaseline = "middle";
  context.textAlign = "center";
  const count = Math.floor(numFrames / SETTINGS.fps / step + 1e-6);
  for (let i = 0; i <= count; i++) {
    const x = left + i * step * pixelsPerSecond;
    context.fillStyle = colors.axis;
    context.fillRect(Math.round(x), top, 1, 5);
    context.fillStyle = colors.text;
    context.fillText(clockLabel(i * step, step), x, top + 14);
  }
  context.textAlign = "start";
}

function drawCurves(view, chart, curveOf) {
  const { context } = view;
  const order = [...takes.keys()].filter((index) => !hidden.has(index));
  if (order.includes(highlit)) order.push(...order.splice(order.indexOf(highlit), 1)); // on top
  for (const index of order) {
    const strength = order.includes(highlit) && index !== highlit ? 0.2 : 0.95;
    const pixels = toPixels(curveOf(takes[index]), view.xOf);
    const color = shownColor(takes[index].color);
    const isDense = numFrames / view.width > BAND_FRAMES;
    if (isDense) drawBand(context, chart, pixels, color, 0.28 * strength);
    context.globalAlpha = strength;
    context.strokeStyle = color;
    context.lineWidth = index === highlit ? 2.25 : 1.5;
    context.beginPath();
    for (const { x, low, mean, high } of pixels) {
      context.lineTo(x, yOf(chart, isDense ? mean : high));
      if (!isDense && low !== high) context.lineTo(x, yOf(chart, low));
    }
    context.stroke();
  }
  context.globalAlpha = 1;
}

// From the least to the greatest value of each pixel.
function drawBand(context, chart, pixels, color, alpha) {
  context.beginPath();
  for (const { x, high } of pixels) context.lineTo(x, yOf(chart, high));
  for (const { x, low } of [...pixels].reverse()) context.lineTo(x, yOf(chart, low));
  context.closePath();
  context.globalAlpha = alpha;
  context.fillStyle = color;
  context.fill();
}

// Lighter on the dark page, by as much as the keys are in the style sheet.
function shownColor(color) {
  if (!element.closest(".dark")) return color;
  const channels = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));
  return `rgb(${channels.map((channel) => Math.round(0.75 * channel + 0.25 * 255)).join(" ")})`;
}
