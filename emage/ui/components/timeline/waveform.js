// The ruler and the waveform, drawn for what is in view.

const RULER_HEIGHT = 22;
const WAVE_HEIGHT = 60;
const WORDS_HEIGHT = 24;
const BAR_WIDTH = 2;
const BAR_PITCH = 3;

/** @param {string} base64 */
function decodePeaks(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/**
 * What is in view, in frames: `first` is at the left edge.
 * @typedef {{ width: number, first: number, font: string }} View
 */

/** The canvas as it is now. */
function draw() {
  const shown = behind();
  const width = laneWidth();
  const font = `11px ${getComputedStyle(root).fontFamily}`;
  const view = { width, first: pixelsPerFrame ? scroller.scrollLeft / pixelsPerFrame : 0, font };
  const hasWords = shownWords().length > 0;
  const height = RULER_HEIGHT + WAVE_HEIGHT + (hasWords ? WORDS_HEIGHT : 0);
  const density = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * density) || canvas.height !== Math.round(height * density)) {
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    canvas.style.height = `${height}px`;
  }
  canvas.style.width = `${width}px`;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(density, 0, 0, density, 0, 0);
  context.clearRect(0, 0, width, height);
  // Without a width when it was laid out there is no scale yet, and nothing would ever reach the right edge.
  if (!numFrames || width <= 0 || !(pixelsPerFrame > 0)) return;
  context.font = font;
  drawRuler(context, view);
  if (!shown) return;
  drawWave(context, view, shown);
  drawWords(context, view);
}

/** @param {CanvasRenderingContext2D} context @param {View} view */
function drawRuler(context, { width, first }) {
  const pixelsPerSecond = pixelsPerFrame * SETTINGS.fps;
  const step = tickStep(pixelsPerSecond);
  const xOf = (/** @type {number} */ second) => (second * SETTINGS.fps - first) * pixelsPerFrame;
  const end = Math.min(numFrames, first + width / pixelsPerFrame) / SETTINGS.fps;
  const [text, line] = [color("--muted"), color("--border-color-primary")];
  context.textBaseline = "middle";
  const minor = step / 5;
  for (let i = Math.floor(first / SETTINGS.fps / minor); i * minor <= end; i++) {
    const isLabelled = i % 5 === 0;
    const x = Math.round(xOf(i * minor)) + 0.5;
    context.fillStyle = isLabelled ? text : line;
    context.fillRect(x, RULER_HEIGHT - (isLabelled ? 7 : 4), 1, isLabelled ? 7 : 4);
    if (isLabelled) context.fillText(clockLabel(i * minor, step), x + 4, 9);
  }
}

/** @param {CanvasRenderingContext2D} context @param {View} view @param {Backdrop} backdrop */
function drawWave(context, { width, first }, { peaks, silent, clipped }) {
  const [quiet, text] = [color("--silent"), color("--muted")];
  const middle = RULER_HEIGHT + WAVE_HEIGHT / 2;
  const xOf = (/** @type {number} */ frame) => (frame - first) * pixelsPerFrame;
  const lastX = Math.min(width, xOf(numFrames));
  for (const [start, end] of silent) {
    const left = Math.max(0, xOf(start));
    const right = Math.min(lastX, xOf(end));
    if (right <= left) continue;
    context.fillStyle = quiet;
    context.fillRect(left, RULER_HEIGHT + 4, right - left, WAVE_HEIGHT - 8);
    if (right - left > 60) {
      context.textAlign = "center";
      context.fillStyle = text;
      context.fillText("silent", (left + right) / 2, RULER_HEIGHT + 14);
      context.textAlign = "start";
    }
  }
  const gain = Math.min(8, 255 / Math.max(1, peaks.reduce((a, b) => Math.max(a, b), 0))) / 255;
  const perFrame = peaks.length / numFrames;
  const [loud, wave] = [color("--clipped"), color("--wave")];
  // Bars stand still on the recording while the view scrolls.
  const firstBar = Math.floor((first * pixelsPerFrame) / BAR_PITCH);
  for (let bar = firstBar; ; bar++) {
    const startFrame = (bar * BAR_PITCH) / pixelsPerFrame;
    const x = xOf(startFrame);
    if (x >= lastX) break;
    const endFrame = startFrame + BAR_PITCH / pixelsPerFrame;
    let peak = 0;
    const last = Math.min(peaks.length - 1, Math.max(Math.ceil(endFrame * perFrame) - 1, 0));
    for (let i = Math.floor(startFrame * perFrame); i <= last; i++) peak = Math.max(peak, peaks[i]);
    const half = Math.max(0.75, (peak * gain) ** 0.8 * (WAVE_HEIGHT / 2 - 3));
    const isClipped = clipped.some(([start, end]) => start < endFrame && startFrame < end);
    context.fillStyle = isClipped ? loud : wave;
    context.fillRect(x, middle - half, BAR_WIDTH, 2 * half);
    if (isClipped) {
      context.fillRect(x, RULER_HEIGHT, BAR_PITCH, 2);
      context.fillRect(x, RULER_HEIGHT + WAVE_HEIGHT - 2, BAR_PITCH, 2);
    }
  }
}
