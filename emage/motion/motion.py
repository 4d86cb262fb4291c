"""Motion: a whole body, hands, face and path through the room, in BEAT2's npz format.

Format source: the BEAT2 data set (Liu et al., CVPR 2024): `betas`, `poses`, `expressions`, `trans`, `model`, `gender`,
`mocap_frame_rate`; axis-angle in radians, metres, y up.
"""

import hashlib
import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from emage.errors import MotionError
from emage.files import MAX_NPZ_BYTES, new_file, read_npz
from emage.motion.rotations import slerp
from emage.motion.skeleton import NUM_BETAS, NUM_EXPRESSIONS, POSE_CHANNELS, SHARED_BETAS

FPS = 30
"""Frames per second of everything the networks see and make."""

FLAME2020 = "flame2020"
"""Expressions in the basis of SMPL-X / FLAME 2020, as in BEAT2 files."""
ARKIT52 = "arkit52"
"""Expressions 0-51 are Apple's 52 ARKit actions in Apple's order, 0 to 1; the rest are zero. The stand-in body's."""
EXPRESSION_BASES = (FLAME2020, ARKIT52)
_BASES_FOR_PEOPLE = {FLAME2020: "SMPL-X's expressions (FLAME)", ARKIT52: "ARKit's expressions"}

MAX_DURATION_S = 3 * 3600
"""A longer motion is taken for a mistake, at any frame rate."""
MAX_FRAMES = 3 * 3600 * 60

_MAX_DISTANCE_M = 1e5
_MIXED_AT_ONCE = 4096

_KEYS = ("betas", "poses", "expressions", "trans", "model", "gender", "mocap_frame_rate", "expression_basis")
_REQUIRED = ("betas", "poses", "expressions", "trans", "mocap_frame_rate")


def say_basis(expression_basis: str) -> str:
    """As people call the expressions of a basis."""
    return _BASES_FOR_PEOPLE.get(expression_basis, f"the expressions '{expression_basis}'")


@dataclass(frozen=True, eq=False)
class Motion:
    """T frames of one person.

    poses: (T, 165) float32, axis-angle of the 55 SMPL-X joints, radians.
    expressions: (T, 100) float64, in `expression_basis`.
    trans: (T, 3) float64, metres, y up.
    betas: (300,) float32, body shape: the first ten are SMPL-X's on every body, the others of the basis of the
        expressions.
    fps: frames per second.
    expression_basis: `flame2020` (BEAT2 files) or `arkit52` (the stand-in body's).
    model, gender: as BEAT2 files name them.

    Raises:
        MotionError: wrong shapes, no frames, too many, or values that are not finite.
    """

    poses: np.ndarray
    expressions: np.ndarray
    trans: np.ndarray
    betas: np.ndarray
    fps: float = FPS
    expression_basis: str = FLAME2020
    model: str = "smplx2020"
    gender: str = "neutral"

    def __post_init__(self):
        dtypes = {"poses": "f4", "expressions": "f8", "trans": "f8", "betas": "f4"}
        for name in dtypes:
            object.__setattr__(self, name, np.asarray(getattr(self, name)))
        self._check_shapes()  # first, for what has not the shape may have any size
        for name, dtype in dtypes.items():
            object.__setattr__(self, name, _numbers(name, getattr(self, name), dtype))
        self._check_values()

    def _check_shapes(self) -> None:
        if self.poses.ndim != 2 or self.poses.shape[1] != POSE_CHANNELS:
            raise MotionError(
                f"poses has shape {self.poses.shape}; SMPL-X needs (frames, {POSE_CHANNELS}): 55 joints x 3 axis-angle."
            )
        if not 1 <= self.num_frames <= MAX_FRAMES:
            raise MotionError(f"A motion has 1 to {MAX_FRAMES:,} frames; this one has {self.num_frames:,}.")
        for name, width in {"expressions": NUM_EXPRESSIONS, "trans": 3}.items():
            shape = getattr(self, name).shape
            if shape != (self.num_frames, width):
                raise MotionError(f"{name} has shape {shape}; with these poses it must be {(self.num_frames, width)}.")
        if self.betas.shape != (NUM_BETAS,):
            raise MotionError(f"betas has shape {self.betas.shape}; it must be ({NUM_BETAS},). Pad with zeros.")

    def _check_values(self) -> None:
        for name in ("poses", "expressions", "trans", "betas"):
            array = getattr(self, name)
            if not np.isfinite(array).all():
                at = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
                raise MotionError(f"{name}{list(at)} is {array[at]}; every value must be a finite number.")
        if np.abs(self.trans).max() > _MAX_DISTANCE_M:
            raise MotionError(f"trans goes {np.abs(self.trans).max():.3g} m away; it must be in metres.")
        _check_fps(self.fps)
        if self.duration_s > MAX_DURATION_S:
            raise MotionError(
                f"{self.num_frames:,} frames at {self.fps:g} a second last {self.duration_s / 3600:.1f} hours; "
                f"at most {MAX_DURATION_S / 3600:g} are taken."
            )
        if self.expression_basis not in EXPRESSION_BASES:
            raise MotionError(f"The expression basis is '{self.expression_basis}'; known are {EXPRESSION_BASES}.")

    @property
    def num_frames(self) -> int:
        return len(self.poses)

    @property
    def duration_s(self) -> float:
        return self.num_frames / self.fps

    @classmethod
    def load(cls, path: str | Path, max_bytes: int = MAX_NPZ_BYTES) -> "Motion":
        """Read an npz as BEAT2 publishes it, or as `save` writes it.

        Raises:
            MotionError: not an npz, missing arrays, wrong shapes or values, or more than `max_bytes` when unpacked;
                pickled objects are never loaded.
        """
        arrays = read_npz(path, MotionError, _KEYS, max_bytes)
        missing = [key for key in _REQUIRED if key not in arrays]
        if missing:
            raise MotionError(
                f"{Path(path).name} has no array {', '.join(missing)}; a BEAT2 motion has {', '.join(_KEYS[:-1])}."
            )
        texts = {key: _text(key, arrays.pop(key)) for key in ("model", "gender", "expression_basis") if key in arrays}
        fps = _numbers("mocap_frame_rate", arrays.pop("mocap_frame_rate"), "f8")
        if fps.size != 1:
            raise MotionError(f"{Path(path).name}: mocap_frame_rate has shape {fps.shape}; it must be one number.")
        try:
            return cls(fps=float(fps.reshape(())), **arrays, **texts)
        except MotionError as error:
            raise MotionError(f"{Path(path).name}: {error}") from error

    @classmethod
    def basis_of(cls, path: str | Path) -> str:
        """The expression basis of a file that `load` reads, without the motion. Raises MotionError."""
        arrays = read_npz(path, MotionError, ["expression_basis"])
        return _text("expression_basis", arrays["expression_basis"]) if arrays else FLAME2020

    def content_hash(self) -> bytes:
        """Equal for motions that are the same."""
        digest = hashlib.sha256()
        for array in (self.poses, self.expressions, self.trans):
            digest.update(np.ascontiguousarray(array))
        return digest.digest()

    def save(self, path: str | Path) -> Path:
        """Write BEAT2's npz: the same keys, shapes and dtypes, plus `expression_basis` where it is not BEAT2's own.

        Raises:
            OutputError: the file cannot be written; nothing is left behind.
        """
        with new_file(path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **self._arrays())
        return Path(path)

    def packed(self) -> bytes:
        """The npz of `save`, compressed."""
        stream = io.BytesIO()
        np.savez_compressed(stream, **self._arrays())
        return stream.getvalue()

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {
            "betas": self.betas,
            "poses": self.poses,
            "expressions": self.expressions,
            "trans": self.trans,
            "model": np.array(self.model),
            "gender": np.array(self.gender),
            "mocap_frame_rate": np.array(self.fps, dtype=np.int32 if float(self.fps).is_integer() else np.float64),
        }
        if self.expression_basis != FLAME2020:
            arrays["expression_basis"] = np.array(self.expression_basis)
        return arrays

    def resample(self, fps: float = FPS, max_frames: int | None = None) -> "Motion":
        """The same movement at `fps`: rotations by spherical, the rest by linear interpolation.

        A clip of T frames lasts T / self.fps seconds and goes on doing so, to the nearest frame.

        max_frames: of the result, which ends there.

        Raises:
            MotionError: `fps` makes no sense.
        """
        num_frames = self.frames_at(fps)
        if fps == self.fps and (max_frames is None or num_frames <= max_frames):
            return self
        return self.resampled_frames(np.arange(num_frames if max_frames is None else min(num_frames, max_frames)), fps)

    def frames_at(self, fps: float = FPS) -> int:
        """How many frames `resample` makes of it. Raises MotionError where `fps` makes no sense."""
        _check_fps(fps)
        return self.num_frames if fps == self.fps else max(1, round(self.num_frames * fps / self.fps))

    def resampled_frames(self, frames: np.ndarray, fps: float = FPS) -> "Motion":
        """Frames of what `resample` makes, without making the others. frames: (N,) whole numbers, 0 the first."""
        return self.at(frames * (self.fps / fps), fps)

    def at(self, positions: np.ndarray, fps: float | None = None) -> "Motion":
        """The motion at times between its frames; beyond its ends it stands still.

        positions: (N,) in frames, 0 the first. fps: of the result; that of the motion by default.
        """
        positions = np.clip(positions, 0, self.num_frames - 1)
        before = positions.astype(int)
        return self.mix(before, np.minimum(before + 1, self.num_frames - 1), positions - before, fps)

    def mix(self, first: np.ndarray, second: np.ndarray, weight: np.ndarray, fps: float | None = None) -> "Motion":
        """Frames between frames: rotations by spherical, the rest by linear interpolation.

        first, second: (N,) frames of this motion; weight: (N,) in 0..1 of the second. Where it is 0 the first comes out
        as it is. fps: as in `at`.
        """

        def mixed(array: np.ndarray) -> np.ndarray:
            return array[first] + weight[:, None] * (array[second] - array[first])

        poses = self.poses[first]
        between = np.flatnonzero((weight != 0) & (first != second))
        for start in range(0, len(between), _MIXED_AT_ONCE):
            part = between[start : start + _MIXED_AT_ONCE]
            # In float64, for float32 sheds digits near half a turn.
            ends = (
                torch.from_numpy(self.poses[index[part]].astype(np.float64)).unflatten(-1, (-1, 3))
                for index in (first, second)
            )
            poses[part] = slerp(*ends, torch.from_numpy(weight[part])[:, None, None]).flatten(-2)
        return replace(
            self, poses=poses, expressions=mixed(self.expressions), trans=mixed(self.trans), fps=fps or self.fps
        )

    def betas_in(self, basis: str) -> np.ndarray:
        """(300,) body shape for expressions in a basis: those beyond the tenth mean something in their own alone."""
        if basis == self.expression_basis:
            return self.betas
        return np.where(np.arange(NUM_BETAS) < SHARED_BETAS, self.betas, np.float32(0))

    def frames(self, start_frame: int, end_frame: int) -> "Motion":
        """The frames from `start_frame` to `end_frame`, end exclusive."""
        part = slice(start_frame, end_frame)
        return replace(self, poses=self.poses[part], expressions=self.expressions[part], trans=self.trans[part])


def _check_fps(fps: float) -> None:
    if not isinstance(fps, int | float | np.number) or not (np.isfinite(fps) and 1 <= fps <= 1000):
        raise MotionError(f"{fps} frames per second make no sense; give between 1 and 1000.")


def _numbers(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    array = np.asarray(array)
    if array.dtype.kind not in "fiu":
        raise MotionError(f"{name} holds {array.dtype}; it must hold numbers.")
    with np.errstate(over="ignore"):  # a value beyond float32 becomes infinite and is refused by name
        return np.ascontiguousarray(array, dtype=dtype)


def _text(name: str, array: np.ndarray) -> str:
    if array.dtype.kind not in "US" or array.size != 1:
        raise MotionError(f"{name} must be one piece of text; it is {array.dtype} of shape {array.shape}.")
    value = array.reshape(()).item()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
