"""From the click to a moving body, and memory while it plays: `python -m tests.benchmarks.click [WEIGHTS]`.

    python -m tests.benchmarks.click                              demo weights; 10 s, 60 s and 20 minutes of speech
    python -m tests.benchmarks.click --full-size                  random weights of the released size
    python -m tests.benchmarks.click --seconds 10 --clicks 3 --video

The app as `python app.py` starts it, an example spoken over and over, and Chromium on the same machine. All clicks but
the last are cancelled when the body moves, if their take is not there by then; after the last one the take is played to
its end, so that twenty minutes of speech take as long. `--video` clicks once more with "Also make the video" and waits
for that, as one had to before there was a stage.

It prints a table: when the body moved (the median and the range of all clicks) and how long processors had worked for
the server and for the page by then (the medians; a busy machine makes the clock meaningless), when all of the last take
was there, how often playing it had to wait for more, when the video was there, and the resident memory of the server
and of Chromium's page (with the process that draws for it) before the last click, at most, and at the end, with the
heap of its JavaScript.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from playwright.sync_api import CDPSession, Page, expect, sync_playwright

from emage.recording.examples import load_examples
from tests.app_server import Server, resident_mb, run_server
from tests.benchmarks.stream import full_size
from tests.browser.driving import FLAGS, installed_browser
from tests.browser.page import film_too, upload

PATIENCE_S = 7200
LOOK_S = 1.0
_STAGE = "document.querySelector('#result-stage section')"
_KEY = f"{_STAGE}.stage?.key() ?? ''"
_IS_ALL_THERE = f"seen => !seen.includes({_STAGE}.stage.key()) && {_STAGE}.querySelector('[data-part=making]').hidden"
_PRESS_CANCEL = "document.querySelector('#cancel').click()"  # which does nothing where all is made already
_IS_AT_REST = "document.querySelector('#cancel').disabled"
_MOVES = f"seen => {_STAGE}.stage && !seen.includes({_STAGE}.stage.key()) && {_STAGE}.stage.frame() > 0"
_PAUSE = f"{_STAGE}.querySelector('audio').pause()"
_HAS_ENDED = f"{_STAGE}.querySelector('audio').ended"
_COUNT_WAITS = f"""() => {{
    const sound = {_STAGE}.querySelector("audio");
    window.waits = 0;
    sound.onpause = () => (window.waits += sound.ended ? 0 : 1);
}}"""
_HEADER = (
    f"{'speech':>8}  {'body moves':>18}  {'server, page':>12}  {'all there':>9}  {'waits':>5}  {'video':>7}  "
    f"{'server, MB':>18}  {'page, MB':>18}  {'JavaScript, MB':>18}"
)


@dataclass(frozen=True)
class Moved:
    """Seconds from a click until the body moved, and seconds of processors that server and page took till then."""

    clock_s: float
    server_s: float
    page_s: float

    def __str__(self) -> str:
        worked = f"{self.server_s:.2f} s of a processor for the server, {self.page_s:.2f} s for the page"
        return f"{self.clock_s:.2f} s until the body moves ({worked})"


@dataclass(frozen=True)
class Memory:
    """MB of the server, the page, and the heap of its JavaScript."""

    server: float
    page: float
    heap: float


@dataclass(frozen=True)
class Row:
    """Seconds, and memory before, at most and at the end."""

    seconds: float
    moved: list[Moved]
    all_there_s: float
    waits: int
    video_s: float | None
    memory: list[Memory]

    def __str__(self) -> str:
        moves_s = [each.clock_s for each in self.moved]
        moves = f"{statistics.median(moves_s):.2f} ({min(moves_s):.2f}-{max(moves_s):.2f})"
        server_s, page_s = (
            statistics.median(getattr(each, name) for each in self.moved) for name in ("server_s", "page_s")
        )
        worked = f"{server_s:.2f}, {page_s:.2f}"
        video = "" if self.video_s is None else f"{self.video_s:.1f}"
        parts = [
            f"{each[0]:.0f} / {max(each):.0f} / {each[-1]:.0f}"
            for each in ([getattr(memory, name) for memory in self.memory] for name in ("server", "page", "heap"))
        ]
        memory = "  ".join(f"{part:>18}" for part in parts)
        made = f"{self.all_there_s:>9.1f}  {self.waits:>5}  {video:>7}"
        return f"{self.seconds:>6g} s  {moves:>18}  {worked:>12}  {made}  {memory}"


class User:
    """Who sits before the page."""

    def __init__(self, page: Page, server: Server):
        self._page, self._server = page, server
        self._of_browser = page.context.browser.new_browser_cdp_session()
        self._of_page = page.context.new_cdp_session(page)
        self._of_page.send("Performance.enable")
        self._seen: list[str] = []
        """Takes before; after a cancelled one the take before it comes back, as soon as the page has the time."""

    def click(self) -> Moved:
        """Until the body moves."""
        self._see()
        self._page.evaluate(_PAUSE)
        start, server_s, page_s = time.monotonic(), self._server.processor_s(), self._page_processor_s()
        self._page.click("#generate")
        self._page.wait_for_function(_MOVES, arg=self._seen)
        clock_s = time.monotonic() - start
        return Moved(clock_s, self._server.processor_s() - server_s, self._page_processor_s() - page_s)

    def _see(self) -> None:
        self._seen.append(self._page.evaluate(_KEY))

    def stop(self) -> None:
        """What is being made goes, if it is not there already; nothing is made any more."""
        self._see()
        self._page.evaluate(_PAUSE)
        self._page.evaluate(_PRESS_CANCEL)
        self._page.wait_for_function(_IS_AT_REST)

    def click_and_watch(self) -> tuple[Moved, float, int, list[Memory]]:
        """Until the body moves, seconds until all is there, and how often playing waited, till its end."""
        memory, start = [self.memory()], time.monotonic()
        moved, all_there_s = self.click(), None
        self._page.evaluate(_COUNT_WAITS)
        has_ended = False
        while not has_ended:
            has_ended = self._page.evaluate(_HAS_ENDED)
            if all_there_s is None and self._page.evaluate(_IS_ALL_THERE, self._seen):
                all_there_s = time.monotonic() - start
            memory.append(self.memory())
            self._page.wait_for_timeout(1000 * LOOK_S)
        return moved, all_there_s, self._page.evaluate("window.waits"), memory

    def click_for_video(self) -> float:
        """Seconds until it can be played."""
        film_too(self._page)
        start = time.monotonic()
        self.click()
        self._page.wait_for_function("document.querySelector('#video video')?.readyState > 1")
        took_s = time.monotonic() - start
        self._page.locator("#film input").uncheck()
        self._page.locator("#settings-panel button").first.click()
        return took_s

    def memory(self) -> Memory:
        page = sum(resident_mb(each["id"]) for each in self._page_processes())
        return Memory(self._server.memory_mb(), page, _heap_mb(self._of_page))

    def _page_processor_s(self) -> float:
        return sum(each["cpuTime"] for each in self._page_processes())

    def _page_processes(self) -> list[dict[str, Any]]:
        """What renders the page, and what draws for it."""
        processes = self._of_browser.send("SystemInfo.getProcessInfo")["processInfo"]
        return [each for each in processes if each["type"] in ("renderer", "GPU")]


def _heap_mb(session: CDPSession) -> float:
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return metrics["JSHeapUsedSize"] / 1e6


def _write_speech(path: Path, seconds: float) -> Path:
    """An example over and over."""
    samples, rate_hz = soundfile.read(load_examples()[0].audio)
    soundfile.write(path, np.resize(samples, round(seconds * rate_hz)), rate_hz)
    return path


def _measure(user: User, page: Page, speech: Path, seconds: float, clicks: int, is_filmed: bool) -> Row:
    upload(page, speech, rf"/ {seconds:.2f} s")
    moved = []
    for number in range(1, clicks):
        moved.append(user.click())
        print(f"  {seconds:g} s, click {number}: {moved[-1]}", flush=True)
        user.stop()
    last, all_there_s, waits, memory = user.click_and_watch()
    video_s = user.click_for_video() if is_filmed else None
    return Row(seconds, [*moved, last], all_there_s, waits, video_s, memory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="?", default="demo")
    parser.add_argument("--full-size", action="store_true", help="random weights of the released size")
    parser.add_argument("--seconds", type=float, nargs="+", default=[10, 60, 1200])
    parser.add_argument("--clicks", type=int, default=5)
    parser.add_argument("--video", action="store_true", help="also wait for the video of each")
    options = parser.parse_args()
    expect.set_options(timeout=1000 * PATIENCE_S)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = options.weights
        if options.full_size:
            weights = str(folder / "weights")
            full_size().save_pretrained(weights)
        start = time.monotonic()
        with (
            run_server(["app.py", "--weights", weights], folder, GRADIO_SERVER_PORT="PORT") as server,
            sync_playwright() as playwright,
        ):
            print(f"App started in {time.monotonic() - start:.1f} s", flush=True)
            browser = playwright.chromium.launch(executable_path=installed_browser(), args=list(FLAGS))
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            page.set_default_timeout(1000 * PATIENCE_S)
            start = time.monotonic()
            page.goto(server.url)
            expect(page.locator("#timeline [data-part=length]")).to_contain_text(" s")
            print(f"Page with the first example in {time.monotonic() - start:.1f} s", flush=True)
            user = User(page, server)
            rows = []
            for seconds in options.seconds:
                speech = _write_speech(folder / f"{seconds:g} s.flac", seconds)
                rows.append(_measure(user, page, speech, seconds, options.clicks, options.video))
                print(f"{_HEADER}\n{rows[-1]}", flush=True)
            browser.close()
            print("\n".join([f"\nSeconds; memory before / at most / at the end\n{_HEADER}", *map(str, rows)]))


if __name__ == "__main__":
    main()
