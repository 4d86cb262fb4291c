"""Rhythm and words of speech, as a generator that knows words hears them."""

import numpy as np
import pytest

from emage.recording.features import Speech, onset_samples, speech_rhythm, word_indices
from emage.recording.transcript import Word
from emage.recording.vocabulary import UNK, Vocabulary
from tests.conftest import ROOT, make_speech

TINY_TEXT = ROOT / "tests" / "parity" / "tiny" / "text" / "sequence.npz"


def test_rhythm_of_the_reference():
    sequence = np.load(TINY_TEXT)
    audio, expected = sequence["waveform"], sequence["amplitude_onset"][0]
    rhythm = speech_rhythm(audio, onset_samples(audio, published=True))
    assert np.array_equal(rhythm, expected)
    assert expected[:, 1].sum() > 20
    total = len(audio)
    for start, end in (
        (0, 900),
        (31980, 66113),
        (total - 34133, total),
        (total - 1500, total + 300),
        (total - 5, total),
    ):
        part = speech_rhythm(audio, onset_samples(audio, published=True), start, end)
        heard = expected[start:end]
        assert np.array_equal(part[: len(heard)], heard)
        assert part.shape == (end - start, 2)
        assert not part[len(heard) :].any()


def test_onsets_lie_where_sounds_set_in():
    clicks = np.array([20000, 61000, 90000])
    audio = np.zeros(160000, dtype=np.float32)
    for click in clicks:
        audio[click : click + 4000] = np.random.default_rng(0).standard_normal(4000) * np.linspace(0.5, 0, 4000)
    onsets = onset_samples(audio)
    apart = np.abs(onsets[:, None] - clicks)
    assert apart.min(0).max() <= 1024
    assert apart.min(1).max() <= 1024
    assert onset_samples(audio, published=True).tolist() == (onsets // 512).tolist()
    assert len(onset_samples(np.zeros(16000, np.float32))) == 0


@pytest.mark.parametrize("num_samples", [1, 100, 1024, 1500])
def test_rhythm_of_very_short_sounds(num_samples):
    audio = make_speech(num_samples) + 0.1
    rhythm = speech_rhythm(audio, onset_samples(audio))
    assert rhythm.shape == (num_samples, 2)
    assert rhythm[0, 0] == np.abs(audio[:1024]).max()


def test_onsets_of_a_long_recording_are_those_of_its_minutes():
    audio = make_speech(250 * 16000)
    speech = Speech(audio)
    onsets = speech.onsets_between(0, len(audio))
    assert len(onsets) > 900
    assert (np.diff(onsets) > 0).all()
    pieces = [speech.onsets_between(start, start + 34133) for start in range(0, len(audio), 34133)]
    np.testing.assert_array_equal(np.concatenate(pieces), onsets)
    early = Speech(audio[: 125 * 16000]).onsets_between(0, 59 * 16000)
    np.testing.assert_array_equal(early, onsets[onsets < 59 * 16000])
    short = audio[: 100 * 16000]
    np.testing.assert_array_equal(Speech(short).onsets_between(0, len(short)), onset_samples(short))


def test_words_come_to_their_frames():
    vocabulary = Vocabulary.of(["one", "two"])
    words = (Word("one", 0.0, 0.1), Word("two", 0.1, 0.2), Word("strange", 0.3, 0.4), Word("two", 5.0, 6.0))
    indices = word_indices(words, vocabulary, 15)
    assert indices.tolist() == [4] * 4 + [5] * 3 + [UNK] * 8  # frame 3 is at 0.1 s, where both are: the first has it
    assert word_indices(words, vocabulary, 4, start_frame=4).tolist() == [5, 5, 5, UNK]
    assert word_indices((), vocabulary, 2).tolist() == [UNK, UNK]
