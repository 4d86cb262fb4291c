// three.js, which lies beside the page as npm installed it.

/** @type {Three} */
let THREE;
/** @type {Promise<Library> | null} */
let asked = null;
/** @typedef {{ OrbitControls: typeof import("three/addons/controls/OrbitControls.js").OrbitControls, GLTFLoader: typeof import("three/addons/loaders/GLTFLoader.js").GLTFLoader }} Library */

/** @param {LibraryJson} files */
function loadLibrary(files) {
  asked ??= (async () => {
    const three = new URL(files.three.url, document.baseURI).href;
    THREE = await import(three);
    // Add-ons name each other and three.js in ways that need a bundler or a map; here by their addresses.
    const buffers = await addressOf(files.buffers.url, { three });
    const [controls, loader] = await Promise.all(
      [files.controls, files.loader].map((file) => addressOf(file.url, { three, "../utils/BufferGeometryUtils.js": buffers }))
    );
    const [{ OrbitControls }, { GLTFLoader }] = await Promise.all([import(controls), import(loader)]);
    return { OrbitControls, GLTFLoader };
  })();
  asked.catch(() => (asked = null)); // to be asked for again
  return asked;
}

/** Of a module whose imports are at other addresses. @param {string} url @param {Record<string, string>} imports */
async function addressOf(url, imports) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url} cannot be had (${answer.status}).`);
  let source = await answer.text();
  for (const [name, address] of Object.entries(imports)) source = source.replaceAll(`from '${name}'`, `from '${address}'`);
  return URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
}
