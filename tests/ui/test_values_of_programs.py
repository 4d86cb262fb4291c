"""What no browser sends: half characters, several choices where one is asked for; a grid cancelled early."""

import json

import pytest

from emage.errors import Cancelled
from emage.pipeline import Progress

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
    fields = {"timeline": {"num_frames": 30}, "seams": None, "renderer": "skeleton"}
    *_, command, _, _, _, _ = caller.get_values(
        "generate_on_page", *caller.page_values("generate_on_page", speech=audio, **fields)
    )
    assert "--seam-frames" not in command


def test_a_grid_cancelled_before_its_first_take_leaves_the_page_as_it_is(app, caller, short_talk):
    """Gradio empties the outputs of a handler that ends without having yielded."""

    def load(progress: Progress) -> None:
        raise Cancelled  # as `progress` does when the user has asked to stop

    app.weights["slower"] = load
    fields = {"batch_kind": False, "weights": "slower", "renderer": "skeleton", "timeline": {"num_frames": 30}}
    note, *others = caller.get_values("batch", *caller.page_values("batch", speech=caller.upload(short_talk), **fields))
    assert note == "Cancelled."
    assert all(other["__type__"] == "update" for other in others)
