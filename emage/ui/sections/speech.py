"""Speech: a recording from the microphone, a file, a video or an example, onto the timeline."""

from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import soundfile

from emage.errors import AudioError
from emage.pipeline import VIDEO_SAMPLE_RATE_HZ
from emage.recording.audio import load_audio
from emage.recording.examples import Example, load_examples
from emage.recording.transcript import load_words
from emage.ui.timeline import Backdrop, Media, Word

PLAYERS = ("#speech", "#video")


@dataclass(frozen=True)
class Speech:
    """The components of this place on the page."""

    audio: gr.Audio
    video: gr.UploadButton
    words: gr.UploadButton
    note: gr.Markdown
    examples: tuple[tuple[Example, gr.Button], ...]


def build_speech() -> Speech:
    """The first example is in already, so that one click makes something."""
    examples = load_examples()
    # Served as they are: copies would be deleted with the visitors' files.
    gr.set_static_paths([example.audio for example in examples])
    first = examples[0] if examples else None
    gr.Markdown("## 1 · Speech")
    audio = gr.Audio(
        str(first.audio) if first else None,
        sources=["upload", "microphone"],
        type="filepath",
        label="Recording",
        elem_id="speech",
        editable=False,  # it is trimmed on the timeline
        interactive=True,
        buttons=[],
    )
    buttons = []
    if examples:
        with gr.Row(elem_id="examples", elem_classes="chips"):
            gr.Markdown("Try:", elem_classes="chips-label")
            buttons = [
                (example, gr.Button(example.title, size="sm", elem_id=f"example-{example.name}", min_width=0))
                for example in examples
            ]
    note = gr.Markdown(said(first), elem_id="transcript")
    with gr.Row(elem_classes="chips"):
        video = gr.UploadButton(
            "Sound of a video…", file_types=["video"], size="sm", elem_id="speech-video", min_width=0
        )
        words = gr.UploadButton(
            "Words (TextGrid)…", file_types=[".TextGrid", ".textgrid"], size="sm", elem_id="words-file", min_width=0
        )
    return Speech(audio, video, words, note, tuple(buttons))


def said(example: Example | None) -> str:
    return f"*“{example.text}”*" if example else ""


def words_of(example: Example) -> tuple[Word, ...]:
    path = example.audio.with_suffix(".TextGrid")
    return load_words(path) if path.is_file() else ()


def backdrop_of(
    audio: str | Path | None, words: tuple[Word, ...], max_duration_s: float, start_frame: int = 0
) -> Backdrop | None:
    """What lies behind the spans for a recording; None without one.

    start_frame: at which the shown result starts.

    Raises:
        AudioError: see `load_audio`.
    """
    if not audio:
        return None
    media = [Media(PLAYERS[0]), Media(PLAYERS[1], start_frame)]
    return Backdrop.from_audio(load_audio(audio, max_duration_s), words, media=media)


def sound_of_video(video: Path, folder: Path, max_duration_s: float) -> Path:
    """The sound of a video, or of any recording, as a file in `folder`.

    Raises:
        AudioError: see `load_audio`.
    """
    path = folder / f"{video.stem[:60]}.flac"
    soundfile.write(path, load_audio(video, max_duration_s, VIDEO_SAMPLE_RATE_HZ), VIDEO_SAMPLE_RATE_HZ)
    return path


def checked_words(words: tuple[Word, ...], backdrop: Backdrop) -> tuple[Word, ...]:
    """Raises AudioError where the words are of another, longer recording."""
    last_s = max((word.start_s for word in words), default=0.0)
    if last_s * 30 > backdrop.num_frames:
        raise AudioError(
            f"The last word begins at {last_s:.1f} s, but the recording lasts {backdrop.num_frames / 30:.1f} s. "
            "Choose the transcript of this recording."
        )
    return words
