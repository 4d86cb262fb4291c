"""One training: its processes, its order of data, its steps. The losses and loops are the stages' own.

Everything of a step is a function of the seed and the step's number, but for dropout, whose state is in the
checkpoint; so a run that was killed goes on from its last checkpoint to the numbers of one that was not.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, send_to_device, set_seed
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from emage.body import Body
from emage.errors import EmageError
from emage.models.checkpoint import Network
from emage.motion import Motion
from train.run.checkpoints import (
    check_settings,
    checkpoint_step,
    find_checkpoint,
    save_checkpoint,
    save_weights,
    set_aside,
    write_note,
)
from train.run.config import RunConfig, learning_rate_at
from train.run.log import Losses, RunLog, scalars
from train.run.processes import share_batch_norms


class Run:
    """One training: its processes, its data order, its checkpoints and its log.

    accelerator: from Accelerate; one or many processes. step: the steps done.

    How a stage uses it::

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
        EmageError: the batch cannot be shared out evenly, or `out` holds a run with other settings, or no checkpoint
            that is whole.
    """

    def __init__(self, config: RunConfig):
        self.config = config
        self.accelerator = Accelerator(
            mixed_precision=config.precision,
            gradient_accumulation_steps=config.accumulation,
            kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
        )
        self.is_main = self.accelerator.is_main_process
        self.processes = self.accelerator.num_processes
        shares = self.processes * config.accumulation
        self.micro_batch, rest = divmod(config.batch_size, shares)
        if rest:
            raise EmageError(
                f"A batch of {config.batch_size} cannot be shared evenly among {self.processes} processes with "
                f"{config.accumulation} micro-batches each. Make batch_size a multiple of {shares}."
            )
        self._checkpoint, damaged = find_checkpoint(config.out)
        self.step = checkpoint_step(self._checkpoint) if self._checkpoint else 0
        check_settings(config, self.processes)
        self.accelerator.wait_for_everyone()
        if self.is_main:
            for checkpoint, why in damaged.items():
                sys.stderr.write(
                    f"The checkpoint {checkpoint.name} is damaged and now called {set_aside(checkpoint).name}: {why} "
                    f"Training goes on from step {self.step}.\n"
                )
            config.out.mkdir(parents=True, exist_ok=True)
            self._write_note(config.out)
        self._sums: dict[str, Tensor] = {}
        self._recorded = 0
        self._log: RunLog | None = None
        set_seed(config.seed)  # the same networks in every process

    @property
    def device(self) -> torch.device:
        return self.accelerator.device

    def prepare(self, model: nn.Module) -> tuple[nn.Module, Any]:
        """Make a model and its Adam ready by Accelerate, and bring them to where the last checkpoint left them."""
        if self.processes > 1:
            share_batch_norms(model)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.Adam(trained, lr=self.config.learning_rate)
        model, optimizer = self.accelerator.prepare(model, optimizer)
        set_seed(self.config.seed + self.accelerator.process_index)  # dropout of its own in every process
        if self._checkpoint:
            self.accelerator.load_state(str(self._checkpoint))
        if self.is_main:
            self._log = RunLog(self.config.out, self.step)
        return model, optimizer

    def steps(self, dataset: Dataset, optimizer: Any) -> Iterator[Iterator[Any]]:
        """For each step still to do: its micro-batches of this process, on its device. Sets the learning rate."""
        loader = iter(self._loader(dataset))
        bar = tqdm(total=self.config.steps, initial=self.step, desc=self.config.out.name, disable=not self.is_main)
        with bar, self._attention():
            while self.step < self.config.steps:
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate_at(self.step, self.config)
                yield (
                    send_to_device(next(loader), self.device, non_blocking=True)
                    for _ in range(self.config.accumulation)
                )
                bar.update()

    def _attention(self) -> AbstractContextManager:
        """On a CPU in half precision plain attention: there the fused one's way back takes several times as long, and
        with it a step of a small generator a fifth more."""
        is_slow = self.device.type == "cpu" and self.config.precision != "no"
        return sdpa_kernel(SDPBackend.MATH) if is_slow else nullcontext()

    def _loader(self, dataset: Dataset) -> DataLoader:
        """Every item of the training from this step on that falls to this process, in micro-batches."""
        micro_batches = self.config.accumulation * self.processes
        first_items = (
            self.micro_batch * (step * micro_batches + micro * self.processes + self.accelerator.process_index)
            for step in range(self.step, self.config.steps)
            for micro in range(self.config.accumulation)
        )
        return DataLoader(
            dataset,
            batch_sampler=[range(first, first + self.micro_batch) for first in first_items],
            generator=torch.Generator(),  # of its own, so that the loader leaves alone what dropout is sampled from
            num_workers=self.config.workers,
            persistent_workers=self.config.workers > 0,
        )

    def descend(self, loss: Tensor, model: nn.Module, optimizer: Any) -> None:
        """Go back through one micro-batch and, where it completes a step, clip the gradient and go down it."""
        self.accelerator.backward(loss)
        if self.accelerator.sync_gradients:
            self.accelerator.clip_grad_norm_(model.parameters(), self.config.clip_norm)
        optimizer.step()
        optimizer.zero_grad()

    def record(self, losses: Losses) -> None:
        """Add losses to what the next line of the log averages."""
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
                save_weights(network, folder, self.config.half_weights)
                self._write_note(folder)
            save_checkpoint(self.config.out, self.step, self.accelerator)
            if self.is_main:
                self._write_note(self.config.out)
            self.accelerator.wait_for_everyone()

    def is_time(self, every: int) -> bool:
        """Tell whether the step just done is one of every so many, or the last; never for 0."""
        return every > 0 and (self.step % every == 0 or self.step == self.config.steps)

    def _log_recorded(self) -> None:
        names = sorted(self._sums)
        means = torch.stack([self._sums[name] for name in names]) / self._recorded
        means = self.accelerator.reduce(means, "mean").tolist()
        rate = learning_rate_at(self.step - 1, self.config)
        self.log("train", {**dict(zip(names, means, strict=True)), "learning_rate": rate})
        self._sums, self._recorded = {}, 0

    def log(self, group: str, values: Mapping[str, float]) -> None:
        """Log scalars of the step just done, in the main process; elsewhere nothing."""
        if self._log is not None:
            self._log.add_scalars(group, values, self.step)

    def log_video(self, name: str, motions: Mapping[str, Motion], body: Body, audio: np.ndarray | None = None) -> None:
        """Log motions beside each other, by their captions, with sound (16 kHz); in the main process."""
        if self._log is not None:
            self._log.add_video(name, motions, body, self.step, audio)

    def _write_note(self, folder: Path) -> None:
        write_note(folder, self.step, self.processes, self.config)

    def close(self) -> None:
        self.accelerator.wait_for_everyone()
        if self._log is not None:
            self._log.close()
        self.accelerator.end_training()
