"""Cameras: where they stand in every frame so that nothing is cut off.

A camera is a symmetric perspective; it frames spheres round the joints that hold the body's skin. Axes: y up, the
camera looks along its own -z, as in OpenGL.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from emage.errors import RenderError
from emage.motion.skeleton import PARENTS

_BODY_FOV_DEGREES = 26.0
_BODY_PITCH_DEGREES = 7.0
_FACE_FOV_DEGREES = 16.0
_FACE_PITCH_DEGREES = 2.0
_MARGIN = 0.06
"""Of half the picture, kept free on each side."""
_CAPTION_MARGIN = 0.16
"""The same below the body where a caption stands."""
_FOLLOW_SMOOTHING_S = 0.6
_FACE_CROP = 1.05
"""Half the close-up's height, of the head's radius: no turn or nod of the head takes its crown out of the picture."""
_FACE_LIFT = 0.06
"""How far the close-up's middle lies above the face's, of the same: the skull goes farther up than the chin down."""
_CAPTIONED_FACE_CROP, _CAPTIONED_FACE_LIFT = 1.155, -0.04
"""Those of a close-up with a caption below the face."""
_FACE_STRAY = 0.2
"""How far the face may come from the close-up's middle, of the same; less than what is free above the crown."""
_FACE_SMOOTHING_S = 0.25
_FACE_TURN_SMOOTHING_S = 0.6
_PRESENCE_FRAMES = 1000
"""About so many frames of a clip are looked at to find where a body seldom comes."""
_BONE_SAMPLES = 4
_TOE_REACH = 0.5
"""How far toes go beyond their joint, of its way from the ankle."""
_FOOT_WEIGHT = 10.0
"""Of a point of a foot, where one of a hand has 1 and a hand has ten times as many."""
_LIMB_RADIUS_M = 0.05
_MAX_SPREAD_M = 1000.0
"""A picture that must hold more shows a body as less than a pixel."""

_HIPS, _SHOULDERS = (1, 2), (16, 17)
_PELVIS, _HEAD, _EYES = 0, 15, (23, 24)
_HEAD_JOINTS = (15, 22, 23, 24)
_FEET = (10, 11)


@dataclass(frozen=True, eq=False)
class Bounds:
    """Spheres that hold a body: joints (T, 55, 3) metres, radii (55,) metres, 0 where a joint holds no skin; fps."""

    joints: np.ndarray
    radii: np.ndarray
    fps: float


@dataclass(frozen=True, eq=False)
class Camera:
    """A symmetric perspective camera in every frame.

    poses: (T, 4, 4) float64, camera to world. yfov_rad: the whole vertical angle. near_m, far_m: depth range.
    distance_m: from the middle of what it looks at.
    """

    poses: np.ndarray
    yfov_rad: float
    near_m: float
    far_m: float
    distance_m: float

    def pose(self, frame: int) -> np.ndarray:
        """(4, 4) camera to world in a frame."""
        return self.poses[frame]

    def moved_back(self, distance_m: float) -> "Camera":
        """The same camera at a distance that is not smaller; what was in the picture stays in it."""
        step = distance_m - self.distance_m
        poses = self.poses.copy()
        poses[:, :3, 3] += step * poses[:, :3, 2]
        return Camera(poses, self.yfov_rad, self.near_m, self.far_m + step, distance_m)

    def projection(self, aspect: float) -> np.ndarray:
        """(4, 4) of OpenGL, clip = P @ eye, for a picture of width / height = aspect."""
        f = 1 / np.tan(self.yfov_rad / 2)
        near, far = self.near_m, self.far_m
        matrix = np.zeros((4, 4))
        matrix[0, 0], matrix[1, 1] = f / aspect, f
        matrix[2, 2], matrix[2, 3] = (far + near) / (near - far), 2 * far * near / (near - far)
        matrix[3, 2] = -1
        return matrix


def still_camera(bounds: Bounds, aspect: float, yaw_degrees: float, caption: bool) -> Camera:
    """One place from which the whole body is seen in all frames."""
    axes = _axes(_facing(bounds.joints), yaw_degrees, _BODY_PITCH_DEGREES)
    _check_spread(bounds.joints, "Choose the camera 'follow', or a shorter part of the motion.")
    place = _fit(bounds.joints @ axes, bounds.radii, aspect, caption, centred=False)
    return _body_camera(axes, np.zeros((len(bounds.joints), 3)), place)


def follow_camera(bounds: Bounds, aspect: float, yaw_degrees: float, caption: bool) -> Camera:
    """Goes along with the pelvis over the floor, smoothly, with the body in the middle; height and distance stay."""
    axes = _axes(_facing(bounds.joints), yaw_degrees, _BODY_PITCH_DEGREES)
    way = _smooth(bounds.joints[:, _PELVIS] * (1, 0, 1), _FOLLOW_SMOOTHING_S * bounds.fps)
    local = bounds.joints - way[:, None]  # (T, J, 3)
    _check_spread(local, "The body leaps or falls away from a camera that follows it: look for jumps in the trans.")
    return _body_camera(axes, way, _fit(local @ axes, bounds.radii, aspect, caption, centred=True))


def face_camera(bounds: Bounds, aspect: float, yaw_degrees: float, caption: bool) -> Camera:
    """A close-up that follows the head's place and turn, but not its nods."""
    joints, fps = bounds.joints, bounds.fps
    left, right = joints[:, _EYES[0]], joints[:, _EYES[1]]
    lateral = _smooth(_horizontal_unit(left - right), _FACE_TURN_SMOOTHING_S * fps)
    crop, lift = (_CAPTIONED_FACE_CROP, _CAPTIONED_FACE_LIFT) if caption else (_FACE_CROP, _FACE_LIFT)
    size = crop * max(bounds.radii[list(_HEAD_JOINTS)].max(), 1e-3)
    # Between the eyes and the root of the skull, which is at the height of the upper lip.
    face = 0.35 * (left + right) + 0.3 * joints[:, _HEAD]
    followed = _near(_smooth(face, _FACE_SMOOTHING_S * fps), face, _FACE_STRAY * size)
    middle = followed + np.array([0.0, lift * size, 0.0])
    half = np.tan(np.radians(_FACE_FOV_DEGREES) / 2) * min(aspect, 1.0)
    distance = size / half
    poses = np.tile(np.eye(4), (len(joints), 1, 1))
    for pose, side, centre in zip(poses, lateral, middle, strict=True):
        forward = np.cross(_horizontal_unit(side), (0.0, 1.0, 0.0))
        pose[:3, :3] = _axes(forward, yaw_degrees, _FACE_PITCH_DEGREES)
        pose[:3, 3] = centre + distance * pose[:3, 2]
    # Hands may come between the camera and the face.
    return Camera(poses, np.radians(_FACE_FOV_DEGREES), 0.25 * distance, distance + 4.0, distance)


def presence(bounds: Bounds, camera: Camera, aspect: float, areas: np.ndarray) -> np.ndarray:
    """(A,) how much of the body is in areas (A, 4): left, bottom, right, top in -1..1.

    The share of points along the bones, mean over the clip. Hands, which have the most bones, and feet count most: they
    are what should be seen.
    """
    step = max(1, len(bounds.joints) // _PRESENCE_FRAMES)
    poses = camera.poses[::step]
    points, weights = _along_bones(bounds.joints[::step], bounds.radii > 0)
    local = (points - poses[:, None, :3, 3]) @ poses[:, :3, :3]  # (T, P, 3)
    depth = np.maximum(-local[..., 2], 1e-3)
    half = np.tan(camera.yfov_rad / 2)
    x, y = local[..., 0] / (depth * half * aspect), local[..., 1] / (depth * half)
    thick_y = _LIMB_RADIUS_M / (depth * half)
    thick_x = thick_y / aspect
    inside = [
        (x + thick_x > left) & (x - thick_x < right) & (y + thick_y > bottom) & (y - thick_y < top)  # (T, P)
        for left, bottom, right, top in areas
    ]
    return np.array([(each.mean(0) * weights).sum() / weights.sum() for each in inside])


def _along_bones(joints: np.ndarray, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, P, 3) points from each used joint (J,) towards its parent, the joint itself first: some lie mid-forearm; of
    feet points towards the toes besides. And what each counts (P,)."""
    ends = np.flatnonzero(used[1:]) + 1
    starts = np.array(PARENTS)[ends]
    shares = np.arange(_BONE_SAMPLES) / _BONE_SAMPLES
    ends, starts, shares = (each.ravel() for each in np.broadcast_arrays(ends, starts, shares[:, None]))
    feet = np.intersect1d(_FEET, ends)
    ends, starts = np.concatenate([ends, feet]), np.concatenate([starts, np.array(PARENTS)[feet]])
    shares = np.concatenate([shares, np.full(len(feet), -_TOE_REACH)])
    points = joints[:, ends] + shares[:, None] * (joints[:, starts] - joints[:, ends])  # (T, P, 3)
    return points, np.where(np.isin(ends, _FEET), _FOOT_WEIGHT, 1.0)


@dataclass(frozen=True)
class _Place:
    """Where a camera stands in its own axes, (3,) metres, and the least, mean and greatest depth of what it sees."""

    position: np.ndarray
    nearest_m: float
    mean_m: float
    farthest_m: float


def _body_camera(axes: np.ndarray, way: np.ndarray, place: _Place) -> Camera:
    """axes (3, 3); way (T, 3) is where the camera's own origin goes."""
    poses = np.tile(np.eye(4), (len(way), 1, 1))
    poses[:, :3, :3] = axes
    poses[:, :3, 3] = way + axes @ place.position
    return Camera(poses, np.radians(_BODY_FOV_DEGREES), 0.5 * place.nearest_m, 1.5 * place.farthest_m, place.mean_m)


def _check_spread(points: np.ndarray, remedy: str) -> None:
    """Raise RenderError where points (T, J, 3) that one picture must hold lie absurdly far apart."""
    spread_m = np.ptp(points, axis=(0, 1)).max()
    if spread_m > _MAX_SPREAD_M:
        raise RenderError(
            f"The camera would have to hold {spread_m:,.0f} m in one picture; {_MAX_SPREAD_M:,.0f} m are possible. "
            + remedy
        )


def _facing(joints: np.ndarray) -> np.ndarray:
    """(3,) the horizontal direction to which the body looks on the whole; +z for one that turns round and round."""
    across = sum(joints[:, left] - joints[:, right] for left, right in (_HIPS, _SHOULDERS))
    mean = _horizontal_unit(across).mean(0)
    if np.linalg.norm(mean) < 0.1:
        return np.array([0.0, 0.0, 1.0])
    return np.cross(_horizontal_unit(mean), (0.0, 1.0, 0.0))


def _axes(facing: np.ndarray, yaw_degrees: float, pitch_degrees: float) -> np.ndarray:
    """(3, 3) columns right, up, back of a camera that sees what faces it, `pitch` from above."""
    yaw, pitch = np.radians(yaw_degrees), np.radians(pitch_degrees)
    side = np.cross((0.0, 1.0, 0.0), facing)
    level = np.cos(yaw) * facing + np.sin(yaw) * side
    back = np.cos(pitch) * level + np.array([0.0, np.sin(pitch), 0.0])
    right = np.cross((0.0, 1.0, 0.0), level)
    return np.stack([right, np.cross(back, right), back], axis=1)


def _fit(centres: np.ndarray, radii: np.ndarray, aspect: float, caption: bool, centred: bool) -> _Place:
    """The nearest place, in the camera's axes, from which all spheres (..., J, 3) lie inside the picture.

    Each side of the picture is a plane through the camera; a sphere is inside when its centre keeps its radius from
    the plane. Opposite sides together give the distance, then the room left over is shared. `centred` keeps x = 0
    in the middle of the picture.
    """
    used = radii > 0
    x, y, z = (centres[..., used, i].ravel() for i in range(3))
    r = np.broadcast_to(radii[used], centres[..., used, 0].shape).ravel()
    half = np.tan(np.radians(_BODY_FOV_DEGREES) / 2)
    side = half * aspect * (1 - _MARGIN)
    above, below = half * (1 - _MARGIN), half * (1 - (_CAPTION_MARGIN if caption else _MARGIN))

    def reach(along: np.ndarray, slope: float) -> float:
        return float((along + slope * z + r * np.hypot(1, slope)).max())

    right, left = reach(x, side), reach(-x, side)
    if centred:
        right = left = max(right, left)
    top, bottom = reach(y, above), reach(-y, below)
    distance = max((right + left) / (2 * side), (top + bottom) / (above + below))
    position = np.array([(right - left) / 2, (top - bottom + (below - above) * distance) / 2, distance])
    depth = distance - z
    return _Place(position, float((depth - r).min()), float(depth.mean()), float((depth + r).max()))


def _smooth(track: np.ndarray, sigma_frames: float) -> np.ndarray:
    """A track (T, 3) without its quick turns; it goes on beyond its ends as it came, so a walk is not lagged behind."""
    margin = int(np.ceil(4 * sigma_frames))
    longer = np.pad(track, ((margin, margin), (0, 0)), mode="reflect", reflect_type="odd")
    return gaussian_filter1d(longer, sigma_frames, axis=0)[margin : margin + len(track)]


def _near(track: np.ndarray, goal: np.ndarray, limit_m: float) -> np.ndarray:
    """The track (T, 3) drawn towards the goal, so that it is never farther than the limit."""
    away = track - goal
    return goal + away / np.hypot(1, np.linalg.norm(away, axis=1, keepdims=True) / limit_m)


def _horizontal_unit(vectors: np.ndarray) -> np.ndarray:
    flat = vectors * (1, 0, 1)
    return flat / np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), 1e-9)
