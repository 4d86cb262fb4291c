"""Where the parts of the page stand, in which order the keyboard comes to them, and its shortcut."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.page import open_page
from tests.conftest import TALK_FRAMES


@contextmanager
def open_window(browser: Browser, url: str, width: int, height: int) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
    with open_page(context, url) as page:
        expect(page.locator("#timeline .lane")).to_have_count(5)
        yield page
    context.close()


def test_the_whole_timeline_is_in_view_beside_the_stage(browser, app):
    with open_window(browser, app.url, 1400, 1000) as page:
        timeline, stage = (page.locator(part).bounding_box() for part in ("#timeline .footer", "#stage"))
        assert timeline["y"] + timeline["height"] <= 1000
        assert timeline["x"] + timeline["width"] <= stage["x"]
        assert page.locator("#generate").bounding_box()["y"] < timeline["y"]
        # and it stays there
        page.locator("#settings-card").scroll_into_view_if_needed()
        expect(page.locator("#generate")).to_be_in_viewport()
        page.set_viewport_size({"width": 1920, "height": 1080})
        desk = page.locator("#desk").bounding_box()
        assert desk["x"] <= 30
        assert desk["width"] >= 1860


_STICKS_OUT = """() => [...document.querySelectorAll(".card button")].filter((button) => {
  const padded = button.closest(".card").getBoundingClientRect().right - 10;
  return button.getBoundingClientRect().right > padded && button.offsetParent !== null && !button.closest("#go-row");
}).map((button) => button.textContent)"""


@pytest.mark.parametrize("width", [360, 390, 1000, 1920])
def test_nothing_is_wider_than_the_window(browser, app, width):
    with open_window(browser, app.url, width, 900) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(_STICKS_OUT) == []
        boxes = [
            page.locator(f"#{card}").bounding_box() for card in ("speech-card", "words-card", "hints-card", "stage")
        ]
        for number, one in enumerate(boxes):
            for other in boxes[number + 1 :]:
                is_beside = one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
                assert is_beside or one["y"] + one["height"] <= other["y"]


@pytest.mark.parametrize("width", [360, 1400])
def test_weights_and_body_are_told_in_a_line_that_unfolds(browser, app, width):
    with open_window(browser, app.url, width, 800) as page:
        notes, whole = page.locator("#notes"), page.locator("#notes p")
        expect(whole).to_be_hidden()
        expect(notes.locator("summary")).to_contain_text("the jaw alone")
        assert notes.locator("summary").bounding_box()["height"] < 30  # one line
        notes.locator("summary").click()
        expect(whole).to_contain_text("Body: ")
        assert str(app.uploads.parent) not in page.locator("body").inner_text()


def test_generate_is_the_first_stop_after_the_recording_and_has_a_key(browser, app, short_talk):
    with open_window(browser, app.url, 1400, 1000) as page:
        page.locator("#speech-video").focus()
        page.keyboard.press("Tab")
        expect(page.locator("#generate")).to_be_focused()
        expect(page.locator("#generate")).to_have_attribute("title", "Ctrl+Enter")
        page.locator("#speech button[aria-label='Clear']").click()
        page.locator("#speech input[type=file]").set_input_files(short_talk)
        expect(page.locator("#timeline [data-part=length]")).to_have_text("/ 1.50 s")
        blend = page.get_by_label("Frames of blending")
        blend.fill("11")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#details")).to_contain_text(f"{TALK_FRAMES} frames")
        expect(blend).to_be_focused()
        page.locator("#plan-panel button").first.click()
        expect(page.locator("#blend input")).to_have_value("11")  # typed and never left, it counts all the same
        page.locator("#keys-panel button").first.click()
        expect(page.get_by_text("generates, wherever you are")).to_be_visible()
