"""The page, in a real browser and through gradio_client."""

import json
import os
import pickle
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import tomllib
import types
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import soundfile
from emage.ui.comparing import Comparing, panels
from emage.ui.controls import build_controls, take_settings, take_values
from emage.ui.hints import example_motions, plan_of_rows, plan_rows
from emage.ui.jobs import Jobs, check
from emage.ui.kept import KeptTake
from emage.ui.making import Making
from emage.ui.studio import PageSettings, Studio
from emage.ui.visitors import Turns, Visitors
from emage.ui.weights import Shelf, described
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

import app as app_module
from app import create_app
from emage.errors import AudioError, Cancelled, EmageError, RenderError, WeightsError
from emage.generation.settings import GROUNDED, TRANSLATIONS, TakeSettings
from emage.hints import LOCK, LOOP, HintPlan, Placement, Span
from emage.hub import WeightsSource
from emage.motion import Motion
from emage.motion.skeleton import PART_JOINTS
from emage.pipeline import EmagePipeline
from emage.recording.examples import load_examples
from emage.recording.transcript import load_words
from emage.render.settings import RenderSettings
from emage.ui import studio as studio_module
from emage.ui import visitors as visitors_module
from tests.conftest import REGRESSION, ROOT, make_speech

SMALL = PageSettings(max_duration_s=60, size=128)


@pytest.fixture(scope="module")
def url(tiny) -> Iterator[str]:
    application = create_app(tiny, SMALL)
    _, address, _ = application.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, server_port=None)
    yield address
    application.close()


@pytest.fixture(scope="module")
def talk(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("audio") / "talk.wav"
    soundfile.write(path, make_speech(48000), 16000)
    return path


@pytest.fixture(scope="module")
def long_talk(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("audio") / "long.wav"
    soundfile.write(path, make_speech(30 * 16000), 16000)
    return path


# --- the browser ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    flags += ["--autoplay-policy=no-user-gesture-required"]
    with sync_playwright() as playwright:
        # None is Playwright's own Chromium, which set-up falls back to
        browser = playwright.chromium.launch(executable_path=installed_browser(), args=flags)
        yield browser
        browser.close()


def installed_browser() -> str | None:
    """The first browser that starts: some systems have a stub by the name of one."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        path = shutil.which(name)
        if path and subprocess.run([path, "--version"], capture_output=True).returncode == 0:
            return path
    return None


@pytest.fixture
def page(browser, url) -> Iterator[Page]:
    with faultless_page(browser, url) as page:
        yield page


@contextmanager
def faultless_page(browser: Browser | BrowserContext, url: str) -> Iterator[Page]:
    """The app's page, ready; its console must have no error when it is left."""
    page = browser.new_page()
    faults = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(url)
    expect(page.locator("#generate")).to_be_visible(timeout=60_000)
    yield page
    page.close()
    assert faults == []


def upload(page: Page, path: Path, seconds: str = "3.00 s") -> None:
    """Instead of what is there."""
    page.locator("#speech button[aria-label='Clear']").click()
    page.locator("#speech input[type=file]").set_input_files(path)
    expect(page.locator("#timeline [data-part=length]")).to_have_text(re.compile(seconds), timeout=20_000)


@pytest.mark.browser
def test_upload_generate_watch_and_download(page, talk, tmp_path):
    expect(page.locator("#notes")).to_contain_text("the jaw alone")
    upload(page, talk)
    page.click("#generate")
    expect(page.locator("#details")).to_contain_text("3.0 s of speech, 90 frames", timeout=60_000)
    page.wait_for_function("document.querySelector('#video video')?.ended", timeout=30_000)
    facts = "video => [video.duration, video.videoWidth, video.webkitAudioDecodedByteCount]"
    video = page.locator("#video video").evaluate(facts)
    assert video[0] == pytest.approx(3.0, abs=1 / 30)
    assert video[1] == 128
    assert video[2] > 0  # it was heard
    for button, check_file in (("#npz", check_motion), ("#mp4", check_video)):
        with page.expect_download() as download:
            page.click(button)
        check_file(download.value, tmp_path)


def check_motion(download, folder: Path) -> None:
    assert re.fullmatch(r"talk.*\.npz", download.suggested_filename)
    download.save_as(folder / "talk.npz")
    assert Motion.load(folder / "talk.npz").num_frames == 90


def check_video(download, folder: Path) -> None:
    assert re.fullmatch(r"talk.*\.mp4", download.suggested_filename)
    download.save_as(folder / "talk.mp4")
    assert b"ftyp" in (folder / "talk.mp4").read_bytes()[:16]


@pytest.mark.browser
def test_progress_moves_and_cancel_stops_at_once(page, long_talk, talk):
    upload(page, long_talk, "30.00 s")
    page.click("#generate")
    seen = set()
    deadline = time.monotonic() + 30
    while len(seen) < 3 and time.monotonic() < deadline:
        seen |= set(re.findall(r"(\d+)/900 frames", page.locator("#video").inner_text()))
        page.wait_for_timeout(50)
    assert len(seen) >= 3
    started = time.monotonic()
    page.click("#cancel")
    expect(page.locator("#details")).to_contain_text("Cancelled", timeout=10_000)
    assert not drawing_threads(within_s=10), "the work went on after Cancel"
    assert time.monotonic() - started < 15
    upload(page, talk)
    page.click("#generate")
    expect(page.locator("#details")).to_contain_text("90 frames", timeout=60_000)


def drawing_threads(within_s: float) -> list[str]:
    """Names of the renderer's threads that are still there after `within_s` at most."""
    deadline = time.monotonic() + within_s
    while True:
        names = [thread.name for thread in threading.enumerate() if thread.name.startswith("render")]
        if not names or time.monotonic() > deadline:
            return names
        time.sleep(0.05)


@pytest.mark.browser
def test_nothing_recorded_is_told(page):
    page.locator("#speech button[aria-label='Clear']").click()
    page.click("#generate")
    expect(page.get_by_text("There is no recording yet")).to_be_visible(timeout=10_000)
    expect(page.locator("#mp4 button, button#mp4").first).to_be_disabled()


@pytest.mark.browser
def test_a_plan_stays_for_the_next_recording(page, talk):
    paint(page, "upper", 30, 60, load_examples()[0].duration_s * 30)
    expect(page.locator("#timeline .span")).to_have_count(1)
    painted = page.locator("#timeline .span").get_attribute("aria-label")
    upload(page, talk)  # which takes the first recording away before
    expect(page.locator("#timeline .span")).to_have_count(1)
    assert page.locator("#timeline .span").get_attribute("aria-label") == painted


@pytest.mark.browser
def test_an_example_is_picked_told_and_generated(page, monkeypatch):
    def cannot(*_):
        raise RenderError("No picture in this test.")

    monkeypatch.setattr(studio_module, "render_video", cannot)
    example = load_examples()[1]
    page.locator("#examples").get_by_text(example.title).click()
    expect(page.locator("#transcript")).to_contain_text(example.text, timeout=10_000)
    expect(page.locator("#speech")).to_contain_text("0:19", timeout=10_000)
    page.click("#generate")
    expect(page.locator("#details")).to_contain_text(f"{example.duration_s:.1f} s of speech", timeout=60_000)
    # Words that are not said in what comes next go away.
    page.locator("#speech button[aria-label='Clear']").click()
    expect(page.locator("#transcript")).not_to_contain_text(example.text)
    page.locator("#examples").get_by_text(load_examples()[0].title).click()
    expect(page.locator("#transcript")).to_contain_text(load_examples()[0].text)
    expect(page.locator("#speech")).to_contain_text("0:10", timeout=10_000)


def point(page: Page, leaf: str, frame: float, num_frames: int) -> tuple[float, float]:
    box = page.locator(f"#timeline .lane[data-leaf={leaf}]").bounding_box()
    return box["x"] + frame * box["width"] / num_frames, box["y"] + box["height"] / 2


def paint(page: Page, leaf: str, start: float, end: float, num_frames: int) -> None:
    page.locator(f"#timeline .lane[data-leaf={leaf}]").scroll_into_view_if_needed()
    page.mouse.move(*point(page, leaf, start, num_frames))
    page.mouse.down()
    page.mouse.move(*point(page, leaf, (start + end) / 2, num_frames))
    page.mouse.move(*point(page, leaf, end, num_frames))
    page.mouse.up()


def save(page: Page, button: str, path: Path) -> Path:
    with page.expect_download() as download:
        page.click(button)
    download.value.save_as(path)
    return path


def write_json(page: Page, text: str) -> None:
    page.locator("#plan-json .cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def generate(page: Page, takes: int) -> None:
    page.click("#generate")
    expect(page.locator("#takes li")).to_have_count(takes, timeout=60_000)


@pytest.mark.browser
def test_paint_generate_compare_and_take_away(page, browser, url, talk, tmp_path):
    upload(page, talk)
    page.locator("#timeline input[value=lock]").check()
    page.locator("#timeline [data-tool=snap]").click()
    paint(page, "upper", 20, 60, 90)  # the mouse
    page.locator("#timeline .row[data-leaf=left_hand]").focus()
    for key in ("Home", "Enter"):  # the keyboard
        page.keyboard.press(key)
    page.get_by_role("button", name="Right hand: whole row as hint").click()
    expect(page.locator("#timeline .span")).to_have_count(3)
    generate(page, 1)
    expect(page.locator("#details")).to_contain_text("Drawing the video")
    plan = HintPlan.load(save(page, "#plan-file", tmp_path / "plan.json"))
    spans = {span.part: (span.start_frame, span.end_frame, span.mode) for span in plan.spans}
    assert spans == {"upper": (20, 60, LOCK), "left_hand": (0, 30, LOCK), "right_hand": (0, 90, LOCK)}
    pinned = Motion.load(save(page, "#npz", tmp_path / "pinned.npz"))
    hint = Placement(fill=LOOP).motion(Motion.load(dict(example_motions())["Waving hello"]), 90)
    joints = list(PART_JOINTS["upper"])
    shown, given = (motion.poses.reshape(90, 55, 3)[20:60, joints] for motion in (pinned, hint))
    assert np.abs(shown - given).max() < 1e-5

    page.locator("#plan-panel button").first.click()
    expect(page.locator("#plan-table")).to_contain_text("2.000")
    write_json(page, '{"spans": [{"part": "tail"')
    expect(page.locator("#plan-note")).to_contain_text("does not count yet")
    expect(page.locator("#timeline .span")).to_have_count(3)
    write_json(page, '{"spans": []}')
    expect(page.locator("#timeline .span")).to_have_count(0)
    generate(page, 2)
    expect(page.locator("#details")).to_contain_text("no hints")
    free = Motion.load(save(page, "#npz", tmp_path / "free.npz"))
    assert np.abs(free.poses - pinned.poses).max() > 0.01

    write_json(page, json.dumps(plan.to_json()))
    expect(page.locator("#timeline .span")).to_have_count(3)
    caption = page.get_by_label("Caption of take").nth(1)
    caption.fill("all made")
    caption.press("Tab")
    page.get_by_label("Hint beside result").check()
    page.click("#compare")
    expect(page.locator("#plots")).to_contain_text("Drawing the video", timeout=30_000)
    page.wait_for_function("document.querySelector('#compare-video video')?.videoWidth === 3 * 128", timeout=60_000)
    expect(page.locator("#metrics tbody").first.get_by_role("row")).to_have_count(2)
    expect(page.locator("#metrics")).to_contain_text("all made")
    assert b"all made" in save(page, "#scores-csv", tmp_path / "scores.csv").read_bytes()

    with page.expect_download(timeout=30_000) as download:
        page.click("#save-session")
    download.value.save_as(tmp_path / "session.zip")
    later = browser.new_page()
    later.goto(url)
    expect(later.locator("#load-session")).to_be_visible(timeout=30_000)
    with later.expect_file_chooser() as chooser:
        later.click("#load-session")
    chooser.value.set_files(tmp_path / "session.zip")
    expect(later.locator("#takes li")).to_have_count(2, timeout=30_000)
    expect(later.locator("#timeline .span")).to_have_count(3)
    expect(later.get_by_label("Caption of take").nth(1)).to_have_value("all made")
    later.locator("#plan-panel button").first.click()
    written = later.locator("#plan-json .cm-content").inner_text()
    assert HintPlan.from_json(written) == plan
    later.get_by_role("button", name="Show all made").click()
    expect(later.locator("#details")).to_contain_text("all made")
    later.get_by_role("button", name="Remove all made").click()
    expect(later.locator("#takes li")).to_have_count(1)
    generate(later, 2)  # with the reference that came along
    later.close()


@pytest.mark.browser
def test_trim_table_another_keep_and_a_grid(page, talk, tmp_path, monkeypatch):
    def cannot(*_):
        raise RenderError("No picture in this test.")

    monkeypatch.setattr(studio_module, "render_video", cannot)
    upload(page, talk)
    page.locator("#timeline [data-part=trim-start]").focus()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    generate(page, 1)
    assert Motion.load(save(page, "#npz", tmp_path / "trimmed.npz")).num_frames == 60
    page.click("#another")
    expect(page.locator("#takes li")).to_have_count(2, timeout=60_000)
    # Seed 0 would be the first take again where weights draw by themselves.
    expect(page.get_by_label("Caption of take").nth(1)).to_have_value("no hints · seed 1")
    page.locator("#plan-panel button").first.click()
    for column, text in enumerate(("Upper", "1.2", "1,8", "lock")):
        page.locator(f'#plan-table [data-row="0"][data-col="{column}"]').first.dblclick()
        page.keyboard.press("Control+a")
        page.keyboard.type(text)
        page.keyboard.press("Enter")
    expect(page.locator("#timeline .span")).to_have_count(1, timeout=10_000)
    page.click("#keep")
    expect(page.locator("#reference input")).to_have_value(re.compile("^Take: .*seed"), timeout=10_000)
    page.locator("#batch-panel button").first.click()
    page.click("#batch")
    expect(page.locator("#batch-note")).to_contain_text("2 of 2 takes made.", timeout=60_000)
    expect(page.locator("#takes li")).to_have_count(4, timeout=60_000)
    expect(page.locator("#metrics tbody").first.get_by_role("row")).to_have_count(2, timeout=60_000)
    lines = save(page, "#scores-csv", tmp_path / "scores.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["no hints", "upper"]


# --- the same without a browser ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(url) -> Client:
    return Client(url, verbose=False)


def run(client: Client, path: Path, draw: bool = False, seed: int = 0) -> tuple:
    settings = (
        {"seed": seed, "panel_width": 128, "panel_height": 128} if draw else {"panel_width": 128, "panel_height": 128}
    )
    return client.predict(handle_file(path), "", None, settings, api_name="/generate")


def test_client(client, talk):
    video, motion_file, report = run(client, talk)
    assert Path(video["video"] if isinstance(video, dict) else video).stat().st_size > 1000
    motion = Motion.load(_path_of(motion_file))
    assert motion.num_frames == 90
    assert report["frames"] == 90
    drawn, again, other = (Motion.load(_path_of(run(client, talk, True, seed)[1])) for seed in (1, 1, 2))
    assert np.array_equal(drawn.poses, again.poses)
    assert not np.allclose(drawn.poses, motion.poses)
    assert not np.allclose(drawn.poses, other.poses)


def _path_of(value) -> str:
    return value["value"] if isinstance(value, dict) else value


def test_faults_are_told_in_the_librarys_words_and_the_app_goes_on(client, talk, tmp_path):
    (tmp_path / "letter.wav").write_text("Dear Sir or Madam")
    with pytest.raises(AppError, match=r"letter.wav is not a recording"):
        run(client, tmp_path / "letter.wav")
    soundfile.write(tmp_path / "long.wav", np.zeros(61 * 8000), 8000)
    with pytest.raises(AppError, match=r"longer than 1 minutes, the limit here"):
        run(client, tmp_path / "long.wav")
    assert run(client, talk)[2]["frames"] == 90


@pytest.mark.parametrize("limits", [{"max_duration_s": float("nan")}, {"max_duration_s": 0}, {"size": 33}])
def test_limits_that_make_no_sense(limits):
    with pytest.raises(EmageError):
        PageSettings(**limits)


def test_without_gl_the_motion_is_there(client, talk, monkeypatch):
    def cannot(*_):
        raise RenderError("No picture can be drawn. Install libegl1.")

    monkeypatch.setattr(studio_module, "render_video", cannot)
    video, motion_file, report = run(client, talk)
    assert video is None
    assert "No picture can be drawn. Install libegl1." in report["note"]
    assert Motion.load(_path_of(motion_file)).num_frames == 90


# --- its parts --------------------------------------------------------------------------------------------------------


def kept_take(folder: Path, number: int, caption: str, speed: float | None = None) -> KeptTake:
    """With a hint that turns with `speed`, longer than the take; None: without."""
    folder = folder / str(number)
    folder.mkdir()
    motion = Motion(np.zeros((20, 165)), np.zeros((20, 100)), np.zeros((20, 3)), np.zeros(300))
    reference = None
    if speed is not None:
        poses = np.full((30, 165), speed) * np.arange(30)[:, None] / 100
        reference = Motion(poses, np.zeros((30, 100)), np.zeros((30, 3)), np.zeros(300)).save(folder / "hint.npz")
    plan = HintPlan() if speed is None else HintPlan((Span("upper", 2, 9),))
    saved = motion.save(folder / "take.npz")
    return KeptTake(
        number, caption, saved, motion.num_frames, motion.duration_s, saved, None, TakeSettings(),
        reference=reference, plan=plan,
    )  # fmt: skip


def test_a_hint_beside_takes_stands_once_and_is_grey(tmp_path):
    free, one, same = (kept_take(tmp_path, *each) for each in ((1, "free"), (2, "one", 0.5), (3, "same", 0.5)))
    assert [caption for caption, _ in panels([free, one, same], with_hints=False)] == ["free", "one", "same"]
    shown = panels([free, one, same], with_hints=True)
    assert [caption for caption, _ in shown] == ["free", "hint", "one", "same"]
    hint = shown[1][1]
    assert hint.motion.num_frames == 20
    assert np.array_equal(hint.motion.poses, Motion.load(one.reference).poses[:20])
    assert hint.hints.plan.covers(20).all()
    other = kept_take(tmp_path, 4, "other", 0.7)
    captions = [caption for caption, _ in panels([one, other], with_hints=True)]
    assert captions == ["hint of “one”", "one", "hint of “other”", "other"]
    with pytest.raises(EmageError, match="8 bodies side by side"):
        panels([one, other] * 3, with_hints=True)


def test_the_sound_of_a_take_is_no_longer_than_a_recording_may_be(tiny, tmp_path):
    """That of a take which came with a session may be anybody's file."""
    studio = Studio(Shelf(tiny), PageSettings(max_duration_s=2, size=64), app_module.on_zero_gpu(Shelf(tiny)))
    soundfile.write(tmp_path / "long.flac", np.zeros(5 * 16000), 16000)
    soundfile.write(tmp_path / "padded.flac", np.zeros(2 * 16000 + 1024), 16000)  # as a codec pads
    take = kept_take(tmp_path, 1, "long")
    long, padded = (replace(take, sound=tmp_path / name) for name in ("long.flac", "padded.flac"))
    assert len(studio.heard(padded)) == 2 * 16000 + 1024
    assert len(Comparing(studio).reports([padded])) == 1
    with pytest.raises(AudioError, match="long.flac is longer than 2.2 s, the limit here"):
        Comparing(studio).reports([long])
    with pytest.raises(AudioError, match="long.flac is longer than 2.2 s, the limit here"):
        studio.beside(
            panels([long], with_hints=False), long, RenderSettings(), studio.body(), tmp_path / "beside.mp4", None
        )
    assert not (tmp_path / "beside.mp4").exists()


def test_smplx_is_loaded_once_however_many_ask(tiny, monkeypatch):
    studio = Studio(Shelf(tiny), SMALL, app_module.on_zero_gpu(Shelf(tiny)))
    assert studio.offers_smplx
    loaded, both_load = [], threading.Barrier(2)

    def load_body(**_):
        loaded.append(object())
        with suppress(threading.BrokenBarrierError):  # who loads alone waits in vain for another
            both_load.wait(timeout=0.5)
        return loaded[-1]

    monkeypatch.setattr(studio_module, "load_body", load_body)
    got = []
    threads = [threading.Thread(target=lambda: got.append(studio.body(accept_licence=True))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert got == loaded * 2
    assert len(loaded) == 1
    assert studio.body() is tiny.body


def test_jobs_are_cancelled_by_session():
    jobs = Jobs()
    with jobs.running("a") as first, jobs.running("a") as second, jobs.running("b") as other:
        assert jobs.cancel("a") == 2
        assert first.is_set()
        assert second.is_set()
        assert not other.is_set()
        check(other)
        with pytest.raises(Cancelled):
            check(first)
    assert jobs.cancel("a") == jobs.cancel("b") == 0


@pytest.fixture
def zero_gpu(monkeypatch) -> types.SimpleNamespace:
    """The package `spaces` of a ZeroGPU Space. lent: for each call the seconds that were asked for, and the arguments,
    which are pickled as they are on their way to the GPU's process."""
    lent = []

    def gpu(duration):
        def decorate(function):
            def call(*arguments):
                lent.append((duration(*arguments) if callable(duration) else duration, arguments))
                return function(*pickle.loads(pickle.dumps(arguments)))

            return call

        return decorate

    config = types.SimpleNamespace(Config=types.SimpleNamespace(zero_gpu=True))
    monkeypatch.setattr(app_module, "spaces", types.SimpleNamespace(GPU=gpu, config=config), raising=False)
    monkeypatch.setattr(app_module.importlib.util, "find_spec", lambda name: object())
    return types.SimpleNamespace(lent=lent, config=config.Config)


def test_on_zero_gpu_the_call_is_decorated_and_passes_plain_values(tiny, talk, zero_gpu):
    """What crosses to the GPU process must be picklable: no progress callback goes along."""
    calls = []
    generate = app_module.on_zero_gpu(Shelf(tiny))
    settings = TakeSettings(seed=3)
    motion = generate("", str(talk), settings, None, lambda *call: calls.append(call))
    assert [arguments for _, arguments in zero_gpu.lent] == [("", str(talk), settings, None)]
    assert calls == [("Generating motion", 90, 90)]
    assert np.array_equal(motion.poses, tiny.generate(talk, seed=3).poses)
    zero_gpu.config.zero_gpu = False
    again = app_module.on_zero_gpu(Shelf(tiny))("", str(talk), settings, None, None)
    assert np.array_equal(again.poses, motion.poses)
    assert len(zero_gpu.lent) == 1


def test_a_gpu_is_asked_for_as_long_as_the_recording_needs(zero_gpu, talk):
    """20 s to start and a fifth of the recording, 120 s at most."""
    motion = types.SimpleNamespace(num_frames=90)
    pipeline = types.SimpleNamespace(source=None, take=lambda *_, **__: types.SimpleNamespace(motion=motion))
    generate = app_module.on_zero_gpu(Shelf(pipeline))
    recordings = [(16000, np.zeros(round(seconds * 16000), np.float32)) for seconds in (0.5, 60, 300, 1200)]
    for audio in [*recordings, (48000, np.zeros(60 * 48000, np.float32)), str(talk)]:
        assert generate("", audio, TakeSettings(), None, lambda *_: None) is motion
    assert [seconds for seconds, _ in zero_gpu.lent] == [21, 32, 80, 120, 32, 21]


def test_python_app_py_honours_gradios_variables():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "app.py", "--weights", str(REGRESSION)],
        cwd=ROOT,
        env=os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert f"http://127.0.0.1:{port}" in server.stdout.readline()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=10) as answer:
            assert answer.status == 200
    finally:
        server.terminate()
        server.communicate(timeout=10)


def test_python_app_py_says_in_a_sentence_why_it_cannot_start(tmp_path):
    result = subprocess.run(
        [sys.executable, "app.py", "--weights", str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 2
    assert "is not a complete set of weights" in result.stderr
    assert "Traceback" not in result.stderr


def test_turns_go_round_the_visitors():
    """Who has many pieces of work lets others in between."""
    turns, done = Turns(), []
    first_waits = threading.Event()

    def work(session: str, pieces: int) -> None:
        for _ in range(pieces):
            with turns.turn(session, lambda before: first_waits.set()):
                done.append(session)
                time.sleep(0.05)

    def stopped(before: int) -> None:
        raise Cancelled

    with turns.turn("c", lambda before: None):
        threads = [threading.Thread(target=work, args=args) for args in (("a", 4), ("b", 2))]
        for thread in threads:
            thread.start()
        assert first_waits.wait(10)
        with pytest.raises(Cancelled), turns.turn("d", stopped):
            raise AssertionError("d had to wait")
        time.sleep(0.3)
    for thread in threads:
        thread.join(10)
    assert sorted(done[:4]) == ["a", "a", "b", "b"]
    assert done[4:] == ["a", "a"]


def test_all_files_of_a_visitor_go_when_they_leave(tmp_path):
    visitors = Visitors(grace_s=0.2)
    one, other = visitors.of("one"), visitors.of("other")
    shared, own = tmp_path / "shared.wav", tmp_path / "own.wav"
    for path in (shared, own, one.folder / "take.npz"):
        path.write_bytes(b"1")
    again = tmp_path / "again.wav"
    again.write_bytes(b"1")
    one.uploads |= {path: path.stat().st_mtime_ns for path in (shared, own, again)}
    other.uploads[shared] = shared.stat().st_mtime_ns
    os.utime(again, (1, 1))  # somebody else has uploaded the same since
    visitors.leave("one")
    visitors.leave("other")
    assert visitors.of("other") is other  # back in time
    deadline = time.monotonic() + 10
    while one.folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    assert not one.folder.exists()
    assert (shared.exists(), own.exists(), again.exists()) == (True, False, True)
    assert len(visitors) == 1
    assert other.folder.is_dir()


@pytest.fixture
def comes_between(monkeypatch) -> Callable[[Callable[[], None]], None]:
    """Have something done as soon as a lock of the visitors is let go of: the worst moment for it. Timers run at once,
    and time stands still but for `clock`."""
    pending = []

    class Lock:
        def __init__(self):
            self._lock = threading.Lock()

        def __enter__(self):
            self._lock.acquire()

        def __exit__(self, *_):
            self._lock.release()
            if pending:
                pending.pop()()

    class Timer:
        def __init__(self, _: float, function: Callable, arguments: list):
            self.start = partial(function, *arguments)

    monkeypatch.setattr(visitors_module, "threading", types.SimpleNamespace(Lock=Lock, Timer=Timer))
    return pending.append


def test_who_comes_back_while_they_are_forgotten_loses_nothing(comes_between):
    visitors = Visitors(grace_s=0)
    visitors.of("one")
    back = []

    def come_back() -> None:
        # The first lock let go of says that they have left; the next one belongs to what forgets them.
        comes_between(lambda: back.append(visitors.of("one")))

    comes_between(come_back)
    visitors.leave("one")
    assert back == [visitors.of("one")]
    assert back[0].folder.is_dir()


def test_what_is_begun_after_hours_away_is_not_forgotten(comes_between, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(visitors_module, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    visitors = Visitors(idle_s=100)
    one = visitors.of("one")
    now[0] = 200.0
    gone = one.folder
    back = []
    comes_between(lambda: back.append(visitors.of("one")))
    visitors.of("other")
    assert not gone.exists()
    assert back == [visitors.of("one")]
    assert back[0].folder.is_dir()


def test_words_of_a_transcript(tmp_path):
    for example in load_examples():
        words = load_words(example.audio.with_suffix(".TextGrid"))
        said = re.sub(r"[^\w ]", "", example.text.lower()).split()
        assert [word.text for word in words] == said
        assert words[-1].end_s < example.duration_s
    (tmp_path / "no.TextGrid").write_text("Dear Sir or Madam")
    with pytest.raises(EmageError, match="no.TextGrid is no TextGrid"):
        load_words(tmp_path / "no.TextGrid")
    (tmp_path / "cut.TextGrid").write_text(load_examples()[0].audio.with_suffix(".TextGrid").read_text()[:900])
    with pytest.raises(EmageError, match="it ends before its intervals do"):
        load_words(tmp_path / "cut.TextGrid")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([["tail", "0", "1", "lock"]], "There is no body part 'tail'"),
        ([["face", "soon", "1", "lock"]], "The start in row 1 is 'soon'"),
        ([["face", "0", "nan", "lock"]], "The end in row 1 is 'nan'"),
        ([["face", "1", "1", ""]], "is empty"),
    ],
)
def test_rows_that_are_no_plan(rows, words):
    with pytest.raises(EmageError, match=words):
        plan_of_rows(rows, 6)


def test_the_table_is_the_plan():
    plan = HintPlan.from_json({"spans": [{"part": "hands", "start_frame": 7, "end_frame": 31, "mode": "lock"}]})
    assert plan_of_rows(plan_rows(plan), 6) == (plan, "")
    assert plan_of_rows(plan_rows(HintPlan()), 6) == (HintPlan(), "")
    assert plan_of_rows([["Left hand", "0", "", ""]], 6) == (
        HintPlan(),
        "Row 1 counts once part, start and end are there.",
    )


def test_feet_are_kept_on_the_ground_unless_chosen_otherwise(tiny):
    studio = Studio(Shelf(tiny), SMALL, app_module.on_zero_gpu(Shelf(tiny)))
    with gr.Blocks():
        translation = build_controls(studio).translation
    assert translation.value == GROUNDED
    assert {value for _, value in translation.choices} == set(TRANSLATIONS)
    assert "drift is taken out" in translation.info
    for kept in (None, *TRANSLATIONS):
        assert take_values(studio, TakeSettings(translation=kept))[6] == (kept or GROUNDED)


def test_seams_are_set_kept_and_shown(tiny):
    studio = Studio(Shelf(tiny), SMALL, app_module.on_zero_gpu(Shelf(tiny)))
    for choice, frames in (("weights", None), ("0", 0), ("10", 10)):
        for draw in (False, True):
            values = ["", 0, draw, 0, 1.0, 0, "as-generated", choice]
            settings = take_settings(studio, *values)
            assert settings.seam_frames == frames
            assert take_values(studio, settings) == values


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (WeightsSource("embedded", "embedded demo weights (/srv/app/assets/demo)", {}), "embedded demo weights"),
        (WeightsSource("folder", "/srv/weights/mine", {}), "mine"),
        (WeightsSource("hub", "you/weights at b04466b8", {}), "you/weights at b04466b8"),
    ],
)
def test_visitors_see_no_folder_of_the_machine(source, words):
    assert described(source) == words


def test_the_page_brings_nothing_of_itself_into_the_visitors_copies(tiny):
    """Gradio makes an event of any constructor's word that stands in quotes in a component's JavaScript."""
    for block in create_app(tiny, SMALL).blocks.values():
        json.dumps(block.get_config(), default=str if isinstance(block, gr.State) else None)


def test_every_file_of_the_page_is_packaged():
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    files = [path for path in (ROOT / "emage").rglob("*") if path.suffix in (".html", ".css", ".js")]
    assert len(files) > 20
    for path in files:
        patterns = packaged.get(".".join(path.parent.relative_to(ROOT).parts), [])
        assert any(path.match(pattern) for pattern in patterns), path


def test_visitors_get_no_weights_but_those_on_offer(tiny):
    loaded = []
    shelf = Shelf(tiny, offered=("demo",), load=lambda name: loaded.append(name) or tiny)
    assert shelf.pipeline("") is shelf.pipeline("demo") is tiny
    with pytest.raises(EmageError, match="'/etc' are not offered here. Choose from"):
        shelf.pipeline("/etc")
    assert loaded == ["demo"]
    assert Shelf(tiny, any_named=True, load=lambda name: name).pipeline("/etc") == "/etc"


def test_who_waits_for_weights_keeps_nobody_else_waiting(tiny):
    begun, may_end = threading.Event(), threading.Event()
    loads = []

    def load(name: str) -> object:
        loads.append(name)
        if name == "slow":
            begun.set()
            assert may_end.wait(60)
        return object()

    shelf = Shelf(tiny, offered=("demo", "slow", "other"), load=load)
    loaded = shelf.pipeline("demo")
    with ThreadPoolExecutor() as pool:
        try:
            first = pool.submit(shelf.pipeline, "slow")
            assert begun.wait(10)
            second = pool.submit(shelf.pipeline, "slow")
            assert pool.submit(shelf.pipeline, "demo").result(10) is loaded
            assert pool.submit(shelf.pipeline, "other").result(10) is not loaded
        finally:
            may_end.set()
        assert first.result(10) is second.result(10)
    assert loads == ["demo", "slow", "other"]


def test_a_take_is_made_while_another_visitor_s_weights_are_downloaded(tiny, talk):
    begun, may_end = threading.Event(), threading.Event()

    def load(name: str) -> EmagePipeline:
        begun.set()
        assert may_end.wait(120)
        return tiny

    shelf = Shelf(tiny, offered=("slow",), load=load)
    making = Making(Studio(shelf, replace(SMALL, at_once=1), app_module.on_zero_gpu(shelf)))
    picture = {"renderer": "skeleton", "panel_width": 64, "panel_height": 64}

    def frames(session: str, **settings) -> int:
        request = types.SimpleNamespace(session_hash=session)
        *_, report = making.for_programs(str(talk), "", None, picture | settings, request, lambda *_, **__: None)
        return report["frames"]

    with ThreadPoolExecutor() as pool:
        try:
            waits = pool.submit(frames, "one", weights="slow")
            assert begun.wait(10)
            assert pool.submit(frames, "other").result(60) == 90
            assert not waits.done()
        finally:
            may_end.set()
        assert waits.result(60) == 90


def test_weights_that_could_not_be_had_are_tried_again(tiny):
    reachable = []

    def load(name: str) -> EmagePipeline:
        if not reachable:
            raise WeightsError("The Hub cannot be reached.")
        return tiny

    shelf = Shelf(tiny, offered=("demo",), load=load)
    for _ in range(2):
        with pytest.raises(WeightsError, match="cannot be reached"):
            shelf.pipeline("demo")
    reachable.append(True)
    assert shelf.pipeline("demo") is tiny


def test_of_a_folder_with_weights_visitors_see_its_name_alone(tiny, tmp_path):
    folders = [tmp_path / place / name for place, name in (("of at home", "mine"), ("b", "mine"), ("c", "demo"))]
    for folder in folders:
        folder.mkdir(parents=True)
    own = types.SimpleNamespace(source=WeightsSource("folder", str(folders[0]), {}))
    loaded = []
    offered = ("demo", *map(str, folders[1:]))
    shelf = Shelf(own, offered, load=lambda name: loaded.append(name) or tiny)
    assert [name for _, name in shelf.choices()] == ["", "demo", "mine", "demo (2)"]
    assert str(tmp_path) not in str(shelf.choices())
    assert shelf.name_for_settings("") == "mine (2)"
    assert shelf.choice("mine (2)") == ""
    assert shelf.pipeline("mine (2)") is own
    for name in ("demo", "mine", "demo (2)"):
        assert shelf.offers(name)
        assert shelf.pipeline(name) is tiny
    assert loaded == list(offered)
    assert not shelf.offers(str(folders[1]))
    at_home = Shelf(own, offered, any_named=True)
    assert at_home.name_for_settings("") == str(folders[0])
