"""Plans, every fault they can have, and what of them the networks are shown."""

import json
import math
import time

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emage.errors import HintError
from emage.hints import FOLLOWED, GENERATED, LOCKED, HintPlan, Hints, Span
from emage.hints.mask import HintsByWindow, foot_contacts, motion_channels, network_hints
from emage.motion import Motion
from emage.motion.skeleton import DISJOINT_PARTS, HINT_PARTS, PART_JOINTS
from tests.conftest import make_motion


def plan_of(*spans: object, **fields: object) -> HintPlan:
    return HintPlan.from_json({"spans": list(spans), **fields})


def test_seconds_and_frames_say_the_same():
    by_time = plan_of({"part": "upper", "start_s": 0.5, "end_s": 3.0})
    assert by_time == plan_of({"part": "upper", "start_frame": 15, "end_frame": 90, "mode": "follow"})
    assert by_time == plan_of({"part": "upper", "start_s": 0.5, "end_frame": 90.0}, blend_frames=None)


def test_a_plan_comes_back_from_its_json(tmp_path):
    plan = HintPlan((Span("face", 0, 10, "lock"), Span("left_hand", 5, 7)), blend_frames=3)
    assert HintPlan.from_json(plan.to_json()) == plan
    (tmp_path / "plan.json").write_text(json.dumps(plan.to_json()), "utf-8-sig")
    assert HintPlan.load(tmp_path / "plan.json") == plan
    assert HintPlan.from_json('{"spans": []}') == HintPlan()
    with pytest.raises(HintError, match="none.json: the plan cannot be read"):
        HintPlan.load(tmp_path / "none.json")


UPPER = {"part": "upper", "start_s": 0, "end_s": 1}


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (UPPER | {"part": "tail"}, "part of span 2 is 'tail'; it must be 'face', 'upper', .* or 'lower'"),
        (UPPER | {"part": 7}, "part of span 2 is 7"),
        ({"start_s": 0, "end_s": 1}, "the field part of span 2 is missing"),
        (UPPER | {"mode": "glue"}, "mode of span 2 is 'glue'; it must be 'follow' or 'lock'"),
        (UPPER | {"mode": 3}, "mode of span 2 is 3"),
        ({"part": "upper", "start_s": 0}, "The span of upper must have exactly one of end_s and end_frame"),
        (UPPER | {"start_frame": 0}, "exactly one of start_s"),
        (UPPER | {"start_s": 1}, "empty"),
        (UPPER | {"start_s": 2}, "its end must lie behind its start"),
        (UPPER | {"start_s": -1}, "before 0"),
        (UPPER | {"start_s": "1"}, "start_s of span 2 is '1'; it must be a number"),
        (UPPER | {"start_s": math.nan}, "start_s of span 2 is nan; it must be a finite number"),
        (UPPER | {"end_s": math.inf}, "end_s of span 2 is inf; it must be a finite number"),
        (UPPER | {"end_s": 1e308}, "end_s of span 2 is .*; it must be 33,333,333.33 at most"),
        ({"part": "upper", "start_s": 0, "end_frame": 10**400}, "end_frame of span 2 is .*at most"),
        ({"part": "upper", "start_frame": 0.5, "end_frame": 2}, "it must be a whole number"),
        ({"part": "upper", "start_frame": True, "end_frame": 2}, "start_frame of span 2 is True"),
        (UPPER | {"colour": "red"}, "there is no field colour of span 2"),
        ("upper", "span 2 is 'upper'; it must be an object"),
    ],
)
def test_bad_spans(span, words):
    with pytest.raises(HintError, match=words):
        plan_of(UPPER, span)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ("{", "The plan is not JSON that can be read"),
        ("[" * 200_000, "not JSON"),
        ('{"spans": [], "blend_frames": ' + "9" * 5000 + "}", "not JSON"),
        ("[]", r"The plan is \[\]; it must be an object"),
        ({"span": []}, "there is no field span; known are blend_frames, spans"),
        ({}, "the field spans is missing"),
        ({"spans": {}}, "spans is {}; it must be a list"),
        ({"spans": [], "blend_frames": -1}, "blend_frames is -1; it must be 0 or more"),
        ({"spans": [], "blend_frames": math.nan}, "blend_frames is nan"),
        ({"spans": {1, 2}}, "cannot be written as JSON"),
    ],
)
def test_bad_plans(plan, words):
    with pytest.raises(HintError, match=words):
        HintPlan.from_json(plan)


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
    plan = HintPlan((Span("upper", 0, 120),))
    with pytest.raises(HintError, match=r"ends at frame 120 .*the hint motion has 100 frames \(3.33 s\)"):
        Hints(make_motion(100), plan)
    plan.check_fits(120)
    with pytest.raises(HintError, match=r"the recording lasts 119 frames"):
        plan.check_fits(119)
    hints = Hints(make_motion(240, fps=60), plan)  # of another rate: it is resampled
    assert (hints.reference.fps, hints.reference.num_frames) == (30, 120)


def test_coverage_is_by_part_and_frame():
    plan = HintPlan((Span("hands", 2, 4), Span("face", 3, 5, "lock")))
    covered = plan.covers(6)
    assert covered.shape == (6, 5)
    by_part = {part: np.flatnonzero(covered[:, i]).tolist() for i, part in enumerate(DISJOINT_PARTS)}
    assert by_part == {"face": [3, 4], "upper": [], "left_hand": [2, 3], "right_hand": [2, 3], "lower": []}
    assert plan.covers(6, modes=("lock",)).sum() == 2
    states = plan.states(6)
    assert np.array_equal(states == FOLLOWED, plan.covers(6, modes=("follow",)))
    assert np.array_equal(states == LOCKED, plan.covers(6, modes=("lock",)))
    assert np.array_equal(states == GENERATED, ~covered)


# --- what the networks are shown --------------------------------------------------------------------------------------


def test_spans_may_be_a_list():
    assert HintPlan([Span("upper", 0, 3)]) == HintPlan((Span("upper", 0, 3),))
    with pytest.raises(HintError, match="entry 1 of spans is .* must be an instance of Span"):
        HintPlan([{"part": "upper", "start_frame": 0, "end_frame": 3}])


@pytest.mark.parametrize("part", HINT_PARTS)
def test_masks(part):
    result = network_hints(Hints(make_motion(100), HintPlan((Span(part, 10, 30),))), np.zeros((100, 4)), 120)
    assert result.mask.shape == result.motion.shape == (120, 337)
    assert result.mask.dtype == np.uint8
    assert (result.mask[np.r_[:10, 30:120]] == 1).all()
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


def test_channels_of_a_motion():
    motion = make_motion(3)
    channels = motion_channels(motion, np.ones((3, 4)))
    assert channels.dtype == np.float32
    expected = Rotation.from_rotvec(motion.poses[2, 45:48]).as_matrix()[:2].ravel()
    np.testing.assert_allclose(channels[2, 90:96], expected, atol=1e-6)
    np.testing.assert_allclose(channels[:, 330:333], motion.trans, atol=1e-7)
    assert (channels[:, 333:] == 1).all()


def test_foot_contacts():
    joints = np.zeros((5, 55, 3), dtype=np.float32)
    joints[3:, 7, 0] = 0.5  # the left ankle leaps between frames 2 and 3
    joints[:, 8, 2] = 0.0099 * np.arange(5)  # creeps
    joints[:, 10, 2] = 0.0101 * np.arange(5)  # walks
    expected = [[1, 1, 0, 1], [1, 1, 0, 1], [0, 1, 0, 1], [1, 1, 0, 1], [1, 1, 0, 1]]
    np.testing.assert_array_equal(foot_contacts(joints), expected)
    np.testing.assert_array_equal(foot_contacts(joints[:1]), [[1, 1, 1, 1]])


@pytest.mark.parametrize("frames", [1, 2, 100])
def test_hints_made_window_by_window_are_those_made_at_once(body, frames):
    plan = HintPlan((Span("lower", 0, frames), Span("upper", 0, 1), Span("face", frames // 2, frames)))
    motion = make_motion(frames, reach=0.1)
    hints = Hints(motion, plan)
    whole, windows = network_hints(hints, foot_contacts(body.joints(motion)), 130), HintsByWindow(hints, body.joints)
    assert frames != 100 or 0 < whole.motion[:, 333:].mean() < 1
    for start, end in ((0, 64), (60, 124), (99, 100), (110, 130)):
        shown = windows.frames(start, end)
        np.testing.assert_array_equal(shown.motion, whole.motion[start:end])
        np.testing.assert_array_equal(shown.mask, whole.mask[start:end])


@pytest.mark.parametrize(
    ("spans", "words"),
    [
        ("1," * 150_000 + "1", "The plan: span 1 is 1; it must be an object"),
        ("1," * 2_000_000 + "1", "The plan holds more than 200,000 values; no more are read"),
        ('{"part": "a,a", "mode": "' + "," * 1_000_000 + '"}', "part of span 1 is"),
    ],
)
def test_of_a_million_faults_the_first_is_told(spans, words):
    began = time.process_time()
    with pytest.raises(HintError, match=words):
        HintPlan.from_json(f'{{"spans": [{spans}]}}')
    assert time.process_time() - began < 2
