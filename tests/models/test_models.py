"""Shapes, keys, strict loading and conversions of the networks."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from emage.errors import WeightsError
from emage.generation.stream import DecodeStage
from emage.models.codec import MotionCodec, integrate_root
from emage.models.content_rhythm import SpeechFeatures
from emage.models.generator import NEVER_CALLED, Generator, GeneratorConfig
from emage.models.layers import CONTEXT_FRAMES, PeriodicPositions, WaveEncoder, at_frames
from emage.models.parts import Parts
from emage.models.quantizer import Quantizer
from emage.models.vqvae import VQVAE, GlobalMotionPredictor, VQVAEConfig
from emage.motion import FLAME2020, join_motions
from emage.motion.rotations import rotation_6d_to_matrix
from emage.motion.skeleton import NETWORK_PARTS, PART_CHANNELS
from emage.motion.stages import run_stages
from tests.conftest import angles_between

LAYERS = {"face": 2, "upper": 2, "hands": 2, "lower": 4, "global": 4}


@pytest.fixture(scope="module")
def full_size_keys(shared):
    return json.loads((shared / "parity/keys_full_size.json").read_text())


def published_shapes(entries: dict) -> dict[str, tuple[int, ...]]:
    """The file says another dtype than float32 by a trailing string."""
    return {key: tuple(size for size in shape if not isinstance(size, str)) for key, shape in entries.items()}


def test_full_size_keys_and_shapes_are_the_released_ones(full_size_keys):
    with torch.device("meta"):
        networks = {"model": Generator(GeneratorConfig())}
        for part in NETWORK_PARTS:
            networks[f"emage_vq/{part}"] = VQVAE(VQVAEConfig(PART_CHANNELS[part], layers=LAYERS[part]))
        networks["emage_vq/global"] = GlobalMotionPredictor(VQVAEConfig(61, layers=LAYERS["global"]))
    for name, network in networks.items():
        expected = published_shapes(full_size_keys[name])
        unused = {key for key in expected if key.startswith(NEVER_CALLED)}
        assert len(unused) == (30 if name == "model" else 0)
        ours = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
        assert ours == {key: shape for key, shape in expected.items() if key not in unused}, name


def test_a_full_size_state_dict_loads_strictly(full_size_keys):
    state = {
        key: torch.zeros(shape, dtype=torch.int64 if key.endswith("num_batches_tracked") else torch.float32)
        for key, shape in published_shapes(full_size_keys["model"]).items()
    }
    with torch.device("meta"):
        network = Generator(GeneratorConfig())
    network.load_weights(state, "generator")
    assert sum(parameter.numel() for parameter in network.parameters()) + sum(
        state[key].numel() for key in state if key.startswith(NEVER_CALLED)
    ) == sum(tensor.numel() for tensor in state.values()) - sum(buffer.numel() for buffer in network.buffers())
    del state["mask_embedding"]
    with pytest.raises(WeightsError, match="generator.*missing mask_embedding"):
        network.load_weights(state, "generator")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("encoder.main.0.bias"), "missing encoder.main.0.bias"),
        (lambda state: state.update(extra=torch.zeros(1)), "unknown extra"),
        (lambda state: state.update({"encoder.main.0.bias": torch.zeros(9)}), r"is \(9,\), not \(8,\)"),
        (lambda state: state["encoder.main.0.bias"].fill_(torch.nan), "not finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change, words):
    network = VQVAE(VQVAEConfig(channels=6, width=8, codebook_size=4))
    state = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    change(state)
    before = network.encoder.main[0].weight.clone()
    with pytest.raises(WeightsError, match=words):
        network.load_weights(state, "face")
    assert torch.equal(network.encoder.main[0].weight, before)


def test_half_precision_weights_run_in_single():
    network = VQVAE(VQVAEConfig(channels=6, width=8, codebook_size=4))
    network.load_weights({key: tensor.half() for key, tensor in network.state_dict().items()}, "face")
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_configs_come_back_from_their_json():
    drawn_smoothly = GeneratorConfig(hidden=32, speakers=3, class_weight=Parts(1.0, 0.0, 1.0, 0.5))
    ours = GeneratorConfig(expression_basis="arkit52", aligned_audio=True, speech_layers=3)
    for config in (drawn_smoothly, ours):
        assert GeneratorConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    vq = VQVAEConfig(61, 32, 4, 16)
    assert VQVAEConfig.from_json(vq.to_json()) == vq


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hidden_size": 0}, "hidden is 0; it must be 1 or more"),
        ({"hidden_size": "768"}, "hidden is '768'; it must be a whole number"),
        ({"hidden_size": 100}, "multiple of 8"),
        ({"seed_frames": 64}, "smaller than pose_length"),
        ({"audio_sr": 44100}, "only audio_sr 16000"),
        ({"expression_basis": "klingon"}, "expression_basis is 'klingon'; it must be 'flame2020' or 'arkit52'"),
        ({"aligned_audio": 1}, "aligned_audio is 1; it must be true or false"),
        ({"speech_layers": -1}, "speech_layers is -1; it must be 0 or more"),
        ({"lf": "1"}, "face of latent_weight is '1'; it must be a number"),
        ({"cu": None}, "upper of class_weight is None; it must be a number"),
        ({"ch": -1}, "hands of class_weight is -1; it must be 0 or more"),
        ({"ch": float("nan")}, "hands of class_weight is nan; it must be a finite number"),
        ({"stride": "x"}, "window_stride_frames is 'x'; it must be a whole number"),
        ({"motion_f": None}, "motion_width is None"),
    ],
)
def test_bad_configs_are_named(change, words):
    with pytest.raises(WeightsError, match=words):
        GeneratorConfig.from_json(GeneratorConfig().to_json() | change)
    with pytest.raises(WeightsError, match="no field 'hidden_size'"):
        GeneratorConfig.from_json({})


def test_positions_repeat_and_start_with_zero_and_one():
    positions = PeriodicPositions(8, 64).eval()
    table = positions(torch.zeros(1, 128, 8))
    assert torch.equal(table[:, :64], table[:, 64:])
    assert table[0, 0].tolist() == [0, 1] * 4
    assert torch.allclose(table[0, 3, :2], torch.tensor([3.0]).repeat(2).sin() * torch.tensor([1, 0]) +
                          torch.tensor([3.0]).repeat(2).cos() * torch.tensor([0, 1]))  # fmt: skip


def test_wave_encoder_gives_one_vector_each_540_samples():
    encoder = WaveEncoder(16).eval()
    for num_samples, features in ((34133, 64), (34112, 64), (533, 2), (1, 1)):
        assert encoder(torch.zeros(2, num_samples)).shape == (2, features, 16)
    wave = torch.zeros(1, 34133)
    wave[0, 17000] = 1.0
    reach = (encoder(wave) - encoder(torch.zeros(1, 34133))).abs().sum(-1)[0].nonzero().flatten()
    # 19,475 samples of receptive field touch at most 36 or 37 vectors around the click's own
    assert 17000 / 540 - 19 <= reach.min() < 17000 / 540 < reach.max() <= 17000 / 540 + 19


def test_features_are_read_at_the_times_of_frames():
    when = 540 * torch.arange(64.0)[None, :, None]  # the sample that each feature stands for
    at = at_frames(when, 60)
    torch.testing.assert_close(at[0, :, 0], torch.arange(60) * 16000 / 30)
    assert at_frames(when, 80)[0, 70:, 0].tolist() == [540 * 63] * 10


def test_aligned_audio_tells_frames_which_sound_is_theirs():
    """Attention alone does not: its keys carry no positions, so that sound in another order is the same to it."""
    for aligned in (False, True):
        torch.manual_seed(0)
        config = GeneratorConfig(32, 16, 16, 24, aligned_audio=aligned)
        generator = Generator(config).eval()
        motion, mask, speaker = torch.zeros(1, 64, 337), torch.ones(1, 64, 337), torch.tensor([0])
        face, body = torch.randn(2, 1, 64, 16)
        with torch.inference_mode():
            forward = generator.generate(SpeechFeatures(face, body), motion, mask, speaker)
            backward = generator.generate(SpeechFeatures(face, body.flip(1)), motion, mask, speaker)
        apart = (forward.latents.upper - backward.latents.upper).abs()[0, 20:44].max()
        assert (apart > 1e-3) if aligned else (apart < 1e-5)


def test_speech_layers_tell_the_body_of_words_to_come():
    torch.manual_seed(0)
    plain = Generator(GeneratorConfig(32, 16, 16, 24, aligned_audio=True)).eval()
    ours = Generator(replace(plain.config, speech_layers=2)).eval()
    missing = ours.load_state_dict(plain.state_dict(), strict=False)
    assert not missing.unexpected_keys
    assert all(name.startswith("speech_context.") for name in missing.missing_keys)
    motion, mask, speaker = torch.zeros(1, 64, 337), torch.ones(1, 64, 337), torch.tensor([0])
    features = SpeechFeatures(*torch.randn(2, 1, 64, 16))
    with torch.inference_mode():
        first, begun = (each.generate(features, motion, mask, speaker) for each in (plain, ours))
        assert torch.equal(first.latents.upper, begun.latents.upper)  # new layers begin as if they were not there
        for block in ours.speech_context:
            nn.init.normal_(block.linear.weight)
        click = torch.randn(1, 64, 32)
        louder = click.clone()
        louder[:, 30] += torch.randn(32)
        moved = (ours.speech_context(louder) - ours.speech_context(click)).abs().sum(-1)[0].nonzero().flatten()
        heard = ours.generate(features, motion, mask, speaker)
    reach = 2 * (CONTEXT_FRAMES // 2)
    assert (moved.min(), moved.max()) == (30 - reach, 30 + reach)
    assert not torch.allclose(heard.latents.upper, begun.latents.upper, atol=1e-3)
    assert torch.equal(heard.latents.face, begun.latents.face)


def test_quantizer_finds_the_nearest_code():
    torch.manual_seed(0)
    quantizer = Quantizer(10, 4)
    latent = torch.randn(2, 7, 4)
    by_hand = torch.cdist(latent, quantizer.embedding.weight[None]).argmin(-1)
    assert torch.equal(quantizer.nearest(latent), by_hand)
    index = torch.arange(10)[None]
    assert torch.equal(quantizer.nearest(quantizer.lookup(index)), index)


def test_generator_shapes_masks_and_audio(tiny):
    generator = tiny.generator
    torch.manual_seed(0)
    audio, motion, mask = torch.randn(2, 34133) * 0.1, torch.randn(2, 64, 337), torch.ones(2, 64, 337)
    mask[:, :4] = 0
    speaker = torch.tensor([0, 1])
    with torch.inference_mode():
        output = generator(audio, motion, mask, speaker)
        for part in NETWORK_PARTS:
            assert output.latents[part].shape == (2, 64, 16)
            assert output.logits[part].shape == (2, 64, 24)
        hidden_changed = generator(audio, torch.where(mask == 1, motion + 1, motion), mask, speaker)
        visible_changed = generator(audio, torch.where(mask == 0, motion + 1, motion), mask, speaker)
        silent = generator(torch.zeros_like(audio), motion, mask, speaker)
        deaf = generator(audio, motion, mask, speaker, use_audio=False)
        deaf_silent = generator(torch.zeros_like(audio), motion, mask, speaker, use_audio=False)
    for part in NETWORK_PARTS:
        assert torch.equal(hidden_changed.latents[part], output.latents[part]), part
        assert not torch.allclose(visible_changed.latents[part], output.latents[part]), part
        assert not torch.allclose(silent.latents[part], output.latents[part]), part
    for part in ("upper", "hands", "lower"):
        assert torch.equal(deaf.latents[part], deaf_silent.latents[part]), part
        assert not torch.equal(deaf.latents[part], output.latents[part]), part


def test_a_window_is_the_same_alone_and_in_a_batch(tiny):
    torch.manual_seed(0)
    audio, motion, mask = torch.randn(3, 34133) * 0.1, torch.randn(3, 64, 337), torch.ones(3, 64, 337)
    with torch.inference_mode():
        together = tiny.generator(audio, motion, mask, torch.zeros(3, dtype=torch.long))
        alone = tiny.generator(audio[1:2], motion[1:2], mask[1:2], torch.zeros(1, dtype=torch.long))
    for part in NETWORK_PARTS:
        torch.testing.assert_close(alone.latents[part][0], together.latents[part][1], atol=1e-5, rtol=1e-5)


# --- codec ------------------------------------------------------------------------------------------------------------


def random_codes(codec: MotionCodec, frames: int) -> Parts[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return Parts.of(
        lambda part: torch.randint(codec.parts[part].config.codebook_size, (1, frames), generator=generator)
    )


@pytest.mark.parametrize("piece_frames", [16, 64, 300])
def test_pieces_decode_as_the_whole(tiny, piece_frames):
    codes = random_codes(tiny.codec, 300)
    start = np.array([1.0, 0.0, -2.0])
    with torch.inference_mode():
        whole = tiny.codec.decode_frames(codes)
        path = integrate_root(whole.root_velocity, torch.from_numpy(start)[None])[0]
    assert whole.poses.shape == (1, 300, 165)
    assert whole.expressions.shape == (1, 300, 100)
    assert (whole.poses[..., 69:75] == 0).all()  # the eyes rest
    pieces = [codes.map(lambda index, at=at: index[:, at : at + piece_frames]) for at in range(0, 300, piece_frames)]
    decoded = join_motions(list(run_stages(pieces, [DecodeStage(tiny.codec, start, "released", FLAME2020)])))
    np.testing.assert_allclose(decoded.expressions, whole.expressions[0], atol=1e-5)
    np.testing.assert_allclose(decoded.trans, path, atol=1e-5)
    assert angles_between(decoded.poses, whole.poses[0].numpy()).max() < 1e-3
    assert decoded.trans[0, [0, 2]].tolist() == [1.0, -2.0]


def test_a_long_motion_is_decoded_whole(tiny):
    """And stays what it is where more follows."""
    codes = random_codes(tiny.codec, 1100)
    motion = tiny.decode(codes, np.zeros(3))
    assert motion.num_frames == 1100
    short = tiny.decode(codes.map(lambda index: index[:, :700]), np.zeros(3))
    reach = tiny.codec.reach_frames
    np.testing.assert_allclose(short.trans[: 700 - reach], motion.trans[: 700 - reach], atol=1e-5)


def test_decoded_channels_are_rotations_with_the_lower_decoders_translation(tiny):
    codes = random_codes(tiny.codec, 20)
    with torch.inference_mode():
        channels = tiny.codec.channels(codes)
        lower = tiny.codec.lower.decode(codes.lower)
    assert channels.shape == (1, 20, 337)
    matrices = rotation_6d_to_matrix(channels[..., :330].reshape(-1, 6))
    torch.testing.assert_close(matrices[:, :2].reshape(-1, 6), channels[..., :330].reshape(-1, 6), atol=1e-5, rtol=0)
    assert torch.equal(channels[..., 330:333], lower[..., 54:57])
    assert torch.equal(channels[..., 333:], lower[..., 57:])


def test_encoding_picks_the_parts_out_of_the_channels(tiny):
    torch.manual_seed(0)
    motion, expressions = torch.randn(1, 8, 337), torch.randn(1, 8, 100)
    with torch.inference_mode():
        codes = tiny.codec.encode(motion, expressions)
        upper = motion[..., [6 * j + i for j in (3, 6, 9, *range(12, 22)) for i in range(6)]]
        assert torch.equal(codes.upper, tiny.codec.upper.encode(upper))
        face = torch.cat([motion[..., 132:138], expressions], -1)
        assert torch.equal(codes.face, tiny.codec.face.encode(face))
        lower = motion[..., [6 * j + i for j in (0, 1, 2, 4, 5, 7, 8, 10, 11) for i in range(6)] + [*range(330, 337)]]
        assert torch.equal(codes.lower, tiny.codec.lower.encode(lower))
        changed = tiny.codec.encode(torch.cat([motion[..., :330], motion[..., 330:] + 100], -1), expressions)
    assert torch.equal(changed.upper, codes.upper)
    assert not torch.equal(changed.lower, codes.lower)


def test_a_path_is_the_sum_of_its_steps():
    travel = torch.tensor([[[3.0, 0.9, -6.0]] * 4])
    path = integrate_root(travel, torch.tensor([[1.0, 9.0, 2.0]]))
    expected = torch.tensor([[[1.0, 0.9, 2.0], [1.1, 0.9, 1.8], [1.2, 0.9, 1.6], [1.3, 0.9, 1.4]]])
    torch.testing.assert_close(path.float(), expected)
