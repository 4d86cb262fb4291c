"""Word vectors from what arms and hands do around each word; a generator that hears words learns faster from them.

python -m train.word_vectors --cache CACHE --out vectors.txt
python -m train.generator --word-vectors vectors.txt ...

A word's vector is the mean of the upper body's and the hands' rotations around it, less those of its speaker, brought
to a few numbers by principal components. So words with the same gesture lie beside each other before the generator
begins, and the rarest of them need not be learned from nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from emage.errors import EmageError
from emage.files import write_text
from emage.motion import FPS
from emage.motion.skeleton import PART_JOINTS, rotation_channels
from train.data.cache import Cache, Clip
from train.data.corpus import CorpusError
from train.run.command import run_command

_OFFSETS_S = (-0.3, -0.1, 0.1, 0.3, 0.5)
"""Of the middle of a word: a stroke ends on its stressed vowel, and holds."""
_DOUBTED_OCCURRENCES = 4.0
"""The mean of so many occurrences counts half: a rare word's vector lies nearer to that of all words."""


@dataclass(frozen=True)
class MakeWordVectors:
    """Make word vectors of a cache's split train.

    cache: the folder that train.data.cache has made; its corpus must have words.
    out: the text to write, a word and its vector a line, as fastText's.
    width: how many numbers a vector has.
    """

    cache: Path
    out: Path
    width: int = 64

    def run(self) -> None:
        vectors = word_vectors(Cache(self.cache), self.width)
        lines = (f"{word} {' '.join(f'{value:.4f}' for value in vector)}\n" for word, vector in vectors.items())
        write_text(self.out, "".join(lines))


def word_vectors(cache: Cache, width: int) -> dict[str, np.ndarray]:
    """(width,) float64 of each word of the split train, in the order of the alphabet; each number has a variance of 1
    over the words.

    Raises:
        CorpusError: the cache has no words, or too few for so many numbers.
        EmageError: a width below 1.
    """
    if width < 1:
        raise EmageError(f"width is {width}; it must be 1 or more.")
    clips = cache.clips_of(("train",), ("upper", "hands"))
    rotations = [_rotations(cache, clip) for clip in clips]
    rest, spread = _speaker_means(clips, rotations)
    sums: dict[str, np.ndarray] = {}
    counts: dict[str, int] = {}
    for clip, turned in zip(clips, rotations, strict=True):
        moved = (turned - rest[clip.speaker]) / spread
        for word in cache.words(clip):
            times_s = (word.start_s + word.end_s) / 2 + np.array(_OFFSETS_S)
            around = moved[np.round(times_s * FPS).astype(int).clip(0, clip.num_frames - 1)].ravel()
            sums[word.text] = sums.get(word.text, 0) + around
            counts[word.text] = counts.get(word.text, 0) + 1
    if len(sums) <= width:
        raise CorpusError(
            f"{cache.folder} has {len(sums)} words in its split train; {width} numbers need more of them."
        )
    words = sorted(sums)
    occurrences = np.array([counts[word] for word in words])[:, None]
    of_all = sum(sums.values()) / occurrences.sum()
    means = np.stack([sums[word] for word in words]) / occurrences - of_all
    left, sizes, _ = np.linalg.svd(means * occurrences / (occurrences + _DOUBTED_OCCURRENCES), full_matrices=False)
    if sizes[width - 1] <= 1e-9 * sizes[0]:
        raise CorpusError(f"{cache.folder} moves in fewer than {width} ways. Ask for a smaller width.")
    made = left[:, :width]
    return dict(zip(words, made / made.std(0), strict=True))


def _rotations(cache: Cache, clip: Clip) -> np.ndarray:
    """(T, C) of upper body and hands."""
    return cache.motion[clip.rows][:, rotation_channels(PART_JOINTS["upper"] + PART_JOINTS["hands"])].astype(np.float64)


def _speaker_means(clips: Sequence[Clip], rotations: Sequence[np.ndarray]) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Of each speaker (C,); and (C,) the deviation of all frames from them. rotations: (T, C) of each clip."""
    own = {speaker: [] for speaker in {clip.speaker for clip in clips}}
    for clip, turned in zip(clips, rotations, strict=True):
        own[clip.speaker].append(turned)
    means = {speaker: np.concatenate(rows).mean(0) for speaker, rows in own.items()}
    square = sum(np.square(rows - means[speaker]).sum(0) for speaker, clips_of in own.items() for rows in clips_of)
    return means, np.maximum(np.sqrt(square / sum(map(len, rotations))), 1e-3)


def main() -> None:
    run_command(tyro.cli(MakeWordVectors, description=__doc__).run)


if __name__ == "__main__":
    main()
