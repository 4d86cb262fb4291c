"""Windows, seeds, hints and draws."""

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emage.errors import AudioError, EmageError
from emage.generation.decoding import Sampler, _gumbel_noise, decode_viterbi, guide, sample_time
from emage.generation.windows import Timing, first_seed, join_codes, plan_windows, rest_seed, sample_windows
from emage.hints.mask import NetworkHints
from emage.models.generator import GeneratorConfig, GeneratorOutput
from emage.models.parts import Parts
from emage.motion.skeleton import NETWORK_PARTS
from emage.recording.audio import num_frames
from tests.conftest import make_speech

CONFIG = GeneratorConfig()


def features_of(num_samples: int) -> int:
    """How many vectors the wave encoder makes, by the arithmetic of convolutions."""
    for stride, padding in ((5, 1600), (6, 0), (1, 7), (6, 0), (1, 7), (3, 0)):
        num_samples = (num_samples + 2 * padding - 15) // stride + 1
    return num_samples


@given(st.integers(1, 50_000_000))
def test_exact_windows_cover_every_frame_once(num_samples):
    windows = plan_windows(num_samples, CONFIG, Timing.EXACT)
    total = num_frames(num_samples)
    assert windows[0].start_frame == 0
    assert windows[-1].end_frame == total
    assert sum(window.kept_frames for window in windows) == total
    for before, after in pairwise(windows):
        assert before.frames == 64
        assert after.start_frame == before.start_frame + before.kept_frames
        assert before.end_frame - after.start_frame == 4
    for window in {windows[0], windows[len(windows) // 2], windows[-1]}:
        assert 1 <= window.frames <= 64
        assert len(windows) == 1 or window.frames > 4
        assert abs(window.start_sample * 3 - window.start_frame * 1600) <= 1
        assert features_of(window.end_sample - window.start_sample) >= window.frames


@given(st.integers(4800, 2_000_000))
def test_reference_windows_are_the_published_arithmetic(num_samples):
    total = num_samples * 30 // 16000
    full, rest = (total - 4) // 60, (total - 4) % 60
    if full == 0 and rest <= 4:
        return
    windows = plan_windows(num_samples, CONFIG, Timing.PUBLISHED)
    assert len(windows) == full + (rest > 4)
    assert sum(window.kept_frames for window in windows) == 60 * full + (4 + rest if rest > 4 else 0)
    for i, window in enumerate(windows):
        assert window.start_sample == 60 * i * 533
        assert window.end_sample - window.start_sample == 533 * window.frames


@pytest.mark.parametrize(("frames", "expected"), [(64, 60), (69, 69), (124, 120), (860, 860)])
def test_reference_frame_counts(frames, expected):
    windows = plan_windows(-(-frames * 16000 // 30), CONFIG, Timing.PUBLISHED)
    assert sum(window.kept_frames for window in windows) == expected


@pytest.mark.parametrize("num_samples", [1, 1000, 4500])
def test_reference_timing_says_when_it_cannot(num_samples):
    with pytest.raises(AudioError, match="Use timing 'exact'"):
        plan_windows(num_samples, CONFIG, Timing.PUBLISHED)


def run(pipe, audio, **options):
    windows = plan_windows(len(audio), pipe.generator.config, options.pop("timing", Timing.EXACT))
    return list(sample_windows(pipe.generator, pipe.codec, audio, windows, **options))


def codes_of(results) -> np.ndarray:
    """(4, T)."""
    codes = join_codes([result.codes for result in results])
    return np.stack([codes[part][0].numpy() for part in NETWORK_PARTS])


@pytest.mark.parametrize("num_samples", [1, 300, 800, 2134, 2667, 34133, 34700, 36800])
def test_any_length_makes_every_frame(tiny, num_samples):
    assert codes_of(run(tiny, make_speech(num_samples))).shape == (4, num_frames(num_samples))


def test_later_sound_changes_no_earlier_window(tiny):
    speech = make_speech(96000)
    other = speech.copy()
    other[64000:] = 0
    before = 120  # the window that starts at frame 120 hears samples from 64000 on
    first, second = codes_of(run(tiny, speech)), codes_of(run(tiny, other))
    assert np.array_equal(first[:, :before], second[:, :before])
    assert not np.array_equal(first[:, before:], second[:, before:])


def test_each_window_starts_from_the_end_of_the_one_before(tiny):
    """The seed reaches the network: what is generated depends on how the motion began."""
    speech = make_speech(64000)
    first, second = run(tiny, speech)
    whole_first = run(tiny, speech[:34133])[0]  # alone, the same window is kept to its last frame
    assert torch.equal(whole_first.codes.upper[:, :60], first.codes.upper)
    with torch.inference_mode():
        seed = tiny.codec.channels(whole_first.codes)[:, -4:]
    window = replace(second.window, start_frame=0, end_frame=60, start_sample=0, end_sample=32000)
    for seed_motion, is_equal in ((seed, True), (rest_seed(4), False)):
        (alone,) = sample_windows(tiny.generator, tiny.codec, speech[32000:], [window], seed_motion=seed_motion)
        assert torch.allclose(alone.output.latents.upper, second.output.latents.upper, atol=1e-5) == is_equal


def hints_over(frames: int, start: int, end: int, seed: int = 0) -> NetworkHints:
    motion = np.random.default_rng(seed).normal(size=(frames, 337)).astype(np.float32)
    mask = np.ones((frames, 337), dtype=np.uint8)
    mask[start:end] = 0
    return NetworkHints(motion, mask)


def test_only_what_a_hint_shows_is_seen(tiny):
    speech = make_speech(64000)
    shown = hints_over(120, 70, 90)
    # another motion where it is hidden
    elsewhere = NetworkHints(hints_over(120, 70, 90, seed=1).motion.copy(), shown.mask)
    elsewhere.motion[70:90] = shown.motion[70:90]
    first, second = (run(tiny, speech, hints=hints) for hints in (shown, elsewhere))
    for window in (0, 1):
        assert torch.equal(first[window].output.latents.hands, second[window].output.latents.hands)
    other = NetworkHints(shown.motion + np.float32(0.5) * (shown.mask == 0), shown.mask)
    third = run(tiny, speech, hints=other)
    assert torch.equal(first[0].output.latents.hands, third[0].output.latents.hands)
    assert not torch.allclose(first[1].output.latents.hands, third[1].output.latents.hands, atol=1e-4)


def test_a_visible_hint_replaces_the_seed(tiny):
    speech = make_speech(64000)
    shown = hints_over(120, 60, 64)  # just the seed frames of the second window
    results = [
        run(tiny, speech, hints=hints)[1].output.latents.upper
        for hints in (shown, NetworkHints(shown.motion * np.float32(2), shown.mask))
    ]
    assert not torch.allclose(*results, atol=1e-4)


def test_in_the_published_timing_the_first_seed_is_the_references(tiny):
    hints = hints_over(120, 70, 90)
    published = first_seed(hints, Timing.PUBLISHED, 4)
    assert np.array_equal(published[0], hints.motion[:4])
    for ours in (first_seed(hints, Timing.EXACT, 4), first_seed(None, Timing.PUBLISHED, 4)):
        assert torch.equal(ours, rest_seed(4))


def test_draws_repeat_by_seed_and_differ_between_seeds(tiny):
    speech = make_speech(64000)
    takes = [codes_of(run(tiny, speech, sampler=Sampler(1.0, None, seed))) for seed in (1, 1, 2)]
    assert np.array_equal(takes[0], takes[1])
    assert (takes[0] != takes[2]).any(axis=1).all()  # in every part
    likeliest = codes_of(run(tiny, speech))
    for cold in (1e-6, 1e-40):
        assert np.array_equal(codes_of(run(tiny, speech, sampler=Sampler(cold, None, 1))), likeliest)
    assert np.array_equal(codes_of(run(tiny, speech, sampler=Sampler(5.0, 1, 1))), likeliest)


@pytest.mark.parametrize("before", [None, 2])
def test_the_likeliest_path_is_the_best_of_all(before):
    generator = torch.Generator().manual_seed(3)
    scores, codes = torch.randn(5, 4, generator=generator), torch.randn(4, 3, generator=generator)
    distance = (codes[:, None] - codes[None]).square().sum(-1)

    def value(path):
        steps = list(pairwise(path)) + ([] if before is None else [(before, path[0])])
        changes = sum(float(distance[a, b] / distance.mean()) for a, b in steps)
        return sum(float(scores[t, code]) for t, code in enumerate(path)) - 0.7 * changes

    best = max(product(range(4), repeat=5), key=value)
    start = None if before is None else torch.tensor([before])
    assert decode_viterbi(scores, codes, 0.7, start).tolist() == list(best)
    assert decode_viterbi(scores, codes, 0.0, start).tolist() == scores.argmax(-1).tolist()
    assert len(set(decode_viterbi(scores, codes, 1e6, start).tolist())) == 1


@pytest.mark.parametrize("sampler", [Sampler(), Sampler(1.0, None, 5)])
def test_smooth_codes_change_less_also_from_window_to_window(tiny, sampler, monkeypatch):
    speech = make_speech(160000)
    seams = np.arange(60, num_frames(len(speech)), 60)
    before = codes_of(run(tiny, speech, sampler=sampler))
    config = replace(tiny.generator.config, smoothness=Parts(0, 1.0, 0, 1e6))
    monkeypatch.setattr(tiny.generator, "config", config)
    after = codes_of(run(tiny, speech, sampler=sampler))
    changes, fewer = (np.diff(codes) != 0 for codes in (before, after))
    assert fewer[1].sum() < 0.7 * changes[1].sum()
    assert not fewer[3].any()  # nor at the seams
    assert changes[3][seams - 1].any()


def test_weights_may_ask_for_a_draw(tiny, monkeypatch):
    speech = make_speech(64000)
    drawn = codes_of(run(tiny, speech, sampler=Sampler(0.8, None, 0)))
    likeliest = codes_of(run(tiny, speech))
    monkeypatch.setattr(tiny.generator, "config", replace(tiny.generator.config, temperature=0.8))
    assert np.array_equal(codes_of(run(tiny, speech)), drawn)
    assert np.array_equal(codes_of(run(tiny, speech, sampler=Sampler())), likeliest)


def test_top_k_draws_among_the_likeliest(tiny):
    for result in run(tiny, make_speech(64000), sampler=Sampler(50.0, 3, 0)):
        for part in ("upper", "hands", "lower"):
            rank = result.output.logits[part] > result.output.logits[part].gather(-1, result.codes[part][..., None])
            assert rank.sum(-1).max() <= 2


def test_noise_is_gumbel_and_slow_and_the_same_in_every_window():
    time = np.arange(130) / 30
    noise = torch.cat([_gumbel_noise(seed, 0, time[:64], 200) for seed in range(40)])
    assert abs(noise.mean() - 0.5772) < 0.02
    assert abs(noise.var() - np.pi**2 / 6) < 0.05
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0])
    drawn = (logits + noise.reshape(-1, 4)).argmax(-1).bincount(minlength=4) / (noise.numel() / 4)
    assert torch.allclose(drawn, logits.softmax(-1).to(drawn), atol=0.01)
    one = _gumbel_noise(3, 1, time, 50)
    assert torch.equal(one[60:124], _gumbel_noise(3, 1, time[60:124], 50))
    step = (one[1:] - one[:-1]).abs().mean()
    assert step < 0.15 * (one[60:] - one[:-60]).abs().mean()


def test_a_draw_goes_on_with_the_speech_and_rests_in_pauses():
    talk = make_speech(16000)
    audio = np.concatenate([talk, np.zeros(32000, np.float32), talk])
    steps = 30 * np.diff(sample_time(audio, 120))
    assert steps[:18].mean() == pytest.approx(1.2, rel=0.25)
    assert steps[26:78] == pytest.approx(0.06, rel=1e-6)
    assert steps[84:90].mean() > 10 * 0.06  # already before the sound comes back, in frame 90
    louder, longer = 30 * np.diff(sample_time(5 * audio, 120)), sample_time(audio, 150)
    np.testing.assert_allclose(louder, steps, rtol=1e-6)
    assert (np.diff(longer) > 0).all()


@pytest.mark.parametrize("loudness", [0, 3e-5])
def test_a_draw_rests_in_silence_and_in_dither(loudness):
    audio = loudness * np.random.default_rng(0).standard_normal(16000)
    time = sample_time(audio, 40)
    assert time[0] == 0
    assert np.diff(time) * 30 == pytest.approx(0.06)


def test_a_draw_of_a_single_sample_goes_on():
    assert np.diff(sample_time(np.full(1, 0.5), 40)) * 30 == pytest.approx(1.2)


def test_a_draw_does_not_race_where_speech_is_rare():
    audio = 1e-3 * np.random.default_rng(0).standard_normal(60 * 16000)
    audio[: 2 * 16000] = make_speech(2 * 16000)
    assert 30 * np.diff(sample_time(audio, 1800)).max() < 3


@pytest.mark.parametrize(
    "bad", [{"temperature": -1}, {"temperature": np.nan}, {"top_k": 0}, {"top_k": 2.5}, {"seed": -1}, {"seed": 1.5}]
)
def test_bad_draws(bad):
    with pytest.raises(EmageError, match=next(iter(bad))):
        Sampler(**bad)


def test_progress_counts_frames_and_may_stop_the_work(tiny):
    calls = []
    run(tiny, make_speech(77333), progress=lambda done, total: calls.append((done, total)))
    assert calls == [(60, 145), (120, 145), (145, 145)]

    class Stop(Exception):
        pass

    def stop(done, total):
        raise Stop

    with pytest.raises(Stop):
        run(tiny, make_speech(77333), progress=stop)


def test_guidance_goes_on_from_without_audio_to_with(tiny):
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


def test_weights_may_ask_for_guidance(tiny, speech):
    plain = tiny.generate((16000, speech))
    config = replace(tiny.generator.config, guidance=3.0)
    assert GeneratorConfig.from_json(config.to_json()) == config
    tiny.generator.config, published = config, tiny.generator.config
    try:
        moved = tiny.generate((16000, speech))
    finally:
        tiny.generator.config = published
    assert np.array_equal(moved.expressions[:40], plain.expressions[:40])
    assert not np.array_equal(moved.poses, plain.poses)
