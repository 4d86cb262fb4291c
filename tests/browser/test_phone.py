"""The page on a phone, by touch, and with a microphone."""

import re
from collections.abc import Iterator

import pytest
import soundfile
from emage.ui.studio import PageSettings
from playwright.sync_api import BrowserContext, CDPSession, Locator, Page, expect, sync_playwright

from app import create_app
from emage.hints import FOLLOW, HintPlan
from emage.recording.examples import load_examples
from tests.browser.test_app import faultless_page, installed_browser, save
from tests.conftest import make_speech

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}


@pytest.fixture(scope="module")
def url(tiny) -> Iterator[str]:
    application = create_app(tiny, PageSettings(max_duration_s=60, size=64))
    _, address, _ = application.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
    yield address
    application.close()


@pytest.fixture(scope="module")
def phone(tmp_path_factory) -> Iterator[BrowserContext]:
    """A phone whose microphone hears 3 s of speech over and over."""
    spoken = tmp_path_factory.mktemp("audio") / "spoken.wav"
    soundfile.write(spoken, make_speech(3 * 16000), 16000)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    flags += ["--autoplay-policy=no-user-gesture-required", f"--use-file-for-fake-audio-capture={spoken}"]
    flags += ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed_browser(), args=flags)
        yield browser.new_context(**PHONE, permissions=["microphone"])
        browser.close()


@pytest.fixture
def page(phone, url) -> Iterator[Page]:
    with faultless_page(phone, url) as page:
        yield page


def nothing_overflows(page: Page) -> None:
    width = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]")
    assert max(width) <= PHONE["viewport"]["width"]


def is_whole(part: Locator) -> bool:
    """Nothing of it is cut off on its right."""
    return part.evaluate("part => part.scrollWidth <= part.clientWidth")


def draw_with_finger(page: Page, lane: Locator, start: float, end: float) -> None:
    """A touch that moves over a lane, from one share of its width to another."""
    lane.scroll_into_view_if_needed()
    box = lane.bounding_box()
    touch: CDPSession = page.context.new_cdp_session(page)
    y = box["y"] + box["height"] / 2
    for number in range(11):
        x = box["x"] + box["width"] * (start + (end - start) * number / 10)
        kind = "touchMove" if number else "touchStart"
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_timeout(500)  # Chromium takes no tap in the moment after a drag


def generate_and_watch(page: Page, seconds: str) -> None:
    page.locator("#generate").tap()
    expect(page.locator("#details")).to_contain_text(seconds, timeout=150_000)
    page.wait_for_function("document.querySelector('#video video')?.currentTime > 0.3", timeout=30_000)
    nothing_overflows(page)
    expect(page.locator("#video video")).to_be_in_viewport()


@pytest.mark.browser
def test_a_phone_from_example_to_video(page, tmp_path):
    nothing_overflows(page)
    example = min(load_examples(), key=lambda example: example.duration_s)
    page.locator("#examples").get_by_text(example.title).tap()
    expect(page.locator("#transcript")).to_contain_text(example.text, timeout=30_000)
    length = page.locator("#timeline [data-part=length]")
    expect(length).to_contain_text(f"{example.duration_s:.1f}", timeout=30_000)
    page.locator("#timeline [data-tool=snap]").tap()
    draw_with_finger(page, page.locator("#timeline .lane[data-leaf=upper]"), 0.25, 0.5)
    expect(page.locator("#timeline .span")).to_have_count(1)
    nothing_overflows(page)
    page.locator("#settings-panel button").first.tap()
    page.get_by_text("Quick preview").tap()
    nothing_overflows(page)
    assert is_whole(page.locator("#face-inset"))
    generate_and_watch(page, f"{example.duration_s:.1f} s of speech")
    assert is_whole(page.get_by_label("Caption of take"))
    (span,) = HintPlan.load(save(page, "#plan-file", tmp_path / "plan.json")).spans
    frames = example.duration_s * 30
    assert (span.part, span.mode) == ("upper", FOLLOW)
    assert abs(span.start_frame - 0.25 * frames) < 0.03 * frames
    assert abs(span.end_frame - 0.5 * frames) < 0.03 * frames
    for panel in ("plan-panel", "batch-panel", "command-panel", "hint-help"):
        page.locator(f"#{panel} button").first.tap()
        nothing_overflows(page)


@pytest.mark.browser
def test_the_microphone(page):
    page.locator("#speech button[aria-label='Clear']").tap()
    page.locator("#speech button[aria-label='Record audio']").tap()
    page.locator("#speech .record-button").tap()
    page.wait_for_timeout(2500)
    page.locator("#speech .stop-button").tap()
    length = page.locator("#timeline [data-part=length]")
    expect(length).to_have_text(re.compile(r"[23]\.\d\d s"), timeout=30_000)
    assert page.locator("#timeline").get_by_text("The recording is silent").count() == 0
    nothing_overflows(page)
    seconds = re.search(r"[\d.]+", length.inner_text())[0]
    generate_and_watch(page, f"{float(seconds):.1f} s of speech")
