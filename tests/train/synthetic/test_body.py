"""The whole body: limits and smoothness of joints, legs and feet, the face."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import minimum_filter1d

from emage.body import Body
from emage.hints.mask import foot_contacts
from emage.motion.skeleton import ARKIT_ACTIONS
from tests.train.synthetic.conftest import at_rest, make_times
from train.synthetic.compose import perform
from train.synthetic.face import closed_spans_s
from train.synthetic.kinematics import axis_angle_of, matrix_of, rest_joints, unit

_LIMITS_DEG = {  # the largest turn of a joint from rest
    3: 20, 6: 20, 9: 20, 12: 30, 15: 40, 13: 32, 14: 32, 16: 125, 17: 125, 18: 165, 19: 165, 20: 85, 21: 85,
    1: 55, 2: 55, 4: 75, 5: 75, 7: 45, 8: 45, 10: 8, 11: 8, 22: 16, 23: 1, 24: 1,
}  # fmt: skip


def test_no_joint_leaves_its_range(clips, positions):
    assert sum(times.duration_s for times, _ in clips) > 300
    for (_, performance), joints in zip(clips, positions, strict=True):
        turns = performance.motion.poses.reshape(-1, 55, 3).astype(np.float64)
        angle = np.degrees(np.linalg.norm(turns, axis=-1)).max(0)
        for joint, limit in _LIMITS_DEG.items():
            assert angle[joint] < limit, f"joint {joint} turns {angle[joint]:.0f} degrees"
        assert angle[25:].max() < 100
        for shoulder, elbow, wrist in ((16, 18, 20), (17, 19, 21)):
            inner = _angle(joints[:, shoulder] - joints[:, elbow], joints[:, wrist] - joints[:, elbow])
            assert 28 < inner.min() < inner.max() < 178
        for hip, knee, ankle in ((1, 4, 7), (2, 5, 8)):
            inner = _angle(joints[:, hip] - joints[:, knee], joints[:, ankle] - joints[:, knee])
            assert inner.min() > 100
        # Fingers bend to the palm, not over the back of the hand (the left's bend about -z, the right's about z).
        for first, sign in ((25, -1), (40, 1)):
            for finger in range(4):
                bend = sign * turns[:, first + 3 * finger + 1, 2]
                assert np.degrees(bend.min()) > -3


def test_elbows_and_knees_bend_one_way(clips):
    """Elbows fold to the front of the upper arm, knees to the back of the thigh."""
    joints = rest_joints()
    for _, performance in clips:
        turns = matrix_of(performance.motion.poses.reshape(-1, 55, 3).astype(np.float64))
        for joint, child in ((18, 20), (19, 21)):
            folded = np.einsum("tij,j->ti", turns[:, joint], joints[child] - joints[joint])
            assert folded[:, 2].min() > -0.03  # in the frame of the upper arm forwards is +z
            assert np.abs(folded[:, 1]).max() < 0.05  # a hinge: nothing sideways
        for joint, child in ((4, 7), (5, 8)):
            folded = np.einsum("tij,j->ti", turns[:, joint], joints[child] - joints[joint])
            assert folded[:, 2].max() < 0.0


def _angle(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    cosine = (one * other).sum(-1) / (np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1))
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def test_motion_is_smooth(clips, positions):
    for (_, performance), joints in zip(clips, positions, strict=True):
        turns = matrix_of(performance.motion.poses.reshape(-1, 55, 3)[:, :22].astype(np.float64))
        step = axis_angle_of(turns[:-1].swapaxes(-1, -2) @ turns[1:])
        assert np.degrees(np.linalg.norm(step, axis=-1)).max() < 25
        speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1) * 30
        assert speed[:, 20:22].max() < 4.5
        jerk = np.linalg.norm(np.diff(joints[:, :22], n=3, axis=0), axis=-1) * 30**3
        assert 3 < jerk.mean() < 40  # m/s3; 29 in a clip of BEAT2
        assert speed[:, 20:22].mean() > 0.04


# --- face -------------------------------------------------------------------------------------------------------------


def test_the_mouth_is_closed_in_silence_and_on_bilabials(clips):
    opening = [ARKIT_ACTIONS.index(name) for name in ("mouthFunnel", "mouthLowerDownLeft", "mouthUpperUpRight")]
    for times, performance in clips:
        jaw = np.degrees(np.linalg.norm(performance.motion.poses[:, 66:69], axis=1))
        seconds = np.arange(times.num_frames) / 30
        in_pauses = bilabials = 0
        for start_s, end_s in times.silences_s(0.3):
            inside = (seconds >= start_s + 0.08) & (seconds <= end_s - 0.06)
            in_pauses += inside.sum()
            assert jaw[inside].max(initial=0) < 1
            assert performance.motion.expressions[inside][:, opening].max(initial=0) < 0.02
        for phone in times.phones:
            if phone.label in ("m", "b", "p"):
                inside = (seconds * 1000 >= phone.start_ms) & (seconds * 1000 < phone.end_ms)
                bilabials += inside.sum()
                assert jaw[inside].max(initial=0) < 1
        assert in_pauses > 60
        assert bilabials > 5
        assert jaw.max() > 7
        assert not performance.motion.expressions[:, ARKIT_ACTIONS.index("jawOpen")].any()


def test_open_vowels_open_the_mouth_more_than_close_ones():
    def opening(vowel: str) -> float:
        times = make_times("tat.")
        phones = tuple(replace(p, label=vowel) if p.label == "ae" else p for p in times.phones)
        return float(perform(replace(times, phones=phones)).motion.poses[:, 66].max())

    assert opening("aa") > opening("eh") > opening("iy") > 0.02
    assert opening("aa") < 0.28


def test_faces_blink_look_and_raise_brows(clips):
    for times, performance in clips:
        face = performance.motion.expressions
        assert face.shape[1] == 100
        assert 0 <= face.min() <= face.max() <= 1
        lids = face[:, ARKIT_ACTIONS.index("eyeBlinkLeft")]
        blinks = int(((lids[1:] > 0.5) & (lids[:-1] <= 0.5)).sum())
        assert 4 < blinks * 60 / times.duration_s < 50
        assert face[:, ARKIT_ACTIONS.index("browInnerUp")].max() > 0.2
        assert face[:, ARKIT_ACTIONS.index("eyeLookOutLeft")].max() > 0.05
        assert not face[:, 52:].any()


def test_no_shakes_the_head_and_yes_nods_it():
    def turning(text: str, axis: int) -> float:
        ranges = []
        for seed in range(5):
            times = make_times(text, 4, seed)
            pose = perform(times).motion.poses.reshape(-1, 55, 3)
            at = round(times.accent_s(0) * 30)
            ranges.append(np.ptp(pose[at - 4 : at + 20, 15, axis]))
        return float(np.median(ranges))

    assert turning("no.", 1) > 1.5 * turning("yes.", 1)
    assert turning("yes.", 0) > 1.5 * turning("table.", 0)


def test_closed_spans_hold_the_silences():
    times = make_times("a mama.")
    spans = closed_spans_s(times)
    assert spans[0] == (pytest.approx(0.07), pytest.approx(0.45))
    assert len(spans) == 4  # two silences, two m


# --- legs -------------------------------------------------------------------------------------------------------------


def test_feet_stand_still_and_on_the_floor(clips, positions, body):
    walked = []
    for (_, performance), joints in zip(clips, positions, strict=True):
        contacts = foot_contacts(joints).astype(bool)
        speed = np.linalg.norm(np.diff(joints[:, [7, 8, 10, 11]], axis=0), axis=-1)
        standing = speed[contacts[:-1]]
        assert np.percentile(standing, 90) < 0.001
        assert standing.mean() < 0.0008
        assert contacts.mean() > 0.75
        assert contacts.any(1).mean() > 0.99  # somebody who walks has a foot on the floor
        assert joints[:, 10:12, 1].min() > 0.003  # inside the shoe's sole
        part = performance.motion.frames(0, 1)
        assert abs(body.vertices(part)[0, :, 1].min()) < 0.006
        walked.append(np.ptp(performance.motion.trans[:, [0, 2]], axis=0).max())
        assert walked[-1] < 2
    assert sum(reach > 0.15 for reach in walked) >= 6


def soles_of(body: Body, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (n, 3) under the heel and under the front of a foot: those that face down at rest."""
    rest, faces = body.vertices(at_rest())[0].astype(np.float64), body.faces
    owner = body.skinning_weights.argmax(1)[faces]
    normals = np.cross(rest[faces[:, 1]] - rest[faces[:, 0]], rest[faces[:, 2]] - rest[faces[:, 0]])
    is_below = (normals[:, 1] < -0.95 * np.linalg.norm(normals, axis=1)) & (rest[faces, 1].max(1) < -1.27)
    joints = {"left": (7, 10), "right": (8, 11)}[side]
    heel, front = (faces[(owner == joint).all(1) & is_below] for joint in joints)
    return heel, front


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_soles_slope_at_rest(body, side):
    """So that what lies flat does so because it is turned."""
    vertices = body.vertices(at_rest())
    heel, front = soles_of(body, side)
    assert 2 < slope_deg(vertices, heel)[0] < 4
    assert 7 < slope_deg(vertices, front)[0] < 10


def slope_deg(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(T,) between the mean normal of triangles (n, 3) of vertices (T, V, 3) and straight down."""
    a, b, c = (vertices[:, triangles[:, i]].astype(np.float64) for i in range(3))
    return np.degrees(np.arccos(np.clip(-unit(np.cross(b - a, c - a).sum(1))[:, 1], -1, 1)))


@pytest.mark.parametrize("side", ["left", "right"])
def test_soles_lie_flat_on_the_floor_where_a_foot_stands(clips, positions, body, side):
    heel, front = soles_of(body, side)
    assert min(len(heel), len(front)) > 40
    columns = {"left": [0, 2], "right": [1, 3]}[side]
    for (_, performance), joints in zip(clips[::3], positions[::3], strict=True):
        contacts = foot_contacts(joints)[:, columns].all(1)
        # The rule takes the first and last frames of a step, which are slow, for standing.
        stands = np.flatnonzero(minimum_filter1d(contacts, 9))[::40]
        assert len(stands) > 10
        vertices = body.vertices(performance.motion.at(stands))
        for part in (heel, front):
            assert slope_deg(vertices, part).max() < 2
            # One triangle in some hundreds is the shoe's edge.
            assert np.percentile(np.abs(vertices[:, np.unique(part), 1]), 98, axis=1).max() < 0.003


def test_no_sole_goes_through_the_floor(clips, body):
    for _, performance in clips:
        assert body.soles(performance.motion)[..., 1].min() > -0.002


def test_the_lowest_point_stays_on_the_floor(clips, body):
    _, performance = clips[4]
    motion = performance.motion
    part = motion.at(np.arange(0, motion.num_frames, 25))
    lowest = body.vertices(part)[:, :, 1].min(1)
    assert np.abs(lowest).max() < 0.01
