// The transcript: how much of what was heard of each word was its content, and how much its rhythm.

/** @type {Heard[]} */
let heard = [];

/** @param {SharesJson | null} shares */
function showShares(shares) {
  heard = shares ? JSON.parse(shares.words) : [];
  part("shares").hidden = !shares;
  if (!shares) return;
  part("shares-of").textContent = shares.caption;
  const more = shares.num_words - heard.length;
  const nodes = heard.map(heardElement);
  if (more > 0) nodes.push(make("span", { class: "more" }, `and ${more} words more`));
  if (!heard.length) nodes.push(make("span", { class: "more" }, "No word lies in the part that is used."));
  part("heard").replaceChildren(...nodes);
}

/** @param {Heard} word */
function heardElement([text, start_s, end_s, face, body]) {
  const percent = (/** @type {number} */ share) => `${Math.round(100 * share)} %`;
  const told = `${text}: of what was heard, content was ${percent(face)} for the face and ${percent(body)} for the body`;
  const bars = [face, body].map((share, index) => {
    const bar = make("i", { class: index ? "of-body" : "of-face" });
    bar.style.setProperty("--share", String(share));
    return bar;
  });
  const node = make("button", { class: "heard-word", "aria-label": told }, make("span", {}, text), ...bars);
  node.title = `${told} (${start_s.toFixed(2)} to ${end_s.toFixed(2)} s)`;
  node.addEventListener("click", () => seek(Math.ceil(start_s * SETTINGS.fps)));
  return node;
}

/** The word that is said now. @param {number} frame */
function showHeard(frame) {
  const second = (frame + 0.5) / SETTINGS.fps;
  heard.forEach(([, start_s, end_s], index) => {
    part("heard").children[index].classList.toggle("now", start_s <= second && second < end_s);
  });
}
