"""What stands when, and which path over the floor is wanted: what the foot lock goes by, of motion in pieces.

The own path is trusted at the frequencies of steps and above; below them only so far as legs and path say the same (see
`emage.postprocess.drift`). So who stands stays, and who walks walks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from emage.motion import Motion
from emage.motion.stages import HeldFrames, HeldRows
from emage.postprocess.blocks import BLOCK_FRAMES, block_end
from emage.postprocess.contacts import bearing_shift, find_contacts, standing_lift
from emage.postprocess.drift import DriftFilter
from emage.postprocess.paths import JoinedShift, Ties
from emage.postprocess.stances import Foot, FootShape, PosedBody, find_feet, shape_of, turned

AHEAD_FRAMES, BACK_FRAMES = 45, 120
"""Contacts of a block of frames are found with so many after and before it in sight."""
LIFT_FRAMES = 5
"""The path's height follows the floor that slowly."""

_GROUND = [0, 2]


@dataclass(frozen=True, eq=False)
class Standing:
    """T frames: both feet, contacts (T, 2 feet, 2: heel, ball) bool, and the path (T, 3) that is wanted, metres above
    the floor."""

    feet: tuple[Foot, Foot]
    contacts: np.ndarray
    wanted: np.ndarray

    def frames(self, start: int, end: int) -> "Standing":
        feet = tuple(foot.frames(start, end) for foot in self.feet)
        return Standing(feet, self.contacts[start:end], self.wanted[start:end])

    @classmethod
    def join(cls, pieces: Sequence["Standing"]) -> "Standing":
        feet = tuple(Foot.join([piece.feet[side] for piece in pieces]) for side in range(2))
        contacts, wanted = (
            np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("contacts", "wanted")
        )
        return cls(feet, contacts, wanted)


class StandingStage:
    """Motion in pieces -> what stands in it.

    ties: of the whole motion. floor_y: metres.
    """

    def __init__(self, body: PosedBody, ties: Ties, floor_y: float):
        self._body, self._ties, self._floor = body, ties, np.array([0, floor_y, 0])
        self._total = len(ties.locked)
        self._held = HeldFrames()
        self._feet = HeldFeet()
        self._own, self._contacts, self._lift = HeldRows(), HeldRows(), HeldRows()
        self._shapes: tuple[FootShape, FootShape] | None = None
        self._drift, self._shift = DriftFilter(self._total), JoinedShift(ties.locked)
        self._found = self._done = 0

    def push(self, piece: Motion) -> Standing | None:
        self._held.add(piece)
        # In pieces that do not depend on those that come, so that neither does the last bit of any number.
        while (end := min(self._feet.end + BLOCK_FRAMES, self._total)) <= self._held.end and end > self._feet.end:
            motion = self._held.frames(self._feet.end, end)
            feet = find_feet(motion, self._body, self._shapes)
            self._shapes = self._shapes or tuple(shape_of(foot) for foot in feet)
            self._feet.add(feet)
            self._own.add(motion.trans - self._floor)
            self._held.drop(end)
        shifts = []
        while self._found < self._total:
            end = block_end(self._found, self._total, AHEAD_FRAMES)
            sight = min(end + AHEAD_FRAMES, self._total)
            if self._feet.end < sight:
                break
            shifts.append(self._find(self._found, end, sight))
        return self._give(np.concatenate(shifts)) if shifts else None

    def finish(self) -> Standing | None:
        return self._give(self._shift.finish())

    def _find(self, start: int, end: int, sight: int) -> np.ndarray:
        """Contacts and heights of a block -> the shifts of the path that are settled by it."""
        low = max(start - BACK_FRAMES, 0)
        feet, own = self._feet.frames(low, sight), self._own.rows(low, sight)
        soles = np.concatenate([foot.ankle[:, None] + turned(foot.turn, foot.sole) for foot in feet], axis=1)
        shift = bearing_shift(soles + own[:, None])
        lowest = soles[..., 1].min(axis=1) + own[:, 1]
        known = self._contacts.rows(low, start) if start else None
        contacts = find_contacts(tuple(foot.track(own + shift) for foot in feet), lowest, known)
        lift, _ = standing_lift(lowest)
        lift = gaussian_filter1d(lift, LIFT_FRAMES, mode="nearest")
        block = slice(start - low, end - low)
        self._contacts.add(contacts[block] & ~self._ties.locked[start:end, None, None])
        self._lift.add(lift[block])
        steps = (np.diff(path[:, _GROUND], axis=0, prepend=path[:1, _GROUND])[block] for path in (own, own + shift))
        self._found = end
        return self._shift.push(-self._drift.push(*steps))

    def _give(self, shift: np.ndarray) -> Standing | None:
        if len(shift) == 0:
            return None
        start, end = self._done, self._done + len(shift)
        wanted = self._own.rows(start, end).copy()
        wanted[:, _GROUND] += shift
        wanted[:, 1] += self._ties.near[start:end] * self._lift.rows(start, end)
        given = Standing(self._feet.frames(start, end), self._contacts.rows(start, end).copy(), wanted)
        self._done = end
        for held in (self._feet, self._own, self._contacts, self._lift):
            held.drop(min(end, self._found - BACK_FRAMES))
        return given


class HeldFeet:
    """Both feet in pieces, of which a stage still needs some frames."""

    def __init__(self) -> None:
        self.start = 0
        self._feet: tuple[Foot, Foot] | None = None

    @property
    def end(self) -> int:
        return self.start + (0 if self._feet is None else len(self._feet[0].hip))

    def add(self, feet: tuple[Foot, Foot]) -> None:
        known = self._feet
        self._feet = feet if known is None else tuple(Foot.join(pair) for pair in zip(known, feet, strict=True))

    def frames(self, start: int, end: int) -> tuple[Foot, Foot]:
        return tuple(foot.frames(start - self.start, end - self.start) for foot in self._feet)

    def drop(self, start: int) -> None:
        start = min(start, self.end)
        if self._feet is not None and start > self.start:
            self._feet, self.start = self.frames(start, self.end), start
