"""Stage 3a, where wanted: what the generator's body hears, before the generator.

python -m train.speech_features --cache CACHE --weights WEIGHTS --speech-layers 3 --hears both --out runs/speech
python -m train.generator --initial-weights WEIGHTS --speech-layers 3 --hears both ...

Speech features -> the codes of arms and hands, by a small head that is then dropped. A step has none of the generator's
transformers, so that the features know sooner which stroke goes with which word, and when. It writes a generator with
these features; all else of it stays as it began.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from emage.errors import EmageError
from emage.models.checkpoint import NETWORK_FOLDERS
from emage.models.codec import MotionCodec
from emage.models.generator import Generator
from emage.models.layers import MLP
from emage.models.parts import Parts
from emage.recording.vocabulary import VOCABULARY_NAMES
from train.data.cache import Cache
from train.data.channels import AUDIO, WHOLE_BODY
from train.data.transcripts import Transcripts, collect_vocabulary
from train.data.windows import Window, Windows, codec_motion, iterate_once, split_windows
from train.modelling.beginning import new_generator
from train.modelling.settings import GeneratorTraining
from train.run.checkpoints import load_codec
from train.run.command import run_stage
from train.run.log import Losses, mean_of, scalars
from train.run.training import Run

PARTS = ("upper", "hands")
"""Whose codes speech foretells."""


@dataclass(frozen=True)
class SpeechLosses(Losses):
    """Negative log-likelihood of the codes."""

    upper: Tensor
    hands: Tensor


@dataclass(frozen=True)
class SpeechReport:
    """Of the validation windows: negative log-likelihood of the codes, and the share of right ones."""

    upper: float
    hands: float
    right_upper: float
    right_hands: float


class SpeechToCodes(nn.Module):
    """A generator's speech features, its speaker and a head for each part: window -> logits (B, T, K) of each."""

    def __init__(self, generator: Generator):
        super().__init__()
        self.generator = generator.requires_grad_(False)
        for name, module in generator.named_children():
            module.requires_grad_(name in _HEARING)
        hidden, codes = generator.config.hidden, generator.config.codebook_size
        self.heads = nn.ModuleDict({part: MLP(hidden, 2 * hidden, codes) for part in PARTS})

    def forward(self, window: Window, by_words: Tensor) -> dict[str, Tensor]:
        """by_words: (B,) bool, which windows are heard by rhythm and words."""
        rows = [kind for kind in (by_words, ~by_words) if kind.any()]
        heard = torch.cat([self._hear(window, kind, bool(by_words[kind][0])) for kind in rows])
        heard = heard[torch.cat([kind.nonzero().flatten() for kind in rows]).argsort()]
        speaker = self.generator.speaker_embedding_body(window.speaker)[:, None]
        return {part: head(heard + speaker) for part, head in self.heads.items()}

    def _hear(self, window: Window, rows: Tensor, by_words: bool) -> Tensor:
        heard = (window.rhythm[rows], window.words[rows]) if by_words else (window.audio[rows],)
        features = self.generator.encode_for_body(*heard)
        return self.generator.remember(features, window.motion.shape[1]).of_frames


_HEARING = frozenset(
    ("audio_encoder_body", "rhythm_encoder_body", "content_body", "audio_body_motion_proj", "speech_context",
     "speaker_embedding_body")
)  # fmt: skip
"""The children of a generator through which its body hears."""


def code_losses(logits: dict[str, Tensor], codes: Parts[Tensor]) -> SpeechLosses:
    """logits (B, T, K) and codes (B, T) of each part."""
    return SpeechLosses(
        **{
            part: functional.cross_entropy(own.float().flatten(0, 1), codes[part].flatten())
            for part, own in logits.items()
        }
    )


@torch.no_grad()
def validate(
    model: SpeechToCodes, codec: MotionCodec, dataset: Windows, config: GeneratorTraining, device: torch.device
) -> SpeechReport:
    """By words, where the generator knows any."""
    model.eval()
    results = []
    for window in iterate_once(dataset, config.batch_size, device):
        by_words = torch.full((len(window.speaker),), config.hears != "sound", device=device)
        logits, codes = model(window, by_words), codec.encode(codec_motion(window), window.expressions)
        losses = {part: float(loss) for part, loss in vars(code_losses(logits, codes)).items()}
        right = {f"right_{part}": float((own.argmax(-1) == codes[part]).float().mean()) for part, own in logits.items()}
        results.append((len(by_words), losses | right))
    model.train()
    return SpeechReport(**mean_of(results))


def train(config: GeneratorTraining) -> Generator:
    """Run the stage from its beginning or its last checkpoint to its end.

    Raises:
        EmageError: the VAEs have no codes.
    """
    cache = Cache(config.cache)
    run = Run(config)
    vocabulary = None if config.hears == "sound" else collect_vocabulary(cache)
    transcripts = Transcripts(cache, vocabulary, config.transcript_noise) if vocabulary else None
    needs = (AUDIO, *(WHOLE_BODY if config.whole_body else PARTS))
    training, held_out = split_windows(cache, config, config.augmentation, transcripts, needs)
    codec = load_codec(config.weights, config.whole_body).to(run.device)
    if not codec.parts.upper.config.quantized:
        raise EmageError(
            "These VAEs have latents and no codes that speech could foretell. Train the generator at once."
        )
    folder = config.weights / NETWORK_FOLDERS["generator"]
    generator = new_generator(config, config.network(codec, cache, vocabulary), vocabulary)
    if vocabulary and run.is_main:
        vocabulary.save(folder / VOCABULARY_NAMES[0])
    model, optimizer = run.prepare(SpeechToCodes(generator))

    for batches in run.steps(training, optimizer):
        for window in batches:
            by_words = torch.tensor([config.hears_words(int(i)) for i in window.sample_index], device=run.device)
            with run.accelerator.accumulate(model):
                losses = code_losses(model(window, by_words), codec.encode(codec_motion(window), window.expressions))
                run.descend(losses.total, model, optimizer)
            run.record(losses)
        run.end_step(generator, folder)
        if run.is_main and run.is_time(config.validate_every):
            run.log("val", scalars(validate(run.accelerator.unwrap_model(model), codec, held_out, config, run.device)))
    run.close()
    return generator


def main() -> None:
    run_stage(GeneratorTraining, train, __doc__)


if __name__ == "__main__":
    main()
