"""The page: the places on a visitor's way, one below the other, and what happens between them."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from emage.errors import EmageError, HintError
from emage.evaluation.report import reports_csv, take_series
from emage.files import write_text
from emage.hints import HintPlan
from emage.motion import Motion
from emage.recording.examples import Example
from emage.recording.transcript import Word
from emage.ui import controls, hints, sessions, speech
from emage.ui.comparing import Comparing, chosen_takes
from emage.ui.components.plots import Plots, build_metrics_table, describe_metrics, tabulate_metrics
from emage.ui.components.takes import TakeList
from emage.ui.components.timeline import Backdrop, Media, Timeline, TimelineValue
from emage.ui.kept import KeptTake
from emage.ui.making import (
    CANCELLED,
    Making,
    build_result,
    checked_picture,
    result_values,
    session_of,
)
from emage.ui.studio import Studio, reference_end
from emage.ui.told import refused, shown, told
from emage.ui.visitors import Visitor

TITLE = "EMAGE: speech in, a whole moving person out"
INTRO = """# Speech in, a whole moving person out
Record or upload speech: EMAGE makes body, hands, face and path. Pin any part of the body, any time, to motion of your
own, and compare takes side by side. It hears the sound, not the words, so any language will do."""

_RESULT_SECONDS = 6 * 3600
"""Uploads are deleted from the server after this time at the latest; when a visitor leaves, and when it shuts down."""

_MAX_WAITING = 60
"""Calls in the queue; who comes then is told to come back."""
_MAX_SESSIONS = 300
"""Gradio keeps half a megabyte of each also after they have left; the longest unheard of go first."""
_WAITING_AT_ONCE = 16
"""Visitors who wait for their turn with a place in line to see; the rest wait in Gradio's queue."""

_FOLDER = Path(__file__).parent
_QUIETLY = {"show_progress": "hidden", "trigger_mode": "always_last"}

# On a phone the result lies below what was pressed.
_SHOW_RESULT = """(...values) => {
  const stage = document.querySelector("#stage");
  if (stage && window.innerWidth < 900) stage.scrollIntoView({ behavior: "smooth", block: "start" });
  return values;
}"""
_CLICK_SESSION_FILE = "() => setTimeout(() => document.querySelector('#session-file')?.click(), 300)"


class Page(gr.Blocks):
    """Launches with the page's look, and without Gradio's history of runs, which would store every edit."""

    async def preprocess_data(self, block_fn, inputs, *arguments, **named):
        """What Gradio refuses before a handler sees it is told like any other fault."""
        try:
            return await super().preprocess_data(block_fn, inputs, *arguments, **named)
        except Exception as error:  # its components check little, and raise whatever comes of it
            fault = error
        for component, value in zip(block_fn.inputs, inputs, strict=False):  # which one it was
            alone = copy(block_fn)
            alone.inputs = [component]
            try:
                await super().preprocess_data(alone, [value], *arguments, **named)
            except Exception as error:
                raise refused(component, value, error) from error
        raise shown("Values are missing. The page's API view names what this call takes.") from fault

    def launch(self, *arguments, **options):
        own = {
            "run_history": False,
            "state_session_capacity": _MAX_SESSIONS,
            "theme": theme(),
            "css_paths": [_FOLDER / "page.css"],
            "footer_links": ["api", "settings"],
        }
        return super().launch(*arguments, **(own | options))


def theme() -> gr.themes.Base:
    return gr.themes.Default(
        primary_hue="blue",
        neutral_hue="slate",
        radius_size="lg",
        spacing_size="md",
        font=["system-ui", "sans-serif"],  # nothing is fetched from elsewhere
        font_mono=["ui-monospace", "monospace"],
    )


def build_page(studio: Studio) -> Page:
    """The page as a Gradio app, not yet launched."""
    with Page(title=TITLE, delete_cache=(600, _RESULT_SECONDS)) as page:
        Builder(studio).build(page)
    return page.queue(max_size=_MAX_WAITING)


class Builder:
    """Components as attributes, by place; handlers as methods, in the order of a visitor's way."""

    def __init__(self, studio: Studio):
        self._studio = studio
        self._making = Making(studio)
        self._comparing = Comparing(studio)

    # --- what is on the page ------------------------------------------------------------------------------------------

    def build(self, page: Page) -> None:
        gr.Markdown(INTRO, elem_id="intro")
        gr.Markdown(controls.notes(self._studio), elem_id="notes")
        with gr.Row(elem_id="desk"):
            with gr.Column(scale=7, min_width=320, elem_id="work"):
                self._build_work()
            with gr.Column(scale=5, min_width=320, elem_id="stage"):
                self._build_stage()
        self._build_takes()
        self._build_api()
        self._wire_speech()
        self._wire_hints()
        self._wire_making()
        self._wire_takes()
        self._wire_session()
        page.unload(self.leave)

    def _build_work(self) -> None:
        with gr.Column(elem_classes="card"):
            self.speech = speech.build_speech()
        with gr.Column(elem_classes="card"):
            gr.Markdown("## 2 · Hints on the timeline")
            value, backdrop, words = self._first()
            self.timeline = Timeline(value, backdrop=backdrop, elem_id="timeline")
            self.backdrop, self.words = gr.State(backdrop), gr.State(words)
            with gr.Accordion("What is a hint?", open=False, elem_id="hint-help"):
                gr.Markdown(hints.HELP)
            self.hints = hints.build_hints()
            with gr.Accordion("The plan as a table and as JSON", open=False, elem_id="plan-panel"):
                self.forms = hints.build_plan_forms()
        with gr.Column(elem_classes="card"):
            gr.Markdown("## 3 · Settings")
            with gr.Accordion("Weights, speaker, picture", open=False, elem_id="settings-panel"):
                self.controls = controls.build_controls(self._studio)

    def _build_stage(self) -> None:
        with gr.Row(elem_id="go-row"):
            self.go = gr.Button("Generate", variant="primary", elem_id="generate", scale=3, min_width=110)
            self.another = gr.Button("Another take", elem_id="another", scale=2, min_width=110)
            self.stop = _cancel_button("cancel", scale=1)
        with gr.Column(elem_classes="card"):
            self.result = build_result()

    def _build_takes(self) -> None:
        with gr.Column(elem_classes="card"):
            gr.Markdown("## 4 · Takes, side by side")
            self.takes = TakeList(elem_id="takes")
            with gr.Row(elem_id="compare-row"):
                self.compare = gr.Button("Compare the chosen", variant="primary", elem_id="compare", min_width=160)
                self.stop_comparing = _cancel_button("cancel-compare")
                self.with_hints = gr.Checkbox(False, label="Hint beside result", elem_id="with-hints", min_width=160)
            self.compare_note = gr.Markdown(elem_id="compare-note")
            self.compared = gr.Video(
                label="Side by side", elem_id="compare-video", visible=False, buttons=[], interactive=False
            )
            self.metrics = build_metrics_table(elem_id="metrics")
            self.metrics_note = gr.Markdown(elem_id="metrics-note")
            self.plots = Plots(video_id="compare-video", elem_id="plots")
            with gr.Row(elem_classes="chips"):
                self.compared_file = gr.DownloadButton(
                    "Side by side (mp4)", elem_id="compare-mp4", interactive=False, size="sm", min_width=0
                )
                self.scores_file = gr.DownloadButton(
                    "Numbers (csv)", elem_id="scores-csv", interactive=False, size="sm", min_width=0
                )
            with gr.Accordion("A grid of takes", open=False, elem_id="batch-panel"):
                self._build_batch()
        with gr.Column(elem_classes="card"):
            gr.Markdown("## 5 · The whole session\nRecording, plan, settings and takes in one file that loads back.")
            with gr.Row():
                self.save = gr.Button("Save the session", elem_id="save-session", min_width=140)
                self.load = gr.UploadButton(
                    "Load a session…", file_types=[".zip"], elem_id="load-session", min_width=140
                )
                self.session_file = gr.DownloadButton(
                    "Download it again", elem_id="session-file", visible="hidden", min_width=140
                )
            self.session_note = gr.Markdown(elem_id="session-note")

    def _build_batch(self) -> None:
        self.by_parts = gr.Radio(
            [("All combinations of the painted parts", True), ("A list of plans", False)],
            value=True,
            label="Which takes",
            elem_id="batch-kind",
        )
        self.plans = gr.Code(
            '[{"name": "none", "plan": {"spans": []}}]',
            language="json",
            label="Plans",
            elem_id="batch-plans",
            visible=False,
            lines=4,
        )
        self.seeds = gr.Textbox(
            label="Seeds",
            placeholder="1, 2, 3",
            info="Each plan with each seed. None: as set above.",
            elem_id="batch-seeds",
        )
        with gr.Row():
            self.batch = gr.Button("Make them all", elem_id="batch", min_width=140)
            self.stop_batch = _cancel_button("cancel-batch")
        self.batch_note = gr.Markdown(elem_id="batch-note")

    def _build_api(self) -> None:
        """`generate` for programs: plain arguments, in components that no browser shows."""
        with gr.Row(visible=False):
            inputs = [
                gr.Audio(type="filepath", label="audio"),
                gr.Textbox(label="plan"),
                gr.File(type="filepath", label="hint_motion"),
                gr.JSON(label="settings"),
            ]
            outputs = [gr.Video(label="video"), gr.File(label="motion"), gr.JSON(label="report")]
            gr.Button("generate").click(
                self._making.for_programs,
                inputs,
                outputs,
                api_name="generate",
                concurrency_limit=_WAITING_AT_ONCE,
                concurrency_id="making",
            )

    def _first(self) -> tuple[TimelineValue, Backdrop | None, tuple[Word, ...]]:
        if not self.speech.examples:
            return TimelineValue(), None, ()
        example = self.speech.examples[0][0]
        words = speech.words_of(example)
        backdrop = speech.backdrop_of(example.audio, words, example.duration_s + 1)
        return TimelineValue(backdrop.num_frames), backdrop, words

    # --- speech -------------------------------------------------------------------------------------------------------

    def _wire_speech(self) -> None:
        audio, shown_outputs = self.speech.audio, [self.timeline, self.backdrop, self.words, self.speech.note]
        forms = [self.forms.table, self.forms.json, self.forms.blend, self.forms.note]
        gr.on(
            [audio.upload, audio.stop_recording, audio.clear],
            self.show_recording,
            [audio, self.timeline, *self._reference_inputs],
            [*shown_outputs, *forms],
            api_name="show_recording",
            **_QUIETLY,
        )
        self.speech.video.upload(
            self.take_video,
            [self.speech.video, self.timeline, *self._reference_inputs],
            [audio, *shown_outputs, *forms],
            api_name="take_video",
            show_progress_on=audio,
        )
        self.speech.words.upload(
            self.take_words,
            [self.speech.words, self.backdrop],
            [self.timeline, self.backdrop, self.words],
            api_name="take_words",
            show_progress="hidden",
        )
        for example, button in self.speech.examples:
            button.click(
                self.taking(example),
                [self.controls.weights, self.timeline, *self._reference_inputs],
                [audio, self.controls.speaker, *shown_outputs, *forms],
                api_name=f"example_{example.name}",
                show_progress="hidden",
            )

    @property
    def _reference_inputs(self) -> list[gr.components.Component]:
        return [self.hints.reference, self.hints.shift_s, self.hints.fill]

    @told
    def show_recording(self, request: gr.Request, audio: str | None, value: TimelineValue, *reference) -> tuple:
        """A recording's waveform, with what of the plan fits it."""
        if audio:
            self._visitor(request).received(audio)
        return self._recording(audio, (), "", value, reference, request)

    @told
    def take_video(self, request: gr.Request, path: str, value: TimelineValue, *reference) -> tuple:
        """The sound of a video becomes the recording."""
        visitor = self._visitor(request)
        sound = speech.sound_of_video(
            visitor.received(path), visitor.new_folder(), self._studio.settings.max_duration_s
        )
        return str(sound), *self._recording(str(sound), (), "", value, reference, request)

    def taking(self, example: Example) -> Callable:
        """A handler: an example becomes the recording, with its words and, where the chosen weights know it, its way
        of moving."""

        @told
        def take_example(request: gr.Request, weights: str | None, value: TimelineValue, *reference) -> tuple:
            words, text = speech.words_of(example), speech.said(example)
            audio, speaker = str(example.audio), gr.update(value=example.speaker)
            if not controls.knows_speaker(self._studio, weights, example.speaker):
                speaker, text = gr.skip(), f"{text}\n\n{controls.SPEAKER_STAYS}"
            return audio, speaker, *self._recording(audio, words, text, value, reference, request)

        return take_example

    def _recording(
        self,
        audio: str | None,
        words: tuple[Word, ...],
        text: str,
        value: TimelineValue,
        reference: Sequence[Any],
        request: gr.Request,
    ) -> tuple:
        """For timeline, backdrop, words, note and the plan's forms."""
        try:
            backdrop = speech.backdrop_of(audio, words, self._studio.settings.max_duration_s)
        except EmageError as error:
            backdrop, text = None, f"**{error}**"
        visitor = self._visitor(request)
        with visitor.lock:
            if value == TimelineValue():
                value = visitor.laid_aside
            visitor.laid_aside = TimelineValue() if backdrop else value
        if backdrop is None:
            value = TimelineValue()
        else:
            value = value.for_recording(backdrop.num_frames)
            backdrop = replace(backdrop, reference_frames=self._reference_frames(backdrop, reference, request))
        return Timeline.show(value, backdrop), backdrop, words, text, *_form_values(value.plan)

    @told
    def take_words(self, path: str, backdrop: Backdrop | None, request: gr.Request) -> tuple:
        """The words of a transcript onto the timeline."""
        path = self._visitor(request).received(path)
        if backdrop is None:
            raise EmageError("Choose the recording first, then its transcript.")
        words = speech.checked_words(speech.load_words(path), backdrop)
        backdrop = replace(backdrop, words=words)
        return _behind(backdrop), backdrop, words

    # --- hints --------------------------------------------------------------------------------------------------------

    def _wire_hints(self) -> None:
        place, forms = self.hints, self.forms
        reference_outputs = [place.note, self.timeline, self.backdrop]
        gr.on(
            [place.reference.input, place.shift_s.input, place.fill.input],
            self.show_reference,
            [self.backdrop, *self._reference_inputs],
            reference_outputs,
            api_name="show_reference",
            **_QUIETLY,
        )
        place.upload.upload(
            self.take_reference,
            [place.upload, self.backdrop, place.shift_s, place.fill],
            [place.reference, *reference_outputs],
            api_name="take_reference",
            show_progress="hidden",
        )
        place.keep.click(
            self.keep_take,
            [self.timeline, self.backdrop],
            [
                place.reference, place.shift_s, place.fill, *reference_outputs,
                self.controls.draw, self.controls.seed, forms.note,
            ],
            api_name="keep_take",
            show_progress="hidden",
        )  # fmt: skip
        self.timeline.input(
            self.show_plan,
            self.timeline,
            [forms.table, forms.json, forms.blend, forms.note],
            api_name="plan_of_timeline",
            **_QUIETLY,
        )
        forms.json.input(
            self.plan_of_json,
            [forms.json, self.timeline],
            [self.timeline, forms.table, forms.blend, forms.note],
            api_name="plan_of_json",
            **_QUIETLY,
        )
        gr.on(
            [forms.table.input, forms.blend.input],
            self.plan_of_table,
            [forms.table, forms.blend, self.timeline],
            [self.timeline, forms.json, forms.note],
            api_name="plan_of_table",
            **_QUIETLY,
        )

    def _reference_frames(self, backdrop: Backdrop, reference: Sequence[Any], request: gr.Request) -> int | None:
        """No span can be painted beyond this frame."""
        choice, shift_s, fill = reference
        try:
            loaded = hints.load_reference(choice, self._visitor(request))
            placement = hints.placement_of(shift_s, fill)
        except EmageError:  # told where it is chosen, and when it is used
            return None
        return None if loaded is None else reference_end(placement, loaded.motion.num_frames, backdrop.num_frames)

    @told
    def show_reference(self, request: gr.Request, backdrop: Backdrop | None, *reference) -> tuple:
        """Say what the chosen motion is, and how far it reaches."""
        choice, shift_s, fill = reference
        loaded = hints.load_reference(choice, self._visitor(request))
        hints.placement_of(shift_s, fill)
        if backdrop is None:
            return hints.reference_note(loaded), gr.skip(), None
        backdrop = replace(backdrop, reference_frames=self._reference_frames(backdrop, reference, request))
        return hints.reference_note(loaded), _behind(backdrop), backdrop

    @told
    def take_reference(
        self, path: str, backdrop: Backdrop | None, shift_s: float, fill: str, request: gr.Request
    ) -> tuple:
        """An uploaded motion becomes the reference."""
        visitor = self._visitor(request)
        path = visitor.received(path)
        Motion.load(path)
        visitor.reference = path
        choices = gr.update(choices=hints.reference_choices(visitor), value=hints.UPLOADED)
        return choices, *self.show_reference(request, backdrop, hints.UPLOADED, shift_s, fill)

    @told
    def keep_take(self, value: TimelineValue, backdrop: Backdrop | None, request: gr.Request) -> tuple:
        """The last chosen take becomes the reference, at its own place; the next draw is another."""
        visitor = self._visitor(request)
        if not visitor.takes:
            raise HintError("There is no take yet whose parts could be kept. Generate one first.")
        chosen = [take for take in visitor.takes if take.number in visitor.chosen]
        take = (chosen or visitor.takes)[-1]
        shift_s, fill = take.start_frame / 30, "once"
        reference = (hints.take_choice(take), shift_s, fill)
        note = "" if value.plan.spans else "Now paint over what you like: it is kept, and the rest is made anew."
        return (
            gr.update(choices=hints.reference_choices(visitor), value=reference[0]),
            shift_s,
            fill,
            *self.show_reference(request, backdrop, *reference),
            True,
            _seed_after(take.settings.seed or 0),
            note,
        )

    def show_plan(self, value: TimelineValue) -> tuple:
        """The timeline's plan in its other forms."""
        return _form_values(value.plan)

    def plan_of_json(self, text: str | None, value: TimelineValue) -> tuple:
        """The plan of the JSON; while it is no plan, a sentence that says why, and nothing changes."""
        try:
            value = hints.with_plan(value, HintPlan.from_json(text or ""))
        except HintError as error:
            return gr.skip(), gr.skip(), gr.skip(), f"**The JSON does not count yet:** {error}"
        return value, hints.plan_rows(value.plan), value.plan.blend_frames, ""

    def plan_of_table(self, rows: list, blend_frames: float | None, value: TimelineValue) -> tuple:
        """The same for the table."""
        try:
            plan, note = hints.plan_of_rows(rows, int(blend_frames or 0))
            value = hints.with_plan(value, plan)
        except HintError as error:
            return gr.skip(), gr.skip(), f"**The table does not count yet:** {error}"
        return value, hints.plan_text(plan), note

    # --- making -------------------------------------------------------------------------------------------------------

    @property
    def _order_inputs(self) -> list[gr.components.Component]:
        chosen = self.controls
        return [
            self.speech.audio, self.timeline, *self._reference_inputs, *chosen.of_take, *chosen.of_picture, chosen.body
        ]  # fmt: skip

    @property
    def _list_outputs(self) -> list[gr.components.Component]:
        return [self.takes, self.hints.reference, self.hints.keep]

    def _wire_making(self) -> None:
        outputs = [*self.result.all, *self._list_outputs, self.timeline, self.backdrop]
        making = {
            "concurrency_limit": _WAITING_AT_ONCE,
            "concurrency_id": "making",
            "show_progress_on": self.result.video,
        }
        inputs = [*self._order_inputs, self.backdrop]
        run = self.go.click(self.generate, inputs, outputs, js=_SHOW_RESULT, api_name="generate_on_page", **making)
        next_seed = self.another.click(
            self.next_seed,
            self.controls.seed,
            [self.controls.draw, self.controls.seed],
            api_name="next_seed",
            show_progress="hidden",
        )
        other = next_seed.then(self.generate, inputs, outputs, js=_SHOW_RESULT, api_name="another_on_page", **making)
        made_all = self.batch.click(
            self.make_batch,
            [self.plans, self.by_parts, self.seeds, *self._order_inputs],
            [self.batch_note, *self._list_outputs, self.metrics, self.metrics_note, self.scores_file],
            api_name="batch",
            **(making | {"show_progress_on": self.batch_note}),
        )
        compared = self.compare.click(
            self.compare_takes,
            [self.takes, self.with_hints, *self.controls.of_picture, self.controls.body],
            [
                self.compare_note,
                self.compared,
                self.compared_file,
                self.metrics,
                self.metrics_note,
                self.plots,
                self.scores_file,
            ],
            api_name="compare",
            # Over the plots when there is no video yet.
            **(making | {"show_progress_on": [self.compared, self.plots]}),
        )
        cancelling = {
            "fn": self._making.cancel,
            "queue": False,
            "cancels": [run, other, made_all, compared],
            "show_progress": "hidden",
        }
        self.stop.click(outputs=self.result.details, api_name="cancel", **cancelling)
        # Where they are, the result may be out of view, and its words stay as they are.
        self.stop_comparing.click(outputs=self.compare_note, api_name="cancel_comparing", **cancelling)
        self.stop_batch.click(outputs=self.batch_note, api_name="cancel_batch", **cancelling)
        self.by_parts.change(
            lambda by_parts: gr.update(visible=not by_parts),
            self.by_parts,
            self.plans,
            api_name=False,
            show_progress="hidden",
        )
        self.controls.weights.input(
            self.show_speakers, self.controls.weights, self.controls.speaker, api_name="speakers"
        )

    @told
    def generate(self, request: gr.Request, progress: gr.Progress = gr.Progress(), *values) -> Iterator[tuple]:  # noqa: B008
        """Make a take, show it and add it to the list."""
        *values, backdrop = values
        for made in self._making.generate(request, progress, *values):
            if made is None:
                yield gr.skip(), CANCELLED, *(gr.skip() for _ in range(9))
                return
            take, note = made
            visitor = self._visitor(request)
            visitor.chosen.add(take.number)
            yield *result_values(take, note), *self._list_values(visitor), *self._followed(backdrop, take)

    def _followed(self, backdrop: Backdrop | None, take: KeptTake) -> tuple:
        """Timeline and backdrop, where the video of this take starts at another frame than the one before."""
        media = (Media(speech.PLAYERS[0]), Media(speech.PLAYERS[1], take.start_frame))
        if backdrop is None or backdrop.media == media:
            return gr.skip(), gr.skip()
        backdrop = replace(backdrop, media=media)
        return _behind(backdrop), backdrop

    def next_seed(self, seed: float | None) -> tuple:
        """Never the seed that is set: weights that draw by themselves draw with seed 0."""
        return True, _seed_after(int(seed or 0))

    @told
    def show_speakers(self, weights: str) -> dict:
        """The speakers that weights know; loads them."""
        speakers = controls.speakers_of(self._studio.shelf.pipeline(weights))
        return gr.update(choices=speakers, value=0)

    @told
    def make_batch(self, request: gr.Request, progress: gr.Progress = gr.Progress(), *values) -> Iterator[tuple]:  # noqa: B008
        """Make a grid of takes; at the end the table of their metrics."""
        made, visitor = [], self._visitor(request)
        for made, planned in self._making.batch(request, progress, *values):
            visitor.chosen |= {take.number for take, _ in made}
            yield f"{len(made)} of {planned} takes made.", *self._list_values(visitor), gr.skip(), gr.skip(), gr.skip()
        takes = [take for take, _ in made if take in visitor.takes]
        if takes:
            numbers = self._numbers(takes, self._comparing.reports(takes), visitor)
            yield gr.skip(), gr.skip(), gr.skip(), gr.skip(), *numbers

    # --- takes --------------------------------------------------------------------------------------------------------

    def _wire_takes(self) -> None:
        self.takes.input(self.edit_takes, self.takes, api_name="edit_takes", **_QUIETLY)
        self.takes.select(self.show_take, None, self.result.all, api_name="show_take", show_progress="hidden")
        self.takes.delete(
            self.remove_take, self.hints.reference, self._list_outputs, api_name="remove_take", show_progress="hidden"
        )

    def edit_takes(self, rows: list[tuple[int, str, bool]], request: gr.Request) -> None:
        """Captions and choices."""
        visitor = self._visitor(request)
        captions = {number: caption for number, caption, _ in rows}
        with visitor.lock:
            visitor.takes[:] = [
                replace(take, caption=captions.get(take.number, take.caption)) for take in visitor.takes
            ]
            visitor.chosen = {number for number, _, is_chosen in rows if is_chosen}

    @told
    def show_take(self, event: gr.EventData, request: gr.Request) -> list:
        return result_values(_take_of(event, self._visitor(request)))

    @told
    def remove_take(self, reference: str | None, event: gr.EventData, request: gr.Request) -> tuple:
        """Hints are taken from another motion, where they were taken from it."""
        visitor = self._visitor(request)
        take = _take_of(event, visitor)
        with visitor.lock:
            visitor.takes.remove(take)
            visitor.chosen.discard(take.number)
        take_list, choices, keep = self._list_values(visitor)
        if reference == hints.take_choice(take):
            choices = gr.update(choices=choices["choices"], value=choices["choices"][0][1])
        return take_list, choices, keep

    @told
    def compare_takes(
        self,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
        *values,
    ) -> tuple:
        """The chosen takes: a video, their numbers, and plots."""
        rows, with_hints, *picture, body = values
        self.edit_takes(rows, request)
        visitor = self._visitor(request)
        takes = chosen_takes(visitor, [number for number, _, is_chosen in rows if is_chosen])
        picture = checked_picture(controls.picture_settings(*picture))
        path = self._comparing.video(takes, with_hints, picture, controls.accepts_licence(body), progress, request)
        if path is None:
            return CANCELLED, *(gr.skip() for _ in range(6))
        table, note, csv = self._numbers(takes, self._comparing.reports(takes), visitor)
        plots = Plots.show([self._plotted(take) for take in takes])
        video, file = gr.update(value=str(path), visible=True), gr.update(value=str(path), interactive=True)
        return "", video, file, table, note, plots, csv

    def _plotted(self, kept: KeptTake) -> tuple:
        series = take_series(kept.load().motion, self._studio.heard(kept), self._studio.shelf.own.body)
        return kept.caption, series, kept.plan

    def _numbers(self, takes: Sequence[KeptTake], reports: Sequence, visitor: Visitor) -> tuple:
        named = [(take.caption, report) for take, report in zip(takes, reports, strict=True)]
        path = write_text(visitor.new_folder() / "scores.csv", reports_csv(named))
        table = gr.update(value=tabulate_metrics(named), visible=True)
        return table, describe_metrics(named), gr.update(value=str(path), interactive=True)

    def _list_values(self, visitor: Visitor) -> tuple:
        """For `_list_outputs`."""
        rows = [(take.number, take.caption, take.number in visitor.chosen, _facts(take)) for take in visitor.takes]
        choices = hints.reference_choices(visitor)
        return TakeList.show(rows), gr.update(choices=choices), gr.update(interactive=bool(rows))

    # --- the session --------------------------------------------------------------------------------------------------

    def _wire_session(self) -> None:
        self.save.click(
            self.save_session,
            self._order_inputs,
            [self.session_file, self.session_note],
            api_name="save_session",
            show_progress_on=self.session_note,
        ).success(None, js=_CLICK_SESSION_FILE, api_name=False)
        chosen, forms = self.controls, self.forms
        self.load.upload(
            self.load_session,
            self.load,
            [
                self.speech.audio, self.timeline, self.backdrop, self.words, self.speech.note,
                forms.table, forms.json, forms.blend, forms.note,
                self.hints.shift_s, self.hints.fill,
                *chosen.of_take, *chosen.of_picture,
                *self._list_outputs, self.session_note,
            ],
            api_name="load_session",
            show_progress_on=self.session_note,
        )  # fmt: skip

    @told
    def save_session(self, request: gr.Request, *values) -> tuple:
        """All that the page shows, in one zip."""
        audio, value, choice, *_ = values
        visitor = self._visitor(request)
        order = self._making.order(request, *values)[0] if audio else None
        reference = hints.load_reference(choice, visitor) if choice else None
        path = sessions.save(order, value, None if reference is None else reference.motion, visitor)
        size = path.stat().st_size / 1e6
        return gr.update(value=str(path), visible=True), f"Saved: {size:.1f} MB, {len(visitor.takes)} takes."

    @told
    def load_session(self, path: str, request: gr.Request) -> tuple:
        """The page as it was when the zip was saved; its takes replace those in the list."""
        visitor = self._visitor(request)
        session = sessions.load(visitor.received(path), visitor, self._studio.settings.max_duration_s)
        with visitor.lock:
            visitor.chosen, visitor.laid_aside = set(), TimelineValue()
        audio = None if session.recording is None else str(session.recording)
        visitor.reference = None
        if session.reference is not None:
            visitor.reference = session.reference.save(visitor.new_folder() / "reference.npz")
        frames = 0
        backdrop = speech.backdrop_of(audio, (), self._studio.settings.max_duration_s)
        if backdrop is not None:
            frames = backdrop.num_frames
        value = TimelineValue(frames, session.plan, session.trim_start_frame, session.trim_end_frame)
        if backdrop is not None and session.reference is not None:
            end = reference_end(session.placement, session.reference.resample(30).num_frames, frames)
            backdrop = replace(backdrop, reference_frames=end)
        note = f"Loaded: {len(visitor.takes)} takes."
        if not self._studio.shelf.offers(self._studio.shelf.choice(session.settings.weights)):
            note += f" Its weights, {session.settings.weights}, are not offered here: the page's own are chosen."
        take_list, _, keep = self._list_values(visitor)
        choices = hints.reference_choices(visitor)
        chosen = choices[0][1] if choices else None
        return (
            audio, Timeline.show(value, backdrop), backdrop, (), "", *_form_values(value.plan),
            session.placement.shift_frames / 30, session.placement.fill,
            *controls.take_values(self._studio, session.settings), *controls.picture_values(session.picture),
            take_list, gr.update(choices=choices, value=chosen), keep, note,
        )  # fmt: skip

    # --- everywhere ---------------------------------------------------------------------------------------------------

    def _visitor(self, request: gr.Request) -> Visitor:
        return self._studio.visitors.of(session_of(request))

    def leave(self, request: gr.Request) -> None:
        """The tab is closed."""
        self._studio.visitors.leave(session_of(request))


def _cancel_button(elem_id: str, scale: int | None = None) -> gr.Button:
    return gr.Button("Cancel", variant="stop", elem_id=elem_id, scale=scale, min_width=80)


def _seed_after(seed: int) -> int:
    return (seed + 1) % (controls.MAX_SEED + 1)


def _form_values(plan: HintPlan) -> tuple:
    """Table, JSON, blend and note."""
    return hints.plan_rows(plan), hints.plan_text(plan), plan.blend_frames, ""


def _behind(backdrop: Backdrop) -> dict[str, Any]:
    """For the timeline: what lies behind the spans, while they stay as they are."""
    return gr.update(backdrop=backdrop.to_json())


def _take_of(event: gr.EventData, visitor: Visitor) -> KeptTake:
    number = event._data.get("number") if isinstance(event._data, dict) else None
    take = next((take for take in visitor.takes if take.number == number), None)
    if take is None:
        raise EmageError("This take is no longer there.")
    return take


def _facts(take: KeptTake) -> str:
    made = "" if take.took_s is None else f" · made in {take.took_s:.1f} s"
    return f"{take.duration_s:.1f} s{made}{'' if take.video else ' · no video'}"
