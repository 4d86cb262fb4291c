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
from emage.postprocess.contacts import floor_height, standing_lift
from emage.postprocess.foot_lock import lock_feet
from emage.postprocess.paths import join_to_locks
from emage.postprocess.stances import PosedBody


def apply_translation(
    motion: Motion,
    translation: str,
    body_of: Callable[[], PosedBody],
    locked: np.ndarray | None = None,
    floor_y: float = 0.0,
) -> Motion:
    """The motion with one of the `TRANSLATIONS`.

    Args:
        motion: at 30 frames a second.
        translation: as generated, in place or grounded.
        body_of: gives the body whose feet stand; asked only where they matter.
        locked: (T,) bool, frames whose path and legs stay as they are; none by default.
        floor_y: metres, the height of the floor to stand on; that of the locked frames where there are some.

    Raises:
        MotionError: no such translation, another frame rate.
    """
    if translation not in TRANSLATIONS:
        raise MotionError(f"There is no translation '{translation}'; choose one of {', '.join(TRANSLATIONS)}.")
    if motion.fps != FPS:
        raise MotionError(f"The motion has {motion.fps:g} frames a second; {FPS} are needed. Use Motion.resample.")
    if locked is None:
        locked = np.zeros(motion.num_frames, dtype=bool)
    if translation == IN_PLACE:
        return keep_in_place(motion, locked)
    if translation == GROUNDED:
        return ground(motion, body_of(), locked, floor_y)
    return motion


def keep_in_place(motion: Motion, locked: np.ndarray) -> Motion:
    """The body stays over one spot, that of the first frame or of the locked ones; heights are kept.

    locked: (T,) bool. Between two locked spans the spot moves from the one to the other.
    """
    steps = -np.diff(motion.trans[:, [0, 2]], axis=0)
    trans = motion.trans.copy()
    trans[:, [0, 2]] += join_to_locks(steps, locked)
    trans[locked] = motion.trans[locked]
    return replace(motion, trans=trans)


def ground(motion: Motion, body: PosedBody, locked: np.ndarray, floor_y: float = 0.0) -> Motion:
    """What stands does not slide, who stands stays, who steps steps, and the lowest sole is on the floor.

    A jump keeps its height above the floor. locked: (T,) bool. floor_y: as in `translated`.
    """
    if locked.all():
        return motion
    if locked.any():
        soles = body.soles(motion)
        _, stands = standing_lift(soles[..., 1].min(axis=1))
        # Who is locked in the middle of a jump has the floor that the jump begins and ends on.
        floor_y = floor_height(soles[locked & stands if (locked & stands).any() else stands])
    return lock_feet(motion, body, locked, floor_y)
