"""What the plots show: curves of takes and of their recording, small enough for a browser."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emage.errors import EmageError
from emage.evaluation.report import MotionSeries
from emage.evaluation.words import WordShares
from emage.hints import HintPlan

MAX_POINTS = 4000
"""Of a curve; a longer series is sent as the least, mean and greatest value of each column of several frames."""
TAKE_COLORS = ("#2f74d0", "#c2570c", "#12825c", "#c2388f", "#8355d8", "#8a6d00", "#0a7f93", "#cf3d3d")
"""Of the takes in their order. Each has a contrast of 3:1 at least on the light and on the dark page."""
MAX_TAKES = len(TAKE_COLORS)

MAX_SHARES = 2000
"""Words whose shares are shown, from the first on."""

EMPTY = {"takes": [], "loudness": None, "onsets_s": "", "shares": None}

_SPEED_DIGITS, _DEGREE_DIGITS, _LOUDNESS_DIGITS, _TIME_DIGITS, _SHARE_DIGITS = 3, 2, 3, 3, 3


def build_value(
    takes: Sequence[tuple[str, MotionSeries, HintPlan]], shares: WordShares | None = None
) -> dict[str, Any]:
    """Takes of one recording as JSON, in the order of their colours; what is heard is taken from the longest.

    20 minutes of 8 takes are about half a megabyte.

    Args:
        takes: caption, series and plan of each.
        shares: of content and rhythm in what was heard of each word, for one of them.

    Raises:
        EmageError: too many takes, or a series with other than finite numbers.
    """
    if len(takes) > MAX_TAKES:
        raise EmageError(f"{len(takes)} takes are too many for one plot; choose {MAX_TAKES} at most.")
    if not takes:
        return EMPTY
    heard = max((series for _, series, _ in takes), key=lambda series: len(series.loudness))
    return {
        "takes": [_build_take(*take, color) for take, color in zip(takes, TAKE_COLORS, strict=False)],
        "loudness": build_curve(heard.loudness, _LOUDNESS_DIGITS),
        "onsets_s": _write(np.round(np.asarray(heard.onsets_s, np.float64), _TIME_DIGITS)),
        "shares": None if shares is None else _build_shares(shares),
    }


def build_curve(values: np.ndarray, digits: int) -> dict[str, Any]:
    """A series at 30 frames a second as JSON, in columns of `frames_per_column` frames; the last may have fewer.

    Of each column there are the least, mean and greatest value, low, mean and high: texts of numbers with spaces
    between them. Up to 4000 frames (2:13) a column is a frame, and the mean says all; beyond, there are at most 1333
    columns. So a curve has at most 4000 points, the least and the greatest value of the series always among them.

    Args:
        values: (T,).
        digits: behind the point, to which the values are rounded.

    Raises:
        EmageError: no such series, or other than finite numbers in it.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise EmageError(f"A series to plot has shape {values.shape}; it must be (frames,), and not empty.")
    if not np.isfinite(values).all():
        raise EmageError("A series to plot holds other than finite numbers.")
    frames = len(values)
    per_column = 1 if frames <= MAX_POINTS else -(-frames // (MAX_POINTS // 3))
    starts = np.arange(0, frames, per_column)
    low, high = (extreme.reduceat(values, starts) for extreme in (np.minimum, np.maximum))
    # A sum of equal numbers may be off in its last digit.
    mean = (np.add.reduceat(values, starts) / np.diff(np.append(starts, frames))).clip(low, high)
    columns = {"mean": mean} if np.array_equal(low, high) else {"low": low, "mean": mean, "high": high}
    texts = {name: _write(np.round(column, digits)) for name, column in columns.items()}
    return {"num_frames": frames, "frames_per_column": per_column, **texts}


def _build_take(caption: str, series: MotionSeries, plan: HintPlan, color: str) -> dict[str, Any]:
    """Spans are cut to the take: the published timing shows hints that lie behind its last frame."""
    jaw_degrees = np.degrees(series.jaw_rad)
    frames = len(series.loudness)
    return {
        "caption": caption,
        "color": color,
        "hand_speed": build_curve(series.hand_speed_m_per_s, _SPEED_DIGITS),
        "jaw": build_curve(jaw_degrees, _DEGREE_DIGITS),
        "mean_hand_speed": round(float(np.mean(series.hand_speed_m_per_s)), _SPEED_DIGITS),
        "mean_jaw": round(float(np.mean(jaw_degrees)), _DEGREE_DIGITS),
        "spans": [
            replace(span, end_frame=min(span.end_frame, frames)).to_json()
            for span in plan.spans
            if span.start_frame < frames
        ],
    }


def _build_shares(shares: WordShares) -> dict[str, Any]:
    """The words as a JSON text: text, start and end in seconds, share of content for face and body of each."""
    words = [
        [
            word.text,
            round(word.start_s, _TIME_DIGITS),
            round(word.end_s, _TIME_DIGITS),
            round(word.face, _SHARE_DIGITS),
            round(word.body, _SHARE_DIGITS),
        ]
        for word in shares.words
    ]
    return {"caption": shares.caption, "num_words": len(words), "words": json.dumps(words[:MAX_SHARES])}


def _write(numbers: np.ndarray) -> str:
    """Numbers with spaces between them. Gradio wraps every element of a list in the browser, which takes seconds."""
    return " ".join(map(str, numbers.tolist()))
