"""What follows decoding, in its order: low pass, seams, locks and translation, as stages of motion in pieces."""

from collections.abc import Callable, Sequence

import numpy as np

from emage.hints import LOCK, Hints
from emage.hints.locking import LockStage
from emage.motion import Motion
from emage.motion.skeleton import DISJOINT_PARTS
from emage.motion.stages import Stage
from emage.postprocess.grounding import translation_stage
from emage.postprocess.smoothing import SeamStage, low_pass_stage
from emage.postprocess.stances import PosedBody


def stages_after_decoding(
    num_frames: int,
    low_pass_frames: float,
    seams: Sequence[tuple[int, int]],
    seam_frames: int,
    hints: Hints | None,
    translation: str,
    body_of: Callable[[], PosedBody],
    floor_y: float,
) -> list[Stage[Motion, Motion]]:
    """From motion as it is decoded to motion as it is given.

    Args:
        num_frames: of the whole motion.
        low_pass_frames: see `emage.postprocess.smoothing.low_pass`.
        seams, seam_frames: see `emage.postprocess.smoothing.SeamStage`.
        hints: of which the locked ones are put in, their faces in the motion's basis.
        translation, body_of, floor_y: see `emage.postprocess.grounding.translation_stage`.

    Raises:
        MotionError: no such translation or number of frames.
    """
    stages: list[Stage[Motion, Motion]] = []
    if low_pass_frames > 0:
        stages.append(low_pass_stage(low_pass_frames))
    if seams and seam_frames > 0:
        stages.append(SeamStage(seams, seam_frames, num_frames))
    locked = np.zeros(num_frames, dtype=bool)
    if hints is not None:
        locked = hints.plan.covers(num_frames, modes=(LOCK,))[:, DISJOINT_PARTS.index("lower")]
        locks = LockStage(hints, num_frames)
        if locks.locks_any:
            stages.append(locks)
    reference = None if hints is None else hints.reference
    moved = None if locked.all() else translation_stage(translation, body_of, locked, reference, floor_y)
    return stages if moved is None else [*stages, moved]
