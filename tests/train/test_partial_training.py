"""Training on clips that are not whole: each part learns from those that have it, and nothing of what is missing."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from emage.errors import EmageError
from emage.models.generator import GeneratorOutput
from emage.models.parts import Parts
from emage.motion.skeleton import LOWER_ROTATIONS, NETWORK_PARTS, PART_CHANNELS
from tests.train.conftest import QUIET, logged, settings, state_at
from train import generator, global_motion, vqvae
from train.data.cache import Cache
from train.data.channels import CHANNELS, flags_of, unknown_columns
from train.data.corpus import CorpusError
from train.data.masking import MaskedWindow, mask_passes
from train.data.windows import Windows
from train.evaluation.reconstruction import reconstruction_report
from train.global_motion import GlobalMotionTraining
from train.modelling.passes import Targets, ThreePasses, compare_passes, encode_targets
from train.modelling.settings import GeneratorTraining
from train.run.kinematics import BodyPoints
from train.vqvae import VQVAETraining, compare_part

HEADS = {"face": "face_out_proj"} | {part: f"motion_out_proj_{part}" for part in ("upper", "hands", "lower")}
"""Of a generator, what gives the latents of each part."""


def batch_of(cache: Cache, *missing: tuple[str, ...]):
    """A window of whole clips, twice, of which each is said to lack something."""
    dataset = Windows(cache, cache.windows(("train",), 64, 20), 64, shuffled=False)
    items = [dataset[index]._replace(has=flags_of(lack)) for index, lack in enumerate(missing)]
    return type(items[0])(*(torch.stack(field) for field in zip(*items, strict=True)))


def test_a_reconstruction_loses_nothing_by_a_translation_that_is_not_known(cache, body):
    window = batch_of(cache, (), ("translation",))
    points = BodyPoints(body, "lower", 8, cache.expression_basis)
    config = VQVAETraining(cache=Path(), weights=Path(), out=Path(), part="lower", posed_stride=1)
    made = torch.randn(2, 64, PART_CHANNELS["lower"], requires_grad=True)
    losses = compare_part(made, vqvae.part_vector(window, "lower"), window, points, "lower", config)
    sum(losses.values()).backward()
    beyond = made.grad[:, :, LOWER_ROTATIONS.stop :]
    assert (beyond[1] == 0).all()
    assert (beyond[0] != 0).any(0).all()
    assert (made.grad[:, :, LOWER_ROTATIONS] != 0).any(1).all()


@pytest.mark.parametrize("missing", ["face", "upper", "hands", "lower"])
def test_a_generator_loses_nothing_by_parts_that_are_not_known(missing):
    has = torch.stack([flags_of(()), flags_of((missing,))])
    known = Parts.of(lambda part: has[:, CHANNELS.index(part)].float())
    latents, logits = (
        Parts.of(lambda _, width=width: torch.randn(2, 8, width, requires_grad=True)) for width in (4, 16)
    )
    truth = Parts.of(lambda _: torch.randn(2, 8, 4)), Parts.of(lambda _: torch.randint(16, (2, 8)))
    config = GeneratorTraining(cache=Path(), weights=Path(), out=Path(), class_weight=Parts(1.0, 1.0, 1.0, 1.0))
    output = GeneratorOutput(latents, logits)
    hinted = torch.ones(2, dtype=torch.bool)
    targets = Targets(*truth, torch.zeros(2, 4, 337), known, torch.ones(2))
    compare_passes([output] * 3, targets, hinted, config).total.backward()
    for made in (latents, logits):
        for part in NETWORK_PARTS:
            gradient = made[part].grad
            assert (gradient[0] != 0).any()
            assert (gradient[1] == 0).all() == (part == missing)


def test_a_window_without_sound_counts_in_the_pass_without_speech_alone():
    has = torch.stack([flags_of(()), flags_of(("audio",))])
    known = Parts.of(lambda part: has[:, CHANNELS.index(part)].float())
    truth = Parts.of(lambda _: torch.randn(2, 8, 4)), Parts.of(lambda _: torch.randint(16, (2, 8)))
    targets = Targets(*truth, torch.zeros(2, 4, 337), known, has[:, CHANNELS.index("audio")].float())
    config = GeneratorTraining(cache=Path(), weights=Path(), out=Path(), class_weight=Parts(1.0, 1.0, 1.0, 1.0))
    outputs = [
        GeneratorOutput(*(Parts.of(lambda _, w=width: torch.randn(2, 8, w, requires_grad=True)) for width in (4, 16)))
        for _ in range(3)
    ]
    compare_passes(outputs, targets, torch.ones(2, dtype=torch.bool), config).total.backward()
    for number, output in enumerate(outputs):
        for made in (output.latents, output.logits):
            for part in NETWORK_PARTS:
                assert (made[part].grad[0] != 0).any()
                assert (made[part].grad[1] != 0).any() == (number == 2 and part != "face")
    with pytest.raises(EmageError, match="silent_clips needs the pass without speech"):
        GeneratorTraining(cache=Path(), weights=Path(), out=Path(), silent_clips=True, silent=False)


def test_silence_in_place_of_sound_is_no_sound_to_the_encoders(trained, cache):
    """Their running statistics and the features of the others are those of a batch without it."""
    config = trained["generator"]
    both, alone = (
        ThreePasses(generator.EmagePipeline.from_pretrained(config.weights, device="cpu").generator).train()
        for _ in range(2)
    )
    window = batch_of(cache, (), ("audio",), ())
    window = window._replace(audio=window.audio * window.has[:, :1])
    heard = window.has[:, 0]

    for model, given in ((both, window), (alone, type(window)(*(field[heard] for field in window)))):
        batch = len(given.motion)
        never = torch.zeros(batch, dtype=torch.bool)
        item = MaskedWindow(given, torch.ones(batch, 64, 337), torch.zeros(batch, 3), never, never)
        model(given, mask_passes(item, torch.zeros(batch, 4, 337)), never)
    statistics = {name: value for name, value in both.state_dict().items() if "running" in name}
    assert statistics
    for name, value in statistics.items():
        torch.testing.assert_close(value, alone.state_dict()[name])


def test_what_is_not_known_is_never_shown(trained, cache):
    window = batch_of(cache, (), ("face",), ("lower", "translation"), ("translation",))
    motion = window.motion.clone().requires_grad_()
    item = MaskedWindow(
        window._replace(motion=motion),
        torch.zeros(4, 64, 337, dtype=torch.uint8),
        torch.zeros(4, 3),
        torch.tensor([True, False, True, False]),
        torch.zeros(4, dtype=torch.bool),
    )
    config = trained["generator"]
    codec = generator.load_codec(config.weights)
    shown = mask_passes(item, encode_targets(codec, window, 4).seed)
    unknown = unknown_columns(window.has)
    for mask in (shown.seed_mask, shown.hint_mask):
        assert (mask.bool() & unknown[:, None]).sum() == 64 * unknown.sum()
        assert not (mask[:, :4].bool() & ~unknown[:, None]).any()
    network = generator.EmagePipeline.from_pretrained(config.weights, device="cpu").generator.train()
    features = network.encode_speech(window.audio)
    output = network.generate(features, shown.hint_motion, shown.hint_mask, window.speaker)
    sum(latent.square().sum() for latent in output.latents).backward()
    assert (motion.grad.abs().sum(1)[unknown] == 0).all()
    assert (motion.grad.abs().sum((0, 1))[:330] > 0).all()


@pytest.mark.slow
def test_halves_without_faces_and_without_legs_train_every_part(partial_cache, body, tmp_path):
    weights = tmp_path / "weights"
    quick = {"steps": 2, "checkpoint_every": 1, "batch_size": 4, "weights": weights}
    size = {"width": 16, "codebook_size": 16, "layers": 1}
    for part in NETWORK_PARTS:
        mix = (0, 1, 0) if part == "face" else (1, 0, 1) if part == "lower" else (1, 1, 1)
        out = tmp_path / part
        config = settings(VQVAETraining, partial_cache, out, part=part, corpus_weights=mix, **size, **quick)
        vqvae.train(config, body)
        assert_all_moved(config, "vqvae.decoder")
    config = settings(GlobalMotionTraining, partial_cache, tmp_path / "global", **quick)
    global_motion.train(config, body)
    calm = {"augmentation": QUIET, "dropout": 0.0, "hint_stride": 2, "validate_every": 2}
    config = settings(GeneratorTraining, partial_cache, tmp_path / "generator", **{**quick, **calm})
    generator.train(config, body)
    for part in NETWORK_PARTS:
        assert_all_moved(config, f"generator.{HEADS[part]}")
        share = logged(config, f"val/right_{part}")[2]
        assert 0 <= share <= 1
    assert load_file(weights / "model.safetensors")["speaker_embedding_body.weight"].shape[0] == 4
    silent = replace(config, out=tmp_path / "silent", silent_clips=True, corpus_weights=(0, 0, 1), log_every=1)
    generator.train(silent, body)
    assert_all_moved(silent, f"generator.{HEADS['upper']}")
    for number in (1, 2):
        losses = {name: logged(silent, f"train/{name}_latent")[number] for name in ("seed", "hint", "silent")}
        assert losses["seed"] == losses["hint"] == 0 < losses["silent"]
    with pytest.raises(CorpusError, match="Corpus 3 has no window that this stage can train on"):
        generator.train(replace(silent, out=tmp_path / "refused", silent_clips=False), body)


def test_a_clip_without_a_face_counts_for_the_other_parts_alone(trained, cache, body, tmp_path):
    copy = shutil.copytree(cache.folder, tmp_path / "cache")
    index = json.loads((copy / "index.json").read_text())
    (clip,) = [clip for clip in index["clips"] if clip["id"] == "3_ben_0_3_3"]
    clip["missing"] = ["face"]
    (copy / "index.json").write_text(json.dumps(index))
    codec = generator.load_codec(trained["generator"].weights)
    whole, partial = (reconstruction_report(Cache(folder), codec, body, 64) for folder in (cache.folder, copy))
    assert (whole.windows, partial.windows) == (9, 6)
    for part in ("upper", "hands", "lower"):
        assert partial.parts[part] == whole.parts[part]
    assert partial.parts.face.degrees != whole.parts.face.degrees
    assert partial.whole != whole.whole


def assert_all_moved(config, prefix: str) -> None:
    before, after = state_at(config, 1), state_at(config, 2)
    names = [name for name in after if name.startswith(prefix)]
    assert names
    assert all(not torch.equal(before[name], after[name]) for name in names)
