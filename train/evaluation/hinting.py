"""What hints are worth: half of the upper body is shown over spans, and the hidden half is compared with the truth."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from emage.body import Body
from emage.evaluation.checks import pose_matrices
from emage.hints import HintPlan, Hints, Span
from emage.motion import Motion
from emage.motion.rotations import angle_between
from emage.motion.skeleton import NUM_JOINTS, PART_JOINTS
from emage.pipeline import EmagePipeline
from train.data.cache import Cache
from train.evaluation.held_out import held_out_clips, read_clip
from train.evaluation.intervals import Interval, bootstrap
from train.evaluation.makers import generate
from train.evaluation.scores import HeldOutClip
from train.evaluation.settings import Evaluation
from train.evaluation.targets import Target

HINT_FRAMES = 32
"""The upper body is shown and hidden over spans of so many frames by turns; it is shown first."""
PART = "upper"


@dataclass(frozen=True)
class HiddenErrors:
    """Where the upper body was hidden, with intervals over clips. joints_mm: mean distance of its joints from the true
    ones, all other joints at rest; degrees: mean angle of its joints' turns from the true ones."""

    joints_mm: Interval
    degrees: Interval


@dataclass(frozen=True)
class HintingReport:
    """rows: by model: without hints; with hints; with hints and no audio."""

    clips: int
    rows: dict[str, HiddenErrors]
    targets: tuple[Target, ...]


def hinting_report(
    cache: Cache, models: Mapping[str, tuple[EmagePipeline, bool]], body: Body, config: Evaluation
) -> HintingReport:
    """Over the first `hint_clips` clips of split test. models: by name, each with whether it is told the words."""
    clips = held_out_clips(cache)[: config.hint_clips]
    rows, targets = {}, []
    for name, (pipe, with_words) in models.items():
        errors: dict[str, list[tuple[float, float]]] = {"no hints": [], "hints": [], "hints, no audio": []}
        for listed in tqdm(clips, f"Hints, {name}", unit=" clips"):
            clip = read_clip(cache, listed)
            words = clip.words if with_words else ()
            hints = Hints(clip.truth, half_plan(clip.truth.num_frames))
            for row, (given, use_audio) in zip(errors, ((None, True), (hints, True), (hints, False)), strict=True):
                motion = generate(pipe, clip.audio, clip.speaker, config, words, given, use_audio)
                errors[row].append(hidden_errors(motion, clip, body))
        pooled = {row: _pool(values, config.seed) for row, values in errors.items()}
        rows |= {f"{name}, {row}": scores for row, scores in pooled.items()}
        for row in ("hints", "hints, no audio"):
            less_mm = np.array(errors["no hints"])[:, 0] - np.array(errors[row])[:, 0]
            gain = bootstrap(len(clips), lambda rows, less_mm=less_mm: less_mm[rows].mean(), config.seed)
            targets.append(Target.above(f"{name}: mm that {row} take away, lower end of the interval", gain.low, 0))
    return HintingReport(len(clips), rows, tuple(targets))


def half_plan(frames: int) -> HintPlan:
    """The upper body visible in every other span of a clip of so many frames."""
    starts = range(0, frames, 2 * HINT_FRAMES)
    return HintPlan(tuple(Span(PART, start, min(start + HINT_FRAMES, frames)) for start in starts))


def hidden_errors(motion: Motion, clip: HeldOutClip, body: Body) -> tuple[float, float]:
    """Millimetres and degrees, see `HiddenErrors`, of a motion as long as the clip."""
    hidden = np.arange(motion.num_frames) // HINT_FRAMES % 2 == 1
    joints = list(PART_JOINTS[PART])
    places, turns = [], []
    for each in (motion, clip.truth):
        poses = np.zeros((motion.num_frames, NUM_JOINTS, 3))
        poses[:, joints] = each.poses.reshape(poses.shape)[:, joints]
        alone = replace(each, poses=poses.reshape(len(poses), -1), trans=np.zeros_like(each.trans))
        places.append(body.joints(alone)[hidden][:, joints])
        turns.append(pose_matrices("poses", alone.poses)[hidden][:, joints])
    return (
        1000 * float(np.linalg.norm(places[0] - places[1], axis=-1).mean()),
        float(angle_between(*turns).rad2deg().mean()),
    )


def _pool(errors: list[tuple[float, float]], seed: int) -> HiddenErrors:
    columns = np.array(errors).T
    return HiddenErrors(*(bootstrap(len(errors), lambda rows, c=column: c[rows].mean(), seed) for column in columns))
