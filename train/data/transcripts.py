"""What a generator that knows words hears in training: rhythm, and words as recognition makes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from emage.errors import EmageError
from emage.motion import FPS
from emage.recording.audio import frame_to_sample
from emage.recording.features import speech_rhythm, word_indices
from emage.recording.transcript import Word
from emage.recording.vocabulary import UNK, Vocabulary
from train.data.cache import Cache
from train.data.corpus import CorpusError

_MOST_CLIPS = 512
"""Remembered at once, so that memory does not grow with the corpus."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class TranscriptNoise:
    """How often, and how much; chances are of a window, of each word where they say so.

    exact_chance: the words as they are. missing_chance: no transcript at all. drop_chance, wrong_chance: of each word
    of the others. shift_s: deviation of where a word begins and ends; the whole transcript is shifted by as much again.

    Raises:
        EmageError: a chance that is not in 0..1.
    """

    exact_chance: float = 0.4
    missing_chance: float = 0.05
    drop_chance: float = 0.08
    wrong_chance: float = 0.08
    shift_s: float = 0.03

    def __post_init__(self):
        for name, value in vars(self).items():
            if name.endswith("_chance") and not 0 <= value <= 1:
                raise EmageError(f"{name} is {value}; a chance is between 0 and 1.")


def disturb_words(
    words: Sequence[Word], others: Sequence[str], noise: TranscriptNoise, rng: np.random.Generator
) -> tuple[Word, ...]:
    """The words as recognition might have them. others: what a wrong word is taken from."""
    kind = rng.random()
    if kind < noise.missing_chance:
        return ()
    if kind < noise.missing_chance + noise.exact_chance:
        return tuple(words)
    common_s = rng.normal(0, noise.shift_s)
    disturbed = []
    for word in words:
        fate, (start_s, end_s) = rng.random(), rng.normal(0, noise.shift_s, 2)
        if fate < noise.drop_chance:
            continue
        is_wrong = fate < noise.drop_chance + noise.wrong_chance
        text = str(others[rng.integers(len(others))]) if is_wrong else word.text
        start_s = max(0.0, word.start_s + common_s + start_s)
        disturbed.append(Word(text, start_s, max(start_s, word.end_s + common_s + end_s)))
    return tuple(disturbed)


EXACT = TranscriptNoise(exact_chance=1.0, missing_chance=0.0)


def collect_vocabulary(cache: Cache) -> Vocabulary:
    """All words of the cache's split train, in the order of the alphabet.

    Raises:
        CorpusError: it has none.
    """
    texts = {word.text for clip in cache.clips if clip.split == "train" for word in cache.words(clip)}
    if not texts:
        raise CorpusError(f"{cache.folder} has no words. Make it again of a corpus with a folder textgrid.")
    return Vocabulary.of(sorted(texts))


class Transcripts:
    """Rhythm and words of the windows of a cache.

    Onsets are those of each clip's own sound, whatever augmentation does to it: noise would bring its own, and a window
    of two seconds has too little to tell a loud onset from a soft one by.
    """

    def __init__(self, cache: Cache, vocabulary: Vocabulary, noise: TranscriptNoise):
        self.cache, self.vocabulary, self.noise = cache, vocabulary, noise
        self._others = vocabulary.words[UNK + 1 :]
        known = cache.vocabulary() if noise == EXACT else None
        self._is_stored = known is not None and known.words == vocabulary.words
        self._words: dict[int, tuple[Word, ...]] = {}
        self._onsets: dict[int, np.ndarray] = {}

    def exact(self) -> "Transcripts":
        """The same without noise."""
        return Transcripts(self.cache, self.vocabulary, EXACT)

    def rhythm(self, clip: int, start_frame: int, audio: np.ndarray) -> np.ndarray:
        """(N, 2) of a window's sound (N,), which begins at a frame of the clip of that number."""
        onsets = _recall(self._onsets, clip, lambda: self.cache.onsets(self.cache.clips[clip]))
        onsets = onsets - frame_to_sample(start_frame)
        return speech_rhythm(audio, onsets[(onsets >= 0) & (onsets < len(audio))])

    def words(self, clip: int, start_frame: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """(T,) indices of what the transcript of a clip has at `frames` frames from one on."""
        if self._is_stored:
            return self.cache.word_indices(self.cache.clips[clip], start_frame, start_frame + frames)
        words = _recall(self._words, clip, lambda: self.cache.words(self.cache.clips[clip]))
        start_s, end_s = start_frame / FPS, (start_frame + frames) / FPS
        near = [word for word in words if word.end_s > start_s - 1 and word.start_s < end_s + 1]
        return word_indices(disturb_words(near, self._others, self.noise, rng), self.vocabulary, frames, start_frame)


def _recall(known: dict[int, Value], clip: int, read: Callable[[], Value]) -> Value:
    """What is known of a clip, or read now; no more is remembered than of the latest clips."""
    if clip not in known:
        if len(known) >= _MOST_CLIPS:
            del known[next(iter(known))]
        known[clip] = read()
    return known[clip]
