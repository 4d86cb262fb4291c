"""How written words are spoken, and by which phones."""

import re
import time

import pytest

from emage.errors import EmageError
from emage.recording import pronunciation
from emage.recording.pronunciation import Unit, check_language, from_ipa, pronounce, spoken_words
from emage.recording.transcript import MAX_WORD_CHARACTERS

DICTIONARY = {"web": "W EH B", "cams": "K AE M Z", "b": "B IY", "c": "S IY", "three": "TH R IY", "it's": "IH T S"}
VOWELS = {"AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"}
STOPS = {"B", "D", "G", "K", "P", "T", "CH", "JH"}
PHONES = VOWELS | STOPS | {"DH", "F", "HH", "L", "M", "N", "NG", "R", "S", "SH", "TH", "V", "W", "Y", "Z", "ZH"}


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Twenty-3,", "twenty three"),
        ("3", "three"),
        ("12,345", "twelve thousand three hundred and forty five"),
        ("$3.50", "three point five dollars"),
        ("50%", "fifty percent"),
        ("1999", "nineteen ninety nine"),
        ("1990s", "nineteen nineties"),
        ("21st", "twenty first"),
        ("3D", "three d"),
        ("COVID19", "covid nineteen"),
        ("9" * 20, " ".join(["nine"] * 20)),
        ("It’s", "it's"),
        ("'Tis", "tis"),
        ("U.S.A.", "u s a"),
        ("café", "cafe"),
        ("R&B", "r and b"),
        ("🙂", ""),
        ("—", ""),
        ("…well…", "well"),
    ],
)
def test_words_as_they_are_spoken(written, spoken):
    assert " ".join(spoken_words(written)) == spoken


@pytest.mark.parametrize("character", ["1", ",1", "1,111", "a.", "a'", "'", "-", "a1", "½", "$"])
def test_the_longest_words(character):
    text = (character * MAX_WORD_CHARACTERS)[:MAX_WORD_CHARACTERS]
    for word in spoken_words(text):
        assert re.fullmatch(r"[a-z']+", word)


def test_pronunciations_of_words_that_the_dictionary_lacks(monkeypatch):
    monkeypatch.setenv("PATH", "")  # without espeak-ng
    units = pronounce(["three", "Webcams", "bc", "It's", "🙂", "zyzzyva", "привет"], "en", DICTIONARY.get)
    assert units[:5] == [
        (Unit("three"),),
        (Unit("webcams", "W EH B K AE M Z"),),
        (Unit("bc", "B IY S IY"),),
        (Unit("it's"),),
        (),
    ]
    assert set(units[5][0].phones.split()) <= PHONES
    assert units[6] == ()
    with pytest.raises(EmageError, match="espeak-ng, which is not installed"):
        check_language("de")


def test_every_phone_of_the_tables_is_the_acoustic_models():
    assert set(from_ipa("ɑæʌəɔaʊaɪɛɚeɪɪioʊɔɪʊubtʃdðfɡhdʒklmnŋpɹsʃtθvwjzʒ").split()) == PHONES


def test_german_by_the_english_phones_next_to_it():
    assert from_ipa("ts_v_ˈœ_l_f", "de") == "T S V ER L F"
    assert from_ipa("(en)k_ɔ_m_p_j_ˈuː_t_ɜ(de)", "de") == "K AO M P Y UW T AH"


@pytest.mark.skipif(pronunciation.shutil.which("espeak-ng") is None, reason="espeak-ng is not here")
def test_pronunciations_by_espeak():
    check_language("de")
    assert pronounce(["Zwölf", "12", "🙂"], "de", DICTIONARY.get) == [
        (Unit("zwölf", "T S V ER L F"),),
        (Unit("12", "T S V ER L F"),),
        (),
    ]
    with pytest.raises(EmageError, match="does not speak the language xx"):
        check_language("xx")


@pytest.mark.parametrize("language", ["", "English", "-q", "en\n", "e" * 100])
def test_a_language_that_is_no_code(language):
    with pytest.raises(EmageError, match="give its code"):
        check_language(language)


@pytest.mark.parametrize(
    ("script", "told"), [("echo a; echo b; echo c", "spoke 3 words where 1 were"), (r"printf '\377'", "Unicode")]
)
def test_what_espeak_gets_wrong_is_told(tmp_path, monkeypatch, script, told):
    """Nothing else stands in for it without a word."""
    fake = tmp_path / "espeak-ng"
    fake.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(EmageError, match=told):
        pronunciation.pronounce(["zaubern"], "de", {}.get)


def test_codes_are_read_digit_by_digit():
    assert spoken_words("1-2-3-4") == ("one", "two", "three", "four")
    assert len(spoken_words("1,234,567,890,123")) > 20  # one number
    assert spoken_words("12-20-30-40-50")[:4] == ("one", "two", "two", "zero")
    began = time.process_time()
    for number in range(2000):
        assert len(spoken_words(f"{number + 10**8}q" * 20)) == 20 * 10
    assert time.process_time() - began < 3
