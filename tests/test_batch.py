"""Batches: which takes are made of a plan or a list of plans, and that they are made as told."""

import json
from dataclasses import replace

import numpy as np
import pytest

from emage.batch import (
    MAX_TAKES_AT_ONCE,
    NO_HINTS,
    NamedPlan,
    file_stem,
    list_requests,
    list_subsets,
    load_plans,
    make_takes,
    read_plans,
)
from emage.errors import AudioError, EmageError, HintError
from emage.evaluation.report import GIVEN_MEAN_SPEED, report_takes
from emage.generation.settings import TakeSettings
from emage.generation.take import Take
from emage.hints import HintPlan, Placement, Span
from emage.pipeline import STAGE_MOTION
from emage.recording.recording import Recording
from tests.conftest import Stop, assert_same_motion, channels_of, make_motion, make_speech

UPPER, HANDS = Span("upper", 10, 60, "lock"), Span("hands", 0, 90)
PLAN = HintPlan((UPPER, HANDS, replace(UPPER, start_frame=70, end_frame=80)), blend_frames=3)
FREE = NamedPlan("free", HintPlan())
MOTION = make_motion(135)


@pytest.fixture(scope="module")
def recording(speech) -> Recording:
    """Of 135 frames."""
    return Recording.load((16000, speech))


def test_subsets_hold_each_choice_of_parts_once():
    made = list_subsets(PLAN)
    assert [(plan.name, {span.part for span in plan.plan.spans}) for plan in made] == [
        (NO_HINTS, set()), ("upper", {"upper"}), ("hands", {"hands"}), ("upper + hands", {"upper", "hands"}),
    ]  # fmt: skip
    assert made[1].plan == HintPlan((PLAN.spans[0], PLAN.spans[2]), blend_frames=3)
    assert made[3].plan == PLAN
    assert [plan.name for plan in list_subsets(HintPlan())] == [NO_HINTS]
    assert list_subsets(HintPlan((Span("left_hand", 0, 5),)))[1].name == "left hand"


def test_each_plan_is_asked_for_with_each_seed(recording):
    settings = TakeSettings(speaker=1, seed=7, temperature=0.5)
    made = list_requests(recording, [NamedPlan("a", PLAN), FREE], settings, (3, 4), MOTION)
    assert [each.caption for each in made] == ["a, seed 3", "a, seed 4", "free, seed 3", "free, seed 4"]
    assert [each.settings for each in made] == [replace(settings, seed=seed) for seed in (3, 4, 3, 4)]
    assert [each.hints.plan for each in made] == [PLAN, PLAN, HintPlan(), HintPlan()]
    assert all(each.recording is recording for each in made)
    (own,) = list_requests(recording, [FREE], settings)
    assert (own.caption, own.settings, own.hints) == ("free", settings, None)


def test_files_are_told_apart(recording):
    names = ["../Arms!", "..arms", "ARMS", "手", "take", "con: x"]
    made = [
        each.caption for each in list_requests(recording, [replace(FREE, name=each) for each in names], TakeSettings())
    ]
    assert made == ["../Arms!", "..arms (2)", "ARMS (3)", "手", "take (2)", "con: x"]
    assert [file_stem(each) for each in made] == ["Arms", "arms-2", "ARMS-3", "take", "take-2", "con-x"]
    assert file_stem(" upper + left hand, seed 3 ") == "upper-left-hand-seed-3"


EMPTY = {"plan": {"spans": []}}


@pytest.mark.parametrize(
    ("plans", "words"),
    [
        ("[", "The list of plans is not JSON"),
        ("{}", "The list of plans is {}; it must be a list"),
        ([], "The list of plans has 0 entries; it must have 1 or more"),
        ([EMPTY] * 65, "The list of plans has 65 entries; it must have 64 at most"),
        ([EMPTY, {"spans": []}], "there is no field spans of entry 2"),
        ([EMPTY | {"color": "red"}], "there is no field color of entry 1"),
        ([{"name": "a"}], "the field plan of entry 1 is missing"),
        (["arms"], "entry 1 is 'arms'; it must be an object"),
        ([{"plan": 5}], "plan of entry 1 is 5; it must be an object"),
        ([{"plan": {"spans": [{"part": "tail"}]}}], "Entry 1 of the plans: The plan: part of span 1 is 'tail'"),
        ([EMPTY | {"name": " "}], "Entry 1 of the plans: ' ' names no plan"),
        ([EMPTY | {"name": 5}], "name of entry 1 is 5; it must be text"),
        ([EMPTY | {"name": "a\nb"}], "names no plan"),
        ([EMPTY | {"name": "x" * 81}], "A plan's name is 'xxx.*; it must be text of 80 characters at most"),
    ],
)
def test_plans_that_are_none_are_refused(plans, words):
    with pytest.raises(HintError, match=words):
        read_plans(plans)


def test_plans_are_read(tmp_path):
    entries = [{"name": "arms", "plan": PLAN.to_json()}, EMPTY]
    expected = [NamedPlan("arms", PLAN), NamedPlan("plan 2", HintPlan())]
    assert read_plans(entries) == read_plans(json.dumps(entries)) == expected
    (tmp_path / "plans.json").write_text(json.dumps(entries), "utf-8-sig")
    assert load_plans(tmp_path / "plans.json") == expected
    with pytest.raises(HintError, match="none.json: the plans cannot be read"):
        load_plans(tmp_path / "none.json")


def test_too_many_takes_are_refused(recording):
    plans = [replace(FREE, name=f"plan {number}") for number in range(MAX_TAKES_AT_ONCE // 2)]
    assert len(list_requests(recording, plans, TakeSettings(), (1, 2))) == MAX_TAKES_AT_ONCE
    for chosen, seeds, words in ((plans, (1, 2, 3), "96 takes at once cannot be made"), ([], (), "0 takes")):
        with pytest.raises(HintError, match=words):
            list_requests(recording, chosen, TakeSettings(), seeds)
    with pytest.raises(EmageError, match="seed is -1"):
        list_requests(recording, plans, TakeSettings(), (1, -1))


def test_hints_share_a_reference_that_is_laid_once(recording):
    placement, reference = Placement(5, "loop", 4), make_motion(40)
    subsets = list_subsets(PLAN)
    hints = [each.hints for each in list_requests(recording, subsets, TakeSettings(), (), reference, placement)]
    assert all(shown.reference is hints[0].reference for shown in hints)
    assert [shown.plan for shown in hints] == [each.plan for each in subsets]
    assert_same_motion(hints[0].reference, placement.hints(reference, PLAN, 135).reference)


def test_plans_count_from_the_whole_recordings_beginning(recording):
    (request,) = list_requests(recording.trim(30, 100), [NamedPlan("a", PLAN)], TakeSettings(), (), MOTION)
    assert request.hints.plan == PLAN.cut(30, 100)
    np.testing.assert_array_equal(request.hints.reference.poses, MOTION.poses[30:100])


def test_plans_of_a_list_may_contradict_one_another(recording):
    plans = [NamedPlan(mode, HintPlan((replace(UPPER, mode=mode),))) for mode in ("lock", "follow")]
    made = list_requests(recording, plans, TakeSettings(), (), MOTION)
    assert [each.hints.plan.spans[0].mode for each in made] == ["lock", "follow"]


@pytest.mark.parametrize(
    ("frames", "reference", "words"),
    [
        (85, MOTION, "the recording lasts 85 frames"),
        (135, make_motion(85), "the hint motion has 85 frames"),
        (135, None, "no motion to take them from. Choose a hint motion"),
    ],
)
def test_hints_that_do_not_fit_are_known_before_a_take_is_made(frames, reference, words):
    recording = Recording.load((16000, make_speech(frames * 16000 // 30)))
    with pytest.raises(HintError, match=words):
        list_requests(recording, list_subsets(PLAN), TakeSettings(), (), reference)


# --- making them ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def requests(recording):
    """Two plans with two seeds each."""
    return list_requests(recording, [NamedPlan("arms", HintPlan((UPPER,))), FREE], TakeSettings(), (1, 2), MOTION)


def test_takes_come_one_by_one_as_their_settings_make_them(tiny, requests):
    calls = []
    made = make_takes(tiny.take, requests, lambda *call: calls.append(call))
    first = next(made)
    assert calls == [(1, STAGE_MOTION, 60, 135), (1, STAGE_MOTION, 120, 135), (1, STAGE_MOTION, 135, 135)]
    rest = list(made)
    assert [call[0] for call in calls] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    for take, request in zip([first, *rest], requests, strict=True):
        assert_same_motion(take.motion, tiny.take(request).motion)
        assert (take.caption, take.hints, take.settings) == (request.caption, request.hints, request.settings)
        assert take.recording is request.recording
        assert take.took_s > 0
    arms = channels_of("upper")
    np.testing.assert_array_equal(first.motion.poses[10:60, arms], MOTION.poses[10:60, arms], "it is locked")
    assert not np.allclose(first.motion.poses, rest[0].motion.poses)
    # Whoever compares them measures all by one mean speed.
    reports = report_takes([first, rest[0]], tiny.body)
    assert [name for name, _ in reports] == ["arms, seed 1", "arms, seed 2"]
    for take, (_, report) in zip([first, rest[0]], reports, strict=True):
        assert (report.took_s, report.mean_speed_of, report.hint_max_rad) == (take.took_s, GIVEN_MEAN_SPEED, 0)
    with pytest.raises(AudioError, match="The recording of the take 'found' is not known"):
        report_takes([Take(MOTION, "found")], tiny.body)


def test_a_stopped_batch_keeps_what_was_handed_out_and_makes_no_more(tiny, requests):
    asked, made, started = [], [], []

    def stop(number, stage, done, total):
        asked.append(number)
        if (number, done) == (2, 60):
            raise Stop

    with pytest.raises(Stop):
        made.extend(make_takes(tiny.take, requests, stop))
    assert asked == [1, 1, 1, 2]

    def take(request, progress):
        started.append(request)
        return tiny.take(request, progress)

    makes = make_takes(take, requests)
    assert next(makes).caption == "arms, seed 1"
    makes.close()
    assert started == [requests[0]]
