"""How sure a score is: intervals by sampling the clips anew, with replacement (Efron 1979)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
_LEVEL = 95


@dataclass(frozen=True)
class Interval:
    """A score of all clips, and the ends of its 95 % interval over clips (percentile bootstrap)."""

    value: float
    low: float
    high: float

    @property
    def leaves_out_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def bootstrap(
    clips: int, score: Callable[[np.ndarray], float], seed: int, resamples: int = RESAMPLES, is_biased: bool = False
) -> Interval:
    """The score of clips 0, 1, ... `clips` - 1, and its interval when clips are sampled with replacement.

    is_biased: of a score that grows or shrinks because clips come twice, as a distance between distributions does; the
    interval is moved by as much as the samples' mean is off the score.
    """
    rng = np.random.default_rng(seed)
    sampled = np.array([score(rng.integers(0, clips, clips)) for _ in range(resamples)])
    return interval_of_samples(float(score(np.arange(clips))), sampled, is_biased)


def interval_of_samples(value: float, sampled: np.ndarray, is_biased: bool = False) -> Interval:
    """sampled: (R,) the score of each sample of the clips. is_biased: as in `bootstrap`."""
    low, high = np.percentile(sampled, [(100 - _LEVEL) / 2, (100 + _LEVEL) / 2])
    bias = float(sampled.mean()) - value if is_biased else 0.0
    return Interval(value, float(low) - bias, float(high) - bias)
