"""A take: what is asked for, what came of it, and how it is stored."""

from dataclasses import dataclass, field
from pathlib import Path

from emage.generation.settings import TakeSettings
from emage.hints import HintPlan, Hints
from emage.motion import Motion
from emage.recording.recording import Recording


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

    hints: drawn grey. recording: frame 0 of the motion is the first of its part. took_s: seconds that it took to make.
    """

    motion: Motion
    caption: str = ""
    hints: Hints | None = None
    recording: Recording | None = None
    settings: TakeSettings = field(default_factory=TakeSettings)
    took_s: float | None = None

    def store(self, folder: Path, stem: str, video: Path | None = None, command: str = "") -> "StoredTake":
        """Write motion and reference into a folder of its own.

        Raises:
            OutputError: they cannot be written.
        """
        return StoredTake(
            caption=self.caption,
            motion=self.motion.save(folder / f"{stem}.npz"),
            num_frames=self.motion.num_frames,
            recording=self.recording,
            settings=self.settings,
            reference=None if self.hints is None else self.hints.reference.save(folder / "hint.npz"),
            plan=HintPlan() if self.hints is None else self.hints.plan,
            took_s=self.took_s,
            video=video,
            command=command,
        )


@dataclass(frozen=True, eq=False)
class StoredTake:
    """A take on disk, so that many long ones take no memory.

    motion, reference, video: files; the reference is laid along the recording's part already, and is None without
    hints. num_frames: of the motion, so that its length is told without reading it. plan: over the part. number: among
    a user's takes. command: repeats it; empty where that is not known.
    """

    caption: str
    motion: Path
    num_frames: int
    recording: Recording | None = None
    settings: TakeSettings = field(default_factory=TakeSettings)
    reference: Path | None = None
    plan: HintPlan = field(default_factory=HintPlan)
    took_s: float | None = None
    video: Path | None = None
    command: str = ""
    number: int = 0

    def load(self) -> Take:
        """With its motion in memory. Raises MotionError."""
        hints = None if self.reference is None else Hints(Motion.load(self.reference), self.plan)
        return Take(Motion.load(self.motion), self.caption, hints, self.recording, self.settings, self.took_s)
