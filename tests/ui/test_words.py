"""Transcripts on the page and for programs: aligned, recognised, corrected, stored, and heard by weights."""

import json

import pytest

from emage.recording.examples import load_examples
from emage.recording.transcript import Word, load_words
from tests.app_server import QUICK

WELCOME = load_examples()[0]
STORY = next(example for example in load_examples() if example.name == "story")
GERMAN = next(example for example in load_examples() if example.language == "de")
THREE = "three"

pytestmark = pytest.mark.usefixtures("nothing_in_the_log", "wordy")


def words_of(timeline: dict) -> list[list]:
    return json.loads(timeline["props"]["backdrop"]["words"])


def take_example(caller, example) -> tuple[list[list], str, str]:
    """Its words on the timeline, its text and its language."""
    values = caller.get_values(f"example_{example.name}", "", {"num_frames": 0}, None, 0, "loop")
    timeline, text, language = values[2], *values[-3:-1]
    return words_of(timeline), text, language


def generate(caller, **fields) -> list:
    trim = {"start_frame": 210, "end_frame": 270}
    shown = {"timeline": {"num_frames": 298, "trim": trim}, "weights": "wordy"} | fields
    return caller.get_values("generate_on_page", *caller.page_values("generate_on_page", **shown))


def heard_by(caller, made: list) -> tuple[Word, ...]:
    """What the file of words beside a take has."""
    values = [update.get("value") for update in made if isinstance(update, dict)]
    paths = [value["path"] for value in values if isinstance(value, dict) and "path" in value]
    (path,) = (path for path in paths if path.endswith(".words.json"))
    file = caller.get(path)
    return tuple(
        Word(each["word"], each["start"], each["end"], each.get("probability")) for each in file.json()["words"]
    )


@pytest.mark.parametrize("example", [WELCOME, GERMAN], ids=["english", "german"])
def test_an_example_has_its_text_and_words_at_once(caller, example):
    words, text, language = take_example(caller, example)
    assert (text, language) == (example.text, example.language)
    assert [tuple(word[:3]) for word in words] == [
        (word.text, word.start_s, word.end_s) for word in load_words(example.transcript)
    ]


def test_a_text_is_aligned_and_a_changed_word_alone_is_looked_for(caller):
    before, text, language = take_example(caller, WELCOME)
    timeline, note = caller.get_values("align", text.replace(THREE, "tree"), language)
    after = words_of(timeline)
    assert note.startswith(f"{len(before)} words on the timeline.")
    index = [word[0] for word in before].index(THREE)
    assert after[index][0] == "tree."
    assert after[index][1:3] == pytest.approx(before[index][1:3], abs=0.15)
    assert [word[1:] for word in after[:index]] == [word[1:] for word in before[:index]]
    assert words_of(caller.get_values("align", " ", language)[0]) == []
    assert words_of(caller.get_values("align", text, language)[0])[index][1] == pytest.approx(
        before[index][1], abs=0.15
    )


def test_a_text_that_is_not_said_is_told_below_the_field_and_changes_no_words(caller):
    _, _, language = take_example(caller, WELCOME)
    timeline, note = caller.get_values("align", STORY.text, language)
    assert "backdrop" not in json.dumps(timeline)
    assert note.startswith("**The transcript does not seem to be what is said")


def test_recognised_words_are_a_guess_and_a_corrected_one_is_heard_by_the_next_take(caller):
    take_example(caller, WELCOME)
    timeline, text, note = caller.get_values("listen", "en")
    guess = words_of(timeline)
    assert text.split() == [word[0] for word in guess]
    assert f"**{len(guess)} guessed**" in note
    assert all(0 <= word[3] <= 1 for word in guess)
    corrected = [*guess[:-1], ["reddish", *guess[-1][1:3], None]]
    event = {"num_frames": 298, "words": corrected}
    text, note = caller.get_values("edit_words", event=event)
    assert text.endswith(" reddish")
    assert f"**{len(guess) - 1} guessed**" in note
    made = generate(caller, transcript=text)
    assert [[word.text, word.start_s, word.end_s, word.confidence] for word in heard_by(caller, made)] == corrected
    assert "--transcript welcome.words.json" in made[5]


def test_words_of_another_recording_are_refused(caller):
    take_example(caller, WELCOME)
    told = caller.get_fault("edit_words", event={"num_frames": 299, "words": []})
    assert "no longer there" in told
    assert "brings no words" in caller.get_fault("edit_words")


def test_generate_aligns_what_was_typed_last(caller):
    _, text, _ = take_example(caller, WELCOME)
    made = generate(caller, transcript=text.replace("Ready?", "Steady?"))
    words = heard_by(caller, made)
    assert words[-1].text == "Steady?"
    assert 8.5 < words[-1].start_s < 9.9
    assert "The weights know" in made[1]
    assert "--no-use-audio" not in made[5]


def test_a_language_that_nothing_here_aligns_is_told_and_generated_all_the_same(caller, monkeypatch):
    take_example(caller, GERMAN)
    monkeypatch.setenv("PATH", "")
    assert "espeak-ng" in caller.get_values("check_language", "de")[0]
    assert caller.get_values("check_language", "en") == [""]
    audio = caller.upload(GERMAN.audio)
    trim = {"num_frames": 504, "trim": {"start_frame": 0, "end_frame": 60}}
    made = generate(caller, speech=audio, timeline=trim, transcript="Etwas ganz anderes", language="de")
    assert "Without its words" in made[1]
    assert "heard the rhythm alone" in made[1]


def test_no_audio_is_a_setting_of_the_take(caller):
    take_example(caller, WELCOME)
    made = generate(caller, without_audio=True)
    assert "no audio" in made[1]
    assert "--no-use-audio" in made[5]


def test_a_session_keeps_words_and_their_confidence(caller):
    before, _, _ = take_example(caller, WELCOME)
    edited = [[*word[:3], 0.25 if index else None] for index, word in enumerate(before)]
    text, _ = caller.get_values("edit_words", event={"num_frames": 298, "words": edited})
    made = generate(caller, transcript=text)
    later = [["quite", 0.0, 1.0, None]]
    caller.get_values("edit_words", event={"num_frames": 298, "words": later})
    values = caller.page_values("save_session", timeline={"num_frames": 298}, without_audio=True)
    saved = caller.get_values("save_session", *values)[0]["value"]["path"]
    zipped = caller.upload_as("session.zip", caller.get(saved).content)
    loaded = caller.get_values("load_session", zipped)
    assert words_of(loaded[1]) == later
    loaded = dict(zip(caller.outputs_of("load_session"), loaded, strict=True))
    assert (loaded["without-audio"], loaded["transcript"]) == (True, "quite")
    assert len(heard_by(caller, made)) == len(edited)


def test_what_weights_need_is_told_before_they_are_loaded(caller):
    def need(weights: str) -> str:
        return caller.get_values("transcript_need", weights)[0]["info"]

    assert need("").startswith("Optional: the chosen weights hear the sound alone.")
    assert "when they are loaded" in need("never")
    caller.get_values("speakers", "wordy")
    assert need("wordy").startswith("Needed: the chosen weights hear words")


# --- programs


def test_programs_give_transcripts(caller):
    audio = caller.upload(WELCOME.audio)
    settings = QUICK | {"start_s": 7.0, "end_s": 9.0, "weights": "wordy"}

    def made(*transcript) -> dict:
        return caller.get_values("generate", audio, "", None, settings, *transcript)[2]

    by_text = made(WELCOME.text, None)["words"]
    by_file = made("", caller.upload(WELCOME.transcript))["words"]
    assert [word["text"] for word in by_text] == WELCOME.text.split()
    assert [word["start_s"] for word in by_text] == pytest.approx([word["start_s"] for word in by_file], abs=0.1)
    assert made()["words"] == []
    told = caller.get_fault("generate", audio, "", None, settings, "text", caller.upload(WELCOME.transcript))
    assert "give one of them" in told


def test_words_for_programs(caller):
    audio = caller.upload(WELCOME.audio)
    guessed = caller.get_values("words", audio, "", None, "")[0]
    assert all(word["confidence"] is not None for word in guessed["words"])
    assert "guess" in guessed["notices"][0]
    aligned = caller.get_values("words", audio, WELCOME.text, None, "en")[0]
    assert [word["text"] for word in aligned["words"]] == WELCOME.text.split()
    nothing = caller.get_values("words", audio, " \n", None, "en")[0]
    assert nothing == {"words": [], "notices": ["The transcript is empty: the recording has no words."]}
    assert "give its code" in caller.get_fault("words", audio, WELCOME.text, None, "Klingon!")
    assert "language xxx" in (told := caller.get_fault("words", audio, "", None, "x" * 5000))
    assert len(told) < 300


def test_the_text_of_a_program_names_no_file_of_the_server(caller):
    audio = caller.upload(WELCOME.audio)
    said = caller.ask("words", audio, str(WELCOME.transcript), None, "en")
    assert "welcome" not in json.dumps(said).replace(str(WELCOME.transcript), "")
