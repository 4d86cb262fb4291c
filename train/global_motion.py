"""Stage 2: the path through the room, from the motion of the lower body.

python -m train.global_motion --cache CACHE --weights WEIGHTS --out runs/global

When sampling, the predictor sees what the lower VQ-VAE decodes. So it does here: train that first.
Of the 61 channels it puts out, only the three of the root velocity are trained; nothing reads the others.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from emage.body import Body, load_body
from emage.models.checkpoint import NETWORK_FOLDERS
from emage.models.codec import integrate_root
from emage.models.vqvae import VQVAE, GlobalMotionPredictor, VQVAEConfig
from emage.motion import FPS
from emage.motion.skeleton import (
    LOWER_ROTATIONS,
    LOWER_TRANSLATION,
    PART_CHANNELS,
    PART_JOINTS,
    WHOLE,
)
from train.data.cache import Cache
from train.data.channels import TRANS, WHOLE_BODY
from train.data.windows import Window, Windows, code_part, iterate_once, part_vector, split_windows, spread_sample
from train.run.checkpoints import load_part
from train.run.command import run_stage
from train.run.config import RunConfig
from train.run.kinematics import BodyPoints, measure_sliding, replace_rotations
from train.run.log import Losses, mean_of, scalars
from train.run.scaling import begin_at_data
from train.run.training import Run


@dataclass(frozen=True, kw_only=True)
class GlobalMotionTraining(RunConfig):
    """Train the predictor of the root velocity. The weights of the losses are named for what they weigh."""

    width: int = 256
    layers: int = 4
    whole_body: bool = False
    """Of the legs as the one VQ-VAE of the whole body decodes them, not as that of the lower body does."""
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

    def shrink(self) -> Self:
        return replace(super().shrink(), width=16)


@dataclass(frozen=True)
class RootVelocityLosses(Losses):
    velocity: Tensor
    height: Tensor
    position: Tensor
    acceleration: Tensor
    sliding: Tensor


def compare_root_velocity(
    made: Tensor, truth: Tensor, feet: Tensor, contacts: Tensor, config: GlobalMotionTraining
) -> RootVelocityLosses:
    """made, truth: (B, T, 3) predicted and true; feet: (B, T, 4, 3) decoded, untranslated; contacts: (B, T, 4)."""
    difference = made - truth
    return RootVelocityLosses(
        velocity=config.velocity_weight * difference[..., [0, 2]].abs().mean(),
        height=config.height_weight * difference[..., 1].abs().mean(),
        position=config.position_weight * _path_distance(made, truth).mean(),
        acceleration=config.acceleration_weight * difference.diff(dim=1).abs().mean(),
        sliding=config.sliding_weight * FPS * measure_sliding(feet, made, contacts).mean(),
    )


def _path_distance(made: Tensor, truth: Tensor) -> Tensor:
    """(B, T): how far apart on the ground two paths from one start are, metres."""
    start = made.new_zeros(len(made), 3)
    apart = (integrate_root(made.float(), start) - integrate_root(truth, start))[..., [0, 2]]
    return apart.square().sum(-1).clamp_min(1e-12).sqrt().float()


@torch.no_grad()
def decode_lower(lower: VQVAE, window: Window) -> Tensor:
    """(B, T, 61) as the codec hands it to the predictor."""
    return code_part(lower, window, "lower")[1]


def decode_feet(vector: Tensor, window: Window, points: BodyPoints) -> Tensor:
    """(B, T, 4, 3): the contact joints with the legs of `vector` (B, T, 61), without translation."""
    return points.feet(_put_legs(vector, window))


def _put_legs(vector: Tensor, window: Window) -> Tensor:
    """(B, T, 330) rotations of a window with the legs of `vector` (B, T, 61)."""
    return replace_rotations(window.rotations, PART_JOINTS["lower"], vector[..., LOWER_ROTATIONS])


@dataclass(frozen=True)
class RootVelocityReport:
    """Of the validation windows: mean errors, where the path ends, and how standing feet slide, beside the truth's."""

    velocity_mm_per_s: float
    height_mm: float
    path_end_mm: float
    sliding_mm_per_s: float
    true_sliding_mm_per_s: float


@torch.no_grad()
def validate(
    network: GlobalMotionPredictor, lower: VQVAE, dataset: Windows, points: BodyPoints, batch_size: int
) -> RootVelocityReport:
    network.eval()
    results = []
    for window in iterate_once(dataset, batch_size, points.weights.device):
        vector = decode_lower(lower, window)
        made, truth = network(vector)[..., LOWER_TRANSLATION], window.root_velocity
        feet = decode_feet(vector, window, points)
        true_feet = points.feet(window.rotations)
        difference = (made - truth).abs()
        values = {
            "velocity_mm_per_s": 1000 * float(difference[..., [0, 2]].mean()),
            "height_mm": 1000 * float(difference[..., 1].mean()),
            "path_end_mm": 1000 * float(_path_distance(made, truth)[:, -1].mean()),
            "sliding_mm_per_s": 1000 * FPS * float(measure_sliding(feet, made, window.contacts).mean()),
            "true_sliding_mm_per_s": 1000 * FPS * float(measure_sliding(true_feet, truth, window.contacts).mean()),
        }
        results.append((len(made), values))
    network.train()
    return RootVelocityReport(**mean_of(results))


def train(config: GlobalMotionTraining, body: Body | None = None) -> GlobalMotionPredictor:
    """Run the stage from its beginning or its last checkpoint to its end."""
    cache = Cache(config.cache)
    run = Run(config)
    body = body or load_body()
    dataset, held_out = split_windows(cache, config, needs=WHOLE_BODY if config.whole_body else ("lower", TRANS))
    points = BodyPoints(body, "lower", 1, cache.expression_basis).to(run.device)
    lower = load_part(config.weights, WHOLE if config.whole_body else "lower").to(run.device)
    folder = config.weights / NETWORK_FOLDERS["global"]
    new = GlobalMotionPredictor(VQVAEConfig(PART_CHANNELS["lower"], config.width, config.layers))
    begin_at_data(new, spread_sample(dataset, lambda window: part_vector(window, "lower")))
    model, optimizer = run.prepare(new)
    network: GlobalMotionPredictor = run.accelerator.unwrap_model(model)

    for batches in run.steps(dataset, optimizer):
        for window in batches:
            vector = decode_lower(lower, window)
            feet = decode_feet(vector, window, points)
            with run.accelerator.accumulate(model):
                made = model(vector)[..., LOWER_TRANSLATION]
                losses = compare_root_velocity(made, window.root_velocity, feet, window.contacts, config)
                run.descend(losses.total, model, optimizer)
            run.record(losses)
        run.end_step(network, folder)
        if run.is_main and run.is_time(config.validate_every):
            run.log("val", scalars(validate(network, lower, held_out, points, config.batch_size)))
        if run.is_main and run.is_time(config.video_every):
            _show(run, network, lower, cache, held_out, body)
    run.close()
    return network


@torch.no_grad()
def _show(run: Run, network: GlobalMotionPredictor, lower: VQVAE, cache: Cache, held_out: Windows, body: Body) -> None:
    """The first validation window on its own path and on the predicted one."""
    window = next(iterate_once(held_out, 1, run.device))
    vector, start = decode_lower(lower, window), torch.zeros(1, 3, device=run.device)
    true_place = integrate_root(window.root_velocity, start)[0]
    place = integrate_root(network(vector)[..., LOWER_TRANSLATION], start)[0]
    truth = cache.to_motion(window.motion[0], window.expressions[0], true_place)
    predicted = cache.to_motion(_put_legs(vector, window)[0], window.expressions[0], place)
    run.log_video("path", {"true": truth, "predicted": predicted}, body, window.audio[0].cpu().numpy())


def main() -> None:
    run_stage(GlobalMotionTraining, train, __doc__)


if __name__ == "__main__":
    main()
