"""The app: `python app.py`. On a Hugging Face Space this file is started as it is."""

import importlib.util
import math
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

if importlib.util.find_spec("spaces"):
    import spaces  # on ZeroGPU it must come before torch

import gradio as gr
import tyro
from gradio.utils import get_space, get_upload_folder

from emage.errors import EmageError, OutputError
from emage.files import check_writable
from emage.generation.take import Request
from emage.hub import DEFAULT_REPO, EMBEDDED_NAME
from emage.motion import Motion
from emage.pipeline import STAGE_MOTION, EmagePipeline, Progress
from emage.processors import share_processors
from emage.recording.audio import frame_to_second
from emage.ui.page import build_page
from emage.ui.sections.speech import show_first
from emage.ui.service.calls import CallLimits
from emage.ui.service.folders import own_folder
from emage.ui.service.pieces import StreamTake
from emage.ui.service.registry import WeightsRegistry
from emage.ui.service.service import PageSettings, Service
from emage.ui.service.users import Users
from emage.ui.service.warm_up import warm_up_beside
from emage.ui.web import JavaScriptError, install_javascript

_STOPS_WITHIN_S = 10.0


@dataclass(frozen=True)
class Options:
    """Start the app. Address, port and sharing follow Gradio's variables, such as GRADIO_SERVER_PORT."""

    weights: str | None = None
    """A folder in the released layout, a repo id on the Hub, or "demo". Default: the published weights."""
    offer: tuple[str, ...] = (EMBEDDED_NAME, DEFAULT_REPO)
    """Other weights that users may choose, named likewise; they are loaded when first chosen."""
    visitors_name_weights: bool = False
    """Users may type any folder of this machine or any repo id. Only for a page that nobody else can reach."""
    smplx: Path | None = None
    """A SMPL-X model file; SMPLX_MODEL_PATH says the same. Default: the stand-in body."""
    accept_smplx_licence: bool = False
    """You accept the SMPL-X licence for all who use this app: the body is fetched from the Hub."""
    max_minutes: float = 20
    """A longer recording is refused."""
    size: int = PageSettings.size
    """Width and height of the videos in pixels, even, unless a user chooses another."""
    at_once: int = PageSettings.at_once
    """Takes that are made at the same time; the others wait for their turn. They share half of the processors."""
    per_address: int = CallLimits.long_of_address
    """Pieces of work that one network address may have waiting or running. Behind a proxy all users have its address,
    until FORWARDED_ALLOW_IPS names the proxy."""
    max_upload_mb: int = 400
    """A larger file is refused."""


def create_app(
    pipeline: EmagePipeline,
    settings: PageSettings | None = None,
    registry: WeightsRegistry | None = None,
    users: Users | None = None,
) -> gr.Blocks:
    """The app around a pipeline, not yet launched.

    registry: the weights to choose from, the pipeline's among them. users: who are here; by default nobody yet.
    """
    registry = registry or WeightsRegistry(pipeline)
    return build_page(Service(registry, settings or PageSettings(), on_zero_gpu(registry), show_first(), users))


_GPU_START_S, _GPU_PER_RECORDED_S = 20, 0.2
"""To bring the networks onto the GPU, and to make motion there and ground it on the CPU, with time to spare."""
_GPU_MOST_S = 120
"""Who asks for more than is left of their quota is refused; those without an account have two minutes a day."""


def gpu_seconds(weights: str, request: Request) -> int:
    """How long a GPU is asked for: what is made on it takes as much longer as the recording is longer.

    `spaces` calls it with the arguments of the function that it lends a GPU to, and ends that after so long. Those who
    ask for less come sooner.
    """
    recorded_s = frame_to_second(request.recording.part_frames)
    return min(math.ceil(_GPU_START_S + _GPU_PER_RECORDED_S * recorded_s), _GPU_MOST_S)


def on_zero_gpu(registry: WeightsRegistry) -> StreamTake:
    """Makes takes with weights of the registry, on a GPU lent for each call where `spaces` says: a ZeroGPU Space."""

    def make(weights: str, request: Request, progress: Progress | None) -> Iterator[Motion]:
        return registry.pipeline(weights).stream(request.recording, request.hints, request.settings, progress)

    if not importlib.util.find_spec("spaces") or not spaces.config.Config.zero_gpu:
        return make

    @spaces.GPU(duration=gpu_seconds)
    def make_on_gpu(weights: str, request: Request) -> Iterator[Motion]:
        yield from make(weights, request, None)  # `spaces` hands what a generator gives through, piece by piece

    def make_there(weights: str, request: Request, progress: Progress | None) -> Iterator[Motion]:
        # Here, for what the other process loads is lost with it.
        total = registry.pipeline(weights).count_frames(request.recording, request.settings)
        done = 0
        for piece in make_on_gpu(weights, request):
            done += piece.num_frames
            if progress is not None:
                progress(STAGE_MOTION, done, total)
            yield piece

    return make_there


def check_cache(folder: Path) -> None:
    """Raise OutputError where what users upload and make cannot be stored."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_writable(folder / "upload")
    except (OSError, OutputError) as error:
        raise OutputError(
            f"The folder of uploads and results, {folder}, cannot be written to ({error}). Make room there, or name "
            "another one in GRADIO_TEMP_DIR."
        ) from error


def main() -> None:
    """Load the weights and serve the page; a user fault ends with its sentence and exit code 2."""
    options = tyro.cli(Options, description=__doc__)
    # A stopped server ends as by Ctrl-C: what users left here is deleted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    place = Path(get_upload_folder())
    try:
        check_cache(place)
        with own_folder(place) as folder:
            os.environ["GRADIO_TEMP_DIR"] = str(folder)
            serve(options)
    except KeyboardInterrupt:  # before anything was served
        raise SystemExit(130) from None
    except EmageError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(2) from error


def serve(options: Options) -> None:
    """Until the server is stopped. Raises EmageError."""
    share_processors(options.at_once)
    try:
        install_javascript()
    except JavaScriptError as error:  # the page says so too, and works without plots
        print(f"Note: {error}", file=sys.stderr)
    pipeline = EmagePipeline.from_pretrained(
        options.weights, smplx_file=options.smplx, accept_smplx_licence=options.accept_smplx_licence
    )
    registry = WeightsRegistry(pipeline, options.offer, options.visitors_name_weights)
    limits = CallLimits(long_of_address=options.per_address)
    settings = PageSettings(options.max_minutes * 60, options.size, options.at_once, limits)
    users = Users()
    app = create_app(pipeline, settings, registry, users)
    warm_up_beside(pipeline.body)
    if get_space() is not None:  # which is reached through its own proxy alone
        os.environ.setdefault("FORWARDED_ALLOW_IPS", "*")
    try:
        app.launch(max_file_size=f"{options.max_upload_mb}mb")
    except OSError as error:  # no port is free, as Gradio says
        print(f"Error: the page cannot be served: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    finally:
        users.tokens.cancel_all(_STOPS_WITHIN_S)  # a process that ends in the middle of torch's work aborts


if __name__ == "__main__":
    main()
