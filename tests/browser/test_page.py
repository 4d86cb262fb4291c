"""The whole page in a real browser."""

import base64
import json
import re
import subprocess
import threading

import numpy as np
import pytest
import soundfile
from imageio_ffmpeg import get_ffmpeg_exe
from playwright.sync_api import Page, expect

from emage.errors import RenderError
from emage.hints import LOCK, LOOP, HintPlan, Placement
from emage.motion import Motion
from emage.motion.skeleton import PART_JOINTS
from emage.recording.examples import load_examples
from emage.ui.sections.hints import list_example_motions
from emage.ui.service import service
from tests.app_server import wait_until
from tests.browser.driving import PATIENCE_S
from tests.browser.page import expect_metrics, film_too, generate, open_page, paint, save, upload, write_plan
from tests.conftest import TALK_FRAMES, make_speech

SIZE_PX = 64
_COUNT = """() => {
  window.counts = new Set();
  const details = document.querySelector("#details");
  new MutationObserver(() => {
    const [bar, numbers] = [".progress-bar-wrap", ".progress-text"].map((each) => details.querySelector(each));
    if (bar && numbers) window.below ??= numbers.getBoundingClientRect().top >= bar.getBoundingClientRect().bottom;
    if (!details.textContent.includes("Drawing the video")) return;
    for (const found of details.textContent.matchAll(/(\\d+)\\/900 frames/g)) counts.add(found[1]);
  }).observe(details, { subtree: true, childList: true, characterData: true });
}"""

_DROP = """(place, content) => {
  const files = new DataTransfer();
  files.items.add(new File([Uint8Array.from(atob(content), (each) => each.charCodeAt(0))], "talk.webm",
    { type: "video/webm" }));
  for (const kind of ["dragenter", "dragover", "drop"])
    place.dispatchEvent(new DragEvent(kind, { dataTransfer: files, bubbles: true, cancelable: true }));
}"""


@pytest.fixture
def page(browser, app):
    with open_page(browser, app.url) as page:
        yield page


@pytest.fixture
def _no_video(monkeypatch):
    def cannot(*_):
        raise RenderError("No picture in this test.")

    monkeypatch.setattr(service, "render_video", cannot)


def test_upload_generate_watch_and_download(page, short_talk, tmp_path):
    expect(page.locator("#notes")).to_contain_text("the jaw alone")
    upload(page, short_talk)
    page.click("#generate")
    expect(page.locator("#details")).to_contain_text(f"1.5 s of speech, {TALK_FRAMES} frames")
    page.wait_for_function("document.querySelector('#result-stage audio')?.ended")
    sound = page.locator("#result-stage audio")
    assert sound.evaluate("sound => sound.duration") == pytest.approx(1.5, abs=1 / 30)
    assert sound.evaluate("sound => sound.webkitAudioDecodedByteCount") > 0
    expect(page.locator("#video video")).to_have_count(0)
    page.click("#result-stage [data-tool=film]")
    page.wait_for_function("document.querySelector('#video video')?.readyState > 0")
    facts = "video => [video.duration, video.videoWidth]"
    duration_s, width = page.locator("#video video").evaluate(facts)
    assert duration_s == pytest.approx(1.5, abs=1 / 30)
    assert width == SIZE_PX
    bar, picture = (page.locator(f"#video {each}").bounding_box() for each in (".controls", "video"))
    assert bar["y"] >= picture["y"] + picture["height"] - 1  # captions stand at the picture's foot
    assert save(page, "#mp4", tmp_path / "talk.mp4").stat().st_size > 1000
    page.locator("#timeline .row[data-leaf=upper]").press("Home")
    expect(page.locator("#timeline")).to_contain_text("0.00 s / 1.50 s")
    film_too(page)
    page.click("#another")
    expect(page.locator("#timeline")).to_contain_text("1.50 s / 1.50 s")  # the playhead follows this take, too
    expect(page.locator("#details")).to_contain_text("Drawing the video")
    assert Motion.load(save(page, "#npz", tmp_path / "talk.npz")).num_frames == TALK_FRAMES
    assert b"ftyp" in save(page, "#mp4", tmp_path / "talk.mp4").read_bytes()[:16]


def test_progress_moves_and_cancel_stops_at_once(page, short_talk, tmp_path):
    soundfile.write(tmp_path / "long.wav", make_speech(30 * 16000), 16000)
    upload(page, tmp_path / "long.wav", "30.00 s")
    film_too(page)
    page.evaluate(_COUNT)  # at each change: a busy browser draws few pictures in which to look
    page.click("#generate")
    page.wait_for_function("counts.size >= 3", timeout=PATIENCE_S * 1000)
    assert page.evaluate("below")  # not across the bar
    page.click("#cancel")
    expect(page.locator("#details")).to_contain_text("Cancelled")
    wait_until(lambda: not [each for each in threading.enumerate() if each.name.startswith("render")])
    upload(page, short_talk)
    page.click("#generate")
    expect(page.locator("#details")).to_contain_text(f"{TALK_FRAMES} frames")


def test_a_recording_that_browsers_take_for_a_video_is_taken(page, short_talk, tmp_path):
    webm = tmp_path / "talk.webm"
    subprocess.run([get_ffmpeg_exe(), "-loglevel", "error", "-i", short_talk, "-c:a", "libopus", webm], check=True)
    upload(page, webm, "1.5")
    expect(page.locator("#speech")).to_contain_text("0:02")  # in whole seconds
    expect(page.locator(".toast-body")).to_have_count(0)
    page.locator("#speech button[aria-label='Clear']").click()
    content = base64.b64encode(webm.read_bytes()).decode()
    page.locator("#speech .upload-container").evaluate(_DROP, content)
    expect(page.locator("#timeline [data-part=length]")).to_contain_text("1.5")


def test_nothing_recorded_is_told(page):
    page.locator("#speech button[aria-label='Clear']").click()
    page.click("#generate")
    expect(page.get_by_text("There is no recording yet")).to_be_visible()
    expect(page.locator("#mp4 button, button#mp4").first).to_be_disabled()


def test_a_plan_stays_for_the_next_recording(page, short_talk):
    paint(page, "upper", 0.05, 0.1)
    span = page.locator("#timeline .span")
    expect(span).to_have_count(1)
    painted = span.get_attribute("aria-label")
    upload(page, short_talk)  # which takes the first recording away before
    expect(span).to_have_count(1)
    assert span.get_attribute("aria-label") == painted


@pytest.mark.usefixtures("_no_video")
def test_an_example_is_picked_told_and_generated(page):
    def pick(example, length: str) -> None:
        page.locator("#examples").get_by_text(example.title).click()
        expect(page.locator("#transcript textarea")).to_have_value(example.text)
        expect(page.locator("#speech")).to_contain_text(length)

    first, second = load_examples()[:2]
    pick(second, "0:19")
    page.click("#generate")
    expect(page.locator("#details")).to_contain_text(f"{second.duration_s:.1f} s of speech")
    # Words that are not said in what comes next go away.
    page.locator("#speech button[aria-label='Clear']").click()
    expect(page.locator("#transcript textarea")).to_have_value("")
    pick(first, "0:10")


def test_paint_generate_compare_and_take_away(page, browser, app, short_talk, tmp_path):
    spans = page.locator("#timeline .span")
    upload(page, short_talk)
    page.locator("#timeline input[value=lock]").check()
    page.locator("#timeline [data-tool=snap]").click()
    paint(page, "upper", 10 / 45, 30 / 45)
    page.locator("#timeline .row[data-leaf=left_hand]").focus()
    for key in ("Home", "Enter"):
        page.keyboard.press(key)
    page.get_by_role("button", name="Right hand: whole row as hint").click()
    expect(spans).to_have_count(3)
    generate(page, 1)
    expect(page.locator("#details")).to_contain_text("Generating motion")
    plan = HintPlan.load(save(page, "#plan-file", tmp_path / "plan.json"))
    painted = {span.part: (span.start_frame, span.end_frame, span.mode) for span in plan.spans}
    assert painted == {"upper": (10, 30, LOCK), "left_hand": (0, 30, LOCK), "right_hand": (0, 45, LOCK)}
    pinned = Motion.load(save(page, "#npz", tmp_path / "pinned.npz"))
    hint = Placement(fill=LOOP).motion(Motion.load(dict(list_example_motions())["Waving hello"]), TALK_FRAMES)
    shown, given = (each.poses.reshape(-1, 55, 3)[10:30, list(PART_JOINTS["upper"])] for each in (pinned, hint))
    assert np.abs(shown - given).max() < 1e-5

    page.locator("#plan-panel button").first.click()
    expect(page.locator("#plan-table")).to_contain_text("1.000")
    write_plan(page, '{"spans": [{"part": "tail"')
    expect(page.locator("#plan-note")).to_contain_text("does not count yet")
    expect(spans).to_have_count(3)
    write_plan(page, '{"spans": []}')
    expect(spans).to_have_count(0)
    generate(page, 2)
    expect(page.locator("#details")).to_contain_text("no hints")
    free = Motion.load(save(page, "#npz", tmp_path / "free.npz"))
    assert np.abs(free.poses - pinned.poses).max() > 0.01

    write_plan(page, json.dumps(plan.to_json()))
    expect(spans).to_have_count(3)
    caption = page.get_by_label("Caption of take").nth(1)
    caption.fill("all made")
    caption.press("Tab")
    page.get_by_label("Hint beside result").check()
    page.click("#compare")
    expect_metrics(page, 2)
    expect(page.locator("#compare-stage .caption")).to_have_text(["hint", re.compile("^hints"), "all made"])
    page.click("#compare-stage [data-tool=film]")
    page.wait_for_function(f"document.querySelector('#compare-video video')?.videoWidth === 3 * {SIZE_PX}")
    expect(page.locator("#metrics")).to_contain_text("all made")
    assert b"all made" in save(page, "#scores-csv", tmp_path / "scores.csv").read_bytes()

    save(page, "#save-session", tmp_path / "session.zip")
    with open_page(browser, app.url) as later:
        bring_back(later, tmp_path / "session.zip", plan)


def bring_back(page: Page, session, plan: HintPlan) -> None:
    """All that the session holds is there again, and goes on."""
    with page.expect_file_chooser() as chooser:
        page.click("#load-session")
    chooser.value.set_files(session)
    expect(page.locator("#takes li")).to_have_count(2)
    expect(page.locator("#timeline .span")).to_have_count(3)
    expect(page.get_by_label("Caption of take").nth(1)).to_have_value("all made")
    page.locator("#plan-panel button").first.click()
    assert HintPlan.from_json(page.locator("#plan-json .cm-content").inner_text()) == plan
    page.get_by_role("button", name="Show all made").click()
    expect(page.locator("#details")).to_contain_text("all made")
    page.get_by_role("button", name="Remove all made").click()
    expect(page.locator("#takes li")).to_have_count(1)
    generate(page, 2)  # with the reference that came along


@pytest.mark.usefixtures("_no_video")
def test_trim_table_another_keep_and_a_grid(page, short_talk, tmp_path):
    upload(page, short_talk)
    page.locator("#timeline [data-part=trim-start]").focus()
    page.keyboard.press("Shift+ArrowRight")
    generate(page, 1)
    assert Motion.load(save(page, "#npz", tmp_path / "trimmed.npz")).num_frames == TALK_FRAMES - 10
    page.click("#another")
    expect(page.locator("#takes li")).to_have_count(2)
    # Seed 0 would be the first take again where weights sample by themselves.
    expect(page.get_by_label("Caption of take").nth(1)).to_have_value("no hints · seed 1")
    page.locator("#plan-panel button").first.click()
    for column, text in enumerate(("Upper", "0.6", "1,2", "lock")):
        page.locator(f'#plan-table [data-row="0"][data-col="{column}"]').first.dblclick()
        page.keyboard.press("Control+a")
        page.keyboard.type(text)
        page.keyboard.press("Enter")
    expect(page.locator("#timeline .span")).to_have_count(1)
    page.click("#keep")
    expect(page.locator("#reference input")).to_have_value(re.compile("^Take: .*seed"))
    page.locator("#batch-panel button").first.click()
    page.click("#batch")
    expect(page.locator("#batch-note")).to_contain_text("2 of 2 takes made.")
    expect(page.locator("#takes li")).to_have_count(4)
    expect_metrics(page, 2)
    lines = save(page, "#scores-csv", tmp_path / "scores.csv").read_text().splitlines()
    # They tell the seed, for others in the list have another.
    assert [line[: line.index('"', 1)] for line in lines[1:]] == ['"no hints, seed 2', '"upper, seed 2']
