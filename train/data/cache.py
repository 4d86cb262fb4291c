"""The data cache: a corpus in BEAT2's layout, decoded once into memory-mapped arrays.

python -m train.data --corpus ROOT --out CACHE

A corpus is ROOT/{smplxflame_30/<id>.npz, wave16k/<id>.wav, train_test_split.csv}. The cache holds one array a quantity,
all clips end to end, so that an item of training is a few copies out of mapped memory and nothing is decoded.

Where the corpus has them, speech.json holds each clip's words (textgrid/<id>.TextGrid) and the gestures that were
performed at them (strokes/<id>.json, which the synthetic corpus has).

Translation is stored twice. `motion` has it as a hint shows it to the generator (`emage.hints.mask.motion_channels`):
a place in the room, metres. `root_velocity` has x velocity, height and z velocity, as
`emage.models.codec.integrate_root` reads them. The lower VQ-VAE and the global motion predictor are trained on that
(see `train.data.windows.codec_motion`): it is the same wherever in the room a person stands, so that no code is spent
on places, and what the lower decoder puts into the seed of the next window when sampling is just what the generator
sees in seeds when it is trained.
"""

import csv
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from torch import Tensor
from tqdm import tqdm

from emage.body import Body, load_body
from emage.errors import EmageError
from emage.files import check_writable
from emage.hints.mask import foot_contacts, motion_channels
from emage.motion import FPS, Motion
from emage.motion.rotations import rotation_6d_to_axis_angle
from emage.motion.skeleton import MOTION_CHANNELS, NUM_BETAS, NUM_EXPRESSIONS, ROTATION_CHANNELS, TRANSLATION
from emage.recording.audio import frame_to_sample, load_audio, num_frames
from emage.recording.transcript import Word, load_words
from train.run.command import run_command

SPLITS = ("train", "val", "test", "additional")
_INDEX = "index.json"
_SPEECH = "speech.json"
_FORMAT = 2
_ARRAYS = {  # file: (dtype, width of a row)
    "motion": ("<f4", MOTION_CHANNELS),
    "expressions": ("<f4", NUM_EXPRESSIONS),
    "root_velocity": ("<f4", 3),
    "audio": ("<i2", 1),
}
_OLD_FILES = {1: {"root_velocity": "travel"}}
"""By format: what files were called that have another name now."""


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

    @property
    def rows(self) -> slice:
        """Of the cache's arrays of frames."""
        return slice(self.first_frame, self.first_frame + self.num_frames)


@dataclass(frozen=True)
class TrueStroke:
    """A gesture that was performed at a word. gesture: its name. word: its text. apex_s: when its stroke ends, seconds
    of the clip."""

    gesture: str
    word: str
    apex_s: float


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
    clips, bases, speech, first_frame, first_sample = [], {}, {}, 0, 0
    for clip_id, split in tqdm(listed, desc="Clips", unit=" clips"):
        arrays, basis = _decode(corpus, clip_id, body)
        for name, array in arrays.items():
            with (unfinished / name).open("ab") as stream:
                array.astype(_ARRAYS[name][0]).tofile(stream)
        clip = Clip(clip_id, split, table.index(_speaker(clip_id)), first_frame, len(arrays["motion"]), first_sample)
        first_frame, first_sample = first_frame + clip.num_frames, first_sample + clip.num_samples
        clips.append(clip)
        bases.setdefault(basis, clip_id)
        speech[clip_id] = _read_speech(corpus, clip_id)
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
    (unfinished / _SPEECH).write_text(json.dumps(speech) + "\n", "utf-8")
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
        "root_velocity": differentiate_path(motion.trans),
        "audio": np.clip(np.round(audio * 32768), -32768, 32767),
    }
    return arrays, motion.expression_basis


def _read_speech(corpus: Path, clip_id: str) -> dict[str, list]:
    """Words and strokes of a clip as speech.json has them; none where the corpus has none."""
    words_file, strokes_file = corpus / "textgrid" / f"{clip_id}.TextGrid", corpus / "strokes" / f"{clip_id}.json"
    words = load_words(words_file) if words_file.is_file() else ()
    strokes = json.loads(strokes_file.read_text("utf-8")) if strokes_file.is_file() else []
    return {
        "words": [[word.text, word.start_s, word.end_s] for word in words],
        "strokes": [[stroke["gesture"], stroke["word"], stroke["apex_s"]] for stroke in strokes],
    }


def differentiate_path(trans: np.ndarray) -> np.ndarray:
    """(T, 3) positions in metres -> (T, 3): x velocity (m/s), height (m), z velocity (m/s).

    The velocity of a frame leads to the next one, as `integrate_root` sums it; the last frame's is the one before.
    """
    step = np.diff(trans, axis=0, append=trans[-1:] + np.diff(trans[-2:], axis=0).sum(0)) * FPS
    return np.stack([step[:, 0], trans[:, 1], step[:, 2]], -1)


# --- reading ----------------------------------------------------------------------------------------------------------


class Cache:
    """A cache, mapped into memory; cheap to make and to hand to the loader's processes.

    Attributes: clips; speakers, the leading numbers of clips that speaker indices stand for; expression_basis;
    motion (F, 337), expressions (F, 100), root_velocity (F, 3) float32 and audio (N,) int16, all clips end to end.

    Raises:
        CorpusError: no cache, a damaged one, or one of another format.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        path = self.folder / _INDEX
        if not path.is_file():
            raise CorpusError(f"{folder} holds no cache. Make it: python -m train.data --corpus ROOT --out {folder}")
        index = json.loads(path.read_text("utf-8"))
        if index["format"] not in (_FORMAT, *_OLD_FILES):
            raise CorpusError(f"{folder} was made by another version of train.data.cache. Make it again.")
        self.clips = tuple(Clip(**clip) for clip in index["clips"])
        self.speakers = tuple(index["speakers"])
        self.expression_basis = index["expression_basis"]
        speech = self.folder / _SPEECH
        self._speech = json.loads(speech.read_text("utf-8")) if speech.is_file() else {}
        self._old_files = _OLD_FILES.get(index["format"], {})
        rows = self.clips[-1].rows.stop
        self.motion = self._map("motion", rows)
        self.expressions = self._map("expressions", rows)
        self.root_velocity = self._map("root_velocity", rows)
        self.audio = self._map("audio", self.clips[-1].first_sample + self.clips[-1].num_samples)[:, 0]

    def _map(self, name: str, rows: int) -> np.ndarray:
        dtype, width = _ARRAYS[name]
        path = self.folder / self._old_files.get(name, name)
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

    def words(self, clip: Clip) -> tuple[Word, ...]:
        """What is said in a clip; empty where the corpus had no transcript of it, or the cache is an older one."""
        return tuple(Word(*word) for word in self._speech.get(clip.id, {}).get("words", ()))

    def strokes(self, clip: Clip) -> tuple[TrueStroke, ...]:
        """The gestures that were performed in a clip, beats among them; empty where the corpus does not say."""
        return tuple(TrueStroke(*stroke) for stroke in self._speech.get(clip.id, {}).get("strokes", ()))

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
        motion, expressions = (torch.from_numpy(array[clip.rows].copy()) for array in (self.motion, self.expressions))
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


def main() -> None:
    run_command(tyro.cli(BuildCache, description=__doc__).run)


if __name__ == "__main__":
    main()
