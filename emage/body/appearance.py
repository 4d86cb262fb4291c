"""What of a body is which part, and its colours."""

from pathlib import Path

import numpy as np
import scipy.sparse

from emage.body.landmarks import FACE_POINTS
from emage.body.smplx_file import SmplxModel
from emage.errors import BodyError
from emage.motion.skeleton import DISJOINT_PARTS, EYE_JOINTS, HEAD_JOINT, JAW_JOINT, NUM_JOINTS, disjoint_part_of_joint

_FACE_REACH = 0.025
"""Skin is face where expressions reach it by this share of what they do to the most movable vertex."""
_SMOOTHING_ROUNDS = 30


def find_vertex_parts(model: SmplxModel) -> np.ndarray:
    """(V,) uint8 index into DISJOINT_PARTS.

    A mask of what expressions reach on the front half of the head has holes (the bridge of the nose) and a ragged rim.
    Averaging it over neighbours closes and smooths it.
    """
    weights, expressions, faces = model.lbs_weights.numpy(), model.expr_dirs.numpy(), model.faces.astype(np.int64)
    depth = model.v_template.numpy()[:, 2]
    in_front = depth > model.J_regressor[HEAD_JOINT].numpy() @ depth
    part_of = np.array(
        [DISJOINT_PARTS.index(disjoint_part_of_joint(joint)) for joint in range(NUM_JOINTS)], dtype=np.uint8
    )
    dominant = weights.argmax(1)
    parts = part_of[dominant]
    reach = np.sqrt(np.square(expressions).sum((1, 2)))
    is_reached = in_front & (reach > _FACE_REACH * reach.max())
    face = (np.isin(dominant, (HEAD_JOINT, JAW_JOINT)) & is_reached).astype(np.float32)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]]).T
    links = scipy.sparse.csr_array((np.ones(edges.shape[1], np.float32), edges), shape=(len(weights),) * 2)
    degrees = np.maximum(links.sum(1), 1)
    for _ in range(_SMOOTHING_ROUNDS):
        face = 0.5 * face + 0.5 * (links @ face) / degrees
    parts[(dominant == HEAD_JOINT) & (face > 0.5)] = DISJOINT_PARTS.index("face")
    return parts


def find_face_landmarks(model: SmplxModel) -> np.ndarray:
    """(51,) vertices, or (0,) for a body that names none.

    The file gives a triangle and weights for each; the corner with the largest weight is within a few mm.
    """
    triangles, weights = model.lmk_faces_idx.numpy(), model.lmk_bary_coords.numpy()
    if len(triangles) != FACE_POINTS:
        return np.zeros(0, dtype=np.int64)
    return model.faces.astype(np.int64)[triangles, weights.argmax(1)]


def read_vertex_colors(path: Path, colors: np.ndarray, count: int) -> np.ndarray:
    if colors.shape != (count, 4) or colors.dtype != np.uint8:
        raise BodyError(f"{path.name}: vertex_colors is {colors.dtype} {colors.shape}; it must be uint8 ({count}, 4).")
    return colors.astype(np.float32) / 255


def colors_of_eyes(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """(V, 4) for a SMPL-X file, which has no colours: white, iris and pupil by the angle from straight ahead (+z)."""
    vertices = arrays["v_template"]
    colors = np.zeros((len(vertices), 4), np.float32)
    for joint in EYE_JOINTS:
        eye = np.flatnonzero(arrays["weights"].argmax(1) == joint)
        offset = vertices[eye] - arrays["J_regressor"][joint] @ vertices
        angle = np.degrees(np.arccos(offset[:, 2] / np.maximum(np.linalg.norm(offset, axis=1), 1e-9)))
        colors[eye] = (0.93, 0.92, 0.9, 1)
        colors[eye[angle < 26]] = (0.3, 0.4, 0.46, 1)
        colors[eye[angle < 11]] = (0.02, 0.02, 0.02, 1)
    return colors
