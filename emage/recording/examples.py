"""The recordings that ship with the project, from the index in assets/examples/."""

import json
from dataclasses import dataclass
from pathlib import Path

from emage.errors import EmageError

EXAMPLES_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "examples"
INDEX = EXAMPLES_FOLDER / "examples.json"


@dataclass(frozen=True)
class Example:
    """A recording. transcript: its words. motion: a reference motion of the same length. speaker: index for which the
    demo weights know this way of moving. language: as in `en`."""

    name: str
    title: str
    audio: Path
    transcript: Path
    motion: Path
    text: str
    language: str
    speaker: int
    duration_s: float


def load_examples() -> tuple[Example, ...]:
    """All recordings of the index; none where the folder was left out.

    Raises:
        EmageError: the index is damaged.
    """
    if not INDEX.is_file():
        return ()
    try:
        return tuple(
            Example(
                entry["id"],
                entry["title"],
                EXAMPLES_FOLDER / entry["audio"],
                EXAMPLES_FOLDER / entry["transcript"],
                EXAMPLES_FOLDER / entry["motion"],
                entry["text"],
                entry["language"],
                entry["speaker"],
                entry["seconds"],
            )
            for entry in json.loads(INDEX.read_text("utf-8"))["recordings"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EmageError(f"{INDEX} is damaged ({error!r}). Take it from the repository again.") from error


def find_example(audio: Path | None) -> Example | None:
    """The example whose recording a file is; None for any other file. Raises EmageError as `load_examples` does."""
    if audio is None or audio.resolve().parent != EXAMPLES_FOLDER:
        return None
    return next((example for example in load_examples() if example.audio.name == audio.name), None)
