// Mouse and touch.

const DRAG_PIXELS = 4; // a shorter one is a tap
const SCROLL_EDGE_PIXELS = 28;

/** Where a pointer is, in frames and fractions of them. @param {number} clientX */
function frameAt(clientX) {
  return (clientX - content.getBoundingClientRect().left - headWidth()) / pixelsPerFrame;
}

/**
 * move(frame) is called while it goes on, then drop(drag), or tap(drag) where it never moved.
 * @param {PointerEvent} event
 * @param {DragHandlers} handlers
 */
function startDrag(event, handlers) {
  if (event.button !== 0 || drag || !numFrames) return;
  sendWhatIsUnsent();
  const { pointerId, clientX: x } = event;
  const { spans, words, trimStart, trimEnd } = edit;
  drag = { ...handlers, pointerId, downX: x, x, hasMoved: false, spans, words, trim: [trimStart, trimEnd] };
  targetOf(event).setPointerCapture(pointerId);
}

/** @param {Event} event */
function targetOf(event) {
  return /** @type {HTMLElement} */ (event.target);
}

/** @param {PointerEvent} event */
function moveDrag(event) {
  if (!drag || event.pointerId !== drag.pointerId) return;
  drag.x = event.clientX;
  if (!drag.hasMoved && Math.abs(drag.x - drag.downX) < DRAG_PIXELS) return;
  if (!drag.hasMoved) {
    drag.hasMoved = true;
    requestAnimationFrame(scrollAtEdge);
  }
  drag.move(frameAt(drag.x));
}

/** @param {PointerEvent} event */
function endDrag(event) {
  if (!drag || event.pointerId !== drag.pointerId) return;
  const done = drag;
  drag = null;
  showGuide(null);
  render();
  if (done.hasMoved) done.drop?.(done);
  else done.tap?.(done);
}

// Nothing has been committed before the drop, so forgetting it is enough.
function cancelDrag() {
  if (!drag) return;
  drag = null;
  showGuide(null);
  render();
}

function scrollAtEdge() {
  if (!drag) return;
  const bounds = scroller.getBoundingClientRect();
  const past = Math.max(0, drag.x - (bounds.right - SCROLL_EDGE_PIXELS));
  const before = Math.max(0, bounds.left + headWidth() + SCROLL_EDGE_PIXELS - drag.x);
  if ((past || before) && zoom > 1) {
    scroller.scrollLeft += (past - before) / 3;
    drag.move(frameAt(drag.x));
  }
  requestAnimationFrame(scrollAtEdge);
}

/** @param {PointerEvent} event @param {string} leaf */
function startPaint(event, leaf) {
  const anchor = snapped(frameAt(event.clientX)).frame;
  const gap = gapAt(edit.spans, leaf, reach(), clamp(Math.floor(frameAt(event.clientX)), 0, numFrames));
  /** @type {Span | null} */
  let painted = null;
  let isCut = false; // at an end of the hint motion
  /** @type {number | undefined} */
  let id;
  startDrag(event, {
    move(frame) {
      if (!gap || !drag) return;
      const snap = snapped(frame);
      showGuide(snap);
      isCut = snap.frame < reach()[0] || snap.frame > reach()[1];
      const ends = [anchor, snap.frame].map((end) => clamp(end, gap[0], gap[1]));
      const [from, to] = [Math.min(...ends), Math.max(...ends)];
      drag.spans = from < to ? addSpan(edit.spans, leaf, from, to, mode, id) : edit.spans;
      painted = from < to ? drag.spans[drag.spans.length - 1] : null;
      id ??= painted?.id;
      drag.paints = id;
      render();
    },
    tap({ x }) {
      setCursor(Math.round(frameAt(x)));
      rowElement(leaf).focus({ preventScroll: true });
      select(null);
    },
    drop({ spans }) {
      if (!gap) return tell(sayReach());
      if (painted && commit({ spans }, `New hint: ${describe(painted)}.`)) focusSpan(painted.id);
      if (isCut) tell(sayReach());
    },
  });
}

/** @param {PointerEvent} event @param {number} id */
function startMove(event, id) {
  const span = spanById(edit.spans, id);
  const offset = frameAt(event.clientX) - span.start;
  const length = span.end - span.start;
  startDrag(event, {
    move(frame) {
      if (!drag) return;
      // Whichever end has an edge nearer to it snaps.
      const start = frame - offset;
      const byStart = snapped(start, id);
      const byEnd = snapped(start + length, id);
      const isEndNearer = Math.abs(byEnd.frame - start - length) < Math.abs(byStart.frame - start);
      const snap = byEnd.isEdge && (!byStart.isEdge || isEndNearer) ? byEnd : byStart;
      drag.spans = moveSpan(edit.spans, id, snap === byEnd ? snap.frame - length : snap.frame, reach());
      showGuide(snap);
      render();
    },
    drop({ spans }) {
      commit({ spans }, () => `${describe(spanById(edit.spans, id))}.`);
    },
  });
}

/** @param {PointerEvent} event @param {number} id @param {Edge} edge */
function startResize(event, id, edge) {
  const offset = frameAt(event.clientX) - spanById(edit.spans, id)[edge];
  startDrag(event, {
    move(frame) {
      if (!drag) return;
      const snap = snapped(frame - offset, id);
      showGuide(snap);
      drag.spans = resizeSpan(edit.spans, id, edge, snap.frame, reach());
      render();
    },
    drop({ spans }) {
      commit({ spans }, () => `${describe(spanById(edit.spans, id))}.`);
    },
  });
}

/** @param {PointerEvent} event @param {string} edge */
function startTrim(event, edge) {
  const offset = frameAt(event.clientX) - (edge === "trim-start" ? edit.trimStart : edit.trimEnd);
  startDrag(event, {
    move(frame) {
      if (!drag) return;
      const snap = snapped(frame - offset);
      showGuide(snap);
      drag.trim = trimmed(edge, snap.frame);
      render();
    },
    drop({ trim }) {
      commitTrim(trim);
    },
  });
}

/** A mouse scrubs; a finger scrolls, taps, or drags the playhead by its knob. @param {PointerEvent} event */
function startScrub(event) {
  startDrag(event, {
    move: (frame) => setCursor(Math.round(frame)),
    tap: ({ x }) => setCursor(Math.round(frameAt(x))),
  });
}

function listenToPointers() {
  for (const [leaf, { lane }] of rowElements) {
    lane.addEventListener("pointerdown", (event) => {
      if (event.target === lane) startPaint(event, leaf);
    });
  }
  root.addEventListener("pointerdown", (event) => {
    const target = targetOf(event);
    const node = target.closest(".span");
    if (!node || event.button !== 0) return;
    const { id } = spanOf(node);
    select(id);
    target.focus({ preventScroll: true });
    if (target.dataset.edge) startResize(event, id, /** @type {Edge} */ (target.dataset.edge));
    else startMove(event, id);
  });
  part("header").addEventListener("pointerdown", (event) => {
    if (event.target === canvas) startScrub(event);
  });
  part("knob").addEventListener("pointerdown", startScrub);
  for (const edge of ["trim-start", "trim-end"]) {
    part(edge).addEventListener("pointerdown", (event) => startTrim(event, edge));
  }
  root.addEventListener("pointermove", moveDrag);
  root.addEventListener("pointerup", endDrag);
  // The browser took the gesture over, to scroll.
  root.addEventListener("pointercancel", (event) => {
    if (event.pointerId === drag?.pointerId) cancelDrag();
  });
  const zoomByWheel = (/** @type {WheelEvent} */ event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoomBy(ZOOM_STEP ** (-event.deltaY / 100), frameAt(event.clientX));
  };
  scroller.addEventListener("wheel", zoomByWheel, { passive: false });
  scroller.addEventListener("scroll", drawSoon);
}
