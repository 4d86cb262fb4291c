"""The published metrics, each with the numbers of the released EMAGE evaluation (Liu et al. 2024).

Everything works on plain arrays, at 30 frames per second and 16 kHz; resample before. Positions are metres, y up.

Sources. FGD: Yoon et al. 2020. BC (beat consistency): Li et al. 2021, "AI Choreographer". L1 diversity: Li et al. 2021,
"Audio2Gestures". MSE and LVD of the face: Xing et al. 2023 and Yi et al. 2023. SRGR: Liu et al. 2022, "BEAT". The
published tables print FGD x10, BC x10, MSE x1e8 and LVD x1e5; the functions here return bare values.

A corpus is scored as published by pooling: FGD over the features of all clips together, the others as the mean of the
clips' values weighted by frames (BC: by frames less 120, those that it looks at).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import librosa
import numpy as np
from scipy.linalg import eigh, svdvals

from emage.errors import AudioError, MotionError, NoOnsetError
from emage.evaluation.checks import check_numbers
from emage.motion import FPS
from emage.motion.skeleton import JAW_JOINT, NUM_JOINTS, PART_JOINTS, POSE_CHANNELS
from emage.recording.audio import SAMPLE_RATE_HZ, check_samples, frame_to_sample

FRECHET_OFFSET = 1e-6
"""Added to the diagonal of both covariances under the root of the Fréchet distance."""

ONSET_HOP_SAMPLES = 512
BEAT_TRIM_FRAMES = 60
"""Two seconds at each end of a clip, in which beats are not looked for."""
BEAT_JOINTS: tuple[int, ...] = PART_JOINTS["upper"]
BEAT_ORDER_FRAMES = 7
"""A motion beat is slower than each of this many frames before it and after it."""
BEAT_MIN_RELATIVE_SPEED = 0.10
"""A motion beat in a joint slower than this share of the joint's mean is no beat, but a joint at rest."""
BEAT_SIGMA_S = 0.3
NEAR_JOINT_M = 0.1
"""A joint nearer than this to the true one is recalled."""
MEAN_SEMANTIC_SCORE = 0.165
"""Of BEAT's frames, by which SRGR is divided so that the truth has about 1."""
STILL_JOINT_M_PER_S = 1e-4
"""A joint slower than this on the corpus' average is moved by rounding alone, and has no beats."""


def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """FGD: the Fréchet distance of two sets of motion features, taken as Gaussians.

    |mu_a - mu_b|^2 + tr(S_a) + tr(S_b) - 2 tr sqrt((S_a + 1e-6) (S_b + 1e-6)), with the 1e-6 under the root alone, as
    released: two equal sets of D features have the distance -2e-6 D.

    The trace of the root is the sum of the singular values of F_b^T F_a for any F F^T = S. So no root of a product
    that is not symmetric is taken: nothing turns complex, and singular covariances (fewer samples than features, dead
    features) are as exact as others.

    Args:
        features_a, features_b: (N, D) and (M, D), of the encoder; at least two rows each.

    Raises:
        MotionError: other shapes, or values that are not finite.
    """
    features_a = check_numbers("features_a", features_a, (None, None), min_length=2)
    features_b = check_numbers("features_b", features_b, (None, features_a.shape[1]), min_length=2)
    covariance_a = np.atleast_2d(np.cov(features_a, rowvar=False))
    covariance_b = np.atleast_2d(np.cov(features_b, rowvar=False))
    trace_of_root = svdvals(_offset_factor(covariance_b).T @ _offset_factor(covariance_a)).sum()
    between_means = np.square(features_a.mean(axis=0) - features_b.mean(axis=0)).sum()
    return float(between_means + np.trace(covariance_a) + np.trace(covariance_b) - 2 * trace_of_root)


def _offset_factor(covariance: np.ndarray) -> np.ndarray:
    """(D, D) F with F F^T = covariance + 1e-6."""
    values, vectors = eigh(covariance)
    return vectors * np.sqrt(values.clip(0) + FRECHET_OFFSET)  # rounding makes zeros slightly negative


def beat_poses(poses: np.ndarray) -> np.ndarray:
    """(T, 165) axis-angle -> the same without global orientation and jaw: what BC and L1 diversity pose, at trans 0."""
    poses = check_numbers("poses", poses, (None, POSE_CHANNELS)).copy()
    for joint in (0, JAW_JOINT):
        poses[:, 3 * joint : 3 * joint + 3] = 0
    return poses


def face_poses(poses: np.ndarray) -> np.ndarray:
    """(T, 165) axis-angle -> the jaw alone: what MSE and LVD pose, with the expressions and at trans 0."""
    poses = check_numbers("poses", poses, (None, POSE_CHANNELS))
    jaw = slice(3 * JAW_JOINT, 3 * JAW_JOINT + 3)
    result = np.zeros_like(poses)
    result[:, jaw] = poses[:, jaw]
    return result


def audio_onsets(audio: np.ndarray) -> np.ndarray:
    """(N,) at 16 kHz -> (K,) times in seconds at which librosa hears an onset, hop 512 (steps of 32 ms); K may be 0."""
    audio = check_samples(audio).astype(np.float32)
    return librosa.onset.onset_detect(y=audio, sr=SAMPLE_RATE_HZ, hop_length=ONSET_HOP_SAMPLES, units="time")


def joint_speed(joints: np.ndarray) -> np.ndarray:
    """(T, J, 3) metres -> (T, J) m/s: central differences, one-sided at the ends; at least two frames."""
    joints = check_numbers("joints", joints, (None, None, 3), min_length=2)
    return np.linalg.norm(np.gradient(joints, axis=0), axis=-1) * FPS


def mean_joint_velocity(clips: Iterable[np.ndarray]) -> np.ndarray:
    """What beat consistency divides by: each joint's mean speed over all frames of a corpus.

    It takes the place of the published `mean_vel_smplxflame_30.npy`, which is made from BEAT2.

    Args:
        clips: (T, 55, 3) joint positions in metres, each of `beat_poses` at trans 0; read one by one.

    Returns:
        (55,) m/s.

    Raises:
        MotionError: no clip, or one of another shape.
    """
    total, frames = np.zeros(NUM_JOINTS), 0
    for joints in clips:
        speed = joint_speed(check_numbers("joints", joints, (None, NUM_JOINTS, 3), min_length=2))
        total += speed.sum(axis=0)
        frames += len(speed)
    if frames == 0:
        raise MotionError("There is no clip to take mean velocities from; give at least one.")
    return total / frames


def beat_consistency(joints: np.ndarray, audio: np.ndarray, mean_velocity: np.ndarray) -> float:
    """BC as the released code computes it now, 0 to 1: how near a motion beat each onset of the audio is.

    Looked at is the clip less two seconds at each end. A joint's beats are the local minima of its speed (order 7)
    where the speed is above a tenth of the joint's mean. Its score is the mean over audio onsets of
    exp(-d^2 / (2 * 0.3^2)), d seconds to the nearest of its beats; 0 where it has none. BC is the mean over the 13
    joints of the upper body (of which spine1 never moves in `beat_poses`, so that 12/13 is the most).

    The released code compares the speed not at the minimum, but two seconds before it (it counts minima from the
    end of the trimmed part, and speeds from the start of the clip). So does this; `beat_consistency_aligned` does not.

    Args:
        joints: (T, 55, 3) metres, of `beat_poses` at trans 0 and the person's true betas.
        audio: (N,) at 16 kHz. The longer of motion and audio is cut.
        mean_velocity: (55,) m/s, of `mean_joint_velocity`, or the published file.

    Raises:
        MotionError: other shapes, or under 4.5 s of motion.
        AudioError: under 4.5 s of sound.
        NoOnsetError: no onset to be near to. The released code divides by their number, so that such a clip has no BC.
    """
    clip = _BeatClip.of(joints, audio, mean_velocity)
    return clip.score(clip.relative_speed[: len(clip.trimmed_speed)])


def beat_consistency_aligned(joints: np.ndarray, audio: np.ndarray, mean_velocity: np.ndarray) -> float:
    """BC with the speed compared where the minimum is; all else as in `beat_consistency`."""
    clip = _BeatClip.of(joints, audio, mean_velocity)
    return clip.score(clip.trimmed_speed)


@dataclass(frozen=True, eq=False)
class _BeatClip:
    """relative_speed: (T, 13), as shares of the joints' means; onsets_s: (K,) from the end of the trimmed part."""

    relative_speed: np.ndarray
    onsets_s: np.ndarray

    @classmethod
    def of(cls, joints: np.ndarray, audio: np.ndarray, mean_velocity: np.ndarray) -> "_BeatClip":
        joints = check_numbers("joints", joints, (None, NUM_JOINTS, 3))
        mean_velocity = check_numbers("mean_velocity", mean_velocity, (NUM_JOINTS,))[list(BEAT_JOINTS)]
        audio = check_samples(audio)
        frames = min(len(joints), len(audio) * FPS // SAMPLE_RATE_HZ)
        if frames <= 2 * (BEAT_TRIM_FRAMES + BEAT_ORDER_FRAMES):
            fault, what = (MotionError, "motion") if frames == len(joints) else (AudioError, "recording")
            raise fault(f"Beat consistency leaves out 2 s at each end, and the {what} has {frames / FPS:.1f} s in all.")
        speed = joint_speed(joints[:frames, list(BEAT_JOINTS)])
        moving = mean_velocity > STILL_JOINT_M_PER_S
        relative = np.where(moving, speed / np.where(moving, mean_velocity, 1), 0)
        trimmed = slice(frame_to_sample(BEAT_TRIM_FRAMES), frame_to_sample(frames - BEAT_TRIM_FRAMES))
        onsets_s = audio_onsets(audio[trimmed])
        if len(onsets_s) == 0:
            raise NoOnsetError("The recording has no onset (is it silent?), so that no beat can be consistent with it.")
        return cls(relative, onsets_s)

    @property
    def trimmed_speed(self) -> np.ndarray:
        return self.relative_speed[BEAT_TRIM_FRAMES:-BEAT_TRIM_FRAMES]

    def score(self, compared_speed: np.ndarray) -> float:
        """compared_speed: (T - 120, 13), which must be high enough where the trimmed speed has its minima."""
        from scipy.signal import argrelmin  # it takes most of a second, which no start need wait for

        score = 0.0
        for speed, compared in zip(self.trimmed_speed.T, compared_speed.T, strict=True):
            (minima,) = argrelmin(speed, order=BEAT_ORDER_FRAMES)
            beats_s = minima[compared[minima] > BEAT_MIN_RELATIVE_SPEED] / FPS
            if len(beats_s):
                score += beat_nearness(self.onsets_s, beats_s)
        return score / len(BEAT_JOINTS)


def beat_nearness(onsets_s: np.ndarray, beats_s: np.ndarray) -> float:
    """Onsets (K,) and beats (L,) in seconds, neither empty -> the mean over onsets of exp(-d^2 / (2 * 0.3^2)).

    d is the time in seconds from the onset to the nearest beat.
    """
    distance_s = np.abs(np.asarray(onsets_s)[:, None] - np.asarray(beats_s)[None]).min(axis=1)
    return float(np.exp(-np.square(distance_s) / (2 * BEAT_SIGMA_S**2)).mean())


def l1_diversity(joints: np.ndarray) -> float:
    """L1Div: the sum over all channels of |x - its mean in the clip|, averaged over frames; metres.

    joints: (T, J, 3) metres; as published J = 55, of `beat_poses` at trans 0.
    """
    joints = check_numbers("joints", joints, (None, None, 3))
    return float(np.abs(joints - joints.mean(axis=0)).sum() / len(joints))


def semantic_scores(labels: Iterable[tuple[float, float, float]], frames: int) -> np.ndarray:
    """Labels of a clip, each its start and end in seconds and its score -> (T,) score of each frame: of the first label
    that the frame's time lies in, both ends included, or 0."""
    scores, times_s = np.zeros(frames), np.arange(frames) / FPS
    is_free = np.ones(frames, dtype=bool)
    for start_s, end_s, score in labels:
        inside = is_free & (times_s >= start_s) & (times_s <= end_s)
        scores[inside] = score
        is_free &= ~inside
    return scores


def semantic_gesture_recall(joints: np.ndarray, target: np.ndarray, scores: np.ndarray) -> float:
    """SRGR: the share of joints within 10 cm of the true ones, each frame counting with its semantic score over 0.165.

    joints, target: (T, J, 3) metres; here J = 55, of `beat_poses` at trans 0. scores: (T,), of `semantic_scores`.
    """
    joints = check_numbers("joints", joints, (None, None, 3))
    target = check_numbers("target", target, joints.shape)
    scores = check_numbers("scores", scores, joints.shape[:1])
    near = np.linalg.norm(joints - target, axis=-1) < NEAR_JOINT_M
    return float((near.mean(axis=1) * scores).mean() / MEAN_SEMANTIC_SCORE)


def vertex_mse(vertices: np.ndarray, target: np.ndarray) -> float:
    """MSE of the face: the mean over frames, vertices and coordinates of the squared difference; square metres.

    vertices, target: (T, V, 3) metres, of `face_poses` and expressions at trans 0.
    """
    _check_vertices(vertices, target, min_frames=1)
    total = sum(float(np.square(_difference(*pair)).sum()) for pair in zip(vertices, target, strict=True))
    return _finite(total) / vertices.size


def lvd_velocity_difference(vertices: np.ndarray, target: np.ndarray) -> float:
    """LVD as released now: the mean |step of the one - step of the other|, coordinate by coordinate; metres a frame.

    The sum over the T - 1 steps is divided by T frames, as released. Same arguments as `vertex_mse`, from 2 frames.
    """
    _check_vertices(vertices, target, min_frames=2)
    total, previous = 0.0, _difference(vertices[0], target[0])
    for frame in range(1, len(vertices)):
        current = _difference(vertices[frame], target[frame])
        total += float(np.abs(current - previous).sum())
        previous = current
    return _finite(total) / vertices.size


def lvd_vertex_distance(vertices: np.ndarray, target: np.ndarray) -> float:
    """LVD as the paper's first code computed it: no velocity, but the mean |difference| of coordinates; metres.

    Both steps started from the target's frame, which cancels; what is left is the distance in every frame but the
    first. Same arguments as `vertex_mse`, from 2 frames.
    """
    _check_vertices(vertices, target, min_frames=2)
    total = sum(float(np.abs(_difference(*pair)).sum()) for pair in zip(vertices[1:], target[1:], strict=True))
    return _finite(total) / vertices[1:].size


def _check_vertices(vertices: np.ndarray, target: np.ndarray, min_frames: int) -> None:
    """Shapes only: vertices are many, and are looked at frame by frame."""
    shape = np.shape(vertices)
    if len(shape) != 3 or shape[2] != 3 or 0 in shape or shape != np.shape(target):
        raise MotionError(f"The vertices have shapes {shape} and {np.shape(target)}; both must be the same (T, V, 3).")
    if len(vertices) < min_frames:
        raise MotionError(f"The vertices have {len(vertices)} frames; at least {min_frames} are needed.")


def _difference(frame: np.ndarray, target: np.ndarray) -> np.ndarray:
    return frame.astype(np.float64) - target


def _finite(total: float) -> float:
    if not math.isfinite(total):
        raise MotionError("The vertices hold values that are not finite numbers.")
    return total
