"""Files in and out: npz archives of unknown origin read with care, results written whole or not at all."""

import errno
import math
import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from emage.errors import EmageError, OutputError

MAX_NPZ_BYTES = 1 << 30
"""An npz whose arrays unpack to more than this is refused before anything is unpacked."""

_MAX_HEADER_BYTES = 4096


def read_npz(
    path: str | Path, fault: type[EmageError], keys: Iterable[str] | None = None, max_bytes: int = MAX_NPZ_BYTES
) -> dict[str, np.ndarray]:
    """Read arrays of an npz file that may come from anybody: nothing is unpickled, nothing unpacks without bound.

    Args:
        path: the file.
        fault: the named error to raise, so that it fits what the file is for.
        keys: the arrays to read where they are there; all of them by default.
        max_bytes: limit on the sum of the arrays' sizes.

    Raises:
        fault: not there, not an npz, damaged, an array that needs unpickling, or more bytes than `max_bytes`.
    """
    path = Path(path)
    if not path.is_file():
        raise fault(f"{path}: there is no such file.")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            wanted = list(members) if keys is None else [key for key in keys if key in members]
            total = sum(members[key].file_size for key in wanted)
            if total > max_bytes:
                raise fault(f"{path.name} unpacks to {total:,} bytes; at most {max_bytes:,} are read.")
            return {key: _read_member(archive, members[key], path, fault) for key in wanted}
    except zipfile.BadZipFile as error:
        raise fault(
            f"{path.name} is not an npz file, or it is damaged ({error}). Save it again with np.savez."
        ) from error
    except (EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise fault(
            f"{path.name} cannot be read ({error}). The file is damaged or encrypted; copy it again."
        ) from error


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, fault: type[EmageError]) -> np.ndarray:
    where = f"{path.name}, array '{info.filename.removesuffix('.npy')}'"
    try:
        with archive.open(info) as stream:
            version = np.lib.format.read_magic(stream)
            reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            if version not in reader:
                raise fault(f"{where}: npy format {version} is not read here. Save it again with np.savez.")
            shape, _, dtype = reader[version](stream, max_header_size=_MAX_HEADER_BYTES)
            header_bytes = stream.tell()
        if dtype.hasobject:
            raise fault(
                f"{where} holds pickled objects, which could run code; they are never loaded. Save plain arrays."
            )
        if math.prod(shape) * dtype.itemsize != info.file_size - header_bytes:
            raise fault(
                f"{where}: its header promises {shape} of {dtype}, but the file holds another size. It is damaged."
            )
        with archive.open(info) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False, max_header_size=_MAX_HEADER_BYTES)
    except zipfile.BadZipFile:
        raise
    except EmageError:
        raise
    except ValueError as error:
        raise fault(f"{where} is not a plain array ({error}).") from error


@contextmanager
def new_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; it becomes `path` when the block ends well, and is removed when it does not.

    Raises:
        OutputError: the folder is not there or not writable, or the disk is full.
    """
    path = Path(path)
    try:
        # The suffix stays, for writers that choose the format by it.
        handle, name = tempfile.mkstemp(suffix=path.suffix, prefix=f".{path.stem}.", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise output_error(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; a result has the permissions of any new file.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: str | Path) -> None:
    """Raise OutputError where a file at `path` could not be written; leaves nothing behind.

    Called before long work, so that nobody waits minutes for a result that has nowhere to go.
    """
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file.")
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent):
            return
    except OSError as error:
        raise output_error(path, error) from error


def output_error(path: Path, error: OSError) -> OutputError:
    """The sentence for an OSError met while writing `path`."""
    if error.errno == errno.ENOSPC:
        return OutputError(f"{path} was not written: the disk is full. Free some space or write elsewhere.")
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return OutputError(f"{path} was not written: the folder {path.parent} does not exist. Make it first.")
    return OutputError(f"{path} was not written: {error.strerror or error}. Choose a folder that you may write to.")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
