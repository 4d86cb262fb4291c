"""Which gestures of the dictionary are in a motion, and when: a recogniser for true and generated motion alike.

A hand is described in the frame of the chest by the place of its wrist, its turn and the places of its fingertips, on
the bones of the stand-in body, whoever's motion it is. A gesture is known by where its hands are at the end of its
stroke. It is found where hands come to such a pose, nearer than to that of any other gesture, and stay a moment.
"""

import functools
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from emage.motion import FPS, Motion
from emage.motion.skeleton import JOINT_NAMES
from train.synthetic.gestures import (
    DEVIATION,
    FINGERS,
    FLARE,
    FLEX,
    GESTURES,
    HOME,
    PLACE,
    SHAPE,
    TWIST,
    Gesture,
    Key,
    finger_turns,
)
from train.synthetic.kinematics import (
    chest_middle,
    joints_as_left,
    matrix_of,
    mirror_turns,
    pose_arm,
    rotate,
)
from train.synthetic.strokes import SIDES

KINDS: tuple[str, ...] = tuple(GESTURES)

WRIST_M, HAND_RAD, FINGERS_M = 0.07, np.radians(30), 0.02
"""What counts as one unit of distance between two poses of a hand: of its wrist's place, of its turn, and of its
fingertips in root mean square. The upper body's codes lose more of the first two than of the last."""
MAX_DISTANCE = 1.25
"""A pose farther from a gesture's, in root mean square of its hands, is not that gesture."""
MARGIN = 0.2
"""Gestures no farther than this behind the nearest cannot be told from it, and are found too."""

_AMPLITUDES = np.arange(0.8, 1.4, 0.08)  # of speakers, and a little beyond
_SETTLED, _SETTLED_FRAMES = 0.25, 6  # a hand has arrived where it comes no more than this nearer within so many frames
_APPROACH, _APPROACH_FRAMES = 0.8, 12  # it has come by so much within so many frames before
_LEAVING, _LEAVING_FRAMES = 0.5, 3  # and is not gone by more than this so many frames later
_IDLE_WEIGHT, _IDLE_M = 0.3, 0.1  # a hand that goes so far in a gesture of the other speaks against that

_ARM = ("collar", "shoulder", "elbow", "wrist")
_HAND = tuple(f"{finger}{i}" for finger in (*FINGERS, "thumb") for i in (1, 2, 3))


@dataclass(frozen=True)
class FoundStroke:
    """A gesture that was found. kind: its name in the dictionary. end_s: when its hands arrived, seconds of the motion.
    distance: of their pose from the dictionary's, up to `MAX_DISTANCE`."""

    kind: str
    end_s: float
    distance: float


def find_strokes(motion: Motion) -> list[FoundStroke]:
    """The gestures of the dictionary in a motion of 30 frames a second, in order; beats are none of them."""
    found = {
        FoundStroke(KINDS[kind], float(frame / FPS), round(float(distance[frame, kind]), 4))
        for distance in _distances(motion)
        for frame, kind in zip(*np.nonzero(_arrivals(distance)), strict=True)
    }
    return sorted(found, key=lambda stroke: (stroke.end_s, stroke.distance))


def _arrivals(distance: np.ndarray) -> np.ndarray:
    """(T, K) distances from each gesture -> (T, K) bool: where a hand arrives at one."""
    ahead, back = _SETTLED_FRAMES + 1, _APPROACH_FRAMES + 1
    nearest_soon = minimum_filter1d(distance, ahead, axis=0, origin=-(ahead // 2), mode="nearest")
    farthest_before = maximum_filter1d(distance, back, axis=0, origin=(back - 1) // 2, mode="nearest")
    is_settled = distance - nearest_soon <= _SETTLED
    arrives = is_settled & ~np.pad(is_settled, ((1, 0), (0, 0)))[:-1]
    later = distance[np.minimum(np.arange(len(distance)) + _LEAVING_FRAMES, len(distance) - 1)]
    is_near = (distance <= MAX_DISTANCE) & (distance <= distance.min(1, keepdims=True) + MARGIN)
    return arrives & is_near & (farthest_before - distance >= _APPROACH) & (later - distance <= _LEAVING)


# --- distances --------------------------------------------------------------------------------------------------------


_FARTHEST = 1e3
"""From a gesture that the hand cannot make."""


def _distances(motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """(T, K) for the left and the right hand: how far each frame is from each gesture, made by that hand alone or with
    the other."""
    features = {side: _features(motion, side) for side in SIDES}
    first = {side: _nearest_square(features[side], _key_features(side, False)) for side in SIDES}
    second = {side: _nearest_square(features[side], _key_features(side, True)) for side in SIDES}
    left, right = SIDES
    both = np.minimum(first[left] + second[right], first[right] + second[left]) / 2
    is_both = np.array([gesture.other is not None for gesture in GESTURES.values()])
    result = []
    for side, other in ((left, right), (right, left)):
        alone = first[side] + _IDLE_WEIGHT * np.clip(_recent_way_m(features[other]) / _IDLE_M, 0, 1)[:, None]
        alone[:, KINDS.index(other)] = _FARTHEST**2  # nobody shows to the left with the right hand
        result.append(np.sqrt(np.where(is_both, both, alone)))
    return tuple(result)


def _nearest_square(features: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """(T, C) and (K, G, C) -> (T, K): the squared distance from the nearest of each gesture's G sizes."""
    flat = keys.reshape(-1, keys.shape[-1])
    square = np.square(features).sum(1)[:, None] + np.square(flat).sum(1) - 2 * features @ flat.T
    return np.maximum(square, 0).reshape(len(features), *keys.shape[:2]).min(2)


def _recent_way_m(features: np.ndarray) -> np.ndarray:
    """(T,) how far the wrist is from where it was a third of a second before."""
    before = np.maximum(np.arange(len(features)) - _APPROACH_FRAMES, 0)
    return WRIST_M * np.linalg.norm((features - features[before])[:, :3], axis=1)


# --- features ---------------------------------------------------------------------------------------------------------


def _features(motion: Motion, side: str) -> np.ndarray:
    """(T, 27) of one hand, as of a left one, in units of distance: its wrist, its turn, its fingertips."""
    turns = motion.poses.reshape(motion.num_frames, -1, 3)
    turns = turns[:, [JOINT_NAMES.index(f"{side}_{name}") for name in (*_ARM, *_HAND)]]
    turns = matrix_of(turns if side == "left" else mirror_turns(turns))
    return _describe(turns[:, : len(_ARM)], turns[:, len(_ARM) :], side)


@functools.cache
def _key_features(side: str, of_other_hand: bool) -> np.ndarray:
    """(K, G, 27) of each gesture's pose at the end of its stroke, at G sizes."""

    def key_of(gesture: Gesture) -> Key:
        return dict(gesture.other if of_other_hand and gesture.other is not None else gesture.keys)[0.0]

    home, vectors = np.array(HOME.place), []
    for gesture in GESTURES.values():
        for amplitude in _AMPLITUDES:
            vector = key_of(gesture).vector(side)
            if not gesture.fixed:
                vector[PLACE] = home + amplitude * (vector[PLACE] - home)
            vectors.append(vector)
    keys = np.stack(vectors)
    joints = (keys[:, column] for column in (FLARE, TWIST, FLEX, DEVIATION))
    pose = pose_arm(keys[:, PLACE], *joints, np.zeros(len(keys)), side)
    arm = np.stack([pose.collar_turn, pose.shoulder_turn, pose.elbow_turn, pose.wrist_turn], 1)
    fingers = matrix_of(finger_turns(keys[:, SHAPE], side).reshape(len(keys), len(_HAND), 3))
    return _describe(arm, fingers, side).reshape(len(KINDS), len(_AMPLITUDES), -1)


def _describe(arm: np.ndarray, fingers: np.ndarray, side: str) -> np.ndarray:
    """Local turns of collar, shoulder, elbow and wrist (T, 4, 3, 3) and of the finger joints (T, 15, 3, 3), as of a
    left hand -> (T, 27)."""
    joints = joints_as_left(side)
    at = {name: joints[JOINT_NAMES.index(f"left_{name}")] for name in (*_ARM, *_HAND)}
    place, turn = at["collar"] - chest_middle(), arm[:, 0]
    for i, (joint, end) in enumerate(pairwise(_ARM), 1):
        place = place + rotate(turn, at[end] - at[joint])
        turn = turn @ arm[:, i]
    tips = [_fingertip(fingers[:, i : i + 3], at, _HAND[i : i + 3]) for i in range(0, len(_HAND), 3)]
    # The distance of turn matrices is the root of 2 times the angle between them, where that is small.
    parts = (place / WRIST_M, turn / (np.sqrt(2) * HAND_RAD), np.stack(tips, 1) / (np.sqrt(len(tips)) * FINGERS_M))
    return np.concatenate([part.reshape(len(arm), -1) for part in parts], 1)


def _fingertip(turns: np.ndarray, at: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray:
    """(T, 3) of a finger of three joints, in the frame of the hand; the last bone is as long as the one before."""
    knuckle, middle, last = (at[name] for name in names)
    turn, tip = turns[:, 0], knuckle - at["wrist"]
    tip = tip + rotate(turn, middle - knuckle)
    for i in (1, 2):
        turn = turn @ turns[:, i]
        tip = tip + rotate(turn, last - middle)
    return tip
