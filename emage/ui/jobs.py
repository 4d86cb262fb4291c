"""Which work runs for which visitor, so that it can be cancelled."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from emage.errors import Cancelled


class Jobs:
    """Running jobs by browser session. Safe between threads."""

    def __init__(self):
        self._lock = threading.Lock()
        self._running: dict[str, set[threading.Event]] = {}

    @contextmanager
    def running(self, session: str) -> Iterator[threading.Event]:
        """A job of `session`; the event that it gives is set when it is to stop."""
        stop = threading.Event()
        with self._lock:
            self._running.setdefault(session, set()).add(stop)
        try:
            yield stop
        finally:
            with self._lock:
                jobs = self._running[session]
                jobs.discard(stop)
                if not jobs:
                    del self._running[session]

    def runs(self, session: str) -> bool:
        with self._lock:
            return session in self._running

    def cancel(self, session: str) -> int:
        """Stop what runs for `session`; how many jobs that were."""
        with self._lock:
            jobs = self._running.get(session, set())
            for stop in jobs:
                stop.set()
            return len(jobs)


def check(stop: threading.Event) -> None:
    """Raise Cancelled where the visitor has asked to stop."""
    if stop.is_set():
        raise Cancelled
