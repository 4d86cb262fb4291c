"""Transcripts as recognition makes them: words left out, wrong or shifted, or none at all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emage.errors import EmageError
from emage.recording.transcript import Word


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
