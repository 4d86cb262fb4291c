"""The audio generator of the released checkpoint: speech and masked motion -> latents and code logits of four parts.

Names of submodules are those of the released state dict.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from emage.errors import WeightsError
from emage.models.layers import (
    MLP,
    ConvEncoder,
    PeriodicPositions,
    WaveEncoder,
    at_frames,
    load_strictly,
    transformer_decoder,
    transformer_encoder,
)
from emage.models.parts import Parts
from emage.models.vqvae import config_field
from emage.motion import FLAME2020, FPS
from emage.motion.skeleton import MOTION_CHANNELS, NETWORK_PARTS, ROTATION_CHANNELS
from emage.recording.audio import SAMPLE_RATE_HZ
from emage.validation import checked

NEVER_CALLED = ("transformer_en_layer.", "audio_motion_cross_attn_layer.")
"""Template layers that the released file stores and no forward pass of the published code calls."""

_WEIGHT_KEYS = Parts(face="f", upper="u", hands="h", lower="l")


_PUBLISHED_NAMES = {
    "hidden": "hidden_size",
    "audio_width": "audio_f",
    "motion_width": "motion_f",
    "codebook_size": "vae_codebook_size",
    "window_frames": "pose_length",
    "seed_frames": "seed_frames",
    "window_stride_frames": "stride",
    "speakers": "speaker_dims",
    "expression_basis": "expression_basis",
    "aligned_audio": "aligned_audio",
}
"""Of the fields in the released config.json."""
_MAY_LACK = ("stride", "expression_basis", "aligned_audio")

Size = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]


@checked(WeightsError, "Generator config:")
class GeneratorConfig:
    """The architecture of the generator, and the weights of its losses.

    hidden: width of the transformers; audio_width, motion_width: of the encoders' features (motion_width is also the
    latents'); codebook_size: K; window_frames, seed_frames, window_stride_frames (training); speakers: table length;
    expression_basis: what the face's 100 expression channels mean;
    aligned_audio: whether each frame's query carries the audio of that frame. The released network lets the frames find
    their audio by attention alone, over features that carry no positions;
    latent_weight, class_weight: of the parts' losses. A part with class weight 0 is decoded from the code nearest to
    its latent, the others from the class with the largest logit.

    Raises:
        WeightsError: a value of another kind, out of range, or that does not fit the others.
    """

    hidden: Size = 768
    audio_width: Size = 256
    motion_width: Size = 256
    codebook_size: Size = 256
    window_frames: Size = 64
    seed_frames: Size = 4
    window_stride_frames: Size = 20
    speakers: Size = 1
    expression_basis: Literal["flame2020", "arkit52"] = FLAME2020
    aligned_audio: bool = False
    latent_weight: Parts[Weight] = field(default_factory=lambda: Parts(3, 3, 3, 3))
    class_weight: Parts[Weight] = field(default_factory=lambda: Parts(face=0, upper=1, hands=1, lower=1))

    def __post_init__(self):
        if self.hidden % 8 or self.audio_width % 4:
            raise WeightsError("Generator config: hidden_size must be a multiple of 8 and audio_f a multiple of 4.")
        if self.seed_frames >= self.window_frames:
            raise WeightsError("Generator config: seed_frames must be smaller than pose_length.")

    @classmethod
    def from_json(cls, published: dict[str, Any]) -> "GeneratorConfig":
        """From the released config.json; raises WeightsError for a missing field or a rate we do not serve."""
        if (published.get("audio_sr", SAMPLE_RATE_HZ), published.get("pose_fps", FPS)) != (SAMPLE_RATE_HZ, FPS):
            raise WeightsError("config.json: only audio_sr 16000 with pose_fps 30 can be sampled here.")
        fields = {
            name: config_field(published, key)
            for name, key in _PUBLISHED_NAMES.items()
            if key in published or key not in _MAY_LACK
        }
        return cls(
            **fields,
            latent_weight=Parts.of(lambda part: config_field(published, f"l{_WEIGHT_KEYS[part]}")),
            class_weight=Parts.of(lambda part: config_field(published, f"c{_WEIGHT_KEYS[part]}")),
        )

    def to_json(self) -> dict[str, Any]:
        """The fields under the names of the released config.json."""
        return {
            **{key: getattr(self, name) for name, key in _PUBLISHED_NAMES.items()},
            "pose_dims": ROTATION_CHANNELS,
            "audio_sr": SAMPLE_RATE_HZ,
            "pose_fps": FPS,
            **{f"l{_WEIGHT_KEYS[part]}": self.latent_weight[part] for part in NETWORK_PARTS},
            **{f"c{_WEIGHT_KEYS[part]}": self.class_weight[part] for part in NETWORK_PARTS},
        }


@dataclass(frozen=True)
class AudioFeatures:
    """What the two wave encoders hear: face (B, T', audio_width), body (B, T', audio_width)."""

    face: Tensor
    body: Tensor


@dataclass(frozen=True)
class GeneratorOutput:
    """latents (B, T, motion_width) and logits (B, T, K) of each part."""

    latents: Parts[Tensor]
    logits: Parts[Tensor]


class Generator(nn.Module):
    """Masked audio-gesture transformer (EMAGE, section 4; audio-only variant as released)."""

    model_type = "emage_audio"

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        hidden, audio, motion = config.hidden, config.audio_width, config.motion_width
        self.mask_embedding = nn.Parameter(torch.zeros(1, 1, MOTION_CHANNELS))
        nn.init.normal_(self.mask_embedding, 0, motion**-0.5)
        self.audio_encoder_face = WaveEncoder(audio)
        self.audio_encoder_body = WaveEncoder(audio)
        self.speaker_embedding_face = nn.Embedding(config.speakers, hidden)
        self.speaker_embedding_body = nn.Embedding(config.speakers, hidden)
        self.motion_encoder = ConvEncoder(MOTION_CHANNELS, motion, 3)
        self.bodyhints_face = MLP(motion, hidden, motion)
        self.bodyhints_body = MLP(motion, hidden, motion)
        self.position_embeddings = PeriodicPositions(hidden, config.window_frames)

        self.audio_face_motion_proj = nn.Linear(audio + motion, hidden)
        self.face_motion_decoder = transformer_decoder(hidden, 4)
        self.face_out_proj = nn.Linear(hidden, motion)
        self.face_cls = MLP(motion, hidden, config.codebook_size)

        self.moton_proj = nn.Linear(motion, hidden)
        self.motion_self_encoder = transformer_encoder(hidden, 1)
        self.audio_body_motion_proj = nn.Linear(audio, hidden)
        self.audio_motion_cross_attn = transformer_decoder(hidden, 8)
        for part in ("upper", "hands", "lower"):
            self.add_module(f"motion2latent_{part}", MLP(hidden, hidden, hidden))
            self.add_module(f"body_motion_decoder_{part}", transformer_decoder(hidden, 1))
            self.add_module(f"motion_out_proj_{part}", nn.Linear(hidden, motion))
            self.add_module(f"motion_cls_{part}", MLP(motion, hidden, config.codebook_size))

    def forward(
        self, audio: Tensor, motion: Tensor, mask: Tensor, speaker: Tensor, use_audio: bool = True
    ) -> GeneratorOutput:
        """One window.

        Args:
            audio: (B, N) waveform at 16 kHz.
            motion: (B, T, 337) hint motion; only its visible channels matter.
            mask: (B, T, 337), 1 hidden, 0 visible.
            speaker: (B,) speaker index.
            use_audio: False leaves the body without the audio, as in the third training pass.
        """
        return self.generate(self.encode_audio(audio), motion, mask, speaker, use_audio)

    def encode_audio(self, audio: Tensor) -> AudioFeatures:
        """(B, N) waveform at 16 kHz -> features; once a step serves all passes of training."""
        return AudioFeatures(self.audio_encoder_face(audio), self.audio_encoder_body(audio))

    def generate(
        self, features: AudioFeatures, motion: Tensor, mask: Tensor, speaker: Tensor, use_audio: bool = True
    ) -> GeneratorOutput:
        """As `forward`, with the audio already encoded; it must cover the motion's frames."""
        hint = self.motion_encoder(torch.where(mask == 1, self.mask_embedding, motion))
        face = self._face_latent(features.face, hint, speaker)
        upper, hands, lower = self._body_latents(features.body, hint, speaker, use_audio)
        latents = Parts(face, upper, hands, lower)
        logits = Parts(
            self.face_cls(face),
            self.motion_cls_upper(upper),
            self.motion_cls_hands(hands),
            self.motion_cls_lower(lower),
        )
        return GeneratorOutput(latents, logits)

    def _face_latent(self, audio: Tensor, hint: Tensor, speaker: Tensor) -> Tensor:
        frames = hint.shape[1]
        if self.config.aligned_audio:
            audio = at_frames(audio, frames)
        memory = self.audio_face_motion_proj(torch.cat([audio[:, :frames], self.bodyhints_face(hint)], -1))
        query = self.speaker_embedding_face(speaker)[:, None].expand(-1, frames, -1)
        if self.config.aligned_audio:
            query = query + memory
        decoded = self.face_motion_decoder(self.position_embeddings(query), memory)
        return self.face_out_proj(decoded)

    def _body_latents(
        self, audio: Tensor, hint: Tensor, speaker: Tensor, use_audio: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        speaker_body = self.speaker_embedding_body(speaker)[:, None]
        spatial = self.position_embeddings(self.moton_proj(self.bodyhints_body(hint)))
        spatial = self.motion_self_encoder(spatial + speaker_body)
        spatial = self.position_embeddings(spatial + speaker_body)
        if use_audio:
            memory = self.audio_body_motion_proj(audio)
            query = spatial + at_frames(memory, spatial.shape[1]) if self.config.aligned_audio else spatial
            spatial = query + self.audio_motion_cross_attn(query, memory)
        upper, hands, lower = (
            self.motion2latent_upper(spatial),
            self.motion2latent_hands(spatial),
            self.motion2latent_lower(spatial),
        )
        refined_upper = self.body_motion_decoder_upper(upper + speaker_body, hands + lower)
        refined_hands = self.body_motion_decoder_hands(hands + speaker_body, upper + lower)
        refined_lower = self.body_motion_decoder_lower(lower + speaker_body, upper + hands)
        return (
            self.motion_out_proj_upper(upper + refined_upper),
            self.motion_out_proj_hands(hands + refined_hands),
            self.motion_out_proj_lower(lower + refined_lower),
        )

    def load_weights(self, state: dict[str, Tensor], name: str) -> None:
        """Strictly, but for the two template layers that nobody calls; raises WeightsError naming `name`."""
        load_strictly(self, state, name, unused=NEVER_CALLED)
