"""Grounding: the root trajectory as generated, in place, or such that feet stay where they stand.

The generated path does not quite fit the legs: standing feet slide, and a talking body drifts away. In place, the body
stays over one spot. Grounded, feet that stand are held, and drift goes; see `emage.postprocess.foot_lock`. This comes
after the locks of `emage.hints.plan`, which change the legs: a locked lower body stays exactly as it is, and what comes
before, between and after such spans is joined to it.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from emage.errors import MotionError
from emage.generation.settings import GROUNDED, IN_PLACE, TRANSLATIONS
from emage.motion import FPS, Motion
from emage.motion.stages import HeldFrames, Stage
from emage.postprocess.contacts import floor_height, standing_lift
from emage.postprocess.foot_lock import FootLockStage
from emage.postprocess.paths import JoinedShift
from emage.postprocess.stances import PosedBody

FLOOR_FRAMES = 20 * FPS
"""The floor of locked spans is that of their first frames, so many..."""
FLOOR_AROUND_FRAMES = FPS
"""...and of who jumps just there, that of frames so near."""

_GROUND = [0, 2]


def translation_stage(
    translation: str,
    body_of: Callable[[], PosedBody],
    locked: np.ndarray,
    reference: Motion | None = None,
    floor_y: float = 0.0,
) -> Stage[Motion, Motion] | None:
    """What gives motion one of the `TRANSLATIONS`; None where that is as generated.

    Args:
        translation: as generated, in place or grounded.
        body_of: gives the body whose feet stand; asked only where they matter.
        locked: (T,) bool, of the whole motion: frames whose path and legs stay as they are, not all of them.
        reference: the motion that stands in the locked frames; needed where there are some.
        floor_y: metres, the height of the floor to stand on; that of the locked frames where there are some.

    Raises:
        MotionError: no such translation.
    """
    if translation not in TRANSLATIONS:
        raise MotionError(f"There is no translation '{translation}'; choose one of {', '.join(TRANSLATIONS)}.")
    if translation == IN_PLACE:
        return InPlaceStage(locked)
    if translation == GROUNDED:
        if locked.any():
            floor_y = _floor_of_locks(reference, locked, body_of())
        return FootLockStage(body_of(), locked, floor_y)
    return None


class InPlaceStage:
    """The body stays over one spot, that of the first frame or of the locked ones; heights are kept.

    locked: (T,) bool. Between two locked spans the spot moves from the one to the other, see `JoinedShift`.
    """

    def __init__(self, locked: np.ndarray):
        self._locked = locked
        self._shift = JoinedShift(locked)
        self._held = HeldFrames()
        self._last: np.ndarray | None = None

    def push(self, piece: Motion) -> Motion | None:
        self._held.add(piece)
        path = piece.trans[:, _GROUND]
        steps = -np.diff(path, axis=0, prepend=path[:1] if self._last is None else self._last)
        self._last = path[-1:].copy()
        return self._moved(self._shift.push(steps))

    def finish(self) -> Motion | None:
        return self._moved(self._shift.finish())

    def _moved(self, shift: np.ndarray) -> Motion | None:
        """The held frames that shifts (N, 2) are known of."""
        if len(shift) == 0:
            return None
        start, end = self._held.start, self._held.start + len(shift)
        motion = self._held.frames(start, end)
        trans = motion.trans.copy()
        trans[:, _GROUND] += np.where(self._locked[start:end, None], 0, shift)
        self._held.drop(end)
        return replace(motion, trans=trans)


def _floor_of_locks(reference: Motion, locked: np.ndarray, body: PosedBody) -> float:
    """The height of the floor that a motion stands on in its first locked frames, in metres."""
    first = np.flatnonzero(locked)[:FLOOR_FRAMES]
    start = max(int(first[0]) - FLOOR_AROUND_FRAMES, 0)
    end = min(int(first[-1]) + 1 + FLOOR_AROUND_FRAMES, reference.num_frames)
    end = min(end, start + FLOOR_FRAMES + 2 * FLOOR_AROUND_FRAMES)
    soles = body.soles(reference.frames(start, end))
    _, stands = standing_lift(soles[..., 1].min(axis=1))
    # Who is locked in the middle of a jump has the floor that the jump begins and ends on.
    own = locked[start:end] & stands
    return floor_height(soles[own if own.any() else stands])
