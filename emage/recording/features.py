"""What is heard in a recording over time: how loud it is, its rhythm, and its words."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import maximum_filter1d

from emage.motion import FPS
from emage.recording.audio import SAMPLE_RATE_HZ, check_samples, frame_to_sample, num_frames
from emage.recording.transcript import Word
from emage.recording.vocabulary import UNK, Vocabulary

SPEECH_BELOW_LOUD_DB = 30.0
"""Speech is what is less than this below the clip's loud frames; 95 % of frames as in the words of a BEAT2 clip."""
LOUD_PERCENTILE = 95
"""Of the clip's loudness: its loud frames."""

STRETCH_S = 60
"""What is meant relative to the recording is relative to that minute of it, with the one before and the one after. So
nothing waits for the end of a long one; up to two minutes are one stretch."""

_LOUDNESS_HALF_WINDOW_SAMPLES = SAMPLE_RATE_HZ // FPS
_LOUDNESS_BLOCK_FRAMES = 4096

_AMPLITUDE_SAMPLES = 1024
_HOP_SAMPLES = 512
_SPECTRUM_SAMPLES = 2048
_SPECTRUM_BLOCK_HOPS = 4096
_STRETCH_SAMPLES = STRETCH_S * SAMPLE_RATE_HZ // _HOP_SAMPLES * _HOP_SAMPLES
_STRETCHES_REMEMBERED = 3


def loudness_envelope(audio: np.ndarray, start_frame: int = 0, end_frame: int | None = None) -> np.ndarray:
    """(N,) at 16 kHz -> (T,) at 30 fps: root mean square in the 67 ms centred on each motion frame's time.

    start_frame, end_frame: the frames that are wanted, end exclusive; all by default.

    Raises:
        AudioError: the samples are no finite floats.
    """
    end_frame = num_frames(len(audio)) if end_frame is None else end_frame
    first, last = (frame_to_sample(frame) for frame in (max(start_frame - 2, 0), end_frame + 2))
    check_samples(audio[first:last] if len(audio) else audio)
    starts = range(start_frame, end_frame, _LOUDNESS_BLOCK_FRAMES)
    return np.concatenate(
        [_loudness(audio, range(start, min(start + _LOUDNESS_BLOCK_FRAMES, end_frame))) for start in starts]
    )


def _loudness(audio: np.ndarray, frames: range) -> np.ndarray:
    centre = np.array([frame_to_sample(frame) for frame in frames])
    start = (centre - _LOUDNESS_HALF_WINDOW_SAMPLES).clip(0)
    end = (centre + _LOUDNESS_HALF_WINDOW_SAMPLES).clip(max=len(audio))
    energy = np.concatenate([[0.0], np.cumsum(np.square(audio[start[0] : end[-1]], dtype=np.float64))])
    return np.sqrt((energy[end - start[0]] - energy[start - start[0]]) / (end - start))


def onset_samples(audio: np.ndarray, published: bool = False) -> np.ndarray:
    """(N,) at 16 kHz -> (K,) the samples at which a sound sets in, in steps of 512, as librosa hears them.

    published: as the published code has them, which takes the numbers of these steps for numbers of samples and so
        crowds all onsets into the first moments; its weights have learned from such.

    Raises:
        AudioError: the samples are no finite floats.
    """
    audio = check_samples(audio)
    if not audio.any():
        return np.zeros(0, dtype=np.int64)
    from librosa import onset, power_to_db  # takes a second

    strength = onset.onset_strength(S=power_to_db(_mel_spectrum(audio)), sr=SAMPLE_RATE_HZ, hop_length=_HOP_SAMPLES)
    hops = onset.onset_detect(onset_envelope=strength, sr=SAMPLE_RATE_HZ, hop_length=_HOP_SAMPLES, units="frames")
    onsets = hops if published else hops * _HOP_SAMPLES
    return onsets[onsets < len(audio)].astype(np.int64)


def _mel_spectrum(audio: np.ndarray) -> np.ndarray:
    """librosa's, (M, H) for H hops; in blocks, so that the spectrum of hours takes no gigabytes."""
    from librosa.feature import melspectrogram

    hops = 1 + len(audio) // _HOP_SAMPLES
    blocks = []
    for start in range(0, hops, _SPECTRUM_BLOCK_HOPS):
        end = min(start + _SPECTRUM_BLOCK_HOPS, hops)
        low = start * _HOP_SAMPLES - _SPECTRUM_SAMPLES // 2
        high = (end - 1) * _HOP_SAMPLES + _SPECTRUM_SAMPLES // 2
        piece = np.pad(audio[max(low, 0) : high], (max(-low, 0), max(high - len(audio), 0)))
        sizes = {"n_fft": _SPECTRUM_SAMPLES, "hop_length": _HOP_SAMPLES, "center": False}
        blocks.append(melspectrogram(y=piece, sr=SAMPLE_RATE_HZ, **sizes))
    return np.concatenate(blocks, axis=1)


def speech_rhythm(
    audio: np.ndarray, onsets: np.ndarray, start_sample: int = 0, end_sample: int | None = None
) -> np.ndarray:
    """Amplitude, and 1 where a sound sets in, else 0, of each sample: (n, 2) float32.

    The amplitude of a sample is the largest of the 1024 from it on; the last ones have that of the last whole 1024.

    Args:
        audio: (N,) at 16 kHz.
        onsets: (K,) of the same samples, from `onset_samples`.
        start_sample, end_sample: the part that is wanted; all by default. Beyond the audio is silence.
    """
    end_sample = len(audio) if end_sample is None else end_sample
    rhythm = np.zeros((end_sample - start_sample, 2), dtype=np.float32)
    last_whole = max(len(audio) - _AMPLITUDE_SAMPLES, 0)
    first, heard = min(start_sample, last_whole), min(end_sample, len(audio))
    size = np.abs(audio[first : heard + _AMPLITUDE_SAMPLES])
    # Its origin moves the window, which is centred else, to begin with its sample.
    amplitude = maximum_filter1d(size, _AMPLITUDE_SAMPLES, mode="constant", origin=-_AMPLITUDE_SAMPLES // 2)
    amplitude[last_whole - first + 1 :] = amplitude[min(last_whole - first, len(amplitude) - 1)]
    own = amplitude[start_sample - first : heard - first]
    rhythm[: len(own), 0] = own
    rhythm[onsets[(onsets >= start_sample) & (onsets < heard)] - start_sample, 1] = 1
    return rhythm


def word_indices(words: Iterable[Word], vocabulary: Vocabulary, frames: int, start_frame: int = 0) -> np.ndarray:
    """(T,) int64: of each motion frame the index of the word that is said at its time; `UNK` where none is.

    Where two words claim a frame, the first one has it.

    frames: T. start_frame: of the recording's part; times of words count from the whole recording's beginning.
    """
    indices = np.full(frames, UNK, dtype=np.int64)
    time_s = (start_frame + np.arange(frames)) / FPS
    for word in reversed(tuple(words)):
        first, last = np.searchsorted(time_s, word.start_s), np.searchsorted(time_s, word.end_s, "right")
        indices[first:last] = vocabulary.index(word.text)
    return indices


@dataclass(frozen=True, eq=False)
class Speech:
    """What a generator hears of a recording.

    audio: (N,) float32 at 16 kHz.
    words: (T,) from `word_indices`; where there are none, every word is unknown.
    published_onsets: see `onset_samples`.
    given_rhythm: (N, 2) in place of what is heard in the audio.
    """

    audio: np.ndarray
    words: np.ndarray | None = None
    published_onsets: bool = False
    given_rhythm: np.ndarray | None = None

    @cached_property
    def _onsets(self) -> dict[int, np.ndarray]:
        """Of stretches of the audio, by their numbers: the samples at which a sound sets in, see `STRETCH_S`."""
        return {}

    def onsets_between(self, start_sample: int, end_sample: int) -> np.ndarray:
        """(K,) the samples at which a sound sets in, in order.

        By the published code's way they are those of the whole recording, and wait for all of it to be heard.
        """
        if self.published_onsets:
            if 0 not in self._onsets:
                self._onsets[0] = onset_samples(self.audio, published=True)
            onsets = self._onsets[0]
        else:
            last = max(-(-len(self.audio) // _STRETCH_SAMPLES) - 1, 0)
            first = min(start_sample // _STRETCH_SAMPLES, last)
            numbers = range(first, min(max(end_sample - 1, start_sample) // _STRETCH_SAMPLES, last) + 1)
            onsets = np.concatenate([self._onsets_of_stretch(number) for number in numbers])
        return onsets[(onsets >= start_sample) & (onsets < end_sample)]

    def _onsets_of_stretch(self, number: int) -> np.ndarray:
        if number not in self._onsets:
            start, end = number * _STRETCH_SAMPLES, (number + 1) * _STRETCH_SAMPLES
            low = max(start - _STRETCH_SAMPLES, 0)
            onsets = low + onset_samples(self.audio[low : end + _STRETCH_SAMPLES])
            for forgotten in [each for each in self._onsets if each <= number - _STRETCHES_REMEMBERED]:
                del self._onsets[forgotten]
            self._onsets[number] = onsets[(onsets >= start) & (onsets < end)]
        return self._onsets[number]

    def waveform(self, start_sample: int, end_sample: int) -> np.ndarray:
        """(n,) float32; beyond the audio is silence."""
        return _part(self.audio, start_sample, end_sample, 0)

    def rhythm(self, start_sample: int, end_sample: int) -> np.ndarray:
        """(n, 2) float32; beyond the audio is silence."""
        if self.given_rhythm is not None:
            return _part(self.given_rhythm, start_sample, end_sample, 0)
        return speech_rhythm(self.audio, self.onsets_between(start_sample, end_sample), start_sample, end_sample)

    def words_of(self, start_frame: int, end_frame: int) -> np.ndarray:
        """(t,) int64; beyond the words is none."""
        words = np.zeros(0, dtype=np.int64) if self.words is None else self.words
        return _part(words, start_frame, end_frame, UNK)


def _part(values: np.ndarray, start: int, end: int, beyond: float) -> np.ndarray:
    part = np.full((end - start, *values.shape[1:]), beyond, dtype=values.dtype)
    own = values[start:end]
    part[: len(own)] = own
    return part
