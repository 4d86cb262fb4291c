"""Plans: which part of the body is pinned, over which span of time, and how; and hints, a plan over a motion."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emage.errors import HintError
from emage.motion import FPS, Motion
from emage.motion.skeleton import (
    DISJOINT_PARTS,
    DISJOINT_PARTS_OF,
    HINT_PARTS,
)
from emage.recording.audio import frame_to_second, second_to_frame

FOLLOW = "follow"
"""Shown to the network only; it may deviate."""
LOCK = "lock"
"""Shown to the network, and put into the output exactly, with blended borders."""
MODES = (FOLLOW, LOCK)

_MAX_FRAME = 10**9  # a year; beyond it a number is a mistake, and may not fit where it goes

_SPAN_KEYS = {"part", "start_s", "end_s", "start_frame", "end_frame", "mode"}
_PLAN_KEYS = {"spans", "blend_frames"}


@dataclass(frozen=True)
class Span:
    """One body part from `start_frame` to `end_frame` (exclusive).

    Raises:
        HintError: unknown part or mode, or an empty or negative span.
    """

    part: str
    start_frame: int
    end_frame: int
    mode: str = FOLLOW

    def __post_init__(self):
        if self.part not in HINT_PARTS:
            raise HintError(f"There is no body part '{self.part}'; choose one of {', '.join(HINT_PARTS)}.")
        if self.mode not in MODES:
            raise HintError(f"A span is '{FOLLOW}' or '{LOCK}', not '{self.mode}'.")
        if self.start_frame < 0 or self.end_frame <= self.start_frame:
            raise HintError(
                f"The span of {self.part} from frame {self.start_frame} to {self.end_frame} is empty or starts before "
                "0; its end must lie behind its start."
            )

    @classmethod
    def from_json(cls, span: Any) -> "Span":
        """`{"part": …, "start_s": …, "end_s": …, "mode": …}`, or frames as `start_frame`, `end_frame`."""
        if not isinstance(span, dict):
            raise HintError(f"A span is an object with part, start and end, not {span!r}.")
        unknown = sorted(set(span) - _SPAN_KEYS)
        if unknown:
            raise HintError(f"A span has no field {', '.join(unknown)}; known are {', '.join(sorted(_SPAN_KEYS))}.")
        if not isinstance(span.get("part"), str):
            raise HintError(f"The span {span} names no part; choose one of {', '.join(HINT_PARTS)}.")
        mode = span.get("mode", FOLLOW)
        if not isinstance(mode, str):
            raise HintError(f"A span is '{FOLLOW}' or '{LOCK}', not {mode!r}.")
        return cls(span["part"], _frame_of(span, "start"), _frame_of(span, "end"), mode)

    @property
    def ending(self) -> str:
        """The beginning of a sentence about its end."""
        end_s = frame_to_second(self.end_frame)
        return f"The span of {self.part} ends at frame {self.end_frame} ({end_s:.2f} s)"

    def to_json(self) -> dict[str, Any]:
        return {"part": self.part, "start_frame": self.start_frame, "end_frame": self.end_frame, "mode": self.mode}


def _frame_of(span: dict[str, Any], edge: str) -> int:
    given = [key for key in (f"{edge}_frame", f"{edge}_s") if key in span]
    if len(given) != 1:
        raise HintError(f"The span {span} must have exactly one of {edge}_s and {edge}_frame.")
    value = span[given[0]]
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_MAX_FRAME <= value <= _MAX_FRAME:
        raise HintError(f"{given[0]} of the span of {span['part']} is {str(value)[:40]}; it must be a sensible number.")
    if given[0].endswith("_s"):
        return second_to_frame(value)
    if value != int(value):
        raise HintError(f"{given[0]} of the span of {span['part']} is {value!r}; it must be a whole number.")
    return int(value)


@dataclass(frozen=True)
class HintPlan:
    """Which parts are hinted when.

    blend_frames: frames outside each border of a locked span over which the generated motion leads to and from it.

    Raises:
        HintError: spans of one part overlap with different modes.
    """

    spans: tuple[Span, ...] = ()
    blend_frames: int = 6

    def __post_init__(self):
        if isinstance(self.blend_frames, bool) or not isinstance(self.blend_frames, int) or self.blend_frames < 0:
            raise HintError(f"blend_frames is {self.blend_frames!r}; it must be a whole number, 0 or more.")
        for leaf in DISJOINT_PARTS:
            spans = sorted(self.spans_of(leaf), key=lambda span: span.start_frame)
            reach: dict[str, Span] = {}  # for each mode, the span seen so far that ends last
            for span in spans:
                for mode, earlier in reach.items():
                    if mode != span.mode and span.start_frame < earlier.end_frame:
                        raise HintError(
                            f"Two spans of {leaf} overlap with different modes: '{earlier.mode}' over frames "
                            f"{earlier.start_frame}-{earlier.end_frame} ({earlier.part}) and '{span.mode}' over "
                            f"{span.start_frame}-{span.end_frame} ({span.part}). Shorten one or give both one mode."
                        )
                if span.mode not in reach or span.end_frame > reach[span.mode].end_frame:
                    reach[span.mode] = span

    @classmethod
    def from_json(cls, plan: Any) -> "HintPlan":
        """From `{"spans": [...], "blend_frames": 6}` as an object or as text."""
        if isinstance(plan, str):
            try:
                plan = json.loads(plan)
            except (ValueError, RecursionError) as error:
                raise HintError(f"The plan is not JSON that can be read ({error}).") from error
        if not isinstance(plan, dict) or not isinstance(plan.get("spans"), list) or set(plan) - _PLAN_KEYS:
            raise HintError('A plan is {"spans": [...]} with, if wanted, "blend_frames", and nothing else.')
        return cls(tuple(Span.from_json(span) for span in plan["spans"]), plan.get("blend_frames", cls.blend_frames))

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

    def spans_of(self, leaf: str) -> list[Span]:
        """The spans that cover a leaf part, `hands` counting for both hands."""
        return [span for span in self.spans if leaf in DISJOINT_PARTS_OF[span.part]]

    def covers(self, num_frames: int, modes: Iterable[str] = MODES) -> np.ndarray:
        """(T, 5) bool, in the order of `DISJOINT_PARTS`: where a part is a hint in one of `modes`."""
        covered = np.zeros((num_frames, len(DISJOINT_PARTS)), dtype=bool)
        for column, leaf in enumerate(DISJOINT_PARTS):
            for span in self.spans_of(leaf):
                if span.mode in modes:
                    covered[span.start_frame : span.end_frame, column] = True
        return covered


@dataclass(frozen=True, eq=False)
class Hints:
    """A plan, and the motion that it shows; frame t of the reference is meant for frame t of the recording."""

    reference: Motion
    plan: HintPlan

    def __post_init__(self):
        object.__setattr__(self, "reference", self.reference.resample(FPS))
        for span in self.plan.spans:
            if span.end_frame > self.reference.num_frames:
                raise HintError(
                    f"{span.ending}, but the reference motion has {self.reference.num_frames} frames "
                    f"({self.reference.duration_s:.2f} s). Shorten the span or give a longer motion."
                )

    def check_basis(self, expression_basis: str, reason: str = "") -> None:
        """Raise HintError for a locked face where the motion's expressions are in another basis.

        reason: why the face could not be taken over to it, where that was tried.
        """
        is_foreign = self.reference.expression_basis != expression_basis
        if is_foreign and any(span.mode == LOCK for span in self.plan.spans_of("face")):
            raise HintError(
                f"The face cannot be locked: the reference's expressions are in the basis "
                f"'{self.reference.expression_basis}', these weights make '{expression_basis}'. "
                + (f"The matrix that takes faces from one to the other could not be had: {reason} " if reason else "")
                + "Use 'follow' for the face, or weights of the reference's basis."
            )
