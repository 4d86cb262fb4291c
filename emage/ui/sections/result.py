"""Result: the buttons that make a take, and the take that was made."""

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from emage.errors import Cancelled
from emage.files import write_text
from emage.generation.take import StoredTake
from emage.recording.recording import Recording
from emage.ui.components.shared.faults import tell
from emage.ui.components.stage import Stage, StagedTake
from emage.ui.components.timeline import Media
from emage.ui.sections.hints import write_plan
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
from emage.ui.service.pieces import TakePiece
from emage.ui.service.users import Shown, User
from emage.ui.service.words import WORDS_SUFFIX

FIRST_STEP = "A recording is in already: press **Generate**, and the result appears here."

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
                    language="shell", label="Command", elem_id="command", wrap_lines=True, buttons=["copy"]
                )

    @property
    def outputs(self) -> list[gr.components.Component]:
        """In the order of `show_take`."""
        return [self.video, self.details, self.mp4, self.npz, self.plan, self.command]

    def wire(self, inputs: PageInputs, list_outputs: list[gr.components.Component]) -> None:
        """list_outputs: in the order of `show_list`."""
        self._inputs = inputs
        settings = inputs.settings
        outputs = [*self.outputs, *list_outputs, inputs.hints.timeline, self.words, self.stage]
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
        wire_cancel(self.stop, self.service, self.details, "cancel", [made, other, filmed])

    @tell
    def generate(self, request: gr.Request, bar: gr.Progress = gr.Progress(), *values) -> Iterator[tuple]:  # noqa: B008
        """Make a take, show it and add it to the list."""
        user = self.service.user(request)
        wanted = self._inputs.read(user, *values)
        before = user.shown
        untouched = [gr.skip() for _ in range(11)]
        stream, sound, recording = None, None, wanted.takes[0].recording
        with suppress(Cancelled), closing(self.service.stream(wanted, request, bar)) as making:
            for made in making:
                if isinstance(made, TakePiece):
                    if made.start_frame == 0:
                        stream, sound = self.service.begin_on_stage(made, wanted.smplx, request)
                        untouched[9] = _follow(user, made.request.recording, before)
                    if (staged := stream.add(made.motion)) is not None:
                        yield *untouched, self._show(staged, sound, recording, user, is_made=False)
                        untouched[9] = gr.skip()
                    continue
                take, note = made.take, made.note
                stage = self._show(stream.end(take.number), sound, take.recording, user)
                yield (
                    *show_take(take, note),
                    *show_list(user),
                    _follow(user, take.recording, before),
                    offer_words(take),
                    stage,
                )
            return
        cut = None if stream is None else stream.end()
        stage = gr.skip() if cut is None else self._show(cut, sound, recording, user, is_made=False)
        yield gr.skip(), CANCELLED, *(gr.skip() for _ in range(9)), stage

    def stand(self, take: StoredTake, smplx: bool, request: gr.Request) -> dict[str, Any]:
        """For the stage."""
        staged, sound = self.service.stage(take, smplx, request)
        return self._show(staged, sound, take.recording, self.service.user(request), plays=False)

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
        return Stage.show([replace(staged, caption="")], sound, followed, film=is_made, plays=plays)

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
    made = f"**{take.caption}** · {take.duration_s:.1f} s of speech, {take.num_frames} frames"
    if take.took_s is not None:
        made += f" · {take.took_s:.1f} s to make"
    lines = [made, note] if note else [made]
    if take.stages_s:
        lines.append(" · ".join(f"{stage} {seconds:.1f} s" for stage, seconds in take.stages_s))
    return "\n\n".join(lines)


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
