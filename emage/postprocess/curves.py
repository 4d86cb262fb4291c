"""Curves by least squares: near what is wanted where it is wanted, with small second differences."""

import numpy as np
import scipy.sparse
from scipy.linalg import solveh_banded

FIXED = 1e6
"""A weight that leaves nothing to the others."""

_BEND = (1.0, -2.0, 1.0)


def second_difference(frames: int) -> scipy.sparse.csr_array:
    """(T - 2, T), or (0, T) for less than three frames."""
    count = max(frames - 2, 0)
    row = np.repeat(np.arange(count), 3)
    column = row + np.tile([0, 1, 2], count)
    return scipy.sparse.csr_array((np.tile(_BEND, count), (row, column)), shape=(count, frames))


def solve_curve(weight: np.ndarray, values: np.ndarray, stiffness: float, leash: np.ndarray) -> np.ndarray:
    """x (T, ...) that minimises sum of weight |x - values|^2 + leash |x|^2 + stiffness |second difference of x|^2."""
    frames = len(weight)
    bands = np.zeros((3, frames))
    bands[0] = weight + leash
    for row, first in enumerate(_BEND):
        for column, second in enumerate(_BEND[: row + 1]):
            bands[row - column, column : column + max(frames - 2, 0)] += stiffness * first * second
    wanted = weight[:, None] * values.reshape(frames, -1)
    return solveh_banded(bands[:, :frames], wanted, lower=True).reshape(values.shape)
