"""Files of the Hugging Face Hub: in the cache or fetched into it, their hashes checked.

Downloads, retries, locks, progress bars and the cache are huggingface_hub's, with all its environment variables
(`HF_HOME`, `HF_ENDPOINT`, `HF_HUB_OFFLINE`, `HF_TOKEN`, ...). Two things are added here:

- Waiting. A commit that the cache holds whole needs no network. Otherwise the Hub must list its files, and the first
  byte of one must come, each within `ANSWER_SECONDS` (`HF_HUB_ETAG_TIMEOUT` changes that), before huggingface_hub,
  which retries for minutes, begins. A download that has begun may be as slow as it likes.
- Checking. Every file is compared with its hash each time it is asked for, just downloaded or long in the cache: the
  sha256 (large files) or git hash (small files) that the Hub lists, or without the network the name of its blob in the
  cache, which is that hash. That costs about a second a gigabyte. (A cache without symbolic links has no such names:
  there the hash is checked while the Hub answers.) What fails is removed, so that the next try downloads it again.
"""

import fnmatch
import glob
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from huggingface_hub import (
    HfApi,
    constants,
    errors,
    get_hf_file_metadata,
    get_session,
    get_token,
    hf_hub_url,
    snapshot_download,
    try_to_load_from_cache,
)
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, tqdm

from emage.errors import Cancelled, WeightsError

ANSWER_SECONDS = 4.0
"""How long the Hub may take to answer one question, unless `HF_HUB_ETAG_TIMEOUT` says otherwise."""

_PROGRESS_INTERVAL_S = 0.1
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HASH = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")
_REMEDY = (
    "Check the network and the proxy (HTTPS_PROXY), name a mirror in HF_ENDPOINT, allow a slow network more time with "
    "HF_HUB_ETAG_TIMEOUT (seconds), or download on another machine and give the folder. What came whole is kept; with "
    "large files HF_HUB_DISABLE_XET=1 may help."
)

T = TypeVar("T")
_Progress = Callable[[int, int], None]


class HubUnavailable(WeightsError):
    """The Hub cannot be reached, refuses, or has not got what was asked: the `reason`, and the `remedy`."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}. {remedy}")
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True)
class Repo:
    """A repo at a revision: a branch, tag or commit. repo_type: "model", "dataset" or "space"."""

    repo_id: str
    revision: str
    repo_type: str = "model"

    @property
    def is_pinned(self) -> bool:
        return _COMMIT.fullmatch(self.revision) is not None

    @property
    def address(self) -> dict[str, str]:
        """As huggingface_hub takes it."""
        return {"repo_id": self.repo_id, "revision": self.revision, "repo_type": self.repo_type}

    def __str__(self) -> str:
        return f"{self.repo_id} at {self.revision[:8] if self.is_pinned else self.revision}"


def fetch_file(
    repo_id: str, filename: str, revision: str | None = None, repo_type: str = "model", sha256: str | None = None
) -> Path:
    """Get one file of a repo on the Hub, from the cache or downloaded into it, its hash checked.

    Args:
        repo_id: such as "H-Liu1997/emage_evaltools".
        filename: path inside the repo, with forward slashes.
        revision: branch, tag or commit; "main" by default. The cache's copy is used when the Hub cannot be asked.
        repo_type: "model", "dataset" or "space".
        sha256: what the file must be, 64 hex digits. It is then as good as a commit: the cache's copy is used unasked.

    Raises:
        HubUnavailable: the Hub cannot be reached, refuses or lacks repo, revision or file, and the cache too.
        WeightsError: the file is damaged, or the cache cannot be read or written.
    """
    paths, _ = fetch_files(Repo(repo_id, revision or "main", repo_type), [[filename]], sha256=sha256)
    return paths[0]


def fetch_files(
    repo: Repo,
    choices: Sequence[Sequence[str]],
    extra: Sequence[str] = (),
    progress: _Progress | None = None,
    sha256: str | None = None,
) -> tuple[list[Path], str]:
    """Get one file of each choice, the first that is there, as `fetch_file` does; and say where they are from.

    `extra` names files that may be missing. They come behind the others.
    `progress` is called from this thread, while a download goes on, with the bytes that came and the bytes in all.
    What it raises ends the download; files that came whole stay in the cache. (What Xet, the Hub's own protocol, has
    begun to transfer it ends in the background.)
    """
    cached = _cached(repo, choices, extra)
    if cached and (repo.is_pinned or sha256):
        return _verify(repo, cached, sha256), str(repo)
    try:
        commit, listed = _ask(repo, lambda: _find_files(repo, [name for names in [*choices, extra] for name in names]))
    except HubUnavailable as error:
        if cached is None:
            raise
        return _verify(repo, cached, sha256), f"{repo}, from the cache ({error.reason})"
    at_commit = replace(repo, revision=commit)
    files = [_choose(at_commit, names, listed) for names in choices]
    files += [listed[name] for name in extra if name in listed]
    files = list({file.rfilename: file for file in files}.values())
    if missing := [file for file in files if not _cached(at_commit, [[file.rfilename]])]:
        _ask(repo, lambda: _read_first_byte(at_commit, max(missing, key=lambda file: file.size or 0)))
        _download(at_commit, missing, progress or (lambda *_: None))
    if not repo.is_pinned:  # so that the cache knows which commit the name stands for
        _ask(repo, lambda: HfApi().resolve_revision(**repo.address))
    paths = _cached(at_commit, [[file.rfilename] for file in files])
    if paths is None:
        raise HubUnavailable(f"not all of {at_commit} came", _REMEDY)
    digests = {file.rfilename: file.lfs.sha256 if file.lfs else file.blob_id for file in files}
    return _verify(at_commit, paths, sha256, digests), str(at_commit)


def fetch_folder(repo: Repo, patterns: Sequence[str], folder: Path) -> None:
    """Bring the files of a repo whose names fit one of some patterns (as of a shell) into a folder; what is there whole
    stays, and a download that was broken off goes on.

    Raises:
        HubUnavailable, WeightsError: as `fetch_file`; or no file fits.
    """
    commit, listed = _ask(repo, lambda: _list_files(repo))
    names = [name for name in listed if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
    if not names:
        raise HubUnavailable(
            f"{repo} has no files {', '.join(patterns[:3])}", "Check the names; see its page for what there is."
        )
    try:
        snapshot_download(
            **replace(repo, revision=commit).address,
            allow_patterns=list(patterns),
            local_dir=folder,
            etag_timeout=_answer_seconds(),
            library_name="emage",
        )
    except Exception as error:
        raise _explain(error, repo, "broke off the download") from error


def _cached(repo: Repo, choices: Sequence[Sequence[str]], extra: Sequence[str] = ()) -> dict[str, Path] | None:
    """The first file there of each choice, by name, if the cache has one of each; and what it has of `extra`."""
    found = {}
    try:
        for names in [*choices, *([name] for name in extra)]:
            paths = {name: try_to_load_from_cache(filename=name, **repo.address) for name in names}
            name = next((name for name in names if isinstance(paths[name], str)), None)
            if name is not None:
                found[name] = Path(paths[name])
            elif names in choices:
                return None
    except (errors.HFValidationError, OSError) as error:
        raise _explain(error, repo) from error
    return found


def _choose(repo: Repo, names: Sequence[str], listed: dict[str, RepoSibling]) -> RepoSibling:
    for name in names:
        if name in listed:
            return listed[name]
    raise HubUnavailable(
        f"{repo} has no {' or '.join(names)}",
        f"See {constants.ENDPOINT}/{repo.repo_id}/tree/{repo.revision} for what there is, or name another revision.",
    )


def _verify(repo: Repo, paths: dict[str, Path], sha256: str | None, listed: dict[str, str] | None = None) -> list[Path]:
    """Return the paths if all hashes are right, else remove the file and refuse it by name.

    A hash is a sha256 (64 hex digits) or git's of a blob (40): what is asked for, else what the Hub lists, else the
    name of the blob in the cache.
    """
    for name, path in paths.items():
        expected = sha256 or (listed or {}).get(name) or (Path(os.readlink(path)).name if path.is_symlink() else "")
        if not _HASH.fullmatch(expected):  # there are mirrors that give no hashes
            continue
        kind, start = "sha256", hashlib.sha256()
        try:
            if len(expected) == 40:
                kind, start = "git hash", hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
            with path.open("rb") as stream:
                found = hashlib.file_digest(stream, start.copy).hexdigest()
            if found == expected:
                continue
            for target in (path.resolve(), path):  # the blob behind it first
                target.unlink(missing_ok=True)
        except OSError as error:
            raise _explain(error, repo) from error
        raise WeightsError(
            f"{name} of {repo} is truncated or altered: expected {kind} {expected}, found {kind} {found}. It has been "
            "removed from the cache; run again to download it anew. If that repeats, the file is changed on its way "
            f"from {constants.ENDPOINT}: try another network, proxy or mirror."
        )
    return list(paths.values())


def _find_files(repo: Repo, names: Sequence[str]) -> tuple[str, dict[str, RepoSibling]]:
    """The commit that the revision is, and which of the files are there."""
    if repo.repo_type == "dataset":  # they may have tens of thousands of files, and take seconds to list them
        return _look_up(repo, names)
    return _list_files(repo)


def _look_up(repo: Repo, names: Sequence[str]) -> tuple[str, dict[str, RepoSibling]]:
    commit, found = "", {}
    for name in names:
        try:
            url = hf_hub_url(filename=name, **repo.address)
            about = get_hf_file_metadata(url, library_name="emage", timeout=2 * _answer_seconds())
        except errors.RemoteEntryNotFoundError:
            continue
        commit = about.commit_hash or ""
        found[name] = RepoSibling(rfilename=name, size=about.size, blob_id=about.etag)
    if found and not _COMMIT.fullmatch(commit):
        raise errors.FileMetadataError(f"no commit but {commit}")
    return commit or repo.revision, found


def _list_files(repo: Repo) -> tuple[str, dict[str, RepoSibling]]:
    """The commit that the revision is, and what is there by name."""
    info = HfApi(library_name="emage").repo_info(**repo.address, files_metadata=True, timeout=2 * _answer_seconds())
    if not _COMMIT.fullmatch(info.sha or ""):
        raise errors.FileMetadataError(f"no commit but {info.sha}")
    return info.sha, {file.rfilename: file for file in info.siblings}


def _read_first_byte(repo: Repo, file: RepoSibling) -> None:
    """See that bytes come: they may be served by another host than the Hub's own, under other rules."""
    headers = build_hf_headers(library_name="emage") | {"Range": "bytes=0-0"}
    url = hf_hub_url(filename=file.rfilename, **repo.address)
    with get_session().stream("GET", url, headers=headers, timeout=2 * _answer_seconds()) as response:
        hf_raise_for_status(response)


def _download(repo: Repo, files: list[RepoSibling], progress: _Progress) -> None:
    bars = []
    is_over = threading.Event()

    class Bar(tqdm):
        """A bar of huggingface_hub's that counts even where it is not shown."""

        def __init__(self, *args, **kwargs):
            self.done = 0
            if kwargs.get("unit") == "B":  # another one counts files
                bars.append(self)
            super().__init__(*args, **kwargs)

        def update(self, n=1):
            if is_over.is_set():
                raise Cancelled("The download was cancelled.")
            self.done += n
            return super().update(n)

    total = sum(file.size or 0 for file in files)
    download = _begin(
        lambda: snapshot_download(
            **repo.address,
            allow_patterns=[glob.escape(file.rfilename) for file in files],
            etag_timeout=_answer_seconds(),
            library_name="emage",
            tqdm_class=Bar,
        )
    )
    try:
        while not wait([download], _PROGRESS_INTERVAL_S).done:
            progress(min(total, max((bar.done for bar in bars), default=0)), total)
    except BaseException:  # Ctrl-C, too
        is_over.set()
        raise
    try:
        download.result()
    except Exception as error:
        raise _explain(error, repo, "broke off the download") from error
    progress(total, total)


def _begin(work: Callable[[], T]) -> Future[T]:
    """Begin work in a thread that nobody need wait for, not even the end of the program."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # handed over to who asks for the result
            future.set_exception(error)

    threading.Thread(target=run, name="hub", daemon=True).start()
    return future


def _ask(repo: Repo, question: Callable[[], T]) -> T:
    """The answer to one question to the Hub, or the named error, within `_answer_seconds`.

    In a thread, because the timeouts of an HTTP client count anew for every address and every received byte, and
    not at all while a name is looked up. A thread without an answer is left to end by its own, longer timeout.
    """

    def ask() -> T:
        _check_token()
        return question()

    answer = _begin(ask)
    try:
        if not wait([answer], _answer_seconds()).done:
            raise TimeoutError
        return answer.result()
    except WeightsError:
        raise
    except Exception as error:
        raise _explain(error, repo) from error


def _answer_seconds() -> float:
    return constants.HF_HUB_ETAG_TIMEOUT if os.environ.get("HF_HUB_ETAG_TIMEOUT") else ANSWER_SECONDS


def _check_token() -> None:
    """Refuse a token that cannot be sent, before an error repeats it."""
    try:
        token = get_token() or ""
    except UnicodeDecodeError:  # in the file that `hf auth login` writes
        token = "\0"
    if not (token.isascii() and token.isprintable()):
        raise HubUnavailable(
            "HF_TOKEN holds characters that no token has",
            f"Copy the token anew from {constants.ENDPOINT}/settings/tokens, or unset HF_TOKEN. (Where HF_TOKEN is not "
            f"set, the token is in {constants.HF_TOKEN_PATH}: run `hf auth login`.)",
        )


def _explain(error: BaseException, repo: Repo, failure: str = "cannot be reached") -> WeightsError:
    """What a fault of the Hub, the connection, huggingface_hub or the cache means, in the words of a user."""
    hub = constants.ENDPOINT
    if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__:
        error = error.__cause__  # the Hub went away since it was last asked
    if isinstance(error, errors.HFValidationError):
        return HubUnavailable(f"'{repo.repo_id}' is no valid repo id", "Write it as 'owner/name'.")
    if isinstance(error, errors.HfHubHTTPError):
        return _refused(error, repo)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return HubUnavailable(
            f"HF_HUB_OFFLINE is set, and the cache in {constants.HF_HUB_CACHE} has not all of {repo}",
            "Unset HF_HUB_OFFLINE for one start with network, or point HF_HOME to a cache that has it.",
        )
    if isinstance(error, TimeoutError):
        return HubUnavailable(
            f"{hub} (or the host of its files) did not answer within {_answer_seconds():g} s", _REMEDY
        )
    if isinstance(error, OSError) and error.errno is not None:
        return WeightsError(
            f"{repo} cannot be read from or written to the cache in {constants.HF_HUB_CACHE}: {error.strerror}. Make "
            "room there, get the right to read and write all of it, or point HF_HOME to a folder of your own."
        )
    not_json = (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError)  # or not the Hub's
    if isinstance(error, (errors.FileMetadataError, *not_json)):
        return HubUnavailable(f"what answers at {hub} is not a Hub (a sign-in page, a proxy?)", _REMEDY)
    detail = (str(error) or type(error).__name__).splitlines()[0]
    return HubUnavailable(f"{hub} {failure} ({detail})", _REMEDY)


def _refused(error: errors.HfHubHTTPError, repo: Repo) -> HubUnavailable:
    """The Hub, or where its files lie, answered with an error status."""
    status, name = error.response.status_code, repo.repo_id
    host, page = str(error.response.url.join("/")).rstrip("/"), f"{constants.ENDPOINT}/{name}"
    token = "put a token that may read it in HF_TOKEN (or run `hf auth login`)"
    if isinstance(error, errors.GatedRepoError):
        return HubUnavailable(f"{name} is gated", f"Accept its licence at {page}, then {token}.")
    if isinstance(error, errors.RevisionNotFoundError):
        return HubUnavailable(f"{name} has no revision '{repo.revision}'", f"See {page}/commits/main.")
    if isinstance(error, errors.RepositoryNotFoundError):
        reason = f"{name} does not exist on {constants.ENDPOINT}, or is private ({status})"
        return HubUnavailable(reason, f"Check the spelling; if it is private, {token}.")
    meaning, remedy = {
        401: (f"does not accept the token for {name}", f"If a token is old, {token}."),
        403: (f"forbids access to {name}", f"Accept its licence at {page}, {token}."),
        404: (f"does not know {repo}", "Check the names of repo, revision and file."),
        429: ("limits the rate of requests", "Wait some minutes; signed-in users, by HF_TOKEN, have a higher limit."),
    }.get(status, ("has a fault of its own" if status >= 500 else f"refuses {repo}", f"Try later. {_REMEDY}"))
    return HubUnavailable(f"{host} {meaning} ({status})", remedy)
