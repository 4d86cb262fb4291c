"""Transcripts on the page in a real browser: typed and aligned, listened for and corrected, heard by the next take."""

import json
import re

import pytest
from playwright.sync_api import Locator, Page, expect

from emage.recording.examples import load_examples
from tests.browser.page import generate, open_page, save

WELCOME = load_examples()[0]
GERMAN = next(example for example in load_examples() if example.language == "de")


@pytest.fixture
def page(browser, app, wordy):
    with open_page(browser, app.url) as page:
        expect(text_of(page)).to_have_value(WELCOME.text)
        yield page


def text_of(page: Page) -> Locator:
    return page.locator("#transcript textarea")


def choose_words(page: Page) -> None:
    """Weights that hear words."""
    page.locator("#settings-panel button").first.click()
    page.locator("#weights input").click()
    page.get_by_role("option", name="wordy").click()
    expect(page.locator("#transcript")).to_contain_text("Needed: the chosen weights hear words")


def words_of(page: Page, path) -> list[dict]:
    return json.loads(save(page, "#words-json", path).read_text("utf-8"))["words"]


def test_a_typed_sentence_is_aligned_and_heard(page, tmp_path):
    expect(page.locator("#transcript")).to_contain_text("Optional")
    choose_words(page)
    text_of(page).fill(WELCOME.text.replace("three", "free"))
    page.locator("#align").click()
    expect(page.locator("#transcript-note")).to_contain_text("24 words on the timeline.")
    generate(page, 1)
    expect(page.locator("#details")).to_contain_text("The weights know")
    assert "free." in [word["word"] for word in words_of(page, tmp_path / "1.json")]
    # Typed, and nothing else pressed than Generate.
    text_of(page).fill(WELCOME.text)
    generate(page, 2)
    assert "three." in [word["word"] for word in words_of(page, tmp_path / "2.json")]
    page.click("#compare")
    heard = page.locator("#plots .heard-word")
    expect(heard).to_have_count(24)
    expect(heard.first).to_have_attribute("aria-label", re.compile(r"Hello,: of what was heard, content was \d+ % for"))


def test_a_session_brings_words_and_transcript_back_and_its_last_take(page, browser, app, tmp_path):
    said = WELCOME.text.replace("three", "free")
    text_of(page).fill(said)
    page.locator("#align").click()
    note = page.locator("#transcript-note")
    expect(note).to_contain_text("24 words on the timeline.")
    generate(page, 1)
    save(page, "#save-session", tmp_path / "session.zip")
    with open_page(browser, app.url) as later:
        with later.expect_file_chooser() as chooser:
            later.click("#load-session")
        chooser.value.set_files(tmp_path / "session.zip")
        expect(later.locator("#takes li")).to_have_count(1)
        expect(text_of(later)).to_have_value(said)
        expect(later.locator("#transcript-note")).to_contain_text("24 words on the timeline.")
        assert _words_on_timeline(later) == _words_on_timeline(page)
        expect(later.locator("#details")).to_contain_text("s of speech, ")
        expect(later.locator("#details")).not_to_contain_text("All ")  # its time is told already
        expect(later.locator("#takes li input[type=checkbox]")).to_be_checked()
        expect(later.locator("#takes li")).to_contain_text(WELCOME.audio.name)
        later.wait_for_function("document.querySelector('#result-stage section').stage?.key()")


def _words_on_timeline(page: Page) -> list[str]:
    """The first four, with their times, as the keyboard comes by them and a screen reader says them."""
    page.locator("#timeline [data-part=words]").focus()
    said = []
    for _ in range(4):
        page.keyboard.press("ArrowRight")
        said.append(page.locator("#timeline [data-part=spoken]").inner_text())
    assert len(set(said)) == 4
    return said


def test_a_guess_is_corrected_on_the_timeline_and_the_next_take_hears_it(page, tmp_path):
    choose_words(page)
    page.locator("#listen").click()
    note = page.locator("#transcript-note")
    expect(note).to_contain_text("guessed")
    guessed = text_of(page).input_value().split()
    lane = page.locator("#timeline [data-part=words]")
    lane.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.keyboard.type("yellow")
    page.keyboard.press("Enter")
    expect(text_of(page)).to_have_value(" ".join(["yellow", *guessed[1:]]))
    expect(note).to_contain_text(f"{len(guessed) - 1} guessed")
    generate(page, 1)
    words = words_of(page, tmp_path / "words.json")
    assert [word["word"] for word in words] == ["yellow", *guessed[1:]]
    assert ["probability" in word for word in words] == [False] + [True] * (len(guessed) - 1)


def test_german_works_still_and_says_how(page):
    choose_words(page)
    page.locator("#examples").get_by_text(GERMAN.title).click()
    expect(text_of(page)).to_have_value(GERMAN.text)
    expect(page.locator("#language input")).to_have_value("German")
    generate(page, 1)
    expect(page.locator("#details")).to_contain_text(re.compile(r"The weights know \d+ of \d+ words"))
