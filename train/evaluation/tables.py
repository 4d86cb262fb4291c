"""The scores as Markdown: tables, and each target with its pass or miss."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from emage.motion.skeleton import NETWORK_PARTS
from train.evaluation.held_out import HeldOutReport, Row
from train.evaluation.hinting import HINT_FRAMES, HintingReport
from train.evaluation.intervals import Interval
from train.evaluation.markdown import markdown_table
from train.evaluation.real_speech import SpeechReport
from train.evaluation.real_words import RecordingWords
from train.evaluation.reconstruction import ReconstructionReport
from train.evaluation.report import Report
from train.evaluation.scores import SeamScores
from train.evaluation.targets import Target


class Column(NamedTuple):
    """A field of a row's dataclass, times `scale`, with so many digits."""

    header: str
    field: str
    digits: int
    scale: float = 1.0


_HELD_OUT = (
    Column("FGD", "fgd", 4),
    Column("BC", "bc", 4),
    Column("BC aligned", "bc_aligned", 4),
    Column("L1Div", "l1_diversity_m", 2),
    Column("sliding mm/s", "foot_sliding_m_per_s", 1, 1e3),
    Column("jerk m/s³", "jerk_m_per_s3", 1),
    Column("jaw r", "jaw_correlation", 3),
    Column("jaw lag", "jaw_lag_frames", 1),
    Column("face MSE x1e8", "face_mse_m2", 2, 1e8),
    Column("face LVD x1e5", "face_lvd_m_per_frame", 2, 1e5),
    Column("seams", "seams", 3),
)
_SPEECH = (
    Column("s", "seconds", 0),
    Column("jaw r", "jaw_correlation", 3),
    Column("jaw lag", "jaw_lag_frames", 1),
    Column("jaw in speech °", "speaking_deg", 2),
    Column("in pauses °", "pausing_deg", 2),
    Column("in pauses, 90 % °", "pausing_p90_deg", 2),
    Column("hands", "hands_ratio", 2),
    Column("frozen s", "longest_frozen_s", 2),
    Column("jerk m/s³", "jerk_m_per_s3", 1),
    Column("seams", "seams", 3),
)
_RECONSTRUCTION = (
    Column("rotation °", "degrees", 2),
    Column("joints mm", "joints_mm", 1),
    Column("fingertips mm", "fingertips_mm", 1),
    Column("skin mm", "skin_mm", 1),
    Column("expressions", "expression", 4),
    Column("perplexity", "perplexity", 0),
    Column("codes in use %", "codes_in_use", 0, 100),
)


def markdown(report: Report) -> str:
    """The tables, and each target with its pass or miss."""
    return "\n\n".join(
        [
            f"Scored by revision {report.revision} on the body '{report.body}'.",
            *_held_outmarkdown_table(report.held_out, report.targets.held_out),
            *_wordmarkdown_table(report.held_out, report.targets.words),
            *_hintingmarkdown_table(report.hinting, report.targets.hinting),
            *_speechmarkdown_table(report.speech, report.targets.speech),
            *_spokenmarkdown_table(report.spoken),
            *_reconstructionmarkdown_table(report.reconstruction, report.targets.reconstruction),
        ]
    )


def _held_outmarkdown_table(report: HeldOutReport, targets: Sequence[Target]) -> list[str]:
    gaps = "; ".join(
        f"{row}: {_cell(gap.bc, 4)} ± {_cell(gap.bc_error, 4)}, aligned {_cell(gap.bc_aligned, 4)} ± "
        f"{_cell(gap.bc_aligned_error, 4)}"
        for row, gap in report.bc_gaps.items()
    )
    unheard = f" Without BC, as nothing sets in in their sound: {', '.join(report.without_onset)}."
    return [
        f"### Held-out speech\n\n{report.clips} clips, {report.minutes:.1f} minutes."
        f"{unheard if report.without_onset else ''}",
        _table(_HELD_OUT, [(str(row), report.rows[row]) for row in Row if row in report.rows]),
        f"BC with the own audio less that with the wrong one: {gaps} (standard errors over clips). A share of a gap "
        "says something where the gap is several times its error.",
        _target_table(targets),
    ]


def _wordmarkdown_table(report: HeldOutReport, targets: Sequence[Target]) -> list[str]:
    rows = [(str(row), report.gestures[row], report.rows[row]) for row in Row if row in report.gestures]
    cells = [
        [
            label,
            _interval(gestures.recall, 3),
            _cell(gestures.chance, 3),
            _cell(gestures.precision, 3),
            _cell(gestures.a_minute, 1),
            _interval(gestures.hand_correlation, 3),
            _cell(motion.fgd, 4),
            _cell(motion.l1_diversity_m, 2),
        ]
        for label, gestures, motion in rows
    ]
    return [
        "### Words and gestures\n\nIntervals hold 95 % over clips.",
        markdown_table(
            ["", "recall", "chance", "precision", "gestures a minute", "hand speed r", "FGD", "L1Div"], cells
        ),
        *([_target_table(targets)] if targets else ["No text weights were given (`--text-weights`)."]),
    ]


def _spokenmarkdown_table(spoken: Sequence[RecordingWords]) -> list[str]:
    lines = []
    for one in spoken:
        share = f"{one.right} of {len(one.gestures)} words of the dictionary came with a gesture of theirs"
        lines.append(
            f"### {one.name}, words by {one.transcript}\n\n{share} (by chance {_cell(one.chance, 3)} of them); "
            f"{one.words} words were said."
        )
        rows = [
            [
                each.word,
                f"{each.start_s:.2f}",
                ", ".join(each.wanted),
                "–" if each.found is None else f"{each.found.kind} at {each.found.end_s:.2f}",
                "yes" if each.is_right else "",
            ]
            for each in one.gestures
        ]
        lines.append(markdown_table(["word", "at s", "may have", "found", "right"], rows))
    return lines


def _hintingmarkdown_table(report: HintingReport | None, targets: Sequence[Target]) -> list[str]:
    if report is None:
        return []
    rows = [[name, _interval(one.joints_mm, 1), _interval(one.degrees, 2)] for name, one in report.rows.items()]
    return [
        f"### Hints\n\nHalf of the upper body shown, in spans of {HINT_FRAMES} frames; errors in the hidden half of "
        f"{report.clips} clips.",
        markdown_table(["", "joints mm", "rotation °"], rows),
        _target_table(targets),
    ]


def _interval(interval: Interval | None, digits: int) -> str:
    if interval is None:
        return "–"
    value, low, high = (_cell(each, digits) for each in (interval.value, interval.low, interval.high))
    return f"{value} ({low} to {high})"


def _speechmarkdown_table(report: SpeechReport | None, targets: Sequence[Target]) -> list[str]:
    if report is None:
        return ["### Real speech\n\nNot scored: no recordings were given (`--speech`)."]
    labelled = [(f"{one.name}, generated", one) for one in report.generated]
    labelled += [(f"{one.name}, who spoke", one) for one in report.recorded]
    labelled += [(f"corpus, {report.corpus.name}", report.corpus)]
    return [
        "### Real speech",
        _table(_SPEECH, labelled),
        f"Seams of all generated motions together: {_cell(report.seams, 3)}.",
        _target_table(targets),
    ]


def _reconstructionmarkdown_table(report: ReconstructionReport, targets: Sequence[Target]) -> list[str]:
    whole = report.whole
    return [
        f"### Reconstruction\n\n{report.windows} windows of held-out motion.",
        _table(_RECONSTRUCTION, [(f"{part} alone", report.parts[part]) for part in NETWORK_PARTS]),
        f"All parts together: joints of the body {whole.body_mm:.1f} mm, fingertips {whole.fingertips_mm:.1f} mm, jaw "
        f"{whole.jaw_degrees:.2f}°.",
        _target_table(targets),
    ]


def _target_table(targets: Sequence[Target]) -> str:
    rows = [[one.name, _cell(one.value, 3), one.bound, "pass" if one.passed else "**miss**"] for one in targets]
    return markdown_table(["target", "value", "bound", ""], rows)


def _table(columns: Sequence[Column], labelled: Sequence[tuple[str, Any]]) -> str:
    rows = [
        [label, *(_cell(getattr(scores, column.field), column.digits, column.scale) for column in columns)]
        for label, scores in labelled
    ]
    return markdown_table(["", *(column.header for column in columns)], rows)


def _cell(value: float | SeamScores | None, digits: int, scale: float = 1.0) -> str:
    if value is None:
        return "–"
    if isinstance(value, SeamScores):
        return f"{value.ratio:.{digits}f} (± {value.scatter:.{digits}f})"
    text = f"{value * scale:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text
