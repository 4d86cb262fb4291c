"""Plans: which part of the body is pinned, over which span of time, and how; and hints, a plan over a motion."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from emage.errors import HintError
from emage.motion import FPS, Motion, say_basis
from emage.motion.skeleton import (
    DISJOINT_PARTS,
    DISJOINT_PARTS_OF,
)
from emage.recording.audio import frame_to_second, second_to_frame
from emage.validation import build, checked

FOLLOW = "follow"
"""Shown to the network only; it may deviate."""
LOCK = "lock"
"""Shown to the network, and put into the output exactly, with blended borders."""
MODES = (FOLLOW, LOCK)
GENERATED, FOLLOWED, LOCKED = range(3)
"""What a part is in a frame: no hint, or one of these modes."""

MAX_FRAMES = 10**9
"""A year; beyond it a number of frames is a mistake."""

_FRAMES_BEYOND = FPS
"""Of a reference, behind those that are shown: how its feet and its path go on."""


def _read_whole(value: Any) -> Any:
    """JSON writes 36 as 36.0 where a program has no whole numbers."""
    return int(value) if type(value) is float and value.is_integer() else value


Frame = Annotated[int, Field(ge=-MAX_FRAMES, le=MAX_FRAMES), BeforeValidator(_read_whole)]
Second = Annotated[float, Field(ge=-MAX_FRAMES / FPS, le=MAX_FRAMES / FPS)]
Part = Literal["face", "upper", "hands", "left_hand", "right_hand", "lower"]
Mode = Literal["follow", "lock"]


@checked(HintError, "The span's")
class Span:
    """One body part from `start_frame` to `end_frame` (exclusive).

    Raises:
        HintError: unknown part or mode, or an empty or negative span.
    """

    part: Part
    start_frame: Frame
    end_frame: Frame
    mode: Mode = FOLLOW

    def __post_init__(self):
        if self.start_frame < 0 or self.end_frame <= self.start_frame:
            raise HintError(
                f"The span of {self.part} {self.extent} is empty or starts before 0; its end must lie behind its start."
            )

    @property
    def extent(self) -> str:
        """Where it lies, within a sentence."""
        start_s, end_s = frame_to_second(self.start_frame), frame_to_second(self.end_frame)
        return f"from {start_s:.2f} to {end_s:.2f} s (frames {self.start_frame}-{self.end_frame})"

    @property
    def ending(self) -> str:
        """The beginning of a sentence about its end."""
        end_s = frame_to_second(self.end_frame)
        return f"The span of {self.part} ends at frame {self.end_frame} ({end_s:.2f} s)"

    def to_json(self) -> dict[str, Any]:
        return {"part": self.part, "start_frame": self.start_frame, "end_frame": self.end_frame, "mode": self.mode}


@checked(HintError)
class _SpanJson:
    """A span as people write it: each edge by its frame or by its second."""

    part: Part
    start_frame: Frame | None = None
    end_frame: Frame | None = None
    start_s: Second | None = None
    end_s: Second | None = None
    mode: Mode = FOLLOW

    def span(self) -> Span:
        edges = []
        for edge, frame, second in (("start", self.start_frame, self.start_s), ("end", self.end_frame, self.end_s)):
            if (frame is None) == (second is None):
                raise HintError(f"The span of {self.part} must have exactly one of {edge}_s and {edge}_frame.")
            edges.append(second_to_frame(second) if frame is None else frame)
        return Span(self.part, *edges, self.mode)


@checked(HintError)
class _PlanJson:
    spans: Annotated[list[_SpanJson], Field(fail_fast=True)]
    blend_frames: Annotated[Frame, Field(ge=0)] | None = None


@checked(HintError, "The plan's")
class HintPlan:
    """Which parts are hinted when.

    blend_frames: frames outside each border of a locked span over which the generated motion leads to and from it.
        None: at each border as many as the distance needs that is bridged there.

    Raises:
        HintError: spans of one part overlap with different modes.
    """

    spans: Annotated[tuple[Span, ...], Field(strict=False, fail_fast=True)] = ()  # a list will do
    blend_frames: Annotated[Frame, Field(ge=0)] | None = None

    def __post_init__(self):
        for part in DISJOINT_PARTS:
            spans = sorted(self.spans_of(part), key=lambda span: span.start_frame)
            reach: dict[str, Span] = {}  # for each mode, the span seen so far that ends last
            for span in spans:
                for mode, earlier in reach.items():
                    if mode != span.mode and span.start_frame < earlier.end_frame:
                        raise HintError(
                            f"Two spans of {part} overlap with different modes: '{earlier.mode}' of {earlier.part} "
                            f"{earlier.extent} and '{span.mode}' of {span.part} {span.extent}. Shorten one or give "
                            "both one mode."
                        )
                if span.mode not in reach or span.end_frame > reach[span.mode].end_frame:
                    reach[span.mode] = span

    @classmethod
    def from_json(cls, plan: Any) -> "HintPlan":
        """From `{"spans": [{"part": …, "start_s": …, "end_s": …, "mode": …}], "blend_frames": 6}`, an object or text.

        A span's edges may be frames as well: `start_frame`, `end_frame`. Mode and blend may be left out; a blend that
        is null or missing is as long as each border needs.

        Raises:
            HintError: another form; see `Span` and `HintPlan`.
        """
        read = build(_PlanJson, plan, HintError, "The plan")
        return cls(tuple(each.span() for each in read.spans), read.blend_frames)

    @classmethod
    def load(cls, path: str | Path) -> "HintPlan":
        """From a JSON file; raises HintError."""
        try:
            text = Path(path).read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise HintError(f"{path}: the plan cannot be read ({error}).") from error
        return cls.from_json(text)

    def to_json(self) -> dict[str, Any]:
        return {"spans": [span.to_json() for span in self.spans], "blend_frames": self.blend_frames}

    def check_fits(self, num_frames: int) -> None:
        """Raise HintError for a span that goes beyond a recording of `num_frames` frames."""
        for span in self.spans:
            if span.end_frame > num_frames:
                raise HintError(
                    f"{span.ending}, but the recording lasts {num_frames} frames "
                    f"({frame_to_second(num_frames):.2f} s). Shorten the span."
                )

    def check_reaches(self, reference: Motion) -> None:
        """Raise HintError for a span that goes beyond the motion that hints are taken from."""
        num_frames = reference.frames_at(FPS)
        for span in self.spans:
            if span.end_frame > num_frames:
                raise HintError(
                    f"{span.ending}, but the hint motion has {num_frames} frames "
                    f"({frame_to_second(num_frames):.2f} s). Shorten the span or give a longer motion."
                )

    def spans_of(self, part: str) -> list[Span]:
        """The spans that cover a disjoint part, `hands` counting for both hands."""
        return [span for span in self.spans if part in DISJOINT_PARTS_OF[span.part]]

    def cut(self, start_frame: int, end_frame: int) -> "HintPlan":
        """The plan over a part of the recording, in which frame 0 is `start_frame`; what lies outside is cut off."""
        spans = []
        for span in self.spans:
            start, end = max(span.start_frame, start_frame), min(span.end_frame, end_frame)
            if start < end:
                spans.append(replace(span, start_frame=start - start_frame, end_frame=end - start_frame))
        return replace(self, spans=tuple(spans))

    def shift(self, frames: int) -> "HintPlan":
        """The plan so many frames later."""
        moved = (
            replace(span, start_frame=span.start_frame + frames, end_frame=span.end_frame + frames)
            for span in self.spans
        )
        return replace(self, spans=tuple(moved))

    def covers(self, num_frames: int, modes: Iterable[str] = MODES) -> np.ndarray:
        """(T, 5) bool, in the order of `DISJOINT_PARTS`: where a part is a hint in one of `modes`."""
        covered = np.zeros((num_frames, len(DISJOINT_PARTS)), dtype=bool)
        for column, part in enumerate(DISJOINT_PARTS):
            for span in self.spans_of(part):
                if span.mode in modes:
                    covered[span.start_frame : span.end_frame, column] = True
        return covered

    def states(self, num_frames: int) -> np.ndarray:
        """(T, 5) uint8, in the order of `DISJOINT_PARTS`: `GENERATED`, `FOLLOWED` or `LOCKED`."""
        states = np.full((num_frames, len(DISJOINT_PARTS)), GENERATED, np.uint8)
        for mode, state in ((FOLLOW, FOLLOWED), (LOCK, LOCKED)):
            states[self.covers(num_frames, (mode,))] = state
        return states


@dataclass(frozen=True, eq=False)
class Hints:
    """A plan, and the motion that it shows; frame t of the reference is meant for frame t of the recording."""

    reference: Motion
    plan: HintPlan

    def __post_init__(self):
        self.plan.check_reaches(self.reference)
        object.__setattr__(self, "reference", self.reference.resample(FPS))

    @classmethod
    def over(cls, reference: Motion, plan: HintPlan, num_frames: int) -> "Hints":
        """Hints for so many frames, or as many as the plan has, with no more of a long reference than these need.

        Raises:
            HintError: a span goes beyond the reference.
        """
        plan.check_reaches(reference)
        needed = max([num_frames, *(span.end_frame for span in plan.spans)]) + _FRAMES_BEYOND
        return cls(reference.resample(FPS, needed), plan)

    def check_basis(self, expression_basis: str, reason: str = "") -> None:
        """Raise HintError for a locked face where the motion's expressions are in another basis.

        reason: why the face could not be taken over to it, where that was tried.
        """
        is_foreign = self.reference.expression_basis != expression_basis
        if is_foreign and any(span.mode == LOCK for span in self.plan.spans_of("face")):
            raise HintError(
                f"The face cannot be locked: the hint motion has {say_basis(self.reference.expression_basis)}, these "
                f"weights make {say_basis(expression_basis)}. "
                + (f"The matrix that takes faces from one to the other could not be had: {reason} " if reason else "")
                + "Let the face follow, or choose a hint motion or weights of the same expressions."
            )
