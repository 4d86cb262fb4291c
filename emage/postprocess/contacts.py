"""Contacts: where a motion's floor is, and which heel and which ball of a foot stands on it, and when.

A heel or ball stands where it is low and slow. Slow is meant relative to what bears the body's weight, for the path
that a network makes does not fit its legs: seen along that path even a standing foot slides.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_closing, find_objects, gaussian_filter1d, label, percentile_filter

from emage.motion import FPS

JUMP_HEIGHT_M = 0.06
"""Soles that are all so high above the floor bear nothing..."""
FALLING_M_PER_S2 = 4.0
"""...if they come down again at least so fast: the body jumps."""
FLOOR_PERCENTILE = 20
"""The floor of a moment is this percentile of the lowest sole's heights..."""
FLOOR_WINDOW_FRAMES = 2 * FPS + 1
"""...in a second around."""

BEGIN_HEIGHT_M, END_HEIGHT_M = 0.02, 0.03
"""A contact begins below the first of these heights and ends above the second..."""
BEGIN_SPEED_M_PER_S, END_SPEED_M_PER_S = 0.15, 0.3
"""...and likewise for speeds."""
RUNNING_SPEED_M_PER_S = 0.8
"""What is faster stands on no account."""

_FIRST_HEIGHT_M = 0.005
_BEARING_HEIGHT_M = 0.01
_BEARING_SPEED_M_PER_S = 0.1
_ROUNDS = 3
_MEMORY_FRAMES = 8
_MAX_OWN_FLOOR_M = 0.03
_SPEED_SMOOTHING_FRAMES = 1.0
_HOLE_FRAMES = 4
_SHORTEST_FRAMES = 4


def floor_height(soles: np.ndarray) -> float:
    """The height of the floor that a whole clip stands on, in metres.

    soles: (T, P, 3) metres, as `Body.soles`.

    It is the median height of the lowest sole over the half of the frames in which that sole moves least: a standing
    foot is slow, one that swings or jumps is not. So neither a few frames that dip nor jumps move it.
    """
    lowest = soles[..., 1].min(axis=1).astype(np.float64)
    if len(lowest) == 1:
        return float(lowest[0])
    speed = np.linalg.norm(np.gradient(soles.astype(np.float64), axis=0), axis=-1)  # (T, P)
    speed = np.take_along_axis(speed, soles[..., 1].argmin(axis=1)[:, None], axis=1)[:, 0]
    return float(np.median(lowest[speed <= np.median(speed)]))


def standing_lift(lowest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What lifts the lowest sole (T,) to height 0, and whether it stands there: (T,) metres, (T,) bool.

    The body jumps where all soles are far above the floor around them and come down as what falls does; a network's
    heights wander by as much, but slowly. What lifts a jumping body goes on evenly.
    """
    floor = percentile_filter(lowest, FLOOR_PERCENTILE, FLOOR_WINDOW_FRAMES, mode="nearest")
    stands = np.ones(len(lowest), dtype=bool)
    runs, _ = label(lowest >= floor + JUMP_HEIGHT_M)
    for (frames,) in find_objects(runs):
        around = np.arange(max(frames.start - 2, 0), min(frames.stop + 2, len(lowest)))
        fall = -2 * np.polyfit(around - around[0], lowest[around], 2)[0] if len(around) > 2 else 0.0
        stands[frames] = fall * FPS**2 < FALLING_M_PER_S2
    frames = np.arange(len(lowest))
    return np.interp(frames, frames[stands], -lowest[stands]), stands


def bearing_shift(soles: np.ndarray) -> np.ndarray:
    """(T, 3) metres, from 0 and level: how the body must be moved for what bears its weight not to slide.

    soles: (T, P, 3) of both feet. In each step every point of the soles has a share of the weight, which goes to what
    is low and slow; the body goes against the mean step of those points. Where the body jumps it goes as it is.
    """
    _, stands = standing_lift(soles[..., 1].min(axis=1))
    steps = np.diff(soles[..., [0, 2]], axis=0)  # (T - 1, P, 2)
    height = 0.5 * (soles[1:, :, 1] + soles[:-1, :, 1])
    height = height - height.min(axis=1, keepdims=True)
    mean = _weighted(steps, height / _FIRST_HEIGHT_M)
    # Which points slide is known only once the body's own steps are, so the two are found in turn. In doubt a foot
    # bears what it bore before, so those steps are smoothed.
    for _ in range(_ROUNDS):
        usual = gaussian_filter1d(mean, _MEMORY_FRAMES, axis=0, mode="nearest") if len(mean) else mean
        speed = np.linalg.norm(steps - usual[:, None], axis=-1) * FPS
        mean = _weighted(steps, height / _BEARING_HEIGHT_M + speed / _BEARING_SPEED_M_PER_S)
    shift = np.zeros((len(soles), 3))
    shift[1:, [0, 2]] = np.where((stands[1:] & stands[:-1])[:, None], -mean, 0).cumsum(axis=0)
    return shift


def _weighted(steps: np.ndarray, doubt: np.ndarray) -> np.ndarray:
    """The mean over points (T, P, 2) -> (T, 2), each with the weight exp(-doubt), (T, P)."""
    share = np.exp(doubt.min(axis=1, keepdims=True) - doubt)
    return (share[..., None] * steps).sum(axis=1) / share.sum(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class FootTrack:
    """Heel and ball of one foot: heights (T, 2) of their lowest points, and places (T, 2, 3) of points that stand still
    while they do; heel first, metres."""

    heights: np.ndarray
    places: np.ndarray


def find_contacts(
    tracks: tuple[FootTrack, FootTrack], lowest: np.ndarray, known: np.ndarray | None = None
) -> np.ndarray:
    """Which heel and ball stands: (T, 2 feet, 2) bool, heel first.

    tracks: along a path on which what stands hardly slides, see `bearing_shift`. lowest: (T,) the lowest sole's height.
    known: (N, 2, 2) which stand in the first N frames; contacts that have begun there may last.

    Hysteresis in height and speed: a contact begins where a point is well below both thresholds, and lasts on both
    sides until it is above one of the wider ones. A leg that is drawn a little too short has a floor of its own, up to
    3 cm above that of the other. Where nothing would stand, what is lowest and slowest does, unless the body jumps or
    runs.
    """
    lift, stands = standing_lift(lowest)
    heights, speeds = np.empty((2, len(lowest), 2, 2))
    for side, track in enumerate(tracks):
        height = track.heights + lift[:, None]
        own = percentile_filter(height.min(axis=1), FLOOR_PERCENTILE, FLOOR_WINDOW_FRAMES, mode="nearest")
        heights[:, side] = height - own.clip(0, _MAX_OWN_FLOOR_M)[:, None]
        speeds[:, side] = _speed(track.places)
    begins = (heights < BEGIN_HEIGHT_M) & (speeds < BEGIN_SPEED_M_PER_S) & stands[:, None, None]
    lasts = (heights < END_HEIGHT_M) & (speeds < END_SPEED_M_PER_S) & stands[:, None, None]
    if known is not None:
        begins[: len(known)] |= known
        lasts[: len(known)] |= known
    contacts = _steady(_hysteresis(begins, lasts))

    doubt = heights / BEGIN_HEIGHT_M + speeds / BEGIN_SPEED_M_PER_S
    doubt = gaussian_filter1d(doubt, _SHORTEST_FRAMES, axis=0, mode="nearest")
    may_bear = (heights < END_HEIGHT_M) & (speeds < RUNNING_SPEED_M_PER_S) & stands[:, None, None]
    bears = may_bear & (doubt == doubt.min(axis=(1, 2), keepdims=True))
    return _steady(contacts | (bears & ~contacts.any(axis=(1, 2), keepdims=True)))


def _speed(places: np.ndarray) -> np.ndarray:
    """(T, N, 3) -> (T, N) metres a second over the floor."""
    if len(places) == 1:
        return np.zeros(places.shape[:2])
    smooth = gaussian_filter1d(places[..., [0, 2]], _SPEED_SMOOTHING_FRAMES, axis=0, mode="nearest")
    return np.linalg.norm(np.gradient(smooth, axis=0), axis=-1) * FPS


def _hysteresis(begins: np.ndarray, lasts: np.ndarray) -> np.ndarray:
    """(T, ...) bool: over time, the runs of `lasts` that hold a frame of `begins`."""
    kept = np.empty_like(lasts)
    for column in np.ndindex(lasts.shape[1:]):
        at = (slice(None), *column)
        runs, count = label(lasts[at])
        holds = np.zeros(count + 1, dtype=bool)
        holds[runs[begins[at] & lasts[at]]] = True
        kept[at] = holds[runs] & lasts[at]
    return kept


def _steady(contacts: np.ndarray) -> np.ndarray:
    """(T, ...) bool without short holes, and then without short runs."""
    result = np.empty_like(contacts)
    for column in np.ndindex(contacts.shape[1:]):
        at = (slice(None), *column)
        padded = np.pad(contacts[at], _HOLE_FRAMES, mode="edge")
        closed = binary_closing(padded, np.ones(_HOLE_FRAMES, dtype=bool))[_HOLE_FRAMES:-_HOLE_FRAMES]
        runs, _ = label(closed)
        result[at] = closed & (np.bincount(runs)[runs] >= min(_SHORTEST_FRAMES, len(contacts)))
    return result
