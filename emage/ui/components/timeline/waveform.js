// The ruler, the waveform and the words, drawn for what is in view.

const RULER_HEIGHT = 22;
const WAVE_HEIGHT = 60;
const WORDS_HEIGHT = 24;
const BAR_WIDTH = 2;
const BAR_PITCH = 3;

function decodePeaks(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

// view: {canvas, width, firstFrame (at the left edge), pixelsPerFrame, numFrames, currentFrame, colors, font}
// backdrop: as Python sends it, with `peaks` decoded; null without a recording.
function drawBackdrop(view, backdrop) {
  const { canvas, width } = view;
  const hasWords = Boolean(backdrop?.words.length);
  const height = RULER_HEIGHT + WAVE_HEIGHT + (hasWords ? WORDS_HEIGHT : 0);
  const density = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * density) || canvas.height !== Math.round(height * density)) {
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(density, 0, 0, density, 0, 0);
  context.clearRect(0, 0, width, height);
  // Without a width when it was laid out there is no scale yet, and nothing would ever reach the right edge.
  if (!view.numFrames || width <= 0 || !(view.pixelsPerFrame > 0)) return;
  drawRuler(context, view);
  if (!backdrop) return;
  drawWave(context, view, backdrop);
  if (hasWords) drawWords(context, view, backdrop.words);
}

function drawRuler(context, { width, firstFrame, pixelsPerFrame, numFrames, colors, font }) {
  const pixelsPerSecond = pixelsPerFrame * SETTINGS.fps;
  const step = tickStep(pixelsPerSecond);
  const xOf = (second) => (second * SETTINGS.fps - firstFrame) * pixelsPerFrame;
  const end = Math.min(numFrames, firstFrame + width / pixelsPerFrame) / SETTINGS.fps;
  context.font = `11px ${font}`;
  context.textBaseline = "middle";
  const minor = step / 5;
  for (let i = Math.floor(firstFrame / SETTINGS.fps / minor); i * minor <= end; i++) {
    const isLabelled = i % 5 === 0;
    const x = Math.round(xOf(i * minor)) + 0.5;
    context.fillStyle = isLabelled ? colors.text : colors.line;
    context.fillRect(x, RULER_HEIGHT - (isLabelled ? 7 : 4), 1, isLabelled ? 7 : 4);
    if (isLabelled) context.fillText(clockLabel(i * minor, step), x + 4, 9);
  }
}

function drawWave(context, view, { peaks, silent, clipped }) {
  const { width, firstFrame, pixelsPerFrame, numFrames, colors, font } = view;
  const middle = RULER_HEIGHT + WAVE_HEIGHT / 2;
  const xOf = (frame) => (frame - firstFrame) * pixelsPerFrame;
  const lastX = Math.min(width, xOf(numFrames));
  for (const [start, end] of silent) {
    const left = Math.max(0, xOf(start));
    const right = Math.min(lastX, xOf(end));
    if (right <= left) continue;
    context.fillStyle = colors.silent;
    context.fillRect(left, RULER_HEIGHT + 4, right - left, WAVE_HEIGHT - 8);
    if (right - left > 60) {
      context.font = `11px ${font}`;
      context.textAlign = "center";
      context.fillStyle = colors.text;
      context.fillText("silent", (left + right) / 2, RULER_HEIGHT + 14);
      context.textAlign = "start";
    }
  }
  const gain = Math.min(8, 255 / Math.max(1, peaks.reduce((a, b) => Math.max(a, b), 0))) / 255;
  const perFrame = peaks.length / numFrames;
  // Bars stand still on the recording while the view scrolls.
  const firstBar = Math.floor((firstFrame * pixelsPerFrame) / BAR_PITCH);
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
    context.fillStyle = isClipped ? colors.clipped : colors.wave;
    context.fillRect(x, middle - half, BAR_WIDTH, 2 * half);
    if (isClipped) {
      context.fillRect(x, RULER_HEIGHT, BAR_PITCH, 2);
      context.fillRect(x, RULER_HEIGHT + WAVE_HEIGHT - 2, BAR_PITCH, 2);
    }
  }
}

function drawWords(context, view, words) {
  const { width, firstFrame, pixelsPerFrame, currentFrame, colors, font } = view;
  const top = RULER_HEIGHT + WAVE_HEIGHT + 2;
  const height = WORDS_HEIGHT - 5;
  context.font = `11px ${font}`;
  for (const [text, start, end] of words) {
    const left = (start - firstFrame) * pixelsPerFrame;
    const right = (end - firstFrame) * pixelsPerFrame;
    if (right < 0 || left > width || right <= left) continue;
    const isCurrent = start <= currentFrame && currentFrame < end;
    context.fillStyle = isCurrent ? colors.currentWord : colors.word;
    context.beginPath();
    context.roundRect(left + 0.5, top, Math.max(1, right - left - 1), height, 4);
    context.fill();
    if (right - left < 14) continue;
    context.save();
    context.clip();
    context.fillStyle = isCurrent ? colors.currentWordText : colors.wordText;
    const textWidth = context.measureText(text).width;
    context.fillText(text, Math.max(left + 4, (left + right - textWidth) / 2), top + height / 2 + 0.5);
    context.restore();
  }
}

function wordAt(backdrop, frame) {
  return backdrop?.words.find(([, start, end]) => start <= frame && frame < end) ?? null;
}
