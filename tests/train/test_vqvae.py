"""The stage of the VQ-VAEs: where a network begins, and how its codes follow the latents."""

import pytest
import torch

from emage.models.quantizer import Quantizer, perplexity
from emage.models.vqvae import VQVAE, VQVAEConfig
from train.data.windows import Windows, part_vector, spread_sample
from train.run.scaling import begin_at_data
from train.run.training import Run
from train.vqvae import TrainedVQVAE, VQVAETraining


def test_a_new_network_takes_and_gives_the_data_s_own_scale(cache):
    dataset = Windows(cache, cache.windows(("train",), 64, 20), 64)
    network = VQVAE(VQVAEConfig(61, 64, 4, 16))
    torch.manual_seed(0)

    begin_at_data(network, spread_sample(dataset, lambda window: part_vector(window, "lower")))
    vectors = torch.stack([part_vector(dataset[row], "lower") for row in range(len(dataset))])
    latent = network.encoder(vectors).detach()[:, 9:-9]  # away from the ends, which the padding reaches
    assert 0.3 < float(latent.std()) < 3
    made = network.decoder(torch.randn(64, 64, 64)).detach()
    spread = vectors.flatten(0, 1).std(0).clamp_min(0.02)
    away = (made.mean((0, 1)) - vectors.mean((0, 1))) / spread
    assert float(away.abs().mean()) < 1
    size = made.flatten(0, 1).std(0) / spread
    assert float(size.min()) > 0.1
    assert float(size.max()) < 10


def test_gradients_go_straight_through():
    quantizer = Quantizer(8, 4)
    latent = torch.randn(2, 5, 4, requires_grad=True)
    made = quantizer.quantize(latent)
    assert torch.allclose(made.latent, quantizer.lookup(quantizer.nearest(latent)))
    weight = torch.randn(2, 5, 4)
    (made.latent * weight).sum().backward()
    assert torch.equal(latent.grad, weight)
    assert quantizer.embedding.weight.grad is None
    latent.grad = None
    quantizer.quantize(latent).commitment.backward()
    torch.testing.assert_close(latent.grad, 2 * (latent - made.latent).detach() / latent.numel())


def test_perplexity():
    assert float(perplexity(torch.tensor([5.0, 5, 5, 5]))) == pytest.approx(4)
    assert float(perplexity(torch.tensor([9.0, 0, 0]))) == pytest.approx(1)


def test_codes_follow_their_latents_and_dead_ones_are_revived(tmp_path):
    config = VQVAETraining(cache=tmp_path, weights=tmp_path, out=tmp_path, part="upper", code_decay=0.5)
    run = Run(config)
    trained = TrainedVQVAE(VQVAE(VQVAEConfig(78, 2, 1, 4)))
    quantizer, codebook = trained.vqvae.quantizer, trained.codebook
    places = torch.tensor([[0.0, 0], [4, 0], [0, 4], [4, 4]])
    latent = (places[:, None] + 0.1 * torch.randn(4, 50, 2)).reshape(1, 200, 2)
    for step in range(30):
        run.step = step
        index = quantizer.nearest(latent)
        codebook.collect(latent, index)
        with torch.no_grad():
            dead = codebook.update(quantizer, latent, config, run)
        assert step > 0 or dead == 4  # all begin among the data
    codes = quantizer.embedding.weight
    used = torch.bincount(quantizer.nearest(latent).flatten(), minlength=4)
    assert (used > 0).all()
    for code in range(4):
        torch.testing.assert_close(codes[code], latent[quantizer.nearest(latent) == code].mean(0), atol=1e-2, rtol=0)
    with torch.no_grad():
        codes[2] = 1000.0
    for _ in range(6):
        codebook.collect(latent, quantizer.nearest(latent))
        with torch.no_grad():
            codebook.update(quantizer, latent, config, run)
    assert codes.abs().max() < 5
