"""A browser, and pages of the components as a person uses them."""

import json
import shutil
import subprocess
from pathlib import Path
from unittest.mock import patch

import gradio as gr
import numpy as np
from playwright.sync_api import Locator, Page, expect
from starlette.middleware import Middleware

from emage.export.video import write_video
from emage.recording.transcript import Word
from emage.ui import web
from emage.ui.components.plots import Plots, build_metrics_table, describe_metrics, tabulate_metrics
from emage.ui.components.stage import Stage
from emage.ui.components.timeline import Backdrop, Media, Timeline, TimelineValue, read_words
from emage.ui.service.streams import StreamKeeper
from tests.conftest import make_speech

PATIENCE_S = 60  # of a busy machine
NUM_FRAMES = 300
SPEECH = make_speech(160000)
BLANK = TimelineValue(NUM_FRAMES)
BACKDROP = Backdrop.from_audio(SPEECH, (Word("well", 1.0, 1.5), Word("hello", 1.5, 2.1)), media=[Media("#player")])

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--enable-unsafe-swiftshader",  # WebGL without a graphics card
    "--autoplay-policy=no-user-gesture-required",
)
DESKTOP = {"viewport": {"width": 1200, "height": 900}, "reduced_motion": "reduce"}
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}

_CONTRAST = """node => {
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
_MOVING = """root => [...root.querySelectorAll("*")].filter((node) =>
    ["", "::before", "::after"].some((kind) => getComputedStyle(node, kind).transitionDuration !== "0s")).length"""
_TWO_PICTURES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def installed_browser() -> str | None:
    """The first browser that starts: some systems have a stub by the name of one. None is Playwright's own."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        path = shutil.which(name)
        if path and subprocess.run([path, "--version"], capture_output=True).returncode == 0:
            return path
    return None


class Bench:
    """Pages of components, served from this process, so that tests see what handlers get and say what they return."""

    def __init__(self, folder: Path):
        self.received: list[TimelineValue] = []
        self.words: list[tuple[Word, ...]] = []
        self.changes = self.counts = 0
        self.shown: tuple[TimelineValue, Backdrop] = (BLANK, BACKDROP)
        self.plotted = Plots.show([])
        self.reports: list = []
        self.staged = Stage.show([])
        self.films: list[list[int | None]] = []
        with gr.Blocks() as self.app:
            gr.Navbar(visible=False)
            self._build_timeline()
        with self.app.route("Plots", "/plots"):
            gr.Navbar(visible=False)
            self._build_plots(folder)
        with self.app.route("Stage", "/stage"):
            gr.Navbar(visible=False)
            self._build_stage()
        # Without `run_history=False` every edit would go into the browser's storage, which gets slower and slower.
        _, self.url, _ = self.app.launch(
            prevent_thread_lock=True,
            quiet=True,
            ssr_mode=False,
            server_port=None,
            run_history=False,
            app_kwargs={"middleware": [Middleware(StreamKeeper)]},
        )

    def _build_timeline(self) -> None:
        with gr.Row():  # above, so that a click on them leaves the timeline in view
            show, hide, unhide, count = (
                gr.Button(name, elem_id=name, min_width=60) for name in ("show", "hide", "unhide", "count")
            )
        timeline = Timeline(elem_id="timeline")
        gr.Audio((16000, np.rint(SPEECH * 30000).astype(np.int16)), elem_id="player")
        mirror, received, counted, told = (
            gr.Textbox(elem_id=name) for name in ("mirror", "received", "counted", "told")
        )
        show.click(lambda: Timeline.show(*self.shown), outputs=timeline, api_name=False, trigger_mode="multiple")
        hide.click(lambda: gr.update(visible=False), outputs=timeline, api_name=False)
        unhide.click(lambda: gr.update(visible=True), outputs=timeline, api_name=False)
        one_by_one = {"trigger_mode": "multiple", "concurrency_id": "timeline", "concurrency_limit": 1}
        timeline.input(self._receive, timeline, [mirror, received], api_name="edited", **one_by_one)
        timeline.change(self._change, api_name=False, **one_by_one)
        timeline.edit(self._receive_words, outputs=told, api_name="words", **one_by_one)
        count.click(self._count, outputs=counted, api_name=False, **one_by_one)

    def _receive(self, value: TimelineValue) -> tuple[str, str]:
        self.received.append(value)
        return json.dumps(value.plan.to_json()), str(len(self.received))

    def _receive_words(self, event: gr.EventData) -> str:
        self.words.append(read_words(event, NUM_FRAMES))
        return str(len(self.words))

    def _change(self) -> None:
        self.changes += 1

    def _count(self) -> str:
        """Comes behind all events that came before."""
        self.counts += 1
        return f"{self.counts}: {len(self.received)} received, {self.changes} changes"

    def _build_plots(self, folder: Path) -> None:
        frames = (np.full((32, 32, 3), frame % 256, np.uint8) for frame in range(NUM_FRAMES))
        video = write_video(folder / "video.mp4", frames, width=32, height=32, fps=30, num_frames=NUM_FRAMES)
        show = gr.Button("show", elem_id="show")
        gr.Video(str(video), elem_id="video", height=80)
        plots = Plots(players=["video"], elem_id="plots")
        with patch.object(web, "read", return_value=None):  # where it is not installed
            bare = Plots(elem_id="bare")
        table, notes = build_metrics_table("metrics"), gr.Markdown(elem_id="metrics-note")

        def shown():
            numbers = gr.update(value=tabulate_metrics(self.reports), visible=True)
            return self.plotted, self.plotted, numbers, describe_metrics(self.reports)

        show.click(shown, outputs=[plots, bare, table, notes], api_name=False, trigger_mode="multiple")

    def _build_stage(self) -> None:
        show = gr.Button("show", elem_id="show")
        stage = Stage(elem_id="stage")
        told = gr.Textbox(elem_id="told")
        timeline = Timeline(elem_id="timeline")
        plots = Plots(players=["stage"], elem_id="plots")

        def film(event: gr.EventData) -> str:
            self.films.append(event.numbers)
            return str(len(self.films))

        shown = [stage, timeline, plots]
        show.click(lambda: (self.staged, Timeline.show(*self.shown), self.plotted), outputs=shown, api_name=False)
        stage.film(film, outputs=told, api_name=False)


class Driver:
    """A component as a person uses it. NAME: its elem_id."""

    NAME: str
    ROUTE = ""

    def __init__(self, bench: Bench, page: Page):
        self.bench, self.page = bench, page
        self.root = page.locator(f"#{self.NAME}")
        self.faults: list[str] = []
        page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.set_default_timeout(PATIENCE_S * 1000)
        page.goto(f"{bench.url.rstrip('/')}/{self.ROUTE}")
        expect(self.find("section")).to_be_visible()

    def find(self, selector: str) -> Locator:
        return self.root.locator(selector)

    def part(self, name: str) -> Locator:
        return self.find(f"[data-part={name}]")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def wait_for_pictures(self) -> None:
        self.page.evaluate(_TWO_PICTURES)

    def turn(self, theme: str) -> None:
        """Make the page light or dark."""
        self.page.evaluate(f"document.body.classList.toggle('dark', {json.dumps(theme == 'dark')})")
        self.wait_for_pictures()

    def contrasts(self, *selectors: str) -> dict[str, float]:
        """Of text to its ground: 4.5 at least can be read."""
        return {selector: self.find(selector).first.evaluate(_CONTRAST) for selector in selectors}

    def count_moving(self) -> int:
        """How many elements move by themselves."""
        return self.find("section").evaluate(_MOVING)

    def check_phone(self, *buttons: Locator) -> None:
        """Nothing is wider than a phone, and buttons are in it and large enough for a finger."""
        assert self.page.evaluate("document.documentElement.scrollWidth") == PHONE["viewport"]["width"]
        for button in buttons:
            box = button.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= PHONE["viewport"]["width"]
            assert min(box["width"], box["height"]) >= 24
