"""The foot lock: feet that stand are held where they stand, and the body goes such that legs change least.

1. Contacts of heel and ball are found (`emage.contacts`). A stance is a time over which a foot keeps heel or ball, or
   both in turn, on one spot: it may land on the heel, stand flat, and roll off over the ball.
2. In a stance the foot has a place and, while flat, a turn: its mean one, with the sole level.
3. The body's path follows the stances as its own path allows. That path is trusted at the frequencies of steps and
   above; below them only so far as legs and path say the same. So who stands stays, and who walks walks.
4. What is still missing is what each ankle is moved by, smoothly, also where no foot stands; see `emage.leg_ik`. The
   pelvis comes down a little where a leg would be stretched through.

All unknown curves are found by least squares: near what is wanted where it is wanted, with small second differences.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import scipy.sparse
from scipy.linalg import solveh_banded
from scipy.ndimage import distance_transform_edt, gaussian_filter1d, maximum_filter1d
from scipy.sparse.linalg import spsolve
from scipy.spatial.transform import Rotation

from emage.contacts import FootTrack, bearing_shift, find_contacts, standing_lift
from emage.leg_ik import Leg
from emage.motion import Motion
from emage.paths import freedom, joined_to_locks
from emage.skeleton import JOINT_NAMES, NUM_JOINTS

DRIFT_FRAMES = 45.0
"""What the path does more slowly than over some such frames (the deviation of a Gaussian) is drift, where the legs do
not say the same. Steps are faster."""
AGREEMENT_FRAMES = 120.0
"""Over some such frames it is judged whether they say the same."""
LET_GO_M = 0.08
"""A foot that legs and path would have this far from where it stands makes a little step."""

_HEEL, _BALL = 0, 1
_CHAINS = tuple(
    tuple(JOINT_NAMES.index(f"{side}_{name}") for name in ("hip", "knee", "ankle", "foot"))
    for side in ("left", "right")
)
_MIDFOOT = 0.5
"""Of the way from ankle to ball; points of the sole behind it are the heel's."""

_RAMP_FRAMES = 4
"""A contact's weight grows over so many frames from either of its ends."""
_PATH_STIFFNESS, _PATH_LEASH = 30.0, 0.05
"""Of the path over the floor: it has its own accelerations above some 2 Hz, and leaves its own place slowly only."""
_HEIGHT_STIFFNESS, _HEIGHT_LEASH = 30.0, 0.01
_HOLD, _FADE_FRAMES = 100.0, 6.0
"""How firmly feet are held, and how soon in a swing a correction is gone."""
_FIXED = 1e6
_LET_GO_ROUNDS, _SWING_FRAMES = 6, 11
_CLEARANCE, _MAX_CLEARANCE_M = 0.2, 0.03
"""A foot that is moved over the floor is lifted by this share of its way."""
_LOWER_FOOT_M = 0.004
"""Of two feet that stand the lower one carries the body; they share where their heights differ by no more."""
_HOVER_M = 0.01
"""One leg that is too short by less does not bend the other."""
_DROP_FRAMES = 5
_MAX_DROP_M = 0.06


class PosedBody(Protocol):
    """What grounding asks of a body: see `emage.body.Body`."""

    def joints(self, motion: Motion) -> np.ndarray: ...

    def soles(self, motion: Motion) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class _Foot:
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
        points = ankle[:, None] + _turned(self.turn, self.sole)
        heights = [points[:, chosen, 1].min(axis=1) for chosen in (self.is_heel, ~self.is_heel)]
        places = [ankle + self.turn.apply(point) for point in (self.heel, self.ball)]
        return FootTrack(np.stack(heights, axis=1), np.stack(places, axis=1))

    def point(self, which: int) -> np.ndarray:
        return self.heel if which == _HEEL else self.ball


@dataclass(frozen=True, eq=False)
class _Stances:
    """Where a foot stands, of one foot in T frames.

    number: (T,) int, of the stance; -1 where there is none. weight: (T,) 0 to 1. ankle: (T, 3), over the floor relative
    to the stance's own spot, and height. turn: T rotations of the corrected foot.
    """

    number: np.ndarray
    weight: np.ndarray
    ankle: np.ndarray
    turn: Rotation


def lock_feet(motion: Motion, body: PosedBody, locked: np.ndarray, floor_y: float = 0.0) -> Motion:
    """The motion with what stands held in its place, and the lowest sole at height `floor_y`.

    locked: (T,) bool, frames in which path and legs stay as they are. Only the translation and the rotations of hips,
    knees and ankles change; the pelvis keeps its turn, and with it all of the upper body.
    """
    still = replace(motion, trans=np.zeros_like(motion.trans))
    feet = _feet(motion, body.joints(still).astype(np.float64), body.soles(still).astype(np.float64))
    own_path = motion.trans - (0, floor_y, 0)

    soles = np.concatenate([foot.ankle[:, None] + _turned(foot.turn, foot.sole) for foot in feet], axis=1)
    bearing = own_path + bearing_shift(soles + own_path[:, None])
    lowest = soles[..., 1].min(axis=1) + own_path[:, 1]
    contacts = find_contacts(tuple(foot.track(bearing) for foot in feet), lowest) & ~locked[:, None, None]
    wanted = _without_drift(own_path, bearing, locked)
    lift, _ = standing_lift(lowest)
    wanted[:, 1] += freedom(locked) * gaussian_filter1d(lift, _DROP_FRAMES, mode="nearest")

    for _ in range(_LET_GO_ROUNDS):
        stances = [_stances(foot, contacts[:, side]) for side, foot in enumerate(feet)]
        path, spots = _solve_path(feet, stances, wanted, locked)
        if not _let_go(contacts, feet, stances, path, spots):
            break
    path = _lowered(path, feet, stances, spots, locked)
    poses = motion.poses.reshape(-1, NUM_JOINTS, 3).copy()
    for side, foot in enumerate(feet):
        ankle = foot.ankle + path + _corrections(foot, stances[side], path, spots[side], locked)
        _bend(poses, _CHAINS[side], foot, stances[side].turn, ankle - path)
    trans = path + np.array([0, floor_y, 0])
    if not locked.any():
        trans[:, [0, 2]] += motion.trans[0, [0, 2]] - trans[0, [0, 2]]
    poses = poses.reshape(motion.poses.shape)
    poses[locked], trans[locked] = motion.poses[locked], motion.trans[locked]
    return replace(motion, poses=poses, trans=trans)


def _feet(motion: Motion, joints: np.ndarray, soles: np.ndarray) -> tuple[_Foot, _Foot]:
    """joints (T, 55, 3) and soles (T, P, 3), left foot first, without translation."""
    poses = motion.poses.reshape(-1, NUM_JOINTS, 3).astype(np.float64)
    pelvis = Rotation.from_rotvec(poses[:, 0])
    feet = []
    for (hip, knee, ankle, ball), points in zip(_CHAINS, np.split(soles, 2, axis=1), strict=True):
        thigh = pelvis * Rotation.from_rotvec(poses[:, hip])
        bend = Rotation.from_rotvec(poses[:, knee])
        shin = thigh * bend
        turn = shin * Rotation.from_rotvec(poses[:, ankle])
        upper = thigh.inv().apply(joints[:, knee] - joints[:, hip]).mean(axis=0)
        lower = shin.inv().apply(joints[:, ankle] - joints[:, knee]).mean(axis=0)
        sole = _turned(turn.inv(), points - joints[:, ankle, None])
        usual = np.median(sole, axis=0)
        to_ball = turn.inv().apply(joints[:, ball] - joints[:, ankle]).mean(axis=0)
        forward = to_ball[[0, 2]] / np.linalg.norm(to_ball[[0, 2]])
        is_heel = usual[:, [0, 2]] @ forward < _MIDFOOT * np.linalg.norm(to_ball[[0, 2]])
        heel = usual[is_heel].mean(axis=0)
        feet.append(
            _Foot(joints[:, hip], joints[:, ankle], turn, sole, is_heel, heel, to_ball, Leg(thigh, bend, upper, lower))
        )
    return tuple(feet)


def _turned(turn: Rotation, points: np.ndarray) -> np.ndarray:
    """T rotations and (T, P, 3) -> (T, P, 3)."""
    return np.einsum("tij,tpj->tpi", turn.as_matrix(), points)


# --- the path that is wanted ------------------------------------------------------------------------------------------


def _without_drift(own: np.ndarray, bearing: np.ndarray, locked: np.ndarray) -> np.ndarray:
    """The own path (T, 3), its slow part only so far as it agrees with that of the legs (T, 3).

    Of two velocities a and b what they agree in is their mean times (a . b) / |mean|^2, both averaged over a longer
    time, or nothing where they oppose each other: all where they are equal, little where they are hardly alike.
    """
    velocities = [np.diff(path[:, [0, 2]], axis=0) for path in (own, bearing)]
    if len(velocities[0]) == 0:
        return own.copy()
    slow = [gaussian_filter1d(velocity, DRIFT_FRAMES, axis=0, mode="nearest") for velocity in velocities]
    mean = 0.5 * (slow[0] + slow[1])
    alike, whole = (
        gaussian_filter1d((first * second).sum(axis=1), AGREEMENT_FRAMES, mode="nearest")
        for first, second in (slow, (mean, mean))
    )
    agreement = np.maximum(alike, 0) / np.maximum(whole, 1e-12)
    drift = slow[0] - mean * agreement[:, None]
    result = own.copy()
    result[:, [0, 2]] += joined_to_locks(-drift, locked)
    return result


# --- where feet stand -------------------------------------------------------------------------------------------------


def _stances(foot: _Foot, contacts: np.ndarray) -> _Stances:
    """contacts: (T, 2) bool, heel and ball."""
    flat = contacts.all(axis=1)
    turn = _flat_turns(foot, flat)
    to_heel, to_ball = turn.apply(foot.heel), turn.apply(foot.ball)
    ankle = np.zeros((len(flat), 3))
    number = np.full(len(flat), -1)
    state = contacts @ np.array([1, 2])
    spots: dict[int, np.ndarray] = {}  # of heel and ball in the present stance
    count = 0
    for start, end in _runs(state):
        held = [point for point in (_BALL, _HEEL) if contacts[start, point]]
        if not held:
            spots = {}
            continue
        arms = {_HEEL: to_heel, _BALL: to_ball}
        kept = [point for point in held if point in spots]
        if not kept:
            count += 1
            spots = {held[0]: np.zeros(3)}
            kept = held[:1]
        anchor = kept[0]
        ankle[start:end] = spots[anchor] - arms[anchor][start:end]
        number[start:end] = count - 1
        last = ankle[end - 1]
        spots = {point: last + arms[point][end - 1] for point in held}
    ankle[:, 1] = -_turned(turn, foot.sole)[..., 1].min(axis=1)
    return _Stances(number, _ramps(number >= 0), ankle, turn)


def _flat_turns(foot: _Foot, flat: np.ndarray) -> Rotation:
    """T rotations of the foot: one in each time that it stands flat, smoothly its own elsewhere."""
    change = np.zeros((len(flat), 3))
    for start, end in _true_runs(flat):
        own = foot.turn[start:end]
        level = _levelled(own.mean(), np.median(foot.sole[start:end], axis=0), foot.is_heel)
        change[start:end] = (level * own.inv()).as_rotvec()
    return Rotation.from_rotvec(_filled(change, _HOLD * _ramps(flat))) * foot.turn


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


def _runs(state: np.ndarray) -> Iterator[tuple[int, int]]:
    """Start and end of each run of equal values."""
    borders = np.flatnonzero(np.diff(state)) + 1
    yield from zip([0, *borders], [*borders, len(state)], strict=True)


def _true_runs(chosen: np.ndarray) -> Iterator[tuple[int, int]]:
    yield from ((start, end) for start, end in _runs(chosen) if chosen[start])


def _ramps(chosen: np.ndarray) -> np.ndarray:
    """(T,) bool -> (T,) 0 where it is False, growing from the borders of each run to 1."""
    if chosen.all():
        return np.ones(len(chosen))
    inside = distance_transform_edt(np.pad(chosen, _RAMP_FRAMES, mode="edge"))[_RAMP_FRAMES:-_RAMP_FRAMES]
    return np.sin(0.5 * np.pi * np.minimum(inside / _RAMP_FRAMES, 1)) ** 4


# --- from the path to the legs ----------------------------------------------------------------------------------------


def _missing(foot: _Foot, stance: _Stances, path: np.ndarray, spots: np.ndarray) -> np.ndarray:
    """(T, 3) from where the ankle is along the path to where it stands; 0 where it does not."""
    held = stance.number >= 0
    target = stance.ankle[held]
    target[:, [0, 2]] += spots[stance.number[held]]
    result = np.zeros_like(path)
    result[held] = target - (path + foot.ankle)[held]
    return result


def _let_go(
    contacts: np.ndarray,
    feet: tuple[_Foot, _Foot],
    stances: list[_Stances],
    path: np.ndarray,
    spots: list[np.ndarray],
) -> bool:
    """Take out of contacts (T, 2, 2) a short swing of every foot that is too far from where it should stand.

    It steps where legs and path part fastest, if it can while the other foot stands. Returns whether any does.
    """
    any_lets_go = False
    for side, (foot, stance) in enumerate(zip(feet, stances, strict=True)):
        missing = _missing(foot, stance, path, spots[side])[:, [0, 2]]
        distance = stance.weight * np.linalg.norm(missing, axis=1)
        for start, end in _runs(stance.number):
            first, last = start + _SWING_FRAMES, end - _SWING_FRAMES
            if stance.number[start] < 0 or distance[start:end].max() < LET_GO_M or last <= first:
                continue
            speed = np.linalg.norm(np.gradient(missing[start:end], axis=0), axis=1)
            speed = gaussian_filter1d(speed, 0.5 * _SWING_FRAMES)[first - start : last - start]
            other_stands = stances[1 - side].weight[first:last] * (stances[1 - side].number[first:last] >= 0)
            frame = first + int((speed * (0.1 + other_stands)).argmax())
            contacts[frame - _SWING_FRAMES // 2 : frame + _SWING_FRAMES // 2 + 1, side] = False
            any_lets_go = True
    return any_lets_go


def _lowered(
    path: np.ndarray, feet: tuple[_Foot, _Foot], stances: list[_Stances], spots: list[np.ndarray], locked: np.ndarray
) -> np.ndarray:
    """The path (T, 3) with the pelvis so low that legs which stand are not stretched through."""
    drop = np.zeros(len(path))
    for foot, stance, places in zip(feet, stances, spots, strict=True):
        ankle = foot.ankle + path + _missing(foot, stance, path, places)
        down = foot.hip + path - ankle
        reach = np.sqrt(np.maximum(foot.leg.longest_m**2 - (down[:, [0, 2]] ** 2).sum(axis=1), 0))
        drop = np.maximum(drop, stance.weight * (down[:, 1] - reach - _HOVER_M))
    drop = maximum_filter1d(drop.clip(0, _MAX_DROP_M), 2 * _DROP_FRAMES + 1, mode="nearest")
    lowered = path.copy()
    lowered[:, 1] -= freedom(locked) * gaussian_filter1d(drop, 0.5 * _DROP_FRAMES, mode="nearest")
    return lowered


def _corrections(foot: _Foot, stance: _Stances, path: np.ndarray, spots: np.ndarray, locked: np.ndarray) -> np.ndarray:
    """(T, 3) metres that the ankle is moved by."""
    missing = _missing(foot, stance, path, spots)
    fade = np.where(locked, _FIXED, _FADE_FRAMES**-4)
    over_floor = _solve_curve(_HOLD * stance.weight, missing[:, [0, 2]], 1.0, fade)
    height = _solve_curve(_HOLD * stance.weight * freedom(locked), missing[:, 1], 1.0, fade)
    result = np.insert(over_floor, 1, height, axis=1)

    low = _turned(stance.turn, foot.sole)[..., 1].min(axis=1) + (foot.ankle + path)[:, 1]
    place = (foot.ankle + path + result)[:, [0, 2]]
    lift = np.zeros(len(path))
    for start, end in _true_runs(stance.number < 0):
        wave = np.sin(np.pi * (np.arange(start, end) + 1 - start) / (end - start + 1)) ** 2
        clearance = min(_CLEARANCE * float(np.linalg.norm(place[end - 1] - place[start])), _MAX_CLEARANCE_M)
        lift[start:end] = max(clearance - float((low + result[:, 1])[start:end].max()), 0) * wave
    below = maximum_filter1d(np.maximum(-(low + result[:, 1] + lift), 0), 5, mode="nearest")
    result[:, 1] += freedom(locked) * (lift + gaussian_filter1d(below, 1.5, mode="nearest"))
    return result


def _bend(poses: np.ndarray, joints: tuple[int, ...], foot: _Foot, turn: Rotation, ankle: np.ndarray) -> None:
    """Put the leg with its ankle (T, 3), relative to the path, and its foot's turn into poses (T, 55, 3)."""
    hip, knee, ankle_joint, _ = joints
    pelvis = Rotation.from_rotvec(poses[:, 0])
    leg = foot.leg.reach(ankle - foot.hip)
    poses[:, hip] = (pelvis.inv() * leg.thigh).as_rotvec()
    poses[:, knee] = leg.knee.as_rotvec()
    poses[:, ankle_joint] = ((leg.thigh * leg.knee).inv() * turn).as_rotvec()


# --- curves by least squares ------------------------------------------------------------------------------------------


def _solve_path(
    feet: tuple[_Foot, _Foot], stances: list[_Stances], wanted: np.ndarray, locked: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The path (T, 3), and for each foot the spots (S, 2) of its stances in x and z.

    Unknown are path and spots together: path + foot should be spot + stance, path should be as wanted.
    """
    frames = len(wanted)
    counts = [each.number.max() + 1 for each in stances]
    size = frames + sum(counts)
    leash = np.where(locked, _FIXED, _PATH_LEASH)
    rows = [scipy.sparse.diags_array(np.sqrt(leash), shape=(frames, size))]
    goals = [np.sqrt(leash)[:, None] * wanted[:, [0, 2]]]
    bends = _second_difference(frames)
    rows.append(
        np.sqrt(_PATH_STIFFNESS) * scipy.sparse.hstack([bends, scipy.sparse.csr_array((bends.shape[0], size - frames))])
    )
    goals.append(np.sqrt(_PATH_STIFFNESS) * (bends @ wanted[:, [0, 2]]))
    first = frames
    for foot, stance, count in zip(feet, stances, counts, strict=True):
        held = np.flatnonzero(stance.number >= 0)
        weight = np.sqrt(stance.weight[held])
        at = np.arange(len(held))
        places = (np.r_[at, at], np.r_[held, first + stance.number[held]])
        rows.append(scipy.sparse.csr_array((np.r_[weight, -weight], places), shape=(len(held), size)))
        goals.append(weight[:, None] * (stance.ankle - foot.ankle)[held][:, [0, 2]])
        first += count
    matrix, goal = scipy.sparse.vstack(rows).tocsc(), np.concatenate(goals)
    solved = spsolve((matrix.T @ matrix).tocsc(), matrix.T @ goal).reshape(size, 2)

    weight, lift = _lift(feet, stances)
    missing = _solve_curve(
        weight * freedom(locked),
        lift - wanted[:, 1],
        _HEIGHT_STIFFNESS,
        np.where(locked, _FIXED, _HEIGHT_LEASH),
    )
    path = np.insert(solved[:frames], 1, wanted[:, 1] + missing, axis=1)
    return path, np.split(solved[frames:], [counts[0]])


def _lift(feet: tuple[_Foot, _Foot], stances: list[_Stances]) -> tuple[np.ndarray, np.ndarray]:
    """How surely the body stands, (T,) 0 to 1, and the height of the path with which its lower foot does, (T,)."""
    heights = np.stack([(stance.ankle - foot.ankle)[:, 1] for foot, stance in zip(feet, stances, strict=True)])
    weights = np.stack([stance.weight for stance in stances])
    share = weights * np.exp((heights - heights.max(axis=0)) / _LOWER_FOOT_M)
    return weights.max(axis=0), (share * heights).sum(axis=0) / np.maximum(share.sum(axis=0), 1e-9)


def _second_difference(frames: int) -> scipy.sparse.dia_array:
    return scipy.sparse.diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(max(frames - 2, 0), frames))


def _filled(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(T, C) near `values` where weight (T,) is large, smoothly gone elsewhere."""
    return _solve_curve(weight, values, 1.0, np.full(len(weight), _FADE_FRAMES**-4))


def _solve_curve(weight: np.ndarray, values: np.ndarray, stiffness: float, leash: np.ndarray) -> np.ndarray:
    """x (T, ...) that minimises sum of weight |x - values|^2 + leash |x|^2 + stiffness |second difference of x|^2."""
    frames = len(weight)
    bands = np.zeros((3, frames))
    bands[0] = weight + leash
    for row, first in enumerate((1.0, -2.0, 1.0)):
        for column, second in enumerate((1.0, -2.0, 1.0)[: row + 1]):
            bands[row - column, column : column + max(frames - 2, 0)] += stiffness * first * second
    wanted = weight[:, None] * values.reshape(frames, -1)
    return solveh_banded(bands[:, :frames], wanted, lower=True).reshape(values.shape)
