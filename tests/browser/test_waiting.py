"""Who waits for their turn sees how many are before them, and who may not wait why; and whoever waits is answered."""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import gradio as gr
import pytest
from playwright.sync_api import expect
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emage.ui.service import service
from emage.ui.service.calls import CallLimits
from emage.ui.service.streams import StreamKeeper
from tests.app_server import App, Caller
from tests.browser.page import open_page
from tests.ui.test_service import make_takes


@contextmanager
def work_of_another(app: App, talk: Path) -> Iterator[None]:
    """Somebody's comparison is measured for as long."""
    measures, may_go = threading.Event(), threading.Event()

    def measure(*_: object) -> list:
        measures.set()
        assert may_go.wait(240)
        return []

    other = Caller(app.url)
    rows = make_takes(other, other.upload(talk))
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor() as pool:
        patch.setattr(service, "report_takes", measure)
        try:
            pool.submit(other.ask, "compare", *other.page_values("compare", takes=rows))
            assert measures.wait(60)
            yield
        finally:
            may_go.set()
    other.leave()


def test_who_waits_sees_their_place(browser, app, short_talk):
    with open_page(browser, app.url) as page:
        with work_of_another(app, short_talk):
            page.click("#generate")
            expect(page.locator("#details")).to_contain_text("Waiting: 1 before you")
            expect(page.locator("#details")).not_to_contain_text("0 frames")
        expect(page.locator("#takes li")).to_have_count(1)


def test_who_has_too_much_waiting_is_told_in_a_sentence(browser, app, short_talk, monkeypatch):
    page = browser.new_page()  # not `open_page`: its console tells of the refusal
    page.goto(app.url)
    expect(page.locator("#generate")).to_be_visible()
    with work_of_another(app, short_talk):
        monkeypatch.setattr(app.calls, "limits", CallLimits(long_of_address=1))
        page.click("#generate")
        told = "Your address has 1 piece of work waiting here, the most that one may have. Wait for one of them."
        expect(page.locator(".toast-body")).to_contain_text(told)
        expect(page.locator("#details")).to_contain_text("begin with one of the examples")  # nothing waits there
        monkeypatch.undo()
        page.click("#generate")
        expect(page.locator("#details")).to_contain_text("Waiting: 1 before you")
    expect(page.locator("#takes li")).to_have_count(1)
    page.close()


class SlowClose:
    """A network by which the word that a stream is to be closed comes late."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def late(message: Message) -> None:
            if b'"close_stream"' in message.get("body", b""):
                await asyncio.sleep(1)
            await send(message)

        await self._app(scope, receive, late)


def test_a_call_that_comes_while_a_stream_of_answers_is_being_closed_is_answered(browser):
    counts = itertools.count(1)
    with gr.Blocks() as blocks:
        counted = gr.Textbox(elem_id="counted")
        gr.Button("Count", elem_id="count").click(lambda: str(next(counts)), outputs=counted)
    middleware = [Middleware(SlowClose), Middleware(StreamKeeper)]
    options = {"prevent_thread_lock": True, "quiet": True, "ssr_mode": False, "app_kwargs": {"middleware": middleware}}
    _, url, _ = blocks.launch(**options)
    try:
        with closing(browser.new_page()) as page:
            page.goto(url)
            for number in (1, 2, 3):
                page.click("#count")
                expect(page.locator("#counted textarea")).to_have_value(str(number))
    finally:
        blocks.close()
