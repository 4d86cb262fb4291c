"""The words that weights know: one index a word, read from the published pickle without running anything of it."""

import io
import pickle
import pickletools
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from emage.errors import WeightsError
from emage.files import write_text

PAD, SOS, EOS, UNK = range(4)
TOKENS = ("<pad>", "<sos>", "<eos>", "<unk>")
SILENCE = PAD
"""What no word's span covers is `UNK`, as published; a span of silence is this."""

VOCABULARY_NAMES = ("vocabulary.txt", "vocab.pkl", "weights/vocab.pkl")
"""Where it lies beside weights, in the order of preference; we write the first."""

_MAX_PICKLE_BYTES = 256 << 20


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words of a generator's embeddings.

    words: of index 0, 1, ...; the first four are `TOKENS`, for padding, start, end and unknown words.
    vectors: (V, D) float32 embeddings that they came with, where they did; else None.

    Raises:
        WeightsError: a word occurs twice, or the vectors are not of these words.
    """

    words: tuple[str, ...]
    vectors: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self):
        if len(self.words) <= UNK + 1 or len(self._indices) != len(self.words):
            raise WeightsError("The vocabulary has no words of its own, or a word twice. Give each one line.")
        if self.vectors is not None and (self.vectors.ndim != 2 or len(self.vectors) != len(self.words)):
            raise WeightsError(
                f"The vocabulary has {len(self.words)} words and vectors of shape {self.vectors.shape}; there must be "
                "one row a word."
            )

    @classmethod
    def of(cls, words: Iterable[str]) -> "Vocabulary":
        """Of words in their order, behind the four tokens."""
        return cls((*TOKENS, *words))

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def _indices(self) -> dict[str, int]:
        return {word: index for index, word in enumerate(self.words)}

    def index(self, word: str) -> int:
        """Of a word as a transcript has it; a span of silence, " ", is `SILENCE`, what is not known is `UNK`.

        A word that is not known as it is written is looked up in small letters, and without the punctuation around it.
        """
        if word.isspace():
            return SILENCE
        small = word.strip().lower().replace("’", "'")
        known = (word, small, re.sub(r"^\W+|\W+$", "", small))
        return next((self._indices[form] for form in known if self._indices.get(form, UNK) > UNK), UNK)

    def save(self, path: Path) -> Path:
        """Write the words as `load_vocabulary` reads them, one a line, without the tokens. Raises OutputError.

        What would be no line of its own, which no transcript has as a word, is written by its index.
        """
        lines = [word if re.fullmatch(r"\S+", word) else f"<{index}>" for index, word in enumerate(self.words)]
        return write_text(path, "".join(f"{line}\n" for line in lines[UNK + 1 :]))


def load_vocabulary(path: Path, only: Collection[str] | None = None, size: int | None = None) -> Vocabulary:
    """Read a vocabulary.

    Args:
        path: the published `vocab.pkl`; or UTF-8 text with a word a line, of which each may have its vector behind it,
            as fastText writes them (with or without its first line of two numbers).
        only: of a text, these words alone: the text may be much larger than what is needed of it.
        size: how many words it must have, the tokens among them: those of the weights that it lies beside.

    Raises:
        WeightsError: no such file, one that asks for code, no vocabulary, or one of another size.
    """
    vocabulary = _read_vocabulary(path, only)
    if size not in (None, len(vocabulary)):
        raise WeightsError(
            f"{path} has {len(vocabulary):,} words, and the weights know {size:,}. Put the vocabulary there that they "
            "were trained with."
        )
    return vocabulary


def _read_vocabulary(path: Path, only: Collection[str] | None) -> Vocabulary:
    try:
        if path.suffix == ".pkl":
            if path.stat().st_size > _MAX_PICKLE_BYTES:
                raise WeightsError(f"{path} is larger than {_MAX_PICKLE_BYTES >> 20} MB; that is no vocabulary.")
            words, vectors = _from_pickle(path.read_bytes(), path)
        else:
            with path.open(encoding="utf-8", newline="\n") as lines:
                words, vectors = _from_text(lines, only)
    except WeightsError:  # a ValueError as well, and names the file already
        raise
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error}). Give a vocabulary file.") from error
    except ValueError as error:  # UnicodeDecodeError too
        raise WeightsError(f"{path} is no vocabulary: {error}") from error
    try:
        return Vocabulary((*TOKENS, *words), vectors)
    except WeightsError as error:
        raise WeightsError(f"{path} is no vocabulary: {error}") from error


_Read = tuple[list[str], np.ndarray | None]
"""The words behind the tokens, and the vectors of all, where there are any."""


def _from_text(lines: Iterable[str], only: Collection[str] | None) -> _Read:
    words, vectors, width = [], [], None
    for number, line in enumerate(lines, 1):
        word, *cells = line.rstrip().split(" ")
        is_header = number == 1 and len(cells) == 1 and word.isdecimal() and cells[0].isdecimal()
        if is_header or not word or (only is not None and word not in only):
            continue
        width = len(cells) if width is None else width
        if len(cells) != width:
            raise ValueError(f"line {number} has {len(cells)} numbers behind its word where others have {width}.")
        words.append(word)
        vectors.append(np.array(cells, dtype=np.float32))
    rows = np.stack([*[np.zeros(width, np.float32)] * (UNK + 1), *vectors]) if width else None
    return words, rows


class _Inert:
    """Stands for an object of a class that the pickle names: holds what it was given, and does nothing."""

    def __init__(self, *arguments: Any):
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _InertArray(_Inert):
    """Stands for an array of numpy: its state is (version, shape, dtype, is_fortran, bytes)."""

    def array(self) -> np.ndarray:
        _, shape, dtype, is_fortran, content = self.state
        code = dtype.arguments[0]
        if not (isinstance(code, str) and re.fullmatch(r"[fiu][1248]", code)):
            raise ValueError(f"an array of {code!r}")
        byte_order = dtype.state[1] if dtype.state else "<"
        array = np.frombuffer(_as_bytes(content), np.dtype(code).newbyteorder(byte_order))
        return array.reshape(shape, order="F" if is_fortran else "C")


def _as_bytes(content: Any) -> bytes:
    """Pickles of Python 2 and of protocol 2 hold bytes as text."""
    return content.encode("latin-1") if isinstance(content, str) else content


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin-1")


def _new_array(*_: Any) -> _InertArray:
    return _InertArray()


def _array_of(content: Any, dtype: _Inert, shape: tuple[int, ...], order: str) -> _InertArray:
    array = _InertArray()
    array.state = (1, shape, dtype, order == "F", bytes(content))
    return array


_ALLOWED = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _new_array for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _array_of for core in ("core", "_core")},
    ("numpy", "ndarray"): _InertArray,
    ("numpy", "dtype"): _Inert,
    ("_codecs", "encode"): _encode,
}
"""What the pickle may name besides its own class, and what stands for it."""


class _InertUnpickler(pickle.Unpickler):
    """Makes nothing but plain values and stand-ins; every other name is refused.

    The one class that holds the vocabulary is whatever the authors' training script called it; by that name comes a
    stand-in of ours, and the named module is never imported.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            made = _ALLOWED[module, name]
            # A pickle can set the attributes of a function that it is given: of this one, which nobody else has.
            return made if isinstance(made, type) else lambda *arguments: made(*arguments)
        if name in ("Vocab", "Vocabulary") and re.fullmatch(r"[\w.]+", module):
            return _Inert
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it asks for something outside the file")


def _check_opcodes(content: bytes) -> None:
    """Raise ValueError for a pickle that would fill the memory before it is found to be damaged: the unpickler makes
    room for as many things as the largest number says by which one is remembered, and for as many bytes as are
    announced."""
    for number, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > number:
            raise ValueError(f"it remembers {argument:,} things, of {number:,}")


def _from_pickle(content: bytes, path: Path) -> _Read:
    try:
        _check_opcodes(content)
        loaded = _InertUnpickler(io.BytesIO(content)).load()
        facts = loaded.state if isinstance(loaded, _Inert) else loaded
        known = {int(index): word for word, index in facts["word2index"].items() if int(index) > UNK}
        size = int(facts["n_words"])
        if size > len(content) or not all(index < size for index in known):
            raise ValueError(f"{size:,} words and an index of {max(known, default=0):,}")
        if not all(isinstance(word, str) for word in known.values()):
            raise ValueError("a word that is no text")
        vectors = facts.get("word_embedding_weights")
        vectors = vectors.array().astype(np.float32) if isinstance(vectors, _InertArray) else None
        return [known.get(index, f"<{index}>") for index in range(UNK + 1, size)], vectors
    except MemoryError:
        raise
    except Exception as error:  # bytes of unknown origin make the parser fail in more ways than can be listed
        if isinstance(error, pickle.UnpicklingError) and "it asks for" in str(error):
            raise WeightsError(
                f"{path} is refused: {error}, and a vocabulary needs no such thing. Nothing of it was run. Use only "
                "files whose origin you trust."
            ) from error
        raise _no_vocabulary(path, error) from error


def _no_vocabulary(path: Path, error: Exception) -> WeightsError:
    return WeightsError(
        f"{path} is no vocabulary as published ({type(error).__name__}: {error}). Get it again, by download or copy."
    )
