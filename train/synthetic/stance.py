"""Legs and the root trajectory, breathing, trunk, head and gaze.

Feet stand where they were put until they step; the pelvis goes with the weight between them, and the root path follows
from that. The legs are solved so that no standing foot moves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import minimum_filter1d

from train.synthetic.kinematics import PELVIS_PITCH, about, leg_bones, rest_joints, rotate, transpose
from train.synthetic.skin import flat_foot
from train.synthetic.speakers import Habits
from train.synthetic.strokes import Stroke, accents
from train.synthetic.timing import Times
from train.synthetic.tracks import Track, drift, ease, frame_seconds, pulse, smooth

_LIFT_M = 0.065
_STEP_M = 0.34
_SIDE_STEP_M = 0.22
_REACH = 0.993  # of the straight leg
_PELVIS_FORWARD_M = 0.03  # of the ankles
_SHAKING = frozenset(["no", "not", "never", "nothing", "nobody", "none"])
_NODDING = frozenset(["yes", "sure", "okay", "course", "good"])


# --- steps ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """foot: left or right. x_m, z_m, yaw: where it is put, radians."""

    foot: str
    start_s: float
    end_s: float
    x_m: float
    z_m: float
    yaw: float


def _foot_places(x_m: float, z_m: float, yaw: float, half_m: float) -> dict[str, tuple[float, float, float]]:
    aside = np.array([np.cos(yaw), -np.sin(yaw)]) * half_m  # to the person's left
    return {
        "left": (x_m + aside[0], z_m + aside[1], yaw),
        "right": (x_m - aside[0], z_m - aside[1], yaw),
    }


class Walker:
    """Plans steps and weight, in order of time."""

    def __init__(self, habits: Habits):
        self.habits = habits
        self.at = (0.0, 0.0, 0.0)
        self.feet = _foot_places(0, 0, 0, habits.stance_m)
        self.steps: list[Step] = []
        self.weight = Track(np.array([0.5]))  # 0 on the left, 1 on the right foot

    def shift(self, start_s: float, weight: float, length_s: float) -> None:
        start_s = max(start_s, self.weight.end_s)
        self.weight.hold(start_s)
        self.weight.key(start_s + length_s, np.array([weight]))

    def walk(self, start_s: float, x_m: float, z_m: float, yaw: float) -> None:
        """Go there by as many steps as it takes, one foot after the other."""
        offset = np.array([x_m - self.at[0], z_m - self.at[1]])
        leftwards = float(offset @ np.array([np.cos(yaw), -np.sin(yaw)]))
        forwards = float(offset @ np.array([np.sin(yaw), np.cos(yaw)]))
        foot = "left" if leftwards + 0.1 * (yaw - self.at[2]) > 0 else "right"
        second = max(start_s, self.weight.end_s)
        # Sideways one foot is drawn up to the other, for nobody crosses the legs; forwards they pass each other.
        sideways = abs(leftwards) > 0.4 * abs(forwards)
        count = max(1, int(np.ceil(np.hypot(leftwards / _SIDE_STEP_M, forwards / _STEP_M))))
        for i in range(2 * count if sideways else count + 1):
            share = min((i // 2 if sideways else i) + 1, count) / count
            here = [a + share * (b - a) for a, b in zip(self.at, (x_m, z_m, yaw), strict=True)]
            second = self._step(second, foot, _foot_places(*here, self.habits.stance_m)[foot])
            foot = "right" if foot == "left" else "left"
        self.at = (x_m, z_m, yaw)
        self.shift(second, 0.5, 0.5)

    def _step(self, second: float, foot: str, place: tuple[float, float, float]) -> float:
        tempo = self.habits.tempo
        self.shift(second, 0.93 if foot == "left" else 0.07, 0.6 / tempo)
        # The weight is always on its way: a foot lifts before all of it has left, and it sets out before the foot is
        # down. So no knee need bend for the other foot to reach.
        start_s = self.weight.end_s - 0.25 / tempo
        self.steps.append(Step(foot, start_s, start_s + 0.5 / tempo, *place))
        self.feet[foot] = place
        return self.weight.end_s


def plan_steps(times: Times, habits: Habits, rng: np.random.Generator) -> tuple[list[Step], Track]:
    """Steps begin in pauses, weight shifts at phrases; nobody goes further than `roaming_m` from the start."""
    walker = Walker(habits)
    for phrase in times.phrases():
        start_s = times.words[phrase[0]].start_ms / 1000
        chance, other, angle, turn = rng.random(), rng.random(), rng.uniform(0, 2 * np.pi), rng.normal()
        if start_s < walker.weight.end_s + 0.2:
            continue
        pause_s = start_s - (times.words[phrase[0] - 1].end_ms / 1000 if phrase[0] else 0)
        if pause_s > 0.3 and chance < habits.stepping:
            radius = habits.roaming_m * np.sqrt(other)
            yaw = np.clip(np.radians(habits.turn_deg) * 0.6 * turn, -0.4, 0.4)
            # Towards a place of the room, but not far at a time.
            goal = np.array([radius * np.sin(angle), 0.8 * radius * np.cos(angle)])
            offset = goal - np.array(walker.at[:2])
            offset *= min(1, 0.6 / max(np.linalg.norm(offset), 1e-6))
            walker.walk(start_s - min(0.6 * pause_s, 0.5), *(np.array(walker.at[:2]) + offset), float(yaw))
        elif chance < habits.stepping + habits.shifting:
            walker.shift(start_s - 0.2, 0.5 + 0.32 * np.sign(turn) * (0.5 + 0.5 * other), 0.9 / habits.tempo)
    return walker.steps, walker.weight


@dataclass(frozen=True, eq=False)
class Foot:
    """ankle: (T, 3) metres above the floor y = 0. yaw, pitch: (T,) radians; toes down is positive."""

    ankle: np.ndarray
    yaw: np.ndarray
    pitch: np.ndarray


def _foot(side: str, steps: Sequence[Step], habits: Habits, seconds: np.ndarray) -> Foot:
    place = _foot_places(0, 0, 0, habits.stance_m)[side]
    ground, lift = np.tile(np.array(place), (len(seconds), 1)), np.zeros(len(seconds))
    for step in steps:
        if step.foot == side:
            u = np.clip((seconds - step.start_s) / (step.end_s - step.start_s), 0, 1)
            ground = ground + ease(u)[:, None] * (np.array([step.x_m, step.z_m, step.yaw]) - place)
            lift = lift + 64 * (u * (1 - u)) ** 3
            place = (step.x_m, step.z_m, step.yaw)
    ankle = np.stack([ground[:, 0], flat_foot(side).height_m + _LIFT_M * lift, ground[:, 1]], -1)
    return Foot(ankle, ground[:, 2], 0.2 * lift)


# --- the lower body ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Lower:
    """Local rotations (T, 3, 3) by joint, and trans (T, 3).

    spread: (T,) of each side, how far the thigh goes outwards, more than at rest, in a metre downwards.
    """

    turns: dict[int, np.ndarray]
    trans: np.ndarray
    roll: np.ndarray
    yaw: np.ndarray
    spread: dict[str, np.ndarray]


def perform_legs(times: Times, habits: Habits, rng: np.random.Generator) -> Lower:
    """Pelvis, hips, knees, ankles and the path, with feet that do not slide."""
    steps, weight = plan_steps(times, habits, rng)
    return stand_and_step(steps, weight, habits, frame_seconds(times.num_frames), rng)


def stand_and_step(
    steps: Sequence[Step], weight_track: Track, habits: Habits, seconds: np.ndarray, rng: np.random.Generator
) -> Lower:
    """The lower body for given steps. weight_track: (1,), 0 on the left, 1 on the right foot. seconds: (T,)."""
    joints = rest_joints()
    feet = {side: _foot(side, steps, habits, seconds) for side in ("left", "right")}
    weight = weight_track.sample(seconds)[:, 0] + 0.03 * drift(rng, seconds, 0.05, 0.3)
    weight = smooth(np.clip(weight, 0, 1), 2.0)

    lean = 0.5 + 0.72 * (weight - 0.5)
    middle = feet["left"].ankle + lean[:, None] * (feet["right"].ankle - feet["left"].ankle)
    yaw = smooth(0.5 * (feet["left"].yaw + feet["right"].yaw), 5.0) + np.radians(1.0) * drift(rng, seconds, 0.05, 0.25)
    forward = np.stack([np.sin(yaw), np.zeros_like(yaw), np.cos(yaw)], -1)
    pelvis = smooth(middle, 3.0) + _PELVIS_FORWARD_M * forward
    pelvis = pelvis + 0.003 * np.stack([drift(rng, seconds, 0.1, 0.5) for _ in range(3)], -1)
    roll = np.radians(-3.5) * 2 * (weight - 0.5)
    root = about((0, 1, 0), yaw) @ about((0, 0, 1), roll) @ about((1, 0, 0), PELVIS_PITCH)
    pelvis[:, 1] = _pelvis_height(pelvis, root, feet)

    turns, spread = {0: root}, {}
    for side, (hip, knee, ankle, ball) in {"left": (1, 4, 7, 10), "right": (2, 5, 8, 11)}.items():
        foot, flat, bones = feet[side], flat_foot(side), leg_bones(side)
        pole_yaw = 0.5 * (yaw + foot.yaw) + (0.06 if side == "left" else -0.06)
        pole = np.stack([np.sin(pole_yaw), np.zeros_like(yaw), np.cos(pole_yaw)], -1)
        limb = bones.solve(pelvis + rotate(root, joints[hip] - joints[0]), foot.ankle, pole)
        turns[hip] = transpose(root) @ limb.upper
        outwards = 1 if side == "left" else -1
        thigh = outwards * rotate(transpose(about((0, 1, 0), yaw)) @ limb.upper, bones.upper)
        spread[side] = thigh[:, 0] / np.abs(thigh[:, 1]) - outwards * bones.upper[0] / abs(bones.upper[1])
        turns[knee] = transpose(limb.upper) @ limb.lower
        turns[ankle] = transpose(limb.lower) @ about((0, 1, 0), foot.yaw) @ about((1, 0, 0), foot.pitch) @ flat.turn
        turns[ball] = np.broadcast_to(flat.ball_turn, root.shape)
    return Lower(turns, pelvis - joints[0], roll, yaw, spread)


def _pelvis_height(pelvis: np.ndarray, root: np.ndarray, feet: dict[str, Foot]) -> np.ndarray:
    """(T,) as high as both legs allow, a little bent, without haste."""
    joints, heights = rest_joints(), []
    for side, hip in (("left", 1), ("right", 2)):
        bones = leg_bones(side)
        length = _REACH * bones.longest_m
        offset = rotate(root, joints[hip] - joints[0])
        away = (pelvis + offset - feet[side].ankle)[:, [0, 2]]
        drop = np.sqrt(np.maximum(length**2 - np.square(away).sum(-1), 0.25))
        heights.append(feet[side].ankle[:, 1] + drop - offset[:, 1])
    return smooth(minimum_filter1d(np.minimum(*heights), 15, mode="nearest"), 4.0)


# --- breath, trunk, head ----------------------------------------------------------------------------------------------


def breathe(times: Times, rng: np.random.Generator) -> np.ndarray:
    """(T,) 0 empty to 1 full: in before a phrase after a pause, out while speaking; slow waves in long silences."""
    seconds, track = frame_seconds(times.num_frames), Track(np.array([0.3]))
    for phrase in times.phrases():
        start_s, end_s = times.words[phrase[0]].start_ms / 1000, times.words[phrase[-1]].end_ms / 1000
        if start_s - track.end_s > 0.25:
            while start_s - track.end_s > 3.2:
                track.key(track.end_s + 1.3, np.array([0.6]))
                track.key(track.end_s + 1.5, np.array([0.2]))
            inhale_s = min(start_s - track.end_s, 1.1)
            track.hold(start_s - inhale_s)
            track.key(start_s, np.array([rng.uniform(0.7, 1.0)]))
        if end_s > track.end_s:
            track.key(end_s, np.array([max(0.05, float(track.last[0]) - 0.22 * (end_s - track.end_s))]))
    while times.duration_s > track.end_s:
        track.key(track.end_s + 1.3, np.array([0.6]))
        track.key(track.end_s + 1.6, np.array([0.2]))
    return smooth(track.sample(seconds)[:, 0], 3.0)


@dataclass(frozen=True, eq=False)
class Carriage:
    """Trunk, head and eyes; (T,) each, degrees. Pitch: forwards and down. Yaw: to the left. Roll: to the right side."""

    trunk_pitch: np.ndarray
    trunk_yaw: np.ndarray
    trunk_roll: np.ndarray
    head_pitch: np.ndarray
    head_yaw: np.ndarray
    head_roll: np.ndarray
    gaze_pitch: np.ndarray
    gaze_yaw: np.ndarray


def carry(times: Times, habits: Habits, strokes: Sequence[Stroke], rng: np.random.Generator) -> Carriage:
    """Trunk, head and gaze. The gaze is where the eyes look, seen from the chest."""
    seconds = frame_seconds(times.num_frames)
    count = len(seconds)
    trunk_pitch = habits.lean_deg + 1.1 * habits.sway * drift(rng, seconds, 0.05, 0.4)
    trunk_yaw = 1.6 * habits.sway * drift(rng, seconds, 0.05, 0.35)
    trunk_roll = 0.8 * habits.sway * drift(rng, seconds, 0.05, 0.4)
    head_pitch, head_yaw, head_roll = np.zeros(count), np.zeros(count), np.zeros(count)
    for word, second, strength in accents(times):
        text, chance = times.words[word].text, rng.random()
        if text in _SHAKING:
            head_yaw += 11 * _wave(seconds, second - 0.25, 0.95, 2.1)
        elif text in _NODDING:
            head_pitch += 1.4 * habits.nodding * _wave(seconds, second - 0.12, 0.9, 2.2)
        elif chance < 0.35 + 0.6 * strength:
            head_pitch += habits.nodding * (0.5 + 0.6 * strength) * pulse(seconds, second + 0.05, 0.17, 0.0, 0.32)
        if strength == 1:
            trunk_pitch += 2.2 * pulse(seconds, second, 0.3, 0.15, 0.6)
    for stroke in strokes:
        if len(stroke.hands) == 1 and stroke.gesture != "beat":
            side = 1 if stroke.hands[0] == "left" else -1
            trunk_yaw += side * 2.5 * pulse(seconds, stroke.apex_s, 0.4, 0.3, 0.7)
    direction, gaze_yaw, gaze_pitch = _attention(times, habits, strokes, seconds, rng)
    for phrase in times.phrases():
        if times.words[phrase[-1]].ending == "?":
            start_s, end_s = times.words[phrase[0]].start_ms / 1000, times.words[phrase[-1]].end_ms / 1000
            tilt = pulse(seconds, start_s + 0.5, 0.5, max(end_s - start_s, 0.2), 0.6)
            head_roll += 5.0 * float(rng.choice([-1, 1])) * tilt
            head_pitch -= 2.0 * tilt
    head_yaw = np.clip(head_yaw + direction, -40, 40)
    head_pitch += 1.2 * drift(rng, seconds, 0.1, 0.6)
    head_roll += 1.5 * drift(rng, seconds, 0.05, 0.4)
    return Carriage(
        trunk_pitch, trunk_yaw, trunk_roll, smooth(np.clip(head_pitch, -14, 20), 1.0), smooth(head_yaw, 1.0),
        np.clip(head_roll, -12, 12), gaze_pitch, gaze_yaw,
    )  # fmt: skip


def _wave(seconds: np.ndarray, start_s: float, length_s: float, cycles: float) -> np.ndarray:
    u = np.clip((seconds - start_s) / length_s, 0, 1)
    return np.sin(2 * np.pi * cycles * u) * 16 * (u * (1 - u)) ** 2


_LOOK_ALONG = {"there", "they", "left", "right", "up", "tall", "small", "past"}


def _attention(
    times: Times, habits: Habits, strokes: Sequence[Stroke], seconds: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Head yaw, and gaze yaw and pitch, degrees: at listeners, aside while thinking, along some gestures."""
    head, eyes = Track(np.zeros(1)), Track(np.zeros(2))
    looks: list[tuple[float, float, float, float]] = []  # second, yaw, pitch, how long
    for phrase in times.phrases():
        start_s = times.words[phrase[0]].start_ms / 1000
        listener = rng.normal(0, 0.5 * habits.head_turning)
        if rng.random() < habits.gaze_away:
            aside = rng.choice([-1, 1]) * rng.uniform(12, 22)
            looks.append((start_s - 0.25, float(aside), float(rng.choice([-6, 9])), 0.7))
            start_s += 0.6
        looks.append((start_s, float(np.clip(listener, -25, 25)), 0.0, 0.0))
    for stroke in strokes:
        if stroke.gesture in _LOOK_ALONG and rng.random() < 0.6:
            side = 1 if stroke.hands[0] == "left" else -1
            pitch = -8.0 if stroke.gesture in ("up", "tall") else 2.0
            looks.append((stroke.apex_s - 0.3, side * 22.0, pitch, 0.8))
            looks.append((stroke.apex_s + 0.7, float(rng.normal(0, 0.4 * habits.head_turning)), 0.0, 0.0))
    for second, yaw, pitch, _ in sorted(looks):
        if second > eyes.end_s:
            eyes.hold(second)
            eyes.key(second + 0.07, np.array([yaw, pitch]))
        if second + 0.1 > head.end_s:
            head.hold(second + 0.1)
            head.key(second + 0.1 + 0.35 + 0.012 * abs(yaw - float(head.last[0])), np.array([0.7 * yaw]))
    small = np.stack([_fixations(seconds, rng) for _ in range(2)], -1)
    gaze = eyes.sample(seconds) + small
    return head.sample(seconds)[:, 0], gaze[:, 0], gaze[:, 1]


def _fixations(seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Small jumps of the eyes between the points of a face, degrees."""
    track = Track(np.zeros(1))
    while track.end_s < seconds[-1]:
        track.hold(track.end_s + rng.uniform(0.35, 1.4))
        track.key(track.end_s + 0.05, np.array([rng.normal(0, 1.6)]))
    return track.sample(seconds)[:, 0]
