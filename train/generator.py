"""Stage 3: the generator, by masked audio-gesture modelling (EMAGE, section 4).

python -m train.generator --cache CACHE --weights WEIGHTS --out runs/generator

A step has three passes over one batch: the seed alone is visible; a random mask is, with the audio; the same mask, and
the body without the audio. The share that is hidden grows from 5 % to all of it over the training. The targets are the
latents and codes of the trained VQ-VAEs, which stay as they are; the audio is encoded once.

With --hears words it hears rhythm and words (EMAGE, section 4.1) in place of the waveform, of the cache's transcripts;
with --hears both, which ones by turns, so that one generator does with a transcript and without.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from emage.body import Body, load_body
from emage.errors import EmageError, WeightsError
from emage.generation.settings import AS_GENERATED
from emage.hub import find_weights
from emage.models.checkpoint import NETWORK_FOLDERS, load_generator
from emage.models.codec import MotionCodec, part_vectors
from emage.models.content_rhythm import Fusion, SpeechFeatures
from emage.models.generator import Generator, GeneratorConfig, GeneratorOutput
from emage.models.parts import Parts
from emage.motion.skeleton import NETWORK_PARTS
from emage.pipeline import EmagePipeline
from emage.recording.audio import SAMPLE_RATE_HZ
from emage.recording.vocabulary import UNK, VOCABULARY_NAMES, Vocabulary, load_vocabulary
from train.data.augment import Augmentation
from train.data.cache import Cache
from train.data.masking import MaskedWindow, Passes, mask_passes, sample_mask
from train.data.transcripts import TranscriptNoise, Transcripts, collect_vocabulary
from train.data.windows import Window, Windows, codec_motion, iterate_once, split_windows
from train.run.checkpoints import load_codec
from train.run.command import run_stage
from train.run.config import RunConfig
from train.run.log import Losses, mean_of, scalars
from train.run.training import Run


@dataclass(frozen=True, kw_only=True)
class GeneratorTraining(RunConfig):
    """Train the generator on trained VQ-VAEs."""

    hidden: int = 768
    """Width of the transformers."""
    audio_width: int = 256
    seed_frames: int = 4
    latent_weight: Parts[float] = field(default_factory=lambda: Parts(3.0, 3.0, 3.0, 3.0))
    """Of the mean squared difference of each part's latents."""
    class_weight: Parts[float] = field(default_factory=lambda: Parts(face=0.0, upper=1.0, hands=1.0, lower=1.0))
    """Of the negative log-likelihood of each part's codes. A part with 0 is decoded from its latents."""
    hears: Literal["sound", "words", "both"] = "sound"
    """The waveform, as released; rhythm and words (EMAGE, section 4.1); or half of the windows this way, half that."""
    word_width: int = 300
    """Of the word embeddings, where words are heard."""
    fusion: Fusion = "attention"
    """How content and rhythm become one, where words are heard."""
    word_vectors: Path | None = None
    """Begin from these word embeddings (text as fastText's, or the published vocab.pkl); by default at random."""
    aligned_audio: bool = False
    """Give each frame's query the audio of that frame (see GeneratorConfig); False is the released network."""
    initial_weights: str | None = None
    """Begin from the generator of these weights (a folder, a repo id on the Hub, or "demo"): its tensors of the same
    name and shape are taken, such as encoders and transformers; the rest, as the heads of another codebook, is new."""
    new_heads: bool = False
    """Begin anew with what gives latents and codes, where the initial weights know other codes of the same number."""
    hint_stride: int = 1
    """One window in so many has the two passes with hints, which cost as much as the first; 1 as published."""
    first_mask_ratio: float = 0.05
    """The share hidden at the first step; it grows evenly to all of it at the last."""
    first_window_chance: float = 0.15
    """How often a window is treated as a recording's first."""
    shift_m: float = 1.0
    """How far hints are moved about the ground, at most, in x and in z."""
    dropout: float = 0.1
    augmentation: Augmentation = field(default_factory=Augmentation)
    transcript_noise: TranscriptNoise = field(default_factory=TranscriptNoise)

    def __post_init__(self):
        super().__post_init__()
        if self.hint_stride < 1:
            raise EmageError(f"hint_stride is {self.hint_stride}; it must be 1 or more.")

    @property
    def share_windows(self) -> int:
        """A micro-batch has a multiple of so many windows, for every kind of pass to have its even share."""
        return self.hint_stride * (2 if self.hears == "both" else 1)

    def hears_words(self, sample_index: int) -> bool:
        """Whether that item of the training is heard as rhythm and words."""
        return self.hears == "words" or (self.hears == "both" and sample_index // self.hint_stride % 2 == 0)

    def shrink(self) -> Self:
        return replace(super().shrink(), hidden=32, audio_width=16, word_width=16, hint_stride=min(self.hint_stride, 2))

    def network(self, codec: MotionCodec, cache: Cache, vocabulary: Vocabulary | None) -> GeneratorConfig:
        return GeneratorConfig(
            hidden=self.hidden,
            audio_width=self.audio_width,
            motion_width=codec.face.config.width,
            codebook_size=codec.face.config.codebook_size,
            window_frames=self.window_frames,
            seed_frames=self.seed_frames,
            window_stride_frames=self.stride_frames,
            speakers=len(cache.speakers),
            expression_basis=cache.expression_basis,
            aligned_audio=self.aligned_audio,
            waveform=self.hears != "words",
            vocabulary=len(vocabulary) if vocabulary else 0,
            word_width=self.word_width,
            fusion=self.fusion,
            latent_weight=self.latent_weight,
            class_weight=self.class_weight,
        )


# --- what is visible --------------------------------------------------------------------------------------------------


VALIDATIONS = {"sound": [("val", False)], "words": [("val", True)], "both": [("val", True), ("val_sound", False)]}
"""What is logged of the validation windows, by what a generator hears, and whether it hears them by their words."""


def mask_ratio(step: int, config: GeneratorTraining) -> float:
    """Of step 0, 1, ...: `first_mask_ratio` growing evenly to 1 at the last step."""
    progress = min(1.0, step / max(1, config.steps - 1))
    return config.first_mask_ratio + (1 - config.first_mask_ratio) * progress


class MaskedWindows(Dataset):
    """Windows with what is hidden of them; the ratio follows from the step that a sample belongs to."""

    def __init__(self, windows: Windows, config: GeneratorTraining):
        self.windows, self.config = windows, config

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, sample_index: int) -> MaskedWindow:
        config = self.config
        rng = np.random.default_rng((config.seed, sample_index, 2))
        ratio = mask_ratio(sample_index // config.batch_size, config)
        shift = rng.uniform(-config.shift_m, config.shift_m, 3).astype(np.float32) * (1, 0, 1)
        return MaskedWindow(
            self.windows[sample_index],
            torch.from_numpy(sample_mask(config.window_frames, ratio, rng)),
            torch.from_numpy(shift.astype(np.float32)),
            torch.tensor(rng.random() < config.first_window_chance),
            torch.tensor(config.hears_words(sample_index)),
        )


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


# --- losses -----------------------------------------------------------------------------------------------------------


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


def set_dropout(network: nn.Module, share: float) -> None:
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        elif isinstance(module, nn.MultiheadAttention):
            module.dropout = share


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


# --- the stage --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GeneratorReport:
    """Of the validation windows, with the seed alone visible: latent and code losses, and the share of right codes."""

    latent: float
    code: float
    right_face: float
    right_upper: float
    right_hands: float
    right_lower: float


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
def begin_with_vectors(generator: Generator, vocabulary: Vocabulary, file: Path | None) -> None:
    """Copy the embeddings of the words that a file of vectors has, where one is given.

    Raises:
        WeightsError: it has none, or vectors of another width.
    """
    if file is None:
        return
    pretrained = load_vocabulary(file, set(vocabulary.words))
    width = generator.config.word_width
    if pretrained.vectors is None or pretrained.vectors.shape[1] != width:
        raise WeightsError(f"{file} has no word vectors of width {width}. Give --word-width as the file has it.")
    for word, vector in zip(pretrained.words, torch.from_numpy(pretrained.vectors), strict=True):
        for content in (generator.content_face, generator.content_body):
            if (index := vocabulary.index(word)) > UNK:
                content.embedding.weight[index] = vector


@torch.no_grad()
def validate(
    generator: Generator,
    codec: MotionCodec,
    dataset: MaskedWindows,
    config: GeneratorTraining,
    device: torch.device,
    by_words: bool = False,
) -> GeneratorReport:
    """by_words: whether the windows are heard by rhythm and words, or by the waveform."""
    generator.eval()
    results = []
    for item in iterate_once(dataset, config.batch_size, device):
        targets = encode_targets(codec, item.window, config.seed_frames)
        shown = mask_passes(item, targets.seed)
        features = encode_heard(generator, item.window, by_words)
        output = generator.generate(features, shown.seed_motion, shown.seed_mask, item.window.speaker)
        losses = compare_pass(output, targets, config)
        codes = codec.codes(output, config.class_weight)
        right = {f"right_{part}": float((codes[part] == targets.codes[part]).float().mean()) for part in NETWORK_PARTS}
        results.append((len(item.mask), {"latent": float(losses.latent), "code": float(losses.code), **right}))
    generator.train()
    return GeneratorReport(**mean_of(results))


def train(config: GeneratorTraining, body: Body | None = None) -> Generator:
    """Run the stage from its beginning or its last checkpoint to its end."""
    cache = Cache(config.cache)
    run = Run(config)
    if run.micro_batch % config.share_windows:
        raise EmageError(
            f"A micro-batch of {run.micro_batch} windows has no even share for a hint_stride of {config.hint_stride}"
            f"{' and two ways of hearing' if config.hears == 'both' else ''}. Make it a multiple of "
            f"{config.share_windows}."
        )
    vocabulary = None if config.hears == "sound" else collect_vocabulary(cache)
    transcripts = Transcripts(cache, vocabulary, config.transcript_noise) if vocabulary else None
    training, validation = split_windows(cache, config, config.augmentation, transcripts)
    dataset = MaskedWindows(training, config)
    held_out = MaskedWindows(validation, replace(config, first_window_chance=0.0))
    codec = load_codec(config.weights).to(run.device)
    folder = config.weights / NETWORK_FOLDERS["generator"]
    new_generator = Generator(config.network(codec, cache, vocabulary))
    if config.initial_weights is not None:
        first = load_generator(find_weights(config.initial_weights).folders["generator"])
        begin_from(new_generator, first.state_dict(), config.new_heads)
    if vocabulary:
        vocabulary.save(folder / VOCABULARY_NAMES[0])
        begin_with_vectors(new_generator, vocabulary, config.word_vectors)
    set_dropout(new_generator, config.dropout)
    model, optimizer = run.prepare(ThreePasses(new_generator))
    generator: Generator = run.accelerator.unwrap_model(model).generator

    for batches in run.steps(dataset, optimizer):
        for item in batches:
            targets = encode_targets(codec, item.window, config.seed_frames)
            with run.accelerator.accumulate(model):
                shown = mask_passes(item, targets.seed, config.hint_stride)
                outputs = model(item.window, shown, item.by_words)
                losses = compare_passes(outputs, targets, shown.hinted, config)
                run.descend(losses.total, model, optimizer)
            run.record(losses)
        run.end_step(generator, folder)
        if run.is_time(config.log_every):
            run.log("train", {"mask_ratio": mask_ratio(run.step - 1, config)})
        if run.is_main and run.is_time(config.validate_every):
            for tag, by_words in VALIDATIONS[config.hears]:
                run.log(tag, scalars(validate(generator, codec, held_out, config, run.device, by_words)))
        if run.is_main and run.is_time(config.video_every):
            _show(run, generator, codec, cache, body or load_body())
    run.close()
    return generator


def _show(run: Run, generator: Generator, codec: MotionCodec, cache: Cache, body: Body) -> None:
    """The first validation clip's beginning, true and generated from its sound alone."""
    clip = next(clip for clip in cache.clips if clip.split == "val")
    frames = min(clip.num_frames, 150)
    truth, audio = cache.clip_motion(clip).frames(0, frames), cache.clip_audio(clip, 0, frames)
    pipe = EmagePipeline(generator, codec)
    made = pipe.generate((SAMPLE_RATE_HZ, audio), speaker=clip.speaker, translation=AS_GENERATED)
    generator.train()
    run.log_video("generated", {"true": truth, "generated": made}, body, audio)


def main() -> None:
    run_stage(GeneratorTraining, train, __doc__)


if __name__ == "__main__":
    main()
