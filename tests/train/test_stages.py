"""The stages one after the other: losses, logs, and the folder that all of them fill."""

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from emage.errors import WeightsError
from emage.models.generator import Generator
from emage.motion import ARKIT52
from emage.pipeline import EmagePipeline
from tests.conftest import make_speech
from tests.train.conftest import QUIET, logged, settings
from train import fgd_encoder, generator, global_motion, vqvae
from train.global_motion import GlobalMotionTraining
from train.modelling.beginning import begin_from
from train.modelling.settings import GeneratorTraining
from train.run.checkpoints import git_revision, load_codec
from train.vqvae import VQVAETraining


@pytest.mark.parametrize("name", ["face", "lower", "global", "fgd"])
def test_losses_go_down_on_one_batch(trained, name):
    total = logged(trained[name])
    last = max(total)
    assert len(total) == last
    assert np.mean([total[step] for step in range(last - 4, last + 1)]) < 0.8 * total[1]


def test_generator_learns_while_the_mask_grows(trained):
    # The pass that sees the seed alone has the same task all along.
    code, latent = (logged(trained["generator"], f"train/seed_{name}") for name in ("code", "latent"))
    assert code[16] < 0.9 * code[1]
    assert latent[16] < latent[1]
    ratio = logged(trained["generator"], "train/mask_ratio")
    assert ratio[1] == pytest.approx(0.05)
    assert ratio[16] == 1


def test_validation_is_reported(trained):
    # The mean pose of these motions is 14 degrees and 130 mm away.
    assert 3 < logged(trained["lower"], "val/degrees")[16] < 20
    assert 20 < logged(trained["lower"], "val/joints_mm")[16] < 200
    assert 4 < logged(trained["lower"], "val/perplexity")[16] <= 64
    assert 0.1 < logged(trained["lower"], "val/codes_in_use")[16] <= 1
    assert 30 < logged(trained["lower"], "codes/perplexity")[16] <= 64


def test_sample_videos_move_in_the_log_and_lie_in_the_folder(trained):
    out = trained["lower"].out
    assert (out / "videos" / "lower_00000016.mp4").stat().st_size > 1000
    (picture,) = EventAccumulator(str(out / "log" / "videos")).Reload().Images("lower")
    assert (picture.step, picture.width, picture.height) == (16, 384, 192)
    assert picture.encoded_image_string.startswith(b"GIF89a")


def test_the_folder_of_all_stages_is_a_pipeline(trained):
    weights = trained["generator"].weights
    pipe = EmagePipeline.from_pretrained(weights, device="cpu")
    config = pipe.generator.config
    assert (config.speakers, config.expression_basis, config.hidden) == (2, ARKIT52, 32)
    motion = pipe.generate((16000, make_speech(40000)), speaker=1)
    assert (motion.num_frames, motion.expression_basis) == (75, ARKIT52)
    stored = load_file(weights / "model.safetensors")
    assert stored["face_out_proj.weight"].dtype == torch.float16
    assert stored["face_out_proj.bias"].dtype == torch.float32
    assert fgd_encoder.load_autoencoder(weights).features(torch.randn(100, 330)).shape == (6, 40)


def test_settings_and_revision_lie_beside_the_weights(trained):
    config = trained["lower"]
    note = json.loads((config.weights / "emage_vq" / "lower" / "training.json").read_text())
    assert note == json.loads((config.out / "training.json").read_text())
    assert (note["revision"], note["step"], note["processes"]) == (git_revision(), 16, 1)
    assert note["settings"] == config.to_json()
    assert (note["settings"]["part"], note["settings"]["out"]) == ("lower", str(config.out))
    plain = trained["generator"].to_json()
    assert plain["latent_weight"] == {"face": 3.0, "upper": 3.0, "hands": 3.0, "lower": 3.0}
    assert (plain["augmentation"]["gain_db"], plain["final_learning_rate"]) == ([0, 0], None)


def test_a_generator_begins_from_other_weights_where_they_fit(trained):
    weights = trained["generator"].weights
    state = load_file(weights / "model.safetensors")
    config = EmagePipeline.from_pretrained(weights).generator.config
    same, other = Generator(config), Generator(replace(config, codebook_size=32))
    assert begin_from(same, state) == list(same.state_dict())
    assert all(torch.equal(tensor, state[name].float()) for name, tensor in same.state_dict().items())
    heads = {name: tensor.clone() for name, tensor in other.state_dict().items() if tensor.shape != state[name].shape}
    taken = begin_from(other, state)
    assert heads
    assert set(taken) == set(state) - set(heads)
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in heads.items())
    with pytest.raises(WeightsError, match="initial weights"):
        begin_from(other, {"elsewhere": torch.zeros(3)})


def test_initial_weights_are_those_that_the_setting_names(trained, cache, body, tmp_path):
    calm = {"augmentation": QUIET, "dropout": 0.0, "aligned_audio": True, "hint_stride": 2, "batch_size": 4}
    losses = []
    for name, initial in (("new", None), ("from", str(trained["generator"].weights))):
        config = settings(GeneratorTraining, cache, tmp_path / name, steps=1, learning_rate=1e-9, **calm)
        shutil.copytree(trained["generator"].weights, config.weights)
        generator.train(replace(config, initial_weights=initial), body)
        losses.append(logged(config)[1])
    assert losses[1] < 0.85 * losses[0]


def test_a_decoder_is_trained_on_alone(trained, cache, body, tmp_path):
    before = trained["upper"].weights
    config = settings(VQVAETraining, cache, tmp_path, steps=30, width=64, codebook_size=64, layers=1)
    config = replace(config, decoder_of=str(before), half_weights=trained["upper"].half_weights)
    after = vqvae.train(config, body).state_dict()
    state = load_file(before / "emage_vq" / "upper" / "model.safetensors")
    changed = {name.split(".")[0] for name, tensor in state.items() if not torch.equal(tensor, after[name])}
    assert changed == {"decoder"}
    losses = logged(config)
    assert losses[30] < 0.9 * losses[1]
    with pytest.raises(WeightsError, match="VQ-VAE of upper is .*width=64"):
        vqvae.train(replace(config, out=tmp_path / "other", width=32), body)
    with pytest.raises(WeightsError, match="has no VQ-VAE of whole"):
        vqvae.train(replace(config, out=tmp_path / "other", part="whole"), body)


def test_half_precision_loses_nearly_the_same(trained, cache, tmp_path, processes):
    calm = {"augmentation": QUIET, "dropout": 0.0, "aligned_audio": True, "hint_stride": 2, "batch_size": 4}
    losses = []
    for precision in ("no", "bf16"):
        config = settings(GeneratorTraining, cache, tmp_path / precision, steps=2, precision=precision, **calm)
        shutil.copytree(trained["generator"].weights, config.weights)
        process = processes.Process(target=generator.train, args=(config,))  # its own: Accelerate has one precision
        process.start()
        process.join()
        losses.append([logged(config)[step] for step in (1, 2)])
    full, half = losses
    assert full != half
    assert half == pytest.approx(full, rel=0.02)


def test_the_command_runs_a_tiny_network(cache, tmp_path, monkeypatch):
    folders = [f"--cache={cache.folder}", f"--weights={tmp_path}", f"--out={tmp_path / 'run'}"]
    monkeypatch.setattr(sys, "argv", ["vqvae", "--part=hands", "--smoke", *folders])
    vqvae.main()
    note = json.loads((tmp_path / "emage_vq" / "hands" / "training.json").read_text())
    assert (note["step"], note["settings"]["width"], note["settings"]["smoke"]) == (4, 16, True)


def test_a_command_ends_with_a_fault_s_sentence(cache, tmp_path, monkeypatch, capsys):
    folders = [f"--cache={cache.folder}", f"--weights={tmp_path}", f"--out={tmp_path / 'run'}"]
    monkeypatch.setattr(sys, "argv", ["global_motion", "--smoke", *folders])
    with pytest.raises(SystemExit, match="2"):
        global_motion.main()
    assert "Train it first: python -m train.vqvae --part lower" in capsys.readouterr().err


def test_unfit_and_missing_earlier_stages_are_named(trained, cache, body, tmp_path):
    with pytest.raises(WeightsError, match=r"train.vqvae --part lower"):
        global_motion.train(settings(GlobalMotionTraining, cache, tmp_path), body)
    shutil.copytree(trained["lower"].weights / "emage_vq", tmp_path / "emage_vq")
    vqvae.train(settings(VQVAETraining, cache, tmp_path / "narrow", weights=tmp_path, steps=1, width=8), body)
    with pytest.raises(WeightsError, match=r"upper \(8, 16\)"):
        load_codec(tmp_path)
