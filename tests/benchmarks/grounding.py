"""What grounding does to motions: `python -m tests.benchmarks.grounding MOTION.npz ... [--body NPZ] [--demo TAKES]`.

Contact is judged by two measures. One is grounding's own, of heel and ball. The other knows nothing of it: points of
the soles that in the motion as it was given were within 1.5 cm of the lowest one and slower than 0.3 m/s as seen from
the pelvis (the given path is not to be trusted).
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from emage.body import Body
from emage.body.model import STAND_IN_FILE
from emage.generation.settings import AS_GENERATED, GROUNDED
from emage.motion import FPS, Motion
from emage.motion.skeleton import JOINT_NAMES, NUM_JOINTS
from emage.pipeline import EmagePipeline
from emage.postprocess.contacts import FootTrack, bearing_shift, find_contacts
from emage.recording.examples import load_examples
from tests.stages import translate

LEG_JOINTS = tuple(
    JOINT_NAMES.index(f"{side}_{name}") for side in ("left", "right") for name in ("hip", "knee", "ankle")
)
KNEE_JOINTS, ANKLE_JOINTS = LEG_JOINTS[1::3], LEG_JOINTS[2::3]
FOOT_JOINTS = tuple(JOINT_NAMES.index(f"{side}_foot") for side in ("left", "right"))
"""The balls."""

CONTACT_HEIGHT_M, CONTACT_SPEED_M_PER_S = 0.015, 0.3


@dataclass(frozen=True)
class Grounded:
    """What grounding did to one motion; lengths in mm, and mm a frame, at the median and in nine of ten.

    slide, own_slide: of what is in contact by the measure that knows nothing of grounding, and by grounding's own;
    first as it was, then as it is. lowest: 5th, 50th and 95th percentile of the lowest sole's height. given_end,
    path_end: of the path from where it began, m. turned_degrees: mean change of each rotation of hip, knee and ankle.
    twist_degrees: by which knees point elsewhere, in 99 of 100 frames. straighter_mm: by which a leg becomes longer
    than both 99 % of its bones and what it was. acceleration: 99th percentile of knees and ankles, mm a frame^2, as it
    was and as it is.
    """

    slide: tuple[tuple[float, float], tuple[float, float]]
    own_slide: tuple[tuple[float, float], tuple[float, float]]
    lowest: tuple[float, float, float]
    given_end: float
    path_end: float
    turned_degrees: float
    twist_degrees: float
    straighter_mm: float
    acceleration: tuple[float, float]
    took_s: float


def measure(given: Motion, made: Motion, body: Body, took_s: float = 0.0) -> Grounded:
    """given: as generated, at 30 frames a second; made: grounded."""
    touching, own = contact_points(given, body), own_contacts(given, body)
    turned = np.degrees(_turn(given, made)[:, LEG_JOINTS])
    lowest = 1000 * body.soles(made)[..., 1].min(axis=1).astype(np.float64)
    return Grounded(
        slide=tuple(_slide(body.soles(each), touching) for each in (given, made)),
        own_slide=tuple(_slide(_places(each, body), own) for each in (given, made)),
        lowest=tuple(np.percentile(lowest, (5, 50, 95))),
        given_end=_end(given),
        path_end=_end(made),
        turned_degrees=float(turned.mean()),
        twist_degrees=float(np.percentile(knee_twist_degrees(given, made, body), 99)),
        straighter_mm=1000 * straighter_m(given, made, body),
        acceleration=tuple(_acceleration(each, body) for each in (given, made)),
        took_s=took_s,
    )


def contact_points(motion: Motion, body: Body) -> np.ndarray:
    """(T, P) bool: points of the soles near the lowest one, and slow as seen from the pelvis."""
    soles = body.soles(motion).astype(np.float64)
    height = soles[..., 1] - soles[..., 1].min(axis=1, keepdims=True)
    from_pelvis = soles - body.joints(motion)[:, :1]
    speed = FPS * np.linalg.norm(np.gradient(from_pelvis[..., [0, 2]], axis=0), axis=-1)
    return (height < CONTACT_HEIGHT_M) & (speed < CONTACT_SPEED_M_PER_S)


def own_contacts(motion: Motion, body: Body) -> np.ndarray:
    """(T, 4) bool: heel and ball of the left and then the right foot, as grounding finds them."""
    soles = body.soles(motion).astype(np.float64)
    shift = bearing_shift(soles)
    moved, places = soles + shift[:, None], _places(motion, body) + shift[:, None]
    tracks = []
    for side, points in enumerate(np.split(moved, 2, axis=1)):
        is_heel = _is_heel(motion, body)[side]
        heights = [points[:, chosen, 1].min(axis=1) for chosen in (is_heel, ~is_heel)]
        tracks.append(FootTrack(np.stack(heights, axis=1), places[:, 2 * side : 2 * side + 2]))
    return find_contacts(tuple(tracks), soles[..., 1].min(axis=1)).reshape(-1, 4)


def _is_heel(motion: Motion, body: Body) -> list[np.ndarray]:
    """Of each foot, which points of the sole are nearer to the ankle than to the ball."""
    joints, soles = body.joints(motion.frames(0, 1))[0], body.soles(motion.frames(0, 1))[0]
    return [
        np.linalg.norm(points - joints[ankle], axis=1) < np.linalg.norm(points - joints[ball], axis=1)
        for points, ankle, ball in zip(np.split(soles, 2), ANKLE_JOINTS, FOOT_JOINTS, strict=True)
    ]


def _places(motion: Motion, body: Body) -> np.ndarray:
    """(T, 4, 3): the middle of each heel, and each ball."""
    joints, soles = body.joints(motion).astype(np.float64), body.soles(motion).astype(np.float64)
    places = []
    for points, is_heel, ball in zip(np.split(soles, 2, axis=1), _is_heel(motion, body), FOOT_JOINTS, strict=True):
        places += [points[:, is_heel].mean(axis=1), joints[:, ball]]
    return np.stack(places, axis=1)


def _slide(points: np.ndarray, touching: np.ndarray) -> tuple[float, float]:
    """mm a frame over the floor of (T, P, 3) in steps from and to contact, (T, P) bool: median, and nine of ten."""
    steps = 1000 * np.linalg.norm(np.diff(points[..., [0, 2]].astype(np.float64), axis=0), axis=-1)
    steps = steps[touching[1:] & touching[:-1]]
    return tuple(np.percentile(steps, (50, 90))) if len(steps) else (0.0, 0.0)


def _end(motion: Motion) -> float:
    return float(np.linalg.norm((motion.trans[-1] - motion.trans[0])[[0, 2]]))


def _turn(given: Motion, made: Motion) -> np.ndarray:
    """(T, 55) radians."""
    first, second = (Rotation.from_rotvec(each.poses.reshape(-1, 3)) for each in (given, made))
    return (first.inv() * second).magnitude().reshape(-1, NUM_JOINTS)


def knee_twist_degrees(given: Motion, made: Motion, body: Body) -> np.ndarray:
    """(T, 2): by how much each knee points elsewhere, turned about the line from hip to ankle."""
    twists = []
    for hip, _, ankle in np.reshape(LEG_JOINTS, (2, 3)):
        hinges = []
        for motion in (given, made):
            joints = body.joints(motion).astype(np.float64)
            rotations = [Rotation.from_rotvec(motion.poses[:, 3 * joint : 3 * joint + 3]) for joint in (0, hip)]
            line = joints[:, ankle] - joints[:, hip]
            line /= np.linalg.norm(line, axis=1, keepdims=True)
            hinge = (rotations[0] * rotations[1]).apply([1.0, 0, 0])
            hinges.append((hinge, line))
        (before, old), (after, new) = hinges
        axis = np.cross(old, new)
        sine = np.linalg.norm(axis, axis=1, keepdims=True)
        swing = Rotation.from_rotvec(axis / np.maximum(sine, 1e-12) * np.arctan2(sine, (old * new).sum(1)[:, None]))
        before = swing.apply(before)
        flat = [each - (each * new).sum(1)[:, None] * new for each in (before, after)]
        cosine = (flat[0] * flat[1]).sum(1) / np.prod([np.linalg.norm(each, axis=1) for each in flat], axis=0)
        twists.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    return np.stack(twists, axis=1)


def straighter_m(given: Motion, made: Motion, body: Body) -> float:
    """By how much a leg becomes longer than both 99 % of its bones and what it was, at most."""
    worst = 0.0
    for hip, knee, ankle in np.reshape(LEG_JOINTS, (2, 3)):
        lengths = []
        for motion in (given, made):
            joints = body.joints(motion).astype(np.float64)
            lengths.append(np.linalg.norm(joints[:, ankle] - joints[:, hip], axis=1))
        bones = sum(np.linalg.norm(joints[0, a] - joints[0, b]) for a, b in ((hip, knee), (knee, ankle)))
        worst = max(worst, float((lengths[1] - np.maximum(lengths[0], 0.99 * bones)).max()))
    return worst


def _acceleration(motion: Motion, body: Body) -> float:
    joints = body.joints(motion)[:, [*KNEE_JOINTS, *ANKLE_JOINTS]].astype(np.float64)
    return 1000 * float(np.percentile(np.linalg.norm(np.diff(joints, n=2, axis=0), axis=-1), 99))


def generated(seeds: int) -> Iterator[tuple[str, Motion]]:
    """Of the demo weights, for each example: the likeliest take and some drawn ones, as generated."""
    pipe = EmagePipeline.from_pretrained("demo")
    for example in load_examples():
        for seed in (None, *range(1, seeds)):
            motion = pipe.generate(example.audio, speaker=example.speaker, seed=seed, translation=AS_GENERATED)
            yield f"demo {example.name} seed {seed}", motion


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("motions", nargs="*", type=Path)
    parser.add_argument("--body", type=Path, default=STAND_IN_FILE)
    parser.add_argument("--demo", type=int, default=0, metavar="TAKES", help="of each example, by the demo weights")
    options = parser.parse_args()
    body = Body.from_file(options.body)
    named = [(path.name, Motion.load(path).resample(FPS)) for path in options.motions]
    for name, motion in [*named, *(generated(options.demo) if options.demo else ())]:
        start = time.monotonic()
        made = translate(motion, GROUNDED, lambda: body)
        _show(name, motion, measure(motion, made, body, time.monotonic() - start))


def _show(name: str, motion: Motion, figures: Grounded) -> None:
    def pair(values: tuple[float, float]) -> str:
        return f"{values[0]:.2f} {values[1]:.2f}"

    print(
        f"{name}: {motion.num_frames} frames, grounded in {figures.took_s:.2f} s\n"
        f"  slide, mm a frame, median and nine of ten: {pair(figures.slide[0])} -> {pair(figures.slide[1])}; "
        f"by its own contacts {pair(figures.own_slide[0])} -> {pair(figures.own_slide[1])}\n"
        f"  path's end from its beginning: {figures.given_end:.2f} m -> {figures.path_end:.2f} m; "
        f"lowest sole at 5, 50, 95 %: {figures.lowest[0]:.1f} {figures.lowest[1]:.1f} {figures.lowest[2]:.1f} mm\n"
        f"  legs turned by {figures.turned_degrees:.1f} degrees in the mean; "
        f"knees aside by {figures.twist_degrees:.1f}; beyond straight {figures.straighter_mm:.1f} mm; "
        f"acceleration {figures.acceleration[0]:.1f} -> {figures.acceleration[1]:.1f} mm a frame^2",
        flush=True,
    )


if __name__ == "__main__":
    main()
