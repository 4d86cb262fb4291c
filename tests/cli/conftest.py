"""Commands find the stand-in loaded, which takes a second."""

import pytest

import emage.body
import emage.pipeline
from emage.body import load_body


@pytest.fixture(autouse=True)
def _loaded_once(body, monkeypatch):
    def load(smplx_file=None, *others):
        return body if smplx_file is None else load_body(smplx_file, *others)

    for module in (emage.body, emage.pipeline):
        monkeypatch.setattr(module, "load_body", load)
