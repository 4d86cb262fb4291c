"""What the stage is sent: takes in a few kilobytes, bodies, and the values that hold them."""

import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from emage.errors import EmageError
from emage.generation.take import Request, Take
from emage.hints import FOLLOW, FOLLOWED, GENERATED, LOCK, LOCKED, HintPlan, Hints, Span
from emage.motion import FLAME2020, Motion
from emage.motion.rotations import quaternion_to_axis_angle
from emage.motion.skeleton import DISJOINT_PARTS, NUM_JOINTS
from emage.recording.recording import Recording
from emage.ui.components.stage import MAX_BODIES, Stage
from emage.ui.components.stage.take_file import BLOCK_FRAMES, MAGIC, encode_frames, encode_header
from emage.ui.components.timeline import Media
from emage.ui.service.staging import Staging, pose_for, stage_sound
from emage.ui.service.users import User
from tests.conftest import angles_between, make_motion, rest

FACES = 52


def decode(content: bytes) -> tuple[dict, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """By the words of take_file.py: header, poses (T, 165), trans (T, 3), faces (T, K), states (T, 5)."""
    assert content[:8] == MAGIC
    (length,) = struct.unpack_from("<I", content, 8)
    header, at = json.loads(content[12 : 12 + length]), 12 + length
    poses, trans, faces, hints = [], [], [], []
    while at < len(content):
        frames, size, *base, root_step, face_step = struct.unpack_from("<II5d", content, at)
        planes = np.frombuffer(zlib.decompress(content[at + 48 : at + 48 + size]), np.uint8).reshape(3, -1, frames)
        folded = planes[0].astype(np.int64) | planes[1].astype(np.int64) << 8 | planes[2].astype(np.int64) << 16
        numbers = ((folded >> 1) ^ -(folded & 1)).cumsum(1).cumsum(1).T  # (T, C)
        turns = torch.from_numpy(numbers[:, : 4 * NUM_JOINTS] * header["quaternion_step"]).unflatten(1, (-1, 4))
        turns = torch.where(turns[..., :1] < 0, -turns, turns)
        poses.append(quaternion_to_axis_angle(turns / turns.norm(dim=-1, keepdim=True)).flatten(1).numpy())
        trans.append(base + numbers[:, 220:223] * root_step)
        faces.append(numbers[:, 223:-1] * face_step)
        hints.append(numbers[:, -1:] >> 2 * np.arange(5) & 3)
        at += 48 + size
    return header, *(np.concatenate(each) for each in (poses, trans, faces, hints))


def encode(motion: Motion, hints: np.ndarray) -> bytes:
    return encode_header(motion.fps, FACES) + encode_frames(
        motion.poses, motion.trans, motion.expressions[:, :FACES], hints
    )


@pytest.mark.parametrize("frames", [1, 2, BLOCK_FRAMES, 2 * BLOCK_FRAMES + 7])
def test_a_take_comes_back(frames):
    motion = make_motion(frames, reach=2.0)
    states = np.random.default_rng(1).integers(0, 3, (frames, 5)).astype(np.uint8)
    header, poses, trans, faces, shown = decode(encode(motion, states))
    assert (header["fps"], header["faces"], header["parts"]) == (30, FACES, list(DISJOINT_PARTS))
    assert angles_between(poses, motion.poses).max() < 2e-4
    assert np.abs(trans - motion.trans).max() < 1e-4
    assert np.abs(faces - motion.expressions[:, :FACES]).max() < 2e-3
    assert np.array_equal(shown, states)


def test_what_leaps_and_goes_far_comes_back():
    """Half turns, faces far out of range, and a way of kilometres."""
    motion = make_motion(40, reach=3.1)
    trans = motion.trans * 20_000
    content = encode_header(30, FACES) + encode_frames(
        motion.poses, trans, 500 * motion.expressions[:, :FACES], np.zeros((40, 5), np.uint8)
    )
    _, poses, way, faces, _ = decode(content)
    assert angles_between(poses, motion.poses).max() < 2e-4
    assert np.abs(way - trans).max() < 0.05
    assert np.abs(faces - 500 * motion.expressions[:, :FACES]).max() < 0.01


def test_pieces_make_the_same_take():
    motion, hints = make_motion(130), np.zeros((130, 5), np.uint8)
    whole = decode(encode(motion, hints))
    cut = encode_header(30, FACES)
    for piece in (slice(0, 17), slice(17, 60), slice(60, 130)):
        cut += encode_frames(motion.poses[piece], motion.trans[piece], motion.expressions[piece, :FACES], hints[piece])
    for one, other in zip(whole[1:], decode(cut)[1:], strict=True):
        assert np.abs(one - other).max() < 3e-4


@pytest.fixture
def user(tmp_path) -> User:
    return User(tmp_path)


def read(path: Path) -> tuple:
    return decode(path.read_bytes())


def test_a_take_is_staged_with_its_hints_as_a_ghost(user, body):
    recording = Recording.load((16000, np.zeros(16000, np.float32)))
    motion, reference = rest(30, actions={"jawOpen": 0.5}), make_motion(40)
    hints = Hints(reference, HintPlan((Span("upper", 3, 9, LOCK), Span("left_hand", 5, 30, FOLLOW))))
    staged = Staging().take(user, Take(motion, "told", hints, recording), body, 7)
    assert (staged.caption, staged.number, staged.num_frames, staged.total_frames) == ("told", 7, 30, 30)
    _, _, _, faces, shown = read(staged.motion.files[0])
    assert np.array_equal(shown, hints.plan.states(30))
    assert set(np.unique(shown)) == {GENERATED, FOLLOWED, LOCKED}
    assert faces[:, 17] == pytest.approx(0.5, abs=2e-3)  # jawOpen
    _, poses, *_ = read(staged.ghost.files[0])
    assert angles_between(poses, reference.poses[:30]).max() < 2e-4
    assert staged.body.file.read_bytes()[:4] == b"glTF"
    assert staged.floor_y == pytest.approx(float(body.soles(motion)[..., 1].min()), abs=1e-3)


def test_what_is_there_is_not_written_again(user, body):
    staging, take = Staging(), Take(rest(20, actions={}), "one")
    first = staging.take(user, take, body)
    written = {path: path.stat().st_mtime_ns for path in user.folder.rglob("*.*")}
    again = staging.take(user, replace(take, caption="other"), body)
    assert {path: path.stat().st_mtime_ns for path in user.folder.rglob("*.*")} == written
    assert (first.motion.key, first.body.key) == (again.motion.key, again.body.key)
    stout = staging.take(user, Take(rest(20, actions={}, betas=np.eye(300)[1] * 3)), body)
    assert stout.body.key != first.body.key


def test_a_face_of_another_basis_is_taken_over_or_left_out(body, speaking_body):
    motion = replace(rest(20), expressions=np.full((20, 100), 0.5), expression_basis=FLAME2020)
    *_, faces = pose_for(motion, speaking_body, speaking_body.rig())
    assert faces.shape == (20, FACES)
    assert faces.max() > 0.01
    *_, faces = pose_for(motion, body, body.rig())
    assert not faces.any()


def test_a_take_comes_in_pieces_while_it_is_made(user, body):
    """Under one key, so that the stage goes on where it is; what waits for more comes at the end."""
    motion, reference = make_motion(150), make_motion(200)
    hints = Hints(reference, HintPlan((Span("lower", 40, 110, LOCK),)))
    recording = Recording.load((16000, np.zeros(80000, np.float32)))
    stream = Staging().begin(user, Request(recording, hints=hints), body, 150)
    shown = [stream.add(motion.frames(start, start + 10)) for start in range(0, 130, 10)]
    sent = [each for each in shown if each is not None]
    assert [each.num_frames for each in sent] == [30, 60, 90, 120]
    assert {(each.motion.key, each.total_frames) for each in sent} == {(sent[0].motion.key, 150)}
    assert sent[1].motion.files[:1] == sent[0].motion.files
    cut = stream.end()  # as where it is cancelled
    assert (cut.num_frames, cut.total_frames, cut.number) == (130, 130, None)
    _, poses, trans, _, states = decode(b"".join(path.read_bytes() for path in cut.motion.files))
    assert angles_between(poses, motion.poses[:130]).max() < 2e-4
    assert np.abs(trans - motion.trans[:130]).max() < 1e-4
    assert np.array_equal(states, hints.plan.states(150)[:130])
    assert len(read(cut.ghost.files[0])[1]) == 150
    assert Staging().begin(user, Request(recording), body, 150).end() is None


def test_the_sound_is_as_long_as_the_take(user):
    recording = Recording.load((48000, 0.5 * np.ones(48000, np.float32))).trim(6, 21)
    samples, rate_hz = soundfile.read(stage_sound(user, recording, 30, 30))
    assert (len(samples), rate_hz) == (48000, 48000)
    assert samples[:23000].min() > 0.3
    assert not samples[25000:].any()
    silence, rate_hz = soundfile.read(stage_sound(user, None, 45, 30))
    assert len(silence) == 1.5 * rate_hz
    assert not silence.any()


def test_the_value_names_files_players_and_what_is_still_to_come(user, body):
    staged = Staging().take(user, Take(rest(20, actions={}), "one"), body)
    value = Stage.show([replace(staged, total_frames=60)], followed=[Media("#speech", -4)], plays=True)
    (take,) = value["takes"]
    assert (take["num_frames"], take["total_frames"], take["ghost"]) == (20, 60, None)
    assert Path(take["files"][0]["path"]).is_file()
    assert value["followed"] == [{"selector": "#speech", "start_frame": -4}]
    assert all(Path(file["path"]).is_file() for file in value["library"].values())
    landmarks = value["bodies"][0]["landmarks"]
    assert len(landmarks["fingertips"]) == 10
    eyes = {joint for joint, *_ in value["bodies"][0]["joint_offsets"]}
    assert eyes == {23, 24}  # which gaze moves
    assert json.loads(json.dumps(value)) == value


def test_faults_are_told(user, body):
    staged = Staging().take(user, Take(rest(2, actions={})), body)
    with pytest.raises(EmageError, match="choose up to 8"):
        Stage.show([staged] * (MAX_BODIES + 1))
    with pytest.raises(EmageError, match="only shows"):
        Stage(render=False).read({"takes": []})
    assert Stage.show([])["takes"] == []


def test_without_three_the_takes_are_there_all_the_same(user, body, monkeypatch):
    staged = Staging().take(user, Take(rest(2, actions={})), body)
    monkeypatch.setattr("emage.ui.web.folder", lambda: None)
    value = Stage.show([staged])
    assert (value["library"], len(value["takes"])) == (None, 1)  # the browser says so, and asks for a video
