// Drawing: bodies at the playhead, captions below them, and the bar with the moment.

const drawSoon = soon(draw);
// Without a graphics card a picture takes long, and nothing else of the page moves meanwhile: while a take plays, as much
// time as that is left to all else before the next one.
const SLOW_MS = 50;
let restsUntil = 0; // of performance.now()
let isResting = false;
const LEAST_CAPTION_PX = 64; // where bodies stand behind one another, too
let isInView = true;
const DARK = { floor: [0.022, 0.024, 0.028], line: [0.055, 0.058, 0.064] }; // linear
const LIGHT = { floor: [0.81, 0.825, 0.85], line: [0.645, 0.655, 0.675] };

/** How long a picture takes is known when the next could come. @param {number} begun of performance.now() */
function rest(begun) {
  requestAnimationFrame(() => {
    const now = performance.now();
    restsUntil = now - begun > SLOW_MS ? now + (now - begun) : 0;
  });
}

/** @param {number} rest_ms */
function drawAfter(rest_ms) {
  if (isResting) return;
  isResting = true;
  setTimeout(() => {
    isResting = false;
    drawSoon();
  }, rest_ms);
}

function draw() {
  if (!scene || !staged.length || !canvas.clientWidth) return;
  showMoment();
  if (!isInView) return; // drawn when it comes into view
  const begun = performance.now();
  if (isPlaying && begun < restsUntil) return drawAfter(restsUntil - begun);
  rest(begun);
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
  const colors = SETTINGS.stateColors.map(vectorOf);
  scene.segments.clear();
  scene.figures.forEach((figure, which) => {
    const ghost = scene?.ghosts[which] ?? null;
    const isGhostPosed = ghost !== null && (view.ghost || view.difference);
    if (figure.frame !== frame) figure.take(frame);
    if (isGhostPosed && ghost.frame !== frame) ghost.take(frame);
    figure.paint(colors);
    ghost?.paint(colors);
    figure.showDifference(isGhostPosed && view.difference ? distancesBetween(figure.skeleton, ghost.skeleton) : null);
    figure.showSkin(view.style === "body");
    ghost?.showSkin(view.ghost && view.style === "body");
    /** @type {Segment[]} */
    const segments = [];
    if (view.style !== "body") segments.push(...bonesOf(figure, view.style === "landmarks"));
    if (view.style !== "body" && view.ghost && ghost) segments.push(...bonesOf(ghost, true));
    if (view.style === "landmarks") segments.push(...landmarksOf(figure));
    if (view.trails) segments.push(...trailsOf(figure));
    scene?.segments.set(figure, segments);
  });
  scene.scene.updateMatrixWorld(true);
}

/** @param {string} hex */
function vectorOf(hex) {
  return new THREE.Vector3(...[1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255));
}

function showCaptions() {
  const captions = staged.map(({ take: { caption } }, which) => {
    const node = /** @type {HTMLElement} */ (make("button", { class: "caption", type: "button" }, caption));
    node.title = `${caption}: look at this face`;
    node.hidden = !caption;
    node.addEventListener("click", () => lookAtFace(view.face === which ? null : which));
    return node;
  });
  part("captions").replaceChildren(...captions);
}

/**
 * Overlaid bodies have their captions in a list below the picture, which they would hide where it is small.
 * @param {boolean} isListed
 */
function listCaptions(isListed) {
  const captions = part("captions");
  if (captions.classList.contains("listed") !== isListed) {
    const focused = /** @type {HTMLElement | null} */ (captions.querySelector(":focus"));
    captions.classList.toggle("listed", isListed);
    if (isListed) part("view").after(captions);
    else canvas.after(captions);
    focused?.focus({ preventScroll: true });
  }
  return isListed;
}

function placeCaptions() {
  if (!scene) return;
  const { camera, figures, floorY, rows } = scene;
  const { clientWidth, clientHeight } = canvas;
  const rowHeight = clientHeight / Math.max(1, rows.length);
  const isListed = listCaptions(view.overlaid && figures.length > 1);
  const belows = figures.map((figure) => {
    const { x, z } = figure.jointAt(0);
    return new THREE.Vector3(x, floorY - 0.05, z).project(camera);
  });
  const places = rows.map((row) => row.map((figure) => (clientWidth * belows[figures.indexOf(figure)].x) / 2));
  const apart = Math.min(...places.flatMap((row) => row.slice(1).map((place, which) => Math.abs(place - row[which]))));
  const room = view.face !== null ? 0.9 * clientWidth : clamp(apart, LEAST_CAPTION_PX, clientWidth);
  const labels = /** @type {HTMLElement[]} */ ([...part("captions").children]);
  for (const label of labels) label.style.maxWidth = isListed ? "100%" : `${Math.floor(room) - 8}px`;
  labels.forEach((label, which) => {
    const figure = figures[which];
    if (!figure) return;
    const below = belows[which];
    const isSeen = Math.abs(below.x) < 1.2 && view.face === null && below.z < 1;
    const isLookedAt = figure === faceLookedAt();
    label.hidden = !label.textContent || (!isListed && !isSeen && !isLookedAt && figures.length > 1);
    if (isListed) return;
    const [half, height] = [label.offsetWidth / 2 + 4, label.offsetHeight + 6];
    const left = isSeen ? ((below.x + 1) / 2) * clientWidth : clientWidth / 2;
    const foot = rowHeight * (1 + Math.max(0, rows.findIndex((row) => row.includes(figure))));
    const top = isSeen ? Math.min(foot - ((1 + below.y) / 2) * rowHeight, foot - height) : foot - height;
    label.style.left = `${clamp(left, half, clientWidth - half)}px`;
    label.style.top = `${Math.max(4, top)}px`;
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
  const [there, whole] = [made, last + 1].map((frames) => clockLabel(frames / SETTINGS.fps, 0.5));
  const note = `${isWaiting ? "Waiting for the next frames" : "Being made"}: ${there} of ${whole} are there.`;
  part("making").hidden = !isBeingMade();
  if (isBeingMade() && part("making").textContent !== note) part("making").textContent = note;
}
