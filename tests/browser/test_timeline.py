"""The timeline in a real browser."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Locator, expect

from emage.hints import FOLLOW, LOCK, HintPlan, Span
from emage.motion.skeleton import DISJOINT_PARTS, DISJOINT_PARTS_OF, HINT_PARTS
from emage.ui import components
from emage.ui.components.timeline import Backdrop, TimelineValue
from tests.browser.driving import BACKDROP, BLANK, DESKTOP, NUM_FRAMES, PHONE, Driver
from tests.browser.page import swipe
from tests.ui.components.test_timeline import plan_of, with_span


class TimelineDriver(Driver):
    NAME = "timeline"
    seen = 0

    def show(self, value: TimelineValue, backdrop: Backdrop = BACKDROP) -> None:
        self.bench.shown = (value, backdrop)
        self.page.click("#show")
        rows = sum(len(DISJOINT_PARTS_OF[span.part]) for span in value.plan.spans)
        expect(self.find(".span")).to_have_count(rows)
        expect(self.part("trim-end")).to_have_attribute("aria-valuenow", str(value.trim_end_frame))

    def start(self, *spans: tuple, backdrop: Backdrop = BACKDROP) -> None:
        """With this plan, and nothing to undo."""
        self.show(TimelineValue())
        self.show(replace(BLANK, plan=plan_of(*spans)), backdrop)
        self.seen = len(self.bench.received)

    def values(self, number: int) -> list[TimelineValue]:
        """What the events since the last call brought; there were so many."""
        expect(self.page.locator("#received textarea")).to_have_value(str(self.seen + number))
        values = self.bench.received[self.seen :]
        self.seen += number
        return values

    def value(self) -> TimelineValue:
        return self.values(1)[0]

    def spans(self) -> list[tuple]:
        return [(span.part, span.start_frame, span.end_frame, span.mode) for span in self.value().plan.spans]

    def check_quiet(self, changes: int | None = None) -> None:
        """Nothing more has come. changes: so many events of that name."""
        number = self.bench.counts + 1
        self.page.click("#count")
        told = f"{number}: {self.seen} received, {r'.*' if changes is None else changes} changes"
        expect(self.page.locator("#counted textarea")).to_have_value(re.compile(told))

    def lane(self, part: str) -> Locator:
        return self.find(f".lane[data-leaf={part}]")

    def row(self, part: str) -> Locator:
        return self.find(f".row[data-leaf={part}]")

    def span(self, label: str) -> Locator:
        return self.page.get_by_role("gridcell", name=label)

    def tool(self, name: str) -> Locator:
        return self.find(f"[data-tool={name}]")

    def point(self, part: str, frame: float) -> tuple[float, float]:
        box = self.lane(part).bounding_box()
        return box["x"] + frame * box["width"] / NUM_FRAMES, box["y"] + box["height"] / 2

    def drag(self, part: str, *frames: float) -> None:
        first, *others = frames
        self.page.mouse.move(*self.point(part, first))
        self.page.mouse.down()
        for frame in others:
            self.page.mouse.move(*self.point(part, frame), steps=2)
        self.page.mouse.up()

    def spoken(self) -> str:
        return self.part("spoken").inner_text()


@pytest.fixture(scope="module")
def desktop(bench, browser) -> Iterator[TimelineDriver]:
    page = browser.new_page(**DESKTOP)
    yield TimelineDriver(bench, page)
    page.close()


@pytest.fixture
def timeline(desktop) -> Iterator[TimelineDriver]:
    desktop.start()
    yield desktop
    desktop.check_quiet()
    assert desktop.faults == []


def test_paint_with_the_mouse(timeline):
    timeline.drag("upper", 150, 210)
    assert timeline.spans() == [("upper", 150, 210, FOLLOW)]
    span = timeline.span("Upper body, follows, 5.00 s to 7.00 s")
    expect(span).to_be_focused()
    expect(span).to_have_attribute("aria-selected", "true")
    expect(timeline.page.locator("#mirror textarea")).to_have_value(json.dumps(plan_of(("upper", 150, 210)).to_json()))
    assert timeline.spoken() == "New hint: Upper body, follows, 5.00 s to 7.00 s."
    # a stroke ends at the neighbour, backwards too
    timeline.drag("upper", 260, 190 - 60)
    assert timeline.spans() == [("upper", 150, 210, FOLLOW), ("upper", 210, 260, FOLLOW)]


def test_a_stroke_that_is_given_up_changes_nothing(timeline):
    timeline.page.mouse.move(*timeline.point("face", 100))
    timeline.page.mouse.down()
    timeline.page.mouse.move(*timeline.point("face", 200))
    expect(timeline.find(".span")).to_have_count(1)
    timeline.press("Escape")
    expect(timeline.find(".span")).to_have_count(0)
    timeline.page.mouse.up()
    # and a click is no stroke: it puts the playhead there
    timeline.page.mouse.click(*timeline.point("face", 240))
    expect(timeline.part("clock")).to_have_text("8.00 s")


def test_move_and_resize_with_the_mouse(timeline):
    timeline.start(("upper", 120, 180), ("upper", 200, 220, LOCK))
    moved, locked = ("upper", 120, 180, FOLLOW), ("upper", 200, 220, LOCK)
    for grabbed, dropped, (start, end) in (
        (150, 110, (80, 140)),
        (110, 175, (140, 200)),  # up to the neighbour
        (170, 280, (240, 300)),  # over it, to the end
        (240, 270, (270, 300)),
    ):
        timeline.drag("upper", grabbed, dropped)
        moved = ("upper", start, end, FOLLOW)
        assert timeline.spans() == [moved, locked]
    for grabbed, dropped, (start, end) in ((220, 250, (200, 250)), (200, 290, (249, 250))):  # not past its other end
        timeline.drag("upper", grabbed, dropped)
        assert timeline.spans() == [moved, ("upper", start, end, LOCK)]


def test_split_delete_and_lock_with_the_tools(timeline):
    timeline.start(("lower", 100, 200))
    timeline.page.mouse.click(*timeline.point("face", 130))
    timeline.lane("lower").locator(".span").click()
    timeline.tool("split").click()
    assert timeline.spans() == [("lower", 100, 130, FOLLOW), ("lower", 130, 200, FOLLOW)]
    expect(timeline.tool("lock")).to_have_attribute("aria-pressed", "false")
    timeline.tool("lock").click()
    expect(timeline.tool("lock")).to_have_attribute("aria-pressed", "true")
    assert timeline.spans() == [("lower", 100, 130, LOCK), ("lower", 130, 200, FOLLOW)]
    locked = timeline.span("Lower body and path, locked, 3.33 s to 4.33 s")
    assert "repeating-linear-gradient" in locked.evaluate("node => getComputedStyle(node).backgroundImage")
    timeline.page.get_by_label("Frames of blending").fill("12")
    timeline.press("Enter")
    assert timeline.value().plan.blend_frames == 12
    locked.focus()
    timeline.tool("delete").click()
    assert timeline.spans() == [("lower", 130, 200, FOLLOW)]
    expect(timeline.tool("delete")).to_have_attribute("aria-disabled", "true")
    expect(timeline.tool("lock")).to_have_attribute("aria-disabled", "true")


def test_the_mode_of_what_is_painted_next_changes_nothing_that_is_there(timeline):
    timeline.page.get_by_role("radio", name="Locked").check()
    timeline.drag("face", 150, 180)
    assert timeline.spans() == [("face", 150, 180, LOCK)]
    expect(timeline.span("Face, locked")).to_have_attribute("aria-selected", "true")
    timeline.page.get_by_role("radio", name="Follow").check()
    timeline.drag("upper", 30, 90)
    assert timeline.spans() == [("face", 150, 180, LOCK), ("upper", 30, 90, FOLLOW)]
    # nor does choosing a hint change the mode of the next one
    timeline.span("Face, locked").click()
    expect(timeline.page.get_by_role("radio", name="Follow")).to_be_checked()


def test_a_blend_is_as_long_as_it_needs_to_be_unless_it_is_set(timeline):
    timeline.show(replace(BLANK, plan=plan_of(("upper", 100, 200, LOCK), blend_frames=None)))
    blend = timeline.page.get_by_label("Frames of blending")
    expect(blend).to_have_value("")
    expect(blend).to_have_attribute("placeholder", "auto")
    for typed, frames in (("9", 9), ("", None), ("0", 0)):
        blend.fill(typed)
        timeline.press("Enter")
        assert timeline.value().plan.blend_frames == frames


def test_a_hint_is_split_at_the_playhead_and_nowhere_else(timeline):
    timeline.start(("lower", 100, 200))
    timeline.page.mouse.click(*timeline.point("face", 60))
    timeline.lane("lower").locator(".span").click()
    expect(timeline.tool("split")).to_have_attribute("aria-disabled", "true")
    timeline.press("s")
    expect(timeline.part("selection")).to_contain_text("The playhead is not inside this hint")
    x, _ = timeline.point("lower", 170)
    box = timeline.part("canvas").bounding_box()
    timeline.page.mouse.click(x, box["y"] + 50)
    expect(timeline.tool("split")).to_have_attribute("aria-disabled", "false")
    timeline.tool("split").click()
    assert timeline.spans() == [("lower", 100, 170, FOLLOW), ("lower", 170, 200, FOLLOW)]


def test_everything_with_the_keyboard_alone(timeline):
    page = timeline.page
    page.get_by_role("slider", name="Playhead").focus()
    timeline.press("Tab")
    expect(timeline.row("face")).to_be_focused()
    timeline.press("Tab")
    expect(page.get_by_role("button", name="Face: whole row as hint")).to_be_focused()
    timeline.press("Tab")
    expect(timeline.row("upper")).to_be_focused()
    timeline.press("Home", "Shift+ArrowRight", "Shift+ArrowRight", "ArrowRight")
    assert timeline.spoken() == "0.70 s"
    timeline.press("Control+ArrowRight")
    assert timeline.spoken() == "1.00 s, well"
    timeline.press("Enter")
    assert timeline.spans() == [("upper", 30, 60, FOLLOW)]  # the only event: the playhead is no part of the value
    expect(timeline.span("Upper body, follows, 1.00 s to 2.00 s")).to_be_focused()
    for keys, *span in (
        ("ArrowRight", 31, 61, FOLLOW),
        ("Shift+ArrowRight", 41, 71, FOLLOW),
        ("Tab ArrowLeft", 40, 71, FOLLOW),  # its start
        ("Tab Shift+ArrowRight", 40, 81, FOLLOW),  # its end
        ("Control+ArrowLeft", 40, 63, FOLLOW),
        ("l", 40, 63, LOCK),
    ):
        timeline.press(*keys.split())
        assert timeline.spans() == [("upper", *span)], keys
    expect(page.get_by_role("slider", name="End of Upper body")).to_be_focused()
    timeline.press("Escape", "Escape", *["Shift+ArrowRight"] * 2, *["ArrowRight"] * 2, "Enter")
    expect(timeline.span("Upper body, locked, 1.33 s to 2.10 s")).to_be_focused()
    timeline.press("s")
    assert timeline.spans() == [("upper", 40, 52, LOCK), ("upper", 52, 63, LOCK)]
    timeline.press("Delete")
    assert timeline.spans() == [("upper", 52, 63, LOCK)]
    expect(timeline.row("upper")).to_be_focused()
    timeline.press("Tab", "Tab")
    expect(timeline.span("Upper body, locked, 1.73 s to 2.10 s")).to_be_focused()
    timeline.press("ArrowDown")
    expect(timeline.row("left_hand")).to_be_focused()
    timeline.press("Enter", "Control+z", "Control+z")
    assert [len(value.plan.spans) for value in timeline.values(3)] == [2, 1, 2]
    timeline.press("Control+Shift+Z")
    assert timeline.spans() == [("upper", 52, 63, LOCK)]


def test_a_held_key_is_one_event_and_one_step(timeline):
    timeline.start(("face", 100, 130))
    timeline.lane("face").locator(".span").focus()
    for _ in range(25):  # without a release between
        timeline.page.keyboard.down("ArrowRight")
    timeline.page.keyboard.up("ArrowRight")
    assert timeline.spans() == [("face", 125, 155, FOLLOW)]
    timeline.press("Control+z")
    assert timeline.spans() == [("face", 100, 130, FOLLOW)]


def test_undo_and_redo(timeline):
    timeline.drag("upper", 150, 210)
    timeline.value()
    timeline.drag("face", 150, 180)
    assert len(timeline.value().plan.spans) == 2
    timeline.tool("undo").click()
    assert timeline.spans() == [("upper", 150, 210, FOLLOW)]
    timeline.tool("undo").click()
    assert timeline.spans() == []
    expect(timeline.tool("undo")).to_have_attribute("aria-disabled", "true")
    timeline.tool("redo").click()
    assert timeline.spans() == [("upper", 150, 210, FOLLOW)]
    timeline.show(replace(BLANK, plan=plan_of(("lower", 0, 30), ("lower", 60, 90))))  # what Python sets is a step too
    timeline.tool("undo").click()
    assert timeline.spans() == [("upper", 150, 210, FOLLOW)]
    timeline.tool("redo").click()
    assert timeline.spans() == [("lower", 0, 30, FOLLOW), ("lower", 60, 90, FOLLOW)]


def test_snap_to_words(timeline):
    timeline.drag("upper", 46.5, 61.5)
    assert timeline.spans() == [("upper", 45, 63, FOLLOW)]  # the word "hello"
    timeline.drag("upper", 54, 40.5)
    assert timeline.spans() == [("upper", 30, 48, FOLLOW)]  # its start on the start of "well"
    timeline.tool("snap").click()
    timeline.drag("face", 47, 61)
    assert timeline.spans()[1] == ("face", 47, 61, FOLLOW)
    timeline.tool("snap").click()


def test_toggle_a_row(timeline):
    timeline.start(("left_hand", 30, 60, LOCK))
    toggle = timeline.page.get_by_role("button", name="Left hand: whole row as hint")
    expect(toggle).to_have_attribute("aria-pressed", "mixed")
    toggle.click()
    assert timeline.spans() == [("left_hand", 0, NUM_FRAMES, FOLLOW)]
    expect(toggle).to_have_attribute("aria-pressed", "true")
    toggle.press("Space")
    assert timeline.spans() == []
    expect(toggle).to_have_attribute("aria-pressed", "false")


def test_trim(timeline):
    start = timeline.page.get_by_role("slider", name="Trimmed start")
    start.focus()
    timeline.press("Shift+ArrowRight")
    assert timeline.value() == TimelineValue(NUM_FRAMES, plan_of(), 10, NUM_FRAMES)
    box = timeline.page.get_by_role("slider", name="Trimmed end").bounding_box()
    x, _ = timeline.point("face", 240)
    timeline.page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 30)
    timeline.page.mouse.down()
    timeline.page.mouse.move(x, box["y"] + 30, steps=3)
    timeline.page.mouse.up()
    assert timeline.value() == TimelineValue(NUM_FRAMES, plan_of(), 10, 240)
    timeline.press("Control+z")
    assert timeline.value().trim_end_frame == NUM_FRAMES


def test_what_python_sets_appears_and_sends_nothing_back(timeline):
    timeline.check_quiet()
    changes = timeline.bench.changes
    plan = plan_of(("hands", 60, 120, LOCK), ("face", 0, 30), blend_frames=11)
    timeline.show(TimelineValue(NUM_FRAMES, plan, 15, 290))
    timeline.check_quiet(changes + 1)
    expect(timeline.span("Right hand, locked, 2.00 s to 4.00 s")).to_be_visible()
    assert timeline.page.get_by_label("Frames of blending").input_value() == "11"
    # a span of both hands stays one as long as its halves are alike
    timeline.row("face").focus()
    timeline.press("End", "Enter")
    assert timeline.spans() == [("hands", 60, 120, LOCK), ("face", 0, 30, FOLLOW), ("face", 270, 300, FOLLOW)]
    timeline.span("Left hand, locked").press("ArrowLeft")
    assert timeline.spans()[:2] == [("left_hand", 59, 119, LOCK), ("right_hand", 60, 120, LOCK)]
    timeline.span("Left hand, locked").press("ArrowRight")
    assert timeline.spans()[0] == ("hands", 60, 120, LOCK)


def test_hidden_and_shown_again_it_is_the_same(timeline):
    timeline.start(("upper", 30, 60), backdrop=replace(BACKDROP, reference_span=(0, 200)))
    timeline.page.click("#hide")
    expect(timeline.find(".row")).to_have_count(0)
    timeline.page.click("#unhide")
    expect(timeline.part("beyond")).to_be_visible()
    timeline.drag("upper", 120, 180)
    assert timeline.spans() == [("upper", 30, 60, FOLLOW), ("upper", 120, 180, FOLLOW)]


def test_drawn_before_it_is_laid_out_it_does_not_hang(timeline):
    """Shown again, it may be drawn once with the scale of no width at all."""
    timeline.start(("upper", 60, 90))
    shown = "document.querySelector('#timeline').style.display"
    timeline.page.evaluate(f"{shown} = 'none'")
    timeline.wait_for_pictures()
    timeline.page.evaluate(f"{shown} = ''; document.body.classList.toggle('redraw')")
    expect(timeline.lane("lower")).to_be_visible()  # without a width yet, it has no place to drag from
    timeline.drag("lower", 150, 180)
    assert timeline.spans() == [("upper", 60, 90, FOLLOW), ("lower", 150, 180, FOLLOW)]


def test_nothing_is_painted_beyond_the_reference(timeline):
    timeline.start(backdrop=replace(BACKDROP, reference_span=(0, 200)))
    timeline.drag("upper", 150, 280)
    assert timeline.spans() == [("upper", 150, 200, FOLLOW)]
    told = "The hint motion plays from 0.00 s to 6.67 s."
    expect(timeline.part("selection")).to_have_text(told)
    timeline.page.get_by_role("button", name="Face: whole row as hint").click()
    assert timeline.spans()[1] == ("face", 0, 200, FOLLOW)
    expect(timeline.part("selection")).not_to_have_text(told)
    timeline.drag("upper", 230, 280)
    expect(timeline.part("selection")).to_have_text(told)
    assert timeline.spoken() == told
    expect(timeline.part("before")).to_be_hidden()


def test_a_hint_motion_that_starts_late_is_hatched_before(timeline):
    timeline.start(backdrop=replace(BACKDROP, reference_span=(100, NUM_FRAMES)))
    assert timeline.part("before").bounding_box()["x"] == pytest.approx(timeline.point("face", 0)[0], abs=2)
    assert timeline.part("before").bounding_box()["width"] == pytest.approx(
        timeline.point("face", 100)[0] - timeline.point("face", 0)[0], abs=2
    )
    expect(timeline.part("beyond")).to_be_hidden()
    timeline.drag("upper", 150, 50)
    assert timeline.spans() == [("upper", 100, 150, FOLLOW)]
    timeline.page.get_by_role("button", name="Face: whole row as hint").click()
    assert timeline.spans()[1] == ("face", 100, NUM_FRAMES, FOLLOW)


def test_a_hint_motion_that_plays_nowhere_hatches_all(timeline):
    timeline.start(backdrop=replace(BACKDROP, reference_span=(NUM_FRAMES, NUM_FRAMES)))
    assert timeline.part("beyond").bounding_box()["width"] == pytest.approx(
        timeline.lane("face").bounding_box()["width"], abs=2
    )
    timeline.drag("upper", 50, 150)
    expect(timeline.part("selection")).to_have_text("No hint motion plays here.")


def test_what_generate_would_refuse_is_told_at_once(timeline):
    foreign = "This face cannot be locked."
    behind = replace(BACKDROP, reference_span=(0, 200), face_fault=foreign)
    timeline.start(("upper", 150, 250), ("face", 10, 50), backdrop=behind)
    faults, upper, face = timeline.part("faults"), timeline.span("Upper body"), timeline.span("Face")
    expect(faults).to_contain_text("Upper body, follows, 5.00 s to 8.33 s: The hint motion plays from 0.00 s to 6.67 s")
    expect(upper).to_have_class(re.compile("faulty"))
    expect(face).not_to_have_class(re.compile("faulty"))
    face.press("l")
    assert timeline.spans()[1] == ("face", 10, 50, LOCK)
    expect(faults.locator("p")).to_have_count(2)
    expect(faults).to_contain_text(foreign)
    expect(face).to_have_class(re.compile("faulty"))
    # moved to where the motion plays, and no longer locked
    timeline.drag("upper", 160, 110)
    assert timeline.spans()[0] == ("upper", 100, 200, FOLLOW)
    face.press("l")
    timeline.value()
    expect(faults).to_be_hidden()
    expect(timeline.find(".faulty")).to_have_count(0)


def test_without_a_recording_there_is_nothing_to_paint(timeline):
    timeline.show(TimelineValue())
    expect(timeline.page.get_by_text("Record or upload speech; its waveform appears here")).to_be_visible()
    assert timeline.part("scroller").evaluate("node => node.inert")
    timeline.show(BLANK, replace(BACKDROP, silent=((0, NUM_FRAMES),)))
    expect(timeline.part("warnings")).to_contain_text("The recording is silent.")


def test_playhead_and_player_move_each_other(timeline):
    page = timeline.page
    clock = timeline.part("clock")
    expect(timeline.tool("play")).to_be_visible()
    find = "[...document.querySelectorAll('#player *')].find(node => node.shadowRoot).shadowRoot.querySelector('audio')"
    box = timeline.part("canvas").bounding_box()
    page.mouse.click(timeline.point("face", 240)[0], box["y"] + 50)
    assert page.evaluate(f"{find}.currentTime") == pytest.approx(8)
    timeline.row("face").focus()
    timeline.press("Space")
    page.wait_for_function(f"{find}.currentTime > 8.2")
    timeline.press("Space")
    page.wait_for_function(f"{find}.paused")
    at_s = page.evaluate(f"{find}.currentTime")
    expect(clock).to_have_text(f"{at_s:.2f} s")


def test_zoom_and_scroll(timeline):
    timeline.start(("upper", 10, 20))
    width = timeline.lane("upper").bounding_box()["width"]
    timeline.row("upper").focus()
    timeline.press("+", "+")
    assert timeline.lane("upper").bounding_box()["width"] == pytest.approx(width * 1.6**2, rel=0.01)
    scroller = timeline.part("scroller")
    timeline.tool("on").click()
    assert scroller.evaluate("node => node.scrollLeft") == pytest.approx(0.8 * width, abs=2)
    timeline.drag("lower", 150, 180)  # at a place that was out of view before
    assert timeline.spans()[1] == ("lower", 150, 180, FOLLOW)
    timeline.tool("fit").click()
    assert timeline.lane("upper").bounding_box()["width"] == pytest.approx(width, abs=1)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_in_both_themes(timeline, theme):
    timeline.start(("upper", 100, 200))
    timeline.turn(theme)
    texts = (".legend li", ".selection", ".help summary", ".head .full", ".clock span", ".span b", ".blend", ".corner")
    contrasts = timeline.contrasts(*texts)
    timeline.turn("light")
    assert min(contrasts.values()) >= 4.5, contrasts


def test_nothing_moves_by_itself_where_the_reader_wants_none(timeline):
    assert timeline.count_moving() == 0


def test_touch_on_a_phone(bench, browser):
    context = browser.new_context(**PHONE)
    phone = TimelineDriver(bench, context.new_page())
    phone.start()
    page = phone.page
    phone.check_phone(*(phone.tool(name) for name in ("undo", "snap", "in")))
    phone.tool("snap").tap()
    swipe(page, *(phone.point("upper", frame) for frame in (100, 130, 160, 200)))
    ((part, start, end, mode),) = phone.spans()
    assert (part, mode) == ("upper", FOLLOW)
    assert (start, end) == pytest.approx((100, 200), abs=1)
    swipe(page, *(phone.point("upper", frame) for frame in (150, 120, 100, 80)))
    assert phone.spans()[0][1:3] == pytest.approx((30, 130), abs=2)
    end_x, y = phone.point("upper", 130)
    swipe(page, (end_x + 6, y), (end_x + 30, y), (end_x + 66, y))
    added = 60 * NUM_FRAMES / phone.lane("upper").bounding_box()["width"]
    assert phone.spans()[0][2] == pytest.approx(130 + added, abs=3)
    page.evaluate("scrollTo(0, 0)")
    x, y = phone.point("face", 150)
    swipe(page, (x, y), (x, y - 30), (x, y - 60), (x + 20, y - 120))  # that scrolls the page and paints nothing
    page.wait_for_function("scrollY > 100")  # all but the first pixels, which could have been a tap's
    phone.page.get_by_role("button", name="Left hand: whole row as hint").tap()
    assert [span[0] for span in phone.spans()] == ["upper", "left_hand"]
    phone.tool("in").tap()
    phone.tool("on").tap()
    page.wait_for_function("document.querySelector('#timeline [data-part=scroller]').scrollLeft > 20")
    phone.check_quiet()
    assert phone.faults == []
    context.close()


# --- the edits by themselves ------------------------------------------------------------------------------------------

EDITS = """([settings, source, seeds]) => new Function("SETTINGS", "seeds", source + `
    const clamp = (value, least, most) => Math.max(least, Math.min(most, value));
    const leaves = Object.values(SETTINGS.leavesOf).flat();
    return seeds.map(({ seed, plan, limit }) => {
        let state = seed;
        const reach = [(seed % 3) * 20, limit];
        const random = (below) => {
            state = (state * 1103515245 + 12345) % 2147483648;
            return Math.floor((state / 2147483648) * below);
        };
        let spans = spansOfPlan(plan);
        const unchanged = planOfSpans(spans, plan.blend_frames);
        for (let i = 0; i < 25; i++) {
            const { id } = spans[random(spans.length)] ?? {};
            const leaf = leaves[random(leaves.length)];
            const frame = random(limit + 40) - 20;
            const gap = gapAt(spans, leaf, reach, clamp(frame, 0, limit));
            const edits = [
                () => (gap ? addSpan(spans, leaf, gap[0], Math.min(gap[1], gap[0] + 1 + random(30)), "lock") : spans),
                () => moveSpan(spans, id, frame, reach),
                () => resizeSpan(spans, id, "start", frame, reach),
                () => resizeSpan(spans, id, "end", frame, reach),
                () => splitSpan(spans, id, frame) ?? spans,
                () => setSpanMode(spans, id, random(2) ? "lock" : "follow"),
                () => removeSpan(spans, id),
                () => fillRow(spans, leaf, reach, "follow"),
                () => clearRow(spans, leaf),
            ];
            // the rare ones rarely, or the rows would be full or empty most of the time
            const kind = random(40) === 0 ? 7 + random(2) : random(7);
            if (id !== undefined || kind === 0 || kind > 6) spans = edits[kind]();
        }
        return [unchanged, planOfSpans(spans, plan.blend_frames)];
    });
`)(settings, seeds)"""


def test_no_edit_makes_a_plan_that_python_refuses(desktop):
    seeds = [{"seed": seed, "limit": NUM_FRAMES, "plan": random_plan(seed).to_json()} for seed in range(150)]
    source = (Path(components.__file__).parent / "timeline/plan.js").read_text("utf-8")
    results = desktop.page.evaluate(EDITS, [{"leavesOf": DISJOINT_PARTS_OF}, source, seeds])
    for seed, (unchanged, edited) in zip(seeds, results, strict=True):
        assert unchanged == seed["plan"]
        assert TimelineValue(NUM_FRAMES, HintPlan.from_json(edited)).plan.to_json() == edited


def random_plan(seed: int) -> HintPlan:
    """With overlaps too, where both spans have one mode."""
    rng = random.Random(seed)
    mode = {part: rng.choice((FOLLOW, LOCK)) for part in DISJOINT_PARTS}
    mode["hands"] = mode["left_hand"] = mode["right_hand"]
    spans = []
    for _ in range(rng.randrange(8)):
        part, start = rng.choice(HINT_PARTS), rng.randrange(NUM_FRAMES)
        spans.append(Span(part, start, rng.randint(start + 1, NUM_FRAMES), mode[part]))
    return HintPlan(tuple(spans), rng.randrange(20))


# --- without a browser ------------------------------------------------------------------------------------------------


def test_the_event_is_an_endpoint(bench):
    client = Client(bench.url, verbose=False)
    value = TimelineValue(NUM_FRAMES, plan_of(("lower", 3, 99, LOCK)))
    plan, _ = client.predict(value.to_json(), api_name="/edited")
    assert json.loads(plan) == value.plan.to_json()
    assert bench.received[-1] == value
    with pytest.raises(AppError, match="part.* is 'tail'"):
        client.predict(with_span(part="tail"), api_name="/edited")
