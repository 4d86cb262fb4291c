// What the component knows. Gradio gives `element`, `props` and `watch`.

const root = element.querySelector(".plots");
const part = (name) => root.querySelector(`[data-part="${name}"]`);
const listening = new AbortController(); // of what outlives the component

let takes = []; // with their curves decoded
let loudness = null;
let onsets = []; // frames, with fractions
let numFrames = 0; // of the longest take
let shownValue = "";

const hidden = new Set(); // indices of takes
let highlit = null; // index of the take that others step back for
let playhead = 0; // frames, with fractions while a player runs
let pointed = null; // the frame that pointer or keys look at
let isPlaying = false;

const shownTakes = () => takes.filter((_, index) => !hidden.has(index));
const clamp = (value, least, most) => Math.min(Math.max(value, least), most);
// What is looked at; at its end the last frame. Players round their time, to less than a thousandth of a frame.
const shownFrame = () => clamp(Math.floor((pointed ?? playhead) + 1e-3), 0, Math.max(0, numFrames - 1));

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function readValue() {
  const value = props.value || null;
  const text = JSON.stringify(value);
  if (text === shownValue) return;
  shownValue = text;
  takes = (value?.takes ?? []).map((take) => ({
    ...take,
    hands: decodeCurve(take.hand_speed),
    jaw: decodeCurve(take.jaw),
  }));
  loudness = value?.loudness ? decodeCurve(value.loudness) : null;
  onsets = decodeNumbers(value?.onsets_s).map((second) => second * SETTINGS.fps);
  numFrames = Math.max(0, ...takes.map((take) => take.hands.frames));
  hidden.clear();
  highlit = null;
  pointed = null;
  playhead = clamp(playhead, 0, numFrames);
  root.classList.toggle("is-empty", !takes.length);
  showTakes();
  showHints();
  showSummary();
  showTime();
  drawSoon();
}
