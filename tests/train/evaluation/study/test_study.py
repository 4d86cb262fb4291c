"""A study of people's preferences: who sees what, the page, and what answers say."""

import json
import shutil
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from scipy.special import expit

from emage.errors import EmageError
from emage.motion import Motion
from tests.train.evaluation.conftest import write_run
from train import evaluate
from train.evaluation.study import scoring
from train.evaluation.study.design import CHECK_CHOICES, Design, Segment, choose_segments, plan_study
from train.evaluation.study.settings import StudyMaking, StudyScoring
from train.evaluation.study.stimuli import make_study

CLIPS = {"3_ben_0_3_3": 210, "3_ben_0_4_4": 240}
SYSTEMS = ("good", "middling", "poor")


@pytest.fixture(scope="module")
def design() -> Design:
    segments = [Segment(f"clip{number}", 0, 90) for number in range(6)]
    return plan_study(SYSTEMS, segments, "Which?", participants=18, screens=20, checks=3, seed=5)


# --- who sees what ----------------------------------------------------------------------------------------------------


def test_pairs_and_sides_are_balanced(design):
    shown = {each.file: each for each in design.stimuli}
    assert len(shown) == 18
    sides, pairs = Counter(), Counter()
    for plan in design.plans:
        asked = [screen for screen in plan if screen.check is None]
        assert len(asked) == 20
        assert len(plan) == 23
        assert plan[0].check is None
        for screen in asked:
            left, right = shown[screen.left], shown[screen.right]
            assert left.segment == right.segment  # the same speech
            assert left.system != right.system
            sides[left.system] += 1
            sides[right.system] -= 1
            pairs[frozenset((left.system, right.system))] += 1
    assert max(abs(count) for count in sides.values()) <= 4
    assert max(pairs.values()) - min(pairs.values()) <= 1
    checks = [screen for plan in design.plans for screen in plan if screen.check is not None]
    assert {screen.check for screen in checks} == set(CHECK_CHOICES)
    ids = [screen.id for plan in design.plans for screen in plan]
    assert len(set(ids)) == len(ids)


def test_names_of_films_tell_nothing_and_a_seed_repeats_all(design):
    for each in design.stimuli:
        assert each.file.removesuffix(".mp4").isalnum()
        assert not any(system in each.file for system in SYSTEMS)
    given = (SYSTEMS, design.segments, "Which?", 18, 20, 3)
    assert plan_study(*given, seed=5) == design
    assert plan_study(*given, seed=6).plans != design.plans


def test_segments_do_not_overlap_and_take_every_clip_first():
    found = choose_segments({"a": 400, "b": 100, "c": 89}, 90, 5, seed=0)
    assert [each.num_frames for each in found] == [90] * 5
    assert {each.clip for each in found[:2]} == {"a", "b"}
    starts = sorted(each.start_frame for each in found if each.clip == "a")
    assert len(starts) == 4
    assert np.diff(starts).min() >= 90
    assert starts[-1] + 90 <= 400
    assert choose_segments({"a": 50}, 90, 5, seed=0) == []


# --- films and page ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study(corpus, body, tmp_path_factory) -> tuple[StudyMaking, Design]:
    folder = tmp_path_factory.mktemp("study")
    for number, name in enumerate(("ours", "theirs")):
        run = write_run(folder / name, 0.1, number, CLIPS)
        for clip in CLIPS:
            motion = Motion.load(corpus / "smplxflame_30" / f"{clip}.npz")
            replace(motion, poses=motion.poses * 0.5**number).save(run / "motions" / f"{clip}.npz")
    config = StudyMaking(
        runs=(folder / "ours", folder / "theirs"),
        corpus=corpus,
        out=folder / "made",
        truth=False,
        segments=1,
        seconds=1.0,
        participants=2,
        screens=2,
        checks=1,
        size=64,
    )
    return config, make_study(config, body)


def test_films_and_page_are_made_and_a_second_making_changes_nothing(study, body):
    config, design = study
    films = sorted((config.out / "stimuli").iterdir())
    assert sorted(film.name for film in films) == sorted(each.file for each in design.stimuli)
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(films[0]))
    assert frames == 30
    assert seconds == pytest.approx(1, abs=0.1)
    page = (config.out / "index.html").read_text()
    data = json.loads(page.split('type="application/json">')[1].split("</script>")[0])
    assert data["id"] == design.id
    assert [len(plan) for plan in data["plans"]] == [3, 3]
    for name in ("ours", "theirs"):
        assert name not in page  # nobody who looks into the page learns what is what
    before = {path: path.stat().st_mtime_ns for path in films}
    films[0].unlink()  # as of a making that was killed
    make_study(config, body)
    assert films[0].is_file()
    assert all(path.stat().st_mtime_ns == before[path] for path in films[1:])
    with pytest.raises(EmageError, match="another study"):
        make_study(replace(config, screens=3), body)


def test_faults_of_making_are_named(study, corpus, body, tmp_path):
    config, _ = study
    with pytest.raises(EmageError, match="lasts 9 s"):
        make_study(replace(config, seconds=9.0, out=tmp_path), body)
    with pytest.raises(EmageError, match="two systems"):
        replace(config, runs=config.runs[:1])
    with pytest.raises(EmageError, match="even"):
        replace(config, size=65)
    shutil.copytree(config.runs[0], tmp_path / "ours")
    with pytest.raises(EmageError, match="a name of its own"):
        make_study(replace(config, runs=(*config.runs, tmp_path / "ours"), out=tmp_path / "out"), body)


# --- answers ----------------------------------------------------------------------------------------------------------


def write_design(design: Design, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "key.json").write_bytes(scoring.to_json(design))
    return folder


def answer(design: Design, participant: int, choose, careless: bool = False) -> dict:
    """What the page saves; `choose` takes the systems on the left and on the right."""
    system_of = {each.file: each.system for each in design.stimuli}
    answers = []
    for screen in design.plans[participant - 1]:
        if screen.check is None:
            choice = choose(system_of[screen.left], system_of[screen.right])
        else:
            choice = 0 if careless else CHECK_CHOICES[screen.check]
        answers.append({"screen": screen.id, "choice": choice, "seconds": 9})
    return {"study": design.id, "participant": participant, "answers": answers}


def by_strength(rng, strengths):
    return lambda left, right: -1 if rng.uniform() < expit(strengths[left] - strengths[right]) else 2


def score(design, files, folder, **changes) -> scoring.Preferences:
    write_design(design, folder)
    (folder / "answers").mkdir(exist_ok=True)
    for number, file in enumerate(files):
        (folder / "answers" / f"{number:03d}.json").write_text(json.dumps(file))
    given = {"study": folder, "answers": (folder / "answers",), "resamples": 100} | changes
    return scoring.score_study(StudyScoring(**given))


def test_strengths_are_found_again(design, tmp_path):
    rng = np.random.default_rng(1)
    strengths = {"good": 1.0, "middling": 0.0, "poor": -1.0}
    files = [answer(design, number, by_strength(rng, strengths)) for number in range(1, 19)]
    found = score(design, files, tmp_path)
    assert (found.participants, found.answers) == (18, 18 * 20)
    for name, true in strengths.items():
        assert found.strengths[name].value == pytest.approx(true, abs=0.35)
        assert found.strengths[name].low < found.strengths[name].value < found.strengths[name].high
    assert sum(one.value for one in found.strengths.values()) == pytest.approx(0, abs=1e-6)
    pair = next(one for one in found.pairs if (one.first, one.second) == ("good", "poor"))
    assert pair.is_above_chance
    assert pair.chosen + pair.equal + pair.other == 120
    assert pair.chosen > 85
    text = (tmp_path / "preferences.md").read_text()
    assert "| good | poor |" in text
    assert "larger than chance" in text
    assert json.loads((tmp_path / "preferences.json").read_text())["answers"] == 360


def test_strengths_are_those_of_the_model():
    """Of two systems the log-odds of the counts, but for the prior's pull; where nobody prefers, none."""
    wins = np.array([[0, 300.0], [100.0, 0]])
    found = scoring.fit_strengths(wins)
    assert found[0] - found[1] == pytest.approx(np.log(3), abs=0.01)
    # At the maximum the expected choices are those counted, but for the prior.
    three = np.array([[0, 8.0, 9], [4, 0, 7.5], [3, 4.5, 0]])
    strengths = scoring.fit_strengths(three)
    expected = (three + three.T) * expit(strengths[:, None] - strengths)
    assert (expected.sum(1) - three.sum(1)) == pytest.approx(-strengths / scoring.PRIOR_DEVIATION**2, abs=1e-3)
    assert np.isfinite(scoring.fit_strengths(np.array([[0, 50.0], [0, 0]]))).all()
    assert scoring.fit_strengths(np.full((3, 3), 2.0)) == pytest.approx(0, abs=1e-6)


def test_guessing_is_within_chance_and_ties_are_half_for_each(design, tmp_path):
    files = [answer(design, number, lambda left, right: 0) for number in range(1, 19)]
    found = score(design, files, tmp_path)
    assert all(one.value == pytest.approx(0, abs=1e-6) for one in found.strengths.values())
    assert all((one.chosen, one.equal, one.other) == (0, 120, 0) for one in found.pairs)
    assert not any(one.is_above_chance for one in found.pairs)


def test_who_fails_the_checks_is_left_out(design, tmp_path):
    rng = np.random.default_rng(2)
    strengths = dict.fromkeys(SYSTEMS, 0.0) | {"good": 2.0}
    files = [answer(design, number, by_strength(rng, strengths)) for number in range(1, 10)]
    files += [answer(design, number, by_strength(rng, {**strengths, "good": -9}), True) for number in range(10, 19)]
    found = score(design, files, tmp_path)
    assert found.participants == 9
    assert found.left_out["10"] == "3 of 3 attention checks failed"
    assert found.strengths["good"].low > 0
    allowed = score(design, files, tmp_path, failed_checks=3)
    assert allowed.participants == 18
    assert allowed.strengths["good"].value < found.strengths["good"].value
    alone = score(design, files[:1], tmp_path / "alone")
    assert not any(one.is_above_chance for one in alone.pairs)  # however sure one person is
    with pytest.raises(EmageError, match="Nobody passed"):
        score(design, files[9:], tmp_path / "careless")


def test_files_of_answers_are_checked(design, tmp_path):
    good = answer(design, 1, lambda left, right: 1)
    wrong = {
        "another study": {**good, "study": "x"},
        "there are 18": {**good, "participant": 19},
        "was not asked for": {**good, "participant": 2},
        "none of": {**good, "answers": [{**good["answers"][0], "choice": 5}]},
        "two of one": {**good, "answers": [good["answers"][0]] * 2},
        "unknown|more": {**good, "more": 1},
    }
    for number, (words, file) in enumerate(wrong.items()):
        with pytest.raises(EmageError, match=words):
            score(design, [file], tmp_path / str(number))
    with pytest.raises(EmageError, match="no file"):
        score(design, [], tmp_path / "none")


def test_the_commands(study, design, monkeypatch, capsys, tmp_path):
    config, _ = study
    given = ["study", "make", *map(str, config.runs), "--corpus", str(config.corpus), "--out", str(config.out)]
    given += ["--no-truth", "--segments", "1", "--seconds", "1", "--participants", "2", "--screens", "2"]
    monkeypatch.setattr(sys, "argv", ["train.evaluate", *given, "--checks", "1", "--size", "64"])
    evaluate.main()
    assert "2 films of 2 systems for 2 people" in capsys.readouterr().out
    score(design, [answer(design, 1, lambda left, right: 1)], tmp_path)
    command = ["study", "score", str(tmp_path), str(tmp_path / "answers"), "--resamples", "10"]
    monkeypatch.setattr(sys, "argv", ["train.evaluate", *command])
    evaluate.main()
    assert "20 answers of 1 people" in capsys.readouterr().out
