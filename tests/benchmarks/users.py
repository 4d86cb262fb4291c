"""Eight visitors at once, each with 20 s of speech: `python -m tests.benchmarks.visitors [WEIGHTS] [SECONDS]`."""

import statistics
import sys
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

import soundfile
from gradio_client import Client, handle_file

from emage.errors import EmageError
from tests.browser.app_server import AppServer, running
from tests.conftest import make_speech

VISITORS = 8
SIZE_PX = 640


def main() -> None:
    weights = sys.argv[1] if len(sys.argv) > 1 else "demo"
    seconds = sys.argv[2] if len(sys.argv) > 2 else "20"
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), weights, 1.0, SIZE_PX) as server:
        _measure(server, Path(folder), float(seconds))


def _measure(server: AppServer, folder: Path, seconds: float) -> None:
    _visit(server, folder, 99, seconds)
    server.files_when_gone()
    before_mb = server.memory_mb()
    print(f"Memory of the server before: {before_mb:.0f} MB", flush=True)
    peak_mb = before_mb
    start = time.monotonic()
    served = []
    with ThreadPoolExecutor(VISITORS) as pool:
        visits = {pool.submit(_visit, server, folder, number, seconds) for number in range(VISITORS)}
        while visits:
            done, visits = wait(visits, 0.5, FIRST_COMPLETED)
            peak_mb = max(peak_mb, server.memory_mb())
            for visit in done:
                if visit.exception():
                    print(f"  not served: {visit.exception()}")
                    continue
                served.append(visit.result())
                print(f"  served: waited {served[-1][0]:.1f} s, worked {served[-1][1]:.1f} s", flush=True)
    whole_s = time.monotonic() - start
    print(f"{len(served)} of {VISITORS} visitors served in {whole_s:.0f} s, {seconds:g} s of speech each")
    print(f"Waiting, median: {statistics.median(waited_s for waited_s, _ in served):.1f} s")
    left = server.files_when_gone()
    time.sleep(2)
    after_mb = server.memory_mb()
    print(
        f"Memory of the server: {before_mb:.0f} MB before, {peak_mb:.0f} MB at most, {after_mb:.0f} MB after "
        f"({after_mb / before_mb - 1:+.1%}); files left: {len(left)}"
    )


def _visit(server: AppServer, folder: Path, number: int, seconds: float) -> tuple[float, float]:
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
