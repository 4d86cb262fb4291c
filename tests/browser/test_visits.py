"""A page that is loaded again finds takes, plan and settings, and asks before it is left with takes unsaved."""

import re

import pytest
from playwright.sync_api import Dialog, expect

from tests.app_server import serve_here
from tests.browser.page import generate, open_page, paint, save, upload

PAGE_GRACE_S = 300
_IS_THERE = "sessionStorage.getItem('emage-session')"
_IS_AT_REST = "window.emageRunning?.size === 0"
"""Gradio says in the console what requests a page leaves behind that goes."""


@pytest.fixture
def url(tiny, tmp_path):
    """Of a page whose session is there for a while."""
    with serve_here(tiny, tmp_path / "uploads", PAGE_GRACE_S) as app:
        yield app.url


def test_a_page_that_is_loaded_again_has_all(browser, url, short_talk, tmp_path):
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    with open_page(browser, url) as page:
        page.on("dialog", answer)
        page.wait_for_function(_IS_THERE)
        page.wait_for_function(_IS_AT_REST)
        page.reload()  # nothing is there to lose
        expect(page.locator("#transcript textarea")).to_have_value(re.compile("^Hello"))
        upload(page, short_talk)
        paint(page, "upper", 0.2, 0.6)
        span = page.locator("#timeline .span")
        painted = span.get_attribute("aria-label")
        page.locator("#transcript textarea").fill("What I say.")
        page.locator("#settings-panel button").first.click()
        page.locator("#seed input").fill("17")
        page.locator("#seed input").press("Tab")
        page.locator("#batch-panel button").first.click()
        page.get_by_label("A list of plans").check()
        page.locator("#batch-seeds textarea, #batch-seeds input").fill("4, 5")
        page.locator("#batch-seeds textarea, #batch-seeds input").press("Tab")
        generate(page, 1)
        expect(page.locator("#details")).to_contain_text("seed 17")
        page.wait_for_function("sessionStorage.getItem('emage-session').includes('What I say.')")
        page.wait_for_function("sessionStorage.getItem('emage-session').includes('4, 5')")
        page.wait_for_function(_IS_AT_REST)
        assert asked == []
        page.reload()
        assert asked == ["beforeunload"]
        expect(page.locator("#takes li")).to_have_count(1)
        expect(span).to_have_count(1)
        assert span.get_attribute("aria-label") == painted
        expect(page.locator("#speech")).to_contain_text("0:02")
        expect(page.locator("#timeline [data-part=length]")).to_have_text(re.compile("1.50 s"))
        expect(page.locator("#details")).to_contain_text("seed 17")
        expect(page.locator("#result-stage audio")).to_have_count(1)
        expect(page.locator("#transcript textarea")).to_have_value("What I say.")
        expect(page.locator("#seed input")).to_have_value("17")  # unfolded, as before
        expect(page.locator("#plan-table")).to_be_hidden()
        expect(page.get_by_label("A list of plans")).to_be_checked()
        expect(page.locator("#batch-plans .cm-content")).to_be_visible()
        expect(page.locator("#batch-seeds textarea, #batch-seeds input")).to_have_value("4, 5")
        generate(page, 2)
        save(page, "#save-session", tmp_path / "session.zip")
        expect(page.locator("#session-note")).to_contain_text("2 takes")
        page.wait_for_timeout(500)
        page.reload()  # all are saved
        expect(page.locator("#takes li")).to_have_count(2)
        assert asked == ["beforeunload"]
