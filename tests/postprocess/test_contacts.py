"""Where the floor is, and what stands on it."""

import numpy as np
import pytest

from emage.postprocess.contacts import FootTrack, bearing_shift, find_contacts, floor_height, standing_lift


def soles_at(height: np.ndarray, forward: np.ndarray | float = 0.0) -> np.ndarray:
    """(T, 4, 3): four points in a square at these heights (T,) and places (T,)."""
    corners = np.array([[0, 0, 0], [0.1, 0, 0], [0, 0, 0.2], [0.1, 0, 0.2]])
    return corners + np.stack([0 * height, height, forward + 0 * height], axis=1)[:, None]


def track(height: np.ndarray, forward: np.ndarray) -> FootTrack:
    """A flat foot."""
    place = np.stack([0 * height, height, forward], axis=1)
    return FootTrack(np.stack([height, height], axis=1), np.stack([place, place + np.array([0, 0, 0.15])], axis=1))


def test_the_floor_lies_where_the_soles_are_most_of_the_time():
    height = np.full(200, -0.4)
    assert floor_height(soles_at(height)) == pytest.approx(-0.4)
    assert floor_height(soles_at(height[:1])) == pytest.approx(-0.4)
    assert floor_height(soles_at(height[:2])) == pytest.approx(-0.4)
    height[50:60] -= 0.1 * np.sin(np.linspace(0, np.pi, 10))  # dips
    height[100:160] += 0.3 * np.abs(np.sin(np.linspace(0, 4 * np.pi, 60)))  # jumps
    assert floor_height(soles_at(height)) == pytest.approx(-0.4, abs=0.002)


def test_the_floor_of_one_who_hops_all_the_time_is_where_feet_land():
    hops = 0.3 * np.clip(np.sin(np.linspace(0, 40 * np.pi, 600)), 0, None)
    assert floor_height(soles_at(0.1 + hops)) == pytest.approx(0.1, abs=0.02)


def test_a_jump_falls_and_a_drift_does_not():
    frames = np.arange(200)
    jump = 0.25 * np.clip(1 - ((frames - 100) / 7) ** 2, 0, None)
    lift, stands = standing_lift(jump)
    assert not stands[97:104].any()
    assert stands[:90].all()
    assert stands[110:].all()
    assert np.abs(lift).max() < 0.07
    drift = 0.12 * np.exp(-(((frames - 100) / 15) ** 2))
    lift, stands = standing_lift(drift)
    assert stands.all()
    np.testing.assert_allclose(lift, -drift)


def test_what_bears_the_weight_does_not_slide():
    """One foot stands on a path that strays, the other swings past it; then they change."""
    frames = np.arange(60)
    astray = -0.004 * frames
    swing = np.where(frames < 30, frames, 30) * 0.03
    height = 0.05 * np.sin(np.pi * np.clip(frames / 30, 0, 1))
    standing, swinging = soles_at(0.0 * frames, astray), soles_at(height, astray + swing)
    shift = bearing_shift(np.concatenate([standing, swinging], axis=1))
    assert shift[0].tolist() == [0, 0, 0]
    np.testing.assert_allclose(shift[:, 2], -astray, atol=0.01)
    assert np.abs(shift[:, :2]).max() < 1e-9


def test_contacts_have_hysteresis_and_no_holes():
    frames = np.arange(120)
    still, low = np.zeros(120), np.zeros(120)
    swing = np.clip((frames - 40) / 20, 0, 1)
    height = 0.08 * np.sin(np.pi * swing)
    place = 0.4 * (3 * swing**2 - 2 * swing**3)
    place[90] += 0.002  # a tremble while it stands
    contacts = find_contacts((track(low, still), track(height, place)), low)
    assert contacts[:, 0].all()
    assert contacts[:38, 1].all()
    assert contacts[63:, 1].all()
    assert not contacts[45:56, 1].any()
    np.testing.assert_array_equal(contacts[:, 1, 0], contacts[:, 1, 1])


def test_a_short_leg_has_a_floor_of_its_own_and_something_always_stands():
    low, still = np.zeros(90), np.zeros(90)
    assert find_contacts((track(low, still), track(low + 0.025, still)), low).all()
    assert not find_contacts((track(low, still), track(low + 0.1, still)), low)[:, 1].any()
    sliding = 0.015 * np.arange(90)  # 0.45 m a second: too fast to stand, but something must
    contacts = find_contacts((track(low, sliding), track(low + 0.06, sliding)), low)
    assert contacts.any(axis=(1, 2)).all()
    running = 0.05 * np.arange(90)
    assert not find_contacts((track(low, running), track(low, running)), low).any()
