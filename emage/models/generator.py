"""The generator: speech and masked motion -> latents and code logits of four parts.

One architecture for the released audio network and for the paper's, which hears words too; what differs is config.
Names of submodules are those of the released state dict of the audio network.
"""

from dataclasses import dataclass
from typing import NamedTuple, overload

import torch
from torch import Tensor, nn

from emage.errors import WeightsError
from emage.models.content_rhythm import ContentRhythm, SpeechFeatures, unused_prefixes
from emage.models.generator_config import GeneratorConfig
from emage.models.layers import (
    MLP,
    ConvEncoder,
    PeriodicPositions,
    TemporalBlock,
    WaveEncoder,
    at_frames,
    cover_frames,
    load_strictly,
    transformer_decoder,
    transformer_encoder,
)
from emage.models.parts import Parts
from emage.motion.skeleton import MOTION_CHANNELS, WHOLE

NEVER_CALLED = ("transformer_en_layer.", "transformer_de_layer.", "audio_motion_cross_attn_layer.")
"""Template layers that the published files store and no forward pass of the published code calls."""

BODY_PARTS = ("upper", "hands", "lower")


@dataclass(frozen=True)
class GeneratorOutput:
    """latents (B, T, motion_width) and logits (B, T, K) of each part."""

    latents: Parts[Tensor]
    logits: Parts[Tensor]

    def frames(self, kept: slice) -> "GeneratorOutput":
        """Those of some frames."""
        return GeneratorOutput(
            self.latents.map(lambda tensor: tensor[:, kept]), self.logits.map(lambda tensor: tensor[:, kept])
        )


class Generator(nn.Module):
    """Masked audio-gesture transformer (EMAGE, section 4): of speech as sound alone, as released, or with its words."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        hidden, audio, motion = config.hidden, config.audio_width, config.motion_width
        slope = 0.2 if config.wiring == "text" else 0.1
        self.mask_embedding = nn.Parameter(torch.zeros(1, 1, MOTION_CHANNELS))
        nn.init.normal_(self.mask_embedding, 0, motion**-0.5)
        sides = ("body",) if config.whole_body else ("face", "body")
        for side in sides if config.waveform else ():
            self.add_module(f"audio_encoder_{side}", WaveEncoder(audio))
        if config.vocabulary:
            for side in sides:
                self.add_module(f"rhythm_encoder_{side}", WaveEncoder(audio, 2))
            for side in sides:
                sizes = (config.vocabulary, config.word_width, audio, config.fusion)
                self.add_module(f"content_{side}", ContentRhythm(*sizes))
        for side in sides:
            self.add_module(f"speaker_embedding_{side}", nn.Embedding(config.speakers, hidden))
        self.motion_encoder = ConvEncoder(MOTION_CHANNELS, motion, 3)
        for side in sides:
            self.add_module(f"bodyhints_{side}", MLP(motion, hidden, motion, slope))
        self.position_embeddings = PeriodicPositions(hidden, config.window_frames)
        for side in sides if config.autoregressive else ():
            self.add_module(f"previous_{side}", nn.Linear(motion * (1 if config.whole_body else 4), hidden))

        if not config.whole_body:
            self.audio_face_motion_proj = nn.Linear(audio + motion, hidden)
            self.face_motion_decoder = transformer_decoder(hidden, 4)
            self.face_out_proj = nn.Linear(hidden, motion)
            self.face_cls = MLP(motion, hidden, config.codebook_size, slope)

        self.moton_proj = nn.Linear(motion, hidden)
        if config.body_path != "fusion":
            self.motion_self_encoder = transformer_encoder(hidden, 1 if config.body_path == "emage" else 8)
        self.audio_body_motion_proj = nn.Linear(audio, hidden)
        self.speech_context = nn.Sequential(*(TemporalBlock(hidden) for _ in range(config.speech_layers)))
        if config.body_path != "self-attention":
            self.audio_motion_cross_attn = transformer_decoder(hidden, 8)
        for part in (WHOLE,) if config.whole_body else BODY_PARTS:
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
        previous: Parts[Tensor] | None = None,
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
            previous: for one that is autoregressive, of each part (B, T, motion_width) the latents of the frame before
                each frame, 0 for the first.
        """
        features = self.encode_speech(audio if rhythm is None else rhythm, words)
        return self.generate(features, motion, mask, speaker, use_audio, previous)

    def encode_speech(self, sound: Tensor, words: Tensor | None = None) -> SpeechFeatures:
        """Speech -> features; once a step serves all passes of training.

        Args:
            sound: (B, N) waveform at 16 kHz or, with words, (B, N, 2) amplitude and onsets.
            words: (B, T) indices into the vocabulary.

        Raises:
            WeightsError: it does not hear what is given, or rhythm is given without words, or words without rhythm.
        """
        if self.config.whole_body:
            return self.encode_for_body(sound, words)
        face, face_content = self._encode_side("face", sound, words)
        body, body_content = self._encode_side("body", sound, words)
        return SpeechFeatures(face, body, face_content, body_content)

    def encode_for_body(self, sound: Tensor, words: Tensor | None = None) -> SpeechFeatures:
        """As `encode_speech`, with the body's features in the place of the face's."""
        body, content = self._encode_side("body", sound, words)
        return SpeechFeatures(body, body, content, content)

    def _encode_side(self, side: str, sound: Tensor, words: Tensor | None) -> tuple[Tensor, Tensor | None]:
        self._check_heard(sound, words)
        if words is None:
            return self.get_submodule(f"audio_encoder_{side}")(sound), None
        rhythm = self.get_submodule(f"rhythm_encoder_{side}")(sound)
        to_frames = at_frames if self.config.aligned_audio else cover_frames
        return self.get_submodule(f"content_{side}")(to_frames(rhythm, words.shape[1]), words)

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
        self,
        features: SpeechFeatures,
        motion: Tensor,
        mask: Tensor,
        speaker: Tensor,
        use_audio: bool = True,
        previous: Parts[Tensor] | None = None,
    ) -> GeneratorOutput:
        """As `forward`, with the speech already encoded; it must cover the motion's frames."""
        if (previous is not None) != self.config.autoregressive:
            kind, remedy = ("is", "Give previous") if self.config.autoregressive else ("is not", "Leave out previous")
            raise WeightsError(f"This generator {kind} autoregressive. {remedy}, the latents of the frames before.")
        hint = self.motion_encoder(torch.where(mask == 1, self.mask_embedding, motion))
        past = None if previous is None else self._look_back(previous)
        if self.config.whole_body:
            (latent,) = self._body_latents(features if use_audio else None, hint, speaker, past)
            logits = self.motion_cls_whole(latent)
            return GeneratorOutput(Parts.of(lambda _: latent), Parts.of(lambda _: logits))
        face = self._face_latent(features, hint, speaker, past)
        upper, hands, lower = self._body_latents(features if use_audio else None, hint, speaker, past)
        latents = Parts(face, upper, hands, lower)
        logits = Parts(
            self.face_cls(face),
            self.motion_cls_upper(upper),
            self.motion_cls_hands(hands),
            self.motion_cls_lower(lower),
        )
        return GeneratorOutput(latents, logits)

    def _look_back(self, previous: Parts[Tensor]) -> "_Past":
        is_whole = self.config.whole_body
        latents = previous.upper if is_whole else torch.cat(list(previous), -1)  # (B, T, D | 4 D)
        later = torch.ones(latents.shape[1], latents.shape[1], dtype=torch.bool, device=latents.device).triu(1)
        return _Past(None if is_whole else self.previous_face(latents), self.previous_body(latents), later)

    def _face_latent(self, features: SpeechFeatures, hint: Tensor, speaker: Tensor, past: "_Past | None") -> Tensor:
        frames, speech = hint.shape[1], features.face
        if self.config.aligned_audio and not features.is_by_frame:
            speech = at_frames(speech, frames)
        memory = self.audio_face_motion_proj(torch.cat([speech[:, :frames], self.bodyhints_face(hint)], -1))
        query = self.speaker_embedding_face(speaker)[:, None].expand(-1, frames, -1)
        if self.config.aligned_audio:
            query = query + memory
        if past is not None:
            query = query + past.face
        decoded = self.face_motion_decoder(self.position_embeddings(query), memory, past and past.later)
        return self.face_out_proj(decoded)

    def _body_latents(
        self, features: SpeechFeatures | None, hint: Tensor, speaker: Tensor, past: "_Past | None"
    ) -> tuple[Tensor, ...]:
        """Of upper body, hands and lower body, or of the whole body."""
        speaker_body = self.speaker_embedding_body(speaker)[:, None]
        hint = self.moton_proj(self.bodyhints_body(hint))
        memory = None if features is None else self.remember(features, hint.shape[1])
        follow = {"emage": self._emage_path, "fusion": self._fusion_path, "self-attention": self._self_attention_path}
        spatial = follow[self.config.body_path](memory, hint, speaker_body, past)
        later = past and past.later
        if self.config.whole_body:
            whole = self.motion2latent_whole(spatial)
            return (self._refine(WHOLE, whole, whole, speaker_body, later),)
        upper, hands, lower = (
            self.motion2latent_upper(spatial),
            self.motion2latent_hands(spatial),
            self.motion2latent_lower(spatial),
        )
        return (
            self._refine("upper", upper, hands + lower, speaker_body, later),
            self._refine("hands", hands, upper + lower, speaker_body, later),
            self._refine("lower", lower, upper + hands, speaker_body, later),
        )

    def remember(self, features: SpeechFeatures, frames: int) -> "Memory":
        """Speech as the body hears it; it must cover the frames."""
        speech = self.speech_context(self.audio_body_motion_proj(features.body))
        return Memory(speech, speech[:, :frames] if features.is_by_frame else at_frames(speech, frames))

    def _refine(self, part: str, own: Tensor, others: Tensor, speaker: Tensor, later: Tensor | None) -> Tensor:
        query = own + speaker
        if self.config.wiring == "text":
            query = self.position_embeddings(query)
        refined = getattr(self, f"body_motion_decoder_{part}")(query, others, later, later)
        return getattr(self, f"motion_out_proj_{part}")(own + refined)

    def _emage_path(self, memory: "Memory | None", hint: Tensor, speaker: Tensor, past: "_Past | None") -> Tensor:
        spatial = self.motion_self_encoder(self.position_embeddings(hint) + speaker)
        if past is not None:
            spatial = spatial + past.body
        if self.config.wiring == "text":  # published: its sum with the speaker is overwritten
            query, goes_on = self.position_embeddings(spatial), spatial
        else:
            query = goes_on = self.position_embeddings(spatial + speaker)
        if memory is None:
            return goes_on
        if self.config.aligned_audio:
            query, goes_on = query + memory.of_frames, goes_on + memory.of_frames
        return goes_on + self.audio_motion_cross_attn(query, memory.speech, past and past.later)

    def _fusion_path(self, memory: "Memory | None", hint: Tensor, speaker: Tensor, past: "_Past | None") -> Tensor:
        query = speaker.expand_as(hint) if past is None else speaker + past.body
        return self.audio_motion_cross_attn(
            self.position_embeddings(query), self._join(memory, hint), past and past.later
        )

    def _self_attention_path(
        self, memory: "Memory | None", hint: Tensor, speaker: Tensor, past: "_Past | None"
    ) -> Tensor:
        return self.motion_self_encoder(self.position_embeddings(self._join(memory, hint) + speaker))

    def _join(self, memory: "Memory | None", hint: Tensor) -> Tensor:
        return hint if memory is None else hint + memory.of_frames

    def classifier(self, part: str) -> nn.Module:
        """The head that gives a part's logits."""
        if self.config.whole_body:
            return self.motion_cls_whole
        return self.face_cls if part == "face" else self.get_submodule(f"motion_cls_{part}")

    def load_weights(self, state: dict[str, Tensor], name: str) -> None:
        """Strictly, but for what the published files store and nobody calls, and what this fusion does not; raises
        WeightsError naming `name`.
        """
        unused = [f"content_{side}.{key}" for side in ("face", "body") for key in unused_prefixes(self.config.fusion)]
        load_strictly(self, state, name, unused=(*NEVER_CALLED, *unused))


class Memory(NamedTuple):
    """Speech as the body attends to it: all of it (B, T', hidden), and each frame's own (B, T, hidden)."""

    speech: Tensor
    of_frames: Tensor


class _Past(NamedTuple):
    """The frame before each frame, as the queries for face and body carry it (B, T, hidden); and (T, T) which frames a
    frame must not see, for they come later."""

    face: Tensor | None
    body: Tensor
    later: Tensor
