"""Takes: all that were made, chosen ones side by side, in numbers and over time, and grids of them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from emage.batch import MAX_TAKES_AT_ONCE, NamedPlan, list_requests, list_subsets, read_plans
from emage.errors import Cancelled, EmageError, HintError
from emage.evaluation.report import TakeReport, reports_csv
from emage.files import write_text
from emage.generation.take import StoredTake
from emage.hints import ONCE, HintPlan
from emage.recording.audio import frame_to_second
from emage.ui.components.plots import Plots, build_metrics_table, describe_metrics, tabulate_metrics
from emage.ui.components.shared.faults import tell
from emage.ui.components.shared.fields import Checkbox, Code, Radio, Textbox
from emage.ui.components.shared.text import as_html_text, as_text
from emage.ui.components.stage import Stage
from emage.ui.components.takes import MAX_CHOSEN, TakeList
from emage.ui.components.timeline import Media, Timeline, TimelineValue
from emage.ui.sections.hints import (
    HintsSection,
    choice_of_hint,
    choice_of_take,
    describe_reference,
    list_references,
    load_reference,
    show_plan_forms,
)
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
from emage.ui.service.queue import say_duration
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
        with gr.Accordion("A grid of takes", open=False, elem_id="batch-panel") as self.panel:
            self._build_grid()
        self.starts, self.stops = [self.compare, self.batch], [self.stop_comparing, self.stop_batch]
        self.begins = {
            "batch": [self.batch.click],
            "compare": [self.compare.click],
            "film-compared": [self.stage.film],
        }

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
        self.batch_count = gr.Markdown(elem_id="batch-count")
        self.batch_note = gr.Markdown(elem_id="batch-note")

    def list_outputs(self, hints: HintsSection) -> list[gr.components.Component]:
        """In the order of `show_list`."""
        return [self.list, hints.reference, hints.keep]

    @property
    def remembered(self) -> list[gr.components.Component]:
        """What is set here, for a page that is loaded again."""
        return [self.with_hints, self.by_parts, self.plans, self.seeds]

    def show_remembered(self, page: Mapping[gr.components.Component, Any]) -> dict[gr.components.Component, Any]:
        """What shows of `remembered` by itself. page: their values."""
        plans = page.get(self.plans)
        text = plans if isinstance(plans, str) else self.plans.value
        return {self.plans: gr.update(value=text, visible=page.get(self.by_parts) is False)}

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
            [
                self.batch_note, *list_outputs, self.metrics, self.scores_file, self.metrics_note,
                *result.outputs, result.words, result.stage,
            ],
            api_name="batch_on_page",
            show_progress_on=self.batch_note,
            **MAKING,
        )  # fmt: skip
        counted = [self.plans, self.by_parts, self.seeds, inputs.hints.timeline, settings.weights, settings.film]
        gr.on(
            [
                self.panel.expand, self.by_parts.change, self.plans.input, self.seeds.input,
                inputs.hints.timeline.change, settings.weights.input, settings.film.input,
            ],
            self.count_batch,
            counted,
            self.batch_count,
            api_name="count_batch",
            **QUIETLY,
        )  # fmt: skip
        made.then(self.count_batch, counted, self.batch_count, api_name=False, show_progress="hidden")
        self.list.reuse(
            self.reuse_settings,
            [inputs.hints.timeline, *inputs.hints.reference_inputs],
            [
                inputs.hints.timeline, *inputs.hints.forms, *inputs.hints.reference_inputs, inputs.hints.note,
                *settings.of_take, settings.without_audio,
            ],
            api_name="reuse_settings",
            show_progress="hidden",
        )  # fmt: skip
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
        self.ends = {"batch": made, "compare": compared, "film-compared": filmed}
        self.cancelled = [
            wire_cancel(self.stop_comparing, self.service, self.compare_note, "cancel_comparing", [compared, filmed]),
            wire_cancel(self.stop_batch, self.service, self.batch_note, "cancel_batch", [made]),
        ]
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
        if reference in (choice_of_take(take), choice_of_hint(take)):
            choices = gr.update(choices=choices["choices"], value=choices["choices"][0][1])
        return rows, choices, keep

    @tell
    def reuse_settings(
        self,
        value: TimelineValue,
        reference: str | None,
        shift_s: float | None,
        fill: str,
        event: gr.EventData,
        request: gr.Request,
    ) -> tuple:
        """Plan, hints' motion and settings of a take, for the next one."""
        user = self.service.user(request)
        take = _find_take(event, user)
        start_frame = 0 if take.recording is None else take.recording.start_frame
        shown, caption = user.shown, as_html_text(take.caption)
        if shown is not None and take.recording is not None and take.recording.file == shown.recording.file:
            plan = take.plan.shift(start_frame).cut(0, value.num_frames)
            value = TimelineValue(value.num_frames, plan, start_frame, take.recording.end_frame)
            gr.Info(f"Plan and settings of “{caption}” are set above.", duration=5)
        else:
            start_frame = 0
            value = replace(value, plan=take.plan.cut(0, value.num_frames))
            gr.Info(
                f"Plan and settings of “{caption}” are set above. It is of another recording: its plan lies along "
                "this one from the beginning.",
                duration=10,
            )
        if take.reference is not None:
            user.reuse(take)
            reference, shift_s, fill = choice_of_hint(take), frame_to_second(start_frame), ONCE
        hints = self._inputs.hints
        backdrop = hints.mark_reference(user, (reference, shift_s, fill))
        return (
            Timeline.show(value, backdrop),
            *show_plan_forms(value.plan),
            gr.update(choices=list_references(user), value=reference),
            shift_s,
            fill,
            describe_reference(load_reference(reference, user)),
            *self._inputs.settings.show_for_take(take.settings),
        )

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
        followed = [Media("#compare-video"), Media(f"#{STAGE_ID}")]
        sounds = made.sounds if len(made.sounds) > 1 else ()
        stage = gr.update(value=Stage.show(made.staged, made.sounds[0][1], followed, sounds=sounds), visible=True)
        told = _say_recordings([name for name, _ in sounds])
        return (
            told,
            *_show_video(path),
            table,
            Plots.show(shown, made.shares),
            csv,
            note,
            stage,
            _follow(user, takes[0]),
        )

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
                takes, None in numbers, read_picture(*picture), accepts_licence(body), request, bar, read_sound(event)
            )
        except Cancelled:
            return CANCELLED, gr.skip(), gr.skip()
        return gr.skip(), *_show_video(path)

    # --- the grid

    @tell
    def count_batch(
        self,
        plans_text: str | None,
        by_parts: bool,
        seeds_text: str | None,
        value: TimelineValue,
        weights: str | None,
        film: bool,
    ) -> str:
        """How many takes the grid has, and how long they take; why there are none yet, where it cannot be made."""
        try:
            seeds = read_seeds(seeds_text)
            named = _combine(value.plan, seeds) if by_parts else read_plans(plans_text or "")
            count = len(named) * max(len(seeds), 1)
        except EmageError as error:
            return as_text(str(error))
        frames = value.trim_end_frame - value.trim_start_frame
        pace_s = self.service.pace.estimate_s(self.service.registry.choice(weights), bool(film), frames)
        takes = f"**{count} take{'s' * (count != 1)}** of {frame_to_second(frames):.1f} s"
        if count > MAX_TAKES_AT_ONCE:
            return f"{takes}: too many, up to {MAX_TAKES_AT_ONCE} can be made at once. Leave out parts or seeds."
        many = f" The first {MAX_CHOSEN} will be ticked: more cannot be compared at once." if count > MAX_CHOSEN else ""
        if pace_s is None:
            return f"{takes}. How long they take will be told here when one like them has been made.{many}"
        return f"{takes}, about {say_duration(count * pace_s)} altogether.{many}"

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
        seeds = read_seeds(seeds_text)
        named = _combine(value.plan, seeds) if by_parts else read_plans(plans_text or "")
        reference = load_reference(choice, user) if any(each.plan.spans for each in named) else None
        first = wanted.takes[0]
        if not seeds and first.settings.seed is not None and _have_other_seeds(user, first.settings.seed):
            seeds = (first.settings.seed,)  # so that captions name it
        takes = list_requests(
            first.recording,
            named,
            first.settings,
            seeds,
            reference and reference.motion,
            wanted.placement,
        )
        wanted = replace(
            wanted, takes=takes, reference_name=wanted.reference_name if reference is None else reference.name
        )
        made, untouched = [], [gr.skip()] * 15
        with suppress(Cancelled):
            for take, _ in self.service.make(wanted, request, progress):
                made.append(take)
                told = f"{len(made)} of {len(takes)} takes made."
                result = self._show_result(take, wanted.smplx, request) if len(made) == 1 else untouched[7:]
                yield told, *show_list(user), *untouched[4:7], *result
        if not made:  # for Gradio empties the outputs of a handler that yields nothing
            yield CANCELLED, *untouched[1:]
        made = [take for take in made if take.number in {each.number for each in user.takes}]
        if made:
            user.choose(take.number for take in made)
            yield gr.skip(), *show_list(user), *untouched[4:]
            with suppress(Cancelled):
                numbers = _show_numbers(user, self.service.measure(made, request, progress))
                yield *untouched[:4], *numbers, *untouched[7:]

    def _show_result(self, take: StoredTake, smplx: bool, request: gr.Request) -> list:
        """For the result's outputs, its words and stage."""
        return [*show_take(take), offer_words(take), self._result.stand(take, smplx, request)]


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


def _say_recordings(names: Sequence[str]) -> str:
    """names: of those to choose from; none where all takes are of one."""
    if not names:
        return ""
    listed = ", ".join(f"**{as_text(name)}**" for name in names)
    return (
        f"These takes are of different recordings: {listed}. You hear the first; "
        "choose another below the bodies, also while it plays. Numbers and curves are each of the take's own."
    )


def read_sound(event: gr.EventData) -> int:
    """Which of the sounds on a stage is heard; the first where an event does not say."""
    try:
        sound = event.sound
    except (AttributeError, TypeError):  # a program may send anything
        return 0
    return sound if type(sound) is int else 0


def _have_other_seeds(user: User, seed: int) -> bool:
    return any(take.settings.seed != seed for take in user.takes)


def _combine(plan: HintPlan, seeds: Sequence[int]) -> list[NamedPlan]:
    """The grid of a plan. Raises HintError where it has one take alone."""
    if not plan.spans and len(set(seeds)) < 2:
        raise HintError(
            "There is nothing to combine yet: paint hints for two parts or more on the timeline, or give several seeds."
        )
    return list_subsets(plan)


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
