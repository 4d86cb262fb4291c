"""Landmarks: the vertices that show hands, feet and face lie where they say."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from emage.body import Body
from emage.body.appearance import find_face_landmarks
from emage.body.landmarks import (
    FINGERTIP_JOINTS,
    INNER_LIPS,
    LEFT_BROW,
    LEFT_EYE,
    NOSE_BASE,
    NOSE_BRIDGE,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
    find_landmarks,
)
from emage.motion import Motion
from emage.motion.skeleton import JOINT_NAMES, NUM_JOINTS
from tests.conftest import rest


def face_of(body: Body, motion: Motion) -> np.ndarray:
    """(51, 3)."""
    return body.points(motion, body.landmarks.face)[0]


def opening(points: np.ndarray, feature: slice) -> float:
    """How far the lower rim is below the upper one, in the middle."""
    rim = points[feature]
    half = len(rim) // 2
    return float(rim[1:half, 1].mean() - rim[half + 1 :, 1].mean())


def test_the_features_of_the_face_lie_as_in_a_face(body):
    face = face_of(body, rest())
    height = {
        name: face[feature, 1].mean()
        for name, feature in (
            ("brows", slice(RIGHT_BROW.start, LEFT_BROW.stop)), ("eyes", slice(RIGHT_EYE.start, LEFT_EYE.stop)),
            ("nose", NOSE_BASE), ("mouth", OUTER_LIPS),
        )
    }  # fmt: skip
    assert height["brows"] > height["eyes"] > height["nose"] > height["mouth"]
    assert (np.diff(face[NOSE_BRIDGE, 1]) < 0).all()
    for feature in (slice(RIGHT_BROW.start, LEFT_BROW.stop), NOSE_BASE):
        assert (np.diff(face[feature, 0]) > 0).all()  # from the person's right to the left
    for right, left in ((RIGHT_BROW, LEFT_BROW), (RIGHT_EYE, LEFT_EYE)):
        mirrored = face[left] * (-1, 1, 1)
        distances = np.linalg.norm(face[right][:, None] - mirrored, axis=-1).min(1)
        assert distances.max() < 0.002
    for rim in (OUTER_LIPS, INNER_LIPS, RIGHT_EYE, LEFT_EYE):
        points = face[rim]
        corner = len(points) // 2
        assert points[:, 0].argmin() == 0
        assert points[:, 0].argmax() == corner
    joints = body.joints(rest())[0]
    for eye, joint in ((LEFT_EYE, "left_eye"), (RIGHT_EYE, "right_eye")):
        assert np.linalg.norm((face[eye].mean(0) - joints[JOINT_NAMES.index(joint)])[:2]) < 0.004


def test_mouth_and_lids_open_and_close(body):
    still = face_of(body, rest())
    assert abs(opening(still, INNER_LIPS)) < 0.002
    for wide in (rest(actions={}, jaw=(0.3, 0, 0)), rest(actions={"jawOpen": 1.0})):
        assert opening(face_of(body, wide), INNER_LIPS) > 0.015
    for eye, action in ((LEFT_EYE, "eyeBlinkLeft"), (RIGHT_EYE, "eyeBlinkRight")):
        assert opening(still, eye) > 0.006
        assert opening(face_of(body, rest(actions={action: 1.0})), eye) <= 0
    smile = face_of(body, rest(actions={"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}))
    assert np.ptp(smile[OUTER_LIPS, 0]) > np.ptp(still[OUTER_LIPS, 0]) + 0.01
    raised = face_of(body, rest(actions={"browInnerUp": 1.0}))
    assert raised[RIGHT_BROW.stop - 1, 1] > still[RIGHT_BROW.stop - 1, 1] + 0.002


def test_tips_heels_and_jaw(body):
    landmarks, still = body.landmarks, body.vertices(rest())[0]
    joints = body.joints(rest())[0]
    assert [JOINT_NAMES[joint] for joint in FINGERTIP_JOINTS[:2]] == ["left_index3", "left_middle3"]
    tips = still[landmarks.fingertips]
    lengths = np.linalg.norm(tips - joints[list(FINGERTIP_JOINTS)], axis=1)
    assert len(tips) == 10
    assert (lengths > 0.015).all()
    assert (lengths < 0.04).all()
    assert tips[:5, 0].max() == pytest.approx(still[:, 0].max(), abs=1e-3)  # the middle finger reaches farthest
    assert (still[landmarks.toes][:, 2] > joints[[10, 11], 2] + 0.05).all()
    assert (still[landmarks.heels][:, 2] < joints[[7, 8], 2] - 0.02).all()
    assert (still[landmarks.jaw][:, 0].argsort() == np.arange(5)).all()
    wide = body.points(rest(actions={}, jaw=(0.3, 0, 0)), landmarks.jaw)[0]
    assert (wide[1:4, 1] < still[landmarks.jaw][1:4, 1] - 0.01).all()


def test_a_smplx_file_names_the_points_of_its_face():
    """Each by a triangle and weights; the corner with the largest weight is taken."""
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 10475, (500, 3)).astype(np.uint32)
    triangles = rng.integers(0, 500, 51)
    weights = torch.tensor([0.2, 0.7, 0.1]).repeat(51, 1)

    def landmarks(count: int) -> np.ndarray:
        model = SimpleNamespace(
            faces=faces,
            v_template=torch.zeros(10475, 3),
            lmk_faces_idx=torch.from_numpy(triangles)[:count],
            lmk_bary_coords=weights[:count],
        )
        return find_face_landmarks(model)

    np.testing.assert_array_equal(landmarks(51), faces[triangles, 1])
    assert len(landmarks(50)) == 0


def test_a_body_without_such_points_has_no_face(body):
    vertices, joints = body.vertices(rest())[0], body.joints(rest())[0]
    owners = np.linalg.norm(vertices[:, None] - joints, axis=-1).argmin(1)
    owners[:NUM_JOINTS] = np.arange(NUM_JOINTS)
    landmarks = find_landmarks(vertices, joints, owners, np.zeros(0, dtype=int))
    assert len(landmarks.face) == 0
    assert [len(each) for each in (landmarks.jaw, landmarks.fingertips, landmarks.toes)] == [5, 10, 2]
