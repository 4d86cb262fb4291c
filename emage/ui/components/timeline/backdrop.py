"""What lies behind the spans on the timeline: waveform, words, and where the hint motion plays."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emage.motion import FPS
from emage.recording.audio import SAMPLE_RATE_HZ, SILENCE, frame_to_sample, frame_to_second, num_frames
from emage.recording.transcript import Word
from emage.ui.components.timeline.words import write_words

_PEAKS_PER_FRAME = 4
_MAX_PEAKS = 24_000
_MIN_SILENCE_FRAMES = FPS // 2
_FULL_SCALE = 0.99
_CLIPPED_SHARE = 0.03
"""Of a frame's samples; speech that is only loud touches full scale in a few of them."""


@dataclass(frozen=True)
class Media:
    """A player that the timeline's playhead follows and moves.

    selector: CSS selector of an audio or video element, or of what holds it, such as `#video`.
    start_frame: the frame of the recording at which it starts to play; of a trimmed take, the trim's start.
    """

    selector: str
    start_frame: int = 0


@dataclass(frozen=True, eq=False)
class Backdrop:
    """What the timeline shows behind the spans; of it, words alone come back from the browser, by the event `edit`.

    num_frames: length of the recording.
    peaks: (B,) uint8, the loudest sample of each of B equal stretches, 255 at full scale.
    silent, clipped: (start, end) frames, end exclusive.
    words: of the transcript; spans snap to them.
    reference_span: (start, end) of the frames in which the hint motion plays, end exclusive; no span can be painted
        elsewhere. None: it plays in all.
    face_fault: why the face cannot be locked with the motion that is chosen. None: it can.
    media: players to follow.
    """

    num_frames: int
    peaks: np.ndarray
    silent: tuple[tuple[int, int], ...] = ()
    clipped: tuple[tuple[int, int], ...] = ()
    words: tuple[Word, ...] = ()
    reference_span: tuple[int, int] | None = None
    media: tuple[Media, ...] = ()
    face_fault: str | None = None

    @classmethod
    def from_audio(
        cls,
        audio: np.ndarray,
        words: Sequence[Word] = (),
        reference_span: tuple[int, int] | None = None,
        media: Sequence[Media] = (),
    ) -> "Backdrop":
        """Of a recording as `load_audio` reads it, (N,) float32 at 16 kHz."""
        frames = num_frames(len(audio))
        loudness = np.abs(audio)
        frame_starts = np.minimum([frame_to_sample(frame) for frame in range(frames)], len(audio) - 1)
        loudest = np.maximum.reduceat(loudness, frame_starts)
        at_full_scale = np.add.reduceat((loudness >= _FULL_SCALE).astype(np.float32), frame_starts)
        silent = [(a, b) for a, b in _runs(loudest < SILENCE) if b - a >= min(_MIN_SILENCE_FRAMES, frames)]
        clipped = _runs(at_full_scale * FPS > _CLIPPED_SHARE * SAMPLE_RATE_HZ)
        number = min(_PEAKS_PER_FRAME * frames, _MAX_PEAKS, len(audio))
        starts = np.arange(number) * len(audio) // number
        peaks = np.rint(255 * np.minimum(np.maximum.reduceat(loudness, starts), 1)).astype(np.uint8)
        return cls(frames, peaks, tuple(silent), tuple(clipped), tuple(words), reference_span, tuple(media))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on what is wrong with the recording."""
        warnings = []
        if self.silent == ((0, self.num_frames),):
            warnings.append("The recording is silent. Check the microphone, or choose another file.")
        if self.clipped:
            first_s = frame_to_second(self.clipped[0][0])
            warnings.append(
                f"The recording is too loud and cut off (marked red, first at {first_s:.2f} s). "
                "It can be used; a new one made farther from the microphone moves better."
            )
        return tuple(warnings)

    def to_json(self) -> dict[str, Any]:
        """As the component's JavaScript reads it."""
        return {
            "num_frames": self.num_frames,
            "peaks": base64.b64encode(self.peaks.tobytes()).decode("ascii"),
            "silent": self.silent,
            "clipped": self.clipped,
            "words": write_words(self.words),
            "reference_span": self.reference_span,
            "face_fault": self.face_fault,
            "media": [{"selector": media.selector, "start_frame": media.start_frame} for media in self.media],
            "warnings": self.warnings,
        }


def _runs(flags: np.ndarray) -> tuple[tuple[int, int], ...]:
    """(T,) bool -> (start, end) of its runs, end exclusive."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return tuple((int(start), int(end)) for start, end in edges.reshape(-1, 2))
