// What the component knows.

/** @type {Take[]} */
let takes = []; // with their curves decoded
/** @type {Curve | null} */
let loudness = null;
/** @type {number[]} */
let onsets_s = [];
let numFrames = 0; // of the longest take
let shownValue = "";

/** @type {Set<number>} */
const hidden = new Set(); // indices of takes
/** @type {number | null} */
let highlit = null; // index of the take that others step back for
let playhead = 0; // frames, with fractions while a player runs
/** @type {number | null} */
let pointed = null; // the frame that pointer or keys look at
let isPlaying = false;

const shownTakes = () => takes.filter((_, index) => !hidden.has(index));
// What is looked at; at its end the last frame. Players round their time, to less than a thousandth of a frame.
const shownFrame = () => clamp(Math.floor((pointed ?? playhead) + 1e-3), 0, Math.max(0, numFrames - 1));

function readValue() {
  const { value } = props;
  const text = JSON.stringify(value);
  if (text === shownValue) return;
  shownValue = text;
  takes = (value?.takes ?? []).map((take) => ({
    ...take,
    hands: decodeCurve(take.hand_speed),
    jawOpen: decodeCurve(take.jaw),
  }));
  loudness = value?.loudness ? decodeCurve(value.loudness) : null;
  onsets_s = decodeNumbers(value?.onsets_s ?? "");
  numFrames = Math.max(0, ...takes.map((take) => take.hands.frames));
  hidden.clear();
  highlit = null;
  pointed = null;
  playhead = clamp(playhead, 0, numFrames);
  root.classList.toggle("is-empty", !takes.length);
  showTakes();
  showHints();
  showSummary();
  showShares(value?.shares ?? null);
  showTime();
  drawSoon();
}
