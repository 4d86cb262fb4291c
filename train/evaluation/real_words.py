"""Real speech: which words of the dictionary came with which gesture, by transcript and by recognition."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from emage.motion import FPS, Motion
from emage.pipeline import EmagePipeline
from emage.recording.recognition import recognise_words
from emage.recording.transcript import Word, load_words
from train.evaluation.gesture_kinds import FoundStroke, find_strokes
from train.evaluation.makers import generate
from train.evaluation.real_speech import load_recording, recordings
from train.evaluation.settings import Evaluation
from train.synthetic.gestures import gestures_for

AROUND_S = 0.2
"""A gesture belongs to a word where its hands arrive while the word is said, or so much before or behind."""

_SHIFTS = 20


@dataclass(frozen=True)
class SpokenGesture:
    """A word of the dictionary. wanted: the gestures that it may have. found: what the hands did at it, which is right
    where it is among the wanted; None where they did none of the dictionary."""

    word: str
    start_s: float
    wanted: tuple[str, ...]
    found: FoundStroke | None

    @property
    def is_right(self) -> bool:
        return self.found is not None and self.found.kind in self.wanted


@dataclass(frozen=True)
class RecordingWords:
    """Of one recording. transcript: where the words come from. words: all that are said. chance: share of words that
    would be right if the same words were said at other times of the same motion."""

    name: str
    transcript: str
    words: int
    gestures: tuple[SpokenGesture, ...]
    chance: float | None

    @property
    def right(self) -> int:
        return sum(each.is_right for each in self.gestures)


def real_words_report(pipe: EmagePipeline, config: Evaluation) -> tuple[RecordingWords, ...]:
    """By the transcript NAME.TextGrid where it lies beside NAME.wav, and by recognition."""
    reports = []
    for file in tqdm(recordings(config.speech), "Words of real speech", unit=" files"):
        audio = load_recording(file, config)
        for transcript, words in transcripts_of(file, audio).items():
            motion = generate(pipe, audio, config.speaker, config, words)
            reports.append(describe_words(file.stem, transcript, words, motion))
    return tuple(reports)


def transcripts_of(file: Path, audio: np.ndarray) -> dict[str, tuple[Word, ...]]:
    """By where they come from."""
    beside = file.with_suffix(".TextGrid")
    given = {"TextGrid": load_words(beside)} if beside.is_file() else {}
    return {**given, "recognition": recognise_words(audio)[0]}


def describe_words(name: str, transcript: str, words: Sequence[Word], motion: Motion) -> RecordingWords:
    """What a motion does at the words."""
    duration_s, found = motion.num_frames / FPS, find_strokes(motion)
    words = [word for word in words if word.start_s < duration_s]
    gestures = _at_words(words, found)
    shifted = []
    for shift in np.arange(1, _SHIFTS + 1) / (_SHIFTS + 1) * duration_s:
        starts = [(word.start_s + shift) % duration_s for word in words]
        moved = [Word(w.text, s, s + w.end_s - w.start_s) for w, s in zip(words, starts, strict=True)]
        shifted += [each.is_right for each in _at_words(moved, found)]
    return RecordingWords(name, transcript, len(words), gestures, float(np.mean(shifted)) if shifted else None)


def _at_words(words: Sequence[Word], found: Sequence[FoundStroke]) -> tuple[SpokenGesture, ...]:
    result = []
    for word in words:
        wanted = gestures_for(word.text.lower().strip(".,;:!?\"'"))
        near = [one for one in found if word.start_s - AROUND_S <= one.end_s <= word.end_s + AROUND_S]
        if wanted:
            best = min(near, key=lambda one: (one.kind not in wanted, one.distance), default=None)
            result.append(SpokenGesture(word.text, word.start_s, wanted, best))
    return tuple(result)
