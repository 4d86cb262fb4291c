"""The result while the next take is made, when that fails, and when it is cancelled."""

import threading
from collections.abc import Callable, Iterator

import pytest
import soundfile
from playwright.sync_api import Page, expect

from emage.errors import EmageError
from emage.motion import Motion
from emage.pipeline import EmagePipeline
from emage.ui.sections.hints import list_example_motions
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


def test_who_waits_for_the_first_take_reads_that_it_is_being_made(page, halts):
    halts().set()
    empty = page.locator("#result-stage [data-part=empty]")
    page.click("#generate")
    expect(page.get_by_test_id("toast-body")).to_contain_text(FAULT)
    expect(empty).to_contain_text("press Generate")
    expect(page.locator("#details")).to_contain_text("A recording is in already")
