"""What a synthesizer is asked to say and what it says; and where its library is."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from train.synthetic.errors import CorpusError
from train.synthetic.grammar import Token

DEBIAN_PACKAGES = ("espeak-ng", "libespeak-ng1", "flite", "libflite1", "festival", "festvox-kallpc16k",
                   "festvox-us-slt-hts")  # fmt: skip


@dataclass(frozen=True)
class Phrase:
    """Tokens spoken in one breath, and the silence behind them. rate, pitch: times the voice's own."""

    tokens: tuple[Token, ...]
    pause_s: float
    rate: float = 1.0
    pitch: float = 1.0

    @property
    def text(self) -> str:
        return " ".join(token.text for token in self.tokens) + (self.tokens[-1].ending or ",")


@dataclass(frozen=True)
class SpokenPhone:
    """start_s, end_s from the phrase's start; word: index in the phrase, -1 in silence."""

    label: str
    start_s: float
    end_s: float
    is_stressed: bool
    word: int


@dataclass(frozen=True, eq=False)
class SpokenPhrase:
    """audio: (N,) float32. phones: cover it."""

    audio: np.ndarray
    rate_hz: int
    phones: tuple[SpokenPhone, ...]


def not_installed(what: str, package: str) -> CorpusError:
    return CorpusError(
        f"{what} is not installed. Install the speech synthesizers (apt-get install {' '.join(DEBIAN_PACKAGES)}), of "
        f"which {package} is needed here, or rebuild the corpus from its compact form, which needs none."
    )


def load_library(names: Sequence[str], package: str) -> ctypes.CDLL:
    """The first of the shared libraries that is there. Raises CorpusError, naming what to install."""
    for name in names:
        try:
            return ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
    raise not_installed(names[0], package)
