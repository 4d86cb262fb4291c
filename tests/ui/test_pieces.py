"""A take while it is made, as the page is handed it: pieces, then the take; and who leaves or cancels between them."""

import types
from collections.abc import Callable

import pytest

from app import on_zero_gpu
from emage.errors import Cancelled
from emage.generation.settings import AS_GENERATED, TakeSettings
from emage.generation.take import Request
from emage.hints import Placement
from emage.motion import join_motions
from emage.recording.recording import Recording
from emage.render.settings import RenderSettings
from emage.ui.service.pieces import MadeTake, TakePiece
from emage.ui.service.registry import WeightsRegistry
from emage.ui.service.requests import PageRequest, PageSettings
from emage.ui.service.service import Service
from tests.conftest import assert_same_motion, make_speech

FRAMES = 200
SETTINGS = TakeSettings(translation=AS_GENERATED)


def asker(session: str) -> types.SimpleNamespace:
    return types.SimpleNamespace(session_hash=session)


def bar(*progress: object, **named: object) -> None:
    pass


@pytest.fixture
def service(tiny, tmp_path, monkeypatch) -> Service:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    registry = WeightsRegistry(tiny)
    return Service(registry, PageSettings(size=64), on_zero_gpu(registry))


@pytest.fixture
def ask() -> Callable[..., PageRequest]:
    recording = Recording.load((16000, make_speech(FRAMES * 16000 // 30)))

    def request(*seeds: int | None) -> PageRequest:
        takes = [Request(recording, TakeSettings(seed=seed, translation=AS_GENERATED)) for seed in seeds]
        return PageRequest(takes, RenderSettings(size=64, samples=1, face_inset=False, floor=False), "", Placement())

    return request


def test_pieces_come_before_their_take_and_are_its_motion(service, ask, tiny):
    wanted = ask(None, 3)
    events = list(service.stream(wanted, asker("one"), bar))
    kinds = [(type(event), event.number) for event in events]
    for number in range(2):
        pieces = [each for each in events if isinstance(each, TakePiece) and each.number == number]
        (made,) = [each for each in events if isinstance(each, MadeTake) and each.number == number]
        assert len(pieces) > 1
        assert kinds[kinds.index((MadeTake, number)) - 1] == (TakePiece, number)
        starts = [piece.start_frame for piece in pieces]
        assert starts == [sum(each.motion.num_frames for each in pieces[:i]) for i in range(len(pieces))]
        assert {piece.total_frames for piece in pieces} == {FRAMES}
        assert {piece.request for piece in pieces} == {wanted.takes[number]}
        joined = join_motions([piece.motion for piece in pieces])
        assert_same_motion(joined, made.take.load().motion)
        assert_same_motion(joined, tiny.take(wanted.takes[number]).motion)
        assert made.take.video.is_file()
        assert made.take.took_s > 0
    assert [type(each) for each in (events[0], events[-1])] == [TakePiece, MadeTake]
    assert len(service.user(asker("one")).takes) == 2


def test_who_leaves_between_pieces_makes_room_for_others(service, ask):
    leaving = service.stream(ask(None), asker("one"), bar)
    assert isinstance(next(leaving), TakePiece)
    leaving.close()
    assert [type(each) for each in service.stream(ask(None), asker("two"), bar)][-1] is MadeTake
    assert len(service.user(asker("one")).takes) == 0
    assert service.cancel(asker("one")) is False  # nothing runs for them any more


def test_who_cancels_between_pieces_gets_no_more(service, ask):
    stream = service.stream(ask(None), asker("one"), bar)
    next(stream)
    assert service.cancel(asker("one"))
    with pytest.raises(Cancelled):
        list(stream)
    assert len(service.user(asker("one")).takes) == 0
    assert [note for _, note in service.make(ask(None), asker("one"), bar)] == [""]
