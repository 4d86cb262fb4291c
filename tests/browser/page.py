"""The page as a person uses it."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, expect

PLAYS = "document.querySelector('#result-stage audio')?.currentTime > 0.3"

_SLOW_S = 0.1  # Chromium takes a finger that has not moved for 0.08 s for one at rest


@contextmanager
def open_page(browser: Browser | BrowserContext, url: str) -> Iterator[Page]:
    """The page, ready; its console must have no error when it is left."""
    page = browser.new_page()
    faults = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(url)
    expect(page.locator("#generate")).to_be_visible()
    yield page
    page.close()
    assert not faults, faults


def upload(page: Page, path: Path, seconds: str = "1.50 s") -> None:
    """Instead of what is there."""
    page.locator("#speech button[aria-label='Clear']").click()
    page.locator("#speech input[type=file]").set_input_files(path)
    expect(page.locator("#timeline [data-part=length]")).to_have_text(re.compile(seconds))


def generate(page: Page, takes: int) -> None:
    """So that the list has so many."""
    page.click("#generate")
    expect(page.locator("#takes li")).to_have_count(takes)


def film_too(page: Page) -> None:
    """Each take with its video from now on."""
    page.locator("#settings-panel button").first.click()
    page.locator("#film input").check()


def expect_metrics(page: Page, takes: int) -> None:
    """A row of the table for each take, below the header."""
    rows = page.get_by_role("grid", name="Takes in numbers").get_by_role("row")
    expect(rows).to_have_count(1 + takes)


def paint(page: Page, part: str, start: float, end: float) -> None:
    """With the mouse, from one share of the recording to another."""
    lane = page.locator(f"#timeline .lane[data-leaf={part}]")
    lane.scroll_into_view_if_needed()
    box = lane.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], y)
    page.mouse.down()
    for share in ((start + end) / 2, end):
        page.mouse.move(box["x"] + share * box["width"], y)
    page.mouse.up()


def swipe(page: Page, *points: tuple[float, float]) -> None:
    """With a slow finger, where Playwright itself only taps: over these points, and at rest on the last.

    The events bring their own times. By those of their arrival, a few milliseconds apart, the finger would fling, also
    where nothing scrolls, and Chromium has no click for a tap that comes while a fling goes on: it only stops it.
    """
    kinds = ["touchStart"] + ["touchMove"] * (len(points) - 1)
    events = [(kind, [{"x": x, "y": y}]) for kind, (x, y) in zip(kinds, points, strict=True)] + [("touchEnd", [])]
    start_s = time.time() - _SLOW_S * len(points)  # it is lifted now
    touch = page.context.new_cdp_session(page)
    for number, (kind, touches) in enumerate(events):
        event = {"type": kind, "touchPoints": touches, "timestamp": start_s + _SLOW_S * number}
        touch.send("Input.dispatchTouchEvent", event)


def write_plan(page: Page, text: str) -> None:
    """Into the plan's JSON."""
    page.locator("#plan-json .cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def save(page: Page, button: str, path: Path) -> Path:
    """What a button gives to download."""
    with page.expect_download() as download:
        page.click(button)
    download.value.save_as(path)
    assert re.fullmatch(rf".*\{path.suffix}", download.value.suggested_filename)
    return path
