"""Users: what they have, whose turn it is, and that nothing of theirs stays."""

import os
import threading
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from emage.errors import Cancelled, EmageError
from emage.generation.take import StoredTake
from emage.ui.components.timeline import TimelineValue
from emage.ui.service import users as module
from emage.ui.service.queue import CancelToken, CancelTokens, ProgressBar, Queue
from emage.ui.service.users import User, Users
from tests.app_server import wait_until
from tests.ui.locks import make_lock_class


def test_many_threads_lose_nothing_of_a_users(tmp_path):
    """Each adds takes, names its own, unchooses half of them and removes some, all at once."""
    user, threads, takes_each = User(tmp_path), 8, 40
    all_ready = threading.Barrier(threads)

    def work(thread: int) -> None:
        all_ready.wait(10)
        for count in range(takes_each):
            number = user.add_take(StoredTake("new", tmp_path / "take.npz", 9)).number
            user.edit_takes({number: f"{thread}: {count}"}, [number] if count % 2 else [])
            user.new_folder()
            if count % 5 == 0:
                user.remove_take(number)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    expected = {f"{thread}: {count}" for thread in range(threads) for count in range(takes_each) if count % 5}
    assert {take.caption for take in user.takes} == expected
    assert len({take.number for take in user.takes}) == len(user.takes) == len(expected)
    captions = {take.number: take.caption for take in user.takes}
    assert user.chosen
    assert all(int(captions[number].split()[1]) % 2 for number in user.chosen)
    assert len(list(tmp_path.iterdir())) == threads * takes_each


def test_takes_that_came_since_stay_chosen(tmp_path):
    """The page sends its list as it was when it was edited."""
    user = User(tmp_path)
    first, second = (user.add_take(StoredTake("take", tmp_path / "take.npz", 9)) for _ in range(2))
    user.edit_takes({first.number: "named"}, [])
    assert user.chosen == {second.number}
    assert [take.caption for take in user.takes] == ["named", "take"]
    with pytest.raises(EmageError, match="no longer there"):
        user.find_take(99)


def test_nothing_is_shown_until_a_recording_is(tmp_path):
    user = User(tmp_path)
    assert user.show(None, TimelineValue(9)) == TimelineValue()
    assert user.change_backdrop(reference_span=(0, 3)) is None
    assert user.add_words(()) is None


def test_work_is_cancelled_by_session():
    tokens = CancelTokens()
    with tokens.running("a") as first, tokens.running("a") as second, tokens.running("b") as other:
        assert tokens.runs("a")
        assert tokens.cancel("a") == 2
        other.check()
        for token in (first, second):
            with pytest.raises(Cancelled):
                token.check()
    assert not tokens.runs("a")
    assert tokens.cancel("a") == tokens.cancel("b") == 0


def test_all_work_stops_when_the_server_does():
    tokens, ended = CancelTokens(), []

    def work(key: str) -> None:
        with tokens.running(key) as token:
            begun.wait()
            with pytest.raises(Cancelled):
                wait_until(token.check)
            ended.append(key)

    begun = threading.Barrier(3)
    with ThreadPoolExecutor() as pool:
        for key in "ab":
            pool.submit(work, key)
        begun.wait(20)
        tokens.cancel_all(within_s=20)
        assert sorted(ended) == ["a", "b"]


def test_turns_go_round_the_users():
    """Who has many pieces of work lets others in between."""
    queue, done, in_line = Queue(), [], set()

    def work(session: str, number: int) -> None:
        with queue.place(session, lambda before: in_line.add(number)):
            done.append(session)

    def stop(before: int) -> None:
        raise Cancelled

    with ThreadPoolExecutor(6) as pool, queue.place("c", stop):
        for number, session in enumerate("aaaabb"):
            pool.submit(work, session, number)
            wait_until(lambda last=number: last in in_line)
        with pytest.raises(Cancelled), queue.place("d", stop):
            raise AssertionError("d had to wait")
        assert done == []
    assert done == list("ababaa")


def test_who_waits_is_told_in_a_form_that_gradio_shows():
    """It hides the words beside a count whose end is not known."""
    told = []
    progress = ProgressBar(lambda share, desc, unit="": told.append((share, desc)), CancelToken(), "1 of 2 (mine): ")
    progress.wait(3)
    progress.wait(0)
    progress("Loading", 0, 0)
    assert told == [
        (0.0, "1 of 2 (mine): Waiting: 3 before you"),
        (0.0, "1 of 2 (mine): Starting"),
        (0.0, "1 of 2 (mine): Loading"),
    ]


def write(path: Path) -> Path:
    path.write_bytes(b"1")
    return path


def test_all_files_of_a_user_go_when_they_leave(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    users = Users(grace_s=0.2)
    one, other = users.of("one"), users.of("other")
    write(one.new_folder() / "take.npz")
    shared, own, again, elsewhere = (write(tmp_path / name) for name in ("shared", "own", "again", "elsewhere"))
    for path in (shared, own, again):
        one.receive(path)
    other.receive(shared)
    os.utime(again, (1, 1))  # somebody else has uploaded the same since
    with pytest.raises(EmageError, match="You have no file take.npz here"):
        other.receive(one.folder / "1" / "take.npz")
    users.leave("one")
    users.leave("other")
    assert users.of("other") is other  # back in time
    wait_until(lambda: not one.folder.exists() and not own.exists())
    assert (shared.exists(), again.exists(), elsewhere.exists()) == (True, True, True)
    assert len(users) == 1
    assert other.folder.is_dir()


def test_a_page_that_left_is_forgotten_after_its_grace_however_long_its_work_may_go_on(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    users = Users(page_grace_s=0.2, work_s=3600)
    user, _ = users.come("session", "")
    write(user.new_folder() / "take.npz")
    users.leave("session")
    wait_until(lambda: not user.folder.exists())
    assert len(users) == 0


def test_who_loads_a_session_and_who_is_forgotten_do_not_wait_for_each_other(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    users = Users(grace_s=0)
    one, other = users.of("one"), users.of("other")
    other.receive(write(tmp_path / "talk.wav"))
    with one.replace_all((), None, None):
        users.leave("other")
        wait_until(lambda: not other.folder.exists())
        assert users.of("one") is one


def test_what_is_uploaded_while_another_is_forgotten_stays(tmp_path, monkeypatch):
    """The same file has one place for all, and to forget somebody takes a while."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    users, path = Users(grace_s=0), write(tmp_path / "talk.wav")
    one, uploaded = users.of("one"), threading.Event()
    one.receive(path)

    def upload() -> None:
        os.utime(write(path), (1, 1))
        uploaded.set()

    monkeypatch.setattr(module, "return_memory", upload)
    users.leave("one")
    assert uploaded.wait(20)
    wait_until(lambda: not one.folder.exists())
    threading.Event().wait(0.3)
    assert path.exists()


@pytest.fixture
def comes_between(monkeypatch, tmp_path) -> Callable[[Callable[[], None]], None]:
    """Have something done as soon as a lock of the users is let go of: the worst moment for it. Timers run at once."""
    pending = []

    class Timer:
        def __init__(self, _: float, function: Callable, arguments: list):
            self.start = partial(function, *arguments)

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    fake = types.SimpleNamespace(Lock=make_lock_class(pending), RLock=threading.RLock, Timer=Timer)
    monkeypatch.setattr(module, "threading", fake)
    return pending.append


def test_who_comes_back_while_they_are_forgotten_loses_nothing(comes_between):
    users, back = Users(grace_s=0), []
    users.of("one")
    # The first lock let go of says that they have left; the next one belongs to what forgets them.
    comes_between(lambda: comes_between(lambda: back.append(users.of("one"))))
    users.leave("one")
    assert back == [users.of("one")]
    assert back[0].folder.is_dir()


def test_what_is_begun_after_hours_away_is_not_forgotten(comes_between, monkeypatch):
    now, back = [0.0], []
    monkeypatch.setattr(module, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    users = Users(idle_s=100)
    gone = users.of("one").folder
    now[0] = 200.0
    comes_between(lambda: back.append(users.of("one")))
    users.of("other")
    assert not gone.exists()
    assert back == [users.of("one")]
    assert back[0].folder.is_dir()
