"""The 55 SMPL-X joints, the body parts, and every channel range by name.

Source of joints and order: SMPL-X (Pavlakos et al. 2019). Source of the parts and of the 337 channels: the
released EMAGE model. A motion frame as the network sees it has 337 channels: 55 joints x 6D rotation,
translation (3, metres), foot contacts (4, one for each of `CONTACT_JOINTS`).
"""

_FINGERS = ("index", "middle", "pinky", "ring", "thumb")

JOINT_NAMES: tuple[str, ...] = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle",
    "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "jaw", "left_eye", "right_eye",
    *(f"left_{finger}{i}" for finger in _FINGERS for i in (1, 2, 3)),
    *(f"right_{finger}{i}" for finger in _FINGERS for i in (1, 2, 3)),
)  # fmt: skip

PARENTS: tuple[int, ...] = (
    -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 15, 15, 15,
    20, 25, 26, 20, 28, 29, 20, 31, 32, 20, 34, 35, 20, 37, 38,
    21, 40, 41, 21, 43, 44, 21, 46, 47, 21, 49, 50, 21, 52, 53,
)  # fmt: skip

NUM_JOINTS = 55
NUM_EXPRESSIONS = 100
NUM_BETAS = 300
SHARED_BETAS = 10  # mean the same on every body; the others go with the basis of the expressions
POSE_CHANNELS = 3 * NUM_JOINTS  # axis-angle
ROTATION_CHANNELS = 6 * NUM_JOINTS  # 6D
TRANSLATION = slice(330, 333)
CONTACTS = slice(333, 337)
MOTION_CHANNELS = 337
CONTACT_JOINTS: tuple[int, ...] = (7, 8, 10, 11)

HEAD_JOINT = 15
JAW_JOINT = 22
EYE_JOINTS: tuple[int, ...] = (23, 24)

PART_JOINTS: dict[str, tuple[int, ...]] = {
    "face": (JAW_JOINT,),
    "upper": (3, 6, 9, *range(12, 22)),
    "hands": tuple(range(25, 55)),
    "left_hand": tuple(range(25, 40)),
    "right_hand": tuple(range(40, 55)),
    "lower": (0, 1, 2, 4, 5, 7, 8, 10, 11),
}

NETWORK_PARTS: tuple[str, ...] = ("face", "upper", "hands", "lower")
"""The four compositional VQ-VAEs."""

HINT_PARTS: tuple[str, ...] = ("face", "upper", "hands", "left_hand", "right_hand", "lower")
"""What a user may pin; `hands` is both hands."""

DISJOINT_PARTS: tuple[str, ...] = ("face", "upper", "left_hand", "right_hand", "lower")
"""Disjoint parts: what is painted on a body, and what a hint plan resolves to."""

DISJOINT_PARTS_OF: dict[str, tuple[str, ...]] = {
    **{part: (part,) for part in DISJOINT_PARTS},
    "hands": ("left_hand", "right_hand"),
}

ARKIT_ACTIONS: tuple[str, ...] = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft",
    "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight",
    "eyeSquintRight", "eyeWideRight", "jawForward", "jawLeft", "jawRight", "jawOpen", "mouthClose", "mouthFunnel",
    "mouthPucker", "mouthLeft", "mouthRight", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft",
    "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft", "mouthPressRight",
    "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "browDownLeft",
    "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft",
    "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
"""Expressions 0-51 in the basis `arkit52`: the order of Apple's ARFaceAnchor.BlendShapeLocation."""

JAW_OPEN_RAD = 0.29
"""The turn of the jaw about x that opens the mouth as far as the stand-in's action jawOpen at 1."""

# The width of each network part's own vector.
FACE_CHANNELS = 6 + NUM_EXPRESSIONS
LOWER_ROTATIONS = slice(0, 54)
LOWER_TRANSLATION = slice(54, 57)
LOWER_CONTACTS = slice(57, 61)
PART_CHANNELS: dict[str, int] = {"face": FACE_CHANNELS, "upper": 78, "hands": 180, "lower": 61}
WHOLE = "whole"
"""In place of a network part: all of them as one, their channels end to end."""
WHOLE_CHANNELS = sum(PART_CHANNELS.values())


def rotation_channels(joints: tuple[int, ...]) -> list[int]:
    """Indices among the 337 channels of the 6D rotations of `joints`, in their order."""
    return [6 * joint + i for joint in joints for i in range(6)]


def hint_channels(part: str) -> list[int]:
    """Indices among the 337 channels that a hint on `part` makes visible.

    `lower` has its joints, the translation and the foot contacts; `face` has the jaw alone, for expressions are
    no channel of the network's hint.
    """
    channels = rotation_channels(PART_JOINTS[part])
    if part == "lower":
        channels += [*range(TRANSLATION.start, CONTACTS.stop)]
    return channels


def disjoint_part_of_joint(joint: int) -> str:
    """The leaf part that a joint is drawn with; the eyes go with the face."""
    if joint in EYE_JOINTS:
        return "face"
    return next(part for part in DISJOINT_PARTS if joint in PART_JOINTS[part])
