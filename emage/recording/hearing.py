"""How a recording comes by its words: from a transcript's file, from text, or by listening. The one door for all."""

from dataclasses import dataclass, replace
from pathlib import Path

from emage.recording.alignment import align_words
from emage.recording.decoder import Progress
from emage.recording.examples import find_example
from emage.recording.pronunciation import ENGLISH
from emage.recording.recognition import recognise_words
from emage.recording.recording import Recording
from emage.recording.transcript import AUTO, Word, check_passages, find_transcript_file, load_passages, load_words
from emage.recording.transcript_files import Passage


@dataclass(frozen=True, eq=False)
class Heard:
    """recording: with its words. notices: sentences on what is a guess, or could not be aligned."""

    recording: Recording
    notices: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[Word, ...]:
        return self.recording.words


def hear(
    recording: Recording, transcript: str | Path, language: str | None = None, progress: Progress | None = None
) -> Heard:
    """A recording with its words.

    Args:
        recording: of which the whole is heard, whatever part of it is used.
        transcript: a file, or its name (TextGrid, Whisper's or WhisperX's JSON, captions, plain text); or the text
            itself, which is aligned to the sound; or "auto": an example has its own words, in other recordings they are
            recognised. A text that somebody else gives, which must name no file, goes to `hear_text`.
        language: that is spoken, as in `en` or `de`; by default an example's own, and else English.
        progress: called with a stage, and the motion frames that are done of how many; what it raises ends the work.

    Raises:
        EmageError: no such file, a transcript that makes no sense or is of another recording, or a language that
            cannot be aligned or recognised here.
    """
    if transcript == AUTO:
        return listen(recording, language, progress)
    file = find_transcript_file(transcript)
    if file is None:
        return hear_text(recording, str(transcript), language, progress)
    return hear_passages(recording, load_passages(file), language, progress)


def hear_text(recording: Recording, text: str, language: str | None = None, progress: Progress | None = None) -> Heard:
    """`hear` for the text itself, whatever it is. Raises EmageError likewise."""
    passages = (Passage(text),) if text.strip() else ()
    return hear_passages(recording, check_passages(passages, "The transcript"), language, progress)


def listen(recording: Recording, language: str | None = None, progress: Progress | None = None) -> Heard:
    """`hear` without a transcript: an example has its own words, others are recognised. Raises EmageError likewise."""
    example = find_example(recording.file)
    if example is not None and example.transcript.is_file():
        return Heard(replace(recording, words=load_words(example.transcript)))
    words, notice = recognise_words(recording.samples, language or ENGLISH, progress)
    return Heard(replace(recording, words=words), (notice,))


def hear_passages(
    recording: Recording,
    passages: tuple[Passage, ...],
    language: str | None = None,
    progress: Progress | None = None,
) -> Heard:
    """`hear` for passages that are checked already. Raises EmageError likewise."""
    if not passages:
        return Heard(replace(recording, words=()), ("The transcript is empty: the recording has no words.",))
    example = find_example(recording.file)
    language = language or (example.language if example else ENGLISH)
    aligned = align_words(recording.samples, passages, language, progress)
    return Heard(replace(recording, words=aligned.words), aligned.notices)
