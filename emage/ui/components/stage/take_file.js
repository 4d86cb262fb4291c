// A take as Python encodes it; the format stands in take_file.py. Quaternions are made unit length when they are used, whatever their step.

const TAKE_MAGIC = "EMAGETK2";
const BLOCK_HEAD = 48; // bytes

/** Frames that are there; grows as a take is being made. */
class TakeMotion {
  fps = 30;
  numFaces = 0;
  frames = 0;
  #joints = SETTINGS.parents.length;
  #quaternions = new Int16Array(0);
  #root = new Float64Array(0);
  #faces = new Float32Array(0);
  #hints = new Uint16Array(0);

  /** Of the first file, before its blocks. @param {DataView} view @returns {number} where the blocks begin */
  #readHeader(view) {
    const magic = String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset, 8));
    if (magic !== TAKE_MAGIC) throw new Error("This is no take of the stage.");
    const length = view.getUint32(8, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + 12, length)));
    this.fps = header.fps;
    this.numFaces = header.faces;
    return 12 + length;
  }

  /** Of a file, in the order of the files. @param {ArrayBuffer} buffer */
  async append(buffer) {
    const view = new DataView(buffer);
    let at = this.frames === 0 ? this.#readHeader(view) : 0;
    while (at < buffer.byteLength) {
      const [frames, length] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
      const numbers = [0, 1, 2, 3, 4].map((which) => view.getFloat64(at + 8 + 8 * which, true));
      const payload = await inflate(new Uint8Array(buffer, at + BLOCK_HEAD, length));
      this.#readBlock(payload, frames, numbers);
      at += BLOCK_HEAD + length;
    }
  }

  /** @param {Uint8Array} planes @param {number} frames @param {number[]} scales root's base and step, the faces' step */
  #readBlock(planes, frames, [baseX, baseY, baseZ, rootStep, faceStep]) {
    const [rotations, faces] = [4 * this.#joints, this.numFaces];
    const size = (rotations + 3 + faces + 1) * frames;
    this.#makeRoom(this.frames + frames);
    const base = [baseX, baseY, baseZ];
    for (let channel = 0, at = 0; at < size; channel += 1) {
      let [value, change] = [0, 0];
      for (let frame = this.frames; frame < this.frames + frames; frame += 1, at += 1) {
        const folded = planes[at] | (planes[at + size] << 8) | (planes[at + 2 * size] << 16);
        change += (folded >>> 1) ^ -(folded & 1);
        value += change;
        if (channel < rotations) this.#quaternions[frame * rotations + channel] = value;
        else if (channel < rotations + 3) {
          const axis = channel - rotations;
          this.#root[3 * frame + axis] = base[axis] + value * rootStep;
        } else if (channel < rotations + 3 + faces) {
          this.#faces[frame * faces + channel - rotations - 3] = value * faceStep;
        } else this.#hints[frame] = value;
      }
    }
    this.frames += frames;
  }

  /** @param {number} frames */
  #makeRoom(frames) {
    if (this.#hints.length >= frames) return;
    const room = Math.max(frames, Math.ceil(1.5 * this.#hints.length));
    const grown = (/** @type {any} */ old, /** @type {number} */ width) => {
      const larger = new old.constructor(room * width);
      larger.set(old);
      return larger;
    };
    this.#quaternions = grown(this.#quaternions, 4 * this.#joints);
    this.#root = grown(this.#root, 3);
    this.#faces = grown(this.#faces, this.numFaces);
    this.#hints = grown(this.#hints, 1);
  }

  makePose() {
    return {
      quaternions: new Float64Array(4 * this.#joints),
      root: new Float64Array(3),
      faces: new Float32Array(this.numFaces),
      hints: 0,
    };
  }

  /** At a frame with fractions, between its neighbours; before the first and behind the last those. @param {number} frame @param {Pose} pose */
  sample(frame, pose) {
    const last = Math.max(0, this.frames - 1);
    const at = clamp(frame, 0, last);
    // Players round their time, to less than a thousandth of a frame.
    const near = Math.round(at);
    const first = Math.abs(at - near) < 1e-3 ? near : Math.floor(at);
    const share = Math.abs(at - near) < 1e-3 ? 0 : at - first;
    const second = Math.min(first + 1, last);
    const [turns, width] = [pose.quaternions, 4 * this.#joints];
    const [a, b] = [first * width, second * width];
    for (let joint = 0; joint < width; joint += 4) {
      let alike = 0;
      for (let i = joint; i < joint + 4; i += 1) alike += this.#quaternions[a + i] * this.#quaternions[b + i];
      const towards = alike < 0 ? -share : share;
      let square = 0;
      for (let i = joint; i < joint + 4; i += 1) {
        turns[i] = (1 - share) * this.#quaternions[a + i] + towards * this.#quaternions[b + i];
        square += turns[i] * turns[i];
      }
      const length = Math.sqrt(square) || 1;
      for (let i = joint; i < joint + 4; i += 1) turns[i] /= length;
    }
    for (let axis = 0; axis < 3; axis += 1) {
      pose.root[axis] = (1 - share) * this.#root[3 * first + axis] + share * this.#root[3 * second + axis];
    }
    for (let face = 0; face < this.numFaces; face += 1) {
      const [before, after] = [this.#faces[first * this.numFaces + face], this.#faces[second * this.numFaces + face]];
      pose.faces[face] = (1 - share) * before + share * after;
    }
    pose.hints = this.#hints[first] ?? 0;
  }

  /** Where the root is on the whole about a frame: x and z. @param {number} frame @param {number} reach frames */
  meanRoot(frame, reach) {
    const last = Math.max(0, this.frames - 1);
    let [x, z, sum] = [0, 0, 0];
    for (let step = -8; step <= 8; step += 1) {
      const at = clamp(frame + (step * reach) / 8, 0, last);
      const [first, weight] = [Math.floor(at), 9 - Math.abs(step)];
      const [second, share] = [Math.min(first + 1, last), at - first];
      x += weight * ((1 - share) * this.#root[3 * first] + share * this.#root[3 * second]);
      z += weight * ((1 - share) * this.#root[3 * first + 2] + share * this.#root[3 * second + 2]);
      sum += weight;
    }
    return [x / sum, z / sum];
  }
}

/** @param {Uint8Array<ArrayBuffer>} packed */
async function inflate(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
