"""What the plots show: curves of takes and of their recording, small enough for a browser."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from numbers import Real
from typing import Any

import numpy as np

from emage.errors import EmageError
from emage.evaluation.report import TakeSeries
from emage.hints import HintPlan, Span
from emage.motion import FPS

MAX_POINTS = 4000
"""Of a curve; a longer series is sent as the least, mean and greatest value of each column of several frames."""
MAX_SPANS = 2000
"""Of a take."""
MAX_CAPTION_CHARACTERS = 200
TAKE_COLORS = ("#2f74d0", "#c2570c", "#12825c", "#c2388f", "#8355d8", "#8a6d00", "#0a7f93", "#cf3d3d")
"""Of the takes in their order. Each has a contrast of 3:1 at least on the light and on the dark page."""
MAX_TAKES = len(TAKE_COLORS)

_MAX_FRAMES = 24 * 3600 * FPS
_MAX_ONSETS = 100_000
_SPEED_DIGITS, _DEGREE_DIGITS, _LOUDNESS_DIGITS, _TIME_DIGITS = 3, 2, 3, 3
_LONGEST_NUMBER = 30
"""Characters of it and the space behind."""
_COLOR = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True)
class Curve:
    """A series at 30 frames a second, in columns of `frames_per_column` frames; the last one may have fewer.

    low, mean, high: (C,) each, over the frames of a column. Up to 4000 frames (2:13) a column is a frame and all three
    are the same; beyond, there are at most 1333 columns. So a curve has at most 4000 points, and the largest and the
    smallest value of the series are always among them.

    Raises:
        EmageError: not so many columns, too many, or no finite numbers with low <= mean <= high.
    """

    num_frames: int
    low: tuple[float, ...]
    mean: tuple[float, ...]
    high: tuple[float, ...]
    frames_per_column: int = 1

    def __post_init__(self):
        _check_count(self.num_frames, "num_frames of a curve", 1, _MAX_FRAMES)
        _check_count(self.frames_per_column, "frames_per_column of a curve", 1, _MAX_FRAMES)
        columns = -(-self.num_frames // self.frames_per_column)
        most = MAX_POINTS if self.low == self.mean == self.high else MAX_POINTS // 3
        if {len(self.low), len(self.mean), len(self.high)} != {columns} or columns > most:
            raise EmageError(
                f"A curve of {self.num_frames} frames in columns of {self.frames_per_column} needs {columns} values "
                f"each, low, mean and high, and {MAX_POINTS} in all at most. Use Curve.of."
            )
        for value in (*self.low, *self.mean, *self.high):
            if not _is_number(value):
                raise EmageError(f"A curve holds {_shown(value)}; every value must be a finite number.")
        if any(not low <= mean <= high for low, mean, high in zip(self.low, self.mean, self.high, strict=True)):
            raise EmageError("A column of a curve must have its mean between its low and its high value.")

    @classmethod
    def of(cls, values: np.ndarray, digits: int) -> "Curve":
        """(T,) numbers, rounded to `digits` behind the point."""
        values = np.asarray(values, dtype=np.float64)
        if values.ndim != 1 or not len(values):
            raise EmageError(f"A series to plot has shape {values.shape}; it must be (frames,), and not empty.")
        frames = len(values)
        per_column = 1 if frames <= MAX_POINTS else -(-frames // (MAX_POINTS // 3))
        starts = np.arange(0, frames, per_column)
        low, high = (extreme.reduceat(values, starts) for extreme in (np.minimum, np.maximum))
        mean = np.add.reduceat(values, starts) / np.diff(np.append(starts, frames))
        # A sum of equal numbers may be off in its last digit.
        columns = (np.round(each, digits) for each in (low, mean.clip(low, high), high))
        return cls(frames, *(tuple(column.tolist()) for column in columns), per_column)

    @classmethod
    def from_json(cls, curve: Any) -> "Curve":
        needed, other = {"num_frames", "mean"}, {"frames_per_column", "low", "high"}
        if not isinstance(curve, dict) or not needed <= set(curve) <= needed | other:
            raise EmageError(
                'A curve is {"num_frames": …, "frames_per_column": …, "low": "…", "mean": "…", "high": "…"} and '
                "nothing else; low and high may be left out where they are the mean."
            )
        low, mean, high = (
            _numbers_of(curve.get(name, curve["mean"]), MAX_POINTS, "A curve") for name in ("low", "mean", "high")
        )
        return cls(curve["num_frames"], low, mean, high, curve.get("frames_per_column", 1))

    def to_json(self) -> dict[str, Any]:
        names = ("mean",) if self.low == self.mean == self.high else ("low", "mean", "high")
        sizes = {"num_frames": self.num_frames, "frames_per_column": self.frames_per_column}
        return sizes | {name: _text_of(getattr(self, name)) for name in names}


@dataclass(frozen=True, eq=False)
class PlotTake:
    """A take to be plotted: its name, what `take_series` says of it, and the plan that it was made with."""

    caption: str
    series: TakeSeries
    plan: HintPlan = field(default_factory=HintPlan)


@dataclass(frozen=True)
class TakeCurves:
    """A take as the plots show it.

    color: #rrggbb. hand_speed: m/s. jaw: degrees by which it is open. mean_hand_speed, mean_jaw: over all frames.
    spans: of its plan, within the take.

    Raises:
        EmageError: a caption, colour, mean or span that cannot be shown.
    """

    caption: str
    color: str
    hand_speed: Curve
    jaw: Curve
    mean_hand_speed: float
    mean_jaw: float
    spans: tuple[Span, ...] = ()

    def __post_init__(self):
        if not isinstance(self.caption, str) or len(self.caption) > MAX_CAPTION_CHARACTERS:
            raise EmageError(f"The caption of a take is text of at most {MAX_CAPTION_CHARACTERS} characters.")
        if not isinstance(self.color, str) or not _COLOR.fullmatch(self.color):
            raise EmageError(f"The colour {_shown(self.color)} of a take is not of the form #2f74d0.")
        if self.hand_speed.num_frames != self.jaw.num_frames:
            raise EmageError("The curves of a take have one length: as many frames of the hands as of the jaw.")
        for value in (self.mean_hand_speed, self.mean_jaw):
            if not _is_number(value):
                raise EmageError(f"The mean of a curve is {_shown(value)}; it must be a finite number.")
        if len(self.spans) > MAX_SPANS:
            raise EmageError(f"A take has {len(self.spans)} spans; the plots show {MAX_SPANS}. Join those that touch.")
        for span in self.spans:
            if span.end_frame > self.num_frames:
                raise EmageError(f"{span.ending}, but the take has {self.num_frames} frames. Shorten the span.")

    @property
    def num_frames(self) -> int:
        return self.jaw.num_frames

    @classmethod
    def of(cls, take: PlotTake, color: str) -> "TakeCurves":
        """Spans are cut to the take: the published timing shows hints that lie behind its last frame."""
        series, frames = take.series, len(take.series.loudness)
        jaw_degrees = np.degrees(series.jaw_rad)
        return cls(
            take.caption,
            color,
            Curve.of(series.hand_speed_m_per_s, _SPEED_DIGITS),
            Curve.of(jaw_degrees, _DEGREE_DIGITS),
            round(float(np.mean(series.hand_speed_m_per_s)), _SPEED_DIGITS),
            round(float(np.mean(jaw_degrees)), _DEGREE_DIGITS),
            tuple(
                replaced(span, end_frame=min(span.end_frame, frames))
                for span in take.plan.spans
                if span.start_frame < frames
            ),
        )

    @classmethod
    def from_json(cls, take: Any) -> "TakeCurves":
        if not isinstance(take, dict) or set(take) != set(cls.__dataclass_fields__):
            raise EmageError(f"A take in the plots has {', '.join(cls.__dataclass_fields__)} and nothing else.")
        if not isinstance(take["spans"], list) or len(take["spans"]) > MAX_SPANS:
            raise EmageError(f"The spans of a take are a list of at most {MAX_SPANS}.")
        return cls(
            take["caption"],
            take["color"],
            Curve.from_json(take["hand_speed"]),
            Curve.from_json(take["jaw"]),
            take["mean_hand_speed"],
            take["mean_jaw"],
            tuple(Span.from_json(span) for span in take["spans"]),
        )

    def to_json(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        curves = {name: fields[name].to_json() for name in ("hand_speed", "jaw")}
        return {**fields, **curves, "spans": [span.to_json() for span in self.spans]}


@dataclass(frozen=True)
class PlotsValue:
    """The value of the plots: takes of one recording, and what is heard in it, over one axis of time.

    takes: at most 8. loudness: root mean square, 0 to 1; None without takes. onsets_s: (K,) rising times.

    In JSON the numbers of a curve are a text with spaces between them. 20 minutes of 8 takes are about half a megabyte:
    see `Curve` on what is kept of long series.

    Raises:
        EmageError: too many takes, or onsets that are no rising times.
    """

    takes: tuple[TakeCurves, ...] = ()
    loudness: Curve | None = None
    onsets_s: tuple[float, ...] = ()

    def __post_init__(self):
        if len(self.takes) > MAX_TAKES:
            raise EmageError(f"{len(self.takes)} takes are too many for one plot; choose {MAX_TAKES} at most.")
        if bool(self.takes) != (self.loudness is not None):
            raise EmageError("Plots have takes and the loudness of their recording, or neither.")
        _check_onsets(self.onsets_s)

    @classmethod
    def of(cls, takes: Sequence[PlotTake]) -> "PlotsValue":
        """Takes of one recording, in the order of their colours. What is heard is taken from the longest."""
        if len(takes) > MAX_TAKES:
            raise EmageError(f"{len(takes)} takes are too many for one plot; choose {MAX_TAKES} at most.")
        if not takes:
            return cls()
        heard = max((take.series for take in takes), key=lambda series: len(series.loudness))
        return cls(
            tuple(TakeCurves.of(take, color) for take, color in zip(takes, TAKE_COLORS, strict=False)),
            Curve.of(heard.loudness, _LOUDNESS_DIGITS),
            tuple(np.round(np.asarray(heard.onsets_s, np.float64), _TIME_DIGITS).tolist()),
        )

    @classmethod
    def from_json(cls, value: Any) -> "PlotsValue":
        """From a client; nothing in it is trusted. None or "" shows nothing.

        Raises:
            EmageError: as above, or not of the form that `to_json` writes.
        """
        if value is None or value == "":
            return cls()
        if not isinstance(value, dict) or set(value) != {"takes", "loudness", "onsets_s"}:
            raise EmageError('The value of the plots is {"takes": […], "loudness": …, "onsets_s": "…"}, all of them.')
        takes, loudness, onsets_s = value["takes"], value["loudness"], value["onsets_s"]
        if not isinstance(takes, list):
            raise EmageError("The takes of the plots are a list.")
        if len(takes) > MAX_TAKES:
            raise EmageError(f"{len(takes)} takes are too many for one plot; choose {MAX_TAKES} at most.")
        return cls(
            tuple(TakeCurves.from_json(take) for take in takes),
            None if loudness is None else Curve.from_json(loudness),
            _numbers_of(onsets_s, _MAX_ONSETS, "The onsets"),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "takes": [take.to_json() for take in self.takes],
            "loudness": self.loudness.to_json() if self.loudness else None,
            "onsets_s": _text_of(self.onsets_s),
        }


def _text_of(numbers: tuple[float, ...]) -> str:
    """Numbers with spaces between them. Gradio wraps every element of a list in the browser, which takes seconds."""
    return " ".join(map(str, numbers))


def _numbers_of(text: Any, most: int, name: str) -> tuple[float, ...]:
    if not isinstance(text, str) or len(text) > _LONGEST_NUMBER * most or len(numbers := text.split()) > most:
        raise EmageError(f"{name} in the plots must be a text of at most {most} numbers with spaces between them.")
    try:
        return tuple(map(float, numbers))
    except ValueError as error:
        raise EmageError(f"{name} in the plots must be numbers with spaces between them ({error}).") from error


def _check_count(value: Any, name: str, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise EmageError(f"{name} is {_shown(value)}; it must be a whole number from {least} to {most}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _check_onsets(onsets_s: tuple[float, ...]) -> None:
    if len(onsets_s) > _MAX_ONSETS:
        raise EmageError(f"There are more than {_MAX_ONSETS} onsets; a recording of a day has fewer.")
    before = 0.0
    for onset in onsets_s:
        if not _is_number(onset) or onset < before:
            raise EmageError(f"An onset at {_shown(onset)} s: they must be rising numbers of seconds from 0 on.")
        before = onset


def _shown(value: Any) -> str:
    return repr(value)[:40]
