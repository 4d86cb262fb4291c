"""BEAT2: what it holds by the published count, and how it comes from the Hub."""

import sys

import numpy as np
import pytest
import soundfile
from huggingface_hub import constants

from emage.download import HubUnavailable
from emage.motion import Motion
from tests.conftest import make_motion
from tests.fake_hub import FakeHub
from tests.train.conftest import write_corpus
from train import beat2
from train.data.beat2 import BEAT2_REPO, count_published_windows, count_splits, download_beat2
from train.data.corpus import CorpusError, list_clips


@pytest.mark.parametrize(
    ("frames", "windows"),
    [(1906, 93), (0, 0), (63, 0), (64, 0), (65, 1), (84, 1), (85, 2), (104, 2), (105, 3)],
)
def test_windows_are_counted_as_the_published_table_has_them(frames, windows):
    # 1906 frames are 2_scott_0_1_1, whose last window begins at frame 1840 there. One that would end with the last
    # frame is none.
    assert count_published_windows(frames) == windows


def test_the_real_clip_has_as_many_windows_as_the_published_table(shared):
    motion = Motion.load(shared / "data" / "beat2" / "2_scott_0_1_1.npz")
    assert count_published_windows(motion.num_frames) == 93


def test_splits_are_counted_by_the_headers_of_their_motions(tmp_path):
    audio = np.zeros(1600, np.float32)  # the published count does not look at it
    clips = {
        "2_a_0_1_1": ("train", make_motion(125), audio),
        "2_a_0_2_2": ("train", make_motion(84), audio),
        "2_a_0_3_3": ("test", make_motion(65), audio),
        "4_b_0_1_1": ("test", make_motion(200), audio),
    }
    root = write_corpus(tmp_path / "corpus", clips)
    (root / "smplxflame_30/2_a_0_2_2.npz").write_bytes(b"no motion")
    counts = count_splits(list_clips(root, speakers=(2,)))
    assert [(c.split, c.sequences, c.frames, c.published_windows, c.unreadable) for c in counts] == [
        ("train", 2, 125, 4, 1),
        ("test", 1, 65, 1, 0),
    ]


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub with two speakers in one language and one in another."""
    clips = {f"{speaker}_0_1_1": ("train", make_motion(70), np.zeros(1600)) for speaker in ("2_scott", "20_eva")}
    english = write_corpus(tmp_path / "made" / "english", clips)
    files = {"README.md": b"about", "beat_english_v2.0.0/weights/vocab.pkl": b"words"}
    files |= {f"beat_english_v2.0.0/{p.relative_to(english)}": p.read_bytes() for p in english.rglob("*.*")}
    files["beat_chinese_v2.0.0/train_test_split.csv"] = b"id,type\n"
    with FakeHub({f"datasets/{BEAT2_REPO.repo_id}": files}, BEAT2_REPO.revision) as server:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
        yield server


def test_a_speaker_of_a_language_is_downloaded_and_no_more(hub, tmp_path, monkeypatch, capsys):
    root = tmp_path / "beat2"
    monkeypatch.setattr(sys, "argv", ["beat2", "download", str(root), "--speakers", "2"])
    beat2.main()
    there = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and ".cache" not in path.parts}
    assert there == {
        "beat_english_v2.0.0/train_test_split.csv",
        "beat_english_v2.0.0/weights/vocab.pkl",
        "beat_english_v2.0.0/smplxflame_30/2_scott_0_1_1.npz",
        "beat_english_v2.0.0/wave16k/2_scott_0_1_1.wav",
    }
    assert capsys.readouterr().out.splitlines()[-1].split() == ["train", "1", "0.00", "1"]
    assert soundfile.info(root / "beat_english_v2.0.0/wave16k/2_scott_0_1_1.wav").frames == 1600


def test_a_download_that_was_broken_off_goes_on(hub, tmp_path):
    name = "beat_english_v2.0.0/smplxflame_30/2_scott_0_1_1.npz"
    hub.faults.wrong_bytes[name] = b""
    with pytest.raises(HubUnavailable, match="broke off the download"):
        download_beat2(tmp_path / "beat2", ["english"], [2])
    hub.faults.wrong_bytes.clear()
    asked = len(hub.seen)
    download_beat2(tmp_path / "beat2", ["english"], [2])
    assert Motion.load(tmp_path / "beat2" / name).num_frames == 70
    fetched = {seen.path.split("/-/")[-1] for seen in hub.seen[asked:] if seen.method == "GET" and "/-/" in seen.path}
    assert fetched == {name}  # the others came whole the first time


def test_what_the_hub_has_not_is_named(hub, tmp_path):
    with pytest.raises(CorpusError, match="no language 'welsh'"):
        download_beat2(tmp_path, ["welsh"])
    with pytest.raises(CorpusError, match="no clips of speakers"):
        beat2.Download(tmp_path, ("chinese",), (2,)).run()
    with pytest.raises(HubUnavailable, match="has no files beat_spanish"):
        download_beat2(tmp_path, ["spanish"])
