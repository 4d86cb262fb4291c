"""The pipeline with weights that hear words, and the body without any audio."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from emage.errors import EmageError
from emage.generation.sampling import SamplingConfig
from emage.generation.settings import AS_GENERATED, EXACT, PUBLISHED, TakeSettings
from emage.generation.take import Request
from emage.generation.windows import plan_windows
from emage.hints import HintPlan, Hints, Span
from emage.models.checkpoint import NETWORK_FOLDERS, load_generator, load_networks
from emage.models.generator import Generator
from emage.motion.skeleton import TRANSLATION
from emage.pipeline import EmagePipeline
from emage.recording.recording import Recording
from emage.recording.transcript import Word
from emage.recording.vocabulary import Vocabulary
from tests.conftest import ROOT, angles_between, assert_same_motion, make_motion

TINY = ROOT / "tests" / "parity" / "tiny"
WORDS = tuple(f"word{i}" for i in range(56))
SAID = (Word("word3", 0.2, 1.0), Word("word20", 1.0, 2.2), Word("word41", 2.5, 4.0))


@pytest.fixture(scope="module")
def text(body) -> EmagePipeline:
    """The tiny reference's networks, with words of our own."""
    _, codec = load_networks({name: TINY / folder for name, folder in NETWORK_FOLDERS.items()})
    pipe = EmagePipeline(load_generator(TINY / "text"), codec, vocabulary=Vocabulary.of(WORDS))
    pipe.body = body
    return pipe


@pytest.fixture(scope="module")
def recording(speech) -> Recording:
    return Recording.load((16000, speech))


def make(pipe: EmagePipeline, recording: Recording, **options) -> np.ndarray:
    return pipe.generate(recording, translation=AS_GENERATED, **options).poses


@pytest.mark.parametrize("timing", [EXACT, PUBLISHED])
def test_words_change_the_motion_where_they_are(text, recording, timing):
    said = replace(recording, words=SAID)
    plain, spoken = (make(text, each, timing=timing) for each in (recording, said))
    assert plain.shape == spoken.shape
    assert plain.shape[0] == (recording.num_frames if timing == EXACT else 124)
    apart = angles_between(plain, spoken).max(1)
    assert apart[:64].max() > 0.1
    other = replace(recording, words=(*SAID[:2], Word("word7", 2.5, 4.0)))
    late = make(text, other, timing=timing)
    assert angles_between(spoken, late)[:50].max() < 1e-4  # the window that hears the other word begins at frame 60
    assert angles_between(spoken, late)[64:].max() > 0.1


def test_a_part_hears_the_words_of_its_own_time(text, recording):
    said = replace(recording, words=SAID)
    part = said.trim(36, 100)
    shifted = tuple(Word(word.text, max(word.start_s - 1.2, 0), word.end_s - 1.2) for word in SAID[1:])
    alone = replace(Recording.load((16000, part.part_samples)), words=shifted)
    assert angles_between(make(text, part), make(text, alone)).max() < 1e-4


def test_without_words_all_are_unknown(text, recording):
    strange = replace(recording, words=tuple(Word("🙂", word.start_s, word.end_s) for word in SAID))
    beyond = replace(recording, words=(Word("word3", 90.0, 91.0),))
    deaf = EmagePipeline(text.generator, text.codec)
    deaf.body = text.body
    plain = make(text, recording)
    for same in (make(text, strange), make(text, beyond), make(deaf, replace(recording, words=SAID))):
        assert np.array_equal(same, plain)
    assert np.array_equal(make(text, (16000, recording.samples)), plain)


def test_seed_motion_is_where_the_papers_loop_begins(text, recording):
    start = make_motion(30)
    motion = text.generate(recording, timing=PUBLISHED, seed_motion=start)
    assert motion.num_frames == 124
    np.testing.assert_allclose(motion.trans[0, [0, 2]], start.trans[-4, [0, 2]], atol=1e-5)
    assert text.generate(recording, seed_motion=start).num_frames == recording.num_frames


def test_guidance_and_samples_work_with_words(text, recording):
    said = replace(recording, words=SAID)
    guided = EmagePipeline(
        text.generator, text.codec, vocabulary=text.vocabulary, sampling=SamplingConfig(guidance=1.0)
    )
    guided.body = text.body
    plain, more = make(text, said), make(guided, said)
    assert angles_between(plain, more).max() > 0.1
    assert np.array_equal(make(text, said, seed=3), make(text, said, seed=3))
    assert not np.array_equal(make(text, said, seed=3), plain)


def test_share_of_content_is_told_for_every_frame(text, recording, tiny):
    share = text.content_share(replace(recording, words=SAID))
    assert share.face.shape == share.body.shape == (recording.num_frames,)
    assert 0 < share.body.min() < share.body.max() < 1
    unsaid = text.content_share(recording)
    frames = slice(32, 60)  # of a word
    assert np.abs(share.body - unsaid.body)[frames].max() > 1e-3
    assert np.abs(share.body - unsaid.body)[124:].max() == 0  # behind the last word
    with pytest.raises(EmageError, match="hear no words"):
        tiny.content_share(recording)


def test_weights_that_hear_both_ways_use_words_where_there_are_some(text, recording):
    torch.manual_seed(0)
    generator = Generator(replace(text.generator.config, waveform=True, conventions="released"))
    both = EmagePipeline(generator, text.codec, vocabulary=text.vocabulary)
    both.body = text.body
    said = replace(recording, words=SAID)
    assert both.content_share(said).body.shape == (recording.num_frames,)
    with pytest.raises(EmageError, match="hear no words of this recording"):
        both.content_share(recording)
    unsaid, spoken = make(both, recording), make(both, said)
    assert unsaid.shape == spoken.shape
    assert not np.array_equal(unsaid, spoken)
    foreign = replace(recording, words=tuple(replace(word, text=f"wort{i}") for i, word in enumerate(SAID)))
    assert not both.reads(foreign)
    assert np.array_equal(unsaid, make(both, foreign))
    mixed = replace(recording, words=(*foreign.words[:2], SAID[2]))
    assert both.count_known(mixed) == 1
    assert both.reads(mixed)
    assert not both.reads(mixed.trim(0, 30))  # where only foreign words are spoken
    assert both.count_known(mixed.trim(0, 30)) == 0


@pytest.mark.parametrize("hears_words", [False, True])
def test_without_audio_the_body_comes_of_hints_alone(text, tiny, recording, hears_words):
    pipe = text if hears_words else tiny
    other = replace(Recording.load((16000, 0.5 * recording.samples[::-1].copy())), words=SAID[:1])
    bodies = [make(pipe, each, use_audio=False)[:, : 3 * 22] for each in (recording, other)]
    assert np.array_equal(*bodies)
    assert not np.array_equal(bodies[0], make(pipe, recording)[:, : 3 * 22])
    reference = make_motion(150)
    hints = Hints(reference, HintPlan(tuple(Span(part, 0, 100, "follow") for part in ("upper", "hands", "lower"))))
    settings = TakeSettings(use_audio=False, translation=AS_GENERATED)
    hinted = pipe.take(Request(recording, settings, hints)).motion
    assert not np.array_equal(hinted.poses[:, : 3 * 22], bodies[0])
    assert_same_motion(hinted, pipe.generate(recording, hints, translation=AS_GENERATED, use_audio=False))


def test_paper_seeds_hold_places_and_a_jaw_at_rest(text):
    codes = text.codec.encode(torch.randn(1, 20, 337), torch.randn(1, 20, 100))
    start = torch.tensor([[1.0, 2.0, 3.0]])
    with torch.inference_mode():
        as_decoded, placed = text.codec.channels(codes), text.codec.placed_channels(codes, start)
    assert placed[0, 0, TRANSLATION][[0, 2]].tolist() == [1.0, 3.0]
    velocity = as_decoded[0, :-1, TRANSLATION]
    torch.testing.assert_close(placed[0, 1:, TRANSLATION][:, [0, 2]].diff(dim=0), velocity[1:, [0, 2]] / 30)
    assert torch.equal(placed[0, :, TRANSLATION][:, 1], as_decoded[0, :, TRANSLATION][:, 1])
    identity = torch.tensor([1.0, 0, 0, 0, 1, 0])
    assert torch.equal(placed[0, :, 22 * 6 : 23 * 6], identity.expand(20, 6))
    assert len(plan_windows(72000, text.generator.config, PUBLISHED)) == 2
