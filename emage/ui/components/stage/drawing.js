// Drawing: bodies at the playhead, captions below them, and the bar with the moment.

const drawSoon = soon(draw);
let isInView = true;
const DARK = { floor: [0.022, 0.024, 0.028], line: [0.055, 0.058, 0.064] }; // linear
const LIGHT = { floor: [0.81, 0.825, 0.85], line: [0.645, 0.655, 0.675] };

function draw() {
  if (!scene || !staged.length || !canvas.clientWidth) return;
  showMoment();
  if (!isInView) return; // drawn when it comes into view
  const { width, height } = stageView.getBoundingClientRect();
  if (width !== canvas.width / scene.renderer.getPixelRatio() || height !== canvas.height / scene.renderer.getPixelRatio()) {
    scene.resize(width, height);
  }
  pose();
  if (view.follow || view.face !== null) scene.follow(toMotion(playhead), faceLookedAt());
  scene.color(element.closest(".dark") ? DARK : LIGHT);
  scene.draw(view.style === "body");
  placeCaptions();
}

/** The figure whose face is looked at. */
function faceLookedAt() {
  return view.face === null ? null : (scene?.figures[view.face] ?? null);
}

function pose() {
  if (!scene) return;
  const frame = toMotion(playhead);
  const [hint, generated] = [SETTINGS.hintColor, SETTINGS.generatedColor].map(vectorOf);
  /** @type {Segment[]} */
  const segments = [];
  scene.figures.forEach((figure, which) => {
    const ghost = scene?.ghosts[which] ?? null;
    const isGhostPosed = ghost !== null && (view.ghost || view.difference);
    if (figure.frame !== frame) figure.take(frame);
    if (isGhostPosed && ghost.frame !== frame) ghost.take(frame);
    figure.paint(hint, generated);
    ghost?.paint(hint, generated);
    figure.showDifference(isGhostPosed && view.difference ? distancesBetween(figure.skeleton, ghost.skeleton) : null);
    figure.showSkin(view.style === "body");
    ghost?.showSkin(view.ghost && view.style === "body");
    if (view.style !== "body") segments.push(...bonesOf(figure, view.style === "landmarks"));
    if (view.style !== "body" && view.ghost && ghost) segments.push(...bonesOf(ghost, true));
    if (view.style === "landmarks") segments.push(...landmarksOf(figure));
    if (view.trails) segments.push(...trailsOf(figure));
  });
  scene.rods.show(segments);
  scene.scene.updateMatrixWorld(true);
}

/** @param {string} hex */
function vectorOf(hex) {
  return new THREE.Vector3(...[1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255));
}

function showCaptions() {
  const captions = staged.map(({ take: { caption } }, which) => {
    const node = /** @type {HTMLElement} */ (make("button", { class: "caption", type: "button" }, caption));
    node.title = "Look at this face";
    node.addEventListener("click", () => lookAtFace(view.face === which ? null : which));
    return node;
  });
  part("captions").replaceChildren(...captions);
}

function placeCaptions() {
  if (!scene) return;
  const { camera, figures, floorY } = scene;
  const { clientWidth, clientHeight } = canvas;
  [...part("captions").children].forEach((node, which) => {
    const figure = figures[which];
    const label = /** @type {HTMLElement} */ (node);
    if (!figure) return;
    const { x, z } = figure.jointAt(0);
    const below = new THREE.Vector3(x, floorY - 0.05, z).project(camera);
    const isSeen = Math.abs(below.x) < 1.2 && view.face === null && below.z < 1;
    label.hidden = !label.textContent || (!isSeen && figures.length > 1);
    const half = label.offsetWidth / 2 + 4;
    const left = isSeen ? ((below.x + 1) / 2) * clientWidth : clientWidth / 2;
    // Overlaid bodies have their captions in a list.
    const row = view.overlaid ? 28 * (figures.length - 1 - which) : 0;
    const top = isSeen ? Math.min(((1 - below.y) / 2) * clientHeight, clientHeight - 30 - row) : clientHeight - 30;
    label.style.left = `${clamp(view.overlaid && figures.length > 1 ? clientWidth / 2 : left, half, clientWidth - half)}px`;
    label.style.top = `${Math.max(4, view.overlaid && figures.length > 1 ? clientHeight - 30 - row : top)}px`;
  });
}

function showMoment() {
  const last = lastFrame();
  bar.max = String(Math.round(last));
  if (!isScrubbing) bar.value = String(Math.round(playhead));
  bar.setAttribute("aria-valuetext", seconds(playhead));
  part("clock").textContent = clockLabel(playhead / SETTINGS.fps, 0.5);
  part("length").textContent = `/ ${clockLabel((last + 1) / SETTINGS.fps, 0.5)}`;
  const share = (/** @type {number} */ frame) => `${(100 * clamp(frame, 0, last + 1)) / (last + 1 || 1)}%`;
  const made = (availableFrames() * SETTINGS.fps) / fps();
  root.style.setProperty("--made", isBeingMade() ? share(made) : "100%");
  root.style.setProperty("--loop-start", view.loop ? share(view.loopStart) : "0%");
  root.style.setProperty("--loop-end", view.loop ? share(view.loopEnd) : "0%");
  const waits = isWaiting ? `The next frames are being made: ${clockLabel(made / SETTINGS.fps, 0.5)} of ` : "Being made: ";
  const note = `${waits}${clockLabel((last + 1) / SETTINGS.fps, 0.5)}${isWaiting ? " are there." : ""}`;
  part("making").hidden = !isBeingMade();
  if (isBeingMade() && part("making").textContent !== note) part("making").textContent = note;
}
