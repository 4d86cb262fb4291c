// What the person's actions, by whatever device, do to the state.

const SNAP_PIXELS = 8;
const NEW_SPAN_FRAMES = SETTINGS.fps;

// --- selection, playhead, view ---

/** @param {number | null} id */
function select(id) {
  if (id !== null) selectWord(null);
  if (selectedId === id) return;
  selectedId = id;
  render();
}

/** @param {Element} node */
function spanOf(node) {
  return spanById(edit.spans, Number(/** @type {HTMLElement} */ (node).dataset.id));
}

function focusedSpan() {
  const node = active()?.closest(".span");
  return node && root.contains(node) ? spanOf(node) : null;
}

/** @param {number} id */
function focusSpan(id) {
  selectedId = id;
  render();
  spanElements.get(id)?.focus({ preventScroll: true });
  const span = findSpan(edit.spans, id);
  if (span) bringIntoView(span.start);
}

/** @param {number} frame */
function setCursor(frame, isSeeking = true) {
  const word = wordAt(cursor);
  cursor = clamp(frame, 0, numFrames);
  renderCursor();
  if (wordAt(cursor) !== word) drawSoon();
  if (isSeeking) players.seek(cursor);
}

function announceCursor() {
  const word = wordAt(cursor);
  announce(word ? `${seconds(cursor)}, ${word[0]}` : seconds(cursor));
}

/** @param {number} frame */
function bringIntoView(frame) {
  const x = frame * pixelsPerFrame - scroller.scrollLeft;
  const width = laneWidth();
  if (x < 0 || x > width - 4) scroller.scrollLeft = frame * pixelsPerFrame - width * 0.15;
}

/** @param {number} direction */
function scrollPage(direction) {
  scroller.scrollBy({ left: direction * laneWidth() * 0.8, behavior: still.matches ? "auto" : "smooth" });
}

/** @param {number} factor @param {number | null} anchor */
function zoomBy(factor, anchor = null) {
  zoom *= factor;
  layOut(anchor);
}

// --- snapping ---

/** @param {number | null} exceptId */
function edges(exceptId = null) {
  const frames = new Set([0, numFrames, ...reach(), edit.trimStart, edit.trimEnd]);
  for (const word of shownWords()) for (const frame of framesOfWord(word)) frames.add(Math.round(frame));
  for (const span of edit.spans) if (span.id !== exceptId) frames.add(span.start).add(span.end);
  return [...frames].toSorted((a, b) => a - b);
}

/**
 * A whole frame at or near `frame`, and whether it is one of the edges.
 * @param {number} frame @param {number | null} exceptId
 * @returns {Snap}
 */
function snapped(frame, exceptId = null) {
  if (isSnapping) {
    const near = [...edges(exceptId), Math.round(cursor)]
      .filter((edge) => Math.abs(edge - frame) * pixelsPerFrame <= SNAP_PIXELS)
      .toSorted((a, b) => Math.abs(a - frame) - Math.abs(b - frame));
    if (near.length) return { frame: near[0], isEdge: true };
  }
  return { frame: Math.round(frame), isEdge: false };
}

/** @param {number} frame @param {number} direction @param {number | null} exceptId */
function nextEdge(frame, direction, exceptId = null) {
  const ahead = edges(exceptId).filter((edge) => (direction > 0 ? edge > frame : edge < frame));
  return (direction > 0 ? ahead[0] : ahead.at(-1)) ?? frame;
}

/** @param {Snap | null} snap */
function showGuide(snap) {
  part("guide").hidden = !snap?.isEdge;
  if (snap?.isEdge) place(snap.frame, "guide");
}

// --- edits ---

/** @param {string} leaf */
function toggleRow(leaf) {
  const label = labelOf(leaf);
  const [from, to] = reach();
  if (from >= to) return tell(sayReach());
  if (coverageOf(edit.spans, leaf, reach()) === "all") {
    commit({ spans: clearRow(edit.spans, leaf) }, `${label} is generated.`);
  } else {
    commit({ spans: fillRow(edit.spans, leaf, reach(), mode) }, `${label} is a hint from ${seconds(from)} to ${seconds(to)}.`);
  }
}

/** @param {string} leaf */
function createAtCursor(leaf) {
  const frame = Math.round(cursor);
  const there = rowOf(edit.spans, leaf).find((span) => span.start <= frame && frame < span.end);
  if (there) return focusSpan(there.id);
  const gap = gapAt(edit.spans, leaf, reach(), frame);
  if (!gap) return tell(isReached(frame) ? "There is no room here." : sayReach());
  const start = frame < gap[1] ? frame : Math.max(gap[0], gap[1] - NEW_SPAN_FRAMES);
  const spans = addSpan(edit.spans, leaf, start, Math.min(start + NEW_SPAN_FRAMES, gap[1]), mode);
  const added = spans[spans.length - 1];
  if (commit({ spans }, `New hint: ${describe(added)}.`)) focusSpan(added.id);
}

/** @param {Span} span */
function deleteSpan(span) {
  const hadFocus = focusedSpan()?.id === span.id;
  commit({ spans: removeSpan(edit.spans, span.id) }, `Deleted: ${describe(span)}.`);
  if (hadFocus) rowElement(span.leaf).focus();
}

/** @param {number} frame */
function isReached(frame) {
  const [from, to] = reach();
  return from <= frame && frame < to;
}

/** @param {Span} span */
function split(span) {
  const spans = splitSpan(edit.spans, span.id, Math.round(cursor));
  if (!spans) return tell("The playhead is not inside this hint: click on the waveform where it is to be split.");
  commit({ spans }, () => `Split at ${seconds(spanById(edit.spans, span.id).end)}.`);
}

/** @param {Span} span */
function toggleLock(span) {
  const spans = setSpanMode(edit.spans, span.id, span.mode === SETTINGS.lock ? SETTINGS.follow : SETTINGS.lock);
  commit({ spans }, () => `${describe(spanById(edit.spans, span.id))}.`);
}

/** @param {number} frames NaN: as many as each border needs */
function setBlend(frames) {
  const blendFrames = Number.isNaN(frames) ? null : clamp(Math.round(frames), 0, SETTINGS.maxBlendFrames);
  const told = blendFrames === null ? "as long as the distance needs" : `over ${blendFrames} frames`;
  commit({ blendFrames }, `Blending ${told}.`);
}

/** @param {string} edge @param {number} frame @returns {[start: number, end: number]} */
function trimmed(edge, frame) {
  const { trimStart, trimEnd } = edit;
  if (edge === "trim-start") return [clamp(frame, 0, trimEnd - 1), trimEnd];
  return [trimStart, clamp(frame, trimStart + 1, numFrames)];
}

/** @param {[start: number, end: number]} trim */
function commitTrim([trimStart, trimEnd], isHeldKey = false) {
  commit({ trimStart, trimEnd }, `The recording is used from ${seconds(trimStart)} to ${seconds(trimEnd)}.`, isHeldKey);
}
