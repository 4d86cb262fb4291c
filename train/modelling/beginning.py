"""What a training of the generator begins from."""

from pathlib import Path

import torch
from torch import Tensor, nn

from emage.errors import WeightsError
from emage.hub import find_weights
from emage.models.checkpoint import load_generator
from emage.models.content_rhythm import ContentRhythm
from emage.models.generator import Generator, GeneratorConfig
from emage.recording.vocabulary import UNK, Vocabulary, load_vocabulary
from train.modelling.settings import GeneratorTraining


def new_generator(config: GeneratorTraining, network: GeneratorConfig, vocabulary: Vocabulary | None) -> Generator:
    """At random, but for what the settings say to begin from. Raises WeightsError where that does not fit."""
    generator = Generator(network)
    if config.initial_weights is not None:
        first = load_generator(find_weights(config.initial_weights).folders["generator"])
        begin_from(generator, first.state_dict(), config.new_heads)
    if vocabulary and config.word_vectors is not None:
        begin_with_vectors(generator, vocabulary, config.word_vectors)
    set_dropout(generator, config.dropout)
    set_dropout(generator.speech_context, config.speech_dropout)
    return generator


def set_dropout(network: nn.Module, share: float) -> None:
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        elif isinstance(module, nn.MultiheadAttention):
            module.dropout = share


_HEADS = ("face_out_proj.", "face_cls.", "motion_out_proj_", "motion_cls_")


@torch.no_grad()
def begin_from(generator: Generator, state: dict[str, Tensor], new_heads: bool = False) -> list[str]:
    """Copy the tensors of `state` whose name and shape are those of the generator's; returns their names.

    new_heads: leave out what gives latents and codes.

    Raises:
        WeightsError: there are none.
    """
    own = generator.state_dict()
    left_out = _HEADS if new_heads else ()
    fitting = [
        name
        for name, tensor in own.items()
        if name in state and state[name].shape == tensor.shape and not name.startswith(left_out)
    ]
    if not fitting:
        raise WeightsError(
            "The initial weights have no tensor of this generator's shapes. Give hidden and audio_width."
        )
    for name in fitting:
        own[name].copy_(state[name])
    return fitting


@torch.no_grad()
def begin_with_vectors(generator: Generator, vocabulary: Vocabulary, file: Path) -> None:
    """Copy the embeddings of the words that a file of vectors has.

    Raises:
        WeightsError: it has none, or vectors of another width.
    """
    contents = [module for module in generator.children() if isinstance(module, ContentRhythm)]
    pretrained = load_vocabulary(file, set(vocabulary.words))
    width = generator.config.word_width
    if pretrained.vectors is None or pretrained.vectors.shape[1] != width:
        raise WeightsError(f"{file} has no word vectors of width {width}. Give --word-width as the file has it.")
    for word, vector in zip(pretrained.words, torch.from_numpy(pretrained.vectors), strict=True):
        for content in contents:
            if (index := vocabulary.index(word)) > UNK:
                content.embedding.weight[index] = vector
