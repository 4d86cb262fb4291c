"""Calls to the page, and the promise that no fault of a user's is one of the program's."""

from collections.abc import Iterator

import pytest

from tests.app_server import Caller


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
