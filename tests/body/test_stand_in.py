"""The stand-in's file: a body on SMPL-X's skeleton, and how it looks where it is easily wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from emage.body import Body
from emage.body.model import STAND_IN_FILE
from emage.motion import ARKIT52, FLAME2020
from emage.motion.skeleton import ARKIT_ACTIONS, JOINT_NAMES, NUM_JOINTS, PARENTS
from tests.conftest import rest

HEAD, JAW, SHOULDER, WRIST = (JOINT_NAMES.index(name) for name in ("head", "jaw", "left_shoulder", "left_wrist"))
SMPLX_NEUTRAL = json.loads((Path(__file__).parent / "smplx_neutral.json").read_text("utf-8"))
FINGERS = ("index", "middle", "ring", "pinky")


def posed(body: Body, actions: dict[str, float] | None = None, **joints: tuple) -> np.ndarray:
    """(V, 3) with some joints turned and some face actions set."""
    return body.vertices(rest(actions=actions or {}, **joints))[0].astype(np.float64)


def owned(arrays: dict[str, np.ndarray], joint: str, above: float = 0.99) -> np.ndarray:
    """Mask of the vertices that go with a joint."""
    return arrays["weights"][:, JOINT_NAMES.index(joint)] > above


def near(arrays: dict[str, np.ndarray], point: tuple[float, float, float]) -> int:
    return int(np.linalg.norm(arrays["v_template"] - point, axis=1).argmin())


def heads(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return dict(zip(JOINT_NAMES, arrays["bone_heads"], strict=True))


# --- the file ---------------------------------------------------------------------------------------------------------


def test_it_is_small_and_nothing_in_it_is_degenerate_or_stray(arrays):
    assert STAND_IN_FILE.stat().st_size < 4e6
    corners = arrays["v_template"][arrays["f"]].astype(np.float64)
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    assert (areas > 0).mean() > 0.999
    assert np.array_equal(np.unique(arrays["f"]), np.arange(len(arrays["v_template"])))
    np.testing.assert_array_equal(arrays["weights"].sum(1), 1)
    assert arrays["weights"].min() >= 0
    assert (arrays["weights"].sum(0) > 1).all()  # every joint moves something


def test_joints_lie_where_the_bones_begin_and_stay_under_every_face_action(arrays):
    joints = arrays["J_regressor"] @ arrays["v_template"]
    assert np.linalg.norm(joints - arrays["bone_heads"], axis=1).max() < 0.005
    np.testing.assert_allclose(arrays["J_regressor"].sum(1), 1, atol=1e-5)
    moved = np.einsum("jv,vik->jik", arrays["J_regressor"], arrays["shapedirs"][:, :, 300:])
    assert np.abs(moved).max() < 0.003  # the eyes' joints lie in the eyeballs, which the gaze actions turn


def test_joints_follow_the_shape(arrays):
    """A taller person's knees, wrists and head lie where the mesh has them: between the limbs' vertices."""
    taller = arrays["v_template"] + 3 * arrays["shapedirs"][:, :, 0]  # SMPL-X's first beta: stature
    joints = arrays["J_regressor"] @ taller
    assert np.ptp(taller[:, 1]) > np.ptp(arrays["v_template"][:, 1]) + 0.05
    for name in ("left_knee", "right_wrist", "head", "left_index2"):
        joint = JOINT_NAMES.index(name)
        own = taller[owned(arrays, name, 0.3) & (arrays["weights"][:, PARENTS[joint]] > 0.3)]
        assert (own.min(0) - 0.03 < joints[joint]).all()
        assert (joints[joint] < own.max(0) + 0.03).all()


def test_t_pose_faces_forward_with_arms_along_x(arrays):
    joint = heads(arrays)
    assert 1.65 < np.ptp(arrays["v_template"][:, 1]) < 1.75
    assert -1.32 < arrays["v_template"][:, 1].min() < -1.28
    for side, sign in (("left", 1), ("right", -1)):
        arm = joint[f"{side}_wrist"] - joint[f"{side}_shoulder"]
        assert sign * arm[0] > 0.99 * np.linalg.norm(arm)
        assert joint[f"{side}_eye"][2] > joint["head"][2] + 0.05  # looks to +z
        assert joint[f"{side}_foot"][2] > joint[f"{side}_ankle"][2] + 0.05
        assert joint[f"{side}_thumb3"][2] > joint[f"{side}_pinky3"][2] + 0.05  # palms down
        for finger in FINGERS:  # straight within some degrees, about level
            first, middle, last = (joint[f"{side}_{finger}{i}"] for i in (1, 2, 3))
            bones = [bone / np.linalg.norm(bone) for bone in (middle - first, last - middle)]
            assert bones[0] @ bones[1] > 0.97
            assert abs((last - first)[1]) < 0.004


@pytest.mark.parametrize("scale", [0.0, 2.0])
def test_joints_rest_where_those_of_smplx_do_with_every_shape(body, scale):
    """Also those of a BEAT2 speaker, whose betas come with faces of another basis."""
    betas = np.zeros(300, np.float32)
    betas[:10] = scale * np.random.default_rng(1).standard_normal(10)
    betas[10:] = 3 * (scale > 0)  # of SMPL-X's further ones the stand-in has none
    joints = body.joints(rest(betas=betas, basis=FLAME2020))[0]
    for name, facts in SMPLX_NEUTRAL["joints"].items():
        goal = np.array(facts["rest"]) + np.array(facts["betas"]) @ betas[:10]
        assert np.linalg.norm(joints[JOINT_NAMES.index(name)] - goal) < 0.001, name


def test_our_own_shapes_leave_the_bones_alone(body):
    changed = rest(actions={}, betas=np.r_[np.zeros(10), np.ones(8), np.zeros(282)])
    assert np.abs(body.vertices(changed)[0] - posed(body)).max() > 0.005
    bones = [i for i in range(NUM_JOINTS) if i not in (22, 23, 24)]  # jaw and eyes follow the face
    assert np.abs(body.joints(changed) - body.joints(rest()))[0, bones].max() < 0.0005


def test_soles_slope_as_those_of_smplx(arrays):
    """Toes down: by some 2.5 degrees under the heel and 8.5 before the ball of the foot."""
    vertices = arrays["v_template"].astype(np.float64)
    assert abs(vertices[:, 1].min() - SMPLX_NEUTRAL["lowest_sole_y"]) < 0.002
    corners = vertices[arrays["f"]]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    middles = corners.mean(1)
    for side in ("left", "right"):
        ball = heads(arrays)[f"{side}_foot"]
        under = (normals[:, 1] < -0.9 * np.linalg.norm(normals, axis=1)) & (middles[:, 1] < -1.27)
        under &= middles[:, 0] * ball[0] > 0
        for of, degrees in ((middles[:, 2] < ball[2] - 0.03, 2.5), (middles[:, 2] > ball[2] + 0.01, 8.5)):
            up = -normals[under & of].sum(0)
            assert abs(np.degrees(np.arctan2(up[2], up[1])) - degrees) < 1.5
            assert abs(np.degrees(np.arctan2(up[0], up[1]))) < 1.5


def test_left_and_right_are_about_mirror_images(arrays):
    """SMPL-X's skeleton is not quite symmetric, by up to 3 cm at the elbows, and the flesh follows."""
    mirrored = arrays["v_template"] * [-1, 1, 1]
    assert cKDTree(arrays["v_template"]).query(mirrored)[0].max() < 0.035
    head = arrays["weights"][:, HEAD] == 1
    assert cKDTree(arrays["v_template"]).query(mirrored[head])[0].max() < 0.006
    for name, place in heads(arrays).items():
        other = name.replace("left_", "right_") if name.startswith("left_") else name.replace("right_", "left_")
        np.testing.assert_allclose(heads(arrays)[other] * [-1, 1, 1], place, atol=0.035)


def test_expressions_are_apples_actions_in_order(arrays):
    assert tuple(arrays["expression_names"]) == ARKIT_ACTIONS
    assert str(arrays["expression_basis"]) == ARKIT52
    assert arrays["shapedirs"].shape[2] == 400
    reach = np.abs(arrays["shapedirs"]).max((0, 1))
    assert (reach[np.r_[:18, 300:352]] > 0.001).all()
    assert not reach[np.r_[18:300, 352:400]].any()


# --- limbs ------------------------------------------------------------------------------------------------------------


def test_a_fist_brings_the_finger_tips_to_the_palm(body, arrays):
    curl = {f"left_{finger}{i}": (0, 0, -1.4) for finger in FINGERS for i in (1, 2, 3)}
    straight, fist = (posed(body, **joints)[owned(arrays, "left_middle3")].mean(0) for joints in ({}, curl))
    wrist = arrays["bone_heads"][WRIST]
    assert np.linalg.norm(fist - wrist) < 0.65 * np.linalg.norm(straight - wrist)
    assert fist[1] < straight[1] - 0.01  # below the palm, not above the back of the hand


def test_a_twisted_wrist_does_not_wring_the_forearm(body, arrays):
    """The skin just before the wrist keeps most of its girth, and a bent wrist leaves the forearm alone."""
    elbow, wrist = (heads(arrays)[f"left_{name}"] for name in ("elbow", "wrist"))
    along = (arrays["v_template"] - elbow) @ (wrist - elbow) / ((wrist - elbow) @ (wrist - elbow))
    ring = owned(arrays, "left_elbow", 0.05) & (along > 0.75) & (along < 1.0)
    straight, twisted, bent = (posed(body, left_wrist=turn) for turn in ((0, 0, 0), (1.2, 0, 0), (0, 0, -0.8)))
    girth = [np.linalg.norm((points[ring] - wrist)[:, 1:], axis=1).mean() for points in (straight, twisted)]
    assert 0.88 < girth[1] / girth[0] < 1.15
    assert np.abs(twisted - straight)[ring].max() > 0.01  # it does take part in the twist
    assert np.abs(bent - straight)[arrays["weights"][:, JOINT_NAMES.index("left_elbow")] == 1].max() < 1e-5


@pytest.mark.parametrize(("angle", "rise"), [(0.7, 0.01), (1.4, 0.02)])
def test_a_raised_arm_lifts_the_top_of_the_shoulder(body, arrays, angle, rise):
    vertices, joint = arrays["v_template"], arrays["bone_heads"][SHOULDER]
    above = np.flatnonzero(np.linalg.norm((vertices - joint)[:, [0, 2]], axis=1) < 0.015)
    top = above[vertices[above, 1].argmax()]
    assert posed(body, left_shoulder=(0, 0, angle))[top, 1] > vertices[top, 1] + rise


def test_flank_and_raised_arm_meet_without_a_corner(body, arrays):
    """Seen from the front, the outline from the left flank to the raised arm turns softly, every 3 cm."""
    vertices, joint = posed(body, left_shoulder=(0, 0, 1.4)), arrays["bone_heads"][SHOULDER]
    levels = joint[1] + np.arange(-0.24, 0.19, 0.03)
    trunk = vertices[np.abs(vertices[:, 0] - joint[0]) < 0.15]
    outline = [trunk[np.abs(trunk[:, 1] - level) < 0.015, 0].max() for level in levels]
    assert np.abs(np.diff(np.degrees(np.arctan(np.diff(outline) / 0.03)))).max() < 25


def test_shoulders_are_corrected_alike_and_hardly_where_arms_hang(arrays):
    mirror = np.array([-1, 1, 1])
    distance, twin = cKDTree(arrays["v_template"]).query(arrays["v_template"] * mirror)
    columns = np.split(arrays["posedirs"][:, :, 9 * (SHOULDER - 1) : 9 * (SHOULDER + 1)], 2, axis=-1)

    def corrected(side: int, turn: tuple) -> np.ndarray:
        return columns[side] @ (Rotation.from_rotvec(turn).as_matrix() - np.eye(3)).ravel()

    left, right = corrected(0, (0.2, -0.4, 1.1)), corrected(1, (0.2, 0.4, -1.1))
    close = distance < 0.005
    assert np.linalg.norm(left[close], axis=1).max() > 0.01
    assert np.linalg.norm(right[twin] * mirror - left, axis=1)[close].max() < 0.006
    assert np.linalg.norm(corrected(0, (0, 0, -1.2)), axis=1).max() < 0.01


# --- the mouth --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opening", [{"jaw": (0.29, 0, 0)}, {"actions": {"jawOpen": 1.0}}])
def test_an_open_jaw_moves_lower_teeth_and_tongue_only(body, arrays, opening):
    color = arrays["vertex_colors"].astype(int)
    inside = (color[:, 3] == 255) & (arrays["v_template"][:, 1] < 0.26)
    ivory = inside & (color[:, 0] > 150) & (color[:, 1] > 140)
    upper, lower = (ivory & (arrays["weights"][:, joint] == 1) for joint in (HEAD, JAW))
    tongue = inside & (color[:, 0] > 175) & (color[:, 1] < 100) & (arrays["weights"][:, JAW] == 1)
    assert min(mask.sum() for mask in (upper, lower, tongue)) > 50
    moved = posed(body, **opening) - posed(body)
    assert np.abs(moved[upper]).max() < 1e-5
    assert -0.03 < moved[lower][:, 1].mean() < -0.01
    assert -0.03 < moved[tongue][:, 1].mean() < -0.008
    upper_lip, lower_lip = near(arrays, (0.0, 0.235, 0.100)), near(arrays, (0.0, 0.210, 0.095))
    assert moved[lower_lip, 1] < moved[upper_lip, 1] - 0.008


def test_the_tongue_comes_out_over_the_lower_teeth_and_lip(body, arrays):
    """In the jaw's frame, for teeth, tongue and the middle of the lip turn with it as one."""
    vertices, out = arrays["v_template"], posed(body, {"tongueOut": 1.0})
    rigid = (arrays["weights"][:, JAW] == 1) & (np.abs(vertices[:, 0]) < 0.006)
    tongue = rigid & (np.abs(out - vertices).max(1) > 0.001)
    before = rigid & ~tongue & (vertices[:, 2] > 0.0777) & (vertices[:, 1] > 0.205)  # teeth and lip
    assert out[tongue, 2].max() > vertices[before, 2].max() + 0.004
    for z in np.arange(0.080, 0.100, 0.001):
        over = tongue & (np.abs(out[:, 2] - z) < 0.002)
        under = before & (np.abs(vertices[:, 2] - z) < 0.0007)
        if under.any():
            assert out[over, 1].min() > vertices[under, 1].max() - 0.0005


def test_a_smile_lifts_its_corners_and_no_bright_tooth_comes_near_them(body, arrays):
    corner = near(arrays, (0.032, 0.2285, 0.079))
    moved = (posed(body, {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}) - posed(body))[corner]
    assert (moved[:2] > 0.002).all()
    bright = (arrays["vertex_colors"][:, 3] == 255) & (arrays["vertex_colors"][:, :3].min(1) > 100)
    teeth = bright & (arrays["weights"][:, [HEAD, JAW]].max(1) == 1) & (arrays["v_template"][:, 1] < 0.269)
    assert teeth.sum() > 100
    assert np.abs(arrays["v_template"][teeth, 0]).max() < 0.0224


# --- the eyes ---------------------------------------------------------------------------------------------------------


def skin_before(arrays: dict[str, np.ndarray], vertices: np.ndarray, eye: np.ndarray) -> int:
    """How many skin triangles cover the line of sight in front of the eye's centre."""
    skin = (arrays["weights"][:, 23:25].max(1) < 0.5)[arrays["f"]].all(1)
    triangles = vertices[arrays["f"][skin]]
    triangles = triangles[triangles[:, :, 2].min(1) > eye[2]] - eye
    x, y = triangles[:, :, 0], triangles[:, :, 1]
    sides = x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)
    return int(((sides > 0).all(1) | (sides < 0).all(1)).sum())


@pytest.mark.parametrize(("side", "other"), [("left", "right"), ("right", "left")])
def test_a_blink_closes_its_own_lid_before_the_eyeball(body, arrays, side, other):
    """Seen from the front, the closed lid lies over the pupil."""
    eye = heads(arrays)[f"{side}_eye"]
    closed = [{}, {f"eyeBlink{other.title()}": 1.0}, {f"eyeBlink{side.title()}": 1.0}]
    covers = [skin_before(arrays, posed(body, actions), eye) for actions in closed]
    assert covers[:2] == [0, 0]
    assert covers[2] > 0


@pytest.mark.parametrize(
    ("action", "side", "axis", "sign"),
    [
        ("eyeLookUpLeft", "left", 1, 1), ("eyeLookDownLeft", "left", 1, -1), ("eyeLookInLeft", "left", 0, -1),
        ("eyeLookOutLeft", "left", 0, 1), ("eyeLookInRight", "right", 0, 1), ("eyeLookOutRight", "right", 0, -1),
    ],
)  # fmt: skip
def test_gaze_turns_the_pupil(body, arrays, action, side, axis, sign):
    mine, other = (owned(arrays, f"{each}_eye") for each in (side, "right" if side == "left" else "left"))
    pupil = np.flatnonzero(mine)[arrays["v_template"][mine, 2].argmax()]
    moved = posed(body, {action: 1.0}) - posed(body)
    assert 0.002 < sign * moved[pupil, axis] < 0.008
    assert not moved[other].any()


def left_lashes(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Mask: dark, on the head, not as high as the brows."""
    dark = (arrays["vertex_colors"][:, :3].max(1) < 30) & (arrays["vertex_colors"][:, 3] == 255)
    dark &= (arrays["weights"][:, HEAD] == 1) & (arrays["v_template"][:, 1] < 0.312)
    return dark & (arrays["v_template"][:, 0] > 0)


@pytest.mark.parametrize("action", ["eyeBlinkLeft", "eyeSquintLeft", "eyeWideLeft", "eyeLookDownLeft"])
def test_lashes_stay_on_the_lid(body, arrays, action):
    lashes = left_lashes(arrays)
    assert lashes.sum() > 50
    vertices = posed(body, {action: 1.0})
    assert cKDTree(vertices[arrays["vertex_colors"][:, 3] < 255]).query(vertices[lashes])[0].max() < 0.0032
    outer_corner = heads(arrays)["left_eye"][0] + 0.016
    assert vertices[lashes, 0].max() < outer_corner


def test_closed_lashes_cover_the_edge_of_the_lid(body, arrays):
    """Seen from the front, no strip of the lid shows below them."""
    vertices, closed, eye = arrays["v_template"], posed(body, {"eyeBlinkLeft": 1.0}), heads(arrays)["left_eye"]
    skin = (arrays["vertex_colors"][:, 3] < 255) & (vertices[:, 2] > eye[2])
    lid = skin & (np.linalg.norm(closed - vertices, axis=1) > 0.004)
    lid &= np.linalg.norm(vertices - eye, axis=1) < 0.0195
    for x in eye[0] + np.array([-0.006, -0.003, 0, 0.003, 0.006]):
        lowest = [closed[mask & (np.abs(closed[:, 0] - x) < 0.002), 1].min() for mask in (left_lashes(arrays), lid)]
        assert lowest[0] < lowest[1]
