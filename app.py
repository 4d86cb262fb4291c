"""The app: `python app.py`. On a Hugging Face Space this file is started as it is."""

import importlib.util
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

if importlib.util.find_spec("spaces"):
    import spaces  # on ZeroGPU it must come before torch

import gradio as gr
import tyro

from emage.errors import EmageError
from emage.motion import Motion
from emage.pipeline import STAGE_MOTION, EmagePipeline
from emage.ui.page import GenerateMotion, PageSettings, build_page


@dataclass(frozen=True)
class Options:
    """Start the app. Address, port and sharing follow Gradio's variables, such as GRADIO_SERVER_PORT."""

    weights: str | None = None
    """A folder in the released layout, a repo id on the Hub, or "demo". Default: the published weights."""
    smplx: Path | None = None
    """A SMPL-X model file; SMPLX_MODEL_PATH says the same. Default: the stand-in body."""
    accept_smplx_licence: bool = False
    """You accept the SMPL-X licence for all who use this app: the body is fetched from the Hub."""
    max_minutes: float = 20
    """A longer recording is refused."""
    size: int = 720
    """Width and height of the videos in pixels, even."""
    max_upload_mb: int = 400
    """A larger file is refused."""


def create_app(pipeline: EmagePipeline, settings: PageSettings | None = None) -> gr.Blocks:
    """The app around a pipeline, not yet launched."""
    return build_page(pipeline, settings or PageSettings(), on_zero_gpu(pipeline))


def on_zero_gpu(pipeline: EmagePipeline) -> GenerateMotion:
    """`pipeline.generate`, lent a GPU for each call where the `spaces` package says that this is a ZeroGPU Space."""
    if not importlib.util.find_spec("spaces") or not spaces.config.Config.zero_gpu:
        return pipeline.generate

    @spaces.GPU(duration=60)
    def generate_on_gpu(audio: str, seed: int | None, max_duration_s: float) -> Motion:
        return pipeline.generate(audio, seed=seed, max_duration_s=max_duration_s)

    def generate(audio: str, seed: int | None, progress, max_duration_s: float) -> Motion:
        # The call goes to another process, where no progress can be reported from; it takes seconds.
        motion = generate_on_gpu(audio, seed, max_duration_s)
        progress(STAGE_MOTION, motion.num_frames, motion.num_frames)
        return motion

    return generate


def main() -> None:
    """Load the weights and serve the page; a user fault ends with its sentence and exit code 2."""
    options = tyro.cli(Options, description=__doc__)
    try:
        pipeline = EmagePipeline.from_pretrained(
            options.weights, smplx_file=options.smplx, accept_smplx_licence=options.accept_smplx_licence
        )
        app = create_app(pipeline, PageSettings(options.max_minutes * 60, options.size))
    except EmageError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    # A stopped server ends as by Ctrl-C: what visitors left in its cache is deleted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app.launch(max_file_size=f"{options.max_upload_mb}mb")


if __name__ == "__main__":
    main()
