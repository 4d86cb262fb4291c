"""The stage in a real browser, with WebGL in software: against our renderer and body model, and as people use it."""

import base64
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import numpy as np
import pytest
from PIL import Image, ImageColor
from playwright.sync_api import Browser, Locator, expect

from emage.body import Body
from emage.evaluation.report import take_series
from emage.generation.take import Take
from emage.hints import FOLLOW, LOCK, HintPlan, Hints, Span
from emage.pipeline import EmagePipeline
from emage.recording.recording import Recording
from emage.render.camera import Camera
from emage.render.moderngl_renderer import ModernglRenderer
from emage.render.scene import Actor, Figure, Shot
from emage.render.settings import RenderSettings
from emage.ui.components.plots import Plots
from emage.ui.components.stage import Stage
from emage.ui.components.timeline import Media
from emage.ui.service.staging import Staging, stage_sound
from emage.ui.service.users import User
from tests.app_server import wait_until
from tests.browser.driving import BACKDROP, BLANK, DESKTOP, NUM_FRAMES, PHONE, SPEECH, Driver
from tests.conftest import rest

MOMENTS = (0, 61, 130, 200, 299)
HINTED = (Span("upper", 60, 180, LOCK), Span("upper", 210, 280, FOLLOW))
SIZE = 480
COUNT_DRAWINGS = """() => {
    window.drawn = 0;
    const draw = WebGL2RenderingContext.prototype.drawElements;
    WebGL2RenderingContext.prototype.drawElements = function (...told) { window.drawn += 1; draw.apply(this, told); };
}"""
WIDE = {"viewport": {"width": 1600, "height": 700}}


@dataclass(frozen=True)
class Shown:
    """Two takes as they are put on the stage, and the user whose files they are."""

    first: Take
    second: Take
    user: User
    staging: Staging

    def value(self, *takes: Take, body: Body, **options) -> dict:
        staged = [self.staging.take(self.user, take, body, number) for number, take in enumerate(takes, start=1)]
        sound = stage_sound(self.user, takes[0].recording, NUM_FRAMES, 30)
        return Stage.show(staged, sound, [Media("#elsewhere")], **options)


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> Shown:
    """A take of the demo weights, hinted by a motion with its arm up, and one without hints."""
    pipe = EmagePipeline.from_pretrained("demo", device="cpu")
    recording = Recording.load((16000, SPEECH))
    motion = pipe.generate(recording)
    waving = rest(
        NUM_FRAMES, trans=motion.trans.mean(0) * np.ones((NUM_FRAMES, 1)), actions={}, right_shoulder=(0, 0, 0.9)
    )
    hints = Hints(waving, HintPlan(HINTED))
    hinted = pipe.generate(recording, hints)
    folder = tmp_path_factory.mktemp("stage")
    return Shown(
        Take(hinted, "With hints", hints, recording), Take(motion, "Free", None, recording), User(folder), Staging()
    )


class StageDriver(Driver):
    NAME = "stage"
    ROUTE = "stage"

    def show(self, value: dict) -> None:
        self.bench.staged = value
        self.page.click("#show")
        self.page.wait_for_function(f"document.querySelector('#stage section').stage.shows({len(value['takes'])})")
        self.wait_for_pictures()

    def seek(self, frame: int) -> None:
        self.part("bar").evaluate(
            "(bar, frame) => { bar.value = frame; bar.dispatchEvent(new Event('input')); }", frame
        )
        self.page.wait_for_function(
            f"Math.abs(document.querySelector('#stage audio').currentTime - {frame / 30}) < 0.01"
        )
        self.wait_for_pictures()

    def ask(self, what: str):
        return self.find("section").evaluate(f"root => root.stage.{what}")

    def frame(self) -> float:
        return self.ask("frame()")

    def picture(self) -> np.ndarray:
        """(H, W, 3) of what is seen."""
        return np.asarray(Image.open(io.BytesIO(self.part("view").screenshot())).convert("RGB"))

    def silhouette(self) -> np.ndarray:
        """(H, W) bool: where bodies are."""
        return read_address(self.ask("silhouette()"))[..., 3] > 127


def read_address(address: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGBA"))


@pytest.fixture
def stage(browser, bench) -> Iterator[StageDriver]:
    page = browser.new_page(**DESKTOP)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    driver = StageDriver(bench, page)
    yield driver
    page.close()
    assert driver.faults == []
    elsewhere = [url for url in asked if not url.startswith((bench.url, "data:", "blob:" + bench.url))]
    assert elsewhere == []


def render_silhouette(take: Take, body: Body, frame: int, camera: dict, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool by our renderer, from the stage's place."""
    actor = Actor(body, take.motion)
    settings = RenderSettings(face_inset=False, floor=False, background="#ff00ff", captions=False)
    figure = Figure(actor, settings, caption=False)
    pose = np.array(camera["matrix"]).reshape(4, 4).T
    view = Camera(np.tile(pose, (take.motion.num_frames, 1, 1)), camera["angle"], 0.05, 60, 4)
    renderer = ModernglRenderer([figure], settings)
    mesh = figure.mesh(frame, body.vertices(take.motion, frame, frame + 1)[0])
    picture = renderer.draw(0, mesh, [Shot(pose, view, *size, floor=False)])[0].astype(int)
    renderer.close()
    red, green, blue = np.moveaxis(picture, 2, 0)
    return (green > 30) | (np.minimum(red, blue) < 200)  # no part of a body has the wall's colour


def test_bodies_stand_as_the_renderer_and_the_body_model_have_them(stage, shown, body):
    stage.show(shown.value(shown.first, body=body))
    joints = body.joints(shown.first.motion)
    overlaps, distances_mm, skin_mm = [], [], []
    for frame in MOMENTS:
        stage.seek(frame)
        own = stage.silhouette()
        expected = render_silhouette(shown.first, body, frame, stage.ask("camera()"), own.shape[::-1])
        assert expected.mean() > 0.02
        overlaps.append((own & expected).sum() / (own | expected).sum())
        found = np.array(stage.ask("joints(0)")).reshape(-1, 3)
        distances_mm.append(1000 * np.linalg.norm(found - joints[frame], axis=1).max())
        skin = np.array(stage.ask("skin(0)")).reshape(-1, 3)
        skin_mm.append(1000 * np.linalg.norm(skin - body.vertices(shown.first.motion, frame, frame + 1)[0], axis=1))
    skin_mm = np.concatenate(skin_mm)
    print(f"IoU {np.round(overlaps, 4)}, joints {np.round(distances_mm, 3)} mm")
    print(f"Skin {skin_mm.mean():.3f} mm in the mean, {skin_mm.max():.2f} mm at most")
    assert min(overlaps) >= 0.97
    assert max(distances_mm) < 1
    assert np.quantile(skin_mm, 0.99) < 0.3
    assert skin_mm.max() < 3  # of the few vertices that follow more than four joints


def test_a_take_is_small(shown, body):
    take = shown.staging.take(shown.user, shown.first, body)
    (path,) = take.motion.files
    assert path.stat().st_size / (NUM_FRAMES / 30) < 6000


def hue_share(picture: np.ndarray, mask: np.ndarray) -> float:
    """How much of a mask is blue."""
    red, blue = picture[mask][:, 0].astype(int), picture[mask][:, 2].astype(int)
    return float((blue > red + 30).mean())


def grey_light(picture: np.ndarray, mask: np.ndarray) -> float:
    """How light the greys of a mask are in the middle, 0 to 255."""
    colors = picture[mask][:, :3].astype(int)
    return float(np.median(colors[np.ptp(colors, axis=1) < 30].mean(1)))


def test_grey_where_the_plan_says_and_blue_elsewhere(stage, shown, body):
    stage.show(shown.value(shown.first, body=body))
    stage.seek(30)
    upper, lower = halves(stage.silhouette())
    picture = read_address(stage.ask("silhouette()"))
    assert hue_share(picture, upper) > 0.6
    assert hue_share(picture, lower) > 0.6
    stage.seek(120)
    upper, lower = halves(stage.silhouette())
    picture = read_address(stage.ask("silhouette()"))
    assert hue_share(picture, upper) < 0.35  # hands and head are generated
    assert hue_share(picture, lower) > 0.6
    locked = grey_light(picture, upper)
    stage.seek(245)
    upper, _ = halves(stage.silhouette())
    picture = read_address(stage.ask("silhouette()"))
    assert hue_share(picture, upper) < 0.35
    assert grey_light(picture, upper) < locked - 40
    assert stage.find(".legend li").all_inner_texts() == ["generated", "hint, followed", "hint, locked"]
    fills = stage.find(".legend i").evaluate_all("keys => keys.map((key) => getComputedStyle(key).backgroundColor)")
    own = RenderSettings()
    colors = (own.generated_color, own.followed_color, own.hint_color)
    assert fills == ["rgb({}, {}, {})".format(*ImageColor.getrgb(color)) for color in colors]
    stage.show(shown.value(shown.second, body=body))
    expect(stage.part("legend")).to_be_hidden()


def halves(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of a body: above and below its middle."""
    rows = np.flatnonzero(mask.any(1))
    middle = rows[0] + round(0.45 * (rows[-1] - rows[0]))
    above = np.arange(len(mask))[:, None] < middle
    return mask & above, mask & ~above


def test_the_picture_goes_by_the_sound(stage, shown, body):
    stage.show(shown.value(shown.second, body=body))
    before = stage.picture()
    stage.part("play").click()
    stage.page.wait_for_function("document.querySelector('#stage audio').currentTime > 1")
    stage.page.evaluate("document.querySelector('#stage audio').pause()")  # a click may come too late on a busy machine
    stage.wait_for_pictures()
    heard = stage.page.evaluate("document.querySelector('#stage audio').currentTime")
    assert abs(stage.frame() - 30 * heard) < 1.5
    changed = np.abs(stage.picture().astype(int) - before.astype(int)).max(2) > 30
    assert changed.mean() > 0.002


def test_what_has_been_drawn_is_not_drawn_again_while_a_sound_has_yet_to_begin(stage, shown, body):
    """Drawing in software takes both processors of a small machine, and the sound would wait for it."""
    stage.page.route("**/*.wav", lambda route: None)  # it never comes
    value = shown.value(shown.first, body=body)
    stage.show(value)
    stage.part("play").click()
    stage.page.wait_for_timeout(2000)  # for the first picture, after which the stage rests
    stage.page.evaluate(COUNT_DRAWINGS)
    stage.page.wait_for_timeout(1000)
    assert stage.page.evaluate("document.querySelector('#stage audio').paused") is False
    assert stage.page.evaluate("window.drawn") == 0
    stage.find("[data-tool=face]").click()
    stage.page.wait_for_function("window.drawn > 0")


def test_more_frames_of_a_take_are_drawn_when_they_are_reached(stage, shown, body):
    value = shown.value(shown.first, body=body)
    stage.show(value)
    stage.page.evaluate(COUNT_DRAWINGS)
    stage.show(value | {"passing": "more of it"})
    stage.page.wait_for_timeout(500)
    assert stage.page.evaluate("window.drawn") == 0
    renamed = [each | {"caption": "Another name"} for each in value["takes"]]
    stage.show(value | {"takes": renamed})
    expect(stage.find(".caption")).to_have_text("Another name")
    stage.page.wait_for_function("window.drawn > 0")


_SLOW_MS = 500
_DRAW_SLOWLY = f"""() => {{
  window.pictures = []; // when they began and ended
  const draw = WebGL2RenderingContext.prototype.drawElements;
  WebGL2RenderingContext.prototype.drawElements = function (...given) {{
    draw.apply(this, given);
    const last = pictures.at(-1);
    if (last?.at === document.timeline.currentTime) return;
    const begun = performance.now();
    while (performance.now() < begun + {_SLOW_MS});
    pictures.push({{ at: document.timeline.currentTime, begun, ended: performance.now() }});
  }};
}}"""


def test_where_pictures_take_long_the_rest_of_the_page_has_as_much_time(stage, shown, body):
    stage.show(shown.value(shown.second, body=body))
    stage.page.evaluate(_DRAW_SLOWLY)
    stage.part("play").click()
    stage.find("[data-tool=loop]").click()
    stage.page.wait_for_function("pictures.length >= 5")
    pictures = stage.page.evaluate("document.querySelector('#stage audio').pause(); pictures")[1:]
    rests_ms = [later["begun"] - earlier["ended"] for earlier, later in pairwise(pictures)]
    assert np.median(rests_ms) > 0.9 * _SLOW_MS


def test_half_speed_and_a_loop(stage, shown, body):
    stage.show(shown.value(shown.second, body=body))
    stage.part("speed").select_option("0.5")
    assert stage.page.evaluate("document.querySelector('#stage audio').playbackRate") == 0.5
    stage.part("speed").select_option("1")
    stage.seek(60)
    stage.find("[data-tool=from]").click()
    stage.seek(75)
    stage.find("[data-tool=to]").click()
    stage.part("view").focus()
    stage.press("Space")
    seen = [stage.frame() for _ in range(40) if stage.page.wait_for_timeout(100) is None]
    stage.press("Space")
    assert min(seen) > 55
    assert max(seen) < 85
    assert any(later < earlier for earlier, later in pairwise(seen))


@pytest.fixture
def together(stage, shown, body) -> StageDriver:
    """With the timeline and the plots of the same take, which all go by the stage's sound."""
    stage.bench.shown = BLANK, replace(BACKDROP, media=(Media("#stage"),))
    series = take_series(shown.second.motion, SPEECH, body)
    stage.bench.plotted = Plots.show([("Free", series, HintPlan())])
    stage.show(shown.value(shown.second, body=body))
    return stage


def moments(stage: StageDriver) -> tuple[float, float, float]:
    """Of stage, timeline and plots, seconds."""
    stage.wait_for_pictures()
    texts = [stage.page.locator(f"#{name} .clock b").inner_text() for name in ("timeline", "plots")]
    times = [re.search(r"(?:(\d+):)?([\d.]+)", text) for text in texts]  # "3.00 s", and "0:03.00"
    return stage.frame() / 30, *(60 * int(time[1] or 0) + float(time[2]) for time in times)


def expect_moment(stage: StageDriver, second: float) -> None:
    """All are there, and stay."""
    stage.page.wait_for_function(f"Math.abs(document.querySelector('#stage audio').currentTime - {second}) < 0.05")
    wait_until(lambda: moments(stage) == pytest.approx((second,) * 3, abs=0.07))
    stage.page.wait_for_timeout(600)  # longer than components take to look for players anew
    assert moments(stage) == pytest.approx((second,) * 3, abs=0.07)


def test_stage_timeline_and_plots_are_at_one_moment(together):
    together.seek(90)
    expect_moment(together, 3)
    cursor = together.page.locator("#plots [data-part=cursor]")
    cursor.scroll_into_view_if_needed()
    box = cursor.bounding_box()
    together.page.mouse.click(box["x"] + box["width"] * 0.6, box["y"] + 60)
    expect_moment(together, 6)
    ruler = together.page.locator("#timeline canvas")
    ruler.scroll_into_view_if_needed()
    box = ruler.bounding_box()
    together.page.mouse.click(box["x"] + box["width"] * 0.2, box["y"] + 8)
    together.page.wait_for_function("Math.abs(document.querySelector('#stage section').stage.frame() - 180) > 30")
    expect_moment(together, together.frame() / 30)


def test_two_takes_side_by_side_and_overlaid(stage, shown, body):
    stage.show(shown.value(shown.first, shown.second, body=body))
    expect(stage.find(".caption")).to_have_text(["With hints", "Free"])
    stage.seek(30)
    beside = stage.silhouette()
    stage.find("[data-tool=overlaid]").click()
    stage.wait_for_pictures()
    overlaid = stage.silhouette()
    widths = [np.ptp(np.flatnonzero(mask.any(0))) / np.ptp(np.flatnonzero(mask.any(1))) for mask in (beside, overlaid)]
    assert widths[0] > 1.4 * widths[1]
    stage.find("[data-tool=ghost]").click()
    stage.wait_for_pictures()
    assert stage.silhouette().sum() >= overlaid.sum()


def test_views_and_cameras(stage, shown, body):
    stage.show(shown.value(shown.first, body=body))
    stage.seek(120)
    whole = stage.silhouette().sum()
    stage.part("view").focus()
    stage.press("k")
    stage.wait_for_pictures()
    bones = stage.silhouette().sum()
    assert 0 < bones < 0.5 * whole
    stage.press("m")
    stage.wait_for_pictures()
    assert stage.silhouette().sum() != bones
    stage.press("b", "d")
    stage.wait_for_pictures()
    picture = read_address(stage.ask("silhouette()"))
    assert (picture[..., 0].astype(int) > picture[..., 2] + 60).sum() > 100  # the arm is elsewhere than the hint's
    stage.press("d", "c")
    stage.wait_for_pictures()
    assert stage.silhouette().mean() > 0.15  # the whole skull, with room around it
    stage.press("r", "+")
    stage.wait_for_pictures()
    assert stage.silhouette().sum() > whole
    stage.press("Shift+ArrowRight", "ArrowRight")
    assert stage.frame() == 121


def test_a_body_comes_once(stage, shown, body):
    asked = []
    stage.page.on("request", lambda request: asked.append(request.url))
    stage.show(shown.value(shown.second, body=body))
    stage.page.reload()
    expect(stage.find("section")).to_be_visible()
    stage.show(shown.value(shown.second, body=body))
    assert sum(url.endswith(".glb") for url in asked) <= 1


def test_three_and_the_body_are_there_before_a_take_comes(stage, shown, body):
    stage.bench.staged = Stage.expect(shown.staging.expect(shown.user, body))
    with stage.page.expect_response(lambda response: response.url.endswith(".glb")):
        stage.page.click("#show")
    asked = []
    stage.page.on("request", lambda request: asked.append(request.url))
    stage.show(shown.value(shown.first, body=body))
    assert not [url for url in asked if url.endswith((".glb", ".js"))]
    assert stage.silhouette().mean() > 0.02


def test_a_video_is_asked_for(stage, shown, body):
    stage.show(shown.value(shown.first, shown.second, body=body))
    stage.find("[data-tool=film]").click()
    expect(stage.page.locator("#told textarea")).to_have_value("1")
    assert stage.bench.films[-1] == [1, 2]


def test_without_webgl_a_video_is_asked_for_and_the_page_says_so(browser, bench, shown, body):
    page = browser.new_page(**DESKTOP)
    page.add_init_script(
        "const own = HTMLCanvasElement.prototype.getContext; HTMLCanvasElement.prototype.getContext = function "
        "(kind, ...more) { return kind.startsWith('webgl') ? null : own.call(this, kind, ...more); };"
    )
    stage = StageDriver(bench, page)
    bench.films.clear()
    bench.staged = shown.value(shown.second, body=body)
    page.click("#show")
    expect(stage.part("fallback")).to_be_visible()
    expect(page.locator("#told textarea")).to_have_value("1")
    assert bench.films == [[1]]
    page.close()


def test_a_phone(browser: Browser, bench, shown, body):
    context = browser.new_context(**PHONE)
    stage = StageDriver(bench, context.new_page())
    stage.show(shown.value(shown.first, body=body))
    stage.check_phone(*(stage.find(f"[data-tool={name}]") for name in ("body", "ghost", "face", "loop", "film")))
    stage.find("[data-tool=face]").tap()
    stage.wait_for_pictures()
    assert stage.silhouette().mean() > 0.15
    stage.find("[data-tool=reset]").tap()
    stage.show(shown.value(shown.first, shown.second, body=body))
    stage.show(make_unfinished(shown.value(shown.second, body=body, passing="See the next take")))
    check_apart(stage.part("making"), stage.part("other"))
    assert stage.faults == []
    context.close()


def make_unfinished(value: dict) -> dict:
    """As if more frames were to come."""
    (take,) = value["takes"]
    return value | {"takes": [take | {"total_frames": 2 * take["num_frames"]}]}


def check_apart(*parts: Locator) -> None:
    """None of them lies on another."""
    boxes = [part.bounding_box() for part in parts]
    for one, other in combinations(boxes, 2):
        across, over = (
            min(one[at] + one[size], other[at] + other[size]) - max(one[at], other[at])
            for at, size in (("x", "width"), ("y", "height"))
        )
        assert min(across, over) <= 0, boxes


@pytest.mark.parametrize("options", [WIDE, PHONE], ids=["wide", "phone"])
def test_captions_lie_beside_one_another(browser, bench, shown, body, options):
    context = browser.new_context(**options)
    stage = StageDriver(bench, context.new_page())
    takes = [replace(shown.second, caption=f"upper + left hand + lower, seed {seed}") for seed in range(8)]
    stage.show(shown.value(*takes, body=body))
    captions = stage.find(".caption").all()
    check_apart(*captions)
    assert min(caption.bounding_box()["width"] for caption in captions) > 50
    stage.find("[data-tool=overlaid]").click()
    expect(stage.find(".captions.listed")).to_be_visible()
    check_apart(stage.find("canvas"), *captions)  # they would cover it where it is small
    stage.find("[data-tool=overlaid]").click()
    expect(stage.find(".view .caption")).to_have_count(8)
    assert stage.faults == []
    context.close()


_TELL_LATE = """
  window.IntersectionObserver = class extends IntersectionObserver {
    constructor(tell, options) {
      super((entries) => tell([{ isIntersecting: false }, ...entries]), options);
    }
  };
"""


def test_what_came_into_view_is_drawn_on_a_busy_machine_too(browser, bench, shown, body):
    page = browser.new_page(**DESKTOP)
    page.add_init_script(_TELL_LATE)  # that it went out of view, and that it is in view again, come together
    stage = StageDriver(bench, page)
    stage.show(shown.value(shown.first, body=body))
    stage.part("view").scroll_into_view_if_needed()
    stage.seek(120)
    before = stage.picture()
    stage.find("[data-tool=face]").click()
    stage.wait_for_pictures()
    change = np.abs(stage.picture().astype(int) - before.astype(int)).mean()
    assert change > 3
    assert stage.faults == []
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_can_be_read(stage, shown, body, theme):
    stage.show(shown.value(shown.first, shown.second, body=body))
    stage.turn(theme)
    assert min(stage.contrasts(".clock b", "[data-tool=skeleton]", "[data-tool=body]", ".caption").values()) > 4.5
