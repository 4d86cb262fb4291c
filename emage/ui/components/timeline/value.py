"""What a user sets on the timeline: a plan, and which part of the recording is used."""

from typing import Annotated, Any

from pydantic import Field

from emage.errors import HintError
from emage.hints import HintPlan
from emage.motion import FPS
from emage.recording.audio import frame_to_second
from emage.validation import build, checked

MAX_FRAMES = 24 * 3600 * FPS
"""The longest recording, a day."""
MAX_SPANS = 2000
"""More than a person paints, and few enough for a browser to draw."""
MAX_BLEND_FRAMES = 10 * FPS

Frame = Annotated[int, Field(ge=0, le=MAX_FRAMES)]


@checked(HintError, "The timeline's")
class TimelineValue:
    """The value of the timeline; all frames count from the start of the whole recording.

    num_frames: length of the recording; 0 as long as there is none.
    plan: as `HintPlan` has it; its spans end within the recording.
    trim_start_frame, trim_end_frame: the part of the recording that is used, end exclusive; None: its end.

    The JSON is `{"num_frames": 300, "trim": {"start_frame": 0, "end_frame": 300}, "plan": {...}}`, with the plan
    exactly as `HintPlan.to_json` writes it.

    Raises:
        HintError: a length, trim or plan that does not fit the others, or is larger than the timeline takes.
    """

    num_frames: Frame = 0
    plan: HintPlan = HintPlan()
    trim_start_frame: Frame = 0
    trim_end_frame: Frame | None = None

    def __post_init__(self):
        if self.trim_end_frame is None:
            object.__setattr__(self, "trim_end_frame", self.num_frames)
        if self.trim_end_frame > self.num_frames or self.trim_start_frame > max(0, self.trim_end_frame - 1):
            raise HintError(
                f"The trim from {frame_to_second(self.trim_start_frame):.2f} to "
                f"{frame_to_second(self.trim_end_frame):.2f} s does not lie within the recording of "
                f"{frame_to_second(self.num_frames):.2f} s; its end must lie behind its start."
            )
        if len(self.plan.spans) > MAX_SPANS:
            raise HintError(
                f"The plan has {len(self.plan.spans)} spans; the timeline takes {MAX_SPANS}. Join those that touch."
            )
        if (self.plan.blend_frames or 0) > MAX_BLEND_FRAMES:
            raise HintError(
                f"The blend is {str(self.plan.blend_frames)[:20]} frames; the timeline takes {MAX_BLEND_FRAMES} "
                f"({frame_to_second(MAX_BLEND_FRAMES):.0f} s) at most. Give a smaller number."
            )
        for span in self.plan.spans:
            if span.end_frame > self.num_frames:
                raise HintError(
                    f"{span.ending}, but the recording lasts {self.num_frames} frames "
                    f"({frame_to_second(self.num_frames):.2f} s). Shorten the span."
                )

    @classmethod
    def from_json(cls, value: Any) -> "TimelineValue":
        """From the browser or from a client; nothing in it is trusted. None or "" is an empty timeline.

        Raises:
            HintError: as above, or not of the form that `to_json` writes; trim and plan may be left out.
        """
        if value is None or value == "":
            return cls()
        read = build(_ValueJson, value, HintError, "The timeline's value")
        return cls(read.num_frames, HintPlan.from_json(read.plan), read.trim.start_frame, read.trim.end_frame)

    def to_json(self) -> dict[str, Any]:
        return {
            "num_frames": self.num_frames,
            "trim": {"start_frame": self.trim_start_frame, "end_frame": self.trim_end_frame},
            "plan": self.plan.to_json(),
        }

    @property
    def is_trimmed(self) -> bool:
        return (self.trim_start_frame, self.trim_end_frame) != (0, self.num_frames)

    def trimmed_plan(self) -> HintPlan:
        """The plan over the trimmed recording alone: cut to it, and frame 0 is where the trim starts."""
        return self.plan.cut(self.trim_start_frame, self.trim_end_frame)

    def for_recording(self, num_frames: int) -> "TimelineValue":
        """The same plan over another recording, cut where that is shorter; the trim is taken back."""
        return TimelineValue(num_frames, self.plan.cut(0, num_frames))


@checked(HintError)
class _TrimJson:
    start_frame: Frame = 0
    end_frame: Frame | None = None


@checked(HintError)
class _ValueJson:
    num_frames: Frame
    trim: _TrimJson = _TrimJson()
    plan: dict[str, Any] = Field(default_factory=lambda: {"spans": []})
