"""The pictures of the page in the README: `python -m tests.browser.screenshots`, some minutes on two cores.

Real takes of the demo weights, made as a user would make them.
"""

import json
import re

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from app import create_app
from emage.motion import FPS
from emage.pipeline import EmagePipeline
from emage.ui.service.service import PageSettings
from tests.browser.driving import FLAGS, installed_browser
from tests.browser.page import expect_metrics, generate, write_plan
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
SETTLED_MS = 1000
PATIENCE_MS = 900_000
MARGIN_PX = 12
_SEEK = """(sound, second) => new Promise((done) => {
  sound.pause();
  sound.addEventListener("seeked", () => requestAnimationFrame(() => requestAnimationFrame(done)), { once: true });
  sound.currentTime = second;
})"""
_IS_AT_REST = "window.emageRunning?.size === 0"


def main() -> None:
    """Write the four pictures into assets/."""
    app = create_app(EmagePipeline.from_pretrained("demo"), PageSettings(size=512))
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, server_port=None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed_browser(), args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1400, "height": 1800}, color_scheme="light", reduced_motion="reduce")
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page.goto(url)
        take_pictures(page)
        browser.close()
    app.close()


def take_pictures(page: Page) -> None:
    """The whole way: a take without hints, one with, both side by side."""
    expect(page.locator("#timeline [data-part=length]")).to_have_text(re.compile(r"\d s"))
    generate(page, 1)
    page.locator("#plan-panel button").first.click()
    write_plan(page, json.dumps(PLAN))
    expect(page.locator("#timeline .span")).to_have_count(4)
    page.locator("#plan-panel button").first.click()
    generate(page, 2)
    stop_at_moment(page, "#result-stage", 1)
    take_picture(page, "#timeline", "page-timeline.png")
    take_picture(page, "#stage", "page-result.png")
    page.get_by_label("Hint beside result").check()
    page.click("#compare")
    expect_metrics(page, 2)
    expect(page.locator("#plots .caption")).to_have_count(2)
    stop_at_moment(page, "#compare-stage", 3)
    take_picture(page, "#compare-stage", "page-compare.png", down_to="#metrics")
    take_picture(page, "#plots", "page-plots.png")


def stop_at_moment(page: Page, player: str, bodies: int) -> None:
    """A stage begins to play when what is shown comes, and once more when it is made whole: only then it stands."""
    stage = f"document.querySelector('{player} section').stage"
    page.wait_for_function(_IS_AT_REST)
    page.wait_for_function(f"{stage}.shows({bodies}) && document.querySelector('{player} audio').readyState > 1")
    page.locator(f"{player} audio").evaluate(_SEEK, MOMENT_S)
    page.mouse.move(5, 5)
    page.wait_for_timeout(SETTLED_MS)
    frame = page.evaluate(f"{stage}.frame()")
    assert abs(frame - MOMENT_S * FPS) < 1, f"{player} stands at frame {frame:.0f}"


def take_picture(page: Page, selector: str, name: str, down_to: str | None = None) -> None:
    """From the top of one part of the page to the foot of another, 256 colours."""
    top, foot = (page.locator(each).bounding_box() for each in (selector, down_to or selector))
    clip = {
        "x": top["x"] - MARGIN_PX,
        "y": top["y"] - MARGIN_PX,
        "width": top["width"] + 2 * MARGIN_PX,
        "height": foot["y"] + foot["height"] - top["y"] + 2 * MARGIN_PX,
    }
    page.screenshot(path=FOLDER / name, clip=clip, full_page=True)
    with Image.open(FOLDER / name) as image:
        small = image.convert("RGB").quantize(256)
    small.save(FOLDER / name, optimize=True)


if __name__ == "__main__":
    main()
