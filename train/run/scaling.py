"""How a new network of one part begins: at the scale of the data that it will see."""

import torch
from torch import Tensor, nn

from emage.models.fgd import MotionAutoencoder
from emage.models.layers import CONV_SLOPE, ResidualBlock
from emage.models.vqvae import VQVAE, GlobalMotionPredictor

_LEAST_DEVIATION = 0.02
"""Of a channel, so that rounding in one that never changes is not blown up. 1 degree of a rotation is 0.017."""


@torch.no_grad()
def begin_at_data(network: VQVAE | GlobalMotionPredictor, sample: Tensor) -> None:
    """Let a new network take its channels as of mean 0 and deviation 1, and give them with their own.

    Poses stray little from their mean. Without this the encoder's output hardly varies, the codes lie close together,
    and a network of four layers has learned next to nothing in 2000 steps (legs: 3.1 degrees of error, where the mean
    pose has 3.7; with it 2.0 after 300). So: weights that keep a signal's size from layer to layer (He et al. 2015),
    the first layer's divided by the data's deviation, the last one's multiplied by it.

    sample: (N, C) frames of what the network takes and gives, of which the statistics are.
    """
    mean, deviation = _statistics(sample)
    for half in (network.encoder, network.decoder):
        _keep_scale(half)
    _take(network.encoder.main[0], mean, deviation)
    _give(network.decoder.main[-1], mean, deviation)


@torch.no_grad()
def begin_evaluator_at_data(network: MotionAutoencoder, sample: Tensor) -> None:
    """The same for the autoencoder of FGD, whose encoder's weights are scaled as they are made. Without it the network
    gives the mean pose (10 degrees of error) after 300 steps of 32 windows; with it, 5.6 after 150 of 16.

    sample: (N, 330) rotations.
    """
    mean, deviation = _statistics(sample)
    first = network.encoder.layers[0][0]
    for conv in (first.residual[0], first.shortcut):
        conv.weight.mul_(conv.mask)
        _take(conv, mean, deviation)
    _keep_scale(network.decoder)
    _give(network.decoder.main[-1], mean, deviation)


def _statistics(sample: Tensor) -> tuple[Tensor, Tensor]:
    return sample.mean(0), sample.std(0).clamp_min(_LEAST_DEVIATION)


def _keep_scale(layers: nn.Module) -> None:
    """Weights that keep a signal's size (He et al. 2015)."""
    for module in layers.modules():
        if isinstance(module, nn.Conv1d):
            nn.init.kaiming_normal_(module.weight, a=CONV_SLOPE)
            nn.init.zeros_(module.bias)
    for module in layers.modules():
        if isinstance(module, ResidualBlock):  # what is added to a signal as large as itself would make it grow
            module.model[-1].weight.mul_(0.3)


def _take(layer: nn.Module, mean: Tensor, deviation: Tensor) -> None:
    """A convolution that takes the data as of mean 0 and deviation 1."""
    layer.weight.div_(deviation[:, None])
    layer.bias.sub_((layer.weight * mean[:, None]).sum((1, 2)))


def _give(layer: nn.Module, mean: Tensor, deviation: Tensor) -> None:
    """A convolution whose outputs of deviation 1 get the data's mean and deviation."""
    layer.weight.mul_(deviation[:, None, None])
    layer.bias.copy_(mean)
