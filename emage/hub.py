"""Where weights come from: a folder, the Hugging Face Hub or the embedded default."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub import constants

from emage.download import HubUnavailable, Repo, fetch_files
from emage.errors import WeightsError
from emage.generation.sampling import SAMPLING_NAME
from emage.models.checkpoint import (
    CONFIG_NAME,
    NETWORK_FOLDERS,
    PAPER_NAMES,
    PAPER_VQ_FILES,
    WEIGHTS_NAMES,
    WHOLE_FOLDERS,
    load_config,
    unreadable,
)
from emage.recording.vocabulary import VOCABULARY_NAMES

DEFAULT_REPO = "H-Liu1997/emage_audio"
DEFAULT_REVISION = "b04466b83bdebd656844a2c416797d3131e34ede"
EMBEDDED_DIR = Path(__file__).resolve().parent.parent / "assets" / "demo"
EMBEDDED_NAME = "demo"
"""What a user says instead of a folder or repo id to get the embedded weights."""

STAGE_DOWNLOAD = "Downloading the weights"

PAPER_VOCABULARY = Repo("H-Liu1997/BEAT2", "main", "dataset"), "beat_english_v2.0.0/weights/vocab.pkl"
"""Where the vocabulary of the paper's text network is, which does not lie beside it."""

PAPER_REPO = "H-Liu1997/EMAGE"
WORDS_NEEDED, WORDS_USED, WORDS_UNUSED = "needed", "used", "unused"
"""What a transcript is to weights: without one they hear the rhythm alone; or the sound; or they hear no words."""
_NEEDS_OF_REPOS = {DEFAULT_REPO: WORDS_UNUSED, PAPER_REPO: WORDS_NEEDED}


def _released_files(folders: Mapping[str, str]) -> dict[str, list[list[str]]]:
    return {
        network: [
            [name if folder == "." else f"{folder}/{name}" for name in names]
            for names in ([CONFIG_NAME], WEIGHTS_NAMES)
        ]
        for network, folder in folders.items()
    }


_RELEASED_FILES = _released_files(NETWORK_FOLDERS)
_PAPER_FILES = {"generator": PAPER_NAMES, **{network: (name,) for network, name in PAPER_VQ_FILES.items()}}
_EITHER_FILES = [[*names, *_PAPER_FILES[network]] for network, choices in _RELEASED_FILES.items() for names in choices]
"""Of each list one file is needed, the first that is there: as released, or as the paper has it."""

_Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class WeightsSource:
    """The six networks' folders, and where they come from.

    Attributes:
        kind: "folder", "hub" or "embedded".
        description: for people, such as "H-Liu1997/emage_audio at b04466b8".
        folders: network name (the keys of `NETWORK_FOLDERS`) to a folder with config and weights, or to the file of it
            as the paper has it.
        notice: what must be shown with every result when the embedded weights had to stand in, or words are unknown to
            weights that hear words; else None.
        vocabulary: the file of it, for weights that hear words.
    """

    kind: str
    description: str
    folders: dict[str, Path]
    notice: str | None = None
    vocabulary: Path | None = None


def find_weights(
    weights: str | Path | None = None,
    revision: str | None = None,
    progress: _Progress | None = None,
    *,
    embedded: Path | None = EMBEDDED_DIR,
) -> WeightsSource:
    """Find the weights to use, downloading them where needed.

    What the user names is taken or refused, never replaced by something else. When nothing is named: the published
    weights at their pinned revision, and when the Hub does not give them, the embedded ones with a notice.

    Args:
        weights: a folder, a repo id such as "H-Liu1997/emage_audio", "demo" for the embedded weights, or None.
        revision: a branch, tag or commit of the repo. The published weights are pinned to `DEFAULT_REVISION`, other
            repos follow "main".
        progress: called from this thread, while a download goes on, with `STAGE_DOWNLOAD`, the bytes that came and
            the bytes in all. What it raises ends the download; files that came whole stay in the cache.
        embedded: the folder of the embedded weights; None for none.

    Raises:
        HubUnavailable: the Hub cannot be reached, refuses (401, 403, 429, 5xx) or lacks repo, revision or file.
        WeightsError: neither folder nor repo id, a folder that is incomplete or must not be looked into, a damaged
            file, a cache that cannot be read or written, or no weights to be had at all.
    """
    if weights is None:
        return _default_weights(revision, progress, embedded)
    if weights == "":
        raise WeightsError(
            "The weights are given as an empty text. Name a folder ('.' for the current one) or a repo id (such as "
            f"'{DEFAULT_REPO}'), or leave them out for the default."
        )
    try:
        path = Path(weights).expanduser()
        is_there = path.exists()
    except (OSError, RuntimeError) as error:
        raise unreadable(f"'{weights}'", error) from error
    if (weights == EMBEDDED_NAME or is_there) and revision is not None:
        raise WeightsError(f"Revision '{revision}' makes no sense for {weights}: only repos on the Hub have revisions.")
    if weights == EMBEDDED_NAME:
        return _embedded_weights(embedded)
    if is_there:
        return _source("folder", str(path), path)
    if not isinstance(weights, str) or not re.fullmatch(r"[\w.-]+/[\w.-]+", weights, re.ASCII):
        raise WeightsError(
            f"'{weights}' is neither a folder (nothing is at {path.absolute()}) nor a repo id on the Hub (such as "
            f"'{DEFAULT_REPO}'). Correct the path, or give a repo id, or '{EMBEDDED_NAME}' for the embedded weights."
        )
    try:
        return _hub_weights(weights, revision, progress)
    except HubUnavailable as error:
        raise HubUnavailable(error.reason, f"{error.remedy} (No folder is at {path.absolute()} either.)") from error


def need_of_words(weights: str | Path) -> str | None:
    """`WORDS_NEEDED`, `WORDS_USED` or `WORDS_UNUSED`, as far as that is known of weights without fetching or loading
    them; else None."""
    if weights in _NEEDS_OF_REPOS:
        return _NEEDS_OF_REPOS[weights]
    root = EMBEDDED_DIR if weights == EMBEDDED_NAME else Path(weights)
    try:
        if not root.is_dir():
            return None
        if not any((root / name).is_file() for name in WEIGHTS_NAMES):  # only the paper's has neither
            return WORDS_NEEDED if any((root / name).is_file() for name in PAPER_NAMES) else None
        config = load_config(root)
    except (OSError, WeightsError):  # told when they are loaded
        return None
    vocabulary = config.get("vocabulary")
    return say_need_of_words(bool(vocabulary), bool(config.get("waveform", not vocabulary)))


def say_need_of_words(knows_words: bool, hears_waveform: bool) -> str:
    """Of a generator that has a vocabulary, or hears the sound alone, or both."""
    if not knows_words:
        return WORDS_UNUSED
    return WORDS_USED if hears_waveform else WORDS_NEEDED


def _default_weights(revision: str | None, progress: _Progress | None, embedded: Path | None) -> WeightsSource:
    try:
        return _hub_weights(DEFAULT_REPO, revision, progress)
    except HubUnavailable as error:
        if revision is not None:
            raise
        if embedded is not None and embedded.is_dir():
            why = f"the published weights could not be reached: {error.reason}"
            return _embedded_weights(embedded, f"demo weights, trained on synthetic motion; {why}")
        raise WeightsError(
            f"There are no weights to work with. The published weights, {DEFAULT_REPO}, could not be had: "
            f"{error.reason}. Nor are demo weights embedded in {embedded or EMBEDDED_DIR}. One of these helps:\n"
            f"- let this machine reach {constants.ENDPOINT} (a proxy in HTTPS_PROXY, a mirror in HF_ENDPOINT, more "
            "patience in HF_HUB_ETAG_TIMEOUT), and unset HF_HUB_OFFLINE;\n"
            f"- on a machine with network run `hf download {DEFAULT_REPO} --revision {DEFAULT_REVISION} --local-dir "
            "emage_audio`, copy that folder here and give it as the weights;\n"
            f"- copy the Hub's cache from such a machine to {constants.HF_HUB_CACHE} (HF_HOME moves it);\n"
            "- put a token in HF_TOKEN if the Hub asks for one, or limits the rate."
        ) from error


def _embedded_weights(embedded: Path | None, notice: str | None = None) -> WeightsSource:
    if embedded is None or not embedded.is_dir():
        raise WeightsError(
            f"There are no embedded weights in {embedded or EMBEDDED_DIR}. Give a folder or a repo id, or nothing for "
            f"the published weights ({DEFAULT_REPO})."
        )
    return _source("embedded", f"embedded demo weights ({embedded})", embedded, notice)


def _source(
    kind: str, description: str, root: Path, notice: str | None = None, vocabulary: Path | None = None
) -> WeightsSource:
    """vocabulary: where none lies beside the weights."""
    folders = _complete_folders(root)
    if not _hears_words(root):
        return WeightsSource(kind, description, folders, notice)
    beside = next((root / name for name in VOCABULARY_NAMES if (root / name).is_file()), vocabulary)
    if beside is None and notice is None:
        notice = (
            "These weights hear words, but their vocabulary is missing, so every word is unknown to them and the "
            f"transcript changes nothing. Put it beside them as {VOCABULARY_NAMES[0]} or {VOCABULARY_NAMES[1]}."
        )
    return WeightsSource(kind, description, folders, notice, beside)


def _hears_words(root: Path) -> bool:
    if not any((root / name).is_file() for name in WEIGHTS_NAMES):  # only the paper's has neither
        return True
    return bool(load_config(root).get("vocabulary"))


def _is_whole_body(root: Path) -> bool:
    return (root / CONFIG_NAME).is_file() and bool(load_config(root).get("whole_body"))


def _complete_folders(root: Path) -> dict[str, Path]:
    try:
        is_file = root.is_file()
        is_paper = any((root / name).is_file() for name in PAPER_NAMES)
        found: dict[str, Path] = {}
        missing: list[str] = []
        folders = WHOLE_FOLDERS if _is_whole_body(root) else NETWORK_FOLDERS
        for network, choices in _released_files(folders).items():
            lacking = [names for names in choices if not any((root / name).is_file() for name in names)]
            own = next((name for name in _PAPER_FILES.get(network, ()) if (root / name).is_file()), None)
            found[network] = root / folders[network]
            if lacking and own is not None:
                found[network] = root if network == "generator" else root / own
            elif lacking:
                lacking = lacking if not is_paper else [[*lacking[0], *_PAPER_FILES.get(network, ())]]
                missing += [" or ".join(names) for names in lacking]
    except OSError as error:
        raise unreadable(root, error) from error
    if is_file:
        raise WeightsError(f"{root} is a file. Give the folder that holds {CONFIG_NAME}, the weights and emage_vq/.")
    if missing:
        raise WeightsError(
            f"{root} is not a complete set of weights. Missing: {', '.join(missing)}. It must be laid out as the repo "
            f"{DEFAULT_REPO}; `hf download {DEFAULT_REPO} --local-dir FOLDER` makes such a folder."
        )
    return found


def _hub_weights(repo_id: str, revision: str | None, progress: _Progress | None) -> WeightsSource:
    repo = Repo(repo_id, revision or (DEFAULT_REVISION if repo_id == DEFAULT_REPO else "main"))
    told = None if progress is None else lambda done, total: progress(STAGE_DOWNLOAD, done, total)
    paths, description = fetch_files(repo, _EITHER_FILES, [SAMPLING_NAME, *VOCABULARY_NAMES], told)
    root = paths[0].parent  # the generator's config or weights are at the top
    source = _source("hub", description, root)
    if source.notice is None or not any((root / name).is_file() for name in PAPER_NAMES):
        return source
    where, name = PAPER_VOCABULARY
    try:
        vocabulary = fetch_files(where, [[name]], progress=told)[0][0]
    except HubUnavailable as error:
        return replace(source, notice=f"{source.notice} It could not be had from {where.repo_id}: {error.reason}.")
    return _source("hub", description, root, vocabulary=vocabulary)
