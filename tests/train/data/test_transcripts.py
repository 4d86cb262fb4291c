"""Transcripts in training: the words of windows, and noise as recognition makes it."""

import numpy as np
import pytest

from emage.errors import EmageError
from emage.recording.transcript import Word
from emage.recording.vocabulary import UNK, Vocabulary
from tests.train.conftest import WORDS
from train.data.corpus import CorpusError
from train.data.transcripts import TranscriptNoise, Transcripts, collect_vocabulary, disturb_words

SAID = tuple(Word(f"said{i}", 1 + i / 2, 1.4 + i / 2) for i in range(20))
OTHERS = ("other", "another")
NOTHING = {"exact_chance": 0.0, "missing_chance": 0.0, "drop_chance": 0.0, "wrong_chance": 0.0, "shift_s": 0.0}


def disturb(times: int = 400, **noise: float) -> list[tuple[Word, ...]]:
    rng = np.random.default_rng(0)
    return [disturb_words(SAID, OTHERS, TranscriptNoise(**{**NOTHING, **noise}), rng) for _ in range(times)]


def test_without_noise_the_words_stay():
    assert disturb(3) == [SAID] * 3
    assert disturb(3, exact_chance=1.0, drop_chance=1.0, shift_s=9.0) == [SAID] * 3


def test_words_are_dropped_by_their_chance():
    made = disturb(drop_chance=0.3)
    assert np.mean([len(words) for words in made]) == pytest.approx(0.7 * len(SAID), rel=0.03)
    assert all(set(words) <= set(SAID) for words in made)


def test_words_are_wrong_by_their_chance():
    made = disturb(drop_chance=0.2, wrong_chance=0.3)
    texts = [word.text for words in made for word in words]
    assert len(texts) / (400 * len(SAID)) == pytest.approx(0.8, rel=0.03)
    assert sum(text in OTHERS for text in texts) / (400 * len(SAID)) == pytest.approx(0.3, rel=0.05)
    assert {(word.start_s, word.end_s) for words in made for word in words} <= {(w.start_s, w.end_s) for w in SAID}


def test_words_are_shifted_each_and_together():
    made = disturb(shift_s=0.05)
    assert all([word.text for word in words] == [word.text for word in SAID] for words in made)
    for bound in ("start_s", "end_s"):
        off = np.array([[getattr(word, bound) for word in words] for words in made])
        off -= [getattr(word, bound) for word in SAID]
        assert off.mean() == pytest.approx(0, abs=0.01)
        assert off.mean(1).std() == pytest.approx(np.hypot(0.05, 0.05 / np.sqrt(len(SAID))), rel=0.1)  # of a transcript
        assert off.std(1).mean() == pytest.approx(0.05, rel=0.1)  # of words against each other
    wild = [word for words in disturb(shift_s=2.0) for word in words]
    assert min(word.start_s for word in wild) == 0
    assert all(word.end_s >= word.start_s for word in wild)


def test_windows_without_a_transcript_and_with_an_exact_one():
    assert disturb(3, missing_chance=1.0) == [()] * 3
    made = disturb(2000, exact_chance=0.4, missing_chance=0.1, shift_s=0.01)
    assert sum(words == () for words in made) / 2000 == pytest.approx(0.1, abs=0.02)
    assert sum(words == SAID for words in made) / 2000 == pytest.approx(0.4, abs=0.03)


def test_a_chance_out_of_range_is_refused():
    with pytest.raises(EmageError, match="drop_chance is 1.5"):
        TranscriptNoise(drop_chance=1.5)


def test_a_window_has_the_words_of_its_time(spoken_cache, cache):
    vocabulary = collect_vocabulary(spoken_cache)
    assert vocabulary.words[UNK + 1 :] == tuple(sorted(WORDS))
    noisy = Transcripts(spoken_cache, vocabulary, TranscriptNoise(exact_chance=0.0, missing_chance=0.0, drop_chance=1))
    rng = np.random.default_rng(0)
    assert (noisy.words(0, 20, 64, rng) == UNK).all()
    indices = noisy.exact().words(0, 20, 64, rng)
    heard = [vocabulary.words[index] for index in indices]
    assert heard[0] == "big"  # from frame 15 to 27
    assert heard[8:10] == ["<unk>"] * 2
    assert heard[10] == "houses"
    with pytest.raises(CorpusError, match="has no words"):
        collect_vocabulary(cache)


def test_a_window_s_rhythm_is_its_sound_and_the_clip_s_onsets(spoken_cache):
    vocabulary = Vocabulary.of(WORDS)
    transcripts = Transcripts(spoken_cache, vocabulary, TranscriptNoise())
    clip = spoken_cache.clips[0]
    audio = spoken_cache.clip_audio(clip, 30, 94)
    rhythm = transcripts.rhythm(0, 30, audio)
    assert rhythm.shape == (len(audio), 2)
    assert rhythm[0, 0] == np.abs(audio[:1024]).max()
    whole = transcripts.rhythm(0, 0, spoken_cache.clip_audio(clip))
    assert rhythm[:, 1].sum() > 0
    np.testing.assert_array_equal(rhythm[:, 1], whole[16000 : 16000 + len(audio), 1])
