// The scene: bodies, floor and shadow, seen by a camera that goes along.

const FIELD_OF_VIEW = 26;
const FLOOR_REACH_M = 2.6;
const SHADOW_TEXELS = 128;
const TEXEL_M = 0.02;
const SPACING_M = 1.15;
const IN_A_ROW = 4; // more bodies stand in two rows, each a picture of its own by the same camera
const FOLLOW_REACH_S = 0.7;
const EYES = [23, 24];
const CLOSE_UP_M = 0.32; // the height that a close-up shows: no turn or nod of the head takes its crown out of it
const CLOSE_UP_LIFT_M = 0.01; // of its middle above the face's, for the skull goes farther up than the chin down

class Scene {
  scene = new THREE.Scene();
  camera = new THREE.PerspectiveCamera(FIELD_OF_VIEW, 1, 0.05, 60);
  renderer;
  controls;
  /** @type {Figure[]} */
  figures = [];
  /** @type {(Figure | null)[]} */
  ghosts = [];
  floorY = 0;
  hasFloor = true;
  rods;
  /** @type {Map<Figure, Segment[]>} */
  segments = new Map(); // lines of each figure
  /** @type {Figure | null} */
  focus = null; // whose face is looked at: its row alone is drawn
  /** @type {Figure[][]} */
  #rows = [];
  #floor;
  #region = new THREE.Vector3();
  #shadow;
  #followed = new THREE.Vector3();
  #quad;
  #size = { width: 1, height: 1 }; // CSS pixels
  /** @type {(Figure | null)[]} */
  #gone = []; // until others are drawn, so that shaders of both are not compiled anew

  /** @param {HTMLCanvasElement} canvas @param {Library} library @param {() => void} changed the camera was moved by hand */
  constructor(canvas, library, changed) {
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: true, alpha: true });
    this.renderer.setClearColor(0x000000, 0);
    this.renderer.autoClear = false;
    this.controls = new library.OrbitControls(this.camera, canvas);
    this.controls.enablePan = false;
    this.controls.maxPolarAngle = 0.56 * Math.PI;
    this.controls.minDistance = 0.4;
    this.controls.maxDistance = 25;
    canvas.style.touchAction = "pan-y"; // a finger that goes up or down scrolls the page
    this.controls.addEventListener("change", changed);
    this.rods = new Rods(this.scene);
    this.#shadow = this.#makeShadow();
    this.#quad = new THREE.Mesh(new THREE.PlaneGeometry(2, 2));
    this.#floor = this.#makeFloor();
    this.scene.add(this.#floor);
  }

  #makeShadow() {
    const target = () =>
      new THREE.WebGLRenderTarget(SHADOW_TEXELS, SHADOW_TEXELS, { type: THREE.HalfFloatType, depthBuffer: false });
    const blur = new THREE.ShaderMaterial({
      glslVersion: THREE.GLSL3,
      uniforms: { source: { value: null }, direction: { value: new THREE.Vector2() }, sigma: { value: new THREE.Vector2() } },
      vertexShader: AREA_VERTEX,
      fragmentShader: BLUR_FRAGMENT,
      depthTest: false,
      depthWrite: false,
    });
    return { fallen: target(), half: target(), mass: target(), blur, camera: new THREE.Camera() };
  }

  #makeFloor() {
    const material = new THREE.ShaderMaterial({
      glslVersion: THREE.GLSL3,
      uniforms: {
        floorColor: { value: new THREE.Vector3() },
        lineColor: { value: new THREE.Vector3() },
        centre: { value: new THREE.Vector2() },
        reach: { value: FLOOR_REACH_M },
        region: { value: this.#region },
        mass: { value: this.#shadow.mass.texture },
      },
      vertexShader: FLOOR_VERTEX,
      fragmentShader: FLOOR_FRAGMENT,
      transparent: true,
      depthWrite: false,
    });
    const floor = new THREE.Mesh(new THREE.PlaneGeometry(1, 1).rotateX(-Math.PI / 2), material);
    floor.renderOrder = -1;
    return floor;
  }

  /** @param {Figure[]} figures @param {(Figure | null)[]} ghosts one for each, or none @param {number} floorY */
  put(figures, ghosts, floorY) {
    const stays = new Set([...figures, ...ghosts]);
    const leaving = [...this.figures, ...this.ghosts].filter((figure) => figure !== null && !stays.has(figure));
    if (leaving.length) this.#forget();
    for (const figure of leaving) figure?.group.removeFromParent();
    this.#gone.push(...leaving);
    this.figures = figures;
    this.ghosts = ghosts;
    this.floorY = floorY;
    for (const figure of stays) if (figure && !figure.group.parent) this.scene.add(figure.group);
  }

  /** Have shaders compiled for a body before a take comes. @param {StageBody} body */
  prepare(body) {
    const figure = new Figure(body, new TakeMotion(), false);
    this.put([figure], [], 0);
    this.#rows = [this.figures];
    this.draw(true);
    this.put([], [], 0);
    this.#rows = [];
  }

  /** Side by side, or all in one place. @param {boolean} isOverlaid */
  arrange(isOverlaid) {
    const side = this.#sideways();
    const count = this.figures.length;
    const perRow = isOverlaid || count <= IN_A_ROW ? count : Math.ceil(count / 2);
    this.#rows = [];
    for (let start = 0; start < count; start += perRow) this.#rows.push(this.figures.slice(start, start + perRow));
    for (const row of this.#rows) {
      row.forEach((figure, which) => {
        const shift = isOverlaid ? 0 : (which - (row.length - 1) / 2) * SPACING_M;
        figure.group.position.copy(side).multiplyScalar(shift);
        this.ghosts[this.figures.indexOf(figure)]?.group.position.copy(figure.group.position);
      });
    }
    this.scene.updateMatrixWorld(true);
  }

  /** The rows that are drawn, from the top down. */
  get rows() {
    const { focus } = this;
    return focus ? this.#rows.filter((row) => row.includes(focus)) : this.#rows;
  }

  /** Each row has its share of the picture's height. */
  #fit() {
    const { width, height } = this.#size;
    const aspect = width / Math.max(1, height / Math.max(1, this.rows.length));
    if (aspect === this.camera.aspect) return;
    this.camera.aspect = aspect;
    this.camera.updateProjectionMatrix();
  }

  /** To the right of who looks at the first body from its front. */
  #sideways() {
    return new THREE.Vector3(0, 1, 0).cross(this.#facing());
  }

  /** Where the first body looks, over the floor, at the start of its take. */
  #facing() {
    const { motion, body } = this.figures[0];
    const [skeleton, pose, across] = [new Skeleton(body), motion.makePose(), new THREE.Vector3()];
    for (let step = 0; step < 16; step += 1) {
      motion.sample((step / 15) * Math.min(motion.frames - 1, 20 * motion.fps), pose);
      skeleton.take(pose);
      for (const [left, right] of [[1, 2], [16, 17]]) {
        const way = new THREE.Vector3(...skeleton.position(left)).sub(new THREE.Vector3(...skeleton.position(right)));
        across.add(way.setY(0).normalize());
      }
    }
    if (across.length() < 1) return new THREE.Vector3(0, 0, 1);
    return across.normalize().cross(new THREE.Vector3(0, 1, 0));
  }

  /** The middle of the bodies over the floor at a frame, without their quick turns. @param {number} frame */
  #middle(frame) {
    const middle = new THREE.Vector3(0, this.floorY, 0);
    for (const { motion, group } of this.figures) {
      const [x, z] = motion.meanRoot(frame, FOLLOW_REACH_S * motion.fps);
      middle.x += (x + group.position.x) / this.figures.length;
      middle.z += (z + group.position.z) / this.figures.length;
    }
    return middle;
  }

  /** Camera in front of the bodies, all of them in the picture. @param {number} frame */
  reset(frame) {
    if (!this.figures.length) return;
    this.focus = null;
    this.#fit();
    const middle = this.#middle(frame);
    const reach = Math.max(...this.figures.map(({ group }) => group.position.length()));
    const [height, width] = [2.0, 1.5 + 2 * reach];
    const half = Math.tan(THREE.MathUtils.degToRad(FIELD_OF_VIEW) / 2);
    const distance = 1.04 * Math.max(height / (2 * half), width / (2 * half * this.camera.aspect));
    const pitch = THREE.MathUtils.degToRad(7);
    this.controls.target.copy(middle).setY(this.floorY + 0.88);
    const back = this.#facing().multiplyScalar(Math.cos(pitch)).setY(Math.sin(pitch));
    this.camera.position.copy(this.controls.target).addScaledVector(back, distance);
    this.#followed.copy(middle);
    this.controls.update();
  }

  /** Close to a face, in front of it. @param {Figure} figure */
  closeUp(figure) {
    this.focus = figure;
    this.#fit();
    const face = this.#faceOf(figure);
    const look = new THREE.Vector3(...figure.skeleton.axis(HEAD_JOINT, 2)).setY(0).normalize();
    const half = Math.tan(THREE.MathUtils.degToRad(FIELD_OF_VIEW) / 2);
    this.controls.target.copy(face);
    const distance = CLOSE_UP_M / (2 * half * Math.min(1, this.camera.aspect));
    this.camera.position.copy(face).addScaledVector(look, distance).add(new THREE.Vector3(0, 0.03, 0));
    this.#followed.copy(face);
    this.controls.update();
  }

  /** @param {Figure} figure */
  #faceOf(figure) {
    const eyes = EYES.reduce((sum, eye) => sum.add(figure.jointAt(eye)), new THREE.Vector3()).multiplyScalar(0.35);
    const face = eyes.addScaledVector(figure.jointAt(HEAD_JOINT), 0.3);
    return face.add(new THREE.Vector3(0, CLOSE_UP_LIFT_M, 0));
  }

  /** Move the camera as far as what it follows has moved. @param {number} frame @param {Figure | null} face */
  follow(frame, face) {
    if (!this.figures.length) return;
    const goal = face ? this.#faceOf(face) : this.#middle(frame);
    const step = goal.clone().sub(this.#followed);
    if (!face) step.y = 0;
    this.camera.position.add(step);
    this.controls.target.add(step);
    this.#followed.copy(goal);
    this.camera.lookAt(this.controls.target);
  }

  /** Where following goes on from, when it was off. @param {number} frame @param {Figure | null} face */
  anchor(frame, face) {
    if (this.figures.length) this.#followed.copy(face ? this.#faceOf(face) : this.#middle(frame));
  }

  /** @param {{ floor: number[], line: number[] }} colors linear */
  color({ floor, line }) {
    const uniforms = this.#floorUniforms();
    uniforms.floorColor.value.fromArray(floor);
    uniforms.lineColor.value.fromArray(line);
  }

  #floorUniforms() {
    return /** @type {import("three").ShaderMaterial} */ (this.#floor.material).uniforms;
  }

  /** @param {number} width @param {number} height CSS pixels */
  resize(width, height) {
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    this.renderer.setSize(width, height, false);
    this.#size = { width, height };
    this.#fit();
  }

  /** @param {boolean} hasShadows */
  draw(hasShadows) {
    const { renderer, camera } = this;
    this.#fit();
    camera.updateMatrixWorld();
    for (const figure of [...this.figures, ...this.ghosts]) figure?.light(camera.matrixWorld);
    this.rods.light(camera.matrixWorld);
    renderer.setRenderTarget(null);
    renderer.clear();
    const { rows } = this;
    const { width, height } = this.#size;
    rows.forEach((row, which) => {
      renderer.setViewport(0, (height * (rows.length - 1 - which)) / rows.length, width, height / rows.length);
      this.#drawRow(row, hasShadows);
    });
    renderer.setViewport(0, 0, width, height);
    this.#forget();
  }

  #forget() {
    for (const figure of this.#gone.splice(0)) figure?.dispose();
  }

  /** @param {Figure[]} row @param {boolean} hasShadows */
  #drawRow(row, hasShadows) {
    const { renderer, camera, scene, ghosts } = this;
    this.figures.forEach((figure, which) => {
      const isInRow = row.includes(figure);
      figure.group.visible = isInRow;
      const ghost = ghosts[which];
      if (ghost) ghost.group.visible = isInRow;
    });
    this.rods.show(row.flatMap((figure) => this.segments.get(figure) ?? []));
    this.#floor.visible = this.hasFloor && camera.position.y > this.floorY;
    if (this.#floor.visible) this.#drawShadow(row, hasShadows);
    renderer.setRenderTarget(null);
    renderer.render(scene, camera);
  }

  /** @param {Figure[]} row @param {boolean} hasShadows */
  #drawShadow(row, hasShadows) {
    const { renderer } = this;
    const box = new THREE.Box2();
    for (const { group, pose } of row) {
      box.expandByPoint(new THREE.Vector2(pose.root[0] + group.position.x, pose.root[2] + group.position.z));
    }
    const size = box.getSize(new THREE.Vector2());
    const scale = Math.max(1, Math.ceil((SHADOW_TEXELS * TEXEL_M + Math.max(size.x, size.y)) / (SHADOW_TEXELS * TEXEL_M)));
    const [texel, middle] = [TEXEL_M * scale, box.getCenter(new THREE.Vector2())];
    const width = texel * SHADOW_TEXELS;
    // In whole texels, so that the shadow does not flicker when a body sways.
    const corner = (/** @type {number} */ at) => Math.floor((at - width / 2) / texel) * texel;
    this.#region.set(corner(middle.x), corner(middle.y), width);
    this.#floor.position.set(middle.x, this.floorY, middle.y);
    this.#floor.scale.setScalar(2 * (FLOOR_REACH_M + Math.max(size.x, size.y) / 2));
    const uniforms = this.#floorUniforms();
    uniforms.centre.value.copy(middle);
    uniforms.reach.value = FLOOR_REACH_M + Math.max(size.x, size.y) / 2;
    this.#floor.updateMatrixWorld();
    const { fallen, half, mass, blur, camera } = this.#shadow;
    renderer.setRenderTarget(hasShadows ? fallen : mass);
    renderer.clear();
    if (!hasShadows) return;
    for (const figure of row) {
      figure.fallOn(this.#region, this.floorY, texel * texel);
      renderer.render(figure.points, camera);
    }
    blur.uniforms.sigma.value.set(1.6 / scale, 5 / scale);
    this.#quad.material = blur;
    for (const [source, into, x, y] of /** @type {const} */ ([[fallen, half, 1, 0], [half, mass, 0, 1]])) {
      blur.uniforms.source.value = source.texture;
      blur.uniforms.direction.value.set(x, y);
      renderer.setRenderTarget(into);
      renderer.render(this.#quad, camera);
    }
  }

  dispose() {
    this.put([], [], 0);
    this.#forget();
    this.controls.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss(); // browsers allow a dozen or so at a time
  }
}
