"""A transcript that a person has changed."""

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


def test_what_is_no_word():
    with pytest.raises(EmageError, match="Put blanks between the words"):
        revise_words(HEARD, "x" * 201)
