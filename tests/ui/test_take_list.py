"""The list of takes: what it tells of each, which are ticked, settings that are used again, and grids."""

import types
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from emage.generation.take import Take
from emage.hints import LOCK, ONCE, HintPlan, Hints, Span
from emage.motion.skeleton import DISJOINT_PARTS
from emage.recording.recording import Recording
from emage.render.settings import RenderSettings
from emage.ui.components.stage import MAX_BODIES
from emage.ui.components.timeline import TimelineValue
from emage.ui.page import Page
from emage.ui.sections.result import show_take
from emage.ui.sections.speech import show_recording
from emage.ui.sections.take_list import show_list
from emage.ui.service import service as module
from emage.ui.service.looks import look_at
from tests.conftest import TALK_FRAMES, assert_same_motion, make_motion, rest
from tests.ui.handlers import ASKER, PICTURE, bar

PLAN = HintPlan((Span("hands", 4, 40, LOCK), Span("upper", 0, 20)), 9)


def rows_of(page: Page) -> dict:
    """The list as the browser gets it."""
    return show_list(page.service.user(ASKER))[0]


def test_a_row_tells_recording_speaker_seed_and_plan_and_draws_the_take(page, make_take):
    number = make_take("talk.wav", hints=Hints(make_motion(TALK_FRAMES), PLAN), seed=7, speaker=1)
    shown = rows_of(page)
    facts = shown["facts"][str(number)].split(" · ")
    assert (facts[0], facts[1], facts[3:]) == ("talk.wav", "1.5 s", ["Speaker 1", "seed 7", "no video"])
    look = shown["looks"][str(number)]
    assert look["num_frames"] == TALK_FRAMES
    assert look["spans"] == [span.to_json() for span in PLAN.spans]
    heights = [y for limb in look["limbs"] for y in (limb[2], limb[4])]
    assert 0 <= min(heights) < max(heights) <= 100
    assert {DISJOINT_PARTS[limb[0]] for limb in look["limbs"]} >= {"face", "upper", "lower"}
    assert list(look["states"]) in PLAN.states(TALK_FRAMES).tolist()


def test_the_drawing_is_of_the_widest_gesture_from_the_front(body):
    """The left arm, on the right of the picture, is up in one frame, and reaches less far to its side there."""
    turns = [(0, 0, 0.9 * (frame == 47)) for frame in range(48)]
    for joint, side in (("left_shoulder", 1), ("right_shoulder", -1)):
        look = look_at(Take(rest(48, **{joint: side * np.array(turns)})), body, "")
        reach = [side * x for limb in look.limbs for x in (limb[1], limb[3])]
        assert max(reach) < -min(reach) - 5


def test_no_more_are_ticked_than_can_be_compared(page):
    user = page.service.user(ASKER)
    for number in range(MAX_BODIES + 3):
        user.add_take(Take(rest(2), f"take {number}").store(user.new_folder(), "take"))
    chosen = [row["caption"] for row in rows_of(page)["value"] if row["chosen"]]
    assert chosen == [f"take {number}" for number in range(3, MAX_BODIES + 3)]
    user.choose(take.number for take in user.takes)
    assert len(user.chosen) == MAX_BODIES


def test_eight_takes_stand_on_the_stage_and_in_two_rows_of_the_video(page, monkeypatch):
    user, films = page.service.user(ASKER), []
    recording = Recording.load((16000, np.zeros(16000, np.float32)))
    for number in range(MAX_BODIES):
        take = Take(rest(30), f"take {number}", None, recording)
        user.add_take(take.store(user.new_folder(), "take"))
    made = page.service.compare(user.takes, False, False, ASKER, bar)
    assert len(made.staged) == MAX_BODIES
    monkeypatch.setattr(module, "render_video", lambda *arguments: films.append(arguments) or arguments[0])
    for count in (4, 5, MAX_BODIES):
        page.service.film_beside(user.takes[:count], False, RenderSettings(size=640), False, ASKER, bar)
    assert [(picture.width, columns) for *_, picture, _, columns in films] == [(480, 4), (640, 3), (480, 4)]


def reuse(page: Page, number: int, value: TimelineValue) -> tuple:
    """Timeline, plan, choice, shift, fill and settings afterwards."""
    event = types.SimpleNamespace(number=number)
    timeline, _, _, blend, _, reference, shift_s, fill, told, *settings = page.takes.reuse_settings(
        value, "example:wave", 0, ONCE, event, ASKER
    )
    return timeline["value"], blend, reference, shift_s, fill, told, settings


@pytest.mark.usefixtures("_quiet_toasts")
def test_settings_and_plan_are_used_again(page, make_take):
    hint = make_motion(TALK_FRAMES - 5, 3)
    plan = HintPlan((Span("hands", 4, 40, LOCK),), 9)
    number = make_take(
        "talk.wav", part=(5, TALK_FRAMES), hints=Hints(hint, plan), seed=7, temperature=0.6, speaker=1, use_audio=False
    )
    user = page.service.user(ASKER)
    take = user.find_take(number)
    user.show(show_recording(take.recording.trim(0)), TimelineValue())
    value, blend, reference, shift_s, fill, told, settings = reuse(page, number, TimelineValue(TALK_FRAMES))
    assert value == TimelineValue(TALK_FRAMES, plan.shift(5), 5, TALK_FRAMES)
    assert (blend, reference["value"], fill) == (9, f"hint:{number}", ONCE)
    assert shift_s == pytest.approx(5 / 30)
    assert "1.3 s" in told
    weights, speaker, sampled, seed, temperature, *_, without_audio = settings
    assert (weights, speaker["value"], sampled, seed, temperature, without_audio) == ("", 1, True, 7, 0.6, True)
    values = [weights, speaker["value"], *settings[2:-1], *PICTURE, "Stand-in", without_audio, "", "en", False]
    list(page.result.generate(ASKER, bar, str(take.recording.file), value, reference["value"], shift_s, fill, *values))
    again = user.takes[-1]
    assert (again.plan, replace(again.settings, weights=None)) == (take.plan, take.settings)
    assert_same_motion(again.load().motion, take.load().motion)
    page.takes.remove_take(reference["value"], event=types.SimpleNamespace(number=number), request=ASKER)
    assert f"hint:{number}" not in str(show_list(user)[1])


@pytest.mark.usefixtures("_quiet_toasts")
def test_settings_of_a_take_of_another_recording(page, make_take):
    number = make_take("talk.wav", hints=Hints(make_motion(TALK_FRAMES), PLAN))
    value, *_ = reuse(page, number, TimelineValue(30))
    assert value.num_frames == 30
    assert value.plan == PLAN.cut(0, 30)


@pytest.fixture
def _quiet_toasts(monkeypatch):
    monkeypatch.setattr(gr, "Info", lambda *_, **__: None)


# --- grids ------------------------------------------------------------------------------------------------------------


def count(page: Page, seeds: str, plan: HintPlan = PLAN) -> str:
    return page.takes.count_batch("", True, seeds, TimelineValue(TALK_FRAMES, plan), "", False)


def test_a_grid_says_how_many_takes_and_how_long_before_it_starts(page):
    assert count(page, "").startswith("**4 takes** of 1.5 s. How long they take will be told")
    page.service.pace.remember("", False, 30, 2.0)
    assert count(page, "") == "**4 takes** of 1.5 s, about 12 s altogether."
    assert count(page, "1, 2, 3").endswith("The first 8 will be ticked: more cannot be compared at once.")
    assert "up to 64" in count(page, ", ".join(map(str, range(20))))
    assert "nothing to combine yet" in count(page, "", HintPlan())
    assert "nothing to combine yet" in count(page, "7", HintPlan())
    assert count(page, "1, 2, 3", HintPlan()).startswith("**3 takes**")
    assert "are no seeds" in count(page, "x")


def test_a_grid_ticks_its_own_names_seeds_where_they_differ_and_shows_the_first(page, make_take, monkeypatch):
    monkeypatch.setattr(module, "report_takes", lambda *_: [])
    user = page.service.user(ASKER)
    make_take("talk.wav", seed=1)
    recording = user.takes[0].recording
    example = page.hints.reference.value
    values = [None, True, "", str(recording.file), TimelineValue(TALK_FRAMES, PLAN), example, 0, "loop"]
    values += ["", 0, True, 5, 1.0, 0, "as-generated", "weights", *PICTURE, "Stand-in", False, "", "en", False]
    steps = list(page.takes.make_batch(ASKER, bar, *values))
    captions = [take.caption for take in user.takes][1:]
    assert captions == [f"{name}, seed 5" for name in ("no hints", "upper", "hands", "upper + hands")]
    assert user.chosen == {take.number for take in user.takes[1:]}
    assert all(len(step) == 15 for step in steps)
    details, stage = steps[0][8], steps[0][14]
    assert "no hints, seed 5" in details
    assert [take["number"] for take in stage["takes"]] == [user.takes[1].number]


# --- words -----------------------------------------------------------------------------------------------------------


def test_silence_is_not_called_speech(page, make_take):
    user = page.service.user(ASKER)
    take = user.find_take(make_take("talk.wav"))
    assert "1.5 s of speech, 45 frames" in show_take(take)[1]
    silent = replace(take.recording, samples=0.003 * np.sign(take.recording.samples))
    assert "1.5 s of silence, 45 frames" in show_take(replace(take, recording=silent))[1]


# --- the same take in another way -------------------------------------------------------------------------------------


def test_another_camera_size_and_body_need_no_new_take(page, make_take, monkeypatch):
    number, drawn, bodies = make_take("talk.wav"), [], []
    user = page.service.user(ASKER)

    def draw(path, takes, body, recording, picture, *others):
        drawn.append((picture.camera, picture.width))
        path.write_bytes(b"")
        return path

    monkeypatch.setattr(module, "render_video", draw)
    for camera, size in (("follow", 64), ("face", 128)):
        picture = ("moderngl", camera, False, size, "Draft")
        video, *_ = page.result.film(types.SimpleNamespace(numbers=[number]), ASKER, bar, *picture, "Stand-in")
        assert user.find_take(number).video == Path(video)
    assert drawn == [("follow", 64), ("face", 128)]

    own = page.service.body()
    monkeypatch.setattr(module.Service, "body", lambda self, smplx=False: bodies.append(smplx) or own)
    assert page.result.change_body("SMPL-X", ASKER) == gr.skip()  # nothing stands there
    page.takes.show_take(types.SimpleNamespace(number=number), ASKER, "Stand-in")
    stage = page.result.change_body("SMPL-X", ASKER)
    assert [take["number"] for take in stage["takes"]] == [number]
    assert bodies == [False, True]
    assert len(user.takes) == 1
