"""How to draw: what can be chosen of a picture. It stands apart from what draws, which takes seconds to import."""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from PIL import ImageColor

from emage.errors import RenderError

MESH_RENDERERS = ("moderngl", "pyrender")
RENDERERS = (*MESH_RENDERERS, "skeleton")
CAMERAS = ("still", "follow", "face")


@dataclass(frozen=True)
class RenderSettings:
    """How to draw.

    renderer: "moderngl" (the default) or "pyrender" draw the body's surface; "skeleton" draws limbs, fingers and the
        features of the face in plain shapes, several times as fast and without OpenGL.
    panel_width, panel_height: pixels of one body's picture, even; bodies stand side by side.
    camera: "follow" goes along with the body, "still" sees the whole path, "face" is a close-up that follows the head.
    yaw_degrees: turns the camera round the body, from its front towards its left side.
    face_inset: a close-up of the face in the corner of each picture ("face" has none).
    captions: write each actor's caption.
    floor: draw the floor, its grid and the shadow.
    background, generated_color, hint_color: "#rrggbb" or any colour name of CSS.
    samples: antialiasing samples a pixel of moderngl; 1 is none. The others have their own.

    Raises:
        RenderError: an unknown name, a size or colour that is not possible.
    """

    renderer: str = "moderngl"
    panel_width: int = 720
    panel_height: int = 720
    camera: str = "follow"
    yaw_degrees: float = 0.0
    face_inset: bool = True
    captions: bool = True
    floor: bool = True
    background: str = "#eef0f4"
    generated_color: str = "#5b8fd9"
    hint_color: str = "#b4b6ba"
    samples: int = 4

    def __post_init__(self):
        for name, known in (("renderer", RENDERERS), ("camera", CAMERAS)):
            value = getattr(self, name)
            if not isinstance(value, str) or value not in known:
                raise RenderError(f"There is no {name} {value!r}; choose one of {', '.join(known)}.")
        for name in ("panel_width", "panel_height"):
            size = getattr(self, name)
            if not _is_whole(size) or not 64 <= size <= 4096 or size % 2:
                raise RenderError(f"{name}={size!r} is not possible; give an even number of pixels from 64 to 4096.")
        yaw = self.yaw_degrees
        if not isinstance(yaw, Real) or isinstance(yaw, bool) or not -36000 <= yaw <= 36000:
            raise RenderError(f"yaw_degrees={yaw!r} is no angle; give degrees.")
        for name in ("face_inset", "captions", "floor"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise RenderError(f"{name}={getattr(self, name)!r} is not possible; give True or False.")
        if not _is_whole(self.samples) or self.samples not in (1, 2, 4, 8):
            raise RenderError(f"samples={self.samples!r} is not possible; give 1, 2, 4 or 8.")
        for name in ("background", "generated_color", "hint_color"):
            rgb_of(getattr(self, name))


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def rgb_of(color: str) -> np.ndarray:
    """(3,) float32 in 0..1, sRGB, of a CSS colour.

    Raises:
        RenderError: not a colour.
    """
    if not isinstance(color, str):
        raise RenderError(f"{color!r} is no colour; write it as '#5b8fd9' or by a CSS name such as 'white'.")
    try:
        return np.array(ImageColor.getrgb(color)[:3], dtype=np.float32) / 255
    except ValueError as error:
        raise RenderError(f"'{color}' is no colour; write it as '#5b8fd9' or by a CSS name such as 'white'.") from error
