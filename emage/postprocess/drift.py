"""Drift: what a body's path does slowly that its legs do not say as well."""

import numpy as np

from emage.motion.stages import HeldRows
from emage.postprocess.blocks import block_end

DRIFT_FRAMES = 45.0
"""What the path does more slowly than over some such frames (the deviation of a Gaussian) is drift, where the legs do
not say the same. Steps are faster."""
AGREEMENT_FRAMES = 120.0
"""Over some such frames it is judged whether they say the same."""
AHEAD_FRAMES = 45
"""So far ahead both look, and four deviations back."""

_DEVIATIONS = 4


class DriftFilter:
    """The drift of a path in pieces: its slow part, less that of the legs so far as the two agree.

    Two velocities a and b, of mean m, agree by (a . b) / (m . m), both averaged over a longer time, or not at all where
    they oppose each other: 1 where they are equal, 0.9 where one is half the other, 0 where they are at right angles.

    num_frames: of the whole.
    """

    def __init__(self, num_frames: int):
        self._total = num_frames
        self._steps, self._products = HeldRows(), HeldRows()
        self._done = 0

    def push(self, own: np.ndarray, bearing: np.ndarray) -> np.ndarray:
        """Steps (N, 2) to the frames that follow those before, of the path and of what the legs say -> (M, 2) the drift
        in the steps to those that are settled. Of the first frame there is no step; what is given for it is left out.
        """
        self._steps.add(np.concatenate([own, bearing], axis=1))
        drifts = [np.zeros((0, 2))]
        while self._done < self._total:
            end = block_end(self._done, self._total, AHEAD_FRAMES)
            sight = min(end + AHEAD_FRAMES, self._total)
            if self._steps.end < sight:
                break
            drifts.append(self._settle(self._done, end, sight))
        return np.concatenate(drifts)

    def _settle(self, start: int, end: int, sight: int) -> np.ndarray:
        slow = _average(self._steps, start, sight, sight, DRIFT_FRAMES)
        own, bearing = slow[:, :2], slow[:, 2:]
        mean = 0.5 * (own + bearing)
        products = np.stack([(own * bearing).sum(axis=1), (mean * mean).sum(axis=1)], axis=1)
        self._products.add(products)  # those in sight are made anew with the next block
        alike, whole = _average(self._products, start, end, sight, AGREEMENT_FRAMES).T
        agreement = np.maximum(alike, 0) / np.maximum(whole, 1e-12)
        count = end - start
        drift = own[:count] - bearing[:count] * agreement[:, None]
        if start == 0:
            drift[0] = 0
        self._steps.drop(end - int(_DEVIATIONS * DRIFT_FRAMES))
        self._products.cut(end)
        self._products.drop(end - int(_DEVIATIONS * AGREEMENT_FRAMES))
        self._done = end
        return drift


def _average(held: HeldRows, start: int, end: int, sight: int, deviation: float) -> np.ndarray:
    """(end - start, C): Gaussian means of the rows around each frame, of those from the second of all on."""
    first = max(held.start, start - int(_DEVIATIONS * deviation), 1)
    if first >= sight:
        return np.zeros((end - start, held.rows(start, end).shape[1]))
    at, around = np.arange(start, end), np.arange(first, sight)
    distance = around - at[:, None]
    weight = np.exp(-0.5 * (distance / deviation) ** 2) * (distance <= AHEAD_FRAMES)
    weight[:, 0] += weight.sum(axis=1) == 0
    return weight @ held.rows(first, sight) / weight.sum(axis=1, keepdims=True)
