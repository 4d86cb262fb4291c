// A body from its GLB: fetched once, stored by the browser, and made ready for being posed.

const BODY_STORE = "emage-bodies";
const POSE_TARGET = /^pose:(\w+):(\d)$/;
/** @type {Map<string, Promise<StageBody>>} */
const bodies = new Map();

/** @param {BodyJson} wanted @param {Library} library */
function loadBody(wanted, library) {
  const known = bodies.get(wanted.key);
  if (known) return known;
  const loading = (async () => {
    const gltf = await new library.GLTFLoader().parseAsync(await fetchBody(wanted), "");
    return readBody(wanted, gltf);
  })();
  bodies.set(wanted.key, loading);
  loading.catch(() => bodies.delete(wanted.key)); // to be asked for again
  return loading;
}

/** The file, from the browser's store where it has it; where pages have none, from the server. @param {BodyJson} wanted */
async function fetchBody({ key, file }) {
  const store = "caches" in window ? await caches.open(BODY_STORE).catch(() => null) : null;
  const name = new URL(`/emage-body/${key}`, document.baseURI).href;
  const stored = await store?.match(name);
  if (stored) return stored.arrayBuffer();
  const answer = await fetch(file.url);
  if (!answer.ok) throw new Error(`The body cannot be had (${answer.status}).`);
  const content = await answer.arrayBuffer();
  await store?.put(name, new Response(content)).catch(() => {}); // where there is no room it comes again next time
  return content;
}

/** @param {BodyJson} wanted @param {import("three/addons/loaders/GLTFLoader.js").GLTF} gltf @returns {StageBody} */
function readBody({ key, landmarks, joint_offsets }, gltf) {
  /** @type {import("three").SkinnedMesh | null} */
  let found = null;
  gltf.scene.updateMatrixWorld(true);
  gltf.scene.traverse((node) => {
    if (node instanceof THREE.SkinnedMesh) found ??= node;
  });
  if (!found) throw new Error("The body's file holds no body.");
  const mesh = /** @type {import("three").SkinnedMesh} */ (found);
  const { attributes, index, morphAttributes } = mesh.geometry;
  const bones = SETTINGS.jointNames.map((name) => mesh.skeleton.bones.findIndex((bone) => bone.name === name));
  const jointOfBone = new Map(bones.map((bone, joint) => [bone, joint]));
  const joints = new Float64Array(3 * bones.length);
  bones.forEach((bone, joint) => {
    const place = new THREE.Vector3().setFromMatrixPosition(mesh.skeleton.bones[bone].matrixWorld);
    joints.set(place.toArray(), 3 * joint);
  });
  const position = floatsOf(attributes.position);
  const indices = /** @type {Uint32Array} */ (/** @type {import("three").BufferAttribute} */ (index).array);
  const normal = new Float32Array(position.length);
  const areas = addNormals(position, indices, null, normal);
  const weights = floatsOf(attributes.skinWeight);
  for (let at = 0; at < weights.length; at += 4) {
    const sum = weights[at] + weights[at + 1] + weights[at + 2] + weights[at + 3] || 1;
    for (let i = at; i < at + 4; i += 1) weights[i] /= sum;
  }
  const owners = floatsOf(attributes.skinIndex).map((bone) => jointOfBone.get(bone) ?? 0);
  const names = Object.keys(mesh.morphTargetDictionary ?? {});
  const makeMorph = makeMorphs(position, indices, normal);
  const morphs = names.map((name, which) => makeMorph(name, floatsOf(/** @type {any} */ (morphAttributes.position)[which])));
  const faces = morphs.filter(({ name }) => !POSE_TARGET.test(name));
  const touched = new Set(morphs.flatMap((morph) => [...morph.vertices]));
  return {
    key,
    landmarks,
    position,
    normal: normalised(normal),
    areas,
    index: indices,
    parts: floatsOf(attributes["_part"]),
    colors: bytesOf(attributes["_own_color"]),
    owners,
    weights,
    joints,
    faces,
    correctives: morphs.flatMap((morph) => {
      const [, joint, entry] = POSE_TARGET.exec(morph.name) ?? [];
      return joint ? [{ morph, joint: SETTINGS.jointNames.indexOf(joint), entry: Number(entry) }] : [];
    }),
    moved: Uint32Array.from(touched),
    jointOffsets: joint_offsets.map(([joint, face, ...offset]) => ({ joint, face, offset })),
  };
}

/** @param {import("three").BufferAttribute | import("three").InterleavedBufferAttribute} attribute */
function floatsOf(attribute) {
  const { count, itemSize } = attribute;
  const values = new Float32Array(count * itemSize);
  for (let at = 0, item = 0; item < count; item += 1) {
    for (let component = 0; component < itemSize; component += 1, at += 1) {
      values[at] = attribute.getComponent(item, component);
    }
  }
  return values;
}

/** Colours as bytes. @param {import("three").BufferAttribute | import("three").InterleavedBufferAttribute} attribute */
function bytesOf(attribute) {
  return Uint8Array.from(floatsOf(attribute), (value) => Math.round(255 * value));
}

/**
 * Add the normals of triangles, as long as twice their area, to their corners.
 * @param {Float32Array} position
 * @param {Uint32Array} index
 * @param {number[] | null} triangles some of them; null for all
 * @param {Float32Array} normal
 * @returns {Float32Array} a third of the area of each vertex's triangles; of all alone
 */
function addNormals(position, index, triangles, normal) {
  const areas = new Float32Array(triangles ? 0 : position.length / 3);
  const count = triangles ? triangles.length : index.length / 3;
  for (let which = 0; which < count; which += 1) {
    const first = 3 * (triangles ? triangles[which] : which);
    const [a, b, c] = [3 * index[first], 3 * index[first + 1], 3 * index[first + 2]];
    const [ux, uy, uz] = [position[b] - position[a], position[b + 1] - position[a + 1], position[b + 2] - position[a + 2]];
    const [vx, vy, vz] = [position[c] - position[a], position[c + 1] - position[a + 1], position[c + 2] - position[a + 2]];
    const [x, y, z] = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
    for (const corner of [a, b, c]) {
      normal[corner] += x;
      normal[corner + 1] += y;
      normal[corner + 2] += z;
      if (!triangles) areas[corner / 3] += Math.hypot(x, y, z) / 6;
    }
  }
  return areas;
}

/** @param {Float32Array} vectors */
function normalised(vectors) {
  const result = new Float32Array(vectors.length);
  for (let at = 0; at < vectors.length; at += 3) {
    const length = Math.hypot(vectors[at], vectors[at + 1], vectors[at + 2]) || 1;
    for (let i = at; i < at + 3; i += 1) result[i] = vectors[i] / length;
  }
  return result;
}

/**
 * Displacements with what they do to the normals, in which the file would be twice as large.
 * @param {Float32Array} position
 * @param {Uint32Array} index
 * @param {Float32Array} normal sums of `addNormals`
 */
function makeMorphs(position, index, normal) {
  /** @type {number[][]} */
  const trianglesOf = Array.from({ length: position.length / 3 }, () => []);
  index.forEach((vertex, at) => trianglesOf[vertex].push(Math.floor(at / 3)));
  const [moved, before, after] = [new Float32Array(position), new Float32Array(normal.length), new Float32Array(normal.length)];

  /** @param {string} name @param {Float32Array} dense @returns {Morph} */
  return (name, dense) => {
    /** @type {number[]} */
    const touched = [];
    for (let at = 0; at < dense.length; at += 3) {
      if (dense[at] || dense[at + 1] || dense[at + 2]) touched.push(at / 3);
    }
    const triangles = [...new Set(touched.flatMap((vertex) => trianglesOf[vertex]))];
    const vertices = [...new Set(triangles.flatMap((each) => [...index.subarray(3 * each, 3 * each + 3)]))];
    const at = (/** @type {number} */ vertex) => [3 * vertex, 3 * vertex + 1, 3 * vertex + 2];
    for (const i of touched.flatMap(at)) moved[i] += dense[i];
    addNormals(position, index, triangles, before);
    addNormals(moved, index, triangles, after);
    const [offsets, normals] = [new Float32Array(3 * vertices.length), new Float32Array(3 * vertices.length)];
    vertices.forEach((vertex, which) => {
      const [sum, changed] = [[0, 0, 0], [0, 0, 0]];
      at(vertex).forEach((i, axis) => {
        offsets[3 * which + axis] = dense[i];
        sum[axis] = normal[i];
        changed[axis] = normal[i] + after[i] - before[i];
      });
      const [length, other] = [Math.hypot(...sum) || 1, Math.hypot(...changed) || 1];
      for (let axis = 0; axis < 3; axis += 1) normals[3 * which + axis] = changed[axis] / other - sum[axis] / length;
    });
    for (const i of touched.flatMap(at)) moved[i] = position[i];
    for (const i of vertices.flatMap(at)) [before[i], after[i]] = [0, 0];
    return { name, vertices: Uint32Array.from(vertices), offsets, normals };
  };
}
