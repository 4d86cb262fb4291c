"""Motions whose steps are known, for tests of grounding: made from footprints, not from joint angles."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from emage.body import Body
from emage.motion import FPS, Motion
from emage.motion.skeleton import JOINT_NAMES
from emage.postprocess.leg_ik import Leg
from tests.conftest import rest

LEGS = tuple(
    tuple(JOINT_NAMES.index(f"{side}_{name}") for name in ("hip", "knee", "ankle")) for side in ("left", "right")
)
ANKLES = [leg[2] for leg in LEGS]
STEP_FRAMES, SWING_FRAMES, PAUSE_FRAMES = 18, 15, 30
LIFT_M = 0.06
LOWERED_M = 0.05


@dataclass(frozen=True, eq=False)
class Walk:
    """motion: a body that walks straight ahead. footprints: (T, 2) z of left and right ankle. stands: (T, 2) bool."""

    motion: Motion
    footprints: np.ndarray
    stands: np.ndarray


def standing(body: Body, num_frames: int) -> Motion:
    """In the rest pose, the lowest sole at height 0."""
    return rest(num_frames, np.tile([0.0, -float(body.soles(rest())[..., 1].min()), 0.0], (num_frames, 1)))


def walk(body: Body, steps: int = 6, step_m: float = 0.5) -> Walk:
    """Stand, walk some steps, the left foot first, bring the feet together and stand."""
    num_frames = 2 * PAUSE_FRAMES + (steps + 1) * STEP_FRAMES
    feet = np.zeros((num_frames, 2, 2))  # y and z
    stands = np.ones((num_frames, 2), dtype=bool)
    phase = np.arange(1, SWING_FRAMES + 1) / (SWING_FRAMES + 1)
    progress = phase - np.sin(2 * np.pi * phase) / (2 * np.pi)
    for step in range(steps + 1):
        side, start = step % 2, PAUSE_FRAMES + step * STEP_FRAMES
        end = start + SWING_FRAMES
        way = step_m * (min(step, steps - 1) + 1) - feet[start, side, 1]  # the last step brings the feet together
        feet[start:end, side, 0] = LIFT_M * np.sin(np.pi * phase) ** 2
        feet[start:end, side, 1] += way * progress
        feet[end:, side, 1] += way
        stands[start:end, side] = False
    still = standing(body, num_frames)
    rest = body.joints(still.frames(0, 1))[0].astype(np.float64)
    path = np.zeros((num_frames, 3))
    path[:, 1] = -LOWERED_M
    path[:, 2] = gaussian_filter1d(feet[..., 1].mean(axis=1), 6, mode="nearest")
    poses = still.poses.reshape(num_frames, -1, 3).copy()
    upright = Rotation.identity(num_frames)
    for side, (hip, knee, ankle) in enumerate(LEGS):
        place = rest[ankle] + np.insert(feet[:, side], 0, 0, axis=1)
        leg = Leg(upright, upright, rest[knee] - rest[hip], rest[ankle] - rest[knee]).reach(
            place - path - rest[hip], np.zeros(num_frames, dtype=bool)
        )
        poses[:, hip], poses[:, knee] = leg.thigh.as_rotvec(), leg.knee.as_rotvec()
        poses[:, ankle] = (leg.thigh * leg.knee).inv().as_rotvec()
    motion = replace(still, poses=poses.reshape(num_frames, -1), trans=still.trans + path)
    return Walk(motion, rest[ANKLES, 2] + feet[..., 1], stands)


def drifting(motion: Motion, velocity_m_per_s: tuple[float, float, float]) -> Motion:
    """The same legs on a path that goes astray."""
    away = np.arange(motion.num_frames)[:, None] / FPS * np.array(velocity_m_per_s)
    return replace(motion, trans=motion.trans + away)
