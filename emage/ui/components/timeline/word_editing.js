// Correcting and moving words: by mouse and finger on their lane, by keys, and in the fields below.

const wordBox = part("word");
const wordText = /** @type {HTMLInputElement} */ (part("word-text"));
/** @type {Record<Edge, HTMLInputElement>} */
const wordTimes = {
  start: /** @type {HTMLInputElement} */ (part("word-start")),
  end: /** @type {HTMLInputElement} */ (part("word-end")),
};
/** @type {number | null} */
let selectedWord = null; // its index

/** @param {number | null} index */
function selectWord(index) {
  if (selectedWord === index) return;
  selectedWord = index;
  if (index !== null) selectedId = null;
  render();
}

/** What the lane, the selected word and the fields below show. */
function renderWords() {
  const words = shownWords();
  const lane = part("words");
  part("of-words").hidden = lane.hidden = !words.length;
  part("unsure").hidden = !words.some(isUnsure);
  lane.setAttribute("aria-label", `Words: ${words.length}. Arrow keys choose one, Enter corrects it`);
  const word = selectedWord === null ? null : (words[selectedWord] ?? null);
  part("word-bar").hidden = wordBox.hidden = !word;
  part("selection").hidden = Boolean(word);
  if (!word) return;
  const [start, end] = framesOfWord(word);
  wordBox.style.setProperty("--start", String(start));
  wordBox.style.setProperty("--end", String(end));
  wordBox.setAttribute("aria-label", describeWord(word));
  wordBox.title = describeWord(word);
  const { least, most } = roomOfWord(words, selectedWord ?? 0);
  const [first, last] = /** @type {HTMLCollectionOf<HTMLElement>} */ (wordBox.children);
  describeSlider(first, start, least, end - 1);
  describeSlider(last, end, start + 1, most);
  part("word-sure").textContent = word[3] === null ? "" : `${Math.round(100 * word[3])} % sure`;
  part("word-sure").classList.toggle("unsure", isUnsure(word));
  if (active() !== wordText) wordText.value = word[0];
  if (active() !== wordTimes.start) wordTimes.start.value = word[1].toFixed(2);
  if (active() !== wordTimes.end) wordTimes.end.value = word[2].toFixed(2);
}

/** @param {Word[]} words @param {number} index */
function commitWords(words, index, isHeldKey = false) {
  return commit({ words }, () => (words[index] ? `${describeWord(words[index])}.` : "Deleted."), isHeldKey);
}

/** @param {number} direction */
function stepWord(direction) {
  const words = shownWords();
  const at = selectedWord ?? (direction > 0 ? -1 : words.length);
  const index = clamp(at + direction, 0, words.length - 1);
  selectWord(index);
  goTo(Math.ceil(framesOfWord(words[index])[0]));
  announce(describeWord(words[index]));
}

function deleteWord() {
  if (selectedWord === null) return;
  const text = shownWords()[selectedWord][0];
  commit({ words: rewriteWord(edit.words, selectedWord, "") }, `Deleted: ${text}.`);
  selectWord(null);
  (part("words").hidden ? rowElement(SETTINGS.rows[0]) : part("words")).focus({ preventScroll: true });
}

// What stands in the field, also where it is what was guessed: a person has looked at it.
function correctWord() {
  const word = selectedWord === null ? null : edit.words[selectedWord];
  if (selectedWord === null || !word) return;
  const text = wordText.value.trim();
  if (!text) return deleteWord();
  if (text !== word[0] || word[3] !== null) commitWords(rewriteWord(edit.words, selectedWord, text), selectedWord);
}

/** @param {Edge} edge */
function timeWord(edge) {
  const second = wordTimes[edge].valueAsNumber;
  if (selectedWord === null || !Number.isFinite(second)) return render();
  const [start, end] = framesOfWord(edit.words[selectedWord]);
  const frames = edge === "start" ? [second * SETTINGS.fps, end] : [start, second * SETTINGS.fps];
  commitWords(placeWord(edit.words, selectedWord, frames[0], frames[1]), selectedWord);
}

/**
 * @param {KeyboardEvent} event
 * @param {number} direction
 * @param {(frame: number) => number} shift
 */
function handleWordKey(event, direction, shift) {
  const target = targetOf(event);
  if (target === part("words")) {
    if (direction) stepWord(direction);
    else if (event.key === "Escape") selectWord(null);
    else if (event.key === "Enter" || event.key === "F2") editWord();
    else if (event.key === "Delete" || event.key === "Backspace") deleteWord();
    else return false;
    return true;
  }
  if (selectedWord === null) return false;
  const [start, end] = framesOfWord(edit.words[selectedWord]).map(Math.round);
  const edge = target.dataset.edge;
  if (direction) {
    const words = !edge
      ? moveWord(edit.words, selectedWord, shift(start))
      : edge === "start"
        ? placeWord(edit.words, selectedWord, shift(start), end)
        : placeWord(edit.words, selectedWord, start, shift(end));
    commitWords(words, selectedWord, true);
    bringIntoView(framesOfWord(edit.words[selectedWord])[edge === "end" ? 1 : 0]);
  } else if (event.key === "Enter" || event.key === "F2") editWord();
  else if (event.key === "Delete" || event.key === "Backspace") deleteWord();
  else if (event.key === "Escape") part("words").focus({ preventScroll: true });
  else return false;
  return true;
}

function editWord() {
  if (selectedWord === null) selectWord(Math.max(0, wordIndexAt(cursor)));
  wordText.focus();
  wordText.select();
}

/** @param {PointerEvent} event @param {number} index */
function startWordMove(event, index) {
  const [start, end] = framesOfWord(edit.words[index]);
  const offset = frameAt(event.clientX) - start;
  const edge = targetOf(event).dataset.edge;
  startDrag(event, {
    move(frame) {
      if (!drag) return;
      const snap = snapped(edge === "end" ? frame - offset + end - start : frame - offset);
      showGuide(snap);
      if (!edge) drag.words = moveWord(edit.words, index, snap.frame);
      else if (edge === "start") drag.words = placeWord(edit.words, index, snap.frame, end);
      else drag.words = placeWord(edit.words, index, start, snap.frame);
      render();
    },
    tap: () => setCursor(Math.ceil(start)),
    drop: ({ words }) => commitWords(words, index),
  });
}

function listenToWords() {
  const lane = part("words");
  wordText.maxLength = SETTINGS.maxWordCharacters;
  lane.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const isSelected = wordBox.contains(targetOf(event));
    const index = isSelected ? selectedWord : wordIndexAt(frameAt(event.clientX));
    if (index === null || index < 0) {
      selectWord(null);
      return startScrub(event);
    }
    event.preventDefault(); // or the lane would lose the focus to the page
    // A finger scrolls until a word is chosen.
    if (event.pointerType === "touch" && !isSelected) {
      startDrag(event, {
        move() {},
        tap() {
          selectWord(index);
          setCursor(Math.ceil(framesOfWord(edit.words[index])[0]));
        },
      });
      return;
    }
    selectWord(index);
    (isSelected ? targetOf(event) : lane).focus({ preventScroll: true });
    startWordMove(event, index);
  });
  lane.addEventListener("dblclick", () => {
    if (selectedWord !== null) editWord();
  });
  lane.addEventListener("pointermove", (event) => {
    const word = drag ? null : shownWords()[wordIndexAt(frameAt(event.clientX))];
    lane.title = word ? describeWord(word) : "";
  });
  wordText.addEventListener("change", correctWord);
  wordText.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      correctWord();
      lane.focus({ preventScroll: true });
    } else if (event.key === "Escape") {
      wordText.value = selectedWord === null ? "" : edit.words[selectedWord][0];
      lane.focus({ preventScroll: true });
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  for (const edge of /** @type {Edge[]} */ (["start", "end"])) {
    wordTimes[edge].addEventListener("change", () => timeWord(edge));
  }
  tool("delete-word").addEventListener("click", deleteWord);
  // The field keeps the focus until then: what it changed would move the button from under the pointer.
  tool("leave-word").addEventListener("mousedown", (event) => event.preventDefault());
  tool("leave-word").addEventListener("click", () => {
    correctWord();
    selectWord(null);
  });
}
