"""From the click to a moving body, as a user sees it: `python -m tests.benchmarks.click [WEIGHTS]`.

The app as `python app.py` starts it, its first example, and Chromium on the same machine.
"""

import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.app_server import run_server
from tests.browser.driving import FLAGS, installed_browser

PATIENCE_MS = 300_000
CLICKS = 3
_MOVES = "({{ stage }}) => stage && stage.key() !== '{}' && stage.frame() > 0"


def main() -> None:
    weights = sys.argv[1] if len(sys.argv) > 1 else "demo"
    start = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        run_server(["app.py", "--weights", weights], Path(folder), GRADIO_SERVER_PORT="PORT") as server,
        sync_playwright() as playwright,
    ):
        print(f"App started in {time.monotonic() - start:.1f} s", flush=True)
        browser = playwright.chromium.launch(executable_path=installed_browser(), args=list(FLAGS))
        _use(browser.new_page(viewport={"width": 1400, "height": 1000}), server.url)


def _use(page: Page, url: str) -> None:
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    start = time.monotonic()
    page.goto(url)
    length = page.locator("#timeline [data-part=length]")
    expect(length).to_contain_text(" s")
    print(f"Page with the first example ({length.inner_text()}) in {time.monotonic() - start:.1f} s", flush=True)
    before = ""
    for number in range(1, CLICKS + 1):
        start = time.monotonic()
        page.click("#generate" if number == 1 else "#another")
        page.wait_for_function(
            f"({_MOVES.format(before)})(document.querySelector('#result-stage section'))", polling=50
        )
        print(f"Click {number}: {time.monotonic() - start:.1f} s until the body moves", flush=True)
        before = page.locator("#result-stage section").evaluate("root => root.stage.key()")
        page.wait_for_function("document.querySelector('#result-stage audio').ended")
        print(page.locator("#details").inner_text(), flush=True)


if __name__ == "__main__":
    main()
