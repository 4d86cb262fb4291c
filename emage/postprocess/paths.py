"""Paths over the floor that are changed between locked frames and joined to them."""

import numpy as np
from scipy.ndimage import distance_transform_edt

BORDER_FRAMES = 12
"""Within so many frames of a locked one changes come in."""


def freedom(locked: np.ndarray, border_frames: int = BORDER_FRAMES) -> np.ndarray:
    """(T,) bool -> (T,) from 0 in locked frames to 1 so many away from them; 1 everywhere if none is."""
    if not locked.any():
        return np.ones(len(locked))
    return 0.5 * (1 - np.cos(np.pi * np.minimum(distance_transform_edt(~locked) / border_frames, 1)))


def join_to_locks(steps: np.ndarray, locked: np.ndarray) -> np.ndarray:
    """The shift (T, 2) that comes of adding (T - 1, 2) to each step of a path, and is 0 in locked frames.

    Between two locked spans the path goes the whole of their distance, evenly and with soft ends.
    """
    share = freedom(locked)
    shift = np.zeros((len(locked), 2))
    shift[1:] = (steps * np.minimum(share[1:], share[:-1])[:, None]).cumsum(axis=0)
    return shift - _between_locks(shift, locked)


def _between_locks(shift: np.ndarray, locked: np.ndarray) -> np.ndarray:
    """(T, 2) that equals `shift` in locked frames, and goes evenly, with soft ends, from span to span; 0 if none."""
    fixed = np.flatnonzero(locked)
    if len(fixed) == 0:
        return np.zeros_like(shift)
    frames = np.arange(len(shift))
    after = fixed[np.searchsorted(fixed, frames).clip(max=len(fixed) - 1)]
    before = fixed[(np.searchsorted(fixed, frames, side="right") - 1).clip(min=0)]
    share = 0.5 * (1 - np.cos(np.pi * (frames - before) / np.maximum(after - before, 1)))[:, None]
    return shift[before] + share * (shift[after] - shift[before])
