"""The library and the command line from a recording to files."""

import json
import re
import subprocess
import sys
import time
from dataclasses import replace

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile
import torch

from emage.__main__ import main
from emage.errors import AudioError, EmageError, HintError, WeightsError
from emage.generation.settings import AS_GENERATED, TakeSettings
from emage.hints import HintPlan, Hints
from emage.models.generator import GeneratorConfig
from emage.motion import ARKIT52, Motion
from emage.motion.skeleton import PART_JOINTS
from emage.pipeline import STAGE_MOTION, STAGE_VIDEO, EmagePipeline, Take
from emage.postprocess.smoothing import low_pass, smooth_seams
from emage.recording.audio import num_frames
from emage.render.settings import RenderSettings
from tests.conftest import REGRESSION, ROOT, make_motion, make_speech

SMALL = RenderSettings(panel_width=128, panel_height=128)


@pytest.fixture
def talk(tmp_path, speech):
    path = tmp_path / "talk.wav"
    soundfile.write(path, speech, 16000)
    return path


def streams_of(path) -> dict[str, float]:
    """Durations in seconds of the picture and the sound, counted in decoded frames and samples."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    picture = subprocess.run(
        [ffmpeg, "-v", "info", "-i", path, "-map", "0:v", "-f", "null", "-"], capture_output=True, text=True
    )
    frames = int(re.findall(r"frame=\s*(\d+)", picture.stderr)[-1])
    sound = subprocess.run(
        [ffmpeg, "-v", "error", "-i", path, "-map", "0:a", "-f", "s16le", "-ac", "1", "-ar", "48000", "-"],
        capture_output=True,
    )
    return {"picture": frames / 30, "sound": len(sound.stdout) / 2 / 48000}


def test_a_recording_becomes_motion(tiny, talk, speech):
    calls = []
    motion = tiny.generate(talk, progress=lambda *call: calls.append(call))
    assert motion.num_frames == num_frames(len(speech)) == 135
    assert (motion.fps, motion.expression_basis) == (30, "flame2020")
    assert calls == [(STAGE_MOTION, 60, 135), (STAGE_MOTION, 120, 135), (STAGE_MOTION, 135, 135)]
    again = tiny.generate((16000, speech))
    assert np.abs(again.poses - motion.poses).max() < 1e-3  # 16-bit file against float array
    assert motion.trans[0, [0, 2]].tolist() == [0, 0]


def test_settings_of_a_take(tiny, speech):
    audio = (16000, speech)
    likeliest, drawn, other = tiny.generate(audio), tiny.generate(audio, seed=1), tiny.generate(audio, seed=2)
    assert np.array_equal(drawn.poses, tiny.generate(audio, seed=1).poses)
    for take in (drawn, other, tiny.generate(audio, speaker=1)):
        assert not np.allclose(take.poses, likeliest.poses)
    assert not np.allclose(drawn.poses, other.poses)
    start = make_motion(10, seed=5)
    assert not np.allclose(tiny.generate(audio, seed_motion=start).poses, likeliest.poses)
    assert tiny.generate(audio, timing="reference").num_frames == 60 + 60 + 15


def test_a_take_is_what_its_settings_generate(tiny, speech):
    hints = Hints(make_motion(135), HintPlan())
    settings = TakeSettings(None, 1, 4, 0.8, 6, "reference", "in-place", 7)
    take = tiny.take((16000, speech), settings, hints, "mine")
    expected = tiny.generate(
        (16000, speech), hints, 1, 4, "reference", temperature=0.8, top_k=6, translation="in-place", seam_frames=7
    )
    np.testing.assert_array_equal(take.motion.poses, expected.poses)
    np.testing.assert_array_equal(take.motion.trans, expected.trans)
    assert (take.caption, take.hints) == ("mine", hints)


def test_faults_of_settings(tiny, speech):
    audio = (16000, speech)
    for speaker in (2, -1, 0.5):
        with pytest.raises(EmageError, match=f"no speaker {speaker}; these weights know 0 to 1"):
            tiny.generate(audio, speaker=speaker)
    with pytest.raises(EmageError, match="nothing to draw"):
        tiny.render_video("x.mp4", [])
    with pytest.raises(EmageError, match="timing.*'exact' or 'reference'"):
        tiny.generate(audio, timing="approximate")
    with pytest.raises(EmageError, match="temperature"):
        tiny.generate(audio, seed=1, temperature=-1)
    with pytest.raises(EmageError, match="at least 4"):
        tiny.generate(audio, seed_motion=make_motion(3))
    with pytest.raises(AudioError, match="longer than 2 s"):
        tiny.generate(audio, max_duration_s=2)
    late = Hints(make_motion(300), HintPlan.from_json({"spans": [{"part": "face", "start_s": 4, "end_s": 5}]}))
    with pytest.raises(HintError, match="the recording lasts 135 frames"):
        tiny.generate(audio, late)


def test_hints_are_followed_by_the_network_and_locked_into_the_output(tiny, speech):
    reference = make_motion(135, seed=3)
    spans = [{"part": "upper", "start_frame": 30, "end_frame": 70, "mode": "follow"}]
    follow = tiny.generate((16000, speech), Hints(reference, HintPlan.from_json({"spans": spans})))
    lock = tiny.generate(
        (16000, speech), Hints(reference, HintPlan.from_json({"spans": [spans[0] | {"mode": "lock"}]}))
    )
    plain = tiny.generate((16000, speech))
    channels = [3 * joint + i for joint in PART_JOINTS["upper"] for i in range(3)]
    np.testing.assert_array_equal(lock.poses[30:70][:, channels], reference.poses[30:70][:, channels])
    assert not np.allclose(follow.poses[30:70][:, channels], reference.poses[30:70][:, channels])
    assert not np.allclose(follow.poses, plain.poses)
    np.testing.assert_array_equal(lock.poses[80:], follow.poses[80:])
    np.testing.assert_array_equal(lock.betas, reference.betas)


def test_weights_saved_are_weights_loaded(tiny, speech, tmp_path):
    tiny.save_pretrained(tmp_path / "weights")
    names = sorted(str(path.relative_to(tmp_path / "weights")) for path in (tmp_path / "weights").rglob("*.*"))
    folders = ["", *(f"emage_vq/{name}/" for name in ("face", "global", "hands", "lower", "upper"))]
    expected = {f"{folder}{name}" for folder in folders for name in ("config.json", "model.safetensors")}
    assert set(names) - {"README.md"} == expected
    loaded = EmagePipeline.from_pretrained(tmp_path / "weights", device="cpu")
    assert loaded.generator.config == tiny.generator.config
    assert np.array_equal(loaded.generate((16000, speech)).poses, tiny.generate((16000, speech)).poses)


def test_released_and_own_formats_load_alike(shared, tmp_path, speech):
    released = EmagePipeline.from_pretrained(shared / "parity/checkpoint", device="cpu")
    released.save_pretrained(tmp_path / "own")
    own = EmagePipeline.from_pretrained(tmp_path / "own", device="cpu")
    assert np.array_equal(own.generate((16000, speech)).poses, released.generate((16000, speech)).poses)


def test_weights_of_another_size_are_refused(tmp_path, tiny):
    tiny.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"hidden_size": 24}))
    with pytest.raises(WeightsError, match=r"generator.*do not fit"):
        EmagePipeline.from_pretrained(tmp_path)


def test_a_video_with_sound(tiny, talk, tmp_path):
    motion = tiny.generate(talk)
    calls = []
    path = tiny.render_video(tmp_path / "talk.mp4", [Take(motion)], talk, SMALL, lambda *call: calls.append(call))
    durations = streams_of(path)
    assert durations["picture"] == pytest.approx(135 / 30)
    assert abs(durations["sound"] - durations["picture"]) <= 1 / 30
    assert calls[-1] == (STAGE_VIDEO, 135, 135)
    assert len(calls) == 135


class Stop(Exception):
    pass


def test_a_stopped_job_leaves_nothing(tiny, talk, tmp_path):
    motion = tiny.generate(talk)

    def stop(stage, done, total):
        if done == 5:
            raise Stop

    with pytest.raises(Stop):
        tiny.render_video(tmp_path / "talk.mp4", [Take(motion)], talk, SMALL, stop)
    assert [file.name for file in tmp_path.iterdir()] == ["talk.wav"]


# --- command line -----------------------------------------------------------------------------------------------------


def emage(monkeypatch, *arguments) -> int:
    """The exit code of `python -m emage …`."""
    monkeypatch.setattr(sys, "argv", ["emage", *map(str, arguments)])
    try:
        main()
    except SystemExit as end:
        return end.code or 0
    return 0


def test_generate_writes_what_is_asked_for(monkeypatch, talk, tmp_path):
    reference = make_motion(135)
    reference.save(tmp_path / "ref.npz")
    plan = {"spans": [{"part": "upper", "start_s": 0.5, "end_s": 3.0, "mode": "lock"}]}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    arguments = ["--weights", REGRESSION, "--device", "cpu", "--size", "128", "--renderer", "moderngl"]
    hints = ["--hint-motion", tmp_path / "ref.npz", "--plan", tmp_path / "plan.json", "--seed", "3"]
    outputs = ["--out", tmp_path / "talk.mp4", "--motion", tmp_path / "talk.npz", "--start-s", "0.5", "--end-s", "4"]
    assert emage(monkeypatch, "generate", talk, *arguments, *outputs, *hints) == 0
    motion = Motion.load(tmp_path / "talk.npz")
    assert motion.num_frames == 105
    np.testing.assert_array_equal(motion.poses[15:90, 9:12], reference.poses[15:90, 9:12])
    durations = streams_of(tmp_path / "talk.mp4")
    assert durations["picture"] == pytest.approx(3.5)
    assert abs(durations["sound"] - 3.5) <= 1 / 30


def test_a_short_reference_is_looped_from_the_command_line(monkeypatch, talk, tmp_path):
    reference = make_motion(40)
    reference.save(tmp_path / "ref.npz")
    plan = {"spans": [{"part": "upper", "start_frame": 0, "end_frame": 135, "mode": "lock"}]}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    arguments = ["generate", talk, "--weights", REGRESSION, "--motion", tmp_path / "talk.npz"]
    arguments += ["--hint-motion", tmp_path / "ref.npz", "--plan", tmp_path / "plan.json"]
    assert emage(monkeypatch, *arguments, "--hint-fill", "loop", "--hint-shift-s", "0.5") == 0
    motion = Motion.load(tmp_path / "talk.npz")
    np.testing.assert_array_equal(motion.poses[25:45, 9:12], reference.poses[10:30, 9:12])
    assert emage(monkeypatch, *arguments) == 2  # as long as it is, it does not reach


def test_render_side_by_side(monkeypatch, talk, tmp_path):
    for name, seed in (("a", 0), ("b", 1)):
        make_motion(20, seed=seed, reach=0.2).save(tmp_path / f"{name}.npz")
    arguments = ["--audio", talk, "--out", tmp_path / "both.mp4", "--size", "128"]
    assert emage(monkeypatch, "render", tmp_path / "a.npz", tmp_path / "b.npz", *arguments) == 0
    probe = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-i", tmp_path / "both.mp4"], capture_output=True, text=True
    )
    assert "256x128" in probe.stderr


def test_measure_writes_or_shows_a_line_for_each_motion(monkeypatch, capsys, talk, tmp_path):
    for name, seed in (("a", 0), ("b", 1)):
        make_motion(140, seed=seed).save(tmp_path / f"{name}.npz")
    arguments = ["measure", tmp_path / "a.npz", tmp_path / "b.npz", "--audio", talk]
    assert emage(monkeypatch, *arguments) == 0
    shown = capsys.readouterr().out
    assert [line.split(",")[0] for line in shown.splitlines()] == ["take", "a", "b"]
    assert emage(monkeypatch, *arguments, "--out", tmp_path / "scores.csv") == 0
    assert (tmp_path / "scores.csv").read_text() == shown
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["measure", "--audio", "TALK"], "Name one or more"),
        (["measure", "OUT/none.npz", "--audio", "TALK"], "no such file"),
        (["generate", "missing.wav", "--motion", "OUT/x.npz"], "missing.wav: there is no such file"),
        (["generate", "TALK"], "Nothing would be written"),
        (["generate", "TALK", "--motion", "OUT/none/x.npz"], "does not exist"),
        (["generate", "TALK", "--motion", "OUT/x.npz", "--plan", "p.json"], "go together"),
        (["generate", "TALK", "--motion", "OUT/x.npz", "--hint-fill", "loop"], "give that too"),
        (["generate", "TALK", "--motion", "OUT/x.npz", "--start-s", "9"], "there is nothing from 9.00"),
        (["generate", "TALK", "--motion", "OUT/x.npz", "--end-s", "nan"], "--end-s is nan"),
        (["generate", "TALK", "--motion", "OUT/x.npz", "--speaker", "9"], "no speaker 9"),
        (["generate", "TALK", "--out", "OUT/x.mp4", "--size", "33"], "even number"),
        (["generate", "TALK", "--out", "TALK"], "--out would overwrite the recording"),
        (["generate", "TALK", "--out", "OUT/x", "--motion", "OUT/x"], "--out would overwrite --motion"),
        (["generate", "TALK", "--motion", "OUT/x.npz", "--device", "abacus"], "device 'abacus' cannot be used"),
        (["generate", "TALK", "--motion", "OUT/x.npz", "--top-k", "3"], "give a seed"),
        (["generate", "TALK", "--motion", "OUT/x.npz", "--seam-frames", "99"], "seam_frames is 99"),
        (["generate", "TALK", "--out", "OUT/x.mp4", "--smplx", "OUT/none.npz"], "no such file"),
        (["render", "missing.npz", "--out", "OUT/x.mp4"], "no such file"),
        (["render", "--out", "OUT/x.mp4"], "Name one or more"),
    ],
)
def test_faults_are_a_sentence_and_leave_nothing(monkeypatch, capsys, talk, tmp_path, arguments, words):
    out = tmp_path / "out"
    out.mkdir()
    arguments = [each.replace("OUT", str(out)).replace("TALK", str(talk)) for each in arguments]
    if arguments[0] == "generate":
        arguments += ["--weights", str(REGRESSION)]
    assert emage(monkeypatch, *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert words in error
    assert "Traceback" not in error
    assert list(out.iterdir()) == []


def test_a_motion_outlives_its_video_and_overwrites_nothing(monkeypatch, capsys, talk, tmp_path):
    (tmp_path / "talk.npz").write_text("mine")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/bin/false")
    assert emage(monkeypatch, "generate", talk, "--weights", REGRESSION, "--out", tmp_path / "talk.mp4") == 2
    assert "The motion itself is in" in capsys.readouterr().err
    assert Motion.load(tmp_path / "talk-1.npz").num_frames == 135
    assert (tmp_path / "talk.npz").read_text() == "mine"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["talk-1.npz", "talk.npz", "talk.wav"]


def test_a_terminated_run_leaves_nothing(talk, tmp_path):
    command = [sys.executable, "-m", "emage", "generate", talk, "--weights", REGRESSION, "--out", tmp_path / "o.mp4"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".emage-*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(tmp_path.glob(".emage-*"))
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 143
    assert [file.name for file in tmp_path.iterdir()] == ["talk.wav"]


def test_an_empty_plan_is_no_hint(tiny, speech):
    """What the networks make is the same; feet are then grounded as those of the reference's person."""
    plain = tiny.generate((16000, speech), translation="as-generated")
    empty = tiny.generate((16000, speech), Hints(make_motion(135), HintPlan()), translation="as-generated")
    np.testing.assert_array_equal(empty.poses, plain.poses)


def test_in_the_published_timing_hints_reach_all_that_the_networks_see(tiny):
    """Of 64 frames 60 come out, but the window has 64, and so have its hints."""
    speech = make_speech(34134)
    plans = [{"spans": [{"part": "upper", "start_frame": 50, "end_frame": end}]} for end in (60, 64)]
    motions = [
        tiny.generate((16000, speech), Hints(make_motion(64), HintPlan.from_json(plan)), timing="reference")
        for plan in plans
    ]
    assert [motion.num_frames for motion in motions] == [60, 60]
    assert not np.array_equal(motions[0].poses, motions[1].poses)


def test_a_path_goes_on_where_the_seed_motion_ends(tiny, speech):
    start = make_motion(10, seed=5)
    motion = tiny.generate((16000, speech), seed_motion=start)
    np.testing.assert_allclose(motion.trans[0, [0, 2]], start.trans[-1, [0, 2]])


def test_doctor_tells_what_works(monkeypatch, capsys):
    assert emage(monkeypatch, "doctor", "--weights", REGRESSION) == 0
    report = capsys.readouterr().out
    for topic in ("torch: 2.", "drawing with moderngl: works", "drawing with pyrender: works", "weights: ", "body: "):
        assert f"ok    {topic}" in report
    assert emage(monkeypatch, "doctor", "--weights", "nowhere/to/be/found") == 1
    assert "FAIL  weights: 'nowhere/to/be/found' is neither a folder" in capsys.readouterr().out


def test_real_speech_at_full_length(shared, tmp_path):
    """64.1 s of a real recording: every frame, through the released layout."""
    pipe = EmagePipeline.from_pretrained(shared / "parity/checkpoint", device="cpu")
    motion = pipe.generate(shared / "data/beat2/2_scott_0_1_1.wav")
    assert motion.num_frames == 1923 == round(64.1 * 30)
    tiny_picture = RenderSettings(panel_width=64, panel_height=64, face_inset=False, floor=False, samples=1)
    path = pipe.render_video(
        tmp_path / "talk.mp4", [Take(motion)], shared / "data/beat2/2_scott_0_1_1.wav", tiny_picture
    )
    durations = streams_of(path)
    assert durations["picture"] == pytest.approx(1923 / 30)
    assert abs(durations["sound"] - durations["picture"]) <= 1 / 30


def test_peak_memory_at_full_size(tmp_path):
    """28 s of speech with the released sizes stays below 2 GB in a process of its own."""
    script = """
import sys
from pathlib import Path
import numpy as np, torch
from emage.models.generator import Generator, GeneratorConfig
from emage.models.codec import MotionCodec
from emage.models.parts import Parts
from emage.models.vqvae import VQVAE, GlobalMotionPredictor, VQVAEConfig
from emage.pipeline import EmagePipeline
from emage.motion.skeleton import PART_CHANNELS
folder = Path(sys.argv[1])
if sys.argv[2] == "make":
    parts = Parts.of(lambda part: VQVAE(VQVAEConfig(PART_CHANNELS[part], layers=4 if part == "lower" else 2)))
    codec = MotionCodec(parts, GlobalMotionPredictor(VQVAEConfig(61, layers=4)))
    EmagePipeline(Generator(GeneratorConfig()), codec).save_pretrained(folder)
else:
    motion = EmagePipeline.from_pretrained(folder, device="cpu").generate((16000, 0.1 * np.random.randn(28 * 16000)))
    assert motion.num_frames == 840
    # not ru_maxrss, which a process takes over from the one that started it
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    for step in ("make", "run"):
        result = subprocess.run(
            [sys.executable, "-c", script, tmp_path, step], check=True, cwd=ROOT, capture_output=True, text=True
        )
    assert int(result.stdout) * 1024 < 2e9


def test_basis_of_the_weights_goes_into_the_motion(tiny, tmp_path, speech):
    tiny.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"expression_basis": ARKIT52}))
    motion = EmagePipeline.from_pretrained(tmp_path).generate((16000, speech))
    assert motion.expression_basis == ARKIT52


def test_networks_stay_as_they_were(tiny, speech):
    """Generating trains nothing: batch norm keeps its statistics, weights their values."""
    before = {key: tensor.clone() for key, tensor in tiny.generator.state_dict().items()}
    tiny.generate((16000, speech))
    for key, tensor in tiny.generator.state_dict().items():
        assert torch.equal(tensor, before[key]), key


def test_weights_may_ask_for_a_low_pass_and_smooth_seams(tiny, speech):
    plain = tiny.generate((16000, speech), translation=AS_GENERATED)
    config = replace(tiny.generator.config, low_pass_frames=2, seam_frames=6)
    assert GeneratorConfig.from_json(config.to_json()) == config
    tiny.generator.config, published = config, tiny.generator.config
    try:
        filtered = tiny.generate((16000, speech), translation=AS_GENERATED)
        unsmoothed = tiny.generate((16000, speech), seam_frames=0, translation=AS_GENERATED)
    finally:
        tiny.generator.config = published
    expected = smooth_seams(low_pass(plain, 2), [(60, 64), (120, 124)], 6)
    assert np.array_equal(filtered.poses, expected.poses)
    assert not np.array_equal(filtered.poses, low_pass(plain, 2).poses)
    assert np.array_equal(unsmoothed.poses, low_pass(plain, 2).poses)
