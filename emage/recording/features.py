"""What is heard in a recording over time, frame by frame: how loud it is."""

import numpy as np

from emage.motion import FPS
from emage.recording.audio import SAMPLE_RATE_HZ, check_samples, frame_to_sample, num_frames

SPEECH_BELOW_LOUD_DB = 30.0
"""Speech is what is less than this below the clip's loud frames; 95 % of frames as in the words of a BEAT2 clip."""
LOUD_PERCENTILE = 95
"""Of the clip's loudness: its loud frames."""

_LOUDNESS_HALF_WINDOW_SAMPLES = SAMPLE_RATE_HZ // FPS
_LOUDNESS_BLOCK_FRAMES = 4096


def loudness_envelope(audio: np.ndarray) -> np.ndarray:
    """(N,) at 16 kHz -> (T,) at 30 fps: root mean square in the 67 ms centred on each motion frame's time.

    Raises:
        AudioError: the samples are no finite floats.
    """
    audio = check_samples(audio)
    frames = num_frames(len(audio))
    starts = range(0, frames, _LOUDNESS_BLOCK_FRAMES)
    return np.concatenate(
        [_loudness(audio, range(start, min(start + _LOUDNESS_BLOCK_FRAMES, frames))) for start in starts]
    )


def _loudness(audio: np.ndarray, frames: range) -> np.ndarray:
    centre = np.array([frame_to_sample(frame) for frame in frames])
    start = (centre - _LOUDNESS_HALF_WINDOW_SAMPLES).clip(0)
    end = (centre + _LOUDNESS_HALF_WINDOW_SAMPLES).clip(max=len(audio))
    energy = np.concatenate([[0.0], np.cumsum(np.square(audio[start[0] : end[-1]], dtype=np.float64))])
    return np.sqrt((energy[end - start[0]] - energy[start - start[0]]) / (end - start))
