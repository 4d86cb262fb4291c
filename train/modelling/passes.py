"""The three passes of a step: what they are compared with, how the generator makes them, and what they lose."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from emage.models.codec import MotionCodec, part_vectors
from emage.models.content_rhythm import SpeechFeatures
from emage.models.generator import Generator, GeneratorOutput
from emage.models.parts import Parts
from emage.motion.skeleton import NETWORK_PARTS
from train.data.masking import Passes
from train.data.windows import Window, codec_motion
from train.modelling.settings import GeneratorTraining
from train.run.log import Losses


class Targets(NamedTuple):
    """What the trained VQ-VAEs make of a batch: latents (B, T, D) and codes (B, T) of each part; seed (B, S, 337), the
    motion that the codes of the seed frames decode to."""

    latents: Parts[Tensor]
    codes: Parts[Tensor]
    seed: Tensor


@torch.no_grad()
def encode_targets(codec: MotionCodec, window: Window, seed_frames: int) -> Targets:
    vectors = part_vectors(codec_motion(window), window.expressions)
    latents = Parts.of(lambda part: codec.parts[part].encoder(vectors[part]))
    codes = Parts.of(lambda part: codec.parts[part].quantizer.nearest(latents[part]))
    # A decoded frame depends on so many after it; more need not be decoded.
    needed = seed_frames + max(part.reach_frames for part in codec.parts)
    return Targets(latents, codes, codec.channels(codes.map(lambda index: index[:, :needed]))[:, :seed_frames])


def encode_heard(generator: Generator, window: Window, by_words: bool) -> SpeechFeatures:
    """Of a batch, either by rhythm and words or by the waveform."""
    return generator.encode_speech(*((window.rhythm, window.words) if by_words else (window.audio,)))


class ThreePasses(nn.Module):
    """The generator's three passes as one call, as training in several processes needs it."""

    def __init__(self, generator: Generator):
        super().__init__()
        self.generator = generator
        for part, weight in zip(NETWORK_PARTS, generator.config.class_weight, strict=True):
            if weight == 0:  # it has no loss to learn from
                _classifier(generator, part).requires_grad_(False)

    def forward(self, window: Window, shown: Passes, by_words: Tensor) -> tuple[GeneratorOutput, ...]:
        """by_words: (B,) bool, which windows are heard by rhythm and words.

        -> outputs with the seed alone, with hints and speech, with hints and no speech for the body.
        """
        groups = [rows for rows in (by_words, ~by_words) if rows.any()]
        outputs = [self._pass_three_times(window, shown, rows, bool(by_words[rows][0])) for rows in groups]
        hinted = [rows[shown.hinted] for rows in groups]
        rows_of_pass = (groups, hinted, hinted)
        return tuple(_join(parts, rows) for parts, rows in zip(zip(*outputs, strict=True), rows_of_pass, strict=True))

    def _pass_three_times(
        self, window: Window, shown: Passes, rows: Tensor, by_words: bool
    ) -> tuple[GeneratorOutput, ...]:
        features = encode_heard(self.generator, Window(*(item[rows] for item in window)), by_words)
        speaker, hinted, own = window.speaker[rows], shown.hinted[rows], rows[shown.hinted]
        hints = (features.rows(hinted), shown.hint_motion[own], shown.hint_mask[own], speaker[hinted])
        return (
            self.generator.generate(features, shown.seed_motion[rows], shown.seed_mask[rows], speaker),
            self.generator.generate(*hints),
            self.generator.generate(*hints, use_audio=False),
        )


def _join(outputs: Sequence[GeneratorOutput], rows: Sequence[Tensor]) -> GeneratorOutput:
    """Outputs of groups of a batch, in the batch's order. rows: (B,) bool of each group."""
    order = torch.cat([group.nonzero().flatten() for group in rows]).argsort()

    def join(kind: str) -> Parts[Tensor]:
        return Parts.of(lambda part: torch.cat([getattr(output, kind)[part] for output in outputs])[order])

    return GeneratorOutput(join("latents"), join("logits"))


def _classifier(generator: Generator, part: str) -> nn.Module:
    return generator.face_cls if part == "face" else getattr(generator, f"motion_cls_{part}")


@dataclass(frozen=True)
class PassLosses:
    """Of one pass: latent and code losses times their weights, scalars."""

    latent: Tensor
    code: Tensor


def compare_pass(output: GeneratorOutput, targets: Targets, config: GeneratorTraining) -> PassLosses:
    latent = [
        config.latent_weight[part] * functional.mse_loss(output.latents[part].float(), targets.latents[part].float())
        for part in NETWORK_PARTS
    ]
    code = [
        config.class_weight[part]
        * functional.cross_entropy(output.logits[part].float().flatten(0, 1), targets.codes[part].flatten())
        for part in NETWORK_PARTS
        if config.class_weight[part] > 0
    ]
    return PassLosses(sum(latent), sum(code, latent[0].new_zeros(())))


@dataclass(frozen=True)
class GeneratorLosses(Losses):
    """Of the three passes: with the seed alone, with hints, with hints and without the audio."""

    seed_latent: Tensor
    seed_code: Tensor
    hint_latent: Tensor
    hint_code: Tensor
    silent_latent: Tensor
    silent_code: Tensor


def compare_passes(
    outputs: tuple[GeneratorOutput, ...], targets: Targets, hinted: Tensor, config: GeneratorTraining
) -> GeneratorLosses:
    """hinted: (B,) bool, the windows that the second and third output are of."""
    of_hinted = Targets(
        targets.latents.map(lambda latent: latent[hinted]),
        targets.codes.map(lambda index: index[hinted]),
        targets.seed[hinted],
    )
    seed, hint, silent = (
        compare_pass(output, of_pass, config)
        for output, of_pass in zip(outputs, (targets, of_hinted, of_hinted), strict=True)
    )
    return GeneratorLosses(seed.latent, seed.code, hint.latent, hint.code, silent.latent, silent.code)
