"""A take while it is made: what the service hands to the page piece by piece, and the take when it is there."""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

from emage.generation.take import Request, StoredTake
from emage.motion import Motion, join_motions
from emage.pipeline import EmagePipeline, Progress

StreamTake = Callable[[str, Request, Progress | None], Iterator[Motion]]
"""Weights' name in the registry, request, progress -> the motion in pieces, one at least."""


@dataclass(frozen=True, eq=False)
class TakePiece:
    """Some frames of a take that is being made, as they stay.

    number: of the take among those of the request, from 0. start_frame: of these frames in the take; 0 where a take
    begins. total_frames: of the whole take. motion: these frames alone. request: what the take is made of.
    """

    number: int
    start_frame: int
    total_frames: int
    motion: Motion
    request: Request


@dataclass(frozen=True, eq=False)
class MadeTake:
    """A take after the last of its pieces, in the user's list; note: a sentence where it has no video."""

    number: int
    take: StoredTake
    note: str


class Pieces:
    """The pieces of one take, which come when they are asked for; afterwards its motion, and how long it took."""

    def __init__(self, number: int, request: Request, pipeline: EmagePipeline, made: Iterator[Motion]):
        self._number, self._request, self._made = number, request, made
        self._total = pipeline.count_frames(request.recording, request.settings)
        self._pieces: list[Motion] = []
        self.took_s = 0.0
        """Without the time between a piece and the question for the next one."""

    def __iter__(self) -> Iterator[TakePiece]:
        start = 0
        try:
            while (piece := self._next()) is not None:
                self._pieces.append(piece)
                yield TakePiece(self._number, start, self._total, piece, self._request)
                start += piece.num_frames
        finally:
            if isinstance(self._made, Generator):
                self._made.close()

    def _next(self) -> Motion | None:
        asked = time.monotonic()
        piece = next(self._made, None)
        self.took_s += time.monotonic() - asked
        return piece

    @property
    def motion(self) -> Motion:
        """The whole, when all pieces have come."""
        return join_motions(self._pieces)
