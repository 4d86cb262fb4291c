"""What one motion of one clip measures: sums from which every score of any set of clips follows."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from emage.body import Body
from emage.evaluation import published, quality
from emage.models.fgd import MotionAutoencoder
from emage.motion import Motion
from emage.motion.rotations import axis_angle_to_rotation_6d
from emage.motion.skeleton import EYE_JOINTS, NUM_JOINTS, PART_JOINTS, SHARED_BETAS
from train.data.channels import TRANS
from train.evaluation.beat2.clips import TrueClip
from train.evaluation.gesture_kinds import find_strokes
from train.evaluation.scores import beat_joints, beat_scores, face_vertices
from train.evaluation.word_gestures import count_in_time, gesture_words

_FRAMES_AT_ONCE = 64
"""Of vertices, of which a body has ten thousand."""


@dataclass(frozen=True)
class Measures:
    """frames: of the shorter of motion and truth, which all the others look at. What a clip does not tell is None.

    seam_rad, step_rad: mean turn of a joint in the step into a window, and in the others. hint_rad: mean distance from
    a hint, of the joints that it showed. gesture_words: that were performed with a gesture; recalled_words: of these,
    how many get a gesture of theirs in time.
    """

    frames: int
    bc: float | None
    bc_aligned: float | None
    l1_diversity_m: float
    face_mse_m2: float | None
    face_lvd_m_per_frame: float | None
    face_distance_m: float | None
    srgr: float | None
    slid_m: float | None
    contact_s: float | None
    jerk_m_per_s3: float
    seam_rad: float | None = None
    step_rad: float | None = None
    hint_rad: float | None = None
    gesture_words: int | None = None
    recalled_words: int | None = None


class Ruler:
    """Measures motions.

    mean_velocity: (55,) m/s, of `mean_vel_smplxflame_30.npy` or `published.mean_joint_velocity`.
    """

    def __init__(self, body: Body, evaluator: MotionAutoencoder, mean_velocity: np.ndarray):
        self.body, self.evaluator, self.mean_velocity = body, evaluator, mean_velocity

    def features(self, motion: Motion) -> np.ndarray:
        """(N, D) of FGD."""
        return self.evaluator.features(axis_angle_to_rotation_6d(torch.from_numpy(motion.poses))).numpy()

    def measure(self, motion: Motion, clip: TrueClip, seams: Sequence[int] = ()) -> Measures:
        """motion: cut to the clip's truth, which is cut alike. seams: first frame of each window but one.

        Raises:
            MotionError, AudioError: under 4.5 s.
        """
        motion, truth = cut_alike(motion, clip.truth, clip.missing)
        posed, target = (beat_joints(self.body, each) for each in (motion, truth))
        joints = self.body.joints(motion)
        has_upper, has_face = "upper" not in clip.missing, "face" not in clip.missing
        sliding = None if {"lower", TRANS} & set(clip.missing) else quality.foot_sliding(joints)
        inner = [seam for seam in seams if 0 < seam < motion.num_frames]
        steps = quality.seam_steps(motion.poses, inner) if inner else None
        recalled = has_upper and clip.semantic is not None
        strokes = None
        if clip.strokes is not None and not {"upper", "hands"} & set(clip.missing):
            strokes = [stroke for stroke in clip.strokes if stroke.apex_s < motion.duration_s]
        face = self._compare_faces(motion, truth) if has_face else (None, None, None)
        bc, bc_aligned = beat_scores(posed, clip.audio, self.mean_velocity) if has_upper else (None, None)
        return Measures(
            frames=motion.num_frames,
            bc=bc,
            bc_aligned=bc_aligned,
            l1_diversity_m=published.l1_diversity(posed),
            face_mse_m2=face[0],
            face_lvd_m_per_frame=face[1],
            face_distance_m=face[2],
            srgr=published.semantic_gesture_recall(posed, target, clip.semantic[: len(posed)]) if recalled else None,
            slid_m=sliding and sliding.slid_m,
            contact_s=sliding and sliding.contact_s,
            jerk_m_per_s3=quality.mean_jerk(joints),
            seam_rad=steps and steps.at_seams_rad,
            step_rad=steps and steps.elsewhere_rad,
            gesture_words=None if strokes is None else len(gesture_words(strokes)),
            recalled_words=None if strokes is None else count_in_time(find_strokes(motion), strokes),
        )

    def _compare_faces(self, motion: Motion, truth: Motion) -> tuple[float, float, float]:
        """MSE, LVD, and LVD as the paper's first code had it, of all frames."""
        if np.array_equal(motion.poses, truth.poses) and np.array_equal(motion.expressions, truth.expressions):
            return 0.0, 0.0, 0.0
        squares, velocities, distances, size = 0.0, 0.0, 0.0, 0
        for start, stop in _overlapping(motion.num_frames):
            made, target = (face_vertices(self.body, each.frames(start, stop)) for each in (motion, truth))
            new = slice(int(start > 0), None)  # the first frame of a later stretch is the one before's last
            squares += published.vertex_mse(made[new], target[new]) * made[new].size
            velocities += published.lvd_velocity_difference(made, target) * made.size
            distances += published.lvd_vertex_distance(made, target) * made[1:].size
            size += made[new].size
        return squares / size, velocities / size, distances / (size - size // motion.num_frames)


def _overlapping(frames: int) -> Iterator[tuple[int, int]]:
    """Stretches, each beginning with the last frame of the one before; of two frames or more."""
    starts = list(range(0, frames - 1, _FRAMES_AT_ONCE))
    for start, stop in zip(starts, [*starts[1:], frames - 1], strict=True):
        yield start, stop + 1


def cut_alike(motion: Motion, truth: Motion, missing: Collection[str] = ()) -> tuple[Motion, Motion]:
    """Both to the shorter, on the body of the truth: its whole shape where the expressions' basis is the same. What the
    truth lacks is at rest in the motion, too."""
    frames = min(motion.num_frames, truth.num_frames)
    betas = truth.betas.copy()
    if motion.expression_basis != truth.expression_basis:
        betas[SHARED_BETAS:] = 0
    motion, truth = replace(motion.frames(0, frames), betas=betas), truth.frames(0, frames)
    poses, trans, expressions = motion.poses.reshape(frames, NUM_JOINTS, 3).copy(), motion.trans, motion.expressions
    for part in missing:
        poses[:, list(PART_JOINTS.get(part, ()))] = 0
    if "face" in missing:
        poses[:, list(EYE_JOINTS)] = 0
        expressions = np.zeros_like(expressions)
    if {"lower", TRANS} & set(missing):
        trans = truth.trans
    return replace(motion, poses=poses.reshape(frames, -1), trans=trans, expressions=expressions), truth
