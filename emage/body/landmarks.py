"""Landmarks: the few vertices of a body that show it in lines: features of the face, jaw, finger tips, feet.

The face has the 51 inner points of the common 68 (Sagonas et al. 2013), in their order, as SMPL-X files name them:
right brow, left brow, bridge and base of the nose, right eye, left eye, outer and inner lips; the person's own right.
"""

from dataclasses import dataclass

import numpy as np

from emage.motion.skeleton import JAW_JOINT, PARENTS, PART_JOINTS

FACE_POINTS = 51
RIGHT_BROW, LEFT_BROW = slice(0, 5), slice(5, 10)
NOSE_BRIDGE, NOSE_BASE = slice(10, 14), slice(14, 19)
RIGHT_EYE, LEFT_EYE = slice(19, 25), slice(25, 31)
"""Each from the corner on the right over the upper lid to the other corner, and back over the lower lid."""
OUTER_LIPS, INNER_LIPS = slice(31, 43), slice(43, 51)
"""Each from the right corner over the upper lip to the left one, and back over the lower lip."""

FINGERTIP_JOINTS: tuple[int, ...] = tuple(
    joint for joint in (*PART_JOINTS["left_hand"], *PART_JOINTS["right_hand"]) if joint not in PARENTS
)
"""The last joint of each finger, in the order of `Landmarks.fingertips`."""

_JAW_DIRECTIONS = np.array([[-1, -0.3, 0], [-0.5, -1, 0.3], [0, -1, 0.5], [0.5, -1, 0.3], [1, -0.3, 0]])
_FEET = ((7, 10), (8, 11))


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Vertices of a body.

    jaw: (5,) along the lower jaw, from the right over the chin to the left. fingertips: (10,), of `FINGERTIP_JOINTS`.
    toes, heels: (2,), left and right. face: (51,), or none where the body names none.
    """

    jaw: np.ndarray
    fingertips: np.ndarray
    toes: np.ndarray
    heels: np.ndarray
    face: np.ndarray


def find_landmarks(vertices: np.ndarray, joints: np.ndarray, owners: np.ndarray, face: np.ndarray) -> Landmarks:
    """Landmarks of a body at rest.

    vertices (V, 3) and joints (55, 3): metres, in the T-pose. owners: (V,) the joint that a vertex follows most. face:
    (51,) or (0,).
    """

    def farthest(joint: int, direction: np.ndarray | None = None) -> int:
        """The vertex of a joint that is farthest from it, or along a direction."""
        own = np.flatnonzero(owners == joint)
        away = vertices[own] - joints[joint]
        return int(own[np.argmax(np.linalg.norm(away, axis=1) if direction is None else away @ direction)])

    back = np.array([0.0, -0.5, -1.0])
    return Landmarks(
        jaw=np.array([farthest(JAW_JOINT, direction) for direction in _JAW_DIRECTIONS]),
        fingertips=np.array([farthest(joint) for joint in FINGERTIP_JOINTS]),
        toes=np.array([farthest(foot) for _, foot in _FEET]),
        heels=np.array([farthest(ankle, back) for ankle, _ in _FEET]),
        face=face,
    )
