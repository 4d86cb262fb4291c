"""The words of a transcript, for the timeline to snap to: Praat's TextGrid, long or short form."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

from emage.errors import EmageError, HintError

_MAX_BYTES = 8 << 20
_MAX_WORDS = 20_000
_TOKEN = re.compile(r'"((?:[^"]|"")*)"|(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![\w\]])')
"""A text in quotes or a number; the rest of a TextGrid repeats what the order says already."""
_REMEDY = "Export a TextGrid with an interval tier named 'words' from Praat or an aligner."


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
    tiers = _tiers(_decoded(path), path.name)
    if not tiers:
        raise EmageError(f"{path.name} has no tier of intervals. {_REMEDY}")
    intervals = next((intervals for name, intervals in tiers if name.lower() in ("words", "word")), tiers[0][1])
    words = tuple(Word(text.strip(), start, end) for start, end, text in intervals if text.strip())
    if len(words) > _MAX_WORDS:
        raise EmageError(f"{path.name} has {len(words):,} words; at most {_MAX_WORDS:,} are taken.")
    return words


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):  # Praat writes UTF-16 where a text is not plain
        return content.decode("utf-16", "replace")
    return content.decode("utf-8-sig", "replace")


def _tiers(text: str, name: str) -> list[tuple[str, list[tuple[float, float, str]]]]:
    """Name and (start_s, end_s, text) of every tier of intervals."""
    if "ooTextFile" not in text[:200] or "TextGrid" not in text[:200]:
        raise EmageError(f"{name} is no TextGrid. {_REMEDY}")
    # Keys such as "intervals [3]:" hold numbers that say nothing.
    text = re.sub(r"\[\s*\d*\s*\]\s*:?", " ", text)
    tokens = iter(
        match.group(1).replace('""', '"') if match.group(2) is None else float(match.group(2))
        for match in _TOKEN.finditer(text)
    )
    found = []
    try:
        for token in tokens:
            if token in ("IntervalTier", "TextTier"):
                tier, _, _, count = (next(tokens) for _ in range(4))
                if token == "IntervalTier":
                    found.append((str(tier), [tuple(next(tokens) for _ in range(3)) for _ in range(int(count))]))
    except (StopIteration, RuntimeError, ValueError, TypeError, OverflowError) as error:
        raise EmageError(f"{name} is damaged: it ends before its intervals do. {_REMEDY}") from error
    if any([type(value) for value in interval] != [float, float, str] for _, row in found for interval in row):
        raise EmageError(f"{name} is damaged: an interval is no start, end and text. {_REMEDY}")
    return found
