"""Memory and speed of the data cache: `python -m tests.benchmarks.loader [--hours 1 100] [--minutes 2 10]`.

A cache of so many hours, of files that are holes on the disk, is loaded as a training of the generator does, with two
worker processes, and for so many minutes a cache is built of copies of a clip. For each are printed samples a second,
and the memory of each process: what is its own and what it shares of mapped files, which is what grows with a cache
that is mapped. Every window of an epoch is another, and lies elsewhere in the files.
"""

import json
import multiprocessing
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
import tyro
from torch.utils.data import DataLoader

from tests.conftest import make_motion, make_speech
from train.data.augment import Augmentation
from train.data.building import build_cache
from train.data.cache import ARRAYS, FORMAT, INDEX_NAME, SPEECH_NAME, VOCABULARY_NAME, Cache, Clip
from train.data.transcripts import TranscriptNoise, Transcripts, collect_vocabulary
from train.data.windows import Windows
from train.generator import MaskedWindows
from train.modelling.settings import GeneratorTraining

CLIP_FRAMES = 1800
BATCH = 32
WARM_UP = 4
"""Batches in which is imported what is first used."""


@dataclass(frozen=True)
class Memory:
    """In MB: what a process has for itself, and what it has of mapped files."""

    own: float
    mapped: float

    @classmethod
    def of(cls, pid: int | str) -> "Memory":
        lines = dict(line.split(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
        own, mapped = (int(lines[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
        return cls(own, mapped)

    def __str__(self) -> str:
        return f"{self.own:.0f} + {self.mapped:.0f}"


def write_hollow_cache(folder: Path, hours: float) -> Cache:
    """All frames are zeros that take no room; all clips share one line of words and one list of onsets."""
    folder.mkdir()
    words = [[f"word{i % 97}", 0.4 * i, 0.4 * i + 0.3] for i in range(150)]
    line = json.dumps({"words": words, "strokes": [], "semantic": []}).encode() + b"\n"
    (folder / SPEECH_NAME).write_bytes(line)
    (folder / VOCABULARY_NAME).write_text("".join(f"word{i}\n" for i in range(97)))
    count = round(hours * 3600 * 30 / CLIP_FRAMES)
    onsets = np.arange(0, 16000 * 60, 4000)
    clips = [
        Clip(f"2_a_0_{i}_{i}", "train", 0, i * CLIP_FRAMES, CLIP_FRAMES, i * 960_000, 0, len(onsets), 0, len(line))
        for i in range(count)
    ]
    for name, spec in ARRAYS.items():
        rows = {"audio": clips[-1].samples.stop, "onsets": len(onsets)}.get(name, clips[-1].rows.stop)
        with (folder / name).open("wb") as stream:
            stream.truncate(rows * spec.row_bytes)
    (folder / "onsets").write_bytes(onsets.astype(ARRAYS["onsets"].dtype).tobytes())
    about = {"format": FORMAT, "speakers": [2], "expression_basis": "arkit52", "clips": [asdict(c) for c in clips]}
    (folder / INDEX_NAME).write_text(json.dumps(about))
    return Cache(folder)


def measure_loading(folder: Path, hours: float, samples: int) -> None:
    cache = write_hollow_cache(folder, hours)
    config = GeneratorTraining(cache=folder, weights=folder, out=folder, hears="both", steps=10)
    transcripts = Transcripts(cache, collect_vocabulary(cache), TranscriptNoise())
    table = cache.windows(("train",), 64, 20)
    windows = MaskedWindows(Windows(cache, table, 64, 0, Augmentation(), transcripts), config)
    chosen = [range(first, first + BATCH) for first in range(0, samples, BATCH)]
    for number, _ in enumerate(DataLoader(windows, batch_sampler=chosen, num_workers=2)):
        if number == WARM_UP:
            begun, used_s = time.monotonic(), _used_s()
        if number == len(chosen) - 8:  # while the workers have still to do
            workers = [Memory.of(process.pid) for process in multiprocessing.active_children()]
            loaded = BATCH * (number - WARM_UP)
            speed, cost_ms = loaded / (time.monotonic() - begun), 1000 * (_used_s() - used_s) / loaded
    disk = sum(path.stat().st_blocks * 512 for path in folder.iterdir()) / 1e6
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e9
    own = Memory.of("self")
    print(
        f"{hours:g} h ({size:.1f} GB of files, {disk:.1f} MB on the disk): {speed:.0f} samples a second, "
        f"{cost_ms:.1f} ms of CPU each, {len(table):,} windows; MB of its own + mapped: this process {own}, "
        f"workers {', '.join(map(str, workers))}",
        flush=True,
    )


def _used_s() -> float:
    """Of CPUs by this process and its workers."""
    pids = ["self", *(str(process.pid) for process in multiprocessing.active_children())]
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(field[11]) + int(field[12]) for field in fields) / os.sysconf("SC_CLK_TCK")


def measure_building(folder: Path, minutes: float) -> None:
    corpus, seconds = folder / "corpus", 20
    for name in ("smplxflame_30", "wave16k"):
        (corpus / name).mkdir(parents=True)
    make_motion(30 * seconds, reach=0.2).save(corpus / "clip.npz")
    soundfile.write(corpus / "clip.wav", make_speech(16000 * seconds), 16000)
    ids = [f"2_a_0_{number}_{number}" for number in range(round(60 * minutes / seconds))]
    for clip in ids:
        (corpus / "smplxflame_30" / f"{clip}.npz").symlink_to(corpus / "clip.npz")
        (corpus / "wave16k" / f"{clip}.wav").symlink_to(corpus / "clip.wav")
    (corpus / "train_test_split.csv").write_text("id,type\n" + "".join(f"{clip},train\n" for clip in ids))
    begun = time.monotonic()
    build_cache(corpus, folder / "cache")
    took_s = time.monotonic() - begun
    print(
        f"built {minutes:g} minutes in {took_s:.0f} s; MB of its own + mapped: {Memory.of('self')}, most "
        f"{_most_mb():.0f} in all",
        flush=True,
    )


def _most_mb() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


@dataclass(frozen=True)
class Measure:
    """What is measured: caches of so many hours, each loaded for so many samples, and built for so many minutes."""

    hours: tuple[float, ...] = (1, 100)
    samples: int = 3200
    minutes: tuple[float, ...] = (2, 10)


def main() -> None:
    measure = tyro.cli(Measure, description=__doc__)
    context = multiprocessing.get_context("spawn")  # each by a process that remembers nothing of the one before
    with tempfile.TemporaryDirectory() as folder:
        jobs = [(measure_loading, (Path(folder) / f"h{hours:g}", hours, measure.samples)) for hours in measure.hours]
        jobs += [(measure_building, (Path(folder) / f"m{minutes:g}", minutes)) for minutes in measure.minutes]
        for work, arguments in jobs:
            process = context.Process(target=work, args=arguments)
            process.start()
            process.join()


if __name__ == "__main__":
    main()
