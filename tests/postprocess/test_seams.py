"""Smoothing where windows join: what changes, how far, and what stays to the bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

from emage.errors import MotionError
from emage.evaluation import quality
from emage.generation.settings import AS_GENERATED, MAX_SEAM_FRAMES
from emage.hints import HintPlan, Hints, Span
from emage.motion import FPS, Motion
from emage.motion.rotations import angle_between, axis_angle_to_matrix, matrix_to_axis_angle
from emage.motion.skeleton import EYE_JOINTS, JAW_JOINT, NUM_JOINTS, PART_JOINTS
from emage.postprocess.smoothing import SMOOTHED_JOINTS, smooth_seams
from emage.recording.examples import load_examples
from tests.conftest import make_motion

SEAM = (60, 64)
FRAMES = 130


def motion_of(elbow: np.ndarray, trans: np.ndarray | None = None) -> Motion:
    """An elbow that turns about x by (T,) radians; all else at rest, or a way (T, 3)."""
    poses = np.zeros((len(elbow), 165))
    poses[:, 3 * 18] = elbow
    trans = np.zeros((len(elbow), 3)) if trans is None else trans
    return Motion(poses, np.zeros((len(elbow), 100)), trans, np.zeros(300), FPS)


def turns(motion: Motion) -> torch.Tensor:
    """(T, 55, 3, 3)."""
    return axis_angle_to_matrix(torch.from_numpy(motion.poses).double().unflatten(-1, (-1, 3)))


def away_rad(motion: Motion, other: Motion) -> float:
    return float(angle_between(turns(motion), turns(other)).max())


@pytest.mark.parametrize("seam_frames", [1, 8, MAX_SEAM_FRAMES])
def test_what_is_far_from_a_seam_stays_to_the_bit(seam_frames):
    motion = make_motion(FRAMES, seed=2)
    smooth = smooth_seams(motion, [SEAM], seam_frames)
    near = np.zeros(FRAMES, dtype=bool)
    near[SEAM[0] - seam_frames : SEAM[1] + seam_frames] = True
    np.testing.assert_array_equal(smooth.poses[~near], motion.poses[~near])
    np.testing.assert_array_equal(smooth.trans[~near], motion.trans[~near])
    channels = [3 * joint + i for joint in SMOOTHED_JOINTS for i in range(3)]
    assert (smooth.poses[near][:, channels] != motion.poses[near][:, channels]).any(axis=1).all()
    assert (smooth.trans[near] != motion.trans[near]).any(axis=1).all()


def test_every_joint_but_the_face_s_is_smoothed():
    motion = make_motion(FRAMES)
    smooth = smooth_seams(motion, [SEAM], 8)
    changed = (smooth.poses != motion.poses).reshape(FRAMES, NUM_JOINTS, 3).any(axis=(0, 2))
    assert set(np.flatnonzero(~changed)) == {JAW_JOINT, *EYE_JOINTS}
    assert smooth.expressions is motion.expressions


def test_nothing_asked_for_is_the_motion_itself():
    motion = make_motion(80)
    assert smooth_seams(motion, [SEAM], 0) is motion
    assert smooth_seams(motion, [], 8) is motion
    for wrong in (-1, MAX_SEAM_FRAMES + 1, 1.0, True, None, "8"):
        with pytest.raises(MotionError, match="seam_frames is"):
            smooth_seams(motion, [SEAM], wrong)


def test_a_jump_becomes_a_move():
    frames = np.arange(FRAMES)
    after = (frames >= SEAM[0])[:, None]
    jump = motion_of(0.3 * after[:, 0], 0.2 * after * np.array([1.0, 0.5, -1.0]))
    smooth = smooth_seams(jump, [SEAM], 10)
    elbow = np.unwrap(smooth.poses[:, 3 * 18])
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
    frames = np.arange(FRAMES)
    bend = motion_of(0.01 * np.abs(frames - 62.0))
    smooth = smooth_seams(bend, [SEAM], 10)
    bends = [np.abs(np.diff(each.poses[:, 3 * 18], n=2)).max() for each in (bend, smooth)]
    assert bends[1] < 0.25 * bends[0]


def test_the_hasty_move_that_a_decoder_makes_of_a_new_pose_slows_down():
    move = gaussian_filter1d(np.where(np.arange(FRAMES) < 64, 0.0, 0.5), 2.5)
    motion = motion_of(move)
    steps = [quality.rotation_steps(smooth_seams(motion, [SEAM], n).poses)[:, 18].max() for n in (0, 8, 12, 16)]
    assert steps[1] < 0.85 * steps[0]
    assert steps[2] < 0.65 * steps[0]
    assert steps[3] < steps[2]
    jerks = [np.abs(np.diff(smooth_seams(motion, [SEAM], n).poses[:, 3 * 18], n=3)).max() for n in (0, 8)]
    assert jerks[1] < 0.5 * jerks[0]


def test_steady_acceleration_is_left_alone():
    frames = np.arange(FRAMES)
    way = np.stack([0.01 * frames, 1e-4 * frames**2, 0.5 - 0.02 * frames + 2e-4 * frames**2], 1)
    motion = motion_of(0.02 * frames, way)
    smooth = smooth_seams(motion, [SEAM], 10)
    np.testing.assert_allclose(smooth.trans, way, atol=1e-9)
    # A steady turn is an arc of the numbers that are smoothed, and is left alone but for that.
    assert away_rad(smooth, motion) < 2e-4


def test_slow_waves_stay_and_fast_ones_go():
    def kept(period_frames: float) -> float:
        wave = 0.1 * np.sin(2 * np.pi * np.arange(FRAMES) / period_frames)
        smooth = smooth_seams(motion_of(wave), [SEAM], 10).poses[SEAM[0] - 2 : SEAM[1] + 2, 3 * 18]
        return float(np.abs(smooth - wave[SEAM[0] - 2 : SEAM[1] + 2]).max() / 0.1)

    assert kept(60) < 0.05
    assert kept(4) > 0.7


def test_the_body_may_face_any_way():
    """Whether it turns through the half circle, where axis-angle numbers jump, is nothing to the smoothing."""
    motion = motion_of(gaussian_filter1d(np.where(np.arange(FRAMES) < 64, 0.0, 0.5), 1.0))
    about_x = matrix_to_axis_angle(axis_angle_to_matrix(torch.tensor([[np.pi - 0.25, 0.0, 0.0]]).double()))
    turn = axis_angle_to_matrix(about_x)
    poses = motion.poses.copy()
    poses[:, 54:57] = matrix_to_axis_angle(turns(motion)[:, 18] @ turn)
    turned = replace(motion, poses=poses)
    assert np.abs(np.diff(turned.poses[:, 54])).max() > 6  # the numbers do jump
    expected = turns(smooth_seams(motion, [SEAM], 8))[:, 18] @ turn
    assert angle_between(turns(smooth_seams(turned, [SEAM], 8))[:, 18], expected).max() < 1e-5


@pytest.mark.parametrize("frames_after", [1, 2, 6, 30])
def test_a_seam_close_to_the_end_is_not_drawn_on_into_nowhere(frames_after):
    rng = np.random.default_rng(frames_after)
    elbow = 0.02 * np.arange(SEAM[1] + frames_after) + 0.05 * rng.standard_normal(SEAM[1] + frames_after)
    motion = motion_of(elbow)
    assert away_rad(smooth_seams(motion, [SEAM], 10), motion) < 0.2


def test_seams_that_lie_close_are_smoothed_together():
    """Windows of other weights may be shorter; what lies between two seams then is near both."""
    frames = np.arange(FRAMES)
    for between in range(16, 30):
        jumps = motion_of(0.3 * (frames >= 60) + 0.3 * (frames >= 60 + between))
        smooth = smooth_seams(jumps, [SEAM, (60 + between, 64 + between)], 10)
        assert quality.rotation_steps(smooth.poses).max() < 0.25 * 0.3
        assert away_rad(smooth, jumps) < 0.2
    assert smooth_seams(motion_of(np.arange(3.0)), [(0, 2)], 8).num_frames == 3


def test_standing_feet_slide_no_more_than_before(body):
    """A body that goes on in another pose and place at each seam."""
    example = next(each for each in load_examples() if each.name == "story")
    steps = Motion.load(example.motion).resample()
    order = np.concatenate([np.arange(300, 360), np.arange(100, 160), np.arange(400, 460), np.arange(200, 260)])
    trans = steps.trans[order].copy()
    trans[60:120, 0] += 0.02
    motion = replace(steps, poses=steps.poses[order], expressions=steps.expressions[order], trans=trans)
    seams = [(60, 64), (120, 124), (180, 184)]
    smooth = smooth_seams(motion, seams, 10)
    before, after = (quality.foot_sliding(body.joints(each)).m_per_s for each in (motion, smooth))
    assert after < 1.1 * before
    firsts = [start for start, _ in seams]
    assert quality.seam_steps(motion.poses, firsts).ratio > 3
    assert quality.seam_steps(smooth.poses, firsts).ratio < 0.6 * quality.seam_steps(motion.poses, firsts).ratio
    assert quality.mean_jerk(body.joints(smooth)) < 0.6 * quality.mean_jerk(body.joints(motion))


# --- in the pipeline --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timing", ["exact", "reference"])
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
    motion = tiny.generate((16000, speech), hints, seam_frames=10)
    for part, frames in (("upper", slice(40, 80)), ("lower", slice(50, 70))):
        channels = [3 * joint + i for joint in PART_JOINTS[part] for i in range(3)]
        np.testing.assert_array_equal(motion.poses[frames, channels], reference.poses[frames, channels])
    np.testing.assert_array_equal(motion.trans[50:70], reference.trans[50:70])
    assert not np.array_equal(motion.poses, tiny.generate((16000, speech), hints).poses)
