"""Takes for other tools: what the page offers, and the endpoint for programs."""

import json
from pathlib import Path

import numpy as np
import pytest

from emage.body.face import FaceMapLoader
from tests.app_server import QUICK, Caller, name_file
from tests.conftest import rest
from tests.export.gltf_reader import Glb

pytestmark = pytest.mark.usefixtures("nothing_in_the_log")

FORM = ["smplx", "cm", "ZXY"]


@pytest.fixture(scope="module")
def take(caller: Caller, short_talk: Path) -> dict:
    """The motion file of a take of 45 frames, as the page has it behind its button."""
    fields = {"speech": caller.upload(short_talk), "timeline": {"num_frames": 45}}
    values = caller.get_values("generate_on_page", *caller.page_values("generate_on_page", **fields))
    return name_file(values[3]["value"]["path"])


def test_the_take_that_is_shown_is_offered_as_glb(caller, take, body, face_map, monkeypatch):
    fault = caller.get_fault("export_on_page", take, ".glb", True, *FORM, False, None)
    assert "face is in SMPL-X's expressions (FLAME), and is wanted in ARKit's expressions" in fault  # there is no map
    monkeypatch.setattr(body, "face_maps", FaceMapLoader(known=face_map))
    file, sound, note = caller.get_values("export_on_page", take, ".glb", True, *FORM, False, None)
    glb = Glb(caller.get(file["value"]["path"]).content)
    assert len(glb.json["materials"]) == 5
    assert glb.json["animations"][0]["name"] == "no hints"
    assert sound == {"value": None, "interactive": False, "__type__": "update"}
    assert "talk.glb: 2." in note


def test_the_take_with_its_sound_as_a_skeleton(caller, take):
    values = ["mixamo", "m", "XYZ", True, None]
    file, sound, _ = caller.get_values("export_on_page", take, ".bvh", False, *values)
    text = caller.get(file["value"]["path"]).text
    assert "ROOT mixamorig:Hips" in text
    assert "Frames: 45\n" in text
    assert "Xrotation Yrotation Zrotation" in text
    assert caller.get(sound["value"]["path"]).content.startswith(b"RIFF")


def test_without_a_take_nothing_is_exported(app, short_talk):
    other, rest_of_it = Caller(app.url), (".glb", False, *FORM, False, None)
    for shown in (None, other.upload(short_talk)):
        assert "There is no take to export yet" in other.get_fault("export_on_page", shown, *rest_of_it)
    other.leave()


def test_values_that_the_page_does_not_offer_are_told(caller, take):
    for at, (value, words) in {1: (".fbx", "fbx"), 3: ("maya", "maya"), 4: ("ft", "ft"), 5: ("XXX", "XXX")}.items():
        values = [take, ".bvh", False, *FORM, False, None]
        values[at] = value
        assert words in caller.get_fault("export_on_page", *values)


def test_programs_export_motions_and_faces(caller, tmp_path, short_talk):
    motion = caller.upload(rest(20, actions={"jawOpen": 0.5}).save(tmp_path / "talk.npz"))
    file, sound = caller.get_values("export", motion, "csv", None, caller.upload(short_talk))
    assert file["orig_name"] == "talk.csv"
    lines = caller.get(file["path"]).text.splitlines()
    assert len(lines) == 21
    assert lines[0].startswith("Timecode,BlendShapeCount,EyeBlinkLeft")
    assert caller.get(sound["path"]).content.startswith(b"RIFF")
    face = caller.upload_as("face.csv", "\n".join(lines).encode())
    file, sound = caller.get_values("export", face, "json", {}, None)
    assert sound is None
    assert json.loads(caller.get(file["path"]).text)["frames"][3]["weights"][17] == 0.5
    file, _ = caller.get_values("export", motion, "BVH", {"bvh_unit": "m", "bvh_names": "mixamo"}, None)
    assert "mixamorig:Hips" in caller.get(file["path"]).text


@pytest.mark.parametrize(
    ("ending", "settings", "words"),
    [
        ("fbx", None, "The format is 'fbx'; known are glb, bvh, csv, json."),
        ("", None, "The format is ''"),
        ("bvh", {"bvh_order": "XXY"}, "bvh_order"),
        ("bvh", {"scale": 2}, "no field scale"),
        ("bvh", [1], "settings"),
    ],
)
def test_faults_of_programs_are_told_in_a_sentence(caller, tmp_path, ending, settings, words):
    motion = caller.upload(rest(5).save(tmp_path / "talk.npz"))
    assert words in caller.get_fault("export", motion, ending, settings, None)


def test_a_motion_of_another_rate_and_no_motion_are_told(caller, tmp_path):
    motion = caller.upload(rest(5).resample(60).save(tmp_path / "fast.npz"))
    assert "60 frames a second; exports have 30" in caller.get_fault("export", motion, "glb", None, None)
    assert "There is no motion" in caller.get_fault("export", None, "glb", None, None)
    assert "is not an npz" in caller.get_fault("export", caller.upload_as("a.npz", b"no"), "glb", None, None)


def test_a_face_of_the_app_is_taken_as_a_reference(caller, tmp_path):
    """And can be a locked hint of a take."""
    motion = caller.upload(rest(45, actions={"mouthSmileLeft": 0.7}).save(tmp_path / "smile.npz"))
    file, _ = caller.get_values("export", motion, "csv", None, None)
    face = caller.upload_as("smile.csv", caller.get(file["path"]).content)
    _, note, _ = caller.get_values("take_reference", face, 0, "once")
    assert "1.5 s" in note


def test_a_face_of_the_app_is_a_hint_of_a_program(caller, tmp_path, short_talk, tiny):
    smile = rest(45, actions={"mouthSmileLeft": 0.7}).save(tmp_path / "smile.npz")
    file, _ = caller.get_values("export", caller.upload(smile), "json", None, None)
    face = caller.upload_as("smile.json", caller.get(file["path"]).content)
    plan = json.dumps({"spans": [{"part": "face", "start_s": 0, "end_s": 1, "mode": "follow"}]})
    _, motion, report = caller.get_values("generate", caller.upload(short_talk), plan, face, QUICK)
    assert report["frames"] == 45
    content = caller.get(motion["path"]).content
    (tmp_path / "made.npz").write_bytes(content)
    assert np.load(tmp_path / "made.npz")["poses"].shape == (45, 165)
