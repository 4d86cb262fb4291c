"""Options that several commands share, as dataclasses that tyro reads. Those of a take and of a picture are
`TakeSettings` and `RenderSettings` themselves.

Whatever imports torch is imported where it is used: to show --help must not take seconds.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from emage.errors import EmageError
from emage.generation.settings import TakeSettings
from emage.render.settings import RenderSettings

if TYPE_CHECKING:
    from emage.body import Body
    from emage.hints import HintPlan, Placement
    from emage.motion import Motion
    from emage.recording.recording import Recording

AudioFile = Annotated[Path, tyro.conf.Positional]
MotionFiles = Annotated[tuple[Path, ...], tyro.conf.Positional]
Take = tyro.conf.OmitArgPrefixes[TakeSettings]
Picture = tyro.conf.OmitArgPrefixes[RenderSettings]


@dataclass(frozen=True)
class BodyOptions:
    smplx: Path | None = None
    """A SMPL-X model file (SMPLX_NEUTRAL_2020.npz); SMPLX_MODEL_PATH says the same. Default: the stand-in body."""
    accept_smplx_licence: bool = False
    """You accept the SMPL-X licence (https://smpl-x.is.tue.mpg.de): the body is fetched from the Hub."""

    def load(self) -> "Body":
        """Raises BodyError."""
        from emage.body import load_body

        return load_body(self.smplx, self.accept_smplx_licence)


@dataclass(frozen=True)
class RecordingOptions:
    start_s: float = 0.0
    """Leave out what comes before. Plans count from the whole recording's beginning all the same."""
    end_s: float | None = None
    """Leave out what comes after."""
    transcript: str | None = None
    """What is said: a file (TextGrid, Whisper's or WhisperX's JSON, .srt, .vtt, text), the text itself, or auto. Text
    is aligned to the sound; auto listens for the words."""
    language: str | None = None
    """That is spoken, such as en or de. Default: an example's own, else English."""

    def load(self, path: Path) -> "Recording":
        """The recording, and the part of it that is used. Raises AudioError."""
        from emage.recording.audio import second_to_frame
        from emage.recording.recording import Recording

        for option, second in (("--start-s", self.start_s), ("--end-s", self.end_s)):
            if second is not None and not 0 <= second < 1e6:
                raise EmageError(f"{option} is {second}; give seconds from the recording's beginning.")
        end_frame = None if self.end_s is None else second_to_frame(self.end_s)
        return Recording.load(path).trim(second_to_frame(self.start_s), end_frame)

    @property
    def transcript_file(self) -> Path | None:
        """Raises EmageError where it names a file that is not there."""
        from emage.recording.transcript import find_transcript_file

        return None if self.transcript is None else find_transcript_file(self.transcript)

    def check(self) -> None:
        """Raise EmageError for a transcript that is not there, or a language without one."""
        _ = self.transcript_file
        if self.language is not None and self.transcript is None:
            raise EmageError("--language says in what language the transcript is: give --transcript too.")


@dataclass(frozen=True)
class HintOptions:
    hint_motion: Path | None = None
    """To take hints from; needs a plan: an npz, or a face in ARKit's weights (Live Link Face's .csv, .json)."""
    plan: str | None = None
    """A JSON file, or the JSON: {"spans": [{"part": "upper", "start_s": 0.5, "end_s": 3.0, "mode": "follow"}]}."""
    hint_fill: Literal["once", "loop", "stretch"] = "once"
    """How the reference fills the recording: played once, over and over, or slower or faster to the recording's end."""
    hint_shift_s: float = 0.0
    """Start the reference so many seconds after the recording, or before it where negative."""
    hint_seam_frames: int = 10
    """Of a loop: over how many frames one pass goes over into the next."""

    def placement(self) -> "Placement":
        from emage.hints import Placement

        return Placement.from_seconds(self.hint_shift_s, self.hint_fill, self.hint_seam_frames)

    def hint_plan(self) -> "HintPlan":
        """From the JSON itself, or from a file; empty where there is neither."""
        from emage.hints import HintPlan

        if self.plan is None:
            return HintPlan()
        return HintPlan.load(self.plan) if self.plan_file else HintPlan.from_json(self.plan)

    def reference(self) -> "Motion | None":
        """Raises MotionError."""
        from emage.export.arkit import load_motion

        return None if self.hint_motion is None else load_motion(self.hint_motion)

    @property
    def plan_file(self) -> Path | None:
        return None if self.plan is None or self.plan.lstrip().startswith("{") else Path(self.plan)

    def check(self) -> None:
        """Raise EmageError for a placement of nothing."""
        from emage.hints import Placement

        if self.hint_motion is None and self.placement() != Placement():
            raise EmageError("--hint-fill and --hint-shift-s lay the motion of --hint-motion: give that too.")
