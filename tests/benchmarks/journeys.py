"""Three ways through the page, in clicks and seconds: `python -m tests.benchmarks.journeys [WEIGHTS]`.

- first look: the page is opened, and a body moves to an example;
- eight settings: a recording of one's own, every combination of three painted parts, all side by side;
- to Blender: a motion of one's own on the arms from second 3 to 6, and the take as a GLB.

A press, a drag and a file that is chosen, with the press that asks for it, count one each. Nobody thinks or looks for a
button here: seconds are the machine's, with the server and Chromium on it, and its load is told with them.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from playwright.sync_api import Page, expect, sync_playwright

from emage.recording.examples import load_examples
from tests.app_server import run_server
from tests.browser.driving import FLAGS, installed_browser
from tests.browser.page import paint
from tests.conftest import ROOT

PATIENCE_S = 7200
"""For takes."""
PRESS_S = 300
"""For what is pressed: where it is not there, nothing else comes of waiting."""
SPEECH_S = 10
OWN_MOTION = ROOT / "assets/examples/wave.npz"
_RESULT, _COMPARED = (f"document.querySelector('#{name} section')?.stage" for name in ("result-stage", "compare-stage"))


class Person:
    """Who sits before the page. clicks: so far."""

    def __init__(self, page: Page, url: str):
        self.page, self._url, self.clicks = page, url, 0

    def open(self) -> None:
        self.page.goto(self._url)
        expect(self.page.locator("#timeline [data-part=length]")).to_contain_text(" s")

    def press(self, selector: str) -> None:
        self.clicks += 1
        self.page.locator(selector).first.click()

    def choose_file(self, button: str, path: Path) -> None:
        self.clicks += 1
        with self.page.expect_file_chooser() as chooser:
            self.page.locator(button).first.click()
        chooser.value.set_files(path)

    def drag(self, part: str, start_s: float, end_s: float) -> None:
        """Over a row of the timeline, which shows the whole recording."""
        self.clicks += 1
        paint(self.page, part, start_s / SPEECH_S, end_s / SPEECH_S)

    def bring_recording(self, path: Path) -> None:
        self.press("#speech button[aria-label='Clear']")
        self.choose_file("#speech .upload-container", path)
        expect(self.page.locator("#timeline [data-part=length]")).to_contain_text(f"{SPEECH_S:.2f} s")

    def wait_for(self, condition: str) -> None:
        self.page.wait_for_function(condition, timeout=1000 * PATIENCE_S)


def take_first_look(person: Person, speech: Path) -> None:
    person.press("#generate")
    person.wait_for(f"{_RESULT}?.frame() > 0")


def compare_eight(person: Person, speech: Path) -> None:
    person.bring_recording(speech)
    for part in ("upper", "left_hand", "lower"):
        person.drag(part, 2, 7)
    person.press("#batch-panel button")
    person.press("#batch")
    person.wait_for("document.querySelectorAll('#takes li').length === 8")
    person.wait_for("window.emageRunning.size === 0")
    person.press("#compare")
    person.wait_for(f"{_COMPARED}?.shows(8)")


def take_arms_to_blender(person: Person, speech: Path) -> None:
    person.bring_recording(speech)
    person.choose_file("#reference-file", OWN_MOTION)
    expect(person.page.locator("#reference-note")).to_contain_text("This motion lasts")
    person.press("#timeline .modes label:nth-of-type(2)")
    person.drag("upper", 3, 6)
    person.press("#generate")
    person.wait_for("document.querySelectorAll('#takes li .plan .hint.locked').length === 1")
    person.press("#export-panel button")
    with person.page.expect_download() as download:
        person.press("#export")
    with download.value.path().open("rb") as file:
        assert file.read(4) == b"glTF"


JOURNEYS: dict[str, Callable[[Person, Path], None]] = {
    "first look": take_first_look,
    "eight settings": compare_eight,
    "to Blender": take_arms_to_blender,
}


def write_speech(path: Path) -> Path:
    """An example over and over, which stands for a recording of one's own."""
    samples, rate_hz = soundfile.read(load_examples()[0].audio)
    soundfile.write(path, np.resize(samples, SPEECH_S * rate_hz), rate_hz)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="?", default="demo")
    parser.add_argument("--only", choices=list(JOURNEYS), nargs="+", default=list(JOURNEYS))
    options = parser.parse_args()
    expect.set_options(timeout=1000 * PATIENCE_S)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        speech = write_speech(folder / "talk.flac")
        with run_server(["app.py", "--weights", options.weights], folder, GRADIO_SERVER_PORT="PORT") as server:
            browser = playwright.chromium.launch(executable_path=installed_browser(), args=list(FLAGS))
            for title in options.only:
                page = browser.new_page(viewport={"width": 1400, "height": 1000})
                page.set_default_timeout(1000 * PRESS_S)
                person, start = Person(page, server.url), time.monotonic()
                person.open()
                opened_s = time.monotonic() - start
                JOURNEYS[title](person, speech)
                took_s = time.monotonic() - start
                print(f"{title:>15}: {person.clicks:2d} clicks, {took_s:6.1f} s ({opened_s:.1f} s to open)", flush=True)
                page.close(run_before_unload=False)
            browser.close()
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
