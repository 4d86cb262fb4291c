"""Files in and out: npz archives of unknown origin read with care, results written whole or not at all."""

import errno
import hashlib
import lzma
import math
import os
import re
import secrets
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from emage.errors import EmageError, OutputError

MAX_NPZ_BYTES = 1 << 30
"""An npz whose arrays unpack to more than this is refused before anything is unpacked."""

TEMPORARY_PREFIX = ".emage-"
"""Of a file that is being written, in its folder; one that stays is of a process that was killed."""
MAX_FILE_NAME_CHARACTERS = 255
_MAX_HEADER_BYTES = 4096
_MAX_INDEX_BYTES = 1 << 18
_ZIP_END, _ZIP_END_BYTES, _ZIP_COMMENT_BYTES = b"PK\5\6", 22, 0xFFFF
_ZIP64_LOCATOR, _ZIP64_LOCATOR_BYTES = b"PK\6\7", 20
ZIP_DAMAGE = (
    EOFError, OSError, NotImplementedError, RuntimeError, UnicodeDecodeError, zlib.error, lzma.LZMAError
)  # fmt: skip
"""What reading a damaged or encrypted archive raises, besides zipfile.BadZipFile."""
_MOST_SAID = 200


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
    with _open_npz(path, fault) as (archive, members):
        wanted = list(members) if keys is None else [key for key in keys if key in members]
        total = sum(members[key].file_size for key in wanted)
        if total > max_bytes:
            raise fault(
                f"{Path(path).name} unpacks to {total:,} bytes; at most {max_bytes:,} are read. "
                "Save fewer or shorter arrays."
            )
        return {key: _read_member(archive, members[key], Path(path), fault) for key in wanted}


def array_shapes(path: str | Path, fault: type[EmageError]) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays of an npz file, of which the headers alone are read.

    Raises:
        fault: as `read_npz`.
    """
    with _open_npz(path, fault) as (archive, members):
        return {key: _read_header(archive, info, _where(path, info), fault)[0] for key, info in members.items()}


def say_damage(error: Exception) -> str:
    """What reading an archive has raised, in short: the library quotes all bytes that stand where a name should."""
    text = re.sub(r" and header b['\"].*", " and before it differ", str(error), flags=re.DOTALL)
    return text if len(text) <= _MOST_SAID else f"{text[:_MOST_SAID]}…"


@contextmanager
def _open_npz(
    path: str | Path, fault: type[EmageError]
) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """The archive and its members by the names of their arrays; what reading it raises becomes the fault."""
    path = Path(path)
    try:
        if not path.is_file():
            raise fault(f"{path}: there is no such file.")
        with open_zip(path, fault) as archive:
            yield archive, {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    except zipfile.BadZipFile as error:
        raise fault(
            f"{path.name} is not an npz file, or it is damaged ({say_damage(error)}). Save it again with np.savez."
        ) from error
    except ZIP_DAMAGE as error:
        raise fault(
            f"{path.name} cannot be read ({say_damage(error)}). The file is damaged or encrypted; copy it again."
        ) from error


def open_zip(path: Path, fault: type[EmageError]) -> zipfile.ZipFile:
    """Open an archive of unknown origin; an index so large that reading it would fill the memory is refused before.

    Raises:
        fault: such an index. zipfile.BadZipFile: not an archive.
    """
    if _index_bytes(path) > _MAX_INDEX_BYTES:
        raise fault(f"{path.name} lists far too many files. It is damaged, or made to do harm.")
    return zipfile.ZipFile(path)


def _index_bytes(path: Path) -> int:
    """What the end record of an archive says of the size of its index; 4 GiB where that is in another record."""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - _ZIP_END_BYTES - _ZIP_COMMENT_BYTES - _ZIP64_LOCATOR_BYTES))
        tail = stream.read()
    start = len(tail) - _ZIP_END_BYTES
    # As zipfile looks for it: at the very end, or before a comment.
    if not (tail[start : start + 4] == _ZIP_END and tail.endswith(b"\0\0")):
        start = tail.rfind(_ZIP_END)
    if start < 0 or len(tail) < start + _ZIP_END_BYTES:
        raise zipfile.BadZipFile("File is not a zip file")
    if tail[:start][-_ZIP64_LOCATOR_BYTES:].startswith(_ZIP64_LOCATOR):
        return 1 << 32
    return int.from_bytes(tail[start + 12 : start + 16], "little")


def _where(path: str | Path, info: zipfile.ZipInfo) -> str:
    return f"{Path(path).name}, array '{info.filename.removesuffix('.npy')}'"


def _read_header(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str, fault: type[EmageError]
) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, whether the first axis is the fastest, type, and the bytes of the header."""
    try:
        with archive.open(info) as stream:
            version = np.lib.format.read_magic(stream)
            reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            if version not in reader:
                raise fault(f"{where}: npy format {version} is not read here. Save it again with np.savez.")
            return *_parse_header(reader[version], stream, where, fault), stream.tell()
    except (EmageError, zipfile.BadZipFile):
        raise
    except ValueError as error:
        raise fault(f"{where} is not a plain array ({error}).") from error


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, fault: type[EmageError]) -> np.ndarray:
    where = _where(path, info)
    shape, is_fortran, dtype, header_bytes = _read_header(archive, info, where, fault)
    try:
        if dtype.hasobject:
            raise fault(
                f"{where} holds pickled objects, which could run code; they are never loaded. Save plain arrays."
            )
        if math.prod(shape) * dtype.itemsize != info.file_size - header_bytes:
            raise fault(
                f"{where}: its header promises {shape} of {dtype}, but the file holds another size. It is damaged."
            )
        with archive.open(info) as stream:  # read to its end, where its checksum is compared
            content = bytearray(stream.read())
        return np.frombuffer(content, dtype, offset=header_bytes).reshape(shape, order="F" if is_fortran else "C")
    except zipfile.BadZipFile:
        raise
    except EmageError:
        raise
    except ValueError as error:
        raise fault(f"{where} is not a plain array ({error}).") from error


def _parse_header(
    reader: Callable, stream: IO[bytes], where: str, fault: type[EmageError]
) -> tuple[tuple[int, ...], bool, np.dtype]:
    try:
        return reader(stream, max_header_size=_MAX_HEADER_BYTES)
    except (*ZIP_DAMAGE, zipfile.BadZipFile):
        raise
    except Exception as error:  # numpy evaluates the header as Python text; what that raises has no end
        raise fault(f"{where}: its header cannot be understood ({error}). The file is damaged.") from error


@contextmanager
def new_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; it becomes `path` when the block ends well, and is removed when it does not.

    Raises:
        OutputError: the folder is not there or not writable, the disk is full, or `path` is no ordinary file.
    """
    path = _ordinary(path)
    # The suffix stays, for writers that choose the format by it.
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{path.suffix}")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise output_error(path, error) from error
    try:
        mode = temporary.stat().st_mode & 0o777
        yield temporary
        temporary.chmod(mode)  # some writers put a private file of their own in its place
        temporary.replace(path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> Path:
    """Write a UTF-8 file, whole or not at all. Raises OutputError, also for half a character, which UTF-8 has not."""
    if not is_whole_text(text):
        raise OutputError(f"{path} was not written: its text holds half a character, as of one that was cut.")
    with new_file(path) as temporary:
        temporary.write_text(text, "utf-8")
    return Path(path)


def is_whole_text(text: str) -> bool:
    """Whether a text can be written to a file; one that was cut or decoded wrongly may hold half a character."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def clean_name(name: str) -> str | None:
    """The name of a file as anybody gives it, for people to read and for names of files: without folders, and of one
    that is too long its end; None where nothing is left, or it holds what is not to be seen, such as line ends."""
    cleaned = re.split(r"[/\\]", name)[-1][-MAX_FILE_NAME_CHARACTERS:].strip()
    return cleaned if cleaned.isprintable() and cleaned.strip(".") else None


def check_writable(path: str | Path) -> None:
    """Raise OutputError where a file at `path` could not be written; leaves nothing behind.

    Called before long work, so that nobody waits minutes for a result that has nowhere to go.
    """
    path = _ordinary(path)
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent):
            return
    except OSError as error:
        raise output_error(path, error) from error


def _ordinary(path: str | Path) -> Path:
    """Where a link leads to, checked to be an ordinary file or nothing yet."""
    path = Path(path)
    try:
        path = path.resolve() if path.is_symlink() else path
        if path.is_dir():
            raise OutputError(f"{path} is a folder; name a file.")
        if path.exists() and not path.is_file():
            raise OutputError(f"{path} is a device or a pipe, which no file can replace; name a file.")
    except OSError as error:
        raise output_error(path, error) from error
    return path


def output_error(path: Path, error: OSError) -> OutputError:
    """The sentence for an OSError met while writing `path`."""
    # numpy says how much it wrote of an array, and not why that was not all.
    if error.errno == errno.ENOSPC or (error.errno is None and "requested and" in str(error)):
        return OutputError(f"{path} was not written: the disk is full. Free some space or write elsewhere.")
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return OutputError(f"{path} was not written: the folder {path.parent} does not exist. Make it first.")
    return OutputError(f"{path} was not written: {error.strerror or error}. Choose a folder that you may write to.")


class NewFiles:
    """Files put into a folder, by names that are ours."""

    def __init__(self, folder: Path):
        self._folder = folder
        self.made: list[Path] = []

    def path(self, name: str) -> Path:
        """Where a file of this name goes; it is removed with the others."""
        self.made.append(self._folder / name)
        return self.made[-1]

    def put(self, name: str, source: IO[bytes]) -> Path:
        path = self._folder / name
        try:
            path.parent.mkdir(exist_ok=True)
            target = path.open("xb")
        except OSError as error:
            raise output_error(path, error) from error
        self.made.append(path)
        with target:
            while block := source.read(1 << 20):  # its faults are the archive's
                try:
                    target.write(block)
                except OSError as error:
                    raise output_error(path, error) from error
        return path


@contextmanager
def put_files(folder: Path) -> Iterator[NewFiles]:
    """Files that are removed where the block ends badly."""
    files = NewFiles(folder)
    try:
        yield files
    except BaseException:
        for path in files.made:
            path.unlink(missing_ok=True)
        raise


def sha256_of(paths: Sequence[Path]) -> str:
    """Of the content of files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
