"""Many takes of one recording, to be compared: all subsets of a plan's parts or a list of plans, each with some seeds.

requests = list_requests(recording, list_subsets(plan), settings, seeds=(1, 2), reference=motion)
takes = list(make_takes(pipe.take, requests))
table = reports_csv(report_takes(takes, pipe.body))
"""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from emage.errors import HintError
from emage.generation.settings import TakeSettings
from emage.generation.take import Request, Take
from emage.hints import FOLLOW, HintPlan, Hints, Placement, cut_to_part, place_hints
from emage.motion import Motion
from emage.motion.skeleton import HINT_PARTS
from emage.pipeline import Progress
from emage.recording.recording import Recording
from emage.validation import build, checked

MAX_TAKES_AT_ONCE = 64
MAX_NAME_CHARACTERS = 80
NO_HINTS = "no hints"

MakeTake = Callable[[Request, Progress | None], Take]
"""`EmagePipeline.take`, or what stands for it."""

BatchProgress = Callable[[int, str, int, int], None]
"""Called with the number of the take in work, from 1 on, then as `Progress`. What it raises stops the work."""


@checked(HintError, "A plan's")
class NamedPlan:
    """A plan and what to call it.

    Raises:
        HintError: a name that is no text of one line, empty or too long.
    """

    name: Annotated[str, Field(max_length=MAX_NAME_CHARACTERS)]
    plan: HintPlan

    def __post_init__(self):
        if not self.name.strip() or not self.name.isprintable():
            raise HintError(f"{self.name[:40]!r} names no plan; give a line of up to {MAX_NAME_CHARACTERS} characters.")


def list_subsets(plan: HintPlan) -> list[NamedPlan]:
    """The plan with the spans of none of its parts, of each, of each two, ... and of all; `hands` are one part."""
    parts = [part for part in HINT_PARTS if any(span.part == part for span in plan.spans)]
    chosen = itertools.chain.from_iterable(itertools.combinations(parts, size) for size in range(len(parts) + 1))
    return [NamedPlan(_named(names), _only(plan, names)) for names in chosen]


def _named(parts: Sequence[str]) -> str:
    return " + ".join(part.replace("_", " ") for part in parts) or NO_HINTS


def _only(plan: HintPlan, parts: Sequence[str]) -> HintPlan:
    return replace(plan, spans=tuple(span for span in plan.spans if span.part in parts))


@checked(HintError)
class _PlanEntry:
    plan: dict[str, Any]
    name: str | None = None


def read_plans(plans: Any) -> list[NamedPlan]:
    """From `[{"name": "arms", "plan": {"spans": [...]}}, ...]`, as objects or as text; names may be left out.

    Raises:
        HintError: not of that form, or what a plan raises.
    """
    entries = build(
        Annotated[list[_PlanEntry], Field(min_length=1, max_length=MAX_TAKES_AT_ONCE)],
        plans,
        HintError,
        "The list of plans",
    )
    read = []
    for number, entry in enumerate(entries, start=1):
        try:
            name = f"plan {number}" if entry.name is None else entry.name
            read.append(NamedPlan(name, HintPlan.from_json(entry.plan)))
        except HintError as error:
            raise HintError(f"Entry {number} of the plans: {error}") from error
    return read


def load_plans(path: str | Path) -> list[NamedPlan]:
    """`read_plans` from a file; raises HintError."""
    try:
        return read_plans(Path(path).read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise HintError(f"{path}: the plans cannot be read ({error}).") from error


def list_requests(
    recording: Recording,
    plans: Sequence[NamedPlan],
    settings: TakeSettings,
    seeds: Sequence[int] = (),
    reference: Motion | None = None,
    placement: Placement | None = None,
) -> list[Request]:
    """Each plan with each seed, or with the settings' own where none is given, each with a caption of its own.

    All share the reference, laid along the recording once; see `emage.hints.place_hints`.

    Raises:
        HintError: none, more than `MAX_TAKES_AT_ONCE`, spans without a reference, or beyond it or the recording.
        EmageError: a seed that is none.
    """
    count = len(plans) * max(len(seeds), 1)
    if not 1 <= count <= MAX_TAKES_AT_ONCE:
        raise HintError(
            f"{count} takes at once cannot be made, 1 to {MAX_TAKES_AT_ONCE} can. Leave out parts or seeds."
        )
    # Spans of two plans may overlap with different modes, those of one plan may not.
    spans = tuple(replace(span, mode=FOLLOW) for named in plans for span in named.plan.spans)
    HintPlan(spans).check_fits(recording.num_frames)
    laid = place_hints(recording, HintPlan(spans), reference, placement or Placement())
    requests: list[Request] = []
    taken: set[str] = set()
    for named in plans:
        plan = cut_to_part(named.plan, recording)
        hints = None if laid is None else Hints(laid.reference, plan)
        for seed in seeds or (settings.seed,):
            caption = named.name if not seeds else f"{named.name}, seed {seed}"
            caption = make_unlike(caption, lambda each: _stem_key(each) in taken)
            taken.add(_stem_key(caption))
            requests.append(Request(recording, replace(settings, seed=seed), hints, caption))
    return requests


def file_stem(name: str) -> str:
    """A name as a file of any system can have it."""
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-.") or "take"


def _stem_key(name: str) -> str:
    """Upper case does not tell files apart."""
    return file_stem(name).lower()


def make_unlike(name: str, is_taken: Callable[[str], bool]) -> str:
    """The name, or where another has it the first one with a number behind it, 2, 3, ..., that nobody has."""
    numbered = (f"{name} ({number})" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], numbered) if not is_taken(each))


def make_takes(make: MakeTake, requests: Sequence[Request], progress: BatchProgress | None = None) -> Iterator[Take]:
    """Make one take after the other, each when it is asked for.

    Args:
        make: `pipe.take`.
        requests: of `list_requests`.
        progress: tells which take is being made; what it raises ends the work, and takes handed out stay as they are.

    Raises:
        What `make` raises.
    """
    for number, request in enumerate(requests, start=1):
        yield make(request, None if progress is None else partial(progress, number))
