"""Takes in numbers, as a table for the page."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import gradio as gr

from emage.evaluation.report import OWN_MEAN_SPEED, TakeReport
from emage.recording.audio import frame_to_second
from emage.ui.shared import PART_LABELS

NONE = "—"
_NO_HINTS = "This take has no hints."
_NOT_KNOWN = "It is not known."
_MAX_HINT_ROWS = 200


@dataclass(frozen=True)
class _Column:
    """One number of a report. why: the note for one that is None where the report has no note of its own."""

    header: str
    unit: str
    help: str
    value: Callable[[TakeReport], float | None]
    digits: int
    why: str | None = None


_COLUMNS = (
    _Column(
        "Beat consistency",
        "published, 0 to 1",
        "How close in time the beats of the motion, where a joint is slowest, are to the onsets of the audio; 1 is at "
        "the same instants. Computed as the published numbers were, whose indexing shifts the motion by 2 seconds.",
        lambda report: report.beat_consistency,
        3,
    ),
    _Column(
        "Beat consistency",
        "aligned, 0 to 1",
        "The same with that indexing mended, so that motion and audio are compared at the same time.",
        lambda report: report.beat_consistency_aligned,
        3,
    ),
    _Column(
        "Diversity",
        "m",
        "How far the joints are from their mean place, summed over all of them, on average: more is livelier, not "
        "always better.",
        lambda report: report.diversity_m,
        2,
    ),
    _Column(
        "Jerk",
        "m/s³",
        "How abruptly the acceleration of the joints changes, on average: shaking and jumps make it high.",
        lambda report: report.jerk_m_per_s3,
        1,
    ),
    _Column(
        "Foot sliding",
        "m/s",
        "How fast a foot that stands on the floor moves over it, on average.",
        lambda report: report.foot_sliding_m_per_s,
        3,
    ),
    _Column(
        "From hints, mean",
        "°",
        "By how many degrees the joints are turned away from the hints, on average over all spans; 0 where they are "
        "locked.",
        lambda report: _degrees(report.hint_mean_rad),
        1,
        _NO_HINTS,
    ),
    _Column(
        "From hints, most",
        "°",
        "The largest angle of any joint from its hint in any frame.",
        lambda report: _degrees(report.hint_max_rad),
        1,
        _NO_HINTS,
    ),
    _Column("Length", "s", "How long the take lasts.", lambda report: report.duration_s, 1),
    _Column("Made in", "s", "How long it took to make.", lambda report: report.took_s, 1, _NOT_KNOWN),
)


class MetricsTable(gr.HTML):
    """Shows what `metrics_table` returns; a handler returns that, or None for nothing."""

    def __init__(
        self,
        value: str | None = None,
        *,
        label: str = "Takes in numbers",
        elem_id: str | None = None,
        render: bool = True,
    ):
        """
        Args:
            value: of `metrics_table`.
            label, elem_id, render: as everywhere in Gradio.
        """
        super().__init__(
            value,
            label=label,
            css_template=(Path(__file__).parent / "table.css").read_text("utf-8"),
            js_on_load=None,
            apply_default_css=False,
            elem_id=elem_id,
            render=render,
        )


def metrics_table(takes: Sequence[tuple[str, TakeReport]]) -> str:
    """Takes by their captions, as HTML for `MetricsTable`: a row each in their order, none marked as the best.

    Below are what the columns mean, why a number is missing, and how far each take is from each of its hints.
    """
    if not takes:
        return ""
    notes: list[str] = []
    rows = []
    for caption, report in takes:
        cells = "".join(f"<td>{_cell(column, report, notes)}</td>" for column in _COLUMNS)
        rows.append(f'<tr><th scope="row">{escape(caption)}</th>{cells}</tr>')
    headers = "".join(
        f'<th scope="col" title="{escape(column.help)}">{column.header}<small>{column.unit}</small></th>'
        for column in _COLUMNS
    )
    meanings = "".join(f"<dt>{column.header}, {column.unit}</dt><dd>{column.help}</dd>" for column in _COLUMNS)
    return (
        '<div class="metrics"><div class="scroller" tabindex="0" role="region" aria-label="Takes in numbers">'
        f'<table><thead><tr><th scope="col">Take</th>{headers}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
        f"{_notes(takes, notes)}"
        f"<details><summary>What the columns mean</summary><dl>{meanings}</dl></details>"
        f"{_hints(takes)}</div>"
    )


def _cell(column: _Column, report: TakeReport, notes: list[str]) -> str:
    value = column.value(report)
    if value is not None:
        return f"{value:.{column.digits}f}"
    note = column.why or " ".join(report.notes) or _NOT_KNOWN
    if note not in notes:
        notes.append(note)
    return f'<abbr title="{escape(note)}">{NONE}<sup>{notes.index(note) + 1}</sup></abbr>'


def _notes(takes: Sequence[tuple[str, TakeReport]], notes: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    numbered = f"<ol>{items}</ol>" if notes else ""
    scored = [report for _, report in takes if report.beat_consistency_aligned is not None]
    if len(scored) > 1 and any(report.mean_speed_of == OWN_MEAN_SPEED for report in scored):
        return (
            f"{numbered}<p>Beat consistency is measured here against each take's own mean speed, so that it cannot be "
            "compared between takes.</p>"
        )
    return numbered


def _hints(takes: Sequence[tuple[str, TakeReport]]) -> str:
    """How far each take is from each hint."""
    deviations = [(caption, deviation) for caption, report in takes for deviation in report.spans]
    if not deviations:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(caption)}</th><td>{PART_LABELS[deviation.span.part][0]}</td>'
        f"<td>{frame_to_second(deviation.span.start_frame):.2f} to {frame_to_second(deviation.span.end_frame):.2f}</td>"
        f"<td>{deviation.span.mode}</td>"
        f"<td>{_degrees(deviation.mean_rad):.1f}</td><td>{_degrees(deviation.max_rad):.1f}</td>"
        f"<td>{_optional(deviation.path_m, 2)}</td><td>{_optional(deviation.expressions, 3)}</td></tr>"
        for caption, deviation in deviations[:_MAX_HINT_ROWS]
    )
    more = len(deviations) - _MAX_HINT_ROWS
    rest = f"<p>And {more} more.</p>" if more > 0 else ""
    headers = "".join(
        f'<th scope="col">{header}<small>{unit}</small></th>'
        for header, unit in (
            ("Take", ""),
            ("Part", ""),
            ("From, to", "s"),
            ("Mode", ""),
            ("Mean", "°"),
            ("Most", "°"),
            ("Path", "m, lower body"),
            ("Expressions", "mean, face"),
        )
    )
    return (
        '<details class="each"><summary>How far from each hint</summary>'
        '<div class="scroller" tabindex="0" role="region" aria-label="How far from each hint">'
        f"<table><thead><tr>{headers}</tr></thead><tbody>{rows}</tbody></table></div>{rest}</details>"
    )


def _optional(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _degrees(angle_rad: float | None) -> float | None:
    return None if angle_rad is None else math.degrees(angle_rad)
