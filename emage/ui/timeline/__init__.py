"""The timeline: which part of the body is a hint when, painted over the recording's waveform. See `Timeline`."""

from emage.ui.timeline.backdrop import Backdrop, Media, Word
from emage.ui.timeline.timeline import Timeline
from emage.ui.timeline.value import TimelineValue

__all__ = ["Backdrop", "Media", "Timeline", "TimelineValue", "Word"]
