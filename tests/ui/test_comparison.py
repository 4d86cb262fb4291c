"""Takes beside each other, as the page's handlers make them, without a server: of one recording and of several."""

import types
from pathlib import Path

import soundfile

from emage.ui.page import Page
from emage.ui.service import service as module
from tests.conftest import TALK_FRAMES
from tests.ui.handlers import ASKER, PICTURE, bar


def compare(page: Page, *numbers: int) -> tuple[str, dict]:
    """Note and stage of takes that are chosen."""
    user = page.service.user(ASKER)
    rows = [(take.number, take.caption, take.number in numbers) for take in user.takes]
    note, *_, stage, _ = page.takes.compare_takes(ASKER, bar, rows, False, *PICTURE, "Stand-in", False)
    return note, stage["value"]


def test_takes_of_one_recording_have_one_sound_and_their_own_captions(page, make_take):
    note, stage = compare(page, make_take("talk.wav"), make_take("talk.wav"))
    assert (note, stage["sounds"]) == ("", [])
    assert all("talk.wav" not in take["caption"] for take in stage["takes"])


def test_takes_of_several_recordings_say_so_and_can_be_heard(page, make_take, monkeypatch):
    """Also parts of one recording, and others by the same name."""
    numbers = [
        make_take("talk.wav"),
        make_take("other.wav", 1),
        make_take("talk.wav"),
        make_take("talk.wav", 0, (5, 40)),
    ]
    note, stage = compare(page, *numbers)
    names = ["talk.wav", "other.wav", "talk.wav, 0.2 to 1.3 s"]
    assert [each["label"] for each in stage["sounds"]] == names
    assert all(f"**{name}**" in note for name in names)
    assert stage["sound"] == stage["sounds"][0]["file"]
    heard = [soundfile.read(each["file"]["path"])[0] for each in stage["sounds"]]
    assert {len(each) for each in heard} == {TALK_FRAMES * 1600}
    assert len({each.tobytes() for each in heard}) == 3
    told = [take["caption"].rpartition(" · ")[2] for take in stage["takes"]]
    assert told == [names[0], names[1], names[0], names[2]]

    films = []
    monkeypatch.setattr(
        module, "render_video", lambda path, takes, body, recording, *_: films.append(recording) or path
    )
    for sound, name in ((1, "other.wav"), (None, "talk.wav"), (9, "talk.wav"), ("x", "talk.wav")):
        event = types.SimpleNamespace(numbers=numbers, sound=sound)
        page.takes.film(event, ASKER, bar, *PICTURE, "Stand-in")
        assert films[-1].name == name


def test_a_recording_by_a_name_that_another_has_is_told_apart(page, make_take, tmp_path):
    first = make_take("talk.wav")
    Path(tmp_path / "later").mkdir()
    _, stage = compare(page, first, make_take("later/talk.wav", 2))
    assert [each["label"] for each in stage["sounds"]] == ["talk.wav", "talk.wav (2)"]
