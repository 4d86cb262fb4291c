"""What the cards of the page make of values, and of which components they are built."""

import asyncio
import json
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import gradio as gr
import pytest
from gradio.data_classes import _StaticFiles
from gradio.state_holder import SessionState

from app import create_app
from emage.errors import EmageError
from emage.generation.settings import GROUNDED, TRANSLATIONS, TakeSettings
from emage.hints import HintPlan
from emage.hub import WeightsSource
from emage.ui.components.stage import Stage
from emage.ui.page import describe_weights_and_body
from emage.ui.sections.hints import read_rows, write_plan, write_rows
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
    assert read_rows(write_rows(plan), None) == (plan, "")
    assert read_rows(write_rows(plan), 6) == (replace(plan, blend_frames=6), "")
    assert read_rows(write_rows(HintPlan()), None) == (HintPlan(), "")
    assert HintPlan.from_json(write_plan(plan)) == plan
    unfinished = "Row 1 counts once part, start and end are there."
    assert read_rows([["Left hand", "0", "", ""]], None) == (HintPlan(), unfinished)


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


def test_one_thing_has_one_name(tiny):
    """Of the words that the page has for hint motion, root motion, camera and sampling, none is another's."""
    config = json.dumps([block.get_config() for block in create_app(tiny).blocks.values()], default=str)
    for word in ("Hint motion", "Root motion", "Top-k (0 = off)", "Randomness", "Anti-aliasing", "Fixed"):
        assert word in config, word
    for word in ("take hints from", "reference motion", "Root trajectory", "Temperature", "Goes along", "Stands still"):
        assert word not in config, word


def test_no_audio_is_set_stored_and_shown(settings):
    values = ["", 0, False, 0, 1.0, 0, "as-generated", "weights"]
    assert settings.read_take(*values).use_audio
    read = settings.read_take(*values, True)
    assert not read.use_audio
    assert settings.show_take(read) == [*values, True]


@pytest.mark.parametrize(
    ("source", "short", "told"),
    [
        (WeightsSource("embedded", "demo", {}), "Demo weights", "trained on synthetic speech"),
        (
            WeightsSource(
                "embedded", "demo", {}, "the Hub: [Errno 2] nothing at /root/.cache/hub/x (https://hub.co/a/b)"
            ),
            "Demo weights (why?)",
            "nothing at x (https://hub.co/a/b).",
        ),
        (WeightsSource("folder", "/home/someone/my_weights", {}), "Weights: my_weights", "Weights: my_weights."),
    ],
)
def test_weights_and_body_are_told_in_a_line_and_no_path_of_the_machine(tiny, monkeypatch, source, short, told):
    monkeypatch.setattr(tiny, "source", source)
    line, whole = describe_weights_and_body(Service(WeightsRegistry(tiny), PageSettings(), stream_take=None))
    assert line == f"{short} · stand-in body · its face moves the jaw alone"
    assert told in whole
    assert "/root" not in whole
    assert "/home" not in whole


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


def test_what_a_handler_leaves_as_it_is_is_not_made_anew(tiny):
    """A take comes in pieces, each with a dozen outputs that stay, which took the page's loop as long as the motion."""
    blocks = create_app(tiny)
    function = next(each for each in blocks.fns.values() if each.api_name == "generate_on_page")
    session = SessionState(blocks)
    details = next(number for number, block in enumerate(function.outputs) if block.elem_id == "details")
    told = [gr.skip() for _ in function.outputs]
    told[details] = "Half of it is there."
    with ThreadPoolExecutor(1) as apart:  # the browser's tests leave a loop in this thread
        answers = apart.submit(asyncio.run, blocks.postprocess_data(function, tuple(told), session)).result()
    assert answers[details] == "Half of it is there."
    assert answers[:details] + answers[details + 1 :] == [gr.skip()] * (len(told) - 1)
    assert [session[block._id] for block in function.outputs] == list(function.outputs)


def test_the_folders_that_gradio_looks_through_for_every_file_do_not_become_more(tiny):
    create_app(tiny)
    before = len(_StaticFiles.all_paths)
    for _ in range(3):
        Stage()
    assert len(_StaticFiles.all_paths) == before
