"""Drawing with pyrender, the renderer that SMPL-X tools commonly use: slower, and a second opinion on the first.

It draws the same meshes through the same cameras with its own shading. Its floor is the shadow alone.
"""

import os
from collections.abc import Sequence

import numpy as np

# pyrender chooses its window system by this variable when it is imported; the user's own choice stands.
os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
import pyrender

from emage.errors import RenderError
from emage.render.gl import EGL_LOCK, INSTALL
from emage.render.scene import Figure, Mesh, Shadow, Shot
from emage.render.settings import RenderSettings, rgb_of

# Floats: integer colours of lights are taken for 0..1 after a division by 255 and draw nearly black.
_LAMPS = (((-0.485, 0.661, 0.573), 2.6), ((0.830, 0.147, 0.538), 0.8), ((0.352, 0.553, -0.755), 1.0))
_AMBIENT = (0.32, 0.32, 0.34)
_SHADOW_LIFT_M = 0.002
"""The shadow lies so far below the floor, not to cut through soles that touch it."""


class PyrenderRenderer:
    """Draws figures one shot at a time.

    Raises:
        RenderError: no OpenGL can be had on this machine; says what to install.
    """

    def __init__(self, figures: Sequence[Figure], settings: RenderSettings):
        self._figures = figures
        self._background = rgb_of(settings.background)
        self._skin = pyrender.MetallicRoughnessMaterial(metallicFactor=0.0, roughnessFactor=0.6, doubleSided=True)
        self._shade = pyrender.MetallicRoughnessMaterial(
            baseColorFactor=(0.0, 0.0, 0.0, 1.0), metallicFactor=0.0, alphaMode="BLEND"
        )
        try:
            with EGL_LOCK:
                self._offscreen = pyrender.OffscreenRenderer(settings.width, settings.height)
        except Exception as error:  # PyOpenGL raises many kinds, AttributeError among them where libraries are missing
            raise RenderError(
                f"pyrender cannot draw on this machine ({type(error).__name__}: {error}). "
                f"On Debian or Ubuntu: {INSTALL}"
            ) from error

    def draw(self, index: int, mesh: Mesh, shots: Sequence[Shot]) -> list[np.ndarray]:
        """Pictures (height, width, 3) uint8 of figure `index` as it is in `mesh`, one for each shot."""
        figure = self._figures[index]
        scene = pyrender.Scene(bg_color=(*self._background, 1.0), ambient_light=_AMBIENT)
        scene.add(pyrender.Mesh([self._body(figure, mesh)]))
        floor = None if mesh.shadow is None else scene.add(pyrender.Mesh([self._floor(mesh.shadow, mesh.floor_y)]))
        lamps = [
            (scene.add(pyrender.DirectionalLight(color=np.ones(3), intensity=strength)), direction)
            for direction, strength in _LAMPS
        ]
        return [self._draw_shot(scene, floor, lamps, shot) for shot in shots]

    def close(self) -> None:
        """Give everything back."""
        with EGL_LOCK:
            _give_back(self._offscreen)

    def _draw_shot(
        self,
        scene: pyrender.Scene,
        floor: pyrender.Node | None,
        lamps: Sequence[tuple[pyrender.Node, tuple[float, float, float]]],
        shot: Shot,
    ) -> np.ndarray:
        if floor is not None:
            floor.mesh.is_visible = shot.floor
        for lamp, direction in lamps:
            scene.set_pose(lamp, _looking_along(-shot.pose[:3, :3] @ np.array(direction)))
        camera = pyrender.PerspectiveCamera(
            yfov=shot.camera.yfov_rad,
            aspectRatio=shot.width / shot.height,
            znear=shot.camera.near_m,
            zfar=shot.camera.far_m,
        )
        node = scene.add(camera, pose=shot.pose)
        self._offscreen.viewport_width, self._offscreen.viewport_height = shot.width, shot.height
        picture, _ = self._offscreen.render(scene)
        scene.remove_node(node)
        return picture

    def _body(self, figure: Figure, mesh: Mesh) -> pyrender.Primitive:
        own, opacity = figure.vertex_colors[:, :3], figure.vertex_colors[:, 3:]
        colors = mesh.part_colors[figure.vertex_parts] * (1 - opacity) + own * opacity  # (V, 3) sRGB
        return pyrender.Primitive(
            positions=mesh.vertices,
            normals=mesh.normals.astype(np.float32),
            indices=figure.faces,
            color_0=(colors**2.2).astype(np.float32),  # pyrender wants linear colours and encodes the result
            material=self._skin,
            mode=pyrender.constants.GLTF.TRIANGLES,
        )

    def _floor(self, shadow: Shadow, floor_y: float) -> pyrender.Primitive:
        """A sheet of black that is as opaque as the shadow is dark."""
        size = len(shadow.darkness)
        at = (np.arange(size) + 0.5) * shadow.width_m / size
        z, x = np.meshgrid(shadow.corner[1] + at, shadow.corner[0] + at, indexing="ij")
        positions = np.stack([x, np.full_like(x, floor_y - _SHADOW_LIFT_M), z], axis=-1).reshape(-1, 3)
        opacity = 0.5 * (1 - (1 - shadow.darkness).prod(-1)).reshape(-1, 1)
        corners = np.arange(size * size, dtype=np.int32).reshape(size, size)
        a, b, c, d = corners[:-1, :-1], corners[1:, :-1], corners[1:, 1:], corners[:-1, 1:]
        faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
        return pyrender.Primitive(
            positions=positions.astype(np.float32),
            normals=np.tile(np.float32([0, 1, 0]), (len(positions), 1)),
            indices=faces,
            color_0=np.concatenate([np.zeros((len(positions), 3)), opacity], axis=1).astype(np.float32),
            material=self._shade,
            mode=pyrender.constants.GLTF.TRIANGLES,
        )


def _give_back(offscreen: pyrender.OffscreenRenderer) -> None:
    """Delete the context, but leave EGL on: `OffscreenRenderer.delete` ends it for every other context as well."""
    platform = offscreen._platform
    if os.environ["PYOPENGL_PLATFORM"] != "egl":
        offscreen.delete()
        return
    from OpenGL import EGL

    platform.make_current()
    offscreen._renderer.delete()
    EGL.eglMakeCurrent(platform._egl_display, EGL.EGL_NO_SURFACE, EGL.EGL_NO_SURFACE, EGL.EGL_NO_CONTEXT)
    EGL.eglDestroyContext(platform._egl_display, platform._egl_context)
    platform._egl_display = platform._egl_context = None


def _looking_along(direction: np.ndarray) -> np.ndarray:
    """(4, 4) pose whose -z is `direction`."""
    back = -direction / np.linalg.norm(direction)
    helper = np.eye(3)[np.argmin(np.abs(back))]
    right = np.cross(helper, back)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(back, right), back], axis=1)
    return pose
