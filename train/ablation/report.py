"""All rows with all seeds: what is missing is trained and scored, and everything goes into one report."""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic_core import to_json

from emage.body import Body, load_body
from emage.errors import EmageError
from emage.files import new_file, write_text
from emage.pipeline import EmagePipeline
from emage.validation import build
from train.ablation.rows import COMPARISONS, Comparison, Row, choose_rows, generator_stage
from train.ablation.scoring import BIASED, FIELDS, Examiner, RowScores, digest_evaluator
from train.ablation.settings import SIZES, Ablation
from train.ablation.stages import DONE, FAILURE, Bench, StageFailed, digest, is_done, say_fault
from train.data.cache import Cache
from train.evaluation.intervals import Interval, interval_of_samples
from train.run.checkpoints import git_revision

NO_PARTIAL = "no --partial-cache was given, a cache of the same speakers whose clips lack channels"


@dataclass(frozen=True)
class SeedReport:
    """A row with one seed. sha256: of the generator's weights. stages: folders of all that it was trained by."""

    seed: int
    sha256: str
    stages: tuple[str, ...]
    values: dict[str, float | None]


@dataclass(frozen=True)
class RowReport:
    """scores: by field, the mean over seeds with its interval over clips; empty where the row was not made, of which
    `missing` says why. settings: of the generator, unlike the base's."""

    key: str
    name: str
    missing: str
    settings: dict[str, Any]
    seeds: tuple[SeedReport, ...]
    scores: dict[str, Interval | None]


@dataclass(frozen=True)
class ComparisonReport:
    """difference: of the first row less the second, with its interval over clips; None where one was not made.

    verdict: "yes" where all of the interval, and the difference of every seed, is on the paper's side, "no" where they
    are on the other, "undecided" where there is both; empty where the paper gives no direction or there is no
    difference to judge.
    """

    question: str
    score: str
    paper: str
    difference: Interval | None
    verdict: str
    may_be: str


@dataclass(frozen=True)
class Report:
    """revisions: of the code that trained and scored. threads: of torch, while training. evaluator: SHA-256 of the
    weights of FGD's features. cache: its hash. without_onset: ids of the clips in whose sound nothing sets in, which
    count for all but BC."""

    size: str
    seeds: tuple[int, ...]
    revisions: tuple[str, ...]
    threads: tuple[int, ...]
    cache: str
    body: str
    evaluator: str
    clips: int
    minutes: float
    steps: dict[str, int]
    corpus: dict[str, Interval | None]
    rows: tuple[RowReport, ...]
    comparisons: tuple[ComparisonReport, ...]
    without_onset: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[RowReport, ...]:
        """Rows that should have been made and were not."""
        return tuple(row for row in self.rows if row.missing not in ("", NO_PARTIAL))


@dataclass(frozen=True)
class _StoredScores:
    """As a folder of scores has them, with how many clips they are of. without_onset: ids of those that have no BC."""

    revision: str
    clips: int
    minutes: float
    scores: RowScores
    without_onset: tuple[str, ...] = ()


class Laboratory:
    """Makes what a report needs, and keeps it in `config.out`."""

    def __init__(self, config: Ablation, body: Body | None, report: Callable[[str], None]):
        self.config, self.size, self.report = config, SIZES[config.size], report
        self.rows = choose_rows(config.rows)
        config.out.mkdir(parents=True, exist_ok=True)
        self.bench = Bench(Cache(config.cache), config.out, body or load_body(), report)
        self.partial = (
            None
            if config.partial_cache is None
            else Bench(Cache(config.partial_cache), config.out, self.bench.body, report)
        )
        self.evaluator = digest_evaluator(config.evaluator)

    @cached_property
    def examiner(self) -> Examiner:
        return Examiner(self.bench.cache, self.bench.body, self.config.evaluator, self.size)

    def lacks(self, row: Row) -> str:
        """Why a row cannot be made, in words; empty where it can."""
        return NO_PARTIAL if row.is_partial and self.partial is None else ""

    def bench_of(self, row: Row) -> Bench:
        return self.partial if row.is_partial and self.partial is not None else self.bench

    def folders(self) -> list[Path]:
        """Those of the stages of all rows that can be made, each once, in order."""
        found: dict[Path, None] = {}
        for row in self.rows:
            for seed in () if self.lacks(row) else self.config.seeds:
                found |= dict.fromkeys(self.folders_of(row, seed))
        return list(found)

    def folders_of(self, row: Row, seed: int) -> list[Path]:
        """Those that a row needs, its generator's last."""
        last = generator_stage(row, self.size, seed)
        return list(dict.fromkeys(self.bench_of(row).folder(stage) for stage in (*last.all_inputs(), last)))

    def scores(self, row: Row, seed: int) -> _StoredScores:
        """Of a row with a seed; what is missing for them is made. Raises StageFailed."""
        stage = generator_stage(row, self.size, seed)
        bench = self.bench_of(row)
        folder = bench.finish(stage)

        def score(examiner: Examiner) -> RowScores:
            pipe = EmagePipeline.from_pretrained(folder / "weights", device="cpu")
            return examiner.score(pipe, row.shown, bench.cache.speakers)

        return self._stored(f"{row.key}-{seed}", [self.bench.data, bench.key(stage), row.shown], score)

    def corpus(self) -> _StoredScores:
        """Of the true motion."""
        return self._stored("corpus", [self.bench.data, self.bench.body.name], lambda examiner: examiner.score_truth())

    def _stored(self, name: str, of: list[str], score: Callable[[Examiner], RowScores]) -> _StoredScores:
        """What is stored under the hash of all that it depends on; scored and stored where it is not there."""
        size = self.size
        asked = [*of, self.evaluator, size.clips, size.clip_seconds, size.hint_clips, size.resamples]
        path = self.config.out / "scores" / f"{name}-{digest(asked)[:12]}" / "scores.json"
        if not path.is_file():
            self.report(f"{path.parent.name}: scoring")
            path.parent.mkdir(parents=True, exist_ok=True)
            started, started_cpu = time.monotonic(), time.process_time()
            try:
                made = score(self.examiner)
            except Exception as error:  # as a stage that fails: the other rows go on
                write_text(path.with_name(FAILURE), traceback.format_exc())
                raise StageFailed(
                    f"scoring {path.parent.name} failed ({say_fault(error)}). See {FAILURE} in its folder."
                ) from error
            judged = self.examiner
            stored = _StoredScores(git_revision(), len(judged.clips), judged.minutes, made, judged.without_onset)
            with new_file(path) as temporary:
                temporary.write_bytes(to_json(stored, inf_nan_mode="null") + b"\n")
            path.with_name(FAILURE).unlink(missing_ok=True)
            took, took_cpu = time.monotonic() - started, time.process_time() - started_cpu
            self.bench.note_time(path.parent.name, took, took_cpu)
        return build(_StoredScores, path.read_text("utf-8"), EmageError, str(path), max_values=1 << 24)


def run_ablation(config: Ablation, body: Body | None = None, report: Callable[[str], None] = print) -> Report:
    """Make what is missing and put everything together.

    report: is told what happens.

    Raises:
        EmageError: an unknown row, or no cache, evaluator or clips at all.
    """
    laboratory = Laboratory(config, body, report)
    stages = laboratory.folders()
    missing = sum(not is_done(folder) for folder in stages)
    report(f"{len(stages)} stages, of which {missing} are to be trained")
    corpus = laboratory.corpus()
    made: dict[str, list[tuple[SeedReport, _StoredScores]]] = {}
    rows = []
    for row in laboratory.rows:
        why = laboratory.lacks(row)
        try:
            seeds = [] if why else [_report_seed(laboratory, row, seed) for seed in config.seeds]
        except StageFailed as failure:
            seeds, why = [], str(failure)
            report(f"{row.key}: {why}")
        made[row.key] = seeds
        rows.append(
            RowReport(
                row.key,
                row.name,
                why,
                _settings(row, laboratory),
                tuple(seed for seed, _ in seeds),
                _pool([stored.scores for _, stored in seeds]),
            )
        )
    stored = [corpus, *(each for seeds in made.values() for _, each in seeds)]
    notes = [_read_note(folder) for folder in stages if is_done(folder)]
    size = laboratory.size
    scores = {key: [each.scores for _, each in seeds] for key, seeds in made.items()}
    return Report(
        size=config.size,
        seeds=config.seeds,
        revisions=tuple(sorted({each.revision for each in stored} | {note["revision"] for note in notes})),
        threads=tuple(sorted({note["threads"] for note in notes})),
        cache=laboratory.bench.data,
        body=laboratory.bench.body.name,
        evaluator=laboratory.evaluator,
        clips=corpus.clips,
        minutes=corpus.minutes,
        steps={name: getattr(size, name)["steps"] for name in ("vqvae", "global_motion", "generator")},
        corpus=_pool([corpus.scores]),
        rows=tuple(rows),
        comparisons=tuple(
            compare(each, scores.get(each.first, []), scores.get(each.second, []))
            for each in COMPARISONS
            if each.first in scores and each.second in scores
        ),
        without_onset=corpus.without_onset,
    )


def _report_seed(laboratory: Laboratory, row: Row, seed: int) -> tuple[SeedReport, _StoredScores]:
    stored = laboratory.scores(row, seed)
    folders = laboratory.folders_of(row, seed)
    names = tuple(folder.name for folder in folders)
    return SeedReport(seed, _read_note(folders[-1])["sha256"], names, stored.scores.values), stored


def _read_note(folder: Path) -> dict[str, Any]:
    return build(dict[str, Any], (folder / DONE).read_text("utf-8"), EmageError, str(folder / DONE))


def _settings(row: Row, laboratory: Laboratory) -> dict[str, Any]:
    config = generator_stage(row, laboratory.size, 0).config(Path(), Path()).to_json()
    return {"coding": row.coding, "shown": row.shown} | {name: config[name] for name in row.generator}


def _pool(seeds: Sequence[RowScores]) -> dict[str, Interval | None]:
    return {name: interval(*_mean_over_seeds(seeds, name), name in BIASED) for name in FIELDS} if seeds else {}


def _mean_over_seeds(seeds: Sequence[RowScores], name: str) -> tuple[float, np.ndarray]:
    """The score, and that of each resample; not a number where there is nothing to measure."""
    values = np.array([[seed.values[name], *seed.resampled[name]] for seed in seeds], dtype=float).mean(0)
    return values[0], values[1:]


def interval(value: float, resampled: np.ndarray, is_biased: bool = False) -> Interval | None:
    """As `interval_of_samples`, of those resamples that have the score; None where there is nothing to measure."""
    resampled = resampled[np.isfinite(resampled)]
    if not (np.isfinite(value) and len(resampled)):
        return None
    return interval_of_samples(float(value), resampled, is_biased)


def compare(comparison: Comparison, first: Sequence[RowScores], second: Sequence[RowScores]) -> ComparisonReport:
    """first, second: of each seed; empty where the row was not made."""
    difference, verdict = None, ""
    if first and second:
        (value, resampled), (other, others) = (_mean_over_seeds(seeds, comparison.score) for seeds in (first, second))
        difference = interval(value - other, resampled - others, comparison.score in BIASED)
    if difference and comparison.paper:
        pairs = zip(first, second, strict=True)
        of_seeds = [one.values[comparison.score] - other.values[comparison.score] for one, other in pairs]
        verdict = judge([difference.low, difference.high, *of_seeds], comparison.sign)
    return ComparisonReport(
        comparison.question,
        comparison.score,
        comparison.paper,
        difference,
        verdict,
        comparison.may_be if verdict == "no" else "",
    )


def judge(differences: Sequence[float], sign: int) -> str:
    """Whether all differences have the sign that the paper says, or all the other one."""
    signs = {np.sign(sign * difference) for difference in differences}
    return {(1.0,): "yes", (-1.0,): "no"}.get(tuple(signs), "undecided")


def write_report(report: Report, table: str, folder: Path) -> None:
    """ablation.json, in which what is not finite is null, and ablation.md. Raises OutputError."""
    content = to_json(asdict(report), indent=2, inf_nan_mode="null").decode()
    for name, text in (("ablation.json", content), ("ablation.md", table)):
        write_text(folder / name, text.rstrip("\n") + "\n")
