"""What a figure in plain shapes is made of: limbs, trunk, hands and the outlines of the head."""

from collections.abc import Sequence
from dataclasses import dataclass

from emage.body.landmarks import (
    FINGERTIP_JOINTS,
    Landmarks,
)
from emage.motion.skeleton import DISJOINT_PARTS, JOINT_NAMES, NUM_JOINTS, PARENTS, PART_JOINTS

# Of the body, in metres.
_PELVIS, _PELVIS_M = ("left_hip", "right_hip", "spine1"), (0.08, 0.08, 0.1)
_CHEST, CHEST_M = ("left_shoulder", "right_shoulder", "spine1"), (0.05, 0.05, 0.105)
_ARM_M, _LEG_M, _FOOT_M = (0.043, 0.034, 0.023), (0.068, 0.046, 0.03), (0.024, 0.014, 0.02)
_NECK_M, _PALM_M, _FINGER_M = 0.045, (0.016, 0.012), (0.0095, 0.008, 0.006)
_NECK_BACK_M = 0.12
"""The neck never hides the head."""


@dataclass(frozen=True)
class Limb:
    """From point to point, with a radius in metres at each; part: index of the part that it belongs to."""

    start: int
    end: int
    start_m: float
    end_m: float
    part: int


@dataclass(frozen=True)
class Group:
    """Limbs that are painted together, as if they were `behind_m` farther.

    caps: point, radius in metres and part of what rounds their ends.
    """

    limbs: tuple[Limb, ...]
    caps: tuple[tuple[int, float, int], ...]
    behind_m: float

    @classmethod
    def of(cls, *limbs: Limb, behind_m: float = 0.0) -> "Group":
        ends = [(limb.start, limb.start_m, limb.part) for limb in limbs]
        ends += [(limb.end, limb.end_m, limb.part) for limb in limbs]
        return cls(limbs, tuple({cap[0]: cap for cap in sorted(ends, key=lambda cap: cap[1])}.values()), behind_m)

    @property
    def points(self) -> list[int]:
        return [point for point, _, _ in self.caps]


@dataclass(frozen=True)
class Torso:
    """A part of the trunk, spanned over joints with a radius each."""

    joints: tuple[int, ...]
    radii_m: tuple[float, ...]
    part: int


@dataclass(frozen=True)
class Anatomy:
    """What a figure's points are: the joints, and after them the landmarks in the order of `Landmarks.vertices`.

    torso: from the back to the front. head, jaw, face: of the landmarks.
    """

    groups: tuple[Group, ...]
    torso: tuple[Torso, ...]
    head: slice
    jaw: slice
    face: slice

    @classmethod
    def of(cls, landmarks: Landmarks) -> "Anatomy":
        at = {name: NUM_JOINTS + place.start for name, place in landmarks.places().items()}
        groups = [Group.of(*_chain(("neck", "head"), (_NECK_M, _NECK_M), "upper"), behind_m=_NECK_BACK_M)]
        for number, side in enumerate(("left", "right")):
            hip, knee, ankle, foot, shoulder, elbow, wrist = (
                f"{side}_{name}" for name in ("hip", "knee", "ankle", "foot", "shoulder", "elbow", "wrist")
            )
            toes = _limb(foot, at["toes"] + number, _FOOT_M[0], _FOOT_M[1], "lower")
            heel = _limb(ankle, at["heels"] + number, _LEG_M[2], _FOOT_M[2], "lower")
            groups += [
                Group.of(*_chain((hip, knee), _LEG_M[:2], "lower")),
                Group.of(*_chain((knee, ankle, foot), (*_LEG_M[1:], _FOOT_M[0]), "lower"), toes, heel),
                Group.of(*_chain((shoulder, elbow), _ARM_M[:2], "upper")),
                Group.of(*_chain((elbow, wrist), _ARM_M[1:], "upper")),
                Group.of(*_hand(f"{side}_hand", at["fingertips"])),
            ]
        torso = tuple(
            Torso(tuple(JOINT_NAMES.index(name) for name in names), radii_m, DISJOINT_PARTS.index(part))
            for names, radii_m, part in ((_PELVIS, _PELVIS_M, "lower"), (_CHEST, CHEST_M, "upper"))
        )
        head, jaw, face = (
            slice(at[name], at[name] + len(getattr(landmarks, name))) for name in ("head", "jaw", "face")
        )
        return cls(tuple(groups), torso, head, jaw, face)


def _limb(start: str, end: int, start_m: float, end_m: float, part: str) -> Limb:
    return Limb(JOINT_NAMES.index(start), end, start_m, end_m, DISJOINT_PARTS.index(part))


def _chain(names: Sequence[str], radii_m: Sequence[float], part: str) -> tuple[Limb, ...]:
    return tuple(
        _limb(start, JOINT_NAMES.index(end), start_m, end_m, part)
        for start, end, start_m, end_m in zip(names, names[1:], radii_m, radii_m[1:], strict=False)
    )


def _hand(hand: str, first_tip: int) -> tuple[Limb, ...]:
    """The palm, which is the upper body's as on a body's surface, for the wrist turns it; and the fingers."""
    joints, part = PART_JOINTS[hand], DISJOINT_PARTS.index(hand)
    limbs = []
    for joint in joints:
        if PARENTS[joint] in joints:
            limbs.append(Limb(PARENTS[joint], joint, *_FINGER_M[:2], part))
        else:
            limbs.append(Limb(PARENTS[joint], joint, *_PALM_M, DISJOINT_PARTS.index("upper")))
        if joint in FINGERTIP_JOINTS:
            limbs.append(Limb(joint, first_tip + FINGERTIP_JOINTS.index(joint), *_FINGER_M[1:], part))
    return tuple(limbs)
