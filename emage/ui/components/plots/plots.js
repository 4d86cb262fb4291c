// All put together.

root.setAttribute("aria-label", props.label);
root.style.setProperty("--hint", SETTINGS.hintColor);
listenToPointers();
listenToKeys();
new ResizeObserver(drawSoon).observe(part("surface"));
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
watch(Object.keys({ value: 0 }), readValue); // a quoted name would become a Gradio event of the component
readValue();
findMedia();
