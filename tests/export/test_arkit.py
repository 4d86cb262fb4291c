"""Faces as ARKit's weights: written, and read back by us and by pandas."""

import io
import json
from dataclasses import replace

import numpy as np
import pandas
import pytest
from scipy.spatial.transform import Rotation

from emage.body.face import FaceMapLoader, FaceSource
from emage.errors import BodyError, MotionError
from emage.export.arkit import CSV_COLUMNS, JAW_SIDE_PER_RAD, arkit_csv, arkit_json, load_arkit, load_motion
from emage.motion import ARKIT52, Motion
from emage.motion.skeleton import ARKIT_ACTIONS, JAW_JOINT
from tests.conftest import make_motion, rest

NO_MAPS = FaceMapLoader(FaceSource("team/none", "none.npy", "0" * 64))


@pytest.fixture
def faces() -> Motion:
    """2.5 s of all actions; the jaw's joint does not turn."""
    motion = make_motion(75)
    expressions = np.abs(motion.expressions)
    expressions[:, 52:] = 0
    poses = motion.poses.copy()
    poses[:, 3 * JAW_JOINT : 3 * JAW_JOINT + 3] = 0
    return replace(motion, poses=poses, expressions=expressions, expression_basis=ARKIT52)


def column(action: str) -> str:
    return action[0].upper() + action[1:]


def test_the_csv_is_as_live_link_face_writes_it(faces):
    text = arkit_csv(faces, NO_MAPS)
    table = pandas.read_csv(io.StringIO(text))
    assert list(table.columns[:2]) == ["Timecode", "BlendShapeCount"]
    assert len(table.columns) == 63
    assert (table["BlendShapeCount"] == 61).all()
    assert list(table["Timecode"][[0, 1, 29, 30, 74]]) == [
        "00:00:00:00.000", "00:00:00:01.000", "00:00:00:29.000", "00:00:01:00.000", "00:00:02:14.000",
    ]  # fmt: skip
    for i, action in enumerate(ARKIT_ACTIONS):
        np.testing.assert_allclose(table[column(action)], faces.expressions[:, i], atol=1e-6, err_msg=action)
    # Readers that go by the order of the columns expect the app's, which is not quite Apple's.
    assert CSV_COLUMNS[14:18] == ("JawForward", "JawRight", "JawLeft", "JawOpen")
    assert CSV_COLUMNS[21:23] == ("MouthRight", "MouthLeft")
    assert CSV_COLUMNS[51:55] == ("TongueOut", "HeadYaw", "HeadPitch", "HeadRoll")


def test_the_head_is_told_by_neck_and_head_in_radians():
    turned = rest(2, actions={}, neck=(0, 0.3, 0), head=(0, 0.2, 0), left_eye=(0.1, 0, 0), spine3=(0, 1, 0))
    table = pandas.read_csv(io.StringIO(arkit_csv(turned, NO_MAPS)))
    assert table["HeadYaw"][1] == pytest.approx(0.5, abs=1e-5)  # to the own left, against the chest
    assert table["HeadPitch"][1] == pytest.approx(0, abs=1e-5)
    assert table["LeftEyePitch"][1] == pytest.approx(0.1, abs=1e-5)  # downwards
    assert table["RightEyePitch"][1] == 0
    odd = (0.3, -0.5, 0.2)
    table = pandas.read_csv(io.StringIO(arkit_csv(rest(1, actions={}, head=odd), NO_MAPS)))
    angles = [table[f"Head{name}"][0] for name in ("Yaw", "Pitch", "Roll")]
    np.testing.assert_allclose(Rotation.from_euler("YXZ", angles).as_rotvec(), odd, atol=1e-5)


def test_what_the_jaw_turns_is_in_its_actions(body):
    motion = rest(3, actions={"jawLeft": 0.1}, jaw=np.array([(0.145, 0, 0), (0, 0.05, 0), (-0.1, -0.05, 0)]))
    table = pandas.read_csv(io.StringIO(arkit_csv(motion, NO_MAPS)))
    np.testing.assert_allclose(table["JawOpen"], (0.5, 0, 0), atol=1e-5)
    np.testing.assert_allclose(table["JawLeft"], (0.1, 0.1 + 0.05 * JAW_SIDE_PER_RAD[1], 0.1), atol=1e-5)
    np.testing.assert_allclose(table["JawRight"], (0, 0, 0.05 * JAW_SIDE_PER_RAD[1]), atol=1e-5)
    wide = rest(1, actions={"jawOpen": 0.8}, jaw=(0.29, 0, 0))
    assert pandas.read_csv(io.StringIO(arkit_csv(wide, NO_MAPS)))["JawOpen"][0] == 1


@pytest.mark.parametrize(("turn", "action"), [((0, 1, 0), "jawLeft"), ((0, 0, 1), "jawLeft"), ((0, -1, 0), "jawRight")])
def test_the_numbers_of_the_jaws_side_are_the_bodys(body, turn, action):
    """A small turn takes the lower jaw as far aside as its share of the action."""
    jaw = body.skinning_weights[:, JAW_JOINT] > 0.9
    share = 0.02 * abs(np.dot(JAW_SIDE_PER_RAD, turn))
    turned = body.vertices(rest(1, actions={}, jaw=0.02 * np.array(turn)))[0, jaw, 0]
    acted = body.vertices(rest(1, actions={action: share}))[0, jaw, 0]
    still = body.vertices(rest(1, actions={}))[0, jaw, 0]
    assert (turned - still).mean() == pytest.approx((acted - still).mean(), rel=0.02)


def test_faces_of_flame_go_by_the_librarys_map(face_map):
    motion = make_motion(30, reach=0.2)
    table = pandas.read_csv(io.StringIO(arkit_csv(motion, FaceMapLoader(known=face_map))))
    converted = face_map.face(motion, ARKIT52)
    blink = ARKIT_ACTIONS.index("eyeBlinkLeft")
    np.testing.assert_allclose(table["EyeBlinkLeft"], converted.expressions[:, blink], atol=1e-6)
    opened = converted.expressions[:, ARKIT_ACTIONS.index("jawOpen")] + np.maximum(converted.jaw[:, 0] / 0.29, 0)
    np.testing.assert_allclose(table["JawOpen"], np.clip(opened, 0, 1), atol=1e-6)
    with pytest.raises(BodyError, match=r"(FLAME).*ARKit.*Connect once"):
        arkit_csv(motion, NO_MAPS)


def test_json_has_names_times_and_weights(faces):
    face = json.loads(arkit_json(faces, NO_MAPS))
    assert face["fps"] == 30
    assert face["names"] == list(ARKIT_ACTIONS)
    np.testing.assert_allclose([frame["time"] for frame in face["frames"]], np.arange(75) / 30, atol=1e-4)
    np.testing.assert_allclose([frame["weights"] for frame in face["frames"]], faces.expressions[:, :52], atol=1e-4)


@pytest.mark.parametrize(("ending", "write", "off"), [("csv", arkit_csv, 1e-6), ("json", arkit_json, 1e-4)])
def test_what_was_written_is_read_back(faces, tmp_path, ending, write, off):
    path = tmp_path / f"face.{ending}"
    path.write_text(write(faces, NO_MAPS))
    back = load_motion(path)
    assert (back.num_frames, back.fps, back.expression_basis) == (75, 30, ARKIT52)
    np.testing.assert_allclose(back.expressions, faces.expressions, atol=2 * off)
    assert not back.poses.any()


def test_a_recording_of_the_app_comes_at_its_rate_without_its_gaps(tmp_path):
    """60 frames a second that begin in the middle of a day, with frames in which no face was seen."""
    lines = ["Timecode,BlendShapeCount,EyeBlinkLeft,JawOpen," + ",".join(CSV_COLUMNS[20:51])]
    for frame in range(90):
        code = f"14:03:{52 + (28 + frame) // 60}:{(28 + frame) % 60:02}.207"
        values = [code, "61", "0.25", str(frame / 89), *["0"] * 31]
        lines.append(f"{code},0" if frame in (40, 41) else ",".join(values))
    path = tmp_path / "MySlate_1_iPhone.csv"
    path.write_text("\ufeff" + "\r\n".join(lines) + "\r\n")
    face = load_arkit(path)
    assert (face.num_frames, face.fps) == (90, 60)
    np.testing.assert_allclose(face.expressions[:, ARKIT_ACTIONS.index("jawOpen")], np.arange(90) / 89, atol=1e-6)
    assert (face.expressions[:, 0] == 0.25).all()
    assert face.resample().num_frames == 45


def test_json_as_beat_has_it(tmp_path):
    """Names in another order, without the tongue, at 60 frames a second."""
    names = sorted(ARKIT_ACTIONS[:51])
    frames = [{"weights": [0.5] * 51, "rotation": [], "time": round(i / 60, 4)} for i in range(12)]
    (tmp_path / "beat.json").write_text(json.dumps({"names": names, "frames": frames}))
    face = load_arkit(tmp_path / "beat.json")
    assert (face.num_frames, face.fps) == (12, 60)
    assert (face.expressions[:, :51] == 0.5).all()
    assert not face.expressions[:, 51:].any()


HEAD = "Timecode,BlendShapeCount," + ",".join(CSV_COLUMNS)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "time,jawOpen\n0,1\n", "does not begin with Timecode,BlendShapeCount"),
        ("a.csv", "", "does not begin with"),
        ("a.csv", HEAD + "\n", "holds no frame with a face"),
        ("a.csv", HEAD + "\n00:00:00:00.000,61,0.1\n", "row 2 has 3 columns; the first has 63"),
        ("a.csv", HEAD + "\nsoon,61" + ",0" * 61 + "\n", r"row 2: 'soon' is no timecode"),
        ("a.csv", HEAD + "\n00:00:00:00.000,61" + ",x" * 61 + "\n", "row 2: a value is no number"),
        ("a.csv", HEAD + "\n00:00:00:00.000,61" + ",nan" * 61 + "\n", "holds a value that is no number"),
        ("a.csv", HEAD + 2 * ("\n00:00:00:00.000,61" + ",0" * 61), "frame 1 is not later than the one before"),
        ("a.csv", HEAD + "\n00:00:00:00.0,61" + ",0" * 61 + "\n99:00:00:00.0,61" + ",0" * 61, "2 frames are spread"),
        ("a.csv", "Timecode,BlendShapeCount,a,b\n00:00:00:00.000,2,0,0\n", "names none of ARKit's actions"),
        ("a.json", "{", "is not JSON"),
        ("a.json", '{"names": ["jawOpen"], "frames": []}', "frames has 0 entries"),
        ("a.json", '{"names": ["jawOpen"], "frames": [{"time": 0, "weights": [1, 2]}]}', "frame 1 has 2 weights for 1"),
        ("a.json", '{"names": ["jawOpen"], "frames": [{"time": 0}]}', "weights.*missing"),
    ],
)
def test_what_is_no_face_is_told_in_a_sentence(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(MotionError, match=f"{name}.*{message}"):
        load_arkit(tmp_path / name)


def test_bytes_that_are_no_text_and_files_that_are_not_there(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MotionError, match="a.csv is no text"):
        load_arkit(tmp_path / "a.csv")
    with pytest.raises(MotionError, match="cannot be read"):
        load_arkit(tmp_path / "none.csv")


def test_a_line_beyond_all_measure_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("Timecode,BlendShapeCount,jawOpen\n" + "1" * 200_000)
    with pytest.raises(MotionError, match="a.csv is damaged: a line cannot be read"):
        load_arkit(tmp_path / "a.csv")
