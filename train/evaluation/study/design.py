"""Who sees what beside what: the same stretches of every system, by turns on both sides, in random order.

As the GENEA challenges ask (Kucherenko et al. 2023): two films of the same speech on the same body beside each other, a
choice in five steps, and attention checks among them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, count

import numpy as np
from pydantic_core import to_json

LEFT, RIGHT = "left", "right"
CHOICES = (-2, -1, 0, 1, 2)
"""From the left one much better to the right one much better."""
CHECK_CHOICES = {LEFT: -2, RIGHT: 2}


@dataclass(frozen=True)
class Segment:
    """A stretch of a clip: its frames from `start_frame` on."""

    clip: str
    start_frame: int
    num_frames: int


@dataclass(frozen=True)
class Stimulus:
    """One film. file: without a name that would tell the system."""

    file: str
    system: str
    segment: int


@dataclass(frozen=True)
class Screen:
    """What somebody sees at a time. left, right: files; check: which side a message tells to choose, where one does."""

    id: str
    left: str
    right: str
    check: str | None = None


@dataclass(frozen=True)
class Design:
    """id: of all of it. plans: the screens of each participant."""

    id: str
    question: str
    systems: tuple[str, ...]
    segments: tuple[Segment, ...]
    stimuli: tuple[Stimulus, ...]
    plans: tuple[tuple[Screen, ...], ...]


def choose_segments(lengths: dict[str, int], num_frames: int, wanted: int, seed: int) -> list[Segment]:
    """Stretches that do not overlap, of as many clips as there are, then further ones of the same.

    lengths: frames of each clip. Fewer than wanted where there are no more.
    """
    rng = np.random.default_rng((seed, 0))
    rounds: list[list[Segment]] = []
    for clip in sorted(lengths):
        spare = lengths[clip] - lengths[clip] // num_frames * num_frames
        first = int(rng.integers(0, spare + 1))
        starts = range(first, lengths[clip] - num_frames + 1, num_frames)
        for number, start in enumerate(rng.permutation(starts) if len(starts) else ()):
            while len(rounds) <= number:
                rounds.append([])
            rounds[number].append(Segment(clip, int(start), num_frames))
    ordered = [each for together in rounds for each in (together[i] for i in rng.permutation(len(together)))]
    return ordered[:wanted]


def plan_study(
    systems: Sequence[str],
    segments: Sequence[Segment],
    question: str,
    participants: int,
    screens: int,
    checks: int,
    seed: int,
) -> Design:
    """Every pair of systems is shown about as often as any other, each as often left as right, but for one."""
    stimuli = [
        Stimulus(_anonymous(seed, system, number) + ".mp4", system, number)
        for number in range(len(segments))
        for system in systems
    ]
    file_of = {(each.system, each.segment): each.file for each in stimuli}
    rng = np.random.default_rng((seed, 1))
    pairs = list(combinations(systems, 2))
    deck = _Deck(pairs, len(segments), rng)
    numbers = count()
    plans = []
    for _ in range(participants):
        shown: list[Screen] = []
        for _ in range(screens):
            left, right, segment = deck.draw()
            shown.append(Screen(f"s{next(numbers):05d}", file_of[left, segment], file_of[right, segment]))
        for number in range(checks):
            left, right = (file_of[system, int(rng.integers(len(segments)))] for system in pairs[number % len(pairs)])
            side = (LEFT, RIGHT)[int(rng.integers(2))]
            place = int(rng.integers(1, len(shown) + 1))  # never the first
            shown.insert(place, Screen(f"s{next(numbers):05d}", left, right, side))
        plans.append(tuple(shown))
    design = Design("", question, tuple(systems), tuple(segments), tuple(stimuli), tuple(plans))
    return replace(design, id=hashlib.sha256(to_json(design)).hexdigest()[:16])


class _Deck:
    """Pairs of systems and segments, each once, then all again in another order with the sides changed."""

    def __init__(self, pairs: Sequence[tuple[str, str]], segments: int, rng: np.random.Generator):
        self._pairs, self._segments, self._rng = pairs, segments, rng
        self._turned = {pair: bool(rng.integers(2)) for pair in pairs}
        self._left: list[tuple[tuple[str, str], int]] = []

    def draw(self) -> tuple[str, str, int]:
        if not self._left:
            for segment in self._rng.permutation(self._segments):
                order = self._rng.permutation(len(self._pairs))
                self._left += [(self._pairs[i], int(segment)) for i in order]
        pair, segment = self._left.pop()
        self._turned[pair] = not self._turned[pair]
        first, second = pair[::-1] if self._turned[pair] else pair
        return first, second, segment


def _anonymous(seed: int, system: str, segment: int) -> str:
    return hashlib.sha256(f"{seed}/{system}/{segment}".encode()).hexdigest()[:16]
