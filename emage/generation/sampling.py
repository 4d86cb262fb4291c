"""How to sample from a generator: what its weights' makers chose, in `sampling.json` beside the weights.

A network's config holds its architecture alone. Weights without the file, as the published ones, are sampled as
published; those saved before it existed have its fields in config.json.
"""

import json
from dataclasses import asdict, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from emage.errors import WeightsError
from emage.files import write_text
from emage.generation.settings import SeamFrames
from emage.models.checkpoint import CONFIG_NAME, load_config
from emage.models.parts import Parts
from emage.validation import build, checked

SAMPLING_NAME = "sampling.json"
CONFIG_KEYS = {"face": "sf", "upper": "su", "hands": "sh", "lower": "sl"}
"""By which the transition costs stood in config.json."""

FromZero = Annotated[float, Field(ge=0, le=1e6)]
"""With room for any honest number; much larger ones add up to infinity."""


@checked(WeightsError, SAMPLING_NAME)
class SamplingConfig:
    """What weights ask for when they are sampled; all 0 as published.

    transition_cost: of each part's codes, see `emage.generation.decoding.decode_viterbi`.
    glide_cost: of lower-body codes that carry along who stands, see `emage.generation.decoding.decode_standing`.
    temperature: of the take that nobody asked a seed for; 0 is the argmax.
    guidance: how much more the audio tells for the body's codes, see `emage.generation.decoding.guide`.
    low_pass_frames: of the decoded body and hands, see `emage.postprocess.smoothing.low_pass`.
    seam_frames: over which the body is smoothed where windows join, see `emage.postprocess.smoothing.SeamStage`.
    lookahead_frames: that each window makes beyond those that are kept, see `emage.generation.windows.plan_windows`.

    Raises:
        WeightsError: a value of another kind, or out of range.
    """

    transition_cost: Parts[FromZero] = field(default_factory=lambda: Parts(0.0, 0.0, 0.0, 0.0))
    temperature: FromZero = 0.0
    guidance: FromZero = 0.0
    low_pass_frames: Annotated[float, Field(ge=0, le=300)] = 0.0
    seam_frames: SeamFrames = 0
    lookahead_frames: Annotated[int, Field(ge=0, le=1 << 16)] = 0
    glide_cost: FromZero = 0.0


def load_sampling(folder: Path) -> SamplingConfig:
    """The sampling config of the weights in a folder: of `sampling.json`, or the fields that an older config.json has.

    Raises:
        WeightsError: the file is damaged, or a value is out of range.
    """
    path = folder / SAMPLING_NAME
    if path.is_file():
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise WeightsError(f"{path} cannot be read ({error}).") from error
        return build(SamplingConfig, text, WeightsError, SAMPLING_NAME)
    config = load_config(folder) if (folder / CONFIG_NAME).is_file() else {}  # the paper's weights have none
    names = ("temperature", "guidance", "low_pass_frames", "seam_frames")
    values: dict[str, Any] = {name: config[name] for name in names if name in config}
    costs = {part: config.get(key, 0) for part, key in CONFIG_KEYS.items()}
    return build(SamplingConfig, {**values, "transition_cost": costs}, WeightsError, "config.json")


def keep_sampling(folder: Path) -> None:
    """Write `sampling.json` where the config.json of a folder, which is about to be replaced, has its fields.

    Raises:
        WeightsError: the config is damaged. OutputError: the file cannot be written.
    """
    if (folder / SAMPLING_NAME).exists() or not (folder / CONFIG_NAME).exists():
        return
    sampling = load_sampling(folder)
    if sampling != SamplingConfig():
        save_sampling(sampling, folder)


def save_sampling(config: SamplingConfig, folder: Path) -> Path:
    """Write `sampling.json` as `load_sampling` reads it. Raises OutputError."""
    return write_text(folder / SAMPLING_NAME, json.dumps(asdict(config), indent=2) + "\n")
