"""Eight users at once, each with 20 s of speech: `python -m tests.benchmarks.users [WEIGHTS] [SECONDS]`."""

import statistics
import sys
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

import soundfile
from gradio_client import Client, handle_file

from emage.errors import EmageError
from tests.app_server import Server, find_files, run_page
from tests.conftest import make_speech

USERS = 8
SIZE_PX = 640


def main() -> None:
    weights = sys.argv[1] if len(sys.argv) > 1 else "demo"
    seconds = sys.argv[2] if len(sys.argv) > 2 else "20"
    with tempfile.TemporaryDirectory() as folder, run_page(Path(folder), weights, grace_s=1, size=SIZE_PX) as server:
        _measure(server, Path(folder), float(seconds))


def _measure(server: Server, folder: Path, seconds: float) -> None:
    _use(server, folder, 99, seconds)
    server.wait_until_no_files()
    before_mb = peak_mb = server.memory_mb()
    print(f"Memory of the server before: {before_mb:.0f} MB", flush=True)
    start = time.monotonic()
    served = []
    with ThreadPoolExecutor(USERS) as pool:
        users = {pool.submit(_use, server, folder, number, seconds) for number in range(USERS)}
        while users:
            done, users = wait(users, 0.5, FIRST_COMPLETED)
            peak_mb = max(peak_mb, server.memory_mb())
            for user in done:
                if user.exception():
                    print(f"  not served: {user.exception()}")
                    continue
                served.append(user.result())
                print(f"  served: waited {served[-1][0]:.1f} s, worked {served[-1][1]:.1f} s", flush=True)
    print(f"{len(served)} of {USERS} users served in {time.monotonic() - start:.0f} s, {seconds:g} s of speech each")
    print(f"Waiting, median: {statistics.median(waited_s for waited_s, _ in served):.1f} s")
    server.wait_until_no_files()
    time.sleep(2)  # so that freed memory has gone back
    after_mb = server.memory_mb()
    print(
        f"Memory of the server: {before_mb:.0f} MB before, {peak_mb:.0f} MB at most, {after_mb:.0f} MB after "
        f"({after_mb / before_mb - 1:+.1%}); files left: {len(find_files(server.uploads))}"
    )


def _use(server: Server, folder: Path, number: int, seconds: float) -> tuple[float, float]:
    """Seconds of waiting and of work. Each leaves when served."""
    path = folder / f"talk-{number}.wav"
    soundfile.write(path, make_speech(int((seconds + 0.1 * (number % 10)) * 16000), number), 16000)
    settings = {"panel_width": SIZE_PX, "panel_height": SIZE_PX, "seed": number}
    client = Client(server.url, verbose=False, download_files=folder / f"downloads-{number}")
    try:
        start = time.monotonic()
        video, _, report = client.predict(handle_file(path), "", None, settings, api_name="/generate")
        whole_s, worked_s = time.monotonic() - start, sum(report["seconds_by_stage"].values())
        if not video:
            raise EmageError(report["note"])
        return whole_s - worked_s, worked_s
    finally:
        client.close()


if __name__ == "__main__":
    main()
