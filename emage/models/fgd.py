"""The motion autoencoder whose features FGD compares: skeleton convolutions (after Aberman et al. 2020).

Rotations of 55 joints are convolved in time, each joint seeing those near it in the skeleton. Twice, neighbours along a
limb are averaged, until the body is 20 chains (spine, neck, each arm, leg, finger, ...). Four layers halve the time
each: 64 frames become 4 features of 240 = 20 chains x 12 channels.

Kernel, stride, activation and the width of the features are those of the published encoder. The names and shapes of its
weights are not known here, so its file does not load; features of this network compare only with its own.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from emage.errors import WeightsError
from emage.models.layers import load_strictly
from emage.motion.skeleton import NUM_JOINTS, PARENTS, ROTATION_CHANNELS

LAYERS = 4
FRAME_MULTIPLE = 32
"""Motion is cut to a multiple of this many frames."""
_REACH = 2
"""A joint sees others at most this many bones away."""

Graph = tuple[tuple[int, ...], ...]
"""Groups of joints that stand as one node, ordered by their first joint."""


@dataclass(frozen=True)
class MotionAutoencoderConfig:
    """chain_channels: of a chain in a feature; the feature has 20 times as many.

    Raises:
        WeightsError: not a positive whole number.
    """

    chain_channels: int = 12

    def __post_init__(self):
        if type(self.chain_channels) is not int or self.chain_channels < 1:
            raise WeightsError(f"chain_channels is {self.chain_channels!r}; it must be a positive whole number.")

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "MotionAutoencoderConfig":
        return cls(saved.get("chain_channels", 12))

    def to_json(self) -> dict[str, Any]:
        return {"chain_channels": self.chain_channels}


class SkeletonConv(nn.Module):
    """A convolution in time between the nodes of a graph, zero between those that are not near."""

    def __init__(self, near: Tensor, channels: int, out: int, kernel: int, stride: int, padding: int):
        super().__init__()
        nodes = len(near)
        self.conv = nn.Conv1d(nodes * channels, nodes * out, kernel, stride=stride, padding=padding)
        mask = near.repeat_interleave(out, 0).repeat_interleave(channels, 1)
        self.register_buffer("mask", mask[..., None].to(self.conv.weight), persistent=False)
        with torch.no_grad():  # scaled to what each node really sees
            self.conv.weight *= (mask.shape[1] / mask.sum(1).float())[:, None, None].sqrt()

    def forward(self, x: Tensor) -> Tensor:
        weight = self.conv.weight * self.mask
        return functional.conv1d(x, weight, self.conv.bias, self.conv.stride, self.conv.padding)


class Pool(nn.Module):
    """(B, nodes * C, T) -> (B, groups * C, T): each group's mean; `back` gives every member its group's value."""

    def __init__(self, fine: Graph, coarse: Graph):
        super().__init__()
        member = torch.tensor([[float(set(node) <= set(group)) for node in fine] for group in coarse])
        self.register_buffer("member", member, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        share = self.member / self.member.sum(1, keepdim=True)
        return torch.einsum("gn,bnct->bgct", share, x.unflatten(1, (self.member.shape[1], -1))).flatten(1, 2)

    def back(self, x: Tensor) -> Tensor:
        return torch.einsum("gn,bgct->bnct", self.member, x.unflatten(1, (self.member.shape[0], -1))).flatten(1, 2)


class MotionAutoencoder(nn.Module):
    """6D rotations of all joints <-> features at a sixteenth of the frame rate."""

    model_type = "emage_fgd"

    def __init__(self, config: MotionAutoencoderConfig):
        super().__init__()
        self.config = config
        width = config.chain_channels
        graphs = self._graphs()
        near = [_near(graph) for graph in graphs]
        sizes = [ROTATION_CHANNELS // NUM_JOINTS] + [width] * LAYERS
        self.pools = nn.ModuleList(Pool(fine, coarse) for fine, coarse in pairwise(graphs))
        self.encoder = nn.ModuleList(
            SkeletonConv(near[i], sizes[i], sizes[i + 1], kernel=4, stride=2, padding=1) for i in range(LAYERS)
        )
        self.decoder = nn.ModuleList(
            SkeletonConv(near[i], sizes[i + 1], sizes[i + 1] if i else sizes[0], kernel=3, stride=1, padding=1)
            for i in reversed(range(LAYERS))
        )

    @staticmethod
    def _graphs() -> list[Graph]:
        """Before each layer and after the last: the joints, twice paired along limbs, then as they are."""
        joints: Graph = tuple((joint,) for joint in range(NUM_JOINTS))
        paired = pair_along_limbs(joints)
        chains = pair_along_limbs(paired)
        return [joints, paired, *[chains] * (LAYERS - 1)]

    @property
    def feature_width(self) -> int:
        return len(self._graphs()[-1]) * self.config.chain_channels

    def encode(self, rotations: Tensor) -> Tensor:
        """(B, T, 330) 6D rotations, T a multiple of 16 -> (B, T / 16, 240)."""
        x = rotations.transpose(1, 2)
        for conv, pool in zip(self.encoder, self.pools, strict=True):
            x = pool(torch.tanh(conv(x)))
        return x.transpose(1, 2)

    def decode(self, features: Tensor) -> Tensor:
        """(B, T / 16, 240) -> (B, T, 330), not orthonormal."""
        x = features.transpose(1, 2)
        for i, conv in enumerate(self.decoder):
            x = self.pools[LAYERS - 1 - i].back(functional.interpolate(x, scale_factor=2, mode="linear"))
            x = conv(x)
            if i < LAYERS - 1:
                x = torch.tanh(x)
        return x.transpose(1, 2)

    def forward(self, rotations: Tensor) -> Tensor:
        """(B, T, 330) -> (B, T, 330)."""
        return self.decode(self.encode(rotations))

    @torch.inference_mode()
    def features(self, rotations: Tensor) -> Tensor:
        """(T, 330) of one clip -> (N, 240), N = T / 16 after T is cut to a multiple of 32.

        Raises:
            WeightsError: fewer than 32 frames.
        """
        frames = len(rotations) // FRAME_MULTIPLE * FRAME_MULTIPLE
        if frames == 0:
            raise WeightsError(f"FGD needs {FRAME_MULTIPLE} frames of motion; there are {len(rotations)}.")
        return self.encode(rotations[None, :frames])[0]

    def load_weights(self, state: dict[str, Tensor], name: str) -> None:
        """Strictly; raises WeightsError naming `name`."""
        load_strictly(self, state, name)


def _parent(graph: Graph, node: int) -> int | None:
    """The node that holds the parent of a node's first joint."""
    above = PARENTS[graph[node][0]]
    return None if above < 0 else next(i for i, group in enumerate(graph) if above in group)


def pair_along_limbs(graph: Graph) -> Graph:
    """Join each second node of a chain without branches to the one before it."""
    parents = [_parent(graph, node) for node in range(len(graph))]
    alone = [parents.count(node) == 1 for node in range(len(graph))]
    taken: dict[int, int] = {}
    for node, parent in enumerate(parents):
        if parent is not None and alone[parent] and parent not in taken:
            taken[node] = parent
    into = set(taken.values())
    merged = [group for node, group in enumerate(graph) if node not in taken and node not in into]
    merged += [graph[parent] + graph[node] for node, parent in taken.items()]
    return tuple(sorted(merged))


def _near(graph: Graph) -> Tensor:
    """(nodes, nodes) bool: at most `_REACH` bones apart."""
    bones = torch.eye(len(graph))
    for node in range(len(graph)):
        parent = _parent(graph, node)
        if parent is not None:
            bones[node, parent] = bones[parent, node] = 1
    return torch.linalg.matrix_power(bones, _REACH) > 0
