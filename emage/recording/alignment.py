"""Text aligned to sound, offline: when each word of a transcript is spoken."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pocketsphinx import Decoder

from emage.errors import EmageError
from emage.recording.audio import SAMPLE_RATE_HZ, check_samples, num_frames
from emage.recording.decoder import Progress, feed, feed_by_blocks, make_aligner
from emage.recording.pronunciation import Unit, check_language, is_english, pronounce
from emage.recording.transcript import Word, count_words, share_out, split_tokens
from emage.recording.transcript_files import Passage

STAGE_ALIGNMENT = "Aligning the words"

_HOP_S = 0.01
"""Of a frame of the acoustic model."""
_CHUNKS_S = (30.0, 20.0, 40.0, 12.0)
"""How long a chunk is; where its words are not found, the next length is tried, for another end often helps."""
_THOROUGH_S = 120.0
"""Words that chunks have lost are looked for thoroughly, all at once, in so much of a recording at most."""
_LEAST_SPOKEN = 0.5
"""So much of it words fill at least: few words of another text fit somewhere."""
_OVERLAP_S = 3.0
"""Words in the last seconds of a chunk are aligned again in the next, for they may be cut."""
_LAST_CHUNK_S = 45.0
_GIVE_UP_S = 120.0
"""Text that does not fit so much of a recording is not what is said in it."""
_UNITS_PER_SECOND = 7.0
_BORDER_S = 0.2
"""Captions are a little late or early; words are looked for so much before and behind."""
_LEAVE = 0.01
"""The probability of a chunk's end behind each word."""

_FITTING_PENALTY = 3.3
_FITTING_PENALTY_ELSEWHERE = 5.0
"""Text of another recording has 4.6 and more nats a frame, where its own has 1.6 to 2.5; in other languages, whose
phones the acoustic model does not know, its own has more."""
_FITTING_PENALTY_THOROUGH = 4.6
_FITTING_PENALTY_THOROUGH_ELSEWHERE = 6.1
"""A thorough search compares with more phones: 5.6 and more where its own has 1.2 to 4.8; elsewhere 6.5 and 3.2 to 6.1
(13 to 19 words of Finnish, Russian, Czech, Danish, Greek, German, Polish, Swedish, Turkish, Hungarian by espeak-ng)."""
_FITTING_PENALTY_OF_ONE_WORD = 3.0
_FITTING_PENALTY_OF_ONE_WORD_THOROUGH = 1.0
_THOROUGH_SCALE = 1024
"""pocketsphinx gives scores of a search without a best path in units so much smaller."""
_SMALLEST = 1e-300
"""Of a probability: longer words have less than a float holds."""


@dataclass(frozen=True)
class AlignedWords:
    """words: all of the transcript, in its order. notices: sentences on those that could not be aligned."""

    words: tuple[Word, ...]
    notices: tuple[str, ...] = ()


def align_words(
    samples: np.ndarray,
    passages: Sequence[Passage],
    language: str = "en",
    progress: Progress | None = None,
) -> AlignedWords:
    """When each word of a transcript is spoken.

    Words with times of their own have them still. Those of captions are aligned within their caption, those without
    times between their neighbours, by Viterbi decoding of their pronunciations with pocketsphinx's English acoustic
    model; for other languages by the English phones next to theirs. A long recording is aligned chunk by chunk: time
    and memory grow with its length alone. Nothing is left out: what cannot be aligned shares the time between its
    neighbours, and what would come behind the recording's end stands there, with a notice.

    Args:
        samples: (N,) float at 16 kHz.
        passages: of `emage.recording.transcript.load_passages`.
        language: of the words, as in `en`.
        progress: called with the stage, and the motion frames that are done of how many; what it raises ends the work.

    Raises:
        AudioError: the samples are no finite floats.
        EmageError: no aligner for the language here, or text without any times that is not what is said.
    """
    samples = check_samples(samples)
    runs = list(_runs(passages, len(samples) / SAMPLE_RATE_HZ))
    to_align = [run for run in runs if not run.is_fixed]
    if not to_align:
        return _told([word for run in runs for word in run.fixed()], len(samples) / SAMPLE_RATE_HZ, 0, [])
    check_language(language)
    aligner = _Aligner(samples, to_align, language, progress)
    has_times = any(passage.is_timed for passage in passages)
    words: list[Word] = []
    for run in runs:
        words += run.fixed() if run.is_fixed else aligner.place(run, must_fit=not has_times)
    return _told(words, len(samples) / SAMPLE_RATE_HZ, aligner.spread, aligner.soundless)


def _told(words: list[Word], duration_s: float, spread: int, soundless: list[str]) -> AlignedWords:
    beyond = [word for word in words if word.start_s >= duration_s]
    notices = []
    if beyond:
        notices.append(
            f"{count_words(len(beyond))} from '{beyond[0].text[:40]}' on would come behind the recording's end "
            f"({duration_s:.1f} s), or could not be found in it: kept, but not heard. Is it the transcript of this "
            "recording?"
        )
    if spread:
        notices.append(f"{count_words(spread)} could not be found in the sound: placed by the transcript's times.")
    if soundless:
        notices.append(
            f"{count_words(len(soundless))} without a sound, such as '{soundless[0][:40]}': placed between neighbours."
        )
    return AlignedWords(tuple(words), tuple(notices))


@dataclass(frozen=True)
class _Run:
    """Passages that are aligned together, or one whose times are known. start_s, end_s: between which they lie."""

    passages: tuple[Passage, ...]
    start_s: float
    end_s: float
    tokens: tuple[str, ...]

    @property
    def is_fixed(self) -> bool:
        return self.passages[0].is_timed and (self.passages[0].is_word or len(self.tokens) == 1)

    @property
    def confidence(self) -> float | None:
        return self.passages[0].confidence

    def fixed(self) -> list[Word]:
        return list(share_out(self.tokens, self.start_s, self.end_s, self.confidence))


def _runs(passages: Sequence[Passage], duration_s: float) -> Iterator[_Run]:
    """Passages with times one by one, those without together with those beside them."""
    waiting: list[Passage] = []
    since_s = 0.0
    for passage in [*passages, None]:
        if passage is not None and not passage.is_timed:
            waiting.append(passage)
            continue
        until_s = duration_s if passage is None else passage.start_s
        if tokens := tuple(token for each in waiting for token in split_tokens(each)):
            yield _Run(tuple(waiting), since_s, max(since_s, until_s), tokens)
        waiting = []
        if passage is not None:
            yield _Run((passage,), passage.start_s, passage.end_s, tuple(split_tokens(passage)))
            since_s = passage.end_s


@dataclass(frozen=True)
class _Spoken:
    """A word in the sound. nats: over its frames, how far its phones are below the likeliest ones, less how far they
    may be in text that is what is said."""

    start_s: float
    end_s: float
    nats: float
    frames: int


class _Aligner:
    """spread: how many words could not be aligned. soundless: those that nobody can speak."""

    def __init__(
        self,
        samples: np.ndarray,
        runs: Sequence[_Run],
        language: str,
        progress: Progress | None,
    ):
        self.spread = 0
        self.soundless: list[str] = []
        self._samples = samples
        self._english = is_english(language)
        self._progress = progress
        self._decoder = make_aligner()
        self._reported = 0
        tokens = sorted({token for run in runs for token in run.tokens})
        pronounced = pronounce(tokens, language, self._decoder.lookup_word)
        names: dict[Unit, str] = {}
        for unit in {unit: None for units in pronounced for unit in units}:
            names[unit] = unit.name if unit.phones is None else f"_{len(names)}"
            if unit.phones is not None:
                self._decoder.add_word(names[unit], unit.phones, False)
        self._own_words = {names[unit]: unit.phones for unit in names if unit.phones is not None}
        self._names = {token: [names[unit] for unit in units] for token, units in zip(tokens, pronounced, strict=True)}

    @cached_property
    def _thorough_decoder(self) -> Decoder:
        decoder = make_aligner(is_thorough=True)
        for name, phones in self._own_words.items():
            decoder.add_word(name, phones, False)
        return decoder

    def place(self, run: _Run, must_fit: bool) -> list[Word]:
        """The words of a run. must_fit: nothing but the sound tells their times.

        Raises:
            EmageError: they must fit and do not.
        """
        sounding = [i for i, token in enumerate(run.tokens) if self._names[token]]
        self.soundless += [run.tokens[i] for i in sorted(set(range(len(run.tokens))) - set(sounding))]
        border_s = 0.0 if must_fit else _BORDER_S
        spoken = self._find(
            [self._names[run.tokens[i]] for i in sounding],
            max(0.0, run.start_s - border_s),
            run.end_s + border_s,
            must_fit,
        )
        fits = self._fit(spoken)
        if must_fit and sounding and not fits:
            raise EmageError(
                "The transcript does not seem to be what is said in the recording: its words cannot be found in the "
                "sound. Give the transcript of this recording, or one with times."
            )
        if not must_fit and not (fits and len(spoken) == len(sounding)):
            self.spread += len(sounding)
            return run.fixed()
        return self._between(run, dict(zip(sounding, spoken, strict=False)))

    def _fit(self, spoken: Sequence[_Spoken], of_one_word: float = _FITTING_PENALTY_OF_ONE_WORD) -> bool:
        """Whether words seem to be what is said where they were found. of_one_word: what one alone may have more."""
        return bool(spoken) and _penalty(spoken) <= of_one_word / math.sqrt(len(spoken))

    def _between(self, run: _Run, spoken: dict[int, _Spoken]) -> list[Word]:
        """All words of a run: those without a sound from the end of the one before to the start of the one behind, and
        those that come behind what was found at the run's end."""
        words: list[Word] = []
        silent: list[str] = []
        at_s = run.start_s
        for i, token in enumerate(run.tokens):
            if i not in spoken and not self._names[token]:
                silent.append(token)
                continue
            start_s = max(at_s, spoken[i].start_s) if i in spoken else run.end_s
            words += share_out(silent, at_s, start_s)
            silent = []
            at_s = max(start_s, spoken[i].end_s) if i in spoken else run.end_s
            words.append(Word(token, start_s, at_s, run.confidence))
        return [*words, *share_out(silent, at_s, max(at_s, run.end_s))]

    def _find(self, words: Sequence[list[str]], start_s: float, end_s: float, must_fit: bool) -> list[_Spoken]:
        """Words, each by the names of its units, within a stretch of the recording; what is not found of them are the
        last ones. must_fit: the search ends where it has gone on for long without a fit."""
        end = min(round(end_s * SAMPLE_RATE_HZ), len(self._samples))
        at = min(round(start_s * SAMPLE_RATE_HZ), end)
        if at == end:  # behind the recording's end
            return []
        spoken = self._find_by_chunks(words, at, end, must_fit)
        is_found = len(spoken) == len(words) and self._fit(spoken)
        if is_found or end - at > _THOROUGH_S * SAMPLE_RATE_HZ or _first_words(words, _most_units(at, end)) != words:
            return spoken
        thorough = self._decode(words, at, end, may_leave=False, is_thorough=True)
        lasts_s = sum(word.end_s - word.start_s for word in thorough)
        is_whole = len(thorough) == len(words) and lasts_s >= _LEAST_SPOKEN * (end - at) / SAMPLE_RATE_HZ
        return thorough if is_whole and self._fit(thorough, _FITTING_PENALTY_OF_ONE_WORD_THOROUGH) else spoken

    def _find_by_chunks(self, words: Sequence[list[str]], at: int, end: int, must_fit: bool) -> list[_Spoken]:
        start_s = at / SAMPLE_RATE_HZ
        spoken: list[_Spoken] = []
        while len(spoken) < len(words) and at < end:
            left = words[len(spoken) :]
            shortest = at + round(min(_CHUNKS_S) * SAMPLE_RATE_HZ)
            if end - at <= _LAST_CHUNK_S * SAMPLE_RATE_HZ:
                found = self._decode(left, at, end, may_leave=False) or self._decode(left, at, end)
                if self._fit(found) or shortest >= end:
                    self._report(end)
                    return spoken + found
            found, until = self._find_in_chunk(left, at, end)
            self._report(until)
            settled_s = until / SAMPLE_RATE_HZ - _OVERLAP_S
            settled = [word for word in found if word.end_s <= settled_s]
            spoken += settled
            if settled:
                next_s = settled[-1].end_s
            else:  # a long silence, or a first word that begins late
                next_s = min([settled_s, *(max(word.start_s, at / SAMPLE_RATE_HZ + 1) for word in found)])
            at = round(next_s * SAMPLE_RATE_HZ)
            if must_fit and spoken and next_s - start_s > _GIVE_UP_S and not self._fit(spoken):
                break
        return spoken

    def _find_in_chunk(self, words: Sequence[list[str]], at: int, end: int) -> tuple[list[_Spoken], int]:
        """The first words in a chunk that starts at one sample and ends before another, as many as it holds, and where
        it ends."""
        tried: list[tuple[list[_Spoken], int]] = []
        for chunk_s in _CHUNKS_S:
            until = at + round(chunk_s * SAMPLE_RATE_HZ)
            if until >= end:
                continue
            found = self._decode(words, at, until)
            if self._fit(found):
                return found, until
            tried.append((found, until))
        return min(tried, key=lambda each: _penalty(each[0]) if each[0] else math.inf)

    def _decode(
        self, words: Sequence[list[str]], at: int, until: int, may_leave: bool = True, is_thorough: bool = False
    ) -> list[_Spoken]:
        """Words in a chunk of samples: all of them, or the first ones, as many as it holds; none where it fails."""
        decoder = self._thorough_decoder if is_thorough else self._decoder
        if len(window := _first_words(words, _most_units(at, until))) < len(words):
            words, may_leave = window, True
        names = [name for word in words for name in word]
        arcs = [(i, i + 1, 1.0, name) for i, name in enumerate(names)]
        if may_leave:
            arcs += [(i, len(names), _LEAVE) for i in range(len(names))]
        decoder.add_fsg("words", decoder.create_fsg("words", 0, len(names), arcs))
        if is_thorough:
            feed_by_blocks(decoder, self._samples[at:until], "words", lambda done: self._report(at + done))
        else:
            decoder.activate_search("words")
            feed(decoder, self._samples[at:until])
        if decoder.hyp() is None:
            return []
        segments = [segment for segment in decoder.seg() if segment.word[0] not in "<[("]
        scale, may_have = self._allow(is_thorough)
        spoken, start_s = [], at / SAMPLE_RATE_HZ
        for word in words:
            own, segments = segments[: len(word)], segments[len(word) :]
            if len(own) < len(word):
                break
            frames = sum(each.end_frame + 1 - each.start_frame for each in own)
            nats = scale * sum(-math.log(max(each.ascore, _SMALLEST)) for each in own)
            spoken.append(
                _Spoken(
                    start_s + own[0].start_frame * _HOP_S,
                    start_s + (own[-1].end_frame + 1) * _HOP_S,
                    nats - may_have * frames,
                    frames,
                )
            )
        return spoken

    def _allow(self, is_thorough: bool) -> tuple[int, float]:
        """What scores are multiplied by to be nats, and how many a frame of text that is what is said may have."""
        if is_thorough:
            limit = _FITTING_PENALTY_THOROUGH if self._english else _FITTING_PENALTY_THOROUGH_ELSEWHERE
            return _THOROUGH_SCALE, limit
        return 1, _FITTING_PENALTY if self._english else _FITTING_PENALTY_ELSEWHERE

    def _report(self, done: int) -> None:
        self._reported = max(self._reported, done)
        if self._progress is not None:
            self._progress(STAGE_ALIGNMENT, num_frames(self._reported), num_frames(len(self._samples)))


def _penalty(spoken: Sequence[_Spoken]) -> float:
    return sum(word.nats for word in spoken) / sum(word.frames for word in spoken)


def _most_units(at: int, until: int) -> int:
    """Of words, that so many samples hold."""
    return round(_UNITS_PER_SECOND * (until - at) / SAMPLE_RATE_HZ) + 10


def _first_words(words: Sequence[list[str]], max_units: int) -> list[list[str]]:
    """As many as have together so many units, and at least one."""
    units = 0
    for i, word in enumerate(words):
        units += len(word)
        if units > max_units and i:
            return list(words[:i])
    return list(words)
