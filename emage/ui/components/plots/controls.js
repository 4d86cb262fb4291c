// Mouse, touch, keys and the player.

const players = makePlayers({
  play: part("play"),
  show(frame) {
    playhead = clamp(frame, 0, numFrames);
    showTime();
  },
  changed(isPlayingNow) {
    isPlaying = isPlayingNow;
    describeCursor();
  },
});

function findMedia() {
  players.find(props.players.map((id) => ({ selector: `#${CSS.escape(id)}`, start_frame: 0 })));
  // A video that was put in the place of another begins anew and tells nobody.
  const now = players.now();
  if (now === null || isPlaying || Math.abs(clamp(now, 0, numFrames) - playhead) < 0.5) return;
  playhead = clamp(now, 0, numFrames);
  showTime();
}

/** @param {number} frame */
function seek(frame) {
  playhead = clamp(frame, 0, numFrames);
  const hasMoved = players.seek(playhead);
  showTime();
  return hasMoved;
}

/** @param {number | null} frame */
function lookAt(frame) {
  pointed = frame === null ? null : clamp(frame, 0, Math.max(0, numFrames - 1));
  showTime();
}

/** The whole frame under a pointer. @param {number} clientX */
function frameAt(clientX) {
  const bounds = part("cursor").getBoundingClientRect();
  return clamp(Math.floor(((clientX - bounds.left) / bounds.width) * numFrames), 0, Math.max(0, numFrames - 1));
}

function listenToPointers() {
  const surface = part("surface");
  /** @type {number | null} */
  let pressed = null; // id of the pointer that scrubs
  surface.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || pressed !== null) return;
    pressed = event.pointerId;
    surface.setPointerCapture(pressed);
    if (event.pointerType === "mouse") go(event);
  });
  surface.addEventListener("pointermove", (event) => {
    if (event.pointerId === pressed) go(event);
    else if (event.pointerType === "mouse" && pressed === null) lookAt(frameAt(event.clientX));
  });
  surface.addEventListener("pointerup", (event) => {
    if (event.pointerId !== pressed) return;
    go(event);
    pressed = null;
    part("cursor").focus({ preventScroll: true });
    if (event.pointerType !== "mouse") lookAt(null);
  });
  // The browser took the gesture over, to scroll.
  surface.addEventListener("pointercancel", () => {
    pressed = null;
    lookAt(null);
  });
  surface.addEventListener("pointerleave", () => pressed === null && lookAt(null));

  /** @param {PointerEvent} event */
  function go(event) {
    const frame = frameAt(event.clientX);
    pointed = frame;
    seek(frame);
  }
}

function listenToKeys() {
  part("cursor").addEventListener("keydown", (event) => {
    if (!event.metaKey && !event.altKey && handleKey(event)) event.preventDefault();
  });
}

/** @param {KeyboardEvent} event */
function handleKey({ key, shiftKey, ctrlKey }) {
  const frame = shownFrame();
  const direction = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 1, PageDown: -1 }[key] ?? 0;
  if (direction && key.startsWith("Page")) lookAt(frame + direction * Math.max(1, Math.round(numFrames / 10)));
  else if (direction && ctrlKey) lookAt(nextOnset(frame, direction));
  else if (direction) lookAt(frame + direction * (shiftKey ? 10 : 1));
  else if (key === "Home") lookAt(0);
  else if (key === "End") lookAt(numFrames - 1);
  else if (key === "Escape" && pointed !== null) lookAt(null);
  else if (key === "Enter") {
    announce(seek(frame) ? `The video is at ${inSeconds(frame)} seconds.` : "There is no video yet.");
    lookAt(null);
  } else if (key === " ") players.toggle();
  else return false;
  return true;
}

/** @param {number} frame @param {number} direction */
function nextOnset(frame, direction) {
  const frames = onsets_s.map((second) => Math.floor(second * SETTINGS.fps));
  const next =
    direction > 0 ? frames.find((each) => each > frame) : frames.findLast((each) => each < frame);
  return next ?? (direction > 0 ? numFrames - 1 : 0);
}
