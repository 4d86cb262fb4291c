"""Latents <-> what stands for them: code indices, or in a plain VAE the latents themselves."""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Quantized(NamedTuple):
    """latent (B, T, D): the code's vector, with the gradient handed straight through to the encoder's latent, or of a
    plain VAE a sample; index (B, T); commitment: the mean squared distance that pulls the encoder to its codes;
    divergence: of the samples' distributions from the standard normal one, a mean over channels. What does not apply is
    None or 0."""

    latent: Tensor
    index: Tensor | None
    commitment: Tensor
    divergence: Tensor


class Quantizer(nn.Module):
    """A codebook of K vectors of width D (van den Oord et al. 2017)."""

    def __init__(self, codebook_size: int, width: int):
        super().__init__()
        self.embedding = nn.Embedding(codebook_size, width)
        nn.init.uniform_(self.embedding.weight, -1 / codebook_size, 1 / codebook_size)

    def nearest(self, latent: Tensor) -> Tensor:
        """(B, T, D) -> (B, T) index of the code at the smallest squared distance."""
        return self.distances(latent).argmin(-1)

    def distances(self, latent: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, K) squared distances."""
        codes = self.embedding.weight
        return latent.square().sum(-1, keepdim=True) + codes.square().sum(-1) - 2 * latent @ codes.T

    def lookup(self, index: Tensor) -> Tensor:
        """(B, T) -> (B, T, D)."""
        return self.embedding(index)

    def quantize(self, latent: Tensor) -> Quantized:
        """(B, T, D) -> the nearest codes, as training needs them (van den Oord et al. 2017, section 3.2)."""
        index = self.nearest(latent)
        code = self.lookup(index)
        commitment = (latent - code.detach()).square().mean()
        return Quantized(latent + (code - latent).detach(), index, commitment, latent.new_zeros(()))


class Gaussian(nn.Module):
    """In place of a codebook the bottleneck of a plain VAE (Kingma and Welling 2014): latents stand for themselves, and
    training samples around them, with a variance of each channel that a linear layer tells of them.
    """

    def __init__(self, width: int):
        super().__init__()
        self.log_variance = nn.Linear(width, width)

    def nearest(self, latent: Tensor) -> Tensor:
        """(B, T, D) -> the same, for it is what is decoded."""
        return latent

    def lookup(self, latent: Tensor) -> Tensor:
        """(B, T, D) -> the same."""
        return latent

    def quantize(self, latent: Tensor) -> Quantized:
        """(B, T, D) -> a sample, with the divergence of its distribution from the standard normal one."""
        log_variance = self.log_variance(latent).clamp(-20, 10)
        sample = latent + (log_variance / 2).exp() * torch.randn_like(latent)
        divergence = (latent.square() + log_variance.exp() - 1 - log_variance).mean() / 2
        return Quantized(sample, None, latent.new_zeros(()), divergence)


def code_usage(index: Tensor, codebook_size: int) -> Tensor:
    """Code indices of any shape -> (K,) float32, how often each occurs."""
    return torch.bincount(index.flatten(), minlength=codebook_size).float()


def perplexity(usage: Tensor) -> Tensor:
    """(K,) counts -> exp of their entropy: 1 where one code does everything, K where all are used alike."""
    share = usage / usage.sum().clamp_min(1)
    return torch.exp(torch.special.entr(share).sum())
