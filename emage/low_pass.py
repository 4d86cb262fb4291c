"""Low-pass: decoded motion without its tremble.

Codes are chosen from a table, and where they change the decoder's motion jerks. What speaking people do with trunk,
arms and legs is slower; a Gaussian over time leaves it and takes the jerks away. The face is left alone: lips close
within two frames.
"""

from dataclasses import replace

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from emage.motion import Motion
from emage.rotations import axis_angle_to_rotation_6d, rotation_6d_to_axis_angle
from emage.skeleton import NUM_JOINTS, PART_JOINTS


def low_passed(motion: Motion, sigma_frames: float) -> Motion:
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
