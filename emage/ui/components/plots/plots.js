// All put together.

listenToPointers();
listenToKeys();
new ResizeObserver(drawSoon).observe(part("surface"));
attend(drawSoon, findMedia);
watch(Object.keys({ value: 0 }), readValue); // a quoted name would become a Gradio event of the component
readValue();
findMedia();
