"""The timeline: which part of the body is a hint when, painted over the recording's waveform. See `Timeline`."""

from emage.ui.components.timeline.backdrop import Backdrop, Media
from emage.ui.components.timeline.timeline import Timeline
from emage.ui.components.timeline.value import TimelineValue
from emage.ui.components.timeline.words import read_words

__all__ = ["Backdrop", "Media", "Timeline", "TimelineValue", "read_words"]
