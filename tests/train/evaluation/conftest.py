"""An evaluation of networks that have hardly been trained, and somebody who moves as the sound says."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from emage.evaluation import quality
from emage.motion import Motion
from emage.pipeline import EmagePipeline
from emage.recording.features import loudness_envelope
from train import fgd_encoder
from train.evaluation.beat2.measures import Measures
from train.evaluation.beat2.metrics import ScoredClip
from train.evaluation.beat2.results import Basis, ClipStore, Source, write_results
from train.evaluation.beat2.suite import pool_results
from train.evaluation.held_out import HeldOutReport, Row, held_out_report
from train.evaluation.makers import make_rows
from train.evaluation.settings import Beat2Evaluation, Evaluation


@pytest.fixture(scope="session")
def config(cache, trained) -> Evaluation:
    weights = trained["generator"].weights
    return Evaluation(suite="demo", cache=cache.folder, weights=weights, wrong_pairings=5, halvings=2)


@pytest.fixture(scope="session")
def truth_in_its_place(cache, config, body) -> HeldOutReport:
    """The report of weights that generate the very truth."""
    pipe = EmagePipeline.from_pretrained(config.weights, device="cpu")
    makers = make_rows(cache, pipe, config)
    makers[Row.GENERATED] = makers[Row.CORPUS]
    autoencoder = fgd_encoder.load_autoencoder(config.weights)
    return held_out_report(cache, makers, pipe.plan_windows, body, autoencoder, config)


@pytest.fixture(scope="session")
def talk() -> np.ndarray:
    """12 s: speech of changing loudness with a pause of 1 s after every 2 s."""
    time_s = np.arange(12 * 16000) / 16000
    loudness = 0.4 + 0.3 * np.sin(2 * np.pi * 1.3 * time_s) + 0.2 * np.sin(2 * np.pi * 0.7 * time_s)
    voice = np.random.default_rng(0).standard_normal(len(time_s))
    return (0.2 * voice * loudness * (time_s % 3 < 2)).astype(np.float32)


def follow_loudness(talk: np.ndarray, delay_frames: int = 1) -> Motion:
    """The jaw follows loudness; the arms wave in speech and hang in pauses."""
    loudness = loudness_envelope(talk)
    poses = np.zeros((len(loudness), 55, 3))
    poses[:, 22, 0] = np.roll(loudness, delay_frames)
    waving = np.cumsum(quality.speaking_frames(talk)) / 30
    poses[:, [16, 17], 2] = 0.5 * np.sin(2 * np.pi * waving)[:, None]
    shape = (len(poses), 165)
    return Motion(poses.reshape(shape), np.zeros((shape[0], 100)), np.zeros((shape[0], 3)), np.zeros(300))


def write_run(out: Path, offset: float, seed: int, lengths: dict[str, int] | None = None, **changes) -> Path:
    """Results of the suite beat2, whose measures lie about `offset` above those of the truth, and whose features about
    as far away. lengths: frames of each clip."""
    config = Beat2Evaluation(suite="beat2", corpus=out, out=out, motions=out, evaluator=out, resamples=20)
    source = Source("a file", "a" * 64)
    basis = Basis("beat2", source, "test", (2,), {"motions": source}, source, source, source, {})
    store, rng, hard = ClipStore(out), np.random.default_rng(seed), np.random.default_rng(0)
    counts = {"gesture_words": 10, "recalled_words": 4}
    names = [each.name for each in fields(Measures) if each.name not in ("frames", *counts)]
    lengths = lengths or {f"clip{number}": 200 + 10 * number for number in range(9)}
    for clip, frames in lengths.items():
        base = hard.uniform(1, 5)  # what makes a clip hard, for every run
        true = Measures(frames=frames, **dict.fromkeys(names, base), **counts)
        sums = {name: base + offset + 0.01 * rng.standard_normal() for name in names}
        made = Measures(frames=frames, **sums, **counts)
        true_features = hard.standard_normal((12, 3))
        features = true_features + offset + 0.01 * rng.standard_normal((12, 3))
        store.add(ScoredClip(clip, replace(made, **changes), features, true_features), true)
    write_results(pool_results(config, basis, store, list(lengths)), out)
    return out
