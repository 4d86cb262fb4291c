"""The architecture of the generator: its fields, their checks and their names in config.json."""

from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field

from emage.errors import WeightsError
from emage.models.content_rhythm import Fusion
from emage.models.parts import Parts
from emage.models.vqvae import MAX_WIDTH, Codes, config_field
from emage.motion import FLAME2020, FPS
from emage.motion.skeleton import NETWORK_PARTS, ROTATION_CHANNELS
from emage.recording.audio import SAMPLE_RATE_HZ
from emage.validation import checked

_WEIGHT_KEYS = Parts(face="f", upper="u", hands="h", lower="l")
MAX_SPEAKERS = 1_000_000
MAX_VOCABULARY = 10_000_000
"""Far beyond any honest network's: a larger number is a mistake, or made to fill the memory."""

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
    "speech_layers": "speech_layers",
    "wiring": "wiring",
    "body_path": "body_path",
    "autoregressive": "autoregressive",
    "whole_body": "whole_body",
    "conventions": "conventions",
}
"""Of the fields in the released config.json."""
_MAY_LACK = (
    "stride", "expression_basis", "aligned_audio", "waveform", "vocabulary", "word_dims", "fusion",
    "speech_layers", "wiring", "body_path", "autoregressive", "whole_body", "conventions",
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
Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Frames = Annotated[int, Field(ge=1, le=1 << 16)]
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
    speech_layers: temporal convolutions over what the body hears, each of `layers.CONTEXT_FRAMES`, before it attends to
    it (a TCN, as in BEAT's text encoder): a stroke begins before its word and rests behind it. The published networks
    have none;
    wiring: details in which the published networks differ. "audio": the body attends to speech by a query with the
    speaker, and the query goes on. "text": the query has positions only, the features go on without them; positions
    are in the queries of the parts' last decoders too; the MLPs leak 0.2 in place of 0.1;
    body_path: how speech comes to the body (EMAGE, figure 5): "emage" refines the hints by self-attention and lets them
    attend to speech; "fusion" lets the frames' positions alone attend to speech and hints; "self-attention" has speech
    and hints, joined frame by frame, attend to one another;
    autoregressive: each frame is made of those before it (EMAGE, table 9), whose latents its query carries; frames
    are then sampled one after the other, see `emage.generation.rollout`. Not with the path "self-attention";
    whole_body: one latent and code a frame, of one VQ-VAE of the whole body, face and all, in place of one for each
    part. It has then one head, and no way of speech to the face of its own; its output is the same for every part;
    conventions: what it was shown in training. "released": seeds as their codes decode, with the root velocity in place
    of a translation; onsets at their samples. "paper", of the paper's text network: seeds whose translation is a
    position along the root trajectory, jaw at rest; onsets as the published code places them; and beside it a global
    motion predictor that is given orthonormal rotations and no translation;
    latent_weight, class_weight: of the parts' losses. A part with class weight 0 is decoded from the code nearest to
    its latent, the others from the class with the largest logit.

    Raises:
        WeightsError: a value of another kind, out of range, or that does not fit the others.
    """

    hidden: Width = 768
    audio_width: Width = 256
    motion_width: Width = 256
    codebook_size: Codes = 256
    window_frames: Frames = 64
    seed_frames: Frames = 4
    window_stride_frames: Frames = 20
    speakers: Annotated[int, Field(ge=1, le=MAX_SPEAKERS)] = 1
    expression_basis: Literal["flame2020", "arkit52"] = FLAME2020
    aligned_audio: bool = False
    waveform: bool = True
    vocabulary: Annotated[int, Field(ge=0, le=MAX_VOCABULARY)] = 0
    word_width: Width = 300
    fusion: Fusion = "attention"
    speech_layers: Annotated[int, Field(ge=0, le=64)] = 0
    wiring: Literal["audio", "text"] = "audio"
    body_path: BodyPath = "emage"
    autoregressive: bool = False
    whole_body: bool = False
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
        if self.autoregressive and self.body_path == "self-attention":
            raise WeightsError(
                "Generator config: body_path 'self-attention' has speech and motion in one sequence, which cannot be "
                "autoregressive. Use 'emage' or 'fusion'."
            )

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
