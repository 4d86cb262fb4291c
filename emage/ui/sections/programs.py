"""`generate`, `batch`, `words` and `doctor` for programs: plain arguments, in components that no browser shows."""

from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Annotated, Any

import gradio as gr
from pydantic import Field

from emage.batch import MAX_TAKES_AT_ONCE, NO_HINTS, NamedPlan, list_requests, list_subsets, read_plans
from emage.cli.doctor import examine_tools
from emage.errors import Cancelled, EmageError
from emage.evaluation.report import reports_csv
from emage.export.arkit import load_motion
from emage.files import write_text
from emage.generation.settings import TakeSettings
from emage.generation.take import Request, StoredTake
from emage.hints import HintPlan, Placement, place_hints
from emage.recording.audio import second_to_frame
from emage.recording.recording import Recording
from emage.recording.transcript import AUTO
from emage.render.settings import RenderSettings
from emage.ui.components.shared.faults import tell
from emage.ui.components.shared.paths import hide_paths
from emage.ui.components.timeline import TimelineValue
from emage.ui.sections.inputs import NOTHING_RECORDED
from emage.ui.sections.section import CANCELLED, MAKING, Section
from emage.ui.sections.settings import check_picture
from emage.ui.service.registry import list_speakers
from emage.ui.service.service import PageRequest
from emage.ui.service.users import User
from emage.validation import build, checked

_Seeds = Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=MAX_TAKES_AT_ONCE)]
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
            self._of_words = [
                self._inputs[0],
                *self._inputs[-2:],
                gr.Textbox("", label="language"),
            ]
            self._of_batch = [
                *self._inputs[:2],
                gr.JSON(label="plans"),
                gr.JSON(label="seeds"),
                *self._inputs[2:],
            ]
            self._made = [
                gr.File(label="motions", file_count="multiple"),
                gr.File(label="scores"),
                gr.JSON(label="report"),
            ]
            self._state = gr.JSON(label="state")
            self.later = [*self._of_batch[1:], self._of_words[-1]]
            self._outputs = [gr.Video(label="video"), gr.File(label="motion"), gr.JSON(label="report")]
            self._words = gr.JSON(label="words")
            self._buttons = [gr.Button(name) for name in ("generate", "batch", "words", "doctor")]

    def wire(self) -> None:
        generate, batch, words, doctor = self._buttons
        generate.click(self.generate, self._inputs, self._outputs, api_name="generate", **MAKING)
        batch.click(self.batch, self._of_batch, self._made, api_name="batch", **MAKING)
        doctor.click(self.examine, None, self._state, api_name="doctor", concurrency_limit=1)
        words.click(self.find_words, self._of_words, self._words, api_name="words", **MAKING)

    @tell
    def generate(
        self,
        audio: str | None,
        plan: str | None = None,
        hint_motion: str | None = None,
        settings: dict | None = None,
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
        video = None if take.video is None else str(take.video)
        return video, str(take.motion), _describe(take, recording, [*notices, note])

    @tell
    def batch(
        self,
        audio: str | None,
        plan: str | None = None,
        plans: list | None = None,
        seeds: list | None = None,
        hint_motion: str | None = None,
        settings: dict | None = None,
        transcript: str | None = None,
        transcript_file: str | None = None,
        request: gr.Request = None,
        bar: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[list[str], str, list[dict[str, Any]]]:
        """Many takes to compare: their npz files, a csv of their metrics, and what was done for each.

        Every subset of a plan's parts, or a list of plans, [{"name": "arms", "plan": {"spans": [...]}}, ...], each with
        every one of the seeds. All else as for `generate`; a video of each is drawn where the settings' video is true.
        """
        if not audio:
            raise EmageError(NOTHING_RECORDED)
        if plan and plans:
            raise EmageError("There are a plan, whose parts are combined, and plans: give one of them.")
        user = self.service.user(request)
        wanted, spoken = self._read(
            user,
            user.receive(audio),
            None,
            hint_motion and user.receive(hint_motion),
            {"video": False} | build(dict[str, Any], settings or {}, EmageError, "The settings' object"),
        )
        first = wanted.takes[0]
        named = [NamedPlan(NO_HINTS, HintPlan())]
        if plans:
            named = read_plans(plans)
        elif plan:
            named = list_subsets(HintPlan.from_json(plan))
        try:
            recording, notices = self._hear(
                first.recording, transcript, transcript_file, spoken.language, user, request, bar
            )
            takes = list_requests(
                recording,
                named,
                first.settings,
                build(_Seeds, seeds or [], EmageError, "The list of seeds"),
                None if hint_motion is None else load_motion(hint_motion),
                wanted.placement,
            )
            made = list(self.service.make(replace(wanted, takes=takes), request, bar))
            reports = self.service.measure([take for take, _ in made], request, bar)
        except Cancelled as error:
            raise EmageError(CANCELLED) from error
        scores = write_text(user.new_folder() / "scores.csv", reports_csv(reports))
        told = [_describe(take, recording, [*notices, note]) for take, note in made]
        return [str(take.motion) for take, _ in made], str(scores), told

    @tell
    def examine(self) -> dict[str, Any]:
        """What this server works with: its weights and body, its limits, and whether it can draw and align words."""
        registry, limits = self.service.registry, self.service.settings
        return {
            "weights": [{"name": name or None, "label": label} for label, name in registry.choices()],
            "body": registry.own.body.name,
            "speakers": [{"index": index, "label": label} for label, index in list_speakers(registry.own)],
            "max_duration_s": limits.max_duration_s,
            "findings": [asdict(each) | {"text": hide_paths(each.text)} for each in examine_tools()],
        }

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
        reference = None if hint_motion is None else load_motion(hint_motion)
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


def _describe(take: StoredTake, recording: Recording, notes: Sequence[str]) -> dict[str, Any]:
    return {
        "caption": take.caption,
        "frames": take.num_frames,
        "seconds_by_stage": dict(take.stages_s),
        "command": take.command,
        "note": "\n\n".join(filter(None, notes)),
        "words": _write_words(recording),
    }


def _write_words(recording: Recording) -> list[dict[str, Any]]:
    return [asdict(word) for word in recording.words]
