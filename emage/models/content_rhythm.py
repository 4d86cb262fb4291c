"""Content rhythm attention (EMAGE, section 4.1): what is said and how it sounds, weighed for each frame and channel."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

Fusion = Literal["attention", "sum", "rhythm", "content"]
"""How content and rhythm become one: weighed by learned softmax weights, added, or one of them alone."""


@dataclass(frozen=True)
class SpeechFeatures:
    """What a generator hears of speech, for its face and for its body.

    face, body: (B, T', audio_width); with words one for each motion frame, else one for each 540 samples.
    face_content, body_content: (B, T) the share of content, from 0 to 1, of each frame, the mean over the channels; the
    rest is rhythm's. None without words.
    """

    face: Tensor
    body: Tensor
    face_content: Tensor | None = None
    body_content: Tensor | None = None

    @property
    def is_by_frame(self) -> bool:
        """Whether there is one feature for each motion frame."""
        return self.face_content is not None

    @classmethod
    def join(cls, batches: Sequence["SpeechFeatures"]) -> "SpeechFeatures":
        """One batch of several, all with words or all without."""
        named = {name: [vars(batch)[name] for batch in batches] for name in vars(batches[0])}
        return cls(**{name: None if own[0] is None else torch.cat(own) for name, own in named.items()})

    def rows(self, index: Tensor | slice) -> "SpeechFeatures":
        """Those of some of the batch: index or bool (B,), or a slice."""
        named = {name: tensor for name, tensor in vars(self).items() if tensor is not None}
        return replace(self, **{name: tensor[index] for name, tensor in named.items()})


class ContentRhythm(nn.Module):
    """Words and the features of their rhythm -> one feature a frame, and how much of it came from the words.

    The weights are a softmax over two, of one linear layer over both features, for every frame and channel.
    """

    def __init__(self, vocabulary: int, word_width: int, width: int, fusion: Fusion):
        super().__init__()
        self.fusion = fusion
        if fusion != "rhythm":
            self.embedding = nn.Embedding(vocabulary, word_width)
            self.projection = nn.Linear(word_width, width)
        if fusion == "attention":
            self.attention = nn.Linear(2 * width, 2 * width)

    def forward(self, rhythm: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """rhythm (B, T, C), words (B, T) indices -> fused (B, T, C), share of content (B, T)."""
        if self.fusion == "rhythm":
            return rhythm, rhythm.new_zeros(words.shape)
        content = self.projection(self.embedding(words))
        if self.fusion == "content":
            return content, rhythm.new_ones(words.shape)
        if self.fusion == "sum":
            return content + rhythm, rhythm.new_full(words.shape, 0.5)
        weights = self.attention(torch.cat([content, rhythm], -1)).unflatten(-1, (-1, 2)).softmax(-1)  # (B, T, C, 2)
        return content * weights[..., 1] + rhythm * weights[..., 0], weights[..., 1].mean(-1)


def unused_prefixes(fusion: Fusion) -> tuple[str, ...]:
    """Of the keys of a ContentRhythm trained with attention that one of another fusion does not have."""
    unused = {"attention": (), "sum": ("attention.",), "content": ("attention.",)}
    return unused.get(fusion, ("attention.", "embedding.", "projection."))
