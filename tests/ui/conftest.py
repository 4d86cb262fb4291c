"""Calls to the page, and the promise that no fault of a user's is one of the program's."""

from collections.abc import Iterator

import pytest

from emage.models.checkpoint import NETWORK_FOLDERS, load_generator, load_networks
from emage.pipeline import EmagePipeline
from emage.recording.vocabulary import Vocabulary
from tests.app_server import App, Caller, serve_here
from tests.conftest import ROOT

TINY = ROOT / "tests" / "parity" / "tiny"


@pytest.fixture(scope="module")
def caller(app) -> Iterator[Caller]:
    caller = Caller(app.url)
    yield caller
    caller.leave()


@pytest.fixture(scope="module")
def audio(caller, short_talk) -> dict:
    return caller.upload(short_talk)


@pytest.fixture
def nothing_in_the_log(capfd) -> Iterator[None]:
    yield
    assert "Traceback" not in capfd.readouterr().err


@pytest.fixture(scope="package")
def text_app(body, tmp_path_factory) -> Iterator[App]:
    """The page with tiny weights that hear words, some of those of the first example."""
    _, codec = load_networks({name: TINY / folder for name, folder in NETWORK_FOLDERS.items()})
    known = [
        "hello",
        "and",
        "welcome",
        "i",
        "am",
        "a",
        "voice",
        "so",
        "give",
        "me",
        "body",
        "my",
        "arms",
        "may",
        "open",
        "wide",
        "hands",
        "count",
        "to",
        "three",
    ]
    words = (known + [f"other{number}" for number in range(56)])[:56]
    pipeline = EmagePipeline(load_generator(TINY / "text"), codec, vocabulary=Vocabulary.of(words))
    pipeline.body = body
    with serve_here(pipeline, tmp_path_factory.mktemp("uploads")) as app:
        yield app


@pytest.fixture
def text_caller(text_app) -> Iterator[Caller]:
    caller = Caller(text_app.url)
    yield caller
    caller.leave()
