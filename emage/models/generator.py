"""The generator: speech and masked motion -> latents and code logits of four parts.

One architecture for the released audio network and for the paper's, which hears words too; what differs is config.
Names of submodules are those of the released state dict of the audio network.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, overload

import torch
from pydantic import Field
from torch import Tensor, nn

from emage.errors import WeightsError
from emage.models.content_rhythm import ContentRhythm, Fusion, SpeechFeatures, unused_prefixes
from emage.models.layers import (
    MLP,
    ConvEncoder,
    PeriodicPositions,
    WaveEncoder,
    at_frames,
    cover_frames,
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

NEVER_CALLED = ("transformer_en_layer.", "transformer_de_layer.", "audio_motion_cross_attn_layer.")
"""Template layers that the published files store and no forward pass of the published code calls."""

BODY_PARTS = ("upper", "hands", "lower")
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
    "waveform": "waveform",
    "vocabulary": "vocabulary",
    "word_width": "word_dims",
    "fusion": "fusion",
    "wiring": "wiring",
    "body_path": "body_path",
    "conventions": "conventions",
}
"""Of the fields in the released config.json."""
_MAY_LACK = (
    "stride", "expression_basis", "aligned_audio", "waveform", "vocabulary", "word_dims", "fusion", "wiring",
    "body_path", "conventions",
)  # fmt: skip

PAPER_DEFAULTS: dict[str, Any] = {
    "seed_frames": 4,
    "wiring": "text",
    "conventions": "paper",
    **{f"l{key}": 3 for key in _WEIGHT_KEYS},
    **{f"c{key}": int(key != "f") for key in _WEIGHT_KEYS},
}
"""What a config.json of the paper's text network leaves unsaid: it has the network's sizes alone."""

BodyPath = Literal["emage", "fusion", "self-attention"]
"""How speech comes to the body (EMAGE, figure 5)."""
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
    waveform: whether it can hear the sound alone, as a waveform; vocabulary: how many words it knows, by which it can
    hear rhythm (amplitude and onsets) and what is said; 0 for none. One that hears both ways has encoders for each;
    word_width: of the word embeddings; fusion: of content and rhythm, see `emage.models.content_rhythm`;
    wiring: details in which the published networks differ. "audio": the body attends to speech by a query with the
    speaker, and the query goes on. "text": the query has positions only, the features go on without them; positions
    are in the queries of the parts' last decoders too; the MLPs leak 0.2 in place of 0.1;
    body_path: how speech comes to the body (EMAGE, figure 5): "emage" refines the hints by self-attention and lets them
    attend to speech; "fusion" lets the frames' positions alone attend to speech and hints; "self-attention" has speech
    and hints, joined frame by frame, attend to one another;
    conventions: what it was shown in training. "released": seeds as their codes decode, with the root velocity in place
    of a translation; onsets at their samples. "paper", of the paper's text network: seeds whose translation is a
    position along the root trajectory, jaw at rest; onsets as the published code places them; and beside it a global
    motion predictor that is given orthonormal rotations and no translation;
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
    waveform: bool = True
    vocabulary: Annotated[int, Field(ge=0)] = 0
    word_width: Size = 300
    fusion: Fusion = "attention"
    wiring: Literal["audio", "text"] = "audio"
    body_path: BodyPath = "emage"
    conventions: Literal["released", "paper"] = "released"
    latent_weight: Parts[Weight] = field(default_factory=lambda: Parts(3, 3, 3, 3))
    class_weight: Parts[Weight] = field(default_factory=lambda: Parts(face=0, upper=1, hands=1, lower=1))

    def __post_init__(self):
        if self.hidden % 8 or self.audio_width % 4:
            raise WeightsError("Generator config: hidden_size must be a multiple of 8 and audio_f a multiple of 4.")
        if self.seed_frames >= self.window_frames:
            raise WeightsError("Generator config: seed_frames must be smaller than pose_length.")
        if not (self.waveform or self.vocabulary):
            raise WeightsError("Generator config: without a waveform it needs a vocabulary, or it hears nothing.")

    @classmethod
    def from_json(cls, published: dict[str, Any]) -> "GeneratorConfig":
        """From the released config.json, or one of the paper's text network; raises WeightsError for a missing field or
        a rate we do not serve.
        """
        if "vocabulary" in published and "speakers" in published:
            published = {**PAPER_DEFAULTS, "speaker_dims": published["speakers"], **published}
        published = {"waveform": not published.get("vocabulary"), **published}
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
class GeneratorOutput:
    """latents (B, T, motion_width) and logits (B, T, K) of each part."""

    latents: Parts[Tensor]
    logits: Parts[Tensor]


class Generator(nn.Module):
    """Masked audio-gesture transformer (EMAGE, section 4): of speech as sound alone, as released, or with its words."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        hidden, audio, motion = config.hidden, config.audio_width, config.motion_width
        slope = 0.2 if config.wiring == "text" else 0.1
        self.mask_embedding = nn.Parameter(torch.zeros(1, 1, MOTION_CHANNELS))
        nn.init.normal_(self.mask_embedding, 0, motion**-0.5)
        if config.waveform:
            self.audio_encoder_face, self.audio_encoder_body = WaveEncoder(audio), WaveEncoder(audio)
        if config.vocabulary:
            self.rhythm_encoder_face, self.rhythm_encoder_body = WaveEncoder(audio, 2), WaveEncoder(audio, 2)
            sizes = (config.vocabulary, config.word_width, audio, config.fusion)
            self.content_face, self.content_body = ContentRhythm(*sizes), ContentRhythm(*sizes)
        self.speaker_embedding_face = nn.Embedding(config.speakers, hidden)
        self.speaker_embedding_body = nn.Embedding(config.speakers, hidden)
        self.motion_encoder = ConvEncoder(MOTION_CHANNELS, motion, 3)
        self.bodyhints_face = MLP(motion, hidden, motion, slope)
        self.bodyhints_body = MLP(motion, hidden, motion, slope)
        self.position_embeddings = PeriodicPositions(hidden, config.window_frames)

        self.audio_face_motion_proj = nn.Linear(audio + motion, hidden)
        self.face_motion_decoder = transformer_decoder(hidden, 4)
        self.face_out_proj = nn.Linear(hidden, motion)
        self.face_cls = MLP(motion, hidden, config.codebook_size, slope)

        self.moton_proj = nn.Linear(motion, hidden)
        if config.body_path != "fusion":
            self.motion_self_encoder = transformer_encoder(hidden, 1 if config.body_path == "emage" else 8)
        self.audio_body_motion_proj = nn.Linear(audio, hidden)
        if config.body_path != "self-attention":
            self.audio_motion_cross_attn = transformer_decoder(hidden, 8)
        for part in BODY_PARTS:
            self.add_module(f"motion2latent_{part}", MLP(hidden, hidden, hidden, slope))
            self.add_module(f"body_motion_decoder_{part}", transformer_decoder(hidden, 1))
            self.add_module(f"motion_out_proj_{part}", nn.Linear(hidden, motion))
            self.add_module(f"motion_cls_{part}", MLP(motion, hidden, config.codebook_size, slope))

    @property
    def model_type(self) -> str:
        """In its config.json."""
        return "emage_text" if self.config.vocabulary else "emage_audio"

    @overload
    def forward(
        self, audio: Tensor, motion: Tensor, mask: Tensor, speaker: Tensor, use_audio: bool = True
    ) -> GeneratorOutput: ...

    @overload
    def forward(
        self, *, rhythm: Tensor, words: Tensor, motion: Tensor, mask: Tensor, speaker: Tensor, use_audio: bool = True
    ) -> GeneratorOutput: ...

    def forward(
        self,
        audio: Tensor | None = None,
        motion: Tensor | None = None,
        mask: Tensor | None = None,
        speaker: Tensor | None = None,
        use_audio: bool = True,
        rhythm: Tensor | None = None,
        words: Tensor | None = None,
    ) -> GeneratorOutput:
        """One window.

        Args:
            audio: (B, N) waveform at 16 kHz, for a generator that hears the sound alone.
            motion: (B, T, 337) hint motion; only its visible channels matter.
            mask: (B, T, 337), 1 hidden, 0 visible.
            speaker: (B,) speaker index.
            use_audio: False leaves the body without speech, as in the third training pass.
            rhythm: (B, N, 2) amplitude and onsets at 16 kHz, and words: (B, T) indices into the vocabulary, for a
                generator that knows words.
        """
        features = self.encode_speech(audio if rhythm is None else rhythm, words)
        return self.generate(features, motion, mask, speaker, use_audio)

    def encode_speech(self, sound: Tensor, words: Tensor | None = None) -> SpeechFeatures:
        """Speech -> features; once a step serves all passes of training.

        Args:
            sound: (B, N) waveform at 16 kHz or, with words, (B, N, 2) amplitude and onsets.
            words: (B, T) indices into the vocabulary.

        Raises:
            WeightsError: it does not hear what is given, or rhythm is given without words, or words without rhythm.
        """
        self._check_heard(sound, words)
        if words is None:
            return SpeechFeatures(self.audio_encoder_face(sound), self.audio_encoder_body(sound))
        face, body = self.rhythm_encoder_face(sound), self.rhythm_encoder_body(sound)
        to_frames = at_frames if self.config.aligned_audio else cover_frames
        face, face_content = self.content_face(to_frames(face, words.shape[1]), words)
        body, body_content = self.content_body(to_frames(body, words.shape[1]), words)
        return SpeechFeatures(face, body, face_content, body_content)

    def _check_heard(self, sound: Tensor, words: Tensor | None) -> None:
        has_rhythm = sound.ndim == 3
        if has_rhythm != (words is not None):
            raise WeightsError(
                f"Here {'rhythm is without words' if has_rhythm else 'words are without rhythm'}. Give rhythm "
                "(B, N, 2) and words (B, T) together, or a waveform (B, N) alone."
            )
        if has_rhythm and not self.config.vocabulary:
            raise WeightsError("This generator hears a waveform alone, and knows no words. Give it audio.")
        if not has_rhythm and not self.config.waveform:
            raise WeightsError("This generator hears rhythm and words, and no waveform. Give it rhythm and words.")

    def generate(
        self, features: SpeechFeatures, motion: Tensor, mask: Tensor, speaker: Tensor, use_audio: bool = True
    ) -> GeneratorOutput:
        """As `forward`, with the speech already encoded; it must cover the motion's frames."""
        hint = self.motion_encoder(torch.where(mask == 1, self.mask_embedding, motion))
        face = self._face_latent(features, hint, speaker)
        upper, hands, lower = self._body_latents(features if use_audio else None, hint, speaker)
        latents = Parts(face, upper, hands, lower)
        logits = Parts(
            self.face_cls(face),
            self.motion_cls_upper(upper),
            self.motion_cls_hands(hands),
            self.motion_cls_lower(lower),
        )
        return GeneratorOutput(latents, logits)

    def _face_latent(self, features: SpeechFeatures, hint: Tensor, speaker: Tensor) -> Tensor:
        frames, speech = hint.shape[1], features.face
        if self.config.aligned_audio and not features.is_by_frame:
            speech = at_frames(speech, frames)
        memory = self.audio_face_motion_proj(torch.cat([speech[:, :frames], self.bodyhints_face(hint)], -1))
        query = self.speaker_embedding_face(speaker)[:, None].expand(-1, frames, -1)
        if self.config.aligned_audio:
            query = query + memory
        decoded = self.face_motion_decoder(self.position_embeddings(query), memory)
        return self.face_out_proj(decoded)

    def _body_latents(
        self, features: SpeechFeatures | None, hint: Tensor, speaker: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        speaker_body = self.speaker_embedding_body(speaker)[:, None]
        hint = self.moton_proj(self.bodyhints_body(hint))
        memory = None if features is None else self._remember(features, hint.shape[1])
        follow = {"emage": self._emage_path, "fusion": self._fusion_path, "self-attention": self._self_attention_path}
        spatial = follow[self.config.body_path](memory, hint, speaker_body)
        upper, hands, lower = (
            self.motion2latent_upper(spatial),
            self.motion2latent_hands(spatial),
            self.motion2latent_lower(spatial),
        )
        return (
            self._refine("upper", upper, hands + lower, speaker_body),
            self._refine("hands", hands, upper + lower, speaker_body),
            self._refine("lower", lower, upper + hands, speaker_body),
        )

    def _remember(self, features: SpeechFeatures, frames: int) -> "_Memory":
        speech = self.audio_body_motion_proj(features.body)
        return _Memory(speech, speech[:, :frames] if features.is_by_frame else at_frames(speech, frames))

    def _refine(self, part: str, own: Tensor, others: Tensor, speaker: Tensor) -> Tensor:
        query = own + speaker
        if self.config.wiring == "text":
            query = self.position_embeddings(query)
        refined = getattr(self, f"body_motion_decoder_{part}")(query, others)
        return getattr(self, f"motion_out_proj_{part}")(own + refined)

    def _emage_path(self, memory: "_Memory | None", hint: Tensor, speaker: Tensor) -> Tensor:
        spatial = self.motion_self_encoder(self.position_embeddings(hint) + speaker)
        if self.config.wiring == "text":  # published: its sum with the speaker is overwritten
            query, goes_on = self.position_embeddings(spatial), spatial
        else:
            query = goes_on = self.position_embeddings(spatial + speaker)
        if memory is None:
            return goes_on
        if self.config.aligned_audio:
            query, goes_on = query + memory.of_frames, goes_on + memory.of_frames
        return goes_on + self.audio_motion_cross_attn(query, memory.speech)

    def _fusion_path(self, memory: "_Memory | None", hint: Tensor, speaker: Tensor) -> Tensor:
        query = self.position_embeddings(speaker.expand_as(hint))
        return self.audio_motion_cross_attn(query, self._join(memory, hint))

    def _self_attention_path(self, memory: "_Memory | None", hint: Tensor, speaker: Tensor) -> Tensor:
        return self.motion_self_encoder(self.position_embeddings(self._join(memory, hint) + speaker))

    def _join(self, memory: "_Memory | None", hint: Tensor) -> Tensor:
        return hint if memory is None else hint + memory.of_frames

    def load_weights(self, state: dict[str, Tensor], name: str) -> None:
        """Strictly, but for what the published files store and nobody calls, and what this fusion does not; raises
        WeightsError naming `name`.
        """
        unused = [f"content_{side}.{key}" for side in ("face", "body") for key in unused_prefixes(self.config.fusion)]
        load_strictly(self, state, name, unused=(*NEVER_CALLED, *unused))


class _Memory(NamedTuple):
    """Speech as the body attends to it: all of it (B, T', hidden), and each frame's own (B, T, hidden)."""

    speech: Tensor
    of_frames: Tensor
