"""Rotations against scipy, at their awkward angles, and in gradient."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from emage.motion.rotations import (
    angle_between,
    axis_angle_to_matrix,
    axis_angle_to_quaternion,
    axis_angle_to_rotation_6d,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    matrix_to_rotation_6d,
    rotation_6d_to_axis_angle,
    rotation_6d_to_matrix,
    slerp,
)

AWKWARD_ANGLES = [0.0, 1e-12, 1e-8, 1e-4, 1.0, np.pi - 1e-4, np.pi - 1e-8, np.pi, np.pi + 1e-8, 2 * np.pi - 1e-6, 7.0]

direction = st.tuples(*[st.floats(-1, 1) for _ in range(3)]).filter(lambda v: np.linalg.norm(v) > 1e-3)
angle = st.one_of(st.sampled_from(AWKWARD_ANGLES), st.floats(0, 3 * np.pi))


def vector(axis, radians) -> np.ndarray:
    return np.array(axis) / np.linalg.norm(axis) * radians


def scipy_angle(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (Rotation.from_matrix(first).inv() * Rotation.from_matrix(second)).magnitude()


@settings(max_examples=200, deadline=None)
@given(direction, angle)
def test_matrices_are_scipys(axis, radians):
    rotvec = vector(axis, radians)
    expected = Rotation.from_rotvec(rotvec).as_matrix()
    np.testing.assert_allclose(axis_angle_to_matrix(torch.tensor(rotvec)).numpy(), expected, atol=1e-12)
    single = axis_angle_to_matrix(torch.tensor(rotvec, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(single, expected, atol=5e-6)


@settings(max_examples=200, deadline=None)
@given(direction, angle)
def test_axis_angle_survives_the_matrix(axis, radians):
    matrix = Rotation.from_rotvec(vector(axis, radians)).as_matrix()
    back = matrix_to_axis_angle(torch.tensor(matrix)).numpy()
    assert np.linalg.norm(back) <= np.pi + 1e-12
    np.testing.assert_allclose(Rotation.from_rotvec(back).as_matrix(), matrix, atol=1e-7)
    single = matrix_to_axis_angle(torch.tensor(matrix, dtype=torch.float32)).double().numpy()
    assert scipy_angle(Rotation.from_rotvec(single).as_matrix(), matrix) < 1e-5


@settings(max_examples=100, deadline=None)
@given(direction, angle)
def test_quaternions_are_scipys(axis, radians):
    rotation = Rotation.from_rotvec(vector(axis, radians))
    expected = rotation.as_quat(canonical=True, scalar_first=True)
    for quaternion in (
        matrix_to_quaternion(torch.tensor(rotation.as_matrix())).numpy(),
        axis_angle_to_quaternion(torch.tensor(vector(axis, radians))).numpy(),
    ):
        assert quaternion[0] >= 0
        # at half a turn both signs are the same rotation
        assert min(np.abs(quaternion - expected).max(), np.abs(quaternion + expected).max()) < 1e-7


@settings(max_examples=100, deadline=None)
@given(direction, angle, st.floats(0.1, 5), st.floats(0.1, 5), st.floats(-2, 2))
def test_six_numbers_are_rows_and_need_not_be_orthonormal(axis, radians, scale_first, scale_second, lean):
    matrix = Rotation.from_rotvec(vector(axis, radians)).as_matrix()
    six = matrix_to_rotation_6d(torch.tensor(matrix))
    np.testing.assert_array_equal(six.numpy(), matrix[:2].ravel())
    skewed = torch.tensor(np.concatenate([scale_first * matrix[0], scale_second * matrix[1] + lean * matrix[0]]))
    np.testing.assert_allclose(rotation_6d_to_matrix(skewed).numpy(), matrix, atol=1e-9)


def test_joints_keep_their_order():
    poses = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 5, 165)))
    six = axis_angle_to_rotation_6d(poses)
    assert six.shape == (2, 5, 330)
    expected = Rotation.from_rotvec(poses[1, 3, 66:69]).as_matrix()[:2].ravel()  # joint 22
    np.testing.assert_allclose(six[1, 3, 132:138], expected, atol=1e-12)
    back = axis_angle_to_matrix(rotation_6d_to_axis_angle(six).reshape(-1, 3))
    np.testing.assert_allclose(back, axis_angle_to_matrix(poses.reshape(-1, 3)), atol=1e-7)


@settings(max_examples=100, deadline=None)
@given(direction, direction, st.floats(0, 3), st.floats(0, 3), st.floats(0, 1))
def test_slerp_turns_evenly(axis, other, radians, more, weight):
    start, end = vector(axis, radians), vector(other, more)
    between = slerp(torch.tensor(start), torch.tensor(end), torch.tensor([weight])).numpy()
    whole = (Rotation.from_rotvec(start).inv() * Rotation.from_rotvec(end)).magnitude()
    done = (Rotation.from_rotvec(start).inv() * Rotation.from_rotvec(between)).magnitude()
    left = (Rotation.from_rotvec(between).inv() * Rotation.from_rotvec(end)).magnitude()
    assert abs(done - weight * whole) < 1e-6
    assert abs(left - (1 - weight) * whole) < 1e-6


def test_angle_between_is_the_geodesic_distance():
    first, second = Rotation.random(50, rng=1), Rotation.random(50, rng=2)
    angles = angle_between(torch.tensor(first.as_matrix()), torch.tensor(second.as_matrix())).numpy()
    np.testing.assert_allclose(angles, (first.inv() * second).magnitude(), atol=1e-7)


def test_gradients_are_finite_and_right_at_rest():
    axis_angle = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
    matrix = axis_angle_to_matrix(axis_angle)
    (gradient,) = torch.autograd.grad(matrix[:, 2, 1].sum(), axis_angle, retain_graph=True)
    np.testing.assert_allclose(gradient, np.tile([1.0, 0, 0], (4, 1)), atol=1e-12)  # d sin(x) / dx
    (gradient,) = torch.autograd.grad(matrix_to_axis_angle(matrix).sum(), axis_angle)
    np.testing.assert_allclose(gradient, np.ones((4, 3)), atol=1e-9)


def test_gradients_agree_with_differences():
    rng = np.random.default_rng(0)
    axis_angle = torch.tensor(rng.normal(size=(20, 3)), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: matrix_to_axis_angle(axis_angle_to_matrix(x)), axis_angle)
    six = torch.tensor(rng.normal(size=(20, 6)), requires_grad=True)
    assert torch.autograd.gradcheck(rotation_6d_to_matrix, six)
