"""Locked spans: the reference is put into the output exactly, with blended borders."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch

from emage.hints.plan import LOCK, HintPlan, Hints
from emage.motion import Motion
from emage.motion.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from emage.motion.skeleton import DISJOINT_PARTS, PART_JOINTS


def apply_locks(motion: Motion, hints: Hints) -> Motion:
    """Put the locked spans of `hints` into `motion`.

    Inside a span the output is the reference. Outside, over `blend_frames` frames on each side, the difference
    between the two at the border fades away, and for rotations that of their velocities, so that nothing jumps. The
    path is not bent back: before and after a locked lower body it is moved as a whole, and between two of them its
    shift changes evenly.

    Raises:
        HintError: a locked face whose expressions are in another basis than the motion's; `FaceMapLoader.hints` of
            `emage.body.face` takes them over.
    """
    hints.check_basis(motion.expression_basis)
    locked = hints.plan.covers(motion.num_frames, modes=(LOCK,))
    if not locked.any():
        return motion
    reference = hints.reference
    poses, expressions, trans = motion.poses.copy(), motion.expressions.copy(), motion.trans.copy()
    for column, part in enumerate(DISJOINT_PARTS):
        ranges = _ranges(locked[:, column])
        if not ranges:
            continue
        channels = [3 * joint + i for joint in PART_JOINTS[part] for i in range(3)]
        poses[:, channels] = _lock_rotations(poses[:, channels], reference.poses[:, channels], ranges, hints.plan)
        if part == "face":
            expressions = _lock_values(expressions, reference.expressions, ranges, hints.plan)
        if part == "lower":
            trans[:, [0, 2]] = _lock_path(trans[:, [0, 2]], reference.trans[:, [0, 2]], ranges)
            trans[:, 1:2] = _lock_values(trans[:, 1:2], reference.trans[:, 1:2], ranges, hints.plan)
    return replace(motion, poses=poses, expressions=expressions, trans=trans)


def _ranges(flags: np.ndarray) -> list[tuple[int, int]]:
    """(T,) bool -> (start, end) of its runs, end exclusive."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _borders(
    ranges: list[tuple[int, int]], num_frames: int, blend_frames: int
) -> Iterable[tuple[int, np.ndarray, np.ndarray]]:
    """For each border: the locked frame at it, the free frames beside it, and their weights, 1 at the border to 0.

    The weights are half a cosine. Between two spans that lie closer than twice `blend_frames`, both reach through the
    whole gap and their weights add up to 1. At the ends of the recording the curve is cut off, not squeezed.
    """
    for i, (start, end) in enumerate(ranges):
        before = ranges[i - 1][1] if i > 0 else None
        after = ranges[i + 1][0] if i + 1 < len(ranges) else None
        gaps = (None if before is None else start - before, None if after is None else after - end)
        for border, gap, step in ((start, gaps[0], -1), (end - 1, gaps[1], 1)):
            count = gap if gap is not None and gap < 2 * blend_frames and blend_frames > 0 else blend_frames
            distance = np.arange(1, count + 1)
            frames = border + step * distance
            inside = (frames >= 0) & (frames < num_frames)
            yield border, frames[inside], 0.5 * (1 + np.cos(np.pi * distance[inside] / (count + 1)))


def _lock_rotations(free: np.ndarray, fixed: np.ndarray, ranges: list[tuple[int, int]], plan: HintPlan) -> np.ndarray:
    """(T, J*3) axis-angle -> (T, J*3)."""
    result = free.copy()
    for border, frames, weights in _borders(ranges, len(free), plan.blend_frames):
        if len(frames) == 0:
            continue
        # The turn from the free to the fixed pose at the border, seen from the free one, fades with distance.
        turn = _turn_between(free[border], fixed[border])
        fading = torch.from_numpy(weights)[:, None, None]
        faded = axis_angle_to_matrix(fading * turn)
        inside = 2 * border - int(frames[0])
        if any(start <= inside < end for start, end in ranges):
            # So does the difference of their velocities, with which the fixed motion would go on outwards.
            leaving = _turn_between(free[border], free[frames[0]])
            leaving = (axis_angle_to_matrix(turn).transpose(-1, -2) @ leaving[..., None])[..., 0]
            going_on = _turn_between(fixed[inside], fixed[border])
            distance = torch.arange(1, len(frames) + 1, dtype=torch.float64)[:, None, None]
            faded = faded @ axis_angle_to_matrix(distance * fading.square() * (going_on - leaving))
        result[frames] = matrix_to_axis_angle(_matrices(result[frames]) @ faded).flatten(-2)
    for start, end in ranges:
        result[start:end] = fixed[start:end]
    return result


def _turn_between(first: np.ndarray, second: np.ndarray) -> torch.Tensor:
    """(J*3,), (J*3,) -> (J, 3), as seen from the first."""
    return matrix_to_axis_angle(_matrices(first).transpose(-1, -2) @ _matrices(second))


def _matrices(axis_angle: np.ndarray) -> torch.Tensor:
    return axis_angle_to_matrix(torch.from_numpy(axis_angle.astype(np.float64)).unflatten(-1, (-1, 3)))


def _lock_values(free: np.ndarray, fixed: np.ndarray, ranges: list[tuple[int, int]], plan: HintPlan) -> np.ndarray:
    result = free.copy()
    for border, frames, weights in _borders(ranges, len(free), plan.blend_frames):
        result[frames] += weights[:, None] * (fixed[border] - free[border])
    for start, end in ranges:
        result[start:end] = fixed[start:end]
    return result


def _lock_path(free: np.ndarray, fixed: np.ndarray, ranges: list[tuple[int, int]]) -> np.ndarray:
    """(T, 2) ground positions -> (T, 2)."""
    borders = [frame for start, end in ranges for frame in (start, end - 1)]
    shift = np.stack([fixed[frame] - free[frame] for frame in borders])
    frames = np.arange(len(free))
    result = free + np.stack([np.interp(frames, borders, shift[:, axis]) for axis in range(2)], -1)
    for start, end in ranges:
        result[start:end] = fixed[start:end]
    return result
