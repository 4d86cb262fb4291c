// The state made visible. All positions are frames; CSS turns them into pixels with --ppf.

const MOST_PIXELS_PER_FRAME = 24;
const TAG_PIXELS = 66; // a narrower span shows its icon alone
const TINY_PIXELS = 20; // and one still narrower nothing

/** @type {Map<string, { row: HTMLElement, lane: HTMLElement, toggle: HTMLElement }>} by leaf */
const rowElements = new Map();
/** @type {Map<number, HTMLElement>} by id */
const spanElements = new Map();

function makeRows() {
  for (const leaf of SETTINGS.rows) {
    const [label, short] = SETTINGS.labels[leaf];
    const toggle = make(
      "button",
      { "data-leaf": leaf, "aria-label": `${label}: whole row as hint`, title: `${label}: whole row` },
      icon(leaf),
      make("span", { class: "name" }, make("span", { class: "full" }, label), make("span", { class: "short" }, short)),
      make("span", { class: "switch" })
    );
    toggle.addEventListener("click", () => toggleRow(leaf));
    const head = make("div", { class: "head", role: "rowheader", "aria-label": label }, toggle);
    const lane = make("div", { class: "lane", role: "presentation", "data-leaf": leaf });
    const row = make("div", { class: "row", role: "row", tabindex: "0", "data-leaf": leaf }, head, lane);
    part("rows").append(row);
    rowElements.set(leaf, { row, lane, toggle });
  }
}

/** @param {string} leaf */
function rowElement(leaf) {
  return /** @type {HTMLElement} */ (rowElements.get(leaf)?.row);
}

/** @param {number} id */
function makeSpanElement(id) {
  const tag = make("span", { class: "tag" });
  const node = make("div", { class: "span hint", role: "gridcell", tabindex: "0", "data-id": id }, tag);
  for (const edge of ["start", "end"]) {
    node.append(make("div", { class: "handle", role: "slider", tabindex: "-1", "data-edge": edge }));
  }
  return node;
}

/** Of the lanes in view. */
function laneWidth() {
  return Math.max(0, scroller.clientWidth - headWidth());
}

function headWidth() {
  return part("corner").offsetWidth;
}

/**
 * After the length, the zoom or the size of the component has changed.
 * @param {number | null} anchor the frame that stays in place
 */
function layOut(anchor = null) {
  const anchorFrame = anchor ?? cursor;
  const before = anchorFrame * pixelsPerFrame - scroller.scrollLeft;
  const width = laneWidth();
  const most = numFrames ? Math.max(1, (MOST_PIXELS_PER_FRAME * numFrames) / Math.max(1, width)) : 1;
  zoom = clamp(zoom, 1, most);
  pixelsPerFrame = numFrames ? (width / numFrames) * zoom : 0;
  content.style.setProperty("--frames", String(numFrames));
  content.style.setProperty("--ppf", `${pixelsPerFrame}px`);
  content.style.setProperty("--tick", String(tickStep(pixelsPerFrame * SETTINGS.fps) * SETTINGS.fps));
  const isInView = 0 <= before && before <= width;
  scroller.scrollLeft = anchorFrame * pixelsPerFrame - (isInView ? before : width / 2);
  setDisabled("out", zoom <= 1);
  setDisabled("fit", zoom <= 1);
  setDisabled("in", zoom >= most);
  setDisabled("back", zoom <= 1);
  setDisabled("on", zoom <= 1);
  render();
}

/** @param {string} name @param {boolean} isDisabled */
function setDisabled(name, isDisabled) {
  tool(name).setAttribute("aria-disabled", String(isDisabled));
}

const drawSoon = soon(draw);

/** What cannot be done, and why: read out, and seen until something else is. @param {string} text */
function tell(text) {
  render();
  part("selection").classList.add("told");
  part("selection").textContent = text;
  announce(text);
}

function render(spans = drag?.spans ?? edit.spans) {
  const isEmpty = numFrames === 0;
  root.classList.toggle("is-empty", isEmpty);
  part("toolbar").inert = isEmpty;
  scroller.inert = isEmpty;
  if (!findSpan(spans, selectedId)) selectedId = null;
  renderRows(spans);
  renderTools(spans);
  const [trimStart, trimEnd] = drag?.trim ?? [edit.trimStart, edit.trimEnd];
  place(trimStart, "trim-start", "shade-start");
  place(trimEnd, "trim-end", "shade-end");
  describeSlider(part("trim-start"), trimStart, 0, Math.max(0, trimEnd - 1));
  describeSlider(part("trim-end"), trimEnd, trimStart + 1, numFrames);
  const [from, to] = reach();
  place(from, "before");
  place(from < to ? to : 0, "beyond");
  part("before").hidden = from === 0 || from >= to;
  part("beyond").hidden = to >= numFrames && from < to;
  renderCursor();
  renderWords();
  renderWarnings();
  drawSoon();
}

/** @param {Span[]} spans */
function renderRows(spans) {
  const seen = new Set();
  for (const [leaf, { row, lane, toggle }] of rowElements) {
    const inRow = rowOf(spans, leaf);
    const coverage = coverageOf(spans, leaf, reach());
    toggle.setAttribute("aria-pressed", { none: "false", some: "mixed", all: "true" }[coverage]);
    const count = ["generated", "1 hint"][inRow.length] ?? `${inRow.length} hints`;
    row.setAttribute("aria-label", `${labelOf(leaf)}, ${count}`);
    const nodes = inRow.map((span) => renderSpan(span));
    arrange(lane, nodes);
    for (const span of inRow) seen.add(span.id);
  }
  for (const [id, node] of spanElements) {
    if (seen.has(id)) continue;
    node.remove();
    spanElements.delete(id);
  }
}

/** @param {Span} span */
function renderSpan(span) {
  const node = spanElements.get(span.id) ?? makeSpanElement(span.id);
  spanElements.set(span.id, node);
  const isLocked = span.mode === SETTINGS.lock;
  const isSelected = span.id === selectedId;
  const width = (span.end - span.start) * pixelsPerFrame;
  const blended = edit.blendFrames ?? SETTINGS.leastBlendFrames; // how many it will be is known when the take is made
  const places = {
    start: span.start,
    end: span.end,
    "blend-before": Math.min(blended, span.start),
    "blend-after": Math.min(blended, numFrames - span.end),
  };
  for (const [name, frames] of Object.entries(places)) node.style.setProperty(`--${name}`, String(frames));
  node.classList.toggle("locked", isLocked);
  node.classList.toggle("selected", isSelected);
  node.classList.toggle("narrow", width < TAG_PIXELS);
  node.classList.toggle("tiny", width < TINY_PIXELS);
  node.classList.toggle("painted", drag?.paints === span.id);
  const fault = faultOf(span, drag?.trim ?? [edit.trimStart, edit.trimEnd]);
  node.classList.toggle("faulty", Boolean(fault));
  node.setAttribute("aria-label", describe(span));
  node.setAttribute("aria-selected", String(isSelected));
  node.title = `${describe(span)} (${span.end - span.start} frames)${fault && `. ${fault}`}`;
  const [tag, first, last] = /** @type {HTMLCollectionOf<HTMLElement>} */ (node.children);
  if (tag.dataset.mode !== span.mode) {
    tag.dataset.mode = span.mode;
    tag.replaceChildren(icon(isLocked ? "lock" : "follow"), make("b", {}, isLocked ? "locked" : "follows"));
  }
  const name = labelOf(span.leaf);
  first.setAttribute("aria-label", `Start of ${name}`);
  last.setAttribute("aria-label", `End of ${name}`);
  describeSlider(first, span.start, 0, span.end - 1);
  describeSlider(last, span.end, span.start + 1, Math.max(reach()[1], span.end));
  for (const handle of [first, last]) handle.tabIndex = isSelected ? 0 : -1;
  return node;
}

/**
 * In the order of time, for that is the order of Tab. The focused one is not moved, or it would lose the focus.
 * @param {HTMLElement} lane @param {HTMLElement[]} nodes
 */
function arrange(lane, nodes) {
  if (nodes.length === lane.children.length && nodes.every((node, i) => lane.children[i] === node)) return;
  const kept = Math.max(0, nodes.findIndex((node) => node.contains(active())));
  if (nodes.length && nodes[kept].parentNode !== lane) lane.append(nodes[kept]);
  nodes.slice(0, kept).forEach((node) => lane.insertBefore(node, nodes[kept]));
  nodes.slice(kept + 1).forEach((node) => lane.append(node));
}

function active() {
  return document.activeElement;
}

/** @param {HTMLElement} node @param {number} frame @param {number} least @param {number} most */
function describeSlider(node, frame, least, most) {
  const told = { valuemin: least, valuemax: most, valuenow: Math.round(frame), valuetext: seconds(frame) };
  for (const [name, value] of Object.entries(told)) node.setAttribute(`aria-${name}`, String(value));
}

/** @param {number} frame @param {string[]} names of the parts that stand there */
function place(frame, ...names) {
  for (const name of names) part(name).style.setProperty("--frame", String(frame));
}

/** @param {Span[]} spans */
function renderTools(spans) {
  const selected = findSpan(spans, drag?.paints ?? selectedId);
  setDisabled("undo", !past.length);
  setDisabled("redo", !future.length);
  setDisabled("lock", !selected);
  setDisabled("delete", !selected);
  tool("lock").setAttribute("aria-pressed", String(selected?.mode === SETTINGS.lock));
  renderSplit(selected);
  for (const input of modes) input.checked = input.value === mode;
  blend.value = String(edit.blendFrames ?? "");
  part("selection").classList.remove("told");
  part("selection").textContent = selected
    ? `${describe(selected)} · ${selected.end - selected.start} frames`
    : "Drag in a row to paint a hint.";
  part("length").textContent = numFrames ? `/ ${seconds(numFrames)}` : "";
}

/** @param {Span | null} selected */
function renderSplit(selected) {
  const frame = Math.round(cursor);
  setDisabled("split", !selected || frame <= selected.start || selected.end <= frame);
}

function renderCursor() {
  renderSplit(findSpan(edit.spans, selectedId));
  place(cursor, "playhead", "knob");
  describeSlider(part("knob"), cursor, 0, numFrames);
  part("clock").textContent = seconds(cursor);
  part("playhead").hidden = part("knob").hidden = !numFrames;
}

const MOST_FAULTS = 3; // told one by one

/** Of the recording; and, below the rows so that these stay where they are, of hints that Generate would refuse. */
function renderWarnings() {
  const faults = edit.spans.flatMap((span) => {
    const fault = faultOf(span, [edit.trimStart, edit.trimEnd]);
    return fault ? [`${describe(span)}: ${fault}`] : [];
  });
  const more = faults.length - MOST_FAULTS;
  const rest = more > 0 ? [`${more === 1 ? "One more hint is" : `${more} more hints are`} marked red.`] : [];
  showWarnings("warnings", behind()?.warnings ?? []);
  showWarnings("faults", [...faults.slice(0, MOST_FAULTS), ...rest]);
}

/** @param {string} name @param {string[]} warnings */
function showWarnings(name, warnings) {
  const holder = part(name);
  if (holder.dataset.shown === warnings.join()) return; // or they would be read out again
  holder.dataset.shown = warnings.join();
  holder.replaceChildren(...warnings.map((text) => make("p", {}, icon("warning"), make("span", {}, text))));
}
