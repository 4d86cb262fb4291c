"""What a user has here: a folder of their own, a recording, takes, and the work that runs for them.

A user is a page in a browser, or a program that calls the API. A page may lose its connection or be loaded again: it
says its key, and finds all. Where it is away for long, its work stops, and later all files go; those of a program go
soon after it has left.
"""

import secrets
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

from emage.errors import EmageError
from emage.generation.take import StoredTake
from emage.recording.recording import Recording
from emage.recording.transcript import Word
from emage.ui.components.takes import MAX_CHOSEN
from emage.ui.components.timeline import Backdrop, TimelineValue
from emage.ui.service.looks import TakeLook
from emage.ui.service.making import Making
from emage.ui.service.memory import return_memory, share_heaps
from emage.ui.service.queue import CancelTokens

GRACE_S = 90.0
"""What a program has is there for so long after it has left."""
PAGE_GRACE_S = 1800.0
"""What a page has is there for so long after it was last heard of: a phone that is looked away from is silent."""
WORK_S = 120.0
"""Work goes on for so long without its page."""
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

    folder: deleted with the user; what the page offers for download lies there and nowhere else. key: by which they are
    known here, a secret of their own. is_page: whether the key brings them back.
    """

    def __init__(self, folder: Path, shown: Shown | None = None, key: str = "", is_page: bool = False):
        """shown: what the page shows them at first."""
        self.folder, self.key, self.is_page = folder, key, is_page
        self._making: Making | None = None
        self._lock = threading.RLock()
        self._decoding = threading.Lock()
        self._uploading = threading.RLock()  # of the uploads alone: whoever is forgotten asks all others, also one who
        # holds their own lock for long and waits for those who forget
        self._takes: tuple[StoredTake, ...] = ()
        self._chosen: frozenset[int] = frozenset()
        self._uploads: dict[Path, int] = {}
        self._decoded: OrderedDict[tuple[Path, int], Recording] = OrderedDict()
        self._shown = shown
        self._reference: Path | None = None
        self._face_fault: str | None = None
        self._laid_aside = TimelineValue()
        self._number = 0
        self._standing: int | None = None
        self._saved: frozenset[int] = frozenset()
        self._looks: dict[int, TakeLook] = {}
        self._reused: frozenset[int] = frozenset()

    # --- takes

    @property
    def making(self) -> Making | None:
        """The takes that are being made, or were made last."""
        return self._making

    def make(self, making: Making | None) -> None:
        """These takes are being made now."""
        earlier, self._making = self._making, making
        if earlier is not None:
            earlier.forget()

    @property
    def takes(self) -> tuple[StoredTake, ...]:
        """What was made, the oldest first."""
        return self._takes

    @property
    def chosen(self) -> frozenset[int]:
        """The numbers of the takes that are chosen for a comparison."""
        return self._chosen

    @property
    def standing(self) -> StoredTake | None:
        """The take that the result shows; None where it shows none, or one that was removed since."""
        return next((take for take in self._takes if take.number == self._standing), None)

    def stand(self, take: StoredTake) -> None:
        """The result shows this take of the list."""
        self._standing = take.number

    @property
    def saved(self) -> frozenset[int]:
        """The numbers of the takes that have been taken away in a session's zip, or came with one."""
        return self._saved

    def mark_saved(self, takes: Iterable[StoredTake]) -> None:
        with self._lock:
            self._saved |= {take.number for take in takes}

    def add_take(self, take: StoredTake) -> StoredTake:
        """With a number of its own; it is chosen. Where more would be than can be compared, the oldest is no longer."""
        with self._lock:
            take = replace(take, number=self.next_number())
            self._takes += (take,)
            self._chosen = frozenset(sorted(self._chosen | {take.number})[-MAX_CHOSEN:])
            return take

    def choose(self, numbers: Iterable[int]) -> None:
        """These takes alone, the first of them where there are more than can be compared."""
        with self._lock:
            self._chosen = frozenset(list(numbers)[:MAX_CHOSEN])

    @property
    def looks(self) -> dict[int, TakeLook]:
        """What the list shows of takes, by their numbers."""
        return self._looks

    def remember_look(self, take: StoredTake, look: TakeLook) -> None:
        with self._lock:
            self._looks[take.number] = look

    @property
    def reused(self) -> frozenset[int]:
        """The numbers of takes whose hints' motion is among those to take hints from."""
        return self._reused

    def reuse(self, take: StoredTake) -> None:
        """The motion of a take's hints is one to take hints from."""
        with self._lock:
            self._reused |= {take.number}

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
            self._reused -= {number}
            self._looks.pop(number, None)

    def edit_takes(self, captions: dict[int, str], chosen: Iterable[int]) -> None:
        """Captions of some takes, and which of them are chosen; takes that came since are left as they are."""
        with self._lock:
            self._takes = tuple(replace(take, caption=captions.get(take.number, take.caption)) for take in self._takes)
            self._chosen = self._chosen - captions.keys() | set(chosen)

    @contextmanager
    def replace_all(self, takes: Iterable[StoredTake], shown: Shown | None, reference: Path | None) -> Iterator[None]:
        """What comes with a project takes the place of all that is there; where the block fails, all is as it was."""
        with self._lock:
            before = self._takes, self._chosen, self._laid_aside, self._shown, self._reference, self._standing
            self._takes = tuple(replace(take, number=self.next_number()) for take in takes)
            self.choose(take.number for take in self._takes[-MAX_CHOSEN:])
            self._laid_aside, self._standing = TimelineValue(), None
            self._shown, self._reference = shown, reference
            if shown is not None:
                self.remember(shown.recording)
            try:
                yield
            except BaseException:
                (
                    self._takes, self._chosen, self._laid_aside, self._shown, self._reference, self._standing,
                ) = before  # fmt: skip
                raise
            self.mark_saved(self._takes)

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
            backdrop = replace(self._shown.backdrop, **changes, face_fault=self._face_fault)
            self._shown = replace(self._shown, backdrop=backdrop)
            return backdrop

    def mark_face(self, fault: str | None) -> Backdrop | None:
        """Why the chosen weights cannot lock a face to the chosen motion, None where they can; what lies behind the
        spans then, of this recording and of those that come."""
        with self._lock:
            self._face_fault = fault
            return self.change_backdrop()

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
            with self._uploading:
                self._uploads[resolved] = _written_ns(resolved)
        return Path(path)

    def new_folder(self) -> Path:
        """An empty folder within the user's own, so that files may have names for people."""
        path = self.folder / str(self.next_number())
        path.mkdir()
        return path

    def release(self, others: Sequence["User"]) -> dict[Path, int]:
        """The uploads of one who left, and when they were written, without those that others uploaded too: Gradio keeps
        one file for all, and a later upload takes the earlier one's place."""
        with self._uploading:
            uploads = dict(self._uploads)
        gone = {}
        for path, written_ns in uploads.items():
            owners = [other for other in others if other.inherit(path, written_ns)]
            if not owners:
                gone[path] = written_ns
        return gone

    def inherit(self, path: Path, written_ns: int) -> bool:
        """Whether an upload of one who left is this user's too; then it is deleted with them."""
        with self._uploading:
            if path not in self._uploads:
                return False
            self._uploads[path] = max(self._uploads[path], written_ns)
            return True


class Users:
    """Who is here, by Gradio's session, and a page by its key whatever its session. Safe between threads."""

    def __init__(
        self,
        grace_s: float = GRACE_S,
        idle_s: float = IDLE_S,
        page_grace_s: float = PAGE_GRACE_S,
        work_s: float = WORK_S,
    ):
        share_heaps()
        self.tokens = CancelTokens()
        """By a user's key."""
        self._grace_s, self._page_grace_s = grace_s, page_grace_s
        self._idle_s = idle_s
        self._work_s = work_s
        self.end_session: Callable[[str], None] = lambda session: None
        """Told of each of Gradio's sessions that nobody has any more."""
        self._lock = threading.Lock()
        self._present: dict[str, tuple[User, tempfile.TemporaryDirectory]] = {}
        self._pages: dict[str, str] = {}  # the keys of the sessions that pages have, or had
        self._open: dict[str, set[str]] = {}  # the sessions of a key whose connection is there
        self._closed: dict[str, set[str]] = {}  # those whose connection has ended, and that are not told of yet
        self._left: dict[str, float] = {}
        self._seen: dict[str, float] = {}
        self._watched: set[str] = set()

    def __len__(self) -> int:
        with self._lock:
            return len(self._present)

    def key_of(self, session: str) -> str:
        with self._lock:
            return self._pages.get(session, session)

    def of(self, session: str, first: Shown | None = None) -> User:
        """The user of a session, made on first sight. first: the recording that the page shows at first."""
        self._forget_idle()
        with self._lock:
            key = self._pages.get(session, session)
            self._hear(key)
            if key not in self._present:
                self._add(key, first)
            return self._present[key][0]

    def come(self, session: str, key: str, first: Shown | None = None) -> tuple[User, bool]:
        """The page that has this session now, and whether it is back: the user of its key, where that is known here."""
        self._forget_idle()
        with self._lock:
            is_back = key in self._present and self._present[key][0].is_page
            if not is_back:
                key = secrets.token_hex(16)
                self._add(key, first, is_page=True)
            self._pages[session] = key
            self._open.setdefault(key, set()).add(session)
            self._end_closed(key)
            self._hear(key)
            return self._present[key][0], is_back

    def hear(self, key: str) -> bool:
        """A page says that it is there; whether it is known."""
        with self._lock:
            is_known = key in self._present and self._present[key][0].is_page
            if is_known:
                self._hear(key)
            return is_known

    def lose(self, session: str) -> None:
        """Nobody listens for the answers of a session's work. A program's work stops; a page may be back."""
        with self._lock:
            if session in self._pages:
                return
        self.tokens.cancel(session)

    def leave(self, session: str) -> None:
        """A connection has ended. A program's work stops, and after the grace all it has goes. A page may be back; else
        its work stops, and later all it has goes."""
        with self._lock:
            key = self._pages.get(session)
            if key is not None:
                self._open[key].discard(session)
                self._closed.setdefault(key, set()).add(session)
                if self._open[key]:
                    self._end_closed(key)
                else:
                    self._begin_absence(key)
                return
            self._left[session] = time.monotonic()
        self.tokens.cancel(session)
        self._after(self._grace_s, self._forget, session)

    def _add(self, key: str, first: Shown | None, is_page: bool = False) -> None:
        uploads = Path(get_upload_folder())
        uploads.mkdir(parents=True, exist_ok=True)
        # Inside the folder that Gradio serves: no copies are made of what is offered, so none are left behind.
        # Whoever knows an address may fetch what is there, so nobody may guess one.
        prefix = f"{_FOLDER_PREFIX}{secrets.token_hex(16)}-"
        folder = tempfile.TemporaryDirectory(prefix=prefix, dir=uploads, ignore_cleanup_errors=True)
        self._present[key] = (User(Path(folder.name).resolve(), first, key, is_page), folder)

    def _end_closed(self, key: str) -> None:
        """A page that was loaded again has another session, and needs those before no longer."""
        for session in self._closed.pop(key, ()):
            self._after(self._grace_s, self.end_session, session)

    def _hear(self, key: str) -> None:
        """A user is there. A page whose connection has broken is away from now on, till it is heard again."""
        self._seen[key] = time.monotonic()
        self._left.pop(key, None)
        if key in self._open and not self._open[key]:
            self._begin_absence(key)

    def _begin_absence(self, key: str) -> None:
        self._left[key] = time.monotonic()
        if key not in self._watched:
            self._watched.add(key)
            self._after(min(self._work_s, self._page_grace_s), self._watch, key)

    def _watch(self, key: str) -> None:
        """Of a page that was away: stop its work, or forget it, where it is for long enough; else look again later."""
        with self._lock:
            left = self._left.get(key)
            if left is None or key not in self._present:
                self._watched.discard(key)
                return
            away_s = time.monotonic() - left
        if away_s >= self._work_s:
            self.tokens.cancel(key)
        left_s = self._page_grace_s - away_s
        if left_s <= 0:
            with self._lock:
                self._watched.discard(key)
            self._delete_if(lambda: self._left.get(key) == left, key)
            return
        due_s = self._work_s - away_s
        self._after(min(due_s if due_s > 0 else self._work_s, left_s), self._watch, key)

    def _after(self, delay_s: float, act: Callable[[str], None], key: str) -> None:
        timer = threading.Timer(delay_s, act, [key])
        timer.daemon = True
        timer.start()

    def _forget(self, session: str) -> None:
        def is_away() -> bool:
            left = self._left.get(session)
            return left is not None and time.monotonic() - left >= 0.9 * self._grace_s

        self._delete_if(is_away, session)

    def _forget_idle(self) -> None:
        def is_idle(key: str) -> bool:
            seen = self._seen.get(key)
            return seen is not None and time.monotonic() - seen > self._idle_s and not self.tokens.runs(key)

        with self._lock:
            idle = [key for key in self._seen if is_idle(key)]
        for key in idle:
            self._delete_if(partial(is_idle, key), key)

    def _delete_if(self, is_gone: Callable[[], bool], key: str) -> None:
        """is_gone: asked under the lock under which the user is taken out, for they may come back at any moment."""
        with self._lock:
            if not is_gone():
                return
            sessions = [session for session, each in self._pages.items() if each == key] or [key]
            for known in (self._left, self._seen, self._open, self._closed):
                known.pop(key, None)
            for session in sessions:
                self._pages.pop(session, None)
            user, folder = self._present.pop(key, (None, None))
            gone = {} if user is None else user.release([other for other, _ in self._present.values()])
        for session in sessions:
            self.end_session(session)
        if user is None:
            return
        user.make(None)
        folder.cleanup()
        return_memory()
        for path, written_ns in gone.items():
            if _written_ns(path) != written_ns:  # somebody has uploaded the same meanwhile
                continue
            path.unlink(missing_ok=True)
            with suppress(OSError):  # another file is there
                path.parent.rmdir()


def _written_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
