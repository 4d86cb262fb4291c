"""Real speech and reconstruction against their targets, and the command with all that it writes."""

import json
import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from emage.errors import AudioError, EmageError
from emage.models.generator import Generator
from emage.models.parts import Parts
from emage.motion import ARKIT52
from emage.motion.rotations import axis_angle_to_rotation_6d
from emage.motion.skeleton import MOTION_CHANNELS, rotation_channels
from emage.pipeline import EmagePipeline, save_network
from tests.train.evaluation.conftest import follow_loudness
from train import evaluate, fgd_encoder
from train.data.cache import Cache
from train.data.corpus import CorpusError
from train.data.windows import Window
from train.evaluation import scores
from train.evaluation.held_out import Row, held_out_clips, held_out_targets
from train.evaluation.makers import mean_pose
from train.evaluation.real_speech import SpeechReport, speech_targets, takes_of
from train.evaluation.reconstruction import BodyErrors, ReconstructionReport, body_errors, reconstruction_targets
from train.evaluation.report import Report, Targets, write_report
from train.evaluation.report import evaluate as score
from train.evaluation.settings import Evaluation
from train.evaluation.tables import markdown
from train.run.kinematics import BodyPoints
from train.vqvae import VQVAEReport


def speech_scores(**changes) -> scores.SpeechScores:
    return replace(scores.SpeechScores("x", 60, 0.6, -2, 8.0, 2.0, 2.0, 1.1, 3.0, 20.0), **changes)


def test_takes_are_sampled_one_after_the_other_where_they_are_sampled(tiny, tmp_path, monkeypatch):
    config = Evaluation(suite="demo", cache=tmp_path, takes=3)
    assert takes_of(tiny, config) == [config]
    assert [take.draw_seed for take in takes_of(tiny, replace(config, draw_seed=7))] == [7, 8, 9]
    monkeypatch.setattr(tiny, "sampling", replace(tiny.sampling, temperature=0.5))
    takes = takes_of(tiny, config)
    assert [take.draw_seed for take in takes] == [None, 1, 2]
    assert {take.temperature for take in takes[1:]} == {0.5}  # as in the first


def test_speech_targets_are_those_of_the_worst_recording():
    fair, seams = speech_scores(), scores.SeamScores(1.1, 0.05)
    report = SpeechReport((fair, speech_scores(hands_ratio=None)), (), speech_scores(jerk_m_per_s3=10), seams)
    assert all(one.passed for one in speech_targets(report))
    faults = {
        "jaw_correlation": 0.49,
        "jaw_lag_frames": -3,
        "pausing_p90_deg": 2.1,
        "pausing_deg": 2.1,
        "hands_ratio": 1.0,
        "longest_frozen_s": 3.1,
        "jerk_m_per_s3": 20.1,
    }
    for place, (field, value) in enumerate(faults.items()):
        worse = replace(report, generated=(fair, speech_scores(**{field: value}), fair))
        assert [one.passed for one in speech_targets(worse)] == [place != i for i in range(8)]
    assert not speech_targets(replace(report, seams=scores.SeamScores(1.11, 0.2)))[-1].passed
    assert not speech_targets(replace(report, seams=None))[-1].passed


# --- reconstruction ---------------------------------------------------------------------------------------------------


class TurningCodec:
    """Stands for a codec whose motion comes back with some joints turned about z."""

    def __init__(self, joints: tuple[int, ...], degrees: float):
        self.joints, self.turn = joints, np.radians(degrees)

    def encode(self, motion, expressions):
        return motion

    def channels(self, motion):
        motion = motion.clone()
        turn = axis_angle_to_rotation_6d(torch.tensor([0, 0, self.turn], dtype=motion.dtype))
        for joint in self.joints:
            motion[..., rotation_channels((joint,))] = turn
        return motion


def test_errors_of_the_whole_body_are_the_planted_ones(body):
    points = BodyPoints(body, "face", 1, ARKIT52)
    motion = torch.zeros(2, 5, MOTION_CHANNELS)
    motion[..., :330] = axis_angle_to_rotation_6d(torch.zeros(165))
    window = Window(
        motion, torch.zeros(2, 5, 100), torch.zeros(2, 5, 3), *(torch.zeros(2),) * 5, torch.ones(2, 6, dtype=torch.bool)
    )
    jaw = body_errors(TurningCodec((22,), 3), [window], points)
    assert (jaw.body_mm, jaw.fingertips_mm, jaw.jaw_degrees) == (0, 0, pytest.approx(3, rel=1e-3))
    # The arms of the body at rest stretch along x, so that a turn about z moves what hangs on them by a chord.
    elbows = body_errors(TurningCodec((18, 19), 10), [window], points)
    rest = points(motion[:1, :1, :330], torch.zeros(1, 1, 100))
    joints, tips = rest.joints[0, 0], rest.fingertips[0, 0]
    chord = 2 * math.sin(math.radians(5))

    def reach(point: torch.Tensor, elbow: int) -> float:
        return float((point - joints[elbow])[:2].norm())

    wrists = reach(joints[20], 18) + reach(joints[21], 19)
    assert elbows.body_mm == pytest.approx(1000 * chord * wrists / 22, rel=1e-3)
    fingers = [reach(tip, 18 if tip[0] > 0 else 19) for tip in tips]
    assert elbows.fingertips_mm == pytest.approx(1000 * chord * np.mean(fingers), rel=1e-3)
    assert elbows.jaw_degrees == pytest.approx(0, abs=0.05)


def test_reconstruction_targets():
    part = VQVAEReport(1.0, 1.0, 1.0, 1.0, 0.0, 100.0, 0.61)
    parts = Parts(part, part, part, part)
    report = ReconstructionReport(9, parts, BodyErrors(10.0, 6.0, 2.0))
    assert [one.passed for one in reconstruction_targets(report)] == [True] * 4
    unused = replace(parts, hands=replace(part, codes_in_use=0.6))
    report = ReconstructionReport(9, unused, BodyErrors(10.1, 6.1, 2.1))
    assert [one.passed for one in reconstruction_targets(report)] == [False] * 4


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_writes_all_scores(config, trained, talk, tmp_path, monkeypatch, capsys):
    recordings, out = tmp_path / "speech", tmp_path / "deep" / "scores"
    recordings.mkdir()
    for name in ("one", "two"):
        soundfile.write(recordings / f"{name}.wav", talk, 16000, "PCM_16")
    follow_loudness(talk).save(recordings / "two.npz")
    arguments = ["--suite=demo", f"--cache={config.cache}", f"--weights={config.weights}", f"--speech={recordings}"]
    arguments += [f"--out={out}", "--max-seconds=5", "--wrong-pairings=1", "--device=cpu", "--draw-seed=3", "--takes=2"]
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    evaluate.main()
    printed = capsys.readouterr().out
    assert (out / "scores.md").read_text() == printed
    for words in ("| frozen mean pose |", "| one, generated |", "| two, who spoke |", "| hands alone |", "**miss**"):
        assert words in printed
    found = json.loads((out / "scores.json").read_text())
    assert found["settings"]["draw_seed"] == 3
    assert found["settings"]["cache"] == str(config.cache)
    assert {name: note["step"] for name, note in found["trained"].items()} == {
        name: config.steps for name, config in trained.items()
    }
    assert set(found["held_out"]["rows"]) == {str(row) for row in Row if "text model" not in row}
    assert found["held_out"]["gestures"]["generated"]["recall"] is None  # nothing is known of this corpus's words
    assert set(found["hinting"]["rows"]) == {f"audio model, {row}" for row in ("no hints", "hints", "hints, no audio")}
    assert len(found["targets"]["hinting"]) == 2
    assert [one["seconds"] for one in found["speech"]["generated"]] == [5, 5]
    assert found["speech"]["recorded"][0]["jaw_lag_frames"] == 1
    assert found["reconstruction"]["windows"] == 2 + 3 + 3 + 1
    assert 0 < found["reconstruction"]["parts"]["hands"]["codes_in_use"] <= 1
    assert [len(found["targets"][section]) for section in ("held_out", "speech", "reconstruction")] == [10, 8, 4]


def test_infinite_scores_become_null(truth_in_its_place, tmp_path):
    rows = {**truth_in_its_place.rows, Row.GENERATED: scores.MotionScores(bc=math.inf, bc_aligned=0.0)}
    part = VQVAEReport(1.0, 1.0, 1.0, 1.0, 0.0, 100.0, 0.61)
    reconstruction = ReconstructionReport(9, Parts(part, part, part, part), BodyErrors(1, 1, 1))
    held_out = replace(truth_in_its_place, rows=rows)
    targets = Targets(held_out_targets(rows), [], reconstruction_targets(reconstruction))
    report = Report("abc", {}, {}, "body", held_out, None, reconstruction, targets)
    write_report(report, markdown(report), tmp_path)
    found = json.loads((tmp_path / "scores.json").read_text())
    assert found["held_out"]["rows"]["generated"]["bc"] is None
    assert found["speech"] is None
    assert "Not scored: no recordings were given" in (tmp_path / "scores.md").read_text()


def test_faults_are_named(config, cache, body, tmp_path):
    with pytest.raises(EmageError, match="wrong_pairings is 0"):
        replace(config, wrong_pairings=0)
    with pytest.raises(EmageError, match="max_seconds is -1"):
        replace(config, max_seconds=-1)
    with pytest.raises(AudioError, match="holds no wav file"):
        score(replace(config, speech=tmp_path), body)
    few = Cache(cache.folder)
    few.clips = tuple(clip for clip in few.clips if clip.id not in ("3_ben_0_3_3", "3_ben_0_4_4"))
    with pytest.raises(CorpusError, match="has 1 clips of split test that last 4.5 s"):
        held_out_clips(few)
    few.clips = few.clips[2:]
    with pytest.raises(CorpusError, match="no clip of split train"):
        mean_pose(few)
    pipe = EmagePipeline.from_pretrained(config.weights, device="cpu")
    others = replace(pipe.generator.config, speakers=3)
    save_network(Generator(others), tmp_path)
    for name in ("emage_vq", fgd_encoder.FOLDER):
        (tmp_path / name).symlink_to(config.weights / name)
    with pytest.raises(CorpusError, match="knows 3 speakers .* has 2 in arkit52"):
        score(replace(config, weights=tmp_path), body)
