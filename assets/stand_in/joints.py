"""The joint regressor: where a body's joints are, told from its vertices."""

import numpy as np

from assets.stand_in.mesh import Part
from emage.motion.skeleton import JOINT_NAMES, PARENTS

NEAREST = 900
"""Vertices that a joint is told from."""
REACH_M = 0.05
"""Farther ones count less."""


def regressor(part: Part, joints: np.ndarray, joint_directions: np.ndarray, actions: slice) -> np.ndarray:
    """(55, V) weights with sum 1 that give each joint exactly, at rest and with every shape direction.

    The weights of least (distance-weighted) norm that do so, over the nearest vertices of the joint's own limb; face
    actions (their columns of `part.directions`) move none of them.

    joints (55, 3); joint_directions (55, 3, S), the first S columns of `part.directions`.
    """
    shapes = joint_directions.shape[2]
    still = np.abs(part.directions[:, :, actions]).max(axis=(1, 2)) < 1e-7
    result = np.zeros((len(joints), len(part.vertices)))
    for joint, place in enumerate(joints):
        name = JOINT_NAMES[joint]
        if "eye" in name:
            own = part.weights[:, joint] > 0.99
        else:
            limb = [joint, max(PARENTS[joint], 0)]
            if name in ("jaw", "head"):
                limb = [JOINT_NAMES.index(each) for each in ("head", "jaw", "neck")]
            own = still & (part.weights[:, limb].sum(1) > 0.3)
        ids = np.flatnonzero(own)
        distance = np.linalg.norm(part.vertices[ids] - place, axis=1)
        near = distance.argsort()[:NEAREST]
        ids, trust = ids[near], np.exp(-distance[near] / REACH_M)
        moves = np.moveaxis(part.directions[ids, :, :shapes], 2, 0)  # (S, n, 3)
        equations = np.concatenate(
            [np.ones((1, len(ids))), part.vertices[ids].T - place[:, None], *moves.transpose(0, 2, 1)]
        )
        goals = np.concatenate([[1.0], np.zeros(3), joint_directions[joint].T.ravel()])
        even = trust / trust.sum()
        # Least change from an even mean that fulfils the equations.
        system = (equations * trust) @ equations.T
        change = np.linalg.lstsq(system, goals - equations @ even, rcond=1e-12)[0] @ equations * trust
        result[joint, ids] = even + change
    return result
