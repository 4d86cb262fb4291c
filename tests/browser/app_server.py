"""The app in a process of its own, and calls to it that no well-behaved client would make.

`python -m tests.browser.app_server WEIGHTS PORT GRACE_S SIZE` is that process.
"""

import functools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import ROOT


def _size(path: Path) -> int:
    """In bytes; 0 where another thread has deleted it meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@dataclass(frozen=True)
class AppServer:
    """process: of the server. uploads: the folder of all visitors' files. log: what it writes to its standard error."""

    url: str
    process: subprocess.Popen
    uploads: Path
    log: Path

    def memory_mb(self) -> float:
        """Resident, of the server alone."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def files(self) -> list[Path]:
        """Of all visitors. Empty ones are not among them: Gradio makes and forgets one whenever it is given a file."""
        found = (Path(folder, name) for folder, _, names in os.walk(self.uploads) for name in names)
        return [path for path in found if _size(path)]

    def files_when_gone(self, within_s: float = 20) -> list[Path]:
        """The visitors' files that are still there after a while."""
        deadline = time.monotonic() + within_s
        while self.files() and time.monotonic() < deadline:
            time.sleep(0.1)
        return self.files()


@contextmanager
def running(folder: Path, weights: str, grace_s: float, size: int) -> Iterator[AppServer]:
    """folder: for its log and the visitors' files. grace_s: how long a visitor's files outlast their leaving."""
    port = free_port()
    url, log, uploads = f"http://127.0.0.1:{port}", folder / "server.log", folder / "uploads"
    own = {
        "GRADIO_TEMP_DIR": str(uploads),
        "GRADIO_ANALYTICS_ENABLED": "0",
        "GRADIO_HEARTBEAT_INTERVAL": "0.3",  # so that it is soon seen when a visitor leaves
    }
    command = [sys.executable, "-m", "tests.browser.app_server", weights, str(port), str(grace_s), str(size)]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | own, stderr=stream)
    try:
        wait_for(url, process, log)
        yield AppServer(url, process, uploads, log)
    finally:
        process.terminate()
        process.wait(timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    """Until the process serves pages."""
    deadline = time.monotonic() + 400
    while process.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/config", timeout=10)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"The server did not start: {log.read_text()}")


class Stranger:
    """A visitor who sends what they like: gradio_client and the page check and upload what they are given."""

    def __init__(self, url: str):
        self._base = f"{url.rstrip('/')}/gradio_api"
        self._http = httpx.Client(timeout=60)
        config = self._http.get(f"{url.rstrip('/')}/config").json()
        self._functions = {function["api_name"]: function for function in config["dependencies"]}
        self._components = {component["id"]: component for component in config["components"]}
        self._session = uuid.uuid4().hex

    def leave(self) -> None:
        with self._http.stream("GET", f"{self._base}/heartbeat/{self._session}") as lines:
            next(lines.iter_lines())

    def upload(self, path: Path) -> str:
        """The path on the server."""
        return self.upload_as(path.name, path.read_bytes())

    def upload_as(self, name: str, content: bytes) -> str:
        return self._http.post(f"{self._base}/upload", files={"files": (name, content)}).json()[0]

    def page_values(self, api_name: str, fields: dict[str, Any]) -> list[Any]:
        """What the page sends before anything is touched, but for some fields, by their `elem_id`."""
        components = [self._components[number]["props"] for number in self._functions[api_name]["inputs"]]
        assert fields.keys() <= {props.get("elem_id") for props in components}
        return [fields.get(props.get("elem_id"), props.get("value")) for props in components]

    def get(self, path: str) -> httpx.Response:
        return self._http.get(f"{self._base}/file={path}")

    def ask(self, api_name: str, *values: Any, event: Any = None) -> tuple[bool, Any]:
        """Whether it succeeded, and the values or the error's words. event: what a component tells of a click."""
        body = {
            "data": values,
            "event_data": event,
            "fn_index": self._functions[api_name]["id"],
            "session_hash": self._session,
        }
        # Not `json=`, which refuses numbers that are none.
        joined = self._http.post(
            f"{self._base}/queue/join", content=json.dumps(body), headers={"Content-Type": "application/json"}
        )
        event_id = joined.json()["event_id"]
        with self._http.stream("GET", f"{self._base}/queue/data", params={"session_hash": self._session}) as lines:
            for line in lines.iter_lines():
                message = json.loads(line[5:]) if line.startswith("data:") else {}
                if message.get("msg") == "process_completed" and message["event_id"] == event_id:
                    output = message["output"]
                    return message["success"], output["data" if message["success"] else "error"]
        raise AssertionError(f"{api_name} was not answered")

    def ask_without_session(self, api_name: str, *values: Any) -> tuple[bool, Any]:
        answer = self._http.post(f"{self._base}/api/{api_name}", json={"data": values})
        return answer.is_success, answer.json().get("data" if answer.is_success else "error")


def file_data(path: str) -> dict[str, Any]:
    """A file as a call names it."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def main() -> None:
    weights, port, grace_s, size = sys.argv[1:]
    # Imported here, for those who start the process need none of it.
    from emage.ui.visitors import Visitors

    from app import create_app
    from emage.pipeline import EmagePipeline
    from emage.ui import studio

    studio.Visitors = functools.partial(Visitors, grace_s=float(grace_s))
    application = create_app(
        EmagePipeline.from_pretrained(weights), studio.PageSettings(max_duration_s=60, size=int(size))
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    application.launch(server_port=int(port), quiet=True, ssr_mode=False, max_file_size="30mb")


if __name__ == "__main__":
    main()
