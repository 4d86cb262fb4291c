// Bones, features of the face and trails: round rods between points.

const BONE_RADIUS_M = 0.011;
const FINGER_RADIUS_M = 0.005;
const FEATURE_RADIUS_M = 0.0016;
const TRAIL_RADIUS_M = 0.004;
const TRAIL_S = 1.5;
const FIRST_FINGER = 25;
const HEAD_JOINT = 15;
const WRISTS = ["left_wrist", "right_wrist"];
const CLOSED = new Set(["right_eye", "left_eye", "outer_lips", "inner_lips"]);
const INK = [0.16, 0.17, 0.2];

class Rods {
  /** @type {import("three").InstancedMesh | null} */
  #mesh = null;
  #geometry = new THREE.CylinderGeometry(1, 1, 1, 8); // from y = -0.5 to 0.5
  #material;
  #parent;

  /** @param {import("three").Object3D} parent */
  constructor(parent) {
    this.#parent = parent;
    this.#material = new THREE.ShaderMaterial({
      glslVersion: THREE.GLSL3,
      uniforms: { cameraAxes: { value: new THREE.Matrix3() } },
      vertexShader: SEGMENT_VERTEX,
      fragmentShader: SEGMENT_FRAGMENT,
    });
  }

  /** @param {Segment[]} segments */
  show(segments) {
    const mesh = this.#roomFor(segments.length);
    const tints = /** @type {import("three").InstancedBufferAttribute} */ (mesh.geometry.attributes.tint);
    const [matrix, turn, scale] = [new THREE.Matrix4(), new THREE.Quaternion(), new THREE.Vector3()];
    const [from, along, up] = [new THREE.Vector3(), new THREE.Vector3(), new THREE.Vector3(0, 1, 0)];
    segments.forEach(({ from: start, to, radius, color }, which) => {
      from.fromArray(start);
      along.fromArray(to).sub(from);
      const length = along.length();
      turn.setFromUnitVectors(up, length > 1e-9 ? along.clone().divideScalar(length) : up);
      matrix.compose(from.addScaledVector(along, 0.5), turn, scale.set(radius, Math.max(length, 1e-6), radius));
      mesh.setMatrixAt(which, matrix);
      tints.setXYZ(which, color[0], color[1], color[2]);
    });
    mesh.count = segments.length;
    mesh.visible = segments.length > 0;
    mesh.instanceMatrix.needsUpdate = true;
    tints.needsUpdate = true;
  }

  /** @param {number} count */
  #roomFor(count) {
    if (this.#mesh && this.#mesh.instanceMatrix.count >= count) return this.#mesh;
    this.#mesh?.removeFromParent();
    this.#mesh?.dispose();
    const room = Math.max(64, 2 * count);
    const geometry = this.#geometry.clone();
    geometry.setAttribute("tint", new THREE.InstancedBufferAttribute(new Float32Array(3 * room), 3));
    const mesh = new THREE.InstancedMesh(geometry, this.#material, room);
    mesh.frustumCulled = false;
    this.#parent.add(mesh);
    this.#mesh = mesh;
    return mesh;
  }

  /** @param {import("three").Matrix4} camera */
  light(camera) {
    this.#material.uniforms.cameraAxes.value.setFromMatrix4(camera);
  }
}

/** Bones with fingers, in the parts' colours. @param {Figure} figure @param {boolean} isThin @returns {Segment[]} */
function bonesOf(figure, isThin) {
  return SETTINGS.parents.flatMap((parent, joint) => {
    if (parent < 0) return [];
    const isFine = joint >= FIRST_FINGER || parent === HEAD_JOINT;
    const radius = isFine ? FINGER_RADIUS_M : isThin ? 0.6 * BONE_RADIUS_M : BONE_RADIUS_M;
    const color = figure.colorOf(SETTINGS.partOfJoint[joint]).toArray();
    return [{ from: figure.jointAt(parent).toArray(), to: figure.jointAt(joint).toArray(), radius, color }];
  });
}

/** Features of the face, outline of the jaw, tips of the fingers, heels and toes. @param {Figure} figure @returns {Segment[]} */
function landmarksOf(figure) {
  const { landmarks } = figure.body;
  const [x, y, z] = figure.group.position.toArray();
  const placeOf = (/** @type {number} */ vertex) => {
    const [px, py, pz] = figure.skeleton.vertex(vertex, figure.shape.position);
    return [px + x, py + y, pz + z];
  };
  const tips = (landmarks.fingertips ?? []).map((vertex, which) => ({
    from: figure.jointAt(SETTINGS.fingertipJoints[which]).toArray(),
    to: placeOf(vertex),
    radius: FINGER_RADIUS_M,
    color: figure.colorOf(SETTINGS.partOfJoint[SETTINGS.fingertipJoints[which]]).toArray(),
  }));
  const lines = Object.entries(landmarks).flatMap(([name, vertices]) => {
    if (name === "fingertips") return [];
    const places = vertices.map(placeOf);
    if (CLOSED.has(name)) places.push(places[0]);
    return places.slice(1).map((to, which) => ({ from: places[which], to, radius: FEATURE_RADIUS_M, color: INK }));
  });
  return [...tips, ...lines];
}

/** Where the wrists have just been, the older the thinner. @param {Figure} figure @returns {Segment[]} */
function trailsOf(figure) {
  const { motion, body, group } = figure;
  const [skeleton, pose] = [new Skeleton(body), motion.makePose()];
  const frames = Math.round(TRAIL_S * motion.fps);
  const first = Math.max(0, Math.floor(figure.frame) - frames);
  /** @type {number[][][]} */
  const places = [];
  for (let frame = first; frame < figure.frame; frame += 1) {
    motion.sample(frame, pose);
    skeleton.take(pose);
    places.push(WRISTS.map((name) => placeIn(group, skeleton.position(SETTINGS.jointNames.indexOf(name)))));
  }
  places.push(WRISTS.map((name) => figure.jointAt(SETTINGS.jointNames.indexOf(name)).toArray()));
  return places.slice(1).flatMap((now, which) =>
    now.map((to, side) => {
      const age = (which + 1) / (places.length - 1);
      const color = figure.colorOf(SETTINGS.partOfJoint[SETTINGS.jointNames.indexOf(WRISTS[side])]).toArray();
      return { from: places[which][side], to, radius: TRAIL_RADIUS_M * (0.25 + 0.75 * age), color };
    })
  );
}

/** @param {import("three").Object3D} group @param {number[]} place */
function placeIn(group, place) {
  return group.position.toArray().map((from, axis) => from + place[axis]);
}
