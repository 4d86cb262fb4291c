"""A corpus with semantic labels, and evaluations of its true motion and of a disturbed one."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emage.motion import Motion
from train.evaluation.beat2.results import Results
from train.evaluation.beat2.suite import evaluate_beat2
from train.evaluation.beat2.tables import write_all
from train.evaluation.settings import Beat2Evaluation

LONG_CLIPS = ("1_ann_0_2_2", "3_ben_0_3_3", "3_ben_0_4_4")
SHORT_CLIP = "1_ann_0_3_3"


@pytest.fixture(scope="session")
def labelled(corpus, tmp_path_factory) -> Path:
    """The corpus of the tests, with labels of one of its test clips."""
    folder = shutil.copytree(corpus, tmp_path_factory.mktemp("labelled") / "corpus")
    (folder / "sem").mkdir()
    lines = "01_beat_align\t0\t3\t3\t0.1\t\n05_iconic\t3.5\t5\t1.5\t0.9\tbig\n"
    (folder / "sem" / f"{LONG_CLIPS[1]}.txt").write_text(lines)
    return folder


def settings(labelled: Path, weights: Path, out: Path, **changes) -> Beat2Evaluation:
    """Of weights, or, where those are given in `changes`, of motions."""
    given = {"motions": None, "evaluator": weights} | changes
    return Beat2Evaluation(
        suite="beat2",
        corpus=labelled,
        out=out,
        weights=None if given["motions"] else weights,
        **{"resamples": 20, "device": "cpu", **given},
    )


def copy_motions(labelled: Path, folder: Path, size: float, clips=(*LONG_CLIPS, SHORT_CLIP)) -> Path:
    """True motions with noise of a size, as the published code calls such files."""
    folder.mkdir()
    for number, clip in enumerate(clips):
        motion = Motion.load(labelled / "smplxflame_30" / f"{clip}.npz")
        noise = size * np.random.default_rng(number).standard_normal(motion.poses.shape)
        replace(motion, poses=motion.poses + noise).save(folder / f"res_{clip}.npz")
    return folder


def evaluate_and_write(config: Beat2Evaluation, body=None) -> Results:
    results = evaluate_beat2(config, body)
    write_all(results, config.out)
    return results
