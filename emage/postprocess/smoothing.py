"""Smoothing: decoded motion without its tremble, and without haste where two windows join.

Low-pass. Codes are chosen from a table, and where they change the decoder's motion jerks. What speaking people do with
trunk, arms and legs is slower; a Gaussian over time leaves it and takes the jerks away. The face is left alone: lips
close within two frames.

Seams, where one window of the network ends and the next begins. A window sees the last frames of the one before and
then goes its own way, so joints move faster there than elsewhere. All windows are decoded in one piece, which leaves no
jump in one frame but a hasty move over some ten, and a move that begins where the shared frames end. So it is not an
offset that is spread (inertialization changes little here) but the frames around a seam that are drawn anew, by
graduation (Whittaker 1923, "On a new method of graduation"): frames x of given frames y minimise

    sum of trust_t |x_t - y_t|^2  +  stiffness * sum of nearness_t |third difference of x at t|^2.

Trust is least in the frames that two windows share, and grows over `seam_frames` on both sides. What lies further away
stays as it is, and position, velocity and acceleration go over into it. Steady acceleration passes as it is, and waves
shorter than `seam_frames` + 1 frames go.

10 is a good number: hasty hands of the demo weights slow down to six tenths. Recorded motion of BEAT2, treated so
where it has no seams, keeps its beats and its diversity, with wrists 5 % slower near by; with 12 it is 7 %, and there
are fewer beats.

The face is left out: with 8 the jaw would open a third less far near seams, and follow the sound less well there.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from scipy.linalg import solveh_banded
from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_filter1d

from emage.errors import MotionError
from emage.generation.settings import MAX_SEAM_FRAMES
from emage.motion import Motion
from emage.motion.rotations import axis_angle_to_rotation_6d, rotation_6d_to_axis_angle
from emage.motion.skeleton import NUM_JOINTS, PART_JOINTS
from emage.motion.stages import HeldFrames, LocalStage

SMOOTHED_JOINTS: tuple[int, ...] = (*PART_JOINTS["upper"], *PART_JOINTS["hands"], *PART_JOINTS["lower"])

_LEAST_TRUST = 0.05
"""Some trust stays everywhere: a seam close to the motion's end is not drawn on into nowhere."""
_DIFFERENCE = (-1.0, 3.0, -3.0, 1.0)
_ORDER = len(_DIFFERENCE) - 1


def low_pass(motion: Motion, sigma_frames: float) -> Motion:
    """The motion with the joints of body and hands, and the translation, filtered by a Gaussian over time.

    Rotations are averaged in their 6D form (Zhou et al. 2019), which has no jumps.

    Args:
        motion: T frames.
        sigma_frames: the Gaussian's standard deviation; it halves what has a period of 5.3 of them. 0: no change.
    """
    if sigma_frames == 0:
        return motion
    joints = sorted(set(range(NUM_JOINTS)) - set(PART_JOINTS["face"]))
    poses = motion.poses.reshape(-1, NUM_JOINTS, 3).copy()
    turns = axis_angle_to_rotation_6d(torch.from_numpy(poses[:, joints].astype(np.float64)))  # (T, J, 6)
    turns = torch.from_numpy(gaussian_filter1d(turns.numpy(), sigma_frames, axis=0, mode="nearest"))
    poses[:, joints] = rotation_6d_to_axis_angle(turns).numpy()
    trans = gaussian_filter1d(motion.trans.astype(np.float64), sigma_frames, axis=0, mode="nearest")
    return replace(motion, poses=poses.reshape(motion.poses.shape), trans=trans)


def low_pass_stage(sigma_frames: float) -> LocalStage:
    """`low_pass` of motion in pieces."""
    # As far as scipy's filter looks, which cuts the Gaussian off at four deviations.
    return LocalStage(lambda motion: low_pass(motion, sigma_frames), int(4 * sigma_frames + 0.5))


class SeamStage:
    """Smooths body and root trajectory around each seam; the face stays. Near a seam it waits until that is past.

    Args:
        seams: (start, end) of the frames that a window shares with the one before, end exclusive.
        seam_frames: so many frames on both sides of those may change; 0 changes nothing.
        num_frames: of the whole motion, which is as it was decoded, before locks and grounding.

    Raises:
        MotionError: `seam_frames` is no such number.
    """

    def __init__(self, seams: Sequence[tuple[int, int]], seam_frames: int, num_frames: int):
        if type(seam_frames) is not int or not 0 <= seam_frames <= MAX_SEAM_FRAMES:
            raise MotionError(f"seam_frames is {seam_frames!r}; it must be a whole number from 0 to {MAX_SEAM_FRAMES}.")
        shared = np.zeros(num_frames, dtype=bool)
        for start, end in seams:
            shared[start:end] = True
        self._stiffness = ((seam_frames + 1) / (2 * np.pi)) ** (2 * _ORDER)
        self._held, self._done = HeldFrames(), 0
        self._runs: list[tuple[int, int]] = []
        if seam_frames == 0 or not shared.any():
            return
        distance = np.minimum(distance_transform_edt(~shared) / (seam_frames + 1), 1)
        self._nearness = 0.5 * (1 + np.cos(np.pi * distance))
        # Three frames on both sides are what the smoothed ones go over into.
        considered = binary_dilation(self._nearness > 0, iterations=_ORDER)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], considered.astype(np.int8), [0]])))
        self._runs = [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]

    def push(self, piece: Motion) -> Motion | None:
        self._held.add(piece)
        end = self._held.end
        waits_from = next((start for start, stop in self._runs if start < end < stop), end)
        return self._settle(waits_from)

    def finish(self) -> Motion | None:
        return self._settle(self._held.end)

    def _settle(self, end: int) -> Motion | None:
        if end <= self._done:
            return None
        motion = self._held.frames(self._done, end)
        poses, trans = motion.poses.copy(), motion.trans.copy()
        while self._runs and self._runs[0][0] < end:
            start, stop = self._runs.pop(0)
            frames = slice(start - self._done, stop - self._done)
            self._smooth(poses[frames], trans[frames], self._nearness[start:stop])
        self._held.drop(end)
        self._done = end
        return replace(motion, poses=poses, trans=trans)

    def _smooth(self, poses: np.ndarray, trans: np.ndarray, nearness: np.ndarray) -> None:
        """In place, frames around one seam or several that lie close."""
        channels = [3 * joint + i for joint in SMOOTHED_JOINTS for i in range(3)]
        turns = axis_angle_to_rotation_6d(torch.from_numpy(poses[:, channels].astype(np.float64)))
        values = np.concatenate([turns.numpy(), trans], 1)
        changed = np.flatnonzero(nearness)
        values = (values + _correction(values, nearness, self._stiffness))[changed]
        poses[np.ix_(changed, channels)] = rotation_6d_to_axis_angle(torch.from_numpy(values[:, :-3])).numpy()
        trans[changed] = values[:, -3:]


def _correction(values: np.ndarray, nearness: np.ndarray, stiffness: float) -> np.ndarray:
    """What is to be added to `values` (T, C); 0 where nearness (T,) is 0."""
    if len(values) <= _ORDER:
        return np.zeros_like(values)
    stiff = stiffness * sliding_window_view(nearness, _ORDER + 1).max(axis=1)
    bends = stiff[:, None] * np.diff(values, n=_ORDER, axis=0)
    force = np.diff(np.pad(bends, ((_ORDER, _ORDER), (0, 0))), n=_ORDER, axis=0)
    bands = np.zeros((_ORDER + 1, len(values)))
    bands[0] = np.maximum(1 - nearness, _LEAST_TRUST)
    for row, first in enumerate(_DIFFERENCE):
        for column, second in enumerate(_DIFFERENCE[: row + 1]):
            bands[row - column, column : column + len(stiff)] += first * second * stiff
    # Fixed frames stay out of the system: their correction is 0.
    fixed = nearness == 0
    force[fixed] = 0
    bands[:, fixed] = 0
    for distance in range(1, _ORDER + 1):
        bands[distance, :-distance][fixed[distance:]] = 0
    bands[0, fixed] = 1
    return solveh_banded(bands, force, lower=True)
