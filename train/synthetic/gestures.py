"""Hand shapes and the dictionary of gestures: what the hands do at which word.

Places are of the wrist, in metres from the middle between the shoulders, for a left hand: x outwards to its own side,
y up, z forwards. A right hand does the mirror image.
"""

import functools
from dataclasses import dataclass, replace

import numpy as np

from emage.motion.skeleton import JOINT_NAMES
from train.synthetic.kinematics import axis_angle_of, joints_as_left, matrix_of, twist_for_palm, unit
from train.synthetic.lists import read_lists

FINGERS = ("index", "middle", "pinky", "ring")

# --- hand shapes ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HandShape:
    """Degrees. index, middle, ring, pinky: (bend of the knuckle, of the middle joint; the last joint takes 0.7 of it).

    spread: between neighbours. thumb: (towards the palm, along the index, bend of its middle, of its last joint).
    """

    index: tuple[float, float] = (18, 22)
    middle: tuple[float, float] = (22, 26)
    ring: tuple[float, float] = (26, 30)
    pinky: tuple[float, float] = (28, 32)
    spread: float = 0
    thumb: tuple[float, float, float, float] = (15, 0, 10, 15)

    def vector(self) -> np.ndarray:
        """(13,) radians."""
        numbers = [*self.index, *self.middle, *self.pinky, *self.ring, self.spread, *self.thumb]
        return np.radians(np.array(numbers, float))


_CURLED = (78, 95)
_THUMB_IN = (48, 18, 30, 35)

SHAPES: dict[str, HandShape] = {
    "relaxed": HandShape(spread=-2),
    "hanging": HandShape((24, 28), (28, 32), (32, 36), (34, 38), -4, (20, 8, 12, 18)),
    "flat": HandShape((4, 4), (3, 4), (4, 4), (6, 5), -4, (10, 6, 4, 5)),
    "open": HandShape((8, 12), (9, 13), (11, 15), (12, 15), 5, (5, -8, 4, 8)),
    "spread": HandShape((0, 6), (0, 6), (1, 7), (2, 8), 11, (-4, -14, 0, 2)),
    "cup": HandShape((30, 25), (32, 27), (33, 28), (34, 28), 3, (30, -4, 10, 15)),
    "fist": HandShape(_CURLED, _CURLED, _CURLED, _CURLED, 0, (50, 14, 32, 42)),
    "loose_fist": HandShape((55, 62), (60, 66), (62, 68), (64, 68), 0, (40, 12, 22, 28)),
    "point": HandShape((3, 4), (70, 88), (76, 92), (78, 92), 0, _THUMB_IN),
    "thumb_up": HandShape(_CURLED, _CURLED, _CURLED, _CURLED, 0, (-22, -22, -8, -12)),
    "pinch": HandShape((48, 46), (36, 38), (30, 32), (26, 28), 3, (48, -2, 8, 22)),
    "gap": HandShape((40, 30), (66, 82), (72, 86), (74, 86), 0, (42, -14, 0, 8)),
    "phone": HandShape(_CURLED, _CURLED, _CURLED, (4, 6), 0, (-14, -26, -4, -4)),
    "one": HandShape((2, 3), _CURLED, _CURLED, _CURLED, 0, _THUMB_IN),
    "two": HandShape((2, 3), (2, 3), _CURLED, _CURLED, 9, _THUMB_IN),
    "three": HandShape((2, 3), (2, 3), (4, 4), _CURLED, 8, (55, 22, 34, 38)),
    "four": HandShape((2, 3), (1, 3), (2, 3), (4, 4), 8, (52, 22, 34, 38)),
    "five": HandShape((1, 3), (0, 3), (1, 3), (3, 4), 11, (-4, -14, 0, 2)),
}


@functools.cache
def _finger_axes(side: str) -> dict[str, np.ndarray]:
    """(3, 3) axes that the three joints of each finger bend about, as of a left hand: along it x the palm's side (-y).

    Those of a thumb: see `_THUMB_BEND_AXIS`.
    """
    joints, axes = joints_as_left(side), {}
    for finger in (*FINGERS, "thumb"):
        chain = joints[[JOINT_NAMES.index(f"left_{finger}{i}") for i in (1, 2, 3)]]
        bones = unit(np.array([chain[1] - chain[0], chain[2] - chain[1], chain[2] - chain[1]]))
        if finger == "thumb":
            axes[finger] = unit(_THUMB_BEND_AXIS - bones * (bones @ _THUMB_BEND_AXIS)[:, None])
        else:
            axes[finger] = unit(np.cross(bones, np.array([0.0, -1.0, 0.0])))
    return axes


_SPREAD_SHARE = {"index": -1.0, "middle": 0.0, "ring": 1.0, "pinky": 2.0}
_THUMB_BEND_AXIS = unit(np.array([0.46, 0.81, -0.24]))


def finger_turns(shape: np.ndarray, side: str = "left") -> np.ndarray:
    """(T, 13) as of `HandShape.vector` -> (T, 45) axis-angle of the fifteen joints of a hand, as of a left one."""
    turns, axes_of = [], _finger_axes(side)
    for i, finger in enumerate(FINGERS):
        axes = axes_of[finger]
        knuckle, middle = shape[:, 2 * i, None], shape[:, 2 * i + 1, None]
        spread = shape[:, 8, None] * _SPREAD_SHARE[finger] * np.array([0.0, 1.0, 0.0])
        # A bent finger cannot be spread.
        spread = spread * np.cos(np.clip(knuckle, 0, np.pi / 2))
        first = matrix_of(spread) @ matrix_of(knuckle * axes[0])
        turns += [axis_angle_of(first), middle * axes[1], 0.7 * middle * axes[2]]
    palm, along, bend, last = (shape[:, i, None] for i in range(9, 13))
    base = matrix_of(palm * np.array([1.0, 0, 0])) @ matrix_of(along * np.array([0.0, 1.0, 0]))
    turns += [axis_angle_of(base), bend * axes_of["thumb"][1], last * axes_of["thumb"][2]]
    return np.concatenate(turns, -1)


# --- key poses of a hand ----------------------------------------------------------------------------------------------

PALMS: dict[str, tuple[float, float, float]] = {
    "in": (-1, 0, 0),
    "out": (1, 0, 0),
    "up": (-0.2, 1, 0),
    "down": (0, -1, 0),
    "front": (0, 0, 1),
    "back": (0, 0, -1),
    "in_up": (-0.7, 0.7, 0),
    "in_down": (-0.7, -0.7, 0),
    "in_back": (-0.7, 0, -0.7),
    "front_down": (0, -0.6, 0.8),
    "out_front": (0.6, 0, 0.8),
}


@dataclass(frozen=True)
class Key:
    """A hand somewhere. place: of the wrist. palm: where it faces. flex, deviation: of the wrist, degrees, to the palm
    and to the thumb. flare: how far the elbow stands off. shape: of `SHAPES`."""

    place: tuple[float, float, float]
    palm: str = "in"
    shape: str = "relaxed"
    flex: float = 0
    deviation: float = 0
    flare: float = 0

    def vector(self, side: str) -> np.ndarray:
        """(20,): place, flare, twist, flex, deviation, hand shape."""
        return _key_vector(self, side).copy()


PLACE, FLARE, TWIST, FLEX, DEVIATION, SHAPE = slice(0, 3), 3, 4, 5, 6, slice(7, 20)


@functools.cache
def _key_vector(key: Key, side: str) -> np.ndarray:
    twist = twist_for_palm(np.array(key.place, float), key.flare, np.array(PALMS[key.palm], float), side)
    head = [*key.place, key.flare, twist, np.radians(key.flex), np.radians(key.deviation)]
    return np.concatenate([head, SHAPES[key.shape].vector()])


REST: dict[str, Key] = {
    "sides": Key((0.24, -0.5, 0.045), "in", "hanging"),
    "waist": Key((0.13, -0.33, 0.235), "in_back", "relaxed", flare=0.05),
}
HOME = Key((0.19, -0.25, 0.31), "in", "relaxed")

BEAT_PALMS: dict[str, tuple[str, float]] = {"in": ("in", 0), "up": ("in_up", 4), "down": ("in_down", -4)}
"""Where the palm of a beat faces, and the bend of the wrist, degrees."""


@dataclass(frozen=True)
class Gesture:
    """keys: (seconds from the stroke's end, key); the one at 0 is the end of the stroke. other: of the second hand.

    fixed: touches or frames the body, so that its places are not scaled by the speaker's amplitude.
    """

    keys: tuple[tuple[float, Key], ...]
    other: tuple[tuple[float, Key], ...] | None = None
    fixed: bool = False
    weight: float = 1.0

    @property
    def hold_s(self) -> float:
        """Seconds from the stroke's end to the last key."""
        return self.keys[-1][0]


def _stroke(before: Key, end: Key, prepare_s: float = 0.32) -> tuple[tuple[float, Key], ...]:
    return ((-prepare_s, before), (0.0, end))


def _both(keys: tuple[tuple[float, Key], ...], fixed: bool = False, weight: float = 1.0) -> Gesture:
    return Gesture(keys, keys, fixed, weight)


def _one(keys: tuple[tuple[float, Key], ...], fixed: bool = False, weight: float = 1.0) -> Gesture:
    return Gesture(keys, None, fixed, weight)


def _number(shape: str) -> Gesture:
    end = Key((0.29, -0.02, 0.28), "front", shape, flex=-8)
    low = replace(end, place=(0.25, -0.12, 0.25), shape="loose_fist")
    return Gesture(_stroke(low, end), None)


def _number_two_hands(shape: str) -> Gesture:
    end, low = Key((0.25, -0.03, 0.28), "front", "five", flex=-8), Key((0.23, -0.13, 0.26), "front", "fist")
    other = _stroke(low, replace(end, shape=shape))
    return Gesture(_stroke(low, end), other)


def _k(x: float, y: float, z: float, palm: str, shape: str, flex: float = 0, dev: float = 0, flare: float = 0) -> Key:
    return Key((x, y, z), palm, shape, flex, dev, flare)


GESTURES: dict[str, Gesture] = {
    "self": _one(
        _stroke(_k(0.17, -0.2, 0.26, "in_back", "open"), _k(0.135, -0.175, 0.165, "back", "flat", 8)),
        fixed=True, weight=0.7,
    ),
    "you": _one(_stroke(_k(0.17, -0.2, 0.27, "in", "relaxed"), _k(0.2, -0.13, 0.44, "in_up", "open")), weight=0.75),
    "we": _both(
        ((-0.3, _k(0.16, -0.18, 0.34, "in_back", "open")), (0.0, _k(0.29, -0.2, 0.3, "in_up", "open")),
         (0.3, _k(0.15, -0.2, 0.24, "in_back", "open"))),
    ),
    "they": _one(_stroke(_k(0.24, -0.18, 0.3, "in", "relaxed"), _k(0.5, -0.12, 0.3, "front", "open")), weight=0.7),
    "there": _one(_stroke(_k(0.24, -0.14, 0.28, "down", "point"), _k(0.55, -0.02, 0.27, "down", "point"))),
    "here": _one(_stroke(_k(0.15, -0.16, 0.3, "down", "point"), _k(0.15, -0.31, 0.31, "down", "point", 18))),
    "this": _one(_stroke(_k(0.17, -0.19, 0.3, "in_up", "cup"), _k(0.14, -0.25, 0.37, "up", "cup")),
                 weight=0.6),
    "that": _one(_stroke(_k(0.2, -0.18, 0.28, "down", "point"), _k(0.29, -0.14, 0.43, "down", "point")),
                 weight=0.5),
    "big": _both(_stroke(_k(0.15, -0.16, 0.33, "in", "open"), _k(0.41, -0.1, 0.29, "in", "spread", 0, 0, 0.15), 0.38)),
    "small": _one(_stroke(_k(0.2, -0.14, 0.3, "in", "relaxed"), _k(0.2, 0.02, 0.3, "in", "gap"))),
    "narrow": _both(_stroke(_k(0.26, -0.2, 0.32, "in", "flat"), _k(0.115, -0.2, 0.34, "in", "flat"))),
    "long": _both(_stroke(_k(0.12, -0.17, 0.34, "in_down", "pinch"), _k(0.37, -0.15, 0.31, "in_down", "pinch"))),
    "tall": _one(_stroke(_k(0.25, -0.2, 0.3, "down", "flat"), _k(0.36, 0.12, 0.32, "down", "flat", 40))),
    "deep": _one(_stroke(_k(0.2, -0.1, 0.32, "down", "flat"), _k(0.2, -0.37, 0.3, "down", "flat"))),
    "up": _one(_stroke(_k(0.22, -0.22, 0.3, "up", "point"), _k(0.3, 0.2, 0.24, "front", "point"))),
    "down": _one(_stroke(_k(0.21, -0.06, 0.3, "front_down", "point"), _k(0.21, -0.36, 0.3, "down", "point", 20))),
    "more": _one(((-0.5, _k(0.21, -0.27, 0.31, "up", "cup")), (-0.22, _k(0.23, -0.22, 0.34, "up", "cup")),
                  (0.0, _k(0.25, -0.06, 0.33, "up", "open")))),
    "no": _both(_stroke(_k(0.12, -0.2, 0.33, "down", "flat"), _k(0.37, -0.22, 0.28, "down", "flat", 0, 0, 0.1))),
    "refuse": _one(
        ((-0.3, _k(0.2, -0.02, 0.3, "front", "point")), (0.0, _k(0.3, 0.0, 0.3, "front", "point", -5, -12)),
         (0.17, _k(0.19, 0.0, 0.31, "front", "point", -5, 12)), (0.34, _k(0.27, 0.0, 0.3, "front", "point", -5, -10))),
         weight=0.8,
    ),
    "yes": _one(_stroke(_k(0.2, -0.25, 0.28, "in", "loose_fist"), _k(0.19, -0.17, 0.33, "in", "thumb_up"))),
    "stop": _one(_stroke(_k(0.2, -0.15, 0.24, "front", "relaxed"), _k(0.23, -0.08, 0.39, "front", "flat", -50))),
    "one": _number("one"),
    "two": _number("two"),
    "three": _number("three"),
    "four": _number("four"),
    "five": _number("five"),
    "six": _number_two_hands("one"),
    "seven": _number_two_hands("two"),
    "eight": _number_two_hands("three"),
    "nine": _number_two_hands("four"),
    "ten": _number_two_hands("five"),
    "half": _one(_stroke(_k(0.17, -0.06, 0.33, "in", "flat"), _k(0.17, -0.26, 0.36, "in", "flat", 0, -12))),
    "all": _both(
        ((-0.4, _k(0.13, -0.14, 0.36, "in", "open")), (0.0, _k(0.47, -0.12, 0.2, "front", "spread", 0, 0, 0.1)),
         (0.25, _k(0.45, -0.2, 0.22, "in_up", "spread"))),
    ),
    "think": _one(_stroke(_k(0.21, -0.02, 0.27, "in_back", "point"),
                          _k(0.215, 0.115, 0.165, "in", "point", 0, 10, 0.2)), fixed=True),
    "see": _one(_stroke(_k(0.15, 0.09, 0.24, "in_back", "two"), _k(0.19, 0.0, 0.42, "in_down", "two"))),
    "hear": _one(_stroke(_k(0.25, -0.02, 0.22, "front", "relaxed"), _k(0.235, 0.095, 0.11, "front", "cup", 0, 0, 0.3)),
                  fixed=True),
    "heart": _both(_stroke(_k(0.2, -0.22, 0.26, "in_back", "open"), _k(0.15, -0.2, 0.19, "back", "open", 12)),
                  fixed=True),
    "question": _both(_stroke(_k(0.2, -0.26, 0.29, "in", "relaxed"), _k(0.31, -0.22, 0.31, "up", "open", -10))),
    "maybe": _one(
        ((-0.28, _k(0.22, -0.18, 0.33, "in_down", "spread")), (0.0, _k(0.23, -0.18, 0.33, "down", "spread")),
         (0.2, _k(0.22, -0.18, 0.33, "in", "spread")), (0.4, _k(0.23, -0.18, 0.33, "down", "spread"))),
    ),
    "left": Gesture(_stroke(_k(0.2, -0.15, 0.3, "in", "flat"), _k(0.58, -0.08, 0.2, "front_down", "flat")), None),
    "right": Gesture(_stroke(_k(0.2, -0.15, 0.3, "in", "flat"), _k(0.58, -0.08, 0.2, "front_down", "flat")), None),
    "past": _one(_stroke(_k(0.22, -0.05, 0.26, "in", "flat"), _k(0.32, 0.12, 0.1, "back", "flat", -20, 0, 0.1))),
    "future": _one(
        ((-0.5, _k(0.2, -0.12, 0.22, "in", "open")), (-0.28, _k(0.2, -0.01, 0.31, "in_down", "open")),
         (0.0, _k(0.21, -0.12, 0.45, "in_up", "open"))),
    ),
    "round": _both(
        ((-0.35, _k(0.12, -0.06, 0.35, "in_down", "cup")), (-0.1, _k(0.25, -0.13, 0.34, "in", "cup")),
         (0.0, _k(0.24, -0.2, 0.34, "in", "cup")), (0.25, _k(0.13, -0.27, 0.34, "in_up", "cup"))),
    ),
    "open": _both(_stroke(_k(0.11, -0.14, 0.35, "front", "flat", -20), _k(0.35, -0.13, 0.3, "front", "flat", -10))),
    "close": _both(_stroke(_k(0.34, -0.15, 0.3, "in", "flat"), _k(0.115, -0.16, 0.36, "in", "flat"))),
    "give": _both(_stroke(_k(0.16, -0.26, 0.25, "up", "cup"), _k(0.17, -0.2, 0.41, "up", "open"))),
    "take": _one(_stroke(_k(0.2, -0.1, 0.44, "in_down", "spread"), _k(0.18, -0.22, 0.29, "in_down", "fist"))),
    "push": _both(_stroke(_k(0.2, -0.18, 0.24, "front", "open", -40), _k(0.19, -0.12, 0.42, "front", "flat", -50))),
    "throw": _one(_stroke(_k(0.29, 0.12, 0.13, "front", "loose_fist", 0, 0, 0.2),
                          _k(0.2, -0.08, 0.44, "in_down", "spread"))),
    "write": _one(
        ((-0.25, _k(0.16, -0.2, 0.32, "in_down", "pinch")), (0.0, _k(0.2, -0.23, 0.34, "in_down", "pinch", 12)),
         (0.15, _k(0.17, -0.21, 0.34, "in_down", "pinch")), (0.3, _k(0.23, -0.23, 0.33, "in_down", "pinch", 12))),
    ),
    "phone": _one(_stroke(_k(0.25, -0.03, 0.22, "in", "phone"), _k(0.205, 0.055, 0.13, "in", "phone", 0, 0, 0.2)),
                  fixed=True),
    "strong": _both(_stroke(_k(0.24, -0.28, 0.26, "in", "loose_fist"), _k(0.21, -0.12, 0.29, "in_back", "fist"))),
    "money": _one(
        ((-0.28, _k(0.2, -0.18, 0.33, "up", "pinch")), (0.0, _k(0.2, -0.15, 0.35, "up", "pinch")),
         (0.14, _k(0.21, -0.155, 0.35, "up", "cup")), (0.28, _k(0.2, -0.15, 0.35, "up", "pinch"))),
    ),
    "fast": _one(_stroke(_k(0.11, -0.17, 0.31, "in", "flat"), _k(0.42, -0.07, 0.36, "in", "flat", 0, 0, 0.05), 0.24)),
    "slow": _both(_stroke(_k(0.22, -0.14, 0.33, "down", "open"), _k(0.23, -0.25, 0.35, "down", "open", -8), 0.5)),
    "crazy": _one(
        ((-0.3, _k(0.24, 0.05, 0.22, "in", "point")), (0.0, _k(0.235, 0.11, 0.19, "in", "point", 0, 0, 0.25)),
         (0.16, _k(0.245, 0.09, 0.215, "in_back", "point", 0, 0, 0.25)),
         (0.32, _k(0.235, 0.11, 0.19, "in", "point", 0, 0, 0.25))), fixed=True,
    ),
    "first_hand": Gesture(_stroke(_k(0.2, -0.22, 0.29, "in", "relaxed"), _k(0.29, -0.16, 0.34, "up", "open")), None),
    "house": _both(
        ((-0.3, _k(0.1, 0.04, 0.34, "in_down", "flat")), (0.0, _k(0.22, -0.1, 0.33, "in_down", "flat")),
         (0.22, _k(0.22, -0.24, 0.33, "in", "flat"))),
    ),
    "table": _both(_stroke(_k(0.13, -0.2, 0.34, "down", "flat"), _k(0.33, -0.21, 0.32, "down", "flat"))),
    "fish": _one(
        ((-0.28, _k(0.2, -0.17, 0.28, "in", "flat")), (0.0, _k(0.17, -0.16, 0.36, "in", "flat", 14)),
         (0.18, _k(0.2, -0.16, 0.38, "in", "flat", -14)), (0.36, _k(0.16, -0.16, 0.42, "in", "flat", 12))),
    ),
}  # fmt: skip

_BY_WORD: dict[str, tuple[str, ...]] = {}
for _name, _words in read_lists("dictionary.txt").items():
    assert _name in GESTURES
    for _word in _words.split():
        _BY_WORD[_word] = (*_BY_WORD.get(_word, ()), _name)


def gestures_for(word: str) -> tuple[str, ...]:
    """Names of the gestures that the word may be accompanied by; none for most words."""
    return _BY_WORD.get(word, ())
