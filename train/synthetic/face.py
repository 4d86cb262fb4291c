"""Jaw, lips, brows, blinks and gaze from the phones and the accents, as jaw angle and ARKit actions."""

import numpy as np

from emage.motion import FPS
from emage.motion.skeleton import ARKIT_ACTIONS, NUM_EXPRESSIONS
from train.synthetic.phones import BILABIALS, SILENCE, VOWELS
from train.synthetic.speakers import Habits
from train.synthetic.strokes import accents
from train.synthetic.timing import Times
from train.synthetic.tracks import drift, ease, frame_seconds, pulse, smooth

_COLUMN = {name: i for i, name in enumerate(ARKIT_ACTIONS)}
_OPENING = ("mouthFunnel", "mouthLowerDown", "mouthUpperUp", "tongueOut")
"""Actions that part the lips."""

MAX_JAW = 0.27
"""Radians."""

# Jaw in radians and actions of each phone; a name without side means both sides.
VISEMES: dict[str, tuple[float, dict[str, float]]] = {
    "aa": (0.25, {"mouthLowerDown": 0.25, "mouthUpperUp": 0.12}),
    "ae": (0.22, {"mouthLowerDown": 0.3, "mouthUpperUp": 0.18, "mouthStretch": 0.15}),
    "ah": (0.18, {"mouthLowerDown": 0.2, "mouthUpperUp": 0.08}),
    "ao": (0.21, {"mouthFunnel": 0.35, "mouthPucker": 0.15}),
    "aw": (0.22, {"mouthFunnel": 0.2, "mouthPucker": 0.25}),
    "ax": (0.11, {"mouthLowerDown": 0.12}),
    "ay": (0.22, {"mouthLowerDown": 0.25, "mouthUpperUp": 0.12, "mouthStretch": 0.1}),
    "eh": (0.16, {"mouthLowerDown": 0.25, "mouthUpperUp": 0.12, "mouthStretch": 0.12}),
    "er": (0.1, {"mouthFunnel": 0.2, "mouthPucker": 0.2}),
    "ey": (0.14, {"mouthLowerDown": 0.22, "mouthStretch": 0.22, "mouthSmile": 0.1}),
    "ih": (0.1, {"mouthLowerDown": 0.18, "mouthStretch": 0.15}),
    "iy": (0.07, {"mouthLowerDown": 0.2, "mouthStretch": 0.28, "mouthSmile": 0.18}),
    "ow": (0.16, {"mouthFunnel": 0.3, "mouthPucker": 0.45}),
    "oy": (0.17, {"mouthFunnel": 0.3, "mouthPucker": 0.3}),
    "uh": (0.1, {"mouthFunnel": 0.25, "mouthPucker": 0.35}),
    "uw": (0.08, {"mouthFunnel": 0.25, "mouthPucker": 0.65}),
    "b": (0.0, {"mouthPress": 0.3}),
    "m": (0.0, {"mouthPress": 0.25, "mouthRollLower": 0.1}),
    "p": (0.0, {"mouthPress": 0.4}),
    "f": (0.035, {"mouthRollLower": 0.4, "mouthUpperUp": 0.2}),
    "v": (0.035, {"mouthRollLower": 0.35, "mouthUpperUp": 0.18}),
    "th": (0.06, {"mouthLowerDown": 0.15, "tongueOut": 0.12}),
    "dh": (0.06, {"mouthLowerDown": 0.15, "tongueOut": 0.1}),
    "s": (0.03, {"mouthStretch": 0.2, "mouthLowerDown": 0.22}),
    "z": (0.03, {"mouthStretch": 0.18, "mouthLowerDown": 0.2}),
    "sh": (0.04, {"mouthFunnel": 0.45, "mouthPucker": 0.2}),
    "zh": (0.04, {"mouthFunnel": 0.4, "mouthPucker": 0.2}),
    "ch": (0.04, {"mouthFunnel": 0.45, "mouthPucker": 0.2}),
    "jh": (0.04, {"mouthFunnel": 0.4, "mouthPucker": 0.2}),
    "d": (0.06, {"mouthLowerDown": 0.12}),
    "t": (0.05, {"mouthLowerDown": 0.12}),
    "n": (0.06, {"mouthLowerDown": 0.1}),
    "l": (0.09, {"mouthLowerDown": 0.12}),
    "g": (0.08, {"mouthLowerDown": 0.1}),
    "k": (0.08, {"mouthLowerDown": 0.1}),
    "ng": (0.08, {"mouthLowerDown": 0.1}),
    "hh": (0.11, {"mouthLowerDown": 0.1}),
    "r": (0.07, {"mouthFunnel": 0.2, "mouthPucker": 0.3}),
    "w": (0.05, {"mouthFunnel": 0.15, "mouthPucker": 0.6}),
    "y": (0.06, {"mouthStretch": 0.2, "mouthSmile": 0.1}),
    SILENCE: (0.0, {}),
}

_STEPS_PER_FRAME = 4  # the mouth is worked out on a finer grid, for a phone may last less than two frames
_BLEND_S = 0.028  # how far a phone reaches into its neighbours
_OPENING_S = 0.075  # from closed to what the phones ask for
CLOSING_S = 0.07
"""A silence of at least 0.15 s is a closed mouth from this long after its start ..."""
LEAD_S = 0.05
"""... to this long before its end."""
_SHORTEST_SILENCE_S = 0.15

_HAPPY = frozenset(("happy", "good", "perfect", "love", "loves", "proud", "yes", "together", "friend"))
_STERN = frozenset(("no", "not", "never", "angry", "stop", "fight", "nothing", "nobody", "terrible", "bad", "must"))


def _columns(action: str) -> list[int]:
    if action in _COLUMN:
        return [_COLUMN[action]]
    return [_COLUMN[f"{action}Left"], _COLUMN[f"{action}Right"]]


def closed_spans_s(times: Times) -> list[tuple[float, float]]:
    """Where the mouth is closed: silences but for their rims, and the bilabials m, b, p."""
    spans = [(a + CLOSING_S, b - LEAD_S) for a, b in times.silences_s(_SHORTEST_SILENCE_S)]
    spans += [(phone.start_ms / 1000, phone.end_ms / 1000) for phone in times.phones if phone.label in BILABIALS]
    return sorted(spans)


def speak_with_mouth(times: Times, habits: Habits) -> tuple[np.ndarray, np.ndarray]:
    """Jaw (T,) radians, and (T, 100) expressions of the lips."""
    steps = _STEPS_PER_FRAME * times.num_frames
    seconds = np.arange(steps) / (_STEPS_PER_FRAME * FPS)
    jaw, lips = np.zeros(steps), np.zeros((steps, NUM_EXPRESSIONS))
    for phone in times.phones:
        opening, actions = VISEMES[phone.label]
        here = slice(*np.searchsorted(seconds, [phone.start_ms / 1000, phone.end_ms / 1000]))
        if phone.label in VOWELS:
            emphasis = times.words[phone.word].emphasis
            opening *= 1.25 if emphasis and phone.is_stressed else 1.0 if phone.is_stressed else 0.75
        jaw[here] = opening * habits.jaw
        for action, amount in actions.items():
            lips[here, _columns(action)[0] : _columns(action)[-1] + 1] = amount
    blur = _BLEND_S * FPS * _STEPS_PER_FRAME
    open_now = _gate(seconds, closed_spans_s(times))
    jaw = np.minimum(smooth(jaw, blur), MAX_JAW) * open_now
    lips = smooth(lips, blur)
    for action in _OPENING:
        lips[:, _columns(action)] *= open_now[:, None]
    return jaw[::_STEPS_PER_FRAME], lips[::_STEPS_PER_FRAME]


def _gate(seconds: np.ndarray, closed: list[tuple[float, float]]) -> np.ndarray:
    """0 inside the closed spans, 1 well away from them."""
    gate = np.ones(len(seconds))
    for start_s, end_s in closed:
        near = slice(*np.searchsorted(seconds, [start_s - _OPENING_S, end_s + _OPENING_S]))
        away = np.maximum(np.maximum(start_s - seconds[near], seconds[near] - end_s), 0)
        gate[near] = np.minimum(gate[near], ease(away / _OPENING_S))
    return gate


def express(times: Times, habits: Habits, rng: np.random.Generator) -> np.ndarray:
    """(T, 100): brows, smile and blinks."""
    seconds = frame_seconds(times.num_frames)
    result = np.zeros((times.num_frames, NUM_EXPRESSIONS))
    raised, lowered = np.zeros(len(seconds)), np.zeros(len(seconds))
    smile = habits.smile * (1 + 0.3 * drift(rng, seconds, 0.03, 0.15))
    for word, second, strength in accents(times):
        text, chance = times.words[word].text, rng.random()
        if text in _STERN:
            lowered = np.maximum(lowered, 0.5 * pulse(seconds, second, 0.2, 0.3, 0.4))
        elif text in _HAPPY:
            smile = smile + 0.25 * pulse(seconds, second, 0.3, 0.4, 0.7)
        if chance < habits.brows * (0.5 + strength) and text not in _STERN:
            raised = np.maximum(raised, (0.25 + 0.45 * strength) * pulse(seconds, second, 0.13, 0.12, 0.3))
    for phrase in times.phrases():
        if times.words[phrase[-1]].ending == "?":
            start_s, end_s = times.words[phrase[0]].start_ms / 1000, times.words[phrase[-1]].end_ms / 1000
            raised = np.maximum(raised, 0.55 * pulse(seconds, start_s + 0.3, 0.3, end_s - start_s, 0.4))
    _add(result, "browInnerUp", raised)
    _add(result, "browOuterUp", 0.8 * raised)
    _add(result, "browDown", lowered)
    _add(result, "mouthSmile", np.clip(smile, 0, 0.5))
    _add(result, "cheekSquint", np.clip(0.6 * smile, 0, 0.35))
    _add(result, "eyeBlink", _blinks(times, habits, seconds, rng))
    return result


def _add(expressions: np.ndarray, action: str, amount: np.ndarray) -> None:
    for column in _columns(action):
        expressions[:, column] += amount


def _blinks(times: Times, habits: Habits, seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(T,) 0..1. People blink where phrases end, and now and then between."""
    ends = [times.words[phrase[-1]].end_ms / 1000 for phrase in times.phrases()]
    at = [end + rng.uniform(-0.05, 0.15) for end in ends if rng.random() < 0.4]
    rest_per_s = max(habits.blinks_per_min / 60 - len(at) / max(times.duration_s, 1), 0.05)
    second = rng.exponential(1 / rest_per_s)
    while second < times.duration_s:
        at.append(second)
        second += 0.5 + rng.exponential(1 / rest_per_s)
    lids, last = np.zeros(len(seconds)), -1.0
    for second in sorted(at):
        if second - last > 0.4:
            lids, last = np.maximum(lids, pulse(seconds, second, 0.09, 0.03, 0.16)), second
    return lids


EYE_RANGE_DEG = 30.0
"""The turn of an eye at 1 of an eyeLook action."""


def look(yaw_deg: np.ndarray, pitch_deg: np.ndarray) -> np.ndarray:
    """(T, 100): eyes turned by yaw (to the person's left) and pitch (down), from the head."""
    result = np.zeros((len(yaw_deg), NUM_EXPRESSIONS))
    yaw, pitch = (np.clip(angle / EYE_RANGE_DEG, -0.9, 0.9) for angle in (yaw_deg, pitch_deg))
    for action, amount in (
        ("eyeLookOutLeft", yaw), ("eyeLookInRight", yaw), ("eyeLookInLeft", -yaw), ("eyeLookOutRight", -yaw),
        ("eyeLookDown", pitch), ("eyeLookUp", -pitch),
    ):  # fmt: skip
        _add(result, action, np.maximum(amount, 0))
    return result
