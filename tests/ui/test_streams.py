"""Streams of answers: a call that comes while one is being closed is told of the queue when the page has let go."""

import asyncio
import json
import time
from collections.abc import Callable

import anyio.from_thread

from emage.ui.service.streams import StreamKeeper

CLOSE = b'data: {"msg":"close_stream","event_id":null}\n\n'


class Connection:
    """One request of a page, and all that comes back."""

    def __init__(self, keeper: StreamKeeper, method: str, path: str, query: bytes = b"", body: bytes = b""):
        self._sent: list[dict] = []
        self._to_come: asyncio.Queue = asyncio.Queue()
        self._to_come.put_nowait({"type": "http.request", "body": body, "more_body": False})
        scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": []}
        self.ends = asyncio.ensure_future(keeper(scope, self._to_come.get, self._send))

    async def _send(self, message: dict) -> None:
        self._sent.append(message)

    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self._sent)

    def let_go(self) -> None:
        for _ in range(2):  # whoever asks is told
            self._to_come.put_nowait({"type": "http.disconnect"})


class Gradio:
    """It sends a stream what it is to send, and is told whether the page has gone."""

    def __init__(self):
        self.to_send: asyncio.Queue = asyncio.Queue()
        self.is_left = False

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["method"] == "POST":
            return await send({"type": "http.response.body", "body": b"joined"})
        listens = asyncio.ensure_future(self._listen(receive))
        body = None
        while body != CLOSE:
            body = await self.to_send.get()
            await send({"type": "http.response.body", "body": body, "more_body": True})
        listens.cancel()
        await send({"type": "http.response.body", "body": b""})

    async def _listen(self, receive: Callable) -> None:
        await receive()
        self.is_left = True


def in_a_loop(test: Callable) -> Callable:
    """Of a thread of its own, for the browser's tests leave one in this."""

    def run() -> None:
        with anyio.from_thread.start_blocking_portal() as portal:
            portal.call(test)

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def join(keeper: StreamKeeper, session: object) -> Connection:
    body = json.dumps({"data": [], "session_hash": session}).encode()
    return Connection(keeper, "POST", "/gradio_api/queue/join", body=body)


@in_a_loop
async def test_a_call_hears_of_the_queue_when_the_page_has_let_go():
    gradio = Gradio()
    keeper = StreamKeeper(gradio)
    stream = Connection(keeper, "GET", "/gradio_api/queue/data", b"session_hash=a")
    gradio.to_send.put_nowait(b'data: {"msg":"process_completed","output":{"data":["close_stream"]}}\n\n')
    await settle()
    first = join(keeper, "a")
    await settle()
    assert first.body() == b"joined"  # nothing closes yet
    gradio.to_send.put_nowait(CLOSE)
    await settle()
    assert stream.body().endswith(CLOSE)
    second, other, strange = join(keeper, "a"), join(keeper, "b"), join(keeper, ["a"])
    await settle()
    assert (second.body(), other.body(), strange.body()) == (b"", b"joined", b"joined")
    stream.let_go()
    await settle()
    assert second.body() == b"joined"
    assert stream.ends.done()
    assert not gradio.is_left  # or it would cancel the second
    assert keeper._closing == {}


@in_a_loop
async def test_a_page_that_does_not_let_go_holds_up_no_call_for_long():
    gradio = Gradio()
    keeper = StreamKeeper(gradio)
    stream = Connection(keeper, "GET", "/gradio_api/queue/data", b"session_hash=a")
    gradio.to_send.put_nowait(CLOSE)
    await settle()
    start = time.monotonic()
    call = join(keeper, "a")
    await asyncio.wait_for(call.ends, 10)
    await asyncio.wait_for(stream.ends, 10)
    assert call.body() == b"joined"
    assert 1 < time.monotonic() - start < 8


@in_a_loop
async def test_a_page_that_leaves_while_it_waits_is_told_of():
    gradio = Gradio()
    stream = Connection(StreamKeeper(gradio), "GET", "/gradio_api/queue/data", b"session_hash=a")
    await settle()
    stream.let_go()
    await settle()
    assert gradio.is_left
    stream.ends.cancel()
