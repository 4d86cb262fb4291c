"""Motion as it is made: pieces that joined are what `generate` gives, when the first comes, and what is freed."""

import gc
from dataclasses import replace

import numpy as np
import pytest

from emage.errors import EmageError, HintError
from emage.generation.decoding import Sampler
from emage.generation.settings import AS_GENERATED, GROUNDED, IN_PLACE, PUBLISHED, TRANSLATIONS, TakeSettings
from emage.generation.windows import plan_windows, sample_windows
from emage.hints import FOLLOW, LOCK, HintPlan, Hints, Span
from emage.hints.mask import foot_contacts, network_hints
from emage.models.checkpoint import NETWORK_FOLDERS, load_generator, load_networks
from emage.motion import Motion, join_motions
from emage.motion.skeleton import DISJOINT_PARTS
from emage.motion.stages import HeldFrames
from emage.pipeline import EmagePipeline
from emage.postprocess.smoothing import low_pass
from emage.recording.recording import Recording
from emage.recording.transcript import Word
from emage.recording.vocabulary import Vocabulary
from tests.conftest import TINY_PAPER, Stop, asks, assert_same_motion, make_motion, make_speech
from tests.stages import join_codes, lock, smooth_seams, translate

FRAMES = 450
OVER_BORDERS = (
    Span("upper", 40, 90, LOCK),
    Span("hands", 100, 200, FOLLOW),
    Span("lower", 110, 130, LOCK),
    Span("lower", 330, 380, LOCK),
    Span("face", 170, 260, FOLLOW),
    Span("face", 290, 310, LOCK),
)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return Recording.load((16000, make_speech(FRAMES * 16000 // 30)))


@pytest.fixture
def smoothed(tiny, monkeypatch) -> EmagePipeline:
    """Weights that ask for a low pass and smooth seams, as the demo's do."""
    asks(tiny, monkeypatch, low_pass_frames=1.5, seam_frames=18)
    return tiny


@pytest.fixture(scope="module")
def text(body) -> EmagePipeline:
    _, codec = load_networks({name: TINY_PAPER / folder for name, folder in NETWORK_FOLDERS.items()})
    words = Vocabulary.of(tuple(f"word{i}" for i in range(56)))
    pipe = EmagePipeline(load_generator(TINY_PAPER / "text"), codec, vocabulary=words)
    pipe.body = body
    return pipe


def hints() -> Hints:
    return Hints(make_motion(FRAMES, seed=3, reach=0.3), HintPlan(OVER_BORDERS))


def made_whole(pipe: EmagePipeline, recording: Recording, given: Hints | None, settings: TakeSettings) -> Motion:
    """Every step over the whole motion, one after the other."""
    config, samples = pipe.generator.config, recording.part_samples
    windows = plan_windows(len(samples), config, settings.timing)
    shown = None
    if given is not None:
        shown = network_hints(given, foot_contacts(pipe.body.joints(given.reference)), windows[-1].end_frame)
    sampler = None if settings.seed is None else Sampler(settings.temperature, settings.top_k, settings.seed)
    results = sample_windows(
        pipe.generator, pipe.codec, samples, windows, shown, settings.speaker, pipe.sampling, sampler
    )
    motion = pipe.decode(join_codes(list(results)), np.zeros(3))
    motion = low_pass(motion, pipe.sampling.low_pass_frames)
    motion = smooth_seams(motion, [(each.start_frame, each.start_frame + 4) for each in windows[1:]], 18)
    if given is None:
        return translate(motion, settings.resolved_translation, lambda: pipe.body)
    motion = replace(lock(motion, given), betas=given.reference.betas)
    locked = given.plan.covers(motion.num_frames, (LOCK,))[:, DISJOINT_PARTS.index("lower")]
    return translate(motion, settings.resolved_translation, lambda: pipe.body, locked, reference=given.reference)


@pytest.mark.parametrize("translation", TRANSLATIONS)
@pytest.mark.parametrize("hinted", [False, True], ids=["free", "hinted"])
def test_pieces_joined_are_the_take_and_every_step_over_the_whole(smoothed, recording, translation, hinted):
    given, settings = hints() if hinted else None, TakeSettings(translation=translation)
    pieces = list(smoothed.stream(recording, given, settings))
    made = join_motions(pieces)
    assert len(pieces) > 1
    assert_same_motion(made, smoothed.generate(recording, given, translation=translation))
    expected = made_whole(smoothed, recording, given, settings)
    assert made.num_frames == expected.num_frames == smoothed.count_frames(recording, settings) == FRAMES
    # In pieces of other lengths, sums of floats round otherwise.
    for name, atol in {"poses": 1e-4, "expressions": 1e-5, "trans": 1e-5}.items():
        np.testing.assert_allclose(getattr(made, name), getattr(expected, name), atol=atol, err_msg=name)
    np.testing.assert_array_equal(made.betas, expected.betas)


@pytest.mark.parametrize(
    "settings",
    [
        TakeSettings(timing=PUBLISHED),
        TakeSettings(timing=PUBLISHED, translation=GROUNDED),
        TakeSettings(seed=3, temperature=0.8, top_k=5, speaker=1),
        TakeSettings(seam_frames=5, use_audio=False, translation=IN_PLACE),
    ],
    ids=["published", "published, grounded", "sampled", "without audio"],
)
@pytest.mark.parametrize("hinted", [False, True], ids=["free", "hinted"])
def test_every_setting_streams(tiny, recording, settings, hinted):
    given = hints() if hinted else None
    made = join_motions(list(tiny.stream(recording, given, settings)))
    options = {name: getattr(settings, name) for name in ("speaker", "seed", "timing", "temperature", "top_k")}
    options |= {name: getattr(settings, name) for name in ("translation", "seam_frames", "use_audio")}
    assert_same_motion(made, tiny.generate(recording, given, **options))
    assert made.num_frames == tiny.count_frames(recording, settings)


@pytest.mark.parametrize("timing", ["exact", "published"])
def test_weights_that_hear_words_stream(text, recording, timing):
    said = replace(recording, words=tuple(Word(f"word{i}", i / 2, i / 2 + 0.4) for i in range(30)))
    pieces = list(text.stream(said, None, TakeSettings(timing=timing)))
    assert len(pieces) > 1
    assert_same_motion(join_motions(pieces), text.generate(said, timing=timing))
    silent = text.generate(recording, timing=timing)
    assert not np.array_equal(silent.poses, join_motions(pieces).poses)


def test_what_goes_on_from_a_motion_streams(tiny, recording):
    start = make_motion(20, seed=5)
    made = join_motions(list(tiny.stream(recording, seed_motion=start)))
    assert_same_motion(made, tiny.generate(recording, seed_motion=start))
    np.testing.assert_allclose(made.trans[0, [0, 2]], start.trans[-1, [0, 2]], atol=1e-9)


@pytest.mark.parametrize(("translation", "most"), [(AS_GENERATED, 2), (GROUNDED, 4)])
def test_the_first_piece_comes_after_some_windows_of_a_long_recording(smoothed, translation, most):
    long, windows = Recording.load((16000, make_speech(60 * 16000))), []
    settings = TakeSettings(translation=translation)
    stream = smoothed.stream(long, None, settings, lambda stage, done, total: windows.append(done))
    assert windows == []
    assert next(stream).num_frames >= 20
    assert len(windows) <= most
    stream.close()


def test_who_stops_frees_all(tiny, recording):
    def held() -> int:
        gc.collect()
        return sum(type(each) is HeldFrames for each in gc.get_objects())

    before = held()
    stream = tiny.stream(recording, hints())
    next(stream)
    assert held() > before
    stream.close()
    del stream
    assert held() == before

    calls = []

    def stop(stage: str, done: int, total: int) -> None:
        calls.append(done)
        if len(calls) == 4:
            raise Stop

    with pytest.raises(Stop):
        list(tiny.stream(recording, hints(), progress=stop))
    assert held() == before
    assert len(calls) == 4


def test_faults_are_told_before_the_first_piece_is_asked_for(tiny, recording):
    with pytest.raises(EmageError, match="no speaker 7"):
        tiny.stream(recording, None, TakeSettings(speaker=7))
    late = Hints(make_motion(FRAMES + 50), HintPlan((Span("face", 0, FRAMES + 20),)))
    with pytest.raises(HintError, match=f"lasts {FRAMES} frames"):
        tiny.stream(recording, late)
