"""What the rules need to know of the stand-in's skin: how a foot lies flat, and how thick trunk and head are."""

import functools
from dataclasses import dataclass

import numpy as np

from emage.body.model import STAND_IN_FILE
from emage.errors import BodyError
from emage.files import read_npz
from emage.motion.skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS
from train.synthetic.kinematics import (
    CHEST_PITCH,
    NECK_SHARES,
    PELVIS_PITCH,
    SPINE_PITCH,
    about,
    chest_middle,
    rest_joints,
    rotate,
    transpose,
    turn_between,
)

_DOWNWARDS = 0.95  # of a normal, to be of the sole
_SOLE_M = 0.03  # above the lowest point, to be of the sole
_RIGID = 0.95  # of a vertex's weights, to go with heel or ball alone
_CORE = [
    JOINT_NAMES.index(name)
    for name in ("pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "spine3", "neck",
                 "head", "jaw")
]  # fmt: skip
_HIPS = (JOINT_NAMES.index("left_hip"), JOINT_NAMES.index("right_hip"))
_KNEE, _CHEST = JOINT_NAMES.index("left_knee"), JOINT_NAMES.index("spine3")
_SLICE_M = 0.03


@dataclass(frozen=True, eq=False)
class FlatFoot:
    """A foot that lies flat on y = 0 and points where it points at rest.

    turn: (3, 3) of the foot in the world. ball_turn: (3, 3) of its front part, local to it. height_m: of the ankle.
    """

    turn: np.ndarray
    ball_turn: np.ndarray
    height_m: float


@functools.cache
def flat_foot(side: str) -> FlatFoot:
    """The soles slope at rest: by a little from the heel to the ball, by more before the ball."""
    skin, joints = _skin(), rest_joints()
    ankle, ball = (JOINT_NAMES.index(f"{side}_{name}") for name in ("ankle", "foot"))
    normals = skin.face_normals()
    is_low = normals[:, 1] < -_DOWNWARDS * np.linalg.norm(normals, axis=1)
    is_low &= skin.vertices[skin.faces, 1].max(1) < skin.vertices[:, 1].min() + _SOLE_M
    heel, front = (is_low & (skin.weights[skin.faces, joint].min(1) > _RIGID) for joint in (ankle, ball))
    down = np.array([0.0, -1.0, 0.0])
    turn = turn_between(normals[heel].sum(0), down)
    ball_turn = transpose(turn) @ turn_between(normals[front].sum(0), down)
    sole = skin.vertices[np.unique(skin.faces[heel])] - joints[ankle]
    return FlatFoot(turn, ball_turn, float(np.round(-rotate(turn, sole)[:, 1].mean(), 4)))


@dataclass(frozen=True, eq=False)
class Profile:
    """Trunk, thighs and head of who stands at ease, at (H,) heights, in the chest's axes from the middle between the
    shoulders, metres.

    width: half of it. back, front: z. hip: height of the hips.
    """

    height: np.ndarray
    width: np.ndarray
    back: np.ndarray
    front: np.ndarray
    hip: float


@functools.cache
def trunk_profile() -> Profile:
    """Every `_SLICE_M` from the knees to the top of the head."""
    owners = _skin().owners
    core = _at_ease(np.isin(owners, _CORE))
    heights = np.arange(core[owners[np.isin(owners, _CORE)] == _KNEE, 1].max(), core[:, 1].max(), _SLICE_M)
    slices = [core[np.abs(core[:, 1] - height) < 0.5 * _SLICE_M] for height in heights]
    return Profile(
        heights,
        np.array([np.abs(each[:, 0]).max() for each in slices]),
        np.array([each[:, 2].min() for each in slices]),
        np.array([each[:, 2].max() for each in slices]),
        float(rest_joints()[list(_HIPS), 1].mean() - chest_middle()[1]),
    )


def _at_ease(chosen: np.ndarray) -> np.ndarray:
    """Vertices (n, 3) of the mask (V,), in the chest's axes from the middle between the shoulders."""
    joints, skin = rest_joints(), _skin()
    pitch = dict.fromkeys(_HIPS, -PELVIS_PITCH) | {0: PELVIS_PITCH} | SPINE_PITCH
    pitch |= {joint: -share * CHEST_PITCH for joint, share in NECK_SHARES.items()}
    turns, places = np.empty((NUM_JOINTS, 3, 3)), np.empty((NUM_JOINTS, 3))
    for joint, parent in enumerate(PARENTS):
        own = about((1, 0, 0), pitch.get(joint, 0.0))
        turns[joint] = own if parent < 0 else turns[parent] @ own
        places[joint] = 0 if parent < 0 else places[parent] + turns[parent] @ (joints[joint] - joints[parent])
    weights, vertices = skin.weights[chosen].astype(np.float64), skin.vertices[chosen]
    followed = rotate(np.einsum("vj,jab->vab", weights, turns), vertices)
    followed += weights @ (places - rotate(turns, joints))
    return (followed - places[_CHEST]) @ turns[_CHEST] + joints[_CHEST] - chest_middle()


@dataclass(frozen=True, eq=False)
class _Skin:
    """vertices: (V, 3) at rest. faces: (F, 3). weights: (V, 55)."""

    vertices: np.ndarray
    faces: np.ndarray
    weights: np.ndarray

    @property
    def owners(self) -> np.ndarray:
        """(V,) joints."""
        return self.weights.argmax(1)

    def face_normals(self) -> np.ndarray:
        """(F, 3), as long as twice the area."""
        a, b, c = (self.vertices[self.faces[:, i]] for i in range(3))
        return np.cross(b - a, c - a)


@functools.cache
def _skin() -> _Skin:
    arrays = read_npz(STAND_IN_FILE, BodyError, keys=("v_template", "f", "weights"))
    return _Skin(arrays["v_template"].astype(np.float64), arrays["f"].astype(np.int64), arrays["weights"])
