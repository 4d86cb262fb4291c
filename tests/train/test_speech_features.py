"""What the body hears, trained before the generator."""

import shutil
import sys

import torch

from emage.models.checkpoint import load_generator
from tests.train.conftest import QUIET, logged, settings
from train import generator, speech_features
from train.modelling.settings import GeneratorTraining

CALM = {"augmentation": QUIET, "dropout": 0.0, "aligned_audio": True, "batch_size": 4, "speech_layers": 2}
HEARING = ("audio_encoder_body", "rhythm_encoder_body", "content_body", "audio_body_motion_proj", "speech_context",
           "speaker_embedding_body")  # fmt: skip


def prepare(trained, cache, folder, **changes) -> GeneratorTraining:
    config = settings(GeneratorTraining, cache, folder, **{**CALM, **changes})
    shutil.copytree(trained["lower"].weights / "emage_vq", config.weights / "emage_vq")
    return config


def test_the_body_learns_to_hear_and_the_generator_begins_with_it(trained, spoken_cache, tmp_path):
    first = prepare(trained, spoken_cache, tmp_path / "first", steps=1, hears="both", hint_stride=1, learning_rate=1e-9)
    generator.train(first)
    heard = prepare(
        trained, spoken_cache, tmp_path / "heard", steps=40, hears="both", hint_stride=1, learning_rate=8e-3,
        initial_weights=str(first.weights),
    )  # fmt: skip
    speech_features.train(heard)
    for part in ("upper", "hands"):
        losses = logged(heard, f"train/{part}")
        assert losses[40] < 0.9 * losses[1]
        assert logged(heard, f"val/{part}")[40] > 0
        assert 0 <= logged(heard, f"val/right_{part}")[40] <= 1

    before, after = (load_generator(each.weights).state_dict() for each in (first, heard))
    moved = {name for name in after if not torch.allclose(before[name].float(), after[name].float(), atol=1e-4)}
    assert {name.split(".")[0] for name in moved} == set(HEARING)

    last = prepare(
        trained, spoken_cache, tmp_path / "last", steps=1, hears="both", hint_stride=1, learning_rate=1e-9,
        initial_weights=str(heard.weights),
    )  # fmt: skip
    generator.train(last)
    begun = load_generator(last.weights).state_dict()
    for name in moved:
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(begun[name], after[name], atol=1e-6, rtol=0)


def test_the_command_runs_from_sound_alone(trained, cache, tmp_path, monkeypatch):
    weights = tmp_path / "weights"
    shutil.copytree(trained["lower"].weights / "emage_vq", weights / "emage_vq")
    folders = [f"--cache={cache.folder}", f"--weights={weights}", f"--out={tmp_path / 'run'}"]
    monkeypatch.setattr(sys, "argv", ["speech_features", "--smoke", "--speech-layers=1", *folders])
    speech_features.main()
    assert load_generator(weights).config.speech_layers == 1
