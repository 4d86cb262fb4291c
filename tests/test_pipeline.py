"""The library from a recording to motion and video."""

import json
import re
import subprocess
import sys

import imageio_ffmpeg
import numpy as np
import pytest
import torch

from emage.errors import AudioError, EmageError, HintError, WeightsError
from emage.export.takes import STAGE_VIDEO
from emage.generation.settings import AS_GENERATED, TakeSettings
from emage.generation.take import Request, Take
from emage.hints import HintPlan, Hints, Span
from emage.motion import ARKIT52
from emage.pipeline import STAGE_MOTION, EmagePipeline
from emage.postprocess.smoothing import low_pass
from emage.recording.audio import num_frames
from emage.recording.recording import Recording
from emage.render.settings import RenderSettings
from tests.conftest import ROOT, Stop, asks, assert_same_motion, channels_of, make_motion, make_speech
from tests.stages import smooth_seams

SMALL = RenderSettings(size=64, samples=1, face_inset=False, floor=False)


def durations_of(path) -> list[float]:
    """Seconds of the picture and of the sound, counted in decoded frames and samples."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", path]
    picture = subprocess.run([*command, "-map", "0:v", "-f", "null", "-"], capture_output=True, text=True)
    frames = int(re.findall(r"frame=\s*(\d+)", picture.stderr)[-1])
    sound = subprocess.run(
        [*command, "-map", "0:a", "-f", "s16le", "-ac", "1", "-ar", "48000", "-"], capture_output=True
    )
    return [frames / 30, len(sound.stdout) / 2 / 48000]


def test_a_recording_becomes_motion(tiny, talk, speech):
    calls = []
    motion = tiny.generate(talk, progress=lambda *call: calls.append(call))
    assert motion.num_frames == num_frames(len(speech)) == 135
    assert (motion.fps, motion.expression_basis) == (30, "flame2020")
    assert calls == [(STAGE_MOTION, 60, 135), (STAGE_MOTION, 120, 135), (STAGE_MOTION, 135, 135)]
    assert motion.trans[0, [0, 2]].tolist() == [0, 0]
    recording = Recording.load(talk)
    for audio in ((16000, speech), recording):
        assert_same_motion(tiny.generate(audio), motion)
    part = tiny.generate(recording.trim(20, 100))
    assert_same_motion(part, tiny.generate((16000, recording.trim(20, 100).part_samples)))
    assert part.num_frames == 80


def test_settings_of_a_take(tiny, speech):
    audio = (16000, speech)
    argmax, sampled, other = tiny.generate(audio), tiny.generate(audio, seed=1), tiny.generate(audio, seed=2)
    assert np.array_equal(sampled.poses, tiny.generate(audio, seed=1).poses)
    for take in (sampled, other, tiny.generate(audio, speaker=1)):
        assert not np.allclose(take.poses, argmax.poses)
    assert not np.allclose(sampled.poses, other.poses)
    for timing in ("published", "reference"):  # its earlier name
        assert tiny.generate(audio, timing=timing).num_frames == 60 + 60 + 15


def test_a_take_is_what_its_settings_generate(tiny, speech):
    hints = Hints(make_motion(135), HintPlan())
    settings = TakeSettings("any", 1, 4, 0.8, 6, "published", "in-place", 7)
    recording = Recording.load((16000, speech))
    take = tiny.take(Request(recording, settings, hints, "mine"))
    expected = tiny.generate(
        recording, hints, 1, 4, "published", temperature=0.8, top_k=6, translation="in-place", seam_frames=7
    )
    assert_same_motion(take.motion, expected)
    assert (take.caption, take.hints, take.recording, take.settings) == ("mine", hints, recording, settings)
    assert take.took_s > 0


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"speaker": 2}, EmageError, "no speaker 2; these weights know 0 to 1"),
        ({"speaker": -1}, EmageError, "speaker is -1; it must be 0 or more"),
        ({"speaker": 0.5}, EmageError, "speaker is 0.5; it must be a whole number"),
        ({"timing": "approximate"}, EmageError, "timing is 'approximate'; it must be 'exact', 'published'"),
        ({"seed": 1, "temperature": -1}, EmageError, "temperature is -1; it must be 0 or more"),
        ({"top_k": 5}, EmageError, "temperature and top_k are of a sample: give a seed with them"),
        ({"translation": "flying"}, EmageError, "translation is 'flying'"),
        ({"seed_motion": make_motion(3)}, EmageError, "at least 4"),
        ({"max_duration_s": 2}, AudioError, "longer than 2 s"),
        ({"hints": Hints(make_motion(300), HintPlan((Span("face", 120, 150),)))}, HintError, "lasts 135 frames"),
    ],
)
def test_faults_of_settings(tiny, speech, options, error, words):
    with pytest.raises(error, match=words):
        tiny.generate((16000, speech), **options)


# --- hints and seeds --------------------------------------------------------------------------------------------------


def test_hints_are_followed_by_the_network_and_locked_into_the_output(tiny, speech):
    reference, channels = make_motion(135, seed=3), channels_of("upper")
    follow, lock = (
        tiny.generate((16000, speech), Hints(reference, HintPlan((Span("upper", 30, 70, mode),))))
        for mode in ("follow", "lock")
    )
    np.testing.assert_array_equal(lock.poses[30:70, channels], reference.poses[30:70, channels])
    assert not np.allclose(follow.poses[30:70, channels], reference.poses[30:70, channels])
    assert not np.allclose(follow.poses, tiny.generate((16000, speech)).poses)
    np.testing.assert_array_equal(lock.poses[100:], follow.poses[100:])  # beyond the longest blend
    np.testing.assert_array_equal(lock.betas, reference.betas)


def test_an_empty_plan_is_no_hint(tiny, speech):
    """What the networks make is the same; feet are then grounded as those of the reference's person."""
    empty = Hints(make_motion(135), HintPlan())
    plain, hinted = (tiny.generate((16000, speech), hints, translation=AS_GENERATED) for hints in (None, empty))
    np.testing.assert_array_equal(hinted.poses, plain.poses)


def test_in_the_published_timing_hints_reach_all_that_the_networks_see(tiny):
    """Of 64 frames 60 come out, but the window has 64, and so have its hints."""
    audio = (16000, make_speech(34134))
    motions = [
        tiny.generate(audio, Hints(make_motion(64), HintPlan((Span("upper", 50, end),))), timing="published")
        for end in (60, 64)
    ]
    assert [motion.num_frames for motion in motions] == [60, 60]
    assert not np.array_equal(motions[0].poses, motions[1].poses)


def test_a_path_goes_on_where_the_seed_motion_ends(tiny, speech):
    start = make_motion(10, seed=5)
    motion = tiny.generate((16000, speech), seed_motion=start)
    np.testing.assert_allclose(motion.trans[0, [0, 2]], start.trans[-1, [0, 2]])
    assert not np.allclose(motion.poses, tiny.generate((16000, speech)).poses)


# --- weights ----------------------------------------------------------------------------------------------------------


def test_weights_saved_are_weights_loaded(tiny, speech, tmp_path):
    tiny.save_pretrained(tmp_path)
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")}
    folders = ["", *(f"emage_vq/{name}/" for name in ("face", "global", "hands", "lower", "upper"))]
    expected = {f"{folder}{name}" for folder in folders for name in ("config.json", "model.safetensors")}
    assert names - {"README.md"} == expected | {"sampling.json"}
    loaded = EmagePipeline.from_pretrained(tmp_path, device="cpu")
    assert loaded.generator.config == tiny.generator.config
    assert_same_motion(*(pipe.generate((16000, speech), translation=AS_GENERATED) for pipe in (loaded, tiny)))


@pytest.mark.slow
def test_released_and_own_formats_load_alike(shared, tmp_path, speech):
    released = EmagePipeline.from_pretrained(shared / "parity/checkpoint", device="cpu")
    released.save_pretrained(tmp_path / "own")
    own = EmagePipeline.from_pretrained(tmp_path / "own", device="cpu")
    assert_same_motion(own.generate((16000, speech)), released.generate((16000, speech)))


def test_the_config_is_what_the_weights_are_and_make(tmp_path, tiny, speech):
    tiny.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"expression_basis": ARKIT52}))
    pipe = EmagePipeline.from_pretrained(tmp_path)
    assert pipe.generate((16000, speech[:16000]), translation=AS_GENERATED).expression_basis == ARKIT52
    (tmp_path / "config.json").write_text(json.dumps(config | {"hidden_size": 24}))
    with pytest.raises(WeightsError, match=r"generator.*do not fit"):
        EmagePipeline.from_pretrained(tmp_path)


def test_networks_stay_as_they_were(tiny, speech):
    """Generating trains nothing: batch norm keeps its statistics, weights their values."""
    before = {key: tensor.clone() for key, tensor in tiny.generator.state_dict().items()}
    tiny.generate((16000, speech))
    for key, tensor in tiny.generator.state_dict().items():
        assert torch.equal(tensor, before[key]), key


def test_weights_may_ask_for_a_low_pass_and_smooth_seams(tiny, speech, monkeypatch):
    plain = tiny.generate((16000, speech), translation=AS_GENERATED)
    asks(tiny, monkeypatch, low_pass_frames=2.0, seam_frames=6)
    filtered, unsmoothed = (
        tiny.generate((16000, speech), seam_frames=frames, translation=AS_GENERATED) for frames in (None, 0)
    )
    assert np.array_equal(filtered.poses, smooth_seams(low_pass(plain, 2), [(60, 64), (120, 124)], 6).poses)
    assert not np.array_equal(filtered.poses, low_pass(plain, 2).poses)
    assert np.array_equal(unsmoothed.poses, low_pass(plain, 2).poses)


# --- video ------------------------------------------------------------------------------------------------------------


def test_a_video_with_sound(tiny, talk, tmp_path):
    take, calls = Take(make_motion(135)), []
    path = tiny.render_video(tmp_path / "talk.mp4", [take], talk, SMALL, lambda *call: calls.append(call))
    assert durations_of(path) == pytest.approx([4.5, 4.5], abs=1 / 30)
    assert calls == [(STAGE_VIDEO, done, 135) for done in range(1, 136)]
    part = Recording.load(talk).trim(30, 60)
    path = tiny.render_video(tmp_path / "part.mp4", [Take(make_motion(30))], part, SMALL)
    assert durations_of(path) == pytest.approx([1, 1], abs=1 / 30)
    with pytest.raises(EmageError, match="nothing to draw"):
        tiny.render_video("x.mp4", [])


def test_a_stopped_video_leaves_nothing(tiny, talk, tmp_path):
    def stop(stage, done, total):
        if done == 5:
            raise Stop

    with pytest.raises(Stop):
        tiny.render_video(tmp_path / "talk.mp4", [Take(make_motion(135))], talk, SMALL, stop)
    assert [file.name for file in tmp_path.iterdir()] == ["talk.wav"]


# --- at full size -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_real_speech_at_full_length(shared, tmp_path):
    """64.1 s of a real recording: every frame, through the released layout."""
    pipe = EmagePipeline.from_pretrained(shared / "parity/checkpoint", device="cpu")
    recording = Recording.load(shared / "data/beat2/2_scott_0_1_1.wav")
    motion = pipe.generate(recording)
    assert motion.num_frames == 1923 == round(64.1 * 30)
    path = pipe.render_video(tmp_path / "talk.mp4", [Take(motion)], recording, SMALL)
    assert durations_of(path) == pytest.approx([1923 / 30] * 2, abs=1 / 30)


@pytest.mark.slow
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
        command = [sys.executable, "-c", script, tmp_path, step]
        result = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    assert int(result.stdout) * 1024 < 2e9
