"""A low pass over a whole motion, and smoothing where windows join: what changes, how far, what stays to the bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

from emage.errors import MotionError
from emage.evaluation import quality
from emage.generation.settings import AS_GENERATED, MAX_SEAM_FRAMES
from emage.hints import HintPlan, Hints, Span
from emage.motion import Motion
from emage.motion.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from emage.motion.skeleton import EYE_JOINTS, JAW_JOINT, NUM_JOINTS
from emage.postprocess.smoothing import SMOOTHED_JOINTS, low_pass
from emage.recording.examples import load_examples
from tests.conftest import angles_between, assert_same_motion, channels_of, make_motion, rest
from tests.stages import smooth_seams

SEAM = (60, 64)
FRAMES = 130
TIME = np.arange(FRAMES)
ELBOW = 3 * 18


def motion_of(elbow: np.ndarray, trans: np.ndarray | None = None) -> Motion:
    """An elbow that turns about x by (T,) radians; all else at rest, or a way (T, 3)."""
    return rest(len(elbow), trans, left_elbow=elbow[:, None] * [1, 0, 0])


def turns(motion: Motion) -> torch.Tensor:
    """(T, 55, 3, 3)."""
    return axis_angle_to_matrix(torch.from_numpy(motion.poses).double().unflatten(-1, (-1, 3)))


# --- low pass ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma_frames", [1.0, 2.0])
@pytest.mark.parametrize("period_frames", [8, 15, 60])
def test_waves_are_damped_as_a_gaussian_damps_them(sigma_frames, period_frames):
    swing = 0.1 * np.sin(2 * np.pi * np.arange(300) / period_frames)
    motion = motion_of(swing, swing[:, None] * [1, 0, 0])
    filtered = low_pass(motion, sigma_frames)
    gain = np.exp(-2 * (np.pi * sigma_frames / period_frames) ** 2)
    inside = slice(30, -30)
    for made, given in ((filtered.poses[:, ELBOW], motion.poses[:, ELBOW]), (filtered.trans[:, 0], motion.trans[:, 0])):
        assert np.ptp(made[inside]) == pytest.approx(gain * np.ptp(given[inside]), rel=0.01)


def test_the_face_keeps_every_frame_and_nothing_asked_for_is_the_motion_itself():
    motion = make_motion(90)
    filtered = low_pass(motion, 3)
    assert np.array_equal(filtered.poses[:, 66:69], motion.poses[:, 66:69])
    assert np.array_equal(filtered.expressions, motion.expressions)
    assert not np.allclose(filtered.poses[:, :66], motion.poses[:, :66], atol=1e-3)
    assert low_pass(motion, 0) is motion
    assert_same_motion(smooth_seams(motion, [SEAM], 0), motion)
    assert_same_motion(smooth_seams(motion, [], 8), motion)
    for wrong in (-1, MAX_SEAM_FRAMES + 1, 1.0, True, None, "8"):
        with pytest.raises(MotionError, match="seam_frames is"):
            smooth_seams(motion, [SEAM], wrong)


def test_a_turn_past_half_a_circle_goes_on():
    angle = np.linspace(np.pi - 0.3, np.pi + 0.3, 60)
    motion = rest(60, pelvis=np.where(angle > np.pi, angle - 2 * np.pi, angle)[:, None] * [0, 1, 0])
    assert angles_between(low_pass(motion, 2).poses, motion.poses)[10:-10].max() < 1e-3


# --- seams ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seam_frames", [1, 8, MAX_SEAM_FRAMES])
def test_what_is_far_from_a_seam_stays_to_the_bit(seam_frames):
    motion = make_motion(FRAMES, seed=2)
    smooth = smooth_seams(motion, [SEAM], seam_frames)
    near = (SEAM[0] - seam_frames <= TIME) & (SEAM[1] + seam_frames > TIME)
    np.testing.assert_array_equal(smooth.poses[~near], motion.poses[~near])
    np.testing.assert_array_equal(smooth.trans[~near], motion.trans[~near])
    channels = [3 * joint + i for joint in SMOOTHED_JOINTS for i in range(3)]
    assert (smooth.poses[near][:, channels] != motion.poses[near][:, channels]).any(axis=1).all()
    assert (smooth.trans[near] != motion.trans[near]).any(axis=1).all()
    changed = (smooth.poses != motion.poses).reshape(FRAMES, NUM_JOINTS, 3).any(axis=(0, 2))
    assert set(np.flatnonzero(~changed)) == {JAW_JOINT, *EYE_JOINTS}
    np.testing.assert_array_equal(smooth.expressions, motion.expressions)


def test_a_jump_becomes_a_move():
    after = (SEAM[0] <= TIME)[:, None]
    smooth = smooth_seams(motion_of(0.3 * after[:, 0], 0.2 * after * np.array([1.0, 0.5, -1.0])), [SEAM], 10)
    elbow = np.unwrap(smooth.poses[:, ELBOW])
    assert np.abs(np.diff(elbow)).max() < 0.25 * 0.3
    assert np.abs(np.diff(smooth.trans[:, 0])).max() < 0.25 * 0.2
    assert elbow.min() > -0.05 * 0.3  # and it swings hardly beyond
    assert elbow.max() < 1.05 * 0.3
    # Neither does the velocity jump where the frames that stay begin.
    bends = np.abs(np.diff(elbow, n=2))
    for border in (SEAM[0] - 10, SEAM[1] + 10):
        assert bends[border - 3 : border + 1].max() < 0.5 * bends.max()
    assert bends.max() < 0.05 * 0.3


def test_a_bend_in_the_speed_is_rounded():
    bend = motion_of(0.01 * np.abs(TIME - 62.0))
    bends = [np.abs(np.diff(each.poses[:, ELBOW], n=2)).max() for each in (bend, smooth_seams(bend, [SEAM], 10))]
    assert bends[1] < 0.25 * bends[0]


def test_the_hasty_move_that_a_decoder_makes_of_a_new_pose_slows_down():
    motion = motion_of(gaussian_filter1d(np.where(TIME < 64, 0.0, 0.5), 2.5))
    smoothed = {n: smooth_seams(motion, [SEAM], n).poses for n in (0, 8, 12, 16)}
    steps = [quality.rotation_steps(poses)[:, 18].max() for poses in smoothed.values()]
    assert steps[1] < 0.85 * steps[0]
    assert steps[2] < 0.65 * steps[0]
    assert steps[3] < steps[2]
    jerks = [np.abs(np.diff(smoothed[n][:, ELBOW], n=3)).max() for n in (0, 8)]
    assert jerks[1] < 0.5 * jerks[0]


def test_steady_acceleration_is_left_alone():
    way = np.stack([0.01 * TIME, 1e-4 * TIME**2, 0.5 - 0.02 * TIME + 2e-4 * TIME**2], 1)
    motion = motion_of(0.02 * TIME, way)
    smooth = smooth_seams(motion, [SEAM], 10)
    np.testing.assert_allclose(smooth.trans, way, atol=1e-9)
    # A steady turn is an arc of the numbers that are smoothed, and is left alone but for that.
    assert angles_between(smooth.poses, motion.poses).max() < 2e-4


@pytest.mark.parametrize(("period_frames", "least", "most"), [(60, 0, 0.05), (4, 0.7, 2)])
def test_slow_waves_stay_and_fast_ones_go(period_frames, least, most):
    wave = 0.1 * np.sin(2 * np.pi * TIME / period_frames)
    near = slice(SEAM[0] - 2, SEAM[1] + 2)
    smooth = smooth_seams(motion_of(wave), [SEAM], 10).poses[near, ELBOW]
    assert least <= np.abs(smooth - wave[near]).max() / 0.1 < most


def test_the_body_may_face_any_way():
    """Whether it turns through the half circle, where axis-angle numbers jump, is nothing to the smoothing."""
    motion = motion_of(gaussian_filter1d(np.where(TIME < 64, 0.0, 0.5), 1.0))
    turn = axis_angle_to_matrix(torch.tensor([[np.pi - 0.25, 0.0, 0.0]]).double())

    def elbow_turned(each: Motion) -> np.ndarray:
        return matrix_to_axis_angle(turns(each)[:, 18] @ turn).numpy()

    poses = motion.poses.copy()
    poses[:, ELBOW : ELBOW + 3] = elbow_turned(motion)
    assert np.abs(np.diff(poses[:, ELBOW])).max() > 6  # the numbers do jump
    smooth = smooth_seams(replace(motion, poses=poses), [SEAM], 8).poses[:, ELBOW : ELBOW + 3]
    assert angles_between(smooth, elbow_turned(smooth_seams(motion, [SEAM], 8))).max() < 1e-5


@pytest.mark.parametrize("frames_after", [1, 2, 6, 30])
def test_a_seam_close_to_the_end_is_not_drawn_on_into_nowhere(frames_after):
    noise = np.random.default_rng(frames_after).standard_normal(SEAM[1] + frames_after)
    motion = motion_of(0.02 * np.arange(len(noise)) + 0.05 * noise)
    assert angles_between(smooth_seams(motion, [SEAM], 10).poses, motion.poses).max() < 0.2


def test_seams_that_lie_close_are_smoothed_together():
    """Windows of other weights may be shorter; what lies between two seams then is near both."""
    for between in range(16, 30):
        jumps = motion_of(0.3 * (TIME >= 60) + 0.3 * (60 + between <= TIME))
        smooth = smooth_seams(jumps, [SEAM, (60 + between, 64 + between)], 10)
        assert quality.rotation_steps(smooth.poses).max() < 0.25 * 0.3
        assert angles_between(smooth.poses, jumps.poses).max() < 0.2
    assert smooth_seams(motion_of(np.arange(3.0)), [(0, 2)], 8).num_frames == 3


def test_standing_feet_slide_no_more_than_before(body):
    """A body that goes on in another pose and place at each seam."""
    example = next(each for each in load_examples() if each.name == "story")
    steps = Motion.load(example.motion).resample()
    order = np.concatenate([np.arange(start, start + 60) for start in (300, 100, 400, 200)])
    trans = steps.trans[order].copy()
    trans[60:120, 0] += 0.02
    motion = replace(steps, poses=steps.poses[order], expressions=steps.expressions[order], trans=trans)
    smooth = smooth_seams(motion, [(60, 64), (120, 124), (180, 184)], 10)
    joints = [body.joints(each) for each in (motion, smooth)]
    before, after = (quality.foot_sliding(each).m_per_s for each in joints)
    assert after < 1.1 * before
    before, after = (quality.seam_steps(each.poses, [60, 120, 180]).ratio for each in (motion, smooth))
    assert before > 3
    assert after < 0.6 * before
    before, after = (quality.mean_jerk(each) for each in joints)
    assert after < 0.6 * before


# --- in the pipeline --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timing", ["exact", "published"])
def test_a_take_is_smoothed_where_its_windows_join(tiny, speech, timing):
    """Windows begin at 60 and 120 and share four frames with the one before."""
    plain, smooth = (
        tiny.generate((16000, speech), timing=timing, seam_frames=n, translation=AS_GENERATED) for n in (0, 5)
    )
    changed = (plain.poses != smooth.poses).any(axis=1)
    assert list(np.flatnonzero(changed)) == [*range(55, 69), *range(115, 129)]
    np.testing.assert_array_equal(smooth.expressions, plain.expressions)
    expected = smooth_seams(plain, [(60, 64), (120, 124)], 5)
    np.testing.assert_array_equal(smooth.poses, expected.poses)
    np.testing.assert_array_equal(smooth.trans, expected.trans)


def test_what_is_locked_over_a_seam_comes_out_as_given(tiny, speech):
    reference = make_motion(135, seed=3)
    hints = Hints(reference, HintPlan((Span("upper", 40, 80, "lock"), Span("lower", 50, 70, "lock"))))
    motion = tiny.generate((16000, speech), hints, seam_frames=10, translation=AS_GENERATED)
    for part, frames in (("upper", slice(40, 80)), ("lower", slice(50, 70))):
        channels = channels_of(part)
        np.testing.assert_array_equal(motion.poses[frames, channels], reference.poses[frames, channels])
    np.testing.assert_array_equal(motion.trans[50:70], reference.trans[50:70])
    unsmoothed = tiny.generate((16000, speech), hints, translation=AS_GENERATED)
    assert not np.array_equal(motion.poses, unsmoothed.poses)
