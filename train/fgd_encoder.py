"""Stage 4: the motion autoencoder whose features FGD compares, the published network.

python -m train.fgd_encoder --cache CACHE --weights WEIGHTS --out runs/fgd

It learns to tell the rotations of a window from its features by way of the network's variational part (a variational
autoencoder, Kingma and Welling 2014): angles, velocities, and a small divergence. How the published file was trained is
not known. It goes to WEIGHTS/fgd; `load_autoencoder` reads it back.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from emage.models.checkpoint import load_config, load_state
from emage.models.fgd import FRAME_MULTIPLE, MotionAutoencoder, MotionAutoencoderConfig, Reconstruction
from emage.motion.rotations import angle_between
from emage.motion.skeleton import NETWORK_PARTS
from train.data.cache import Cache
from train.data.windows import Windows, iterate_once, split_windows, spread_sample
from train.run.command import run_stage
from train.run.config import RunConfig
from train.run.kinematics import to_matrices
from train.run.log import Losses, mean_of, scalars
from train.run.scaling import begin_evaluator_at_data
from train.run.training import Run

FOLDER = "fgd"


@dataclass(frozen=True, kw_only=True)
class AutoencoderTraining(RunConfig):
    """Train the motion autoencoder on all joints."""

    window_frames: int = 2 * FRAME_MULTIPLE
    chain_channels: int = 12
    """As published; a feature has 20 times as many."""
    learning_rate: float = 1e-3
    rotation_weight: float = 1.0
    """Mean angle between rotations, radians."""
    velocity_weight: float = 5.0
    """Mean difference of the change of the channels from frame to frame."""
    divergence_weight: float = 1e-3
    """Mean divergence of the channels that are decoded from the standard normal distribution."""

    def shrink(self) -> Self:
        return replace(super().shrink(), chain_channels=2)


@dataclass(frozen=True)
class AutoencoderLosses(Losses):
    rotation: Tensor
    velocity: Tensor
    divergence: Tensor


def compare_rotations(made: Reconstruction, truth: Tensor, config: AutoencoderTraining) -> AutoencoderLosses:
    """truth: (B, T, 330)."""
    return AutoencoderLosses(
        rotation=config.rotation_weight * angle_between(to_matrices(made.rotations), to_matrices(truth)).mean(),
        velocity=config.velocity_weight * (made.rotations - truth).diff(dim=1).abs().mean(),
        divergence=config.divergence_weight * made.divergence,
    )


@dataclass(frozen=True)
class AutoencoderReport:
    """degrees: mean angle between rotations of the validation windows and their reconstruction."""

    degrees: float


@torch.no_grad()
def validate(network: MotionAutoencoder, dataset: Windows, batch_size: int, device: torch.device) -> AutoencoderReport:
    results = []
    network.eval()  # decodes means, not samples
    for window in iterate_once(dataset, batch_size, device):
        rotations = window.rotations
        angle = angle_between(to_matrices(network(rotations).rotations), to_matrices(rotations)).mean()
        results.append((len(rotations), {"degrees": float(angle.rad2deg())}))
    network.train()
    return AutoencoderReport(**mean_of(results))


def train(config: AutoencoderTraining) -> MotionAutoencoder:
    """Run the stage from its beginning or its last checkpoint to its end."""
    cache = Cache(config.cache)
    run = Run(config)
    dataset, held_out = split_windows(cache, config, needs=NETWORK_PARTS)
    new = MotionAutoencoder(MotionAutoencoderConfig(config.chain_channels))
    begin_evaluator_at_data(new, spread_sample(dataset, lambda window: window.rotations))
    model, optimizer = run.prepare(new)
    network: MotionAutoencoder = run.accelerator.unwrap_model(model)

    for batches in run.steps(dataset, optimizer):
        for window in batches:
            rotations = window.rotations
            with run.accelerator.accumulate(model):
                losses = compare_rotations(model(rotations), rotations, config)
                run.descend(losses.total, model, optimizer)
            run.record(losses)
        run.end_step(network, config.weights / FOLDER)
        if run.is_main and run.is_time(config.validate_every):
            run.log("val", scalars(validate(network, held_out, config.batch_size, run.device)))
    run.close()
    return network


def load_autoencoder(weights: Path) -> MotionAutoencoder:
    """Load the trained autoencoder of a folder of weights. Raises WeightsError."""
    folder = weights / FOLDER
    network = MotionAutoencoder(MotionAutoencoderConfig.from_json(load_config(folder)))
    network.load_weights(load_state(folder), "fgd")
    return network.eval()


def main() -> None:
    run_stage(AutoencoderTraining, train, __doc__)


if __name__ == "__main__":
    main()
