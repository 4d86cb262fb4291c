"""What an evaluation leaves: its scores with all that says what they compare with, and the clips behind them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic_core import to_json

from emage.errors import EmageError, MotionError
from emage.files import TEMPORARY_PREFIX, new_file, read_npz, sha256_of, write_text
from emage.validation import build
from train.evaluation.beat2.measures import Measures
from train.evaluation.beat2.metrics import ScoredClip

SCORES = "scores.json"
SETTINGS = "settings.json"
MAX_VALUES = 1 << 24


@dataclass(frozen=True)
class Source:
    """A file or folder, and the SHA-256 of its content; name: without the folders above it."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Basis:
    """What scores compare with, and what they depend on. motions: of weights each network, or the folder of motions.
    corpus: by the content of the clips' motion and sound."""

    suite: str
    corpus: Source
    split: str
    speakers: tuple[int, ...]
    motions: dict[str, Source]
    evaluator: Source
    mean_velocity: Source
    body: Source
    settings: dict[str, Any]


@dataclass(frozen=True)
class Score:
    """raw: as its function gives it; scaled: as tables print it; low, high: raw, of the 95 % interval over clips;
    None where a single clip has the score."""

    raw: float
    scaled: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Results:
    """revision: of the code that scored. scores, corpus: of each metric, of the made motion and of the true one.
    fgd_floor: raw FGD of one half of the true clips against the other. left_out: clips that could not be scored, each
    with the reason. clip_scores: the measures of each clip."""

    revision: str
    basis: Basis
    clips: int
    frames: int
    left_out: dict[str, str]
    scores: dict[str, Score | None]
    corpus: dict[str, Score | None]
    fgd_floor: float | None
    clip_scores: dict[str, Measures]


def source_of(path: Path) -> Source:
    """Of a file, or of a folder by all its files in the order of their names. Raises EmageError where it is missing."""
    try:
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        if not files:
            raise EmageError(f"{path} is missing or empty. Correct the path.")
        return Source(path.name, sha256_of(files))
    except OSError as error:
        raise EmageError(f"{path} cannot be read ({error.strerror}). Correct the path, or get the right to.") from error


class ClipStore:
    """What is measured of each clip, in a folder that several processes fill and that a killed one leaves usable.

    A clip is there when its JSON is: that is written last, and whole.
    """

    def __init__(self, out: Path):
        self.folder = out / "clips"
        self.motions = out / "motions"
        for folder in (self.folder, self.motions):
            folder.mkdir(parents=True, exist_ok=True)

    def remove_unfinished(self) -> None:
        """What a process that was killed was writing. Nobody may be writing now."""
        for folder in (self.folder, self.motions):
            for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
                path.unlink(missing_ok=True)

    def has(self, clip_id: str) -> bool:
        return self._json(clip_id).is_file()

    def add(self, clip: ScoredClip, true_measures: Measures) -> None:
        with new_file(self.folder / f"{clip.id}.npz") as temporary:
            np.savez(temporary, features=clip.features, true_features=clip.true_features)
        lines = {"measures": asdict(clip.measures), "true_measures": asdict(true_measures)}
        write_text(self._json(clip.id), json.dumps(lines, indent=1) + "\n")

    def leave_out(self, clip_id: str, why: str) -> None:
        write_text(self._json(clip_id), json.dumps({"left_out": why}) + "\n")

    def read(self, clip_id: str) -> "tuple[ScoredClip, ScoredClip] | str":
        """What was made and what is true, each against the truth; or why the clip is left out. Raises EmageError."""
        try:
            stored = build(_StoredClip, self._json(clip_id).read_text("utf-8"), EmageError, str(self._json(clip_id)))
        except OSError as error:
            raise EmageError(f"{self._json(clip_id)} cannot be read ({error}). Evaluate into a new folder.") from error
        if stored.measures is None or stored.true_measures is None:
            return stored.left_out or "for a reason that nobody wrote down"
        arrays = read_npz(self.folder / f"{clip_id}.npz", MotionError, ["features", "true_features"])
        true_features = arrays["true_features"]
        return (
            ScoredClip(clip_id, stored.measures, arrays["features"], true_features),
            ScoredClip(clip_id, stored.true_measures, true_features, true_features),
        )

    def _json(self, clip_id: str) -> Path:
        return self.folder / f"{clip_id}.json"


@dataclass(frozen=True)
class _StoredClip:
    measures: Measures | None = None
    true_measures: Measures | None = None
    left_out: str | None = None


def claim(out: Path, basis: Basis, revision: str) -> None:
    """Write down what a folder's results depend on, or check that it is what they depend on already.

    revision: of the code that measures.

    Raises:
        EmageError: the folder holds results of something else.
    """
    path = out / SETTINGS
    ours = {"revision": revision, **json.loads(to_json(basis))}
    if not path.is_file():
        write_text(path, json.dumps(ours, indent=1) + "\n")
        return
    theirs = build(dict[str, Any], path.read_text("utf-8"), EmageError, str(path))
    if differing := sorted(name for name in ours if ours[name] != theirs.get(name)):
        raise EmageError(
            f"{out} holds results of another {', '.join(differing)} (see {path}). Name a new folder, or remove it."
        )


def write_results(results: Results, out: Path) -> None:
    """What is not finite is null. Raises OutputError."""
    write_text(out / SCORES, to_json(results, indent=1, inf_nan_mode="null").decode() + "\n")


def read_results(folder: Path) -> Results:
    """Raises EmageError where there are none, or damaged ones."""
    path = folder / SCORES
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise EmageError(
            f"{path} cannot be read ({error.strerror}). Evaluate first: python -m train.evaluate --suite beat2 ..."
        ) from error
    return build(Results, text, EmageError, str(path), max_values=MAX_VALUES)
