// What is shown, and how it comes from Gradio.

/** @typedef {{ take: TakeJson, motion: TakeMotion, ghost: TakeMotion | null, body: StageBody }} Staged */

/** @type {Scene | null} */
let scene = null;
/** @type {StageJson | null} */
let shown = null;
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

function readValue() {
  const value = props.value?.takes?.length ? props.value : null;
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
  const isSame = shown !== null && keysOf(shown) === keysOf(value);
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
  showFault(null);
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
  showCaptions();
  goOn();
  players.find(value.followed);
  drawSoon();
}

/** @param {StageJson} value */
const keysOf = ({ takes }) => takes.map(({ key, body, ghost }) => `${key} ${body} ${ghost?.key}`).join("\n");

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
  const figures = staged.map(({ body, motion }) => new Figure(body, motion, false));
  const ghosts = staged.map(({ body, ghost }) => ghost && new Figure(body, ghost, true));
  scene.put(figures, ghosts, Math.min(...staged.map(({ take: { floor_y } }) => floor_y)));
}

/** @param {StageJson} value @param {boolean} isSame */
function showSound(value, isSame) {
  const url = value.sound ? value.sound.url : "";
  if (isSame && sound.getAttribute("src") === url) return;
  sound.src = url;
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
