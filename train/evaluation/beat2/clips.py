"""The clips that the published protocol looks at, whole and with the shapes of their own bodies."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emage.evaluation.published import semantic_scores
from emage.motion import FPS, Motion
from emage.recording.audio import load_audio
from emage.recording.transcript import Word, load_words
from train.data.channels import AUDIO
from train.data.corpus import CorpusClip, CorpusError, list_clips
from train.data.partial import load_clip_motion
from train.data.semantics import TrueStroke, read_semantic_labels, read_strokes
from train.evaluation.settings import Beat2Evaluation

MOTION_NAMES = ("{}.npz", "res_{}.npz", "{}_output.npz")
"""Of a made motion, as we and the published code call them."""


@dataclass(frozen=True, eq=False)
class TrueClip:
    """audio: (N,) at 16 kHz; words: what is said; semantic: (T,) score of each frame, None without labels. missing:
    what the truth lacks (see `train.data.channels`), which is at rest in it. strokes: the gestures that were performed;
    None where the corpus does not tell."""

    id: str
    truth: Motion
    audio: np.ndarray
    words: tuple[Word, ...]
    semantic: np.ndarray | None
    missing: tuple[str, ...] = ()
    strokes: tuple[TrueStroke, ...] | None = None


def chosen_clips(config: Beat2Evaluation) -> list[CorpusClip]:
    """In the order of their ids, on which no score depends. Raises CorpusError where there is none."""
    clips = [clip for clip in list_clips(config.corpus, config.speakers) if clip.split == config.split]
    if not clips:
        raise CorpusError(f"{config.corpus} has no clip of split {config.split} by these speakers.")
    return sorted(clips, key=lambda clip: clip.id)


def read_true_clip(clip: CorpusClip) -> TrueClip:
    """Raises CorpusError for files that are missing, AudioError and MotionError for what cannot be read."""
    check_files(clip)
    truth = load_clip_motion(clip).resample(FPS)
    semantic = None
    if clip.semantic_file.is_file():
        labels = read_semantic_labels(clip.semantic_file)
        semantic = semantic_scores([(label.start_s, label.end_s, label.score) for label in labels], truth.num_frames)
    words = load_words(clip.words_file) if clip.words_file.is_file() else ()
    strokes = tuple(read_strokes(clip.strokes_file)) if clip.strokes_file.is_file() else None
    return TrueClip(clip.id, truth, load_audio(clip.audio_file), tuple(words), semantic, clip.missing, strokes)


def check_files(clip: CorpusClip) -> tuple[Path, ...]:
    """The motion of a clip, and the sound where it is said to have one. Raises CorpusError where they are not there."""
    files = (clip.motion_file, *([] if AUDIO in clip.missing else [clip.audio_file]))
    for path in files:
        if not path.is_file():
            raise CorpusError(f"{path} is missing, but the corpus lists it. Complete the corpus.")
    return files


def find_motion(folder: Path, clip_id: str) -> Path:
    """The motion of a clip in a folder of made ones. Raises CorpusError."""
    names = [name.format(clip_id) for name in MOTION_NAMES]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise CorpusError(f"{folder} has no motion of the clip {clip_id}; it would be called {' or '.join(names)}.")
