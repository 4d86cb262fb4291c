"""What to ask people, and of which motions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from emage.errors import EmageError

DESIGN = "key.json"
"""What the page does not know: which system each film shows. Keep it from those who are asked."""
PAGE = "index.html"
STIMULI = "stimuli"


@dataclass(frozen=True, kw_only=True)
class StudyMaking:
    """Make the films and the page of a study in which people choose between two motions of the same speech.

    Raises:
        EmageError: a value out of range, or fewer than two systems.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of the suite beat2, whose motions are shown; each is a system, called by its folder's name."""
    corpus: Path
    """That they were evaluated on, for the sound and the true motion."""
    out: Path = Path("study")
    """Where index.html, stimuli/ and key.json go. Given again, a making that was stopped goes on."""
    truth: bool = True
    """Show the true motion, too, as a system called `truth`."""
    segments: int = 12
    """Stretches of speech that are shown, each of every system."""
    seconds: float = 8.0
    """Of each."""
    participants: int = 20
    """For how many people to plan; each gets a number from 1."""
    screens: int = 24
    """Pairs that each of them sees, besides the attention checks."""
    checks: int = 3
    """Attention checks for each: a message in the film says what to choose."""
    size: int = 480
    """Width and height of a film in pixels, even."""
    question: str = "Which person moves more like somebody who says this?"
    """Asked about each pair."""
    seed: int = 0
    """Of what is shown beside what, on which side, and in which order."""

    def __post_init__(self):
        if len(self.runs) + self.truth < 2:
            raise EmageError("A study compares two systems or more: name another folder of results.")
        for name, least in (("segments", 1), ("participants", 1), ("screens", 1), ("checks", 0), ("size", 64)):
            if getattr(self, name) < least:
                raise EmageError(f"{name} is {getattr(self, name)}; it must be {least} or more.")
        if self.size % 2:
            raise EmageError(f"size is {self.size}; it must be even.")
        if not 1 <= self.seconds <= 60:
            raise EmageError(f"seconds is {self.seconds:g}; it must be 1 to 60.")


@dataclass(frozen=True, kw_only=True)
class StudyScoring:
    """Score what people answered. Raises EmageError for a value out of range."""

    study: Annotated[Path, tyro.conf.Positional]
    """The folder of the study."""
    answers: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """The files that people saved, or folders of them."""
    out: Path | None = None
    """Where preferences.json and preferences.md go; by default the study's folder."""
    failed_checks: int = 1
    """Who fails more attention checks than this is left out."""
    resamples: int = 1000
    """Samples of the participants, of which the 95 % intervals are."""
    seed: int = 0
    """Of these samples."""

    def __post_init__(self):
        if not self.answers:
            raise EmageError("Name the files of answers, or the folder that they lie in.")
        if self.failed_checks < 0 or self.resamples < 10:
            raise EmageError("failed_checks must be 0 or more, and resamples 10 or more.")
