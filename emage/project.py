"""A session in one file: recording, reference motion, plan, settings and takes, as a zip that loads back.

A file that is loaded may come from anybody. Nothing in it chooses where something is written, nothing is unpickled, and
nothing unpacks without bound.

    session.json        version, settings, and which of the files below is what
    plan.json           the plan of hints, as `--plan` takes it
    recording.flac      as it was given
    references/1.npz    motions that hints are taken from
    takes/1.npz .mp4    what was made
"""

import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from numbers import Real
from pathlib import Path
from typing import IO, Any

import numpy as np

from emage.errors import EmageError, OutputError, SessionError
from emage.files import ZIP_DAMAGE, new_file, open_zip, output_error
from emage.generation.settings import TakeSettings, rebuilt
from emage.hints import HintPlan, Hints, Placement
from emage.motion import MAX_FRAMES, Motion
from emage.pipeline import Take
from emage.render.settings import RenderSettings

VERSION = 1
MAX_TAKES = 64
MAX_SESSION_BYTES = 1 << 30
"""Of all files of a session together, and once more of the motions when they are unpacked."""
MAX_CAPTION_CHARACTERS = 200

_MAX_JSON_BYTES = 4 << 20
_MAX_DIGITS = 15
"""Of a whole number; longer ones are not the same in a browser."""
_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")
_SESSION, _PLAN = "session.json", "plan.json"
_FIELDS = {"version", "recording", "trim", "reference", "placement", "settings", "picture", "takes"}
_TAKE_FIELDS = {"caption", "motion", "video", "reference", "plan", "settings", "took_s"}
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_SAVE_AGAIN = "Save the session again, or take an undamaged copy."


@dataclass(frozen=True, eq=False)
class SavedTake:
    """A take, the settings that made it, its mp4 where there is one, and the seconds that it took.

    Raises:
        SessionError: a caption that is too long, or no number of seconds.
    """

    take: Take
    settings: TakeSettings = field(default_factory=TakeSettings)
    video: Path | None = None
    took_s: float | None = None

    def __post_init__(self):
        if not isinstance(self.take.caption, str) or len(self.take.caption) > MAX_CAPTION_CHARACTERS:
            raise SessionError(f"The caption of a take is text of at most {MAX_CAPTION_CHARACTERS} characters.")
        took_s = self.took_s
        if took_s is not None and (isinstance(took_s, bool) or not isinstance(took_s, Real) or not 0 <= took_s < 1e9):
            raise SessionError(f"A take cannot have taken {_shown(took_s)} seconds.")


@dataclass(frozen=True, eq=False)
class Session:
    """All that a person has set and made.

    recording: a file, or None. trim_start_frame, trim_end_frame: the part of it that is used, end exclusive; None: its
    end. plan: over the whole recording. reference, placement: the motion for hints as it was given, and how it is laid
    along the recording. settings, picture: of the next take. takes: what was made; their hints' references are laid
    along the recording already.

    Raises:
        SessionError: too many takes, or a trim that is no part of a recording.
    """

    recording: Path | None = None
    trim_start_frame: int = 0
    trim_end_frame: int | None = None
    plan: HintPlan = field(default_factory=HintPlan)
    reference: Motion | None = None
    placement: Placement = field(default_factory=Placement)
    settings: TakeSettings = field(default_factory=TakeSettings)
    picture: RenderSettings = field(default_factory=RenderSettings)
    takes: tuple[SavedTake, ...] = ()

    def __post_init__(self):
        if len(self.takes) > MAX_TAKES:
            raise SessionError(f"A session has at most {MAX_TAKES} takes, not {len(self.takes)}. Remove some.")
        start, end = self.trim_start_frame, MAX_FRAMES if self.trim_end_frame is None else self.trim_end_frame
        whole = all(type(frame) is int and 0 <= frame <= MAX_FRAMES for frame in (start, end))
        if not whole or not (start < end or start == end == 0):
            raise SessionError(
                f"The trim from frame {_shown(start)} to {_shown(self.trim_end_frame)} is no part of a recording."
            )

    def save(self, path: str | Path) -> Path:
        """Write the zip; it appears whole or not at all.

        Raises:
            SessionError: a recording or video that is no longer there, or more than a session can hold.
            OutputError: the file cannot be written.
        """
        with new_file(path) as temporary, zipfile.ZipFile(temporary, "w", strict_timestamps=False) as archive:
            _Writer(archive).write(self)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path, folder: str | Path, max_bytes: int = MAX_SESSION_BYTES) -> "Session":
        """Read a zip of `save`.

        Args:
            path: the zip.
            folder: of the caller's own; recording and videos are put there, under names of their places in the zip.
            max_bytes: limit on all files together, and once more on the motions when they are unpacked.

        Raises:
            SessionError: no session, one of a newer version, a damaged one, one that holds what no session has, or too
                much; nothing is left in `folder`.
            OutputError: `folder` cannot be written to.
        """
        path, folder = Path(path), Path(folder)
        if not path.is_file():
            raise SessionError(f"{path}: there is no such file.")
        try:
            with _new_files(folder) as files, open_zip(path, SessionError) as archive:
                return _Reader(archive, path.name, files, max_bytes).read()
        except zipfile.BadZipFile as error:
            raise SessionError(f"{path.name} is no session's zip, or it is damaged ({error}). {_SAVE_AGAIN}") from error
        except ZIP_DAMAGE as error:
            raise SessionError(f"{path.name} cannot be read ({error}). {_SAVE_AGAIN}") from error


# --- writing ----------------------------------------------------------------------------------------------------------


class _Writer:
    def __init__(self, archive: zipfile.ZipFile):
        self._archive = archive
        self._references: list[Motion] = []
        self._num_bytes = 0

    def write(self, session: Session) -> None:
        recording = None
        if session.recording is not None:
            suffix = session.recording.suffix.lower()
            recording = "recording" + (suffix if _SUFFIX.fullmatch(suffix) else "")
            self._add(recording, session.recording)
        content = {
            "version": VERSION,
            "recording": recording,
            "trim": [session.trim_start_frame, session.trim_end_frame],
            "reference": self._reference(session.reference),
            "placement": asdict(session.placement),
            "settings": asdict(session.settings),
            "picture": asdict(session.picture),
            "takes": [self._take(number, saved) for number, saved in enumerate(session.takes, start=1)],
        }
        self._add_json(_SESSION, content)
        self._add_json(_PLAN, session.plan.to_json())

    def _take(self, number: int, saved: SavedTake) -> dict[str, Any]:
        motion, video = f"takes/{number}.npz", f"takes/{number}.mp4"
        hints = saved.take.hints
        self._add_motion(motion, saved.take.motion)
        if saved.video is not None:
            self._add(video, saved.video)
        return {
            "caption": saved.take.caption,
            "motion": motion,
            "video": None if saved.video is None else video,
            "reference": None if hints is None else self._reference(hints.reference),
            "plan": None if hints is None else hints.plan.to_json(),
            "settings": asdict(saved.settings),
            "took_s": saved.took_s,
        }

    def _reference(self, motion: Motion | None) -> str | None:
        """The name of a motion that several may share."""
        if motion is None:
            return None
        for number, known in enumerate(self._references, start=1):
            if known is motion:
                return f"references/{number}.npz"
        self._references.append(motion)
        name = f"references/{len(self._references)}.npz"
        self._add_motion(name, motion)
        return name

    def _add_motion(self, name: str, motion: Motion) -> None:
        with tempfile.TemporaryDirectory(prefix="emage-") as folder:
            self._add(name, motion.save(Path(folder) / "motion.npz"), zipfile.ZIP_DEFLATED)

    def _add_json(self, name: str, content: Any) -> None:
        self._archive.writestr(_member(name, zipfile.ZIP_DEFLATED), json.dumps(content, indent=1, default=_plain))

    def _add(self, name: str, path: Path, method: int = zipfile.ZIP_STORED) -> None:
        try:
            source = path.open("rb")
        except OSError as error:
            raise SessionError(f"{path.name} cannot be saved, for it is no longer there ({error.strerror}).") from error
        with source:
            self._num_bytes += source.seek(0, os.SEEK_END)
            if self._num_bytes > MAX_SESSION_BYTES:
                raise SessionError(f"The session is larger than {MAX_SESSION_BYTES:,} bytes. Remove some takes.")
            source.seek(0)
            with self._archive.open(_member(name, method), "w") as target:
                shutil.copyfileobj(source, target)


def _plain(number: np.generic) -> int | float | bool:
    return number.item()


def _member(name: str, method: int) -> zipfile.ZipInfo:
    """A file that tells nothing of when and where it was made."""
    info = zipfile.ZipInfo(name)
    info.compress_type = method
    info.external_attr = 0o644 << 16
    return info


# --- reading ----------------------------------------------------------------------------------------------------------


class _NewFiles:
    """Files put into a folder, by names that are ours."""

    def __init__(self, folder: Path):
        self._folder = folder
        self.made: list[Path] = []

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
def _new_files(folder: Path) -> Iterator[_NewFiles]:
    """Files that are removed where the block ends badly."""
    files = _NewFiles(folder)
    try:
        yield files
    except BaseException:
        for path in files.made:
            path.unlink(missing_ok=True)
        raise


class _ReadError(SessionError):
    """Names the file already."""


class _Reader:
    """Reads an archive; every file in it must be one that its session.json names."""

    def __init__(self, archive: zipfile.ZipFile, name: str, files: _NewFiles, max_bytes: int):
        self._archive, self._name, self._files = archive, name, files
        self._motion_bytes = max_bytes
        self._unread = {info.filename: info for info in archive.infolist()}
        self._references: dict[str, Motion] = {}
        if len(self._unread) != len(archive.infolist()):
            raise _ReadError(f"{name} holds two files of one name. {_SAVE_AGAIN}")
        total = sum(info.file_size for info in archive.infolist())
        if total > max_bytes:
            raise _ReadError(f"{name} unpacks to {total:,} bytes; at most {max_bytes:,} are read. Save fewer takes.")
        unusual = [info.filename for info in archive.infolist() if info.compress_type not in _METHODS]
        if unusual:
            raise _ReadError(f"{name}: {_shown(unusual[0])} is packed in a way that no session is. {_SAVE_AGAIN}")

    def read(self) -> Session:
        content = self._json(_SESSION)
        if not isinstance(content, dict) or not isinstance(content.get("version"), int):
            raise self._fault("session.json says no version; it is no session of this program")
        if content["version"] > VERSION:
            raise _ReadError(
                f"{self._name} was saved by a newer version of this program (format {content['version']}, known here "
                f"is {VERSION}). Update the program."
            )
        if set(content) != _FIELDS:
            raise self._fault(f"session.json must have the fields {', '.join(sorted(_FIELDS))}, and no others")
        takes, trim = content["takes"], content["trim"]
        if not isinstance(takes, list) or len(takes) > MAX_TAKES:
            raise self._fault(f"its takes are no list of at most {MAX_TAKES}")
        if not isinstance(trim, list) or len(trim) != 2:
            raise self._fault("its trim is no start and end")
        with self._named_fault():
            session = Session(
                recording=self._recording(content["recording"]),
                trim_start_frame=trim[0],
                trim_end_frame=trim[1],
                plan=HintPlan.from_json(self._json(_PLAN)),
                reference=self._reference(content["reference"]),
                placement=rebuilt(Placement, content["placement"], "placement"),
                settings=rebuilt(TakeSettings, content["settings"], "settings"),
                picture=rebuilt(RenderSettings, content["picture"], "picture"),
                takes=tuple(self._take(number, take) for number, take in enumerate(takes, start=1)),
            )
        if self._unread:
            raise self._fault(f"it holds {_shown(min(self._unread))}, which its session.json does not name")
        return session

    def _take(self, number: int, take: Any) -> SavedTake:
        if not isinstance(take, dict) or set(take) != _TAKE_FIELDS:
            raise self._fault(f"take {number} must have the fields {', '.join(sorted(_TAKE_FIELDS))}, and no others")
        hints = None
        reference = self._reference(take["reference"])
        if reference is not None:
            hints = Hints(reference, HintPlan.from_json(take["plan"]))
        motion = self._motion(self._expect(take["motion"], f"takes/{number}.npz"))
        video = take["video"]
        if video is not None:
            video = self._video(self._expect(video, f"takes/{number}.mp4"))
        settings = rebuilt(TakeSettings, take["settings"], f"The settings of take {number}")
        return SavedTake(Take(motion, take["caption"], hints), settings, video, take["took_s"])

    def _recording(self, name: Any) -> Path | None:
        if name is None:
            return None
        suffix = name.removeprefix("recording") if isinstance(name, str) else None
        if suffix is None or (suffix and not _SUFFIX.fullmatch(suffix)):
            raise self._fault(f"its recording has the name {_shown(name)}")
        with self._open(self._expect(name, f"recording{suffix}")) as stream:
            return self._files.put(name, stream)

    def _video(self, name: str) -> Path:
        with self._open(name) as stream:
            path = self._files.put(name.replace("/", "-"), stream)
        with path.open("rb") as stream:
            if stream.read(8)[4:] != b"ftyp":
                raise self._fault(f"{name} is no mp4")
        return path

    def _reference(self, name: Any) -> Motion | None:
        if name is None or (isinstance(name, str) and name in self._references):
            return self._references.get(name)
        motion = self._motion(self._expect(name, f"references/{len(self._references) + 1}.npz"))
        self._references[name] = motion
        return motion

    def _motion(self, name: str) -> Motion:
        with tempfile.TemporaryDirectory(prefix="emage-") as folder:
            with self._open(name) as stream:
                path = _NewFiles(Path(folder)).put("motion.npz", stream)
            try:
                motion = Motion.load(path, self._motion_bytes)
            except EmageError as error:
                raise self._fault(f"{name} is no motion ({error})") from error
        self._motion_bytes -= sum(
            array.nbytes for array in (motion.poses, motion.expressions, motion.trans, motion.betas)
        )
        return motion

    def _json(self, name: str) -> Any:
        if name not in self._unread:
            raise self._fault(f"it has no {name}")
        if self._unread[name].file_size > _MAX_JSON_BYTES:
            raise self._fault(f"{name} is far too long")
        with self._open(name) as stream:
            text = stream.read()
        try:
            return json.loads(text.decode("utf-8"), parse_constant=_no_number, parse_int=_whole_number)
        except (ValueError, RecursionError) as error:
            raise self._fault(f"{name} is no JSON that can be read ({error})") from error

    def _expect(self, name: Any, expected: str) -> str:
        """The one name that a file can have in its place."""
        if name != expected:
            raise self._fault(f"session.json names {_shown(name)} where {expected} should be")
        return expected

    def _open(self, name: str) -> IO[bytes]:
        if name not in self._unread:
            raise self._fault(f"it has no {name}")
        return self._archive.open(self._unread.pop(name))

    @contextmanager
    def _named_fault(self) -> Iterator[None]:
        try:
            yield
        except (_ReadError, OutputError):
            raise
        except EmageError as error:
            raise self._fault(str(error)) from error

    def _fault(self, finding: str) -> "_ReadError":
        return _ReadError(f"{self._name}: {finding[:500].removesuffix('.')}. {_SAVE_AGAIN}")


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _whole_number(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"{digits[:20]} is far too large")
    return int(digits)


def _shown(value: Any) -> str:
    return repr(value)[:60]
