"""The stand-in body, and how body files are read and evaluated."""

import errno
import json
import re
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import smplx
import torch
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from emage.body import Body, load_body
from emage.body import model as body_module
from emage.body.model import STAND_IN_FILE
from emage.body.soles import SOLE_POINTS
from emage.errors import BodyError, WeightsError
from emage.motion import ARKIT52, FLAME2020, Motion
from emage.motion.skeleton import DISJOINT_PARTS, JOINT_NAMES, NUM_JOINTS, PARENTS

ARKIT_ORDER = [
    *(f"eye{action}Left" for action in ("Blink", "LookDown", "LookIn", "LookOut", "LookUp", "Squint", "Wide")),
    *(f"eye{action}Right" for action in ("Blink", "LookDown", "LookIn", "LookOut", "LookUp", "Squint", "Wide")),
    *("jawForward", "jawLeft", "jawRight", "jawOpen"),
    *("mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight"),
    *(f"mouth{action}{side}" for action in ("Smile", "Frown", "Dimple", "Stretch") for side in ("Left", "Right")),
    *("mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *(f"mouth{action}{side}" for action in ("Press", "LowerDown", "UpperUp") for side in ("Left", "Right")),
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut"),
]


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    with np.load(STAND_IN_FILE, allow_pickle=False) as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def body() -> Body:
    return Body.from_file(STAND_IN_FILE)


@pytest.fixture(scope="module")
def model() -> smplx.SMPLX:
    return smplx.create(
        str(STAND_IN_FILE), model_type="smplx", gender="neutral", use_pca=False, num_betas=300,
        num_expression_coeffs=100, use_face_contour=False, ext="npz",
    )  # fmt: skip


def motion(turns: dict[str, tuple] | None = None, actions: dict[str, float] | None = None, **changes) -> Motion:
    """One frame: some joints turned (axis-angle), some ARKit actions set."""
    poses = np.zeros((1, NUM_JOINTS, 3), np.float32)
    for joint, turn in (turns or {}).items():
        poses[0, JOINT_NAMES.index(joint)] = turn
    expressions = np.zeros((1, 100))
    for action, value in (actions or {}).items():
        expressions[0, ARKIT_ORDER.index(action)] = value
    arguments = {
        "poses": poses.reshape(1, 165), "expressions": expressions, "trans": np.zeros((1, 3)),
        "betas": np.zeros(300, np.float32), "expression_basis": ARKIT52,
    }  # fmt: skip
    return Motion(**{**arguments, **changes})


def random_motion(frames: int, basis: str = ARKIT52) -> Motion:
    rng = np.random.default_rng(0)
    return Motion(
        rng.normal(0, 0.3, (frames, 165)).astype(np.float32),
        rng.uniform(0, 1, (frames, 100)),
        rng.normal(0, 1, (frames, 3)),
        rng.normal(0, 1, 300).astype(np.float32),
        expression_basis=basis,
    )


def _forward(model: smplx.SMPLX, motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """smplx's own forward pass."""
    poses = torch.from_numpy(motion.poses)
    with torch.inference_mode():
        output = model(
            betas=torch.from_numpy(motion.betas).expand(motion.num_frames, -1),
            expression=torch.from_numpy(motion.expressions).float(),
            transl=torch.from_numpy(motion.trans).float(),
            global_orient=poses[:, :3],
            body_pose=poses[:, 3:66],
            jaw_pose=poses[:, 66:69],
            leye_pose=poses[:, 69:72],
            reye_pose=poses[:, 72:75],
            left_hand_pose=poses[:, 75:120],
            right_hand_pose=poses[:, 120:],
        )
    return output.vertices.numpy(), output.joints[:, :NUM_JOINTS].numpy()


# --- the file ---------------------------------------------------------------------------------------------------------


def test_smplx_creates_it_and_its_tree_is_the_skeletons(model, arrays):
    assert tuple(model.parents.tolist()) == PARENTS
    assert model.v_template.shape == (len(arrays["v_template"]), 3)
    assert model.get_num_verts() >= 9930
    assert model.num_betas == 300
    assert model.num_expression_coeffs == 100
    assert STAND_IN_FILE.stat().st_size < 4e6


def test_weights_sum_to_one_and_are_not_negative(arrays):
    np.testing.assert_array_equal(arrays["weights"].sum(1), 1)
    assert arrays["weights"].min() >= 0
    assert (arrays["weights"].sum(0) > 1).all()  # every joint moves something


def test_joints_lie_where_the_bones_begin(arrays):
    joints = arrays["J_regressor"] @ arrays["v_template"]
    assert np.linalg.norm(joints - arrays["bone_heads"], axis=1).max() < 0.005
    np.testing.assert_allclose(arrays["J_regressor"].sum(1), 1, atol=1e-5)


def test_joints_stay_put_under_every_face_action(arrays):
    moved = np.einsum("jv,vik->jik", arrays["J_regressor"], arrays["shapedirs"][:, :, 300:])
    assert np.abs(moved).max() < 0.003  # the eyes' joints lie in the eyeballs, which the gaze actions turn


def test_joints_follow_the_shape(arrays):
    """A taller person's knees, wrists and head lie where the mesh has them: between the limbs' vertices."""
    taller = arrays["v_template"] + 3 * arrays["shapedirs"][:, :, 0]  # SMPL-X's first beta: stature
    joints = arrays["J_regressor"] @ taller
    assert np.ptp(taller[:, 1]) > np.ptp(arrays["v_template"][:, 1]) + 0.05
    for name in ("left_knee", "right_wrist", "head", "left_index2"):
        joint = JOINT_NAMES.index(name)
        own = taller[(arrays["weights"][:, joint] > 0.3) & (arrays["weights"][:, PARENTS[joint]] > 0.3)]
        assert (own.min(0) - 0.03 < joints[joint]).all()
        assert (joints[joint] < own.max(0) + 0.03).all()


def test_t_pose_faces_forward_with_arms_along_x(arrays):
    joint = dict(zip(JOINT_NAMES, arrays["bone_heads"], strict=True))
    assert 1.65 < np.ptp(arrays["v_template"][:, 1]) < 1.75
    assert -1.32 < arrays["v_template"][:, 1].min() < -1.28
    for side, sign in (("left", 1), ("right", -1)):
        arm = joint[f"{side}_wrist"] - joint[f"{side}_shoulder"]
        assert sign * arm[0] > 0.99 * np.linalg.norm(arm)
        assert joint[f"{side}_eye"][2] > joint["head"][2] + 0.05  # looks to +z
        assert joint[f"{side}_foot"][2] > joint[f"{side}_ankle"][2] + 0.05
        assert joint[f"{side}_thumb3"][2] > joint[f"{side}_pinky3"][2] + 0.05  # palms down
        for finger in ("index", "middle", "ring", "pinky"):  # straight within some degrees, about level
            first, middle, last = (joint[f"{side}_{finger}{i}"] for i in (1, 2, 3))
            first_bone, next_bone = middle - first, last - middle
            cosine = first_bone @ next_bone / np.linalg.norm(first_bone) / np.linalg.norm(next_bone)
            assert cosine > 0.97
            assert abs((last - first)[1]) < 0.004


def _smplx_neutral() -> dict:
    return json.loads((Path(__file__).parent / "smplx_neutral.json").read_text("utf-8"))


@pytest.mark.parametrize("scale", [0.0, 2.0])
def test_joints_rest_where_those_of_smplx_do_with_every_shape(body, scale):
    """Also those of a BEAT2 speaker, whose betas come with faces of another basis."""
    betas = np.zeros(300, np.float32)
    betas[:10] = scale * np.random.default_rng(1).standard_normal(10)
    betas[10:] = 3 * (scale > 0)  # of SMPL-X's further ones the stand-in has none
    joints = body.joints(motion(betas=betas, expression_basis=FLAME2020))[0]
    for name, facts in _smplx_neutral()["joints"].items():
        goal = np.array(facts["rest"]) + np.array(facts["betas"]) @ betas[:10]
        assert np.linalg.norm(joints[JOINT_NAMES.index(name)] - goal) < 0.001, name


def test_our_own_shapes_leave_the_bones_alone(body):
    betas = np.zeros(300, np.float32)
    betas[10:18] = 1
    changed, rest = motion(betas=betas), motion()
    assert np.abs(body.vertices(changed) - body.vertices(rest)).max() > 0.005
    bones = [i for i in range(NUM_JOINTS) if i not in (22, 23, 24)]  # jaw and eyes follow the face
    assert np.abs(body.joints(changed) - body.joints(rest))[0, bones].max() < 0.0005


def test_soles_slope_as_those_of_smplx(body, arrays):
    """Toes down: by some 2.5 degrees under the heel and 8.5 before the ball of the foot."""
    assert abs(arrays["v_template"][:, 1].min() - _smplx_neutral()["lowest_sole_y"]) < 0.002
    rest = arrays["v_template"].astype(np.float64)
    corners = rest[arrays["f"]]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    middles = corners.mean(1)
    for side in ("left", "right"):
        ball = arrays["bone_heads"][JOINT_NAMES.index(f"{side}_foot")]
        under = (normals[:, 1] < -0.9 * np.linalg.norm(normals, axis=1)) & (middles[:, 1] < -1.27)
        under &= middles[:, 0] * ball[0] > 0
        for ahead, degrees in ((False, 2.5), (True, 8.5)):
            of = under & ((middles[:, 2] > ball[2] + 0.01) if ahead else (middles[:, 2] < ball[2] - 0.03))
            up = -normals[of].sum(0)
            assert abs(np.degrees(np.arctan2(up[2], up[1])) - degrees) < 1.5
            assert abs(np.degrees(np.arctan2(up[0], up[1]))) < 1.5


def test_left_and_right_are_about_mirror_images(arrays):
    """SMPL-X's skeleton is not quite symmetric, by up to 3 cm at the elbows, and the flesh follows."""
    mirrored = arrays["v_template"] * [-1, 1, 1]
    assert cKDTree(arrays["v_template"]).query(mirrored)[0].max() < 0.035
    head = arrays["weights"][:, JOINT_NAMES.index("head")] == 1
    assert cKDTree(arrays["v_template"]).query(mirrored[head])[0].max() < 0.006
    swap = [JOINT_NAMES.index(_other_side(name)) for name in JOINT_NAMES]
    np.testing.assert_allclose(arrays["bone_heads"][swap] * [-1, 1, 1], arrays["bone_heads"], atol=0.035)


def _other_side(name: str) -> str:
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(side):
            return other + name.removeprefix(side)
    return name


def test_expressions_are_apples_actions_in_order(arrays):
    assert list(arrays["expression_names"]) == ARKIT_ORDER
    assert str(arrays["expression_basis"]) == ARKIT52
    directions = arrays["shapedirs"]
    assert directions.shape[2] == 400
    reach = np.abs(directions).max((0, 1))
    assert (reach[:18] > 0.001).all()
    assert (reach[300:352] > 0.001).all()
    assert not reach[18:300].any()
    assert not reach[352:].any()


def test_nothing_in_the_file_is_a_degenerate_or_stray(arrays):
    corners = arrays["v_template"][arrays["f"]].astype(np.float64)
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    assert (areas > 0).mean() > 0.999
    assert np.array_equal(np.unique(arrays["f"]), np.arange(len(arrays["v_template"])))


# --- movement ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [1, 33])
def test_vertices_and_joints_equal_smplx(body, model, frames):
    given = random_motion(frames)
    vertices, joints = _forward(model, given)
    np.testing.assert_allclose(body.vertices(given), vertices, atol=2e-5)
    np.testing.assert_allclose(body.joints(given), joints, atol=2e-5)


def test_chunks_equal_a_single_pass(body, monkeypatch):
    given = random_motion(70)
    whole = body.vertices(given)
    np.testing.assert_allclose(body.vertices(given, 40, 50), whole[40:50], atol=1e-6)
    joints = body.joints(given)
    np.testing.assert_allclose(body.joints(given, 40, 50), joints[40:50], atol=1e-6)
    monkeypatch.setattr(body_module, "_JOINTS_CHUNK_FRAMES", 16)
    np.testing.assert_allclose(body.joints(given), joints, atol=1e-6)
    monkeypatch.setattr(body_module, "_CHUNK_FRAMES", 1000)
    np.testing.assert_allclose(body.vertices(given), whole, atol=1e-6)
    assert body.vertices(given, 5, 5).shape == (0, len(whole[0]), 3)
    assert body.joints(given, 60, 50).shape == (0, NUM_JOINTS, 3)


def test_points_are_the_vertices_they_name(body):
    moving = random_motion(20)
    chosen = np.array([12000, 3, 16875, 3, 8000, 444])
    np.testing.assert_allclose(body.points(moving, chosen, 2, 9), body.vertices(moving, 2, 9)[:, chosen], atol=1e-6)


def test_soles_are_the_lowest_of_both_feet(body):
    tilted = motion({"left_ankle": (0.3, 0, 0.1), "right_ankle": (-0.3, 0.2, 0)})
    for each in (motion(), tilted):
        vertices, soles = body.vertices(each)[0], body.soles(each)[0]
        assert soles.shape == (2 * SOLE_POINTS, 3)
        for side, half in ((1, soles[:SOLE_POINTS]), (-1, soles[SOLE_POINTS:])):
            foot = vertices[(vertices[:, 0] * side > 0) & (vertices[:, 1] < -1)]
            assert (half[:, 0] * side > 0).all()
            assert half[:, 1].min() < foot[:, 1].min() + 0.006
            assert np.ptp(half[:, 2]) > 0.8 * np.ptp(foot[foot[:, 1] < foot[:, 1].min() + 0.1, 2])


def test_a_raised_arm_lifts_the_wrist_as_forward_kinematics_says(body, arrays):
    turns = {
        "pelvis": (0.1, 0.5, 0), "spine3": (0.2, 0, 0.1), "left_collar": (0, 0.1, 0.2), "left_shoulder": (0.1, 0, 1.1),
        "left_elbow": (0.2, -0.9, 0),
    }  # fmt: skip
    trans = np.array([0.3, 1.0, -0.2])
    given = motion(turns, trans=trans[None])
    heads = (arrays["J_regressor"] @ arrays["v_template"]).astype(np.float64)
    place, turn = heads[0], Rotation.from_rotvec(turns["pelvis"])
    for name in ("spine1", "spine2", "spine3", "left_collar", "left_shoulder", "left_elbow", "left_wrist"):
        joint = JOINT_NAMES.index(name)
        place = place + turn.apply(heads[joint] - heads[PARENTS[joint]])
        turn = turn * Rotation.from_rotvec(turns.get(name, (0, 0, 0)))
    wrist = JOINT_NAMES.index("left_wrist")
    np.testing.assert_allclose(body.joints(given)[0, wrist], place + trans, atol=1e-4)
    assert place[1] > heads[wrist][1] + 0.2
    hand = arrays["weights"][:, wrist] > 0.99
    moved = body.vertices(given)[0, hand].mean(0) - trans
    expected = place + turn.apply(arrays["v_template"][hand].mean(0) - heads[wrist])
    np.testing.assert_allclose(moved, expected, atol=1e-4)


def test_a_fist_brings_the_finger_tips_to_the_palm(body, arrays):
    curl = {f"left_{finger}{i}": (0, 0, -1.4) for finger in ("index", "middle", "ring", "pinky") for i in (1, 2, 3)}
    tips = arrays["weights"][:, JOINT_NAMES.index("left_middle3")] > 0.99
    straight, fist = (body.vertices(given)[0, tips].mean(0) for given in (motion(), motion(curl)))
    wrist = arrays["bone_heads"][JOINT_NAMES.index("left_wrist")]
    assert np.linalg.norm(fist - wrist) < 0.65 * np.linalg.norm(straight - wrist)
    assert fist[1] < straight[1] - 0.01  # below the palm, not above the back of the hand


@pytest.mark.parametrize("opening", [{"turns": {"jaw": (0.29, 0, 0)}}, {"actions": {"jawOpen": 1.0}}])
def test_an_open_jaw_moves_lower_teeth_and_tongue_only(body, arrays, opening):
    upper, lower, tongue = _teeth_and_tongue(arrays)
    moved = body.vertices(motion(**opening))[0] - body.vertices(motion())[0]
    assert np.abs(moved[upper]).max() < 1e-5
    assert -0.03 < moved[lower][:, 1].mean() < -0.01
    assert -0.03 < moved[tongue][:, 1].mean() < -0.008
    lips = _near(arrays, (0.0, 0.235, 0.100)), _near(arrays, (0.0, 0.210, 0.095))
    assert moved[lips[1], 1] < moved[lips[0], 1] - 0.008  # the lower lip leaves the upper one


def _teeth_and_tongue(arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masks by colour (ivory; rose) and joint."""
    color = arrays["vertex_colors"].astype(int)
    inside = (color[:, 3] == 255) & (arrays["v_template"][:, 1] < 0.26)
    ivory = inside & (color[:, 0] > 150) & (color[:, 1] > 140)
    rose = inside & (color[:, 0] > 175) & (color[:, 1] < 100) & (arrays["weights"][:, 22] == 1)
    return ivory & (arrays["weights"][:, 15] == 1), ivory & (arrays["weights"][:, 22] == 1), rose


def _near(arrays: dict[str, np.ndarray], point: tuple[float, float, float]) -> int:
    return int(np.linalg.norm(arrays["v_template"] - point, axis=1).argmin())


def test_teeth_and_tongue_masks_find_them(arrays):
    for mask in _teeth_and_tongue(arrays):
        assert mask.sum() > 50


def test_a_blink_closes_its_own_lid_before_the_eyeball(body, arrays):
    """Seen from the front, the closed lid lies over the pupil."""
    for side, action in (("left", "eyeBlinkLeft"), ("right", "eyeBlinkRight")):
        eye = arrays["bone_heads"][JOINT_NAMES.index(f"{side}_eye")]
        open_gap, closed_gap = (
            _skin_before_eye(arrays, body.vertices(motion(actions=actions))[0], eye) for actions in ({}, {action: 1.0})
        )
        assert open_gap == 0
        assert closed_gap > 0
        assert _skin_before_eye(arrays, body.vertices(motion(actions={_swap(action): 1.0}))[0], eye) == 0


def _swap(action: str) -> str:
    return action.replace("Left", "Right") if "Left" in action else action.replace("Right", "Left")


def _skin_before_eye(arrays: dict[str, np.ndarray], vertices: np.ndarray, eye: np.ndarray) -> int:
    """How many skin triangles cover the line of sight in front of the eye's centre."""
    skin = (arrays["weights"][:, 23:25].max(1) < 0.5)[arrays["f"]].all(1)
    triangles = vertices[arrays["f"][skin]].astype(np.float64)
    triangles = triangles[triangles[:, :, 2].min(1) > eye[2]] - eye
    x, y = triangles[:, :, 0], triangles[:, :, 1]
    sides = x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)
    return int(((sides > 0).all(1) | (sides < 0).all(1)).sum())


@pytest.mark.parametrize(
    ("action", "side", "axis", "sign"),
    [
        ("eyeLookUpLeft", "left", 1, 1), ("eyeLookDownLeft", "left", 1, -1), ("eyeLookInLeft", "left", 0, -1),
        ("eyeLookOutLeft", "left", 0, 1), ("eyeLookInRight", "right", 0, 1), ("eyeLookOutRight", "right", 0, -1),
    ],
)  # fmt: skip
def test_gaze_turns_the_pupil(body, arrays, action, side, axis, sign):
    eye = arrays["weights"][:, JOINT_NAMES.index(f"{side}_eye")] == 1
    pupil = np.flatnonzero(eye)[arrays["v_template"][eye, 2].argmax()]
    moved = body.vertices(motion(actions={action: 1.0}))[0, pupil] - body.vertices(motion())[0, pupil]
    assert 0.002 < sign * moved[axis] < 0.008
    other = "right" if side == "left" else "left"
    still = arrays["weights"][:, JOINT_NAMES.index(f"{other}_eye")] == 1
    assert not (body.vertices(motion(actions={action: 1.0}))[0] - body.vertices(motion())[0])[still].any()


def test_a_smile_widens_and_lifts_the_corners_of_the_mouth(body, arrays):
    corner = _near(arrays, (0.032, 0.2285, 0.079))
    smile = motion(actions={"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0})
    moved = body.vertices(smile)[0, corner] - body.vertices(motion())[0, corner]
    assert moved[0] > 0.002
    assert moved[1] > 0.002


def test_a_twisted_wrist_does_not_wring_the_forearm(body, arrays):
    """The skin just before the wrist keeps most of its girth, and a bent wrist leaves the forearm alone."""
    elbow, wrist = (arrays["bone_heads"][JOINT_NAMES.index(f"left_{name}")] for name in ("elbow", "wrist"))
    along = (arrays["v_template"] - elbow) @ (wrist - elbow) / ((wrist - elbow) @ (wrist - elbow))
    arm = arrays["weights"][:, JOINT_NAMES.index("left_elbow")] > 0.05
    ring = arm & (along > 0.75) & (along < 1.0)
    straight, twisted = (
        body.vertices(motion(turns))[0, ring] for turns in ({}, {"left_wrist": (1.2, 0, 0)})
    )  # fmt: skip
    girth = [np.linalg.norm((points - wrist)[:, 1:], axis=1).mean() for points in (straight, twisted)]
    assert 0.88 < girth[1] / girth[0] < 1.15
    assert np.abs(twisted - straight).max() > 0.01  # it does take part in the twist
    forearm = arrays["weights"][:, JOINT_NAMES.index("left_elbow")] == 1
    bent = body.vertices(motion({"left_wrist": (0, 0, -0.8)}))[0] - body.vertices(motion())[0]
    assert np.abs(bent[forearm]).max() < 1e-5


def test_the_first_ten_betas_are_everybodys_and_the_others_the_bodys_own(body):
    tall, own = np.zeros((2, 300), np.float32)
    tall[0], own[10] = 3, 3
    rest = body.vertices(motion())
    taller = body.vertices(motion(betas=tall))
    assert np.ptp(taller[0, :, 1]) > np.ptp(rest[0, :, 1]) + 0.05
    np.testing.assert_array_equal(body.vertices(motion(betas=tall, expression_basis=FLAME2020)), taller)
    assert np.abs(body.vertices(motion(betas=own)) - rest).max() > 0.01
    np.testing.assert_array_equal(body.vertices(motion(betas=own, expression_basis=FLAME2020)), rest)


def test_expressions_of_another_basis_are_left_out_and_said_once(caplog):
    body = Body.from_file(STAND_IN_FILE)
    foreign = motion(actions={"eyeBlinkLeft": 1.0}, expression_basis=FLAME2020)
    with warnings.catch_warnings():  # a Python warning would show a line of the library's code
        warnings.simplefilter("error")
        vertices = body.vertices(foreign)
    (said,) = caplog.records
    assert (said.name, said.levelname) == ("emage.body.model", "WARNING")
    assert re.search(r"in the basis 'flame2020'.*'arkit52'.*jaw alone.*Give a SMPL-X file", said.getMessage())
    np.testing.assert_array_equal(vertices, body.vertices(motion()))
    np.testing.assert_array_equal(body.vertices(foreign), vertices)
    np.testing.assert_array_equal(body.joints(foreign), body.joints(motion()))
    assert caplog.records == [said]


def test_nothing_is_said_where_nothing_is_lost(caplog):
    body = Body.from_file(STAND_IN_FILE)
    body.vertices(motion(expression_basis=FLAME2020))
    body.vertices(motion(actions={"jawOpen": 1.0}))
    assert caplog.records == []


# --- parts and colours ------------------------------------------------------------------------------------------------


def test_leaves_follow_the_joints_and_the_face(body, arrays):
    leaf = np.array(DISJOINT_PARTS)[body.vertex_parts]
    assert body.vertex_parts.dtype == np.uint8
    for joint, part in {
        "left_index2": "left_hand", "right_thumb3": "right_hand", "left_wrist": "upper", "spine2": "upper",
        "pelvis": "lower", "right_foot": "lower", "jaw": "face", "left_eye": "face",
    }.items():  # fmt: skip
        assert set(leaf[arrays["weights"].argmax(1) == JOINT_NAMES.index(joint)]) == {part}
    head = arrays["v_template"][:, 1] > 0.12
    back = head & (arrays["v_template"][:, 2] < -0.04)
    assert set(leaf[back]) == {"upper"}
    assert leaf[_near(arrays, (0.0, 0.269, 0.127))] == "face"  # tip of the nose
    assert leaf[_near(arrays, (0.0, 0.418, -0.001))] == "upper"  # top of the head


def test_colors_are_bare_on_skin_and_full_on_eyes(body, arrays):
    assert body.vertex_colors.dtype == np.float32
    assert body.vertex_colors.shape == (len(arrays["v_template"]), 4)
    assert body.vertex_colors.min() >= 0
    assert body.vertex_colors.max() <= 1
    eyes = arrays["weights"][:, 23:25].max(1) == 1
    assert (body.vertex_colors[eyes, 3] == 1).all()
    pupil = eyes & (arrays["v_template"][:, 2] > arrays["v_template"][eyes, 2].max() - 1e-4)
    assert (body.vertex_colors[pupil, :3].max(1) < 0.1).all()
    torso = arrays["weights"][:, JOINT_NAMES.index("spine2")] > 0.5
    assert not body.vertex_colors[torso, 3].any()


def test_faces_are_triangles_of_the_vertices(body, arrays):
    assert body.faces.dtype == np.int32
    np.testing.assert_array_equal(body.faces, arrays["f"])


# --- other files ------------------------------------------------------------------------------------------------------


def _smplx_like(arrays: dict[str, np.ndarray], columns: int = 400, mean: float = 0.0) -> dict[str, np.ndarray]:
    """A file as SMPL-X publishes it: float64, no colours, a curled mean hand, pickled dictionaries."""
    keys = (
        "v_template", "f", "weights", "J_regressor", "posedirs", "hands_componentsl", "hands_componentsr",
        "lmk_faces_idx", "lmk_bary_coords",
    )  # fmt: skip
    return {
        **{key: arrays[key] for key in keys},
        "f": arrays["f"].astype(np.uint32),
        "shapedirs": np.concatenate([arrays["shapedirs"][:, :, :10], arrays["shapedirs"][:, :, 300:310]], 2)
        if columns == 20
        else arrays["shapedirs"][:, :, :columns],
        "kintree_table": np.stack([np.array([2**32 - 1, *PARENTS[1:]]), np.arange(55)]).astype(np.uint32),
        "hands_meanl": np.full(45, mean), "hands_meanr": np.full(45, -mean),
        "part2num": np.array({"Global": 0}, dtype=object),
    }  # fmt: skip


def _saved(folder: Path, arrays: dict[str, np.ndarray], name: str = "SMPLX_NEUTRAL_2020.npz") -> Path:
    np.savez(folder / name, **arrays)
    return folder / name


def test_a_published_smplx_file_is_read_without_unpickling(tmp_path, arrays, body):
    path = _saved(tmp_path, _smplx_like(arrays, mean=0.3))
    theirs = Body.from_file(path)
    assert (theirs.name, theirs.expression_basis) == ("SMPLX_NEUTRAL_2020", FLAME2020)
    assert "SMPL-X" in theirs.licence
    given = random_motion(3)
    flame = Motion(given.poses, given.expressions, given.trans, given.betas)
    np.testing.assert_allclose(theirs.vertices(flame), body.vertices(given), atol=1e-6)
    eyes = arrays["weights"][:, 23:25].max(1) == 1
    assert (theirs.vertex_colors[eyes, 3] == 1).all()
    assert not theirs.vertex_colors[~eyes].any()
    pupil = np.flatnonzero(eyes)[arrays["v_template"][eyes, 2].argmax()]
    assert theirs.vertex_colors[pupil, 0] < 0.1
    np.testing.assert_array_equal(theirs.vertex_parts, body.vertex_parts)

    curled = Body.from_file(path, flat_hand_mean=False)
    mean = dict.fromkeys(JOINT_NAMES[25:40], (0.3,) * 3) | dict.fromkeys(JOINT_NAMES[40:], (-0.3,) * 3)
    expected = body.vertices(motion(mean))
    np.testing.assert_allclose(curled.vertices(motion(expression_basis=FLAME2020)), expected, atol=1e-6)


def test_a_file_of_ten_and_ten_columns_is_read_with_a_warning(tmp_path, arrays, body, caplog):
    path = _saved(tmp_path, _smplx_like(arrays, columns=20))
    small = Body.from_file(path)
    assert re.search("only 10 shape and 10 expression directions.*SMPLX_NEUTRAL_2020", caplog.text)
    given = random_motion(2)
    expressions = np.where(np.arange(100) < 10, given.expressions, 0)
    betas = np.where(np.arange(300) < 10, given.betas, 0)
    ten = Motion(given.poses, expressions, given.trans, betas, expression_basis=ARKIT52)
    flame = Motion(given.poses, given.expressions, given.trans, given.betas)
    np.testing.assert_allclose(small.vertices(flame), body.vertices(ten), atol=1e-6)


def _without(arrays: dict[str, np.ndarray], *keys: str) -> dict[str, np.ndarray]:
    return {key: value for key, value in arrays.items() if key not in keys}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: _without(a, "posedirs", "hands_meanl"), "lacks posedirs, hands_meanl"),
        (lambda a: {**a, "shapedirs": a["shapedirs"][:, :, :26]}, "26 shape directions.*SMPLX_NEUTRAL_2020"),
        (lambda a: {**a, "weights": a["weights"][:, :24]}, "weights has shape"),
        (lambda a: {**a, "v_template": a["v_template"][:, :2]}, "v_template has shape"),
        (lambda a: {**a, "v_template": np.array(3.0)}, "v_template has shape"),
        (lambda a: {**a, "v_template": a["v_template"] * np.nan}, "v_template holds .* not all finite"),
        (lambda a: {**a, "v_template": a["v_template"] * np.float64(1e300)}, "v_template holds .* not all finite"),
        (lambda a: {**a, "v_template": a["v_template"][:0]}, r"v_template has shape \(0, 3\).* \(1 or more, 3\)"),
        (lambda a: {**a, "f": a["f"][:0]}, r"f has shape \(0, 3\).* \(1 or more, 3\)"),
        (
            lambda a: {**a, "lmk_faces_idx": a["lmk_faces_idx"][:0], "lmk_bary_coords": a["lmk_bary_coords"][:0]},
            r"lmk_faces_idx has shape \(0,\).* \(1 or more\)",
        ),
        (lambda a: {**a, "f": a["f"] + 5}, "a triangle names vertex"),
        (lambda a: {**a, "kintree_table": a["kintree_table"][:, ::-1]}, "kinematic tree"),
        (lambda a: {**a, "weights": a["weights"] * 2}, "do not add up to 1"),
        (lambda a: {**a, "lmk_faces_idx": a["lmk_faces_idx"] + 10**6}, "landmarks"),
        (lambda a: {**a, "weights": np.array({"a": 1}, dtype=object)}, "'weights' holds pickled objects"),
        (lambda a: {**a, "vertex_colors": np.zeros((3, 4))}, "vertex_colors"),
        (lambda a: {**a, "expression_basis": np.array("other")}, "expression basis is 'other'"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_are_refused_by_name(tmp_path, arrays, change, words):
    path = _saved(tmp_path, change(arrays), name="given.npz")
    with pytest.raises(BodyError, match=f"given.npz.*{words}"):
        Body.from_file(path)


def test_a_body_with_too_few_vertices_is_refused(tmp_path, arrays):
    keep = 9000
    small = {
        **arrays, "v_template": arrays["v_template"][:keep], "weights": arrays["weights"][:keep],
        "J_regressor": arrays["J_regressor"][:, :keep], "shapedirs": arrays["shapedirs"][:keep],
        "posedirs": arrays["posedirs"][:keep],
    }  # fmt: skip
    with pytest.raises(BodyError, match="9000 vertices; smplx needs at least 9930"):
        Body.from_file(_saved(tmp_path, small))


def test_files_that_are_no_npz_are_refused(tmp_path):
    truncated = tmp_path / "half.npz"
    truncated.write_bytes(STAND_IN_FILE.read_bytes()[:100_000])
    text = tmp_path / "text.npz"
    text.write_text("not a body")
    damaged = bytearray(STAND_IN_FILE.read_bytes())
    damaged[200_000:200_400] = bytes(400)
    altered = tmp_path / "altered.npz"
    altered.write_bytes(damaged)
    pickle = tmp_path / "SMPLX_NEUTRAL.pkl"
    pickle.write_bytes(b"\x80\x04.")
    for path, words in {
        truncated: "half.npz", text: "text.npz is not an npz", altered: "altered.npz", pickle: "pickle.*take the npz",
        tmp_path: "is a folder", tmp_path / "none.npz": "no such file",
    }.items():  # fmt: skip
        with pytest.raises(BodyError, match=words):
            Body.from_file(path)


def test_a_path_that_cannot_be_looked_at_is_refused(tmp_path, monkeypatch):
    with pytest.raises(BodyError, match="cannot be looked at: File name too long. Correct the path|no such file"):
        Body.from_file("x" * 300)

    def refuse(_: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", "above")

    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(BodyError, match=r"body.npz cannot be looked at: Permission denied.*the right to read"):
        Body.from_file(tmp_path / "body.npz")


def test_no_place_for_the_temporary_copy_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(BodyError, match=r"temporary copy, which cannot be made .*gone.*TMPDIR"):
        Body.from_file(STAND_IN_FILE)


# --- which body -------------------------------------------------------------------------------------------------------


@pytest.fixture
def opened(monkeypatch) -> list[Path]:
    """The files that load_body opens, without reading them."""
    paths = []
    monkeypatch.setattr(Body, "from_file", classmethod(lambda _, path, **_named: paths.append(Path(path))))
    for variable in ("SMPLX_MODEL_PATH", "EMAGE_ACCEPT_SMPLX_LICENCE"):
        monkeypatch.delenv(variable, raising=False)
    return paths


def test_the_order_of_bodies(opened, monkeypatch):
    asked = []

    def fetch(repo_id: str, filename: str) -> Path:
        asked.append((repo_id, filename))
        return Path("from_hub.npz")

    monkeypatch.setattr(body_module, "fetch_file", fetch)
    load_body()
    assert (opened, asked) == ([STAND_IN_FILE], [])
    load_body(accept_smplx_licence=True)
    assert asked == [("H-Liu1997/emage_evaltools", "smplx_models/smplx/SMPLX_NEUTRAL_2020.npz")]
    monkeypatch.setenv("EMAGE_ACCEPT_SMPLX_LICENCE", "1")
    load_body()
    monkeypatch.setenv("SMPLX_MODEL_PATH", "named.npz")
    load_body(accept_smplx_licence=True)
    load_body("argument.npz")
    assert opened[1:] == [Path(name) for name in ("from_hub.npz", "from_hub.npz", "named.npz", "argument.npz")]
    assert len(asked) == 2


def test_without_consent_nothing_is_downloaded(opened, monkeypatch):
    def fail(*_: str) -> Path:
        raise AssertionError("asked the Hub without consent")

    monkeypatch.setattr(body_module, "fetch_file", fail)
    monkeypatch.setenv("EMAGE_ACCEPT_SMPLX_LICENCE", "0")
    load_body()
    assert opened == [STAND_IN_FILE]
    monkeypatch.setenv("EMAGE_ACCEPT_SMPLX_LICENCE", "perhaps")
    with pytest.raises(BodyError, match="EMAGE_ACCEPT_SMPLX_LICENCE is 'perhaps'"):
        load_body()


def test_an_unreachable_hub_is_said_and_not_replaced(opened, monkeypatch):
    def fail(*_: str) -> Path:
        raise WeightsError("the Hub cannot be reached.")

    monkeypatch.setattr(body_module, "fetch_file", fail)
    with pytest.raises(BodyError, match=r"cannot be reached.*SMPLX_MODEL_PATH.*stand-in"):
        load_body(accept_smplx_licence=True)
    assert opened == []


# --- a real motion ----------------------------------------------------------------------------------------------------


def test_a_real_motion_stands_on_the_floor(body, shared):
    given = Motion.load(shared / "data" / "beat2" / "2_scott_0_1_1.npz").frames(0, 300)
    vertices = body.vertices(given)
    lowest = vertices[:, :, 1].min(1)
    assert abs(np.median(lowest)) < 0.05
    height = vertices[:, :, 1].max(1) - lowest
    assert 1.5 < np.median(height) < 1.9  # hands may be raised
