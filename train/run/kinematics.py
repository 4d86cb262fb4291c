"""Where a body's joints and some points of its skin are, so that gradients flow: what position losses measure with.

The person has the body's mean shape. Joints stay where they are in the mean shape whatever the expression, and pose
correctives are left out: the joints are those of `emage.body.model.Body` exactly, the skin to within millimetres.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from emage.body import Body
from emage.body.landmarks import FINGERTIP_JOINTS
from emage.models.codec import integrate_root
from emage.motion import ARKIT52, FPS, Motion
from emage.motion.rotations import rotation_6d_to_matrix
from emage.motion.skeleton import (
    CONTACT_JOINTS,
    DISJOINT_PARTS,
    DISJOINT_PARTS_OF,
    NUM_BETAS,
    NUM_EXPRESSIONS,
    NUM_JOINTS,
    PARENTS,
    POSE_CHANNELS,
    ROTATION_CHANNELS,
)


class Points(NamedTuple):
    """joints (..., 55, 3), fingertips (..., 10, 3) and skin (..., n, 3) in metres, the pelvis where it is at rest."""

    joints: Tensor
    fingertips: Tensor
    skin: Tensor


class BodyPoints(nn.Module):
    """Joints, fingertips and `num_points` of the skin of one part, spread evenly over it.

    Expressions move the skin where `expression_basis` is the body's own; ARKit actions that of a SMPL-X body too, by
    the matrix of `emage.body.face`. The other way is no linear map, and such expressions move nothing.
    """

    def __init__(self, body: Body, part: str, num_points: int, expression_basis: str):
        super().__init__()
        rest = _motion(np.zeros((1, NUM_EXPRESSIONS)), body.expression_basis)
        joints, vertices = body.joints(rest)[0], body.vertices(rest)[0]
        weights = body.skinning_weights
        of_part = np.flatnonzero(np.isin(body.vertex_parts, [DISJOINT_PARTS.index(p) for p in DISJOINT_PARTS_OF[part]]))
        chosen = of_part[np.linspace(0, len(of_part) - 1, num_points).astype(int)]
        points = np.concatenate([_fingertips(joints, vertices, weights), chosen])
        self.num_tips = len(FINGERTIP_JOINTS)
        self.register_buffer("rest_joints", torch.from_numpy(joints))
        self.register_buffer("rest_points", torch.from_numpy(vertices[points]))
        self.register_buffer("weights", torch.from_numpy(weights[points]))
        self.register_buffer("directions", self._expression_directions(body, points, expression_basis))
        self.levels, self.order = _levels()

    @staticmethod
    def _expression_directions(body: Body, points: np.ndarray, basis: str) -> Tensor:
        """(100, n, 3): what each expression at 1 does to each point."""
        is_linear = basis == body.expression_basis or (basis == ARKIT52 and body.shows(basis))
        if not is_linear:
            return torch.zeros(NUM_EXPRESSIONS, len(points), 3)
        moved = body.vertices(_motion(np.eye(NUM_EXPRESSIONS + 1, NUM_EXPRESSIONS), basis))[:, points]
        return torch.from_numpy(moved[:-1] - moved[-1])

    def forward(self, rotations_6d: Tensor, expressions: Tensor) -> Points:
        """rotations_6d (..., 330), expressions (..., 100) -> points, with the body's translation left out."""
        local = to_matrices(rotations_6d)
        turn, position = self._chain(local)
        shift = position - (turn @ self.rest_joints[..., None])[..., 0]
        transforms = torch.cat([turn.flatten(-2), shift], -1)  # (..., 55, 12)
        blended = self.weights @ transforms
        rest = self.rest_points + torch.einsum("...k,knj->...nj", expressions, self.directions)
        points = (blended[..., :9].unflatten(-1, (3, 3)) @ rest[..., None])[..., 0] + blended[..., 9:]
        return Points(position, points[..., : self.num_tips, :], points[..., self.num_tips :, :])

    def joints(self, rotations_6d: Tensor) -> Tensor:
        """rotations_6d (..., 330) -> (..., 55, 3), with the body's translation left out."""
        return self._chain(to_matrices(rotations_6d))[1]

    def feet(self, rotations_6d: Tensor) -> Tensor:
        """rotations_6d (..., 330) -> (..., 4, 3): the contact joints, with the body's translation left out."""
        return self.joints(rotations_6d)[..., CONTACT_JOINTS, :]

    def _chain(self, local: Tensor) -> tuple[Tensor, Tensor]:
        """Local rotations (..., 55, 3, 3) -> those in the room and the joints' positions, one level of the tree at a
        time."""
        turns, positions = [local[..., :1, :, :]], [self.rest_joints[:1].expand(*local.shape[:-3], 1, 3)]
        for joints, parents, place in self.levels:
            parent_turn = turns[-1][..., place, :, :]
            bone = (self.rest_joints[joints] - self.rest_joints[parents])[..., None]
            turns.append(parent_turn @ local[..., joints, :, :])
            positions.append(positions[-1][..., place, :] + (parent_turn @ bone)[..., 0])
        return torch.cat(turns, -3)[..., self.order, :, :], torch.cat(positions, -2)[..., self.order, :]


def to_matrices(rotations_6d: Tensor) -> Tensor:
    """(..., J * 6) -> (..., J, 3, 3)."""
    return rotation_6d_to_matrix(rotations_6d.unflatten(-1, (-1, 6)))


def replace_rotations(rotations_6d: Tensor, joints: tuple[int, ...], part: Tensor) -> Tensor:
    """Put the rotations part (..., 6 * len(joints)) of `joints` in place of those of rotations_6d (..., 330)."""
    result = rotations_6d[..., :ROTATION_CHANNELS].unflatten(-1, (NUM_JOINTS, 6)).clone()
    result[..., list(joints), :] = part.unflatten(-1, (-1, 6)).to(result.dtype)
    return result.flatten(-2)


def measure_sliding(feet: Tensor, root_velocity: Tensor, contacts: Tensor) -> Tensor:
    """(B,): how far feet that stand go in a frame, on average, in metres on the ground.

    feet: (B, T, 4, 3), with the body's translation left out; root_velocity: (B, T, 3), see `train.data.cache`;
        contacts: (B, T, 4).
    """
    path = integrate_root(root_velocity, root_velocity.new_zeros(len(root_velocity), 3)).to(feet.dtype)
    step = (feet + path[..., None, :]).diff(dim=1)[..., [0, 2]].square().sum(-1).clamp_min(1e-12).sqrt()
    standing = contacts[:, :-1]
    return (step * standing).sum((1, 2)) / standing.sum((1, 2)).clamp_min(1)


def _motion(expressions: np.ndarray, basis: str) -> Motion:
    frames = len(expressions)
    return Motion(
        np.zeros((frames, POSE_CHANNELS)), expressions, np.zeros((frames, 3)), np.zeros(NUM_BETAS), FPS, basis
    )


def _fingertips(joints: np.ndarray, vertices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    follows = weights.argmax(1)
    tips = []
    for joint in FINGERTIP_JOINTS:
        own = np.flatnonzero(follows == joint)
        tips.append(own[np.linalg.norm(vertices[own] - joints[joint], axis=1).argmax()])
    return np.array(tips)


def _levels() -> tuple[list[tuple[list[int], list[int], list[int]]], list[int]]:
    """For each level below the root: its joints, their parents, and those parents' places in the level above; and
    where each joint stands when the levels are laid end to end."""
    levels, above, laid = [], [0], [0]
    while joints := [joint for joint in range(NUM_JOINTS) if PARENTS[joint] in above]:
        parents = [PARENTS[joint] for joint in joints]
        levels.append((joints, parents, [above.index(parent) for parent in parents]))
        above, laid = joints, laid + joints
    return levels, [laid.index(joint) for joint in range(NUM_JOINTS)]
