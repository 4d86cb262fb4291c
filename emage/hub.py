"""Where weights come from: a folder, the Hugging Face Hub or the embedded default; and their safe loading.

Downloads, resuming, locks, progress bars and the cache are huggingface_hub's, with all its environment variables
(`HF_HOME`, `HF_ENDPOINT`, `HF_HUB_OFFLINE`, `HF_TOKEN`, ...). Three things are added here:

- Waiting. A commit that the cache holds whole needs no network. Otherwise every question to the Hub must be answered
  within `ANSWER_SECONDS`, looking up its name included, before huggingface_hub (which retries for minutes) may start
  on a file. `HF_HUB_ETAG_TIMEOUT` changes that limit. A download that has begun may be as slow as it likes; where it
  stalls or is cut, huggingface_hub goes on from there, up to about a minute without a byte.
- Checking. Every file from the Hub is compared with its hash each time it is asked for, just downloaded or long in
  the cache: the sha256 (large files) or git hash (small files) that the Hub lists for it, or without the network the
  name of its blob in the cache, which is that hash. That costs about a second a gigabyte and leaves no altered file
  unnoticed. (A cache without symbolic links has no such names: there the hash is checked while the Hub answers.)
  What fails is removed from the cache, so that the next try downloads it again.
- Loading. Nothing from a weights file is executed, and a file is loaded whole or not at all.
"""

import hashlib
import json
import os
import queue
import re
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn, TypeVar
from urllib.parse import urlsplit

import httpx2
import safetensors.torch
import torch
from huggingface_hub import (
    HfApi,
    constants,
    get_hf_file_metadata,
    get_session,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import HfFileMetadata
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, validate_repo_id

from emage.errors import WeightsError

DEFAULT_REPO = "H-Liu1997/emage_audio"
DEFAULT_REVISION = "b04466b83bdebd656844a2c416797d3131e34ede"
EMBEDDED_DIR = Path(__file__).resolve().parent.parent / "assets" / "demo"
EMBEDDED_NAME = "demo"
"""What a user says instead of a folder or repo id to get the embedded weights."""

NETWORK_FOLDERS: dict[str, str] = {
    "generator": ".",
    "face": "emage_vq/face",
    "upper": "emage_vq/upper",
    "hands": "emage_vq/hands",
    "lower": "emage_vq/lower",
    "global": "emage_vq/global",
}
"""Where each network's config and weights lie, in a folder as in a repo."""

CONFIG_NAME = "config.json"
WEIGHTS_NAMES = ("model.safetensors", "pytorch_model.bin")
"""In the order of preference."""

ANSWER_SECONDS = 4.0
"""How long the Hub may take to answer one question, unless `HF_HUB_ETAG_TIMEOUT` says otherwise."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_REPO_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_NETWORK_REMEDY = (
    "Check the network and the proxy (HTTPS_PROXY), name a mirror in HF_ENDPOINT, allow a slow network more time with "
    "HF_HUB_ETAG_TIMEOUT (seconds), or download on another machine and give the folder."
)

_NOT_A_HUB = (FileMetadataError, ValueError, KeyError, TypeError, AttributeError)
"""What huggingface_hub raises for an answer that is no JSON, or not the Hub's."""

_QUESTION_FAULTS = (httpx2.HTTPError, httpx2.InvalidURL, OSError, *_NOT_A_HUB)
"""What a question to the Hub raises for faults of the network, of HF_ENDPOINT or of what answers there."""

_LONGEST_ANSWER_SECONDS = 86400.0

T = TypeVar("T")


class HubUnavailable(WeightsError):
    """The Hub cannot be reached, refuses, or has not got what was asked: the `reason`, and the `remedy`."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}. {remedy}")
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True)
class WeightsSource:
    """The six networks' folders, and where they come from.

    Attributes:
        kind: "folder", "hub" or "embedded".
        description: for people, such as "H-Liu1997/emage_audio at b04466b8".
        folders: network name (the keys of `NETWORK_FOLDERS`) to a folder with config and weights.
        notice: what must be shown with every result when the embedded weights had to stand in, else None.
    """

    kind: str
    description: str
    folders: dict[str, Path]
    notice: str | None = None


@dataclass(frozen=True)
class _HubFile:
    """A file of a repo as it is asked for, and what is known of its content."""

    repo_id: str
    filename: str
    revision: str
    repo_type: str = "model"
    size: int | None = None
    digest: str | None = None  # 64 hex digits: sha256; 40: git's blob hash

    def __str__(self) -> str:
        return f"{self.filename} of {_repo_name(self.repo_id, self.revision)}"


# ---------------------------------------------------------------------------------------------------------------------
# Finding weights
# ---------------------------------------------------------------------------------------------------------------------


def find_weights(
    weights: str | Path | None = None, revision: str | None = None, embedded: Path | None = EMBEDDED_DIR
) -> WeightsSource:
    """Find the weights to use, downloading them where needed.

    What the user names is taken or refused, never replaced by something else. When nothing is named: the published
    weights at their pinned revision, and when the Hub does not give them, the embedded ones with a notice.

    Args:
        weights: a folder, a repo id such as "H-Liu1997/emage_audio", "demo" for the embedded weights, or None.
        revision: a branch, tag or commit of the repo. The published weights are pinned to `DEFAULT_REVISION`, other
            repos follow "main".
        embedded: the folder of the embedded weights; None for none.

    Raises:
        HubUnavailable: the Hub cannot be reached, refuses (401, 403, 429, 5xx) or lacks repo, revision or file.
        WeightsError: neither folder nor repo id, a folder that is incomplete or must not be looked into, a damaged
            file, a cache that cannot be read or written, an HF_HUB_ETAG_TIMEOUT that is no number of seconds, or no
            weights to be had at all.
    """
    if weights is None:
        return _default_weights(revision, embedded)
    path, exists = _probe(weights)
    is_embedded = weights == EMBEDDED_NAME
    if (is_embedded or exists) and revision is not None:
        raise WeightsError(f"Revision '{revision}' makes no sense for {weights}: only repos on the Hub have revisions.")
    if is_embedded:
        return _embedded_weights(embedded, notice=None)
    if exists:
        return WeightsSource("folder", str(path), _complete_folders(path))
    if not isinstance(weights, str) or not _is_repo_id(weights):
        raise WeightsError(
            f"'{weights}' is neither a folder (nothing is at {path.absolute()}) nor a repo id on the Hub (such as "
            f"'{DEFAULT_REPO}'). Correct the path, or give a repo id, or '{EMBEDDED_NAME}' for the embedded weights."
        )
    try:
        return _hub_weights(weights, revision or (DEFAULT_REVISION if weights == DEFAULT_REPO else "main"))
    except HubUnavailable as error:
        raise HubUnavailable(error.reason, f"{error.remedy} (No folder is at {path.absolute()} either.)") from error


def fetch_file(
    repo_id: str, filename: str, revision: str | None = None, repo_type: str = "model", sha256: str | None = None
) -> Path:
    """One file of a repo on the Hub, from the cache or downloaded into it, its hash checked.

    Args:
        repo_id: such as "H-Liu1997/emage_evaltools".
        filename: path inside the repo, with forward slashes.
        revision: branch, tag or commit; "main" by default. The cache's copy is used when the Hub cannot be asked.
        repo_type: "model", "dataset" or "space".
        sha256: what the file must be, 64 hex digits. It is then as good as a commit: the cache's copy is used unasked.

    Raises:
        HubUnavailable: as `find_weights`, when the cache does not have the file either.
        WeightsError: the file is damaged, the cache cannot be read or written, or HF_HUB_ETAG_TIMEOUT is no number of
            seconds.
    """
    if not _is_valid_id(repo_id):
        raise HubUnavailable(f"'{repo_id}' is no valid repo id", "Write it as 'owner/name'.")
    file = _HubFile(repo_id, filename, revision or "main", repo_type, digest=sha256)
    if (cached := _cached(file)) and (sha256 is not None or _COMMIT.fullmatch(file.revision)):
        return _verified(cached, file)
    try:
        metadata = _head(file)
    except HubUnavailable:
        if cached is None:
            raise
        return _verified(cached, file)
    return _download(file, metadata)


def _probe(weights: str | Path) -> tuple[Path, bool]:
    """The path that `weights` is if it is one, and whether anything is there."""
    if weights == "":
        raise WeightsError(
            "The weights are given as an empty text. Name a folder ('.' for the current one) or a repo id (such as "
            f"'{DEFAULT_REPO}'), or leave them out for the default."
        )
    try:
        path = Path(weights).expanduser()
        return path, path.exists()
    except (OSError, RuntimeError) as error:
        raise _unreadable(f"'{weights}'", error) from error


def _unreadable(what: str, error: OSError | RuntimeError) -> WeightsError:
    reason = getattr(error, "strerror", None) or error
    return WeightsError(
        f"{what} cannot be looked into: {reason}. Correct the path, or get the right to read it and the folders above."
    )


def _default_weights(revision: str | None, embedded: Path | None) -> WeightsSource:
    try:
        return _hub_weights(DEFAULT_REPO, revision or DEFAULT_REVISION)
    except HubUnavailable as error:
        if revision is not None:
            raise
        if embedded is None or not embedded.is_dir():
            raise _no_weights_at_all(error.reason, embedded) from error
        notice = (
            "demo weights, trained on synthetic motion; the published weights could not be reached: " + error.reason
        )
        return _embedded_weights(embedded, notice)


def _embedded_weights(embedded: Path | None, notice: str | None) -> WeightsSource:
    if embedded is None or not embedded.is_dir():
        raise WeightsError(
            f"There are no embedded weights in {embedded or EMBEDDED_DIR}. Give a folder or a repo id, or nothing for "
            f"the published weights ({DEFAULT_REPO})."
        )
    return WeightsSource("embedded", f"embedded demo weights ({embedded})", _complete_folders(embedded), notice)


def _no_weights_at_all(reason: str, embedded: Path | None) -> WeightsError:
    return WeightsError(
        f"There are no weights to work with. The published weights, {DEFAULT_REPO}, could not be had: {reason}. Nor "
        f"are demo weights embedded in {embedded or EMBEDDED_DIR}. One of these helps:\n"
        f"- let this machine reach {constants.ENDPOINT} (a proxy in HTTPS_PROXY, a mirror in HF_ENDPOINT, more "
        "patience in HF_HUB_ETAG_TIMEOUT), and unset HF_HUB_OFFLINE;\n"
        f"- on a machine with network run `hf download {DEFAULT_REPO} --revision {DEFAULT_REVISION} --local-dir "
        "emage_audio`, copy that folder here and give it as the weights;\n"
        f"- copy the Hub's cache from such a machine to {constants.HF_HUB_CACHE} (HF_HOME moves it);\n"
        "- put a token in HF_TOKEN if the Hub asks for one, or limits the rate."
    )


def _complete_folders(root: Path) -> dict[str, Path]:
    try:
        is_folder, missing = root.is_dir(), _missing_files(root)
    except OSError as error:
        raise _unreadable(str(root), error) from error
    if not is_folder:
        raise WeightsError(f"{root} is a file. Give the folder that holds {CONFIG_NAME}, the weights and emage_vq/.")
    if missing:
        raise WeightsError(
            f"{root} is not a complete set of weights. Missing: {', '.join(missing)}. It must be laid out as the repo "
            f"{DEFAULT_REPO}; `hf download {DEFAULT_REPO} --local-dir FOLDER` makes such a folder."
        )
    return {network: root / folder for network, folder in NETWORK_FOLDERS.items()}


def _missing_files(root: Path) -> list[str]:
    missing = []
    for folder in NETWORK_FOLDERS.values():
        for names in ((CONFIG_NAME,), WEIGHTS_NAMES):
            if not any((root / folder / name).is_file() for name in names):
                missing.append(_join(folder, " or ".join(names)))
    return missing


# ---------------------------------------------------------------------------------------------------------------------
# The Hub
# ---------------------------------------------------------------------------------------------------------------------


def _hub_weights(repo_id: str, revision: str) -> WeightsSource:
    if _COMMIT.fullmatch(revision) and (folders := _cached_folders(repo_id, revision)):
        return WeightsSource("hub", _repo_name(repo_id, revision), folders)
    try:
        commit, files = _list_files(repo_id, revision)
    except HubUnavailable as error:
        if folders := _cached_folders(repo_id, revision):
            description = f"{_repo_name(repo_id, revision)}, from the cache ({error.reason})"
            return WeightsSource("hub", description, folders)
        raise
    if revision != commit:
        # Lets the cache know which commit the name stands for, so that it can be found without the network.
        fetch_file(repo_id, CONFIG_NAME, revision)
    folders = {}
    for network, folder in NETWORK_FOLDERS.items():
        for names in ((CONFIG_NAME,), WEIGHTS_NAMES):
            file = _choose(repo_id, commit, folder, names, files)
            path = _cached(file)
            path = _verified(path, file) if path else _download(file, _head(file))
        folders[network] = path.parent
    return WeightsSource("hub", _repo_name(repo_id, commit), folders)


def _list_files(repo_id: str, revision: str) -> tuple[str, dict[str, _HubFile]]:
    """Ask the Hub for the commit that `revision` is, and for all files there by name."""
    seconds = _answer_seconds()
    api = HfApi(library_name="emage")
    asked = _HubFile(repo_id, CONFIG_NAME, revision)
    info = _ask(lambda: api.model_info(repo_id, revision=revision, timeout=seconds, files_metadata=True), asked)
    if info.sha is None or info.siblings is None:
        raise _unavailable(FileMetadataError("model info without commit or files"), asked)
    files = {}
    for sibling in info.siblings:
        size, digest = (sibling.lfs.size, sibling.lfs.sha256) if sibling.lfs else (sibling.size, sibling.blob_id)
        files[sibling.rfilename] = _HubFile(repo_id, sibling.rfilename, info.sha, size=size, digest=digest)
    return info.sha, files


def _choose(repo_id: str, commit: str, folder: str, names: tuple[str, ...], files: dict[str, _HubFile]) -> _HubFile:
    paths = [_join(folder, name) for name in names]
    for path in paths:
        if path in files:
            return files[path]
    raise HubUnavailable(
        f"{_repo_name(repo_id, commit)} has no {' or '.join(paths)}",
        f"Give a repo that is laid out as {DEFAULT_REPO}, or another revision of this one.",
    )


def _head(file: _HubFile) -> HfFileMetadata:
    """Ask the Hub where the file is, and whether it may be had."""
    url = hf_hub_url(file.repo_id, file.filename, repo_type=file.repo_type, revision=file.revision)
    metadata = _ask(lambda: get_hf_file_metadata(url, timeout=_answer_seconds(), library_name="emage"), file)
    if metadata.commit_hash is None or metadata.etag is None:
        raise _unavailable(FileMetadataError("no commit or etag in the answer"), file)
    return metadata


def _ask_first_byte(file: _HubFile, metadata: HfFileMetadata) -> None:
    """See that the file's bytes come: they may be served by another host than the Hub's own, under other rules."""
    host = _origin(metadata.location)
    at_hub = host in (_origin(constants.ENDPOINT), _origin(constants.HUGGINGFACE_CO_URL_HOME))

    def ask() -> None:
        headers = build_hf_headers(token=None if at_hub else False, library_name="emage")
        headers["Range"] = "bytes=0-0"
        with get_session().stream("GET", metadata.location, headers=headers, timeout=_answer_seconds()) as response:
            hf_raise_for_status(response)

    if metadata.size != 0:
        _ask(ask, file, host)


def _download(file: _HubFile, metadata: HfFileMetadata) -> Path:
    """The file, by huggingface_hub unless the cache has it, its hash checked."""
    if file.digest is None:
        file = replace(file, size=metadata.size, digest=metadata.etag)
    if _cached(replace(file, revision=metadata.commit_hash)) is None:
        _ask_first_byte(file, metadata)
    try:
        path = hf_hub_download(
            file.repo_id,
            file.filename,
            repo_type=file.repo_type,
            revision=file.revision,
            etag_timeout=_answer_seconds(),
            library_name="emage",
        )
    except (httpx2.HTTPError, OSError, RuntimeError) as error:  # RuntimeError is hf_xet's
        raise _broken_download(error, file) from error
    return _verified(Path(path), file)


def _ask(question: Callable[[], T], file: _HubFile, host: str | None = None) -> T:
    """The answer to one question to the Hub (or another host), or the named error, within `_answer_seconds`.

    In a thread, because the timeouts of an HTTP client count anew for every address and every received byte, and
    not at all while a name is looked up. A thread without an answer is left to end by itself.
    """
    answers: queue.SimpleQueue[tuple[T | None, Exception | None]] = queue.SimpleQueue()
    seconds = _answer_seconds()
    if constants.HF_HUB_OFFLINE:
        raise _unavailable(OfflineModeIsEnabled(), file)

    def run() -> None:
        try:
            _check_client()
            answers.put((question(), None))
        except Exception as error:  # handed over to the asking thread, which raises it
            answers.put((None, error))

    threading.Thread(target=run, name="hub-question", daemon=True).start()
    try:
        answer, error = answers.get(timeout=seconds)
    except queue.Empty:
        answer, error = None, TimeoutError("no answer")
    if isinstance(error, WeightsError):
        raise error
    if isinstance(error, _QUESTION_FAULTS):
        raise _unavailable(error, file, host) from error
    if error is not None:
        raise error
    return answer


def _check_client() -> None:
    """Refuse settings of the environment with which no question could be sent."""
    try:
        get_session()
    except (ImportError, ValueError, httpx2.InvalidURL) as error:  # ImportError: a SOCKS proxy without its package
        raise HubUnavailable(
            f"the proxy that the environment names cannot be used ({_first_line(error)})",
            "Correct HTTPS_PROXY, HTTP_PROXY and ALL_PROXY: http://host:port goes always, socks5://host:port after "
            "`pip install socksio`.",
        ) from error
    try:
        authorization = build_hf_headers(library_name="emage").get("authorization", "")
        is_sendable = authorization.isascii() and authorization.isprintable()
    except UnicodeDecodeError:  # in the file that `hf auth login` writes
        is_sendable = False
    if not is_sendable:
        raise HubUnavailable(
            "HF_TOKEN holds characters that no token has",
            f"Copy the token anew from {constants.ENDPOINT}/settings/tokens, or unset HF_TOKEN. (Where HF_TOKEN is not "
            f"set, the token is in {constants.HF_TOKEN_PATH}: run `hf auth login`.)",
        )


def _answer_seconds() -> float:
    text = os.environ.get("HF_HUB_ETAG_TIMEOUT", "").strip()
    if not text:
        return ANSWER_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if not 0 < seconds <= _LONGEST_ANSWER_SECONDS:
        raise WeightsError(
            f"HF_HUB_ETAG_TIMEOUT is '{text}'. Set it to the seconds that the Hub may take for an answer, more than 0 "
            f"and at most {_LONGEST_ANSWER_SECONDS:.0f}, or unset it for {ANSWER_SECONDS:g}."
        )
    return seconds


def _unavailable(error: Exception, file: _HubFile, host: str | None = None) -> HubUnavailable:
    """What a failure of a question to the Hub (or another host) means, in the words of a user."""
    hub = host or constants.ENDPOINT
    if isinstance(error, HfHubHTTPError):
        return _refused(error, file)
    if isinstance(error, OfflineModeIsEnabled):
        return HubUnavailable(
            f"HF_HUB_OFFLINE is set, and the cache in {constants.HF_HUB_CACHE} has not all of "
            f"{_repo_name(file.repo_id, file.revision)}",
            "Unset HF_HUB_OFFLINE for one start with network, or point HF_HOME to a cache that has it.",
        )
    if isinstance(error, (TimeoutError, httpx2.TimeoutException)):
        return HubUnavailable(f"{hub} did not answer within {_answer_seconds():g} s", _NETWORK_REMEDY)
    if isinstance(error, httpx2.ProxyError):
        return HubUnavailable(f"the proxy on the way to {hub} failed ({error})", _NETWORK_REMEDY)
    if isinstance(error, _NOT_A_HUB):
        return HubUnavailable(f"what answers at {hub} is not a Hub (a sign-in page, a proxy?)", _NETWORK_REMEDY)
    return HubUnavailable(f"{hub} cannot be reached ({_first_line(error)})", _NETWORK_REMEDY)


def _broken_download(error: Exception, file: _HubFile) -> WeightsError:
    """What a failure in the middle of a download means: of the Hub, of the disk or of the connection."""
    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        return _unavailable(error.__cause__, file)  # the Hub went away since it was last asked
    if isinstance(error, HfHubHTTPError):
        return _refused(error, file)
    if isinstance(error, OSError) and error.errno is not None:
        return WeightsError(
            f"{file} cannot be written to the cache in {constants.HF_HUB_CACHE}: {error.strerror}. Make room or give "
            "write permission there, or point HF_HOME to another folder."
        )
    return HubUnavailable(
        f"the download of {file} broke off ({_first_line(error)})",
        "Run again: the files that are complete are kept. With large files HF_HUB_DISABLE_XET=1 may help.",
    )


def _refused(error: HfHubHTTPError, file: _HubFile) -> HubUnavailable:
    """The Hub answered, but with an error status."""
    hub, repo, status = constants.ENDPOINT, file.repo_id, error.response.status_code
    host = _origin(str(error.response.url))
    token = "put a token that may read it in HF_TOKEN (or run `hf auth login`)"
    if isinstance(error, GatedRepoError):
        return HubUnavailable(f"{repo} is gated", f"Accept its licence at {hub}/{repo}, then {token}.")
    if isinstance(error, RevisionNotFoundError):
        return HubUnavailable(f"{repo} has no revision '{file.revision}'", f"See {hub}/{repo}/commits/main.")
    if isinstance(error, RemoteEntryNotFoundError):
        return HubUnavailable(f"there is no {file}", f"See {hub}/{repo}/tree/main for what there is.")
    if isinstance(error, RepositoryNotFoundError):
        return HubUnavailable(
            f"{repo} does not exist on {hub}, or is private ({status})",
            f"Check the spelling; if it is private, {token}.",
        )
    if status == 401:
        return HubUnavailable(f"{host} does not accept the token for {repo} (401)", f"If a token is old, {token}.")
    if status == 403:
        return HubUnavailable(f"{host} forbids access to {repo} (403)", f"Accept its licence at {hub}/{repo}, {token}.")
    if status == 404:
        return HubUnavailable(f"{host} does not know {file} (404)", "Check the names of repo, revision and file.")
    if status == 429:
        return HubUnavailable(
            f"{host} limits the rate of requests (429)",
            "Wait some minutes; signed-in users have a higher limit: put a token in HF_TOKEN.",
        )
    if status >= 500:
        return HubUnavailable(f"{host} has a fault of its own ({status})", f"Try later. {_NETWORK_REMEDY}")
    return HubUnavailable(f"{host} answered {file} with status {status}", _NETWORK_REMEDY)


# ---------------------------------------------------------------------------------------------------------------------
# The cache
# ---------------------------------------------------------------------------------------------------------------------


def _cached(file: _HubFile) -> Path | None:
    try:
        found = try_to_load_from_cache(file.repo_id, file.filename, revision=file.revision, repo_type=file.repo_type)
    except OSError as error:
        raise _unreadable_cache(file, error) from error
    return Path(found) if isinstance(found, str) else None


def _cached_folders(repo_id: str, revision: str) -> dict[str, Path] | None:
    """The networks' folders if the cache has all their files, all checked, else None."""
    found: list[tuple[Path, _HubFile]] = []
    folders = {}
    for network, folder in NETWORK_FOLDERS.items():
        for names in ((CONFIG_NAME,), WEIGHTS_NAMES):
            files = [_HubFile(repo_id, _join(folder, name), revision) for name in names]
            here = [(path, file) for file in files if (path := _cached(file))]
            if not here:
                return None
            found.append(here[0])
        folders[network] = here[0][0].parent
    for path, file in found:
        _verified(path, file)
    return folders


def _verified(path: Path, file: _HubFile) -> Path:
    """`path`, after its size and hash have been found right."""
    try:
        damage = _damage(path, file)
    except OSError as error:
        raise _unreadable_cache(file, error) from error
    if damage is not None:
        _discard(path, file, *damage)
    return path


def _damage(path: Path, file: _HubFile) -> tuple[str, str] | None:
    """What is expected of the file and what is found, in words, where that is not the same."""
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"{file.size:,} bytes", f"{size:,} bytes"
    expected = next((digest for digest in (file.digest, _blob_name(path)) if _is_digest(digest)), None)
    if expected is None:
        return None
    found = _digest(path, size, sha256=len(expected) == 64)
    if found == expected:
        return None
    kind = "sha256" if len(expected) == 64 else "git hash"
    return f"{kind} {expected}", f"{kind} {found} in {size:,} bytes"


def _unreadable_cache(file: _HubFile, error: OSError) -> WeightsError:
    return WeightsError(
        f"{file} cannot be read from the cache ({error}). Get the right to read all of {constants.HF_HUB_CACHE}, "
        "which another user may have filled, or point HF_HOME to a folder of your own."
    )


def _discard(path: Path, file: _HubFile, expected: str, found: str) -> NoReturn:
    """Remove a damaged file, the blob behind it first, and refuse it by name."""
    outcome = "It has been removed from the cache; run again to download it anew"
    try:
        for target in (path.resolve(), path):
            target.unlink(missing_ok=True)
    except OSError as error:
        outcome = f"It cannot be removed ({error.strerror}): delete {path.resolve()} and run again"
    raise WeightsError(
        f"{file} is truncated or altered: expected {expected}, found {found}. {outcome}. If that repeats, the file "
        f"is changed on its way from {constants.ENDPOINT}: try another network, proxy or mirror."
    )


def _blob_name(path: Path) -> str | None:
    """The name of the blob that a file of the cache is a link to; huggingface_hub names blobs by their hash."""
    return Path(os.readlink(path)).name if path.is_symlink() else None


def _is_digest(text: str | None) -> bool:
    return text is not None and re.fullmatch(r"[0-9a-f]{64}|[0-9a-f]{40}", text) is not None


def _digest(path: Path, size: int, sha256: bool) -> str:
    """The sha256 of a file, or git's hash of it as a blob."""
    start = hashlib.sha256() if sha256 else hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, start.copy).hexdigest()


# ---------------------------------------------------------------------------------------------------------------------
# Loading
# ---------------------------------------------------------------------------------------------------------------------


def load_config(folder: Path) -> dict:
    """The `config.json` of one network's folder.

    Raises:
        WeightsError: there is none, or it is no JSON object.
    """
    path = folder / CONFIG_NAME
    try:
        config = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise WeightsError(f"{path} is missing. Copy it there beside the weights.") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError
        raise _damaged(path, f"it is not JSON ({error})") from error
    if not isinstance(config, dict):
        raise _damaged(path, f"it holds a {type(config).__name__} where an object {{...}} is expected")
    return config


def load_state(folder: Path) -> dict[str, torch.Tensor]:
    """The state dict in one network's folder: `model.safetensors`, or else `pytorch_model.bin`.

    The tensors lie on the CPU and are backed by the file where its format allows (safetensors, and what torch.save
    writes since torch 1.6), so they cost no memory until they are copied into a network. A dict inside `model_state`
    is unwrapped, and a leading `module.` that all keys share is dropped. A .bin file's checksums are compared;
    safetensors has none of its own, only its sizes are checked.

    Raises:
        WeightsError: no such file, a truncated or altered one, one that holds code or anything but named tensors.
    """
    path = _weights_file(folder)
    try:
        with path.open("rb") as stream:
            head = stream.read(40)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    if not head:
        raise _damaged(path, "it is empty")
    if head.startswith(b"version https://git-lfs"):
        raise _damaged(path, "it is a Git LFS pointer, not the file itself (`git lfs pull` gets that)")
    if path.suffix == ".safetensors":
        try:
            state = safetensors.torch.load_file(path)
        except safetensors.SafetensorError as error:
            raise _damaged(path, f"it is no valid safetensors file ({error})") from error
    else:
        state = _load_pickled(path, is_zip=head.startswith(b"PK\x03\x04"))
    return _named_tensors(state, path)


def _weights_file(folder: Path) -> Path:
    try:
        for name in WEIGHTS_NAMES:
            if (folder / name).is_file():
                return folder / name
    except OSError as error:
        raise _unreadable(str(folder), error) from error
    raise WeightsError(f"{folder} has no {' or '.join(WEIGHTS_NAMES)}. Copy the weights there beside {CONFIG_NAME}.")


def _load_pickled(path: Path, is_zip: bool) -> object:
    if is_zip:
        _check_zip(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except MemoryError:
        raise
    except Exception as error:  # bytes of unknown origin make the parser fail in more ways than can be listed
        if refused := re.search(r"nsupported (?:global: )?GLOBAL ([\w.]+\w)", str(error)):
            raise WeightsError(
                f"{path} is refused: it asks for {refused.group(1)}, and weights need no such thing. Nothing of it was "
                "run. Use only weights whose origin you trust, as safetensors where there is a choice."
            ) from error
        raise _damaged(path, f"torch cannot read it ({type(error).__name__})") from error


def _check_zip(path: Path) -> None:
    """Compare the checksums of all records, which torch does not."""
    bad = None
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
            plausible = sum(record.file_size for record in records) <= path.stat().st_size
            # torch can be told to write no checksums; then all of them are 0.
            if plausible and any(record.CRC for record in records):
                bad = archive.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise _damaged(path, f"it is truncated or altered ({error})") from error
    if not plausible:
        raise _damaged(path, "its records claim to be larger than the file")
    if bad is not None:
        raise _damaged(path, f"the checksum of its record {bad} is wrong")


def _named_tensors(state: object, path: Path) -> dict[str, torch.Tensor]:
    if isinstance(state, dict) and isinstance(state.get("model_state"), dict):
        state = state["model_state"]
    if not isinstance(state, dict) or not state:
        raise _damaged(path, f"it holds no state dict but {type(state).__name__ if state else 'nothing'}")
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise _damaged(path, f"{key!r} is {type(value).__name__}, not a named tensor")
    shared = "module." if all(key.startswith("module.") for key in state) else ""
    return {key.removeprefix(shared): value for key, value in state.items()}


def _damaged(path: Path, why: str) -> WeightsError:
    origin = path.resolve()
    return WeightsError(
        f"{path} ({origin.stat().st_size:,} bytes) cannot be used: {why}. Delete {origin} and get it again, by "
        "download or copy."
    )


# ---------------------------------------------------------------------------------------------------------------------
# Names
# ---------------------------------------------------------------------------------------------------------------------


def _is_repo_id(text: str) -> bool:
    """Whether it is "owner/name"."""
    return _REPO_ID.fullmatch(text) is not None and _is_valid_id(text)


def _is_valid_id(text: str) -> bool:
    """Whether huggingface_hub takes it as a repo id, with or without an owner."""
    try:
        validate_repo_id(text)
    except HFValidationError:
        return False
    return True


def _repo_name(repo_id: str, revision: str) -> str:
    return f"{repo_id} at {revision[:8] if _COMMIT.fullmatch(revision) else revision}"


def _join(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
