"""Motion as it is made: the one contract of all stages that keep state, and motion in pieces.

A stage takes pieces in order, gives what is settled, and gives the rest at the end. It waits for as many frames as it
needs and no more, and what it has given never changes. Stages follow one another as generators do: nothing is made
before it is asked for, and who closes the last of them frees all of them.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import numpy as np

from emage.errors import MotionError
from emage.motion.motion import Motion

Pieces = Generator[Motion, None, None]
"""A motion in pieces that follow one another; closing it stops what makes it."""

Given = TypeVar("Given", contravariant=True)
Made = TypeVar("Made", covariant=True)


class Stage(Protocol[Given, Made]):
    """What goes in comes out, later and changed, every frame of it once and in order."""

    def push(self, piece: Given) -> Made | None:
        """Take the frames that follow those before; give those that are settled by them, None where none is."""
        ...

    def finish(self) -> Made | None:
        """Give the rest, when all has been pushed."""
        ...


def run_stages(pieces: Iterable[Any], stages: Sequence[Stage]) -> Generator[Any, None, None]:
    """Pieces through one stage after the other."""
    for stage in stages:
        pieces = _through(iter(pieces), stage)
    yield from pieces


def _through(pieces: Iterator[Any], stage: Stage) -> Generator[Any, None, None]:
    try:
        for piece in pieces:
            made = stage.push(piece)
            if made is not None:
                yield made
        made = stage.finish()
        if made is not None:
            yield made
    finally:
        if isinstance(pieces, Generator):
            pieces.close()


def join_motions(pieces: Sequence[Motion]) -> Motion:
    """Pieces of one motion, in order, as one.

    Raises:
        MotionError: there is none.
    """
    if not pieces:
        raise MotionError("There are no pieces of motion to join; give at least one.")
    if len(pieces) == 1:
        return pieces[0]
    arrays = (np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("poses", "expressions", "trans"))
    poses, expressions, trans = arrays
    return replace(pieces[0], poses=poses, expressions=expressions, trans=trans)


class HeldRows:
    """Rows of an array in pieces that a stage still needs, by their numbers in the whole."""

    def __init__(self) -> None:
        self.start = 0
        self._rows: np.ndarray | None = None

    @property
    def end(self) -> int:
        return self.start + (0 if self._rows is None else len(self._rows))

    def add(self, piece: np.ndarray) -> None:
        self._rows = piece.copy() if self._rows is None else np.concatenate([self._rows, piece])

    def rows(self, start: int, end: int) -> np.ndarray:
        """From `start` to `end`, end exclusive, all of them held."""
        assert self._rows is not None
        assert self.start <= start <= end <= self.end
        return self._rows[start - self.start : end - self.start]

    def drop(self, start: int) -> None:
        """Forget the rows before `start`."""
        if self._rows is not None and start > self.start:
            start = min(start, self.end)
            # A copy, for a slice would hold all that it was cut from.
            self._rows, self.start = self._rows[start - self.start :].copy(), start

    def cut(self, end: int) -> None:
        """Forget the rows from `end` on."""
        if self._rows is not None:
            self._rows = self._rows[: max(end - self.start, 0)]


class HeldFrames:
    """The frames of a motion in pieces that a stage still needs, by their numbers in the whole."""

    def __init__(self) -> None:
        self.start = 0
        self._motion: Motion | None = None

    @property
    def end(self) -> int:
        return self.start + (0 if self._motion is None else self._motion.num_frames)

    def add(self, piece: Motion) -> None:
        self._motion = piece if self._motion is None else join_motions([self._motion, piece])

    def frames(self, start: int, end: int) -> Motion:
        """From `start` to `end`, end exclusive; at least one frame, all of them held."""
        assert self._motion is not None
        assert self.start <= start < end <= self.end
        return self._motion.frames(start - self.start, end - self.start)

    def drop(self, start: int) -> None:
        """Forget the frames before `start`."""
        if self._motion is None or start <= self.start:
            return
        start = min(start, self.end)
        kept = None if start == self.end else _copied(self.frames(start, self.end))
        self._motion, self.start = kept, start


def _copied(motion: Motion) -> Motion:
    return replace(motion, poses=motion.poses.copy(), expressions=motion.expressions.copy(), trans=motion.trans.copy())


class LocalStage:
    """A filter whose frames depend on `reach_frames` to each side and no more; it waits for so many.

    apply: changes a motion; at the ends of the whole it is given those, elsewhere a context whose ends are cut off.
    """

    def __init__(self, apply: Callable[[Motion], Motion], reach_frames: int):
        self._apply, self._reach = apply, reach_frames
        self._held = HeldFrames()
        self._done = 0

    def push(self, piece: Motion) -> Motion | None:
        self._held.add(piece)
        return self._settle(self._held.end - self._reach)

    def finish(self) -> Motion | None:
        return self._settle(self._held.end)

    def _settle(self, end: int) -> Motion | None:
        if end <= self._done:
            return None
        low = max(self._done - self._reach, 0)
        context = self._apply(self._held.frames(low, self._held.end))
        start, self._done = self._done, end
        self._held.drop(end - self._reach)
        return context.frames(start - low, end - low)
