"""Recording: what was said. Decoded once, where it enters, and passed on whole from there."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from emage.errors import AudioError
from emage.files import output_error, put_files
from emage.recording.audio import (
    SAMPLE_RATE_HZ,
    SILENCE,
    SOUND_RATE_HZ,
    AudioSource,
    decode_audio,
    frame_to_sample,
    frame_to_second,
    num_frames,
)
from emage.recording.transcript import Word


@dataclass(frozen=True, eq=False)
class Recording:
    """What was said, and which part of it is used.

    samples: (N,) float32 mono at 16 kHz, as the networks hear it.
    sound: (M,) float32 mono at 48 kHz, for videos.
    name: of the file, for people and commands. file: as it was given, where it is one.
    words: of its transcript, where that is known; times count from the whole recording's beginning.
    start_frame, end_frame: the part that is used, in motion frames of the whole, end exclusive; all by default.

    Raises:
        AudioError: nothing of the recording lies in that part.
    """

    samples: np.ndarray
    sound: np.ndarray
    name: str = "speech"
    file: Path | None = None
    words: tuple[Word, ...] = ()
    start_frame: int = 0
    end_frame: int | None = None

    def __post_init__(self):
        if self.end_frame is None:
            object.__setattr__(self, "end_frame", self.num_frames)
        end = min(self.end_frame, self.num_frames)
        if not 0 <= self.start_frame < end:
            raise AudioError(
                f"Of a recording of {frame_to_second(self.num_frames):.2f} s there is nothing from "
                f"{frame_to_second(self.start_frame):.2f} to {frame_to_second(self.end_frame):.2f} s. Choose a start "
                "before its end."
            )
        object.__setattr__(self, "end_frame", end)

    @classmethod
    def load(cls, source: AudioSource, max_duration_s: float | None = None, name: str | None = None) -> "Recording":
        """Decode a recording, once for all that is done with it.

        Args:
            source: a file, or (rate_hz, samples).
            max_duration_s: refuse a longer one.
            name: in place of the file's.

        Raises:
            AudioError: see `emage.recording.audio.decode_audio`.
        """
        samples, sound = decode_audio(source, (SAMPLE_RATE_HZ, SOUND_RATE_HZ), max_duration_s)
        if isinstance(source, tuple):
            return cls(samples, sound, name or "speech")
        return cls(samples, sound, name or Path(source).name, Path(source))

    @property
    def num_frames(self) -> int:
        """Motion frames of the whole recording."""
        return num_frames(len(self.samples))

    @property
    def is_trimmed(self) -> bool:
        """Whether only a part is used."""
        return (self.start_frame, self.end_frame) != (0, self.num_frames)

    @property
    def part_frames(self) -> int:
        """Motion frames of the part that is used."""
        return num_frames(len(self.part_samples))

    @property
    def part_samples(self) -> np.ndarray:
        """(N,) float32 at 16 kHz, of the part that is used."""
        return self._part(self.samples, SAMPLE_RATE_HZ)

    @property
    def part_sound(self) -> np.ndarray:
        """(M,) float32 at 48 kHz, of the part that is used."""
        return self._part(self.sound, SOUND_RATE_HZ)

    @property
    def part_is_silent(self) -> bool:
        """Whether nothing is to be heard in the part that is used."""
        return bool(np.abs(self.part_samples).max(initial=0) < SILENCE)

    @property
    def part_words(self) -> tuple[Word, ...]:
        """Those that are spoken in the part that is used, whole or in part."""
        start_s, end_s = frame_to_second(self.start_frame), frame_to_second(self.end_frame)
        return tuple(word for word in self.words if word.start_s < end_s and word.end_s > start_s)

    @property
    def stem(self) -> str:
        """Of file names for what is made of it."""
        return Path(self.name).stem[:60] or "speech"

    def trim(self, start_frame: int, end_frame: int | None = None) -> "Recording":
        """The same recording, of which another part is used. Raises AudioError as the class does."""
        return replace(self, start_frame=start_frame, end_frame=end_frame)

    def store(self, folder: Path) -> "Recording":
        """The same, with its arrays in files of `folder` and not in memory. Raises OutputError, and leaves no file."""
        with put_files(folder) as files:
            samples = _store(files.path("samples.npy"), self.samples)
            return replace(self, samples=samples, sound=_store(files.path("sound.npy"), self.sound))

    def _part(self, audio: np.ndarray, rate_hz: int) -> np.ndarray:
        # The last frame of the whole may end before its samples do.
        end = None if self.end_frame == self.num_frames else frame_to_sample(self.end_frame, rate_hz)
        return audio[frame_to_sample(self.start_frame, rate_hz) : end]


def _store(path: Path, array: np.ndarray) -> np.ndarray:
    try:
        np.save(path, array)
    except OSError as error:
        raise output_error(path, error) from error
    return np.load(path, mmap_mode="r")
