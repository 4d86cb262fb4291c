"""The files of the corpus: their layout, resuming, and what is refused."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from praatio import textgrid

from emage.motion import ARKIT52, Motion
from tests.conftest import ROOT
from tests.train.synthetic.conftest import grammar_text, is_installed, make_times
from train.synthetic import corpus
from train.synthetic.compose import perform
from train.synthetic.errors import CorpusError
from train.synthetic.speakers import SPEAKERS
from train.synthetic.timing import Times

_NAMES = ("1_anna_0_1_1", "3_clara_0_1_1", "3_clara_0_2_2", "8_henry_0_3_3")


@pytest.fixture(scope="module")
def compact(tmp_path_factory) -> Path:
    """The compact form of four clips, without a synthesizer."""
    folder = tmp_path_factory.mktemp("compact")
    rng = np.random.default_rng(0)
    for name in _NAMES:
        times = make_times(grammar_text(len(name), 2), int(name.split("_")[0]), 7, name)
        times.save(folder / f"{name}.json")
        with soundfile.SoundFile(folder / f"{name}.ogg", "w", 16000, 1, format="OGG", subtype="OPUS") as sound:
            sound.write(0.1 * rng.standard_normal(times.num_samples).astype(np.float32))
    (folder / corpus.SETTINGS_FILE).write_text('{"seed": 0, "format": 1}\n')
    return folder


@pytest.fixture(scope="module")
def rebuilt(compact, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("rebuilt")
    corpus.rebuild_corpus(corpus.RebuildSettings(compact, out, processes=1))
    return out


def files_of(folder: Path) -> dict[str, bytes]:
    wanted = [*corpus.FOLDERS, corpus.SPLIT_FILE]
    paths = [p for top in wanted for p in ((folder / top).rglob("*") if (folder / top).is_dir() else [folder / top])]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()}


def arrays_of(folder: Path) -> dict[str, np.ndarray]:
    return {
        f"{path.stem}.{key}": getattr(Motion.load(path), key)
        for path in sorted((folder / "smplxflame_30").glob("*.npz"))
        for key in ("poses", "trans", "expressions")
    }


def test_a_corpus_has_beat2s_layout(rebuilt, compact):
    for name in _NAMES:
        times = Times.load(compact / f"{name}.json")
        motion = Motion.load(rebuilt / "smplxflame_30" / f"{name}.npz")
        samples, rate_hz = soundfile.read(rebuilt / "wave16k" / f"{name}.wav")
        assert (rate_hz, len(samples)) == (16000, times.num_samples)
        assert motion.num_frames == round(len(samples) * 30 / 16000)
        assert (motion.fps, motion.expression_basis) == (30, ARKIT52)
        grid = textgrid.openTextgrid(str(rebuilt / "textgrid" / f"{name}.TextGrid"), includeEmptyIntervals=True)
        assert grid.tierNames == ("words", "phones")
        spoken = [entry for entry in grid.getTier("words").entries if entry.label]
        assert [entry.label for entry in spoken] == [word.text for word in times.words]
        assert spoken[0].start == pytest.approx(times.words[0].start_ms / 1000)
        labels = {entry.label for entry in grid.getTier("phones").entries if entry.label}
        assert labels & {"AE1", "EH1", "IH1"}
        lines = (rebuilt / "sem" / f"{name}.txt").read_text().splitlines()
        strokes = perform(times).strokes
        assert [line.split("\t")[-1] for line in lines] == [times.words[s.word].text for s in strokes]
        assert json.loads((rebuilt / "strokes" / f"{name}.json").read_text()) == [
            {"gesture": s.gesture, "word": times.words[s.word].text, "apex_s": s.apex_s} for s in strokes
        ]
    with (rebuilt / corpus.SPLIT_FILE).open() as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["id", "type"]
    assert dict(rows[1:]) == dict(zip(_NAMES, ("train", "train", "val", "test"), strict=True))


def test_a_rebuilt_motion_is_the_motion_of_its_times(rebuilt, compact):
    """Bit for bit, in another process than this one."""
    arrays = arrays_of(rebuilt)
    for name in _NAMES:
        expected = perform(Times.load(compact / f"{name}.json")).motion
        for key in ("poses", "trans", "expressions"):
            assert np.array_equal(arrays[f"{name}.{key}"], getattr(expected, key))


def test_a_killed_run_goes_on_to_the_same_files(rebuilt, compact, tmp_path):
    """By two processes, killed without warning after the first clip."""
    command = [sys.executable, "-m", "train.synthetic", "rebuild", "--compact", str(compact), "--out", str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, start_new_session=True)
    said = b""
    while not re.search(rb"\| [1-4]/4", said):  # clips are done
        said += (byte := process.stderr.read(1))
        assert byte, said.decode()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    (tmp_path / "wave16k" / ".1_anna_0_1_1.half.wav").write_bytes(b"half")
    corpus.rebuild_corpus(corpus.RebuildSettings(compact, tmp_path, processes=2))
    expected, found = files_of(rebuilt), files_of(tmp_path)
    assert sorted(expected) == sorted(found)
    for name, content in expected.items():
        if not name.endswith(".npz"):  # a zip carries the time of writing
            assert found[name] == content, name
    for key, array in arrays_of(rebuilt).items():
        assert np.array_equal(array, arrays_of(tmp_path)[key]), key


def test_a_corpus_of_an_earlier_revision_gets_its_strokes(rebuilt, compact, tmp_path):
    old = shutil.copytree(rebuilt, tmp_path / "old")
    shutil.rmtree(old / "strokes")
    corpus.rebuild_corpus(corpus.RebuildSettings(compact, old, processes=1))
    assert {path.name: path.read_text() for path in (old / "strokes").iterdir()} == {
        path.name: path.read_text() for path in (rebuilt / "strokes").iterdir()
    }


def test_foreign_and_damaged_folders_are_refused(compact, tmp_path):
    with pytest.raises(CorpusError, match="cannot be read"):
        corpus.rebuild_corpus(corpus.RebuildSettings(tmp_path, tmp_path / "out"))
    (tmp_path / corpus.SETTINGS_FILE).write_text('{"seed": 4}')
    with pytest.raises(CorpusError, match="another folder"):
        corpus.make_corpus(corpus.CorpusSettings(out=tmp_path, hours=0.01))
    with pytest.raises(CorpusError, match="no clip"):
        corpus.Clip.from_name("3_anna_0_1_1")
    with pytest.raises(CorpusError, match="hours"):
        corpus.CorpusSettings(out=tmp_path, hours=0)
    mixed = tmp_path / "mixed"
    shutil.copytree(compact, mixed)
    shutil.copy(mixed / f"{_NAMES[0]}.ogg", mixed / f"{_NAMES[1]}.ogg")
    corpus.prepare_folder(tmp_path / "built", {})
    with pytest.raises(CorpusError, match="do not belong together"):
        corpus.build_clip(corpus.Clip.from_name(_NAMES[1]), mixed, tmp_path / "built")


def test_two_hours_have_every_speaker_in_every_split():
    clips = corpus.clips_of(2)
    assert abs(len(clips) * corpus.CLIP_S - 7200) < 60
    for split in ("train", "val", "test"):
        assert {clip.speaker for clip in clips if clip.split == split} == {s.number for s in SPEAKERS}
    assert corpus.clips_of(1) == clips[: len(corpus.clips_of(1))]
    assert len(SPEAKERS) >= 8
    assert len({s.habits for s in SPEAKERS}) == len(SPEAKERS)


def test_a_clip_is_spoken_into_the_compact_form(tmp_path, monkeypatch):
    installed = [s for s in SPEAKERS if s.voice.engine != "festival" and is_installed(s.voice.engine)]
    clip = corpus.Clip((installed or SPEAKERS)[0].number, 1)
    monkeypatch.setattr(corpus, "CLIP_S", 3.0)
    if not installed:
        with pytest.raises(CorpusError, match="apt-get install"):
            corpus.speak_clip(clip, 0, tmp_path)
        return
    corpus.speak_clip(clip, 0, tmp_path)
    times = Times.load(tmp_path / f"{clip.name}.json")
    audio, rate_hz = soundfile.read(tmp_path / f"{clip.name}.ogg")
    assert (times.name, times.speaker, rate_hz) == (clip.name, clip.speaker, 16000)
    assert len(audio) == times.num_samples
    assert (tmp_path / f"{clip.name}.ogg").stat().st_size < 8000 * times.duration_s  # 57 MB for two hours
    # What is there is left as it is.
    before = (tmp_path / f"{clip.name}.ogg").stat().st_mtime_ns
    corpus.speak_clip(clip, 0, tmp_path)
    assert (tmp_path / f"{clip.name}.ogg").stat().st_mtime_ns == before
