"""What a motion is: rotations, skeleton, and `Motion` with its npz file."""

from emage.motion.motion import ARKIT52, EXPRESSION_BASES, FLAME2020, FPS, MAX_DURATION_S, MAX_FRAMES, Motion

__all__ = ["ARKIT52", "EXPRESSION_BASES", "FLAME2020", "FPS", "MAX_DURATION_S", "MAX_FRAMES", "Motion"]
