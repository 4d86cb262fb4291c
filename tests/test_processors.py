"""The networks leave processors to what works beside them."""

from collections.abc import Iterator

import joblib
import pytest
import torch

from emage.processors import share_processors

UNLIKELY = 7


@pytest.fixture(autouse=True)
def threads(monkeypatch) -> Iterator[None]:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(UNLIKELY)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("processors", "takes", "expected"), [(1, 1, 1), (2, 1, 1), (4, 1, 2), (16, 1, 8), (16, 3, 2), (2, 4, 1)]
)
def test_the_networks_take_half_of_the_processors(monkeypatch, processors, takes, expected):
    monkeypatch.setattr(joblib, "cpu_count", lambda: processors)
    share_processors(takes)
    assert torch.get_num_threads() == expected


def test_who_has_said_how_many_threads_has_so_many(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    share_processors()
    assert torch.get_num_threads() == UNLIKELY
