"""The stage: bodies in 3D, to the sound. See `Stage`."""

from emage.ui.components.stage.stage import Stage
from emage.ui.components.stage.value import MAX_BODIES, StagedBody, StagedMotion, StagedTake

__all__ = ["MAX_BODIES", "Stage", "StagedBody", "StagedMotion", "StagedTake"]
