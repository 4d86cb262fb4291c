"""The page served by a process of its own: its first start with a network, eight users at once, and `python app.py`.

At the first start the published weights and the matrix of faces come from the Hub (a loopback server, the real client),
and the face on the stand-in speaks.
"""

import hashlib
import io
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import safetensors.torch
import soundfile
import torch
from gradio_client import Client, handle_file
from playwright.sync_api import expect

from emage.body import Body
from emage.body.face import PUBLISHED_FACES
from emage.hub import DEFAULT_REPO, DEFAULT_REVISION
from emage.models.checkpoint import CONFIG_NAME, WEIGHTS_NAMES
from emage.motion import FLAME2020, Motion
from emage.motion.skeleton import PART_JOINTS
from emage.render.frames import render_frames
from emage.render.scene import Actor
from emage.render.settings import RenderSettings
from tests.app_server import QUICK, Caller, Server, find_files, name_file, run_page, run_server, wait_until
from tests.browser.page import open_page, save, upload
from tests.conftest import REGRESSION, ROOT, make_motion, make_speech
from tests.fake_hub import API, RESOLVE, FakeHub

SIZE_PX = 256
USERS = 8


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

    server: Server
    hub: FakeHub
    home: Path


@pytest.fixture(scope="module")
def matrix_file(matrix) -> bytes:
    """Of the published shape, by no means the published one; large enough that tiny weights move every action."""
    stream = io.BytesIO()
    np.save(stream, matrix)
    return stream.getvalue()


@pytest.fixture(scope="module")
def start(matrix_file, tmp_path_factory) -> Iterator[Start]:
    folder = tmp_path_factory.mktemp("first-start")
    tools = {f"datasets/{PUBLISHED_FACES.repo_id}": {PUBLISHED_FACES.filename: matrix_file}}
    sha256 = hashlib.sha256(matrix_file).hexdigest()
    with (
        pytest.MonkeyPatch.context() as patch,
        FakeHub({DEFAULT_REPO: weights_files(), **tools}, DEFAULT_REVISION) as hub,
    ):
        for name in os.environ:
            if name.startswith(("HF_", "HUGGINGFACE", "SMPLX_", "EMAGE_")):
                patch.delenv(name)
        own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "hf")}
        with run_page(folder, "", 0.5, SIZE_PX, sha256, **own) as server:
            yield Start(server, hub, folder / "hf")


# --- the first start --------------------------------------------------------------------------------------------------


def frames_of(video: Path) -> np.ndarray:
    """(T, H, W, 3) uint8."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", video, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    pixels = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(pixels, np.uint8).reshape(-1, SIZE_PX, SIZE_PX, 3)


@pytest.mark.slow
def test_a_first_start_gives_a_speaking_face(browser, start, speaking_body, short_talk, tmp_path):
    with open_page(browser, start.server.url) as page:
        expect(page.locator("#notes")).to_contain_text(f"Weights: {DEFAULT_REPO}")
        expect(page.locator("#notes")).not_to_contain_text("the jaw alone")
        upload(page, short_talk)
        page.get_by_text("Weights, speaker, picture").click()
        page.locator("#camera").get_by_text("Face", exact=True).click()
        page.click("#generate")
        expect(page.locator("#details")).to_contain_text("1.5 s of speech, 45 frames")
        motion = Motion.load(save(page, "#npz", tmp_path / "talk.npz"))
        page.click("#result-stage [data-tool=film]")
        film = frames_of(save(page, "#mp4", tmp_path / "talk.mp4"))

    assert motion.expression_basis == FLAME2020
    assert len(film) == motion.num_frames == 45
    assert_face_moves(film, motion, speaking_body)
    asked = [seen.path for kind in (API, RESOLVE) for seen in start.hub.of_kind(kind)]
    assert any(PUBLISHED_FACES.filename in path for path in asked)
    known = (DEFAULT_REPO, PUBLISHED_FACES.repo_id)
    assert [path for path in asked if not any(repo in path for repo in known)] == []  # so nothing of SMPL-X's


def assert_face_moves(film: np.ndarray, motion: Motion, body: Body) -> None:
    """All of the face moves, by its expressions alone, and the film shows just that: nothing else moves in it."""
    mute = replace(motion, expressions=np.zeros_like(motion.expressions))
    face = body.landmarks.face
    assert np.ptp(body.points(motion, face), axis=0).max(axis=1).min() > 1e-4
    np.testing.assert_allclose(np.ptp(body.points(mute, face), axis=0), 0, atol=1e-6)
    settings = RenderSettings(camera="face", panel_width=SIZE_PX, panel_height=SIZE_PX)
    drawn = np.stack(list(render_frames([Actor(body, motion)], settings)))
    change, wanted = (each.mean(3) - each.mean(3).mean(0) for each in (film, drawn))
    assert np.corrcoef(change.ravel(), wanted.ravel())[0, 1] > 0.8


@pytest.mark.slow
def test_later_without_a_network_the_cache_serves(start, matrix_file):
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
    sha256 = hashlib.sha256(matrix_file).hexdigest()
    ran = subprocess.run([sys.executable, "-c", script, sha256], cwd=ROOT, env=env, capture_output=True, text=True)
    assert (ran.stdout, ran.returncode) == ("True\n", 0), ran.stderr


# --- eight users at once ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Person:
    """What a user brings; nobody else has a recording of this length or this hint."""

    number: int
    client: Client
    folder: Path

    @property
    def num_frames(self) -> int:
        return 30 + 2 * self.number

    @property
    def hint(self) -> Motion:
        return make_motion(self.num_frames, seed=self.number)

    def make_take(self) -> tuple[str | dict, str, dict]:
        """Video, motion and report of a take whose upper body is their own."""
        self.folder.mkdir()
        soundfile.write(self.folder / "talk.wav", make_speech(self.num_frames * 1600 // 3 + 1, self.number), 16000)
        hint = self.hint.save(self.folder / "hint.npz")
        plan = f'{{"spans": [{{"part": "upper", "start_frame": 0, "end_frame": {self.num_frames}, "mode": "lock"}}]}}'
        recording = handle_file(self.folder / "talk.wav")
        return self.client.predict(recording, plan, handle_file(hint), QUICK, api_name="/generate")

    def save_session(self) -> str | dict:
        return self.client.predict(api_name="/save_session")[0]

    def made(self, motion: Motion) -> bool:
        joints = list(PART_JOINTS["upper"])
        poses, hinted = (each.poses.reshape(-1, 55, 3)[:, joints] for each in (motion, self.hint))
        return poses.shape == hinted.shape and np.abs(poses - hinted).max() < 1e-5


@pytest.mark.slow
def test_eight_users_at_once_have_their_own_and_leave_nothing(start, tmp_path):
    server = start.server

    def come(name: str) -> list[Person]:
        return [
            Person(
                number,
                Client(server.url, verbose=False, download_files=tmp_path / f"{name}-downloads-{number}"),
                tmp_path / f"{name}-{number}",
            )
            for number in range(USERS)
        ]

    def use(people: list[Person]) -> tuple[list, list]:
        with ThreadPoolExecutor(USERS) as pool:
            return list(pool.map(Person.make_take, people)), list(pool.map(Person.save_session, people))

    def leave(people: list[Person]) -> None:
        for person in people:
            person.client.close()
        server.wait_until_no_files()

    early = come("early")  # threads keep some memory of their own from their first work on
    use(early)
    leave(early)
    before_mb = server.memory_mb()
    people = come("late")
    for person, (video, motion, report), session in zip(people, *use(people), strict=True):
        assert report["frames"] == person.num_frames
        assert person.made(Motion.load(motion))
        assert imageio_ffmpeg.count_frames_and_secs(find_path(video))[0] == person.num_frames
        with zipfile.ZipFile(find_path(session)) as archive:
            assert [name for name in archive.namelist() if name.startswith("takes/")] == ["takes/1.npz", "takes/1.mp4"]
            assert person.made(Motion.load(archive.extract("takes/1.npz", person.folder)))
    check_out_of_reach(server, people[0].folder / "talk.wav")
    leave(people)
    wait_until(lambda: not list(server.uploads.glob("user-*")))  # a folder goes after its files
    # Where the weights are the Hub's some memory stays for a reason not found yet: 6 % a round of eight users.
    wait_until(lambda: server.memory_mb() < 1.5 * before_mb)
    assert "Traceback" not in server.log.read_text()


def check_out_of_reach(server: Server, recording: Path) -> None:
    """Nobody gets at others' files."""
    caller = Caller(server.url)
    take = next(path for path in find_files(server.uploads) if path.name == "talk.npz")
    folder = take.relative_to(server.uploads).parts[0]
    assert re.fullmatch(r"user-[0-9a-f]{32}-\w+", folder)  # 128 bits that nobody guesses
    for guess in (server.uploads, take.parent, take.parents[1], server.uploads / "user-*" / "1" / "talk.npz"):
        assert caller.get(guess).status_code == 403
    own, others = caller.upload(recording), name_file(str(take))
    for audio, hint in ((others, None), (own, others)):  # even whoever knows the path
        told = caller.get_fault("generate", audio, "", hint, QUICK)
        assert told == "You have no file talk.npz here. Upload it first."
    assert caller.ask_past_queue("generate", own, "", None, QUICK) == (False, None)  # nobody goes past the queue
    succeeded, words = caller.ask_past_queue("come", "", in_session=False)
    assert not succeeded
    assert "This call names no session" in words
    caller.leave()


def find_path(value: str | dict) -> str:
    return (value.get("video") or value["value"]) if isinstance(value, dict) else value


# --- python app.py ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_python_app_py_honours_gradios_variables(tmp_path):
    command = ["app.py", "--weights", str(REGRESSION)]
    with run_server(command, tmp_path, GRADIO_SERVER_PORT="PORT") as server:  # which asks it there
        assert f"Running on local URL:  {server.url}" in server.log.read_text()


@pytest.mark.slow
def test_python_app_py_says_in_a_sentence_why_it_cannot_start(tmp_path):
    command = [sys.executable, "app.py", "--weights", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 2
    assert "is not a complete set of weights" in result.stderr
    assert "Traceback" not in result.stderr
