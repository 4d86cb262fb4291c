// The ticks of an axis of time.

const TICK_STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
const LEAST_LABEL_PITCH = 62;

/** Seconds between two labels. @param {number} pixelsPerSecond */
function tickStep(pixelsPerSecond) {
  return TICK_STEPS_S.find((step) => step * pixelsPerSecond >= LEAST_LABEL_PITCH) ?? 3600;
}

/** @param {number} second @param {number} step */
function clockLabel(second, step) {
  const minutes = Math.floor(second / 60 + 1e-6);
  const rest = (second - 60 * minutes).toFixed(step < 1 ? 1 : 0);
  return `${minutes}:${rest.padStart(step < 1 ? 4 : 2, "0")}`;
}
