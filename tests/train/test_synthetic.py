"""The synthetic corpus: motion from hand-made times, files and resuming; speech where a synthesizer is installed."""

import csv
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from praatio import textgrid
from scipy.ndimage import minimum_filter1d
from scipy.spatial import KDTree

from emage.body import Body
from emage.body.model import STAND_IN_FILE
from emage.evaluation.metrics import joint_speed
from emage.hints.mask import foot_contacts
from emage.motion import ARKIT52, FPS, Motion
from emage.motion.skeleton import ARKIT_ACTIONS, PARENTS
from tests.conftest import ROOT
from train.synthetic import corpus
from train.synthetic.arms import BEAT
from train.synthetic.compose import Performance, perform
from train.synthetic.errors import CorpusError
from train.synthetic.face import closed_spans_s
from train.synthetic.gestures import GESTURES, SHAPES, finger_turns, gestures_for
from train.synthetic.grammar import sentence, tokens, vocabulary
from train.synthetic.kinematics import (
    arm_bones,
    axis_angle_of,
    leg_bones,
    matrix_of,
    pose_arm,
    rest_joints,
    turned,
    unit,
)
from train.synthetic.phones import PHONES, SILENCE, VOWELS, from_espeak
from train.synthetic.speakers import SPEAKERS
from train.synthetic.timing import Phone, Times, Word

_VOWEL_OF = {"a": "ae", "e": "eh", "i": "ih", "o": "aa", "u": "ah", "y": "iy"}
_CONSONANT_OF = {"c": "k", "h": "hh", "j": "jh", "q": "k", "x": "k"}


def make_times(text: str, speaker: int = 1, seed: int = 0, name: str = "1_anna_0_1_1") -> Times:
    """Times of `text` in the grammar's notation without a synthesizer: a phone a letter, 0.8 s pauses at signs."""
    words, phones, at = [], [Phone(SILENCE, 0, 500)], 500
    for i, token in enumerate(tokens(text)):
        start, is_first_vowel = at, True
        for letter in token.text:
            label = _VOWEL_OF.get(letter) or _CONSONANT_OF.get(letter, letter)
            length = 110 if label in VOWELS else 70
            phones.append(Phone(label, at, at + length, label in VOWELS and is_first_vowel, i))
            is_first_vowel = is_first_vowel and label not in VOWELS
            at += length
        words.append(Word(token.text, start, at, token.emphasis, token.ending))
        if token.ending:
            phones.append(Phone(SILENCE, at, at + 800))
            at += 800
    return Times(name, speaker, seed, at * 16, tuple(words), tuple(phones))


def grammar_text(seed: int, count: int = 7) -> str:
    rng = np.random.default_rng(seed)
    return " ".join(
        ("*" if token.emphasis else "") + token.text + token.ending for _ in range(count) for token in sentence(rng)
    )


@pytest.fixture(scope="module")
def stand_in() -> Body:
    return Body.from_file(STAND_IN_FILE)


@pytest.fixture(scope="module")
def clips() -> list[tuple[Times, Performance]]:
    """Half a minute of every speaker."""
    times = [make_times(grammar_text(s.number), s.number, s.number) for s in SPEAKERS]
    return [(clip, perform(clip)) for clip in times]


@pytest.fixture(scope="module")
def positions(clips, stand_in) -> list[np.ndarray]:
    return [stand_in.joints(performance.motion).astype(np.float64) for _, performance in clips]


# --- determinism and times --------------------------------------------------------------------------------------------


def test_motion_follows_from_times_and_seed_alone(tmp_path: Path):
    times = make_times("no, i saw a *big house over there.", 3, seed=5)
    times.save(tmp_path / "times.json")
    first, again = perform(times), perform(Times.load(tmp_path / "times.json"))
    for key in ("poses", "trans", "expressions"):
        assert np.array_equal(getattr(first.motion, key), getattr(again.motion, key))
    other = perform(replace(times, seed=6))
    assert not np.array_equal(first.motion.poses, other.motion.poses)
    assert perform(replace(times, speaker=4)).motion.num_frames == first.motion.num_frames == times.num_frames
    assert first.motion.expression_basis == ARKIT52


def test_times_refuse_gaps_unknown_phones_and_foreign_files(tmp_path: Path):
    times = make_times("you and me.")
    with pytest.raises(CorpusError, match="does not begin where the last one ended"):
        replace(times, phones=(*times.phones[:3], *times.phones[4:]))
    with pytest.raises(CorpusError, match="belongs to no word"):
        replace(times, words=())
    with pytest.raises(CorpusError, match="format 1"):
        Times.from_json({**times.to_json(), "format": 2})
    with pytest.raises(CorpusError, match="lacks or garbles"):
        Times.from_json({**times.to_json(), "words": [["a", 1]]})
    (tmp_path / "no.json").write_text("{")
    with pytest.raises(CorpusError, match="cannot be read"):
        Times.load(tmp_path / "no.json")


def test_accents_lie_on_the_stressed_vowel():
    times = make_times("banana.")
    assert times.accent_s(0) == pytest.approx(0.57)  # after the silence and the b
    later = [replace(p, is_stressed=i == 4) for i, p in enumerate(times.phones)]
    assert replace(times, phones=tuple(later)).accent_s(0) == pytest.approx(times.phones[4].start_ms / 1000)


# --- arms -------------------------------------------------------------------------------------------------------------


def test_strokes_end_on_stressed_vowels(clips, positions):
    checked, stood = 0, 0
    for (times, performance), joints in zip(clips, positions, strict=True):
        assert len(performance.strokes) > times.duration_s / 4
        for stroke in performance.strokes:
            assert stroke.apex_s == times.accent_s(stroke.word)
            for hand in stroke.hands:
                wrist = {"left": 20, "right": 21}[hand]
                # Seen from the chest, for steps and sways move the hands too.
                speed = np.linalg.norm(np.diff(joints[:, wrist] - joints[:, 9], axis=0), axis=-1) * 30
                apex = round(stroke.apex_s * 30)
                before = speed[max(apex - 12, 0) : apex]
                checked += 1
                stood += speed[max(apex - 1, 0) : apex + 2].min() < 0.5 * before.max()
    assert checked > 150
    assert stood / checked > 0.9


def test_words_get_the_gestures_of_the_dictionary():
    said = "three, stop, up, we, left, right, phone, huge, tiny, open, money, yes."
    wanted = ["three", "stop", "up", "we", "left", "right", "phone", "big", "small", "open", "money", "yes"]
    found = dict.fromkeys(wanted, 0)
    for seed in range(6):
        strokes = perform(make_times(said, 1, seed)).strokes
        for stroke in strokes:
            assert stroke.gesture == wanted[stroke.word]
            found[stroke.gesture] += 1
    assert min(found.values()) >= 3
    assert len(GESTURES) >= 40
    assert sum(bool(gestures_for(word)) for word in vocabulary()) >= 150


def test_gestures_look_like_what_they_mean(stand_in):
    """At the stroke's end: fingers count, arms point and open."""
    emphatic = make_times("*three, *up, *huge, *left, *down, *me.", 1, 1)
    performance = perform(emphatic)
    joints = stand_in.joints(performance.motion)
    at = {s.gesture: (round(s.apex_s * 30) + 2, s.hands[0]) for s in performance.strokes}
    assert set(at) == {"three", "up", "big", "left", "down", "self"}
    frame, hand = at["three"]
    first = 25 if hand == "left" else 40
    bend = np.linalg.norm(performance.motion.poses[frame].reshape(55, 3)[first : first + 12], axis=-1)
    index, middle, pinky, ring = bend[1], bend[4], bend[7], bend[10]
    assert max(index, middle, ring) < 0.35 < 1.2 < pinky
    head, chest = joints[:, 15], joints[:, 9]
    wrist = {"left": joints[:, 20], "right": joints[:, 21]}
    frame, hand = at["up"]
    assert wrist[hand][frame, 1] > head[frame, 1] - 0.05
    frame, hand = at["down"]
    assert wrist[hand][frame, 1] < chest[frame, 1] - 0.1
    frame, _ = at["big"]
    assert np.linalg.norm(wrist["left"][frame] - wrist["right"][frame]) > 0.65
    frame, hand = at["left"]
    assert hand == "left"
    assert wrist["left"][frame, 0] - chest[frame, 0] > 0.4
    frame, hand = at["self"]
    assert np.linalg.norm((wrist[hand] - chest)[frame, [0, 2]]) < 0.3


def test_other_accents_get_beats_and_speakers_differ(clips):
    neutral = "doctor paper summer market coffee winter village kitchen teacher language."
    strokes = [s for n in range(4) for s in perform(make_times(neutral, 5, n)).strokes]
    assert len(strokes) >= 8
    assert {s.gesture for s in strokes} == {BEAT}
    assert {s.hands for s in strokes} >= {("right",), ("right", "left")}
    sizes = [np.ptp(performance.motion.poses[:, 48:54], axis=0).sum() for _, performance in clips]
    assert np.std(sizes) > 0.05 * np.mean(sizes)


def test_hands_are_livelier_in_speech_than_in_its_pauses(clips, positions):
    speaking, pausing = [], []
    for (times, _), joints in zip(clips, positions, strict=True):
        speed = joint_speed(joints[:, [20, 21]]).mean(1)
        seconds = np.arange(len(speed)) / FPS
        silent = np.any([(seconds >= a) & (seconds < b) for a, b in times.silences_s(0.3)], axis=0)
        speaking.append(speed[~silent])
        pausing.append(speed[silent])
    assert np.concatenate(speaking).mean() > 1.2 * np.concatenate(pausing).mean()


def at_rest() -> Motion:
    """A frame in the T-pose."""
    return Motion(np.zeros((1, 165)), np.zeros((1, 100)), np.zeros((1, 3)), np.zeros(300), expression_basis=ARKIT52)


def hand_depths(body: Body, motion: Motion) -> np.ndarray:
    """(T,) metres that the deepest vertex of a hand lies under the skin of trunk, head or legs; negative: clear."""
    owner = np.load(STAND_IN_FILE)["weights"].argmax(1)
    # Skin and clothes alone: brows, lids, lips and teeth have vertices that face inwards.
    is_skin = body.vertex_colors[:, 3] < 0.51
    core = np.flatnonzero(np.isin(owner, [0, 1, 2, 3, 4, 5, 6, 9, 12, 15, 22]) & is_skin)
    hands = np.flatnonzero(np.isin(owner, [20, 21, *range(25, 55)]))[::4]
    faces, depths = body.faces, []
    for vertices in body.vertices(motion):
        a, b, c = (vertices[faces[:, i]] for i in range(3))
        across, normals = np.cross(b - a, c - a), np.zeros((len(vertices), 3))
        for axis in range(3):
            normals[:, axis] = np.bincount(faces.T.ravel(), np.tile(across[:, axis], 3), len(vertices))
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        distance, nearest = KDTree(vertices[core]).query(vertices[hands])
        at = core[nearest]
        depth = -((vertices[hands] - vertices[at]) * normals[at]).sum(1)
        depths.append(depth[distance < 0.12].max(initial=-1))
    return np.array(depths)


def at_frames(motion: Motion, frames: np.ndarray) -> Motion:
    return replace(
        motion, poses=motion.poses[frames], expressions=motion.expressions[frames], trans=motion.trans[frames]
    )


def test_hands_stay_outside_the_body(clips, stand_in):
    depths = [
        hand_depths(stand_in, at_frames(performance.motion, np.arange(15, performance.motion.num_frames, 36)))
        for _, performance in clips
    ]
    assert sum(map(len, depths)) > 200
    assert max(depth.max() for depth in depths) < 0


def test_a_hand_in_the_body_would_be_found(stand_in):
    zero = np.zeros(1)
    arm = pose_arm(np.array([[0.12, -0.25, 0.05]]), zero, zero, zero, zero, zero)
    poses = np.zeros((1, 55, 3))
    for joint, turn in zip((13, 16, 18), (arm.collar_turn, arm.shoulder_turn, arm.elbow_turn), strict=True):
        poses[:, joint] = axis_angle_of(turn)
    motion = Motion(poses.reshape(1, -1), np.zeros((1, 100)), np.zeros((1, 3)), np.zeros(300), expression_basis=ARKIT52)
    assert hand_depths(stand_in, motion)[0] > 0.02


# --- limits and smoothness --------------------------------------------------------------------------------------------

_LIMITS_DEG = {  # the largest turn of a joint from rest
    3: 20, 6: 20, 9: 20, 12: 30, 15: 40, 13: 32, 14: 32, 16: 125, 17: 125, 18: 165, 19: 165, 20: 85, 21: 85,
    1: 55, 2: 55, 4: 75, 5: 75, 7: 45, 8: 45, 10: 8, 11: 8, 22: 16, 23: 1, 24: 1,
}  # fmt: skip


def test_no_joint_leaves_its_range(clips, positions):
    assert sum(times.duration_s for times, _ in clips) > 300
    for (_, performance), joints in zip(clips, positions, strict=True):
        turns = performance.motion.poses.reshape(-1, 55, 3).astype(np.float64)
        angle = np.degrees(np.linalg.norm(turns, axis=-1)).max(0)
        for joint, limit in _LIMITS_DEG.items():
            assert angle[joint] < limit, f"joint {joint} turns {angle[joint]:.0f} degrees"
        assert angle[25:].max() < 100
        for shoulder, elbow, wrist in ((16, 18, 20), (17, 19, 21)):
            inner = _angle(joints[:, shoulder] - joints[:, elbow], joints[:, wrist] - joints[:, elbow])
            assert 28 < inner.min() < inner.max() < 178
        for hip, knee, ankle in ((1, 4, 7), (2, 5, 8)):
            inner = _angle(joints[:, hip] - joints[:, knee], joints[:, ankle] - joints[:, knee])
            assert inner.min() > 100
        # Fingers bend to the palm, not over the back of the hand (the left's bend about -z, the right's about z).
        for first, sign in ((25, -1), (40, 1)):
            for finger in range(4):
                bend = sign * turns[:, first + 3 * finger + 1, 2]
                assert np.degrees(bend.min()) > -3


def test_elbows_and_knees_bend_one_way(clips):
    """Elbows fold to the front of the upper arm, knees to the back of the thigh."""
    joints = rest_joints()
    for _, performance in clips:
        turns = matrix_of(performance.motion.poses.reshape(-1, 55, 3).astype(np.float64))
        for joint, child in ((18, 20), (19, 21)):
            folded = np.einsum("tij,j->ti", turns[:, joint], joints[child] - joints[joint])
            assert folded[:, 2].min() > -0.03  # in the frame of the upper arm forwards is +z
            assert np.abs(folded[:, 1]).max() < 0.05  # a hinge: nothing sideways
        for joint, child in ((4, 7), (5, 8)):
            folded = np.einsum("tij,j->ti", turns[:, joint], joints[child] - joints[joint])
            assert folded[:, 2].max() < 0.0


def _angle(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    cosine = (one * other).sum(-1) / (np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1))
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def test_motion_is_smooth(clips, positions):
    for (_, performance), joints in zip(clips, positions, strict=True):
        turns = matrix_of(performance.motion.poses.reshape(-1, 55, 3)[:, :22].astype(np.float64))
        step = axis_angle_of(turns[:-1].swapaxes(-1, -2) @ turns[1:])
        assert np.degrees(np.linalg.norm(step, axis=-1)).max() < 25
        speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1) * 30
        assert speed[:, 20:22].max() < 4.5
        jerk = np.linalg.norm(np.diff(joints[:, :22], n=3, axis=0), axis=-1) * 30**3
        assert 3 < jerk.mean() < 40  # m/s3; 29 in a clip of BEAT2
        assert speed[:, 20:22].mean() > 0.04


# --- face -------------------------------------------------------------------------------------------------------------


def test_the_mouth_is_closed_in_silence_and_on_bilabials(clips):
    opening = [ARKIT_ACTIONS.index(name) for name in ("mouthFunnel", "mouthLowerDownLeft", "mouthUpperUpRight")]
    for times, performance in clips:
        jaw = np.degrees(np.linalg.norm(performance.motion.poses[:, 66:69], axis=1))
        seconds = np.arange(times.num_frames) / 30
        in_pauses = bilabials = 0
        for start_s, end_s in times.silences_s(0.3):
            inside = (seconds >= start_s + 0.08) & (seconds <= end_s - 0.06)
            in_pauses += inside.sum()
            assert jaw[inside].max(initial=0) < 1
            assert performance.motion.expressions[inside][:, opening].max(initial=0) < 0.02
        for phone in times.phones:
            if phone.label in ("m", "b", "p"):
                inside = (seconds * 1000 >= phone.start_ms) & (seconds * 1000 < phone.end_ms)
                bilabials += inside.sum()
                assert jaw[inside].max(initial=0) < 1
        assert in_pauses > 60
        assert bilabials > 5
        assert jaw.max() > 7
        assert not performance.motion.expressions[:, ARKIT_ACTIONS.index("jawOpen")].any()


def test_open_vowels_open_the_mouth_more_than_close_ones():
    def opening(vowel: str) -> float:
        times = make_times("tat.")
        phones = tuple(replace(p, label=vowel) if p.label == "ae" else p for p in times.phones)
        return float(perform(replace(times, phones=phones)).motion.poses[:, 66].max())

    assert opening("aa") > opening("eh") > opening("iy") > 0.02
    assert opening("aa") < 0.28


def test_faces_blink_look_and_raise_brows(clips):
    for times, performance in clips:
        face = performance.motion.expressions
        assert face.shape[1] == 100
        assert 0 <= face.min() <= face.max() <= 1
        lids = face[:, ARKIT_ACTIONS.index("eyeBlinkLeft")]
        blinks = int(((lids[1:] > 0.5) & (lids[:-1] <= 0.5)).sum())
        assert 4 < blinks * 60 / times.duration_s < 50
        assert face[:, ARKIT_ACTIONS.index("browInnerUp")].max() > 0.2
        assert face[:, ARKIT_ACTIONS.index("eyeLookOutLeft")].max() > 0.05
        assert not face[:, 52:].any()


def test_no_shakes_the_head_and_yes_nods_it():
    def turning(text: str, axis: int) -> float:
        ranges = []
        for seed in range(5):
            times = make_times(text, 4, seed)
            pose = perform(times).motion.poses.reshape(-1, 55, 3)
            at = round(times.accent_s(0) * 30)
            ranges.append(np.ptp(pose[at - 4 : at + 20, 15, axis]))
        return float(np.median(ranges))

    assert turning("no.", 1) > 1.5 * turning("yes.", 1)
    assert turning("yes.", 0) > 1.5 * turning("table.", 0)


def test_closed_spans_hold_the_silences():
    times = make_times("a mama.")
    spans = closed_spans_s(times)
    assert spans[0] == (pytest.approx(0.07), pytest.approx(0.45))
    assert len(spans) == 4  # two silences, two m


# --- legs -------------------------------------------------------------------------------------------------------------


def test_feet_stand_still_and_on_the_floor(clips, positions, stand_in):
    walked = []
    for (_, performance), joints in zip(clips, positions, strict=True):
        contacts = foot_contacts(joints).astype(bool)
        speed = np.linalg.norm(np.diff(joints[:, [7, 8, 10, 11]], axis=0), axis=-1)
        standing = speed[contacts[:-1]]
        assert np.percentile(standing, 90) < 0.001
        assert standing.mean() < 0.0008
        assert contacts.mean() > 0.75
        assert contacts.any(1).mean() > 0.99  # somebody who walks has a foot on the floor
        assert joints[:, 10:12, 1].min() > 0.003  # inside the shoe's sole
        part = performance.motion.frames(0, 1)
        assert abs(stand_in.vertices(part)[0, :, 1].min()) < 0.006
        walked.append(np.ptp(performance.motion.trans[:, [0, 2]], axis=0).max())
        assert walked[-1] < 2
    assert sum(reach > 0.15 for reach in walked) >= 6


def soles_of(body: Body, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (n, 3) under the heel and under the front of a foot: those that face down at rest."""
    rest, faces = body.vertices(at_rest())[0].astype(np.float64), body.faces
    owner = np.load(STAND_IN_FILE)["weights"].argmax(1)[faces]
    normals = np.cross(rest[faces[:, 1]] - rest[faces[:, 0]], rest[faces[:, 2]] - rest[faces[:, 0]])
    is_below = (normals[:, 1] < -0.95 * np.linalg.norm(normals, axis=1)) & (rest[faces, 1].max(1) < -1.27)
    joints = {"left": (7, 10), "right": (8, 11)}[side]
    heel, front = (faces[(owner == joint).all(1) & is_below] for joint in joints)
    return heel, front


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_soles_slope_at_rest(stand_in, side):
    """So that what lies flat does so because it is turned."""
    vertices = stand_in.vertices(at_rest())
    heel, front = soles_of(stand_in, side)
    assert 2 < slope_deg(vertices, heel)[0] < 4
    assert 7 < slope_deg(vertices, front)[0] < 10


def slope_deg(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(T,) between the mean normal of triangles (n, 3) of vertices (T, V, 3) and straight down."""
    a, b, c = (vertices[:, triangles[:, i]].astype(np.float64) for i in range(3))
    return np.degrees(np.arccos(np.clip(-unit(np.cross(b - a, c - a).sum(1))[:, 1], -1, 1)))


@pytest.mark.parametrize("side", ["left", "right"])
def test_soles_lie_flat_on_the_floor_where_a_foot_stands(clips, positions, stand_in, side):
    heel, front = soles_of(stand_in, side)
    assert min(len(heel), len(front)) > 40
    columns = {"left": [0, 2], "right": [1, 3]}[side]
    for (_, performance), joints in zip(clips[::3], positions[::3], strict=True):
        contacts = foot_contacts(joints)[:, columns].all(1)
        # The rule takes the first and last frames of a step, which are slow, for standing.
        stands = np.flatnonzero(minimum_filter1d(contacts, 9))[::40]
        assert len(stands) > 10
        vertices = stand_in.vertices(at_frames(performance.motion, stands))
        for part in (heel, front):
            assert slope_deg(vertices, part).max() < 2
            # One triangle in some hundreds is the shoe's edge.
            assert np.percentile(np.abs(vertices[:, np.unique(part), 1]), 98, axis=1).max() < 0.003


def test_no_sole_goes_through_the_floor(clips, stand_in):
    for _, performance in clips:
        assert stand_in.soles(performance.motion)[..., 1].min() > -0.002


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_limb_bends_about_its_hinge_alone_and_reaches(side):
    rng = np.random.default_rng(3)
    for bones in (arm_bones(side), leg_bones(side)):
        target = unit(rng.normal(size=(40, 3))) * rng.uniform(0.5, 0.99, (40, 1)) * bones.longest_m
        limb = bones.solve(np.zeros(3), target, rng.normal(size=(40, 3)))
        assert np.abs(limb.end - target).max() < 1e-9
        assert np.abs(turned(limb.upper, bones.upper) - limb.middle).max() < 1e-9
        assert np.abs(limb.middle + turned(limb.lower, bones.lower) - target).max() < 1e-9
        bend = limb.upper.swapaxes(1, 2) @ limb.lower
        assert np.abs(turned(bend, bones.hinge) - bones.hinge).max() < 1e-9


def test_the_lowest_point_stays_on_the_floor(clips, stand_in):
    _, performance = clips[4]
    motion = performance.motion
    part = at_frames(motion, np.arange(0, motion.num_frames, 25))
    lowest = stand_in.vertices(part)[:, :, 1].min(1)
    assert np.abs(lowest).max() < 0.01


# --- hands and skeleton -----------------------------------------------------------------------------------------------


def test_rest_joints_are_the_stand_ins(stand_in):
    assert np.abs(stand_in.joints(at_rest())[0] - rest_joints()).max() < 1e-4
    assert PARENTS[20] == 18


def test_finger_shapes_curl_towards_the_palm():
    for side in ("left", "right"):
        fist = finger_turns(SHAPES["fist"].vector()[None], side)[0].reshape(15, 3)
        flat = finger_turns(SHAPES["flat"].vector()[None], side)[0].reshape(15, 3)
        assert (fist[:12, 2] < -0.9).all()  # a left finger bends about -z
        assert np.abs(flat[:12]).max() < 0.15


def test_an_arm_reaches_where_it_is_sent():
    rng = np.random.default_rng(0)
    place = rng.uniform([0.1, -0.3, 0.15], [0.35, 0.1, 0.3], (50, 3))
    zero = np.zeros(50)
    for side in ("left", "right"):
        arm = pose_arm(place, zero, zero, zero, zero, zero, side)
        assert np.abs(arm.wrist - place).max() < 1e-9
    far = pose_arm(place * 10, zero, zero, zero, zero, zero)  # out of reach: as near as it goes, and finite
    assert np.isfinite(far.shoulder_turn).all()


# --- files ------------------------------------------------------------------------------------------------------------

_NAMES = ("1_anna_0_1_1", "3_clara_0_1_1", "3_clara_0_2_2", "8_henry_0_3_3")


@pytest.fixture(scope="module")
def compact(tmp_path_factory) -> Path:
    """The compact form of four clips, without a synthesizer."""
    folder = tmp_path_factory.mktemp("compact")
    rng = np.random.default_rng(0)
    for name in _NAMES:
        times = make_times(grammar_text(len(name), 2), int(name.split("_")[0]), 7, name)
        times.save(folder / f"{name}.json")
        with soundfile.SoundFile(folder / f"{name}.ogg", "w", 16000, 1, format="OGG", subtype="OPUS") as sound:
            sound.write(0.1 * rng.standard_normal(times.num_samples).astype(np.float32))
    (folder / corpus.SETTINGS_FILE).write_text('{"seed": 0, "format": 1}\n')
    return folder


@pytest.fixture(scope="module")
def rebuilt(compact, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("rebuilt")
    corpus.rebuild_corpus(corpus.RebuildSettings(compact, out, processes=1))
    return out


def files_of(folder: Path) -> dict[str, bytes]:
    wanted = [*corpus.FOLDERS, corpus.SPLIT_FILE]
    paths = [p for top in wanted for p in ((folder / top).rglob("*") if (folder / top).is_dir() else [folder / top])]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()}


def arrays_of(folder: Path) -> dict[str, np.ndarray]:
    return {
        f"{path.stem}.{key}": getattr(Motion.load(path), key)
        for path in sorted((folder / "smplxflame_30").glob("*.npz"))
        for key in ("poses", "trans", "expressions")
    }


def test_a_corpus_has_beat2s_layout(rebuilt, compact):
    for name in _NAMES:
        times = Times.load(compact / f"{name}.json")
        motion = Motion.load(rebuilt / "smplxflame_30" / f"{name}.npz")
        samples, rate_hz = soundfile.read(rebuilt / "wave16k" / f"{name}.wav")
        assert (rate_hz, len(samples)) == (16000, times.num_samples)
        assert motion.num_frames == round(len(samples) * 30 / 16000)
        assert (motion.fps, motion.expression_basis) == (30, ARKIT52)
        grid = textgrid.openTextgrid(str(rebuilt / "textgrid" / f"{name}.TextGrid"), includeEmptyIntervals=True)
        assert grid.tierNames == ("words", "phones")
        spoken = [entry for entry in grid.getTier("words").entries if entry.label]
        assert [entry.label for entry in spoken] == [word.text for word in times.words]
        assert spoken[0].start == pytest.approx(times.words[0].start_ms / 1000)
        labels = {entry.label for entry in grid.getTier("phones").entries if entry.label}
        assert labels & {"AE1", "EH1", "IH1"}
        lines = (rebuilt / "sem" / f"{name}.txt").read_text().splitlines()
        strokes = perform(times).strokes
        assert [line.split("\t")[-1] for line in lines] == [times.words[s.word].text for s in strokes]
    with (rebuilt / corpus.SPLIT_FILE).open() as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["id", "type"]
    assert dict(rows[1:]) == dict(zip(_NAMES, ("train", "train", "val", "test"), strict=True))


def test_a_rebuilt_motion_is_the_motion_of_its_times(rebuilt, compact):
    """Bit for bit, in another process than this one."""
    arrays = arrays_of(rebuilt)
    for name in _NAMES:
        expected = perform(Times.load(compact / f"{name}.json")).motion
        for key in ("poses", "trans", "expressions"):
            assert np.array_equal(arrays[f"{name}.{key}"], getattr(expected, key))


def test_a_killed_run_goes_on_to_the_same_files(rebuilt, compact, tmp_path):
    """By two processes, killed without warning after the first clip."""
    command = [sys.executable, "-m", "train.synthetic", "rebuild", "--compact", str(compact), "--out", str(tmp_path)]
    process = subprocess.Popen(
        [*command, "--processes", "2"], cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 90
    while not list(tmp_path.glob("smplxflame_30/*.npz")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (tmp_path / "wave16k" / ".1_anna_0_1_1.half.wav").write_bytes(b"half")
    subprocess.run([*command, "--processes", "2"], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    expected, found = files_of(rebuilt), files_of(tmp_path)
    assert sorted(expected) == sorted(found)
    for name, content in expected.items():
        if not name.endswith(".npz"):  # a zip carries the time of writing
            assert found[name] == content, name
    for key, array in arrays_of(rebuilt).items():
        assert np.array_equal(array, arrays_of(tmp_path)[key]), key


def test_foreign_and_damaged_folders_are_refused(compact, tmp_path):
    with pytest.raises(CorpusError, match="cannot be read"):
        corpus.rebuild_corpus(corpus.RebuildSettings(tmp_path, tmp_path / "out"))
    (tmp_path / corpus.SETTINGS_FILE).write_text('{"seed": 4}')
    with pytest.raises(CorpusError, match="another folder"):
        corpus.make_corpus(corpus.CorpusSettings(out=tmp_path, hours=0.01))
    with pytest.raises(CorpusError, match="no clip"):
        corpus.Clip.from_name("3_anna_0_1_1")
    with pytest.raises(CorpusError, match="hours"):
        corpus.CorpusSettings(out=tmp_path, hours=0)
    mixed = tmp_path / "mixed"
    shutil.copytree(compact, mixed)
    shutil.copy(mixed / f"{_NAMES[0]}.ogg", mixed / f"{_NAMES[1]}.ogg")
    corpus._prepare(tmp_path / "built", {})
    with pytest.raises(CorpusError, match="do not belong together"):
        corpus._build_clip(corpus.Clip.from_name(_NAMES[1]), mixed, tmp_path / "built")


def test_two_hours_have_every_speaker_in_every_split():
    clips = corpus.clips_of(2)
    assert abs(len(clips) * corpus.CLIP_S - 7200) < 60
    for split in ("train", "val", "test"):
        assert {clip.speaker for clip in clips if clip.split == split} == {s.number for s in SPEAKERS}
    assert corpus.clips_of(1) == clips[: len(corpus.clips_of(1))]
    assert len(SPEAKERS) >= 8
    assert len({s.habits for s in SPEAKERS}) == len(SPEAKERS)


# --- speech -----------------------------------------------------------------------------------------------------------


def test_every_phone_of_the_times_has_a_mouth():
    from train.synthetic.face import _VISEMES

    assert set(_VISEMES) == PHONES
    with pytest.raises(CorpusError, match="phones.py does not know"):
        from_espeak("nonsense")


def test_the_grammar_speaks_in_plain_words():
    rng = np.random.default_rng(0)
    for _ in range(300):
        words = sentence(rng)
        assert words[-1].ending in {".", "?", "!"}
        assert all(word.text.isalpha() and word.text.islower() for word in words)
        assert not any(word.ending in {".", "?", "!"} for word in words[:-1])


def test_festivals_and_espeaks_reports_are_read(tmp_path):
    from train.synthetic import speech

    soundfile.write(tmp_path / "a.wav", np.zeros(16000), 16000)
    report = "pau 0.2 0 0\nn 0.3 1 _1\now 0.5 1 _1\nn 0.55 1 _2\now 0.9 1 _2\npau 1.0 0 0"
    read = speech._read_festival(report, tmp_path / "a.wav")
    assert [phone.word for phone in read.phones] == [-1, 0, 0, 1, 1, -1]  # two words that sound the same
    assert read.phones[2].end_s == 0.5
    shared = speech._share([("V", 0, 1), ("v", 1, 2), ("dh", 2, 3), ("ax", 3, 4)], [(2, 0), (2, 0)], 5)
    assert [phone.word for phone in shared] == [5, 5, 6, 6]
    assert [phone.is_stressed for phone in shared] == [False, False, False, True]


def test_emphasis_makes_a_word_louder_and_longer():
    from train.synthetic import speech

    tone = 0.3 * np.sin(2 * np.pi * 150 * np.arange(16000) / 16000).astype(np.float32)
    phones = (
        speech.SpokenPhone("aa", 0, 0.4, True, 0),
        speech.SpokenPhone("aa", 0.4, 0.7, True, 1),
        speech.SpokenPhone("aa", 0.7, 1.0, True, 2),
    )
    phrase = speech.Phrase(tokens("one *two three."), 0.1)
    said = speech._emphasised(phrase, speech.SpokenPhrase(tone, 16000, phones))
    assert said.phones[1].end_s - said.phones[1].start_s == pytest.approx(0.36)
    assert said.phones[2].end_s == pytest.approx(1.06) == pytest.approx(len(said.audio) / 16000)
    loud = [said.audio[round(16000 * (p.start_s + 0.05)) : round(16000 * (p.end_s - 0.05))].std() for p in said.phones]
    assert 1.3 * loud[0] < loud[1] < 1.8 * loud[0]


def is_installed(engine: str) -> bool:
    if engine == "festival":
        return shutil.which("festival") is not None
    try:
        ctypes.CDLL({"flite": "libflite.so.1", "espeak-ng": "libespeak-ng.so.1"}[engine])
    except OSError:
        return False
    return True


@pytest.mark.parametrize("engine", ["espeak-ng", "flite", "festival"])
def test_a_synthesizer_speaks_the_words_in_time(engine):
    from train.synthetic import speech

    speaker = next(s for s in SPEAKERS if s.voice.engine == engine and not s.voice.name.startswith("cmu_us"))
    words = tokens("one of the *big houses is over there, maybe not.")
    rng = np.random.default_rng(1)
    phrases = speech.phrases_of([words], speaker.voice, rng)
    if not is_installed(engine):
        # Without it: the error names what to install.
        with pytest.raises(CorpusError, match="apt-get install"):
            speech.speak("1_x", speaker.number, 0, speaker.voice, phrases)
        return
    audio, times = speech.speak("1_x", speaker.number, 0, speaker.voice, phrases)
    assert [word.text for word in times.words] == [token.text for token in words]
    assert len(audio) == times.num_samples == pytest.approx(16 * times.phones[-1].end_ms, abs=16)
    level = np.sqrt(np.convolve(np.square(audio), np.ones(160) / 160, "same"))
    spoken = np.zeros(len(audio), bool)
    for phone in times.phones:
        if phone.label in VOWELS:
            spoken[16 * phone.start_ms : 16 * phone.end_ms] = True
    silent = np.zeros(len(audio), bool)
    for start_s, end_s in times.silences_s(0.1):
        silent[round(16000 * (start_s + 0.02)) : round(16000 * (end_s - 0.02))] = True
    assert level[spoken].mean() > 20 * level[silent].mean()
    assert times.accent_s(4) > times.words[4].start_ms / 1000  # houses: after the h
    assert times.phones_of(4)[1].is_stressed


def test_a_clip_is_spoken_into_the_compact_form(tmp_path, monkeypatch):
    installed = [s for s in SPEAKERS if s.voice.engine != "festival" and is_installed(s.voice.engine)]
    clip = corpus.Clip((installed or SPEAKERS)[0].number, 1)
    monkeypatch.setattr(corpus, "CLIP_S", 3.0)
    if not installed:
        with pytest.raises(CorpusError, match="apt-get install"):
            corpus._speak_clip(clip, 0, tmp_path)
        return
    corpus._speak_clip(clip, 0, tmp_path)
    times = Times.load(tmp_path / f"{clip.name}.json")
    audio, rate_hz = soundfile.read(tmp_path / f"{clip.name}.ogg")
    assert (times.name, times.speaker, rate_hz) == (clip.name, clip.speaker, 16000)
    assert len(audio) == times.num_samples
    assert (tmp_path / f"{clip.name}.ogg").stat().st_size < 8000 * times.duration_s  # 57 MB for two hours
    # What is there is left as it is.
    before = (tmp_path / f"{clip.name}.ogg").stat().st_mtime_ns
    corpus._speak_clip(clip, 0, tmp_path)
    assert (tmp_path / f"{clip.name}.ogg").stat().st_mtime_ns == before
