"""Hints as the network takes them: the (T, 337) motion and mask, 0 visible and 1 hidden."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch

from emage.errors import HintError
from emage.hints.plan import Hints
from emage.motion import ARKIT52, Motion
from emage.motion.rotations import axis_angle_to_rotation_6d
from emage.motion.skeleton import (
    ARKIT_ACTIONS,
    CONTACT_JOINTS,
    CONTACTS,
    JAW_JOINT,
    JAW_OPEN_RAD,
    MOTION_CHANNELS,
    ROTATION_CHANNELS,
    TRANSLATION,
    hint_channels,
)

CONTACT_SPEED_M = 0.01
"""A foot joint that moves less than this in a frame is in contact (BEAT2's own threshold)."""
_CONVERTED_AT_ONCE = 4096


class HintWindows(Protocol):
    """What the generator is shown of hints, window by window."""

    def frames(self, start: int, end: int) -> "NetworkHints":
        """Of the frames from `start` to `end`, end exclusive."""
        ...


@dataclass(frozen=True)
class NetworkHints:
    """motion (T, 337) float32 and mask (T, 337) uint8, 1 hidden and 0 visible, as the generator takes them."""

    motion: np.ndarray
    mask: np.ndarray

    def __post_init__(self):
        if self.motion.shape != self.mask.shape or self.motion.shape[1:] != (MOTION_CHANNELS,):
            raise HintError(f"Hint motion {self.motion.shape} and mask {self.mask.shape} must both be (T, 337).")

    def frames(self, start: int, end: int) -> "NetworkHints":
        assert len(self.motion) >= end
        return NetworkHints(self.motion[start:end], self.mask[start:end])


def network_hints(hints: Hints, contacts: np.ndarray, num_frames: int, start_frame: int = 0) -> NetworkHints:
    """What the generator is shown of `hints`, over `num_frames` frames from `start_frame` on.

    contacts: (T, 4), of the reference from `start_frame` on; see `foot_contacts`. A reference that ends early stands
    still from there on; no span reaches that far. A mouth that opens by the action jawOpen is shown as the turn of the
    jaw like it, for a network is shown of a face the jaw alone.
    """
    motion = np.empty((num_frames, MOTION_CHANNELS), dtype=np.float32)
    last = hints.reference.num_frames - 1
    start = min(start_frame, last)
    shown = min(num_frames, last + 1 - start)
    motion[:shown] = motion_channels(_turn_jaw(hints.reference.frames(start, start + shown)), contacts[:shown])
    motion[shown:] = motion[shown - 1]
    mask = np.ones((num_frames, MOTION_CHANNELS), dtype=np.uint8)
    for span in hints.plan.spans:
        first, end = max(span.start_frame - start_frame, 0), max(span.end_frame - start_frame, 0)
        mask[first:end, hint_channels(span.part)] = 0
    return NetworkHints(motion, mask)


class HintsByWindow:
    """`network_hints` of each window when it is asked for: those of a long recording need not be made before the first.

    joints_of: gives the joints (T, 55, 3) of a motion.
    """

    def __init__(self, hints: Hints, joints_of: Callable[[Motion], np.ndarray]):
        self._hints, self._joints_of = hints, joints_of

    def frames(self, start: int, end: int) -> NetworkHints:
        reference = self._hints.reference
        first = min(start, reference.num_frames - 1)
        # With a frame more on either side, by which contacts of the others are told; and without a face, which feet do
        # not need.
        low, high = max(first - 1, 0), min(end + 1, reference.num_frames)
        around = reference.frames(low, high)
        around = replace(around, expressions=np.zeros_like(around.expressions))
        contacts = foot_contacts(self._joints_of(around))[first - low :]
        return network_hints(self._hints, contacts, end - start, start)


def _turn_jaw(motion: Motion) -> Motion:
    if motion.expression_basis != ARKIT52:
        return motion
    poses = motion.poses.copy()
    poses[:, 3 * JAW_JOINT] += JAW_OPEN_RAD * motion.expressions[:, ARKIT_ACTIONS.index("jawOpen")]
    return replace(motion, poses=poses)


def motion_channels(motion: Motion, contacts: np.ndarray) -> np.ndarray:
    """(T, 337) float32: 55 joints x 6D, translation, foot contacts (T, 4)."""
    channels = np.empty((motion.num_frames, MOTION_CHANNELS), dtype=np.float32)
    for start in range(0, motion.num_frames, _CONVERTED_AT_ONCE):
        part = slice(start, start + _CONVERTED_AT_ONCE)
        poses = torch.from_numpy(motion.poses[part].astype(np.float64))
        channels[part, :ROTATION_CHANNELS] = axis_angle_to_rotation_6d(poses)
    channels[:, TRANSLATION] = motion.trans
    channels[:, CONTACTS] = contacts
    return channels


def foot_contacts(joints: np.ndarray) -> np.ndarray:
    """Joint positions (T, 55, 3) in metres at 30 fps -> (T, 4) float32, 1 where a foot joint stands.

    A foot joint stands in a frame when it moves less than 1 cm to the next one; the last frame is as the one before.
    """
    feet = joints[:, CONTACT_JOINTS]
    if len(feet) == 1:
        return np.ones((1, len(CONTACT_JOINTS)), dtype=np.float32)
    speed = np.linalg.norm(np.diff(feet, axis=0), axis=-1)
    return (np.concatenate([speed, speed[-1:]]) < CONTACT_SPEED_M).astype(np.float32)
