"""Drawing with OpenGL 3.3 through moderngl, on EGL: a graphics card, or Mesa's llvmpipe where there is none.

A context belongs to the thread that makes it; all methods of one renderer are called from one thread. Meshes are
lit in linear light by a key, a fill and a rim lamp that go with the camera, and by a sky; then encoded to sRGB.
"""

import threading
from collections.abc import Sequence

import moderngl
import numpy as np

from emage.errors import RenderError
from emage.render.scene import Figure, Mesh, RenderSettings, Shadow, Shot, rgb_of

INSTALL = "sudo apt-get install -y libegl1 libgl1 libgl1-mesa-dri"
"""Debian and Ubuntu: the loader of EGL, the loader of OpenGL, and Mesa's drivers with llvmpipe."""

# EGL's display is one for the process, and not every driver lets two threads come and go at once.
_EGL_LOCK = threading.Lock()

_SRGB = """
vec3 to_linear(vec3 c) { return pow(c, vec3(2.2)); }
vec3 to_srgb(vec3 c) { return pow(clamp(c, 0.0, 1.0), vec3(1.0 / 2.2)); }
"""

_BODY_VERTEX = """
#version 330
uniform mat4 view_projection;
uniform vec3 part_colors[5];
in vec3 position;
in vec3 normal;
in uint leaf;
in vec4 own_color;
out vec3 world;
out vec3 world_normal;
out vec4 color;
void main() {
    world = position;
    world_normal = normal;
    color = vec4(mix(part_colors[min(leaf, 4u)], own_color.rgb, own_color.a), own_color.a);
    gl_Position = view_projection * vec4(position, 1.0);
}
"""

_BODY_FRAGMENT = (
    """
#version 330
uniform vec3 eye;
uniform mat3 camera_axes;
in vec3 world;
in vec3 world_normal;
in vec4 color;
out vec4 pixel;
"""
    + _SRGB
    + """
void main() {
    vec3 n = normalize(world_normal);
    if (!gl_FrontFacing) n = -n;  // lashes and other thin sheets have two sides
    vec3 v = normalize(eye - world);
    vec3 key = camera_axes * normalize(vec3(-0.55, 0.75, 0.65));
    vec3 fill = camera_axes * normalize(vec3(0.85, 0.15, 0.55));
    vec3 rim = camera_axes * normalize(vec3(0.35, 0.55, -0.75));
    vec3 albedo = to_linear(color.rgb);

    float wrapped = max((dot(n, key) + 0.25) / 1.25, 0.0);
    vec3 sky = mix(vec3(0.20, 0.19, 0.20), vec3(0.42, 0.44, 0.48), 0.5 + 0.5 * n.y);
    vec3 light = sky + vec3(0.80, 0.77, 0.72) * wrapped * wrapped + vec3(0.16, 0.18, 0.22) * max(dot(n, fill), 0.0);

    float facing = max(dot(n, v), 0.0);
    float edge = pow(1.0 - facing, 4.0);
    float glint = pow(max(dot(n, normalize(key + v)), 0.0), mix(28.0, 90.0, color.a));
    vec3 shine = vec3(mix(0.055, 0.30, color.a) * glint) + vec3(0.30) * edge * max(dot(n, rim) + 0.2, 0.0);
    pixel = vec4(to_srgb(albedo * light + shine), 1.0);
}
"""
)

_BACKDROP_VERTEX = """
#version 330
out vec2 place;  // -1..1
void main() {
    place = vec2(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0);
    gl_Position = vec4(place, 0.0, 1.0);
}
"""

# Background and floor in one pass over the picture: a ray for each pixel, and where it meets the floor.
_BACKDROP_FRAGMENT = (
    """
#version 330
uniform vec3 background;  // linear
uniform bool has_floor;
uniform vec3 eye;
uniform mat3 camera_axes;
uniform vec2 slopes;      // of the ray through the right and the upper edge
uniform float floor_y;
uniform vec2 centre;      // x, z round which the floor fades
uniform vec3 shadow_area; // x, z of its corner, width
uniform sampler2D shadow;
in vec2 place;
out vec4 pixel;
"""
    + _SRGB
    + """
float line(vec2 at, float spacing, float width, float footprint) {
    vec2 distance_m = abs(fract(at / spacing - 0.5) - 0.5) * spacing;
    float soft = max(width, footprint);
    vec2 cover = (1.0 - smoothstep(vec2(0.5 * width), vec2(0.5 * width + soft), distance_m)) * min(width / footprint, 1.0);
    return max(cover.x, cover.y);
}
void main() {
    vec3 color = background * (1.04 - 0.10 * dot(place, place) * 0.5);
    vec3 ray = camera_axes * vec3(place * slopes, -1.0);
    vec2 at = eye.xz + ray.xz * ((floor_y - eye.y) / min(ray.y, -1e-4));
    float footprint = 0.75 * length(vec2(length(dFdx(at)), length(dFdy(at))));
    if (has_floor && ray.y < -1e-4) {
        float fade = 1.0 - smoothstep(0.5, 2.6, length(at - centre));
        if (fade > 0.0) {
            float lines = line(at, 0.5, 0.006, footprint);
            vec2 dark = texture(shadow, (at - shadow_area.xy) / shadow_area.z).rg;
            float light = (1.0 - 0.55 * dark.r) * (1.0 - 0.60 * dark.g) * (1.0 - 0.22 * lines * fade);
            color = mix(color, color * 0.93 * light, fade);
        }
    }
    pixel = vec4(to_srgb(color), 1.0);
}
"""
)


class ModernglRenderer:
    """Draws figures; buffers are made once, and each frame uploads vertices, normals and a few small values.

    Raises:
        RenderError: no OpenGL 3.3 can be had on this machine; says what to install.
    """

    def __init__(self, figures: Sequence[Figure], settings: RenderSettings):
        self._context = _create_context()
        try:
            self._samples = min(settings.samples, self._context.max_samples)
            self._background = rgb_of(settings.background) ** 2.2
            self._body = self._context.program(vertex_shader=_BODY_VERTEX, fragment_shader=_BODY_FRAGMENT)
            self._backdrop = self._context.program(vertex_shader=_BACKDROP_VERTEX, fragment_shader=_BACKDROP_FRAGMENT)
            self._backdrop_corners = self._context.vertex_array(self._backdrop, [])
            self._bodies = [_BodyBuffers(self._context, self._body, figure) for figure in figures]
            self._canvases: dict[tuple[int, int], _Canvas] = {}
            self._shadow: moderngl.Texture | None = None
        except BaseException:
            self.close()
            raise

    def draw(self, index: int, mesh: Mesh, shots: Sequence[Shot]) -> list[np.ndarray]:
        """Pictures (height, width, 3) uint8 of figure `index` as it is in `mesh`, one for each shot."""
        body = self._bodies[index]
        body.vertices.write(np.ascontiguousarray(mesh.vertices, dtype=np.float32))
        body.normals.write(np.ascontiguousarray(mesh.normals, dtype=np.float32))
        self._body["part_colors"].write(np.ascontiguousarray(mesh.part_colors, dtype=np.float32))
        if mesh.shadow is not None:
            self._upload_shadow(mesh.shadow)
        return [self._draw_shot(body, mesh, shot) for shot in shots]

    def close(self) -> None:
        """Give everything back; the thread has no context afterwards."""
        with _EGL_LOCK:
            # EGL keeps a context alive while it is current. With it go all its buffers and programs.
            with self._context:
                pass
            self._context.release()

    def _draw_shot(self, body: "_BodyBuffers", mesh: Mesh, shot: Shot) -> np.ndarray:
        canvas = self._canvas(shot.width, shot.height)
        canvas.target.use()
        canvas.target.clear()
        eye, axes = shot.pose[:3, 3], shot.pose[:3, :3]
        projection = shot.camera.projection(shot.width / shot.height)
        for program in (self._body, self._backdrop):
            program["eye"].write(eye.astype(np.float32))
            program["camera_axes"].write(np.ascontiguousarray(axes.T, dtype=np.float32))  # columns first

        self._context.disable(moderngl.DEPTH_TEST)
        backdrop = self._backdrop
        backdrop["background"].write(self._background)
        backdrop["has_floor"] = shot.floor and mesh.shadow is not None
        if mesh.shadow is not None:
            backdrop["slopes"] = (1 / projection[0, 0], 1 / projection[1, 1])
            backdrop["floor_y"] = body.floor_y
            backdrop["centre"] = tuple(mesh.shadow.corner + mesh.shadow.width_m / 2)
            backdrop["shadow_area"] = (*mesh.shadow.corner, mesh.shadow.width_m)
        self._backdrop_corners.render(moderngl.TRIANGLES, vertices=3)

        self._context.enable(moderngl.DEPTH_TEST)
        view_projection = projection @ np.linalg.inv(shot.pose)
        self._body["view_projection"].write(np.ascontiguousarray(view_projection.T, dtype=np.float32))
        body.array.render(moderngl.TRIANGLES)
        return canvas.read(self._context)

    def _upload_shadow(self, shadow: Shadow) -> None:
        if self._shadow is None:
            rows, columns = shadow.darkness.shape[:2]
            self._shadow = self._context.texture((columns, rows), 2, dtype="f1")
            self._shadow.repeat_x = self._shadow.repeat_y = False
            self._shadow.use(0)
        self._shadow.write(np.rint(shadow.darkness * 255).astype(np.uint8))

    def _canvas(self, width: int, height: int) -> "_Canvas":
        if (width, height) not in self._canvases:
            self._canvases[width, height] = _Canvas(self._context, width, height, self._samples)
        return self._canvases[width, height]


class _BodyBuffers:
    """The buffers of one figure."""

    def __init__(self, context: moderngl.Context, program: moderngl.Program, figure: Figure):
        num_vertices = len(figure.vertex_leaves)
        self.floor_y = figure.floor_y
        self.vertices = context.buffer(reserve=num_vertices * 12, dynamic=True)
        self.normals = context.buffer(reserve=num_vertices * 12, dynamic=True)
        leaves = context.buffer(figure.vertex_leaves)
        colors = context.buffer(np.rint(figure.vertex_colors * 255).astype(np.uint8))
        self.array = context.vertex_array(
            program,
            [
                (self.vertices, "3f4", "position"),
                (self.normals, "3f4", "normal"),
                (leaves, "1u1", "leaf"),
                (colors, "4f1", "own_color"),
            ],
            index_buffer=context.buffer(figure.faces),
        )


class _Canvas:
    """A multisampled picture and the plain one that it is resolved to for reading."""

    def __init__(self, context: moderngl.Context, width: int, height: int, samples: int):
        self.size = (width, height)
        samples = samples if samples > 1 else 0
        self.target = context.framebuffer(
            context.renderbuffer(self.size, 4, samples=samples), context.depth_renderbuffer(self.size, samples=samples)
        )
        self._resolved = context.framebuffer(context.renderbuffer(self.size, 4)) if samples else self.target
        self._pixels = np.empty((height, width, 4), np.uint8)

    def read(self, context: moderngl.Context) -> np.ndarray:
        """(height, width, 3) uint8, first row on top."""
        if self._resolved is not self.target:
            context.copy_framebuffer(self._resolved, self.target)
        self._resolved.read_into(self._pixels, components=4)
        return np.ascontiguousarray(self._pixels[::-1, :, :3])


def _create_context() -> moderngl.Context:
    try:
        with _EGL_LOCK:
            # By their names in the packages: without a compiler or ldconfig at hand, they are not found by themselves.
            return moderngl.create_context(
                require=330, standalone=True, backend="egl", libgl="libGL.so.1", libegl="libEGL.so.1"
            )
    except Exception as error:  # moderngl and glcontext raise plain Exception
        raise RenderError(
            f"No OpenGL 3.3 picture can be drawn on this machine ({error}). On Debian or Ubuntu: {INSTALL}"
        ) from error
