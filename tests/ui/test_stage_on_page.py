"""What the page's handlers put on the stages, as a browser would get it, and videos that are asked for."""

from pathlib import Path

from tests.app_server import QUICK, Caller
from tests.conftest import TALK_FRAMES
from tests.ui.components.test_stage import decode


def generate(caller: Caller, audio: dict, **fields) -> list:
    values = caller.page_values("generate_on_page", speech=audio, timeline={"num_frames": TALK_FRAMES}, **fields)
    return caller.get_values("generate_on_page", *values)


def test_a_take_stands_on_the_stage_and_no_video_is_drawn(new_caller, new_audio):
    video, *_, stage = generate(new_caller, new_audio)
    assert video is None
    (take,) = stage["takes"]
    assert (take["num_frames"], take["total_frames"], stage["film"]) == (TALK_FRAMES, TALK_FRAMES, True)
    content = b"".join(new_caller.get(file["path"]).content for file in take["files"])
    assert len(decode(content)[1]) == TALK_FRAMES
    assert new_caller.get(stage["bodies"][0]["file"]["path"]).content[:4] == b"glTF"
    assert new_caller.get(stage["sound"]["path"]).content[:4] == b"RIFF"
    assert all(new_caller.get(file["path"]).is_success for file in stage["library"].values())
    assert all(file["url"].startswith("http") for file in [*take["files"], *stage["library"].values()])


def test_a_new_page_gets_what_its_first_take_will_stand_on(app, short_talk):
    caller = Caller(app.url)
    _, shown = caller.come()
    stage = shown["result-stage"]
    assert stage["takes"] == []
    (body,) = stage["bodies"]
    assert caller.get(body["file"]["path"]).content[:4] == b"glTF"
    assert all(caller.get(file["path"]).is_success for file in stage["library"].values())
    *_, made = generate(caller, caller.upload(short_talk))
    assert [each["key"] for each in made["bodies"]] == [body["key"]]
    caller.leave()


def test_a_video_is_made_when_it_is_asked_for(new_caller, new_audio):
    *_, stage = generate(new_caller, new_audio)
    (number,) = (take["number"] for take in stage["takes"])
    video, *_, rows = new_caller.get_values("film", *new_caller.page_values("film"), event={"numbers": [number]})
    assert "no video" not in rows["props"]["facts"][str(number)]
    assert video is not None
    for event in ({"numbers": [99]}, {"numbers": "x"}, {"numbers": [None]}, {}, None):
        assert "no longer there" in new_caller.get_fault("film", *new_caller.page_values("film"), event=event)


def test_a_setting_makes_it_beside(new_caller, new_audio):
    video, *_ = generate(new_caller, new_audio, film=True)
    assert video is not None


def test_compared_takes_stand_on_a_stage_of_their_own(new_caller, new_audio):
    made = [generate(new_caller, new_audio)[-1]["takes"][0]["number"] for _ in range(2)]
    rows = [{"number": number, "caption": f"take {number}", "chosen": True} for number in made]
    note, video, *_, stage, _ = new_caller.get_values("compare", *new_caller.page_values("compare", takes=rows))
    assert (note, video["value"]) == ("", None)
    assert [take["caption"] for take in stage["value"]["takes"]] == [row["caption"] for row in rows]
    event = {"numbers": [row["number"] for row in rows]}
    _, video, _ = new_caller.get_values("film_compared", *new_caller.page_values("film_compared"), event=event)
    assert video["value"] is not None


def test_programs_may_leave_the_video_out(new_caller, new_audio):
    video, motion, report = new_caller.get_values("generate", new_audio, "", None, QUICK | {"video": False})
    assert video is None
    assert report["frames"] == TALK_FRAMES
    assert Path(motion["path"]).suffix == ".npz"
    assert "true or false" in new_caller.get_fault("generate", new_audio, "", None, QUICK | {"video": "maybe"})
