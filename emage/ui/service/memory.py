"""Memory goes back to the system when users leave.

glibc gives each busy thread a heap of its own, up to eight per processor core, and keeps what was freed in them; a web
server has dozens of threads. Other C libraries do not, and nothing is done there.
"""

import ctypes
import sys
from collections.abc import Callable

_M_ARENA_MAX = -8  # from malloc.h
_HEAPS = 2


def share_heaps() -> None:
    """From now on all threads share a few heaps."""
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _HEAPS)


def return_memory() -> None:
    """What has been freed goes back."""
    malloc_trim = _of_glibc("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _of_glibc(name: str) -> Callable | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
