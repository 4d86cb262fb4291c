// All put together.

root.setAttribute("aria-label", props.label);
root.style.setProperty("--hint", SETTINGS.hintColor);
root.style.setProperty("--generated", SETTINGS.generatedColor);
makeRows();
listenToPointers();
listenToKeys();
listenToTools();
new ResizeObserver(() => layOut()).observe(scroller);
const themes = new MutationObserver(drawSoon);
for (const node of [document.documentElement, document.body]) {
  themes.observe(node, { attributes: true, attributeFilter: ["class"] });
}
const polling = setInterval(() => {
  if (element.isConnected) return findMedia();
  clearInterval(polling);
  themes.disconnect();
  listening.abort();
}, MEDIA_POLL_MS);
watch(Object.keys({ value: 0, backdrop: 0 }), readProps); // quoted names would become Gradio events of the component
readProps();
layOut();
// A component that Gradio hides and shows again has kept its value alone.
if (numFrames && !backdrop) server.last_backdrop().then(readBackdrop);
