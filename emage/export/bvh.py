"""A motion as BVH: 55 joints with fingers, at rest in the T-pose, y up.

Format: Biovision's, as its readers agree on it: offsets and positions in one unit, angles in degrees, channels in the
order in which they multiply. The root's offset is 0 and its position absolute, which those understand alike that add
the two and those that do not.

A joint's offset is constant here. On a body it moves a little with the face (the stand-in's eyes by 2 mm when they look
aside, nothing else by more than 0.01 mm), which the format has no channels for that all readers know.
"""

from collections.abc import Iterator

import numpy as np
import torch

from emage.body import Body
from emage.body.landmarks import FINGERTIP_JOINTS
from emage.body.rig import Rig
from emage.export.settings import ExportSettings
from emage.motion import Motion
from emage.motion.rotations import axis_angle_to_matrix
from emage.motion.skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS

_UNITS = {"cm": 100.0, "m": 1.0}
_DECIMALS = {"cm": 4, "m": 6}
_ANGLE_DECIMALS = 4
_FEET = (10, 11)

# fmt: off
_MIXAMO = {
    "pelvis": "Hips", "spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2", "neck": "Neck", "head": "Head",
    "hip": "UpLeg", "knee": "Leg", "ankle": "Foot", "foot": "ToeBase", "collar": "Shoulder", "shoulder": "Arm",
    "elbow": "ForeArm", "wrist": "Hand", "eye": "Eye", "jaw": "Jaw",
}
# fmt: on


def joint_names(names: str) -> tuple[str, ...]:
    """(55,) what the joints are called, in SMPL-X's order: "smplx" or "mixamo"."""
    return JOINT_NAMES if names == "smplx" else tuple(map(_mixamo_name, JOINT_NAMES))


def bvh_text(body: Body, motion: Motion, settings: ExportSettings = ExportSettings()) -> str:
    """The file: the motion's person at rest on this body, and the motion.

    Joint 22 turns as in the motion itself, in whatever basis its expressions are: BVH has no other face.
    """
    rig = body.rig(motion.betas_in(body.expression_basis))
    order = list(_depth_first(0))
    scale, decimals = _UNITS[settings.bvh_unit], _DECIMALS[settings.bvh_unit]
    lines = ["HIERARCHY", *_hierarchy(0, 0, rig, _ends(body, rig), settings)]
    lines += ["MOTION", f"Frames: {motion.num_frames}", f"Frame Time: {1 / motion.fps:.9f}"]
    positions = scale * (rig.joints[0] + motion.trans)
    poses = motion.poses.reshape(-1, NUM_JOINTS, 3) + body.pose_mean.reshape(NUM_JOINTS, 3)
    angles = euler_angles(poses.astype(np.float64), settings.bvh_order)[:, order].reshape(motion.num_frames, -1)
    values = [np.round(positions, decimals) + 0.0, np.round(angles, _ANGLE_DECIMALS) + 0.0]  # + 0.0 makes no -0
    row = " ".join([f"%.{decimals}f"] * 3 + [f"%.{_ANGLE_DECIMALS}f"] * angles.shape[1])
    lines += [row % tuple(frame) for frame in np.concatenate(values, axis=1).tolist()]
    return "\n".join(lines) + "\n"


def euler_angles(poses: np.ndarray, order: str) -> np.ndarray:
    """Axis-angles (T, J, 3) in radians -> angles (T, J, 3) in degrees that multiply in this order, without jumps.

    Of the two that say the same rotation, and their multiples of a turn, those are taken that are nearest to the frame
    before.
    """
    matrices = axis_angle_to_matrix(torch.from_numpy(poses)).numpy()
    first = _decompose(matrices, order)
    # The other one turns half a turn more by the outer two, and the middle one over to the other side.
    second = np.stack([first[..., 0] + 180, 180 - first[..., 1], first[..., 2] + 180], axis=-1)
    result = first.copy()
    for frame in range(1, len(result)):
        before = result[frame - 1]
        near, far = (before + _wrap(each[frame] - before) for each in (first, second))
        is_far = np.abs(far - before).sum(-1) < np.abs(near - before).sum(-1)
        result[frame] = np.where(is_far[:, None], far, near)
    return result


def _decompose(matrices: np.ndarray, order: str) -> np.ndarray:
    """(T, J, 3, 3) -> degrees (T, J, 3), the middle one in -90..90: M = R(order[0]) R(order[1]) R(order[2])."""
    i, j, k = ("XYZ".index(axis) for axis in order)
    sign = 1.0 if (j - i) % 3 == 1 else -1.0
    middle = np.arcsin(np.clip(sign * matrices[..., i, k], -1, 1))
    outer = np.arctan2(-sign * matrices[..., j, k], matrices[..., k, k])
    inner = np.arctan2(-sign * matrices[..., i, j], matrices[..., i, i])
    # Where the middle one is a quarter turn the outer two turn about one axis: all of it is the first's.
    is_locked = np.abs(matrices[..., i, k]) > 1 - 1e-9
    locked = np.arctan2(sign * matrices[..., k, j], matrices[..., j, j])
    angles = np.stack([np.where(is_locked, locked, outer), middle, np.where(is_locked, 0, inner)], axis=-1)
    return np.degrees(angles)


def _wrap(degrees: np.ndarray) -> np.ndarray:
    return (degrees + 180) % 360 - 180


def _hierarchy(
    joint: int, depth: int, rig: Rig, ends: dict[int, np.ndarray], settings: ExportSettings
) -> Iterator[str]:
    scale, decimals = _UNITS[settings.bvh_unit], _DECIMALS[settings.bvh_unit]

    def offset(place: np.ndarray) -> str:
        return "OFFSET " + " ".join(f"{value:.{decimals}f}" for value in (scale * place + 0.0).tolist())

    tab = "\t" * depth
    parent = PARENTS[joint]
    yield f"{tab}{'ROOT' if parent < 0 else 'JOINT'} {joint_names(settings.bvh_names)[joint]}"
    yield f"{tab}{{"
    yield f"{tab}\t{offset(np.zeros(3) if parent < 0 else rig.joints[joint] - rig.joints[parent])}"
    turns = " ".join(f"{axis}rotation" for axis in settings.bvh_order)
    yield f"{tab}\tCHANNELS {'6 Xposition Yposition Zposition ' if parent < 0 else '3 '}{turns}"
    for child in _children(joint):
        yield from _hierarchy(child, depth + 1, rig, ends, settings)
    if joint in ends:
        yield from (f"{tab}\tEnd Site", f"{tab}\t{{", f"{tab}\t\t{offset(ends[joint])}", f"{tab}\t}}")
    yield f"{tab}}}"


def _ends(body: Body, rig: Rig) -> dict[int, np.ndarray]:
    """Where each last joint's flesh ends, from the joint: finger tips and toes, chin and pupils."""
    tips = dict(zip(FINGERTIP_JOINTS, body.landmarks.fingertips.tolist(), strict=True))
    tips |= dict(zip(_FEET, body.landmarks.toes.tolist(), strict=True))
    owners = rig.weights.argmax(1)
    for joint in range(NUM_JOINTS):
        if joint not in tips and not _children(joint):
            own = np.flatnonzero(owners == joint)
            tips[joint] = own[np.argmax(rig.vertices[own, 2])]  # the foremost
    return {joint: rig.vertices[vertex] - rig.joints[joint] for joint, vertex in tips.items()}


def _children(joint: int) -> list[int]:
    return [child for child, parent in enumerate(PARENTS) if parent == joint]


def _depth_first(joint: int) -> Iterator[int]:
    yield joint
    for child in _children(joint):
        yield from _depth_first(child)


def _mixamo_name(name: str) -> str:
    """As in Mixamo's files: left_index1 -> mixamorig:LeftHandIndex1. They know no jaw."""
    side, _, rest = name.rpartition("_")
    finger = f"Hand{rest.capitalize()}"
    return f"mixamorig:{side.capitalize()}{_MIXAMO.get(rest, finger)}"
