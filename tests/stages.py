"""Stages that take motion in pieces, run over whole motions."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from emage.generation.windows import WindowResult
from emage.hints import Hints
from emage.hints.locking import LockStage
from emage.models.parts import Parts
from emage.motion import Motion, join_motions
from emage.motion.stages import Stage, run_stages
from emage.postprocess.grounding import translation_stage
from emage.postprocess.smoothing import SeamStage
from emage.postprocess.stances import PosedBody


def run_whole(motion: Motion, stage: Stage[Motion, Motion]) -> Motion:
    return join_motions(list(run_stages([motion], [stage])))


def join_codes(results: Sequence[WindowResult]) -> Parts[torch.Tensor]:
    """Codes (1, T) of the whole."""
    return Parts.of(lambda part: torch.cat([result.codes[part] for result in results], 1))


def smooth_seams(motion: Motion, seams: Sequence[tuple[int, int]], seam_frames: int) -> Motion:
    return run_whole(motion, SeamStage(seams, seam_frames, motion.num_frames))


def lock(motion: Motion, hints: Hints) -> Motion:
    return run_whole(motion, LockStage(hints, motion.num_frames))


def translate(
    motion: Motion,
    translation: str,
    body_of: Callable[[], PosedBody] | None = None,
    locked: np.ndarray | None = None,
    floor_y: float = 0.0,
    reference: Motion | None = None,
) -> Motion:
    """locked: (T,) bool, none by default. reference: that they are locked to; by default the motion."""
    locked = np.zeros(motion.num_frames, dtype=bool) if locked is None else locked
    stage = translation_stage(translation, body_of, locked, reference or motion, floor_y)
    return motion if stage is None else run_whole(motion, stage)
