"""The data cache, its windows, and what training does to sound."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from emage.body import Body, load_body
from emage.errors import EmageError
from emage.hints.mask import foot_contacts, motion_channels
from emage.models.codec import integrate_root
from emage.motion import ARKIT52, Motion
from emage.motion.rotations import axis_angle_to_rotation_6d
from emage.motion.skeleton import CONTACTS, FACE_CHANNELS, TRANSLATION
from emage.recording.audio import frame_to_sample
from tests.conftest import make_motion, make_speech
from train.data.augment import Augmentation, augment
from train.data.cache import Cache, CorpusError, Windows, build_cache, codec_motion, travel
from train.run.kinematics import BodyPoints, replaced


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body()


def write_corpus(root: Path) -> dict[str, Motion]:
    """Three clips of two speakers in BEAT2's layout; sound and motion differ in length. -> the motions."""
    (root / "smplxflame_30").mkdir(parents=True)
    (root / "wave16k").mkdir()
    clips = {
        "1_ann_0_1_1": ("train", 130, 74000),
        "3_ben_0_1_1": ("train", 150, 72001),
        "3_ben_0_2_2": ("val", 140, 74000),
    }
    motions = {}
    for seed, (clip, (_, frames, samples)) in enumerate(clips.items()):
        motion = replace(make_motion(frames, seed, reach=0.2), expression_basis=ARKIT52)
        motion.save(root / "smplxflame_30" / f"{clip}.npz")
        soundfile.write(root / "wave16k" / f"{clip}.wav", make_speech(samples, seed), 16000, "PCM_16")
        motions[clip] = motion
    lines = [f"{clip},{split}" for clip, (split, _, _) in clips.items()]
    (root / "train_test_split.csv").write_text("\n".join(["id,type", *lines]) + "\n")
    return motions


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> tuple[Path, dict[str, Motion]]:
    root = tmp_path_factory.mktemp("corpus")
    return root, write_corpus(root)


@pytest.fixture(scope="module")
def cache(corpus, body, tmp_path_factory) -> Cache:
    return build_cache(corpus[0], tmp_path_factory.mktemp("cache") / "cache", body=body)


def test_cache_equals_direct_computation(cache, corpus, body):
    root, motions = corpus
    clip = cache.clips[1]
    assert (clip.id, clip.split, clip.speaker, clip.num_frames) == ("3_ben_0_1_1", "train", 1, 135)  # 72001 samples
    assert cache.speakers == (1, 3)
    assert cache.expression_basis == ARKIT52
    motion = motions[clip.id].frames(0, 135)
    rows = slice(130, 265)
    np.testing.assert_array_equal(cache.motion[rows], motion_channels(motion, foot_contacts(body.joints(motion))))
    np.testing.assert_array_equal(cache.expressions[rows], motion.expressions.astype(np.float32))
    audio, _ = soundfile.read(root / "wave16k" / f"{clip.id}.wav", dtype="int16")
    np.testing.assert_array_equal(cache.audio[clip.first_sample :][: clip.num_samples], audio[:72000])
    assert clip.first_sample == frame_to_sample(130)
    assert cache.clips[2].num_frames == 139  # 74000 samples last 138.75 frames
    assert len(cache.audio) == frame_to_sample(130) + 72000 + frame_to_sample(139)


def test_travel_is_what_integrate_root_undoes(cache, corpus):
    trans = corpus[1]["1_ann_0_1_1"].trans
    path = integrate_root(torch.from_numpy(travel(trans))[None], torch.from_numpy(trans[:1]))[0]
    np.testing.assert_allclose(path, trans, atol=1e-9)
    np.testing.assert_array_equal(cache.travel[:130], travel(trans).astype(np.float32))
    np.testing.assert_array_equal(travel(trans[:1]), [[0, trans[0, 1], 0]])


def test_windows_are_cut_where_they_say(cache):
    table = cache.windows(("train",), 64, 20)
    assert table.tolist() == [[0, 0], [0, 20], [0, 40], [0, 60], [1, 0], [1, 20], [1, 40], [1, 60]]
    window = Windows(cache, table, 64, seed=0, shuffled=False)[5]
    first = 130 + 20
    np.testing.assert_array_equal(window.motion, cache.motion[first : first + 64])
    np.testing.assert_array_equal(window.travel, cache.travel[first : first + 64])
    start = cache.clips[1].first_sample + frame_to_sample(20)
    np.testing.assert_array_equal(window.audio * 32768, cache.audio[start : start + 34133])
    assert window.speaker == 1
    as_coded = codec_motion(window)
    assert torch.equal(as_coded[:, TRANSLATION], window.travel)
    assert torch.equal(as_coded[:, CONTACTS], window.motion[:, CONTACTS])
    with pytest.raises(CorpusError, match="no clip of test with 64 frames"):
        cache.windows(("test",), 64, 20)


def test_each_pass_over_the_windows_is_another_order_of_all(cache):
    table = cache.windows(("train",), 64, 20)
    windows, again = Windows(cache, table, 64, seed=3), Windows(cache, table, 64, seed=3)
    passes = [[windows._row(draw) for draw in range(8 * epoch, 8 * epoch + 8)] for epoch in range(3)]
    assert all(sorted(order) == list(range(8)) for order in passes)
    assert passes[0] != passes[1] != passes[2]
    assert again._row(13) == passes[1][5]  # without those before it


def test_cache_travels_by_its_name(cache):
    parcel = pickle.dumps(cache)
    assert len(parcel) < 500
    np.testing.assert_array_equal(pickle.loads(parcel).motion, cache.motion)


def test_faulty_corpora_and_caches_are_named(cache, corpus, body, tmp_path):
    with pytest.raises(CorpusError, match="train_test_split.csv is missing"):
        build_cache(tmp_path / "nothing", tmp_path / "cache", body=body)
    with pytest.raises(CorpusError, match="is there already"):
        build_cache(corpus[0], cache.folder, body=body)
    with pytest.raises(CorpusError, match="no clips of speakers"):
        build_cache(corpus[0], tmp_path / "cache", speakers=(7,), body=body)
    (tmp_path / "train_test_split.csv").write_text("id,type\n1_a_0_1_1,train\n")
    with pytest.raises(CorpusError, match=r"1_a_0_1_1.npz is missing"):
        build_cache(tmp_path, tmp_path / "cache", body=body)
    assert not (tmp_path / "cache").exists()
    with pytest.raises(CorpusError, match="holds no cache"):
        Cache(tmp_path)
    (tmp_path / "index.json").write_text((cache.folder / "index.json").read_text())
    with pytest.raises(CorpusError, match="is not the 544,592 bytes"):
        Cache(tmp_path)
    index = json.loads((cache.folder / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps({**index, "format": 0}))
    with pytest.raises(CorpusError, match="another version"):
        Cache(tmp_path)


# --- sound ------------------------------------------------------------------------------------------------------------

NOTHING = Augmentation(gain_db=(0, 0), reverb_chance=0, band_chance=0, noise_chance=0, clip_chance=0)


def changed(**settings) -> np.ndarray:
    return augment(make_speech(34133), 16000, replace(NOTHING, **settings), np.random.default_rng(0))


def test_sound_is_changed_as_asked():
    speech = make_speech(34133)
    np.testing.assert_array_equal(changed(), speech)
    np.testing.assert_allclose(changed(gain_db=(-6, -6)), speech * 10**-0.3, rtol=1e-5)
    limit = 0.5 * np.abs(speech).max()
    np.testing.assert_allclose(changed(clip_chance=1, clip_share=(0.5, 0.5)), np.clip(speech, -limit, limit), atol=1e-6)
    noise = changed(noise_chance=1, noise_db=(20, 20)) - speech
    assert np.mean(noise**2) / np.mean(speech**2) == pytest.approx(0.01, rel=0.01)
    spectrum = np.abs(np.fft.rfft(changed(band_chance=1, low_cut_hz=(50, 50), high_cut_hz=(1000, 1000))))
    before = np.abs(np.fft.rfft(speech))
    high, middle = slice(int(4000 * 34133 / 16000), None), slice(int(200 * 34133 / 16000), int(400 * 34133 / 16000))
    assert np.linalg.norm(spectrum[high]) < 0.07 * np.linalg.norm(before[high])
    assert np.linalg.norm(spectrum[middle]) > 0.8 * np.linalg.norm(before[middle])


def test_a_room_does_not_shift_the_sound():
    click = np.zeros(34133, np.float32)
    click[5000] = 0.5
    heard = augment(click, 16000, replace(NOTHING, reverb_chance=1), np.random.default_rng(1))
    assert np.abs(heard).argmax() == 5000
    assert np.abs(heard[:5000]).max() < 1e-5
    assert np.abs(heard[5001:9000]).max() > 1e-3


def test_the_same_draw_sounds_the_same():
    first, again, other = (
        augment(make_speech(34133), 16000, Augmentation(), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01
    with pytest.raises(EmageError, match="noise_chance is 2"):
        Augmentation(noise_chance=2)
    with pytest.raises(EmageError, match="smaller number first"):
        Augmentation(gain_db=(3, -3))


# --- the body ---------------------------------------------------------------------------------------------------------


def test_points_are_those_of_the_body(body):
    motion = replace(make_motion(5), trans=np.zeros((5, 3)), betas=np.zeros(300), expression_basis=ARKIT52)
    motion = replace(motion, expressions=motion.expressions.clip(0, 1))
    still = replace(motion, expressions=np.zeros((5, 100)))
    rotations = axis_angle_to_rotation_6d(torch.from_numpy(motion.poses))
    points = BodyPoints(body, "face", 50, ARKIT52)
    made = points(rotations, torch.from_numpy(motion.expressions).float())
    np.testing.assert_allclose(made.joints, body.joints(still), atol=1e-5)
    np.testing.assert_allclose(points.joints(rotations), made.joints, atol=1e-6)
    # Each point is a vertex of the body, to within what pose correctives move.
    distance = np.linalg.norm(made.skin.numpy()[0][:, None] - body.vertices(motion)[0], axis=-1).min(1)
    assert distance.max() < 0.005
    calm = points(rotations, torch.zeros(5, FACE_CHANNELS - 6))
    assert (calm.skin - made.skin).norm(dim=-1).max() > 0.005
    with_other_basis = BodyPoints(body, "face", 50, "flame2020")
    assert torch.equal(with_other_basis(rotations, torch.ones(5, 100)).skin, calm.skin)


def test_gradients_reach_the_part_that_was_replaced(body):
    points = BodyPoints(body, "hands", 20, ARKIT52)
    motion = axis_angle_to_rotation_6d(torch.from_numpy(make_motion(3).poses))
    elbow = motion[:, 6 * 18 : 6 * 19].clone().requires_grad_()
    moved = points(replaced(motion, (18,), elbow), torch.zeros(3, 100))
    moved.fingertips[:, :5].sum().backward()
    assert elbow.grad.abs().sum() > 0
    assert torch.equal(replaced(motion, (18,), elbow.detach()), motion)
