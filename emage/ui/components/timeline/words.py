"""Words that a person has corrected or moved on the timeline."""

import json
from typing import Annotated

import gradio as gr
from pydantic import Field

from emage.errors import HintError
from emage.recording.transcript import MAX_WORD_CHARACTERS, MAX_WORDS, Word
from emage.ui.components.timeline.value import Frame
from emage.validation import build, checked

UNSURE_BELOW = 0.6
"""The confidence of a word that is shown as one that may be wrong."""

_Second = Annotated[float, Field(ge=0)]
_Word = tuple[
    Annotated[str, Field(min_length=1, max_length=MAX_WORD_CHARACTERS)],
    _Second,
    _Second,
    Annotated[float, Field(ge=0, le=1)] | None,
]


@checked(HintError)
class _WordsJson:
    num_frames: Frame
    words: Annotated[list[_Word], Field(max_length=MAX_WORDS)]


def write_words(words: tuple[Word, ...]) -> str:
    """As the timeline's JavaScript reads them: text, start and end in seconds, confidence or null of each.

    Gradio wraps every element of a list in the browser, which takes seconds where there are many; so they are a text.
    """
    return json.dumps([[word.text, word.start_s, word.end_s, word.confidence] for word in words])


def read_words(event: gr.EventData, num_frames: int) -> tuple[Word, ...]:
    """All words of the recording, of the timeline's event `edit`; nothing that comes from a browser is trusted.

    Args:
        num_frames: of the recording that the server has.

    Raises:
        HintError: not of the form that the browser sends, or words of another recording.
    """
    try:
        given = {"num_frames": event.num_frames, "words": event.words}
    except (AttributeError, TypeError) as error:
        raise HintError("The words' event brings no words.") from error
    read = build(_WordsJson, given, HintError, "The words' event")
    if read.num_frames != num_frames:
        raise HintError("These words are of a recording that is no longer there.")
    return tuple(Word(*word) for word in read.words)
