"""Gestures of the dictionary are found where they are performed, and nowhere else; recall counts what it says."""

from dataclasses import replace

import numpy as np
import pytest

from emage.motion import Motion
from emage.recording.transcript import Word
from tests.train.synthetic.conftest import grammar_text, make_times
from train.data.semantics import TrueStroke
from train.evaluation.gesture_kinds import FoundStroke, find_strokes
from train.evaluation.real_words import describe_words
from train.evaluation.word_gestures import (
    ClipGestures,
    bootstrap,
    clip_gestures,
    count_in_time,
    gesture_words,
    pool_gestures,
)
from train.synthetic.compose import perform
from train.synthetic.gestures import GESTURES
from train.synthetic.scenes import Scene, enact
from train.synthetic.speakers import SPEAKERS
from train.synthetic.strokes import SIDES

Performed = tuple[Motion, tuple[TrueStroke, ...]]


@pytest.fixture(scope="module")
def performed() -> list[Performed]:
    """Half a minute of every speaker, with its strokes."""
    clips = []
    for speaker in SPEAKERS:
        times = make_times(grammar_text(speaker.number), speaker.number, speaker.number)
        performance = perform(times)
        strokes = [TrueStroke(s.gesture, times.words[s.word].text, s.apex_s) for s in performance.strokes]
        clips.append((performance.motion, tuple(strokes)))
    return clips


@pytest.mark.parametrize("kind", ["three", "five", "ten", "big", "hear", "right", "stop"])
def test_a_gesture_is_found_when_the_hands_arrive(kind):
    gesture = GESTURES[kind]
    first = "right" if kind not in SIDES else kind
    second = "left" if first == "right" else "right"
    keys = {first: gesture.keys, **({second: gesture.other} if gesture.other else {})}
    hands = {
        side: [(1.0, None), *((2.0 + at_s, key) for at_s, key in own), (3.0, own[-1][1]), (4.0, None)]
        for side, own in keys.items()
    }
    found = find_strokes(enact(Scene(5.0, 0, hands)))
    assert [one.kind for one in found if abs(one.end_s - 2.0) < 0.2] == [kind]
    assert not [one for one in found if one.kind == kind and abs(one.end_s - 2.0) > 0.3]


def test_who_does_nothing_makes_no_gesture():
    assert find_strokes(enact(Scene(5.0, 0))) == []


def test_words_of_the_true_motion_get_their_gesture_and_those_of_another_do_not(performed):
    found = [find_strokes(motion) for motion, _ in performed]
    strokes = [strokes for _, strokes in performed]
    asked = sum(len(gesture_words(each)) for each in strokes)
    assert asked > 150
    hits = sum(map(count_in_time, found, strokes))
    assert hits / asked > 0.9
    by_chance = sum(count_in_time(found[i - 1], each) for i, each in enumerate(strokes))
    assert by_chance / asked < 0.1
    late = [[replace(one, apex_s=one.apex_s + 1.0) for one in each] for each in strokes]
    assert sum(map(count_in_time, found, late)) / asked < 0.15


def test_the_truth_has_the_true_speed_of_hands_and_a_still_body_none(performed, body):
    motion, strokes = performed[0]
    own = clip_gestures(motion, motion, strokes, body)
    assert own.hand_correlation == pytest.approx(1)
    assert own.words == len(gesture_words(strokes))
    assert own.in_time > 0.8 * own.words
    assert 0.3 * own.found < own.right <= own.found
    still = replace(motion, poses=np.repeat(motion.poses[:1], motion.num_frames, 0), trans=0 * motion.trans)
    nothing = clip_gestures(still, motion, strokes, body)
    assert (nothing.in_time, nothing.found, nothing.hand_correlation) == (0, 0, 0)


def test_recall_counts_words_once_beats_never_and_only_in_time():
    strokes = [
        TrueStroke("three", "three", 1.0),
        TrueStroke("beat", "window", 2.0),
        TrueStroke("two", "second", 3.0),
        TrueStroke("no", "never", 4.0),
    ]
    found = [
        FoundStroke("three", 0.71, 0.5),
        FoundStroke("three", 1.2, 0.5),
        FoundStroke("open", 2.0, 0.5),
        FoundStroke("stop", 3.2, 0.5),  # "second" may be two fingers or a stopping hand
        FoundStroke("no", 4.31, 0.5),
    ]
    assert count_in_time(found, strokes) == 2
    clip = ClipGestures(3, 2, 5, 2, found, 0.4, 60.0)
    worse = ClipGestures(1, 0, 0, 0, [], 0.2, 60.0)
    pooled = pool_gestures([clip, worse], [strokes, strokes[:1]], [(0, 1), (1, 0)], seed=0)
    assert pooled.recall.value == pytest.approx(2 / 4)
    assert (pooled.recall.low, pooled.recall.high) == pytest.approx((0, 2 / 3))
    assert (pooled.chance, pooled.precision, pooled.a_minute) == pytest.approx((1 / 4, 2 / 5, 2.5))
    assert pooled.hand_correlation.value == pytest.approx(0.3)
    silent = pool_gestures([replace(worse, words=0)], [[]], [], seed=0)
    assert (silent.recall, silent.chance, silent.precision) == (None, None, None)


def test_an_interval_over_clips_narrows_with_their_number():
    values = np.random.default_rng(0).normal(0.5, 0.1, 400)
    few, many = (bootstrap(n, lambda rows: values[rows].mean(), 0) for n in (25, 400))
    assert many.low < many.value < many.high
    assert many.high - many.low == pytest.approx(4 * 0.1 / 20, rel=0.15)
    assert few.high - few.low == pytest.approx(4 * (many.high - many.low), rel=0.35)


def test_words_of_real_speech_are_told_with_what_the_hands_did(performed):
    motion, strokes = max(performed, key=lambda each: len(gesture_words(each[1])))
    said = [Word(s.word.capitalize() + ",", s.apex_s - 0.1, s.apex_s + 0.2) for s in gesture_words(strokes)]
    beyond = Word("three", 1000.0, 1001.0)
    report = describe_words("talk", "TextGrid", [*said, Word("xylophone", 1.0, 1.4), beyond], motion)
    assert (report.words, len(report.gestures)) == (len(said) + 1, len(said))
    assert report.right > 0.8 * len(said)
    assert report.chance < 0.2
    for spoken in report.gestures:
        assert spoken.found is None or abs(spoken.found.end_s - spoken.start_s) < 0.6
    assert describe_words("talk", "TextGrid", [], motion).chance is None
