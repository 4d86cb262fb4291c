"""Plots over time and the table of metrics: their values in Python, and both in a real browser."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import expect

from emage.errors import EmageError
from emage.evaluation.report import GIVEN_MEAN_SPEED, OWN_MEAN_SPEED, MotionSeries, SpanDeviation, TakeReport
from emage.hints import LOCK, HintPlan, Span
from emage.ui import components
from emage.ui.components.plots import MAX_TAKES, Plots, describe_metrics, tabulate_metrics
from emage.ui.components.plots.value import MAX_POINTS, TAKE_COLORS, build_curve
from tests.browser.driving import DESKTOP, NUM_FRAMES, PHONE, Driver

TWENTY_MINUTES = 36_000
NO_PLAN = HintPlan()


def series_of(num_frames: int, seed: int = 0) -> MotionSeries:
    rng = np.random.default_rng(seed)
    hands, jaw, loudness = rng.random((3, num_frames))
    onsets_s = np.sort(rng.random(num_frames // 10) * num_frames / 30)
    return MotionSeries(2 * hands, 0.3 * jaw - 0.02, None, loudness, onsets_s)


def numbers(text: str) -> np.ndarray:
    return np.array(text.split(), float)


# --- the value --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_frames", [1, 2, MAX_POINTS, MAX_POINTS + 1, TWENTY_MINUTES, TWENTY_MINUTES + 17])
def test_a_curve_keeps_the_extremes_of_each_column(num_frames):
    values = np.random.default_rng(num_frames).standard_normal(num_frames)
    values[num_frames // 3] = -50
    values[num_frames // 2] = 70
    curve = build_curve(values, 3)
    step = curve["frames_per_column"]
    assert (step == 1) == (num_frames <= MAX_POINTS)
    assert curve["num_frames"] == num_frames
    low, mean, high = (numbers(curve.get(name, curve["mean"])) for name in ("low", "mean", "high"))
    assert len(low) <= (MAX_POINTS if step == 1 else MAX_POINTS // 3)
    columns = [values[start : start + step] for start in range(0, num_frames, step)]
    np.testing.assert_allclose(low, [column.min() for column in columns], atol=6e-4)
    np.testing.assert_allclose(high, [column.max() for column in columns], atol=6e-4)
    np.testing.assert_allclose(mean, [column.mean() for column in columns], atol=6e-4)
    assert high.max() == 70


def test_a_series_that_stands_still_is_one_line():
    curve = build_curve(np.full(TWENTY_MINUTES, 0.1), 3)
    assert "low" not in curve
    assert set(numbers(curve["mean"])) == {0.1}


def test_takes_become_a_value():
    long, short = series_of(300), series_of(240, seed=1)
    plan = HintPlan((Span("upper", 30, 500, LOCK), Span("face", 240, 250)))  # the second lies behind the take's end
    value = Plots.show([("short", short, plan), ("long", long, NO_PLAN)])
    first, second = value["takes"]
    assert (first["caption"], first["color"], first["jaw"]["num_frames"]) == ("short", TAKE_COLORS[0], 240)
    assert (second["color"], second["jaw"]["num_frames"], second["spans"]) == (TAKE_COLORS[1], 300, [])
    assert first["spans"] == [Span("upper", 30, 240, LOCK).to_json()]
    assert first["mean_hand_speed"] == pytest.approx(short.hand_speed_m_per_s.mean(), abs=6e-4)
    assert first["mean_jaw"] == pytest.approx(np.degrees(short.jaw_rad.mean()), abs=6e-3)
    np.testing.assert_allclose(numbers(second["jaw"]["mean"]), np.degrees(long.jaw_rad), atol=6e-3)
    np.testing.assert_allclose(numbers(value["loudness"]["mean"]), long.loudness, atol=6e-4)  # of the longest
    np.testing.assert_allclose(numbers(value["onsets_s"]), long.onsets_s, atol=6e-4)
    assert Plots(value, video_id="video").value == value


def test_no_takes():
    assert Plots.show([]) == Plots().value == {"takes": [], "loudness": None, "onsets_s": ""}


def test_twenty_minutes_of_all_takes_are_small():
    assert len(str(Plots.show([("", series_of(TWENTY_MINUTES), NO_PLAN)] * MAX_TAKES))) < 550_000


def test_what_cannot_be_plotted():
    with pytest.raises(EmageError, match="9 takes are too many for one plot"):
        Plots.show([("", series_of(3), NO_PLAN)] * (MAX_TAKES + 1))
    with pytest.raises(EmageError, match="other than finite numbers"):
        Plots.show([("", replace(series_of(3), jaw_rad=np.array([0, math.nan, 0])), NO_PLAN)])
    with pytest.raises(EmageError, match="must be .frames,., and not empty"):
        build_curve(np.zeros((3, 2)), 2)
    with pytest.raises(gr.Error, match="only show"):
        Plots().preprocess(Plots.show([]))


def test_colours_of_takes_stand_out_on_both_pages():
    def light(channels: list[float]) -> float:
        linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear)) + 0.05

    white, black = light([1.0] * 3), light([0x27 / 255, 0x27 / 255, 0x2A / 255])
    assert len(set(TAKE_COLORS)) == MAX_TAKES
    for color in TAKE_COLORS:
        channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        assert white / light(channels) >= 3
        assert light([0.75 * channel + 0.25 for channel in channels]) / black >= 3  # as the dark page lightens them


# --- the table --------------------------------------------------------------------------------------------------------

REPORT = TakeReport(
    duration_s=10.0,
    beat_consistency=0.61234,
    beat_consistency_aligned=0.5,
    mean_speed_of=GIVEN_MEAN_SPEED,
    diversity_m=9.876,
    jerk_m_per_s3=41.23,
    foot_sliding_m_per_s=0.0123,
    spans=(
        SpanDeviation(Span("upper", 0, 30, LOCK), 0.0, 1e-6),
        SpanDeviation(Span("lower", 30, 60), math.radians(4), math.radians(60), path_m=0.25),
    ),
    took_s=3.21,
)
SILENT = TakeReport(1.0, None, None, GIVEN_MEAN_SPEED, 0.0, None, 0.0, notes=("It is silent & still.",))
TWO = [("One {{#each", REPORT), ("Two ${1 + 1}", SILENT)]


def test_the_numbers_of_takes():
    sent = gr.Dataframe(interactive=False).postprocess(tabulate_metrics([("<b>One</b>", REPORT), ("Two", SILENT)]))
    mean = f"{math.degrees(REPORT.hint_mean_rad):.1f}"
    assert sent.metadata["display_value"] == [
        ["<b>One</b>", "0.612", "0.500", "9.88", "41.2", "0.012", mean, "60.0", "10.0", "3.2"],
        ["Two", "—", "—", "0.00", "—", "0.000", "—", "—", "1.0", "—"],
    ]
    assert sent.data[0][1:3] == [0.61234, 0.5]  # numbers, so that they can be sorted
    notes = describe_metrics([("<b>One</b>", REPORT), ("Two", SILENT)])
    for why, columns in (
        ("It is silent &amp; still.", "Beat consistency, published (0 to 1); Beat consistency, aligned (0 to 1); Jerk"),
        ("This take has no hints.", "From hints, mean (°); From hints, most (°)"),
        ("It is not known.", "Made in (s)"),
    ):
        assert f"<li><b>Two</b>: {why} <i>({columns}" in notes
    assert all(f"<dt>{header}</dt><dd>" in notes for header in sent.headers[1:])
    assert "<td>&lt;b&gt;One&lt;/b&gt;</td><td>Upper body</td><td>0.00 to 1.00</td><td>lock</td>" in notes
    assert "<td>1.00 to 2.00</td><td>follow</td><td>4.0</td><td>60.0</td><td>0.25</td><td></td>" in notes
    assert "own mean speed" not in notes
    assert describe_metrics([]) == ""


def test_what_cannot_be_compared_is_said():
    own = replace(REPORT, mean_speed_of=OWN_MEAN_SPEED)
    assert "cannot be compared between takes" in describe_metrics([("a", own), ("b", own)])
    assert "cannot be compared" not in describe_metrics([("a", own)])
    many = replace(REPORT, spans=REPORT.spans * 150)
    assert "And 100 more" in describe_metrics([("a", many)])


# --- in the browser ---------------------------------------------------------------------------------------------------

SPANS = (Span("upper", 60, 120, LOCK), Span("hands", 60, 120), Span("face", 200, 300))
SPEECH = replace(series_of(NUM_FRAMES), onsets_s=np.array([1.0, 4.02, 9.5]))
CALM = replace(SPEECH, hand_speed_m_per_s=np.full(NUM_FRAMES, 0.25), jaw_rad=np.full(NUM_FRAMES, math.radians(5)))
SHORT = replace(CALM, **{name: getattr(CALM, name)[:150] for name in ("hand_speed_m_per_s", "jaw_rad", "loudness")})
THREE = Plots.show([("Calm", CALM, NO_PLAN), ("<i>Locked</i>", SPEECH, HintPlan(SPANS)), ("Short", SHORT, NO_PLAN)])
LONG = Plots.show([(f"Take {i}", series_of(TWENTY_MINUTES, i), NO_PLAN) for i in range(MAX_TAKES)])


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


@pytest.mark.browser
def test_curves_are_drawn_and_a_take_can_be_hidden(plots):
    for color in TAKE_COLORS[:3]:
        assert plots.pixels(color) > 50
    expect(plots.find(".hint")).to_have_count(3)
    button = plots.page.get_by_role("button", name="<i>Locked</i>")
    button.click()
    plots.wait_for_pictures()
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(plots.find(".hint")).to_have_count(0)
    assert plots.pixels(TAKE_COLORS[1]) == 0
    button.click()
    plots.wait_for_pictures()
    assert plots.pixels(TAKE_COLORS[1]) > 50


@pytest.mark.browser
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


@pytest.mark.browser
def test_the_keyboard_alone(plots):
    plots.page.mouse.click(*plots.point(60.5))
    plots.page.mouse.move(5, 5)
    plots.page.get_by_role("button", name="Short").focus()
    plots.press("Tab")
    cursor = plots.page.get_by_role("slider", name="Time")
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


@pytest.mark.browser
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


@pytest.mark.browser
def test_a_screen_reader_gets_the_gist(plots):
    charts = plots.page.get_by_role("img", name="Two charts over 10.00 seconds of 3 takes")
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


@pytest.mark.browser
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


@pytest.mark.browser
def test_nothing_moves_by_itself_where_the_reader_wants_none(plots):
    assert plots.count_moving() == 0


@pytest.mark.browser
def test_long_takes_and_none(plots):
    plots.page.mouse.click(*plots.point(180.5))
    plots.page.mouse.move(5, 5)
    plots.show(LONG)
    assert plots.find("tbody small").first.inner_text().count("–") == 1  # the range of a column
    expect(plots.part("columns")).to_have_text(re.compile("Each point stands for 0.93 seconds"))
    expect(plots.part("length")).to_have_text("of 20:00.00")
    assert plots.pixels(TAKE_COLORS[-1]) > 20  # on top of the others
    plots.show(Plots.show([]))
    expect(plots.page.get_by_text("Compare takes: their curves over time appear here.")).to_be_visible()
    plots.show(THREE)
    expect(plots.part("clock")).to_have_text("0:06.00")  # where the video still is


@pytest.mark.browser
def test_without_uplot_a_sentence_stands_in_the_place_of_the_charts(plots):
    bare = plots.page.locator("#bare")
    expect(bare.get_by_text("The charts need uPlot, which is not installed here")).to_be_visible()
    expect(bare.locator("canvas")).to_have_count(0)
    expect(bare.locator(".hint")).to_have_count(len(SPANS))
    expect(plots.part("missing")).to_be_hidden()


@pytest.mark.browser
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


@pytest.mark.browser
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
