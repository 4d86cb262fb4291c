"""Drawing with OpenGL 3.3 through moderngl, on EGL: a graphics card, or Mesa's llvmpipe where there is none.

A context belongs to the thread that makes it; all methods of one renderer are called from one thread. Meshes are
lit in linear light by a key, a fill and a rim lamp that go with the camera, and by a sky; then encoded to sRGB.
"""

from collections.abc import Sequence

import moderngl
import numpy as np

from emage.errors import RenderError
from emage.render import shaders
from emage.render.gl import EGL_LOCK, INSTALL
from emage.render.scene import Figure, Mesh, Shadow, Shot
from emage.render.settings import RenderSettings, rgb_of

_SHADOW_UNIT, _BODY_UNIT = 0, 1
_MAX_DEVICES = 8
_FLOOR_REACH_M = 2.6


class ModernglRenderer:
    """Draws figures; buffers are made once, and each frame uploads vertices, normals and a few small values.

    Bodies are drawn with many samples a pixel and only where they are; the picture around them with one.

    Raises:
        RenderError: no OpenGL 3.3 can be had on this machine; says what to install.
    """

    def __init__(self, figures: Sequence[Figure], settings: RenderSettings):
        self._context = context = _create_context()
        try:
            self._samples = min(settings.samples, context.max_samples)
            self._closed, self._sheets = (_body_program(context, two_sided) for two_sided in (False, True))
            self._bodies = [_BodyBuffers(context, self._closed, self._sheets, figure) for figure in figures]
            self._room = _Room(context, rgb_of(settings.background) ** 2, self._samples)
            self._canvases: dict[tuple[int, int], _Canvas] = {}
        except BaseException:
            self.close()
            raise

    def draw(self, index: int, mesh: Mesh, shots: Sequence[Shot]) -> list[np.ndarray]:
        """Pictures (height, width, 3) uint8 of figure `index` as it is in `mesh`, one for each shot.

        They are valid until the next call.
        """
        body = self._bodies[index]
        body.vertices.write(np.ascontiguousarray(mesh.vertices, dtype=np.float32))
        body.normals.write(np.ascontiguousarray(mesh.normals, dtype=np.float32))
        for program in (self._closed, self._sheets):
            program["part_colors"].write(np.ascontiguousarray(mesh.part_colors, dtype=np.float32))
        if mesh.shadow is not None:
            self._room.upload_shadow(mesh.shadow)
        return [self._draw_shot(body, mesh, shot) for shot in shots]

    def close(self) -> None:
        """Give everything back; the thread has no context afterwards."""
        with EGL_LOCK:
            # EGL keeps a context alive while it is current. With it go all its buffers and programs.
            with self._context:
                pass
            self._context.release()

    def _draw_shot(self, body: "_BodyBuffers", mesh: Mesh, shot: Shot) -> np.ndarray:
        canvas = self._canvas(shot.width, shot.height)
        view_projection = shot.camera.projection(shot.width / shot.height) @ shot.view()
        outline = _Outline(mesh.vertices, view_projection, shot.width, shot.height)
        self._draw_body(body, canvas, shot, view_projection, outline)
        canvas.picture.use()
        self._context.disable(moderngl.DEPTH_TEST)
        self._room.draw(shot, view_projection, mesh.floor_y, mesh.shadow if shot.floor else None)
        self._room.draw_body(canvas.samples, outline.area)
        return canvas.read()

    def _draw_body(
        self,
        body: "_BodyBuffers",
        canvas: "_Canvas",
        shot: Shot,
        view_projection: np.ndarray,
        outline: "_Outline",
    ) -> None:
        left, bottom, right, top = outline.area
        canvas.body.use()
        canvas.body.clear(viewport=(left, bottom, right - left, top - bottom))
        self._context.enable(moderngl.DEPTH_TEST)
        for program in (self._closed, self._sheets):
            _place_camera(program, shot)
            program["view_projection"].write(np.ascontiguousarray(view_projection.T, dtype=np.float32))
        self._context.enable(moderngl.CULL_FACE)
        body.closed.render(outline.outside)
        self._context.disable(moderngl.CULL_FACE)
        body.sheets.render(outline.outside)

    def _canvas(self, width: int, height: int) -> "_Canvas":
        if (width, height) not in self._canvases:
            self._canvases[width, height] = _Canvas(self._context, width, height, self._samples)
        return self._canvases[width, height]


class _Room:
    """The wall, the floor, and the body laid over them."""

    def __init__(self, context: moderngl.Context, background: np.ndarray, samples: int):
        """background: (3,) linear."""
        self._context = context
        sampler = "sampler2DMS" if samples > 1 else "sampler2D"
        body_fragment = shaders.BODY_AREA_FRAGMENT.replace("SAMPLER", sampler)
        # Without multisampling the last argument of texelFetch is a level, of which there is the first.
        body_fragment = body_fragment.replace("SAMPLES", str(samples))
        self._wall = context.program(vertex_shader=shaders.AREA_VERTEX, fragment_shader=shaders.WALL_FRAGMENT)
        self._floor = context.program(vertex_shader=shaders.AREA_VERTEX, fragment_shader=shaders.FLOOR_FRAGMENT)
        self._body = context.program(vertex_shader=shaders.AREA_VERTEX, fragment_shader=body_fragment)
        self._wall["background"].write(background)
        for name, color in _room_colors(background).items():
            self._floor[name].write(color)
        self._floor["reach"] = _FLOOR_REACH_M
        self._floor["shadow"], self._body["body"] = _SHADOW_UNIT, _BODY_UNIT
        self._corners = {
            program: context.vertex_array(program, []) for program in (self._wall, self._floor, self._body)
        }
        self._shadow: moderngl.Texture | None = None
        context.blend_func = moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA

    def upload_shadow(self, shadow: Shadow) -> None:
        if self._shadow is None:
            rows, columns = shadow.darkness.shape[:2]
            self._shadow = self._context.texture((columns, rows), 2, dtype="f1")
            self._shadow.repeat_x = self._shadow.repeat_y = False
            self._shadow.use(_SHADOW_UNIT)
        self._shadow.write(np.rint(shadow.darkness * 255).astype(np.uint8))

    def draw(self, shot: Shot, view_projection: np.ndarray, floor_y: float, shadow: Shadow | None) -> None:
        """The wall, and with a shadow the floor."""
        if shadow is None:
            self._fill(self._wall, -1.0, -1.0, 1.0, 1.0)
            return
        centre = shadow.corner + shadow.width_m / 2
        horizon = _top_of_disc(centre, _FLOOR_REACH_M, floor_y, view_projection)
        projection = shot.camera.projection(shot.width / shot.height)
        _place_camera(self._floor, shot)
        self._floor["slopes"] = (1 / projection[0, 0], 1 / projection[1, 1])
        self._floor["floor_y"] = floor_y
        self._floor["centre"] = tuple(centre)
        self._floor["shadow_area"] = (*shadow.corner, shadow.width_m)
        # Whole rows of pixels, so that no pixel belongs to both or to none.
        horizon = 2 * np.ceil((horizon + 1) / 2 * shot.height) / shot.height - 1
        self._fill(self._floor, -1.0, -1.0, 1.0, horizon)
        self._fill(self._wall, -1.0, horizon, 1.0, 1.0)

    def draw_body(self, samples: moderngl.Texture, area: tuple[int, int, int, int]) -> None:
        """Lay the samples' mean over the picture; area: (left, bottom, right, top) in pixels."""
        width, height = samples.size
        left, bottom, right, top = area
        samples.use(_BODY_UNIT)
        self._context.enable(moderngl.BLEND)
        self._fill(
            self._body, 2 * left / width - 1, 2 * bottom / height - 1, 2 * right / width - 1, 2 * top / height - 1
        )
        self._context.disable(moderngl.BLEND)

    def _fill(self, program: moderngl.Program, left: float, bottom: float, right: float, top: float) -> None:
        if right > left and top > bottom:
            program["area"] = (left, bottom, right, top)
            self._corners[program].render(moderngl.TRIANGLE_STRIP, vertices=4)


class _BodyBuffers:
    """The buffers of one figure.

    Surfaces that close on themselves are drawn by their outer side alone, which is half the work; lashes and other
    open sheets by both.
    """

    def __init__(
        self, context: moderngl.Context, one_sided: moderngl.Program, two_sided: moderngl.Program, figure: Figure
    ):
        num_vertices = len(figure.vertex_parts)
        self.vertices = context.buffer(reserve=num_vertices * 12, dynamic=True)
        self.normals = context.buffer(reserve=num_vertices * 12, dynamic=True)
        content = [
            (self.vertices, "3f4", "position"),
            (self.normals, "3f4", "normal"),
            (context.buffer(figure.vertex_parts), "1u1", "leaf"),
            (context.buffer(np.rint(figure.vertex_colors * 255).astype(np.uint8)), "4f1", "own_color"),
        ]

        self.closed = _Surface(context, one_sided, content, figure.faces[figure.closed_faces])
        self.sheets = _Surface(context, two_sided, content, figure.faces[~figure.closed_faces])


class _Surface:
    """Some faces of a figure, drawn all or as far as they can be seen."""

    def __init__(
        self,
        context: moderngl.Context,
        program: moderngl.Program,
        content: list[tuple[moderngl.Buffer, str, str]],
        faces: np.ndarray,
    ):
        self._faces = np.ascontiguousarray(faces)
        self._corners = np.ascontiguousarray(faces.T)
        if len(faces):
            self._all = context.vertex_array(program, content, index_buffer=context.buffer(self._faces))
            self._indices = context.buffer(reserve=self._faces.nbytes, dynamic=True)
            self._some = context.vertex_array(program, content, index_buffer=self._indices)

    def render(self, outside: np.ndarray | None) -> None:
        """outside: (V,) uint8, a bit for each edge of the picture that the vertex is beyond; None to draw all."""
        if not len(self._faces):
            return
        if outside is None:
            self._all.render(moderngl.TRIANGLES)
            return
        a, b, c = (outside[corner] for corner in self._corners)
        seen = self._faces[(a & b & c) == 0]
        if len(seen):
            self._indices.write(seen)
            self._some.render(moderngl.TRIANGLES, vertices=seen.size)


class _Canvas:
    """Where a picture of one size is drawn: the body's samples, and the picture that is read."""

    def __init__(self, context: moderngl.Context, width: int, height: int, samples: int):
        size = (width, height)
        samples = samples if samples > 1 else 0
        self.samples = context.texture(size, 4, samples=samples)
        self.body = context.framebuffer(self.samples, context.depth_renderbuffer(size, samples=samples))
        self.picture = context.framebuffer(context.renderbuffer(size, 4))
        self._pixels = np.empty((height, width, 3), np.uint8)

    def read(self) -> np.ndarray:
        """(height, width, 3) uint8, first row on top; valid until the next call."""
        self.picture.read_into(self._pixels, components=3)
        return self._pixels[::-1]


class _Outline:
    """Where a body lies in a picture.

    area: (left, bottom, right, top) in pixels of a rectangle that holds all that is seen of it.
    outside: None where all of it is in the picture; else (V,) uint8, a bit for each edge that a vertex is beyond.
    """

    def __init__(self, vertices: np.ndarray, view_projection: np.ndarray, width: int, height: int):
        matrix = view_projection[[0, 1, 3]].astype(np.float32)
        x, y, w = matrix[:, :3] @ vertices.T + matrix[:, 3:]  # (V,) each, of clip space
        self.area = (0, 0, width, height)
        self.outside = None
        beyond = (x < -w, x > w, y < -w, y > w)
        if any(side.any() for side in beyond):
            self.outside = sum(side.astype(np.uint8) << bit for bit, side in enumerate(beyond))
        if w.min() > 1e-3:  # behind the camera nothing can be said
            left, right = _pixel_range(x / w, width)
            bottom, top = _pixel_range(y / w, height)
            self.area = (left, bottom, right, top)


def _body_program(context: moderngl.Context, two_sided: bool) -> moderngl.Program:
    def variant(source: str) -> str:
        return source.replace("#version 330", "#version 330\n#define TWO_SIDED") if two_sided else source

    return context.program(vertex_shader=variant(shaders.BODY_VERTEX), fragment_shader=variant(shaders.BODY_FRAGMENT))


def _place_camera(program: moderngl.Program, shot: Shot) -> None:
    program["eye"].write(shot.pose[:3, 3].astype(np.float32))
    program["camera_axes"].write(np.ascontiguousarray(shot.pose[:3, :3].T, dtype=np.float32))  # columns first


def _top_of_disc(centre: np.ndarray, radius_m: float, floor_y: float, view_projection: np.ndarray) -> float:
    """The highest place, in -1..1, that a disc on the floor has in the picture; 1 where it passes the camera."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    # A little larger, for the polygon's sides lie within the circle.
    rim = centre + 1.01 * radius_m * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.stack([rim[:, 0], np.full(64, floor_y), rim[:, 1], np.ones(64)], axis=1)
    clip = points @ view_projection.T
    if clip[:, 3].min() <= 1e-3:
        return 1.0
    return float(np.clip((clip[:, 1] / clip[:, 3]).max(), -1, 1))


def _room_colors(background: np.ndarray) -> dict[str, np.ndarray]:
    """Linear colours around the body: the floor is darker than a light background and lighter than a dark one."""
    if background.mean() > 0.18:
        return {"background": background, "floor_color": background * 0.93, "line_color": background * 0.74}
    return {"background": background, "floor_color": background + 0.012, "line_color": background + 0.045}


def _pixel_range(places: np.ndarray, size: int) -> tuple[int, int]:
    """First pixel and one past the last that places in -1..1 touch, with two to spare, inside 0..size."""
    first = int(np.clip(np.floor((places.min() + 1) / 2 * size) - 2, 0, size - 1))
    return first, int(np.clip(np.ceil((places.max() + 1) / 2 * size) + 2, first + 1, size))


def _create_context() -> moderngl.Context:
    faults = []
    with EGL_LOCK:
        # The first device may be a graphics card that this user may not open; llvmpipe is the last one.
        for device in range(_MAX_DEVICES):
            try:
                # By their names in the packages: without ldconfig at hand they are not found by themselves.
                return moderngl.create_context(
                    require=330,
                    standalone=True,
                    backend="egl",
                    libgl="libGL.so.1",
                    libegl="libEGL.so.1",
                    device_index=device,
                )
            except Exception as error:  # moderngl and glcontext raise plain Exception
                faults.append(error)
    raise RenderError(
        f"No OpenGL 3.3 picture can be drawn on this machine ({faults[0]}). On Debian or Ubuntu: {INSTALL}"
    ) from faults[0]
