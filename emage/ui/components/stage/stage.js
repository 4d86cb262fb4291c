// All put together.

listenToTools();
listenToClock();
new ResizeObserver(drawSoon).observe(stageView);
new IntersectionObserver((entries) => {
  isInView = Boolean(entries.at(-1)?.isIntersecting); // a busy page is told of several changes together
  drawSoon();
}).observe(stageView);
attend(drawSoon, () => {
  players.find(shown?.followed ?? []);
});
watch(Object.keys({ value: 0 }), readValue); // a quoted name would become a Gradio event of the component
listening.signal.addEventListener("abort", () => scene?.dispose());
showTools();
readValue();

// For tests and for who looks in from the browser's console: what the stage has worked out.
Object.assign(root, {
  stage: {
    /** Where the joints of a take are, metres, (55 * 3) in the take's own place. @param {number} which */
    joints: (which) => [...(scene?.figures[which].skeleton.positions ?? [])],
    /** Where its skin is, metres, (V * 3) in the take's own place. @param {number} which */
    skin: (which) => scene?.figures[which].skin() ?? [],
    /** Camera to scene, column by column, and its whole vertical angle in radians. */
    camera: () => ({ matrix: scene?.camera.matrixWorld.toArray(), angle: scene && THREE.MathUtils.degToRad(scene.camera.fov) }),
    /** What the first take shows; another for each take. */
    key: () => shown?.takes[0]?.key ?? "",
    /** The frame that is shown, of the page. */
    frame: () => playhead,
    /** Whether so many takes, and all that came, are shown. @param {number} count */
    shows: (count) => staged.length === count && shown?.takes.length === count && (props.value?.takes[0]?.key ?? null) === (shown?.takes[0]?.key ?? null),
    /** A picture of what stands there without the floor, as a data address. */
    silhouette() {
      if (!scene) return null;
      isInView = true;
      draw();
      scene.hasFloor = false;
      scene.draw(false);
      const picture = canvas.toDataURL();
      scene.hasFloor = true;
      drawSoon();
      return picture;
    },
  },
});
