"""The data cache: a corpus in BEAT2's layout, decoded once into memory-mapped arrays, and windows cut from them.

python -m train.data --corpus ROOT --out CACHE

A corpus is ROOT/{smplxflame_30/<id>.npz, wave16k/<id>.wav, train_test_split.csv}. The cache holds one array a quantity,
all clips end to end, so that an item of training is a few copies out of mapped memory and nothing is decoded.

Translation is kept twice. `motion` has it as a hint shows it to the generator (`emage.hints.mask.motion_channels`): a
place in the room, metres. `travel` has x velocity, height and z velocity, as `emage.models.codec.integrate_root` reads
them. The lower VQ-VAE and the global motion predictor are trained on `travel` (see `codec_motion`): it is the same
wherever in the room a person stands, so that no code is spent on places, and what the lower decoder puts into the seed
of the next window when sampling is just what the generator sees in seeds when it is trained.
"""

import csv
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import tyro
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from emage.body import Body, load_body
from emage.errors import EmageError
from emage.files import check_writable
from emage.hints.mask import foot_contacts, motion_channels
from emage.motion import FPS, Motion
from emage.motion.skeleton import MOTION_CHANNELS, NUM_EXPRESSIONS, TRANSLATION
from emage.recording.audio import SAMPLE_RATE_HZ, frame_to_sample, load_audio, num_frames
from train.data.augment import Augmentation, augment
from train.run.command import run_command

SPLITS = ("train", "val", "test", "additional")
_INDEX = "index.json"
_FORMAT = 1
_ARRAYS = {  # file: (dtype, width of a row)
    "motion": ("<f4", MOTION_CHANNELS),
    "expressions": ("<f4", NUM_EXPRESSIONS),
    "travel": ("<f4", 3),
    "audio": ("<i2", 1),
}


class CorpusError(EmageError):
    """A corpus or a cache made of it is incomplete or damaged."""


@dataclass(frozen=True)
class Clip:
    """One recording in the cache: `num_frames` rows from `first_frame`, and the samples that they last.

    speaker: index into the cache's speakers, which a generator's speaker table follows.
    """

    id: str
    split: str
    speaker: int
    first_frame: int
    num_frames: int
    first_sample: int

    @property
    def num_samples(self) -> int:
        return frame_to_sample(self.num_frames)


# --- building ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BuildCache:
    """Decode a corpus in BEAT2's layout into a cache for training.

    corpus: its folder, with smplxflame_30/, wave16k/ and train_test_split.csv.
    out: the folder to make; it appears whole or not at all.
    speakers: the leading numbers of the clips to take; all by default.
    """

    corpus: Path
    out: Path
    speakers: tuple[int, ...] = ()

    def run(self) -> None:
        build_cache(self.corpus, self.out, self.speakers)


def build_cache(corpus: Path, out: Path, speakers: tuple[int, ...] = (), body: Body | None = None) -> "Cache":
    """Decode every clip once.

    Motion is brought to 30 frames a second and sound to 16 kHz, and both are cut to the shorter. Foot contacts are
    those of `body`, by default the one that `load_body` gives.

    Raises:
        CorpusError: no list of clips, a clip that is not there, clips of several expression bases, or `out` exists.
        MotionError, AudioError: a clip's file is damaged.
    """
    if out.exists():
        raise CorpusError(f"{out} is there already. Remove it, or name another folder for the cache.")
    out.parent.mkdir(parents=True, exist_ok=True)
    check_writable(out)
    listed = [(clip, split) for clip, split in _listed_clips(corpus) if not speakers or _speaker(clip) in speakers]
    if not listed:
        raise CorpusError(f"{corpus} has no clips of speakers {speakers}; see its train_test_split.csv.")
    table = sorted({_speaker(clip) for clip, _ in listed})
    body = body or load_body()
    unfinished = out.parent / f".{out.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    clips, bases, first_frame, first_sample = [], {}, 0, 0
    for clip_id, split in tqdm(listed, desc="Clips", unit=" clips"):
        arrays, basis = _decode(corpus, clip_id, body)
        for name, array in arrays.items():
            with (unfinished / name).open("ab") as stream:
                array.astype(_ARRAYS[name][0]).tofile(stream)
        clip = Clip(clip_id, split, table.index(_speaker(clip_id)), first_frame, len(arrays["motion"]), first_sample)
        first_frame, first_sample = first_frame + clip.num_frames, first_sample + clip.num_samples
        clips.append(clip)
        bases.setdefault(basis, clip_id)
    if len(bases) > 1:
        shutil.rmtree(unfinished)
        raise CorpusError(f"{corpus} mixes expression bases: {bases}. Train on one basis at a time.")
    index = {
        "format": _FORMAT,
        "speakers": table,
        "expression_basis": next(iter(bases)),
        "body": body.name,
        "clips": [asdict(clip) for clip in clips],
    }
    (unfinished / _INDEX).write_text(json.dumps(index, indent=1) + "\n", "utf-8")
    os.replace(unfinished, out)
    return Cache(out)


def _listed_clips(corpus: Path) -> list[tuple[str, str]]:
    path = corpus / "train_test_split.csv"
    if not path.is_file():
        raise CorpusError(f"{path} is missing. A corpus lists its clips there, in columns id and type.")
    with path.open(newline="", encoding="utf-8") as stream:
        rows = [(row.get("id"), row.get("type")) for row in csv.DictReader(stream)]
    for clip, split in rows:
        if not clip or split not in SPLITS:
            raise CorpusError(f"{path}: the line {clip},{split} is not an id and one of {', '.join(SPLITS)}.")
    return rows


def _speaker(clip_id: str) -> int:
    number = clip_id.split("_")[0]
    if not number.isdecimal():
        raise CorpusError(f"The clip '{clip_id}' does not begin with its speaker's number, as in 2_scott_0_1_1.")
    return int(number)


def _decode(corpus: Path, clip_id: str, body: Body) -> tuple[dict[str, np.ndarray], str]:
    motion_file, audio_file = corpus / "smplxflame_30" / f"{clip_id}.npz", corpus / "wave16k" / f"{clip_id}.wav"
    for path in (motion_file, audio_file):
        if not path.is_file():
            raise CorpusError(f"{path} is missing, but train_test_split.csv lists it. Complete the corpus.")
    motion, audio = Motion.load(motion_file).resample(FPS), load_audio(audio_file)
    frames = min(motion.num_frames, num_frames(len(audio)))
    motion = motion.frames(0, frames)
    audio = audio[: frame_to_sample(frames)]
    audio = np.pad(audio, (0, frame_to_sample(frames) - len(audio)))  # half a frame at most
    arrays = {
        "motion": motion_channels(motion, foot_contacts(body.joints(motion))),
        "expressions": motion.expressions,
        "travel": travel(motion.trans),
        "audio": np.clip(np.round(audio * 32768), -32768, 32767),
    }
    return arrays, motion.expression_basis


def travel(trans: np.ndarray) -> np.ndarray:
    """(T, 3) positions in metres -> (T, 3): x velocity (m/s), height (m), z velocity (m/s).

    The velocity of a frame is the way to the next one, as `integrate_root` sums it; the last frame's is the one before.
    """
    step = np.diff(trans, axis=0, append=trans[-1:] + np.diff(trans[-2:], axis=0).sum(0)) * FPS
    return np.stack([step[:, 0], trans[:, 1], step[:, 2]], -1)


# --- reading ----------------------------------------------------------------------------------------------------------


class Cache:
    """A cache, mapped into memory; cheap to make and to hand to the loader's processes.

    Attributes: clips; speakers, the leading numbers of clips that speaker indices stand for; expression_basis;
    motion (F, 337), expressions (F, 100), travel (F, 3) float32 and audio (N,) int16, all clips end to end.

    Raises:
        CorpusError: no cache, a damaged one, or one of another format.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        path = self.folder / _INDEX
        if not path.is_file():
            raise CorpusError(f"{folder} holds no cache. Make it: python -m train.data --corpus ROOT --out {folder}")
        index = json.loads(path.read_text("utf-8"))
        if index["format"] != _FORMAT:
            raise CorpusError(f"{folder} was made by another version of train.data.cache. Make it again.")
        self.clips = tuple(Clip(**clip) for clip in index["clips"])
        self.speakers = tuple(index["speakers"])
        self.expression_basis = index["expression_basis"]
        rows = self.clips[-1].first_frame + self.clips[-1].num_frames
        self.motion = self._mapped("motion", rows)
        self.expressions = self._mapped("expressions", rows)
        self.travel = self._mapped("travel", rows)
        self.audio = self._mapped("audio", self.clips[-1].first_sample + self.clips[-1].num_samples)[:, 0]

    def _mapped(self, name: str, rows: int) -> np.ndarray:
        dtype, width = _ARRAYS[name]
        path = self.folder / name
        expected = rows * width * np.dtype(dtype).itemsize
        if not path.is_file() or path.stat().st_size != expected:
            raise CorpusError(f"{path} is not the {expected:,} bytes that {_INDEX} promises. Make the cache again.")
        return np.memmap(path, dtype, "r", shape=(rows, width))

    def __reduce__(self):
        return Cache, (self.folder,)  # a mapped array would be pickled whole

    def windows(self, splits: tuple[str, ...], window_frames: int, stride_frames: int) -> np.ndarray:
        """(W, 2) int64: clip and start frame of every window in the clips of `splits`.

        Raises:
            CorpusError: there is none.
        """
        table = [
            (number, start)
            for number, clip in enumerate(self.clips)
            if clip.split in splits
            for start in range(0, clip.num_frames - window_frames + 1, stride_frames)
        ]
        if not table:
            raise CorpusError(f"{self.folder} has no clip of {' or '.join(splits)} with {window_frames} frames.")
        return np.array(table, dtype=np.int64)

    def clip_audio(self, clip: Clip, start_frame: int = 0, end_frame: int | None = None) -> np.ndarray:
        """(N,) float32 at 16 kHz, from the sample where one frame starts to that where another does."""
        end_frame = clip.num_frames if end_frame is None else end_frame
        first = clip.first_sample
        piece = self.audio[first + frame_to_sample(start_frame) : first + frame_to_sample(end_frame)]
        return piece.astype(np.float32) / 32768


class Window(NamedTuple):
    """One item of training, or (with a leading B) a batch of them.

    motion (T, 337), as a hint shows it; expressions (T, 100); travel (T, 3); audio (N,) at 16 kHz; speaker; draw: the
    item's number in the whole course of the training, from which all its randomness follows.
    """

    motion: Tensor
    expressions: Tensor
    travel: Tensor
    audio: Tensor
    speaker: Tensor
    draw: Tensor


class Windows(Dataset):
    """Windows in an order that is a function of the seed alone: item `draw` for draw = 0, 1, 2, ... without end.

    Each pass over the table is another permutation. As item and randomness depend on the draw alone, a training can go
    on from any step, in any number of processes, with the same data.

    augmentation: what to do to the sound; None leaves it as it is.
    shuffled: False takes the windows in order, for validation.
    """

    def __init__(
        self,
        cache: Cache,
        table: np.ndarray,
        window_frames: int,
        seed: int,
        augmentation: Augmentation | None = None,
        shuffled: bool = True,
    ):
        self.cache, self.table, self.window_frames, self.seed = cache, table, window_frames, seed
        self.augmentation, self.shuffled = augmentation, shuffled
        self._epoch, self._order = -1, np.arange(len(table))

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, draw: int) -> Window:
        number, start = self.table[self._row(draw)]
        clip, length = self.cache.clips[number], self.window_frames
        frames = slice(clip.first_frame + start, clip.first_frame + start + length)
        first_sample = clip.first_sample + frame_to_sample(int(start))
        # The samples of a window differ by one with where it starts; a batch needs one length.
        audio = self.cache.audio[first_sample : first_sample + frame_to_sample(length)].astype(np.float32) / 32768
        if self.augmentation is not None:
            audio = augment(audio, SAMPLE_RATE_HZ, self.augmentation, np.random.default_rng((self.seed, draw, 1)))
        return Window(
            motion=torch.from_numpy(self.cache.motion[frames].copy()),
            expressions=torch.from_numpy(self.cache.expressions[frames].copy()),
            travel=torch.from_numpy(self.cache.travel[frames].copy()),
            audio=torch.from_numpy(audio),
            speaker=torch.tensor(clip.speaker),
            draw=torch.tensor(draw),
        )

    def _row(self, draw: int) -> int:
        epoch, row = divmod(draw, len(self.table))
        if self.shuffled and epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng((self.seed, epoch, 0)).permutation(len(self.table))
        return int(self._order[row])


def codec_motion(window: Window) -> Tensor:
    """(B, T, 337) with `travel` in the translation channels: what the VQ-VAEs encode and the codec decodes to."""
    motion = window.motion.clone()
    motion[..., TRANSLATION] = window.travel
    return motion


def main() -> None:
    run_command(tyro.cli(BuildCache, description=__doc__).run)


if __name__ == "__main__":
    main()
