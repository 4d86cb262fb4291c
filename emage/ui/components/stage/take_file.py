"""A take as the stage is sent it: rotations, root, face and which parts are hints, in a few kilobytes a second.

    file    = b"EMAGETK2", uint32 length of the header, header (JSON), block, block, ...
    header  = {"fps", "joints", "faces", "quaternion_step", "parts"}
    block   = uint32 frames T, uint32 length of the payload, float64 root base (3), root step, face step; payload
    payload = zlib of three byte planes of uint32 (C, T): all lowest bytes, all middle ones, all highest ones

All little-endian. The C channels of a block, whole numbers over its T frames, are in this order: quaternions (55 joints
x w, x, y, z) in steps of `quaternion_step`; root x, y, z in root steps from the block's base; the `faces` first
expressions in face steps; one number whose bits 2i and 2i + 1 say what part i of `parts` is: 0 generated, 1 a hint that
is followed, 2 one that is locked. Of each channel there are second differences over time, from 0 before the block,
folded to positive numbers: 0, -1, 1, -2 become 0, 1, 2, 3.

Quaternions are not of unit length by their rounding, and those of one joint never leap to the other sign within a
block. Blocks stand alone, so a take that is being made is sent as they come: `encode_header`, then `encode_frames` for
each piece. With these steps joints of a grown-up are off by 0.1 mm.
"""

import json
import struct
import zlib

import numpy as np
import torch

from emage.motion.rotations import axis_angle_to_quaternion
from emage.motion.skeleton import DISJOINT_PARTS, NUM_JOINTS

MAGIC = b"EMAGETK2"
BLOCK_FRAMES = 300
_QUATERNION_STEP = 2.0**-14
_ROOT_STEP_M = 1e-4
_FACE_STEP = 2.0**-9
_BLOCK = struct.Struct("<II5d")
_LARGEST = 2**22
"""Of a channel's numbers: their second differences, four times as large, fit into three bytes when they are folded."""


def encode_header(fps: float, num_faces: int) -> bytes:
    """What a take begins with. fps: of its frames. num_faces: how many of the expressions the body has."""
    header = {
        "fps": fps,
        "joints": NUM_JOINTS,
        "faces": num_faces,
        "quaternion_step": _QUATERNION_STEP,
        "parts": DISJOINT_PARTS,
    }
    text = json.dumps(header).encode()
    return MAGIC + struct.pack("<I", len(text)) + text


def encode_frames(poses: np.ndarray, trans: np.ndarray, faces: np.ndarray, hints: np.ndarray) -> bytes:
    """Frames of a take, or a piece of it, as blocks; arguments as of `encode_block`."""
    pieces = (slice(start, start + BLOCK_FRAMES) for start in range(0, len(poses), BLOCK_FRAMES))
    return b"".join(encode_block(poses[piece], trans[piece], faces[piece], hints[piece]) for piece in pieces)


def encode_block(poses: np.ndarray, trans: np.ndarray, faces: np.ndarray, hints: np.ndarray) -> bytes:
    """Some frames as one block.

    Args:
        poses: (T, 165) axis-angle. trans: (T, 3) metres.
        faces: (T, K) coefficients of the expressions that the body's GLB has, in its order.
        hints: (T, 5) uint8 of `HintPlan.states`.
    """
    base = trans[0]
    root_step, face_step = _step(trans - base, _ROOT_STEP_M), _step(faces, _FACE_STEP)
    bits = hints.astype(np.int64) @ (1 << 2 * np.arange(hints.shape[1]))
    numbers = np.concatenate(
        [
            np.rint(_quaternions(poses) / _QUATERNION_STEP),
            np.rint((trans - base) / root_step),
            np.rint(faces / face_step),
            bits[:, None],
        ],
        axis=1,
    ).astype(np.int64)  # (T, C)
    steps = np.diff(numbers, n=2, axis=0, prepend=np.zeros((2, numbers.shape[1]), np.int64)).T  # (C, T)
    folded = ((steps << 1) ^ (steps >> 63)).astype("<u4")
    planes = np.ascontiguousarray(folded).view(np.uint8).reshape(-1, 4).T[:3]
    payload = zlib.compress(planes.tobytes(), 9)
    return _BLOCK.pack(len(numbers), len(payload), *base, root_step, face_step) + payload


def _quaternions(poses: np.ndarray) -> np.ndarray:
    """(T, 165) axis-angle -> (T, 220), each of the two signs that is nearer to the one before."""
    turns = torch.from_numpy(poses.astype(np.float64)).unflatten(1, (NUM_JOINTS, 3))
    quaternions = axis_angle_to_quaternion(turns).numpy()  # (T, J, 4)
    leaps = (quaternions[1:] * quaternions[:-1]).sum(-1) < 0  # (T - 1, J)
    signs = np.cumprod(np.concatenate([np.ones((1, NUM_JOINTS)), np.where(leaps, -1.0, 1.0)]), axis=0)
    return (quaternions * signs[..., None]).reshape(len(poses), -1)


def _step(values: np.ndarray, finest: float) -> float:
    """The finest step, or a coarser one where the values would not fit."""
    return max(finest, float(np.abs(values).max(initial=0)) / _LARGEST)
