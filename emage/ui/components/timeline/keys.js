// The keyboard and the tools above the rows.

const ZOOM_STEP = 1.6;

function listenToKeys() {
  root.addEventListener("keydown", (event) => {
    if (handleKey(event)) event.preventDefault();
  });
  root.addEventListener("keyup", sendWhatIsUnsent);
  root.addEventListener("focusout", sendWhatIsUnsent);
  root.addEventListener("focusin", (event) => {
    const node = targetOf(event).closest(".span");
    if (node) select(spanOf(node).id);
  });
}

/** Whether it has done something. @param {KeyboardEvent} event */
function handleKey(event) {
  const target = targetOf(event);
  const isTyping = target.matches("input:not([type=radio])");
  const isCommand = event.ctrlKey || event.metaKey;
  if (isCommand && !isTyping && /^[zy]$/i.test(event.key)) {
    if (event.key.toLowerCase() === "y" || event.shiftKey) redo();
    else undo();
    return true;
  }
  if (event.key === "Escape" && drag) {
    cancelDrag();
    return true;
  }
  if (isTyping || target.closest("button, summary, label") || !numFrames) return false;
  const node = target.closest(".span");
  const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? 0;
  if (!direction && isCommand) return false;
  if (handleViewKey(event.key)) return true;
  // How an arrow key changes a frame.
  const shift = (/** @type {number} */ frame, /** @type {number | null} */ exceptId = null) => {
    if (isCommand || event.altKey) return nextEdge(frame, direction, exceptId);
    return frame + direction * (event.shiftKey ? 10 : 1);
  };
  if (node) return handleSpanKey(event, spanOf(node), direction, shift);
  if (target.closest("[data-part=words]")) return handleWordKey(event, direction, shift);
  const trimEdge = /** @type {HTMLElement | null} */ (target.closest(".trim"))?.dataset.part;
  if (trimEdge && direction) {
    commitTrim(trimmed(trimEdge, shift(trimEdge === "trim-start" ? edit.trimStart : edit.trimEnd)), true);
    return true;
  }
  const row = /** @type {HTMLElement | null} */ (target.closest(".row"));
  if (row || target === part("knob")) return handleRowKey(event.key, row?.dataset.leaf, direction, shift);
  return false;
}

/** @param {string} key */
function handleViewKey(key) {
  if (key === "+" || key === "=") zoomBy(ZOOM_STEP);
  else if (key === "-") zoomBy(1 / ZOOM_STEP);
  else if (key === "0") zoomBy(0);
  else if (key === " " && players.any()) players.toggle();
  else return false;
  return true;
}

/**
 * @param {KeyboardEvent} event
 * @param {Span} span
 * @param {number} direction
 * @param {(frame: number, exceptId: number) => number} shift
 */
function handleSpanKey(event, span, direction, shift) {
  const edge = /** @type {Edge | undefined} */ (targetOf(event).dataset.edge);
  const told = () => `${describe(spanById(edit.spans, span.id))}.`;
  if (direction) {
    const spans = edge
      ? resizeSpan(edit.spans, span.id, edge, shift(span[edge], span.id), reach())
      : moveSpan(edit.spans, span.id, shift(span.start, span.id), reach());
    commit({ spans }, told, true);
    bringIntoView(spanById(edit.spans, span.id)[edge ?? "start"]);
  } else if (event.key === "Delete" || event.key === "Backspace") deleteSpan(span);
  else if (event.key === "s" || event.key === "S") split(span);
  else if (event.key === "l" || event.key === "L") toggleLock(span);
  else if (event.key === "Escape") {
    if (edge) spanElements.get(span.id)?.focus();
    else {
      rowElement(span.leaf).focus();
      select(null);
    }
  } else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
    focusRow(span.leaf, event.key === "ArrowUp" ? -1 : 1, span.start);
  } else return false;
  return true;
}

/**
 * @param {string} key
 * @param {string | undefined} leaf
 * @param {number} direction
 * @param {(frame: number) => number} shift
 */
function handleRowKey(key, leaf, direction, shift) {
  if (direction) goTo(shift(Math.round(cursor)));
  else if (key === "Home") goTo(0);
  else if (key === "End") goTo(numFrames);
  else if (leaf && key === "Enter") createAtCursor(leaf);
  else if (leaf && key === "Escape") select(null);
  else if (leaf && (key === "ArrowUp" || key === "ArrowDown")) focusRow(leaf, key === "ArrowUp" ? -1 : 1);
  else return false;
  return true;
}

/** @param {number} frame */
function goTo(frame) {
  setCursor(frame);
  bringIntoView(cursor);
  announceCursor();
}

/**
 * The row above or below; coming from a span, the span there that lies nearest.
 * @param {string} leaf @param {number} direction @param {number | null} nearFrame
 */
function focusRow(leaf, direction, nearFrame = null) {
  const next = SETTINGS.rows[SETTINGS.rows.indexOf(leaf) + direction];
  if (!next) return;
  const there = rowOf(edit.spans, next);
  if (nearFrame === null || !there.length) return rowElement(next).focus();
  focusSpan(there.reduce((a, b) => (Math.abs(b.start - nearFrame) < Math.abs(a.start - nearFrame) ? b : a)).id);
}

function listenToTools() {
  /** @param {(span: Span) => void} action */
  const withSelected = (action) => {
    const span = findSpan(edit.spans, selectedId);
    if (span) action(span);
  };
  const actions = {
    undo,
    redo,
    split: () => withSelected(split),
    lock: () => withSelected(toggleLock),
    delete: () => withSelected(deleteSpan),
    snap() {
      isSnapping = !isSnapping;
      tool("snap").setAttribute("aria-pressed", String(isSnapping));
    },
    back: () => scrollPage(-1),
    on: () => scrollPage(1),
    out: () => zoomBy(1 / ZOOM_STEP),
    fit: () => zoomBy(0),
    in: () => zoomBy(ZOOM_STEP),
  };
  for (const [name, action] of Object.entries(actions)) {
    tool(name).addEventListener("click", () => {
      if (tool(name).getAttribute("aria-disabled") !== "true") action();
    });
  }
  for (const input of modes) {
    input.name = `${element.id}-mode`;
    input.addEventListener("change", () => {
      mode = input.value;
    });
  }
  blend.max = String(SETTINGS.maxBlendFrames);
  blend.addEventListener("change", () => setBlend(blend.valueAsNumber));
}
