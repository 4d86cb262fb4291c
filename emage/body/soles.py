"""Soles: a few points under each foot, which tell where it stands."""

import numpy as np

from emage.motion.skeleton import JOINT_NAMES

SOLE_POINTS = 12
"""Of each foot."""
_FEET = tuple(tuple(JOINT_NAMES.index(f"{side}_{name}") for name in ("ankle", "foot")) for side in ("left", "right"))
_SOLE_THICKNESS_M = 0.03
_SOLE_ROUNDING_M = 0.01
"""Above the line under heel and ball: what is higher is the sole's edge or its arch."""
_SOLE_CELL_M = 0.02


def find_soles(template: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """(2 * `SOLE_POINTS`,) vertices, left foot first, of a body at rest (V, 3) whose vertices belong to joints (V,)."""
    return np.concatenate([_spread_below(template, np.isin(owners, foot)) for foot in _FEET])


def _spread_below(template: np.ndarray, of_foot: np.ndarray) -> np.ndarray:
    """`SOLE_POINTS` vertices of a foot (V,) bool that lie lowest, far from one another over the floor."""
    foot = np.flatnonzero(of_foot)
    foot = foot[np.argsort(template[foot, 1], kind="stable")]
    # In each cell of a grid the lowest, so that nothing of the foot's back is among them.
    cells = np.floor(template[foot][:, [0, 2]] / _SOLE_CELL_M)
    sole = foot[np.unique(cells, axis=0, return_index=True)[1]]
    sole = sole[template[sole, 1] < template[foot[0], 1] + _SOLE_THICKNESS_M]
    along, height = template[sole, 2], template[sole, 1]
    is_heel = along < np.median(along)
    heel, ball = (np.flatnonzero(half)[height[half].argmin()] for half in (is_heel, ~is_heel))
    slope = (height[ball] - height[heel]) / max(along[ball] - along[heel], _SOLE_CELL_M)
    sole = sole[height < height[heel] + slope * (along - along[heel]) + _SOLE_ROUNDING_M]
    plan = template[sole][:, [0, 2]]
    chosen = [int(plan[:, 1].argmin())]  # the heel
    while len(chosen) < SOLE_POINTS:
        chosen.append(int(np.linalg.norm(plan[:, None] - plan[chosen], axis=2).min(1).argmax()))
    return sole[chosen]
