"""A take: what is asked for, what came of it, and how it is stored."""

from dataclasses import dataclass, field
from pathlib import Path

from emage.files import put_files
from emage.generation.settings import TakeSettings
from emage.hints import HintPlan, Hints
from emage.motion import FPS, Motion
from emage.recording.audio import frame_to_second
from emage.recording.recording import Recording

STAGE_ALL = "All"
"""Where the stages are not told apart."""


@dataclass(frozen=True, eq=False)
class Request:
    """What a take is to be made of.

    hints: frame 0 is the first of the recording's part that is used; see `emage.hints.place_hints`. caption: of the
    take, for people.
    """

    recording: Recording
    settings: TakeSettings = field(default_factory=TakeSettings)
    hints: Hints | None = None
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Take:
    """One result: a motion, its caption, and what it was made of as far as that is known.

    hints: drawn in greys. recording: frame 0 of the motion is the first of its part. took_s: seconds that it took to
    make.
    """

    motion: Motion
    caption: str = ""
    hints: Hints | None = None
    recording: Recording | None = None
    settings: TakeSettings = field(default_factory=TakeSettings)
    took_s: float | None = None

    def store(self, folder: Path, stem: str, video: Path | None = None, command: str = "") -> "StoredTake":
        """Write motion and reference into a folder of its own, both or neither.

        Raises:
            OutputError: they cannot be written.
        """
        with put_files(folder) as files:
            motion = self.motion.save(files.path(f"{stem}.npz"))
            reference = None if self.hints is None else self.hints.reference.save(files.path("hint.npz"))
        return StoredTake(
            caption=self.caption,
            motion=motion,
            num_frames=self.motion.num_frames,
            recording=self.recording,
            settings=self.settings,
            reference=reference,
            plan=HintPlan() if self.hints is None else self.hints.plan,
            stages_s=() if self.took_s is None else ((STAGE_ALL, self.took_s),),
            video=video,
            command=command,
        )


@dataclass(frozen=True, eq=False)
class StoredTake:
    """A take on disk, so that many long ones take no memory.

    motion, reference, video: files; the reference is laid along the recording's part already, and is None without
    hints. num_frames: of the motion, so that its length is told without reading it. plan: over the part. stages_s: the
    seconds that each stage of making it took. command: repeats it; empty where that is not known. number: among a
    user's takes.
    """

    caption: str
    motion: Path
    num_frames: int
    recording: Recording | None = None
    settings: TakeSettings = field(default_factory=TakeSettings)
    reference: Path | None = None
    plan: HintPlan = field(default_factory=HintPlan)
    stages_s: tuple[tuple[str, float], ...] = ()
    video: Path | None = None
    command: str = ""
    number: int = 0

    @property
    def duration_s(self) -> float:
        return frame_to_second(self.num_frames)

    @property
    def took_s(self) -> float | None:
        return sum(seconds for _, seconds in self.stages_s) if self.stages_s else None

    def load(self) -> Take:
        """With its motion in memory, and of its hints as much as that is long. Raises MotionError."""
        motion = Motion.load(self.motion)
        hints = None
        if self.reference is not None:
            hints = Hints.over(Motion.load(self.reference), self.plan, motion.frames_at(FPS))
        return Take(motion, self.caption, hints, self.recording, self.settings, self.took_s)
