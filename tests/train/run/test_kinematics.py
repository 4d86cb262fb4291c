"""Points of the body that gradients flow through."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from emage.motion import ARKIT52
from emage.motion.rotations import axis_angle_to_rotation_6d
from emage.motion.skeleton import FACE_CHANNELS
from tests.conftest import make_motion
from train.run.kinematics import BodyPoints, measure_sliding, replace_rotations


def test_points_are_those_of_the_body(body):
    motion = replace(make_motion(5), trans=np.zeros((5, 3)), betas=np.zeros(300), expression_basis=ARKIT52)
    motion = replace(motion, expressions=motion.expressions.clip(0, 1))
    still = replace(motion, expressions=np.zeros((5, 100)))
    rotations = axis_angle_to_rotation_6d(torch.from_numpy(motion.poses))
    points = BodyPoints(body, "face", 50, ARKIT52)
    made = points(rotations, torch.from_numpy(motion.expressions).float())
    np.testing.assert_allclose(made.joints, body.joints(still), atol=1e-5)
    np.testing.assert_allclose(points.joints(rotations), made.joints, atol=1e-6)
    # Each point is a vertex of the body, to within what pose correctives move.
    distance = np.linalg.norm(made.skin.numpy()[0][:, None] - body.vertices(motion)[0], axis=-1).min(1)
    assert distance.max() < 0.005
    calm = points(rotations, torch.zeros(5, FACE_CHANNELS - 6))
    assert (calm.skin - made.skin).norm(dim=-1).max() > 0.005
    with_other_basis = BodyPoints(body, "face", 50, "flame2020")
    assert torch.equal(with_other_basis(rotations, torch.ones(5, 100)).skin, calm.skin)


def test_gradients_reach_the_part_that_was_replaced(body):
    points = BodyPoints(body, "hands", 20, ARKIT52)
    motion = axis_angle_to_rotation_6d(torch.from_numpy(make_motion(3).poses))
    elbow = motion[:, 6 * 18 : 6 * 19].clone().requires_grad_()
    moved = points(replace_rotations(motion, (18,), elbow), torch.zeros(3, 100))
    moved.fingertips[:, :5].sum().backward()
    assert elbow.grad.abs().sum() > 0
    assert torch.equal(replace_rotations(motion, (18,), elbow.detach()), motion)


def test_foot_sliding_counts_standing_feet_alone():
    feet = torch.zeros(1, 3, 4, 3)
    root_velocity = torch.zeros(1, 3, 3)
    root_velocity[..., 0] = 0.3  # m/s: 1 cm a frame
    contacts = torch.ones(1, 3, 4)
    assert float(measure_sliding(feet, root_velocity, contacts)) == pytest.approx(0.01, rel=1e-3)
    feet[0, :, :, 0] = -0.01 * torch.arange(3)[:, None]  # the feet go back as the body goes on
    assert float(measure_sliding(feet, root_velocity, contacts)) < 2e-6
    feet[0, 1:, 0, 2] = 1.0
    assert float(measure_sliding(feet, root_velocity, contacts)) == pytest.approx(1 / 8, rel=1e-3)
    contacts[..., 0] = 0
    assert float(measure_sliding(feet, root_velocity, contacts)) < 2e-6
