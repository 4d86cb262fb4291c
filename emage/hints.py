"""Hints: motion of the user's own for a body part over a span of time, shown to the network or put into the result.

A plan and a reference motion become the (T, 337) mask and motion of the network (0 visible, 1 hidden); spans in mode
`lock` are also put into the output.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emage.audio import frame_to_second, second_to_frame
from emage.errors import HintError
from emage.motion import ARKIT52, FPS, Motion
from emage.rotations import (
    axis_angle_to_matrix,
    axis_angle_to_rotation_6d,
    matrix_to_axis_angle,
)
from emage.skeleton import (
    ARKIT_ACTIONS,
    CONTACT_JOINTS,
    CONTACTS,
    HINT_PARTS,
    JAW_JOINT,
    JAW_OPEN_RAD,
    LEAF_PARTS,
    LEAVES_OF,
    MOTION_CHANNELS,
    PART_JOINTS,
    ROTATION_CHANNELS,
    TRANSLATION,
    hint_channels,
)

FOLLOW = "follow"
"""Shown to the network only; it may deviate."""
LOCK = "lock"
"""Shown to the network, and put into the output exactly, with blended borders."""
MODES = (FOLLOW, LOCK)

CONTACT_SPEED_M = 0.01
"""A foot joint that moves less than this in a frame is in contact (BEAT2's own threshold)."""

_MAX_FRAME = 10**9  # a year; beyond it a number is a mistake, and may not fit where it goes
_CONVERTED_AT_ONCE = 4096

_SPAN_KEYS = {"part", "start_s", "end_s", "start_frame", "end_frame", "mode"}
_PLAN_KEYS = {"spans", "blend_frames"}


@dataclass(frozen=True)
class Span:
    """One body part from `start_frame` to `end_frame` (exclusive).

    Raises:
        HintError: unknown part or mode, or an empty or negative span.
    """

    part: str
    start_frame: int
    end_frame: int
    mode: str = FOLLOW

    def __post_init__(self):
        if self.part not in HINT_PARTS:
            raise HintError(f"There is no body part '{self.part}'; choose one of {', '.join(HINT_PARTS)}.")
        if self.mode not in MODES:
            raise HintError(f"A span is '{FOLLOW}' or '{LOCK}', not '{self.mode}'.")
        if self.start_frame < 0 or self.end_frame <= self.start_frame:
            raise HintError(
                f"The span of {self.part} from frame {self.start_frame} to {self.end_frame} is empty or starts before "
                "0; its end must lie behind its start."
            )

    @classmethod
    def from_json(cls, span: Any) -> "Span":
        """`{"part": …, "start_s": …, "end_s": …, "mode": …}`, or frames as `start_frame`, `end_frame`."""
        if not isinstance(span, dict):
            raise HintError(f"A span is an object with part, start and end, not {span!r}.")
        unknown = sorted(set(span) - _SPAN_KEYS)
        if unknown:
            raise HintError(f"A span has no field {', '.join(unknown)}; known are {', '.join(sorted(_SPAN_KEYS))}.")
        if not isinstance(span.get("part"), str):
            raise HintError(f"The span {span} names no part; choose one of {', '.join(HINT_PARTS)}.")
        mode = span.get("mode", FOLLOW)
        if not isinstance(mode, str):
            raise HintError(f"A span is '{FOLLOW}' or '{LOCK}', not {mode!r}.")
        return cls(span["part"], _frame_of(span, "start"), _frame_of(span, "end"), mode)

    @property
    def ending(self) -> str:
        """The beginning of a sentence about its end."""
        end_s = frame_to_second(self.end_frame)
        return f"The span of {self.part} ends at frame {self.end_frame} ({end_s:.2f} s)"

    def to_json(self) -> dict[str, Any]:
        return {"part": self.part, "start_frame": self.start_frame, "end_frame": self.end_frame, "mode": self.mode}


def _frame_of(span: dict[str, Any], edge: str) -> int:
    given = [key for key in (f"{edge}_frame", f"{edge}_s") if key in span]
    if len(given) != 1:
        raise HintError(f"The span {span} must have exactly one of {edge}_s and {edge}_frame.")
    value = span[given[0]]
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_MAX_FRAME <= value <= _MAX_FRAME:
        raise HintError(f"{given[0]} of the span of {span['part']} is {str(value)[:40]}; it must be a sensible number.")
    if given[0].endswith("_s"):
        return second_to_frame(value)
    if value != int(value):
        raise HintError(f"{given[0]} of the span of {span['part']} is {value!r}; it must be a whole number.")
    return int(value)


@dataclass(frozen=True)
class HintPlan:
    """Which parts are hinted when.

    blend_frames: frames outside each border of a locked span over which the generated motion leads to and from it.

    Raises:
        HintError: spans of one part overlap with different modes.
    """

    spans: tuple[Span, ...] = ()
    blend_frames: int = 6

    def __post_init__(self):
        if isinstance(self.blend_frames, bool) or not isinstance(self.blend_frames, int) or self.blend_frames < 0:
            raise HintError(f"blend_frames is {self.blend_frames!r}; it must be a whole number, 0 or more.")
        for leaf in LEAF_PARTS:
            spans = sorted(self.spans_of(leaf), key=lambda span: span.start_frame)
            reach: dict[str, Span] = {}  # for each mode, the span seen so far that ends last
            for span in spans:
                for mode, earlier in reach.items():
                    if mode != span.mode and span.start_frame < earlier.end_frame:
                        raise HintError(
                            f"Two spans of {leaf} overlap with different modes: '{earlier.mode}' over frames "
                            f"{earlier.start_frame}-{earlier.end_frame} ({earlier.part}) and '{span.mode}' over "
                            f"{span.start_frame}-{span.end_frame} ({span.part}). Shorten one or give both one mode."
                        )
                if span.mode not in reach or span.end_frame > reach[span.mode].end_frame:
                    reach[span.mode] = span

    @classmethod
    def from_json(cls, plan: Any) -> "HintPlan":
        """From `{"spans": [...], "blend_frames": 6}` as an object or as text."""
        if isinstance(plan, str):
            try:
                plan = json.loads(plan)
            except (ValueError, RecursionError) as error:
                raise HintError(f"The plan is not JSON that can be read ({error}).") from error
        if not isinstance(plan, dict) or not isinstance(plan.get("spans"), list) or set(plan) - _PLAN_KEYS:
            raise HintError('A plan is {"spans": [...]} with, if wanted, "blend_frames", and nothing else.')
        return cls(tuple(Span.from_json(span) for span in plan["spans"]), plan.get("blend_frames", cls.blend_frames))

    @classmethod
    def load(cls, path: str | Path) -> "HintPlan":
        """From a JSON file; raises HintError."""
        try:
            text = Path(path).read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise HintError(f"{path}: the plan cannot be read ({error}).") from error
        return cls.from_json(text)

    def to_json(self) -> dict[str, Any]:
        return {"spans": [span.to_json() for span in self.spans], "blend_frames": self.blend_frames}

    def check_fits(self, num_frames: int) -> None:
        """Raise HintError for a span that goes beyond a recording of `num_frames` frames."""
        for span in self.spans:
            if span.end_frame > num_frames:
                raise HintError(
                    f"{span.ending}, but the recording lasts {num_frames} frames "
                    f"({frame_to_second(num_frames):.2f} s). Shorten the span."
                )

    def spans_of(self, leaf: str) -> list[Span]:
        """The spans that cover a leaf part, `hands` counting for both hands."""
        return [span for span in self.spans if leaf in LEAVES_OF[span.part]]

    def covers(self, num_frames: int, modes: Iterable[str] = MODES) -> np.ndarray:
        """(T, 5) bool, in the order of `LEAF_PARTS`: where a part is a hint in one of `modes`."""
        covered = np.zeros((num_frames, len(LEAF_PARTS)), dtype=bool)
        for column, leaf in enumerate(LEAF_PARTS):
            for span in self.spans_of(leaf):
                if span.mode in modes:
                    covered[span.start_frame : span.end_frame, column] = True
        return covered


@dataclass(frozen=True, eq=False)
class Hints:
    """A plan, and the motion that it shows; frame t of the reference is meant for frame t of the recording."""

    reference: Motion
    plan: HintPlan

    def __post_init__(self):
        object.__setattr__(self, "reference", self.reference.resample(FPS))
        for span in self.plan.spans:
            if span.end_frame > self.reference.num_frames:
                raise HintError(
                    f"{span.ending}, but the reference motion has {self.reference.num_frames} frames "
                    f"({self.reference.duration_s:.2f} s). Shorten the span or give a longer motion."
                )

    def check_basis(self, expression_basis: str, reason: str = "") -> None:
        """Raise HintError for a locked face where the motion's expressions are in another basis.

        reason: why the face could not be taken over to it, where that was tried.
        """
        is_foreign = self.reference.expression_basis != expression_basis
        if is_foreign and any(span.mode == LOCK for span in self.plan.spans_of("face")):
            raise HintError(
                f"The face cannot be locked: the reference's expressions are in the basis "
                f"'{self.reference.expression_basis}', these weights make '{expression_basis}'. "
                + (f"The matrix that takes faces from one to the other could not be had: {reason} " if reason else "")
                + "Use 'follow' for the face, or weights of the reference's basis."
            )


@dataclass(frozen=True)
class NetworkHints:
    """motion (T, 337) float32 and mask (T, 337) uint8, 1 hidden and 0 visible, as the generator takes them."""

    motion: np.ndarray
    mask: np.ndarray

    def __post_init__(self):
        if self.motion.shape != self.mask.shape or self.motion.shape[1:] != (MOTION_CHANNELS,):
            raise HintError(f"Hint motion {self.motion.shape} and mask {self.mask.shape} must both be (T, 337).")


def network_hints(hints: Hints, contacts: np.ndarray, num_frames: int) -> NetworkHints:
    """What the generator is shown of `hints`, over `num_frames` frames.

    contacts: (T, 4), of the reference; see `foot_contacts`. A reference that ends early stands still from there on;
    no span reaches that far. A mouth that opens by the action jawOpen is shown as the turn of the jaw like it, for a
    network is shown of a face the jaw alone.
    """
    motion = np.empty((num_frames, MOTION_CHANNELS), dtype=np.float32)
    shown = min(num_frames, hints.reference.num_frames)
    motion[:shown] = motion_channels(_with_turned_jaw(hints.reference.frames(0, shown)), contacts[:shown])
    motion[shown:] = motion[shown - 1]
    mask = np.ones((num_frames, MOTION_CHANNELS), dtype=np.uint8)
    for span in hints.plan.spans:
        mask[span.start_frame : span.end_frame, hint_channels(span.part)] = 0
    return NetworkHints(motion, mask)


def _with_turned_jaw(motion: Motion) -> Motion:
    if motion.expression_basis != ARKIT52:
        return motion
    poses = motion.poses.copy()
    poses[:, 3 * JAW_JOINT] += JAW_OPEN_RAD * motion.expressions[:, ARKIT_ACTIONS.index("jawOpen")]
    return replace(motion, poses=poses)


def motion_channels(motion: Motion, contacts: np.ndarray) -> np.ndarray:
    """(T, 337) float32: 55 joints x 6D, translation, foot contacts (T, 4)."""
    channels = np.empty((motion.num_frames, MOTION_CHANNELS), dtype=np.float32)
    for start in range(0, motion.num_frames, _CONVERTED_AT_ONCE):
        part = slice(start, start + _CONVERTED_AT_ONCE)
        poses = torch.from_numpy(motion.poses[part].astype(np.float64))
        channels[part, :ROTATION_CHANNELS] = axis_angle_to_rotation_6d(poses)
    channels[:, TRANSLATION] = motion.trans
    channels[:, CONTACTS] = contacts
    return channels


def foot_contacts(joints: np.ndarray) -> np.ndarray:
    """Joint positions (T, 55, 3) in metres at 30 fps -> (T, 4) float32, 1 where a foot joint stands.

    A foot joint stands in a frame when it moves less than 1 cm to the next one; the last frame is as the one before.
    """
    feet = joints[:, CONTACT_JOINTS]
    if len(feet) == 1:
        return np.ones((1, len(CONTACT_JOINTS)), dtype=np.float32)
    speed = np.linalg.norm(np.diff(feet, axis=0), axis=-1)
    return (np.concatenate([speed, speed[-1:]]) < CONTACT_SPEED_M).astype(np.float32)


def apply_locks(motion: Motion, hints: Hints) -> Motion:
    """Put the locked spans of `hints` into `motion`.

    Inside a span the output is the reference. Outside, over `blend_frames` frames on each side, the difference
    between the two at the border fades away, and for rotations that of their velocities, so that nothing jumps. The
    path is not bent back: before and after a locked lower body it is moved as a whole, and between two of them its
    shift changes evenly.

    Raises:
        HintError: a locked face whose expressions are in another basis than the motion's; `FaceMapLoader.hints` of
            `emage.face` takes them over.
    """
    hints.check_basis(motion.expression_basis)
    locked = hints.plan.covers(motion.num_frames, modes=(LOCK,))
    if not locked.any():
        return motion
    reference = hints.reference
    poses, expressions, trans = motion.poses.copy(), motion.expressions.copy(), motion.trans.copy()
    for column, leaf in enumerate(LEAF_PARTS):
        ranges = _ranges(locked[:, column])
        if not ranges:
            continue
        channels = [3 * joint + i for joint in PART_JOINTS[leaf] for i in range(3)]
        poses[:, channels] = _lock_rotations(poses[:, channels], reference.poses[:, channels], ranges, hints.plan)
        if leaf == "face":
            expressions = _lock_values(expressions, reference.expressions, ranges, hints.plan)
        if leaf == "lower":
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
