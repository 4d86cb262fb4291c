// A body in the scene, posed by a take.

const LEAF_COUNT = 5;

class Figure {
  /** @type {import("three").Group} */
  group;
  skeleton;
  shape;
  pose;
  frame = -1;
  #body;
  #motion;
  #matrices;
  #joints;
  #geometry;
  #fall;
  #uniforms;
  /** @type {import("three").Mesh[]} */
  #meshes = [];
  /** @type {import("three").Points} */
  points;

  /** @param {StageBody} body @param {TakeMotion} motion @param {boolean} isGhost */
  constructor(body, motion, isGhost) {
    this.#body = body;
    this.#motion = motion;
    this.isGhost = isGhost;
    this.skeleton = new Skeleton(body);
    this.shape = new Shape(body);
    this.pose = motion.makePose();
    this.group = new THREE.Group();
    const rows = SETTINGS.parents.length;
    this.#matrices = new Float32Array(16 * rows);
    this.#joints = new THREE.DataTexture(this.#matrices, 4, rows, THREE.RGBAFormat, THREE.FloatType);
    this.#uniforms = {
      joints: { value: this.#joints },
      partColors: { value: Array.from({ length: LEAF_COUNT }, () => new THREE.Vector3()) },
      difference: { value: 0 },
      cameraAxes: { value: new THREE.Matrix3() },
      opacity: { value: isGhost ? 0.42 : 1 },
    };
    this.#geometry = this.#makeGeometry();
    this.points = new THREE.Points(this.#geometry, this.#makeFall());
    this.points.frustumCulled = false;
    this.#fall = /** @type {import("three").ShaderMaterial} */ (this.points.material);
    this.#addMeshes();
  }

  get body() {
    return this.#body;
  }

  get motion() {
    return this.#motion;
  }

  #makeGeometry() {
    const { index, parts, colors, owners, weights, areas } = this.#body;
    const geometry = new THREE.BufferGeometry();
    const changing = (/** @type {Float32Array} */ array) =>
      new THREE.BufferAttribute(array, 3).setUsage(THREE.DynamicDrawUsage);
    geometry.setAttribute("position", changing(this.shape.position));
    geometry.setAttribute("normal", changing(this.shape.normal));
    geometry.setAttribute("part", new THREE.BufferAttribute(parts, 1));
    geometry.setAttribute("ownColor", new THREE.BufferAttribute(colors, 4, true));
    geometry.setAttribute("owners", new THREE.BufferAttribute(owners, 4));
    geometry.setAttribute("weights", new THREE.BufferAttribute(weights, 4));
    geometry.setAttribute("area", new THREE.BufferAttribute(areas, 1));
    geometry.setIndex(new THREE.BufferAttribute(index, 1));
    return geometry;
  }

  #makeFall() {
    return new THREE.ShaderMaterial({
      glslVersion: THREE.GLSL3,
      uniforms: { joints: { value: this.#joints }, region: { value: new THREE.Vector3() }, floorY: { value: 0 }, texelArea: { value: 1 } },
      vertexShader: FALL_VERTEX,
      fragmentShader: FALL_FRAGMENT,
      blending: THREE.CustomBlending,
      blendSrc: THREE.OneFactor,
      blendDst: THREE.OneFactor,
      depthTest: false,
      depthWrite: false,
    });
  }

  #addMeshes() {
    const shared = { glslVersion: THREE.GLSL3, uniforms: this.#uniforms, vertexShader: BODY_VERTEX, side: THREE.DoubleSide };
    const skin = new THREE.ShaderMaterial({ ...shared, fragmentShader: BODY_FRAGMENT });
    if (this.isGhost) {
      const hidden = new THREE.ShaderMaterial({ ...shared, fragmentShader: NOTHING_FRAGMENT, colorWrite: false });
      this.#add(hidden, 1);
      skin.transparent = true;
      skin.depthWrite = false;
      skin.depthFunc = THREE.LessEqualDepth;
    }
    this.#add(skin, this.isGhost ? 2 : 0);
  }

  /** @param {import("three").ShaderMaterial} material @param {number} order */
  #add(material, order) {
    const mesh = new THREE.Mesh(this.#geometry, material);
    mesh.frustumCulled = false; // where the vertices are the shader alone knows
    mesh.renderOrder = order;
    this.#meshes.push(mesh);
    this.group.add(mesh);
  }

  /** Whether the skin is seen; the group is there for lines too. @param {boolean} isShown */
  showSkin(isShown) {
    for (const mesh of this.#meshes) mesh.visible = isShown;
  }

  /** @param {number} frame with fractions */
  take(frame) {
    this.frame = frame;
    this.#motion.sample(frame, this.pose);
    this.skeleton.take(this.pose);
    this.shape.take(this.pose.faces, this.skeleton);
    this.#geometry.attributes.position.needsUpdate = true;
    this.#geometry.attributes.normal.needsUpdate = true;
    this.skeleton.matrices.forEach((value, at) => {
      this.#matrices[16 * Math.floor(at / 12) + (at % 12)] = value;
    });
    this.#joints.needsUpdate = true;
  }

  /** Where each vertex is, in the take's own place. */
  skin() {
    const at = this.shape.position;
    return Array.from({ length: at.length / 3 }, (_, vertex) => this.skeleton.vertex(vertex, at)).flat();
  }

  /** @param {number[] | null} distances of the joints from the hint's, metres; null where that is not shown */
  showDifference(distances) {
    this.#uniforms.difference.value = distances ? 1 : 0;
    distances?.forEach((distance, joint) => {
      this.#matrices[16 * joint + 12] = distance / SETTINGS.differenceM;
    });
    this.#joints.needsUpdate = true;
  }

  /** @param {Vector3[]} colors of what is generated, followed and locked */
  paint(colors) {
    this.#uniforms.partColors.value.forEach((color, part) => {
      color.copy(colors[this.isGhost ? SETTINGS.locked : (this.pose.hints >> (2 * part)) & 3]);
    });
  }

  /** @param {number} part */
  colorOf(part) {
    return this.#uniforms.partColors.value[part];
  }

  /** @param {import("three").Matrix4} camera where it is */
  light(camera) {
    this.#uniforms.cameraAxes.value.setFromMatrix4(camera);
  }

  /** @param {Vector3} region @param {number} floorY @param {number} texelArea */
  fallOn(region, floorY, texelArea) {
    this.#fall.uniforms.region.value.copy(region);
    this.#fall.uniforms.floorY.value = floorY;
    this.#fall.uniforms.texelArea.value = texelArea;
    this.points.matrixAutoUpdate = false;
    this.points.matrix.copy(this.group.matrixWorld);
    this.points.matrixWorldNeedsUpdate = true;
  }

  /** A joint in the scene. @param {number} joint */
  jointAt(joint) {
    return new THREE.Vector3(...this.skeleton.position(joint)).add(this.group.position);
  }

  dispose() {
    this.group.removeFromParent();
    this.#geometry.dispose();
    this.#joints.dispose();
    this.#fall.dispose();
    for (const mesh of this.#meshes) /** @type {import("three").Material} */ (mesh.material).dispose();
  }
}

/** Of joints of two bodies in metres, where both pelvises are in one place. @param {Skeleton} one @param {Skeleton} other */
function distancesBetween(one, other) {
  const shift = [0, 1, 2].map((axis) => one.positions[axis] - other.positions[axis]);
  return SETTINGS.parents.map((_, joint) =>
    Math.hypot(...shift.map((by, axis) => one.positions[3 * joint + axis] - other.positions[3 * joint + axis] - by))
  );
}
