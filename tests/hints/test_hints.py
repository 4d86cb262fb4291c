"""Plans, masks, contacts, locks, and every fault a plan can have."""

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emage.errors import HintError
from emage.hints import HintPlan, Hints, Span
from emage.hints.locking import apply_locks
from emage.hints.mask import foot_contacts, motion_channels, network_hints
from emage.motion import ARKIT52, Motion
from emage.motion.skeleton import DISJOINT_PARTS, HINT_PARTS, PART_JOINTS
from tests.conftest import make_motion


def hints_of(*spans: dict, frames: int = 100, **plan) -> Hints:
    return Hints(make_motion(frames, seed=1), HintPlan.from_json({"spans": list(spans), **plan}))


def test_seconds_and_frames_say_the_same():
    by_time = Span.from_json({"part": "upper", "start_s": 0.5, "end_s": 3.0})
    by_frame = Span.from_json({"part": "upper", "start_frame": 15, "end_frame": 90, "mode": "follow"})
    assert by_time == by_frame
    assert Span.from_json(by_time.to_json()) == by_time


def test_a_plan_comes_back_from_its_json(tmp_path):
    plan = HintPlan((Span("face", 0, 10, "lock"), Span("left_hand", 5, 7)), blend_frames=3)
    assert HintPlan.from_json(plan.to_json()) == plan
    (tmp_path / "plan.json").write_text(json.dumps(plan.to_json()))
    assert HintPlan.load(tmp_path / "plan.json") == plan
    assert HintPlan.from_json('{"spans": []}') == HintPlan()


@pytest.mark.parametrize(
    ("span", "words"),
    [
        ({"part": "tail", "start_s": 0, "end_s": 1}, "no body part 'tail'.*face, upper"),
        ({"start_s": 0, "end_s": 1}, "names no part"),
        ({"part": "upper", "start_s": 0, "end_s": 1, "mode": "glue"}, "'follow' or 'lock', not 'glue'"),
        ({"part": "upper", "start_s": 0, "end_s": 1, "mode": 3}, "not 3"),
        ({"part": "upper", "start_s": 0}, "exactly one of end_s and end_frame"),
        ({"part": "upper", "start_s": 0, "start_frame": 0, "end_s": 1}, "exactly one of start_s"),
        ({"part": "upper", "start_s": 1, "end_s": 1}, "empty"),
        ({"part": "upper", "start_s": 2, "end_s": 1}, "empty"),
        ({"part": "upper", "start_s": -1, "end_s": 1}, "before 0"),
        ({"part": "upper", "start_s": "1", "end_s": 2}, "sensible number"),
        ({"part": "upper", "start_s": float("nan"), "end_s": 2}, "sensible number"),
        ({"part": "upper", "start_s": 0, "end_s": 1e308}, "sensible number"),
        ({"part": "upper", "start_s": 0, "end_frame": 10**400}, "sensible number"),
        ({"part": "upper", "start_frame": 0.5, "end_frame": 2}, "whole number"),
        ({"part": "upper", "start_frame": True, "end_frame": 2}, "sensible number"),
        ({"part": "upper", "start_s": 0, "end_s": 1, "colour": "red"}, "no field colour"),
        ("upper", "is an object"),
    ],
)
def test_bad_spans(span, words):
    with pytest.raises(HintError, match=words):
        HintPlan.from_json({"spans": [span]})


@pytest.mark.parametrize(
    "plan",
    [
        "{",
        "[" * 200_000,
        '{"spans": [], "blend_frames": ' + "9" * 5000 + "}",
        "[]",
        {"span": []},
        {"spans": {}},
        {"spans": [], "x": 1},
        {"spans": [], "blend_frames": -1},
    ],
)
def test_bad_plans(plan):
    with pytest.raises(HintError):
        HintPlan.from_json(plan)
    with pytest.raises(HintError, match="cannot be read"):
        HintPlan.load("nowhere/plan.json")


def test_overlaps():
    HintPlan((Span("upper", 0, 10), Span("upper", 5, 20)))  # one mode: they are one
    HintPlan((Span("upper", 0, 10), Span("upper", 10, 20, "lock")))  # side by side
    HintPlan((Span("upper", 0, 10), Span("lower", 5, 20, "lock")))  # other parts
    for first, second in (("upper", "upper"), ("hands", "left_hand"), ("right_hand", "hands")):
        with pytest.raises(HintError, match="overlap with different modes"):
            HintPlan((Span(first, 0, 10), Span(second, 9, 20, "lock")))
    with pytest.raises(HintError, match="overlap"):  # hidden behind a shorter one
        HintPlan((Span("upper", 0, 50), Span("upper", 5, 8), Span("upper", 20, 30, "lock")))


def test_spans_must_fit_recording_and_reference():
    with pytest.raises(HintError, match=r"ends at frame 120 .*the reference motion has 100 frames \(3.33 s\)"):
        hints_of({"part": "upper", "start_frame": 0, "end_frame": 120})
    hints = hints_of({"part": "upper", "start_frame": 0, "end_frame": 100})
    hints.plan.check_fits(100)
    with pytest.raises(HintError, match=r"the recording lasts 99 frames"):
        hints.plan.check_fits(99)


def test_a_reference_of_another_rate_is_resampled():
    hints = Hints(make_motion(240, fps=60), HintPlan((Span("upper", 0, 120),)))
    assert (hints.reference.fps, hints.reference.num_frames) == (30, 120)


@pytest.mark.parametrize("part", HINT_PARTS)
def test_masks(part):
    hints = hints_of({"part": part, "start_frame": 10, "end_frame": 30})
    result = network_hints(hints, np.zeros((100, 4)), 120)
    assert result.mask.shape == result.motion.shape == (120, 337)
    assert result.mask.dtype == np.uint8
    assert (result.mask[:10] == 1).all()
    assert (result.mask[30:] == 1).all()
    visible = {channel for joint in PART_JOINTS[part] for channel in range(6 * joint, 6 * joint + 6)}
    if part == "lower":
        visible |= set(range(330, 337))
    assert set(np.flatnonzero(result.mask[20] == 0)) == visible
    np.testing.assert_array_equal(result.motion[100:], result.motion[99:100].repeat(20, 0))


def test_channels_are_the_reference_implementations(shared):
    motion = Motion.load(shared / "data/beat2/2_scott_0_1_1.npz")
    golden = np.load(shared / "parity/golden/hint_upper_frames_20_100.npz")
    plan = HintPlan((Span("upper", 20, 100),))
    result = network_hints(Hints(motion, plan), golden["hint_motion"][:1, 333:].repeat(motion.num_frames, 0), 120)
    np.testing.assert_allclose(result.motion[:, :333], golden["hint_motion"][:, :333], atol=1e-6)
    np.testing.assert_array_equal(result.mask, golden["hint_mask"])


def test_foot_contacts():
    joints = np.zeros((5, 55, 3), dtype=np.float32)
    joints[3:, 7, 0] = 0.5  # the left ankle leaps between frames 2 and 3
    joints[:, 8, 2] = 0.0099 * np.arange(5)  # creeps
    joints[:, 10, 2] = 0.0101 * np.arange(5)  # walks
    expected = [[1, 1, 0, 1], [1, 1, 0, 1], [0, 1, 0, 1], [1, 1, 0, 1], [1, 1, 0, 1]]
    np.testing.assert_array_equal(foot_contacts(joints), expected)
    np.testing.assert_array_equal(foot_contacts(joints[:1]), [[1, 1, 1, 1]])


def test_coverage_is_by_part_and_frame():
    plan = HintPlan((Span("hands", 2, 4), Span("face", 3, 5, "lock")))
    covered = plan.covers(6)
    assert covered.shape == (6, 5)
    by_part = {leaf: np.flatnonzero(covered[:, i]).tolist() for i, leaf in enumerate(DISJOINT_PARTS)}
    assert by_part == {"face": [3, 4], "upper": [], "left_hand": [2, 3], "right_hand": [2, 3], "lower": []}
    assert plan.covers(6, modes=("lock",)).sum() == 2


# --- locks ------------------------------------------------------------------------------------------------------------


def angles(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(T, J*3), (T, J*3) -> (T, J)."""
    turn = Rotation.from_rotvec(first.reshape(-1, 3)).inv() * Rotation.from_rotvec(second.reshape(-1, 3))
    return turn.magnitude().reshape(len(first), -1)


def test_follow_changes_no_output():
    motion = make_motion(100)
    assert apply_locks(motion, hints_of({"part": "upper", "start_frame": 0, "end_frame": 50})) is motion


@pytest.mark.parametrize("part", HINT_PARTS)
def test_inside_a_lock_the_output_is_the_hint(part):
    motion = make_motion(100)
    hints = hints_of({"part": part, "start_frame": 30, "end_frame": 60, "mode": "lock"}, blend_frames=6)
    locked = apply_locks(motion, hints)
    inside, far = slice(30, 60), np.r_[0:24, 66:100]
    channels = [3 * joint + i for joint in PART_JOINTS[part] for i in range(3)]
    others = np.setdiff1d(np.arange(165), channels)
    np.testing.assert_array_equal(locked.poses[inside][:, channels], hints.reference.poses[inside][:, channels])
    np.testing.assert_array_equal(locked.poses[far], motion.poses[far])
    np.testing.assert_array_equal(locked.poses[:, others], motion.poses[:, others])
    is_face, is_lower = part == "face", part == "lower"
    assert np.array_equal(locked.expressions[inside], hints.reference.expressions[inside]) == is_face
    assert np.array_equal(locked.trans[inside], hints.reference.trans[inside]) == is_lower
    if not is_lower:
        np.testing.assert_array_equal(locked.trans, motion.trans)


def test_borders_do_not_jump():
    still = Motion(np.zeros((60, 165)), np.zeros((60, 100)), np.zeros((60, 3)), np.zeros(300))
    turned = np.zeros((60, 165))
    turned[:, 48:51] = [0.0, 0.0, 1.0]  # the left shoulder, one radian
    reference = Motion(turned, np.full((60, 100), 0.5), np.full((60, 3), 2.0), np.zeros(300))
    plan = HintPlan(tuple(Span(part, 20, 40, "lock") for part in ("upper", "face", "lower")), blend_frames=6)
    locked = apply_locks(still, Hints(reference, plan))
    steps = angles(locked.poses[1:], locked.poses[:-1])[:, 16]
    assert steps.max() < 0.25  # of one radian over seven steps of half a cosine
    assert (np.diff(locked.poses[13:21, 50]) > 0).all()
    assert np.abs(np.diff(locked.expressions, axis=0)).max() < 0.125
    assert np.abs(np.diff(locked.trans[:, 1])).max() < 0.5
    np.testing.assert_array_equal(locked.trans[:, [0, 2]], 2.0)  # the whole path moves, and slides nowhere


def test_two_locks_on_one_path():
    still = Motion(np.zeros((60, 165)), np.zeros((60, 100)), np.zeros((60, 3)), np.zeros(300))
    path = np.zeros((60, 3))
    path[30:, 0] = 3.0
    reference = Motion(np.zeros((60, 165)), np.zeros((60, 100)), path, np.zeros(300))
    plan = HintPlan((Span("lower", 5, 15, "lock"), Span("lower", 45, 55, "lock")), blend_frames=6)
    locked = apply_locks(still, Hints(reference, plan)).trans[:, 0]
    np.testing.assert_array_equal(locked[:15], 0)
    np.testing.assert_array_equal(locked[45:], 3)
    np.testing.assert_allclose(np.diff(locked)[14:45], 3 / 31, atol=1e-12)


def test_a_lock_near_an_end_fades_as_slowly_as_elsewhere():
    still = Motion(np.zeros((60, 165)), np.zeros((60, 100)), np.zeros((60, 3)), np.zeros(300))
    turned = np.zeros((60, 165))
    turned[:, 48:51] = [0.0, 0.0, 1.5]
    reference = Motion(turned, np.zeros((60, 100)), np.zeros((60, 3)), np.zeros(300))
    steps = {}
    for start, end in ((20, 40), (20, 58), (2, 40), (20, 60)):
        locked = apply_locks(still, Hints(reference, HintPlan((Span("upper", start, end, "lock"),))))
        steps[start, end] = angles(locked.poses[1:], locked.poses[:-1])[:, 16].max()
    assert max(steps.values()) == pytest.approx(steps[20, 40])
    # in a short gap between two locks on poses that differ, the turn is shared out evenly
    turned[30:, 48:51] = [0.0, 0.0, -0.5]
    reference = Motion(turned, np.zeros((60, 100)), np.zeros((60, 3)), np.zeros(300))
    plan = HintPlan((Span("upper", 0, 29, "lock"), Span("upper", 30, 60, "lock")))
    locked = apply_locks(still, Hints(reference, plan))
    step = angles(locked.poses[1:], locked.poses[:-1])[27:30, 16]
    np.testing.assert_allclose(step, [0, 1, 1], atol=1e-6)


def test_locks_close_to_one_another_share_the_gap():
    motion = make_motion(60)
    plan = HintPlan((Span("upper", 0, 20, "lock"), Span("upper", 25, 60, "lock")), blend_frames=10)
    hints = Hints(make_motion(60, seed=1), plan)
    locked = apply_locks(motion, hints)
    channels = [3 * joint + i for joint in PART_JOINTS["upper"] for i in range(3)]
    for inside in (slice(0, 20), slice(25, 60)):
        np.testing.assert_array_equal(locked.poses[inside][:, channels], hints.reference.poses[inside][:, channels])
    assert np.isfinite(locked.poses).all()


def test_a_lock_at_the_edges_of_the_recording_and_without_blend():
    motion = make_motion(60)
    hints = hints_of({"part": "upper", "start_frame": 0, "end_frame": 60, "mode": "lock"}, blend_frames=0)
    channels = [3 * joint + i for joint in PART_JOINTS["upper"] for i in range(3)]
    np.testing.assert_array_equal(apply_locks(motion, hints).poses[:, channels], hints.reference.poses[:60, channels])


def test_a_face_of_another_basis_is_not_locked():
    reference = make_motion(60)
    reference = Motion(reference.poses, reference.expressions, reference.trans, reference.betas, 30, ARKIT52)
    plan = HintPlan((Span("face", 0, 10, "lock"),))
    with pytest.raises(HintError, match=r"'arkit52', these weights make 'flame2020'"):
        apply_locks(make_motion(60), Hints(reference, plan))


def test_channels_of_a_motion():
    motion = make_motion(3)
    channels = motion_channels(motion, np.ones((3, 4)))
    assert channels.dtype == np.float32
    expected = Rotation.from_rotvec(motion.poses[2, 45:48]).as_matrix()[:2].ravel()
    np.testing.assert_allclose(channels[2, 90:96], expected, atol=1e-6)
    np.testing.assert_allclose(channels[:, 330:333], motion.trans, atol=1e-7)
    assert (channels[:, 333:] == 1).all()
