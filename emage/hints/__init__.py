"""What the user pins: a plan over a reference motion that is placed along the recording."""

from emage.hints.placement import FILLS, LOOP, ONCE, STRETCH, Placement, cut_to_part, place_hints
from emage.hints.plan import FOLLOW, LOCK, MODES, HintPlan, Hints, Span

__all__ = [
    "FILLS",
    "FOLLOW",
    "LOCK",
    "LOOP",
    "MODES",
    "ONCE",
    "STRETCH",
    "HintPlan",
    "Hints",
    "Placement",
    "Span",
    "cut_to_part",
    "place_hints",
]
