"""Translations: in place, and feet that stay where they stand."""

from dataclasses import replace

import numpy as np
import pytest

from emage.contacts import JUMP_HEIGHT_M
from emage.errors import MotionError
from emage.grounding import AS_GENERATED, GROUNDED, IN_PLACE, TRANSLATIONS, grounded, translated
from emage.hints import LOCK, HintPlan, Hints, Span
from emage.metrics import foot_sliding
from emage.motion import Motion
from emage.skeleton import JOINT_NAMES
from tests.conftest import make_motion

STEP_S = 0.7


def strides(num_frames: int) -> Motion:
    """Legs that walk under a body that drifts backwards and bobs: every foot slides."""
    phase = np.pi * np.arange(num_frames) / 30 / STEP_S
    poses = np.zeros((num_frames, 55, 3))
    for side, turn in (("left", phase), ("right", phase + np.pi)):
        lifted = np.clip(2 * np.cos(turn), 0, 1)  # while the leg swings forward
        poses[:, JOINT_NAMES.index(f"{side}_hip"), 0] = -0.3 * np.sin(turn) - 0.25 * lifted
        poses[:, JOINT_NAMES.index(f"{side}_knee"), 0] = 0.5 * lifted
        poses[:, JOINT_NAMES.index(f"{side}_ankle"), 0] = 0.3 * np.sin(turn) - 0.25 * lifted  # the sole stays level
    time_s = np.arange(num_frames) / 30
    trans = np.c_[0.1 * np.sin(time_s), 1.3 + 0.02 * np.sin(2 * time_s), -0.1 * time_s]
    return Motion(poses.reshape(num_frames, -1), np.zeros((num_frames, 100)), trans, np.zeros(300))


def velocity_jumps(motion: Motion) -> np.ndarray:
    """(T - 2,) m/s by which the root's velocity changes from step to step."""
    return np.linalg.norm(np.diff(motion.trans, n=2, axis=0), axis=1) * 30


def none_locked(motion: Motion) -> np.ndarray:
    return np.zeros(motion.num_frames, dtype=bool)


def test_standing_feet_stay_put(body):
    sliding = strides(150)
    fixed = translated(sliding, GROUNDED, body.soles)
    lifted = replace(sliding, trans=np.c_[sliding.trans[:, 0], fixed.trans[:, 1], sliding.trans[:, 2]])
    before, after = (foot_sliding(body.joints(motion)) for motion in (lifted, fixed))
    assert before.m_per_s > 0.3
    assert after.m_per_s < 0.15 * before.m_per_s
    assert after.contact_s == before.contact_s
    walked = fixed.trans[-1] - fixed.trans[0]
    assert walked[2] > 1.5  # forwards, as the legs go
    assert abs(walked[0]) < 0.05
    for name in ("poses", "expressions"):
        np.testing.assert_array_equal(getattr(fixed, name), getattr(sliding, name))


def test_the_lowest_sole_is_on_the_floor(body):
    fixed = translated(strides(150), GROUNDED, body.soles)
    lowest = body.vertices(fixed)[..., 1].min(1)
    assert np.abs(lowest).max() < 0.003


def test_the_body_goes_smoothly_from_foot_to_foot(body):
    """The legs alone would have it so: the joints' own changes of speed, not more."""
    fixed = translated(strides(150), GROUNDED, body.soles)
    legs = np.diff(body.joints(replace(fixed, trans=0 * fixed.trans))[:, [7, 8]], n=2, axis=0) * 30
    assert velocity_jumps(fixed).max() < np.linalg.norm(legs, axis=-1).max()


def test_a_still_body_that_drifts_stands_still(body):
    still = strides(1)
    frames = np.arange(90)
    drifting = replace(
        still,
        poses=still.poses.repeat(90, 0),
        expressions=still.expressions.repeat(90, 0),
        trans=np.c_[0.3 * np.sin(frames / 20), 1.3 + 0 * frames, -0.002 * frames],
    )
    fixed = translated(drifting, GROUNDED, body.soles)
    np.testing.assert_allclose(fixed.trans[:, [0, 2]], 0, atol=1e-3)
    assert foot_sliding(body.joints(fixed)).m_per_s < 0.01 * foot_sliding(body.joints(drifting)).m_per_s


def test_feet_that_do_not_slide_are_left_alone(body):
    fixed = translated(strides(150), GROUNDED, body.soles)
    again = translated(fixed, GROUNDED, body.soles)
    assert np.abs(again.trans - fixed.trans).max() < 0.03


def test_a_jump_keeps_its_height_and_its_way():
    """Soles 30 cm up for half a second while the body flies on; below and after it stands."""
    frames = np.arange(90)
    height = 0.3 * np.sin(np.pi * np.clip((frames - 40) / 15, 0, 1))
    path = np.clip((frames - 40) / 15, 0, 1)
    trans = np.c_[0 * frames, 1.35 + height, path]
    soles = np.zeros((90, 4, 3)) + [0, -1.3, 0] + trans[:, None]
    motion = replace(make_motion(90), trans=trans)
    fixed = grounded(motion, soles, none_locked(motion))
    np.testing.assert_allclose(fixed.trans[:, 1], 1.3 + height, atol=0.01)
    in_the_air = height > JUMP_HEIGHT_M
    assert in_the_air.sum() > 10
    # on the ground around the jump nothing moves, in the air it flies on
    flown = fixed.trans[in_the_air][-1, 2] - fixed.trans[in_the_air][0, 2]
    assert flown == pytest.approx(np.ptp(path[in_the_air]), abs=0.1)
    np.testing.assert_allclose(fixed.trans[:35, 2], 0, atol=1e-6)


def test_in_place_takes_out_the_way_and_keeps_the_height():
    motion = make_motion(60)
    placed = translated(motion, IN_PLACE, soles_of=None)
    np.testing.assert_allclose(placed.trans[:, [0, 2]], motion.trans[:1, [0, 2]].repeat(60, 0), atol=1e-12)
    np.testing.assert_array_equal(placed.trans[:, 1], motion.trans[:, 1])
    assert translated(motion, AS_GENERATED, soles_of=None) is motion


@pytest.mark.parametrize("translation", [IN_PLACE, GROUNDED])
def test_locked_frames_stay_and_the_rest_joins_on(body, translation):
    motion = strides(200)
    locked = none_locked(motion)
    locked[50:80] = locked[120:140] = True
    placed = translated(motion, translation, body.soles, locked)
    np.testing.assert_array_equal(placed.trans[locked], motion.trans[locked])
    assert not np.allclose(placed.trans[~locked], motion.trans[~locked], atol=0.05)
    jumps = velocity_jumps(placed)
    free = velocity_jumps(translated(motion, translation, body.soles))
    assert jumps.max() < max(free.max(), velocity_jumps(motion).max()) + 0.05
    if translation == IN_PLACE:  # it stands before the first and after the last, once it has come to a halt
        for part in (slice(0, 38), slice(152, 200)):
            assert np.ptp(placed.trans[part][:, [0, 2]], axis=0).max() < 1e-9


@pytest.mark.parametrize("translation", TRANSLATIONS)
def test_a_single_frame(body, translation):
    placed = translated(strides(1), translation, body.soles)
    assert placed.num_frames == 1
    assert placed.trans[0, [0, 2]].tolist() == [0, 0]


def test_faults(body):
    with pytest.raises(MotionError, match="choose one of as-generated, in-place, grounded"):
        translated(strides(2), "flying", body.soles)
    with pytest.raises(MotionError, match="60 frames a second; 30 are needed"):
        translated(make_motion(10, fps=60), IN_PLACE, body.soles)


def test_generated_motion_is_translated_after_its_locks(tiny, speech):
    hints = Hints(make_motion(135, seed=3), HintPlan((Span("lower", 40, 80, LOCK), Span("face", 0, 20, LOCK))))
    plain = tiny.generate((16000, speech), hints)
    for translation in (IN_PLACE, GROUNDED):
        placed = tiny.generate((16000, speech), hints, translation=translation)
        np.testing.assert_array_equal(placed.trans[40:80], hints.reference.trans[40:80])
        np.testing.assert_array_equal(placed.poses, plain.poses)
        assert not np.allclose(placed.trans[:20], plain.trans[:20], atol=1e-3)
    with pytest.raises(MotionError, match="no translation 'flying'"):
        tiny.generate((16000, speech), translation="flying")
