"""Clips without a synthesizer: times made by hand, performed by every speaker."""

import ctypes
import shutil

import numpy as np
import pytest
import trimesh
from scipy.spatial import KDTree

from emage.body import Body
from emage.motion import ARKIT52, Motion
from train.synthetic.compose import Performance, perform
from train.synthetic.grammar import sentence, tokens
from train.synthetic.phones import SILENCE, VOWELS
from train.synthetic.speakers import SPEAKERS
from train.synthetic.timing import Phone, Times, Word

_VOWEL_OF = {"a": "ae", "e": "eh", "i": "ih", "o": "aa", "u": "ah", "y": "iy"}
_CONSONANT_OF = {"c": "k", "h": "hh", "j": "jh", "q": "k", "x": "k"}


def make_times(text: str, speaker: int = 1, seed: int = 0, name: str = "1_anna_0_1_1") -> Times:
    """Times of `text` in the grammar's notation without a synthesizer: a phone a letter, 0.8 s pauses at signs."""
    words, phones, at = [], [Phone(SILENCE, 0, 500)], 500
    for i, token in enumerate(tokens(text)):
        start, is_first_vowel = at, True
        for letter in token.text:
            label = _VOWEL_OF.get(letter) or _CONSONANT_OF.get(letter, letter)
            length = 110 if label in VOWELS else 70
            phones.append(Phone(label, at, at + length, label in VOWELS and is_first_vowel, i))
            is_first_vowel = is_first_vowel and label not in VOWELS
            at += length
        words.append(Word(token.text, start, at, token.emphasis, token.ending))
        if token.ending:
            phones.append(Phone(SILENCE, at, at + 800))
            at += 800
    return Times(name, speaker, seed, at * 16, tuple(words), tuple(phones))


def grammar_text(seed: int, count: int = 7) -> str:
    rng = np.random.default_rng(seed)
    return " ".join(
        ("*" if token.emphasis else "") + token.text + token.ending for _ in range(count) for token in sentence(rng)
    )


@pytest.fixture(scope="session")
def clips() -> list[tuple[Times, Performance]]:
    """Half a minute of every speaker."""
    times = [make_times(grammar_text(s.number), s.number, s.number) for s in SPEAKERS]
    return [(clip, perform(clip)) for clip in times]


@pytest.fixture(scope="session")
def positions(clips, body) -> list[np.ndarray]:
    return [body.joints(performance.motion).astype(np.float64) for _, performance in clips]


def at_rest() -> Motion:
    """A frame in the T-pose."""
    return Motion(np.zeros((1, 165)), np.zeros((1, 100)), np.zeros((1, 3)), np.zeros(300), expression_basis=ARKIT52)


def is_installed(engine: str) -> bool:
    if engine == "festival":
        return shutil.which("festival") is not None
    try:
        ctypes.CDLL({"flite": "libflite.so.1", "espeak-ng": "libespeak-ng.so.1"}[engine])
    except OSError:
        return False
    return True


def hand_depths(body: Body, motion: Motion) -> np.ndarray:
    """(T,) metres that the deepest vertex of a hand lies under the skin of trunk, head or legs; negative: clear."""
    owner = body.skinning_weights.argmax(1)
    # Skin and clothes alone: brows, lids, lips and teeth have vertices that face inwards.
    is_skin = body.vertex_colors[:, 3] < 0.51
    core = np.flatnonzero(np.isin(owner, [0, 1, 2, 3, 4, 5, 6, 9, 12, 15, 22]) & is_skin)
    hands = np.flatnonzero(np.isin(owner, [20, 21, *range(25, 55)]))[::4]
    depths = []
    for vertices in body.vertices(motion):
        normals = trimesh.Trimesh(vertices, body.faces, process=False).vertex_normals
        distance, nearest = KDTree(vertices[core]).query(vertices[hands])
        at = core[nearest]
        depth = -((vertices[hands] - vertices[at]) * normals[at]).sum(1)
        depths.append(depth[distance < 0.12].max(initial=-1))
    return np.array(depths)
