"""A loopback server that answers as the Hugging Face Hub does, and misbehaves where a test wants it to.

It knows `/api/models/{repo}/revision/{rev}` (what a repo is and has), `/api/models/{repo}/tree/{rev}` (its files), and
HEAD and GET of `/{repo}/resolve/{rev}/{file}`, of data sets (`datasets/{repo}`) too. As on the Hub, a large file (here:
any weights file) is redirected to another host, the CDN, with its sha256 and size in `X-Linked-Etag` and
`X-Linked-Size`; a small one has git's blob hash as ETag.
"""

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34
API, RESOLVE, CDN = "api", "resolve", "cdn"
LARGE = (".bin", ".safetensors", ".npz", ".npy")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass(frozen=True)
class Seen:
    """One request: `kind` is `API`, `RESOLVE`, `CDN` or "other"."""

    kind: str
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Faults:
    """What goes wrong, by kind of request."""

    status: dict[str, tuple[int, str]] = field(default_factory=dict)  # kind -> status, X-Error-Code
    silent: set[str] = field(default_factory=set)  # kinds that are accepted and never answered
    body: dict[str, bytes] = field(default_factory=dict)  # kind -> another body, with status 200
    wrong_bytes: dict[str, bytes] = field(default_factory=dict)  # file -> what is sent in its place
    cut_after: int = 0  # close the connection after that many bytes of a body ...
    cuts: int = 0  # ... that many times
    pause_s: float = 0.0  # before every `chunk` of a body
    chunk: int = 1 << 16


class FakeHub:
    """`with FakeHub({"team/weights": {"config.json": b"{}"}}) as hub: ...`; `hub.url` is its endpoint.

    repos: the files of each repo, by its name as in a URL ("datasets/team/tools"); all have the same revisions.
    """

    def __init__(self, repos: dict[str, dict[str, bytes]], commit: str = COMMIT) -> None:
        self.repos = repos
        self.revisions = {"main": commit, commit: commit}
        self.faults = Faults()
        self.required_token: str | None = None
        self.seen: list[Seen] = []
        self.stopped = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hub = self
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def cdn_url(self) -> str:
        """Another host for a client, which compares names."""
        return f"http://localhost:{self._server.server_port}"

    def of_kind(self, kind: str, method: str | None = None) -> list[Seen]:
        return [seen for seen in self.seen if seen.kind == kind and method in (None, seen.method)]

    def stop(self) -> None:
        """From now on connections are refused."""
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if not self.stopped.is_set():
            self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    hub: FakeHub

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Silence: `FakeHub.seen` has it all."""

    def do_GET(self) -> None:
        hub: FakeHub = self.server.hub
        path = urlsplit(self.path).path
        kind = _kind(path)
        hub.seen.append(Seen(kind, self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
        if hub.stopped.is_set() or kind in hub.faults.silent:
            hub.stopped.wait(30)
            self.close_connection = True
        elif kind in hub.faults.status:
            self._refuse(*hub.faults.status[kind])
        elif kind in hub.faults.body:
            self._answer(200, hub.faults.body[kind])
        elif kind == CDN:
            repo, name = unquote(path.removeprefix("/cdn/")).split("/-/")
            self._send_file(repo, name, {})
        elif hub.required_token and self.headers.get("authorization") != f"Bearer {hub.required_token}":
            self._refuse(401, "RepoNotFound")
        elif kind == API:
            repo, what, revision = re.fullmatch(r"/api/(.*?)(?:/(revision|tree)/(.*))?", path).groups()
            self._describe(repo.removeprefix("models/"), unquote(revision or "main"), as_tree=what == "tree")
        elif kind == RESOLVE:
            repo, rest = path.removeprefix("/").split("/resolve/")
            self._resolve(repo, *map(unquote, rest.split("/", 1)))
        else:
            self._refuse(404, "")

    do_HEAD = do_GET

    def _describe(self, repo: str, revision: str, as_tree: bool) -> None:
        hub: FakeHub = self.server.hub
        if self._knows(repo, revision):
            files = [_listed(name, content) for name, content in hub.repos[repo].items()]
            about = {"_id": "0", "id": repo, "sha": hub.revisions[revision], "siblings": files}
            self._answer(200, json.dumps(files if as_tree else about).encode())

    def _resolve(self, repo: str, revision: str, name: str) -> None:
        hub: FakeHub = self.server.hub
        if not self._knows(repo, revision):
            return
        commit = {"X-Repo-Commit": hub.revisions[revision]}
        content = hub.repos[repo].get(name)
        if content is None:
            self._refuse(404, "EntryNotFound")
        elif name.endswith(LARGE):
            linked = {"X-Linked-Etag": f'"{sha256(content)}"', "X-Linked-Size": str(len(content))}
            self._answer(302, b"", commit | linked | {"Location": f"{hub.cdn_url}/cdn/{repo}/-/{name}"})
        else:
            self._send_file(repo, name, commit | {"ETag": f'"{git_hash(content)}"'})

    def _knows(self, repo: str, revision: str) -> bool:
        hub: FakeHub = self.server.hub
        if repo not in hub.repos:
            self._refuse(404, "RepoNotFound")
        elif revision not in hub.revisions:
            self._refuse(404, "RevisionNotFound")
        return repo in hub.repos and revision in hub.revisions

    def _send_file(self, repo: str, name: str, headers: dict[str, str]) -> None:
        """A file or, on request, a range of it; cut off and slow as the faults say."""
        faults = self.server.hub.faults
        content = faults.wrong_bytes.get(name, self.server.hub.repos[repo][name])
        start, stop, status = 0, len(content), 200
        if asked := self.headers.get("Range"):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, stop, status = int(first), int(last) + 1 if last else len(content), 206
            headers = headers | {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}
        body = content[start:stop]
        self._head(status, headers | {"Content-Length": str(len(body)), "Accept-Ranges": "bytes"})
        if self.command == "HEAD":
            return
        if faults.cuts > 0 and len(body) > faults.cut_after:
            faults.cuts -= 1
            body = body[: faults.cut_after]
            self.close_connection = True
        for begin in range(0, len(body), faults.chunk):
            self.server.hub.stopped.wait(faults.pause_s)
            self.wfile.write(body[begin : begin + faults.chunk])

    def _refuse(self, status: int, code: str) -> None:
        body = json.dumps({"error": f"the Hub says {status}"}).encode()
        self._answer(status, body, {"X-Error-Code": code} if code else {})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._head(status, (headers or {}) | {"Content-Type": "application/json", "Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def _kind(path: str) -> str:
    if path.startswith(("/api/models/", "/api/datasets/")):
        return API
    if path.startswith("/cdn/"):
        return CDN
    return RESOLVE if "/resolve/" in path else "other"


def _listed(name: str, content: bytes) -> dict:
    """A file in the words of both calls: of a repo's siblings, and of its tree."""
    entry = {"rfilename": name, "path": name, "type": "file", "size": len(content)}
    if name.endswith(LARGE):  # git's hash is of a pointer, not of the content
        lfs = {"sha256": sha256(content), "oid": sha256(content), "size": len(content), "pointerSize": 130}
        return entry | {"blobId": "0" * 40, "oid": "0" * 40, "lfs": lfs}
    return entry | {"blobId": git_hash(content), "oid": git_hash(content)}
