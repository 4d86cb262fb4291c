"""Held-out speech: for the clips of split test, generated motion beside the true motion and baselines.

Motion is posed with the body's mean shape, for a cache holds no shapes. The speed that beat consistency divides by is
the mean of the true motion of split test.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from tqdm import tqdm

from emage.body import Body
from emage.evaluation import published, quality
from emage.generation.windows import Window
from emage.models.fgd import MotionAutoencoder
from emage.motion import FPS, Motion
from train.data.cache import Cache, Clip
from train.data.channels import AUDIO, WHOLE_BODY
from train.data.corpus import CorpusError
from train.evaluation import scores
from train.evaluation.settings import Evaluation
from train.evaluation.targets import Target
from train.evaluation.word_gestures import ClipGestures, GestureScores, clip_gestures, pool_gestures

Maker = Callable[[scores.HeldOutClip], Motion]
"""Who moves to a clip: for as many frames as its truth."""


class Row(StrEnum):
    """The rows of the first table."""

    GENERATED = "generated"
    CORPUS = "corpus"
    HALVES = "corpus, half against half"
    FROZEN = "frozen mean pose"
    UNTRAINED_GENERATOR = "untrained generator, trained codes"
    UNTRAINED = "untrained, all six networks"
    WRONG_AUDIO = "corpus, wrong audio"
    GENERATED_WRONG_AUDIO = "generated, wrong audio"
    CODES = "corpus, through the codes"
    TEXT = "generated, text model"
    TEXT_WRONG_WORDS = "text model, words of another clip"
    TEXT_RECOGNISED = "text model, recognised words"
    TEXT_NO_WORDS = "text model, no words"
    TEXT_SUM = "text model, sum in place of attention"


_REPAIRED = {Row.CORPUS: Row.WRONG_AUDIO, Row.GENERATED: Row.GENERATED_WRONG_AUDIO}
"""Rows whose motions are also paired with the sound of other clips."""
_OF_NETWORKS = (Row.GENERATED, Row.UNTRAINED_GENERATOR, Row.UNTRAINED, Row.TEXT, Row.TEXT_SUM)


@dataclass(frozen=True)
class BeatGaps:
    """BC and BC aligned with the own audio less that with wrong ones, each with its standard error over clips; None
    where too few clips have an onset."""

    bc: float | None
    bc_error: float | None
    bc_aligned: float | None
    bc_aligned_error: float | None


@dataclass(frozen=True)
class HeldOutReport:
    """bc_gaps: by row of what moved, how far BC and BC aligned tell the own audio from a wrong one. A share of a gap
    that is not several times its error says nothing. without_onset: ids of the clips in whose sound nothing sets in,
    which count for all but BC. gestures: by row of what moved."""

    clips: int
    minutes: float
    rows: dict[Row, scores.MotionScores]
    bc_gaps: dict[Row, BeatGaps]
    gestures: dict[Row, GestureScores] = field(default_factory=dict)
    without_onset: tuple[str, ...] = ()


def held_out_report(
    cache: Cache,
    makers: Mapping[Row, Maker],
    plan: Callable[[int], Sequence[Window]],
    body: Body,
    autoencoder: MotionAutoencoder,
    config: Evaluation,
) -> HeldOutReport:
    """makers: of the rows whose motion is made or read; Row.CORPUS must be among them. plan: the windows by which those
    of networks generate so many samples."""
    clips = held_out_clips(cache)
    true_posed, true_openings = [], []
    for clip in clips:
        truth = read_clip(cache, clip).truth
        true_posed.append(scores.beat_joints(body, truth))
        true_openings.append(quality.jaw_opening(truth.poses))
    judge = scores.Judge(body, autoencoder, published.mean_joint_velocity(true_posed))

    scored: dict[Row, list[scores.ClipScores]] = {row: [] for row in makers}
    faces: dict[Row, list[scores.FaceScores]] = {row: [] for row in makers}
    joined: dict[Row, list[scores.JoinedSteps]] = {row: [] for row in makers}
    gestures: dict[Row, list[ClipGestures]] = {row: [] for row in makers}
    repaired: dict[Row, list[tuple[np.ndarray, np.ndarray]]] = {row: [] for row in _REPAIRED if row in makers}
    for number, listed in enumerate(tqdm(clips, "Held-out speech", unit=" clips")):
        clip = replace(read_clip(cache, listed), other_words=cache.words(clips[number - 1]))
        motions = {row: make(clip) for row, make in makers.items()}
        for row, motion in motions.items():
            posed = scores.beat_joints(body, motion)
            scored[row].append(judge.clip(motion, posed, clip))
            gestures[row].append(clip_gestures(motion, clip.truth, clip.strokes, body))
            if row in _OF_NETWORKS:
                joined[row].append(scores.joined_steps(motion, plan(len(clip.audio))))
            if row in repaired:
                repaired[row].append((posed, quality.jaw_opening(motion.poses)))
        del motions[Row.CORPUS]  # its face is the truth's
        for row, face in zip(motions, scores.face_scores(body, list(motions.values()), clip.truth), strict=True):
            faces[row].append(face)
    true_features = [clip.features for clip in scored[Row.CORPUS]]
    rows = {
        row: scores.pool_scores(scored[row], np.concatenate(true_features), faces[row], joined[row]) for row in makers
    }
    rows[Row.HALVES] = scores.MotionScores(fgd=scores.halves_distance(true_features, config.halvings, config.seed))

    pairs = scores.wrong_pairs(len(clips), config.wrong_pairings)
    wrong: dict[Row, list[list[scores.AudioMatch]]] = {row: [[] for _ in clips] for row in repaired}
    for mover, speaker in tqdm(pairs, "Wrong audio", unit=" pairs"):
        audio = cache.clip_audio(clips[speaker])
        for row, moved in repaired.items():
            posed, opening = moved[mover]
            wrong[row][mover].append(judge.match(posed, audio, opening, true_openings[speaker]))
    for row, matches in wrong.items():
        rows[_REPAIRED[row]] = scores.pool_matches([match for others in matches for match in others])
    return HeldOutReport(
        clips=len(clips),
        minutes=sum(clip.num_frames for clip in clips) / FPS / 60,
        rows=rows,
        bc_gaps={
            row: beat_gaps(rows[row], rows[_REPAIRED[row]], [clip.match for clip in scored[row]], wrong[row])
            for row in repaired
        },
        without_onset=scores.without_onset(clips, scored[Row.CORPUS]),
        gestures={
            row: pool_gestures(of_row, [cache.strokes(clip) for clip in clips], pairs, config.seed)
            for row, of_row in gestures.items()
        },
    )


def beat_gaps(
    own: scores.MotionScores,
    wrong: scores.MotionScores,
    matches: Sequence[scores.AudioMatch],
    others: Sequence[Sequence[scores.AudioMatch]],
) -> BeatGaps:
    """matches: of each clip with its own audio; others: with the wrong ones."""

    def error(name: str) -> float:
        return scores.gap_error(
            [getattr(match, name) for match in matches], [[getattr(match, name) for match in each] for each in others]
        )

    bc, bc_aligned = scores.difference(own.bc, wrong.bc), scores.difference(own.bc_aligned, wrong.bc_aligned)
    return BeatGaps(bc, error("bc"), bc_aligned, error("bc_aligned"))


def held_out_clips(cache: Cache) -> list[Clip]:
    """The clips of split test that are whole and long enough. Raises CorpusError for fewer than two."""
    whole = cache.clips_of(("test",), (AUDIO, *WHOLE_BODY))
    clips = [clip for clip in whole if clip.num_frames >= scores.MIN_FRAMES]
    if len(clips) < 2:
        raise CorpusError(
            f"{cache.folder} has {len(clips)} clips of split test that last {scores.MIN_FRAMES / FPS:.1f} s or more. "
            "Two are needed to halve them and to pair motion with the wrong sound. Make a cache of a larger corpus."
        )
    return clips


def read_clip(cache: Cache, clip: Clip) -> scores.HeldOutClip:
    """A clip with what is said and performed in it, as far as the cache knows."""
    return scores.HeldOutClip(
        clip.speaker,
        cache.clip_motion(clip),
        cache.clip_audio(clip),
        words=cache.words(clip),
        strokes=cache.strokes(clip),
    )


def word_targets(report: HeldOutReport) -> list[Target]:
    """Of the text model; none where it was not given."""
    if Row.TEXT not in report.rows:
        return []
    gestures, rows = report.gestures, report.rows

    def recall(row: Row) -> float | None:
        return gestures[row].recall and gestures[row].recall.value

    text, audio = rows[Row.TEXT], rows[Row.GENERATED]
    over_audio = scores.ratio(recall(Row.TEXT), recall(Row.GENERATED))
    diversity = scores.ratio(text.l1_diversity_m, audio.l1_diversity_m)
    hands = gestures[Row.TEXT].hand_correlation.value
    targets = [
        Target.at_least("text model, word-gesture recall", recall(Row.TEXT), 0.6),
        Target.at_least("text model, recall over the audio model's", over_audio, 2),
        Target.at_least("text model, speed of the hands with the true one", hands, 0.35),
        Target.at_most("text model, FGD over the audio model's", scores.ratio(text.fgd, audio.fgd), 1),
        Target.at_least("text model, L1 diversity over the audio model's", diversity, 1),
    ]
    if Row.TEXT_SUM in rows:
        attention = scores.ratio(recall(Row.TEXT), recall(Row.TEXT_SUM))
        targets.append(Target.at_least("text model, recall with attention over that with the sum", attention, 1))
    return targets


def held_out_targets(rows: dict[Row, scores.MotionScores]) -> list[Target]:
    made, corpus, wrong = rows[Row.GENERATED], rows[Row.CORPUS], rows[Row.WRONG_AUDIO]
    made_wrong = rows[Row.GENERATED_WRONG_AUDIO]

    def shares(name: str) -> tuple[float | None, float | None]:
        """Of the corpus's gap between its own and wrong audio: how far the score is along it, how large its own is."""
        score, own, low, made_low = (getattr(each, name) for each in (made, corpus, wrong, made_wrong))
        gap = scores.difference(own, low)
        return tuple(scores.ratio(scores.difference(score, base), gap) for base in (low, made_low))

    (bc, bc_gap), (bc_aligned, bc_aligned_gap) = shares("bc"), shares("bc_aligned")
    sliding = scores.ratio(made.foot_sliding_m_per_s, corpus.foot_sliding_m_per_s)
    return [
        *(
            Target.at_most(f"FGD over that of: {row}", scores.ratio(made.fgd, rows[row].fgd), 0.2)
            for row in (Row.FROZEN, Row.UNTRAINED_GENERATOR, Row.UNTRAINED)
        ),
        Target.at_least("BC, share of the way from wrong audio to own", bc, 0.75),
        Target.at_least("BC aligned, share of the way from wrong audio to own", bc_aligned, 0.75),
        Target.at_least("BC, own less wrong audio, over the corpus's", bc_gap, 0.75),
        Target.at_least("BC aligned, own less wrong audio, over the corpus's", bc_aligned_gap, 0.75),
        Target.within(
            "L1 diversity over the corpus's", scores.ratio(made.l1_diversity_m, corpus.l1_diversity_m), 0.75, 1.25
        ),
        Target.at_most("foot sliding over the corpus's", sliding, 2),
        Target.at_least("jaw opening, correlation with the true jaw", made.jaw_correlation, 0.7),
    ]
