"""An autoregressive generator: what a frame sees of others, and sampling one frame after the other."""

import numpy as np
import pytest
import torch

from emage.errors import WeightsError
from emage.generation.decoding import Sampler
from emage.generation.rollout import delay
from emage.generation.sampling import SamplingConfig
from emage.generation.windows import plan_windows, sample_windows
from emage.models.codec import MotionCodec
from emage.models.content_rhythm import SpeechFeatures
from emage.models.generator import Generator, GeneratorConfig
from emage.models.parts import Parts
from emage.models.vqvae import VQVAE, GlobalMotionPredictor, VQVAEConfig
from emage.motion.skeleton import MOTION_CHANNELS, NETWORK_PARTS, PART_CHANNELS, WHOLE_CHANNELS
from tests.conftest import make_speech
from tests.stages import join_codes

WIDTH, CODES = 8, 6
FRAMES = 32  # of a window
AUDIO = make_speech(24000)


def make_networks(quantized: bool = True, **changes) -> tuple[Generator, MotionCodec]:
    torch.manual_seed(0)
    weight = float(quantized)
    sizes = {"hidden": 16, "audio_width": 8, "motion_width": WIDTH, "codebook_size": CODES, "window_frames": FRAMES}
    weights = {"class_weight": Parts(0.0, weight, weight, weight)}
    generator = Generator(GeneratorConfig(**{**sizes, **weights, "autoregressive": True, **changes}))

    def vqvae(channels: int) -> VQVAE:
        return VQVAE(VQVAEConfig(channels, WIDTH, 1, CODES, quantized))

    whole = generator.config.whole_body
    parts = vqvae(WHOLE_CHANNELS) if whole else Parts.of(lambda part: vqvae(PART_CHANNELS[part]))
    return generator.eval(), MotionCodec(parts, GlobalMotionPredictor(VQVAEConfig(61, 8, 1))).eval()


def see(frames: int = 20) -> tuple[SpeechFeatures, torch.Tensor, torch.Tensor, torch.Tensor]:
    """What `Generator.generate` takes, but for what was before."""
    speech = SpeechFeatures(torch.randn(1, frames, 8), torch.randn(1, frames, 8))
    motion, mask = torch.randn(1, frames, MOTION_CHANNELS), torch.ones(1, frames, MOTION_CHANNELS)
    return speech, motion, mask, torch.tensor([0])


@pytest.mark.parametrize("changes", [{}, {"body_path": "fusion"}, {"wiring": "text"}, {"whole_body": True}])
def test_a_frame_is_made_of_those_before_it_alone(changes):
    generator, _ = make_networks(**changes)
    seen, past = see(), Parts.of(lambda _: torch.randn(1, 20, WIDTH))
    other = past.map(torch.clone)
    for latent in other:
        latent[:, 9] += 1.0
    with torch.inference_mode():
        first, second = (generator.generate(*seen, previous=previous) for previous in (past, other))
    for part in NETWORK_PARTS:
        apart = (first.latents[part] - second.latents[part]).abs().amax((0, 2))
        assert apart[:9].max() < 1e-6, part
        assert apart[9] > 1e-4, part
        assert apart[10:].max() > 1e-5, part  # it is remembered


def test_what_was_before_is_one_frame_late():
    latents = Parts.of(lambda _: torch.arange(3.0)[None, :, None] + 1)
    assert delay(latents).upper.flatten().tolist() == [0, 1, 2]


@pytest.mark.parametrize("sampler", [Sampler(), Sampler(1.0, seed=3)])
@pytest.mark.parametrize("changes", [{}, {"quantized": False}, {"whole_body": True}])
def test_windows_are_sampled_frame_after_frame(changes, sampler):
    """The codes are those that the generator chooses when it is given their own latents as what was before."""
    generator, codec = make_networks(**changes)
    windows = plan_windows(len(AUDIO), generator.config, "exact")
    results = list(sample_windows(generator, codec, AUDIO, windows, sampler=sampler))
    codes = join_codes(results)
    assert codes.face.shape[1] == 45
    again = list(sample_windows(generator, codec, AUDIO, windows, sampler=sampler))
    assert torch.equal(join_codes(again).upper, codes.upper)
    if sampler.temperature == 0:
        sound = torch.from_numpy(AUDIO[None, : windows[0].end_sample])
        motion = torch.zeros(1, FRAMES, MOTION_CHANNELS)
        motion[..., :330] = torch.tensor([1.0, 0, 0, 0, 1, 0]).repeat(55)
        mask = torch.ones(1, FRAMES, MOTION_CHANNELS)
        mask[:, :4] = 0
        with torch.inference_mode():
            past = delay(codec.lookup(results[0].codes))
            past = past.map(lambda latent: torch.nn.functional.pad(latent, (0, 0, 0, 4)))
            output = generator(audio=sound, motion=motion, mask=mask, speaker=torch.tensor([0]), previous=past)
            expected = codec.codes(output, generator.config.class_weight)
        for part in NETWORK_PARTS:
            torch.testing.assert_close(results[0].codes[part], expected[part][:, : FRAMES - 4], atol=1e-4, rtol=1e-4)


def test_the_next_window_goes_on_from_the_codes_of_the_one_before():
    generator, codec = make_networks()
    windows = plan_windows(len(AUDIO), generator.config, "exact")
    sampled = [
        list(sample_windows(generator, codec, AUDIO, windows, sampler=Sampler(1.0, seed=seed))) for seed in (1, 2)
    ]
    first, second = (results[1].output.latents.upper for results in sampled)
    assert (first - second).abs().amax((0, 2))[1] > 1e-5  # of the seed already


def test_viterbi_and_guidance_are_for_it_too():
    generator, codec = make_networks()
    windows = plan_windows(16000, generator.config, "exact")
    costs = SamplingConfig(transition_cost=Parts(0.0, 1e6, 1e6, 1e6), guidance=1.0)
    (result,) = sample_windows(generator, codec, AUDIO[:16000], windows, sampling=costs)
    assert len(np.unique(result.codes.upper)) == 1


def test_what_was_before_is_asked_for_where_it_is_needed():
    past = Parts.of(lambda _: torch.zeros(1, 20, WIDTH))
    with pytest.raises(WeightsError, match="is autoregressive. Give previous"):
        make_networks()[0].generate(*see())
    with pytest.raises(WeightsError, match="is not autoregressive. Leave out previous"):
        make_networks(autoregressive=False)[0].generate(*see(), previous=past)


def test_what_cannot_be_autoregressive_is_refused():
    with pytest.raises(WeightsError, match="cannot be autoregressive"):
        GeneratorConfig(autoregressive=True, body_path="self-attention")
