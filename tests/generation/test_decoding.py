"""Which code is chosen: argmax, Viterbi decoding, samples that go on with the speech, guidance."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch

from emage.errors import EmageError
from emage.generation.decoding import Sampler, SampleTime, choose_codes, decode_standing, decode_viterbi, guide
from emage.generation.sampling import SamplingConfig
from emage.models.generator import GeneratorOutput
from emage.models.parts import Parts
from tests.conftest import make_speech


@pytest.mark.parametrize("stay", [(0, 0, 0, 0), (0.9, 0, 0.2, 0.7)])
@pytest.mark.parametrize("before", [None, 2])
def test_viterbi_decoding_finds_the_best_of_all_paths(before, stay):
    generator = torch.Generator().manual_seed(3)
    scores, codes = torch.randn(5, 4, generator=generator), torch.randn(4, 3, generator=generator)
    distance = (codes[:, None] - codes[None]).square().sum(-1)

    def value(path):
        steps = list(pairwise(path)) + ([] if before is None else [(before, path[0])])
        cost = sum(max(0.7 * float(distance[a, b] / distance.mean()), min(stay[a], stay[b])) for a, b in steps)
        return sum(float(scores[t, code]) for t, code in enumerate(path)) - cost

    best = max(product(range(4), repeat=5), key=value)
    start = None if before is None else torch.tensor([before])
    assert decode_viterbi(scores, codes, 0.7, start, torch.tensor(stay)).tolist() == list(best)
    assert decode_viterbi(scores, codes, 0.0, start).tolist() == scores.argmax(-1).tolist()
    assert len(set(decode_viterbi(scores, codes, 1e6, start).tolist())) == 1


class Held:
    """A codec of which only this is known."""

    def __init__(self, *speeds: float):
        self.speeds = speeds

    def held_speed(self, code: int, conventions: str) -> float:
        return self.speeds[code]


def test_who_stands_does_not_glide_along_by_a_code_that_is_held():
    codes = torch.tensor([[0.0], [0.1], [1.0]])
    likely = torch.tensor([2.0, 2.0, 1.0]).expand(40, 3)
    nobody, path = torch.zeros(0, dtype=torch.long), [0] * 40
    assert decode_viterbi(likely, codes, 400.0, nobody).tolist() == path
    assert decode_standing(likely, codes, 400.0, nobody, Held(0.02, 0.5, 0.5), "released", 100.0).tolist() == path
    # Nor by two such codes that take turns, and which change into one another for little.
    assert decode_standing(likely, codes, 400.0, nobody, Held(0.2, 0.2, 0.0), "released", 100.0).tolist() == [2] * 40
    from_there = decode_standing(likely, codes, 400.0, torch.tensor([0]), Held(0.2, 0.2, 0.0), "released", 1e4)
    assert from_there.tolist() == [2] * 40
    # A step's codes go by too fast to be held.
    step = torch.eye(3).repeat_interleave(5, 0) * 1000
    stepped = decode_standing(step, codes, 1.0, nobody, Held(0.2, 0.2, 0.2), "released", 1e6)
    assert stepped.tolist() == step.argmax(1).tolist()


def sample_upper(pipe, logits: torch.Tensor, time: np.ndarray, seed: int = 0) -> torch.Tensor:
    """(T,) codes of the upper body, sampled from the same logits (K,) in each frame."""
    frames = logits.expand(1, len(time), -1)
    output = GeneratorOutput(Parts.of(lambda _: torch.zeros(1, len(time), 16)), Parts.of(lambda _: frames))
    sampler = Sampler(1.0, None, seed)
    return choose_codes(pipe.codec, output, pipe.generator.config, SamplingConfig(), sampler, time).upper[0]


@pytest.mark.parametrize("share", [0.0, 0.37, 0.5])
def test_samples_have_the_softmaxs_distribution_at_any_time(tiny, share):
    logits = torch.linspace(2, -3, 24)
    codes = sample_upper(tiny, logits, 2 * np.arange(4000) + share)
    assert torch.allclose(codes.bincount(minlength=24) / 4000, logits.softmax(-1), atol=0.02)


def test_samples_are_slow_and_the_same_in_every_window(tiny):
    time = np.arange(1300) / 30
    codes = sample_upper(tiny, torch.zeros(24), time)
    assert torch.equal(codes[60:124], sample_upper(tiny, torch.zeros(24), time[60:124]))
    assert (codes[1:] != codes[:-1]).float().mean() < 0.15 * (codes[60:] != codes[:-60]).float().mean()
    assert not torch.equal(codes, sample_upper(tiny, torch.zeros(24), time, seed=1))


def test_a_sample_goes_on_with_the_speech_and_rests_in_pauses():
    talk = make_speech(16000)
    audio = np.concatenate([talk, np.zeros(32000, np.float32), talk])
    steps = 30 * np.diff(SampleTime(audio).between(0, 120))
    assert steps[:18].mean() == pytest.approx(1.2, rel=0.25)
    assert steps[26:78] == pytest.approx(0.06, rel=1e-6)
    assert steps[84:90].mean() > 10 * 0.06  # already before the sound comes back, in frame 90
    louder, longer = 30 * np.diff(SampleTime(5 * audio).between(0, 120)), SampleTime(audio).between(0, 150)
    np.testing.assert_allclose(louder, steps, rtol=1e-6)
    assert (np.diff(longer) > 0).all()


@pytest.mark.parametrize(
    ("audio", "speed"),
    [
        (np.zeros(16000), 0.06),
        (3e-5 * np.random.default_rng(0).standard_normal(16000), 0.06),  # dither
        (np.full(1, 0.5), 1.2),
    ],
)
def test_a_sample_of_steady_sound(audio, speed):
    time = SampleTime(audio).between(0, 40)
    assert time[0] == 0
    assert np.diff(time) * 30 == pytest.approx(speed)


def test_a_sample_does_not_race_where_speech_is_rare():
    audio = 1e-3 * np.random.default_rng(0).standard_normal(60 * 16000)
    audio[: 2 * 16000] = make_speech(2 * 16000)
    assert 30 * np.diff(SampleTime(audio).between(0, 1800)).max() < 3


def test_loud_is_what_is_loud_within_some_minutes():
    """The first minutes of a long recording do not wait for its last ones, and windows ask in any sizes."""
    audio = np.concatenate([make_speech(300 * 16000), 20 * make_speech(60 * 16000)])
    whole, start = SampleTime(audio).between(0, 10800), SampleTime(audio[: 180 * 16000]).between(0, 5400)
    np.testing.assert_array_equal(whole[:3590], start[:3590])
    time = SampleTime(audio)
    pieces = [time.between(first, first + 64) for first in range(0, 10740, 60)]
    np.testing.assert_array_equal(np.concatenate([piece[:60] for piece in pieces]), whole[:10740])


@pytest.mark.parametrize(
    "bad", [{"temperature": -1}, {"temperature": np.nan}, {"top_k": 0}, {"top_k": 2.5}, {"seed": -1}, {"seed": 1.5}]
)
def test_bad_samplers(bad):
    with pytest.raises(EmageError, match=next(iter(bad))):
        Sampler(**bad)


def test_guidance_goes_on_from_without_audio_to_with():
    rng = torch.Generator().manual_seed(0)

    def some_output() -> GeneratorOutput:
        latents, logits = (Parts.of(lambda _: torch.randn(1, 7, 5, generator=rng)) for _ in range(2))
        return GeneratorOutput(latents, logits)

    heard, unheard = some_output(), some_output()
    result = guide(heard, unheard, 2.0)
    assert result.latents is heard.latents
    assert torch.equal(result.logits.face, heard.logits.face)
    for part in ("upper", "hands", "lower"):
        odds = heard.logits[part].softmax(-1) ** 3 / unheard.logits[part].softmax(-1) ** 2
        assert torch.allclose(result.logits[part].softmax(-1), odds / odds.sum(-1, keepdim=True), atol=1e-5)
        same = guide(heard, heard, 2.0).logits[part]
        assert torch.allclose(same.softmax(-1), heard.logits[part].softmax(-1), atol=1e-6)
