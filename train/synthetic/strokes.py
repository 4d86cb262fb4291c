"""Which gesture when: a stroke ends on the onset of a word's stressed vowel.

Words of the dictionary get their gesture, other accents a beat.
"""

from dataclasses import dataclass

import numpy as np

from train.synthetic.gestures import GESTURES, gestures_for
from train.synthetic.speakers import Habits
from train.synthetic.timing import Times

BEAT = "beat"
SIDES = ("left", "right")

_FUNCTION_WORDS_TEXT = """
a an the of to in at on for from by with it is are was were be been and or but so such very that this then there can
will do did have has had not i my me we us our you your he him she her they them than like really more as what who
where why how some during after about its which
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS_TEXT.split())
"""Words without an accent of their own, unless they are emphasised."""

_MIN_SPACING_S = 0.5


@dataclass(frozen=True)
class Stroke:
    """apex_s: the end of the stroke. gesture: a name of GESTURES, or BEAT. hands: which take part. word: its index."""

    apex_s: float
    gesture: str
    hands: tuple[str, ...]
    word: int
    strength: float
    start_s: float = 0.0
    end_s: float = 0.0


def accents(times: Times) -> list[tuple[int, float, float]]:
    """(word, second, strength 0..1) of the words that are struck."""
    result = []
    for i, word in enumerate(times.words):
        if word.emphasis:
            result.append((i, times.accent_s(i), 1.0))
        elif word.text not in FUNCTION_WORDS or gestures_for(word.text):
            result.append((i, times.accent_s(i), 0.6))
    return result


def plan_strokes(times: Times, habits: Habits, rng: np.random.Generator) -> list[Stroke]:
    """The strokes of a clip, in order and at least half a second apart."""
    wanted = []
    for word, second, strength in accents(times):
        names = gestures_for(times.words[word].text)
        chance, choice = rng.random(), rng.random()
        if names:
            name = names[int(choice * len(names))]
            gesture = GESTURES[name]
            if chance < habits.gesturing * (1.0 if strength == 1 else gesture.weight):
                wanted.append((gesture.weight + strength, second, name, word, strength))
                continue
        if times.words[word].text not in FUNCTION_WORDS and chance < habits.beating:
            wanted.append((0.2 * strength, second, BEAT, word, strength))
    chosen: list[tuple[float, float, str, int, float]] = []
    for candidate in sorted(wanted, key=lambda item: (-item[0], item[1])):
        if all(abs(candidate[1] - other[1]) >= _room_s(candidate, other) for other in chosen):
            chosen.append(candidate)
    return [
        Stroke(second, name, _hands(name, word, habits, times, rng), word, strength)
        for _, second, name, word, strength in sorted(chosen, key=lambda item: item[1])
    ]


def _room_s(one: tuple, other: tuple) -> float:
    first = min(one, other, key=lambda item: item[1])
    hold_s = 0.0 if first[2] == BEAT else GESTURES[first[2]].hold_s
    return _MIN_SPACING_S + hold_s


def _hands(name: str, word: int, habits: Habits, times: Times, rng: np.random.Generator) -> tuple[str, ...]:
    chance = rng.random()
    other = "left" if habits.dominant == "right" else "right"
    if name in SIDES:  # to the left with the left hand
        return (name,)
    if name != BEAT:
        if GESTURES[name].other is not None:
            # A gesture with different hands shows the first row of fingers with the speaker's better hand.
            return (habits.dominant, other)
        return (habits.dominant,) if chance < 0.85 else (other,)
    if chance < habits.both:
        return (habits.dominant, other)
    if chance < habits.both + habits.alternating:
        return (SIDES[word % 2],)
    return (habits.dominant,)
