"""Result: the buttons that make a take, and the take that was made."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from emage.errors import Cancelled, HintError
from emage.files import write_text
from emage.generation.take import STAGE_ALL, StoredTake
from emage.recording.recording import Recording
from emage.ui.components.shared.faults import tell
from emage.ui.components.shared.text import as_text
from emage.ui.components.stage import Stage, StagedTake
from emage.ui.components.timeline import Media
from emage.ui.sections.hints import load_reference, name_reference, read_placement, write_plan
from emage.ui.sections.inputs import PageInputs
from emage.ui.sections.section import (
    CANCELLED,
    MAKING,
    Section,
    make_cancel_button,
    make_download_button,
    offer,
    wire_cancel,
)
from emage.ui.sections.settings import accepts_licence, next_seed, read_picture
from emage.ui.sections.speech import COMPARED_ID, PLAYERS, SPEECH_ID, STAGE_ID, VIDEO_ID
from emage.ui.sections.take_list import show_list
from emage.ui.service.pieces import MadeTake, TakePiece
from emage.ui.service.users import Shown, User
from emage.ui.service.words import WORDS_SUFFIX

FIRST_STEP = "Record or upload speech of your own at any time, or begin with one of the examples."

# On a phone the result lies below what was pressed.
_SHOW_RESULT = """(...values) => {
  const stage = document.querySelector("#stage");
  if (stage && window.innerWidth < 900) stage.scrollIntoView({ behavior: "smooth", block: "start" });
  return values;
}"""


class ResultSection(Section):
    """Generate, Another take, Cancel, and what came of it."""

    def build(self) -> None:
        with gr.Row(elem_id="go-row"):
            self.go = gr.Button("Generate", variant="primary", elem_id="generate", scale=3, min_width=110)
            self.another = gr.Button("Another take", elem_id="another", scale=2, min_width=110)
            self.stop = make_cancel_button("cancel", scale=1)
        with gr.Column(elem_classes="card"):
            self.stage = Stage(label="Result", elem_id=STAGE_ID)
            self.video = gr.Video(label="Video", elem_id="video", buttons=[], interactive=False)
            self.details = gr.Markdown(FIRST_STEP, elem_id="details")
            with gr.Row(elem_classes="chips"):
                self.mp4 = make_download_button("Video (mp4)", "mp4")
                self.npz = make_download_button("Motion (npz)", "npz")
                self.plan = make_download_button("Plan (json)", "plan-file")
                self.words = make_download_button("Words (json)", "words-json")
            with gr.Accordion("The command that repeats this take", open=False, elem_id="command-panel"):
                self.command = gr.Code(
                    language="shell",
                    label="In the recording's folder, once `pip install -e .` was run in the project's",
                    elem_id="command",
                    wrap_lines=True,
                    buttons=["copy"],
                )

        self.starts, self.stops = [self.go, self.another], [self.stop]
        self.begins = {"take": [self.go.click], "another": [self.another.click], "film": [self.stage.film]}

    @property
    def outputs(self) -> list[gr.components.Component]:
        """In the order of `show_take`."""
        return [self.video, self.details, self.mp4, self.npz, self.plan, self.command]

    def wire(self, inputs: PageInputs, list_outputs: list[gr.components.Component]) -> None:
        """list_outputs: in the order of `show_list`."""
        self._inputs = inputs
        settings = inputs.settings
        outputs = self.making_outputs = [
            *self.outputs, *list_outputs, inputs.hints.timeline, self.words, self.stage,
        ]  # fmt: skip
        making = {**MAKING, "show_progress_on": self.details, "js": _SHOW_RESULT}
        made = self.go.click(self.generate, inputs.components, outputs, api_name="generate_on_page", **making)
        seeded = self.another.click(
            self.next_seed,
            settings.seed,
            [settings.sample, settings.seed],
            api_name="next_seed",
            show_progress="hidden",
        )
        other = seeded.then(self.generate, inputs.components, outputs, api_name="another_on_page", **making)
        filmed = self.stage.film(
            self.film,
            [*settings.of_picture, settings.body],
            [self.video, self.mp4, self.details, list_outputs[0]],
            api_name="film",
            show_progress_on=self.details,
            **MAKING,
        )
        self.ends = {"take": made, "another": other, "film": filmed}
        cancelled = wire_cancel(self.stop, self.service, self.details, "cancel", [made, other, filmed])
        hints = inputs.hints
        for chosen in (hints.chosen, hints.uploaded):
            chosen.success(
                self.show_hint,
                [*hints.reference_inputs, settings.body],
                self.stage,
                api_name=False,
                trigger_mode="always_last",
                show_progress="hidden",
            )
        settings.body.input(
            self.change_body,
            settings.body,
            self.stage,
            api_name=False,
            trigger_mode="always_last",
            show_progress="hidden",
        )
        # What has begun before it says no more on the page.
        went_back = cancelled.then(
            self.go_back, None, [self.details, self.stage], api_name=False, queue=False, show_progress="hidden"
        )
        self.cancelled = [went_back]

    @tell
    def generate(self, request: gr.Request, bar: gr.Progress = gr.Progress(), *values) -> Iterator[tuple]:  # noqa: B008
        """Make a take, show it and add it to the list."""
        user = self.service.user(request)
        wanted = self._inputs.read(user, *values)
        if user.standing is None:
            yield _change("", Stage.wait())
        try:
            with closing(self.service.stream(wanted, request, bar)) as making:
                yield from self._show_making(making, user, wanted.smplx, request)
        except Cancelled:
            yield _change(_describe_standing(user, CANCELLED), Stage.go_back())
        except Exception:
            yield _change(_describe_standing(user), Stage.go_back())
            raise

    def _show_making(
        self, making: Iterator[TakePiece | MadeTake], user: User, smplx: bool, request: gr.Request
    ) -> Iterator[tuple]:
        """Each take on the stage, the longer the more of it is made, and everywhere when it is there."""
        before, old = user.shown, user.standing
        stream, sound, timeline = None, None, gr.skip()
        details = gr.skip() if old is None else _say_whose(old)
        for made in making:
            if isinstance(made, MadeTake):
                if stream is not None and stream.num_frames == made.take.num_frames:
                    user.stand(made.take)
                    stage = self._show(stream.end(made.take.number), sound, made.take.recording, user)
                else:  # some pieces came while nobody looked
                    stage = self.stand(made.take, smplx, request)
                yield (
                    *show_take(made.take, made.note),
                    *show_list(user),
                    _follow(user, made.take.recording, before),
                    offer_words(made.take),
                    stage,
                )
                continue
            if made.start_frame == 0:
                stream, sound = self.service.begin_on_stage(made, smplx, request)
                timeline = _follow(user, made.request.recording, before)
            if (staged := stream.add(made.motion)) is not None:
                yield _change(details, self._show(staged, sound, made.request.recording, user, is_made=False), timeline)
                timeline = gr.skip()

    @tell
    def follow(self, body: str | None, request: gr.Request, bar: gr.Progress = gr.Progress()) -> Iterator[tuple]:  # noqa: B008
        """What was being made when the page was last there, for `making_outputs`."""
        user = self.service.user(request)
        yield _change(gr.skip(), gr.skip())  # for Gradio empties the outputs of a handler that yields nothing
        try:
            yield from self._show_making(self.service.follow(request, bar), user, accepts_licence(body), request)
        except Cancelled:
            yield _change(_describe_standing(user, CANCELLED), Stage.go_back())
        except Exception:
            yield _change(_describe_standing(user), Stage.go_back())
            raise

    def stand(self, take: StoredTake, smplx: bool, request: gr.Request) -> dict[str, Any]:
        """For the stage: a take that is made already."""
        staged, sound = self.service.stage(take, smplx, request)
        user = self.service.user(request)
        user.stand(take)
        return self._show(staged, sound, take.recording, user, plays=False)

    @tell
    def change_body(self, body: str | None, request: gr.Request) -> dict[str, Any]:
        """The take that stands there, on another body."""
        take = self.service.user(request).standing
        return gr.skip() if take is None else self.stand(take, accepts_licence(body), request)

    @tell
    def show_hint(
        self, choice: str | None, shift_s: float | None, fill: str, body: str | None, request: gr.Request
    ) -> dict[str, Any]:
        """The chosen motion as a ghost, as it lies along the recording, until a take stands there again."""
        user = self.service.user(request)
        reference, placement = load_reference(choice, user), read_placement(shift_s, fill)
        if reference is None or user.shown is None:
            return Stage.go_back()
        standing = user.standing
        start_frame = 0 if standing is None or standing.recording is None else standing.recording.start_frame
        recording = user.shown.recording
        recording = recording.trim(min(start_frame, recording.num_frames - 1))
        try:
            staged, sound = self.service.stage_hint(
                reference.motion, placement, recording, name_reference(choice, user), accepts_licence(body), request
            )
        except HintError:  # it plays nowhere in the recording, which is told when it is used
            return Stage.go_back()
        followed = [Media(SPEECH_ID, -recording.start_frame)]
        return Stage.show([staged], sound, followed, film=False, plays=True, passing="See the hint motion")

    @tell
    def go_back(self, request: gr.Request) -> tuple:
        """The take that was there before work was cancelled, for details and stage."""
        return _describe_standing(self.service.user(request), CANCELLED), Stage.go_back()

    def show_last(self, user: User, smplx: bool, request: gr.Request) -> list[Any]:
        """For `outputs`, the words and the stage: the take that stood there, else the newest one, or that there is
        none."""
        take = user.standing or (user.takes[-1] if user.takes else None)
        if take is None:
            nothing = [None, FIRST_STEP, *(offer(None) for _ in range(3)), "", offer(None)]
            return [*nothing, self.show_nothing(request)]
        return [*show_take(take), offer_words(take), self.stand(take, smplx, request)]

    def show_nothing(self, request: gr.Request) -> dict[str, Any]:
        """For the stage, where no take is there yet."""
        body = self.service.expect_on_stage(request)
        return Stage.show([]) if body is None else Stage.expect(body)

    def _show(
        self,
        staged: StagedTake,
        sound: Path,
        recording: Recording | None,
        user: User,
        is_made: bool = True,
        plays: bool = True,
    ) -> dict[str, Any]:
        start_frame = 0 if recording is None else recording.start_frame
        followed = [Media(VIDEO_ID)]
        if user.shown is not None and recording is not None and user.shown.recording.file == recording.file:
            # What is heard there is the same recording.
            followed += [Media(SPEECH_ID, -start_frame), Media(f"#{COMPARED_ID}")]
        passing = "" if is_made else "See the next take"
        return Stage.show([replace(staged, caption="")], sound, followed, film=is_made, plays=plays, passing=passing)

    @tell
    def film(self, event: gr.EventData, request: gr.Request, bar: gr.Progress = gr.Progress(), *values) -> tuple:  # noqa: B008
        """Draw a video of the take on the stage."""
        *picture, body = values
        user = self.service.user(request)
        (number,) = read_numbers(event)[:1] or (None,)
        try:
            take = self.service.film(
                user.find_take(number), read_picture(*picture), accepts_licence(body), request, bar
            )
        except Cancelled:
            return gr.skip(), gr.skip(), CANCELLED, gr.skip()
        return str(take.video), offer(take.video), gr.skip(), show_list(user)[0]

    def next_seed(self, seed: float | None) -> tuple:
        """Another sample than the one that is set."""
        return True, next_seed(seed)


def show_take(take: StoredTake, note: str = "") -> list[Any]:
    """For `ResultSection.outputs`."""
    plan = take.motion.with_suffix(".plan.json")
    if not plan.exists():
        write_text(plan, write_plan(take.plan) + "\n")
    return [
        None if take.video is None else str(take.video),
        _describe(take, note),
        offer(take.video),
        offer(take.motion),
        offer(plan),
        take.command,
    ]


def offer_words(take: StoredTake) -> dict[str, Any]:
    """For the button of the words that the weights of a take have heard."""
    words = take.motion.with_name(take.motion.stem + WORDS_SUFFIX)
    return offer(words if words.is_file() else None)


def _describe(take: StoredTake, note: str) -> str:
    heard = "silence" if take.recording is not None and take.recording.part_is_silent else "speech"
    frames = "1 frame" if take.num_frames == 1 else f"{take.num_frames} frames"
    made = f"**{as_text(take.caption)}** · {take.duration_s:.1f} s of {heard}, {frames}"
    if take.took_s is not None:
        made += f" · {take.took_s:.1f} s to make"
    lines = [made, note] if note else [made]
    if stages := [f"{stage} {seconds:.1f} s" for stage, seconds in take.stages_s if stage != STAGE_ALL]:
        lines.append(" · ".join(stages))
    return "\n\n".join(lines)


def _describe_standing(user: User, told: str = "") -> str:
    """Where nothing came of the next take: that of before. told: a sentence above it."""
    details = "" if user.standing is None else _describe(user.standing, "")
    return "\n\n".join(filter(None, [told, details])) or FIRST_STEP


def _say_whose(take: StoredTake) -> str:
    return f"The next take is being made. Until it is there, the files below are those of **{as_text(take.caption)}**."


def _change(details: Any, stage: dict[str, Any], timeline: dict[str, Any] | None = None) -> tuple:
    """For the outputs of `ResultSection.generate`: these change, and nothing else."""
    same = gr.skip()
    return same, details, *[same] * 7, timeline or same, same, stage


def read_numbers(event: gr.EventData) -> list[int | None]:
    """Of the takes on a stage that a video is asked of; None for what is no take of the list."""
    try:
        numbers = event.numbers
    except (AttributeError, TypeError):  # a program may send anything
        return []
    return [each if type(each) is int else None for each in numbers] if isinstance(numbers, list) else []


def _follow(user: User, recording: Recording | None, before: Shown | None) -> dict[str, Any]:
    """The timeline, where a take of this recording starts at another frame than the one before, or words came to it.

    before: what was shown when the take was asked for.
    """
    start_frame = 0 if recording is None else recording.start_frame
    media = (Media(SPEECH_ID), Media(VIDEO_ID, start_frame), Media(f"#{STAGE_ID}", start_frame))
    if user.shown is None:
        return gr.skip()
    backdrop = user.shown.backdrop
    media += tuple(each for each in backdrop.media if each.selector not in PLAYERS)
    if backdrop.media == media and before is not None and before.backdrop.words is backdrop.words:
        return gr.skip()
    return gr.update(backdrop=user.change_backdrop(media=media).to_json())
