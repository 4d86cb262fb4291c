"""Nobody fills the line for others: calls that are not answered yet are counted by session and by address."""

import json
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest
from starlette.testclient import TestClient

from emage.ui.service import calls as module
from emage.ui.service.calls import CallLimits, Calls, NobodyWaitsError, TooManyCallsError, group_address
from emage.ui.service.gate import MAX_CALL_BYTES, Gate
from tests.app_server import QUICK, App, Caller, find_files, wait_until
from tests.conftest import TALK_FRAMES

FEW = CallLimits(long_of_session=2, long_of_address=3, long_of_all=4, of_session=3, of_address=5, of_all=7)


def fill(calls: Calls, *callers: tuple[str | None, str, bool]) -> list[str]:
    """Let them in as events "0", "1", ...; their names."""
    names = [str(len(calls) + number) for number in range(len(callers))]
    for name, caller in zip(names, callers, strict=True):
        calls.join(calls.admit(*caller), name)
    return names


@pytest.mark.parametrize(
    ("there", "refused", "words"),
    [
        ([("a", "1.1.1.1", True)] * 2, ("a", "2.2.2.2", True), "You have 2 pieces of work waiting here"),
        ([(None, "1.1.1.1", True)] * 3, (None, "1.1.1.1", True), "Your address has 3 pieces of work waiting"),
        (
            [(str(n), f"1.1.1.{n}", True) for n in range(4)],
            ("e", "2.2.2.2", True),
            "All 4 places in the line",
        ),
        ([("a", "1.1.1.1", False)] * 3, ("a", "1.1.1.1", False), "You have 3 calls waiting here"),
        ([(None, "1.1.1.1", False)] * 5, ("b", "1.1.1.1", False), "Your address has 5 calls waiting"),
        ([(None, "2001:db8::1", True)] * 3, (None, "2001:db8::2", True), "Your address has 3"),
    ],
)
def test_a_caller_may_have_so_many_calls_waiting(there, refused, words):
    calls = Calls(FEW)
    fill(calls, *there)
    with pytest.raises(TooManyCallsError, match=words):
        calls.admit(*refused)
    calls.end("0")
    calls.admit(*refused)


def test_who_has_all_their_work_waiting_can_edit_the_page_and_others_can_do_both():
    calls = Calls(FEW)
    fill(calls, *[("a", "1.1.1.1", True)] * 2)
    calls.admit("a", "1.1.1.1", False)
    calls.admit("b", "1.1.1.1", True)
    calls.admit("c", "2.2.2.2", True)


def test_calls_end_in_every_way():
    calls = Calls()
    for name in fill(calls, *[("a", "1.1.1.1", True)] * 2):
        calls.begin(name)
        calls.pause(name)
        calls.end(name)
    calls.refuse(calls.admit("a", "1.1.1.1", True))
    (name,) = fill(calls, ("a", "1.1.1.1", True))
    calls.cancel(name)
    early = calls.admit("a", "1.1.1.1", True)
    calls.end("early")  # before Gradio's answer has told its name
    calls.join(early, "early")
    assert len(calls) == 0


def test_a_missed_end_is_forgotten(monkeypatch):
    calls = Calls(FEW)
    fill(calls, *[("a", "1.1.1.1", True)] * 2)
    monkeypatch.setattr(module, "_FORGOTTEN_AFTER_S", 0)
    fill(calls, ("a", "1.1.1.1", True))


def test_when_nobody_listens_any_more_what_waits_is_over_and_what_runs_is_told_of():
    calls = Calls()
    fill(calls, ("a", "1.1.1.1", True), ("a", "1.1.1.1", True), ("b", "1.1.1.1", True))
    calls.begin("0")
    with calls.listening("a") as first, calls.listening("a") as second:
        pass
    assert sorted([*first, *second]) == ["a"]
    assert len(calls) == 2
    calls.pause("0")
    assert len(calls) == 1
    with calls.listening("b") as lost:
        calls.end("2")
    assert lost == []


def test_what_nobody_ever_listens_for_is_dropped():
    calls = Calls()
    fill(calls, (None, "1.1.1.1", True), ("a", "1.1.1.1", True), ("b", "1.1.1.1", True))
    calls.begin("1")
    with calls.listening(calls.session_of("2")):
        assert [calls.drop_unheard(name) for name in "012"] == [None, "a", None]
        assert len(calls) == 2
        with pytest.raises(NobodyWaitsError, match="Nobody listened"):
            calls.begin("0")
        calls.begin("2")


def test_addresses_of_one_caller():
    assert group_address("2001:db8:1:2:3::4") == group_address("2001:db8:1:2::9")
    assert group_address("2001:db8:1:3::4") != group_address("2001:db8:1:2::4")
    assert group_address("::ffff:1.2.3.4") == group_address("1.2.3.4") == "1.2.3.4"
    assert group_address("testclient") == "testclient"


# --- through the gate -------------------------------------------------------------------------------------------------


def ask_gate(gate: Gate, client: tuple[str, int], headers: dict[str, str] | None = None, body: bytes = b"{}") -> int:
    page = TestClient(gate, client=client)
    return page.post("/gradio_api/call/generate", content=body, headers=headers).status_code


@pytest.fixture
def gate() -> Gate:
    count = iter(range(99))

    async def gradio(scope: dict, receive: Callable, send: Callable) -> None:
        assert (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps({"event_id": str(next(count))}).encode()})

    return Gate(gradio, Calls(FEW), {"generate"}, lambda session: None, lambda session: None)


def test_an_address_that_a_proxy_tells_of_counts_where_the_operator_has_named_the_proxy(gate, capsys):
    for number in range(3):  # a caller may write anything into a header
        assert ask_gate(gate, ("9.9.9.9", 1234), {"X-Forwarded-For": f"1.1.1.{number}"}) == 200
    assert ask_gate(gate, ("9.9.9.9", 1234), {"X-Forwarded-For": "1.1.1.9"}) == 429
    assert capsys.readouterr().err.count("FORWARDED_ALLOW_IPS=9.9.9.9") == 1
    assert ask_gate(gate, ("1.1.1.9", 0), {"X-Forwarded-For": "1.1.1.9"}) == 200  # as uvicorn hands it on


def test_a_call_holds_no_more_than_its_bound(gate):
    assert ask_gate(gate, ("9.9.9.9", 1), body=b'"' + bytes(MAX_CALL_BYTES)) == 413
    assert ask_gate(gate, ("9.9.9.9", 1), body=b"[" * 100_000) == 200  # Gradio's to refuse


# --- through the server -----------------------------------------------------------------------------------------------


def test_nothing_is_written_of_a_page_whose_session_is_named(app: App, caller):
    before = set(find_files(app.uploads))  # some of which go meanwhile: who had them has left
    answer = httpx.get(f"{app.url}gradio_api/deep_link", params={"session_hash": caller.session})
    assert answer.status_code == 404
    assert answer.json()["detail"] == "There are no links to a page's state here. Save the session."
    assert set(find_files(app.uploads)) <= before


@pytest.fixture
def closed(app: App, tiny) -> Iterator[threading.Event]:
    """The weights "gated" and "unheard" come when it is set."""
    gate = threading.Event()

    def load(progress: Callable) -> object:
        while not gate.wait(0.01):
            progress("Downloading", 1 << 20, 4 << 20)
        return tiny

    app.weights.update(gated=load, unheard=load)
    yield gate
    gate.set()


def test_77_calls_of_one_address_never_keep_another_users_edit_waiting(app: App, closed, caller, audio):
    """Each opens a session of its own; when nobody listens for them any more they are dropped."""
    url, data = f"{app.url}gradio_api/call/generate", [audio, "", None, QUICK | {"weights": "gated"}, "", None]
    with httpx.Client(timeout=60) as http:
        answers = [http.post(url, json={"data": data}) for _ in range(77)]
        names = [answer.json()["event_id"] for answer in answers if answer.is_success]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert (len(names), len(refused)) == (12, 65)
        assert {answer.json()["detail"] for answer in refused} == {
            "Your address has 12 pieces of work waiting here, the most that one may have. Wait for one of them."
        }
        caller.get_values("plan_of_timeline", {"num_frames": TALK_FRAMES})
        caller.get_values("edit_takes", [])
        for name in names:
            with http.stream("GET", f"{url}/{name}") as lines:
                next(lines.iter_lines())
    wait_until(lambda: len(app.calls) == 0)
    caller.get_values("generate", audio, "", None, QUICK | {"video": False, "end_s": 0.5}, "", None)


def test_a_programs_work_stops_when_it_no_longer_listens(app: App, closed, audio):
    """Though it keeps no heartbeat."""
    data = [audio, "", None, QUICK | {"weights": "unheard", "video": False}, "", None]
    program = Caller(app.url)
    assert program.ask("generate", *data, until="Downloading") == (False, "The connection broke.")
    wait_until(lambda: len(app.calls) == 0)
    assert not closed.is_set()
