"""A leg bent so that its ankle comes where it shall."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emage.postprocess.leg_ik import STRAIGHT, Leg

UPPER, LOWER = np.array([0.02, -0.38, 0.0]), np.array([-0.01, -0.4, -0.03])
FREE = np.zeros(60, dtype=bool)


def leg(knee_rad: float | np.ndarray, count: int = 60) -> Leg:
    """A thigh that is turned about all axes, and a knee that is bent so far."""
    bend = np.broadcast_to(knee_rad, count)[:, None] * (1.0, 0, 0)
    return Leg(Rotation.from_rotvec(np.tile([-0.3, 0.2, 0.1], (count, 1))), Rotation.from_rotvec(bend), UPPER, LOWER)


def turned_degrees(first: Rotation, second: Rotation) -> np.ndarray:
    return np.degrees((first.inv() * second).magnitude())


@pytest.mark.parametrize("knee_rad", [0.1, 0.4, 1.5])
def test_a_place_that_is_reached_already_changes_nothing(knee_rad):
    start = leg(knee_rad)
    reached = start.reach(start.ankle, FREE)
    assert turned_degrees(start.knee, reached.knee).max() < 1e-3
    assert turned_degrees(start.thigh, reached.thigh).max() < 1e-3


@pytest.mark.parametrize("way", [(0.05, 0, 0), (0, 0.1, 0), (0, 0.02, 0.08), (-0.04, 0.03, -0.1)])
def test_the_ankle_comes_where_it_shall(way):
    start = leg(0.5)
    reached = start.reach(start.ankle + np.array(way), FREE)
    np.testing.assert_allclose(reached.ankle, start.ankle + np.array(way), atol=1e-6)
    hinge = reached.knee.as_rotvec()
    assert np.abs(hinge[:, 1:]).max() < 1e-9  # about its own hinge alone
    assert (hinge[:, 0] > 0).all()
    # The thigh turns as little as it can: its hinge stays square to the new line from hip to ankle as it was.
    before, after = (
        (each.thigh.apply([1, 0, 0]) * (each.ankle / np.linalg.norm(each.ankle, axis=1, keepdims=True))).sum(axis=1)
        for each in (start, reached)
    )
    assert np.abs(after - before).max() < 0.05


def test_a_leg_is_not_stretched_through():
    start = leg(0.4)
    far = start.reach(1.3 * start.ankle, FREE)
    assert (np.linalg.norm(far.ankle, axis=1) <= STRAIGHT * start.whole_length_m + 1e-6).all()
    np.testing.assert_allclose(np.cross(far.ankle, start.ankle), 0, atol=1e-6)  # towards it
    assert (far.knee.as_rotvec()[:, 0] > 0.1).all()
    straight = leg(0.01)  # as it was given, and nobody stretched it
    assert turned_degrees(straight.knee, straight.reach(1.1 * straight.ankle, FREE).knee).max() < 1e-3


def test_a_nearly_straight_knee_does_not_tremble():
    """Two millimetres to and fro every other frame would turn it by degrees."""
    start = leg(0.15)
    trembling = start.ankle * (1 - 0.0012 * (1 + (-1.0) ** np.arange(60)))[:, None]
    reached = start.reach(trembling, FREE)
    bends = np.degrees(reached.knee.as_rotvec()[:, 0])
    assert np.abs(np.diff(bends))[5:-5].max() < 0.3
    assert np.linalg.norm(reached.ankle - trembling, axis=1).max() < 0.003


def test_kept_frames_keep_their_knees():
    start = leg(0.5)
    kept = np.arange(60) < 20
    nearer = np.where(kept, 1, 0.95)[:, None] * start.ankle
    reached = start.reach(nearer, kept)
    assert turned_degrees(start.knee, reached.knee)[:20].max() < 0.01
    assert turned_degrees(start.knee, reached.knee)[-1] > 5


def test_knees_that_are_kept_bent_backwards_come_forward_by_and_by():
    """Recorded legs, which are locked, are often stretched a little beyond straight."""
    start = leg(-0.2)
    kept = np.arange(60) < 20
    reached = start.reach(start.ankle, kept)
    bends = reached.knee.as_rotvec()[:, 0]
    assert np.abs(bends[:20] + 0.2).max() < 1e-3
    assert bends[-1] > 0
    assert np.degrees(np.abs(np.diff(bends)).max()) < 5
    assert np.linalg.norm(reached.ankle - start.ankle, axis=1).max() < 0.005
