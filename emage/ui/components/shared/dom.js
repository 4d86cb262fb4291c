// What the JavaScript of every component begins with.

const ICONS = {
  face: "M21 12a9 9 0 1 1-18 0a9 9 0 1 1 18 0M9 9.5v.6M15 9.5v.6M8.2 14.2a4.6 4.6 0 0 0 7.6 0",
  upper: "M15.5 6.5a3.5 3.5 0 1 1-7 0a3.5 3.5 0 1 1 7 0M4 21v-3.5a5.5 5.5 0 0 1 5.5-5.5h5a5.5 5.5 0 0 1 5.5 5.5V21M8 17.5V21M16 17.5V21",
  right_hand: "M8 12.5V6.2a1.4 1.4 0 0 1 2.8 0V11V4.4a1.4 1.4 0 0 1 2.8 0V11V5.4a1.4 1.4 0 0 1 2.8 0v6.1V8.4a1.4 1.4 0 0 1 2.8 0v6.4a6.4 6.4 0 0 1-6.4 6.4c-3 0-4.7-1.3-6-3.8l-2.5-4.6a1.4 1.4 0 0 1 2.4-1.4L8 13.4",
  lower: "M8 3h8l.8 7.5L15.5 21h-2.7L12 12.5 11.2 21H8.5L7.2 10.5zM7.5 7h9",
  undo: "M9 14 4 9l5-5M4.5 9H14a5.5 5.5 0 0 1 0 11h-3",
  redo: "m15 14 5-5-5-5M19.5 9H10a5.5 5.5 0 0 0 0 11h3",
  split: "M12 3v18M8.5 8 4.5 12l4 4M15.5 8l4 4-4 4",
  delete: "M4 7h16M9.5 7V4.5h5V7M6.5 7l.9 13h9.2l.9-13M10.5 11v5.5M13.5 11v5.5",
  snap: "M6 4v8a6 6 0 0 0 12 0V4h-4v8a2 2 0 0 1-4 0V4zM6 8h4M14 8h4",
  lock: "M7 11h10a2 2 0 0 1 2 2v5.500a2 2 0 0 1-2 2h-10a2 2 0 0 1-2-2v-5.500a2 2 0 0 1 2-2zM8 11V7.500a4 4 0 0 1 8 0V11",
  follow: "M4 12h14M13 6.5l5.5 5.5-5.5 5.5",
  play: "M7 4.5v15l12-7.5z",
  pause: "M8 5v14M16 5v14",
  out: "M5 12h14",
  in: "M12 5v14M5 12h14",
  back: "m14.5 5-7 7 7 7",
  on: "m9.5 5 7 7-7 7",
  warning: "M12 3.5 2.5 20h19zM12 10v4.5M12 17v.5",
};
const POLL_MS = 500;

const root = /** @type {HTMLElement} */ (element.querySelector("section"));
const listening = new AbortController(); // of what outlives the component: document, players

/** @param {string} name */
const part = (name) => /** @type {HTMLElement} */ (root.querySelector(`[data-part="${name}"]`));
/** @param {number} value @param {number} least @param {number} most */
const clamp = (value, least, most) => Math.max(least, Math.min(most, value));
/** @param {number} frame */
const inSeconds = (frame) => (frame / SETTINGS.fps).toFixed(2);
/** @param {number} frame */
const seconds = (frame) => `${inSeconds(frame)} s`;

root.setAttribute("aria-label", props.label);
["--generated", "--followed", "--hint"].forEach((name, state) => {
  root.style.setProperty(name, SETTINGS.stateColors[state]);
});
for (const node of root.querySelectorAll("[data-icon]")) {
  node.prepend(icon(/** @type {HTMLElement} */ (node).dataset.icon ?? ""));
}

/** @param {string} tag @param {Record<string, string | number>} attributes @param {(Node | string)[]} children */
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/** @param {string} name */
function icon(name) {
  const holder = document.createElement("div");
  const isMirrored = name === "left_hand";
  const path = ICONS[/** @type {keyof typeof ICONS} */ (isMirrored ? "right_hand" : name)];
  const mirror = isMirrored ? ' transform="matrix(-1 0 0 1 24 0)"' : "";
  holder.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${path}"${mirror} /></svg>`;
  return /** @type {SVGElement} */ (holder.firstChild);
}

/** Read out by screen readers. @param {string} text */
function announce(text) {
  // The same words twice in a row are read out only if they differ.
  const spoken = part("spoken");
  spoken.textContent = spoken.textContent === text ? `${text}\u00a0` : text;
}

/** @param {SpanJson} span */
function describeSpan({ part: name, start_frame, end_frame, mode }) {
  const does = mode === SETTINGS.lock ? "locked" : "follows";
  return `${SETTINGS.labels[name][0]}, ${does}, ${seconds(start_frame)} to ${seconds(end_frame)}`;
}

/** A function that calls another at the next picture, however often it is called before. @param {() => void} draw */
function soon(draw) {
  let asked = 0;
  return () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      draw();
    });
  };
}

/**
 * Draw again when the page turns dark or light, look for players now and then, and end with the component.
 * @param {() => void} draw
 * @param {() => void} look
 */
function attend(draw, look) {
  const themes = new MutationObserver(draw);
  for (const node of [document.documentElement, document.body]) {
    themes.observe(node, { attributes: true, attributeFilter: ["class"] });
  }
  const polling = setInterval(() => {
    if (element.isConnected) return look();
    clearInterval(polling);
    themes.disconnect();
    listening.abort();
  }, POLL_MS);
}

/** A colour of the style sheet. @param {string} name */
function color(name) {
  return getComputedStyle(root).getPropertyValue(name).trim();
}
