"""Rows that share stages, a table that any number of kills leaves as it is, and rows that fail alone."""

import json
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from emage.body import Body
from emage.body.model import STAND_IN_FILE
from emage.errors import EmageError
from emage.hints import Hints
from emage.hub import EMBEDDED_DIR
from emage.motion import Motion
from emage.motion.skeleton import NETWORK_PARTS
from emage.recording.recording import Recording
from tests.conftest import Stop
from tests.train.conftest import UNHEARD_CLIP, WORDS
from train import ablate
from train.ablation import stages
from train.ablation.report import NO_PARTIAL, Laboratory, Report, RowReport, compare, interval, judge, run_ablation
from train.ablation.rows import COMPARISONS, ROWS, choose_rows, generator_stage
from train.ablation.scoring import FIELDS, Examiner, RowScores, cut_clip
from train.ablation.settings import SIZES, Ablation
from train.ablation.stages import Bench, Stage
from train.ablation.table import COLUMNS, markdown
from train.data.cache import Cache
from train.data.corpus import CorpusError
from train.data.semantics import TrueStroke
from train.evaluation.intervals import Interval

SMOKE = SIZES["smoke"]


def stages_of(key: str, seed: int = 0) -> list[Stage]:
    (row,) = (row for row in ROWS if row.key == key)
    last = generator_stage(row, SMOKE, seed)
    return [*last.all_inputs(), last]


@pytest.fixture
def bench(cache, body, tmp_path) -> Bench:
    return Bench(cache, tmp_path, body, lambda line: None)


# --- what is shared ---------------------------------------------------------------------------------------------------


def test_stages_with_the_same_settings_are_one(bench):
    folders = {key: [bench.folder(stage).name for stage in stages_of(key)] for key in ("emage", "sum", "no-vqvae")}
    assert folders["emage"][:-1] == folders["sum"][:-1]
    assert not set(folders["no-vqvae"]) & {*folders["emage"], *folders["sum"]}
    assert folders["emage"][-1] != folders["sum"][-1]
    again = [bench.folder(stage).name for stage in stages_of("emage", seed=1)]
    assert again[:-1] == folders["emage"][:-1]
    assert again[-1] != folders["emage"][-1]
    of_hints = {bench.folder(stages_of(key)[-1]) for key in ("emage", "seed", "spans")}
    assert len(of_hints) == 1


def test_a_stage_s_folder_follows_from_what_its_weights_depend_on(bench, spoken_cache):
    stage = stages_of("emage")[0]

    def of(**changes) -> str:
        return bench.folder(replace(stage, settings={**stage.settings, **changes})).name

    assert of(learning_rate=1.5e-4) == of()  # the default
    assert of(checkpoint_every=7, workers=1) == of()
    assert of(learning_rate=1e-3) != of()
    elsewhere = replace(bench, cache=spoken_cache)
    elsewhere.__dict__.pop("data", None)
    assert elsewhere.folder(stage).name != of()
    later, last = stages_of("emage")[-2:]
    changed = replace(last, inputs=(*last.inputs[:-1], replace(later, settings={**later.settings, "steps": 3})))
    assert bench.folder(changed) != bench.folder(last)


@pytest.mark.parametrize("size", SIZES)
def test_every_row_has_settings_that_its_stages_take(size, tmp_path):
    for row in choose_rows(()):
        last = generator_stage(row, SIZES[size], 3)
        configs = {stage.network: stage.config(tmp_path, tmp_path) for stage in (*last.all_inputs(), last)}
        assert configs["generator"].seed == 3
        assert {configs[name].seed for name in configs if name != "generator"} == {0}
        assert configs["generator"].batch_size % configs["generator"].share_windows == 0
        coders = {name for name in configs if name not in ("generator", "global")}
        assert coders == ({"whole"} if row.coding == "one" else {"face", "upper", "hands", "lower"})
    assert {row.key for row in choose_rows(("sum",))} == {"emage", "sum"}
    with pytest.raises(EmageError, match="no row nobody"):
        choose_rows(("sum", "nobody"))
    assert {key for each in COMPARISONS for key in (each.first, each.second)} == {row.key for row in ROWS}
    assert {each.score for each in COMPARISONS} <= set(COLUMNS) <= set(FIELDS)


def test_partial_data_is_a_row_with_stages_of_its_own(spoken_cache, partial_cache, body, tmp_path):
    def laboratory(**changes) -> Laboratory:
        return Laboratory(ablation(spoken_cache, tmp_path, "partial", **changes), body, lambda line: None)

    given, without = laboratory(partial_cache=partial_cache.folder), laboratory()
    base, partial = given.rows
    assert (given.lacks(partial), without.lacks(partial)) == ("", NO_PARTIAL)
    assert without.folders() == without.folders_of(base, 0)
    assert given.folders() == [*given.folders_of(base, 0), *given.folders_of(partial, 0)]
    assert not {*given.folders_of(base, 0)} & {*given.folders_of(partial, 0)}


# --- one command ------------------------------------------------------------------------------------------------------


def ablation(cache: Cache, out: Path, *rows: str, **changes) -> Ablation:
    return Ablation(cache=cache.folder, out=out, size="smoke", rows=rows, **changes)


@pytest.fixture(scope="module")
def straight(spoken_cache, body, tmp_path_factory) -> tuple[Path, Report, list[str]]:
    """Of the base and a row that is shown something of the truth: folder, report and what was told."""
    out, told = tmp_path_factory.mktemp("straight"), []
    report = run_ablation(ablation(spoken_cache, out, "spans"), body, told.append)
    ablate.write_report(report, markdown(report), out)
    return out, report, told


def copy_without(folder: Path, copy: Path, *names: str) -> Path:
    """A copy of what a command left, without its tables and some stages or scores."""
    return shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("ablation.*", *names))


def run_and_write(cache: Cache, out: Path, *rows: str) -> None:
    torch.set_num_threads(1)  # as here, also in a process of its own: the report tells how many there were
    body = Body.from_file(STAND_IN_FILE)
    report = run_ablation(ablation(cache, out, *rows), body, lambda line: None)
    ablate.write_report(report, markdown(report), out)


@pytest.mark.slow
def test_rows_share_their_stages(straight):
    out, report, told = straight
    trained = [line for line in told if line.endswith(": training")]
    assert told[0] == "6 stages, of which 6 are to be trained"
    assert len(trained) == len(set(trained)) == 6
    assert sum(line.endswith(": scoring") for line in told) == 3  # the corpus and two rows
    base, spans = report.rows
    assert base.seeds[0].stages == spans.seeds[0].stages
    assert not list(out.glob("stages/*/run/checkpoints"))
    assert base.scores["hidden_mm"] == spans.scores["hidden_mm"]  # the same hints


@pytest.mark.slow
def test_scores_are_finite_and_the_corpus_has_the_best(straight):
    _, report, _ = straight
    assert report.corpus["fgd"].value == pytest.approx(0, abs=1e-2)
    assert report.corpus["hand_correlation"].value == pytest.approx(1)
    for row in report.rows:
        for name in ("fgd", "bc_aligned", "l1_diversity_m", "face_mse_m2", "hidden_mm"):
            score = row.scores[name]
            assert np.isfinite(score.value)
            assert score.low <= score.high
        assert row.scores["fgd"].value > report.corpus["fgd"].value
        assert row.scores["recall"] is None  # nobody performed anything in this corpus


@pytest.mark.slow
def test_nothing_is_done_twice(straight, spoken_cache, body):
    out, report, _ = straight
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    told: list[str] = []
    assert run_ablation(ablation(spoken_cache, out, "spans"), body, told.append) == report
    assert told == ["6 stages, of which 0 are to be trained"]
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_a_killed_command_ends_with_the_same_bytes(straight, spoken_cache, tmp_path, processes):
    """Killed in a stage, where one begins on what others left, and while scores are made."""
    out = copy_without(straight[0], tmp_path / "out", "upper-*", "global-*", "generator-*", "emage-*")
    moments = ("stages/upper-*/run/checkpoints/step_*", "stages/global-*/weights", "scores/emage-*")
    for moment in moments:
        process = processes.Process(target=run_and_write, args=(spoken_cache, out, "spans"))
        process.start()
        while process.is_alive() and not list(out.glob(moment)):
            time.sleep(0.002)
        assert process.is_alive(), f"it ended before {moment}"
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    run_and_write(spoken_cache, out, "spans")
    for name in ("ablation.md", "ablation.json"):
        assert (out / name).read_bytes() == (straight[0] / name).read_bytes()


@pytest.mark.slow
def test_a_row_that_fails_is_named_and_the_others_go_on(straight, spoken_cache, body, tmp_path, monkeypatch, capsys):
    out = copy_without(straight[0], tmp_path / "out")
    train, config = stages.KINDS["generator"].train, ablation(spoken_cache, out, "rhythm", "spans")

    def fail(config, body):
        raise Stop("out of luck")

    monkeypatch.setitem(stages.KINDS, "generator", stages.KINDS["generator"]._replace(train=fail))
    monkeypatch.setattr("train.ablation.report.load_body", lambda: body)
    with pytest.raises(
        EmageError, match=r"1 rows were not made. rhythm only: stage generator-.* \(Stop: out of luck\). See"
    ):
        ablate.run(config)
    table = capsys.readouterr().out
    assert "| shown spans of the upper body | " in table
    assert "- rhythm only: stage generator-" in table
    stored = json.loads((out / "ablation.json").read_text())
    assert [bool(row["missing"]) for row in stored["rows"]] == [False, True, False]
    (failure,) = out.glob("stages/*/failure.txt")
    assert "out of luck" in failure.read_text()
    told: list[str] = []
    monkeypatch.setitem(stages.KINDS, "generator", stages.KINDS["generator"]._replace(train=train))
    report = run_ablation(config, body, told.append)
    assert (told[0], report.failed) == ("7 stages, of which 1 are to be trained", ())
    assert not failure.exists()
    base, rhythm, _ = report.rows
    assert base.seeds[0].stages[:-1] == rhythm.seeds[0].stages[:-1]


# --- scores -----------------------------------------------------------------------------------------------------------


class Truthful:
    """A pipeline that makes the true motion of one clip after the other, and remembers what it was shown."""

    def __init__(self, truths: list[Motion], frames: int = 0):
        self.truths, self.shown = truths, []
        self.generator = SimpleNamespace(config=SimpleNamespace(seed_frames=4))

    def generate(self, audio: Recording, hints: Hints | None, **options) -> Motion:
        self.shown.append(hints)
        return next(truth for truth in self.truths if truth.num_frames == round(30 * len(audio.samples) / 16000))


@pytest.fixture(scope="module")
def examiner(spoken_cache, body) -> Examiner:
    """Of clips that differ in length, so that each is known by it."""
    return Examiner(spoken_cache, body, EMBEDDED_DIR, replace(SMOKE, resamples=3))


@pytest.mark.parametrize("shown", ["nothing", "seed", "spans"])
def test_the_truth_has_the_scores_of_the_truth_whatever_it_is_shown(examiner, shown):
    pipe = Truthful([clip.truth for clip in examiner.clips])
    made = examiner.score(pipe, shown, examiner.cache.speakers)
    assert made == examiner.score_truth()
    assert made.values["hidden_mm"] == 0
    assert made.values["hand_correlation"] == pytest.approx(1)
    assert len(made.resampled["fgd"]) == 3
    assert len(examiner.clips) == 3
    spans = [
        hints and {(span.part, span.start_frame, span.end_frame) for span in hints.plan.spans} for hints in pipe.shown
    ]
    halves = {("upper", 0, 32), ("upper", 64, 96), ("upper", 128, 160)}
    seed = {(part, 0, 4) for part in NETWORK_PARTS}
    own = {"nothing": None, "seed": seed, "spans": halves}[shown]
    assert spans[0] == own or (shown == "spans" and spans[0] >= halves)
    completed = 0 if shown == "spans" else SMOKE.hint_clips  # once more, from hints
    assert len(spans) == 3 + completed
    assert completed == 0 or spans[1] >= halves


def test_a_clip_in_whose_sound_nothing_sets_in_fails_no_row(unheard_cache, body):
    """It counts for all but BC, and the page names it."""
    unheard = Examiner(unheard_cache, body, EMBEDDED_DIR, replace(SMOKE, resamples=60))
    assert unheard.without_onset == (UNHEARD_CLIP,)
    made = unheard.score(Truthful([clip.truth for clip in unheard.clips]), "nothing", unheard_cache.speakers)
    assert 0.1 < made.values["bc"] < 1
    resampled = made.resampled["bc"]
    assert None in resampled  # one of 27 resamples has that clip three times
    assert any(resampled)
    page = markdown(make_report(without_onset=unheard.without_onset))
    assert f"Without BC, as nothing sets in in their sound: {UNHEARD_CLIP}." in page
    assert "Without BC" not in markdown(make_report())


def test_a_speaker_that_the_weights_do_not_know_is_named(examiner):
    with pytest.raises(CorpusError, match="Speaker 1 of .* is not among those trained on"):
        examiner.score(Truthful([]), "nothing", (3,))


def test_a_clip_is_cut_with_its_words_and_strokes(examiner, spoken_cache):
    whole = replace(examiner.clips[0], strokes=(TrueStroke("beat", "you", 0.4), TrueStroke("big", "big", 1.1)))
    cut = cut_clip(whole, 1.0)
    assert (cut.truth.num_frames, len(cut.audio)) == (30, 16000)
    assert [word.text for word in cut.words] == list(WORDS[:2])
    assert [stroke.word for stroke in cut.strokes] == ["you"]


# --- the table --------------------------------------------------------------------------------------------------------


def row_scores(fgd: float, *resampled: float) -> RowScores:
    values = dict.fromkeys(FIELDS) | {"fgd": fgd}
    return RowScores(values, {name: [None] * len(resampled) for name in FIELDS} | {"fgd": list(resampled)})


def test_differences_are_paired_and_of_the_mean_over_seeds():
    comparison = COMPARISONS[0]
    assert (comparison.score, comparison.sign) == ("fgd", -1)
    first, second = row_scores(2.0, 1.0, 3.0), row_scores(4.0, 2.0, 4.0)
    made = compare(comparison, [first], [second])  # apart they overlap; each resample has them apart
    assert made.difference == Interval(-2.0, -2.0, -2.0)  # what resampling alone adds to FGD is taken away
    assert (made.verdict, made.may_be) == ("yes", "")
    assert compare(comparison, [second], [first]).verdict == "no"
    assert compare(comparison, [second], [first]).may_be == comparison.may_be != ""
    mean = compare(comparison, [first, row_scores(4.0, 3.0, 5.0)], [second, second]).difference
    assert (mean.value, mean.low, mean.high) == (-1.0, -1.0, -1.0)
    shares = replace(comparison, score="recall", sign=1)
    few, many = (replace(each, values=each.values | {"recall": 0.5}) for each in (first, second))
    few.resampled["recall"], many.resampled["recall"] = [0.2, 0.4], [0.1, 0.1]
    assert compare(shares, [few], [many]).difference == Interval(0.0, pytest.approx(0.105), pytest.approx(0.295))
    assert compare(comparison, [], [second]).difference is None
    assert compare(replace(comparison, paper=""), [first], [second]).verdict == ""
    assert compare(comparison, [first, row_scores(4.5, 3.0, 5.0)], [second, second]).verdict == "undecided"  # one seed
    assert [judge(each, -1) for each in ([-2, -0.1], [0.1, 2], [-2, 0.1], [0, 0])] == ["yes", "no", *2 * ["undecided"]]
    assert interval(float("nan"), np.ones(3)) is None
    assert interval(1.0, np.array([np.nan, 0.0, 2.0])) == Interval(1.0, pytest.approx(0.05), pytest.approx(1.95))


def make_report(**changes) -> Report:
    score = {name: Interval(1.0, 0.5, 1.5) for name in FIELDS} | {"recall": None}
    rows = (
        RowReport("emage", "EMAGE", "", {}, (), score),
        RowReport("sum", "the sum", "", {}, (), score),
        RowReport("partial", "partial data", NO_PARTIAL, {}, (), {}),
    )
    asked = next(each for each in COMPARISONS if each.second == "sum")
    comparisons = (
        compare(asked, [row_scores(2.0, 2.0)], [row_scores(1.0, 1.0)]),
        compare(replace(asked, paper="", second="rhythm"), [row_scores(2.0, 2.0)], [row_scores(1.0, 1.0)]),
    )
    facts = {"size": "smoke", "seeds": (0,), "revisions": ("abc",), "threads": (1,), "cache": "c" * 64, "body": "b"}
    counts = {"evaluator": "e" * 64, "clips": 3, "minutes": 0.3, "steps": {"vqvae": 2}, "corpus": score}
    return Report(**{**facts, **counts, "rows": rows, "comparisons": comparisons, **changes})


def test_the_page_says_where_ours_differs_from_the_paper_and_what_is_missing():
    report = make_report()
    page = markdown(report)
    asked = report.comparisons[0]
    assert "| attention against sum | FGD | lower | +1.00 [+1.00, +1.00] | **no** |" in page
    assert "| attention against sum | FGD | not stated | +1.00 [+1.00, +1.00] | – |" in page
    assert "Of 1 directions of the paper, 1 differ here and 0 are undecided." in page
    assert f"- attention against sum, FGD: {asked.may_be}" in page
    assert "- partial data: no --partial-cache was given" in page
    assert "| the sum | 1.00 [0.50, 1.50] |" in page
    assert [line.count("| – |") for line in page.splitlines() if line.startswith("| the sum")] == [1]  # recall
    assert report.failed == ()  # nobody asked for it
    agreeing = replace(asked, verdict="yes", may_be="")
    assert "0 differ here" in markdown(replace(report, comparisons=(agreeing,)))


def test_settings_out_of_range_are_named(tmp_path):
    for seeds in ((), (-1,), (1, 1)):
        with pytest.raises(EmageError, match="seeds"):
            Ablation(cache=tmp_path, out=tmp_path, seeds=seeds)
