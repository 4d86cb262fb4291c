"""The page: its cards on a user's way, one below the other. What happens in each stands in `sections`."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.exceptions import InvalidPathError

from emage.ui.components.shared.faults import make_error
from emage.ui.sections.exports import ExportsSection
from emage.ui.sections.hints import HintsSection
from emage.ui.sections.inputs import PageInputs
from emage.ui.sections.programs import ProgramsSection
from emage.ui.sections.project import ProjectSection
from emage.ui.sections.result import ResultSection
from emage.ui.sections.settings import SettingsSection
from emage.ui.sections.speech import SpeechSection, show_first_transcript
from emage.ui.sections.takes import TakesSection
from emage.ui.sections.transcript import TranscriptSection
from emage.ui.service.registry import describe_source
from emage.ui.service.service import Service, session_of

TITLE = "EMAGE: speech in, a whole moving person out"
INTRO = """# Speech in, a whole moving person out
Record or upload speech: EMAGE makes body, hands, face and path. Pin any part of the body, any time, to motion of your
own, and compare takes side by side. Weights that know words let what is said choose the gesture; the sound alone will
do, in any language."""

_RESULT_SECONDS = 6 * 3600
"""Uploads are deleted from the server after this time at the latest; when a user leaves, and when it shuts down."""
_MAX_WAITING = 60
"""Calls in the queue; who comes then is told to come back."""
_MAX_SESSIONS = 300
"""Gradio stores half a megabyte of each also after they have left; the longest unheard of go first."""
_STYLES = Path(__file__).parent / "page.css"


class Page:
    """The sections, by name, laid out and connected."""

    def __init__(self, service: Service):
        self.service = service
        gr.Markdown(INTRO, elem_id="intro")
        gr.Markdown(describe_weights_and_body(service), elem_id="notes")
        with gr.Row(elem_id="desk"):
            with gr.Column(scale=7, min_width=320, elem_id="work"):
                with gr.Column(elem_classes="card"):
                    self.speech = SpeechSection(service)
                    self.transcript = TranscriptSection(service)
                with gr.Column(elem_classes="card"):
                    self.hints = HintsSection(service)
                with gr.Column(elem_classes="card"):
                    self.settings = SettingsSection(service)
            with gr.Column(scale=5, min_width=320, elem_id="stage"):
                self.result = ResultSection(service)
                self.exports = ExportsSection(service)
        with gr.Column(elem_classes="card"):
            self.takes = TakesSection(service)
        with gr.Column(elem_classes="card"):
            self.project = ProjectSection(service)
        self.programs = ProgramsSection(service)
        self._wire()

    def _wire(self) -> None:
        inputs = PageInputs(self.service, self.speech, self.transcript, self.hints, self.settings)
        list_outputs = self.takes.list_outputs(self.hints)
        self.settings.wire()
        self.hints.wire(self.settings)
        self.speech.wire(self.hints, self.settings, self.transcript)
        self.transcript.wire(self.hints.timeline, self.settings)
        self.result.wire(inputs, list_outputs)
        self.exports.wire(self.result, self.settings)
        self.takes.wire(inputs, self.result)
        self.project.wire(inputs, list_outputs)
        self.programs.wire()

    def leave(self, request: gr.Request) -> None:
        """The tab is closed."""
        self.service.users.leave(session_of(request))


class PageBlocks(gr.Blocks):
    """Launches with the page's look, and without Gradio's history of runs, which would store every edit.

    later: inputs that came after programs were written that do not send them.
    """

    later: Collection[gr.components.Component] = ()

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *others, **named) -> Any:
        """What Gradio refuses before a component sees it is told like any other fault.

        So is text with half of a character, which comes as "\\ud800" and could be sent nowhere again.
        """
        try:
            json.dumps(inputs, ensure_ascii=False).encode()
            missing = block_fn.inputs[len(inputs) :]
            if all(component in self.later for component in missing):
                inputs = [*inputs, *(component.value for component in missing)]
            return await super().preprocess_data(block_fn, inputs, *others, **named)
        except gr.Error:
            raise
        except UnicodeEncodeError as error:
            raise make_error("A text holds half of a character, as \\ud800 is. Send it as UTF-8.") from error
        except InvalidPathError as error:
            raise make_error("This file was not uploaded here. Upload it first.") from error
        except Exception as error:  # it checks little, and raises whatever comes of it
            raise make_error("A value is missing, or is no file as its upload returns it. See the API view.") from error

    def launch(self, *arguments, **options) -> Any:
        own = {
            "run_history": False,
            "state_session_capacity": _MAX_SESSIONS,
            "theme": make_theme(),
            "css_paths": [_STYLES],
            "footer_links": ["api", "settings"],
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
    )


def build_page(service: Service) -> PageBlocks:
    """The page as a Gradio app, not yet launched."""
    with PageBlocks(title=TITLE, delete_cache=(600, _RESULT_SECONDS)) as blocks:
        page = Page(service)
        blocks.load(show_first_transcript, None, page.transcript.outputs, api_name=False, show_progress="hidden")
        blocks.unload(page.leave)
        settings, transcript = page.settings, page.transcript
        blocks.later = [
            settings.without_audio,
            *transcript.outputs[:2],
            settings.film,
            settings.body,
            *page.programs.later,
        ]
    return blocks.queue(max_size=_MAX_WAITING)


def describe_weights_and_body(service: Service) -> str:
    """What is honest to say before anything is made: whose weights, which body, and what it cannot show."""
    pipeline = service.registry.own
    source, body = pipeline.source, pipeline.body
    is_demo = source is not None and source.kind == "embedded"
    shown = "our small demo weights, trained on synthetic speech to show that everything works"
    lines = [f"Weights: {shown if is_demo else describe_source(source)}."]
    if source and source.notice:
        lines = [f"**{source.notice}**"]
    lines.append(f"Body: {body.name}.")
    if not body.shows(pipeline.generator.config.expression_basis):
        lines.append(
            f"These weights make expressions in the basis {pipeline.generator.config.expression_basis}, which this "
            "body cannot show: its face moves the jaw alone. The motion file has them all."
        )
    return " ".join(lines)
