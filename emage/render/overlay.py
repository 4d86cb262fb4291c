"""What lies over the pictures: captions, what colours mean, and the rounded frame of the face close-up.

The same for every renderer.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from emage.errors import RenderError

FONT_FILE = Path(__file__).resolve().parents[2] / "assets" / "fonts" / "DejaVuSans.ttf"

_SUPERSAMPLING = 4
_MAX_CHARACTERS = 2000
"""More than have room in the widest panel; what is longer is cut before it is measured."""
_CAPTION_WIDTH = 0.94
"""Of the panel's, with the backing."""
_BACKING_OPACITY = 0.8


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
    def at(cls, top: int, left: int, paint: np.ndarray, opacity: np.ndarray) -> "Patch":
        """paint (h, w, 3) in 0..255, already times opacity (h, w), with its first corner at (top, left)."""
        rows, columns = np.nonzero(opacity > 0)
        seen = opacity[rows, columns, None].astype(np.float32)
        return cls(rows + top, columns + left, paint[rows, columns].astype(np.float32), 1 - seen)

    def apply(self, picture: np.ndarray) -> None:
        """Blend into picture (H, W, 3) uint8, in place."""
        under = picture[self.rows, self.columns]
        picture[self.rows, self.columns] = (under * self.keep + self.paint + 0.5).astype(np.uint8)


def caption_line(text: str) -> str:
    """What is drawn of a caption: one line, without the characters that the font has not; may be empty."""
    line = unicodedata.normalize("NFC", text[:_MAX_CHARACTERS]).encode("utf-8", "ignore").decode()
    font = _font(12)
    # The font draws nothing for a character that it has not.
    unknown = {sign for sign in set(line) if not sign.isspace() and font.getmask(sign).getbbox() is None}
    line = " ".join("".join(sign for sign in line if sign not in unknown).split())
    return line + "…" if line and len(text) > _MAX_CHARACTERS else line


def caption_patches(
    lines: Sequence[str], panel_width: int, panel_height: int, background: np.ndarray
) -> list[Patch | None]:
    """Lines of `caption_line` in the middle of each panel's bottom edge, all in one size: smaller or cut where one is
    too wide. On a backing of the background's colour, for a close-up has a body behind them. None for empty lines.

    background: (3,) sRGB in 0..1.
    """
    size = max(10, round(panel_height * 0.036))
    width = _CAPTION_WIDTH * panel_width - 2 * _padding(size)
    widest = max((_font(size).getlength(line) for line in lines), default=0)
    font = _font(size * max(0.7, min(1.0, width / max(widest, 1.0))))
    return [_line_patch(_cut(line, font, width), font, panel_width, panel_height, background) for line in lines]


def _font(size: float) -> ImageFont.FreeTypeFont:
    try:
        # The basic layout is in every build of Pillow, and draws the same in all of them.
        return ImageFont.truetype(FONT_FILE, size, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise RenderError(f"The font {FONT_FILE} cannot be read ({error}). Get the project's files anew.") from error


def _padding(size: float) -> int:
    """Pixels of the backing to the left and right of text of this size."""
    return max(2, round(0.4 * size))


def _line_patch(
    text: str, font: ImageFont.FreeTypeFont, panel_width: int, panel_height: int, background: np.ndarray
) -> Patch | None:
    if not text:
        return None
    left, _, right, _ = font.getbbox(text)
    padding = _padding(font.size)
    height, width = sum(font.getmetrics()), max(1, int(np.ceil(right - left))) + 2 * padding
    image = Image.new("L", (width, height))
    ImageDraw.Draw(image).text((padding - left, 0), text, font=font, fill=255)
    ink = np.asarray(image, dtype=np.float32) / 255
    paint, opacity = _backed(ink, ink[..., None] * _ink_color(background), background, 0.3 * height)
    return Patch.at(panel_height - height - round(panel_height * 0.022), (panel_width - width) // 2, paint, opacity)


def legend_patch(
    entries: Sequence[tuple[str, np.ndarray]], panel_width: int, panel_height: int, background: np.ndarray, right: bool
) -> Patch:
    """What colours mean, a line each, in the panel's upper left corner or its right one.

    entries: words, and (3,) sRGB in 0..1 as the background.
    """
    shorter = min(panel_width, panel_height)
    font, margin = _font(max(7.0, 0.026 * shorter)), round(0.022 * shorter)
    padding, line, box = _padding(font.size), sum(font.getmetrics()), round(font.size)
    widest = max(font.getlength(words) for words, _ in entries)
    width, height = int(np.ceil(widest)) + box + 3 * padding, line * len(entries) + padding
    image = Image.new("L", (width, height))
    paint = np.zeros((height, width, 3), np.float32)
    writer = ImageDraw.Draw(image)
    swatches = np.zeros((height, width), np.float32)
    for which, (words, color) in enumerate(entries):
        top = padding // 2 + line * which
        writer.text((2 * padding + box, top), words, font=font, fill=255)
        square = (slice(top + (line - box) // 2, top + (line + box) // 2), slice(padding, padding + box))
        paint[square], swatches[square] = 255 * color, 1
    ink = np.asarray(image, dtype=np.float32) / 255
    paint, opacity = _backed(ink + swatches, paint + ink[..., None] * _ink_color(background), background, padding)
    seen = (slice(0, panel_height - margin), slice(0, panel_width - 2 * margin))
    left = panel_width - margin - width if right else margin
    return Patch.at(margin, max(margin, left), paint[seen], opacity[seen])


def _backed(ink: np.ndarray, paint: np.ndarray, background: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Ink (h, w) in 0..1 and its paint (h, w, 3) on a box of the background's colour -> paint and opacity of both."""
    backing = _BACKING_OPACITY * _rounded_box(ink.shape[1], ink.shape[0], 0, radius)
    return paint + ((1 - ink) * backing)[..., None] * (255 * background), 1 - (1 - ink) * (1 - backing)


def _ink_color(background: np.ndarray) -> np.ndarray:
    """(3,) in 0..255 of words on a background."""
    light = float(background @ np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)) < 0.5
    return np.float32((235, 237, 240) if light else (52, 56, 64))


class InsetFrame:
    """Places a square close-up in a corner of a panel, with round corners and a thin light border.

    places: (top, left) of its four possible places in pixels, the best looking first.
    """

    def __init__(self, panel_width: int, panel_height: int, caption: bool):
        self.size = size = 2 * round(0.145 * min(panel_width, panel_height))
        margin = round(0.022 * min(panel_width, panel_height))
        low = panel_height - self.size - (round(0.085 * panel_height) if caption else margin)
        far = panel_width - margin - self.size
        self.places = ((margin, far), (margin, margin), (low, far), (low, margin))
        radius, border = 0.09 * self.size, max(1.5, 0.011 * self.size)
        # Three quarters of the way into the border, which hides the close-up's hard edge.
        self._inside = _rounded_box(size, size, 0.75 * border, radius - 0.75 * border)[..., None] > 0.5
        ring = _rounded_box(size, size, 0, radius) - _rounded_box(size, size, border, radius - border)
        self._border = Patch.at(0, 0, ring[..., None] * np.float32((255, 255, 255)), ring)

    def apply(self, picture: np.ndarray, close_up: np.ndarray, place: tuple[int, int]) -> None:
        """Lay close_up (size, size, 3) over picture (H, W, 3) uint8 at (top, left), in place."""
        top, left = place
        region = picture[top : top + self.size, left : left + self.size]
        np.copyto(region, close_up, where=self._inside)
        self._border.apply(region)


def _rounded_box(width: int, height: int, inset: float, radius: float) -> np.ndarray:
    """(height, width) float32 opacity of a box with round corners, `inset` pixels inside the border."""
    image = Image.new("L", (width * _SUPERSAMPLING, height * _SUPERSAMPLING))
    edge = inset * _SUPERSAMPLING
    ImageDraw.Draw(image).rounded_rectangle(
        (edge, edge, image.width - 1 - edge, image.height - 1 - edge), radius * _SUPERSAMPLING, fill=255
    )
    return np.asarray(image.resize((width, height), Image.Resampling.BOX), dtype=np.float32) / 255


def _cut(line: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """The line, or as much of its beginning as has room with a mark behind it."""
    if font.getlength(line) <= width:
        return line

    def shortened(end: int) -> str:
        return line[:end].rstrip() + "…"

    fitting = bisect_right(range(len(line)), width, key=lambda end: font.getlength(shortened(end)))
    return shortened(max(0, fitting - 1))
