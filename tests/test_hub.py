"""Weights from folders, the Hub (a loopback server, the real client) and the embedded default; and their loading."""

import errno
import io
import json
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest
import safetensors.torch
import torch
from huggingface_hub import close_session, constants
from huggingface_hub.utils import _detect_agent

from emage import hub as hub_module
from emage.errors import WeightsError
from emage.hub import (
    DEFAULT_REPO,
    DEFAULT_REVISION,
    NETWORK_FOLDERS,
    HubUnavailable,
    WeightsSource,
    fetch_file,
    find_weights,
    load_config,
    load_state,
)
from tests.fake_hub import API, CDN, COMMIT, RESOLVE, FakeHub, git_hash, sha256

REPO = "team/weights"
ROOT = Path(__file__).resolve().parent.parent
NOTICED_WITHIN_S = 5.0


def tensors(network: str) -> dict[str, torch.Tensor]:
    seed = list(NETWORK_FOLDERS).index(network)
    return {"layer.weight": torch.arange(12.0).reshape(3, 4) + seed, "layer.bias": torch.full((3,), float(seed))}


def saved(state: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def repo_files() -> dict[str, bytes]:
    """A complete repo: every network as pytorch_model.bin, the face as safetensors too."""
    files = {"README.md": b"# weights\n", ".gitattributes": b""}
    for network, folder in NETWORK_FOLDERS.items():
        prefix = "" if folder == "." else f"{folder}/"
        files[f"{prefix}config.json"] = json.dumps({"model_type": network}).encode()
        files[f"{prefix}pytorch_model.bin"] = saved(tensors(network))
    files["emage_vq/face/model.safetensors"] = safetensors.torch.save(tensors("face"))
    return files


def write_files(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def assert_weights(source: WeightsSource) -> None:
    assert list(source.folders) == list(NETWORK_FOLDERS)
    for network, folder in source.folders.items():
        assert load_config(folder) == {"model_type": network}
        state = load_state(folder)
        assert state.keys() == tensors(network).keys()
        assert all(torch.equal(state[key], value) for key, value in tensors(network).items())


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub(repo_files(), REPO) as server:
        yield server


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    """`client(url)` makes this process's Hub client use that endpoint and an empty cache of the test; gives the cache.

    The environment variables are read when huggingface_hub is imported, so what they set is set here; that the
    variables themselves work is the business of `TestProcesses`.
    """

    def use(url: str, offline: bool = False) -> Path:
        home = tmp_path / "hf"
        monkeypatch.setattr(constants, "ENDPOINT", url)
        template = url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
        monkeypatch.setattr(constants, "AGENT_HARNESSES_PATH", str(home / "harnesses.json"))
        monkeypatch.setattr(_detect_agent, "_registry", None)
        for variable in ("HF_TOKEN", "HF_HUB_ETAG_TIMEOUT"):
            monkeypatch.delenv(variable, raising=False)
        return home / "hub"

    return use


@pytest.fixture
def fresh_session() -> Iterator[None]:
    """The Hub's client reads the proxies of the environment when it is made: here it is made anew, and after."""
    close_session()
    yield
    close_session()


@pytest.fixture
def hang() -> Iterator[Callable[..., None]]:
    """A function that does not return before the test is over; then its threads end."""
    over = threading.Event()
    threads = []

    def wait(*_: object, **__: object) -> None:
        threads.append(threading.current_thread())
        over.wait(60)
        raise OSError("the test is over")

    yield wait
    over.set()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A Hub that has the default repo at its pinned revision."""
    with FakeHub(repo_files(), DEFAULT_REPO, DEFAULT_REVISION) as server:
        yield server


@pytest.fixture
def embedded(tmp_path: Path) -> Path:
    return write_files(tmp_path / "demo", repo_files())


class Timer:
    def __enter__(self) -> Self:
        self.start = time.monotonic()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.seconds = time.monotonic() - self.start


def refused_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def refuse_permission(*_: object, **__: object) -> None:
    raise PermissionError(errno.EACCES, "Permission denied", "some/file")


class TestFolder:
    def test_folder(self, tmp_path: Path) -> None:
        source = find_weights(write_files(tmp_path, repo_files()))
        assert (source.kind, source.description, source.notice) == ("folder", str(tmp_path), None)
        assert source.folders["lower"] == tmp_path / "emage_vq/lower"
        assert_weights(source)

    def test_missing_files_are_all_named(self, tmp_path: Path) -> None:
        files = repo_files()
        del files["emage_vq/lower/pytorch_model.bin"], files["emage_vq/hands/config.json"]
        with pytest.raises(WeightsError, match=r"emage_vq/hands/config.json.*emage_vq/lower/model.safetensors or"):
            find_weights(str(write_files(tmp_path, files)))

    def test_file_is_not_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "model.bin").write_bytes(b"x")
        with pytest.raises(WeightsError, match=r"is a file. Give the folder"):
            find_weights(tmp_path / "model.bin")

    @pytest.mark.parametrize("weights", ["nowhere", "a/b/c", "/no/such/folder", Path("team/weights"), "team/we ights"])
    def test_neither_folder_nor_repo(self, weights: str | Path) -> None:
        with pytest.raises(WeightsError, match=r"neither a folder .* nor a repo id") as caught:
            find_weights(weights)
        assert not isinstance(caught.value, HubUnavailable)

    def test_empty_text_is_not_the_current_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(write_files(tmp_path, repo_files()))
        with pytest.raises(WeightsError, match=r"empty text. Name a folder \('.' for the current one\)"):
            find_weights("")
        assert find_weights(".").kind == "folder"

    @pytest.mark.parametrize("weights", ["~no-such-user/x", "x" * 300, "owner/" + "x" * 300, Path("x" * 300)])
    def test_path_that_no_system_takes(self, weights: str | Path) -> None:
        with pytest.raises(WeightsError, match=r"(cannot be looked into: \w|neither a folder).*Correct the path"):
            find_weights(weights)

    def test_folder_that_must_not_be_looked_into(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_files(tmp_path, repo_files())
        monkeypatch.setattr(Path, "is_file", refuse_permission)
        with pytest.raises(WeightsError, match=r"cannot be looked into: Permission denied.*the right to read"):
            find_weights(tmp_path)
        with pytest.raises(WeightsError, match=r"cannot be looked into: Permission denied"):
            load_state(tmp_path)

    def test_revision_of_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsError, match="only repos on the Hub have revisions"):
            find_weights(tmp_path, revision="main")

    def test_demo_names_the_embedded(self, embedded: Path) -> None:
        source = find_weights("demo", embedded=embedded)
        assert (source.kind, source.notice) == ("embedded", None)
        assert_weights(source)

    def test_demo_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsError, match="no embedded weights in"):
            find_weights("demo", embedded=tmp_path / "demo")


class TestDownload:
    def test_first_download_and_no_second(self, hub: FakeHub, client: Callable) -> None:
        cache = client(hub.url)
        source = find_weights(REPO)
        assert (source.kind, source.notice) == ("hub", None)
        assert source.description == f"{REPO} at {COMMIT[:8]}"
        assert_weights(source)
        assert all(cache in folder.parents for folder in source.folders.values())
        got = {seen.path.removeprefix("/cdn/") for seen in hub.of_kind(CDN)}
        assert "emage_vq/face/model.safetensors" in got
        assert "emage_vq/face/pytorch_model.bin" not in got  # safetensors is preferred, the other not downloaded
        assert len(got) == 6
        before = len(hub.seen)
        assert_weights(find_weights(REPO))
        assert hub.seen[before].kind == API
        assert not [seen for seen in hub.seen[before:] if seen.method == "GET" and seen.kind != API]

    def test_pinned_commit_needs_no_network_again(self, published: FakeHub, client: Callable) -> None:
        client(published.url)
        assert_weights(find_weights())
        before = len(published.seen)
        source = find_weights(DEFAULT_REPO)
        assert_weights(source)
        assert source.description == f"{DEFAULT_REPO} at {DEFAULT_REVISION[:8]}"
        assert len(published.seen) == before

    def test_named_revision(self, hub: FakeHub, client: Callable) -> None:
        client(hub.url)
        hub.revisions["refs/pr/1"] = COMMIT
        assert_weights(find_weights(REPO, revision="refs/pr/1"))
        hub.stop()
        source = find_weights(REPO, revision="refs/pr/1")
        assert_weights(source)
        assert "from the cache" in source.description

    def test_new_commit_of_a_branch(self, hub: FakeHub, client: Callable) -> None:
        client(hub.url)
        find_weights(REPO)
        newer = "beef" + "0" * 36
        hub.revisions |= {"main": newer, newer: newer}
        changed = {"layer.weight": torch.ones(1)}
        hub.files["pytorch_model.bin"] = saved(changed)
        source = find_weights(REPO)
        assert source.description == f"{REPO} at beef0000"
        assert torch.equal(load_state(source.folders["generator"])["layer.weight"], torch.ones(1))

    def test_token_goes_to_the_hub_only(self, hub: FakeHub, client: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
        client(hub.url)
        hub.required_token = "hf_secret"
        with pytest.raises(HubUnavailable, match=r"does not exist on .* or is private .*HF_TOKEN"):
            find_weights(REPO)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        assert_weights(find_weights(REPO))
        assert {seen.headers.get("authorization") for seen in hub.of_kind(RESOLVE)} <= {"Bearer hf_secret", None}
        assert hub.of_kind(CDN)
        assert not any("authorization" in seen.headers for seen in hub.of_kind(CDN))

    def test_cut_connection_is_resumed(self, hub: FakeHub, client: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
        client(hub.url)
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 50_000)  # what is kept of a cut download are whole chunks
        content = os.urandom(300_000)
        hub.files["big.npz"] = content
        hub.faults.cut_after, hub.faults.cuts = 100_000, 1
        assert fetch_file(REPO, "big.npz").read_bytes() == content
        ranges = [seen.headers.get("range") for seen in hub.of_kind(CDN, "GET")]
        assert ranges == ["bytes=0-0", None, "bytes=100000-"]

    def test_cut_for_good_then_next_start_goes_on(
        self, hub: FakeHub, client: Callable, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache = client(hub.url)
        monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
        hub.faults.cut_after, hub.faults.cuts = 0, 100
        with pytest.raises(HubUnavailable, match=r"download of config.json of .* broke off .*Run again"):
            find_weights(REPO)
        hub.faults.cut_after, hub.faults.cuts = 500, 100  # configs pass, weights do not
        with pytest.raises(HubUnavailable, match=r"download of pytorch_model.bin of .* broke off"):
            find_weights(REPO)
        assert not list(cache.rglob("*.incomplete"))
        hub.faults.cuts = 0
        before = len(hub.seen)
        assert_weights(find_weights(REPO))
        again = [seen.path for seen in hub.seen[before:] if seen.method == "GET"]
        assert f"/{REPO}/resolve/{COMMIT}/config.json" not in again  # what was whole is kept

    def test_slow_download_is_not_cut(self, hub: FakeHub, client: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
        client(hub.url)
        monkeypatch.setattr(hub_module, "ANSWER_SECONDS", 0.5)
        content = os.urandom(100_000)
        hub.files["big.npz"] = content
        hub.faults.chunk, hub.faults.pause_s = 10_000, 0.15
        with Timer() as timer:
            assert fetch_file(REPO, "big.npz").read_bytes() == content
        assert timer.seconds > 3 * hub_module.ANSWER_SECONDS

    def test_cache_that_cannot_be_written(self, hub: FakeHub, client: Callable) -> None:
        cache = client(hub.url)
        cache.parent.mkdir(parents=True)
        cache.write_text("a file where the cache's folder should be")
        with pytest.raises(WeightsError, match=r"cannot be written to the cache in .*HF_HOME") as caught:
            fetch_file(REPO, "config.json")
        assert not isinstance(caught.value, HubUnavailable)


class TestDamage:
    def test_wrong_bytes_of_the_right_size(self, hub: FakeHub, client: Callable) -> None:
        cache = client(hub.url)
        good = hub.files["pytorch_model.bin"]
        bad = good[:-1] + bytes([good[-1] ^ 1])
        hub.faults.wrong_bytes["pytorch_model.bin"] = bad
        with pytest.raises(WeightsError, match="truncated or altered") as caught:
            find_weights(REPO)
        assert not isinstance(caught.value, HubUnavailable)
        assert f"expected sha256 {sha256(good)}, found sha256 {sha256(bad)}" in str(caught.value)
        assert str(caught.value).startswith(f"pytorch_model.bin of {REPO} at {COMMIT[:8]} is")
        assert not [path for path in cache.rglob("*") if path.is_file() and path.read_bytes() == bad]
        hub.faults.wrong_bytes.clear()
        assert_weights(find_weights(REPO))

    def test_wrong_bytes_of_a_small_file(self, hub: FakeHub, client: Callable) -> None:
        client(hub.url)
        good = hub.files["config.json"]
        hub.faults.wrong_bytes["config.json"] = bad = good.replace(b"generator", b"generat0r")
        with pytest.raises(WeightsError, match=f"git hash {git_hash(good)}, found git hash {git_hash(bad)}"):
            find_weights(REPO)

    def test_truncated_on_the_server(self, hub: FakeHub, client: Callable) -> None:
        client(hub.url)
        hub.faults.wrong_bytes["pytorch_model.bin"] = hub.files["pytorch_model.bin"][:-10]
        with pytest.raises(WeightsError, match=r"pytorch_model.bin of team/weights .*size"):
            find_weights(REPO)

    @pytest.mark.parametrize("offline", [False, True])
    @pytest.mark.parametrize("name", ["pytorch_model.bin", "emage_vq/upper/config.json"])
    def test_altered_in_the_cache(self, published: FakeHub, client: Callable, name: str, offline: bool) -> None:
        client(published.url)
        path = find_weights().folders["generator"] / name
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        client(published.url, offline=offline)
        with pytest.raises(WeightsError, match=f"{name} of .* truncated or altered: expected .*has been removed"):
            find_weights()
        client(published.url)
        source = find_weights()
        assert_weights(source)
        assert path.read_bytes() == content

    def test_truncated_in_the_cache(self, hub: FakeHub, client: Callable) -> None:
        client(hub.url)
        path = find_weights(REPO).folders["lower"] / "pytorch_model.bin"
        size = path.stat().st_size
        os.truncate(path.resolve(), size - 5)
        with pytest.raises(WeightsError, match=f"expected {size:,} bytes, found {size - 5:,} bytes"):
            find_weights(REPO)
        assert_weights(find_weights(REPO))

    def test_cache_without_symbolic_links(
        self, hub: FakeHub, client: Callable, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client(hub.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
        source = find_weights(REPO)
        assert_weights(source)
        path = source.folders["upper"] / "pytorch_model.bin"
        assert not path.is_symlink()
        path.write_bytes(b"x" * path.stat().st_size)
        with pytest.raises(WeightsError, match=r"upper/pytorch_model.bin of .* truncated or altered: expected sha256"):
            find_weights(REPO)
        assert_weights(find_weights(REPO))

    def test_shared_cache_that_must_not_be_read(
        self, hub: FakeHub, client: Callable, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache = client(hub.url)
        fetch_file(REPO, "config.json")
        monkeypatch.setattr(hub_module, "_digest", refuse_permission)
        words = (
            f"config.json of {REPO} at .* cannot be read from the cache .*Permission denied.* all of {cache}.*HF_HOME"
        )
        with pytest.raises(WeightsError, match=words) as caught:
            fetch_file(REPO, "config.json")
        assert not isinstance(caught.value, HubUnavailable)
        monkeypatch.setattr(hub_module, "try_to_load_from_cache", refuse_permission)
        with pytest.raises(WeightsError, match="cannot be read from the cache"):
            find_weights(REPO, revision=COMMIT)

    def test_a_pinned_file_of_a_data_set_needs_no_network_again(self, client: Callable) -> None:
        content = b"numbers"
        with FakeHub({}, beside={"datasets/team/tools": {"faces.npy": content}}) as hub:
            client(hub.url)
            pinned = {"repo_type": "dataset", "sha256": sha256(content)}
            path = fetch_file("team/tools", "faces.npy", **pinned)
            assert path.read_bytes() == content
            before = len(hub.seen)
            assert fetch_file("team/tools", "faces.npy", **pinned) == path
            assert len(hub.seen) == before
            with pytest.raises(HubUnavailable, match="team/tools does not exist"):
                fetch_file("team/tools", "faces.npy")  # of that name there is a data set only

    def test_another_file_than_the_pinned_one_is_refused(self, client: Callable) -> None:
        with FakeHub({}, beside={"datasets/team/tools": {"faces.npy": b"others"}}) as hub:
            client(hub.url)
            expected = f"faces.npy of team/tools at main is truncated or altered: expected sha256 {sha256(b'numbers')}"
            with pytest.raises(WeightsError, match=expected):
                fetch_file("team/tools", "faces.npy", repo_type="dataset", sha256=sha256(b"numbers"))

    def test_fetched_file_is_checked_in_the_cache_too(self, hub: FakeHub, client: Callable) -> None:
        client(hub.url)
        path = fetch_file(REPO, "emage_vq/face/model.safetensors")
        path.write_bytes(b"x" * path.stat().st_size)
        hub.stop()
        with pytest.raises(WeightsError, match=r"model.safetensors of .* truncated or altered: expected sha256"):
            fetch_file(REPO, "emage_vq/face/model.safetensors")
        assert not path.exists()


REFUSALS = [
    (401, "RepoNotFound", r"does not exist on .* or is private \(401\).*HF_TOKEN"),
    (401, "", r"does not accept the token .*HF_TOKEN"),
    (401, "GatedRepo", r"team/weights is gated. Accept its licence at .*HF_TOKEN"),
    (403, "GatedRepo", r"team/weights is gated. Accept its licence"),
    (403, "", r"forbids access to team/weights \(403\).*HF_TOKEN"),
    (404, "RepoNotFound", r"team/weights does not exist on"),
    (404, "RevisionNotFound", r"team/weights has no revision 'main'"),
    (404, "", r"does not know .* of team/weights .*\(404\)"),
    (429, "", r"limits the rate of requests \(429\). Wait"),
    (500, "", r"has a fault of its own \(500\). Try later"),
    (503, "", r"has a fault of its own \(503\). Try later"),
]


class TestRefusals:
    @pytest.mark.parametrize("kind", [API, RESOLVE])
    @pytest.mark.parametrize(("status", "code", "words"), REFUSALS)
    def test_own_words_at_once(
        self, hub: FakeHub, client: Callable, kind: str, status: int, code: str, words: str
    ) -> None:
        client(hub.url)
        hub.faults.status[kind] = (status, code)
        with Timer() as timer, pytest.raises(HubUnavailable, match=words):
            find_weights(REPO)
        assert timer.seconds < 2
        assert len(hub.of_kind(kind)) == 1  # asked once, no retries

    @pytest.mark.parametrize(("status", "words"), [(403, "forbids"), (429, "limits the rate"), (500, "fault of its")])
    def test_refused_by_the_cdn(self, hub: FakeHub, client: Callable, status: int, words: str) -> None:
        client(hub.url)
        hub.faults.status[CDN] = (status, "")
        with Timer() as timer, pytest.raises(HubUnavailable, match=f"http://localhost:.*{words}"):  # the CDN's name
            fetch_file(REPO, "pytorch_model.bin")
        assert timer.seconds < 2

    def test_unknown_repo_names_the_folder_too(self, hub: FakeHub, client: Callable) -> None:
        client(hub.url)
        with pytest.raises(HubUnavailable, match=r"my/folder does not exist .*\(No folder is at /.*my/folder either"):
            find_weights("my/folder")

    def test_unknown_revision(self, hub: FakeHub, client: Callable) -> None:
        client(hub.url)
        with pytest.raises(HubUnavailable, match="has no revision 'v9'"):
            find_weights(REPO, revision="v9")

    def test_repo_without_a_network(self, hub: FakeHub, client: Callable) -> None:
        client(hub.url)
        del hub.files["emage_vq/global/pytorch_model.bin"]
        with pytest.raises(
            HubUnavailable, match=r"has no emage_vq/global/model.safetensors or emage_vq/global/pytorch"
        ):
            find_weights(REPO)

    def test_unknown_file(self, hub: FakeHub, client: Callable) -> None:
        client(hub.url)
        with pytest.raises(HubUnavailable, match=r"there is no nothing.npz of team/weights at main"):
            fetch_file(REPO, "nothing.npz")

    @pytest.mark.parametrize(
        ("kind", "body"),
        [
            (API, b"<html>Welcome to the hotel's network</html>"),
            (API, b"\xff\xfe\x00\xd8"),
            (API, b"[1]"),
            (API, b"null"),
            (API, b'{"id": "a/b", "sha": "c0ffee", "siblings": [1]}'),
            (API, b'{"id": "a/b"}'),
            (RESOLVE, b"<html>Welcome to the hotel's network</html>"),
        ],
    )
    def test_sign_in_page(self, hub: FakeHub, client: Callable, kind: str, body: bytes) -> None:
        client(hub.url)
        hub.faults.body[kind] = body
        with pytest.raises(HubUnavailable, match=r"what answers at .* is not a Hub"):
            find_weights(REPO)

    @pytest.mark.parametrize("token", ["hf_sécret", "hf_\x07secret"])
    def test_token_that_cannot_be_sent(
        self, hub: FakeHub, client: Callable, monkeypatch: pytest.MonkeyPatch, token: str
    ) -> None:
        client(hub.url)
        monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(HubUnavailable, match="HF_TOKEN holds characters that no token has. Copy") as caught:
            find_weights(REPO)
        assert "cret" not in str(caught.value)
        assert not hub.of_kind(API)

    def test_token_file_that_is_no_text(self, hub: FakeHub, client: Callable) -> None:
        token = client(hub.url).parent / "token"
        token.parent.mkdir(parents=True)
        token.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(HubUnavailable, match=f"holds characters that no token has.*the token is in {token}"):
            find_weights(REPO)

    @pytest.mark.parametrize("repo_id", ["a b/c", "a/b/c", ""])
    def test_invalid_repo_id(self, client: Callable, repo_id: str) -> None:
        client(refused_port())
        with pytest.raises(HubUnavailable, match=f"'{repo_id}' is no valid repo id. Write it as"):
            fetch_file(repo_id, "config.json")

    def test_cached_copy_when_the_hub_refuses(self, hub: FakeHub, client: Callable) -> None:
        client(hub.url)
        find_weights(REPO)
        hub.faults.status = dict.fromkeys((API, RESOLVE), (500, ""))
        source = find_weights(REPO)
        assert_weights(source)
        assert "from the cache (http://127.0.0.1" in source.description
        assert fetch_file(REPO, "config.json").read_bytes() == hub.files["config.json"]


class TestUnreachable:
    def test_refused_port(self, client: Callable) -> None:
        client(refused_port())
        with Timer() as timer, pytest.raises(HubUnavailable, match=r"cannot be reached .*proxy.*HF_ENDPOINT"):
            find_weights(REPO)
        assert timer.seconds < 2

    @pytest.mark.parametrize("kind", [API, RESOLVE, CDN])
    def test_silent_server(self, hub: FakeHub, client: Callable, kind: str) -> None:
        client(hub.url)
        hub.faults.silent = {kind, "other"} if kind == API else {kind}
        host = "http://localhost" if kind == CDN else hub.url
        with Timer() as timer, pytest.raises(HubUnavailable, match=f"{host}.* did not answer within 4 s"):
            find_weights(REPO)
        assert timer.seconds < NOTICED_WITHIN_S

    def test_name_lookup_that_hangs(self, client: Callable, monkeypatch: pytest.MonkeyPatch, hang: Callable) -> None:
        client("http://hub.invalid")
        monkeypatch.setattr(hub_module, "ANSWER_SECONDS", 0.5)
        monkeypatch.setattr(socket, "getaddrinfo", hang)
        with Timer() as timer, pytest.raises(HubUnavailable, match=r"did not answer within 0.5 s"):
            find_weights(REPO)
        assert timer.seconds < 1.5

    @pytest.mark.parametrize("seconds", [1, 10, 30])  # 10 is huggingface_hub's default
    def test_user_sets_how_long_to_wait(
        self, hub: FakeHub, client: Callable, monkeypatch: pytest.MonkeyPatch, seconds: int
    ) -> None:
        client(hub.url)
        monkeypatch.setattr(hub_module, "ANSWER_SECONDS", 0.1)
        monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", str(seconds))
        hub.faults.delay_s[API] = 0.4
        assert_weights(find_weights(REPO))
        assert hub_module._answer_seconds() == seconds

    @pytest.mark.parametrize("text", ["-3", "0", "soon", "nan", "inf", "1e12"])
    def test_wait_that_is_no_number_of_seconds(
        self, hub: FakeHub, client: Callable, monkeypatch: pytest.MonkeyPatch, embedded: Path, text: str
    ) -> None:
        client(hub.url)
        monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", text)
        with pytest.raises(WeightsError, match=f"HF_HUB_ETAG_TIMEOUT is '{text}'. Set it to the seconds"):
            find_weights(embedded=embedded)
        assert not hub.seen

    @pytest.mark.parametrize(
        ("proxy", "words"),
        [("socks5://127.0.0.1:9", "socksio"), ("gopher://127.0.0.1:9", "gopher"), ("http://a:b:c", "port")],
    )
    def test_proxy_that_cannot_be_used(
        self, client: Callable, monkeypatch: pytest.MonkeyPatch, fresh_session: None, proxy: str, words: str
    ) -> None:
        client("http://hub.invalid")
        monkeypatch.setitem(sys.modules, "socksio", None)  # not installed
        monkeypatch.setenv("ALL_PROXY", proxy)
        with pytest.raises(
            HubUnavailable, match=f"the proxy that the environment names .*{words}.*Correct HTTPS_PROXY"
        ):
            find_weights(REPO)

    def test_cached_branch_when_the_hub_is_silent(self, hub: FakeHub, client: Callable) -> None:
        client(hub.url)
        find_weights(REPO)
        hub.faults.silent = {API, RESOLVE, "other"}
        with Timer() as timer:
            source = find_weights(REPO)
        assert timer.seconds < NOTICED_WITHIN_S
        assert_weights(source)
        assert "did not answer within 4 s" in source.description

    def test_offline(self, hub: FakeHub, client: Callable) -> None:
        client(hub.url, offline=True)
        with pytest.raises(HubUnavailable, match=r"HF_HUB_OFFLINE is set, and the cache in .* has not all of team"):
            find_weights(REPO)
        client(hub.url)
        find_weights(REPO)
        before = len(hub.seen)
        client(hub.url, offline=True)
        assert_weights(find_weights(REPO))
        assert fetch_file(REPO, "config.json").read_bytes() == hub.files["config.json"]
        assert len(hub.seen) == before

    def test_half_a_snapshot_is_none(self, hub: FakeHub, client: Callable) -> None:
        client(hub.url)
        fetch_file(REPO, "config.json")
        fetch_file(REPO, "pytorch_model.bin")
        client(hub.url, offline=True)
        with pytest.raises(HubUnavailable, match="has not all of"):
            find_weights(REPO)


class TestDefault:
    def test_published_weights(self, published: FakeHub, client: Callable, embedded: Path) -> None:
        client(published.url)
        source = find_weights(embedded=embedded)
        assert (source.kind, source.notice) == ("hub", None)
        assert_weights(source)

    @pytest.mark.parametrize(
        ("status", "code", "words"),
        [
            (401, "RepoNotFound", "private (401)"),
            (404, "RevisionNotFound", "has no revision"),
            (429, "", "limits the rate of requests (429)"),
            (503, "", "fault of its own (503)"),
        ],
    )
    def test_embedded_stand_in(
        self, published: FakeHub, client: Callable, embedded: Path, status: int, code: str, words: str
    ) -> None:
        client(published.url)
        published.faults.status[API] = (status, code)
        source = find_weights(embedded=embedded)
        assert source.kind == "embedded"
        start = "demo weights, trained on synthetic motion; the published weights could not be reached: "
        assert source.notice.startswith(start)
        assert words in source.notice
        assert_weights(source)

    def test_embedded_stand_in_without_network(self, client: Callable, embedded: Path) -> None:
        url = refused_port()
        client(url)
        assert f"{url} cannot be reached" in find_weights(embedded=embedded).notice

    def test_no_weights_at_all(self, client: Callable, tmp_path: Path) -> None:
        client(refused_port())
        for nowhere in (tmp_path / "demo", None):
            with pytest.raises(WeightsError) as caught:
                find_weights(embedded=nowhere)
            for word in (DEFAULT_REPO, "cannot be reached", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_TOKEN", "HF_HOME"):
                assert word in str(caught.value)
            assert f"hf download {DEFAULT_REPO} --revision {DEFAULT_REVISION} --local-dir" in str(caught.value)

    @pytest.mark.parametrize("named", [{"weights": DEFAULT_REPO}, {"weights": REPO}, {"revision": "main"}])
    def test_what_the_user_names_never_falls_back(self, client: Callable, embedded: Path, named: dict) -> None:
        client(refused_port())
        with pytest.raises(HubUnavailable, match="cannot be reached"):
            find_weights(embedded=embedded, **named)

    def test_damage_never_falls_back(self, published: FakeHub, client: Callable, embedded: Path) -> None:
        client(published.url)
        published.faults.wrong_bytes["config.json"] = b"!" * len(published.files["config.json"])
        with pytest.raises(WeightsError, match="truncated or altered"):
            find_weights(embedded=embedded)


DRIVER = """
import json, sys, time
from emage.errors import WeightsError
from emage.hub import find_weights, load_state
start = time.monotonic()
try:
    source = find_weights(sys.argv[1])
    total = sum(float(t.sum()) for folder in source.folders.values() for t in load_state(folder).values())
    answer = {"folder": str(source.folders["generator"]), "description": source.description, "total": total}
except WeightsError as error:
    answer = {"error": str(error)}
print(json.dumps(answer | {"seconds": time.monotonic() - start}))
"""


def start_process(url: str, home: Path, **env: str) -> subprocess.Popen:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGINGFACE"))}
    settings = clean | {"HF_ENDPOINT": url, "HF_HOME": str(home), "HOME": str(home.parent), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", DRIVER, REPO]
    settings["TQDM_POSITION"] = "-1"  # huggingface_hub's wish for progress bars without a terminal
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=settings | env, cwd=home.parent, stdout=pipe, stderr=pipe, text=True)


def finish(process: subprocess.Popen) -> tuple[dict, str]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return json.loads(out), err


class TestProcesses:
    def test_two_first_starts_then_starts_without_network(self, hub: FakeHub, tmp_path: Path) -> None:
        """The real environment variables, in fresh processes, two of which fill one cache at the same time."""
        home = tmp_path / "home" / "hf"
        home.parent.mkdir()
        hub.required_token = "hf_secret"
        hub.faults.pause_s = 0.05
        both = [start_process(hub.url, home, HF_TOKEN="hf_secret") for _ in range(2)]
        expected = sum(float(t.sum()) for network in NETWORK_FOLDERS for t in tensors(network).values())
        bars = ""
        for process in both:
            answer, err = finish(process)
            assert answer["total"] == expected
            assert str(home) in answer["folder"]
            bars += err
        assert "pytorch_model.bin: 100%" in bars  # each file by one of the two
        assert [path.name for path in home.parent.iterdir()] == ["hf"]  # nothing outside of HF_HOME
        assert not list(home.rglob("*.incomplete"))

        offline = start_process(hub.url, home, HF_HUB_OFFLINE="1")
        requests = len(hub.seen)
        assert finish(offline)[0]["total"] == expected
        assert len(hub.seen) == requests
        hub.stop()
        gone, empty = start_process(hub.url, home), start_process(hub.url, home.parent / "other")
        answer, _ = finish(gone)
        assert answer["total"] == expected
        assert "cannot be reached" in answer["description"]
        assert answer["seconds"] < NOTICED_WITHIN_S
        answer, _ = finish(empty)
        assert "cannot be reached" in answer["error"]
        assert answer["seconds"] < NOTICED_WITHIN_S


class TestLoading:
    def folder(self, root: Path, name: str, content: bytes) -> Path:
        return write_files(root, {name: content})

    def test_safetensors_is_preferred(self, tmp_path: Path) -> None:
        write_files(tmp_path, {"pytorch_model.bin": b"never read"})
        folder = self.folder(tmp_path, "model.safetensors", safetensors.torch.save({"a": torch.ones(2)}))
        assert torch.equal(load_state(folder)["a"], torch.ones(2))

    def test_wrapped_state(self, tmp_path: Path) -> None:
        wrapped = {"model_state": {"module.a": torch.ones(2), "module.b.module.c": torch.zeros(1)}}
        state = load_state(self.folder(tmp_path, "pytorch_model.bin", saved(wrapped)))
        assert sorted(state) == ["a", "b.module.c"]
        assert torch.equal(state["a"], torch.ones(2))

    def test_module_that_is_not_shared_is_kept(self, tmp_path: Path) -> None:
        state = {"module.a": torch.ones(2), "b": torch.zeros(1)}
        assert sorted(load_state(self.folder(tmp_path, "pytorch_model.bin", saved(state)))) == ["b", "module.a"]

    def test_format_of_old_torch(self, tmp_path: Path) -> None:
        torch.save({"a": torch.ones(2)}, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=False)
        assert torch.equal(load_state(tmp_path)["a"], torch.ones(2))

    def test_file_without_checksums(self, tmp_path: Path) -> None:
        torch.serialization.set_crc32_options(False)
        try:
            content = saved({"a": torch.ones(2)})
        finally:
            torch.serialization.set_crc32_options(True)
        assert torch.equal(load_state(self.folder(tmp_path, "pytorch_model.bin", content))["a"], torch.ones(2))

    @pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
    @pytest.mark.parametrize("keep", [0, 3, 60, 0.5, -1])
    def test_truncated(self, tmp_path: Path, name: str, keep: float) -> None:
        state = {"a": torch.arange(1000.0)}
        content = saved(state) if name.endswith("bin") else safetensors.torch.save(state)
        content = content[: int(len(content) * keep) if isinstance(keep, float) else keep]
        with pytest.raises(
            WeightsError, match=rf"{name} \({len(content):,} bytes\) cannot be used: .*Delete .*get it again"
        ):
            load_state(self.folder(tmp_path, name, content))

    @pytest.mark.parametrize("where", [0.1, 0.3, 0.5, 0.7])
    def test_altered_byte(self, tmp_path: Path, where: float) -> None:
        content = bytearray(saved({"a": torch.arange(5000.0)}))
        content[int(where * len(content))] ^= 4
        with pytest.raises(WeightsError, match=r"checksum of its record .* is wrong"):
            load_state(self.folder(tmp_path, "pytorch_model.bin", bytes(content)))

    def test_altered_file_of_old_torch(self, tmp_path: Path) -> None:
        torch.save({"a": torch.ones(50)}, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=False)
        content = (tmp_path / "pytorch_model.bin").read_bytes()
        for keep in (1, 20, 100, 250, len(content) - 8):
            (tmp_path / "pytorch_model.bin").write_bytes(content[:keep])
            with pytest.raises(WeightsError, match="torch cannot read it"):
                load_state(tmp_path)

    @pytest.mark.parametrize("as_zip", [False, True])
    def test_code_is_refused_and_not_run(self, tmp_path: Path, as_zip: bool) -> None:
        mark = tmp_path / "it-ran"

        class Evil:
            def __reduce__(self) -> tuple:
                return os.system, (f"touch {mark}",)

        content = saved({"a": Evil()}) if as_zip else pickle.dumps({"a": Evil()}, protocol=2)
        with pytest.raises(WeightsError, match=r"is refused: it asks for (posix|nt)\.system.*Nothing of it was run"):
            load_state(self.folder(tmp_path, "pytorch_model.bin", content))
        assert not mark.exists()
        torch_or_pickle = (lambda: torch.load(io.BytesIO(content), weights_only=False)) if as_zip else None
        (torch_or_pickle or (lambda: pickle.loads(content)))()
        assert mark.exists()  # the file was indeed dangerous

    def test_zip_that_claims_to_be_huge(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "pytorch_model.bin", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("model/data.pkl", b"\0" * 10_000_000)
        with pytest.raises(WeightsError, match="claim to be larger than the file"):
            load_state(tmp_path)

    @pytest.mark.parametrize(
        ("state", "words"),
        [
            ([torch.ones(1)], "no state dict but list"),
            ({}, "no state dict but nothing"),
            ({"a": 1.5}, "'a' is float, not a named tensor"),
            ({3: torch.ones(1)}, "3 is Tensor, not a named tensor"),
        ],
    )
    def test_not_a_state_dict(self, tmp_path: Path, state: object, words: str) -> None:
        with pytest.raises(WeightsError, match=words):
            load_state(self.folder(tmp_path, "pytorch_model.bin", saved(state)))

    def test_lfs_pointer(self, tmp_path: Path) -> None:
        pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
        with pytest.raises(WeightsError, match=r"is a Git LFS pointer.*git lfs pull"):
            load_state(self.folder(tmp_path, "model.safetensors", pointer))

    def test_no_weights(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsError, match=r"has no model.safetensors or pytorch_model.bin"):
            load_state(tmp_path)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "it is not JSON"),
            (b'{"a": ', "it is not JSON"),
            (b"\xff\xfe\x00", "it is not JSON"),
            (b"[1]", "holds a list where an object"),
        ],
    )
    def test_bad_config(self, tmp_path: Path, content: bytes, words: str) -> None:
        with pytest.raises(WeightsError, match=rf"config.json .*{words}"):
            load_config(self.folder(tmp_path, "config.json", content))

    def test_no_config(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsError, match=r"config.json is missing"):
            load_config(tmp_path)


def test_shared_checkpoint_through_the_hub(shared: Path, client: Callable) -> None:
    root = shared / "parity" / "checkpoint"
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with FakeHub(files, DEFAULT_REPO, DEFAULT_REVISION) as server:
        client(server.url)
        source = find_weights(embedded=None)
    assert source.kind == "hub"
    for network, folder in NETWORK_FOLDERS.items():
        state, original = load_state(source.folders[network]), load_state(root / folder)
        assert state.keys() == original.keys()
        assert all(torch.equal(state[key], original[key]) for key in original)
    assert len(load_state(source.folders["generator"])) == 608
