"""No call is lost between two streams of answers.

A page gets the answers of its calls through one stream, which Gradio tells it to close as soon as none is to be
answered. For its next call Gradio's client opens another, unless it takes the old one for open still: when it hears
that the call is in the queue before it hears that the stream is to be closed. Then that call is never answered. So it
hears of the queue only once it has let go of a stream that it was told to close.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CLOSE = b'data: {"msg":"close_stream"'
_LETS_GO_WITHIN_S = 2.0
"""Gradio's client lets go at once; for another one calls wait no longer."""
_STREAM, _JOIN = re.compile(r"/gradio_api/queue/data/?"), re.compile(r"/gradio_api/queue/join/?")


class StreamKeeper:
    """Between the web server and Gradio, as ASGI middleware."""

    def __init__(self, app: ASGIApp):
        self._app = app
        self._closing: dict[str, asyncio.Event] = {}
        """By session: set as soon as the page has let go of its stream."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            if scope["method"] == "GET" and _STREAM.fullmatch(path):
                return await self._stream(scope, receive, send)
            if scope["method"] == "POST" and _JOIN.fullmatch(path):
                return await self._join(scope, receive, send)
        await self._app(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = Request(scope).query_params.get("session_hash", "")
        is_closing = False

        async def hear() -> Message:
            message = await receive()
            if is_closing:  # Gradio would take it for a page that has gone, and cancel its next call
                await asyncio.Event().wait()
            return message

        async def watch(message: Message) -> None:
            nonlocal is_closing
            if not message.get("body", b"").startswith(_CLOSE):
                return await send(message)
            is_closing = True
            with self._being_closed(session), suppress(TimeoutError):
                await send(message | {"more_body": True})
                async with asyncio.timeout(_LETS_GO_WITHIN_S):
                    while (await receive())["type"] != "http.disconnect":
                        pass

        await self._app(scope, hear, watch)

    @contextmanager
    def _being_closed(self, session: str) -> Iterator[None]:
        has_let_go = self._closing[session] = asyncio.Event()
        try:
            yield
        finally:
            has_let_go.set()
            if self._closing.get(session) is has_let_go:
                del self._closing[session]

    async def _join(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()

        async def hear() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        async def watch(message: Message) -> None:
            if self._closing and message["type"] == "http.response.start":
                session = parse_call(body).get("session_hash")
                closing = self._closing.get(session) if isinstance(session, str) else None
                if closing is not None:
                    await closing.wait()
            await send(message)

        await self._app(scope, hear, watch)


def parse_call(body: bytes) -> dict[str, Any]:
    """What a call or its answer says. What is no object is Gradio's to refuse, and says nothing."""
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
