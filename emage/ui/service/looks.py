"""What the list shows of a take beside its caption: a drawing of it, its plan, and whose way of moving it has."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from emage.body import Body
from emage.generation.take import StoredTake, Take
from emage.hints import HintPlan
from emage.motion.skeleton import DISJOINT_PARTS, JOINT_NAMES, disjoint_part_of_joint

_LOOKED_AT = 48
"""Frames of a take in which the gesture is sought that is drawn."""
_LIMBS = (
    ("left_hip", "left_knee"), ("left_knee", "left_ankle"), ("left_ankle", "left_foot"),
    ("right_hip", "right_knee"), ("right_knee", "right_ankle"), ("right_ankle", "right_foot"),
    ("pelvis", "spine2"), ("spine2", "neck"),
    ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"), ("left_wrist", "left_middle2"),
    ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"), ("right_wrist", "right_middle2"),
    ("neck", "head"),
)  # fmt: skip
_HEAD = "head"


@dataclass(frozen=True)
class TakeLook:
    """limbs: (part, x, y, x, y) of each, in hundredths of the height, y down from the crown and x from the middle; the
    last is the head's. states: of the parts at that moment, see `HintPlan.states`. Parts count in the order of
    `DISJOINT_PARTS`. speaker: by name.
    """

    limbs: tuple[tuple[int, ...], ...]
    states: tuple[int, ...]
    speaker: str

    def to_json(self, take: StoredTake) -> dict[str, Any]:
        """With the take's plan."""
        spans = [span.to_json() for span in take.plan.spans if span.start_frame < take.num_frames]
        return {"limbs": self.limbs, "states": self.states, "num_frames": take.num_frames, "spans": spans}


def look_at(take: Take, body: Body, speaker: str) -> TakeLook:
    """The take in the frame in which the hands are farthest from the hips, from its front."""
    motion = take.motion
    frames = np.unique(np.linspace(0, motion.num_frames - 1, _LOOKED_AT).round().astype(int))
    joints = body.joints(motion.at(frames))  # (F, 55, 3)
    hips, shoulders, wrists = (
        joints[:, [JOINT_NAMES.index(f"{side}_{name}") for side in ("left", "right")]]
        for name in ("hip", "shoulder", "wrist")
    )
    which = int(np.linalg.norm(wrists - hips, axis=2).max(1).argmax())
    across = (hips[which, 0] - hips[which, 1] + shoulders[which, 0] - shoulders[which, 1]) * (1, 0, 1)
    across /= max(np.linalg.norm(across), 1e-6)  # to the body's left, which is the picture's right
    place = joints[which] - joints[which, 0]
    low, high = place[:, 1].min(), place[:, 1].max()
    scale = 100 / max(high - low, 1e-3)
    points = np.rint(np.stack([place @ across, high - place[:, 1]], 1) * scale).astype(int)  # (55, 2)
    limbs = []
    for names in _LIMBS:
        start, end = (JOINT_NAMES.index(name) for name in names)
        part = "face" if names[1] == _HEAD else disjoint_part_of_joint(start)
        limbs.append((DISJOINT_PARTS.index(part), *points[start].tolist(), *points[end].tolist()))
    plan = HintPlan() if take.hints is None else take.hints.plan
    states = plan.states(motion.num_frames)[frames[which]]
    return TakeLook(tuple(limbs), tuple(states.tolist()), speaker)
