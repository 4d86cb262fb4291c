"""Stage 3: the generator, by masked audio-gesture modelling (EMAGE, section 4).

python -m train.generator --cache CACHE --weights WEIGHTS --out runs/generator

A step has three passes over one batch: the seed alone is visible; a random mask is, with the audio; the same mask, and
the body without the audio. The share that is hidden grows from 5 % to all of it over the training. The targets are the
latents and codes of the trained VQ-VAEs, which stay as they are; the audio is encoded once.

With --hears words it hears rhythm and words (EMAGE, section 4.1) in place of the waveform, of the cache's transcripts;
with --hears both, which ones by turns, so that one generator does with a transcript and without. With --silent-clips,
clips without sound train the third pass.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from emage.body import Body, load_body
from emage.errors import EmageError
from emage.generation.settings import AS_GENERATED
from emage.models.checkpoint import NETWORK_FOLDERS
from emage.models.codec import MotionCodec
from emage.models.generator import Generator
from emage.models.parts import Parts
from emage.motion.skeleton import NETWORK_PARTS
from emage.pipeline import EmagePipeline
from emage.recording.audio import SAMPLE_RATE_HZ
from emage.recording.vocabulary import VOCABULARY_NAMES
from train.data.cache import Cache
from train.data.channels import AUDIO, WHOLE_BODY
from train.data.masking import MaskedWindow, Passes, mask_passes, sample_mask
from train.data.transcripts import Transcripts, collect_vocabulary
from train.data.windows import Windows, iterate_once, split_windows
from train.modelling.beginning import new_generator
from train.modelling.passes import (
    Targets,
    ThreePasses,
    compare_pass,
    compare_passes,
    encode_heard,
    encode_targets,
    own_pasts,
    true_pasts,
)
from train.modelling.settings import GeneratorTraining, mask_ratio
from train.run.checkpoints import load_codec
from train.run.command import run_stage
from train.run.log import mean_of, scalars
from train.run.training import Run

VALIDATIONS = {"sound": [("val", False)], "words": [("val", True)], "both": [("val", True), ("val_sound", False)]}
"""What is logged of the validation windows, by what a generator hears, and whether it hears them by their words."""


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


@dataclass(frozen=True)
class GeneratorReport:
    """Of the validation windows, with the seed alone visible: latent and code losses, and the share of right codes in
    those that have the part; not a number where there are no codes, or no such windows."""

    latent: float
    code: float
    right_face: float
    right_upper: float
    right_hands: float
    right_lower: float


def share_right(codes: Tensor, truth: Tensor) -> float:
    return math.nan if truth.is_floating_point() else float((codes == truth).float().mean())


@torch.no_grad()
def validate(
    generator: Generator,
    codec: MotionCodec,
    dataset: MaskedWindows,
    config: GeneratorTraining,
    device: torch.device,
    by_words: bool = False,
) -> GeneratorReport:
    """by_words: whether the windows are heard by rhythm and words, or by the waveform. An autoregressive generator is
    given the true past.
    """
    generator.eval()
    results, right = [], {part: [] for part in NETWORK_PARTS}
    for item in iterate_once(dataset, config.batch_size, device):
        targets = encode_targets(codec, item.window, config.seed_frames)
        shown = mask_passes(item, targets.seed)
        features = encode_heard(generator, item.window, by_words)
        past = None if config.autoregressive == "no" else true_pasts(codec, targets, shown.hinted)[0]
        output = generator.generate(features, shown.seed_motion, shown.seed_mask, item.window.speaker, previous=past)
        losses = compare_pass(output, targets, config)
        codes = codec.codes(output, config.class_weight)
        results.append((len(item.mask), {"latent": float(losses.latent), "code": float(losses.code)}))
        for part in NETWORK_PARTS:
            known = targets.known[part] > 0
            if known.any():
                share = share_right(codes[part][known], targets.codes[part][known])
                right[part].append((int(known.sum()), {part: share}))
    generator.train()
    shares = {f"right_{part}": mean_of(of)[part] if of else math.nan for part, of in right.items()}
    return GeneratorReport(**mean_of(results), **shares)


def make_pasts(
    generator: Generator,
    codec: MotionCodec,
    item: MaskedWindow,
    shown: Passes,
    targets: Targets,
    config: GeneratorTraining,
) -> list[Parts[Tensor]]:
    """What an autoregressive generator is given of the frames before, in each pass; nothing for others."""
    if config.autoregressive == "no":
        return []
    truth = true_pasts(codec, targets, shown.hinted)
    if config.autoregressive == "teacher-forced":
        return truth
    return own_pasts(generator, codec, item.window, shown, item.by_words, truth, config.silent)


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
    body_needs = WHOLE_BODY if config.whole_body else ()
    needs = body_needs if config.silent_clips else (AUDIO, *body_needs)
    training, validation = split_windows(
        cache, config, config.augmentation, transcripts, needs, held_out_needs=(AUDIO, *body_needs)
    )
    dataset = MaskedWindows(training, config)
    held_out = MaskedWindows(validation, replace(config, first_window_chance=0.0))
    codec = load_codec(config.weights, config.whole_body).to(run.device)
    folder = config.weights / NETWORK_FOLDERS["generator"]
    network = new_generator(config, config.network(codec, cache, vocabulary), vocabulary)
    if vocabulary and run.is_main:
        vocabulary.save(folder / VOCABULARY_NAMES[0])
    model, optimizer = run.prepare(ThreePasses(network, config.silent))
    generator: Generator = run.accelerator.unwrap_model(model).generator

    for batches in run.steps(dataset, optimizer):
        for item in batches:
            targets = encode_targets(codec, item.window, config.seed_frames)
            with run.accelerator.accumulate(model):
                shown = mask_passes(item, targets.seed, config.hint_stride if config.masked else None)
                pasts = make_pasts(generator, codec, item, shown, targets, config)
                outputs = model(item.window, shown, item.by_words, pasts)
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
    clip = cache.clips_of(("val",), (AUDIO,))[0]
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
