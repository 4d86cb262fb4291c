"""Held-out speech: cache motion scores what was cache, and baselines are what they say."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from emage.pipeline import EmagePipeline
from tests.train.conftest import UNHEARD_CLIP, perform_to_noise
from train import fgd_encoder
from train.evaluation import scores
from train.evaluation.held_out import Row, held_out_report, held_out_targets
from train.evaluation.makers import hold_pose, make_rows, mean_pose, nearest_rotation, new_codec, new_generator
from train.evaluation.targets import Target


def test_the_truth_passes_every_target(truth_in_its_place):
    report = truth_in_its_place
    assert (report.clips, report.minutes) == (3, pytest.approx(630 / 1800))
    made, corpus = report.rows[Row.GENERATED], report.rows[Row.CORPUS]
    assert made.fgd == pytest.approx(-2e-6 * 40, abs=1e-8)
    assert made.jaw_correlation == pytest.approx(1)
    assert (made.jaw_lag_frames, made.face_mse_m2, made.face_lvd_m_per_frame) == (0, 0, 0)
    assert replace(made, seams=None, face_mse_m2=None, face_lvd_m_per_frame=None) == corpus
    assert made.seams.ratio == pytest.approx(1, abs=0.2)
    targets = held_out_targets(report.rows)
    assert [one.passed for one in targets] == [True] * 10
    assert [one.value for one in targets[3:9]] == pytest.approx([1] * 6)


def test_baselines_are_what_they_say(truth_in_its_place):
    rows = truth_in_its_place.rows
    frozen = rows[Row.FROZEN]
    assert (frozen.bc, frozen.bc_aligned, frozen.jaw_correlation, frozen.foot_sliding_m_per_s) == (0, 0, 0, 0)
    assert frozen.l1_diversity_m == pytest.approx(0, abs=1e-4)
    assert frozen.jerk_m_per_s3 == pytest.approx(0, abs=0.1)
    assert frozen.fgd > 10 * rows[Row.GENERATED].fgd
    assert frozen.face_mse_m2 > 0
    assert frozen.seams is None
    assert rows[Row.HALVES].fgd > 0
    assert rows[Row.HALVES].bc is None
    for row in (Row.UNTRAINED_GENERATOR, Row.UNTRAINED):
        assert rows[row].fgd > 0
        assert abs(rows[row].jaw_correlation) < 0.5
        assert rows[row].seams is not None
    assert rows[Row.UNTRAINED_GENERATOR] != rows[Row.UNTRAINED]


def test_the_wrong_audio_is_wrong(truth_in_its_place):
    """The arms of the cache clips keep time with their own sound alone."""
    own, wrong = truth_in_its_place.rows[Row.CORPUS], truth_in_its_place.rows[Row.WRONG_AUDIO]
    gap, error = own.bc_aligned - wrong.bc_aligned, truth_in_its_place.bc_gaps[Row.CORPUS].bc_aligned_error
    assert gap == pytest.approx(own.bc - wrong.bc)  # these arms are never so slow that it matters where it is asked
    assert gap > 3 * error > 0.001
    assert truth_in_its_place.bc_gaps[Row.GENERATED] == truth_in_its_place.bc_gaps[Row.CORPUS]
    assert abs(wrong.jaw_correlation) < 0.5
    assert wrong.fgd is None


def test_a_frozen_pose_in_the_generator_s_place_misses(truth_in_its_place):
    rows = truth_in_its_place.rows
    targets = held_out_targets({**rows, Row.GENERATED: rows[Row.FROZEN]})
    passed = {one.name: one.passed for one in targets}
    assert passed.pop("foot sliding over the corpus's")
    # Which of two motionless rows lies farther from the truth is no matter here.
    passed = {name: value for name, value in passed.items() if "untrained" not in name}
    assert not any(passed.values())
    assert targets[0].value == pytest.approx(1)
    assert targets[3].value < 0


def test_a_clip_in_whose_sound_nothing_sets_in_counts_for_all_but_bc(unheard_cache, truth_in_its_place, config, body):
    makers = {row: lambda clip: clip.truth for row in (Row.CORPUS, Row.GENERATED)}
    autoencoder = fgd_encoder.load_autoencoder(config.weights)
    report = held_out_report(unheard_cache, makers, lambda samples: (), body, autoencoder, config)
    assert (report.clips, report.without_onset) == (3, (UNHEARD_CLIP,))
    corpus, whole = report.rows[Row.CORPUS], truth_in_its_place.rows[Row.CORPUS]
    assert (corpus.fgd, corpus.l1_diversity_m) == (pytest.approx(whole.fgd, abs=1e-8), whole.l1_diversity_m)
    assert 0.1 < corpus.bc < 1
    assert corpus.bc != whole.bc
    gaps = report.bc_gaps[Row.CORPUS]
    assert gaps.bc == pytest.approx(corpus.bc - report.rows[Row.WRONG_AUDIO].bc)
    assert gaps.bc_error > 0
    assert truth_in_its_place.without_onset == ()


# --- who moves --------------------------------------------------------------------------------------------------------


def test_mean_pose_is_the_chordal_mean(cache, motions):
    pose = mean_pose(cache)
    motions = [motions[clip.id].frames(0, clip.num_frames) for clip in cache.clips[:2]]  # split train
    poses = np.concatenate([motion.poses for motion in motions]).reshape(-1, 55, 3)
    for joint in (0, 16, 30):
        expected = Rotation.from_rotvec(poses[:, joint]).mean()
        away = (expected.inv() * Rotation.from_rotvec(pose.poses.reshape(55, 3)[joint])).magnitude()
        assert away < 1e-5
    np.testing.assert_allclose(pose.trans[0], np.concatenate([motion.trans for motion in motions]).mean(0), atol=1e-6)
    expressions = np.concatenate([motion.expressions for motion in motions]).mean(0)
    np.testing.assert_allclose(pose.expressions[0], expressions, atol=1e-6)
    still = hold_pose(pose, 5)
    assert still.num_frames == 5
    assert (still.poses == pose.poses).all()


def test_the_nearest_rotation_is_no_mirror_image():
    turn = torch.from_numpy(Rotation.from_rotvec([0.3, -1, 0.5]).as_matrix())
    torch.testing.assert_close(nearest_rotation(3 * turn), turn)
    mirrored = nearest_rotation(torch.diag(torch.tensor([3.0, 2.0, -1.0])))
    torch.testing.assert_close(mirrored, torch.eye(3))


def test_motion_is_generated_as_asked(cache, config, monkeypatch):
    asked = []
    monkeypatch.setattr(EmagePipeline, "generate", lambda pipe, audio, hints, **how: asked.append((audio, how)))
    pipe = EmagePipeline.from_pretrained(config.weights, device="cpu")
    clip = scores.HeldOutClip(1, perform_to_noise(140, 0)[0], np.ones(10, np.float32))
    sampled = replace(config, draw_seed=4, temperature=0.5, top_k=3, translation="grounded")
    make_rows(cache, pipe, config)[Row.GENERATED](clip)
    make_rows(cache, pipe, sampled)[Row.UNTRAINED](clip)
    assert all(how.pop("use_audio") for _, how in asked)
    assert [how for _, how in asked] == [
        {"speaker": 1, "translation": "as-generated", "seed": None, "temperature": 1.0, "top_k": None},
        {"speaker": 1, "translation": "grounded", "seed": 4, "temperature": 0.5, "top_k": 3},
    ]
    assert all(rate_hz == 16000 and samples is clip.audio for (rate_hz, samples), _ in asked)


def test_untrained_networks_follow_their_seed_alone(config):
    pipe = EmagePipeline.from_pretrained(config.weights, device="cpu")
    before = torch.get_rng_state()
    first, again, other = (new_generator(pipe.generator, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    key = "audio_body_motion_proj.weight"
    assert torch.equal(first[key], again[key])
    assert not torch.equal(first[key], other[key])
    codec = new_codec(pipe.codec, 0)
    assert codec.state_dict().keys() == pipe.codec.state_dict().keys()
    assert not torch.equal(codec.lower.quantizer.embedding.weight, pipe.codec.lower.quantizer.embedding.weight)


# --- targets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "bound", "limits", "passes", "misses"),
    [
        (Target.at_most, "at most 2", (2,), (2, -1), (2.001, None, math.inf)),
        (Target.at_least, "at least 0.75", (0.75,), (0.75, 3), (0.749, None, -math.inf)),
        (Target.above, "above 1", (1,), (1.001, math.inf), (1, 0.9, None)),
        (Target.within, "0.9 to 1.1", (0.9, 1.1), (0.9, 1, 1.1), (0.899, 1.101, None, math.inf)),
    ],
)
def test_targets_at_their_bounds(make, bound, limits, passes, misses):
    for passed, values in ((True, passes), (False, misses)):
        assert all(make("x", value, *limits) == Target("x", value, bound, passed) for value in values)


def test_held_out_targets_measure_shares():
    made = scores.MotionScores(1.0, 0.5, 0.4, 8.0, 0.02, 1.0, 0.7)
    corpus = scores.MotionScores(0.0, 0.6, 0.4, 10.0, 0.01, 1.0, 1.0)
    rows = {row: scores.MotionScores(fgd=5.0) for row in Row}
    rows |= {Row.GENERATED: made, Row.CORPUS: corpus, Row.WRONG_AUDIO: scores.MotionScores(bc=0.2, bc_aligned=0.4)}
    rows[Row.GENERATED_WRONG_AUDIO] = scores.MotionScores(bc=0.1, bc_aligned=0.3)
    targets = held_out_targets(rows)
    assert [one.value for one in targets] == pytest.approx([0.2, 0.2, 0.2, 0.75, None, 1.0, None, 0.8, 2, 0.7])
    assert [one.passed for one in targets] == [True, True, True, True, False, True, False, True, True, True]
    rows[Row.WRONG_AUDIO] = scores.MotionScores()  # no clip of the others has an onset
    assert [one.value for one in held_out_targets(rows)[3:7]] == [None] * 4
