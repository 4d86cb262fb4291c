"""A folder of a server's own among those of all servers that share a place for uploads and results.

Whatever a server leaves lies in its folder: it goes when the server stops, and where it was killed, at the next start.
A server that is alive holds a lock in its folder, which the system lets go of however it ends.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from emage.files import output_error

_PREFIX = "server-"
_LOCK = "alive.lock"
_STARTS = "starts.lock"
_START_S = 60


@contextmanager
def own_folder(place: Path) -> Iterator[Path]:
    """An empty folder in a place that is there, deleted when the block ends; those of killed servers go first.

    Raises:
        OutputError: it cannot be made or locked.
    """
    try:
        with FileLock(place / _STARTS, _START_S):  # none is looked at between its making and its lock
            _delete_dead(place)
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
            alive = FileLock(folder / _LOCK)
            alive.acquire()
    except OSError as error:
        raise output_error(place / _STARTS, error) from error
    try:
        yield folder
    finally:
        # What still writes there may put a file into what is being deleted; of that the next start finds the rest.
        shutil.rmtree(folder, ignore_errors=True)
        alive.release()


def _delete_dead(place: Path) -> None:
    for folder in place.glob(f"{_PREFIX}*"):
        with suppress(Timeout), FileLock(folder / _LOCK, 0):
            shutil.rmtree(folder, ignore_errors=True)
