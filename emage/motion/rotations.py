"""Axis-angle, quaternion, matrix and 6D rotations: the only copy. Batched over leading axes, any device and dtype.

Stable in value and gradient at angle 0, and in value at pi. The 6D form is the first two rows of the matrix, as in
the released EMAGE data and weights (Zhou et al. 2019, "On the Continuity of Rotation Representations", which takes
columns; the rows are the transpose).
"""

import torch
from torch import Tensor
from torch.nn import functional


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """(..., 3) axis times angle in radians -> (..., 3, 3). Rodrigues' formula."""
    tiny = torch.finfo(axis_angle.dtype).tiny
    angle = axis_angle.square().sum(-1).clamp_min(tiny**0.5).sqrt()[..., None, None]
    # sin(a)/a and (1 - cos(a))/a^2 as sinc, so that nothing is divided by a small angle.
    sine_ratio = torch.sinc(angle / torch.pi)
    cosine_ratio = 0.5 * torch.sinc(angle / (2 * torch.pi)).square()
    cross = _cross_matrix(axis_angle)
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return identity + sine_ratio * cross + cosine_ratio * (cross @ cross)


def _cross_matrix(vector: Tensor) -> Tensor:
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))


def matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 4) unit quaternions, real part first and not negative.

    Of the four equivalent forms (Shepperd 1978), each a multiple of the quaternion by one of its own components, the
    one with the largest multiplier is taken, so that no small number is divided by.
    """
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = matrix.flatten(-2).unbind(-1)
    multiples = torch.stack(
        [
            torch.stack([1 + m00 + m11 + m22, m21 - m12, m02 - m20, m10 - m01], -1),
            torch.stack([m21 - m12, 1 + m00 - m11 - m22, m10 + m01, m02 + m20], -1),
            torch.stack([m02 - m20, m10 + m01, 1 - m00 + m11 - m22, m21 + m12], -1),
            torch.stack([m10 - m01, m02 + m20, m21 + m12, 1 - m00 - m11 + m22], -1),
        ],
        -2,
    )  # (..., 4, 4)
    best = multiples.diagonal(dim1=-2, dim2=-1).argmax(-1)[..., None, None].expand(*matrix.shape[:-2], 1, 4)
    quaternion = functional.normalize(multiples.gather(-2, best).squeeze(-2), dim=-1)
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def quaternion_to_axis_angle(quaternion: Tensor) -> Tensor:
    """(..., 4) unit quaternions, real part first and not negative -> (..., 3), angle in [0, pi]."""
    real, imaginary = quaternion[..., :1], quaternion[..., 1:]
    tiny = torch.finfo(quaternion.dtype).tiny
    sine = imaginary.square().sum(-1, keepdim=True).clamp_min(tiny**0.5).sqrt()
    return imaginary * (2 * torch.atan2(sine, real) / sine)


def axis_angle_to_quaternion(axis_angle: Tensor) -> Tensor:
    """(..., 3) -> (..., 4) unit quaternions, real part first and not negative."""
    tiny = torch.finfo(axis_angle.dtype).tiny
    angle = axis_angle.square().sum(-1, keepdim=True).clamp_min(tiny**0.5).sqrt()
    quaternion = torch.cat([torch.cos(angle / 2), 0.5 * torch.sinc(angle / (2 * torch.pi)) * axis_angle], -1)
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 3), angle in [0, pi]."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrix))


def matrix_to_rotation_6d(matrix: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 6): its first two rows."""
    return matrix[..., :2, :].flatten(-2)


def rotation_6d_to_matrix(rotation_6d: Tensor) -> Tensor:
    """(..., 6), any two rows that are not parallel -> (..., 3, 3) by Gram-Schmidt."""
    first, second = rotation_6d.unflatten(-1, (2, 3)).unbind(-2)
    first = functional.normalize(first, dim=-1)
    second = functional.normalize(second - (first * second).sum(-1, keepdim=True) * first, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -2)


def axis_angle_to_rotation_6d(axis_angle: Tensor) -> Tensor:
    """(..., J*3) -> (..., J*6), joint by joint."""
    return matrix_to_rotation_6d(axis_angle_to_matrix(axis_angle.unflatten(-1, (-1, 3)))).flatten(-2)


def rotation_6d_to_axis_angle(rotation_6d: Tensor) -> Tensor:
    """(..., J*6) -> (..., J*3), joint by joint."""
    return matrix_to_axis_angle(rotation_6d_to_matrix(rotation_6d.unflatten(-1, (-1, 6)))).flatten(-2)


def slerp(start: Tensor, end: Tensor, weight: Tensor) -> Tensor:
    """Between two rotations the short way round, at constant angular speed.

    start, end: (..., 3) axis-angle; weight: broadcastable to (..., 1), 0 gives start and 1 gives end -> (..., 3).
    """
    matrix = axis_angle_to_matrix(start)
    step = matrix_to_axis_angle(matrix.transpose(-1, -2) @ axis_angle_to_matrix(end))
    return matrix_to_axis_angle(matrix @ axis_angle_to_matrix(weight * step))


def angle_between(first: Tensor, second: Tensor) -> Tensor:
    """(..., 3, 3), (..., 3, 3) -> (...): the geodesic distance in radians, in [0, pi]."""
    return matrix_to_axis_angle(first.transpose(-1, -2) @ second).norm(dim=-1)
