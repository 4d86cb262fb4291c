"""What lies over the pictures: captions, and the rounded frame of the face close-up. The same for every renderer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_SUPERSAMPLING = 4


@dataclass(frozen=True, eq=False)
class Patch:
    """Pixels to be laid over a picture: rows and columns (n,), paint (n, 3) float32 in 0..255 and already times its
    opacity, and keep (n, 1) float32, how much of the picture stays.
    """

    rows: np.ndarray
    columns: np.ndarray
    paint: np.ndarray
    keep: np.ndarray

    @classmethod
    def at(cls, top: int, left: int, opacity: np.ndarray, color: tuple[int, int, int]) -> "Patch":
        """opacity (h, w) of a colour, with its first corner at (top, left)."""
        rows, columns = np.nonzero(opacity > 0)
        seen = opacity[rows, columns, None].astype(np.float32)
        return cls(rows + top, columns + left, seen * np.float32(color), 1 - seen)

    def apply(self, picture: np.ndarray) -> None:
        """Blend into picture (H, W, 3) uint8, in place."""
        under = picture[self.rows, self.columns]
        picture[self.rows, self.columns] = (under * self.keep + self.paint + 0.5).astype(np.uint8)


def caption_patches(
    texts: Sequence[str], panel_width: int, panel_height: int, background: np.ndarray
) -> list[Patch | None]:
    """One line in the middle of each panel's bottom edge, all in one size: smaller or cut where one is too wide.

    background: (3,) sRGB in 0..1, for a colour of the text that can be read on it. None for blank texts.
    """
    lines = [" ".join(text.split()) for text in texts]
    width = 0.94 * panel_width
    size = max(10, round(panel_height * 0.036))
    widest = max((ImageFont.load_default(size).getlength(line) for line in lines), default=0)
    font = ImageFont.load_default(size * max(0.7, min(1.0, width / max(widest, 1.0))))
    light = float(background @ np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)) < 0.5
    color = (235, 237, 240) if light else (52, 56, 64)
    return [_line_patch(_cut(line, font, width), font, panel_width, panel_height, color) for line in lines]


def _line_patch(
    text: str, font: ImageFont.FreeTypeFont, panel_width: int, panel_height: int, color: tuple[int, int, int]
) -> Patch | None:
    if not text:
        return None
    left, _, right, _ = font.getbbox(text)
    height, width = sum(font.getmetrics()), max(1, int(np.ceil(right - left)))
    image = Image.new("L", (width, height))
    ImageDraw.Draw(image).text((-left, 0), text, font=font, fill=255)
    top = panel_height - height - round(panel_height * 0.022)
    return Patch.at(top, (panel_width - width) // 2, np.asarray(image, dtype=np.float32) / 255, color)


class InsetFrame:
    """Places a square close-up in a corner of a panel, with round corners and a thin light border.

    places: (top, left) of its four possible places in pixels, the best looking first.
    """

    def __init__(self, panel_width: int, panel_height: int, caption: bool):
        self.size = 2 * round(0.145 * min(panel_width, panel_height))
        margin = round(0.022 * min(panel_width, panel_height))
        low = panel_height - self.size - (round(0.085 * panel_height) if caption else margin)
        far = panel_width - margin - self.size
        self.places = ((margin, far), (margin, margin), (low, far), (low, margin))
        radius, border = 0.09 * self.size, max(1.5, 0.011 * self.size)
        # Three quarters of the way into the border, which hides the close-up's hard edge.
        self._inside = _rounded_square(self.size, 0.75 * border, radius - 0.75 * border)[..., None] > 0.5
        ring = _rounded_square(self.size, 0, radius) - _rounded_square(self.size, border, radius - border)
        self._border = Patch.at(0, 0, ring, (255, 255, 255))

    def apply(self, picture: np.ndarray, close_up: np.ndarray, place: tuple[int, int]) -> None:
        """Lay close_up (size, size, 3) over picture (H, W, 3) uint8 at (top, left), in place."""
        top, left = place
        region = picture[top : top + self.size, left : left + self.size]
        np.copyto(region, close_up, where=self._inside)
        self._border.apply(region)


def _rounded_square(size: int, inset: float, radius: float) -> np.ndarray:
    """(size, size) float32 opacity of a square with round corners, `inset` pixels inside the border."""
    big = size * _SUPERSAMPLING
    image = Image.new("L", (big, big))
    edge = inset * _SUPERSAMPLING
    ImageDraw.Draw(image).rounded_rectangle(
        (edge, edge, big - 1 - edge, big - 1 - edge), radius * _SUPERSAMPLING, fill=255
    )
    return np.asarray(image.resize((size, size), Image.Resampling.BOX), dtype=np.float32) / 255


def _cut(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1].rstrip()
    return text + "…"
