"""Word-gesture recall: do the words that call for a gesture get one of theirs, when they are said?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emage.body import Body
from emage.evaluation.published import joint_speed
from emage.evaluation.quality import WRIST_JOINTS
from emage.motion import FPS, Motion
from train.data.semantics import TrueStroke
from train.evaluation.gesture_kinds import FoundStroke, find_strokes
from train.evaluation.intervals import Interval, bootstrap
from train.synthetic.gestures import gestures_for
from train.synthetic.strokes import BEAT

NEAR_S = 0.3
"""A stroke this far from the true one is in time."""


@dataclass(frozen=True, eq=False)
class ClipGestures:
    """One motion of one clip. words: that were performed with a gesture. in_time: of these, how many get a gesture of
    theirs in time. found: gestures in the motion. right: of these, how many are the true ones, in time. strokes: what
    was found. hand_correlation: of the speed of the hands with the true one.
    """

    words: int
    in_time: int
    found: int
    right: int
    strokes: Sequence[FoundStroke]
    hand_correlation: float
    seconds: float


@dataclass(frozen=True)
class GestureScores:
    """Of all clips. recall: share of gesture words with a gesture of theirs in time. chance: the same of the gesture
    words of other clips. precision: share of found gestures that are the true ones, in time; None where none is found.
    a_minute: found gestures. hand_correlation: mean over clips.
    """

    recall: Interval | None
    chance: float | None
    precision: float | None
    a_minute: float
    hand_correlation: Interval


def gesture_words(strokes: Sequence[TrueStroke]) -> list[TrueStroke]:
    """The strokes of a clip but its beats."""
    return [stroke for stroke in strokes if stroke.gesture != BEAT]


def count_in_time(found: Sequence[FoundStroke], strokes: Sequence[TrueStroke]) -> int:
    """How many of the gesture words of a clip get one of the gestures that they may have, in time."""
    return sum(
        any(each.kind in gestures_for(stroke.word) and abs(each.end_s - stroke.apex_s) <= NEAR_S for each in found)
        for stroke in gesture_words(strokes)
    )


def clip_gestures(motion: Motion, truth: Motion, strokes: Sequence[TrueStroke], body: Body) -> ClipGestures:
    """Of a motion of a clip whose true motion and strokes are these."""
    found = find_strokes(motion)
    right = sum(
        any(each.kind == stroke.gesture and abs(each.end_s - stroke.apex_s) <= NEAR_S for stroke in strokes)
        for each in found
    )
    speeds = [hand_speed(body, each) for each in (motion, truth)]
    frames = min(map(len, speeds))
    ours, true = (speed[:frames] for speed in speeds)
    varies = ours.std() > 1e-9 and true.std() > 1e-9
    return ClipGestures(
        words=len(gesture_words(strokes)),
        in_time=count_in_time(found, strokes),
        found=len(found),
        right=right,
        strokes=found,
        hand_correlation=float(np.corrcoef(ours, true)[0, 1]) if varies else 0.0,
        seconds=motion.num_frames / FPS,
    )


def hand_speed(body: Body, motion: Motion) -> np.ndarray:
    """(T,) m/s, the mean of both wrists."""
    return joint_speed(body.joints(motion)[:, list(WRIST_JOINTS)]).mean(1)


def pool_gestures(
    clips: Sequence[ClipGestures], strokes: Sequence[Sequence[TrueStroke]], pairs: Sequence[tuple[int, int]], seed: int
) -> GestureScores:
    """Of all clips. strokes: of each. pairs: motion and another clip whose words it is held against by chance."""
    words, in_time = (np.array([getattr(clip, name) for clip in clips]) for name in ("words", "in_time"))
    correlations = np.array([clip.hand_correlation for clip in clips])
    by_chance = [(count_in_time(clips[i].strokes, strokes[j]), len(gesture_words(strokes[j]))) for i, j in pairs]

    def recall(rows: np.ndarray) -> float:
        return in_time[rows].sum() / max(words[rows].sum(), 1)

    asked, found = sum(count for _, count in by_chance), sum(clip.found for clip in clips)
    return GestureScores(
        recall=bootstrap(len(clips), recall, seed) if words.any() else None,
        chance=sum(hits for hits, _ in by_chance) / asked if asked else None,
        precision=sum(clip.right for clip in clips) / found if found else None,
        a_minute=60 * found / sum(clip.seconds for clip in clips),
        hand_correlation=bootstrap(len(clips), lambda rows: correlations[rows].mean(), seed),
    )
