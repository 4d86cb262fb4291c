"""Metrics of motion against independent computations, and against faults planted with known size."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.spatial.transform import Rotation

from emage.errors import AudioError, MotionError
from emage.evaluation import published, quality
from emage.recording.features import loudness_envelope
from tests.conftest import angles_between, make_motion


def smooth_joints(num_frames: int, seed: int = 0) -> np.ndarray:
    """(T, 55, 3) of slow sines."""
    return make_motion(num_frames, seed=seed).poses.reshape(-1, 55, 3).astype(np.float64)


def turning(steps_rad: np.ndarray) -> np.ndarray:
    """(T - 1,) -> poses (T, 165) whose joints all turn about z by these angles from frame to frame."""
    poses = np.zeros((len(steps_rad) + 1, 55, 3))
    poses[1:, :, 2] = np.cumsum(steps_rad)[:, None]
    return poses.reshape(-1, 165)


# --- Fréchet distance -------------------------------------------------------------------------------------------------


def frechet_by_definition(a, b):
    mean_difference = a.mean(0) - b.mean(0)
    sigma_a, sigma_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    offset = 1e-6 * np.eye(a.shape[1])
    root = sqrtm((sigma_a + offset) @ (sigma_b + offset))
    return mean_difference @ mean_difference + np.trace(sigma_a + sigma_b - 2 * root.real)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12), st.floats(0.01, 100))
def test_frechet_distance_is_the_definition_with_scipys_root(seed, width, scale):
    rng = np.random.default_rng(seed)
    a = scale * rng.standard_normal((80, width)) @ rng.standard_normal((width, width))
    b = scale * (rng.standard_normal((60, width)) @ rng.standard_normal((width, width)) + rng.standard_normal(width))
    expected = frechet_by_definition(a, b)
    assert published.frechet_distance(a, b) == pytest.approx(expected, rel=1e-7, abs=1e-7)
    assert published.frechet_distance(b, a) == pytest.approx(expected, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("rows", [300, 9])  # 9 rows of 40 features: singular covariances
def test_frechet_distance_knows_planted_differences(rows):
    a = np.random.default_rng(0).standard_normal((rows, 40))
    spread = np.trace(np.cov(a, rowvar=False))
    assert published.frechet_distance(a, a) == pytest.approx(-2e-6 * 40, abs=1e-10)
    shift = np.full(40, 0.5)
    assert published.frechet_distance(a, a + shift) == pytest.approx(40 * 0.25 - 2e-6 * 40, abs=1e-9)
    frozen = np.tile(a.mean(0), (rows, 1))
    values = np.linalg.eigvalsh(np.cov(a, rowvar=False)).clip(0)
    expected = spread - 2 * np.sqrt((values + 1e-6) * 1e-6).sum()
    assert published.frechet_distance(a, frozen) == pytest.approx(expected, abs=1e-9)
    assert published.frechet_distance(1e6 * a, 1e6 * a + 1e6) == pytest.approx(40e12, rel=1e-9)


def test_frechet_distance_of_orthogonal_singular_sets_is_real():
    rng = np.random.default_rng(1)
    a, b = np.zeros((20, 6)), np.zeros((30, 6))
    a[:, :3], b[:, 3:] = rng.standard_normal((20, 3)), rng.standard_normal((30, 3))
    values = [np.linalg.eigvalsh(np.cov(x, rowvar=False)).clip(0) for x in (a[:, :3], b[:, 3:])]
    root = sum(np.sqrt((v + 1e-6) * 1e-6).sum() for v in values)
    means = np.square(a.mean(0) - b.mean(0)).sum()
    expected = means + values[0].sum() + values[1].sum() - 2 * root
    assert published.frechet_distance(a, b) == pytest.approx(expected, abs=1e-10)


# --- diversity and the face -------------------------------------------------------------------------------------------


def test_l1_diversity_is_the_definition():
    joints = smooth_joints(40)
    assert published.l1_diversity(joints) == pytest.approx(np.abs(joints - joints.mean(0)).sum() / 40, rel=1e-12)
    assert published.l1_diversity(np.ones((20, 55, 3))) == 0


def faces(frames=6, vertices=4, seed=0):
    return np.random.default_rng(seed).standard_normal((frames, vertices, 3)).astype(np.float32)


def test_face_metrics_are_their_definitions():
    one, other = faces(seed=1).astype(np.float64), faces(seed=2).astype(np.float64)
    steps = np.abs(np.diff(one, axis=0) - np.diff(other, axis=0)).sum()
    assert published.vertex_mse(one, other) == pytest.approx(np.square(one - other).mean(), rel=1e-12)
    assert published.lvd_velocity_difference(one, other) == pytest.approx(steps / 72, rel=1e-12)
    assert published.lvd_vertex_distance(one, other) == pytest.approx(np.abs(one - other)[1:].mean(), rel=1e-12)


@pytest.mark.parametrize(
    "score", [published.vertex_mse, published.lvd_velocity_difference, published.lvd_vertex_distance]
)
def test_face_metrics_refuse_what_does_not_match(score):
    with pytest.raises(MotionError, match=r"\(6, 4, 3\) and \(6, 5, 3\)"):
        score(faces(), faces(vertices=5))
    broken = faces()
    broken[3, 1, 2] = np.nan
    with pytest.raises(MotionError, match="not finite"):
        score(broken, faces())


# --- feet and smoothness ----------------------------------------------------------------------------------------------


def test_foot_sliding_is_the_definition():
    joints = 0.1 * smooth_joints(90, seed=3)
    feet = joints[:, [7, 8, 10, 11]]
    low = feet[..., 1] < np.quantile(feet[..., 1], 0.05, axis=0) + 0.02
    touching = low[:-1] & low[1:]
    slid = np.linalg.norm(np.diff(feet[..., [0, 2]], axis=0), axis=-1)[touching].sum()
    sliding = quality.foot_sliding(joints)
    assert (sliding.slid_m, sliding.contact_s) == (pytest.approx(slid), pytest.approx(touching.sum() / 30))
    assert sliding.m_per_s == pytest.approx(slid / sliding.contact_s)
    assert 0.05 < sliding.contact_s < 11.8
    assert quality.FootSliding(0.0, 0.0).m_per_s == 0


def test_jerk_and_rotation_steps_are_their_definitions():
    joints = smooth_joints(30)
    expected = np.linalg.norm(27000 * np.diff(joints, n=3, axis=0), axis=-1).mean()
    assert quality.mean_jerk(joints) == pytest.approx(expected, rel=1e-10)
    jump = np.zeros((30, 55, 3))
    jump[15:, 20, 1] = 0.01  # third differences 1, -2, 1
    assert quality.mean_jerk(jump) == pytest.approx(0.04 * 27000 / (27 * 55))
    poses = make_motion(12, reach=2.0).poses
    np.testing.assert_allclose(quality.rotation_steps(poses), angles_between(poses[:-1], poses[1:]), atol=1e-6)


def test_a_planted_jump_at_seams_is_measured():
    steps = np.full(199, 0.01)
    even = quality.seam_steps(turning(steps), [60, 120, 180])
    assert even.ratio == pytest.approx(1, abs=1e-5)
    steps[[59, 119, 179]] = [0.05, 0.03, 0.04]  # the steps into frames 60, 120, 180
    jumping = quality.seam_steps(turning(steps), [60, 120, 180])
    assert jumping.at_seams_rad == pytest.approx(0.04, abs=1e-6)
    assert jumping.elsewhere_rad == pytest.approx(0.01, abs=1e-6)
    assert jumping.ratio == pytest.approx(4, abs=1e-3)
    beside = quality.seam_steps(turning(steps), [61, 121])
    assert beside.ratio == pytest.approx(0.01 / ((194 * 0.01 + 0.12) / 197), abs=1e-3)


def test_seams_of_a_statue():
    assert quality.seam_steps(np.zeros((20, 165)), [10]).ratio == 1
    assert quality.SeamSteps(0.1, 0.0).ratio == math.inf
    with pytest.raises(MotionError, match="no seam at frame 20; this motion can have them at 1 to 19"):
        quality.seam_steps(np.zeros((20, 165)), [20])
    with pytest.raises(MotionError, match="0 of 19 steps are seams"):
        quality.seam_steps(np.zeros((20, 165)), [])
    with pytest.raises(MotionError, match="1 of 1 steps are seams"):
        quality.seam_steps(np.zeros((2, 165)), [1])


# --- stillness and hints ----------------------------------------------------------------------------------------------


def test_a_planted_stillness_is_measured():
    steps = np.full(180, math.radians(30) / 30)
    assert quality.frozen_motion(turning(steps)) == quality.FrozenMotion(0.0, 0.0)
    steps[20:95] = math.radians(4) / 30  # slower than 5 degrees/s for 75 steps
    steps[120:150] = 0
    poses = turning(steps)
    assert quality.frozen_motion(poses) == quality.FrozenMotion(105 / 180, 2.5)
    steps[20:95] = math.radians(6) / 30
    assert quality.frozen_motion(turning(steps)) == quality.FrozenMotion(30 / 180, 1.0)


def test_stillness_can_be_looked_for_in_speech_alone():
    steps = np.full(180, 0.02)
    steps[30:90] = 0
    considered = np.ones(181, dtype=bool)
    considered[50:60] = False  # takes steps 49 to 59 out: 19 and 30 frozen ones are left
    still = quality.frozen_motion(turning(steps), considered)
    assert still == quality.FrozenMotion(pytest.approx(49 / 169), 1.0)
    with pytest.raises(MotionError, match="No two frames on end"):
        quality.frozen_motion(turning(steps), np.zeros(181, dtype=bool))
    with pytest.raises(MotionError, match="considered holds float64"):
        quality.frozen_motion(turning(steps), np.ones(181))


def test_a_talking_face_does_not_hide_a_frozen_body():
    poses = np.zeros((61, 55, 3))
    poses[:, [22, 23, 24]] = np.sin(np.arange(61.0))[:, None, None]
    assert quality.frozen_motion(poses.reshape(61, 165)) == quality.FrozenMotion(1.0, 2.0)
    poses[:, 40] = poses[:, 22]  # one finger is enough
    assert quality.frozen_motion(poses.reshape(61, 165)) == quality.FrozenMotion(0.0, 0.0)


def test_deviation_from_a_hint_is_what_was_planted():
    reference = make_motion(10).poses.astype(np.float64)
    poses = reference.copy()  # of two joints that deviate one is hidden
    for joint, frames, turn in (
        (16, slice(4, 10), [0, 0.2, 0]),
        (30, slice(0, 10), [1.0, 0, 0]),
    ):
        part = frames, slice(3 * joint, 3 * joint + 3)
        poses[part] = (Rotation.from_rotvec(poses[part]) * Rotation.from_rotvec(turn)).as_rotvec()
    visible = np.zeros((10, 55), dtype=bool)
    visible[:, [16, 17]] = True
    found = quality.hint_deviation(poses, reference, visible)
    assert found.mean_rad == pytest.approx(0.2 * 6 / 20, abs=1e-7)
    assert found.max_rad == pytest.approx(0.2, abs=1e-7)


def test_a_turn_more_is_no_deviation():
    reference = np.tile([0.0, 0.0, 1.0], (4, 55)).reshape(4, 165)
    turned = np.tile([0.0, 0.0, 1.0 - 2 * np.pi], (4, 55)).reshape(4, 165)
    assert quality.hint_deviation(turned, reference, np.ones((4, 55), dtype=bool)).max_rad < 1e-7
    with pytest.raises(MotionError, match="No joint was shown"):
        quality.hint_deviation(turned, reference, np.zeros((4, 55), dtype=bool))
    with pytest.raises(MotionError, match="3 frames and the motion 4"):
        quality.hint_deviation(turned, reference[:3], np.ones((4, 55), dtype=bool))


# --- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "shape"),
    [
        (published.l1_diversity, (20, 55, 3)),
        (quality.foot_sliding, (20, 55, 3)),
        (quality.mean_jerk, (20, 55, 3)),
        (published.joint_speed, (20, 55, 3)),
        (quality.rotation_steps, (20, 165)),
        (quality.frozen_motion, (20, 165)),
        (quality.jaw_opening, (20, 165)),
        (published.beat_poses, (20, 165)),
        (published.face_poses, (20, 165)),
        (lambda features: published.frechet_distance(np.ones((9, 8)), features), (20, 8)),
    ],
)
def test_motion_that_is_none_is_refused(score, shape):
    good = np.ones(shape)
    score(good)
    broken = good.copy()
    broken[(7, *[1] * (len(shape) - 1))] = np.inf
    with pytest.raises(MotionError, match=r"\w+\[7, 1.*\] is inf; every value must be a finite number"):
        score(broken)
    for wrong in (good[:0], good[0], good[..., :-1]):
        with pytest.raises(MotionError, match=f"has shape {re.escape(str(wrong.shape))}; it must be"):
            score(wrong)
    with pytest.raises(MotionError, match="must hold numbers"):
        score(np.full(shape, "a"))


@pytest.mark.parametrize("score", [loudness_envelope, quality.speaking_frames, published.audio_onsets])
def test_audio_that_is_none_is_refused(score):
    for wrong in (np.zeros((2, 800)), np.zeros(0), np.zeros(800, np.int16)):
        with pytest.raises(AudioError, match="must be .samples,. floats at 16 kHz"):
            score(wrong)
    with pytest.raises(AudioError, match="Sample 5 of the audio is no finite number"):
        score(np.where(np.arange(800) == 5, np.nan, 0))
