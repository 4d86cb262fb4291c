"""Speech: a recording from the microphone, a file, a video or an example, onto the timeline."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr
import soundfile

from emage.errors import AudioError, EmageError
from emage.recording.audio import SOUND_RATE_HZ, frame_to_second, second_to_frame
from emage.recording.examples import Example, load_examples
from emage.recording.recording import Recording
from emage.recording.transcript import Word, load_words
from emage.ui.components.shared.faults import tell
from emage.ui.components.timeline import Backdrop, Media, Timeline, TimelineValue
from emage.ui.sections.hints import HintsSection, show_plan_forms
from emage.ui.sections.section import QUIETLY, Section
from emage.ui.sections.settings import SettingsSection
from emage.ui.service.users import Shown, User

PLAYERS = ("#speech", "#video")
SPEAKER_STAYS = "The chosen weights do not know this example's speaker: the speaker stays as it is set."


class SpeechSection(Section):
    """The first example is in already, so that one click makes something."""

    def build(self) -> None:
        examples = load_examples()
        # Served as they are: copies would be deleted with the users' files.
        gr.set_static_paths([example.audio for example in examples])
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
        if examples:
            with gr.Row(elem_id="examples", elem_classes="chips"):
                gr.Markdown("Try:", elem_classes="chips-label")
                self.examples = [
                    (example, gr.Button(example.title, size="sm", elem_id=f"example-{example.name}", min_width=0))
                    for example in examples
                ]
        self.note = gr.Markdown(_quote(first), elem_id="transcript")
        with gr.Row(elem_classes="chips"):
            self.video = gr.UploadButton(
                "Sound of a video…", file_types=["video"], size="sm", elem_id="speech-video", min_width=0
            )
            self.words = gr.UploadButton(
                "Words (TextGrid)…", file_types=[".TextGrid", ".textgrid"], size="sm", elem_id="words-file", min_width=0
            )

    def wire(self, hints: HintsSection, settings: SettingsSection) -> None:
        self._hints, self._settings = hints, settings
        inputs = [hints.timeline, *hints.reference_inputs]
        outputs = [hints.timeline, self.note, *hints.forms]
        gr.on(
            [self.audio.upload, self.audio.stop_recording, self.audio.clear],
            self.show_recording,
            [self.audio, *inputs],
            outputs,
            api_name="show_recording",
            **QUIETLY,
        )
        self.video.upload(
            self.take_video,
            [self.video, *inputs],
            [self.audio, *outputs],
            api_name="take_video",
            show_progress_on=self.audio,
        )
        self.words.upload(self.take_words, self.words, hints.timeline, api_name="take_words", show_progress="hidden")
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
            return self._show(user, None, f"**{error}**", value, reference)
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
            user, text, speaker = self.service.user(request), _quote(example), gr.update(value=example.speaker)
            if not self._settings.knows_speaker(weights, example.speaker):
                speaker, text = gr.skip(), f"{text}\n\n{SPEAKER_STAYS}"
            recording = replace(self.service.decode(user, example.audio), words=load_example_words(example))
            user.remember(recording)
            return str(example.audio), speaker, *self._show(user, recording, text, value, reference)

        return take_example

    def _show(
        self, user: User, recording: Recording | None, text: str, value: TimelineValue, reference: Sequence[Any]
    ) -> tuple:
        """For timeline, note and the plan's forms."""
        shown = None if recording is None else show_recording(recording)
        value = user.show(shown, value)
        backdrop = self._hints.mark_reference(user, reference)
        return Timeline.show(value, backdrop), text, *show_plan_forms(value.plan)

    @tell
    def take_words(self, path: str, request: gr.Request) -> dict[str, Any]:
        """The words of a transcript onto the timeline."""
        user = self.service.user(request)
        words = load_words(user.receive(path))
        if user.shown is None:
            raise EmageError("Choose the recording first, then its transcript.")
        _check_words(words, user.shown.recording)
        return gr.update(backdrop=user.add_words(words).to_json())


def show_recording(recording: Recording) -> Shown:
    """With its waveform, and the players that the playhead follows."""
    media = [Media(player) for player in PLAYERS]
    return Shown(recording, Backdrop.from_audio(recording.samples, recording.words, media=media))


def show_first() -> Shown | None:
    """The first example; None where there are none."""
    examples = load_examples()
    if not examples:
        return None
    return show_recording(replace(Recording.load(examples[0].audio), words=load_example_words(examples[0])))


def load_example_words(example: Example) -> tuple[Word, ...]:
    path = example.audio.with_suffix(".TextGrid")
    return load_words(path) if path.is_file() else ()


def _quote(example: Example | None) -> str:
    return f"*“{example.text}”*" if example else ""


def _check_words(words: tuple[Word, ...], recording: Recording) -> None:
    """Raise AudioError where the words are of another, longer recording."""
    last_s = max((word.start_s for word in words), default=0.0)
    if second_to_frame(last_s) > recording.num_frames:
        raise AudioError(
            f"The last word begins at {last_s:.1f} s, but the recording lasts "
            f"{frame_to_second(recording.num_frames):.1f} s. Choose the transcript of this recording."
        )
