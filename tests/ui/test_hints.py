"""What the page says of a motion that hints are taken from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emage.motion import ARKIT52
from tests.app_server import Caller
from tests.conftest import make_motion


@pytest.fixture
def foreign_face(tmp_path) -> Path:
    """A motion of two seconds whose face is in another basis than the weights make."""
    expressions = np.zeros((60, 100))
    expressions[:, 20] = 0.5
    motion = replace(make_motion(60), expressions=expressions, expression_basis=ARKIT52)
    return motion.save(tmp_path / "foreign.npz")


@pytest.fixture
def user(app):
    caller = Caller(app.url)
    yield caller
    caller.leave()


def show(user: Caller, choice: str | None, start_s: float, fill: str) -> dict:
    """What lies behind the spans then."""
    return user.get_values("show_reference", choice, start_s, fill)[1]["props"]["backdrop"]


def test_where_no_motion_plays_is_known_to_the_timeline(user):
    last = show(user, "example:wave", 0, "loop")["num_frames"]
    assert show(user, "example:wave", 0, "loop")["reference_span"] == [0, last]
    start, end = show(user, "example:wave", 2, "once")["reference_span"]
    assert (start, end > 90) == (60, True)
    assert show(user, "example:wave", 1000, "once")["reference_span"] == [last, last]
    assert show(user, "example:wave", -1000, "stretch")["reference_span"] == [0, 0]
    assert show(user, None, 0, "loop")["reference_span"] == [0, 0]


def test_a_face_that_cannot_be_locked_is_told_when_its_motion_is_chosen(user, foreign_face):
    user.get_values("take_reference", user.upload(foreign_face), 0, "loop")
    (told,) = user.get_values("check_face", "", "uploaded")
    assert "The face cannot be locked" in told["props"]["backdrop"]["face_fault"]
    # It is so for the next recording, and until another motion is chosen.
    assert "The face cannot be locked" in show(user, "uploaded", 1, "loop")["face_fault"]
    (told,) = user.get_values("check_face", "", None)
    assert told["props"]["backdrop"]["face_fault"] is None
    assert show(user, None, 0, "loop")["face_fault"] is None
