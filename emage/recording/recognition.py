"""Words recognised in a recording, offline: a guess, each word with its confidence.

By pocketsphinx with the language model of its package, or by faster-whisper where that is installed and its weights can
be had.
"""

import importlib
import importlib.util
import re

import numpy as np

from emage.errors import EmageError
from emage.recording.audio import SAMPLE_RATE_HZ, check_samples, num_frames
from emage.recording.decoder import Progress, feed_by_blocks, make_decoder
from emage.recording.features import loudness_envelope
from emage.recording.pronunciation import is_english
from emage.recording.transcript import Word

STAGE_RECOGNITION = "Listening for the words"
WHISPER = "faster_whisper"
"""The module that is used where it is there."""
WHISPER_MODEL = "small"

_HOP_S = 0.01
_SHORTEST_S = 15.0
_LONGEST_S = 30.0


def recognise_words(
    samples: np.ndarray, language: str = "en", progress: Progress | None = None
) -> tuple[tuple[Word, ...], str]:
    """The words that are said, as a guess with confidences, and a sentence on who guessed.

    Args:
        samples: (N,) float at 16 kHz.
        language: that is spoken, as in `en`.
        progress: called with the stage, and the motion frames that are done of how many; what it raises ends the work.

    Raises:
        AudioError: the samples are no finite floats.
        EmageError: a language that nothing here recognises.
    """
    samples = check_samples(samples)
    fault = ""
    if importlib.util.find_spec(WHISPER) is not None:
        model, fault = _load_whisper()
        if model is not None:
            return _by_whisper(
                model, samples, language, progress
            ), "The words are faster-whisper's guess. Correct them."
    if not is_english(language):
        raise EmageError(
            f"Words in the language {language[:40]} are recognised by faster-whisper alone, "
            f"{fault or 'which is not installed'}. Give a transcript, or use weights that hear sound alone."
        )
    words = _by_pocketsphinx(samples, progress)
    return words, f"The words are pocketsphinx's guess{f': faster-whisper, {fault}' if fault else ''}. Correct them."


def _by_pocketsphinx(samples: np.ndarray, progress: Progress | None) -> tuple[Word, ...]:
    """Utterance by utterance, cut where it is quietest."""
    decoder = make_decoder()
    words: list[Word] = []
    for start, end in _utterances(samples):

        def tell(done: int, start: int = start) -> None:
            if progress is not None:
                progress(STAGE_RECOGNITION, num_frames(start + done), num_frames(len(samples)))

        feed_by_blocks(decoder, samples[start:end], None, tell)
        if decoder.hyp() is None:  # nothing was said
            continue
        for segment in decoder.seg():
            if segment.word[0] in "<[(":
                continue
            start_s = start / SAMPLE_RATE_HZ
            words.append(
                Word(
                    re.sub(r"\(\d+\)$", "", segment.word),
                    start_s + segment.start_frame * _HOP_S,
                    start_s + (segment.end_frame + 1) * _HOP_S,
                    min(1.0, max(0.0, segment.prob)),
                )
            )
    return tuple(words)


def _utterances(samples: np.ndarray) -> list[tuple[int, int]]:
    """Stretches of 15 to 30 s, each up to the quietest moment there is in that time."""
    loudness = loudness_envelope(samples)
    quiet = np.convolve(loudness, np.ones(5) / 5, mode="same")
    per_frame = len(samples) / len(loudness)
    shortest, longest = (round(seconds * SAMPLE_RATE_HZ / per_frame) for seconds in (_SHORTEST_S, _LONGEST_S))
    bounds = [0]
    while len(loudness) - bounds[-1] > longest:
        first = bounds[-1] + shortest
        bounds.append(first + int(np.argmin(quiet[first : bounds[-1] + longest])))
    ends = [*(round(bound * per_frame) for bound in bounds[1:]), len(samples)]
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _load_whisper() -> tuple[object | None, str]:
    """The model of faster-whisper, or what is the matter with its weights."""
    whisper = importlib.import_module(WHISPER)
    try:
        return whisper.WhisperModel(WHISPER_MODEL, device="auto", compute_type="default"), ""
    except (OSError, RuntimeError, ValueError) as error:  # of the Hub, of CTranslate2, and of a damaged folder
        return None, f"whose weights cannot be had ({str(error).splitlines()[0][:200] if str(error) else error!r})"


def _by_whisper(model, samples: np.ndarray, language: str, progress: Progress | None) -> tuple[Word, ...]:
    try:
        segments, _ = model.transcribe(
            np.ascontiguousarray(samples, np.float32), language=language.split("-")[0], word_timestamps=True
        )
    except ValueError as error:  # so it says that it has no such language
        raise EmageError(
            f"faster-whisper does not recognise the language {language[:40]!r}. Give its code, such as en or de, or a "
            "transcript."
        ) from error
    words: list[Word] = []
    total, duration_s = num_frames(len(samples)), len(samples) / SAMPLE_RATE_HZ
    for segment in segments:  # the work is done as they come
        for word in segment.words or ():
            start_s = max(0.0, word.start)
            words.append(Word(word.word.strip(), start_s, max(start_s, word.end), min(1.0, max(0.0, word.probability))))
        if progress is not None:
            done = round(min(segment.end, duration_s) * SAMPLE_RATE_HZ)
            progress(STAGE_RECOGNITION, min(total, num_frames(done)), total)
    return tuple(word for word in words if word.text)
