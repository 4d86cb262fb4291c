"""The scores of a set of clips: of each metric, how the measures of clips become one number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from emage.evaluation import published
from train.evaluation.beat2.measures import Measures
from train.evaluation.intervals import Interval, bootstrap

LEAST_PAIRS = 6
"""Fewer clips tell no difference from chance: of five, all go the same way in one of sixteen cases."""
Terms = tuple[float, float]
"""What a clip adds to a numerator and to a denominator."""


def _weighted(field: str, left_out_frames: int = 0) -> Callable[[Measures], Terms | None]:
    """Terms of a mean over frames, by which clips count."""

    def terms(measures: Measures) -> Terms | None:
        value, weight = getattr(measures, field), measures.frames - left_out_frames
        return None if value is None else (value * weight, weight)

    return terms


def _sliding(measures: Measures) -> Terms | None:
    return None if measures.slid_m is None or measures.contact_s is None else (measures.slid_m, measures.contact_s)


def _seams(measures: Measures) -> Terms | None:
    if measures.seam_rad is None or measures.step_rad is None:
        return None
    return measures.seam_rad * measures.frames, measures.step_rad * measures.frames


def _recall(measures: Measures) -> Terms | None:
    if not measures.gesture_words or measures.recalled_words is None:
        return None
    return measures.recalled_words, measures.gesture_words


@dataclass(frozen=True)
class Metric:
    """scale: by which tables print it; better: which way. terms: numerator and denominator that a clip adds; None where
    it has none. needs: of what a number depends besides the motions, so that numbers with others do not compare.
    """

    key: str
    header: str
    scale: float
    digits: int
    better: Literal["lower", "higher", "nearer the corpus"]
    terms: Callable[[Measures], Terms | None]
    needs: tuple[str, ...] = ()


_INNER = _weighted("bc", 2 * published.BEAT_TRIM_FRAMES), _weighted("bc_aligned", 2 * published.BEAT_TRIM_FRAMES)
METRICS: tuple[Metric, ...] = (
    Metric("bc", "BC x10", 10, 3, "nearer the corpus", _INNER[0], ("mean_velocity", "body")),
    Metric("bc_aligned", "BC aligned x10", 10, 3, "nearer the corpus", _INNER[1], ("mean_velocity", "body")),
    Metric("l1_diversity_m", "L1Div", 1, 2, "nearer the corpus", _weighted("l1_diversity_m"), ("body",)),
    Metric("face_mse_m2", "MSE x1e8", 1e8, 3, "lower", _weighted("face_mse_m2"), ("body",)),
    Metric("face_lvd_m_per_frame", "LVD x1e5", 1e5, 3, "lower", _weighted("face_lvd_m_per_frame"), ("body",)),
    Metric("face_distance_m", "LVD, first code, x1e5", 1e5, 3, "lower", _weighted("face_distance_m"), ("body",)),
    Metric("srgr", "SRGR", 1, 3, "higher", _weighted("srgr"), ("body",)),
    Metric("recall", "word-gesture recall", 1, 3, "higher", _recall),
    Metric("foot_sliding_m_per_s", "sliding mm/s", 1e3, 1, "lower", _sliding, ("body",)),
    Metric("jerk_m_per_s3", "jerk m/s³", 1, 1, "nearer the corpus", _weighted("jerk_m_per_s3"), ("body",)),
    Metric("seams", "seams", 1, 3, "nearer the corpus", _seams),
    Metric("hint_rad", "hints °", 180 / np.pi, 2, "lower", _weighted("hint_rad")),
)  # fmt: skip
FGD = Metric("fgd", "FGD x10", 10, 3, "lower", lambda _: None, ("evaluator",))
ALL_METRICS = (FGD, *METRICS)


@dataclass(frozen=True, eq=False)
class ScoredClip:
    """features, true_features: (N, D) of FGD, of made and of true motion."""

    id: str
    measures: Measures
    features: np.ndarray
    true_features: np.ndarray


def score_of(metric: Metric, clips: Sequence[ScoredClip]) -> Callable[[np.ndarray], float]:
    """A function from numbers of clips, any of which may come twice, to their score. Every clip has the metric."""
    if metric is FGD:
        return _fgd_of(clips)
    table = np.array([metric.terms(clip.measures) for clip in clips])

    def score(rows: np.ndarray) -> float:
        above, below = table[rows].sum(axis=0)
        return float(above / below) if below else 0.0

    return score


def _fgd_of(clips: Sequence[ScoredClip]) -> Callable[[np.ndarray], float]:
    def score(rows: np.ndarray) -> float:
        made, true = ([getattr(clips[row], name) for row in rows] for name in ("features", "true_features"))
        return published.frechet_distance(np.concatenate(made), np.concatenate(true))

    return score


def _has(metric: Metric, clip: ScoredClip) -> bool:
    return metric is FGD or metric.terms(clip.measures) is not None


def count_of(metric: Metric, clips: Sequence[ScoredClip]) -> int:
    """How many clips have the metric."""
    return sum(_has(metric, clip) for clip in clips)


def interval_of(metric: Metric, clips: Sequence[ScoredClip], seed: int, resamples: int) -> Interval | None:
    """Of the clips that have the metric, with what chance makes of which clips they are; None where none has."""
    told = [clip for clip in clips if _has(metric, clip)]
    return bootstrap(len(told), score_of(metric, told), seed, resamples, is_biased=metric is FGD) if told else None


def difference_of(
    metric: Metric, first: Sequence[ScoredClip], second: Sequence[ScoredClip], seed: int, resamples: int
) -> Interval | None:
    """The second's score less the first's, paired, of the clips that both have; None where they are too few for one.

    first, second: the same clips, in the same order.
    """
    pairs = [pair for pair in zip(first, second, strict=True) if all(_has(metric, clip) for clip in pair)]
    if len(pairs) < LEAST_PAIRS:
        return None
    one, other = (score_of(metric, clips) for clips in zip(*pairs, strict=True))
    return bootstrap(len(pairs), lambda rows: other(rows) - one(rows), seed, resamples, is_biased=metric is FGD)
