"""Words and phones with their times, and speech where a synthesizer is installed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emage.motion import ARKIT52
from tests.train.synthetic.conftest import is_installed, make_times
from train.synthetic.compose import perform
from train.synthetic.engines.espeak import share_phones
from train.synthetic.engines.festival import read_report
from train.synthetic.engines.spoken import Phrase, SpokenPhone, SpokenPhrase
from train.synthetic.errors import CorpusError
from train.synthetic.face import VISEMES
from train.synthetic.grammar import sentence, tokens
from train.synthetic.phones import PHONES, VOWELS, from_espeak
from train.synthetic.speakers import SPEAKERS
from train.synthetic.speech import emphasise, phrases_of, speak
from train.synthetic.timing import Times


def test_motion_follows_from_times_and_seed_alone(tmp_path: Path):
    times = make_times("no, i saw a *big house over there.", 3, seed=5)
    times.save(tmp_path / "times.json")
    first, again = perform(times), perform(Times.load(tmp_path / "times.json"))
    for key in ("poses", "trans", "expressions"):
        assert np.array_equal(getattr(first.motion, key), getattr(again.motion, key))
    other = perform(replace(times, seed=6))
    assert not np.array_equal(first.motion.poses, other.motion.poses)
    assert perform(replace(times, speaker=4)).motion.num_frames == first.motion.num_frames == times.num_frames
    assert first.motion.expression_basis == ARKIT52


def test_times_refuse_gaps_unknown_phones_and_foreign_files(tmp_path: Path):
    times = make_times("you and me.")
    with pytest.raises(CorpusError, match="does not begin where the last one ended"):
        replace(times, phones=(*times.phones[:3], *times.phones[4:]))
    with pytest.raises(CorpusError, match="belongs to no word"):
        replace(times, words=())
    with pytest.raises(CorpusError, match="format 1"):
        Times.from_json({**times.to_json(), "format": 2})
    with pytest.raises(CorpusError, match="lacks or garbles"):
        Times.from_json({**times.to_json(), "words": [["a", 1]]})
    (tmp_path / "no.json").write_text("{")
    with pytest.raises(CorpusError, match="cannot be read"):
        Times.load(tmp_path / "no.json")


def test_accents_lie_on_the_stressed_vowel():
    times = make_times("banana.")
    assert times.accent_s(0) == pytest.approx(0.57)  # after the silence and the b
    later = [replace(p, is_stressed=i == 4) for i, p in enumerate(times.phones)]
    assert replace(times, phones=tuple(later)).accent_s(0) == pytest.approx(times.phones[4].start_ms / 1000)


def test_every_phone_of_the_times_has_a_mouth():
    assert set(VISEMES) == PHONES
    with pytest.raises(CorpusError, match="phones.py does not know"):
        from_espeak("nonsense")


def test_the_grammar_speaks_in_plain_words():
    rng = np.random.default_rng(0)
    for _ in range(300):
        words = sentence(rng)
        assert words[-1].ending in {".", "?", "!"}
        assert all(word.text.isalpha() and word.text.islower() for word in words)
        assert not any(word.ending in {".", "?", "!"} for word in words[:-1])


def test_festivals_and_espeaks_reports_are_read(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(16000), 16000)
    report = "pau 0.2 0 0\nn 0.3 1 _1\now 0.5 1 _1\nn 0.55 1 _2\now 0.9 1 _2\npau 1.0 0 0"
    read = read_report(report, tmp_path / "a.wav")
    assert [phone.word for phone in read.phones] == [-1, 0, 0, 1, 1, -1]  # two words that sound the same
    assert read.phones[2].end_s == 0.5
    shared = share_phones([("V", 0, 1), ("v", 1, 2), ("dh", 2, 3), ("ax", 3, 4)], [(2, 0), (2, 0)], 5)
    assert [phone.word for phone in shared] == [5, 5, 6, 6]
    assert [phone.is_stressed for phone in shared] == [False, False, False, True]


def test_emphasis_makes_a_word_louder_and_longer():
    tone = 0.3 * np.sin(2 * np.pi * 150 * np.arange(16000) / 16000).astype(np.float32)
    phones = (
        SpokenPhone("aa", 0, 0.4, True, 0),
        SpokenPhone("aa", 0.4, 0.7, True, 1),
        SpokenPhone("aa", 0.7, 1.0, True, 2),
    )
    phrase = Phrase(tokens("one *two three."), 0.1)
    said = emphasise(phrase, SpokenPhrase(tone, 16000, phones))
    assert said.phones[1].end_s - said.phones[1].start_s == pytest.approx(0.36)
    assert said.phones[2].end_s == pytest.approx(1.06) == pytest.approx(len(said.audio) / 16000)
    loud = [said.audio[round(16000 * (p.start_s + 0.05)) : round(16000 * (p.end_s - 0.05))].std() for p in said.phones]
    assert 1.3 * loud[0] < loud[1] < 1.8 * loud[0]


@pytest.mark.parametrize("engine", ["espeak-ng", "flite", "festival"])
def test_a_synthesizer_speaks_the_words_in_time(engine):
    speaker = next(s for s in SPEAKERS if s.voice.engine == engine and not s.voice.name.startswith("cmu_us"))
    words = tokens("one of the *big houses is over there, maybe not.")
    rng = np.random.default_rng(1)
    phrases = phrases_of([words], speaker.voice, rng)
    if not is_installed(engine):
        # Without it: the error names what to install.
        with pytest.raises(CorpusError, match="apt-get install"):
            speak("1_x", speaker.number, 0, speaker.voice, phrases)
        return
    audio, times = speak("1_x", speaker.number, 0, speaker.voice, phrases)
    assert [word.text for word in times.words] == [token.text for token in words]
    assert len(audio) == times.num_samples == pytest.approx(16 * times.phones[-1].end_ms, abs=16)
    level = np.sqrt(np.convolve(np.square(audio), np.ones(160) / 160, "same"))
    spoken = np.zeros(len(audio), bool)
    for phone in times.phones:
        if phone.label in VOWELS:
            spoken[16 * phone.start_ms : 16 * phone.end_ms] = True
    silent = np.zeros(len(audio), bool)
    for start_s, end_s in times.silences_s(0.1):
        silent[round(16000 * (start_s + 0.02)) : round(16000 * (end_s - 0.02))] = True
    assert level[spoken].mean() > 20 * level[silent].mean()
    assert times.accent_s(4) > times.words[4].start_ms / 1000  # houses: after the h
    assert times.phones_of(4)[1].is_stressed
