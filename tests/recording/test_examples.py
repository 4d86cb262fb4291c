"""The recordings and motions in assets/examples/, and the rules that made them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from praatio import textgrid

from assets import make_examples
from emage.errors import EmageError
from emage.hints import HintPlan, Hints
from emage.hints.mask import foot_contacts
from emage.motion import ARKIT52, Motion
from emage.motion.skeleton import JAW_JOINT
from emage.recording import examples
from emage.recording.audio import load_audio, num_frames
from emage.recording.examples import EXAMPLES_FOLDER, INDEX, load_examples
from tests.conftest import ROOT
from tests.train.synthetic.conftest import hand_depths
from train.synthetic.phones import from_espeak
from train.synthetic.scenes import Scene, enact
from train.synthetic.speakers import SPEAKERS, VoiceSpec

RECORDINGS = json.loads(INDEX.read_text("utf-8"))["recordings"]
MOTIONS = json.loads(INDEX.read_text("utf-8"))["motions"]
MAX_BYTES = 3_000_000

each_recording = pytest.mark.parametrize("entry", RECORDINGS, ids=lambda entry: entry["id"])
each_motion = pytest.mark.parametrize("entry", RECORDINGS + MOTIONS, ids=lambda entry: entry["id"])


def motion_of(entry: dict) -> Motion:
    return Motion.load(EXAMPLES_FOLDER / entry["motion"])


def tier(entry: dict, name: str) -> list[tuple[float, float, str]]:
    grid = textgrid.openTextgrid(str(EXAMPLES_FOLDER / entry["transcript"]), includeEmptyIntervals=True)
    return [(start, end, label) for start, end, label in grid.getTier(name).entries]


def silences_s(entry: dict, at_least_s: float) -> list[tuple[float, float]]:
    return [(a, b) for a, b, label in tier(entry, "phones") if not label and b - a >= at_least_s]


# --- the folder -------------------------------------------------------------------------------------------------------


def test_the_folder_holds_what_the_index_lists_and_is_small():
    listed = {INDEX.name}
    for entry in RECORDINGS + MOTIONS:
        listed |= {entry[kind] for kind in ("audio", "transcript", "motion", "plan") if kind in entry}
    there = {path.name: path.stat().st_size for path in EXAMPLES_FOLDER.iterdir()}
    assert set(there) == listed
    assert sum(there.values()) < MAX_BYTES


def test_every_file_has_its_origin_and_licence_told():
    told = (ROOT / "assets" / "README.md").read_text("utf-8")
    section = told[told.index("(`examples/`)") :].split("\n## ")[0]
    for entry in RECORDINGS:
        (row,) = [line for line in section.splitlines() if line.startswith(f"| `{entry['id']}`")]
        assert entry["voice"] in row
        assert row.split("|")[-2].strip() in ("CMU Arctic", "espeak-ng")
    for entry in MOTIONS:
        assert f"`{entry['id']}`" in section
    assert "Apache-2.0" in section


def test_the_index_agrees_with_the_script():
    for entry, recording in zip(RECORDINGS, make_examples.RECORDINGS, strict=True):
        assert (entry["id"], entry["title"], entry["text"], entry["language"]) == (
            recording.name, recording.title, recording.plain_text, recording.language,
        )  # fmt: skip
        assert SPEAKERS[entry["speaker"]].number == recording.speaker
    numbers = [speaker.number for speaker in SPEAKERS]
    assert numbers == sorted(numbers)  # as a network's table of speakers is
    assert [entry["id"] for entry in MOTIONS] == [hint.name for hint in make_examples.HINTS]


def test_there_are_different_voices_a_question_and_another_language():
    assert len(RECORDINGS) >= 5
    assert len({entry["voice"] for entry in RECORDINGS}) == len(RECORDINGS)
    assert {entry["voice"].split()[0] for entry in RECORDINGS} == {"flite", "festival", "espeak-ng"}
    assert {entry["language"] for entry in RECORDINGS} > {"en"}
    assert any("?" in entry["text"] and "eight" in entry["text"] for entry in RECORDINGS)


# --- recordings -------------------------------------------------------------------------------------------------------


@each_recording
def test_a_recording_is_plain_sound_as_long_as_its_motion(entry):
    path = EXAMPLES_FOLDER / entry["audio"]
    info = soundfile.info(path)
    assert (info.format, info.samplerate, info.channels) == ("FLAC", 16000, 1)
    audio = load_audio(path)
    assert len(audio) / 16000 == pytest.approx(entry["seconds"], abs=1e-3)
    assert 8 <= entry["seconds"] <= 20
    motion = motion_of(entry)
    assert abs(motion.num_frames - num_frames(len(audio))) <= 1
    loudness = np.sqrt(np.square(audio[: len(audio) // 480 * 480]).reshape(-1, 480).mean(1))
    assert 0.2 < (loudness > 0.01).mean() < 0.95
    assert 0.2 < np.abs(audio).max() < 0.98


@each_recording
def test_a_transcript_has_the_words_of_the_text(entry):
    words = tier(entry, "words")
    said = [label for _, _, label in words if label]
    assert said == [word.strip(",.?!").lower() for word in entry["text"].split()]
    assert words[-1][1] == pytest.approx(entry["seconds"], abs=1e-3)


@each_recording
def test_the_mouth_is_closed_in_pauses_and_opens_for_speech(entry):
    motion, audio = motion_of(entry), load_audio(EXAMPLES_FOLDER / entry["audio"])
    jaw = np.degrees(np.linalg.norm(motion.poses.reshape(-1, 55, 3)[:, JAW_JOINT], axis=1))
    seconds, speech_begins = np.arange(motion.num_frames) / 30, tier(entry, "phones")[0][1]
    closed = 0
    for start_s, end_s in silences_s(entry, 0.3):
        inside = (seconds >= start_s + 0.08) & (seconds <= end_s - 0.06)
        closed += inside.sum()
        assert jaw[inside].max(initial=0) < 1
        assert np.abs(audio[round(16000 * (start_s + 0.05)) : round(16000 * (end_s - 0.05))]).max() < 0.02
    assert closed > 20
    assert speech_begins < 0.5
    voiced = np.zeros(motion.num_frames, bool)
    for start_s, end_s, label in tier(entry, "phones"):
        if label.startswith(("AA", "AE", "AH", "AO", "AY", "EH")):
            voiced |= (seconds >= start_s) & (seconds < end_s)
    assert jaw[voiced].mean() > max(4, 1.5 * jaw[~voiced].mean())


def test_one_has_many_long_pauses():
    (entry,) = [entry for entry in RECORDINGS if entry["id"] == "pauses"]
    assert len(silences_s(entry, 1.0)) >= 5
    assert max(end - start for start, end in silences_s(entry, 1.0)) > 2


# --- motions ----------------------------------------------------------------------------------------------------------


@each_motion
def test_a_motion_stands_moves_and_keeps_its_hands_to_itself(entry, body):
    motion = motion_of(entry)
    assert (motion.fps, motion.expression_basis) == (30, ARKIT52)
    assert motion.duration_s == pytest.approx(entry["seconds"], abs=1 / 30)
    joints = body.joints(motion).astype(np.float64)
    contacts = foot_contacts(joints).astype(bool)
    speed = np.linalg.norm(np.diff(joints[:, [7, 8, 10, 11]], axis=0), axis=-1)
    assert speed[contacts[:-1]].mean() < 0.0008
    assert contacts.any(1).mean() > 0.99
    assert np.ptp(joints[:, 20:22], axis=0).max() > 0.02
    sampled = motion.at(np.arange(15, motion.num_frames, motion.num_frames // 3))
    assert hand_depths(body, sampled).max() < 0
    assert np.abs(body.vertices(motion.frames(0, 1))[0, :, 1].min()) < 0.006
    blinks = motion.expressions[:, 0] > 0.5
    assert 0 < blinks.sum() < 0.3 * motion.num_frames


@pytest.mark.parametrize("hint", make_examples.HINTS, ids=lambda hint: hint.name)
def test_a_motion_for_hints_is_what_the_rules_make_and_its_plan_fits(hint):
    entry = next(entry for entry in MOTIONS if entry["id"] == hint.name)
    stored, made = motion_of(entry), enact(hint.scene)
    assert np.abs(stored.poses - made.poses).max() < 1e-4
    assert np.abs(stored.trans - made.trans).max() < 1e-4
    assert np.abs(stored.expressions - made.expressions).max() < 1e-4
    # Ends as it began, so that it may be played over and over.
    step = np.abs(np.diff(stored.poses.reshape(-1, 55, 3)[:, :22], axis=0)).max()
    assert np.abs(stored.poses[-1] - stored.poses[0]).reshape(55, 3)[:22].max() < max(0.12, step)
    plan = HintPlan.load(EXAMPLES_FOLDER / entry["plan"])
    assert Hints(stored, plan).plan.covers(stored.num_frames).any(0).sum() == sum(
        2 if part == "hands" else 1 for part in hint.parts
    )
    assert stored.num_frames <= min(30 * entry["seconds"] for entry in RECORDINGS)


def test_the_motions_for_hints_show_what_they_are_called(body):
    joints = {entry["id"]: body.joints(motion_of(entry)).astype(np.float64) for entry in MOTIONS}
    wave = joints["wave"]
    waving = wave[50:110]
    assert (waving[:, 21, 1] > waving[:, 17, 1]).all()  # the right wrist above its shoulder
    sides = np.sign(np.diff(waving[:, 21, 0] - waving[:, 19, 0]))
    assert (np.diff(sides) != 0).sum() >= 6  # to and fro, three times
    assert np.abs(wave[:, 20] - wave[0, 20]).max() < 0.05
    hips = joints["hands_on_hips"][60:220]
    for wrist, elbow, hip in ((20, 18, 1), (21, 19, 2)):
        assert np.linalg.norm(hips[:, wrist] - hips[:, hip], axis=-1).max() < 0.3
        assert (np.abs(hips[:, elbow, 0] - hips[:, 0, 0]) > np.abs(hips[:, wrist, 0] - hips[:, 0, 0]) + 0.05).all()
    aside = joints["step_aside"][:, 0]
    assert aside[:, 0].max() - aside[0, 0] > 0.35
    assert np.abs(aside[-1] - aside[0]).max() < 0.02


# --- the loader and the maker -----------------------------------------------------------------------------------------


def test_examples_are_loaded_from_the_index():
    loaded = load_examples()
    assert [example.name for example in loaded] == [entry["id"] for entry in RECORDINGS]
    assert all(example.audio.is_file() and example.motion.is_file() for example in loaded)
    assert [example.text for example in loaded] == [entry["text"] for entry in RECORDINGS]


def test_a_folder_left_out_has_no_examples_and_a_damaged_index_is_named(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(examples, "INDEX", tmp_path / "examples.json")
    assert load_examples() == ()
    for damaged in ("{", "[]", '{"recordings": [{"id": "a"}]}'):
        (tmp_path / "examples.json").write_text(damaged)
        with pytest.raises(EmageError, match=r"examples\.json is damaged"):
            load_examples()


def test_the_notation_is_read():
    voice = VoiceSpec("espeak-ng", "de", rate=0.9)
    phrases, glosses = make_examples.read_text("Guten/good Tag, [1.5] *Welt! Ja.", voice, "the")
    assert [[token.text for token in phrase.tokens] for phrase in phrases] == [["guten", "tag"], ["welt"], ["ja"]]
    assert [phrase.pause_s for phrase in phrases] == [1.5, 0.55, 0.55]
    assert [phrase.rate for phrase in phrases] == [0.9] * 3
    assert glosses == ["good", "the", "the", "the"]
    assert phrases[1].tokens[0].emphasis
    assert make_examples.read_text("I see.", voice, "")[1] == ["i", "see"]
    recording = replace(make_examples.RECORDINGS[0], text="Guten/good Tag, [1.5] *Welt!")
    assert recording.plain_text == "Guten Tag, Welt!"


def test_voices_are_made_equally_loud():
    tone = np.sin(np.arange(16000, dtype=np.float32))
    quiet = np.concatenate([0.01 * tone, np.zeros(16000, np.float32)])
    loud = make_examples.levelled(np.concatenate([0.5 * tone, np.zeros(8000, np.float32)]))
    assert np.std(loud[:16000]) == pytest.approx(np.std(make_examples.levelled(quiet)[:16000]), rel=0.01)
    click = np.zeros(16000, np.float32)
    click[::480] = 0.1
    assert np.abs(make_examples.levelled(click)).max() == pytest.approx(0.95)


def test_other_languages_have_mouths_of_their_own():
    assert from_espeak("ts", "de") == "s"
    assert (from_espeak("a"), from_espeak("a", "de")) == ("ae", "aa")
    assert from_espeak("m", "de") == from_espeak("m") == "m"


def test_a_scene_goes_where_it_is_sent_and_is_still_without():
    still = enact(Scene(2.0, seed=1))
    assert still.num_frames == 60
    assert np.ptp(still.trans, axis=0).max() < 0.03
    gone = enact(Scene(4.0, seed=1, walks=[(0.5, 0.0, 0.4, 0.0)], head=[(0.5, 0, 0, 0), (1.0, 0, 25, 0)]))
    assert gone.trans[-1, 2] - gone.trans[0, 2] == pytest.approx(0.4, abs=0.03)
    turn = (gone.poses - np.resize(still.poses[:1], gone.poses.shape)).reshape(-1, 55, 3)[:, [12, 15], 1].sum(1)
    assert np.degrees(turn[45:]).mean() == pytest.approx(25, abs=8)
