"""The work behind the page, as programs and the page's own calls see it."""

import json
import subprocess
import threading
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from gradio_client import Client, handle_file

from emage.errors import EmageError, RenderError
from emage.generation.take import Take
from emage.hints import HintPlan, Hints, Span
from emage.motion import FLAME2020, Motion
from emage.pipeline import EmagePipeline
from emage.project import Project
from emage.recording import recording as recordings
from emage.recording.examples import load_examples
from emage.ui.service import service as module
from emage.ui.service.registry import STAGE_WAITING, WeightsRegistry
from emage.ui.service.service import PageSettings, Service
from emage.ui.service.staging import stand_beside
from tests.app_server import QUICK, App, Caller, name_file, wait_until
from tests.conftest import TALK_FRAMES, make_motion


def make_takes(caller: Caller, audio: dict, count: int = 1) -> list[dict]:
    """The rows of a list of so many takes."""
    values = caller.page_values("generate_on_page", speech=audio, timeline={"num_frames": TALK_FRAMES})
    for _ in range(count):
        answer = caller.get_values("generate_on_page", *values)
    return find_list(answer)["value"]


def find_list(values: list) -> dict:
    """The update of the list of takes."""
    return next(value for value in values if isinstance(value, dict) and "facts" in value.get("props", {}))


# --- one recording ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_recording_is_decoded_once_on_the_way_of_a_click(app, short_talk, monkeypatch):
    decoded = []

    def decode(source: Any, *others: Any) -> Any:
        decoded.append(source)
        return decode_audio(source, *others)

    decode_audio = recordings.decode_audio
    monkeypatch.setattr(recordings, "decode_audio", decode)
    caller = Caller(app.url)
    audio = caller.upload_as("once.wav", short_talk.read_bytes())
    caller.get_values("show_recording", audio, None, None, 0, "loop")
    rows = make_takes(caller, audio)
    caller.get_values("compare", *caller.page_values("compare", takes=rows))
    fields = {"speech": audio, "timeline": {"num_frames": TALK_FRAMES}}
    plans = json.dumps([{"name": "none", "plan": {"spans": []}}])
    caller.get_values(
        "batch_on_page", *caller.page_values("batch_on_page", batch_kind=False, batch_plans=plans, **fields)
    )
    caller.get_values("save_session", *caller.page_values("save_session", **fields))
    caller.get_values("generate", audio, "", None, QUICK)
    assert decoded == [Path(audio["path"])]
    caller.leave()


def test_the_recording_that_the_page_begins_with_is_decoded_when_it_is_built(new_caller, monkeypatch):
    monkeypatch.setattr(recordings, "decode_audio", None)
    example = name_file(str(load_examples()[0].audio))
    assert new_caller.get_values("generate", example, "", None, QUICK | {"end_s": 1})[2]["frames"] == 30


@pytest.mark.slow
def test_programs_get_video_motion_and_report(app, short_talk):
    """And the same again for the same seed."""
    client = Client(app.url, verbose=False)

    def generate(**settings: Any) -> tuple:
        return client.predict(handle_file(short_talk), "", None, QUICK | settings, api_name="/generate")

    def load(taken: tuple) -> np.ndarray:
        return Motion.load(find_path(taken[1])).poses

    video, motion, report = free = generate()
    assert Path(find_path(video)).stat().st_size > 1000
    assert Motion.load(find_path(motion)).num_frames == report["frames"] == TALK_FRAMES
    one, again, other = (load(generate(seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.allclose(one, load(free))
    assert not np.allclose(one, other)
    client.close()


def find_path(value: str | dict) -> str:
    return (value.get("video") or value["value"]) if isinstance(value, dict) else value


def test_without_gl_the_motion_is_there(new_caller, new_audio, monkeypatch):
    """And of the server's folders nothing is told."""

    def cannot(*_):
        raise RenderError("No picture can be drawn (/srv/secret/lib.so: not found). Install libegl1.")

    monkeypatch.setattr(module, "render_video", cannot)
    video, motion, report = new_caller.get_values("generate", new_audio, "", None, QUICK)
    assert video is None
    assert "No picture can be drawn (lib.so: not found). Install libegl1." in report["note"].replace("\\", "")
    values = new_caller.page_values("film")
    told = [new_caller.get_fault("film", *values, event={"numbers": [number]}) for number in range(1, 6)]
    assert "No picture can be drawn (lib.so: not found). Install libegl1." in told
    assert "secret" not in report["note"]
    assert Motion.load(motion["path"]).num_frames == TALK_FRAMES


# --- takes side by side -----------------------------------------------------------------------------------------------


def test_a_hint_beside_takes_stands_once_and_is_grey():
    def make(caption: str, seed: int | None = None) -> Take:
        """With a hint that is longer than the take; None: without."""
        hints = None if seed is None else Hints(make_motion(30, seed), HintPlan((Span("upper", 2, 9),)))
        return Take(make_motion(20), caption, hints)

    free, one, same, other = make("free"), make("one", 5), make("same", 5), make("other", 7)

    def beside(*takes: Take, with_hints: bool = True) -> list[str]:
        return [take.caption for take in stand_beside(takes, with_hints, 6)]

    assert beside(free, one, same, with_hints=False) == ["free", "one", "same"]
    assert beside(free, one, same) == ["free", "hint", "one", "same"]
    hint = stand_beside([free, one], True, 6)[1]
    assert np.array_equal(hint.motion.poses, one.hints.reference.poses[:20])
    assert hint.hints.plan.covers(20).all()
    assert beside(one, other) == ["hint of “one”", "one", "hint of “other”", "other"]
    with pytest.raises(EmageError, match="8 bodies side by side"):
        beside(*[one, other] * 3)


def test_measuring_waits_in_the_queue_and_is_cancelled(app, short_talk, monkeypatch):
    """Nobody else's take is made meanwhile, and what is measured stops where its user says so."""
    caller, other = Caller(app.url), Caller(app.url)
    measures, may_go = threading.Event(), threading.Event()

    def measure(takes: list[Take], body: object, progress: Callable) -> list:
        measures.set()
        assert may_go.wait(60)
        progress(0, 1)
        raise AssertionError("it was cancelled")

    rows = make_takes(caller, caller.upload(short_talk))
    monkeypatch.setattr(module, "report_takes", measure)
    with ThreadPoolExecutor() as pool:
        compares = pool.submit(caller.get_values, "compare", *caller.page_values("compare", takes=rows))
        try:
            assert measures.wait(60)
            waits = pool.submit(other.get_values, "generate", other.upload(short_talk), "", None, QUICK)
            wait_until(lambda: "Waiting: 1 before you" in other.progress)
            assert not waits.done()
            assert caller.ask_past_queue("cancel_comparing") == (True, ["Cancelled."])
        finally:
            may_go.set()
        note, video, *_ = compares.result(60)
    assert note == "Cancelled."
    assert video == {"__type__": "update"}  # as it was
    assert waits.result(60)[2]["frames"] == TALK_FRAMES
    for each in (caller, other):
        each.leave()


def test_the_list_of_takes_is_shown_without_their_files(app, new_caller, new_audio):
    """It comes again with every take, and reads none of those before."""
    rows = make_takes(new_caller, new_audio, 2)
    assert [row["caption"] for row in rows] == ["no hints", "no hints (2)"]
    session, _ = new_caller.get_values("save_session", *new_caller.page_values("save_session", speech=None))
    loader = Caller(app.url)
    loaded = find_list(loader.get_values("load_session", loader.upload(Path(session["value"]["path"]))))
    facts = loaded["props"]["facts"]
    assert [row["caption"] for row in loaded["value"]] == ["no hints", "no hints (2)"]
    assert all(fact.startswith("1.5 s · made in") for fact in facts.values())
    for path in app.uploads.rglob("*.npz"):
        path.unlink()
    first, second = (row["number"] for row in loaded["value"])
    removed = find_list(loader.get_values("remove_take", None, event={"number": first}))
    assert [row["number"] for row in removed["value"]] == [second]
    assert removed["props"]["facts"] == {str(second): facts[str(second)]}
    for event in ({"number": first}, {}, None, {"number": "x"}):
        assert loader.get_fault("show_take", event=event) == "This take is no longer there."
    loader.leave()


@pytest.fixture
def compare_take_of_session(new_caller, tmp_path) -> Callable[[float | None], tuple[bool, Any]]:
    """Loads a session whose only take has a video with so many seconds of silence, or none, and compares it."""

    def compare(sound_s: float | None) -> tuple[bool, Any]:
        video = None if sound_s is None else tmp_path / "take.mp4"
        if video is not None:
            silence = ("-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono", "-t", str(sound_s), video)
            subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *silence], check=True)
        take = Take(make_motion(9), "silent").store(tmp_path, "take", video)
        session = new_caller.upload(Project(takes=(take,)).save(tmp_path / "session.zip"))
        (row,) = find_list(new_caller.get_values("load_session", session))["value"]
        return new_caller.ask("compare", *new_caller.page_values("compare", takes=[row | {"chosen": True}]))

    return compare


@pytest.mark.parametrize(
    ("sound_s", "words"),
    [(None, "came without its sound"), (61, "takes-1.mp4 is longer than 1 minutes, the limit here"), (60.05, None)],
)
def test_the_sound_of_a_take_is_no_longer_than_a_recording_may_be(compare_take_of_session, sound_s, words):
    """That of a take which came with a session may be anybody's file; a codec pads."""
    succeeded, answer = compare_take_of_session(sound_s)
    assert succeeded == (words is None)
    assert succeeded or words in answer


# --- weights and bodies -----------------------------------------------------------------------------------------------


@pytest.fixture
def downloads(app) -> Iterator[types.SimpleNamespace]:
    """The weights "slow", which come when a test says so."""
    begun, may_end = threading.Event(), threading.Event()

    def load(progress: Callable) -> EmagePipeline:
        begun.set()
        while not may_end.wait(0.01):
            progress("Downloading", 1 << 20, 4 << 20)
        raise EmageError("The Hub cannot be reached.")  # so that they stay unknown

    app.weights["slow"] = load
    yield types.SimpleNamespace(begun=begun, may_end=may_end)
    may_end.set()


def test_a_download_is_shown_and_cancelled_and_keeps_nobody_waiting(app, new_caller, short_talk, downloads):
    other, third = Caller(app.url), Caller(app.url)
    with ThreadPoolExecutor() as pool:
        try:
            loads = pool.submit(new_caller.get_fault, "speakers", "slow")
            assert downloads.begun.wait(10)
            assert other.get_values("generate", other.upload(short_talk), "", None, QUICK)[2]["frames"] == TALK_FRAMES
            waiting = [
                pool.submit(other.get_fault, "speakers", "slow"),
                pool.submit(
                    third.get_fault, "generate", third.upload(short_talk), "", None, QUICK | {"weights": "slow"}
                ),
            ]
            for each, told in ((new_caller, "Downloading"), (other, STAGE_WAITING), (third, STAGE_WAITING)):
                wait_until(lambda each=each, told=told: any(told in said for said in each.progress))
            assert new_caller.ask_past_queue("cancel") == (True, ["Cancelled."])
            assert loads.result(60) == "Cancelled."
            wait_until(lambda: any("Downloading" in said for said in other.progress + third.progress))
            assert not any(asked.done() for asked in waiting)
        finally:
            downloads.may_end.set()
        assert {asked.result(60) for asked in waiting} == {"The Hub cannot be reached."}
    for each in (other, third):
        each.leave()


def test_an_example_sets_no_speaker_that_the_chosen_weights_lack(app: App, tiny, new_caller):
    """Its number would be refused by the list of those whom they know."""
    known = [example for example in load_examples() if example.speaker < tiny.generator.config.speakers]
    example = max(known, key=lambda example: example.speaker)
    config = types.SimpleNamespace(speakers=example.speaker)
    few = types.SimpleNamespace(source=None, generator=types.SimpleNamespace(config=config))
    app.weights["few"] = lambda progress: few
    api_name = f"example_{example.name}"

    def speaker_and_words(weights: str) -> tuple[object, str]:
        values = new_caller.get_values(api_name, *new_caller.page_values(api_name, weights=weights))
        return values[1].get("value"), json.dumps(values)

    own, words = speaker_and_words("")
    assert own == example.speaker
    assert "the speaker stays as it is set" not in words
    for choose in (False, True):  # not in memory yet, and with their speakers on offer
        if choose:
            new_caller.get_values("speakers", "few")
        speaker, words = speaker_and_words("few")
        assert speaker is None
        assert "do not know this example's speaker: the speaker stays as it is set." in words


def test_smplx_is_loaded_once_however_many_ask(tiny, monkeypatch):
    service = Service(WeightsRegistry(tiny), PageSettings(), stream_take=None)
    assert service.offers_smplx
    loaded, both_load = [], threading.Barrier(2)

    def load_body(**_):
        loaded.append(object())
        with suppress(threading.BrokenBarrierError):  # who loads alone waits in vain for another
            both_load.wait(timeout=0.5)
        return loaded[-1]

    monkeypatch.setattr(module, "load_body", load_body)
    with ThreadPoolExecutor(2) as pool:
        got = list(pool.map(service.body, (True, True)))
    assert got == loaded * 2
    assert len(loaded) == 1
    assert service.body() is tiny.body


def test_smplx_goes_nowhere_before_a_take_is_asked_for(tiny, monkeypatch):
    service = Service(WeightsRegistry(tiny), PageSettings(), stream_take=None)
    monkeypatch.setattr(tiny.body, "expression_basis", FLAME2020)
    assert service.expect_on_stage(request=None) is None


@pytest.mark.parametrize(
    "limits", [{"max_duration_s": float("nan")}, {"max_duration_s": 0}, {"size": 33}, {"at_once": 0}]
)
def test_limits_that_make_no_sense(limits):
    with pytest.raises(EmageError):
        PageSettings(**limits)
