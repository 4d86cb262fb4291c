"""Sentences -> sound and times, through the synthesizers espeak-ng, flite and festival (Debian packages).

Every phrase is spoken on its own and the pauses between them are ours. The word and phone times are the synthesizer's
own: espeak-ng's events and flite's and festival's utterance structure.
"""

import ctypes
import ctypes.util
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import soxr
from librosa.core.spectrum import istft, phase_vocoder, stft

from emage.recording.audio import SAMPLE_RATE_HZ
from train.synthetic.errors import CorpusError
from train.synthetic.grammar import Token
from train.synthetic.phones import SILENCE, VOWELS, from_espeak
from train.synthetic.speakers import VoiceSpec
from train.synthetic.timing import Phone, Times, Word

DEBIAN_PACKAGES = ("espeak-ng", "libespeak-ng1", "flite", "libflite1", "festival", "festvox-kallpc16k",
                   "festvox-us-slt-hts")  # fmt: skip

_EMPHASIS_GAIN_DB = 4.0
_EMPHASIS_STRETCH = 1.2
_EMPHASIS_SEMITONES = 2.0
_FADE_S = 0.008


@dataclass(frozen=True)
class Phrase:
    """Tokens spoken in one breath, and the silence behind them. rate, pitch: times the voice's own."""

    tokens: tuple[Token, ...]
    pause_s: float
    rate: float = 1.0
    pitch: float = 1.0

    @property
    def text(self) -> str:
        return " ".join(token.text for token in self.tokens) + (self.tokens[-1].ending or ",")


@dataclass(frozen=True)
class SpokenPhone:
    """start_s, end_s from the phrase's start; word: index in the phrase, -1 in silence."""

    label: str
    start_s: float
    end_s: float
    is_stressed: bool
    word: int


@dataclass(frozen=True, eq=False)
class SpokenPhrase:
    """audio: (N,) float32. phones: cover it."""

    audio: np.ndarray
    rate_hz: int
    phones: tuple[SpokenPhone, ...]


def phrases_of(sentences: Sequence[Sequence[Token]], voice: VoiceSpec, rng: np.random.Generator) -> list[Phrase]:
    """Sentences cut at their signs, with pauses, speed and pitch that vary."""
    phrases: list[Phrase] = []
    for sentence in sentences:
        rate, pitch = np.exp(rng.normal(0, 0.08)), np.exp(rng.normal(0, 0.05))
        start = 0
        for i, token in enumerate(sentence):
            # Now and then somebody stops to think.
            hesitates = not token.ending and i > 1 and i - start >= 2 and i < len(sentence) - 2 and rng.random() < 0.04
            if not (token.ending or hesitates):
                continue
            if token.ending in (".", "?", "!"):
                pause_s = rng.uniform(1.2, 2.6) if rng.random() < 0.12 else rng.uniform(0.35, 0.95)
            else:
                pause_s = rng.uniform(0.4, 0.8) if hesitates else rng.uniform(0.12, 0.35)
            tokens = tuple(sentence[start : i + 1])
            phrases.append(Phrase(tokens, float(pause_s), float(voice.rate * rate), float(voice.pitch * pitch)))
            start = i + 1
    return phrases


def speak(name: str, speaker: int, seed: int, voice: VoiceSpec, phrases: Sequence[Phrase]) -> tuple[np.ndarray, Times]:
    """The phrases with their pauses as (N,) float32 at 16 kHz, and their times.

    Raises:
        CorpusError: the synthesizer or the voice is not installed, or speaks other words than asked.
    """
    spoken = _ENGINES[voice.engine](voice.name, phrases)
    pieces, words, phones = [np.zeros(int(0.3 * SAMPLE_RATE_HZ), np.float32)], [], []
    at = len(pieces[0])
    phones.append((SILENCE, 0, at, False, -1))
    for phrase, said in zip(phrases, spoken, strict=True):
        audio, said_phones = _at_16_khz(_emphasised(phrase, _trimmed(said)), voice.size)
        first = len(words)
        for token in range(len(phrase.tokens)):
            own = [phone for phone in said_phones if phone[4] == token]
            if not own:
                raise CorpusError(f"{voice.engine} did not speak '{phrase.tokens[token].text}' in '{phrase.text}'.")
            words.append((phrase.tokens[token], at + own[0][1], at + own[-1][2]))
        for label, start, end, stressed, word in said_phones:
            phones.append((label, at + start, at + end, stressed, -1 if word < 0 else first + word))
        pause = int(phrase.pause_s * SAMPLE_RATE_HZ)
        phones.append((SILENCE, at + len(audio), at + len(audio) + pause, False, -1))
        pieces += [audio, np.zeros(pause, np.float32)]
        at += len(audio) + pause
    audio = np.concatenate(pieces)
    audio *= 0.5 / max(float(np.abs(audio).max()), 1e-6)
    ms = 1000 / SAMPLE_RATE_HZ
    times = Times(
        name, speaker, seed, len(audio),
        tuple(Word(t.text, round(a * ms), round(b * ms), t.emphasis, t.ending) for t, a, b in words),
        tuple(Phone(label, round(a * ms), round(b * ms), s, w) for label, a, b, s, w in phones),
    )  # fmt: skip
    return audio, times


# --- what is done to a spoken phrase ----------------------------------------------------------------------------------


def _trimmed(said: SpokenPhrase) -> SpokenPhrase:
    """Without the silence at both ends, and without ticks at the cuts."""
    speech = [phone for phone in said.phones if phone.word >= 0]
    start_s, end_s = speech[0].start_s, speech[-1].end_s
    audio = said.audio[round(start_s * said.rate_hz) : round(end_s * said.rate_hz)].copy()
    fade = min(round(_FADE_S * said.rate_hz), len(audio) // 2)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    audio[:fade] *= ramp
    audio[len(audio) - fade :] *= ramp[::-1]
    phones = [
        replace(phone, start_s=max(phone.start_s, start_s) - start_s, end_s=min(phone.end_s, end_s) - start_s)
        for phone in said.phones
        if phone.start_s < end_s and phone.end_s > start_s
    ]
    return SpokenPhrase(audio, said.rate_hz, tuple(phones))


def _emphasised(phrase: Phrase, said: SpokenPhrase) -> SpokenPhrase:
    """Emphasised words louder, longer and higher, whatever the synthesizer can do itself."""
    for word, token in enumerate(phrase.tokens):
        if token.emphasis:
            said = _emphasise(said, word)
    return said


def _emphasise(said: SpokenPhrase, word: int) -> SpokenPhrase:
    own = [phone for phone in said.phones if phone.word == word]
    if not own:
        return said
    start_s, end_s = own[0].start_s, own[-1].end_s
    a, b = round(start_s * said.rate_hz), round(end_s * said.rate_hz)
    piece = said.audio[a:b]
    if len(piece) < 1024:
        return said
    ratio = 2 ** (_EMPHASIS_SEMITONES / 12)
    spectrum = stft(piece, n_fft=512, hop_length=128)
    longer = istft(phase_vocoder(spectrum, rate=1 / (_EMPHASIS_STRETCH * ratio), hop_length=128), hop_length=128)
    higher = soxr.resample(longer, said.rate_hz * ratio, said.rate_hz).astype(np.float32)
    length = round(len(piece) * _EMPHASIS_STRETCH)
    higher = np.pad(higher[:length], (0, max(0, length - len(higher)))) * np.float32(10 ** (_EMPHASIS_GAIN_DB / 20))
    fade = round(_FADE_S * said.rate_hz)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    higher[:fade] = higher[:fade] * ramp + piece[:fade] * (1 - ramp)
    higher[-fade:] = higher[-fade:] * ramp[::-1] + piece[-fade:] * (1 - ramp[::-1])
    longer_by_s = (length - len(piece)) / said.rate_hz

    def moved(second: float) -> float:
        if second <= start_s:
            return second
        if second >= end_s:
            return second + longer_by_s
        return start_s + (second - start_s) * (end_s - start_s + longer_by_s) / (end_s - start_s)

    phones = tuple(replace(p, start_s=moved(p.start_s), end_s=moved(p.end_s)) for p in said.phones)
    return SpokenPhrase(np.concatenate([said.audio[:a], higher, said.audio[b:]]), said.rate_hz, phones)


def _at_16_khz(said: SpokenPhrase, size: float) -> tuple[np.ndarray, list[tuple[str, int, int, bool, int]]]:
    """Resampled by the speaker's size too; phones as (label, start, end in samples, stressed, word), without gaps."""
    audio = soxr.resample(said.audio, said.rate_hz / size, SAMPLE_RATE_HZ).astype(np.float32)
    scale = size * SAMPLE_RATE_HZ
    starts = [round(phone.start_s * scale) for phone in said.phones[1:]]
    edges = np.maximum.accumulate(np.clip([0, *starts, len(audio)], 0, len(audio)))
    return audio, [
        (phone.label, int(edges[i]), int(edges[i + 1]), phone.is_stressed, phone.word)
        for i, phone in enumerate(said.phones)
    ]


# --- flite ------------------------------------------------------------------------------------------------------------


def _library(names: Sequence[str], package: str) -> ctypes.CDLL:
    for name in names:
        try:
            return ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
    raise CorpusError(
        f"{names[0]} is not installed. Install the speech synthesizers (apt-get install {' '.join(DEBIAN_PACKAGES)}), "
        f"of which {package} is needed here, or rebuild the corpus from its compact form, which needs none."
    )


@functools.cache
def _flite() -> ctypes.CDLL:
    library = _library(("libflite.so.1", "libflite.so"), "flite")
    signatures = {
        "flite_synth_text": (ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_void_p)),
        "utt_relation": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_char_p)),
        "relation_head": (ctypes.c_void_p, (ctypes.c_void_p,)),
        "item_next": (ctypes.c_void_p, (ctypes.c_void_p,)),
        "item_daughter": (ctypes.c_void_p, (ctypes.c_void_p,)),
        "ffeature_string": (ctypes.c_char_p, (ctypes.c_void_p, ctypes.c_char_p)),
        "ffeature_float": (ctypes.c_float, (ctypes.c_void_p, ctypes.c_char_p)),
        "utt_wave": (ctypes.POINTER(_FliteWave), (ctypes.c_void_p,)),
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


class _FliteWave(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("rate_hz", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


class _FliteVoice(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("features", ctypes.c_void_p))


def _items(library: ctypes.CDLL, first: int | None):
    while first:
        yield first
        first = library.item_next(first)


def _speak_with_flite(voice_name: str, phrases: Sequence[Phrase]) -> list[SpokenPhrase]:
    flite = _flite()
    register = getattr(_library((f"libflite_cmu_us_{voice_name}.so.1",), "flite"), f"register_cmu_us_{voice_name}")
    register.restype, register.argtypes = ctypes.c_void_p, (ctypes.c_char_p,)
    voice = register(None)
    features = _FliteVoice.from_address(voice).features
    stretch = (
        flite.feat_float(features, b"duration_stretch") if flite.feat_present(features, b"duration_stretch") else 1
    )
    result = []
    for phrase in phrases:
        flite.feat_set_float(features, b"duration_stretch", stretch / phrase.rate)
        flite.feat_set_float(features, b"f0_shift", phrase.pitch)
        utterance = flite.flite_synth_text(phrase.text.encode(), voice)
        result.append(_read_flite(flite, utterance))
        flite.delete_utterance(utterance)
    return result


def _read_flite(flite: ctypes.CDLL, utterance: int) -> SpokenPhrase:
    place: dict[tuple[str, float], tuple[int, bool]] = {}  # a segment is told by its name and end
    words = _items(flite, flite.relation_head(flite.utt_relation(utterance, b"SylStructure")))
    for number, word in enumerate(words):
        for syllable in _items(flite, flite.item_daughter(word)):
            stressed = flite.ffeature_string(syllable, b"stress") == b"1"
            for segment in _items(flite, flite.item_daughter(syllable)):
                place[_flite_segment(flite, segment)] = (number, stressed)
    phones, start_s = [], 0.0
    for segment in _items(flite, flite.relation_head(flite.utt_relation(utterance, b"Segment"))):
        label, end_s = _flite_segment(flite, segment)
        word, stressed = place.get((label, end_s), (-1, False))
        phones.append(SpokenPhone(label if word >= 0 else SILENCE, start_s, end_s, stressed, word))
        start_s = end_s
    wave = flite.utt_wave(utterance).contents
    samples = np.ctypeslib.as_array(wave.samples, (wave.num_samples,)).astype(np.float32) / 32768
    return SpokenPhrase(samples, wave.rate_hz, tuple(phones))


def _flite_segment(flite: ctypes.CDLL, segment: int) -> tuple[str, float]:
    return flite.ffeature_string(segment, b"name").decode(), flite.ffeature_float(segment, b"end")


# --- festival ---------------------------------------------------------------------------------------------------------

_FESTIVAL_PHRASE = """
(Parameter.set 'Duration_Stretch {stretch:.4f})
(set! int_lr_params (list (list 'target_f0_mean {f0_hz:.1f}) '(target_f0_std 14) '(model_f0_mean 170)
  '(model_f0_std 34)))
(set! utt (SynthText "{text}"))
(format t "utterance\\n")
(mapcar (lambda (segment) (format t "%s %s %s %s\\n" (item.name segment) (item.feat segment "end")
  (item.feat segment "R:SylStructure.parent.stress") (item.feat segment "R:SylStructure.parent.parent.id")))
  (utt.relation.items utt 'Segment))
(utt.save.wave utt "{path}")
"""


def _speak_with_festival(voice_name: str, phrases: Sequence[Phrase]) -> list[SpokenPhrase]:
    program = shutil.which("festival")
    if program is None:
        _library(("festival",), "festival")
    with tempfile.TemporaryDirectory(prefix="emage_festival_") as folder:
        paths = [Path(folder) / f"{i}.wav" for i in range(len(phrases))]
        script = f"(voice_{voice_name})" + "".join(
            _FESTIVAL_PHRASE.format(stretch=1 / phrase.rate, f0_hz=105 * phrase.pitch, text=phrase.text, path=path)
            for phrase, path in zip(phrases, paths, strict=True)
        )
        (Path(folder) / "script.scm").write_text(script)
        done = subprocess.run([program, "-b", f"{folder}/script.scm"], capture_output=True, text=True, check=False)
        if done.returncode != 0 or not all(path.is_file() for path in paths):
            raise CorpusError(
                f"festival could not speak with the voice {voice_name}: {done.stderr.strip()[-300:]} "
                f"Install its packages: apt-get install {' '.join(DEBIAN_PACKAGES)}."
            )
        blocks = done.stdout.split("utterance\n")[1:]
        return [_read_festival(block, path) for block, path in zip(blocks, paths, strict=True)]


def _read_festival(block: str, path: Path) -> SpokenPhrase:
    audio, rate_hz = soundfile.read(path, dtype="float32")
    phones, start_s, words = [], 0.0, {}
    for line in block.strip().splitlines():
        label, end_s, stress, word_id = line.split()
        is_silence = word_id == "0"
        word = -1 if is_silence else words.setdefault(word_id, len(words))
        phones.append(SpokenPhone(SILENCE if is_silence else label, start_s, float(end_s), stress == "1", word))
        start_s = float(end_s)
    return SpokenPhrase(audio, rate_hz, tuple(phones))


# --- espeak-ng --------------------------------------------------------------------------------------------------------

_ESPEAK_SYNCHRONOUS, _ESPEAK_PHONEME_EVENTS = 2, 1
_ESPEAK_WORD, _ESPEAK_PHONEME, _ESPEAK_LAST = 1, 7, 0
_ESPEAK_UTF8, _ESPEAK_RATE, _ESPEAK_PITCH, _ESPEAK_RANGE = 1, 1, 3, 4
_ESPEAK_WORDS_PER_MINUTE = 165


class _EspeakId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _EspeakEvent(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EspeakId),
    )


_EspeakCallback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_EspeakEvent)
)


@functools.cache
def _espeak() -> tuple[ctypes.CDLL, int]:
    """The library, and its sample rate."""
    library = _library(("libespeak-ng.so.1", "libespeak-ng.so"), "espeak-ng")
    rate_hz = library.espeak_Initialize(_ESPEAK_SYNCHRONOUS, 500, None, _ESPEAK_PHONEME_EVENTS)
    if rate_hz <= 0:
        raise CorpusError("espeak-ng does not start; reinstall the Debian package espeak-ng-data.")
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    return library, rate_hz


def _speak_with_espeak(voice_name: str, phrases: Sequence[Phrase]) -> list[SpokenPhrase]:
    library, rate_hz = _espeak()
    if library.espeak_SetVoiceByName(voice_name.encode()) != 0:
        raise CorpusError(f"espeak-ng has no voice {voice_name}; install the Debian package espeak-ng-data.")
    samples: list[np.ndarray] = []
    events: list[tuple[int, int, int, str]] = []

    def collect(wave, count, event) -> int:
        if wave and count > 0:
            samples.append(np.ctypeslib.as_array(wave, (count,)).copy())
        i = 0
        while event[i].type != _ESPEAK_LAST:
            name = event[i].id.string.decode() if event[i].type == _ESPEAK_PHONEME else ""
            events.append((event[i].type, event[i].text_position, event[i].sample, name))
            i += 1
        return 0

    callback = _EspeakCallback(collect)
    library.espeak_SetSynthCallback(callback)
    result = []
    for phrase in phrases:
        samples.clear()
        events.clear()
        library.espeak_SetParameter(_ESPEAK_RATE, round(_ESPEAK_WORDS_PER_MINUTE * phrase.rate), 0)
        library.espeak_SetParameter(_ESPEAK_PITCH, min(99, max(0, round(50 + 80 * np.log(phrase.pitch)))), 0)
        library.espeak_SetParameter(_ESPEAK_RANGE, 60, 0)
        text = phrase.text.encode()
        library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, 1, 0, _ESPEAK_UTF8, None, None)
        audio = np.concatenate(samples).astype(np.float32) / 32768
        phones = _read_espeak(library, voice_name[:2], phrase, events, len(audio) / rate_hz)
        result.append(SpokenPhrase(audio, rate_hz, tuple(phones)))
    return result


def _read_espeak(
    library: ctypes.CDLL, language: str, phrase: Phrase, events: Sequence[tuple[int, int, int, str]], duration_s: float
) -> list[SpokenPhone]:
    _, rate_hz = _espeak()
    positions = np.cumsum([1] + [len(token.text) + 1 for token in phrase.tokens])[:-1]  # espeak counts from 1
    groups: dict[int, list[tuple[str, float, float]]] = {}  # first word -> its phones
    silences: list[tuple[float, float]] = []
    phones = [(at, sample / rate_hz, name) for kind, at, sample, name in events if kind == _ESPEAK_PHONEME]
    starts = [at for kind, at, _, _ in events if kind == _ESPEAK_WORD]
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
        members = [_espeak_word(library, language, phrase.tokens[i].text) for i in range(first, following)]
        result += _share(groups[first], members, first)
    return sorted(result, key=lambda phone: phone.start_s)


def _espeak_word(library: ctypes.CDLL, language: str, text: str) -> tuple[int, int]:
    """Number of phones of a word spoken alone, and which of its vowels is stressed."""
    pointer = ctypes.c_char_p(text.encode())
    spoken = library.espeak_TextToPhonemes(ctypes.byref(pointer), _ESPEAK_UTF8, ord("_") << 8).decode()
    symbols = [symbol for symbol in spoken.replace(" ", "_").split("_") if symbol.strip("',%=")]
    vowels = [symbol for symbol in symbols if from_espeak(symbol.strip("',%="), language) in VOWELS]
    stressed = next((i for i, vowel in enumerate(vowels) if "'" in vowel), 0)
    return len(symbols), stressed


def _share(
    phones: Sequence[tuple[str, float, float]], members: Sequence[tuple[int, int]], first: int
) -> list[SpokenPhone]:
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


_ENGINES = {"flite": _speak_with_flite, "festival": _speak_with_festival, "espeak-ng": _speak_with_espeak}
