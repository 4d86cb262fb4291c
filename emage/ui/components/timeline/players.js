// The players that the playhead follows and moves.

const MEDIA_POLL_MS = 500;

const players = makePlayers({
  fps: SETTINGS.fps,
  signal: listening.signal,
  isHere: () => element.isConnected,
  show(frame, isPlaying) {
    if (drag) return;
    setCursor(frame, false);
    if (isPlaying) bringIntoView(cursor);
  },
  changed(hasPlayers, isPlaying) {
    const play = tool("play");
    play.hidden = !hasPlayers;
    play.setAttribute("aria-label", isPlaying ? "Pause" : "Play");
    play.querySelector("use").setAttribute("href", `#emage-tl-${isPlaying ? "pause" : "play"}`);
  },
  failed: () => announce("There is nothing to play yet."),
});

function findMedia() {
  players.find(backdrop?.media ?? []);
}
