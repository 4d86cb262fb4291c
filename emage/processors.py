"""How many threads the networks take of a machine on which others work too."""

import os

import joblib
import torch


def share_processors(takes: int = 1) -> None:
    """Let the networks of this process work on half of the processors, at least on one, for so many takes at a time.

    Whoever has set OMP_NUM_THREADS has chosen already. The threads of one product wait for one another by spinning:
    where one has lost its processor, to the page that draws or to another program, the others burn theirs until then.
    On two processors that others wanted too, two threads took 13 times the processor's time of one, and 19 times as
    long, to the first piece of a take; on two idle ones a whole take was no sooner there (`tests.benchmarks.stream`).
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(joblib.cpu_count() // (2 * takes), 1))  # as far as containers say how many are theirs
