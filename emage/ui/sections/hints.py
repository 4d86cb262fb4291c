"""Hints: the motion that they are taken from, and the plan as table and as JSON beside the timeline."""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from emage.errors import EmageError, HintError
from emage.hints import FOLLOW, LOOP, MODES, ONCE, STRETCH, HintPlan, Placement, Span
from emage.motion import FPS, Motion
from emage.motion.skeleton import HINT_PARTS
from emage.recording.audio import frame_to_second, second_to_frame
from emage.recording.examples import EXAMPLES_FOLDER, INDEX, load_examples
from emage.ui.kept import KeptTake
from emage.ui.timeline import TimelineValue
from emage.ui.visitors import Visitor

UPLOADED = "uploaded"
_EXAMPLE, _TAKE = "example:", "take:"
TABLE_HEADERS = ["Part", "Start (s)", "End (s)", "Mode"]
_EMPTY_ROW = ["", "", "", ""]

HELP = """A **hint** is motion of your own for a part of the body over a span of time. Grey is hint, blue is generated.

- **Follow**: the network is shown the hint and makes the rest go with it; it may deviate.
- **Locked**: the result *is* the hint, exactly, with blended borders.

Choose below what motion the hints show, then paint where it counts. Parts that you leave alone are generated."""


@dataclass(frozen=True)
class Hints:
    """The components of this place on the page."""

    reference: gr.Dropdown
    upload: gr.UploadButton
    shift_s: gr.Number
    fill: gr.Radio
    note: gr.Markdown
    keep: gr.Button


@dataclass(frozen=True)
class PlanForms:
    """The plan beside the timeline."""

    table: gr.Dataframe
    blend: gr.Number
    json: gr.Code
    note: gr.Markdown


@dataclass(frozen=True)
class Reference:
    """A motion for hints, and the file name that a command gives it."""

    motion: Motion
    name: str


def build_hints() -> Hints:
    choices = reference_choices(None)
    with gr.Row(elem_id="reference-row"):
        reference = gr.Dropdown(
            choices,
            value=choices[0][1] if choices else None,
            label="Motion to take hints from",
            elem_id="reference",
            min_width=220,
            scale=3,
        )
        upload = gr.UploadButton(
            "Upload a motion (npz)…", elem_id="reference-file", file_types=[".npz"], size="sm", min_width=0
        )
    note = gr.Markdown(
        reference_note(load_reference(choices[0][1], None) if choices else None), elem_id="reference-note"
    )
    with gr.Row():
        fill = gr.Radio(
            [("Play once", ONCE), ("Loop", LOOP), ("Stretch to the recording", STRETCH)],
            value=LOOP,
            label="Along the recording",
            elem_id="fill",
            scale=3,
        )
        shift_s = gr.Number(
            0, label="Starts at (s)", info="Below 0 cuts off its beginning.", elem_id="shift", step=0.1, min_width=120
        )
    keep = gr.Button("Keep what I like of the last take, redo the rest", elem_id="keep", size="sm", interactive=False)
    return Hints(reference, upload, shift_s, fill, note, keep)


def build_plan_forms() -> PlanForms:
    gr.Markdown(
        "The same plan as on the timeline: change it wherever you like. Seconds go to the nearest frame. "
        f"Parts: {', '.join(HINT_PARTS)}. Modes: {', '.join(MODES)}."
    )
    table = gr.Dataframe(
        [_EMPTY_ROW],
        headers=TABLE_HEADERS,
        datatype=["str", "str", "str", "str"],
        type="array",
        column_count=4,
        label="Hints",
        elem_id="plan-table",
        interactive=True,
        buttons=[],
    )
    blend = gr.Number(
        HintPlan.blend_frames, label="Blend (frames)", elem_id="blend", precision=0, minimum=0, min_width=120
    )
    text = gr.Code(
        plan_text(HintPlan()),
        language="json",
        label="JSON",
        elem_id="plan-json",
        interactive=True,
        lines=6,
        max_lines=20,
    )
    note = gr.Markdown(elem_id="plan-note")
    return PlanForms(table, blend, text, note)


# --- the motion that hints are taken from -----------------------------------------------------------------------------


def reference_choices(visitor: Visitor | None) -> list[tuple[str, str]]:
    """(label, value): what the visitor uploaded, their takes with the newest first, and the examples."""
    uploaded, takes = (None, []) if visitor is None else (visitor.reference, visitor.takes)
    choices = [(f"Your motion: {uploaded.name}", UPLOADED)] if uploaded else []
    choices += [(f"Take: {take.caption}", take_choice(take)) for take in reversed(takes)]
    return choices + [(title, f"{_EXAMPLE}{path.stem}") for title, path in example_motions()]


def take_choice(take: KeptTake) -> str:
    return f"{_TAKE}{take.number}"


def example_motions() -> list[tuple[str, Path]]:
    """Title and file of the motions that ship with the project: made for hints first, then those of the recordings."""
    if not INDEX.is_file():
        return []
    try:
        entries = json.loads(INDEX.read_text("utf-8"))["motions"]
        motions = [(entry["title"], EXAMPLES_FOLDER / entry["motion"]) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EmageError(f"{INDEX} is damaged ({error!r}). Take it from the repository again.") from error
    return motions + [(f"Speaking: {example.title}", example.motion) for example in load_examples()]


def load_reference(choice: str | None, visitor: Visitor | None) -> Reference | None:
    """The chosen motion, at 30 frames a second; None where none is chosen. visitor: not needed for an example.

    Raises:
        MotionError: a file that is no motion. HintError: a take or file that is no longer there.
    """
    if not choice:
        return None
    if choice == UPLOADED:
        if visitor.reference is None or not visitor.reference.is_file():
            raise HintError("The uploaded motion is no longer there. Upload it again.")
        return Reference(Motion.load(visitor.reference).resample(FPS), visitor.reference.name)
    if choice.startswith(_TAKE):
        take = next((take for take in visitor.takes if take_choice(take) == choice), None)
        if take is None:
            raise HintError("The take that hints were to be taken from is no longer there. Choose another motion.")
        return Reference(Motion.load(take.motion), take.motion.name)
    path = next((path for _, path in example_motions() if f"{_EXAMPLE}{path.stem}" == choice), None)
    if path is None:
        raise HintError("There is no such reference motion. Choose one of the list.")
    return Reference(Motion.load(path).resample(FPS), path.name)


def placement_of(shift_s: float | None, fill: str) -> Placement:
    """Raises HintError."""
    if shift_s is not None and not isinstance(shift_s, int | float):
        raise HintError(f"The motion cannot start at '{str(shift_s)[:40]}'; give seconds.")
    return Placement.from_seconds(shift_s or 0.0, fill)


def reference_note(reference: Reference | None) -> str:
    if reference is None:
        return "No motion is chosen: everything is generated."
    return f"This motion lasts {reference.motion.duration_s:.1f} s."


# --- the plan in its other forms --------------------------------------------------------------------------------------


def plan_text(plan: HintPlan) -> str:
    """JSON with a span a line."""
    spans = ",\n".join(f"  {json.dumps(span.to_json())}" for span in plan.spans)
    return f'{{"spans": [{chr(10) + spans + chr(10) if spans else ""}], "blend_frames": {plan.blend_frames}}}'


def plan_rows(plan: HintPlan) -> list[list[Any]]:
    """For the table; one empty row where there is no span, to write into."""
    rows = [
        [span.part, f"{frame_to_second(span.start_frame):.3f}", f"{frame_to_second(span.end_frame):.3f}", span.mode]
        for span in plan.spans
    ]
    return rows or [_EMPTY_ROW]


def plan_of_rows(rows: list[list[Any]], blend_frames: int) -> tuple[HintPlan, str]:
    """The plan of a table, and a sentence on rows that are not finished, which do not count yet.

    Raises:
        HintError: a finished row that makes no sense.
    """
    spans, unfinished = [], []
    for number, row in enumerate(rows or [], start=1):
        cells = ["" if cell is None or _is_nan(cell) else str(cell).strip() for cell in row[:4]]
        if not any(cells):
            continue
        if len(cells) < 4 or not all(cells[:3]):
            unfinished.append(str(number))
            continue
        part, start, end, mode = cells
        spans.append(
            Span(
                part.lower().replace(" ", "_"),
                _frame(start, f"The start in row {number}"),
                _frame(end, f"The end in row {number}"),
                mode.lower() or FOLLOW,
            )
        )
    note = f"Row {', '.join(unfinished)} counts once part, start and end are there." if unfinished else ""
    return HintPlan(tuple(spans), blend_frames), note


def _is_nan(cell: Any) -> bool:
    return isinstance(cell, float) and math.isnan(cell)


def _frame(cell: str, what: str) -> int:
    try:
        second = float(cell.removesuffix("s").replace(",", "."))
    except ValueError:
        second = math.nan
    if not abs(second) < 1e6:
        raise HintError(f"{what} is '{cell[:20]}'; it must be a number of seconds, such as 1.5.")
    return second_to_frame(second)


def with_plan(value: TimelineValue, plan: HintPlan) -> TimelineValue:
    """Raises HintError where the plan does not fit the recording."""
    return replace(value, plan=plan)
