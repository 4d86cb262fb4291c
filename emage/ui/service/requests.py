"""What the page asks the service for, and what its operator allows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from emage.errors import EmageError
from emage.generation.take import Request
from emage.hints import Placement
from emage.recording.pronunciation import ENGLISH
from emage.render.settings import RenderSettings
from emage.ui.service.calls import CallLimits


@dataclass(frozen=True)
class PageSettings:
    """max_duration_s: a longer recording is refused. size: width and height of the video in pixels, even, unless a
    user chooses another. at_once: takes that are made at the same time. calls: how many a caller may have waiting.

    Raises:
        EmageError: a limit that is no number above 0. RenderError: a size that cannot be drawn.
    """

    max_duration_s: float = 20 * 60
    size: int = 640
    at_once: int = 1
    calls: CallLimits = field(default_factory=CallLimits)

    def __post_init__(self):
        if not 0 < self.max_duration_s < math.inf:
            raise EmageError(f"max_duration_s is {self.max_duration_s}; it must be a number of seconds above 0.")
        if type(self.at_once) is not int or self.at_once < 1:
            raise EmageError(f"at_once is {self.at_once!r}; it must be a whole number of takes, 1 or more.")
        RenderSettings(size=self.size)


@dataclass(frozen=True, eq=False)
class PageRequest:
    """Takes of one recording that the page asks for, and how to show them.

    reference_name, placement: for the command that repeats a take. smplx: show with SMPL-X. text, language: of the
    transcript, where the recording may have other words yet. film: draw a video of each take.
    """

    takes: Sequence[Request]
    picture: RenderSettings
    reference_name: str
    placement: Placement
    smplx: bool = False
    text: str = ""
    language: str = ENGLISH
    film: bool = True
