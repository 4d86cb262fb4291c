"""Reports of takes: the metrics they gather, what they say where nothing can be said, and their tables."""

import csv
import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from emage.body import Body
from emage.errors import MotionError
from emage.evaluation import published, quality
from emage.evaluation.report import (
    GIVEN_MEAN_SPEED,
    OWN_MEAN_SPEED,
    beat_joints,
    common_mean_speed,
    reports_csv,
    take_report,
    take_series,
)
from emage.hints import HintPlan, Hints, Span
from emage.motion import ARKIT52
from emage.motion.skeleton import ARKIT_ACTIONS, JAW_JOINT
from tests.conftest import make_motion, make_speech, rest
from tests.stages import lock

FRAMES = 240


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    """8 s at 16 kHz: bursts that start at whole half seconds."""
    return make_speech(FRAMES * 16000 // 30)


def test_the_numbers_are_those_of_the_metrics(body, talk):
    motion = make_motion(FRAMES)
    report = take_report(motion, talk, body, took_s=2.5)
    joints, posed = body.joints(motion), beat_joints(motion, body)
    speed = published.mean_joint_velocity([posed])
    assert report.beat_consistency == published.beat_consistency(posed, talk, speed)
    assert report.beat_consistency_aligned == published.beat_consistency_aligned(posed, talk, speed)
    assert report.diversity_m == published.l1_diversity(posed)
    assert report.jerk_m_per_s3 == quality.mean_jerk(joints)
    assert report.foot_sliding_m_per_s == quality.foot_sliding(joints).m_per_s
    assert (report.duration_s, report.took_s, report.mean_speed_of) == (8.0, 2.5, OWN_MEAN_SPEED)
    assert (report.spans, report.notes, report.hint_mean_rad, report.hint_max_rad) == ((), (), None, None)


def test_takes_that_are_compared_share_their_mean_speed(body, talk):
    calm, lively = make_motion(FRAMES, reach=0.01), make_motion(FRAMES, reach=0.5)
    shared = common_mean_speed([calm, lively], body)
    own = [common_mean_speed([motion], body) for motion in (calm, lively)]
    np.testing.assert_allclose(shared, np.mean(own, axis=0))
    report = take_report(calm, talk, body, mean_speed=shared)
    assert report.mean_speed_of == GIVEN_MEAN_SPEED
    assert report.beat_consistency_aligned < take_report(calm, talk, body).beat_consistency_aligned  # it is at rest
    assert common_mean_speed([make_motion(1)], body) is None


def test_the_deviation_from_each_hint(body, talk):
    reference = make_motion(FRAMES, seed=1, reach=0.2)
    poses = reference.poses.copy()
    poses[100:200, 16 * 3 : 16 * 3 + 3] = 0  # the left shoulder is let go
    made = replace(
        reference,
        poses=poses,
        trans=reference.trans + np.c_[np.linspace(0, 1, FRAMES), np.zeros((FRAMES, 2))] + 5,
        expressions=reference.expressions + 0.25,
    )
    spans = Span("upper", 50, 150), Span("hands", 0, 240, "lock"), Span("lower", 0, 240), Span("face", 3, 9)
    report = take_report(made, talk, body, Hints(reference, HintPlan(spans)))
    upper, hands, lower, face = report.spans
    assert tuple(deviation.span for deviation in report.spans) == spans
    away = np.linalg.norm(reference.poses[100:150, 48:51], axis=1)
    assert upper.max_rad == pytest.approx(away.max(), abs=1e-6)
    assert upper.mean_rad == pytest.approx(away.sum() / (100 * 13), abs=1e-6)
    assert hands.max_rad == pytest.approx(0, abs=1e-6)
    assert lower.path_m == pytest.approx(0.5, abs=1e-6)
    assert face.expressions == pytest.approx(0.25)
    assert (upper.path_m, upper.expressions, lower.expressions, face.path_m) == (None, None, None, None)
    assert report.hint_max_rad == upper.max_rad
    angles = 100 * 13 + 240 * 30 + 240 * 9 + 6
    assert report.hint_mean_rad == pytest.approx(upper.mean_rad * 1300 / angles, abs=1e-6)
    foreign = replace(made, expression_basis=ARKIT52)
    assert take_report(foreign, talk, body, Hints(reference, HintPlan(spans))).spans[3].expressions is None


def test_a_locked_span_deviates_by_nothing(body, talk):
    reference = make_motion(FRAMES, seed=1)
    hints = Hints(reference, HintPlan((Span("upper", 50, 150, "lock"), Span("lower", 20, 90, "lock"))))
    report = take_report(lock(make_motion(FRAMES), hints), talk, body, hints)
    for deviation in report.spans:
        assert deviation.max_rad < 1e-6
    assert report.spans[1].path_m < 1e-12


@pytest.mark.parametrize(("frames", "seconds"), [(1, 8), (3, 8), (60, 8), (240, 0.1)])
def test_what_cannot_be_said_is_none_and_told(body, frames, seconds):
    report = take_report(make_motion(frames), make_speech(round(16000 * seconds)), body)
    assert report.beat_consistency is None
    assert report.beat_consistency_aligned is None
    assert (report.jerk_m_per_s3 is None) == (frames < 4)
    assert (report.foot_sliding_m_per_s is None) == (frames < 2)
    assert any("2 s at each end" in note for note in report.notes)
    assert len(report.notes) == len(set(report.notes))


def test_silence_has_no_beats(body):
    report = take_report(make_motion(FRAMES), np.zeros(128000, np.float32), body)
    assert report.beat_consistency is None
    assert "silent" in report.notes[0]
    series = take_series(make_motion(FRAMES), np.zeros(128000, np.float32), body)
    assert len(series.onsets_s) == 0
    assert not series.loudness.any()


def test_another_rate_is_named(body, talk):
    for report in (take_report, take_series):
        with pytest.raises(MotionError, match="60 frames a second; 30 are needed"):
            report(make_motion(100, fps=60), talk, body)


def test_series_over_time(body, talk):
    motion = rest(FRAMES, 0.02 * np.arange(FRAMES)[:, None] * [1, 0, 0], actions={})
    motion.poses[60:120, 3 * JAW_JOINT] = 0.3
    motion.expressions[150:200, ARKIT_ACTIONS.index("jawOpen")] = 1.0
    series = take_series(motion, talk, body)
    assert len(series.time_s) == len(series.loudness) == len(series.jaw_rad) == FRAMES
    np.testing.assert_allclose(series.hand_speed_m_per_s, 0.6, atol=1e-4)
    np.testing.assert_allclose(series.jaw_rad[[0, 60, 119, 120, 160]], [0, 0.3, 0.3, 0, 0], atol=1e-6)
    assert series.lips_m[[0, 130, 220]].max() < 0.003
    assert series.lips_m[[70, 110, 160, 190]].min() > 0.015  # by either way to open it
    np.testing.assert_array_equal(series.onsets_s, published.audio_onsets(talk))
    assert len(series.onsets_s) > 5
    rows = list(csv.DictReader(io.StringIO(series.to_csv())))
    assert len(rows) == FRAMES
    assert float(rows[60]["time_s"]) == pytest.approx(2.0)
    assert float(rows[60]["jaw_rad"]) == pytest.approx(0.3)
    assert sum(int(row["onset"]) for row in rows) == len(set(np.floor(series.onsets_s * 30)))


def test_series_end_with_the_shorter_and_need_no_lips(body, talk):
    class Faceless(Body):
        def __init__(self):
            self.__dict__.update(body.__dict__)
            self.__dict__["landmarks"] = replace(body.landmarks, face=np.zeros(0, dtype=int))

    series = take_series(make_motion(100), talk, Faceless())
    assert len(series.time_s) == len(series.hand_speed_m_per_s) == 100
    assert series.onsets_s.max() < 100 / 30
    assert series.lips_m is None
    assert next(csv.DictReader(io.StringIO(series.to_csv())))["lips_m"] == ""
    assert len(take_series(make_motion(400), talk, body).lips_m) == FRAMES


def test_tables(body, talk):
    reference = make_motion(FRAMES, seed=1)
    hints = Hints(reference, HintPlan((Span("upper", 0, 100),)))
    good = take_report(make_motion(FRAMES), talk, body, hints, took_s=1.0)
    short = take_report(make_motion(2), talk, body)
    rows = list(csv.DictReader(io.StringIO(reports_csv([("seed 1, locked", good), ("=cmd()", short)]))))
    assert [row["take"] for row in rows] == ["seed 1, locked", "'=cmd()"]
    assert float(rows[0]["beat_consistency"]) == pytest.approx(good.beat_consistency, rel=1e-5)
    assert float(rows[0]["hint_max_degrees"]) == pytest.approx(math.degrees(good.hint_max_rad), rel=1e-5)
    assert (rows[1]["beat_consistency"], rows[1]["took_s"]) == ("", "")
    assert "2 s at each end" in rows[1]["notes"]
    content = json.loads(json.dumps(good.to_json()))
    assert content["spans"][0]["part"] == "upper"
    assert content["spans"][0]["max_rad"] == good.hint_max_rad
    assert content["jerk_m_per_s3"] == good.jerk_m_per_s3
