"""A person at rest with all that moves them, for what poses bodies by itself: other tools, and the browser."""

from dataclasses import dataclass

import numpy as np

from emage.motion import ARKIT52
from emage.motion.skeleton import ARKIT_ACTIONS, JOINT_NAMES

MOST_BENDS = 64
"""The stand-in has 22. SMPL-X has 486 that all move its whole skin: 60 MB of morph targets."""


@dataclass(frozen=True, eq=False)
class Rig:
    """A person in the T-pose. All float32, metres; what moves vertices and joints is added before skinning.

    vertices: (V, 3). joints: (55, 3). weights: (V, 55), shares that add up to 1. expressions: (K,) those that do
    anything, by their number in a motion. names: of these. moved: (n,) vertices that expressions move. directions:
    (K, n, 3) by how much at 1. joint_directions: (K, 55, 3) how far the joints go with them.

    bends: (B,) pose correctives, each by a joint and an entry (0 to 8, row by row) of its rotation matrix less the unit
    matrix, which is how much of it there is. bent: (m,) vertices that they move. bend_directions: (B, m, 3) by how
    much at 1. A body with more than `MOST_BENDS` has none here.
    """

    vertices: np.ndarray
    joints: np.ndarray
    weights: np.ndarray
    expressions: np.ndarray
    names: tuple[str, ...]
    moved: np.ndarray
    directions: np.ndarray
    joint_directions: np.ndarray
    bends: tuple[tuple[int, int], ...]
    bent: np.ndarray
    bend_directions: np.ndarray

    @property
    def bend_names(self) -> tuple[str, ...]:
        """Such as pose:left_shoulder:0."""
        return tuple(f"pose:{JOINT_NAMES[joint]}:{entry}" for joint, entry in self.bends)

    def joint_shifts(self, rotations: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """(T, 55, 3) metres: what a joint's node must go beyond its place at rest, seen from its parent.

        SMPL-X turns a vertex about joints that expressions move. A node that stays in its place turns it about
        another point, by (1 - R) times that way: nothing where a joint does not turn.

        rotations: (T, 55, 3, 3) of each joint against its parent. coefficients: (T, K) of the expressions.
        """
        moved = np.einsum("tk,kji->tji", coefficients, self.joint_directions)
        return moved - np.einsum("tjab,tjb->tja", rotations, moved)


def name_expression(number: int, basis: str) -> str:
    """ARKit's name of an action, or a number as SMPL-X's own tools write it: Exp000."""
    return ARKIT_ACTIONS[number] if basis == ARKIT52 and number < len(ARKIT_ACTIONS) else f"Exp{number:03d}"
