"""What `make` does about system packages and a browser, with commands that only pretend to be the system's."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("sh", "dirname", "grep", "mkdir", "rm", "touch")
PYTHON = """case "$2" in *version_info\\[*) echo 3.12 ;; *ensurepip*) test -e "$PRETEND/venv" ;; esac"""
DPKG = """test -e "$PRETEND/$4" && echo "install ok installed" """


class System:
    """A system of its own: only `TOOLS` are real."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.stamp = folder / "venv" / ".stamp"
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.command("python3.12", PYTHON)
        self.command("dpkg-query", DPKG)
        self.command("apt-get", "exit 100")
        self.command("id", "echo 1000")
        self.install("venv")

    def command(self, name: str, script: str) -> None:
        """A command that writes its call to the file "calls" and does what the script says."""
        (self.bin / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "$PRETEND/calls"\n{script}\n')
        (self.bin / name).chmod(0o755)

    def install(self, package: str) -> None:
        (self.bin / package).touch()

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess:
        environment = {"PATH": str(self.bin), "PRETEND": str(self.bin)}
        command = ["sh", f".ci/{script}", str(self.stamp), *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    def packages(self) -> subprocess.CompletedProcess:
        return self.run("system_packages.sh", "libegl1", "libgl1", "--", "python3.12")

    def browser(self) -> subprocess.CompletedProcess:
        self.stamp.parent.mkdir()
        return self.run("browser.sh", "python3.12", "venv-python")

    def calls(self) -> str:
        return (self.bin / "calls").read_text()


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


def test_nothing_missing(system):
    system.install("libegl1")
    system.install("libgl1")
    result = system.packages()
    assert (result.returncode, result.stderr) == (0, "")
    assert system.stamp.exists()
    assert "apt-get" not in system.calls()


def test_administrator_installs(system):
    system.command("id", "echo 0")
    system.command("apt-get", '[ "$1" = update ] || { : > "$PRETEND/libegl1"; : > "$PRETEND/libgl1"; }')
    assert system.packages().returncode == 0
    assert "apt-get install -y --no-install-recommends libegl1 libgl1" in system.calls()
    assert system.stamp.exists()


def test_apt_without_a_mirror_is_told_and_does_not_stop(system):
    system.install("libgl1")
    system.command("id", "echo 0")
    result = system.packages()
    assert result.returncode == 0
    assert "apt-get failed" in result.stderr
    assert "These system packages are missing: libegl1. " in result.stderr
    assert not system.stamp.exists()


def test_a_user_is_told_the_line_at_every_start(system):
    system.command("sudo", "exit 1")
    for _ in range(2):
        result = system.packages()
        assert result.returncode == 0
        line = "sudo sh -c 'apt-get update; apt-get install -y --no-install-recommends libegl1 libgl1'"
        assert line in result.stderr
        assert not system.stamp.exists()
    assert "apt-get" not in system.calls()


def test_without_venv_nothing_goes_on(system):
    (system.bin / "venv").unlink()
    result = system.packages()
    assert result.returncode == 1
    assert "Nothing goes without python3.12-venv" in result.stderr
    assert not system.stamp.exists()


def test_a_system_without_apt_is_told_once(system):
    (system.bin / "apt-get").unlink()
    (system.bin / "dpkg-query").unlink()
    result = system.packages()
    assert result.returncode == 0
    assert "no apt-get. See that what these Debian packages hold is there: libegl1 libgl1" in result.stderr
    assert system.stamp.exists()


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome"])
def test_a_browser_that_is_there_is_enough(system, name):
    system.command(name, "echo 1.0")
    result = system.browser()
    assert (result.returncode, result.stderr) == (0, "")
    assert system.stamp.exists()
    assert system.calls().split() == [name, "--version"]


@pytest.mark.parametrize("works", [True, False])
def test_without_a_package_the_browser_is_playwrights(system, works):
    system.command("chromium-browser", "exit 1")  # says that it wants a snap
    system.command("venv-python", f"exit {0 if works else 1}")
    result = system.browser()
    assert result.returncode == 0
    assert "venv-python -m playwright install chromium" in system.calls()
    assert system.stamp.exists() == works
    assert ("There is no browser" in result.stderr) == (not works)
    assert os.listdir(system.stamp.parent) == ([".stamp"] if works else [])


def test_playwright_brings_what_its_browser_needs_where_it_may(system):
    system.command("id", "echo 0")
    system.command("venv-python", "exit 0")
    assert system.browser().returncode == 0
    assert "venv-python -m playwright install --with-deps chromium" in system.calls()
