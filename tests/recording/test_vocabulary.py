"""The words that weights know, from files of any origin."""

import os
import pickle
import re
import sys
import types

import numpy as np
import pytest

from emage.errors import WeightsError
from emage.recording.vocabulary import SILENCE, UNK, Vocabulary, load_vocabulary

VECTORS = np.random.default_rng(0).standard_normal((6, 300))


@pytest.fixture
def published(monkeypatch) -> object:
    """An object of a class as the published pickle has one, in a module that readers do not have."""
    module = types.ModuleType("published_vocab")
    cls = type("Vocab", (), {"__module__": "published_vocab"})
    module.Vocab = cls
    monkeypatch.setitem(sys.modules, "published_vocab", module)
    vocab = cls()
    vocab.__dict__ |= {
        "name": "words",
        "trimmed": False,
        "word2index": {"hello": 4, "three": 5},
        "word2count": {"hello": 1, "three": 3},
        "index2word": {0: "<PAD>", 1: "<SOS>", 2: "<EOS>", 3: "<UNK>", 4: "hello", 5: "three"},
        "n_words": 6,
        "word_embedding_weights": VECTORS,
    }
    return vocab


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_published_pickle_is_read_without_its_class(tmp_path, monkeypatch, published, protocol):
    content = pickle.dumps(published, protocol)
    monkeypatch.delitem(sys.modules, "published_vocab")
    (tmp_path / "vocab.pkl").write_bytes(content)
    vocabulary = load_vocabulary(tmp_path / "vocab.pkl")
    assert "published_vocab" not in sys.modules
    assert vocabulary.words[4:] == ("hello", "three")
    np.testing.assert_allclose(vocabulary.vectors, VECTORS, rtol=1e-6)


class Evil:
    def __init__(self, mark: str):
        self.mark = mark

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("where", ["whole", "state", "weights"])
def test_code_is_refused_and_not_run(tmp_path, published, protocol, where):
    evil = Evil(str(tmp_path / "it-ran"))
    if where == "state":
        published.word2index["hello"] = evil
    else:
        published.word_embedding_weights = evil
    content = pickle.dumps(evil if where == "whole" else published.__dict__, protocol)
    (tmp_path / "vocab.pkl").write_bytes(content)
    with pytest.raises(
        WeightsError, match=r"vocab.pkl is refused: it asks for (posix|nt)\.system.*Nothing of it was run"
    ):
        load_vocabulary(tmp_path / "vocab.pkl")
    assert not (tmp_path / "it-ran").exists()
    pickle.loads(content)
    assert (tmp_path / "it-ran").exists()  # the file was indeed dangerous


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        pickle.dumps([1]),
        pickle.dumps({"word2index": {"a": 4}, "n_words": 10**9}),
        pickle.dumps({"word2index": {("a", "b"): 4}, "n_words": 5}),
    ],
)
def test_other_pickles_are_no_vocabulary(tmp_path, content):
    (tmp_path / "vocab.pkl").write_bytes(content)
    with pytest.raises(WeightsError, match=f"^{re.escape(str(tmp_path))}/vocab.pkl is no vocabulary as published"):
        load_vocabulary(tmp_path / "vocab.pkl")


def test_a_word_twice_is_told_with_the_file(tmp_path):
    for name, content in (
        ("vocab.pkl", pickle.dumps({"word2index": {"<5>": 4}, "n_words": 6})),
        ("vocabulary.txt", b"so\nso\n"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError, match=rf"{name} is no vocabulary: .* a word twice"):
            load_vocabulary(tmp_path / name)


def test_a_pickle_does_not_alter_what_reads_it(tmp_path):
    """The opcode BUILD sets attributes of whatever stands before it: here, that what encodes needs no encoding."""
    path, encode = tmp_path / "vocab.pkl", b"c_codecs\nencode\n"
    path.write_bytes(b"\x80\x02" + encode + b"N}X\x0c\x00\x00\x00__defaults__X\x06\x00\x00\x00latin1\x85s\x86b.")
    with pytest.raises(WeightsError, match="no vocabulary as published"):
        load_vocabulary(path)
    without_encoding = encode + b"X\x01\x00\x00\x00a\x85R"
    words = pickle.dumps({"word2index": {"a": 4}, "n_words": 5}, 2)
    path.write_bytes(b"\x80\x02" + without_encoding + b"0" + words[2:])
    with pytest.raises(WeightsError, match="encoding"):
        load_vocabulary(path)


def test_text_with_and_without_vectors(tmp_path):
    path = tmp_path / "words.vec"
    path.write_text("3 2\nhello 1 2\nthree 3 4\nüber 5 6.5\n", "utf-8")
    vocabulary = load_vocabulary(path)
    assert vocabulary.words[4:] == ("hello", "three", "über")
    assert vocabulary.vectors[4:].tolist() == [[1, 2], [3, 4], [5, 6.5]]
    assert not vocabulary.vectors[:4].any()
    part = load_vocabulary(path, only={"three"})
    assert (part.words[4:], part.vectors[4:].tolist()) == (("three",), [[3, 4]])
    copy = load_vocabulary(vocabulary.save(tmp_path / "vocabulary.txt"))
    assert (copy.words, copy.vectors) == (vocabulary.words, None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a 1 2\nb 1\n", "line 2 has 1 numbers"),
        (b"a 1 x\n", "is no vocabulary: could not convert"),
        (b"\xff\xfe", "is no vocabulary"),
        (b"a\na\n", "a word twice"),
        (b"", "no words of its own"),
    ],
)
def test_damaged_text(tmp_path, content, words):
    (tmp_path / "vocabulary.txt").write_bytes(content)
    with pytest.raises(WeightsError, match=words):
        load_vocabulary(tmp_path / "vocabulary.txt")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_vocabulary(tmp_path / "missing.txt")


def test_words_as_transcripts_write_them():
    vocabulary = Vocabulary.of(["three", "don't", "Ja"])
    assert [vocabulary.index(word) for word in ("three", "Three,", "“THREE”", "don’t", "Ja")] == [4, 4, 4, 5, 6]
    assert [vocabulary.index(word) for word in ("ja", "", "🙂", "<unk>", " ")] == [UNK, UNK, UNK, UNK, SILENCE]


def test_a_pickle_that_would_fill_the_memory_is_refused_before(tmp_path):
    whole = pickle.dumps({"word2index": {}, "n_words": 4}, protocol=2)
    path = tmp_path / "vocab.pkl"
    path.write_bytes(whole[:2] + b"N" + pickle.LONG_BINPUT + (2**30).to_bytes(4, "little") + b"0" + whole[2:])
    with pytest.raises(WeightsError, match="is no vocabulary as published .*it remembers 1,073,741,824 things, of 2"):
        load_vocabulary(path)
