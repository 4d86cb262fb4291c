"""Transcript: what is said in the recording, typed, loaded or listened for, and as words on the timeline."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from emage.errors import Cancelled, EmageError
from emage.hub import WORDS_NEEDED, WORDS_UNUSED, WORDS_USED
from emage.recording.hearing import Heard
from emage.recording.pronunciation import ENGLISH, check_language
from emage.recording.recording import Recording
from emage.recording.revision import join_words
from emage.recording.transcript import Word, count_words
from emage.ui.components.shared.faults import tell
from emage.ui.components.shared.fields import Dropdown, Textbox
from emage.ui.components.shared.text import as_text
from emage.ui.components.timeline import Timeline, read_words
from emage.ui.components.timeline.words import UNSURE_BELOW
from emage.ui.sections.section import CANCELLED, MAKING, QUIETLY, Section, make_cancel_button, wire_cancel
from emage.ui.sections.settings import SettingsSection
from emage.ui.service.users import User

NO_RECORDING = "Choose the recording first, then its transcript."
LANGUAGES = (
    ("English", ENGLISH), ("German", "de"), ("French", "fr"), ("Spanish", "es"), ("Italian", "it"),
    ("Portuguese", "pt"), ("Dutch", "nl"), ("Polish", "pl"), ("Swedish", "sv"), ("Turkish", "tr"), ("Finnish", "fi"),
    ("Danish", "da"), ("Norwegian", "no"), ("Czech", "cs"), ("Hungarian", "hu"), ("Romanian", "ro"), ("Catalan", "ca"),
    ("Greek", "el"), ("Russian", "ru"), ("Ukrainian", "uk"), ("Indonesian", "id"),
)  # fmt: skip
"""Names and codes of languages that can be chosen; where they cannot be aligned on this machine, that is told."""
_FILE_TYPES = [".TextGrid", ".textgrid", ".json", ".srt", ".vtt", ".txt"]
_NEEDS = {
    WORDS_NEEDED: "Needed: the chosen weights hear words, and without them the rhythm of the speech alone.",
    WORDS_USED: "Optional: with it the chosen weights hear the words, without it the sound alone.",
    WORDS_UNUSED: "Optional: the chosen weights hear the sound alone. Hints snap to the words on the timeline.",
    None: "Whether the chosen weights hear words is known when they are loaded.",
}


class TranscriptSection(Section):
    """The field below the recording, and what goes on with the words on the timeline."""

    def build(self) -> None:
        # Empty, or programs that leave the field out would send the words of the first example.
        self.text = Textbox(
            "",
            label="Transcript",
            placeholder="Type or paste what is said…",
            info=describe_need(self.service.registry.need_of_words()),
            lines=2,
            max_lines=8,
            elem_id="transcript",
        )
        with gr.Row(elem_classes="chips", elem_id="transcript-tools"):
            self.language = Dropdown(
                list(LANGUAGES),
                value=ENGLISH,
                show_label=False,
                container=False,
                label="Language",
                elem_id="language",
                min_width=110,
            )
            self.align = gr.Button("Align", size="sm", elem_id="align", min_width=0)
            self.file = gr.UploadButton(
                "Load a transcript…", file_types=_FILE_TYPES, size="sm", elem_id="words-file", min_width=0
            )
            self.listen = gr.Button("Listen for the words", size="sm", elem_id="listen", min_width=0)
            self.stop = make_cancel_button("cancel-words", size="sm")
        self.note = gr.Markdown(elem_id="transcript-note")
        self.starts, self.stops = [self.align, self.listen], [self.stop]
        self.begins = {
            "align": [self.align.click, self.text.blur],
            "words": [self.file.upload],
            "listen": [self.listen.click],
        }

    @property
    def outputs(self) -> list[gr.components.Component]:
        """In the order of `show_transcript`."""
        return [self.text, self.language, self.note]

    def wire(self, timeline: Timeline, settings: SettingsSection) -> None:
        working = {**MAKING, "show_progress_on": self.note}
        inputs, outputs = [self.text, self.language], [timeline, self.note]
        # Who presses Align in the field leaves it, too: one after the other, and what is wrong stands in the note once.
        aligned = gr.on(
            [self.align.click, self.text.blur],
            self.align_text,
            inputs,
            outputs,
            api_name="align",
            trigger_mode="always_last",
            **working,
        )
        loaded = self.file.upload(
            self.take_words,
            [self.file, self.language],
            [timeline, self.text, self.note],
            api_name="take_words",
            **working,
        )
        heard = self.listen.click(
            self.listen_for_words, self.language, [timeline, self.text, self.note], api_name="listen", **working
        )
        self.ends = {"align": aligned, "words": loaded, "listen": heard}
        self.cancelled = [wire_cancel(self.stop, self.service, self.note, "cancel_words", [aligned, loaded, heard])]
        timeline.edit(self.edit_words, None, [self.text, self.note], api_name="edit_words", **QUIETLY)
        self.language.input(self.check_language, self.language, self.note, api_name="check_language", **QUIETLY)
        need = {"inputs": settings.weights, "outputs": self.text}
        settings.weights.change(self.show_need, **need, api_name="transcript_need", **QUIETLY)
        settings.loaded.then(self.show_need, **need, api_name=False, **QUIETLY)

    # --- handlers

    @tell
    def align_text(
        self,
        text: str | None,
        language: str,
        request: gr.Request,
        bar: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple:
        """The words of a text onto the timeline; those that are there already stay where they are."""
        user = self.service.user(request)
        if user.shown is None:
            if (text or "").strip():
                raise EmageError(NO_RECORDING)
            return gr.skip(), gr.skip()
        if not (text or "").strip():
            return show_words(user, ()), ""
        try:
            words, _, note = show_heard(user, lambda shown: self.service.hear(shown, text, language, request, bar))
        except EmageError as error:
            return gr.skip(), f"**{as_text(str(error))}**"
        return words, note

    @tell
    def take_words(
        self,
        path: str,
        language: str,
        request: gr.Request,
        bar: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple:
        """The words of a transcript's file onto the timeline."""
        user = self.service.user(request)
        file = user.receive(path)
        return show_heard(user, lambda recording: self.service.hear(recording, file, language, request, bar))

    @tell
    def listen_for_words(
        self,
        language: str,
        request: gr.Request,
        bar: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple:
        """Recognised words onto the timeline: a guess."""
        user = self.service.user(request)
        return show_heard(user, lambda recording: self.service.recognise(recording, language, request, bar))

    @tell
    def edit_words(self, event: gr.EventData, request: gr.Request) -> tuple:
        """Words that were corrected or moved on the timeline are those of the recording."""
        user = self.service.user(request)
        if user.shown is None:
            raise EmageError(NO_RECORDING)
        words = read_words(event, user.shown.recording.num_frames)
        user.add_words(words)
        return join_words(words), describe_words(words)

    @tell
    def check_language(self, language: str) -> str:
        """A sentence where words of a language cannot be aligned here."""
        return describe_language(language)

    @tell
    def show_need(self, weights: str | None) -> dict[str, Any]:
        """Whether the chosen weights need a transcript."""
        return gr.update(info=describe_need(self.service.registry.need_of_words(weights)))


def show_transcript(words: Sequence[Word], text: str = "", language: str = ENGLISH, note: str = "") -> list[Any]:
    """For `TranscriptSection.outputs`. text: of the words, as a person writes it; by default one after the other."""
    return [text or join_words(words), language, note or describe_words(words)]


def show_heard(user: User, hear: Callable[[Recording], Heard]) -> tuple[Any, Any, str]:
    """For timeline, text and note, what the shown recording is heard to say; all but the note stays when the user stops
    it.

    Raises:
        EmageError: there is no recording, or as `hear` does.
    """
    if user.shown is None:
        raise EmageError(NO_RECORDING)
    try:
        heard = hear(user.shown.recording)
    except Cancelled:
        return gr.skip(), gr.skip(), CANCELLED
    return show_words(user, heard.words), join_words(heard.words), describe_words(heard.words, heard.notices)


def show_words(user: User, words: tuple[Word, ...]) -> dict[str, Any]:
    """For the timeline; they are those of the recording from now on."""
    backdrop = user.add_words(words)
    return gr.skip() if backdrop is None else gr.update(backdrop=backdrop.to_json())


def describe_words(words: Sequence[Word], notices: Sequence[str] = ()) -> str:
    """How many there are, and which of them are a guess."""
    if not words and not notices:
        return ""
    unsure = [word for word in words if word.confidence is not None and word.confidence < UNSURE_BELOW]
    guessed = [word for word in words if word.confidence is not None]
    lines = [f"{count_words(len(words))} on the timeline."] if words else []
    if guessed:
        lines.append(
            f"**{len(guessed):,} guessed**, {len(unsure):,} of them unsure (dotted): correct them there or here."
        )
    return " ".join([*lines, *map(as_text, notices)])


def describe_language(language: str) -> str:
    """Empty where its words can be aligned; else what is the matter, and what is used instead."""
    try:
        check_language(language)
    except EmageError as error:
        told = as_text(str(error))
        return f"{told} Without times for its words, weights that hear sound are the ones for this recording."
    return ""


def describe_need(need: str | None) -> str:
    """need: see `emage.hub.need_of_words`."""
    return _NEEDS[need]
