"""Plots over time and the table of metrics in a real browser."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from emage.hints import LOCK, HintPlan, Span
from emage.ui import components
from emage.ui.components.plots import MAX_TAKES, Plots
from emage.ui.components.plots.value import TAKE_COLORS, build_curve
from tests.browser.driving import DESKTOP, NUM_FRAMES, PHONE, Driver
from tests.ui.components.test_plots import NO_PLAN, REPORT, SILENT, TWENTY_MINUTES, numbers, series_of

SPANS = (Span("upper", 60, 120, LOCK), Span("hands", 60, 120), Span("face", 200, 300))
SPEECH = replace(series_of(NUM_FRAMES), onsets_s=np.array([1.0, 4.02, 9.5]))
CALM = replace(SPEECH, hand_speed_m_per_s=np.full(NUM_FRAMES, 0.25), jaw_rad=np.full(NUM_FRAMES, math.radians(5)))
SHORT = replace(CALM, **{name: getattr(CALM, name)[:150] for name in ("hand_speed_m_per_s", "jaw_rad", "loudness")})
THREE = Plots.show([("Calm", CALM, NO_PLAN), ("<i>Locked</i>", SPEECH, HintPlan(SPANS)), ("Short", SHORT, NO_PLAN)])
LONG = Plots.show([(f"Take {i}", series_of(TWENTY_MINUTES, i), NO_PLAN) for i in range(MAX_TAKES)])

TWO = [("One {{#each", REPORT), ("Two ${1 + 1}", SILENT)]


class PlotsDriver(Driver):
    NAME = "plots"
    ROUTE = "plots"

    def show(self, value: dict[str, Any]) -> None:
        self.bench.plotted, self.bench.reports = value, TWO
        self.page.click("#show")
        expect(self.find(".caption")).to_have_text([take["caption"] for take in value["takes"]])
        self.wait_for_pictures()
        self.part("surface").evaluate("node => node.scrollIntoView()")

    def point(self, frame: float) -> tuple[float, float]:
        box = self.part("cursor").bounding_box()
        return box["x"] + frame * box["width"] / NUM_FRAMES, box["y"] + 80

    def video_s(self) -> float:
        return self.page.evaluate("document.querySelector('#video video').currentTime")

    def values(self) -> list[tuple[str, str]]:
        """Of the hands and the jaw in each take, at the time that is looked at."""
        rows = self.find("tbody tr")
        return [tuple(rows.nth(i).locator("b").all_inner_texts()) for i in range(rows.count())]

    def pixels(self, color: str) -> int:
        """How many of the charts have about this colour."""
        return self.page.evaluate(PIXELS, [int(color[at : at + 2], 16) for at in (1, 3, 5)])


PIXELS = """([r, g, b]) => {
    let count = 0;
    for (const canvas of document.querySelectorAll("#plots canvas")) {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        for (let i = 0; i < data.length; i += 4) {
            const far = Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b);
            if (far < 24 && data[i + 3] > 200) count += 1;
        }
    }
    return count;
}"""


def open_plots(bench, page) -> PlotsDriver:
    plots = PlotsDriver(bench, page)
    plots.show(THREE)
    expect(plots.part("play")).to_be_visible()
    page.wait_for_function("document.querySelector('#video video').readyState > 0")
    return plots


@pytest.fixture(scope="module")
def desktop(bench, browser) -> Iterator[PlotsDriver]:
    page = browser.new_page(**DESKTOP)
    yield open_plots(bench, page)
    page.close()


@pytest.fixture
def plots(desktop) -> Iterator[PlotsDriver]:
    yield desktop
    assert desktop.faults == []


def test_curves_are_drawn_and_a_take_can_be_hidden(plots):
    for color in TAKE_COLORS[:3]:
        assert plots.pixels(color) > 50
    expect(plots.find(".hint")).to_have_count(3)
    button = plots.root.get_by_role("button", name="<i>Locked</i>")
    button.click()
    plots.wait_for_pictures()
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(plots.find(".hint")).to_have_count(0)
    assert plots.pixels(TAKE_COLORS[1]) == 0
    button.click()
    plots.wait_for_pictures()
    assert plots.pixels(TAKE_COLORS[1]) > 50


def test_the_pointer_tells_the_values_and_a_click_moves_the_video(plots):
    plots.page.mouse.move(*plots.point(30.5))
    expect(plots.part("clock")).to_have_text("0:01.00")
    jaw = math.degrees(SPEECH.jaw_rad[30])
    assert plots.values() == [("0.25", "5.0"), (f"{SPEECH.hand_speed_m_per_s[30]:.2f}", f"{jaw:.1f}"), ("0.25", "5.0")]
    expect(plots.part("loudness")).to_have_text(f"{SPEECH.loudness[30]:.2f}")
    expect(plots.part("crosshair")).to_be_visible()
    assert plots.video_s() == 0
    plots.page.mouse.click(*plots.point(240.5))
    assert plots.video_s() == pytest.approx(8)
    assert plots.values()[2] == ("—", "—")  # it has ended
    plots.page.mouse.down()
    plots.page.mouse.move(*plots.point(90.5))
    plots.page.mouse.up()
    assert plots.video_s() == pytest.approx(3)
    plots.page.mouse.move(5, 5)
    expect(plots.part("crosshair")).to_be_hidden()
    expect(plots.part("clock")).to_have_text("0:03.00")


def test_the_keyboard_alone(plots):
    plots.page.mouse.click(*plots.point(60.5))
    plots.page.mouse.move(5, 5)
    plots.root.get_by_role("button", name="Short").focus()
    plots.press("Tab")
    cursor = plots.root.get_by_role("slider", name="Time")
    expect(cursor).to_be_focused()
    expect(cursor).to_have_attribute("aria-valuenow", "60")
    for keys, frame in (
        ("ArrowRight ArrowRight", 62),
        ("Shift+ArrowRight", 72),
        ("ArrowLeft", 71),
        ("Control+ArrowRight", 120),  # the onset at 4.02 s
        ("Control+ArrowLeft", 30),
        ("PageUp", 60),
        ("End", 299),
        ("ArrowRight", 299),
        ("Home", 0),
        ("Control+ArrowLeft", 0),
        ("Control+ArrowRight Control+ArrowRight Control+ArrowRight", 285),
    ):
        plots.press(*keys.split())
        assert cursor.get_attribute("aria-valuenow") == str(frame), keys
    assert cursor.get_attribute("aria-valuetext").startswith("9.50 seconds; Calm: hands 0.25 m/s, jaw 5.0 degrees; ")
    assert plots.video_s() == pytest.approx(2)
    plots.press("Enter")
    assert plots.video_s() == pytest.approx(9.5)
    expect(plots.part("spoken")).to_have_text("The video is at 9.50 seconds.")
    plots.press("Home", "Escape")
    expect(cursor).to_have_attribute("aria-valuenow", "285")


def test_the_playhead_follows_the_video(plots):
    plots.page.mouse.click(*plots.point(30.5))
    plots.page.mouse.move(5, 5)
    plots.press("Space")
    expect(plots.part("play")).to_have_attribute("aria-label", "Pause")
    plots.page.wait_for_function(
        "Number(document.querySelector('#plots [data-part=playhead]').style.getPropertyValue('--at')) > 0.12"
    )
    plots.part("play").click()
    expect(plots.part("play")).to_have_attribute("aria-label", "Play")
    at_s = plots.video_s()
    assert at_s > 1.2
    expect(plots.part("clock")).to_have_text(f"0:0{at_s:.2f}")
    plots.page.evaluate("document.querySelector('#video video').currentTime = 6")  # as another component does
    expect(plots.part("clock")).to_have_text("0:06.00")


def test_a_screen_reader_gets_the_gist(plots):
    charts = plots.root.get_by_role("img", name="Two charts over 10.00 seconds of 3 takes")
    expect(charts).to_have_count(1)
    calm, locked, _ = plots.part("summary").locator("li").all_inner_texts()
    assert calm == (
        "Calm: the hands move at 0.25 m/s on average and 0.25 m/s at most; the jaw is open by 5.0 degrees on average "
        "and 5.0 at most. No hints."
    )
    assert locked.endswith(
        "Hints: Upper body, locked, 2.00 s to 4.00 s; Both hands, follows, 2.00 s to 4.00 s; Face, follows, 6.67 s to "
        "10.00 s."
    )
    table = plots.page.get_by_role("grid", name="Takes in numbers")
    expect(table.get_by_role("columnheader")).to_have_count(10)
    for caption, _ in TWO:
        expect(table.get_by_role("gridcell", name=caption)).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_in_both_themes(plots, theme):
    plots.turn(theme)
    texts = (".clock span", ".heard", "thead th", ".caption", "td.mean", ".chart-title span", ".owners", ".name")
    contrasts = plots.contrasts(*texts, ".onsets", ".hint span", ".legend li", ".help summary")
    lightened = [round(0.75 * int(TAKE_COLORS[0][at : at + 2], 16) + 0.25 * 255) for at in (1, 3, 5)]
    pixels = plots.pixels("#{:02x}{:02x}{:02x}".format(*lightened))
    plots.turn("light")
    assert min(contrasts.values()) >= 4.5, contrasts
    assert (pixels > 50) == (theme == "dark")


def test_nothing_moves_by_itself_where_the_reader_wants_none(plots):
    assert plots.count_moving() == 0


def test_long_takes_and_none(plots):
    plots.page.mouse.click(*plots.point(180.5))
    plots.page.mouse.move(5, 5)
    plots.show(LONG)
    assert plots.find("tbody small").first.inner_text().count("–") == 1  # the range of a column
    expect(plots.part("columns")).to_have_text(re.compile("Each point stands for 0.93 seconds"))
    expect(plots.part("length")).to_have_text("of 20:00.00")
    assert plots.pixels(TAKE_COLORS[-1]) > 20  # on top of the others
    plots.show(Plots.show([]))
    expect(plots.root.get_by_text("Compare takes: their curves over time appear here.")).to_be_visible()
    plots.show(THREE)
    expect(plots.part("clock")).to_have_text("0:06.00")  # where the video still is


def test_without_uplot_a_sentence_stands_in_the_place_of_the_charts(plots):
    bare = plots.page.locator("#bare")
    expect(bare.get_by_text("The charts need uPlot, which is not installed here")).to_be_visible()
    expect(bare.locator("canvas")).to_have_count(0)
    expect(bare.locator(".hint")).to_have_count(len(SPANS))
    expect(plots.part("missing")).to_be_hidden()


def test_a_tap_on_a_phone(bench, browser):
    context = browser.new_context(**PHONE)
    phone = open_plots(bench, context.new_page())
    phone.check_phone(*phone.find("button").all())
    phone.part("surface").scroll_into_view_if_needed()
    phone.page.touchscreen.tap(*phone.point(150.5))
    phone.page.wait_for_function("document.querySelector('#video video').currentTime > 0")
    assert phone.video_s() == pytest.approx(5, abs=0.1)
    expect(phone.part("crosshair")).to_be_hidden()
    assert phone.faults == []
    context.close()


# --- the curves by themselves -----------------------------------------------------------------------------------------

WIDENED = """([source, curves, step, count]) => new Function("curves", "step", "count", source + `
    return curves.map((curve) => widenColumns(decodeCurve(curve), step, count));
`)(curves, step, count)"""


@pytest.mark.parametrize("width", [37, 240, 1200])
def test_no_column_loses_what_stands_out(desktop, width):
    rng = np.random.default_rng(0)
    frames = (1, 300, 9999)
    curves = [build_curve(rng.standard_normal(each) * each, 3) for each in frames]
    step = max(max(frames) // width + 1, *(curve["frames_per_column"] for curve in curves))
    count = math.ceil(max(frames) / step)
    source = (Path(components.__file__).parent / "plots/curves.js").read_text("utf-8")
    drawn = desktop.page.evaluate(WIDENED, [source, curves, step, count])
    for curve, columns in zip(curves, drawn, strict=True):
        known = math.ceil(curve["num_frames"] / step)
        low, mean, high = (np.array(columns[name][:known], float) for name in ("low", "mean", "high"))
        assert all(value is None for value in columns["mean"][known:])
        assert low.min() == numbers(curve.get("low", curve["mean"])).min()
        assert high.max() == numbers(curve.get("high", curve["mean"])).max()
        assert (low <= mean + 1e-9).all()
        assert (mean <= high + 1e-9).all()
