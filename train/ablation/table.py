"""A report as Markdown: the rows with their intervals, and the paper's directions beside ours."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from train.ablation.report import ComparisonReport, Report, RowReport
from train.evaluation.intervals import Interval
from train.evaluation.markdown import markdown_table


class Column(NamedTuple):
    """A score by its field, times `scale`, with so many digits. better: which way."""

    header: str
    digits: int
    scale: float = 1.0
    better: str = ""


COLUMNS: dict[str, Column] = {
    "fgd": Column("FGD", 2, better="↓"),
    "bc_aligned": Column("BC aligned", 3),
    "l1_diversity_m": Column("L1Div", 2),
    "face_mse_m2": Column("face MSE x1e8", 1, 1e8, "↓"),
    "face_lvd_m_per_frame": Column("face LVD x1e5", 2, 1e5, "↓"),
    "recall": Column("recall", 3, better="↑"),
    "hand_correlation": Column("hand speed r", 3, better="↑"),
    "hidden_mm": Column("hidden mm", 1, better="↓"),
}
VERDICTS = {"yes": "yes", "no": "**no**", "undecided": "undecided", "": "–"}


def markdown(report: Report) -> str:
    """Tables and the sentences about them. The same report gives the same text."""
    parts = [
        "# Ablations",
        _preface(report),
        "## Rows",
        "In brackets the 95 % interval over clips (percentile bootstrap); of several seeds the means.",
        _rows(report),
        _columns_said(),
        *_each_seed(report),
        "## The paper's directions and ours",
        "The difference is that of the first less the second, with its paired interval over the same clips. *As in the "
        "paper* is yes or no where the whole interval, and every seed, lies on one side of 0, undecided where they do "
        "not, and – where the paper's direction is not stated here. Another training with the same settings would "
        "differ, too: of that the intervals say nothing, and one seed neither.",
        _comparisons(report.comparisons),
        *_differing(report.comparisons),
        *_missing(report.rows),
    ]
    return "\n\n".join(parts) + "\n"


def _preface(report: Report) -> str:
    steps = ", ".join(f"{name} {count}" for name, count in report.steps.items())
    revisions = ", ".join(f"`{revision}`" for revision in report.revisions)
    threads = " and ".join(map(str, report.threads)) or "–"
    unheard = f" Without BC, as nothing sets in in their sound: {', '.join(report.without_onset)}."
    return (
        f"Made by `python -m train.ablate --size {report.size} --seeds {' '.join(map(str, report.seeds))}` (steps: "
        f"{steps}; threads: {threads}). Scored on {report.clips} clips of split test, {report.minutes:.1f} minutes, "
        "each as its generator's own take (the argmax, as published) from rhythm and words. The VQ-VAEs have one seed "
        f"and are shared by the rows. Body: {report.body}. FGD's features: {report.evaluator[:12]}. Cache: "
        f"{report.cache[:12]}. Code: {revisions}.{unheard if report.without_onset else ''}"
    )


def _say(score: Interval | None, column: Column, sign: str = "") -> str:
    if score is None:
        return "–"
    form = f"{sign}.{column.digits}f"
    value, low, high = (format(column.scale * each, form) for each in (score.value, score.low, score.high))
    return f"{value} [{low}, {high}]"


def _scores(scores: Mapping[str, Interval | None]) -> list[str]:
    return [_say(scores.get(name), column) for name, column in COLUMNS.items()]


def _rows(report: Report) -> str:
    header = ["", *(f"{column.header} {column.better}".strip() for column in COLUMNS.values())]
    lines = [[row.name, *_scores(row.scores)] for row in report.rows if not row.missing]
    truth = {name: score for name, score in report.corpus.items() if name not in ("fgd", "hidden_mm")}
    return markdown_table(header, [["the corpus itself", *_scores(truth)], *lines])


def _columns_said() -> str:
    return (
        "BC aligned and L1Div are best where the corpus has them. Recall: share of gesture words with a gesture of "
        "theirs in time. Hand speed r: correlation of the hands' speed with the true one. Hidden mm: distance of the "
        "upper body's joints from the true ones where they are hidden, while every other span of 32 frames is shown."
    )


def _each_seed(report: Report) -> list[str]:
    if len(report.seeds) < 2:
        return []
    header = ["FGD by seed", *map(str, report.seeds)]
    rows = [[row.name, *(f"{seed.values['fgd']:.2f}" for seed in row.seeds)] for row in report.rows if not row.missing]
    return [markdown_table(header, rows)]


def _comparisons(comparisons: Sequence[ComparisonReport]) -> str:
    rows = [
        [
            each.question,
            COLUMNS[each.score].header,
            each.paper or "not stated",
            _say(each.difference, COLUMNS[each.score], "+"),
            VERDICTS[each.verdict],
        ]
        for each in comparisons
    ]
    return markdown_table(["compared", "score", "the paper", "ours: difference", "as in the paper"], rows)


def _differing(comparisons: Sequence[ComparisonReport]) -> list[str]:
    judged = [each for each in comparisons if each.verdict]
    differing = [each for each in judged if each.verdict == "no"]
    undecided = sum(each.verdict == "undecided" for each in judged)
    if not judged:
        return []
    said = f"Of {len(judged)} directions of the paper, {len(differing)} differ here and {undecided} are undecided."
    lines = [f"- {each.question}, {COLUMNS[each.score].header}: {each.may_be}" for each in differing]
    if not lines:
        return [said]
    return [
        f"{said} Why that may be, besides a training that is far shorter and smaller than the paper's and a corpus "
        "that is made by rules:",
        "\n".join(lines),
    ]


def _missing(rows: Sequence[RowReport]) -> list[str]:
    lines = [f"- {row.name}: {row.missing}" for row in rows if row.missing]
    return ["## Rows that were not made", "\n".join(lines)] if lines else []
