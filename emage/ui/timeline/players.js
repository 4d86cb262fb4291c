// Audio and video elsewhere on the page, which the playhead follows and moves.

const MEDIA_POLL_MS = 500;

let media = []; // {node, startFrame}
let lastPlayed = null;
const heardMedia = new WeakSet();
const sought = new WeakMap(); // seconds by player

function players() {
  return media.filter(({ node }) => node.isConnected);
}

// In `node`, also where another component hides its player in a shadow tree; those with nothing to play are left out.
function playersIn(node) {
  if (node instanceof HTMLMediaElement) return node.src || node.currentSrc ? [node] : [];
  const inner = [...node.querySelectorAll("*")];
  return inner.flatMap((each) =>
    each.shadowRoot ? playersIn(each.shadowRoot) : each instanceof HTMLMediaElement ? playersIn(each) : []
  );
}

// Players come and go with results, so they are looked for now and then.
function findMedia() {
  media = (backdrop?.media ?? []).flatMap(({ selector, start_frame }) =>
    [...document.querySelectorAll(selector)]
      .flatMap(playersIn)
      .map((node) => ({ node, startFrame: start_frame }))
  );
  for (const { node } of media) {
    if (heardMedia.has(node)) continue;
    heardMedia.add(node);
    for (const name of ["play", "pause", "ended", "seeked", "timeupdate"]) {
      node.addEventListener(name, () => followMedia(node, name), { signal: listening.signal });
    }
  }
  tool("play").hidden = !media.length;
}

function followMedia(node, name) {
  if (name === "play") {
    lastPlayed = node;
    requestAnimationFrame(() => followPlaying(node));
  }
  // What the timeline itself asked for must not come back, or a shorter player would pull the playhead to its end.
  const isOwnSeek = Math.abs(node.currentTime - (sought.get(node) ?? -1)) < 0.05;
  if (name === "seeked" && !isOwnSeek) lastPlayed = node;
  if (node === lastPlayed && !(node.paused && isOwnSeek)) showMediaTime(node);
  const isPlaying = Boolean(lastPlayed && !lastPlayed.paused);
  tool("play").setAttribute("aria-label", isPlaying ? "Pause" : "Play");
  tool("play").querySelector("use").setAttribute("href", `#emage-tl-${isPlaying ? "pause" : "play"}`);
}

function followPlaying(node) {
  if (node !== lastPlayed || node.paused || !node.isConnected || !element.isConnected) return;
  showMediaTime(node);
  if (!drag) bringIntoView(cursor);
  requestAnimationFrame(() => followPlaying(node));
}

function showMediaTime(node) {
  const player = media.find((each) => each.node === node);
  if (player && !drag) setCursor(player.startFrame + node.currentTime * SETTINGS.fps, false);
}

function seekMedia() {
  for (const { node, startFrame } of players()) {
    if (!Number.isFinite(node.duration)) continue;
    sought.set(node, clamp((cursor - startFrame) / SETTINGS.fps, 0, node.duration));
    node.currentTime = sought.get(node);
  }
}

function togglePlay() {
  const nodes = players().map(({ node }) => node);
  const node = nodes.includes(lastPlayed) ? lastPlayed : nodes[0];
  if (!node) return;
  if (node.paused) node.play().catch(() => announce("There is nothing to play yet."));
  else node.pause();
}
