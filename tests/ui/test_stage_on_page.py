"""What the page's handlers put on the stages, as a browser would get it, and videos that are asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app_server import QUICK, Caller
from tests.conftest import TALK_FRAMES
from tests.ui.components.test_stage import decode


@pytest.fixture
def caller(app) -> Iterator[Caller]:
    caller = Caller(app.url)
    yield caller
    caller.leave()


@pytest.fixture
def audio(caller, short_talk) -> dict:
    return caller.upload(short_talk)


def generate(caller: Caller, audio: dict, **fields) -> list:
    values = caller.page_values("generate_on_page", speech=audio, timeline={"num_frames": TALK_FRAMES}, **fields)
    return caller.get_values("generate_on_page", *values)


def test_a_take_stands_on_the_stage_and_no_video_is_drawn(caller, audio):
    video, *_, stage = generate(caller, audio)
    assert video is None
    (take,) = stage["takes"]
    assert (take["num_frames"], take["total_frames"], stage["film"]) == (TALK_FRAMES, TALK_FRAMES, True)
    content = b"".join(caller.get(file["path"]).content for file in take["files"])
    assert len(decode(content)[1]) == TALK_FRAMES
    assert caller.get(stage["bodies"][0]["file"]["path"]).content[:4] == b"glTF"
    assert caller.get(stage["sound"]["path"]).content[:4] == b"RIFF"
    assert all(caller.get(file["path"]).is_success for file in stage["library"].values())
    assert all(file["url"].startswith("http") for file in [*take["files"], *stage["library"].values()])


def test_a_video_is_made_when_it_is_asked_for(caller, audio):
    *_, stage = generate(caller, audio)
    (number,) = (take["number"] for take in stage["takes"])
    video, *_, rows = caller.get_values("film", *caller.page_values("film"), event={"numbers": [number]})
    assert "no video" not in rows["props"]["facts"][str(number)]
    assert video is not None
    for event in ({"numbers": [99]}, {"numbers": "x"}, {"numbers": [None]}, {}, None):
        assert "no longer there" in caller.get_fault("film", *caller.page_values("film"), event=event)


def test_a_setting_makes_it_beside(caller, audio):
    video, *_ = generate(caller, audio, film=True)
    assert video is not None


def test_compared_takes_stand_on_a_stage_of_their_own(caller, audio):
    made = [generate(caller, audio)[-1]["takes"][0]["number"] for _ in range(2)]
    rows = [{"number": number, "caption": f"take {number}", "chosen": True} for number in made]
    note, video, *_, stage, _ = caller.get_values("compare", *caller.page_values("compare", takes=rows))
    assert (note, video["value"]) == ("", None)
    assert [take["caption"] for take in stage["value"]["takes"]] == [row["caption"] for row in rows]
    event = {"numbers": [row["number"] for row in rows]}
    _, video, _ = caller.get_values("film_compared", *caller.page_values("film_compared"), event=event)
    assert video["value"] is not None


def test_programs_may_leave_the_video_out(caller, audio):
    video, motion, report = caller.get_values("generate", audio, "", None, QUICK | {"video": False})
    assert video is None
    assert report["frames"] == TALK_FRAMES
    assert Path(motion["path"]).suffix == ".npz"
    assert "true or false" in caller.get_fault("generate", audio, "", None, QUICK | {"video": "maybe"})
