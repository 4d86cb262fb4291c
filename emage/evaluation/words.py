"""How much of what was heard of each word was its content, and how much the rhythm of the speech."""

from dataclasses import dataclass

from emage.generation.windows import ContentShare
from emage.recording.audio import frame_to_second, second_to_frame
from emage.recording.recording import Recording


@dataclass(frozen=True)
class WordShare:
    """A word of a recording's part, in seconds from the part's beginning.

    face, body: the share of content in what moves them, 0 to 1; the rest is rhythm.
    """

    text: str
    start_s: float
    end_s: float
    face: float
    body: float


@dataclass(frozen=True)
class WordShares:
    """caption: of the take for which they were heard. words: those of the recording's part."""

    caption: str
    words: tuple[WordShare, ...]


def share_by_word(caption: str, recording: Recording, share: ContentShare) -> WordShares:
    """The mean share of content over the frames of each word; words outside of the recording's part are left out.

    share: of the part's frames; the published timing has fewer of them.
    """
    words = []
    for word in recording.words:
        if word.start_s >= frame_to_second(recording.end_frame):  # times far beyond it are no frames
            continue
        first = max(second_to_frame(word.start_s) - recording.start_frame, 0)
        end_s = min(word.end_s, frame_to_second(recording.end_frame))
        last = min(max(second_to_frame(end_s) - recording.start_frame, first + 1), len(share.body))
        if second_to_frame(end_s) <= recording.start_frame or first >= last:
            continue
        face, body = (float(values[first:last].mean()) for values in (share.face, share.body))
        words.append(WordShare(word.text, frame_to_second(first), frame_to_second(last), face, body))
    return WordShares(caption, tuple(words))
