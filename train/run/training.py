"""What the stages share: settings of a run, the order of data, checkpoints, logs. The losses and loops are theirs.

Everything of a step is a function of the seed and the step's number, but for dropout, whose state is in the
checkpoint; so a run that was killed goes on from its last checkpoint to the numbers of one that was not.
"""

import io
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, get_type_hints

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, set_seed
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.utils.data import DataLoader, Dataset
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from emage.body import Body
from emage.errors import EmageError, WeightsError
from emage.export.video import write_video
from emage.files import new_file
from emage.models.checkpoint import NETWORK_FOLDERS, Network, load_config, load_state, save_network
from emage.models.codec import MotionCodec
from emage.models.layers import CONV_SLOPE, ResidualBlock
from emage.models.parts import Parts
from emage.models.vqvae import VQVAE, GlobalMotionPredictor, VQVAEConfig
from emage.motion import Motion
from emage.motion.rotations import rotation_6d_to_axis_angle
from emage.motion.skeleton import NETWORK_PARTS, NUM_BETAS, PART_CHANNELS, ROTATION_CHANNELS
from emage.pipeline import Take
from emage.render.frames import frame_size, render_frames
from emage.render.scene import Actor
from emage.render.settings import RenderSettings
from train.data.cache import Cache, Window, Windows

ROOT = Path(__file__).resolve().parents[2]
NOTE = "training.json"
"""Beside the weights, and in the run's folder: the settings, the step of the weights or of the last checkpoint, and the
revision of the code."""
KEPT_CHECKPOINTS = 2
_LEAST_DEVIATION = 0.02
"""Of a channel, so that rounding in one that never changes is not blown up. 1 degree of a rotation is 0.017."""
_MAY_CHANGE = frozenset(
    {"cache", "weights", "out", "steps", "workers", "log_every", "checkpoint_every", "validate_every", "video_every"}
)
_VIDEO = RenderSettings(panel_width=192, panel_height=192, face_inset=False)


# --- settings ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Settings that every stage has.

    Raises:
        EmageError: a value out of range.
    """

    cache: Path
    """The folder that train.data.cache has made."""
    weights: Path
    """The folder of the networks, in the released layout; each stage puts its own there and reads the earlier ones'."""
    out: Path
    """The run's own folder: checkpoints and logs. Given again, the run goes on from there."""
    steps: int = 20_000
    batch_size: int = 64
    """Windows a step, over all processes and accumulated micro-batches together."""
    accumulation: int = 1
    """Micro-batches a step."""
    learning_rate: float = 1.5e-4
    warmup_steps: int = 0
    final_learning_rate: float | None = None
    """Where a cosine ends that begins after the warm-up; without it the rate is constant, as published."""
    clip_norm: float = 0.99
    """Of the gradient, clipped when it is complete."""
    precision: Literal["no", "bf16", "fp16"] = "no"
    seed: int = 0
    window_frames: int = 64
    stride_frames: int = 20
    workers: int = 0
    """Processes that load data, for each process that trains."""
    log_every: int = 20
    checkpoint_every: int = 500
    validate_every: int = 500
    validation_windows: int = 256
    """At most; windows of the split val that do not overlap."""
    video_every: int = 0
    """Steps between sample videos; 0 for none."""
    half_weights: bool = False
    """Write weights in half precision."""
    smoke: bool = False
    """A tiny network and a few steps, to see that everything runs."""

    def __post_init__(self):
        for name in ("steps", "batch_size", "accumulation", "window_frames", "stride_frames", "validation_windows"):
            if getattr(self, name) < 1:
                raise EmageError(f"{name} is {getattr(self, name)}; it must be 1 or more.")
        for name in ("log_every", "checkpoint_every", "validate_every"):
            if getattr(self, name) < 1:
                raise EmageError(f"{name} is {getattr(self, name)}; it must be 1 or more.")
        if not (self.learning_rate > 0 and self.clip_norm > 0):
            raise EmageError("learning_rate and clip_norm must be above 0.")

    def shrunk(self) -> Self:
        """The settings of a smoke run; stages make their networks small too."""
        return replace(
            self,
            steps=4,
            batch_size=4,
            log_every=1,
            checkpoint_every=2,
            validate_every=2,
            validation_windows=4,
            video_every=4 if self.video_every else 0,
        )

    def to_json(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(self), default=str))

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Self:
        """What `to_json` gave. Raises EmageError where fields are missing or unknown."""
        return _rebuilt(cls, saved)


def _rebuilt(kind: type, saved: dict[str, Any]) -> Any:
    hints = get_type_hints(kind)
    names = {field.name for field in fields(kind)}
    if set(saved) != names:
        raise EmageError(f"The settings of {kind.__name__} differ in {', '.join(sorted(names ^ set(saved)))}.")
    values = {}
    for name, value in saved.items():
        hint = hints[name]
        origin = getattr(hint, "__origin__", hint)
        if is_dataclass(origin):
            value = _rebuilt(origin, value)
        elif hint is Path:
            value = Path(value)
        elif isinstance(value, list):
            value = tuple(value)
        values[name] = value
    return kind(**values)


def learning_rate_at(step: int, config: RunConfig) -> float:
    """Of step 0, 1, ...: a linear rise over the warm-up, then constant, or half a cosine to the final rate."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if config.final_learning_rate is None:
        return config.learning_rate
    progress = min(1.0, (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps))
    return config.final_learning_rate + (config.learning_rate - config.final_learning_rate) * (
        0.5 + 0.5 * float(np.cos(np.pi * progress))
    )


# --- the run ----------------------------------------------------------------------------------------------------------


class Run:
    """One training: its processes, its data order, its checkpoints and its log.

    accelerator: from Accelerate; one or many processes. step: the steps done.

    The way of a stage::

        run = Run(config)
        model, optimizer = run.prepare(model)
        for batches in run.steps(dataset, optimizer):
            for batch in batches:
                with run.accelerator.accumulate(model):
                    losses = ...
                    run.descend(losses.total, model, optimizer)
                run.record(losses)
            ...
            run.end_step(network, folder)
        run.close()

    Raises:
        EmageError: the batch cannot be shared out evenly, or `out` holds a run with other settings.
    """

    def __init__(self, config: RunConfig):
        self.config = config
        self.accelerator = Accelerator(
            mixed_precision=config.precision,
            gradient_accumulation_steps=config.accumulation,
            kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
        )
        self.is_main = self.accelerator.is_main_process
        shares = self.accelerator.num_processes * config.accumulation
        self.micro_batch, rest = divmod(config.batch_size, shares)
        if rest:
            raise EmageError(
                f"A batch of {config.batch_size} cannot be shared evenly among {self.accelerator.num_processes} "
                f"processes with {config.accumulation} micro-batches each. Make batch_size a multiple of {shares}."
            )
        checkpoints = self._checkpoints()
        self.step = int(checkpoints[-1].name.removeprefix("step_")) if checkpoints else 0
        self._check_settings()
        self._sums: dict[str, Tensor] = {}
        self._recorded = 0
        self._writer: SummaryWriter | None = None
        set_seed(config.seed)  # the same networks in every process

    @property
    def device(self) -> torch.device:
        return self.accelerator.device

    def _check_settings(self) -> None:
        """Write the settings into the run's folder, or compare them with those it holds."""
        ours = {**self.config.to_json(), "number of processes": self.accelerator.num_processes}
        path = self.config.out / NOTE
        if path.is_file() and self._checkpoints():
            note = json.loads(path.read_text("utf-8"))
            theirs = {**note["settings"], "number of processes": note["processes"]}
            differing = sorted(
                name for name in (ours.keys() | theirs.keys()) - _MAY_CHANGE if ours.get(name) != theirs.get(name)
            )
            if differing:
                raise EmageError(
                    f"{self.config.out} holds a run with another {', '.join(differing)}. Go on with its settings (see "
                    f"{path}), or name a new folder."
                )
        self.accelerator.wait_for_everyone()
        if self.is_main:
            self.config.out.mkdir(parents=True, exist_ok=True)
            self._write_note(self.config.out)

    def prepare(self, model: nn.Module, betas: tuple[float, float] = (0.9, 0.999)) -> tuple[nn.Module, Any]:
        """The model and its Adam, made ready by Accelerate and brought to where the last checkpoint left them."""
        if self.accelerator.num_processes > 1:
            share_batch_norms(model)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.Adam(trained, lr=self.config.learning_rate, betas=betas)
        model, optimizer = self.accelerator.prepare(model, optimizer)
        set_seed(self.config.seed + self.accelerator.process_index)  # dropout of its own in every process
        checkpoints = self._checkpoints()
        if checkpoints:
            self.accelerator.load_state(str(checkpoints[-1]))
        if self.is_main:
            self._writer = SummaryWriter(str(self.config.out / "log"), purge_step=self.step + 1)
        return model, optimizer

    def steps(self, dataset: Dataset, optimizer: Any) -> Iterator[Iterator[Any]]:
        """For each step still to do: its micro-batches of this process, on its device. Sets the learning rate."""
        loader = iter(self._loader(dataset))
        bar = tqdm(total=self.config.steps, initial=self.step, desc=self.config.out.name, disable=not self.is_main)
        with bar:
            while self.step < self.config.steps:
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate_at(self.step, self.config)
                yield (to_device(next(loader), self.device) for _ in range(self.config.accumulation))
                bar.update()

    def _loader(self, dataset: Dataset) -> DataLoader:
        share = self.accelerator.process_index
        draws = [
            range(first, first + self.micro_batch)
            for step in range(self.step, self.config.steps)
            for micro in range(self.config.accumulation)
            for first in [
                step * self.config.batch_size + (micro * self.accelerator.num_processes + share) * self.micro_batch
            ]
        ]
        workers = {"num_workers": self.config.workers, "persistent_workers": self.config.workers > 0}
        # A generator of its own keeps the loader from drawing on the state that dropout draws on.
        return DataLoader(dataset, batch_sampler=draws, generator=torch.Generator(), **workers)

    def descend(self, loss: Tensor, model: nn.Module, optimizer: Any) -> None:
        """One micro-batch: backward and, where it completes a step, clip the gradient and go down it."""
        self.accelerator.backward(loss)
        if self.accelerator.sync_gradients:
            self.accelerator.clip_grad_norm_(model.parameters(), self.config.clip_norm)
        optimizer.step()
        optimizer.zero_grad()

    def record(self, losses: Any) -> None:
        """Add a dataclass of scalars to what the next line of the log averages."""
        for name, value in scalars(losses).items():
            value = torch.as_tensor(value, device=self.device, dtype=torch.float32).detach()
            self._sums[name] = self._sums.get(name, 0) + value
        self._recorded += 1

    def end_step(self, network: Network, folder: Path) -> None:
        """Count the step; log and save where it is time. All processes call it."""
        self.step += 1
        if self.is_time(self.config.log_every):
            self._log_recorded()
        if self.is_time(self.config.checkpoint_every):
            if self.is_main:  # first: a checkpoint of the last step says that nothing is left to do
                self._save_weights(network, folder)
            self._save_checkpoint()

    def is_time(self, every: int) -> bool:
        """Whether the step just done is one of every so many, or the last; never for 0."""
        return every > 0 and (self.step % every == 0 or self.step == self.config.steps)

    def _log_recorded(self) -> None:
        names = sorted(self._sums)
        means = torch.stack([self._sums[name] for name in names]) / self._recorded
        means = self.accelerator.reduce(means, "mean").tolist()
        self.log("train", dict(zip(names, means, strict=True)))
        self.log("train", {"learning_rate": learning_rate_at(self.step - 1, self.config)})
        self._sums, self._recorded = {}, 0

    def log(self, group: str, values: dict[str, float]) -> None:
        """Scalars of the step just done, in the main process; elsewhere nothing."""
        if self._writer is None:
            return
        for name, value in values.items():
            self._writer.add_scalar(f"{group}/{name}", value, self.step)
        self._writer.flush()

    def _checkpoints(self) -> list[Path]:
        return sorted((self.config.out / "checkpoints").glob("step_*"))

    def _save_checkpoint(self) -> None:
        """A folder that appears whole: whatever moment a process is killed at, the last one before is there."""
        folder = self.config.out / "checkpoints"
        unfinished = folder / ".unfinished"
        if self.is_main:
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(unfinished))
        self.accelerator.wait_for_everyone()
        if self.is_main:
            os.replace(unfinished, folder / f"step_{self.step:08d}")
            self._write_note(self.config.out)
            for old in self._checkpoints()[:-KEPT_CHECKPOINTS]:
                leaving = old.with_name(f".{old.name}")
                os.replace(old, leaving)
                shutil.rmtree(leaving)
        self.accelerator.wait_for_everyone()

    def _save_weights(self, network: Network, folder: Path) -> None:
        save_weights(network, folder, self.config.half_weights)
        self._write_note(folder)

    def _write_note(self, folder: Path) -> None:
        """training.json: the settings, how far it came, and the revision of the code that ran."""
        note = {
            "revision": git_revision(),
            "step": self.step,
            "processes": self.accelerator.num_processes,
            "settings": self.config.to_json(),
        }
        with new_file(folder / NOTE) as temporary:
            temporary.write_text(json.dumps(note, indent=2) + "\n", "utf-8")

    def sample_video(self, name: str, takes: list[Take], body: Body, audio: np.ndarray | None = None) -> None:
        """Into the log as moving picture, and as mp4 with sound (16 kHz) into the run's folder."""
        width, height = frame_size(len(takes), _VIDEO)
        actors = [Actor(body, take.motion, None, take.caption) for take in takes]
        frames = list(render_frames(actors, _VIDEO))
        stream = io.BytesIO()
        pictures = [Image.fromarray(frame) for frame in frames[::2]]
        pictures[0].save(stream, "GIF", save_all=True, append_images=pictures[1:], duration=67, loop=0)
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=stream.getvalue())
        summary = Summary(value=[Summary.Value(tag=name, image=image)])
        self._writer._get_file_writer().add_summary(summary, self.step)
        folder = self.config.out / "videos"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}_{self.step:08d}.mp4"
        write_video(path, frames, width=width, height=height, fps=30, num_frames=len(frames), audio=audio)

    def close(self) -> None:
        self.accelerator.wait_for_everyone()
        if self._writer is not None:
            self._writer.close()
        self.accelerator.end_training()


def to_device(batch: Any, device: torch.device) -> Any:
    """A (nested) named tuple of tensors."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    return type(batch)(*(to_device(item, device) for item in batch))


def scalars(losses: Any) -> dict[str, Any]:
    """The fields of a dataclass of scalars, and its `total` where it has one."""
    values = {field.name: getattr(losses, field.name) for field in fields(losses)}
    return {**values, "total": losses.total} if hasattr(losses, "total") else values


@torch.no_grad()
def begin_at_data(
    network: VQVAE | GlobalMotionPredictor, channels: Callable[[Window], Tensor], dataset: Windows
) -> None:
    """Let a new network take its channels as of mean 0 and deviation 1, and give them with their own.

    Poses stray little from their mean. Without this the encoder's output hardly varies, the codes lie close together,
    and a network of four layers has learned next to nothing in 2000 steps (legs: 3.1 degrees of error, where the mean
    pose has 3.7; with it 2.0 after 300). So: weights that keep a signal's size from layer to layer (He et al. 2015),
    the first layer's divided by the data's deviation, the last one's multiplied by it.

    channels: of a window, what the network takes and gives, (T, C). The statistics are those of 256 windows.
    """
    rows = np.linspace(0, len(dataset) - 1, min(len(dataset), 256)).astype(int)
    sample = torch.cat([channels(dataset[int(row)]) for row in rows])
    mean, deviation = sample.mean(0), sample.std(0).clamp_min(_LEAST_DEVIATION)
    for module in [*network.encoder.modules(), *network.decoder.modules()]:
        if isinstance(module, nn.Conv1d):
            nn.init.kaiming_normal_(module.weight, a=CONV_SLOPE)
            nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, ResidualBlock):  # what is added to a signal as large as itself would make it grow
            module.model[-1].weight.mul_(0.3)
    first, last = network.encoder.main[0], network.decoder.main[-1]
    first.weight.div_(deviation[:, None])
    first.bias.sub_((first.weight * mean[:, None]).sum((1, 2)))
    last.weight.mul_(deviation[:, None, None])
    last.bias.copy_(mean)


def validation_table(cache: Cache, config: RunConfig) -> np.ndarray:
    """(W, 2) windows of the split val that do not overlap, spread over it, `validation_windows` at most."""
    table = cache.windows(("val",), config.window_frames, config.window_frames)
    return table[np.linspace(0, len(table) - 1, min(len(table), config.validation_windows)).astype(int)]


def validation_batches(dataset: Dataset, config: RunConfig, device: torch.device) -> Iterator[Any]:
    """All of a dataset once, in order."""
    rows = range(len(dataset))
    batches = [rows[first : first + config.batch_size] for first in range(0, len(rows), config.batch_size)]
    for batch in DataLoader(dataset, batch_sampler=batches, generator=torch.Generator()):
        yield to_device(batch, device)


def mean_of(batch_values: list[tuple[int, dict[str, float]]]) -> dict[str, float]:
    """Means over batches of unequal size, each given as (size, values)."""
    total = sum(size for size, _ in batch_values)
    names = batch_values[0][1]
    return {name: sum(size * values[name] for size, values in batch_values) / total for name in names}


# --- weights ----------------------------------------------------------------------------------------------------------


def save_weights(network: Network, folder: Path, half: bool) -> None:
    """config.json and model.safetensors as `EmagePipeline.from_pretrained` reads them.

    half: matrices and kernels as float16; vectors (biases, norms and their statistics) stay whole, for they weigh
    nothing and small variances would suffer.
    """
    network = deepcopy(network).cpu()
    if half:
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.data = parameter.data.half()
    folder.mkdir(parents=True, exist_ok=True)
    save_network(network, folder)


def git_revision() -> str:
    """The commit of this code, with `-dirty` where files differ from it; `unknown` outside a repository."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def load_codec(weights: Path, needs_global: bool = False) -> MotionCodec:
    """The trained VQ-VAEs in a folder of weights, frozen. Without `needs_global` the path predictor may be untrained.

    Raises:
        WeightsError: a part has no weights yet, or the parts differ in their latents' width or number of codes.
    """
    parts = Parts.of(lambda part: load_part(weights, part))
    sizes = parts.map(lambda vqvae: (vqvae.config.width, vqvae.config.codebook_size))
    if len(set(sizes)) > 1:
        listed = ", ".join(f"{part} {sizes[part]}" for part in NETWORK_PARTS)
        raise WeightsError(f"{weights}: the parts' VQ-VAEs differ in (width, codes): {listed}. Train them alike.")
    folder = weights / NETWORK_FOLDERS["global"]
    if needs_global or (folder / "config.json").is_file():
        predictor = GlobalMotionPredictor(VQVAEConfig.from_json(load_config(folder)))
        predictor.load_weights(load_state(folder), "global")
    else:
        predictor = GlobalMotionPredictor(VQVAEConfig(PART_CHANNELS["lower"], width=8, layers=1))
    return MotionCodec(parts, predictor).eval().requires_grad_(False)


def load_part(weights: Path, part: str) -> VQVAE:
    """One trained VQ-VAE, frozen. Raises WeightsError where there is none."""
    folder = weights / NETWORK_FOLDERS[part]
    if not folder.is_dir():
        raise WeightsError(f"{folder} is missing. Train it first: python -m train.vqvae --part {part} ...")
    vqvae = VQVAE(VQVAEConfig.from_json(load_config(folder)))
    vqvae.load_weights(load_state(folder), part)
    return vqvae.eval().requires_grad_(False)


# --- several processes ------------------------------------------------------------------------------------------------


class SharedBatchNorm(nn.BatchNorm1d):
    """Batch norm over the batches of all processes, on any device (torch's own needs a GPU).

    With it the loss of a batch does not depend on how many processes share it. Under gradient accumulation the
    statistics are those of a micro-batch of all processes.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        count = x.shape[0] * x.shape[2] * torch.distributed.get_world_size()
        with torch.autocast(x.device.type, enabled=False):
            wide = x.float()
            mean = all_reduce(wide.sum((0, 2))) / count
            centred = wide - mean[:, None]
            variance = all_reduce(centred.square().sum((0, 2))) / count
            normed = centred * (variance + self.eps).rsqrt()[:, None]
            result = normed * self.weight[:, None] + self.bias[:, None]
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
            self.num_batches_tracked += 1
        return result.to(x.dtype)


def share_batch_norms(network: nn.Module) -> None:
    """Make every batch norm of a network one over all processes; keys and values of its state stay."""
    for module in network.modules():
        if type(module) is nn.BatchNorm1d:
            module.__class__ = SharedBatchNorm


def sum_over_processes(tensor: Tensor, accelerator: Accelerator) -> Tensor:
    return accelerator.reduce(tensor, "sum")


def set_dropout(network: nn.Module, share: float) -> None:
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        elif isinstance(module, nn.MultiheadAttention):
            module.dropout = share


def clip_motion(cache: Cache, motion: Tensor, expressions: Tensor, trans: Tensor) -> Motion:
    """motion (T, 337) channels, expressions (T, 100) and positions (T, 3) as a Motion to draw."""
    poses = rotation_6d_to_axis_angle(motion[:, :ROTATION_CHANNELS].double().cpu())
    return Motion(
        poses.numpy(),
        expressions.double().cpu().numpy(),
        trans.double().cpu().numpy(),
        np.zeros(NUM_BETAS),
        expression_basis=cache.expression_basis,
    )
