"""Project: all that the page shows in one zip, and back."""

from contextlib import suppress
from dataclasses import replace

import gradio as gr

from emage.errors import RenderError, VideoError
from emage.generation.take import StoredTake
from emage.motion import FPS
from emage.project import Project
from emage.recording.audio import frame_to_second
from emage.recording.recording import Recording
from emage.ui.components.shared.faults import tell
from emage.ui.components.timeline import Timeline, TimelineValue
from emage.ui.sections.hints import list_references, load_reference, read_placement, show_plan_forms
from emage.ui.sections.inputs import PageInputs
from emage.ui.sections.section import Section
from emage.ui.sections.settings import read_picture, show_picture
from emage.ui.sections.speech import show_recording
from emage.ui.sections.take_list import show_list
from emage.ui.sections.transcript import show_transcript

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

    def wire(self, inputs: PageInputs, list_outputs: list[gr.components.Component]) -> None:
        """list_outputs: in the order of `show_list`."""
        self._inputs = inputs
        self.save.click(
            self.save_session,
            inputs.components,
            [self.file, self.note],
            api_name="save_session",
            show_progress_on=self.note,
        ).success(None, js=_CLICK_SESSION_FILE, api_name=False)
        speech, hints, settings = inputs.speech, inputs.hints, inputs.settings
        self.load.upload(
            self.load_session,
            self.load,
            [
                speech.audio, hints.timeline, speech.note, *hints.forms, hints.shift_s, hints.fill,
                *settings.of_take, *settings.of_picture, *list_outputs, self.note,
                settings.without_audio, *inputs.transcript.outputs,
            ],
            api_name="load_session",
            show_progress_on=self.note,
        )  # fmt: skip

    @tell
    def save_session(self, request: gr.Request, bar: gr.Progress = gr.Progress(), *values) -> tuple:  # noqa: B008
        """All that the page shows, in one zip."""
        audio, value, choice, shift_s, fill, *settings = values
        user = self.service.user(request)
        reference = load_reference(choice, user)
        project = Project(plan=value.plan, reference=None if reference is None else reference.motion, takes=user.takes)
        if audio:
            *of_take, renderer, camera, face, size, quality, _, without_audio, _, _, _ = settings
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
        path = replace(project, takes=user.takes).save(user.new_folder() / FILE_NAME)
        size_mb = path.stat().st_size / 1e6
        return gr.update(value=str(path), visible=True), f"Saved: {size_mb:.1f} MB, {len(user.takes)} takes."

    @tell
    def load_session(self, path: str, request: gr.Request) -> tuple:
        """The page as it was when the zip was saved; its takes replace those in the list."""
        user = self.service.user(request)
        folder = user.new_folder()
        max_duration_s = self.service.settings.max_duration_s
        project = Project.load(user.receive(path), folder, max_duration_s=max_duration_s)
        shown, value, reference = None, TimelineValue(), None
        if project.recording is not None:
            recording = project.recording.store(folder)
            shown = show_recording(recording.trim(0))
            frames = recording.num_frames
            value = TimelineValue(frames, project.plan, recording.start_frame, recording.end_frame)
        if project.reference is not None:
            reference = project.reference.save(folder / "reference.npz")
            if shown is not None:
                motion_frames = project.reference.resample(FPS).num_frames
                end = project.placement.end_frame(motion_frames, shown.recording.num_frames)
                shown = replace(shown, backdrop=replace(shown.backdrop, reference_frames=end))
        takes = [replace(take, caption=take.caption or f"take {take.number}") for take in project.takes]
        user.replace_all(takes, shown, reference)
        note = f"Loaded: {len(user.takes)} takes."
        registry = self.service.registry
        if not registry.offers(registry.choice(project.settings.weights)):
            note += f" Its weights, {project.settings.weights}, are not offered here: the page's own are chosen."
        rows, _, keep = show_list(user)
        choices = list_references(user)
        *of_take, without_audio = self._inputs.settings.show_take(project.settings)
        text, _, told = show_transcript(() if shown is None else shown.recording.words)
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
            gr.skip(),
            told,
        )


def _loses_sound(take: StoredTake, saved: Recording | None) -> bool:
    """Whether what a take was made of is not the recording that is saved, and there is no video of it."""
    if take.video is not None or take.recording is None:
        return False
    return saved is None or take.recording.file != saved.file or take.num_frames != saved.part_frames
