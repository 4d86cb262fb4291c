"""Where both hands are in every frame: between strokes a hand holds, moves on, or goes back to rest.

Through short pauses of speech it holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from emage.motion.skeleton import JOINT_NAMES
from train.synthetic.gestures import (
    BEAT_PALMS,
    DEVIATION,
    FINGERS,
    FLARE,
    FLEX,
    GESTURES,
    HOME,
    PLACE,
    REST,
    SHAPE,
    TWIST,
    Key,
)
from train.synthetic.kinematics import LEFT_WRIST, ArmPose, joints_as_left, mirror, pose_arm, rotate, unit
from train.synthetic.skin import trunk_profile
from train.synthetic.speakers import Habits
from train.synthetic.strokes import BEAT, SIDES, Stroke, plan_strokes
from train.synthetic.timing import Times
from train.synthetic.tracks import Track, drift, frame_seconds, smooth

_PAUSE_S = 0.3, 1.2  # in a silence between these lengths no hand sets out; in a longer one it may go to rest
_BEFORE_PAUSE_S = 0.2  # nor so shortly before it
_MAX_MEAN_SPEED = 1.3  # of a wrist between two keys, m/s; the peak is 1.9 times that
_MAX_MEAN_TWIST = 7.0  # of a forearm between two keys, rad/s
_CLEARANCE_M = 0.03  # between the middle of a hand and the skin of trunk and head
_SWAY_FROM_M, _SWAY_M = -0.45, 0.1  # below this height hips and thighs move under the chest, at the knees by so much
_HANDS_APART_M = 0.1


# --- the path of each hand --------------------------------------------------------------------------------------------


def hand_tracks(
    strokes: Sequence[Stroke], times: Times, habits: Habits, rng: np.random.Generator
) -> tuple[dict[str, Track], list[Stroke]]:
    """A track of (20,) key vectors for each hand, and the strokes that found time, with their start and end."""
    tracks = {side: Track(_rest(side, habits, rng)) for side in SIDES}
    pauses = _still_s(times)
    done = []
    for stroke in strokes:
        keys = {side: _keys(stroke, side, tracks[side], habits, rng) for side in stroke.hands}
        if all(_can_reach(tracks[side], keys[side], stroke) for side in stroke.hands):
            starts = [_append(side, tracks[side], keys[side], stroke, habits, pauses, rng) for side in stroke.hands]
            end_s = max(second for side in stroke.hands for second, _ in keys[side])
            done.append(replace(stroke, start_s=min(starts), end_s=end_s))
    for side, track in tracks.items():
        _retract(side, track, habits, pauses, rng)
    return tracks, done


def _still_s(times: Times) -> list[tuple[float, float]]:
    """Start and end of the times in which no hand sets out."""
    least_s, most_s = _PAUSE_S
    silences_s = times.silences_s(least_s)
    return [(start_s - _BEFORE_PAUSE_S, end_s) for start_s, end_s in silences_s if end_s - start_s <= most_s]


def _after_pause(second: float, pauses: Sequence[tuple[float, float]]) -> float:
    """The second itself, or the end of the pause that it lies in."""
    return next((end_s for start_s, end_s in pauses if start_s <= second < end_s), second)


def _rest(side: str, habits: Habits, rng: np.random.Generator) -> np.ndarray:
    name = habits.rest if habits.rest in REST else str(rng.choice(sorted(REST)))
    vector = REST[name].vector(side)
    vector[PLACE] += rng.normal(0, [0.006, 0.004, 0.01])
    return vector


def _keys(
    stroke: Stroke, side: str, track: Track, habits: Habits, rng: np.random.Generator
) -> list[tuple[float, np.ndarray]]:
    if stroke.gesture == BEAT:
        return _beat_keys(stroke, side, track, habits, rng)
    gesture = GESTURES[stroke.gesture]
    keys = gesture.keys if side == stroke.hands[0] or gesture.other is None else gesture.other
    grow = 1.0 if gesture.fixed else habits.amplitude * (1.1 if stroke.strength == 1 else 1.0)
    shift = np.zeros(3) if gesture.fixed else rng.normal(0, 0.012, 3)
    home, result = np.array(HOME.place), []
    for second, key in keys:
        vector = key.vector(side)
        vector[PLACE] = home + grow * (vector[PLACE] - home) + shift
        vector[FLARE] += habits.elbow * (0 if gesture.fixed else 1)
        result.append((stroke.apex_s + second / habits.tempo if second < 0 else stroke.apex_s + second, vector))
    return result


def _beat_keys(
    stroke: Stroke, side: str, track: Track, habits: Habits, rng: np.random.Generator
) -> list[tuple[float, np.ndarray]]:
    palm, flex = BEAT_PALMS[habits.beat_palm if rng.random() < 0.8 else str(rng.choice(sorted(BEAT_PALMS)))]
    place = np.array(HOME.place) + rng.normal(0, [0.03, 0.03, 0.025]) + [0, 0.04 * (habits.amplitude - 1), 0]
    if track.last[PLACE][1] > -0.3 and stroke.apex_s - track.end_s < 1.2:
        place = 0.5 * (place + track.last[PLACE])  # stay near where the hand is
    place[0] = max(place[0], 0.15)
    key = Key(tuple(np.round(place, 2).tolist()), palm, habits.beat_shape, flex=flex, flare=habits.elbow)
    end = key.vector(side)
    end[PLACE] = place
    depth = habits.beat_m * (0.7 + 0.6 * stroke.strength)
    aside = rng.normal(0, 0.25)
    end[PLACE] += depth * np.array([0.4 * aside, -0.45, 0.25])
    end[FLEX] += np.radians(6)
    before = end.copy()
    before[PLACE] += depth * np.array([-0.6 * aside, 1.0, -0.35])
    before[FLEX] -= np.radians(16)
    return [(stroke.apex_s - 0.24 / habits.tempo, before), (stroke.apex_s, end)]


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one[PLACE] - other[PLACE]))


def _least_s(one: np.ndarray, other: np.ndarray) -> float:
    """The shortest time in which a hand goes from one key to another."""
    return max(_distance(one, other) / _MAX_MEAN_SPEED, abs(one[TWIST] - other[TWIST]) / _MAX_MEAN_TWIST)


def _can_reach(track: Track, keys: Sequence[tuple[float, np.ndarray]], stroke: Stroke) -> bool:
    """Whether the hand comes to the stroke's end in time from where it is."""
    apex = next(vector for second, vector in keys if second == stroke.apex_s)
    room_s = stroke.apex_s - track.end_s
    return room_s >= max(0.3, _least_s(track.last, apex))


def _append(
    side: str,
    track: Track,
    keys: Sequence[tuple[float, np.ndarray]],
    stroke: Stroke,
    habits: Habits,
    pauses: Sequence[tuple[float, float]],
    rng: np.random.Generator,
) -> float:
    """Bring the hand to the keys, by way of rest where there is time for it. Returns when it sets out."""
    first_s, first = keys[0]
    if first_s - track.end_s > max(habits.rest_after_s, 1.5) and track.has_moved:
        _retract(side, track, habits, pauses, rng, by_s=first_s - 0.45)
    apex = next(vector for second, vector in keys if second == stroke.apex_s)
    reach_s = max(0.22 + 0.6 * _distance(track.last, first), 1.3 * _least_s(track.last, first)) / habits.tempo
    start_s = max(track.end_s, first_s - reach_s)
    latest_s = stroke.apex_s - max(0.36, 1.4 * _least_s(track.last, apex))
    start_s = max(start_s, min(_after_pause(start_s, pauses), latest_s))
    track.hold(start_s)
    for second, vector in keys:
        is_apex = second == stroke.apex_s
        room_s = second - track.end_s
        too_fast = room_s < max(0.12, _least_s(track.last, vector))
        # A preparation that has no time is cut short: the hand goes straight to the stroke's end.
        leaves_too_little = second < stroke.apex_s and stroke.apex_s - second < max(0.12, _least_s(vector, apex))
        if is_apex or not (too_fast or leaves_too_little):
            track.key(second, vector)
    return start_s


def _retract(
    side: str,
    track: Track,
    habits: Habits,
    pauses: Sequence[tuple[float, float]],
    rng: np.random.Generator,
    by_s: float = np.inf,
) -> None:
    """Hold the last pose a moment, then go back to rest."""
    rest = _rest(side, habits, rng)
    reach_s = np.clip(0.35 + 0.9 * _distance(track.last, rest), 0.45, 0.9) / habits.tempo
    hold_s = _after_pause(track.end_s + rng.uniform(0.2, 0.6), pauses) - track.end_s
    room_s = by_s - track.end_s
    if hold_s + reach_s > room_s:
        hold_s, reach_s = 0.2 * room_s, 0.8 * room_s
    track.hold(track.end_s + hold_s)
    track.key(track.end_s + reach_s, rest)


# --- frames -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Arms:
    """poses: of each side, as of a left arm. shapes: (T, 13) of each hand. strokes: as carried out."""

    poses: dict[str, ArmPose]
    shapes: dict[str, np.ndarray]
    strokes: list[Stroke]


def perform_arms(
    times: Times, habits: Habits, shrug: np.ndarray, spread: Mapping[str, np.ndarray], rng: np.random.Generator
) -> Arms:
    """Both arms in every frame. shrug: (T,) lift of the collars by breath, radians. spread: as `Lower.spread`."""
    strokes = plan_strokes(times, habits, rng)
    tracks, strokes = hand_tracks(strokes, times, habits, rng)
    seconds = frame_seconds(times.num_frames)
    shrug = shrug + np.radians(4) * smooth(_asking(times, strokes, seconds), 3)
    return follow_tracks(tracks, seconds, shrug, spread, rng, strokes)


def follow_tracks(
    tracks: dict[str, Track],
    seconds: np.ndarray,
    shrug: np.ndarray,
    spread: Mapping[str, np.ndarray],
    rng: np.random.Generator,
    strokes: Sequence[Stroke] = (),
) -> Arms:
    """Arms whose hands go along their tracks of (20,) key vectors, clear of the body and of each other.

    seconds: (T,) of the frames. shrug: (T,) lift of the collars, radians. spread: as `Lower.spread`. strokes: what the
    tracks carry out.
    """
    values, places = {}, {}
    for side in SIDES:
        body = tracks[side].sample(seconds)
        body[:, SHAPE] = tracks[side].sample(np.maximum(seconds - 0.05, 0))[:, SHAPE]  # fingers come a little later
        values[side] = smooth(body, 0.8)
        # No hand is quite still.
        wander = np.stack([drift(rng, seconds, 0.12, 0.7) for _ in range(3)], -1)
        places[side] = values[side][:, PLACE] + 0.004 * wander
    for _ in range(4):
        poses = {side: _pose(side, places[side], values[side], shrug) for side in SIDES}
        for side in SIDES:
            places[side] = places[side] + _spread_in_time(
                _push_from_body(poses[side], values[side][:, SHAPE], spread[side], side)
            )
    poses = {side: _pose(side, places[side], values[side], shrug) for side in SIDES}
    points = {side: hand_points(poses[side], values[side][:, SHAPE], side) for side in SIDES}
    apart = _spread_in_time(_push_from_each_other(points["left"], points["right"]))
    poses = {side: _pose(side, places[side] + apart, values[side], shrug) for side in SIDES}
    return Arms(poses, {side: values[side][:, SHAPE] for side in SIDES}, list(strokes))


def _pose(side: str, place: np.ndarray, values: np.ndarray, shrug: np.ndarray) -> ArmPose:
    return pose_arm(place, values[:, FLARE], values[:, TWIST], values[:, FLEX], values[:, DEVIATION], shrug, side)


def _asking(times: Times, strokes: Sequence[Stroke], seconds: np.ndarray) -> np.ndarray:
    """1 while somebody asks or doubts with a gesture: shoulders rise."""
    result = np.zeros(len(seconds))
    for stroke in strokes:
        if stroke.gesture in ("question", "maybe"):
            result[(seconds > stroke.apex_s - 0.2) & (seconds < stroke.end_s + 0.5)] = 1
    return result


_BENDS = {finger: slice(2 * i, 2 * i + 2) for i, finger in enumerate(FINGERS)}  # of knuckle and middle, in a hand shape
_TIP_BEND = 1.35  # the bends of a finger's last two joints together, shared out evenly over what lies beyond them


def hand_points(pose: ArmPose, shape: np.ndarray, side: str) -> np.ndarray:
    """(T, 9, 3) points of wrist, palm, thumb and the fingers at both edges of a hand, as of a left one, from the middle
    between the shoulders. shape: (T, 13)."""
    joints = joints_as_left(side)
    joints = joints - joints[LEFT_WRIST]
    points = [np.zeros(3), 0.5 * joints[JOINT_NAMES.index("left_middle1")], joints[JOINT_NAMES.index("left_thumb3")]]
    points = [np.broadcast_to(point, (len(shape), 3)) for point in points]
    for finger in (FINGERS[0], FINGERS[2]):
        knuckle, middle, last = joints[[JOINT_NAMES.index(f"left_{finger}{i}") for i in (1, 2, 3)]]
        bend, further = shape[:, _BENDS[finger]].T
        joint = knuckle + np.linalg.norm(middle - knuckle) * _direct_finger(bend)
        tip = joint + 2 * np.linalg.norm(last - middle) * _direct_finger(bend + _TIP_BEND * further)
        points += [np.broadcast_to(knuckle, joint.shape), joint, tip]
    return pose.wrist[:, None] + rotate(pose.hand[:, None], np.stack(points, 1))


def _direct_finger(angle: np.ndarray) -> np.ndarray:
    """(T, 3) direction of a finger bent by (T,) radians to the palm."""
    return np.stack([np.cos(angle), -np.sin(angle), np.zeros_like(angle)], -1)


def _push_from_body(pose: ArmPose, shape: np.ndarray, spread: np.ndarray, side: str) -> np.ndarray:
    """(T, 3) how far a hand must go, level, to be clear of trunk and head."""
    points = np.concatenate([hand_points(pose, shape, side), 0.5 * (pose.wrist + pose.elbow)[:, None]], 1)
    height = points[..., 1]
    profile = trunk_profile()
    clearance = _CLEARANCE_M + _SWAY_M * np.clip((_SWAY_FROM_M - height) / (_SWAY_FROM_M - profile.height[0]), 0, 1)
    below_hips_m = np.maximum(profile.hip - height, 0)
    width = np.interp(height, profile.height, profile.width) + clearance + np.maximum(spread, 0)[:, None] * below_hips_m
    back, front = (np.interp(height, profile.height, each) for each in (profile.back, profile.front))
    depth, middle = 0.5 * (front - back) + clearance, 0.5 * (front + back)
    # Where the skin is a unit circle, from the point outwards and to the hand's own side, also from beyond the middle.
    at = np.stack([points[..., 0] / width, (points[..., 2] - middle) / depth], -1)
    outwards = unit(np.stack([np.maximum(at[..., 0], 0) + 0.25, at[..., 1]], -1))
    along = (at * outwards).sum(-1)
    room = np.maximum(along**2 + 1 - np.square(at).sum(-1), 0)
    is_inside = (np.square(at).sum(-1) < 1) & (height < profile.height[-1] + _CLEARANCE_M)
    short = np.where(is_inside, np.maximum(np.sqrt(room) - along, 0), 0)
    push = np.stack([short * outwards[..., 0] * width, np.zeros_like(short), short * outwards[..., 1] * depth], -1)
    worst = np.linalg.norm(push, axis=-1).argmax(1)
    return push[np.arange(len(push)), worst]


def _push_from_each_other(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(T, 3) how far each hand must go outwards so that the hands do not meet; from their points (T, P, 3)."""
    ones, others = left, mirror(right)
    gaps = np.linalg.norm(ones[:, :, None] - others[:, None], axis=-1).min((1, 2))
    short = np.maximum(_HANDS_APART_M - gaps, 0)
    crossed = np.maximum(0.02 - ones[..., 0].min(1), 0) + np.maximum(others[..., 0].max(1) + 0.02, 0)
    push = np.where(short > 0, 0.5 * short + np.minimum(crossed, 0.12), 0)
    return push[:, None] * np.array([1.0, 0.0, 0.0])


def _spread_in_time(push: np.ndarray) -> np.ndarray:
    """Begin early and end late, so that no hand jumps aside."""
    outwards = maximum_filter1d(push, 7, axis=0, mode="nearest")
    inwards = minimum_filter1d(push, 7, axis=0, mode="nearest")
    return smooth(np.where(outwards >= -inwards, outwards, inwards), 2.0)
