"""How the stand-in body looks where it is easily wrong: raised arms, the tongue, the corners of the mouth, lashes."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from emage.body import Body
from emage.body.model import STAND_IN_FILE
from emage.motion import ARKIT52, Motion
from emage.motion.skeleton import JOINT_NAMES, NUM_JOINTS

HEAD, JAW, SHOULDER = (JOINT_NAMES.index(name) for name in ("head", "jaw", "left_shoulder"))


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    with np.load(STAND_IN_FILE, allow_pickle=False) as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def body() -> Body:
    return Body.from_file(STAND_IN_FILE)


def posed(body: Body, **turns: tuple[float, float, float]) -> np.ndarray:
    """(V, 3) with some joints turned (axis-angle)."""
    poses = np.zeros((1, NUM_JOINTS, 3), np.float32)
    for joint, turn in turns.items():
        poses[0, JOINT_NAMES.index(joint)] = turn
    still = np.zeros((1, 100)), np.zeros((1, 3)), np.zeros(300, np.float32)
    return body.vertices(Motion(poses.reshape(1, 165), *still, expression_basis=ARKIT52))[0].astype(np.float64)


def acting(arrays: dict[str, np.ndarray], action: str) -> np.ndarray:
    """(V, 3) the body at rest with a face action at 1."""
    column = 300 + list(arrays["expression_names"]).index(action)
    return (arrays["v_template"] + arrays["shapedirs"][:, :, column]).astype(np.float64)


def outline_turns_deg(vertices: np.ndarray, joint: np.ndarray) -> np.ndarray:
    """Seen from the front, how sharply the outline from the left flank to the raised arm turns, every 3 cm."""
    levels = joint[1] + np.arange(-0.24, 0.19, 0.03)
    trunk = vertices[np.abs(vertices[:, 0] - joint[0]) < 0.15]
    outline = [trunk[np.abs(trunk[:, 1] - level) < 0.015, 0].max() for level in levels]
    return np.abs(np.diff(np.degrees(np.arctan(np.diff(outline) / 0.03))))


def shoulder_top(arrays: dict[str, np.ndarray]) -> int:
    """The highest vertex above the left shoulder joint."""
    rest, joint = arrays["v_template"], arrays["bone_heads"][SHOULDER]
    above = np.flatnonzero(np.linalg.norm((rest - joint)[:, [0, 2]], axis=1) < 0.015)
    return int(above[rest[above, 1].argmax()])


def lashes(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Mask: dark, on the head, not as high as the brows."""
    dark = (arrays["vertex_colors"][:, :3].max(1) < 30) & (arrays["vertex_colors"][:, 3] == 255)
    return dark & (arrays["weights"][:, HEAD] == 1) & (arrays["v_template"][:, 1] < 0.312)


@pytest.mark.parametrize(("angle", "rise"), [(0.7, 0.01), (1.4, 0.02)])
def test_a_raised_arm_lifts_the_top_of_the_shoulder(body, arrays, angle, rise):
    top = shoulder_top(arrays)
    raised = posed(body, left_shoulder=(0, 0, angle))
    assert raised[top, 1] > arrays["v_template"][top, 1] + rise


def test_flank_and_raised_arm_meet_without_a_corner(body, arrays):
    raised = posed(body, left_shoulder=(0, 0, 1.4))
    assert outline_turns_deg(raised, arrays["bone_heads"][SHOULDER]).max() < 25


def test_right_shoulder_is_corrected_as_the_left(arrays):
    mirror = np.array([-1, 1, 1])
    distance, twin = cKDTree(arrays["v_template"]).query(arrays["v_template"] * mirror)
    columns = arrays["posedirs"][:, :, 9 * (SHOULDER - 1) : 9 * (SHOULDER + 1)]
    left, right = (
        side @ (Rotation.from_rotvec(turn).as_matrix() - np.eye(3)).ravel()
        for side, turn in ((columns[..., :9], (0.2, -0.4, 1.1)), (columns[..., 9:], (0.2, 0.4, -1.1)))
    )
    near = distance < 0.005
    assert np.linalg.norm(left[near], axis=1).max() > 0.01
    assert np.linalg.norm(right[twin] * mirror - left, axis=1)[near].max() < 0.006


def test_a_hanging_arm_is_hardly_corrected(arrays):
    turn = Rotation.from_rotvec([0, 0, -1.2]).as_matrix() - np.eye(3)
    columns = arrays["posedirs"][:, :, 9 * (SHOULDER - 1) : 9 * SHOULDER]
    assert np.linalg.norm(columns @ turn.ravel(), axis=1).max() < 0.01


def test_the_tongue_comes_out_over_the_lower_teeth_and_lip(arrays):
    """In the jaw's frame, for teeth, tongue and the middle of the lip turn with it as one."""
    rest, out = arrays["v_template"], acting(arrays, "tongueOut")
    rigid = (arrays["weights"][:, JAW] == 1) & (np.abs(rest[:, 0]) < 0.006)
    tongue = rigid & (np.abs(out - rest).max(1) > 0.001)
    before = rigid & ~tongue & (rest[:, 2] > 0.0777) & (rest[:, 1] > 0.205)  # teeth and lip
    assert out[tongue, 2].max() > rest[before, 2].max() + 0.004
    for z in np.arange(0.080, 0.100, 0.001):
        over = tongue & (np.abs(out[:, 2] - z) < 0.002)
        under = before & (np.abs(rest[:, 2] - z) < 0.0007)
        if under.any():
            assert out[over, 1].min() > rest[under, 1].max() - 0.0005


def test_no_bright_tooth_comes_near_the_corners_of_the_mouth(arrays):
    bright = (arrays["vertex_colors"][:, 3] == 255) & (arrays["vertex_colors"][:, :3].min(1) > 100)
    teeth = bright & (arrays["weights"][:, [HEAD, JAW]].max(1) == 1) & (arrays["v_template"][:, 1] < 0.269)
    assert teeth.sum() > 100
    assert np.abs(arrays["v_template"][teeth, 0]).max() < 0.0224


@pytest.mark.parametrize("action", ["eyeBlinkLeft", "eyeSquintLeft", "eyeWideLeft", "eyeLookDownLeft"])
def test_lashes_stay_on_the_lid(arrays, action):
    left = lashes(arrays) & (arrays["v_template"][:, 0] > 0)
    assert left.sum() > 50
    vertices = acting(arrays, action)
    skin = vertices[arrays["vertex_colors"][:, 3] < 255]
    assert cKDTree(skin).query(vertices[left])[0].max() < 0.0032
    outer_corner = arrays["bone_heads"][JOINT_NAMES.index("left_eye"), 0] + 0.016
    assert vertices[left, 0].max() < outer_corner


def test_closed_lashes_cover_the_edge_of_the_lid(arrays):
    """Seen from the front, no strip of the lid shows below them."""
    left = lashes(arrays) & (arrays["v_template"][:, 0] > 0)
    rest, closed = arrays["v_template"], acting(arrays, "eyeBlinkLeft")
    eye = arrays["bone_heads"][JOINT_NAMES.index("left_eye")]
    skin = (arrays["vertex_colors"][:, 3] < 255) & (rest[:, 2] > eye[2])
    lid = skin & (np.linalg.norm(closed - rest, axis=1) > 0.004) & (np.linalg.norm(rest - eye, axis=1) < 0.0195)
    for x in eye[0] + np.array([-0.006, -0.003, 0, 0.003, 0.006]):
        lowest = [closed[mask & (np.abs(closed[:, 0] - x) < 0.002), 1].min() for mask in (left, lid)]
        assert lowest[0] < lowest[1]
