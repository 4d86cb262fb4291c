"""Fixtures and helpers that several test files share."""

import os
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

# Before huggingface_hub reads them: no test depends on a network or on what this machine's cache has. Those of the Hub
# talk to a server of their own. Nothing is ever written to that folder.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = os.path.join(tempfile.gettempdir(), f"emage-tests-{uuid.uuid4().hex}")

import numpy as np
import pytest
import soundfile
from scipy.spatial.transform import Rotation

from emage.body import Body
from emage.body.face import MATRIX_ACTIONS, FaceMap, FaceMapLoader
from emage.body.model import STAND_IN_FILE
from emage.cli.main import main
from emage.models.checkpoint import NETWORK_FOLDERS, load_generator, load_networks
from emage.motion import ARKIT52, FLAME2020, Motion
from emage.motion.skeleton import ARKIT_ACTIONS, JOINT_NAMES, PART_JOINTS
from emage.pipeline import EmagePipeline
from emage.recording.vocabulary import Vocabulary

if TYPE_CHECKING:
    from tests.app_server import App

ROOT = Path(__file__).resolve().parent.parent
REGRESSION = ROOT / "tests" / "regression"
TINY_PAPER = ROOT / "tests" / "parity" / "tiny"


class Stop(Exception):
    """Of a test's own, raised to stop some work."""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference outputs and recordings that lies beside the project where its makers work."""
    folder = Path(os.environ.get("EMAGE_SHARED", ROOT.parent / "shared"))
    if not (folder / "parity" / "checkpoint").is_dir():
        pytest.skip("reference material is not here; EMAGE_SHARED names its folder")
    return folder


@pytest.fixture(scope="session")
def tiny(body) -> EmagePipeline:
    """A pipeline of the released architecture at a hundredth of its width, with committed random weights."""
    pipe = EmagePipeline.from_pretrained(REGRESSION, device="cpu")
    pipe.body = body
    return pipe


@pytest.fixture(scope="session")
def body() -> Body:
    """The stand-in."""
    return Body.from_file(STAND_IN_FILE)


@pytest.fixture(scope="session")
def matrix() -> np.ndarray:
    """Like the published one: actions that overlap, of sizes from 2 to 18, whose jaw turns by a tenth at most."""
    rng = np.random.default_rng(0)
    shared, own = rng.standard_normal((51, 12)) @ rng.standard_normal((12, 100)), rng.standard_normal((51, 100))
    expressions = shared / 4 + own / 2
    expressions *= rng.uniform(2, 18, (51, 1)) / np.linalg.norm(expressions, axis=1, keepdims=True)
    jaw = 0.01 * rng.standard_normal((51, 3))
    jaw[MATRIX_ACTIONS.index("jawOpen")] = (0.1, 0, 0)
    return np.concatenate([expressions, jaw], axis=1).astype(np.float32)


@pytest.fixture(scope="session")
def face_map(matrix) -> FaceMap:
    return FaceMap(matrix)


@pytest.fixture(scope="session")
def speaking_body(face_map) -> Body:
    """The stand-in, with the synthetic map at hand."""
    return Body.from_file(STAND_IN_FILE, face_maps=FaceMapLoader(known=face_map))


@pytest.fixture(scope="session")
def arrays() -> dict[str, np.ndarray]:
    """Of the stand-in's file."""
    with np.load(STAND_IN_FILE, allow_pickle=False) as archive:
        return dict(archive)


@pytest.fixture(scope="session")
def speech() -> np.ndarray:
    """4.5 s of syllable-like noise bursts at 16 kHz, (72000,) float32."""
    return make_speech(72000)


@pytest.fixture
def talk(tmp_path, speech) -> Path:
    """talk.wav of that."""
    soundfile.write(tmp_path / "talk.wav", speech, 16000, subtype="FLOAT")
    return tmp_path / "talk.wav"


@pytest.fixture
def emage(monkeypatch) -> Callable[..., int]:
    """Runs `python -m emage …` and gives its exit code."""

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["emage", *map(str, arguments)])
        try:
            main()
        except SystemExit as end:
            return end.code or 0
        return 0

    return run


TALK_FRAMES = 45


@pytest.fixture(scope="session")
def short_talk(tmp_path_factory) -> Path:
    """A file with 1.5 s of speech."""
    path = tmp_path_factory.mktemp("audio") / "talk.wav"
    soundfile.write(path, make_speech(TALK_FRAMES * 1600 // 3), 16000)
    return path


@pytest.fixture(scope="session")
def app(tiny, tmp_path_factory) -> Iterator["App"]:
    """The page with tiny weights; all tests share it."""
    from tests.app_server import serve_here  # Gradio takes a second

    with serve_here(tiny, tmp_path_factory.mktemp("uploads")) as app:
        yield app


_KNOWN = "hello and welcome i am a voice so give me body my arms may open wide hands count to three"
"""Words of the first example; the weights have embeddings for more."""


@pytest.fixture(scope="session")
def wordy(app, body) -> str:
    """The name of tiny weights that hear words, which the page offers beside its own."""
    _, codec = load_networks({name: TINY_PAPER / folder for name, folder in NETWORK_FOLDERS.items()})
    words = (_KNOWN.split() + [f"other{number}" for number in range(56)])[:56]
    pipeline = EmagePipeline(load_generator(TINY_PAPER / "text"), codec, vocabulary=Vocabulary.of(words))
    pipeline.body = body
    app.weights["wordy"] = lambda progress: pipeline
    return "wordy"


def make_speech(num_samples: int, seed: int = 0) -> np.ndarray:
    """Noise, voiced at 120 Hz and opened four times a second."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(num_samples) / 16000
    envelope = np.clip(np.sin(2 * np.pi * 4 * time_s), 0, None)
    voice = np.sign(np.sin(2 * np.pi * 120 * time_s)) + 0.3 * rng.standard_normal(num_samples)
    return (0.2 * envelope * voice).astype(np.float32)


def make_motion(num_frames: int, seed: int = 0, fps: float = 30, reach: float = 0.5) -> Motion:
    """Smooth random motion: sums of slow sines, up to `reach` radians and metres."""
    rng = np.random.default_rng(seed)

    def waves(channels: int) -> np.ndarray:
        frequency, phase = rng.uniform(0.1, 1.0, channels), rng.uniform(0, 2 * np.pi, channels)
        return reach * np.sin(2 * np.pi * frequency * np.arange(num_frames)[:, None] / fps + phase)

    return Motion(poses=waves(165), expressions=waves(100), trans=waves(3), betas=rng.standard_normal(300), fps=fps)


def rest(
    num_frames: int = 1,
    trans: np.ndarray | None = None,
    actions: dict[str, float] | None = None,
    betas: np.ndarray | None = None,
    basis: str | None = None,
    **joints: object,
) -> Motion:
    """At rest but for some joints, by their names, turned by (3,) or (T, 3) axis-angles, and a way (T, 3).

    actions: of ARKit, by their names; where they are given, be it none, the face is in that basis.
    """
    poses, expressions = np.zeros((num_frames, 55, 3)), np.zeros((num_frames, 100))
    for name, turn in joints.items():
        poses[:, JOINT_NAMES.index(name)] = turn
    for action, strength in (actions or {}).items():
        expressions[:, ARKIT_ACTIONS.index(action)] = strength
    return Motion(
        poses.reshape(num_frames, 165),
        expressions,
        np.zeros((num_frames, 3)) if trans is None else trans,
        np.zeros(300) if betas is None else betas,
        expression_basis=basis or (FLAME2020 if actions is None else ARKIT52),
    )


def angles_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Poses (T, J*3) twice -> (T, J) radians, by scipy."""
    turn = Rotation.from_rotvec(first.reshape(-1, 3)).inv() * Rotation.from_rotvec(second.reshape(-1, 3))
    return turn.magnitude().reshape(len(first), -1)


def channels_of(part: str) -> list[int]:
    """Of a part's joints in poses (T, 165)."""
    return [3 * joint + i for joint in PART_JOINTS[part] for i in range(3)]


def assert_same_motion(made: Motion, expected: Motion) -> None:
    """To the last bit."""
    for name in ("poses", "expressions", "trans", "betas"):
        np.testing.assert_array_equal(getattr(made, name), getattr(expected, name), err_msg=name)


def asks(pipe: EmagePipeline, monkeypatch: pytest.MonkeyPatch, **sampling: object) -> None:
    """Let the weights of a pipeline ask for another sampling, till the test ends."""
    monkeypatch.setattr(pipe, "sampling", replace(pipe.sampling, **sampling))
