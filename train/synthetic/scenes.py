"""Motion without words, by the same rules: hands go through given keys, feet where they are sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from emage.motion import Motion
from emage.recording.audio import SAMPLE_RATE_HZ
from train.synthetic.arms import follow_tracks
from train.synthetic.compose import SHRUG, put_together
from train.synthetic.gestures import REST, Key
from train.synthetic.phones import SILENCE
from train.synthetic.speakers import Habits
from train.synthetic.stance import Carriage, Walker, breathe, carry, stand_and_step
from train.synthetic.strokes import SIDES
from train.synthetic.timing import Phone, Times
from train.synthetic.tracks import Track, frame_seconds, smooth


@dataclass(frozen=True)
class Scene:
    """What somebody does without a word.

    hands: keys by side, each with the second at which the hand is there; None is at rest, where both hands begin.
    walks: (second, x and z in metres, turn in degrees to the left) of places to go to from (0, 0).
    weight: (second, 0 on the left foot to 1 on the right); not beside walks. head: (second, pitch down, yaw to the
    left, roll to the right side), degrees, on top of what the rules do.
    """

    duration_s: float
    seed: int
    hands: Mapping[str, Sequence[tuple[float, Key | None]]] = field(default_factory=dict)
    walks: Sequence[tuple[float, float, float, float]] = ()
    weight: Sequence[tuple[float, float]] = ()
    head: Sequence[tuple[float, float, float, float]] = ()
    habits: Habits = field(default_factory=Habits)


def enact(scene: Scene) -> Motion:
    """The motion of a scene."""
    num_samples = round(scene.duration_s * SAMPLE_RATE_HZ)
    times = Times("scene", 0, scene.seed, num_samples, (), (Phone(SILENCE, 0, round(1000 * scene.duration_s)),))
    habits, seconds = scene.habits, frame_seconds(times.num_frames)
    arms_rng, legs_rng, head_rng, face_rng, breath_rng = (
        np.random.default_rng(seed) for seed in np.random.SeedSequence(scene.seed).spawn(5)
    )
    breath = breathe(times, breath_rng)
    carriage = _turn_head(carry(times, habits, (), head_rng), scene, seconds)
    walker = Walker(habits)
    for second, x_m, z_m, turn_deg in scene.walks:
        walker.walk(second, x_m, z_m, float(np.radians(turn_deg)))
    for second, weight in scene.weight:
        walker.shift(second, weight, 0.9 / habits.tempo)
    lower = stand_and_step(walker.steps, walker.weight, habits, seconds, legs_rng)
    arms = follow_tracks(_hand_tracks(scene), seconds, SHRUG * breath, lower.spread, arms_rng)
    return put_together(times, habits, breath, arms, carriage, lower, face_rng)


def _hand_tracks(scene: Scene) -> dict[str, Track]:
    rest, tracks = REST["waist" if scene.habits.rest == "waist" else "sides"], {}
    for side in SIDES:
        tracks[side] = Track(rest.vector(side))
        for second, key in scene.hands.get(side, ()):
            tracks[side].key(second, (key or rest).vector(side))
    return tracks


def _turn_head(carriage: Carriage, scene: Scene, seconds: np.ndarray) -> Carriage:
    """With the scene's turns of the head; the eyes go first, and along."""
    track = Track(np.zeros(3))
    for second, *turn in scene.head:
        track.key(second, np.array(turn))
    head, eyes = smooth(track.sample(seconds), 1.0), track.sample(seconds + 0.15)
    return replace(
        carriage,
        head_pitch=carriage.head_pitch + head[:, 0],
        head_yaw=carriage.head_yaw + head[:, 1],
        head_roll=carriage.head_roll + head[:, 2],
        gaze_pitch=carriage.gaze_pitch + eyes[:, 0],
        gaze_yaw=carriage.gaze_yaw + eyes[:, 1],
    )
