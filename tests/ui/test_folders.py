"""A server's own folder: what a dead one left goes at the next start, and what a living one has stays."""

import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import pytest
import soundfile

from emage.ui.service.folders import own_folder
from tests.app_server import Caller, Server, find_files, run_server, wait_until
from tests.conftest import REGRESSION, make_speech


def live(place: Path, pipe: Connection) -> None:
    with own_folder(place) as folder:
        (folder / "talk.wav").write_bytes(b"1")
        pipe.send(folder)
        signal.pause()


def test_what_a_killed_server_left_goes_at_the_next_start_and_a_living_ones_stays(tmp_path):
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=live, args=(tmp_path, there))
    process.start()
    killed = here.recv()
    other = tmp_path / "other"
    other.mkdir()
    with own_folder(tmp_path) as living:
        (living / "take.npz").write_bytes(b"1")
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert (killed / "talk.wav").exists()
        with own_folder(tmp_path) as own:
            assert set(tmp_path.glob("server-*")) == {living, own}
            assert (living / "take.npz").exists()
            assert other.is_dir()
        assert not own.exists()
    assert not living.exists()


def test_many_that_start_at_once_take_nothing_of_one_anothers(tmp_path):
    def start(_: int) -> bool:
        with own_folder(tmp_path) as folder:
            (folder / "take.npz").write_bytes(b"1")
            with own_folder(tmp_path):
                return (folder / "take.npz").exists()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(start, range(16)))
    assert not list(tmp_path.glob("server-*"))


def begin_take(server: Server, pool: ThreadPoolExecutor, recording: Path) -> None:
    """A long one, and wait till it is being made."""

    def ask() -> None:
        with pytest.raises((httpx.HTTPError, AssertionError)):
            caller.ask("generate", audio, "", None, {"video": False})

    caller = Caller(server.url)
    audio = caller.upload(recording)
    pool.submit(ask)
    wait_until(lambda: any("motion" in told for told in caller.progress), within_s=120)


@pytest.mark.slow
def test_a_server_that_is_stopped_or_killed_while_it_makes_a_take_leaves_no_recording(tmp_path):
    recording = tmp_path / "secret.wav"
    soundfile.write(recording, make_speech(16000 * 600), 16000)
    command = ["app.py", "--weights", str(REGRESSION)]
    with ThreadPoolExecutor() as pool:
        with run_server(command, tmp_path, GRADIO_SERVER_PORT="PORT") as server:
            begin_take(server, pool, recording)
            server.process.kill()
        assert any(path.name == "secret.wav" for path in find_files(server.uploads))
        with run_server(command, tmp_path, GRADIO_SERVER_PORT="PORT") as server:
            assert find_files(server.uploads) == []
            begin_take(server, pool, recording)
    assert find_files(server.uploads) == []
    assert not list(server.uploads.glob("server-*"))
