"""One browser for all tests in it, and one server of component pages."""

from collections.abc import Iterator

import pytest
import soundfile
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.driving import FLAGS, PATIENCE_S, Bench, installed_browser
from tests.conftest import make_speech

expect.set_options(timeout=PATIENCE_S * 1000)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What uses the browser is marked so, and left out where there is none."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.fixture(scope="session")
def browser(tmp_path_factory) -> Iterator[Browser]:
    """Its microphone hears 3 s of speech over and over."""
    spoken = tmp_path_factory.mktemp("microphone") / "spoken.wav"
    soundfile.write(spoken, make_speech(3 * 16000), 16000)
    flags = [*FLAGS, "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    flags += [f"--use-file-for-fake-audio-capture={spoken}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed_browser(), args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def bench(tmp_path_factory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("bench"))
    yield bench
    bench.app.close()
