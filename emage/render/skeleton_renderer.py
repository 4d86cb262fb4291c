"""A fast preview: limbs, fingers and the features of the face as plain shapes, drawn by Pillow.

It needs no OpenGL. Only joints and some landmarks are posed, none of the surface; what is nearer is painted over what
is farther, limb by limb.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from emage.landmarks import (
    FINGERTIP_JOINTS,
    INNER_LIPS,
    LEFT_BROW,
    LEFT_EYE,
    NOSE_BASE,
    NOSE_BRIDGE,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
    Landmarks,
)
from emage.render.scene import Figure, RenderSettings, Shot, posed_joints, posed_points, rgb_of
from emage.skeleton import JOINT_NAMES, LEAF_PARTS, NUM_JOINTS, PARENTS, PART_JOINTS

_CHUNK_FRAMES = 64
_SUPERSAMPLING = 2
"""Drawn so much larger and then made smaller, for Pillow's edges are hard."""
_HALO_PX = 1.3
"""Of background round each part, which tells it from what it crosses."""
_FADE_M, _FADED = 0.5, 0.3
"""What is so much farther than the pelvis is so much nearer to the background's colour."""

# Of the body, in metres.
_PELVIS, _PELVIS_M = ("left_hip", "right_hip", "spine1"), (0.08, 0.08, 0.1)
_CHEST, _CHEST_M = ("left_shoulder", "right_shoulder", "spine1"), (0.05, 0.05, 0.105)
_TORSO_BACK_M = 0.06
"""Arms at the torso's own depth are in front of it."""
_ARM_M, _LEG_M, _FOOT_M = (0.043, 0.034, 0.023), (0.068, 0.046, 0.03), (0.024, 0.014, 0.02)
_NECK_M, _PALM_M, _FINGER_M = 0.045, (0.016, 0.012), (0.0095, 0.008, 0.006)
_DOT_M, _DOTTED_M = 0.011, 0.022
"""A dot marks each joint that is thicker than the second."""
_NECK_BACK_M = 0.12
"""The neck never hides the head."""
_FEATURE_M, _PUPIL_M = 0.004, 0.004
_NEAR_SIDE_M = -0.005
"""A feature of the face that is farther behind the middle of the head than this is on its other side."""

# Of the floor.
_GRID_M, _GRID_LINES = 0.5, 3
_SPOT_RADIUS_M, _SPOT_HEIGHT_M = 0.13, 0.15
_FEET = (JOINT_NAMES.index("left_foot"), JOINT_NAMES.index("right_foot"))

Color = tuple[float, float, float]
"""sRGB, 0 to 255."""
Places = Sequence[tuple[float, float]]

_BLACK, _WHITE = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)
_INK, _LIPS, _MOUTH = (38.0, 43.0, 54.0), (158.0, 64.0, 74.0), (77.0, 23.0, 28.0)

_ANGLES = np.linspace(0, 2 * np.pi, 48, endpoint=False)
_DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


@dataclass(frozen=True)
class _Limb:
    """From point to point, with a radius in metres at each; leaf: index of the part that it belongs to."""

    start: int
    end: int
    start_m: float
    end_m: float
    leaf: int


@dataclass(frozen=True)
class _Group:
    """Limbs that are painted together, as if they were `behind_m` farther.

    caps: point, radius in metres and leaf of what rounds their ends.
    """

    limbs: tuple[_Limb, ...]
    caps: tuple[tuple[int, float, int], ...]
    behind_m: float

    @classmethod
    def of(cls, *limbs: _Limb, behind_m: float = 0.0) -> "_Group":
        ends = [(limb.start, limb.start_m, limb.leaf) for limb in limbs]
        ends += [(limb.end, limb.end_m, limb.leaf) for limb in limbs]
        return cls(limbs, tuple({cap[0]: cap for cap in sorted(ends, key=lambda cap: cap[1])}.values()), behind_m)

    @property
    def points(self) -> list[int]:
        return [point for point, _, _ in self.caps]


@dataclass(frozen=True)
class _Torso:
    """A part of the trunk, spanned over joints with a radius each."""

    joints: tuple[int, ...]
    radii_m: tuple[float, ...]
    leaf: int


@dataclass(frozen=True)
class _Anatomy:
    """What a figure's points are: the joints, and after them the landmarks in the order of `Landmarks.vertices`.

    torso: from the back to the front. head, jaw, face: of the landmarks.
    """

    groups: tuple[_Group, ...]
    torso: tuple[_Torso, ...]
    head: slice
    jaw: slice
    face: slice

    @classmethod
    def of(cls, landmarks: Landmarks) -> "_Anatomy":
        at = {name: NUM_JOINTS + place.start for name, place in landmarks.places().items()}
        groups = [_Group.of(*_chain(("neck", "head"), (_NECK_M, _NECK_M), "upper"), behind_m=_NECK_BACK_M)]
        for number, side in enumerate(("left", "right")):
            hip, knee, ankle, foot, shoulder, elbow, wrist = (
                f"{side}_{name}" for name in ("hip", "knee", "ankle", "foot", "shoulder", "elbow", "wrist")
            )
            toes = _limb(foot, at["toes"] + number, _FOOT_M[0], _FOOT_M[1], "lower")
            heel = _limb(ankle, at["heels"] + number, _LEG_M[2], _FOOT_M[2], "lower")
            groups += [
                _Group.of(*_chain((hip, knee), _LEG_M[:2], "lower")),
                _Group.of(*_chain((knee, ankle, foot), (*_LEG_M[1:], _FOOT_M[0]), "lower"), toes, heel),
                _Group.of(*_chain((shoulder, elbow), _ARM_M[:2], "upper")),
                _Group.of(*_chain((elbow, wrist), _ARM_M[1:], "upper")),
                _Group.of(*_hand(f"{side}_hand", at["fingertips"])),
            ]
        torso = tuple(
            _Torso(tuple(JOINT_NAMES.index(name) for name in names), radii_m, LEAF_PARTS.index(leaf))
            for names, radii_m, leaf in ((_PELVIS, _PELVIS_M, "lower"), (_CHEST, _CHEST_M, "upper"))
        )
        head, jaw, face = (
            slice(at[name], at[name] + len(getattr(landmarks, name))) for name in ("head", "jaw", "face")
        )
        return cls(tuple(groups), torso, head, jaw, face)


def _limb(start: str, end: int, start_m: float, end_m: float, leaf: str) -> _Limb:
    return _Limb(JOINT_NAMES.index(start), end, start_m, end_m, LEAF_PARTS.index(leaf))


def _chain(names: Sequence[str], radii_m: Sequence[float], leaf: str) -> tuple[_Limb, ...]:
    return tuple(
        _limb(start, JOINT_NAMES.index(end), start_m, end_m, leaf)
        for start, end, start_m, end_m in zip(names, names[1:], radii_m, radii_m[1:], strict=False)
    )


def _hand(hand: str, first_tip: int) -> tuple[_Limb, ...]:
    """The palm, which is the upper body's as on a body's surface, for the wrist turns it; and the fingers."""
    joints, leaf = PART_JOINTS[hand], LEAF_PARTS.index(hand)
    limbs = []
    for joint in joints:
        if PARENTS[joint] in joints:
            limbs.append(_Limb(PARENTS[joint], joint, *_FINGER_M[:2], leaf))
        else:
            limbs.append(_Limb(PARENTS[joint], joint, *_PALM_M, LEAF_PARTS.index("upper")))
        if joint in FINGERTIP_JOINTS:
            limbs.append(_Limb(joint, first_tip + FINGERTIP_JOINTS.index(joint), *_FINGER_M[1:], leaf))
    return tuple(limbs)


class SkeletonRenderer:
    """Draws figures in plain shapes."""

    def __init__(self, figures: Sequence[Figure], settings: RenderSettings):
        self._figures = figures
        self._anatomies = [_Anatomy.of(figure.actor.body.landmarks) for figure in figures]
        self._points = [_PointStream(figure) for figure in figures]
        self._background = _color(rgb_of(settings.background))

    def draw(self, index: int, frame: int, shots: Sequence[Shot]) -> list[np.ndarray]:
        """Pictures (height, width, 3) uint8 of figure `index` in a frame, one for each shot."""
        figure, points = self._figures[index], self._points[index].at(frame)
        floor_y = figure.floor_y - figure.origins[frame, 1]
        pictures = []
        for shot in shots:
            picture = Image.new("RGB", (shot.width, shot.height), _whole(self._background))
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

    Places are in pixels of the picture. is_empty: nothing of it is in the picture, and nothing can be drawn.
    """

    def __init__(self, picture: Image.Image, xy: np.ndarray, margin_px: float):
        """xy: (n, 2), what is to be drawn; it reaches `margin_px` beyond."""
        self._picture = picture
        left, top = np.clip(np.floor(xy.min(0) - margin_px), 0, picture.size).astype(int).tolist()
        right, bottom = np.clip(np.ceil(xy.max(0) + margin_px), 0, picture.size).astype(int).tolist()
        self._left, self._top, self._right, self._bottom = self._box = left, top, right, bottom
        self.is_empty = right <= left or bottom <= top
        if not self.is_empty:
            size = (_SUPERSAMPLING * (right - left), _SUPERSAMPLING * (bottom - top))
            self._image = picture.crop(self._box).resize(size, Image.Resampling.NEAREST)
            self._draw = ImageDraw.Draw(self._image)

    def holds(self, xy: np.ndarray, margin_px: float) -> bool:
        """Whether anything of what reaches from (n, 2) so far may be on it."""
        (left, top), (right, bottom) = (xy.min(0) - margin_px).tolist(), (xy.max(0) + margin_px).tolist()
        return left < self._right and right > self._left and top < self._bottom and bottom > self._top

    def polygon(self, places: Places, color: Color) -> None:
        self._draw.polygon(self._enlarged(places), fill=_whole(color))

    def line(self, places: Places, width_px: float, color: Color) -> None:
        width = max(1, round(width_px * _SUPERSAMPLING))
        self._draw.line(self._enlarged(places), fill=_whole(color), width=width)

    def disc(self, x: float, y: float, radius_px: float, color: Color) -> None:
        ((x, y),) = self._enlarged([(x, y)])
        radius = radius_px * _SUPERSAMPLING
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_whole(color))

    def paste(self) -> None:
        self._picture.paste(self._image.reduce(_SUPERSAMPLING), self._box)

    def _enlarged(self, places: Places) -> list[tuple[float, float]]:
        # Half a pixel, for Pillow's whole numbers are the middles of pixels.
        left, top = self._left + 0.5 / _SUPERSAMPLING, self._top + 0.5 / _SUPERSAMPLING
        return [((x - left) * _SUPERSAMPLING, (y - top) * _SUPERSAMPLING) for x, y in places]


class _BodyPainter:
    """Paints one figure in one frame, part by part."""

    def __init__(
        self, picture: Image.Image, view: _View, anatomy: _Anatomy, colors: Sequence[Color], background: Color
    ):
        """colors: of the leaf parts."""
        self._view, self._anatomy = view, anatomy
        self._colors, self._background = colors, background
        self._xy, self._scale, self._depth = view.xy.tolist(), view.scale.tolist(), view.depth.tolist()
        self._margin_px = _HALO_PX + max(_CHEST_M) * float(view.scale.max())
        seen = view.xy[view.seen] if view.seen.any() else np.zeros((0, 2)) - self._margin_px
        self._canvas = _Canvas(picture, seen, self._margin_px)

    def paint(self) -> None:
        """Everything, from the back to the front."""
        if self._canvas.is_empty:
            return
        anatomy = self._anatomy
        chest, head = list(anatomy.torso[-1].joints), list(range(anatomy.head.start, anatomy.head.stop))
        parts = [(chest, _TORSO_BACK_M, self._paint_torso), (head, 0.0, self._paint_head)]
        parts += [
            (group.points, group.behind_m, lambda group=group: self._paint_limbs(group)) for group in anatomy.groups
        ]
        view = self._view
        shown = [
            (float(view.depth[points].mean()) + behind_m, paint)
            for points, behind_m, paint in parts
            if view.seen[points].all() and self._canvas.holds(view.xy[points], self._margin_px)
        ]
        for _, paint in sorted(shown, key=lambda part: -part[0]):
            paint()
        self._canvas.paste()

    def _paint_limbs(self, group: _Group) -> None:
        for limb in group.limbs:
            self._paint_limb(limb, self._background, _HALO_PX)
        for point, radius_m, _ in group.caps:
            self._paint_cap(point, radius_m, self._background, _HALO_PX)
        for limb in group.limbs:
            self._paint_limb(limb, self._shaded(limb.leaf, limb.end), 0.0)
        for point, radius_m, leaf in group.caps:
            self._paint_cap(point, radius_m, self._shaded(leaf, point), 0.0)
        for point, radius_m, leaf in group.caps:
            if radius_m > _DOTTED_M:
                self._paint_cap(point, _DOT_M, _mixed(self._shaded(leaf, point), _WHITE, 0.6), 0.0)

    def _paint_limb(self, limb: _Limb, color: Color, more_px: float) -> None:
        (x0, y0), (x1, y1) = self._xy[limb.start], self._xy[limb.end]
        length = math.hypot(x1 - x0, y1 - y0)
        if length == 0:
            return
        u, v = (y0 - y1) / length, (x1 - x0) / length  # across
        r0 = limb.start_m * self._scale[limb.start] + more_px
        r1 = limb.end_m * self._scale[limb.end] + more_px
        sides = (x0 + r0 * u, y0 + r0 * v), (x1 + r1 * u, y1 + r1 * v), (x1 - r1 * u, y1 - r1 * v)
        self._canvas.polygon([*sides, (x0 - r0 * u, y0 - r0 * v)], color)

    def _paint_cap(self, point: int, radius_m: float, color: Color, more_px: float) -> None:
        self._canvas.disc(*self._xy[point], radius_m * self._scale[point] + more_px, color)

    def _paint_torso(self) -> None:
        for part in self._anatomy.torso:
            joints = list(part.joints)
            if self._view.seen[joints].all():
                radii_px = np.array(part.radii_m) * self._view.scale[joints]
                self._paint_hull(self._view.xy[joints], radii_px, self._shaded(part.leaf, joints[-1]))

    def _paint_head(self) -> None:
        view, head, face = self._view, self._anatomy.head, self._anatomy.face
        self._paint_hull(view.xy[head], 0.0, self._shaded(LEAF_PARTS.index("upper"), head.start))
        if face.stop > face.start:
            self._paint_face(view.local[head].mean(axis=0))

    def _paint_hull(self, xy: np.ndarray, radii_px: np.ndarray | float, color: Color) -> None:
        self._canvas.polygon(_outline(xy, radii_px + _HALO_PX), self._background)
        self._canvas.polygon(_outline(xy, radii_px), color)

    def _paint_face(self, head: np.ndarray) -> None:
        """head: (3,) its middle, in the camera's axes."""
        view, face = self._view, self._anatomy.face
        local, xy = view.local[face], view.xy[face].tolist()
        toward = -head / np.linalg.norm(head)
        line_px = max(_FEATURE_M * float(view.scale[face].mean()), 0.5)
        skin = self._shaded(LEAF_PARTS.index("face"), face.start)

        def shows(*features: slice) -> bool:
            return all(float((local[feature].mean(axis=0) - head) @ toward) > _NEAR_SIDE_M for feature in features)

        if shows(NOSE_BASE):
            skull = np.concatenate([view.xy[face], view.xy[self._anatomy.jaw]])
            self._canvas.polygon(_outline(skull, 0.0), skin)
        for feature in (NOSE_BRIDGE, NOSE_BASE):
            if shows(feature):
                self._canvas.line(xy[feature], 0.8 * line_px, _mixed(skin, _INK, 0.35))
        for feature in (RIGHT_BROW, LEFT_BROW):
            if shows(feature):
                self._canvas.line(xy[feature], 1.4 * line_px, _INK)
        for feature in (RIGHT_EYE, LEFT_EYE):
            if shows(feature):
                self._paint_eye(xy[feature], line_px)
        if shows(OUTER_LIPS):
            self._canvas.polygon(xy[OUTER_LIPS], _mixed(skin, _LIPS, 0.7))
            lips = xy[INNER_LIPS]
            self._canvas.polygon(lips, _MOUTH)
            self._canvas.line([*lips, lips[0]], 0.4 * line_px, _MOUTH)

    def _paint_eye(self, rim: Places, line_px: float) -> None:
        """A closed eye is a line."""
        upper, lower = ([rim[i][1] for i in lid] for lid in ((1, 2), (4, 5)))
        opening_px = 0.5 * (sum(lower) - sum(upper))
        if opening_px > 0.4 * line_px:
            self._canvas.polygon(rim, _WHITE)
            x, y = (sum(axis) / len(rim) for axis in zip(*rim, strict=True))
            self._canvas.disc(x, y, min(_PUPIL_M / _FEATURE_M * line_px, 0.5 * opening_px), _INK)
        self._canvas.line(rim[:4], 0.6 * line_px, _INK)

    def _shaded(self, leaf: int, point: int) -> Color:
        """A part's colour at the depth of a point."""
        behind = (self._depth[point] - self._depth[0]) / _FADE_M
        return _mixed(self._colors[leaf], self._background, _FADED * min(max(behind, 0.0), 1.0))


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
    line_xy, spot_xy = np.split(view.xy, [lines.size // 2])
    for foot, rim in zip(feet, spot_xy.reshape(spots.shape), strict=True):
        nearness = math.exp(-max(float(foot[1]) - floor_y, 0.0) / _SPOT_HEIGHT_M)
        for size, strength in ((1.0, 0.4), (0.75, 1.0)):
            inner = rim.mean(axis=0) + size * (rim - rim.mean(axis=0))
            canvas.polygon(inner.tolist(), _mixed(background, shade, nearness * strength))
    away = np.linalg.norm(0.5 * (lines[:, 1:] + lines[:, :-1]) - pelvis, axis=-1) / (_GRID_M * _GRID_LINES)
    for line, fades in zip(line_xy.reshape(lines.shape).tolist(), (1 - away).tolist(), strict=True):
        for start, end, fade in zip(line, line[1:], fades, strict=False):
            if fade > 0:
                canvas.line([start, end], 1.0, _mixed(background, ink, fade))
    canvas.paste()


def _outline(xy: np.ndarray, radii_px: np.ndarray | float) -> list[tuple[float, float]]:
    """Round the convex hull of discs, of centres (n, 2) and radii (n,): what is farthest in each of many directions."""
    reach = xy @ _DIRECTIONS.T + np.reshape(radii_px, (-1, 1))  # (n, d)
    farthest = reach.argmax(axis=0)
    radii = np.broadcast_to(radii_px, len(xy))[farthest]
    return (xy[farthest] + radii[:, None] * _DIRECTIONS).tolist()


def _color(rgb: np.ndarray) -> Color:
    """From 0..1."""
    return tuple((255.0 * rgb).tolist())


def _whole(color: Color) -> tuple[int, int, int]:
    red, green, blue = color
    return int(red + 0.5), int(green + 0.5), int(blue + 0.5)


def _mixed(one: Color, other: Color, share: float) -> Color:
    return tuple(a + share * (b - a) for a, b in zip(one, other, strict=True))
