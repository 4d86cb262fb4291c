"""What a row's weights score on held-out clips, by the scores of `train.evaluation`, with resamples of the clips.

The clips are resampled alike for every row, so that the difference of two rows has its interval from the differences
of their resamples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from emage.body import Body
from emage.evaluation import published
from emage.files import sha256_of
from emage.hints import HintPlan, Hints, Span
from emage.motion import FPS, Motion
from emage.motion.skeleton import NETWORK_PARTS
from emage.pipeline import EmagePipeline
from emage.recording.audio import frame_to_sample
from train import fgd_encoder
from train.ablation.rows import Shown
from train.ablation.settings import Size
from train.data.cache import Cache
from train.data.corpus import CorpusError
from train.evaluation import scores
from train.evaluation.held_out import held_out_clips, read_clip
from train.evaluation.hinting import half_plan, hidden_errors
from train.evaluation.makers import generate
from train.evaluation.settings import Evaluation
from train.evaluation.word_gestures import ClipGestures, clip_gestures

FIELDS = (
    "fgd",
    "bc",
    "bc_aligned",
    "l1_diversity_m",
    "face_mse_m2",
    "face_lvd_m_per_frame",
    "jerk_m_per_s3",
    "recall",
    "hand_correlation",
    "hidden_mm",
)
"""What a row is scored by. recall: share of gesture words with a gesture of theirs in time. hand_correlation: of the
speed of the hands with the true one. hidden_mm: mean distance of the upper body's joints from the true ones, where they
are hidden, while spans beside that are shown."""

BIASED = frozenset(("fgd",))
"""Those that grow because clips come twice in a resample."""


@dataclass(frozen=True)
class RowScores:
    """Of one row and seed. values: by `FIELDS`, over all clips; None where there is nothing to measure. resampled: the
    same of each resample of the clips."""

    values: dict[str, float | None]
    resampled: dict[str, list[float | None]]


@dataclass(frozen=True, eq=False)
class _ClipScores:
    """hidden_mm: None of a clip that is not completed from hints."""

    motion: scores.ClipScores
    face: scores.FaceScores
    gestures: ClipGestures
    hidden_mm: float | None


class Examiner:
    """Scores pipelines on the first clips of a cache's split test.

    evaluator: the folder of weights whose `fgd` gives FGD's features.

    Raises:
        CorpusError: too few clips. WeightsError: no evaluator.
    """

    def __init__(self, cache: Cache, body: Body, evaluator: Path, size: Size):
        self.cache, self.body, self.size = cache, body, size
        listed = held_out_clips(cache)[: size.clips]
        self.clips = [cut_clip(read_clip(cache, clip), size.clip_seconds) for clip in listed]
        self.posed = [scores.beat_joints(body, clip.truth) for clip in self.clips]
        self.judge = scores.Judge(
            body, fgd_encoder.load_autoencoder(evaluator), published.mean_joint_velocity(self.posed)
        )
        truths = [self.judge.clip(clip.truth, posed, clip) for clip, posed in zip(self.clips, self.posed, strict=True)]
        self.without_onset = scores.without_onset(listed, truths)
        self.true_features = [truth.features for truth in truths]
        self._truths = truths

    @property
    def minutes(self) -> float:
        return sum(clip.truth.num_frames for clip in self.clips) / FPS / 60

    def score(self, pipe: EmagePipeline, shown: Shown, known: Sequence[int]) -> RowScores:
        """Of the pipeline's own take, which follows the words, with so much of the truth shown.

        known: the numbers of the speakers that the pipeline was trained on, in its order.

        Raises:
            CorpusError: a clip is of another speaker.
        """
        config = Evaluation(suite="demo", cache=self.cache.folder)
        clips = [replace(clip, speaker=self._place(clip, known)) for clip in self.clips]
        scored = [self._score_clip(pipe, clip, shown, config, number) for number, clip in enumerate(clips)]
        return self._pool(scored)

    def score_truth(self) -> RowScores:
        """Of the clips' own motion."""
        scored = [
            _ClipScores(truth, face, clip_gestures(clip.truth, clip.truth, clip.strokes, self.body), 0.0)
            for truth, clip in zip(self._truths, self.clips, strict=True)
            for face in scores.face_scores(self.body, [clip.truth], clip.truth)
        ]
        return self._pool(scored)

    def _place(self, clip: scores.HeldOutClip, known: Sequence[int]) -> int:
        speaker = self.cache.speakers[clip.speaker]
        if speaker not in known:
            raise CorpusError(f"Speaker {speaker} of {self.cache.folder} is not among those trained on, {known}.")
        return known.index(speaker)

    def _score_clip(
        self, pipe: EmagePipeline, clip: scores.HeldOutClip, shown: Shown, config: Evaluation, number: int
    ) -> _ClipScores:
        frames = clip.truth.num_frames

        def make(plan: HintPlan | None) -> Motion:
            hints = None if plan is None else Hints(clip.truth, plan)
            return generate(pipe, clip.audio, clip.speaker, config, clip.words, hints)

        half = half_plan(frames)
        plans = {"nothing": None, "seed": seed_plan(pipe.generator.config.seed_frames), "spans": half}
        motion = make(plans[shown])
        hidden_mm = None
        if number < self.size.hint_clips:
            completed = motion if shown == "spans" else make(half)
            hidden_mm, _ = hidden_errors(completed, clip, self.body)
        return _ClipScores(
            self.judge.clip(motion, scores.beat_joints(self.body, motion), clip),
            scores.face_scores(self.body, [motion], clip.truth)[0],
            clip_gestures(motion, clip.truth, clip.strokes, self.body),
            hidden_mm,
        )

    def _pool(self, scored: Sequence[_ClipScores]) -> RowScores:
        rng = np.random.default_rng(0)
        everything = np.arange(len(scored))
        chosen = [rng.integers(0, len(scored), len(scored)) for _ in range(self.size.resamples)]
        resampled = [self._pool_rows(scored, rows) for rows in chosen]
        return RowScores(
            self._pool_rows(scored, everything), {name: [each[name] for each in resampled] for name in FIELDS}
        )

    def _pool_rows(self, scored: Sequence[_ClipScores], rows: np.ndarray) -> dict[str, float | None]:
        """rows: the clips, with repetitions."""
        chosen = [scored[row] for row in rows]
        pooled = scores.pool_scores(
            [each.motion for each in chosen],
            np.concatenate([self.true_features[row] for row in rows]),
            [each.face for each in chosen],
        )
        words = sum(each.gestures.words for each in chosen)
        hidden = [each.hidden_mm for each in chosen if each.hidden_mm is not None]
        values: Mapping[str, float | None] = vars(pooled) | {
            "recall": sum(each.gestures.in_time for each in chosen) / words if words else None,
            "hand_correlation": float(np.mean([each.gestures.hand_correlation for each in chosen])),
            "hidden_mm": float(np.mean(hidden)) if hidden else None,
        }
        return {name: values[name] for name in FIELDS}


def cut_clip(clip: scores.HeldOutClip, seconds: float) -> scores.HeldOutClip:
    """The beginning of a clip, with what is said and performed in it."""
    frames = min(clip.truth.num_frames, round(seconds * FPS))
    end_s = frames / FPS
    return scores.HeldOutClip(
        clip.speaker,
        clip.truth.frames(0, frames),
        clip.audio[: frame_to_sample(frames)],
        words=tuple(word for word in clip.words if word.end_s <= end_s),
        strokes=tuple(stroke for stroke in clip.strokes if stroke.apex_s < end_s),
    )


def seed_plan(frames: int) -> HintPlan:
    """All parts visible in the first frames."""
    return HintPlan(tuple(Span(part, 0, frames) for part in NETWORK_PARTS))


def digest_evaluator(folder: Path) -> str:
    """SHA-256 of the weights that give FGD's features."""
    files = sorted(path for path in (folder / fgd_encoder.FOLDER).glob("model.*") if path.is_file())
    return sha256_of(files)
