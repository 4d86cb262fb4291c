"""What session.json of a project's zip says."""

from typing import Annotated, Any

from pydantic import Field

from emage.errors import SessionError
from emage.files import MAX_FILE_NAME_CHARACTERS
from emage.generation.settings import TakeSettings
from emage.hints import Placement
from emage.motion import MAX_FRAMES
from emage.recording.transcript import MAX_WORD_CHARACTERS, MAX_WORDS
from emage.render.settings import RenderSettings
from emage.validation import checked

VERSION = 4
"""Version 1 has no words, version 2 no text of the transcript, version 3 not the name that the recording came by."""
MAX_TAKES = 64
MAX_CAPTION_CHARACTERS = 200
MAX_TEXT_CHARACTERS = 1_000_000
"""Of a transcript's text: more than two hours of talk."""

_Second = Annotated[float, Field(ge=0)]
_Word = tuple[Annotated[str, Field(max_length=MAX_WORD_CHARACTERS)], _Second, _Second, float | None]
_Frame = Annotated[int, Field(ge=0, le=MAX_FRAMES)]


@checked(SessionError)
class TakeJson:
    caption: Annotated[str, Field(max_length=MAX_CAPTION_CHARACTERS)]
    motion: str
    video: str | None
    reference: str | None
    plan: dict[str, Any] | None
    settings: TakeSettings
    took_s: Annotated[float, Field(ge=0, lt=1e9)] | None
    words: str | None = None


@checked(SessionError)
class TranscriptJson:
    text: Annotated[str, Field(max_length=MAX_TEXT_CHARACTERS)]
    language: Annotated[str, Field(max_length=30)]


WordsJson = Annotated[list[_Word], Field(max_length=MAX_WORDS)]


@checked(SessionError)
class ProjectJson:
    version: int
    recording: str | None
    trim: tuple[_Frame, _Frame | None]
    reference: str | None
    placement: Placement
    settings: TakeSettings
    picture: RenderSettings
    takes: Annotated[list[TakeJson], Field(max_length=MAX_TAKES)]
    words: str | None = None
    transcript: TranscriptJson | None = None
    recording_name: Annotated[str, Field(max_length=MAX_FILE_NAME_CHARACTERS)] | None = None
