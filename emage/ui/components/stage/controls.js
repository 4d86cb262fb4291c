// Buttons, keys and fingers.

const canvas = /** @type {HTMLCanvasElement} */ (part("canvas"));
const stageView = part("view");

/** @param {string} name */
const tool = (name) => /** @type {HTMLButtonElement} */ (root.querySelector(`[data-tool="${name}"]`));

/** Camera and places anew, as it begins. */
function look() {
  if (!scene) return;
  const { width, height } = stageView.getBoundingClientRect();
  if (width) scene.resize(width, height);
  pose();
  scene.arrange(view.overlaid);
  view.face = null;
  scene.reset(toMotion(playhead));
  showTools();
  drawSoon();
}

/** @param {number | null} which */
function lookAtFace(which) {
  if (!scene) return;
  if (which === null) return look();
  view.face = which;
  scene.closeUp(scene.figures[which]);
  announce("Close-up of the face.");
  showTools();
  drawSoon();
}

/** @type {Record<string, () => void>} */
const TOOLS = {
  body: () => showAs("body"),
  skeleton: () => showAs("skeleton"),
  landmarks: () => showAs("landmarks"),
  ghost: () => turn("ghost"),
  difference: () => turn("difference"),
  trails: () => turn("trails"),
  overlaid: () => {
    view.overlaid = !view.overlaid;
    look();
  },
  follow: () => {
    turn("follow");
    scene?.anchor(toMotion(playhead), faceLookedAt());
  },
  face: () => lookAtFace(view.face === null ? 0 : null),
  reset: look,
  loop: () => loop(!view.loop),
  from: () => loop(true, playhead, view.loop && view.loopEnd > playhead ? view.loopEnd : lastFrame() + 1),
  to: () => loop(true, view.loop && view.loopStart < playhead ? view.loopStart : 0, playhead),
  full: () => void (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen().catch(showFault)),
  film: () => askForFilm(),
};
/** @type {Record<string, string>} */
const KEYS = { b: "body", k: "skeleton", m: "landmarks", g: "ghost", d: "difference", t: "trails", o: "overlaid",
  f: "follow", c: "face", r: "reset", l: "loop", "[": "from", "]": "to", u: "full" }; // prettier-ignore

/** @param {"body" | "skeleton" | "landmarks"} style */
function showAs(style) {
  view.style = style;
  showTools();
  drawSoon();
}

/** @param {"ghost" | "difference" | "trails" | "follow"} what */
function turn(what) {
  view[what] = !view[what];
  showTools();
  drawSoon();
}

// Of the takes that are shown; what is none, as a hint's motion, has no number.
function askForFilm() {
  trigger("film", { numbers: shown?.takes.map(({ number }) => number) ?? [], sound: Number(heardChoice.value) });
}

function showTools() {
  const pressed = {
    body: view.style === "body",
    skeleton: view.style === "skeleton",
    landmarks: view.style === "landmarks",
    ghost: view.ghost,
    difference: view.difference,
    trails: view.trails,
    overlaid: view.overlaid,
    follow: view.follow,
    face: view.face !== null,
    loop: view.loop,
    full: document.fullscreenElement !== null,
  };
  for (const [name, is] of Object.entries(pressed)) tool(name).setAttribute("aria-pressed", String(is));
  const hasGhost = staged.some(({ ghost }) => ghost);
  tool("ghost").hidden = !hasGhost;
  tool("difference").hidden = !hasGhost;
  tool("overlaid").hidden = staged.length < 2;
  tool("film").hidden = !shown?.film;
  part("scale").hidden = !(hasGhost && view.difference);
  part("legend").hidden = !hasGhost;
}

function listenToTools() {
  for (const node of root.querySelectorAll("[data-tool]")) {
    const { tool: name } = /** @type {HTMLElement} */ (node).dataset;
    node.addEventListener("click", () => TOOLS[name ?? ""]?.());
  }
  part("other").addEventListener("click", () => {
    isBack = !isBack;
    showNext();
  });
  document.addEventListener("fullscreenchange", () => {
    canvas.style.touchAction = document.fullscreenElement ? "none" : "pan-y";
    showTools();
    drawSoon();
  }, { signal: listening.signal });
  // A wheel that is not meant for the stage scrolls the page.
  stageView.addEventListener("wheel", (event) => {
    const isMeant = event.ctrlKey || document.fullscreenElement || part("picture").contains(document.activeElement);
    if (!isMeant) event.stopImmediatePropagation();
  }, { capture: true });
  canvas.addEventListener("pointerdown", () => stageView.focus({ preventScroll: true }));
  part("picture").addEventListener("keydown", (event) => {
    if (!event.metaKey && !event.altKey && !event.ctrlKey && handleKey(event)) event.preventDefault();
  });
}

/** @param {KeyboardEvent} event */
function handleKey({ key, shiftKey }) {
  const frame = Math.round(playhead);
  const direction = { ArrowLeft: -1, ArrowRight: 1, PageUp: -1, PageDown: 1 }[key] ?? 0;
  const steep = { ArrowUp: -1, ArrowDown: 1 }[key] ?? 0;
  if (direction && shiftKey) orbit(0.12 * direction, 0);
  else if (direction) seek(frame + direction * (key.startsWith("Page") ? SETTINGS.fps : 1));
  else if (steep) orbit(0, 0.08 * steep);
  else if (key === "+" || key === "-") zoom(key === "+" ? 0.88 : 1 / 0.88);
  else if (key === "Home") seek(0);
  else if (key === "End") seek(lastFrame());
  else if (key === " ") players.toggle();
  else if (key === "h") {
    speedChoice.value = speed() === 1 ? "0.5" : "1";
    sound.playbackRate = speed();
  } else if (KEYS[key] && !tool(KEYS[key]).hidden) TOOLS[KEYS[key]]();
  else return false;
  return true;
}

/** @param {number} around @param {number} over radians */
function orbit(around, over) {
  if (!scene) return;
  const { camera, controls } = scene;
  const way = new THREE.Spherical().setFromVector3(camera.position.clone().sub(controls.target));
  way.theta += around;
  way.phi = clamp(way.phi + over, 0.1, controls.maxPolarAngle);
  camera.position.setFromSpherical(way).add(controls.target);
  controls.update();
  drawSoon();
}

/** @param {number} factor */
function zoom(factor) {
  if (!scene) return;
  const { camera, controls } = scene;
  camera.position.sub(controls.target).multiplyScalar(factor).add(controls.target);
  controls.update();
  drawSoon();
}
