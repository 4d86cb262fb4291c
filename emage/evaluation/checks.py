"""Arrays that metrics are given, checked."""

import numpy as np
import torch

from emage.errors import MotionError
from emage.motion.rotations import axis_angle_to_matrix
from emage.motion.skeleton import POSE_CHANNELS


def check_numbers(name: str, array: np.ndarray, shape: tuple[int | None, ...], min_length: int = 1) -> np.ndarray:
    """As float64, if it has this shape (None: any number but 0), length and finite numbers."""
    array = check_shape(name, array, shape, min_length)
    if array.dtype.kind not in "fiu":
        raise MotionError(f"{name} holds {array.dtype}; it must hold numbers.")
    array = array.astype(np.float64, copy=False)
    if not np.isfinite(array).all():
        at = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
        raise MotionError(f"{name}{at} is {array[tuple(at)]}; every value must be a finite number.")
    return array


def check_flags(name: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    array = check_shape(name, array, shape)
    if array.dtype != bool:
        raise MotionError(f"{name} holds {array.dtype}; it must hold True and False.")
    return array


def check_shape(name: str, array: np.ndarray, shape: tuple[int | None, ...], min_length: int = 1) -> np.ndarray:
    array = np.asarray(array)
    fits = array.ndim == len(shape) and all(
        size is None or size == found for size, found in zip(shape, array.shape, strict=True)
    )
    if not fits or array.size == 0:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise MotionError(f"{name} has shape {array.shape}; it must be ({wanted}), and not empty.")
    if len(array) < min_length:
        raise MotionError(f"{name} has length {len(array)}; at least {min_length} are needed.")
    return array


def pose_matrices(name: str, poses: np.ndarray, min_length: int = 1) -> torch.Tensor:
    """(T, 165) axis-angle -> (T, 55, 3, 3) float64."""
    poses = check_numbers(name, poses, (None, POSE_CHANNELS), min_length)
    return axis_angle_to_matrix(torch.from_numpy(poses).unflatten(-1, (-1, 3)))
