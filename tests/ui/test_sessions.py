"""A session is loaded whole, with its words and its newest take on the stage, or not at all."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from emage.project import Project
from emage.ui.sections import hints
from tests.app_server import App, Caller, find_files
from tests.conftest import TALK_FRAMES
from tests.ui.test_service import find_list, make_takes

TEXT = "Hello, and welcome: I am a voice!"
"""As nobody would write it who had the words alone."""


@pytest.fixture
def caller(app: App) -> Iterator[Caller]:
    caller = Caller(app.url)
    yield caller
    caller.leave()


def save_session(caller: Caller, **fields: object) -> Path:
    """What the page saves."""
    saved, _ = caller.get_values("save_session", *caller.page_values("save_session", **fields))
    return Path(saved["value"]["path"])


def load_session(caller: Caller, path: Path) -> dict:
    """What the page is told, by `elem_id`."""
    values = caller.get_values("load_session", caller.upload(path), None)
    return dict(zip(caller.outputs_of("load_session"), values, strict=True))


def test_words_transcript_and_the_newest_take_come_back(app, caller, wordy, short_talk):
    audio = caller.upload(short_talk)
    caller.get_values("show_recording", audio, None, None, 0, "loop")
    words = [["Hello,", 0.1, 0.6, None], ["voice!", 0.7, 1.2, 0.5]]
    caller.get_values("edit_words", event={"num_frames": TALK_FRAMES, "words": words})
    page = {"speech": audio, "timeline": {"num_frames": TALK_FRAMES}, "renderer": "skeleton"}
    # The page sends the text as it is in the field; that its words are not yet aligned loses nothing of it.
    spoken = page | {"transcript": "Hello, voice!", "weights": wordy}
    for _ in range(2):
        caller.get_values("generate_on_page", *caller.page_values("generate_on_page", **spoken))
    path = save_session(caller, **page | {"transcript": TEXT, "language": "de"})
    assert Project.load(path, path.parent).text == TEXT

    later = Caller(app.url)
    shown = load_session(later, path)
    assert shown["transcript"] == TEXT
    assert shown["language"] == "de"
    assert json.loads(shown["timeline"]["props"]["backdrop"]["words"]) == words
    newest = find_list(list(shown.values()))["value"][-1]["caption"]
    assert newest in shown["details"]
    assert f"{TALK_FRAMES} frames" in shown["details"]
    assert [take["num_frames"] for take in shown["result-stage"]["takes"]] == [TALK_FRAMES]
    assert shown["npz"]["interactive"]
    heard = json.loads(later.get(shown["words-json"]["value"]["path"]).content)
    assert "Hello," in json.dumps(heard)
    later.leave()


def test_a_session_without_takes_empties_the_result(caller, short_talk):
    empty = save_session(caller, speech=None)
    make_takes(caller, caller.upload(short_talk))
    shown = load_session(caller, empty)
    assert find_list(list(shown.values()))["value"] == []
    assert shown["result-stage"]["takes"] == []
    assert not shown["npz"]["interactive"]
    assert "frames" not in shown["details"]


def test_what_cannot_be_shown_leaves_all_as_it_was(app, caller, short_talk, tmp_path, monkeypatch):
    """The fault comes when everything of the session has been read already."""
    rows = make_takes(caller, caller.upload(short_talk), 2)
    session = Caller(app.url)
    path = save_session(session, speech=session.upload(short_talk))
    (tmp_path / "index.json").write_text("{")
    files = len(find_files(app.uploads))
    uploaded = caller.upload(path)
    with monkeypatch.context() as patch:
        patch.setattr(hints, "INDEX", tmp_path / "index.json")
        assert "index.json is damaged" in caller.get_fault("load_session", uploaded, None)
    assert len(find_files(app.uploads)) <= files + 1  # the upload alone
    kept = find_list(caller.get_values("remove_take", None, event={"number": rows[0]["number"]}))
    assert kept["value"] == rows[1:]
    session.leave()
