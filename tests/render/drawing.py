"""What the tests of renderers share: poses, small pictures, and where points lie in them."""

from dataclasses import replace

import numpy as np

from emage.body import Body
from emage.motion import Motion
from emage.render.camera import Camera
from emage.render.frames import render_frames
from emage.render.scene import Actor
from emage.render.settings import RenderSettings
from tests.conftest import rest

SMALL = RenderSettings(size=160, face_inset=False, captions=False, floor=False)
GREEN = replace(SMALL, background="#00ff00", generated_color="white", hint_color="white")
"""For silhouettes: nothing on a body is as green."""
ARMS_DOWN = {"left_shoulder": (0, 0, -1.2), "right_shoulder": (0, 0, 1.2)}
GESTURE = {
    "left_shoulder": (0, -0.9, -0.3), "right_elbow": (0.2, 1.4, 0), "left_hip": (-0.8, 0, 0), "head": (0, 0.5, 0)
}  # fmt: skip


def posed(num_frames: int = 1, walk_m: float = 0.0, **joints: tuple[float, float, float]) -> Motion:
    """With some joints turned, on a straight walk along x."""
    return rest(num_frames, np.linspace(0, walk_m, num_frames)[:, None] * [1, 0, 0], **joints)


def draw(actors: list[Actor], settings: RenderSettings) -> np.ndarray:
    """(T, H, W, 3) int."""
    return np.stack(list(render_frames(actors, settings))).astype(int)


def picture(body: Body, settings: RenderSettings, motion: Motion | None = None, caption: str = "") -> np.ndarray:
    """(H, W, 3) int: the first frame of a motion, by default at rest."""
    return draw([Actor(body, (motion or posed()).frames(0, 1), caption=caption)], settings)[0]


def silhouette(frames: np.ndarray) -> np.ndarray:
    """(..., 3) -> (...) bool: where a body is, in pictures by `GREEN`."""
    return ~((frames[..., 1] > 128) & (frames[..., 0] < 100) & (frames[..., 2] < 100))


def project(points: np.ndarray, camera: Camera, frame: int, width: int, height: int) -> np.ndarray:
    """(V, 2) pixels, x to the right and y down, by the definition of the matrices."""
    seen = np.c_[points, np.ones(len(points))] @ np.linalg.inv(camera.pose(frame)).T
    clipped = seen @ camera.projection(width / height).T
    ndc = clipped[:, :2] / clipped[:, 3:]
    return np.c_[(ndc[:, 0] + 1) / 2 * width, (1 - ndc[:, 1]) / 2 * height]
