"""The data cache: corpora in BEAT2's layout, decoded once into arrays on the disk. `train.data.building` makes it.

It holds one array a quantity, all clips end to end, so that an item of training is a few short reads and nothing is
decoded; no array is ever in memory, however long the corpus is.

    index.json      speakers, the clips and where each lies, what it was made of
    motion          (F, 337) as a hint shows it to the generator
    expressions     (F, 100)
    root_velocity   (F, 3)
    audio           (N,) at 16 kHz
    words           (F,) index of the word of each frame in vocabulary.txt, as a generator hears it
    semantic        (F,) how much a frame's gesture means, of the first label over it, 0 where there is none
    onsets          (M,) samples of each clip at which its sound sets in
    speech.jsonl    a line a clip: its words, the gestures that were performed at them, its semantic labels
    vocabulary.txt  the words of split train

Translation is stored twice. `motion` has it as a hint shows it to the generator (`emage.hints.mask.motion_channels`):
a place in the room, metres. `root_velocity` has x velocity, height and z velocity, as
`emage.models.codec.integrate_root` reads them. The lower VQ-VAE and the global motion predictor are trained on that
(see `train.data.windows.codec_motion`): it is the same wherever in the room a person stands, so that no code is spent
on places, and what the lower decoder puts into the seed of the next window when sampling is just what the generator
sees in seeds when it is trained.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from emage.motion import Motion
from emage.motion.rotations import rotation_6d_to_axis_angle
from emage.motion.skeleton import MOTION_CHANNELS, NUM_BETAS, NUM_EXPRESSIONS, ROTATION_CHANNELS, TRANSLATION
from emage.recording.audio import frame_to_sample
from emage.recording.features import onset_samples
from emage.recording.transcript import Word
from emage.recording.vocabulary import VOCABULARY_NAMES, Vocabulary, load_vocabulary
from emage.validation import build, checked
from train.data.corpus import CorpusError
from train.data.semantics import SemanticLabel, TrueStroke

FORMAT = 3
INDEX_NAME = "index.json"
SPEECH_NAME = "speech.jsonl"
VOCABULARY_NAME = VOCABULARY_NAMES[0]

_OLD_SPEECH_NAME = "speech.json"
_OLD_FILES = {1: {"root_velocity": "travel"}, 2: {}}
"""By earlier format: what files were called that have another name now."""
_MOST_VALUES = 1 << 30
"""Of a cache's own files, which grow with the corpus."""


@dataclass(frozen=True)
class ArraySpec:
    """Of a file of rows: the type of a number, and the numbers of a row; rows of one number are read as (n,)."""

    dtype: str
    width: int = 1

    @property
    def row_bytes(self) -> int:
        return self.width * np.dtype(self.dtype).itemsize


ARRAYS = {
    "motion": ArraySpec("<f4", MOTION_CHANNELS),
    "expressions": ArraySpec("<f4", NUM_EXPRESSIONS),
    "root_velocity": ArraySpec("<f4", 3),
    "audio": ArraySpec("<i2"),
    "words": ArraySpec("<i4"),
    "semantic": ArraySpec("<f4"),
    "onsets": ArraySpec("<i4"),
}


_Count = Annotated[int, Field(le=2**48)]
"""More no file holds, and sums of two of them are counts still."""


@dataclass(frozen=True)
class Clip:
    """One recording in the cache: `num_frames` rows from `first_frame`, and the samples that they last.

    speaker: index into the cache's speakers, which a generator's speaker table follows.
    first_onset, num_onsets: rows of the array of onsets. first_byte, num_bytes: its line of speech.jsonl.
    source: sha256 of the files that it was made of; empty in caches of an earlier format.
    missing: which of `train.data.channels.CHANNELS` it lacks; what it lacks is at rest. corpus: the number of the
        corpus that it is of.
    """

    id: str
    split: str
    speaker: int
    first_frame: _Count
    num_frames: _Count
    first_sample: _Count
    first_onset: _Count = 0
    num_onsets: _Count = 0
    first_byte: _Count = 0
    num_bytes: _Count = 0
    source: str = ""
    missing: tuple[str, ...] = ()
    corpus: int = 0

    def has(self, channels: Iterable[str]) -> bool:
        """Whether it lacks none of these."""
        return not set(channels) & set(self.missing)

    @property
    def num_samples(self) -> int:
        return frame_to_sample(self.num_frames)

    @property
    def rows(self) -> slice:
        """Of the cache's arrays of frames."""
        return slice(self.first_frame, self.first_frame + self.num_frames)

    @property
    def samples(self) -> slice:
        """Of the cache's sound."""
        return slice(self.first_sample, self.first_sample + self.num_samples)

    @property
    def onset_rows(self) -> slice:
        """Of the cache's onsets."""
        return slice(self.first_onset, self.first_onset + self.num_onsets)


class StoredRows:
    """Rows in a file, of which those that are asked for are read; nothing stays mapped or in memory.

    shape: (F, width), or (F,) of numbers.
    """

    def __init__(self, path: Path, spec: ArraySpec, num_rows: int):
        self._path, self._spec = path, spec
        self.shape = (num_rows,) if spec.width == 1 else (num_rows, spec.width)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        return len(self) * self._spec.row_bytes

    def __getitem__(self, rows: slice) -> np.ndarray:
        """An array of its own. Raises CorpusError where the file has become shorter."""
        start, stop, step = rows.indices(len(self))
        assert step == 1
        count = max(0, stop - start)
        try:
            array = np.fromfile(
                self._path, self._spec.dtype, count * self._spec.width, offset=start * self._spec.row_bytes
            )
        except OSError as error:
            raise CorpusError(f"{self._path} cannot be read ({error}). Make the cache again.") from error
        if len(array) != count * self._spec.width:
            raise CorpusError(f"{self._path} was cut while it was in use. Make the cache again.")
        return array.reshape(count, *self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self._spec.dtype, copy=False)


@checked(CorpusError)
class StoredSpeech:
    """What is said and meant in a clip, as speech.jsonl has it: words with start and end; gestures with their word and
    apex; semantic labels with start, end, score and word. Seconds of the clip."""

    words: list[tuple[str, float, float]] = field(default_factory=list)
    strokes: list[tuple[str, str, float]] = field(default_factory=list)
    semantic: list[tuple[str, float, float, float, str]] = field(default_factory=list)


@checked(CorpusError)
class _Index:
    """index.json of a cache."""

    format: int
    speakers: list[int]
    expression_basis: str
    clips: Annotated[list[Clip], Field(min_length=1, fail_fast=True)]
    body: str = ""


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read ({error}). Copy or make it again.") from error


class Cache:
    """A cache; cheap to make and to hand to the loader's processes.

    Attributes: clips; speakers, the leading numbers of clips that speaker indices stand for; expression_basis; body, by
    which contacts are told; num_corpora, of how many it was made; motion (F, 337), expressions (F, 100), root_velocity
    (F, 3) float32 and audio (N,) int16, all clips end to end.

    Raises:
        CorpusError: no cache, a damaged one, or one of another format.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        path = self.folder / INDEX_NAME
        if not path.is_file():
            raise CorpusError(f"{folder} holds no cache. Make it: python -m train.data --corpus ROOT --out {folder}")
        index = build(_Index, _read_text(path), CorpusError, str(path), max_values=_MOST_VALUES)
        if index.format not in (FORMAT, *_OLD_FILES):
            raise CorpusError(f"{folder} was made by another version of train.data.cache. Make it again.")
        self.format = index.format
        self.clips = tuple(index.clips)
        self.speakers = tuple(index.speakers)
        self.expression_basis = index.expression_basis
        self.body = index.body
        self.num_corpora = 1 + max(clip.corpus for clip in self.clips)
        self._old_speech: dict[str, Any] = {}
        if self.is_old and (self.folder / _OLD_SPEECH_NAME).is_file():
            path = self.folder / _OLD_SPEECH_NAME
            self._old_speech = build(dict[str, Any], _read_text(path), CorpusError, str(path), max_values=_MOST_VALUES)
        rows = max(clip.rows.stop for clip in self.clips)
        self.motion = self._open("motion", rows)
        self.expressions = self._open("expressions", rows)
        self.root_velocity = self._open("root_velocity", rows)
        self.audio = self._open("audio", max(clip.samples.stop for clip in self.clips))
        if not self.is_old:
            self._words = self._open("words", rows)
            self._semantic = self._open("semantic", rows)
            self._onsets = self._open("onsets", max(clip.onset_rows.stop for clip in self.clips))

    @property
    def is_old(self) -> bool:
        """Whether it is of an earlier format, without the arrays of words, semantic labels and onsets."""
        return self.format < FORMAT

    def _open(self, name: str, rows: int) -> StoredRows:
        path = self.folder / _OLD_FILES.get(self.format, {}).get(name, name)
        stored = StoredRows(path, ARRAYS[name], rows)
        if not path.is_file() or path.stat().st_size != stored.nbytes:
            raise CorpusError(f"{path} is not the {stored.nbytes:,} bytes that {INDEX_NAME} promises. Make it again.")
        return stored

    def __reduce__(self):
        return Cache, (self.folder,)

    def clips_of(self, splits: tuple[str, ...], needs: Iterable[str] = ()) -> list[Clip]:
        """The clips of some splits that lack nothing of what is needed."""
        return [clip for clip in self.clips if clip.split in splits and clip.has(needs)]

    def windows(
        self, splits: tuple[str, ...], window_frames: int, stride_frames: int, needs: Sequence[str] = ()
    ) -> np.ndarray:
        """(W, 2) int64: clip and start frame of every window in the clips of `splits` that lack nothing of what is
        needed.

        Raises:
            CorpusError: there is none.
        """
        starts = {
            number: np.arange(0, clip.num_frames - window_frames + 1, stride_frames)
            for number, clip in enumerate(self.clips)
            if clip.split in splits and clip.has(needs)
        }
        tables = [np.stack([np.full_like(start, number), start], 1) for number, start in starts.items()]
        if not sum(map(len, tables)):
            having = f" and {', '.join(needs)}" if any(clip.missing for clip in self.clips) else ""
            raise CorpusError(
                f"{self.folder} has no clip of {' or '.join(splits)} with {window_frames} frames{having}."
            )
        return np.concatenate(tables)

    def words(self, clip: Clip) -> tuple[Word, ...]:
        """What is said in a clip; empty where the corpus had no transcript of it, or the cache is an older one."""
        return tuple(Word(*word) for word in self.read_speech(clip).words)

    def strokes(self, clip: Clip) -> tuple[TrueStroke, ...]:
        """The gestures that were performed in a clip, beats among them; empty where the corpus does not say."""
        return tuple(TrueStroke(*stroke) for stroke in self.read_speech(clip).strokes)

    def semantic_labels(self, clip: Clip) -> tuple[SemanticLabel, ...]:
        """What annotators say of a clip's gestures; empty where nobody does."""
        return tuple(SemanticLabel(*label) for label in self.read_speech(clip).semantic)

    def semantic_scores(self, clip: Clip) -> np.ndarray:
        """(T,) how much each frame's gesture means by `semantic_labels`; 0 where nobody says."""
        return np.zeros(clip.num_frames, np.float32) if self.is_old else self._semantic[clip.rows]

    def vocabulary(self) -> Vocabulary | None:
        """The words of split train, in the order of the alphabet; none where it has none, or is an older cache."""
        path = self.folder / VOCABULARY_NAME
        return load_vocabulary(path) if path.is_file() else None

    def word_indices(self, clip: Clip, start_frame: int, end_frame: int) -> np.ndarray:
        """(T,) int64: for each frame the index of its word in `vocabulary`, which must be there."""
        rows = slice(clip.first_frame + start_frame, clip.first_frame + end_frame)
        return self._words[rows].astype(np.int64)

    def onsets(self, clip: Clip) -> np.ndarray:
        """(n,) the samples of a clip at which its sound sets in, as `emage.recording.features.onset_samples` says."""
        if self.is_old:
            return onset_samples(self.clip_audio(clip))
        return self._onsets[clip.onset_rows].astype(np.int64)

    def read_arrays(self, clip: Clip) -> dict[str, np.ndarray]:
        """All that is stored of a clip but its words, by the names of the arrays; of a cache of this format alone."""
        return {
            "motion": self.motion[clip.rows],
            "expressions": self.expressions[clip.rows],
            "root_velocity": self.root_velocity[clip.rows],
            "audio": self.audio[clip.samples],
            "semantic": self._semantic[clip.rows],
            "onsets": self._onsets[clip.onset_rows],
        }

    def read_speech(self, clip: Clip) -> StoredSpeech:
        """A clip's line of speech.jsonl."""
        if self.is_old:
            where = f"{self.folder / _OLD_SPEECH_NAME}, {clip.id}"
            return build(StoredSpeech, self._old_speech.get(clip.id, {}), CorpusError, where)
        path = self.folder / SPEECH_NAME
        try:
            with path.open("rb") as stream:
                stream.seek(clip.first_byte)
                text = stream.read(clip.num_bytes)
        except OSError as error:
            raise CorpusError(f"{path} cannot be read ({error}). Make the cache again.") from error
        return build(StoredSpeech, text, CorpusError, f"{path}, the line of {clip.id}", max_values=_MOST_VALUES)

    def clip_audio(self, clip: Clip, start_frame: int = 0, end_frame: int | None = None) -> np.ndarray:
        """(N,) float32 at 16 kHz, from the sample where one frame starts to that where another does."""
        end_frame = clip.num_frames if end_frame is None else end_frame
        first = clip.first_sample
        return self.read_audio(first + frame_to_sample(start_frame), first + frame_to_sample(end_frame))

    def read_audio(self, first_sample: int, end_sample: int) -> np.ndarray:
        """(N,) float32 between two samples of all clips end to end."""
        return self.audio[first_sample:end_sample].astype(np.float32) / 32768

    def clip_motion(self, clip: Clip) -> Motion:
        """The true motion of a clip, on a body of the mean shape, for a cache holds no shapes."""
        motion, expressions = (torch.from_numpy(array[clip.rows]) for array in (self.motion, self.expressions))
        return self.to_motion(motion, expressions, motion[:, TRANSLATION])

    def to_motion(self, motion: Tensor, expressions: Tensor, trans: Tensor) -> Motion:
        """motion (T, 337) channels, expressions (T, 100) of this cache's basis and positions (T, 3) as a Motion."""
        poses = rotation_6d_to_axis_angle(motion[:, :ROTATION_CHANNELS].double().cpu())
        return Motion(
            poses.numpy(),
            expressions.double().cpu().numpy(),
            trans.double().cpu().numpy(),
            np.zeros(NUM_BETAS),
            expression_basis=self.expression_basis,
        )
