"""Hours of mixed use, in short: `python -m tests.benchmarks.soak [--minutes 30] [--users 6] [--weights FOLDER]`.

Scripted visitors upload, plan, make takes, compare, cancel, lose their connection, load the page again, send damaged
files, save and load sessions, leave and come as others. Every fault must be a sentence, every take that a living
session made must be there, the server's memory at the end within a tenth of that after the first sixth of the time, and
its files within a bound a visitor; none are left when all have gone.
"""

import argparse
import json
import random
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import soundfile

from tests.app_server import QUICK, Caller, Server, find_files, run_page
from tests.conftest import REGRESSION, TALK_FRAMES, make_speech
from tests.mutations import mutate

GRACE_S = 60.0
_PATIENCE_S = 600.0
"""Of visitors: it is not about how fast the machine is that it runs on."""
_MOST_TAKES = 6
_SAMPLE_EVERY_S = 2.0
_MB_PER_USER = 60.0
_MAY_GROW = 1.1
_SENTENCE = re.compile(r"[\w\]\)\"'”’][.)\]](\s|$)")
_DAMAGED = (("load_session", "session", "session.zip"), ("take_reference", "motion", "hint.npz"))


@dataclass
class Diary:
    """What all visitors did and met. Safe between threads."""

    done: Counter = field(default_factory=Counter)
    refused: Counter = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, action: str, refusal: object = None, is_refused: bool = False) -> None:
        with self.lock:
            self.done[action] += 1
            if not is_refused:
                return
            self.refused[action] += 1
            if not isinstance(refusal, str) or "Traceback" in refusal or not _SENTENCE.search(refusal):
                self.failed.append(f"{action}: no sentence but {refusal!r}")

    def fail(self, told: str) -> None:
        with self.lock:
            self.failed.append(told)


class Visitor:
    """One page in one browser, by a script that is drawn by chance."""

    def __init__(self, server: Server, talk: Path, diary: Diary, chance: random.Random):
        self._server, self._talk, self._diary, self._chance = server, talk, diary, chance
        self._actions: dict[Callable[[], None], int] = {
            self._make: 5, self._edit: 6, self._compare: 2, self._cancel: 2, self._lose_connection: 2, self._reload: 3,
            self._send_damaged: 4, self._save_and_load: 1, self._call_as_program: 1, self._go: 1,
        }  # fmt: skip
        self._come_new()

    def live(self, until: float) -> None:
        while time.monotonic() < until:
            action = self._chance.choices(list(self._actions), list(self._actions.values()))[0]
            try:
                action()
            except (httpx.HTTPError, AssertionError, KeyError, StopIteration) as error:
                self._diary.fail(f"{action.__name__}: {type(error).__name__}: {error}")
            time.sleep(self._chance.random())
        self._caller.leave()

    def _come_new(self) -> None:
        self._caller = Caller(self._server.url, _PATIENCE_S)
        self._key, _ = self._caller.come()
        self._made: set[int] = set()
        self._audio = self._caller.upload(self._talk)
        self._ask("show_recording", self._audio, None, None, 0, "loop")

    def _ask(self, api_name: str, *values: Any, event: Any = None) -> Any:
        """The values; None where it was refused."""
        succeeded, told = self._caller.ask(api_name, *values, event=event)
        self._diary.note(api_name, told, not succeeded)
        return told if succeeded else None

    def _page_values(self, api_name: str, **more: Any) -> list[Any]:
        timeline = {"num_frames": TALK_FRAMES}
        return self._caller.page_values(api_name, speech=self._audio, timeline=timeline, **more)

    def _list(self, shown: list[Any]) -> list[dict[str, Any]]:
        found = [each for each in shown if isinstance(each, dict) and "facts" in each.get("props", {})]
        return found[-1]["value"] if found else []

    def _check(self, rows: list[dict[str, Any]]) -> None:
        lost = self._made - {row["number"] for row in rows}
        if lost:
            self._diary.fail(f"takes {sorted(lost)} are gone")
            self._made -= lost

    def _make(self) -> None:
        if len(self._made) >= _MOST_TAKES:
            return self._go()
        seed = self._chance.randrange(1000)
        shown = self._ask("generate_on_page", *self._page_values("generate_on_page", seed=seed))
        if shown is not None:
            rows = self._list(shown)
            self._check(rows)
            self._made |= {row["number"] for row in rows}

    def _edit(self) -> None:
        spans = [{"part": "upper", "start_frame": 3, "end_frame": 20, "mode": "lock"}]
        timeline = {"num_frames": TALK_FRAMES, "plan": {"spans": spans * self._chance.randrange(2)}}
        self._ask("plan_of_timeline", timeline)
        self._ask("edit_takes", [{"number": n, "caption": f"take {n}", "chosen": True} for n in sorted(self._made)])

    def _compare(self) -> None:
        rows = [{"number": n, "caption": f"take {n}", "chosen": True} for n in sorted(self._made)[:3]]
        self._ask("compare", *self._caller.page_values("compare", takes=rows))

    def _cancel(self) -> None:
        """Somewhere in the middle, from another connection of the session."""
        values = self._page_values("generate_on_page")
        timer = threading.Timer(self._chance.random(), lambda: self._caller.ask_past_queue("cancel"))
        timer.start()
        succeeded, told = self._caller.ask("generate_on_page", *values)
        self._diary.note("cancel", told, not succeeded)
        timer.join()
        self._see()

    def _lose_connection(self) -> None:
        if len(self._made) < _MOST_TAKES:
            succeeded, told = self._caller.ask(
                "generate_on_page", *self._page_values("generate_on_page"), until="motion"
            )
            if not succeeded and told != "The connection broke.":
                self._diary.note("lose_connection", told, True)
            self._diary.note("lose_connection")
        self._reload()
        self._ask("follow", None)
        self._see()

    def _reload(self) -> None:
        self._caller.leave()
        self._caller = Caller(self._server.url, _PATIENCE_S)
        key, shown = self._caller.come(self._key)
        self._diary.note("come")
        if key != self._key:
            self._diary.fail("a page was not known when it was loaded again")
            self._key, self._made = key, set()
            return
        self._check(self._list(list(shown.values())))

    def _see(self) -> None:
        """What is in the list now is made."""
        _, shown = self._caller.come(self._key)
        rows = self._list(list(shown.values()))
        self._check(rows)
        self._made |= {row["number"] for row in rows}

    def _send_damaged(self) -> None:
        api_name, kind, name = self._chance.choice(_DAMAGED)
        path = self._caller.upload_as(name, mutate(kind, self._chance.randrange(2000)))
        values = [path, None] if api_name == "load_session" else [path, 0, "loop"]
        shown = self._ask(api_name, *values)
        if api_name == "load_session" and shown is not None:  # it takes the place of all takes
            self._made = {row["number"] for row in self._list(shown)}
        self._see()

    def _save_and_load(self) -> None:
        shown = self._ask("save_session", *self._page_values("save_session"))
        if shown is None:
            return
        path = next(each["value"] for each in shown if isinstance(each, dict) and each.get("value"))
        answer = self._caller.get(path["path"] if isinstance(path, dict) else path)
        shown = self._ask("load_session", self._caller.upload_as("session.zip", answer.content), None)
        if shown is not None:
            rows = self._list(shown)
            if len(rows) < len(self._made):
                self._diary.fail(f"a session of {len(self._made)} takes came back with {len(rows)}")
            self._made = {row["number"] for row in rows}

    def _call_as_program(self) -> None:
        program = Caller(self._server.url, _PATIENCE_S)
        audio = program.upload(self._talk)
        succeeded, told = program.ask("generate", audio, "", None, QUICK | {"video": False}, "", None)
        self._diary.note("generate", told, not succeeded)
        program.leave()

    def _go(self) -> None:
        self._caller.leave()
        self._diary.note("leave")
        self._come_new()


@dataclass(frozen=True)
class Sample:
    at_s: float
    memory_mb: float
    files_mb: float


def watch(server: Server, samples: list[Sample], until: float, began: float) -> None:
    while time.monotonic() < until and server.process.poll() is None:
        size = 0
        for path in find_files(server.uploads):
            try:
                size += path.stat().st_size
            except FileNotFoundError:  # it has gone meanwhile
                continue
        samples.append(Sample(time.monotonic() - began, server.memory_mb(), size / 1e6))
        time.sleep(_SAMPLE_EVERY_S)


def draw(samples: list[Sample], columns: int = 60) -> str:
    """Memory over time, a line for each stretch of it."""
    most, lines = max(sample.memory_mb for sample in samples), []
    step = max(len(samples) // 30, 1)
    for sample in samples[::step]:
        bar = "#" * round(columns * sample.memory_mb / most)
        lines.append(f"{sample.at_s / 60:5.1f} min {sample.memory_mb:6.0f} MB {sample.files_mb:6.1f} MB of files {bar}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--users", type=int, default=6)
    parser.add_argument("--weights", default=str(REGRESSION), help='a folder, or "demo"; by default tiny ones')
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where the samples are written as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made, run_page(Path(made), options.weights, GRACE_S, 64) as server:
        failed = soak(server, Path(made), options)
    raise SystemExit(1 if failed else 0)


def soak(server: Server, folder: Path, options: argparse.Namespace) -> list[str]:
    talk, diary, samples = folder / "talk.wav", Diary(), []
    soundfile.write(talk, make_speech(TALK_FRAMES * 1600 // 3), 16_000)
    began = time.monotonic()
    until = began + 60 * options.minutes

    def live(number: int) -> None:
        Visitor(server, talk, diary, random.Random(f"{options.seed} {number}")).live(until)

    threads = [threading.Thread(target=live, args=(number,)) for number in range(options.users)]
    threads.append(threading.Thread(target=watch, args=(server, samples, until, began)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(3 * GRACE_S)  # all have left
    early = [each.memory_mb for each in samples if each.at_s >= 10 * options.minutes] or [samples[-1].memory_mb]
    first_mb, last_mb = early[0], server.memory_mb()
    most_mb = max(each.files_mb for each in samples)
    left = find_files(server.uploads)
    if last_mb > _MAY_GROW * first_mb:
        diary.fail(f"memory grew from {first_mb:.0f} to {last_mb:.0f} MB")
    if most_mb > _MB_PER_USER * options.users:
        diary.fail(f"{most_mb:.0f} MB of files, more than {_MB_PER_USER:.0f} a visitor")
    if left:
        diary.fail(f"{len(left)} files are left, such as {left[0]}")
    if "Traceback" in server.log.read_text():
        diary.fail(f"the log has a traceback:\n{server.log.read_text()[-3000:]}")
    print(draw(samples))
    print("| action | times | refused in a sentence |\n|---|---|---|")
    for action, times in sorted(diary.done.items()):
        print(f"| {action} | {times} | {diary.refused[action]} |")
    peak_mb = max(each.memory_mb for each in samples)
    print(
        f"{options.users} visitors, {options.minutes:g} minutes: {diary.done.total()} actions; "
        f"memory {first_mb:.0f} MB after a sixth of the time, {peak_mb:.0f} MB at most, {last_mb:.0f} MB with all gone "
        f"({last_mb / first_mb - 1:+.1%}); files {most_mb:.0f} MB at most, "
        f"{len(left)} left; {len(diary.failed)} faults."
    )
    if options.out is not None:
        options.out.write_text(json.dumps([vars(each) for each in samples]))
    for told in diary.failed:
        sys.stderr.write(f"{told}\n")
    return diary.failed


if __name__ == "__main__":
    main()
