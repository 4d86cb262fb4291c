"""Sound as rooms, microphones and recorders leave it: what makes speech of one source stand for others."""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from emage.errors import EmageError


@dataclass(frozen=True)
class Augmentation:
    """How often, and how much. Each effect is sampled on its own; ranges are (least, most), sampled evenly.

    gain_db: applied always. reverb_s: the time to fall by 60 dB; direct_db: the direct sound above the reverberation.
    low_cut_hz, high_cut_hz: where a band ends, sampled evenly in octaves. noise_db: the signal above the noise, whose
    spectrum falls by 0 to 6 dB an octave. clip_share: of the peak, at which the wave is cut.

    Raises:
        EmageError: a chance that is not in 0..1, or a range the wrong way round.
    """

    gain_db: tuple[float, float] = (-18, 6)
    reverb_chance: float = 0.4
    reverb_s: tuple[float, float] = (0.1, 0.6)
    direct_db: tuple[float, float] = (0, 15)
    band_chance: float = 0.4
    low_cut_hz: tuple[float, float] = (40, 300)
    high_cut_hz: tuple[float, float] = (2500, 7500)
    noise_chance: float = 0.6
    noise_db: tuple[float, float] = (5, 40)
    clip_chance: float = 0.1
    clip_share: tuple[float, float] = (0.3, 0.9)

    def __post_init__(self):
        for name, value in vars(self).items():
            if name.endswith("_chance") and not 0 <= value <= 1:
                raise EmageError(f"{name} is {value}; a chance is between 0 and 1.")
            if isinstance(value, tuple) and value[0] > value[1]:
                raise EmageError(f"{name} is {value}; give the smaller number first.")


def augment(audio: np.ndarray, rate_hz: int, settings: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """(N,) float32 -> (N,) float32, not shifted in time: the direct sound of a room comes first, filters have no delay.

    Room and band are one product of spectra; noise and clipping come after, as in a recorder.
    """
    size = scipy.fft.next_fast_len(2 * len(audio), real=True)
    response = np.ones(size // 2 + 1, dtype=np.complex64)
    frequency_hz = np.arange(size // 2 + 1, dtype=np.float32) * (rate_hz / size)
    is_filtered = False
    if rng.random() < settings.reverb_chance:
        response *= scipy.fft.rfft(_room(rate_hz, settings, rng), size)
        is_filtered = True
    if rng.random() < settings.band_chance:
        response *= _band(frequency_hz, settings, rng)
        is_filtered = True
    if is_filtered:
        audio = scipy.fft.irfft(scipy.fft.rfft(audio, size) * response, size)[: len(audio)]
    if rng.random() < settings.noise_chance:
        audio = audio + _noise(audio, frequency_hz, size, settings, rng)
    if rng.random() < settings.clip_chance:
        limit = rng.uniform(*settings.clip_share) * np.abs(audio).max()
        audio = np.clip(audio, -limit, limit)
    gain = 10 ** (rng.uniform(*settings.gain_db) / 20)
    return np.clip(gain * audio, -1, 1).astype(np.float32)


def _room(rate_hz: int, settings: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """An impulse, then noise that dies away."""
    decay_s = rng.uniform(*settings.reverb_s)
    time_s = np.arange(int(decay_s * rate_hz), dtype=np.float32) / rate_hz
    tail = rng.standard_normal(len(time_s), dtype=np.float32) * np.exp(-6.9 * time_s / decay_s)
    tail *= 10 ** (-rng.uniform(*settings.direct_db) / 20) / np.sqrt(np.square(tail).sum())
    tail[0] = 1
    return tail


def _band(frequency_hz: np.ndarray, settings: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Slopes of 12 dB an octave on both sides."""
    low, high = (np.exp(rng.uniform(*np.log(cut_hz))) for cut_hz in (settings.low_cut_hz, settings.high_cut_hz))
    squared = np.square(frequency_hz)
    return (squared / (squared + low**2)) * (high**2 / (squared + high**2))


def _noise(
    audio: np.ndarray, frequency_hz: np.ndarray, size: int, settings: Augmentation, rng: np.random.Generator
) -> np.ndarray:
    slope = rng.uniform(0, 1)  # of the amplitude: 0 is white, 1 falls by 6 dB an octave
    spectrum = rng.standard_normal(2 * len(frequency_hz), dtype=np.float32).view(np.complex64)
    noise = scipy.fft.irfft(spectrum * np.maximum(frequency_hz, 50) ** np.float32(-slope), size)[: len(audio)]
    level = np.sqrt(np.mean(np.square(audio))) * 10 ** (-rng.uniform(*settings.noise_db) / 20)
    return noise * (level / np.sqrt(np.mean(np.square(noise))))
