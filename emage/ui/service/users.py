"""What a user has here: a folder of their own, a recording, takes, and the work that runs for them.

A user is a browser tab, or a program that calls the API. When one leaves, the work stops and all files go.
"""

import secrets
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

from emage.errors import EmageError
from emage.generation.take import StoredTake
from emage.recording.recording import Recording
from emage.recording.transcript import Word
from emage.ui.components.timeline import Backdrop, TimelineValue
from emage.ui.service.memory import return_memory, share_heaps
from emage.ui.service.queue import CancelTokens

GRACE_S = 90.0
"""A tab on a phone that is looked away from seems to have left; it finds its takes again when it is back so soon."""
IDLE_S = 6 * 3600.0
"""Who has not been heard of for so long has left; some programs never say so."""

_FOLDER_PREFIX = "user-"
_DECODED = 4
"""Recordings of a user whose samples are at hand."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A recording, as the page shows it on the timeline."""

    recording: Recording
    backdrop: Backdrop


class User:
    """What one user has. Safe between threads.

    folder: deleted with the user; what the page offers for download lies there and nowhere else.
    """

    def __init__(self, folder: Path, shown: Shown | None = None):
        """shown: what the page shows them at first."""
        self.folder = folder
        self._lock = threading.RLock()
        self._decoding = threading.Lock()
        self._takes: tuple[StoredTake, ...] = ()
        self._chosen: frozenset[int] = frozenset()
        self._uploads: dict[Path, int] = {}
        self._decoded: OrderedDict[tuple[Path, int], Recording] = OrderedDict()
        self._shown = shown
        self._reference: Path | None = None
        self._laid_aside = TimelineValue()
        self._number = 0

    # --- takes

    @property
    def takes(self) -> tuple[StoredTake, ...]:
        """What was made, the oldest first."""
        return self._takes

    @property
    def chosen(self) -> frozenset[int]:
        """The numbers of the takes that are chosen for a comparison."""
        return self._chosen

    def add_take(self, take: StoredTake) -> StoredTake:
        """With a number of its own; it is chosen."""
        with self._lock:
            take = replace(take, number=self.next_number())
            self._takes += (take,)
            self._chosen |= {take.number}
            return take

    def find_take(self, number: int) -> StoredTake:
        """Raises EmageError."""
        take = next((take for take in self._takes if take.number == number), None)
        if take is None:
            raise EmageError("This take is no longer there.")
        return take

    def give_video(self, number: int, video: Path) -> StoredTake:
        """A take with a video of it. Raises EmageError."""
        with self._lock:
            take = replace(self.find_take(number), video=video)
            self._takes = tuple(take if each.number == number else each for each in self._takes)
            return take

    def remove_take(self, number: int) -> None:
        """Raises EmageError."""
        with self._lock:
            gone = self.find_take(number)
            self._takes = tuple(take for take in self._takes if take is not gone)
            self._chosen -= {number}

    def edit_takes(self, captions: dict[int, str], chosen: Iterable[int]) -> None:
        """Captions of some takes, and which of them are chosen; takes that came since are left as they are."""
        with self._lock:
            self._takes = tuple(replace(take, caption=captions.get(take.number, take.caption)) for take in self._takes)
            self._chosen = self._chosen - captions.keys() | set(chosen)

    def replace_all(self, takes: Iterable[StoredTake], shown: Shown | None, reference: Path | None) -> None:
        """What comes with a project takes the place of all that is there."""
        with self._lock:
            self._takes = tuple(replace(take, number=self.next_number()) for take in takes)
            self._chosen, self._laid_aside = frozenset(), TimelineValue()
            self._shown, self._reference = shown, reference
            if shown is not None:
                self.remember(shown.recording)

    # --- recording and reference

    @property
    def shown(self) -> Shown | None:
        """The recording that the page shows."""
        return self._shown

    @property
    def reference(self) -> Path | None:
        """The motion among the uploads that hints can be taken from."""
        return self._reference

    def use_reference(self, path: Path) -> None:
        with self._lock:
            self._reference = path

    def show(self, shown: Shown | None, value: TimelineValue) -> TimelineValue:
        """The page shows this recording, or none; the timeline's value for it.

        The plan of a recording that is taken away is laid aside for the next one.
        """
        with self._lock:
            if value == TimelineValue():
                value = self._laid_aside
            self._laid_aside = value if shown is None else TimelineValue()
            self._shown = shown
        return TimelineValue() if shown is None else value.for_recording(shown.recording.num_frames)

    def change_backdrop(self, **changes: Any) -> Backdrop | None:
        """What lies behind the spans, with some fields changed; None where nothing is shown."""
        with self._lock:
            if self._shown is None:
                return None
            self._shown = replace(self._shown, backdrop=replace(self._shown.backdrop, **changes))
            return self._shown.backdrop

    def add_words(self, words: tuple[Word, ...]) -> Backdrop | None:
        """To the recording that the page shows; what lies behind the spans then."""
        with self._lock:
            if self._shown is not None:
                self._shown = replace(self._shown, recording=replace(self._shown.recording, words=words))
                self.remember(self._shown.recording)
            return self.change_backdrop(words=words)

    def remember(self, recording: Recording) -> None:
        """A recording that is decoded already, with its file."""
        with self._lock:
            self._decoded[recording.file, _written_ns(recording.file)] = recording
            while len(self._decoded) > _DECODED:
                self._decoded.popitem(last=False)

    def decode(self, path: str | Path, max_duration_s: float) -> Recording:
        """The recording of a file, which is decoded when it is first asked for, and not again.

        Raises:
            AudioError: see `Recording.load`.
        """
        path = Path(path)
        with self._decoding:
            shown, key = self._shown, (path, _written_ns(path))
            if shown is not None and shown.recording.file == path and key not in self._decoded:
                self.remember(shown.recording)
            known = self._decoded.get(key)
            if known is None:
                known = Recording.load(path, max_duration_s).store(self.new_folder())
                self.remember(known)
            return known

    # --- files

    def next_number(self) -> int:
        """Of a take or file, never the same again."""
        with self._lock:
            self._number += 1
            return self._number

    def receive(self, path: str | Path | None) -> Path:
        """A file that came with a call of this user's. Where it is an upload, it is deleted with them.

        Raises:
            EmageError: none came, or it is another user's.
        """
        if not path:
            raise EmageError("No file came. Choose one first.")
        resolved, uploads = Path(path).resolve(), self.folder.parent
        if resolved.is_relative_to(uploads) and not resolved.is_relative_to(self.folder):
            if resolved.relative_to(uploads).as_posix().startswith(_FOLDER_PREFIX):
                raise EmageError(f"You have no file {resolved.name[:80]} here. Upload it first.")
            with self._lock:
                self._uploads[resolved] = _written_ns(resolved)
        return Path(path)

    def new_folder(self) -> Path:
        """An empty folder within the user's own, so that files may have names for people."""
        path = self.folder / str(self.next_number())
        path.mkdir()
        return path

    def release(self, others: Sequence["User"]) -> list[Path]:
        """The uploads of one who left, without those that others uploaded too: Gradio keeps one file for all, and a
        later upload takes the earlier one's place."""
        with self._lock:
            uploads = dict(self._uploads)
        gone = []
        for path, written_ns in uploads.items():
            owners = [other for other in others if other.inherit(path, written_ns)]
            if not owners and _written_ns(path) == written_ns:
                gone.append(path)
        return gone

    def inherit(self, path: Path, written_ns: int) -> bool:
        """Whether an upload of one who left is this user's too; then it is deleted with them."""
        with self._lock:
            if path not in self._uploads:
                return False
            self._uploads[path] = max(self._uploads[path], written_ns)
            return True


class Users:
    """Who is here, by Gradio's session. Safe between threads."""

    def __init__(self, grace_s: float = GRACE_S, idle_s: float = IDLE_S):
        share_heaps()
        self.tokens = CancelTokens()
        self._grace_s = grace_s
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._present: dict[str, tuple[User, tempfile.TemporaryDirectory]] = {}
        self._left: dict[str, float] = {}
        self._seen: dict[str, float] = {}

    def __len__(self) -> int:
        with self._lock:
            return len(self._present)

    def of(self, session: str, first: Shown | None = None) -> User:
        """The user of a session, made on first sight. first: the recording that the page shows at first."""
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
                self._present[session] = (User(Path(folder.name).resolve(), first), folder)
            return self._present[session][0]

    def leave(self, session: str) -> None:
        """Stop what runs; after the grace, delete everything."""
        self.tokens.cancel(session)
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
            return seen is not None and time.monotonic() - seen > self._idle_s and not self.tokens.runs(session)

        with self._lock:
            idle = [session for session in self._seen if is_idle(session)]
        for session in idle:
            self._delete_if(partial(is_idle, session), session)

    def _delete_if(self, is_gone: Callable[[], bool], session: str) -> None:
        """is_gone: asked under the lock under which the user is taken out, for they may come back at any moment."""
        with self._lock:
            if not is_gone():
                return
            self._left.pop(session, None)
            self._seen.pop(session, None)
            user, folder = self._present.pop(session, (None, None))
            if user is None:
                return
            gone = user.release([other for other, _ in self._present.values()])
        folder.cleanup()
        return_memory()
        for path in gone:
            path.unlink(missing_ok=True)
            with suppress(OSError):  # another file is there
                path.parent.rmdir()


def _written_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
