"""What files of transcripts hold: Praat's TextGrids, Whisper's and WhisperX's JSON, SubRip and WebVTT captions.

Each reader takes a time that grows with the length of the text alone, whatever the text is, and holds no more than
`MAX_WORDS` passages and one: whoever counts them finds that they are too many.
"""

import html
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Annotated

import pydantic

from emage.errors import EmageError
from emage.validation import build

MAX_WORDS = 20_000
"""Of a transcript: more than two hours of talk."""

_TEXTGRID_REMEDY = "Export a TextGrid with an interval tier named 'words' from Praat or an aligner."
_CAPTIONS_REMEDY = "Export the captions as SubRip (.srt) or WebVTT (.vtt)."


@dataclass(frozen=True)
class Passage:
    """A stretch of a transcript.

    start_s, end_s: seconds of the recording, where both are known, else None. is_word: it is one word, whatever it
    holds; else its words stand between blanks. confidence: of who recognised it, 0 to 1, where that is known.
    """

    text: str
    start_s: float | None = None
    end_s: float | None = None
    is_word: bool = False
    confidence: float | None = None

    @property
    def is_timed(self) -> bool:
        return self.start_s is not None


def read_passages(text: str, name: str) -> Iterator[Passage]:
    """The passages of a transcript, in its order, as they are read.

    Which format it is tells the ending of `name`, or else the text itself; what is none of them is plain text, and one
    passage without times.

    Raises:
        EmageError: not what its ending promises, or damaged.
    """
    head = text[:200].lstrip()
    match name.lower().rpartition("."):
        case (_, ".", "textgrid"):
            return iter(_read_textgrid(text, name))
        case (_, ".", "json"):
            return _read_json(text, name)
        case (_, ".", "srt" | "vtt"):
            return _read_captions(text, name)
    if "ooTextFile" in head:
        return iter(_read_textgrid(text, name))
    if head.startswith(("{", "[{")):
        return _read_json(text, name)
    if head.startswith("WEBVTT") or _CUE_TIMES.search(text):
        return _read_captions(text, name)
    return iter((Passage(text),) if text.strip() else ())


# --- TextGrid

# As Praat reads it: what counts are the texts, and the numbers and flags that stand free; the rest is there for people.
_MOST_ENTRIES = 15 * MAX_WORDS
"""Intervals and points of all tiers: words, their phones, and what else people mark."""
_TOKEN = re.compile(
    r'"(?P<text>(?:[^"]|"")*+)"|(?<!\S)(?P<number>[-+]?\d{1,20}(?:\.\d{0,40})?(?:[eE][-+]?\d{1,3})?)(?!\S)'
)


def _read_textgrid(text: str, name: str) -> tuple[Passage, ...]:
    """The intervals of the tier "words", or of the first tier of intervals where none has that name."""
    if "ooTextFile" not in text[:200] or "TextGrid" not in text[:200]:
        raise EmageError(f"{name} is no TextGrid. {_TEXTGRID_REMEDY}")
    tokens = (float(m["number"]) if m["text"] is None else m["text"].replace('""', '"') for m in _TOKEN.finditer(text))
    try:
        tiers = _read_tiers(tokens)
    except _CutOffError as error:
        raise EmageError(f"{name} is damaged: it ends before its intervals do. {_TEXTGRID_REMEDY}") from error
    except ValueError as error:
        raise EmageError(
            f"{name} is damaged: an interval is no start, end and text ({error}). {_TEXTGRID_REMEDY}"
        ) from error
    if not tiers:
        raise EmageError(f"{name} has no tier of intervals. {_TEXTGRID_REMEDY}")
    return next((passages for tier, passages in tiers if _holds_words(tier)), tiers[0][1])


def _holds_words(tier: str) -> bool:
    return tier.lower() in ("words", "word")


class _CutOffError(ValueError):
    """Fewer tokens than announced."""


def _read_tiers(tokens: Iterator[str | float]) -> list[tuple[str, tuple[Passage, ...]]]:
    """Name and intervals of the tiers of intervals that may be the words': the first, and those with their name. The
    tokens begin with file type, class, times and number of tiers.

    Raises:
        ValueError: a token of another kind than belongs in its place.
    """

    def take(*kinds: type) -> list:
        taken = list(islice(tokens, len(kinds)))
        for token, kind in zip(taken, kinds, strict=False):
            if not isinstance(token, kind):
                raise ValueError(f"{str(token)[:40]!r} stands where a {'number' if kind is float else 'text'} belongs")
        if len(taken) < len(kinds):
            raise _CutOffError("it ends too early")
        return taken

    _, _, _, _, num_tiers = take(str, str, float, float, float)
    tiers: list[tuple[str, tuple[Passage, ...]]] = []
    num_entries = 0
    for _ in range(_count(num_tiers)):
        kind, name, _, _, size = take(str, str, float, float, float)
        is_intervals = kind == "IntervalTier"
        kinds = (float, float, str) if is_intervals else (float, str)
        passages: list[Passage] = []
        may_be_words = is_intervals and (not tiers or _holds_words(name))
        for _ in range(_count(size)):
            *times, text = take(*kinds)
            num_entries += 1
            if num_entries > _MOST_ENTRIES:
                raise ValueError(f"there are more than {_MOST_ENTRIES:,} of them")
            if may_be_words and len(passages) <= MAX_WORDS and (text := text.strip()):
                passages.append(Passage(text, *times, True))
        if may_be_words:
            tiers.append((name, tuple(passages)))
    if (left := next(tokens, None)) is not None:
        raise ValueError(f"{str(left)[:40]!r} stands behind the last of them")
    return tiers


def _count(number: float) -> int:
    """Of entries, of which so many may be announced that the tokens end before them."""
    return int(min(number, _MOST_ENTRIES + 1))


# --- JSON


class _Word(pydantic.BaseModel):
    """Of Whisper a word has a `probability`, of WhisperX a `score`, and times where it could find them."""

    word: str
    start: float | None = None
    end: float | None = None
    score: float | None = None
    probability: float | None = None

    def passage(self) -> Passage:
        timed = self.start is not None and self.end is not None
        confidence = self.score if self.probability is None else self.probability
        return Passage(
            self.word.strip(),
            self.start if timed else None,
            self.end if timed else None,
            True,
            None if confidence is None else min(max(confidence, 0.0), 1.0),
        )


class _Segment(pydantic.BaseModel):
    start: float | None = None
    end: float | None = None
    text: str = ""
    words: Annotated[list[_Word], pydantic.Field(fail_fast=True)] | None = None

    def passages(self) -> list[Passage]:
        if self.words:
            return [word.passage() for word in self.words]
        timed = self.start is not None and self.end is not None
        return [Passage(self.text.strip(), self.start if timed else None, self.end if timed else None)]


_Words = Annotated[list[_Word], pydantic.Field(fail_fast=True)]


class _File(pydantic.BaseModel):
    segments: Annotated[list[_Segment], pydantic.Field(fail_fast=True)] | None = None
    word_segments: _Words | None = None
    words: _Words | None = None


_MOST_OBJECTS = 3 * MAX_WORDS + 1
"""WhisperX has each word twice, and none of a segment without words."""
_MOST_VALUES = 500_000
"""Whisper has the numbers of its tokens too."""


def _read_json(text: str, name: str) -> Iterator[Passage]:
    """The words of Whisper's or WhisperX's file, or of a list of words; of segments without words, the segments."""
    if text.count("{") > _MOST_OBJECTS:
        raise EmageError(f"{name} has more than {MAX_WORDS:,} words; no more are taken. Give the words of a part.")
    if text.lstrip().startswith("["):
        file = _File(words=build(_Words, text, EmageError, name, _MOST_VALUES))
    else:
        file = build(_File, text, EmageError, name, _MOST_VALUES)
    segments, words = file.segments or [], file.word_segments or file.words
    if words and not any(segment.words for segment in segments):
        found = (word.passage() for word in words)
    elif file.segments is not None:
        found = (passage for segment in segments for passage in segment.passages())
    elif words is not None:
        found = iter(())
    else:
        raise EmageError(f"{name} has neither segments nor words, as Whisper and WhisperX write them.")
    return (passage for passage in found if passage.text)


# --- captions

_CUE_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_CUE_TIMES = re.compile(rf"^[ \t]{{0,8}}{_CUE_TIME}[ \t]{{0,8}}-->[ \t]{{0,8}}{_CUE_TIME}", re.MULTILINE)
_TAG = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")


def _read_captions(text: str, name: str) -> Iterator[Passage]:
    """The cues, without their markup."""
    found = False
    for start_s, end_s, lines in _read_cues(text):
        found = True
        if spoken := html.unescape(_TAG.sub("", " ".join(lines))).strip():
            yield Passage(spoken, start_s, end_s)
    if not found:
        raise EmageError(f"{name} has no captions: no line such as 00:00:01,500 --> 00:00:04,000. {_CAPTIONS_REMEDY}")


def _read_cues(text: str) -> Iterator[tuple[float, float, list[str]]]:
    """Start, end and lines of each cue."""
    cue: tuple[float, float, list[str]] | None = None
    within = False
    for line in io.StringIO(text, newline=None):
        if times := _CUE_TIMES.match(line):
            if cue is not None:
                if within and cue[2] and cue[2][-1].isdecimal():  # the number of this cue, with no blank before
                    cue[2].pop()
                yield cue
            groups = times.groups("0")
            cue, within = (_seconds(groups[:4]), _seconds(groups[4:]), []), True
        elif not line.strip():
            within = False
        elif within:
            cue[2].append(line.strip())
    if cue is not None:
        yield cue


def _seconds(groups: tuple[str, ...]) -> float:
    hours, minutes, seconds, fraction = groups
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")
