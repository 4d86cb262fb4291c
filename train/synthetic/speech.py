"""Sentences -> sound and times, through the synthesizers espeak-ng, flite and festival (Debian packages).

Every phrase is spoken on its own and the pauses between them are ours. The word and phone times are the synthesizer's
own: espeak-ng's events and flite's and festival's utterance structure.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import soxr
from librosa.core.spectrum import istft, phase_vocoder, stft

from emage.recording.audio import SAMPLE_RATE_HZ
from train.synthetic.engines.espeak import speak_with_espeak
from train.synthetic.engines.festival import speak_with_festival
from train.synthetic.engines.flite import speak_with_flite
from train.synthetic.engines.spoken import Phrase, SpokenPhrase
from train.synthetic.errors import CorpusError
from train.synthetic.grammar import Token
from train.synthetic.phones import SILENCE
from train.synthetic.speakers import VoiceSpec
from train.synthetic.timing import Phone, Times, Word

_ENGINES = {"flite": speak_with_flite, "festival": speak_with_festival, "espeak-ng": speak_with_espeak}

_EMPHASIS_GAIN_DB = 4.0
_EMPHASIS_STRETCH = 1.2
_EMPHASIS_SEMITONES = 2.0
_FADE_S = 0.008


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
        audio, said_phones = _resample(emphasise(phrase, _trim(said)), voice.size)
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


def _trim(said: SpokenPhrase) -> SpokenPhrase:
    """Take away the silence at both ends, without ticks at the cuts."""
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


def emphasise(phrase: Phrase, said: SpokenPhrase) -> SpokenPhrase:
    """Make emphasised words louder, longer and higher, whatever the synthesizer can do itself."""
    for word, token in enumerate(phrase.tokens):
        if token.emphasis:
            said = _emphasise_word(said, word)
    return said


def _emphasise_word(said: SpokenPhrase, word: int) -> SpokenPhrase:
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


def _resample(said: SpokenPhrase, size: float) -> tuple[np.ndarray, list[tuple[str, int, int, bool, int]]]:
    """To 16 kHz, and by the speaker's size; phones as (label, start, end in samples, stressed, word), without gaps."""
    audio = soxr.resample(said.audio, said.rate_hz / size, SAMPLE_RATE_HZ).astype(np.float32)
    scale = size * SAMPLE_RATE_HZ
    starts = [round(phone.start_s * scale) for phone in said.phones[1:]]
    edges = np.maximum.accumulate(np.clip([0, *starts, len(audio)], 0, len(audio)))
    return audio, [
        (phone.label, int(edges[i]), int(edges[i + 1]), phone.is_stressed, phone.word)
        for i, phone in enumerate(said.phones)
    ]
