"""How to draw: what can be chosen of a picture. It stands apart from what draws, which takes seconds to import."""

from typing import Annotated, Literal

import numpy as np
from PIL import ImageColor
from pydantic import Field

from emage.errors import RenderError
from emage.validation import checked

RENDERERS = ("moderngl", "pyrender")
CAMERAS = ("still", "follow", "face")

Pixels = Annotated[int, Field(ge=64, le=4096, multiple_of=2)]
Degrees = Annotated[float, Field(ge=-36000, le=36000)]


@checked(RenderError)
class RenderSettings:
    """How to draw. Bodies stand side by side, each in a panel of its own.

    Raises:
        RenderError: a value of another kind, an unknown name, a size or colour that is not possible.
    """

    renderer: Literal["moderngl", "pyrender", "skeleton"] = "moderngl"
    """"pyrender" is slower, and a second opinion ("skeleton", an earlier figure in plain shapes, now draws the body by
    moderngl)."""
    camera: Literal["follow", "still", "face"] = "follow"
    """"follow" goes along with the body, "still" sees the whole path, "face" is a close-up that follows the head."""
    yaw_degrees: Degrees = 0.0
    """Turns the camera round the body, from its front towards its left side."""
    size: Pixels = 720
    """Width and height of a body's panel in pixels, even."""
    panel_width: Pixels | None = None
    """Where it is not the height."""
    panel_height: Pixels | None = None
    """Where it is not the width."""
    face_inset: bool = True
    """A close-up of the face in the corner of each panel ("face" has none)."""
    captions: bool = True
    """Write each body's caption, and where there are hints what the colours mean."""
    floor: bool = True
    """Draw the floor, its grid and the shadow."""
    background: str = "#eef0f4"
    """#rrggbb or any colour name of CSS, as the other colours."""
    generated_color: str = "#5b8fd9"
    hint_color: str = "#b4b6ba"
    """Of hints that are locked."""
    followed_color: str = "#686a6e"
    """Of hints that are followed: darker than what is generated, which is darker than what is locked, so that the three
    are told apart without their hue, too."""
    samples: Literal[1, 2, 4, 8] = 4
    """Antialiasing samples a pixel of moderngl; 1 is none. pyrender has its own."""

    def __post_init__(self):
        if self.renderer == "skeleton":
            object.__setattr__(self, "renderer", "moderngl")
        for color in (self.background, self.generated_color, self.hint_color, self.followed_color):
            rgb_of(color)

    def part_colors(self, states: np.ndarray) -> np.ndarray:
        """(..., 3) float32 sRGB of parts that are generated, followed or locked: (...) of `HintPlan.states`."""
        colors = (self.generated_color, self.followed_color, self.hint_color)
        return np.stack([rgb_of(color) for color in colors])[states]

    @property
    def width(self) -> int:
        """Of a panel, pixels."""
        return self.panel_width or self.size

    @property
    def height(self) -> int:
        """Of a panel, pixels."""
        return self.panel_height or self.size


def rgb_of(color: str) -> np.ndarray:
    """(3,) float32 in 0..1, sRGB, of a CSS colour.

    Raises:
        RenderError: not a colour.
    """
    try:
        return np.array(ImageColor.getrgb(color)[:3], dtype=np.float32) / 255
    except ValueError as error:
        raise RenderError(f"'{color}' is no colour; write it as '#5b8fd9' or by a CSS name such as 'white'.") from error
