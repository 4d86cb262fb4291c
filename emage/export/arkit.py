"""Faces as ARKit's weights: the CSV of Epic's app Live Link Face, and JSON; written, and read as a motion for hints.

CSV: 61 values a frame after its timecode: 52 actions, 0 to 1, then yaw, pitch and roll of the head and of each eye in
radians. Of the head it is how neck and head turn against the chest, so that it adds nothing to a body that moves by
itself; of the eyes it is how their joints turn, which is not at all in what the networks make: the gaze is in the
actions eyeLook. Yaw is positive to the person's own left, pitch downwards, roll to their own right.

JSON: {"fps", "names": 52, "frames": [{"time", "weights": 52}]}, names and order as Apple has them.

The mouth of a motion opens by joint 22 or by actions. Here actions alone count, so what joint 22 turns is added to
jawOpen, of which 1 is like 0.29 rad, and to jawLeft or jawRight, by how far each takes the lower jaw aside on the
stand-in. Nothing that a turn does is like jawForward: that comes from expressions alone.
"""

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pydantic
import torch
from pydantic import Field

from emage.body.face import FaceMapLoader
from emage.errors import MotionError
from emage.motion import ARKIT52, FPS, Motion
from emage.motion.rotations import axis_angle_to_matrix
from emage.motion.skeleton import (
    ARKIT_ACTIONS,
    EYE_JOINTS,
    HEAD_JOINT,
    JAW_OPEN_RAD,
    NUM_BETAS,
    NUM_EXPRESSIONS,
    NUM_JOINTS,
    POSE_CHANNELS,
)
from emage.validation import say

NECK_JOINT = 12
JAW_SIDE_PER_RAD = np.array([0.0, 10.33, 7.03])
"""Of jawLeft, for a turn of joint 22 about x, y and z: both take the lower jaw as far aside."""

_COLUMNS = (
    *(f"{name[0].upper()}{name[1:]}" for name in ARKIT_ACTIONS),
    *(f"{what}{turn}" for what in ("Head", "LeftEye", "RightEye") for turn in ("Yaw", "Pitch", "Roll")),
)
_SWAPPED = {"JawLeft": "JawRight", "JawRight": "JawLeft", "MouthLeft": "MouthRight", "MouthRight": "MouthLeft"}
"""The app writes these two pairs the other way round; some readers go by the columns' order."""
CSV_COLUMNS: tuple[str, ...] = tuple(_SWAPPED.get(name, name) for name in _COLUMNS)
"""The 61 after Timecode and BlendShapeCount, in the app's order."""

_ACTION_OF = {name.lower(): i for i, name in enumerate(ARKIT_ACTIONS)}
_RATES = (24, 25, 30, 48, 50, 60, 90, 100, 120)
_LEAST_ACTIONS = 10
_MAX_BYTES = 1 << 28
_CSV_DECIMALS, _JSON_DECIMALS = 6, 4


def arkit_weights(motion: Motion, face_maps: FaceMapLoader) -> np.ndarray:
    """(T, 52) float64 in 0..1, in the order of `ARKIT_ACTIONS`.

    Raises:
        BodyError: the face is in another basis, and the map cannot be had.
    """
    face = face_maps.face(motion, ARKIT52)
    weights = face.expressions[:, : len(ARKIT_ACTIONS)].copy()
    aside = face.jaw @ JAW_SIDE_PER_RAD
    for action, strength in {"jawOpen": face.jaw[:, 0] / JAW_OPEN_RAD, "jawLeft": aside, "jawRight": -aside}.items():
        weights[:, ARKIT_ACTIONS.index(action)] += np.maximum(strength, 0)
    return np.clip(weights, 0, 1)


def turns(motion: Motion) -> np.ndarray:
    """(T, 9) radians: yaw, pitch and roll of neck and head together, of the left eye, and of the right one."""
    poses = torch.from_numpy(motion.poses.reshape(-1, NUM_JOINTS, 3).astype(np.float64))
    matrices = axis_angle_to_matrix(poses[:, [NECK_JOINT, HEAD_JOINT, *EYE_JOINTS]]).numpy()
    head = matrices[:, 0] @ matrices[:, 1]
    return np.concatenate([_yaw_pitch_roll(each) for each in (head, matrices[:, 2], matrices[:, 3])], axis=1)


def arkit_csv(motion: Motion, face_maps: FaceMapLoader) -> str:
    """As Live Link Face writes it, from timecode 0. Raises as `arkit_weights`."""
    values = np.concatenate([arkit_weights(motion, face_maps), turns(motion)], axis=1)
    values = values[:, [_COLUMNS.index(name) for name in CSV_COLUMNS]]
    lines = [",".join(("Timecode", "BlendShapeCount", *CSV_COLUMNS))]
    row = ",".join([f"%.{_CSV_DECIMALS}f"] * len(CSV_COLUMNS))
    for frame, numbers in enumerate((np.round(values, _CSV_DECIMALS) + 0.0).tolist()):
        lines.append(f"{_timecode(frame, round(motion.fps))},{len(CSV_COLUMNS)},{row % tuple(numbers)}")
    return "\n".join(lines) + "\n"


def arkit_json(motion: Motion, face_maps: FaceMapLoader) -> str:
    """Raises as `arkit_weights`."""
    weights = np.round(arkit_weights(motion, face_maps), _JSON_DECIMALS) + 0.0
    frames = [
        json.dumps({"time": round(frame / motion.fps, _JSON_DECIMALS), "weights": numbers}, separators=(",", ":"))
        for frame, numbers in enumerate(weights.tolist())
    ]
    head = json.dumps({"fps": motion.fps, "names": ARKIT_ACTIONS})
    return f'{head[:-1]}, "frames": [\n' + ",\n".join(frames) + "\n]}\n"


def load_motion(path: str | Path) -> Motion:
    """A motion for hints: an npz as `Motion.load` reads it, or a face in ARKit's weights as `load_arkit` does."""
    return load_arkit(path) if Path(path).suffix.lower() in (".csv", ".json") else Motion.load(path)


def load_arkit(path: str | Path) -> Motion:
    """A face from Live Link Face's CSV, or from JSON as above; the body is at rest, and so are head and eyes' joints.

    Frames that the app has lost are filled from their neighbours. Weights beyond 0..1 are cut. What the mouth does is
    in the actions, jawOpen among them.

    Raises:
        MotionError: not there, of another form, or values that are no numbers.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise MotionError(f"{path.name} has {path.stat().st_size / 1e6:.0f} MB, too much for a face.")
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise MotionError(f"{path}: the face cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise MotionError(
            f"{path.name} is no text in UTF-8. Give the CSV of Live Link Face as the app wrote it."
        ) from error
    names, times_s, weights, fps = _read_json(path, text) if path.suffix.lower() == ".json" else _read_csv(path, text)
    places = [_ACTION_OF.get(name.strip().lower()) for name in names]
    if sum(place is not None for place in places) < _LEAST_ACTIONS:
        raise MotionError(f"{path.name} names none of ARKit's actions, such as eyeBlinkLeft or jawOpen.")
    if not np.isfinite(weights).all() or not np.isfinite(times_s).all():
        raise MotionError(f"{path.name} holds a value that is no number.")
    if (np.diff(times_s) <= 0).any():
        frame = int(np.argmax(np.diff(times_s) <= 0)) + 1
        raise MotionError(f"{path.name}: frame {frame} is not later than the one before it.")
    num_frames = round((times_s[-1] - times_s[0]) * fps) + 1
    if num_frames > 100 * len(times_s) + 100:
        raise MotionError(f"{path.name}: {len(times_s)} frames are spread over {times_s[-1] - times_s[0]:.0f} s.")
    moments = times_s[0] + np.arange(num_frames) / fps
    expressions = np.zeros((num_frames, NUM_EXPRESSIONS))
    for place, column in zip(places, weights.T, strict=True):
        if place is not None:
            expressions[:, place] = np.interp(moments, times_s, np.clip(column, 0, 1))
    poses, trans = np.zeros((num_frames, POSE_CHANNELS)), np.zeros((num_frames, 3))
    return Motion(poses, expressions, trans, np.zeros(NUM_BETAS), fps=fps, expression_basis=ARKIT52)


def _read_csv(path: Path, text: str) -> tuple[Sequence[str], np.ndarray, np.ndarray, float]:
    """Names of the columns, times (T,) in seconds, weights (T, columns), frames per second."""
    try:
        rows = [row for row in csv.reader(io.StringIO(text)) if row]
    except csv.Error as error:
        raise MotionError(f"{path.name} is damaged: a line cannot be read ({error}).") from error
    if not rows or [name.strip().lower() for name in rows[0][:2]] != ["timecode", "blendshapecount"]:
        raise MotionError(
            f"{path.name} does not begin with Timecode,BlendShapeCount,... Give the CSV of Live Link Face as the app "
            "wrote it."
        )
    names = rows[0][2:]
    codes, weights = [], []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) >= 2 and row[1].strip() == "0":  # the app saw no face
            continue
        if len(row) != len(rows[0]):
            raise MotionError(f"{path.name}: row {number} has {len(row)} columns; the first has {len(rows[0])}.")
        codes.append(_read_timecode(path, number, row[0]))
        try:
            weights.append([float(cell) for cell in row[2:]])
        except ValueError as error:
            raise MotionError(f"{path.name}, row {number}: a value is no number ({error}).") from error
    if not codes:
        raise MotionError(f"{path.name} holds no frame with a face.")
    seconds, frames = np.array(codes).T
    fps = _guess_rate(seconds, frames)
    return names, seconds + frames / fps, np.array(weights), float(fps)


def _read_timecode(path: Path, number: int, code: str) -> tuple[float, float]:
    """HH:MM:SS:FF.fraction -> whole seconds, and frames within the second."""
    parts = code.split(":")
    try:
        hours, minutes, seconds, frames = (float(part) for part in parts)
        if not all(math.isfinite(value) and 0 <= value < 1000 for value in (hours, minutes, seconds, frames)):
            raise ValueError
    except ValueError as error:
        raise MotionError(
            f"{path.name}, row {number}: '{code[:30]}' is no timecode such as 00:00:01:12.000."
        ) from error
    return 3600 * hours + 60 * minutes + seconds, frames


def _guess_rate(seconds: np.ndarray, frames: np.ndarray) -> int:
    """Frames per second of timecodes, which do not say it: the frames of a second go from 0 to one less than that."""
    highest = int(frames.max())
    known = _RATES if seconds.min() < seconds.max() else (FPS, 60, 120)
    return next((rate for rate in known if highest < rate), highest + 1)


class _Frame(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, allow_inf_nan=False)
    time: float
    weights: list[float]


class _Face(pydantic.BaseModel):
    """Also BEAT's own files, which have other fields besides."""

    model_config = pydantic.ConfigDict(strict=True, allow_inf_nan=False)
    names: list[str]
    frames: Annotated[list[_Frame], Field(min_length=1)]


def _read_json(path: Path, text: str) -> tuple[Sequence[str], np.ndarray, np.ndarray, float]:
    """As `_read_csv`."""
    try:
        face = _Face.model_validate_json(text)
    except pydantic.ValidationError as error:
        raise MotionError(say(error, f"{path.name}:")) from error
    for number, frame in enumerate(face.frames, start=1):
        if len(frame.weights) != len(face.names):
            raise MotionError(
                f"{path.name}: frame {number} has {len(frame.weights)} weights for {len(face.names)} names."
            )
    times_s = np.array([frame.time for frame in face.frames])
    step_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1 / FPS
    if not step_s > 0:
        raise MotionError(f"{path.name}: its frames have no times that go on.")
    return face.names, times_s, np.array([frame.weights for frame in face.frames]), _round_rate(1 / step_s)


def _round_rate(fps: float) -> float:
    """Times are rounded: what is nearly a whole number of frames a second is that."""
    return float(round(fps)) if abs(fps - round(fps)) < 0.01 * fps else fps


def _yaw_pitch_roll(matrices: np.ndarray) -> np.ndarray:
    """(T, 3, 3) -> (T, 3) radians: first about y, then about the new x, then about the new z."""
    pitch = np.arcsin(np.clip(-matrices[:, 1, 2], -1, 1))
    yaw = np.arctan2(matrices[:, 0, 2], matrices[:, 2, 2])
    roll = np.arctan2(matrices[:, 1, 0], matrices[:, 1, 1])
    return np.stack([yaw, pitch, roll], axis=1)


def _timecode(frame: int, fps: int) -> str:
    seconds, frames = divmod(frame, fps)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:{frames:02}.000"
