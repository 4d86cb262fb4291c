"""Grounding: the way over the floor as generated, in place, or such that feet stay where they stand.

The generated path does not quite fit the legs: standing feet slide, and a talking body drifts away. Here it is moved as
a whole; no joint bends. This comes after the locks of `emage.hints`, which change the legs: a locked lower body stays
exactly where it is, and what comes before, between and after such spans is joined to them.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter1d, percentile_filter

from emage.errors import MotionError
from emage.motion import FPS, Motion

AS_GENERATED = "as-generated"
IN_PLACE = "in-place"
GROUNDED = "grounded"
TRANSLATIONS = (AS_GENERATED, IN_PLACE, GROUNDED)

CONTACT_HEIGHT_M = 0.01
"""A point of the soles bears the less weight, the higher it is above the lowest one: 1/e of it at this height..."""
CONTACT_SPEED_M_PER_S = 0.1
"""...and the less, the faster it slides: 1/e of it at this speed."""
JUMP_HEIGHT_M = 0.06
"""Soles that are all so high above the floor bear nothing: the body jumps."""
FLOOR_PERCENTILE = 20
"""The floor is this percentile of the lowest sole's heights..."""
FLOOR_WINDOW_FRAMES = 2 * FPS + 1
"""...in a second around."""

_FIRST_CONTACT_HEIGHT_M = 0.005
_ROUNDS = 3
_MEMORY_FRAMES = 8
_SMOOTHING_FRAMES = 1.5
_BORDER_FRAMES = 12
"""Within so many frames of a locked one corrections come in."""


def translated(
    motion: Motion,
    translation: str,
    soles_of: Callable[[Motion], np.ndarray],
    locked: np.ndarray | None = None,
) -> Motion:
    """The motion with one of the `TRANSLATIONS`.

    Args:
        motion: at 30 frames a second.
        translation: as generated, in place or grounded.
        soles_of: gives (T, P, 3) points of the soles, as `Body.soles`; asked only where they matter.
        locked: (T,) bool, frames whose translation stays as it is; none by default.

    Raises:
        MotionError: no such translation, another frame rate.
    """
    check_translation(translation)
    if motion.fps != FPS:
        raise MotionError(f"The motion has {motion.fps:g} frames a second; {FPS} are needed. Use Motion.resample.")
    if locked is None:
        locked = np.zeros(motion.num_frames, dtype=bool)
    if translation == IN_PLACE:
        return in_place(motion, locked)
    if translation == GROUNDED:
        return grounded(motion, soles_of(motion), locked)
    return motion


def check_translation(translation: str) -> None:
    """Raise MotionError where it is none of `TRANSLATIONS`."""
    if translation not in TRANSLATIONS:
        raise MotionError(f"There is no translation '{translation}'; choose one of {', '.join(TRANSLATIONS)}.")


def in_place(motion: Motion, locked: np.ndarray) -> Motion:
    """The body stays over one spot, that of the first frame or of the locked ones; heights are kept.

    locked: (T,) bool. Between two locked spans the spot moves from the one to the other.
    """
    return _moved(motion, -_steps(motion.trans), np.zeros(motion.num_frames), locked)


def grounded(motion: Motion, soles: np.ndarray, locked: np.ndarray) -> Motion:
    """What bears the body's weight does not slide, and the lowest point of the soles is at height 0.

    soles: (T, P, 3) metres, of this motion. locked: (T,) bool.

    In each step every point of the soles has a share of the weight, which goes to what is low and slow; the body goes
    against the mean way of those points relative to it. So weight goes smoothly from foot to foot and from heel to toe.
    A jump keeps its own way, and its height above the floor.
    """
    lowest = soles[..., 1].min(axis=1)
    floor = percentile_filter(lowest, FLOOR_PERCENTILE, FLOOR_WINDOW_FRAMES, mode="nearest")
    stands = lowest < floor + JUMP_HEIGHT_M
    frames = np.arange(len(lowest))
    lift = np.interp(frames, frames[stands], -lowest[stands])

    way = np.where((stands[1:] & stands[:-1])[:, None], _mean_way(soles), 0)
    return _moved(motion, -_smooth(way, _SMOOTHING_FRAMES), _smooth(lift, _SMOOTHING_FRAMES), locked)


def _mean_way(soles: np.ndarray) -> np.ndarray:
    """(T, P, 3) -> (T - 1, 2) metres that the weight-bearing points slide in each step.

    Which points slide is known only once the body's own way is, so the two are found in turn, at first from the lowest
    points alone. That way is smoothed: in doubt a foot bears what it bore before.
    """
    way = _steps(soles)  # (T - 1, P, 2)
    height = 0.5 * (soles[1:, :, 1] + soles[:-1, :, 1])
    height -= height.min(axis=1, keepdims=True)
    mean = _weighted(way, height / _FIRST_CONTACT_HEIGHT_M)
    for _ in range(_ROUNDS):
        speed = np.linalg.norm(way - _smooth(mean, _MEMORY_FRAMES)[:, None], axis=-1) * FPS
        mean = _weighted(way, height / CONTACT_HEIGHT_M + speed / CONTACT_SPEED_M_PER_S)
    return mean


def _weighted(way: np.ndarray, doubt: np.ndarray) -> np.ndarray:
    """The mean over points (T, P, 2) -> (T, 2), each with the weight exp(-doubt), (T, P)."""
    share = np.exp(doubt.min(axis=1, keepdims=True) - doubt)
    return (share[..., None] * way).sum(axis=1) / share.sum(axis=1, keepdims=True)


def _steps(positions: np.ndarray) -> np.ndarray:
    """(T, ..., 3) -> (T - 1, ..., 2): ways over the floor from frame to frame."""
    return np.diff(positions[..., [0, 2]], axis=0)


def _smooth(signal: np.ndarray, sigma_frames: float) -> np.ndarray:
    return gaussian_filter1d(signal, sigma_frames, axis=0, mode="nearest") if len(signal) else signal


def _moved(motion: Motion, way: np.ndarray, lift: np.ndarray, locked: np.ndarray) -> Motion:
    """way (T - 1, 2) is added to each step over the floor, lift (T,) to each height, and neither where it is locked."""
    freedom = np.ones(len(locked))
    if locked.any():
        freedom = 0.5 * (1 - np.cos(np.pi * np.minimum(distance_transform_edt(~locked) / _BORDER_FRAMES, 1)))
    shift = np.zeros((len(locked), 2))
    shift[1:] = (way * np.minimum(freedom[1:], freedom[:-1])[:, None]).cumsum(axis=0)
    trans = motion.trans.copy()
    trans[:, [0, 2]] += shift - _between_locks(shift, locked)
    trans[:, 1] += freedom * lift
    trans[locked] = motion.trans[locked]
    return replace(motion, trans=trans)


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
