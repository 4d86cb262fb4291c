// All put together.

const players = makePlayers({
  play: tool("play"),
  show(frame, isPlaying) {
    if (drag) return;
    setCursor(frame, false);
    if (isPlaying) bringIntoView(cursor);
  },
});

function findMedia() {
  players.find(backdrop?.media ?? []);
}

makeRows();
listenToPointers();
listenToKeys();
listenToTools();
listenToWords();
new ResizeObserver(() => layOut()).observe(scroller);
attend(drawSoon, findMedia);
watch(Object.keys({ value: 0, backdrop: 0 }), readProps); // quoted names would become Gradio events of the component
readProps();
layOut();
// A component that Gradio hides and shows again has kept its value alone.
if (numFrames && !backdrop) server.last_backdrop().then(readBackdrop);
