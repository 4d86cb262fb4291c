"""Rotations, and arms and legs by inverse kinematics, on the skeleton of the stand-in body.

All arm work is done as for a left arm, x pointing outwards: a right arm is mirrored in x, bones and all, and so are the
turns that come of it. The two are not quite alike.
"""

import functools
from dataclasses import dataclass

import numpy as np
import torch

from emage.body.model import STAND_IN_FILE
from emage.errors import BodyError
from emage.files import read_npz
from emage.motion.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from emage.motion.skeleton import JOINT_NAMES

LEFT_COLLAR, LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST = 13, 16, 18, 20

TWIST_LIMIT = np.radians(82)  # of the forearm, each way from the middle
FLEX_LIMIT = np.radians(65)  # of the wrist, to palm and back
DEVIATION_LIMIT = np.radians(25)  # of the wrist, to thumb and little finger


PELVIS_PITCH = np.radians(-8.0)
SPINE_PITCH = {3: np.radians(7.0), 6: np.radians(3.0), 9: np.radians(3.0)}
"""Of a trunk at ease, by joint, in radians forwards. In the T-pose the pelvis is tilted and the back hollow; who stands
and talks tilts it back and rounds the spine (in a clip of BEAT2 by twice as much)."""
CHEST_PITCH = PELVIS_PITCH + sum(SPINE_PITCH.values())
NECK_SHARES = {12: 0.4, 15: 0.6}
"""Of the head's turns, by joint: of neck and head."""


@functools.cache
def rest_joints() -> np.ndarray:
    """(55, 3) joints of the stand-in in the T-pose, metres, to a tenth of a millimetre so that machines agree."""
    arrays = read_npz(STAND_IN_FILE, BodyError, keys=("J_regressor", "v_template"))
    return np.round(arrays["J_regressor"].astype(np.float64) @ arrays["v_template"].astype(np.float64), 4)


@functools.cache
def joints_as_left(side: str) -> np.ndarray:
    """(55, 3) as `rest_joints`; for the right, mirrored in x and numbered as if they were the left ones."""
    if side == "left":
        return rest_joints()
    swap = {"left_": "right_", "right_": "left_"}
    names = [next((new + name[len(old) :] for old, new in swap.items() if name.startswith(old)), name)
             for name in JOINT_NAMES]  # fmt: skip
    return mirror(rest_joints()[[JOINT_NAMES.index(name) for name in names]])


def matrix_of(axis_angle: np.ndarray) -> np.ndarray:
    """(..., 3) -> (..., 3, 3)."""
    return axis_angle_to_matrix(torch.from_numpy(np.ascontiguousarray(axis_angle, float))).numpy()


def axis_angle_of(matrix: np.ndarray) -> np.ndarray:
    """(..., 3, 3) -> (..., 3)."""
    return matrix_to_axis_angle(torch.from_numpy(np.ascontiguousarray(matrix))).numpy()


def about(axis: np.ndarray | tuple[float, float, float], angle: np.ndarray | float) -> np.ndarray:
    """Turns by `angle` (...,) radians about a unit axis: (..., 3, 3)."""
    return matrix_of(np.asarray(angle, float)[..., None] * np.asarray(axis, float))


def rotate(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """(..., 3, 3) and (..., 3) -> (..., 3)."""
    return np.einsum("...ij,...j->...i", matrix, vector)


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def transpose(matrix: np.ndarray) -> np.ndarray:
    return matrix.swapaxes(-1, -2)


def mirror(vectors: np.ndarray) -> np.ndarray:
    """Points (..., 3) mirrored in x."""
    return vectors * np.array([-1.0, 1.0, 1.0])


def mirror_turns(axis_angle: np.ndarray) -> np.ndarray:
    """Turns (..., 3) mirrored in x."""
    return axis_angle * np.array([1.0, -1.0, -1.0])


def turn_between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(3, 3) the smallest turn from one direction (3,) to another, less than half a circle away."""
    axis = np.cross(unit(start), unit(end))
    sine = np.linalg.norm(axis)
    return about(axis / max(sine, 1e-12), np.arctan2(sine, unit(start) @ unit(end)))


def _frame(along: np.ndarray, hinge: np.ndarray) -> np.ndarray:
    """(..., 3, 3) with the columns along, hinge made orthogonal to it, and their product."""
    along = unit(along)
    hinge = unit(hinge - along * (along * hinge).sum(-1, keepdims=True))
    return np.stack([along, hinge, np.cross(along, hinge)], -1)


MOST_BENT = np.radians(148)  # of elbows and knees, from where they are straightest


@dataclass(frozen=True, eq=False)
class TwoBones:
    """A limb of two bones at rest, (3,) each, and the unit axis that its middle joint turns about, and only about.

    Bones need not lie in one plane with each other: arms and legs are a little crooked, and stay so.
    """

    upper: np.ndarray
    lower: np.ndarray
    hinge: np.ndarray

    @functools.cached_property
    def longest_m(self) -> float:
        """From root to end, the middle joint bent no further back than it is at rest."""
        return float(np.sqrt(self._length_square(max(self._straight, 0.0))))

    def solve(self, root: np.ndarray, target: np.ndarray, pole: np.ndarray) -> "LimbPose":
        """Reach from root to target (T, 3); the middle joint lies towards the pole, a direction (T, 3).

        A target out of reach is approached as near as the limb goes.
        """
        offset = target - root
        wanted = np.linalg.norm(offset, axis=-1)
        along = offset / np.maximum(wanted, 1e-9)[:, None]
        distance = np.clip(wanted, np.sqrt(self._length_square(self._straight + MOST_BENT)), 0.9985 * self.longest_m)
        mean, amplitude = self._mean_square, self._amplitude
        bend = self._straight + np.arccos(np.clip((distance**2 - mean) / (2 * amplitude), -1, 1))
        turn = about(self.hinge, bend)
        side = unit(pole - along * (pole * along).sum(-1, keepdims=True))
        # The limb as a whole is turned from where it is at rest, bent so.
        at_rest = _frame(self.upper + rotate(turn, self.lower), self.hinge)
        upper = _frame(along, np.cross(side, along)) @ transpose(at_rest)
        return LimbPose(upper, upper @ turn, root + rotate(upper, self.upper), root + along * distance[:, None])

    @functools.cached_property
    def _mean_square(self) -> float:
        along = (self.upper @ self.hinge) * (self.lower @ self.hinge)
        return float(self.upper @ self.upper + self.lower @ self.lower + 2 * along)

    @functools.cached_property
    def _across(self) -> tuple[float, float]:
        """Cosine and sine of the bend where the limb is straightest, times the bones' lengths across the hinge."""
        cosine = self.upper @ self.lower - (self.upper @ self.hinge) * (self.lower @ self.hinge)
        return float(cosine), float(self.upper @ np.cross(self.hinge, self.lower))

    @property
    def _straight(self) -> float:
        cosine, sine = self._across
        return float(np.arctan2(sine, cosine))

    @property
    def _amplitude(self) -> float:
        return float(np.hypot(*self._across))

    def _length_square(self, bend: float) -> float:
        return self._mean_square + 2 * self._amplitude * np.cos(bend - self._straight)


@dataclass(frozen=True, eq=False)
class LimbPose:
    """upper, lower: (T, 3, 3) of the bones, in the frame of the targets. middle, end: (T, 3) joints."""

    upper: np.ndarray
    lower: np.ndarray
    middle: np.ndarray
    end: np.ndarray


# --- arms -------------------------------------------------------------------------------------------------------------


@functools.cache
def arm_bones(side: str) -> TwoBones:
    joints = joints_as_left(side)
    return TwoBones(
        joints[LEFT_ELBOW] - joints[LEFT_SHOULDER],
        joints[LEFT_WRIST] - joints[LEFT_ELBOW],
        np.array([0.0, -1.0, 0.0]),  # the elbow of the T-pose, palms down, bends forwards
    )


@functools.cache
def chest_middle() -> np.ndarray:
    """(3,) between the shoulders, at rest: where hand positions are counted from."""
    middle = 0.5 * (joints_as_left("left") + joints_as_left("right"))[LEFT_SHOULDER]
    return middle * np.array([0.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class ArmPose:
    """Local rotations (T, 3, 3) of collar, shoulder, elbow and wrist; elbow, wrist: (T, 3) places. As of a left arm."""

    collar_turn: np.ndarray
    shoulder_turn: np.ndarray
    elbow_turn: np.ndarray
    wrist_turn: np.ndarray
    elbow: np.ndarray
    wrist: np.ndarray
    hand: np.ndarray  # (T, 3, 3) of the hand in the chest's frame
    forearm: np.ndarray  # (T, 3, 3) of the forearm before its twist


def pose_arm(
    wrist: np.ndarray,
    flare: np.ndarray,
    twist: np.ndarray,
    flex: np.ndarray,
    deviation: np.ndarray,
    shrug: np.ndarray,
    side: str = "left",
) -> ArmPose:
    """An arm with its wrist at `wrist` (T, 3), from the middle between the shoulders, x outwards.

    flare: how far the elbow stands off, 0 usual. twist: of hand and forearm about the forearm, radians; 0 has the thumb
    towards the crook, positive turns the palm outwards and down. flex: of the wrist towards the palm. deviation:
    towards the thumb. shrug: extra lift of the collar, radians. All (T,).
    """
    joints, bones = joints_as_left(side), arm_bones(side)
    collar = joints[LEFT_COLLAR] - chest_middle()
    # A collar follows the hand: up with a raised arm, forwards with one that reaches across or far in front.
    # Shoulders of the T-pose are raised; those of a hanging arm sink, and come forwards a little.
    lift = np.radians(16) * _rise(wrist[:, 1], -0.1, 0.35) - np.radians(8) * _rise(-wrist[:, 1], -0.1, 0.35) + shrug
    forward = (
        np.radians(4) + np.radians(10) * _rise(wrist[:, 2], 0.15, 0.5) + np.radians(8) * _rise(-wrist[:, 0], -0.1, 0.2)
    )
    collar_turn = about((0, -1, 0), forward) @ about((0, 0, 1), lift)
    shoulder = collar + rotate(collar_turn, joints[LEFT_SHOULDER] - joints[LEFT_COLLAR])

    # Elbows hang below a raised hand and lie behind a lowered one.
    pole = np.stack([0.16 + flare, np.full_like(flare, -0.6), 0.75 * (_rise(wrist[:, 1], -0.3, 0.0) - 1)], -1)
    limb = bones.solve(shoulder, shoulder + _within_reach(wrist - shoulder, bones.longest_m), pole)
    axis = unit(bones.lower)
    twist = np.clip(twist, -TWIST_LIMIT, TWIST_LIMIT)
    half = about(axis, 0.5 * twist)
    bend = about((0, -1, 0), np.clip(deviation, -DEVIATION_LIMIT, DEVIATION_LIMIT)) @ about(
        (0, 0, -1), np.clip(flex, -FLEX_LIMIT, FLEX_LIMIT)
    )
    return ArmPose(
        collar_turn=collar_turn,
        shoulder_turn=transpose(collar_turn) @ limb.upper,
        elbow_turn=transpose(limb.upper) @ limb.lower @ half,
        wrist_turn=half @ bend,
        elbow=limb.middle,
        wrist=limb.end,
        hand=limb.lower @ half @ half @ bend,
        forearm=limb.lower,
    )


def _within_reach(offset: np.ndarray, reach_m: float) -> np.ndarray:
    """Offsets (T, 3) from the shoulder, those to the rim of what an arm reaches shortened.

    Near its full length an arm turns much for little movement; so it comes up to it without haste.
    """
    longest = 0.995 * reach_m
    free, wanted = 0.9 * longest, np.linalg.norm(offset, axis=-1, keepdims=True)
    rim = longest - free
    beyond = np.maximum(wanted - free, 0)
    return offset * np.where(wanted > free, (free + rim * (1 - np.exp(-beyond / rim))) / np.maximum(wanted, 1e-9), 1.0)


def _rise(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def twist_for_palm(wrist: np.ndarray, flare: float, palm: np.ndarray, side: str) -> float:
    """The twist that turns the palm of a hand at `wrist` (3,) as nearly as can be towards `palm` (3,)."""
    zero = np.zeros(1)
    arm = pose_arm(wrist[None], np.array([flare]), zero, zero, zero, zero, side)
    axis = rotate(arm.forearm[0], unit(arm_bones(side).lower))
    untwisted = rotate(arm.forearm[0], np.array([0.0, -1.0, 0.0]))
    wanted = palm - axis * (palm @ axis)
    angle = np.arctan2(np.cross(untwisted, wanted) @ axis, untwisted @ wanted)
    return float(np.clip(angle, -TWIST_LIMIT, TWIST_LIMIT))


# --- legs -------------------------------------------------------------------------------------------------------------


@functools.cache
def leg_bones(side: str) -> TwoBones:
    hip, knee, ankle = {"left": (1, 4, 7), "right": (2, 5, 8)}[side]
    joints = rest_joints()
    return TwoBones(joints[knee] - joints[hip], joints[ankle] - joints[knee], np.array([1.0, 0.0, 0.0]))
