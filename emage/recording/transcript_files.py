"""What files of transcripts hold: Praat's TextGrids, Whisper's and WhisperX's JSON, SubRip and WebVTT captions.

Each reader takes a time that grows with the length of the text alone, whatever the text is.
"""

import html
import re
from dataclasses import dataclass
from itertools import islice

import pydantic

from emage.errors import EmageError
from emage.validation import build

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


def read_passages(text: str, name: str) -> tuple[Passage, ...]:
    """The passages of a transcript, in its order.

    Which format it is tells the ending of `name`, or else the text itself; what is none of them is plain text, and one
    passage without times.

    Raises:
        EmageError: not what its ending promises, or damaged.
    """
    head = text[:200].lstrip()
    match name.lower().rpartition("."):
        case (_, ".", "textgrid"):
            return _read_textgrid(text, name)
        case (_, ".", "json"):
            return _read_json(text, name)
        case (_, ".", "srt" | "vtt"):
            return _read_captions(text, name)
    if "ooTextFile" in head:
        return _read_textgrid(text, name)
    if head.startswith(("{", "[{")):
        return _read_json(text, name)
    if head.startswith("WEBVTT") or _CUE_TIMES.search(text):
        return _read_captions(text, name)
    return (Passage(text),) if text.strip() else ()


# --- TextGrid

# As Praat reads it: what counts are the texts, and the numbers and flags that stand free; the rest is there for people.
_TOKEN = re.compile(
    r'"(?P<text>(?:[^"]|"")*+)"|(?<!\S)(?P<number>[-+]?\d{1,20}(?:\.\d{0,40})?(?:[eE][-+]?\d{1,3})?)(?!\S)'
)


def _read_textgrid(text: str, name: str) -> tuple[Passage, ...]:
    """The intervals of the tier "words", or of the first tier of intervals where none has that name."""
    if "ooTextFile" not in text[:200] or "TextGrid" not in text[:200]:
        raise EmageError(f"{name} is no TextGrid. {_TEXTGRID_REMEDY}")
    tokens = (float(m["number"]) if m["text"] is None else m["text"].replace('""', '"') for m in _TOKEN.finditer(text))
    try:
        tiers = _read_tiers(list(tokens))
    except _CutOffError as error:
        raise EmageError(f"{name} is damaged: it ends before its intervals do. {_TEXTGRID_REMEDY}") from error
    except ValueError as error:
        raise EmageError(
            f"{name} is damaged: an interval is no start, end and text ({error}). {_TEXTGRID_REMEDY}"
        ) from error
    if not tiers:
        raise EmageError(f"{name} has no tier of intervals. {_TEXTGRID_REMEDY}")
    return next((passages for tier, passages in tiers if tier.lower() in ("words", "word")), tiers[0][1])


class _CutOffError(ValueError):
    """Fewer tokens than announced."""


def _read_tiers(tokens: list[str | float]) -> list[tuple[str, tuple[Passage, ...]]]:
    """Name and intervals of each tier of intervals. The tokens begin with file type, class, times and number of tiers.

    Raises:
        ValueError: a token of another kind than belongs in its place.
    """
    stream = iter(tokens)

    def take(*kinds: type) -> list:
        taken = list(islice(stream, len(kinds)))
        for token, kind in zip(taken, kinds, strict=False):
            if not isinstance(token, kind):
                raise ValueError(f"{str(token)[:40]!r} stands where a {'number' if kind is float else 'text'} belongs")
        if len(taken) < len(kinds):
            raise _CutOffError("it ends too early")
        return taken

    _, _, _, _, num_tiers = take(str, str, float, float, float)
    tiers = []
    for _ in range(int(min(num_tiers, len(tokens)))):
        kind, name, _, _, size = take(str, str, float, float, float)
        entries = (
            take(*(float, float, str) if kind == "IntervalTier" else (float, str))
            for _ in range(int(min(size, len(tokens))))
        )
        if kind == "IntervalTier":
            intervals = [Passage(text.strip(), start_s, end_s, True) for start_s, end_s, text in entries]
            tiers.append((name, tuple(passage for passage in intervals if passage.text)))
        else:
            for _ in entries:
                pass
    if (left := next(stream, None)) is not None:
        raise ValueError(f"{str(left)[:40]!r} stands behind the last of them")
    return tiers


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
    words: list[_Word] | None = None

    def passages(self) -> list[Passage]:
        if self.words:
            return [word.passage() for word in self.words]
        timed = self.start is not None and self.end is not None
        return [Passage(self.text.strip(), self.start if timed else None, self.end if timed else None)]


class _File(pydantic.BaseModel):
    segments: list[_Segment] | None = None
    word_segments: list[_Word] | None = None
    words: list[_Word] | None = None


def _read_json(text: str, name: str) -> tuple[Passage, ...]:
    """The words of Whisper's or WhisperX's file, or of a list of words; of segments without words, the segments."""
    if text.lstrip().startswith("["):
        file = _File(words=build(list[_Word], text, EmageError, name))
    else:
        file = build(_File, text, EmageError, name)
    segments, words = file.segments or [], file.word_segments or file.words
    if words and not any(segment.words for segment in segments):
        found = [word.passage() for word in words]
    elif file.segments is not None:
        found = [passage for segment in segments for passage in segment.passages()]
    elif words is not None:
        found = []
    else:
        raise EmageError(f"{name} has neither segments nor words, as Whisper and WhisperX write them.")
    return tuple(passage for passage in found if passage.text)


# --- captions

_CUE_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_CUE_TIMES = re.compile(rf"^[ \t]{{0,8}}{_CUE_TIME}[ \t]{{0,8}}-->[ \t]{{0,8}}{_CUE_TIME}", re.MULTILINE)
_TAG = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")


def _read_captions(text: str, name: str) -> tuple[Passage, ...]:
    """The cues, without their markup."""
    cues: list[tuple[float, float, list[str]]] = []
    within = False
    for line in text.splitlines():
        if times := _CUE_TIMES.match(line):
            if within and cues[-1][2] and cues[-1][2][-1].isdecimal():  # the number of this cue, with no blank before
                cues[-1][2].pop()
            groups = times.groups("0")
            cues.append((_seconds(groups[:4]), _seconds(groups[4:]), []))
            within = True
        elif not line.strip():
            within = False
        elif within:
            cues[-1][2].append(line.strip())
    if not cues:
        raise EmageError(f"{name} has no captions: no line such as 00:00:01,500 --> 00:00:04,000. {_CAPTIONS_REMEDY}")
    spoken = [(start_s, end_s, html.unescape(_TAG.sub("", " ".join(lines))).strip()) for start_s, end_s, lines in cues]
    return tuple(Passage(text, start_s, end_s) for start_s, end_s, text in spoken if text)


def _seconds(groups: tuple[str, ...]) -> float:
    hours, minutes, seconds, fraction = groups
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")
