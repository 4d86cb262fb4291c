"""A lock whose end is the worst moment for others to come."""

import threading
from collections.abc import Callable


def make_lock_class(pending: list[Callable[[], None]]) -> type:
    """Locks of which each, as soon as it is let go of, has the last of what is pending done."""

    class Lock:
        def __init__(self):
            self._lock = threading.Lock()

        def __enter__(self):
            self._lock.acquire()

        def __exit__(self, *_):
            self._lock.release()
            if pending:
                pending.pop()()

    return Lock
