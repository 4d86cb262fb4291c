"""Every metric against an independent computation, and against faults planted with known size."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.spatial.transform import Rotation

from emage.errors import AudioError, MotionError
from emage.evaluation import published, quality
from emage.motion import Motion
from emage.recording.audio import load_audio, num_frames
from emage.recording.features import loudness_envelope
from tests.conftest import make_motion, make_speech

UPPER_BODY = [3, 6, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21]
MEAN_VELOCITY = np.linspace(0.5, 1.5, 55)


def smooth_joints(num_frames: int, seed: int = 0) -> np.ndarray:
    """(T, 55, 3) of slow sines."""
    return make_motion(num_frames, seed=seed).poses.reshape(-1, 55, 3).astype(np.float64)


def walk(speed: np.ndarray) -> np.ndarray:
    """(T,) m/s -> (T, 55, 3): all joints along x, with these speeds from each frame to the next."""
    joints = np.zeros((len(speed), 55, 3))
    joints[1:, :, 0] = np.cumsum(speed[:-1])[:, None] / 30
    return joints


def turning(steps_rad: np.ndarray) -> np.ndarray:
    """(T - 1,) -> poses (T, 165) whose joints all turn about z by these angles from frame to frame."""
    poses = np.zeros((len(steps_rad) + 1, 55, 3))
    poses[1:, :, 2] = np.cumsum(steps_rad)[:, None]
    return poses.reshape(-1, 165)


# Fréchet distance


def frechet_by_definition(a, b):
    mean_difference = a.mean(0) - b.mean(0)
    sigma_a, sigma_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    offset = 1e-6 * np.eye(a.shape[1])
    root = sqrtm((sigma_a + offset) @ (sigma_b + offset))
    return mean_difference @ mean_difference + np.trace(sigma_a + sigma_b - 2 * root.real)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12), st.floats(0.01, 100))
def test_frechet_distance_is_the_definition_with_scipys_root(seed, width, scale):
    rng = np.random.default_rng(seed)
    a = scale * rng.standard_normal((80, width)) @ rng.standard_normal((width, width))
    b = scale * (rng.standard_normal((60, width)) @ rng.standard_normal((width, width)) + rng.standard_normal(width))
    expected = frechet_by_definition(a, b)
    assert published.frechet_distance(a, b) == pytest.approx(expected, rel=1e-7, abs=1e-7)
    assert published.frechet_distance(b, a) == pytest.approx(expected, rel=1e-7, abs=1e-7)


def test_frechet_distance_of_one_feature_by_hand():
    a, b = np.array([[0.0], [2.0]]), np.array([[5.0], [6.0], [7.0]])  # means 1 and 6, variances 2 and 1
    assert published.frechet_distance(a, b) == pytest.approx(25 + 2 + 1 - 2 * math.sqrt(2.000001 * 1.000001), abs=1e-12)


@pytest.mark.parametrize("rows", [300, 9])  # 9 rows of 40 features: singular covariances
def test_frechet_distance_knows_planted_differences(rows):
    a = np.random.default_rng(0).standard_normal((rows, 40))
    spread = np.trace(np.cov(a, rowvar=False))
    assert published.frechet_distance(a, a) == pytest.approx(-2e-6 * 40, abs=1e-10)
    shift = np.full(40, 0.5)
    assert published.frechet_distance(a, a + shift) == pytest.approx(40 * 0.25 - 2e-6 * 40, abs=1e-9)
    wider = a.mean(0) + 3 * (a - a.mean(0))  # the roots of the covariances differ by 2 times the root of its own
    assert published.frechet_distance(a, wider) == pytest.approx(4 * spread, abs=4e-4)
    frozen = np.tile(a.mean(0), (rows, 1))
    values = np.linalg.eigvalsh(np.cov(a, rowvar=False)).clip(0)
    expected = spread - 2 * np.sqrt((values + 1e-6) * 1e-6).sum()
    assert published.frechet_distance(a, frozen) == pytest.approx(expected, abs=1e-9)


def test_frechet_distance_of_large_features_with_singular_covariances():
    a = 1e6 * np.random.default_rng(0).standard_normal((9, 40))
    assert published.frechet_distance(a, a + 1e6) == pytest.approx(40e12, rel=1e-9)


def test_frechet_distance_of_orthogonal_singular_sets_is_real():
    rng = np.random.default_rng(1)
    a, b = np.zeros((20, 6)), np.zeros((30, 6))
    a[:, :3], b[:, 3:] = rng.standard_normal((20, 3)), rng.standard_normal((30, 3))
    values = [np.linalg.eigvalsh(np.cov(x, rowvar=False)).clip(0) for x in (a[:, :3], b[:, 3:])]
    root = sum(np.sqrt((v + 1e-6) * 1e-6).sum() for v in values)
    means = np.square(a.mean(0) - b.mean(0)).sum()
    expected = means + values[0].sum() + values[1].sum() - 2 * root
    assert published.frechet_distance(a, b) == pytest.approx(expected, abs=1e-10)


# Beats


def speeds_by_loops(joints):
    speeds = np.zeros(joints.shape[:2])
    for t in range(len(joints)):
        before, after = max(t - 1, 0), min(t + 1, len(joints) - 1)
        for j in range(joints.shape[1]):
            speeds[t, j] = math.dist(joints[after, j], joints[before, j]) / ((after - before) / 30)
    return speeds


def beat_consistency_by_loops(joints, audio, mean_velocity, mask_offset):
    frames = min(len(joints), len(audio) * 30 // 16000)
    onsets = published.audio_onsets(audio[32000 : int((frames - 60) / 30 * 16000)])
    relative = speeds_by_loops(joints[:frames]) / mean_velocity
    scores = []
    for j in UPPER_BODY:
        speed = relative[60 : frames - 60, j]
        beats = []
        for t in range(len(speed)):
            near = [k for k in range(t - 7, t + 8) if k != t]
            lowest = all(speed[t] < speed[min(max(k, 0), len(speed) - 1)] for k in near)
            if lowest and relative[t + mask_offset, j] > 0.1:
                beats.append(t / 30)
        nearness = [max(math.exp(-((beat - onset) ** 2) / 0.18) for beat in beats) if beats else 0 for onset in onsets]
        scores.append(sum(nearness) / len(nearness))
    return sum(scores) / 13


@pytest.mark.parametrize(("frames", "seconds"), [(400, 14), (450, 13.1)])  # motion shorter, audio shorter
def test_beat_consistency_is_the_definition(frames, seconds):
    joints, audio = smooth_joints(frames), make_speech(int(seconds * 16000))
    mean_velocity = 3 * MEAN_VELOCITY  # so that some minima fall under the threshold
    as_published = published.beat_consistency(joints, audio, mean_velocity)
    aligned = published.beat_consistency_aligned(joints, audio, mean_velocity)
    assert as_published == pytest.approx(beat_consistency_by_loops(joints, audio, mean_velocity, 0), abs=1e-12)
    assert aligned == pytest.approx(beat_consistency_by_loops(joints, audio, mean_velocity, 60), abs=1e-12)
    assert abs(as_published - aligned) > 0.005
    assert 0.1 < aligned < 0.95


BEATS = np.array([95, 140, 185, 230, 275])


def clicks(frames, num_frames):
    """A tone that is struck at these frames, and fades."""
    time_s = np.arange(num_frames * 16000 // 30) / 16000
    audio = np.zeros_like(time_s)
    for frame in frames:
        since_s = (time_s - frame / 30).clip(0)
        audio += 0.5 * np.exp(-5 * since_s) * np.sin(2 * np.pi * 440 * since_s)
    return audio.astype(np.float32)


def beating_joints(beats, dip, num_frames=360):
    """Joints that move at 1 m/s and slow down by `dip` at these frames."""
    time = np.arange(num_frames)[:, None]
    return walk(1 - dip * np.exp(-np.square((time + 0.5 - np.asarray(beats)) / 4)).max(axis=1))


def test_onsets_are_heard_where_sound_starts():
    onsets = published.audio_onsets(clicks(BEATS, 360))
    late_s = onsets[:, None] - BEATS / 30  # an onset may be heard twice, in neighbouring steps of 32 ms
    assert len(onsets) <= 2 * len(BEATS)
    assert np.abs(late_s).min(axis=0).max() < 0.04
    assert np.abs(late_s).min(axis=1).max() < 0.06
    np.testing.assert_allclose(onsets / 0.032, np.round(onsets / 0.032), atol=1e-9)
    assert published.audio_onsets(np.zeros(16000)).shape == (0,)


@pytest.mark.parametrize("late_frames", [0, 3, 9, 15])
def test_beat_consistency_falls_as_planted_beats_shift(late_frames):
    audio = clicks(BEATS, 360)
    score = published.beat_consistency_aligned(beating_joints(BEATS + late_frames, 0.8), audio, np.ones(55))
    onsets = published.audio_onsets(audio[32000:160000]) + 2
    distances_s = [min(abs(onset - (beat + late_frames) / 30) for beat in BEATS) for onset in onsets]
    expected = sum(math.exp(-(d**2) / 0.18) for d in distances_s) / len(onsets)
    assert score == pytest.approx(expected, abs=1e-9)
    rough = math.exp(-((late_frames / 30) ** 2) / 0.18)  # all beats are this late; onsets are heard up to 0.06 s late
    assert score == pytest.approx(rough, abs=0.12)


def test_a_joint_at_rest_has_no_beat_unless_it_is_looked_at_two_seconds_too_early():
    joints, audio = beating_joints(BEATS, 0.98), clicks(BEATS, 360)  # down to 2 % of the mean speed
    assert published.beat_consistency_aligned(joints, audio, np.ones(55)) == 0
    assert published.beat_consistency(joints, audio, np.ones(55)) > 0.95


def dips(speeds, num_frames=360):
    """Joints that move at 1 m/s, but at these frames at these speeds."""
    steps = np.ones(num_frames)
    for frame, speed in speeds.items():
        steps[frame - 1 : frame + 1] = speed
    return walk(steps)


@pytest.mark.parametrize(("apart", "beats"), [(7, [140]), (8, [140, 148])])
def test_of_two_minima_within_seven_frames_the_lower_is_the_beat(apart, beats):
    audio = clicks([140 + apart], 360)
    score = published.beat_consistency_aligned(dips({140: 0.3, 140 + apart: 0.5}), audio, np.ones(55))
    onsets = published.audio_onsets(audio[32000:160000]) + 2
    expected = np.mean([math.exp(-(min(abs(onset - beat / 30) for beat in beats) ** 2) / 0.18) for onset in onsets])
    assert score == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("slow_frame", "kept"), [(80, False), (81, True), (79, True)])
def test_the_published_code_looks_exactly_two_seconds_early(slow_frame, kept):
    joints, audio = dips({140: 0.3, slow_frame: 0.05}), clicks([140], 360)
    near = published.beat_nearness(published.audio_onsets(audio[32000:160000]) + 2, [4 + 20 / 30])
    assert published.beat_consistency_aligned(joints, audio, np.ones(55)) == pytest.approx(near)
    assert published.beat_consistency(joints, audio, np.ones(55)) == pytest.approx(near if kept else 0, abs=1e-7)


def test_still_joints_count_as_joints_without_beats():
    joints, audio = beating_joints(BEATS, 0.8), clicks(BEATS, 360)
    moving = published.beat_consistency_aligned(joints, audio, np.ones(55))
    joints[:, 3] = 1e-9 * np.random.default_rng(0).standard_normal((360, 3))  # what rounding leaves of spine1
    mean_velocity = published.mean_joint_velocity([joints])
    assert published.beat_consistency_aligned(joints, audio, mean_velocity) == pytest.approx(12 / 13 * moving, rel=1e-9)
    assert published.beat_consistency_aligned(np.zeros((360, 55, 3)), audio, np.ones(55)) == 0


def test_beat_nearness_by_hand():
    expected = (math.exp(-0.5) + 1 + math.exp(-2)) / 3  # 0.3 s, 0 and 0.6 s away
    assert published.beat_nearness(np.array([1.0, 2.0, 3.6]), np.array([1.3, 2.0, 3.0])) == pytest.approx(expected)


def test_mean_joint_velocity_of_known_speeds_weighs_clips_by_frames():
    rates = np.arange(55) / 100
    clip = np.zeros((30, 55, 3))
    clip[..., 1] = np.arange(30)[:, None] / 30 * rates
    np.testing.assert_allclose(published.mean_joint_velocity([clip]), rates, atol=1e-12)
    np.testing.assert_allclose(
        published.mean_joint_velocity(iter([clip, np.zeros((10, 55, 3))])), 0.75 * rates, atol=1e-12
    )
    joints = smooth_joints(50)
    np.testing.assert_allclose(published.mean_joint_velocity([joints]), speeds_by_loops(joints).mean(0), rtol=1e-12)


def test_beat_consistency_says_what_it_cannot_use():
    joints, audio = smooth_joints(360), clicks(BEATS, 360)
    with pytest.raises(AudioError, match="no onset"):
        published.beat_consistency(joints, np.zeros(192000), MEAN_VELOCITY)
    with pytest.raises(MotionError, match="the motion has 4.0 s"):
        published.beat_consistency(joints[:120], audio, MEAN_VELOCITY)
    with pytest.raises(AudioError, match="the recording has 4.0 s"):
        published.beat_consistency(joints, audio[:64000], MEAN_VELOCITY)
    with pytest.raises(MotionError, match=r"mean_velocity has shape \(54,\); it must be \(55\)"):
        published.beat_consistency(joints, audio, MEAN_VELOCITY[:54])
    with pytest.raises(MotionError, match="no clip"):
        published.mean_joint_velocity([])


def test_poses_for_the_published_metrics_keep_what_they_should():
    poses = make_motion(5).poses.astype(np.float64)
    beat, face = published.beat_poses(poses), published.face_poses(poses)
    for joint in range(55):
        columns = slice(3 * joint, 3 * joint + 3)
        np.testing.assert_array_equal(beat[:, columns], 0 if joint in (0, 22) else poses[:, columns])
        np.testing.assert_array_equal(face[:, columns], poses[:, columns] if joint == 22 else 0)
    np.testing.assert_array_equal(quality.jaw_opening(poses), poses[:, 66])
    assert np.abs(poses[:, :3]).min() > 0  # the arguments are left as they were


# Diversity and the face


def test_l1_diversity_is_the_definition():
    joints = smooth_joints(40)
    total = 0.0
    for j in range(55):
        for axis in range(3):
            channel = joints[:, j, axis]
            total += sum(abs(value - sum(channel) / 40) for value in channel)
    assert published.l1_diversity(joints) == pytest.approx(total / 40, rel=1e-12)


def test_l1_diversity_of_a_square_wave_and_of_a_statue():
    joints = np.ones((20, 55, 3))
    assert published.l1_diversity(joints) == 0
    joints[::2, 20, 1] += 0.5  # 0.25 to each side of the mean
    joints[::2, 21, 0] -= 0.1
    assert published.l1_diversity(joints) == pytest.approx(0.25 + 0.05)


def faces(frames=6, vertices=4, seed=0):
    return np.random.default_rng(seed).standard_normal((frames, vertices, 3)).astype(np.float32)


def test_face_metrics_are_their_definitions():
    one, other = faces(seed=1), faces(seed=2)
    squares = steps = distances = 0.0
    for t in range(6):
        for v in range(4):
            for axis in range(3):
                here = float(one[t, v, axis]) - float(other[t, v, axis])
                squares += here**2
                if t:
                    step = float(one[t, v, axis]) - float(one[t - 1, v, axis])
                    other_step = float(other[t, v, axis]) - float(other[t - 1, v, axis])
                    steps += abs(step - other_step)
                    distances += abs(here)
    assert published.vertex_mse(one, other) == pytest.approx(squares / 72, rel=1e-12)
    assert published.lvd_velocity_difference(one, other) == pytest.approx(steps / 72, rel=1e-12)
    assert published.lvd_vertex_distance(one, other) == pytest.approx(distances / 60, rel=1e-12)


def test_the_two_lvds_see_different_faults():
    target = np.zeros((8, 5, 3), np.float32)
    offset = target + np.float32(0.25)  # misplaced, but moving alike
    assert published.vertex_mse(offset, target) == 0.0625
    assert published.lvd_velocity_difference(offset, target) == 0
    assert published.lvd_vertex_distance(offset, target) == 0.25
    jump = target.copy()
    jump[5:] = 0.25  # one step of 0.25 in 8 frames; away in 3 of the 7 frames that count
    assert published.lvd_velocity_difference(jump, target) == pytest.approx(0.25 / 8)
    assert published.lvd_vertex_distance(jump, target) == pytest.approx(0.25 * 3 / 7)
    moving = target + np.arange(8, dtype=np.float32)[:, None, None] / 4  # the other is frozen
    assert published.lvd_velocity_difference(target, moving) == pytest.approx(0.25 * 7 / 8)


@pytest.mark.parametrize(
    "score", [published.vertex_mse, published.lvd_velocity_difference, published.lvd_vertex_distance]
)
def test_face_metrics_refuse_what_does_not_match(score):
    with pytest.raises(MotionError, match=r"\(6, 4, 3\) and \(6, 5, 3\)"):
        score(faces(), faces(vertices=5))
    broken = faces()
    broken[3, 1, 2] = np.nan
    with pytest.raises(MotionError, match="not finite"):
        score(broken, faces())


# Feet


def standing_joints(num_frames):
    """A body whose ankles stand at 0.08 m and toes at 0.02 m."""
    joints = np.ones((num_frames, 55, 3))
    joints[:, [7, 8], 1] = 0.08
    joints[:, [10, 11], 1] = 0.02
    return joints


@settings(max_examples=30, deadline=None)
@given(st.floats(0.001, 3), st.floats(0, 2 * math.pi))
def test_a_planted_slide_is_measured(speed, direction):
    joints = standing_joints(61)
    way = speed * np.arange(61)[:, None] / 30
    joints[..., 0] += math.cos(direction) * way
    joints[..., 2] += math.sin(direction) * way
    sliding = quality.foot_sliding(joints)
    assert sliding.slid_m == pytest.approx(4 * 2 * speed)  # 4 joints, 2 s
    assert sliding.contact_s == pytest.approx(8)
    assert sliding.m_per_s == pytest.approx(speed)


def test_a_lifted_foot_does_not_slide():
    joints = standing_joints(101)
    left = [7, 10]
    joints[40:60, left, 1] += 0.1
    joints[40:60, left, 0] += np.linspace(0.05, 1, 20)[:, None]  # a step of 1 m in the air
    joints[60:, left, 0] += 1
    sliding = quality.foot_sliding(joints)
    assert sliding.slid_m == 0
    assert sliding.contact_s == pytest.approx((100 * 2 + (100 - 21) * 2) / 30)
    joints[80:, 8, 2] += 0.03  # and one ankle slips by 3 cm
    assert quality.foot_sliding(joints).slid_m == pytest.approx(0.03)
    assert quality.foot_sliding(joints).m_per_s == pytest.approx(0.03 / (358 / 30))


def test_foot_sliding_is_the_definition():
    joints = 0.1 * smooth_joints(90, seed=3)
    slid = contact = 0.0
    for j in (7, 8, 10, 11):
        heights = sorted(joints[:, j, 1])
        position = 0.05 * 89
        below = int(position)
        floor = heights[below] + (position - below) * (heights[below + 1] - heights[below])
        for t in range(89):
            if joints[t, j, 1] < floor + 0.02 and joints[t + 1, j, 1] < floor + 0.02:
                contact += 1 / 30
                slid += math.hypot(joints[t + 1, j, 0] - joints[t, j, 0], joints[t + 1, j, 2] - joints[t, j, 2])
    sliding = quality.foot_sliding(joints)
    assert (sliding.slid_m, sliding.contact_s) == (pytest.approx(slid), pytest.approx(contact))
    assert 0.05 < contact < 11.8
    assert quality.FootSliding(0.0, 0.0).m_per_s == 0


# Smoothness


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-50, 50), min_size=3, max_size=3), st.floats(-2, 2))
def test_jerk_of_a_cubic_path_is_its_third_derivative(third, speed):
    time = np.arange(20)[:, None] / 30
    path = np.array(third) * time**3 / 6 + speed * time + 4 * time**2
    assert quality.mean_jerk(np.repeat(path[:, None], 55, axis=1)) == pytest.approx(np.linalg.norm(third), abs=1e-8)


def test_jerk_is_the_definition_and_finds_a_planted_jump():
    joints = smooth_joints(30)
    expected = np.mean([
        np.linalg.norm(joints[t + 3, j] - 3 * joints[t + 2, j] + 3 * joints[t + 1, j] - joints[t, j]) / (1 / 30) ** 3
        for t in range(27)
        for j in range(55)
    ])  # fmt: skip
    assert quality.mean_jerk(joints) == pytest.approx(expected, rel=1e-10)
    jump = np.zeros((30, 55, 3))
    jump[15:, 20, 1] = 0.01  # third differences 1, -2, 1
    assert quality.mean_jerk(jump) == pytest.approx(0.04 * 27000 / (27 * 55))


def test_rotation_steps_are_scipys():
    poses = make_motion(12, reach=2.0).poses
    steps = quality.rotation_steps(poses)
    rotations = [Rotation.from_rotvec(frame.reshape(55, 3)) for frame in poses.astype(np.float64)]
    expected = [(rotations[t].inv() * rotations[t + 1]).magnitude() for t in range(11)]
    assert steps.shape == (11, 55)
    np.testing.assert_allclose(steps, expected, atol=1e-7)


def test_a_planted_jump_at_seams_is_measured():
    steps = np.full(199, 0.01)
    even = quality.seam_steps(turning(steps), [60, 120, 180])
    assert even.ratio == pytest.approx(1, abs=1e-5)
    steps[[59, 119, 179]] = [0.05, 0.03, 0.04]  # the steps into frames 60, 120, 180
    jumping = quality.seam_steps(turning(steps), [60, 120, 180])
    assert jumping.at_seams_rad == pytest.approx(0.04, abs=1e-6)
    assert jumping.elsewhere_rad == pytest.approx(0.01, abs=1e-6)
    assert jumping.ratio == pytest.approx(4, abs=1e-3)
    beside = quality.seam_steps(turning(steps), [61, 121])
    assert beside.ratio == pytest.approx(0.01 / ((194 * 0.01 + 0.12) / 197), abs=1e-3)


def test_seams_of_a_statue():
    assert quality.seam_steps(np.zeros((20, 165)), [10]).ratio == 1
    assert quality.SeamSteps(0.1, 0.0).ratio == math.inf
    with pytest.raises(MotionError, match="no seam at frame 20; this motion can have them at 1 to 19"):
        quality.seam_steps(np.zeros((20, 165)), [20])
    with pytest.raises(MotionError, match="0 of 19 steps are seams"):
        quality.seam_steps(np.zeros((20, 165)), [])
    with pytest.raises(MotionError, match="1 of 1 steps are seams"):
        quality.seam_steps(np.zeros((2, 165)), [1])


# Speech


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3000), st.floats(0.01, 1))
def test_loudness_is_the_root_mean_square_around_each_frame(num_samples, gain):
    audio = gain * np.random.default_rng(num_samples).uniform(-1, 1, num_samples)
    envelope = loudness_envelope(audio)
    assert envelope.shape == (num_frames(num_samples),)
    for frame, value in enumerate(envelope):
        centre = round(frame * 16000 / 30)
        window = audio[max(centre - 533, 0) : centre + 533]
        assert value == pytest.approx(math.sqrt(sum(x * x for x in window) / len(window)), rel=1e-9)


def test_loudness_of_a_tone():
    tone = 0.5 * np.sin(2 * np.pi * 150 * np.arange(16000) / 16000)  # ten periods in 1067 samples
    np.testing.assert_allclose(loudness_envelope(tone)[1:-1], 0.5 / math.sqrt(2), rtol=2e-3)


def talk(*seconds):
    """Noise and silence in turn, of these lengths in seconds."""
    rng = np.random.default_rng(0)
    pieces = [0.3 * (i % 2 == 0) * rng.standard_normal(round(16000 * s)) for i, s in enumerate(seconds)]
    return np.concatenate(pieces).astype(np.float32)


# Of the pause from 1.0 to 1.5 s: the frames whose 67 ms lie in it.
PAUSE = np.array([31 <= frame <= 44 for frame in range(3 * 30 + 21)])


@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_pauses_are_found_where_they_were_planted(gain):
    audio = gain * talk(1, 0.5, 1, 0.2, 1)  # the last silence is no pause
    np.testing.assert_array_equal(quality.speaking_frames(audio), ~PAUSE)


@pytest.mark.parametrize(("silence_s", "pauses"), [(0.28, 0), (0.3, 8), (0.34, 9)])
def test_a_pause_lasts_as_long_as_it_should(silence_s, pauses):
    assert (~quality.speaking_frames(talk(1, silence_s, 1))).sum() == pauses


def test_speech_is_what_is_less_than_30_db_below_the_loud():
    for db, spoken in ((-28, True), (-32, False)):
        audio = talk(2, 1, 0.1)
        audio[32000:48000] = 10 ** (db / 20) * 0.3 * np.sign(np.random.default_rng(1).standard_normal(16000))
        assert quality.speaking_frames(audio)[65:85].all() == spoken
    assert not quality.speaking_frames(np.zeros(4000)).any()


def test_hand_activity_is_the_wrists_speed_in_speech_and_in_pauses():
    audio = talk(1, 0.5, 1, 0.2, 1)
    joints = walk(np.where(PAUSE, 0.1, 0.3))
    joints[:, 21] = 0  # the right hand rests
    activity = quality.hand_activity(joints, audio)
    expected = speeds_by_loops(joints[:, [20, 21]])
    assert activity.speaking_m_per_s == pytest.approx(expected[~PAUSE].mean())
    assert activity.pausing_m_per_s == pytest.approx(expected[PAUSE].mean())
    # Of the pause's 14 central differences the first sees 0.3 m/s on its left side.
    assert activity.pausing_m_per_s == pytest.approx((0.2 + 13 * 0.1) / 14 / 2)
    steady = quality.hand_activity(walk(np.full(150, 0.2)), audio)  # motion goes on after the sound
    assert (steady.speaking_m_per_s, steady.ratio) == (pytest.approx(0.2), pytest.approx(1))
    assert quality.hand_activity(np.zeros((111, 55, 3)), audio).ratio == 1
    assert quality.HandActivity(0.1, 0.0).ratio == math.inf


def test_hand_activity_needs_speech_and_pauses():
    with pytest.raises(AudioError, match=r"no pause of 0.3 s"):
        quality.hand_activity(smooth_joints(30), talk(1))
    with pytest.raises(AudioError, match="no speech"):
        quality.hand_activity(smooth_joints(30), np.zeros(16000))


@settings(max_examples=40, deadline=None)
@given(st.integers(-15, 15), st.floats(0.1, 10), st.integers(0, 1000))
def test_a_planted_lag_is_found(lag, gain, seed):
    wave = np.random.default_rng(seed).standard_normal(150)
    signal, reference = gain * wave[20 - lag : 120 - lag] + 3, wave[20:120]
    found = quality.best_lag_correlation(signal, reference)
    assert found.lag_frames == lag
    assert found.correlation == pytest.approx(1)


def test_lag_correlation_is_pearsons_over_all_lags():
    rng = np.random.default_rng(5)
    signal, reference = rng.standard_normal(60).cumsum(), rng.standard_normal(60).cumsum()
    best = (-2.0, 0)
    for lag in range(-6, 7):
        pairs = [(signal[t + lag], reference[t]) for t in range(60) if 0 <= t + lag < 60]
        x, y = (np.array(side) - np.mean(side) for side in zip(*pairs, strict=True))
        best = max(best, ((x * y).sum() / math.sqrt((x * x).sum() * (y * y).sum()), lag))
    found = quality.best_lag_correlation(signal, reference, max_lag_frames=6)
    assert (found.correlation, found.lag_frames) == (pytest.approx(best[0]), best[1])


def test_what_does_not_vary_follows_nothing():
    wave = np.sin(np.arange(60.0))
    assert quality.best_lag_correlation(np.full(60, 0.1), wave) == quality.LagCorrelation(0.0, 0)
    assert quality.best_lag_correlation(wave, np.zeros(60)) == quality.LagCorrelation(0.0, 0)
    with pytest.raises(MotionError, match="signal has length 17; at least 18"):
        quality.best_lag_correlation(wave[:17], wave[:17])
    with pytest.raises(MotionError, match=r"reference has shape \(59,\)"):
        quality.best_lag_correlation(wave, wave[1:])


# Stillness and hints


def test_a_planted_stillness_is_measured():
    steps = np.full(180, math.radians(30) / 30)
    assert quality.frozen_motion(turning(steps)) == quality.FrozenMotion(0.0, 0.0)
    steps[20:95] = math.radians(4) / 30  # slower than 5 degrees/s for 75 steps
    steps[120:150] = 0
    poses = turning(steps)
    assert quality.frozen_motion(poses) == quality.FrozenMotion(105 / 180, 2.5)
    steps[20:95] = math.radians(6) / 30
    assert quality.frozen_motion(turning(steps)) == quality.FrozenMotion(30 / 180, 1.0)


def test_stillness_can_be_looked_for_in_speech_alone():
    steps = np.full(180, 0.02)
    steps[30:90] = 0
    considered = np.ones(181, dtype=bool)
    considered[50:60] = False  # takes steps 49 to 59 out: 19 and 30 frozen ones are left
    still = quality.frozen_motion(turning(steps), considered)
    assert still == quality.FrozenMotion(pytest.approx(49 / 169), 1.0)
    with pytest.raises(MotionError, match="No two frames on end"):
        quality.frozen_motion(turning(steps), np.zeros(181, dtype=bool))
    with pytest.raises(MotionError, match="considered holds float64"):
        quality.frozen_motion(turning(steps), np.ones(181))


def test_a_talking_face_does_not_hide_a_frozen_body():
    poses = np.zeros((61, 55, 3))
    poses[:, [22, 23, 24]] = np.sin(np.arange(61.0))[:, None, None]
    assert quality.frozen_motion(poses.reshape(61, 165)) == quality.FrozenMotion(1.0, 2.0)
    poses[:, 40] = poses[:, 22]  # one finger is enough
    assert quality.frozen_motion(poses.reshape(61, 165)) == quality.FrozenMotion(0.0, 0.0)


def test_deviation_from_a_hint_is_what_was_planted():
    reference = make_motion(10).poses.astype(np.float64)
    joints = Rotation.from_rotvec(reference.reshape(-1, 3)).as_matrix().reshape(10, 55, 3, 3)
    joints[4:, 16] = joints[4:, 16] @ Rotation.from_rotvec([0, 0.2, 0]).as_matrix()
    joints[:, 30] = joints[:, 30] @ Rotation.from_rotvec([1.0, 0, 0]).as_matrix()  # hidden
    poses = Rotation.from_matrix(joints.reshape(-1, 3, 3)).as_rotvec().reshape(10, 165)
    visible = np.zeros((10, 55), dtype=bool)
    visible[:, [16, 17]] = True
    found = quality.hint_deviation(poses, reference, visible)
    assert found.mean_rad == pytest.approx(0.2 * 6 / 20, abs=1e-7)
    assert found.max_rad == pytest.approx(0.2, abs=1e-7)


def test_a_turn_more_is_no_deviation():
    reference = np.tile([0.0, 0.0, 1.0], (4, 55)).reshape(4, 165)
    turned = np.tile([0.0, 0.0, 1.0 - 2 * np.pi], (4, 55)).reshape(4, 165)
    assert quality.hint_deviation(turned, reference, np.ones((4, 55), dtype=bool)).max_rad < 1e-7
    with pytest.raises(MotionError, match="No joint was shown"):
        quality.hint_deviation(turned, reference, np.zeros((4, 55), dtype=bool))
    with pytest.raises(MotionError, match="3 frames and the motion 4"):
        quality.hint_deviation(turned, reference[:3], np.ones((4, 55), dtype=bool))


# Arguments


@pytest.mark.parametrize(
    ("score", "shape"),
    [
        (published.l1_diversity, (20, 55, 3)),
        (quality.foot_sliding, (20, 55, 3)),
        (quality.mean_jerk, (20, 55, 3)),
        (published.joint_speed, (20, 55, 3)),
        (quality.rotation_steps, (20, 165)),
        (quality.frozen_motion, (20, 165)),
        (quality.jaw_opening, (20, 165)),
        (published.beat_poses, (20, 165)),
        (published.face_poses, (20, 165)),
        (lambda features: published.frechet_distance(np.ones((9, 8)), features), (20, 8)),
    ],
)
def test_motion_that_is_none_is_refused(score, shape):
    good = np.ones(shape)
    score(good)
    broken = good.copy()
    broken[(7, *[1] * (len(shape) - 1))] = np.inf
    with pytest.raises(MotionError, match=r"\w+\[7, 1.*\] is inf; every value must be a finite number"):
        score(broken)
    for wrong in (good[:0], good[0], good[..., :-1]):
        with pytest.raises(MotionError, match=f"has shape {re.escape(str(wrong.shape))}; it must be"):
            score(wrong)
    with pytest.raises(MotionError, match="must hold numbers"):
        score(np.full(shape, "a"))


@pytest.mark.parametrize("score", [loudness_envelope, quality.speaking_frames, published.audio_onsets])
def test_audio_that_is_none_is_refused(score):
    for wrong in (np.zeros((2, 800)), np.zeros(0), np.zeros(800, np.int16)):
        with pytest.raises(AudioError, match="must be .samples,. floats at 16 kHz"):
            score(wrong)
    with pytest.raises(AudioError, match="Sample 5 of the audio is no finite number"):
        score(np.where(np.arange(800) == 5, np.nan, 0))


# A real speaker


def test_speech_of_a_real_recording_is_where_its_words_are(shared):
    audio = load_audio(shared / "data" / "beat2" / "2_scott_0_1_1.wav")
    text = (shared / "data" / "beat2" / "2_scott_0_1_1.TextGrid").read_text()
    words = text.split('name = "words"')[1].split('name = "')[0]
    spoken = np.zeros(num_frames(len(audio)), dtype=bool)
    for start, end, word in re.findall(r'xmin = ([\d.]+)\s+xmax = ([\d.]+)\s+text = "([^"]*)"', words):
        if word.strip() or float(end) - float(start) < 0.3:
            spoken[round(float(start) * 30) : round(float(end) * 30)] = True
    assert (quality.speaking_frames(audio) == spoken).mean() > 0.94


def test_a_real_speaker_moves_as_people_do(shared):
    motion = Motion.load(shared / "data" / "beat2" / "2_scott_0_1_1.npz")
    audio = load_audio(shared / "data" / "beat2" / "2_scott_0_1_1.wav")
    assert quality.frozen_motion(motion.poses) == quality.FrozenMotion(0.0, 0.0)
    assert quality.seam_steps(motion.poses, range(60, motion.num_frames, 60)).ratio == pytest.approx(1, abs=0.2)
    loudness = loudness_envelope(audio)[: motion.num_frames]
    jaw = quality.best_lag_correlation(quality.jaw_opening(motion.poses), loudness)
    assert jaw.lag_frames == 0
    assert jaw.correlation == pytest.approx(0.322, abs=0.002)
