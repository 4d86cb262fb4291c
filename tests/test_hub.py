"""Weights from folders, the Hub (a loopback server, the real client) and the embedded default."""

import errno
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import safetensors.torch
import torch
from huggingface_hub import close_session, constants

from emage import download
from emage.body.face import FaceMapLoader
from emage.download import HubUnavailable, fetch_file
from emage.errors import Cancelled, WeightsError
from emage.hub import (
    DEFAULT_REPO,
    DEFAULT_REVISION,
    PAPER_REPO,
    STAGE_DOWNLOAD,
    WORDS_NEEDED,
    WORDS_UNUSED,
    WORDS_USED,
    WeightsSource,
    find_weights,
    need_of_words,
)
from emage.models.checkpoint import NETWORK_FOLDERS, WEIGHTS_NAMES, load_config, load_state
from emage.pipeline import EmagePipeline
from tests.conftest import REGRESSION, ROOT
from tests.fake_hub import API, CDN, COMMIT, RESOLVE, FakeHub, git_hash, sha256

REPO = "team/weights"
BIG = "emage_vq/global/pytorch_model.bin"
LOST = "the published weights could not be reached: "
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


def altered(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def assert_weights(source: WeightsSource) -> None:
    assert list(source.folders) == list(NETWORK_FOLDERS)
    for network, folder in source.folders.items():
        assert load_config(folder) == {"model_type": network}
        state = load_state(folder)
        assert state.keys() == tensors(network).keys()
        assert all(torch.equal(state[key], value) for key, value in tensors(network).items())


@contextmanager
def within(seconds: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds


def ask_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")


@pytest.fixture
def cache(monkeypatch, tmp_path) -> Path:
    """An empty cache of huggingface_hub, and no Hub.

    The environment variables are read when huggingface_hub is imported, so what they set is set here; that the
    variables themselves work is the business of the test with processes.
    """
    home = tmp_path / "hf"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.setattr(constants, "AGENT_HARNESSES_PATH", str(home / "harnesses.json"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for variable in ("HF_TOKEN", "HF_HUB_ETAG_TIMEOUT"):
        monkeypatch.delenv(variable, raising=False)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        ask_at(f"http://127.0.0.1:{probe.getsockname()[1]}", monkeypatch)
    return home / "hub"


@pytest.fixture
def hub(cache, monkeypatch) -> Iterator[FakeHub]:
    """A Hub that has a repo, and the default one at its pinned revision; it is the one that is asked."""
    with FakeHub({REPO: repo_files(), DEFAULT_REPO: repo_files()}) as server:
        server.revisions[DEFAULT_REVISION] = DEFAULT_REVISION
        ask_at(server.url, monkeypatch)
        yield server


@pytest.fixture
def embedded(tmp_path) -> Path:
    return write_files(tmp_path / "demo", repo_files())


def refuse_permission(*_: object, **__: object) -> None:
    raise PermissionError(errno.EACCES, "Permission denied", "some/file")


def test_folder(tmp_path, monkeypatch):
    source = find_weights(write_files(tmp_path, repo_files()))
    assert (source.kind, source.description, source.notice) == ("folder", str(tmp_path), None)
    assert source.folders["lower"] == tmp_path / "emage_vq/lower"
    assert_weights(source)
    with pytest.raises(WeightsError, match="only repos on the Hub have revisions"):
        find_weights(tmp_path, revision="main")
    monkeypatch.chdir(tmp_path)
    assert find_weights(".").kind == "folder"
    (tmp_path / "emage_vq/lower/pytorch_model.bin").unlink()
    (tmp_path / "emage_vq/hands/config.json").unlink()
    with pytest.raises(WeightsError, match=r"emage_vq/hands/config.json.*emage_vq/lower/model.safetensors or"):
        find_weights(str(tmp_path))


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (Path(__file__), "is a file. Give the folder"),
        ("", r"empty text. Name a folder \('.' for the current one\)"),
        *((name, "neither a folder .* nor a repo id") for name in ("nowhere", "a/b/c", Path("a/b"), "team/we ights")),
        *((name, "looked into: .*Correct the path") for name in ("~no-such-user/x", "x" * 300)),
    ],
)
def test_neither_folder_nor_repo(cache, weights, words):
    with pytest.raises(WeightsError, match=words) as caught:
        find_weights(weights)
    assert not isinstance(caught.value, HubUnavailable)


def test_folder_that_must_not_be_looked_into(tmp_path, monkeypatch):
    write_files(tmp_path, repo_files())
    monkeypatch.setattr(Path, "is_file", refuse_permission)
    for load in (find_weights, load_state):
        with pytest.raises(WeightsError, match=r"cannot be looked into: Permission denied.*the right to read"):
            load(tmp_path)


def test_demo_names_the_embedded(embedded):
    source = find_weights("demo", embedded=embedded)
    assert (source.kind, source.notice) == ("embedded", None)
    assert_weights(source)
    with pytest.raises(WeightsError, match="no embedded weights in"):
        find_weights("demo", embedded=embedded / "not-there")


def test_first_download_and_no_second(hub, cache):
    source = find_weights(REPO)
    assert (source.kind, source.notice, source.description) == ("hub", None, f"{REPO} at {COMMIT[:8]}")
    assert_weights(source)
    assert all(cache in folder.parents for folder in source.folders.values())
    got = {seen.path.removeprefix(f"/cdn/{REPO}/-/") for seen in hub.of_kind(CDN)}
    assert "emage_vq/face/model.safetensors" in got
    assert "emage_vq/face/pytorch_model.bin" not in got  # safetensors is preferred, the other not downloaded
    assert len(got) == 6
    before = len(hub.seen)
    assert_weights(find_weights(REPO))
    assert {seen.kind for seen in hub.seen[before:]} == {API}
    before = len(hub.seen)
    assert_weights(find_weights(REPO, revision=COMMIT))  # a commit needs no network again
    assert len(hub.seen) == before


def test_named_revision_and_a_new_commit_of_it(hub):
    hub.revisions["refs/pr/1"] = COMMIT
    assert_weights(find_weights(REPO, revision="refs/pr/1"))
    newer = "beef" + "0" * 36
    hub.revisions |= {"refs/pr/1": newer, newer: newer}
    hub.repos[REPO]["pytorch_model.bin"] = saved({"a": torch.ones(1)})
    assert find_weights(REPO, revision="refs/pr/1").description == f"{REPO} at beef0000"
    hub.stop()
    source = find_weights(REPO, revision="refs/pr/1")
    assert source.description.startswith(f"{REPO} at refs/pr/1, from the cache ({hub.url} cannot be reached")
    assert list(load_state(source.folders["generator"])) == ["a"]


def test_token_goes_to_the_hub_only(hub, monkeypatch):
    hub.required_token = "hf_secret"
    with pytest.raises(HubUnavailable, match=r"does not exist on .* or is private .*HF_TOKEN"):
        find_weights(REPO)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert_weights(find_weights(REPO))
    assert hub.of_kind(CDN)
    assert not any("authorization" in seen.headers for seen in hub.of_kind(CDN))


def test_cut_connection_is_resumed(hub, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 50_000)  # what is kept of a cut download are whole chunks
    hub.repos[REPO]["big.npz"] = content = os.urandom(300_000)
    hub.faults.cut_after, hub.faults.cuts = 100_000, 1
    assert fetch_file(REPO, "big.npz").read_bytes() == content
    ranges = [seen.headers.get("range") for seen in hub.of_kind(CDN, "GET")]
    assert ranges == ["bytes=0-0", None, "bytes=100000-"]


def test_cut_for_good_then_next_start_goes_on(hub, cache, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    hub.faults.cut_after, hub.faults.cuts = 500, 1000  # configs pass, weights do not
    with pytest.raises(HubUnavailable, match=r"broke off the download .*What came whole is kept"):
        find_weights(REPO)
    assert not list(cache.rglob("*.incomplete"))
    whole = [name for name, content in hub.repos[REPO].items() if list(cache.rglob(f"blobs/{git_hash(content)}"))]
    assert whole
    hub.faults.cuts = 0
    before = len(hub.seen)
    assert_weights(find_weights(REPO))
    assert not {f"/{REPO}/resolve/{COMMIT}/{name}" for name in whole} & {seen.path for seen in hub.seen[before:]}


def test_progress_and_cancelling(hub, cache, monkeypatch):
    """What `progress` raises ends the download, and the next one goes on; a slow one is not cut."""
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    monkeypatch.setattr(download, "ANSWER_SECONDS", 0.5)
    hub.repos[REPO][BIG] = saved(tensors("global") | {"more": torch.zeros(50_000)})
    hub.faults.chunk, hub.faults.pause_s = 10_000, 0.05  # a second for all
    calls = []

    def cancel(*call: object) -> None:
        calls.append(call)
        if call[1] > call[2] // 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        find_weights(REPO, progress=cancel)
    for thread in threading.enumerate():
        if thread.name == "hub":
            thread.join(5)
            assert not thread.is_alive()
    blob = sha256(hub.repos[REPO][BIG])
    assert blob not in {path.name for path in cache.rglob("blobs/*")}
    source = find_weights(REPO, progress=lambda *call: calls.append(call))
    assert len(load_state(source.folders["global"])["more"]) == 50_000
    assert {stage for stage, _, _ in calls} == {STAGE_DOWNLOAD}
    assert any(0 < done < total for _, done, total in calls)
    assert calls[0][2] > calls[-1][2]  # what was whole does not come again
    assert calls[-1][1] == calls[-1][2] >= len(hub.repos[REPO][BIG])


def test_pipeline_from_the_hub(hub):
    files = {str(path.relative_to(REGRESSION)): path for path in REGRESSION.rglob("*") if path.suffix != ".py"}
    hub.repos["team/tiny"] = {name: path.read_bytes() for name, path in files.items() if path.is_file()}
    hub.repos["team/tiny"]["sampling.json"] = b'{"guidance": 0.25}'
    calls = []
    pipe = EmagePipeline.from_pretrained(
        "team/tiny", face_maps=FaceMapLoader(), progress=lambda *call: calls.append(call)
    )
    assert pipe.source.description == f"team/tiny at {COMMIT[:8]}"
    assert pipe.sampling.guidance == 0.25
    assert calls[-1][0] == STAGE_DOWNLOAD
    assert calls[-1][1] == calls[-1][2] > 100_000


def test_cache_that_cannot_be_used(hub, cache, monkeypatch):
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the cache's folder should be")
    for words in ("Not a directory", "Permission denied"):
        with pytest.raises(WeightsError, match=rf"team/weights at .* the cache in {cache}: {words}.*HF_HOME") as caught:
            fetch_file(REPO, "config.json", revision=COMMIT)
        assert not isinstance(caught.value, HubUnavailable)
        monkeypatch.setattr(download, "try_to_load_from_cache", refuse_permission)


@pytest.mark.parametrize(
    ("name", "kind", "digest"), [("pytorch_model.bin", "sha256", sha256), ("config.json", "git hash", git_hash)]
)
def test_wrong_bytes_of_the_right_size(hub, cache, embedded, name, kind, digest):
    good = hub.repos[DEFAULT_REPO][name]
    hub.faults.wrong_bytes[name] = bad = altered(good)
    words = f"^{name} of {DEFAULT_REPO} at b04466b8 is truncated or altered: expected {kind} {digest(good)}, "
    with pytest.raises(WeightsError, match=f"{words}found {kind} {digest(bad)}") as caught:
        find_weights(embedded=embedded)  # which do not stand in for something damaged
    assert not isinstance(caught.value, HubUnavailable)
    assert not [path for path in cache.rglob("*") if path.is_file() and path.read_bytes() == bad]
    hub.faults.wrong_bytes.clear()
    assert_weights(find_weights())


def test_truncated_on_the_server(hub):
    hub.faults.wrong_bytes["pytorch_model.bin"] = hub.repos[REPO]["pytorch_model.bin"][:-10]
    with pytest.raises(WeightsError, match="broke off the download .*size"):
        find_weights(REPO)


@pytest.mark.parametrize("is_offline", [False, True])
@pytest.mark.parametrize("name", ["pytorch_model.bin", "emage_vq/upper/config.json"])
@pytest.mark.parametrize("damage", [altered, lambda content: content[:-5]])
def test_damaged_in_the_cache(hub, monkeypatch, name, is_offline, damage):
    path = find_weights().folders["generator"] / name
    path.write_bytes(damage(path.read_bytes()))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", is_offline)
    with pytest.raises(WeightsError, match=f"{name} of .* truncated or altered: expected .*has been removed"):
        find_weights()
    assert not path.exists()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert_weights(find_weights())


def test_damaged_in_a_cache_without_symbolic_links(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    path = find_weights(REPO).folders["upper"] / "pytorch_model.bin"
    assert not path.is_symlink()
    path.write_bytes(altered(path.read_bytes()))
    with pytest.raises(WeightsError, match=r"upper/pytorch_model.bin of .* truncated or altered: expected sha256"):
        find_weights(REPO)
    assert_weights(find_weights(REPO))


def test_pinned_file_of_a_data_set(hub):
    hub.repos["datasets/team/tools"] = {"faces.npy": b"numbers"}
    other, pinned = ({"repo_type": "dataset", "sha256": sha256(content)} for content in (b"other", b"numbers"))
    with pytest.raises(WeightsError, match=f"faces.npy of team/tools .* altered: expected sha256 {sha256(b'other')}"):
        fetch_file("team/tools", "faces.npy", **other)
    path = fetch_file("team/tools", "faces.npy", **pinned)
    assert path.read_bytes() == b"numbers"
    before = len(hub.seen)
    assert fetch_file("team/tools", "faces.npy", **pinned) == path
    assert len(hub.seen) == before  # needs no network again
    with pytest.raises(HubUnavailable, match="team/tools does not exist"):
        fetch_file("team/tools", "faces.npy")  # of that name there is a data set only
    path.write_bytes(b"numbars")
    with pytest.raises(WeightsError, match="faces.npy of .* truncated or altered"):
        fetch_file("team/tools", "faces.npy", **pinned)


@pytest.mark.parametrize("kind", [API, RESOLVE, CDN])
@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, "RepoNotFound", r"does not exist on .* or is private \(401\).*HF_TOKEN"),
        (401, "", r"does not accept the token .*HF_TOKEN"),
        (403, "GatedRepo", r"team/weights is gated. Accept its licence at .*HF_TOKEN"),
        (403, "", r"forbids access to team/weights \(403\).*HF_TOKEN"),
        (404, "RevisionNotFound", r"team/weights has no revision 'main'"),
        (404, "", r"does not know team/weights at main \(404\)"),
        (429, "", r"limits the rate of requests \(429\). Wait"),
        (503, "", r"has a fault of its own \(503\). Try later"),
    ],
)
def test_refusals_in_own_words_at_once(hub, kind, status, code, words):
    hub.faults.status[kind] = (status, code)
    host = "http://localhost:.*" if kind == CDN and not code else ""
    with within(NOTICED_WITHIN_S), pytest.raises(HubUnavailable, match=host + words):
        find_weights(REPO)
    assert len(hub.of_kind(kind)) == 1  # asked once, no retries


def test_what_a_repo_has_not(hub):
    with pytest.raises(HubUnavailable, match=r"my/folder does not exist .*\(No folder is at /.*my/folder either"):
        find_weights("my/folder")
    with pytest.raises(HubUnavailable, match="has no revision 'v9'"):
        find_weights(REPO, revision="v9")
    with pytest.raises(HubUnavailable, match=r"team/weights at c0ffee00 has no nothing.npz"):
        fetch_file(REPO, "nothing.npz")
    del hub.repos[REPO][BIG]
    with pytest.raises(HubUnavailable, match=f"has no emage_vq/global/model.safetensors or {BIG}"):
        find_weights(REPO)


@pytest.mark.parametrize("repo_id", ["a b/c", "a/b/c", ""])
def test_invalid_repo_id(cache, repo_id):
    with pytest.raises(HubUnavailable, match=f"'{repo_id}' is no valid repo id. Write it as"):
        fetch_file(repo_id, "config.json")


@pytest.mark.parametrize(
    "body",
    [
        *(b"<html>Welcome to the hotel's network</html>", b"\xff\xfe\x00", b"[1]", b"null", b'{"id": "a/b"}'),
        b'{"id": "a/b", "sha": "%s", "siblings": [1]}' % COMMIT.encode(),
    ],
)
def test_sign_in_page(hub, body):
    hub.faults.body[API] = body
    with pytest.raises(HubUnavailable, match=r"what answers at .* is not a Hub"):
        find_weights(REPO)


@pytest.mark.parametrize("token", [b"hf_s\xc3\xa9cret", b"hf_\x07secret", b"\xff\xfesecret"])
def test_token_that_cannot_be_sent(hub, cache, token):
    cache.parent.mkdir()
    (cache.parent / "token").write_bytes(token)
    with pytest.raises(HubUnavailable, match="characters that no token has. Copy.* token is in .*/token") as caught:
        find_weights(REPO)
    assert "cret" not in str(caught.value)
    assert not hub.of_kind(API)


def test_refused_port(cache):
    with within(NOTICED_WITHIN_S), pytest.raises(HubUnavailable, match=r"cannot be reached .*proxy.*HF_ENDPOINT"):
        find_weights(REPO)


@pytest.mark.parametrize("kind", [API, RESOLVE, CDN])
def test_silent_hub(hub, monkeypatch, kind):
    monkeypatch.setattr(download, "ANSWER_SECONDS", 0.8)
    hub.faults.silent = {kind}
    with within(NOTICED_WITHIN_S), pytest.raises(HubUnavailable, match=f"{hub.url}.* did not answer within 0.8 s"):
        find_weights(REPO)


def test_cached_branch_when_the_hub_does_not_serve(hub):
    find_weights(REPO)
    hub.faults.status = dict.fromkeys((API, RESOLVE), (500, ""))
    source = find_weights(REPO)
    assert_weights(source)
    assert f"from the cache ({hub.url} has a fault of its own (500))" in source.description
    assert fetch_file(REPO, "config.json").read_bytes() == hub.repos[REPO]["config.json"]
    hub.faults.silent = {API, RESOLVE, "other"}
    with within(NOTICED_WITHIN_S):
        source = find_weights(REPO)
    assert_weights(source)
    assert "did not answer within 4 s" in source.description


def test_name_lookup_that_hangs(cache, monkeypatch):
    ask_at("http://hub.invalid", monkeypatch)
    monkeypatch.setattr(download, "ANSWER_SECONDS", 0.5)
    is_over = threading.Event()

    def hang(*_: object, **__: object) -> None:
        is_over.wait(60)
        raise OSError("the test is over")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with within(NOTICED_WITHIN_S), pytest.raises(HubUnavailable, match=r"did not answer within 0.5 s"):
        find_weights(REPO)
    is_over.set()


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "gopher://127.0.0.1:9", "http://a:b:c"])
def test_proxy_that_cannot_be_used(cache, monkeypatch, proxy):
    close_session()  # the client reads the proxies of the environment when it is made
    monkeypatch.setitem(sys.modules, "socksio", None)  # not installed
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(HubUnavailable, match=r"(?i)cannot be reached \(.*(proxy|port).*HTTPS_PROXY"):
        find_weights(REPO)
    close_session()


def test_offline(hub, monkeypatch):
    fetch_file(REPO, "config.json")
    fetch_file(REPO, "pytorch_model.bin")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnavailable, match=r"HF_HUB_OFFLINE is set, and the cache in .* has not all of team"):
        find_weights(REPO)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    find_weights(REPO)
    before = len(hub.seen)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert_weights(find_weights(REPO))
    assert fetch_file(REPO, "config.json").read_bytes() == hub.repos[REPO]["config.json"]
    assert len(hub.seen) == before


def test_published_weights(hub, embedded):
    source = find_weights(embedded=embedded)
    assert (source.kind, source.notice) == ("hub", None)
    assert source.description == f"{DEFAULT_REPO} at {DEFAULT_REVISION[:8]}"  # not what "main" is
    assert_weights(source)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(401, "RepoNotFound", "private (401)"), (429, "", "limits the rate"), (503, "", "fault of its own (503)")],
)
def test_embedded_stand_in(hub, embedded, status, code, words):
    hub.faults.status[API] = (status, code)
    source = find_weights(embedded=embedded)
    assert source.kind == "embedded"
    assert source.notice.startswith("demo weights, trained on synthetic motion; " + LOST)
    assert words in source.notice
    assert_weights(source)


def test_default_without_a_network(cache, embedded):
    assert f"{LOST}{constants.ENDPOINT} cannot be reached" in find_weights(embedded=embedded).notice
    for named in ({"weights": DEFAULT_REPO}, {"weights": REPO}, {"revision": "main"}):  # never replaced
        with pytest.raises(HubUnavailable, match="cannot be reached"):
            find_weights(embedded=embedded, **named)
    for nowhere in (embedded / "not-there", None):
        with pytest.raises(WeightsError) as caught:
            find_weights(embedded=nowhere)
        for word in (DEFAULT_REPO, "cannot be reached", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_TOKEN", "HF_HOME"):
            assert word in str(caught.value)
        assert f"hf download {DEFAULT_REPO} --revision {DEFAULT_REVISION} --local-dir" in str(caught.value)


DRIVER = """
import json, sys, time
from emage.hub import find_weights
begun = time.monotonic()
source = find_weights(sys.argv[1])
configs = [json.loads((folder / "config.json").read_text())["model_type"] for folder in source.folders.values()]
print(json.dumps([configs, str(source.folders["generator"]), source.description, time.monotonic() - begun]))
"""


def test_environment_variables_in_fresh_processes(hub, tmp_path):
    """Two first starts fill one cache at the same time; then two starts without a network."""
    home = tmp_path / "home" / "hf"
    home.parent.mkdir()
    unset = ("HF_", "HUGGINGFACE")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(unset)}
    clean |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HOME": str(home.parent), "PYTHONPATH": str(ROOT)}

    def start(**env: str) -> subprocess.Popen:
        pipe, command = subprocess.PIPE, [sys.executable, "-c", DRIVER, REPO]
        return subprocess.Popen(command, env=clean | env, cwd=home.parent, stdout=pipe, stderr=pipe, text=True)

    def finish(process: subprocess.Popen) -> tuple[str, float]:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        configs, folder, description, seconds = json.loads(out)
        assert configs == list(NETWORK_FOLDERS)
        assert str(home) in folder
        return description, seconds

    hub.required_token = "hf_secret"
    hub.faults.pause_s = 0.05
    for process in [start(HF_TOKEN="hf_secret") for _ in range(2)]:
        assert finish(process)[0] == f"{REPO} at {COMMIT[:8]}"
    assert [path.name for path in home.parent.iterdir()] == ["hf"]  # nothing outside of HF_HOME
    assert not list(home.rglob("*.incomplete"))

    hub.faults.silent = {API, RESOLVE, "other"}
    offline, silent = start(HF_HUB_OFFLINE="1"), start(HF_HUB_ETAG_TIMEOUT="1")
    assert "HF_HUB_OFFLINE is set" in finish(offline)[0]
    description, seconds = finish(silent)
    assert "did not answer within 1 s" in description
    assert seconds < NOTICED_WITHIN_S


def test_what_a_transcript_is_to_weights_is_known_without_loading_them(tmp_path):
    assert need_of_words(DEFAULT_REPO) == WORDS_UNUSED
    assert need_of_words(PAPER_REPO) == WORDS_NEEDED
    assert need_of_words(REPO) is None
    assert need_of_words(REGRESSION) == WORDS_UNUSED
    for config, need in (
        ({"vocabulary": 9}, WORDS_NEEDED),
        ({"vocabulary": 9, "waveform": True}, WORDS_USED),
        ({"waveform": True}, WORDS_UNUSED),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / WEIGHTS_NAMES[0]).write_bytes(b"not looked into")
        assert need_of_words(tmp_path) == need
    (tmp_path / "config.json").write_text("[")
    assert need_of_words(tmp_path) is None
