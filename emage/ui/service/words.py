"""The words of a recording: aligned to it, and what weights have heard of them."""

from emage.pipeline import EmagePipeline, Progress
from emage.recording.alignment import align_words
from emage.recording.examples import find_example
from emage.recording.pronunciation import ENGLISH
from emage.recording.recording import Recording
from emage.recording.revision import revise_words
from emage.recording.transcript import Word
from emage.recording.vocabulary import UNK


def align_text(
    recording: Recording, text: str, language: str, progress: Progress
) -> tuple[tuple[Word, ...], tuple[str, ...]]:
    """The words of a text, and sentences on what could not be aligned; what the recording has of them already stays
    where it is. The text is never the name of a file, whatever it is. Raises as `align_words`."""
    passages = revise_words(recording.words, text)
    aligned = align_words(recording.samples, passages, language, progress)
    return aligned.words, aligned.notices


def language_of(recording: Recording) -> str:
    """Of an example its own, of others English."""
    example = find_example(recording.file)
    return ENGLISH if example is None else example.language


def describe_heard(pipeline: EmagePipeline, recording: Recording) -> str:
    """What weights that hear words have heard of a recording; empty for others."""
    if not pipeline.hears_words:
        return ""
    if not recording.words:
        alone = "sound" if pipeline.generator.config.waveform else "rhythm"
        return f"Without a transcript, these weights heard the {alone} alone."
    known = 0
    if pipeline.vocabulary is not None:
        known = sum(pipeline.vocabulary.index(word.text) != UNK for word in recording.words)
    if known == len(recording.words):
        return f"The weights know all {known:,} words."
    return f"The weights know {known:,} of the {len(recording.words):,} words; of the others they heard the rhythm."
