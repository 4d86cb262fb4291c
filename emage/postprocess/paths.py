"""Paths over the floor that are changed between locked frames and joined to them, as a whole or in pieces."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from emage.hints.locking import JOIN_FRAMES
from emage.postprocess.curves import FIXED

BORDER_FRAMES = 12
"""Within so many frames of a locked one changes come in."""
FAR_BORDER_FRAMES = 36
"""A locked path may contradict its legs: within so many frames of it feet bind the path the less."""


def freedom(locked: np.ndarray, border_frames: int = BORDER_FRAMES) -> np.ndarray:
    """(T,) bool -> (T,) from 0 in locked frames to 1 so many away from them; 1 everywhere if none is."""
    if not locked.any():
        return np.ones(len(locked))
    return 0.5 * (1 - np.cos(np.pi * np.minimum(distance_transform_edt(~locked) / border_frames, 1)))


@dataclass(frozen=True, eq=False)
class Ties:
    """How free each frame is of locked ones. locked: (T,) bool; near, far: (T,) from 0 in locked frames to 1 so far
    away from them that path and legs, or path alone, take no heed of them any more."""

    locked: np.ndarray
    near: np.ndarray
    far: np.ndarray

    @classmethod
    def of(cls, locked: np.ndarray) -> "Ties":
        return cls(locked, freedom(locked), freedom(locked, FAR_BORDER_FRAMES))

    def frames(self, start: int, end: int) -> "Ties":
        return Ties(self.locked[start:end], self.near[start:end], self.far[start:end])

    def leash(self, free: float) -> np.ndarray:
        """(T,) a weight that is `free`, and in locked frames leaves nothing to the others."""
        return np.where(self.locked, FIXED, free)


class JoinedShift:
    """What is to be added to a path over the floor for its steps to change, and nothing in locked frames; in pieces.

    Between two locked spans the path goes the whole of their distance, with soft ends: over the whole gap, or over its
    last `JOIN_FRAMES` where it is longer. Before a first span that begins within so many frames it is moved as a whole;
    where it begins later, the path begins as it is. It waits for a span that comes so near.

    locked: (T,) bool, of the whole.
    """

    def __init__(self, locked: np.ndarray):
        frames = np.arange(len(locked))
        fixed = np.flatnonzero(locked)
        share = freedom(locked)
        self._share = np.minimum(share, np.append(share[:1], share[:-1]))  # of the steps to each frame
        # Of each frame the locked ones next to it, itself if it is one; beyond the ends where there is none.
        after = np.searchsorted(fixed, frames)
        self._after = np.append(fixed, len(locked) + JOIN_FRAMES)[after]
        self._before = np.append(-1, fixed)[np.searchsorted(fixed, frames, side="right")]
        self._raw = np.zeros((0, 2))
        self._start = self._done = 0
        self._gone = np.zeros(2)
        self._last_locked = np.zeros(2)
        """The raw shift at the last locked frame that was given."""

    def push(self, steps: np.ndarray) -> np.ndarray:
        """(N, 2) changes of the steps to the frames that follow those before, that to the first being 0 -> (M, 2) the
        shifts of those that are settled.
        """
        first = self._start + len(self._raw)
        end = first + len(steps)
        raw = np.concatenate([self._gone[None], steps * self._share[first:end, None]]).cumsum(axis=0)
        self._gone = raw[-1]
        self._raw = np.concatenate([self._raw, raw[1:]])
        return self._settle(self._settled_end(end))

    def _settled_end(self, end: int) -> int:
        """Frames whose next lock is near and not known yet wait."""
        frames = np.arange(self._done, end)
        waits = (self._after[frames] >= end) & (self._after[frames] - JOIN_FRAMES < frames)
        waits |= (self._before[frames] < 0) & (self._after[frames] >= end) & (self._after[frames] <= JOIN_FRAMES)
        return int(frames[waits.argmax()]) if waits.any() else end

    def finish(self) -> np.ndarray:
        return self._settle(self._start + len(self._raw))

    def _settle(self, end: int) -> np.ndarray:
        shifts = np.zeros((end - self._done, 2))
        for frame in range(self._done, end):
            raw = self._raw[frame - self._start]
            shifts[frame - self._done] = raw - self._base(frame)
            if self._before[frame] == frame:
                self._last_locked = raw
        self._raw, self._start, self._done = self._raw[end - self._start :].copy(), end, end
        return shifts

    def _base(self, frame: int) -> np.ndarray:
        """What the locks take out of the raw shift of a frame."""
        before, after = int(self._before[frame]), int(self._after[frame])
        if after == frame:
            return self._raw[frame - self._start]
        known = after < self._start + len(self._raw)
        goal = self._raw[after - self._start] if known else self._last_locked
        if before < 0 and after <= JOIN_FRAMES:
            return goal
        begin = max(before, after - JOIN_FRAMES)
        if not known or frame <= begin:
            return self._last_locked
        share = 0.5 * (1 - np.cos(np.pi * (frame - begin) / (after - begin)))
        return self._last_locked + share * (goal - self._last_locked)
