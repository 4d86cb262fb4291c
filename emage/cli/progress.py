"""What a command shows while it works, and names for what it writes."""

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from emage.cli.options import BodyOptions

if TYPE_CHECKING:
    from emage.pipeline import EmagePipeline


def load_pipeline(weights: str | None, device: str | None, body: BodyOptions) -> "EmagePipeline":
    """The networks, with a word on whose they are where that is not what one would expect. Raises WeightsError."""
    from emage.pipeline import EmagePipeline

    pipe = EmagePipeline.from_pretrained(
        weights, device=device, smplx_file=body.smplx, accept_smplx_licence=body.accept_smplx_licence
    )
    if pipe.source.notice:
        print(pipe.source.notice, file=sys.stderr)
    return pipe


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
