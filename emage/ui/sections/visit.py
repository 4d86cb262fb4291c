"""Visit: a page that was loaded again, or has lost its connection, finds its session. Nothing of it is seen."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import gradio as gr

from emage.errors import EmageError
from emage.ui.components.shared.faults import tell
from emage.ui.components.timeline import Timeline, TimelineValue
from emage.ui.components.visit import ALIVE, READ_STORED_JS, STORE_JS, Stored, Visit
from emage.ui.sections.hints import describe_reference, load_reference, show_plan_forms
from emage.ui.sections.inputs import PageInputs
from emage.ui.sections.project import ProjectSection
from emage.ui.sections.result import ResultSection
from emage.ui.sections.section import MAKING, Activity, Section
from emage.ui.sections.settings import accepts_licence
from emage.ui.sections.speech import show_first_transcript
from emage.ui.sections.take_list import show_list
from emage.ui.sections.takes import TakesSection
from emage.ui.sections.transcript import describe_words
from emage.ui.service.service import session_of
from emage.ui.service.users import User


class VisitSection(Section):
    """What the page has set is stored in the browser, what it has made by the server, under a key of the page's own."""

    def build(self) -> None:
        self.visit = Visit(elem_id="visit")

    def wire(
        self,
        inputs: PageInputs,
        takes: TakesSection,
        list_outputs: list[gr.components.Component],
        result: ResultSection,
        project: ProjectSection,
        blocks: gr.Blocks,
        activity: Activity,
    ) -> None:
        """list_outputs: in the order of `show_list`."""
        self._inputs, self._takes, self._result, self._list_outputs = inputs, takes, result, list_outputs
        self._stored = [*inputs.components, *takes.remembered]
        gr.on(
            [component.change for component in self._stored],
            None,
            self._stored,
            self.visit,
            js=STORE_JS,
            api_name=False,
            show_progress="hidden",
            trigger_mode="always_last",
        )
        speech, hints, transcript = inputs.speech, inputs.hints, inputs.transcript
        shown = [self.visit, *self._stored, *hints.forms, hints.note, speech.note, transcript.note]
        shown += [each for each in (*list_outputs, *self._result_outputs) if each not in shown]
        come = blocks.load(
            self.come,
            self.visit,
            shown,
            js=READ_STORED_JS,
            api_name="come",
            api_visibility="undocumented",
            show_progress="hidden",
            queue=False,
        )
        come.then(**activity.begin("follow"))
        followed = come.then(
            result.follow,
            inputs.settings.body,
            result.making_outputs,
            api_name="follow",
            api_visibility="undocumented",
            show_progress_on=result.details,
            **MAKING,
        )
        activity.end("follow", followed)
        for event in project.saves:
            event.success(self.show_saved, None, self.visit, api_name=False, show_progress="hidden")
        gr.api(self.alive, api_name=ALIVE, queue=False, api_visibility="undocumented")

    @property
    def _result_outputs(self) -> list[gr.components.Component]:
        """In the order of `ResultSection.show_last`."""
        return [*self._result.outputs, self._result.words, self._result.stage]

    def alive(self, key: str) -> bool:
        """A page is there, and says so now and then; whether its session is known."""
        return self.service.users.hear(key)

    @tell
    def show_saved(self, request: gr.Request) -> dict[str, Any]:
        """Takes that are in a zip may be left without a question."""
        return gr.update(saved=sorted(self.service.user(request).saved))

    @tell
    def come(self, stored: Stored, request: gr.Request) -> dict:
        """A page is loaded, perhaps again: then all is there that was."""
        user, is_back = self.service.users.come(session_of(request), stored.key, self.service.first)
        shown: dict[gr.components.Component, Any] = {
            self.visit: gr.update(session=user.key, saved=sorted(user.saved)),
        }
        if is_back:
            return shown | self._show(user, stored.values, request)
        shown[self._result.stage] = self._result.show_nothing(request)
        if user.shown is not self.service.first:  # another recording was chosen meanwhile, and its words stand there
            return shown
        return shown | dict(zip(self._inputs.transcript.outputs, show_first_transcript(), strict=True))

    def _show(self, user: User, values: Sequence[Any], request: gr.Request) -> dict[gr.components.Component, Any]:
        inputs = self._inputs
        settings, hints, recording = inputs.settings, inputs.hints, user.shown and user.shown.recording
        if len(values) != len(self._stored):  # of a page of another version
            values = [component.value for component in self._stored]
        page = {
            component: value
            for component, value in zip(self._stored, values, strict=True)
            if value is None or isinstance(value, str | int | float)
        }
        plan = TimelineValue()
        with suppress(EmageError):  # a browser may store anything
            plan = hints.timeline.read(values[inputs.components.index(hints.timeline)])
        plan = TimelineValue() if recording is None else plan.for_recording(recording.num_frames)
        rows, choices, keep = show_list(user)
        choices, chosen = choices["choices"], page.get(hints.reference)
        if chosen not in dict(choices).values():
            chosen = choices[0][1] if choices else None
        note = gr.skip()
        with suppress(EmageError):  # it is told when it is used
            note = describe_reference(load_reference(chosen, user))
        page |= {
            inputs.speech.audio: None if recording is None else str(recording.file),
            hints.timeline: Timeline.show(plan, user.shown and user.shown.backdrop),
            **dict(zip(hints.forms, show_plan_forms(plan.plan), strict=True)),
            hints.reference: gr.update(choices=choices, value=chosen),
            hints.note: note,
            **settings.show_weights(page),
            **self._takes.show_remembered(page),
            inputs.transcript.note: describe_words(() if recording is None else recording.words),
            self._list_outputs[0]: rows,
            self._list_outputs[2]: keep,
        }
        smplx = accepts_licence(page.get(settings.body))
        return page | dict(zip(self._result_outputs, self._result.show_last(user, smplx, request), strict=True))
