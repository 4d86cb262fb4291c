"""Bodies and motions as GLB, read by readers of others and by one written from the specification."""

import io
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from emage.body import Body
from emage.body.face import FaceMapLoader, FaceSource
from emage.body.model import STAND_IN_FILE
from emage.body.rig import MOST_BENDS
from emage.errors import BodyError
from emage.export.gltf import body_glb, motion_glb
from emage.motion import ARKIT52, Motion
from emage.motion.skeleton import ARKIT_ACTIONS, DISJOINT_PARTS, EYE_JOINTS, JOINT_NAMES, PARENTS
from tests.conftest import make_motion, rest
from tests.export.gltf_reader import Glb, pose_by_three, validate

OTHERS = [joint for joint in range(55) if joint not in EYE_JOINTS]


@pytest.fixture(scope="module")
def talking() -> Motion:
    """2 s in which everything moves, the face by ARKit's actions."""
    motion = make_motion(60, reach=0.4)
    actions = np.zeros((60, 100))
    actions[:, :52] = np.abs(motion.expressions[:, :52])
    betas = np.where(np.arange(300) < 10, motion.betas, 0)
    return replace(motion, expressions=actions, betas=betas, expression_basis=ARKIT52)


@pytest.fixture(scope="module")
def plain(arrays, tmp_path_factory) -> Body:
    """The stand-in without pose correctives, which no GLB with a motion has."""
    path = tmp_path_factory.mktemp("body") / "plain.npz"
    np.savez(path, **{**arrays, "posedirs": np.zeros_like(arrays["posedirs"])})
    return Body.from_file(path)


@pytest.fixture(scope="module")
def like_smplx(arrays, tmp_path_factory) -> Body:
    """As a SMPL-X file is: 100 expressions of FLAME that move joints too, and no colours."""
    rng = np.random.default_rng(0)
    directions = arrays["shapedirs"].copy()
    face = np.flatnonzero(np.abs(directions[:, :, 300:]).max((1, 2)) > 0)
    directions[:, :, 300:] = 0
    directions[face, :, 300:] = 0.002 * rng.standard_normal((len(face), 3, 100))
    kept = ("lmk_", "hands_", "v_template", "f", "weights", "J_regressor", "kintree_table", "posedirs")
    own = {key: value for key, value in arrays.items() if key.startswith(kept)}
    path = tmp_path_factory.mktemp("body") / "SMPLX_NEUTRAL_2020.npz"
    np.savez(path, **{**own, "shapedirs": directions, "posedirs": np.zeros_like(own["posedirs"])})
    return Body.from_file(path)


def test_the_validator_of_khronos_finds_nothing(body, talking, like_smplx, tmp_path):
    made = {
        "body": body_glb(body),
        "parts": body_glb(body, part_materials=True),
        "take": motion_glb(body, talking),
        "smplx": motion_glb(like_smplx, make_motion(20)),
        "frame": motion_glb(body, rest(1, actions={})),
    }
    for name, content in made.items():
        path = tmp_path / f"{name}.glb"
        path.write_bytes(content)
        issues = validate(path)["issues"]
        assert [issues[f"num{kind}"] for kind in ("Errors", "Warnings", "Infos", "Hints")] == [0, 0, 0, 0], issues


def test_the_body_alone_is_that_of_the_videos(body):
    glb = Glb(body_glb(body))
    shown = body.vertices(rest(1, actions={}))[0]
    np.testing.assert_allclose(glb.attribute("POSITION"), shown, atol=1e-6)
    np.testing.assert_array_equal(glb.faces(), body.faces)
    np.testing.assert_allclose(np.linalg.norm(glb.attribute("NORMAL"), axis=1), 1, atol=1e-6)
    vertices, joints = glb.pose()
    np.testing.assert_allclose(vertices, shown, atol=1e-5)
    np.testing.assert_allclose(joints, body.joints(rest(1, actions={}))[0], atol=1e-6)
    assert [glb.nodes[joint]["name"] for joint in range(55)] == list(JOINT_NAMES)
    assert [glb.parents[joint] for joint in range(1, 55)] == list(PARENTS[1:])
    assert "animations" not in glb.json


def test_trimesh_reads_it(body):
    scene = trimesh.load(io.BytesIO(body_glb(body)), file_type="glb", process=False)
    (mesh,) = scene.geometry.values()
    np.testing.assert_array_equal(mesh.faces, body.faces)
    np.testing.assert_allclose(mesh.vertices, body.vertices(rest(1, actions={}))[0], atol=1e-6)
    transform, _ = scene.graph.get("left_index3")
    np.testing.assert_allclose(transform[:3, 3], body.joints(rest(1, actions={}))[0, 27], atol=1e-6)
    assert scene.extents[1] == pytest.approx(1.67, abs=0.1)  # metres, y up


def test_the_actions_are_morph_targets_by_their_names(body):
    glb = Glb(body_glb(body))
    assert glb.target_names()[:52] == Glb(motion_glb(body, rest(1, actions={}))).target_names() == list(ARKIT_ACTIONS)
    at_rest = body.vertices(rest(1, actions={}))[0]
    for action in ("jawOpen", "eyeLookInLeft", "tongueOut"):
        moved = body.vertices(rest(1, actions={action: 1}))[0] - at_rest
        np.testing.assert_allclose(glb.target(action), moved, atol=2e-5)
    (primitive,) = glb.primitives()
    accessors = [glb.json["accessors"][target["POSITION"]] for target in primitive["targets"]]
    assert all("sparse" in accessor and "bufferView" not in accessor for accessor in accessors)


def test_the_stage_has_what_keeps_shoulders_and_forearms_in_shape(body, arrays):
    """By joint and entry of its rotation matrix; a tool that cannot drive them would only show odd targets."""
    glb = Glb(body_glb(body))
    bent = {"left_shoulder": range(9), "right_shoulder": range(9), "left_wrist": (5, 7), "right_wrist": (5, 7)}
    for joint, entries in bent.items():
        for entry in entries:
            expected = arrays["posedirs"][:, :, 9 * (JOINT_NAMES.index(joint) - 1) + entry]
            np.testing.assert_allclose(glb.target(f"pose:{joint}:{entry}"), expected, atol=2e-5)
    assert len(glb.target_names()) == 52 + 22


def test_bends_that_are_very_many_are_left_out(arrays, tmp_path):
    """As of SMPL-X, which would be 60 MB of them."""
    directions = np.zeros_like(arrays["posedirs"])
    directions[0, 0, : MOST_BENDS + 1] = 0.01
    np.savez(tmp_path / "body.npz", **{**arrays, "posedirs": directions})
    assert Glb(body_glb(Body.from_file(tmp_path / "body.npz"))).target_names() == list(ARKIT_ACTIONS)


def test_a_motion_poses_as_our_own_body_does(plain, talking):
    glb = Glb(motion_glb(plain, talking))
    for frame in (0, 17, 59):
        vertices, joints = glb.pose(frame / 30)
        distance_m = np.linalg.norm(vertices - plain.vertices(talking, frame, frame + 1)[0], axis=1)
        assert np.quantile(distance_m, 0.99) < 5e-5
        assert distance_m.max() < 3e-3  # the 24 vertices that follow more than four joints
        np.testing.assert_allclose(joints[OTHERS], plain.joints(talking, frame, frame + 1)[0, OTHERS], atol=2e-6)


def test_three_poses_it_as_our_own_body_does(plain, talking, tmp_path):
    path = tmp_path / "take.glb"
    path.write_bytes(motion_glb(plain, talking))
    made = pose_by_three(path, 17 / 30)
    assert made["actions"] == list(ARKIT_ACTIONS)
    np.testing.assert_allclose(np.array(made["joints"])[OTHERS], plain.joints(talking, 17, 18)[0, OTHERS], atol=1e-5)
    distance_m = np.linalg.norm(made["vertices"] - plain.vertices(talking, 17, 18)[0], axis=1)
    assert np.quantile(distance_m, 0.99) < 5e-5
    assert distance_m.max() < 3e-3


def test_what_turns_about_a_joint_that_expressions_move_does_so_here(plain):
    """Eyes that look aside by actions and turn by their joints besides."""
    motion = rest(2, actions={"eyeLookInLeft": 1, "eyeLookOutRight": 1}, left_eye=(0.3, 0.4, 0), right_eye=(0, 0.4, 0))
    vertices, _ = Glb(motion_glb(plain, motion)).pose(0)
    np.testing.assert_allclose(vertices, plain.vertices(motion)[0], atol=3e-5)


def test_bodies_of_smplx_have_their_own_expressions(like_smplx):
    motion = make_motion(20, reach=0.3)
    glb = Glb(motion_glb(like_smplx, motion))
    assert glb.target_names() == [f"Exp{number:03d}" for number in range(100)]
    vertices, joints = glb.pose(9 / 30)
    distance_m = np.linalg.norm(vertices - like_smplx.vertices(motion, 9, 10)[0], axis=1)
    assert np.quantile(distance_m, 0.99) < 1e-4
    assert np.abs(joints - like_smplx.joints(motion, 9, 10)[0])[OTHERS].max() < 2e-3


def test_half_a_frame_is_between_its_neighbours_whatever_the_sign_of_their_quaternions(body):
    turn = np.zeros((4, 3))
    turn[:, 1] = (3.0, 3.1, 3.2, 3.3)  # beyond half a turn, where a quaternion changes its sign
    glb = Glb(motion_glb(body, rest(4, actions={}, pelvis=turn)))
    animation = glb.json["animations"][0]
    rotation = next(
        glb.array(animation["samplers"][channel["sampler"]]["output"])
        for channel in animation["channels"]
        if channel["target"] == {"node": 0, "path": "rotation"}
    )
    assert ((rotation[1:] * rotation[:-1]).sum(1) > 0.99).all()


def test_colours_are_those_of_the_parts_and_of_eyes_and_teeth(body):
    colors = np.zeros((5, 3))
    colors[DISJOINT_PARTS.index("upper")] = (1, 0, 0)
    glb = Glb(body_glb(body, part_colors=colors))
    shown, own = glb.attribute("COLOR_0"), body.vertex_colors
    suit = own[:, 3] == 0
    is_upper = body.vertex_parts == DISJOINT_PARTS.index("upper")
    np.testing.assert_array_equal(shown[suit & is_upper, :3], np.tile([1.0, 0, 0], ((suit & is_upper).sum(), 1)))
    assert not shown[suit & ~is_upper, :3].any()
    painted = own[:, 3] == 1
    assert painted.sum() > 1000
    back = np.where(shown <= 0.0031308, shown * 12.92, 1.055 * shown ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(back[painted, :3], own[painted, :3], atol=0.03)
    np.testing.assert_array_equal(glb.attribute("_PART"), body.vertex_parts)
    np.testing.assert_allclose(glb.attribute("_OWN_COLOR"), own, atol=1e-6)
    # With two attributes of our own Blender would fail on it.
    (primitive,) = Glb(motion_glb(body, rest(1, actions={}))).primitives()
    assert [name for name in primitive["attributes"] if name.startswith("_")] == ["_PART"]


def test_parts_may_have_materials_of_their_own(body):
    glb = Glb(body_glb(body, part_materials=True))
    assert [material["name"] for material in glb.json["materials"]] == list(DISJOINT_PARTS)
    assert sum(len(glb.faces(i)) for i in range(5)) == len(body.faces)
    for number, primitive in enumerate(glb.primitives()):
        assert np.median(glb.array(primitive["attributes"]["_PART"])) == number


def test_a_face_of_another_basis_is_taken_over_or_refused(speaking_body, face_map):
    motion = make_motion(20, reach=0.1)
    glb = Glb(motion_glb(speaking_body, motion))
    face = face_map.face(motion, ARKIT52)
    animation = glb.json["animations"][0]
    weights = glb.array(animation["samplers"][-1]["output"]).reshape(20, 52)
    np.testing.assert_allclose(weights, face.expressions[:, :52], atol=1e-6)
    silent = Body.from_file(STAND_IN_FILE, face_maps=FaceMapLoader(FaceSource("team/none", "none.npy", "0" * 64)))
    with pytest.raises(BodyError, match=r"(FLAME).*Connect once"):
        motion_glb(silent, motion)
