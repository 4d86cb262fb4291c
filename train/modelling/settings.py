"""What a training of the generator may be set to."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

from emage.errors import EmageError
from emage.models.codec import MotionCodec
from emage.models.content_rhythm import Fusion
from emage.models.generator_config import BodyPath, GeneratorConfig
from emage.models.parts import Parts
from emage.motion.skeleton import NETWORK_PARTS
from emage.recording.vocabulary import Vocabulary
from train.data.augment import Augmentation
from train.data.cache import Cache
from train.data.transcripts import TranscriptNoise
from train.run.config import RunConfig


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
    speech_layers: int = 0
    """Temporal convolutions over what the body hears, by which it sees a word coming; none as published."""
    body_path: BodyPath = "emage"
    """How speech comes to the body, of the three ways in EMAGE, figure 5."""
    autoregressive: Literal["no", "teacher-forced", "own"] = "no"
    """Whether a frame is made of the codes before it (EMAGE, table 9): in training the true ones, or those that the
    generator itself chooses, which takes `window_frames` times as long."""
    word_vectors: Path | None = None
    """Begin from these word embeddings (text as fastText's, or the published vocab.pkl); by default at random."""
    aligned_audio: bool = False
    """Give each frame's query the audio of that frame (see GeneratorConfig); False is the released network."""
    initial_weights: str | None = None
    """Begin from the generator of these weights (a folder, a repo id on the Hub, or "demo"): its tensors of the same
    name and shape are taken, such as encoders and transformers; the rest, as the heads of another codebook, is new."""
    new_heads: bool = False
    """Begin anew with what gives latents and codes, where the initial weights know other codes of the same number."""
    whole_body: bool = False
    """On one VQ-VAE of the whole body in place of four (`train.vqvae --part whole`), with the weights of the losses of
    the upper body."""
    masked: bool = True
    """False leaves out the two passes with hints, and with them what is learned of parts that are given."""
    silent: bool = True
    """False leaves out the second of these, which has no speech for the body."""
    silent_clips: bool = False
    """Take clips without sound, too. Of their windows the pass without speech alone counts, for all but the face."""
    hint_stride: int = 1
    """One window in so many has the two passes with hints, which cost as much as the first; 1 as published."""
    first_mask_ratio: float = 0.05
    """The share hidden at the first step; it grows evenly to all of it at the last."""
    first_window_chance: float = 0.15
    """How often a window is treated as a recording's first."""
    shift_m: float = 1.0
    """How far hints are moved about the ground, at most, in x and in z."""
    dropout: float = 0.1
    speech_dropout: float = 0.1
    """Of the speech layers, in place of `dropout`: they know a corpus of hours by heart after one reading."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    transcript_noise: TranscriptNoise = field(default_factory=TranscriptNoise)

    def __post_init__(self):
        super().__post_init__()
        if self.hint_stride < 1:
            raise EmageError(f"hint_stride is {self.hint_stride}; it must be 1 or more.")
        if self.silent_clips and not (self.masked and self.silent):
            raise EmageError("silent_clips needs the pass without speech, which needs both masked and silent.")

    @property
    def share_windows(self) -> int:
        """A micro-batch has a multiple of so many windows, for every kind of pass to have its even share."""
        return (self.hint_stride if self.masked else 1) * (2 if self.hears == "both" else 1)

    def hears_words(self, sample_index: int) -> bool:
        """Whether that item of the training is heard as rhythm and words."""
        return self.hears == "words" or (
            self.hears == "both" and sample_index % self.share_windows < self.share_windows // 2
        )

    @property
    def compared_parts(self) -> tuple[str, ...]:
        """The parts whose latents and codes are compared: of a whole body, which has one, one."""
        return ("upper",) if self.whole_body else NETWORK_PARTS

    def _shared(self, weight: Parts[float]) -> Parts[float]:
        return Parts.of(lambda _: weight.upper) if self.whole_body else weight

    def shrink(self) -> Self:
        return replace(super().shrink(), hidden=32, audio_width=16, word_width=16, hint_stride=min(self.hint_stride, 2))

    def network(self, codec: MotionCodec, cache: Cache, vocabulary: Vocabulary | None) -> GeneratorConfig:
        """The generator over such a codec. Raises EmageError where classes are to be learned and it has no codes."""
        if not codec.parts.face.config.quantized and any(self.class_weight):
            raise EmageError(
                "These VAEs have latents and no codes, so that no classes can be learned. Give 0 for the class weight "
                "of every part, as --class-weight.upper 0."
            )
        return GeneratorConfig(
            hidden=self.hidden,
            audio_width=self.audio_width,
            motion_width=codec.parts.face.config.width,
            codebook_size=codec.parts.face.config.codebook_size,
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
            speech_layers=self.speech_layers,
            body_path=self.body_path,
            autoregressive=self.autoregressive != "no",
            whole_body=self.whole_body,
            latent_weight=self._shared(self.latent_weight),
            class_weight=self._shared(self.class_weight),
        )


def mask_ratio(step: int, config: GeneratorTraining) -> float:
    """Of step 0, 1, ...: `first_mask_ratio` growing evenly to 1 at the last step."""
    progress = min(1.0, step / max(1, config.steps - 1))
    return config.first_mask_ratio + (1 - config.first_mask_ratio) * progress
