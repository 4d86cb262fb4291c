"""The paper's own files (`emage_240.bin` and the VQ-VAEs beside it): their key names, and configs told by shapes."""

import re
from typing import Any

from torch import Tensor

from emage.errors import WeightsError

_NAMES = (
    (r"mask_embeddings$", "mask_embedding"),
    (r"text_pre_encoder_(face|body)\.", r"content_\1.embedding."),
    (r"text_encoder_(face|body)\.", r"content_\1.projection."),
    (r"at_attn_(face|body)\.", r"content_\1.attention."),
    (r"audio_pre_encoder_(face|body)\.", r"rhythm_encoder_\1."),
    (r"spearker_encoder_(face|body)\.", r"speaker_embedding_\1."),
    (r"feature2face\.", "audio_face_motion_proj."),
    (r"face_decoder\.", "face_motion_decoder."),
    (r"face2latent\.", "face_out_proj."),
    (r"face_classifier\.", "face_cls."),
    (r"feature2motion\.", "moton_proj."),
    (r"audio_feature2motion\.", "audio_body_motion_proj."),
    (r"wordhints_decoder\.", "audio_motion_cross_attn."),
    (r"(upper|hands|lower)_decoder\.", r"body_motion_decoder_\1."),
    (r"(upper|hands|lower)_classifier\.", r"motion_cls_\1."),
    (r"motion_down_(upper|hands|lower)\.", r"motion_out_proj_\1."),
)
"""Beginnings of the text network's keys, and what the generator calls these modules."""
_MLP_NAMES = {".mlp.0.": ".fc1.", ".mlp.2.": ".fc2."}

_TOLD_BY = {
    "hidden_size": ("feature2face.weight", 0, 1),
    "audio_f": ("text_encoder_face.weight", 0, 1),
    "motion_f": ("face2latent.weight", 0, 1),
    "vae_codebook_size": ("face_classifier.mlp.2.weight", 0, 1),
    "pose_length": ("position_embeddings.pe", 1, 2),  # its table has two periods
    "vocabulary": ("text_pre_encoder_face.weight", 0, 1),
    "word_dims": ("text_pre_encoder_face.weight", 1, 1),
    "speakers": ("spearker_encoder_face.weight", 0, 1),
}
"""Of a config.json's fields: the tensor whose size tells it, which axis, and how many times over."""


def is_paper_text(state: dict[str, Tensor]) -> bool:
    """Whether these are the paper's text network under its own key names."""
    return "spearker_encoder_face.weight" in state


def translate(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The paper's text network under the generator's key names."""
    return {_translate(key): tensor for key, tensor in state.items()}


def _translate(key: str) -> str:
    for theirs, ours in _MLP_NAMES.items():
        key = key.replace(theirs, ours)
    for theirs, ours in _NAMES:
        if re.match(theirs, key):
            return re.sub(theirs, ours, key, count=1)
    return key


def text_config(state: dict[str, Tensor]) -> dict[str, Any]:
    """A config.json for the paper's text network, from the shapes of its tensors. Raises WeightsError."""
    return {field: _size(state, *place) for field, place in _TOLD_BY.items()}


def vq_config(state: dict[str, Tensor]) -> dict[str, Any]:
    """A config.json for a VQ-VAE or the global motion predictor, from the shapes of its tensors. Raises WeightsError.

    Of the encoder's stages every third is a layer's convolution, every third its residual block.
    """
    stages = {int(match[1]) for key in state if (match := re.match(r"encoder\.main\.(\d+)\.weight$", key))}
    config = {
        "vae_test_dim": _size(state, "encoder.main.0.weight", 1),
        "vae_length": _size(state, "encoder.main.0.weight", 0),
        "vae_layer": len(stages),
    }
    if "quantizer.embedding.weight" in state:
        config["vae_codebook_size"] = _size(state, "quantizer.embedding.weight", 0)
    return config


def _size(state: dict[str, Tensor], key: str, axis: int, times: int = 1) -> int:
    if key not in state or state[key].ndim <= axis:
        raise WeightsError(
            f"There is no config.json, and no tensor {key} that would tell the network's size. Use the weights as they "
            "were published, or put their config.json beside them."
        )
    return state[key].shape[axis] // times
