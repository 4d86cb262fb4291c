"""What weights hear of a recording: its rhythm and words, or its sound alone."""

from dataclasses import dataclass

import numpy as np

from emage.models.generator_config import GeneratorConfig
from emage.recording.audio import num_frames
from emage.recording.features import Speech, word_indices
from emage.recording.recording import Recording
from emage.recording.vocabulary import UNK, Vocabulary

LEAST_KNOWN = 0.3
"""Of a recording's words: below this share, weights that can hear the waveform hear that."""


@dataclass(frozen=True, eq=False)
class Listener:
    """The ears of a generator.

    config: the generator's. vocabulary: its words'; without one, every word is unknown to it.
    """

    config: GeneratorConfig
    vocabulary: Vocabulary | None

    @property
    def hears_words(self) -> bool:
        """Whether a transcript makes a difference."""
        return self.config.vocabulary > 0

    def reads(self, recording: Recording) -> bool:
        """Whether a recording's part is heard by its rhythm and words. Weights that can hear the waveform as well do
        so where there are no words, or they know next to none of them, as in another language.
        """
        if not (self.config.vocabulary and self.config.waveform):
            return self.hears_words
        words = recording.part_words
        return bool(words) and self.count_known(recording) >= LEAST_KNOWN * len(words)

    def count_known(self, recording: Recording) -> int:
        """How many words of a recording's part are in the vocabulary."""
        if self.vocabulary is None:
            return 0
        return sum(self.vocabulary.index(word.text) != UNK for word in recording.part_words)

    def hear(self, heard: Recording | np.ndarray) -> Speech:
        """A recording's part with its words, or samples (N,) at 16 kHz, as the generator hears them."""
        samples = heard.part_samples if isinstance(heard, Recording) else heard
        words = None
        if isinstance(heard, Recording) and self.reads(heard) and self.vocabulary is not None:
            words = word_indices(heard.words, self.vocabulary, num_frames(len(samples)), heard.start_frame)
        return Speech(samples, words, published_onsets=self.config.conventions == "paper")
