"""Plots over time and the table of metrics: their values in Python, and both in a real browser."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from emage.ui.plots import MAX_TAKES, MetricsTable, Plots, PlotsValue, PlotTake, metrics_table
from emage.ui.plots.plots import _SCRIPTS as SCRIPTS
from emage.ui.plots.value import MAX_POINTS, TAKE_COLORS, Curve
from playwright.sync_api import Browser, Page, expect, sync_playwright

from emage.errors import EmageError
from emage.evaluation.report import GIVEN_MEAN_SPEED, OWN_MEAN_SPEED, MotionSeries, SpanDeviation, TakeReport
from emage.export.video import write_video
from emage.hints import LOCK, HintPlan, Span
from emage.ui import plots as package
from emage.ui import shared
from tests.browser.test_app import installed_browser

PATIENCE_S = 30  # of a busy machine
expect.set_options(timeout=PATIENCE_S * 1000)

FOLDER = Path(package.__file__).parent
TWENTY_MINUTES = 36_000


def series_of(num_frames: int, seed: int = 0) -> MotionSeries:
    rng = np.random.default_rng(seed)
    hands, jaw, loudness = rng.random((3, num_frames))
    onsets_s = np.sort(rng.random(num_frames // 10) * num_frames / 30)
    return MotionSeries(2 * hands, 0.3 * jaw - 0.02, None, loudness, onsets_s)


# --- the value --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_frames", [1, 2, MAX_POINTS, MAX_POINTS + 1, TWENTY_MINUTES, TWENTY_MINUTES + 17])
def test_a_curve_keeps_the_extremes_of_each_column(num_frames):
    values = np.random.default_rng(num_frames).standard_normal(num_frames)
    values[num_frames // 3] = -50
    values[num_frames // 2] = 70
    curve = Curve.of(values, 3)
    step = curve.frames_per_column
    assert len(curve.low) + len(curve.mean) + len(curve.high) <= 3 * MAX_POINTS
    assert (step == 1) == (num_frames <= MAX_POINTS)
    if step > 1:
        assert len(curve.low) <= MAX_POINTS // 3
    columns = [values[start : start + step] for start in range(0, num_frames, step)]
    assert curve.low == tuple(round(float(column.min()), 3) for column in columns)
    assert curve.high == tuple(round(float(column.max()), 3) for column in columns)
    np.testing.assert_allclose(curve.mean, [column.mean() for column in columns], atol=6e-4)
    assert max(curve.high) == 70
    assert Curve.from_json(json.loads(json.dumps(curve.to_json()))) == curve


def test_a_series_that_stands_still_is_one_line():
    curve = Curve.of(np.full(TWENTY_MINUTES, 0.1), 3)
    assert set(curve.low) == set(curve.mean) == set(curve.high) == {0.1}
    assert "low" not in curve.to_json()


def test_takes_become_a_value():
    long, short = series_of(300), series_of(240, seed=1)
    plan = HintPlan((Span("upper", 30, 500, LOCK), Span("face", 240, 250)))  # the second lies behind the take's end
    value = PlotsValue.of([PlotTake("short", short, plan), PlotTake("long", long)])
    first, second = value.takes
    assert (first.caption, first.color, first.num_frames) == ("short", TAKE_COLORS[0], 240)
    assert (second.color, second.num_frames, second.spans) == (TAKE_COLORS[1], 300, ())
    assert first.spans == (Span("upper", 30, 240, LOCK),)
    assert first.mean_hand_speed == pytest.approx(short.hand_speed_m_per_s.mean(), abs=6e-4)
    assert first.mean_jaw == pytest.approx(np.degrees(short.jaw_rad.mean()), abs=6e-3)
    np.testing.assert_allclose(second.jaw.mean, np.degrees(long.jaw_rad), atol=6e-3)
    np.testing.assert_allclose(value.loudness.mean, long.loudness, atol=6e-4)  # of the longest
    np.testing.assert_allclose(value.onsets_s, long.onsets_s, atol=6e-4)
    component = Plots(value, video_id="video")
    assert component.value == component.postprocess(value) == value.to_json()
    assert component.preprocess(json.loads(json.dumps(component.value))) == value


def test_no_takes():
    for empty in (None, ""):
        assert PlotsValue.from_json(empty) == PlotsValue.of([]) == PlotsValue()
    assert Plots().postprocess(None) == {"takes": [], "loudness": None, "onsets_s": ""}


def test_twenty_minutes_of_all_takes_are_small():
    value = PlotsValue.of([PlotTake("", series_of(TWENTY_MINUTES))] * MAX_TAKES)
    assert len(json.dumps(value.to_json())) < 550_000


def test_what_cannot_be_plotted():
    with pytest.raises(EmageError, match="9 takes are too many for one plot"):
        PlotsValue.of([PlotTake("", series_of(3))] * (MAX_TAKES + 1))
    with pytest.raises(EmageError, match="holds nan"):
        PlotsValue.of([PlotTake("", replace(series_of(3), jaw_rad=np.array([0, math.nan, 0])))])
    with pytest.raises(EmageError, match="must be .frames,., and not empty"):
        Curve.of(np.zeros((3, 2)), 2)


CURVE = {"num_frames": 3, "frames_per_column": 1, "mean": "0 0.5 1"}
TAKE = {
    "caption": "Take",
    "color": "#2f74d0",
    "hand_speed": CURVE,
    "jaw": CURVE,
    "mean_hand_speed": 0.5,
    "mean_jaw": 0.5,
    "spans": [{"part": "upper", "start_frame": 0, "end_frame": 3, "mode": "follow"}],
}


def with_take(**changes) -> dict:
    return {"takes": [TAKE | changes], "loudness": CURVE, "onsets_s": "0.01 0.05"}


def with_curve(**changes) -> dict:
    return with_take(jaw=CURVE | changes)


def test_the_least_payload():
    assert PlotsValue.from_json(with_take()).takes[0].hand_speed == Curve(3, *[(0.0, 0.5, 1.0)] * 3)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ([1], "The value of the plots is"),
        ({"takes": []}, "all of them"),
        (with_take() | {"more": 1}, "all of them"),
        (with_take() | {"takes": {}}, "The takes of the plots are a list"),
        (with_take() | {"takes": [TAKE] * 9}, "9 takes are too many"),
        (with_take() | {"loudness": None}, "or neither"),
        (with_take() | {"onsets_s": [1]}, "The onsets in the plots must be a text"),
        (with_take() | {"onsets_s": "2 1"}, "rising numbers of seconds"),
        (with_take() | {"onsets_s": "-1"}, "rising numbers of seconds"),
        (with_take() | {"onsets_s": "inf"}, "An onset at inf s"),
        (with_take() | {"onsets_s": "now"}, "could not convert string to float"),
        ({**with_take(), "takes": [{"caption": "x"}]}, "A take in the plots has caption, color"),
        (with_take(caption=3), "The caption of a take is text"),
        (with_take(caption="x" * 201), "at most 200 characters"),
        (with_take(color="red; background: blue"), "is not of the form"),
        (with_take(color=["#2f74d0"]), "is not of the form"),
        (with_take(mean_jaw=math.nan), "The mean of a curve is nan"),
        (with_take(mean_jaw="1"), "The mean of a curve is '1'"),
        (with_take(spans="all"), "The spans of a take are a list"),
        (with_take(spans=[TAKE["spans"][0]] * 2001), "a list of at most 2000"),
        (with_take(spans=[TAKE["spans"][0] | {"end_frame": 4}]), "but the take has 3 frames. Shorten the span"),
        (with_take(spans=[TAKE["spans"][0] | {"part": "tail"}]), "There is no body part 'tail'"),
        (with_take(hand_speed={"num_frames": 2, "mean": "0 1"}), "have one length"),
        (with_take(jaw=[0, 1, 2]), "A curve is"),
        (with_curve(median="0 0 0"), "and nothing else"),
        (with_curve(mean="0 nan 1"), "holds nan; every value must be a finite number"),
        (with_curve(mean=[0, 1, 2]), "A curve in the plots must be a text"),
        (with_curve(mean="0 1"), "needs 3 values each"),
        (with_curve(mean="0 " * 200_000), "of at most 4000 numbers"),
        (with_curve(mean="0" * 200_000), "of at most 4000 numbers"),
        (with_curve(low="1 1 1"), "its mean between its low and its high"),
        (with_curve(num_frames=-3), "num_frames of a curve is -3"),
        (with_curve(num_frames=True), "num_frames of a curve is True"),
        (with_curve(num_frames=10**15), "it must be a whole number from 1"),
        (with_curve(frames_per_column=0), "frames_per_column of a curve is 0"),
        (with_curve(num_frames=4000, low="0 " * 4000, mean="1 " * 4000), "and 4000 in all at most"),
    ],
)
def test_what_a_client_may_not_send(payload, words):
    with pytest.raises(EmageError, match=words):
        PlotsValue.from_json(payload)
    with pytest.raises(gr.Error) as shown:
        Plots().preprocess(payload)
    assert re.search(words, shown.value.message)
    assert len(shown.value.message) <= 600


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


def test_the_files_are_there_and_name_no_address():
    scripts = [FOLDER / f"{name}.js" for name in SCRIPTS]
    assert sorted(scripts) == sorted(FOLDER.glob("*.js"))
    both = sorted(Path(shared.__file__).parent.glob("*.js"))
    assert both == [shared.PLAYERS, shared.RULER]
    for file in (*scripts, *both, *FOLDER.glob("*.css"), *FOLDER.glob("*.html")):
        assert not re.search(r"//\S|@import|\bimport\b|url\(", file.read_text("utf-8")), file.name


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


def cells(html: str) -> list[list[str]]:
    """Of the first table's body."""
    body = re.search(r"<tbody>(.*?)</tbody>", html).group(1)
    rows = re.findall(r"<tr>(.*?)</tr>", body)
    return [[re.sub(r"<.*?>", "", cell) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row)] for row in rows]


def test_the_numbers_of_takes():
    html = metrics_table([("<b>One</b>", REPORT), ("Two", SILENT)])
    mean = f"{math.degrees(REPORT.hint_mean_rad):.1f}"
    assert cells(html) == [
        ["&lt;b&gt;One&lt;/b&gt;", "0.612", "0.500", "9.88", "41.2", "0.012", mean, "60.0", "10.0", "3.2"],
        ["Two", "—1", "—1", "0.00", "—1", "0.000", "—2", "—2", "1.0", "—3"],
    ]
    assert (
        "<ol><li>It is silent &amp; still.</li><li>This take has no hints.</li><li>It is not known.</li></ol>" in html
    )
    headers = re.findall(r'<th scope="col" title="([^"]{20,})">(.*?)<small>(.*?)</small>', html)
    assert len(headers) == 9
    assert all(f"<dt>{header}, {unit}</dt><dd>{words}</dd>" in html for words, header, unit in headers)
    assert "<td>Upper body</td><td>0.00 to 1.00</td><td>lock</td><td>0.0</td><td>0.0</td><td></td><td></td>" in html
    assert (
        "<td>Lower body and path</td><td>1.00 to 2.00</td><td>follow</td><td>4.0</td><td>60.0</td><td>0.25</td>" in html
    )
    assert "own mean speed" not in html
    assert metrics_table([]) == ""


def test_what_cannot_be_compared_is_said():
    own = replace(REPORT, mean_speed_of=OWN_MEAN_SPEED)
    assert "cannot be compared between takes" in metrics_table([("a", own), ("b", own)])
    assert "cannot be compared" not in metrics_table([("a", own)])
    many = replace(REPORT, spans=REPORT.spans * 150)
    assert "And 100 more" in metrics_table([("a", many)])


# --- in the browser ---------------------------------------------------------------------------------------------------

NUM_FRAMES = 300
SPANS = (Span("upper", 60, 120, LOCK), Span("hands", 60, 120), Span("face", 200, 300))
SPEECH = replace(series_of(NUM_FRAMES), onsets_s=np.array([1.0, 4.02, 9.5]))
CALM = replace(SPEECH, hand_speed_m_per_s=np.full(NUM_FRAMES, 0.25), jaw_rad=np.full(NUM_FRAMES, math.radians(5)))
SHORT = replace(CALM, **{name: getattr(CALM, name)[:150] for name in ("hand_speed_m_per_s", "jaw_rad", "loudness")})
THREE = PlotsValue.of(
    [PlotTake("Calm", CALM), PlotTake("<i>Locked</i>", SPEECH, HintPlan(SPANS)), PlotTake("Short", SHORT)]
)
LONG = PlotsValue.of([PlotTake(f"Take {i}", series_of(TWENTY_MINUTES, i)) for i in range(MAX_TAKES)])


class Bench:
    """A page with a video, the plots and the table."""

    def __init__(self, video: Path):
        self.shown = THREE
        with gr.Blocks() as self.app:
            gr.Video(str(video), elem_id="video", height=80)
            plots = Plots(THREE, video_id="video", elem_id="plots")
            MetricsTable(metrics_table([("One {{#each", REPORT), ("Two ${1 + 1}", SILENT)]), elem_id="metrics")
            gr.Button("show", elem_id="show").click(lambda: self.shown, outputs=plots, api_name=False)
        _, self.url, _ = self.app.launch(
            prevent_thread_lock=True, quiet=True, ssr_mode=False, server_port=None, run_history=False
        )


class Driver:
    """The plots as a person uses them."""

    def __init__(self, bench: Bench, page: Page):
        self.bench, self.page = bench, page
        self.faults: list[str] = []
        page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.set_default_timeout(PATIENCE_S * 1000)
        page.goto(bench.url)
        expect(page.locator("#plots [data-part=play]")).to_be_visible()
        page.wait_for_function("document.querySelector('#video video').readyState > 0")

    def show(self, value: PlotsValue) -> None:
        self.bench.shown = value
        self.page.click("#show")
        captions = [take.caption for take in value.takes]
        expect(self.page.locator("#plots .caption")).to_have_text(captions)
        self.drawn()

    def drawn(self) -> None:
        self.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def part(self, name: str):
        return self.page.locator(f"#plots [data-part={name}]")

    def point(self, frame: float) -> tuple[float, float]:
        box = self.part("cursor").bounding_box()
        return box["x"] + frame * box["width"] / NUM_FRAMES, box["y"] + 80

    def video_s(self) -> float:
        return self.page.evaluate("document.querySelector('#video video').currentTime")

    def values(self) -> list[tuple[str, str]]:
        """Of the hands and the jaw in each take, at the time that is looked at."""
        rows = self.page.locator("#plots tbody tr")
        return [tuple(rows.nth(i).locator("b").all_inner_texts()) for i in range(rows.count())]

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def pixels(self, color: str) -> int:
        """How many of the canvas have about this colour."""
        return self.page.evaluate(PIXELS, [int(color[at : at + 2], 16) for at in (1, 3, 5)])


PIXELS = """([r, g, b]) => {
    const canvas = document.querySelector("#plots canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) {
        const far = Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b);
        if (far < 24 && data[i + 3] > 200) count += 1;
    }
    return count;
}"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Iterator[Bench]:
    frames = (np.full((32, 32, 3), frame % 256, np.uint8) for frame in range(NUM_FRAMES))
    path = tmp_path_factory.mktemp("plots") / "video.mp4"
    bench = Bench(write_video(path, frames, width=32, height=32, fps=30, num_frames=NUM_FRAMES))
    yield bench
    bench.app.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    flags = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed_browser(), args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def desktop(bench, browser) -> Driver:
    return Driver(bench, browser.new_page(viewport={"width": 1000, "height": 900}, reduced_motion="reduce"))


@pytest.fixture
def plots(desktop) -> Iterator[Driver]:
    yield desktop
    assert desktop.faults == []


@pytest.mark.browser
def test_curves_are_drawn_and_a_take_can_be_hidden(plots):
    for take in THREE.takes:
        assert plots.pixels(take.color) > 50
    expect(plots.page.locator("#plots .hint")).to_have_count(3)
    button = plots.page.get_by_role("button", name="<i>Locked</i>")
    button.click()
    plots.drawn()
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(plots.page.locator("#plots .hint")).to_have_count(0)
    assert plots.pixels(THREE.takes[1].color) == 0
    button.click()
    plots.drawn()
    assert plots.pixels(THREE.takes[1].color) > 50


@pytest.mark.browser
def test_the_pointer_tells_the_values_and_a_click_moves_the_video(plots):
    plots.page.mouse.move(*plots.point(30.5))
    expect(plots.part("clock")).to_have_text("0:01.00")
    jaw = THREE.takes[1].jaw.mean[30]
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
    calm, locked, _ = plots.page.locator("#plots [data-part=summary] li").all_inner_texts()
    assert calm == (
        "Calm: the hands move at 0.25 m/s on average and 0.25 m/s at most; the jaw is open by 5.0 degrees on average "
        "and 5.0 at most. No hints."
    )
    assert locked.endswith(
        "Hints: Upper body locked, 2.00 s to 4.00 s; Both hands follows, 2.00 s to 4.00 s; Face follows, 6.67 s to "
        "10.00 s."
    )
    expect(plots.page.locator("#metrics thead th")).to_have_count(18)  # of both tables
    captions = plots.page.locator("#metrics .metrics > .scroller tbody th")
    expect(captions).to_have_text(["One {{#each", "Two ${1 + 1}"])


CONTRAST = """node => {
    const style = getComputedStyle(node);
    let holder = node;
    while (getComputedStyle(holder).backgroundColor.endsWith(", 0)")) holder = holder.parentElement;
    const context = document.createElement("canvas").getContext("2d");
    const light = (color) => {
        context.fillStyle = color;
        context.fillRect(0, 0, 1, 1);
        const part = (value) => (value / 255 <= 0.04045 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
        const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map(part);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
    };
    const [a, b] = [light(style.color), light(getComputedStyle(holder).backgroundColor)];
    return Math.max(a, b) / Math.min(a, b);
}"""


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_in_both_themes(plots, theme):
    plots.page.evaluate(f"document.body.classList.toggle('dark', {json.dumps(theme == 'dark')})")
    plots.drawn()
    texts = [".clock span", ".heard", ".takes thead th", ".caption", "td.mean", ".chart-title span", ".owners", ".name"]
    texts = [f"#plots {text}" for text in (*texts, ".hint span", ".legend li", ".help summary")]
    texts += [f"#metrics {text}" for text in ("thead small", "abbr", "ol", "summary", "tbody th")]
    contrasts = {text: plots.page.locator(text).first.evaluate(CONTRAST) for text in texts}
    lightened = [round(0.75 * int(THREE.takes[0].color[at : at + 2], 16) + 0.25 * 255) for at in (1, 3, 5)]
    pixels = plots.pixels("#{:02x}{:02x}{:02x}".format(*lightened))
    plots.page.evaluate("document.body.classList.remove('dark')")
    assert min(contrasts.values()) >= 4.5, contrasts
    assert (pixels > 50) == (theme == "dark")


@pytest.mark.browser
def test_nothing_moves_by_itself_where_the_reader_wants_none(plots):
    moving = "[...document.querySelectorAll('#plots .plots *')].filter(node => "
    moving += "['', '::before'].some(kind => getComputedStyle(node, kind).transitionDuration !== '0s')).length"
    assert plots.page.evaluate(moving) == 0


@pytest.mark.browser
def test_long_takes_and_none(plots):
    plots.page.mouse.click(*plots.point(180.5))
    plots.page.mouse.move(5, 5)
    plots.show(LONG)
    assert plots.page.locator("#plots tbody small").first.inner_text().count("–") == 1  # the range of a column
    expect(plots.part("columns")).to_have_text(re.compile("Each point stands for 0.93 seconds"))
    expect(plots.part("length")).to_have_text("of 20:00.00")
    assert plots.pixels(LONG.takes[-1].color) > 20  # on top of the others
    plots.show(PlotsValue())
    expect(plots.page.get_by_text("Compare takes: their curves over time appear here.")).to_be_visible()
    plots.show(THREE)
    expect(plots.part("clock")).to_have_text("0:06.00")  # where the video still is


@pytest.mark.browser
def test_a_tap_on_a_phone(bench, browser):
    context = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    phone = Driver(bench, context.new_page())
    assert phone.page.evaluate("document.documentElement.scrollWidth") == 360
    for button in phone.page.locator("#plots button").all():
        box = button.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        assert min(box["width"], box["height"]) >= 24
    phone.part("surface").scroll_into_view_if_needed()
    phone.page.touchscreen.tap(*phone.point(150.5))
    phone.page.wait_for_function("document.querySelector('#video video').currentTime > 0")
    assert phone.video_s() == pytest.approx(5, abs=0.1)
    expect(phone.part("crosshair")).to_be_hidden()
    assert phone.faults == []
    context.close()


# --- the curves by themselves -----------------------------------------------------------------------------------------

CURVES = """([source, curves, width]) => new Function("curves", "width", source + `
    return curves.map((curve) => {
        const decoded = decodeCurve(curve);
        const pixels = toPixels(decoded, (frame) => ((frame + 0.5) / decoded.frames) * width);
        return [pixels, axisOf(extremes([decoded]), 0.25)];
    });
`)(curves, width)"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [37, 240, 2500])
def test_no_pixel_loses_what_stands_out(desktop, width):
    rng = np.random.default_rng(0)
    curves = [Curve.of(rng.standard_normal(frames) * scale, 3) for frames, scale in ((1, 0), (300, 1), (9999, 40))]
    source = (FOLDER / "curves.js").read_text("utf-8")
    drawn = desktop.page.evaluate(CURVES, [source, [curve.to_json() for curve in curves], width])
    for curve, (pixels, axis) in zip(curves, drawn, strict=True):
        assert len(pixels) == len({math.floor(pixel["x"]) for pixel in pixels}) <= width
        assert all(a["x"] < b["x"] for a, b in pairwise(pixels))
        assert min(pixel["low"] for pixel in pixels) == min(curve.low)
        assert max(pixel["high"] for pixel in pixels) == max(curve.high)
        assert all(pixel["low"] <= pixel["mean"] <= pixel["high"] for pixel in pixels)
        assert axis["low"] <= min(0, *curve.low, 0)
        assert axis["high"] >= max(0, *curve.high, 0)
        assert 0 in axis["ticks"]
        assert 2 <= len(axis["ticks"]) <= 8
