"""What the stage shows: takes, each a few files and a body, and their sound."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emage.body.landmarks import (
    INNER_LIPS,
    LEFT_BROW,
    LEFT_EYE,
    NOSE_BASE,
    NOSE_BRIDGE,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
    Landmarks,
)
from emage.errors import EmageError
from emage.ui.components.takes import MAX_CHOSEN
from emage.ui.components.timeline import Media

MAX_BODIES = MAX_CHOSEN
"""More can neither be told apart nor drawn in time."""
EMPTY = {
    "takes": [],
    "bodies": [],
    "sound": None,
    "sounds": [],
    "followed": [],
    "library": None,
    "film": False,
    "plays": False,
    "passing": "",
    "waits": False,
    "goes_back": False,
}

_FEATURES = {
    "right_brow": RIGHT_BROW,
    "left_brow": LEFT_BROW,
    "nose_bridge": NOSE_BRIDGE,
    "nose_base": NOSE_BASE,
    "right_eye": RIGHT_EYE,
    "left_eye": LEFT_EYE,
    "outer_lips": OUTER_LIPS,
    "inner_lips": INNER_LIPS,
}


@dataclass(frozen=True, eq=False)
class StagedBody:
    """A person's body.

    key: of its content; the browser asks for a file once for each, and stores it. file: a GLB of
    `emage.export.gltf.body_glb`. landmarks: vertices. joint_offsets: (K, 55, 3) metres, how far the joints go with each
    of the GLB's expressions.
    """

    key: str
    file: Path
    landmarks: Landmarks
    joint_offsets: np.ndarray

    def to_json(self) -> dict[str, Any]:
        own, face = self.landmarks, self.landmarks.face
        features = {name: face[places].tolist() for name, places in _FEATURES.items()} if len(face) else {}
        landmarks = {"fingertips": own.fingertips.tolist(), "jaw": own.jaw.tolist(), **features}
        heels_and_toes = zip(own.heels.tolist(), own.toes.tolist(), ("left", "right"), strict=True)
        landmarks |= {f"{side}_sole": [heel, toe] for heel, toe, side in heels_and_toes}
        moved = np.argwhere(np.abs(self.joint_offsets).max(2) > 1e-5)
        offsets = [[int(joint), int(face), *self.joint_offsets[face, joint].tolist()] for face, joint in moved]
        return {"key": self.key, "file": _file(self.file), "landmarks": landmarks, "joint_offsets": offsets}


@dataclass(frozen=True, eq=False)
class StagedMotion:
    """Frames as files of `take_file`: of a take that is made already one, of one that is being made one a piece.

    key: of what it shows; files that come later under the same key go on where the earlier ones end.
    """

    key: str
    files: Sequence[Path]


@dataclass(frozen=True, eq=False)
class StagedTake:
    """A take on the stage.

    caption: below the body. motion: of which num_frames are there, of total_frames that there will be. body: that
    shows it. floor_y: metres, where it stands. ghost: the motion that its hints are of, if there are any. number: among
    the user's takes, None for what is none of them. see_through: drawn as a ghost itself, for it is a hint's motion.
    """

    caption: str
    motion: StagedMotion
    body: StagedBody
    num_frames: int
    total_frames: int
    floor_y: float
    ghost: StagedMotion | None = None
    number: int | None = None
    see_through: bool = False

    def to_json(self) -> dict[str, Any]:
        ghost = self.ghost
        return {
            "number": self.number,
            "key": self.motion.key,
            "caption": self.caption,
            "files": [_file(path) for path in self.motion.files],
            "ghost": ghost and {"key": ghost.key, "files": [_file(path) for path in ghost.files]},
            "body": self.body.key,
            "num_frames": self.num_frames,
            "total_frames": self.total_frames,
            "floor_y": self.floor_y,
            "see_through": self.see_through,
        }


def build_value(
    takes: Sequence[StagedTake],
    sound: Path | None,
    sounds: Sequence[tuple[str, Path]],
    library: dict[str, Path] | None,
    followed: Sequence[Media],
    film: bool,
    plays: bool,
    passing: str,
) -> dict[str, Any]:
    """As JSON, with files as Gradio sends them.

    Raises:
        EmageError: too many takes.
    """
    if not takes:
        return EMPTY
    if len(takes) > MAX_BODIES:
        raise EmageError(f"{len(takes)} bodies are too many for the stage; choose up to {MAX_BODIES}.")
    bodies = {take.body.key: take.body for take in takes}
    return {
        "takes": [take.to_json() for take in takes],
        "bodies": [body.to_json() for body in bodies.values()],
        "sound": None if sound is None else _file(sound),
        "sounds": [{"label": label, "file": _file(path)} for label, path in sounds],
        "followed": [{"selector": each.selector, "start_frame": each.start_frame} for each in followed],
        "library": _library(library),
        "film": film,
        "plays": plays,
        "passing": passing,
        "waits": False,
        "goes_back": False,
    }


def expect_body(body: StagedBody, library: dict[str, Path] | None) -> dict[str, Any]:
    """As JSON: no take, and what takes will need."""
    return EMPTY | {"bodies": [body.to_json()], "library": _library(library)}


def _library(files: dict[str, Path] | None) -> dict[str, Any] | None:
    return files and {name: _file(path) for name, path in files.items()}


def _file(path: Path) -> dict[str, Any]:
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}
