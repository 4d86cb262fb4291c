"""What users call: files for other tools by their ending, and every fault in a sentence."""

import json
import os

import numpy as np
import pytest
import soundfile

from emage.errors import AudioError, ExportError, OutputError
from emage.export.settings import ExportSettings
from emage.export.takes import export_take
from emage.generation.take import Take
from emage.hints import FOLLOW, LOCK, HintPlan, Hints, Span
from emage.motion.skeleton import DISJOINT_PARTS
from emage.pipeline import EmagePipeline
from emage.recording.recording import Recording
from emage.render.settings import RenderSettings, rgb_of
from tests.conftest import make_motion, rest
from tests.export.gltf_reader import Glb

FACE = rest(20, actions={"jawOpen": 0.5})


@pytest.mark.parametrize(
    ("ending", "begins"), [("glb", b"glTF"), ("bvh", b"HIERARCHY"), ("csv", b"Timecode,"), ("json", b'{"fps": 30')]
)
def test_the_ending_says_what_is_written(body, tmp_path, ending, begins):
    for name in (f"take.{ending}", f"TAKE.{ending.upper()}"):
        assert export_take(tmp_path / name, FACE, body) == [tmp_path / name]
        assert (tmp_path / name).read_bytes().startswith(begins)


def test_the_pipeline_exports_takes_and_motions(tiny: EmagePipeline, tmp_path):
    assert tiny.export(tmp_path / "take.glb", FACE) == [tmp_path / "take.glb"]
    (path,) = tiny.export(tmp_path / "take.bvh", Take(FACE), settings=ExportSettings(bvh_names="mixamo"))
    assert "ROOT mixamorig:Hips" in path.read_text()


@pytest.mark.parametrize(
    ("spans", "colors"),
    [
        (
            (Span("upper", 0, 15, LOCK), Span("lower", 0, 5, FOLLOW)),
            {"upper": "hint_color", "lower": "generated_color"},
        ),
        (
            (
                Span("upper", 0, 7, LOCK),
                Span("upper", 7, 16, FOLLOW),
                Span("lower", 0, 4, FOLLOW),
                Span("lower", 4, 12, LOCK),
            ),
            {"upper": "followed_color", "lower": "hint_color"},
        ),
    ],
)
def test_parts_that_are_hints_for_most_of_the_time_have_the_grey_of_what_they_mostly_are(body, tmp_path, spans, colors):
    take = Take(FACE, "waving", Hints(FACE, HintPlan(spans)))
    export_take(tmp_path / "take.glb", take, body, settings=ExportSettings(part_materials=True))
    glb = Glb((tmp_path / "take.glb").read_bytes())
    assert glb.json["animations"][0]["name"] == "waving"
    shown = {}
    for number, (part, primitive) in enumerate(zip(DISJOINT_PARTS, glb.primitives(), strict=True)):
        own = glb.array(primitive["attributes"]["_PART"]) == number
        assert own.sum() == (body.vertex_parts == number).sum()
        suit = body.vertex_colors[body.vertex_parts == number, 3] == 0
        shown[part] = glb.array(primitive["attributes"]["COLOR_0"])[own][suit]
    for part, name in colors.items():
        color = rgb_of(getattr(RenderSettings(), name))
        linear = np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
        assert len(shown[part]) > 100
        np.testing.assert_allclose(shown[part][:, :3], np.tile(linear, (len(shown[part]), 1)), atol=0.003)


@pytest.mark.parametrize("seconds", [0.3, 4.0])
def test_the_sound_lies_beside_as_long_as_the_motion(body, tmp_path, seconds):
    rng = np.random.default_rng(0)
    samples = rng.uniform(-0.3, 0.3, round(16000 * seconds)).astype(np.float32)
    made = export_take(tmp_path / "take.bvh", make_motion(45), body, (16000, samples))
    assert made == [tmp_path / "take.bvh", tmp_path / "take.wav"]
    sound, rate_hz = soundfile.read(made[1])
    assert (len(sound), rate_hz) == (72000, 48000)
    assert sound[: round(48000 * min(seconds, 1.5)) - 500].std() > 0.05
    assert (not sound[-1000:].any()) == (seconds < 1.5)


def test_of_a_recording_the_part_that_is_used(body, talk, tmp_path):
    recording = Recording.load(talk).trim(30, 60)
    export_take(tmp_path / "part.json", rest(30, actions={}), body, recording)
    sound, _ = soundfile.read(tmp_path / "part.wav")
    np.testing.assert_allclose(sound, recording.part_sound, atol=1e-4)


def test_the_sound_never_takes_the_recordings_place(body, talk, tmp_path):
    before = talk.read_bytes()
    for audio in (talk, str(talk), Recording.load(talk)):
        with pytest.raises(ExportError, match=r"would overwrite the recording .*talk.wav. Choose another name"):
            export_take(tmp_path / "talk.glb", FACE, body, audio)
    assert talk.read_bytes() == before
    assert not (tmp_path / "talk.glb").exists()


def test_bad_input_is_told_and_leaves_nothing_behind(body, tmp_path):
    for path, message in {
        "take.fbx": r"take.fbx: files that end in '.fbx' are not written. Name it with one of .glb \(the body",
        "take": "take: its name has no ending",
    }.items():
        with pytest.raises(ExportError, match=message):
            export_take(tmp_path / path, FACE, body)
    with pytest.raises(ExportError, match=r"60 frames a second; exports have 30.*resample\(30\).*--resample"):
        export_take(tmp_path / "take.glb", make_motion(10, fps=60), body)
    with pytest.raises(OutputError, match="folder .*none does not exist. Make it first"):
        export_take(tmp_path / "none" / "take.glb", FACE, body)
    (tmp_path / "folder.glb").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        export_take(tmp_path / "folder.glb", FACE, body)
    (tmp_path / "no.wav").write_text("no sound")
    with pytest.raises(AudioError):
        export_take(tmp_path / "take.glb", FACE, body, tmp_path / "no.wav")
    assert sorted(os.listdir(tmp_path)) == ["folder.glb", "no.wav"]


def test_the_command_writes_what_it_says(emage, tmp_path, capsys):
    motion = rest(20, actions={"eyeBlinkLeft": 1}).save(tmp_path / "take.npz")
    assert emage("export", motion, "--to", tmp_path / "take.json") == 0
    assert json.loads((tmp_path / "take.json").read_text())["frames"][7]["weights"][0] == 1
    assert emage("export", motion, "--to", tmp_path / "m.bvh", "--bvh-unit", "m", "--bvh-names", "mixamo") == 0
    assert "mixamorig:Hips" in (tmp_path / "m.bvh").read_text()
    assert emage("export", tmp_path / "take.json", "--to", tmp_path / "back.glb") == 0
    assert "back.glb: 2." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("take.usd", "are not written. Name it with one of"),
        ("none/take.glb", "does not exist. Make it first"),
        ("fast.npz", "are not written"),
        ("fast.glb", "--resample on the command line"),
    ],
)
def test_the_command_tells_faults_before_it_works(emage, tmp_path, capsys, to, message):
    fast = make_motion(20, fps=60).save(tmp_path / "fast.npz")
    assert emage("export", fast, "--to", tmp_path / to) == 2
    assert message in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["fast.npz"]


def test_the_command_resamples_where_it_is_told_to(emage, tmp_path):
    fast = make_motion(20, fps=60).save(tmp_path / "fast.npz")
    assert emage("export", fast, "--to", tmp_path / "take.bvh", "--resample") == 0
    assert "Frames: 10\n" in (tmp_path / "take.bvh").read_text()


def test_a_face_of_the_app_is_a_hint(emage, tmp_path, short_talk):
    """What it records can be given where a motion is."""
    from emage.cli.main import read_command

    rest(45, actions={"jawOpen": 0.5}).save(tmp_path / "face.npz")
    assert emage("export", tmp_path / "face.npz", "--to", tmp_path / "face.csv") == 0
    words = ["generate", str(short_talk), "--motion", "x.npz", "--hint-motion", str(tmp_path / "face.csv")]
    reference = read_command([*words, "--plan", "{}"]).hints.reference()
    assert reference.num_frames == 45
    np.testing.assert_allclose(reference.expressions[:, 17], 0.5, atol=1e-6)
