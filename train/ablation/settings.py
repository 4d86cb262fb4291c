"""What to compare, at which size."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from emage.errors import EmageError
from emage.hub import EMBEDDED_DIR

SizeName = Literal["smoke", "brief", "medium", "demo"]


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """Rerun the ablations of the paper and write their table.

    Raises:
        EmageError: a value out of range.
    """

    cache: Path
    """The folder that train.data has made, of a corpus with transcripts; its split test is scored."""
    out: Path
    """Where stages, scores and tables go. Given again, the command goes on from what is there."""
    size: SizeName = "demo"
    """How long everything trains: smoke for seconds, to see that it runs; brief for half an hour of one core, medium
    for two hours of one, demo for six of two."""
    seeds: tuple[int, ...] = (0,)
    """Of the generators; every row is trained once with each. The VQ-VAEs, which the rows share, have seed 0."""
    rows: tuple[str, ...] = ()
    """The rows to make, by their short names; all by default. `emage`, which others are compared with, comes along."""
    partial_cache: Path | None = None
    """A cache of the same speakers whose clips lack channels, as faces or legs: what the row `partial` trains on."""
    evaluator: Path = EMBEDDED_DIR
    """The folder of weights whose `fgd` gives the features of FGD."""

    def __post_init__(self):
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            raise EmageError(f"The seeds are {self.seeds}; give at least one, none below 0 and none twice.")


@dataclass(frozen=True)
class Size:
    """Settings of the stages by their fields, unlike the defaults, and what is scored.

    stages: of every stage. clips: of split test at most, each cut to `clip_seconds`; the first `hint_clips` of them
    are completed from hints. resamples: of the clips, for the intervals.
    """

    stages: Mapping[str, Any]
    vqvae: Mapping[str, Any]
    global_motion: Mapping[str, Any]
    generator: Mapping[str, Any]
    clips: int
    clip_seconds: float
    hint_clips: int
    resamples: int


_NEVER = 1_000_000
_DECAYING = {"warmup_steps": 30, "final_learning_rate": 3e-5}

SIZES: dict[SizeName, Size] = {
    "smoke": Size(
        stages={"batch_size": 4, "checkpoint_every": 1, "validate_every": _NEVER, "validation_windows": 4},
        vqvae={"steps": 2, "width": 16, "codebook_size": 16, "layers": 1, "skin_points": 8},
        global_motion={"steps": 2, "width": 16, "layers": 1},
        generator={"steps": 2, "hidden": 32, "audio_width": 16, "word_width": 16, "hint_stride": 2},
        clips=4,
        clip_seconds=8.0,
        hint_clips=2,
        resamples=10,
    ),
    "brief": Size(
        stages={"batch_size": 16, "checkpoint_every": 50, "validate_every": 100, "validation_windows": 32}
        | {"learning_rate": 1e-3, **_DECAYING},
        vqvae={"steps": 200, "width": 64, "skin_points": 32, "posed_stride": 8},
        global_motion={"steps": 150, "width": 64},
        generator={"steps": 150, "hidden": 64, "audio_width": 32, "word_width": 32, "hint_stride": 4, "dropout": 0.0}
        | {"batch_size": 8},
        clips=24,
        clip_seconds=15.0,
        hint_clips=8,
        resamples=200,
    ),
    "medium": Size(
        stages={"batch_size": 32, "checkpoint_every": 100, "validate_every": 250, "validation_windows": 64}
        | {"learning_rate": 1e-3, **_DECAYING},
        vqvae={"steps": 800, "width": 96, "skin_points": 32, "posed_stride": 8},
        global_motion={"steps": 500, "width": 64},
        generator={"steps": 500, "hidden": 96, "audio_width": 32, "word_width": 64, "hint_stride": 4, "dropout": 0.0}
        | {"batch_size": 16},
        clips=24,
        clip_seconds=30.0,
        hint_clips=8,
        resamples=1000,
    ),
    "demo": Size(
        stages={"batch_size": 32, "checkpoint_every": 100, "validate_every": 250, "validation_windows": 128}
        | {"learning_rate": 8e-4, **_DECAYING},
        vqvae={"steps": 2500, "width": 128, "codebook_size": 512, "posed_stride": 8},
        global_motion={"steps": 1500, "width": 128},
        generator={"steps": 500, "hidden": 192, "audio_width": 64, "word_width": 64, "hint_stride": 4, "dropout": 0.0},
        clips=48,
        clip_seconds=30.0,
        hint_clips=12,
        resamples=1000,
    ),
}
