"""What training is without: the masks, the codes, the four parts, frames that come at once."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emage.body import Body
from emage.errors import EmageError, WeightsError
from emage.models.checkpoint import NETWORK_FOLDERS, load_config, load_networks, save_network
from emage.models.generator import Generator
from emage.models.parts import Parts
from emage.models.quantizer import Gaussian
from emage.motion.skeleton import NETWORK_PARTS
from emage.pipeline import EmagePipeline
from tests.conftest import make_speech
from tests.train.conftest import QUIET, logged, settings
from train import generator, global_motion, speech_features, vqvae
from train.evaluation.makers import load_text_pipeline, new_codec
from train.evaluation.reconstruction import reconstruction_report
from train.global_motion import GlobalMotionTraining
from train.modelling.settings import GeneratorTraining
from train.vqvae import VQVAETraining

pytestmark = pytest.mark.slow

CALM = {"augmentation": QUIET, "dropout": 0.0, "batch_size": 4, "hint_stride": 2, "learning_rate": 8e-3}


def train_generator(cache, body: Body, folder: Path, weights: Path, **changes) -> GeneratorTraining:
    """On the VQ-VAEs of a folder of weights, in a copy of it."""
    config = settings(GeneratorTraining, cache, folder, **{**CALM, **changes})
    shutil.copytree(weights / "emage_vq", config.weights / "emage_vq")
    generator.train(config, body)
    return config


def load(weights: Path, body: Body, tmp_path: Path) -> EmagePipeline:
    """Saved and loaded once more."""
    pipe = EmagePipeline.from_pretrained(weights, device="cpu")
    pipe.save_pretrained(tmp_path / "again")
    again = EmagePipeline.from_pretrained(tmp_path / "again", device="cpu")
    assert again.generator.config == pipe.generator.config
    again.body = body
    return again


def speak(pipe: EmagePipeline, **options) -> None:
    motion = pipe.generate((16000, make_speech(40000)), speaker=1, **options)
    assert motion.num_frames == 75
    assert torch.isfinite(torch.from_numpy(motion.poses)).all()


def test_without_masks_nothing_is_learned_of_hints(trained, cache, body, tmp_path):
    config = train_generator(cache, body, tmp_path, trained["lower"].weights, steps=6, masked=False)
    assert set(logged(config, "train/hint_code").values()) == set(logged(config, "train/silent_latent").values()) == {0}
    assert logged(config, "train/seed_code")[6] < logged(config, "train/seed_code")[1]
    speak(EmagePipeline.from_pretrained(config.weights, device="cpu"))


def test_the_pass_without_audio_can_be_left_out(trained, cache, body, tmp_path):
    changes = {"steps": 2, "silent": False, "autoregressive": "own", "window_frames": 16}
    config = train_generator(cache, body, tmp_path, trained["lower"].weights, **changes)
    assert (
        set(logged(config, "train/silent_code").values()) == set(logged(config, "train/silent_latent").values()) == {0}
    )
    assert min(logged(config, "train/hint_code").values()) > 0


@pytest.mark.parametrize("fed", ["teacher-forced", "own"])
def test_autoregressive_training(trained, spoken_cache, body, tmp_path, fed):
    steps = 8 if fed == "teacher-forced" else 1
    words = {"hears": "both", "window_frames": 32 if fed == "own" else 64}
    changes = {"steps": steps, "autoregressive": fed, **words}
    config = train_generator(spoken_cache, body, tmp_path, trained["lower"].weights, **changes)
    losses = logged(config, "train/seed_code")
    assert losses[steps] < losses[1] or fed == "own"
    assert load_config(config.weights)["autoregressive"] is True
    pipe = load(config.weights, body, tmp_path)
    speak(pipe)
    speak(pipe, seed=3)
    assert load_text_pipeline(config.weights, pipe).generator.config.autoregressive


def test_teacher_and_own_codes_differ(trained, cache, body, tmp_path):
    """With what it chooses itself the same network loses something else than with the true codes."""
    losses = {}
    for fed in ("teacher-forced", "own", "no"):
        changes = {"steps": 1, "autoregressive": fed, "window_frames": 32}
        config = train_generator(cache, body, tmp_path / fed, trained["lower"].weights, **changes)
        losses[fed] = logged(config, "train/seed_latent")[1]
    assert len(set(losses.values())) == 3


@pytest.fixture(scope="module")
def vaes(cache, body, trained, tmp_path_factory) -> dict[str, VQVAETraining]:
    """Plain VAEs of all parts, and a global motion predictor."""
    folder = tmp_path_factory.mktemp("vaes")
    configs = {}
    for part in NETWORK_PARTS:
        changes = {"part": part, "width": 16, "layers": 1, "quantized": False, "sliding_weight": 0.0}
        steps = 16 if part == "face" else 2
        configs[part] = settings(VQVAETraining, cache, folder, out=folder / part, steps=steps, **changes)
        vqvae.train(configs[part], body)
    shutil.copytree(trained["global"].weights / "emage_vq" / "global", folder / "weights" / "emage_vq" / "global")
    return configs


def test_a_plain_vae_learns(vaes):
    total = logged(vaes["face"])
    assert total[16] < 0.9 * total[1]
    assert logged(vaes["face"], "train/divergence")[16] > 0
    assert set(logged(vaes["face"], "train/commitment").values()) == {0}
    assert math.isnan(logged(vaes["face"], "val/perplexity")[16])


def test_a_plain_vae_samples_about_its_latents():
    bottleneck = Gaussian(4)
    torch.nn.init.zeros_(bottleneck.log_variance.weight)
    torch.nn.init.constant_(bottleneck.log_variance.bias, math.log(0.25))
    latent = torch.full((1, 20000, 4), 2.0)
    torch.manual_seed(0)
    made = bottleneck.quantize(latent)
    assert made.latent.mean().item() == pytest.approx(2, abs=0.01)
    assert made.latent.std().item() == pytest.approx(0.5, abs=0.01)
    expected = torch.distributions.kl_divergence(torch.distributions.Normal(2, 0.5), torch.distributions.Normal(0, 1))
    assert made.divergence.item() == pytest.approx(float(expected), rel=1e-5)
    assert torch.equal(bottleneck.lookup(bottleneck.nearest(latent)), latent)


def test_a_generator_of_latents_without_codes(vaes, cache, body, tmp_path):
    weights = vaes["face"].weights
    with pytest.raises(EmageError, match="no classes can be learned"):
        train_generator(cache, body, tmp_path / "classes", weights, steps=1)
    nothing = Parts.of(lambda _: 0.0)
    with pytest.raises(EmageError, match="no codes that speech could foretell"):
        speech_features.train(settings(GeneratorTraining, cache, tmp_path / "x", weights=weights, class_weight=nothing))
    config = train_generator(cache, body, tmp_path, weights, steps=8, class_weight=nothing)
    latent = logged(config, "train/seed_latent")
    assert latent[8] < latent[1]
    assert math.isnan(logged(config, "val/right_upper")[8])
    pipe = load(config.weights, body, tmp_path)
    speak(pipe)
    report = reconstruction_report(cache, pipe.codec, body, 64)
    assert math.isnan(report.parts.upper.codes_in_use)
    assert report.whole.body_mm > 0
    classes = Generator(replace(pipe.generator.config, class_weight=Parts.of(lambda _: 1.0)))
    save_network(classes, tmp_path / "classes")
    folders = {name: config.weights / folder for name, folder in NETWORK_FOLDERS.items()}
    with pytest.raises(WeightsError, match="a plain VAE without codes"):
        load_networks({**folders, "generator": tmp_path / "classes"})


@pytest.fixture(scope="module")
def whole(cache, body, tmp_path_factory) -> dict[str, VQVAETraining | GlobalMotionTraining]:
    """One VQ-VAE of the whole body, and a global motion predictor on it."""
    folder = tmp_path_factory.mktemp("whole")
    changes = {"part": "whole", "width": 32, "codebook_size": 32, "layers": 1, "sliding_weight": 0.0, "steps": 8}
    coded = settings(VQVAETraining, cache, folder, out=folder / "whole", **changes, code_decay=0.9, video_every=8)
    vqvae.train(coded, body)
    moved = settings(GlobalMotionTraining, cache, folder, out=folder / "global", steps=2, layers=1, whole_body=True)
    global_motion.train(moved, body)
    return {"whole": coded, "global": moved}


def test_one_vqvae_of_the_whole_body_learns(whole):
    total = logged(whole["whole"])
    assert total[8] < 0.7 * total[2]  # the first has the mean pose; then the codes are put where latents are
    assert (whole["whole"].out / "videos" / "whole_00000008.mp4").stat().st_size > 1000
    assert logged(whole["whole"], "val_lower/degrees")[8] > 0
    assert logged(whole["whole"], "val_face/expression")[8] > 0


@pytest.mark.parametrize("changes", [{"hears": "both"}, {"autoregressive": "teacher-forced", "hears": "words"}])
def test_a_generator_of_the_whole_body_s_codes(whole, spoken_cache, body, tmp_path, changes):
    weights = whole["whole"].weights
    config = train_generator(spoken_cache, body, tmp_path, weights, steps=8, whole_body=True, **changes)
    code = logged(config, "train/seed_code")
    assert code[8] < code[1]
    pipe = load(config.weights, body, tmp_path)
    assert sorted(path.name for path in (tmp_path / "again" / "emage_vq").iterdir()) == ["global", "whole"]
    speak(pipe)
    speak(pipe, seed=1)
    report = reconstruction_report(spoken_cache, pipe.codec, body, 64)
    assert report.parts.upper.perplexity == report.parts.face.perplexity > 1
    assert new_codec(pipe.codec, 0).is_whole


def test_networks_of_one_and_of_four_codes_do_not_mix(whole, trained, cache, body, tmp_path):
    with pytest.raises(WeightsError, match="train.vqvae --part face"):
        train_generator(cache, body, tmp_path, whole["whole"].weights, steps=1)
    four = trained["generator"].weights
    folders = {"generator": four, "whole": whole["whole"].weights / "emage_vq" / "whole"}
    with pytest.raises(WeightsError, match="works with four VQ-VAEs"):
        load_networks({**folders, "global": four / "emage_vq" / "global"})
