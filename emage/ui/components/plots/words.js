// What is written beside the charts, and what is said of them to those who do not see them.

const SPANS_SAID = 6;

/** m:ss.ff, as the axis has it. @param {number} frame */
function clock(frame) {
  const hundredths = Math.round((frame / SETTINGS.fps) * 100);
  const rest = ((hundredths % 6000) / 100).toFixed(2).padStart(5, "0");
  return `${Math.floor(hundredths / 6000)}:${rest}`;
}

/** Of a column of several frames the mean. @param {Value | null} value @param {number} digits */
function written(value, digits) {
  return value ? value.mean.toFixed(digits) : "—";
}

/** @param {Value | null} value @param {number} digits */
function rangeOf(value, digits) {
  const [low, high] = [value?.low.toFixed(digits), value?.high.toFixed(digits)];
  return low === high ? "" : `${low}–${high}`;
}

function showTakes() {
  const rows = takes.map((take, index) => {
    const caption = make("span", { class: "caption" }, captionOf(take));
    const button = make("button", { "aria-pressed": "true" }, make("i", { class: "key" }), caption);
    button.addEventListener("click", () => toggleTake(index));
    const values = (/** @type {string} */ name) => make("td", { class: name }, make("b"), make("small"));
    const mean = (/** @type {string} */ text) => make("td", { class: "mean" }, text);
    const row = make(
      "tr",
      { "data-take": index },
      make("th", { scope: "row" }, button),
      values("hands"),
      mean(take.mean_hand_speed.toFixed(2)),
      values("jaw"),
      mean(take.mean_jaw.toFixed(1))
    );
    row.style.setProperty("--take", take.color);
    row.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && setHighlit(index));
    row.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && setHighlit(null));
    button.addEventListener("focus", () => button.matches(":focus-visible") && setHighlit(index));
    button.addEventListener("blur", () => setHighlit(null));
    return row;
  });
  part("takes").replaceChildren(...rows);
  part("length").textContent = `of ${clock(numFrames)}`;
  const step = Math.max(1, ...takes.map((take) => take.hands.step));
  part("columns").textContent =
    step > 1
      ? `Each point stands for ${inSeconds(step)} seconds: the line is their mean, the band goes from the least to ` +
        "the greatest value."
      : "";
}

/** @param {number} index */
function toggleTake(index) {
  if (!hidden.delete(index)) hidden.add(index);
  const row = part("takes").children[index];
  row.classList.toggle("is-hidden", hidden.has(index));
  row.querySelector("button")?.setAttribute("aria-pressed", String(!hidden.has(index)));
  showHints();
  describeCursor();
  drawSoon();
}

/** @param {number | null} index */
function setHighlit(index) {
  if (highlit === index) return;
  highlit = index;
  drawSoon();
}

// Rows of hints; takes with one plan share theirs.
function showHints() {
  const groups = Map.groupBy(shownTakes(), (take) => JSON.stringify(take.spans));
  const nodes = [...groups.values()].flatMap((group) => {
    if (!group[0].spans.length) return [];
    const owners = group.map((take) => {
      const owner = make("span", { class: "owner" }, make("i", { class: "key" }), captionOf(take));
      owner.style.setProperty("--take", take.color);
      return owner;
    });
    const lanes = SETTINGS.parts.flatMap((name) => {
      const spans = group[0].spans.filter((span) => span.part === name);
      if (!spans.length) return [];
      const lane = make("div", { class: "lane" }, ...spans.map(hintElement));
      return [make("div", { class: "row" }, make("span", { class: "name" }, SETTINGS.labels[name][1]), lane)];
    });
    return [make("div", { class: "owners" }, "Hints of ", ...owners), ...lanes];
  });
  part("hints").replaceChildren(...nodes);
}

/** @param {SpanJson} span */
function hintElement(span) {
  const isLocked = span.mode === SETTINGS.lock;
  const node = make("div", { class: isLocked ? "hint locked" : "hint", title: describeSpan(span) });
  node.append(make("span", {}, isLocked ? "locked" : "follow"));
  return place(node, span.start_frame, span.end_frame);
}

/** @param {Take} take */
function captionOf(take) {
  return take.caption || `Take ${takes.indexOf(take) + 1}`;
}

/** @param {Take} take */
function describeTake(take) {
  const [, fastest] = extremes([take.hands]);
  const [, widest] = extremes([take.jawOpen]);
  const said = take.spans.slice(0, SPANS_SAID).map(describeSpan).join("; ");
  const more = take.spans.length > SPANS_SAID ? `; and ${take.spans.length - SPANS_SAID} more` : "";
  return (
    `${captionOf(take)}: the hands move at ${take.mean_hand_speed.toFixed(2)} m/s on average and ` +
    `${fastest.toFixed(2)} m/s at most; the jaw is open by ${take.mean_jaw.toFixed(1)} degrees on average and ` +
    `${widest.toFixed(1)} at most. ${said ? `Hints: ${said}${more}.` : "No hints."}`
  );
}

function showSummary() {
  const number = takes.length === 1 ? "one take" : `${takes.length} takes`;
  part("charts").setAttribute(
    "aria-label",
    `Two charts over ${inSeconds(numFrames)} seconds of ${number}: the speed of the hands with ${onsets_s.length} ` +
      "onsets of the audio, and the opening of the jaw with the loudness. A sentence on each take follows."
  );
  part("summary").replaceChildren(make("ul", {}, ...takes.map((take) => make("li", {}, describeTake(take)))));
}

function showTime() {
  const frame = shownFrame();
  part("clock").textContent = clock(pointed ?? playhead);
  part("playhead").style.setProperty("--at", String(numFrames ? playhead / numFrames : 0));
  part("crosshair").hidden = pointed === null;
  // A curve's point stands in the middle of its frame.
  part("crosshair").style.setProperty("--at", String(numFrames ? clamp((frame + 0.5) / numFrames, 0, 1) : 0));
  part("loudness").textContent = loudness ? written(valueAt(loudness, frame), 2) : "";
  takes.forEach((take, index) => {
    const row = part("takes").children[index];
    const write = (/** @type {number} */ cell, /** @type {Curve} */ curve, /** @type {number} */ digits) => {
      const value = valueAt(curve, frame);
      const [number, range] = row.children[cell].children;
      number.textContent = written(value, digits);
      range.textContent = rangeOf(value, digits);
    };
    write(1, take.hands, 2);
    write(3, take.jawOpen, 1);
  });
  showHeard(frame);
  describeCursor();
}

function describeCursor() {
  const frame = shownFrame();
  const cursor = part("cursor");
  cursor.setAttribute("aria-valuemin", "0");
  cursor.setAttribute("aria-valuemax", String(Math.max(0, numFrames - 1)));
  cursor.setAttribute("aria-valuenow", String(frame));
  // A value that changes thirty times a second would be read out without end.
  if (isPlaying) return;
  const values = shownTakes().map((take) => {
    const hands = written(valueAt(take.hands, frame), 2);
    return `${captionOf(take)}: hands ${hands} m/s, jaw ${written(valueAt(take.jawOpen, frame), 1)} degrees`;
  });
  cursor.setAttribute("aria-valuetext", [`${inSeconds(frame)} seconds`, ...values].join("; "));
}
