"""Speech by flite, through its library: times from the utterance's structure."""

import ctypes
import functools
from collections.abc import Sequence

import numpy as np

from train.synthetic.engines.spoken import Phrase, SpokenPhone, SpokenPhrase, load_library
from train.synthetic.phones import SILENCE


@functools.cache
def _load() -> ctypes.CDLL:
    library = load_library(("libflite.so.1", "libflite.so"), "flite")
    signatures = {
        "flite_synth_text": (ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_void_p)),
        "utt_relation": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_char_p)),
        "relation_head": (ctypes.c_void_p, (ctypes.c_void_p,)),
        "item_next": (ctypes.c_void_p, (ctypes.c_void_p,)),
        "item_daughter": (ctypes.c_void_p, (ctypes.c_void_p,)),
        "ffeature_string": (ctypes.c_char_p, (ctypes.c_void_p, ctypes.c_char_p)),
        "ffeature_float": (ctypes.c_float, (ctypes.c_void_p, ctypes.c_char_p)),
        "utt_wave": (ctypes.POINTER(_Wave), (ctypes.c_void_p,)),
        "feat_set_float": (None, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float)),
        "feat_float": (ctypes.c_float, (ctypes.c_void_p, ctypes.c_char_p)),
        "feat_present": (ctypes.c_int, (ctypes.c_void_p, ctypes.c_char_p)),
        "delete_utterance": (None, (ctypes.c_void_p,)),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    library.flite_init()
    return library


class _Wave(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("rate_hz", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


class _Voice(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("features", ctypes.c_void_p))


def _items(library: ctypes.CDLL, first: int | None):
    while first:
        yield first
        first = library.item_next(first)


def speak_with_flite(voice_name: str, phrases: Sequence[Phrase]) -> list[SpokenPhrase]:
    flite = _load()
    register = getattr(load_library((f"libflite_cmu_us_{voice_name}.so.1",), "flite"), f"register_cmu_us_{voice_name}")
    register.restype, register.argtypes = ctypes.c_void_p, (ctypes.c_char_p,)
    voice = register(None)
    features = _Voice.from_address(voice).features
    stretch = (
        flite.feat_float(features, b"duration_stretch") if flite.feat_present(features, b"duration_stretch") else 1
    )
    result = []
    for phrase in phrases:
        flite.feat_set_float(features, b"duration_stretch", stretch / phrase.rate)
        flite.feat_set_float(features, b"f0_shift", phrase.pitch)
        utterance = flite.flite_synth_text(phrase.text.encode(), voice)
        result.append(_read(flite, utterance))
        flite.delete_utterance(utterance)
    return result


def _read(flite: ctypes.CDLL, utterance: int) -> SpokenPhrase:
    place: dict[tuple[str, float], tuple[int, bool]] = {}  # a segment is told by its name and end
    words = _items(flite, flite.relation_head(flite.utt_relation(utterance, b"SylStructure")))
    for number, word in enumerate(words):
        for syllable in _items(flite, flite.item_daughter(word)):
            stressed = flite.ffeature_string(syllable, b"stress") == b"1"
            for segment in _items(flite, flite.item_daughter(syllable)):
                place[_segment(flite, segment)] = (number, stressed)
    phones, start_s = [], 0.0
    for segment in _items(flite, flite.relation_head(flite.utt_relation(utterance, b"Segment"))):
        label, end_s = _segment(flite, segment)
        word, stressed = place.get((label, end_s), (-1, False))
        phones.append(SpokenPhone(label if word >= 0 else SILENCE, start_s, end_s, stressed, word))
        start_s = end_s
    wave = flite.utt_wave(utterance).contents
    samples = np.ctypeslib.as_array(wave.samples, (wave.num_samples,)).astype(np.float32) / 32768
    return SpokenPhrase(samples, wave.rate_hz, tuple(phones))


def _segment(flite: ctypes.CDLL, segment: int) -> tuple[str, float]:
    return flite.ffeature_string(segment, b"name").decode(), flite.ffeature_float(segment, b"end")
