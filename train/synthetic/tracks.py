"""Smooth curves: minimum-jerk paths through key frames, slow drift, smoothing."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from emage.motion import FPS


def ease(u: np.ndarray) -> np.ndarray:
    """0..1 -> 0..1 with minimum jerk (Flash and Hogan 1985): speed and acceleration are 0 at both ends."""
    u = np.clip(u, 0, 1)
    return u**3 * (10 + u * (6 * u - 15))


class Track:
    """A vector that stands still at its key frames and moves from one to the next with minimum jerk."""

    def __init__(self, start: np.ndarray):
        self._seconds = [0.0]
        self._values = [np.asarray(start, float)]

    @property
    def end_s(self) -> float:
        return self._seconds[-1]

    @property
    def last(self) -> np.ndarray:
        return self._values[-1]

    @property
    def has_moved(self) -> bool:
        return len(self._seconds) > 1

    def key(self, second: float, value: np.ndarray) -> None:
        """Be at `value` at `second`, which must not lie before the last key."""
        assert second >= self._seconds[-1] - 1e-9, (second, self._seconds[-1])
        self._seconds.append(float(second))
        self._values.append(np.asarray(value, float))

    def hold(self, second: float) -> None:
        """Stay until `second`, where that lies behind the last key."""
        if second > self.end_s:
            self.key(second, self.last)

    def sample(self, seconds: np.ndarray) -> np.ndarray:
        """(T,) -> (T, ...)."""
        starts, values = np.array(self._seconds), np.stack(self._values)
        i = np.clip(np.searchsorted(starts, seconds, side="right") - 1, 0, len(starts) - 2) if len(starts) > 1 else 0
        if len(starts) == 1:
            return np.repeat(values, len(seconds), axis=0)
        length = np.maximum(starts[i + 1] - starts[i], 1e-6)
        share = ease((seconds - starts[i]) / length)
        share = share.reshape(-1, *[1] * (values.ndim - 1))
        return values[i] + share * (values[i + 1] - values[i])


def frame_seconds(num_frames: int) -> np.ndarray:
    return np.arange(num_frames) / FPS


def drift(rng: np.random.Generator, seconds: np.ndarray, slowest_hz: float, fastest_hz: float) -> np.ndarray:
    """(T,) slow wandering of about unit size: five sines."""
    frequencies = np.exp(rng.uniform(np.log(slowest_hz), np.log(fastest_hz), 5))
    phases = rng.uniform(0, 2 * np.pi, 5)
    waves = np.sin(2 * np.pi * frequencies * seconds[:, None] + phases)
    return waves.sum(1) * np.sqrt(2 / 5)


def pulse(seconds: np.ndarray, at_s: float, rise_s: float, hold_s: float, fall_s: float) -> np.ndarray:
    """(T,) 0 -> 1 -> 0; 1 is reached at `at_s`."""
    return ease((seconds - at_s + rise_s) / rise_s) * (1 - ease((seconds - at_s - hold_s) / fall_s))


def smooth(values: np.ndarray, sigma_frames: float) -> np.ndarray:
    """Gaussian smoothing along the first axis."""
    return gaussian_filter1d(values, sigma_frames, axis=0, mode="nearest")
