"""Whatever comes into a field, from the page or a program: a sentence that says what to do, and the app goes on."""

import io
import json
import math
import re
import resource
import shlex
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from emage.project import MAX_CAPTION_CHARACTERS
from emage.recording.examples import load_examples
from tests.app_server import QUICK, Caller, name_file, wait_until
from tests.conftest import TALK_FRAMES, make_motion, make_speech

NUM_FRAMES = TALK_FRAMES
SHOWN = (None, None, 0, "loop")
"""Timeline, reference, shift and fill before anything is touched."""


pytestmark = pytest.mark.usefixtures("nothing_in_the_log")


# --- recordings -------------------------------------------------------------------------------------------------------

LETTER = b"Dear Sir or Madam"


def write_sound(samples: np.ndarray, rate_hz: int = 16000, kind: str = "WAV", subtype: str | None = None) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate_hz, subtype, format=kind)
    return stream.getvalue()


def write_half_an_hour() -> bytes:
    return write_sound(np.zeros(30 * 60 * 8000, np.int16), 8000, "FLAC")


def with_nan(array: np.ndarray, place: tuple) -> np.ndarray:
    array = array.copy()
    array[place] = math.nan
    return array


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda: LETTER, "talk.wav is not a recording"),
        (lambda: b"", "talk.wav is empty (0 bytes). Record or upload it again."),
        (write_half_an_hour, "longer than 1 minutes, the limit here"),
        (
            lambda: write_sound(with_nan(make_speech(16000), (100,)), subtype="FLOAT"),
            "samples that are not numbers, first at 0.006 s. Export it again.",
        ),
        (lambda: write_sound(make_speech(9))[:44], "talk.wav holds no samples. Record or upload it again."),
    ],
)
def test_recordings(caller, write, words):
    audio = caller.upload_as("talk.wav", write())
    assert words in caller.get_fault("generate", audio, "", None, QUICK)
    assert words in json.dumps(caller.get_values("show_recording", audio, *SHOWN))


def test_silence_is_told_at_once(caller):
    audio = caller.upload_as("silent.wav", write_sound(np.zeros(16000)))
    told = json.dumps(caller.get_values("show_recording", audio, *SHOWN))
    assert "The recording is silent. Check the microphone, or choose another file." in told


@pytest.mark.parametrize("path", ["/etc/passwd", "../../../etc/passwd", "", "a\0b", "http://127.0.0.1/x", 5])
@pytest.mark.parametrize(
    ("api_name", "place"), [("generate", 0), ("generate", 2), ("take_reference", 0), ("load_session", 0)]
)
def test_files_of_the_server(caller, audio, api_name, place, path):
    values = {"generate": [audio, "", None, QUICK], "take_reference": [None, 0, "loop"], "load_session": [None]}
    values[api_name][place] = name_file(path)
    words = caller.get_fault(api_name, *values[api_name])
    assert "was not uploaded here. Upload it first." in words or "is no file as its upload returns it." in words


def test_examples_outlive_those_who_name_them(app):
    """A static file of the app is nobody's upload."""
    caller, example = Caller(app.url), load_examples()[0].audio
    caller.get_values("show_recording", name_file(str(example)), *SHOWN)
    before = set(app.uploads.glob("user-*"))
    caller.leave()
    wait_until(lambda: set(app.uploads.glob("user-*")) < before)
    assert example.is_file()


@pytest.mark.parametrize("name", ["../../../talk.wav", "a b;$(touch x).wav", "x" * 300 + ".wav", "-rf.wav", "ü 走.wav"])
def test_names_of_files_stay_names(caller, app, name):
    audio = caller.upload_as(name, write_sound(make_speech(8000)))
    path = Path(audio["path"])
    assert path.is_relative_to(app.uploads)
    _, motion, report = caller.get_values("generate", audio, "", None, QUICK)
    assert Path(motion["path"]).is_relative_to(app.uploads)
    assert path.name in [argument.removeprefix("./") for argument in shlex.split(report["command"])]


def test_an_upload_that_finds_no_room_is_told(app, caller):
    """Files cannot grow beyond so many bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        answer = httpx.post(f"{app.url}gradio_api/upload", files={"files": ("talk.wav", bytes(1_500_000))})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert answer.status_code == 507
    assert answer.json()["detail"] == "The server has no room for this, or a file has gone (File too large). Try again."
    assert caller.upload_as("talk.wav", write_sound(make_speech(16000)))["path"]


# --- plans ------------------------------------------------------------------------------------------------------------


def span(part: object = "upper", start: object = 0, end: object = 10, mode: object = "lock") -> dict:
    return {"part": part, "start_frame": start, "end_frame": end, "mode": mode}


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"spans": [span(end=NUM_FRAMES + 1)]}, "Shorten the span."),
        ({"spans": [span(end=10), span(start=9, end=20, mode="follow")]}, "Shorten one or give both one mode."),
        ({"spans": [span("hands", end=10), span("left_hand", 5, 20, "follow")]}, "give both one mode."),
        ({"spans": [span(start=10, end=10)]}, "its end must lie behind its start"),
        ({"spans": [span(start=-1)]}, "starts before 0"),
        ({"spans": [{**span(), "color": "red"}]}, "The plan: there is no field color of span 1."),
        ({"spans": [span("<img src=//127.0.0.1/a>")]}, "part of span 1 is '&lt;img src=//127.0.0.1/a&gt;'; it must be"),
        ({"spans": [span()], "blend_frames": -1}, "blend_frames is -1; it must be 0 or more."),
        ({"spans": [span()], "blend_frames": 10**9}, "Give a smaller number."),
        ({"spans": [span()] * 2001}, "Join those that touch."),
        ({"spans": [span()]}, "no motion to take them from. Choose a hint motion."),
        ([], "The plan is []; it must be an object."),
        ("[" * 100_000, "not JSON that can be read"),
        ("<script>alert(1)</script>", "not JSON that can be read"),
    ],
)
def test_plans(caller, audio, plan, words):
    text = plan if isinstance(plan, str) else json.dumps(plan)
    assert words in caller.get_fault("generate", audio, text, None, QUICK)


# --- motions ----------------------------------------------------------------------------------------------------------


def write_motion(num_frames: int = NUM_FRAMES, **others: object) -> bytes:
    """others: in place of the motion's arrays; None leaves one out."""
    motion, stream = make_motion(num_frames), io.BytesIO()
    arrays = {name: getattr(motion, name) for name in ("poses", "expressions", "trans", "betas")}
    arrays |= {"mocap_frame_rate": 30} | others
    np.savez(stream, **{name: array for name, array in arrays.items() if array is not None})
    return stream.getvalue()


def write_bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("poses", "expressions", "trans", "betas", "mocap_frame_rate"):
            archive.writestr(f"{name}.npy", bytes(1 << 20))
            archive.infolist()[-1].file_size = 3 << 30  # what its list of contents says
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (  # as AMASS has them
            write_motion(poses=np.zeros((9, 156)), expressions=None, mocap_frame_rate=None, mocap_framerate=60.0),
            "hint.npz has no array expressions, mocap_frame_rate",
        ),
        (write_motion(poses=np.array([object()])), "could run code; they are never loaded. Save plain arrays."),
        (write_bomb(), "bytes; at most 1,073,741,824 are read. Save fewer or shorter arrays."),
        (
            write_motion(poses=with_nan(make_motion(NUM_FRAMES).poses, (3, 4))),
            "hint.npz: poses[3, 4] is nan; every value must be a finite number.",
        ),
        (LETTER, "hint.npz is not an npz file"),
        (b"", "hint.npz is not an npz file"),
        (write_motion(5), "Shorten the span"),
    ],
)
def test_motions(caller, audio, content, words):
    hint = caller.upload_as("hint.npz", content)
    assert words in caller.get_fault("generate", audio, json.dumps({"spans": [span()]}), hint, QUICK)
    if words != "Shorten the span":
        assert words in caller.get_fault("take_reference", hint, 0, "loop")


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"colour": "red"}, "with no other fields than"),
        ([1, 2], "The settings' object is [1, 2]; it must be an object."),
        ("loud", "not JSON that can be read"),
        ({"temperature": 2}, "give a seed with them"),
        ({"speaker": 99}, "speaker"),
        ({"speaker": 10**30}, "speaker"),
        ({"weights": "/etc"}, "are not offered here. Choose from:"),
        ({"weights": "../../" * 1000}, "are not offered here. Choose from:"),
        ({"panel_width": 4096, "panel_height": 4096}, "The page draws up to 1280 pixels"),
        ({"background": "<script>"}, "colour"),
        ({"start_s": 1, "end_s": 0.5}, "Choose a start before its end."),
        ({"start_s": 50}, "Choose a start before its end."),
    ],
)
def test_settings_of_programs(caller, audio, settings, words):
    values = QUICK | settings if isinstance(settings, dict) else settings
    assert words in caller.get_fault("generate", audio, "", None, values)


OF_SPANS = {"part": ("tail", 7), "end_frame": (math.nan, math.inf, 10**400, "10", 1.5), "mode": ("glue",)}
OF_SETTINGS = {
    "seed": ("abc", math.inf, -1), "temperature": (math.nan, "hot"), "top_k": (0,), "weights": (["demo"],),
    "translation": ("sideways",), "seam_frames": (10**9,), "renderer": ("photo",), "samples": (64,),
    "panel_width": (10**9, 65, math.nan), "yaw_degrees": (math.inf,), "shift_frames": (10**20,), "fill": ("half",),
    "start_s": ("abc", math.nan),
}  # fmt: skip
OF_PAGE = {
    "seed": ("abc", math.nan, math.inf, 10**30, -1), "temperature": ([],), "top_k": ({},), "speaker": ([0], 1.5),
    "weights": ("/etc",), "size": (10**9,), "reference": ({},),
}  # fmt: skip
LABELS = {"Seed", "Randomness", "Top-k (0 = off)", "Speaker", "Weights", "Video size"}


HINTED = {"num_frames": NUM_FRAMES, "plan": {"spans": [span()]}}


def list_values(of: dict[str, tuple]) -> list[tuple[str, object]]:
    return [(field, value) for field, values in of.items() for value in values]


@pytest.mark.parametrize(("field", "value"), list_values(OF_SPANS))
def test_fields_of_spans(caller, audio, field, value):
    plan = json.dumps({"spans": [span() | {field: value}]})
    told = caller.get_fault("generate", audio, plan, None, QUICK)
    assert re.match(rf"The plan: {field} of span 1 is .*; it must be ", told)


@pytest.mark.parametrize(("field", "value"), list_values(OF_SETTINGS))
def test_fields_of_settings(caller, audio, field, value):
    told = caller.get_fault("generate", audio, "", None, QUICK | {"seed": 1, field: value})
    assert re.match(rf"{field} is .*; it must be ", told)


@pytest.mark.parametrize(("field", "value"), list_values(OF_PAGE))
def test_fields_of_the_page(caller, audio, field, value):
    fields = {"speech": audio, "timeline": {"num_frames": NUM_FRAMES}, field: value}
    told = caller.get_fault("generate_on_page", *caller.page_values("generate_on_page", **fields))
    label, words = told.split(": ", 1)
    assert label in {*LABELS, "Hint motion"}
    assert re.search("cannot be used. Give|is not in the list of choices|imum value", words)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"renderer": ["a"]}, "it must be 'moderngl', 'pyrender' or 'skeleton'"),
        ({"draw": True, "temperature": math.nan}, "temperature is nan; it must be a finite number."),
        ({"renderer": ["a"]}, "it must be 'moderngl', 'pyrender' or 'skeleton'."),
        ({"speech": "abc"}, "is no file as its upload returns it."),
        ({"timeline": {"num_frames": math.nan}}, "num_frames is nan; it must be a whole number."),
        ({"timeline": {"num_frames": 10**30}}, "at most."),
        ({"timeline": {"num_frames": 9, "trim": {"start_frame": 5, "end_frame": 2}}}, "its end must lie behind"),
        ({"timeline": {"num_frames": 9, "plan": {"spans": [span()]}}}, "Shorten the span."),
        ({"timeline": [1]}, "The timeline's value is [1]; it must be an object."),
        ({"speaker": 99}, "There is no speaker 99; these weights know 0 to"),
        ({"speaker": "abc"}, "speaker is 'abc'; it must be"),
        ({"reference": "take:99", "timeline": HINTED}, "The take that was the hint motion is no longer there."),
        ({"reference": 5, "timeline": HINTED}, "There is no such hint motion. Choose one of the list."),
        ({"shift": "abc", "timeline": {"num_frames": NUM_FRAMES}}, "The motion cannot start at 'abc'; give seconds."),
        ({"shift": math.inf, "timeline": {"num_frames": NUM_FRAMES}}, "give a sensible number of seconds"),
    ],
)
def test_values_of_the_page(caller, audio, fields, words):
    values = {"speech": audio, "timeline": {"num_frames": NUM_FRAMES}} | fields
    assert words in caller.get_fault("generate_on_page", *caller.page_values("generate_on_page", **values))


def test_too_few_values(caller):
    assert "A value is missing" in caller.get_fault("generate")


@pytest.mark.parametrize(
    ("plans", "seeds", "words"),
    [
        ('[{"name": "a", "plan": {"spans": []}}]', "1, two", "are no seeds; give whole numbers with commas between"),
        ('{"plan": 5}', "", "it must be a list."),
        ("[" * 100_000, "", "JSON"),
        ("[]", "", "has 0 entries; it must have 1 or more."),
        ('[{"name": "a", "plan": {"spans": []}}]', ", ".join(map(str, range(65))), "64"),
    ],
)
def test_grids(caller, audio, plans, seeds, words):
    fields = {"batch_plans": plans, "batch_kind": False, "batch_seeds": seeds, "speech": audio}
    values = caller.page_values("batch_on_page", timeline={"num_frames": NUM_FRAMES}, **fields)
    assert words in caller.get_fault("batch_on_page", *values)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"caption": "x" * 10_000}, f"it must be text of {MAX_CAPTION_CHARACTERS} characters at most"),
        ({"caption": 5}, "caption of entry 1 is 5; it must be text."),
        ({"number": math.nan}, "number of entry 1 is nan; it must be a whole number."),
    ],
)
def test_captions(caller, row, words):
    known = {"number": 1, "caption": "<img src=x onerror=alert(1)>", "chosen": True}
    caller.get_values("edit_takes", [known])
    assert words in caller.get_fault("edit_takes", [known | row])


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("upper", "soon", "1", "lock"), "it must be a number of seconds, such as 1.5"),
        (("upper", "nan", "1", "lock"), "it must be a number of seconds"),
        (("upper", "0", "1e999", "lock"), "it must be a number of seconds"),
        (("tail", "0", "1", "lock"), "The span's part is 'tail'; it must be 'face',"),
        (("upper", "0", "99", "lock"), "Shorten the span"),
    ],
)
def test_tables_say_what_does_not_count_yet(caller, row, words):
    table = {"headers": ["Part", "Start (s)", "End (s)", "Mode"], "data": [row]}
    assert words in json.dumps(caller.get_values("plan_of_table", table, 6, {"num_frames": NUM_FRAMES}))


def write_tier(*lines: str) -> bytes:
    """A TextGrid of one tier, in Praat's short form. lines: how many words, and of each its start, end and text."""
    head = ('File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", "1", "<exists>", "1")
    return "\n".join((*head, '"IntervalTier"', '"words"', "0", "1", *lines, "")).encode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LETTER, "words.TextGrid is no TextGrid. Export a TextGrid"),
        (write_tier("9", "0", "1", '"a"'), "is damaged: it ends before its intervals do"),
        (write_tier("1", "1e999", "2", '"a"'), "inf"),
        (write_tier("1e999", "0", "1", '"a"'), "is damaged"),
        (write_tier("1", "0.5", "0.2", '"a"'), "its end must lie behind its start"),
        (load_examples()[0].audio.with_suffix(".TextGrid").read_bytes()[:900], "is damaged"),
    ],
)
def test_transcripts(caller, audio, text, words):
    caller.get_values("show_recording", audio, *SHOWN)
    assert words in caller.get_fault("take_words", caller.upload_as("words.TextGrid", text))


def test_a_transcript_of_another_recording_loses_nothing(caller, audio):
    caller.get_values("show_recording", audio, *SHOWN)
    late = caller.upload_as("words.TextGrid", write_tier("1", "7", "8", '"late"'))
    timeline, text, note = caller.get_values("take_words", late)
    assert json.loads(timeline["props"]["backdrop"]["words"]) == [["late", 7.0, 8.0, None]]
    assert text == "late"
    assert "Is it the transcript of this recording?" in note
