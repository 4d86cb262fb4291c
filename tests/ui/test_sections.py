"""What the cards of the page make of values, and of which components they are built."""

import json
import tomllib

import gradio as gr
import pytest

from app import create_app
from emage.errors import EmageError
from emage.generation.settings import GROUNDED, TRANSLATIONS, TakeSettings
from emage.hints import HintPlan
from emage.ui.sections.hints import read_rows, write_rows
from emage.ui.sections.settings import SettingsSection
from emage.ui.service.registry import WeightsRegistry
from emage.ui.service.service import PageSettings, Service
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([["tail", "0", "1", "lock"]], "part is 'tail'"),
        ([["face", "soon", "1", "lock"]], "The start in row 1 is 'soon'"),
        ([["face", "0", "nan", "lock"]], "The end in row 1 is 'nan'"),
        ([["face", "1", "1", ""]], "is empty"),
    ],
)
def test_rows_that_are_no_plan(rows, words):
    with pytest.raises(EmageError, match=words):
        read_rows(rows, 6)


def test_the_table_is_the_plan():
    plan = HintPlan.from_json({"spans": [{"part": "hands", "start_frame": 7, "end_frame": 31, "mode": "lock"}]})
    assert read_rows(write_rows(plan), 6) == (plan, "")
    assert read_rows(write_rows(HintPlan()), 6) == (HintPlan(), "")
    unfinished = "Row 1 counts once part, start and end are there."
    assert read_rows([["Left hand", "0", "", ""]], 6) == (HintPlan(), unfinished)


@pytest.fixture
def settings(tiny) -> SettingsSection:
    with gr.Blocks():
        return SettingsSection(Service(WeightsRegistry(tiny), PageSettings(), stream_take=None))


def test_feet_are_kept_on_the_ground_unless_chosen_otherwise(settings):
    translation = settings.translation
    assert translation.value == GROUNDED
    assert {value for _, value in translation.choices} == set(TRANSLATIONS)
    assert "drift is taken out" in translation.info
    for stored in (None, *TRANSLATIONS):
        assert settings.show_take(TakeSettings(translation=stored))[6] == (stored or GROUNDED)


@pytest.mark.parametrize("samples", [False, True])
@pytest.mark.parametrize(("choice", "frames"), [("weights", None), ("0", 0), ("10", 10)])
def test_seams_are_set_stored_and_shown(settings, choice, frames, samples):
    values = ["", 0, samples, 0, 1.0, 0, "as-generated", choice]
    read = settings.read_take(*values)
    assert read.seam_frames == frames
    assert settings.show_take(read) == [*values, False]


def test_no_audio_is_set_stored_and_shown(settings):
    values = ["", 0, False, 0, 1.0, 0, "as-generated", "weights"]
    assert settings.read_take(*values).use_audio
    read = settings.read_take(*values, True)
    assert not read.use_audio
    assert settings.show_take(read) == [*values, True]


def test_the_page_brings_nothing_of_itself_into_the_users_copies(tiny):
    """Gradio makes an event of any constructor's word that stands in quotes in a component's JavaScript."""
    for block in create_app(tiny).blocks.values():
        json.dumps(block.get_config())


def test_every_file_of_the_page_is_packaged():
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    packaged = {
        path
        for package, patterns in packages.items()
        for pattern in patterns
        for path in ROOT.joinpath(*package.split(".")).glob(pattern)
    }
    files = {path for path in (ROOT / "emage").rglob("*") if path.suffix in (".html", ".css", ".js")}
    files = {path for path in files if "node_modules" not in path.parts}
    assert len(files) > 20
    assert files <= packaged
