"""The page on a phone, by touch, and with a microphone."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from emage.hints import FOLLOW, HintPlan
from emage.recording.examples import load_examples
from tests.browser.page import PLAYS, open_page, save, swipe

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}


@pytest.fixture
def page(browser, app) -> Iterator[Page]:
    context = browser.new_context(**PHONE, permissions=["microphone"])
    with open_page(context, app.url) as page:
        yield page
    context.close()


def check_width(page: Page) -> None:
    """Nothing is wider than the phone."""
    widths = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]")
    assert max(widths) <= PHONE["viewport"]["width"]


def is_whole(part: Locator) -> bool:
    """Nothing of it is cut off on its right."""
    return part.evaluate("part => part.scrollWidth <= part.clientWidth")


def paint_with_finger(page: Page, lane: Locator, start: float, end: float) -> None:
    """Over a lane, from one share of its width to another."""
    lane.scroll_into_view_if_needed()
    box = lane.bounding_box()
    shares = [start + (end - start) * number / 10 for number in range(11)]
    swipe(page, *((box["x"] + box["width"] * share, box["y"] + box["height"] / 2) for share in shares))


def generate_and_watch(page: Page, seconds: str) -> None:
    page.locator("#generate").tap()
    expect(page.locator("#details")).to_contain_text(seconds)
    page.wait_for_function(PLAYS)
    check_width(page)
    expect(page.locator("#result-stage canvas")).to_be_in_viewport()


def test_a_phone_from_example_to_video(page, tmp_path):
    check_width(page)
    example = min(load_examples(), key=lambda example: example.duration_s)
    page.locator("#examples").get_by_text(example.title).tap()
    expect(page.locator("#transcript textarea")).to_have_value(example.text)
    expect(page.locator("#timeline [data-part=length]")).to_contain_text(f"{example.duration_s:.1f}")
    page.locator("#settings-panel button").first.tap()
    check_width(page)
    assert is_whole(page.locator("#face-inset"))
    page.locator("#timeline [data-tool=snap]").tap()
    paint_with_finger(page, page.locator("#timeline .lane[data-leaf=upper]"), 0.25, 0.5)
    expect(page.locator("#timeline .span")).to_have_count(1)
    check_width(page)
    generate_and_watch(page, f"{example.duration_s:.1f} s of speech")
    assert is_whole(page.get_by_label("Caption of take"))
    (span,) = HintPlan.load(save(page, "#plan-file", tmp_path / "plan.json")).spans
    frames = example.duration_s * 30
    assert (span.part, span.mode) == ("upper", FOLLOW)
    assert abs(span.start_frame - 0.25 * frames) < 0.03 * frames
    assert abs(span.end_frame - 0.5 * frames) < 0.03 * frames
    for panel in ("plan-panel", "batch-panel", "command-panel", "hint-help"):
        page.locator(f"#{panel} button").first.tap()
        check_width(page)


def test_the_microphone(page):
    page.locator("#speech button[aria-label='Clear']").tap()
    page.locator("#speech button[aria-label='Record audio']").tap()
    page.locator("#speech .record-button").tap()
    expect(page.locator("#speech")).to_contain_text("0:02")
    page.locator("#speech .stop-button").tap()
    length = page.locator("#timeline [data-part=length]")
    expect(length).to_have_text(re.compile(r"[23]\.\d\d s"))
    assert page.locator("#timeline").get_by_text("The recording is silent").count() == 0
    check_width(page)
    seconds = re.search(r"[\d.]+", length.inner_text())[0]
    generate_and_watch(page, f"{float(seconds):.1f} s of speech")
