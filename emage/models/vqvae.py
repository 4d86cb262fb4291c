"""The VQ-VAE of one part, and the predictor of the path through the room."""

from typing import Annotated, Any

from pydantic import Field
from torch import Tensor, nn

from emage.errors import WeightsError
from emage.models.layers import ConvDecoder, ConvEncoder, load_strictly
from emage.models.quantizer import Gaussian, Quantizer
from emage.validation import checked

MAX_WIDTH = 16_384
"""Of anything within a network, far beyond any honest one's."""
Codes = Annotated[int, Field(ge=1, le=1 << 20)]


@checked(WeightsError, "VQ-VAE config:")
class VQVAEConfig:
    """Size of a VQVAE or, with no codebook, of the GlobalMotionPredictor.

    channels: width of a motion frame; width: of a latent; layers: convolution layers each way; codebook_size: K;
    quantized: False for a plain VAE, which decodes latents and has no codes (for ablations).
    """

    channels: Annotated[int, Field(ge=1, le=MAX_WIDTH)]
    width: Annotated[int, Field(ge=1, le=MAX_WIDTH)] = 256
    layers: Annotated[int, Field(ge=1, le=256)] = 2
    codebook_size: Codes = 256
    quantized: bool = True

    @classmethod
    def from_json(cls, published: dict[str, Any]) -> "VQVAEConfig":
        """From the released config.json; raises WeightsError for a missing field."""
        return cls(
            channels=config_field(published, "vae_test_dim"),
            width=config_field(published, "vae_length"),
            layers=config_field(published, "vae_layer"),
            codebook_size=published.get("vae_codebook_size", 256),
            quantized=published.get("quantized", True),
        )

    def to_json(self) -> dict[str, Any]:
        """The fields under the names of the released config.json."""
        return {
            "vae_test_dim": self.channels,
            "vae_length": self.width,
            "vae_layer": self.layers,
            "vae_codebook_size": self.codebook_size,
            "quantized": self.quantized,
        }


class VQVAE(nn.Module):
    """Motion of one part <-> one code a frame; no down-sampling in time. Of a plain VAE (see `VQVAEConfig`) a frame's
    code is its latent (D,).
    """

    model_type = "emage_vqvaeconv"

    def __init__(self, config: VQVAEConfig):
        super().__init__()
        self.config = config
        self.encoder = ConvEncoder(config.channels, config.width, config.layers)
        self.quantizer = Quantizer(config.codebook_size, config.width) if config.quantized else Gaussian(config.width)
        self.decoder = ConvDecoder(config.width, config.channels, config.layers)

    @property
    def reach_frames(self) -> int:
        """How many frames to each side a decoded frame depends on."""
        return 4 + self.config.layers + 1

    def encode(self, motion: Tensor) -> Tensor:
        """(B, T, C) -> (B, T) code indices, or (B, T, D) latents of a plain VAE."""
        return self.quantizer.nearest(self.encoder(motion))

    def decode(self, index: Tensor) -> Tensor:
        """(B, T) code indices, or (B, T, D) latents of a plain VAE -> (B, T, C)."""
        return self.decoder(self.quantizer.lookup(index))

    def load_weights(self, state: dict[str, Tensor], name: str) -> None:
        """Strictly; raises WeightsError naming `name`."""
        load_strictly(self, state, name)


class GlobalMotionPredictor(nn.Module):
    """Lower-body motion -> lower-body motion whose translation channels are the root velocity.

    Of the 61 output channels 54:57 are x velocity (m/s), height y (m) and z velocity (m/s).
    """

    model_type = "emage_vaeconv"

    def __init__(self, config: VQVAEConfig):
        super().__init__()
        self.config = config
        self.encoder = ConvEncoder(config.channels, config.width, config.layers)
        self.decoder = ConvDecoder(config.width, config.channels, config.layers)

    @property
    def reach_frames(self) -> int:
        """How many frames to each side an output frame depends on."""
        return 3 * self.config.layers + 4 + self.config.layers + 1

    def forward(self, lower: Tensor) -> Tensor:
        """(B, T, 61) -> (B, T, 61)."""
        return self.decoder(self.encoder(lower))

    def load_weights(self, state: dict[str, Tensor], name: str) -> None:
        """Strictly; raises WeightsError naming `name`."""
        load_strictly(self, state, name)


def config_field(published: dict[str, Any], key: str) -> Any:
    """A field of a config.json; raises WeightsError where it is missing."""
    if key not in published:
        raise WeightsError(f"config.json has no field '{key}'; it is not the config of an EMAGE network.")
    return published[key]
