"""What a command shows while it works, and names for what it writes."""

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from emage.cli.options import BodyOptions, RecordingOptions

if TYPE_CHECKING:
    from emage.pipeline import EmagePipeline
    from emage.recording.recording import Recording


def load_pipeline(weights: str | None, device: str | None, body: BodyOptions) -> "EmagePipeline":
    """The networks, with a word on whose they are where that is not what one would expect. Raises WeightsError."""
    from emage.pipeline import EmagePipeline

    pipe = EmagePipeline.from_pretrained(
        weights, device=device, smplx_file=body.smplx, accept_smplx_licence=body.accept_smplx_licence
    )
    if pipe.source.notice:
        print(pipe.source.notice, file=sys.stderr)
    return pipe


def load_recording(audio: Path, options: RecordingOptions) -> "Recording":
    """The recording, with its words where a transcript is given, and a word on which are a guess or were not found.

    Raises:
        EmageError: see `emage.recording.hearing.hear`. AudioError.
    """
    recording = options.load(audio)
    if options.transcript is None:
        return recording
    from emage.recording.hearing import hear

    with show_progress() as progress:
        heard = hear(recording, options.transcript, options.language, progress)
    for notice in heard.notices:
        print(notice, file=sys.stderr)
    return heard.recording


def find_free_name(path: Path) -> Path:
    """`path`, or with a number where a file of that name is there already."""
    numbered = (path.with_stem(f"{path.stem}-{i}") for i in itertools.count(1))
    return next(each for each in itertools.chain([path], numbered) if not each.exists())


@contextmanager
def show_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A progress callback that shows one bar a stage, one after the other."""
    bars: dict[str, tqdm] = {}

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            for earlier in bars.values():
                earlier.close()
            bars[stage] = tqdm(total=total, desc=stage, unit=" frames")
        bars[stage].update(done - bars[stage].n)

    try:
        yield progress
    finally:
        for bar in bars.values():
            bar.close()
