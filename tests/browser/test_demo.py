"""The page with the demo weights: who stands stays there, and the command it gives works in any folder."""

import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from emage.motion import Motion
from emage.pipeline import EmagePipeline
from emage.recording.examples import load_examples
from tests.app_server import serve_here
from tests.browser.page import generate, open_page, save, upload
from tests.conftest import ROOT, assert_same_motion

STORY = next(example for example in load_examples() if example.name == "story")


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    with serve_here(EmagePipeline.from_pretrained("demo"), tmp_path_factory.mktemp("uploads")) as app:
        yield app.url


@pytest.fixture
def page(browser, url) -> Iterator[Page]:
    with open_page(browser, url) as page:
        yield page


def test_who_stands_does_not_glide(page, tmp_path):
    """With these words, speaker and seed the weights begin with a code that goes sideways for as long as it is held."""
    page.locator("#examples").get_by_text(STORY.title).click()
    expect(page.locator("#transcript textarea")).to_have_value(STORY.text)
    page.click("#listen")
    expect(page.locator("#transcript-note")).to_contain_text("guessed")
    page.locator("#settings-panel button").first.click()
    page.locator("#speaker input").click()
    page.get_by_role("option").first.click()
    page.get_by_label("As generated").check()
    page.locator("#seed input").fill("1")
    page.locator("#seed input").press("Tab")
    expect(page.locator("#draw input")).to_be_checked()
    generate(page, 1)
    path = Motion.load(save(page, "#npz", tmp_path / "story.npz")).trans[:, [0, 2]]
    assert np.linalg.norm(path - path[0], axis=1).max() < 0.15


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Where the commands of `pip install -e .` are. What the project needs is that of the tests; what the installation
    writes beside the project is written beside links to it."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "project").mkdir()
    for name in ("emage", "assets", "pyproject.toml", "README.md", "LICENSE"):
        (folder / "project" / name).symlink_to(ROOT / name)
    venv.create(folder / "venv")
    python = folder / "venv/bin/python"
    (packages,) = folder.glob("venv/lib/python*/site-packages")
    (packages / "tests.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "--no-deps", "--no-index", "--no-build-isolation", "--editable", folder / "project"], check=True
    )
    return python.parent


def test_the_copied_command_makes_the_take_again_in_any_folder(page, short_talk, installed, tmp_path):
    upload(page, short_talk)
    generate(page, 1)
    made = Motion.load(save(page, "#npz", tmp_path / "made.npz"))
    page.locator("#command-panel button").first.click()
    command = page.locator("#command .cm-content").inner_text()
    assert command.startswith("emage generate ")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / short_talk.name).write_bytes(short_talk.read_bytes())
    environment = {**os.environ, "PATH": f"{installed}:{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    subprocess.run(command, shell=True, cwd=folder, env=environment, check=True)
    (again,) = folder.glob("*.npz")
    assert_same_motion(Motion.load(again), made)
