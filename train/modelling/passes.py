"""The three passes of a step: what they are compared with, how the generator makes them, and what they lose."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from emage.generation.rollout import delay, roll_out
from emage.models.codec import MotionCodec
from emage.models.content_rhythm import SpeechFeatures
from emage.models.generator import Generator, GeneratorOutput
from emage.models.parts import Parts
from emage.motion.skeleton import NETWORK_PARTS
from train.data.channels import AUDIO
from train.data.masking import Passes
from train.data.windows import Window, codec_motion
from train.modelling.settings import GeneratorTraining
from train.run.log import Losses


class Targets(NamedTuple):
    """What the trained VQ-VAEs make of a batch: latents (B, T, D) and codes (B, T) of each part; seed (B, S, 337), the
    motion that the codes of the seed frames decode to; known (B,) of each part, 1 for the windows that have it; heard
    (B,), 1 for those that have sound."""

    latents: Parts[Tensor]
    codes: Parts[Tensor]
    seed: Tensor
    known: Parts[Tensor]
    heard: Tensor

    def rows(self, rows: Tensor) -> "Targets":
        """Those of some windows. rows: (B,) bool."""

        def select(kind: Parts[Tensor]) -> Parts[Tensor]:
            return kind.map(lambda tensor: tensor[rows])

        return Targets(select(self.latents), select(self.codes), self.seed[rows], select(self.known), self.heard[rows])

    def of_pass(self, has_speech: bool) -> "Targets":
        """What a pass is compared with. Windows without sound count only where the body has no speech, and not for the
        face, which hears in every pass."""
        return self._replace(
            known=Parts.of(
                lambda part: self.known[part] * self.heard if has_speech or part == "face" else self.known[part]
            )
        )


@torch.no_grad()
def encode_targets(codec: MotionCodec, window: Window, seed_frames: int) -> Targets:
    latents = codec.latents(codec_motion(window), window.expressions)
    codes = codec.nearest(latents)
    # A decoded frame depends on so many after it; more need not be decoded.
    needed = seed_frames + max(part.reach_frames for part in codec.parts)
    seed = codec.channels(codes.map(lambda index: index[:, :needed]))[:, :seed_frames]
    return Targets(latents, codes, seed, Parts.of(window.knows), window.knows(AUDIO))


def encode_heard(generator: Generator, window: Window, by_words: bool) -> SpeechFeatures:
    """Of a batch, either by rhythm and words or by the waveform."""
    return generator.encode_speech(*((window.rhythm, window.words) if by_words else (window.audio,)))


class ThreePasses(nn.Module):
    """The generator's three passes as one call, as training in several processes needs it.

    silent: False leaves out the third.
    """

    def __init__(self, generator: Generator, silent: bool = True):
        super().__init__()
        self.generator, self.silent = generator, silent
        for part, weight in zip(NETWORK_PARTS, generator.config.class_weight, strict=True):
            if weight == 0:  # it has no loss to learn from
                generator.classifier(part).requires_grad_(False)

    def forward(
        self, window: Window, shown: Passes, by_words: Tensor, pasts: Sequence[Parts[Tensor]] = ()
    ) -> list[GeneratorOutput]:
        """by_words: (B,) bool, which windows are heard by rhythm and words. pasts: what each pass of an autoregressive
        generator is given of the frames before, see `true_pasts`.

        -> outputs with the seed alone, with hints and speech, with hints and no speech for the body; where no window
        has hints, the first alone.
        """

        def run(number: int, rows: Tensor, seen: _Seen) -> tuple[Parts[Tensor], ...]:
            past = pasts[number].map(lambda latent: latent[rows]) if pasts else None
            output = self.generator.generate(*seen, previous=past)
            return output.latents, output.logits

        passes = _run_passes(self.generator, window, shown, by_words, run, self.silent)
        return [GeneratorOutput(*made) for made in passes]


class _Seen(NamedTuple):
    """What one pass gives the generator of some windows."""

    features: SpeechFeatures
    motion: Tensor
    mask: Tensor
    speaker: Tensor
    use_audio: bool = True


def _run_passes(
    generator: Generator,
    window: Window,
    shown: Passes,
    by_words: Tensor,
    run: Callable[[int, Tensor, _Seen], tuple[Parts[Tensor], ...]],
    silent: bool,
) -> list[tuple[Parts[Tensor], ...]]:
    """Call `run(number, rows, seen)` for each pass and each way of hearing; rows: bool, which of the pass's windows
    hear that way. What it returns of them is put together in the order of the batch.
    """
    made: list[list[tuple[Parts[Tensor], ...]]] = [[], [], []]
    rows_of: list[list[Tensor]] = [[], [], []]
    for rows in (by_words, ~by_words):
        if not rows.any():
            continue
        laid_out = _lay_out(generator, window, shown, rows, bool(by_words[rows][0]), silent)
        for number, (own, seen) in enumerate(laid_out):
            made[number].append(run(number, own, seen))
            rows_of[number].append(own)
    return [_join(groups, rows) for groups, rows in zip(made, rows_of, strict=True) if groups]


def _lay_out(
    generator: Generator, window: Window, shown: Passes, rows: Tensor, by_words: bool, silent: bool
) -> Iterator[tuple[Tensor, _Seen]]:
    features = _encode_batch(generator, Window(*(item[rows] for item in window)), by_words)
    speaker, hinted, own = window.speaker[rows], shown.hinted[rows], rows[shown.hinted]
    yield rows, _Seen(features, shown.seed_motion[rows], shown.seed_mask[rows], speaker)
    if hinted.any():
        seen = _Seen(features.rows(hinted), shown.hint_motion[own], shown.hint_mask[own], speaker[hinted])
        yield own, seen
        if silent:
            yield own, seen._replace(use_audio=False)


def _encode_batch(generator: Generator, window: Window, by_words: bool) -> SpeechFeatures:
    """As `encode_heard`; windows without sound, whose features nobody needs, leave the encoders' statistics alone."""
    heard, is_training = window.knows(AUDIO) > 0, generator.training
    groups, order = [], []
    for rows, is_counted in ((heard, is_training), (~heard, False)):
        if rows.any():
            generator.train(is_counted)
            groups.append(encode_heard(generator, Window(*(item[rows] for item in window)), by_words))
            order.append(rows.nonzero().flatten())
    generator.train(is_training)
    return SpeechFeatures.join(groups).rows(torch.cat(order).argsort())


def _join(groups: Sequence[tuple[Parts[Tensor], ...]], rows: Sequence[Tensor]) -> tuple[Parts[Tensor], ...]:
    """rows: bool, of each group."""
    order = torch.cat([own.nonzero().flatten() for own in rows]).argsort()

    def join(kinds: Sequence[Parts[Tensor]]) -> Parts[Tensor]:
        return Parts.of(lambda part: torch.cat([kind[part] for kind in kinds])[order])

    return tuple(join(kinds) for kinds in zip(*groups, strict=True))


# --- autoregressive training ------------------------------------------------------------------------------------------


def true_pasts(codec: MotionCodec, targets: Targets, hinted: Tensor) -> list[Parts[Tensor]]:
    """What each pass of a teacher-forced training is given of the frames before: latents (B, T, D), or (H, T, D) of the
    windows with hints, of the true codes."""
    past = delay(codec.lookup(targets.codes))
    of_hinted = past.map(lambda latent: latent[hinted])
    return [past, of_hinted, of_hinted]


@torch.no_grad()
def own_pasts(
    generator: Generator,
    codec: MotionCodec,
    window: Window,
    shown: Passes,
    by_words: Tensor,
    truth: list[Parts[Tensor]],
    silent: bool = True,
) -> list[Parts[Tensor]]:
    """As `true_pasts`, of the codes that the generator itself chooses, one frame after the other, behind the seed's.

    truth: from `true_pasts`, for the seed's frames. silent: whether there is a third pass.
    """
    config = generator.config

    def run(number: int, rows: Tensor, seen: _Seen) -> tuple[Parts[Tensor]]:
        past = roll_out(
            lambda previous: generator.generate(*seen, previous=previous),
            lambda output, _: codec.codes(output, config.class_weight),
            codec,
            truth[number].map(lambda latent: latent[rows]),
            config.seed_frames,
        )
        return (past,)

    generator.eval()
    pasts = [past for (past,) in _run_passes(generator, window, shown, by_words, run, silent)]
    generator.train()
    return pasts


# --- losses -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PassLosses:
    """Of one pass: latent and code losses times their weights, scalars."""

    latent: Tensor
    code: Tensor


def _mean_known(loss: Tensor, known: Tensor) -> Tensor:
    """Mean of a loss (B, ...) over all windows, of which those without the part lose nothing. known: (B,)."""
    return (loss.flatten(1).mean(1) * known).mean()


def compare_pass(output: GeneratorOutput, targets: Targets, config: GeneratorTraining) -> PassLosses:
    latent = [
        config.latent_weight[part]
        * _mean_known(
            functional.mse_loss(output.latents[part].float(), targets.latents[part].float(), reduction="none"),
            targets.known[part],
        )
        for part in config.compared_parts
    ]
    code = [
        config.class_weight[part]
        * _mean_known(
            functional.cross_entropy(output.logits[part].float().mT, targets.codes[part], reduction="none"),
            targets.known[part],
        )
        for part in config.compared_parts
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
    outputs: Sequence[GeneratorOutput], targets: Targets, hinted: Tensor, config: GeneratorTraining
) -> GeneratorLosses:
    """hinted: (B,) bool, the windows that the second and third output are of; one that is not there loses nothing."""
    of_hinted = targets.rows(hinted)
    of_passes = (each.of_pass(speech) for each, speech in ((targets, True), (of_hinted, True), (of_hinted, False)))
    seed, *others = (compare_pass(output, of_pass, config) for output, of_pass in zip(outputs, of_passes, strict=False))
    nothing = PassLosses(torch.zeros_like(seed.latent), torch.zeros_like(seed.code))
    hint, silent = (*others, nothing, nothing)[:2]
    return GeneratorLosses(seed.latent, seed.code, hint.latent, hint.code, silent.latent, silent.code)
