"""Translations: in place, and feet that stay where they stand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emage.body import Body
from emage.errors import MotionError
from emage.generation.settings import AS_GENERATED, GROUNDED, IN_PLACE, TRANSLATIONS
from emage.hints import FOLLOW, LOCK, HintPlan, Hints, Span
from emage.motion import Motion
from emage.postprocess.following import stages_after_decoding
from emage.postprocess.grounding import translation_stage
from emage.recording.examples import EXAMPLES_FOLDER
from tests.benchmarks.grounding import FOOT_JOINTS, LEG_JOINTS, contact_points, knee_twist_degrees, measure
from tests.conftest import make_motion, rest
from tests.postprocess.walking import ANKLES, drifting, standing, walk
from tests.stages import run_whole, translate

STEP_S = 0.7
DRIFTS = [(0, 0, 0), (0, 0, -0.05), (0.05, 0, 0.05)]


def ground(motion: Motion, body: Body, locked: np.ndarray | None = None, floor_y: float = 0.0) -> Motion:
    return translate(motion, GROUNDED, lambda: body, locked, floor_y)


def strides(num_frames: int) -> Motion:
    """Legs that walk under a body that drifts backwards and bobs: every foot slides."""
    joints = {}
    for side, start in (("left", 0.0), ("right", np.pi)):
        phase = start + np.pi * np.arange(num_frames)[:, None] / 30 / STEP_S
        lifted = np.clip(2 * np.cos(phase), 0, 1)  # while the leg swings forward
        joints[f"{side}_hip"] = (-0.3 * np.sin(phase) - 0.25 * lifted) * [1, 0, 0]
        joints[f"{side}_knee"] = 0.5 * lifted * [1, 0, 0]
        joints[f"{side}_ankle"] = (0.3 * np.sin(phase) - 0.25 * lifted) * [1, 0, 0]  # the sole stays level
    time_s = np.arange(num_frames) / 30
    return rest(num_frames, np.c_[0.1 * np.sin(time_s), 1.3 + 0.02 * np.sin(2 * time_s), -0.1 * time_s], **joints)


def ankles(motion: Motion, body: Body) -> np.ndarray:
    """(T, 2, 3) metres."""
    return body.joints(motion)[:, ANKLES].astype(np.float64)


def lowest_mm(motion: Motion, body: Body) -> np.ndarray:
    return 1000 * body.soles(motion)[..., 1].min(axis=1)


def jumps(positions: np.ndarray) -> np.ndarray:
    """(T - 2,) m/s by which velocity changes from step to step, most of all points."""
    return np.linalg.norm(np.diff(positions, n=2, axis=0), axis=-1).reshape(len(positions) - 2, -1).max(axis=1) * 30


def none_locked(motion: Motion) -> np.ndarray:
    return np.zeros(motion.num_frames, dtype=bool)


# --- standing ---------------------------------------------------------------------------------------------------------


def test_a_still_body_that_drifts_stands_still(body):
    """On a path that strays by a metre, at another height, and trembles."""
    still = standing(body, 300)
    time_s = np.arange(300)[:, None] / 30
    away = np.concatenate([0.1 * np.sin(time_s), 0.05 + 0.01 * np.sin(2 * time_s), -0.1 * time_s], axis=1)
    made = ground(replace(still, trans=still.trans + away), body)
    assert np.ptp(ankles(made, body)[..., [0, 2]], axis=0).max() < 0.005
    assert np.abs(made.trans[:, [0, 2]]).max() < 0.1
    assert np.abs(lowest_mm(made, body)).max() < 2
    slide = measure(replace(still, trans=still.trans + away), made, body).slide
    assert slide[0][0] > 2
    assert slide[1][1] < 0.05


def test_standing_feet_are_held_while_the_body_sways(body):
    """Hips sway by 8 cm in a body whose path does not: feet slide to and fro."""
    still = standing(body, 150)
    turn = 0.1 * np.sin(2 * np.pi * np.arange(150) / 60)
    poses = still.poses.reshape(150, 55, 3).copy()
    for hip, _, ankle in np.reshape(LEG_JOINTS, (2, 3)):
        poses[:, hip, 2], poses[:, ankle, 2] = turn, -turn
    swaying = replace(still, poses=poses.reshape(150, -1))
    made = ground(swaying, body)
    assert np.ptp(ankles(swaying, body)[:, 0, 0]) > 0.12
    assert np.ptp(ankles(made, body)[10:-10, :, 0], axis=0).max() < 0.004
    assert np.ptp(made.trans[:, 0]) > 0.1  # it is the body that sways


@pytest.mark.parametrize(
    ("make", "most_mm"), [(lambda _: strides(150), 10), (lambda body: drifting(walk(body).motion, (0, 0.02, 0)), 2)]
)
def test_the_lowest_sole_is_on_the_floor(body, make, most_mm):
    made = ground(make(body), body)
    assert np.percentile(np.abs(lowest_mm(made, body)), 95) < most_mm
    assert lowest_mm(made, body).min() > -15
    assert ground(make(body), body, floor_y=0.25).trans[:, 1] == pytest.approx(made.trans[:, 1] + 0.25, abs=1e-6)


def test_a_foot_that_stands_is_flat(body):
    """Feet that are pitched and rolled, as networks make them, do no longer stand on toes or edges."""
    still = standing(body, 90)
    poses = still.poses.reshape(90, 55, 3).copy()
    for ankle, roll in zip(LEG_JOINTS[2::3], (0.2, -0.2), strict=True):
        poses[:, ankle] = (-0.12, 0, roll)
    tilted = replace(still, poses=poses.reshape(90, -1))
    for before, after in zip(
        *(np.split(body.soles(each)[45, :, 1], 2) for each in (tilted, ground(tilted, body))), strict=True
    ):
        assert np.ptp(before) > 0.02
        assert np.ptp(after) < 0.018


def test_who_stands_on_tiptoe_does_so(body):
    """Heels go up and come down again, on a path that strays: balls of the feet stay, toes are on the floor."""
    still = standing(body, 150)
    rise = 0.45 * np.clip(np.sin(np.pi * (np.arange(150) - 45) / 60), 0, None) ** 2
    poses = still.poses.reshape(150, 55, 3).copy()
    poses[:, LEG_JOINTS[2::3], 0] = rise[:, None]
    poses[:, FOOT_JOINTS, 0] = -rise[:, None]
    tiptoe = replace(still, poses=poses.reshape(150, -1))
    up = still.trans[:, 1] - body.soles(tiptoe)[..., 1].min(axis=1)
    made = ground(drifting(replace(tiptoe, trans=np.c_[0 * up, up, 0 * up]), (0, 0, -0.05)), body)
    heels, balls = ankles(made, body), body.joints(made)[:, FOOT_JOINTS].astype(np.float64)
    assert (heels[75, :, 1] - heels[20, :, 1]).min() > 0.03
    assert np.abs(heels[-1] - heels[20]).max() < 0.01
    assert np.ptp(balls[20:130][..., [0, 2]], axis=0).max() < 0.012
    assert np.abs(lowest_mm(made, body)).max() < 8


# --- stepping ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("drift", DRIFTS)
def test_who_walks_walks_and_keeps_every_step(body, drift):
    walked = walk(body)
    made = ground(drifting(walked.motion, drift), body)
    figures = measure(drifting(walked.motion, drift), made, body)
    places = ankles(made, body)
    for side in range(2):
        stands = walked.stands[:, side] & np.roll(walked.stands[:, side], 5) & np.roll(walked.stands[:, side], -5)
        starts = np.flatnonzero(np.diff(walked.footprints[stands, side]) > 0.1)
        assert len(starts) >= 3
        true, kept = walked.footprints[stands, side], places[stands, side, 2]
        np.testing.assert_allclose(kept[starts + 1] - kept[starts], true[starts + 1] - true[starts], atol=0.03)
        assert np.abs(np.diff(kept))[np.abs(np.diff(true)) < 0.1].max() < 0.004
    assert made.trans[-1, 2] - made.trans[0, 2] == pytest.approx(3.0, abs=0.15)
    assert np.abs(made.trans[:, 0]).max() < 0.05
    assert figures.slide[1][0] < 0.1
    assert figures.slide[1][1] < 1
    assert figures.turned_degrees < 3
    assert figures.acceleration[1] < 1.1 * figures.acceleration[0]
    if drift == DRIFTS[0]:  # a walk that fits its path is hardly touched
        assert np.abs(places - ankles(walked.motion, body)).max() < 0.04


def test_two_steps_aside_and_back_stay_what_they_are(body):
    motion = Motion.load(EXAMPLES_FOLDER / "step_aside.npz")
    made = ground(motion, body)
    places, true = (ankles(each, body)[..., [0, 2]] for each in (made, motion))
    stands = np.abs(np.diff(true, axis=0, append=true[-1:])).max(axis=2) < 0.002
    assert stands.mean() > 0.6
    assert np.abs(places - true)[stands].max() < 0.025
    assert np.abs(places - true).max() < 0.05  # swinging
    assert np.ptp(true[:, 0, 0]) > 0.4
    assert np.abs(made.trans[:, 0] - motion.trans[:, 0]).max() < 0.03


def test_legs_that_walk_against_their_path_go_on_stepping(body):
    motion = strides(150)
    made = ground(motion, body)
    assert made.trans[-1, 2] - made.trans[0, 2] > 0.5  # forwards, as the legs go
    figures = measure(motion, made, body)
    assert figures.own_slide[0][0] > 8
    assert figures.own_slide[1][0] < 1
    assert np.ptp(ankles(made, body)[..., 1], axis=0).min() > 0.04  # feet are lifted


def test_a_foot_that_would_be_left_behind_makes_a_step(body):
    """Hips glide 40 cm forwards over feet that never leave the floor, and no leg is so long."""
    motion = standing(body, 150)
    there = 0.4 * np.clip((np.arange(150) - 40) / 70, 0, 1)
    motion = replace(motion, trans=motion.trans + there[:, None] * (0, 0, 1))
    made = ground(motion, body)
    assert np.linalg.norm(ankles(made, body)[-1, 0] - ankles(made, body)[-1, 1]) < 0.5
    assert np.isfinite(made.poses).all()
    assert np.percentile(np.linalg.norm(np.diff(ankles(made, body), axis=0), axis=-1), 50) < 0.001


def test_grounded_motion_is_left_alone(body):
    once = ground(walk(body).motion, body)
    twice = ground(once, body)
    assert np.abs(twice.trans - once.trans).max() < 0.03
    assert measure(once, twice, body).turned_degrees < 1


# --- legs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [strides, lambda frames: make_motion(frames, reach=0.2)], ids=["strides", "waves"])
def test_only_hips_knees_ankles_and_path_change(body, make):
    motion = make(120)
    made = ground(motion, body)
    kept = [joint for joint in range(55) if joint not in LEG_JOINTS]
    for name in ("expressions", "betas"):
        np.testing.assert_array_equal(getattr(made, name), getattr(motion, name))
    np.testing.assert_array_equal(made.poses.reshape(-1, 55, 3)[:, kept], motion.poses.reshape(-1, 55, 3)[:, kept])
    assert not np.allclose(made.poses, motion.poses)
    np.testing.assert_array_equal(ground(motion, body).poses, made.poses)


def test_knees_point_where_they_pointed_and_are_not_stretched_through(body):
    for motion in (strides(150), walk(body).motion):
        made = ground(motion, body)
        assert measure(motion, made, body).straighter_mm < 6
        assert np.percentile(knee_twist_degrees(motion, made, body), 99) < 5
        for hip, knee, ankle in np.reshape(LEG_JOINTS, (2, 3)):
            joints = body.joints(made).astype(np.float64)
            turn = Rotation.from_rotvec(made.poses[:, :3]) * Rotation.from_rotvec(made.poses[:, 3 * hip : 3 * hip + 3])
            bend = turn.inv().apply(joints[:, knee] - 0.5 * (joints[:, hip] + joints[:, ankle]))
            assert (bend[:, 2] > 0).all()  # in front of the line from hip to ankle


def test_no_pop_when_a_foot_lifts(body):
    for motion in (walk(body).motion, strides(150)):
        made = ground(motion, body)
        joints = [body.joints(replace(each, trans=0 * each.trans))[:, LEG_JOINTS] for each in (motion, made)]
        before, after = (jumps(each.astype(np.float64)) for each in joints)
        assert np.percentile(after, 99) < 1.25 * np.percentile(before, 99)
        assert after.max() < 1.5 * before.max()


# --- jumps, locks, seeds ----------------------------------------------------------------------------------------------


def test_a_jump_keeps_its_height_and_its_way(body):
    """Half a second in the air, half a metre forwards; before and after it the body stands."""
    frames = np.arange(120)
    share = np.clip((frames - 50) / 15, 0, 1)
    height = 1.225 * share * (1 - share)  # as bodies fall
    still = standing(body, 120)
    motion = replace(still, trans=still.trans + np.c_[0 * frames, 0.04 + height, 0.5 * share])
    made = ground(motion, body)
    in_the_air = height > 0.1
    assert in_the_air.sum() > 8
    np.testing.assert_allclose(lowest_mm(made, body)[in_the_air] / 1000, height[in_the_air], atol=0.05)
    assert np.abs(lowest_mm(made, body)[np.r_[:45, 70:120]]).max() < 5
    places = ankles(made, body)[..., 2]
    assert np.abs(places[:45] - places[0]).max() < 0.01
    assert np.abs(places[-1] - places[0] - 0.5).max() < 0.15


def test_in_place_takes_out_the_way_and_keeps_the_height():
    motion = make_motion(60)
    placed = translate(motion, IN_PLACE)
    np.testing.assert_allclose(placed.trans[:, [0, 2]], motion.trans[:1, [0, 2]].repeat(60, 0), atol=1e-12)
    np.testing.assert_array_equal(placed.trans[:, 1], motion.trans[:, 1])
    np.testing.assert_array_equal(placed.poses, motion.poses)
    assert translation_stage(AS_GENERATED, None, none_locked(motion)) is None


@pytest.mark.parametrize("translation", [IN_PLACE, GROUNDED])
def test_locked_frames_stay_and_the_rest_joins_on(body, translation):
    motion = strides(200)
    locked = none_locked(motion)
    locked[50:80] = locked[120:140] = True
    placed = translate(motion, translation, lambda: body, locked)
    np.testing.assert_array_equal(placed.trans[locked], motion.trans[locked])
    np.testing.assert_array_equal(placed.poses[locked], motion.poses[locked])
    assert not np.allclose(placed.trans[~locked], motion.trans[~locked], atol=0.05)
    seen = [body.joints(each)[:, [0, *LEG_JOINTS]].astype(np.float64) for each in (placed, motion)]
    borders = np.flatnonzero(np.diff(locked.astype(int)))
    near = [frame for border in borders for frame in range(border - 3, border + 3)]
    assert jumps(seen[0])[near].max() < 1.4 * jumps(seen[1]).max()
    if translation == IN_PLACE:  # it stands before the first and after the last, once it has come to a halt
        for part in (slice(0, 38), slice(152, 200)):
            assert np.ptp(placed.trans[part][:, [0, 2]], axis=0).max() < 1e-9


def test_in_place_the_spot_stays_till_five_seconds_before_a_lock():
    path = np.arange(600)[:, None] * np.array([0.02, 0, 0])
    motion, locked = rest(600, path), np.zeros(600, dtype=bool)
    locked[40:50] = locked[400:410] = locked[590:] = True
    placed = translate(motion, IN_PLACE, locked=locked).trans[:, 0]
    np.testing.assert_array_equal(placed[locked], path[locked, 0])
    for spot, part in ((0.8, slice(0, 28)), (0.98, slice(62, 250)), (8.18, slice(422, 440))):
        assert np.ptp(placed[part]) < 1e-9
        assert placed[part][0] == pytest.approx(spot, abs=0.2)
    assert np.diff(placed).max() < 0.09


def test_around_locked_frames_the_floor_is_theirs(body):
    motion = standing(body, 120)
    locked = none_locked(motion)
    locked[40:70] = True
    off = 0.1 * np.clip((np.abs(np.arange(120) - 54.5) - 15) / 30, 0, 1)
    motion = replace(motion, trans=motion.trans + np.c_[off, 0.3 + off, off])
    made = ground(motion, body, locked)
    assert np.ptp(lowest_mm(motion, body)) > 90
    assert np.ptp(lowest_mm(made, body)) < 8


@pytest.mark.parametrize("locks", [slice(54, 62), slice(40, 62)])
def test_who_is_locked_in_a_jump_comes_down_to_the_floor(body, locks):
    still = standing(body, 120)
    trans, flight_s = still.trans.copy(), np.arange(21) / 30
    trans[50:71, 1] += 3.43 * flight_s - 4.9 * flight_s**2
    motion, locked = replace(still, trans=trans), none_locked(still)
    locked[locks] = True
    made = ground(motion, body, locked)
    np.testing.assert_array_equal(made.trans[locked], motion.trans[locked])
    heights = lowest_mm(made, body)
    assert np.abs(heights[np.r_[:30, 90:120]]).max() < 3
    assert heights.max() > 500


def test_where_all_is_locked_all_stays(body):
    hints = Hints(strides(40), HintPlan((Span("lower", 0, 40, LOCK),)))
    (locks,) = stages_after_decoding(40, 0, (), 0, hints, GROUNDED, lambda: body, 0.0)
    np.testing.assert_array_equal(run_whole(make_motion(40), locks).trans, hints.reference.trans)


@pytest.mark.parametrize("translation", TRANSLATIONS)
@pytest.mark.parametrize("num_frames", [1, 2, 3, 5, 12])
def test_few_frames(body, translation, num_frames):
    for motion in (strides(num_frames), make_motion(num_frames)):
        placed = translate(motion, translation, lambda: body)
        assert placed.num_frames == num_frames
        np.testing.assert_allclose(placed.trans[0, [0, 2]], motion.trans[0, [0, 2]], atol=1e-9)
        assert np.isfinite(placed.poses).all()


def test_another_translation_is_named():
    with pytest.raises(MotionError, match="choose one of as-generated, in-place, grounded"):
        translation_stage("flying", None, np.zeros(2, bool))


# --- real motion ------------------------------------------------------------------------------------------------------


def test_published_outputs_stand_and_stay(body, shared):
    motion = Motion.load(shared / "data/published/demo_female.npz").resample(30)
    figures = measure(motion, ground(motion, body), body)
    for before, after in (figures.slide, figures.own_slide):
        assert before[0] > 4
        assert after[0] < 1
        assert after[1] < 3
    assert figures.given_end > 1
    assert figures.path_end < 0.3
    assert figures.turned_degrees < 10
    assert figures.twist_degrees < 5
    assert figures.acceleration[1] < 1.2 * figures.acceleration[0]
    assert abs(figures.lowest[1]) < 1
    assert figures.lowest[2] < 10


def test_recorded_motion_goes_on_walking(body, shared):
    motion = Motion.load(shared / "data/beat2/2_scott_0_1_1.npz").resample(30)
    made = ground(motion, body)
    figures = measure(motion, made, body)
    assert figures.slide[1][0] < 0.2
    assert figures.slide[1][1] < 1
    assert figures.path_end < 0.3
    np.testing.assert_allclose(np.ptp(made.trans, axis=0)[[0, 2]], np.ptp(motion.trans, axis=0)[[0, 2]], rtol=0.12)
    assert np.abs(made.trans - motion.trans)[:, [0, 2]].max() < 0.25
    touching = contact_points(motion, body)
    assert touching.any(axis=1).mean() > 0.8  # what is judged by


# --- of a pipeline ----------------------------------------------------------------------------------------------------


def test_generated_motion_is_translated_after_its_locks(tiny, speech):
    hints = Hints(make_motion(135, seed=3), HintPlan((Span("lower", 40, 80, LOCK), Span("face", 0, 20, LOCK))))
    plain = tiny.generate((16000, speech), hints, translation=AS_GENERATED)
    for translation in (IN_PLACE, GROUNDED):
        placed = tiny.generate((16000, speech), hints, translation=translation)
        np.testing.assert_array_equal(placed.trans[40:80], hints.reference.trans[40:80])
        np.testing.assert_array_equal(placed.poses[40:80], plain.poses[40:80])
        assert not np.allclose(placed.trans[:20], plain.trans[:20], atol=1e-3)


def test_grounded_is_the_default_but_in_the_published_timing(tiny, speech):
    audio = (16000, speech)
    for timing, expected in (("exact", GROUNDED), ("published", AS_GENERATED)):
        made = tiny.generate(audio, timing=timing)
        np.testing.assert_array_equal(made.trans, tiny.generate(audio, timing=timing, translation=expected).trans)
    asked = tiny.generate(audio, timing="published", translation=GROUNDED)
    assert not np.allclose(asked.trans, made.trans, atol=1e-3)


def test_a_followed_lower_body_is_grounded_like_any_other(tiny, speech):
    hints = Hints(make_motion(135, seed=3), HintPlan((Span("lower", 40, 80, FOLLOW),)))
    made = tiny.generate((16000, speech), hints)
    plain = tiny.generate((16000, speech), hints, translation=AS_GENERATED)
    np.testing.assert_array_equal(made.trans, ground(plain, tiny.body).trans)


def test_what_goes_on_from_a_motion_begins_where_that_ends_and_on_its_floor(tiny, speech):
    start = standing(tiny.body, 30)
    start = replace(start, trans=start.trans + np.array([2, 0.5, -1]))
    made = tiny.generate((16000, speech), seed_motion=start)
    plain = tiny.generate((16000, speech), seed_motion=start, translation=AS_GENERATED)
    np.testing.assert_allclose(made.trans[0, [0, 2]], start.trans[-1, [0, 2]], atol=1e-6)
    floor_y = float(tiny.body.soles(start)[0, :, 1].min())
    assert floor_y > 0.4
    np.testing.assert_allclose(made.trans, ground(plain, tiny.body, floor_y=floor_y).trans, atol=1e-5)
