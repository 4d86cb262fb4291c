"""What is known of a clip's gestures: BEAT2's `sem` files, which annotators wrote, and the strokes that rules made."""

import math
from dataclasses import dataclass
from pathlib import Path

from emage.validation import build
from train.data.corpus import CorpusError


@dataclass(frozen=True)
class SemanticLabel:
    """What an annotator says of a stretch of a clip: kind, from when to when in seconds, how much the gesture means (0
    to 1) and the word that it goes with, where there is one."""

    kind: str
    start_s: float
    end_s: float
    score: float
    word: str


@dataclass(frozen=True)
class TrueStroke:
    """A gesture that was performed at a word. gesture: its name. word: its text. apex_s: when its stroke ends, seconds
    of the clip."""

    gesture: str
    word: str
    apex_s: float


def read_strokes(path: Path) -> list[TrueStroke]:
    """Read a file of `strokes/`, a list of `TrueStroke`. Raises CorpusError where it is none, or cannot be read."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read as strokes ({error}).") from error
    return build(list[TrueStroke], text, CorpusError, str(path))


def read_semantic_labels(path: Path) -> list[SemanticLabel]:
    """Read a file of lines of kind, start, end, length, score and word, as `01_beat_align 0 68.0 68.0 0.1`, with tabs
    or blanks between them.

    Raises:
        CorpusError: it cannot be read, or a line is none.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read as semantic labels ({error}).") from error
    return [_read_label(line, path, number) for number, line in enumerate(lines, 1) if line.strip()]


def _read_label(line: str, path: Path, number: int) -> SemanticLabel:
    columns = line.split("\t") if "\t" in line else line.split(None, 5)
    try:
        start_s, end_s, _, score = map(float, columns[1:5])
    except ValueError:
        start_s = end_s = score = math.nan
    if not 0 <= start_s <= end_s < math.inf or not 0 <= score <= 1:
        raise CorpusError(f"{path}, line {number}: '{line[:60]}' is not a kind, start, end, length and score.")
    return SemanticLabel(columns[0].strip(), start_s, end_s, score, " ".join(columns[5:]).strip())
