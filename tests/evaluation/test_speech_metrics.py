"""How motion goes with sound: beats, pauses, loudness and lag, against independent computations."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emage.errors import AudioError, MotionError
from emage.evaluation import published, quality
from emage.motion import Motion
from emage.recording.audio import load_audio, num_frames
from emage.recording.features import loudness_envelope
from emage.recording.transcript import load_words
from tests.conftest import make_motion, make_speech
from tests.evaluation.test_metrics import smooth_joints

UPPER_BODY = [3, 6, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21]
MEAN_VELOCITY = np.linspace(0.5, 1.5, 55)


def walk(speed: np.ndarray) -> np.ndarray:
    """(T,) m/s -> (T, 55, 3): all joints along x, with these speeds from each frame to the next."""
    joints = np.zeros((len(speed), 55, 3))
    joints[1:, :, 0] = np.cumsum(speed[:-1])[:, None] / 30
    return joints


# --- beats ------------------------------------------------------------------------------------------------------------


def speeds_of(joints):
    """(T, J) m/s, of central differences."""
    frames = np.arange(len(joints))
    before, after = (frames - 1).clip(0), (frames + 1).clip(max=len(joints) - 1)
    return np.linalg.norm(joints[after] - joints[before], axis=-1) / (after - before)[:, None] * 30


def beat_consistency_by_loops(joints, audio, mean_velocity, mask_offset):
    frames = min(len(joints), len(audio) * 30 // 16000)
    onsets = published.audio_onsets(audio[32000 : int((frames - 60) / 30 * 16000)])
    relative = speeds_of(joints[:frames]) / mean_velocity
    scores = []
    for j in UPPER_BODY:
        speed = relative[60 : frames - 60, j]
        beats = []
        for t in range(len(speed)):
            near = [k for k in range(t - 7, t + 8) if k != t]
            lowest = all(speed[t] < speed[min(max(k, 0), len(speed) - 1)] for k in near)
            if lowest and relative[t + mask_offset, j] > 0.1:
                beats.append(t / 30)
        scores += [max((math.exp(-((beat - onset) ** 2) / 0.18) for beat in beats), default=0) for onset in onsets]
    return np.mean(scores)


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


def test_mean_joint_velocity_weighs_clips_by_frames():
    clips = smooth_joints(50), smooth_joints(10, seed=1)
    expected = np.concatenate([speeds_of(clip) for clip in clips]).mean(0)
    np.testing.assert_allclose(published.mean_joint_velocity(iter(clips)), expected, rtol=1e-12)


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


# --- speech -----------------------------------------------------------------------------------------------------------


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
    expected = speeds_of(joints[:, [20, 21]])
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


def test_lag_correlation_is_pearsons_over_all_lags():
    signal, reference = np.random.default_rng(5).standard_normal((2, 60)).cumsum(1)
    values = {
        lag: np.corrcoef(signal[max(lag, 0) : 60 + min(lag, 0)], reference[max(-lag, 0) : 60 - max(lag, 0)])[0, 1]
        for lag in range(-6, 7)
    }
    found = quality.best_lag_correlation(signal, reference, max_lag_frames=6)
    assert found.lag_frames == max(values, key=values.get)
    assert found.correlation == pytest.approx(values[found.lag_frames])


def test_what_does_not_vary_follows_nothing():
    wave = np.sin(np.arange(60.0))
    assert quality.best_lag_correlation(np.full(60, 0.1), wave) == quality.LagCorrelation(0.0, 0)
    assert quality.best_lag_correlation(wave, np.zeros(60)) == quality.LagCorrelation(0.0, 0)
    with pytest.raises(MotionError, match="signal has length 17; at least 18"):
        quality.best_lag_correlation(wave[:17], wave[:17])
    with pytest.raises(MotionError, match=r"reference has shape \(59,\)"):
        quality.best_lag_correlation(wave, wave[1:])


# --- a real speaker ---------------------------------------------------------------------------------------------------


def test_speech_of_a_real_recording_is_where_its_words_are(shared):
    audio = load_audio(shared / "data" / "beat2" / "2_scott_0_1_1.wav")
    spoken = np.zeros(num_frames(len(audio)), dtype=bool)
    end_s = 0.0
    for word in load_words(shared / "data" / "beat2" / "2_scott_0_1_1.TextGrid"):
        start_s = end_s if word.start_s - end_s < 0.3 else word.start_s  # shorter silences are no pauses
        spoken[round(start_s * 30) : round(word.end_s * 30)] = True
        end_s = word.end_s
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
