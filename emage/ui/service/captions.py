"""Captions that takes are given."""

from emage.generation.settings import TakeSettings
from emage.hints import HintPlan
from emage.motion.skeleton import DISJOINT_PARTS

_SHORT = {"face": "face", "upper": "upper", "left_hand": "left hand", "right_hand": "right hand", "lower": "lower"}


def describe(plan: HintPlan, settings: TakeSettings) -> str:
    """A caption: which parts are hints, whether the body hears, and which sample it is."""
    parts = [_SHORT[part] for part in DISJOINT_PARTS if plan.spans_of(part)]
    is_all = len(parts) == len(DISJOINT_PARTS)
    if plan.spans_of("left_hand") and plan.spans_of("right_hand"):
        parts = [part for part in parts if not part.endswith("hand")] + ["hands"]
    hinted = "no hints" if not parts else "hints: everything" if is_all else f"hints: {', '.join(parts)}"
    sampled = [] if settings.seed is None else [f"seed {settings.seed}"]
    return " · ".join([hinted, *([] if settings.use_audio else ["no audio"]), *sampled])
