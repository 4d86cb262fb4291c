"""`generate` for programs: plain arguments, in components that no browser shows."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import gradio as gr
from pydantic import Field

from emage.errors import Cancelled, EmageError
from emage.generation.settings import TakeSettings
from emage.generation.take import Request
from emage.hints import HintPlan, Placement, place_hints
from emage.motion import FPS, Motion
from emage.recording.audio import second_to_frame
from emage.render.settings import RenderSettings
from emage.ui.components.shared.faults import tell
from emage.ui.components.timeline import TimelineValue
from emage.ui.sections.inputs import NOTHING_RECORDED
from emage.ui.sections.section import CANCELLED, MAKING, Section
from emage.ui.sections.settings import check_picture
from emage.ui.service.service import PageRequest
from emage.ui.service.users import User
from emage.validation import build, checked

_Second = Annotated[float, Field(ge=0, lt=1e6)]


@checked(EmageError)
class _Part:
    """Of the recording that is used, in seconds from its beginning."""

    start_s: _Second | None = None
    end_s: _Second | None = None


_KINDS = (TakeSettings, RenderSettings, Placement, _Part)


class ProgramsSection(Section):
    """The endpoint."""

    def build(self) -> None:
        with gr.Row(visible=False):
            self._inputs = [
                gr.Audio(type="filepath", label="audio"),
                gr.Textbox(label="plan"),
                gr.File(type="filepath", label="hint_motion"),
                gr.JSON(label="settings"),
            ]
            self._outputs = [gr.Video(label="video"), gr.File(label="motion"), gr.JSON(label="report")]
            self._button = gr.Button("generate")

    def wire(self) -> None:
        self._button.click(self.generate, self._inputs, self._outputs, api_name="generate", **MAKING)

    @tell
    def generate(
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
        user = self.service.user(request)
        wanted = self._read(user, user.receive(audio), plan, hint_motion and user.receive(hint_motion), settings)
        registry = self.service.registry
        weights = registry.choice(wanted.takes[0].settings.weights)
        if not registry.offers(weights):
            registry.pipeline(weights)  # raises, with what is offered
        try:
            take, note = next(iter(self.service.make(wanted, request, bar)))
        except Cancelled as error:
            raise EmageError(CANCELLED) from error
        report = {
            "caption": take.caption,
            "frames": take.num_frames,
            "seconds_by_stage": dict(take.stages_s),
            "command": take.command,
            "note": note,
        }
        return None if take.video is None else str(take.video), str(take.motion), report

    def _read(self, user: User, audio: Path, plan: str | None, hint_motion: Path | None, settings: Any) -> PageRequest:
        """`settings` are the fields of TakeSettings, RenderSettings and Placement, and start_s and end_s of the part of
        the recording that is used; the plan counts from the recording's beginning.

        Raises:
            EmageError: a field that none of them has, or what they raise.
        """
        given = {} if settings in (None, "") else settings
        settings = build(dict[str, Any], given, EmageError, "The settings' object")
        known = {field.name for kind in _KINDS for field in fields(kind)}
        if not set(settings) <= known:
            raise EmageError(f"The settings must be an object with no other fields than {', '.join(sorted(known))}.")
        take, picture, placement, part = (
            build(
                kind, {name: settings[name] for name in settings if name in kind.__dataclass_fields__}, EmageError, ""
            )
            for kind in _KINDS
        )
        recording = self.service.decode(user, audio).trim(
            second_to_frame(part.start_s or 0), None if part.end_s is None else second_to_frame(part.end_s)
        )
        reference = None if hint_motion is None else Motion.load(hint_motion).resample(FPS)
        value = TimelineValue(recording.num_frames, HintPlan.from_json(plan) if plan else HintPlan())  # with its limits
        hints = place_hints(recording, value.plan, reference, placement)
        return PageRequest(
            takes=[Request(recording, take, hints)],
            picture=check_picture(picture),
            reference_name="reference.npz" if hint_motion is None else hint_motion.name,
            placement=placement,
        )
