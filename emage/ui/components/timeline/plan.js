// Editing a plan. A list of spans is never changed; every function returns another one, so undoing is keeping the old
// list.
//
// A span of both hands lies in two rows. Its halves share the object `group`, and as long as they are alike they are
// written as the one span that they were read from.

let lastSpanId = 0;

/** @param {PlanJson} plan @returns {Span[]} */
function spansOfPlan(plan) {
  return plan.spans.flatMap(({ part, start_frame, end_frame, mode }) => {
    const leaves = SETTINGS.leavesOf[part];
    const group = leaves.length > 1 ? { part } : null;
    return leaves.map((leaf) => ({ id: ++lastSpanId, leaf, start: start_frame, end: end_frame, mode, group }));
  });
}

/** @param {Span[]} spans @param {number | null} blendFrames @returns {PlanJson} */
function planOfSpans(spans, blendFrames) {
  const written = new Set();
  const result = [];
  for (const span of spans) {
    if (written.has(span)) continue;
    const { group } = span;
    const twins = group ? spans.filter((other) => other.group === group && isAlike(other, span)) : [];
    const isWhole = group && twins.length === SETTINGS.leavesOf[group.part].length;
    for (const twin of isWhole ? twins : [span]) written.add(twin);
    const part = isWhole ? group.part : span.leaf;
    result.push({ part, start_frame: span.start, end_frame: span.end, mode: span.mode });
  }
  return { spans: result, blend_frames: blendFrames };
}

/** @param {Span} a @param {Span} b */
function isAlike(a, b) {
  return a.start === b.start && a.end === b.end && a.mode === b.mode;
}

/** @param {Span[]} spans @param {number | null} id */
function findSpan(spans, id) {
  return spans.find((span) => span.id === id) ?? null;
}

/** @param {Span[]} spans @param {number} id */
function spanById(spans, id) {
  return /** @type {Span} */ (findSpan(spans, id));
}

/** The spans of a row by time. @param {Span[]} spans @param {string} leaf */
function rowOf(spans, leaf) {
  return spans.filter((span) => span.leaf === leaf).toSorted((a, b) => a.start - b.start || a.end - b.end);
}

/**
 * Where a row has no span within `reach`, the frames that can be painted; the span `exceptId` is looked through.
 * @param {Span[]} spans @param {string} leaf @param {Reach} reach @param {number | null} exceptId
 */
function gapsOf(spans, leaf, reach, exceptId = null) {
  /** @type {[start: number, end: number][]} */
  const gaps = [];
  let [reached, limit] = reach;
  for (const span of rowOf(spans, leaf)) {
    if (span.id === exceptId) continue;
    if (span.start > reached) gaps.push([reached, Math.min(span.start, limit)]);
    reached = Math.max(reached, span.end);
  }
  if (reached < limit) gaps.push([reached, limit]);
  return gaps.filter(([start, end]) => end > start);
}

/**
 * The gap around a frame; at the very end of the row, the one before it.
 * @param {Span[]} spans @param {string} leaf @param {Reach} reach @param {number} frame
 */
function gapAt(spans, leaf, reach, frame) {
  const gaps = gapsOf(spans, leaf, reach);
  return gaps.find(([start, end]) => start <= frame && frame < end) ?? gaps.find(([, end]) => end === frame) ?? null;
}

/**
 * A plan may come with spans of one mode that overlap. Before a row is edited they are joined; `keepId` lives on.
 * @param {Span[]} spans @param {string} leaf @param {number | null} keepId
 */
function withoutOverlaps(spans, leaf, keepId = null) {
  let result = spans;
  /** @type {Span | null} */
  let last = null;
  for (const span of rowOf(spans, leaf)) {
    if (!last || span.start >= last.end) {
      last = span;
      continue;
    }
    const [kept, gone] = span.id === keepId ? [span.id, last.id] : [last.id, span.id];
    const reach = { start: last.start, end: Math.max(last.end, span.end) };
    result = replaceSpan(removeSpan(result, gone), kept, reach);
    last = spanById(result, kept);
  }
  return result;
}

/** @param {Span[]} spans @param {number} id @param {Partial<Span>} changes */
function replaceSpan(spans, id, changes) {
  return spans.map((span) => (span.id === id ? { ...span, ...changes } : span));
}

/** @param {Span[]} spans @param {string} leaf @param {number} start @param {number} end @param {string} mode */
function addSpan(spans, leaf, start, end, mode, id = ++lastSpanId) {
  return [...spans, { id, leaf, start, end, mode, group: null }];
}

/** @param {Span[]} spans @param {number} id */
function removeSpan(spans, id) {
  return spans.filter((span) => span.id !== id);
}

/**
 * To the free place nearest to `start`, beyond neighbours if need be.
 * @param {Span[]} spans @param {number} id @param {number} start @param {Reach} reach
 */
function moveSpan(spans, id, start, reach) {
  const { leaf } = spanById(spans, id);
  spans = withoutOverlaps(spans, leaf, id);
  const span = spanById(spans, id);
  const length = span.end - span.start;
  const places = gapsOf(spans, leaf, reach, id)
    .filter((gap) => gap[1] - gap[0] >= length)
    .map((gap) => clamp(start, gap[0], gap[1] - length));
  if (!places.length) return spans;
  const nearest = places.reduce((a, b) => (Math.abs(b - start) < Math.abs(a - start) ? b : a));
  return replaceSpan(spans, id, { start: nearest, end: nearest + length });
}

/**
 * One end of a span, up to its neighbour and not past its other end.
 * @param {Span[]} spans @param {number} id @param {Edge} edge @param {number} frame @param {Reach} reach
 */
function resizeSpan(spans, id, edge, frame, reach) {
  const { leaf } = spanById(spans, id);
  spans = withoutOverlaps(spans, leaf, id);
  const span = spanById(spans, id);
  const others = rowOf(spans, leaf).filter((other) => other.id !== id);
  if (edge === "start") {
    const least = Math.max(
      Math.min(reach[0], span.start),
      ...others.filter((other) => other.end <= span.start).map((other) => other.end)
    );
    return replaceSpan(spans, id, { start: clamp(frame, least, span.end - 1) });
  }
  const most = Math.min(
    Math.max(reach[1], span.end),
    ...others.filter((other) => other.start >= span.end).map((other) => other.start)
  );
  return replaceSpan(spans, id, { end: clamp(frame, span.start + 1, most) });
}

/**
 * In two at `frame`. The first half keeps its id. null: that is not inside.
 * @param {Span[]} spans @param {number} id @param {number} frame
 */
function splitSpan(spans, id, frame) {
  const { leaf } = spanById(spans, id);
  spans = withoutOverlaps(spans, leaf, id);
  const span = spanById(spans, id);
  if (frame <= span.start || span.end <= frame) return null;
  const halves = [
    { ...span, end: frame, group: null },
    { ...span, id: ++lastSpanId, start: frame, group: null },
  ];
  return spans.flatMap((other) => (other.id === id ? halves : [other]));
}

/** @param {Span[]} spans @param {number} id @param {string} mode */
function setSpanMode(spans, id, mode) {
  const { leaf } = spanById(spans, id);
  return replaceSpan(withoutOverlaps(spans, leaf, id), id, { mode });
}

/** @param {Span[]} spans @param {string} leaf */
function clearRow(spans, leaf) {
  return spans.filter((span) => span.leaf !== leaf);
}

/** @param {Span[]} spans @param {string} leaf @param {Reach} reach @param {string} mode */
function fillRow(spans, leaf, reach, mode) {
  return addSpan(clearRow(spans, leaf), leaf, ...reach, mode);
}

/** How much of a row is a hint. @param {Span[]} spans @param {string} leaf @param {Reach} reach */
function coverageOf(spans, leaf, reach) {
  if (!spans.some((span) => span.leaf === leaf)) return "none";
  return gapsOf(spans, leaf, reach).length ? "some" : "all";
}
