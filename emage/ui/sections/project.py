"""Project: all that the page shows in one zip, and back."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import gradio as gr

from emage.errors import RenderError, VideoError
from emage.files import write_text
from emage.generation.take import StoredTake
from emage.hub import WORDS_NEEDED, WORDS_USED
from emage.motion import FPS
from emage.project import Project
from emage.recording.audio import frame_to_second
from emage.recording.pronunciation import ENGLISH
from emage.recording.recording import Recording
from emage.recording.transcript import write_words
from emage.ui.components.shared.faults import tell
from emage.ui.components.shared.text import as_text
from emage.ui.components.timeline import Timeline, TimelineValue
from emage.ui.sections.hints import list_references, load_reference, read_placement, show_plan_forms
from emage.ui.sections.inputs import PageInputs
from emage.ui.sections.result import ResultSection
from emage.ui.sections.section import QUIETLY, READING, Section
from emage.ui.sections.settings import accepts_licence, read_picture, show_picture
from emage.ui.sections.speech import show_recording
from emage.ui.sections.take_list import show_list
from emage.ui.sections.transcript import LANGUAGES, show_transcript
from emage.ui.service.users import Shown, User
from emage.ui.service.words import WORDS_SUFFIX

FILE_NAME = "emage-session.zip"
_CLICK_SESSION_FILE = "() => setTimeout(() => document.querySelector('#session-file')?.click(), 300)"


class ProjectSection(Section):
    """Save and load."""

    def build(self) -> None:
        gr.Markdown("## 5 · The whole session\nRecording, plan, settings and takes in one file that loads back.")
        with gr.Row():
            self.save = gr.Button("Save the session", elem_id="save-session", min_width=140)
            self.load = gr.UploadButton("Load a session…", file_types=[".zip"], elem_id="load-session", min_width=140)
            self.file = gr.DownloadButton("Download it again", elem_id="session-file", visible="hidden", min_width=140)
        self.note = gr.Markdown(elem_id="session-note")

    def wire(self, inputs: PageInputs, list_outputs: list[gr.components.Component], result: ResultSection) -> None:
        """list_outputs: in the order of `show_list`."""
        self._inputs, self._result = inputs, result
        saved = self.save.click(
            self.save_session,
            inputs.components,
            [self.file, self.note],
            api_name="save_session",
            show_progress_on=self.note,
            **READING,
        )
        saved.success(None, js=_CLICK_SESSION_FILE, api_name=False)
        speech, hints, settings = inputs.speech, inputs.hints, inputs.settings
        loaded = self.load.upload(
            self.load_session,
            [self.load, settings.body],
            [
                speech.audio, hints.timeline, speech.note, *hints.forms, hints.shift_s, hints.fill,
                *settings.of_take, *settings.of_picture, *list_outputs, self.note,
                settings.without_audio, *inputs.transcript.outputs, *result.outputs, result.words, result.stage,
            ],
            api_name="load_session",
            show_progress_on=self.note,
            **READING,
        )  # fmt: skip
        loaded.then(**hints.face_check, api_name=False, **QUIETLY)
        self.saves = [saved, loaded]
        """Events after whose success the list of takes is in a zip."""

    @tell
    def save_session(self, request: gr.Request, bar: gr.Progress = gr.Progress(), *values) -> tuple:  # noqa: B008
        """All that the page shows, in one zip."""
        audio, value, choice, shift_s, fill, *settings = values
        *of_take, renderer, camera, face, size, quality, _, without_audio, text, language, _ = settings
        user = self.service.user(request)
        reference = load_reference(choice, user)
        project = Project(
            plan=value.plan,
            reference=None if reference is None else reference.motion,
            takes=user.takes,
            text=text or "",
            language=language or ENGLISH,
        )
        if audio:
            project = replace(
                project,
                recording=self._inputs.read_recording(user, audio, value),
                placement=read_placement(shift_s, fill),
                settings=self._inputs.settings.read_take(*of_take, without_audio),
                picture=read_picture(renderer, camera, face, size, quality),
            )
        for take in user.takes:
            # A video has it. Where none can be drawn, the motion is saved all the same.
            if _loses_sound(take, project.recording):
                with suppress(RenderError, VideoError):
                    self.service.film(take, project.picture, False, request, bar)
        takes = user.takes
        path = replace(project, takes=takes).save(user.new_folder() / FILE_NAME)
        user.mark_saved(takes)
        size_mb = path.stat().st_size / 1e6
        note = f"Saved: {size_mb:.1f} MB, {_count(takes)}."
        return gr.update(value=str(path), visible=True), note

    @tell
    def load_session(self, path: str, body: str | None, request: gr.Request) -> tuple:
        """The page as it was when the zip was saved; its takes replace those in the list.

        It is loaded whole or not at all.
        """
        user = self.service.user(request)
        folder = user.new_folder()
        try:
            max_duration_s = self.service.settings.max_duration_s
            project = Project.load(user.receive(path), folder, max_duration_s=max_duration_s)
            shown, value = _show_project(project, folder)
            reference = None if project.reference is None else project.reference.save(folder / "reference.npz")
            takes = [replace(take, caption=take.caption or f"take {take.number}") for take in project.takes]
            for take in takes:
                self._write_words(take)
            with user.replace_all(takes, shown, reference):
                self.service.look_at(user, *user.takes)
                page = self._show(project, user, value, accepts_licence(body), request)
            return page
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _write_words(self, take: StoredTake) -> None:
        """Beside a take whose weights have heard them, as where it was made."""
        registry = self.service.registry
        name = registry.choice(take.settings.weights)
        hears = registry.offers(name) and registry.need_of_words(name) in (WORDS_NEEDED, WORDS_USED)
        if hears and take.recording is not None and take.recording.words:
            write_text(take.motion.with_name(take.motion.stem + WORDS_SUFFIX), write_words(take.recording.words))

    def _show(self, project: Project, user: User, value: TimelineValue, smplx: bool, request: gr.Request) -> tuple:
        shown, registry = user.shown, self.service.registry
        note = f"Loaded: {_count(user.takes)}."
        if not registry.offers(registry.choice(project.settings.weights)):
            weights = as_text(project.settings.weights or "")
            note += f" Its weights, {weights}, are not offered here: the page's own are chosen."
        rows, _, keep = show_list(user)
        choices = list_references(user)
        *of_take, without_audio = self._inputs.settings.show_take(project.settings)
        text, language, told = show_transcript(
            () if shown is None else shown.recording.words, project.text, project.language
        )
        return (
            None if shown is None else str(shown.recording.file),
            Timeline.show(value, None if shown is None else shown.backdrop),
            "",
            *show_plan_forms(value.plan),
            frame_to_second(project.placement.shift_frames),
            project.placement.fill,
            *of_take,
            *show_picture(project.picture),
            rows,
            gr.update(choices=choices, value=choices[0][1] if choices else None),
            keep,
            note,
            without_audio,
            text,
            language if project.text and language in dict(LANGUAGES).values() else gr.skip(),
            told,
            *self._result.show_last(user, smplx, request),
        )


def _show_project(project: Project, folder: Path) -> tuple[Shown | None, TimelineValue]:
    """The recording as the page shows it, and what is painted. folder: for what it is decoded to."""
    if project.recording is None:
        return None, TimelineValue()
    recording = project.recording.store(folder)
    shown = show_recording(recording.trim(0))
    value = TimelineValue(recording.num_frames, project.plan, recording.start_frame, recording.end_frame)
    if project.reference is not None:
        motion_frames = project.reference.frames_at(FPS)
        reach = project.placement.reach(motion_frames, shown.recording.num_frames)
        shown = replace(shown, backdrop=replace(shown.backdrop, reference_span=reach))
    return shown, value


def _count(takes: Sequence[StoredTake]) -> str:
    return f"{len(takes)} take{'s' * (len(takes) != 1)}"


def _loses_sound(take: StoredTake, saved: Recording | None) -> bool:
    """Whether what a take was made of is not the recording that is saved, and there is no video of it."""
    if take.video is not None or take.recording is None:
        return False
    return saved is None or take.recording.file != saved.file or take.num_frames != saved.part_frames
