"""Sound that goes with a motion, as a wav of its length."""

from pathlib import Path

import numpy as np
import soundfile

from emage.recording.audio import SOUND_RATE_HZ


def write_sound(path: Path, sound: np.ndarray, num_samples: int, rate_hz: int = SOUND_RATE_HZ) -> None:
    """(N,) float as mono of 16 bits, cut or filled with silence to `num_samples`; what is beyond -1..1 is clipped."""
    with soundfile.SoundFile(path, "w", rate_hz, 1, "PCM_16", format="WAV") as stream:
        stream.write(sound[:num_samples])
        for start in range(min(len(sound), num_samples), num_samples, rate_hz):  # in seconds, for it may be minutes
            stream.write(np.zeros(min(rate_hz, num_samples - start), np.float32))
