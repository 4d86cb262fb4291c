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


@checked(HintError, "The hint motion's")
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
            raise HintError(f"The hint motion cannot be shifted by {shift_s!r} s; give a sensible number of seconds.")
        return cls(second_to_frame(shift_s), fill, seam_frames)

    def reach(self, motion_frames: int, num_frames: int) -> tuple[int, int]:
        """(start, end) of the frames in which a motion plays, end exclusive, alike where it plays in none; all at 30
        frames a second."""
        if self.fill == LOOP:
            return 0, num_frames
        if self.shift_frames <= -motion_frames:
            return 0, 0
        start = min(max(self.shift_frames, 0), num_frames)
        return start, num_frames if self.fill == STRETCH else min(self.shift_frames + motion_frames, num_frames)

    def extent(self, motion_frames: int, num_frames: int) -> tuple[int, int]:
        """As `reach`.

        Raises:
            HintError: it plays in no frame.
        """
        start, end = self.reach(motion_frames, num_frames)
        if start >= end:
            raise HintError(
                f"Shifted by {self.shift_frames / FPS:.2f} s, the hint motion of {motion_frames / FPS:.2f} s "
                f"plays nowhere in the recording of {num_frames / FPS:.2f} s. Shift it less."
            )
        return start, end

    def motion(self, motion: Motion, num_frames: int) -> Motion:
        """`motion` laid along a recording of `num_frames`, at 30 frames a second. Raises HintError as `extent`."""
        motion_frames = motion.frames_at(FPS)
        start, _ = self.extent(motion_frames, num_frames)
        played = np.arange(num_frames) - self.shift_frames
        if self.fill == LOOP:
            return loop_motion(motion, played, self.seam_frames)
        last = motion_frames - 1
        if self.fill == STRETCH:
            first = max(-self.shift_frames, 0)
            speed = (last - first) / max(num_frames - 1 - start, 1)
            positions = np.clip(first + speed * (np.arange(num_frames) - start), 0, last)
            before = positions.astype(int)
            after = np.minimum(before + 1, last)
            needed, at = np.unique([before, after], return_inverse=True)
            return motion.resampled_frames(needed).mix(*at.reshape(2, -1), positions - before)
        return motion.resampled_frames(np.clip(played, 0, last))

    def hints(self, motion: Motion, plan: HintPlan, num_frames: int) -> Hints:
        """The hints of a plan for a recording of `num_frames`.

        Raises:
            HintError: a span lies where the recording or the reference does not, or as `extent`.
        """
        if self == Placement():
            # At its own length: published timing shows more than the recording's frames.
            return Hints.over(motion, plan, num_frames)
        plan.check_fits(num_frames)
        placed = self.motion(motion, num_frames)
        start, end = self.extent(motion.frames_at(FPS), num_frames)
        for span in plan.spans:
            if span.start_frame < start or span.end_frame > end:
                raise HintError(
                    f"The span of {span.part} {span.extent} reaches beyond the hint motion, which plays from "
                    f"{start / FPS:.2f} to {end / FPS:.2f} s (frames {start}-{end}). "
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
        raise HintError("There are hints, but no motion to take them from. Choose a hint motion.")
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

    motion: at any frame rate. played: (N,) consecutive frames at 30 a second, counted from the start of one pass on;
    may be negative.
    """
    num_frames = motion.frames_at(FPS)
    seam = min(seam_frames, num_frames // 2)
    passes, new = np.divmod(played, num_frames - seam)
    old = np.where((new < seam) & (passes > passes[0]), new + num_frames - seam, new)
    weight = np.where(old != new, 0.5 * (1 + np.cos(math.pi * (new + 1) / (seam + 1))), 0.0)  # of the old pass
    # The frames that are played, and those that the step into each of them leads from; the step into the first is the
    # next one.
    ends = [np.minimum(np.maximum(frame, 1), num_frames - 1) for frame in (new, old)]
    starts = [np.maximum(end - 1, 0) for end in ends]
    needed, at = np.unique([new, old, *ends, *starts], return_inverse=True)
    motion = motion.resampled_frames(needed)
    new, old, *ends, new_start, old_start = at.reshape(6, -1)
    mixed = motion.mix(new, old, weight)

    ground = motion.trans[:, [0, 2]]
    new_step, old_step = ground[ends[0]] - ground[new_start], ground[ends[1]] - ground[old_start]
    taken = new_step + weight[:, None] * (old_step - new_step)
    taken[0] = ground[new[0]]
    trans = mixed.trans.copy()
    trans[:, [0, 2]] = taken.cumsum(axis=0)
    return replace(mixed, trans=trans)
