"""The result while the next take is made, when that fails, and when it is cancelled."""

import threading
import time
from collections.abc import Callable, Iterator

import gradio as gr
import numpy as np
import pytest
import soundfile
from playwright.sync_api import Page, expect

from emage.body import Body
from emage.body.model import STAND_IN_FILE
from emage.errors import EmageError
from emage.motion import Motion
from emage.pipeline import EmagePipeline
from emage.ui.sections.hints import list_example_motions
from emage.ui.service.service import Service
from tests.browser.driving import PATIENCE_S
from tests.browser.page import generate, open_page, upload
from tests.conftest import make_speech

FRAMES = 150
FAULT = "The machine is full. Come back later."


@pytest.fixture
def page(browser, app, tmp_path) -> Iterator[Page]:
    """With a recording of 5 s."""
    soundfile.write(tmp_path / "talk.wav", make_speech(FRAMES * 1600 // 3), 16000)
    with open_page(browser, app.url) as page:
        page.set_default_timeout(PATIENCE_S * 1000)
        upload(page, tmp_path / "talk.wav", "5.00 s")
        yield page


@pytest.fixture
def halts(monkeypatch) -> Iterator[Callable[[], threading.Event]]:
    """From its call on, takes halt after their first piece until the event is set, and then fail."""
    stream, events = EmagePipeline.stream, []

    def halt() -> threading.Event:
        goes_on = threading.Event()
        events.append(goes_on)

        def broken(self: EmagePipeline, *arguments, **named) -> Iterator[Motion]:
            yield next(iter(stream(self, *arguments, **named)))
            assert goes_on.wait(120)
            raise EmageError(FAULT)

        monkeypatch.setattr(EmagePipeline, "stream", broken)
        return goes_on

    yield halt
    for event in events:  # or it would keep others waiting
        event.set()


def choose_hint(page: Page, number: int) -> None:
    """One of the motions to take hints from, which the stage then shows."""
    title = list_example_motions()[number][0]
    page.locator("#reference input").click()
    page.get_by_role("option", name=title).click()
    expect(page.locator("#result-stage .caption")).to_have_text(f"Hint motion: {title}")


def key(page: Page) -> str:
    """Of what stands on the stage, as soon as something does."""
    return page.wait_for_function("document.querySelector('#result-stage section').stage.key()").json_value()


def expect_key(page: Page, wanted: str, is_it: bool = True) -> None:
    page.wait_for_function(
        f"(document.querySelector('#result-stage section').stage.key() === '{wanted}') === {str(is_it).lower()}"
    )


def test_the_take_before_stays_while_the_next_is_made_and_when_that_fails_or_is_cancelled(page, halts):
    empty, other = (page.locator(f"#result-stage [data-part={name}]") for name in ("empty", "other"))
    expect(empty).to_contain_text("press Generate")
    for name in ("cancel", "cancel-compare", "cancel-words"):
        expect(page.locator(f"#{name}")).to_be_disabled()
    choose_hint(page, 1)
    expect(other).to_be_hidden()  # there is nothing to go back to
    hint = key(page)
    page.wait_for_function("document.querySelector('#result-stage section').stage.frame() > 3")
    generate(page, 1)
    expect(page.locator("#result-stage .caption")).to_be_hidden()
    first = key(page)
    assert first != hint
    choose_hint(page, 2)
    expect_key(page, first, is_it=False)
    other.click()
    expect_key(page, first)

    goes_on = halts()
    page.click("#another")
    expect(page.locator("#cancel")).to_be_enabled()
    expect(page.locator("#details")).to_contain_text("the files below are those of no hints")
    expect_key(page, first, is_it=False)
    other.click()
    expect_key(page, first)
    expect(page.locator("#result-stage [data-part=making]")).to_be_hidden()
    page.evaluate("document.querySelector('#result-stage audio').play()")
    page.wait_for_function("document.querySelector('#result-stage section').stage.frame() > 3")
    other.click()
    expect_key(page, first, is_it=False)

    goes_on.set()
    told = page.get_by_test_id("toast-body")
    expect(told).to_contain_text(FAULT)
    expect(page.locator("#cancel")).to_be_disabled()
    expect_key(page, first)
    expect(other).to_be_hidden()
    expect(page.locator("#details")).to_contain_text("no hints · 5.0 s")
    expect(page.locator("#details")).not_to_contain_text("next take")
    expect(page.get_by_text("Error", exact=True).locator("visible=true")).to_have_count(1)  # the sentence's title
    expect(told.locator(".timer")).to_have_count(0)  # it stays until it is closed
    told.get_by_label("Close").click()
    expect(told).to_have_count(0)

    halts()
    page.click("#another")
    expect_key(page, first, is_it=False)
    page.click("#cancel")
    expect_key(page, first)
    expect(page.locator("#details")).to_contain_text("Cancelled.")
    expect(page.locator("#details")).to_contain_text("no hints · 5.0 s")


def test_what_is_begun_right_after_cancel_is_not_cancelled(page, halts, monkeypatch):
    cancel, stream, is_asked = Service.cancel, EmagePipeline.stream, threading.Event()

    def late(self: Service, request: gr.Request) -> bool:
        is_asked.set()
        time.sleep(1)  # as over a slow network
        return cancel(self, request)

    def slow(self: EmagePipeline, *arguments, **named) -> Iterator[Motion]:
        time.sleep(3)
        yield from stream(self, *arguments, **named)

    goes_on = halts()
    monkeypatch.setattr(Service, "cancel", late)
    page.click("#generate")
    page.wait_for_function("document.querySelector('#result-stage section').stage.key()")
    page.click("#cancel")
    assert is_asked.wait(60)
    monkeypatch.setattr(EmagePipeline, "stream", slow)
    goes_on.set()
    generate(page, 1)
    expect(page.locator("#details")).to_contain_text("no hints · 5.0 s")


def test_who_waits_for_the_first_take_reads_that_it_is_being_made(page, halts):
    halts().set()
    empty = page.locator("#result-stage [data-part=empty]")
    page.click("#generate")
    expect(page.get_by_test_id("toast-body")).to_contain_text(FAULT)
    expect(empty).to_contain_text("press Generate")
    expect(page.locator("#details")).to_contain_text("Record or upload speech of your own")


def test_another_camera_size_and_body_for_the_take_that_is_there(page, tmp_path, monkeypatch):
    arrays = dict(np.load(STAND_IN_FILE))
    np.savez(tmp_path / "tall.npz", **arrays | {"v_template": 1.2 * arrays["v_template"]})
    tall, body_of = Body.from_file(tmp_path / "tall.npz"), Service.body
    monkeypatch.setattr(Service, "body", lambda self, smplx=False: tall if smplx else body_of(self))
    generate(page, 1)
    height = _height_on_stage(page)
    page.locator("#settings-panel button").first.click()
    page.locator("#quality").get_by_label("Draft").check()
    page.locator("#face-inset input").uncheck()
    first = _film_as(page, "Fixed", 384)
    assert _film_as(page, "Face", 512) != first
    page.locator("#body").get_by_label("SMPL-X: I accept its licence").check()
    page.wait_for_function(f"{_HEIGHT} > 1.15 * {height}")
    assert _height_on_stage(page) == pytest.approx(1.2 * height, rel=0.02)
    expect(page.locator("#takes li")).to_have_count(1)


_HEIGHT = """(() => {
  const heights = document.querySelector("#result-stage section").stage?.skin(0).filter((_, at) => at % 3 === 1) ?? [];
  return heights.length && Math.max(...heights) - Math.min(...heights);
})()"""


def _height_on_stage(page: Page) -> float:
    """Of the body at rest on the sound's first frame, metres."""
    page.evaluate("(sound => { sound.pause(); sound.currentTime = 0; })(document.querySelector('#result-stage audio'))")
    page.wait_for_function("document.querySelector('#result-stage section').stage?.frame() === 0")
    page.wait_for_function(_HEIGHT)
    return page.evaluate(_HEIGHT)


def _film_as(page: Page, camera: str, size_px: int) -> str:
    """The video of the take on the stage, made anew; where it is."""
    page.locator("#camera").get_by_label(camera).check()
    page.locator("#size input").click()
    page.get_by_role("option", name=f"{size_px} × {size_px}").click()
    page.click("#result-stage [data-tool=film]")
    page.wait_for_function(f"document.querySelector('#video video')?.videoWidth === {size_px}")
    return page.locator("#video video").evaluate("video => video.currentSrc")
