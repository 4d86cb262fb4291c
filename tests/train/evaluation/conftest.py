"""Clips whose arms keep time with their sound, and networks that have hardly been trained."""

from dataclasses import replace

import numpy as np
import pytest

from emage.evaluation import quality
from emage.motion import ARKIT52, Motion
from emage.pipeline import EmagePipeline
from emage.recording.audio import frame_to_sample
from emage.recording.features import loudness_envelope
from tests.conftest import make_motion
from tests.train.conftest import write_corpus
from train import fgd_encoder
from train.data.cache import Cache, build_cache
from train.evaluation.held_out import HeldOutReport, Row, held_out_report
from train.evaluation.makers import make_rows
from train.evaluation.settings import Evaluation

CLIPS = {  # id: split, frames
    "1_ann_0_1_1": ("train", 90),
    "3_ben_0_1_1": ("train", 140),
    "1_ann_0_2_2": ("test", 180),
    "3_ben_0_2_2": ("test", 210),
    "3_ben_0_3_3": ("test", 240),
    "1_ann_0_3_3": ("test", 100),  # too short to look for beats in
}


def perform_to_noise(frames: int, seed: int) -> tuple[Motion, np.ndarray]:
    """Arms that are slowest whenever a burst of noise sets in; all else moves as it likes."""
    beats = np.cumsum(np.random.default_rng(seed).uniform(0.7, 1.6, 50))[: int((frames / 30 + 20) / 1.6)]
    time_s = np.arange(frames) / 30
    phase = np.interp(time_s, np.concatenate([[0], beats]), np.arange(len(beats) + 1))
    angle = np.cumsum(2.5 - 2 * np.cos(2 * np.pi * phase)) / 30
    motion = make_motion(frames, seed, reach=0.2)
    poses = motion.poses.reshape(-1, 55, 3).copy()
    poses[:, [3, 6, 9, *range(12, 22)]] = 0
    poses[:, [16, 17], 2] = angle[:, None]
    audio = np.zeros(frame_to_sample(frames), np.float32)
    rng = np.random.default_rng(seed)
    for beat in beats[beats < frames / 30 - 0.2]:
        start = int(beat * 16000)
        audio[start : start + 3000] = 0.3 * rng.standard_normal(3000) * np.linspace(1, 0, 3000)
    return replace(motion, poses=poses.reshape(-1, 165), betas=np.zeros(300), expression_basis=ARKIT52), audio


@pytest.fixture(scope="session")
def planted(body, tmp_path_factory) -> Cache:
    clips = {
        clip: (split, *perform_to_noise(frames, seed)) for seed, (clip, (split, frames)) in enumerate(CLIPS.items())
    }
    root = tmp_path_factory.mktemp("planted")
    return build_cache(write_corpus(root / "corpus", clips), root / "cache", body=body)


@pytest.fixture(scope="session")
def config(planted, trained) -> Evaluation:
    weights = trained["generator"].weights
    return Evaluation(suite="demo", cache=planted.folder, weights=weights, wrong_pairings=5, halvings=2)


@pytest.fixture(scope="session")
def truth_in_its_place(planted, config, body) -> HeldOutReport:
    """The report of weights that generate the very truth."""
    pipe = EmagePipeline.from_pretrained(config.weights, device="cpu")
    makers = make_rows(planted, pipe, config)
    makers[Row.GENERATED] = makers[Row.CORPUS]
    autoencoder = fgd_encoder.load_autoencoder(config.weights)
    return held_out_report(planted, makers, pipe.generator.config, body, autoencoder, config)


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
