"""The named errors a user can meet. Each message says what was wrong, where, and what to do."""


class EmageError(ValueError):
    """Base of every fault that lies in an input, a file or the machine, not in the program."""


class AudioError(EmageError):
    """A recording cannot be read or used."""


class NoOnsetError(AudioError):
    """A recording in which nothing sets in, so that no beat can be near to it."""


class MotionError(EmageError):
    """A motion file or a motion's arrays are not valid."""


class HintError(EmageError):
    """A hint plan does not fit the recording or its reference motion."""


class WeightsError(EmageError):
    """Weights are missing, damaged or of another network."""


class BodyError(EmageError):
    """A body model is missing or not usable."""


class RenderError(EmageError):
    """Frames cannot be drawn on this machine or with these settings."""


class VideoError(EmageError):
    """A video cannot be written."""


class ExportError(EmageError):
    """A motion cannot be written in a format of other tools."""


class SessionError(EmageError):
    """A saved session cannot be read."""


class OutputError(EmageError):
    """A result cannot be written to where the user asked."""


class Cancelled(Exception):
    """The user stopped the work; not a fault."""
