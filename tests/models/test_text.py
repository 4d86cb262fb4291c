"""A generator that hears words: equality with the reference implementation, what fusion does, and its other forms."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emage.errors import WeightsError
from emage.generation.settings import PUBLISHED
from emage.generation.windows import plan_windows, sample_windows
from emage.models.checkpoint import NETWORK_FOLDERS, load_generator, load_networks, load_state, save_network
from emage.models.generator import Generator, GeneratorConfig, GeneratorOutput
from emage.models.paper import translate
from emage.motion.skeleton import NETWORK_PARTS
from emage.pipeline import EmagePipeline
from emage.recording.features import Speech
from tests.conftest import ROOT, angles_between
from tests.stages import join_codes

TINY = ROOT / "tests" / "parity" / "tiny" / "text"
TOLERANCE = 1e-4
TINY_TOLERANCE = 5e-4  # its latents and logits go up to 70; the reference's own rounding is 2.3e-4
FLIP_MARGIN = 1e-3  # below it, which code is nearest is a matter of rounding


@pytest.fixture(scope="module")
def tiny_text() -> Generator:
    return load_generator(TINY)


def run(generator: Generator, inputs: Mapping[str, np.ndarray], use_audio: bool = True) -> GeneratorOutput:
    sound, words, motion, mask, speaker = (
        torch.from_numpy(inputs[name]) for name in ("amplitude_onset", "word", "motion", "mask", "speaker")
    )
    with torch.inference_mode():
        return generator(
            rhythm=sound, words=words, motion=motion, mask=mask, speaker=speaker[:, 0, 0], use_audio=use_audio
        )


def with_sum(folder: Path) -> Generator:
    generator = Generator(replace(load_generator(folder).config, fusion="sum"))
    generator.load_weights(translate(load_state(folder)), "generator")
    return generator.eval()


def check_forward(folder: Path, tolerance: float) -> None:
    forward = np.load(folder / "forward.npz")
    generator = load_generator(folder)
    cases = {
        "full": run(generator, forward),
        "noword": run(generator, forward, use_audio=False),
        "noattn": run(with_sum(folder), forward),
    }
    for case, output in cases.items():
        for part in NETWORK_PARTS:
            for ours, name in ((output.latents, "rec"), (output.logits, "cls")):
                expected = forward[f"{case}_{name}_{part}"]
                np.testing.assert_allclose(ours[part], expected, atol=tolerance, rtol=0, err_msg=f"{case} {part}")


def test_forward_of_the_tiny_reference():
    check_forward(TINY, TINY_TOLERANCE)


def test_forward_of_the_reference(shared):
    check_forward(shared / "parity" / "text", TOLERANCE)


def check_sequence(folder: Path, vq_folder: Path) -> None:
    """The published loop of the text model, from what it hears to motion."""
    expected = np.load(folder / "sequence.npz")
    generator = load_generator(folder)
    folders = {name: vq_folder / network for name, network in NETWORK_FOLDERS.items()}
    codec = load_networks(folders)[1].eval()
    audio, words, start = expected["waveform"], expected["word"][0], expected["start_position"]
    windows = plan_windows(len(audio), generator.config, PUBLISHED)
    seed, speaker = torch.from_numpy(expected["seed_motion"]), int(expected["speaker"])
    for speech in (
        Speech(audio, words, given_rhythm=expected["amplitude_onset"][0]),
        Speech(audio, words, published_onsets=True),
    ):
        results = list(
            sample_windows(generator, codec, speech, windows, speaker=speaker, seed_motion=seed, start_position=start)
        )
        codes = join_codes(results)
        for part in NETWORK_PARTS:
            latent = torch.cat([result.output.latents[part] for result in results], 1)[0]
            np.testing.assert_allclose(latent, expected[f"{part}_latent"], atol=1e-3, rtol=0)
            flipped = codes[part][0].numpy() != expected[f"{part}_index"]
            assert (expected[f"{part}_margin"][flipped] < FLIP_MARGIN).all(), part
        motion = EmagePipeline(generator, codec).decode(codes, start)
        assert angles_between(motion.poses, expected["poses"]).max() < 1e-3
        np.testing.assert_allclose(motion.expressions, expected["expressions"], atol=1e-3)
        np.testing.assert_allclose(motion.trans, expected["trans"], atol=1e-3)


def test_sequence_of_the_tiny_reference():
    check_sequence(TINY, TINY.parent)


def test_sequence_of_the_reference(shared):
    check_sequence(shared / "parity" / "text", shared / "parity" / "checkpoint")


def test_the_share_of_content_is_told_for_each_frame(tiny_text):
    forward = np.load(TINY / "forward.npz")
    sound, words = torch.from_numpy(forward["amplitude_onset"]), torch.from_numpy(forward["word"])
    with torch.inference_mode():
        features = tiny_text.encode_speech(sound, words)
    for share in (features.face_content, features.body_content):
        assert share.shape == (1, 64)
        assert ((share > 0) & (share < 1)).all()
        assert share.std() > 1e-3
    attention, embedding = tiny_text.content_body.attention, tiny_text.content_body.embedding
    # The share is what decides: without any content of its own, the fused feature is the rhythm times the rest.
    with torch.inference_mode():
        content = tiny_text.content_body.projection(embedding(words))
        rhythm = tiny_text.rhythm_encoder_body(sound)[:, :64]
        weights = attention(torch.cat([content, rhythm], -1)).unflatten(-1, (-1, 2)).softmax(-1)
    torch.testing.assert_close(weights[..., 1].mean(-1), features.body_content)
    assert features.rows(slice(0, 1)).face_content.shape == (1, 64)


SMALL = GeneratorConfig(32, 16, 16, 24, speakers=2, vocabulary=9, word_width=8)


@pytest.mark.parametrize(("fusion", "moved_by"), [("rhythm", ["rhythm"]), ("content", ["words"]), ("sum", "both")])
def test_ablated_fusion_hears_what_is_left(fusion, moved_by):
    torch.manual_seed(0)
    generator = Generator(replace(SMALL, fusion=fusion)).eval()
    sound, words = torch.rand(2, 34133, 2), torch.randint(0, 9, (2, 64))
    plain = generator.encode_speech(sound, words)
    moved = {
        "rhythm": generator.encode_speech(1 - sound, words),
        "words": generator.encode_speech(sound, (words + 1) % 9),
    }
    for name, features in moved.items():
        is_moved = not torch.equal(features.body, plain.body)
        assert is_moved == (moved_by == "both" or name in moved_by), name
    expected = {"rhythm": 0, "content": 1, "sum": 0.5}[fusion]
    assert (plain.face_content == expected).all()


@pytest.mark.parametrize("body_path", ["emage", "fusion", "self-attention"])
@pytest.mark.parametrize("vocabulary", [0, 9])
@pytest.mark.parametrize("aligned", [False, True])
def test_forward_paths_hear_speech_and_hints(tmp_path, body_path, vocabulary, aligned):
    torch.manual_seed(0)
    config = replace(
        SMALL, body_path=body_path, vocabulary=vocabulary, waveform=not vocabulary, aligned_audio=aligned, wiring="text"
    )
    save_network(Generator(config), tmp_path)
    generator = load_generator(tmp_path)
    assert generator.config == config
    motion, mask, speaker = torch.randn(2, 40, 337), torch.zeros(2, 40, 337), torch.tensor([0, 1])
    sound = torch.rand((2, 21333, 2) if vocabulary else (2, 21333))
    words = torch.randint(0, 9, (2, 40)) if vocabulary else None
    with torch.inference_mode():
        features = generator.encode_speech(sound, words)
        other = generator.encode_speech(1 - sound, words)
        plain = generator.generate(features, motion, mask, speaker).latents.upper
        assert plain.shape == (2, 40, 16)
        assert not torch.allclose(plain, generator.generate(other, motion, mask, speaker).latents.upper, atol=1e-5)
        assert not torch.allclose(plain, generator.generate(features, motion + 1, mask, speaker).latents.upper)
        deaf = [generator.generate(each, motion, mask, speaker, use_audio=False) for each in (features, other)]
    assert torch.equal(deaf[0].latents.upper, deaf[1].latents.upper)
    assert not torch.equal(deaf[0].latents.upper, plain)


def test_one_generator_may_hear_both_ways(tmp_path):
    torch.manual_seed(0)
    save_network(Generator(replace(SMALL, waveform=True)), tmp_path)
    generator = load_generator(tmp_path)
    motion, mask, speaker = torch.zeros(1, 64, 337), torch.ones(1, 64, 337), torch.tensor([0])
    sound, words = torch.rand(1, 34133, 2), torch.randint(0, 9, (1, 64))
    with torch.inference_mode():
        alone = generator(sound[..., 0], motion, mask, speaker)
        spoken = generator(rhythm=sound, words=words, motion=motion, mask=mask, speaker=speaker)
    assert alone.latents.upper.shape == spoken.latents.upper.shape == (1, 64, 16)
    assert not torch.allclose(alone.latents.upper, spoken.latents.upper, atol=1e-4)
    assert generator.encode_speech(sound[..., 0]).face_content is None
    with pytest.raises(WeightsError, match="it hears nothing"):
        replace(SMALL, waveform=False, vocabulary=0)


def test_aligned_words_move_their_own_frame():
    torch.manual_seed(0)
    generator = Generator(replace(SMALL, aligned_audio=True, fusion="content")).eval()
    words, sound = torch.full((1, 64), 3), torch.zeros(1, 34133, 2)
    said = words.clone()
    said[0, 30:36] = 5
    motion, mask, speaker = torch.zeros(1, 64, 337), torch.ones(1, 64, 337), torch.tensor([0])
    with torch.inference_mode():
        quiet, loud = (generator.generate(generator.encode_speech(sound, each), motion, mask, speaker)
                       for each in (words, said))  # fmt: skip
    moved = (loud.latents.upper - quiet.latents.upper).abs().mean((0, 2))
    assert moved[30:36].min() > 2 * moved[:26].max()


def test_config_without_file_is_told_by_shapes(tmp_path, tiny_text):
    (tmp_path / "emage_240.bin").write_bytes((TINY / "emage_text.bin").read_bytes())
    assert load_generator(tmp_path).config == tiny_text.config


def test_weights_of_neither_name_are_refused(tmp_path):
    torch.save({"model_state": {"module.spearker_encoder_face.weight": torch.zeros(3, 4)}}, tmp_path / "emage_240.bin")
    with pytest.raises(WeightsError, match=r"no tensor feature2face\.weight"):
        load_generator(tmp_path)
