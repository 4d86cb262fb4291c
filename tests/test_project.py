"""Sessions as zip files: what is saved comes back, and nothing that anybody puts into one does harm."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emage.errors import OutputError, SessionError
from emage.generation.settings import TakeSettings
from emage.hints import HintPlan, Hints, Placement, Span
from emage.motion import Motion
from emage.pipeline import Take
from emage.project import MAX_TAKES, VERSION, SavedTake, Session
from emage.render.settings import RenderSettings
from tests.conftest import make_motion

MP4 = b"\0\0\0\x18ftypisom, and so on"


@pytest.fixture
def session(tmp_path) -> Session:
    recording, video = tmp_path / "My talk.FLAC", tmp_path / "a video.mp4"
    recording.write_bytes(b"sound")
    video.write_bytes(MP4)
    reference = make_motion(40, seed=1)
    plan = HintPlan((Span("upper", 3, 20, "lock"), Span("hands", 0, 40)), blend_frames=4)
    hints = Hints(reference, plan)
    drawn = TakeSettings("demo", speaker=3, seed=7, temperature=0.8, top_k=5, translation="grounded")
    return Session(
        recording,
        trim_start_frame=5,
        trim_end_frame=35,
        plan=plan,
        reference=reference,
        placement=Placement(-4, "loop", 6),
        settings=drawn,
        picture=RenderSettings(camera="still", yaw_degrees=12.5, panel_width=320),
        takes=(
            SavedTake(Take(make_motion(30, seed=2), "likeliest")),
            SavedTake(Take(make_motion(30, seed=3), "Ω “drawn”", hints), drawn, video, 1.25),
            SavedTake(Take(make_motion(30, seed=4), "", replace(hints, plan=HintPlan())), drawn, None, np.float32(2)),
        ),
    )


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def same(one: Motion, other: Motion) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("poses", "expressions", "trans", "betas")
    )


def test_a_session_comes_back(session, tmp_path, folder):
    loaded = Session.load(session.save(tmp_path / "s.zip"), folder)
    for name in ("trim_start_frame", "trim_end_frame", "plan", "placement", "settings", "picture"):
        assert getattr(loaded, name) == getattr(session, name), name
    assert same(loaded.reference, session.reference)
    assert loaded.recording == folder / "recording.flac"
    assert loaded.recording.read_bytes() == b"sound"
    assert len(loaded.takes) == 3
    for mine, theirs in zip(session.takes, loaded.takes, strict=True):
        assert same(mine.take.motion, theirs.take.motion)
        assert (mine.take.caption, mine.settings, mine.took_s) == (theirs.take.caption, theirs.settings, theirs.took_s)
    assert loaded.takes[0].take.hints is None
    assert loaded.takes[1].take.hints.plan == session.plan
    # One motion that all hints come from is saved once, and is one motion again.
    assert loaded.takes[1].take.hints.reference is loaded.takes[2].take.hints.reference is loaded.reference
    assert loaded.takes[1].video.read_bytes() == MP4
    assert sorted(file.name for file in folder.iterdir()) == ["recording.flac", "takes-2.mp4"]


def test_an_empty_session_comes_back(tmp_path, folder):
    loaded = Session.load(Session(trim_end_frame=0).save(tmp_path / "s.zip"), folder)
    assert (loaded.recording, loaded.reference, loaded.takes) == (None, None, ())
    assert (loaded.plan, loaded.settings, loaded.picture) == (HintPlan(), TakeSettings(), RenderSettings())
    assert list(folder.iterdir()) == []


def test_the_zip_is_what_other_tools_read(session, tmp_path):
    with zipfile.ZipFile(session.save(tmp_path / "s.zip")) as archive:
        assert set(archive.namelist()) == {
            "session.json", "plan.json", "recording.flac", "references/1.npz",
            "takes/1.npz", "takes/2.npz", "takes/2.mp4", "takes/3.npz",
        }  # fmt: skip
        assert HintPlan.from_json(archive.read("plan.json").decode()) == session.plan
        archive.extract("takes/1.npz", tmp_path)
    assert same(Motion.load(tmp_path / "takes/1.npz"), session.takes[0].take.motion)


def altered(session: Session, tmp_path: Path, **changes) -> Path:
    """The session's zip with some files changed: to other bytes, to None, which leaves them out, or by a function."""
    source, target = session.save(tmp_path / "whole.zip"), tmp_path / "bad.zip"
    changes = {name.replace("__", "/").replace("_", "."): change for name, change in changes.items()}
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            content, change = old.read(info), changes.pop(info.filename, b"")
            if callable(change):
                content = json.loads(content)
                change(content)
                content = json.dumps(content)
            if change is not None:
                new.writestr(info.filename, change if isinstance(change, bytes) and change else content)
        for name, change in changes.items():
            new.writestr(name, change)
    return target


def put(*keys, value):
    """Changes a field of a JSON."""

    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


NAN = b'{"spans": [], "blend_frames": NaN}'


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"session_json": None}, "has no session.json"),
        ({"plan_json": None}, "has no plan.json"),
        ({"takes__2_npz": None}, "has no takes/2.npz"),
        ({"recording_flac": None}, "has no recording.flac"),
        ({"references__1_npz": None}, "has no references/1.npz"),
        ({"session_json": b"{"}, "session.json is no JSON"),
        ({"session_json": b"[" * 100_000}, "session.json is no JSON"),
        ({"session_json": b"\xff"}, "session.json is no JSON"),
        ({"session_json": b"[]"}, "says no version"),
        ({"session_json": bytes(5 << 20)}, "session.json is far too long"),
        ({"session_json": put("version", value="1")}, "says no version"),
        ({"session_json": put("version", value=VERSION + 1)}, "newer version.*Update the program"),
        ({"session_json": put("colour", value=1)}, "must have the fields"),
        ({"session_json": lambda content: content.pop("trim")}, "must have the fields"),
        ({"session_json": put("trim", value=[9, 3])}, "trim from frame 9 to 3"),
        ({"session_json": put("trim", value=[0.5, 3])}, "trim from frame 0.5"),
        ({"session_json": put("trim", value=3)}, "no start and end"),
        ({"session_json": put("placement", "fill", value="twice")}, "no way 'twice'"),
        ({"session_json": put("placement", "secret", value=1)}, "no other fields than fill"),
        ({"session_json": put("settings", "seed", value=1.5)}, "seed is 1.5"),
        ({"session_json": put("settings", "temperature", value="hot")}, "temperature is 'hot'"),
        ({"session_json": put("settings", "timing", value="soon")}, "timing is 'soon'"),
        ({"session_json": put("settings", "weights", value=3)}, "weights is 3"),
        ({"session_json": put("picture", "panel_width", value=10**6)}, "panel_width=1000000"),
        ({"session_json": put("picture", "background", value=[])}, "no colour"),
        ({"session_json": put("recording", value="/etc/passwd")}, "recording has the name '/etc/passwd'"),
        ({"session_json": put("recording", value="recording/../../x")}, "recording has the name"),
        ({"session_json": put("recording", value=7)}, "recording has the name 7"),
        ({"session_json": put("recording", value="recording.mp3")}, "has no recording.mp3"),
        (
            {"session_json": put("recording", value=None)},
            "holds 'recording.flac', which its session.json does not name",
        ),
        ({"session_json": put("reference", value="../1.npz")}, "names '../1.npz' where references/1.npz should be"),
        ({"session_json": put("reference", value=[])}, r"names \[\] where"),
        ({"session_json": put("takes", value={})}, "no list"),
        ({"session_json": put("takes", 0, value=[])}, "take 1 must have the fields"),
        ({"session_json": put("takes", 1, "motion", value="takes/1.npz")}, "where takes/2.npz should be"),
        ({"session_json": put("takes", 1, "video", value="../x.mp4")}, "where takes/2.mp4 should be"),
        ({"session_json": put("takes", 1, "caption", value="x" * 201)}, "caption of a take"),
        ({"session_json": put("takes", 1, "caption", value=None)}, "caption of a take"),
        ({"session_json": put("takes", 1, "took_s", value=-1)}, "taken -1 seconds"),
        ({"session_json": put("takes", 1, "took_s", value=1e999)}, "Infinity is no number"),
        ({"session_json": put("takes", 1, "plan", value=None)}, "A plan is"),
        (
            {"session_json": put("takes", 1, "plan", "spans", 0, "end_frame", value=99)},
            "reference motion has 40 frames",
        ),
        ({"plan_json": NAN}, "NaN is no number"),
        ({"plan_json": put("spans", 0, "part", value="tail")}, "no body part 'tail'"),
        ({"takes__2_npz": b"no archive"}, "takes/2.npz is no motion"),
        ({"takes__2_mp4": b"<html>"}, "takes/2.mp4 is no mp4"),
        ({"evil_sh": b"rm"}, "holds 'evil.sh'"),
    ],
)
def test_bad_sessions_are_named_and_leave_nothing(session, tmp_path, folder, changes, words):
    path = altered(session, tmp_path, **changes)
    with pytest.raises(SessionError, match=words) as caught:
        Session.load(path, folder)
    assert str(caught.value).startswith("bad.zip")
    assert list(folder.iterdir()) == []


def test_many_takes(session, tmp_path, folder):
    with pytest.raises(SessionError, match="at most 64 takes, not 65"):
        replace(session, takes=session.takes[:1] * (MAX_TAKES + 1))
    path = altered(session, tmp_path, session_json=put("takes", value=[None] * (MAX_TAKES + 1)))
    with pytest.raises(SessionError, match="no list of at most 64"):
        Session.load(path, folder)


def test_bombs_are_refused_before_they_unpack(session, tmp_path, folder):
    path = session.save(tmp_path / "s.zip")
    with zipfile.ZipFile(path) as archive:
        total = sum(info.file_size for info in archive.infolist())
    with pytest.raises(SessionError, match=f"unpacks to {total:,} bytes; at most 1,000 are read"):
        Session.load(path, folder, max_bytes=1000)
    # Motions that are small in the zip and large in memory, each within the limit.
    np.savez_compressed(tmp_path / "z.npz", **dict(np.load(make_motion(1).save(tmp_path / "m.npz"))) | still(3000))
    small = (tmp_path / "z.npz").read_bytes()
    assert len(small) < 50_000
    path = altered(session, tmp_path, takes__1_npz=small, takes__2_npz=small)
    size = 3000 * (165 * 4 + 103 * 8) + 1200
    with pytest.raises(SessionError, match="takes/2.npz is no motion.*unpacks to"):
        Session.load(path, folder, max_bytes=int(1.5 * size))
    assert list(folder.iterdir()) == []
    assert Session.load(path, folder, max_bytes=3 * size).takes[1].take.motion.num_frames == 3000


def still(frames: int) -> dict[str, np.ndarray]:
    return {
        "poses": np.zeros((frames, 165), "f4"), "expressions": np.zeros((frames, 100)), "trans": np.zeros((frames, 3))
    }  # fmt: skip


def test_odd_archives(session, tmp_path, folder):
    path = session.save(tmp_path / "s.zip")
    whole = path.read_bytes()
    odd = tmp_path / "odd.zip"
    with zipfile.ZipFile(odd, "w") as archive:
        archive.writestr("session.json", "{}")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("session.json", "{}")
    with pytest.raises(SessionError, match="two files of one name"):
        Session.load(odd, folder)
    with zipfile.ZipFile(odd, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("session.json", "{}")
    with pytest.raises(SessionError, match="packed in a way that no session is"):
        Session.load(odd, folder)
    encrypted = bytearray(whole)
    encrypted[whole.rindex(b"PK\1\2") + 8] |= 1
    for content, words in (
        (b"", "no session's zip"),
        (whole[: len(whole) // 2], "no session's zip"),
        (bytes(encrypted), "encrypted"),
    ):
        odd.write_bytes(content)
        with pytest.raises(SessionError, match=words):
            Session.load(odd, folder)
    with pytest.raises(SessionError, match="no such file"):
        Session.load(tmp_path / "none.zip", folder)
    assert list(folder.iterdir()) == []


def test_bytes_altered_anywhere_give_a_named_error_or_the_session(tmp_path, folder, session):
    small = replace(session, takes=session.takes[1:2])
    whole, rng = small.save(tmp_path / "s.zip").read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        content = bytearray(whole)
        # the index at the end, and anywhere
        for at in (*rng.integers(0, len(whole), 2), rng.integers(len(whole) - 400, len(whole))):
            content[at] = rng.integers(256)
        (tmp_path / "s.zip").write_bytes(content)
        try:
            Session.load(tmp_path / "s.zip", folder)
        except SessionError:
            refused += 1
        for file in folder.iterdir():
            file.unlink()
    assert refused > 40


def test_what_cannot_be_written(session, tmp_path, monkeypatch):
    path = session.save(tmp_path / "s.zip")
    with pytest.raises(OutputError, match="does not exist"):
        Session.load(path, tmp_path / "none/deeper")
    session.recording.unlink()
    with pytest.raises(SessionError, match="My talk.FLAC cannot be saved, for it is no longer there"):
        session.save(tmp_path / "t.zip")
    monkeypatch.setattr("emage.project.MAX_SESSION_BYTES", 1000)
    with pytest.raises(SessionError, match="larger than 1,000 bytes"):
        replace(session, recording=None).save(tmp_path / "t.zip")
    assert not (tmp_path / "t.zip").exists()
