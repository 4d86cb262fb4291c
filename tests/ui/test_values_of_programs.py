"""What no browser sends: half characters, several choices where one is asked for; a grid cancelled early."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client, handle_file

from emage.errors import Cancelled
from emage.motion import Motion
from emage.pipeline import Progress
from tests.app_server import MAX_DURATION_S, OTHER_WEIGHTS
from tests.conftest import TALK_FRAMES, make_motion

HALF = "\ud800"


pytestmark = pytest.mark.usefixtures("nothing_in_the_log")


@pytest.mark.parametrize(
    ("api_name", "values"),
    [
        ("speakers", [HALF]),
        ("show_reference", ["example:wave", HALF, "loop"]),
        ("edit_takes", [[{"number": 1, "caption": HALF, "chosen": True}]]),
        ("plan_of_json", [HALF, None]),
        ("generate", [None, "", None, {"background": HALF}]),
    ],
)
def test_half_a_character(caller, api_name, values):
    assert "Send it as UTF-8." in caller.get_fault(api_name, *values)


@pytest.mark.parametrize("text", [json.dumps({"spans": [{"part": HALF}]}), json.dumps({HALF: 1})])
def test_half_a_character_in_json(caller, text):
    assert "does not count yet" in json.dumps(caller.get_values("plan_of_json", text, {"num_frames": 30}))


@pytest.mark.parametrize("field", ["speaker", "seams", "size", "weights", "reference"])
@pytest.mark.parametrize("several", [[], [1]])
def test_several_choices_where_one_is_asked_for(caller, short_talk, field, several):
    audio = caller.upload(short_talk)
    values = caller.page_values("generate_on_page", speech=audio, timeline={"num_frames": 30}, **{field: several})
    assert f": '{several}' cannot be used. Give one of its choices." in caller.get_fault("generate_on_page", *values)


def test_no_choice_of_seams_is_that_of_the_weights(caller, short_talk):
    audio = caller.upload(short_talk)
    fields = {"timeline": {"num_frames": 30}, "seams": None}
    *_, command, _, _, _, _ = caller.get_values(
        "generate_on_page", *caller.page_values("generate_on_page", speech=audio, **fields)
    )
    assert "--seam-frames" not in command


def test_a_program_of_before_that_asks_for_a_figure_in_lines_gets_a_video_of_the_body(caller, short_talk):
    fields = {"speech": caller.upload(short_talk), "timeline": {"num_frames": 30}, "film": True, "size": 384}
    video, *_ = caller.get_values(
        "generate_on_page", *caller.page_values("generate_on_page", renderer="skeleton", **fields)
    )
    assert caller.get(video["path"]).content[4:8] == b"ftyp"
    values = caller.page_values("generate_on_page", renderer="opengl", **fields)
    assert "renderer is 'opengl'; it must be 'moderngl'" in caller.get_fault("generate_on_page", *values)


def test_a_grid_cancelled_before_its_first_take_leaves_the_page_as_it_is(app, caller, short_talk):
    """Gradio empties the outputs of a handler that ends without having yielded."""

    def load(progress: Progress) -> None:
        raise Cancelled  # as `progress` does when the user has asked to stop

    app.weights["slower"] = load
    fields = {"batch_kind": False, "weights": "slower", "timeline": {"num_frames": 30}}
    note, *others = caller.get_values(
        "batch_on_page", *caller.page_values("batch_on_page", speech=caller.upload(short_talk), **fields)
    )
    assert note == "Cancelled."
    assert all(other["__type__"] == "update" for other in others)


# --- endpoints --------------------------------------------------------------------------------------------------------


@pytest.fixture
def client(app) -> Iterator[Client]:
    client = Client(app.url, verbose=False)
    yield client
    client.close()


def test_the_api_view_lists_what_programs_need_with_named_arguments(client):
    listed = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    arguments = {name: [each["parameter_name"] for each in point["parameters"]] for name, point in listed.items()}
    spoken = ["settings", "transcript", "transcript_file"]
    assert arguments == {
        "/generate": ["audio", "plan", "hint_motion", *spoken],
        "/batch": ["audio", "plan", "plans", "seeds", "hint_motion", *spoken],
        "/words": ["audio", "transcript", "transcript_file", "language"],
        "/export": ["motion", "format", "settings", "audio"],
        "/doctor": [],
    }
    needed = {name: [each["parameter_name"] for each in point["parameters"] if not each["parameter_has_default"]]
              for name, point in listed.items()}  # fmt: skip
    assert {name for names in needed.values() for name in names} <= {"audio", "motion"}
    assert all(point["description"] for point in listed.values())
    assert client.predict(api_name="/save_session")[1].startswith("Saved")  # as programs of before call it


@pytest.mark.slow
def test_a_program_makes_many_takes(client, short_talk, tmp_path):
    plan = json.dumps({"spans": [{"part": part, "start_frame": 0, "end_frame": 9} for part in ("upper", "face")]})
    hint = make_motion(20).save(tmp_path / "hint.npz")
    fields = {"audio": handle_file(short_talk), "hint_motion": handle_file(hint), "api_name": "/batch"}
    motions, scores, report = client.predict(plan=plan, seeds=[1, 2], **fields)
    assert len(motions) == len(report) == 8
    assert {Motion.load(path).num_frames for path in motions} == {TALK_FRAMES}
    assert [each["caption"] for each in report][:3] == ["no hints, seed 1", "no hints, seed 2", "face, seed 1"]
    assert len(Path(scores).read_text().splitlines()) == 9
    plans = [{"name": "arms", "plan": json.loads(plan)}]
    assert client.predict(plans=plans, **fields)[2][0]["caption"] == "arms"
    for wrong, words in (
        ({"plans": plans, "plan": plan}, "give one of them"),
        ({"plans": plans, "seeds": ["a"]}, "The list of seeds"),
        ({"plan": plan, "settings": {"tempo": 1}}, "no other fields"),
    ):
        with pytest.raises(Exception, match=words):
            client.predict(**wrong, **fields)


def test_a_program_asks_what_the_server_works_with(client):
    state = client.predict(api_name="/doctor")
    assert state["max_duration_s"] == MAX_DURATION_S
    assert {each["topic"] for each in state["findings"]} >= {"GPU", "ffmpeg", "drawing with moderngl", "words"}
    assert "/" not in next(each["text"] for each in state["findings"] if each["topic"] == "ffmpeg")
    assert {each["name"] for each in state["weights"]} >= {None, *OTHER_WEIGHTS}
