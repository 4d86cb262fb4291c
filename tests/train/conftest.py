"""A tiny corpus, its cache, and a folder of weights that all four stages have trained: once for all tests here."""

import json
import multiprocessing
import shutil
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing.context import BaseContext
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from praatio import textgrid
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from emage.motion import ARKIT52, Motion
from emage.recording.audio import frame_to_sample
from tests.conftest import make_motion, make_speech
from train import fgd_encoder, generator, global_motion, vqvae
from train.data.augment import Augmentation
from train.data.building import build_cache
from train.data.cache import Cache
from train.run.config import RunConfig

UNHEARD_CLIP = "3_ben_0_3_3"
QUIET = Augmentation(gain_db=(0, 0), reverb_chance=0, band_chance=0, noise_chance=0, clip_chance=0)


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Tiny networks gain nothing from more, and wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def processes() -> BaseContext:
    """Processes that are copies of one that has loaded the stages and done nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["train.generator", "train.vqvae", "train.synthetic.corpus", "train.ablation.report", "librosa.onset"]
    )
    return context


def write_corpus(root: Path, clips: Mapping[str, tuple[str, Motion, np.ndarray]]) -> Path:
    """Clips by their id, as split, motion and sound at 16 kHz, in BEAT2's layout."""
    for folder in ("smplxflame_30", "wave16k"):
        (root / folder).mkdir(parents=True)
    for clip, (_, motion, audio) in clips.items():
        motion.save(root / "smplxflame_30" / f"{clip}.npz")
        soundfile.write(root / "wave16k" / f"{clip}.wav", audio, 16000, "PCM_16")
    lines = ["id,type", *(f"{clip},{split}" for clip, (split, _, _) in clips.items())]
    (root / "train_test_split.csv").write_text("\n".join(lines) + "\n")
    return root


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
def motions() -> dict[str, Motion]:
    frames = {"1_ann_0_1_1": 130, "3_ben_0_1_1": 150, "3_ben_0_2_2": 140}
    made = {clip: make_motion(count, seed, reach=0.2) for seed, (clip, count) in enumerate(frames.items())}
    return {clip: replace(motion, expression_basis=ARKIT52) for clip, motion in made.items()}


@pytest.fixture(scope="session")
def corpus(motions, tmp_path_factory) -> Path:
    """Clips of two speakers. Sound and motion differ in length to train on, and keep time in split test."""
    given = zip(motions, ("train", "train", "val"), (74000, 72001, 74000), strict=True)
    clips = {clip: (split, motions[clip], make_speech(n, seed)) for seed, (clip, split, n) in enumerate(given)}
    held_out = {"1_ann_0_2_2": 180, "3_ben_0_3_3": 210, "3_ben_0_4_4": 240, "1_ann_0_3_3": 100}  # the last: no beats
    clips |= {clip: ("test", *perform_to_noise(n, seed)) for seed, (clip, n) in enumerate(held_out.items(), 2)}
    return write_corpus(tmp_path_factory.mktemp("corpus"), clips)


@pytest.fixture(scope="session")
def cache(corpus, body, tmp_path_factory) -> Cache:
    return build_cache(corpus, tmp_path_factory.mktemp("cache") / "cache", body=body)


@pytest.fixture(scope="session")
def unheard_cache(corpus, body, tmp_path_factory) -> Cache:
    """The same clips with transcripts, one of them silent."""
    unheard = shutil.copytree(corpus, tmp_path_factory.mktemp("unheard") / "corpus")
    write_transcripts(unheard)
    soundfile.write(unheard / "wave16k" / f"{UNHEARD_CLIP}.wav", np.zeros(16000 * 7, np.float32), 16000, "PCM_16")
    return build_cache(unheard, unheard.parent / "cache", body=body)


def lacking(corpus: Path, copy: Path, prefix: str, **content: object) -> Path:
    """A copy of a corpus whose ids begin with something else, with a channels.json."""
    shutil.copytree(corpus, copy)
    for path in [*copy.rglob("*.npz"), *copy.rglob("*.wav")]:
        path.rename(path.with_name(prefix + path.name))
    lines = (copy / "train_test_split.csv").read_text().splitlines()
    (copy / "train_test_split.csv").write_text("\n".join([lines[0], *(prefix + line for line in lines[1:])]) + "\n")
    (copy / "channels.json").write_text(json.dumps(content))
    return copy


@pytest.fixture(scope="session")
def halves(corpus, tmp_path_factory) -> list[Path]:
    """Corpora without faces, without legs, and of motion alone, as AMASS has it."""
    folder = tmp_path_factory.mktemp("halves")
    faceless = lacking(corpus, folder / "faceless", "2", missing=["face"])
    legless = lacking(corpus, folder / "legless", "4", missing=["lower"])
    silent = folder / "silent"
    (silent / "smplxflame_30").mkdir(parents=True)
    motion = make_motion(400, 7, fps=60, reach=0.2)
    poses = np.concatenate([motion.poses[:, :66], motion.poses[:, 75:]], 1)
    amass = {"poses": poses, "trans": motion.trans, "betas": np.ones(16), "mocap_framerate": 60.0}
    np.savez(silent / "smplxflame_30/900_walk.npz", gender="female", dmpls=np.zeros((400, 8)), **amass)
    (silent / "train_test_split.csv").write_text("id,type\n900_walk,train\n")
    (silent / "channels.json").write_text(json.dumps({"missing": ["audio", "face"]}))
    return [faceless, legless, silent]


@pytest.fixture(scope="session")
def partial_cache(halves, body, tmp_path_factory) -> Cache:
    return build_cache(halves, tmp_path_factory.mktemp("partial") / "cache", body=body)


WORDS = ("three", "big", "houses", "no", "you")


def write_transcripts(root: Path) -> None:
    """Of every clip of a corpus: one of `WORDS` after the other, each half a second long."""
    (root / "textgrid").mkdir()
    for motion in sorted((root / "smplxflame_30").iterdir()):
        grid = textgrid.Textgrid(0, 4)
        spans = [(i / 2, i / 2 + 0.4, WORDS[i % len(WORDS)]) for i in range(8)]
        grid.addTier(textgrid.IntervalTier("words", spans, 0, 4))
        path = root / "textgrid" / f"{motion.stem}.TextGrid"
        grid.save(str(path), format="long_textgrid", includeBlankSpaces=True)


@pytest.fixture(scope="session")
def spoken_cache(corpus, body, tmp_path_factory) -> Cache:
    """The same clips with transcripts."""
    spoken = shutil.copytree(corpus, tmp_path_factory.mktemp("spoken") / "corpus")
    write_transcripts(spoken)
    return build_cache(spoken, spoken.parent / "cache", body=body)


def settings(kind: type, cache: Cache, folder: Path, **changes):
    """A smoke run of few, hard steps on the same batch: all windows, each step."""
    part = {"part": "upper"} if kind is vqvae.VQVAETraining else {}
    config = kind(cache=cache.folder, weights=folder / "weights", out=folder / "run", **part).shrink()
    quick = {"batch_size": 8, "learning_rate": 2e-3, "checkpoint_every": 1000, "validate_every": 1000}
    return replace(config, **{**quick, **changes})


def logged(config: RunConfig, name: str = "train/total") -> dict[int, float]:
    events = EventAccumulator(str(config.out / "log")).Reload()
    return {event.step: event.value for event in events.Scalars(name)}


def state_at(config: RunConfig, step: int) -> dict[str, torch.Tensor]:
    return load_file(config.out / "checkpoints" / f"step_{step:08d}" / "model.safetensors")


@pytest.fixture(scope="session")
def trained(cache, body, tmp_path_factory) -> dict[str, RunConfig]:
    """One folder of weights that all four stages have written to, after some steps on one batch: the runs' settings."""
    folder = tmp_path_factory.mktemp("stages")
    brief = {"width": 64, "codebook_size": 64, "layers": 1, "steps": 3, "code_decay": 0.9}
    # The feet of random motion touch the ground by chance; keeping them there is tested on its own.
    able = {**brief, "sliding_weight": 0.0, "steps": 16, "posed_stride": 1}
    many = {"steps": 16, "batch_size": 4, "learning_rate": 8e-3}
    calm = {"augmentation": QUIET, "half_weights": True, "dropout": 0.0, "aligned_audio": True, "hint_stride": 2}
    runs = {
        "face": (vqvae, vqvae.VQVAETraining, {"part": "face", **able}),
        "lower": (vqvae, vqvae.VQVAETraining, {"part": "lower", **able, "video_every": 16}),
        "upper": (vqvae, vqvae.VQVAETraining, {"part": "upper", **brief}),
        "hands": (vqvae, vqvae.VQVAETraining, {"part": "hands", **brief}),
        "global": (global_motion, global_motion.GlobalMotionTraining, {"steps": 20, "width": 64, "layers": 1}),
        "generator": (
            generator,
            generator.GeneratorTraining,
            {**many, **calm},
        ),
    }
    configs = {}
    for name, (stage, kind, changes) in runs.items():
        configs[name] = settings(kind, cache, folder, out=folder / "runs" / name, **changes)
        stage.train(configs[name], body)
    config = settings(fgd_encoder.AutoencoderTraining, cache, folder, out=folder / "runs" / "fgd", steps=20)
    fgd_encoder.train(config)
    return {**configs, "fgd": config}
