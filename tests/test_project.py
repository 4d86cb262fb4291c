"""Projects as zip files: what is saved comes back, and nothing that anybody puts into one does harm."""

import json
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emage.errors import AudioError, OutputError, SessionError
from emage.generation.settings import TakeSettings
from emage.generation.take import Request, StoredTake, Take
from emage.hints import HintPlan, Hints, Placement, Span, place_hints
from emage.motion import Motion
from emage.project import MAX_TAKES, VERSION, Project
from emage.recording.recording import Recording
from emage.recording.transcript import MAX_WORD_CHARACTERS, MAX_WORDS, Word
from emage.render.settings import RenderSettings
from tests.conftest import ROOT, angles_between, assert_same_motion, make_motion, make_speech

OLD = ROOT / "tests/data/session_v1.zip"
with zipfile.ZipFile(OLD) as _archive:
    MP4 = _archive.read("takes/2.mp4")


@pytest.fixture
def project(tmp_path) -> Project:
    """A part of 30 frames of a recording, and three takes of it."""
    soundfile.write(tmp_path / "My talk.FLAC", make_speech(24000), 16000, format="FLAC")
    (tmp_path / "a video.mp4").write_bytes(MP4)
    recording = Recording.load(tmp_path / "My talk.FLAC").trim(5, 35)
    plan = HintPlan((Span("upper", 3, 20, "lock"), Span("hands", 0, 40)), blend_frames=4)
    reference = make_motion(40, seed=1)
    sampled = TakeSettings("demo", speaker=3, seed=7, temperature=0.8, top_k=5, translation="grounded")
    hints = Hints(reference, plan)
    takes = (
        Take(make_motion(30, seed=2), "likeliest", None, recording),
        Take(make_motion(30, seed=3), "Ω “sampled”", hints, recording, sampled, 1.25),
        Take(make_motion(30, seed=4), "", replace(hints, plan=HintPlan()), recording, sampled, 2),
    )
    stored = []
    for number, take in enumerate(takes, start=1):
        (tmp_path / f"take {number}").mkdir()
        video = tmp_path / "a video.mp4" if number == 2 else None
        stored.append(take.store(tmp_path / f"take {number}", "talk", video))
    return Project(
        recording, plan, reference, Placement(-4, "loop", 6), sampled,
        RenderSettings(camera="still", yaw_degrees=12.5, panel_width=320), tuple(stored),
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def left_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_project_comes_back(project, tmp_path, folder):
    loaded = Project.load(project.save(tmp_path / "s.zip"), folder)
    for name in ("plan", "placement", "settings", "picture"):
        assert getattr(loaded, name) == getattr(project, name), name
    assert_same_motion(loaded.reference, project.reference)
    assert loaded.recording.file == folder / "recording.flac"
    assert loaded.recording.name == project.recording.name == "My talk.FLAC"
    assert loaded.recording.file.read_bytes() == project.recording.file.read_bytes()
    assert (loaded.recording.start_frame, loaded.recording.end_frame) == (5, 35)
    np.testing.assert_array_equal(loaded.recording.part_sound, project.recording.part_sound)
    assert [take.number for take in loaded.takes] == [1, 2, 3]
    for mine, theirs in zip(project.takes, loaded.takes, strict=True):
        assert_same_motion(mine.load().motion, theirs.load().motion)
        for name in ("caption", "num_frames", "settings", "plan", "took_s"):
            assert getattr(mine, name) == getattr(theirs, name), name
        assert theirs.recording is loaded.recording
    assert loaded.takes[0].load().hints is None
    assert_same_motion(loaded.takes[1].load().hints.reference, project.reference)
    # One motion that all hints come from is saved once, and is one file again.
    assert loaded.takes[1].reference == loaded.takes[2].reference
    assert loaded.takes[1].video.read_bytes() == MP4
    files = ["recording.flac", "reference-1.npz", "take-1.npz", "take-2.npz", "take-3.npz", "takes-2.mp4"]
    assert left_in(folder) == files


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a\0b.wav", "recording.flac"),
        ("\x1b[201~\x15echo\n.wav", "recording.flac"),
        ("\u202evaw.exe", "recording.flac"),
        ("..", "recording.flac"),
        ("", "recording.flac"),
        ("../../etc/passwd", "passwd"),
        ("C:\\talks\\talk one.wav", "talk one.wav"),
        ("Ω “talk”.wav", "Ω “talk”.wav"),
    ],
)
def test_the_recordings_name_is_anybodys_text(project, tmp_path, folder, given, kept):
    project.save(tmp_path / "whole.zip")
    with zipfile.ZipFile(tmp_path / "whole.zip") as archive:
        content = json.loads(archive.read("session.json"))
    bad = altered(project, tmp_path, session_json=json.dumps(content | {"recording_name": given}).encode())
    loaded = Project.load(bad, folder)
    assert loaded.recording.name == kept
    (tmp_path / "again").mkdir()
    unseen = replace(project, recording=replace(project.recording, name=given))
    assert Project.load(unseen.save(tmp_path / "again.zip"), tmp_path / "again").recording.name == kept


def test_an_empty_project_comes_back(project, tmp_path, folder):
    loaded = Project.load(Project().save(tmp_path / "s.zip"), folder)
    assert (loaded.recording, loaded.reference, loaded.takes) == (None, None, ())
    assert (loaded.plan, loaded.settings, loaded.picture) == (HintPlan(), TakeSettings(), RenderSettings())
    assert left_in(folder) == []
    whole = replace(project, recording=project.recording.trim(0), takes=())
    with zipfile.ZipFile(whole.save(tmp_path / "w.zip")) as archive:
        assert json.loads(archive.read("session.json"))["trim"] == [0, None]
    assert not Project.load(tmp_path / "w.zip", folder).recording.is_trimmed


def test_the_zip_is_what_other_tools_read(project, tmp_path):
    with zipfile.ZipFile(project.save(tmp_path / "s.zip")) as archive:
        assert set(archive.namelist()) == {
            "session.json", "plan.json", "recording.flac", "references/1.npz",
            "takes/1.npz", "takes/2.npz", "takes/2.mp4", "takes/3.npz",
        }  # fmt: skip
        assert HintPlan.from_json(archive.read("plan.json").decode()) == project.plan
        archive.extract("takes/1.npz", tmp_path)
    assert_same_motion(Motion.load(tmp_path / "takes/1.npz"), project.takes[0].load().motion)


# --- files of before --------------------------------------------------------------------------------------------------


def test_a_file_of_before_is_read_whole(tiny, folder):
    """Saved by commit 2cbde13, whose page it is from: a part of a recording, takes of it and of another one."""
    loaded = Project.load(OLD, folder)
    with zipfile.ZipFile(OLD) as archive:
        saved = json.loads(archive.read("session.json"))
        assert loaded.recording.file.read_bytes() == archive.read("recording.flac")
        assert loaded.takes[1].video.read_bytes() == archive.read("takes/2.mp4")
        for number, take in enumerate(loaded.takes, start=1):
            with archive.open(f"takes/{number}.npz") as stream:
                arrays = dict(np.load(stream))
            motion = take.load().motion
            for name in ("poses", "expressions", "trans", "betas"):
                np.testing.assert_array_equal(getattr(motion, name), arrays[name])
    assert (loaded.recording.start_frame, loaded.recording.end_frame, loaded.recording.num_frames) == (8, 38, 45)
    assert loaded.plan == HintPlan((Span("upper", 10, 25, "lock"), Span("hands", 0, 40)), blend_frames=4)
    assert loaded.placement == Placement(4, "loop", 6)
    assert_same_motion(loaded.reference, make_motion(20, seed=1))
    sampled = TakeSettings("demo", 1, 7, 0.8, 5, translation="in-place", seam_frames=6)
    assert loaded.settings == replace(sampled, timing="published", translation=None)
    picture = RenderSettings("moderngl", "still", 12.5, panel_width=64, panel_height=96)  # "skeleton" in the file
    assert loaded.picture == picture
    assert (picture.width, picture.height) == (64, 96)
    assert [take.caption for take in loaded.takes] == ["likeliest", "Ω “drawn”", "of another recording"]
    assert [take.settings for take in loaded.takes] == [TakeSettings(), sampled, TakeSettings(speaker=1)]
    assert [take.took_s for take in loaded.takes] == [take["took_s"] for take in saved["takes"]]
    assert [take.recording for take in loaded.takes] == [loaded.recording, loaded.recording, None]
    assert Recording.load(loaded.takes[2].video).num_frames == loaded.takes[2].num_frames == 26
    # What is laid along the recording now is what was then, and so is what comes of it.
    hints = place_hints(loaded.recording, loaded.plan, loaded.reference, loaded.placement)
    then = loaded.takes[1].load()
    assert hints.plan == then.hints.plan
    assert_same_motion(hints.reference, then.hints.reference)
    made = tiny.take(Request(loaded.recording, then.settings, hints)).motion
    assert angles_between(made.poses, then.motion.poses).max() < 1e-3
    np.testing.assert_allclose(made.trans, then.motion.trans, atol=2e-4)


def test_the_text_of_the_transcript_comes_back_and_files_without_it_are_read(project, tmp_path, folder):
    spoken = replace(project, text="Hello, you!", language="de")
    loaded = Project.load(spoken.save(tmp_path / "s.zip"), folder)
    assert (loaded.text, loaded.language) == ("Hello, you!", "de")
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        content = json.loads(archive.read("session.json"))
    assert content["version"] == VERSION == 4
    del content["transcript"], content["recording_name"]
    before = altered(spoken, tmp_path, session_json=json.dumps(content | {"version": 2}).encode())
    (tmp_path / "before").mkdir()
    loaded = Project.load(before, tmp_path / "before")
    assert (loaded.text, loaded.language, len(loaded.takes)) == ("", "en", 3)
    assert loaded.recording.name == "recording.flac"
    with pytest.raises(SessionError, match="at most 1,000,000 characters"):
        replace(project, text="a" * 1_000_001)


# --- files of anybody -------------------------------------------------------------------------------------------------


def altered(project: Project, tmp_path: Path, **changes) -> Path:
    """The project's zip with some files changed: to other bytes, to None, which leaves them out, or by a function."""
    source, target = project.save(tmp_path / "whole.zip"), tmp_path / "bad.zip"
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
    """Changes a field of session.json."""

    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return {"session_json": change}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"session_json": None}, "has no session.json"),
        ({"plan_json": None}, "has no plan.json"),
        ({"takes__2_npz": None}, "has no takes/2.npz"),
        ({"recording_flac": None}, "has no recording.flac"),
        ({"references__1_npz": None}, "has no references/1.npz"),
        ({"session_json": b"{"}, "session.json is not JSON"),
        ({"session_json": b"[" * 100_000}, "session.json is not JSON"),
        ({"session_json": b"\xff"}, "session.json is not JSON"),
        ({"session_json": b"[]"}, r"session.json is \[\]; it must be an object"),
        ({"session_json": bytes(5 << 20)}, "session.json is far too long"),
        (put("version", value="1"), "says no version"),
        (put("version", value=VERSION + 1), "newer version.*Update the program"),
        (put("colour", value=1), "session.json: there is no field colour; known are picture, placement"),
        ({"session_json": lambda content: content.pop("trim")}, "session.json: the field trim is missing"),
        (put("trim", value=[9, 3]), "there is nothing from 0.30 to 0.10 s"),
        (put("trim", value=[0.5, 3]), "entry 1 of trim is 0.5; it must be a whole number"),
        (put("trim", value=3), "trim is 3; it must be a list"),
        (put("placement", "fill", value="twice"), "fill of placement is 'twice'; it must be 'once', 'loop'"),
        (put("placement", "secret", value=1), "there is no field secret of placement"),
        (put("settings", "seed", value=1.5), "seed of settings is 1.5; it must be a whole number"),
        (put("settings", "seed", value=10**30), "seed is 1000.*; it must be 9,007,199,254,740,992 at most"),
        (put("settings", "temperature", value="hot"), "temperature of settings is 'hot'; it must be a number"),
        (put("settings", "temperature", value=float("nan")), "temperature of settings is nan"),
        (put("settings", "timing", value="soon"), "timing of settings is 'soon'"),
        (put("settings", "weights", value=3), "weights of settings is 3; it must be text"),
        (put("picture", "panel_width", value=10**6), "panel_width of picture is 1000000; it must be 4,096 at most"),
        (put("picture", "background", value=[]), r"background of picture is \[\]; it must be text"),
        (put("picture", "background", value="no colour"), "'no colour' is no colour"),
        (put("recording", value="/etc/passwd"), "recording has the name '/etc/passwd'"),
        (put("recording", value="recording/../../x"), "recording has the name"),
        (put("recording", value=7), "recording is 7; it must be text"),
        (put("recording", value="recording.mp3"), "has no recording.mp3"),
        (put("recording", value=None), "holds 'recording.flac', which its session.json does not name"),
        (put("reference", value="../1.npz"), "names '../1.npz' where references/1.npz should be"),
        (put("reference", value=[]), r"reference is \[\]; it must be text"),
        (put("takes", value={}), "takes is {}; it must be a list"),
        (put("takes", value=[None] * (MAX_TAKES + 1)), "takes has 65 entries; it must have 64 at most"),
        (put("takes", 0, value=[]), r"take 1 is \[\]; it must be an object"),
        (put("takes", 1, "motion", value="takes/1.npz"), "where takes/2.npz should be"),
        (put("takes", 1, "video", value="../x.mp4"), "where takes/2.mp4 should be"),
        (put("takes", 1, "caption", value="x" * 201), "caption of take 2 is 'xxx.*text of 200 characters at most"),
        (put("takes", 1, "caption", value=None), "caption of take 2 is None; it must be text"),
        (put("takes", 1, "took_s", value=-1), "took_s of take 2 is -1; it must be 0 or more"),
        (put("takes", 1, "took_s", value=1e999), "took_s of take 2 is inf; it must be a finite number"),
        (put("takes", 1, "plan", value=None), "The plan is None; it must be an object"),
        (put("takes", 1, "plan", "spans", 0, "end_frame", value=99), "hint motion has 40 frames"),
        ({"plan_json": b'{"spans": [], "blend_frames": NaN}'}, "blend_frames is nan"),
        ({"plan_json": b'{"spans": [{"part": "tail"}]}'}, "part of span 1 is 'tail'"),
        ({"takes__2_npz": b"no archive"}, "takes/2.npz is no motion"),
        ({"takes__2_mp4": b"<html>"}, "takes/2.mp4 is no mp4"),
        ({"evil_sh": b"rm"}, "holds 'evil.sh'"),
    ],
)
def test_bad_projects_are_named_and_leave_nothing(project, tmp_path, folder, changes, words):
    path = altered(project, tmp_path, **changes)
    with pytest.raises(SessionError, match=words) as caught:
        Project.load(path, folder)
    assert str(caught.value).startswith("bad.zip")
    assert left_in(folder) == []


def test_recordings_are_decoded_with_a_limit(project, tmp_path, folder):
    path = project.save(tmp_path / "s.zip")
    assert Project.load(path, folder, max_duration_s=1.5).recording.num_frames == 45
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(AudioError, match="recording.flac is longer than 1 s, the limit here"):
        Project.load(path, folder, max_duration_s=1)
    whole = project.recording.file.read_bytes()
    path = altered(project, tmp_path, recording_flac=whole[:200])  # decoding it fails, its length is told first
    with pytest.raises(AudioError, match="recording.flac is longer than 1 s"):
        Project.load(path, folder, max_duration_s=1)
    with pytest.raises(AudioError, match="recording.flac is (damaged|cut short)"):
        Project.load(path, folder, max_duration_s=2)
    assert left_in(folder) == []


def test_limits_of_what_a_project_holds(project):
    take = project.takes[0]
    with pytest.raises(SessionError, match="at most 64 takes, not 65"):
        Project(takes=(take,) * (MAX_TAKES + 1))
    with pytest.raises(SessionError, match="at most 200 characters"):
        Project(takes=(replace(take, caption="x" * 201),))
    for half in ({"takes": (replace(take, caption="a \ud83d"),)}, {"text": "a \ud83d"}):
        with pytest.raises(SessionError, match="half a character"):
            Project(**half)
    Project(settings=TakeSettings(seed=2**53))
    for large in (
        {"settings": TakeSettings(seed=2**53 + 1)},
        {"takes": (replace(take, settings=TakeSettings(seed=10**400)),)},
    ):
        with pytest.raises(
            SessionError, match="seed is (9007199254740993|1000000.*); it must be 9,007,199,254,740,992 at most"
        ):
            Project(**large)


def test_bombs_are_refused_before_they_unpack(project, tmp_path, folder):
    path = project.save(tmp_path / "s.zip")
    with zipfile.ZipFile(path) as archive:
        total = sum(info.file_size for info in archive.infolist())
    with pytest.raises(SessionError, match=f"unpacks to {total:,} bytes; at most 1,000 are read"):
        Project.load(path, folder, max_bytes=1000)
    # Motions that are small in the zip and large in memory, each within the limit.
    still = {"poses": np.zeros((3000, 165), "f4"), "expressions": np.zeros((3000, 100)), "trans": np.zeros((3000, 3))}
    np.savez_compressed(tmp_path / "z.npz", **dict(np.load(make_motion(1).save(tmp_path / "m.npz"))) | still)
    small = (tmp_path / "z.npz").read_bytes()
    assert len(small) < 50_000
    path = altered(project, tmp_path, takes__1_npz=small, takes__2_npz=small)
    size = 3000 * (165 * 4 + 103 * 8) + 1200
    with pytest.raises(SessionError, match="takes/2.npz is no motion.*unpacks to"):
        Project.load(path, folder, max_bytes=int(1.5 * size))
    assert left_in(folder) == []


def write_slow(path: Path, num_frames: int) -> bytes:
    """A small file of a motion of one frame a second."""
    still = make_motion(1, fps=1)
    arrays = {name: getattr(still, name).repeat(num_frames, 0) for name in ("poses", "expressions", "trans")}
    np.savez_compressed(path, betas=still.betas, mocap_frame_rate=1, **arrays)
    return path.read_bytes()


def test_slow_references_are_resampled_as_far_as_a_take_needs_them(project, tmp_path, folder):
    slow = write_slow(tmp_path / "slow.npz", 10_800)  # three hours; 324,000 frames at 30 frames a second
    path = altered(project, tmp_path, references__1_npz=slow)
    began = time.process_time()
    loaded = Project.load(path, folder)
    hints = [take.load().hints for take in loaded.takes if take.reference is not None]
    assert time.process_time() - began < 2
    assert len(hints) == 2
    assert all(each.reference.num_frames < 100 for each in hints)


def test_the_budget_counts_what_slow_motions_become(project, tmp_path, folder):
    slow = write_slow(tmp_path / "slow.npz", 100)  # 3,000 frames at 30 frames a second
    path = altered(project, tmp_path, references__1_npz=slow)
    enough = 3000 * (165 * 4 + 103 * 8) + 2_000_000
    assert Project.load(path, folder, max_bytes=enough).reference.num_frames == 100
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(SessionError, match="references/1.npz and the motions before it have .* bytes more than are"):
        Project.load(path, folder, max_bytes=enough - 2_500_000)
    assert left_in(folder) == []


def test_words_of_any_length_come_back_and_others_are_refused(project, tmp_path, folder):
    longest = tuple(Word("\0🙂" * (MAX_WORD_CHARACTERS // 2), i / 3, i / 3 + 0.1, 1 / 3) for i in range(MAX_WORDS))
    spoken = replace(project, recording=replace(project.recording, words=longest), takes=())
    path = spoken.save(tmp_path / "s.zip")
    assert Project.load(path, folder).recording.words == longest

    few = replace(spoken, recording=replace(project.recording, words=longest[:1]))
    for words, fault in (
        ([["a" * 201, 0, 1, None]], "text of 200 characters at most"),
        ([["a", 2, 1, None]], "The word 'a' lasts from 2.0 s to 1.0 s"),
        ([["a", 0, 1, 1.5]], "a confidence of 1.5"),
        ([["a", 0, 1, None]] * (MAX_WORDS + 1), "20000 at most"),
        ({"a": 1}, "must be a list"),
        ([["a", 0, 1e999, None]], "The word 'a'|a finite number|JSON"),
    ):
        bad = altered(few, tmp_path, words__1_json=json.dumps(words).encode())
        empty = tmp_path / "empty"
        empty.mkdir(exist_ok=True)
        with pytest.raises(SessionError, match=fault) as caught:
            Project.load(bad, empty)
        assert str(caught.value).startswith("bad.zip")
        assert left_in(empty) == []


def test_odd_archives(project, tmp_path, folder):
    whole = project.save(tmp_path / "s.zip").read_bytes()
    twice, lzma = tmp_path / "twice.zip", tmp_path / "lzma.zip"
    with zipfile.ZipFile(twice, "w") as archive:
        archive.writestr("session.json", "{}")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("session.json", "{}")
    with zipfile.ZipFile(lzma, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("session.json", "{}")
    misnamed = bytearray(whole)
    misnamed[whole.rindex(b"PK\1\2") + 9] |= 8  # names are UTF-8
    misnamed[whole.rindex(b"PK\1\2") + 46] = 0xFF
    encrypted = bytearray(whole)
    encrypted[whole.rindex(b"PK\1\2") + 8] |= 1
    for content, words in (
        (twice.read_bytes(), "two files of one name"),
        (lzma.read_bytes(), "packed in a way that no session is"),
        (b"", "no session's zip"),
        (whole[: len(whole) // 2], "no session's zip"),
        (bytes(encrypted), "encrypted"),
        (bytes(misnamed), "cannot be read .*can't decode byte 0xff"),
        (None, "no such file"),
    ):
        odd = tmp_path / "odd.zip"
        odd.unlink(missing_ok=True) if content is None else odd.write_bytes(content)
        with pytest.raises(SessionError, match=words):
            Project.load(odd, folder)
    assert left_in(folder) == []


def test_bytes_altered_anywhere_give_a_named_error_or_the_project(tmp_path, folder, project):
    small = replace(project, takes=project.takes[1:2])
    whole, rng = small.save(tmp_path / "s.zip").read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(40):
        content = bytearray(whole)
        # the index at the end, and anywhere
        for at in (*rng.integers(0, len(whole), 2), rng.integers(len(whole) - 400, len(whole))):
            content[at] = rng.integers(256)
        (tmp_path / "s.zip").write_bytes(content)
        try:
            Project.load(tmp_path / "s.zip", folder)
        except (SessionError, AudioError):
            refused += 1
        for file in folder.iterdir():
            file.unlink()
    assert refused > 27


def test_what_cannot_be_written(project, tmp_path, monkeypatch):
    path = project.save(tmp_path / "s.zip")
    with pytest.raises(OutputError, match="does not exist"):
        Project.load(path, tmp_path / "none/deeper")
    project.recording.file.unlink()
    with pytest.raises(SessionError, match="My talk.FLAC cannot be saved, for it is no longer there"):
        project.save(tmp_path / "t.zip")
    with pytest.raises(SessionError, match="none.npz cannot be saved"):
        Project(takes=(StoredTake("gone", tmp_path / "none.npz", 3),)).save(tmp_path / "t.zip")
    monkeypatch.setattr("emage.project.MAX_PROJECT_BYTES", 1000)
    with pytest.raises(SessionError, match="larger than 1,000 bytes"):
        replace(project, recording=None).save(tmp_path / "t.zip")
    assert not (tmp_path / "t.zip").exists()
