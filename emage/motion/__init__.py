"""What a motion is: rotations, skeleton, and `Motion` with its npz file."""

from emage.motion.motion import ARKIT52, EXPRESSION_BASES, FLAME2020, FPS, MAX_DURATION_S, MAX_FRAMES, Motion, say_basis
from emage.motion.stages import join_motions

__all__ = [
    "ARKIT52",
    "EXPRESSION_BASES",
    "FLAME2020",
    "FPS",
    "MAX_DURATION_S",
    "MAX_FRAMES",
    "Motion",
    "join_motions",
    "say_basis",
]
