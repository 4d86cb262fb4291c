"""Stage 4: the motion autoencoder whose features FGD compares.

python -m train.fgd_encoder --cache CACHE --weights WEIGHTS --out runs/fgd

It goes to WEIGHTS/fgd; `load_autoencoder` reads it back.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch
import tyro
from torch import Tensor

from emage.models.checkpoint import load_config, load_state
from emage.models.fgd import FRAME_MULTIPLE, MotionAutoencoder, MotionAutoencoderConfig
from emage.motion.rotations import angle_between
from emage.motion.skeleton import ROTATION_CHANNELS
from train.data.cache import Cache, Windows
from train.run.command import run_command
from train.run.training import Run, RunConfig, mean_of, scalars, validation_batches, validation_table
from train.vqvae import matrices

FOLDER = "fgd"


@dataclass(frozen=True, kw_only=True)
class AutoencoderTraining(RunConfig):
    """Train the motion autoencoder on all joints."""

    window_frames: int = 2 * FRAME_MULTIPLE
    chain_channels: int = 12
    learning_rate: float = 1e-3
    rotation_weight: float = 1.0
    """Mean angle between rotations, radians."""
    velocity_weight: float = 5.0
    """Mean difference of the change of the channels from frame to frame."""

    def shrunk(self) -> Self:
        return replace(super().shrunk(), chain_channels=2)


@dataclass(frozen=True)
class AutoencoderLosses:
    """Each loss times its weight, scalars; `total` is their sum."""

    rotation: Tensor
    velocity: Tensor

    @property
    def total(self) -> Tensor:
        return self.rotation + self.velocity


def autoencoder_losses(made: Tensor, rotations: Tensor, config: AutoencoderTraining) -> AutoencoderLosses:
    """made, rotations: (B, T, 330)."""
    return AutoencoderLosses(
        rotation=config.rotation_weight * angle_between(matrices(made), matrices(rotations)).mean(),
        velocity=config.velocity_weight * (made - rotations).diff(dim=1).abs().mean(),
    )


@dataclass(frozen=True)
class AutoencoderReport:
    """degrees: mean angle between rotations of the validation windows and their reconstruction."""

    degrees: float


@torch.no_grad()
def validate(network: MotionAutoencoder, dataset: Windows, config: AutoencoderTraining, device) -> AutoencoderReport:
    results = []
    for window in validation_batches(dataset, config, device):
        rotations = window.motion[..., :ROTATION_CHANNELS]
        angle = angle_between(matrices(network(rotations)), matrices(rotations)).mean()
        results.append((len(rotations), {"degrees": float(angle.rad2deg())}))
    return AutoencoderReport(**mean_of(results))


def train(config: AutoencoderTraining) -> MotionAutoencoder:
    """Run the stage from its beginning or its last checkpoint to its end."""
    cache = Cache(config.cache)
    run = Run(config)
    dataset = Windows(
        cache, cache.windows(("train",), config.window_frames, config.stride_frames), config.window_frames, config.seed
    )
    held_out = Windows(cache, validation_table(cache, config), config.window_frames, config.seed, shuffled=False)
    model, optimizer = run.prepare(MotionAutoencoder(MotionAutoencoderConfig(config.chain_channels)))
    network: MotionAutoencoder = run.accelerator.unwrap_model(model)

    for batches in run.steps(dataset, optimizer):
        for window in batches:
            rotations = window.motion[..., :ROTATION_CHANNELS]
            with run.accelerator.accumulate(model):
                losses = autoencoder_losses(model(rotations), rotations, config)
                run.descend(losses.total, model, optimizer)
            run.record(losses)
        run.end_step(network, config.weights / FOLDER)
        if run.is_main and run.is_time(config.validate_every):
            run.log("val", scalars(validate(network, held_out, config, run.device)))
    run.close()
    return network


def load_autoencoder(weights: Path) -> MotionAutoencoder:
    """The trained autoencoder in a folder of weights. Raises WeightsError."""
    folder = weights / FOLDER
    network = MotionAutoencoder(MotionAutoencoderConfig.from_json(load_config(folder)))
    network.load_weights(load_state(folder), "fgd")
    return network.eval()


def main() -> None:
    config = tyro.cli(AutoencoderTraining, description=__doc__)
    run_command(lambda: train(config.shrunk() if config.smoke else config))


if __name__ == "__main__":
    main()
