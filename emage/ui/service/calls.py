"""Calls that are not answered yet, and whose they are: nobody fills the line for all.

Known here are the calls of a session and of an address, for a script may open a session a call. The address is that of
the connection, or what a proxy says that the server's operator has named (uvicorn's FORWARDED_ALLOW_IPS).
"""

import ipaddress
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from emage.errors import EmageError

LISTEN_WITHIN_S = 60.0
"""Who has not begun to listen for an answer by then waits for none."""
_FORGOTTEN_AFTER_S = 6 * 3600.0
"""Should the end of a call ever be missed, it holds its caller's place no longer."""
_REMEMBERED = 1000
"""Calls whose end came before Gradio had told their name, or whose turn is still to come though nobody waits."""


class TooManyCallsError(EmageError):
    """A caller has as many calls waiting as one may have, or the whole line is full."""


class NobodyWaitsError(EmageError):
    """A call's answer is for nobody."""


@dataclass(frozen=True)
class CallLimits:
    """The most calls that may be unanswered: of a session, of an address, and of all together. long: those that make,
    measure, read or write something; the others are the page's edits."""

    long_of_session: int = 8
    long_of_address: int = 12
    long_of_all: int = 60
    of_session: int = 40
    of_address: int = 100
    of_all: int = 500


@dataclass(eq=False)
class Call:
    """One that was let in. event_id: Gradio's, once it has one."""

    session: str | None
    address: str
    is_long: bool
    event_id: str | None = None
    is_running: bool = False
    is_heard: bool = False
    is_lost: bool = False
    since: float = field(default_factory=time.monotonic)


def _say_count(count: int, is_long: bool) -> str:
    one, more = ("piece of work", "pieces of work") if is_long else ("call", "calls")
    return f"{count} {one if count == 1 else more}"


class Calls:
    """All that are not answered yet. Used from the server's event loop alone."""

    def __init__(self, limits: CallLimits | None = None):
        self.limits = limits or CallLimits()
        self._calls: set[Call] = set()
        self._by_event: dict[str, Call] = {}
        self._listening: Counter[str] = Counter()
        self._ended_early: deque[str] = deque(maxlen=_REMEMBERED)
        self._unwanted: deque[str] = deque(maxlen=_REMEMBERED)

    def __len__(self) -> int:
        return len(self._calls)

    def admit(self, session: str | None, host: str, is_long: bool) -> Call:
        """Let a call in, before it is queued. host: the caller's address.

        Raises:
            TooManyCallsError: with a sentence for the caller.
        """
        limits, address, now = self.limits, group_address(host), time.monotonic()
        self._calls = {call for call in self._calls if now - call.since < _FORGOTTEN_AFTER_S}
        alike = [call for call in self._calls if call.is_long or not is_long]
        most = (
            (limits.long_of_session, limits.long_of_address, limits.long_of_all)
            if is_long
            else (limits.of_session, limits.of_address, limits.of_all)
        )
        of_session, of_address = (_say_count(count, is_long) for count in most[:2])
        if session is not None and sum(call.session == session for call in alike) >= most[0]:
            raise TooManyCallsError(
                f"You have {of_session} waiting here, the most that one page or program may have. Wait for one of "
                "them, or cancel it."
            )
        if sum(call.address == address for call in alike) >= most[1]:
            raise TooManyCallsError(
                f"Your address has {of_address} waiting here, the most that one may have. Wait for one of them."
            )
        if len(alike) >= most[2]:
            raise TooManyCallsError(f"All {most[2]} places in the line are taken. Try again in a few minutes.")
        call = Call(session, address, is_long)
        self._calls.add(call)
        return call

    def join(self, call: Call, event_id: str) -> None:
        """A call that was let in is in Gradio's queue, or was; a call without a session has one of its own."""
        if event_id in self._ended_early:
            self._ended_early.remove(event_id)
            self._calls.discard(call)
            return
        call.event_id = event_id
        call.session = call.session or event_id
        call.is_heard = self._listening[call.session] > 0
        self._by_event[event_id] = call

    def refuse(self, call: Call) -> None:
        """Gradio has not taken a call that was let in."""
        self._calls.discard(call)

    def begin(self, event_id: str) -> None:
        """A call's turn has come, or it goes on.

        Raises:
            NobodyWaitsError: nobody has listened for its answer.
        """
        if event_id in self._unwanted:
            self._unwanted.remove(event_id)
            raise NobodyWaitsError("Nobody listened for the answer of this call, so nothing was done for it.")
        if event_id in self._by_event:
            self._by_event[event_id].is_running = True

    def pause(self, event_id: str) -> None:
        """A call has said something and may say more; it does not where nobody listens any more."""
        if event_id in self._by_event and self._by_event[event_id].is_lost:
            self.end(event_id)

    def end(self, event_id: str) -> None:
        """A call is answered, cancelled, or has failed."""
        call = self._by_event.pop(event_id, None)
        if call is None:
            self._ended_early.append(event_id)
            return
        self._calls.discard(call)

    def cancel(self, event_id: str) -> None:
        """A caller takes a call back. Where it runs, it ends by and by."""
        call = self._by_event.get(event_id)
        if call is not None and not call.is_running:
            self.end(event_id)

    def session_of(self, event_id: str) -> str:
        call = self._by_event.get(event_id)
        return event_id if call is None or call.session is None else call.session

    @contextmanager
    def listening(self, session: str) -> Iterator[list[str]]:
        """While somebody listens for the answers of a session's calls; afterwards the list has the session, where calls
        of it run for nobody. Those that waited are taken out of the queue by Gradio."""
        self._listening[session] += 1
        for call in self._of(session):
            call.is_heard = True
        lost: list[str] = []
        try:
            yield lost
        finally:
            self._listening[session] -= 1
            if not self._listening[session]:
                del self._listening[session]
                lost += [session] * self._lose(self._of(session))

    def drop_unheard(self, event_id: str) -> str | None:
        """What nobody has begun to listen for is dropped; the session of a call that runs for nobody."""
        call = self._by_event.get(event_id)
        if call is None or call.is_heard:
            return None
        if not call.is_running:
            self._unwanted.append(event_id)
        return call.session if self._lose([call]) else None

    def _of(self, session: str) -> list[Call]:
        return [call for call in self._by_event.values() if call.session == session]

    def _lose(self, calls: list[Call]) -> bool:
        """Whether any of these calls runs; the others are over."""
        for call in calls:
            call.is_lost = True
            if not call.is_running:
                self.end(call.event_id)
        return any(call.is_running for call in calls)


def group_address(host: str) -> str:
    """Those of one caller: of IPv6 somebody has as many as they like, in a network of their own."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a test's, or a socket without
        return host
    if address.version == 4:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), 64), strict=False))
