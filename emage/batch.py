"""Many takes of one recording, to be compared: all subsets of a plan's parts or a list of plans, each with some seeds.

plans = subsets(plan)                                             # or read_plans(...)
chosen = variants(plans, settings, seeds=(1, 2))
hints = variant_hints(chosen, reference, Placement(), num_frames)
made = list(make_takes(pipe.take, audio, chosen, hints))
table = reports_csv(batch_reports(made, waveform, pipe.body))
"""

import itertools
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from emage.body import Body
from emage.errors import HintError
from emage.evaluation.report import TakeReport, common_mean_speed, take_report
from emage.generation.settings import TakeSettings
from emage.hints import FOLLOW, HintPlan, Hints, Placement
from emage.motion import Motion
from emage.motion.skeleton import HINT_PARTS
from emage.pipeline import Progress, Take
from emage.recording.audio import AudioSource

MAX_VARIANTS = 64
MAX_NAME_CHARACTERS = 80
NO_HINTS = "no hints"

MakeTake = Callable[[AudioSource, TakeSettings, Hints | None, str, Progress | None], Take]
"""`EmagePipeline.take`, or what stands for it: recording, settings, hints, caption and progress to a take."""

BatchProgress = Callable[[int, str, int, int], None]
"""Called with the number of the take in work, from 1 on, then as `Progress`. What it raises stops the work."""


@dataclass(frozen=True)
class NamedPlan:
    """A plan and what to call it.

    Raises:
        HintError: a name that is no text of one line, empty or too long.
    """

    name: str
    plan: HintPlan

    def __post_init__(self):
        name = self.name
        if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > MAX_NAME_CHARACTERS:
            raise HintError(f"{str(name)[:40]!r} names no plan; give a line of up to {MAX_NAME_CHARACTERS} characters.")


@dataclass(frozen=True)
class Variant:
    """One take to make. name: for people; file_stem: for its files; each unlike those of the others."""

    name: str
    file_stem: str
    plan: HintPlan
    settings: TakeSettings


@dataclass(frozen=True, eq=False)
class MadeTake:
    """A variant, the take that was made of it, and the seconds that it took."""

    variant: Variant
    take: Take
    took_s: float


def subsets(plan: HintPlan) -> list[NamedPlan]:
    """The plan with the spans of none of its parts, of each, of each two, ... and of all; `hands` are one part."""
    parts = [part for part in HINT_PARTS if any(span.part == part for span in plan.spans)]
    chosen = itertools.chain.from_iterable(itertools.combinations(parts, size) for size in range(len(parts) + 1))
    return [NamedPlan(_named(names), _only(plan, names)) for names in chosen]


def _named(parts: Sequence[str]) -> str:
    return " + ".join(part.replace("_", " ") for part in parts) or NO_HINTS


def _only(plan: HintPlan, parts: Sequence[str]) -> HintPlan:
    return replace(plan, spans=tuple(span for span in plan.spans if span.part in parts))


def read_plans(plans: Any) -> list[NamedPlan]:
    """From `[{"name": "arms", "plan": {"spans": [...]}}, ...]`, as objects or as text; names may be left out.

    Raises:
        HintError: not of that form, or what a plan raises.
    """
    if isinstance(plans, str):
        try:
            plans = json.loads(plans)
        except (ValueError, RecursionError) as error:
            raise HintError(f"The plans are not JSON that can be read ({error}).") from error
    if not isinstance(plans, list) or not plans or len(plans) > MAX_VARIANTS:
        raise HintError(f"Plans are a list of 1 to {MAX_VARIANTS}.")
    read = []
    for number, entry in enumerate(plans, start=1):
        if not isinstance(entry, dict) or "plan" not in entry or not set(entry) <= {"name", "plan"}:
            raise HintError(f'Entry {number} of the plans must be {{"name": ..., "plan": {{"spans": [...]}}}}.')
        try:
            read.append(NamedPlan(entry.get("name", f"plan {number}"), HintPlan.from_json(entry["plan"])))
        except HintError as error:
            raise HintError(f"Entry {number} of the plans: {error}") from error
    return read


def load_plans(path: str | Path) -> list[NamedPlan]:
    """`read_plans` from a file; raises HintError."""
    try:
        return read_plans(Path(path).read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise HintError(f"{path}: the plans cannot be read ({error}).") from error


def variants(plans: Sequence[NamedPlan], settings: TakeSettings, seeds: Sequence[int] = ()) -> list[Variant]:
    """Each plan with each seed, or with the settings' own where none is given.

    Raises:
        HintError: none, or more than `MAX_VARIANTS`. EmageError: a seed that is none.
    """
    count = len(plans) * max(len(seeds), 1)
    if not 1 <= count <= MAX_VARIANTS:
        raise HintError(f"{count} takes at once cannot be made, 1 to {MAX_VARIANTS} can. Leave out parts or seeds.")
    made: list[Variant] = []
    taken: set[str] = set()
    for plan in plans:
        for seed in seeds or (settings.seed,):
            chosen = replace(settings, seed=seed)
            name = unlike(
                plan.name if not seeds else f"{plan.name}, seed {seed}", lambda each: _stem_key(each) in taken
            )
            taken.add(_stem_key(name))
            made.append(Variant(name, file_stem(name), plan.plan, chosen))
    return made


def file_stem(name: str) -> str:
    """A name as a file of any system can have it."""
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-.") or "take"


def _stem_key(name: str) -> str:
    """Upper case does not tell files apart."""
    return file_stem(name).lower()


def unlike(name: str, is_taken: Callable[[str], bool]) -> str:
    """The name, or where another has it the first one with a number behind it, 2, 3, ..., that nobody has."""
    numbered = (f"{name} ({number})" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], numbered) if not is_taken(each))


def variant_hints(
    chosen: Sequence[Variant], reference: Motion | None, placement: Placement, num_frames: int
) -> list[Hints | None]:
    """The hints of each variant for a recording of `num_frames`; they share the reference, laid along it once.

    reference: None where no plan has a span; then there are no hints.

    Raises:
        HintError: spans without a reference, or beyond it or the recording.
    """
    # Spans of two plans may overlap with different modes, those of one plan may not.
    spans = tuple(replace(span, mode=FOLLOW) for variant in chosen for span in variant.plan.spans)
    if reference is None:
        if spans:
            raise HintError("The plans have spans, but there is no motion to take them from. Give a reference.")
        return [None for _ in chosen]
    HintPlan(spans).check_fits(num_frames)
    laid = placement.hints(reference, HintPlan(spans), num_frames).reference
    return [Hints(laid, variant.plan) for variant in chosen]


def make_takes(
    make: MakeTake,
    audio: AudioSource,
    chosen: Sequence[Variant],
    hints: Sequence[Hints | None],
    progress: BatchProgress | None = None,
) -> Iterator[MadeTake]:
    """Make one take after the other, each when it is asked for.

    Args:
        make: `pipe.take`.
        audio: the recording.
        chosen, hints: of `variants` and `variant_hints`.
        progress: tells which take is being made; what it raises ends the work, and takes handed out stay as they are.

    Raises:
        What `make` raises.
    """
    for number, (variant, shown) in enumerate(zip(chosen, hints, strict=True), start=1):
        started = time.monotonic()
        report = None if progress is None else partial(progress, number)
        take = make(audio, variant.settings, shown, variant.name, report)
        yield MadeTake(variant, take, time.monotonic() - started)


def batch_reports(made: Sequence[MadeTake], audio: np.ndarray, body: Body) -> list[tuple[str, TakeReport]]:
    """The metrics of takes that are to be compared, by their names, as `reports_csv` takes them.

    audio: (N,) float32 at 16 kHz. Which joints are at rest, all takes together tell.
    """
    mean_speed = common_mean_speed([each.take.motion for each in made], body)
    return [
        (
            each.variant.name,
            take_report(each.take.motion, audio, body, each.take.hints, mean_speed, each.took_s),
        )
        for each in made
    ]
