"""A part of what `tests.benchmarks.attack` and `tests.benchmarks.kill` do, each in a process of its own."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT


def run(module: str, *options: str) -> list[list[str]]:
    """The table that the command prints, without its head. It fails where anything gets through."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *options]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = [line for line in result.stdout.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.slow
def test_a_page_under_attack_refuses_in_sentences():
    rows = run(
        "attack", "--only", "files of the server and of others", "code in weights", "9 values that had no sentence"
    )
    assert [row[4] for row in rows] == ["0", "0", "0"]
    assert all(int(row[1]) > 10 and int(row[2]) >= 10 for row in rows)


@pytest.mark.slow
def test_what_is_killed_at_work_leaves_nothing_half_done():
    rows = run("kill", "--moments", "2", "--works", "session save", "cache build")
    assert [row[3] for row in rows] == ["0", "0"]
    assert all(int(row[1]) + int(row[2]) == 2 for row in rows)
