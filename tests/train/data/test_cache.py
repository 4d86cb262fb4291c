"""The data cache and its windows."""

import json
import os
import pickle
import random
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from praatio import textgrid

from emage.body import Body
from emage.hints.mask import foot_contacts, motion_channels
from emage.models.codec import integrate_root
from emage.motion import ARKIT52, FLAME2020
from emage.motion.skeleton import CONTACTS, TRANSLATION
from emage.recording.audio import frame_to_sample
from emage.recording.transcript import Word
from train.data import building
from train.data.building import build_cache, differentiate_path
from train.data.cache import Cache
from train.data.corpus import CorpusClip, CorpusError, list_clips, read_left_out
from train.data.semantics import TrueStroke
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


def in_earlier_format(cache: Cache, folder: Path, number: int) -> Path:
    """A copy of a cache as formats 1 and 2 had it."""
    shutil.copytree(cache.folder, folder)
    for name in ("words", "semantic", "onsets", "speech.jsonl", "vocabulary.txt"):
        (folder / name).unlink(missing_ok=True)
    if number == 1:
        (folder / "root_velocity").rename(folder / "travel")
    speech = {
        clip.id: {what: getattr(cache.read_speech(clip), what) for what in ("words", "strokes")} for clip in cache.clips
    }
    (folder / "speech.json").write_text(json.dumps(speech))
    index = json.loads((folder / "index.json").read_text())
    known = ("id", "split", "speaker", "first_frame", "num_frames", "first_sample")
    clips = [{name: clip[name] for name in known} for clip in index["clips"]]
    (folder / "index.json").write_text(json.dumps({**index, "format": number, "clips": clips}))
    return folder


@pytest.mark.parametrize("number", [1, 2])
def test_caches_of_earlier_formats_are_read(spoken_cache, corpus, body, tmp_path, number):
    old = Cache(in_earlier_format(spoken_cache, tmp_path / "cache", number))
    for cache in (old, pickle.loads(pickle.dumps(old))):
        np.testing.assert_array_equal(cache.root_velocity, spoken_cache.root_velocity)
    for clip, of_new in zip(old.clips, spoken_cache.clips, strict=True):
        assert old.words(clip) == spoken_cache.words(of_new) != ()
        np.testing.assert_array_equal(old.onsets(clip), spoken_cache.onsets(of_new))
    assert (old.vocabulary(), old.semantic_labels(old.clips[0])) == (None, ())
    assert not old.semantic_scores(old.clips[0]).any()
    (old.folder / "speech.json").unlink()  # as the first of them were
    assert Cache(old.folder).words(old.clips[0]) == ()
    with pytest.raises(CorpusError, match="earlier format"):
        build_cache(corpus, old.folder, body=body)


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
    (tmp_path / "other").mkdir()
    with pytest.raises(CorpusError, match="is there already and holds no cache"):
        build_cache(corpus, tmp_path / "other", body=body)
    with pytest.raises(CorpusError, match="no clips of speakers"):
        build_cache(corpus, tmp_path / "cache", speakers=(7,), body=body)
    (tmp_path / "train_test_split.csv").write_text("id,type\n1_a_0_1_1,train\n")
    with pytest.raises(CorpusError, match=r"1_a_0_1_1.npz is missing"):
        build_cache(tmp_path, tmp_path / "cache", body=body)
    assert not (tmp_path / "cache").exists()
    for content in ("id,type\nstraße,train\n".encode("cp1252"), "id,type\n".encode("utf-16"), b"id,type\n1_a_0_1_1"):
        (tmp_path / "train_test_split.csv").write_bytes(content)
        with pytest.raises(CorpusError, match=r"train_test_split.csv( cannot be read as UTF-8 text|: the line)"):
            build_cache(tmp_path, tmp_path / "cache", body=body)
    (tmp_path / "train_test_split.csv").write_text("id,type\n1_a_0_1_1,train\n1_a_0_1_1,val\n")
    with pytest.raises(CorpusError, match="lists the clip 1_a_0_1_1 more than once"):
        build_cache(tmp_path, tmp_path / "cache", body=body)
    with pytest.raises(CorpusError, match="holds no cache"):
        Cache(tmp_path)
    (tmp_path / "index.json").write_text((cache.folder / "index.json").read_text())
    with pytest.raises(CorpusError, match=f"is not the {cache.motion.nbytes:,} bytes"):
        Cache(tmp_path)
    index = json.loads((cache.folder / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps({**index, "format": 0}))
    with pytest.raises(CorpusError, match="another version"):
        Cache(tmp_path)


@pytest.mark.parametrize("content", ["{}", "[]", "[1]", '{"format": 3', "", "\0", '{"format": 3, "clips": []}', "\xff"])
def test_an_index_that_is_none_is_named(cache, tmp_path, content):
    shutil.copytree(cache.folder, tmp_path / "cache")
    (tmp_path / "cache/index.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(CorpusError, match="index.json"):
        Cache(tmp_path / "cache")


def test_a_count_that_no_file_has_is_named(cache, tmp_path):
    shutil.copytree(cache.folder, tmp_path / "cache")
    index = json.loads((cache.folder / "index.json").read_text())
    index["clips"][-1]["first_frame"] = 10**30
    (tmp_path / "cache/index.json").write_text(json.dumps(index))
    with pytest.raises(CorpusError, match=r"index.json.*first_frame"):
        Cache(tmp_path / "cache")


def test_words_that_are_none_are_named(spoken_cache, tmp_path):
    damaged = Cache(shutil.copytree(spoken_cache.folder, tmp_path / "new"))
    (damaged.folder / "speech.jsonl").write_bytes(b"[" * (damaged.folder / "speech.jsonl").stat().st_size)
    with pytest.raises(CorpusError, match=f"speech.jsonl, the line of {damaged.clips[0].id}"):
        damaged.words(damaged.clips[0])
    copy = Cache(in_earlier_format(spoken_cache, tmp_path / "cache", 2))
    for content in ({copy.clips[0].id: [1]}, {copy.clips[0].id: {"words": [["a", 0]]}}):
        (copy.folder / "speech.json").write_text(json.dumps(content))
        with pytest.raises(CorpusError, match=f"speech.json, {copy.clips[0].id}"):
            Cache(copy.folder).words(copy.clips[0])
    (copy.folder / "speech.json").write_text("[")
    with pytest.raises(CorpusError, match="speech.json is not JSON"):
        Cache(copy.folder)


def files_of(cache: Cache) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in cache.folder.iterdir()}


def only(*wanted: str) -> Callable[[CorpusClip, Body], building.Decoded]:
    """`decode_clip`, of these clips alone."""
    decode = building.decode_clip

    def check(clip: CorpusClip, body: Body) -> building.Decoded:
        assert clip.id in wanted
        return decode(clip, body)

    return check


def cut(path: Path) -> bytes:
    """Damage a file, and give what it was."""
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    return whole


def test_all_broken_clips_are_named_at_once_and_what_is_decoded_stays(cache, corpus, body, tmp_path, monkeypatch):
    copy = shutil.copytree(corpus, tmp_path / "corpus")
    sound, motion = copy / "wave16k/3_ben_0_4_4.wav", copy / "smplxflame_30/1_ann_0_3_3.npz"
    whole = cut(sound), cut(motion)
    with pytest.raises(CorpusError) as caught:
        build_cache(copy, tmp_path / "cache", body=body)
    told = str(caught.value)
    assert "2 of 7 clips cannot be used" in told
    assert "- 3_ben_0_4_4: 3_ben_0_4_4.wav is not a recording" in told
    assert "- 1_ann_0_3_3: 1_ann_0_3_3.npz is not an npz file" in told
    assert "--skip-broken" in told
    assert not (tmp_path / "cache").exists()

    monkeypatch.setattr(building, "decode_clip", only(sound.stem, motion.stem))
    sound.write_bytes(whole[0])
    motion.write_bytes(whole[1])
    assert files_of(build_cache(copy, tmp_path / "cache", body=body)) == files_of(cache)


def test_broken_clips_are_left_out_by_choice(cache, corpus, body, tmp_path, capsys):
    copy = shutil.copytree(corpus, tmp_path / "corpus")
    cut(copy / "wave16k/3_ben_0_1_1.wav")
    made = build_cache(copy, tmp_path / "cache", body=body, skip_broken=True)
    assert [clip.id for clip in made.clips] == [clip.id for clip in cache.clips if clip.id != "3_ben_0_1_1"]
    assert made.speakers == cache.speakers
    np.testing.assert_array_equal(made.clip_audio(made.clips[1]), cache.clip_audio(cache.clips[2]))
    assert "1 of 7 clips cannot be used:\n- 3_ben_0_1_1: " in capsys.readouterr().err


def test_a_build_that_was_killed_goes_on_to_the_same_bytes(cache, corpus, body, tmp_path):
    copy = shutil.copytree(corpus, tmp_path / "corpus")
    last = copy / "smplxflame_30/1_ann_0_3_3.npz"
    whole = cut(last)
    with pytest.raises(CorpusError, match="1 of 7 clips"):
        build_cache(copy, tmp_path / "cache", body=body)
    last.write_bytes(whole)
    unfinished = tmp_path / ".cache.unfinished"
    for name in ("motion", "audio"):  # as where it is killed between two files of a clip
        with (unfinished / name).open("ab") as stream:
            stream.write(bytes(1000))
    (unfinished / ".emage-0123.json").write_text("{")
    with (unfinished / "journal.jsonl").open("a") as stream:
        stream.write('{"id": "1_ann')
    assert files_of(build_cache(copy, tmp_path / "cache", body=body)) == files_of(cache)
    assert not unfinished.exists()


def test_a_journal_of_another_corpus_counts_for_nothing(cache, corpus, body, tmp_path):
    unfinished = tmp_path / ".cache.unfinished"
    for journal in ("[1", '{"format": 3, "body": "another"}\n{"id": "1_a"}\n'):
        unfinished.mkdir()
        (unfinished / "journal.jsonl").write_text(journal)
        made = build_cache(corpus, tmp_path / "cache", body=body)
        assert files_of(made) == files_of(cache)
        shutil.rmtree(made.folder)


def test_mixed_expression_bases_are_told_before_anything_is_decoded(corpus, motions, body, tmp_path):
    copy = shutil.copytree(corpus, tmp_path / "corpus")
    cut(copy / "wave16k/1_ann_0_1_1.wav")
    motion = replace(motions["3_ben_0_2_2"], expression_basis=FLAME2020)
    motion.save(copy / "smplxflame_30/1_ann_0_3_3.npz")
    with pytest.raises(CorpusError, match=r"bases \(arkit52: 6 clips, such as 1_ann_0_1_1; flame2020: 1 clips"):
        build_cache(copy, tmp_path / "cache", body=body)
    assert not (tmp_path / ".cache.unfinished").exists()


@pytest.mark.slow
def test_a_cache_is_the_same_however_many_processes_build_it(spoken_cache, tmp_path):
    made = build_cache(spoken_cache.folder.parent / "corpus", tmp_path / "cache", processes=2)
    assert files_of(made) == files_of(spoken_cache)


def test_a_cache_is_brought_up_to_date_with_what_has_changed(corpus, body, tmp_path, monkeypatch):
    copy = shutil.copytree(corpus, tmp_path / "corpus")
    made = build_cache(copy, tmp_path / "cache", body=body)
    before = files_of(made)
    monkeypatch.setattr(building, "decode_clip", only("3_ben_0_1_1", "1_ann_0_9_9"))
    assert files_of(build_cache(copy, made.folder, body=body)) == before

    changed, listed = copy / "wave16k/3_ben_0_1_1.wav", copy / "train_test_split.csv"
    stamp = changed.stat()
    content = changed.read_bytes()
    changed.write_bytes(content[:-2] + b"\1\2")  # of the same size and time: its hash tells
    os.utime(changed, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    for folder, ending in (("smplxflame_30", "npz"), ("wave16k", "wav")):
        shutil.copy(copy / folder / f"1_ann_0_1_1.{ending}", copy / folder / f"1_ann_0_9_9.{ending}")
    lines = [line for line in listed.read_text().splitlines() if not line.startswith("3_ben_0_4_4")]
    listed.write_text("\n".join([*lines, "1_ann_0_9_9,train"]) + "\n")
    new = files_of(build_cache(copy, made.folder, body=body))
    monkeypatch.undo()
    assert new == files_of(build_cache(copy, tmp_path / "straight", body=body))
    assert new != before

    one = {clip.id for clip in list_clips(copy)} - {"1_ann_0_1_1"}
    left = build_cache(copy, tmp_path / "left", leave_out=one, body=body)
    with pytest.raises(CorpusError, match="of quite other clips"):
        build_cache(copy, left.folder, leave_out={"1_ann_0_1_1"}, body=body)
    assert files_of(Cache(made.folder)) == new


@pytest.mark.slow
def test_a_build_that_is_killed_anywhere_ends_with_the_same_bytes(spoken_cache, tmp_path, processes):
    source, out = spoken_cache.folder.parent / "corpus", tmp_path / "cache"
    rng = random.Random(0)
    for _ in range(10):
        process = processes.Process(target=build_cache, args=(source, out))
        process.start()
        time.sleep(rng.uniform(0, 0.8))
        process.kill()
        process.join()
    assert files_of(build_cache(source, out)) == files_of(spoken_cache)
    assert not (tmp_path / ".cache.unfinished").exists()


def test_a_swap_of_caches_that_was_killed_is_undone_or_finished(cache, corpus, body, tmp_path):
    shutil.copytree(cache.folder, tmp_path / ".cache.replaced")
    assert files_of(build_cache(corpus, tmp_path / "cache", body=body)) == files_of(cache)
    shutil.copytree(cache.folder, tmp_path / ".cache.replaced")
    (tmp_path / "cache/journal.jsonl").write_text("{}")
    assert files_of(build_cache(corpus, tmp_path / "cache", body=body)) == files_of(cache)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache"]


def test_what_annotators_say_is_kept(corpus, body, tmp_path):
    copy = shutil.copytree(corpus, tmp_path / "corpus")
    (copy / "sem").mkdir()
    lines = "02_deictic_l\t1.0\t1.5\t0.5\t0.8\tover there\n01_beat_align 0 2.0 2.0 0.1\n"
    (copy / "sem/1_ann_0_1_1.txt").write_text(lines)
    made = build_cache(copy, tmp_path / "cache", body=body)
    pointing, beat = made.semantic_labels(made.clips[0])
    assert (beat.kind, beat.start_s, beat.end_s, beat.score, beat.word) == ("01_beat_align", 0, 2, 0.1, "")
    assert (pointing.start_s, pointing.score, pointing.word) == (1.0, 0.8, "over there")
    scores = made.semantic_scores(made.clips[0])
    np.testing.assert_allclose(scores[[0, 29, 30, 45, 46, 60, 61]], [0.1, 0.1, 0.8, 0.8, 0.1, 0.1, 0])
    assert not made.semantic_scores(made.clips[1]).any()
    (copy / "sem/1_ann_0_1_1.txt").write_text("01_beat_align 0 2.0\n")
    with pytest.raises(CorpusError, match=r"line 1: '01_beat_align 0 2.0' is not a kind"):
        build_cache(copy, tmp_path / "other", body=body)


def test_clips_of_a_list_are_left_out(corpus, cache, tmp_path, monkeypatch, capsys):
    path = tmp_path / "leave_out.txt"
    path.write_text("# by hand\n3_ben_0_1_1  # jumps\n\n1_ann_0_3_3\n")
    assert read_left_out(path) == {"3_ben_0_1_1", "1_ann_0_3_3"}
    monkeypatch.setattr(
        sys, "argv", ["data", f"--corpus={corpus}", f"--out={tmp_path / 'cache'}", f"--leave-out={path}"]
    )
    building.main()
    assert capsys.readouterr().out == f"{tmp_path / 'cache'}: 5 clips, 0.01 h\n"
    left = [clip.id for clip in Cache(tmp_path / "cache").clips]
    assert left == [clip.id for clip in cache.clips if clip.id not in ("3_ben_0_1_1", "1_ann_0_3_3")]
    with pytest.raises(CorpusError, match="processes is 0"):
        build_cache(corpus, tmp_path / "other", processes=0)
    with pytest.raises(CorpusError, match="cannot be read as a list of clips"):
        read_left_out(tmp_path / "nothing.txt")


def test_the_corpora_of_several_languages_are_one(corpus, tmp_path):
    english = shutil.copytree(corpus, tmp_path / "beat_english_v2.0.0")
    spanish = shutil.copytree(corpus, tmp_path / "beat_spanish_v2.0.0")
    (spanish / "train_test_split.csv").write_text("id,type\n30_eva_4_1_1,train\n3_ben_0_1_1,val\n")
    with pytest.raises(CorpusError, match="lists the clip 3_ben_0_1_1 more than once"):
        list_clips(tmp_path)
    (spanish / "train_test_split.csv").write_text("id,type\n30_eva_4_1_1,train\n")
    assert [(clip.id, clip.corpus) for clip in list_clips(tmp_path, speakers=(1, 30))] == [
        ("1_ann_0_1_1", english),
        ("1_ann_0_2_2", english),
        ("1_ann_0_3_3", english),
        ("30_eva_4_1_1", spanish),
    ]
    assert [clip.id for clip in list_clips(tmp_path, languages=("spanish",))] == ["30_eva_4_1_1"]
    with pytest.raises(CorpusError, match="has no folder beat_chinese_v2.0.0. Download it"):
        list_clips(tmp_path, languages=("chinese",))
    with pytest.raises(CorpusError, match="no language 'welsh'"):
        list_clips(tmp_path, languages=("welsh",))
    with pytest.raises(CorpusError, match="is one corpus"):
        list_clips(english, languages=("english",))
