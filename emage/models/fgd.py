"""The motion autoencoder whose features FGD compares: the evaluator of BEAT and EMAGE (skeleton convolutions after
Aberman et al. 2020), in the published layout.

It sees the edges of the skeleton, each with the 6D rotation of the joint at its end. An edge is convolved in time with
those near it. Twice, pairs of edges along a limb become one, their mean, until the body is 20 chains (spine, neck, each
arm, leg, finger, ...). Four layers halve the time each: 64 frames become 4 features of 240 = 20 chains x 12 channels.

The published file is `AESKConv_240_100.bin`; `load_evaluator` reads it. Features of one evaluator compare only with
features of the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d

from emage.errors import WeightsError
from emage.models.checkpoint import load_state
from emage.models.layers import CONV_SLOPE, ResidualBlock, load_strictly
from emage.motion.skeleton import NUM_JOINTS, PARENTS, ROTATION_CHANNELS

LAYERS = 4
POOLED_LAYERS = 2
"""The first of them, after which edges are paired."""
FRAME_MULTIPLE = 32
"""Motion is cut to a multiple of this many frames."""
_MAX_CHAIN_CHANNELS = 256
_EDGE_CHANNELS = ROTATION_CHANNELS // NUM_JOINTS
_REACH = 2
"""An edge sees others at most this many steps away: 0 is itself, 1 shares a joint with it."""
_NORM_GROUPS = 10

Edge = tuple[int, int]
"""From a joint to one further out."""
ROOT_END = NUM_JOINTS
"""A joint that is none: where the edge ends that carries the root's rotation."""
SKELETON: tuple[Edge, ...] = ((0, ROOT_END), *((PARENTS[joint], joint) for joint in range(1, NUM_JOINTS)))
"""Edge i carries the rotation of joint i."""


@dataclass(frozen=True)
class MotionAutoencoderConfig:
    """chain_channels: of a chain in a feature, which has 20 times as many; 12 as published.

    Raises:
        WeightsError: no whole number, or one out of range.
    """

    chain_channels: int = 12

    def __post_init__(self):
        if type(self.chain_channels) is not int or not 1 <= self.chain_channels <= _MAX_CHAIN_CHANNELS:
            raise WeightsError(
                f"chain_channels is {str(self.chain_channels)[:20]}; it must be a whole number from 1 to "
                f"{_MAX_CHAIN_CHANNELS}."
            )

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "MotionAutoencoderConfig":
        return cls(saved.get("chain_channels", 12))

    def to_json(self) -> dict[str, Any]:
        return {"chain_channels": self.chain_channels}


class SkeletonConv(nn.Module):
    """A convolution in time between edges, zero between those that are not near. (B, E * C, T) -> (B, E * D, T')."""

    def __init__(self, near: Tensor, channels: int, out: int, kernel: int, padding: int):
        super().__init__()
        self.padding = padding
        mask = near.repeat_interleave(out, 0).repeat_interleave(channels, 1)[..., None].repeat(1, 1, kernel).float()
        bound = mask.sum((1, 2)).rsqrt()  # that of nn.Conv1d, by what each output really sees
        self.weight = nn.Parameter((2 * torch.rand(mask.shape) - 1) * bound[:, None, None])
        self.bias = nn.Parameter((2 * torch.rand(len(mask)) - 1) * bound)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return conv1d(x, self.weight * self.mask, self.bias, stride=2, padding=self.padding)


class EdgePool(nn.Module):
    """The mean of the edges of each group. (B, E * C, T) -> (B, groups * C, T)."""

    def __init__(self, groups: list[tuple[int, ...]], channels: int):
        super().__init__()
        edges = 1 + max(max(group) for group in groups)
        share = torch.tensor([[(edge in group) / len(group) for edge in range(edges)] for group in groups])
        self.register_buffer("weight", torch.kron(share, torch.eye(channels)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.weight @ x


class SkeletonBlock(nn.Module):
    """A convolution with group norm, plus a shortcut; where `groups` are given their mean; tanh. Halves the time."""

    def __init__(self, edges: list[Edge], channels: int, out: int, groups: list[tuple[int, ...]] | None):
        super().__init__()
        near = find_near(edges)
        self.residual = nn.Sequential(
            SkeletonConv(near, channels, out, kernel=4, padding=1), nn.GroupNorm(_NORM_GROUPS, out * len(edges))
        )
        self.shortcut = SkeletonConv(near, channels, out, kernel=1, padding=0)
        pooling = [] if groups is None else [EdgePool(groups, out)]
        self.common = nn.Sequential(*pooling, nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return self.common(self.residual(x) + self.shortcut(x))


class SkeletonEncoder(nn.Module):
    """(B, 330, T) -> (B, 20 * chain_channels, T / 16)."""

    def __init__(self, chain_channels: int):
        super().__init__()
        widths = [*[_EDGE_CHANNELS] * (POOLED_LAYERS + 1), *[chain_channels] * (LAYERS - POOLED_LAYERS)]
        edges, blocks = list(SKELETON), []
        for layer in range(LAYERS):
            groups = pair_edges(edges) if layer < POOLED_LAYERS else None
            blocks.append(nn.Sequential(SkeletonBlock(edges, widths[layer], widths[layer + 1], groups)))
            if groups is not None:
                edges = [(edges[group[0]][0], edges[group[-1]][1]) for group in groups]
        self.layers = nn.ModuleList(blocks)
        self.out_channels = len(edges) * chain_channels

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class UpsamplingDecoder(nn.Module):
    """Two residual blocks, four times a repetition of each step with conv k3 and LeakyReLU, conv k3.
    (B, D, T / 16) -> (B, 330, T)."""

    def __init__(self, width: int):
        super().__init__()
        blocks: list[nn.Module] = [ResidualBlock(width), ResidualBlock(width)]
        for layer in range(LAYERS):
            out = ROTATION_CHANNELS if layer == LAYERS - 1 else width
            blocks += [nn.Upsample(scale_factor=2), nn.Conv1d(width, out, 3, padding=1), nn.LeakyReLU(CONV_SLOPE)]
        blocks.append(nn.Conv1d(ROTATION_CHANNELS, ROTATION_CHANNELS, 3, padding=1))
        self.main = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x)


class Reconstruction(NamedTuple):
    """rotations (B, T, 330), not orthonormal; divergence: of what they were decoded from, a mean over channels."""

    rotations: Tensor
    divergence: Tensor


class MotionAutoencoder(nn.Module):
    """6D rotations of all joints <-> features at a sixteenth of the frame rate."""

    model_type = "emage_fgd"

    def __init__(self, config: MotionAutoencoderConfig):
        super().__init__()
        self.config = config
        self.encoder = SkeletonEncoder(config.chain_channels)
        self.decoder = UpsamplingDecoder(self.feature_width)
        self.fc_mu = nn.Linear(self.feature_width, self.feature_width)
        self.fc_logvar = nn.Linear(self.feature_width, self.feature_width)

    @property
    def feature_width(self) -> int:
        return self.encoder.out_channels

    def encode(self, rotations: Tensor) -> Tensor:
        """(B, T, 330) 6D rotations, T a multiple of 16 -> (B, T / 16, 240)."""
        return self.encoder(rotations.transpose(1, 2)).transpose(1, 2)

    def forward(self, rotations: Tensor) -> Reconstruction:
        """(B, T, 330) through the features and back, by the variational part (Kingma and Welling 2014): a normal
        distribution that is told of each feature, of which training takes a sample and others the mean."""
        features = self.encode(rotations)
        mean, log_variance = self.fc_mu(features), self.fc_logvar(features)
        latent = mean + torch.randn_like(mean) * (0.5 * log_variance).exp() if self.training else mean
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        return Reconstruction(self.decoder(latent.transpose(1, 2)).transpose(1, 2), divergence)

    @torch.inference_mode()
    def features(self, rotations: Tensor | np.ndarray) -> Tensor:
        """(T, 330) of one clip, 6D rotations of the joints in their order -> (N, 240), N = T / 16 after T is cut to a
        multiple of 32. The clip is encoded whole, for its group norms look over all of it.

        Raises:
            WeightsError: fewer than 32 frames, or another number of channels.
        """
        rotations = torch.as_tensor(rotations).to(self.fc_mu.weight)
        if rotations.ndim != 2 or rotations.shape[1] != ROTATION_CHANNELS:
            raise WeightsError(
                f"FGD looks at 6D rotations (T, {ROTATION_CHANNELS}) of a clip; these are {tuple(rotations.shape)}."
            )
        frames = len(rotations) // FRAME_MULTIPLE * FRAME_MULTIPLE
        if frames == 0:
            raise WeightsError(f"FGD needs {FRAME_MULTIPLE} frames of motion; there are {len(rotations)}.")
        return self.encode(rotations[None, :frames])[0]

    def load_weights(self, state: dict[str, Tensor], name: str) -> None:
        """Strictly; raises WeightsError naming `name`."""
        load_strictly(self, state, name)


def load_evaluator(file: str | Path) -> MotionAutoencoder:
    """Load the published evaluator, `AESKConv_240_100.bin`, strictly, on the CPU, in eval mode.

    The masks and pooling matrices that it stores must be those of the skeleton here.

    Raises:
        WeightsError: a damaged file, one that holds code, or the weights of another network.
    """
    file = Path(file)
    if not file.is_file():
        raise WeightsError(f"{file} is missing. Copy AESKConv_240_100.bin there, from H-Liu1997/emage_evaltools.")
    state = load_state(file)
    network = MotionAutoencoder(MotionAutoencoderConfig())
    for key, expected in network.named_buffers():
        stored = state.pop(key, None)
        if stored is None or stored.shape != expected.shape or not torch.equal(stored.to(expected.dtype), expected):
            raise WeightsError(
                f"{file}: {key} is {'missing' if stored is None else 'that of another skeleton'}. FGD as published "
                "needs AESKConv_240_100.bin, for the 55 joints of SMPL-X."
            )
    network.load_weights(state, str(file))
    return network.eval().requires_grad_(False)


def pair_edges(edges: list[Edge]) -> list[tuple[int, ...]]:
    """The groups of edges that become one: along each chain, from the root or a branching to the next one or an end,
    two by two; of an odd number the first stays alone."""
    groups: list[tuple[int, ...]] = []
    for chain in walk_chains(edges, joint=0):
        groups += [(chain[0],)] if len(chain) % 2 else []
        groups += [(chain[i], chain[i + 1]) for i in range(len(chain) % 2, len(chain), 2)]
    return groups


def walk_chains(edges: list[Edge], joint: int) -> Iterator[list[int]]:
    """The chains of edges beyond a joint, limb after limb, each before those that it leads to."""
    for edge, (start, end) in enumerate(edges):
        if start == joint:
            chain = [edge]
            while len(beyond := [i for i, (start, _) in enumerate(edges) if start == end]) == 1:
                chain.append(beyond[0])
                end = edges[beyond[0]][1]
            yield chain
            yield from walk_chains(edges, end)


def find_near(edges: list[Edge]) -> Tensor:
    """(E, E) bool: at most `_REACH` steps apart."""
    touching = torch.tensor([[float(bool(set(a) & set(b))) for b in edges] for a in edges])
    return torch.linalg.matrix_power(touching, _REACH) > 0
