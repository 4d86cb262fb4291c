"""Motions as BVH, read back by pybvh."""

import itertools
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pybvh import Bvh, read_bvh_file
from scipy.spatial.transform import Rotation

from emage.body import Body
from emage.body.model import STAND_IN_FILE
from emage.errors import ExportError
from emage.export.bvh import bvh_text, euler_angles, joint_names
from emage.export.settings import ExportSettings
from emage.motion import Motion
from emage.motion.skeleton import JOINT_NAMES, PARENTS
from tests.conftest import angles_between, make_motion, rest

ORDERS = [*map("".join, itertools.permutations("XYZ"))]


@pytest.fixture(scope="module")
def moving() -> Motion:
    """3 s that turn and go far, of a person of their own; a face as FLAME's, which moves no joint without a map."""
    motion = make_motion(90, reach=1.5)
    return replace(motion, betas=np.where(np.arange(300) < 10, motion.betas, 0), expressions=np.zeros((90, 100)))


def read(path: Path, text: str) -> Bvh:
    path.write_text(text, "utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_bvh_file(path, world_up="+y")


@pytest.mark.parametrize("order", ["ZXY", "XYZ", "YZX"])
@pytest.mark.parametrize(("unit", "scale"), [("cm", 100), ("m", 1)])
def test_pybvh_poses_as_our_own_body_does(body, moving, tmp_path, order, unit, scale):
    found = read(tmp_path / "take.bvh", bvh_text(body, moving, ExportSettings(bvh_unit=unit, bvh_order=order)))
    assert found.frame_count == 90
    assert found.fps == pytest.approx(30)
    where = [found.joint_names.index(name) for name in JOINT_NAMES]
    distance_m = np.linalg.norm(found.joint_positions()[:, where] / scale - body.joints(moving), axis=-1)
    assert distance_m.max() < 2e-5  # 0.02 mm; asked for are 0.1
    _, turns = found.to_axisangle()
    turned = angles_between(turns[:, where].reshape(90, -1), moving.poses)
    assert np.degrees(turned.max()) < 0.001
    assert {"".join(orders) for orders in found.euler_orders} == {order}


def test_the_rest_pose_is_the_t_pose_with_its_true_lengths(body, tmp_path):
    found = read(tmp_path / "take.bvh", bvh_text(body, rest(2, trans=np.ones((2, 3)))))
    joints = body.joints(rest(1))[0]
    for node in found.nodes:
        if node.name in JOINT_NAMES[1:]:
            joint = JOINT_NAMES.index(node.name)
            assert node.parent.name == JOINT_NAMES[PARENTS[joint]]
            np.testing.assert_allclose(node.offset / 100, joints[joint] - joints[PARENTS[joint]], atol=1e-6)
    np.testing.assert_allclose(found.root_pos / 100, joints[:1] + 1 + np.zeros((2, 3)), atol=1e-6)


def test_the_last_joints_end_where_the_flesh_does(body, tmp_path):
    found = read(tmp_path / "take.bvh", bvh_text(body, rest(1)))
    ends = {node.parent.name: np.asarray(node.offset) for node in found.nodes if node.is_end_site()}
    assert len(ends) == 15  # ten fingers, two feet, jaw and eyes
    assert 1.5 < np.linalg.norm(ends["left_index3"]) < 4  # cm
    assert ends["left_index3"][0] > 0 > ends["right_index3"][0]
    assert ends["left_eye"][2] > 0.8
    assert ends["jaw"][2] > 5


def test_names_of_mixamo(body, moving, tmp_path):
    names = joint_names("mixamo")
    assert len(set(names)) == 55
    for name, expected in {
        "pelvis": "Hips", "spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2", "left_collar": "LeftShoulder",
        "left_shoulder": "LeftArm", "right_wrist": "RightHand", "left_hip": "LeftUpLeg", "right_foot": "RightToeBase",
        "left_thumb1": "LeftHandThumb1", "right_pinky3": "RightHandPinky3", "left_eye": "LeftEye", "head": "Head",
    }.items():  # fmt: skip
        assert names[JOINT_NAMES.index(name)] == f"mixamorig:{expected}"
    found = read(tmp_path / "take.bvh", bvh_text(body, moving, ExportSettings(bvh_names="mixamo")))
    assert sorted(found.joint_names) == sorted(names)


def test_a_mean_hand_is_in_the_angles(arrays, moving, tmp_path):
    bent = {**arrays, "hands_meanl": np.full(45, 0.2, np.float32)}
    np.savez(tmp_path / "bent.npz", **bent)
    body = Body.from_file(tmp_path / "bent.npz", flat_hand_mean=False)
    found = read(tmp_path / "take.bvh", bvh_text(body, moving))
    where = [found.joint_names.index(name) for name in JOINT_NAMES]
    np.testing.assert_allclose(found.joint_positions()[:, where] / 100, body.joints(moving), atol=2e-5)
    unbent = Body.from_file(STAND_IN_FILE).joints(moving)
    assert np.abs(found.joint_positions()[:, where] / 100 - unbent).max() > 0.01


@pytest.mark.parametrize("order", ORDERS)
def test_angles_say_the_rotation_in_every_order_and_go_on_without_jumps(order):
    rng = np.random.default_rng(0)
    poses = rng.uniform(-2, 2, (30, 8, 3))
    poses[:, 0] = np.eye(3)["XYZ".index(order[1])] * np.pi / 2  # where the outer two turn about one axis
    poses[:, 1] = np.eye(3)["XYZ".index(order[2])] * np.linspace(0, 9, 30)[:, None]  # more than a turn
    angles = euler_angles(poses, order)
    back = Rotation.from_euler(order, angles.reshape(-1, 3), degrees=True).as_rotvec().reshape(30, -1)
    assert np.degrees(angles_between(back, poses.reshape(30, -1)).max()) < 1e-6
    assert np.abs(np.diff(angles[:, 1], axis=0)).max() < 20
    assert angles[-1, 1].max() > 500


def test_settings_that_do_not_exist_are_refused():
    with pytest.raises(ExportError, match="bvh_order.*XXY"):
        ExportSettings(bvh_order="XXY")
    with pytest.raises(ExportError, match="bvh_unit"):
        ExportSettings(bvh_unit="inch")
