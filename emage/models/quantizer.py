"""Latents <-> code indices."""

from torch import Tensor, nn


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
