// Audio and video elsewhere on the page, which the playhead of a component follows and moves.

// fps: of the component's frames. signal: aborted when the component has gone. isHere(): whether it is in the page.
// show(frame, isPlaying): a player is there now. changed(hasPlayers, isPlaying). failed(): there is nothing to play.
function makePlayers({ fps, signal, isHere, show, changed, failed }) {
  let media = []; // {node, startFrame}
  let last = null; // that was played or sought
  const heard = new WeakSet();
  const sought = new WeakMap(); // seconds by player

  const present = () => media.filter(({ node }) => node.isConnected);
  const tell = () => changed(media.length > 0, Boolean(last && !last.paused));

  // wanted: [{selector, start_frame}]. Players come and go with results, so they are to be looked for now and then.
  function find(wanted) {
    media = wanted.flatMap(({ selector, start_frame }) =>
      [...document.querySelectorAll(selector)]
        .flatMap(playersIn)
        .map((node) => ({ node, startFrame: start_frame }))
    );
    for (const { node } of media) {
      if (heard.has(node)) continue;
      heard.add(node);
      for (const name of ["play", "pause", "ended", "seeked", "timeupdate"]) {
        node.addEventListener(name, () => follow(node, name), { signal });
      }
    }
    tell();
  }

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

  function followPlaying(node) {
    if (node !== last || node.paused || !node.isConnected || !isHere()) return;
    showTime(node, true);
    requestAnimationFrame(() => followPlaying(node));
  }

  function showTime(node, isPlaying) {
    const player = media.find((each) => each.node === node);
    if (player) show(player.startFrame + node.currentTime * fps, isPlaying);
  }

  const ready = () => present().filter(({ node }) => Number.isFinite(node.duration));

  // The frame at which the player is that was used last; null where there is none.
  function now() {
    const player = ready().find(({ node }) => node === last) ?? ready()[0];
    return player ? player.startFrame + player.node.currentTime * fps : null;
  }

  // Whether a player went there.
  function seek(frame) {
    const reached = ready();
    for (const { node, startFrame } of reached) {
      sought.set(node, Math.min(Math.max((frame - startFrame) / fps, 0), node.duration));
      node.currentTime = sought.get(node);
    }
    return reached.length > 0;
  }

  function toggle() {
    const nodes = present().map(({ node }) => node);
    const node = nodes.includes(last) ? last : nodes[0];
    if (!node) return failed();
    if (node.paused) node.play().catch(failed);
    else node.pause();
  }

  return { find, now, seek, toggle, any: () => present().length > 0 };
}

// In `node`, also where another component hides its player in a shadow tree; those with nothing to play are left out.
function playersIn(node) {
  if (node instanceof HTMLMediaElement) return node.src || node.currentSrc ? [node] : [];
  const inner = [...node.querySelectorAll("*")];
  return inner.flatMap((each) =>
    each.shadowRoot ? playersIn(each.shadowRoot) : each instanceof HTMLMediaElement ? playersIn(each) : []
  );
}
