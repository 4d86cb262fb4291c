"""The words of a transcript, for the timeline to snap to: Praat's TextGrid, long or short form."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

from praatio.utilities.errors import PraatioException
from praatio.utilities.textgrid_io import parseTextgridStr

from emage.errors import EmageError, HintError

_MAX_BYTES = 8 << 20
_MAX_WORDS = 20_000
_REMEDY = "Export a TextGrid with an interval tier named 'words' from Praat or an aligner."

_WITH_EXPONENT = re.compile(r"(?<![\w.])\d+(?:\.\d+)?[eE][-+]?\d+(?=[ \t]*$)", re.MULTILINE)
_ENTRY = re.compile(r"(?:item|intervals|points) ?\[")
_TEXT = re.compile(r'(?:text|name|mark) ?= ?"')
_TIER_SIZE = re.compile(
    r'"IntervalTier"\s+(?:name = )?"[^"\n]*(?:""[^"\n]*)*"\s+(?:xmin = )?\S+\s+(?:xmax = )?\S+\s+'
    r"(?:intervals: size = )?(\d+)"
)


@dataclass(frozen=True)
class Word:
    """A word of the transcript, in seconds of the recording."""

    text: str
    start_s: float
    end_s: float

    def __post_init__(self):
        if not (math.isfinite(self.start_s) and math.isfinite(self.end_s) and 0 <= self.start_s <= self.end_s):
            raise HintError(
                f"The word '{self.text[:40]}' lasts from {self.start_s} s to {self.end_s} s; "
                "its end must lie behind its start, and both in the recording."
            )


def load_words(path: str | Path) -> tuple[Word, ...]:
    """The words of a TextGrid's tier "words", or of its first tier of intervals where none has that name.

    Raises:
        EmageError: not a TextGrid, one without intervals, too large, or times that make no sense.
    """
    path = Path(path)
    if path.stat().st_size > _MAX_BYTES:
        raise EmageError(f"{path.name} is larger than {_MAX_BYTES >> 20} MB: no transcript. {_REMEDY}")
    tiers = _interval_tiers(_decode(path.read_bytes()), path.name)
    intervals = next((intervals for name, intervals in tiers if name.lower() in ("words", "word")), tiers[0][1])
    words = tuple(Word(text.strip(), start_s, end_s) for start_s, end_s, text in intervals if text.strip())
    if len(words) > _MAX_WORDS:
        raise EmageError(f"{path.name} has {len(words):,} words; at most {_MAX_WORDS:,} are taken.")
    return words


def _decode(content: bytes) -> str:
    is_utf_16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")  # Praat writes it where a text is not plain
    return content.decode("utf-16" if is_utf_16 else "utf-8-sig", "replace")


def _interval_tiers(text: str, name: str) -> list[tuple[str, list[tuple[float, float, str]]]]:
    """Name and (start_s, end_s, text) of every tier of intervals; at least one."""
    if "ooTextFile" not in text[:200] or "TextGrid" not in text[:200]:
        raise EmageError(f"{name} is no TextGrid. {_REMEDY}")
    if '"IntervalTier"' not in text:
        raise EmageError(f"{name} has no tier of intervals. {_REMEDY}")
    # praatio reads no exponents, which Praat writes, and passes over what was cut off. An entry of a long form with
    # several texts, which no program writes, would take it a time that grows with their square.
    text = _WITH_EXPONENT.sub(lambda match: f"{float(match[0]):f}", text.replace("\r\n", "\n"))
    is_long = "item [" in text
    try:
        if is_long and any(len(_TEXT.findall(entry)) > 1 for entry in _ENTRY.split(text)):
            raise ValueError("an entry has several texts")
        tiers = [tier for tier in parseTextgridStr(text, True)["tiers"] if tier["class"] == "IntervalTier"]
        found = [
            (tier["name"], [(float(start_s), float(end_s), text) for start_s, end_s, text in tier["entries"]])
            for tier in tiers
        ]
    except (PraatioException, ValueError, LookupError, AttributeError, RecursionError) as error:
        raise EmageError(f"{name} is damaged: an interval is no start, end and text ({error}). {_REMEDY}") from error
    if sum(map(int, _TIER_SIZE.findall(text))) != sum(len(intervals) for _, intervals in found):
        raise EmageError(f"{name} is damaged: it ends before its intervals do. {_REMEDY}")
    return found
