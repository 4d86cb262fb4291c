"""Windows over a recording: which there are, what each starts from and is shown, and the codes that come of them."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emage.errors import AudioError, WeightsError
from emage.generation.decoding import Sampler
from emage.generation.sampling import SamplingConfig
from emage.generation.settings import EXACT, PUBLISHED
from emage.generation.windows import first_seed, plan_windows, rest_seed, sample_windows
from emage.hints.mask import NetworkHints
from emage.models.generator import GeneratorConfig
from emage.models.parts import Parts
from emage.motion.skeleton import NETWORK_PARTS
from emage.recording.audio import num_frames
from tests.conftest import Stop, make_speech
from tests.stages import join_codes

CONFIG = GeneratorConfig()


def features_of(num_samples: int) -> int:
    """How many vectors the wave encoder makes, by the arithmetic of convolutions."""
    for stride, padding in ((5, 1600), (6, 0), (1, 7), (6, 0), (1, 7), (3, 0)):
        num_samples = (num_samples + 2 * padding - 15) // stride + 1
    return num_samples


@given(st.integers(1, 50_000_000))
def test_exact_windows_cover_every_frame_once(num_samples):
    windows = plan_windows(num_samples, CONFIG, EXACT)
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


@given(st.integers(1, 2_000_000), st.integers(0, 59))
def test_windows_that_look_ahead_keep_every_frame_once(num_samples, lookahead):
    windows = plan_windows(num_samples, CONFIG, EXACT, lookahead)
    total = num_frames(num_samples)
    assert windows[-1].end_frame == total
    assert sum(window.kept_frames for window in windows) == total
    for before, after in pairwise(windows):
        assert before.frames == 64
        assert after.start_frame == before.start_frame + before.kept_frames
        assert before.end_frame - after.start_frame == 4 + lookahead
        assert after.end_frame > before.end_frame


def test_a_lookahead_that_leaves_nothing_is_refused():
    with pytest.raises(WeightsError, match="lookahead of 60 frames, and a window of 64 has room for 59"):
        plan_windows(64000, CONFIG, EXACT, 60)


@given(st.integers(4800, 2_000_000))
def test_published_windows_are_the_published_arithmetic(num_samples):
    total = num_samples * 30 // 16000
    full, rest = (total - 4) // 60, (total - 4) % 60
    if full == 0 and rest <= 4:
        return
    windows = plan_windows(num_samples, CONFIG, PUBLISHED)
    assert len(windows) == full + (rest > 4)
    assert sum(window.kept_frames for window in windows) == 60 * full + (4 + rest if rest > 4 else 0)
    for i, window in enumerate(windows):
        assert window.start_sample == 60 * i * 533
        assert window.end_sample - window.start_sample == 533 * window.frames


@given(st.integers(34134, 2_000_000))
def test_windows_of_the_papers_loop_are_whole(num_samples):
    config = GeneratorConfig(vocabulary=9, conventions="paper")
    frames = num_samples * 30 // 16000 // 8 * 8
    windows = plan_windows(num_samples, config, PUBLISHED)
    assert len(windows) == (frames - 4) // 60
    assert sum(window.kept_frames for window in windows) == 64 + 60 * (len(windows) - 1)
    for i, window in enumerate(windows):
        assert (window.start_frame, window.end_frame) == (60 * i, 60 * i + 64)
        assert window.kept == slice(4 if i else 0, 64)
        assert (window.start_sample, window.end_sample) == (60 * i * 533, 60 * i * 533 + 64 * 533)
    assert plan_windows(num_samples, config, EXACT) == plan_windows(num_samples, CONFIG, EXACT)


def test_the_papers_loop_needs_a_whole_window():
    with pytest.raises(AudioError, match=r"more than 2\.1 s. Use timing 'exact'"):
        plan_windows(30000, GeneratorConfig(vocabulary=9, conventions="paper"), PUBLISHED)


def test_the_published_timing_drops_frames_and_says_when_it_cannot():
    for frames, expected in ((64, 60), (69, 69), (124, 120), (860, 860)):
        windows = plan_windows(-(-frames * 16000 // 30), CONFIG, PUBLISHED)
        assert sum(window.kept_frames for window in windows) == expected
    for num_samples in (1, 1000, 4500):
        with pytest.raises(AudioError, match="Use timing 'exact'"):
            plan_windows(num_samples, CONFIG, PUBLISHED)


def run(pipe, audio, **options):
    windows = plan_windows(len(audio), pipe.generator.config, options.pop("timing", EXACT))
    return list(sample_windows(pipe.generator, pipe.codec, audio, windows, **options))


def codes_of(results) -> np.ndarray:
    """(4, T)."""
    codes = join_codes(results)
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


def test_a_window_starts_from_the_frames_that_it_makes_anew(tiny):
    speech = make_speech(64000)
    windows = plan_windows(len(speech), tiny.generator.config, EXACT, 12)
    first, second, _ = sample_windows(tiny.generator, tiny.codec, speech, windows)
    assert len(first.codes.upper[0]) == second.window.start_frame == 48
    whole_first = run(tiny, speech[:34133])[0]
    with torch.inference_mode():
        seed = tiny.codec.channels(whole_first.codes)[:, 48:52]
    window = replace(second.window, start_frame=0, end_frame=64, start_sample=0, end_sample=34133)
    for seed_motion, is_equal in ((seed, True), (rest_seed(4), False)):
        (alone,) = sample_windows(tiny.generator, tiny.codec, speech[25600:59733], [window], seed_motion=seed_motion)
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
    published = first_seed(hints, PUBLISHED, 4)
    assert np.array_equal(published[0], hints.motion[:4])
    for ours in (first_seed(hints, EXACT, 4), first_seed(None, PUBLISHED, 4)):
        assert torch.equal(ours, rest_seed(4))


def test_samples_repeat_by_seed_and_differ_between_seeds(tiny):
    speech = make_speech(64000)
    takes = [codes_of(run(tiny, speech, sampler=Sampler(1.0, None, seed))) for seed in (1, 1, 2)]
    assert np.array_equal(takes[0], takes[1])
    assert (takes[0] != takes[2]).any(axis=1).all()  # in every part
    argmax = codes_of(run(tiny, speech))
    for sampler in (Sampler(1e-6, None, 1), Sampler(1e-40, None, 1), Sampler(5.0, 1, 1)):
        assert np.array_equal(codes_of(run(tiny, speech, sampler=sampler)), argmax)
    # Weights may ask for a sample, and whoever says so has the argmax all the same.
    warm = SamplingConfig(temperature=0.8)
    sampled = codes_of(run(tiny, speech, sampler=Sampler(0.8, None, 0)))
    assert np.array_equal(codes_of(run(tiny, speech, sampling=warm)), sampled)
    assert np.array_equal(codes_of(run(tiny, speech, sampling=warm, sampler=Sampler())), argmax)


@pytest.mark.parametrize("sampler", [Sampler(), Sampler(1.0, None, 5)])
def test_codes_of_a_cost_change_less_also_from_window_to_window(tiny, sampler):
    speech = make_speech(160000)
    seams = np.arange(60, num_frames(len(speech)), 60)
    costs = SamplingConfig(Parts(0.0, 1.0, 0.0, 1e6))
    changes, fewer = (
        np.diff(codes_of(run(tiny, speech, sampler=sampler, sampling=sampling))) != 0 for sampling in (None, costs)
    )
    assert fewer[1].sum() < 0.7 * changes[1].sum()
    assert not fewer[3].any()  # nor at the seams
    assert changes[3][seams - 1].any()


def test_top_k_samples_among_the_most_probable(tiny):
    for result in run(tiny, make_speech(64000), sampler=Sampler(50.0, 3, 0)):
        for part in ("upper", "hands", "lower"):
            rank = result.output.logits[part] > result.output.logits[part].gather(-1, result.codes[part][..., None])
            assert rank.sum(-1).max() <= 2


def test_progress_counts_frames_and_may_stop_the_work(tiny):
    calls = []
    run(tiny, make_speech(77333), progress=lambda done, total: calls.append((done, total)))
    assert calls == [(60, 145), (120, 145), (145, 145)]

    def stop(done, total):
        raise Stop

    with pytest.raises(Stop):
        run(tiny, make_speech(77333), progress=stop)
