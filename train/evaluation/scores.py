"""What one motion scores beside the truth or a recording, and how the scores of clips become those of a corpus.

The metrics are those of `emage.evaluation.quality`. Joints are those of a person of the body's mean shape where a
motion has no shape of its own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import binary_erosion

from emage.body import Body
from emage.errors import AudioError, NoOnsetError
from emage.evaluation import published, quality
from emage.generation.windows import Window
from emage.models.fgd import MotionAutoencoder
from emage.motion import FPS, Motion
from emage.motion.rotations import axis_angle_to_rotation_6d
from emage.recording.audio import num_frames
from emage.recording.features import loudness_envelope
from emage.recording.transcript import Word
from train.data.cache import Clip
from train.data.semantics import TrueStroke
from train.run.log import mean_of

MIN_FRAMES = 2 * (published.BEAT_TRIM_FRAMES + published.BEAT_ORDER_FRAMES) + 2
"""Beat consistency has nothing to look at in shorter clips."""
FACE_WINDOW_FRAMES = 64
FACE_EVERY_FRAMES = 256
"""Faces are compared in a window of so many frames in every so many, for each vertex of the body is posed."""
PAUSE_BORDER_FRAMES = 3
"""A mouth takes a moment to close, and opens before it sounds: so many frames at both ends of a pause are left out."""


def ratio(value: float | None, base: float | None) -> float | None:
    """value / base; None where one is missing or the base is not above 0."""
    return None if value is None or base is None or base <= 0 else value / base


def difference(value: float | None, base: float | None) -> float | None:
    """value - base; None where one is missing."""
    return None if value is None or base is None else value - base


def weighted_mean(values: Sequence[float | None], weights: Sequence[float]) -> float | None:
    """Of the values that are there; None where there is none."""
    there = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    return sum(value * weight for value, weight in there) / sum(weight for _, weight in there) if there else None


# --- motion beside the truth ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class HeldOutClip:
    """truth: the clip's motion; audio: (N,) at 16 kHz; speaker: index. words: what is said; other_words: what is said
    in another clip. strokes: the gestures of the truth. The last three are empty where the corpus does not tell.
    """

    speaker: int
    truth: Motion
    audio: np.ndarray
    words: tuple[Word, ...] = ()
    other_words: tuple[Word, ...] = ()
    strokes: tuple[TrueStroke, ...] = ()


@dataclass(frozen=True)
class AudioMatch:
    """How one motion goes with one recording; frames: of the shorter. The jaw is compared with the true speaker's.

    bc, bc_aligned: None where the recording has no onset.
    """

    frames: int
    bc: float | None
    bc_aligned: float | None
    jaw_correlation: float
    jaw_lag_frames: int


@dataclass(frozen=True, eq=False)
class ClipScores:
    """One motion of one clip. features: (N, 240) of FGD."""

    frames: int
    features: np.ndarray
    match: AudioMatch
    l1_diversity_m: float
    sliding: quality.FootSliding
    jerk_m_per_s3: float


class Judge:
    """Measures motions of held-out clips.

    mean_velocity: (55,) m/s, of `published.mean_joint_velocity`.
    """

    def __init__(self, body: Body, autoencoder: MotionAutoencoder, mean_velocity: np.ndarray):
        self.body, self.autoencoder, self.mean_velocity = body, autoencoder, mean_velocity

    def clip(self, motion: Motion, posed: np.ndarray, clip: HeldOutClip) -> ClipScores:
        """motion: as long as the clip's truth; posed: its `beat_joints`."""
        rotations = axis_angle_to_rotation_6d(torch.from_numpy(motion.poses))
        joints = self.body.joints(motion)
        openings = (quality.jaw_opening(moved.poses) for moved in (motion, clip.truth))
        return ClipScores(
            frames=motion.num_frames,
            features=self.autoencoder.features(rotations).numpy(),
            match=self.match(posed, clip.audio, *openings),
            l1_diversity_m=published.l1_diversity(posed),
            sliding=quality.foot_sliding(joints),
            jerk_m_per_s3=quality.mean_jerk(joints),
        )

    def match(self, posed: np.ndarray, audio: np.ndarray, opening: np.ndarray, true_opening: np.ndarray) -> AudioMatch:
        """Of a motion with a recording, cut to the shorter.

        posed (T, 55, 3), of `beat_joints`, and opening (T,), of the jaw: the motion's. audio (N,) at 16 kHz and
        true_opening (S,): the recording's.
        """
        frames = min(len(opening), len(true_opening))
        opening, true_opening = opening[:frames], true_opening[:frames]
        bc, bc_aligned = beat_scores(posed, audio, self.mean_velocity)
        return AudioMatch(
            frames=frames,
            bc=bc,
            bc_aligned=bc_aligned,
            jaw_correlation=quality.best_lag_correlation(opening, true_opening, max_lag_frames=0).correlation,
            jaw_lag_frames=quality.best_lag_correlation(opening, true_opening).lag_frames,
        )


def beat_joints(body: Body, motion: Motion) -> np.ndarray:
    """(T, 55, 3): what BC, L1 diversity and SRGR look at."""
    return body.joints(replace(motion, poses=published.beat_poses(motion.poses), trans=np.zeros_like(motion.trans)))


def beat_scores(
    posed: np.ndarray, audio: np.ndarray, mean_velocity: np.ndarray
) -> tuple[float, float] | tuple[None, None]:
    """BC and BC aligned, as `published` has them; None where the sound has no onset: the mean over onsets is of none.

    Raises:
        MotionError, AudioError: under 4.5 s.
    """
    try:
        return (
            published.beat_consistency(posed, audio, mean_velocity),
            published.beat_consistency_aligned(posed, audio, mean_velocity),
        )
    except NoOnsetError:
        return None, None


@dataclass(frozen=True)
class FaceScores:
    """Of one motion of one clip, over its windows; frames: in them."""

    frames: int
    mse_m2: float
    lvd_m_per_frame: float


def face_scores(body: Body, motions: Sequence[Motion], truth: Motion) -> list[FaceScores]:
    """Of several motions of one clip; the truth is posed once."""
    windows: list[list[tuple[int, dict[str, float]]]] = [[] for _ in motions]
    for start in range(0, truth.num_frames - 1, FACE_EVERY_FRAMES):
        end = min(start + FACE_WINDOW_FRAMES, truth.num_frames)
        target = face_vertices(body, truth.frames(start, end))
        for scores, motion in zip(windows, motions, strict=True):
            made = face_vertices(body, motion.frames(start, end))
            lvd = published.lvd_velocity_difference(made, target)
            scores.append((end - start, {"mse_m2": published.vertex_mse(made, target), "lvd_m_per_frame": lvd}))
    return [FaceScores(sum(size for size, _ in scores), **mean_of(scores)) for scores in windows]


def face_vertices(body: Body, motion: Motion) -> np.ndarray:
    """(T, V, 3) that jaw and expressions alone move: what MSE and LVD look at."""
    return body.vertices(replace(motion, poses=published.face_poses(motion.poses), trans=np.zeros_like(motion.trans)))


class JoinedSteps(NamedTuple):
    """steps: (T - 1,) mean turn of a joint from frame to frame, radians; seams: first frame of each window but one."""

    steps: np.ndarray
    seams: list[int]


def joined_steps(motion: Motion, windows: Sequence[Window]) -> JoinedSteps:
    """Of a motion that was generated by such windows."""
    return JoinedSteps(quality.rotation_steps(motion.poses).mean(1), [window.start_frame for window in windows[1:]])


@dataclass(frozen=True)
class SeamScores:
    """ratio: mean step at seams over that elsewhere. scatter: the standard deviation of such ratios where there is no
    seam, over all the frames of a window that could be taken for its first."""

    ratio: float
    scatter: float


def seam_scores(motions: Sequence[JoinedSteps]) -> SeamScores | None:
    """Over all motions together; None where no window joins another."""
    if not any(motion.seams for motion in motions):
        return None
    steps = np.concatenate([motion.steps for motion in motions])
    window_step = min(motion.seams[0] for motion in motions if motion.seams)

    def shifted(earlier: int) -> float:
        at = np.concatenate([np.isin(np.arange(1, len(m.steps) + 1) + earlier, m.seams) for m in motions])
        return quality.SeamSteps(float(steps[at].mean()), float(steps[~at].mean())).ratio

    return SeamScores(shifted(0), float(np.std([shifted(earlier) for earlier in range(1, window_step)])))


@dataclass(frozen=True)
class MotionScores:
    """Of all clips; None where there is nothing to measure."""

    fgd: float | None = None
    bc: float | None = None
    bc_aligned: float | None = None
    l1_diversity_m: float | None = None
    foot_sliding_m_per_s: float | None = None
    jerk_m_per_s3: float | None = None
    jaw_correlation: float | None = None
    jaw_lag_frames: float | None = None
    face_mse_m2: float | None = None
    face_lvd_m_per_frame: float | None = None
    seams: SeamScores | None = None


def pool_scores(
    clips: Sequence[ClipScores],
    true_features: np.ndarray,
    faces: Sequence[FaceScores] = (),
    joined: Sequence[JoinedSteps] = (),
) -> MotionScores:
    """FGD over all features together, sliding over all contact, the rest as means weighted by frames."""
    frames, face_frames = [clip.frames for clip in clips], [face.frames for face in faces]
    slid_m, contact_s = sum(clip.sliding.slid_m for clip in clips), sum(clip.sliding.contact_s for clip in clips)
    return replace(
        pool_matches([clip.match for clip in clips]),
        fgd=published.frechet_distance(np.concatenate([clip.features for clip in clips]), true_features),
        l1_diversity_m=weighted_mean([clip.l1_diversity_m for clip in clips], frames),
        foot_sliding_m_per_s=quality.FootSliding(slid_m, contact_s).m_per_s,
        jerk_m_per_s3=weighted_mean([clip.jerk_m_per_s3 for clip in clips], frames),
        face_mse_m2=weighted_mean([face.mse_m2 for face in faces], face_frames),
        face_lvd_m_per_frame=weighted_mean([face.lvd_m_per_frame for face in faces], face_frames),
        seams=seam_scores(joined),
    )


def pool_matches(matches: Sequence[AudioMatch]) -> MotionScores:
    """What motion and sound say together; the lag is the median over clips."""
    frames = [match.frames for match in matches]
    beat_frames = [count - 2 * published.BEAT_TRIM_FRAMES for count in frames]
    return MotionScores(
        bc=weighted_mean([match.bc for match in matches], beat_frames),
        bc_aligned=weighted_mean([match.bc_aligned for match in matches], beat_frames),
        jaw_correlation=weighted_mean([match.jaw_correlation for match in matches], frames),
        jaw_lag_frames=float(np.median([match.jaw_lag_frames for match in matches])),
    )


def without_onset(clips: Sequence[Clip], scored: Sequence[ClipScores]) -> tuple[str, ...]:
    """Ids of the clips that have no BC, for nothing sets in in their sound."""
    return tuple(clip.id for clip, one in zip(clips, scored, strict=True) if one.match.bc is None)


def halves_distance(features: Sequence[np.ndarray], halvings: int, seed: int) -> float:
    """The mean FGD between one half of the clips and the other, over several random halvings."""
    rng = np.random.default_rng(seed)
    distances = []
    for _ in range(halvings):
        order = rng.permutation(len(features))
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        distances.append(published.frechet_distance(*(np.concatenate([features[i] for i in half]) for half in halves)))
    return float(np.mean(distances))


def wrong_pairs(clips: int, shifts: int) -> list[tuple[int, int]]:
    """Each clip's number with those of others, one for each shift; as many shifts as there are other clips at most."""
    return [(i, (i + shift) % clips) for i in range(clips) for shift in range(1, min(shifts, clips - 1) + 1)]


def gap_error(own: Sequence[float | None], wrong: Sequence[Sequence[float | None]]) -> float | None:
    """The standard error over clips of a clip's own score less the mean of its wrong ones, of those that are there;
    None where fewer than two clips have both."""
    there = [[other for other in others if other is not None] for others in wrong]
    pairs = zip(own, there, strict=True)
    gaps = [score - np.mean(others) for score, others in pairs if score is not None and others]
    return float(np.std(gaps, ddof=1) / math.sqrt(len(gaps))) if len(gaps) > 1 else None


# --- motion beside a recording ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SpeechScores:
    """One motion beside the recording that it goes with; None where the recording has no pause.

    jaw_correlation, jaw_lag_frames: of the jaw's opening with loudness, at the lag where it is highest. speaking_deg,
    pausing_deg, pausing_p90_deg: how far the jaw opens, means and the 90th percentile. hands_ratio: the wrists' speed
    in speech over that in pauses. longest_frozen_s: while somebody speaks.
    """

    name: str
    seconds: float
    jaw_correlation: float
    jaw_lag_frames: float
    speaking_deg: float
    pausing_deg: float | None
    pausing_p90_deg: float | None
    hands_ratio: float | None
    longest_frozen_s: float
    jerk_m_per_s3: float
    seams: SeamScores | None = None

    @property
    def open_in_pauses(self) -> float | None:
        """The jaw's mean opening in pauses as a share of that in speech."""
        return ratio(self.pausing_deg, self.speaking_deg)


def speech_scores(name: str, motion: Motion, audio: np.ndarray, body: Body) -> SpeechScores:
    """Cut to the shorter. Raises AudioError where nobody speaks."""
    frames = min(motion.num_frames, num_frames(len(audio)))
    motion, speaking = motion.frames(0, frames), quality.speaking_frames(audio)[:frames]
    if not (speaking[1:] & speaking[:-1]).any():
        raise AudioError(f"Nobody speaks in {name}. Take it out of the recordings.")
    joints = body.joints(motion)
    opening = quality.jaw_opening(motion.poses)
    follows = quality.best_lag_correlation(opening, loudness_envelope(audio)[:frames])
    degrees, pausing = np.degrees(opening), inner_pauses(speaking)
    return SpeechScores(
        name=name,
        seconds=frames / FPS,
        jaw_correlation=follows.correlation,
        jaw_lag_frames=follows.lag_frames,
        speaking_deg=float(degrees[speaking].mean()),
        pausing_deg=float(degrees[pausing].mean()) if pausing.any() else None,
        pausing_p90_deg=float(np.percentile(degrees[pausing], 90)) if pausing.any() else None,
        hands_ratio=None if speaking.all() else quality.hand_activity(joints, audio).ratio,
        longest_frozen_s=quality.frozen_motion(motion.poses, speaking).longest_s,
        jerk_m_per_s3=quality.mean_jerk(joints),
    )


def inner_pauses(speaking: np.ndarray) -> np.ndarray:
    """(T,) bool -> pauses without the frames next to speech."""
    return binary_erosion(~speaking, iterations=PAUSE_BORDER_FRAMES, border_value=1)


def mean_speech(name: str, clips: Sequence[SpeechScores]) -> SpeechScores:
    """Means weighted by length; the median lag, and the longest of the frozen stretches."""
    weights = [clip.seconds for clip in clips]

    def mean(field: str) -> float | None:
        return weighted_mean([getattr(clip, field) for clip in clips], weights)

    return SpeechScores(
        name=name,
        seconds=sum(weights),
        jaw_correlation=mean("jaw_correlation"),
        jaw_lag_frames=float(np.median([clip.jaw_lag_frames for clip in clips])),
        speaking_deg=mean("speaking_deg"),
        pausing_deg=mean("pausing_deg"),
        pausing_p90_deg=mean("pausing_p90_deg"),
        hands_ratio=mean("hands_ratio"),
        longest_frozen_s=max(clip.longest_frozen_s for clip in clips),
        jerk_m_per_s3=mean("jerk_m_per_s3"),
    )
