"""BVH and ARKit weights into BEAT2's layout: our own files go there and back, and BEAT's names and proportions."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emage.body import Body
from emage.body.face import FaceMapLoader
from emage.errors import MotionError
from emage.export.bvh import bvh_text, euler_angles
from emage.export.settings import ExportSettings
from emage.motion import ARKIT52, FLAME2020, Motion
from emage.motion.skeleton import ARKIT_ACTIONS, JOINT_NAMES, PARENTS, PART_JOINTS
from tests.conftest import angles_between, make_motion, make_speech, rest
from train import beat
from train.data import beat as beat_data
from train.data.building import build_cache
from train.data.bvh import NAMINGS, align_bones, read_captured, to_smplx
from train.data.corpus import CorpusError, list_clips

FACE = PART_JOINTS["face"] + (23, 24)


def moving(frames: int = 60, seed: int = 0, fps: float = 30) -> Motion:
    """All joints but the face's move, far and fast; of the mean shape."""
    motion = make_motion(frames, seed, fps, reach=0.6)
    poses = motion.poses.reshape(frames, 55, 3).copy()
    poses[:, list(FACE)] = 0
    return replace(motion, poses=poses.reshape(frames, 165), betas=np.zeros(300), expressions=np.zeros((frames, 100)))


@pytest.mark.parametrize(("names", "unit"), [("smplx", "cm"), ("mixamo", "m")])
def test_our_own_files_come_back(body, tmp_path, names, unit):
    motion = moving()
    path = tmp_path / "take.bvh"
    path.write_text(bvh_text(body, motion, ExportSettings(bvh_names=names, bvh_unit=unit)))
    found, residual = to_smplx(read_captured(path), body)
    apart_mm = 1000 * np.linalg.norm(body.joints(found) - body.joints(motion), axis=-1)
    turned = np.degrees(angles_between(found.poses, motion.poses))
    assert apart_mm.max() < 0.1
    assert turned.max() < 0.02
    assert residual.degrees < 0.01
    assert residual.mm < 0.1
    assert found.fps == 30


def beat_skeleton(body: Body) -> tuple[list[str], list[int], np.ndarray, dict[str, int]]:
    """Names, parents and offsets in cm of a skeleton as BEAT has it: other proportions, joints between and behind ours,
    palms; and the numbers of those joints that are ours."""
    joints = body.joints(rest())[0].astype(np.float64)
    names, parents, offsets, known = [], [], [], {}

    def add(name: str, parent: int, offset: np.ndarray) -> int:
        names.append(name)
        parents.append(parent)
        offsets.append(100 * offset)
        return len(names) - 1

    longer = {"shoulder": 1.1, "elbow": 0.92, "wrist": 1.07, "knee": 1.12, "ankle": 1.08}
    for joint, name in enumerate(JOINT_NAMES):
        if joint in FACE:
            continue
        parent = known.get(JOINT_NAMES[PARENTS[joint]], -1) if joint else -1
        bone = joints[joint] - joints[PARENTS[joint]] if joint else np.zeros(3)
        bone = bone * longer.get(name.split("_")[-1], 1.0)
        beat_name = NAMINGS["beat"][name]
        if name == "spine3":  # BEAT has one between
            parent = add("Spine2", parent, bone / 2)
            bone = bone / 2
        if name == "head":
            parent = add("Neck1", parent, bone / 2)
            bone = bone / 2
        if name.endswith(("index1", "ring1", "pinky1")):
            parent = add(beat_name[:-1], parent, bone * 0.3)
            bone = bone * 0.7
        known[name] = add(beat_name, parent, bone)
    return names, parents, np.array(offsets), known


def write_beat(path: Path, body: Body, motion: Motion, fps: float = 120) -> None:
    """A motion on that skeleton, its local turns as they are, those between at rest."""
    names, parents, offsets, known = beat_skeleton(body)
    ours = {number: JOINT_NAMES.index(name) for name, number in known.items()}
    children = [[c for c, p in enumerate(parents) if p == joint] for joint in range(len(names))]

    def hierarchy(joint: int, depth: int):
        tab = "\t" * depth
        yield f"{tab}{'JOINT' if depth else 'ROOT'} {names[joint]}"
        yield tab + "{"
        yield f"{tab}\tOFFSET {' '.join(f'{value:.6f}' for value in offsets[joint])}"
        yield f"{tab}\tCHANNELS {'3' if depth else '6 Xposition Yposition Zposition'} Zrotation Xrotation Yrotation"
        for child in children[joint]:
            yield from hierarchy(child, depth + 1)
        if not children[joint]:
            yield from (f"{tab}\tEnd Site", tab + "\t{", f"{tab}\t\tOFFSET 0 2 0", tab + "\t}")
        yield tab + "}"

    order = []

    def walk(joint: int) -> None:
        order.append(joint)
        for child in children[joint]:
            walk(child)

    walk(0)
    poses = motion.poses.reshape(-1, 55, 3).astype(np.float64)
    local = np.stack([poses[:, ours[j]] if j in ours else np.zeros_like(poses[:, 0]) for j in order], 1)
    angles = euler_angles(local, "ZXY").reshape(len(poses), -1)
    places = 100 * (motion.trans + body.joints(rest())[0, 0]) * 1.1
    lines = [*hierarchy(0, 0)]
    lines = ["HIERARCHY", *lines, "MOTION", f"Frames: {len(poses)}", f"Frame Time: {1 / fps:.9f}"]
    lines += [" ".join(f"{v:.6f}" for v in row) for row in np.concatenate([places, angles], 1).tolist()]
    path.write_text("\n".join(lines) + "\n")


def test_beats_names_and_proportions(body, tmp_path):
    motion = moving(240, 3, fps=120)
    write_beat(tmp_path / "1_wayne_0_1_1.bvh", body, motion)
    captured = read_captured(tmp_path / "1_wayne_0_1_1.bvh")
    assert captured.fps == 30
    assert len(captured.turns) == 60
    found, residual = to_smplx(captured, body)
    assert residual.degrees < 0.1
    assert 20 < residual.mm < 80  # arms are shorter than these legs ask for, and longer in parts
    limbs = [JOINT_NAMES.index(f"{side}_{name}") for side in ("left", "right") for name in ("hip", "knee", "shoulder")]
    turned = np.degrees(angles_between(found.poses, motion.poses[::4]).reshape(60, 55))
    assert turned[:, limbs].mean() < 3
    # Legs are longer there by 10 %, and so is the path: on our body it is as long as the motion's own.
    np.testing.assert_allclose(found.trans, motion.trans[::4], atol=0.02)


def test_bones_that_point_the_other_way_are_turned():
    bones = np.array([[[0.0, 1, 0]], [[0, 1, 0]], [[1, 0, 0]]])
    wanted = np.array([[[0.0, -1, 0]], [[0, 1, 0]], [[0, 0, 1]]])
    turns = align_bones(bones, wanted)
    np.testing.assert_allclose((turns @ bones[:, 0, :, None])[..., 0], wanted[:, 0], atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(turns), 1)
    np.testing.assert_allclose(turns[1], np.eye(3))


def write_face(path: Path, frames: int) -> np.ndarray:
    """As BEAT's, 60 a second, with a mouth that opens and fields that nobody needs."""
    opening = np.linspace(0, 1, frames)
    names = [name for name in ARKIT_ACTIONS if name != "tongueOut"]
    rows = [
        {"weights": [float(w) if name == "jawOpen" else 0.0 for name in names], "time": i / 60, "rotation": []}
        for i, w in enumerate(opening)
    ]
    path.write_text(json.dumps({"names": names, "frames": rows}))
    return opening


def test_a_folder_of_beat_becomes_a_corpus(body, face_map, tmp_path, monkeypatch, capsys):
    root, out = tmp_path / "beat" / "1", tmp_path / "corpus"
    root.mkdir(parents=True)
    for clip in ("1_wayne_0_1_1", "1_wayne_0_2_2"):
        write_beat(root / f"{clip}.bvh", body, moving(280, 1, fps=120))
        soundfile.write(root / f"{clip}.wav", make_speech(48000), 16000)
    (root / "1_wayne_0_1_1.txt").write_text("01_beat_align 0 3.0 3.0 0.1\n")
    opening = write_face(root / "1_wayne_0_1_1.json", 140)
    write_beat(root / "1_wayne_0_3_3.bvh", body, moving(40, 1, fps=120))  # without sound
    monkeypatch.setattr(beat_data, "loader_of", lambda: FaceMapLoader(known=face_map))
    monkeypatch.setattr(sys, "argv", ["beat", str(root.parent), "--out", str(out)])
    beat.main()
    told = capsys.readouterr()
    assert told.out.startswith("2 clips, 1 of them without faces; bones off by ")
    assert "1_wayne_0_3_3" in told.err
    assert "there is no such file" in told.err
    first, second = list_clips(out)
    assert (first.missing, second.missing) == ((), ("face",))
    motion = Motion.load(first.motion_file)
    assert (motion.num_frames, motion.fps, motion.expression_basis) == (70, 30, FLAME2020)
    weights = np.zeros((70, 100))
    weights[:, ARKIT_ACTIONS.index("jawOpen")] = opening[::2]
    expected = face_map.to_flame(weights, np.zeros((70, 3)))
    np.testing.assert_allclose(motion.expressions, expected.expressions, atol=0.02 * np.abs(expected.expressions).max())
    np.testing.assert_allclose(motion.poses[:, 66:69], expected.jaw, atol=0.01)
    assert set(json.loads((out / "conversion.json").read_text())) == {first.id, second.id}
    made = first.motion_file.stat().st_mtime_ns
    beat.main()
    assert first.motion_file.stat().st_mtime_ns == made  # is not converted again
    cache = build_cache(out, tmp_path / "cache", body=body)
    assert [len(cache.semantic_labels(clip)) for clip in cache.clips] == [1, 0]


def test_faces_may_stay_arkit_s(body, tmp_path):
    write_beat(tmp_path / "1_a_0_1_1.bvh", body, moving(200, 1, fps=120))
    soundfile.write(tmp_path / "1_a_0_1_1.wav", make_speech(32000), 16000)
    opening = write_face(tmp_path / "1_a_0_1_1.json", 100)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/train_test_split.csv").write_text("id,type\n1_a_0_1_1,test\n1_a_0_2_2,train\n")
    beat.Convert(tmp_path, tmp_path / "corpus", faces=ARKIT52, splits=tmp_path / "lists").run()
    (clip,) = list_clips(tmp_path / "corpus")
    motion = Motion.load(clip.motion_file)
    assert (clip.split, motion.expression_basis) == ("test", ARKIT52)
    np.testing.assert_allclose(motion.expressions[:, ARKIT_ACTIONS.index("jawOpen")], opening[::2], atol=0.02)


def test_files_that_are_none_are_named(tmp_path):
    (tmp_path / "a.bvh").write_text("HIERARCHY\nROOT a\n{\n")
    with pytest.raises(MotionError, match="a.bvh cannot be read as BVH"):
        read_captured(tmp_path / "a.bvh")
    channels = "Xposition Yposition Zposition Zrotation Xrotation Yrotation"
    (tmp_path / "b.bvh").write_text(
        f"HIERARCHY\nROOT bone\n{{\n\tOFFSET 0 0 0\n\tCHANNELS 6 {channels}\n"
        "\tEnd Site\n\t{\n\t\tOFFSET 0 1 0\n\t}\n}\nMOTION\nFrames: 1\nFrame Time: 0.033333\n0 0 0 0 0 0\n"
    )
    with pytest.raises(MotionError, match="no joint that is pelvis by the names of beat, smplx, mixamo; it has bone"):
        read_captured(tmp_path / "b.bvh")
    with pytest.raises(CorpusError, match="holds no BVH file"):
        beat.Convert(tmp_path / "nothing", tmp_path).run()
