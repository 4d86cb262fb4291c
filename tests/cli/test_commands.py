"""The commands: what they write, how often they read, and what they say where they cannot."""

import csv
import json
import subprocess
import sys
from dataclasses import replace

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile

from emage.generation.settings import AS_GENERATED
from emage.hints import HintPlan, Placement, Span, place_hints
from emage.motion import Motion, join_motions
from emage.motion.lines import read_lines
from emage.pipeline import EmagePipeline
from emage.recording import audio
from emage.recording import recording as recording_module
from emage.recording.recording import Recording
from emage.recording.transcript import Word
from tests.conftest import REGRESSION, ROOT, assert_same_motion, make_motion

WEIGHTS = ["--weights", REGRESSION, "--device", "cpu", "--translation", "as-generated"]
SMALL = ["--size", "64", "--samples", "1", "--no-face-inset", "--no-floor"]
HINTED = ["--hint-motion", "ref.npz", "--plan", "plan.json"]
PLAN = HintPlan((Span("upper", 10, 50, "lock"),))


@pytest.fixture
def folder(tmp_path, speech, monkeypatch):
    """With talk.wav of 2 s, ref.npz, plan.json and plans.json; the working folder."""
    monkeypatch.chdir(tmp_path)
    soundfile.write("talk.wav", speech[:32000], 16000, subtype="FLOAT")
    make_motion(70).save("ref.npz")
    make_motion(20, seed=1, reach=0.2).save("b.npz")
    (tmp_path / "plan.json").write_text(json.dumps(PLAN.to_json()))
    (tmp_path / "plans.json").write_text(json.dumps([{"name": "Arms, locked", "plan": PLAN.to_json()}]))
    return tmp_path


def names_in(folder) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def described(path) -> str:
    return subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-i", path], capture_output=True, text=True).stderr


def scores(path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


# --- generate ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outputs", [["--motion", "a.npz"], ["--motion", "a.npz", "--out", "a.mp4", *SMALL]])
def test_generate_decodes_its_recording_once(emage, folder, monkeypatch, tiny, outputs):
    sources = []

    def counted(source, *arguments):
        sources.append(source)
        return decode(source, *arguments)

    decode = audio.decode_audio
    for module in (audio, recording_module):
        monkeypatch.setattr(module, "decode_audio", counted)
    assert emage("generate", "talk.wav", *WEIGHTS, *outputs, *HINTED, "--end-s", "1.9") == 0
    assert [str(source) for source in sources] == ["talk.wav"]
    assert Motion.load("a.npz").num_frames == 57


def test_generate_writes_what_is_asked_for(emage, folder, tiny):
    outputs = ["--out", "talk.mp4", "--motion", "talk.npz", "--start-s", "0.2", "--end-s", "1.8"]
    assert emage("generate", "talk.wav", *WEIGHTS, *SMALL, *HINTED, *outputs, "--seed", "3") == 0
    made = Motion.load("talk.npz")
    # Plans and placement count from the whole recording's beginning.
    recording, reference = Recording.load("talk.wav").trim(6, 54), Motion.load("ref.npz")
    hints = place_hints(recording, PLAN, reference, Placement())
    assert_same_motion(made, tiny.generate(recording, hints, seed=3, translation=AS_GENERATED))
    np.testing.assert_array_equal(made.poses[4:44, 9:12], reference.poses[10:50, 9:12])
    assert "Duration: 00:00:01.60" in described("talk.mp4")
    assert "Audio: aac" in described("talk.mp4")


def test_a_motion_is_written_while_it_is_made(emage, capsys, folder, monkeypatch, tiny):
    written = []
    make = EmagePipeline.stream

    def stream(pipe, *arguments, **named):
        for piece in make(pipe, *arguments, **named):
            yield piece
            written.append(len((folder / "talk.jsonl").read_text().splitlines()))

    monkeypatch.setattr(EmagePipeline, "stream", stream)
    options = ["--stream", "talk.jsonl", "--motion", "talk.npz", *HINTED]
    assert emage("generate", "talk.wav", *WEIGHTS, *options) == 0
    assert written == list(range(1, len(written) + 1))
    assert len(written) > 1
    made, streamed = Motion.load("talk.npz"), list(read_lines((folder / "talk.jsonl").open()))
    assert_same_motion(join_motions(streamed), made)
    lines = [json.loads(line) for line in (folder / "talk.jsonl").read_text().splitlines()]
    assert [line["start_frame"] for line in lines] == [0, *np.cumsum([each.num_frames for each in streamed])[:-1]]
    assert {line["total_frames"] for line in lines} == {60}
    capsys.readouterr()
    assert emage("generate", "talk.wav", *WEIGHTS, "--stream", "-", *HINTED) == 0
    assert_same_motion(join_motions(list(read_lines(capsys.readouterr().out.splitlines()))), made)


def test_faults_of_what_is_written_while_it_is_made(emage, capsys, folder):
    for path, words in (
        ("talk.wav", "--stream would overwrite the recording"),
        ("none/talk.jsonl", "folder none does not exist"),
        (".", "is a folder; name a file"),
    ):
        assert emage("generate", "talk.wav", *WEIGHTS, "--stream", path) == 2
        assert words in capsys.readouterr().err
    assert emage("generate", "talk.wav", *WEIGHTS) == 2
    assert "or --stream talk.jsonl" in capsys.readouterr().err


def test_words_reach_the_take(emage, capsys, folder, monkeypatch, tiny):
    heard = []
    make_take = EmagePipeline.take

    def take(pipe, request, progress=None):
        heard.append(request.recording.words)
        return make_take(pipe, request, progress)

    monkeypatch.setattr(EmagePipeline, "take", take)
    (folder / "talk.srt").write_text("00:00:00,500 --> 00:00:09,500\nso\n\n00:00:10,000 --> 00:00:11,000\nlate")
    for command in ("generate", "batch"):
        output = ["--motion", "a.npz"] if command == "generate" else ["--out", "takes", "--no-video"]
        assert emage(command, "talk.wav", *output, *WEIGHTS, "--transcript", "talk.srt") == 0
        assert heard.pop() == (Word("so", 0.5, 9.5), Word("late", 10.0, 11.0))
        assert "1 word from 'late' on would come behind" in capsys.readouterr().err


def test_a_short_reference_is_looped(emage, folder):
    plan = json.dumps({"spans": [{"part": "upper", "start_frame": 0, "end_frame": 60, "mode": "lock"}]})
    arguments = ["generate", "talk.wav", *WEIGHTS, "--motion", "a.npz", "--hint-motion", "b.npz", "--plan", plan]
    assert emage(*arguments, "--hint-fill", "loop", "--hint-shift-s", "0.5", "--hint-seam-frames", "4") == 0
    made, reference = Motion.load("a.npz"), Motion.load("b.npz")
    np.testing.assert_array_equal(made.poses[19:31, 9:12], reference.poses[4:16, 9:12])
    assert emage(*arguments) == 2  # as long as it is, it does not reach


def test_a_motion_outlives_its_video_and_overwrites_nothing(emage, capsys, folder, monkeypatch):
    (folder / "talk.npz").write_text("mine")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/bin/false")
    before = names_in(folder)
    assert emage("generate", "talk.wav", *WEIGHTS, "--out", "talk.mp4") == 2
    assert "The motion itself is in" in capsys.readouterr().err
    assert Motion.load("talk-1.npz").num_frames == 60
    assert (folder / "talk.npz").read_text() == "mine"
    assert names_in(folder) == sorted([*before, "talk-1.npz"])


@pytest.mark.slow
def test_a_terminated_run_leaves_nothing(talk):
    command = [sys.executable, "-m", "emage", "generate", talk, *WEIGHTS, "--out", talk.with_name("o.mp4")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        shown = b""
        while b"Drawing the video" not in shown:
            more = process.stderr.read1()
            assert more, shown
            shown += more
        assert list(talk.parent.glob(".emage-*"))
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 143
    assert names_in(talk.parent) == ["talk.wav"]


# --- batch ------------------------------------------------------------------------------------------------------------


def test_all_subsets_with_videos_and_scores(emage, capsys, folder, tiny):
    arguments = ["batch", "talk.wav", "--out", "takes", *HINTED, *WEIGHTS, *SMALL, "--end-s", "2"]
    assert emage(*arguments) == 0
    takes = folder / "takes"
    assert names_in(takes) == ["no-hints.mp4", "no-hints.npz", "scores.csv", "upper.mp4", "upper.npz"]
    rows = scores(takes / "scores.csv")
    assert [row["take"] for row in rows] == ["no hints", "upper"]
    assert [row["hint_max_degrees"] for row in rows] == ["", "0"]
    assert all(float(row["took_s"]) > 0 for row in rows)
    hints = Placement().hints(Motion.load("ref.npz"), PLAN, 60)
    assert_same_motion(Motion.load(takes / "upper.npz"), tiny.generate("talk.wav", hints, translation=AS_GENERATED))
    shown = capsys.readouterr().err
    assert "1/2 no hints: Generating motion" in shown
    assert "2/2 upper: Drawing the video" in shown
    assert emage(*arguments) == 2
    assert "takes is there already, and no empty folder" in capsys.readouterr().err


def test_a_list_of_plans_and_seeds_without_videos(emage, folder, tiny):
    (folder / "takes").mkdir()
    arguments = [
        "batch",
        "talk.wav",
        "--out",
        "takes",
        "--hint-motion",
        "ref.npz",
        "--plans",
        "plans.json",
        "--no-video",
    ]
    assert emage(*arguments, *WEIGHTS, "--seeds", "3", "4", "--temperature", "0.5") == 0
    assert names_in(folder / "takes") == ["Arms-locked-seed-3.npz", "Arms-locked-seed-4.npz", "scores.csv"]
    names = [row["take"] for row in scores(folder / "takes/scores.csv")]
    assert names == ["Arms, locked, seed 3", "Arms, locked, seed 4"]
    hints = Placement().hints(Motion.load("ref.npz"), PLAN, 60)
    expected = tiny.generate("talk.wav", hints, seed=4, temperature=0.5, translation=AS_GENERATED)
    assert_same_motion(Motion.load("takes/Arms-locked-seed-4.npz"), expected)


def test_seeds_alone_need_no_hints_and_motions_outlive_videos(emage, capsys, folder, monkeypatch):
    arguments = ["batch", "talk.wav", "--seeds", "1", "2", *WEIGHTS, *SMALL]
    assert emage(*arguments, "--out", "takes", "--no-video") == 0
    takes = [Motion.load(f"takes/no-hints-seed-{seed}.npz") for seed in (1, 2)]
    assert not np.allclose(takes[0].poses, takes[1].poses)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/bin/false")
    assert emage(*arguments, "--out", "more") == 2
    assert "Motions are in more; --no-video makes them alone." in capsys.readouterr().err
    assert names_in(folder / "more") == ["no-hints-seed-1.npz"]


# --- render, measure, doctor ------------------------------------------------------------------------------------------


def test_render_side_by_side(emage, folder):
    assert emage("render", "ref.npz", "b.npz", "--audio", "talk.wav", "--out", "both.mp4", *SMALL) == 0
    assert "128x64" in described("both.mp4")


def test_measure_writes_or_shows_a_line_for_each_motion(emage, capsys, talk, monkeypatch):
    monkeypatch.chdir(talk.parent)
    for name, seed in (("a", 0), ("b", 1)):
        make_motion(140, seed=seed).save(f"{name}.npz")
    arguments = ["measure", "a.npz", "b.npz", "--audio", "talk.wav"]
    assert emage(*arguments) == 0
    shown = capsys.readouterr().out
    assert [line.split(",")[0] for line in shown.splitlines()] == ["take", "a", "b"]
    assert emage(*arguments, "--out", "scores.csv") == 0
    assert talk.with_name("scores.csv").read_text() == shown
    assert capsys.readouterr().out == ""


def test_doctor_tells_what_works(emage, capsys):
    assert emage("doctor", "--weights", REGRESSION) == 0
    report = capsys.readouterr().out
    for topic in ("torch: 2.", "drawing with moderngl: works", "drawing with pyrender: works", "weights: ", "body: "):
        assert f"ok    {topic}" in report
    assert emage("doctor", "--weights", "nowhere/to/be/found") == 1
    assert "FAIL  weights: 'nowhere/to/be/found' is neither a folder" in capsys.readouterr().out


# --- faults -----------------------------------------------------------------------------------------------------------

MOTION = ["generate", "talk.wav", "--motion", "x.npz"]
VIDEO = ["generate", "talk.wav", "--out", "x.mp4"]
BATCH = ["batch", "talk.wav", "--out", "takes"]
FACE = '{"spans": [{"part": "face", "start_s": 0, "end_s": 1, "mode": "lock"}]}'


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["measure", "--audio", "talk.wav"], "Name one or more"),
        (["measure", "none.npz", "--audio", "talk.wav"], "no such file"),
        (["generate", "missing.wav", "--motion", "x.npz"], "missing.wav: there is no such file"),
        (["generate", "talk.wav"], "Nothing would be written"),
        (["generate", "talk.wav", "--motion", "none/x.npz"], "does not exist"),
        ([*MOTION, "--plan", "p.json"], "go together"),
        ([*MOTION, "--hint-motion", "ref.npz"], "go together"),
        ([*MOTION, "--hint-fill", "loop"], "give that too"),
        ([*MOTION, "--start-s", "9"], "there is nothing from 9.00"),
        ([*MOTION, "--end-s", "nan"], "--end-s is nan"),
        ([*MOTION, "--transcript", "none.srt"], "none.srt: there is no such transcript"),
        ([*MOTION, "--language", "de"], "give --transcript too"),
        ([*MOTION, "--transcript", "so", "--language", "German"], "give its code"),
        ([*BATCH, "--transcript", "none.TextGrid"], "none.TextGrid: there is no such transcript"),
        (["generate", "talk.wav", "--transcript", "plan.json", "--out", "plan.json"], "--out would overwrite --transc"),
        ([*MOTION, *HINTED, "--plan", "p.json"], "p.json: the plan cannot be read"),
        ([*MOTION, "--hint-motion", "b.npz", "--plan", "plan.json"], "the hint motion has 20 frames"),
        ([*MOTION, "--speaker", "9"], "no speaker 9"),
        ([*MOTION, "--device", "abacus"], "device 'abacus' cannot be used"),
        ([*MOTION, "--top-k", "3"], "give a seed"),
        ([*MOTION, "--seam-frames", "99"], "seam_frames is 99; it must be 20 at most"),
        ([*VIDEO, "--size", "33"], "size is 33; it must be a multiple of 2"),
        ([*VIDEO, "--smplx", "none.npz"], "no such file"),
        (["generate", "talk.wav", "--out", "talk.wav"], "--out would overwrite the recording"),
        (["generate", "talk.wav", "--out", "x", "--motion", "x"], "--out would overwrite --motion"),
        (["render", "missing.npz", "--out", "x.mp4"], "no such file"),
        (["render", "--out", "x.mp4"], "Name one or more"),
        ([*BATCH, *HINTED, "--plans", "plans.json"], "not both"),
        ([*BATCH, "--hint-motion", "ref.npz"], "goes with --plan or --plans"),
        ([*BATCH, "--plan", "plan.json"], "goes with --plan or --plans"),
        ([*BATCH, "--hint-fill", "loop"], "give that too"),
        ([*BATCH, "--seed", "1", "--seeds", "2"], "--seed or --seeds"),
        ([*BATCH, "--top-k", "3"], "give a seed"),
        ([*BATCH, "--hint-motion", "ref.npz", "--plans", "none.json"], "none.json: the plans cannot be read"),
        ([*BATCH, "--hint-motion", "ref.npz", "--plan", FACE], "expressions"),
        (["batch", "talk.wav", "--out", "talk.wav"], "talk.wav is there already"),
        (["batch", "talk.wav", "--out", "none/takes"], "does not exist"),
    ],
)
def test_faults_are_a_sentence_and_leave_nothing(emage, capsys, folder, arguments, words):
    replace(make_motion(70), expression_basis="arkit52" if words == "expressions" else "flame2020").save("ref.npz")
    before = names_in(folder)
    assert emage(*arguments, *(WEIGHTS[:2] if arguments[0] in ("generate", "batch") else [])) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert words in error
    assert "Traceback" not in error
    assert names_in(folder) == before


def test_a_plan_beyond_the_recording_is_refused_whatever_part_is_used(emage, capsys, folder):
    (folder / "plan.json").write_text(json.dumps(HintPlan((Span("upper", 10, 70),)).to_json()))
    for part in ([], ["--start-s", "0.5"], ["--end-s", "0.2"]):
        for command in (MOTION, BATCH):
            assert emage(*command, *WEIGHTS, *HINTED, *part) == 2
            assert "the recording lasts 60 frames" in capsys.readouterr().err
