"""Curves by least squares: near what is wanted where it is wanted, with small second differences."""

import numpy as np
from scipy.linalg import solveh_banded

FIXED = 1e6
"""A weight that leaves nothing to the others."""

_BEND = (1.0, -2.0, 1.0)


def second_difference(frames: int) -> np.ndarray:
    """(T - 2, T), or (0, T) for less than three frames."""
    count = max(frames - 2, 0)
    matrix = np.zeros((count, frames))
    for column, factor in enumerate(_BEND):
        matrix[np.arange(count), np.arange(count) + column] = factor
    return matrix


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


def continue_curve(
    weight: np.ndarray, values: np.ndarray, stiffness: float, leash: np.ndarray, before: np.ndarray
) -> np.ndarray:
    """`solve_curve` as a curve goes on whose values so far (N, ...) stay; only the last two of them matter."""
    before = before[-2:].reshape(-1, *values.shape[1:])
    count = len(before)
    weight = np.concatenate([np.full(count, FIXED), weight])
    leash = np.concatenate([np.zeros(count), leash])
    return solve_curve(weight, np.concatenate([before, values]), stiffness, leash)[count:]


def fade_out(difference: np.ndarray, frames: int, fade_frames: int) -> np.ndarray:
    """(frames, ...) from nearly `difference` (...) to 0 over some frames: what joins a curve to what was before it."""
    distance = np.minimum(np.arange(1, frames + 1) / (fade_frames + 1), 1)
    return np.multiply.outer(0.5 * (1 + np.cos(np.pi * distance)), difference)
