"""The stages: losses, loops, resuming, several processes, and the folder that all of them fill."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState, GradientState
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from emage.body import load_body
from emage.errors import EmageError, WeightsError
from emage.generation.windows import rest_seed
from emage.models.codec import part_vectors
from emage.models.fgd import MotionAutoencoder, MotionAutoencoderConfig
from emage.models.generator import Generator
from emage.models.parts import Parts
from emage.models.quantizer import Quantizer, perplexity
from emage.models.vqvae import VQVAE, VQVAEConfig
from emage.motion import ARKIT52
from emage.motion.skeleton import (
    DISJOINT_PARTS,
    EYE_JOINTS,
    NETWORK_PARTS,
    TRANSLATION,
    hint_channels,
    rotation_channels,
)
from emage.pipeline import EmagePipeline
from tests.conftest import ROOT, make_speech
from tests.train.test_data import write_corpus
from train import fgd_encoder, generator, global_motion, vqvae
from train.data.augment import Augmentation
from train.data.cache import Cache, Windows, build_cache
from train.fgd_encoder import AutoencoderTraining
from train.generator import GeneratorTraining, mask_ratio, random_mask
from train.global_motion import GlobalMotionTraining
from train.run.training import Run, RunConfig, begin_at_data, git_revision, learning_rate_at, load_codec, to_device
from train.vqvae import VQVAETraining, foot_sliding


@pytest.fixture(scope="module")
def body():
    return load_body()


@pytest.fixture(scope="module")
def cache_folder(body, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    write_corpus(root)
    return build_cache(root, tmp_path_factory.mktemp("cache") / "cache", body=body).folder


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Tiny networks gain nothing from more, and wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _fresh_accelerate():
    fresh_accelerate()


def fresh_accelerate() -> None:
    """Accelerate keeps one state a process; a new training begins a new one."""
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def settings(kind: type, cache_folder: Path, folder: Path, **changes):
    """A smoke run of few, hard steps on the same batch: all windows, each step."""
    part = {"part": "upper"} if kind is VQVAETraining else {}
    config = kind(cache=cache_folder, weights=folder / "weights", out=folder / "run", **part).shrunk()
    quick = {"batch_size": 8, "learning_rate": 2e-3, "checkpoint_every": 1000, "validate_every": 1000}
    return replace(config, **{**quick, **changes})


def logged(config: RunConfig, name: str = "train/total") -> dict[int, float]:
    events = EventAccumulator(str(config.out / "log")).Reload()
    return {event.step: event.value for event in events.Scalars(name)}


# --- all stages, one after the other ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(cache_folder, body, tmp_path_factory) -> Path:
    """A folder that all four stages have written to, each after many steps on one batch."""
    folder = tmp_path_factory.mktemp("stages")
    calm = {"augmentation": QUIET, "half_weights": True, "dropout": 0.0, "aligned_audio": True, "hint_stride": 2}
    brief = {"width": 64, "codebook_size": 64, "layers": 1, "steps": 3, "code_decay": 0.9}
    # The feet of random motion touch the ground by chance; keeping them there is tested on its own.
    able = {**brief, "sliding_weight": 0.0, "steps": 40, "posed_stride": 1, "learning_rate": 1e-3}
    runs = {
        **{part: settings(VQVAETraining, cache_folder, folder, part=part, **able) for part in ("face", "lower")},
        **{part: settings(VQVAETraining, cache_folder, folder, part=part, **brief) for part in ("upper", "hands")},
        "global": settings(GlobalMotionTraining, cache_folder, folder, steps=40, width=64, layers=1),
        "generator": settings(GeneratorTraining, cache_folder, folder, steps=40, batch_size=4, **calm),
        "fgd": settings(AutoencoderTraining, cache_folder, folder, steps=30),
    }
    for name, config in runs.items():
        fresh_accelerate()
        config = replace(config, out=folder / "runs" / name)
        stage = {"global": global_motion, "generator": generator, "fgd": fgd_encoder}.get(name, vqvae)
        if stage is fgd_encoder:
            stage.train(config)
        else:
            stage.train(config, body)
    return folder


QUIET = Augmentation(gain_db=(0, 0), reverb_chance=0, band_chance=0, noise_chance=0, clip_chance=0)


@pytest.mark.parametrize("name", ["face", "lower", "global", "fgd"])
def test_losses_go_down_on_one_batch(trained, name):
    config = RunConfig(cache=trained, weights=trained, out=trained / "runs" / name)
    total = logged(config)
    last = max(total)
    assert len(total) == last
    assert np.mean([total[step] for step in range(last - 4, last + 1)]) < 0.8 * total[1]


def test_generator_learns_while_the_mask_grows(trained):
    config = RunConfig(cache=trained, weights=trained, out=trained / "runs" / "generator")
    # The pass that sees the seed alone has the same task all along.
    code, latent = logged(config, "train/seed_code"), logged(config, "train/seed_latent")
    assert code[40] < 0.85 * code[1]
    assert latent[40] < latent[1]
    ratio = logged(config, "train/mask_ratio")
    assert ratio[1] == pytest.approx(0.05)
    assert ratio[40] == 1


def test_a_generator_begins_from_other_weights_where_they_fit(trained):
    state = load_file(trained / "weights/model.safetensors")
    config = EmagePipeline.from_pretrained(trained / "weights").generator.config
    same, other = Generator(config), Generator(replace(config, codebook_size=32))
    assert generator.begin_from(same, state) == list(same.state_dict())
    assert all(torch.equal(tensor, state[name].float()) for name, tensor in same.state_dict().items())
    heads = {name: tensor.clone() for name, tensor in other.state_dict().items() if tensor.shape != state[name].shape}
    taken = generator.begin_from(other, state)
    assert heads
    assert set(taken) == set(state) - set(heads)
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in heads.items())
    with pytest.raises(WeightsError, match="initial weights"):
        generator.begin_from(other, {"elsewhere": torch.zeros(3)})


def test_initial_weights_are_those_that_the_setting_names(trained, cache_folder, body, tmp_path):
    calm = {"augmentation": QUIET, "dropout": 0.0, "aligned_audio": True, "hint_stride": 2, "batch_size": 4}
    one = settings(GeneratorTraining, cache_folder, tmp_path, steps=1, log_every=1, learning_rate=1e-9, **calm)
    losses = []
    for name, initial in (("new", None), ("from", str(trained / "weights"))):
        fresh_accelerate()
        weights = shutil.copytree(trained / "weights", tmp_path / f"{name}-weights")
        config = replace(one, weights=weights, out=tmp_path / name, initial_weights=initial)
        generator.train(config, body)
        losses.append(logged(config)[1])
    assert losses[1] < 0.8 * losses[0]


def test_the_folder_of_all_stages_is_a_pipeline(trained, body):
    pipe = EmagePipeline.from_pretrained(trained / "weights", device="cpu")
    config = pipe.generator.config
    assert (config.speakers, config.expression_basis, config.hidden) == (2, ARKIT52, 32)
    motion = pipe.generate((16000, make_speech(40000)), speaker=1)
    assert motion.num_frames == 75
    assert motion.expression_basis == ARKIT52
    stored = load_file(trained / "weights" / "model.safetensors")
    assert stored["face_out_proj.weight"].dtype == torch.float16
    assert stored["face_out_proj.bias"].dtype == torch.float32
    features = fgd_encoder.load_autoencoder(trained / "weights").features(torch.randn(100, 330))
    assert features.shape == (6, 40)


def test_settings_and_revision_lie_beside_the_weights(trained):
    note = json.loads((trained / "weights" / "emage_vq" / "lower" / "training.json").read_text())
    assert note["revision"] == git_revision()
    assert note["step"] == 40
    config = VQVAETraining.from_json(note["settings"])
    assert (config.part, config.steps, config.out) == ("lower", 40, trained / "runs" / "lower")


def test_the_note_of_a_run_says_the_step_of_its_weights_and_checkpoint(cache_folder, tmp_path):
    def noted(*folders: Path) -> list[int]:
        return [json.loads((folder / "training.json").read_text())["step"] for folder in folders]

    config = settings(AutoencoderTraining, cache_folder, tmp_path, steps=3, checkpoint_every=2)
    fgd_encoder.train(config)
    assert noted(config.out, config.weights / fgd_encoder.FOLDER) == [3, 3]
    fresh_accelerate()
    longer = Run(replace(config, steps=5))  # and stopped before its first checkpoint
    assert longer.step == 3
    longer.close()
    assert noted(config.out) == [3]
    fresh_accelerate()
    fgd_encoder.train(replace(config, steps=5))
    assert noted(config.out, config.weights / fgd_encoder.FOLDER) == [5, 5]


def test_validation_is_reported(trained):
    config = RunConfig(cache=trained, weights=trained, out=trained / "runs" / "lower")
    # The mean pose of these motions is 14 degrees and 130 mm away.
    assert 3 < logged(config, "val/degrees")[40] < 20
    assert 20 < logged(config, "val/joints_mm")[40] < 200
    assert 4 < logged(config, "val/perplexity")[40] <= 64
    assert 0.1 < logged(config, "val/codes_in_use")[40] <= 1
    assert 30 < logged(config, "codes/perplexity")[40] <= 64


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [VQVAETraining, GlobalMotionTraining, GeneratorTraining, AutoencoderTraining])
def test_settings_survive_a_file(kind, tmp_path):
    config = settings(kind, tmp_path, tmp_path, seed=3)
    if kind is GeneratorTraining:
        changed = Augmentation(noise_db=(1, 2))
        config = replace(config, latent_weight=Parts(1.0, 2.0, 3.0, 4.0), augmentation=changed)
    saved = json.loads(json.dumps(config.to_json()))
    assert kind.from_json(saved) == config
    with pytest.raises(EmageError, match="differ in surprise"):
        kind.from_json({**saved, "surprise": 1})


def test_settings_out_of_range_are_refused(tmp_path):
    with pytest.raises(EmageError, match="batch_size is 0"):
        RunConfig(cache=tmp_path, weights=tmp_path, out=tmp_path, batch_size=0)
    with pytest.raises(EmageError, match="Make batch_size a multiple of 3"):
        Run(RunConfig(cache=tmp_path, weights=tmp_path, out=tmp_path / "run", accumulation=3))


def test_learning_rate():
    config = RunConfig(cache=Path(), weights=Path(), out=Path(), steps=110, learning_rate=1.0, warmup_steps=10)
    assert [learning_rate_at(step, config) for step in (0, 4, 9, 10, 109)] == [0.1, 0.5, 1, 1, 1]
    config = replace(config, final_learning_rate=0.2)
    assert [round(learning_rate_at(step, config), 6) for step in (10, 60, 110)] == [1, 0.6, 0.2]


# --- what is visible --------------------------------------------------------------------------------------------------


def test_mask_ratio_grows_from_the_first_step_to_the_last():
    config = GeneratorTraining(cache=Path(), weights=Path(), out=Path(), steps=101)
    assert [mask_ratio(step, config) for step in (0, 50, 100)] == pytest.approx([0.05, 0.525, 1])


def test_masks_hide_parts_over_spans():
    rng = np.random.default_rng(0)
    masks = np.stack([random_mask(64, 0.3, rng) for _ in range(400)])
    hinted = sorted({channel for leaf in DISJOINT_PARTS for channel in hint_channels(leaf)})
    assert masks[:, :, hinted].mean() == pytest.approx(0.3, abs=0.03)
    assert masks[:, :, rotation_channels(EYE_JOINTS)].all()
    for leaf in DISJOINT_PARTS:
        columns = masks[:, :, hint_channels(leaf)]
        assert (columns == columns[..., :1]).all()
    changes = (np.diff(masks[:, :, 0].astype(int), axis=1) != 0).sum(1)
    assert (changes == 0).mean() > 0.2  # one span, the whole window
    assert changes.max() > 15  # frame by frame
    assert not random_mask(64, 0.0, rng)[:, hinted].any()
    assert random_mask(64, 1.0, rng).all()


def test_what_the_passes_see():
    window = generator.Window(*(torch.zeros(2) for _ in range(6)))._replace(motion=torch.full((2, 64, 337), 5.0))
    mask = torch.ones(2, 64, 337, dtype=torch.uint8)
    mask[:, :10, TRANSLATION] = 0
    item = generator.MaskedWindow(window, mask, torch.tensor([[1.0, 0, 2], [0, 0, 0]]), torch.tensor([True, False]))
    shown = generator.visible(item, torch.full((2, 4, 337), 7.0))
    assert shown.seed_mask[:, :4].sum() == 0
    assert shown.seed_mask[:, 4:].all()
    assert torch.equal(shown.seed_motion[:1, :4], rest_seed(4))
    assert (shown.seed_motion[1, :4] == 7).all()
    assert shown.hint_motion[0, 3, TRANSLATION].tolist() == [6, 5, 7]  # a visible hint, moved about the ground
    assert torch.equal(shown.hint_motion[0, :4, :330], rest_seed(4)[0, :, :330])
    assert (shown.hint_motion[1, :4, :330] == 7).all()
    assert (shown.hint_mask[:, :4] == 0).all()
    assert torch.equal(shown.hint_mask[:, 4:], mask[:, 4:])


def test_one_window_in_so_many_has_hints():
    window = generator.Window(*(torch.zeros(4) for _ in range(6)))
    window = window._replace(
        motion=torch.arange(4.0)[:, None, None].expand(4, 64, 337), draw=torch.tensor([6, 7, 8, 9])
    )
    mask = torch.ones(4, 64, 337, dtype=torch.uint8)
    item = generator.MaskedWindow(window, mask, torch.zeros(4, 3), torch.zeros(4, dtype=torch.bool))
    shown = generator.visible(item, torch.zeros(4, 4, 337), hint_stride=2)
    assert shown.hinted.tolist() == [True, False, True, False]
    assert shown.hint_motion[:, 10, 0].tolist() == [0, 2]
    assert len(shown.seed_motion) == 4

    targets = generator.Targets(
        Parts.of(lambda _: torch.arange(4.0)[:, None, None].expand(4, 64, 8)),
        Parts.of(lambda _: torch.zeros(4, 64, dtype=torch.long)),
        torch.zeros(4, 4, 337),
    )
    exact = [
        generator.GeneratorOutput(latents, latents.map(torch.zeros_like))
        for latents in (targets.latents, targets.latents.map(lambda latent: latent[[0, 2]]))
    ]
    config = GeneratorTraining(cache=Path(), weights=Path(), out=Path(), hint_stride=2)
    losses = generator.three_losses((exact[0], exact[1], exact[1]), targets, shown.hinted, config)
    assert float(losses.seed_latent) == float(losses.hint_latent) == float(losses.silent_latent) == 0
    wrong = generator.three_losses((exact[0], exact[1], exact[1]), targets, ~shown.hinted, config)
    assert float(wrong.hint_latent) == pytest.approx(4 * 3)  # four parts, a difference of one everywhere


def test_hints_are_shared_out_evenly(cache_folder, tmp_path):
    with pytest.raises(EmageError, match="hint_stride of 3"):
        generator.train(settings(GeneratorTraining, cache_folder, tmp_path, batch_size=4, hint_stride=3))


def test_seeds_and_targets_are_the_codec_s(trained, cache_folder):
    cache = Cache(cache_folder)
    codec = load_codec(trained / "weights")
    window = Windows(cache, cache.windows(("val",), 64, 20), 64, 0, shuffled=False)[0]
    window = type(window)(*(tensor[None] for tensor in window))
    targets = generator.encode_targets(codec, window, 4)
    codes = codec.encode(generator.codec_motion(window), window.expressions)
    assert all(torch.equal(targets.codes[part], codes[part]) for part in NETWORK_PARTS)
    torch.testing.assert_close(targets.seed, codec.channels(codes)[:, :4])
    assert to_device(window, torch.device("cpu")).speaker.tolist() == [1]


def test_a_new_network_takes_and_gives_the_data_s_own_scale(cache_folder):
    cache = Cache(cache_folder)
    dataset = Windows(cache, cache.windows(("train",), 64, 20), 64, 0)
    network = VQVAE(VQVAEConfig(61, 64, 4, 16))
    torch.manual_seed(0)

    def channels(window):
        return part_vectors(generator.codec_motion(window), window.expressions).lower

    begin_at_data(network, channels, dataset)
    vectors = torch.stack([channels(dataset[row]) for row in range(len(dataset))])
    latent = network.encoder(vectors).detach()[:, 9:-9]  # away from the ends, which the padding reaches
    assert 0.3 < float(latent.std()) < 3
    made = network.decoder(torch.randn(64, 64, 64)).detach()
    spread = vectors.flatten(0, 1).std(0).clamp_min(0.02)
    away = (made.mean((0, 1)) - vectors.mean((0, 1))) / spread
    assert float(away.abs().mean()) < 1
    size = made.flatten(0, 1).std(0) / spread
    assert float(size.min()) > 0.1
    assert float(size.max()) < 10


# --- quantizer --------------------------------------------------------------------------------------------------------


def test_gradients_go_straight_through():
    quantizer = Quantizer(8, 4)
    latent = torch.randn(2, 5, 4, requires_grad=True)
    made = quantizer.quantize(latent)
    assert torch.allclose(made.latent, quantizer.lookup(quantizer.nearest(latent)))
    weight = torch.randn(2, 5, 4)
    (made.latent * weight).sum().backward()
    assert torch.equal(latent.grad, weight)
    assert quantizer.embedding.weight.grad is None
    latent.grad = None
    quantizer.quantize(latent).commitment.backward()
    torch.testing.assert_close(latent.grad, 2 * (latent - made.latent).detach() / latent.numel())


def test_perplexity():
    assert float(perplexity(torch.tensor([5.0, 5, 5, 5]))) == pytest.approx(4)
    assert float(perplexity(torch.tensor([9.0, 0, 0]))) == pytest.approx(1)


def test_codes_follow_their_latents_and_dead_ones_are_revived(tmp_path):
    config = settings(VQVAETraining, tmp_path, tmp_path, code_decay=0.5)
    run = Run(config)
    trained = vqvae.TrainedVQVAE(VQVAEConfig(78, 2, 1, 4))
    quantizer, codebook = trained.vqvae.quantizer, trained.codebook
    places = torch.tensor([[0.0, 0], [4, 0], [0, 4], [4, 4]])
    latent = (places[:, None] + 0.1 * torch.randn(4, 50, 2)).reshape(1, 200, 2)
    for step in range(30):
        run.step = step
        index = quantizer.nearest(latent)
        codebook.collect(latent, index)
        with torch.no_grad():
            dead = codebook.update(quantizer, latent, config, run)
        assert step > 0 or dead == 4  # all begin among the data
    codes = quantizer.embedding.weight
    used = torch.bincount(quantizer.nearest(latent).flatten(), minlength=4)
    assert (used > 0).all()
    for code in range(4):
        torch.testing.assert_close(codes[code], latent[quantizer.nearest(latent) == code].mean(0), atol=1e-2, rtol=0)
    with torch.no_grad():
        codes[2] = 1000.0
    for _ in range(6):
        codebook.collect(latent, quantizer.nearest(latent))
        with torch.no_grad():
            codebook.update(quantizer, latent, config, run)
    assert codes.abs().max() < 5


# --- losses -----------------------------------------------------------------------------------------------------------


def test_foot_sliding_counts_standing_feet_alone():
    feet = torch.zeros(1, 3, 4, 3)
    travel = torch.zeros(1, 3, 3)
    travel[..., 0] = 0.3  # m/s: 1 cm a frame
    contacts = torch.ones(1, 3, 4)
    assert float(foot_sliding(feet, travel, contacts)) == pytest.approx(0.01, rel=1e-3)
    feet[0, :, :, 0] = -0.01 * torch.arange(3)[:, None]  # the feet go back as the body goes on
    assert float(foot_sliding(feet, travel, contacts)) < 2e-6
    feet[0, 1:, 0, 2] = 1.0
    assert float(foot_sliding(feet, travel, contacts)) == pytest.approx(1 / 8, rel=1e-3)
    contacts[..., 0] = 0
    assert float(foot_sliding(feet, travel, contacts)) < 2e-6


def test_gradients_are_clipped_when_they_are_complete(tmp_path):
    config = settings(VQVAETraining, tmp_path, tmp_path, accumulation=2, clip_norm=0.5)
    run = Run(config)
    model = torch.nn.Linear(3, 1, bias=False)
    before = model.weight.detach().clone()
    model, optimizer = run.accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=1.0))
    for planted in (1e6, 1e7):
        with run.accelerator.accumulate(model):
            run.descend(planted * model(torch.ones(1, 3)).sum(), model, optimizer)
        moved = float((model.weight.detach() - before).norm())
        assert moved == pytest.approx(0 if planted == 1e6 else 0.5, rel=1e-3)


# --- resuming and several processes -----------------------------------------------------------------------------------


def command(config: VQVAETraining) -> list[str]:
    names = ("cache", "weights", "out", "part", "steps", "batch_size", "width", "codebook_size", "skin_points", "seed")
    names += ("learning_rate", "log_every", "checkpoint_every", "validate_every", "validation_windows")
    return [
        sys.executable,
        "-m",
        "train.vqvae",
        *(f"--{name.replace('_', '-')}={getattr(config, name)}" for name in names),
    ]


def state_of(config: RunConfig, step: int) -> dict[str, torch.Tensor]:
    return load_file(config.out / "checkpoints" / f"step_{step:08d}" / "model.safetensors")


def test_a_killed_run_goes_on_to_the_same_numbers(cache_folder, body, tmp_path):
    straight = settings(VQVAETraining, cache_folder, tmp_path / "a", steps=12, checkpoint_every=4, batch_size=6)
    vqvae.train(straight, body)
    killed = settings(VQVAETraining, cache_folder, tmp_path / "b", steps=12, checkpoint_every=4, batch_size=6)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command(killed), cwd=ROOT, stderr=subprocess.PIPE, env=environment)
    first = killed.out / "checkpoints" / "step_00000004"
    while process.poll() is None and not first.is_dir():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, process.stderr.read().decode()
    process.stderr.close()
    fresh_accelerate()
    run = Run(killed)
    run.prepare(vqvae.TrainedVQVAE(killed.network()))
    assert 4 <= run.step < 12
    run.close()
    fresh_accelerate()
    vqvae.train(killed, body)
    ours, theirs = state_of(killed, 12), state_of(straight, 12)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert not torch.equal(theirs["vqvae.encoder.main.0.weight"], state_of(straight, 8)["vqvae.encoder.main.0.weight"])
    with pytest.raises(EmageError, match="holds a run with another seed"):
        vqvae.train(replace(killed, seed=9), body)


def test_dropout_goes_on_where_it_was(trained, cache_folder, body, tmp_path):
    def config(name: str, steps: int) -> GeneratorTraining:
        base = settings(GeneratorTraining, cache_folder, trained, steps=steps, batch_size=4, checkpoint_every=2)
        return replace(base, out=tmp_path / name, weights=tmp_path / name, first_mask_ratio=1.0)

    for name in ("a", "b"):
        shutil.copytree(trained / "weights" / "emage_vq", tmp_path / name / "emage_vq")
    generator.train(config("a", 4), body)
    fresh_accelerate()
    generator.train(config("b", 2), body)
    fresh_accelerate()
    generator.train(config("b", 4), body)
    ours, theirs = state_of(config("b", 4), 4), state_of(config("a", 4), 4)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


TWO_PROCESSES = """
import json, sys
from accelerate.state import AcceleratorState, GradientState
from train import generator, vqvae
body = vqvae.load_body()
for stage, kind, path in zip((vqvae, generator), (vqvae.VQVAETraining, generator.GeneratorTraining), sys.argv[1:]):
    stage.train(kind.from_json(json.loads(open(path).read())), body)
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
"""


def test_two_processes_have_the_loss_of_one(trained, cache_folder, body, tmp_path):
    """In the VQ-VAE with its codebook, and in the generator with its batch norms, over several steps."""
    changes = {"steps": 2, "batch_size": 4, "checkpoint_every": 2}

    def configs(folder: Path) -> dict[str, RunConfig]:
        shutil.copytree(trained / "weights" / "emage_vq", folder / "vq" / "weights" / "emage_vq")
        return {
            "coded": settings(VQVAETraining, cache_folder, folder, **changes),
            "made": settings(GeneratorTraining, cache_folder, folder / "vq", dropout=0.0, **changes),
        }

    one, two = configs(tmp_path / "one"), configs(tmp_path / "two")
    files = [str(tmp_path / f"{name}.json") for name in two]
    for config, file in zip(two.values(), files, strict=True):
        Path(file).write_text(json.dumps(config.to_json()))
    processes = in_processes([sys.executable, "-c", TWO_PROCESSES, *files])
    vqvae.train(one["coded"], body)
    fresh_accelerate()
    generator.train(one["made"], body)
    for process in processes:
        _, complaint = process.communicate(timeout=120)
        assert process.returncode == 0, complaint.decode()
    for name in one:
        assert list(logged(two[name]).values()) == pytest.approx(list(logged(one[name]).values()), rel=1e-4)
    codes = "vqvae.quantizer.embedding.weight"
    torch.testing.assert_close(state_of(two["coded"], 2)[codes], state_of(one["coded"], 2)[codes])
    # Biases before a norm have no gradient but rounding, which Adam makes steps of; variances do not see them.
    variance = "generator.audio_encoder_body.feat_extractor.0.bn1.running_var"
    torch.testing.assert_close(
        state_of(two["made"], 2)[variance], state_of(one["made"], 2)[variance], rtol=1e-3, atol=0
    )


def in_processes(arguments: list[str]) -> list[subprocess.Popen]:
    """Two processes, as `accelerate launch --num_processes 2 --cpu` starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "ACCELERATE_USE_CPU": "true"}
    common |= {"LOCAL_WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            arguments, cwd=ROOT, stderr=subprocess.PIPE, env={**os.environ, **common, "RANK": rank, "LOCAL_RANK": rank}
        )
        for rank in ("0", "1")
    ]


def test_unfit_earlier_stages_are_named(trained, cache_folder, body, tmp_path):
    shutil.copytree(trained / "weights" / "emage_vq", tmp_path / "emage_vq")
    vqvae.train(settings(VQVAETraining, cache_folder, tmp_path, weights=tmp_path, steps=1, width=8), body)
    with pytest.raises(WeightsError, match=r"upper \(8, 16\)"):
        load_codec(tmp_path)


def test_missing_earlier_stages_are_named(cache_folder, body, tmp_path):
    with pytest.raises(WeightsError, match="train.vqvae --part lower"):
        global_motion.train(settings(GlobalMotionTraining, cache_folder, tmp_path), body)


# --- the autoencoder of FGD -------------------------------------------------------------------------------------------


def test_autoencoder_pools_the_skeleton_to_chains():
    network = MotionAutoencoder(MotionAutoencoderConfig())
    assert network.feature_width == 240
    chains = network._graphs()[-1]
    assert (1, 4, 7, 10) in chains
    assert sorted(joint for chain in chains for joint in chain) == list(range(55))
    assert len(chains) == 20
    assert network(torch.randn(2, 64, 330)).shape == (2, 64, 330)
    assert network.features(torch.randn(95, 330)).shape == (4, 240)
    with pytest.raises(WeightsError, match="FGD needs 32 frames"):
        network.features(torch.randn(31, 330))


def test_autoencoder_sees_only_what_is_near():
    network = MotionAutoencoder(MotionAutoencoderConfig())
    motion = torch.randn(1, 32, 330, requires_grad=True)
    conv = network.encoder[0]
    conv(motion.transpose(1, 2)).unflatten(1, (55, -1))[0, 25].sum().backward()  # left index, first joint
    reached = motion.grad.abs().sum((0, 1)).unflatten(0, (55, 6)).sum(1).nonzero().flatten().tolist()
    assert reached == [18, 20, 25, 26, 27, 28, 31, 34, 37]
