"""Whatever comes into a field, from the page or a program: a sentence that says what to do, and the app goes on."""

import functools
import io
import json
import math
import shlex
import time
import types
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from emage.ui.studio import PageSettings
from emage.ui.visitors import Visitors
from emage.ui.weights import Shelf

from app import create_app
from emage.project import MAX_CAPTION_CHARACTERS, SavedTake, Session
from emage.recording.examples import load_examples
from emage.ui import studio
from tests.browser.app_server import Stranger, file_data
from tests.conftest import make_motion, make_speech

SETTINGS = {"renderer": "skeleton", "panel_width": 64, "panel_height": 64}
NUM_FRAMES = 45


@pytest.fixture(scope="module")
def uploads(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def url(tiny, uploads) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(uploads))
        patch.setenv("GRADIO_HEARTBEAT_INTERVAL", "0.2")
        patch.setattr(studio, "Visitors", functools.partial(Visitors, grace_s=0.2))
        application = create_app(tiny, PageSettings(max_duration_s=60, size=128))
        _, address, _ = application.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
        yield address
        application.close()


@pytest.fixture(scope="module")
def stranger(url) -> Stranger:
    return Stranger(url)


@pytest.fixture(scope="module")
def talk(stranger, tmp_path_factory) -> dict:
    path = tmp_path_factory.mktemp("audio") / "talk.wav"
    soundfile.write(path, make_speech(NUM_FRAMES * 1600 // 3), 16000)
    return file_data(stranger.upload(path))


@pytest.fixture(autouse=True)
def _nothing_in_the_log(capfd):
    yield
    assert "Traceback" not in capfd.readouterr().err


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def told(answer: tuple[bool, object]) -> str:
    """The sentence of a refusal."""
    succeeded, words = answer
    assert not succeeded
    assert isinstance(words, str)
    assert words.rstrip().endswith((".", ")", "]")), words
    return words


# --- recordings -------------------------------------------------------------------------------------------------------


def no_recording(path: Path) -> None:
    path.write_text("Dear Sir or Madam")


def empty(path: Path) -> None:
    path.touch()


def half_an_hour(path: Path) -> None:
    soundfile.write(path, np.zeros(30 * 60 * 8000, np.int16), 8000, format="FLAC")


def not_finite(path: Path) -> None:
    samples = make_speech(16000)
    samples[100] = math.nan
    soundfile.write(path, samples, 16000, subtype="FLOAT")


def cut_off(path: Path) -> None:
    soundfile.write(path, make_speech(16000), 16000)
    path.write_bytes(path.read_bytes()[:44])


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (no_recording, "talk.wav is not a recording"),
        (empty, "talk.wav is empty (0 bytes). Record or upload it again."),
        (half_an_hour, "longer than 1 minutes, the limit here"),
        (not_finite, "samples that are not numbers, first at 0.006 s. Export it again."),
        (cut_off, "talk.wav holds no samples. Record or upload it again."),
    ],
)
def test_recordings(stranger, tmp_path, write, words):
    write(tmp_path / "talk.wav")
    audio = file_data(stranger.upload(tmp_path / "talk.wav"))
    assert words in told(stranger.ask("generate", audio, "", None, SETTINGS))
    shown, values = stranger.ask("show_recording", audio, None, None, 0, "loop")
    assert shown
    assert words in json.dumps(values)


def test_silence_is_told_at_once(stranger, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    audio = file_data(stranger.upload(tmp_path / "silent.wav"))
    _, values = stranger.ask("show_recording", audio, None, None, 0, "loop")
    assert "The recording is silent. Check the microphone, or choose another file." in json.dumps(values)


@pytest.mark.parametrize("path", ["/etc/passwd", "../../../etc/passwd", "", "a\0b", "http://127.0.0.1/x", 5])
@pytest.mark.parametrize(
    ("api_name", "place"), [("generate", 0), ("generate", 2), ("take_reference", 0), ("load_session", 0)]
)
def test_files_of_the_server(stranger, talk, api_name, place, path):
    values = {"generate": [talk, "", None, SETTINGS], "take_reference": [None, None, 0, "loop"], "load_session": [None]}
    values[api_name][place] = file_data(path)
    words = told(stranger.ask(api_name, *values[api_name]))
    assert "was not uploaded here. Upload it first." in words or "Give a file, as its upload returns it." in words


def test_examples_outlive_those_who_name_them(url, uploads):
    """A static file of the app is nobody's upload."""
    stranger, example = Stranger(url), load_examples()[0].audio
    assert stranger.ask("show_recording", file_data(str(example)), None, None, 0, "loop")[0]
    before = set(uploads.glob("visitor-*"))
    stranger.leave()
    wait_for(lambda: set(uploads.glob("visitor-*")) < before)
    assert example.is_file()


@pytest.mark.parametrize("name", ["../../../talk.wav", "a b;$(touch x).wav", "x" * 300 + ".wav", "-rf.wav", "ü 走.wav"])
def test_names_of_files_stay_names(stranger, uploads, name):
    sound = io.BytesIO()
    soundfile.write(sound, make_speech(8000), 16000, format="WAV")
    path = Path(stranger.upload_as(name, sound.getvalue()))
    assert path.is_relative_to(uploads)
    succeeded, (_, motion, report) = stranger.ask("generate", file_data(str(path)), "", None, SETTINGS)
    assert succeeded
    assert Path(motion["path"]).is_relative_to(uploads)
    arguments = shlex.split(report["command"])
    assert path.name in [argument.removeprefix("./") for argument in arguments]


# --- plans ------------------------------------------------------------------------------------------------------------


def span(part: object = "upper", start: object = 0, end: object = 10, mode: object = "lock") -> dict:
    return {"part": part, "start_frame": start, "end_frame": end, "mode": mode}


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"spans": [span(end=NUM_FRAMES + 1)]}, "Shorten the span."),
        ({"spans": [span(end=10), span(start=9, end=20, mode="follow")]}, "Shorten one or give both one mode."),
        ({"spans": [span("hands", end=10), span("left_hand", 5, 20, "follow")]}, "give both one mode."),
        ({"spans": [span("tail")]}, "choose one of"),
        ({"spans": [span(7)]}, "names no part; choose one of"),
        ({"spans": [span(start=10, end=10)]}, "its end must lie behind its start"),
        ({"spans": [span(start=-1)]}, "starts before 0"),
        ({"spans": [span(end=math.nan)]}, "it must be a sensible number"),
        ({"spans": [span(end=math.inf)]}, "it must be a sensible number"),
        ({"spans": [span(end=10**400)]}, "it must be a sensible number"),
        ({"spans": [span(end="10")]}, "it must be a sensible number"),
        ({"spans": [span(end=1.5)]}, "it must be a whole number"),
        ({"spans": [span(mode="glue")]}, "'follow' or 'lock'"),
        ({"spans": [{**span(), "color": "red"}]}, "A span has no field color"),
        ({"spans": [span()], "blend_frames": -1}, "it must be a whole number, 0 or more"),
        ({"spans": [span()], "blend_frames": 10**9}, "Give a smaller number."),
        ({"spans": [span()] * 2001}, "Join those that touch."),
        ({"spans": [span()]}, "no motion to take them from. Choose a reference motion."),
        ([], 'A plan is {"spans": [...]}'),
        ("[" * 100_000, "not JSON that can be read"),
        ("<script>alert(1)</script>", "not JSON that can be read"),
    ],
)
def test_plans(stranger, talk, plan, words):
    text = plan if isinstance(plan, str) else json.dumps(plan)
    assert words in told(stranger.ask("generate", talk, text, None, SETTINGS))


# --- motions ----------------------------------------------------------------------------------------------------------


def amass(path: Path) -> None:
    np.savez(path, poses=np.zeros((9, 156)), trans=np.zeros((9, 3)), betas=np.zeros(16), mocap_framerate=60.0)


def pickled(path: Path) -> None:
    motion = make_motion(NUM_FRAMES)
    np.savez(
        path,
        poses=np.array([object()], dtype=object),
        expressions=motion.expressions,
        trans=motion.trans,
        betas=motion.betas,
        mocap_frame_rate=30,
    )


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("poses", "expressions", "trans", "betas", "mocap_frame_rate"):
            archive.writestr(f"{name}.npy", bytes(1 << 20))
            archive.infolist()[-1].file_size = 3 << 30  # what its list of contents says


def with_nan(path: Path) -> None:
    motion = make_motion(NUM_FRAMES)
    arrays = {name: getattr(motion, name).copy() for name in ("poses", "expressions", "trans", "betas")}
    arrays["poses"][3, 4] = math.nan
    np.savez(path, mocap_frame_rate=30, **arrays)


def no_zip(path: Path) -> None:
    path.write_text("Dear Sir or Madam")


def short(path: Path) -> None:
    make_motion(5).save(path)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (amass, "hint.npz has no array expressions, mocap_frame_rate"),
        (pickled, "could run code; they are never loaded. Save plain arrays."),
        (bomb, "bytes; at most 1,073,741,824 are read. Save fewer or shorter arrays."),
        (with_nan, "hint.npz: poses[3, 4] is nan; every value must be a finite number."),
        (no_zip, "hint.npz is not an npz file"),
        (empty, "hint.npz is not an npz file"),
        (short, "Shorten the span"),
    ],
)
def test_motions(stranger, talk, tmp_path, write, words):
    write(tmp_path / "hint.npz")
    hint = file_data(stranger.upload(tmp_path / "hint.npz"))
    plan = json.dumps({"spans": [span()]})
    assert words in told(stranger.ask("generate", talk, plan, hint, SETTINGS))
    if write is not short:
        assert words in told(stranger.ask("take_reference", hint, None, 0, "loop"))


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"colour": "red"}, "with no other fields than"),
        ([1, 2], "The settings must be an object"),
        ("loud", "not JSON that can be read"),
        ({"seed": "abc"}, "it must be a whole number"),
        ({"seed": math.inf}, "it must be a whole number"),
        ({"seed": -1}, "it must be 0 or more"),
        ({"seed": 1, "temperature": math.nan}, "it must be 0 or more"),
        ({"seed": 1, "temperature": "hot"}, "it must be a number"),
        ({"seed": 1, "top_k": 0}, "it must be 1 or more"),
        ({"temperature": 2}, "give a seed with them"),
        ({"speaker": 99}, "speaker"),
        ({"speaker": 10**30}, "speaker"),
        ({"weights": "/etc"}, "are not offered here. Choose from:"),
        ({"weights": "../../" * 1000}, "are not offered here. Choose from:"),
        ({"weights": ["demo"]}, "it must be the name of a folder or repo"),
        ({"translation": "sideways"}, "choose one of"),
        ({"seam_frames": 10**9}, "seam"),
        ({"renderer": "photo"}, "choose one of"),
        ({"panel_width": 10**9}, "give an even number of pixels"),
        ({"panel_width": math.nan}, "give an even number of pixels"),
        ({"panel_width": 4096, "panel_height": 4096}, "The page draws up to 1280 pixels"),
        ({"samples": 64}, "give 1, 2, 4 or 8"),
        ({"yaw_degrees": math.inf}, "give degrees"),
        ({"background": "<script>"}, "colour"),
        ({"shift_frames": 10**20}, "it must be a whole number"),
        ({"fill": "half"}, "choose one of"),
        ({"start_s": "abc"}, "give seconds from the recording's beginning"),
        ({"start_s": math.nan}, "give seconds from the recording's beginning"),
        ({"start_s": 1, "end_s": 0.5}, "its end must lie behind its start"),
        ({"start_s": 50}, "its end must lie behind its start"),
    ],
)
def test_settings_of_programs(stranger, talk, settings, words):
    values = SETTINGS | settings if isinstance(settings, dict) else settings
    assert words in told(stranger.ask("generate", talk, "", None, values))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"seed": "abc"}, "Seed: 'abc' cannot be used. Give a"),
        ({"seed": math.nan}, "Seed: 'nan' cannot be used. Give a"),
        ({"seed": math.inf}, "Seed: "),
        ({"seed": 10**30}, "Seed: "),
        ({"seed": -1}, "Seed: "),
        ({"temperature": []}, "Temperature of the draw: '[]' cannot be used. Give a number."),
        ({"draw": True, "temperature": math.nan}, "temperature is nan; it must be 0 or more."),
        ({"top-k": {}}, "Among the likeliest: '{}' cannot be used. Give a"),
        ({"speaker": 99}, "Speaker: Value: 99 is not in the list of choices"),
        ({"weights": "/etc"}, "Weights: Value: /etc is not in the list of choices"),
        ({"size": 10**9}, "Video size: "),
        ({"renderer": ["a"]}, "Picture: "),
        ({"reference": "take:99"}, "Motion to take hints from: "),
        ({"speech": "abc"}, "Recording: 'abc' cannot be used. Give a file, as its upload returns it."),
        ({"timeline": {"num_frames": math.nan}}, "it must be a whole number of frames"),
        ({"timeline": {"num_frames": 10**30}}, "it must be a whole number of frames"),
        ({"timeline": {"num_frames": 9, "trim": {"start_frame": 5, "end_frame": 2}}}, "its end must lie behind"),
        ({"timeline": {"num_frames": 9, "plan": {"spans": [span()]}}}, "Shorten the span."),
        ({"timeline": [1]}, "The timeline's value is"),
        ({"shift": "abc", "timeline": {"num_frames": NUM_FRAMES}}, "The motion cannot start at 'abc'; give seconds."),
        ({"shift": math.inf, "timeline": {"num_frames": NUM_FRAMES}}, "give a sensible number of seconds"),
    ],
)
def test_fields_of_the_page(stranger, talk, fields, words):
    values = stranger.page_values("generate_on_page", {"speech": talk, "timeline": {"num_frames": NUM_FRAMES}} | fields)
    assert words in told(stranger.ask("generate_on_page", *values))


def test_too_few_values(stranger):
    assert "The page's API view names what this call takes." in told(stranger.ask("generate"))


@pytest.mark.parametrize(
    ("plans", "seeds", "words"),
    [
        ('[{"name": "a", "plan": {"spans": []}}]', "1, two", "are no seeds; give whole numbers with commas between"),
        ('{"plan": 5}', "", "Plans are a list of 1 to 64."),
        ("[" * 100_000, "", "JSON"),
        ("[]", "", "Plans are a list of 1 to 64."),
        ('[{"name": "a", "plan": {"spans": []}}]', ", ".join(map(str, range(65))), "64"),
    ],
)
def test_grids(stranger, talk, plans, seeds, words):
    fields = {"batch-plans": plans, "batch-kind": False, "batch-seeds": seeds, "speech": talk}
    values = stranger.page_values("batch", fields | {"timeline": {"num_frames": NUM_FRAMES}})
    assert words in told(stranger.ask("batch", *values))


def test_captions(stranger):
    def edit(caption: object, number: object = 1) -> tuple[bool, object]:
        return stranger.ask("edit_takes", [{"number": number, "caption": caption, "chosen": True}])

    assert f"A caption has at most {MAX_CAPTION_CHARACTERS} characters" in told(edit("x" * 10_000))
    assert "caption a text" in told(edit(5))
    assert "number is a whole number" in told(edit("x", math.nan))
    assert edit("<img src=x onerror=alert(1)>")[0]


def test_tables_say_what_does_not_count_yet(stranger):
    def table(*row: object) -> str:
        frame = {"headers": ["Part", "Start (s)", "End (s)", "Mode"], "data": [list(row)]}
        succeeded, values = stranger.ask("plan_of_table", frame, 6, {"num_frames": NUM_FRAMES})
        assert succeeded
        return json.dumps(values)

    assert "it must be a number of seconds, such as 1.5" in table("upper", "soon", "1", "lock")
    assert "it must be a number of seconds" in table("upper", "nan", "1", "lock")
    assert "it must be a number of seconds" in table("upper", "0", "1e999", "lock")
    assert "choose one of" in table("tail", "0", "1", "lock")
    assert "Shorten the span" in table("upper", "0", "99", "lock")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Dear Sir or Madam", "is no TextGrid. Export a TextGrid"),
        ('File type = "ooTextFile"\n"TextGrid"\n0 1 1 "IntervalTier" "words" 0 1 9 0 1 "a"', "is damaged"),
        ('File type = "ooTextFile"\n"TextGrid"\n0 1 1 "IntervalTier" "words" 0 1 1 1e999 2 "a"', "lasts from inf s"),
        ('File type = "ooTextFile"\n"TextGrid"\n0 1 1 "IntervalTier" "words" 0 1 1e999 0 1 "a"', "is damaged"),
    ],
)
def test_transcripts(stranger, talk, tmp_path, text, words):
    stranger.ask("show_recording", talk, None, None, 0, "loop")
    (tmp_path / "words.TextGrid").write_text(text)
    path = file_data(stranger.upload(tmp_path / "words.TextGrid"))
    assert words in told(stranger.ask("take_words", path, None))


# --- examples ---------------------------------------------------------------------------------------------------------


def test_an_example_sets_no_speaker_that_the_chosen_weights_lack(tiny, url, uploads):
    """Its number would be refused by the list of those whom they know."""
    known = [example for example in load_examples() if example.speaker < tiny.generator.config.speakers]
    example = max(known, key=lambda example: example.speaker)
    few = types.SimpleNamespace(
        source=None, generator=types.SimpleNamespace(config=types.SimpleNamespace(speakers=example.speaker))
    )
    before = set(uploads.glob("visitor-*"))
    application = create_app(tiny, shelf=Shelf(tiny, offered=("few",), load=lambda name: few))
    try:
        _, address, _ = application.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
        stranger = Stranger(address)

        def speaker_and_words(weights: str) -> tuple[object, str]:
            values = stranger.page_values(f"example_{example.name}", {"weights": weights})
            succeeded, values = stranger.ask(f"example_{example.name}", *values)
            assert succeeded
            return values[1].get("value"), json.dumps(values)

        own, words = speaker_and_words("")
        assert own == example.speaker
        assert "the speaker stays as it is set" not in words
        for choose in (False, True):  # not in memory yet, and with their speakers on offer
            if choose:
                assert stranger.ask("speakers", "few")[0]
            speaker, words = speaker_and_words("few")
            assert speaker is None
            assert "do not know this example's speaker: the speaker stays as it is set." in words
        stranger.leave()
        wait_for(lambda: set(uploads.glob("visitor-*")) <= before)
    finally:
        application.close()


# --- sessions ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def session_zip(tmp_path_factory) -> bytes:
    from emage.pipeline import Take

    path = tmp_path_factory.mktemp("session") / "session.zip"
    Session(takes=(SavedTake(Take(make_motion(9), "mine")),)).save(path)
    return path.read_bytes()


def changed(content: bytes, change: dict | None = None, **files: bytes) -> bytes:
    """The zip with other fields in its session.json, and more files."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        old = {info.filename: archive.read(info) for info in archive.infolist()}
    old["session.json"] = json.dumps(json.loads(old["session.json"]) | (change or {})).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in (old | files).items():
            archive.writestr(name, data)
    return target.getvalue()


def with_link(content: bytes) -> bytes:
    target = io.BytesIO(changed(content, {"recording": "recording.wav"}))
    with zipfile.ZipFile(target, "a") as archive:
        info = zipfile.ZipInfo("recording.wav")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return target.getvalue()


def half_an_hour_long(content: bytes) -> bytes:
    """A small zip whose recording would be large in memory; that nobody decodes it is seen by its end, which is cut."""
    sound = io.BytesIO()
    soundfile.write(sound, np.zeros(30 * 60 * 8000, np.int16), 8000, format="FLAC")
    return changed(content, {"recording": "recording.flac"}, **{"recording.flac": sound.getvalue()[:200]})


def captioned(content: bytes, caption: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        takes = json.loads(archive.read("session.json"))["takes"]
    return changed(content, {"takes": [takes[0] | {"caption": caption}]})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda content: b"Dear Sir or Madam", "is no session's zip"),
        (lambda content: b"", "is no session's zip"),
        (lambda content: content[: len(content) // 2], "is no session's zip"),
        (lambda content: changed(content, **{"../../evil.txt": b"x"}), "which its session.json does not name"),
        (lambda content: changed(content, {"recording": "../recording.wav"}), "its recording has the name"),
        (with_link, "is not a recording"),
        (half_an_hour_long, "recording.flac is longer than 1 minutes, the limit here"),
        (lambda content: captioned(content, "x" * 10_000), "at most 200 characters"),
        (lambda content: changed(content, {"settings": {"seed": 10**30}}), "is far too large"),
        (lambda content: changed(content, {"settings": {"temperature": math.nan}}), "NaN is no number"),
        (lambda content: changed(content, {"trim": ["a", None]}), "is no part of a recording"),
        (lambda content: changed(content, {"version": 99}), "Update the program."),
    ],
)
def test_sessions(stranger, session_zip, tmp_path, make, words):
    path = stranger.upload_as("session.zip", make(session_zip))
    assert words in told(stranger.ask("load_session", file_data(path)))


def test_a_session_brings_no_weights_of_its_own(stranger, session_zip):
    content = changed(session_zip, {"settings": {"weights": "/etc"}})
    succeeded, values = stranger.ask("load_session", file_data(stranger.upload_as("session.zip", content)))
    assert succeeded
    assert "are not offered here: the page's own are chosen." in json.dumps(values)


def test_the_list_of_takes_is_shown_without_their_files(stranger, session_zip, uploads):
    """It comes again with every take, and reads none of those before."""
    with zipfile.ZipFile(io.BytesIO(session_zip)) as archive:
        take = json.loads(archive.read("session.json"))["takes"][0]
        motion = archive.read("takes/1.npz")
    two = [take, take | {"caption": "other", "motion": "takes/2.npz"}]
    content = changed(session_zip, {"takes": two}, **{"takes/2.npz": motion})
    succeeded, values = stranger.ask("load_session", file_data(stranger.upload_as("session.zip", content)))
    assert succeeded
    shown = next(value for value in values if isinstance(value, dict) and "cards" in value.get("props", {}))
    assert [row["caption"] for row in shown["value"]] == ["mine", "other"]
    cards = shown["props"]["cards"]
    assert [card["facts"] for card in cards] == ["0.3 s · no video"] * 2
    for path in uploads.rglob("take-*.npz"):
        path.unlink()
    succeeded, (shown, *_) = stranger.ask("remove_take", None, event={"number": cards[0]["number"]})
    assert succeeded
    assert [row["caption"] for row in shown["value"]] == ["other"]
    assert shown["props"]["cards"] == cards[1:]


# --- and then ---------------------------------------------------------------------------------------------------------


def test_the_app_goes_on_and_nothing_is_left(stranger, talk, uploads):
    succeeded, (_, _, report) = stranger.ask("generate", talk, "", None, SETTINGS)
    assert succeeded
    assert report["frames"] == NUM_FRAMES
    stranger.leave()
    wait_for(lambda: not list(uploads.glob("visitor-*")))
    left = [path.relative_to(uploads) for path in uploads.rglob("*") if path.is_file() and path.stat().st_size]
    assert left == []
