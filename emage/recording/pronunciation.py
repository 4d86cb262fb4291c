"""How words are spoken, in the phones (ARPAbet) of pocketsphinx's English acoustic model."""

import re
import shutil
import subprocess
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from num2words import num2words

from emage.errors import EmageError

ENGLISH = "en"
_ESPEAK = "espeak-ng"
_ESPEAK_TIMEOUT_S = 120


@dataclass(frozen=True)
class Unit:
    """What is spoken in one breath of a word. phones: as in `HH AH L OW`; None where the dictionary has `name`."""

    name: str
    phones: str | None = None


def check_language(language: str) -> None:
    """Whether words of a language can be pronounced on this machine.

    Raises:
        EmageError: a language other than English that espeak-ng does not speak, or espeak-ng is not there.
    """
    if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9-]{1,20})?", language):
        raise EmageError(f"The language is {language[:40]!r}; give its code, such as en or de.")
    if is_english(language):
        return
    if shutil.which(_ESPEAK) is None:
        raise EmageError(
            f"Words in the language {language} are aligned by espeak-ng, which is not installed. Install it, give a "
            "transcript with times (TextGrid, Whisper's JSON), or use weights that hear sound alone."
        )
    if _espeak(["a"], language) is None:
        raise EmageError(
            f"espeak-ng does not speak the language {language}, so its words cannot be aligned. Give a transcript with "
            "times (TextGrid, Whisper's JSON), or use weights that hear sound alone."
        )


def is_english(language: str) -> bool:
    return language.split("-")[0] == ENGLISH


def pronounce(tokens: Sequence[str], language: str, lookup: Callable[[str], str | None]) -> list[tuple[Unit, ...]]:
    """The units of each word of a transcript; none for one that has no sound, such as a picture.

    Args:
        tokens: words as they are written.
        language: as in `en`.
        lookup: a word's pronunciation in the dictionary of English, None where it has none.
    """
    if is_english(language):
        spoken = [spoken_words(token) for token in tokens]
        unknown = sorted({word for words in spoken for word in words if lookup(word) is None})
        made = dict(zip(unknown, _by_rule(unknown, language, lookup), strict=True))
        units = {word: Unit(word, made.get(word)) for words in spoken for word in words}
        return [tuple(units[word] for word in words if made.get(word) != "") for words in spoken]
    written = [_letters_and_digits(token) for token in tokens]
    distinct = sorted({word for word in written if word})
    made = dict(zip(distinct, _by_rule(distinct, language, lookup), strict=True))
    return [(Unit(word, made[word]),) if made.get(word) else () for word in written]


# --- words as they are spoken

_NUMBER = re.compile(r"(?<!\w)([$€£]?)(\d{1,3}(?:,\d{3})+|\d+)((?:\.\d+)?)(st|nd|rd|th|s|%)?(?!\w)")
_CURRENCIES = {"$": "dollars", "€": "euros", "£": "pounds"}
_SIGNS = {"&": " and ", "%": " percent ", "+": " plus ", "@": " at ", "=": " equals ", "°": " degrees "}
_DIGITS = tuple(num2words(digit) for digit in range(10))
_LONGEST_NUMBER = 15
_MOST_NUMBERS = 4
"""Of a word; where there are more it is a code, which is read digit by digit."""


def spoken_words(token: str) -> tuple[str, ...]:
    """A written word of English as the words that are spoken, in lower case: `Twenty-3,` -> twenty, three.

    Letters are without accents; words keep the apostrophe within. What has no sound gives nothing.
    """
    text = token.replace("’", "'").replace("‘", "'")
    text = re.sub(r"(?<=\d)(?=[A-Za-z])(?!(?:st|nd|rd|th|s)(?!\w))|(?<=[A-Za-z])(?=\d)", " ", text)
    if len(_NUMBER.findall(text)) <= _MOST_NUMBERS:
        text = _NUMBER.sub(_read_number, text)
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    text = re.sub(r"(?<!\w)((?:[A-Za-z]\.){2,})", lambda letters: " ".join(letters[1].split(".")), text)
    decomposed = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    bare = "".join(character for character in decomposed if not unicodedata.combining(character)).lower()
    words = re.findall(r"[^\W_]+(?:'[^\W_]+)*", bare)
    return tuple(word for part in words for word in _read_digits(part))


def _read_number(match: re.Match) -> str:
    currency, whole, fraction, ending = match.groups()
    digits = whole.replace(",", "")
    if len(digits) + len(fraction) > _LONGEST_NUMBER:
        spoken = " ".join(digits + fraction)
    elif fraction:
        spoken = num2words(f"{digits}{fraction}")
    elif ending in ("st", "nd", "rd", "th"):
        return num2words(int(digits), to="ordinal")
    elif len(digits) == 4 and "," not in whole and not currency and "1100" <= digits <= "2099":
        spoken = num2words(int(digits), to="year")
    else:
        spoken = num2words(int(digits))
    if ending == "s":
        spoken = re.sub(r"y$", "ie", spoken) + "s"
    return f" {spoken} {_CURRENCIES.get(currency, '')} {'percent' if ending == '%' else ''} "


def _read_digits(word: str) -> list[str]:
    """Digits that stand in no number, one by one."""
    if not any(character.isdigit() for character in word):
        return [word]
    parts = re.findall(r"\d|\D+", word)
    return [_DIGITS[unicodedata.digit(part)] if part.isdigit() else part for part in parts if part.strip("'")]


def _letters_and_digits(token: str) -> str:
    """For espeak-ng, which would speak a picture's name and read its own codes in double brackets."""
    kept = re.sub(r"[^\w'’-]|_", " ", token)
    return " ".join(kept.split()).lower() if re.search(r"[^\W_]", kept) else ""


# --- pronunciations by rule


def _by_rule(words: Sequence[str], language: str, lookup: Callable[[str], str | None]) -> list[str]:
    """Phones of each word; empty for one whose letters are not known here."""
    spoken = _espeak(words, language) if words else []
    if spoken is None:
        return [_by_letters(word, lookup) for word in words]
    return [phones or _by_letters(word, lookup) for word, phones in zip(words, spoken, strict=True)]


def _espeak(words: Sequence[str], language: str) -> list[str] | None:
    """Phones of each word by espeak-ng; None where it is not there or has no such voice.

    Raises:
        EmageError: it fails.
    """
    if shutil.which(_ESPEAK) is None:
        return None
    voice = "en-us" if language == ENGLISH else language
    command = [_ESPEAK, "-q", "--ipa", "--sep=_", "-v", voice, "--stdin"]
    # A line that stands alone is spoken alone.
    text = "".join(f"{word}\n\n" for word in words)
    try:
        answer = subprocess.run(command, input=text, capture_output=True, encoding="utf-8", timeout=_ESPEAK_TIMEOUT_S)
    except (subprocess.SubprocessError, OSError, UnicodeError) as error:
        raise EmageError(
            f"espeak-ng, which says how words are pronounced, failed ({type(error).__name__}). Try again, or give a "
            "transcript whose words have times."
        ) from error
    if answer.returncode != 0:
        return None
    lines = answer.stdout.splitlines()
    if len(lines) != len(words):
        raise EmageError(
            f"espeak-ng spoke {len(lines):,} words where {len(words):,} were asked for. Give a transcript whose words "
            "have times."
        )
    return [from_ipa(line, language) for line in lines]


_IPA = {
    # Vowels; those that English lacks by the English phone of the same mouth.
    "ɑ": "AA", "ɒ": "AA", "a": "AA", "æ": "AE", "ʌ": "AH", "ɐ": "AH", "ə": "AH", "ɘ": "AH", "ɤ": "AH", "ᵻ": "IH",
    "ɚ": "ER", "ɜ": "ER", "ɝ": "ER", "ɔ": "AO", "o": "OW", "ɵ": "UH", "ɛ": "EH", "e": "EH", "eː": "EY", "ɪ": "IH",
    "i": "IY", "ɨ": "IH", "ʊ": "UH", "u": "UW", "ɯ": "UW", "y": "UW", "ʏ": "UH", "ø": "ER", "œ": "ER",
    "eɪ": "EY", "ei": "EY", "aɪ": "AY", "ai": "AY", "aʊ": "AW", "au": "AW", "ɔɪ": "OY", "oi": "OY", "ɔø": "OY",
    "ɔʏ": "OY", "oʊ": "OW", "əʊ": "OW", "ɑ̃": "AA N", "ɛ̃": "AE N", "ɔ̃": "AO N", "œ̃": "AH N",
    # Consonants.
    "b": "B", "d": "D", "f": "F", "ɡ": "G", "g": "G", "h": "HH", "j": "Y", "k": "K", "l": "L", "ɫ": "L", "ɬ": "L",
    "m": "M", "n": "N", "ŋ": "NG", "p": "P", "r": "R", "ɹ": "R", "ɾ": "R", "ʁ": "R", "ʀ": "R", "ɻ": "R", "ɽ": "R",
    "s": "S", "ʃ": "SH", "t": "T", "θ": "TH", "v": "V", "ʋ": "V", "w": "W", "ɥ": "W", "z": "Z", "ʒ": "ZH",
    "ð": "DH", "dʒ": "JH", "tʃ": "CH", "ts": "T S", "pf": "P F", "tɕ": "CH", "dʑ": "JH", "ɕ": "SH", "ʑ": "ZH",
    "ʂ": "SH", "ʐ": "ZH", "ç": "HH", "x": "HH", "χ": "HH", "ħ": "HH", "ɣ": "G", "ɲ": "N Y", "ʎ": "L Y", "β": "V",
    "ɸ": "F", "c": "K", "q": "K", "ɟ": "JH", "ʈ": "T", "ɖ": "D", "ʝ": "Y",
    "n̩": "AH N", "l̩": "AH L", "m̩": "AH M",
}  # fmt: skip
_IPA_OF_LANGUAGES = {ENGLISH: {"ɾ": "D"}, "de": {"ɜ": "AH"}}
_LONGEST_IPA = max(map(len, _IPA))


def from_ipa(text: str, language: str = ENGLISH) -> str:
    """The phones of a word in IPA as espeak-ng writes it; what stands for no sound here is passed over."""
    table = _IPA | _IPA_OF_LANGUAGES.get(language.split("-")[0], {})
    text = re.sub(r"\([a-z-]+\)|[ˈˌ_ ‖|]", "", text)  # languages that it changes to, stress, bounds
    return _spell_out(text, table, _LONGEST_IPA)


def _spell_out(text: str, table: Mapping[str, str], longest: int) -> str:
    """The phones of the longest groups of characters that a table knows, from the left; others are passed over."""
    phones, i = [], 0
    while i < len(text):
        length = next((n for n in range(longest, 0, -1) if text[i : i + n] in table), 0)
        if length:
            phones.append(table[text[i : i + length]])
        i += length or 1
    return " ".join(phones)


_LETTERS = {
    "tion": "SH AH N", "sion": "ZH AH N", "eigh": "EY", "tch": "CH", "sch": "SH", "igh": "AY", "dge": "JH",
    "ck": "K", "ch": "CH", "sh": "SH", "th": "TH", "ph": "F", "wh": "W", "qu": "K W", "ng": "NG", "gh": "G",
    "ai": "EY", "ay": "EY", "ea": "IY", "ee": "IY", "ie": "IY", "oa": "OW", "ou": "AW", "ow": "AW", "oo": "UW",
    "oi": "OY", "oy": "OY", "au": "AO", "aw": "AO", "eu": "UW", "ew": "UW", "ue": "UW", "ei": "EY", "ey": "IY",
    "ar": "AA R", "er": "ER", "ir": "ER", "ur": "ER", "or": "AO R",
    "ce": "S EH", "ci": "S IH", "cy": "S IY", "ge": "JH EH", "gi": "JH IH",
    "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH", "j": "JH",
    "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T", "u": "AH",
    "v": "V", "w": "W", "x": "K S", "y": "IY", "z": "Z",
}  # fmt: skip
_LONGEST_LETTERS = max(map(len, _LETTERS))
_SHORTEST_PART = 3


def _by_letters(word: str, lookup: Callable[[str], str | None]) -> str:
    """Phones of a word of English: of the two words that it is made of, letter by letter where it has no vowel, or of
    its groups of letters. Empty for a word in another script."""
    stem = word.removesuffix("'s")
    if stem != word:
        known = lookup(stem) or _by_letters(stem, lookup)
        return f"{known} Z".strip() if known else ""
    for cut in range(len(word) - _SHORTEST_PART, _SHORTEST_PART - 1, -1):
        first, second = lookup(word[:cut]), lookup(word[cut:])
        if first and second:
            return f"{first} {second}"
    if not re.search(r"[aeiouy]", word):
        return " ".join(name for letter in word if (name := lookup(letter)))
    text = re.sub(r"([b-df-hj-np-tv-z])\1", r"\1", word)
    text = re.sub(r"(?<=[aeiouy][a-z])e$", "", text)
    return _spell_out(text, _LETTERS, _LONGEST_LETTERS)
