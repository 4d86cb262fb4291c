"""Whose work is done next, and the tokens by which it is cancelled."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from emage.errors import Cancelled
from emage.hub import STAGE_DOWNLOAD

_TELL_EVERY_S = 0.4
"""Each time the page draws its bar anew, which a browser without a graphics card feels."""


class CancelToken:
    """Tells work that its user has asked to stop."""

    def __init__(self):
        self._asked = threading.Event()

    def cancel(self) -> None:
        self._asked.set()

    def check(self) -> None:
        """Raise Cancelled where the user has asked to stop."""
        if self._asked.is_set():
            raise Cancelled


class CancelTokens:
    """Of the work that runs, by the key of its user. Safe between threads."""

    def __init__(self):
        self._lock = threading.Lock()
        self._running: dict[str, set[CancelToken]] = {}

    @contextmanager
    def running(self, key: str) -> Iterator[CancelToken]:
        """Work of a user, which checks the token now and then."""
        token = CancelToken()
        with self._lock:
            self._running.setdefault(key, set()).add(token)
        try:
            yield token
        finally:
            with self._lock:
                tokens = self._running[key]
                tokens.discard(token)
                if not tokens:
                    del self._running[key]

    def runs(self, key: str) -> bool:
        with self._lock:
            return key in self._running

    def cancel(self, key: str) -> int:
        """Stop what runs for a user; how many pieces of work that were."""
        with self._lock:
            tokens = self._running.get(key, set())
            for token in tokens:
                token.cancel()
            return len(tokens)

    def cancel_all(self, within_s: float) -> None:
        """Stop what runs, for the server stops, and wait so long for its end."""
        with self._lock:
            for tokens in self._running.values():
                for token in tokens:
                    token.cancel()
        deadline = time.monotonic() + within_s
        while self._running and time.monotonic() < deadline:
            time.sleep(0.05)


class ProgressBar:
    """A stage, how far it is and the time left, to Gradio's bar; stops the work when the user has asked to."""

    def __init__(self, bar: Callable[..., Any], token: CancelToken, prefix: str = ""):
        self._bar, self._token, self._prefix = bar, token, prefix
        self._stage = ""
        self._since = self._told = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        self._token.check()
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._since = stage, now
        elif done < total and now - self._told < _TELL_EVERY_S:
            return
        self._told = now
        left = ""
        if 0 < done < total and now - self._since > 0.5:
            left = f", {say_duration((now - self._since) * (total - done) / done)} left"
        if stage == STAGE_DOWNLOAD:
            self._bar((round(done / 1e6), round(total / 1e6)), desc=f"{self._prefix}{stage}{left}", unit="MB")
        elif total:
            self._bar((done, total), desc=f"{self._prefix}{stage}{left}", unit="frames")
        else:
            self._say(stage)

    def wait(self, before: int) -> None:
        """Say that so many are before."""
        self._token.check()
        self._say(f"Waiting: {before} before you" if before else "Starting")

    def _say(self, words: str) -> None:
        """Of how far it is nothing is known. Gradio shows words beside a share alone, and none beside a bare count."""
        self._bar(0.0, desc=f"{self._prefix}{words}")


def say_duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


class Queue:
    """Some pieces of work at a time, and of those that wait, whose user was served least lately.

    A user's long batch is made of many short pieces, between which others come.
    """

    def __init__(self, at_once: int = 1):
        self._at_once = at_once
        self._changed = threading.Condition()
        self._running = 0
        self._count = 0
        self._waiting: list[tuple[int, str]] = []
        self._last_served: dict[str, int] = {}

    @contextmanager
    def place(self, user: str, wait: Callable[[int], None]) -> Iterator[None]:
        """A piece of work of a user. wait: called now and then with how many are before; what it raises ends the
        waiting."""
        with self._changed:
            self._count += 1
            place = (self._count, user)
            self._waiting.append(place)
        try:
            while True:
                with self._changed:
                    before = self._order().index(place)
                    if before == 0 and self._running < self._at_once:
                        self._running += 1
                        self._count += 1
                        self._last_served[user] = self._count
                        break
                wait(before + self._running)
                with self._changed:
                    self._changed.wait(0.2)
        finally:
            with self._changed:
                self._waiting.remove(place)
                self._last_served = {who: when for who, when in self._last_served.items() if self._count - when < 1000}
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _order(self) -> list[tuple[int, str]]:
        return sorted(self._waiting, key=lambda place: (self._last_served.get(place[1], 0), place[0]))
