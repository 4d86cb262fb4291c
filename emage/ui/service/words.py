"""The words of a recording: aligned to it, and what weights have heard of them."""

from emage.pipeline import EmagePipeline, Progress
from emage.recording.hearing import Heard, hear_passages
from emage.recording.recording import Recording
from emage.recording.revision import revise_words
from emage.recording.transcript import count_words

WORDS_SUFFIX = ".words.json"
"""Of the file beside a take with the words that its weights have heard."""


def align_text(recording: Recording, text: str, language: str | None, progress: Progress) -> Heard:
    """A recording with the words of a text; what it has of them already stays where it is. The text is never the name
    of a file, whatever it is. Raises as `emage.recording.hearing.hear_text`.

    language: by default an example's own, and else English.
    """
    return hear_passages(recording, revise_words(recording.words, text), language, progress)


def describe_heard(pipeline: EmagePipeline, recording: Recording) -> str:
    """What weights that hear words have heard of a recording's part; empty for others."""
    if not pipeline.hears_words:
        return ""
    words = recording.part_words
    if not words:
        alone = "sound" if pipeline.generator.config.waveform else "rhythm"
        return f"Without a transcript, these weights heard the {alone} alone."
    known = pipeline.count_known(recording)
    if known == len(words):
        return "The weights know " + ("its one word." if known == 1 else f"all {known:,} words.")
    told = f"The weights know {known:,} of {count_words(len(words))}"
    if not pipeline.reads(recording):
        return f"{told}, too few to hear it by them: they heard the sound alone."
    return f"{told}; of the others they heard the rhythm."
