"""Stage 1: the VQ-VAE of one body part. Run it four times, for face, upper, hands and lower; or once, for whole.

python -m train.vqvae --part upper --cache CACHE --weights WEIGHTS --out runs/upper
accelerate launch --num_processes 2 -m train.vqvae ...

The codebook is not trained by gradients: each code follows the mean of the latents that chose it (van den Oord et al.
2017, appendix A.1), and a code that nobody chooses is put where a latent is.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

from emage.body import Body, load_body
from emage.errors import WeightsError
from emage.hub import find_weights
from emage.models.checkpoint import ALL_FOLDERS, load_vqvae
from emage.models.codec import integrate_root, split_vectors
from emage.models.quantizer import Quantized, Quantizer, code_usage, perplexity
from emage.models.vqvae import VQVAE, VQVAEConfig
from emage.motion import FPS
from emage.motion.rotations import angle_between, matrix_to_rotation_6d
from emage.motion.skeleton import (
    CONTACT_JOINTS,
    LOWER_CONTACTS,
    LOWER_TRANSLATION,
    NETWORK_PARTS,
    PART_CHANNELS,
    PART_JOINTS,
    WHOLE,
    WHOLE_CHANNELS,
)
from train.data.cache import Cache
from train.data.channels import TRANS, WHOLE_BODY
from train.data.windows import Window, Windows, code_part, iterate_once, part_vector, split_windows, spread_sample
from train.run.command import run_stage
from train.run.config import RunConfig
from train.run.kinematics import BodyPoints, Points, measure_sliding, replace_rotations, to_matrices
from train.run.log import Losses, mean_of, scalars
from train.run.scaling import begin_at_data
from train.run.training import Run


@dataclass(frozen=True, kw_only=True)
class VQVAETraining(RunConfig):
    """Train the VQ-VAE of one part. The weights of the losses are named for what they weigh."""

    part: Literal["face", "upper", "hands", "lower", "whole"]
    """whole: one VQ-VAE for all four parts, for ablations; its losses are the sums of theirs."""
    width: int = 256
    """Of a latent; one for all parts and the generator."""
    codebook_size: int = 256
    layers: int | None = None
    """Convolution layers each way; by default 4 for lower and whole, else 2, as released."""
    decoder_of: str | None = None
    """Weights, as `--weights` of the app names them, whose network of this part begins; its decoder alone learns.
    Encoder and codes stay as they are, so that a generator which was trained on them still fits."""

    channel_weight: float = 1.0
    """Mean difference of the channels as the decoder gives them; it holds where angles have no slope."""
    rotation_weight: float = 1.0
    """Mean angle between rotations, radians."""
    expression_weight: float = 1.0
    """Mean difference of expressions."""
    translation_weight: float = 1.0
    """Mean difference of x velocity (m/s), height (m), z velocity (m/s)."""
    contact_weight: float = 0.2
    """Mean squared difference of foot contacts."""
    velocity_weight: float = 5.0
    """Mean difference of the change of all channels from frame to frame."""
    acceleration_weight: float = 2.0
    """Mean difference of the change of that change."""
    position_weight: float = 5.0
    """Mean distance of joints and fingertips, metres."""
    vertex_weight: float = 5.0
    """Mean distance of points of the skin, metres."""
    sliding_weight: float = 2.0
    """Mean speed of feet that stand, m/s; lower alone."""
    commitment_weight: float = 0.25
    """Mean squared distance of latents from their codes."""
    quantized: bool = True
    """False trains a plain VAE in place of a VQ-VAE, for ablations."""
    divergence_weight: float = 1e-3
    """Mean divergence of a plain VAE's channels from the standard normal distribution."""

    posed_stride: int = 4
    """One window in so many is posed on the body for the position losses."""
    skin_points: int = 128
    code_decay: float = 0.99
    """How much of a code's past stays in a step."""
    dead_share: float = 0.05
    """A code is dead below this share of even use; it is then put where a latent is."""

    def shrink(self) -> Self:
        return replace(super().shrink(), width=16, codebook_size=16, skin_points=16)

    @property
    def parts(self) -> tuple[str, ...]:
        """What is coded."""
        return NETWORK_PARTS if self.part == WHOLE else (self.part,)

    def network(self) -> VQVAEConfig:
        layers = self.layers or (4 if self.part in ("lower", WHOLE) else 2)
        channels = WHOLE_CHANNELS if self.part == WHOLE else PART_CHANNELS[self.part]
        return VQVAEConfig(channels, self.width, layers, self.codebook_size, self.quantized)


class Reconstruction(NamedTuple):
    """motion (B, T, C), latent (B, T, D) of the encoder, and what became of it."""

    motion: Tensor
    latent: Tensor
    quantized: Quantized


class TrainedVQVAE(nn.Module):
    """A VQ-VAE with the averages that move its codebook; the averages live in checkpoints, not in the weights."""

    def __init__(self, vqvae: VQVAE, decoder_alone: bool = False):
        super().__init__()
        self.vqvae = vqvae
        self.moves_codes = vqvae.config.quantized and not decoder_alone
        vqvae.encoder.requires_grad_(not decoder_alone)
        vqvae.quantizer.requires_grad_(not (vqvae.config.quantized or decoder_alone))
        self.codebook = CodebookAverages(vqvae.config.codebook_size, vqvae.config.width)

    def forward(self, vector: Tensor) -> Reconstruction:
        latent = self.vqvae.encoder(vector)
        with torch.autocast(latent.device.type, enabled=False):
            latent = latent.float()
            quantized = self.vqvae.quantizer.quantize(latent)
        motion = self.vqvae.decoder(quantized.latent)
        return Reconstruction(motion, latent, quantized)


class CodebookAverages(nn.Module):
    """Running use (K,) and sum of latents (K, D) of each code, and the same of the step that is being collected."""

    def __init__(self, codebook_size: int, width: int):
        super().__init__()
        self.register_buffer("use", torch.zeros(codebook_size))
        self.register_buffer("sum", torch.zeros(codebook_size, width))
        self.register_buffer("step_use", torch.zeros(codebook_size))
        self.register_buffer("step_sum", torch.zeros(codebook_size, width))

    def collect(self, latent: Tensor, index: Tensor) -> None:
        """Of a micro-batch: latent (B, T, D), index (B, T)."""
        self.step_use += code_usage(index, len(self.use))
        self.step_sum.index_add_(0, index.flatten(), latent.detach().flatten(0, 1))

    def update(self, quantizer: Quantizer, latent: Tensor, config: VQVAETraining, run: Run) -> int:
        """Move the codes after a step and revive the dead ones; -> how many were dead.

        latent: (B, T, D) of the last micro-batch, some of which become codes: the same ones in every process, chosen
        with the step's own seed. Before the first step all codes are dead, so that they begin among the data.
        """
        use, total = (run.accelerator.reduce(own, "sum") for own in (self.step_use, self.step_sum))
        self.use.lerp_(use, 1 - config.code_decay)
        self.sum.lerp_(total, 1 - config.code_decay)
        self.step_use.zero_()
        self.step_sum.zero_()
        codes = quantizer.embedding.weight
        alive = self.use > config.dead_share * self.use.mean()
        codes[alive] = self.sum[alive] / self.use[alive, None]
        dead = (~alive if run.step else torch.ones_like(alive)).nonzero().flatten()
        if len(dead):
            self._revive(codes, dead, run.accelerator.gather(latent.detach()).flatten(0, 1), (config.seed, run.step))
        return len(dead)

    def _revive(self, codes: Tensor, dead: Tensor, latents: Tensor, seed: tuple[int, int]) -> None:
        rng = np.random.default_rng(seed)
        rows = torch.from_numpy(rng.choice(len(latents), len(dead), replace=len(latents) < len(dead)))
        codes[dead] = latents[rows.to(latents.device)]
        even = self.use.sum() / len(codes)
        self.use[dead] = even
        self.sum[dead] = even * codes[dead]


@dataclass(frozen=True)
class VQVAELosses(Losses):
    channel: Tensor
    rotation: Tensor
    expression: Tensor
    translation: Tensor
    contact: Tensor
    velocity: Tensor
    acceleration: Tensor
    position: Tensor
    vertex: Tensor
    sliding: Tensor
    commitment: Tensor
    divergence: Tensor


def compare_reconstruction(
    made: Tensor,
    vector: Tensor,
    quantized: Quantized,
    window: Window,
    points: Mapping[str, BodyPoints],
    config: VQVAETraining,
) -> VQVAELosses:
    """made, vector: (B, T, C) decoded and true channels; points: of each part that is coded."""
    if config.part == WHOLE:
        mades, vectors = split_vectors(made), split_vectors(vector)
        losses = [compare_part(mades[part], vectors[part], window, points[part], part, config) for part in points]
    else:
        losses = [compare_part(made, vector, window, points[config.part], config.part, config)]
    return VQVAELosses(
        **{name: sum(each[name] for each in losses) for name in losses[0]},
        commitment=config.commitment_weight * quantized.commitment,
        divergence=config.divergence_weight * quantized.divergence,
    )


def compare_part(
    made: Tensor, vector: Tensor, window: Window, points: BodyPoints, part: str, config: VQVAETraining
) -> dict[str, Tensor]:
    """Losses by their names in `VQVAELosses`, of made and vector (B, T, C), decoded and true channels of the part."""
    known = known_channels(window, part)
    channel = ((made - vector).abs() * known).mean()
    made = orthonormalize(made, part)
    turns = 6 * len(PART_JOINTS[part])
    angle = angle_between(to_matrices(made[..., :turns]), to_matrices(vector[..., :turns])).mean()
    change, true_change = made.diff(dim=1), vector.diff(dim=1)
    # Chosen by their sample index, and summed: so the loss is the same however a batch is shared out among processes.
    posed = window.sample_index % config.posed_stride == 0
    share = config.posed_stride / len(posed)
    position, vertex, sliding = (
        loss.sum() * share
        for loss in _compare_positions(made[posed], Window(*(item[posed] for item in window)), points, part)
    )
    zero = angle.new_zeros(())
    is_face, is_lower = part == "face", part == "lower"
    difference = (made - vector)[..., turns:] * known[..., turns:]
    translation = difference[..., :3].abs().mean() if is_lower else zero
    return {
        "channel": config.channel_weight * channel,
        "rotation": config.rotation_weight * angle,
        "expression": config.expression_weight * difference.abs().mean() if is_face else zero,
        "translation": config.translation_weight * translation,
        "contact": config.contact_weight * difference[..., 3:].square().mean() if is_lower else zero,
        "velocity": config.velocity_weight * ((change - true_change).abs() * known).mean(),
        "acceleration": config.acceleration_weight * ((change - true_change).diff(dim=1).abs() * known).mean(),
        "position": config.position_weight * position,
        "vertex": config.vertex_weight * vertex,
        "sliding": config.sliding_weight * sliding,
    }


def known_channels(window: Window, part: str) -> Tensor:
    """(B, 1, C): 1 for the channels of a part that a window has, 0 for translation and contacts that it has not."""
    known = torch.ones(len(window.has), 1, PART_CHANNELS[part], device=window.has.device)
    if part == "lower":
        known[..., LOWER_TRANSLATION] = known[..., LOWER_CONTACTS] = window.knows(TRANS)[:, None, None]
    return known


def orthonormalize(vector: Tensor, part: str) -> Tensor:
    """Make the rotations of (..., C) orthonormal, as the codec decodes them."""
    turns = 6 * len(PART_JOINTS[part])
    rotations = matrix_to_rotation_6d(to_matrices(vector[..., :turns])).flatten(-2)
    return torch.cat([rotations, vector[..., turns:]], -1)


def pose_part(vector: Tensor, window: Window, points: BodyPoints, part: str) -> tuple[Points, Points]:
    """Points of the body with the part as `vector` (B, T, C) has it and the rest as it truly is; and the true ones."""
    turns = 6 * len(PART_JOINTS[part])
    rotations = replace_rotations(window.rotations, PART_JOINTS[part], vector[..., :turns])
    expressions = vector[..., turns:] if part == "face" else window.expressions
    with torch.no_grad():
        truth = points(window.rotations, window.expressions)
    return points(rotations, expressions), truth


def _compare_positions(vector: Tensor, window: Window, points: BodyPoints, part: str) -> tuple[Tensor, Tensor, Tensor]:
    """(B,) each: mean distances of joints with fingertips and of the skin, and the speed of standing feet."""
    ours, truth = pose_part(vector, window, points, part)
    position = _mean_distance(ours.joints, truth.joints) + _mean_distance(ours.fingertips, truth.fingertips)
    vertex = _mean_distance(ours.skin, truth.skin)
    if part != "lower":
        return position, vertex, torch.zeros_like(position)
    feet = ours.joints[..., CONTACT_JOINTS, :]
    sliding = FPS * measure_sliding(feet, vector[..., LOWER_TRANSLATION], window.contacts)
    return position, vertex, sliding * window.knows(TRANS)


def _mean_distance(ours: Tensor, truth: Tensor) -> Tensor:
    """(B, T, n, 3), (B, T, n, 3) -> (B,)."""
    return (ours - truth).norm(dim=-1).mean((1, 2))


@dataclass(frozen=True)
class VQVAEReport:
    """Reconstruction of windows, one part at a time.

    degrees: mean angle of the part's joints; joints_mm, fingertips_mm, skin_mm: mean distances, the other parts as they
    truly are; expression: mean difference; perplexity; codes_in_use: share of the codebook. The last two are not a
    number where there are no codes.
    """

    degrees: float
    joints_mm: float
    fingertips_mm: float
    skin_mm: float
    expression: float
    perplexity: float
    codes_in_use: float


@torch.no_grad()
def validate(network: VQVAE, batches: Iterable[Window], points: BodyPoints, part: str) -> VQVAEReport:
    """How well a part's motion comes back from its codes, or those of the whole body, over all batches."""
    codes = network.config.codebook_size
    usage = torch.zeros(codes, device=points.weights.device)
    results = []
    joints = list(PART_JOINTS[part])
    for window in batches:
        vector = part_vector(window, part)
        index, decoded = code_part(network, window, part)
        made = orthonormalize(decoded, part)
        turns = 6 * len(joints)
        ours, truth = pose_part(made, window, points, part)
        if network.config.quantized:
            usage += code_usage(index, codes)
        angle = angle_between(to_matrices(made[..., :turns]), to_matrices(vector[..., :turns])).mean()
        values = {
            "degrees": float(angle.rad2deg()),
            "joints_mm": 1000 * float((ours.joints - truth.joints)[..., joints, :].norm(dim=-1).mean()),
            "fingertips_mm": 1000 * float((ours.fingertips - truth.fingertips).norm(dim=-1).mean()),
            "skin_mm": 1000 * float((ours.skin - truth.skin).norm(dim=-1).mean()),
            "expression": float((made - vector)[..., turns:].abs().mean()) if part == "face" else 0.0,
        }
        results.append((len(vector), values))
    in_use, spread = float((usage > 0).float().mean()), float(perplexity(usage))
    if not network.config.quantized:
        in_use = spread = math.nan
    return VQVAEReport(**mean_of(results), perplexity=spread, codes_in_use=in_use)


def begin(config: VQVAETraining, dataset: Windows) -> VQVAE:
    """A new network at the scale of the data, or that of the weights in `decoder_of`.

    Raises:
        WeightsError: those have no network of this part, or one of another size.
    """
    if config.decoder_of is None:
        network = VQVAE(config.network())
        begin_at_data(network, spread_sample(dataset, lambda window: part_vector(window, config.part)))
        return network
    folders = find_weights(config.decoder_of).folders
    if config.part not in folders:
        raise WeightsError(f"{config.decoder_of} has no VQ-VAE of {config.part}, so its decoder cannot be trained on.")
    network = load_vqvae(folders[config.part], config.part)
    if network.config != config.network():
        raise WeightsError(f"{config.decoder_of}: its VQ-VAE of {config.part} is {network.config}. Give these sizes.")
    return network


def train(config: VQVAETraining, body: Body | None = None) -> VQVAE:
    """Run the stage from its beginning or its last checkpoint to its end."""
    cache = Cache(config.cache)
    run = Run(config)
    body = body or load_body()
    dataset, held_out = split_windows(cache, config, needs=WHOLE_BODY if config.part == WHOLE else (config.part,))
    points = {
        part: BodyPoints(body, part, config.skin_points, cache.expression_basis).to(run.device) for part in config.parts
    }
    folder = config.weights / ALL_FOLDERS[config.part]
    new = begin(config, dataset)
    model, optimizer = run.prepare(TrainedVQVAE(new, decoder_alone=config.decoder_of is not None))
    trained: TrainedVQVAE = run.accelerator.unwrap_model(model)
    network, codebook = trained.vqvae, trained.codebook

    for batches in run.steps(dataset, optimizer):
        for window in batches:
            vector = part_vector(window, config.part)
            with run.accelerator.accumulate(model):
                made = model(vector)
                losses = compare_reconstruction(made.motion, vector, made.quantized, window, points, config)
                run.descend(losses.total, model, optimizer)
            if trained.moves_codes:
                codebook.collect(made.latent, made.quantized.index)
            run.record(losses)
        if trained.moves_codes:
            with torch.no_grad():
                dead = codebook.update(network.quantizer, made.latent, config, run)
        run.end_step(network, folder)
        if trained.moves_codes and run.is_time(config.log_every):
            run.log("codes", {"dead": dead, "perplexity": float(perplexity(codebook.use))})
        if run.is_main and run.is_time(config.validate_every):
            for part in config.parts:
                batches = iterate_once(held_out, config.batch_size, run.device)
                report = validate(network, batches, points[part], part)
                run.log(f"val_{part}" if config.part == WHOLE else "val", scalars(report))
        if run.is_main and run.is_time(config.video_every):
            _show(run, network, cache, held_out, body)
    run.close()
    return network


@torch.no_grad()
def _show(run: Run, network: VQVAE, cache: Cache, held_out: Windows, body: Body) -> None:
    """The first validation window beside its reconstruction."""
    window = next(iterate_once(held_out, 1, run.device))
    rotations, expressions = window.rotations, window.expressions
    for part in run.config.parts:
        made = orthonormalize(code_part(network, window, part)[1], part)
        turns = 6 * len(PART_JOINTS[part])
        rotations = replace_rotations(rotations, PART_JOINTS[part], made[..., :turns])
        expressions = made[..., turns:] if part == "face" else expressions
    place = integrate_root(window.root_velocity, torch.zeros(1, 3, device=run.device))[0]
    truth = cache.to_motion(window.motion[0], window.expressions[0], place)
    coded = cache.to_motion(rotations[0], expressions[0], place)
    run.log_video(run.config.part, {"true": truth, "coded": coded}, body, window.audio[0].cpu().numpy())


def main() -> None:
    run_stage(VQVAETraining, train, __doc__)


if __name__ == "__main__":
    main()
