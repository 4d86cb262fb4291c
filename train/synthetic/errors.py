"""The named error of the corpus generator."""

from emage.errors import EmageError


class CorpusError(EmageError):
    """A synthesizer, a file of times or a corpus folder is missing or not usable."""
