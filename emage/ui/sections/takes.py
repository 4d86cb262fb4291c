"""Takes: all that were made, chosen ones side by side, in numbers and over time, and grids of them."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from emage.batch import list_requests, list_subsets, read_plans
from emage.errors import Cancelled, EmageError, HintError
from emage.evaluation.report import TakeReport, reports_csv
from emage.files import write_text
from emage.generation.take import StoredTake
from emage.ui.components.plots import Plots, build_metrics_table, describe_metrics, tabulate_metrics
from emage.ui.components.shared.faults import tell
from emage.ui.components.shared.fields import Checkbox, Code, Radio, Textbox
from emage.ui.components.stage import Stage
from emage.ui.components.takes import TakeList
from emage.ui.components.timeline import Media, TimelineValue
from emage.ui.sections.hints import HintsSection, choice_of_take, load_reference
from emage.ui.sections.inputs import PageInputs
from emage.ui.sections.result import ResultSection, offer_words, read_numbers, show_take
from emage.ui.sections.section import (
    CANCELLED,
    MAKING,
    QUIETLY,
    Section,
    make_cancel_button,
    make_download_button,
    offer,
    wire_cancel,
)
from emage.ui.sections.settings import accepts_licence, read_picture
from emage.ui.sections.speech import COMPARED_ID, STAGE_ID
from emage.ui.sections.take_list import show_list
from emage.ui.service.users import User


class TakesSection(Section):
    """The list, the comparison and the grid."""

    def build(self) -> None:
        gr.Markdown("## 4 · Takes, side by side")
        self.list = TakeList(elem_id="takes")
        with gr.Row(elem_id="compare-row"):
            self.compare = gr.Button("Compare the chosen", variant="primary", elem_id="compare", min_width=160)
            self.stop_comparing = make_cancel_button("cancel-compare")
            self.with_hints = Checkbox(False, label="Hint beside result", elem_id="with-hints", min_width=160)
        self.compare_note = gr.Markdown(elem_id="compare-note")
        self.stage = Stage(label="Side by side", elem_id=COMPARED_ID, visible=False)
        self.video = gr.Video(
            label="Side by side", elem_id="compare-video", visible=False, buttons=[], interactive=False
        )
        self.metrics = build_metrics_table(elem_id="metrics")
        self.metrics_note = gr.Markdown(elem_id="metrics-note")
        self.plots = Plots(players=[COMPARED_ID, "compare-video"], elem_id="plots")
        with gr.Row(elem_classes="chips"):
            self.video_file = make_download_button("Side by side (mp4)", "compare-mp4")
            self.scores_file = make_download_button("Numbers (csv)", "scores-csv")
        with gr.Accordion("A grid of takes", open=False, elem_id="batch-panel"):
            self._build_grid()

    def _build_grid(self) -> None:
        self.by_parts = Radio(
            [("All combinations of the painted parts", True), ("A list of plans", False)],
            value=True,
            label="Which takes",
            elem_id="batch-kind",
        )
        self.plans = Code(
            '[{"name": "none", "plan": {"spans": []}}]',
            language="json",
            label="Plans",
            elem_id="batch-plans",
            visible=False,
            lines=4,
        )
        self.seeds = Textbox(
            label="Seeds",
            placeholder="1, 2, 3",
            info="Each plan with each seed. None: as set above.",
            elem_id="batch-seeds",
        )
        with gr.Row():
            self.batch = gr.Button("Make them all", elem_id="batch", min_width=140)
            self.stop_batch = make_cancel_button("cancel-batch")
        self.batch_note = gr.Markdown(elem_id="batch-note")

    def list_outputs(self, hints: HintsSection) -> list[gr.components.Component]:
        """In the order of `show_list`."""
        return [self.list, hints.reference, hints.keep]

    def wire(self, inputs: PageInputs, result: ResultSection) -> None:
        self._inputs, self._result = inputs, result
        settings, list_outputs = inputs.settings, self.list_outputs(inputs.hints)
        self.list.input(self.edit_takes, self.list, api_name="edit_takes", **QUIETLY)
        self.list.select(
            self.show_take,
            inputs.settings.body,
            [*result.outputs, result.words, result.stage],
            api_name="show_take",
            show_progress="hidden",
        )
        self.list.delete(
            self.remove_take,
            inputs.hints.reference,
            list_outputs,
            api_name="remove_take",
            show_progress="hidden",
        )
        made = self.batch.click(
            self.make_batch,
            [self.plans, self.by_parts, self.seeds, *inputs.components],
            [self.batch_note, *list_outputs, self.metrics, self.scores_file, self.metrics_note],
            api_name="batch",
            show_progress_on=self.batch_note,
            **MAKING,
        )
        compared = self.compare.click(
            self.compare_takes,
            [self.list, self.with_hints, *settings.of_picture, settings.body, settings.film],
            [
                self.compare_note,
                self.video,
                self.video_file,
                self.metrics,
                self.plots,
                self.scores_file,
                self.metrics_note,
                self.stage,
                inputs.hints.timeline,
            ],
            api_name="compare",
            show_progress_on=[self.stage, self.plots],  # over the plots when there is no stage yet
            **MAKING,
        )
        filmed = self.stage.film(
            self.film,
            [*settings.of_picture, settings.body],
            [self.compare_note, self.video, self.video_file],
            api_name="film_compared",
            show_progress_on=self.compare_note,
            **MAKING,
        )
        # Where they are, the result may be out of view, and its words stay as they are.
        wire_cancel(self.stop_comparing, self.service, self.compare_note, "cancel_comparing", [compared, filmed])
        wire_cancel(self.stop_batch, self.service, self.batch_note, "cancel_batch", [made])
        self.by_parts.change(
            lambda by_parts: gr.update(visible=not by_parts),
            self.by_parts,
            self.plans,
            api_name=False,
            show_progress="hidden",
        )

    # --- the list

    @tell
    def edit_takes(self, rows: list[tuple[int, str, bool]], request: gr.Request) -> None:
        """Captions and choices."""
        captions = {number: caption for number, caption, _ in rows}
        chosen = [number for number, _, chosen in rows if chosen]
        self.service.user(request).edit_takes(captions, chosen)

    @tell
    def show_take(self, event: gr.EventData, request: gr.Request, body: str | None = None) -> list:
        take = _find_take(event, self.service.user(request))
        return [*show_take(take), offer_words(take), self._result.stand(take, accepts_licence(body), request)]

    @tell
    def remove_take(self, reference: str | None, event: gr.EventData, request: gr.Request) -> tuple:
        """Hints are taken from another motion, where they were taken from it."""
        user = self.service.user(request)
        take = _find_take(event, user)
        user.remove_take(take.number)
        rows, choices, keep = show_list(user)
        if reference == choice_of_take(take):
            choices = gr.update(choices=choices["choices"], value=choices["choices"][0][1])
        return rows, choices, keep

    # --- the comparison

    @tell
    def compare_takes(
        self,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
        *values,
    ) -> tuple:
        """The chosen takes: on the stage, in numbers, and plots; with a video, where that is set."""
        rows, with_hints, *picture, body, film = values
        self.edit_takes(rows, request)
        user = self.service.user(request)
        takes = [take for take in user.takes if take.number in user.chosen]
        if not takes:
            raise EmageError("Choose one take or more in the list: tick the box before it.")
        try:
            smplx = accepts_licence(body)
            made = self.service.compare(takes, with_hints, smplx, request, progress)
            picture = read_picture(*picture)
            path = self.service.film_beside(takes, with_hints, picture, smplx, request, progress) if film else None
        except Cancelled:
            return CANCELLED, *(gr.skip() for _ in range(8))
        table, csv, note = _show_numbers(user, made.reports)
        shown = [(take.caption, each, take.plan) for take, each in zip(takes, made.series, strict=True)]
        stage = gr.update(
            value=Stage.show(made.staged, made.sound, [Media("#compare-video"), Media(f"#{STAGE_ID}")]), visible=True
        )
        return "", *_show_video(path), table, Plots.show(shown, made.shares), csv, note, stage, _follow(user, takes[0])

    @tell
    def film(self, event: gr.EventData, request: gr.Request, bar: gr.Progress = gr.Progress(), *values) -> tuple:  # noqa: B008
        """Draw a video of what stands on the stage."""
        *picture, body = values
        user, numbers = self.service.user(request), read_numbers(event)
        takes = [user.find_take(number) for number in numbers if number is not None]
        if not takes:
            raise EmageError("There is nothing on the stage: compare some takes first.")
        try:
            path = self.service.film_beside(
                takes, None in numbers, read_picture(*picture), accepts_licence(body), request, bar
            )
        except Cancelled:
            return CANCELLED, gr.skip(), gr.skip()
        return "", *_show_video(path)

    # --- the grid

    @tell
    def make_batch(
        self,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
        *values,
    ) -> Iterator[tuple]:
        """Make a grid of takes; at the end the table of their metrics."""
        plans_text, by_parts, seeds_text, *page_values = values
        user = self.service.user(request)
        wanted = self._inputs.read(user, *page_values)
        value, choice = page_values[1:3]
        named = list_subsets(_check_painted(value)) if by_parts else read_plans(plans_text or "")
        reference = load_reference(choice, user) if any(each.plan.spans for each in named) else None
        first = wanted.takes[0]
        takes = list_requests(
            first.recording,
            named,
            first.settings,
            read_seeds(seeds_text),
            reference and reference.motion,
            wanted.placement,
        )
        wanted = replace(
            wanted, takes=takes, reference_name=wanted.reference_name if reference is None else reference.name
        )
        made = []
        with suppress(Cancelled):
            for take, _ in self.service.make(wanted, request, progress):
                made.append(take)
                yield f"{len(made)} of {len(takes)} takes made.", *show_list(user), *(gr.skip() for _ in range(3))
        if not made:  # for Gradio empties the outputs of a handler that yields nothing
            yield CANCELLED, *(gr.skip() for _ in range(6))
        made = [take for take in made if take.number in {each.number for each in user.takes}]
        if made:
            with suppress(Cancelled):
                numbers = _show_numbers(user, self.service.measure(made, request, progress))
                yield *(gr.skip() for _ in range(4)), *numbers


def read_seeds(text: str | None) -> tuple[int, ...]:
    """From "1, 2, 3". Raises EmageError."""
    words = re.split(r"[\s,;]+", (text or "").strip())
    if words == [""]:
        return ()
    if not all(re.fullmatch(r"\d{1,9}", word) for word in words):
        raise EmageError(
            f"'{(text or '')[:40]}' are no seeds; give whole numbers with commas between, such as 1, 2, 3."
        )
    return tuple(int(word) for word in words)


def _check_painted(value: TimelineValue):
    if not value.plan.spans:
        raise HintError("There is nothing to combine yet: paint hints for two parts or more on the timeline.")
    return value.plan


def _show_numbers(user: User, reports: Sequence[tuple[str, TakeReport]]) -> tuple:
    """For table, file and note."""
    path = write_text(user.new_folder() / "scores.csv", reports_csv(reports))
    return gr.update(value=tabulate_metrics(reports), visible=True), offer(path), describe_metrics(reports)


def _follow(user: User, first: StoredTake) -> dict[str, Any]:
    """The timeline, which goes by the stage of takes that are of its recording."""
    shown, recording = user.shown, first.recording
    if shown is None or recording is None or shown.recording.file != recording.file:
        return gr.skip()
    media = Media(f"#{COMPARED_ID}", recording.start_frame)
    others = tuple(each for each in shown.backdrop.media if each.selector != media.selector)
    return gr.update(backdrop=user.change_backdrop(media=(*others, media)).to_json())


def _show_video(path: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """For the player and its download."""
    return gr.update(value=None if path is None else str(path), visible=path is not None), offer(path)


def _find_take(event: gr.EventData, user: User) -> StoredTake:
    """Raises EmageError for a take that is not the user's."""
    try:
        number = event.number
    except (AttributeError, TypeError):
        number = None
    return user.find_take(number)
