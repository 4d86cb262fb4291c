"""The value of the timeline, and what lies behind it."""

import json
import re
from itertools import pairwise

import gradio as gr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emage.errors import HintError
from emage.hints import FOLLOW, LOCK, HintPlan, Span
from emage.motion.skeleton import HINT_PARTS
from emage.recording.transcript import Word
from emage.ui.components.timeline import Backdrop, Media, Timeline, TimelineValue, read_words
from emage.ui.components.timeline.value import MAX_BLEND_FRAMES, MAX_SPANS
from tests.conftest import make_speech


def plan_of(*spans: tuple, blend_frames: int | None = 6) -> HintPlan:
    return HintPlan(tuple(Span(*span) for span in spans), blend_frames)


# --- the value --------------------------------------------------------------------------------------------------------


@st.composite
def values(draw) -> TimelineValue:
    """Any value with disjoint spans in each row; hands sometimes together, sometimes apart."""
    num_frames = draw(st.integers(1, 5000))
    left_out = draw(st.sampled_from([("hands",), ("left_hand", "right_hand")]))
    spans = []
    for part in HINT_PARTS:
        if part not in left_out:
            cuts = sorted(draw(st.sets(st.integers(0, num_frames), max_size=8)))
            modes = st.sampled_from([FOLLOW, LOCK])
            spans += [Span(part, start, end, draw(modes)) for start, end in list(pairwise(cuts))[::2]]
    plan = HintPlan(tuple(draw(st.permutations(spans))), draw(st.integers(0, MAX_BLEND_FRAMES)))
    start = draw(st.integers(0, num_frames - 1))
    return TimelineValue(num_frames, plan, start, draw(st.integers(start + 1, num_frames)))


@settings(max_examples=40, deadline=None)
@given(values())
def test_json_brings_back_the_same_value(value):
    sent = json.loads(json.dumps(value.to_json()))
    assert TimelineValue.from_json(sent) == value
    assert sent["plan"] == value.plan.to_json()
    assert HintPlan.from_json(sent["plan"]) == value.plan


@settings(max_examples=40, deadline=None)
@given(values())
def test_the_trimmed_plan_covers_what_the_plan_covers_inside_the_trim(value):
    start, end = value.trim_start_frame, value.trim_end_frame
    for modes in ((FOLLOW,), (LOCK,)):
        whole = value.plan.covers(value.num_frames, modes)[start:end]
        assert np.array_equal(value.trimmed_plan().covers(end - start, modes), whole)
    assert value.is_trimmed == (end - start < value.num_frames)


def test_empty_values():
    for empty in (None, "", {"num_frames": 0}):
        assert TimelineValue.from_json(empty) == TimelineValue() == TimelineValue(0, HintPlan(), 0, 0)
    assert not TimelineValue().is_trimmed


def test_another_recording_cuts_the_plan():
    value = TimelineValue(300, plan_of(("upper", 10, 90, LOCK), ("face", 200, 300)), 20, 40)
    shorter = value.for_recording(60)
    assert shorter == TimelineValue(60, plan_of(("upper", 10, 60, LOCK)))
    assert value.for_recording(400).plan == value.plan


COMPONENT = Timeline()
SPAN = {"part": "upper", "start_frame": 0, "end_frame": 10, "mode": "follow"}


def with_span(**changes) -> dict:
    return {"num_frames": 300, "plan": {"spans": [SPAN | changes]}}


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ([1, 2], "The timeline's value is"),
        ({"plan": {"spans": []}}, "num_frames is missing"),
        ({"num_frames": 300, "peaks": "x"}, "no field peaks"),
        ({"num_frames": float("nan")}, "num_frames is nan; it must be a whole number"),
        ({"num_frames": True}, "num_frames is True"),
        ({"num_frames": -1}, "num_frames is -1"),
        ({"num_frames": 10**12}, "num_frames is 1000000000000"),
        ({"num_frames": "9" * 1000}, "it must be a whole number"),
        ({"num_frames": 300, "trim": [0, 300]}, "trim is .* it must be an object"),
        ({"num_frames": 300, "trim": {"start_frame": 5, "end_frame": 301}}, "does not lie within"),
        ({"num_frames": 300, "trim": {"start_frame": 5, "end_frame": 5}}, "its end must lie behind its start"),
        ({"num_frames": 300, "trim": {"start_frame": 5.5}}, "start_frame.* is 5.5"),
        ({"num_frames": 300, "plan": None}, "plan is None; it must be an object"),
        ({"num_frames": 300, "plan": {"spans": {}}}, "spans is .* it must be a list"),
        ({"num_frames": 300, "plan": "{"}, "plan is .* it must be an object"),
        ({"num_frames": 300, "plan": {"spans": [SPAN], "blend_frames": 10**9}}, "Give a smaller number"),
        ({"num_frames": 300, "plan": {"spans": [SPAN], "blend_frames": float("nan")}}, "blend_frames is nan"),
        ({"num_frames": 300, "plan": {"spans": [SPAN] * (MAX_SPANS + 1)}}, "Join those that touch"),
        ({"num_frames": 300, "plan": {"spans": [SPAN, SPAN | {"mode": "lock"}]}}, "overlap with different modes"),
        (with_span(end_frame=301), r"ends at frame 301 \(10.03 s\), but the recording lasts 300 frames"),
        (with_span(end_frame=float("nan")), "end_frame.* is nan"),
        (with_span(start_frame=10), "its end must lie behind its start"),
        (with_span(part="tail"), "part.* is 'tail'; it must be 'face'"),
        (with_span(mode="hold"), "mode.* is 'hold'; it must be .*'follow' or 'lock'"),
        (with_span(colour="red"), "no field colour"),
    ],
)
def test_what_a_browser_may_not_send(payload, words):
    with pytest.raises(HintError, match=words):
        TimelineValue.from_json(payload)
    with pytest.raises(gr.Error) as shown:
        COMPONENT.preprocess(payload)
    assert re.search(words, shown.value.message)
    assert len(shown.value.message) <= 600


def test_the_component_gives_and_takes_values():
    value = TimelineValue(300, plan_of(("hands", 0, 30), blend_frames=9), 3, 200)
    component = Timeline(value)
    assert component.value == component.postprocess(value) == component.postprocess(value.to_json()) == value.to_json()
    assert component.preprocess(component.value) == value
    with pytest.raises(HintError):
        component.postprocess({"num_frames": 1, "plan": {"spans": [SPAN]}})
    update = Timeline.show(value, None)
    assert update["value"] == value
    assert update["backdrop"] == {}


# --- what lies behind it ----------------------------------------------------------------------------------------------


def test_waveform_of_a_recording():
    audio = make_speech(160000)
    audio[31000:65000] = 0
    audio[100000:103200] = 1
    backdrop = Backdrop.from_audio(
        audio, [Word("hello", 1.0, 1.5), Word("end", 9.9, 10.4)], (30, 200), [Media("#video", 30)]
    )
    assert backdrop.num_frames == 300
    assert len(backdrop.peaks) == 1200
    assert backdrop.peaks[100000 * 1200 // 160000] == 255
    assert backdrop.peaks[300] == 0
    ((start, end),) = backdrop.silent  # with the pauses of the speech beside it
    assert (start, end) == pytest.approx((31000 * 30 / 16000, 65000 * 30 / 16000), abs=4)
    assert len(backdrop.clipped) == 1
    assert backdrop.clipped[0] == pytest.approx((187.5, 193.5), abs=1)
    assert len(backdrop.warnings) == 1
    assert "first at 6.2" in backdrop.warnings[0]
    sent = json.loads(json.dumps(backdrop.to_json()))
    assert json.loads(sent["words"]) == [["hello", 1.0, 1.5, None], ["end", 9.9, 10.4, None]]
    assert sent["media"] == [{"selector": "#video", "start_frame": 30}]
    assert sent["reference_span"] == [30, 200]
    assert sent["face_fault"] is None


class Edited(gr.EventData):
    """What the timeline's event `edit` brings."""

    def __init__(self, data):
        super().__init__(None, data)


def test_words_come_back_as_they_went():
    words = (Word("on", 9.0, 1e308), Word("a b", 1 / 3, 0.1 + 0.7, 0.25), Word("🙂", 0.5, 0.5, 1.0))
    sent = json.loads(Backdrop.from_audio(make_speech(160000), words).to_json()["words"])
    assert read_words(Edited({"num_frames": 300, "words": sent}), 300) == words
    assert read_words(Edited({"num_frames": 300, "words": []}), 300) == ()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (None, "brings no words"),
        ({"words": []}, "brings no words"),
        ({"num_frames": 299, "words": []}, "a recording that is no longer there"),
        ({"num_frames": 300, "words": "no"}, "words is 'no'; it must be a list"),
        ({"num_frames": 300, "words": [["a", 0, 1]]}, "missing"),
        ({"num_frames": 300, "words": [["", 0, 1, None]]}, "1 or more characters"),
        ({"num_frames": 300, "words": [["a" * 201, 0, 1, None]]}, "200 characters at most"),
        ({"num_frames": 300, "words": [["a", -1, 1, None]]}, "0 or more"),
        ({"num_frames": 300, "words": [["a", 0, float("nan"), None]]}, "a"),
        ({"num_frames": 300, "words": [["a", 2, 1, None]]}, "its end must lie behind its start"),
        ({"num_frames": 300, "words": [["a", 0, 1, 1.5]]}, "1 at most"),
        ({"num_frames": 300, "words": [["a", 0, 1, None]] * 20_001}, "20000 at most"),
    ],
)
def test_words_that_a_browser_may_not_send(data, told):
    with pytest.raises(HintError, match=told):
        read_words(Edited(data), 300)


@pytest.mark.parametrize("num_samples", [1, 7, 533, 800, 16000, 20 * 60 * 16000])
def test_any_length(num_samples):
    backdrop = Backdrop.from_audio(np.zeros(num_samples, np.float32))
    assert backdrop.silent == ((0, backdrop.num_frames),)
    assert "The recording is silent" in backdrop.warnings[0]
    assert 1 <= len(backdrop.peaks) <= 24_000
    assert len(json.dumps(backdrop.to_json())) < 40_000


def test_loud_speech_is_not_called_clipped():
    audio = make_speech(48000)
    assert Backdrop.from_audio(audio / np.abs(audio).max()).warnings == ()
