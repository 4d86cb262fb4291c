"""The trainings that rows need, each done once: a stage lies in a folder that is named by the hash of its settings."""

import hashlib
import json
import shutil
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch

from emage.body import Body
from emage.errors import EmageError
from emage.files import new_file, sha256_of, write_text
from emage.models.checkpoint import ALL_FOLDERS
from train import generator, global_motion, vqvae
from train.data.cache import Cache
from train.global_motion import GlobalMotionTraining
from train.modelling.settings import GeneratorTraining
from train.run.checkpoints import git_revision
from train.run.config import RunConfig
from train.vqvae import VQVAETraining

DONE = "done.json"
"""In the folder of a stage that has come to its end."""
FAILURE = "failure.txt"
TIMES = "times.jsonl"
_LEAVES_WEIGHTS_ALONE = frozenset(
    ("cache", "weights", "out", "workers", "log_every", "checkpoint_every", "validate_every", "validation_windows")
)
"""Settings of a stage that its weights do not depend on."""
_HASH_DIGITS = 12


class Kind(NamedTuple):
    """A stage's settings and its training."""

    settings: type[RunConfig]
    train: Callable[[Any, Body], Any]


KINDS = {
    "vqvae": Kind(VQVAETraining, vqvae.train),
    "global_motion": Kind(GlobalMotionTraining, global_motion.train),
    "generator": Kind(GeneratorTraining, generator.train),
}


def digest(value: Any) -> str:
    """Of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Stage:
    """One training. network: the name of what it writes, as in `ALL_FOLDERS`. inputs: the stages whose networks it
    reads."""

    kind: str
    network: str
    settings: Mapping[str, Any]
    inputs: tuple["Stage", ...] = ()

    def config(self, cache: Path, folder: Path) -> RunConfig:
        kind = KINDS[self.kind].settings
        return kind(cache=cache, weights=folder / "weights", out=folder / "run", **self.settings)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the weights depend on besides the data: the settings unlike their defaults, and the same of all before.

        A setting that a later revision brings leaves the stages of an earlier one as they are.
        """
        config = self.config(Path(), Path())
        usual = config.defaults()
        settings = {
            name: value
            for name, value in config.to_json().items()
            if name not in _LEAVES_WEIGHTS_ALONE and (name not in usual or usual[name] != value)
        }
        return {"stage": self.kind, "settings": settings, "inputs": [each.facts for each in self.inputs]}

    def all_inputs(self) -> list["Stage"]:
        """Those that have to be trained before, in order."""
        return [stage for each in self.inputs for stage in (*each.all_inputs(), each)]


class StageFailed(EmageError):
    """A stage came to no end."""


@dataclass
class Bench:
    """Runs stages on one cache, each at most once, and remembers which failed.

    data: hash of the cache. report: is told what happens.
    """

    cache: Cache
    out: Path
    body: Body
    report: Callable[[str], None]
    failed: dict[str, str] = field(default_factory=dict)

    @cached_property
    def data(self) -> str:
        return digest_cache(self.cache)

    def key(self, stage: Stage) -> str:
        return digest([self.data, self.body.name, stage.facts])

    def folder(self, stage: Stage) -> Path:
        return self.out / "stages" / f"{stage.network}-{self.key(stage)[:_HASH_DIGITS]}"

    def finish(self, stage: Stage) -> Path:
        """Train a stage and all that it needs, where that is not done; -> its folder.

        Raises:
            StageFailed: it or one before came to no end, now or earlier in this process.
        """
        folder = self.folder(stage)
        if is_done(folder):
            return folder
        for each in stage.inputs:
            self.finish(each)
        if folder.name in self.failed:
            raise StageFailed(self.failed[folder.name])
        self.report(f"{folder.name}: training")
        started, started_cpu = time.monotonic(), time.process_time()
        try:
            self._train(stage, folder)
        except Exception as error:  # whatever it is, the other rows go on; the command ends with it in the end
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / FAILURE, traceback.format_exc())
            self.failed[folder.name] = f"stage {folder.name} failed ({say_fault(error)}). See {FAILURE} in its folder."
            raise StageFailed(self.failed[folder.name]) from error
        took, took_cpu = time.monotonic() - started, time.process_time() - started_cpu
        self.note_time(folder.name, took, took_cpu)
        return folder

    def _train(self, stage: Stage, folder: Path) -> None:
        for each in stage.all_inputs():
            name = ALL_FOLDERS[each.network]
            copy_once(self.folder(each) / "weights" / name, folder / "weights" / name)
        KINDS[stage.kind].train(stage.config(self.cache.folder, folder), self.body)
        weights = folder / "weights" / ALL_FOLDERS[stage.network] / "model.safetensors"
        done = {
            "revision": git_revision(),
            "threads": torch.get_num_threads(),
            "sha256": sha256_of([weights]),
            **stage.facts,
        }
        with new_file(folder / DONE) as temporary:
            temporary.write_text(json.dumps(done, indent=2) + "\n", "utf-8")
        (folder / FAILURE).unlink(missing_ok=True)
        shutil.rmtree(folder / "run" / "checkpoints", ignore_errors=True)  # nothing will go on from them

    def note_time(self, what: str, seconds: float, cpu_seconds: float) -> None:
        """Add a line to what was done and how long it took, of which the table knows nothing: a run that was stopped
        has other times and the same table."""
        line = {"what": what, "seconds": round(seconds, 1), "cpu_seconds": round(cpu_seconds, 1)}
        with (self.out / TIMES).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
        self.report(f"{what}: {cpu_seconds / 60:.1f} minutes of one core")


def say_fault(error: Exception) -> str:
    """In words, without a full stop."""
    said = str(error) if isinstance(error, EmageError) else f"{type(error).__name__}: {error}"
    return said.strip().removesuffix(".")


def is_done(folder: Path) -> bool:
    return (folder / DONE).is_file()


def copy_once(source: Path, target: Path) -> None:
    """Copy a folder so that it appears whole; leave one that is there."""
    if target.is_dir():
        return
    unfinished = target.with_name(f".{target.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(source, unfinished)
    unfinished.rename(target)


def digest_cache(cache: Cache) -> str:
    """Of a cache's lists, and of the size, the beginning and the end of each of its arrays."""
    block = 1 << 20
    whole = hashlib.sha256()
    for path in sorted(path for path in cache.folder.iterdir() if path.is_file()):
        size = path.stat().st_size
        whole.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as stream:
            if path.suffix == ".json":  # its lists of clips
                whole.update(stream.read())
            else:
                whole.update(stream.read(block))
                stream.seek(max(0, size - block))
                whole.update(stream.read(block))
    return whole.hexdigest()
