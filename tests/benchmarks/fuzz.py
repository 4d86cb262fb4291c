"""What readers make of damaged files: `python -m tests.benchmarks.fuzz [--readers wav session] [--count 2000]`.

Each mutation is read in a process that is replaced where it dies or takes a minute. A file must give what it holds or a
named error, within 2 s of a processor's time and 300 MB of memory (400 of a body, which takes as much when it is
whole). What does not is stored, and the command ends with 1.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from tests.mutations import READERS, Outcome, mutate, seed_of, try_reading, write

MOST_S = 2.0
_HANGS_AFTER_S = 60.0


@dataclass
class Tally:
    """Of one reader, whose files may take `most_mb`. kinds: how many of each. slowest, largest: seconds and MB, and the
    number of the mutation. failed: what was wrong, by the number."""

    most_mb: float
    kinds: Counter = field(default_factory=Counter)
    slowest: tuple[float, int] = (0.0, 0)
    largest: tuple[float, int] = (0.0, 0)
    failed: dict[int, str] = field(default_factory=dict)

    def add(self, number: int, outcome: Outcome, took_s: float, used_mb: float) -> None:
        self.kinds[outcome.kind] += 1
        self.slowest, self.largest = max(self.slowest, (took_s, number)), max(self.largest, (used_mb, number))
        if outcome.kind not in ("read", "refused"):
            self.failed[number] = f"{outcome.kind}: {outcome.told}"
        elif took_s > MOST_S:
            self.failed[number] = f"{outcome.kind} in {took_s:.1f} s"
        elif used_mb > self.most_mb:
            self.failed[number] = f"{outcome.kind} with {used_mb:.0f} MB"


def _used_s() -> float:
    """Of a processor, by this process and those that it has waited for."""
    times = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in times)


def _memory_mb(which: str) -> float:
    """VmRSS, or VmHWM: the most since it was forgotten."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{which}:")[1].split()[0]) / 1024


def _work(name: str, first: int, count: int, pipe: Connection) -> None:
    seed_of(name)
    with tempfile.TemporaryDirectory() as warm:  # what is imported and cached at the first time is no file's fault
        write(name, Path(warm))
        try_reading(name, Path(warm))
    for number in range(first, count):
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            write(name, folder, mutate(name, number))
            Path("/proc/self/clear_refs").write_text("5")  # forget the most memory that was in use
            before_mb, began_s = _memory_mb("VmRSS"), _used_s()
            outcome = try_reading(name, folder)
            took_s, used_mb = _used_s() - began_s, _memory_mb("VmHWM") - before_mb
        pipe.send((number, outcome, took_s, used_mb))
    pipe.close()


def run(name: str, count: int) -> Tally:
    """Read so many mutations for a reader."""
    tally, number, context = Tally(READERS[name].most_mb), 0, multiprocessing.get_context("fork")
    while number < count:
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(name, number, count, there))
        process.start()
        there.close()
        try:
            while number < count:
                if not here.poll(_HANGS_AFTER_S):
                    tally.add(number, Outcome("hung", f"{_HANGS_AFTER_S:.0f} s"), _HANGS_AFTER_S, 0.0)
                    number += 1
                    break
                number, *result = here.recv()
                tally.add(number, *result)
                number += 1
        except EOFError:
            process.join()
            tally.add(number, Outcome("crashed", f"exit code {process.exitcode}"), 0.0, 0.0)
            number += 1
        process.kill()
        process.join()
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", nargs="+", choices=list(READERS), default=list(READERS), metavar="NAME")
    parser.add_argument("--count", type=int, default=2000, help="mutations a reader")
    parser.add_argument("--out", type=Path, default=Path("fuzz-failures"), help="where files that fail are stored")
    options = parser.parse_args()
    print("| reader | files | read | refused | other | slowest, s | most memory, MB | took, s |")
    print("|---|---|---|---|---|---|---|---|")
    failed = 0
    for name in options.readers:
        began = time.monotonic()
        tally = run(name, options.count)
        other = tally.kinds.total() - tally.kinds["read"] - tally.kinds["refused"]
        print(
            f"| {name} | {tally.kinds.total()} | {tally.kinds['read']} | {tally.kinds['refused']} | {other} "
            f"| {tally.slowest[0]:.2f} | {tally.largest[0]:.0f} | {time.monotonic() - began:.0f} |",
            flush=True,
        )
        for number, told in tally.failed.items():
            options.out.mkdir(exist_ok=True)
            path = options.out / f"{name.replace(' ', '-')}-{number}-{READERS[name].file}"
            path.write_bytes(mutate(name, number))
            sys.stderr.write(f"{path}: {told[:300]}\n")
        failed += len(tally.failed)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
