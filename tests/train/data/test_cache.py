"""The data cache and its windows."""

import json
import pickle
import shutil

import numpy as np
import pytest
import soundfile
import torch
from praatio import textgrid

from emage.hints.mask import foot_contacts, motion_channels
from emage.models.codec import integrate_root
from emage.motion import ARKIT52
from emage.motion.skeleton import CONTACTS, TRANSLATION
from emage.recording.audio import frame_to_sample
from emage.recording.transcript import Word
from train.data.cache import Cache, CorpusError, TrueStroke, build_cache, differentiate_path
from train.data.windows import Windows, codec_motion


def test_cache_equals_direct_computation(cache, corpus, motions, body):
    clip = cache.clips[1]
    assert (clip.id, clip.split, clip.speaker, clip.num_frames) == ("3_ben_0_1_1", "train", 1, 135)  # 72001 samples
    assert cache.speakers == (1, 3)
    assert cache.expression_basis == ARKIT52
    motion = motions[clip.id].frames(0, 135)
    rows = slice(130, 265)
    np.testing.assert_array_equal(cache.motion[rows], motion_channels(motion, foot_contacts(body.joints(motion))))
    np.testing.assert_array_equal(cache.expressions[rows], motion.expressions.astype(np.float32))
    audio, _ = soundfile.read(corpus / "wave16k" / f"{clip.id}.wav", dtype="int16")
    np.testing.assert_array_equal(cache.audio[clip.first_sample :][: clip.num_samples], audio[:72000])
    assert clip.first_sample == frame_to_sample(130)
    assert cache.clips[2].num_frames == 139  # 74000 samples last 138.75 frames
    assert cache.clips[3].first_sample == frame_to_sample(130) + 72000 + frame_to_sample(139)


def test_root_velocity_is_what_integrate_root_undoes(cache, motions):
    trans = motions["1_ann_0_1_1"].trans
    path = integrate_root(torch.from_numpy(differentiate_path(trans))[None], torch.from_numpy(trans[:1]))[0]
    np.testing.assert_allclose(path, trans, atol=1e-9)
    np.testing.assert_array_equal(cache.root_velocity[:130], differentiate_path(trans).astype(np.float32))
    np.testing.assert_array_equal(differentiate_path(trans[:1]), [[0, trans[0, 1], 0]])


def test_a_clip_is_read_back(cache, motions):
    clip = cache.clips[1]
    motion = cache.clip_motion(clip)
    np.testing.assert_allclose(motion.poses, motions[clip.id].poses[:135], atol=1e-5)
    np.testing.assert_allclose(motion.trans, motions[clip.id].trans[:135], atol=1e-6)
    assert motion.expression_basis == ARKIT52
    assert len(cache.clip_audio(clip)) == 72000
    np.testing.assert_array_equal(cache.clip_audio(clip, 30, 45), cache.clip_audio(clip)[16000:24000])


def test_words_and_strokes_are_kept(corpus, body, tmp_path):
    spoken = shutil.copytree(corpus, tmp_path / "corpus")
    clip = "1_ann_0_1_1"
    (spoken / "textgrid").mkdir()
    grid = textgrid.Textgrid(0, 4)
    grid.addTier(textgrid.IntervalTier("words", [(0.5, 0.8, "three"), (1.0, 1.5, "houses")], 0, 4))
    grid.save(str(spoken / "textgrid" / f"{clip}.TextGrid"), format="long_textgrid", includeBlankSpaces=True)
    (spoken / "strokes").mkdir()
    stroke = {"gesture": "house", "word": "houses", "apex_s": 1.125}
    (spoken / "strokes" / f"{clip}.json").write_text(json.dumps([stroke]))
    made = build_cache(spoken, tmp_path / "cache", body=body)
    first, second = made.clips[:2]
    assert first.id == clip
    assert made.words(first) == (Word("three", 0.5, 0.8), Word("houses", 1.0, 1.5))
    assert made.strokes(first) == (TrueStroke("house", "houses", 1.125),)
    assert (made.words(second), made.strokes(second)) == ((), ())
    (made.folder / "speech.json").unlink()  # as caches of an earlier revision are
    assert Cache(made.folder).words(first) == ()


def test_a_cache_of_the_first_format_is_read(cache, tmp_path):
    old = shutil.copytree(cache.folder, tmp_path / "cache")
    (old / "root_velocity").rename(old / "travel")
    index = json.loads((old / "index.json").read_text())
    (old / "index.json").write_text(json.dumps({**index, "format": 1}))
    np.testing.assert_array_equal(Cache(old).root_velocity, cache.root_velocity)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(Cache(old))).root_velocity, cache.root_velocity)


def test_windows_are_cut_where_they_say(cache):
    table = cache.windows(("train",), 64, 20)
    assert table.tolist() == [[0, 0], [0, 20], [0, 40], [0, 60], [1, 0], [1, 20], [1, 40], [1, 60]]
    window = Windows(cache, table, 64, seed=0, shuffled=False)[5]
    first = 130 + 20
    np.testing.assert_array_equal(window.motion, cache.motion[first : first + 64])
    np.testing.assert_array_equal(window.root_velocity, cache.root_velocity[first : first + 64])
    start = cache.clips[1].first_sample + frame_to_sample(20)
    np.testing.assert_array_equal(window.audio * 32768, cache.audio[start : start + 34133])
    assert window.speaker == 1
    as_coded = codec_motion(window)
    assert torch.equal(as_coded[:, TRANSLATION], window.root_velocity)
    assert torch.equal(as_coded[:, CONTACTS], window.motion[:, CONTACTS])
    with pytest.raises(CorpusError, match="no clip of additional with 64 frames"):
        cache.windows(("additional",), 64, 20)


def test_each_pass_over_the_windows_is_another_order_of_all(cache):
    table = cache.windows(("train",), 64, 20)
    windows, again, straight = (
        Windows(cache, table, 64, seed=3, shuffled=shuffled) for shuffled in (True, True, False)
    )
    rows = {float(straight[row].motion.sum()): row for row in range(8)}
    passes = [[rows[float(windows[8 * epoch + i].motion.sum())] for i in range(8)] for epoch in range(3)]
    assert all(sorted(order) == list(range(8)) for order in passes)
    assert passes[0] != passes[1] != passes[2]
    assert rows[float(again[13].motion.sum())] == passes[1][5]  # without those before it


def test_a_cache_is_pickled_by_its_folder(cache):
    pickled = pickle.dumps(cache)
    assert len(pickled) < 500
    np.testing.assert_array_equal(pickle.loads(pickled).motion, cache.motion)


def test_faulty_corpora_and_caches_are_named(cache, corpus, body, tmp_path):
    with pytest.raises(CorpusError, match="train_test_split.csv is missing"):
        build_cache(tmp_path / "nothing", tmp_path / "cache", body=body)
    with pytest.raises(CorpusError, match="is there already"):
        build_cache(corpus, cache.folder, body=body)
    with pytest.raises(CorpusError, match="no clips of speakers"):
        build_cache(corpus, tmp_path / "cache", speakers=(7,), body=body)
    (tmp_path / "train_test_split.csv").write_text("id,type\n1_a_0_1_1,train\n")
    with pytest.raises(CorpusError, match=r"1_a_0_1_1.npz is missing"):
        build_cache(tmp_path, tmp_path / "cache", body=body)
    assert not (tmp_path / "cache").exists()
    with pytest.raises(CorpusError, match="holds no cache"):
        Cache(tmp_path)
    (tmp_path / "index.json").write_text((cache.folder / "index.json").read_text())
    with pytest.raises(CorpusError, match=f"is not the {cache.motion.nbytes:,} bytes"):
        Cache(tmp_path)
    index = json.loads((cache.folder / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps({**index, "format": 0}))
    with pytest.raises(CorpusError, match="another version"):
        Cache(tmp_path)
