"""The doctor of corpora: what is wrong with clips is found and named, and the rest can be trained on."""

import json
import os
import random
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emage.body import Body
from emage.motion import Motion
from emage.motion.skeleton import CONTACT_JOINTS, NUM_JOINTS, PART_JOINTS
from tests.conftest import ROOT, make_motion, make_speech, rest
from tests.train.conftest import settings, write_corpus
from train import beat2, vqvae
from train.data.building import build_cache
from train.data.corpus import CorpusError, list_clips, read_left_out
from train.data.examination import UNUSABLE, Fault, Limits, examine_clips
from train.vqvae import VQVAETraining

SECONDS = 5
REAL = "2_scott_0_1_1"
WORDS = """File type = "ooTextFile"
Object class = "TextGrid"

0
{end}
<exists>
1
"IntervalTier"
"words"
0
{end}
1
{start}
{end}
"late"
"""


def stand(body: Body, seed: int, seconds: float = SECONDS) -> tuple[Motion, np.ndarray]:
    """Arms, face and fingers that move; feet on the floor. And as much speech."""
    frames = round(30 * seconds)
    motion = make_motion(frames, seed, reach=0.15)
    poses = motion.poses.reshape(frames, NUM_JOINTS, 3).copy()
    poses[:, PART_JOINTS["lower"]] = 0
    feet_m = body.joints(rest())[0, CONTACT_JOINTS, 1].min()
    trans = np.zeros((frames, 3)) - (0, feet_m, 0)
    still = replace(motion, poses=poses.reshape(frames, -1), trans=trans, betas=np.zeros(300))
    return still, make_speech(16000 * round(seconds), seed)


def resave(root: Path, clip: str, change: Callable[[dict], None]) -> None:
    path = root / "smplxflame_30" / f"{clip}.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez(path, **arrays)


def set_value(name: str, index: object, value: float) -> Callable[[dict], None]:
    def change(arrays: dict) -> None:
        arrays[name][index] = value

    return change


def freeze(arrays: dict) -> None:
    arrays["poses"][30:90], arrays["expressions"][30:90] = arrays["poses"][30], arrays["expressions"][30]


def cut_short(arrays: dict) -> None:
    for name in ("poses", "expressions", "trans"):
        arrays[name] = arrays[name][:75]


def drop_hands(arrays: dict) -> None:
    arrays["poses"] = arrays["poses"][:, :66]


def write_sound(root: Path, clip: str, samples: np.ndarray, rate_hz: int = 16000) -> None:
    soundfile.write(root / "wave16k" / f"{clip}.wav", samples, rate_hz, "PCM_16")


def write_words(root: Path, clip: str) -> None:
    (root / "textgrid").mkdir(exist_ok=True)
    (root / "textgrid" / f"{clip}.TextGrid").write_text(WORDS.format(start=SECONDS + 2, end=SECONDS + 3))


def write_labels(root: Path, clip: str) -> None:
    (root / "sem").mkdir(exist_ok=True)
    (root / "sem" / f"{clip}.txt").write_text(f"02_deictic_l {SECONDS + 2} {SECONDS + 3} 1.0 0.8 there\n")


DAMAGE: dict[Fault, Callable[[Path, str], object]] = {
    Fault.NO_MOTION: lambda root, clip: (root / "smplxflame_30" / f"{clip}.npz").unlink(),
    Fault.NO_SOUND: lambda root, clip: (root / "wave16k" / f"{clip}.wav").unlink(),
    Fault.UNREADABLE_MOTION: lambda root, clip: (root / "smplxflame_30" / f"{clip}.npz").write_bytes(b"PK damaged"),
    Fault.UNREADABLE_SOUND: lambda root, clip: (root / "wave16k" / f"{clip}.wav").write_bytes(b"RIFF damaged"),
    Fault.WRONG_SHAPE: lambda root, clip: resave(root, clip, drop_hands),
    Fault.NOT_A_NUMBER: lambda root, clip: resave(root, clip, set_value("poses", (60, 4), np.nan)),
    Fault.WRONG_RATE: lambda root, clip: resave(root, clip, set_value("mocap_frame_rate", (), 25)),
    Fault.LENGTHS_APART: lambda root, clip: resave(root, clip, cut_short),
    Fault.FROZEN: lambda root, clip: resave(root, clip, freeze),
    Fault.JUMP: lambda root, clip: resave(root, clip, set_value("poses", (slice(70, None), 3 * 16), 2.5)),
    Fault.UNDER_THE_FLOOR: lambda root, clip: resave(root, clip, set_value("trans", (slice(None), 1), 0.0)),
    Fault.TRANSCRIPT_BEYOND_END: write_words,
    Fault.LABELS_BEYOND_END: write_labels,
    Fault.SILENCE: lambda root, clip: write_sound(root, clip, np.zeros(16000 * SECONDS)),
    Fault.TOO_SHORT: lambda root, clip: (resave(root, clip, cut_short), write_sound(root, clip, make_speech(32000)))[0],
}


def add_real_clip(root: Path, split: str = "train") -> None:
    """Where it is at hand."""
    folder = Path(os.environ.get("EMAGE_SHARED", ROOT.parent / "shared")) / "data" / "beat2"
    for kind, ending in (("smplxflame_30", "npz"), ("wave16k", "wav"), ("textgrid", "TextGrid")):
        if not (folder / f"{REAL}.{ending}").is_file():
            return
        (root / kind).mkdir(exist_ok=True)
        (root / kind / f"{REAL}.{ending}").symlink_to(folder / f"{REAL}.{ending}")
    with (root / "train_test_split.csv").open("a") as stream:
        stream.write(f"{REAL},{split}\n")


@pytest.fixture(scope="module")
def damaged(body, tmp_path_factory) -> tuple[Path, dict[str, Fault]]:
    """A corpus of four sound clips, one damaged in each way, and the clip of BEAT2 where that is at hand; and what is
    wrong with which."""
    ids = {f"2_a_0_{number}_{number}": fault for number, fault in enumerate(DAMAGE, 10)}
    clips = {clip: ("train", *stand(body, seed)) for seed, clip in enumerate(ids)}
    clips |= {f"3_b_0_{n}_{n}": ("val" if n == 3 else "train", *stand(body, 50 + n)) for n in range(4)}
    root = write_corpus(tmp_path_factory.mktemp("damaged") / "beat_english_v2.0.0", clips)
    for clip, fault in ids.items():
        DAMAGE[fault](root, clip)
    add_real_clip(root)
    return root, ids


@pytest.mark.slow
def test_a_clip_is_found_for_each_damage_and_the_rest_trains(damaged, body, tmp_path, monkeypatch, capsys):
    root, ids = damaged
    out = tmp_path / "report"
    monkeypatch.setattr(sys, "argv", ["beat2", "doctor", str(root.parent), "--out", str(out), "--pictures", "2"])
    beat2.main()
    told = capsys.readouterr().out
    report = json.loads((out / "report.json").read_text())
    found = {clip["id"]: [finding["fault"] for finding in clip["findings"]] for clip in report["clips"]}
    assert {clip: faults for clip, faults in found.items() if faults} == {clip: [ids[clip]] for clip in ids}
    page = (out / "report.html").read_text()
    assert all(clip in page and clip in told for clip in ids)
    assert page.count("data:image/png;base64,") == 2
    unusable = sum(fault in UNUSABLE for fault in ids.values())
    assert {ids[line.split(":")[0]] for line in told.splitlines()[:unusable]} == UNUSABLE  # the worst first
    assert read_left_out(out / "leave_out.txt") == set(ids)

    sound = build_cache(root, tmp_path / "cache", body=body, leave_out=read_left_out(out / "leave_out.txt"))
    assert {clip.id for clip in sound.clips} - {REAL} == {f"3_b_0_{n}_{n}" for n in range(4)}
    config = settings(VQVAETraining, sound, tmp_path, steps=2, batch_size=4)
    vqvae.train(config, body)
    assert (config.weights / "emage_vq/upper/model.safetensors").is_file()


@pytest.mark.slow
def test_a_doctor_that_is_killed_ends_with_the_same_report(damaged, tmp_path, processes):
    doctor = beat2.Doctor(damaged[0], tmp_path / "report", pictures=1)
    rng = random.Random(0)
    for _ in range(10):
        process = processes.Process(target=doctor.run)
        process.start()
        time.sleep(rng.uniform(0, 1))
        process.kill()
        process.join()
    doctor.run()
    straight = replace(doctor, out=tmp_path / "straight", processes=2)
    straight.run()
    names = ("report.html", "report.json", "leave_out.txt")
    assert [(doctor.out / name).read_bytes() for name in names] == [
        (straight.out / name).read_bytes() for name in names
    ]


def test_findings_say_where(damaged, body):
    root, ids = damaged
    clip_of = {fault: clip for clip, fault in ids.items()}
    reports = {report.clip.id: report for report in examine_clips(list_clips(root), body=body)}

    def finding(fault: Fault):
        return reports[clip_of[fault]].findings[0]

    assert (finding(Fault.NOT_A_NUMBER).at_s, finding(Fault.NOT_A_NUMBER).text) == (
        2,
        "poses is no number in frame 60.",
    )
    assert "left_shoulder turns by" in finding(Fault.JUMP).text
    assert finding(Fault.JUMP).at_s == pytest.approx(69 / 30)
    assert finding(Fault.FROZEN).text == "Nothing moves for 2.0 s from 1.00 s on."
    assert finding(Fault.LENGTHS_APART).text == "The motion lasts 2.50 s, the sound 5.00 s."
    assert finding(Fault.WRONG_RATE).text == "The motion has 25 frames a second, not 30."
    assert finding(Fault.TRANSCRIPT_BEYOND_END).text.startswith("1 of 1 words lie behind the end at 5.00 s")
    assert finding(Fault.UNDER_THE_FLOOR).excess > 5
    assert reports["3_b_0_0_0"].lowest_foot_m == pytest.approx(0, abs=1e-3)
    assert reports["3_b_0_0_0"].longest_still_s == 0


def test_the_real_clip_has_no_fault(shared, body, tmp_path):
    (tmp_path / "train_test_split.csv").write_text("id,type\n")
    add_real_clip(tmp_path)
    (report,) = examine_clips(list_clips(tmp_path), body=body)
    assert report.findings == ()
    assert (report.motion_s, report.sound_s) == (pytest.approx(63.533, abs=1e-3), pytest.approx(64.097, abs=1e-3))


def test_motion_of_another_rate_and_unlisted_files_are_told(damaged, body, tmp_path, monkeypatch, capsys):
    root = shutil.copytree(damaged[0], tmp_path / "corpus")
    (root / "train_test_split.csv").write_text("id,type\n3_b_0_0_0,train\n")
    shutil.rmtree(root / "textgrid")
    write_sound(root, "3_b_0_0_0", make_speech(32000))  # as where 75 frames a second are called 30
    (report,) = examine_clips(list_clips(root), body=body)
    assert [finding.fault for finding in report.findings] == [Fault.LENGTHS_APART, Fault.TOO_SHORT]
    write_sound(root, "3_b_0_0_0", make_speech(40000))
    (report,) = examine_clips(list_clips(root), body=body)
    assert report.findings[0].text.endswith("It would fit 60 frames a second.")
    monkeypatch.setattr(sys, "argv", ["beat2", "doctor", str(root), "--out", str(tmp_path / "out"), "--pictures", "0"])
    beat2.main()
    unlisted = json.loads((tmp_path / "out/report.json").read_text())["unlisted"]
    assert {Path(path).stem for path in unlisted} == {p.stem for p in (root / "smplxflame_30").iterdir()} - {
        "3_b_0_0_0"
    }


def test_limits_that_make_no_sense_are_refused():
    with pytest.raises(CorpusError, match="jump_m is 0; it must be above 0"):
        Limits(jump_m=0)
