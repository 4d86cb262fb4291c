"""Sampling of a generator that is autoregressive: frame after frame, each made of the codes chosen before it."""

from collections.abc import Callable

import torch
from torch import Tensor

from emage.models.codec import MotionCodec
from emage.models.generator import GeneratorOutput
from emage.models.parts import Parts


def delay(latents: Parts[Tensor]) -> Parts[Tensor]:
    """(B, T, D) of each part -> the same one frame later, 0 for the first: what such a generator is given."""
    return latents.map(lambda latent: torch.cat([torch.zeros_like(latent[:, :1]), latent[:, :-1]], 1))


def roll_out(
    generate: Callable[[Parts[Tensor]], GeneratorOutput],
    choose: Callable[[GeneratorOutput, int], Parts[Tensor]],
    codec: MotionCodec,
    past: Parts[Tensor],
    first_frame: int = 0,
) -> Parts[Tensor]:
    """Choose the codes of one frame after the other, and put their latents before those of the next.

    Args:
        generate: from `previous` (B, T, D) of each part (see `Generator.forward`) to the outputs of all frames.
        choose: from the output of one frame, (B, 1, ...), and its number to codes (B, 1) of each part.
        past: (B, T, D) of each part, from `delay`; what it has of the frames before `first_frame` stays.
        first_frame: the first whose code is chosen.

    Returns:
        `previous` of all frames, with which `generate` gives the outputs that the codes were chosen from.
    """
    past = past.map(torch.clone)
    for frame in range(first_frame, past.face.shape[1] - 1):
        codes = choose(generate(past).frames(slice(frame, frame + 1)), frame)
        latents = codec.lookup(codes)
        for part_past, latent in zip(past, latents, strict=True):
            part_past[:, frame + 1] = latent[:, 0]
    return past
