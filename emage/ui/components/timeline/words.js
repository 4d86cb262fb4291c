// The words of the transcript. A list of words is never changed; every function returns another one. Times are seconds,
// to the last digit as they were given: what is not edited comes back as it was.

const UNSURE_BELOW = SETTINGS.unsureBelow;

/** Its first and last frame, end exclusive and not rounded, within the recording. @param {Word} word */
function framesOfWord([, start_s, end_s]) {
  return [start_s, end_s].map((second) => Math.min(second * SETTINGS.fps, numFrames));
}

/** @param {Word} word */
function isUnsure([, , , confidence]) {
  return confidence !== null && confidence < UNSURE_BELOW;
}

/** @param {Word} word */
function describeWord([text, start_s, end_s, confidence]) {
  const sure = confidence === null ? "" : `, recognised, ${Math.round(100 * confidence)} % sure`;
  return `${text}, ${start_s.toFixed(2)} to ${end_s.toFixed(2)} s${sure}`;
}

/** The index of the word that is said at a frame; -1 where none is. @param {number} frame */
function wordIndexAt(frame) {
  return shownWords().findIndex((word) => {
    const [start, end] = framesOfWord(word);
    return start <= frame && frame < end;
  });
}

/** The word that is said at a frame. @param {number} frame */
function wordAt(frame) {
  return shownWords()[wordIndexAt(frame)] ?? null;
}

/**
 * A word at another time. Neighbours that are in the way become shorter, down to a frame.
 * @param {Word[]} words @param {number} index @param {number} start frame @param {number} end frame
 */
function placeWord(words, index, start, end) {
  const frame_s = 1 / SETTINGS.fps;
  const [text, , , confidence] = words[index];
  const [before, after] = [words[index - 1], words[index + 1]];
  const least = before ? before[1] + frame_s : 0;
  const most = after ? after[2] - frame_s : numFrames * frame_s;
  const start_s = clamp(start * frame_s, least, Math.max(least, most - frame_s));
  const end_s = clamp(end * frame_s, start_s + frame_s, Math.max(start_s + frame_s, most));
  const result = words.slice();
  result[index] = /** @type {Word} */ ([text, start_s, end_s, confidence]);
  if (before && before[2] > start_s) result[index - 1] = [before[0], before[1], start_s, before[3]];
  if (after && after[1] < end_s) result[index + 1] = [after[0], end_s, after[2], after[3]];
  return result;
}

/**
 * As it was before or after; both ends move by the same.
 * @param {Word[]} words @param {number} index @param {number} start frame
 */
function moveWord(words, index, start) {
  const [from, to] = framesOfWord(words[index]);
  const { least, most } = roomOfWord(words, index);
  const first = clamp(start, least, Math.max(least, most - (to - from)));
  return placeWord(words, index, first, first + to - from);
}

/** Between which frames a word can be. @param {Word[]} words @param {number} index */
function roomOfWord(words, index) {
  const [before, after] = [words[index - 1], words[index + 1]];
  return {
    least: before ? framesOfWord(before)[0] + 1 : 0,
    most: after ? framesOfWord(after)[1] - 1 : numFrames,
  };
}

/**
 * Several words share the time by their letters; of an empty text nothing is left. A person has said what it is.
 * @param {Word[]} words @param {number} index @param {string} text
 */
function rewriteWord(words, index, text) {
  const [, start_s, end_s] = words[index];
  const texts = text.split(/\s+/).filter(Boolean).map((each) => each.slice(0, SETTINGS.maxWordCharacters));
  const total = texts.reduce((sum, each) => sum + each.length, 0);
  let at = 0;
  const written = texts.map((each) => {
    const from = start_s + ((end_s - start_s) * at) / total;
    at += each.length;
    return /** @type {Word} */ ([each, from, at === total ? end_s : start_s + ((end_s - start_s) * at) / total, null]);
  });
  return [...words.slice(0, index), ...written, ...words.slice(index + 1)];
}

/** @param {CanvasRenderingContext2D} context @param {View} view */
function drawWords(context, { width, first }) {
  const [ground, ink, line] = [color("--word"), color("--body-text-color"), color("--muted")];
  const [currentGround, currentInk] = [color("--focus"), color("--background-fill-primary")];
  const top = RULER_HEIGHT + WAVE_HEIGHT + 2;
  const height = WORDS_HEIGHT - 5;
  for (const word of shownWords()) {
    const [start, end] = framesOfWord(word);
    const left = (start - first) * pixelsPerFrame;
    const right = (end - first) * pixelsPerFrame;
    if (right < 0 || left > width || right <= left) continue;
    const isCurrent = start <= cursor && cursor < end;
    const unsure = isUnsure(word);
    context.fillStyle = isCurrent ? currentGround : unsure ? "transparent" : ground;
    context.strokeStyle = line;
    context.beginPath();
    context.roundRect(left + 0.5, top, Math.max(1, right - left - 1), height, 4);
    context.fill();
    if (unsure) {
      context.setLineDash([2, 2]);
      context.stroke();
      context.setLineDash([]);
    }
    if (right - left < 14) continue;
    context.save();
    context.clip();
    context.fillStyle = isCurrent ? currentInk : unsure ? line : ink;
    const textWidth = context.measureText(word[0]).width;
    context.fillText(word[0], Math.max(left + 4, (left + right - textWidth) / 2), top + height / 2 + 0.5);
    context.restore();
  }
}
