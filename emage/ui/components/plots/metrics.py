"""Takes in numbers, for a `gr.Dataframe` and a `gr.Markdown` below it."""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, NamedTuple

import gradio as gr
import pandas as pd
from pandas.io.formats.style import Styler

from emage.evaluation.report import OWN_MEAN_SPEED, TakeReport
from emage.recording.audio import frame_to_second
from emage.ui.components.shared import PART_LABELS

NONE = "—"
_NO_HINTS = "This take has no hints."
_NOT_KNOWN = "It is not known."
_MAX_HINT_ROWS = 200


class _Column(NamedTuple):
    """One number of a report. why: the note for one that is None where the report has no note of its own."""

    header: str
    help: str
    value: Callable[[TakeReport], float | None]
    digits: int
    why: str | None = None


_COLUMNS = (
    _Column(
        "Beat consistency, published (0 to 1)",
        "How close in time the beats of the motion, where a joint is slowest, are to the onsets of the audio; 1 is at "
        "the same instants. Computed as the published numbers were, whose indexing shifts the motion by 2 seconds.",
        lambda report: report.beat_consistency,
        3,
    ),
    _Column(
        "Beat consistency, aligned (0 to 1)",
        "The same with that indexing mended, so that motion and audio are compared at the same time.",
        lambda report: report.beat_consistency_aligned,
        3,
    ),
    _Column(
        "Diversity (m)",
        "How far the joints are from their mean place, summed over all of them, on average: more is livelier, not "
        "always better.",
        lambda report: report.diversity_m,
        2,
    ),
    _Column(
        "Jerk (m/s³)",
        "How abruptly the acceleration of the joints changes, on average: shaking and jumps make it high.",
        lambda report: report.jerk_m_per_s3,
        1,
    ),
    _Column(
        "Foot sliding (m/s)",
        "How fast a foot that stands on the floor moves over it, on average.",
        lambda report: report.foot_sliding_m_per_s,
        3,
    ),
    _Column(
        "Mean deviation from the hint (°)",
        "By how many degrees the joints are turned away from the hints, on average over all spans; 0 where they are "
        "locked.",
        lambda report: _degrees(report.hint_mean_rad),
        1,
        _NO_HINTS,
    ),
    _Column(
        "Largest deviation from the hint (°)",
        "The largest deviation from the hint: of any joint, in any frame.",
        lambda report: _degrees(report.hint_max_rad),
        1,
        _NO_HINTS,
    ),
    _Column("Length (s)", "How long the take lasts.", lambda report: report.duration_s, 1),
    _Column("Made in (s)", "How long it took to make.", lambda report: report.took_s, 1, _NOT_KNOWN),
)


def build_metrics_table(elem_id: str) -> gr.Dataframe:
    """For what `tabulate_metrics` returns; out of sight until it is made visible."""
    return gr.Dataframe(
        headers=["Take", *(column.header for column in _COLUMNS)],
        label="Takes in numbers",
        show_label=False,
        interactive=False,
        visible=False,
        wrap=True,
        pinned_columns=1,
        column_widths=[150, 124, 124] + [96] * (len(_COLUMNS) - 2),
        buttons=[],
        elem_id=elem_id,
    )


def tabulate_metrics(takes: Sequence[tuple[str, TakeReport]]) -> Styler:
    """Takes by their captions: a row each in their order, none marked as the best; a number that is None is a dash."""
    rows = [[caption, *(column.value(report) for column in _COLUMNS)] for caption, report in takes]
    table = pd.DataFrame(rows, columns=["Take", *(column.header for column in _COLUMNS)])
    formats: Any = {column.header: f"{{:.{column.digits}f}}" for column in _COLUMNS}
    return table.style.format(formats, na_rep=NONE)


def describe_metrics(takes: Sequence[tuple[str, TakeReport]]) -> str:
    """Markdown: why a number is missing, what the columns mean, and how far each take is from each of its hints."""
    if not takes:
        return ""
    meanings = "".join(f"<dt>{column.header}</dt><dd>{column.help}</dd>" for column in _COLUMNS)
    return (
        f"{_explain_gaps(takes)}<details><summary>What the columns mean</summary><dl>{meanings}</dl></details>"
        f"{_tabulate_hints(takes)}"
    )


def _explain_gaps(takes: Sequence[tuple[str, TakeReport]]) -> str:
    """What a dash means, by its column and takes."""
    gaps: dict[str, tuple[dict, dict]] = {}  # columns and captions by what is said of them; dicts keep the order
    for column in _COLUMNS:
        for caption, report in takes:
            if column.value(report) is None:
                why = column.why or " ".join(report.notes) or _NOT_KNOWN
                columns, captions = gaps.setdefault(why, ({}, {}))
                columns[column.header], captions[caption] = None, None
    items = "".join(
        f"<li><b>{escape(', '.join(captions))}</b>: {escape(why)} <i>({'; '.join(columns)})</i></li>"
        for why, (columns, captions) in gaps.items()
    )
    numbered = f"<ul>{items}</ul>" if items else ""
    scored = [report for _, report in takes if report.beat_consistency_aligned is not None]
    if len(scored) > 1 and any(report.mean_speed_of == OWN_MEAN_SPEED for report in scored):
        return (
            f"{numbered}<p>Beat consistency is measured here against each take's own mean speed, so that it cannot be "
            "compared between takes.</p>"
        )
    return numbered


def _tabulate_hints(takes: Sequence[tuple[str, TakeReport]]) -> str:
    """How far each take is from each hint."""
    deviations = [(caption, deviation) for caption, report in takes for deviation in report.spans]
    if not deviations:
        return ""
    headers = (
        "Take", "Part", "From, to (s)", "Mode", "Mean (°)", "Most (°)", "Path (m, lower body)", "Expressions (face)"
    )  # fmt: skip
    rows = [
        (
            escape(caption),
            PART_LABELS[deviation.span.part][0],
            f"{frame_to_second(deviation.span.start_frame):.2f} to {frame_to_second(deviation.span.end_frame):.2f}",
            deviation.span.mode,
            f"{math.degrees(deviation.mean_rad):.1f}",
            f"{math.degrees(deviation.max_rad):.1f}",
            "" if deviation.path_m is None else f"{deviation.path_m:.2f}",
            "" if deviation.expressions is None else f"{deviation.expressions:.3f}",
        )
        for caption, deviation in deviations[:_MAX_HINT_ROWS]
    ]
    head = "".join(f"<th>{header}</th>" for header in headers)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    more = len(deviations) - _MAX_HINT_ROWS
    rest = f"<p>And {more} more.</p>" if more > 0 else ""
    return (
        "<details><summary>How far from each hint</summary>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}</details>"
    )


def _degrees(angle_rad: float | None) -> float | None:
    return None if angle_rad is None else math.degrees(angle_rad)
