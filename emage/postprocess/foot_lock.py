"""The foot lock: feet that stand are held where they stand, and the body goes such that legs change least.

1. Contacts of heel and ball are found (`emage.postprocess.contacts`). A stance is a time over which a foot keeps heel
   or ball, or both in turn, on one spot: it may land on the heel, stand flat, and roll off over the ball.
2. In a stance the foot has a place and, while flat, a turn: its mean one, with the sole level.
3. The body's path follows the stances as its own path allows (`emage.postprocess.standing` says how far that is
   trusted).
4. What is still missing is what each ankle is moved by, smoothly, also where no foot stands; see
   `emage.postprocess.leg_ik`. The pelvis comes down a little where a leg would be stretched through.

It is decided block by block, each with the next `AHEAD_FRAMES` in sight. What was decided before stays: curves go on
from there, and who stands goes on standing where they do.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.linalg import solve
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from scipy.spatial.transform import Rotation

from emage.motion import Motion
from emage.motion.skeleton import NUM_JOINTS
from emage.motion.stages import HeldFrames
from emage.postprocess.blocks import block_end
from emage.postprocess.curves import FIXED, continue_curve, fade_out, second_difference
from emage.postprocess.leg_ik import Leg
from emage.postprocess.paths import Ties
from emage.postprocess.stances import (
    FADE_FRAMES,
    HOLD,
    LEG_JOINTS,
    Foot,
    PosedBody,
    Stances,
    StandingPast,
    find_stances,
    runs,
    true_runs,
    turned,
)
from emage.postprocess.standing import Standing, StandingStage

AHEAD_FRAMES = 60
"""So far ahead of a block it is seen how the feet will stand."""
LET_GO_M = 0.08
"""A foot that legs and path would have this far from where it stands makes a little step."""

_PATH_STIFFNESS, _PATH_LEASH = 30.0, 0.2
"""Of the path over the floor: it has its own accelerations above some 2 Hz, and leaves its own place slowly only."""
_EASY_M, _STRAIN_ROUNDS = 0.04, 4
"""Legs give way so far; beyond it their weight against the path's grows with the square."""
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
_PAST_FRAMES = 60
"""So many frames before a block are remembered; a swing that lasts longer is taken to have begun then."""
_JOIN_FRAMES = 8
"""Over so many frames a filter goes on from what it made of the last ones when it saw less of what comes."""
_GROUND = [0, 2]


@dataclass(frozen=True, eq=False)
class _FootPast:
    """Of one foot in the N last frames before a block.

    held: (N, 3) what its ankle was moved by but for its lift (N,). low: (N,) the sole's height before that; place: (N,
    2) over the floor; swings: (N,) bool. knee: (N,) radians. step_left: how many frames of a step that the foot was let
    go for are still to come.
    """

    standing: StandingPast = field(default_factory=StandingPast)
    held: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    lift: np.ndarray = field(default_factory=lambda: np.zeros(0))
    low: np.ndarray = field(default_factory=lambda: np.zeros(0))
    place: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    swings: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    knee: np.ndarray = field(default_factory=lambda: np.zeros(0))
    step_left: int = 0


@dataclass(frozen=True, eq=False)
class _Past:
    """The N last frames before a block: the path (N, 3), that which was wanted, and by how much it was to be lowered
    (N,) and was; and the feet."""

    path: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    wanted: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    drop: np.ndarray = field(default_factory=lambda: np.zeros(0))
    lowered: np.ndarray = field(default_factory=lambda: np.zeros(0))
    feet: tuple[_FootPast, _FootPast] = field(default_factory=lambda: (_FootPast(), _FootPast()))


class FootLockStage:
    """Motion in pieces with what stands held in its place, and the lowest sole at height `floor_y`.

    locked: (T,) bool, of the whole: frames in which path and legs stay as they are. Only the translation and the
    rotations of hips, knees and ankles change; the pelvis keeps its turn, and with it all of the upper body.
    """

    def __init__(self, body: PosedBody, locked: np.ndarray, floor_y: float = 0.0):
        self._ties, self._floor = Ties.of(locked), np.array([0, floor_y, 0])
        self._find = StandingStage(body, self._ties, floor_y)
        self._held = HeldFrames()
        self._standing: Standing | None = None
        self._past = _Past()
        self._known = self._done = 0
        self._offset: np.ndarray | None = np.zeros(3) if locked.any() else None

    def push(self, piece: Motion) -> Motion | None:
        self._held.add(piece)
        return self._settle(self._find.push(piece))

    def finish(self) -> Motion | None:
        return self._settle(self._find.finish())

    def _settle(self, found: Standing | None) -> Motion | None:
        if found is not None:
            self._standing = found if self._standing is None else Standing.join([self._standing, found])
            self._known += len(found.wanted)
        total, start = len(self._ties.locked), self._done
        trans, poses = [], []
        while self._done < total:
            end = block_end(self._done, total, AHEAD_FRAMES)
            sight = min(end + AHEAD_FRAMES, total)
            if self._known < sight:
                break
            path, posed = self._lock(self._done, end, sight)
            trans.append(path)
            poses.append(posed)
            self._standing = self._standing.frames(end - self._done, self._known - self._done)
            self._done = end
        if not trans:
            return None
        motion = self._held.frames(start, self._done)
        self._held.drop(self._done)
        return replace(motion, trans=np.concatenate(trans), poses=np.concatenate(poses))

    def _lock(self, start: int, end: int, sight: int) -> tuple[np.ndarray, np.ndarray]:
        """-> trans (N, 3) and poses (N, 165) of a block."""
        count = end - start
        standing, ties, past = self._standing.frames(0, sight - start), self._ties.frames(start, sight), self._past
        feet, wanted, contacts = standing.feet, standing.wanted, standing.contacts.copy()
        left = [foot.step_left for foot in past.feet]
        for side, frames in enumerate(left):
            contacts[:frames, side] = False
        for _ in range(_LET_GO_ROUNDS):
            stances = [
                find_stances(foot, contacts[:, side], ties, past.feet[side].standing) for side, foot in enumerate(feet)
            ]
            path, spots = _solve_path(feet, stances, wanted, ties, past)
            path[:, 1] = _solve_height(feet, stances, wanted[:, 1], ties, past)
            steps = _let_go(contacts, feet, stances, path, spots)
            if not steps:
                break
            for side, step_end in steps:
                if step_end - _SWING_FRAMES < count:
                    left[side] = max(left[side], step_end)
        drop, lowered = _lower(path, feet, stances, spots, ties, past)
        moved = path - lowered[:, None] * (0, 1, 0)

        motion = self._held.frames(start, end)
        poses = motion.poses.reshape(-1, NUM_JOINTS, 3).copy()
        feet_past = []
        for side, foot in enumerate(feet):
            stance, before = stances[side], past.feet[side]
            foot_past, correction = _correct(foot, stance, moved, spots[side], ties, before, count)
            ankle = foot.ankle + correction - foot.hip
            turn = foot.leg.knee_turns(ankle, ties, before.knee)
            leg = foot.leg.frames(0, count).bend(ankle[:count], turn[:count])
            _put(poses, LEG_JOINTS[side], leg, stance.turn[:count])
            feet_past.append(
                replace(
                    foot_past,
                    knee=_recent(before.knee, turn, count),
                    step_left=max(left[side] - count, 0),
                    standing=before.standing.after(foot, contacts[:, side], stance, spots[side], count, _PAST_FRAMES),
                )
            )
        self._past = _Past(
            _recent(past.path, path, count),
            _recent(past.wanted, wanted, count),
            _recent(past.drop, drop, count),
            _recent(past.lowered, lowered, count),
            tuple(feet_past),
        )
        trans = moved[:count] + self._floor
        if self._offset is None:  # the path begins where it began
            self._offset = (motion.trans[0] - trans[0]) * (1, 0, 1)
        trans = trans + self._offset
        poses = poses.reshape(motion.poses.shape)
        kept = ties.locked[:count]
        poses[kept], trans[kept] = motion.poses[kept], motion.trans[kept]
        return trans, poses


def _recent(before: np.ndarray, now: np.ndarray, count: int) -> np.ndarray:
    """The last frames of those before and of the first `count` of those now."""
    return np.concatenate([before, now[:count]])[-_PAST_FRAMES:]


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
) -> list[tuple[int, int]]:
    """Take out of contacts (T, 2, 2) a short swing of every foot that is too far from where it should stand.

    It steps where legs and path part fastest, if it can while the other foot stands. Returns side and end of each step.
    """
    steps = []
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
            steps.append((side, frame + _SWING_FRAMES // 2 + 1))
    return steps


def _lower(
    path: np.ndarray,
    feet: tuple[Foot, Foot],
    stances: list[Stances],
    spots: list[np.ndarray],
    ties: Ties,
    past: _Past,
) -> tuple[np.ndarray, np.ndarray]:
    """By how much the pelvis must be lowered for legs that stand not to be stretched through, and by how much it is
    when that is made smooth: (T,), (T,) metres."""
    drop = np.zeros(len(path))
    for foot, stance, places in zip(feet, stances, spots, strict=True):
        ankle = foot.ankle + path + _missing(foot, stance, path, places)
        down = foot.hip + path - ankle
        reach = np.sqrt(np.maximum(foot.leg.longest_m**2 - (down[:, _GROUND] ** 2).sum(axis=1), 0))
        drop = np.maximum(drop, stance.weight * (down[:, 1] - reach - _HOVER_M))
    drop = drop.clip(0, _MAX_DROP_M)
    highest = maximum_filter1d(np.concatenate([past.drop, drop]), 2 * _DROP_FRAMES + 1, mode="nearest")
    smooth = gaussian_filter1d(highest, 0.5 * _DROP_FRAMES, mode="nearest")
    return drop, ties.near * _join(smooth, past.lowered)


def _join(values: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Of (N + T,) values the last T, which go on from what the first N, now known better, were then."""
    count = len(before)
    if count == 0:
        return values
    return values[count:] + fade_out(before[-1] - values[count - 1], len(values) - count, _JOIN_FRAMES)


def _correct(
    foot: Foot, stance: Stances, path: np.ndarray, spots: np.ndarray, ties: Ties, past: _FootPast, count: int
) -> tuple[_FootPast, np.ndarray]:
    """What the ankle is moved by, (T, 3) metres; and what is to be remembered of the first `count` frames."""
    missing = ties.near[:, None] * _missing(foot, stance, path, spots)
    held = continue_curve(HOLD * stance.weight, missing, 1.0, ties.leash(FADE_FRAMES**-4), past.held)

    own_low = turned(stance.turn, foot.sole)[..., 1].min(axis=1) + (foot.ankle + path + held)[:, 1]
    low = np.concatenate([past.low, own_low])
    place = np.concatenate([past.place, (foot.ankle + path + held)[:, _GROUND]])
    swings = np.concatenate([past.swings, stance.number < 0])
    lift = np.zeros(len(low))
    for start, end in true_runs(swings):
        wave = np.sin(np.pi * (np.arange(start, end) + 1 - start) / (end - start + 1)) ** 2
        clearance = min(_CLEARANCE * float(np.linalg.norm(place[end - 1] - place[start])), _MAX_CLEARANCE_M)
        lift[start:end] = max(clearance - float(low[start:end].max()), 0) * wave
    below = maximum_filter1d(np.maximum(-(low + lift), 0), 5, mode="nearest")
    lift = ties.near * _join(lift + gaussian_filter1d(below, 1.5, mode="nearest"), past.lift)
    remembered = replace(
        past,
        held=_recent(past.held, held, count),
        lift=_recent(past.lift, lift, count),
        low=low[: len(past.low) + count][-_PAST_FRAMES:],
        place=place[: len(past.low) + count][-_PAST_FRAMES:],
        swings=swings[: len(past.low) + count][-_PAST_FRAMES:],
    )
    return remembered, held + lift[:, None] * (0, 1, 0)


def _put(poses: np.ndarray, joints: tuple[int, ...], leg: Leg, foot: Rotation) -> None:
    """Put the leg and its foot's turn into poses (T, 55, 3)."""
    hip, knee, ankle_joint, _ = joints
    pelvis = Rotation.from_rotvec(poses[:, 0])
    poses[:, hip] = (pelvis.inv() * leg.thigh).as_rotvec()
    poses[:, knee] = leg.knee.as_rotvec()
    poses[:, ankle_joint] = ((leg.thigh * leg.knee).inv() * foot).as_rotvec()


def _solve_path(
    feet: tuple[Foot, Foot], stances: list[Stances], wanted: np.ndarray, ties: Ties, past: _Past
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The path (T, 3) over the floor, and for each foot the spots (S, 2) of its stances in x and z.

    wanted: (T, 3) path; its height stays.

    Unknown are path and spots together: path + foot should be spot + stance, path should be as wanted. Legs give way by
    some centimetres; where they would have to by more, the path does: so legs that clearly walk are believed.
    """
    before = min(len(past.path), 2)  # a curve goes on from two frames
    frames = before + len(wanted)
    goal = np.concatenate([past.path[len(past.path) - before :], wanted])[:, _GROUND]
    course = np.concatenate([past.wanted[len(past.wanted) - before :], wanted])[:, _GROUND]
    leash = np.concatenate([np.full(before, FIXED), ties.leash(_PATH_LEASH)])
    counts = [stance.count for stance in stances]
    firsts = (frames, frames + counts[0])
    size = frames + sum(counts)
    bends = second_difference(frames)
    own, own_goal = np.zeros((size, size)), np.zeros((size, 2))
    own[:frames, :frames] = np.diag(leash) + _PATH_STIFFNESS * bends.T @ bends
    own_goal[:frames] = leash[:, None] * goal + _PATH_STIFFNESS * bends.T @ (bends @ course)
    for first, stance in zip(firsts, stances, strict=True):
        if stance.goes_on:  # its spot is known
            own[first, first] = FIXED
    held = [stance.number >= 0 for stance in stances]
    frame = before + np.concatenate([np.flatnonzero(each) for each in held])
    spot = np.concatenate(
        [first + stance.number[each] for first, stance, each in zip(firsts, stances, held, strict=True)]
    )
    apart, weight = (
        np.concatenate([values[each] for values, each in zip(both, held, strict=True)])
        for both in (
            [(stance.ankle - foot.ankle)[:, _GROUND] for foot, stance in zip(feet, stances, strict=True)],
            [ties.far * stance.weight for stance in stances],
        )
    )
    strain = np.ones(len(frame))
    for _ in range(_STRAIN_ROUNDS):
        share = weight * strain
        matrix, values = own.copy(), own_goal.copy()
        for row, column, sign in ((frame, frame, 1), (spot, spot, 1), (frame, spot, -1), (spot, frame, -1)):
            np.add.at(matrix, (row, column), sign * share)
        np.add.at(values, frame, share[:, None] * apart)
        np.add.at(values, spot, -share[:, None] * apart)
        solved = solve(matrix, values, assume_a="pos")
        missing = np.linalg.norm(solved[frame] - solved[spot] - apart, axis=1)
        strain = 1 + (missing / _EASY_M) ** 2
    return np.insert(solved[before:frames], 1, wanted[:, 1], axis=1), np.split(solved[frames:], [counts[0]])


def _solve_height(
    feet: tuple[Foot, Foot], stances: list[Stances], wanted: np.ndarray, ties: Ties, past: _Past
) -> np.ndarray:
    """The path's height (T,), with which the lower foot that stands is on the floor."""
    heights = np.stack([(stance.ankle - foot.ankle)[:, 1] for foot, stance in zip(feet, stances, strict=True)])
    weights = np.stack([stance.weight for stance in stances])
    share = weights * np.exp((heights - heights.max(axis=0)) / _LOWER_FOOT_M)
    lift = (share * heights).sum(axis=0) / np.maximum(share.sum(axis=0), 1e-9)
    weight, before = weights.max(axis=0) * ties.near, (past.path - past.wanted)[:, 1]
    return wanted + continue_curve(weight, lift - wanted, _HEIGHT_STIFFNESS, ties.leash(_HEIGHT_LEASH), before)
