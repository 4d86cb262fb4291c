"""Stances: over which times a foot stands, where its ankle is then, and how the foot is turned.

In a stance a foot keeps heel or ball, or both in turn, on one spot: it may land on the heel, stand flat, and roll off
over the ball. While it is flat its turn is one, with the sole level; while it rolls its turn is its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.spatial.transform import Rotation

from emage.motion import Motion
from emage.motion.skeleton import JOINT_NAMES, NUM_JOINTS
from emage.postprocess.contacts import FootTrack
from emage.postprocess.curves import continue_curve
from emage.postprocess.leg_ik import Leg
from emage.postprocess.paths import Ties

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

    def frames(self, start: int, end: int) -> "Foot":
        part = slice(start, end)
        return replace(
            self,
            hip=self.hip[part],
            ankle=self.ankle[part],
            turn=self.turn[part],
            sole=self.sole[part],
            leg=self.leg.frames(start, end),
        )

    @classmethod
    def join(cls, feet: "Sequence[Foot]") -> "Foot":
        """One foot's frames in pieces -> all of them."""
        legs = [foot.leg for foot in feet]
        leg = replace(
            legs[0],
            thigh=Rotation.concatenate([each.thigh for each in legs]),
            knee=Rotation.concatenate([each.knee for each in legs]),
        )
        hip, ankle, sole = (np.concatenate([getattr(foot, name) for foot in feet]) for name in ("hip", "ankle", "sole"))
        turn = Rotation.concatenate([foot.turn for foot in feet])
        return replace(feet[0], hip=hip, ankle=ankle, turn=turn, sole=sole, leg=leg)


@dataclass(frozen=True, eq=False)
class Stances:
    """Where a foot stands, of one foot in T frames.

    number: (T,) int, of the stance; -1 where there is none. weight: (T,) 0 to 1. ankle: (T, 3), over the floor relative
    to the stance's own spot, and height. turn: T rotations of the corrected foot; change: (T, 3) from its own to that.
    count: of stances. goes_on: whether the first of them began before; its spot is the origin. levels: start, end and
    level turn of each time that it stands flat.
    """

    number: np.ndarray
    weight: np.ndarray
    ankle: np.ndarray
    turn: Rotation
    change: np.ndarray
    count: int
    goes_on: bool
    levels: tuple[tuple[int, int, Rotation], ...]


@dataclass(frozen=True, eq=False)
class StandingPast:
    """How a foot stood in the N last frames before. contacts: (N, 2) bool; change: (N, 3) as in `Stances`; level: of
    the foot that stands flat in the last of them; spots: where heel and ball stand, (3,) each, of the stance that lasts
    there."""

    contacts: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), dtype=bool))
    change: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    level: Rotation | None = None
    spots: dict[int, np.ndarray] = field(default_factory=dict)

    def after(
        self, foot: Foot, contacts: np.ndarray, stances: Stances, spots: np.ndarray, frames: int, most: int
    ) -> "StandingPast":
        """As it is some frames later, of which so many are remembered. spots: (S, 2) of the stances."""
        last = frames - 1
        level = next((turn for start, end, turn in stances.levels if start <= last < end), None)
        standing: dict[int, np.ndarray] = {}
        if stances.number[last] >= 0:
            x, z = spots[stances.number[last]]
            ankle = stances.ankle[last] + (x, 0, z)
            standing = {
                point: ankle + stances.turn[last].apply(arm) for point, arm in ((_HEEL, foot.heel), (_BALL, foot.ball))
            }
        return StandingPast(
            np.concatenate([self.contacts, contacts[:frames]])[-most:],
            np.concatenate([self.change, stances.change[:frames]])[-most:],
            level,
            standing,
        )


@dataclass(frozen=True, eq=False)
class FootShape:
    """Of one foot and its leg: see `Foot` and `Leg`."""

    upper: np.ndarray
    lower: np.ndarray
    is_heel: np.ndarray
    heel: np.ndarray
    ball: np.ndarray


def find_feet(motion: Motion, body: PosedBody, shapes: tuple[FootShape, FootShape] | None = None) -> tuple[Foot, Foot]:
    """The left and the right foot. shapes: as they were found in frames before; by default from these."""
    # Without a face, which would be taken to the body's basis first, and its matrix asked for.
    still = replace(motion, trans=np.zeros_like(motion.trans), expressions=np.zeros_like(motion.expressions))
    joints, soles = body.joints(still).astype(np.float64), body.soles(still).astype(np.float64)
    poses = motion.poses.reshape(-1, NUM_JOINTS, 3).astype(np.float64)
    pelvis = Rotation.from_rotvec(poses[:, 0])
    feet = []
    for side, ((hip, knee, ankle, ball), points) in enumerate(zip(LEG_JOINTS, np.split(soles, 2, axis=1), strict=True)):
        thigh = pelvis * Rotation.from_rotvec(poses[:, hip])
        bend = Rotation.from_rotvec(poses[:, knee])
        shin = thigh * bend
        turn = shin * Rotation.from_rotvec(poses[:, ankle])
        sole = turned(turn.inv(), points - joints[:, ankle, None])
        if shapes is not None:
            shape = shapes[side]
        else:
            upper = thigh.inv().apply(joints[:, knee] - joints[:, hip]).mean(axis=0)
            lower = shin.inv().apply(joints[:, ankle] - joints[:, knee]).mean(axis=0)
            usual = np.median(sole, axis=0)
            to_ball = turn.inv().apply(joints[:, ball] - joints[:, ankle]).mean(axis=0)
            forward = to_ball[[0, 2]] / np.linalg.norm(to_ball[[0, 2]])
            is_heel = usual[:, [0, 2]] @ forward < _MIDFOOT * np.linalg.norm(to_ball[[0, 2]])
            shape = FootShape(upper, lower, is_heel, usual[is_heel].mean(axis=0), to_ball)
        leg = Leg(thigh, bend, shape.upper, shape.lower)
        place = (joints[:, hip], joints[:, ankle], turn, sole)
        feet.append(Foot(*place, shape.is_heel, shape.heel, shape.ball, leg))
    return tuple(feet)


def shape_of(foot: Foot) -> FootShape:
    return FootShape(foot.leg.upper, foot.leg.lower, foot.is_heel, foot.heel, foot.ball)


def turned(turn: Rotation, points: np.ndarray) -> np.ndarray:
    """T rotations and (T, P, 3) -> (T, P, 3)."""
    return np.einsum("tij,tpj->tpi", turn.as_matrix(), points)


def find_stances(foot: Foot, contacts: np.ndarray, ties: Ties, past: StandingPast) -> Stances:
    """contacts: (T, 2) bool, heel and ball, none in locked frames, in which the foot's turn is its own."""
    change, levels = _flat_changes(foot, contacts.all(axis=1), ties, past)
    turn = Rotation.from_rotvec(change) * foot.turn
    ankle = np.zeros((len(contacts), 3))
    number = np.full(len(contacts), -1)
    state = contacts @ np.array([1, 2])
    arms = {_HEEL: turn.apply(foot.heel), _BALL: turn.apply(foot.ball)}
    spots = dict(past.spots)  # of heel and ball in the present stance
    earlier = np.concatenate([past.contacts[-1:], contacts])[-len(contacts) - 1 :]
    offset = len(earlier) - len(contacts)
    goes_on = bool(spots)
    count = int(goes_on)
    for start, end in runs(state):
        held = [point for point in (_BALL, _HEEL) if contacts[start, point]]
        if not held:
            spots = {}
            continue
        if not spots:
            count += 1
            spots = {held[0]: np.zeros(3)}
        # What stood before goes on standing; from heel to ball at once, the ball stands where it is by then.
        before = start + offset - 1
        anchor = next((point for point in held if before >= 0 and earlier[before, point]), held[0])
        ankle[start:end] = spots[anchor] - arms[anchor][start:end]
        number[start:end] = count - 1
        spots = {point: ankle[end - 1] + arm[end - 1] for point, arm in arms.items()}
    ankle[:, 1] = -turned(turn, foot.sole)[..., 1].min(axis=1)
    weight = _ramps(number >= 0, past.contacts.any(axis=1))
    return Stances(number, weight, ankle, turn, change, count, goes_on, levels)


def _flat_changes(
    foot: Foot, flat: np.ndarray, ties: Ties, past: StandingPast
) -> tuple[np.ndarray, tuple[tuple[int, int, Rotation], ...]]:
    """What turns the foot, (T, 3): to one turn in each time that it stands flat, smoothly to its own elsewhere."""
    change, levels = np.zeros((len(flat), 3)), []
    for start, end in true_runs(flat):
        own = foot.turn[start:end]
        level = past.level if start == 0 else None
        if level is None:
            level = _levelled(own.mean(), np.median(foot.sole[start:end], axis=0), foot.is_heel)
        levels.append((start, end, level))
        change[start:end] = (level * own.inv()).as_rotvec()
    change *= ties.near[:, None]
    weight = HOLD * _ramps(flat, past.contacts.all(axis=1))
    return continue_curve(weight, change, 1.0, ties.leash(FADE_FRAMES**-4), past.change), tuple(levels)


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


def _ramps(chosen: np.ndarray, before: np.ndarray) -> np.ndarray:
    """(T,) bool -> (T,) 0 where it is False, growing from the borders of each run to 1; before: (N,) bool, chosen in
    the frames before."""
    before = before[-_RAMP_FRAMES:]
    if chosen.all() and before.all():
        return np.ones(len(chosen))
    start = (
        np.pad(before, (_RAMP_FRAMES - len(before), 0), mode="edge") if len(before) else chosen[:1].repeat(_RAMP_FRAMES)
    )
    padded = np.concatenate([start, chosen, chosen[-1:].repeat(_RAMP_FRAMES)])
    inside = distance_transform_edt(padded)[_RAMP_FRAMES:-_RAMP_FRAMES]
    return np.sin(0.5 * np.pi * np.minimum(inside / _RAMP_FRAMES, 1)) ** 4
