"""Attacks on a page: `python -m tests.benchmarks.attack [--only NAME ...] [--each 20]`.

It starts a page with tiny weights on loopback and does what a hostile or careless visitor might: each attack is tried
some times, and each try is refused in a sentence, or does no harm, or gets through. What gets through is listed, and
the command fails. Nothing leaves this machine; a run takes a few minutes of a free core.
"""

import argparse
import io
import json
import os
import pickle
import re
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile
import torch

from emage.errors import EmageError
from emage.generation.take import Take
from emage.hints import HintPlan, Hints, Span
from emage.models.checkpoint import WEIGHTS_NAMES, load_state
from emage.project import Project
from tests.app_server import QUICK, Caller, Server, find_files, name_file, resident_mb, run_page, run_server, wait_until
from tests.conftest import REGRESSION, TALK_FRAMES, make_motion, make_speech
from tests.mutations import mutate, seed_of, try_reading, write
from tests.ui.test_bad_input import OF_PAGE, OF_SETTINGS, OF_SPANS, list_values, span
from tests.ui.test_bad_sessions import read_zip, write_zip
from tests.ui.test_service import find_list

_ANSWERED_WITHIN_S = 120.0
_MOST_MORE_MB = 1500.0
_REFUSED, _HARMLESS, _THROUGH = "refused", "harmless", "through"
_SENTENCE = re.compile(r"[\w\]\)\"'”’][.)\]](\s|$)")

Outcome = tuple[str, str]
"""What became of a try, and what was told."""


@dataclass
class Page:
    """A page under attack, and a visitor who minds their own business."""

    server: Server
    folder: Path
    each: int
    other: Caller
    caller: Caller
    talk: Path
    others_take: Path
    secrets: list[str] = field(default_factory=list)

    def judge(self, succeeded: bool, told: object) -> Outcome:
        """A refusal is a sentence without a traceback or a path of the server."""
        text = told if isinstance(told, str) else json.dumps(told)
        if any(secret in text for secret in self.secrets) and not succeeded:
            return _THROUGH, f"names a path of the server: {text[:200]}"
        if succeeded:
            return _HARMLESS, ""
        if not isinstance(told, str) or "Traceback" in told or not _SENTENCE.search(told):
            return _THROUGH, f"no sentence: {told!r}"[:200]
        return _REFUSED, told

    def ask(self, api_name: str, *values: Any) -> Outcome:
        began = time.monotonic()
        outcome = self.judge(*self.caller.ask(api_name, *values))
        took_s = time.monotonic() - began
        return (_THROUGH, f"took {took_s:.0f} s") if took_s > _ANSWERED_WITHIN_S else outcome


# --- what was found and mended ----------------------------------------------------------------------------------------


def attack_texts(page: Page) -> Iterator[Outcome]:
    """Transcripts that take a parser long, while another visitor edits."""
    head = b'File type = "ooTextFile"\nObject class = "TextGrid"\n'
    texts = [
        ("a.TextGrid", head + b"[" + b" " * 120_000),
        ("a.TextGrid", head + b'"' + b" " * 1_000_000),
        ("a.TextGrid", head + b"item [1]:" * 50_000),
        ("a.txt", b"a" * 4_000_000),
        ("a.txt", b"a " * 2_000_000),
        ("a.json", b"[" * 1_000_000),
        ("a.json", b'{"segments": ' * 100_000),
        ("a.srt", b"00:00:01,000 --> " * 200_000),
        ("a.vtt", b"WEBVTT\n\n" + b"<" * 2_000_000),
    ]
    page.caller.ask("show_recording", page.caller.upload(page.talk), None, None, 0, "loop")
    for name, content in texts:
        with ThreadPoolExecutor(1) as pool:
            tried = pool.submit(page.ask, "take_words", page.caller.upload_as(name, content))
            began = time.monotonic()
            page.other.get_values("edit_takes", [])
            waited_s = time.monotonic() - began
            yield (_THROUGH, f"another's edit took {waited_s:.0f} s") if waited_s > 30 else tried.result()


def attack_sessions(page: Page) -> Iterator[Outcome]:
    """Small files that become large: hours of silence, references of a frame a second that many takes have."""
    path = page.folder / "hours.flac"
    soundfile.write(path, np.zeros(8000 * 3600, np.int16), 8000)
    still = {name: np.zeros((10_800, width)) for name, width in (("poses", 165), ("expressions", 100), ("trans", 3))}
    slow = replace(make_motion(10_800), fps=1.0, **still).save(page.folder / "slow.npz").read_bytes()
    takes = [
        Take(make_motion(9), f"{number}", Hints(make_motion(9, number), HintPlan((Span("upper", 0, 9),)))).store(
            Path(tempfile.mkdtemp(dir=page.folder)), "take"
        )
        for number in range(6)
    ]
    session = page.folder / "session.zip"
    small = read_zip(Project().save(session).read_bytes())
    large = read_zip(Project(takes=tuple(takes)).save(session).read_bytes())
    large |= {name: slow for name in large if name.startswith("references/")}
    hours = path.read_bytes()
    content = json.loads(small["session.json"]) | {"recording": "recording.flac"}
    whole = write_zip(small | {"session.json": json.dumps(content), "recording.flac": hours})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in large.items():
            archive.writestr(name, file)
    for made in (whole, packed.getvalue(), whole[: len(whole) // 2]):
        yield page.ask("load_session", page.caller.upload_as("session.zip", made), None)
    for audio in (hours, hours[: len(hours) // 2]):
        yield page.ask("show_recording", page.caller.upload_as("hours.flac", audio), None, None, 0, "loop")


def attack_takes(page: Page) -> Iterator[Outcome]:
    """A session that cannot be loaded, a lost connection: the takes that were there stay."""
    visitor = Caller(page.server.url)
    key, _ = visitor.come()
    fields = {"speech": visitor.upload(page.talk), "timeline": {"num_frames": TALK_FRAMES}}
    visitor.get_values("generate_on_page", *visitor.page_values("generate_on_page", **fields))
    for content in (b"", b"PK\5\6" + bytes(18), mutate("session", 1), mutate("session", 2)):
        succeeded, told = visitor.ask("load_session", visitor.upload_as("session.zip", content), None)
        yield page.judge(succeeded, told)
    for _ in range(3):
        visitor.leave()
        visitor = Caller(page.server.url)
        again, shown = visitor.come(key)
        rows = shown["takes"]["value"] if "takes" in shown else None
        yield (_HARMLESS, "") if again == key and rows else (_THROUGH, "the takes are gone")
    visitor.leave()


def attack_line(page: Page) -> Iterator[Outcome]:
    """77 calls for takes, each of a session of its own, and another visitor's edits."""
    audio = page.caller.upload(page.talk)
    url, data = f"{page.server.url}/gradio_api/call/generate", [audio, "", None, QUICK, "", None]
    with httpx.Client(timeout=120) as http:
        answers = [http.post(url, json={"data": data}) for _ in range(77)]
        for answer in answers:
            told = None if answer.is_success else answer.json().get("detail")
            yield (_HARMLESS, "") if answer.is_success else page.judge(False, told)
        admitted = sum(answer.is_success for answer in answers)
        yield (_HARMLESS, "") if admitted <= 12 else (_THROUGH, f"{admitted} were let in")
        yield page.judge(*page.other.ask("plan_of_timeline", {"num_frames": 9}))
        for answer in answers:
            if answer.is_success:
                with http.stream("GET", f"{url}/{answer.json()['event_id']}") as lines:
                    next(lines.iter_lines())


def attack_links(page: Page) -> Iterator[Outcome]:
    """What Gradio can do and the page does not need: links to its state, and calls past the queue."""
    before = find_files(page.server.uploads)
    for _ in range(page.each):
        answer = httpx.get(
            f"{page.server.url}/gradio_api/deep_link", params={"session_hash": page.other.session}, timeout=60
        )
        yield page.judge(answer.is_success, answer.json().get("detail"))
    left = len(find_files(page.server.uploads)) - len(before)
    yield (_HARMLESS, "") if left <= 0 else (_THROUGH, f"{left} files were written")
    for way in ("run", "api"):
        answer = httpx.post(
            f"{page.server.url}/gradio_api/{way}/generate",
            json={"data": [None] * 6, "session_hash": page.caller.session},
            timeout=60,
        )
        yield page.judge(answer.is_success, answer.json().get("detail"))
    answer = httpx.post(
        f"{page.server.url}/gradio_api/call/generate", content=b'["' + b"a" * (9 << 20) + b'"]', timeout=60
    )
    yield page.judge(answer.is_success, answer.json().get("detail"))


def attack_faults(page: Page) -> Iterator[Outcome]:
    """Values that once ended without a sentence."""
    audio = page.caller.upload(page.talk)
    for settings in (
        {"speaker": [1]},
        {"speaker": {}},
        {"seed": float("inf")},
        {"size": 1e999},
        {"temperature": "1e999"},
    ):
        yield page.ask("generate", audio, "", None, QUICK | settings, "", None)
    for text in ("\ud800", "a\udfffb", "1e999"):
        yield page.ask("edit_takes", [{"number": 1, "caption": text, "chosen": True}])
        yield page.ask("generate", audio, "", None, QUICK, text, None)


# --- what held before -------------------------------------------------------------------------------------------------


def attack_files(page: Page) -> Iterator[Outcome]:
    """Files of the server and of others: fetched, and named in calls."""
    uploads, own = page.server.uploads, page.caller.upload(page.talk)
    guesses = [
        "/etc/passwd", "/proc/self/environ", "../../../../etc/passwd", str(Path.home() / ".bashrc"), str(uploads),
        str(uploads / "user-*"), str(page.others_take.parent), str(page.others_take.parents[1]),
        str(REGRESSION / "model.safetensors"), "file:///etc/passwd", "http://127.0.0.1:1/x", "//etc/passwd",
        "..%2f..%2f..%2fetc/passwd", "/etc/passwd%00.wav", f"{own['path']}/../../../../../../etc/passwd",
    ]  # fmt: skip
    for guess in guesses:
        answer = page.caller.get(guess)
        yield (_THROUGH, f"{guess} was served") if answer.is_success else (_REFUSED, "")
    for guess in [*guesses[:6], str(page.others_take), "a\0b", 5]:
        for api_name, place in (("generate", 0), ("generate", 2), ("load_session", 0), ("take_reference", 0)):
            values = {"generate": [own, "", None, QUICK, "", None], "load_session": [None, None]}
            sent = values.get(api_name, [None, 0, "loop"])
            sent[place] = name_file(guess)
            outcome = page.ask(api_name, *sent)
            yield (_THROUGH, f"{guess} was read by {api_name}") if outcome[0] == _HARMLESS else outcome


def attack_values(page: Page) -> Iterator[Outcome]:
    """Settings, spans and values of the page that nobody would give."""
    audio = page.caller.upload(page.talk)
    for name, value in list_values(OF_SETTINGS):
        yield page.ask("generate", audio, "", None, QUICK | {"seed": 1, name: value}, "", None)
    for name, value in list_values(OF_SPANS):
        plan = json.dumps({"spans": [span() | {name: value}]})
        yield page.ask("generate", audio, plan, None, QUICK, "", None)
    for name, value in list_values(OF_PAGE):
        fields = {"speech": audio, "timeline": {"num_frames": TALK_FRAMES}, name: value}
        yield page.ask("generate_on_page", *page.caller.page_values("generate_on_page", **fields))


def attack_archives(page: Page) -> Iterator[Outcome]:
    """Damaged sessions and motions."""
    for number in range(2 * page.each):
        yield page.ask("load_session", page.caller.upload_as("session.zip", mutate("session", number)), None)
        yield page.ask("take_reference", page.caller.upload_as("hint.npz", mutate("motion", number)), 0, "loop")


def attack_recordings(page: Page) -> Iterator[Outcome]:
    """Damaged recordings of every kind."""
    for kind in ("wav", "flac", "ogg", "mp3", "m4a"):
        for number in range(page.each // 2):
            audio = page.caller.upload_as(f"a.{kind}", mutate(kind, number))
            yield page.ask("show_recording", audio, None, None, 0, "loop")


def attack_bodies(page: Page) -> Iterator[Outcome]:
    """Damaged body files, which an operator may be given."""
    for name in ("body", "bin", "old bin", "safetensors", "generator's config", "VQ-VAE's config"):
        seed_of(name)
        for number in range(page.each // 2):
            with tempfile.TemporaryDirectory() as made:
                write(name, Path(made), mutate(name, number))
                outcome = try_reading(name, Path(made))
            yield {"read": _HARMLESS, "refused": _REFUSED}.get(outcome.kind, _THROUGH), outcome.told


def attack_by_code(page: Page) -> Iterator[Outcome]:
    """Code in weights: nothing of it runs."""
    mark = page.folder / "it-ran"

    class Evil:
        def __init__(self, call: Callable, *arguments: object):
            self._call = call, arguments

        def __reduce__(self) -> tuple:
            return self._call

    calls = [
        (os.system, f"touch {mark}"), (eval, f"open({str(mark)!r}, 'w')"), (exec, f"open({str(mark)!r}, 'w')"),
        (open, str(mark), "w"), (os.mkdir, str(mark)), (__import__, "os"),
    ]  # fmt: skip
    for call in calls:
        for is_zip in (True, False):
            folder = Path(tempfile.mkdtemp(dir=page.folder))
            path = folder / WEIGHTS_NAMES[1]
            if is_zip:
                torch.save({"a": Evil(*call)}, path)
            else:
                path.write_bytes(pickle.dumps({"a": Evil(*call)}, protocol=2))
            try:
                load_state(folder)
                yield _THROUGH, f"{call[0].__name__} was accepted"
            except EmageError as error:
                yield (_THROUGH, f"{call[0].__name__} ran") if mark.exists() else (_REFUSED, str(error))


def attack_by_script(page: Page) -> Iterator[Outcome]:
    """Script and pictures in captions and names: they come back as text."""
    visitor = Caller(page.server.url)
    hostile = [
        "<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "![](http://127.0.0.1/x.png)", "[a](javascript:b)",
        "</textarea><svg onload=alert(1)>",
    ]  # fmt: skip
    values = visitor.page_values(
        "generate_on_page", speech=visitor.upload(page.talk), timeline={"num_frames": TALK_FRAMES}
    )
    number = find_list(visitor.get_values("generate_on_page", *values))["value"][0]["number"]
    for text in hostile:
        visitor.get_values("edit_takes", [{"number": number, "caption": text, "chosen": True}])
        details = visitor.get_values("show_take", None, event={"number": number})[1]
        assert isinstance(details, str)
        raw = re.search(r"<(img|script|svg)\b|(?<!\\)!\[|(?<!\\)\]\(", details)
        yield (_THROUGH, f"shown as it is: {details!r}"[:200]) if raw else (_HARMLESS, "")
    for name in ("<img src=x>.wav", "a;$(touch x).wav", "../../a.wav", "-rf.wav", "x" * 300 + ".wav"):
        audio = visitor.upload_as(name, page.talk.read_bytes())
        inside = Path(audio["path"]).is_relative_to(page.server.uploads)
        yield (_HARMLESS, "") if inside and "<img" not in audio["path"] else (_THROUGH, audio["path"])
    visitor.leave()


def attack_processes(page: Page) -> Iterator[Outcome]:
    """Work that its visitor leaves in the middle: no process goes on."""
    for _ in range(3):
        visitor = Caller(page.server.url)
        audio = visitor.upload(page.talk)
        visitor.ask("generate", audio, "", None, QUICK, "", None, until="Drawing")
        visitor.leave()
    try:
        wait_until(lambda: not list_children(page.server.process.pid), 60)
        yield _HARMLESS, ""
    except AssertionError:
        yield _THROUGH, f"processes go on: {list_children(page.server.process.pid)}"


def attack_stop(page: Page) -> Iterator[Outcome]:
    """A server that is killed, and one that is stopped, in the middle of a take: no recording stays."""
    recording = page.folder / "secret.wav"
    soundfile.write(recording, make_speech(16_000 * 300), 16_000)
    folder = page.folder / "stopped"
    folder.mkdir()
    command = ["app.py", "--weights", str(REGRESSION)]
    for end in ("kill", "terminate"):
        with run_server(command, folder, GRADIO_SERVER_PORT="PORT") as server:
            left = find_files(server.uploads)
            yield (_THROUGH, f"a dead server's files are there: {left}") if left else (_HARMLESS, "")
            caller = Caller(server.url)
            audio = caller.upload(recording)
            asks = threading.Thread(
                target=lambda caller=caller, audio=audio: _ignore(
                    caller.ask, "generate", audio, "", None, {}, "", None
                ),
                daemon=True,
            )
            asks.start()
            wait_until(lambda caller=caller: any("motion" in told for told in caller.progress), 120)
            getattr(server.process, end)()
            server.process.wait(60)
    left = find_files(folder / "uploads")
    yield (_THROUGH, f"left: {left}") if left else (_HARMLESS, "")


def _ignore(call: Callable, *arguments: object) -> None:
    try:
        call(*arguments)
    except (httpx.HTTPError, AssertionError):  # the server has gone
        return


def list_children(process_id: int) -> list[str]:
    """Names of the processes that a process has begun."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().rsplit(")", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, parent = rest.split()[:2]
        if int(parent) == process_id and state != "Z":
            found.append(name.split("(", 1)[1])
    return found


ATTACKS: dict[str, Callable[[Page], Iterator[Outcome]]] = {
    "1 texts that parse for long": attack_texts,
    "2, 3 archives that become large": attack_sessions,
    "4, 6 takes lost by a fault or a connection": attack_takes,
    "5 one address fills the line": attack_line,
    "9 values that had no sentence": attack_faults,
    "10 script in captions and names": attack_by_script,
    "11 links to the state, calls past the queue": attack_links,
    "11 a server killed or stopped at work": attack_stop,
    "files of the server and of others": attack_files,
    "code in weights": attack_by_code,
    "hostile settings, spans and values": attack_values,
    "damaged sessions and motions": attack_archives,
    "damaged recordings": attack_recordings,
    "damaged bodies, weights and configs": attack_bodies,
    "work left in the middle": attack_processes,
}
"""By what was found, with its number in the report of it, and what held before."""


def run(page: Page, name: str) -> tuple[Counter, list[str]]:
    """How many tries of an attack ended how, and what got through."""
    counts, through = Counter(), []
    before_mb = resident_mb(page.server.process.pid)
    for kind, told in ATTACKS[name](page):
        counts[kind] += 1
        if kind == _THROUGH:
            through.append(told)
    if page.server.process.poll() is not None:
        raise SystemExit(f"The server is down after: {name}. {page.server.log.read_text()[-2000:]}")
    more_mb = resident_mb(page.server.process.pid) - before_mb
    if more_mb > _MOST_MORE_MB:
        counts[_THROUGH] += 1
        through.append(f"the server has {more_mb:.0f} MB more")
    return counts, through


def begin(server: Server, folder: Path, each: int) -> Page:
    """A page with a visitor's take in it."""
    talk = folder / "talk.wav"
    soundfile.write(talk, make_speech(TALK_FRAMES * 1600 // 3), 16_000)
    other = Caller(server.url)
    _, motion, _ = other.get_values("generate", other.upload(talk), "", None, QUICK | {"video": False}, "", None)
    page = Page(server, folder, each, other, Caller(server.url), talk, Path(motion["path"]))
    page.secrets = [str(server.uploads), str(Path.home()), "/site-packages/"]
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(ATTACKS), default=list(ATTACKS), metavar="NAME")
    parser.add_argument("--each", type=int, default=20, help="tries of attacks that are made by chance")
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as made, run_page(Path(made), str(REGRESSION), 5, 64) as server:
        page = begin(server, Path(made), options.each)
        print("| attack | tried | refused in a sentence | did no harm | got through | took, s |")
        print("|---|---|---|---|---|---|")
        for name in options.only:
            began = time.monotonic()
            counts, through = run(page, name)
            took_s = time.monotonic() - began
            print(
                f"| {name} | {counts.total()} | {counts[_REFUSED]} | {counts[_HARMLESS]} | {counts[_THROUGH]} "
                f"| {took_s:.0f} |",
                flush=True,
            )
            for told in through:
                sys.stderr.write(f"{name}: {told}\n")
            failed += len(through)
        page.other.get_values("edit_takes", [])
        log = server.log.read_text()
        if "Traceback" in log:
            failed += 1
            sys.stderr.write(f"The server's log has a traceback:\n{log[-3000:]}\n")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
