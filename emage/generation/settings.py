"""What a take is made with, besides recording and hints."""

from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, TypeVar

from emage.errors import EmageError
from emage.generation.decoding import SamplerConfig
from emage.generation.windows import Timing
from emage.postprocess.grounding import AS_GENERATED, GROUNDED, check_translation
from emage.postprocess.smoothing import check_seam_frames

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class TakeSettings:
    """The settings of `EmagePipeline.generate`, by the same names.

    weights: as the user named them; None for the default. A name that came with somebody's file may be any path of the
        machine: look it up among those that are offered.
    seed: None for the weights' own take, which has no other temperature and no top_k.
    translation: None for the one that goes with the timing, see `resolved_translation`.
    seam_frames: None as the weights' config has it.

    Raises:
        EmageError: a value of another kind, or out of range.
    """

    weights: str | None = None
    speaker: int = 0
    seed: int | None = None
    temperature: float = 1.0
    top_k: int | None = None
    timing: str = Timing.EXACT.value
    translation: str | None = None
    seam_frames: int | None = None

    def __post_init__(self):
        if self.weights is not None and not (isinstance(self.weights, str) and self.weights):
            raise EmageError(f"weights is {self.weights!r}; it must be the name of a folder or repo, or nothing.")
        if type(self.speaker) is not int or self.speaker < 0:
            raise EmageError(f"speaker is {self.speaker!r}; it must be a whole number, 0 or more.")
        if isinstance(self.temperature, bool) or not isinstance(self.temperature, Real):
            raise EmageError(f"temperature is {self.temperature!r}; it must be a number.")
        object.__setattr__(self, "timing", Timing(self.timing).value)
        if self.translation is not None:
            check_translation(self.translation)
        if self.seam_frames is not None:
            check_seam_frames(self.seam_frames)
        if self.seed is not None:
            _ = self.sampler
        elif (self.temperature, self.top_k) != (1.0, None):
            raise EmageError("temperature and top_k are of a draw: give a seed with them.")

    @property
    def resolved_translation(self) -> str:
        """Grounded by default; as generated in the published timing, which keeps its numbers."""
        if self.translation is not None:
            return self.translation
        return GROUNDED if self.timing == Timing.EXACT.value else AS_GENERATED

    @property
    def sampler(self) -> SamplerConfig | None:
        """How the codes are chosen; None as the weights have it."""
        return None if self.seed is None else SamplerConfig(self.temperature, self.top_k, self.seed)


def rebuilt(kind: type[Settings], values: Any, what: str) -> Settings:
    """A dataclass of settings from what `dataclasses.asdict` made of it; fields that are not there have their defaults.

    what: the beginning of a sentence about it.

    Raises:
        EmageError: no object, or fields that it has not; and what the dataclass raises.
    """
    known = {field.name for field in fields(kind)}
    if not isinstance(values, dict) or not set(values) <= known:
        raise EmageError(f"{what} must be an object with no other fields than {', '.join(sorted(known))}.")
    return kind(**values)
