"""Convolution, MLP and positional blocks, and the checked loading that all networks share.

The names of submodules are those of the released state dicts, so that weights go in as they are.
"""

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from emage.errors import WeightsError
from emage.motion import FPS
from emage.recording.audio import SAMPLE_RATE_HZ

CONV_SLOPE = 0.2
"""LeakyReLU slope of the VQ-VAEs and the motion encoder."""
CONTEXT_FRAMES = 9
"""That one temporal block sees; three see 0.4 s of what comes and as much of what was."""
SAMPLES_PER_FEATURE = 540
"""Of the waveform, at 16 kHz, for each vector of the wave encoder."""


class ResidualBlock(nn.Module):
    """conv k3, LeakyReLU, conv k3, plus the input. (B, C, T) -> (B, C, T)."""

    def __init__(self, channels: int):
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv1d(channels, channels, 3, padding=1),
            nn.LeakyReLU(CONV_SLOPE),
            nn.Conv1d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.model(x)


class ConvEncoder(nn.Module):
    """(B, T, C) -> (B, T, D), one vector a frame: per layer conv k3, LeakyReLU, residual block."""

    def __init__(self, channels: int, width: int, layers: int):
        super().__init__()
        blocks: list[nn.Module] = []
        for layer in range(layers):
            blocks += [
                nn.Conv1d(channels if layer == 0 else width, width, 3, padding=1),
                nn.LeakyReLU(CONV_SLOPE),
                ResidualBlock(width),
            ]
        self.main = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x.transpose(1, 2)).transpose(1, 2)


class ConvDecoder(nn.Module):
    """(B, T, D) -> (B, T, C): two residual blocks, per layer conv k3 and LeakyReLU (the last to C), conv k3."""

    def __init__(self, width: int, channels: int, layers: int):
        super().__init__()
        blocks: list[nn.Module] = [ResidualBlock(width), ResidualBlock(width)]
        for layer in range(layers):
            blocks += [
                nn.Conv1d(width, channels if layer == layers - 1 else width, 3, padding=1),
                nn.LeakyReLU(CONV_SLOPE),
            ]
        blocks.append(nn.Conv1d(channels, channels, 3, padding=1))
        self.main = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x.transpose(1, 2)).transpose(1, 2)


class TemporalBlock(nn.Module):
    """Layer norm, conv over `CONTEXT_FRAMES`, ReLU, dropout, linear, plus the input. (B, T, C) -> (B, T, C).

    The linear layer begins at zero, so that a new block changes nothing.
    """

    def __init__(self, channels: int, dropout: float = 0.1):
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.conv = nn.Conv1d(channels, channels, CONTEXT_FRAMES, padding=CONTEXT_FRAMES // 2)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels, channels)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        near = self.conv(self.norm(x).transpose(1, 2)).transpose(1, 2)
        return x + self.linear(self.dropout(torch.relu(near)))


class MLP(nn.Module):
    """(..., C) -> (..., D) over one hidden layer."""

    def __init__(self, channels: int, hidden: int, out: int, slope: float = 0.1):
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.activation = nn.LeakyReLU(slope)
        self.fc2 = nn.Linear(hidden, out)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.activation(self.fc1(x)))


class PeriodicPositions(nn.Module):
    """Adds sinusoids (Vaswani et al. 2017) that repeat every `period` frames; dropout in training.

    (B, T, C) -> (B, T, C) for T up to `2 * period`, the length of the stored table.
    """

    def __init__(self, width: int, period: int, dropout: float = 0.1):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        with torch.device("cpu"):  # on the meta device this would import torch's compiler, for seconds
            rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
            angle = torch.arange(period)[:, None] * rate
            table = torch.stack([angle.sin(), angle.cos()], -1).flatten(1)
        self.register_buffer("pe", table.repeat(2, 1)[None])

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(x + self.pe[:, : x.shape[1]])


class WaveBlock(nn.Module):
    """Two convolutions with batch norm and a shortcut. (B, C, N) -> (B, D, N')."""

    def __init__(self, channels: int, out: int, stride: int, padding: int, shortcut: bool):
        super().__init__()
        self.conv1 = nn.Conv1d(channels, out, 15, stride=stride, padding=padding)
        self.bn1 = nn.BatchNorm1d(out)
        self.conv2 = nn.Conv1d(out, out, 15, padding=7)
        self.bn2 = nn.BatchNorm1d(out)
        self.activation = nn.LeakyReLU(0.01)
        self.downsample = None
        if shortcut:
            self.downsample = nn.Sequential(
                nn.Conv1d(channels, out, 15, stride=stride, padding=padding), nn.BatchNorm1d(out)
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.activation(self.bn1(self.conv1(x)))
        return self.activation(self.bn2(self.conv2(x)) + shortcut)


class WaveEncoder(nn.Module):
    """Sound at 16 kHz -> (B, T', C), one vector for each 540 samples, receptive field 19,475 samples.

    channels: of the sound: 1 for a waveform (B, N), more for what is told of it at each sample, (B, N, channels).
    """

    def __init__(self, width: int, channels: int = 1):
        super().__init__()
        quarter, half = width // 4, width // 2
        self.feat_extractor = nn.Sequential(
            WaveBlock(channels, quarter, stride=5, padding=1600, shortcut=True),
            WaveBlock(quarter, quarter, stride=6, padding=0, shortcut=True),
            WaveBlock(quarter, quarter, stride=1, padding=7, shortcut=False),
            WaveBlock(quarter, half, stride=6, padding=0, shortcut=True),
            WaveBlock(half, half, stride=1, padding=7, shortcut=False),
            WaveBlock(half, width, stride=3, padding=0, shortcut=True),
        )

    def forward(self, sound: Tensor) -> Tensor:
        x = sound[:, None] if sound.ndim == 2 else sound.transpose(1, 2)  # (B, C, N)
        return self.feat_extractor(x).transpose(1, 2)


def at_frames(features: Tensor, frames: int) -> Tensor:
    """Features of the wave encoder (B, T', C) at the times of the motion's frames, (B, T, C), by linear interpolation.

    A feature stands for 540 samples and a frame for 533 1/3. Frames beyond the last feature take the last.
    """
    place = torch.arange(frames, device=features.device) * (SAMPLE_RATE_HZ / FPS / SAMPLES_PER_FEATURE)
    place = place.clamp(max=features.shape[1] - 1)
    before = place.long()
    after = (before + 1).clamp(max=features.shape[1] - 1)
    return torch.lerp(features[:, before], features[:, after], (place - before)[:, None].to(features.dtype))


def cover_frames(features: Tensor, frames: int) -> Tensor:
    """The first features, (B, T', C) -> (B, T, C); where frames are more, the last ones again, as published."""
    missing = frames - features.shape[1]
    return torch.cat([features, features[:, -missing:]], 1) if missing > 0 else features[:, :frames]


def transformer_decoder(width: int, layers: int) -> nn.TransformerDecoder:
    """Post-norm, ReLU, 4 heads, feed-forward twice the width, dropout 0.1; batch first."""
    return nn.TransformerDecoder(nn.TransformerDecoderLayer(width, 4, 2 * width, batch_first=True), layers)


def transformer_encoder(width: int, layers: int) -> nn.TransformerEncoder:
    """As `transformer_decoder`, without a memory."""
    layer = nn.TransformerEncoderLayer(width, 4, 2 * width, batch_first=True)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], name: str, unused: Iterable[str] = ()) -> None:
    """Make `state` the weights of `network`: every key, every shape, nothing over.

    The tensors are taken as they are, not copied, but for those of another dtype; `network` may be on "meta".

    Args:
        name: what to call the weights in an error.
        unused: prefixes of keys that the published file carries and nobody calls; they are dropped.

    Raises:
        WeightsError: keys are missing or unknown, shapes differ, or values are not finite.
    """
    unused = tuple(unused)
    state = {key: value for key, value in state.items() if not key.startswith(unused)} if unused else dict(state)
    expected = network.state_dict()
    faults = [f"missing {key}" for key in expected.keys() - state.keys()]
    faults += [f"unknown {key}" for key in state.keys() - expected.keys()]
    for key in expected.keys() & state.keys():
        if expected[key].shape != state[key].shape:
            faults.append(f"{key} is {tuple(state[key].shape)}, not {tuple(expected[key].shape)}")
        elif state[key].is_floating_point() and not torch.isfinite(state[key]).all():
            faults.append(f"{key} holds values that are not finite")
    if faults:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise WeightsError(
            f"{name}: these weights do not fit the network that config.json describes: "
            f"{'; '.join(sorted(faults)[:5])}{more}. Use the config.json and the weights of one checkpoint."
        )
    network.load_state_dict({key: state[key].to(expected[key].dtype) for key in expected}, assign=True)
