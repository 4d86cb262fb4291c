"""Hints: the motion that they are taken from, the timeline, and the plan as a table and as JSON beside it."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from emage.errors import EmageError, HintError
from emage.export.arkit import load_motion
from emage.generation.take import StoredTake
from emage.hints import FOLLOW, LOCK, LOOP, MODES, ONCE, STRETCH, HintPlan, Hints, Placement, Span
from emage.motion import FPS, Motion
from emage.motion.skeleton import HINT_PARTS
from emage.recording.audio import frame_to_second, second_to_frame
from emage.recording.examples import EXAMPLES_FOLDER, INDEX, load_examples
from emage.ui.components.shared.faults import tell
from emage.ui.components.shared.fields import Code, Dataframe, Number, Radio, UserDropdown
from emage.ui.components.shared.text import as_text
from emage.ui.components.timeline import Backdrop, Timeline, TimelineValue
from emage.ui.sections.section import QUIETLY, READING, Section
from emage.ui.sections.settings import SettingsSection, next_seed
from emage.ui.service.users import User

UPLOADED = "uploaded"
_EXAMPLE, _TAKE, _HINT_OF = "example:", "take:", "hint:"
TABLE_HEADERS = ["Part", "Start (s)", "End (s)", "Mode"]
_EMPTY_ROW = ["", "", "", ""]

HELP = """A **hint** is motion of your own for a part of the body over a span of time. What is generated is blue.

- **Follow** (dark grey): the network is shown the hint and makes the rest go with it; it may deviate.
- **Locked** (light grey): the result *is* the hint, exactly, with blended borders.

Choose below what motion the hints show, then paint where it counts. Parts that you leave alone are generated."""


@dataclass(frozen=True)
class Reference:
    """A motion for hints, and the file name that a command gives it."""

    motion: Motion
    name: str


class HintsSection(Section):
    """The timeline, and what hints are taken from."""

    def build(self) -> None:
        gr.Markdown("## 2 · Hints on the timeline")
        first = self.service.first
        value = TimelineValue() if first is None else TimelineValue(first.backdrop.num_frames)
        self.timeline = Timeline(value, backdrop=None if first is None else first.backdrop, elem_id="timeline")
        with gr.Accordion("What is a hint?", open=False, elem_id="hint-help"):
            gr.Markdown(HELP)
        self._build_reference()
        with gr.Accordion("The plan as a table and as JSON", open=False, elem_id="plan-panel"):
            self._build_forms()

    def _build_reference(self) -> None:
        choices = list_references(None)
        chosen = choices[0][1] if choices else None
        with gr.Row(elem_id="reference-row"):
            self.reference = UserDropdown(
                choices,
                value=chosen,
                label="Hint motion",
                elem_id="reference",
                min_width=220,
                scale=3,
            )
            self.upload = gr.UploadButton(
                "Upload a hint motion (npz, or a face: csv, json)…",
                elem_id="reference-file",
                file_types=[".npz", ".csv", ".json"],
                size="sm",
                min_width=0,
            )
        self.note = gr.Markdown(describe_reference(load_reference(chosen, None)), elem_id="reference-note")
        with gr.Row():
            self.fill = Radio(
                [("Play once", ONCE), ("Loop", LOOP), ("Stretch to the recording", STRETCH)],
                value=LOOP,
                label="Along the recording",
                elem_id="fill",
                scale=3,
            )
            self.shift_s = Number(
                0,
                label="Starts at (s)",
                info="Below 0 cuts off its beginning.",
                elem_id="shift",
                step=0.1,
                min_width=120,
            )
        self.keep = gr.Button(
            "Keep what I like of the last take, redo the rest", elem_id="keep", size="sm", interactive=False
        )

    def _build_forms(self) -> None:
        gr.Markdown(
            "The same plan as on the timeline: change it wherever you like. Seconds go to the nearest frame. "
            f"Parts: {', '.join(HINT_PARTS)}. Modes: {', '.join(MODES)}."
        )
        self.table = Dataframe(
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
        self.blend = Number(
            None,
            label="Blend (frames)",
            info="Before and after locked hints. Empty: as many as the distance needs.",
            elem_id="blend",
            precision=0,
            minimum=0,
            min_width=120,
        )
        self.json = Code(
            write_plan(HintPlan()),
            language="json",
            label="JSON",
            elem_id="plan-json",
            interactive=True,
            lines=6,
            max_lines=20,
        )
        self.plan_note = gr.Markdown(elem_id="plan-note")

    @property
    def forms(self) -> list[gr.components.Component]:
        """In the order of `show_plan_forms`."""
        return [self.table, self.json, self.blend, self.plan_note]

    @property
    def reference_inputs(self) -> list[gr.components.Component]:
        """In the order of `mark_reference`."""
        return [self.reference, self.shift_s, self.fill]

    def wire(self, settings: SettingsSection) -> None:
        outputs = [self.note, self.timeline]
        self.chosen = gr.on(
            [self.reference.input, self.shift_s.input, self.fill.input],
            self.show_reference,
            self.reference_inputs,
            outputs,
            api_name="show_reference",
            **QUIETLY,
        )
        self.uploaded = self.upload.upload(
            self.take_reference,
            [self.upload, self.shift_s, self.fill],
            [self.reference, *outputs],
            api_name="take_reference",
            show_progress="hidden",
            **READING,
        )
        self.face_check = {
            "fn": self.check_face,
            "inputs": [settings.weights, self.reference],
            "outputs": self.timeline,
        }
        gr.on([self.reference.change, settings.weights.change], **self.face_check, api_name="check_face", **QUIETLY)
        settings.loaded.then(**self.face_check, api_name=False, **QUIETLY)
        self.keep.click(
            self.keep_take,
            self.timeline,
            [*self.reference_inputs, *outputs, settings.sample, settings.seed, self.plan_note],
            api_name="keep_take",
            show_progress="hidden",
        )
        self.timeline.input(self.show_plan, self.timeline, self.forms, api_name="plan_of_timeline", **QUIETLY)
        self.json.input(
            self.plan_of_json,
            [self.json, self.timeline],
            [self.timeline, self.table, self.blend, self.plan_note],
            api_name="plan_of_json",
            **QUIETLY,
        )
        gr.on(
            [self.table.input, self.blend.input],
            self.plan_of_table,
            [self.table, self.blend, self.timeline],
            [self.timeline, self.json, self.plan_note],
            api_name="plan_of_table",
            **QUIETLY,
        )

    # --- the reference

    def mark_reference(self, user: User, reference: Sequence[Any]) -> Backdrop | None:
        """What lies behind the spans, with the frames in which one can be painted."""
        choice, shift_s, fill = reference
        reach = None
        try:
            loaded, placement = load_reference(choice, user), read_placement(shift_s, fill)
            if loaded is None:
                reach = (0, 0)
            elif user.shown is not None:
                reach = placement.reach(loaded.motion.frames_at(FPS), user.shown.recording.num_frames)
        except EmageError:  # told where it is chosen, and when it is used
            pass
        return user.change_backdrop(reference_span=reach)

    @tell
    def show_reference(self, request: gr.Request, *reference) -> tuple:
        """Say what the chosen motion is, and how far it reaches."""
        choice, shift_s, fill = reference
        user = self.service.user(request)
        loaded = load_reference(choice, user)
        read_placement(shift_s, fill)
        backdrop = self.mark_reference(user, reference)
        behind = gr.skip() if backdrop is None else gr.update(backdrop=backdrop.to_json())
        return describe_reference(loaded), behind

    @tell
    def check_face(self, weights: str | None, choice: str | None, request: gr.Request) -> dict[str, Any]:
        """Say on the timeline where these weights, once they are loaded, cannot lock a face to the chosen motion."""
        user = self.service.user(request)
        pipeline, fault = self.service.registry.loaded(weights), None
        try:
            reference = load_reference(choice, user)
        except EmageError:  # told where it is chosen, and when it is used
            reference = None
        if pipeline is not None and reference is not None:
            try:
                pipeline.check_hints(Hints(reference.motion, HintPlan((Span("face", 0, 1, LOCK),))))
            except HintError as error:
                fault = str(error)
        before = None if user.shown is None else user.shown.backdrop.face_fault
        backdrop = user.mark_face(fault)
        return gr.skip() if backdrop is None or fault == before else gr.update(backdrop=backdrop.to_json())

    @tell
    def take_reference(self, path: str, shift_s: float, fill: str, request: gr.Request) -> tuple:
        """An uploaded motion becomes the reference."""
        user = self.service.user(request)
        path = user.receive(path)
        load_motion(path)
        user.use_reference(path)
        choices = gr.update(choices=list_references(user), value=UPLOADED)
        return choices, *self.show_reference(request, UPLOADED, shift_s, fill)

    @tell
    def keep_take(self, value: TimelineValue, request: gr.Request) -> tuple:
        """The last chosen take becomes the reference, at its own place; the next sample is another."""
        user = self.service.user(request)
        if not user.takes:
            raise HintError("There is no take yet whose parts could be kept. Generate one first.")
        chosen = [take for take in user.takes if take.number in user.chosen]
        take = (chosen or user.takes)[-1]
        start_frame = 0 if take.recording is None else take.recording.start_frame
        reference = (choice_of_take(take), frame_to_second(start_frame), ONCE)
        note = "" if value.plan.spans else "Now paint over what you like: it is kept, and the rest is made anew."
        return (
            gr.update(choices=list_references(user), value=reference[0]),
            *reference[1:],
            *self.show_reference(request, *reference),
            True,
            next_seed(take.settings.seed),
            note,
        )

    # --- the plan

    def show_plan(self, value: TimelineValue) -> tuple:
        """The timeline's plan in its other forms."""
        return show_plan_forms(value.plan)

    def plan_of_json(self, text: str | None, value: TimelineValue) -> tuple:
        """The plan of the JSON; while it is no plan, a sentence that says why, and nothing changes."""
        try:
            value = replace(value, plan=HintPlan.from_json(text or ""))
        except HintError as error:
            return gr.skip(), gr.skip(), gr.skip(), f"**The JSON does not count yet:** {as_text(str(error))}"
        return value, write_rows(value.plan), value.plan.blend_frames, ""

    def plan_of_table(self, rows: list, blend_frames: float | None, value: TimelineValue) -> tuple:
        """The same for the table."""
        try:
            plan, note = read_rows(rows, None if blend_frames is None else int(blend_frames))
            value = replace(value, plan=plan)
        except HintError as error:
            return gr.skip(), gr.skip(), f"**The table does not count yet:** {as_text(str(error))}"
        return value, write_plan(plan), note


# --- the motion that hints are taken from -----------------------------------------------------------------------------


def list_references(user: User | None) -> list[tuple[str, str]]:
    """(label, value): what the user uploaded, their takes with the newest first, and the examples."""
    uploaded, takes = (None, ()) if user is None else (user.reference, user.takes)
    choices = [(f"Your motion: {uploaded.name}", UPLOADED)] if uploaded else []
    choices += [(f"Take: {take.caption}", choice_of_take(take)) for take in reversed(takes)]
    reused = () if user is None else [take for take in reversed(takes) if take.number in user.reused]
    choices += [(f"Hints of: {take.caption}", choice_of_hint(take)) for take in reused]
    return choices + [(title, f"{_EXAMPLE}{path.stem}") for title, path in list_example_motions()]


def name_reference(choice: str, user: User) -> str:
    """Its name among those that can be chosen."""
    return next((label for label, value in list_references(user) if value == choice), choice)


def choice_of_take(take: StoredTake) -> str:
    return f"{_TAKE}{take.number}"


def choice_of_hint(take: StoredTake) -> str:
    """Of the motion that a take's hints were taken from, as it was laid along its recording."""
    return f"{_HINT_OF}{take.number}"


def list_example_motions() -> list[tuple[str, Path]]:
    """Title and file of the motions that ship with the project: made for hints first, then those of the recordings."""
    if not INDEX.is_file():
        return []
    try:
        entries = json.loads(INDEX.read_text("utf-8"))["motions"]
        motions = [(entry["title"], EXAMPLES_FOLDER / entry["motion"]) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EmageError(f"{INDEX} is damaged ({error!r}). Take it from the repository again.") from error
    return motions + [(f"Speaking: {example.title}", example.motion) for example in load_examples()]


def load_reference(choice: str | int | None, user: User | None) -> Reference | None:
    """The chosen motion, at its own frame rate; None where none is chosen. choice: a program may send any. user: not
    needed for an example.

    Raises:
        MotionError: a file that is no motion. HintError: a take or file that is no longer there, or no choice.
    """
    if not choice:
        return None
    choice = str(choice)
    if choice == UPLOADED:
        if user.reference is None or not user.reference.is_file():
            raise HintError("The uploaded hint motion is no longer there. Upload it again.")
        return Reference(load_motion(user.reference), user.reference.name)
    if choice.startswith((_TAKE, _HINT_OF)):
        take = next((take for take in user.takes if choice in (choice_of_take(take), choice_of_hint(take))), None)
        path = take and (take.motion if choice == choice_of_take(take) else take.reference)
        if path is None:
            raise HintError("The take that was the hint motion is no longer there. Choose another hint motion.")
        return Reference(Motion.load(path), path.name)
    path = next((path for _, path in list_example_motions() if f"{_EXAMPLE}{path.stem}" == choice), None)
    if path is None:
        raise HintError("There is no such hint motion. Choose one of the list.")
    return Reference(Motion.load(path), path.name)


def read_placement(shift_s: float | None, fill: str) -> Placement:
    """Raises HintError."""
    if shift_s is not None and not isinstance(shift_s, int | float):
        raise HintError(f"The motion cannot start at '{str(shift_s)[:40]}'; give seconds.")
    return Placement.from_seconds(shift_s or 0.0, fill)


def describe_reference(reference: Reference | None) -> str:
    if reference is None:
        return "No motion is chosen: everything is generated."
    return f"This motion lasts {reference.motion.duration_s:.1f} s."


# --- the plan in its other forms --------------------------------------------------------------------------------------


def write_plan(plan: HintPlan) -> str:
    """JSON with a span a line."""
    spans = ",\n".join(f"  {json.dumps(span.to_json())}" for span in plan.spans)
    return (
        f'{{"spans": [{chr(10) + spans + chr(10) if spans else ""}], "blend_frames": {json.dumps(plan.blend_frames)}}}'
    )


def write_rows(plan: HintPlan) -> list[list[Any]]:
    """For the table; one empty row where there is no span, to write into."""
    rows = [
        [span.part, f"{frame_to_second(span.start_frame):.3f}", f"{frame_to_second(span.end_frame):.3f}", span.mode]
        for span in plan.spans
    ]
    return rows or [_EMPTY_ROW]


def read_rows(rows: list[list[Any]], blend_frames: int | None) -> tuple[HintPlan, str]:
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


def show_plan_forms(plan: HintPlan) -> tuple:
    """For table, JSON, blend and note."""
    return write_rows(plan), write_plan(plan), plan.blend_frames, ""
