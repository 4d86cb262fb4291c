"""Locked spans: the hint itself inside, and borders that do not jump."""

from dataclasses import replace

import numpy as np
import pytest

from emage.hints import HintPlan, Hints, Span
from emage.hints.locking import JOIN_FRAMES, LockStage
from emage.motion import Motion
from emage.motion.skeleton import HINT_PARTS
from tests.conftest import angles_between, assert_same_motion, channels_of, make_motion, rest
from tests.stages import lock


def lock_spans(motion: Motion, reference: Motion, *spans: tuple[str, int, int], blend_frames: int | None = 6) -> Motion:
    plan = HintPlan(tuple(Span(*span, "lock") for span in spans), blend_frames)
    return lock(motion, Hints(reference, plan))


def shoulder_steps(motion: Motion) -> np.ndarray:
    """(T - 1,) radians."""
    return angles_between(motion.poses[1:], motion.poses[:-1])[:, 16]


def test_follow_changes_no_output():
    motion = make_motion(100)
    hints = Hints(make_motion(100, seed=1), HintPlan((Span("upper", 0, 50),)))
    assert_same_motion(lock(motion, hints), motion)
    assert not LockStage(hints, 100).locks_any


@pytest.mark.parametrize("part", HINT_PARTS)
def test_inside_a_lock_the_output_is_the_hint(part):
    motion, reference = make_motion(100), make_motion(100, seed=1)
    locked = lock_spans(motion, reference, (part, 30, 60))
    inside, far, channels = slice(30, 60), np.r_[0:24, 66:100], channels_of(part)
    others = np.setdiff1d(np.arange(165), channels)
    np.testing.assert_array_equal(locked.poses[inside][:, channels], reference.poses[inside][:, channels])
    np.testing.assert_array_equal(locked.poses[far], motion.poses[far])
    np.testing.assert_array_equal(locked.poses[:, others], motion.poses[:, others])
    assert np.array_equal(locked.expressions[inside], reference.expressions[inside]) == (part == "face")
    assert np.array_equal(locked.trans[inside], reference.trans[inside]) == (part == "lower")
    assert np.array_equal(locked.trans, motion.trans) == (part != "lower")


def test_borders_do_not_jump():
    reference = replace(
        rest(60, np.full((60, 3), 2.0), left_shoulder=(0.0, 0.0, 1.0)), expressions=np.full((60, 100), 0.5)
    )
    locked = lock_spans(rest(60), reference, *((part, 20, 40) for part in ("upper", "face", "lower")))
    assert shoulder_steps(locked).max() < 0.25  # of one radian over seven steps of half a cosine
    assert (np.diff(locked.poses[13:21, 50]) > 0).all()
    assert np.abs(np.diff(locked.expressions, axis=0)).max() < 0.125
    assert np.abs(np.diff(locked.trans[:, 1])).max() < 0.5
    np.testing.assert_array_equal(locked.trans[:, [0, 2]], 2.0)  # the whole path moves, and slides nowhere


def test_two_locks_on_one_path():
    path = np.zeros((60, 3))
    path[30:, 0] = 3.0
    locked = lock_spans(rest(60), rest(60, path), ("lower", 5, 15), ("lower", 45, 55)).trans[:, 0]
    np.testing.assert_array_equal(locked[:15], 0)
    np.testing.assert_array_equal(locked[45:], 3)
    np.testing.assert_allclose(np.diff(locked)[14:45], 3 / 31, atol=1e-12)


def test_a_path_comes_to_a_far_lock_within_five_seconds():
    """What is made of minutes before is not known yet when they are given."""
    walk = np.arange(600)[:, None] * np.array([0.01, 0, 0])
    given = np.zeros((600, 3))
    given[:400, 0], given[400:, 0] = 5, -1
    locked = lock_spans(rest(600, walk), rest(600, given), ("lower", 200, 210), ("lower", 590, 600)).trans[:, 0]
    assert locked[0] == 5  # over the first span's place
    np.testing.assert_allclose(np.diff(locked)[:50], 0.01)
    np.testing.assert_allclose(locked[200:210], 5)
    np.testing.assert_allclose(np.diff(locked)[51:199], 0.01 - 2 / JOIN_FRAMES, atol=1e-9)
    np.testing.assert_allclose(np.diff(locked)[209 : 589 - JOIN_FRAMES], 0.01)
    np.testing.assert_allclose(locked[590:], -1)
    assert np.abs(np.diff(locked)).max() < 0.1


def test_a_lock_near_an_end_fades_as_slowly_as_elsewhere():
    turned = rest(60, left_shoulder=(0.0, 0.0, 1.5))
    steps = {
        span: shoulder_steps(lock_spans(rest(60), turned, ("upper", *span))).max()
        for span in ((20, 40), (20, 58), (2, 40), (20, 60))
    }
    assert max(steps.values()) == pytest.approx(steps[20, 40])
    # In a short gap between two locks on poses that differ, the turn is shared out evenly.
    turned.poses[30:, 48:51] = [0.0, 0.0, -0.5]
    locked = lock_spans(rest(60), turned, ("upper", 0, 29), ("upper", 30, 60))
    np.testing.assert_allclose(shoulder_steps(locked)[27:30], [0, 1, 1], atol=1e-6)


def changed_before(locked: Motion, frame: int, joint: int) -> int:
    """Frames before one in which a joint is not at rest."""
    turned = np.abs(locked.poses[:frame, 3 * joint : 3 * joint + 3]).max(axis=1) > 0
    return frame - int(np.flatnonzero(turned)[0])


SHOULDER, HIP = 16, 1


def test_an_open_blend_is_as_long_as_the_distance_needs():
    far, near = (rest(120, left_shoulder=(0.0, 0.0, angle)) for angle in (1.5, 0.3))
    blended = lock_spans(rest(120), far, ("upper", 60, 90), blend_frames=None)
    assert changed_before(blended, 60, SHOULDER) == 23  # 1.5 rad by 2 a second
    assert (
        shoulder_steps(blended).max() < 0.1 < 0.3 < shoulder_steps(lock_spans(rest(120), far, ("upper", 60, 90))).max()
    )
    np.testing.assert_array_equal(blended.poses[60:90], far.poses[60:90])
    assert changed_before(lock_spans(rest(120), near, ("upper", 60, 90), blend_frames=None), 60, SHOULDER) == 6
    # No longer than a second, nor than up to the next lock.
    turned = rest(120, left_shoulder=(0.0, 0.0, 3.0))
    assert changed_before(lock_spans(rest(120), turned, ("upper", 60, 90), blend_frames=None), 60, SHOULDER) == 30
    close = lock_spans(rest(120), turned, ("upper", 20, 43), ("upper", 60, 90), blend_frames=None)
    assert shoulder_steps(close).max() < 0.35
    np.testing.assert_array_equal(close.poses[[*range(20, 43), *range(60, 90)]], turned.poses[:53])


def test_parts_that_are_locked_together_are_blended_alike():
    reference = rest(120, left_shoulder=(0.0, 0.0, 1.5), left_hip=(0.0, 0.0, 0.1))
    together = lock_spans(rest(120), reference, ("upper", 60, 90), ("lower", 60, 90), blend_frames=None)
    assert changed_before(together, 60, HIP) == changed_before(together, 60, SHOULDER) == 23
    apart = lock_spans(rest(120), reference, ("upper", 60, 90), ("lower", 61, 90), blend_frames=None)
    assert changed_before(apart, 61, HIP) == 6
    raised = rest(120, np.tile([0.0, 0.3, 0.0], (120, 1)), left_hip=(0.0, 0.0, 0.1))
    assert (
        changed_before(lock_spans(rest(120), raised, ("lower", 60, 90), blend_frames=None), 60, HIP) == 18
    )  # 0.5 m a second


def test_open_blends_are_the_same_in_pieces():
    motion, reference = make_motion(200), make_motion(200, seed=1, reach=1.5)
    spans = [Span("upper", 40, 70, "lock"), Span("lower", 40, 90, "lock"), Span("hands", 85, 120, "lock")]
    hints = Hints(reference, HintPlan((*spans, Span("upper", 110, 140, "lock"))))
    stage = LockStage(hints, 200)
    pieces = [stage.push(motion.frames(start, min(start + 7, 200))) for start in range(0, 200, 7)]
    pieces = [piece for piece in (*pieces, stage.finish()) if piece is not None]
    whole = lock(motion, hints)
    np.testing.assert_array_equal(np.concatenate([piece.poses for piece in pieces]), whole.poses)
    np.testing.assert_array_equal(np.concatenate([piece.trans for piece in pieces]), whole.trans)


@pytest.mark.parametrize(
    ("spans", "blend_frames"), [([(0, 20), (25, 60)], 10), ([(0, 60)], 0)], ids=["share a gap", "all, without blend"]
)
def test_locks_close_to_one_another_and_to_the_ends(spans, blend_frames):
    reference, channels = make_motion(60, seed=1), channels_of("upper")
    locked = lock_spans(make_motion(60), reference, *(("upper", *span) for span in spans), blend_frames=blend_frames)
    for start, end in spans:
        np.testing.assert_array_equal(locked.poses[start:end, channels], reference.poses[start:end, channels])
    assert np.isfinite(locked.poses).all()
