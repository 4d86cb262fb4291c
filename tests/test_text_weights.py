"""Weights that hear words, wherever they are named: in the paper's layout, in ours, on the Hub."""

import io
import pickle
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants

from emage.errors import WeightsError
from emage.hub import PAPER_VOCABULARY, find_weights
from emage.models.checkpoint import NETWORK_FOLDERS, PAPER_VQ_FILES, load_state
from emage.motion import Motion
from emage.pipeline import EmagePipeline
from emage.recording.recording import Recording
from emage.recording.transcript import Word
from emage.recording.vocabulary import Vocabulary
from tests.conftest import ROOT, assert_same_motion, make_speech
from tests.fake_hub import COMMIT, RESOLVE, FakeHub
from tests.test_hub import ask_at, cache, write_files  # noqa: F401 - a fixture

TINY = ROOT / "tests" / "parity" / "tiny"
WORDS = [f"word{i}" for i in range(56)]
SAID = (Word("word3", 0.2, 1.0), Word("word20", 1.0, 2.2))
PAPER, DATA = "team/paper", PAPER_VOCABULARY[0].repo_id


def published_vocabulary() -> bytes:
    """A pickle of a class, as published, that whoever reads it does not have."""
    module = types.ModuleType("published_vocab")
    sys.modules["published_vocab"] = module
    module.Vocab = type("Vocab", (), {"__module__": "published_vocab"})
    vocab = module.Vocab()
    vocab.__dict__ |= {
        "word2index": {word: 4 + i for i, word in enumerate(WORDS)},
        "word_embedding_weights": np.zeros((60, 300)),
        "n_words": 60,
    }
    try:
        return pickle.dumps(vocab)
    finally:
        del sys.modules["published_vocab"]


def paper_files() -> dict[str, bytes]:
    """The paper's layout, with the tiny reference's weights, and things that nobody needs."""
    files = {"emage_240.bin": (TINY / "text" / "emage_text.bin").read_bytes(), "README.md": b"#"}
    for network, name in PAPER_VQ_FILES.items():
        buffer = io.BytesIO()
        state = load_state(TINY / NETWORK_FOLDERS[network])
        torch.save({"model_state": {f"module.{key}": tensor for key, tensor in state.items()}}, buffer)
        files[name] = buffer.getvalue()
    return files | {"pretrained_vq/rvq_upper_500.bin": b"unneeded", "train.bin": b"unneeded"}


@pytest.fixture(scope="module")
def said() -> Recording:
    recording = Recording.load((16000, make_speech(48000)))
    return Recording(recording.samples, recording.sound, words=SAID)


@pytest.fixture
def hub(cache, monkeypatch):  # noqa: F811 - the imported fixture
    dataset = {PAPER_VOCABULARY[1]: published_vocabulary(), "beat_english_v2.0.0/wave16k/1.wav": b"large"}
    with FakeHub({PAPER: paper_files(), f"datasets/{DATA}": dataset}) as server:
        ask_at(server.url, monkeypatch)
        yield server


def load(weights: Path | str) -> EmagePipeline:
    return EmagePipeline.from_pretrained(weights, device="cpu", smplx_file=None)


def test_the_papers_layout_and_ours_are_the_same_weights(tmp_path, said):
    paper = write_files(tmp_path / "paper", paper_files() | {"weights/vocab.pkl": published_vocabulary()})
    mixed = tmp_path / "mixed"
    shutil.copytree(TINY / "emage_vq", mixed / "emage_vq")
    for name in ("config.json", "emage_text.bin"):
        shutil.copy(TINY / "text" / name, mixed)
    Vocabulary.of(WORDS).save(mixed / "vocabulary.txt")
    pipes = [load(paper), load(mixed)]
    assert [pipe.source.notice for pipe in pipes] == [None, None]
    pipes[0].save_pretrained(tmp_path / "saved")
    assert (tmp_path / "saved" / "vocabulary.txt").is_file()
    pipes.append(load(tmp_path / "saved"))
    assert all(pipe.hears_words and pipe.vocabulary.words[4:] == tuple(WORDS) for pipe in pipes)
    assert len({pipe.generator.config for pipe in pipes}) == 1
    motions = [pipe.generate(said) for pipe in pipes]
    for motion in motions[1:]:
        assert_same_motion(motion, motions[0])
    unsaid = pipes[0].generate(Recording(said.samples, said.sound))
    assert not np.array_equal(unsaid.poses, motions[0].poses)


def test_without_a_vocabulary_it_says_that_words_are_unknown(tmp_path, said):
    pipe = load(write_files(tmp_path, paper_files()))
    assert "vocabulary is missing, so every word is unknown" in pipe.source.notice
    assert pipe.vocabulary is None
    assert_same_motion(pipe.generate(said), pipe.generate(Recording(said.samples, said.sound)))


def test_a_vocabulary_of_other_weights_is_refused(tmp_path):
    write_files(tmp_path, paper_files())
    Vocabulary.of(WORDS[:-1]).save(tmp_path / "vocabulary.txt")
    with pytest.raises(WeightsError, match=r"vocabulary.txt has 59 words, and the weights know 60"):
        load(tmp_path)


def test_incomplete_paper_layout_is_named(tmp_path):
    write_files(tmp_path, paper_files())
    (tmp_path / PAPER_VQ_FILES["hands"]).unlink()
    with pytest.raises(WeightsError, match=r"Missing: emage_vq/hands/config.json or pretrained_vq/hands_vertex"):
        load(tmp_path)


def test_the_hub_gives_what_is_needed_and_no_more(hub, monkeypatch, said):
    stages = []
    source = find_weights(PAPER, progress=lambda *call: stages.append(call))
    assert (source.kind, source.notice, source.description) == ("hub", None, f"{PAPER} at {COMMIT[:8]}")
    got = {name for name in hub.repos[PAPER] if any(seen.path.endswith(f"/-/{name}") for seen in hub.seen)}
    assert got == {"emage_240.bin", *PAPER_VQ_FILES.values()}
    fetched = {seen.path.split("/resolve/")[1].split("/", 1)[1] for seen in hub.of_kind(RESOLVE, "GET")}
    assert PAPER_VOCABULARY[1] in fetched
    assert not any("wave16k" in seen.path or "README" in seen.path for seen in hub.seen)
    assert stages[-1][1] == stages[-1][2] > 0
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # all is in the cache now
    pipe = load(PAPER)
    assert pipe.vocabulary.words[4:] == tuple(WORDS)
    assert pipe.generate(said).num_frames == 90


def test_a_vocabulary_that_the_hub_does_not_give(hub, said):
    del hub.repos[f"datasets/{DATA}"][PAPER_VOCABULARY[1]]
    pipe = load(PAPER)
    assert "every word is unknown" in pipe.source.notice
    assert f"could not be had from {DATA}" in pipe.source.notice
    assert pipe.generate(said).num_frames == 90


def test_a_vocabulary_beside_the_weights_is_taken_from_there(hub):
    hub.repos[PAPER]["vocab.pkl"] = published_vocabulary()
    assert find_weights(PAPER).vocabulary.name == "vocab.pkl"
    assert not any(DATA in seen.path for seen in hub.seen)


class Evil:
    def __init__(self, mark: Path):
        self.mark = str(mark)

    def __reduce__(self) -> tuple:
        return Path.touch, (Path(self.mark),)


@pytest.mark.parametrize("name", ["emage_240.bin", *PAPER_VQ_FILES.values(), "vocab.pkl"])
@pytest.mark.parametrize("as_zip", [True, False])
def test_code_in_any_file_is_refused_and_not_run(tmp_path, name, as_zip):
    root = write_files(tmp_path / "paper", paper_files() | {"vocab.pkl": published_vocabulary()})
    evil = {"model_state": {"module.a": Evil(tmp_path / "it-ran")}}
    if as_zip and name != "vocab.pkl":
        torch.save(evil, root / name)
    else:
        (root / name).write_bytes(pickle.dumps(evil, protocol=2))
    with pytest.raises(WeightsError, match="is refused: it asks for"):
        load(root)
    assert not (tmp_path / "it-ran").exists()


def test_the_command_takes_a_folder_of_the_paper(tmp_path, emage, talk, speech):
    root = write_files(tmp_path / "paper", paper_files() | {"vocab.pkl": published_vocabulary()})
    assert emage("generate", talk, "--weights", root, "--motion", tmp_path / "made.npz", "--device", "cpu") == 0
    assert Motion.load(tmp_path / "made.npz").num_frames == 135
    options = ["--timing", "published", "--no-use-audio"]
    out = tmp_path / "published.npz"
    assert emage("generate", talk, "--weights", root, "--motion", out, "--device", "cpu", *options) == 0
    assert Motion.load(out).num_frames == 124
