"""Reference motion shifted, looped and stretched along a recording."""

import time

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emage.errors import HintError
from emage.hints import FILLS, HintPlan, Hints, Placement, Span, cut_to_part, place_hints
from emage.motion import Motion
from emage.recording.recording import Recording
from tests.conftest import angles_between, make_motion, make_speech, rest


def steps(motion: Motion) -> np.ndarray:
    """(T, 165) -> (T - 1, 55) radians from frame to frame."""
    return angles_between(motion.poses[:-1], motion.poses[1:])


def walk(num_frames: int, speed_m: float = 0.02) -> Motion:
    """Still but for a path along x, so much a frame, and a rise of 10 cm."""
    return rest(
        num_frames, np.c_[speed_m * np.arange(num_frames), np.linspace(0.9, 1.0, num_frames), np.zeros(num_frames)]
    )


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize(("fps", "frames", "shift"), [(30, 50, 0), (60, 100, 20), (30, 50, -20), (30, 400, 0)])
def test_a_placed_motion_has_the_recordings_frames(fill, fps, frames, shift):
    placed = Placement(shift, fill).motion(make_motion(frames, fps=fps), 120)
    assert (placed.num_frames, placed.fps) == (120, 30)


def test_once_starts_where_it_is_shifted_and_stands_still_around():
    motion = make_motion(50)
    later = Placement(30).motion(motion, 120)
    np.testing.assert_array_equal(later.poses[30:80], motion.poses)
    np.testing.assert_array_equal(later.trans[:30], motion.trans[:1].repeat(30, 0))
    np.testing.assert_array_equal(later.expressions[80:], motion.expressions[-1:].repeat(40, 0))
    earlier = Placement(-30).motion(motion, 120)
    np.testing.assert_array_equal(earlier.poses[:20], motion.poses[30:])


def test_a_stretched_motion_begins_and_ends_with_the_recording():
    motion = make_motion(50)
    for frames in (20, 50, 173):
        placed = Placement(fill="stretch").motion(motion, frames)
        np.testing.assert_array_equal(placed.poses[0], motion.poses[0])
        np.testing.assert_allclose(placed.poses[-1], motion.poses[-1], atol=1e-6)
    late = Placement(40, "stretch").motion(motion, 120)
    np.testing.assert_array_equal(late.poses[:41], motion.poses[:1].repeat(41, 0))
    np.testing.assert_allclose(late.trans[-1], motion.trans[-1])
    cut = Placement(-25, "stretch").motion(motion, 120)
    np.testing.assert_array_equal(cut.poses[0], motion.poses[25])
    np.testing.assert_allclose(cut.poses[-1], motion.poses[-1], atol=1e-6)


@pytest.mark.parametrize("fill", FILLS)
def test_of_a_long_motion_no_more_is_resampled_than_is_played(fill):
    began = time.process_time()
    Placement(-30, fill).motion(make_motion(10_000, fps=1), 120)
    hints = Placement().hints(make_motion(10_000, fps=1), HintPlan((Span("upper", 0, 200),)), 240)
    assert time.process_time() - began < 2
    assert hints.reference.num_frames < 300
    motion = make_motion(40, fps=1)
    whole = motion.resample(30)
    np.testing.assert_array_equal(
        Placement(-30, fill).motion(motion, 120).poses, Placement(-30, fill).motion(whole, 120).poses
    )
    hints = Placement().hints(motion, HintPlan((Span("upper", 0, 200),)), 240)
    np.testing.assert_array_equal(hints.reference.poses, whole.poses[: hints.reference.num_frames])


def test_stretching_keeps_turns_steady():
    turn = Rotation.from_rotvec(np.arange(31)[:, None] * [0, 0, 0.25]).as_rotvec()  # past half a turn
    placed = Placement(fill="stretch").motion(rest(31, left_shoulder=turn), 91)
    np.testing.assert_allclose(steps(placed)[:, 16], 0.25 / 3, atol=1e-5)


def test_a_loop_repeats_the_motion():
    motion = make_motion(50)
    placed = Placement(fill="loop", seam_frames=10).motion(motion, 200)
    np.testing.assert_array_equal(placed.poses[:40], motion.poses[:40])
    np.testing.assert_array_equal(placed.poses[50:80], motion.poses[10:40])  # the second pass starts at frame 40
    np.testing.assert_array_equal(placed.poses[90:120], motion.poses[10:40])
    shifted = Placement(15, "loop", 10).motion(motion, 200)
    np.testing.assert_array_equal(shifted.poses[25:55], motion.poses[10:40])
    np.testing.assert_array_equal(shifted.poses[:15], motion.poses[25:40])  # the pass before
    ahead = Placement(-15, "loop", 10).motion(motion, 200)
    np.testing.assert_array_equal(ahead.poses[:25], motion.poses[15:40])


def test_a_loops_seams_do_not_jump():
    """Bare repetition takes nearly a radian in one step; here no joint turns faster than its own speed and a half
    cosine over what the passes are apart."""
    motion = make_motion(50, seed=2)
    bare = steps(Placement(fill="loop", seam_frames=0).motion(motion, 100))
    placed = Placement(fill="loop", seam_frames=10).motion(motion, 400)
    assert bare[49].max() > 0.8
    apart = angles_between(motion.poses[40:], motion.poses[:10]).max(0)
    limit = steps(motion).max(0) + apart * np.pi / 2 / 11 * 1.1  # turns do not quite add up
    assert (steps(placed) < limit).all()
    assert np.abs(np.diff(placed.expressions, axis=0)).max() < 0.25 * np.abs(np.diff(motion.expressions[[0, -1]])).max()


def test_a_loops_path_goes_on():
    placed = Placement(fill="loop", seam_frames=10).motion(walk(50), 200)
    np.testing.assert_allclose(placed.trans[:, 0], 0.02 * np.arange(200), atol=1e-12)
    assert np.abs(np.diff(placed.trans[:, 1])).max() < 0.02  # height comes back
    assert np.ptp(placed.trans[:, 1]) <= 0.1 + 1e-12


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize("fill", FILLS)
def test_the_shortest_motions(frames, fill):
    placed = Placement(0, fill).motion(make_motion(frames), 60)
    assert placed.num_frames == 60
    assert np.isfinite(placed.poses).all()
    single = Placement(0, fill).motion(make_motion(20), 1)
    np.testing.assert_array_equal(single.poses, make_motion(20).poses[:1])


def test_spans_must_lie_where_the_reference_plays():
    motion = make_motion(50)
    plan = HintPlan((Span("upper", 20, 60),))
    for placement, words in (
        (Placement(), r"the hint motion has 50 frames"),
        (Placement(30), r"plays from 1.00 to 2.67 s \(frames 30-80\)"),
        (Placement(-1), r"plays from 0.00 to 1.63 s \(frames 0-49\)"),
        (Placement(21, "stretch"), r"plays from 0.70 to 3.33 s \(frames 21-100\)"),
    ):
        with pytest.raises(HintError, match=words):
            placement.hints(motion, plan, 100)
    for placement in (Placement(20), Placement(21, "loop"), Placement(20, "stretch")):
        hints = placement.hints(motion, plan, 100)
        assert hints.plan == plan
        assert hints.reference.num_frames == 100
    with pytest.raises(HintError, match="the recording lasts 55 frames"):
        Placement(fill="loop").hints(motion, plan, 55)


def test_a_placement_that_changes_nothing_leaves_the_motion_as_long_as_it_is():
    motion = make_motion(50)
    hints = Placement().hints(motion, HintPlan(), 20)
    assert isinstance(hints, Hints)
    assert hints.reference is motion


@pytest.mark.parametrize(("shift", "fill"), [(100, "once"), (-50, "once"), (100, "stretch"), (-50, "stretch")])
def test_a_motion_shifted_out_of_the_recording(shift, fill):
    with pytest.raises(HintError, match=r"plays nowhere in the recording of 3.33 s"):
        Placement(shift, fill).motion(make_motion(50), 100)


@pytest.mark.parametrize(
    ("shift", "fill", "reach"),
    [
        (0, "once", (0, 50)),
        (70, "once", (70, 100)),
        (-20, "once", (0, 30)),
        (150, "once", (100, 100)),
        (-50, "once", (0, 0)),
        (70, "stretch", (70, 100)),
        (-50, "stretch", (0, 0)),
        (150, "loop", (0, 100)),
    ],
)
def test_where_a_motion_plays(shift, fill, reach):
    assert Placement(shift, fill).reach(50, 100) == reach


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"shift_frames": 0.5}, "The hint motion's shift_frames is 0.5; it must be a whole number"),
        ({"shift_frames": True}, "shift_frames is True; it must be a whole number"),
        ({"shift_frames": 10**12}, "shift_frames is 1000000000000; it must be 1,000,000,000 at most"),
        ({"seam_frames": -1}, "seam_frames is -1; it must be 0 or more"),
        ({"fill": "backwards"}, "The hint motion's fill is 'backwards'; it must be 'once', 'loop' or 'stretch'"),
    ],
)
def test_faults(fault, words):
    with pytest.raises(HintError, match=words):
        Placement(**fault)


def test_a_shift_in_seconds():
    assert Placement.from_seconds(-1.5, "loop") == Placement(-45, "loop")
    with pytest.raises(HintError, match="sensible number of seconds"):
        Placement.from_seconds(float("nan"))


# --- along a recording of which a part is used ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Of 120 frames."""
    return Recording.load((16000, make_speech(64000)))


@pytest.mark.parametrize("placement", [Placement(10), Placement(15, "loop", 10), Placement(-5, "loop")])
@pytest.mark.parametrize("part", [(0, None), (20, 100), (40, 75), (0, 119)])
def test_plan_and_placement_count_from_the_whole_recordings_beginning(recording, placement, part):
    """Whatever part is used, each of its frames is shown what it is shown when all is used."""
    motion, plan = make_motion(70), HintPlan((Span("upper", 25, 70, "lock"), Span("face", 44, 50)))
    whole = placement.hints(motion, plan, 120)
    start, end = part[0], part[1] or 120
    hints = place_hints(recording.trim(*part), plan, motion, placement)
    assert hints.plan == plan.cut(start, end)
    np.testing.assert_array_equal(hints.plan.covers(end - start), whole.plan.covers(120)[start:end])
    covered = whole.plan.covers(120)[start:end].any(1)
    assert covered.sum() >= 30
    np.testing.assert_array_equal(
        hints.reference.poses[: end - start][covered], whole.reference.poses[start:end][covered]
    )


def test_a_part_that_rounds_to_a_frame_less_than_is_left_takes_spans_to_its_end():
    part = Recording.load((16000, make_speech(4000))).trim(2)  # of 7.5 frames, cut a third of a sample late
    assert (part.num_frames, part.part_frames) == (8, 5)
    plan = HintPlan((Span("upper", 3, 8),))
    hints = place_hints(part, plan, make_motion(30), Placement())
    assert hints.plan == cut_to_part(plan, part) == HintPlan((Span("upper", 1, 5),))


def test_a_stretched_reference_ends_with_the_part(recording):
    hints = place_hints(
        recording.trim(20, 100), HintPlan((Span("upper", 30, 100),)), make_motion(50), Placement(fill="stretch")
    )
    assert hints.reference.num_frames == 80
    np.testing.assert_allclose(hints.reference.poses[-1], make_motion(50).poses[-1], atol=1e-6)


def test_no_span_in_the_part_is_no_hint_and_what_does_not_fit_is_told(recording):
    late, motion = HintPlan((Span("upper", 90, 110),)), make_motion(120)
    assert place_hints(recording.trim(0, 80), late, motion, Placement()) is None
    assert place_hints(recording.trim(0, 80), late, None, Placement()) is None
    assert place_hints(recording, HintPlan(), motion, Placement()) is None
    for part in (recording, recording.trim(30, 120)):
        with pytest.raises(HintError, match="no motion to take them from. Choose a hint motion"):
            place_hints(part, late, None, Placement())
    for part in (recording, recording.trim(0, 80)):
        with pytest.raises(HintError, match="the recording lasts 120 frames"):
            place_hints(part, HintPlan((Span("upper", 90, 121),)), motion, Placement(1))
    with pytest.raises(
        HintError, match=r"reaches beyond the hint motion, which plays from 0.00 to 2.33 s \(frames 0-70\)"
    ):
        place_hints(recording.trim(20, 120), late, make_motion(90), Placement())
