"""Stances: over which times a foot stands, where its ankle is then, and how the foot is turned.

In a stance a foot keeps heel or ball, or both in turn, on one spot: it may land on the heel, stand flat, and roll off
over the ball. While it is flat its turn is one, with the sole level; while it rolls its turn is its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.spatial.transform import Rotation

from emage.motion import Motion
from emage.motion.skeleton import JOINT_NAMES, NUM_JOINTS
from emage.postprocess.contacts import FootTrack
from emage.postprocess.curves import FIXED, solve_curve
from emage.postprocess.leg_ik import Leg
from emage.postprocess.paths import freedom

LEG_JOINTS: tuple[tuple[int, ...], ...] = tuple(
    tuple(JOINT_NAMES.index(f"{side}_{name}") for name in ("hip", "knee", "ankle", "foot"))
    for side in ("left", "right")
)
HOLD, FADE_FRAMES = 100.0, 6.0
"""How firmly feet are held, beside the smoothness of what they are moved by; and how soon that is gone in a swing."""

_HEEL, _BALL = 0, 1
_MIDFOOT = 0.5
"""Of the way from ankle to ball; points of the sole behind it are the heel's."""
_RAMP_FRAMES = 4
"""A contact's weight grows over so many frames from either of its ends."""


class PosedBody(Protocol):
    """What grounding asks of a body: see `emage.body.model.Body`."""

    def joints(self, motion: Motion) -> np.ndarray: ...

    def soles(self, motion: Motion) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Foot:
    """One foot in T frames, from the pelvis' point of view: all places are relative to the path.

    hip, ankle: (T, 3). turn: T rotations in the world. sole: (T, P, 3) in the foot's axes. is_heel: (P,) bool, of the
    sole's points. heel, ball: (3,) in the foot's axes.
    """

    hip: np.ndarray
    ankle: np.ndarray
    turn: Rotation
    sole: np.ndarray
    is_heel: np.ndarray
    heel: np.ndarray
    ball: np.ndarray
    leg: Leg

    def track(self, path: np.ndarray) -> FootTrack:
        """path: (T, 3)."""
        ankle = self.ankle + path
        points = ankle[:, None] + turned(self.turn, self.sole)
        heights = [points[:, chosen, 1].min(axis=1) for chosen in (self.is_heel, ~self.is_heel)]
        places = [ankle + self.turn.apply(point) for point in (self.heel, self.ball)]
        return FootTrack(np.stack(heights, axis=1), np.stack(places, axis=1))


@dataclass(frozen=True, eq=False)
class Stances:
    """Where a foot stands, of one foot in T frames.

    number: (T,) int, of the stance; -1 where there is none. weight: (T,) 0 to 1. ankle: (T, 3), over the floor relative
    to the stance's own spot, and height. turn: T rotations of the corrected foot.
    """

    number: np.ndarray
    weight: np.ndarray
    ankle: np.ndarray
    turn: Rotation


def find_feet(motion: Motion, body: PosedBody) -> tuple[Foot, Foot]:
    """The left and the right foot."""
    # Without a face, which would be taken to the body's basis first, and its matrix asked for.
    still = replace(motion, trans=np.zeros_like(motion.trans), expressions=np.zeros_like(motion.expressions))
    joints, soles = body.joints(still).astype(np.float64), body.soles(still).astype(np.float64)
    poses = motion.poses.reshape(-1, NUM_JOINTS, 3).astype(np.float64)
    pelvis = Rotation.from_rotvec(poses[:, 0])
    feet = []
    for (hip, knee, ankle, ball), points in zip(LEG_JOINTS, np.split(soles, 2, axis=1), strict=True):
        thigh = pelvis * Rotation.from_rotvec(poses[:, hip])
        bend = Rotation.from_rotvec(poses[:, knee])
        shin = thigh * bend
        turn = shin * Rotation.from_rotvec(poses[:, ankle])
        upper = thigh.inv().apply(joints[:, knee] - joints[:, hip]).mean(axis=0)
        lower = shin.inv().apply(joints[:, ankle] - joints[:, knee]).mean(axis=0)
        sole = turned(turn.inv(), points - joints[:, ankle, None])
        usual = np.median(sole, axis=0)
        to_ball = turn.inv().apply(joints[:, ball] - joints[:, ankle]).mean(axis=0)
        forward = to_ball[[0, 2]] / np.linalg.norm(to_ball[[0, 2]])
        is_heel = usual[:, [0, 2]] @ forward < _MIDFOOT * np.linalg.norm(to_ball[[0, 2]])
        heel = usual[is_heel].mean(axis=0)
        feet.append(
            Foot(joints[:, hip], joints[:, ankle], turn, sole, is_heel, heel, to_ball, Leg(thigh, bend, upper, lower))
        )
    return tuple(feet)


def turned(turn: Rotation, points: np.ndarray) -> np.ndarray:
    """T rotations and (T, P, 3) -> (T, P, 3)."""
    return np.einsum("tij,tpj->tpi", turn.as_matrix(), points)


def find_stances(foot: Foot, contacts: np.ndarray, locked: np.ndarray) -> Stances:
    """contacts: (T, 2) bool, heel and ball, none in locked frames (T,), in which the foot's turn is its own."""
    flat = contacts.all(axis=1)
    turn = _flat_turns(foot, flat, locked)
    ankle = np.zeros((len(flat), 3))
    number = np.full(len(flat), -1)
    state = contacts @ np.array([1, 2])
    arms = {_HEEL: turn.apply(foot.heel), _BALL: turn.apply(foot.ball)}
    spots: dict[int, np.ndarray] = {}  # of heel and ball in the present stance
    count = 0
    for start, end in runs(state):
        held = [point for point in (_BALL, _HEEL) if contacts[start, point]]
        if not held:
            spots = {}
            continue
        if not spots:
            count += 1
            spots = {held[0]: np.zeros(3)}
        # What stood before goes on standing; from heel to ball at once, the ball stands where it is by then.
        anchor = next((point for point in held if start > 0 and contacts[start - 1, point]), held[0])
        ankle[start:end] = spots[anchor] - arms[anchor][start:end]
        number[start:end] = count - 1
        spots = {point: ankle[end - 1] + arm[end - 1] for point, arm in arms.items()}
    ankle[:, 1] = -turned(turn, foot.sole)[..., 1].min(axis=1)
    return Stances(number, _ramps(number >= 0), ankle, turn)


def _flat_turns(foot: Foot, flat: np.ndarray, locked: np.ndarray) -> Rotation:
    """T rotations of the foot: one in each time that it stands flat, smoothly its own elsewhere."""
    change = np.zeros((len(flat), 3))
    for start, end in true_runs(flat):
        own = foot.turn[start:end]
        level = _levelled(own.mean(), np.median(foot.sole[start:end], axis=0), foot.is_heel)
        change[start:end] = (level * own.inv()).as_rotvec()
    change *= freedom(locked)[:, None]
    fade = np.where(locked, FIXED, FADE_FRAMES**-4)
    return Rotation.from_rotvec(solve_curve(HOLD * _ramps(flat), change, 1.0, fade)) * foot.turn


def _levelled(turn: Rotation, sole: np.ndarray, is_heel: np.ndarray) -> Rotation:
    """With the sole's plane level, and then pitched so that the lowest points of heel and ball are equally high.

    sole: (P, 3) in the foot's axes.
    """
    points = turn.apply(sole)
    normal = np.linalg.svd(points - points.mean(axis=0))[2][-1]
    normal *= np.sign(normal[1]) or 1.0
    axis = np.array([-normal[2], 0.0, normal[0]])  # normal x up
    sine = float(np.linalg.norm(axis))
    turn = Rotation.from_rotvec(axis * (np.arcsin(min(sine, 1.0)) / max(sine, 1e-9))) * turn
    for _ in range(2):
        points = turn.apply(sole)
        heel, ball = (points[chosen][points[chosen, 1].argmin()] for chosen in (is_heel, ~is_heel))
        way = ball - heel
        distance = max(float(np.hypot(way[0], way[2])), 1e-6)
        axis = np.array([way[2], 0.0, -way[0]]) / distance  # turned about it the ball goes down
        turn = Rotation.from_rotvec(np.arctan2(way[1], distance) * axis) * turn
    return turn


def runs(state: np.ndarray) -> Iterator[tuple[int, int]]:
    """Start and end of each run of equal values."""
    borders = np.flatnonzero(np.diff(state)) + 1
    yield from zip([0, *borders], [*borders, len(state)], strict=True)


def true_runs(chosen: np.ndarray) -> Iterator[tuple[int, int]]:
    yield from ((start, end) for start, end in runs(chosen) if chosen[start])


def _ramps(chosen: np.ndarray) -> np.ndarray:
    """(T,) bool -> (T,) 0 where it is False, growing from the borders of each run to 1."""
    if chosen.all():
        return np.ones(len(chosen))
    inside = distance_transform_edt(np.pad(chosen, _RAMP_FRAMES, mode="edge"))[_RAMP_FRAMES:-_RAMP_FRAMES]
    return np.sin(0.5 * np.pi * np.minimum(inside / _RAMP_FRAMES, 1)) ** 4
