"""Stage 2: the path through the room, from the motion of the lower body.

python -m train.global_motion --cache CACHE --weights WEIGHTS --out runs/global

When sampling, the predictor sees what the lower VQ-VAE decodes. So it does here: train that first.
Of the 61 channels it puts out, only the three of travel are trained; nothing reads the others.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
import tyro
from torch import Tensor

from emage.body import Body, load_body
from emage.models.checkpoint import NETWORK_FOLDERS
from emage.models.codec import integrate_root, part_vectors
from emage.models.vqvae import VQVAE, GlobalMotionPredictor, VQVAEConfig
from emage.motion import FPS
from emage.motion.skeleton import (
    CONTACT_JOINTS,
    CONTACTS,
    LOWER_ROTATIONS,
    LOWER_TRANSLATION,
    PART_CHANNELS,
    PART_JOINTS,
    ROTATION_CHANNELS,
)
from emage.pipeline import Take
from train.data.cache import Cache, Window, Windows, codec_motion
from train.run.command import run_command
from train.run.kinematics import BodyPoints, replaced
from train.run.training import (
    Run,
    RunConfig,
    begin_at_data,
    clip_motion,
    load_part,
    mean_of,
    scalars,
    validation_batches,
    validation_table,
)
from train.vqvae import foot_sliding


@dataclass(frozen=True, kw_only=True)
class GlobalMotionTraining(RunConfig):
    """Train the predictor of travel. The weights of the losses are named for what they weigh."""

    width: int = 256
    layers: int = 4
    velocity_weight: float = 1.0
    """Mean difference of x and z velocity, m/s."""
    height_weight: float = 5.0
    """Mean difference of height, metres."""
    position_weight: float = 1.0
    """Mean distance on the ground of the paths that the velocities add up to over a window, metres."""
    acceleration_weight: float = 0.5
    """Mean difference of the change of velocity and height from frame to frame."""
    sliding_weight: float = 1.0
    """Mean speed of feet that stand, m/s: the decoded legs on the predicted path."""

    def shrunk(self) -> Self:
        return replace(super().shrunk(), width=16)


@dataclass(frozen=True)
class TravelLosses:
    """Each loss times its weight, scalars; `total` is their sum."""

    velocity: Tensor
    height: Tensor
    position: Tensor
    acceleration: Tensor
    sliding: Tensor

    @property
    def total(self) -> Tensor:
        return self.velocity + self.height + self.position + self.acceleration + self.sliding


def travel_losses(
    made: Tensor, travel: Tensor, feet: Tensor, contacts: Tensor, config: GlobalMotionTraining
) -> TravelLosses:
    """made, travel: (B, T, 3) predicted and true; feet: (B, T, 4, 3) decoded, untranslated; contacts: (B, T, 4)."""
    difference = made - travel
    return TravelLosses(
        velocity=config.velocity_weight * difference[..., [0, 2]].abs().mean(),
        height=config.height_weight * difference[..., 1].abs().mean(),
        position=config.position_weight * _path_distance(made, travel).mean(),
        acceleration=config.acceleration_weight * difference.diff(dim=1).abs().mean(),
        sliding=config.sliding_weight * FPS * foot_sliding(feet, made, contacts).mean(),
    )


def _path_distance(made: Tensor, travel: Tensor) -> Tensor:
    """(B, T): how far apart on the ground two paths from one start are, metres."""
    start = made.new_zeros(len(made), 3)
    apart = (integrate_root(made.float(), start) - integrate_root(travel, start))[..., [0, 2]]
    return apart.square().sum(-1).clamp_min(1e-12).sqrt().float()


@torch.no_grad()
def decoded_lower(lower: VQVAE, window: Window) -> Tensor:
    """(B, T, 61) as the codec hands it to the predictor."""
    return lower.decode(lower.encode(part_vectors(codec_motion(window), window.expressions).lower))


def decoded_feet(vector: Tensor, window: Window, points: BodyPoints) -> Tensor:
    """(B, T, 4, 3): the contact joints with the legs of `vector` (B, T, 61), without translation."""
    rotations = replaced(window.motion[..., :ROTATION_CHANNELS], PART_JOINTS["lower"], vector[..., LOWER_ROTATIONS])
    return points.joints(rotations)[..., CONTACT_JOINTS, :]


@dataclass(frozen=True)
class TravelReport:
    """Of the validation windows: mean errors, where the path ends, and how standing feet slide, beside the truth's."""

    velocity_mm_per_s: float
    height_mm: float
    path_end_mm: float
    sliding_mm_per_s: float
    true_sliding_mm_per_s: float


@torch.no_grad()
def validate(
    network: GlobalMotionPredictor, lower: VQVAE, dataset: Windows, points: BodyPoints, config: GlobalMotionTraining
) -> TravelReport:
    network.eval()
    results = []
    for window in validation_batches(dataset, config, points.weights.device):
        vector = decoded_lower(lower, window)
        made = network(vector)[..., LOWER_TRANSLATION]
        contacts = window.motion[..., CONTACTS]
        true_feet = points.joints(window.motion[..., :ROTATION_CHANNELS])[..., CONTACT_JOINTS, :]
        difference = (made - window.travel).abs()
        values = {
            "velocity_mm_per_s": 1000 * float(difference[..., [0, 2]].mean()),
            "height_mm": 1000 * float(difference[..., 1].mean()),
            "path_end_mm": 1000 * float(_path_distance(made, window.travel)[:, -1].mean()),
            "sliding_mm_per_s": 30e3 * float(foot_sliding(decoded_feet(vector, window, points), made, contacts).mean()),
            "true_sliding_mm_per_s": 30e3 * float(foot_sliding(true_feet, window.travel, contacts).mean()),
        }
        results.append((len(made), values))
    network.train()
    return TravelReport(**mean_of(results))


def train(config: GlobalMotionTraining, body: Body | None = None) -> GlobalMotionPredictor:
    """Run the stage from its beginning or its last checkpoint to its end."""
    cache = Cache(config.cache)
    run = Run(config)
    body = body or load_body()
    dataset = Windows(
        cache, cache.windows(("train",), config.window_frames, config.stride_frames), config.window_frames, config.seed
    )
    held_out = Windows(cache, validation_table(cache, config), config.window_frames, config.seed, shuffled=False)
    points = BodyPoints(body, "lower", 1, cache.expression_basis).to(run.device)
    lower = load_part(config.weights, "lower").to(run.device)
    folder = config.weights / NETWORK_FOLDERS["global"]
    settings = VQVAEConfig(PART_CHANNELS["lower"], config.width, config.layers)
    new = GlobalMotionPredictor(settings)
    begin_at_data(new, lambda window: part_vectors(codec_motion(window), window.expressions).lower, dataset)
    model, optimizer = run.prepare(new)
    network: GlobalMotionPredictor = run.accelerator.unwrap_model(model)

    for batches in run.steps(dataset, optimizer):
        for window in batches:
            vector = decoded_lower(lower, window)
            feet = decoded_feet(vector, window, points)
            with run.accelerator.accumulate(model):
                made = model(vector)[..., LOWER_TRANSLATION]
                losses = travel_losses(made, window.travel, feet, window.motion[..., CONTACTS], config)
                run.descend(losses.total, model, optimizer)
            run.record(losses)
        run.end_step(network, folder)
        if run.is_main and run.is_time(config.validate_every):
            run.log("val", scalars(validate(network, lower, held_out, points, config)))
        if run.is_main and run.is_time(config.video_every):
            _show(run, network, lower, cache, held_out, body)
    run.close()
    return network


@torch.no_grad()
def _show(run: Run, network: GlobalMotionPredictor, lower: VQVAE, cache: Cache, held_out: Windows, body: Body) -> None:
    """The first validation window on its own path and on the predicted one."""
    window = Window(*(tensor[None].to(run.device) for tensor in held_out[0]))
    vector = decoded_lower(lower, window)
    rotations = replaced(window.motion[..., :ROTATION_CHANNELS], PART_JOINTS["lower"], vector[..., LOWER_ROTATIONS])
    start = torch.zeros(1, 3, device=run.device)
    true_place, place = (
        integrate_root(travel, start)[0] for travel in (window.travel, network(vector)[..., LOWER_TRANSLATION])
    )
    truth = clip_motion(cache, window.motion[0], window.expressions[0], true_place)
    ours = clip_motion(cache, rotations[0], window.expressions[0], place)
    run.sample_video("path", [Take(truth, "true"), Take(ours, "predicted")], body, held_out[0].audio.numpy())


def main() -> None:
    config = tyro.cli(GlobalMotionTraining, description=__doc__)
    run_command(lambda: train(config.shrunk() if config.smoke else config))


if __name__ == "__main__":
    main()
