"""The first start with a network: the published weights and the matrix of faces come from the Hub (a loopback server,
the real client), and the face on the stand-in speaks."""

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import safetensors.torch
import soundfile
import torch
from playwright.sync_api import expect, sync_playwright

from emage.body import Body
from emage.body.face import PUBLISHED_FACES, FaceMap, FaceMapLoader
from emage.body.model import STAND_IN_FILE
from emage.hub import DEFAULT_REPO, DEFAULT_REVISION
from emage.models.checkpoint import CONFIG_NAME, WEIGHTS_NAMES
from emage.motion import FLAME2020, Motion
from emage.render.frames import render_frames
from emage.render.scene import Actor
from emage.render.settings import RenderSettings
from tests.body.test_face import synthetic_matrix
from tests.browser.app_server import free_port, wait_for
from tests.browser.test_app import faultless_page, installed_browser, save, upload
from tests.conftest import REGRESSION, ROOT, make_speech
from tests.fake_hub import API, RESOLVE, FakeHub

SIZE_PX = 256

SERVER = """
import signal, sys
from dataclasses import replace
from app import create_app
from emage.body.face import PUBLISHED_FACES, loader_of
from emage.pipeline import EmagePipeline
from emage.ui.studio import PageSettings

port, sha256, size = sys.argv[1:]
faces = loader_of(replace(PUBLISHED_FACES, sha256=sha256))
pipeline = EmagePipeline.from_pretrained(device="cpu", face_maps=faces)
signal.signal(signal.SIGTERM, signal.default_int_handler)
create_app(pipeline, PageSettings(max_duration_s=60, size=int(size))).launch(
    server_port=int(port), quiet=True, ssr_mode=False
)
"""


def matrix_file() -> bytes:
    """Of the published shape, by no means the published one; large enough that tiny weights move every action."""
    stream = io.BytesIO()
    np.save(stream, synthetic_matrix())
    return stream.getvalue()


def weights_files() -> dict[str, bytes]:
    """The tiny weights in the published layout, but for the ends of their decoders: the body stands, the jaw is shut,
    and the face speaks through its expressions alone, which are as large as a person's."""
    paths = (path for path in REGRESSION.rglob("*") if path.name in (CONFIG_NAME, *WEIGHTS_NAMES))
    files = {path.relative_to(REGRESSION).as_posix(): path.read_bytes() for path in paths}
    for network, turns in (("face", 6), ("upper", 78), ("hands", 180), ("lower", 54), ("global", 0)):
        name = f"emage_vq/{network}/{WEIGHTS_NAMES[0]}"
        state = safetensors.torch.load(files[name])
        last = max((key for key in state if key.startswith("decoder.main.")), key=lambda key: int(key.split(".")[2]))
        weight, bias = (state[f"{last.rsplit('.', 1)[0]}.{part}"] for part in ("weight", "bias"))
        still = 6 if network == "face" else len(bias)
        weight[:still], bias[:still] = 0, 0
        weight *= 60
        bias[:turns] = torch.tensor([1.0, 0, 0, 0, 1, 0]).repeat(turns // 6)
        files[name] = safetensors.torch.save(state)
    return files


@dataclass(frozen=True)
class Start:
    """A page that was just started, with a cache in `home` that was empty, and the Hub that it asked."""

    url: str
    hub: FakeHub
    home: Path


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Iterator[Start]:
    folder = tmp_path_factory.mktemp("first-start")
    matrix, port = matrix_file(), free_port()
    tools = {f"datasets/{PUBLISHED_FACES.repo_id}": {PUBLISHED_FACES.filename: matrix}}
    unwanted = ("HF_", "HUGGINGFACE", "SMPLX_", "EMAGE_")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(unwanted)}
    with FakeHub({DEFAULT_REPO: weights_files(), **tools}, DEFAULT_REVISION) as hub:
        own = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(folder / "hf"),
            "GRADIO_TEMP_DIR": str(folder / "uploads"),
            "GRADIO_ANALYTICS_ENABLED": "0",
        }
        command = [sys.executable, "-c", SERVER, str(port), hashlib.sha256(matrix).hexdigest(), str(SIZE_PX)]
        log = folder / "server.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(command, cwd=ROOT, env=clean | own, stderr=stream)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(url, process, log)
            yield Start(url, hub, folder / "hf")
        finally:
            process.terminate()
            process.wait(timeout=30)


def frames_of(video: Path) -> np.ndarray:
    """(T, H, W, 3) uint8."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", video, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    pixels = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(pixels, np.uint8).reshape(-1, SIZE_PX, SIZE_PX, 3)


@pytest.mark.browser
def test_a_first_start_gives_a_speaking_face(start, tmp_path):
    soundfile.write(tmp_path / "talk.wav", make_speech(32000), 16000)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed_browser(), args=flags)
        with faultless_page(browser, start.url) as page:
            expect(page.locator("#notes")).to_contain_text(f"Weights: {DEFAULT_REPO}")
            expect(page.locator("#notes")).not_to_contain_text("the jaw alone")
            upload(page, tmp_path / "talk.wav", "2.00 s")
            page.get_by_text("Weights, speaker, picture").click()
            page.locator("#camera").get_by_text("Face", exact=True).click()
            page.click("#generate")
            expect(page.locator("#details")).to_contain_text("2.0 s of speech, 60 frames", timeout=60_000)
            motion = Motion.load(save(page, "#npz", tmp_path / "talk.npz"))
            film = frames_of(save(page, "#mp4", tmp_path / "talk.mp4"))
        browser.close()

    assert motion.expression_basis == FLAME2020
    assert len(film) == motion.num_frames == 60
    assert_face_moves(film, motion)
    asked = [seen.path for kind in (API, RESOLVE) for seen in start.hub.of_kind(kind)]
    assert any(PUBLISHED_FACES.filename in path for path in asked)
    known = (DEFAULT_REPO, PUBLISHED_FACES.repo_id)
    assert [path for path in asked if not any(repo in path for repo in known)] == []  # so nothing of SMPL-X's


def assert_face_moves(film: np.ndarray, motion: Motion) -> None:
    """All of the face moves, by its expressions alone, and the film shows just that: nothing else moves in it."""
    body = Body.from_file(STAND_IN_FILE, face_maps=FaceMapLoader(known=FaceMap(synthetic_matrix())))
    mute = replace(motion, expressions=np.zeros_like(motion.expressions))
    face = body.landmarks.face
    assert np.ptp(body.points(motion, face), axis=0).max(axis=1).min() > 1e-4
    np.testing.assert_allclose(np.ptp(body.points(mute, face), axis=0), 0, atol=1e-6)
    settings = RenderSettings(camera="face", panel_width=SIZE_PX, panel_height=SIZE_PX)
    drawn = np.stack(list(render_frames([Actor(body, motion)], settings)))
    change, wanted = (each.mean(3) - each.mean(3).mean(0) for each in (film, drawn))
    assert np.corrcoef(change.ravel(), wanted.ravel())[0, 1] > 0.8


def test_later_without_a_network_the_cache_serves(start):
    """The same cache and no Hub: the matrix is there, and nobody waits."""
    script = """
import sys, time
from dataclasses import replace
from emage.body.face import PUBLISHED_FACES, loader_of
begun = time.monotonic()
loader_of(replace(PUBLISHED_FACES, sha256=sys.argv[1])).load()
print(time.monotonic() - begun < 2)
"""
    env = os.environ | {"HF_HOME": str(start.home), "HF_HUB_OFFLINE": "1"}
    sha256 = hashlib.sha256(matrix_file()).hexdigest()
    ran = subprocess.run([sys.executable, "-c", script, sha256], cwd=ROOT, env=env, capture_output=True, text=True)
    assert (ran.stdout, ran.returncode) == ("True\n", 0), ran.stderr
