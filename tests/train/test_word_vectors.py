"""Word vectors from motion: words with the same gesture lie beside each other, and a generator begins from them."""

import sys

import numpy as np
import pytest
from praatio import textgrid

from emage.errors import EmageError
from emage.motion import Motion
from emage.recording.vocabulary import UNK, load_vocabulary
from tests.conftest import make_speech
from tests.train.conftest import write_corpus
from train import word_vectors as stage
from train.data.building import build_cache
from train.data.cache import Cache
from train.data.corpus import CorpusError
from train.word_vectors import word_vectors

LIFTS = {"up": 1.2, "rise": 1.2, "down": -1.2, "fall": -1.2, "and": 0.0, "then": 0.0}
"""How far the arms of `gesturing_cache` go up at each word, radians."""


@pytest.fixture(scope="module")
def gesturing_cache(motions, body, tmp_path_factory) -> Cache:
    """Two speakers who rest differently and lift their arms at some words; the split val says others."""
    clips, spoken = {}, {}
    for number, (clip, motion) in enumerate(motions.items()):
        rng = np.random.default_rng(number)
        frames = 900
        split, words = ("val", ["never"] * 30) if number == 2 else ("train", rng.permutation([*LIFTS] * 5))
        poses = 0.02 * rng.standard_normal((frames, 55, 3))
        poses[:, [16, 17], 2] += 0.8 * number
        for i, word in enumerate(words):
            poses[30 * i + 5 : 30 * i + 25, [16, 17], 2] += LIFTS.get(word, 0.5)
        moved = Motion(
            poses.reshape(frames, 165),
            np.zeros((frames, motion.expressions.shape[1])),
            np.zeros((frames, 3)),
            np.zeros(300),
            expression_basis=motion.expression_basis,
        )
        clips[clip] = (split, moved, make_speech(frames * 16000 // 30, number))
        spoken[clip] = [(i + 0.3, i + 0.7, str(word)) for i, word in enumerate(words)]
    corpus = write_corpus(tmp_path_factory.mktemp("gesturing") / "corpus", clips)
    (corpus / "textgrid").mkdir()
    for clip, spans in spoken.items():
        grid = textgrid.Textgrid(0, 30)
        grid.addTier(textgrid.IntervalTier("words", spans, 0, 30))
        grid.save(str(corpus / "textgrid" / f"{clip}.TextGrid"), format="long_textgrid", includeBlankSpaces=True)
    return build_cache(corpus, corpus.parent / "cache", body=body)


def test_words_with_the_same_gesture_lie_beside_each_other(gesturing_cache):
    made = word_vectors(gesturing_cache, 1)
    assert sorted(made) == sorted(LIFTS)  # of the split train alone
    one = {word: float(vector[0]) for word, vector in made.items()}
    assert one["up"] * one["down"] < 0
    assert abs(one["up"] - one["rise"]) < 0.1 * abs(one["up"] - one["down"])
    assert abs(one["and"] - one["then"]) < 0.1 * abs(one["up"] - one["down"])
    assert abs(one["and"]) < 0.5 * min(abs(one["up"]), abs(one["down"]))


def test_each_number_varies_alike(gesturing_cache):
    made = np.stack([*word_vectors(gesturing_cache, 3).values()])
    np.testing.assert_allclose(made.std(0), 1)


def test_the_command_writes_what_a_vocabulary_reads(gesturing_cache, tmp_path, monkeypatch):
    out = tmp_path / "vectors.txt"
    arguments = ["--cache", str(gesturing_cache.folder), "--out", str(out), "--width", "3"]
    monkeypatch.setattr(sys, "argv", ["train.word_vectors", *arguments])
    stage.main()
    read = load_vocabulary(out)
    made = word_vectors(gesturing_cache, 3)
    assert read.words[UNK + 1 :] == tuple(sorted(LIFTS))
    np.testing.assert_allclose(read.vectors[UNK + 1 :], np.stack([*made.values()]), atol=5e-5)


def test_what_gives_no_vectors_is_named(gesturing_cache, cache):
    with pytest.raises(CorpusError, match="has 6 words in its split train; 6 numbers need more"):
        word_vectors(gesturing_cache, 6)
    with pytest.raises(CorpusError, match="has 0 words"):
        word_vectors(cache, 4)
    with pytest.raises(EmageError, match="width is 0"):
        word_vectors(gesturing_cache, 0)
