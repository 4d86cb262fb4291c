"""What a person sets on the timeline: a plan, and which part of the recording is used."""

from dataclasses import dataclass, field, replace
from typing import Any

from emage.errors import HintError
from emage.hints import HintPlan
from emage.motion import FPS
from emage.recording.audio import frame_to_second

MAX_FRAMES = 24 * 3600 * FPS
"""The longest recording, a day."""
MAX_SPANS = 2000
"""More than a person paints, and few enough for a browser to draw."""
MAX_BLEND_FRAMES = 10 * FPS

_KEYS = {"num_frames", "trim", "plan"}
_TRIM_KEYS = {"start_frame", "end_frame"}


@dataclass(frozen=True)
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

    num_frames: int = 0
    plan: HintPlan = field(default_factory=HintPlan)
    trim_start_frame: int = 0
    trim_end_frame: int | None = None

    def __post_init__(self):
        _check_frame(self.num_frames, "num_frames", MAX_FRAMES)
        if self.trim_end_frame is None:
            object.__setattr__(self, "trim_end_frame", self.num_frames)
        for name in ("trim_start_frame", "trim_end_frame"):
            _check_frame(getattr(self, name), name, MAX_FRAMES)
        if self.trim_end_frame > self.num_frames or self.trim_start_frame > max(0, self.trim_end_frame - 1):
            raise HintError(
                f"The trim from frame {self.trim_start_frame} to {self.trim_end_frame} does not lie within the "
                f"recording of {self.num_frames} frames; its end must lie behind its start."
            )
        _check_number_of_spans(len(self.plan.spans))
        if self.plan.blend_frames > MAX_BLEND_FRAMES:
            raise HintError(
                f"blend_frames is {str(self.plan.blend_frames)[:20]}; the timeline takes {MAX_BLEND_FRAMES} "
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
            HintError: as above, or not of the form that `to_json` writes.
        """
        if value is None or value == "":
            return cls()
        if not isinstance(value, dict) or not set(value) <= _KEYS or "num_frames" not in value:
            raise HintError(
                'The timeline\'s value is {"num_frames": …, "trim": {"start_frame": …, "end_frame": …}, "plan": '
                '{"spans": [...]}} and nothing else; trim and plan may be left out.'
            )
        trim, plan = value.get("trim", {}), value.get("plan", {"spans": []})
        if not isinstance(trim, dict) or not set(trim) <= _TRIM_KEYS:
            raise HintError('The trim is {"start_frame": …, "end_frame": …} and nothing else.')
        if isinstance(plan, dict) and isinstance(plan.get("spans"), list):
            _check_number_of_spans(len(plan["spans"]))
        return cls(value["num_frames"], HintPlan.from_json(plan), trim.get("start_frame", 0), trim.get("end_frame"))

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
        return _cut(self.plan, self.trim_start_frame, self.trim_end_frame)

    def for_recording(self, num_frames: int) -> "TimelineValue":
        """The same plan over another recording, cut where that is shorter; the trim is taken back."""
        return TimelineValue(num_frames, _cut(self.plan, 0, num_frames))


def _check_frame(value: Any, name: str, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise HintError(f"{name} is {str(value)[:40]}; it must be a whole number of frames from 0 to {most}.")


def _check_number_of_spans(number: int) -> None:
    if number > MAX_SPANS:
        raise HintError(f"The plan has {number} spans; the timeline takes {MAX_SPANS}. Join those that touch.")


def _cut(plan: HintPlan, start_frame: int, end_frame: int) -> HintPlan:
    spans = []
    for span in plan.spans:
        start, end = max(span.start_frame, start_frame), min(span.end_frame, end_frame)
        if start < end:
            spans.append(replace(span, start_frame=start - start_frame, end_frame=end - start_frame))
    return replace(plan, spans=tuple(spans))
