"""A session lives as long as its page: it is found again after a lost connection and a reload, and its work goes on."""

import functools
import gc
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import pytest

from emage.errors import Cancelled, EmageError
from emage.ui.components.timeline import TimelineValue
from emage.ui.sections.hints import UPLOADED
from emage.ui.sections.result import ResultSection
from emage.ui.service import users as module
from emage.ui.service.making import Making
from emage.ui.service.pieces import TakePiece
from emage.ui.service.users import User, Users
from tests.app_server import App, Caller, wait_until
from tests.conftest import TALK_FRAMES, make_motion
from tests.ui.locks import make_lock_class
from tests.ui.test_service import find_list


class Clock:
    """Of the users' module; what was to be done later is done when the time has come."""

    def __init__(self):
        self.now = 0.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def timer(self, delay_s: float, act: Callable, arguments: list) -> types.SimpleNamespace:
        due = (self.now + delay_s, lambda: act(*arguments))
        return types.SimpleNamespace(start=lambda: self._due.append(due))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while due := min((each for each in self._due if each[0] <= end), key=lambda each: each[0], default=None):
            self._due.remove(due)
            self.now = due[0]
            due[1]()
        self.now = end


@pytest.fixture
def clock(monkeypatch, tmp_path) -> Clock:
    clock = Clock()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(module, "time", types.SimpleNamespace(monotonic=lambda: clock.now))
    fake = types.SimpleNamespace(Lock=threading.Lock, RLock=threading.RLock, Timer=clock.timer)
    monkeypatch.setattr(module, "threading", fake)
    return clock


def test_a_page_is_back_by_its_key_and_by_nothing_else(clock):
    users = Users()
    user, is_back = users.come("one", "")
    assert not is_back
    assert users.of("one") is user
    assert users.come("two", user.key) == (user, True)
    for guess in ("one", "two", "", "0" * 32):
        other, is_back = users.come("thief", guess)
        assert not is_back
        assert other is not user
    program = users.of("program")
    assert users.come("thief", program.key)[1] is False  # a program's is no secret
    assert not users.hear("nobody's")


def test_what_a_page_has_outlasts_a_lost_connection(clock):
    """The connection that tells of the page's end never comes again, and the page is there for hours."""
    users = Users()
    user, _ = users.come("one", "")
    users.leave("one")
    for _ in range(100):
        clock.run(60)
        assert users.hear(user.key)
    assert users.of("one") is user
    clock.run(1700)
    assert user.folder.is_dir()
    clock.run(400)  # nothing more was heard
    assert not user.folder.exists()
    assert not users.hear(user.key)
    assert len(users) == 0


def test_a_page_that_is_loaded_again_finds_all_and_one_that_is_closed_leaves_nothing(clock):
    users = Users()
    user, _ = users.come("one", "")
    users.leave("one")
    clock.run(1000)
    assert users.come("two", user.key) == (user, True)
    clock.run(5000)
    assert users.of("two") is user
    users.leave("two")
    clock.run(1801)
    assert len(users) == 0
    assert not user.folder.exists()


def test_a_page_that_is_back_just_as_it_is_forgotten_finds_all_or_begins_anew(clock, monkeypatch):
    """Whatever moment it comes at: between two of the steps by which it is forgotten."""
    between: list[Callable[[], None]] = []

    fake = types.SimpleNamespace(Lock=make_lock_class(between), RLock=threading.RLock, Timer=clock.timer)
    monkeypatch.setattr(module, "threading", fake)
    came: list[tuple[User, bool]] = []
    for moment in range(4):
        users = Users()
        user, _ = users.come("one", "")
        users.leave("one")
        clock.run(1799)
        come = functools.partial(users.come, "two", user.key)
        between += [lambda come=come: came.append(come())] + [lambda: None] * moment
        clock.run(2)
        between.clear()
        back, is_back = came.pop() if came else come()
        assert is_back == (back is user) == (moment < 2)  # then it is taken out
        assert user.folder.exists() == is_back
        clock.run(60)
        assert back is users.of("two")
        assert back.folder.is_dir()


def test_work_goes_on_without_its_page_for_a_while(clock):
    users = Users()
    user, _ = users.come("one", "")
    with users.tokens.running(user.key) as token:
        users.leave("one")
        clock.run(100)
        token.check()
        users.come("two", user.key)
        clock.run(500)
        token.check()
        users.leave("two")
        clock.run(100)
        assert users.hear(user.key)  # it is there, if without a connection
        clock.run(100)
        token.check()
        clock.run(200)
        with pytest.raises(Cancelled):
            token.check()


def test_a_programs_work_stops_when_it_leaves(clock):
    users = Users()
    user = users.of("program")
    with users.tokens.running(user.key) as token:
        users.leave("program")
        with pytest.raises(Cancelled):
            token.check()
    clock.run(91)
    assert not user.folder.exists()


def test_each_of_gradios_sessions_is_told_of_once_it_is_nobodys(clock):
    users, ended = Users(), []
    users.end_session = ended.append
    user, _ = users.come("one", "")
    users.of("program")
    users.leave("one")
    clock.run(1000)
    assert ended == []
    users.come("two", user.key)  # the page is loaded again
    clock.run(100)
    assert ended == ["one"]
    users.come("three", user.key)  # before the end of the second connection was noticed
    users.leave("two")
    users.leave("program")
    users.leave("passer-by")  # who has called nothing
    clock.run(100)
    assert sorted(ended[1:]) == ["passer-by", "program", "two"]
    users.leave("three")
    clock.run(1801)
    assert {"one", "two", "three"} <= set(ended)
    assert len(users) == 0


# --- work that is followed --------------------------------------------------------------------------------------------


def make_piece(number: int, start_frame: int = 0) -> TakePiece:
    return TakePiece(number, start_frame, 9, make_motion(3), None)


def test_who_follows_later_sees_all_of_the_take_that_is_being_made():
    may_end, told = threading.Event(), []
    pieces = [make_piece(0), make_piece(1), make_piece(1, 3), make_piece(1, 6)]

    def work(bar: Callable) -> Iterator[TakePiece]:
        yield from pieces[:3]
        bar((3, 9), desc="Generating motion", unit="frames")
        assert may_end.wait(20)
        yield pieces[3]

    making = Making(work)
    first = making.follow(lambda *_, **__: None)
    while next(first) is not pieces[2]:
        pass
    first.close()  # its connection is lost
    assert making.is_news
    with ThreadPoolExecutor() as pool:
        second = pool.submit(lambda: list(making.follow(lambda *_, **named: told.append(named["desc"]))))
        wait_until(lambda: told == ["Generating motion"])
        may_end.set()
        assert second.result(20) == pieces[1:]
    assert not making.is_news


def test_who_comes_back_is_told_what_ended_the_work():
    def work(bar: Callable) -> Iterator[TakePiece]:
        yield make_piece(0)
        raise EmageError("The disk is full.")

    making = Making(work)
    wait_until(lambda: not [each for each in threading.enumerate() if each.name == "making"])
    assert making.is_news
    with pytest.raises(EmageError, match="The disk is full"):
        list(making.follow(lambda *_, **__: None))
    assert not making.is_news


# --- through the server -----------------------------------------------------------------------------------------------


@pytest.fixture
def gate(app: App, tiny) -> Iterator[threading.Event]:
    """The weights "slow" come when it is set."""
    gate = threading.Event()

    def load(progress: Callable) -> object:
        while not gate.wait(0.01):
            progress("Downloading", 1 << 20, 4 << 20)
        return tiny

    app.weights["slow"] = load
    yield gate
    gate.set()


def test_a_take_is_made_though_the_connection_breaks_and_is_followed_again(app: App, short_talk, gate):
    page = Caller(app.url)
    key, shown = page.come()
    assert shown["transcript"].startswith("Hello")  # of the first example
    audio = page.upload(short_talk)
    page.get_values("show_recording", audio, None, None, 0, "loop")
    plan = [{"part": "upper", "start_frame": 3, "end_frame": 20, "mode": "lock"}]
    fields = {
        "speech": audio,
        "timeline": {"num_frames": TALK_FRAMES, "plan": {"spans": plan}},
        "seed": 17,
        "draw": True,
        "transcript": "Mine.",
    }
    values = page.page_values("generate_on_page", weights="slow", **fields)
    assert page.ask("generate_on_page", *values, until="Downloading") == (False, "The connection broke.")

    again = Caller(app.url)
    plans = '[{"name": "none", "plan": {"spans": []}}, {"name": "two", "plan": {"spans": []}}]'
    grid = {"with_hints": True, "batch_kind": False, "batch_plans": plans, "batch_seeds": "4, 5"}
    stored = [*page.page_values("generate_on_page", weights="slow", **fields), *grid.values()]
    assert again.come(key, stored)[0] == key
    with ThreadPoolExecutor() as pool:
        follows = pool.submit(again.get_values, "follow", None)
        wait_until(lambda: any("Downloading" in told for told in again.progress))
        gate.set()
        (row,) = find_list(follows.result(60))["value"]
    assert row["caption"].startswith("hints: upper")

    later, shown = Caller(app.url).come(key, stored)
    assert later == key
    assert find_list(list(shown.values()))["value"] == [row]
    assert row["caption"] in shown["details"]
    assert [take["num_frames"] for take in shown["result-stage"]["takes"]] == [TALK_FRAMES]
    assert shown["speech"]["path"] == audio["path"]
    assert shown["timeline"]["value"]["plan"]["spans"] == plan
    assert '"end_frame": 20' in shown["plan-json"]
    assert (shown["seed"], shown["draw"], shown["transcript"]) == (17, True, "Mine.")
    assert shown["visit"]["props"]["saved"] == []
    assert (shown["with-hints"], shown["batch-kind"], shown["batch-seeds"]) == (True, False, "4, 5")
    assert (shown["batch-plans"]["value"], shown["batch-plans"]["visible"]) == (plans, True)
    # Its own weights are in memory by now.
    assert shown["weights"] == "slow"


def test_who_takes_an_example_while_the_page_comes_keeps_its_words(app: App, monkeypatch):
    page, show_nothing = Caller(app.url), ResultSection.show_nothing

    def while_it_comes(self: ResultSection, request: gr.Request) -> dict:
        self.service.user(request).show(None, TimelineValue())
        return show_nothing(self, request)

    monkeypatch.setattr(ResultSection, "show_nothing", while_it_comes)
    _, shown = page.come()
    assert shown["transcript"] == {"__type__": "update"}  # it stays as it is


def test_cancel_stops_what_a_page_follows_after_it_was_loaded_again(app: App, short_talk, gate):
    page, again = Caller(app.url), Caller(app.url)
    key, _ = page.come()
    values = page.page_values("generate_on_page", speech=page.upload(short_talk), weights="slower")
    app.weights["slower"] = app.weights["slow"]
    page.ask("generate_on_page", *values, until="Downloading")
    again.come(key)
    with ThreadPoolExecutor() as pool:
        follows = pool.submit(again.get_values, "follow", None)
        wait_until(lambda: any("Downloading" in told for told in again.progress))
        assert again.ask_past_queue("cancel") == (True, ["Cancelled."])
        assert "Cancelled." in follows.result(60)


def test_what_gradio_stores_of_a_session_goes_when_its_user_has_gone(app: App, short_talk):
    """Of each it stores a megabyte."""
    page, again, program = (Caller(app.url) for _ in range(3))
    key, _ = page.come()
    page.get_values("show_recording", page.upload(short_talk), None, None, 0, "loop")
    program.get_values("edit_takes", [])
    page.leave()
    again.come(key)
    here = {page.session, again.session, program.session}
    wait_until(lambda: here & set(app.sessions.session_data) == {again.session, program.session})
    program.leave()
    again.leave()
    wait_until(lambda: not here & set(app.sessions.session_data))
    assert not here & set(app.sessions.time_last_used)


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_nothing_holds_a_user_who_has_gone(app: App, short_talk):
    """What only the collector frees is there for minutes, with open files of recordings that are deleted already."""
    page = Caller(app.url)
    page.come()
    fields = {"speech": page.upload(short_talk), "timeline": {"num_frames": TALK_FRAMES}}
    page.get_values("generate_on_page", *page.page_values("generate_on_page", **fields))
    page.get_fault("load_session", page.upload_as("session.zip", b"PK"), None)
    page.get_fault("generate_on_page", *page.page_values("generate_on_page", **fields, speaker=99))
    user = weakref.ref(app.users.of(page.session))
    page.leave()
    wait_until(lambda: user() is None)


def test_what_a_page_has_chosen_counts_however_many_sessions_others_open(app: App, short_talk, tmp_path, monkeypatch):
    """Gradio knows the choices that a page was shown of so many sessions alone; whoever opens more takes them away."""
    monkeypatch.setattr(app.sessions, "capacity", 3)
    page = Caller(app.url)
    page.come()
    motion = page.upload(make_motion(TALK_FRAMES).save(tmp_path / "mine.npz"))
    page.get_values("take_reference", motion, 0, "loop")
    plan = {"spans": [{"part": "upper", "start_frame": 3, "end_frame": 20, "mode": "lock"}]}
    fields = {
        "speech": page.upload(short_talk),
        "timeline": {"num_frames": TALK_FRAMES, "plan": plan},
        "reference": UPLOADED,
    }
    for _ in range(3):
        Caller(app.url).get_values("edit_takes", [])
    assert page.session not in app.sessions.session_data
    made = page.get_values("generate_on_page", *page.page_values("generate_on_page", **fields))
    assert find_list(made)["value"][0]["caption"].startswith("hints: upper")
