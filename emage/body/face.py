"""Faces: expressions of FLAME 2020 (BEAT2, the published weights) as ARKit actions (the stand-in body), and back.

The authors of BEAT2 made its faces from ARKit weights by a matrix, and publish it: 51 actions x (100 expressions of
FLAME 2020 in SMPL-X, 3 axis-angle numbers of the jaw in radians). It is fetched from the Hub when a face is first shown
on a body of the other basis, compared with the hash written here, and then lies in the Hub's cache.

From ARKit to FLAME it is that matrix, its columns E of the expressions and J of the jaw. The other way w (T, 51)
minimises, over the whole clip,

    |w E - expressions|^2 + sum_k b_k^2 |w_k|^2 + c^2 |w[t + 1] - w[t]|^2,   0 <= w <= 1.

It is convex, and looks both ways in time, so that nothing lags.
- b is 0.3, against singular values of E from 29 to 0.26: what the expressions hardly tell stays at rest. The gaze,
  which they tell by the shape of the lids alone, has 0.6.
- c is 1 at 30 frames a second: a tenth of the networks' tremor goes, and 2 % of a blink.

The jaw's turn has no say in that: the expressions determine the weights (jawOpen is 18 in them), and with it those of
real faces are the same. It is joint 22, a rotation, and means the same on every body. What the actions say of it (w J)
is taken out of joint 22 on the way to ARKit and put in on the way back, so nothing opens the mouth twice; what they do
not say stays in the joint. In BEAT2 and in what the published weights make that is 0.0002 rad in the mean and 0.002 at
most: the mouth then opens by jawOpen. In a motion that turns joint 22 and has no expressions, or in ours, which never
use jawOpen, it is the whole turn.

Two things have no way across: tongueOut, which the matrix has not, and expressions that no ARKit weights from 0 to 1
make, 1 % of BEAT2's and of the published weights'.
"""

import io
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from scipy.fft import dct, idct
from threadpoolctl import threadpool_limits

from emage.download import fetch_file
from emage.errors import BodyError, WeightsError
from emage.hints import Hints
from emage.motion import FLAME2020, FPS, Motion, say_basis
from emage.motion.skeleton import ARKIT_ACTIONS, JAW_JOINT, NUM_EXPRESSIONS

# fmt: off
MATRIX_ACTIONS: tuple[str, ...] = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)
"""The rows of the matrix, in order (as in BEAT; PantoMatrix issue 199)."""
# fmt: on

RETRY_AFTER_S = 300.0
"""How long a failure to get the matrix is believed, before the Hub is asked again."""

WEIGHT_TOLERANCE = 1e-5
"""How far a weight may be from the exact minimum."""

_COLUMNS = [ARKIT_ACTIONS.index(action) for action in MATRIX_ACTIONS]
_SHAPE = (len(MATRIX_ACTIONS), NUM_EXPRESSIONS + 3)
_JAW = slice(3 * JAW_JOINT, 3 * JAW_JOINT + 3)

_REST = 0.3
_GAZE_REST = 0.6
_SMOOTHNESS = 1.0

# Of the alternating direction method of multipliers (Boyd et al. 2011, sections 3.1 and 3.4: over-relaxed, the penalty
# balanced in the first rounds).
_PENALTY = 10.0
_RELAXATION = 1.6
_IMBALANCE = 2.0
_BALANCED_ROUNDS = 200
_MOST_ROUNDS = 3000
_ROUNDS_AT_ONCE = 10
_SETTLED = 1e-7
_BLOCK_FRAMES = 1800
_MARGIN_FRAMES = 60
"""A long clip is solved in blocks; what lies so far beyond a block does not reach into it."""


@dataclass(frozen=True)
class FaceSource:
    """Where the matrix is on the Hub, and the SHA-256 that it must have."""

    repo_id: str
    filename: str
    sha256: str
    repo_type: str = "dataset"


PUBLISHED_FACES = FaceSource(
    "H-Liu1997/BEAT2_Tools",
    "mat_final.npy",
    "f055de09c64182696499a26c2d6109349c627195bcd40c6adc3dd27f3922b34b",
)


@dataclass(frozen=True, eq=False)
class Face:
    """expressions: (T, 100) float64, in one basis. jaw: (T, 3) float64, the axis-angle of joint 22 beside them."""

    expressions: np.ndarray
    jaw: np.ndarray

    def with_jaw(self, turn: np.ndarray) -> "Face":
        """The same, with the jaw turned by so much (T, 3) more."""
        return Face(self.expressions, self.jaw + turn)


class FaceMap:
    """matrix: (51, 103), rows `MATRIX_ACTIONS`, columns 100 expressions of `flame2020` and the jaw's axis-angle.

    Raises:
        WeightsError: another shape, or numbers that are not finite.
    """

    def __init__(self, matrix: np.ndarray):
        if matrix.shape != _SHAPE or matrix.dtype.kind != "f" or not np.isfinite(matrix).all():
            raise WeightsError(
                f"The matrix of faces is {matrix.dtype} of shape {matrix.shape}; it must be {_SHAPE} finite numbers."
            )
        matrix = matrix.astype(np.float64)
        self._expressions, self._jaw = matrix[:, :NUM_EXPRESSIONS], matrix[:, NUM_EXPRESSIONS:]
        rest = [_GAZE_REST if action.startswith("eyeLook") else _REST for action in MATRIX_ACTIONS]
        stiffness = self._expressions @ self._expressions.T + np.diag(np.square(rest))
        self._eigenvalues, self._eigenvectors = np.linalg.eigh(stiffness)
        self._faces: dict[tuple[int, float, str], tuple[weakref.ref, Face]] = {}

    @classmethod
    def from_file(cls, path: str | Path) -> "FaceMap":
        """From an npy; nothing in it is unpickled. Raises WeightsError."""
        try:
            # Read at once, for numpy would trust a damaged header with as much memory as that asks for.
            matrix = np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False)
        except OSError as error:
            raise WeightsError(f"{path}: the matrix of faces cannot be read: {error.strerror}.") from error
        except (ValueError, EOFError, MemoryError, TypeError) as error:
            raise WeightsError(f"{path} is no npy with numbers alone. Give {PUBLISHED_FACES.filename}.") from error
        if not isinstance(matrix, np.ndarray):
            raise WeightsError(f"{path} is no single array. Give {PUBLISHED_FACES.filename}.")
        return cls(matrix)

    def to_flame(self, expressions: np.ndarray, jaw: np.ndarray) -> Face:
        """expressions (T, 100) in `arkit52` and jaw (T, 3) -> the face in `flame2020`."""
        weights = expressions[:, _COLUMNS]
        return Face(weights @ self._expressions, weights @ self._jaw).with_jaw(jaw)

    def to_arkit(self, expressions: np.ndarray, jaw: np.ndarray, fps: float = FPS) -> Face:
        """expressions (T, 100) in `flame2020` and jaw (T, 3) -> the face in `arkit52`, weights from 0 to 1."""
        target = expressions @ self._expressions.T  # (T, 51)
        weights = np.empty_like(target)
        for start in range(0, len(target), _BLOCK_FRAMES):
            end = min(start + _BLOCK_FRAMES, len(target))
            first = max(start - _MARGIN_FRAMES, 0)
            # Many small products: threads that wait for one another take longer than one alone, on busy cores 30 times.
            with threadpool_limits(1, user_api="blas"):
                solved = self._solve(target[first : end + _MARGIN_FRAMES], _SMOOTHNESS * fps / FPS)
            weights[start:end] = solved[start - first : end - first]
        result = np.zeros((len(weights), NUM_EXPRESSIONS))
        result[:, _COLUMNS] = weights
        return Face(result, -weights @ self._jaw).with_jaw(jaw)

    def face(self, motion: Motion, basis: str) -> Face:
        """The motion's face in a basis.

        Worked out once for an array of expressions and forgotten with it, whatever else of the motion is replaced.
        """
        jaw, expressions = motion.poses[:, _JAW].astype(np.float64), motion.expressions
        if motion.expression_basis == basis:
            return Face(expressions, jaw)
        key = (id(expressions), motion.fps, basis)
        known = self._faces.get(key)
        if known is not None and known[0]() is expressions:
            return known[1].with_jaw(jaw)
        at_rest = np.zeros_like(jaw)
        if basis == FLAME2020:
            face = self.to_flame(expressions, at_rest)
        else:
            face = self.to_arkit(expressions, at_rest, motion.fps)
        self._faces[key] = (weakref.ref(expressions, lambda _: self._faces.pop(key, None)), face)
        return face.with_jaw(jaw)

    def convert(self, motion: Motion, basis: str) -> Motion:
        """The motion with its face in a basis, without betas that mean nothing in it; all else as it was."""
        if motion.expression_basis == basis:
            return motion
        face, poses = self.face(motion, basis), motion.poses.copy()
        poses[:, _JAW] = face.jaw
        return replace(
            motion, poses=poses, expressions=face.expressions, betas=motion.betas_in(basis), expression_basis=basis
        )

    def _solve(self, target: np.ndarray, smoothness: float) -> np.ndarray:
        """(T, 51) of A^T b of each frame -> the weights (T, 51).

        Without the bounds, eigenvectors of the actions' stiffness and cosines over time make the problem diagonal.
        """
        frames = len(target)
        roughness = 2 - 2 * np.cos(np.pi * np.arange(frames) / frames)  # eigenvalues of the differences, squared
        curvature = self._eigenvalues + smoothness**2 * roughness[:, None]  # (T, 51)
        penalty = _PENALTY
        bounded, dual = np.zeros_like(target), np.zeros_like(target)
        for done in range(1, _MOST_ROUNDS + 1):
            turned = dct((target + penalty * (bounded - dual)) @ self._eigenvectors, axis=0, norm="ortho")
            free = idct(turned / (curvature + penalty), axis=0, norm="ortho") @ self._eigenvectors.T
            relaxed = _RELAXATION * free + (1 - _RELAXATION) * bounded
            before, bounded = bounded, np.clip(relaxed + dual, 0, 1)
            dual += relaxed - bounded
            if done % _ROUNDS_AT_ONCE == 0:
                change, gap = np.abs(bounded - before).max(), np.abs(free - bounded).max()
                if max(change, gap) < _SETTLED:
                    break
                if done <= _BALANCED_ROUNDS and not 1 / _IMBALANCE < gap / max(penalty * change, 1e-300) < _IMBALANCE:
                    factor = 2.0 if gap > penalty * change else 0.5
                    penalty, dual = penalty * factor, dual / factor
        return bounded


class FaceMapLoader:
    """The map of a source, had when it is first needed. Safe between threads.

    source: on the Hub. retry_after_s: how long a failure is believed. clock: in seconds. known: a map that is at hand,
    with which nothing is asked for.
    """

    def __init__(
        self,
        source: FaceSource = PUBLISHED_FACES,
        retry_after_s: float = RETRY_AFTER_S,
        clock: Callable[[], float] = time.monotonic,
        known: FaceMap | None = None,
    ):
        self.source = source
        self._retry_after_s, self._clock = retry_after_s, clock
        self._lock = threading.Lock()
        self._map = known
        self._failure = ""  # not the error itself, which would keep alive whatever the frames of its traceback hold
        self._failed_at = 0.0

    def load(self) -> FaceMap:
        """The map, from the cache or the Hub.

        Raises:
            WeightsError: the Hub and the cache do not give it, or give another file; the message says why. For
                `retry_after_s` it is the same again, without a question to the Hub.
        """
        with self._lock:
            if self._map is not None:
                return self._map
            if self._failure and self._clock() - self._failed_at < self._retry_after_s:
                raise WeightsError(self._failure)
            source = self.source
            try:
                path = fetch_file(source.repo_id, source.filename, repo_type=source.repo_type, sha256=source.sha256)
                self._map = FaceMap.from_file(path)
            except WeightsError as error:
                self._failure, self._failed_at = str(error), self._clock()
                raise
            self._failure = ""
            return self._map

    def available(self) -> FaceMap | None:
        """As `load`, but None where the map cannot be had; `reason` tells why."""
        try:
            return self.load()
        except WeightsError:
            return None

    def face(self, motion: Motion, basis: str) -> Face:
        """The motion's face in a basis.

        Raises:
            BodyError: it is in the other one, and the map cannot be had.
        """
        if motion.expression_basis == basis or not motion.expressions.any():
            return Face(motion.expressions, motion.poses[:, _JAW].astype(np.float64))
        try:
            return self.load().face(motion, basis)
        except WeightsError as error:
            raise BodyError(
                f"The motion's face is in {say_basis(motion.expression_basis)}, and is wanted in {say_basis(basis)}. "
                f"The matrix that takes faces from one to the other could not be had: {error} Connect once so that it "
                "can be fetched, or take a motion or a body with the other expressions."
            ) from error

    @property
    def reason(self) -> str:
        """Why the map could not be had when it was last asked for; empty where it could, or nobody asked."""
        return self._failure

    def hints(self, hints: Hints, basis: str) -> Hints:
        """The hints with their reference's face in a basis, where a face is hinted and the map can be had."""
        if hints.reference.expression_basis == basis or not hints.plan.spans_of("face"):
            return hints
        known = self.available()
        return hints if known is None else replace(hints, reference=known.convert(hints.reference, basis))


def loader_of(source: FaceSource = PUBLISHED_FACES) -> FaceMapLoader:
    """The process's one loader of a source: all bodies and pipelines share what it got, and what it could not."""
    return _loader_of(source)


@cache
def _loader_of(source: FaceSource) -> FaceMapLoader:
    return FaceMapLoader(source)
