"""Results as CSV, Markdown and LaTeX."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from emage.files import write_text
from emage.motion import FPS
from train.evaluation.beat2.metrics import ALL_METRICS, Metric
from train.evaluation.beat2.results import Results, Score, write_results
from train.evaluation.markdown import markdown_table

_CSV_COLUMNS = ("system", "metric", "raw", "scaled", "low", "high", "scale", "better", "clips", "frames")
CORPUS = "corpus"
_LATEX_SPECIAL = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "°": r"$^\circ$", "³": r"$^3$", "$": r"\$"}


def write_all(results: Results, out: Path) -> str:
    """scores.json, scores.csv, scores.md and scores.tex; the Markdown. Raises OutputError."""
    write_results(results, out)
    rows = [("made", results), (CORPUS, results)]
    text = markdown(results)
    write_text(out / "scores.csv", csv_table(rows))
    write_text(out / "scores.md", text + "\n")
    write_text(out / "scores.tex", latex(rows))
    return text


def scores_of(name: str, results: Results) -> dict[str, Score | None]:
    return results.corpus if name == CORPUS else results.scores


def metrics_in(rows: Sequence[tuple[str, Results]]) -> list[Metric]:
    """Those that any of the rows has."""
    return [m for m in ALL_METRICS if any(scores_of(name, results).get(m.key) for name, results in rows)]


def csv_table(rows: Sequence[tuple[str, Results]]) -> str:
    """A line for each system and metric."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    for name, results in rows:
        for metric in ALL_METRICS:
            if score := scores_of(name, results).get(metric.key):
                values = (score.raw, score.scaled, score.low, score.high)
                numbers = ["" if value is None else repr(value) for value in values]
                numbers += [metric.scale, metric.better, results.clips, results.frames]
                writer.writerow((name, metric.key, *numbers))
    return stream.getvalue()


def markdown(results: Results) -> str:
    basis = results.basis
    left_out = "".join(f"\n- {clip}: {why}" for clip, why in results.left_out.items())
    without_bc = [clip for clip, measures in results.clip_scores.items() if measures.bc is None]
    floor = f"FGD of one half of the true clips against the other, x10: {10 * (results.fgd_floor or 0):.3f}."
    lines = [
        f"### {basis.corpus.name}, split {basis.split}, speakers {', '.join(map(str, basis.speakers))}",
        f"{results.clips} clips, {results.frames} frames ({results.frames / FPS / 60:.1f} minutes), on the body "
        f"'{basis.body.name}'. In brackets 95 % intervals over clips.",
        grid([("made", results), (CORPUS, results)]),
        *([floor] if results.fgd_floor is not None else []),
        "\n".join(
            [
                f"- revision {results.revision}",
                f"- evaluator {basis.evaluator.name}, {basis.evaluator.sha256[:16]}",
                f"- mean velocity {basis.mean_velocity.name}, {basis.mean_velocity.sha256[:16]}",
                *(f"- {name}: {source.name}, {source.sha256[:16]}" for name, source in basis.motions.items()),
            ]
        ),
        *([_say_without_bc(without_bc)] if without_bc else []),
        *([f"Left out:{left_out}"] if left_out else []),
    ]
    return "\n\n".join(lines)


def _say_without_bc(clips: Sequence[str]) -> str:
    return f"Without BC, as nothing sets in in their sound or their motion has no upper body: {', '.join(clips)}."


def grid(rows: Sequence[tuple[str, Results]]) -> str:
    """A Markdown table: a row for each system."""
    metrics = metrics_in(rows)
    lines = [
        [name, *(cell(metric, scores.get(metric.key)) for metric in metrics)]
        for name, results in rows
        for scores in [scores_of(name, results)]
    ]
    return markdown_table(["", *(metric.header for metric in metrics)], lines)


def cell(metric: Metric, score: Score | None) -> str:
    if score is None:
        return "–"
    if score.low is None or score.high is None:
        return f"{score.scaled:.{metric.digits}f}"
    low, high = (f"{value * metric.scale:.{metric.digits}f}" for value in (score.low, score.high))
    return f"{score.scaled:.{metric.digits}f} ({low} to {high})"


def latex(rows: Sequence[tuple[str, Results]]) -> str:
    """A booktabs table, without intervals."""
    metrics = metrics_in(rows)
    arrows = {"lower": r" $\downarrow$", "higher": r" $\uparrow$", "nearer the corpus": ""}
    heads = [escape_latex(metric.header) + arrows[metric.better] for metric in metrics]
    body = [
        " & ".join([escape_latex(name), *(_plain(metric, scores.get(metric.key)) for metric in metrics)])
        for name, results in rows
        for scores in [scores_of(name, results)]
    ]
    return "\n".join(
        [
            r"\begin{tabular}{l" + "r" * len(metrics) + "}",
            r"\toprule",
            " & ".join(["", *heads]) + r" \\",
            r"\midrule",
            *(line + r" \\" for line in body),
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _plain(metric: Metric, score: Score | None) -> str:
    return "--" if score is None else f"{score.scaled:.{metric.digits}f}"


def escape_latex(text: str) -> str:
    return "".join(_LATEX_SPECIAL.get(character, character) for character in text)
