"""A take as the page keeps it: in files, so that many long ones take no memory."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emage.generation.settings import TakeSettings
from emage.hints import HintPlan, Hints
from emage.motion import Motion
from emage.motion.skeleton import DISJOINT_PARTS
from emage.pipeline import Take

_SHORT = {"face": "face", "upper": "upper", "left_hand": "left hand", "right_hand": "right hand", "lower": "lower"}


@dataclass(frozen=True)
class KeptTake:
    """motion, sound: files; frame 0 is the first of the part of the recording that was used.
    num_frames, duration_s: of the motion, so that its length is told without reading the file.

    video: none where nothing could be drawn. reference: laid along that part already; plan: over it. recording,
    start_frame, end_frame: what it was made of. stages_s: seconds by stage. command: repeats it; empty for what
    came with a session.
    """

    number: int
    caption: str
    motion: Path
    num_frames: int
    duration_s: float
    sound: Path
    video: Path | None
    settings: TakeSettings
    reference: Path | None = None
    plan: HintPlan = field(default_factory=HintPlan)
    recording: Path | None = None
    start_frame: int = 0
    end_frame: int | None = None
    stages_s: tuple[tuple[str, float], ...] = ()
    command: str = ""

    @property
    def took_s(self) -> float | None:
        return sum(seconds for _, seconds in self.stages_s) if self.stages_s else None

    def hints(self) -> Hints | None:
        return None if self.reference is None else Hints(Motion.load(self.reference), self.plan)

    def load(self) -> Take:
        """With its motion in memory."""
        return Take(Motion.load(self.motion), self.caption, self.hints())


def content(motion: Motion) -> bytes:
    """A hash, equal for motions that are the same, as those that several takes had their hints from."""
    digest = hashlib.sha256()
    for array in (motion.poses, motion.expressions, motion.trans):
        digest.update(np.ascontiguousarray(array))
    return digest.digest()


def described(plan: HintPlan, settings: TakeSettings) -> str:
    """A caption: which parts are hints, and which draw it is."""
    parts = [_SHORT[leaf] for leaf in DISJOINT_PARTS if plan.spans_of(leaf)]
    is_all = len(parts) == len(DISJOINT_PARTS)
    if plan.spans_of("left_hand") and plan.spans_of("right_hand"):
        parts = [part for part in parts if not part.endswith("hand")] + ["hands"]
    hinted = "no hints" if not parts else "hints: everything" if is_all else f"hints: {', '.join(parts)}"
    return hinted if settings.seed is None else f"{hinted} · seed {settings.seed}"
