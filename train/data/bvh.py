"""BVH files of captured people, and their motion on a SMPL-X body: by the directions of their bones.

A joint turns so that its bone points where the captured one does, whatever their lengths: as the captured joint does
from its rest, and then by the least turn that is left. Where a joint has several bones (pelvis, chest, wrist), all of
them decide by least squares. Between the two rests stands a constant turn of each joint, which is solved for from
their bones. The path is scaled by the length of the legs.

MoSh++, with which the authors of BEAT2 fitted SMPL-X to the captured markers, and their own optimisation know the shape
of the person and the soft tissue between bones and markers; here everybody has the mean shape, and what a BVH skeleton
of another shape makes of hands that touch the body is lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pybvh
from scipy.spatial.transform import Rotation

from emage.body import Body
from emage.errors import MotionError
from emage.export.bvh import joint_names
from emage.motion import FPS, Motion
from emage.motion.skeleton import JOINT_NAMES, NUM_BETAS, NUM_EXPRESSIONS, NUM_JOINTS, PARENTS, POSE_CHANNELS

_CENTIMETRES_ABOVE = 10.0
"""A person who is more units tall was measured in centimetres."""
_SIDES = {"left": "L", "right": "R"}
_FINGERS = {"index": "I", "middle": "M", "pinky": "P", "ring": "R", "thumb": "T"}
_BEAT = {"pelvis": "Hips", "spine1": "Spine", "spine2": "Spine1", "spine3": "Spine3", "neck": "Neck", "head": "Head"}
_BEAT |= {
    f"{side}_{ours}": f"{letter}{theirs}"
    for side, letter in _SIDES.items()
    for ours, theirs in {
        "collar": "Shoulder", "shoulder": "Arm", "elbow": "Arm1", "wrist": "Hand",
        "hip": "UpLeg", "knee": "Leg", "ankle": "Foot", "foot": "ToeBase",
        **{f"{finger}{i}": f"Hand{name}{i}" for finger, name in _FINGERS.items() for i in (1, 2, 3)},
    }.items()
}  # fmt: skip
NAMINGS: dict[str, dict[str, str]] = {
    "beat": _BEAT,
    "smplx": dict(zip(JOINT_NAMES, JOINT_NAMES, strict=True)),
    "mixamo": dict(zip(JOINT_NAMES, joint_names("mixamo"), strict=True)),
}
"""What files call SMPL-X's joints: BEAT's, and ours of `emage.export.bvh`."""
_LIMBS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
_NEEDED = ("pelvis", "spine3", "neck", "head", *(f"{side}_{joint}" for side in _SIDES for joint in _LIMBS))


@dataclass(frozen=True)
class CapturedMotion:
    """T frames of a captured skeleton, in metres, y up.

    names: of its joints. turns (T, J, 3, 3): from each joint's rest to the room; places (T, J, 3); rest (J, 3): where
    the joints are when nothing is turned. joints: for each of SMPL-X's 55 the number of the joint that it is here, or
    -1.
    """

    names: tuple[str, ...]
    turns: np.ndarray
    places: np.ndarray
    rest: np.ndarray
    joints: tuple[int, ...]
    fps: float


def read_captured(path: Path) -> CapturedMotion:
    """Read a BVH file, of whatever rate divides by 30 the frames of 30 a second alone.

    Raises:
        MotionError: it cannot be read, or its joints go by no names that are known.
    """
    try:
        found = pybvh.read_bvh_file(path, world_up="+y")
        _, local = found.to_rotmat()
        places = found.joint_positions()
        parents = [-1 if node.parent is None else found.joint_names.index(node.parent.name) for node in _joints(found)]
        offsets = np.array([node.offset for node in _joints(found)], float)
        fps = float(found.fps)
    except (OSError, ValueError, IndexError, KeyError, AttributeError, TypeError) as error:
        raise MotionError(f"{path.name} cannot be read as BVH ({error}).") from error
    step = round(fps / FPS) if abs(fps / FPS - round(fps / FPS)) < 1e-3 else 1
    local, places = local[::step], places[::step]
    turns, rest = np.empty_like(local), np.empty_like(offsets)
    for joint, parent in enumerate(parents):
        turns[:, joint] = local[:, joint] if parent < 0 else turns[:, parent] @ local[:, joint]
        rest[joint] = 0 if parent < 0 else rest[parent] + offsets[joint]
    scale = 0.01 if np.ptp(rest[:, 1]) > _CENTIMETRES_ABOVE else 1.0
    names = tuple(found.joint_names)
    return CapturedMotion(names, turns, scale * places, scale * rest, _find_joints(names, path), fps / step)


def _joints(found: pybvh.Bvh) -> list:
    """Its nodes without end sites, in the order of its joints."""
    by_name = {node.name: node for node in found.nodes}
    return [by_name[name] for name in found.joint_names]


def _find_joints(names: Sequence[str], path: Path) -> tuple[int, ...]:
    known = {name: number for number, name in enumerate(names)}
    found = [tuple(known.get(naming.get(name, ""), -1) for name in JOINT_NAMES) for naming in NAMINGS.values()]
    best = max(found, key=lambda joints: sum(joint >= 0 for joint in joints))
    if lost := [name for name in _NEEDED if best[JOINT_NAMES.index(name)] < 0]:
        raise MotionError(
            f"{path.name} has no joint that is {lost[0]} by the names of {', '.join(NAMINGS)}; it has "
            f"{', '.join(names[:8])}, …"
        )
    return best


@dataclass(frozen=True)
class Residual:
    """What is left between a captured skeleton and the body that moves as it does.

    degrees: mean angle between bones and the captured ones. mm: mean distance of joints, the pelvis in one place and
    the captured skeleton scaled by the length of its legs: mostly what the bones differ in length.
    """

    degrees: float
    mm: float


def to_smplx(captured: CapturedMotion, body: Body) -> tuple[Motion, Residual]:
    """The motion on a body of the mean shape, its face at rest."""
    poses, expressions, trans = (np.zeros((1, width)) for width in (POSE_CHANNELS, NUM_EXPRESSIONS, 3))
    at_rest = Motion(poses, expressions, trans, np.zeros(NUM_BETAS))
    rest = body.joints(at_rest)[0].astype(np.float64)
    turns = _turn_joints(captured, rest)
    frames = len(turns)
    local = np.stack([turns[:, j] if p < 0 else turns[:, p].mT @ turns[:, j] for j, p in enumerate(PARENTS)], 1)
    poses = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(frames, POSE_CHANNELS)
    scale = _leg_m(rest, range(NUM_JOINTS)) / _leg_m(captured.rest, captured.joints)
    trans = scale * captured.places[:, captured.joints[0]] - rest[0]
    motion = replace(
        at_rest, poses=poses, expressions=np.zeros((frames, NUM_EXPRESSIONS)), trans=trans, fps=captured.fps
    )
    return motion, _compare(captured, body.joints(motion), scale)


def _children(joint: int, captured: CapturedMotion) -> list[int]:
    return [child for child, parent in enumerate(PARENTS) if parent == joint and captured.joints[child] >= 0]


def _turn_joints(captured: CapturedMotion, rest: np.ndarray) -> np.ndarray:
    """(T, 55, 3, 3): from SMPL-X's rest to the room."""
    frames = len(captured.turns)
    turns, offsets = np.empty((frames, NUM_JOINTS, 3, 3)), np.tile(np.eye(3), (NUM_JOINTS, 1, 1))
    for joint, parent in enumerate(PARENTS):
        source = captured.joints[joint]
        if source < 0:  # it keeps its place in its parent
            turns[:, joint], offsets[joint] = turns[:, parent], offsets[parent]
            continue
        children = _children(joint, captured)
        sources = [captured.joints[child] for child in children]
        bones = _unit(rest[children] - rest[joint])  # (n, 3)
        if children:
            offsets[joint] = align_bones(bones[None], _unit(captured.rest[sources] - captured.rest[source])[None])[0]
        elif parent >= 0:
            offsets[joint] = offsets[parent]
        turns[:, joint] = captured.turns[:, source] @ offsets[joint]
        if children:
            wanted = _unit(captured.places[:, sources] - captured.places[:, source, None])  # (T, n, 3)
            turns[:, joint] = align_bones(bones @ turns[:, joint].mT, wanted) @ turns[:, joint]
    return turns


def _unit(bones: np.ndarray) -> np.ndarray:
    return bones / np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-9)


def align_bones(bones: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(T, n, 3), (T, n, 3) unit vectors -> (T, 3, 3): the turn that brings one nearest to the other; of one bone the
    least such turn, of several by least squares (Kabsch)."""
    if bones.shape[1] == 1:
        axis = np.cross(bones[:, 0], wanted[:, 0])
        sine, cosine = np.linalg.norm(axis, axis=-1), (bones[:, 0] * wanted[:, 0]).sum(-1)
        aside = np.cross(bones[:, 0], np.eye(3)[np.abs(bones[:, 0]).argmin(-1)])  # for bones that point the other way
        axis = np.where((sine > 1e-9)[:, None], axis, np.where((cosine < 0)[:, None], aside, 0))
        return Rotation.from_rotvec(_unit(axis) * np.arctan2(sine, cosine)[:, None]).as_matrix()
    left, _, right = np.linalg.svd(wanted.mT @ bones)
    sign = np.linalg.det(left @ right)
    left[..., -1] *= sign[:, None]
    return left @ right


def _leg_m(places: np.ndarray, joints: Sequence[int]) -> float:
    """Mean length of the legs."""
    chains = [[joints[JOINT_NAMES.index(f"{side}_{name}")] for name in ("hip", "knee", "ankle")] for side in _SIDES]
    return float(np.mean([np.linalg.norm(np.diff(places[chain], axis=0), axis=1).sum() for chain in chains]))


def _compare(captured: CapturedMotion, joints: np.ndarray, scale: float) -> Residual:
    """joints: (T, 55, 3) of the body."""
    known = [
        joint for joint in range(1, NUM_JOINTS) if captured.joints[joint] >= 0 and captured.joints[PARENTS[joint]] >= 0
    ]
    ends, starts = known, [PARENTS[joint] for joint in known]
    theirs = (
        captured.places[:, [captured.joints[j] for j in ends]]
        - captured.places[:, [captured.joints[j] for j in starts]]
    )
    cosine = (_unit(joints[:, ends] - joints[:, starts]) * _unit(theirs)).sum(-1)
    places = scale * (
        captured.places[:, [captured.joints[j] for j in known]] - captured.places[:, [captured.joints[0]]]
    )
    apart = np.linalg.norm(joints[:, known] - joints[:, :1] - places, axis=-1)
    return Residual(float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean()), 1000 * float(apart.mean()))
