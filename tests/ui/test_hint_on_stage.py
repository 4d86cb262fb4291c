"""The motion for hints on the stage, as it lies along the recording, before it is used."""

from pathlib import Path

import numpy as np
import soundfile

from emage.hints import LOOP, ONCE, STRETCH, Placement
from emage.motion import Motion
from emage.recording.recording import Recording
from emage.ui.components.stage import Stage
from emage.ui.components.timeline import TimelineValue
from emage.ui.page import Page
from emage.ui.sections.hints import list_example_motions
from emage.ui.sections.speech import show_recording
from tests.conftest import angles_between
from tests.ui.components.test_stage import decode
from tests.ui.handlers import ASKER

TITLE, PATH = list_example_motions()[0]


def show(page: Page, shift_s: float = 0, fill: str = ONCE) -> dict:
    """The stage."""
    return page.result.show_hint(f"example:{PATH.stem}", shift_s, fill, "Stand-in", ASKER)


def speak(page: Page, seconds: float) -> None:
    """The page shows a recording so long."""
    recording = Recording.load((16000, np.zeros(round(16000 * seconds), np.float32)))
    page.service.user(ASKER).show(show_recording(recording), TimelineValue())


def poses_of(stage: dict) -> np.ndarray:
    (take,) = stage["takes"]
    return decode(b"".join(Path(file["path"]).read_bytes() for file in take["files"]))[1]


def test_it_stands_there_as_a_ghost_and_plays_as_it_lies_along_the_recording(page):
    speak(page, 3)
    for placement in (Placement(15, ONCE), Placement(15, LOOP), Placement(0, STRETCH)):
        stage = show(page, placement.shift_frames / 30, placement.fill)
        (take,) = stage["takes"]
        assert (take["see_through"], take["caption"], take["number"]) == (True, f"Hint motion: {TITLE}", None)
        assert (stage["plays"], stage["film"], bool(stage["passing"])) == (True, False, True)
        laid = placement.motion(Motion.load(PATH), 90)
        assert angles_between(poses_of(stage), laid.poses).max() < 1e-3
        sound, rate_hz = soundfile.read(stage["sound"]["path"])
        assert len(sound) == 3 * rate_hz


def test_of_a_long_recording_a_minute_is_looked_at(page):
    speak(page, 90)
    assert len(poses_of(show(page, fill=LOOP))) == 1800


def test_where_it_plays_nowhere_the_take_before_stays(page):
    assert show(page) == Stage.go_back()  # there is no recording
    speak(page, 3)
    assert show(page, 100) == Stage.go_back()


def test_a_take_that_starts_later_is_where_the_motion_starts_too(page, make_take):
    user = page.service.user(ASKER)
    user.stand(user.find_take(make_take("talk.wav", part=(15, None))))
    speak(page, 3)
    stage = show(page, fill=LOOP)
    assert len(poses_of(stage)) == 75
    assert stage["followed"] == [{"selector": "#speech", "start_frame": -15}]
