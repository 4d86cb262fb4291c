"""Words of a recording: aligned, recognised, and through the one door to both."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from emage.errors import Cancelled, EmageError
from emage.recording.alignment import STAGE_ALIGNMENT, align_words
from emage.recording.examples import load_examples
from emage.recording.hearing import hear, hear_text, listen
from emage.recording.recognition import STAGE_RECOGNITION, WHISPER
from emage.recording.recording import Recording
from emage.recording.transcript import Word, load_words
from emage.recording.transcript_files import Passage

EXAMPLES = {example.name: example for example in load_examples()}
FOUND_S = 0.06


@pytest.fixture(scope="module")
def welcome() -> Recording:
    """Under a name of its own, so that nothing is known of its words."""
    return replace(Recording.load(EXAMPLES["welcome"].audio), file=None)


@pytest.fixture(scope="module")
def said() -> tuple[Word, ...]:
    return load_words(EXAMPLES["welcome"].transcript)


def onset_errors_s(words, said) -> np.ndarray:
    return np.abs([word.start_s - true.start_s for word, true in zip(words, said, strict=True)])


@pytest.mark.parametrize("name", ["welcome", "numbers"])
def test_text_is_aligned_to_the_sound(name):
    example = EXAMPLES[name]
    heard = hear(Recording.load(example.audio), example.text)
    assert [word.text for word in heard.words] == example.text.split()
    errors = onset_errors_s(heard.words, load_words(example.transcript))
    assert np.median(errors) < 0.02
    assert np.quantile(errors, 0.9) < FOUND_S
    assert heard.notices == ()
    assert all(word.confidence is None for word in heard.words)


def test_german_is_aligned_by_espeaks_pronunciations():
    example = EXAMPLES["german"]
    try:
        heard = hear(Recording.load(example.audio), example.text)
    except EmageError as error:
        assert "espeak-ng, which is not installed" in str(error)  # noqa: PT017 - a machine without it
        return
    errors = onset_errors_s(heard.words, load_words(example.transcript))
    assert np.median(errors) < 0.03
    assert np.quantile(errors, 0.9) < 2 * FOUND_S


ABROAD = {
    "cs": "Dobrý den, dnes mluvíme o velkém městě. Ne tady, ale tam. Tři přátelé čekají na nádraží.",
    "el": "Καλημέρα, σήμερα μιλάμε για μια μεγάλη πόλη. Όχι εδώ, αλλά εκεί. Τρεις φίλοι περιμένουν στον σταθμό.",
    "da": "Goddag, i dag taler vi om en stor by. Ikke her, men der. Tre venner venter på stationen.",
    "fi": "Hyvää päivää, tänään puhumme isosta kaupungista. Ei täällä vaan tuolla. Kolme ystävää odottaa asemalla.",
    "ru": "Добрый день, сегодня мы говорим о большом городе. Не здесь, а там. Три друга ждут на вокзале.",
    "pl": "Dzień dobry, dziś mówimy o dużym mieście. Nie tutaj, tylko tam. Trzej przyjaciele czekają na dworcu.",
}

SEEMS_TO_BE_THERE = ("da", "fi", "ru")
"""Some of the words of the other text."""
ANOTHER_TEXT = {
    "cs": "Včera jsem koupil nové červené auto a jel na sever k jezeru dívat se na hvězdy.",
    "el": "Χθες αγόρασα ένα καινούργιο κόκκινο αυτοκίνητο και πήγα βόρεια στη λίμνη να δω τα αστέρια.",
    "da": "I går købte jeg en ny rød bil og kørte nordpå til søen for at se på stjernerne.",
    "fi": "Minä ostin eilen uuden punaisen auton ja ajoin sillä pohjoiseen järven rannalle katsomaan tähtiä.",
    "ru": "Вчера я купил новую красную машину и поехал на север к озеру смотреть на звезды.",
    "pl": "Wczoraj kupiłem nowy czerwony samochód i pojechałem na północ nad jezioro oglądać gwiazdy.",
}


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not here")
@pytest.mark.parametrize(
    ("language", "times"),
    [*((language, 1) for language in ABROAD), *((language, 6) for language in ABROAD if language != "da")],
)
def test_other_languages_are_aligned_to_their_last_word(tmp_path, language, times):
    """Said several times over, the same words come after the same times."""
    path = tmp_path / "speech.wav"
    subprocess.run(["espeak-ng", "-v", language, "-w", path, " ".join([ABROAD[language]] * times)], check=True)
    recording = Recording.load(path)
    heard = align_words(recording.samples, [Passage(" ".join([ABROAD[language]] * times))], language)
    assert heard.notices == ()
    assert all(word.end_s - word.start_s > 0.02 for word in heard.words)
    if times > 1:
        begins_s = np.array([word.start_s for word in heard.words]).reshape(times, -1)
        assert np.quantile(np.ptp(np.diff(begins_s, axis=0), axis=0), 0.9) < 2 * FOUND_S
    if times > 1:
        return
    if language in SEEMS_TO_BE_THERE:
        heard = align_words(recording.samples, [Passage(ANOTHER_TEXT[language])], language)
        assert "could not be found in it" in heard.notices[0]
    else:
        with pytest.raises(EmageError, match="does not seem to be what is said"):
            align_words(recording.samples, [Passage(ANOTHER_TEXT[language])], language)


def test_words_without_a_sound_stand_between_their_neighbours(welcome, said):
    text = " ".join(word.text for word in said[:3]) + " 🙂 " + " ".join(word.text for word in said[3:]) + " 👋"
    heard = hear_text(welcome, text)
    smile = heard.words[3]
    assert smile.text == "🙂"
    assert heard.words[2].end_s == smile.start_s <= smile.end_s == heard.words[4].start_s
    assert heard.words[-1].text == "👋"
    assert "2 words without a sound, such as '🙂'" in heard.notices[0]
    assert np.median(onset_errors_s([*heard.words[:3], *heard.words[4:-1]], said)) < 0.015


def test_unknown_words_and_numbers_are_aligned(welcome, said):
    text = [word.text for word in said]
    three = text.index("three")
    text[three], text[1] = "3.", "Xandd"
    heard = hear_text(welcome, " ".join(text))
    assert heard.words[three].text == "3."
    assert abs(heard.words[three].start_s - said[three].start_s) < FOUND_S
    assert heard.words[1].text == "Xandd"


def test_text_of_another_recording(welcome):
    with pytest.raises(EmageError, match="does not seem to be what is said"):
        hear_text(welcome, EXAMPLES["story"].text)


def test_text_of_another_recording_is_not_looked_for_in_all_of_a_long_one(welcome):
    long = replace(welcome, samples=np.tile(welcome.samples, 40))
    seen = []
    with pytest.raises(EmageError, match="does not seem to be what is said"):
        hear_text(long, EXAMPLES["story"].text * 20, progress=lambda stage, done, total: seen.append((done, total)))
    assert max(done for done, _ in seen) < 0.5 * seen[0][1]


def test_words_behind_the_end_are_kept_and_told(welcome, said):
    duration_s = len(welcome.samples) / 16000
    words = [Passage(word.text, word.start_s, word.end_s, True) for word in said]
    aligned = align_words(welcome.samples, [*words, Passage("later", 20.0, 21.0, True)])
    assert aligned.words == (*said, Word("later", 20.0, 21.0))
    assert f"1 word from 'later' on would come behind the recording's end ({duration_s:.1f} s)" in aligned.notices[0]

    caption = align_words(welcome.samples, [*words, Passage("much later", 20.0, 21.0)])
    assert [(word.text, word.start_s) for word in caption.words[-2:]] == [
        ("much", 20.0),
        ("later", pytest.approx(20.5, abs=0.2)),
    ]
    assert "2 words from 'much' on would come behind the recording's end" in caption.notices[0]

    longer = " ".join(word.text for word in said) + " and " + EXAMPLES["story"].text * 3
    heard = hear_text(welcome, longer)
    assert len(heard.words) == len(longer.split())
    assert np.median(onset_errors_s(heard.words[: len(said)], said)) < 0.015
    assert "would come behind the recording's end" in heard.notices[0]


def test_captions_are_aligned_within_and_words_without_times_between(welcome, said, tmp_path):
    middle = len(said) // 2
    cues = [said[:middle], said[middle:]]
    passages = [Passage(" ".join(w.text for w in cue), cue[0].start_s, cue[-1].end_s) for cue in cues]
    assert onset_errors_s(align_words(welcome.samples, passages).words, said).max() < 2 * FOUND_S

    words = [{"word": word.text, "start": word.start_s, "end": word.end_s, "score": 0.5} for word in said]
    for lacking in (3, 4, 10):
        words[lacking] = {"word": said[lacking].text}
    (tmp_path / "a.json").write_text(json.dumps({"segments": [{"words": words}]}))
    heard = hear(welcome, tmp_path / "a.json")
    assert onset_errors_s(heard.words, said).max() < 2 * FOUND_S
    assert [word.confidence for word in heard.words[:5]] == [0.5, 0.5, 0.5, None, None]


def test_captions_that_do_not_fit_are_spread(welcome):
    heard = align_words(welcome.samples, [Passage("entirely different words altogether", 1.0, 3.0)])
    assert [word.text for word in heard.words] == ["entirely", "different", "words", "altogether"]
    assert (heard.words[0].start_s, heard.words[-1].end_s) == (1.0, 3.0)
    assert "4 words could not be found in the sound" in heard.notices[0]


def test_a_long_recording_is_aligned_in_chunks():
    story = Recording.load(EXAMPLES["story"].audio)
    said = load_words(EXAMPLES["story"].transcript)
    times = 4
    step_s = len(story.samples) / 16000
    samples = np.tile(story.samples, times)
    truth = [replace(w, start_s=w.start_s + i * step_s, end_s=w.end_s + i * step_s) for i in range(times) for w in said]
    aligned = align_words(samples, [Passage(" ".join(word.text for word in truth))])
    errors = onset_errors_s(aligned.words, truth)
    assert np.median(errors) < 0.015
    assert np.quantile(errors, 0.9) < FOUND_S
    assert aligned.notices == ()


def test_no_words(welcome, tmp_path):
    (tmp_path / "empty.txt").write_text("\n")
    for transcript in ("  ", tmp_path / "empty.txt"):
        heard = hear(replace(welcome, words=(Word("so", 0, 1),)), transcript)
        assert heard.words == ()
        assert "is empty" in heard.notices[0]


def test_files_text_and_what_only_looks_like_a_file(welcome, said):
    assert hear(welcome, EXAMPLES["welcome"].transcript).words == said
    assert hear(welcome, str(EXAMPLES["welcome"].transcript)).words == said
    for missing in ("no/talk.TextGrid", Path("talk")):
        with pytest.raises(EmageError, match="there is no such transcript"):
            hear(welcome, missing)
    folder = EXAMPLES["welcome"].transcript.parent
    for given in (folder, str(folder)):
        with pytest.raises(EmageError, match="is a folder. Name the transcript's file in it"):
            hear(welcome, given)
    name = str(EXAMPLES["welcome"].transcript)
    assert [word.text for word in hear_text(welcome, name).words] == [name]  # a name given as text opens no file


def test_an_example_knows_its_words():
    example = EXAMPLES["german"]
    recording = Recording.load(example.audio)
    assert hear(recording, "auto").words == load_words(example.transcript)


def test_words_are_recognised(welcome, said):
    stages = []
    heard = hear(welcome, "auto", progress=lambda *report: stages.append(report))
    truth = {word.text for word in said}
    assert len([word for word in heard.words if word.text in truth]) > 0.5 * len(said)
    assert all(0 <= word.confidence <= 1 for word in heard.words)
    assert "guess" in heard.notices[0]
    assert stages[-1] == (STAGE_RECOGNITION, welcome.num_frames, welcome.num_frames)
    with pytest.raises(EmageError, match="recognised by faster-whisper alone, which is not installed"):
        listen(welcome, "de")


@pytest.mark.parametrize("transcript", ["auto", "Hello and welcome"])
def test_progress_cancels(welcome, transcript):
    def stop(stage, done, total):
        assert stage == (STAGE_RECOGNITION if transcript == "auto" else STAGE_ALIGNMENT)
        raise Cancelled

    with pytest.raises(Cancelled):
        hear(welcome, transcript, progress=stop)


def test_silence_says_nothing():
    silence = Recording(np.zeros(64000, np.float32), np.zeros(192000, np.float32))
    assert hear(silence, "auto").words == ()
    with pytest.raises(EmageError, match="does not seem to be what is said"):
        hear_text(silence, "hello there")


class WhisperModel:
    """What of faster-whisper's class is called, as it is documented."""

    def __init__(self, model_size_or_path, device="auto", compute_type="default"):
        assert model_size_or_path == "small"

    def transcribe(self, audio, language=None, word_timestamps=False):
        assert audio.dtype == np.float32
        assert audio.ndim == 1
        assert word_timestamps
        if language not in ("en", "de"):
            raise ValueError(f"{language!r} is not a valid language code")
        words = [SimpleNamespace(word=" Hallo", start=0.1, end=0.4, probability=0.9)]
        segments = [SimpleNamespace(start=0.0, end=1.0, words=words), SimpleNamespace(start=1.0, end=2.0, words=None)]
        return iter(segments), SimpleNamespace(language=language)


class UnreachableModel:
    def __init__(self, *args, **kwargs):
        raise OSError("the Hub cannot be reached")


def install_whisper(monkeypatch, model):
    module = ModuleType(WHISPER)
    module.__spec__ = SimpleNamespace(name=WHISPER)
    module.WhisperModel = model
    monkeypatch.setitem(sys.modules, WHISPER, module)


def test_faster_whisper_is_used_where_it_is_there(monkeypatch, welcome):
    install_whisper(monkeypatch, WhisperModel)
    stages = []
    heard = listen(welcome, "de", lambda *report: stages.append(report))
    assert heard.words == (Word("Hallo", 0.1, 0.4, 0.9),)
    assert "faster-whisper's guess" in heard.notices[0]
    assert stages == [(STAGE_RECOGNITION, 30, welcome.num_frames), (STAGE_RECOGNITION, 60, welcome.num_frames)]


def test_a_language_that_faster_whisper_does_not_know(monkeypatch, welcome):
    install_whisper(monkeypatch, WhisperModel)
    assert listen(welcome, "de-AT").words
    with pytest.raises(EmageError, match="does not recognise the language 'xx-yy'. Give its code"):
        listen(welcome, "xx-yy")


def test_weights_of_faster_whisper_that_cannot_be_had(monkeypatch, welcome):
    install_whisper(monkeypatch, UnreachableModel)
    with pytest.raises(EmageError, match="weights cannot be had ..the Hub cannot be reached"):
        listen(welcome, "de")
    short = replace(welcome, samples=welcome.samples[:32000], end_frame=None)
    heard = listen(short)
    assert "pocketsphinx's guess: faster-whisper, whose weights cannot be had" in heard.notices[0]
