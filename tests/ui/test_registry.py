"""The registry of weights: what is on offer, and that nobody waits for what others load."""

import threading
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from emage.errors import Cancelled, WeightsError
from emage.hub import WeightsSource
from emage.ui.service.registry import STAGE_WAITING, WeightsRegistry, describe_source


def test_users_get_no_weights_but_those_on_offer(tiny):
    loaded = []

    def load(name: str, progress: object) -> object:
        loaded.append(name)
        return object()

    registry = WeightsRegistry(tiny, ("demo", "other", "third"), load=load)
    assert registry.pipeline("") is registry.pipeline(None) is registry.loaded("") is tiny
    assert registry.loaded("demo") is None
    demo = registry.pipeline("demo")
    assert registry.pipeline(" demo ") is registry.loaded("demo") is demo
    with pytest.raises(WeightsError, match="'/etc' are not offered here. Choose from"):
        registry.pipeline("/etc")
    for name in ("other", "third"):
        registry.pipeline(name)
    assert registry.loaded("demo") is None  # the longest unused goes
    assert loaded == ["demo", "other", "third"]
    assert WeightsRegistry(tiny, any_named=True, load=lambda name, progress: name).pipeline("/etc") == "/etc"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (WeightsSource("embedded", "embedded demo weights (/srv/app/assets/demo)", {}), "embedded demo weights"),
        (WeightsSource("folder", "/srv/weights/mine", {}), "mine"),
        (WeightsSource("hub", "you/weights at b04466b8", {}), "you/weights at b04466b8"),
        (None, "given by the program"),
    ],
)
def test_users_see_no_folder_of_the_machine(source, words):
    assert describe_source(source) == words


def test_of_a_folder_with_weights_users_see_its_name_alone(tiny, tmp_path):
    folders = [tmp_path / place / name for place, name in (("of at home", "mine"), ("b", "mine"), ("c", "demo"))]
    for folder in folders:
        folder.mkdir(parents=True)
    own = types.SimpleNamespace(source=WeightsSource("folder", str(folders[0]), {}))
    loaded, offered = [], ("demo", *map(str, folders[1:]))
    registry = WeightsRegistry(own, offered, load=lambda name, progress: loaded.append(name) or tiny)
    assert [name for _, name in registry.choices()] == ["", "demo", "mine", "demo (2)"]
    assert str(tmp_path) not in str(registry.choices())
    assert registry.name_for_settings("") == "mine (2)"
    assert registry.choice("mine (2)") == ""
    assert registry.pipeline("mine (2)") is own
    for name in ("demo", "mine", "demo (2)"):
        assert registry.offers(name)
        assert registry.pipeline(name) is tiny
    assert loaded == list(offered)
    assert not registry.offers(str(folders[1]))
    assert WeightsRegistry(own, offered, any_named=True).name_for_settings("") == str(folders[0])


class Downloads:
    """Loads of weights that last until a test ends them; each tells how far it is until then."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Event()
        self.names: list[str] = []

    def load(self, name: str, progress: object) -> object:
        self.names.append(name)
        self.begun.release()
        while not self.may_end.wait(0.01):
            progress("Downloading", 1, 2)
        if name == "broken":
            raise WeightsError("The Hub cannot be reached.")
        return object()


class Asker:
    """Who waits for weights; cancels when told to."""

    def __init__(self):
        self.told = threading.Event()
        self.stages: set[str] = set()
        self.cancels = False

    def __call__(self, stage: str, done: int, total: int) -> None:
        self.stages.add(stage)
        self.told.set()
        if self.cancels:
            raise Cancelled


@pytest.fixture
def downloads() -> Downloads:
    return Downloads()


@pytest.fixture
def pool(downloads) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool
        downloads.may_end.set()


@pytest.fixture
def registry(tiny, downloads) -> WeightsRegistry:
    return WeightsRegistry(tiny, ("slow", "other", "broken"), load=downloads.load)


def test_a_download_shows_how_far_it_is_and_keeps_nobody_else_waiting(registry, downloads, pool, tiny):
    one, two, other = Asker(), Asker(), Asker()
    first = pool.submit(registry.pipeline, "slow", one)
    assert downloads.begun.acquire(timeout=10)
    second = pool.submit(registry.pipeline, "slow", two)
    third = pool.submit(registry.pipeline, "other", other)
    assert downloads.begun.acquire(timeout=10)
    assert registry.pipeline("") is tiny
    for asker, stage in ((one, "Downloading"), (two, STAGE_WAITING), (other, "Downloading")):
        assert asker.told.wait(10)
        assert asker.stages == {stage}
    downloads.may_end.set()
    assert first.result(10) is second.result(10) is registry.loaded("slow")
    assert third.result(10) is registry.loaded("other")
    assert downloads.names == ["slow", "other"]


def test_weights_that_are_loaded_wait_for_no_download(tiny, downloads, pool):
    load = downloads.load
    registry = WeightsRegistry(
        tiny, ("slow", "quick"), load=lambda name, progress: tiny if name == "quick" else load(name, progress)
    )
    registry.pipeline("quick")
    slow = pool.submit(registry.pipeline, "slow", Asker())
    assert downloads.begun.acquire(timeout=10)
    for name in ("", "quick"):
        assert pool.submit(registry.pipeline, name).result(10) is tiny
        assert registry.loaded(name) is tiny
    assert not slow.done()


@pytest.mark.parametrize("leaves", ["who loads", "who waits"])
def test_one_who_cancels_fails_nobody_else(registry, downloads, pool, leaves):
    one, two = Asker(), Asker()
    first = pool.submit(registry.pipeline, "slow", one)
    assert downloads.begun.acquire(timeout=10)
    second = pool.submit(registry.pipeline, "slow", two)
    assert two.told.wait(10)
    gone, stays = (first, second) if leaves == "who loads" else (second, first)
    (one if gone is first else two).cancels = True
    with pytest.raises(Cancelled):
        gone.result(10)
    if gone is first:
        assert downloads.begun.acquire(timeout=10)  # who waited loads them now
    downloads.may_end.set()
    assert stays.result(10) is registry.loaded("slow")
    assert len(downloads.names) == (2 if gone is first else 1)


def test_weights_that_could_not_be_had_are_told_to_all_and_tried_again(registry, downloads, pool):
    one, two = Asker(), Asker()
    first = pool.submit(registry.pipeline, "broken", one)
    assert downloads.begun.acquire(timeout=10)
    second = pool.submit(registry.pipeline, "broken", two)
    assert two.told.wait(10)
    downloads.may_end.set()
    for ask in (first.result, second.result, lambda _: registry.pipeline("broken", one)):
        with pytest.raises(WeightsError, match="cannot be reached"):
            ask(10)
    assert downloads.names == ["broken", "broken"]
