"""How body files are read and evaluated, and which body is used."""

import errno
import re
from pathlib import Path

import numpy as np
import pytest
import smplx
import torch
from scipy.spatial.transform import Rotation

from emage.body import Body, load_body
from emage.body import model as body_module
from emage.body.model import STAND_IN_FILE
from emage.body.soles import SOLE_POINTS
from emage.errors import BodyError, WeightsError
from emage.motion import ARKIT52, FLAME2020, Motion
from emage.motion.skeleton import DISJOINT_PARTS, JOINT_NAMES, NUM_JOINTS, PARENTS
from tests.conftest import rest


def random_motion(frames: int, basis: str = ARKIT52) -> Motion:
    rng = np.random.default_rng(0)
    return Motion(
        rng.normal(0, 0.3, (frames, 165)).astype(np.float32),
        rng.uniform(0, 1, (frames, 100)),
        rng.normal(0, 1, (frames, 3)),
        rng.normal(0, 1, 300).astype(np.float32),
        expression_basis=basis,
    )


# --- movement ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [1, 33])
def test_vertices_and_joints_equal_smplx(body, frames):
    model = smplx.create(
        str(STAND_IN_FILE), model_type="smplx", gender="neutral", use_pca=False, num_betas=300,
        num_expression_coeffs=100, use_face_contour=False, ext="npz",
    )  # fmt: skip
    assert tuple(model.parents.tolist()) == PARENTS
    motion = random_motion(frames)
    columns = {
        "global_orient": (0, 3), "body_pose": (3, 66), "jaw_pose": (66, 69), "leye_pose": (69, 72),
        "reye_pose": (72, 75), "left_hand_pose": (75, 120), "right_hand_pose": (120, 165),
    }  # fmt: skip
    with torch.inference_mode():
        output = model(
            betas=torch.from_numpy(motion.betas).expand(frames, -1),
            expression=torch.from_numpy(motion.expressions).float(),
            transl=torch.from_numpy(motion.trans).float(),
            **{name: torch.from_numpy(motion.poses[:, slice(*part)]) for name, part in columns.items()},
        )
    np.testing.assert_allclose(body.vertices(motion), output.vertices, atol=2e-5)
    np.testing.assert_allclose(body.joints(motion), output.joints[:, :NUM_JOINTS], atol=2e-5)


def test_any_frames_and_points_are_those_of_the_whole(body):
    motion = random_motion(70)
    vertices, joints = body.vertices(motion), body.joints(motion)
    np.testing.assert_allclose(body.vertices(motion, 40, 50), vertices[40:50], atol=1e-6)
    np.testing.assert_allclose(body.joints(motion, 40, 50), joints[40:50], atol=1e-6)
    assert body.vertices(motion, 5, 5).shape == (0, len(vertices[0]), 3)
    assert body.joints(motion, 60, 50).shape == (0, NUM_JOINTS, 3)
    chosen = np.array([12000, 3, 16875, 3, 8000, 444])
    np.testing.assert_allclose(body.points(motion, chosen, 2, 9), vertices[2:9, chosen], atol=1e-6)


def test_soles_are_the_lowest_of_both_feet(body):
    for motion in (rest(actions={}), rest(actions={}, left_ankle=(0.3, 0, 0.1), right_ankle=(-0.3, 0.2, 0))):
        vertices, soles = body.vertices(motion)[0], body.soles(motion)[0]
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
    trans = np.array([[0.3, 1.0, -0.2]])
    motion = rest(1, trans, actions={}, **turns)
    heads = (arrays["J_regressor"] @ arrays["v_template"]).astype(np.float64)
    place, turn = heads[0], Rotation.from_rotvec(turns["pelvis"])
    for name in ("spine1", "spine2", "spine3", "left_collar", "left_shoulder", "left_elbow", "left_wrist"):
        joint = JOINT_NAMES.index(name)
        place = place + turn.apply(heads[joint] - heads[PARENTS[joint]])
        turn = turn * Rotation.from_rotvec(turns.get(name, (0, 0, 0)))
    wrist = JOINT_NAMES.index("left_wrist")
    np.testing.assert_allclose(body.joints(motion)[0, wrist], place + trans[0], atol=1e-4)
    assert place[1] > heads[wrist][1] + 0.2
    hand = arrays["weights"][:, wrist] > 0.99
    expected = place + turn.apply(arrays["v_template"][hand].mean(0) - heads[wrist])
    np.testing.assert_allclose(body.vertices(motion)[0, hand].mean(0) - trans[0], expected, atol=1e-4)


def test_the_first_ten_betas_are_everybodys_and_the_others_the_bodys_own(body):
    tall, own = np.zeros((2, 300), np.float32)
    tall[0], own[10] = 3, 3
    (still, taller, as_tall, changed, unchanged) = (
        body.vertices(rest(betas=betas, basis=basis))
        for betas, basis in ((None, ARKIT52), (tall, ARKIT52), (tall, FLAME2020), (own, ARKIT52), (own, FLAME2020))
    )
    assert np.ptp(taller[0, :, 1]) > np.ptp(still[0, :, 1]) + 0.05
    np.testing.assert_array_equal(as_tall, taller)
    assert np.abs(changed - still).max() > 0.01
    np.testing.assert_array_equal(unchanged, still)


# --- parts and colours ------------------------------------------------------------------------------------------------


def test_parts_follow_the_joints_and_the_face(body, arrays):
    part = np.array(DISJOINT_PARTS)[body.vertex_parts]
    assert body.vertex_parts.dtype == np.uint8
    for joint, name in {
        "left_index2": "left_hand", "right_thumb3": "right_hand", "left_wrist": "upper", "spine2": "upper",
        "pelvis": "lower", "right_foot": "lower", "jaw": "face", "left_eye": "face",
    }.items():  # fmt: skip
        assert set(part[arrays["weights"].argmax(1) == JOINT_NAMES.index(joint)]) == {name}
    back = (arrays["v_template"][:, 1] > 0.12) & (arrays["v_template"][:, 2] < -0.04)
    assert set(part[back]) == {"upper"}
    for point, name in (((0.0, 0.269, 0.127), "face"), ((0.0, 0.418, -0.001), "upper")):  # nose, top of the head
        assert part[np.linalg.norm(arrays["v_template"] - point, axis=1).argmin()] == name


def test_triangles_and_colors_are_bare_on_skin_and_full_on_eyes(body, arrays):
    assert body.faces.dtype == np.int32
    np.testing.assert_array_equal(body.faces, arrays["f"])
    colors = body.vertex_colors
    assert (colors.dtype, colors.shape) == (np.float32, (len(arrays["v_template"]), 4))
    assert 0 <= colors.min() <= colors.max() <= 1
    eyes = arrays["weights"][:, 23:25].max(1) == 1
    assert (colors[eyes, 3] == 1).all()
    pupil = eyes & (arrays["v_template"][:, 2] > arrays["v_template"][eyes, 2].max() - 1e-4)
    assert (colors[pupil, :3].max(1) < 0.1).all()
    assert not colors[arrays["weights"][:, JOINT_NAMES.index("spine2")] > 0.5, 3].any()


# --- other files ------------------------------------------------------------------------------------------------------


def smplx_like(arrays: dict[str, np.ndarray], columns: int = 400, mean: float = 0.0) -> dict[str, np.ndarray]:
    """A file as SMPL-X publishes it: float64, no colours, a curled mean hand, pickled dictionaries."""
    keys = (
        "v_template", "weights", "J_regressor", "posedirs", "hands_componentsl", "hands_componentsr", "lmk_faces_idx",
        "lmk_bary_coords",
    )  # fmt: skip
    return {
        **{key: arrays[key] for key in keys},
        "f": arrays["f"].astype(np.uint32),
        "shapedirs": arrays["shapedirs"][:, :, np.r_[:10, 300:310] if columns == 20 else np.r_[:columns]],
        "kintree_table": np.stack([np.array([2**32 - 1, *PARENTS[1:]]), np.arange(55)]).astype(np.uint32),
        "hands_meanl": np.full(45, mean),
        "hands_meanr": np.full(45, -mean),
        "part2num": np.array({"Global": 0}, dtype=object),
    }


def saved(folder: Path, arrays: dict[str, np.ndarray], name: str = "SMPLX_NEUTRAL_2020.npz") -> Path:
    np.savez(folder / name, **arrays)
    return folder / name


def test_a_published_smplx_file_is_read_without_unpickling(tmp_path, arrays, body):
    path = saved(tmp_path, smplx_like(arrays, mean=0.3))
    theirs = Body.from_file(path)
    assert (theirs.name, theirs.expression_basis) == ("SMPLX_NEUTRAL_2020", FLAME2020)
    assert "SMPL-X" in theirs.licence
    vertices = theirs.vertices(random_motion(3, FLAME2020))
    np.testing.assert_allclose(vertices, body.vertices(random_motion(3)), atol=1e-6)
    eyes = arrays["weights"][:, 23:25].max(1) == 1
    assert (theirs.vertex_colors[eyes, 3] == 1).all()
    assert not theirs.vertex_colors[~eyes].any()
    pupil = np.flatnonzero(eyes)[arrays["v_template"][eyes, 2].argmax()]
    assert theirs.vertex_colors[pupil, 0] < 0.1
    np.testing.assert_array_equal(theirs.vertex_parts, body.vertex_parts)
    curled = Body.from_file(path, flat_hand_mean=False)
    mean = dict.fromkeys(JOINT_NAMES[25:40], (0.3,) * 3) | dict.fromkeys(JOINT_NAMES[40:], (-0.3,) * 3)
    np.testing.assert_allclose(curled.vertices(rest()), body.vertices(rest(actions={}, **mean)), atol=1e-6)


def test_a_file_of_ten_and_ten_columns_is_read_with_a_warning(tmp_path, arrays, body, caplog):
    small = Body.from_file(saved(tmp_path, smplx_like(arrays, columns=20)))
    assert re.search("only 10 shape and 10 expression directions.*SMPLX_NEUTRAL_2020", caplog.text)
    ten = random_motion(2)
    ten.expressions[:, 10:] = ten.betas[10:] = 0
    np.testing.assert_allclose(small.vertices(random_motion(2, FLAME2020)), body.vertices(ten), atol=1e-6)


NUM_VERTICES, TOO_FEW = 9940, 9000


@pytest.fixture(scope="module")
def small(arrays) -> dict[str, np.ndarray]:
    """As few vertices and columns as a file may have, which are quickly written and read."""
    of_vertices = {name: arrays[name][:NUM_VERTICES] for name in ("v_template", "weights")}
    small = smplx_like(arrays, columns=20) | of_vertices | {"J_regressor": arrays["J_regressor"][:, :NUM_VERTICES]}
    for name in ("shapedirs", "posedirs"):
        small[name] = small[name][:NUM_VERTICES].astype(np.float16)
    small["f"] = small["f"][(small["f"] < NUM_VERTICES).all(1)]
    small["f"][0] = 0, 1, NUM_VERTICES - 1
    small["lmk_faces_idx"] = small["lmk_faces_idx"] % len(small["f"])
    return small


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: {"posedirs": None, "hands_meanl": None}, "lacks posedirs, hands_meanl"),
        (lambda a: {"shapedirs": np.zeros((NUM_VERTICES, 3, 26))}, "26 shape directions.*SMPLX_NEUTRAL_2020"),
        (lambda a: {"weights": a["weights"][:, :24]}, "weights has shape"),
        (lambda a: {"v_template": a["v_template"][:, :2]}, "v_template has shape"),
        (lambda a: {"v_template": np.array(3.0)}, "v_template has shape"),
        (lambda a: {"v_template": a["v_template"] * np.nan}, "v_template holds .* not all finite"),
        (lambda a: {"v_template": a["v_template"] * np.float64(1e300)}, "v_template holds .* not all finite"),
        (lambda a: {"v_template": a["v_template"][:0]}, r"v_template has shape \(0, 3\).* \(1 or more, 3\)"),
        (lambda a: {"f": a["f"][:0]}, r"f has shape \(0, 3\).* \(1 or more, 3\)"),
        (
            lambda a: {"lmk_faces_idx": a["lmk_faces_idx"][:0], "lmk_bary_coords": a["lmk_bary_coords"][:0]},
            r"lmk_faces_idx has shape \(0,\).* \(1 or more\)",
        ),
        (lambda a: {"f": a["f"] + 5}, "a triangle names vertex"),
        (lambda a: {"kintree_table": a["kintree_table"][:, ::-1]}, "kinematic tree"),
        (lambda a: {"weights": a["weights"] * 2}, "do not add up to 1"),
        (lambda a: {"lmk_faces_idx": a["lmk_faces_idx"] + 10**6}, "landmarks"),
        (lambda a: {"weights": np.array({"a": 1}, dtype=object)}, "'weights' holds pickled objects"),
        (lambda a: {"vertex_colors": np.zeros((3, 4))}, "vertex_colors"),
        (lambda a: {"expression_basis": np.array("other")}, "expression basis is 'other'"),
        (
            lambda a: {
                **{name: a[name][:TOO_FEW] for name in ("v_template", "weights", "shapedirs", "posedirs")},
                "J_regressor": a["J_regressor"][:, :TOO_FEW],
            },
            "9000 vertices; smplx needs at least 9930",
        ),
    ],
)
def test_files_that_do_not_fit_are_refused_by_name(tmp_path, small, change, words):
    changed = {key: value for key, value in (small | change(small)).items() if value is not None}
    with pytest.raises(BodyError, match=f"given.npz.*{words}"):
        Body.from_file(saved(tmp_path, changed, "given.npz"))


def test_files_that_are_no_npz_are_refused(tmp_path):
    whole = STAND_IN_FILE.read_bytes()
    for name, content, words in (
        ("half.npz", whole[:100_000], "half.npz"),
        ("text.npz", b"not a body", "text.npz is not an npz"),
        ("altered.npz", whole[:200_000] + bytes(400) + whole[200_400:], "altered.npz"),
        ("SMPLX_NEUTRAL.pkl", b"\x80\x04.", "pickle.*take the npz"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BodyError, match=words):
            Body.from_file(tmp_path / name)
    for path, words in (
        (tmp_path, "is a folder"),
        (tmp_path / "none.npz", "no such file"),
        ("x" * 300, "cannot be looked at: File name too long. Correct the path|no such file"),
    ):
        with pytest.raises(BodyError, match=words):
            Body.from_file(path)


def test_places_that_cannot_be_read_are_told(tmp_path, monkeypatch):
    def refuse(_: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", "above")

    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(BodyError, match=r"body.npz cannot be looked at: Permission denied.*the right to read"):
        Body.from_file(tmp_path / "body.npz")


# --- which body -------------------------------------------------------------------------------------------------------


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """The files that load_body opens, without reading them, and what it asks the Hub for."""
    paths: list[str] = []

    def fetch(repo_id: str, filename: str) -> Path:
        paths.append(f"{repo_id}/{filename}")
        return Path("from_hub.npz")

    monkeypatch.setattr(Body, "from_file", classmethod(lambda _, path, **_named: paths.append(Path(path).name)))
    monkeypatch.setattr(body_module, "fetch_file", fetch)
    for variable in ("SMPLX_MODEL_PATH", "EMAGE_ACCEPT_SMPLX_LICENCE"):
        monkeypatch.delenv(variable, raising=False)
    return paths


FROM_HUB = ["H-Liu1997/emage_evaltools/smplx_models/smplx/SMPLX_NEUTRAL_2020.npz", "from_hub.npz"]


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        ({}, {}, [STAND_IN_FILE.name]),
        ({}, {"EMAGE_ACCEPT_SMPLX_LICENCE": "0"}, [STAND_IN_FILE.name]),  # without consent nothing is downloaded
        ({"accept_smplx_licence": True}, {}, FROM_HUB),
        ({}, {"EMAGE_ACCEPT_SMPLX_LICENCE": "1"}, FROM_HUB),
        ({"accept_smplx_licence": True}, {"SMPLX_MODEL_PATH": "named.npz"}, ["named.npz"]),
        ({"smplx_file": "argument.npz"}, {"SMPLX_MODEL_PATH": "named.npz"}, ["argument.npz"]),
    ],
)
def test_the_order_of_bodies(opened, monkeypatch, arguments, environment, expected):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    load_body(**arguments)
    assert opened == expected


def test_an_unclear_consent_and_an_unreachable_hub_are_said_and_not_replaced(opened, monkeypatch):
    def fail(*_: str) -> Path:
        raise WeightsError("the Hub cannot be reached.")

    monkeypatch.setattr(body_module, "fetch_file", fail)
    with pytest.raises(BodyError, match=r"cannot be reached.*SMPLX_MODEL_PATH.*stand-in"):
        load_body(accept_smplx_licence=True)
    monkeypatch.setenv("EMAGE_ACCEPT_SMPLX_LICENCE", "perhaps")
    with pytest.raises(BodyError, match="EMAGE_ACCEPT_SMPLX_LICENCE is 'perhaps'"):
        load_body()
    assert opened == []


def test_a_real_motion_stands_on_the_floor(body, shared):
    motion = Motion.load(shared / "data" / "beat2" / "2_scott_0_1_1.npz").frames(0, 300)
    vertices = body.vertices(motion)
    lowest = vertices[:, :, 1].min(1)
    assert abs(np.median(lowest)) < 0.05
    assert 1.5 < np.median(vertices[:, :, 1].max(1) - lowest) < 1.9  # hands may be raised
