"""Locked spans: the reference is put into the output exactly, with blended borders."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from emage.hints.plan import LOCK, Hints
from emage.motion import FPS, Motion
from emage.motion.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from emage.motion.skeleton import DISJOINT_PARTS, PART_JOINTS
from emage.motion.stages import HeldFrames

JOIN_FRAMES = 150
"""The path comes to where a locked lower body is over so many frames, or over the whole gap where that is shorter."""
LEAST_BLEND_FRAMES, MOST_BLEND_FRAMES = 6, 30
"""Of a border whose plan leaves them open."""
BLEND_RAD_PER_S, BLEND_M_PER_S = 2.0, 0.5
"""How fast, on average, the joint that has farthest to turn bridges that, and the pelvis its height."""

_GROUND = [0, 2]


@dataclass(frozen=True, eq=False)
class _Border:
    """One end of a locked span. frame: the locked one at it; step: to the free ones, 1 or -1; beside: (N,) those that a
    blend may reach, the nearest first; inside: the next frame within the span, where there is one; least, most: frames
    of the blend."""

    frame: int
    step: int
    beside: np.ndarray
    inside: int | None
    least: int
    most: int

    def within(self, start: int, end: int, count: int) -> "tuple[np.ndarray, np.ndarray]":
        """-> numbers of the free frames from `start` to `end` that a blend of `count` frames reaches, and how far each
        is from the border, from 1 on."""
        beside = self.beside[:count]
        chosen = np.flatnonzero((beside >= start) & (beside < end))
        return beside[chosen], chosen + 1


class LockStage:
    """Puts the locked spans of hints into motion. It waits where a border comes near that frames before it lead to.

    Inside a span the output is the reference. Outside, over `blend_frames` frames on each side, the difference
    between the two at the border fades away, and for rotations that of their velocities, so that nothing jumps. Where
    the plan leaves `blend_frames` open, each border has as many as the distance needs that is bridged there, over all
    parts that are locked from it on (`BLEND_RAD_PER_S`); the velocities fade over `LEAST_BLEND_FRAMES` then. The path
    is not bent back: before a locked lower body that begins within `JOIN_FRAMES`, and after one, it is moved as a
    whole, and between two of them its shift changes evenly, over the last `JOIN_FRAMES` where they lie further apart.
    Before a first one that begins later the path begins where that is.

    hints: their faces in the motion's basis; `FaceMapLoader.hints` of `emage.body.face` takes them over. num_frames: of
    the whole motion.
    """

    def __init__(self, hints: Hints, num_frames: int):
        locked = hints.plan.covers(num_frames, modes=(LOCK,))
        self._reference = hints.reference
        self._ranges = {part: _ranges(locked[:, column]) for column, part in enumerate(DISJOINT_PARTS)}
        blend_frames = hints.plan.blend_frames
        self._borders = {part: list(_borders(each, num_frames, blend_frames)) for part, each in self._ranges.items()}
        self._together: dict[tuple[int, int], list[str]] = {}
        """Parts that are locked up to the same frame, or from it on."""
        for part, borders in self._borders.items():
            for border in borders:
                self._together.setdefault((border.frame, border.step), []).append(part)
        self._path = _LockedPath(self._ranges["lower"], self._reference.trans[:, _GROUND])
        # Of each frame, the first that it needs, and how many must have come.
        oldest, needed = np.arange(num_frames), np.arange(num_frames) + 1
        for border in (each for borders in self._borders.values() for each in borders):
            oldest[border.beside] = np.minimum(oldest[border.beside], border.frame)
            needed[border.beside] = np.maximum(needed[border.beside], border.frame + 1)
        for start, border in self._path.approaches:
            needed[start:border] = np.maximum(needed[start:border], border + 1)
        self._needed = np.maximum.accumulate(needed)
        self._oldest = np.minimum.accumulate(oldest[::-1])[::-1]
        self._held, self._done = HeldFrames(), 0

    @property
    def locks_any(self) -> bool:
        """Whether anything is locked at all."""
        return any(self._ranges.values())

    def push(self, piece: Motion) -> Motion | None:
        start = self._held.end
        self._held.add(piece)
        self._path.see(start, piece.trans[:, _GROUND])
        return self._settle(int(np.searchsorted(self._needed, self._held.end, side="right")))

    def finish(self) -> Motion | None:
        return self._settle(self._held.end)

    def _settle(self, end: int) -> Motion | None:
        start, self._done = self._done, max(end, self._done)
        if end <= start:
            return None
        free, given = self._held.frames(self._held.start, self._held.end), self._held.frames(start, end)
        low = self._held.start
        poses, expressions, trans = given.poses.copy(), given.expressions.copy(), given.trans.copy()
        for part, ranges in self._ranges.items():
            if not ranges:
                continue
            channels = _channels(part)
            fixed = self._reference.poses[:, channels]
            turned = poses[:, channels]
            for border in self._borders[part]:
                count = self._count(border, free, low)
                _fade_turn(turned, start, border, count, free.poses[:, channels], low, fixed)
            poses[:, channels] = _put(turned, start, ranges, fixed)
            if part == "face":
                self._fade_values(expressions, start, part, free, free.expressions, low, self._reference.expressions)
            if part == "lower":
                trans[:, _GROUND] += self._path.shift(np.arange(start, end))
                height = trans[:, 1:2]
                self._fade_values(height, start, part, free, free.trans[:, 1:2], low, self._reference.trans[:, 1:2])
                trans = _put(trans, start, ranges, self._reference.trans)
        if end < len(self._oldest):
            self._held.drop(int(self._oldest[end]))
        return replace(given, poses=poses, expressions=expressions, trans=trans)

    def _count(self, border: _Border, free: Motion, low: int) -> int:
        """Frames of a border's blend; 0 as long as the frame at it has not come, for then none beside it is settled."""
        at = border.frame - low
        if border.least == border.most:
            return border.most
        if not 0 <= at < free.num_frames:
            return 0
        wanted = 0.0
        for part in self._together[border.frame, border.step]:
            channels = _channels(part)
            turn = _turn_between(free.poses[at, channels], self._reference.poses[border.frame, channels])
            wanted = max(wanted, turn.norm(dim=-1).max().item() / BLEND_RAD_PER_S)
            if part == "lower":
                rise = abs(self._reference.trans[border.frame, 1] - free.trans[at, 1])
                wanted = max(wanted, rise / BLEND_M_PER_S)
        return min(max(math.ceil(wanted * FPS), border.least), border.most)

    def _fade_values(
        self, values: np.ndarray, start: int, part: str, free: Motion, channels: np.ndarray, low: int, fixed: np.ndarray
    ) -> None:
        """In place, (T, C) of frames from `start`; channels: those of `free`, of the frames from `low`."""
        for border in self._borders[part]:
            count = self._count(border, free, low)
            beside, distance = border.within(start, start + len(values), count)
            if len(beside):
                difference = fixed[border.frame] - channels[border.frame - low]
                values[beside - start] += _weights(distance, count)[:, None] * difference
        _put(values, start, self._ranges[part], fixed)


class _LockedPath:
    """What a path over the floor is shifted by for the locks of the lower body."""

    def __init__(self, ranges: list[tuple[int, int]], fixed: np.ndarray):
        """fixed: (T, 2) the reference's path."""
        self._fixed = fixed
        self._frames = [frame for start, end in ranges for frame in (start, end - 1)]
        self.approaches: list[tuple[int, int]] = []
        """First frame whose shift leads to the beginning of a span, and that beginning."""
        for number, (border, _) in enumerate(ranges):
            gap_start = ranges[number - 1][1] - 1 if number else 0
            self.approaches.append((max(gap_start, border - JOIN_FRAMES), border))
        self._shifts: dict[int, np.ndarray] = {}

    def see(self, start: int, free: np.ndarray) -> None:
        """Take the path (T, 2) of the frames from `start`."""
        for frame in self._frames:
            if start <= frame < start + len(free):
                self._shifts[frame] = self._fixed[frame] - free[frame - start]
        is_far = bool(self._frames) and self._frames[0] > JOIN_FRAMES
        if start == 0 and is_far:
            self._shifts[self.approaches[0][0]] = self._fixed[self._frames[0]] - free[0]

    def shift(self, frames: np.ndarray) -> np.ndarray:
        """(T,) -> (T, 2); only of frames whose spans have been seen as far as they need."""
        knots = dict(sorted(self._shifts.items()))
        for start, border in self.approaches:
            before = [knots[frame] for frame in knots if frame <= start]
            if border in knots and before:
                knots[start] = before[-1]
                knots = dict(sorted(knots.items()))
        at, values = np.array(list(knots)), np.array(list(knots.values()))
        return np.stack([np.interp(frames, at, values[:, axis]) for axis in range(2)], -1)


def _ranges(flags: np.ndarray) -> list[tuple[int, int]]:
    """(T,) bool -> (start, end) of its runs, end exclusive."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _channels(part: str) -> list[int]:
    return [3 * joint + i for joint in PART_JOINTS[part] for i in range(3)]


def _weights(distance: np.ndarray, count: int) -> np.ndarray:
    """Half a cosine, from 1 at a border to 0 behind the last of `count` frames."""
    return np.where(distance <= count, 0.5 * (1 + np.cos(np.pi * distance / (count + 1))), 0.0)


def _borders(ranges: list[tuple[int, int]], num_frames: int, blend_frames: int | None) -> Iterator[_Border]:
    """The borders beside which frames are free, in order.

    Between two spans that lie closer than twice `blend_frames`, or the least, both reach through the whole gap and
    their weights add up to 1. At the ends of the recording the curve is cut off, not squeezed.
    """
    least = LEAST_BLEND_FRAMES if blend_frames is None else blend_frames
    most = MOST_BLEND_FRAMES if blend_frames is None else blend_frames
    for i, (start, end) in enumerate(ranges):
        before = ranges[i - 1][1] if i > 0 else None
        after = ranges[i + 1][0] if i + 1 < len(ranges) else None
        gaps = (None if before is None else start - before, None if after is None else after - end)
        for border, gap, step in ((start, gaps[0], -1), (end - 1, gaps[1], 1)):
            shares_gap = gap is not None and gap < 2 * least and least > 0
            fewest, longest = (gap, gap) if shares_gap else (least, most if gap is None else min(most, gap))
            frames = border + step * np.arange(1, min(longest, num_frames) + 1)
            frames = frames[(frames >= 0) & (frames < num_frames)]
            if len(frames):
                next_inside = border - step if start <= border - step < end else None
                yield _Border(border, step, frames, next_inside, fewest, longest)


def _put(values: np.ndarray, start: int, ranges: list[tuple[int, int]], fixed: np.ndarray) -> np.ndarray:
    """In place, values (T, C) of the frames from `start` with the locked ones as they are given."""
    end = start + len(values)
    for first, last in ranges:
        low, high = max(first, start), min(last, end)
        if low < high:
            values[low - start : high - start] = fixed[low:high]
    return values


def _fade_turn(
    poses: np.ndarray, start: int, border: _Border, count: int, free: np.ndarray, low: int, fixed: np.ndarray
) -> None:
    """In place, axis-angle (T, J*3) of the frames from `start`; free: of the frames from `low`; fixed: of all."""
    beside, away = border.within(start, start + len(poses), count)
    if len(beside) == 0:
        return
    # The turn from the free to the fixed pose at the border, seen from the free one, fades with distance.
    at, nearest = free[border.frame - low], free[border.beside[0] - low]
    turn = _turn_between(at, fixed[border.frame])
    fading = torch.from_numpy(_weights(away, count))[:, None, None]
    faded = axis_angle_to_matrix(fading * turn)
    if border.inside is not None:
        # So does the difference of their velocities, with which the fixed motion would go on outwards.
        leaving = _turn_between(at, nearest)
        leaving = (axis_angle_to_matrix(turn).transpose(-1, -2) @ leaving[..., None])[..., 0]
        going_on = _turn_between(fixed[border.inside], fixed[border.frame])
        # Over the fewest frames, or it would go far.
        gone = torch.from_numpy(away * np.square(_weights(away, border.least)))[:, None, None]
        faded = faded @ axis_angle_to_matrix(gone * (going_on - leaving))
    poses[beside - start] = matrix_to_axis_angle(_matrices(poses[beside - start]) @ faded).flatten(-2)


def _turn_between(first: np.ndarray, second: np.ndarray) -> torch.Tensor:
    """(J*3,), (J*3,) -> (J, 3), as seen from the first."""
    return matrix_to_axis_angle(_matrices(first).transpose(-1, -2) @ _matrices(second))


def _matrices(axis_angle: np.ndarray) -> torch.Tensor:
    return axis_angle_to_matrix(torch.from_numpy(axis_angle.astype(np.float64)).unflatten(-1, (-1, 3)))
