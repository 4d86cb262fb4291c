"""Stages: in pieces they give what they give of a whole, to the last bit, and hold no more than they need."""

import gc
import itertools

import numpy as np
import pytest

from emage.errors import MotionError
from emage.hints import FOLLOW, LOCK, HintPlan, Hints, Span
from emage.hints.locking import LockStage
from emage.motion import Motion, join_motions
from emage.motion.stages import HeldFrames, HeldRows, LocalStage, Stage, run_stages
from emage.postprocess.foot_lock import FootLockStage
from emage.postprocess.grounding import InPlaceStage
from emage.postprocess.smoothing import SeamStage, low_pass_stage
from tests.conftest import assert_same_motion, make_motion

FRAMES = 700
SEAMS = [(start, start + 4) for start in range(60, FRAMES, 60)]
SPANS = (Span("lower", 40, 75, LOCK), Span("lower", 420, 450, LOCK), Span("upper", 170, 185, LOCK))
HINTS = Hints(
    make_motion(FRAMES, seed=1), HintPlan((*SPANS, Span("face", 100, 300, LOCK), Span("hands", 0, 50, FOLLOW)))
)


def locked() -> np.ndarray:
    flags = np.zeros(FRAMES, dtype=bool)
    for span in SPANS[:2]:
        flags[span.start_frame : span.end_frame] = True
    return flags


def stages(body) -> dict[str, Stage]:
    free = np.zeros(FRAMES, dtype=bool)
    return {
        "low pass": low_pass_stage(1.5),
        "seams": SeamStage(SEAMS, 18, FRAMES),
        "locks": LockStage(HINTS, FRAMES),
        "in place": InPlaceStage(locked()),
        "in place, none locked": InPlaceStage(free),
        "grounded": FootLockStage(body, free, 0.1),
        "grounded between locks": FootLockStage(body, locked(), 0.1),
    }


def cut(motion: Motion, sizes: list[int]) -> list[Motion]:
    """Into pieces of these sizes, over and over."""
    borders = [0]
    for size in itertools.cycle(sizes):
        if borders[-1] == motion.num_frames:
            break
        borders.append(min(borders[-1] + size, motion.num_frames))
    return [motion.frames(start, end) for start, end in itertools.pairwise(borders)]


@pytest.fixture(scope="module")
def walking() -> Motion:
    """Legs that stride, in a body that waves."""
    motion = make_motion(FRAMES, seed=2, reach=0.15)
    motion.trans[:, 1] += 1.2
    motion.trans[:, 2] += 0.01 * np.arange(FRAMES)
    return motion


@pytest.mark.parametrize("name", ["low pass", "seams", "locks", "in place", "in place, none locked", "grounded"])
@pytest.mark.parametrize("sizes", [[60], [1], [7, 130, 29]], ids=str)
def test_pieces_change_no_bit(body, walking, name, sizes):
    whole = join_motions(list(run_stages([walking], [stages(body)[name]])))
    pieces = list(run_stages(cut(walking, sizes), [stages(body)[name]]))
    assert_same_motion(join_motions(pieces), whole)
    assert len(pieces) > 3
    assert not np.array_equal(whole.trans, walking.trans) or name == "seams"


def test_pieces_change_no_bit_of_what_is_grounded_between_locks(body, walking):
    name = "grounded between locks"
    whole, pieces = (
        join_motions(list(run_stages(cut(walking, sizes), [stages(body)[name]]))) for sizes in ([FRAMES], [13])
    )
    assert_same_motion(pieces, whole)
    np.testing.assert_array_equal(whole.trans[locked()], walking.trans[locked()])
    assert not np.allclose(whole.trans[300:350], walking.trans[300:350], atol=0.01)


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("low pass", 6),
        ("seams", 50),
        ("in place, none locked", 0),
        ("in place", 150),
        ("locks", 151),
        ("grounded", 210),
    ],
)
def test_stages_wait_for_no_more_than_they_need(body, walking, name, most):
    stage, given, waited = stages(body)[name], 0, []
    for pushed, piece in enumerate(cut(walking, [1]), start=1):
        made = stage.push(piece)
        given += 0 if made is None else made.num_frames
        waited.append(pushed - given)
    assert max(waited) <= most
    if name in ("locks", "in place"):  # far from any span there is nothing to wait for
        assert waited[200] == 0
        assert waited[-1] == 0
        assert max(waited) > 100


def test_what_is_held_does_not_grow_with_the_motion(body):
    """So much as is given for the first minutes is given for the last ones."""
    pieces = cut(make_motion(4000, reach=0.1), [60])
    free = np.zeros(4000, dtype=bool)
    chain = [low_pass_stage(1.5), SeamStage([(60, 64), (3600, 3604)], 18, 4000), FootLockStage(body, free)]
    late = []
    for number, _ in enumerate(run_stages(pieces, chain)):
        if number in (10, 60):
            gc.collect()
            held = [each for each in gc.get_objects() if type(each) in (HeldFrames, HeldRows)]
            late.append(sum(each.end - each.start for each in held))
    assert late[1] <= 1.2 * late[0]


def test_who_closes_the_last_stage_frees_all():
    def pieces():
        try:
            yield from cut(make_motion(300), [60])
        finally:
            closed.append(True)

    closed: list[bool] = []
    stream = run_stages(pieces(), [low_pass_stage(1.0), LocalStage(lambda motion: motion, 5)])
    next(stream)
    assert not closed
    stream.close()
    assert closed
    with pytest.raises(StopIteration):
        next(stream)


def test_nothing_joined_is_no_motion():
    with pytest.raises(MotionError, match="no pieces of motion"):
        join_motions([])
