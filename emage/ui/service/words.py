"""The words of a recording: aligned to it, and what weights have heard of them."""

from dataclasses import replace

from emage.pipeline import EmagePipeline, Progress
from emage.recording.alignment import align_words
from emage.recording.examples import find_example
from emage.recording.hearing import Heard
from emage.recording.pronunciation import ENGLISH
from emage.recording.recording import Recording
from emage.recording.revision import revise_words
from emage.recording.vocabulary import UNK

WORDS_SUFFIX = ".words.json"
"""Of the file beside a take with the words that its weights have heard."""


def align_text(recording: Recording, text: str, language: str | None, progress: Progress) -> Heard:
    """A recording with the words of a text; what it has of them already stays where it is. The text is never the name
    of a file, whatever it is. Raises as `emage.recording.hearing.hear_text`.

    language: by default an example's own, and else English.
    """
    if language is None:
        example = find_example(recording.file)
        language = ENGLISH if example is None else example.language
    aligned = align_words(recording.samples, revise_words(recording.words, text), language, progress)
    return Heard(replace(recording, words=aligned.words), aligned.notices)


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
