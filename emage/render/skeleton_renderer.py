"""A fast preview: limbs, fingers and the features of the face as plain shapes, drawn by Pillow.

It needs no OpenGL. Only joints and some landmarks are posed, none of the surface; what is nearer is painted over what
is farther, limb by limb.
"""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from PIL import Image, ImageDraw

from emage.body.landmarks import (
    INNER_LIPS,
    LEFT_BROW,
    LEFT_EYE,
    NOSE_BASE,
    NOSE_BRIDGE,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
)
from emage.motion.skeleton import DISJOINT_PARTS, JOINT_NAMES
from emage.render.anatomy import CHEST_M, Anatomy, Group, Limb
from emage.render.scene import Figure, Shot, posed_joints, posed_points
from emage.render.settings import RenderSettings, rgb_of

_CHUNK_FRAMES = 64
_SUPERSAMPLING = 2
"""Drawn so much larger and then made smaller, for Pillow's edges are hard."""
_HALO_PX = 1.3 * _SUPERSAMPLING
"""Of background round each part, which tells it from what it crosses; enlarged."""
_FADE_M, _FADED = 0.5, 0.3
"""What is so much farther than the pelvis is so much nearer to the background's colour."""
_TORSO_BACK_M = 0.06
"""Arms at the torso's own depth are in front of it."""
_DOT_M, _DOTTED_M = 0.011, 0.022
"""A dot marks each joint that is thicker than the second."""
_FEATURE_M, _PUPIL_M = 0.004, 0.004
_NEAR_SIDE_M = -0.005
"""A feature of the face that is farther behind the middle of the head than this is on its other side."""

# Of the floor.
_GRID_M, _GRID_LINES = 0.5, 3
_SPOT_RADIUS_M, _SPOT_HEIGHT_M = 0.13, 0.15
_FEET = (JOINT_NAMES.index("left_foot"), JOINT_NAMES.index("right_foot"))

Color = tuple[int, int, int]
"""sRGB, 0 to 255."""

_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_INK, _LIPS, _MOUTH = (38, 43, 54), (158, 64, 74), (77, 23, 28)

_ANGLES = np.linspace(0, 2 * np.pi, 48, endpoint=False)
_DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


class SkeletonRenderer:
    """Draws figures in plain shapes."""

    def __init__(self, figures: Sequence[Figure], settings: RenderSettings):
        self._figures = figures
        self._anatomies = [Anatomy.of(figure.actor.body.landmarks) for figure in figures]
        self._points = [_PointStream(figure) for figure in figures]
        self._background = _color(rgb_of(settings.background))

    def draw(self, index: int, frame: int, shots: Sequence[Shot]) -> list[np.ndarray]:
        """Pictures (height, width, 3) uint8 of figure `index` in a frame, one for each shot."""
        figure, points = self._figures[index], self._points[index].at(frame)
        floor_y = figure.floor_y - figure.origins[frame, 1]
        pictures = []
        for shot in shots:
            picture = Image.new("RGB", (shot.width, shot.height), self._background)
            if shot.floor:
                _draw_floor(picture, points, floor_y, shot, self._background)
            colors = [_color(color) for color in figure.part_colors(frame)]
            _BodyPainter(picture, _View(points, shot), self._anatomies[index], colors, self._background).paint()
            pictures.append(np.asarray(picture))
        return pictures

    def close(self) -> None:
        """Nothing is held."""


class _PointStream:
    """A figure's joints and landmarks, evaluated in chunks as rising frames ask for them."""

    def __init__(self, figure: Figure):
        self._actor = figure.posed
        self._vertices = figure.actor.body.landmarks.vertices()
        self._start = 0
        self._chunk = np.empty((0, 0, 3))

    def at(self, frame: int) -> np.ndarray:
        """(P, 3) float64, metres."""
        if not self._start <= frame < self._start + len(self._chunk):
            self._start = frame
            end = min(frame + _CHUNK_FRAMES, self._actor.motion.num_frames)
            joints = posed_joints(self._actor, frame, end)
            landmarks = posed_points(self._actor, self._vertices, frame, end)
            self._chunk = np.concatenate([joints, landmarks], axis=1).astype(np.float64)
        return self._chunk[frame - self._start]


class _View:
    """Points (P, 3) as a shot sees them.

    local: (P, 3) metres in the camera's axes. depth: (P,) metres. xy: (P, 2) pixels, y down. scale: (P,) pixels a
    metre. seen: (P,) bool, in front of the camera.
    """

    def __init__(self, points: np.ndarray, shot: Shot):
        self.local = (points - shot.pose[:3, 3]) @ shot.pose[:3, :3]
        self.depth = -self.local[:, 2]
        self.seen = self.depth > shot.camera.near_m
        focal_px = 0.5 * shot.height / math.tan(shot.camera.yfov_rad / 2)
        self.scale = focal_px / np.where(self.seen, self.depth, 1.0)
        middle = np.array([0.5 * shot.width, 0.5 * shot.height])
        self.xy = middle + self.local[:, :2] * (1, -1) * self.scale[:, None]


class _Canvas:
    """The part of a picture where something is drawn, enlarged; `paste` puts it back.

    draw: takes places and sizes in its own, enlarged pixels, see `enlarged`. is_empty: it lies outside of the picture,
    and nothing can be drawn.
    """

    def __init__(self, picture: Image.Image, xy: np.ndarray, margin_px: float):
        """xy: (n, 2) pixels of the picture, what is to be drawn; it reaches `margin_px` beyond."""
        self._picture = picture
        left, top = np.clip(np.floor(xy.min(0) - margin_px), 0, picture.size).astype(int).tolist()
        right, bottom = np.clip(np.ceil(xy.max(0) + margin_px), 0, picture.size).astype(int).tolist()
        self._box = (left, top, right, bottom)
        self.is_empty = right <= left or bottom <= top
        if not self.is_empty:
            self._size = (_SUPERSAMPLING * (right - left), _SUPERSAMPLING * (bottom - top))
            self._image = picture.crop(self._box).resize(self._size, Image.Resampling.NEAREST)
            self.draw = ImageDraw.Draw(self._image)

    def enlarged(self, xy: np.ndarray) -> np.ndarray:
        """Places (..., 2) in the picture -> the same here, where whole numbers are the middles of pixels."""
        return (xy - self._box[:2]) * _SUPERSAMPLING - 0.5

    def holds(self, xy: np.ndarray, margin: float) -> bool:
        """Whether any of what reaches so far from places (n, 2) here may be on it."""
        (left, top), (right, bottom) = (xy.min(0) - margin).tolist(), (xy.max(0) + margin).tolist()
        return left < self._size[0] and right > 0 and top < self._size[1] and bottom > 0

    def disc(self, x: float, y: float, radius: float, color: Color) -> None:
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)

    def paste(self) -> None:
        self._picture.paste(self._image.reduce(_SUPERSAMPLING), self._box)


class _BodyPainter:
    """Paints one figure in one frame, part by part."""

    def __init__(self, picture: Image.Image, view: _View, anatomy: Anatomy, colors: Sequence[Color], background: Color):
        """colors: of the part parts."""
        self._view, self._anatomy = view, anatomy
        self._colors, self._background = colors, background
        margin_px = _HALO_PX + max(CHEST_M) * float(view.scale.max())
        # What is behind the camera is nowhere in the picture.
        self._canvas = _Canvas(
            picture, view.xy[view.seen] if view.seen.any() else np.full((1, 2), -2 * margin_px), margin_px
        )
        self._margin = _SUPERSAMPLING * margin_px
        self._xy, self._scale = self._canvas.enlarged(view.xy), _SUPERSAMPLING * view.scale
        self._places, self._scales = self._xy.tolist(), self._scale.tolist()
        self._fades = (_FADED * np.clip((view.depth - view.depth[0]) / _FADE_M, 0, 1)).tolist()

    def paint(self) -> None:
        """Everything, from the back to the front."""
        if self._canvas.is_empty:
            return
        anatomy = self._anatomy
        chest, head = list(anatomy.torso[-1].joints), list(range(anatomy.head.start, anatomy.head.stop))
        parts = [(chest, _TORSO_BACK_M, self._paint_torso), (head, 0.0, self._paint_head)]
        parts += [(group.points, group.behind_m, partial(self._paint_limbs, group)) for group in anatomy.groups]
        shown = [
            (float(self._view.depth[points].mean()) + behind_m, paint)
            for points, behind_m, paint in parts
            if self._view.seen[points].all() and self._canvas.holds(self._xy[points], self._margin)
        ]
        for _, paint in sorted(shown, key=lambda part: -part[0]):
            paint()
        self._canvas.paste()

    def _paint_limbs(self, group: Group) -> None:
        draw, disc = self._canvas.draw, self._canvas.disc
        caps = [
            (*self._places[point], radius_m * self._scales[point], self._shaded(part, point), point)
            for point, radius_m, part in group.caps
        ]
        for limb in group.limbs:
            draw.polygon(self._sides(limb, _HALO_PX), fill=self._background)
        for x, y, radius, _, _ in caps:
            disc(x, y, radius + _HALO_PX, self._background)
        for limb in group.limbs:
            draw.polygon(self._sides(limb, 0.0), fill=self._shaded(limb.part, limb.end))
        for x, y, radius, color, point in caps:
            disc(x, y, radius, color)
            if radius > _DOTTED_M * self._scales[point]:
                disc(x, y, _DOT_M * self._scales[point], _mixed(color, _WHITE, 0.6))

    def _sides(self, limb: Limb, more: float) -> list[float]:
        """x and y of the corners between a limb's ends."""
        (x0, y0), (x1, y1) = self._places[limb.start], self._places[limb.end]
        length = math.hypot(x1 - x0, y1 - y0) or 1.0
        u, v = (y0 - y1) / length, (x1 - x0) / length  # across
        r0, r1 = limb.start_m * self._scales[limb.start] + more, limb.end_m * self._scales[limb.end] + more
        return [
            x0 + r0 * u, y0 + r0 * v, x1 + r1 * u, y1 + r1 * v, x1 - r1 * u, y1 - r1 * v, x0 - r0 * u, y0 - r0 * v
        ]  # fmt: skip

    def _paint_torso(self) -> None:
        for part in self._anatomy.torso:
            joints = list(part.joints)
            if self._view.seen[joints].all():
                radii = np.array(part.radii_m) * self._scale[joints]
                self._paint_hull(self._xy[joints], radii, self._shaded(part.part, joints[-1]))

    def _paint_head(self) -> None:
        head, face = self._anatomy.head, self._anatomy.face
        self._paint_hull(self._xy[head], 0.0, self._shaded(DISJOINT_PARTS.index("upper"), head.start))
        if face.stop > face.start:
            self._paint_face(self._view.local[head].mean(axis=0))

    def _paint_hull(self, xy: np.ndarray, radii: np.ndarray | float, color: Color) -> None:
        self._canvas.draw.polygon(_outline(xy, radii + _HALO_PX), fill=self._background)
        self._canvas.draw.polygon(_outline(xy, radii), fill=color)

    def _paint_face(self, head: np.ndarray) -> None:
        """head: (3,) its middle, in the camera's axes."""
        face, draw = self._anatomy.face, self._canvas.draw
        local, places = self._view.local[face], self._places[face]
        toward = -head / np.linalg.norm(head)
        thickness = max(_FEATURE_M * float(self._scale[face].mean()), 0.5 * _SUPERSAMPLING)
        skin = self._shaded(DISJOINT_PARTS.index("face"), face.start)

        def shows(feature: slice) -> bool:
            return float((local[feature].mean(axis=0) - head) @ toward) > _NEAR_SIDE_M

        def line(feature: slice, thick: float, color: Color) -> None:
            if shows(feature):
                draw.line(_flat(places[feature]), fill=color, width=round(thick * thickness))

        if shows(NOSE_BASE):
            outline = _outline(np.concatenate([self._xy[face], self._xy[self._anatomy.jaw]]), 0.0)
            draw.polygon(outline, fill=skin)
        for feature in (NOSE_BRIDGE, NOSE_BASE):
            line(feature, 0.8, _mixed(skin, _INK, 0.35))
        for feature in (RIGHT_BROW, LEFT_BROW):
            line(feature, 1.4, _INK)
        for feature in (RIGHT_EYE, LEFT_EYE):
            if shows(feature):
                self._paint_eye(places[feature], thickness)
        if shows(OUTER_LIPS):
            draw.polygon(_flat(places[OUTER_LIPS]), fill=_mixed(skin, _LIPS, 0.7))
            inner = places[INNER_LIPS]
            draw.polygon(_flat(inner), fill=_MOUTH)
            draw.line(_flat([*inner, inner[0]]), fill=_MOUTH, width=max(1, round(0.4 * thickness)))

    def _paint_eye(self, rim: list[list[float]], thickness: float) -> None:
        """A closed eye is a line."""
        opening = 0.5 * (rim[4][1] + rim[5][1] - rim[1][1] - rim[2][1])
        if opening > 0.4 * thickness:
            self._canvas.draw.polygon(_flat(rim), fill=_WHITE)
            x, y = (sum(axis) / len(rim) for axis in zip(*rim, strict=True))
            self._canvas.disc(x, y, min(_PUPIL_M / _FEATURE_M * thickness, 0.5 * opening), _INK)
        self._canvas.draw.line(_flat(rim[:4]), fill=_INK, width=max(1, round(0.6 * thickness)))

    def _shaded(self, part: int, point: int) -> Color:
        """A part's colour at the depth of a point."""
        return _mixed(self._colors[part], self._background, self._fades[point])


def _draw_floor(picture: Image.Image, points: np.ndarray, floor_y: float, shot: Shot, background: Color) -> None:
    """A grid that fades away round the body, and a spot under each foot that is near it."""
    contrast = _BLACK if sum(background) > 300 else _WHITE
    ink, shade = (_mixed(background, contrast, share) for share in (0.2, 0.14))
    pelvis, feet = points[0, [0, 2]], points[list(_FEET)]
    steps = _GRID_M * np.arange(-_GRID_LINES, _GRID_LINES + 1)
    along, across = np.meshgrid(steps, steps)
    lines = np.concatenate([np.stack([along, across], -1), np.stack([across, along], -1)])  # (n, k, 2)
    lines = lines + _GRID_M * np.round(pelvis / _GRID_M)
    spots = feet[:, None, [0, 2]] + _SPOT_RADIUS_M * _DIRECTIONS[::3]  # (2, m, 2)
    places = np.concatenate([lines.reshape(-1, 2), spots.reshape(-1, 2)])
    view = _View(np.insert(places, 1, floor_y, axis=1), shot)
    if not view.seen.all():
        return
    canvas = _Canvas(picture, view.xy, 1.0)
    if canvas.is_empty:
        return
    line_xy, spot_xy = np.split(canvas.enlarged(view.xy), [lines.size // 2])
    for foot, rim in zip(feet, spot_xy.reshape(spots.shape), strict=True):
        nearness = math.exp(-max(float(foot[1]) - floor_y, 0.0) / _SPOT_HEIGHT_M)
        for size, strength in ((1.0, 0.4), (0.75, 1.0)):
            inner = rim.mean(axis=0) + size * (rim - rim.mean(axis=0))
            canvas.draw.polygon(_flat(inner.tolist()), fill=_mixed(background, shade, nearness * strength))
    away = np.linalg.norm(0.5 * (lines[:, 1:] + lines[:, :-1]) - pelvis, axis=-1) / (_GRID_M * _GRID_LINES)
    for line, fades in zip(line_xy.reshape(lines.shape).tolist(), (1 - away).tolist(), strict=True):
        for start, end, fade in zip(line, line[1:], fades, strict=False):
            if fade > 0:
                canvas.draw.line([*start, *end], fill=_mixed(background, ink, fade), width=_SUPERSAMPLING)
    canvas.paste()


def _outline(xy: np.ndarray, radii: np.ndarray | float) -> list[float]:
    """Round the convex hull of discs, of centres (n, 2) and radii (n,): what is farthest in each of many directions."""
    reach = xy @ _DIRECTIONS.T + np.reshape(radii, (-1, 1))  # (n, d)
    farthest = reach.argmax(axis=0)
    rim = np.broadcast_to(radii, len(xy))[farthest, None] * _DIRECTIONS
    return (xy[farthest] + rim).ravel().tolist()


def _flat(places: Sequence[Sequence[float]]) -> list[float]:
    return [coordinate for place in places for coordinate in place]


def _color(rgb: np.ndarray) -> Color:
    """From 0..1."""
    return tuple(np.rint(255 * rgb).astype(int).tolist())


def _mixed(one: Color, other: Color, share: float) -> Color:
    (r0, g0, b0), (r1, g1, b1) = one, other
    return int(r0 + share * (r1 - r0) + 0.5), int(g0 + share * (g1 - g0) + 0.5), int(b0 + share * (b1 - b0) + 0.5)
