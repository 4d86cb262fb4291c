"""The page: its cards on a user's way, one below the other. What happens in each stands in `sections`."""

import asyncio
import copy
import html
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.exceptions import InvalidPathError
from starlette.middleware import Middleware

from emage.motion import say_basis
from emage.ui.components.shared.faults import answer_fault_of_files, make_error
from emage.ui.components.shared.paths import hide_paths
from emage.ui.sections.exports import ExportsSection
from emage.ui.sections.hints import HintsSection
from emage.ui.sections.inputs import PageInputs
from emage.ui.sections.programs import ProgramsSection
from emage.ui.sections.project import ProjectSection
from emage.ui.sections.result import ResultSection
from emage.ui.sections.section import LONG, Activity
from emage.ui.sections.settings import SettingsSection
from emage.ui.sections.speech import TAKE_VIDEOS_JS, SpeechSection
from emage.ui.sections.takes import TakesSection
from emage.ui.sections.transcript import TranscriptSection
from emage.ui.sections.visit import VisitSection
from emage.ui.service.calls import NobodyWaitsError
from emage.ui.service.gate import Gate
from emage.ui.service.registry import describe_source
from emage.ui.service.service import Service, session_of
from emage.ui.service.streams import StreamKeeper

TITLE = "EMAGE: speech in, a whole moving person out"
INTRO = """# Speech in, a whole moving person out
Record or upload speech: EMAGE makes body, hands, face and path. Pin any part of the body, any time, to motion of your
own, and compare takes side by side. Weights that know words let what is said choose the gesture; the sound alone will
do, in any language."""

FOR_PROGRAMS = ("generate", "batch", "words", "export", "doctor")
"""Endpoints that the API view lists."""
_RESULT_SECONDS = 6 * 3600
"""Uploads are deleted from the server after this time at the latest; when a user leaves, and when it shuts down."""
_MAX_WAITING = 1000
"""Calls in Gradio's queue: more than `CallLimits` lets in, for what nobody waits for is there till its turn comes."""
_MAX_THREADS = 64
"""More than all work takes that may wait at once (see `sections.section`): the rest is for the page's edits."""
_MAX_SESSIONS = 300
"""Gradio stores a megabyte of each till it is over; the longest unheard of go first."""
_STYLES = Path(__file__).parent / "page.css"
KEYS = """**Ctrl+Enter** (⌘+Enter) generates, wherever you are on the page; by **Tab**, Generate is the first stop
after the recording. Timeline, stage and plots each list the keys that they know, just below: "Mouse, touch and
keys", "Keys and gestures", "How to read and use the plots"."""
_GENERATE_BY_KEY = """() => {
  document.querySelector("#generate")?.setAttribute("title", "Ctrl+Enter");
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.repeat) return;
    const before = document.activeElement;
    const generate = document.querySelector("#generate");
    generate.focus({ preventScroll: true }); // a field that is left sends what was typed
    generate.click();
    before?.focus({ preventScroll: true });
  }, true);
}"""


class Page:
    """The sections, by name, laid out and connected."""

    def __init__(self, service: Service, blocks: gr.Blocks):
        self.service = service
        gr.Markdown(INTRO, elem_id="intro")
        gr.HTML(show_notes(service), padding=False, elem_id="notes")
        with gr.Row(elem_id="desk"):  # in the order of the keyboard; the style sheet says where each stands
            with gr.Column(elem_classes="card", elem_id="speech-card"):
                self.speech = SpeechSection(service)
            with gr.Column(elem_id="stage"):
                self.result = ResultSection(service)
                self.exports = ExportsSection(service)
            with gr.Column(elem_classes="card", elem_id="words-card"):
                self.transcript = TranscriptSection(service)
            with gr.Column(elem_classes="card", elem_id="hints-card"):
                self.hints = HintsSection(service)
            with gr.Column(elem_classes="card", elem_id="settings-card"):
                self.settings = SettingsSection(service)
        with gr.Column(elem_classes="card"):
            self.takes = TakesSection(service)
        with gr.Column(elem_classes="card"):
            self.project = ProjectSection(service)
        with gr.Accordion("Keys", open=False, elem_id="keys-panel"):
            gr.Markdown(KEYS)
        self.programs = ProgramsSection(service)
        self.visit = VisitSection(service)
        self._wire(blocks)

    def _wire(self, blocks: gr.Blocks) -> None:
        inputs = PageInputs(self.service, self.speech, self.transcript, self.hints, self.settings)
        list_outputs = self.takes.list_outputs(self.hints)
        activity = Activity([self.transcript, self.result, self.takes])
        activity.wire_begins()
        self.settings.wire()
        self.hints.wire(self.settings)
        self.speech.wire(self.hints, self.settings, self.transcript)
        self.transcript.wire(self.hints.timeline, self.settings)
        self.result.wire(inputs, list_outputs)
        self.exports.wire(self.result, self.settings)
        self.takes.wire(inputs, self.result)
        self.project.wire(inputs, list_outputs, self.result)
        self.programs.wire()
        self.visit.wire(inputs, self.takes, list_outputs, self.result, self.project, blocks, activity)
        activity.wire_ends()
        for script in (activity.wait_for_stops(), TAKE_VIDEOS_JS):
            blocks.load(None, js=script, api_name=False)

    def leave(self, request: gr.Request) -> None:
        """The tab is closed, or its connection is lost."""
        self.service.users.leave(session_of(request))


class PageBlocks(gr.Blocks):
    """Launches with the page's look, and without Gradio's history of runs, which would store every edit.

    later: inputs that came after programs were written that do not send them. Whoever calls what the page calls for
    itself may leave out what comes last: then it is as on a page that nobody has touched.
    """

    later: Collection[gr.components.Component] = ()
    service: Service
    _loop: asyncio.AbstractEventLoop | None = None

    async def process_api(self, *arguments: Any, event_id: str | None = None, **named: Any) -> dict[str, Any]:
        """It is noted when a call's turn has come and when it is answered."""
        self._loop = asyncio.get_running_loop()
        if event_id is None:  # what did not come through the queue
            return await super().process_api(*arguments, event_id=event_id, **named)
        calls = self.service.calls
        try:
            calls.begin(event_id)
            answer = await super().process_api(*arguments, event_id=event_id, **named)
        except NobodyWaitsError as error:
            raise make_error(str(error)) from error
        except BaseException:
            calls.end(event_id)
            raise
        (calls.pause if answer.get("is_generating") else calls.end)(event_id)
        return answer

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *others, **named) -> Any:
        """What Gradio refuses before a component sees it is told like any other fault.

        So is text with half of a character, which comes as "\\ud800" and could be sent nowhere again.
        """
        try:
            json.dumps(inputs, ensure_ascii=False).encode()
            missing = block_fn.inputs[len(inputs) :]
            if block_fn.api_visibility != "public" or all(component in self.later for component in missing):
                inputs = [*inputs, *(component.value for component in missing)]
            return await super().preprocess_data(block_fn, inputs, *others, **named)
        except gr.Error as error:
            if error.print_exception:  # of a component of Gradio's own
                raise make_error(error.message) from error
            raise
        except UnicodeEncodeError as error:
            raise make_error("A text holds half of a character, as \\ud800 is. Send it as UTF-8.") from error
        except InvalidPathError as error:
            raise make_error("This file was not uploaded here. Upload it first.") from error
        except Exception as error:  # it checks little, and raises whatever comes of it
            raise make_error("A value is missing, or is no file as its upload returns it. See the API view.") from error

    async def postprocess_data(self, block_fn: Any, predictions: Any, state: Any) -> list[Any]:
        """What a handler leaves as it is costs nothing: Gradio would make each such component anew, a dozen of them for
        every piece of a take that comes to the page."""
        outputs = list(block_fn.outputs)
        is_listed = isinstance(predictions, list | tuple) and len(predictions) == len(outputs) > 1
        if block_fn.batch or not is_listed:
            return await super().postprocess_data(block_fn, predictions, state)
        same = gr.skip()
        changed = [number for number, each in enumerate(predictions) if not (isinstance(each, dict) and each == same)]
        answers = [None if block.stateful else gr.skip() for block in outputs]
        if not changed:
            return answers
        fewer = copy.copy(block_fn)
        fewer.outputs = [outputs[number] for number in changed]
        values = [predictions[number] for number in changed]
        told = await super().postprocess_data(fewer, values[0] if len(values) == 1 else values, state)
        for number, answer in zip(changed, told, strict=True):
            answers[number] = answer
        return answers

    def end_session(self, session: str) -> None:
        """What Gradio stores of a session goes: all components as they were shown there. Safe from any thread."""
        if self._loop is not None and not self._loop.is_closed():  # Gradio looks there from its loop, without a lock
            self._loop.call_soon_threadsafe(self._drop_session, session)

    def _drop_session(self, session: str) -> None:
        self.state_holder.session_data.pop(session, None)
        self.state_holder.time_last_used.pop(session, None)

    def launch(self, *arguments, **options) -> Any:
        self.service.users.end_session = self.end_session
        gate = Middleware(
            Gate,
            calls=self.service.calls,
            long=list_long_endpoints(self),
            lose=self.service.users.lose,
            leave=self.service.users.leave,
        )
        own = {
            "max_threads": _MAX_THREADS,
            "run_history": False,
            "state_session_capacity": _MAX_SESSIONS,
            "theme": make_theme(),
            "css_paths": [_STYLES],
            "footer_links": ["api", "settings"],
            "app_kwargs": {
                "exception_handlers": {OSError: answer_fault_of_files},
                "middleware": [Middleware(StreamKeeper), gate],
            },
        }
        return super().launch(*arguments, **(own | options))


def make_theme() -> gr.themes.Base:
    return gr.themes.Default(
        primary_hue="blue",
        neutral_hue="slate",
        radius_size="lg",
        spacing_size="md",
        font=["system-ui", "sans-serif"],  # nothing is fetched from elsewhere
        font_mono=["ui-monospace", "monospace"],
    ).set(
        # White on the theme's own blue is too pale to read.
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_700",
    )


def build_page(service: Service) -> PageBlocks:
    """The page as a Gradio app, not yet launched."""
    with PageBlocks(title=TITLE, delete_cache=(600, _RESULT_SECONDS)) as blocks:
        blocks.service = service
        page = Page(service, blocks)
        blocks.load(None, js=_GENERATE_BY_KEY, api_name=False)
        blocks.unload(page.leave)
        settings, transcript = page.settings, page.transcript
        blocks.later = [
            settings.without_audio,
            *transcript.outputs[:2],
            settings.film,
            settings.body,
            *page.programs.later,
        ]
        hide_plumbing(blocks)
    return blocks.queue(max_size=_MAX_WAITING, api_open=False)  # no way past the queue


def list_long_endpoints(blocks: gr.Blocks) -> set[int | str]:
    """Numbers and names of those whose calls are work."""
    kinds = {kind["concurrency_id"] for kind in LONG}
    long = {number: function for number, function in blocks.fns.items() if function.concurrency_id in kinds}
    return {*long, *(function.api_name for function in long.values() if isinstance(function.api_name, str))}


def hide_plumbing(blocks: gr.Blocks) -> None:
    """The API view lists what programs need; what the page calls for itself has no place there."""
    for function in blocks.fns.values():
        if function.api_visibility == "public" and function.api_name not in FOR_PROGRAMS:
            function.api_visibility = "undocumented"


def describe_weights_and_body(service: Service) -> tuple[str, str]:
    """What is honest to say before anything is made: in a few words, and in whole sentences. No path of this machine is
    among them."""
    pipeline = service.registry.own
    source, body = pipeline.source, pipeline.body
    is_demo = source is not None and source.kind == "embedded"
    basis = pipeline.generator.config.expression_basis
    short = ["Demo weights" if is_demo else f"Weights: {describe_source(source)}"]
    whole = [
        "The demo weights are small, and were trained on synthetic speech to show that everything works."
        if is_demo
        else f"Weights: {describe_source(source)}."
    ]
    if source is not None and source.notice:
        short = [f"{short[0]} (why?)"]
        whole.append(hide_paths(f"{source.notice[:1].upper()}{source.notice[1:].removesuffix('.')}."))
    short.append(body.name.split(" (")[0])
    whole.append(f"Body: {body.name}.")
    if not body.shows(basis):
        short.append("its face moves the jaw alone")
        whole.append(
            f"These weights make {say_basis(basis)}, which this body cannot show: its face moves the jaw alone. The "
            "motion file has them all."
        )
    return " · ".join(short), " ".join(whole)


def show_notes(service: Service) -> str:
    """A line, and what it unfolds to."""
    short, whole = map(html.escape, describe_weights_and_body(service))
    return f"<details><summary>{short}</summary><p>{whole}</p></details>"
