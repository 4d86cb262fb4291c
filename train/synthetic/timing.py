"""Times: the words and phones of a clip with their times, all that motion is computed from. One small JSON a clip."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emage.files import new_file
from emage.recording.audio import SAMPLE_RATE_HZ, num_frames
from train.synthetic.errors import CorpusError
from train.synthetic.phones import PHONES, SILENCE, VOWELS

FORMAT = 1


@dataclass(frozen=True)
class Phone:
    """label: of `PHONES`. Times in ms from the clip's start. stress: of its syllable. word: index, -1 in silence."""

    label: str
    start_ms: int
    end_ms: int
    is_stressed: bool = False
    word: int = -1


@dataclass(frozen=True)
class Word:
    """text: lower case. emphasis: spoken louder, longer, higher. ending: the sign behind it, if any."""

    text: str
    start_ms: int
    end_ms: int
    emphasis: bool = False
    ending: str = ""


@dataclass(frozen=True)
class Times:
    """One clip.

    name: `<speaker>_<name>_0_<n>_<n>`, as BEAT2 names its clips. seed: of everything that is chosen at random in it.
    num_samples: at 16 kHz. phones: cover the whole clip, silences included.

    Raises:
        CorpusError: phones that leave gaps, are unknown, or do not fit the words.
    """

    name: str
    speaker: int
    seed: int
    num_samples: int
    words: tuple[Word, ...]
    phones: tuple[Phone, ...]

    def __post_init__(self):
        at = 0
        for phone in self.phones:
            if phone.label not in PHONES or phone.start_ms != at or phone.end_ms < at:
                raise CorpusError(f"{self.name}: phone {phone} is unknown, or does not begin where the last one ended.")
            if not -1 <= phone.word < len(self.words) or (phone.word < 0) != (phone.label == SILENCE):
                raise CorpusError(f"{self.name}: phone {phone} belongs to no word of {len(self.words)}.")
            at = phone.end_ms

    @property
    def num_frames(self) -> int:
        return num_frames(self.num_samples)

    @property
    def duration_s(self) -> float:
        return self.num_samples / SAMPLE_RATE_HZ

    def phones_of(self, word: int) -> list[Phone]:
        return [phone for phone in self.phones if phone.word == word]

    def accent_s(self, word: int) -> float:
        """Seconds at which the word is struck: the onset of its stressed vowel, else of its first, else its start."""
        phones = self.phones_of(word)
        vowels = [phone for phone in phones if phone.label in VOWELS]
        stressed = [phone for phone in vowels if phone.is_stressed]
        return (stressed or vowels or phones or [self.words[word]])[0].start_ms / 1000

    def silences_s(self, at_least_s: float) -> list[tuple[float, float]]:
        """Start and end of the silences that last long enough, neighbours joined."""
        merged: list[list[int]] = []
        for phone in self.phones:
            if phone.label != SILENCE:
                continue
            if merged and merged[-1][1] == phone.start_ms:
                merged[-1][1] = phone.end_ms
            else:
                merged.append([phone.start_ms, phone.end_ms])
        return [(a / 1000, b / 1000) for a, b in merged if (b - a) / 1000 >= at_least_s]

    def phrases(self) -> list[list[int]]:
        """Indices of the words between signs."""
        phrases: list[list[int]] = [[]]
        for i, word in enumerate(self.words):
            phrases[-1].append(i)
            if word.ending:
                phrases.append([])
        return [phrase for phrase in phrases if phrase]

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "name": self.name,
            "speaker": self.speaker,
            "seed": self.seed,
            "num_samples": self.num_samples,
            "words": [[w.text, w.start_ms, w.end_ms, int(w.emphasis), w.ending] for w in self.words],
            "phones": [[p.label, p.start_ms, p.end_ms, int(p.is_stressed), p.word] for p in self.phones],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Times":
        """Raises CorpusError where the data are not what `to_json` gives."""
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise CorpusError(f"This is no file of times in format {FORMAT}; make it again with this revision.")
        try:
            return cls(
                name=str(data["name"]),
                speaker=int(data["speaker"]),
                seed=int(data["seed"]),
                num_samples=int(data["num_samples"]),
                words=tuple(Word(str(t), int(a), int(b), bool(e), str(s)) for t, a, b, e, s in data["words"]),
                phones=tuple(Phone(str(t), int(a), int(b), bool(s), int(w)) for t, a, b, s, w in data["phones"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, CorpusError):
                raise
            raise CorpusError(f"A file of times lacks or garbles something ({error!r}). Make it again.") from error

    def save(self, path: Path) -> None:
        with new_file(path) as temporary:
            temporary.write_text(json.dumps(self.to_json(), separators=(",", ":"), ensure_ascii=False), "utf-8")

    @classmethod
    def load(cls, path: Path) -> "Times":
        """Raises CorpusError where the file cannot be read."""
        try:
            data = json.loads(Path(path).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise CorpusError(f"{path} cannot be read ({error}).") from error
        return cls.from_json(data)
