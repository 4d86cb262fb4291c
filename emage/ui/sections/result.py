"""Generate: one take, or a grid of them, and the same for programs; cancel."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import gradio as gr

from emage.batch import Variant, read_plans, subsets, variants
from emage.errors import Cancelled, EmageError, HintError, RenderError
from emage.files import write_text
from emage.generation.settings import TakeSettings, rebuilt
from emage.hints import HintPlan, Placement
from emage.motion import FPS, Motion
from emage.recording.audio import load_audio, num_frames, second_to_frame
from emage.render.settings import RenderSettings
from emage.ui.controls import accepts_licence, picture_settings, take_settings
from emage.ui.hints import load_reference, placement_of, plan_text
from emage.ui.kept import KeptTake
from emage.ui.studio import MAX_TAKES, Order, Progress, Studio
from emage.ui.timeline import TimelineValue
from emage.ui.told import told
from emage.ui.visitors import Visitor

CANCELLED = "Cancelled."
NOTHING_RECORDED = "There is no recording yet: record some speech, upload a file or choose an example."
FIRST_STEP = "A recording is in already: press **Generate**, and the result appears here."
MAX_SIZE_PX = 1280

_API_TRIM = ("start_s", "end_s")
_API_KINDS = (TakeSettings, RenderSettings, Placement)


@dataclass(frozen=True)
class Result:
    """The components that show a take."""

    video: gr.Video
    details: gr.Markdown
    mp4: gr.DownloadButton
    npz: gr.DownloadButton
    plan: gr.DownloadButton
    command: gr.Code

    @property
    def all(self) -> list[gr.components.Component]:
        """In the order of `result_values`."""
        return [self.video, self.details, self.mp4, self.npz, self.plan, self.command]


def session_of(request: gr.Request) -> str:
    """Raises EmageError for a call without one: what such callers had would be everybody's."""
    if not request.session_hash:
        raise EmageError(
            "This call names no session. Call it through gradio_client, or post it to /gradio_api/call/ and its name."
        )
    return request.session_hash


def build_result() -> Result:
    video = gr.Video(label="Result", elem_id="video", autoplay=True, buttons=[], interactive=False)
    details = gr.Markdown(FIRST_STEP, elem_id="details")
    with gr.Row(elem_classes="chips"):
        mp4 = gr.DownloadButton("Video (mp4)", elem_id="mp4", interactive=False, size="sm", min_width=0)
        npz = gr.DownloadButton("Motion (npz)", elem_id="npz", interactive=False, size="sm", min_width=0)
        plan = gr.DownloadButton("Plan (json)", elem_id="plan-file", interactive=False, size="sm", min_width=0)
    with gr.Accordion("The command that repeats this take", open=False, elem_id="command-panel"):
        command = gr.Code(language="shell", label="Command", elem_id="command", wrap_lines=True, buttons=["copy"])
    return Result(video, details, mp4, npz, plan, command)


def result_values(take: KeptTake, note: str = "") -> list[Any]:
    """What `Result.all` shows of a take."""
    plan = take.motion.with_suffix(".plan.json")
    if not plan.exists():
        write_text(plan, plan_text(take.plan) + "\n")
    return [
        None if take.video is None else str(take.video),
        details_of(take, note),
        offered(take.video),
        offered(take.motion),
        offered(plan),
        take.command,
    ]


def details_of(take: KeptTake, note: str = "") -> str:
    made = f"**{take.caption}** · {take.duration_s:.1f} s of speech, {take.num_frames} frames"
    if take.took_s is not None:
        made += f" · {take.took_s:.1f} s to make"
    lines = [made, note] if note else [made]
    if take.stages_s:
        lines.append(" · ".join(f"{stage} {seconds:.1f} s" for stage, seconds in take.stages_s))
    return "\n\n".join(lines)


def offered(path: Path | None) -> dict[str, Any]:
    """Of a download button."""
    return gr.update(value=None if path is None else str(path), interactive=path is not None)


class Making:
    """Handlers."""

    def __init__(self, studio: Studio):
        self._studio = studio

    @told
    def generate(self, request: gr.Request, bar: gr.Progress, *values) -> Iterator[tuple[KeptTake, str] | None]:
        """One take; None where it was cancelled."""
        order, visitor = self.order(request, *values)
        yield self._one(order, visitor, bar, session_of(request))

    def _one(self, order: Order, visitor: Visitor, bar: gr.Progress, session: str) -> tuple[KeptTake, str] | None:
        self._check_room(visitor, 1)
        try:
            with self._studio.visitors.jobs.running(session) as stop:
                progress = Progress(bar, stop)
                self._studio.load_weights(order)
                with self._studio.turns.turn(session, progress.waiting):
                    take, note = self._studio.make(order, visitor, progress)
        except Cancelled:
            return None
        with visitor.lock:
            visitor.takes.append(take)
        return take, note

    @told
    def batch(
        self, request: gr.Request, bar: gr.Progress, plans_text: str, by_parts: bool, seeds_text: str, *values
    ) -> Iterator[tuple[list[tuple[KeptTake, str]], int]]:
        """The takes of a grid as they come, each with its note, and how many it has in all."""
        order, visitor = self.order(request, *values)
        if order.reference is None and values[2]:  # the timeline may be empty where plans are listed
            reference = load_reference(values[2], visitor)
            order = replace(order, reference=reference.motion, reference_name=reference.name)
        session = session_of(request)
        made: list[tuple[KeptTake, str]] = []
        grid = grid_of(order, plans_text, by_parts, seeds_text)
        self._check_room(visitor, len(grid))
        try:
            with self._studio.visitors.jobs.running(session) as stop:
                self._studio.load_weights(order)
                for number, variant in enumerate(grid, start=1):
                    progress = Progress(bar, stop)
                    progress.prefix = f"{number} of {len(grid)} ({variant.name}): "
                    value = replace(order.value, plan=variant.plan)
                    one = replace(order, value=value, settings=variant.settings, caption=variant.name)
                    with self._studio.turns.turn(session, progress.waiting):
                        made.append(self._studio.make(one, visitor, progress))
                    with visitor.lock:
                        visitor.takes.append(made[-1][0])
                    yield made, len(grid)
        except Cancelled:
            yield made, len(grid)

    def order(
        self,
        request: gr.Request,
        audio: str | None,
        value: TimelineValue,
        reference_choice: str | None,
        shift_s: float | None,
        fill: str,
        *settings,
    ) -> tuple[Order, Visitor]:
        """From what the page shows. Raises EmageError."""
        *of_take, renderer, camera, face, size, quality, body = settings
        if not audio:
            raise EmageError(NOTHING_RECORDED)
        visitor = self._studio.visitors.of(session_of(request))
        reference = load_reference(reference_choice, visitor) if value.plan.spans else None
        order = Order(
            audio=visitor.received(audio),
            value=value,
            settings=take_settings(self._studio, *of_take),
            picture=checked_picture(picture_settings(renderer, camera, face, size, quality)),
            reference=None if reference is None else reference.motion,
            placement=placement_of(shift_s, fill),
            reference_name="reference.npz" if reference is None else reference.name,
            accept_licence=accepts_licence(body),
        )
        return order, visitor

    @told
    def for_programs(
        self,
        audio: str | None,
        plan: str | None,
        hint_motion: str | None,
        settings: dict | None,
        request: gr.Request,
        bar: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio hands it over
    ) -> tuple[str | None, str, dict]:
        """A take from plain values: its mp4, its npz in BEAT2's format, and what was done."""
        if not audio:
            raise EmageError(NOTHING_RECORDED)
        visitor = self._studio.visitors.of(session_of(request))
        recording = visitor.received(audio)
        hint_motion = visitor.received(hint_motion) if hint_motion else None
        order = order_of_values(recording, plan, hint_motion, settings, self._studio.settings.max_duration_s)
        if not self._studio.shelf.offers(self._studio.shelf.choice(order.settings.weights)):
            self._studio.shelf.pipeline(order.settings.weights)  # raises, with what is offered
        result = self._one(order, visitor, bar, session_of(request))
        if result is None:
            raise EmageError(CANCELLED)
        take, note = result
        report = {
            "caption": take.caption,
            "frames": take.num_frames,
            "seconds_by_stage": dict(take.stages_s),
            "command": take.command,
            "note": note,
        }
        return None if take.video is None else str(take.video), str(take.motion), report

    @told
    def cancel(self, request: gr.Request) -> Any:
        """Stop what runs for this visitor; Gradio takes what waits out of the queue."""
        return CANCELLED if self._studio.visitors.jobs.cancel(session_of(request)) else gr.skip()

    def _check_room(self, visitor: Visitor, more: int) -> None:
        if len(visitor.takes) + more > MAX_TAKES:
            raise EmageError(f"The list holds {MAX_TAKES} takes at most. Remove some, or save the session first.")


def grid_of(order: Order, plans_text: str, by_parts: bool, seeds_text: str) -> list[Variant]:
    """Raises HintError or EmageError."""
    if by_parts:
        if not order.value.plan.spans:
            raise HintError("There is nothing to combine yet: paint hints for two parts or more on the timeline.")
        plans = subsets(order.value.plan)
    else:
        plans = read_plans(plans_text or "")
    if order.reference is None and any(named.plan.spans for named in plans):
        raise HintError("These plans have hints, but there is no motion to take them from. Choose a reference motion.")
    return variants(plans, order.settings, seeds_of(seeds_text))


def seeds_of(text: str | None) -> tuple[int, ...]:
    """From "1, 2, 3". Raises EmageError."""
    words = re.split(r"[\s,;]+", (text or "").strip())
    if words == [""]:
        return ()
    if not all(re.fullmatch(r"\d{1,9}", word) for word in words):
        raise EmageError(
            f"'{(text or '')[:40]}' are no seeds; give whole numbers with commas between, such as 1, 2, 3."
        )
    return tuple(int(word) for word in words)


def checked_picture(picture: RenderSettings) -> RenderSettings:
    """Raises RenderError where it is larger than the page draws."""
    if max(picture.panel_width, picture.panel_height) > MAX_SIZE_PX:
        raise RenderError(f"The page draws up to {MAX_SIZE_PX} pixels; the command line draws larger videos.")
    return picture


def order_of_values(
    audio: Path, plan: str | None, hint_motion: Path | None, settings: Any, max_duration_s: float
) -> Order:
    """From what a program sends. `settings` are the fields of TakeSettings, RenderSettings and Placement, and start_s
    and end_s of the part of the recording that is used; the plan counts from the recording's beginning.

    Raises:
        EmageError: a field that none of them has, or what they raise.
    """
    settings = {} if settings is None or settings == "" else settings
    if isinstance(settings, str):
        try:
            settings = json.loads(settings)
        except (ValueError, RecursionError) as error:
            raise EmageError(f"The settings are not JSON that can be read ({error}).") from error
    known = {name.name for kind in _API_KINDS for name in fields(kind)} | {*_API_TRIM}
    if not isinstance(settings, dict) or not set(settings) <= known:
        raise EmageError(f"The settings must be an object with no other fields than {', '.join(sorted(known))}.")
    take, picture, placement = (
        rebuilt(kind, {name: settings[name] for name in settings if name in kind.__dataclass_fields__}, "settings")
        for kind in _API_KINDS
    )
    frames = num_frames(len(load_audio(audio, max_duration_s)))
    start, end = (_frame(settings, name, default) for name, default in zip(_API_TRIM, (0, frames), strict=True))
    return Order(
        audio=audio,
        value=TimelineValue(frames, HintPlan.from_json(plan) if plan else HintPlan(), start, min(end, frames)),
        settings=take,
        picture=checked_picture(picture),
        reference=Motion.load(hint_motion).resample(FPS) if hint_motion else None,
        placement=placement,
        reference_name=hint_motion.name if hint_motion else "reference.npz",
    )


def _frame(settings: dict, name: str, default: int) -> int:
    second = settings.get(name)
    if second is None:
        return default
    if isinstance(second, bool) or not isinstance(second, int | float) or not 0 <= second < 1e6:
        raise EmageError(f"{name} is {str(second)[:40]}; give seconds from the recording's beginning.")
    return second_to_frame(second)
