"""Pose correctives: forearms that do not wring, and shoulders that keep their shape."""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from assets.stand_in.mesh import Part, neighbour_mean, turn_about
from emage.motion.skeleton import JOINT_NAMES, PARENTS


def wrist_twist(part: Part, heads: np.ndarray) -> np.ndarray:
    """(V, 3, 486) pose correctives: the forearm takes up to half of the wrist's twist, so that skin does not wring.

    A twist by a about the arm (x) shows in the wrist's matrix as sin a = (R[2,1] - R[1,2]) / 2, which is 0 when the
    wrist bends only. smplx multiplies the correctives by R - I, rows first, joints 1 to 54.
    """
    correctives = np.zeros((*part.vertices.shape, 486))
    for elbow, wrist in ((18, 20), (19, 21)):
        arm = heads[wrist] - heads[elbow]
        along = np.clip((part.vertices - heads[elbow]) @ arm / (arm @ arm), 0, 1)
        share = 0.5 * along**1.5 * part.weights[:, elbow]
        turned = turn_about(part.vertices, heads[wrist]) * share[:, None]
        correctives[:, :, 9 * (wrist - 1) + 7] = turned / 2
        correctives[:, :, 9 * (wrist - 1) + 5] = -turned / 2
    return correctives


LIFTED_M, LIFT_REACH_M = np.array((0.008, 0.030, 0.0)), 0.10
"""How far the top of the left shoulder rises where the arm is straight up, for the shoulder blade
turns with it; and the radius of what rises."""
MUSH_ROUNDS = 45
RIDGE = 0.02
SHOULDER_POSES = tuple(
    (Rotation.from_euler("xyz", (x, y, z)), 3.0 if z < -0.3 else 1.0)
    for x in (-0.6, 0.0, 0.6) for y in (-1.3, -0.6, 0.0, 0.5) for z in (-1.3, -0.9, -0.4, 0.3, 0.9, 1.4)
)  # fmt: skip
"""Turns of the left shoulder that the correctives are fitted to, and how much each counts."""


def shoulder_correctives(skin: Part, heads: np.ndarray) -> np.ndarray:
    """(n, 3, 486) pose correctives of the skin: a shoulder that keeps its shape where the arm is raised or forward.

    In sample poses of the shoulder the wanted skin is known (`_wanted_shoulder`); the correctives are linear in the
    nine numbers of R - I and fitted to them. The right shoulder is the left one of the body's mirror image.
    """
    joint, mirror = JOINT_NAMES.index("left_shoulder"), np.array([-1, 1, 1])
    swap = [JOINT_NAMES.index(_other_side(name)) for name in JOINT_NAMES]
    mirrored = replace(skin, vertices=skin.vertices * mirror, weights=skin.weights[:, swap])
    result = np.zeros((*skin.vertices.shape, 486))
    result[:, :, 9 * (joint - 1) : 9 * joint] = _left_shoulder(skin, heads[joint])
    # R of the mirrored turn has the signs of its first row and first column changed.
    signs = mirror[:, None] * np.outer(mirror, mirror).ravel()
    result[:, :, 9 * joint : 9 * (joint + 1)] = _left_shoulder(mirrored, heads[joint + 1] * mirror) * signs
    return result


def _other_side(name: str) -> str:
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(side):
            return other + name.removeprefix(side)
    return name


def _left_shoulder(skin: Part, joint: np.ndarray) -> np.ndarray:
    """(n, 3, 9) what each number of R - I of the left shoulder at joint (3,) adds."""
    matrices = np.stack([turn.as_matrix() for turn, _ in SHOULDER_POSES])
    counts = np.sqrt([count for _, count in SHOULDER_POSES])
    wanted = np.stack([_wanted_shoulder(skin, joint, turn) for turn in matrices])
    features = (matrices - np.eye(3)).reshape(-1, 9) * counts[:, None]
    ridge = RIDGE * len(features) * np.eye(9)
    fitted = np.linalg.solve(
        features.T @ features + ridge, features.T @ (wanted * counts[:, None, None]).reshape(len(wanted), -1)
    )
    fitted = np.moveaxis(fitted.reshape(9, -1, 3), 0, 2)
    fitted[np.linalg.norm(fitted, axis=1).max(1) < CORRECTIVE_FLOOR_M] = 0
    return fitted


def _is_below(joint: int, ancestor: str) -> bool:
    """Whether a joint is the ancestor or hangs from it."""
    return joint >= 0 and (JOINT_NAMES[joint] == ancestor or _is_below(PARENTS[joint], ancestor))


CORRECTIVE_FLOOR_M = 0.0004
"""Correctives that are nowhere larger are left out: they cost time and do not show."""


def _wanted_shoulder(skin: Part, joint: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """(n, 3) what to add to the vertices before skinning, so that the left shoulder at joint (3,) looks well turned
    by `turn` (3, 3).

    The skinned body is smoothed, and the details that smoothing takes from the body at rest are put back, turned
    along with the skin ("delta mush"); then the top of the shoulder rises with the arm.
    """
    arm = [i for i in range(55) if _is_below(i, "left_shoulder")]
    share = skin.weights[:, arm].sum(1)[:, None]
    blended = np.eye(3) + share[:, :, None] * (turn - np.eye(3))
    posed = np.einsum("nij,nj->ni", blended, skin.vertices - joint) + joint
    mean = neighbour_mean(skin.faces, len(skin.vertices))
    smooth = np.c_[skin.vertices, posed, share]
    for _ in range(MUSH_ROUNDS):
        smooth = mean @ smooth
    turned = Rotation.from_rotvec(smooth[:, 6:] * Rotation.from_matrix(turn).as_rotvec())
    target = smooth[:, 3:6] + turned.apply(skin.vertices - smooth[:, :3])
    raised = max(0.0, turn[1, 0])
    distance = np.linalg.norm(posed - joint - [0, 0.03, 0], axis=1) / LIFT_REACH_M
    # An arm that hangs needs no help.
    target = posed + np.clip((turn[1, 0] + 0.35) / 0.6, 0, 1) * (target - posed)
    target = target + raised**1.5 * np.exp(-(distance**2))[:, None] * LIFTED_M
    return np.linalg.solve(blended, (target - posed)[:, :, None])[:, :, 0]
