"""What the published metrics do not see: feet, jerk, seams, hands in speech and pauses, mouths, frozen bodies, hints.

Everything works on plain arrays, at 30 frames per second and 16 kHz; resample before. Positions are metres, y up.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import label

from emage.errors import AudioError, MotionError
from emage.evaluation.checks import check_flags, check_numbers, pose_matrices
from emage.evaluation.published import joint_speed
from emage.motion import FPS
from emage.motion.rotations import angle_between
from emage.motion.skeleton import CONTACT_JOINTS, JAW_JOINT, NUM_JOINTS, PART_JOINTS, POSE_CHANNELS
from emage.recording.features import LOUD_PERCENTILE, SPEECH_BELOW_LOUD_DB, loudness_envelope

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


@dataclass(frozen=True)
class FootSliding:
    """slid_m: how far foot joints slide while they stand, summed; contact_s: how long they stand, summed."""

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
    feet = check_numbers("joints", joints, (None, NUM_JOINTS, 3), min_length=2)[:, list(CONTACT_JOINTS)]
    height = feet[..., 1]
    low = height < np.percentile(height, CONTACT_FLOOR_PERCENTILE, axis=0) + CONTACT_HEIGHT_M
    standing = low[1:] & low[:-1]
    way_m = np.linalg.norm(np.diff(feet[..., [0, 2]], axis=0), axis=-1)
    return FootSliding(slid_m=float(way_m[standing].sum()), contact_s=float(standing.sum()) / FPS)


def mean_jerk(joints: np.ndarray) -> float:
    """(T, J, 3) metres, T >= 4 -> m/s^3: the mean over frames and joints of the third derivative's magnitude."""
    joints = check_numbers("joints", joints, (None, None, 3), min_length=4)
    return float(np.linalg.norm(np.diff(joints, n=3, axis=0), axis=-1).mean()) * FPS**3


def rotation_steps(poses: np.ndarray) -> np.ndarray:
    """(T, 165) axis-angle, T >= 2 -> (T - 1, 55) radians that each joint turns from a frame to the next."""
    matrices = pose_matrices("poses", poses, min_length=2)
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
    speed = joint_speed(check_numbers("joints", joints, (None, NUM_JOINTS, 3), min_length=2)[:, list(WRIST_JOINTS)])
    frames = min(len(speaking), len(speed))
    speaking, speed = speaking[:frames], speed[:frames]
    if speaking.all() or not speaking.any():
        missing = f"pause of {MIN_PAUSE_S} s" if speaking.all() else "speech"
        raise AudioError(f"The recording has no {missing}, so that speech and pauses cannot be compared.")
    return HandActivity(float(speed[speaking].mean()), float(speed[~speaking].mean()))


def jaw_opening(poses: np.ndarray) -> np.ndarray:
    """(T, 165) axis-angle -> (T,) radians by which the jaw is open: its turn about x, positive downwards."""
    return check_numbers("poses", poses, (None, POSE_CHANNELS))[:, 3 * JAW_JOINT].copy()


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
    signal = check_numbers("signal", signal, (None,), min_length=max_lag_frames + 3)
    reference = check_numbers("reference", reference, signal.shape)
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
        considered = check_flags("considered", considered, (len(still) + 1,))
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
    matrices = pose_matrices("poses", poses)
    visible = check_flags("visible", visible, (len(matrices), NUM_JOINTS))
    expected = pose_matrices("reference", reference)
    if len(expected) != len(matrices):
        raise MotionError(f"The reference has {len(expected)} frames and the motion {len(matrices)}; cut them alike.")
    if not visible.any():
        raise MotionError("No joint was shown as a hint, so that there is nothing to deviate from.")
    angles = angle_between(matrices, expected).numpy()[visible]
    return HintDeviation(float(angles.mean()), float(angles.max()))


def _ratio(value: float, base: float) -> float:
    """value / base; 1 where both are 0, infinite where the base alone is."""
    if base == 0:
        return 1.0 if value == 0 else math.inf
    return value / base
