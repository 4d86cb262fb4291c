"""The words of a transcript with their times: for the timeline to snap to, and for networks that hear words."""

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from emage.errors import EmageError, HintError
from emage.recording.transcript_files import MAX_WORDS, Passage, read_passages

AUTO = "auto"
"""In place of a transcript: the words are recognised."""
MAX_WORD_CHARACTERS = 200

_MAX_BYTES = 8 << 20
_LONGEST_NAME = 255
_ENDINGS = (".textgrid", ".json", ".srt", ".vtt", ".txt")


@dataclass(frozen=True)
class Word:
    """A word of the transcript, in seconds of the recording.

    confidence: 0 to 1, of who recognised it; None for a word that a person gave, or a file that does not tell.

    Raises:
        HintError: times or a confidence that make no sense.
    """

    text: str
    start_s: float
    end_s: float
    confidence: float | None = None

    def __post_init__(self):
        if not (math.isfinite(self.start_s) and math.isfinite(self.end_s) and 0 <= self.start_s <= self.end_s):
            raise HintError(
                f"The word '{self.text[:40]}' lasts from {self.start_s} s to {self.end_s} s; "
                "its end must lie behind its start, and both in the recording."
            )
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise HintError(f"The word '{self.text[:40]}' has a confidence of {self.confidence}; it lies in 0..1.")


def find_transcript_file(transcript: str | Path) -> Path | None:
    """The file that a transcript names; None for the text itself, and for "auto".

    Raises:
        EmageError: a name such as talk.srt, or a path, where there is no such file; or a folder.
    """
    if isinstance(transcript, str) and transcript == AUTO:
        return None
    path = Path(transcript)
    is_short = len(str(transcript)) <= _LONGEST_NAME and "\n" not in str(transcript) and "\0" not in str(transcript)
    try:
        if is_short and path.is_file():
            return path
        is_folder = is_short and str(transcript) not in ("", ".") and path.is_dir()
    except OSError:
        is_short = is_folder = False
    if is_folder:
        raise EmageError(f"{transcript} is a folder. Name the transcript's file in it, or give the text itself.")
    looks_like_file = is_short and path.suffix.lower() in _ENDINGS
    if isinstance(transcript, Path) or looks_like_file:
        raise EmageError(f"{transcript}: there is no such transcript. Name a file, or give the text itself.")
    return None


def load_words(path: str | Path) -> tuple[Word, ...]:
    """The words of a file that has their times: a TextGrid (of its tier "words", or of its first tier of intervals
    where none has that name), or Whisper's or WhisperX's JSON. The words of captions are spread over each caption;
    `emage.recording.hearing.hear` aligns them to the sound instead.

    Raises:
        EmageError: none of these, damaged, too large, words without times, or times that make no sense.
    """
    passages = load_passages(path)
    untimed = next((passage for passage in passages if not passage.is_timed), None)
    if untimed is not None:
        raise EmageError(
            f"{Path(path).name} does not say when '{untimed.text[:40]}' is spoken. Give it together with the "
            "recording, so that its words are aligned to the sound."
        )
    return tuple(word for passage in passages for word in spread_words(passage))


def count_words(number: int) -> str:
    """As people say it: 1 word, 2 words."""
    return f"{number:,} word" if number == 1 else f"{number:,} words"


def write_words(words: Sequence[Word]) -> str:
    """As JSON that `load_words` reads, and others as Whisper's: times to the last digit, confidences as probability."""
    entries = [
        {"word": word.text, "start": word.start_s, "end": word.end_s}
        | ({} if word.confidence is None else {"probability": word.confidence})
        for word in words
    ]
    return json.dumps({"words": entries}, ensure_ascii=False, indent=1) + "\n"


def load_passages(path: str | Path) -> tuple[Passage, ...]:
    """The passages of a transcript of any format; those of plain text have no times.

    Raises:
        EmageError: not there, damaged, too large, too many words, or one far too long for a word.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise EmageError(f"{path.name} is larger than {_MAX_BYTES >> 20} MB: no transcript. Give a shorter one.")
        content = path.read_bytes()
    except OSError as error:
        raise EmageError(f"{path} cannot be read as a transcript: {error.strerror or error}.") from error
    return check_passages(read_passages(_decode(content, path.name), path.name), path.name)


def check_passages(passages: Iterable[Passage], name: str) -> tuple[Passage, ...]:
    """The same passages, of which no more are read where they are too many.

    Raises:
        EmageError: more words than `MAX_WORDS`, one of more than `MAX_WORD_CHARACTERS`, or text that no file can hold.
            HintError: times that make no sense.
    """
    count, checked = 0, []
    for passage in passages:
        try:
            passage.text.encode()
        except UnicodeEncodeError as error:
            raise EmageError(
                f"{name} holds half a character ({passage.text[error.start]!a}), as of a text that was cut or decoded "
                "wrongly. Give it as UTF-8."
            ) from error
        for token in _read_tokens(passage):
            count += 1
            if len(token) > MAX_WORD_CHARACTERS:
                raise EmageError(
                    f"{name}: '{token[:20]}…' has {len(token):,} characters without a blank; a word has at most "
                    f"{MAX_WORD_CHARACTERS}. Put blanks between the words."
                )
            if count > MAX_WORDS:
                raise EmageError(
                    f"{name} has more than {MAX_WORDS:,} words; no more are taken. Give the words of a part."
                )
        if passage.is_timed:
            Word(passage.text, passage.start_s, passage.end_s, passage.confidence)
        checked.append(passage)
    return tuple(checked)


def split_tokens(passage: Passage) -> list[str]:
    """The words of a passage as they are written. Signs that stand alone belong to the word before, or at the
    beginning to the one behind; pictures (emoji) are words without a sound."""
    return list(_read_tokens(passage))


def _read_tokens(passage: Passage) -> Iterator[str]:
    if passage.is_word:
        if passage.text.strip():
            yield passage.text
        return
    parts: list[str] = []  # of the token that is being read
    has_word = False
    for match in re.finditer(r"\S+", passage.text):
        is_word = any(_is_word_character(character) for character in match[0])
        if is_word and has_word:
            yield " ".join(parts)
            parts = []
        parts.append(match[0])
        has_word = has_word or is_word
        if len(parts) > MAX_WORD_CHARACTERS:  # no word any more, whatever comes
            break
    if parts:
        yield " ".join(parts)


def _is_word_character(character: str) -> bool:
    """Whether it is more than a sign: a letter, a mark on one, a digit, or a picture."""
    return unicodedata.category(character) not in ("Cc", "Cf", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "Sk", "Zs")


def spread_words(passage: Passage) -> tuple[Word, ...]:
    """The words of a passage with times, which share its length by their letters. Raises HintError."""
    return share_out(split_tokens(passage), passage.start_s, passage.end_s, passage.confidence)


def share_out(tokens: Sequence[str], start_s: float, end_s: float, confidence: float | None = None) -> tuple[Word, ...]:
    """Words one after the other from `start_s` to `end_s`, each as long as it has letters."""
    weights = [1 + len(re.findall(r"\w", token)) for token in tokens]
    total, ends = sum(weights), [0]
    for weight in weights:
        ends.append(ends[-1] + weight)
    times = [start_s + (end_s - start_s) * end / total for end in ends] if tokens else []
    return tuple(Word(token, times[i], max(times[i], times[i + 1]), confidence) for i, token in enumerate(tokens))


def _decode(content: bytes, name: str) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):  # Praat writes it where a text is not plain
        return content.decode("utf-16", "replace")
    if b"\0" in content:
        raise EmageError(f"{name} is no text. Give a TextGrid, Whisper's JSON, captions (.srt, .vtt) or plain text.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:  # captions are often still in Windows' encoding
        return content.decode("cp1252", "replace")
