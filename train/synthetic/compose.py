"""Times -> Motion: the layers put together, on the stand-in body."""

from dataclasses import dataclass

import numpy as np

from emage.motion import ARKIT52, FPS, Motion
from emage.motion.skeleton import JAW_JOINT, NUM_BETAS, NUM_JOINTS
from train.synthetic.arms import Arms, perform_arms
from train.synthetic.face import express, look, speak_with_mouth
from train.synthetic.gestures import finger_turns
from train.synthetic.kinematics import (
    CHEST_PITCH,
    NECK_SHARES,
    SPINE_PITCH,
    about,
    axis_angle_of,
    mirror_turns,
)
from train.synthetic.speakers import Habits, speaker_of
from train.synthetic.stance import Carriage, Lower, breathe, carry, perform_legs
from train.synthetic.strokes import SIDES, Stroke
from train.synthetic.timing import Times

SHRUG = np.radians(2.0)
"""How far a full breath lifts the collars."""

_ARM_JOINTS = {"left": (13, 16, 18, 20), "right": (14, 17, 19, 21)}
_FIRST_FINGER = {"left": 25, "right": 40}


@dataclass(frozen=True, eq=False)
class Performance:
    """motion: of the clip. strokes: the gestures in it."""

    motion: Motion
    strokes: list[Stroke]


def perform(times: Times) -> Performance:
    """The motion of a clip, from its times and seed and its speaker's habits alone.

    Each layer takes its chances from a stream of its own, so that a change of one leaves the others as they were.
    """
    habits = speaker_of(times.speaker).habits
    arms_rng, legs_rng, head_rng, face_rng, breath_rng = (
        np.random.default_rng(seed) for seed in np.random.SeedSequence(times.seed).spawn(5)
    )
    breath = breathe(times, breath_rng)
    lower = perform_legs(times, habits, legs_rng)
    arms = perform_arms(times, habits, SHRUG * breath, lower.spread, arms_rng)
    carriage = carry(times, habits, arms.strokes, head_rng)
    return Performance(put_together(times, habits, breath, arms, carriage, lower, face_rng), arms.strokes)


def put_together(
    times: Times,
    habits: Habits,
    breath: np.ndarray,
    arms: Arms,
    carriage: Carriage,
    lower: Lower,
    face_rng: np.random.Generator,
) -> Motion:
    """The layers as one motion; the face follows from the times. breath: (T,)."""
    turns = dict(lower.turns)
    # The trunk takes the pelvis's tilt back and bends evenly; breath opens the chest.
    pitch, yaw = np.radians(carriage.trunk_pitch) / 3, np.radians(carriage.trunk_yaw) / 3
    roll = np.radians(-carriage.trunk_roll) / 3 - lower.roll / 3
    for joint, rounding in SPINE_PITCH.items():
        turns[joint] = _turn(rounding + pitch - (np.radians(1.2) * breath if joint == 9 else 0), yaw, roll)
    head_pitch = np.radians(carriage.head_pitch - 0.8 * carriage.trunk_pitch) + np.radians(0.8) * breath
    head_pitch = head_pitch - CHEST_PITCH
    head_yaw = np.radians(carriage.head_yaw) - 0.5 * lower.yaw
    head_roll = np.radians(-carriage.head_roll)
    for joint, share in NECK_SHARES.items():
        turns[joint] = _turn(share * head_pitch, share * head_yaw, share * head_roll)

    poses = np.zeros((times.num_frames, NUM_JOINTS, 3))
    for joint, matrices in turns.items():
        poses[:, joint] = axis_angle_of(matrices)
    _put_arms(poses, arms)
    jaw, expressions = speak_with_mouth(times, habits)
    poses[:, JAW_JOINT, 0] = jaw
    expressions = expressions + express(times, habits, face_rng)
    # The eyes hold their aim while the head turns.
    expressions += look(carriage.gaze_yaw - np.degrees(head_yaw), carriage.gaze_pitch - 0.5 * carriage.head_pitch)
    return Motion(
        poses=poses.reshape(times.num_frames, -1).astype(np.float32),
        expressions=np.clip(expressions, 0, 1),
        trans=lower.trans,
        betas=np.zeros(NUM_BETAS),
        fps=FPS,
        expression_basis=ARKIT52,
    )


def _turn(pitch: np.ndarray, yaw: np.ndarray, roll: np.ndarray) -> np.ndarray:
    return about((0, 1, 0), yaw) @ about((1, 0, 0), pitch) @ about((0, 0, 1), roll)


def _put_arms(poses: np.ndarray, arms: Arms) -> None:
    for side in SIDES:
        pose = arms.poses[side]
        turns = [axis_angle_of(m) for m in (pose.collar_turn, pose.shoulder_turn, pose.elbow_turn, pose.wrist_turn)]
        fingers = finger_turns(arms.shapes[side], side).reshape(len(poses), 15, 3)
        if side == "right":
            turns, fingers = [mirror_turns(turn) for turn in turns], mirror_turns(fingers)
        for joint, turn in zip(_ARM_JOINTS[side], turns, strict=True):
            poses[:, joint] = turn
        first = _FIRST_FINGER[side]
        poses[:, first : first + 15] = fingers
