"""From the click to a playing video, as a visitor sees it: `python -m tests.benchmarks.click [WEIGHTS]`.

The app as `python app.py` starts it, its first example, and Chromium on the same machine.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.app_server import free_port, wait_for
from tests.browser.test_app import installed_browser
from tests.conftest import ROOT

PATIENCE_MS = 300_000
CLICKS = 3
_PLAYS = "video => video && !video.paused && video.currentTime > 0 && video.currentSrc !== '{}'"


def main() -> None:
    weights = sys.argv[1] if len(sys.argv) > 1 else "demo"
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/log", "wb") as log:
        own = {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "0", "GRADIO_TEMP_DIR": folder}
        start = time.monotonic()
        app = subprocess.Popen(
            [sys.executable, "app.py", "--weights", weights], cwd=ROOT, env=os.environ | own, stdout=log, stderr=log
        )
        try:
            wait_for(f"http://127.0.0.1:{port}", app, Path(log.name))
            print(f"App started in {time.monotonic() - start:.1f} s", flush=True)
            with sync_playwright() as playwright:
                flags = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
                browser = playwright.chromium.launch(executable_path=installed_browser(), args=flags)
                _visit(browser.new_page(viewport={"width": 1400, "height": 1000}), f"http://127.0.0.1:{port}")
        finally:
            app.terminate()
            app.wait(timeout=30)


def _visit(page: Page, url: str) -> None:
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    start = time.monotonic()
    page.goto(url)
    expect(page.locator("#timeline [data-part=length]")).to_contain_text(" s")
    length = page.locator("#timeline [data-part=length]").inner_text()
    print(f"Page with the first example ({length}) in {time.monotonic() - start:.1f} s", flush=True)
    before = ""
    for number in range(1, CLICKS + 1):
        start = time.monotonic()
        page.click("#generate" if number == 1 else "#another")
        page.wait_for_function(f"({_PLAYS.format(before)})(document.querySelector('#video video'))", polling=50)
        print(f"Click {number}: {time.monotonic() - start:.1f} s until the video plays", flush=True)
        before = page.locator("#video video").evaluate("video => video.currentSrc")
        page.wait_for_function("document.querySelector('#video video').ended")
        print(page.locator("#details").inner_text(), flush=True)


if __name__ == "__main__":
    main()
