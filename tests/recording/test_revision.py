"""A transcript that a person has changed."""

import time

import pytest

from emage.errors import EmageError
from emage.recording.revision import join_words, revise_words, says_the_same
from emage.recording.transcript import Word
from emage.recording.transcript_files import Passage

HEARD = (
    Word("i", 0.0, 0.2, 0.9),
    Word("see", 0.2, 0.5, 0.8),
    Word("free", 0.5, 0.9, 0.3),
    Word("birds", 1.0, 1.4, 0.7),
)


def test_the_same_words_in_another_writing():
    assert join_words(HEARD) == "i see free birds"
    assert says_the_same("“I see – free Birds!”", HEARD)
    assert not says_the_same("I see three birds", HEARD)
    assert not says_the_same("", HEARD)
    assert says_the_same(" ", ())


def test_a_corrected_word_is_looked_for_between_its_neighbours():
    assert revise_words(HEARD, "I see three birds.") == (
        Passage("I", 0.0, 0.2, True, 0.9),
        Passage("see", 0.2, 0.5, True, 0.8),
        Passage("three"),
        Passage("birds.", 1.0, 1.4, True, 0.7),
    )
    assert revise_words(HEARD, "i see birds over there") == (
        Passage("i", 0.0, 0.2, True, 0.9),
        Passage("see", 0.2, 0.5, True, 0.8),
        Passage("birds over there"),
    )
    assert revise_words(HEARD, "i see the free birds") == (
        Passage("i", 0.0, 0.2, True, 0.9),
        Passage("see the free"),
        Passage("birds", 1.0, 1.4, True, 0.7),
    )


def test_another_text_keeps_no_times():
    other = "What birds sing is not for me to say"
    assert revise_words(HEARD, other) == (Passage(other),)
    assert revise_words((), "hello 🙂") == (Passage("hello 🙂"),)
    assert revise_words(HEARD, " \n") == ()


def say(texts: list[str]) -> tuple[Word, ...]:
    return tuple(Word(text, float(i), i + 0.5, 0.5) for i, text in enumerate(texts))


def test_of_a_long_text_what_has_stayed_keeps_its_times():
    before = [f"{i % 97}x{i % 89}" for i in range(5000)]
    changed = list(before)
    changed[10] = "new"
    del changed[1000:1300]  # of the old ones
    changed[3000:3000] = ["further"] * 30
    stayed = [passage for passage in revise_words(say(before), " ".join(changed)) if passage.is_timed]
    assert len(stayed) == 5000 - 1 - 300 - 2  # both neighbours of what was put in make room
    assert {passage.text: passage.start_s for passage in stayed}[before[4999]] == 4999.0
    assert all(before[round(passage.start_s)] == passage.text for passage in stayed)

    longer = [*before[:2000], *(f"y{i}" for i in range(900)), *before[2000:]]  # one edit, however long
    assert sum(passage.is_timed for passage in revise_words(say(before), " ".join(longer))) == 5000 - 2


@pytest.mark.parametrize("kinds", [100, 20_000])
def test_a_long_text_of_which_every_other_word_is_new(kinds):
    old, new = ([text for i in range(10_000) for text in (f"{i % kinds}", f"{sign}{i}")] for sign in "xy")
    began = time.process_time()
    assert sum(passage.is_timed for passage in revise_words(say(old), " ".join(new))) > 9000
    assert time.process_time() - began < 10  # seconds; 300 where they are compared whole


def test_what_is_no_word():
    with pytest.raises(EmageError, match="Put blanks between the words"):
        revise_words(HEARD, "x" * 201)
