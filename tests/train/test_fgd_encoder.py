"""The autoencoder of FGD: how it sees the skeleton."""

import pytest
import torch

from emage.errors import WeightsError
from emage.models.fgd import MotionAutoencoder, MotionAutoencoderConfig, pair_along_limbs


def test_autoencoder_pools_the_skeleton_to_chains():
    chains = pair_along_limbs(pair_along_limbs(tuple((joint,) for joint in range(55))))
    assert (1, 4, 7, 10) in chains
    assert sorted(joint for chain in chains for joint in chain) == list(range(55))
    network = MotionAutoencoder(MotionAutoencoderConfig())
    assert network.feature_width == 12 * len(chains) == 240
    assert network(torch.randn(2, 64, 330)).shape == (2, 64, 330)
    assert network.features(torch.randn(95, 330)).shape == (4, 240)
    with pytest.raises(WeightsError, match="FGD needs 32 frames"):
        network.features(torch.randn(31, 330))


def test_autoencoder_sees_only_what_is_near():
    network = MotionAutoencoder(MotionAutoencoderConfig())
    motion = torch.randn(1, 32, 330, requires_grad=True)
    conv = network.encoder[0]
    conv(motion.transpose(1, 2)).unflatten(1, (55, -1))[0, 25].sum().backward()  # left index, first joint
    reached = motion.grad.abs().sum((0, 1)).unflatten(0, (55, 6)).sum(1).nonzero().flatten().tolist()
    assert reached == [18, 20, 25, 26, 27, 28, 31, 34, 37]
