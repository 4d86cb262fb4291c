"""Scores of clips, and how they become those of a corpus."""

import math
from dataclasses import replace

import numpy as np
import pytest

from emage.errors import AudioError
from emage.evaluation import published, quality
from emage.models.fgd import MotionAutoencoder, MotionAutoencoderConfig
from tests.conftest import make_motion, make_speech
from tests.train.conftest import perform_to_noise
from tests.train.evaluation.conftest import follow_loudness
from train.evaluation import scores


def test_wrong_pairs_never_pair_a_clip_with_itself():
    assert scores.wrong_pairs(4, 2) == [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (2, 0), (3, 0), (3, 1)]
    pairs = scores.wrong_pairs(3, 5)
    assert len(set(pairs)) == len(pairs) == 6
    assert all(mover != speaker for mover, speaker in pairs)


def test_wrong_sound_is_matched_by_its_own_speaker_s_jaw(body):
    judge = scores.Judge(body, MotionAutoencoder(MotionAutoencoderConfig(2)), np.ones(55))
    motion, _ = perform_to_noise(240, 0)
    _, audio = perform_to_noise(200, 1)
    posed = scores.beat_joints(body, motion)
    opening = quality.jaw_opening(motion.poses)
    match = judge.match(posed, audio, opening, np.roll(opening, 4)[:200])
    assert match.frames == 200
    assert (match.jaw_lag_frames, match.jaw_correlation) == (
        -4,
        pytest.approx(np.corrcoef(opening[:200], np.roll(opening, 4)[:200])[0, 1]),
    )
    assert match.bc_aligned == published.beat_consistency_aligned(posed[:200], audio, np.ones(55))


def test_where_nothing_sets_in_there_is_no_beat_consistency(body):
    """The published score is a mean over onsets; that of none is no number, and no 0 that others are averaged with."""
    judge = scores.Judge(body, MotionAutoencoder(MotionAutoencoderConfig(2)), np.ones(55))
    motion, audio = perform_to_noise(240, 0)
    posed, opening = scores.beat_joints(body, motion), quality.jaw_opening(motion.poses)
    heard = judge.match(posed, audio, opening, opening)
    unheard = judge.match(posed, np.zeros_like(audio), opening, opening)
    assert (unheard.bc, unheard.bc_aligned) == (None, None)
    assert unheard.jaw_correlation == pytest.approx(1)
    assert scores.pool_matches([heard, unheard]).bc == pytest.approx(heard.bc)
    assert scores.pool_matches([unheard]).bc is None
    with pytest.raises(AudioError, match="4.0 s in all"):
        judge.match(posed, audio[:64000], opening, opening)


def test_scores_of_clips_are_pooled_by_frames():
    def clip(frames: int, value: float, offset: float) -> scores.ClipScores:
        features = np.random.default_rng(frames).standard_normal((30, 2)) + offset
        match = scores.AudioMatch(frames, value, 2 * value, value / 10, int(value))
        return scores.ClipScores(frames, features, match, value, quality.FootSliding(value, 2.0), value)

    clips = [clip(220, 1.0, 0), clip(520, 4.0, 5)]
    faces = [scores.FaceScores(64, 1.0, 2.0), scores.FaceScores(192, 5.0, 2.0)]
    truth = np.concatenate([one.features for one in clips]) + 3
    row = scores.pool_scores(clips, truth, faces)
    assert row.fgd == pytest.approx(18, abs=1e-4)
    assert row.bc == pytest.approx((100 * 1 + 400 * 4) / 500)
    assert row.bc_aligned == pytest.approx(2 * row.bc)
    assert row.l1_diversity_m == row.jerk_m_per_s3 == pytest.approx((220 * 1 + 520 * 4) / 740)
    assert row.jaw_correlation == pytest.approx(row.l1_diversity_m / 10)
    assert (row.foot_sliding_m_per_s, row.jaw_lag_frames, row.face_mse_m2, row.face_lvd_m_per_frame) == (
        1.25,
        2.5,
        4,
        2,
    )
    assert row.seams is None


def test_halves_are_of_clips():
    rng = np.random.default_rng(0)
    alike = [rng.standard_normal((200, 3)) for _ in range(6)]
    assert scores.halves_distance(alike, 4, seed=0) < 0.05
    assert scores.halves_distance(alike, 4, seed=0) == scores.halves_distance(alike, 4, seed=0)
    assert scores.halves_distance(alike, 4, seed=0) != scores.halves_distance(alike, 4, seed=1)
    one_apart = [*alike[:2], alike[2] + 10]  # it is in one half alone, or beside one other
    assert 3 * 25 * 0.8 < scores.halves_distance(one_apart, 4, seed=0) < 3 * 100 * 1.2


def test_gap_error():
    gaps = np.array([1.0 - 0.5, 2.0 - 1.0, 3.0 - 3.5])
    expected = gaps.std(ddof=1) / math.sqrt(3)
    assert scores.gap_error([1.0, 2.0, 3.0], [[0.25, 0.75], [1.0], [3.0, 4.0]]) == pytest.approx(expected)
    own, wrong = [1.0, None, 2.0, 4.0, 3.0], [[0.25, None, 0.75], [7.0], [1.0], [None], [3.0, 4.0]]
    assert scores.gap_error(own, wrong) == pytest.approx(expected)
    assert scores.gap_error([1.0, None], [[0.5], [0.5]]) is None


def test_faces_are_compared_window_by_window(body):
    truth, made = perform_to_noise(330, 0)[0], perform_to_noise(330, 1)[0]
    (same, other) = scores.face_scores(body, [truth, made], truth)
    assert same == scores.FaceScores(128, 0, 0)
    vertices = []
    for motion in (made, truth):
        still = replace(motion, poses=published.face_poses(motion.poses), trans=np.zeros((330, 3)))
        vertices.append([body.vertices(still, start, start + 64) for start in (0, 256)])
    mse = [published.vertex_mse(ours, theirs) for ours, theirs in zip(*vertices, strict=True)]
    lvd = [published.lvd_velocity_difference(ours, theirs) for ours, theirs in zip(*vertices, strict=True)]
    assert other == scores.FaceScores(128, pytest.approx(np.mean(mse)), pytest.approx(np.mean(lvd)))


def test_seams_are_told_from_other_frames():
    motion = make_motion(300, reach=0.1)
    seams = [60, 120, 180, 240]
    jumps = motion.poses.copy()
    for seam in seams:
        jumps[seam:] += 0.05
    calm, jumping = (
        scores.JoinedSteps(quality.rotation_steps(poses).mean(1), seams) for poses in (motion.poses, jumps)
    )
    found = scores.seam_scores([jumping])
    assert found.ratio == pytest.approx(quality.seam_steps(jumps, seams).ratio)
    assert found.ratio > 2
    fair = scores.seam_scores([calm])
    assert abs(fair.ratio - 1) < 3 * fair.scatter < 0.5
    together = scores.seam_scores([jumping, scores.JoinedSteps(calm.steps[:49], []), calm])
    at = np.concatenate([steps[np.array(seams) - 1] for steps in (jumping.steps, calm.steps)]).mean()
    total = jumping.steps.sum() + calm.steps[:49].sum() + calm.steps.sum()
    assert together.ratio == pytest.approx(at / ((total - 8 * at) / (299 + 49 + 299 - 8)))
    assert scores.seam_scores([scores.JoinedSteps(calm.steps, [])]) is None


# --- motion beside a recording ----------------------------------------------------------------------------------------


def test_a_planted_speaker_has_the_planted_scores(talk, body):
    motion = follow_loudness(talk)
    found = scores.speech_scores("talk", motion, talk, body)
    assert (found.name, found.seconds, found.jaw_lag_frames) == ("talk", 12, 1)
    assert found.jaw_correlation == pytest.approx(1, abs=1e-6)
    assert found.pausing_deg == pytest.approx(0, abs=0.05)
    assert found.open_in_pauses == pytest.approx(found.pausing_deg / found.speaking_deg)
    speaking = quality.speaking_frames(talk)
    assert found.speaking_deg == pytest.approx(np.degrees(motion.poses[speaking, 66]).mean(), rel=1e-5)
    assert found.hands_ratio > 10
    assert found.longest_frozen_s < 0.2
    assert found.jerk_m_per_s3 == pytest.approx(quality.mean_jerk(body.joints(motion)))
    ajar = motion.poses.copy()
    ajar[~speaking, 66] = np.radians(3)
    ajar = scores.speech_scores("talk", replace(motion, poses=ajar), talk, body)
    assert (ajar.pausing_deg, ajar.pausing_p90_deg) == (pytest.approx(3), pytest.approx(3))
    stiff = motion.poses.copy()
    stiff[90:150, 48:54] = stiff[90, 48:54]  # the 2 s of speech from second 3 on
    stiff = scores.speech_scores("talk", replace(motion, poses=stiff), talk, body)
    assert stiff.longest_frozen_s == pytest.approx(59 / 30, abs=0.11)


def test_the_borders_of_pauses_are_not_theirs():
    speaking = np.array([0] * 5 + [1] * 4 + [0] * 9 + [1] * 2 + [0] * 6 + [1] + [0] * 2, bool)
    assert np.flatnonzero(scores.inner_pauses(speaking)).tolist() == [0, 1, 12, 13, 14]


def test_recordings_without_pauses_or_speech(body, talk):
    busy = make_speech(64000)  # bursts an eighth of a second apart
    found = scores.speech_scores("busy", follow_loudness(busy), busy, body)
    assert (found.pausing_deg, found.pausing_p90_deg, found.hands_ratio, found.open_in_pauses) == (None,) * 4
    with pytest.raises(AudioError, match="Nobody speaks in silence"):
        scores.speech_scores("silence", follow_loudness(talk), np.zeros(64000, np.float32), body)


def test_means_of_speech_are_weighted_by_length(talk, body):
    one = scores.speech_scores("one", follow_loudness(talk), talk, body)
    other = replace(one, seconds=36.0, hands_ratio=None, jerk_m_per_s3=0.0, longest_frozen_s=5.0, jaw_lag_frames=3)
    mean = scores.mean_speech("both", [one, other])
    assert (mean.name, mean.seconds, mean.longest_frozen_s) == ("both", 48, 5)
    assert mean.hands_ratio == pytest.approx(one.hands_ratio)  # the other has none
    assert (mean.jerk_m_per_s3, mean.jaw_lag_frames) == (pytest.approx(one.jerk_m_per_s3 / 4), 2)
