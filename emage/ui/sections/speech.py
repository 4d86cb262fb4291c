"""Speech: a recording from the microphone, a file, a video or an example, onto the timeline."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr
import soundfile

from emage.errors import EmageError
from emage.recording.audio import SOUND_RATE_HZ
from emage.recording.examples import EXAMPLES_FOLDER, Example, load_examples
from emage.recording.recording import Recording
from emage.recording.transcript import Word, load_words
from emage.ui.components.shared.faults import tell
from emage.ui.components.shared.paths import serve_folder
from emage.ui.components.shared.text import as_text
from emage.ui.components.timeline import Backdrop, Media, Timeline, TimelineValue
from emage.ui.sections.hints import HintsSection, show_plan_forms
from emage.ui.sections.section import QUIETLY, READING, Section
from emage.ui.sections.settings import SettingsSection
from emage.ui.sections.transcript import TranscriptSection, show_transcript
from emage.ui.service.users import Shown, User

SPEECH_ID, VIDEO_ID, STAGE_ID, COMPARED_ID = "#speech", "#video", "result-stage", "compare-stage"
PLAYERS = (SPEECH_ID, VIDEO_ID, f"#{STAGE_ID}")
"""Selectors of what the timeline's playhead follows and moves."""
TAKE_VIDEOS_JS = f"""() => {{
  const give = (event, files) => {{
    const input = document.querySelector("#examples input[type=file]");
    if (!files?.[0]?.type.startsWith("video/") || !input) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    // It does not wait for a drop any more.
    if (event.type === "drop") event.target.dispatchEvent(new DragEvent("dragleave", {{ bubbles: true }}));
    input.files = files;
    input.dispatchEvent(new Event("change", {{ bubbles: true }}));
  }};
  document.addEventListener("change", (event) => {{
    if (event.target.matches?.("{SPEECH_ID} input[type=file]")) give(event, event.target.files);
  }}, true);
  document.addEventListener("drop", (event) => {{
    if (event.target.closest?.("{SPEECH_ID}")) give(event, event.dataTransfer.files);
  }}, true);
}}"""
"""For the page's beginning: what browsers take for a video, as they do recordings in webm, comes the way of videos. As
sound it would be refused."""
SPEAKER_STAYS = "The chosen weights do not know this example's speaker: the speaker stays as it is set."


class SpeechSection(Section):
    """The first example is in already, so that one click makes something."""

    def build(self) -> None:
        examples = load_examples()
        serve_folder(EXAMPLES_FOLDER)
        first = examples[0] if examples else None
        gr.Markdown("## 1 · Speech")
        self.audio = gr.Audio(
            str(first.audio) if first else None,
            sources=["upload", "microphone"],
            type="filepath",
            label="Recording",
            elem_id="speech",
            editable=False,  # it is trimmed on the timeline
            interactive=True,
            buttons=[],
        )
        self.examples: list[tuple[Example, gr.Button]] = []
        with gr.Row(elem_id="examples", elem_classes="chips"):
            if examples:
                gr.Markdown("Try:", elem_classes="chips-label")
            self.examples = [
                (example, gr.Button(example.title, size="sm", elem_id=f"example-{example.name}", min_width=0))
                for example in examples
            ]
            self.video = gr.UploadButton(
                "Sound of a video…", file_types=["video"], size="sm", elem_id="speech-video", min_width=0
            )
        self.note = gr.Markdown(elem_id="speech-note")

    def wire(self, hints: HintsSection, settings: SettingsSection, transcript: TranscriptSection) -> None:
        self._hints, self._settings = hints, settings
        inputs = [hints.timeline, *hints.reference_inputs]
        outputs = [hints.timeline, self.note, *hints.forms, *transcript.outputs]
        gr.on(
            [self.audio.upload, self.audio.stop_recording, self.audio.clear],
            self.show_recording,
            [self.audio, *inputs],
            outputs,
            api_name="show_recording",
            **QUIETLY,
            **READING,
        )
        self.video.upload(
            self.take_video,
            [self.video, *inputs],
            [self.audio, *outputs],
            api_name="take_video",
            show_progress_on=self.audio,
            **READING,
        )
        for example, button in self.examples:
            button.click(
                self._taking(example),
                [settings.weights, *inputs],
                [self.audio, settings.speaker, *outputs],
                api_name=f"example_{example.name}",
                show_progress="hidden",
            )

    @tell
    def show_recording(self, request: gr.Request, audio: str | None, value: TimelineValue, *reference) -> tuple:
        """A recording's waveform, with what of the plan fits it."""
        user = self.service.user(request)
        try:
            recording = self.service.decode(user, user.receive(audio)) if audio else None
        except EmageError as error:
            return self._show(user, None, f"**{as_text(str(error))}**", value, reference)
        return self._show(user, recording, "", value, reference)

    @tell
    def take_video(self, request: gr.Request, path: str, value: TimelineValue, *reference) -> tuple:
        """The sound of a video becomes the recording."""
        user = self.service.user(request)
        video = user.receive(path)
        recording = Recording.load(video, self.service.settings.max_duration_s)
        folder = user.new_folder()
        sound = folder / f"{recording.stem}.flac"
        soundfile.write(sound, recording.sound, SOUND_RATE_HZ)
        recording = replace(recording.store(folder), name=sound.name, file=sound)
        user.remember(recording)
        return str(sound), *self._show(user, recording, "", value, reference)

    def _taking(self, example: Example) -> Callable:
        """A handler: an example becomes the recording, with its words and, where the chosen weights know it, its way
        of moving."""

        @tell
        def take_example(request: gr.Request, weights: str | None, value: TimelineValue, *reference) -> tuple:
            user, note, speaker = self.service.user(request), "", gr.update(value=example.speaker)
            if not self._settings.knows_speaker(weights, example.speaker):
                speaker, note = gr.skip(), SPEAKER_STAYS
            recording = replace(self.service.decode(user, example.audio), words=load_example_words(example))
            user.remember(recording)
            shown = self._show(user, recording, note, value, reference, show_transcript_of(example))
            return str(example.audio), speaker, *shown

        return take_example

    def _show(
        self,
        user: User,
        recording: Recording | None,
        note: str,
        value: TimelineValue,
        reference: Sequence[Any],
        transcript: Sequence[Any] | None = None,
    ) -> tuple:
        """For timeline, note, the plan's forms and the transcript."""
        shown = None if recording is None else show_recording(recording)
        value = user.show(shown, value)
        backdrop = self._hints.mark_reference(user, reference)
        if transcript is None:  # the language that is set is likely that of the next recording, too
            text, _, told = show_transcript(() if recording is None else recording.words)
            transcript = text, gr.skip(), told
        return Timeline.show(value, backdrop), note, *show_plan_forms(value.plan), *transcript


def show_recording(recording: Recording) -> Shown:
    """With its waveform, and the players that the playhead follows."""
    media = [Media(player) for player in PLAYERS]
    return Shown(recording, Backdrop.from_audio(recording.samples, recording.words, media=media))


def show_first_transcript() -> list[Any]:
    """For `TranscriptSection.outputs`: of the first example, which is in already."""
    examples = load_examples()
    return show_transcript_of(examples[0]) if examples else show_transcript(())


def show_first() -> Shown | None:
    """The first example; None where there are none."""
    examples = load_examples()
    if not examples:
        return None
    return show_recording(replace(Recording.load(examples[0].audio), words=load_example_words(examples[0])))


def load_example_words(example: Example) -> tuple[Word, ...]:
    path = example.audio.with_suffix(".TextGrid")
    return load_words(path) if path.is_file() else ()


def show_transcript_of(example: Example) -> list[Any]:
    """For `TranscriptSection.outputs`."""
    return show_transcript(load_example_words(example), example.text, example.language)
