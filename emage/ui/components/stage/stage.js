// All put together.

listenToTools();
listenToClock();
new ResizeObserver(drawSoon).observe(stageView);
attend(drawSoon, () => {
  players.find(shown?.followed ?? []);
});
watch(Object.keys({ value: 0 }), readValue); // a quoted name would become a Gradio event of the component
showTools();
readValue();

// For tests and for who looks in from the browser's console: what the stage has worked out.
Object.assign(root, {
  stage: {
    /** Where the joints of a take are, metres, (55 * 3) in the take's own place. @param {number} which */
    joints: (which) => [...(scene?.figures[which].skeleton.positions ?? [])],
    /** Camera to scene, column by column, and its whole vertical angle in radians. */
    camera: () => ({ matrix: scene?.camera.matrixWorld.toArray(), angle: scene && THREE.MathUtils.degToRad(scene.camera.fov) }),
    /** The frame that is shown, of the page. */
    frame: () => playhead,
    isReady: () => reading.then(() => staged.length > 0),
    /** A picture of bodies alone, or of nothing, as a data address. @param {boolean} hasBodies */
    silhouette(hasBodies) {
      if (!scene) return null;
      draw();
      for (const { group } of scene.figures) group.visible = hasBodies;
      scene.hasFloor = false;
      scene.draw(false);
      const picture = canvas.toDataURL();
      for (const { group } of scene.figures) group.visible = true;
      scene.hasFloor = true;
      drawSoon();
      return picture;
    },
  },
});
