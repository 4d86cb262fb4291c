"""All that a take is made from, as the page has it: recording, timeline, reference and settings."""

import gradio as gr

from emage.errors import EmageError
from emage.generation.take import Request
from emage.hints import place_hints
from emage.recording.pronunciation import ENGLISH
from emage.recording.recording import Recording
from emage.ui.components.timeline import TimelineValue
from emage.ui.sections.hints import HintsSection, load_reference, read_placement
from emage.ui.sections.settings import SettingsSection, accepts_licence, read_picture
from emage.ui.sections.speech import SpeechSection
from emage.ui.sections.transcript import TranscriptSection
from emage.ui.service.service import PageRequest, Service
from emage.ui.service.users import User

NOTHING_RECORDED = "There is no recording yet: record some speech, upload a file or choose an example."


class PageInputs:
    """What Generate, the grid and Save read."""

    def __init__(
        self,
        service: Service,
        speech: SpeechSection,
        transcript: TranscriptSection,
        hints: HintsSection,
        settings: SettingsSection,
    ):
        self.service, self.speech, self.transcript = service, speech, transcript
        self.hints, self.settings = hints, settings

    @property
    def components(self) -> list[gr.components.Component]:
        """In the order of `read`; what came later stands last, where programs may leave it out."""
        settings = self.settings
        return [
            self.speech.audio, self.hints.timeline, *self.hints.reference_inputs, *settings.of_take,
            *settings.of_picture, settings.body, settings.without_audio, self.transcript.text, self.transcript.language,
            settings.film,
        ]  # fmt: skip

    def read(
        self,
        user: User,
        audio: str | None,
        value: TimelineValue,
        choice: str | None,
        shift_s: float | None,
        fill: str,
        *settings,
    ) -> PageRequest:
        """One take, with hints where the timeline has some. Raises EmageError."""
        *of_take, renderer, camera, face, size, quality, body, without_audio, text, language, film = settings
        recording = self.read_recording(user, audio, value)
        reference = load_reference(choice, user) if value.plan.spans else None
        placement = read_placement(shift_s, fill)
        hints = place_hints(recording, value.plan, reference and reference.motion, placement)
        return PageRequest(
            takes=[Request(recording, self.settings.read_take(*of_take, without_audio), hints)],
            picture=read_picture(renderer, camera, face, size, quality),
            reference_name="reference.npz" if reference is None else reference.name,
            placement=placement,
            smplx=accepts_licence(body),
            text=text or "",
            language=language or ENGLISH,
            film=bool(film),
        )

    def read_recording(self, user: User, audio: str | None, value: TimelineValue) -> Recording:
        """With the part that the timeline is trimmed to. Raises EmageError."""
        if not audio:
            raise EmageError(NOTHING_RECORDED)
        recording = self.service.decode(user, user.receive(audio))
        return recording.trim(value.trim_start_frame, value.trim_end_frame) if value.is_trimmed else recording
