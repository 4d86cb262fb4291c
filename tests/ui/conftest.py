"""Calls to the page, and the promise that no fault of a user's is one of the program's."""

from collections.abc import Callable, Iterator
from pathlib import Path

import gradio as gr
import pytest
import soundfile

from app import on_zero_gpu
from emage.generation.settings import AS_GENERATED, TakeSettings
from emage.generation.take import Request
from emage.hints import Hints, Placement
from emage.render.settings import RenderSettings
from emage.ui.page import Page
from emage.ui.service.registry import WeightsRegistry
from emage.ui.service.requests import PageRequest, PageSettings
from emage.ui.service.service import Service
from tests.app_server import Caller
from tests.conftest import TALK_FRAMES, make_speech
from tests.ui.handlers import ASKER, bar


@pytest.fixture(scope="module")
def caller(app) -> Iterator[Caller]:
    caller = Caller(app.url)
    yield caller
    caller.leave()


@pytest.fixture(scope="module")
def audio(caller, short_talk) -> dict:
    return caller.upload(short_talk)


@pytest.fixture
def new_caller(app) -> Iterator[Caller]:
    """With a list of takes of their own."""
    caller = Caller(app.url)
    yield caller
    caller.leave()


@pytest.fixture
def new_audio(new_caller, short_talk) -> dict:
    return new_caller.upload(short_talk)


@pytest.fixture
def nothing_in_the_log(capfd) -> Iterator[None]:
    yield
    assert "Traceback" not in capfd.readouterr().err


@pytest.fixture
def page(tiny, tmp_path, monkeypatch) -> Page:
    """Its handlers, without a server."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    registry = WeightsRegistry(tiny)
    with gr.Blocks() as blocks:
        return Page(Service(registry, PageSettings(size=64), on_zero_gpu(registry)), blocks)


@pytest.fixture
def make_take(page, tmp_path) -> Callable[..., int]:
    """A take of a recording by this name, in the user's list; its number."""

    def make(
        name: str,
        seed_of_speech: int = 0,
        part: tuple[int, int | None] = (0, None),
        hints: Hints | None = None,
        **settings: object,
    ) -> int:
        path: Path = tmp_path / name
        if not path.exists():
            soundfile.write(path, make_speech(TALK_FRAMES * 1600 // 3, seed_of_speech), 16000)
        recording = page.service.decode(page.service.user(ASKER), path).trim(*part)
        request = Request(recording, TakeSettings(translation=AS_GENERATED, **settings), hints)
        wanted = PageRequest([request], RenderSettings(size=64), "", Placement(), film=False)
        ((take, _),) = page.service.make(wanted, ASKER, bar)
        return take.number

    return make
