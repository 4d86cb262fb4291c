import numpy as np
import pytest
import torch

from emage.motion import FPS, Motion
from emage.motion.rotations import angle_between, axis_angle_to_matrix
from emage.postprocess.smoothing import low_pass
from tests.conftest import make_motion


def waves(period_frames: float, num_frames: int = 300) -> Motion:
    """Every joint and the way swing by 0.1 about x."""
    poses = np.zeros((num_frames, 55, 3))
    swing = 0.1 * np.sin(2 * np.pi * np.arange(num_frames) / period_frames)
    poses[..., 0] = swing[:, None]
    trans = np.stack([swing, 0 * swing, 0 * swing], 1)
    return Motion(poses.reshape(num_frames, 165), np.zeros((num_frames, 100)), trans, np.zeros(300), FPS)


@pytest.mark.parametrize("sigma_frames", [1.0, 2.0])
@pytest.mark.parametrize("period_frames", [8, 15, 60])
def test_waves_are_damped_as_a_gaussian_damps_them(sigma_frames, period_frames):
    motion = waves(period_frames)
    filtered = low_pass(motion, sigma_frames)
    gain = np.exp(-2 * (np.pi * sigma_frames / period_frames) ** 2)
    inside = slice(30, -30)
    elbow = filtered.poses[inside, 3 * 18]
    assert np.ptp(elbow) == pytest.approx(gain * np.ptp(motion.poses[inside, 3 * 18]), rel=0.01)
    assert np.ptp(filtered.trans[inside, 0]) == pytest.approx(gain * np.ptp(motion.trans[inside, 0]), rel=0.01)


def test_the_face_keeps_every_frame():
    motion = make_motion(90)
    filtered = low_pass(motion, 3)
    assert np.array_equal(filtered.poses[:, 66:69], motion.poses[:, 66:69])
    assert np.array_equal(filtered.expressions, motion.expressions)
    assert not np.allclose(filtered.poses[:, :66], motion.poses[:, :66], atol=1e-3)


def test_a_turn_past_half_a_circle_goes_on():
    angle = np.linspace(np.pi - 0.3, np.pi + 0.3, 60)
    poses = np.zeros((60, 55, 3))
    poses[:, 0, 1] = np.where(angle > np.pi, angle - 2 * np.pi, angle)
    motion = Motion(poses.reshape(60, 165), np.zeros((60, 100)), np.zeros((60, 3)), np.zeros(300), FPS)
    filtered = low_pass(motion, 2)
    filtered_turns, turns = (
        axis_angle_to_matrix(torch.from_numpy(each.poses[10:-10, :3]).double()) for each in (filtered, motion)
    )
    away = angle_between(filtered_turns, turns)
    assert away.abs().max() < 1e-3


def test_off_is_the_motion_itself():
    motion = make_motion(20)
    assert low_pass(motion, 0) is motion
