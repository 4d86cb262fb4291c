"""The list of takes in a real browser: recordings, ticks, settings that are used again, and grids."""

import json
import re

import pytest
import soundfile
from playwright.sync_api import expect

from tests.browser.driving import PATIENCE_S
from tests.browser.page import generate, open_page, upload, write_plan
from tests.conftest import make_speech

FRAMES = 150
PLAN = {"spans": [{"part": "upper", "start_frame": 10, "end_frame": 60, "mode": "lock"}]}


@pytest.fixture
def page(browser, app):
    with open_page(browser, app.url) as page:
        page.set_default_timeout(PATIENCE_S * 1000)
        yield page


def test_takes_of_two_recordings_settings_used_again_and_a_grid(page, tmp_path):
    for number, name in enumerate(("one", "two"), start=1):
        soundfile.write(tmp_path / f"{name}.wav", make_speech(FRAMES * 1600 // 3, number), 16000)
        upload(page, tmp_path / f"{name}.wav", "5.00 s")
        generate(page, number)
    rows, count = page.locator("#takes li"), page.locator("#takes [data-part=count]")
    expect(rows.locator(".about")).to_contain_text(["one.wav · 5.0 s", "two.wav · 5.0 s"])
    expect(rows.locator("svg.figure line")).to_have_count(2 * 14)

    page.locator("#takes [data-tool=none]").click()
    expect(count).to_have_text("0 of 2 ticked")
    page.click("#compare")
    expect(page.get_by_test_id("toast-body")).to_contain_text("Choose one take or more")
    page.locator("#takes [data-tool=all]").click()
    expect(count).to_have_text("2 of 2 ticked")
    page.click("#compare")
    expect(page.locator("#compare-note")).to_contain_text("different recordings: one.wav, two.wav")
    expect(page.locator("#compare-stage .caption")).to_contain_text(["one.wav", "two.wav"])
    _hear_the_other_while_it_plays(page)

    page.locator("#plan-panel button").first.click()
    write_plan(page, json.dumps(PLAN))
    spans = page.locator("#timeline .span")
    expect(spans).to_have_count(1)
    generate(page, 3)
    expect(rows.nth(2).locator(".plan .hint.locked")).to_have_count(1)
    expect(rows.nth(0).locator(".plan .hint")).to_have_count(0)
    rows.nth(1).locator("[data-tool=reuse]").click()
    expect(spans).to_have_count(0)
    rows.nth(2).locator("[data-tool=reuse]").click()
    expect(spans).to_have_count(1)
    expect(page.locator("#reference input")).to_have_value(re.compile("^Hints of: "))

    page.locator("#batch-panel button").first.click()
    expect(page.locator("#batch-count")).to_contain_text(re.compile("2 takes of 5.0 s, about .* altogether"))
    page.click("#batch")
    expect(page.locator("#details")).to_contain_text("no hints")
    expect(rows).to_have_count(5)
    expect(count).to_have_text("2 of 5 ticked")
    boxes = page.locator("#takes input[type=checkbox]")
    assert [boxes.nth(which).is_checked() for which in range(5)] == [False, False, False, True, True]


def _hear_the_other_while_it_plays(page):
    """From the same moment on, also when another is chosen before the one is there. What was heard is asked of the
    player's own events: a slow machine may look only after the end."""
    other = page.locator("#result-stage audio")
    other.evaluate("sound => { sound.currentTime = 0; sound.playbackRate = 0.25; sound.play(); }")
    stage, sound = page.locator("#compare-stage"), page.locator("#compare-stage audio")
    stage.locator("[data-part=speed]").select_option("0.25")
    sound.evaluate(
        "sound => { window.heard = []; sound.play(); sound.addEventListener('playing',"
        " () => heard.push([sound.currentSrc, sound.currentTime, sound.playbackRate])); }"
    )
    page.wait_for_function("document.querySelector('#compare-stage audio').currentTime > 0.3")
    assert other.evaluate("sound => sound.paused && !sound.ended")  # two at once would only be noise
    stage.locator("[data-part=hear]").evaluate(
        "choice => { for (const which of [1, 0, 1]) { choice.selectedIndex = which;"
        " choice.dispatchEvent(new Event('change')); } }"
    )
    page.wait_for_function("heard.some(([url]) => url !== heard[0][0])")
    (first, _, _), *_, (second, time_s, rate) = page.evaluate("heard")
    assert first != second
    assert time_s > 0.29
    assert rate == 0.25
    sound.evaluate("sound => sound.pause()")
