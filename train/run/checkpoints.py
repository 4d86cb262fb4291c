"""What a run writes and finds again: checkpoints, the note beside them, and the networks in the folder of weights."""

import json
import os
import shutil
import subprocess
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from emage.errors import EmageError, WeightsError
from emage.files import new_file
from emage.generation.sampling import keep_sampling
from emage.models.checkpoint import ALL_FOLDERS, Network, check_whole, load_config, load_state, save_network
from emage.models.codec import MotionCodec
from emage.models.parts import Parts
from emage.models.vqvae import VQVAE, GlobalMotionPredictor, VQVAEConfig
from emage.motion.skeleton import NETWORK_PARTS, PART_CHANNELS, WHOLE
from emage.validation import build
from train.run.config import RunConfig

ROOT = Path(__file__).resolve().parents[2]
NOTE = "training.json"
"""Beside the weights, and in the run's folder: the settings, the step of the weights or of the last checkpoint, and the
revision of the code."""
STORED_CHECKPOINTS = 2
_MAY_CHANGE = frozenset(
    {"cache", "weights", "out", "steps", "workers", "log_every", "checkpoint_every", "validate_every", "video_every"}
)


def git_revision() -> str:
    """The commit of this code, with `-dirty` where files differ from it; `unknown` outside a repository."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


# --- checkpoints ------------------------------------------------------------------------------------------------------


def list_checkpoints(out: Path) -> list[Path]:
    """The checkpoints of a run, the last one last."""
    return sorted((out / "checkpoints").glob("step_*"))


def find_checkpoint(out: Path) -> tuple[Path | None, dict[Path, str]]:
    """The last checkpoint of a run that is whole, and later ones that are not, each with what is wrong; (None, {}) of a
    run that has none yet.

    Raises:
        EmageError: there are checkpoints, and none is whole.
    """
    damaged: dict[Path, str] = {}
    for checkpoint in reversed(list_checkpoints(out)):
        try:
            _check_checkpoint(checkpoint)
        except WeightsError as error:
            damaged[checkpoint] = str(error)
        else:
            return checkpoint, damaged
    if damaged:
        raise EmageError(
            f"No checkpoint in {out / 'checkpoints'} is whole. The last one: {next(iter(damaged.values()))} Copy one "
            "back from elsewhere, or remove that folder to begin anew."
        )
    return None, {}


def _check_checkpoint(checkpoint: Path) -> None:
    files = sorted(path for path in checkpoint.iterdir() if path.is_file())
    for kind in ("model", "optimizer", "random_states"):
        if not any(path.name.startswith(kind) for path in files):
            raise WeightsError(f"{checkpoint} has no file {kind}*.")
    for path in files:
        check_whole(path)


def set_aside(checkpoint: Path) -> Path:
    """Rename a damaged checkpoint, so that it counts for none; its new name."""
    aside = checkpoint.with_name(f"damaged_{checkpoint.name}")
    shutil.rmtree(aside, ignore_errors=True)
    return checkpoint.rename(aside)


def checkpoint_step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("step_"))


def save_checkpoint(out: Path, step: int, accelerator: Accelerator) -> None:
    """Save a folder that appears whole: whatever moment a process is killed at, the last one before is there.

    All processes call it. Of older ones `STORED_CHECKPOINTS` - 1 stay.
    """
    folder = out / "checkpoints"
    unfinished = folder / ".unfinished"
    if accelerator.is_main_process:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(unfinished))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        os.replace(unfinished, folder / f"step_{step:08d}")
        for old in list_checkpoints(out)[:-STORED_CHECKPOINTS]:
            leaving = old.with_name(f".{old.name}")
            os.replace(old, leaving)
            shutil.rmtree(leaving)


def write_note(folder: Path, step: int, processes: int, config: RunConfig) -> None:
    """training.json: the settings, how far it came, and the revision of the code that ran."""
    note = {"revision": git_revision(), "step": step, "processes": processes, "settings": config.to_json()}
    with new_file(folder / NOTE) as temporary:
        temporary.write_text(json.dumps(note, indent=2) + "\n", "utf-8")


@dataclass(frozen=True)
class Note:
    """What `write_note` writes."""

    revision: str
    step: int
    processes: int
    settings: dict[str, Any]


def read_note(path: Path) -> Note:
    """Raises EmageError where it is none, or damaged."""
    try:
        text = path.read_text("utf-8")
        return build(Note, text, EmageError, str(path))
    except (OSError, UnicodeDecodeError, EmageError) as error:
        raise EmageError(
            f"{path} is damaged ({error}), so nobody knows with which settings it was trained. Remove it where they "
            "are those that you give now, or name a new folder."
        ) from error


def check_settings(config: RunConfig, processes: int) -> None:
    """Compare the settings with those of the run that `out` holds; one that it lacks, being of an earlier revision, had
    today's default. Raises EmageError where they differ.
    """
    path = config.out / NOTE
    if not (path.is_file() and list_checkpoints(config.out)):
        return
    note = read_note(path)
    theirs = {**config.defaults(), **note.settings, "number of processes": note.processes}
    ours = {**config.to_json(), "number of processes": processes}
    differing = sorted(
        name for name in (ours.keys() | theirs.keys()) - _MAY_CHANGE if ours.get(name) != theirs.get(name)
    )
    if differing:
        raise EmageError(
            f"{config.out} holds a run with another {', '.join(differing)}. Go on with its settings (see {path}), or "
            "name a new folder."
        )


# --- weights ----------------------------------------------------------------------------------------------------------


def save_weights(network: Network, folder: Path, half: bool) -> None:
    """config.json and model.safetensors as `EmagePipeline.from_pretrained` reads them.

    half: matrices and kernels as float16; vectors (biases, norms and their statistics) stay whole, for they weigh
    nothing and small variances would suffer.

    How the weights that were there before are sampled stays, also where their config.json said it.
    """
    network = deepcopy(network).cpu()
    if half:
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.data = parameter.data.half()
    folder.mkdir(parents=True, exist_ok=True)
    keep_sampling(folder)
    save_network(network, folder)


def load_codec(weights: Path, whole_body: bool = False) -> MotionCodec:
    """Load the trained VQ-VAEs of a folder of weights, or that of the whole body, frozen; the global motion predictor
    may be untrained.

    Raises:
        WeightsError: a part has no weights yet, or the parts differ in their latents' width or number of codes.
    """
    parts = load_part(weights, WHOLE) if whole_body else _load_parts(weights)
    folder = weights / ALL_FOLDERS["global"]
    if (folder / "config.json").is_file():
        predictor = GlobalMotionPredictor(VQVAEConfig.from_json(load_config(folder)))
        predictor.load_weights(load_state(folder), "global")
    else:
        predictor = GlobalMotionPredictor(VQVAEConfig(PART_CHANNELS["lower"], width=8, layers=1))
    return MotionCodec(parts, predictor).eval().requires_grad_(False)


def _load_parts(weights: Path) -> Parts[VQVAE]:
    parts = Parts.of(lambda part: load_part(weights, part))
    sizes = parts.map(lambda vae: (vae.config.width, vae.config.codebook_size if vae.config.quantized else 0))
    if len(set(sizes)) > 1:
        listed = ", ".join(f"{part} {sizes[part]}" for part in NETWORK_PARTS)
        raise WeightsError(f"{weights}: the parts' VQ-VAEs differ in (width, codes): {listed}. Train them alike.")
    return parts


def load_part(weights: Path, part: str) -> VQVAE:
    """Load one trained VQ-VAE, frozen. Raises WeightsError where there is none."""
    folder = weights / ALL_FOLDERS[part]
    if not folder.is_dir():
        raise WeightsError(f"{folder} is missing. Train it first: python -m train.vqvae --part {part} ...")
    vqvae = VQVAE(VQVAEConfig.from_json(load_config(folder)))
    vqvae.load_weights(load_state(folder), part)
    return vqvae.eval().requires_grad_(False)
