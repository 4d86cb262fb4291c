"""How well words are aligned and recognised: `python -m tests.benchmarks.words FOLDER [LANGUAGE] [align | recognise]`.

FOLDER holds recordings (wav or flac) with a TextGrid of the same name beside each. For each is printed how far the
onsets of its words, aligned from their text, are from the TextGrid's (median, nine of ten, largest, in ms), the word
error rate of the recognition, and the seconds of computing for a second of speech; at the end the most memory used.
"""

import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emage.errors import EmageError
from emage.recording.hearing import hear_text
from emage.recording.pronunciation import ENGLISH, is_english, spoken_words
from emage.recording.recognition import recognise_words
from emage.recording.recording import Recording
from emage.recording.transcript import Word, load_words


def word_error_rate(found: Sequence[str], said: Sequence[str]) -> float:
    """Substituted, left out and added words, of all that were said."""
    costs = np.arange(len(found) + 1)
    for word in said:
        replaced = costs[:-1] + np.array([word != other for other in found], int)
        best = np.minimum(replaced, costs[1:] + 1)
        new = [costs[0] + 1]
        for cost in best:
            new.append(min(cost, new[-1] + 1))
        costs = np.array(new)
    return float(costs[-1]) / len(said)


def spoken(words: Sequence[Word], language: str) -> list[str]:
    if is_english(language):
        return [part for word in words for part in spoken_words(word.text)]
    return [word.text.lower() for word in words]


def measure_alignment(recording: Recording, words: Sequence[Word], language: str) -> str:
    aligned = hear_text(recording, " ".join(word.text for word in words), language).words
    if len(aligned) != len(words):
        return f"{len(words)} words of the TextGrid are {len(aligned)} in its text: some labels hold blanks or signs"
    errors_ms = 1000 * np.abs([found.start_s - word.start_s for found, word in zip(aligned, words, strict=True)])
    median, most = np.quantile(errors_ms, (0.5, 0.9))
    return (
        f"onsets off by {median:.0f} ms in the median, {most:.0f} ms in nine of ten, {errors_ms.max():.0f} ms at most"
    )


def measure_recognition(recording: Recording, words: Sequence[Word], language: str) -> str:
    found, _ = recognise_words(recording.samples, language)
    return f"{100 * word_error_rate(spoken(found, language), spoken(words, language)):.1f} % word errors"


MEASURES = {"align": measure_alignment, "recognise": measure_recognition}


def main() -> None:
    folder, *rest = sys.argv[1:]
    chosen = [argument for argument in rest if argument in MEASURES] or list(MEASURES)
    language = next((argument for argument in rest if argument not in MEASURES), ENGLISH)
    grids = sorted(Path(folder).glob("*.TextGrid"))
    for grid in grids:
        sound = next((path for ending in (".wav", ".flac") if (path := grid.with_suffix(ending)).is_file()), None)
        if sound is None:
            continue
        recording, words = Recording.load(sound), load_words(grid)
        duration_s = len(recording.samples) / 16000
        for name in chosen:
            began, began_cpu = time.perf_counter(), time.process_time()
            try:
                told = MEASURES[name](recording, words, language)
            except EmageError as error:
                told = str(error)
            took, took_cpu = time.perf_counter() - began, time.process_time() - began_cpu
            print(
                f"{grid.stem}, {duration_s:.0f} s, {len(words)} words, {name}: {told}; "
                f"{took_cpu / duration_s:.2f} s of computing a second ({took / duration_s:.2f} s by the clock)",
                flush=True,
            )
    print(f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
