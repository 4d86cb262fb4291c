"""Scores of a folder of weights: planted motion scores what was planted, and targets know their bounds."""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scipy.spatial.transform import Rotation

from emage import pipeline
from emage.body import load_body
from emage.errors import AudioError, EmageError
from emage.evaluation import metrics
from emage.models.checkpoint import save_network
from emage.models.codec import MotionCodec
from emage.models.fgd import MotionAutoencoder, MotionAutoencoderConfig
from emage.models.generator import Generator, GeneratorConfig
from emage.models.parts import Parts
from emage.models.vqvae import VQVAE, GlobalMotionPredictor, VQVAEConfig
from emage.motion import ARKIT52, Motion
from emage.motion.rotations import axis_angle_to_rotation_6d
from emage.motion.skeleton import MOTION_CHANNELS, PART_CHANNELS, rotation_channels
from emage.pipeline import EmagePipeline
from emage.recording.audio import frame_to_sample
from emage.recording.features import loudness_envelope
from tests.conftest import make_motion, make_speech
from train import evaluate, fgd_encoder
from train.data.cache import Cache, CorpusError, Window, build_cache
from train.evaluate import Evaluation, Row, Target
from train.evaluation import scores
from train.run.kinematics import BodyPoints
from train.vqvae import VQVAEReport

CODES, WIDTH = 8, 8
CLIPS = {  # id: split, frames
    "1_ann_0_1_1": ("train", 90),
    "3_ben_0_1_1": ("train", 140),
    "1_ann_0_2_2": ("test", 240),
    "3_ben_0_2_2": ("test", 260),
    "3_ben_0_3_3": ("test", 300),
    "1_ann_0_3_3": ("test", 100),  # too short to look for beats in
}


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Tiny networks gain nothing from more, and wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def body():
    return load_body()


def beat_times(seconds: float, seed: int) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).uniform(0.7, 1.6, 50))[: int(seconds / 1.6)]


def performance(frames: int, seed: int) -> tuple[Motion, np.ndarray]:
    """Arms that are slowest whenever a burst of noise sets in; all else moves as it likes."""
    beats = beat_times(frames / 30 + 20, seed)
    time_s = np.arange(frames) / 30
    phase = np.interp(time_s, np.concatenate([[0], beats]), np.arange(len(beats) + 1))
    angle = np.cumsum(2.5 - 2 * np.cos(2 * np.pi * phase)) / 30
    motion = make_motion(frames, seed, reach=0.2)
    poses = motion.poses.reshape(-1, 55, 3).copy()
    poses[:, [3, 6, 9, *range(12, 22)]] = 0
    poses[:, [16, 17], 2] = angle[:, None]
    audio = np.zeros(frame_to_sample(frames), np.float32)
    rng = np.random.default_rng(seed)
    for beat in beats[beats < frames / 30 - 0.2]:
        start = int(beat * 16000)
        audio[start : start + 3000] = 0.3 * rng.standard_normal(3000) * np.linspace(1, 0, 3000)
    return replace(motion, poses=poses.reshape(-1, 165), betas=np.zeros(300), expression_basis=ARKIT52), audio


@pytest.fixture(scope="module")
def cache(body, tmp_path_factory) -> Cache:
    root = tmp_path_factory.mktemp("corpus")
    (root / "smplxflame_30").mkdir()
    (root / "wave16k").mkdir()
    for seed, (clip, (_, frames)) in enumerate(CLIPS.items()):
        motion, audio = performance(frames, seed)
        motion.save(root / "smplxflame_30" / f"{clip}.npz")
        soundfile.write(root / "wave16k" / f"{clip}.wav", audio, 16000, "PCM_16")
    lines = [f"{clip},{split}" for clip, (split, _) in CLIPS.items()]
    (root / "train_test_split.csv").write_text("\n".join(["id,type", *lines]) + "\n")
    return build_cache(root, tmp_path_factory.mktemp("cache") / "cache", body=body)


def small_codec() -> MotionCodec:
    parts = Parts.of(lambda part: VQVAE(VQVAEConfig(PART_CHANNELS[part], WIDTH, 1, CODES)))
    return MotionCodec(parts, GlobalMotionPredictor(VQVAEConfig(PART_CHANNELS["lower"], WIDTH, 1)))


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Small networks with random weights stand for trained ones."""
    folder = tmp_path_factory.mktemp("weights")
    with torch.random.fork_rng():
        torch.manual_seed(5)
        settings = GeneratorConfig(
            hidden=16, audio_width=8, motion_width=WIDTH, codebook_size=CODES, speakers=2, expression_basis=ARKIT52
        )
        EmagePipeline(Generator(settings), small_codec()).save_pretrained(folder)
        save_network(MotionAutoencoder(MotionAutoencoderConfig(2)), folder / fgd_encoder.FOLDER)
    (folder / "training.json").write_text(json.dumps({"revision": "abc", "step": 7, "settings": {}}))
    return folder


@pytest.fixture(scope="module")
def config(cache, weights) -> Evaluation:
    return Evaluation(suite="demo", cache=cache.folder, weights=weights, wrong_pairings=5, halvings=2)


# --- held-out speech --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def truth_in_its_place(cache, weights, config, body) -> evaluate.HeldOutReport:
    """The report of weights that generate the very truth."""
    pipe = EmagePipeline.from_pretrained(weights, device="cpu")
    makers = evaluate.row_makers(cache, pipe, config)
    makers[Row.GENERATED] = makers[Row.CORPUS]
    autoencoder = fgd_encoder.load_autoencoder(weights)
    return evaluate.held_out_report(cache, makers, pipe.generator.config, body, autoencoder, config)


def test_the_truth_passes_every_target(truth_in_its_place):
    report = truth_in_its_place
    assert (report.clips, report.minutes) == (3, pytest.approx(800 / 1800))
    made, corpus = report.rows[Row.GENERATED], report.rows[Row.CORPUS]
    assert made.fgd == pytest.approx(-2e-6 * 40, abs=1e-8)
    assert made.jaw_correlation == pytest.approx(1)
    assert (made.jaw_lag_frames, made.face_mse_m2, made.face_lvd_m_per_frame) == (0, 0, 0)
    assert replace(made, seams=None, face_mse_m2=None, face_lvd_m_per_frame=None) == corpus
    assert made.seams.ratio == pytest.approx(1, abs=0.2)
    targets = evaluate.held_out_targets(report.rows)
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
    """The arms of the planted clips keep time with their own sound alone."""
    own, wrong = truth_in_its_place.rows[Row.CORPUS], truth_in_its_place.rows[Row.WRONG_AUDIO]
    gap, error = own.bc_aligned - wrong.bc_aligned, truth_in_its_place.bc_gaps[Row.CORPUS].bc_aligned_error
    assert gap == pytest.approx(own.bc - wrong.bc)  # these arms are never so slow that it matters where it is asked
    assert gap > 3 * error > 0.001
    assert truth_in_its_place.bc_gaps[Row.GENERATED] == truth_in_its_place.bc_gaps[Row.CORPUS]
    assert abs(wrong.jaw_correlation) < 0.5
    assert wrong.fgd is None


def test_a_frozen_pose_in_the_generator_s_place_misses(truth_in_its_place):
    rows = truth_in_its_place.rows
    targets = evaluate.held_out_targets({**rows, Row.GENERATED: rows[Row.FROZEN]})
    passed = {one.name: one.passed for one in targets}
    assert passed.pop("foot sliding over the corpus's")
    # Which of two motionless rows lies farther from the truth is no matter here.
    passed = {name: value for name, value in passed.items() if "untrained" not in name}
    assert not any(passed.values())
    assert targets[0].value == pytest.approx(1)
    assert targets[3].value < 0


def test_wrong_pairs_never_pair_a_clip_with_itself():
    assert scores.wrong_pairs(4, 2) == [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (2, 0), (3, 0), (3, 1)]
    pairs = scores.wrong_pairs(3, 5)
    assert len(set(pairs)) == len(pairs) == 6
    assert all(mover != speaker for mover, speaker in pairs)


def test_wrong_sound_is_matched_by_its_own_speaker_s_jaw(body):
    judge = scores.Judge(body, MotionAutoencoder(MotionAutoencoderConfig(2)), np.ones(55))
    motion, _ = performance(240, 0)
    _, audio = performance(200, 1)
    posed = scores.beat_joints(body, motion)
    opening = metrics.jaw_opening(motion.poses)
    match = judge.match(posed, audio, opening, np.roll(opening, 4)[:200])
    assert match.frames == 200
    assert (match.jaw_lag_frames, match.jaw_correlation) == (
        -4,
        pytest.approx(np.corrcoef(opening[:200], np.roll(opening, 4)[:200])[0, 1]),
    )
    assert match.bc_aligned == metrics.beat_consistency_aligned(posed[:200], audio, np.ones(55))


def test_scores_of_clips_are_pooled_by_frames():
    def clip(frames: int, value: float, offset: float) -> scores.ClipScores:
        features = np.random.default_rng(frames).standard_normal((30, 2)) + offset
        match = scores.AudioMatch(frames, value, 2 * value, value / 10, int(value))
        return scores.ClipScores(frames, features, match, value, metrics.FootSliding(value, 2.0), value)

    clips = [clip(220, 1.0, 0), clip(520, 4.0, 5)]
    faces = [scores.FaceScores(64, 1.0, 2.0), scores.FaceScores(192, 5.0, 2.0)]
    truth = np.concatenate([one.features for one in clips]) + 3
    row = scores.pooled(clips, truth, faces)
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


def test_faces_are_compared_window_by_window(body):
    truth, made = performance(330, 0)[0], performance(330, 1)[0]
    (same, other) = scores.face_scores(body, [truth, made], truth)
    assert same == scores.FaceScores(128, 0, 0)
    vertices = []
    for motion in (made, truth):
        still = replace(motion, poses=metrics.face_poses(motion.poses), trans=np.zeros((330, 3)))
        vertices.append([body.vertices(still, start, start + 64) for start in (0, 256)])
    mse = [metrics.vertex_mse(ours, theirs) for ours, theirs in zip(*vertices, strict=True)]
    lvd = [metrics.lvd_velocity_difference(ours, theirs) for ours, theirs in zip(*vertices, strict=True)]
    assert other == scores.FaceScores(128, pytest.approx(np.mean(mse)), pytest.approx(np.mean(lvd)))


def test_seams_are_told_from_other_frames():
    motion = make_motion(300, reach=0.1)
    seams = [60, 120, 180, 240]
    jumps = motion.poses.copy()
    for seam in seams:
        jumps[seam:] += 0.05
    calm, jumping = (
        scores.JoinedSteps(metrics.rotation_steps(poses).mean(1), seams) for poses in (motion.poses, jumps)
    )
    found = scores.seam_scores([jumping])
    assert found.ratio == pytest.approx(metrics.seam_steps(jumps, seams).ratio)
    assert found.ratio > 2
    fair = scores.seam_scores([calm])
    assert abs(fair.ratio - 1) < 3 * fair.scatter < 0.5
    together = scores.seam_scores([jumping, scores.JoinedSteps(calm.steps[:49], []), calm])
    at = np.concatenate([steps[np.array(seams) - 1] for steps in (jumping.steps, calm.steps)]).mean()
    total = jumping.steps.sum() + calm.steps[:49].sum() + calm.steps.sum()
    assert together.ratio == pytest.approx(at / ((total - 8 * at) / (299 + 49 + 299 - 8)))
    assert scores.seam_scores([scores.JoinedSteps(calm.steps, [])]) is None


def test_mean_pose_is_the_chordal_mean(cache):
    pose = evaluate.mean_pose(cache)
    motions = [performance(frames, seed)[0] for seed, frames in ((0, 90), (1, 140))]
    poses = np.concatenate([motion.poses for motion in motions]).reshape(-1, 55, 3)
    for joint in (0, 16, 30):
        expected = Rotation.from_rotvec(poses[:, joint]).mean()
        away = (expected.inv() * Rotation.from_rotvec(pose.poses.reshape(55, 3)[joint])).magnitude()
        assert away < 1e-5
    np.testing.assert_allclose(pose.trans[0], np.concatenate([motion.trans for motion in motions]).mean(0), atol=1e-6)
    expressions = np.concatenate([motion.expressions for motion in motions]).mean(0)
    np.testing.assert_allclose(pose.expressions[0], expressions, atol=1e-6)
    still = evaluate.held(pose, 5)
    assert still.num_frames == 5
    assert (still.poses == pose.poses).all()


def test_the_nearest_rotation_is_no_mirror_image():
    turn = torch.from_numpy(Rotation.from_rotvec([0.3, -1, 0.5]).as_matrix())
    torch.testing.assert_close(evaluate.nearest_rotation(3 * turn), turn)
    mirrored = evaluate.nearest_rotation(torch.diag(torch.tensor([3.0, 2.0, -1.0])))
    torch.testing.assert_close(mirrored, torch.eye(3))


def test_motion_is_generated_as_asked(cache, weights, config, monkeypatch):
    asked = []
    monkeypatch.setattr(EmagePipeline, "generate", lambda pipe, audio, **how: asked.append((audio, how)))
    pipe = EmagePipeline.from_pretrained(weights, device="cpu")
    clip = scores.HeldOutClip(1, performance(140, 0)[0], np.ones(10, np.float32))
    drawn = replace(config, draw_seed=4, temperature=0.5, top_k=3, translation="grounded")
    evaluate.row_makers(cache, pipe, config)[Row.GENERATED](clip)
    evaluate.row_makers(cache, pipe, drawn)[Row.UNTRAINED](clip)
    assert [how for _, how in asked] == [
        {"speaker": 1, "translation": "as-generated", "seed": None, "temperature": 1.0, "top_k": None},
        {"speaker": 1, "translation": "grounded", "seed": 4, "temperature": 0.5, "top_k": 3},
    ]
    assert all(rate_hz == 16000 and samples is clip.audio for (rate_hz, samples), _ in asked)


def test_untrained_networks_follow_their_seed_alone(weights):
    pipe = EmagePipeline.from_pretrained(weights, device="cpu")
    before = torch.get_rng_state()
    first, again, other = (evaluate.new_generator(pipe.generator, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    key = "audio_body_motion_proj.weight"
    assert torch.equal(first[key], again[key])
    assert not torch.equal(first[key], other[key])
    codec = evaluate.new_codec(pipe.codec, 0)
    assert codec.state_dict().keys() == pipe.codec.state_dict().keys()
    assert not torch.equal(codec.lower.quantizer.embedding.weight, pipe.codec.lower.quantizer.embedding.weight)


# --- targets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "limits", "passes", "misses"),
    [
        (Target.at_most, (2,), (2, -1), (2.001, None, math.inf)),
        (Target.at_least, (0.75,), (0.75, 3), (0.749, None, -math.inf)),
        (Target.above, (1,), (1.001, math.inf), (1, 0.9, None)),
        (Target.within, (0.9, 1.1), (0.9, 1, 1.1), (0.899, 1.101, None, math.inf)),
    ],
)
def test_targets_at_their_bounds(make, limits, passes, misses):
    assert all(make("x", value, *limits).passed for value in passes)
    assert not any(make("x", value, *limits).passed for value in misses)


def test_bounds_are_in_words():
    assert Target.at_most("sliding", 1.5, 2) == Target("sliding", 1.5, "at most 2", True)
    assert Target.within("seams", None, 0.9, 1.1) == Target("seams", None, "0.9 to 1.1", False)


def test_held_out_targets_measure_shares():
    made = scores.MotionScores(1.0, 0.5, 0.4, 8.0, 0.02, 1.0, 0.7)
    corpus = scores.MotionScores(0.0, 0.6, 0.4, 10.0, 0.01, 1.0, 1.0)
    rows = {row: scores.MotionScores(fgd=5.0) for row in Row}
    rows |= {Row.GENERATED: made, Row.CORPUS: corpus, Row.WRONG_AUDIO: scores.MotionScores(bc=0.2, bc_aligned=0.4)}
    rows[Row.GENERATED_WRONG_AUDIO] = scores.MotionScores(bc=0.1, bc_aligned=0.3)
    targets = evaluate.held_out_targets(rows)
    assert [one.value for one in targets] == pytest.approx([0.2, 0.2, 0.2, 0.75, None, 1.0, None, 0.8, 2, 0.7])
    assert [one.passed for one in targets] == [True, True, True, True, False, True, False, True, True, True]


# --- real speech ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    """12 s: speech of changing loudness with a pause of 1 s after every 2 s."""
    time_s = np.arange(12 * 16000) / 16000
    loudness = 0.4 + 0.3 * np.sin(2 * np.pi * 1.3 * time_s) + 0.2 * np.sin(2 * np.pi * 0.7 * time_s)
    voice = np.random.default_rng(0).standard_normal(len(time_s))
    return (0.2 * voice * loudness * (time_s % 3 < 2)).astype(np.float32)


def speaker(talk: np.ndarray, delay_frames: int = 1) -> Motion:
    """The jaw follows loudness; the arms wave in speech and hang in pauses."""
    loudness = loudness_envelope(talk)
    poses = np.zeros((len(loudness), 55, 3))
    poses[:, 22, 0] = np.roll(loudness, delay_frames)
    waving = np.cumsum(metrics.speaking_frames(talk)) / 30
    poses[:, [16, 17], 2] = 0.5 * np.sin(2 * np.pi * waving)[:, None]
    shape = (len(poses), 165)
    return Motion(poses.reshape(shape), np.zeros((shape[0], 100)), np.zeros((shape[0], 3)), np.zeros(300))


def test_a_planted_speaker_has_the_planted_scores(talk, body):
    motion = speaker(talk)
    found = scores.speech_scores("talk", motion, talk, body)
    assert (found.name, found.seconds, found.jaw_lag_frames) == ("talk", 12, 1)
    assert found.jaw_correlation == pytest.approx(1, abs=1e-6)
    assert found.pausing_deg == pytest.approx(0, abs=0.05)
    assert found.open_in_pauses == pytest.approx(found.pausing_deg / found.speaking_deg)
    speaking = metrics.speaking_frames(talk)
    assert found.speaking_deg == pytest.approx(np.degrees(motion.poses[speaking, 66]).mean(), rel=1e-5)
    assert found.hands_ratio > 10
    assert found.longest_frozen_s < 0.2
    assert found.jerk_m_per_s3 == pytest.approx(metrics.mean_jerk(body.joints(motion)))
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
    found = scores.speech_scores("busy", speaker(busy), busy, body)
    assert (found.pausing_deg, found.pausing_p90_deg, found.hands_ratio, found.open_in_pauses) == (None,) * 4
    with pytest.raises(AudioError, match="Nobody speaks in silence"):
        scores.speech_scores("silence", speaker(talk), np.zeros(64000, np.float32), body)


def test_means_of_speech_are_weighted_by_length(talk, body):
    one = scores.speech_scores("one", speaker(talk), talk, body)
    other = replace(one, seconds=36.0, hands_ratio=None, jerk_m_per_s3=0.0, longest_frozen_s=5.0, jaw_lag_frames=3)
    mean = scores.mean_speech("both", [one, other])
    assert (mean.name, mean.seconds, mean.longest_frozen_s) == ("both", 48, 5)
    assert mean.hands_ratio == pytest.approx(one.hands_ratio)  # the other has none
    assert (mean.jerk_m_per_s3, mean.jaw_lag_frames) == (pytest.approx(one.jerk_m_per_s3 / 4), 2)


def speech_scores(**changes) -> scores.SpeechScores:
    return replace(scores.SpeechScores("x", 60, 0.6, -2, 8.0, 2.0, 2.0, 1.1, 3.0, 20.0), **changes)


def test_takes_are_drawn_one_after_the_other_where_they_are_drawn(tiny, tmp_path, monkeypatch):
    config = evaluate.Evaluation(suite="demo", cache=tmp_path, takes=3)
    assert evaluate.takes_of(tiny, config) == [config]
    assert [take.draw_seed for take in evaluate.takes_of(tiny, replace(config, draw_seed=7))] == [7, 8, 9]
    monkeypatch.setattr(tiny.generator, "config", replace(tiny.generator.config, temperature=0.5))
    takes = evaluate.takes_of(tiny, config)
    assert [take.draw_seed for take in takes] == [None, 1, 2]
    assert {take.temperature for take in takes[1:]} == {0.5}  # as in the first


def test_speech_targets_are_those_of_the_worst_recording():
    fair, seams = speech_scores(), scores.SeamScores(1.1, 0.05)
    report = evaluate.SpeechReport((fair, speech_scores(hands_ratio=None)), (), speech_scores(jerk_m_per_s3=10), seams)
    assert all(one.passed for one in evaluate.speech_targets(report))
    faults = {
        "jaw_correlation": 0.49,
        "jaw_lag_frames": -3,
        "pausing_p90_deg": 2.1,
        "pausing_deg": 2.1,
        "hands_ratio": 1.0,
        "longest_frozen_s": 3.1,
        "jerk_m_per_s3": 20.1,
    }
    for place, (field, value) in enumerate(faults.items()):
        worse = replace(report, generated=(fair, speech_scores(**{field: value}), fair))
        assert [one.passed for one in evaluate.speech_targets(worse)] == [place != i for i in range(8)]
    assert not evaluate.speech_targets(replace(report, seams=scores.SeamScores(1.11, 0.2)))[-1].passed
    assert not evaluate.speech_targets(replace(report, seams=None))[-1].passed


# --- reconstruction ---------------------------------------------------------------------------------------------------


class TurningCodec:
    """Stands for a codec whose motion comes back with some joints turned about z."""

    def __init__(self, joints: tuple[int, ...], degrees: float):
        self.joints, self.turn = joints, np.radians(degrees)

    def encode(self, motion, expressions):
        return motion

    def channels(self, motion):
        motion = motion.clone()
        turn = axis_angle_to_rotation_6d(torch.tensor([0, 0, self.turn], dtype=motion.dtype))
        for joint in self.joints:
            motion[..., rotation_channels((joint,))] = turn
        return motion


def test_errors_of_the_whole_body_are_the_planted_ones(body):
    points = BodyPoints(body, "face", 1, ARKIT52)
    motion = torch.zeros(2, 5, MOTION_CHANNELS)
    motion[..., :330] = axis_angle_to_rotation_6d(torch.zeros(165))
    window = Window(motion, torch.zeros(2, 5, 100), torch.zeros(2, 5, 3), *(torch.zeros(2),) * 3)
    jaw = scores.body_errors(TurningCodec((22,), 3), [window], points)
    assert (jaw.body_mm, jaw.fingertips_mm, jaw.jaw_degrees) == (0, 0, pytest.approx(3, rel=1e-3))
    # The arms of the body at rest stretch along x, so that a turn about z moves what hangs on them by a chord.
    elbows = scores.body_errors(TurningCodec((18, 19), 10), [window], points)
    rest = points(motion[:1, :1, :330], torch.zeros(1, 1, 100))
    joints, tips = rest.joints[0, 0], rest.fingertips[0, 0]
    chord = 2 * math.sin(math.radians(5))

    def reach(point: torch.Tensor, elbow: int) -> float:
        return float((point - joints[elbow])[:2].norm())

    wrists = reach(joints[20], 18) + reach(joints[21], 19)
    assert elbows.body_mm == pytest.approx(1000 * chord * wrists / 22, rel=1e-3)
    fingers = [reach(tip, 18 if tip[0] > 0 else 19) for tip in tips]
    assert elbows.fingertips_mm == pytest.approx(1000 * chord * np.mean(fingers), rel=1e-3)
    assert elbows.jaw_degrees == pytest.approx(0, abs=0.05)


def test_reconstruction_targets():
    part = VQVAEReport(1.0, 1.0, 1.0, 1.0, 0.0, 100.0, 0.61)
    parts = Parts(part, part, part, part)
    report = evaluate.ReconstructionReport(9, parts, scores.BodyErrors(10.0, 6.0, 2.0))
    assert [one.passed for one in evaluate.reconstruction_targets(report)] == [True] * 4
    unused = replace(parts, hands=replace(part, codes_in_use=0.6))
    report = evaluate.ReconstructionReport(9, unused, scores.BodyErrors(10.1, 6.1, 2.1))
    assert [one.passed for one in evaluate.reconstruction_targets(report)] == [False] * 4


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_writes_all_scores(config, body, talk, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pipeline, "load_body", lambda *_: body)  # it takes seconds
    recordings, out = tmp_path / "speech", tmp_path / "deep" / "scores"
    recordings.mkdir()
    for name in ("one", "two"):
        soundfile.write(recordings / f"{name}.wav", talk, 16000, "PCM_16")
    speaker(talk).save(recordings / "two.npz")
    arguments = ["--suite=demo", f"--cache={config.cache}", f"--weights={config.weights}", f"--speech={recordings}"]
    arguments += [f"--out={out}", "--max-seconds=5", "--wrong-pairings=1", "--device=cpu", "--draw-seed=3"]
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    evaluate.main()
    printed = capsys.readouterr().out
    assert (out / "scores.md").read_text() == printed
    for words in ("| frozen mean pose |", "| one, generated |", "| two, who spoke |", "| hands alone |", "**miss**"):
        assert words in printed
    found = json.loads((out / "scores.json").read_text())
    assert found["settings"]["draw_seed"] == 3
    assert found["settings"]["cache"] == str(config.cache)
    assert found["trained"] == {"generator": {"revision": "abc", "step": 7}}
    assert set(found["held_out"]["rows"]) == {str(row) for row in Row}
    assert [one["seconds"] for one in found["speech"]["generated"]] == [5, 5]
    assert found["speech"]["recorded"][0]["jaw_lag_frames"] == 1
    assert found["reconstruction"]["windows"] == 3 + 4 + 4 + 1
    assert 0 < found["reconstruction"]["parts"]["hands"]["codes_in_use"] <= 1
    assert [len(found["targets"][section]) for section in ("held_out", "speech", "reconstruction")] == [10, 8, 4]


def test_infinite_scores_become_null(truth_in_its_place, tmp_path):
    rows = {**truth_in_its_place.rows, Row.GENERATED: scores.MotionScores(bc=math.inf, bc_aligned=0.0)}
    part = VQVAEReport(1.0, 1.0, 1.0, 1.0, 0.0, 100.0, 0.61)
    reconstruction = evaluate.ReconstructionReport(9, Parts(part, part, part, part), scores.BodyErrors(1, 1, 1))
    report = evaluate.Report(
        "abc",
        {},
        {},
        "body",
        replace(truth_in_its_place, rows=rows),
        None,
        reconstruction,
        evaluate.Targets(evaluate.held_out_targets(rows), [], evaluate.reconstruction_targets(reconstruction)),
    )
    evaluate.write_report(report, tmp_path)
    found = json.loads((tmp_path / "scores.json").read_text())
    assert found["held_out"]["rows"]["generated"]["bc"] is None
    assert found["speech"] is None
    assert "Not scored: no recordings were given" in (tmp_path / "scores.md").read_text()


def test_faults_are_named(config, cache, weights, body, tmp_path):
    with pytest.raises(EmageError, match="wrong_pairings is 0"):
        replace(config, wrong_pairings=0)
    with pytest.raises(EmageError, match="max_seconds is -1"):
        replace(config, max_seconds=-1)
    with pytest.raises(AudioError, match="holds no wav file"):
        evaluate.evaluate(replace(config, speech=tmp_path), body)
    few = Cache(cache.folder)
    few.clips = tuple(clip for clip in few.clips if clip.id != "3_ben_0_2_2" and clip.id != "3_ben_0_3_3")
    with pytest.raises(CorpusError, match="has 1 clips of split test that last 4.5 s"):
        evaluate.held_out_clips(few)
    few.clips = few.clips[2:]
    with pytest.raises(CorpusError, match="no clip of split train"):
        evaluate.mean_pose(few)
    pipe = EmagePipeline.from_pretrained(weights, device="cpu")
    others = replace(pipe.generator.config, speakers=3)
    save_network(Generator(others), tmp_path)
    for name in ("emage_vq", fgd_encoder.FOLDER):
        (tmp_path / name).symlink_to(weights / name)
    with pytest.raises(CorpusError, match="knows 3 speakers .* has 2 in arkit52"):
        evaluate.evaluate(replace(config, weights=tmp_path), body)
