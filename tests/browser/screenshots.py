"""The pictures of the page in the README: `python -m tests.browser.screenshots`, some minutes on two cores.

Real takes of the demo weights, made as a visitor would make them.
"""

import json
import re
from pathlib import Path

from emage.ui.studio import PageSettings
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from app import create_app
from emage.pipeline import EmagePipeline
from tests.browser.driving import installed_browser
from tests.browser.test_page import write_json
from tests.conftest import ROOT

FOLDER = ROOT / "assets"
PLAN = {
    "spans": [
        {"part": "upper", "start_s": 0.4, "end_s": 5.0, "mode": "lock"},
        {"part": "hands", "start_s": 0.4, "end_s": 5.0, "mode": "lock"},
        {"part": "lower", "start_s": 6.0, "end_s": 8.5, "mode": "follow"},
    ]
}
MOMENT_S = 2.7
"""Of the wave: the arm is up."""
PATIENCE_MS = 900_000
_SEEK = "(video, second) => { video.pause(); video.currentTime = second; }"


def main() -> None:
    """Write the four pictures into assets/."""
    page_settings = PageSettings(size=512)
    _, url, _ = (app := create_app(EmagePipeline.from_pretrained("demo"), page_settings)).launch(
        prevent_thread_lock=True, quiet=True, ssr_mode=False, server_port=None
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed_browser(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000}, color_scheme="light")
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page.goto(url)
        take_pictures(page)
        browser.close()
    app.close()


def take_pictures(page: Page) -> None:
    """The whole way: a take without hints, one with, both side by side."""
    expect(page.locator("#timeline [data-part=length]")).to_have_text(re.compile(r"\d s"))
    page.locator("#settings-panel button").first.click()
    page.get_by_label("Quick preview").check()  # this take's own video is not shown
    make(page, 1)
    page.locator("#renderer").get_by_label("Body", exact=True).check()
    page.locator("#plan-panel button").first.click()
    write_json(page, json.dumps(PLAN))
    expect(page.locator("#timeline .span")).to_have_count(4)
    page.locator("#plan-panel button").first.click()
    make(page, 2)
    stop_at(page, "#video video")
    picture(page, "#timeline", "page-timeline.png")
    picture(page, "#stage", "page-result.png")
    page.get_by_label("Hint beside result").check()
    page.click("#compare")
    page.wait_for_function("document.querySelector('#compare-video video')?.readyState > 1")
    expect(page.get_by_role("grid", name="Takes in numbers").get_by_role("row")).to_have_count(3)  # with the header
    expect(page.locator("#plots .caption")).to_have_count(2)
    stop_at(page, "#compare-video video")
    picture(page, "#compare-video", "page-compare.png", down_to="#metrics")
    picture(page, "#plots", "page-plots.png")


def make(page: Page, takes: int) -> None:
    page.click("#generate")
    expect(page.locator("#takes li")).to_have_count(takes)
    page.wait_for_function("document.querySelector('#video video')?.readyState > 1")


def stop_at(page: Page, video: str) -> None:
    page.locator(video).evaluate(_SEEK, MOMENT_S)
    page.mouse.move(5, 5)
    page.wait_for_timeout(1500)


def picture(page: Page, selector: str, name: str, down_to: str | None = None) -> Path:
    """From the top of one part of the page to the foot of another, 256 colours."""
    page.set_viewport_size({"width": 1400, "height": 1800})
    page.locator(selector).evaluate("part => part.scrollIntoView({ block: 'start' })")
    page.mouse.wheel(0, -40)  # the margin
    page.wait_for_timeout(800)
    top, foot = (page.locator(each).bounding_box() for each in (selector, down_to or selector))
    box = top | {"height": foot["y"] + foot["height"] - top["y"]}
    margin = 12
    clip = {
        "x": box["x"] - margin,
        "y": max(0, box["y"] - margin),
        "width": box["width"] + 2 * margin,
        "height": box["height"] + 2 * margin,
    }
    path = FOLDER / name
    page.screenshot(path=path, clip=clip)
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(256)
    small.save(path, optimize=True)
    return path


if __name__ == "__main__":
    main()
