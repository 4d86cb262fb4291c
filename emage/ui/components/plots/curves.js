// Curves: the least, mean and greatest value of columns of frames.

/** @param {CurveJson} curve @returns {Curve} */
function decodeCurve({ num_frames, frames_per_column, low, mean, high }) {
  return {
    frames: num_frames,
    step: frames_per_column,
    low: decodeNumbers(low ?? mean),
    mean: decodeNumbers(mean),
    high: decodeNumbers(high ?? mean),
  };
}

/** @param {string} text */
function decodeNumbers(text) {
  return text ? text.split(" ").map(Number) : [];
}

/** Of the column in which a frame lies; null where the curve has ended. @param {Curve} curve @param {number} frame */
function valueAt(curve, frame) {
  if (!(frame >= 0 && frame < curve.frames)) return null;
  const column = Math.floor(frame / curve.step);
  return { low: curve.low[column], mean: curve.mean[column], high: curve.high[column] };
}

/**
 * The curve in columns of more frames, as many as fit: nothing that stands out is lost. null behind its end.
 * @param {Curve} curve
 * @param {number} step at least the curve's own
 * @param {number} count of columns
 */
function widenColumns(curve, step, count) {
  const [low, mean, high] = [0, 1, 2].map(() => /** @type {(number | null)[]} */ (Array(count).fill(null)));
  const parts = Array(count).fill(0);
  curve.mean.forEach((value, column) => {
    const middle = Math.min((column + 0.5) * curve.step, curve.frames - 0.5);
    const to = Math.floor(middle / step);
    parts[to] += 1;
    low[to] = Math.min(low[to] ?? Infinity, curve.low[column]);
    high[to] = Math.max(high[to] ?? -Infinity, curve.high[column]);
    mean[to] = (mean[to] ?? 0) + (value - (mean[to] ?? 0)) / parts[to];
  });
  return { low, mean, high };
}

/** The least and the greatest value of several. @param {Curve[]} curves @returns {[low: number, high: number]} */
function extremes(curves) {
  const least = curves.flatMap((curve) => curve.low).reduce((a, b) => Math.min(a, b), Infinity);
  const most = curves.flatMap((curve) => curve.high).reduce((a, b) => Math.max(a, b), -Infinity);
  return [least, most];
}

/** Joined where they touch or overlap. @param {[start: number, end: number][]} intervals */
function union(intervals) {
  /** @type {[number, number][]} */
  const joined = [];
  for (const [start, end] of intervals.toSorted((a, b) => a[0] - b[0])) {
    const before = joined.at(-1);
    if (before && start <= before[1]) before[1] = Math.max(before[1], end);
    else joined.push([start, end]);
  }
  return joined;
}
