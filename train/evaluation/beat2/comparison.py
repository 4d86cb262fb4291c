"""Several evaluations beside each other: a table, a plot, and which differences are larger than chance.

Differences are paired: of the same clips, which are sampled anew together, so that what makes a clip hard for both does
not count. A metric is compared only where everything that its numbers depend on is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated
from xml.sax.saxutils import escape

import tyro
from pydantic_core import to_json

from emage.errors import EmageError
from emage.files import write_text
from train.evaluation.beat2 import tables
from train.evaluation.beat2.metrics import ALL_METRICS, LEAST_PAIRS, Metric, ScoredClip, difference_of
from train.evaluation.beat2.results import ClipStore, Results, Score, read_results
from train.evaluation.intervals import Interval
from train.evaluation.markdown import markdown_table

_ROW_PX, _PLOT_PX, _LABEL_PX, _MARGIN_PX = 22, 420, 360, 24


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Compare evaluations of the suite beat2. Raises EmageError for fewer than two."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Their folders; each is called by its name."""
    out: Path = Path("comparison")
    """Where comparison.md, .json, .csv, .tex and .svg go."""
    resamples: int = 1000
    """Samples of the clips, of which the 95 % intervals are."""
    seed: int = 0
    """Of these samples."""

    def __post_init__(self):
        if len(self.runs) < 2:
            raise EmageError("Name two or more folders of results to compare.")


@dataclass(frozen=True)
class Difference:
    """interval: the second's score less the first's, raw; None where too few clips tell. is_above_chance: 0 is
    outside. better: the run that the difference favours, where it is above chance and the metric has a better way."""

    metric: str
    first: str
    second: str
    interval: Interval | None
    is_above_chance: bool
    better: str | None


@dataclass(frozen=True)
class Compared:
    """left_out: metrics that do not compare, each with the reason. clips: that all runs have scored."""

    runs: dict[str, Results]
    clips: int
    differences: tuple[Difference, ...]
    left_out: dict[str, str]

    @property
    def rows(self) -> list[tuple[str, Results]]:
        """Of tables and plot: the runs, and the corpus, which any of them knows."""
        return [*self.runs.items(), (tables.CORPUS, next(iter(self.runs.values())))]


def compare(config: Comparison) -> Compared:
    """Read the runs, and write what they say together.

    Raises:
        EmageError: there are no results, or none of the clips is the same.
    """
    runs = {name: read_results(folder) for name, folder in _names(config.runs).items()}
    shared = sorted(set.intersection(*(set(results.clip_scores) for results in runs.values())))
    _check_corpus(runs)
    if not shared:
        raise EmageError("These runs have scored no clip in common. Evaluate them on the same clips.")
    clips = {name: _read_clips(folder, shared) for name, folder in _names(config.runs).items()}
    left_out = {metric.key: why for metric in ALL_METRICS if (why := _fault(metric, runs))}
    differences = []
    for metric in ALL_METRICS:
        if metric.key in left_out:
            continue
        for first, second in combinations(runs, 2):
            if all(runs[name].scores.get(metric.key) is not None for name in (first, second)):
                interval = difference_of(metric, clips[first], clips[second], config.seed, config.resamples)
                differences.append(_judge(metric, first, second, interval))
    compared = Compared(runs, len(shared), tuple(differences), left_out)
    _write(compared, config.out)
    return compared


def _names(folders: Sequence[Path]) -> dict[str, Path]:
    names = {folder.resolve().name: folder for folder in folders}
    return names if len(names) == len(folders) else {str(folder): folder for folder in folders}


def _check_corpus(runs: dict[str, Results]) -> None:
    sources = {name: results.basis.corpus.sha256 for name, results in runs.items()}
    if len(set(sources.values())) > 1:
        raise EmageError(
            f"{', '.join(sources)} were evaluated on different clips or files of them (see `corpus` in their "
            "scores.json), so that their scores do not compare. Evaluate them on the same."
        )


def _read_clips(folder: Path, ids: Sequence[str]) -> list[ScoredClip]:
    store = ClipStore(folder)
    return [clip for clip_id in ids for clip, _ in [store.read(clip_id)]]


def _fault(metric: Metric, runs: dict[str, Results]) -> str:
    """Why a metric of these runs does not compare; empty where it does."""
    for need in metric.needs:
        sources = {name: getattr(results.basis, need) for name, results in runs.items()}
        if len({source.sha256 for source in sources.values()}) > 1:
            told = ", ".join(f"{name} {source.name} {source.sha256[:12]}" for name, source in sources.items())
            return f"another {need.replace('_', ' ')}: {told}"
    return ""


def _judge(metric: Metric, first: str, second: str, interval: Interval | None) -> Difference:
    if interval is None or not interval.leaves_out_zero:
        return Difference(metric.key, first, second, interval, False, None)
    better = None
    if metric.better != "nearer the corpus":
        better = second if (interval.value > 0) == (metric.better == "higher") else first
    return Difference(metric.key, first, second, interval, True, better)


def _write(compared: Compared, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "comparison.md", markdown(compared) + "\n")
    write_text(out / "comparison.csv", tables.csv_table(compared.rows))
    write_text(out / "comparison.tex", tables.latex(compared.rows))
    write_text(out / "comparison.svg", plot(compared))
    told = {"clips": compared.clips, "differences": compared.differences, "left_out": compared.left_out}
    write_text(out / "comparison.json", to_json(told, indent=1, inf_nan_mode="null").decode() + "\n")


def markdown(compared: Compared) -> str:
    metrics = {metric.key: metric for metric in ALL_METRICS}
    above = [one for one in compared.differences if one.is_above_chance]
    lines = []
    for one in above:
        metric, interval = metrics[one.metric], one.interval
        ends = (interval.value, interval.low, interval.high)
        value, low, high = (f"{each * metric.scale:.{metric.digits}f}" for each in ends)
        lines.append((metric.header, one.first, one.second, f"{value} ({low} to {high})", one.better or "–"))
    told = [one for one in compared.differences if one.interval is not None]
    within, untold = (
        [f"{metrics[one.metric].header}: {one.first}, {one.second}" for one in compared.differences if which(one)]
        for which in (
            lambda one: one.interval is not None and not one.is_above_chance,
            lambda one: one.interval is None,
        )
    )
    parts = [
        f"{compared.clips} clips that all runs have scored. In brackets 95 % intervals over clips.",
        tables.grid(compared.rows),
        "### Differences larger than chance",
        markdown_table(["", "first", "second", "second less first", "better"], lines) if lines else "None.",
        f"Paired over clips; 0 lies outside the 95 % interval. Of {len(told)} comparisons about {len(told) / 20:.1f} "
        "would look so if all runs were alike.",
        *([f"Within chance: {'; '.join(within)}."] if within else []),
        *([f"Of fewer than {LEAST_PAIRS} clips, which tell nothing: {'; '.join(untold)}."] if untold else []),
        *(f"Not compared: {metrics[key].header}, for it has {why}." for key, why in compared.left_out.items()),
        "![Scores with their intervals](comparison.svg)",
    ]
    return "\n\n".join(parts)


def plot(compared: Compared) -> str:
    """A picture (SVG): of each metric a panel with a line for each run, its score and interval, and the corpus's."""
    metrics = [metric for metric in tables.metrics_in(compared.rows) if metric.key not in compared.left_out]
    panel_px = _ROW_PX * (len(compared.rows) + 1) + _MARGIN_PX
    width, height = _LABEL_PX + _PLOT_PX + 3 * _MARGIN_PX, panel_px * len(metrics) + _MARGIN_PX
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        f'font-size="13"><rect width="{width}" height="{height}" fill="white"/>'
    ]
    for number, metric in enumerate(metrics):
        parts += _panel(metric, compared.rows, _MARGIN_PX + number * panel_px)
    return "\n".join([*parts, "</svg>", ""])


def _ends(score: Score) -> tuple[float, float]:
    return (score.raw, score.raw) if score.low is None or score.high is None else (score.low, score.high)


def _panel(metric: Metric, rows: Sequence[tuple[str, Results]], top_px: float) -> list[str]:
    scores = [(name, tables.scores_of(name, results).get(metric.key)) for name, results in rows]
    values = [each * metric.scale for _, score in scores if score for each in _ends(score)]
    least, most = min(values), max(values)
    span = (most - least) or abs(most) or 1.0
    left_px = _LABEL_PX + _MARGIN_PX

    def x(value: float) -> float:
        return round(left_px + (value - least) / span * _PLOT_PX, 1)

    words = f"{metric.header} ({metric.better} is better)"
    parts = [f'<text x="{_MARGIN_PX}" y="{top_px + 12}" font-weight="bold">{escape(words)}</text>']
    for line, (name, score) in enumerate(scores, 1):
        y = top_px + line * _ROW_PX + 8
        colour = "#767676" if name == tables.CORPUS else "#1f5fa8"
        parts.append(f'<text x="{_MARGIN_PX}" y="{y + 4}">{escape(name[:32])}</text>')
        if score is None:
            continue
        low, high, at = (each * metric.scale for each in (*_ends(score), score.raw))
        parts += [
            f'<line x1="{x(low)}" x2="{x(high)}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>',
            f'<circle cx="{x(at)}" cy="{y}" r="4" fill="{colour}">'
            f"<title>{escape(f'{name}: {tables.cell(metric, score)}')}</title></circle>",
        ]
    for value, anchor in ((least, "start"), (most, "end")):
        place = f'x="{x(value)}" y="{top_px + 12}" text-anchor="{anchor}"'
        parts.append(f'<text {place} fill="#555">{value:.{metric.digits}f}</text>')
    return parts
