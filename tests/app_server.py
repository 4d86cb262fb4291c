"""The page, served from this process or from one of its own, and calls to it that no well-behaved client would make.

`python -m tests.app_server WEIGHTS PORT GRACE_S SIZE [FACES_SHA256]` is that process; WEIGHTS may be empty.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio.state_holder import StateHolder

from app import create_app
from emage.body.face import PUBLISHED_FACES, loader_of
from emage.pipeline import EmagePipeline, Progress
from emage.ui.service.calls import Calls
from emage.ui.service.registry import WeightsRegistry
from emage.ui.service.service import PageSettings
from emage.ui.service.users import Users
from tests.conftest import ROOT

QUICK = {"panel_width": 64, "panel_height": 64, "samples": 1, "face_inset": False, "floor": False}
"""A picture that is soon drawn."""
OTHER_WEIGHTS = ("few", "gated", "never", "slow", "slower", "unheard", "wordy")
MAX_DURATION_S = 60


def wait_until(condition: Callable[[], bool], within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def resident_mb(process_id: int) -> float:
    """Memory of a process."""
    status = Path(f"/proc/{process_id}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def processor_s(process_id: int) -> float:
    """How long processors have worked for a process."""
    user, system = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def find_files(uploads: Path) -> list[Path]:
    """Of all users. Empty ones are not among them: Gradio makes and forgets one whenever it is given a file."""
    found = []
    for folder, _, names in os.walk(uploads):
        for path in (Path(folder, name) for name in names):
            try:
                found += [path] if path.stat().st_size else []
            except FileNotFoundError:  # another thread has deleted it meanwhile
                continue
    return found


@dataclass(frozen=True)
class App:
    """uploads: the folder of all users' files. weights: what loads those of `OTHER_WEIGHTS`, which tests put there.
    calls: those that are not answered yet. sessions: those of which Gradio stores what they were shown, and how many
    at most. users: who is here."""

    url: str
    uploads: Path
    weights: dict[str, Callable[[Progress | None], EmagePipeline]]
    calls: Calls
    sessions: StateHolder
    users: Users

    def wait_until_all_left(self) -> None:
        wait_until(lambda: not list(self.uploads.glob("user-*")))


@contextmanager
def serve_here(pipeline: EmagePipeline, folder: Path, page_grace_s: float = 0.5) -> Iterator[App]:
    """From threads of this process. folder: for the users' files, which outlast their leaving for a moment; those of a
    page so long."""
    weights = {}
    registry = WeightsRegistry(pipeline, OTHER_WEIGHTS, load=lambda name, progress: weights[name](progress))
    settings = PageSettings(MAX_DURATION_S, size=64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        patch.setenv("GRADIO_HEARTBEAT_INTERVAL", "0.2")  # so that it is soon seen when a user leaves
        users = Users(0.5, page_grace_s=page_grace_s, work_s=0.2)
        application = create_app(pipeline, settings, registry, users)
        _, url, _ = application.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, max_file_size="30mb")
        yield App(url, folder, weights, application.service.calls, application.state_holder, users)
        application.close()


# --- in a process of its own ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """log: what the process writes to its standard error."""

    url: str
    process: subprocess.Popen
    uploads: Path
    log: Path

    def memory_mb(self) -> float:
        """Resident, of the server alone."""
        return resident_mb(self.process.pid)

    def processor_s(self) -> float:
        """Seconds that processors have worked for it."""
        return processor_s(self.process.pid)

    def wait_until_no_files(self) -> None:
        wait_until(lambda: not find_files(self.uploads))


@contextmanager
def run_server(arguments: list[str], folder: Path, **environment: str) -> Iterator[Server]:
    """A process of Python that serves the page. folder: for its log and the users' files.

    arguments: "PORT" in them, and in values of `environment`, is put in.
    """
    port = find_free_port()
    url, log, uploads = f"http://127.0.0.1:{port}", folder / "server.log", folder / "uploads"
    own = {"GRADIO_TEMP_DIR": str(uploads), "GRADIO_ANALYTICS_ENABLED": "0", "GRADIO_HEARTBEAT_INTERVAL": "0.3"}
    own |= {name: value.replace("PORT", port) for name, value in environment.items()}
    command = [sys.executable, *(argument.replace("PORT", port) for argument in arguments)]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | own, stdout=stream, stderr=stream)
    try:
        wait_until(lambda: process.poll() is not None or _answers(url), within_s=240)
        assert process.poll() is None, f"The server did not start: {log.read_text()}"
        yield Server(url, process, uploads, log)
    finally:
        process.terminate()
        process.wait(timeout=120)


def run_page(folder: Path, weights: str, grace_s: float, size: int, *more: str, **environment: str):
    """`run_server` with this module; see above."""
    arguments = ["-m", "tests.app_server", weights, "PORT", str(grace_s), str(size), *more]
    return run_server(arguments, folder, **environment)


def find_free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/config", timeout=10).is_success
    except httpx.TransportError:
        return False


def main() -> None:
    weights, port, grace_s, size, *sha256 = sys.argv[1:]
    faces = loader_of(replace(PUBLISHED_FACES, sha256=sha256[0])) if sha256 else None
    pipeline = EmagePipeline.from_pretrained(weights or None, device="cpu", face_maps=faces)
    settings = PageSettings(MAX_DURATION_S, int(size))
    application = create_app(pipeline, settings, users=Users(float(grace_s), page_grace_s=float(grace_s)))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    application.launch(server_port=int(port), quiet=True, ssr_mode=False, max_file_size="30mb")


# --- calls ------------------------------------------------------------------------------------------------------------


class Caller:
    """A user who sends what they like: gradio_client and the page check and upload what they are given."""

    def __init__(self, url: str, patience_s: float = 60):
        self._base = f"{url.rstrip('/')}/gradio_api"
        self._http = httpx.Client(timeout=patience_s)
        config = self._http.get(f"{url.rstrip('/')}/config").json()
        self._functions = {function["api_name"]: function for function in config["dependencies"]}
        self._components = {component["id"]: component for component in config["components"]}
        self.session = uuid.uuid4().hex
        self.progress: list[str] = []
        """What was told of how far its calls are."""

    def leave(self) -> None:
        with self._http.stream("GET", f"{self._base}/heartbeat/{self.session}") as lines:
            next(lines.iter_lines())

    def upload(self, path: Path) -> dict[str, Any]:
        """The file as a call names it."""
        return self.upload_as(path.name, path.read_bytes())

    def upload_as(self, name: str, content: bytes) -> dict[str, Any]:
        return name_file(self._http.post(f"{self._base}/upload", files={"files": (name, content)}).json()[0])

    def page_values(self, api_name: str, **fields: Any) -> list[Any]:
        """What the page sends before anything is touched, but for some fields: their `elem_id`, with _ for -."""
        fields = {name.replace("_", "-"): value for name, value in fields.items()}
        components = [self._components[number]["props"] for number in self._functions[api_name]["inputs"]]
        assert fields.keys() <= {props.get("elem_id") for props in components}
        return [fields.get(props.get("elem_id"), props.get("value")) for props in components]

    def outputs_of(self, api_name: str) -> list[str]:
        """The `elem_id` of what a call changes, or another name of its own where it has none."""
        outputs = self._functions[api_name]["outputs"]
        return [self._components[number]["props"].get("elem_id") or f"component-{number}" for number in outputs]

    def get(self, path: str | Path) -> httpx.Response:
        return self._http.get(f"{self._base}/file={path}")

    def come(self, key: str = "", values: Sequence[Any] = ()) -> tuple[str, dict[str, Any]]:
        """As a page does when it is loaded: its key, and what it shows, by `elem_id`. key, values: what its browser has
        stored, if it was loaded before."""
        stored = json.dumps({"key": key, "values": json.dumps(values)}) if key else ""
        succeeded, shown = self.ask_past_queue("come", stored)
        assert succeeded, shown
        shown = dict(zip(self.outputs_of("come"), shown, strict=True))
        return shown["visit"]["props"]["session"], shown

    def ask(self, api_name: str, *values: Any, event: Any = None, until: str | None = None) -> tuple[bool, Any]:
        """Whether it succeeded, and the values or the error's words. event: what a component tells of a click. until:
        the connection breaks as soon as that is told of how far it is."""
        body = {
            "data": values,
            "event_data": event,
            "fn_index": self._functions[api_name]["id"],
            "session_hash": self.session,
        }
        # Not `json=`, which refuses numbers that are none.
        joined = self._http.post(
            f"{self._base}/queue/join", content=json.dumps(body), headers={"Content-Type": "application/json"}
        )
        event_id = joined.json()["event_id"]
        with self._http.stream("GET", f"{self._base}/queue/data", params={"session_hash": self.session}) as lines:
            for line in lines.iter_lines():
                message = json.loads(line[5:]) if line.startswith("data:") else {}
                if message.get("event_id") != event_id:
                    continue
                self.progress += [each["desc"] or "" for each in message.get("progress_data") or ()]
                if until is not None and any(until in told for told in self.progress):
                    return False, "The connection broke."
                if message["msg"] == "process_completed":
                    output = message["output"]
                    return message["success"], output["data" if message["success"] else "error"]
        raise AssertionError(f"{api_name} was not answered")

    def get_values(self, api_name: str, *values: Any, event: Any = None) -> Any:
        """Of a call that succeeds."""
        succeeded, answer = self.ask(api_name, *values, event=event)
        assert succeeded, answer
        return answer

    def get_fault(self, api_name: str, *values: Any, event: Any = None) -> str:
        """The sentence of a call that is refused."""
        succeeded, words = self.ask(api_name, *values, event=event)
        assert not succeeded
        assert isinstance(words, str)
        assert words.rstrip().endswith((".", ")", "]")), words
        return words

    def ask_past_queue(self, api_name: str, *values: Any, in_session: bool = True) -> tuple[bool, Any]:
        """Of what does not wait in Gradio's queue; see `ask`."""
        body = {"data": values, "session_hash": self.session if in_session else None}
        answer = self._http.post(f"{self._base}/api/{api_name}", json=body)
        return answer.is_success, answer.json().get("data" if answer.is_success else "error")


def name_file(path: object) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


if __name__ == "__main__":
    main()
