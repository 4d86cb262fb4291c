"""How a recording comes by its words: from a transcript's file, from text, or by listening. The one door for all."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from emage.errors import EmageError
from emage.recording.alignment import align_words
from emage.recording.examples import find_example
from emage.recording.recognition import recognise_words
from emage.recording.recording import Recording
from emage.recording.transcript import Word, check_passages, load_passages, load_words
from emage.recording.transcript_files import Passage

AUTO = "auto"
"""In place of a transcript: the words are recognised."""
ENGLISH = "en"

_LONGEST_NAME = 255


@dataclass(frozen=True, eq=False)
class Heard:
    """recording: with its words. notices: sentences on what is a guess, or could not be aligned."""

    recording: Recording
    notices: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[Word, ...]:
        return self.recording.words


def hear(
    recording: Recording,
    transcript: str | Path,
    language: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Heard:
    """A recording with its words.

    Args:
        recording: of which the whole is heard, whatever part of it is used.
        transcript: a file (TextGrid, Whisper's or WhisperX's JSON, captions, plain text); or the text itself, which is
            aligned to the sound; or "auto": an example has its own words, in other recordings they are recognised.
        language: that is spoken, as in `en` or `de`; by default an example's own, and else English.
        progress: called with a stage, and the motion frames that are done of how many; what it raises ends the work.

    Raises:
        EmageError: no such file, a transcript that makes no sense or is of another recording, or a language that
            cannot be aligned or recognised here.
    """
    example = find_example(recording.file)
    language = language or (example.language if example else ENGLISH)
    if transcript == AUTO:
        if example is not None and example.transcript.is_file():
            return Heard(replace(recording, words=load_words(example.transcript)))
        words, notice = recognise_words(recording.samples, language, progress)
        return Heard(replace(recording, words=words), (notice,))
    passages = _passages(transcript)
    if not passages:
        return Heard(replace(recording, words=()), ("The transcript is empty: the recording has no words.",))
    aligned = align_words(recording.samples, passages, language, progress)
    return Heard(replace(recording, words=aligned.words), aligned.notices)


def find_transcript_file(transcript: str | Path) -> Path | None:
    """The file that a transcript names; None for the text itself, and for "auto".

    Raises:
        EmageError: a name such as talk.srt, or a path, where there is no such file.
    """
    if isinstance(transcript, str) and transcript == AUTO:
        return None
    path = Path(transcript)
    is_short = len(str(transcript)) <= _LONGEST_NAME and "\n" not in str(transcript) and "\0" not in str(transcript)
    try:
        if is_short and path.is_file():
            return path
    except OSError:
        is_short = False
    looks_like_file = is_short and path.suffix.lower() in (".textgrid", ".json", ".srt", ".vtt", ".txt")
    if isinstance(transcript, Path) or looks_like_file:
        raise EmageError(f"{transcript}: there is no such transcript. Name a file, or give the text itself.")
    return None


def _passages(transcript: str | Path) -> tuple[Passage, ...]:
    file = find_transcript_file(transcript)
    if file is not None:
        return load_passages(file)
    text = str(transcript)
    return check_passages((Passage(text),), "The transcript") if text.strip() else ()
