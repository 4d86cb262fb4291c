// Audio and video elsewhere on the page, which the playhead of a component follows and moves.

/**
 * @param {object} of
 * @param {HTMLElement} of.play the button; hidden where there is nothing to play
 * @param {(frame: number, isPlaying: boolean) => void} of.show a player is there now
 * @param {(isPlaying: boolean) => void} [of.changed]
 * @param {HTMLMediaElement} [of.own] of the component, which starts at its frame 0 and is what its button plays
 */
function makePlayers({ play, show, changed, own }) {
  /** @type {{ node: HTMLMediaElement, startFrame: number }[]} */
  let media = [];
  /** @type {HTMLMediaElement | null} */
  let last = null; // that was played or sought
  let isPlaying = false;
  const heard = new WeakSet();
  /** @type {WeakMap<HTMLMediaElement, number>} */
  const sought = new WeakMap(); // seconds

  const present = () => media.filter(({ node }) => node.isConnected);
  const failed = () => announce("There is nothing to play yet.");
  play.addEventListener("click", toggle);

  function tell() {
    play.hidden = !media.length;
    const isPlayingNow = Boolean(last && !last.paused);
    if (isPlaying === isPlayingNow) return;
    isPlaying = isPlayingNow;
    play.setAttribute("aria-label", isPlaying ? "Pause" : "Play");
    play.replaceChildren(icon(isPlaying ? "pause" : "play"));
    changed?.(isPlaying);
  }

  /**
   * Players come and go with results, so they are to be looked for now and then.
   * @param {{ selector: string, start_frame: number }[]} wanted
   */
  function find(wanted) {
    const others = wanted.flatMap(({ selector, start_frame }) =>
      [...document.querySelectorAll(selector)]
        .flatMap(playersIn)
        .map((node) => ({ node, startFrame: start_frame }))
    );
    media = own ? [...playersIn(own).map((node) => ({ node, startFrame: 0 })), ...others] : others;
    for (const { node } of media) {
      if (heard.has(node)) continue;
      heard.add(node);
      for (const name of ["play", "pause", "ended", "seeked", "timeupdate"]) {
        node.addEventListener(name, () => follow(node, name), { signal: listening.signal });
      }
      if (!node.paused) follow(node, "play"); // it began before it was found
    }
    tell();
  }

  /** @param {HTMLMediaElement} node @param {string} name */
  function follow(node, name) {
    if (name === "play") {
      last = node;
      requestAnimationFrame(() => followPlaying(node));
    }
    // What the component itself asked for must not come back, or a shorter player would pull the playhead to its end.
    const isOwnSeek = Math.abs(node.currentTime - (sought.get(node) ?? -1)) < 0.05;
    if (name === "seeked" && !isOwnSeek) last = node;
    if (node === last && !(node.paused && isOwnSeek)) showTime(node, false);
    tell();
  }

  // A moment is shown once: a sound that has yet to begin needs the processor that drawing would take.
  /** @param {HTMLMediaElement} node @param {number} shown_s */
  function followPlaying(node, shown_s = NaN) {
    if (node !== last || node.paused || !node.isConnected || !element.isConnected) return;
    const now_s = node.currentTime;
    if (now_s !== shown_s) showTime(node, true);
    requestAnimationFrame(() => followPlaying(node, now_s));
  }

  /** @param {HTMLMediaElement} node @param {boolean} runs */
  function showTime(node, runs) {
    const player = media.find((each) => each.node === node);
    if (player) show(player.startFrame + node.currentTime * SETTINGS.fps, runs);
  }

  const ready = () => present().filter(({ node }) => Number.isFinite(node.duration));

  // The frame at which the player is that was used last; null where there is none.
  function now() {
    const player = ready().find(({ node }) => node === last) ?? ready()[0];
    return player ? player.startFrame + player.node.currentTime * SETTINGS.fps : null;
  }

  /** Whether a player went there. @param {number} frame */
  function seek(frame) {
    const reached = ready();
    for (const { node, startFrame } of reached) {
      const time_s = clamp((frame - startFrame) / SETTINGS.fps, 0, node.duration);
      sought.set(node, time_s);
      node.currentTime = time_s;
    }
    return reached.length > 0;
  }

  function toggle() {
    const nodes = present().map(({ node }) => node);
    const node = nodes.find((each) => each === (own ?? last)) ?? nodes[0];
    if (!node) return failed();
    if (node.paused) node.play().catch(failed);
    else node.pause();
  }

  return { find, now, seek, toggle, any: () => present().length > 0 };
}

/**
 * In `node`, also where another component hides its player in a shadow tree; those with nothing to play are left out.
 * @param {Node & ParentNode} node
 * @returns {HTMLMediaElement[]}
 */
function playersIn(node) {
  if (node instanceof HTMLMediaElement) return node.src || node.currentSrc ? [node] : [];
  const inner = [...node.querySelectorAll("*")];
  return inner.flatMap((each) =>
    each.shadowRoot ? playersIn(each.shadowRoot) : each instanceof HTMLMediaElement ? playersIn(each) : []
  );
}
