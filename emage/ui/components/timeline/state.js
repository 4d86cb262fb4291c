// What the component knows, how it comes from and goes to Gradio, and the way back through earlier edits.
// Gradio gives `element`, `props`, `trigger`, `watch` and `server`.

const KEPT_STEPS = 200;
const KEY_PAUSE_MS = 400; // after which a held key's edit is sent even if it is still down

const root = element.querySelector(".timeline");
const part = (name) => root.querySelector(`[data-part="${name}"]`);
const tool = (name) => root.querySelector(`[data-tool="${name}"]`);
const scroller = part("scroller");
const content = part("content");
const listening = new AbortController(); // of what outlives the component: document, timers
const still = window.matchMedia("(prefers-reduced-motion: reduce)");

// What the value holds. `edit` is never changed in place, so that undoing is to go back to an earlier one.
let numFrames = 0;
let edit = { spans: [], blendFrames: SETTINGS.blendFrames, trimStart: 0, trimEnd: 0 };
let past = [];
let future = [];

// What is seen, and not part of the value.
let backdrop = null;
let shownValue = "";
let shownBackdrop = "";
let selectedId = null;
let mode = SETTINGS.follow; // of new spans
let isSnapping = true;
let cursor = 0; // a whole frame, but for when a player is running
let zoom = 1;
let pixelsPerFrame = 0;
let drag = null;
let unsent = 0; // timer of an edit by held keys

const seconds = (frame) => `${(frame / SETTINGS.fps).toFixed(2)} s`;
const labelOf = (leaf) => SETTINGS.rows.find((row) => row.leaf === leaf).label;
const modeName = (span) => (span.mode === SETTINGS.lock ? "locked" : "follows");
const describe = (span) => `${labelOf(span.leaf)}, ${modeName(span)}, ${seconds(span.start)} to ${seconds(span.end)}`;

function announce(text) {
  // The same words twice in a row are read out only if they differ.
  const spoken = part("spoken");
  spoken.textContent = spoken.textContent === text ? `${text}\u00a0` : text;
}

function icon(name) {
  const holder = document.createElement("div");
  holder.innerHTML = `<svg aria-hidden="true"><use href="#emage-tl-${name}"></use></svg>`;
  return holder.firstChild;
}

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function valueOf() {
  return {
    num_frames: numFrames,
    trim: { start_frame: edit.trimStart, end_frame: edit.trimEnd },
    plan: planOfSpans(edit.spans, edit.blendFrames),
  };
}

// What lies behind the spans, once it is that of this recording: value and backdrop come one after the other.
function behind() {
  return backdrop?.num_frames === numFrames ? backdrop : null;
}

// How far spans can be painted.
function limit() {
  return Math.min(numFrames, behind()?.reference_frames ?? Infinity);
}

function readProps() {
  const value = props.value || null;
  if (JSON.stringify(value) !== shownValue) readValue(value);
  readBackdrop(props.backdrop ?? {});
}

function readBackdrop(given) {
  if (JSON.stringify(given) === shownBackdrop) return;
  shownBackdrop = JSON.stringify(given);
  backdrop = given.num_frames ? { ...given, peaks: decodePeaks(given.peaks) } : null;
  layOut();
  findMedia();
}

function readValue(value) {
  cancelDrag();
  clearTimeout(unsent);
  unsent = 0;
  const selected = spanById(edit.spans, selectedId);
  const isSameRecording = numFrames > 0 && value?.num_frames === numFrames;
  if (isSameRecording) {
    remember();
  } else {
    past = [];
    future = [];
  }
  shownValue = JSON.stringify(value);
  numFrames = value?.num_frames ?? 0;
  edit = {
    spans: value ? spansOfPlan(value.plan) : [],
    blendFrames: value?.plan.blend_frames ?? SETTINGS.blendFrames,
    trimStart: value?.trim.start_frame ?? 0,
    trimEnd: value?.trim.end_frame ?? 0,
  };
  const again = selected && edit.spans.find((span) => span.leaf === selected.leaf && isAlike(span, selected));
  selectedId = again?.id ?? null;
  if (!isSameRecording) {
    zoom = 1;
    cursor = 0;
  }
  layOut();
}

function send() {
  clearTimeout(unsent);
  unsent = 0;
  const value = valueOf();
  if (JSON.stringify(value) === shownValue) return;
  shownValue = JSON.stringify(value);
  props.value = value;
  trigger("input");
}

function sendWhatIsUnsent() {
  if (unsent) send();
}

function remember() {
  past = [...past.slice(1 - KEPT_STEPS), edit];
  future = [];
}

function isSameEdit(a, b) {
  const text = ({ spans, ...rest }) => JSON.stringify([planOfSpans(spans, rest.blendFrames), rest]);
  return a === b || text(a) === text(b);
}

// The one way in which the person's edits reach the value. Those of a key that is held down become one step and one
// event, sent when it is let go.
function commit(changes, text, isHeldKey = false) {
  const next = { ...edit, ...changes };
  if (planOfSpans(next.spans, 0).spans.length > SETTINGS.maxSpans) {
    announce(`There are ${SETTINGS.maxSpans} hints; no more fit.`);
    render();
    return false;
  }
  if (isSameEdit(next, edit)) {
    render();
    return false;
  }
  if (!(isHeldKey && unsent)) {
    sendWhatIsUnsent();
    remember();
  }
  edit = next;
  render();
  announce(typeof text === "function" ? text() : text);
  if (isHeldKey) {
    clearTimeout(unsent);
    unsent = setTimeout(send, KEY_PAUSE_MS);
  } else {
    send();
  }
  return true;
}

function undo() {
  step(past, future, "Undone.");
}

function redo() {
  step(future, past, "Redone.");
}

function step(from, to, text) {
  sendWhatIsUnsent();
  if (!from.length) {
    announce("There is nothing more.");
    return;
  }
  const focused = focusedSpan();
  to.push(edit);
  edit = from.pop();
  render();
  if (focused && !spanById(edit.spans, focused.id)) rowElement(focused.leaf).focus();
  announce(text);
  send();
}
