// One clock, the sound: what is heard and what is seen are of the same moment.

const sound = /** @type {HTMLAudioElement} */ (part("sound"));
const bar = /** @type {HTMLInputElement} */ (part("bar"));
const heardChoice = /** @type {HTMLSelectElement} */ (part("hear"));
const speedChoice = /** @type {HTMLSelectElement} */ (part("speed"));
let isScrubbing = false;
let isWaiting = false; // for frames that are being made
/** @type {{ time_s: number, plays: boolean } | null} */
let goesOn = null; // at which moment another sound goes on, once it is there, also where a third is chosen meanwhile

const players = makePlayers({
  play: part("play"),
  own: sound,
  show(frame) {
    showFrame(frame);
  },
  changed(isPlayingNow) {
    isPlaying = isPlayingNow;
    root.classList.toggle("is-playing", isPlaying);
    drawSoon();
  },
});

const speed = () => Number(speedChoice.value);

/** @param {number} frame of the page, with fractions */
function showFrame(frame) {
  const ends = (availableFrames() * SETTINGS.fps) / fps();
  if (!sound.paused && view.loop && (frame >= view.loopEnd || frame < view.loopStart - 1)) {
    sound.currentTime = view.loopStart / SETTINGS.fps;
    frame = view.loopStart;
  }
  // Playing never overtakes the making: it waits, and says so. Nor does who seeks.
  if (isBeingMade() && sound.currentTime * SETTINGS.fps > ends - 0.9) {
    isWaiting ||= !sound.paused;
    sound.pause();
    sound.currentTime = (ends - 1) / SETTINGS.fps;
  }
  playhead = clamp(frame, 0, Math.min(lastFrame(), Math.max(0, ends - 1)));
  drawSoon();
}

/** After more frames have come. */
function goOn() {
  const ahead = (availableFrames() * SETTINGS.fps) / fps() - playhead;
  if (!isWaiting || (isBeingMade() && ahead < SETTINGS.fps)) return;
  isWaiting = false;
  play();
}

function play() {
  sound.play().catch(() => {}); // a browser that asks for a click first has the button for it
}

/** @param {number} frame */
function seek(frame) {
  const made = (availableFrames() * SETTINGS.fps) / fps();
  const goal = clamp(frame, 0, Math.max(0, Math.min(lastFrame(), made - 1)));
  isWaiting = false;
  if (!players.seek(goal)) sound.currentTime = goal / SETTINGS.fps;
  showFrame(goal);
}

/** Which recordings can be heard, where takes are of several. @param {StageJson} value */
function showSounds({ sounds }) {
  part("heard").hidden = sounds.length < 2;
  heardChoice.replaceChildren(...sounds.map(({ label }, which) => make("option", { value: which }, label)));
}

/** Another sound at the same moment, which plays on where one plays. */
function hear() {
  const url = shown?.sounds[Number(heardChoice.value)]?.file.url;
  if (!url) return;
  goesOn ??= { time_s: sound.currentTime, plays: !sound.paused };
  sound.src = url;
}

function takeOver() {
  players.find(shown?.followed ?? []);
  if (!goesOn) return;
  sound.currentTime = goesOn.time_s;
  sound.playbackRate = speed();
  if (goesOn.plays) play();
  goesOn = null;
}

// Two takes at once would only be noise.
function silenceOthers() {
  for (const other of document.querySelectorAll("audio[data-part=sound]")) {
    if (other !== sound && other instanceof HTMLAudioElement) other.pause();
  }
}

function listenToClock() {
  sound.addEventListener("ended", () => {
    if (!view.loop) return;
    sound.currentTime = view.loopStart / SETTINGS.fps;
    play();
  }, { signal: listening.signal });
  sound.addEventListener("play", silenceOthers, { signal: listening.signal });
  sound.addEventListener("loadedmetadata", takeOver, { signal: listening.signal });
  bar.addEventListener("pointerdown", () => (isScrubbing = true));
  bar.addEventListener("input", () => seek(Number(bar.value)));
  for (const name of ["change", "pointerup", "pointercancel"]) bar.addEventListener(name, () => (isScrubbing = false));
  heardChoice.addEventListener("change", hear);
  speedChoice.addEventListener("change", () => (sound.playbackRate = speed()));
}

/** @param {boolean} isLooping */
function loop(isLooping, start = 0, end = lastFrame() + 1) {
  view.loop = isLooping;
  [view.loopStart, view.loopEnd] = [start, Math.max(end, start + 3)];
  showTools();
  drawSoon();
}
