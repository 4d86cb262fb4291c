"""Reference motion laid along a recording: shifted, looped, or stretched to its end."""

import math
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from emage.errors import HintError
from emage.hints.plan import MAX_FRAMES, Frame, HintPlan, Hints
from emage.motion import FPS, Motion
from emage.recording.audio import second_to_frame
from emage.recording.recording import Recording
from emage.validation import checked

ONCE = "once"
"""Played once; before and after it the body stands still, and no span may reach there."""
LOOP = "loop"
"""Played over and over, from the recording's first frame to its last."""
STRETCH = "stretch"
"""Played once, slower or faster, so that it ends with the recording."""
FILLS = (ONCE, LOOP, STRETCH)


@checked(HintError, "The reference's")
class Placement:
    """Where a reference motion lies along a recording.

    shift_frames: the recording's frame at which the motion starts; a negative one cuts off its beginning. What lies
        before it is filled with earlier passes of a loop, or with the first pose.
    fill: "once", "loop" or "stretch".
    seam_frames: of a loop, over how many frames a pass goes over into the next.

    Raises:
        HintError: no sensible whole numbers, or no such fill.
    """

    shift_frames: Frame = 0
    fill: Literal["once", "loop", "stretch"] = ONCE
    seam_frames: Annotated[Frame, Field(ge=0)] = 10

    @classmethod
    def from_seconds(cls, shift_s: float, fill: str = ONCE, seam_frames: int = 10) -> "Placement":
        """The motion starts `shift_s` seconds after the recording. Raises HintError for what is no number."""
        if not abs(shift_s) < MAX_FRAMES / FPS:
            raise HintError(f"The reference cannot be shifted by {shift_s!r} s; give a sensible number of seconds.")
        return cls(second_to_frame(shift_s), fill, seam_frames)

    def extent(self, motion_frames: int, num_frames: int) -> tuple[int, int]:
        """(start, end) of the frames in which a motion plays, end exclusive; all at 30 frames a second.

        Raises:
            HintError: it plays in none of them.
        """
        if self.fill == LOOP:
            return 0, num_frames
        start = max(self.shift_frames, 0)
        end = num_frames if self.fill == STRETCH else min(self.shift_frames + motion_frames, num_frames)
        if start >= end or self.shift_frames <= -motion_frames:
            raise HintError(
                f"Shifted by {self.shift_frames / FPS:.2f} s, the reference motion of {motion_frames / FPS:.2f} s "
                f"plays nowhere in the recording of {num_frames / FPS:.2f} s. Shift it less."
            )
        return start, end

    def end_frame(self, motion_frames: int, num_frames: int) -> int | None:
        """The frame of a recording of `num_frames` at which a motion ends; None where it is long enough."""
        if self.fill in (LOOP, STRETCH):
            return None
        end = self.shift_frames + motion_frames
        return None if end >= num_frames else max(end, 0)

    def motion(self, motion: Motion, num_frames: int) -> Motion:
        """`motion` laid along a recording of `num_frames`, at 30 frames a second. Raises HintError as `extent`."""
        motion = motion.resample(FPS)
        start, _ = self.extent(motion.num_frames, num_frames)
        played = np.arange(num_frames) - self.shift_frames
        if self.fill == LOOP:
            return loop_motion(motion, played, self.seam_frames)
        if self.fill == STRETCH:
            first = max(-self.shift_frames, 0)
            speed = (motion.num_frames - 1 - first) / max(num_frames - 1 - start, 1)
            return motion.at(first + speed * (np.arange(num_frames) - start))
        return motion.at(played)

    def hints(self, motion: Motion, plan: HintPlan, num_frames: int) -> Hints:
        """The hints of a plan for a recording of `num_frames`.

        Raises:
            HintError: a span lies where the recording or the reference does not, or as `extent`.
        """
        if self == Placement():
            return Hints(motion, plan)  # at its own length: published timing shows more than the recording's frames
        plan.check_fits(num_frames)
        placed = self.motion(motion, num_frames)
        start, end = self.extent(motion.resample(FPS).num_frames, num_frames)
        for span in plan.spans:
            if span.start_frame < start or span.end_frame > end:
                raise HintError(
                    f"The span of {span.part} from frame {span.start_frame} to {span.end_frame} reaches beyond the "
                    f"reference motion, which plays from {start} to {end} ({start / FPS:.2f} to {end / FPS:.2f} s). "
                    f"Shorten the span, shift the motion, or fill the recording with '{LOOP}' or '{STRETCH}'."
                )
        return Hints(placed, plan)


def place_hints(recording: Recording, plan: HintPlan, reference: Motion | None, placement: Placement) -> Hints | None:
    """The hints for the part of a recording that is used; None where no span lies in it.

    Args:
        recording: frame 0 of plan and placement is the first of the whole recording, wherever its part begins.
        plan: spans beyond the part are cut off.
        reference: the motion, None where there is none.
        placement: along the whole recording.

    Raises:
        HintError: spans without a reference, beyond it, or beyond the recording.
    """
    if recording.is_trimmed:
        plan.check_fits(recording.num_frames)
        plan = cut_to_part(plan, recording)
        placement = replace(placement, shift_frames=placement.shift_frames - recording.start_frame)
    if not plan.spans:
        return None
    if reference is None:
        raise HintError("There are hints, but no motion to take them from. Choose a reference motion.")
    return placement.hints(reference, plan, recording.part_frames)


def cut_to_part(plan: HintPlan, recording: Recording) -> HintPlan:
    """The plan over the part of a recording that is used, in which frame 0 is the part's first."""
    # Cut at its start, a recording may round to a frame less than what is left of its own.
    end = min(recording.end_frame, recording.start_frame + recording.part_frames)
    return plan.cut(recording.start_frame, end)


def loop_motion(motion: Motion, played: np.ndarray, seam_frames: int) -> Motion:
    """Frames of an endless repetition.

    Each pass starts `seam_frames` before the one in front of it ends (at most half of the motion), and for so long the
    one goes over into the other: rotations, face and height by their values, the root trajectory by its velocity, so
    that the path goes on from where it is.

    played: (N,) consecutive frames, counted from the start of one pass on; may be negative.
    """
    seam = min(seam_frames, motion.num_frames // 2)
    passes, new = np.divmod(played, motion.num_frames - seam)
    old = np.where((new < seam) & (passes > passes[0]), new + motion.num_frames - seam, new)
    weight = np.where(old != new, 0.5 * (1 + np.cos(math.pi * (new + 1) / (seam + 1))), 0.0)  # of the old pass
    mixed = motion.mix(new, old, weight)

    steps = np.diff(motion.trans[:, [0, 2]], axis=0)
    steps = np.concatenate([steps[:1], steps]) if len(steps) else np.zeros((1, 2))  # into each frame
    taken = steps[new] + weight[:, None] * (steps[old] - steps[new])
    taken[0] = motion.trans[new[0], [0, 2]]
    trans = mixed.trans.copy()
    trans[:, [0, 2]] = taken.cumsum(axis=0)
    return replace(mixed, trans=trans)
