// What the component knows, how it comes from and goes to Gradio, and the way back through earlier edits.

const KEPT_STEPS = 200;
const KEY_PAUSE_MS = 400; // after which a held key's edit is sent even if it is still down

/** @param {string} name */
const tool = (name) => /** @type {HTMLElement} */ (root.querySelector(`[data-tool="${name}"]`));
const canvas = /** @type {HTMLCanvasElement} */ (part("canvas"));
const blend = /** @type {HTMLInputElement} */ (part("blend"));
const modes = /** @type {NodeListOf<HTMLInputElement>} */ (part("modes").querySelectorAll("input"));
const scroller = part("scroller");
const content = part("content");
const still = window.matchMedia("(prefers-reduced-motion: reduce)");

// What the value holds; a blend that is null is as long as each border needs. `edit` is never changed in place, so that undoing is to go back to an earlier one.
let numFrames = 0;
/** @type {Edit} */
let edit = { spans: [], words: [], blendFrames: null, trimStart: 0, trimEnd: 0 };
/** @type {Edit[]} */
let past = [];
/** @type {Edit[]} */
let future = [];

// What is seen, and not part of the value.
/** @type {Backdrop | null} */
let backdrop = null;
let shownValue = "";
let shownBackdrop = "";
let knownWords = "[]"; // as they came last or were sent
/** @type {number | null} */
let selectedId = null;
let mode = SETTINGS.follow; // of new spans
let isSnapping = true;
let cursor = 0; // a whole frame, but for when a player is running
let zoom = 1;
let pixelsPerFrame = 0;
/** @type {Drag | null} */
let drag = null;
let unsent = 0; // timer of an edit by held keys

/** @param {string} leaf */
const labelOf = (leaf) => SETTINGS.labels[leaf][0];
/** @param {Span} span */
const describe = ({ leaf, start, end, mode: does }) =>
  describeSpan({ part: leaf, start_frame: start, end_frame: end, mode: does });

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

// Those of the recording; where one is being moved, as it would be.
function shownWords() {
  return behind() ? (drag?.words ?? edit.words) : [];
}

// Where spans can be painted: where the hint motion plays.
/** @returns {Reach} */
function reach() {
  return behind()?.reference_span ?? [0, numFrames];
}

/**
 * Why Generate would refuse a span; empty where it would not.
 * @param {Span} span @param {Reach} trim
 */
function faultOf({ leaf, start, end, mode: does }, [trimStart, trimEnd]) {
  const [from, to] = reach();
  const [first, last] = [Math.max(start, trimStart), Math.min(end, trimEnd)]; // what lies outside is not used
  if (first >= last) return "";
  if (first < from || last > to) return `${sayReach()} Shorten the hint, or let the motion loop or stretch.`;
  const isForeign = leaf === "face" && does === SETTINGS.lock;
  return (isForeign && behind()?.face_fault) || "";
}

function sayReach() {
  const [from, to] = reach();
  return from < to ? `The hint motion plays from ${seconds(from)} to ${seconds(to)}.` : "No hint motion plays here.";
}

function readProps() {
  const value = props.value || null;
  if (JSON.stringify(value) !== shownValue) readValue(value);
  readBackdrop(props.backdrop ?? {});
}

/** @param {BackdropJson | {}} given */
function readBackdrop(given) {
  if (JSON.stringify(given) === shownBackdrop) return;
  shownBackdrop = JSON.stringify(given);
  backdrop = "peaks" in given ? { ...given, peaks: decodePeaks(given.peaks) } : null;
  readWords("words" in given ? JSON.parse(given.words) : []);
  layOut();
  findMedia();
}

// Undoing never brings back the words of another transcript.
/** @param {Word[]} words */
function readWords(words) {
  if (JSON.stringify(words) === knownWords) return;
  knownWords = JSON.stringify(words);
  cancelDrag();
  selectWord(null);
  edit = { ...edit, words };
  past = past.map((each) => ({ ...each, words }));
  future = future.map((each) => ({ ...each, words }));
}

/** @param {TimelineJson | null} value */
function readValue(value) {
  cancelDrag();
  clearTimeout(unsent);
  unsent = 0;
  const selected = findSpan(edit.spans, selectedId);
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
    words: edit.words,
    blendFrames: value?.plan.blend_frames ?? null,
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
  sendWords();
  const value = valueOf();
  if (JSON.stringify(value) === shownValue) return;
  shownValue = JSON.stringify(value);
  props.value = value;
  trigger("input");
}

function sendWords() {
  const words = JSON.stringify(edit.words);
  if (words === knownWords) return;
  knownWords = words;
  trigger("edit", { num_frames: numFrames, words: edit.words });
}

function sendWhatIsUnsent() {
  if (unsent) send();
}

function remember() {
  past = [...past.slice(1 - KEPT_STEPS), edit];
  future = [];
}

/** @param {Edit} a @param {Edit} b */
function isSameEdit(a, b) {
  const text = (/** @type {Edit} */ { spans, words, ...rest }) =>
    JSON.stringify([planOfSpans(spans, rest.blendFrames), rest]);
  const areWordsSame = a.words === b.words || JSON.stringify(a.words) === JSON.stringify(b.words);
  return a === b || (areWordsSame && text(a) === text(b));
}

/**
 * The one way in which the user's edits reach the value and the words. Those of a key that is held down become one step and one
 * event, sent when it is let go.
 * @param {Partial<Edit>} changes
 * @param {string | (() => string)} text what is read out
 */
function commit(changes, text, isHeldKey = false) {
  const next = { ...edit, ...changes };
  if (planOfSpans(next.spans, 0).spans.length > SETTINGS.maxSpans) {
    tell(`There are ${SETTINGS.maxSpans} hints; no more fit.`);
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

/** @param {Edit[]} from @param {Edit[]} to @param {string} text */
function step(from, to, text) {
  sendWhatIsUnsent();
  const next = from.pop();
  if (!next) return announce("There is nothing more.");
  const focused = focusedSpan();
  to.push(edit);
  edit = next;
  render();
  if (focused && !findSpan(edit.spans, focused.id)) rowElement(focused.leaf).focus();
  announce(text);
  send();
}
