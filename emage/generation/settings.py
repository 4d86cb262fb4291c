"""What a take is made with, besides recording and hints. Defined once: commands, page, API and zips are views of it."""

from typing import Annotated, Literal

from pydantic import Field

from emage.errors import EmageError
from emage.validation import checked

EXACT = "exact"
"""Frame t starts at sample round(t * 16000 / 30); every frame of the recording is generated."""
PUBLISHED = "published"
"""The arithmetic of the published code: 533 samples a frame, up to eight frames of the tail lost."""

AS_GENERATED = "as-generated"
IN_PLACE = "in-place"
GROUNDED = "grounded"
TRANSLATIONS = (AS_GENERATED, IN_PLACE, GROUNDED)

MAX_SEAM_FRAMES = 20

SeamFrames = Annotated[int, Field(ge=0, le=MAX_SEAM_FRAMES)]


@checked(EmageError)
class TakeSettings:
    """The settings of `EmagePipeline.generate`, by the same names.

    A name of weights that came with somebody's file may be any path of the machine: look it up among those that are
    offered.

    Raises:
        EmageError: a value of another kind, or out of range.
    """

    weights: Annotated[str, Field(min_length=1)] | None = None
    """A folder in the released layout, a repo id on the Hub, or "demo". Default: the published weights."""
    speaker: Annotated[int, Field(ge=0, le=10**9)] = 0
    """Index into the speakers that the weights know."""
    seed: Annotated[int, Field(ge=0)] | None = None
    """Sample another take, the same one for the same number. Default: the weights' own take."""
    temperature: Annotated[float, Field(ge=0)] = 1.0
    """Of the sample with --seed."""
    top_k: Annotated[int, Field(ge=1)] | None = None
    """Sample among the k most probable codes only."""
    timing: Literal["exact", "published", "reference"] = EXACT
    """"published" is the published code's arithmetic, which drifts and drops up to eight frames ("reference" is its
    earlier name)."""
    translation: Literal["as-generated", "in-place", "grounded"] | None = None
    """The root trajectory: "grounded" holds standing feet and takes out drift, "in-place" takes the trajectory out,
    "as-generated" leaves all as the networks made it. Locks stay. Default: grounded; as generated with the published
    timing."""
    seam_frames: SeamFrames | None = None
    """Smooth the body over so many frames on both sides of where two windows join, e.g. 10. Locks stay. Default: the
    weights' own; 0 is off."""
    use_audio: bool = True
    """Off: no audio, masked gesture reconstruction: the body is completed from the hints alone. The face follows the
    speech all the same."""

    def __post_init__(self):
        if self.timing == "reference":
            object.__setattr__(self, "timing", PUBLISHED)

    def check_sample(self) -> None:
        """Raise EmageError where temperature or top_k are set and no seed, without which nothing is sampled by them."""
        if self.seed is None and (self.temperature, self.top_k) != (1.0, None):
            raise EmageError("temperature and top_k are of a sample: give a seed with them.")

    @property
    def resolved_translation(self) -> str:
        """Grounded by default; as generated in the published timing, which keeps its numbers."""
        if self.translation is not None:
            return self.translation
        return GROUNDED if self.timing == EXACT else AS_GENERATED
