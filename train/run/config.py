"""The settings that every stage has, and the learning rate that follows from them."""

from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic_core import to_jsonable_python

from emage.errors import EmageError


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
    corpus_weights: tuple[float, ...] = ()
    """How often windows of each corpus of the cache are taken, in their order; by default each window equally often."""
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
        counts = ("steps", "batch_size", "accumulation", "window_frames", "stride_frames", "validation_windows")
        for name in (*counts, "log_every", "checkpoint_every", "validate_every"):
            if getattr(self, name) < 1:
                raise EmageError(f"{name} is {getattr(self, name)}; it must be 1 or more.")
        if not (self.learning_rate > 0 and self.clip_norm > 0):
            raise EmageError("learning_rate and clip_norm must be above 0.")

    def shrink(self) -> Self:
        """Make these the settings of a smoke run; stages make their networks small too."""
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
        return to_jsonable_python(self)

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """As `to_json`, of the settings that need not be given."""
        plain = {field.name: field.default for field in fields(cls) if field.default is not MISSING}
        made = {field.name: field.default_factory() for field in fields(cls) if field.default_factory is not MISSING}
        return to_jsonable_python(plain | made)


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
