"""Work on the clips of a corpus, by one process or several."""

import functools
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

from emage.body import Body, load_body
from train.data.corpus import CorpusClip, CorpusError
from train.run.workers import begin_worker

Result = TypeVar("Result")


class Workers:
    """Processes that work at once; or this one alone, where there is no pool."""

    def __init__(self, processes: int, pool: ProcessPoolExecutor | None = None):
        self._processes, self._pool = processes, pool

    def map(self, what: str, work: Callable[[CorpusClip], Result], clips: Sequence[CorpusClip]) -> Iterator[Result]:
        """Results in the order of the clips, with a bar on stderr. work: for several processes a function of a module.

        No more are under way or waiting than keep all processes busy, for a clip may be megabytes.
        """
        results = map(work, clips) if self._pool is None else self._spread(work, clips)
        return iter(tqdm(results, total=len(clips), desc=what, unit=" clips", disable=not clips))

    def _spread(self, work: Callable[[CorpusClip], Result], clips: Sequence[CorpusClip]) -> Iterator[Result]:
        pending: deque[Future[Result]] = deque()
        for clip in clips:
            pending.append(self._pool.submit(work, clip))
            if len(pending) > 2 * self._processes:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


@contextmanager
def open_workers(processes: int) -> Iterator[Workers]:
    """So many processes, which end with the block. Raises CorpusError for none."""
    if processes < 1:
        raise CorpusError(f"processes is {processes}; it must be 1 or more.")
    if processes == 1:
        yield Workers(1)
        return
    # Not by fork, which copies torch in the middle of its threads; what takes long to import they have from the start.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["train.data.building", "train.data.examination", "librosa.onset"])
    with ProcessPoolExecutor(processes, context, begin_worker) as pool:
        try:
            yield Workers(processes, pool)
        finally:
            pool.shutdown(cancel_futures=True)


@functools.cache
def own_body() -> Body:
    """The body that `load_body` gives, loaded once in a process."""
    return load_body()
