"""Speech by espeak-ng, through its library: times from its events."""

import ctypes
import functools
from collections.abc import Sequence

import numpy as np

from train.synthetic.engines.spoken import Phrase, SpokenPhone, SpokenPhrase, load_library
from train.synthetic.errors import CorpusError
from train.synthetic.phones import SILENCE, VOWELS, from_espeak

_SYNCHRONOUS, _PHONEME_EVENTS = 2, 1
_WORD, _PHONEME, _LAST = 1, 7, 0
_UTF8, _RATE, _PITCH, _RANGE = 1, 1, 3, 4
_WORDS_PER_MINUTE = 165


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@functools.cache
def _load() -> tuple[ctypes.CDLL, int]:
    """The library, and its sample rate."""
    library = load_library(("libespeak-ng.so.1", "libespeak-ng.so"), "espeak-ng")
    rate_hz = library.espeak_Initialize(_SYNCHRONOUS, 500, None, _PHONEME_EVENTS)
    if rate_hz <= 0:
        raise CorpusError("espeak-ng does not start; reinstall the Debian package espeak-ng-data.")
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    return library, rate_hz


def speak_with_espeak(voice_name: str, phrases: Sequence[Phrase]) -> list[SpokenPhrase]:
    library, rate_hz = _load()
    if library.espeak_SetVoiceByName(voice_name.encode()) != 0:
        raise CorpusError(f"espeak-ng has no voice {voice_name}; install the Debian package espeak-ng-data.")
    samples: list[np.ndarray] = []
    events: list[tuple[int, int, int, str]] = []

    def collect(wave, count, event) -> int:
        if wave and count > 0:
            samples.append(np.ctypeslib.as_array(wave, (count,)).copy())
        i = 0
        while event[i].type != _LAST:
            name = event[i].id.string.decode() if event[i].type == _PHONEME else ""
            events.append((event[i].type, event[i].text_position, event[i].sample, name))
            i += 1
        return 0

    callback = _Callback(collect)
    library.espeak_SetSynthCallback(callback)
    result = []
    for phrase in phrases:
        samples.clear()
        events.clear()
        library.espeak_SetParameter(_RATE, round(_WORDS_PER_MINUTE * phrase.rate), 0)
        library.espeak_SetParameter(_PITCH, min(99, max(0, round(50 + 80 * np.log(phrase.pitch)))), 0)
        library.espeak_SetParameter(_RANGE, 60, 0)
        text = phrase.text.encode()
        library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, 1, 0, _UTF8, None, None)
        audio = np.concatenate(samples).astype(np.float32) / 32768
        phones = _read(library, voice_name[:2], phrase, events, len(audio) / rate_hz)
        result.append(SpokenPhrase(audio, rate_hz, tuple(phones)))
    return result


def _read(
    library: ctypes.CDLL, language: str, phrase: Phrase, events: Sequence[tuple[int, int, int, str]], duration_s: float
) -> list[SpokenPhone]:
    _, rate_hz = _load()
    positions = np.cumsum([1] + [len(token.text) + 1 for token in phrase.tokens])[:-1]  # espeak counts from 1
    groups: dict[int, list[tuple[str, float, float]]] = {}  # first word -> its phones
    silences: list[tuple[float, float]] = []
    phones = [(at, sample / rate_hz, name) for kind, at, sample, name in events if kind == _PHONEME]
    starts = [at for kind, at, _, _ in events if kind == _WORD]
    ends = [second for _, second, _ in phones[1:]] + [duration_s]
    for (at, start_s, name), end_s in zip(phones, ends, strict=True):
        label = from_espeak(name, language)
        if label == SILENCE:
            silences.append((start_s, end_s))
            continue
        begun = max(start for start in starts if start <= at)
        word = int(np.searchsorted(positions, begun, side="right")) - 1
        groups.setdefault(word, []).append((label, start_s, end_s))
    result = [SpokenPhone(SILENCE, start_s, end_s, False, -1) for start_s, end_s in silences]
    firsts = sorted(groups)
    for first, following in zip(firsts, [*firsts[1:], len(phrase.tokens)], strict=True):
        # espeak joins some words, such as "of the"; they share the phones by what each is spoken as alone.
        members = [_measure_word(library, language, phrase.tokens[i].text) for i in range(first, following)]
        result += share_phones(groups[first], members, first)
    return sorted(result, key=lambda phone: phone.start_s)


def _measure_word(library: ctypes.CDLL, language: str, text: str) -> tuple[int, int]:
    """Number of phones of a word spoken alone, and which of its vowels is stressed."""
    pointer = ctypes.c_char_p(text.encode())
    spoken = library.espeak_TextToPhonemes(ctypes.byref(pointer), _UTF8, ord("_") << 8).decode()
    symbols = [symbol for symbol in spoken.replace(" ", "_").split("_") if symbol.strip("',%=")]
    vowels = [symbol for symbol in symbols if from_espeak(symbol.strip("',%="), language) in VOWELS]
    stressed = next((i for i, vowel in enumerate(vowels) if "'" in vowel), 0)
    return len(symbols), stressed


def share_phones(
    phones: Sequence[tuple[str, float, float]], members: Sequence[tuple[int, int]], first: int
) -> list[SpokenPhone]:
    """Share the phones (label, start, end) of joined words out among them.

    members: of each word, how many phones it has when it is spoken alone, and which of its vowels is stressed. first:
    the first word's index in the phrase.
    """
    counts = np.array([count for count, _ in members], float)
    edges = np.round(np.cumsum([0, *counts]) / counts.sum() * len(phones)).astype(int)
    edges = np.maximum(edges, np.minimum(np.arange(len(edges)), len(phones)))
    result = []
    for i, (_, stressed_vowel) in enumerate(members):
        seen = -1
        for label, start_s, end_s in phones[edges[i] : edges[i + 1]]:
            seen += label in VOWELS
            stressed = label in VOWELS and seen == stressed_vowel
            result.append(SpokenPhone(label, start_s, end_s, stressed, first + i))
    return result
