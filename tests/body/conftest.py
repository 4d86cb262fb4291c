"""Faces in both bases, and a map between them like the published one."""

from pathlib import Path

import numpy as np
import pytest

from emage.body.face import (
    MATRIX_ACTIONS,
    FaceMap,
    FaceMapLoader,
    FaceSource,
)
from emage.motion import ARKIT52, FLAME2020, Motion
from emage.motion.skeleton import ARKIT_ACTIONS, JAW_JOINT

JAW = slice(3 * JAW_JOINT, 3 * JAW_JOINT + 3)
COLUMNS = [ARKIT_ACTIONS.index(action) for action in MATRIX_ACTIONS]
# As the module's docstring states them:
RESTS = [0.6 if action.startswith("eyeLook") else 0.3 for action in MATRIX_ACTIONS]
SMOOTHNESS = 1.0


@pytest.fixture
def no_maps() -> FaceMapLoader:
    """From where there is none."""
    return FaceMapLoader(FaceSource("team/none", "none.npy", "0" * 64))


@pytest.fixture(scope="session")
def published(shared) -> Path:
    folder = shared / "data"
    if not (folder / "published" / "mat_final.npy").is_file():
        pytest.skip("the published matrix is not among the reference material")
    return folder


@pytest.fixture(scope="session")
def published_map(published) -> FaceMap:
    return FaceMap.from_file(published / "published" / "mat_final.npy")


def waving_weights(frames: int, seed: int = 0) -> np.ndarray:
    """(T, 51) in the matrix's order, slow waves between 0 and 1, some of which stop at the bounds."""
    rng = np.random.default_rng(seed)
    frequency, phase = rng.uniform(0.2, 1.5, 51), rng.uniform(0, 2 * np.pi, 51)
    waves = 0.4 + 0.6 * np.sin(2 * np.pi * frequency * np.arange(frames)[:, None] / 30 + phase)
    return np.clip(waves, 0, 1)


def arkit_motion(weights: np.ndarray, turn: np.ndarray | None = None) -> Motion:
    """weights: (T, 51) in the matrix's order. turn: (T, 3) of the jaw."""
    poses, expressions = np.zeros((len(weights), 165)), np.zeros((len(weights), 100))
    expressions[:, COLUMNS] = weights
    if turn is not None:
        poses[:, JAW] = turn
    return Motion(poses, expressions, np.zeros((len(weights), 3)), np.zeros(300), expression_basis=ARKIT52)


def flame_motion(face_map: FaceMap, frames: int = 60, seed: int = 0) -> Motion:
    return face_map.convert(arkit_motion(waving_weights(frames, seed)), FLAME2020)
