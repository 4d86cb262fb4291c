"""Kill -9 at random moments: `python -m tests.benchmarks.kill [--works generate ...] [--moments 20] [--seed 0]`.

Each work is done once, and then begun and killed so many times at a random moment of it, and done again in what was
left. After each kill no file may be half there under its final name, and the work that is done again ends with the same
bytes as the one that nobody killed. Tiny weights; a kill takes a second or two of a free core, one of the doctor, the
evaluation and the ablation ten to forty.
"""

import argparse
import csv
import hashlib
import io
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import soundfile
import torch

from emage.body import Body
from emage.body.model import STAND_IN_FILE
from emage.cli.main import main as emage
from emage.generation.take import Take
from emage.hub import EMBEDDED_DIR
from emage.motion import FLAME2020, Motion
from emage.project import Project
from emage.recording.recording import Recording
from tests.conftest import REGRESSION, make_motion, make_speech
from tests.train.conftest import perform_to_noise, write_corpus, write_transcripts
from train import ablate, beat2, evaluate, vqvae
from train.ablation.settings import Ablation
from train.ablation.stages import DONE, is_done
from train.data.building import build_cache
from train.data.cache import Cache
from train.evaluation.settings import Beat2Evaluation
from train.run.checkpoints import checkpoint_step, find_checkpoint, load_part

_WEIGHTS = ("--weights", str(REGRESSION), "--device", "cpu")
_TAKE = (*_WEIGHTS, "--seed", "1")
_SMALL = ("--size", "64", "--samples", "1", "--no-face-inset", "--no-floor")
_STEPS = 12
_ENDS_WITHIN_S = 600.0
_CHILDREN_END_WITHIN_S = 30.0
"""Or as long as the work takes, which on a busy machine is more."""

Bytes = dict[str, str]
"""A digest of each file by its name."""


@dataclass(frozen=True)
class Work:
    """do: in a folder with talk.wav, corpus and cache. results: what it has made there, whole files only, as far as it
    came. is_refused_again: it begins in an empty folder alone, as it says itself; `out` is that."""

    name: str
    do: Callable[[Path], None]
    results: Callable[[Path], Bytes]
    out: str = "out"
    is_refused_again: bool = False


def _command(*arguments: str) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        sys.argv = ["emage", *arguments]
        emage()

    return run


def _save(folder: Path) -> None:
    (folder / "out").mkdir(exist_ok=True)
    recording = Recording.load(folder / "talk.wav")
    takes = [
        Take(make_motion(recording.num_frames, seed), f"take {seed}", None, recording).store(
            Path(tempfile.mkdtemp(dir=folder)), "take"
        )
        for seed in range(3)
    ]
    for _ in range(5):  # over the one that is there, too
        Project(recording=recording, takes=tuple(takes)).save(folder / "out" / "session.zip")


def _train(folder: Path) -> None:
    config = vqvae.VQVAETraining(
        cache=folder / "cache", weights=folder / "out" / "weights", out=folder / "out" / "run", part="upper"
    ).shrink()
    brief = {"steps": _STEPS, "batch_size": 4, "checkpoint_every": 2, "validate_every": 1000}
    vqvae.train(replace(config, **brief))


def _build(folder: Path) -> None:
    build_cache(folder / "corpus", folder / "out" / "cache", body=Body.from_file(STAND_IN_FILE))


def _examine(folder: Path) -> None:
    beat2.Doctor(folder / "corpus", folder / "out", processes=2, pictures=4).run()


def _evaluate(folder: Path) -> None:
    folders = {"corpus": folder / "corpus", "weights": REGRESSION, "evaluator": EMBEDDED_DIR, "out": folder / "out"}
    evaluate.run_beat2(Beat2Evaluation(suite="beat2", **folders, speaker=0, hint_clips=1, resamples=50, device="cpu"))


def _ablate(folder: Path) -> None:
    ablate.run(Ablation(cache=folder / "cache", out=folder / "out", size="smoke", rows=("spans",)))


# --- what was made ----------------------------------------------------------------------------------------------------


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _of_takes(folder: Path) -> Bytes:
    """Scores without how long they took."""
    found = {}
    for path in sorted((folder / "out").glob("[!.]*")):  # a temporary file is not there under its name
        content = path.read_bytes()
        if path.suffix == ".npz":
            Motion.load(path)
        elif path.suffix == ".csv":
            rows = list(csv.DictReader(io.StringIO(content.decode())))
            content = json.dumps([{name: row[name] for name in row if name != "took_s"} for row in rows]).encode()
        found[path.name] = _digest(content)
    return found


def _of_session(folder: Path) -> Bytes:
    path = folder / "out" / "session.zip"
    if not path.exists():
        return {}
    Project.load(path, Path(tempfile.mkdtemp(dir=folder)))
    with zipfile.ZipFile(path) as archive:  # a zip holds the time too
        return {name: _digest(archive.read(name)) for name in archive.namelist()}


def _of_training(folder: Path) -> Bytes:
    """Weights and checkpoint once it is through; before, that the last checkpoint can be gone on from."""
    weights = sorted((folder / "out" / "weights").rglob("*.safetensors"))
    if weights:
        load_part(folder / "out" / "weights", "upper")
    checkpoint, damaged = find_checkpoint(folder / "out" / "run")
    assert not damaged, damaged
    if checkpoint is None or checkpoint_step(checkpoint) != _STEPS:
        return {}
    return {path.name: _digest(path.read_bytes()) for path in (*weights, *sorted(checkpoint.glob("*.safetensors")))}


def _of_cache(folder: Path) -> Bytes:
    cache = folder / "out" / "cache"
    if not cache.exists():
        return {}
    Cache(cache)
    return {str(path.relative_to(cache)): _digest(path.read_bytes()) for path in cache.rglob("*") if path.is_file()}


def _of_files(folder: Path) -> Bytes:
    """All but those that are being written."""
    out = folder / "out"
    paths = [path for path in out.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {str(path.relative_to(out)): _digest(path.read_bytes()) for path in paths}


def _of_ablation(folder: Path) -> Bytes:
    """Tables, scores, and the weights of stages that are through: others go on."""
    out = folder / "out"
    stages = [stage for stage in out.glob("stages/*") if is_done(stage)]
    paths = [path for stage in stages for path in (stage / DONE, *sorted(stage.glob("weights/**/*.safetensors")))]
    paths += [*out.glob("ablation.*"), *out.glob("scores/*/scores.json")]
    return {str(path.relative_to(out)): _digest(path.read_bytes()) for path in paths}


WORKS = {
    work.name: work
    for work in (
        Work("generate", _command("generate", "talk.wav", *_TAKE, "--motion", "out/a.npz"), _of_takes),
        Work(
            "video",
            _command("generate", "talk.wav", *_TAKE, *_SMALL, "--motion", "out/a.npz", "--out", "out/a.mp4"),
            _of_takes,
        ),
        Work(
            "batch",
            _command("batch", "talk.wav", *_WEIGHTS, "--seeds", "1", "2", "3", "--out", "out", "--no-video"),
            _of_takes,
            is_refused_again=True,
        ),
        Work("session save", _save, _of_session),
        Work("training", _train, _of_training),
        Work("cache build", _build, _of_cache),
        Work("doctor", _examine, _of_files),
        Work("evaluation", _evaluate, _of_files),
        Work("ablation", _ablate, _of_ablation),
    )
}


# --- kills ------------------------------------------------------------------------------------------------------------


def _prepare(folder: Path) -> None:
    soundfile.write(folder / "talk.wav", make_speech(64_000), 16_000)
    clips = {
        f"1_ann_0_{n}_{n}": (split, make_motion(90, n, reach=0.2), make_speech(48_000, n))
        for n, split in enumerate(("train", "train", "train", "val"), 1)
    }
    for n in (5, 6, 7):
        motion, audio = perform_to_noise(150, n)  # with beats, in motion as in sound
        clips[f"1_ann_0_{n}_{n}"] = "test", replace(motion, expression_basis=FLAME2020), audio
    write_corpus(folder / "corpus", clips)
    write_transcripts(folder / "corpus")
    build_cache(folder / "corpus", folder / "cache", body=Body.from_file(STAND_IN_FILE))


def _begin(work: Work, folder: Path) -> multiprocessing.Process:
    def run() -> None:
        os.setsid()
        os.chdir(folder)
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
        work.do(folder)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    return process


def _finish(work: Work, folder: Path) -> float:
    """Seconds."""
    began = time.monotonic()
    process = _begin(work, folder)
    process.join(_ENDS_WITHIN_S)
    assert process.exitcode == 0, f"{work.name} ended with {process.exitcode}"
    return time.monotonic() - began


def _wait_for_children(group: int, within_s: float) -> None:
    """An encoder that was fed by what was killed ends by itself, and so does a worker, if it has begun."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("A process outlives the one that began it.")


@dataclass
class Tally:
    """takes_s: of the work that nobody killed. moments_s: after its beginning. kills: while it worked. early: it was
    through by then. rest: temporary files that the kills left."""

    takes_s: float
    moments_s: tuple[float, ...] = ()
    kills: int = 0
    early: int = 0
    rest: int = 0
    failed: tuple[str, ...] = ()


def kill(work: Work, seed: Path, moments: int, chance: torch.Generator) -> Tally:
    with _fresh(seed) as folder:
        takes_s = _finish(work, folder)
        whole = work.results(folder)
    assert whole, f"{work.name} makes nothing"
    tally = Tally(takes_s)
    for number in range(moments):
        with _fresh(seed) as folder:
            process = _begin(work, folder)
            tally.moments_s += (takes_s * float(torch.rand((), generator=chance)),)
            process.join(tally.moments_s[-1])
            if process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
                tally.kills += 1
            else:
                tally.early += 1
            process.join()
            try:
                _wait_for_children(process.pid, max(_CHILDREN_END_WITHIN_S, takes_s))
                there = work.results(folder)
                half = sorted(name for name in there if there[name] != whole.get(name))
                assert not half, f"half there: {half}"
                tally.rest += len([path for path in folder.rglob(".emage-*") if path.is_file()])
                if work.is_refused_again:
                    shutil.rmtree(folder / work.out, ignore_errors=True)
                    (folder / work.out).mkdir()
                if work.name != "cache build" or not there:  # one that is whole is not built again
                    _finish(work, folder)
                assert work.results(folder) == whole, "done again it ends with other bytes"
            except Exception as error:  # what ought not to be, of any kind
                tally.failed += (f"kill {number}: {type(error).__name__}: {error}",)
    return tally


@contextmanager
def _fresh(seed: Path) -> Iterator[Path]:
    """A copy of the folder with what the works begin from."""
    with tempfile.TemporaryDirectory(prefix="kill-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        shutil.copytree(seed, folder, dirs_exist_ok=True)
        (folder / "out").mkdir()
        yield folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--works", nargs="+", choices=list(WORKS), default=list(WORKS), metavar="NAME")
    parser.add_argument("--moments", type=int, default=20, help="of each work")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    chance = torch.Generator().manual_seed(options.seed)
    failed = 0
    with tempfile.TemporaryDirectory() as made:
        seed = Path(made)
        _prepare(seed)
        header = "work", "killed", "through before", "half under its name, or other bytes", "temporary files left"
        print(f"| {' | '.join((*header, 'takes, s', 'killed at, s'))} |")
        print("|---|---|---|---|---|---|---|")
        for name in options.works:
            tally = kill(WORKS[name], seed, options.moments, chance)
            moments = " ".join(f"{moment_s:.2f}" for moment_s in sorted(tally.moments_s))
            cells = name, tally.kills, tally.early, len(tally.failed), tally.rest, f"{tally.takes_s:.2f}", moments
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
            for told in tally.failed:
                sys.stderr.write(f"{name}: {told}\n")
            failed += len(tally.failed)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
