"""What a generator sees of a window's motion in training: masks, seeds and hints.

It is what is visible when sampling (`emage.generation.windows`, `emage.hints.plan`):
- Hints cover a body part over a span of frames. Their translation is a place in the room, wherever that is; so all of a
  window is moved about the ground at random. Eyes and expressions are never hinted.
- A seed is decoded from codes, with the lower decoder's root velocity in its translation channels. Where a hint is
  visible in it, the hint takes precedence.
- The first window of a recording has no codes to decode a seed from; its seed is the pose at rest.
- What a clip lacks is never visible, not in the seed either.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from emage.generation.windows import rest_seed
from emage.motion.skeleton import DISJOINT_PARTS, MOTION_CHANNELS, TRANSLATION, hint_channels
from train.data.channels import unknown_columns
from train.data.windows import Window

SPAN_FRAMES = (1, 8, 16, 64)
"""A mask is sampled for each body part in spans of one of these lengths."""

_HINT_COLUMNS = {part: np.array(hint_channels(part)) for part in DISJOINT_PARTS}


def sample_mask(frames: int, ratio: float, rng: np.random.Generator) -> np.ndarray:
    """(T, 337) uint8, 1 hidden: each body part, over spans of one random length, is hidden with chance `ratio`."""
    span = rng.choice(SPAN_FRAMES)
    hidden = rng.random((-(-frames // span), len(DISJOINT_PARTS))) < ratio
    hidden = np.repeat(hidden, span, axis=0)[:frames]
    mask = np.ones((frames, MOTION_CHANNELS), dtype=np.uint8)
    for column, part in enumerate(DISJOINT_PARTS):
        mask[:, _HINT_COLUMNS[part]] = hidden[:, column, None]
    return mask


class MaskedWindow(NamedTuple):
    """One item: a window; mask (T, 337), 1 hidden; shift (3,) of its hints, metres; is_first, 1 where it is treated as
    a recording's first window; by_words, 1 where it is heard by rhythm and words."""

    window: Window
    mask: Tensor
    shift: Tensor
    is_first: Tensor
    by_words: Tensor


class Passes(NamedTuple):
    """Hint motion and mask (B, T, 337) of the pass that sees the seed alone; and for the two passes that see a random
    mask, which windows have them, (B,) bool, and their hint motion and mask (H, T, 337)."""

    seed_motion: Tensor
    seed_mask: Tensor
    hinted: Tensor
    hint_motion: Tensor
    hint_mask: Tensor


def mask_passes(item: MaskedWindow, seed: Tensor, hint_stride: int | None = 1) -> Passes:
    """Lay out what the generator sees. seed: (B, S, 337) decoded. One window in `hint_stride` has passes with hints;
    None for none.
    """
    frames, seed_frames = item.mask.shape[1], seed.shape[1]
    seed = torch.where(item.is_first[:, None, None], rest_seed(seed_frames).to(seed), seed)
    seed_motion = functional.pad(seed, (0, 0, 0, frames - seed_frames))
    unknown = unknown_columns(item.window.has)[:, None].to(item.mask)  # (B, 1, 337)
    seed_mask = torch.ones_like(item.mask)
    seed_mask[:, :seed_frames] = unknown
    hint_motion = item.window.motion.clone()
    hint_motion[..., TRANSLATION] += item.shift[:, None]
    is_hint = item.mask[:, :seed_frames] == 0
    hint_motion[:, :seed_frames] = torch.where(is_hint, hint_motion[:, :seed_frames], seed)
    hint_mask = item.mask.clone()
    hint_mask[:, :seed_frames] = 0
    hint_mask = torch.maximum(hint_mask, unknown)
    index = item.window.sample_index
    hinted = torch.zeros_like(index, dtype=torch.bool) if hint_stride is None else index % hint_stride == 0
    return Passes(seed_motion, seed_mask, hinted, hint_motion[hinted], hint_mask[hinted])
