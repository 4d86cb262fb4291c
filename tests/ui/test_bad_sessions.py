"""Session files that anybody may have made: a sentence that says what is wrong, and nothing comes of them."""

import io
import json
import math
import zipfile

import pytest

from emage.generation.take import Take
from emage.project import Project
from tests.conftest import make_motion
from tests.ui.test_bad_input import LETTER, write_half_an_hour

pytestmark = pytest.mark.usefixtures("nothing_in_the_log")


def read_zip(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def write_zip(files: dict[str | zipfile.ZipInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> dict[str, bytes]:
    """The files of a session with one take."""
    folder = tmp_path_factory.mktemp("session")
    take = Take(make_motion(9), "mine").store(folder, "take")
    return read_zip(Project(takes=(take,)).save(folder / "session.zip").read_bytes())


def change(session: dict[str, bytes], take: dict | None = None, files: dict | None = None, **fields: object) -> bytes:
    """The zip with other fields in its session.json and its take, and with more files."""
    content = json.loads(session["session.json"])
    content |= {"takes": [content["takes"][0] | (take or {})]} | fields
    return write_zip(session | {"session.json": json.dumps(content)} | (files or {}))


def add_link(session: dict[str, bytes]) -> bytes:
    info = zipfile.ZipInfo("recording.wav")
    info.external_attr = 0o120777 << 16
    return change(session, recording="recording.wav", files={info: b"/etc/passwd"})


def add_half_an_hour(session: dict[str, bytes]) -> bytes:
    """A small zip whose recording would be large in memory; that nobody decodes it is seen by its end, which is cut."""
    return change(session, recording="recording.flac", files={"recording.flac": write_half_an_hour()[:200]})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda session: LETTER, "is no session's zip"),
        (lambda session: b"", "is no session's zip"),
        (lambda session: write_zip(session)[:100], "is no session's zip"),
        (lambda session: change(session, files={"../../evil.txt": b"x"}), "which its session.json does not name"),
        (lambda session: change(session, recording="../recording.wav"), "its recording has the name"),
        (add_link, "is not a recording"),
        (add_half_an_hour, "recording.flac is longer than 1 minutes, the limit here"),
        (lambda session: change(session, {"caption": "x" * 10_000}), "text of 200 characters at most"),
        (lambda session: change(session, settings={"seed": 10**30}), "it must be 9,007,199,254,740,992 at most."),
        (
            lambda session: change(session, settings={"temperature": math.nan}),
            "temperature of settings is nan; it must be a finite number.",
        ),
        (lambda session: change(session, trim=["a", None]), "entry 1 of trim is 'a'; it must be a whole number."),
        (lambda session: change(session, version=99), "Update the program."),
    ],
)
def test_sessions(caller, session, make, words):
    assert words in caller.get_fault("load_session", caller.upload_as("session.zip", make(session)))


def test_a_file_that_is_called_otherwise_is_no_session(caller):
    told = caller.get_fault("load_session", caller.upload_as("session.npz", b"PK"))
    assert told.startswith("Invalid file type.")


def test_a_session_brings_no_weights_of_its_own(caller, session):
    content = change(session, settings={"weights": "/etc"})
    told = json.dumps(caller.get_values("load_session", caller.upload_as("session.zip", content)))
    assert "are not offered here: the page's own are chosen." in told
