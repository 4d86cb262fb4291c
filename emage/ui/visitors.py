"""What a visitor has here: a folder of their own, their takes, and the work that runs for them.

A visitor is a browser tab, or a program that calls the API. When one leaves, the work stops and all files go.
"""

import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gradio.utils import get_upload_folder

from emage.errors import EmageError
from emage.ui.components.timeline import TimelineValue
from emage.ui.jobs import Jobs
from emage.ui.kept import KeptTake
from emage.ui.memory import return_memory, share_heaps

GRACE_S = 90.0
"""A tab on a phone that is looked away from seems to have left; it finds its takes again when it is back so soon."""
IDLE_S = 6 * 3600.0
"""Who has not been heard of for so long has left; some programs never say so."""

_FOLDER_PREFIX = "visitor-"


@dataclass(eq=False)
class Visitor:
    """folder: deleted with the visitor; what the page offers for download lies there and nowhere else.

    takes: what was made, the oldest first. chosen: their numbers, for a comparison. uploads: files that came from this
    visitor, and when each had been written last. reference: the motion among them that hints can be taken from.
    laid_aside: the timeline as it was before its recording was taken away, for the next one. Changed under `lock`.
    """

    folder: Path
    lock: threading.Lock = field(default_factory=threading.Lock)
    takes: list[KeptTake] = field(default_factory=list)
    uploads: dict[Path, int] = field(default_factory=dict)
    chosen: set[int] = field(default_factory=set)
    reference: Path | None = None
    laid_aside: TimelineValue = field(default_factory=TimelineValue)
    _number: int = 0

    def next_number(self) -> int:
        """Of a take or file, never the same again."""
        with self.lock:
            self._number += 1
            return self._number

    def received(self, path: str | Path | None) -> Path:
        """A file that came with a call of this visitor's. Where it is an upload, it is deleted with them.

        Raises:
            EmageError: none came, or it is another visitor's.
        """
        if not path:
            raise EmageError("No file came. Choose one first.")
        resolved, uploads = Path(path).resolve(), self.folder.parent
        if resolved.is_relative_to(uploads) and not resolved.is_relative_to(self.folder):
            if resolved.relative_to(uploads).as_posix().startswith(_FOLDER_PREFIX):
                raise EmageError(f"You have no file {resolved.name[:80]} here. Upload it first.")
            with self.lock:
                self.uploads[resolved] = _written_ns(resolved)
        return Path(path)

    def new_folder(self) -> Path:
        """An empty folder within the visitor's own, so that files may have names for people."""
        path = self.folder / str(self.next_number())
        path.mkdir()
        return path


class Visitors:
    """Who is here, by Gradio's session. Safe between threads."""

    def __init__(self, grace_s: float = GRACE_S, idle_s: float = IDLE_S):
        share_heaps()
        self.jobs = Jobs()
        self._grace_s = grace_s
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._present: dict[str, tuple[Visitor, tempfile.TemporaryDirectory]] = {}
        self._left: dict[str, float] = {}
        self._seen: dict[str, float] = {}

    def __len__(self) -> int:
        with self._lock:
            return len(self._present)

    def of(self, session: str) -> Visitor:
        """The visitor of a session, made on first sight."""
        self._forget_idle()
        with self._lock:
            self._left.pop(session, None)
            self._seen[session] = time.monotonic()
            if session not in self._present:
                uploads = Path(get_upload_folder())
                uploads.mkdir(parents=True, exist_ok=True)
                # Inside the folder that Gradio serves: no copies are made of what is offered, so none are left behind.
                # Whoever knows an address may fetch what is there, so nobody may guess one.
                prefix = f"{_FOLDER_PREFIX}{secrets.token_hex(16)}-"
                folder = tempfile.TemporaryDirectory(prefix=prefix, dir=uploads, ignore_cleanup_errors=True)
                self._present[session] = (Visitor(Path(folder.name).resolve()), folder)
            return self._present[session][0]

    def leave(self, session: str) -> None:
        """Stop what runs; after the grace, delete everything."""
        self.jobs.cancel(session)
        with self._lock:
            self._left[session] = time.monotonic()
        timer = threading.Timer(self._grace_s, self._forget, [session])
        timer.daemon = True
        timer.start()

    def _forget(self, session: str) -> None:
        def is_away() -> bool:
            left = self._left.get(session)
            return left is not None and time.monotonic() - left >= 0.9 * self._grace_s

        self._delete_if(is_away, session)

    def _forget_idle(self) -> None:
        def is_idle(session: str) -> bool:
            seen = self._seen.get(session)
            return seen is not None and time.monotonic() - seen > self._idle_s and not self.jobs.runs(session)

        with self._lock:
            idle = [session for session in self._seen if is_idle(session)]
        for session in idle:
            self._delete_if(partial(is_idle, session), session)

    def _delete_if(self, is_gone: Callable[[], bool], session: str) -> None:
        """is_gone: asked under the lock under which the visitor is taken out, for they may come back at any moment."""
        with self._lock:
            if not is_gone():
                return
            self._left.pop(session, None)
            self._seen.pop(session, None)
            visitor, folder = self._present.pop(session, (None, None))
            if visitor is None:
                return
            gone = self._theirs_alone(visitor)
        folder.cleanup()
        return_memory()
        for path in gone:
            path.unlink(missing_ok=True)
            with suppress(OSError):  # another file is there
                path.parent.rmdir()

    def _theirs_alone(self, visitor: Visitor) -> list[Path]:
        """The uploads of one who left, without those that others uploaded too: Gradio keeps one file for all, and a
        later upload takes the earlier one's place."""
        gone = []
        for path, written_ns in visitor.uploads.items():
            others = [other for other, _ in self._present.values() if path in other.uploads]
            for other in others:
                other.uploads[path] = max(other.uploads[path], written_ns)
            if not others and _written_ns(path) == written_ns:
                gone.append(path)
        return gone


def _written_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


class Turns:
    """Whose work is done next: one piece at a time, and of those who wait, who had the fewest turns lately.

    A visitor's long batch is made of many short pieces, between which others come.
    """

    def __init__(self, at_once: int = 1):
        self._at_once = at_once
        self._changed = threading.Condition()
        self._running = 0
        self._count = 0
        self._waiting: list[tuple[int, str]] = []
        self._last_turn: dict[str, int] = {}

    @contextmanager
    def turn(self, session: str, waiting: Callable[[int], None]) -> Iterator[None]:
        """A piece of work of `session`. waiting: called now and then with how many are before; what it raises ends
        the waiting."""
        with self._changed:
            self._count += 1
            place = (self._count, session)
            self._waiting.append(place)
        try:
            while True:
                with self._changed:
                    before = self._order().index(place)
                    if before == 0 and self._running < self._at_once:
                        self._running += 1
                        self._count += 1
                        self._last_turn[session] = self._count
                        break
                waiting(before + self._running)
                with self._changed:
                    self._changed.wait(0.2)
        finally:
            with self._changed:
                self._waiting.remove(place)
                self._last_turn = {who: when for who, when in self._last_turn.items() if self._count - when < 1000}
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _order(self) -> list[tuple[int, str]]:
        return sorted(self._waiting, key=lambda place: (self._last_turn.get(place[1], 0), place[0]))
