"""Evaluations beside each other: which differences are larger than chance, and which do not compare."""

import json
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from emage.errors import EmageError
from tests.train.evaluation.conftest import write_run
from train.evaluation.beat2.comparison import Comparison, compare, markdown
from train.evaluation.beat2.metrics import METRICS, interval_of
from train.evaluation.beat2.results import ClipStore
from train.evaluation.intervals import bootstrap


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    offsets = {"near": (0.1, 1), "far": (0.5, 2), "as_near": (0.1, 3)}
    return {name: write_run(folder / name, *given) for name, given in offsets.items()}


def test_differences_are_paired_and_told_from_chance(runs, tmp_path):
    compared = compare(Comparison(runs=tuple(runs.values()), out=tmp_path, resamples=200))
    assert compared.clips == 9
    found = {(one.metric, one.first, one.second): one for one in compared.differences}
    for metric in ("fgd", "face_mse_m2"):
        assert found[metric, "near", "far"].better == "near"
        assert found[metric, "far", "as_near"].better == "as_near"
    assert found["srgr", "near", "far"].better == "far"
    # Clips differ by more than the runs do: unpaired, nobody could tell.
    mse = next(metric for metric in METRICS if metric.key == "face_mse_m2")
    near = [clip for number in range(9) for clip, _ in [ClipStore(runs["near"]).read(f"clip{number}")]]
    alone = interval_of(mse, near, 0, 200)
    assert alone.high - alone.low > 0.5 > found["face_mse_m2", "near", "far"].interval.value > 0.35
    jerk = found["jerk_m_per_s3", "near", "far"]
    assert jerk.is_above_chance
    assert jerk.better is None  # nearer the corpus is better, not less
    alike = [one for (_, *pair), one in found.items() if pair == ["near", "as_near"]]
    assert sum(one.is_above_chance for one in alike) <= 3
    assert (tmp_path / "comparison.md").read_text() == markdown(compared) + "\n"
    assert "| FGD x10 | near | far |" in markdown(compared)
    panel = ElementTree.fromstring((tmp_path / "comparison.svg").read_text())
    assert len([each for each in panel.iter() if each.tag.endswith("circle")]) == 4 * len(compared.runs["near"].scores)
    assert json.loads((tmp_path / "comparison.json").read_text())["left_out"] == {}
    assert (tmp_path / "comparison.tex").read_text().count(r"\\") == 5
    assert "near,fgd," in (tmp_path / "comparison.csv").read_text()


def test_a_run_beside_itself_differs_by_nothing(runs, tmp_path):
    shutil.copytree(runs["near"], tmp_path / "again")
    compared = compare(Comparison(runs=(runs["near"], tmp_path / "again"), out=tmp_path / "out", resamples=20))
    assert compared.differences
    assert not any(one.is_above_chance for one in compared.differences)
    assert "None." in markdown(compared)


def test_what_one_run_lacks_is_no_difference(runs, tmp_path):
    without = write_run(tmp_path / "without", 0.1, 4, seam_rad=None)
    compared = compare(Comparison(runs=(runs["near"], without), out=tmp_path / "out", resamples=20))
    assert "seams" not in {one.metric for one in compared.differences}
    assert "bc" in {one.metric for one in compared.differences}
    stored = json.loads((without / "scores.json").read_text())
    for system in ("scores", "corpus"):  # as of a revision that did not measure it
        del stored[system]["recall"]
    (without / "scores.json").write_text(json.dumps(stored))
    compared = compare(Comparison(runs=(runs["near"], without), out=tmp_path / "out", resamples=20))
    assert "recall" not in {one.metric for one in compared.differences}
    assert "word-gesture recall" in markdown(compared)  # of the run that has it


def change(folder: Path, out: Path, **basis) -> Path:
    """A copy of results with another basis."""
    shutil.copytree(folder, out)
    scores = json.loads((out / "scores.json").read_text())
    scores["basis"] |= basis
    (out / "scores.json").write_text(json.dumps(scores))
    return out


def test_what_depends_on_other_files_is_not_compared(runs, tmp_path):
    source = {"name": "AESKConv.bin", "sha256": "0" * 64}
    other = change(runs["near"], tmp_path / "other", evaluator=source)
    compared = compare(Comparison(runs=(runs["far"], other), out=tmp_path / "out", resamples=20))
    assert list(compared.left_out) == ["fgd"]
    assert "another evaluator" in compared.left_out["fgd"]
    assert not any(one.metric == "fgd" for one in compared.differences)
    assert any(one.metric == "bc" for one in compared.differences)
    assert "Not compared: FGD x10" in markdown(compared)
    elsewhere = change(runs["near"], tmp_path / "elsewhere", corpus=source)
    with pytest.raises(EmageError, match="different clips"):
        compare(Comparison(runs=(runs["far"], elsewhere), out=tmp_path / "out"))
    with pytest.raises(EmageError, match="two or more"):
        Comparison(runs=(runs["far"],))
    (other / "scores.json").write_text('{"revision": 3}')
    with pytest.raises(EmageError, match=r"scores\.json"):
        compare(Comparison(runs=(runs["far"], other), out=tmp_path / "out"))


def test_intervals_hold_what_they_should():
    """In about 95 of 100 samples the interval of a mean holds the true one; a distance's bias is taken out."""
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(100):
        sample = rng.standard_normal(40)
        found = bootstrap(40, lambda rows, sample=sample: sample[rows].mean(), seed, resamples=200)
        held += found.low <= 0 <= found.high
    assert 87 <= held <= 99
    sample = rng.standard_normal(40)

    def fewness(rows: np.ndarray) -> float:
        return 1.0 - len(set(rows.tolist())) / len(rows) + 0.01 * float(sample[rows].mean())

    plain = bootstrap(40, fewness, 0, resamples=200)
    assert plain.low > plain.value
    moved = bootstrap(40, fewness, 0, resamples=200, is_biased=True)
    assert moved.low < moved.value < moved.high
