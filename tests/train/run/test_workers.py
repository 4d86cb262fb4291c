"""The processes of a pool end with the one that began it."""

import os
import signal
import time
from pathlib import Path

from train.data.workers import open_workers

WORKERS = 2


def note_and_stay(folder: Path) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(600)


def work(folder: Path) -> None:
    with open_workers(WORKERS) as workers:
        list(workers.map("Clips", note_and_stay, [folder] * WORKERS))


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_workers_of_a_killed_command_end_with_it(tmp_path, processes):
    command = processes.Process(target=work, args=(tmp_path,))
    command.start()
    while command.is_alive() and len(list(tmp_path.iterdir())) < WORKERS:
        time.sleep(0.05)
    pids = [int(path.name) for path in tmp_path.iterdir()]
    assert len(pids) == WORKERS
    try:
        os.kill(command.pid, signal.SIGKILL)
        command.join()
        deadline = time.monotonic() + 30
        while any(map(is_alive, pids)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not [pid for pid in pids if is_alive(pid)]
    finally:
        for pid in filter(is_alive, pids):
            os.kill(pid, signal.SIGKILL)
