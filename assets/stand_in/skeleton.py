"""Where the joints of SMPL-X's neutral body rest, and how its first ten betas move them.

The numbers are facts about SMPL-X that the package `mannequin-x` 0.3.0 (Apache-2.0) publishes in its
`smplx_calibration.npz`: rest joints, what each beta adds to them, heights of the sole, the box around the head. Its
meshes are not used.
"""

from dataclasses import dataclass
from pathlib import Path

import mannequin
import numpy as np

from emage.motion.skeleton import JOINT_NAMES, NUM_JOINTS

CALIBRATION = Path(mannequin.__file__).parent / "assets" / "smplx_calibration.npz"
NUM_SMPLX_BETAS = 10
UNKNOWN_JOINTS = ("jaw", "left_eye", "right_eye")
"""The calibration lacks them: they follow from the head that is built."""


@dataclass(frozen=True)
class Skeleton:
    """SMPL-X's neutral skeleton, origin where SMPL-X has it.

    joints (55, 3) and joint_directions (55, 3, 10): NaN for `UNKNOWN_JOINTS`. head (2, 3) and head_directions (2, 3,
    10): lowest and highest corner of the box around the head. sole_directions (10,): what each beta adds to the height
    of the sole, in the mean.
    """

    joints: np.ndarray
    joint_directions: np.ndarray
    head: np.ndarray
    head_directions: np.ndarray
    sole_directions: np.ndarray

    def joint(self, name: str) -> np.ndarray:
        """(3,)."""
        return self.joints[JOINT_NAMES.index(name)]


def smplx_skeleton() -> Skeleton:
    with np.load(CALIBRATION, allow_pickle=False) as archive:
        given = {key: archive[key].astype(np.float64) for key in archive.files}
    # 22 body joints, both wrists again, 15 finger joints of each hand in SMPL-X's order.
    known = [i for i, name in enumerate(JOINT_NAMES) if name not in UNKNOWN_JOINTS]
    rows = [*range(22), *range(24, 54)]
    joints = np.full((NUM_JOINTS, 3), np.nan)
    directions = np.full((NUM_JOINTS, 3, NUM_SMPLX_BETAS), np.nan)
    joints[known], directions[known] = given["joint_rest"][rows], given["joint_dirs"][rows]
    return Skeleton(
        joints,
        directions,
        np.stack([given["head_min_rest"], given["head_max_rest"]]),
        np.stack([given["head_min_dirs"], given["head_max_dirs"]]),
        given["sole_y_dirs"].mean(0),
    )
