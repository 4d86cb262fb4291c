// From a pose to where joints and vertices are, by the formulas of SMPL-X.

/**
 * Where the joints of a body are, and what moves its vertices.
 * positions: (55 * 3). matrices: (55 * 12) rows of 3 x 4, from the body at rest to the pose.
 */
class Skeleton {
  #body;
  #rest; // joints at rest, with what the face does to them
  #turns; // (55 * 9) rotations in the world
  #local = new Float64Array(9 * SETTINGS.parents.length);
  positions;
  matrices;

  /** @param {StageBody} body */
  constructor(body) {
    const count = SETTINGS.parents.length;
    this.#body = body;
    this.#rest = new Float64Array(body.joints);
    this.#turns = new Float64Array(9 * count);
    this.positions = new Float64Array(3 * count);
    this.matrices = new Float64Array(12 * count);
  }

  /** @param {Pose} pose */
  take({ quaternions, root, faces }) {
    const rest = this.#rest;
    rest.set(this.#body.joints);
    for (const { joint, face, offset } of this.#body.jointOffsets) {
      for (let axis = 0; axis < 3; axis += 1) rest[3 * joint + axis] += faces[face] * offset[axis];
    }
    SETTINGS.parents.forEach((parent, joint) => {
      turnOf(quaternions, 4 * joint, this.#local, 9 * joint);
      this.#place(joint, parent, root);
    });
  }

  /** @param {number} joint @param {number} parent @param {Float64Array} root */
  #place(joint, parent, root) {
    const [turns, local, rest, positions] = [this.#turns, this.#local, this.#rest, this.positions];
    const own = 9 * joint;
    if (parent < 0) {
      for (let i = 0; i < 9; i += 1) turns[own + i] = local[own + i];
      for (let axis = 0; axis < 3; axis += 1) positions[3 * joint + axis] = rest[3 * joint + axis] + root[axis];
    } else {
      const above = 9 * parent;
      for (let row = 0; row < 3; row += 1) {
        let reached = positions[3 * parent + row];
        for (let column = 0; column < 3; column += 1) {
          let sum = 0;
          for (let i = 0; i < 3; i += 1) sum += turns[above + 3 * row + i] * local[own + 3 * i + column];
          turns[own + 3 * row + column] = sum;
          reached += turns[above + 3 * row + column] * (rest[3 * joint + column] - rest[3 * parent + column]);
        }
        positions[3 * joint + row] = reached;
      }
    }
    for (let row = 0; row < 3; row += 1) {
      let shift = positions[3 * joint + row];
      for (let column = 0; column < 3; column += 1) {
        const turn = turns[own + 3 * row + column];
        this.matrices[12 * joint + 4 * row + column] = turn;
        shift -= turn * rest[3 * joint + column];
      }
      this.matrices[12 * joint + 4 * row + 3] = shift;
    }
  }

  /** An entry of a joint's own rotation less the identity, row by row. @param {number} joint @param {number} entry */
  bend(joint, entry) {
    return this.#local[9 * joint + entry] - (entry % 4 === 0 ? 1 : 0);
  }

  /** A direction of a joint's own axes in the world. @param {number} joint @param {number} column */
  axis(joint, column) {
    return [0, 1, 2].map((row) => this.#turns[9 * joint + 3 * row + column]);
  }

  /** @param {number} joint */
  position(joint) {
    return [...this.positions.subarray(3 * joint, 3 * joint + 3)];
  }

  /** Where a vertex is. @param {number} vertex @param {Float32Array} shape positions before the pose */
  vertex(vertex, shape) {
    const place = [0, 0, 0];
    for (let i = 0; i < 4; i += 1) {
      const weight = this.#body.weights[4 * vertex + i];
      if (!weight) continue;
      const at = 12 * this.#body.owners[4 * vertex + i];
      for (let row = 0; row < 3; row += 1) {
        const m = at + 4 * row;
        let sum = this.matrices[m + 3];
        for (let column = 0; column < 3; column += 1) sum += this.matrices[m + column] * shape[3 * vertex + column];
        place[row] += weight * sum;
      }
    }
    return place;
  }
}

/** A quaternion's matrix, row by row. @param {Float64Array} q @param {number} at @param {Float64Array} into @param {number} to */
function turnOf(q, at, into, to) {
  const [w, x, y, z] = [q[at], q[at + 1], q[at + 2], q[at + 3]];
  into[to] = 1 - 2 * (y * y + z * z);
  into[to + 1] = 2 * (x * y - w * z);
  into[to + 2] = 2 * (x * z + w * y);
  into[to + 3] = 2 * (x * y + w * z);
  into[to + 4] = 1 - 2 * (x * x + z * z);
  into[to + 5] = 2 * (y * z - w * x);
  into[to + 6] = 2 * (x * z - w * y);
  into[to + 7] = 2 * (y * z + w * x);
  into[to + 8] = 1 - 2 * (x * x + y * y);
}

/** The surface before the pose: what face and bends do to it. */
class Shape {
  #body;
  position;
  normal;

  /** @param {StageBody} body */
  constructor(body) {
    this.#body = body;
    this.position = new Float32Array(body.position);
    this.normal = new Float32Array(body.normal);
  }

  /** @param {Float32Array} faces @param {Skeleton} skeleton */
  take(faces, skeleton) {
    const { moved, position, normal, correctives, faces: morphs } = this.#body;
    for (const vertex of moved) {
      for (let at = 3 * vertex; at < 3 * vertex + 3; at += 1) {
        this.position[at] = position[at];
        this.normal[at] = normal[at];
      }
    }
    morphs.forEach((morph, face) => this.#add(morph, faces[face] ?? 0));
    for (const { morph, joint, entry } of correctives) this.#add(morph, skeleton.bend(joint, entry));
  }

  /** @param {Morph} morph @param {number} weight */
  #add({ vertices, offsets, normals }, weight) {
    if (Math.abs(weight) < 1e-5) return;
    for (let i = 0, at = 0; i < vertices.length; i += 1) {
      const to = 3 * vertices[i];
      for (let axis = 0; axis < 3; axis += 1, at += 1) {
        this.position[to + axis] += weight * offsets[at];
        this.normal[to + axis] += weight * normals[at];
      }
    }
  }
}
