"""How good a motion is, in numbers: the published metrics, and our own for what those do not see.

Everything works on plain arrays, at 30 frames per second and 16 kHz; resample before. Positions are metres, y up.

Sources. FGD: Yoon et al. 2020. BC (beat consistency): Li et al. 2021, "AI Choreographer". L1 diversity: Li et al. 2021,
"Audio2Gestures". MSE and LVD of the face: Xing et al. 2023 and Yi et al. 2023. Each with the numbers of the released
EMAGE evaluation (Liu et al. 2024), whose tables print FGD x10, BC x10, MSE x1e8 and LVD x1e5; the functions here return
bare values. All else is defined here.

A corpus is scored as published by pooling: FGD over the features of all clips together, the others as the mean of the
clips' values weighted by frames (BC: by frames less 120, those that it looks at).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import librosa
import numpy as np
import torch
from scipy.linalg import eigh, svdvals
from scipy.ndimage import label
from scipy.signal import argrelmin

from emage.errors import AudioError, MotionError
from emage.motion import FPS
from emage.motion.rotations import angle_between, axis_angle_to_matrix
from emage.motion.skeleton import CONTACT_JOINTS, JAW_JOINT, NUM_JOINTS, PART_JOINTS, POSE_CHANNELS
from emage.recording.audio import SAMPLE_RATE_HZ, check_samples, frame_to_sample
from emage.recording.features import LOUD_PERCENTILE, SPEECH_BELOW_LOUD_DB, loudness_envelope

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
STILL_JOINT_M_PER_S = 1e-4
"""A joint slower than this on the corpus' average is moved by rounding alone, and has no beats."""

CONTACT_HEIGHT_M = 0.02
"""A foot joint stands while it is lower than this above its floor..."""
CONTACT_FLOOR_PERCENTILE = 5
"""...which is this percentile of its own heights in the clip."""

MIN_PAUSE_S = 0.3
"""A shorter silence belongs to the speech around it."""
WRIST_JOINTS: tuple[int, ...] = (20, 21)

MAX_LAG_FRAMES = 15
STILLNESS_JOINTS: tuple[int, ...] = (*PART_JOINTS["upper"], *PART_JOINTS["lower"], *PART_JOINTS["hands"])
FROZEN_RAD_PER_S = math.radians(5)
"""Slower than this in its fastest joint a body is frozen; a recorded speaker of BEAT2 never fell below 23 degrees/s."""


# The published metrics.


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
    features_a = _numbers("features_a", features_a, (None, None), min_length=2)
    features_b = _numbers("features_b", features_b, (None, features_a.shape[1]), min_length=2)
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
    poses = _numbers("poses", poses, (None, POSE_CHANNELS)).copy()
    for joint in (0, JAW_JOINT):
        poses[:, 3 * joint : 3 * joint + 3] = 0
    return poses


def face_poses(poses: np.ndarray) -> np.ndarray:
    """(T, 165) axis-angle -> the jaw alone: what MSE and LVD pose, with the expressions and at trans 0."""
    poses = _numbers("poses", poses, (None, POSE_CHANNELS))
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
    joints = _numbers("joints", joints, (None, None, 3), min_length=2)
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
        speed = joint_speed(_numbers("joints", joints, (None, NUM_JOINTS, 3), min_length=2))
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
        AudioError: no onset to be near to, or under 4.5 s.
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
        joints = _numbers("joints", joints, (None, NUM_JOINTS, 3))
        mean_velocity = _numbers("mean_velocity", mean_velocity, (NUM_JOINTS,))[list(BEAT_JOINTS)]
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
            raise AudioError("The recording has no onset (is it silent?), so that no beat can be consistent with it.")
        return cls(relative, onsets_s)

    @property
    def trimmed_speed(self) -> np.ndarray:
        return self.relative_speed[BEAT_TRIM_FRAMES:-BEAT_TRIM_FRAMES]

    def score(self, compared_speed: np.ndarray) -> float:
        """compared_speed: (T - 120, 13), which must be high enough where the trimmed speed has its minima."""
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
    joints = _numbers("joints", joints, (None, None, 3))
    return float(np.abs(joints - joints.mean(axis=0)).sum() / len(joints))


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


# Our own: what a viewer notices and the published metrics do not.


@dataclass(frozen=True)
class FootSliding:
    """slid_m: horizontal way of foot joints while they stand, summed; contact_s: how long they stand, summed."""

    slid_m: float
    contact_s: float

    @property
    def m_per_s(self) -> float:
        """Metres slid in a second of contact; 0 where nothing ever stands."""
        return self.slid_m / self.contact_s if self.contact_s else 0.0


def foot_sliding(joints: np.ndarray) -> FootSliding:
    """How far the feet slide on the floor.

    Each of the four foot joints (ankles 7, 8, toes 10, 11) stands from one frame to the next when in both it is lower
    than 2 cm above its floor, the 5th percentile of its heights: floors of their own, since ankles are higher than
    toes and a floor may be tilted. Contact is by height alone. By speed, as BEAT2 marks it, a sliding foot would not
    be in contact and could not be found out.

    Args:
        joints: (T, 55, 3) metres with the true translation, T >= 2.
    """
    feet = _numbers("joints", joints, (None, NUM_JOINTS, 3), min_length=2)[:, list(CONTACT_JOINTS)]
    height = feet[..., 1]
    low = height < np.percentile(height, CONTACT_FLOOR_PERCENTILE, axis=0) + CONTACT_HEIGHT_M
    standing = low[1:] & low[:-1]
    way_m = np.linalg.norm(np.diff(feet[..., [0, 2]], axis=0), axis=-1)
    return FootSliding(slid_m=float(way_m[standing].sum()), contact_s=float(standing.sum()) / FPS)


def mean_jerk(joints: np.ndarray) -> float:
    """(T, J, 3) metres, T >= 4 -> m/s^3: the mean over frames and joints of the third derivative's magnitude."""
    joints = _numbers("joints", joints, (None, None, 3), min_length=4)
    return float(np.linalg.norm(np.diff(joints, n=3, axis=0), axis=-1).mean()) * FPS**3


def rotation_steps(poses: np.ndarray) -> np.ndarray:
    """(T, 165) axis-angle, T >= 2 -> (T - 1, 55) radians that each joint turns from a frame to the next."""
    matrices = _matrices("poses", poses, min_length=2)
    return angle_between(matrices[:-1], matrices[1:]).numpy()


@dataclass(frozen=True)
class SeamSteps:
    """Mean turn of a joint in a step, in radians: over seams, and everywhere else."""

    at_seams_rad: float
    elsewhere_rad: float

    @property
    def ratio(self) -> float:
        """1 where seams cannot be told from other frames; above 1 where the motion jumps there."""
        return _ratio(self.at_seams_rad, self.elsewhere_rad)


def seam_steps(poses: np.ndarray, seam_frames: Sequence[int]) -> SeamSteps:
    """The joints' mean step at the seams of windows, beside that elsewhere.

    Args:
        poses: (T, 165) axis-angle.
        seam_frames: the first frame of each window but the first one, 1 to T - 1: the seam is the step into it.

    Raises:
        MotionError: other shapes; no seam, or nothing but seams; a seam outside the motion.
    """
    steps = rotation_steps(poses).mean(axis=1)
    at_seam = np.zeros(len(steps), dtype=bool)
    for frame in seam_frames:
        if not 1 <= frame <= len(steps):
            raise MotionError(f"There is no seam at frame {frame}; this motion can have them at 1 to {len(steps)}.")
        at_seam[frame - 1] = True
    if not at_seam.any() or at_seam.all():
        raise MotionError(f"{at_seam.sum()} of {len(steps)} steps are seams; there must be some, and other steps too.")
    return SeamSteps(float(steps[at_seam].mean()), float(steps[~at_seam].mean()))


def speaking_frames(audio: np.ndarray) -> np.ndarray:
    """(N,) at 16 kHz -> (T,) bool at 30 fps: True in speech, False in pauses of at least 0.3 s.

    Speech is what is less than 30 dB below the 95th percentile of the clip's own loudness; a shorter silence belongs
    to the speech around it.
    """
    loudness = loudness_envelope(audio)
    loud = np.percentile(loudness, LOUD_PERCENTILE)
    if loud == 0:
        return np.zeros(len(loudness), dtype=bool)
    speaking = loudness > loud * 10 ** (-SPEECH_BELOW_LOUD_DB / 20)
    silences, _ = label(~speaking)
    lasts_s = (np.bincount(silences) + 1) / FPS  # n frames' windows, each two frames wide, cover n + 1 frames
    short = lasts_s < MIN_PAUSE_S
    return speaking | short[silences]


@dataclass(frozen=True)
class HandActivity:
    """Mean speed of the wrists in m/s, while speaking and in pauses."""

    speaking_m_per_s: float
    pausing_m_per_s: float

    @property
    def ratio(self) -> float:
        """Above 1 where the hands are livelier in speech than in pauses."""
        return _ratio(self.speaking_m_per_s, self.pausing_m_per_s)


def hand_activity(joints: np.ndarray, audio: np.ndarray) -> HandActivity:
    """Speed of the hands during speech, beside that in pauses.

    Args:
        joints: (T, 55, 3) metres.
        audio: (N,) at 16 kHz. The longer of motion and audio is cut.

    Raises:
        AudioError: nothing is said, or no pause of 0.3 s is made.
    """
    speaking = speaking_frames(audio)
    speed = joint_speed(_numbers("joints", joints, (None, NUM_JOINTS, 3), min_length=2)[:, list(WRIST_JOINTS)])
    frames = min(len(speaking), len(speed))
    speaking, speed = speaking[:frames], speed[:frames]
    if speaking.all() or not speaking.any():
        missing = f"pause of {MIN_PAUSE_S} s" if speaking.all() else "speech"
        raise AudioError(f"The recording has no {missing}, so that speech and pauses cannot be compared.")
    return HandActivity(float(speed[speaking].mean()), float(speed[~speaking].mean()))


def jaw_opening(poses: np.ndarray) -> np.ndarray:
    """(T, 165) axis-angle -> (T,) radians by which the jaw is open: its turn about x, positive downwards."""
    return _numbers("poses", poses, (None, POSE_CHANNELS))[:, 3 * JAW_JOINT].copy()


@dataclass(frozen=True)
class LagCorrelation:
    """Pearson's correlation at the lag where it is highest; a positive lag: the signal comes after the reference."""

    correlation: float
    lag_frames: int


def best_lag_correlation(
    signal: np.ndarray, reference: np.ndarray, max_lag_frames: int = MAX_LAG_FRAMES
) -> LagCorrelation:
    """How well a signal follows a reference, and how many frames behind: jaw opening against loudness, say.

    Each lag correlates what overlaps; of equal correlations the shortest lag wins. What does not vary follows nothing:
    its correlation is 0.

    Args:
        signal, reference: (T,) both.
        max_lag_frames: lags from minus to plus this are tried; T must be longer by at least 3.

    Raises:
        MotionError: other shapes, or too short.
    """
    signal = _numbers("signal", signal, (None,), min_length=max_lag_frames + 3)
    reference = _numbers("reference", reference, signal.shape)
    lags = sorted(range(-max_lag_frames, max_lag_frames + 1), key=abs)
    return max((_correlate(signal, reference, lag) for lag in lags), key=lambda found: found.correlation)


def _correlate(signal: np.ndarray, reference: np.ndarray, lag: int) -> LagCorrelation:
    length = len(signal) - abs(lag)
    signal = signal[max(lag, 0) :][:length]
    reference = reference[max(-lag, 0) :][:length]
    if np.ptp(signal) <= _rounding(signal) or np.ptp(reference) <= _rounding(reference):
        return LagCorrelation(0.0, lag)
    return LagCorrelation(float(np.corrcoef(signal, reference)[0, 1]), lag)


def _rounding(signal: np.ndarray) -> float:
    return 1e-12 * float(np.abs(signal).max())


@dataclass(frozen=True)
class FrozenMotion:
    """share: of the steps looked at, 0 to 1; longest_s: the longest stretch without a break."""

    share: float
    longest_s: float


def frozen_motion(poses: np.ndarray, considered: np.ndarray | None = None) -> FrozenMotion:
    """How much of the time the body stands still: no joint but face and eyes turns by 5 degrees/s.

    Args:
        poses: (T, 165) axis-angle.
        considered: (T,) bool, frames to look at, such as `speaking_frames`; all by default. A step counts where both
            its frames do, and a stretch ends where they do not.

    Raises:
        MotionError: other shapes, or no step to look at.
    """
    still = rotation_steps(poses)[:, list(STILLNESS_JOINTS)].max(axis=1) < FROZEN_RAD_PER_S / FPS
    counted = np.ones(len(still), dtype=bool)
    if considered is not None:
        considered = _flags("considered", considered, (len(still) + 1,))
        counted = considered[1:] & considered[:-1]
    if not counted.any():
        raise MotionError("No two frames on end are to be looked at, so that nothing can be said of stillness.")
    stretches, _ = label(still & counted)
    longest = np.bincount(stretches[stretches > 0], minlength=1).max()
    return FrozenMotion(float(still[counted].mean()), float(longest) / FPS)


@dataclass(frozen=True)
class HintDeviation:
    """Geodesic distance of joint rotations from the hint's where they were visible, in radians."""

    mean_rad: float
    max_rad: float


def hint_deviation(poses: np.ndarray, reference: np.ndarray, visible: np.ndarray) -> HintDeviation:
    """How far a motion strays from the hints it was shown; 0 where they are locked.

    Args:
        poses, reference: (T, 165) axis-angle.
        visible: (T, 55) bool, True where the joint's rotation was a hint.

    Raises:
        MotionError: other shapes, or no joint was visible.
    """
    matrices = _matrices("poses", poses)
    visible = _flags("visible", visible, (len(matrices), NUM_JOINTS))
    expected = _matrices("reference", reference)
    if len(expected) != len(matrices):
        raise MotionError(f"The reference has {len(expected)} frames and the motion {len(matrices)}; cut them alike.")
    if not visible.any():
        raise MotionError("No joint was shown as a hint, so that there is nothing to deviate from.")
    angles = angle_between(matrices, expected).numpy()[visible]
    return HintDeviation(float(angles.mean()), float(angles.max()))


# Arguments, checked.


def _numbers(name: str, array: np.ndarray, shape: tuple[int | None, ...], min_length: int = 1) -> np.ndarray:
    """As float64, if it has this shape (None: any number but 0), length and finite numbers."""
    array = _shaped(name, array, shape, min_length)
    if array.dtype.kind not in "fiu":
        raise MotionError(f"{name} holds {array.dtype}; it must hold numbers.")
    array = array.astype(np.float64, copy=False)
    if not np.isfinite(array).all():
        at = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
        raise MotionError(f"{name}{at} is {array[tuple(at)]}; every value must be a finite number.")
    return array


def _flags(name: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    array = _shaped(name, array, shape)
    if array.dtype != bool:
        raise MotionError(f"{name} holds {array.dtype}; it must hold True and False.")
    return array


def _shaped(name: str, array: np.ndarray, shape: tuple[int | None, ...], min_length: int = 1) -> np.ndarray:
    array = np.asarray(array)
    fits = array.ndim == len(shape) and all(
        size is None or size == found for size, found in zip(shape, array.shape, strict=True)
    )
    if not fits or array.size == 0:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise MotionError(f"{name} has shape {array.shape}; it must be ({wanted}), and not empty.")
    if len(array) < min_length:
        raise MotionError(f"{name} has length {len(array)}; at least {min_length} are needed.")
    return array


def _matrices(name: str, poses: np.ndarray, min_length: int = 1) -> torch.Tensor:
    """(T, 165) axis-angle -> (T, 55, 3, 3) float64."""
    poses = _numbers(name, poses, (None, POSE_CHANNELS), min_length)
    return axis_angle_to_matrix(torch.from_numpy(poses).unflatten(-1, (-1, 3)))


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


def _ratio(value: float, base: float) -> float:
    """value / base; 1 where both are 0, infinite where the base alone is."""
    if base == 0:
        return 1.0 if value == 0 else math.inf
    return value / base
