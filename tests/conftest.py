"""Fixtures that several test files share."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# Before huggingface_hub reads them: no test depends on a network or on what this machine's cache has. Those of the Hub
# talk to a server of their own. Nothing is ever written to that folder.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = os.path.join(tempfile.gettempdir(), f"emage-tests-{uuid.uuid4().hex}")

import numpy as np
import pytest
import soundfile

from emage.body import Body
from emage.body.model import STAND_IN_FILE
from emage.motion import Motion
from emage.pipeline import EmagePipeline

if TYPE_CHECKING:
    from tests.app_server import App

ROOT = Path(__file__).resolve().parent.parent
REGRESSION = ROOT / "tests" / "regression"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference outputs and recordings that lies beside the project where its makers work."""
    folder = Path(os.environ.get("EMAGE_SHARED", ROOT.parent / "shared"))
    if not (folder / "parity" / "checkpoint").is_dir():
        pytest.skip("reference material is not here; EMAGE_SHARED names its folder")
    return folder


@pytest.fixture(scope="session")
def tiny() -> EmagePipeline:
    """A pipeline of the released architecture at a hundredth of its width, with committed random weights."""
    return EmagePipeline.from_pretrained(REGRESSION, device="cpu")


@pytest.fixture(scope="session")
def body() -> Body:
    """The stand-in."""
    return Body.from_file(STAND_IN_FILE)


@pytest.fixture(scope="session")
def speech() -> np.ndarray:
    """4.5 s of syllable-like noise bursts at 16 kHz, (72000,) float32."""
    return make_speech(72000)


TALK_FRAMES = 45


@pytest.fixture(scope="session")
def talk(tmp_path_factory) -> Path:
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
