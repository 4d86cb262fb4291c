"""What the user pins: a plan over a reference motion that is placed along the recording."""

from emage.hints.placement import FILLS, LOOP, ONCE, STRETCH, Placement, cut_to_part, place_hints
from emage.hints.plan import FOLLOW, FOLLOWED, GENERATED, LOCK, LOCKED, MODES, HintPlan, Hints, Span

__all__ = [
    "FILLS",
    "FOLLOW",
    "FOLLOWED",
    "GENERATED",
    "LOCK",
    "LOCKED",
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
