// Curves as Python sends them: the least, mean and greatest value of columns of frames.

function decodeCurve({ num_frames, frames_per_column, low, mean, high }) {
  const means = decodeNumbers(mean);
  return {
    frames: num_frames,
    step: frames_per_column,
    low: low === undefined ? means : decodeNumbers(low),
    mean: means,
    high: high === undefined ? means : decodeNumbers(high),
  };
}

function decodeNumbers(text) {
  return text ? text.split(" ").map(Number) : [];
}

// {low, mean, high} of the column in which a frame lies; null where the curve has ended.
function valueAt(curve, frame) {
  if (!(0 <= frame && frame < curve.frames)) return null;
  const column = Math.floor(frame / curve.step);
  return { low: curve.low[column], mean: curve.mean[column], high: curve.high[column] };
}

// [{x, low, mean, high}], one for each pixel in which a column has its middle: nothing that stands out is lost.
function toPixels(curve, xOf) {
  const pixels = [];
  for (let column = 0; column < curve.mean.length; column++) {
    const first = column * curve.step;
    const last = Math.min(first + curve.step, curve.frames) - 1;
    const x = xOf((first + last) / 2);
    const [low, mean, high] = [curve.low[column], curve.mean[column], curve.high[column]];
    const pixel = pixels.at(-1);
    if (pixel && Math.floor(pixel.x) === Math.floor(x)) {
      pixel.low = Math.min(pixel.low, low);
      pixel.high = Math.max(pixel.high, high);
      pixel.count += 1;
      pixel.mean += (mean - pixel.mean) / pixel.count;
    } else {
      pixels.push({ x, low, mean, high, count: 1 });
    }
  }
  return pixels;
}

function extremes(curves) {
  let [low, high] = [Infinity, -Infinity];
  for (const curve of curves) {
    for (const value of curve.low) low = Math.min(low, value);
    for (const value of curve.high) high = Math.max(high, value);
  }
  return { low, high };
}

// An axis of four to six equal steps of 1, 2, 2.5 or 5 times a power of ten that holds 0 and all of low to high.
function axisOf({ low, high }, leastStep) {
  const wanted = Math.max((Math.max(high, 0) - Math.min(low, 0)) / 4, leastStep);
  const power = 10 ** Math.floor(Math.log10(wanted) + 1e-9);
  const step = [1, 2, 2.5, 5, 10].find((each) => each * power >= wanted * (1 - 1e-9)) * power;
  const down = Math.ceil(-Math.min(low, 0) / step - 1e-9);
  const up = Math.max(Math.ceil(Math.max(high, 0) / step - 1e-9), down ? 0 : 1);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) + (step / power === 2.5 ? 1 : 0);
  const ticks = Array.from({ length: down + up + 1 }, (_, i) => (i - down) * step);
  return { low: -down * step, high: up * step, ticks, digits };
}

// Intervals [start, end] joined where they touch or overlap.
function union(intervals) {
  const joined = [];
  for (const [start, end] of [...intervals].sort((a, b) => a[0] - b[0])) {
    const before = joined.at(-1);
    if (before && start <= before[1]) before[1] = Math.max(before[1], end);
    else joined.push([start, end]);
  }
  return joined;
}
