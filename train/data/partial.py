"""Motion that is not whole: of the body alone, without faces, fingers, legs or a path, from other data sets."""

from dataclasses import replace

import numpy as np

from emage.body import Body
from emage.errors import MotionError
from emage.files import read_npz
from emage.motion import Motion
from emage.motion.skeleton import (
    CONTACT_JOINTS,
    EYE_JOINTS,
    NUM_BETAS,
    NUM_EXPRESSIONS,
    NUM_JOINTS,
    PART_JOINTS,
    POSE_CHANNELS,
)
from train.data.channels import TRANS
from train.data.corpus import CHANNELS_FILE, CorpusClip

_BODY_JOINTS = 22
_HAND_JOINTS = 15
_RATES = ("mocap_frame_rate", "mocap_framerate")
"""BEAT2's and AMASS's names."""


def load_clip_motion(clip: CorpusClip) -> Motion:
    """The motion of a clip; what it is said to lack is at rest, whether the file has it or not.

    Files of whole clips are as BEAT2 has them. Others may have (T, 66) or (T, 72) poses of SMPL's body, (T, 156) of
    SMPL-H, which has no face, or SMPL-X's (T, 165); expressions and translation where they are not said to be missing;
    betas of any number, or none; and the rate by AMASS's name.

    Raises:
        MotionError: it cannot be read, or lacks what it is not said to lack.
    """
    path = clip.motion_file
    if not clip.missing:
        return Motion.load(path)
    arrays = read_npz(path, MotionError)
    rate = next((arrays[name] for name in _RATES if name in arrays), None)
    if "poses" not in arrays or rate is None or np.size(rate) != 1:
        raise MotionError(f"{path.name} has no poses, or no single {_RATES[0]}.")
    poses = _widen(arrays["poses"], clip)
    frames = len(poses)
    for part in (part for part in clip.missing if part in PART_JOINTS):
        poses[:, list(PART_JOINTS[part])] = 0
    if "face" in clip.missing:
        poses[:, list(EYE_JOINTS)] = 0
    betas = np.zeros(NUM_BETAS)
    known = np.ravel(arrays.get("betas", ()))[:NUM_BETAS]
    betas[: len(known)] = known
    try:
        return Motion(
            poses.reshape(frames, POSE_CHANNELS),
            np.zeros((frames, NUM_EXPRESSIONS)) if "face" in clip.missing else _required(arrays, "expressions", clip),
            np.zeros((frames, 3)) if TRANS in clip.missing else _required(arrays, "trans", clip),
            betas,
            float(np.ravel(rate)[0]),
            Motion.basis_of(path),
        )
    except MotionError as error:
        raise MotionError(f"{path.name}: {error}") from error


def _required(arrays: dict[str, np.ndarray], name: str, clip: CorpusClip) -> np.ndarray:
    if name not in arrays:
        raise MotionError(f"there is no array {name}. {_remedy(clip)}")
    return arrays[name]


def _remedy(clip: CorpusClip) -> str:
    return f"Where a data set has none, say so in {clip.corpus / CHANNELS_FILE}."


def _widen(poses: np.ndarray, clip: CorpusClip) -> np.ndarray:
    """(T, 66 | 72 | 156 | 165) -> (T, 55, 3), what is not there at rest. Raises MotionError."""
    lacking = {66: ("face", "hands"), 72: ("face", "hands"), 156: ("face",), POSE_CHANNELS: ()}
    width = poses.shape[1] if poses.ndim == 2 else 0
    if width not in lacking:
        raise MotionError(
            f"{clip.motion_file.name}: poses has shape {poses.shape}; it needs 66, 72, 156 or 165 columns."
        )
    if unsaid := [part for part in lacking[width] if part not in clip.missing]:
        raise MotionError(f"{clip.motion_file.name}: {width} columns of poses have no {unsaid[0]}. {_remedy(clip)}")
    wide = np.zeros((len(poses), NUM_JOINTS, 3), dtype=poses.dtype)
    known = poses.reshape(len(poses), -1, 3)
    if width == POSE_CHANNELS:
        wide[:] = known
    wide[:, :_BODY_JOINTS] = known[:, :_BODY_JOINTS]
    if width == 156:
        wide[:, list(PART_JOINTS["hands"])] = known[:, _BODY_JOINTS : _BODY_JOINTS + 2 * _HAND_JOINTS]
    return wide


def stand_on_floor(motion: Motion, body: Body) -> Motion:
    """The pelvis where the lowest foot joint is as high as at rest: a height for motion that has none."""
    at_rest = replace(motion.frames(0, 1), poses=np.zeros((1, POSE_CHANNELS)), trans=np.zeros((1, 3)))
    ankle_m = body.joints(at_rest)[0, CONTACT_JOINTS, 1].min() - body.vertices(at_rest)[0, :, 1].min()
    lowest_m = body.joints(replace(motion, trans=np.zeros_like(motion.trans)))[:, CONTACT_JOINTS, 1].min(1)
    trans = np.zeros_like(motion.trans)
    trans[:, 1] = ankle_m - lowest_m
    return replace(motion, trans=trans)
