"""Batches: which takes are made of a plan or a list of plans, that they are made as told, and the command for them."""

import csv
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from emage.__main__ import main
from emage.batch import (
    MAX_VARIANTS,
    NO_HINTS,
    NamedPlan,
    batch_reports,
    file_stem,
    load_plans,
    make_takes,
    read_plans,
    subsets,
    variant_hints,
    variants,
)
from emage.errors import EmageError, HintError
from emage.evaluation.report import GIVEN_MEAN_SPEED
from emage.generation.settings import TakeSettings
from emage.hints import HintPlan, Placement, Span
from emage.motion import Motion
from emage.pipeline import STAGE_MOTION
from tests.conftest import REGRESSION, make_motion

UPPER, HANDS, LOWER = Span("upper", 10, 60, "lock"), Span("hands", 0, 90), Span("lower", 20, 40, "lock")
PLAN = HintPlan((UPPER, HANDS, replace(UPPER, start_frame=70, end_frame=80)), blend_frames=3)


# --- which takes ------------------------------------------------------------------------------------------------------


def test_subsets_hold_each_choice_of_parts_once():
    made = subsets(PLAN)
    assert [(plan.name, {span.part for span in plan.plan.spans}) for plan in made] == [
        (NO_HINTS, set()),
        ("upper", {"upper"}),
        ("hands", {"hands"}),
        ("upper + hands", {"upper", "hands"}),
    ]
    assert made[1].plan == HintPlan((PLAN.spans[0], PLAN.spans[2]), blend_frames=3)
    assert made[3].plan == PLAN
    assert [plan.name for plan in subsets(HintPlan())] == [NO_HINTS]
    left = subsets(HintPlan((Span("left_hand", 0, 5),)))
    assert left[1].name == "left hand"


def test_each_plan_is_drawn_with_each_seed():
    settings = TakeSettings(speaker=1, seed=7, temperature=0.5)
    made = variants([NamedPlan("a", PLAN), NamedPlan("b", HintPlan())], settings, (3, 4))
    assert [each.name for each in made] == ["a, seed 3", "a, seed 4", "b, seed 3", "b, seed 4"]
    assert [each.file_stem for each in made] == ["a-seed-3", "a-seed-4", "b-seed-3", "b-seed-4"]
    assert [each.settings for each in made] == [replace(settings, seed=seed) for seed in (3, 4, 3, 4)]
    assert [each.plan for each in made] == [PLAN, PLAN, HintPlan(), HintPlan()]
    (own,) = variants([NamedPlan("a", PLAN)], settings)
    assert (own.name, own.settings) == ("a", settings)


def test_files_are_told_apart():
    names = ["../Arms!", "..arms", "ARMS", "手", "take", "con: x"]
    made = variants([NamedPlan(name, PLAN) for name in names], TakeSettings())
    assert [each.file_stem for each in made] == ["Arms", "arms-2", "ARMS-3", "take", "take-2", "con-x"]
    assert [each.name for each in made] == ["../Arms!", "..arms (2)", "ARMS (3)", "手", "take (2)", "con: x"]
    assert file_stem(" upper + left hand, seed 3 ") == "upper-left-hand-seed-3"


@pytest.mark.parametrize(
    ("plans", "words"),
    [
        ("[", "not JSON"),
        ("{}", "list of 1 to 64"),
        ([], "list of 1 to 64"),
        ([{"plan": {"spans": []}}] * 65, "list of 1 to 64"),
        ([{"plan": {"spans": []}}, {"spans": []}], "Entry 2 of the plans must be"),
        ([{"plan": {"spans": []}, "color": "red"}], "Entry 1 of the plans must be"),
        (["arms"], "Entry 1 of the plans must be"),
        ([{"plan": {"spans": [{"part": "tail"}]}}], "Entry 1 of the plans: "),
        ([{"plan": {"spans": []}, "name": " "}], "Entry 1 of the plans: ' ' names no plan"),
        ([{"plan": {"spans": []}, "name": 5}], "'5' names no plan"),
        ([{"plan": {"spans": []}, "name": "a\nb"}], "names no plan"),
        ([{"plan": {"spans": []}, "name": "x" * 81}], "names no plan"),
    ],
)
def test_plans_that_are_none_are_refused(plans, words):
    with pytest.raises(HintError, match=words):
        read_plans(plans)


def test_plans_are_read(tmp_path):
    entries = [{"name": "arms", "plan": PLAN.to_json()}, {"plan": {"spans": []}}]
    expected = [NamedPlan("arms", PLAN), NamedPlan("plan 2", HintPlan())]
    assert read_plans(entries) == read_plans(json.dumps(entries)) == expected
    (tmp_path / "plans.json").write_text(json.dumps(entries), "utf-8-sig")
    assert load_plans(tmp_path / "plans.json") == expected
    with pytest.raises(HintError, match="none.json: the plans cannot be read"):
        load_plans(tmp_path / "none.json")


def test_too_many_takes_are_refused():
    plans = [NamedPlan(f"plan {number}", HintPlan()) for number in range(MAX_VARIANTS // 2)]
    assert len(variants(plans, TakeSettings(), (1, 2))) == MAX_VARIANTS
    with pytest.raises(HintError, match="96 takes at once cannot be made"):
        variants(plans, TakeSettings(), (1, 2, 3))
    with pytest.raises(HintError, match="0 takes"):
        variants([], TakeSettings())
    with pytest.raises(EmageError, match="seed is -1"):
        variants(plans, TakeSettings(), (1, -1))


# --- their hints ------------------------------------------------------------------------------------------------------


def test_hints_share_a_reference_that_is_laid_once():
    chosen = variants(subsets(PLAN), TakeSettings())
    placement, reference = Placement(5, "loop", 4), make_motion(40)
    hints = variant_hints(chosen, reference, placement, 120)
    assert all(shown.reference is hints[0].reference for shown in hints)
    assert [shown.plan for shown in hints] == [variant.plan for variant in chosen]
    expected = placement.hints(reference, PLAN, 120).reference
    np.testing.assert_array_equal(hints[0].reference.poses, expected.poses)


def test_plans_of_a_list_may_contradict_one_another():
    plans = [NamedPlan(mode, HintPlan((replace(UPPER, mode=mode),))) for mode in ("lock", "follow")]
    hints = variant_hints(variants(plans, TakeSettings()), make_motion(100), Placement(), 100)
    assert [shown.plan.spans[0].mode for shown in hints] == ["lock", "follow"]


def test_hints_that_do_not_fit_are_known_before_a_take_is_made():
    chosen = variants(subsets(PLAN), TakeSettings())
    with pytest.raises(HintError, match="the recording lasts 85 frames"):
        variant_hints(chosen, make_motion(100), Placement(), 85)
    with pytest.raises(HintError, match="the reference motion has 85 frames"):
        variant_hints(chosen, make_motion(85), Placement(), 100)
    with pytest.raises(HintError, match="Give a reference"):
        variant_hints(chosen, None, Placement(), 100)
    assert variant_hints(variants(subsets(HintPlan()), TakeSettings()), None, Placement(), 100) == [None]


# --- making them ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def batch(speech):
    """Two plans with two seeds each."""
    chosen = variants([NamedPlan("arms", HintPlan((UPPER,))), NamedPlan("free", HintPlan())], TakeSettings(), (1, 2))
    return chosen, variant_hints(chosen, make_motion(135), Placement(), 135)


def test_takes_come_one_by_one_as_their_settings_make_them(tiny, speech, batch):
    chosen, hints = batch
    calls = []
    made = make_takes(tiny.take, (16000, speech), chosen, hints, lambda *call: calls.append(call))
    first = next(made)
    assert calls == [(1, STAGE_MOTION, 60, 135), (1, STAGE_MOTION, 120, 135), (1, STAGE_MOTION, 135, 135)]
    rest = list(made)
    assert [call[0] for call in calls] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    for each, variant, shown in zip([first, *rest], chosen, hints, strict=True):
        alone = tiny.take((16000, speech), variant.settings, shown)
        np.testing.assert_array_equal(each.take.motion.poses, alone.motion.poses)
        assert (each.variant, each.take.caption, each.take.hints) == (variant, variant.name, shown)
        assert each.took_s > 0
    arms = [3 * joint + i for joint in (16, 18) for i in range(3)]
    np.testing.assert_array_equal(
        first.take.motion.poses[10:60, arms], hints[0].reference.poses[10:60, arms], "it is locked"
    )
    assert not np.allclose(first.take.motion.poses, rest[0].take.motion.poses)


def test_a_stopped_batch_keeps_what_was_handed_out_and_makes_no_more(tiny, speech, batch):
    chosen, hints = batch

    class Stop(Exception):
        pass

    asked = []

    def stop(number, stage, done, total):
        asked.append(number)
        if (number, done) == (2, 60):
            raise Stop

    made = []
    with pytest.raises(Stop):
        made.extend(make_takes(tiny.take, (16000, speech), chosen, hints, stop))
    assert asked == [1, 1, 1, 2]

    started = []

    def take(audio, settings, shown, caption, progress):
        started.append(caption)
        return tiny.take(audio, settings, shown, caption, progress)

    makes = make_takes(take, (16000, speech), chosen, hints)
    assert next(makes).variant is chosen[0]
    makes.close()
    assert started == ["arms, seed 1"]


def test_reports_of_a_batch_can_be_compared(tiny, speech, batch):
    made = list(make_takes(tiny.take, (16000, speech), *(each[:2] for each in batch)))
    reports = batch_reports(made, speech, tiny.body)
    assert [name for name, _ in reports] == ["arms, seed 1", "arms, seed 2"]
    for each, (_, report) in zip(made, reports, strict=True):
        assert report.took_s == each.took_s
        assert report.mean_speed_of == GIVEN_MEAN_SPEED
        assert report.hint_max_rad == 0


# --- command line -----------------------------------------------------------------------------------------------------


def emage(monkeypatch, *arguments) -> int:
    """The exit code of `python -m emage batch …`."""
    monkeypatch.setattr(sys, "argv", ["emage", "batch", *map(str, arguments)])
    try:
        main()
    except SystemExit as end:
        return end.code or 0
    return 0


@pytest.fixture
def folder(tmp_path, speech, monkeypatch):
    """With talk.wav of 2 s, ref.npz, plan.json and plans.json; the working folder."""
    monkeypatch.chdir(tmp_path)
    soundfile.write("talk.wav", speech[:32000], 16000, subtype="FLOAT")
    make_motion(70).save("ref.npz")
    plan = HintPlan((replace(UPPER, end_frame=50),))
    (tmp_path / "plan.json").write_text(json.dumps(plan.to_json()))
    (tmp_path / "plans.json").write_text(json.dumps([{"name": "Arms, locked", "plan": plan.to_json()}]))
    return tmp_path


def rows(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_all_subsets_with_videos_and_scores(monkeypatch, capsys, folder, tiny, speech):
    arguments = ["talk.wav", "--out", "takes", "--hint-motion", "ref.npz", "--plan", "plan.json", "--end-s", "2"]
    small = ["--renderer", "skeleton", "--size", "64", "--weights", REGRESSION, "--device", "cpu"]
    assert emage(monkeypatch, *arguments, *small) == 0
    made = folder / "takes"
    assert sorted(file.name for file in made.iterdir()) == [
        "no-hints.mp4", "no-hints.npz", "scores.csv", "upper.mp4", "upper.npz",
    ]  # fmt: skip
    scores = rows(made / "scores.csv")
    assert [row["take"] for row in scores] == ["no hints", "upper"]
    assert [row["hint_max_degrees"] for row in scores] == ["", "0"]
    assert all(float(row["took_s"]) > 0 for row in scores)
    hints = Placement().hints(Motion.load("ref.npz"), HintPlan.load("plan.json"), 60)
    expected = tiny.generate((16000, speech[:32000]), hints)
    np.testing.assert_array_equal(Motion.load(made / "upper.npz").poses, expected.poses)
    shown = capsys.readouterr().err
    assert "1/2 no hints: Generating motion" in shown
    assert "2/2 upper: Drawing the video" in shown
    assert emage(monkeypatch, *arguments, *small) == 2
    assert "takes is there already, and no empty folder" in capsys.readouterr().err


def test_a_list_of_plans_and_seeds_without_videos(monkeypatch, folder, tiny, speech):
    arguments = ["talk.wav", "--out", "takes", "--hint-motion", "ref.npz", "--plans", "plans.json", "--no-video"]
    drawn = ["--seeds", "3", "4", "--temperature", "0.5", "--weights", REGRESSION, "--device", "cpu"]
    (folder / "takes").mkdir()
    assert emage(monkeypatch, *arguments, *drawn) == 0
    names = ["Arms-locked-seed-3.npz", "Arms-locked-seed-4.npz", "scores.csv"]
    assert sorted(file.name for file in (folder / "takes").iterdir()) == names
    assert [row["take"] for row in rows(folder / "takes/scores.csv")] == [
        "Arms, locked, seed 3",
        "Arms, locked, seed 4",
    ]
    hints = Placement().hints(Motion.load("ref.npz"), HintPlan.load("plan.json"), 60)
    expected = tiny.generate((16000, speech[:32000]), hints, seed=4, temperature=0.5)
    np.testing.assert_array_equal(Motion.load("takes/Arms-locked-seed-4.npz").poses, expected.poses)


def test_seeds_alone_need_no_hints(monkeypatch, folder):
    arguments = ["talk.wav", "--out", "takes", "--seeds", "1", "2", "--no-video", "--weights", REGRESSION]
    assert emage(monkeypatch, *arguments) == 0
    takes = [Motion.load(f"takes/no-hints-seed-{seed}.npz") for seed in (1, 2)]
    assert not np.allclose(takes[0].poses, takes[1].poses)


def test_motions_outlive_a_video_that_cannot_be_made(monkeypatch, capsys, folder):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/bin/false")
    arguments = ["talk.wav", "--out", "takes", "--seeds", "1", "2", "--weights", REGRESSION, "--size", "64"]
    assert emage(monkeypatch, *arguments, "--renderer", "skeleton") == 2
    assert "Motions are in takes; --no-video makes them alone." in capsys.readouterr().err
    assert [file.name for file in (folder / "takes").iterdir()] == ["no-hints-seed-1.npz"]


HINTED = ["--hint-motion", "ref.npz"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*HINTED, "--plan", "plan.json", "--plans", "plans.json"], "not both"),
        (HINTED, "goes with --plan or --plans"),
        (["--plan", "plan.json"], "goes with --plan or --plans"),
        (["--hint-fill", "loop"], "give that too"),
        (["--seed", "1", "--seeds", "2"], "--seed or --seeds"),
        (["--top-k", "3"], "give a seed"),
        ([*HINTED, "--plans", "none.json"], "none.json: the plans cannot be read"),
        ([*HINTED, "--plan", "plan.json", "--end-s", "1"], "the recording lasts 30 frames"),
        ([*HINTED, "--plan", '{"spans": [{"part": "face", "start_s": 0, "end_s": 1, "mode": "lock"}]}'], "basis"),
        (["--out", "talk.wav"], "talk.wav is there already"),
        (["--out", "none/takes"], "does not exist"),
    ],
)
def test_faults_are_a_sentence_and_leave_nothing(monkeypatch, capsys, folder, arguments, words):
    if "basis" in words:
        replace(make_motion(70), expression_basis="arkit52").save("ref.npz")
    before = sorted(file.name for file in folder.iterdir())
    assert emage(monkeypatch, "talk.wav", "--out", "takes", "--weights", REGRESSION, *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert words in error
    assert sorted(file.name for file in folder.iterdir()) == before
