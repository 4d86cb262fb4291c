"""Windows cut from the cache: the items of training and of validation."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate.utils import send_to_device
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from emage.models.codec import join_vectors, part_vectors, split_vectors
from emage.models.vqvae import VQVAE
from emage.motion.skeleton import CONTACTS, ROTATION_CHANNELS, TRANSLATION, WHOLE, WHOLE_CHANNELS
from emage.recording.audio import SAMPLE_RATE_HZ, frame_to_sample
from train.data.augment import Augmentation, augment
from train.data.cache import Cache
from train.data.channels import CHANNELS, flags_of
from train.data.corpus import CorpusError
from train.data.transcripts import Transcripts
from train.run.config import RunConfig


class Window(NamedTuple):
    """One item of training, or (with a leading B) a batch of them.

    motion (T, 337), as a hint shows it; expressions (T, 100); root_velocity (T, 3); audio (N,) at 16 kHz; rhythm (N, 2)
    and words (T,), as a generator hears them that knows words, of length 0 for others; speaker;
    sample_index: the item's number in the whole course of the training, from which all its randomness follows;
    has (6,) bool, which of `train.data.channels.CHANNELS` the clip has.
    """

    motion: Tensor
    expressions: Tensor
    root_velocity: Tensor
    audio: Tensor
    rhythm: Tensor
    words: Tensor
    speaker: Tensor
    sample_index: Tensor
    has: Tensor

    def knows(self, channel: str) -> Tensor:
        """(B,) float, 1 for the windows that have a channel."""
        return self.has[:, CHANNELS.index(channel)].float()

    @property
    def rotations(self) -> Tensor:
        """(T, 330)."""
        return self.motion[..., :ROTATION_CHANNELS]

    @property
    def contacts(self) -> Tensor:
        """(T, 4)."""
        return self.motion[..., CONTACTS]


class Windows(Dataset):
    """Windows in an order that is a function of the seed alone: item 0, 1, 2, ... without end.

    Each pass over the table is another permutation. As item and randomness depend on the sample index alone, a training
    can go on from any step, in any number of processes, with the same data.

    augmentation: what to do to the sound; None leaves it as it is.
    transcripts: what is heard of the words; None for a training that hears none.
    shuffled: False takes the windows in order, for validation.
    weights: how often each corpus of the cache is taken; each item is then any window of one of them, by chance. By
        default every window is taken once in each pass.

    Raises:
        CorpusError: weights that are not one for each corpus, or one for a corpus without windows.
    """

    def __init__(
        self,
        cache: Cache,
        table: np.ndarray,
        window_frames: int,
        seed: int = 0,
        augmentation: Augmentation | None = None,
        transcripts: Transcripts | None = None,
        shuffled: bool = True,
        weights: Sequence[float] = (),
    ):
        self.cache, self.table, self.window_frames, self.seed = cache, table, window_frames, seed
        self.augmentation, self.transcripts, self.shuffled = augmentation, transcripts, shuffled
        self._epoch, self._order = -1, np.arange(len(table))
        self._weights = np.array(weights, float)
        self._rows_of = _rows_by_corpus(cache, table, self._weights) if len(weights) else []

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, sample_index: int) -> Window:
        number, start = self.table[self._row(sample_index)]
        clip, length = self.cache.clips[number], self.window_frames
        frames = slice(clip.first_frame + start, clip.first_frame + start + length)
        first_sample = clip.first_sample + frame_to_sample(int(start))
        # The samples of a window differ by one with where it starts; a batch needs one length.
        audio = self.cache.read_audio(first_sample, first_sample + frame_to_sample(length))
        if self.augmentation is not None:
            rng = np.random.default_rng((self.seed, sample_index, 1))
            audio = augment(audio, SAMPLE_RATE_HZ, self.augmentation, rng)
        rhythm, words = np.zeros((0, 2), np.float32), np.zeros(0, np.int64)
        if self.transcripts is not None:
            rng = np.random.default_rng((self.seed, sample_index, 3))
            rhythm = self.transcripts.rhythm(number, int(start), audio)
            words = self.transcripts.words(number, int(start), length, rng)
        return Window(
            motion=torch.from_numpy(self.cache.motion[frames]),
            expressions=torch.from_numpy(self.cache.expressions[frames]),
            root_velocity=torch.from_numpy(self.cache.root_velocity[frames]),
            audio=torch.from_numpy(audio),
            rhythm=torch.from_numpy(rhythm),
            words=torch.from_numpy(words),
            speaker=torch.tensor(clip.speaker),
            sample_index=torch.tensor(sample_index),
            has=flags_of(clip.missing),
        )

    def _row(self, sample_index: int) -> int:
        if self._rows_of:
            rng = np.random.default_rng((self.seed, sample_index, 4))
            rows = self._rows_of[rng.choice(len(self._weights), p=self._weights / self._weights.sum())]
            return int(rows[rng.integers(len(rows))])
        epoch, row = divmod(sample_index, len(self.table))
        if self.shuffled and epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng((self.seed, epoch, 0)).permutation(len(self.table))
        return int(self._order[row])


def _rows_by_corpus(cache: Cache, table: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
    """Rows of a table of windows, by corpus."""
    if len(weights) != cache.num_corpora or not (weights >= 0).all() or not weights.any():
        raise CorpusError(
            f"The weights {weights.tolist()} are given; {cache.folder} is of {cache.num_corpora} corpora, and each "
            "needs one of 0 or more."
        )
    corpus = np.array([clip.corpus for clip in cache.clips])[table[:, 0]]
    rows = [np.flatnonzero(corpus == number) for number in range(len(weights))]
    if empty := [number for number, own in enumerate(rows, 1) if weights[number - 1] and not len(own)]:
        raise CorpusError(f"Corpus {empty[0]} has no window that this stage can train on. Give it the weight 0.")
    return rows


def split_windows(
    cache: Cache,
    config: RunConfig,
    augmentation: Augmentation | None = None,
    transcripts: Transcripts | None = None,
    needs: Sequence[str] = (),
    held_out_needs: Sequence[str] | None = None,
) -> tuple[Windows, Windows]:
    """The windows of split train, and those of split val in order: without overlap, `validation_windows` at most.

    What is done to sound and words is done in training; validation has them as they are.

    needs: of `train.data.channels.CHANNELS`, what clips must have to be taken; held_out_needs: those of split val, by
    default the same.
    """
    frames = config.window_frames
    training = cache.windows(("train",), frames, config.stride_frames, needs)
    held_out = cache.windows(("val",), frames, frames, needs if held_out_needs is None else held_out_needs)
    held_out = held_out[np.linspace(0, len(held_out) - 1, min(len(held_out), config.validation_windows)).astype(int)]
    return (
        Windows(cache, training, frames, config.seed, augmentation, transcripts, weights=config.corpus_weights),
        Windows(cache, held_out, frames, config.seed, transcripts=transcripts and transcripts.exact(), shuffled=False),
    )


def iterate_once(dataset: Dataset, batch_size: int, device: torch.device) -> Iterator[Any]:
    """Batches of all of a dataset once, in order; the global state of randomness stays as it is."""
    for batch in DataLoader(dataset, batch_size, generator=torch.Generator()):
        yield send_to_device(batch, device, non_blocking=True)


def codec_motion(window: Window) -> Tensor:
    """(B, T, 337) with the root velocity in the translation channels: what the codec encodes and decodes to."""
    motion = window.motion.clone()
    motion[..., TRANSLATION] = window.root_velocity
    return motion


def part_vector(window: Window, part: str) -> Tensor:
    """(B, T, C) channels of a part, or of the whole body: what its VQ-VAE takes and gives."""
    vectors = part_vectors(codec_motion(window), window.expressions)
    return join_vectors(vectors) if part == WHOLE else vectors[part]


def code_part(network: VQVAE, window: Window, part: str) -> tuple[Tensor, Tensor]:
    """Codes (B, T), and the channels (B, T, C) of a part that they decode to, by its VQ-VAE or the whole body's."""
    is_whole = network.config.channels == WHOLE_CHANNELS
    codes = network.encode(part_vector(window, WHOLE if is_whole else part))
    decoded = network.decode(codes)
    return codes, split_vectors(decoded)[part] if is_whole else decoded


def spread_sample(dataset: Windows, select: Callable[[Window], Tensor]) -> Tensor:
    """(N, C) frames of 256 windows spread over a dataset, for its statistics. select: (T, C) of a window."""
    rows = np.linspace(0, len(dataset) - 1, min(len(dataset), 256)).astype(int)
    return torch.cat([select(dataset[int(row)]) for row in rows])
