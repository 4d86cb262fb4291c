"""`generate` and `words` for programs: plain arguments, in components that no browser shows."""

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Annotated, Any

import gradio as gr
from pydantic import Field

from emage.errors import Cancelled, EmageError
from emage.export.arkit import load_motion
from emage.generation.settings import TakeSettings
from emage.generation.take import Request
from emage.hints import HintPlan, Placement, place_hints
from emage.motion import FPS
from emage.recording.audio import second_to_frame
from emage.recording.recording import Recording
from emage.recording.transcript import AUTO
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


@checked(EmageError)
class _Spoken:
    """language: that the transcript is in, as in `en` or `de`; by default an example's own, and else English."""

    language: Annotated[str, Field(max_length=30)] | None = None


@checked(EmageError)
class _Film:
    """video: draw one; without it a take is there much sooner."""

    video: bool = True


_KINDS = (TakeSettings, RenderSettings, Placement, _Part, _Spoken, _Film)


class ProgramsSection(Section):
    """The endpoints."""

    def build(self) -> None:
        with gr.Row(visible=False):
            self._inputs = [
                gr.Audio(type="filepath", label="audio"),
                gr.Textbox(label="plan"),
                gr.File(type="filepath", label="hint_motion"),
                gr.JSON(label="settings"),
                gr.Textbox("", label="transcript"),
                gr.File(type="filepath", label="transcript_file"),
            ]
            self.later = self._inputs[-2:]
            self._of_words = [
                self._inputs[0],
                *self.later,
                gr.Textbox("", label="language"),
            ]
            self._outputs = [gr.Video(label="video"), gr.File(label="motion"), gr.JSON(label="report")]
            self._words = gr.JSON(label="words")
            self._buttons = [gr.Button("generate"), gr.Button("words")]

    def wire(self) -> None:
        generate, words = self._buttons
        generate.click(self.generate, self._inputs, self._outputs, api_name="generate", **MAKING)
        words.click(self.find_words, self._of_words, self._words, api_name="words", **MAKING)

    @tell
    def generate(
        self,
        audio: str | None,
        plan: str | None,
        hint_motion: str | None,
        settings: dict | None,
        transcript: str | None = None,
        transcript_file: str | None = None,
        request: gr.Request = None,
        bar: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio hands it over
    ) -> tuple[str | None, str, dict]:
        """A take from plain values: its mp4, its npz in BEAT2's format, and what was done.

        transcript: what is said, or "auto" to listen for it; transcript_file: the same as a file of any form.
        """
        if not audio:
            raise EmageError(NOTHING_RECORDED)
        user = self.service.user(request)
        wanted, spoken = self._read(
            user, user.receive(audio), plan, hint_motion and user.receive(hint_motion), settings
        )
        registry = self.service.registry
        weights = registry.choice(wanted.takes[0].settings.weights)
        if not registry.offers(weights):
            registry.pipeline(weights)  # raises, with what is offered
        try:
            first = wanted.takes[0]
            recording, notices = self._hear(
                first.recording, transcript, transcript_file, spoken.language, user, request, bar
            )
            wanted = replace(wanted, takes=[replace(first, recording=recording)])
            take, note = next(iter(self.service.make(wanted, request, bar)))
        except Cancelled as error:
            raise EmageError(CANCELLED) from error
        report = {
            "caption": take.caption,
            "frames": take.num_frames,
            "seconds_by_stage": dict(take.stages_s),
            "command": take.command,
            "note": "\n\n".join(filter(None, [*notices, note])),
            "words": _write_words(recording),
        }
        return None if take.video is None else str(take.video), str(take.motion), report

    @tell
    def find_words(
        self,
        audio: str | None,
        transcript: str | None = None,
        transcript_file: str | None = None,
        language: str | None = None,
        request: gr.Request = None,
        bar: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> dict[str, Any]:
        """The words of a recording with their times: of a transcript, or recognised where none is given.

        language: as in `en` or `de`; by default an example's own, and else English.
        """
        if not audio:
            raise EmageError(NOTHING_RECORDED)
        user = self.service.user(request)
        recording = self.service.decode(user, user.receive(audio))
        given = transcript or (None if transcript_file else AUTO)
        try:
            recording, notices = self._hear(recording, given, transcript_file, language or None, user, request, bar)
        except Cancelled as error:
            raise EmageError(CANCELLED) from error
        return {"words": _write_words(recording), "notices": notices}

    def _hear(
        self,
        recording: Recording,
        transcript: str | None,
        transcript_file: str | None,
        language: str | None,
        user: User,
        request: gr.Request,
        bar: gr.Progress,
    ) -> tuple[Recording, tuple[str, ...]]:
        """A recording with the words of a transcript, if any is given, and sentences on them.

        Raises:
            EmageError: both a text and a file, or what the library says of them. Cancelled.
        """
        if transcript and transcript_file:
            raise EmageError("There are a transcript and a transcript_file: give one of them.")
        if not (transcript or transcript_file):
            return recording, ()
        given = user.receive(transcript_file) if transcript_file else None if transcript == AUTO else transcript
        heard = self.service.hear(recording, given, language, request, bar)
        return heard.recording, heard.notices

    def _read(
        self, user: User, audio: Path, plan: str | None, hint_motion: Path | None, settings: Any
    ) -> tuple[PageRequest, _Spoken]:
        """`settings` are the fields of TakeSettings, RenderSettings and Placement, start_s and end_s of the part of the
        recording that is used, the language of the transcript, and whether a video is drawn; the plan counts from the
        recording's beginning.

        Raises:
            EmageError: a field that none of them has, or what they raise.
        """
        given = {} if settings in (None, "") else settings
        settings = build(dict[str, Any], given, EmageError, "The settings' object")
        known = {field.name for kind in _KINDS for field in fields(kind)}
        if not set(settings) <= known:
            raise EmageError(f"The settings must be an object with no other fields than {', '.join(sorted(known))}.")
        take, picture, placement, part, spoken, film = (
            build(
                kind, {name: settings[name] for name in settings if name in kind.__dataclass_fields__}, EmageError, ""
            )
            for kind in _KINDS
        )
        recording = self.service.decode(user, audio).trim(
            second_to_frame(part.start_s or 0), None if part.end_s is None else second_to_frame(part.end_s)
        )
        reference = None if hint_motion is None else load_motion(hint_motion).resample(FPS)
        value = TimelineValue(recording.num_frames, HintPlan.from_json(plan) if plan else HintPlan())  # with its limits
        hints = place_hints(recording, value.plan, reference, placement)
        wanted = PageRequest(
            takes=[Request(recording, take, hints)],
            picture=check_picture(picture),
            reference_name="reference.npz" if hint_motion is None else hint_motion.name,
            placement=placement,
            film=film.video,
        )
        return wanted, spoken


def _write_words(recording: Recording) -> list[dict[str, Any]]:
    return [asdict(word) for word in recording.words]
