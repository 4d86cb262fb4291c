"""What a call passes before Gradio sees it: how many its caller may have waiting, and how large it may be."""

import asyncio
import re
import sys
from collections.abc import Callable, Collection
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emage.ui.service.calls import LISTEN_WITHIN_S, Call, Calls, TooManyCallsError
from emage.ui.service.streams import parse_call

MAX_CALL_BYTES = 8 << 20
"""Of a call's values; files are uploaded apart from it."""

_CALL = re.compile(r"/gradio_api/(?:queue/join|call/(?:v2/)?([^/]+))/?")
_ANSWERS = re.compile(r"/gradio_api/(?:queue/data|call/(?:v2/)?[^/]+/([^/]+))/?")
_CANCEL, _DEEP_LINK = "/gradio_api/cancel", "/gradio_api/deep_link"


class Gate:
    """Between the web server and Gradio, as ASGI middleware.

    long: numbers and names of the endpoints whose calls are work. lose: told of a session for whose work nobody waits
    any more. leave: told of the session of a single call, which ends with its answer.
    """

    def __init__(
        self,
        app: ASGIApp,
        calls: Calls,
        long: Collection[int | str],
        lose: Callable[[str], Any],
        leave: Callable[[str], Any],
    ):
        self._app, self._calls, self._long, self._lose, self._leave = app, calls, long, lose, leave
        self._has_told_of_proxy = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path, method = scope["path"].removeprefix(scope.get("root_path", "")), scope["method"]
        if path.rstrip("/") == _DEEP_LINK:  # it would write what a page shows to where nobody deletes it
            return await _answer(404, "There are no links to a page's state here. Save the session.", scope, send)
        if method == "POST" and (found := _CALL.fullmatch(path)):
            return await self._let_in(found[1], scope, receive, send)
        if method == "POST" and path.rstrip("/") == _CANCEL:
            return await self._take_back(scope, receive, send)
        if method == "GET" and (found := _ANSWERS.fullmatch(path)):
            session = self._calls.session_of(found[1]) if found[1] else Request(scope).query_params.get("session_hash")
            if session:
                return await self._listen(session, session == found[1], scope, receive, send)
        return await self._app(scope, receive, send)

    async def _let_in(self, name: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(scope, receive)
        if body is None:
            return await _answer(413, f"A call holds {MAX_CALL_BYTES >> 20} MB at most. Upload files.", scope, send)
        values = parse_call(body)
        endpoint, session = name or values.get("fn_index"), values.get("session_hash")
        try:
            call = self._calls.admit(
                session if isinstance(session, str) else None,
                self._find_host(scope),
                isinstance(endpoint, int | str) and endpoint in self._long,
            )
        except TooManyCallsError as error:
            return await _answer(429, str(error), scope, send)
        answer = bytearray()

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.body":
                answer.extend(message.get("body", b""))
                if not message.get("more_body"):
                    self._join(call, bytes(answer))
            await send(message)

        try:
            await self._app(scope, _give(body, receive), watch)
        finally:
            if call.event_id is None:
                self._calls.refuse(call)

    def _join(self, call: Call, answer: bytes) -> None:
        event_id = parse_call(answer).get("event_id")
        if not isinstance(event_id, str):
            return
        self._calls.join(call, event_id)

        def drop() -> None:
            session = self._calls.drop_unheard(event_id)
            if session is not None:
                self._lose(session)

        asyncio.get_running_loop().call_later(LISTEN_WITHIN_S, drop)

    async def _take_back(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(scope, receive)
        if body is None:
            return await _answer(413, f"A call holds {MAX_CALL_BYTES >> 20} MB at most.", scope, send)
        await self._app(scope, _give(body, receive), send)
        event_id = parse_call(body).get("event_id")
        if isinstance(event_id, str):
            self._calls.cancel(event_id)

    async def _listen(self, session: str, is_alone: bool, scope: Scope, receive: Receive, send: Send) -> None:
        lost: list[str] = []
        try:
            with self._calls.listening(session) as lost:
                await self._app(scope, receive, send)
        finally:
            for each in lost:
                self._lose(each)
            if is_alone:
                self._leave(session)

    def _find_host(self, scope: Scope) -> str:
        """Uvicorn has put the address that a proxy tells of in the place of the proxy's own, and no port, where the
        proxy is one that the operator has named."""
        host, port = scope.get("client") or ("", 0)
        if port and not self._has_told_of_proxy and any(name == b"x-forwarded-for" for name, _ in scope["headers"]):
            self._has_told_of_proxy = True
            print(
                f"Note: calls come through a proxy at {host}, whose users count as one caller. If it is yours, start "
                f"the app with FORWARDED_ALLOW_IPS={host}: then each of their addresses counts.",
                file=sys.stderr,
            )
        return host


async def _read(scope: Scope, receive: Receive) -> bytes | None:
    """The body of a call; None for one that is too large."""
    body = bytearray()
    try:
        async for block in Request(scope, receive).stream():
            body += block
            if len(body) > MAX_CALL_BYTES:
                return None
    except ClientDisconnect:
        return b""
    return bytes(body)


def _give(body: bytes, receive: Receive) -> Receive:
    """`receive` of a request whose body has been read."""
    is_given = False

    async def give() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give


async def _answer(status: int, sentence: str, scope: Scope, send: Send) -> None:
    async def nothing() -> Message:
        return {"type": "http.disconnect"}

    await JSONResponse({"detail": sentence}, status)(scope, nothing, send)
