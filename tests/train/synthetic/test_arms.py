"""Hands: strokes on stressed vowels, the gestures of the dictionary, and arms that reach and keep clear of the body."""

import numpy as np
import pytest

from emage.evaluation.published import joint_speed
from emage.motion import ARKIT52, FPS, Motion
from tests.train.synthetic.conftest import at_rest, hand_depths, make_times
from train.synthetic.compose import perform
from train.synthetic.gestures import GESTURES, SHAPES, finger_turns, gestures_for
from train.synthetic.grammar import sentence
from train.synthetic.kinematics import arm_bones, axis_angle_of, leg_bones, pose_arm, rest_joints, rotate, unit
from train.synthetic.strokes import BEAT


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
    rng = np.random.default_rng(0)
    words = {word.text for _ in range(3000) for word in sentence(rng)}
    assert len(GESTURES) >= 40
    assert sum(bool(gestures_for(word)) for word in words) >= 150


def test_gestures_look_like_what_they_mean(body):
    """At the stroke's end: fingers count, arms point and open."""
    emphatic = make_times("*three, *up, *huge, *left, *down, *me.", 1, 1)
    performance = perform(emphatic)
    joints = body.joints(performance.motion)
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
    neutral = "doctor paper summer market coffee winter butter kitchen teacher language."
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


def test_hands_stay_outside_the_body(clips, body):
    depths = [
        hand_depths(body, performance.motion.at(np.arange(15, performance.motion.num_frames, 36)))
        for _, performance in clips
    ]
    assert sum(map(len, depths)) > 200
    assert max(depth.max() for depth in depths) < 0


def test_a_hand_in_the_body_would_be_found(body):
    zero = np.zeros(1)
    arm = pose_arm(np.array([[0.12, -0.25, 0.05]]), zero, zero, zero, zero, zero)
    poses = np.zeros((1, 55, 3))
    for joint, turn in zip((13, 16, 18), (arm.collar_turn, arm.shoulder_turn, arm.elbow_turn), strict=True):
        poses[:, joint] = axis_angle_of(turn)
    motion = Motion(poses.reshape(1, -1), np.zeros((1, 100)), np.zeros((1, 3)), np.zeros(300), expression_basis=ARKIT52)
    assert hand_depths(body, motion)[0] > 0.02


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_limb_bends_about_its_hinge_alone_and_reaches(side):
    rng = np.random.default_rng(3)
    for bones in (arm_bones(side), leg_bones(side)):
        target = unit(rng.normal(size=(40, 3))) * rng.uniform(0.5, 0.99, (40, 1)) * bones.longest_m
        limb = bones.solve(np.zeros(3), target, rng.normal(size=(40, 3)))
        assert np.abs(limb.end - target).max() < 1e-9
        assert np.abs(rotate(limb.upper, bones.upper) - limb.middle).max() < 1e-9
        assert np.abs(limb.middle + rotate(limb.lower, bones.lower) - target).max() < 1e-9
        bend = limb.upper.swapaxes(1, 2) @ limb.lower
        assert np.abs(rotate(bend, bones.hinge) - bones.hinge).max() < 1e-9


def test_rest_joints_are_the_stand_ins(body):
    assert np.abs(body.joints(at_rest())[0] - rest_joints()).max() < 1e-4


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
