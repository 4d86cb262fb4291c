"""The foot lock: feet that stand are held where they stand, and the body goes such that legs change least.

1. Contacts of heel and ball are found (`emage.postprocess.contacts`). A stance is a time over which a foot keeps heel
   or ball, or
   both in turn, on one spot: it may land on the heel, stand flat, and roll off over the ball.
2. In a stance the foot has a place and, while flat, a turn: its mean one, with the sole level.
3. The body's path follows the stances as its own path allows. That path is trusted at the frequencies of steps and
   above; below them only so far as legs and path say the same. So who stands stays, and who walks walks.
4. What is still missing is what each ankle is moved by, smoothly, also where no foot stands; see
   `emage.postprocess.leg_ik`. The pelvis comes down a little where a leg would be stretched through.
"""

from dataclasses import replace

import numpy as np
import scipy.sparse
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from scipy.sparse.linalg import spsolve
from scipy.spatial.transform import Rotation

from emage.motion import Motion
from emage.motion.skeleton import NUM_JOINTS
from emage.postprocess.contacts import bearing_shift, find_contacts, standing_lift
from emage.postprocess.curves import FIXED, second_difference, solve_curve
from emage.postprocess.leg_ik import Leg
from emage.postprocess.paths import freedom, join_to_locks
from emage.postprocess.stances import (
    FADE_FRAMES,
    HOLD,
    LEG_JOINTS,
    Foot,
    PosedBody,
    Stances,
    find_feet,
    find_stances,
    runs,
    true_runs,
    turned,
)

DRIFT_FRAMES = 45.0
"""What the path does more slowly than over some such frames (the deviation of a Gaussian) is drift, where the legs do
not say the same. Steps are faster."""
AGREEMENT_FRAMES = 120.0
"""Over some such frames it is judged whether they say the same."""
LET_GO_M = 0.08
"""A foot that legs and path would have this far from where it stands makes a little step."""

_PATH_STIFFNESS, _PATH_LEASH = 30.0, 0.2
"""Of the path over the floor: it has its own accelerations above some 2 Hz, and leaves its own place slowly only."""
_EASY_M, _STRAIN_ROUNDS = 0.04, 4
"""Legs give way so far; beyond it their weight against the path's grows with the square."""
_BORDER_FRAMES = 36
"""A locked path may contradict its legs: near it feet bind the path the less."""
_HEIGHT_STIFFNESS, _HEIGHT_LEASH = 30.0, 0.01
_LET_GO_ROUNDS, _SWING_FRAMES = 6, 11
_CLEARANCE, _MAX_CLEARANCE_M = 0.2, 0.03
"""A foot that is moved over the floor is lifted by this share of its way."""
_LOWER_FOOT_M = 0.004
"""Of two feet that stand the lower one carries the body; they share where their heights differ by no more."""
_HOVER_M = 0.01
"""One leg that is too short by less does not bend the other."""
_DROP_FRAMES = 5
_MAX_DROP_M = 0.06


def lock_feet(motion: Motion, body: PosedBody, locked: np.ndarray, floor_y: float = 0.0) -> Motion:
    """The motion with what stands held in its place, and the lowest sole at height `floor_y`.

    locked: (T,) bool, frames in which path and legs stay as they are. Only the translation and the rotations of hips,
    knees and ankles change; the pelvis keeps its turn, and with it all of the upper body.
    """
    feet = find_feet(motion, body)
    own_path = motion.trans - (0, floor_y, 0)

    soles = np.concatenate([foot.ankle[:, None] + turned(foot.turn, foot.sole) for foot in feet], axis=1)
    bearing = own_path + bearing_shift(soles + own_path[:, None])
    lowest = soles[..., 1].min(axis=1) + own_path[:, 1]
    contacts = find_contacts(tuple(foot.track(bearing) for foot in feet), lowest) & ~locked[:, None, None]
    wanted = _without_drift(own_path, bearing, locked)
    lift, _ = standing_lift(lowest)
    wanted[:, 1] += freedom(locked) * gaussian_filter1d(lift, _DROP_FRAMES, mode="nearest")

    for _ in range(_LET_GO_ROUNDS):
        stances = [find_stances(foot, contacts[:, side], locked) for side, foot in enumerate(feet)]
        path, spots = _solve_path(feet, stances, wanted, locked)
        path[:, 1] = _solve_height(feet, stances, wanted[:, 1], locked)
        if not _let_go(contacts, feet, stances, path, spots):
            break
    path = _lowered(path, feet, stances, spots, locked)
    poses = motion.poses.reshape(-1, NUM_JOINTS, 3).copy()
    for side, foot in enumerate(feet):
        ankle = foot.ankle + path + _corrections(foot, stances[side], path, spots[side], locked)
        leg = foot.leg.reach(ankle - path - foot.hip, locked)
        _put(poses, LEG_JOINTS[side], leg, stances[side].turn)
    trans = path + np.array([0, floor_y, 0])
    if not locked.any():
        trans[:, [0, 2]] += motion.trans[0, [0, 2]] - trans[0, [0, 2]]
    poses = poses.reshape(motion.poses.shape)
    poses[locked], trans[locked] = motion.poses[locked], motion.trans[locked]
    return replace(motion, poses=poses, trans=trans)


# --- the path that is wanted ------------------------------------------------------------------------------------------


def _without_drift(own: np.ndarray, bearing: np.ndarray, locked: np.ndarray) -> np.ndarray:
    """The own path (T, 3), its slow part that of the legs (T, 3), and only so far as the two agree.

    Two velocities a and b, of mean m, agree by (a . b) / (m . m), both averaged over a longer time, or not at all where
    they oppose each other: 1 where they are equal, 0.9 where one is half the other, 0 where they are at right angles.
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
    drift = slow[0] - slow[1] * agreement[:, None]
    result = own.copy()
    result[:, [0, 2]] += join_to_locks(-drift, locked)
    return result


# --- from the path to the legs ----------------------------------------------------------------------------------------


def _missing(foot: Foot, stance: Stances, path: np.ndarray, spots: np.ndarray) -> np.ndarray:
    """(T, 3) from where the ankle is along the path to where it stands; 0 where it does not."""
    held = stance.number >= 0
    target = stance.ankle[held]
    target[:, [0, 2]] += spots[stance.number[held]]
    result = np.zeros_like(path)
    result[held] = target - (path + foot.ankle)[held]
    return result


def _let_go(
    contacts: np.ndarray,
    feet: tuple[Foot, Foot],
    stances: list[Stances],
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
        for start, end in runs(stance.number):
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
    path: np.ndarray, feet: tuple[Foot, Foot], stances: list[Stances], spots: list[np.ndarray], locked: np.ndarray
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


def _corrections(foot: Foot, stance: Stances, path: np.ndarray, spots: np.ndarray, locked: np.ndarray) -> np.ndarray:
    """(T, 3) metres that the ankle is moved by."""
    missing = freedom(locked)[:, None] * _missing(foot, stance, path, spots)
    result = solve_curve(HOLD * stance.weight, missing, 1.0, np.where(locked, FIXED, FADE_FRAMES**-4))

    low = turned(stance.turn, foot.sole)[..., 1].min(axis=1) + (foot.ankle + path)[:, 1]
    place = (foot.ankle + path + result)[:, [0, 2]]
    lift = np.zeros(len(path))
    for start, end in true_runs(stance.number < 0):
        wave = np.sin(np.pi * (np.arange(start, end) + 1 - start) / (end - start + 1)) ** 2
        clearance = min(_CLEARANCE * float(np.linalg.norm(place[end - 1] - place[start])), _MAX_CLEARANCE_M)
        lift[start:end] = max(clearance - float((low + result[:, 1])[start:end].max()), 0) * wave
    below = maximum_filter1d(np.maximum(-(low + result[:, 1] + lift), 0), 5, mode="nearest")
    result[:, 1] += freedom(locked) * (lift + gaussian_filter1d(below, 1.5, mode="nearest"))
    return result


def _put(poses: np.ndarray, joints: tuple[int, ...], leg: Leg, foot: Rotation) -> None:
    """Put the leg and its foot's turn into poses (T, 55, 3)."""
    hip, knee, ankle_joint, _ = joints
    pelvis = Rotation.from_rotvec(poses[:, 0])
    poses[:, hip] = (pelvis.inv() * leg.thigh).as_rotvec()
    poses[:, knee] = leg.knee.as_rotvec()
    poses[:, ankle_joint] = ((leg.thigh * leg.knee).inv() * foot).as_rotvec()


def _solve_path(
    feet: tuple[Foot, Foot], stances: list[Stances], wanted: np.ndarray, locked: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The path (T, 3) over the floor, and for each foot the spots (S, 2) of its stances in x and z.

    wanted: (T, 3) path; its height stays.

    Unknown are path and spots together: path + foot should be spot + stance, path should be as wanted. Legs give way by
    some centimetres; where they would have to by more, the path does: so legs that clearly walk are believed.
    """
    frames = len(wanted)
    held = [stance.number >= 0 for stance in stances]
    counts = [int(stance.number.max()) + 1 for stance in stances]
    firsts = (frames, frames + counts[0])
    size = frames + sum(counts)
    leash = np.sqrt(np.where(locked, FIXED, _PATH_LEASH))
    bends = np.sqrt(_PATH_STIFFNESS) * second_difference(frames)
    beside = scipy.sparse.csr_array((bends.shape[0], size - frames))
    own_rows = scipy.sparse.vstack(
        [scipy.sparse.diags_array(leash, shape=(frames, size)), scipy.sparse.hstack([bends, beside])]
    )
    own_goal = np.concatenate([leash[:, None] * wanted[:, [0, 2]], bends @ wanted[:, [0, 2]]])
    frame = np.concatenate([np.flatnonzero(each) for each in held])
    spot = np.concatenate(
        [first + stance.number[each] for first, stance, each in zip(firsts, stances, held, strict=True)]
    )
    goal, weight = (
        np.concatenate([values[each] for values, each in zip(both, held, strict=True)])
        for both in (
            [(stance.ankle - foot.ankle)[:, [0, 2]] for foot, stance in zip(feet, stances, strict=True)],
            [freedom(locked, _BORDER_FRAMES) * stance.weight for stance in stances],
        )
    )
    number = np.arange(len(frame))
    strain = np.ones(len(frame))
    for _ in range(_STRAIN_ROUNDS):
        share = np.sqrt(weight * strain)
        rows = scipy.sparse.csr_array(
            (np.r_[share, -share], (np.r_[number, number], np.r_[frame, spot])), shape=(len(frame), size)
        )
        matrix = scipy.sparse.vstack([own_rows, rows]).tocsc()
        values = np.concatenate([own_goal, share[:, None] * goal])
        solved = spsolve((matrix.T @ matrix).tocsc(), matrix.T @ values).reshape(size, 2)
        missing = np.linalg.norm(solved[frame] - solved[spot] - goal, axis=1)
        strain = 1 + (missing / _EASY_M) ** 2

    return np.insert(solved[:frames], 1, wanted[:, 1], axis=1), np.split(solved[frames:], [counts[0]])


def _solve_height(
    feet: tuple[Foot, Foot], stances: list[Stances], wanted: np.ndarray, locked: np.ndarray
) -> np.ndarray:
    """The path's height (T,), with which the lower foot that stands is on the floor."""
    heights = np.stack([(stance.ankle - foot.ankle)[:, 1] for foot, stance in zip(feet, stances, strict=True)])
    weights = np.stack([stance.weight for stance in stances])
    share = weights * np.exp((heights - heights.max(axis=0)) / _LOWER_FOOT_M)
    lift = (share * heights).sum(axis=0) / np.maximum(share.sum(axis=0), 1e-9)
    leash = np.where(locked, FIXED, _HEIGHT_LEASH)
    return wanted + solve_curve(weights.max(axis=0) * freedom(locked), lift - wanted, _HEIGHT_STIFFNESS, leash)
