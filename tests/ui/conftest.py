"""Calls to the page, and the promise that no fault of a user's is one of the program's."""

from collections.abc import Iterator

import pytest

from emage.models.checkpoint import NETWORK_FOLDERS, load_generator, load_networks
from emage.pipeline import EmagePipeline
from emage.recording.vocabulary import Vocabulary
from tests.app_server import Caller
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


KNOWN = "hello and welcome i am a voice so give me body my arms may open wide hands count to three"
"""Words of the first example; the weights have embeddings for more."""


@pytest.fixture(scope="session")
def wordy(app, body) -> str:
    """The name of tiny weights that hear words, which the page offers beside its own."""
    _, codec = load_networks({name: TINY / folder for name, folder in NETWORK_FOLDERS.items()})
    words = (KNOWN.split() + [f"other{number}" for number in range(56)])[:56]
    pipeline = EmagePipeline(load_generator(TINY / "text"), codec, vocabulary=Vocabulary.of(words))
    pipeline.body = body
    app.weights["wordy"] = lambda progress: pipeline
    return "wordy"
