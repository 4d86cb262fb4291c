"""The page: a recording goes in, a video and a motion file come out."""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import gradio as gr

from emage.body import load_body
from emage.errors import Cancelled, EmageError, RenderError, VideoError
from emage.examples import load_examples
from emage.motion import FLAME2020, Motion
from emage.pipeline import STAGE_MOTION, EmagePipeline, Take, render_video
from emage.render import CAMERAS, RenderSettings
from emage.ui.jobs import Jobs, check

TITLE = "EMAGE: speech in, a whole moving person out"
INTRO = """# Speech in, a whole moving person out
Record or upload speech; EMAGE makes body, hands, face and path through the room. It hears the sound, not the words,
so any language will do."""

CANCELLED = "Cancelled."

_RESULT_SECONDS = 6 * 3600
"""Recordings and results are deleted from the server after this time, and when it shuts down."""

_MAX_WAITING = 30
"""Visitors in the queue; who comes then is told to come back."""

GenerateMotion = Callable[..., Motion]


@dataclass(frozen=True)
class PageSettings:
    """max_duration_s: a longer recording is refused. size: width and height of the video in pixels, even.

    Raises:
        EmageError: a limit that is no number above 0. RenderError: a size that cannot be drawn.
    """

    max_duration_s: float = 20 * 60
    size: int = 720

    def __post_init__(self):
        if not 0 < self.max_duration_s < float("inf"):
            raise EmageError(f"max_duration_s is {self.max_duration_s}; it must be a number of seconds above 0.")
        self.picture(RenderSettings.camera)

    def picture(self, camera: str) -> RenderSettings:
        """How to draw with one of the cameras."""
        return RenderSettings(panel_width=self.size, panel_height=self.size, camera=camera)


def build_page(pipeline: EmagePipeline, settings: PageSettings, generate_motion: GenerateMotion) -> gr.Blocks:
    """The page as a Gradio app, not yet launched.

    Args:
        pipeline: shared by all visitors; nothing of theirs is kept in it.
        settings: limits of this server.
        generate_motion: `pipeline.generate`, or that on another processor.
    """
    jobs = Jobs()
    smplx_body = cache(lambda: load_body(accept_smplx_licence=True))

    def generate(
        audio: str | None,
        draw: bool,
        seed: float | None,
        camera: str,
        accept_licence: bool,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio hands it over
    ) -> Iterator[tuple]:
        """Turn a recording into a video, a BEAT2 motion file and a line on what was done.

        A generator, though it yields once: its folder goes away when Gradio has taken the files.
        """
        if not audio:
            raise _shown("There is no recording yet: record some speech or upload a file.")
        try:
            with (
                jobs.running(_session(request)) as stop,
                tempfile.TemporaryDirectory(prefix="emage-") as folder,
            ):

                def report(stage: str, done: int, total: int) -> None:
                    check(stop)
                    progress((done, total), desc=stage, unit="frames")

                progress((0, None), desc=STAGE_MOTION, unit="frames")
                body = smplx_body() if accept_licence else pipeline.body
                started = time.monotonic()
                motion = generate_motion(
                    audio,
                    seed=int(seed or 0) if draw else None,
                    progress=report,
                    max_duration_s=settings.max_duration_s,
                )
                generated = time.monotonic()
                stem = Path(audio).stem[:60] or "speech"
                motion_file = motion.save(Path(folder) / f"{stem}.npz")
                made = f"{motion.duration_s:.1f} s of speech, {motion.num_frames} frames. "
                made += f"Motion in {generated - started:.1f} s"
                try:
                    video = render_video(
                        Path(folder) / f"{stem}.mp4", [Take(motion)], body, audio, settings.picture(camera), report
                    )
                except (RenderError, VideoError) as error:  # the motion is there all the same
                    details = f"{made}. **No video: {error}**"
                    yield None, gr.DownloadButton(interactive=False), _download(motion_file), details
                else:
                    details = f"{made}, video in {time.monotonic() - generated:.1f} s."
                    yield str(video), _download(video), _download(motion_file), details
        except Cancelled:
            yield gr.skip(), gr.skip(), gr.skip(), CANCELLED
        except EmageError as error:
            raise _shown(str(error)) from error
        except OSError as error:
            raise _shown(f"The server has no room for the result ({error.strerror}). Try again later.") from error

    def cancel(request: gr.Request) -> str | dict:
        """Stop what runs for this visitor; Gradio takes what waits out of the queue."""
        return CANCELLED if jobs.cancel(_session(request)) else gr.skip()

    def leave(request: gr.Request) -> None:
        jobs.cancel(_session(request))

    with gr.Blocks(title=TITLE, delete_cache=(600, _RESULT_SECONDS)) as page:
        gr.Markdown(INTRO)
        gr.Markdown(_notes(pipeline), elem_id="notes")
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                audio = gr.Audio(
                    sources=["upload", "microphone"], type="filepath", label="Speech", elem_id="speech", editable=True
                )
                _offer_examples(audio)
                with gr.Row():
                    go = gr.Button("Generate", variant="primary", elem_id="generate")
                    stop = gr.Button("Cancel", variant="stop", elem_id="cancel")
                with gr.Accordion("Settings", open=False):
                    draw = gr.Checkbox(
                        label="Draw another take",
                        info="Off: the weights' own take. On: one drawn at random, the same one for the same seed.",
                    )
                    seed = gr.Number(0, label="Seed of the draw", precision=0, minimum=0, interactive=True)
                    camera = gr.Radio(list(CAMERAS), value=RenderSettings.camera, label="Camera")
                    accept_licence = _licence_box(pipeline)
            with gr.Column(scale=3, min_width=320):
                video = gr.Video(label="Result", elem_id="video", autoplay=True)
                details = gr.Markdown(elem_id="details")
                with gr.Row():
                    video_file = gr.DownloadButton("Video (mp4)", elem_id="mp4", interactive=False)
                    motion_file = gr.DownloadButton("Motion (npz, BEAT2 format)", elem_id="npz", interactive=False)
        run = go.click(
            generate,
            [audio, draw, seed, camera, accept_licence],
            [video, video_file, motion_file, details],
            api_name="generate",
            concurrency_limit=1,
            show_progress_on=video,
        )
        stop.click(cancel, outputs=details, queue=False, cancels=[run], api_name="cancel", show_progress="hidden")
        page.unload(leave)
    return page.queue(max_size=_MAX_WAITING)


def _session(request: gr.Request) -> str:
    return request.session_hash or ""


def _offer_examples(audio: gr.Audio) -> None:
    """A row of the project's own recordings; a click puts one in, and tells what is said in it."""
    examples = load_examples()
    if not examples:
        return
    # Served as they are: copies would be deleted with the visitors' files.
    gr.set_static_paths([example.audio for example in examples])
    transcript = gr.Markdown(elem_id="transcript", render=False)
    gr.Examples(
        [[str(example.audio), example.text] for example in examples],
        [audio, transcript],
        label="Or try one of these",
        elem_id="examples",
        example_labels=[example.title for example in examples],
        api_name="example",
    )
    transcript.render()
    gr.on([audio.upload, audio.start_recording, audio.clear], js="() => ''", outputs=transcript, api_name=False)


def _licence_box(pipeline: EmagePipeline) -> gr.Checkbox:
    return gr.Checkbox(
        label="Draw with SMPL-X: I accept its licence",
        info="Non-commercial (https://smpl-x.is.tue.mpg.de/modellicense.html). The model is fetched from the Hub.",
        visible=pipeline.body.expression_basis != FLAME2020,
    )


def _notes(pipeline: EmagePipeline) -> str:
    """What is honest to say before anything is made: whose weights, which body, and what it cannot show."""
    source, body = pipeline.source, pipeline.body
    notes = [f"Weights: {source.description}." if source else "Weights: given by the program."]
    if source and source.notice:
        notes = [f"**{source.notice}**"]
    notes.append(f"Body: {body.name}.")
    if body.expression_basis != pipeline.generator.config.expression_basis:
        notes.append(
            f"These weights make expressions in the basis {pipeline.generator.config.expression_basis}, which this "
            "body cannot show: its face moves the jaw alone. The motion file has them all."
        )
    return " ".join(notes)


def _download(path: Path) -> gr.DownloadButton:
    return gr.DownloadButton(value=str(path), interactive=True)


def _shown(sentence: str) -> gr.Error:
    """A fault of the visitor's: told on the page, not in the server's log."""
    return gr.Error(sentence, duration=20, print_exception=False)
