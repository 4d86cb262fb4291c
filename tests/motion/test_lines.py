"""A motion in lines of text: what is read is what was written, and what is told of lines that are none."""

import itertools
import json

import pytest

from emage.errors import MotionError
from emage.motion import ARKIT52, join_motions
from emage.motion.lines import read_lines, write_line
from tests.conftest import assert_same_motion, make_motion, rest

MOTION = make_motion(50)
LINES = [write_line(MOTION.frames(start, end), start, 50) for start, end in itertools.pairwise((0, 20, 21, 50))]


def test_lines_read_are_the_pieces_written():
    pieces = list(read_lines(LINES))
    assert [piece.num_frames for piece in pieces] == [20, 1, 29]
    assert_same_motion(join_motions(pieces), MOTION)
    (face,) = read_lines([write_line(rest(5, basis=ARKIT52), 0, 5)])
    assert face.expression_basis == ARKIT52


def test_pieces_come_before_the_lines_are_all_there():
    reading = read_lines(iter([LINES[0], "nonsense"]))
    assert next(reading).num_frames == 20
    with pytest.raises(MotionError, match="Line 2"):
        next(reading)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (LINES[:2], "end at frame 21 of 50: the motion is still being made, or its making was stopped"),
        ([], "end at frame 0"),
        (LINES[1:], "Line 1 begins at frame 20, where 0 would follow"),
        (["{}"], "Line 1"),
        ([json.dumps(json.loads(LINES[0]) | {"npz": "&"})], "its npz is not base64"),
        ([json.dumps(json.loads(LINES[0]) | {"npz": "ä"})], "its npz is not base64"),
        ([json.dumps(json.loads(LINES[0]) | {"npz": "aGFsbG8="})], "line 1.npz is not an npz file"),
    ],
)
def test_faults(lines, words):
    with pytest.raises(MotionError, match=words):
        list(read_lines(lines))
