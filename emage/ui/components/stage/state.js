// What is shown, and how it comes from Gradio.

/** @typedef {{ take: TakeJson, motion: TakeMotion, ghost: TakeMotion | null, body: StageBody }} Staged */

/** @type {Scene | null} */
let scene = null;
/** @type {StageJson | null} */
let shown = null;
/** @type {StageJson | null} */
let result = null; // what stays
/** @type {StageJson | null} */
let passing = null; // what is there for a while: a take that is being made, a hint's motion
let isBack = false; // the result is looked at meanwhile
/** @type {Staged[]} */
let staged = [];
/** @type {Map<string, { motion: TakeMotion, read: number, reading: Promise<void> }>} */
const motions = new Map(); // by the takes' keys
let fault = "";
let filmed = ""; // the takes of which a video was asked for
let playhead = 0; // frames, with fractions
let isPlaying = false;
let reading = Promise.resolve(); // what came last is shown last

const view = {
  /** @type {"body" | "skeleton" | "landmarks"} */
  style: "body",
  ghost: false,
  difference: false,
  trails: false,
  overlaid: false,
  follow: true,
  /** @type {number | null} */
  face: null, // index of the body whose face is looked at
  loop: false,
  loopStart: 0,
  loopEnd: 0,
};

const fps = () => staged[0]?.motion.fps ?? SETTINGS.fps;
const availableFrames = () => Math.max(0, ...staged.map(({ motion }) => motion.frames));
const totalFrames = () => Math.max(0, ...staged.map(({ take }) => take.total_frames));
const isBeingMade = () => availableFrames() < totalFrames();
// The sound counts in frames of the page; a take may have a rate of its own.
const toMotion = (/** @type {number} */ frame) => (frame * fps()) / SETTINGS.fps;
const lastFrame = () => Math.max(0, (totalFrames() * SETTINGS.fps) / fps() - 1);

const EMPTY_TEXT = "The result stands here in 3D: press Generate.";
const WAITING_TEXT = "The first frames are being made: they stand here as soon as they are there.";

function readValue() {
  const value = props.value?.takes?.length ? props.value : null;
  if (props.value?.goes_back) {
    [passing, isBack] = [null, false];
  } else if (value?.passing) {
    if (!passing || keysOf(passing) !== keysOf(value)) isBack = false;
    passing = value;
  } else {
    [result, passing, isBack] = [value, null, false];
  }
  part("empty").textContent = props.value?.waits ? WAITING_TEXT : EMPTY_TEXT;
  showNext();
  if (!value && props.value?.library) whenIdle(prepare);
}

/** What takes will need, while nobody waits for it. */
function prepare() {
  const { library, bodies: expected } = props.value ?? {};
  if (!library || !hasWebgl()) return;
  reading = reading.then(async () => {
    const loaded = await loadLibrary(library);
    const [body] = await Promise.all((expected ?? []).map((each) => loadBody(each, loaded)));
    scene ??= new Scene(canvas, loaded, drawSoon);
    if (body && !staged.length) scene.prepare(body);
  }).catch(() => {}); // with a take it is tried again, and then told
}

/** @param {() => void} work */
function whenIdle(work) {
  if ("requestIdleCallback" in window) requestIdleCallback(work);
  else setTimeout(work, 200);
}

function showNext() {
  const value = passing && !(isBack && result) ? passing : result;
  part("other").hidden = !(passing && result);
  part("other").textContent = isBack ? (passing?.passing ?? "") : "Back to the take before";
  reading = reading.then(() => takeValue(value)).catch(showFault);
}

/** @param {StageJson | null} value */
async function takeValue(value) {
  root.classList.toggle("is-empty", !value);
  if (!value) {
    shown = null;
    staged = [];
    sound.removeAttribute("src");
    scene?.put([], [], 0);
    return;
  }
  if (!value.library) return showFallback(value, "The stage needs three.js, which is not installed on this server");
  if (!hasWebgl()) return showFallback(value, "This browser has no WebGL");
  const before = shown;
  const isSame = before !== null && keysOf(before) === keysOf(value);
  const library = await loadLibrary(value.library);
  scene ??= new Scene(canvas, library, drawSoon);
  const bodiesByKey = new Map(value.bodies.map((each) => [each.key, each]));
  const next = await Promise.all(
    value.takes.map(async (each) => ({
      take: each,
      motion: await readMotion(each.key, each.files),
      ghost: each.ghost && (await readMotion(each.ghost.key, each.ghost.files)),
      body: await loadBody(/** @type {BodyJson} */ (bodiesByKey.get(each.body)), library),
    }))
  );
  const kept = new Set(value.takes.flatMap((each) => [each.key, ...(each.ghost ? [each.ghost.key] : [])]));
  for (const key of motions.keys()) if (!kept.has(key)) motions.delete(key);
  shown = value;
  staged = next;
  root.classList.toggle("has-rows", next.length > IN_A_ROW);
  showFault(null);
  if (!isSame) isWaiting = false;
  showSound(value, isSame);
  if (!isSame) {
    makeFigures();
    view.loop = false;
    view.face = null;
    view.ghost &&= staged.some(({ ghost }) => ghost);
    playhead = 0;
    look();
  }
  showTools();
  if (!isSame || captionsOf(before) !== captionsOf(value)) {
    showCaptions();
    drawSoon();
  } else showMoment(); // more of the same take has come, and what is seen of it stays
  goOn();
  players.find(value.followed);
}

/** @param {StageJson} value */
const captionsOf = ({ takes }) => takes.map(({ caption }) => caption).join("\n");

/** @param {StageJson} value */
const keysOf = ({ takes }) =>
  takes.map(({ key, body, ghost, see_through }) => `${key} ${body} ${ghost?.key} ${see_through}`).join("\n");

/** What there is of a take; files that came since are added. @param {string} key @param {FileJson[]} files */
async function readMotion(key, files) {
  const known = motions.get(key) ?? { motion: new TakeMotion(), read: 0, reading: Promise.resolve() };
  motions.set(key, known);
  known.reading = known.reading.then(async () => {
    for (; known.read < files.length; known.read += 1) {
      const answer = await fetch(files[known.read].url);
      if (!answer.ok) throw new Error(`The take cannot be had (${answer.status}).`);
      await known.motion.append(await answer.arrayBuffer());
    }
  });
  await known.reading;
  return known.motion;
}

function makeFigures() {
  if (!scene) return;
  const figures = staged.map(({ body, motion, take }) => new Figure(body, motion, take.see_through));
  const ghosts = staged.map(({ body, ghost }) => ghost && new Figure(body, ghost, true));
  scene.put(figures, ghosts, Math.min(...staged.map(({ take: { floor_y } }) => floor_y)));
}

/** @param {StageJson} value @param {boolean} isSame */
function showSound(value, isSame) {
  const url = value.sound ? value.sound.url : "";
  const urls = [url, ...value.sounds.map(({ file }) => file.url)];
  if (isSame && urls.includes(sound.getAttribute("src") ?? "")) return;
  goesOn = null;
  sound.src = url;
  showSounds(value);
  sound.playbackRate = speed();
  if (value.plays) play();
}

/** @param {unknown} error */
function showFault(error) {
  fault = error ? `The stage cannot show this: ${error instanceof Error ? error.message : error}` : "";
  if (error) announce(fault);
  part("fault").textContent = fault;
  part("fault").hidden = !fault;
}

function hasWebgl() {
  try {
    return scene !== null || document.createElement("canvas").getContext("webgl2") !== null;
  } catch {
    return false;
  }
}

// Without a stage the server draws. Each take is asked for once.
/** @param {StageJson} value @param {string} reason */
function showFallback(value, reason) {
  shown = value;
  root.classList.add("is-fallback");
  part("fallback").textContent = `${reason}, so this is not shown in 3D: a video stands below as soon as it is drawn.`;
  if (!value.film || filmed === keysOf(value)) return;
  filmed = keysOf(value);
  askForFilm();
}
