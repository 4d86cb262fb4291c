"""Words on the timeline in a real browser: corrected and moved by mouse, finger and keyboard."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from emage.recording.transcript import Word
from emage.ui.components.timeline import Backdrop
from tests.browser.driving import DESKTOP, NUM_FRAMES, PHONE, SPEECH
from tests.browser.page import swipe
from tests.browser.test_timeline import TimelineDriver

SAID = (Word("well", 1.0, 1.5, 0.9), Word("hello", 1.5, 2.1, 0.3), Word("all", 5.0, 6.0 + 1 / 7))
HEARD = Backdrop.from_audio(SPEECH, SAID)


class WordDriver(TimelineDriver):
    told = 0

    def start_words(self) -> None:
        self.start(backdrop=HEARD)
        expect(self.part("words")).to_be_visible()
        self.told = len(self.bench.words)

    def words(self) -> tuple[Word, ...]:
        """Of the one event since the last call."""
        self.told += 1
        expect(self.page.locator("#told textarea")).to_have_value(str(self.told))
        return self.bench.words[-1]

    def word_point(self, second: float) -> tuple[float, float]:
        box = self.part("words").bounding_box()
        return box["x"] + second * 30 * box["width"] / NUM_FRAMES, box["y"] + box["height"] / 2

    def drag_word(self, *seconds: float) -> None:
        first, *others = seconds
        self.page.mouse.move(*self.word_point(first))
        self.page.mouse.down()
        for second in others:
            self.page.mouse.move(*self.word_point(second), steps=2)
        self.page.mouse.up()


@pytest.fixture(scope="module")
def desktop(bench, browser) -> Iterator[WordDriver]:
    page = browser.new_page(**DESKTOP)
    yield WordDriver(bench, page)
    page.close()


@pytest.fixture
def timeline(desktop) -> Iterator[WordDriver]:
    desktop.start_words()
    yield desktop
    desktop.check_quiet()  # words are no edit of the plan
    assert len(desktop.bench.words) == desktop.told
    assert desktop.faults == []


def test_a_guess_shows_and_is_corrected_in_place(timeline):
    expect(timeline.part("unsure")).to_be_visible()
    timeline.page.mouse.click(*timeline.word_point(1.8))
    expect(timeline.part("word-sure")).to_have_text("30 % sure")
    expect(timeline.part("word")).to_have_attribute("title", "hello, 1.50 to 2.10 s, recognised, 30 % sure")
    expect(timeline.part("clock")).to_have_text("1.50 s")
    timeline.part("word-text").fill("yellow")
    timeline.part("word-text").press("Enter")
    assert timeline.words() == (SAID[0], Word("yellow", 1.5, 2.1), SAID[2])
    expect(timeline.part("unsure")).to_be_hidden()
    timeline.page.mouse.dblclick(*timeline.word_point(1.2))
    expect(timeline.part("word-text")).to_be_focused()
    timeline.page.keyboard.type("oh well")  # the word is marked, so that it is written over
    timeline.tool("leave-word").click()
    words = timeline.words()
    assert [word.text for word in words] == ["oh", "well", "yellow", "all"]
    assert (words[0].start_s, words[1].end_s) == (1.0, 1.5)
    assert words[0].end_s == words[1].start_s
    assert words[3] == SAID[2]  # to the last digit
    expect(timeline.part("word-bar")).to_be_hidden()


def test_a_guess_that_is_right_is_confirmed_by_enter(timeline):
    timeline.part("words").focus()
    timeline.press("ArrowRight", "ArrowRight", "Enter", "Enter")
    assert timeline.words() == (SAID[0], Word("hello", 1.5, 2.1), SAID[2])
    assert timeline.spoken() == "hello, 1.50 to 2.10 s."


def test_moved_by_the_mouse(timeline):
    timeline.tool("snap").click()
    timeline.drag_word(5.5, 6.0, 7.5)
    moved = timeline.words()
    assert moved[:2] == SAID[:2]
    assert moved[2].start_s == pytest.approx(7.0, abs=0.05)
    assert moved[2].end_s - moved[2].start_s == pytest.approx(SAID[2].end_s - SAID[2].start_s)
    timeline.drag_word(1.8, 1.6, 1.3)  # its neighbour becomes shorter
    first, second, _ = timeline.words()
    assert first.start_s == 1.0
    assert first.end_s == second.start_s == pytest.approx(1.03, abs=0.05)
    timeline.tool("undo").click()
    assert timeline.words() == moved
    timeline.tool("undo").click()
    assert timeline.words() == SAID
    timeline.tool("redo").click()
    assert timeline.words() == moved
    timeline.tool("snap").click()


def test_ends_are_dragged_and_snap(timeline):
    timeline.page.mouse.click(*timeline.word_point(5.5))
    handle = timeline.part("word").locator("[data-edge=start]").bounding_box()
    timeline.page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + 5)
    timeline.page.mouse.down()
    timeline.page.mouse.move(*timeline.word_point(2.12), steps=3)
    timeline.page.mouse.up()
    assert timeline.words()[2] == Word("all", 2.1, SAID[2].end_s)


def test_with_the_keyboard_alone(timeline):
    timeline.part("words").focus()
    timeline.press("ArrowRight", "ArrowRight", "ArrowRight", "Tab", "ArrowRight")
    assert timeline.words()[2].start_s == pytest.approx(5.0 + 1 / 30)
    timeline.press("ArrowRight")
    moved = timeline.words()[2]
    assert moved.start_s == pytest.approx(5.0 + 2 / 30)
    timeline.press("Tab", "Tab", "Shift+ArrowLeft")
    assert timeline.words()[2].end_s == pytest.approx(moved.end_s - 10 / 30, abs=0.5 / 30)
    timeline.press("Escape", "Delete")
    assert timeline.words() == SAID[:2]
    expect(timeline.part("words")).to_be_focused()


def test_times_are_typed(timeline):
    timeline.page.mouse.click(*timeline.word_point(5.5))
    timeline.part("word-start").fill("4.21")
    timeline.part("word-start").press("Tab")
    assert timeline.words()[2].start_s == pytest.approx(4.21)
    timeline.part("word-end").fill("99")
    timeline.part("word-end").press("Tab")
    assert timeline.words()[2].end_s == 10.0


def test_a_new_transcript_takes_the_place_of_the_old_one(timeline):
    timeline.part("words").focus()
    timeline.press("ArrowRight", "Delete")
    assert timeline.words() == SAID[1:]
    timeline.bench.shown = (timeline.bench.shown[0], Backdrop.from_audio(SPEECH, (Word("other", 3.0, 4.0),)))
    timeline.page.click("#show")
    expect(timeline.part("words")).to_have_attribute("aria-label", "Words: 1. Arrow keys choose one, Enter corrects it")
    timeline.tool("undo").click()
    assert timeline.bench.words[-1] == SAID[1:]


def test_a_finger_on_a_phone(bench, browser):
    page = browser.new_page(**PHONE)
    driver = WordDriver(bench, page)
    driver.start_words()
    driver.part("words").scroll_into_view_if_needed()
    page.touchscreen.tap(*driver.word_point(5.5))
    expect(driver.part("word-text")).to_have_value("all")
    driver.check_phone(driver.tool("delete-word"), driver.tool("leave-word"))
    swipe(page, driver.word_point(5.5), driver.word_point(6.5), driver.word_point(7.5))
    assert driver.words()[2].start_s == pytest.approx(7.0, abs=0.2)
    driver.part("word-text").fill("every")
    driver.tool("leave-word").tap()
    assert driver.words()[2].text == "every"
    assert driver.faults == []
    page.close()
