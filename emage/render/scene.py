"""What is drawn: actors, and each actor made ready: floor, colours, normals, shadow, cameras.

Nothing here knows a renderer; all are handed the same figures, camera matrices and meshes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse
from scipy.ndimage import gaussian_filter
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from emage.errors import RenderError
from emage.hints import GENERATED, LOCKED
from emage.motion import Motion
from emage.motion.skeleton import DISJOINT_PARTS
from emage.postprocess.contacts import floor_height
from emage.render.camera import Bounds, Camera, face_camera, follow_camera, still_camera
from emage.render.overlay import caption_line
from emage.render.settings import RenderSettings

if TYPE_CHECKING:
    from emage.body import Body

_SAMPLED_FRAMES = 48
"""Frames looked at to find the thickness of the body."""
_JOINTS_CHUNK = 1024
_ORIGIN_STEP_M = 64.0
"""Bodies are posed relative to a point so near: single precision is coarser than a pixel some kilometres away. Whole
squares of the floor's grid and whole texels of the shadow; and most motions never leave the first such point, 0."""
_MAX_REACH_M = 500.0
"""A body with a part farther than this from where it stands is no body."""

_SHADOW_TEXELS = 128
_SHADOW_WIDTH_M = 2.56


@dataclass(frozen=True, eq=False)
class Actor:
    """One body to draw.

    body: the body model.
    motion: T frames.
    hints: (T, 5) uint8 in the order of `DISJOINT_PARTS`, of `HintPlan.states`: what this part is in this frame, drawn
        in the colour of that; or bool, for hints that are locked all. None: no hints.
    caption: one line below the body; may be empty. Latin, Greek, Cyrillic, Armenian and Georgian script, signs and
        arrows are drawn; characters of others (Chinese, Japanese, Korean, Arabic, Hebrew, Indic, emoji) are left out.

    Raises:
        RenderError: hints of another shape or type, a caption that is no text.
    """

    body: "Body"
    motion: Motion
    hints: np.ndarray | None = None
    caption: str = ""

    def __post_init__(self):
        if not isinstance(self.caption, str):
            raise RenderError(f"The caption of an actor is {self.caption!r}; it must be text.")
        if self.hints is None:
            return
        shape = (self.motion.num_frames, len(DISJOINT_PARTS))
        if not isinstance(self.hints, np.ndarray):
            raise RenderError(f"The hints of an actor are {type(self.hints).__name__}; they must be an array.")
        if self.hints.shape != shape or self.hints.dtype not in (np.uint8, np.bool_) or self.hints.max() > LOCKED:
            raise RenderError(
                f"The hints of an actor are {self.hints.dtype} of shape {self.hints.shape}; they must be what "
                f"HintPlan.states makes, or bool, of shape {shape}: frames x {', '.join(DISJOINT_PARTS)}."
            )

    @property
    def states(self) -> np.ndarray:
        """(T, 5) uint8 of `HintPlan.states`."""
        if self.hints is None:
            return np.full((self.motion.num_frames, len(DISJOINT_PARTS)), GENERATED, np.uint8)
        return np.where(self.hints, np.uint8(LOCKED), GENERATED) if self.hints.dtype == np.bool_ else self.hints


@dataclass(frozen=True, eq=False)
class Shadow:
    """How much light the floor lacks around a body.

    darkness: (S, S, 2) float32 in 0..1, rows along z, columns along x: [..., 0] close contact, [..., 1] soft.
    corner: (2,) x and z in metres of the first texel's outer corner, from the mesh's origin. width_m: side of the
    square.
    """

    darkness: np.ndarray
    corner: np.ndarray
    width_m: float


@dataclass(frozen=True, eq=False)
class Mesh:
    """A body in one frame: vertices and unit normals (V, 3) float32, part_colors (5, 3) float32 sRGB.

    Vertices, floor_y and shadow are relative to the figure's origin in this frame, as a shot's pose is.
    """

    vertices: np.ndarray
    normals: np.ndarray
    part_colors: np.ndarray
    floor_y: float
    shadow: Shadow | None


@dataclass(frozen=True, eq=False)
class Shot:
    """One picture of a body: the camera's place, (4, 4) float64 looking along -z, and the size in pixels.

    The pose takes the camera's axes to those of the mesh, from the figure's origin in this frame.
    """

    pose: np.ndarray
    camera: Camera
    width: int
    height: int
    floor: bool

    def view(self) -> np.ndarray:
        """(4, 4) float64, the pose's inverse."""
        turn = self.pose[:3, :3].T
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = turn, -turn @ self.pose[:3, 3]
        return matrix


class Figure:
    """An actor made ready for drawing; holds what stays the same in all frames.

    faces (F, 3) int32; closed_faces (F,) bool, of a surface without a border that faces outwards; vertex_parts (V,)
    uint8; vertex_colors (V, 4) float32; floor_y metres; bounds; camera of the picture; inset of the face or None.
    origins (T, 3) float64: points near the body, to which each frame's mesh and shots are relative; floor_y, bounds and
    cameras are not. posed: the actor with its motion relative to the origins.

    Raises:
        RenderError: a motion that makes no body, or that no camera can hold.
    """

    def __init__(self, actor: Actor, settings: RenderSettings, caption: bool):
        """caption: leave room for one below the body."""
        self.actor = actor
        self._settings = settings
        self._shadows = settings.floor

        motion = actor.motion
        self.origins = _ORIGIN_STEP_M * np.round(motion.trans / _ORIGIN_STEP_M)
        self.posed = replace(actor, motion=replace(motion, trans=motion.trans - self.origins))
        joints = _all_joints(self.posed)
        rest = replace(self.posed, motion=_posed_at_rest(self.posed.motion), hints=None)
        rest_vertices = posed_vertices(rest)[0]
        frames = np.unique(np.linspace(0, motion.num_frames - 1, _SAMPLED_FRAMES).round().astype(int))
        vertices = _vertices_at(self.posed, frames)
        nearest = KDTree(_posed_joints(rest)[0]).query(rest_vertices)[1]

        self._rest_vertices = rest_vertices
        self.floor_y = floor_height(posed_soles(self.posed) + self.origins[:, None])

        radii = _radii(vertices, joints[frames], nearest)
        self.bounds = bounds = Bounds(joints + self.origins[:, None], radii, motion.fps)
        aspect = settings.width / settings.height
        if settings.camera == "face":
            self.camera = face_camera(bounds, aspect, settings.yaw_degrees, caption)
        else:
            make = {"still": still_camera, "follow": follow_camera}[settings.camera]
            self.camera = make(bounds, aspect, settings.yaw_degrees, caption)
        has_inset = settings.face_inset and settings.camera != "face"
        self.inset = face_camera(bounds, 1.0, 0.0, caption=False) if has_inset else None

    @cached_property
    def faces(self) -> np.ndarray:
        return np.ascontiguousarray(self.actor.body.faces, dtype=np.int32)

    @cached_property
    def closed_faces(self) -> np.ndarray:
        return _closed_faces(self.faces, self._rest_vertices)

    @cached_property
    def vertex_parts(self) -> np.ndarray:
        return np.ascontiguousarray(self.actor.body.vertex_parts, dtype=np.uint8)

    @cached_property
    def vertex_colors(self) -> np.ndarray:
        return np.ascontiguousarray(self.actor.body.vertex_colors, dtype=np.float32)

    @cached_property
    def _incidence(self) -> scipy.sparse.csr_matrix:
        return _incidence(self.faces, len(self._rest_vertices))

    @cached_property
    def _corners(self) -> np.ndarray:
        return np.ascontiguousarray(self.faces.T)

    @cached_property
    def _vertex_areas(self) -> np.ndarray:
        return 0.5 * np.linalg.norm(self._incidence @ self._face_normals(self._rest_vertices), axis=1) / 3

    def mesh(self, frame: int, vertices: np.ndarray) -> Mesh:
        """The mesh of a frame from its vertices (V, 3) float32, of the posed actor."""
        normals = self._incidence @ self._face_normals(vertices)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        floor_y = self.floor_y - self.origins[frame, 1]
        shadow = self._shadow(vertices, floor_y) if self._shadows else None
        colors = self._settings.part_colors(self.actor.states[frame])
        return Mesh(vertices, normals, colors, floor_y, shadow)

    def shot(self, camera: Camera, frame: int, width: int, height: int, floor: bool) -> Shot:
        """What one of the figure's cameras is to draw of a frame's mesh."""
        pose = camera.pose(frame).copy()
        pose[:3, 3] -= self.origins[frame]
        return Shot(pose, camera, width, height, floor)

    def _face_normals(self, vertices: np.ndarray) -> np.ndarray:
        """(F, 3) normals as long as twice the triangle's area; a third of numpy.cross's time."""
        points = np.ascontiguousarray(vertices.T)  # (3, V)
        a, b, c = (points.take(corner, axis=1) for corner in self._corners)  # (3, F) each
        u, v = b - a, c - a
        return np.stack([u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]], axis=1)

    def _shadow(self, vertices: np.ndarray, floor_y: float) -> Shadow:
        """Splat the vertices on the floor; what is near darkens sharply, what is higher softly."""
        size, texel = _SHADOW_TEXELS, _SHADOW_WIDTH_M / _SHADOW_TEXELS
        plan = vertices[:, [0, 2]]
        # In whole texels, so that the shadow does not flicker when the body sways.
        corner = np.floor((plan.mean(0) - _SHADOW_WIDTH_M / 2) / texel) * texel
        columns, rows = np.floor((plan - corner) / texel).astype(int).T
        # A border of texels stays clear, for beyond it the floor repeats the last one.
        seen = (columns > 4) & (columns < size - 5) & (rows > 4) & (rows < size - 5)
        cells = rows[seen] * size + columns[seen]
        height = np.maximum(vertices[seen, 1] - floor_y, 0)
        areas = self._vertex_areas[seen] / texel**2
        layers = []
        for reach_m, blur, strength in ((0.05, 1.6, 1.4), (0.7, 5.0, 0.55)):
            mass = np.bincount(cells, areas * np.exp(-height / reach_m), size * size).reshape(size, size)
            layers.append(1 - np.exp(-strength * gaussian_filter(mass.astype(np.float32), blur, truncate=3)))
        return Shadow(np.stack(layers, axis=-1).astype(np.float32), corner, _SHADOW_WIDTH_M)


def make_figures(actors: Sequence[Actor], settings: RenderSettings) -> list[Figure]:
    """The actors made ready, all seen from the same distance, so that bodies side by side compare."""
    caption = any(caption_lines(actors, settings))
    figures = [Figure(actor, settings, caption) for actor in actors]
    if settings.camera != "face":
        distance_m = max(figure.camera.distance_m for figure in figures)
        for figure in figures:
            figure.camera = figure.camera.moved_back(distance_m)
    return figures


def check_actors(actors: Sequence[Actor]) -> None:
    """Raise RenderError where the actors cannot share a video."""
    if not actors:
        raise RenderError("There is no actor to draw; give at least one.")
    rates = {actor.motion.fps for actor in actors}
    if len(rates) > 1:
        raise RenderError(
            f"The motions have {', '.join(f'{rate:g}' for rate in sorted(rates))} frames per second; "
            "resample them to one rate with Motion.resample."
        )


def count_frames(actors: Sequence[Actor]) -> int:
    """Frames of the video: those of the longest motion; the others wait in their last one."""
    return max(actor.motion.num_frames for actor in actors)


def caption_lines(actors: Sequence[Actor], settings: RenderSettings) -> list[str]:
    """What is written below each actor; empty for nothing."""
    return [caption_line(actor.caption) if settings.captions else "" for actor in actors]


def posed_vertices(actor: Actor, start_frame: int = 0, end_frame: int | None = None) -> np.ndarray:
    """(T, V, 3) float32 of an actor posed near the origin, see `Figure.posed`.

    Raises:
        RenderError: the motion makes no body of them.
    """
    with _named_later():
        vertices = actor.body.vertices(actor.motion, start_frame, end_frame)
    _check_reach(vertices, range(start_frame, start_frame + len(vertices)))
    return vertices


def posed_soles(actor: Actor) -> np.ndarray:
    """(T, P, 3) float32 of the soles; as `posed_vertices`."""
    with _named_later():
        soles = actor.body.soles(actor.motion)
    _check_reach(soles, range(len(soles)))
    return soles


def _posed_joints(actor: Actor, start_frame: int = 0, end_frame: int | None = None) -> np.ndarray:
    """(T, 55, 3) float32; as `posed_vertices`."""
    with _named_later():
        joints = actor.body.joints(actor.motion, start_frame, end_frame)
    _check_reach(joints, range(start_frame, start_frame + len(joints)))
    return joints


def _vertices_at(actor: Actor, frames: np.ndarray) -> np.ndarray:
    """(N, V, 3) float32; as `posed_vertices`, in frames (N,)."""
    with _named_later():
        vertices = actor.body.vertices_at(actor.motion, frames)
    _check_reach(vertices, frames)
    return vertices


def _named_later() -> np.errstate:
    """What is too large for float32 becomes infinite without a word, for `_check_reach` to name."""
    return np.errstate(over="ignore", invalid="ignore")


def _check_reach(points: np.ndarray, frames: Sequence[int]) -> None:
    """Raise RenderError where points (N, P, 3) in frames (N,) are not all within a body's reach."""
    if max(points.max(), -points.min()) <= _MAX_REACH_M:  # False where there is NaN
        return
    reach_m = np.abs(points).max((1, 2))  # (N,)
    worst = int(np.argmin(reach_m <= _MAX_REACH_M))
    size = f"{reach_m[worst]:.3g} m large" if np.isfinite(reach_m[worst]) else "without bounds"
    raise RenderError(
        f"In frame {frames[worst]} the body is {size} and cannot be drawn. Some of the motion's poses, expressions or "
        "betas are far too large: poses are in radians, expressions and betas go to a few units."
    )


def _all_joints(actor: Actor) -> np.ndarray:
    """(T, 55, 3) float64; in chunks, for a body may hold much more than joints at a time."""
    chunks = range(0, actor.motion.num_frames, _JOINTS_CHUNK)
    ends = [min(start + _JOINTS_CHUNK, actor.motion.num_frames) for start in chunks]
    parts = [_posed_joints(actor, start, end) for start, end in zip(chunks, ends, strict=True)]
    return np.concatenate(parts).astype(np.float64)


def _posed_at_rest(motion: Motion) -> Motion:
    return replace(motion, poses=motion.poses[:1] * 0, expressions=motion.expressions[:1] * 0, trans=motion.trans[:1])


def _incidence(faces: np.ndarray, num_vertices: int) -> scipy.sparse.csr_matrix:
    """(V, F) with a one where the vertex is a corner of the face: sums face normals at vertices."""
    ones = np.ones(faces.size, dtype=np.float32)
    owners = np.repeat(np.arange(len(faces)), 3)
    return scipy.sparse.csr_matrix((ones, (faces.ravel(), owners)), shape=(num_vertices, len(faces)))


def _closed_faces(faces: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """(F,) bool: belongs to a connected surface without a border and with its outer side counter-clockwise.

    Where a surface has a sharp edge or two colours meet it has two vertices in one place, and looks like two surfaces
    with a border there: such borders are sewn together. Lashes touch the lid with a border, the lid has none.
    """
    of_border = np.zeros(len(vertices), bool)
    of_border[_unpaired_edges(_edges(faces, len(vertices)))] = True
    places = np.unique(vertices, axis=0, return_inverse=True)[1].reshape(-1)
    sewn = np.where(of_border, places, len(vertices) + np.arange(len(vertices)))[faces]
    edges = _edges(sewn, 2 * len(vertices))
    count, component = connected_components(edges, directed=False)
    is_open = np.zeros(count, bool)
    is_open[component[_unpaired_edges(edges)]] = True
    of_face = component[sewn[:, 0]]
    a, b, c = vertices[faces].astype(np.float64).transpose(1, 0, 2)
    volume = np.bincount(of_face, np.einsum("fi,fi->f", a, np.cross(b, c)), count)
    return ~is_open[of_face] & (volume[of_face] > 0)


def _edges(faces: np.ndarray, num_vertices: int) -> scipy.sparse.csr_matrix:
    """(V, V): how often triangles walk from vertex to vertex."""
    starts, ends = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    return scipy.sparse.csr_matrix((np.ones(len(starts)), (starts, ends)), shape=(num_vertices, num_vertices))


def _unpaired_edges(edges: scipy.sparse.csr_matrix) -> np.ndarray:
    """Vertices at edges that are not walked once in each direction, as on a closed, oriented surface each is."""
    return (edges - edges.T).nonzero()[0]


def _radii(vertices: np.ndarray, joints: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """(J,) metres: how far the skin that is nearest to a joint at rest is from it in any sampled frame; 0 for none.

    With these radii the joints alone, which cost little, bound the body in every frame.
    """
    distance = np.linalg.norm(vertices - joints[:, nearest], axis=2).max(0)  # (V,)
    radii = np.zeros(joints.shape[1])
    np.maximum.at(radii, nearest, distance)
    return radii
