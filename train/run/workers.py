"""The processes of a pool that works on the clips of a corpus."""

import multiprocessing
import os
import threading

import torch


def begin_worker() -> None:
    """What such a process does first: it computes by one thread, for there are others beside it, and from now on ends
    with the process that began the pool.

    One that is killed tells its workers nothing. They would finish what they were given, beside those of the command
    that is given again, and wait for more for ever.
    """
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
