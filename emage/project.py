"""A project in one file: recording, reference motion, plan, settings and takes, as a zip that loads back.

A file that is loaded may come from anybody. Nothing in it chooses where something is written, nothing is unpickled, and
nothing unpacks without bound.

    session.json        version, settings, the transcript's text, and which of the files below is what
    plan.json           the plan of hints, as `--plan` takes it
    recording.flac      as it was given
    words/1.json        words with their times, of the recording and of takes; confidences as they were recognised
    references/1.npz    motions that hints are taken from
    takes/1.npz .mp4    what was made
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from emage.errors import AudioError, EmageError, OutputError, SessionError
from emage.files import ZIP_DAMAGE, NewFiles, clean_name, is_whole_text, new_file, open_zip, put_files, say_damage
from emage.generation.settings import TakeSettings
from emage.generation.take import STAGE_ALL, StoredTake
from emage.hints import HintPlan, Placement
from emage.motion import FPS, Motion
from emage.project_json import (
    MAX_CAPTION_CHARACTERS,
    MAX_TAKES,
    MAX_TEXT_CHARACTERS,
    VERSION,
    ProjectJson,
    TakeJson,
    WordsJson,
)
from emage.recording.pronunciation import ENGLISH
from emage.recording.recording import Recording
from emage.recording.transcript import Word
from emage.render.settings import RenderSettings
from emage.validation import build

MAX_PROJECT_BYTES = 1 << 30
"""Of all files of a project together, and once more of the motions when they are unpacked and play at 30 frames a
second."""
MAX_SEED = 2**53
"""A larger number is another one in a browser."""

_MAX_JSON_BYTES = 4 << 20
_MAX_WORDS_BYTES = 32 << 20  # of as many words, and as long ones, as a transcript may have
_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")
_PROJECT, _PLAN = "session.json", "plan.json"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_SAVE_AGAIN = "Save the session again, or take an undamaged copy."


@dataclass(frozen=True, eq=False)
class Project:
    """All that a person has set and made.

    recording: with its words and the part of it that is used, or None. plan: over the whole recording. reference,
    placement: the motion for hints as it was given, and how it is laid along the recording. settings, picture: of the
    next take.
    takes: what was made; their hints' references are laid along the recording's part already. One of another recording
    is loaded without it: its sound is in its video.
    text, language: of the transcript, as a person writes it; the words with their times are the recording's.

    Raises:
        SessionError: too many takes, a caption or transcript that is too long or holds half a character, or a seed that
            a browser cannot hold.
    """

    recording: Recording | None = None
    plan: HintPlan = field(default_factory=HintPlan)
    reference: Motion | None = None
    placement: Placement = field(default_factory=Placement)
    settings: TakeSettings = field(default_factory=TakeSettings)
    picture: RenderSettings = field(default_factory=RenderSettings)
    takes: tuple[StoredTake, ...] = ()
    text: str = ""
    language: str = ENGLISH

    def __post_init__(self):
        if len(self.takes) > MAX_TAKES:
            raise SessionError(f"A session has at most {MAX_TAKES} takes, not {len(self.takes)}. Remove some.")
        if any(len(take.caption) > MAX_CAPTION_CHARACTERS for take in self.takes):
            raise SessionError(f"The caption of a take is text of at most {MAX_CAPTION_CHARACTERS} characters.")
        if not all(is_whole_text(text) for text in (self.text, *(take.caption for take in self.takes))):
            raise SessionError("A caption or transcript holds half a character, as of a text that was cut. Retype it.")
        if len(self.text) > MAX_TEXT_CHARACTERS:
            raise SessionError(f"A transcript is text of at most {MAX_TEXT_CHARACTERS:,} characters. Shorten it.")
        for settings in (self.settings, *(take.settings for take in self.takes)):
            if settings.seed is not None and settings.seed > MAX_SEED:
                raise SessionError(f"A session's seed is {_shown(settings.seed)}; it must be {MAX_SEED:,} at most.")

    def save(self, path: str | Path) -> Path:
        """Write the zip; it appears whole or not at all.

        Raises:
            SessionError: a recording, motion or video that is no longer there, or more than a project can hold.
            OutputError: the file cannot be written.
        """
        with new_file(path) as temporary, zipfile.ZipFile(temporary, "w", strict_timestamps=False) as archive:
            _Writer(archive).write(self)
        return Path(path)

    @classmethod
    def load(
        cls,
        path: str | Path,
        folder: str | Path,
        max_bytes: int = MAX_PROJECT_BYTES,
        max_duration_s: float | None = None,
    ) -> "Project":
        """Read a zip of `save`.

        Args:
            path: the zip.
            folder: of the caller's own; recording, motions and videos are put there, under names of our own.
            max_bytes: limit on all files together, and once more on the motions when they are unpacked and play at 30
                frames a second.
            max_duration_s: of the recording; a longer one is refused undecoded.

        Raises:
            SessionError: no project, one of a newer version, a damaged one, one that holds what no project has, or too
                much; nothing is left in `folder`.
            AudioError: its recording cannot be decoded, or is too long.
            OutputError: `folder` cannot be written to.
        """
        path, folder = Path(path), Path(folder)
        if not path.is_file():
            raise SessionError(f"{path}: there is no such file.")
        try:
            with put_files(folder) as files, open_zip(path, SessionError) as archive:
                return _Reader(archive, path.name, files, max_bytes, max_duration_s).read()
        except zipfile.BadZipFile as error:
            told = f"{path.name} is no session's zip, or it is damaged ({say_damage(error)}). {_SAVE_AGAIN}"
            raise SessionError(told) from error
        except ZIP_DAMAGE as error:
            raise SessionError(f"{path.name} cannot be read ({say_damage(error)}). {_SAVE_AGAIN}") from error


# --- writing ----------------------------------------------------------------------------------------------------------


class _Writer:
    def __init__(self, archive: zipfile.ZipFile):
        self._archive = archive
        self._references: dict[bytes, str] = {}
        self._words: dict[tuple[Word, ...], str] = {}
        self._num_bytes = 0

    def write(self, project: Project) -> None:
        part, name = project.recording, None
        if part is not None and part.file is not None:
            suffix = part.file.suffix.lower()
            name = "recording" + (suffix if _SUFFIX.fullmatch(suffix) else "")
            self._add(name, part.file)
        with tempfile.TemporaryDirectory(prefix="emage-") as folder:
            reference = project.reference and project.reference.save(Path(folder) / "reference.npz")
            words = self._words_of(part if name else None)  # the first ones, as they are read
            content = {
                "version": VERSION,
                "recording": name,
                "trim": [part.start_frame, part.end_frame if part.is_trimmed else None] if name else [0, None],
                "reference": self._reference(reference),
                "placement": asdict(project.placement),
                "settings": asdict(project.settings),
                "picture": asdict(project.picture),
                "takes": [self._take(number, take) for number, take in enumerate(project.takes, start=1)],
                "words": words,
                "recording_name": clean_name(part.name) if name else None,
                "transcript": {"text": project.text, "language": project.language} if project.text else None,
            }
        self._add_json(_PROJECT, content)
        self._add_json(_PLAN, project.plan.to_json())

    def _take(self, number: int, take: StoredTake) -> dict[str, Any]:
        motion, video = f"takes/{number}.npz", f"takes/{number}.mp4"
        self._add(motion, take.motion, zipfile.ZIP_DEFLATED)
        if take.video is not None:
            self._add(video, take.video)
        return {
            "caption": take.caption,
            "motion": motion,
            "video": None if take.video is None else video,
            "reference": self._reference(take.reference),
            "plan": None if take.reference is None else take.plan.to_json(),
            "settings": asdict(take.settings),
            "took_s": take.took_s,
            "words": self._words_of(take.recording),
        }

    def _words_of(self, recording: Recording | None) -> str | None:
        """The name of words that several may share."""
        if recording is None or not recording.words:
            return None
        if recording.words not in self._words:
            name = self._words[recording.words] = f"words/{len(self._words) + 1}.json"
            words = [[word.text, word.start_s, word.end_s, word.confidence] for word in recording.words]
            text = json.dumps(words, ensure_ascii=False)
            self._archive.writestr(_member(name, zipfile.ZIP_DEFLATED), text)
        return self._words[recording.words]

    def _reference(self, path: Path | None) -> str | None:
        """The name of a motion that several may share."""
        if path is None:
            return None
        try:
            digest = hashlib.sha256(path.read_bytes()).digest()
        except OSError as error:
            raise _gone(path, error) from error
        if digest not in self._references:
            self._references[digest] = f"references/{len(self._references) + 1}.npz"
            self._add(self._references[digest], path, zipfile.ZIP_DEFLATED)
        return self._references[digest]

    def _add_json(self, name: str, content: Any) -> None:
        self._archive.writestr(_member(name, zipfile.ZIP_DEFLATED), json.dumps(content, indent=1))

    def _add(self, name: str, path: Path, method: int = zipfile.ZIP_STORED) -> None:
        try:
            source = path.open("rb")
        except OSError as error:
            raise _gone(path, error) from error
        with source:
            self._num_bytes += source.seek(0, os.SEEK_END)
            if self._num_bytes > MAX_PROJECT_BYTES:
                raise SessionError(f"The session is larger than {MAX_PROJECT_BYTES:,} bytes. Remove some takes.")
            source.seek(0)
            with self._archive.open(_member(name, method), "w") as target:
                shutil.copyfileobj(source, target)


def _gone(path: Path, error: OSError) -> SessionError:
    return SessionError(f"{path.name} cannot be saved, for it is no longer there ({error.strerror}).")


def _member(name: str, method: int) -> zipfile.ZipInfo:
    """A file that tells nothing of when and where it was made."""
    info = zipfile.ZipInfo(name)
    info.compress_type = method
    info.external_attr = 0o644 << 16
    return info


# --- reading ----------------------------------------------------------------------------------------------------------


class _ReadError(SessionError):
    """Names the file already."""


class _Reader:
    """Reads an archive; every file in it must be one that its session.json names."""

    def __init__(
        self, archive: zipfile.ZipFile, name: str, files: NewFiles, max_bytes: int, max_duration_s: float | None
    ):
        self._archive, self._name, self._files = archive, name, files
        self._motion_bytes = max_bytes
        self._max_duration_s = max_duration_s
        self._unread = {info.filename: info for info in archive.infolist()}
        self._references: dict[str, tuple[Motion, Path]] = {}
        self._words: dict[str, tuple[Word, ...]] = {}
        if len(self._unread) != len(archive.infolist()):
            raise _ReadError(f"{name} holds two files of one name. {_SAVE_AGAIN}")
        total = sum(info.file_size for info in archive.infolist())
        if total > max_bytes:
            raise _ReadError(f"{name} unpacks to {total:,} bytes; at most {max_bytes:,} are read. Save fewer takes.")
        unusual = [info.filename for info in archive.infolist() if info.compress_type not in _METHODS]
        if unusual:
            raise _ReadError(f"{name}: {_shown(unusual[0])} is packed in a way that no session is. {_SAVE_AGAIN}")

    def read(self) -> Project:
        with self._named_fault():
            text = self._text(_PROJECT)
            content = build(dict[str, Any], text, SessionError, _PROJECT)
            if type(content.get("version")) is not int:
                raise SessionError("session.json says no version; it is no session of this program")
            if content["version"] > VERSION:
                raise _ReadError(
                    f"{self._name} was saved by a newer version of this program (format {content['version']}, known "
                    f"here is {VERSION}). Update the program."
                )
            saved = build(ProjectJson, text, SessionError, _PROJECT)
            plan = HintPlan.from_json(self._text(_PLAN))
            recording = self._recording(saved)
            if recording is not None and saved.words is not None:
                recording = replace(recording, words=self._words_of(saved.words))
            reference = None if saved.reference is None else self._reference(saved.reference)[0]
            takes = tuple(self._take(number, take, recording) for number, take in enumerate(saved.takes, start=1))
        if self._unread:
            raise self._fault(f"it holds {_shown(min(self._unread))}, which its session.json does not name")
        with self._named_fault():
            project = Project(recording, plan, reference, saved.placement, saved.settings, saved.picture, takes)
            if saved.transcript is None:
                return project
            return replace(project, text=saved.transcript.text, language=saved.transcript.language)

    def _take(self, number: int, take: TakeJson, recording: Recording | None) -> StoredTake:
        reference, plan = None, HintPlan()
        if take.reference is not None:
            motion, reference = self._reference(take.reference)
            plan = HintPlan.from_json(take.plan)
            plan.check_reaches(motion)
        motion = self._motion(self._expect(take.motion, f"takes/{number}.npz"))
        video = None
        if take.video is not None:
            video = self._video(self._expect(take.video, f"takes/{number}.mp4"))
        if recording is not None and motion.num_frames != recording.part_frames:
            recording = None  # a take of another one
        words = self._words_of(take.words)
        if recording is not None and recording.words != words:
            recording = replace(recording, words=words)
        return StoredTake(
            caption=take.caption,
            motion=motion.save(self._files.path(f"take-{number}.npz")),
            num_frames=motion.num_frames,
            recording=recording,
            settings=take.settings,
            reference=reference,
            plan=plan,
            stages_s=() if take.took_s is None else ((STAGE_ALL, take.took_s),),
            video=video,
            number=number,
        )

    def _words_of(self, name: str | None) -> tuple[Word, ...]:
        if name is None:
            return ()
        if name not in self._words:
            text = self._text(self._expect(name, f"words/{len(self._words) + 1}.json"), _MAX_WORDS_BYTES)
            self._words[name] = tuple(Word(*word) for word in build(WordsJson, text, SessionError, name))
        return self._words[name]

    def _recording(self, saved: ProjectJson) -> Recording | None:
        name = saved.recording
        if name is None:
            return None
        suffix = name.removeprefix("recording")
        if suffix and not _SUFFIX.fullmatch(suffix):
            raise self._fault(f"its recording has the name {_shown(name)}")
        with self._open(self._expect(name, f"recording{suffix}")) as stream:
            path = self._files.put(name, stream)
        recording = Recording.load(path, self._max_duration_s, clean_name(saved.recording_name or ""))
        try:
            return recording.trim(*saved.trim)
        except AudioError as error:  # not the recording's fault
            raise self._fault(str(error)) from error

    def _video(self, name: str) -> Path:
        with self._open(name) as stream:
            path = self._files.put(name.replace("/", "-"), stream)
        with path.open("rb") as stream:
            if stream.read(8)[4:] != b"ftyp":
                raise self._fault(f"{name} is no mp4")
        return path

    def _reference(self, name: str) -> tuple[Motion, Path]:
        if name not in self._references:
            number = len(self._references) + 1
            motion = self._motion(self._expect(name, f"references/{number}.npz"))
            self._references[name] = (motion, motion.save(self._files.path(f"reference-{number}.npz")))
        return self._references[name]

    def _motion(self, name: str) -> Motion:
        with tempfile.TemporaryDirectory(prefix="emage-") as folder:
            with self._open(name) as stream:
                path = NewFiles(Path(folder)).put("motion.npz", stream)
            try:
                motion = Motion.load(path, self._motion_bytes)
            except EmageError as error:
                raise self._fault(f"{name} is no motion ({error})") from error
        frame_bytes = (
            sum(array.nbytes for array in (motion.poses, motion.expressions, motion.trans)) / motion.num_frames
        )
        needed = round(frame_bytes * max(motion.num_frames, motion.frames_at(FPS)))
        if needed > self._motion_bytes:
            raise self._fault(
                f"{name} and the motions before it have {needed - self._motion_bytes:,} bytes more than are read when "
                f"they play at {FPS} frames a second"
            )
        self._motion_bytes -= needed
        return motion

    def _text(self, name: str, max_bytes: int = _MAX_JSON_BYTES) -> bytes:
        if name in self._unread and self._unread[name].file_size > max_bytes:
            raise self._fault(f"{name} is far too long")
        with self._open(name) as stream:
            return stream.read()

    def _expect(self, name: str, expected: str) -> str:
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
        except (_ReadError, OutputError, AudioError):
            raise
        except EmageError as error:
            raise self._fault(str(error)) from error

    def _fault(self, finding: str) -> "_ReadError":
        return _ReadError(f"{self._name}: {finding[:500].removesuffix('.')}. {_SAVE_AGAIN}")


def _shown(value: Any) -> str:
    return repr(value)[:60]
