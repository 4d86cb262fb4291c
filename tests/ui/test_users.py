"""Eight visitors at once: all are served, nobody has another's, and nothing of theirs stays."""

import re
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile
from gradio_client import Client, handle_file

from emage.motion import Motion
from emage.motion.skeleton import PART_JOINTS
from tests.browser.app_server import AppServer, Stranger, file_data, running
from tests.conftest import REGRESSION, make_motion, make_speech

VISITORS = 8
SETTINGS = {"renderer": "skeleton", "panel_width": 64, "panel_height": 64}


@pytest.fixture
def server(tmp_path) -> Iterator[AppServer]:
    with running(tmp_path, str(REGRESSION), grace_s=0.5, size=64) as server:
        yield server


@dataclass(frozen=True)
class Visit:
    """What a visitor brings; nobody else has a recording of this length or this hint."""

    number: int
    folder: Path

    @property
    def num_frames(self) -> int:
        return 30 + 2 * self.number

    @property
    def hint(self) -> Motion:
        return make_motion(self.num_frames, seed=self.number)

    def talk(self, client: Client) -> tuple[str, str, dict]:
        """Video, motion and report of a take whose upper body is the visitor's own."""
        self.folder.mkdir(exist_ok=True)
        soundfile.write(self.folder / "talk.wav", make_speech(self.num_frames * 1600 // 3 + 1, self.number), 16000)
        hint = self.hint.save(self.folder / "hint.npz")
        plan = f'{{"spans": [{{"part": "upper", "start_frame": 0, "end_frame": {self.num_frames}, "mode": "lock"}}]}}'
        recording = handle_file(self.folder / "talk.wav")
        return client.predict(recording, plan, handle_file(hint), SETTINGS, api_name="/generate")


def shown(path: str | dict) -> str:
    return path["video"] if isinstance(path, dict) else path


def is_of(motion: Motion, visit: Visit) -> bool:
    joints = list(PART_JOINTS["upper"])
    poses, hinted = (m.poses.reshape(-1, 55, 3)[:, joints] for m in (motion, visit.hint))
    return poses.shape == hinted.shape and np.abs(poses - hinted).max() < 1e-5


def test_eight_visitors_at_once_have_their_own_and_leave_nothing(server, tmp_path):
    def client(number: int) -> Client:
        return Client(server.url, verbose=False, download_files=tmp_path / f"downloads-{number}")

    # As many before them: threads keep some memory of their own from their first work on.
    early = [client(100 + number) for number in range(VISITORS)]
    with ThreadPoolExecutor(VISITORS) as pool:
        list(pool.map(lambda number: Visit(0, tmp_path / f"early-{number}").talk(early[number]), range(VISITORS)))
        list(pool.map(lambda client: client.predict(api_name="/save_session"), early))
    for each in early:
        each.close()
    assert server.files_when_gone() == []
    before_mb = server.memory_mb()

    visits = [Visit(number, tmp_path / str(number)) for number in range(VISITORS)]
    clients = [client(visit.number) for visit in visits]
    with ThreadPoolExecutor(VISITORS) as pool:
        takes = list(pool.map(Visit.talk, visits, clients))
        sessions = list(pool.map(lambda client: client.predict(api_name="/save_session"), clients))
    for visit, (video, motion, report), (session, _) in zip(visits, takes, sessions, strict=True):
        assert report["frames"] == visit.num_frames
        assert is_of(Motion.load(motion), visit)
        assert imageio_ffmpeg.count_frames_and_secs(shown(video))[0] == visit.num_frames
        with zipfile.ZipFile(session["value"] if isinstance(session, dict) else session) as archive:
            assert [name for name in archive.namelist() if name.startswith("takes/")] == ["takes/1.npz", "takes/1.mp4"]
            archive.extract("takes/1.npz", visit.folder)
        assert is_of(Motion.load(visit.folder / "takes" / "1.npz"), visit)

    others_files_are_out_of_reach(server, visits[0].folder / "talk.wav")

    for each in clients:
        each.close()
    assert server.files_when_gone() == []
    assert list(server.uploads.glob("visitor-*")) == []
    assert server.memory_mb() < 1.1 * before_mb
    assert "Traceback" not in server.log.read_text()


def others_files_are_out_of_reach(server: AppServer, recording: Path) -> None:
    stranger = Stranger(server.url)
    take = next(path for path in server.files() if path.name == "talk.npz")
    folder = take.relative_to(server.uploads).parts[0]
    assert re.fullmatch(r"visitor-[0-9a-f]{32}-\w+", folder)  # 128 bits that nobody guesses
    for guess in (server.uploads, take.parent, take.parents[1], server.uploads / "visitor-*" / "1" / "talk.npz"):
        assert stranger.get(str(guess)).status_code == 403
    own, others = file_data(stranger.upload(recording)), file_data(str(take))
    for audio, hint in ((others, None), (own, others)):  # even whoever knows the path
        told = stranger.ask("generate", audio, "", hint, SETTINGS)
        assert told == (False, "You have no file talk.npz here. Upload it first.")
    succeeded, words = stranger.ask_without_session("generate", own, "", None, SETTINGS)
    assert not succeeded
    assert "This call names no session" in words
    stranger.leave()
